/* SPDX-License-Identifier: Apache-2.0 */
/* demand_book - may this demand be placed now, and if not: why, in one sentence
 *
 * Pure, level-triggered: judged again from the facts whenever they change.
 * Guards the rule of one live instance: a task is launched only when no process
 * of its former launch can still run (status.h), or when the operator replaced
 * the pod and the former one is out of reach.
 */
#ifndef REEVE_OFFER_BROKER_DEMAND_BOOK_H
#define REEVE_OFFER_BROKER_DEMAND_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/records.pb-c.h"
#include "services/offer-broker/facts.h"
#include "services/offer-broker/task_build.h"

enum demand_state {
    DEMAND_READY,   /* offers may be matched */
    DEMAND_LATER,   /* its time has not come: due_wall_ms */
    DEMAND_BLOCKED, /* a task is being ended: soon */
    DEMAND_STUCK,   /* a task is out of reach, or a fact is missing */
    DEMAND_REFUSED, /* asks for what cannot be done */
};

struct demand_view {
    const Reeve__Demand *demand; /* borrowed from the facts, like all below */
    uint64_t revision;
    enum demand_state state;
    char why[400];       /* when not READY */
    int64_t due_wall_ms; /* of LATER */
    char instance[256];  /* "data-0" */
    const Reeve__Config *config;
    const Reeve__PodSpec *pod;
    const Reeve__PodRecord *record; /* NULL: none */
    uint64_t record_revision;
    /* A running task of the pod whose executor takes the new ones in. */
    const Reeve__TaskRecord *sibling;
    bool holds_kill; /* its pod's tasks are not killed for it yet: hold.c */
};

void demand_judge(struct demand_view *view, const struct facts *facts,
                  const struct fact *demand, const struct build_config *config,
                  int64_t now_wall_ms);

/* Was the demand that the order makes room for withdrawn?  Then its task goes
 * on: the planner takes the order itself back only a transaction later.  A
 * demand that was met is gone too, but then the task is dead already. */
bool demand_is_withdrawn(const Reeve__KillOrder *order,
                         const struct facts *facts);

/* Judges all; oldest first.  Free the list with free(). */
struct demand_view *demand_book_judge(const struct facts *facts,
                                      const struct build_config *config,
                                      int64_t now_wall_ms, size_t *count);
/* Should offers come for it (now or within soon_ms)? */
bool demand_needs_offers(const struct demand_view *view, int64_t now_wall_ms,
                         int64_t soon_ms);

#endif
