/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/backoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "services/planner/changes.h"

enum { DOUBLINGS_TO_MAX = 6 };

int64_t backoff_delay_ms(uint32_t failures)
{
    if (failures == 0)
        return 0;
    if (failures > DOUBLINGS_TO_MAX)
        return BACKOFF_MAX_MS;
    return (int64_t)BACKOFF_FIRST_MS << (failures - 1);
}

int64_t backoff_left_ms(const struct backoff *backoff, int64_t now_ms)
{
    int64_t left_ms = backoff->due_ms - now_ms;
    /* Twice: the broker's clock, which told the end, may be ahead of ours. */
    if (left_ms > 2 * backoff_delay_ms(backoff->failures))
        return 0;
    return MAX(left_ms, 0);
}

static char *property_name(const char *task_name)
{
    return xasprintf("backoff-%s", task_name);
}

/* The property's text is "<failures> <id of the task that failed last>". */
static uint32_t stored_count(const struct facts *facts, const char *task_name,
                             const char **task_id)
{
    AUTO_FREE char *name = property_name(task_name);
    const struct fact_property *property = facts_property(facts, name);
    *task_id = "";
    if (!property)
        return 0;
    char *end;
    unsigned long count = strtoul(property->text, &end, 10);
    if (end == property->text || *end != ' ')
        return 0;
    *task_id = end + 1;
    return count > 1000 ? 1000 : (uint32_t)count;
}

static bool is_failure(const struct fact_task *task)
{
    switch (fact_task_state(task)) {
    case MESOS__V1__TASK_STATE__TASK_FAILED:
    case MESOS__V1__TASK_STATE__TASK_ERROR:
    case MESOS__V1__TASK_STATE__TASK_DROPPED:
        return true;
    case MESOS__V1__TASK_STATE__TASK_FINISHED:
        return task->info->goal == REEVE__GOAL__GOAL_RUNNING;
    default: /* a number from outside, not our enum */
        return false;
    }
}

struct backoff backoff_of(const struct facts *facts,
                          const struct fact_task *task)
{
    if (!is_failure(task))
        return (struct backoff){0};

    const char *counted_id;
    uint32_t failures = stored_count(facts, task->name, &counted_id);
    int64_t ended_ms = task->status->stored_wall_ms;
    if (!str_eq(counted_id, task->info->task_id)) {
        bool ran_long =
            ended_ms - task->info->launched_wall_ms >= BACKOFF_RESET_MS;
        failures = ran_long ? 0 : failures + 1;
    }
    if (failures == 0)
        return (struct backoff){0};
    return (struct backoff){
        .failures = failures,
        .due_ms = ended_ms + backoff_delay_ms(failures),
    };
}

void backoff_keep(const struct facts *facts, const struct fact_task *task,
                  struct changes *changes)
{
    struct backoff backoff = backoff_of(facts, task);
    if (backoff.failures == 0) {
        backoff_forget(facts, task->name, changes);
        return;
    }
    AUTO_FREE char *name = property_name(task->name);
    AUTO_FREE char *text =
        xasprintf("%u %s", backoff.failures, task->info->task_id);
    changes_put_text(changes, facts_key(facts, "property", name), text);
}

void backoff_forget(const struct facts *facts, const char *task_name,
                    struct changes *changes)
{
    AUTO_FREE char *name = property_name(task_name);
    if (facts_property(facts, name))
        changes_delete(changes, facts_key(facts, "property", name));
}
