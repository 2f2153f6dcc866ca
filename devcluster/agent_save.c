/* SPDX-License-Identifier: Apache-2.0 */
/* agent_save - an executor's run to and from its checkpoint
 *
 * Deadlines are kept as wall clock, since the monotonic one starts anew with
 * the host; a deadline read back is never further away than it was.
 */
#include <stdlib.h>
#include <utlist.h>

#include "devcluster/agent_state.h"
#include "lib/base/base.h"
#include "lib/wire/pb.h"

static int64_t to_wall(int64_t mono_ms, struct agent_now now)
{
    return mono_ms == AGENT_NEVER ? 0 : mono_ms - now.mono_ms + now.wall_ms;
}

static int64_t from_wall(int64_t wall_ms, struct agent_now now)
{
    return wall_ms == 0 ? AGENT_NEVER
                        : now.mono_ms + MAX(wall_ms - now.wall_ms, 0);
}

static void fill_task(const struct agent_task *task, struct agent_now now,
                      Reeve__Devagent__TaskRun *out)
{
    reeve__devagent__task_run__init(out);
    out->info = task->info;
    out->container_id = task->container;
    PB_SET(out, group, task->group);
    PB_SET(out, phase, task->phase);
    PB_SET(out, kill, task->kill);
    PB_SET(out, kill_at_ms, to_wall(task->kill_at_ms, now));
    PB_SET(out, started_at_ms, task->started_wall_ms);
    PB_SET(out, out_of_time_at_ms, to_wall(task->out_of_time_at_ms, now));
    PB_SET(out, pid, task->pid);
    out->pending = task->pending;
    out->n_pending = task->n_pending;
    out->statuses = task->statuses;
    out->n_statuses = task->n_statuses;
    if (task->has_healthy)
        PB_SET(out, healthy, task->healthy);
    out->check_status = task->check_status;
    PB_SET(out, state, task->state);
}

Reeve__Devagent__ExecutorRun *agent_run_encode(const struct agent_exec *exec,
                                               struct agent_now now)
{
    /* Borrows everything, then copies once. */
    Reeve__Devagent__ExecutorRun run = REEVE__DEVAGENT__EXECUTOR_RUN__INIT;
    struct agent_task *task;
    size_t count = 0;
    DL_COUNT(exec->tasks, task, count);
    AUTO_FREE Reeve__Devagent__TaskRun *tasks =
        xcalloc(count + 1, sizeof(*tasks));
    AUTO_FREE Reeve__Devagent__TaskRun **list =
        xcalloc(count + 1, sizeof(*list));
    run.framework = exec->framework;
    run.executor = exec->info;
    run.container_id = exec->container;
    PB_SET(&run, command_task, exec->command_task);
    PB_SET(&run, health_killed, exec->health_killed);
    PB_SET(&run, destroy_at_ms, to_wall(exec->destroy_at_ms, now));
    PB_SET(&run, ended, exec->ended);
    PB_SET(&run, silent, exec->silent);
    PB_SET(&run, groups, exec->groups);
    run.tasks = list;
    DL_FOREACH(exec->tasks, task)
    {
        fill_task(task, now, &tasks[run.n_tasks]);
        list[run.n_tasks] = &tasks[run.n_tasks];
        run.n_tasks++;
    }
    return WIRE_DUP(reeve__devagent__executor_run, &run);
}

static void copy_statuses(Mesos__V1__TaskStatus *const *from, size_t count,
                          Mesos__V1__TaskStatus ***to, size_t *to_count)
{
    for (size_t i = 0; i < count; i++)
        PB_PUSH(*to, *to_count, WIRE_DUP(mesos__v1__task_status, from[i]));
}

static bool restore_task(struct agent_exec *exec,
                         const Reeve__Devagent__TaskRun *run,
                         struct agent_now now)
{
    if (!run->info || !run->container_id)
        return false;
    struct agent_task *task =
        agent_task_new(exec, run->info, run->container_id);
    task->group = run->group;
    task->phase = run->phase;
    task->kill = run->kill;
    task->kill_at_ms = from_wall(run->kill_at_ms, now);
    task->out_of_time_at_ms = from_wall(run->out_of_time_at_ms, now);
    task->started_wall_ms = run->started_at_ms;
    task->pid = run->pid;
    copy_statuses(run->pending, run->n_pending, &task->pending,
                  &task->n_pending);
    copy_statuses(run->statuses, run->n_statuses, &task->statuses,
                  &task->n_statuses);
    if (run->has_state)
        task->state = run->state;
    task->has_healthy = run->has_healthy;
    task->healthy = run->healthy;
    if (run->check_status)
        task->check_status =
            WIRE_DUP(mesos__v1__check_status_info, run->check_status);
    return true;
}

struct agent_exec *agent_run_decode(const Reeve__Devagent__ExecutorRun *run,
                                    struct agent_now now)
{
    if (!run->framework || !run->framework->id || !run->executor ||
        !run->container_id)
        return NULL;
    struct agent_exec *exec = xcalloc(1, sizeof(*exec));
    exec->framework = WIRE_DUP(mesos__v1__framework_info, run->framework);
    exec->info = WIRE_DUP(mesos__v1__executor_info, run->executor);
    exec->framework_id = exec->framework->id->value;
    exec->id = exec->info->executor_id->value;
    exec->container = xstrdup(run->container_id);
    exec->command_task = run->command_task;
    exec->health_killed = run->health_killed;
    exec->silent = run->silent;
    exec->ended = run->ended;
    exec->groups = run->groups;
    exec->deliver_at_ms = AGENT_NEVER;
    exec->exit_at_ms = AGENT_NEVER;
    exec->destroy_at_ms = from_wall(run->destroy_at_ms, now);
    for (size_t i = 0; i < run->n_tasks; i++) {
        if (!restore_task(exec, run->tasks[i], now)) {
            agent_exec_destroy_memory(&exec);
            return NULL;
        }
    }
    return exec;
}

void agent_exec_destroy_memory(struct agent_exec **exec)
{
    struct agent_exec *e = *exec;
    struct agent_task *task, *next;
    if (!e)
        return;
    DL_FOREACH_SAFE(e->tasks, task, next)
    {
        DL_DELETE(e->tasks, task);
        agent_task_destroy(&task);
    }
    PB_FREE(e->framework);
    PB_FREE(e->info);
    free(e->container);
    free(e);
    *exec = NULL;
}
