/* SPDX-License-Identifier: Apache-2.0 */
/* launch - demands and kill orders: what one round asks the broker for
 *
 * Keeps the rule that no task is ever wanted by two demands: whatever stands in
 * the way of a new demand is withdrawn in the same transaction, at the revision
 * it was seen at.  Pure.
 */
#ifndef REEVE_PLANNER_LAUNCH_H
#define REEVE_PLANNER_LAUNCH_H

#include "services/planner/changes.h"
#include "services/planner/facts.h"
#include "services/planner/target.h"

struct launcher;

struct launcher_source {
    const struct facts *facts;
    const struct fact_config *target;
    int64_t now_ms;
    struct ids ids;
};
/* changes: where everything is added; borrowed. */
struct launcher *launcher_new(const struct launcher_source *source,
                              struct changes *changes);
void launcher_destroy(struct launcher **launcher);

/* Withdraws demands that are stale, adds kill orders that outstanding demands
 * wait for, removes kill orders of tasks that ended. */
void launcher_tidy(struct launcher *launcher);
bool launcher_has_withdrawn(const struct launcher *launcher,
                            const struct fact_demand *demand);

struct launch {
    const Reeve__Plan *plan; /* whose wish it is, and its parameters */
    Reeve__Step *step;       /* becomes PREPARED */
    const struct fact_config *config;
    Reeve__Demand__Recovery recovery;
    const char **tasks; /* short names, all in the configuration's pod */
    size_t n_tasks;     /* 0: nothing happens */
};
/* A demand for these tasks, and a kill order for each that must go first. */
void launcher_launch(struct launcher *launcher, const struct launch *launch);

/* Also for the operator's restart: the order to kill exactly this task. */
void launch_kill(const struct facts *facts, const struct fact_task *task,
                 const char *reason, int64_t now_ms, struct changes *changes);
/* The same, and the order outlives the task's record: others take its place
 * before its end is known. */
void launch_kill_until_dead(const struct facts *facts,
                            const struct fact_task *task, const char *reason,
                            int64_t now_ms, struct changes *changes);

#endif
