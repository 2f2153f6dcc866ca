/* SPDX-License-Identifier: Apache-2.0 */
/* recovery - the plan that relaunches tasks which should stay up and ended
 *
 * Made anew from the facts in every round: a phase with one step for each pod
 * instance in need, on the reservations and volumes it has, built from the
 * configuration the tasks were launched from.  What deployment or a custom plan
 * works on is left to them.  Pure.
 *
 * Bound: at most RECOVERY_HISTORY completed phases stay visible.
 */
#ifndef REEVE_PLANNER_RECOVERY_H
#define REEVE_PLANNER_RECOVERY_H

#include "services/planner/claims.h"
#include "services/planner/step.h"

enum { RECOVERY_HISTORY = 20 };

struct recovery_source {
    const struct step_world *world;
    const struct fact_config *target;
    const struct claims *claims; /* of the other plans */
};

/* The plan with its steps judged, not settled.  old: the record so far, or
 * NULL.  *wake_ms: lowered to the time of the next delay that ends. The caller
 * frees. */
Reeve__Plan *recovery_build(const struct recovery_source *source,
                            const Reeve__Plan *old, int64_t *wake_ms);

/* The configuration to relaunch these tasks of a pod from: their own; the
 * target when one of them is up to date, or their own one is lost. */
const struct fact_config *recovery_config(const struct recovery_source *source,
                                          const Reeve__Step *step);

#endif
