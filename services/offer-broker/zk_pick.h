/* SPDX-License-Identifier: Apache-2.0 */
/* zk_pick - which master leads, from what ZooKeeper holds
 *
 * Pure.  Masters contend below one path with ephemeral sequential nodes:
 * json.info_NNNNNNNNNN (JSON of MasterInfo), info_NNNNNNNNNN (the message in
 * protobuf), NNNNNNNNNN ("master@ip:port").  The smallest number leads,
 * whatever the label; what does not end in a number (log_replicas) is no
 * master.
 */
#ifndef REEVE_OFFER_BROKER_ZK_PICK_H
#define REEVE_OFFER_BROKER_ZK_PICK_H

#include <stdbool.h>
#include <stddef.h>

struct err;

struct zk_url {
    char *hosts; /* "h1:2181,h2:2181" */
    char *path;  /* "/mesos", never with / at its end */
    char *auth;  /* "user:password", or NULL */
};

/* zk://[user:password@]h:p[,h:p…]/path; no port: 2181. */
int zk_url_parse(const char *text, struct zk_url *out, struct err *err);
void zk_url_free(struct zk_url *url);

/* Index of the leader's node among the children; -1: no master. */
int zk_pick_leader(const char *const *names, size_t count);

/* "host:port" of the master whose node has this name and content, malloc'd;
 * NULL with ERR_INVALID.  by_name: its host name rather than its address
 * (certificates are made for names). */
char *zk_pick_address(const char *name, const void *data, size_t len,
                      bool by_name, struct err *err);

#endif
