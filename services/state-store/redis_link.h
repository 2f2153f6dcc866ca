/* SPDX-License-Identifier: Apache-2.0 */
/* redis_link - one connection to Redis: connects, logs in, asks, reconnects
 *
 * One exchange at a time: any number of commands, and a callback when all their
 * replies are there.  A connection that fails, or that says nothing for the
 * timeout while an exchange is under way, is closed and made again (100 ms,
 * doubling).  Host names are looked up without waiting.  When the URL
 * names sentinels, the master they name is connected to, and left for another
 * one as soon as they name that.  With redis_mirror.c and redis_sentinel.c the
 * only user of hiredis.
 */
#ifndef REEVE_STATE_STORE_REDIS_LINK_H
#define REEVE_STATE_STORE_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct loop;
struct redis_link;
struct redis_tls;
struct redis_url;

struct redis_link_events {
    void (*up)(void *self); /* logged in, database chosen: ask */
    /* The exchange under way will not be answered.  Never from inside
     * redis_link_ask(). */
    void (*down)(void *self, const char *why);
};

struct redis_link_config {
    const struct redis_url *url; /* borrowed for the link's life */
    const struct redis_tls *tls; /* for a URL that wants it; borrowed, too */
    int64_t timeout_ms;
    int64_t retry_max_ms; /* between two tries to connect, at most */
};
/* Starts to connect. */
struct redis_link *redis_link_new(struct loop *loop,
                                  const struct redis_link_config *config,
                                  const struct redis_link_events *events,
                                  void *self);
void redis_link_destroy(struct redis_link **link);

/* Only when up and nothing is under way.  Sends the commands (the buffer is
 * emptied) and calls done with n replies, borrowed during the call. */
void redis_link_ask(struct redis_link *link, struct buf *commands, size_t n,
                    void (*done)(void *self, redisReply **replies));
bool redis_link_is_idle(const struct redis_link *link);
/* Closes; down is called from the loop, and it connects again. */
void redis_link_drop(struct redis_link *link, const char *why);

#endif
