/* SPDX-License-Identifier: Apache-2.0 */
/* plan - the tree of plans, phases and steps, and how statuses add up
 *
 * plan_build makes a tree from a specification and takes over what an older
 * record of it says about decisions and progress.  plan_settle works upwards:
 * statuses of steps, already set, give those of phases and plan, and which
 * steps may be worked on.  Ids are hashes of paths, the same for ever.  Pure.
 */
#ifndef REEVE_PLANNER_PLAN_H
#define REEVE_PLANNER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/planner/facts.h"
#include "services/planner/strategy.h"

/* Plan.order: deploy 0, recovery 1, (decommission 2), then the custom ones. */
enum { PLAN_FIRST_CUSTOM = 3 };

/* Status of a parent (the first rule that fits wins). */
struct plan_parent {
    bool has_errors;
    bool is_interrupted;
};
Reeve__PlanStatus plan_aggregate(struct plan_parent parent,
                                 const struct strategy_child *children,
                                 size_t n, const bool *may_work);

/* The plan that a specification without plans has: a serial phase for each pod
 * type in file order, a step for each instance with all its tasks. */
Reeve__PlanSpec *plan_default_spec(const Reeve__ServiceSpec *spec);

struct plan_source {
    const char *svc;
    const struct fact_config *config; /* the target's */
    const Reeve__PlanSpec *plan;      /* its phases */
    const char *name;                 /* may differ from plan->name */
    uint32_t order;
    bool starts_interrupted; /* until the operator's start; a new plan only */
};
/* old: the record so far, or NULL.  What was completed or forced for another
 * digest is forgotten.  The caller frees the plan. */
Reeve__Plan *plan_build(const struct plan_source *source,
                        const Reeve__Plan *old);

/* Arms the canary of each phase that was not armed for its present pods, over
 * the steps that are PENDING or DELAYED. Judge those steps again afterwards;
 * true: something changed. */
bool plan_arm_canaries(Reeve__Plan *plan, const struct fact_config *config);

/* Sets the statuses of phases and plan.  candidates: NULL, or room for all
 * steps of the plan; gets those that may be worked on, in order (none when the
 * plan is interrupted or in error); returns how many. */
size_t plan_settle(Reeve__Plan *plan, Reeve__Step **candidates);

/* Says for each PENDING step that is no candidate what it waits for.  May set
 * only messages. Call after plan_settle. */
void plan_explain(Reeve__Plan *plan);

size_t plan_count_steps(const Reeve__Plan *plan);
/* Of the phase as the operator sees it: his own interrupt, or a canary. */
bool plan_phase_is_interrupted(const Reeve__Phase *phase);
/* The step that the next continue releases; NULL: no canary waits. */
Reeve__Step *plan_phase_canary(const Reeve__Phase *phase);

void plan_path_id(const char *svc, const char *plan, const char *rest,
                  char out[37]);

#endif
