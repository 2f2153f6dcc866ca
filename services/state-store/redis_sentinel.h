/* SPDX-License-Identifier: Apache-2.0 */
/* redis_sentinel - asks Redis Sentinel where the master is, again and again
 *
 * One sentinel at a time; when it does not answer or does not know the name,
 * the next one of the URL.  A sentinel that answers is asked every half second,
 * so a promotion is seen although the old master may still answer.
 */
#ifndef REEVE_STATE_STORE_REDIS_SENTINEL_H
#define REEVE_STATE_STORE_REDIS_SENTINEL_H

#include <stdint.h>

struct loop;
struct redis_sentinel;
struct redis_tls;
struct redis_url;

struct redis_sentinel_config {
    const struct redis_url *url; /* with sentinels; borrowed */
    const struct redis_tls *tls; /* borrowed */
    int64_t timeout_ms;          /* silence after which the next is asked */
    /* Each answer; host is borrowed during the call. */
    void (*named)(void *self, const char *host, int port);
    void *self;
};
struct redis_sentinel *
redis_sentinel_new(struct loop *loop,
                   const struct redis_sentinel_config *config);
void redis_sentinel_destroy(struct redis_sentinel **sentinel);

/* Why no master is known; "" when one was named last. */
const char *redis_sentinel_why(const struct redis_sentinel *sentinel);

#endif
