/* SPDX-License-Identifier: Apache-2.0 */
/* engine - one round of decisions for one service
 *
 * Level-triggered: from all facts and the time, what should be different in the
 * store.  It remembers nothing between rounds.  The caller applies the changes
 * in one transaction and calls again only when the facts include it; so a wish
 * is never made twice.  Pure.
 *
 * Order of plans: deploy, recovery, custom ones as in the file.  Deployment
 * goes before recovery: an outstanding relaunch of the old configuration is
 * withdrawn when deployment reaches the pod.
 *
 * Bound: about CHANGES_FULL operations a round; the rest comes in the next.
 */
#ifndef REEVE_PLANNER_ENGINE_H
#define REEVE_PLANNER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "services/planner/changes.h"
#include "services/planner/target.h"

struct engine_input {
    const struct facts *facts;
    const struct intent *intent; /* NULL: none; the stored target stands */
    int64_t now_ms;              /* wall clock */
    struct ids ids;
    /* Do not rewrite a plan only because statuses or messages changed: it is
     * large and was written a moment ago. */
    bool hold_plans;
};
struct engine_output {
    struct changes changes; /* changes_free() by the caller */
    int64_t wake_ms;        /* wall clock; decide again then; 0: no need */
    bool plans_held;        /* some plan waits for hold_plans to end */
    size_t plan_bytes;      /* written for plans in this round */
};

/* Returns 0, or -1 with ERR_INVALID when the process must end (see
 * target_decide).  Damaged facts give no changes. */
int engine_step(const struct engine_input *in, struct engine_output *out,
                struct err *err);

#endif
