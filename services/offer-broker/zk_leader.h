/* SPDX-License-Identifier: Apache-2.0 */
/* zk_leader - follows the leading master by ZooKeeper
 *
 * The client library's threads only put what they hear into a mailbox; all
 * decisions are made on the loop.  When the session with ZooKeeper is lost no
 * leader is known until there is a new one; connections to a master that stand
 * are not ended for that.
 */
#ifndef REEVE_OFFER_BROKER_ZK_LEADER_H
#define REEVE_OFFER_BROKER_ZK_LEADER_H

#include <stdbool.h>

struct err;
struct loop;
struct zk_leader;

struct zk_leader_config {
    const char *url; /* zk://… */
    bool by_name;    /* see zk_pick_address */
};

/* changed: the leader's "host:port", or NULL: none is known; never from inside.
 * NULL with ERR_INVALID when the URL is no good. */
struct zk_leader *
zk_leader_new(struct loop *loop, const struct zk_leader_config *config,
              void (*changed)(void *self, const char *address), void *self,
              struct err *err);
void zk_leader_destroy(struct zk_leader **zk);
/* For health: how it stands; borrowed until the next turn of the loop. */
const char *zk_leader_state(const struct zk_leader *zk);

#endif
