/* SPDX-License-Identifier: Apache-2.0 */
/* recovery - two full copies, log and Redis: which one to go on from
 *
 * Pure decision, taken at start and whenever Redis (re)appears.  The higher seq
 * of the same history wins; two lineages, or two continuations of one lineage
 * (each written without the other), are never merged.
 */
#ifndef REEVE_STATE_STORE_RECOVERY_H
#define REEVE_STATE_STORE_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/state-store/history.h"

/* What one copy says about itself. */
struct copy {
    bool is_there;   /* false: empty; nothing below is set */
    bool is_partial; /* Redis only: filling it was cut short */
    uint8_t lineage[16];
    uint64_t seq, revision;
    struct history history;
};

enum recovery {
    RECOVERY_NEW,      /* both are empty: a new lineage */
    RECOVERY_FOLLOW,   /* the log is ahead or equal: Redis catches up from it */
    RECOVERY_REFILL,   /* Redis is empty or partial: write it anew */
    RECOVERY_LOAD,     /* Redis is ahead (or alone): take it */
    RECOVERY_FOREIGN,  /* Redis holds another lineage */
    RECOVERY_DIVERGED, /* same lineage, but each went on without the other */
    RECOVERY_HALF,     /* no log, and Redis was only half filled */
};

enum recovery recovery_decide(const struct copy *log, const struct copy *redis);

/* Why it is refused and what the operator can do; NULL for what is no refusal.
 */
const char *recovery_advice(enum recovery what);

#endif
