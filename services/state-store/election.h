/* SPDX-License-Identifier: Apache-2.0 */
/* election - who of several stores may be active
 *
 *   (none)                            the lease in Redis alone decides
 *   zk://[user:password@]host:port[,host:port]/path
 *                                     ZooKeeper: who has the node path/active
 *
 * ZooKeeper chooses, and the epoch it gives is the one that Redis is claimed
 * with: the writes are fenced in Redis in both cases (succession.h).
 */
#ifndef REEVE_STATE_STORE_ELECTION_H
#define REEVE_STATE_STORE_ELECTION_H

#include <stdbool.h>
#include <stdint.h>

struct election;
struct err;
struct loop;

enum { ELECTION_MARK_MAX = 120 };

struct election_config {
    const char *url;    /* "" : Redis alone */
    const char *holder; /* who we are: host and data folder */
    int64_t ttl_ms;     /* silence after which it is over */
};

struct election_events {
    void (*won)(void *self, uint64_t epoch);
    /* It was won and is over; goes on trying. */
    void (*lost)(void *self, const char *why);
};

/* The url alone: ERR_INVALID.  The error never holds the password. */
int election_check(const char *url, struct err *err);
struct election *election_new(struct loop *loop,
                              const struct election_config *config,
                              const struct election_events *events, void *self);
/* Gives it back. */
void election_destroy(struct election **election);

/* false: Redis alone decides, nothing is ever won. */
bool election_is_outside(const struct election *election);
/* Nothing to win, or won and by our clock not over. */
bool election_holds(const struct election *election);
/* Won, but not to go on from here: lets others try for a while. */
void election_yield(struct election *election);
/* A short text that is kept where stores are chosen, for who is chosen next.
 * Only while it is won. */
void election_set_mark(struct election *election, const char *mark);
/* What it was when we won; "": there is none. */
const char *election_mark(const struct election *election);
/* What stands in the way of winning; "" for nothing that is known. */
const char *election_why(const struct election *election);

/* One way to choose. */
struct election_kind {
    const char *scheme;
    int (*check)(const char *rest, struct err *err);
    void *(*start)(struct loop *loop, const struct election_config *config,
                   const struct election_events *events, void *self);
    void (*stop)(void *state);
    bool (*holds)(const void *state);
    const char *(*why)(const void *state);
    void (*yield)(void *state);
    void (*set_mark)(void *state, const char *mark);
    const char *(*mark)(const void *state);
};
extern const struct election_kind election_zk;

#endif
