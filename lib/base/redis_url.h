/* SPDX-License-Identifier: Apache-2.0 */
/* redis_url - where Redis is and who we are there; pure
 *
 *   redis://[[user]:password@]host[:port][/database]
 *   unix://[[user]:password@]/path/of/socket[?db=database]
 *   redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/master[/db]
 *       [?sentinel_user=U&sentinel_password=P]
 *   rediss://…, rediss+sentinel://…  the same over TLS
 *
 * User, password, path and the master's name may use %XX.  With Sentinel, the
 * user and password in front are for the master it names, those behind for the
 * sentinels; TLS is for both.
 */
#ifndef REEVE_LIB_BASE_REDIS_URL_H
#define REEVE_LIB_BASE_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

struct err;

struct redis_host {
    char *host;
    int port;
};

struct redis_url {
    bool is_unix, is_tls;
    char *host; /* or the path of the socket; NULL with sentinels */
    int port;
    char *user, *password; /* NULL: none */
    int database;
    struct redis_host *sentinels;
    size_t n_sentinels; /* 0: the host itself is the master */
    char *master;       /* the name the sentinels know it by */
    char *sentinel_user, *sentinel_password; /* NULL: none */
};
bool redis_url_is_set(const struct redis_url *url);

/* ERR_INVALID, ERR_UNSUPPORTED (another scheme).  The error never holds the
 * password. */
int redis_url_parse(const char *text, struct redis_url *out, struct err *err);
void redis_url_free(struct redis_url *url);
/* For people: without user and password. */
void redis_url_text(const struct redis_url *url, char *out, size_t size);

#endif
