/* SPDX-License-Identifier: Apache-2.0 */
/* strategy - which children of a plan or phase may be worked on now
 *
 * Always computed from the statuses of this moment: a child that was complete
 * and is not any more takes its old place in the order again.  Pure.
 *
 * Canary: two steps carry a flag of their own until the operator releases them,
 * one `continue` each.  While one of them waits, only what stands before it may
 * be worked on; when none waits, the inner strategy rules.
 */
#ifndef REEVE_PLANNER_STRATEGY_H
#define REEVE_PLANNER_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/records.pb-c.h"

struct strategy {
    bool is_serial;
    bool is_canary;
};
/* As in a phase's or plan's record; unset and unknown are serial. */
struct strategy strategy_parse(const char *name);

struct strategy_child {
    Reeve__PlanStatus status;
    bool has_errors;
    bool is_interrupted;
    /* Children of one group stand together and wait for each other in order:
     * the steps of one pod instance. */
    uint32_t group;
};

/* Sets may_work[0..n-1].  Complete, failed and interrupted children never may;
 * interruption of the parent itself is the caller's business. */
void strategy_candidates(struct strategy strategy,
                         const struct strategy_child *children, size_t n,
                         bool *may_work);

/* Index of the first canary child that waits for its release; n: none. */
size_t strategy_canary_waiting(struct strategy strategy,
                               const struct strategy_child *children, size_t n);
/* A canary waits and nothing that was released is left to do. */
bool strategy_canary_holds(struct strategy strategy,
                           const struct strategy_child *children, size_t n);

#endif
