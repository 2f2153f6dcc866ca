/* SPDX-License-Identifier: Apache-2.0 */
/* twins - demands of one pass that differ in nothing but their number
 *
 * A rollout wants the same pod many times.  What one of them found out about
 * the agents counts for the others: whose agents are in which order, which are
 * out of the question for the rest of the pass, and why.  So a pass looks at
 * each agent once for all of them, not once for each.  Pure.
 */
#ifndef REEVE_OFFER_BROKER_TWINS_H
#define REEVE_OFFER_BROKER_TWINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/spec/placement.h"
#include "services/offer-broker/demand_book.h"

/* Why agents were refused. */
struct reasons {
    struct buf text; /* a line for each, as long as it has room */
    char first[300];
    size_t count;
};
void reasons_add(struct reasons *reasons, const char *hostname,
                 const char *why);
void reasons_join(struct reasons *reasons, const struct reasons *more);
void reasons_free(struct reasons *reasons);

/* An agent's pool, and how many pods of the type are there. */
struct twin_pool {
    size_t at;
    size_t crowd;
};

struct twin {
    const struct demand_view *like; /* the first of them */
    struct twin_pool *heap;         /* the least crowded first */
    size_t count, capacity;
    size_t moves;           /* of the places, when the heap was filled */
    bool is_put_off;        /* some pool had got its share */
    struct reasons reasons; /* of pools that are out of the question */
    struct reasons last;    /* of the last of them that fitted nowhere, … */
    uint64_t last_launches; /* … after so many launches */
    bool has_failed;
    struct twin *next;
};

/* May the demand have twins?  Nothing of its pod exists, and no hook is asked
 * about it. */
bool twin_is_possible(const struct demand_view *view,
                      const struct placement_rules *rules);
/* Made, without any pool, when there is none (then *is_new). */
struct twin *twin_of(struct twin **list, const struct demand_view *view,
                     bool *is_new);
void twin_clear(struct twin *twin);
void twin_push(struct twin *twin, struct twin_pool pool);
/* Takes the least crowded pool out; of equal ones the first.  crowds: of all
 * pools, now; they may have grown since the push.  false: none is left. */
bool twin_pop(struct twin *twin, const size_t *crowds, struct twin_pool *out);
void twins_free(struct twin **list);

/* Will what these rules refuse now be refused for the rest of the pass, in
 * which places are only added? */
bool twin_refusal_lasts(const struct placement_rules *rules);

#endif
