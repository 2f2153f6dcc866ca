/* SPDX-License-Identifier: Apache-2.0 */
/* step - the status of one step, read off the facts about its tasks
 *
 * A step keeps no state of its own but the operator's and its own completion
 * (Step.completed_digest, forced_digest, restart_task_ids, interrupted).  All
 * else is computed: what is wanted for its tasks, what runs, what failed. Pure.
 */
#ifndef REEVE_PLANNER_STEP_H
#define REEVE_PLANNER_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/planner/facts.h"

/* What a judgement rests on. */
struct step_world {
    const struct facts *facts;
    int64_t now_ms; /* wall clock */
    /* Demands that this very transaction withdraws: as good as gone.  May be
     * NULL. */
    bool (*is_withdrawn)(const void *self, const struct fact_demand *demand);
    const void *self;
};
/* Whose step it is. */
struct step_subject {
    const Reeve__Step *step;
    const Reeve__PodSpec *pod; /* of the configuration it works for */
    /* What its tasks should be; NULL in recovery, where each task stays what
     * it was launched as. */
    const char *digest;
};

struct step_verdict {
    Reeve__PlanStatus status;
    int64_t wake_ms;   /* look again then; 0: only when facts change */
    char message[512]; /* one sentence: what it waits for */
};

void step_judge(const struct step_world *world,
                const struct step_subject *subject, struct step_verdict *out);

/* Which of the step's tasks to launch together, when it is PENDING: all, but
 * for those that ran to their end; or only the ones in need when none of these
 * is essential.  out has room for step->n_tasks; returns how many. */
size_t step_launch_set(const struct step_world *world,
                       const struct step_subject *subject, const char **out);

/* A demand that counts for this task: not withdrawn, and for the same digest
 * when one is asked for.  NULL: none. */
const struct fact_demand *step_demand(const struct step_world *world,
                                      const struct fact_pod *pod,
                                      const char *short_name,
                                      const char *digest);

/* "hello-0:[a, b]", or "data-0" for an inline task; malloc'd. */
char *step_name(const Reeve__PodSpec *pod, uint32_t index, char *const *tasks,
                size_t n_tasks);
/* A hash of the ids of the tasks that stand recorded: what forced_digest of a
 * recovery step holds, as its tasks have no common target. */
void step_incarnation(const struct facts *facts, const Reeve__Step *step,
                      char out[65]);

#endif
