/* SPDX-License-Identifier: Apache-2.0 */
/* agent_task - one task's life, and the queue of its status updates
 *
 * Plays the default executor (pods) and the command executor (single commands);
 * the differences between the two are marked by command_task.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <utlist.h>

#include "devcluster/agent_state.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/states.h"

struct agent_task *agent_task_new(struct agent_exec *exec,
                                  const Mesos__V1__TaskInfo *info,
                                  const char *container)
{
    struct agent_task *task = xcalloc(1, sizeof(*task));
    task->exec = exec;
    task->info = WIRE_DUP(mesos__v1__task_info, info);
    task->id = task->info->task_id->value;
    task->container = xstrdup(container);
    task->kill_at_ms = AGENT_NEVER;
    task->out_of_time_at_ms = AGENT_NEVER;
    task->resend_at_ms = AGENT_NEVER;
    task->health.next_at_ms = AGENT_NEVER;
    task->check.next_at_ms = AGENT_NEVER;
    task->state = STATE(STAGING);
    DL_APPEND(exec->tasks, task);
    return task;
}

void agent_task_destroy(struct agent_task **task)
{
    struct agent_task *t = *task;
    if (!t)
        return;
    for (size_t i = 0; i < t->n_pending; i++)
        PB_FREE(t->pending[i]);
    for (size_t i = 0; i < t->n_statuses; i++)
        PB_FREE(t->statuses[i]);
    free(t->pending);
    free(t->statuses);
    PB_FREE(t->check_status);
    PB_FREE(t->info);
    free(t->container);
    free(t);
    *task = NULL;
}

struct agent_task *agent_task_find(struct agent_core *core,
                                   const char *framework_id, const char *id)
{
    struct agent_task *found = NULL;
    struct agent_exec *exec;
    struct agent_task *task;
    DL_FOREACH(core->execs, exec)
    {
        if (strcmp(exec->framework_id, framework_id) != 0)
            continue;
        DL_FOREACH(exec->tasks, task)
        {
            /* A live one, else the newest. */
            if (strcmp(task->id, id) == 0 &&
                (!found || found->phase == PHASE(ENDED)))
                found = task;
        }
    }
    return found;
}

struct agent_task *agent_container_find(struct agent_core *core,
                                        const char *container)
{
    struct agent_exec *exec;
    struct agent_task *task;
    DL_FOREACH(core->execs, exec)
    {
        DL_FOREACH(exec->tasks, task)
        {
            if (strcmp(task->container, container) == 0)
                return task;
        }
    }
    return NULL;
}

/* ---- updates ---------------------------------------------------------- */

static Mesos__V1__ContainerID *container_id(const struct agent_task *task)
{
    Mesos__V1__ContainerID *id = PB_NEW(mesos__v1__container_id);
    id->value = xstrdup(task->container);
    if (task->exec->command_task)
        return id;
    id->parent = PB_NEW(mesos__v1__container_id);
    id->parent->value = xstrdup(task->exec->container);
    return id;
}

/* The nested container is known to the agent only while it runs; that of a
 * command task lives as long as its executor. */
static Mesos__V1__ContainerStatus *
container_status(const struct agent_core *core, const struct agent_task *task,
                 Mesos__V1__TaskState state)
{
    Mesos__V1__ContainerStatus *status = PB_NEW(mesos__v1__container_status);
    status->container_id = container_id(task);
    bool known =
        task->exec->command_task ||
        (!task_state_is_terminal((int)state) && state != STATE(STARTING));
    if (!known || task->pid <= 0)
        return status;
    agent_network_status(core, task->exec, status);
    PB_SET(status, executor_pid, (uint32_t)task->pid);
    return status;
}

static Mesos__V1__TaskStatus *plain_status(struct agent_core *core,
                                           const struct agent_task *task,
                                           Mesos__V1__TaskState state,
                                           struct agent_now now)
{
    uint8_t uuid[16];
    Mesos__V1__TaskStatus *status = PB_NEW(mesos__v1__task_status);
    core->config.new_uuid(core->config.self, uuid);
    status->task_id = pb_task_id(task->id);
    status->state = state;
    status->agent_id = pb_agent_id(str_or_empty(core->id));
    status->executor_id = pb_executor_id(task->exec->id);
    PB_SET(status, timestamp, (double)now.wall_ms / 1000);
    PB_BYTES(status, uuid, uuid, sizeof(uuid));
    return status;
}

Mesos__V1__TaskStatus *agent_status_new(struct agent_core *core,
                                        const struct agent_task *task,
                                        Mesos__V1__TaskState state,
                                        struct agent_now now)
{
    Mesos__V1__TaskStatus *status = plain_status(core, task, state, now);
    PB_SET(status, source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR);
    status->container_status = container_status(core, task, state);
    status->check_status = agent_check_empty(task);
    /* The executor never forgets that one of its tasks was unhealthy. */
    if (task->exec->health_killed && task_state_is_terminal((int)state))
        PB_SET(status, healthy, 0);
    return status;
}

static void remember_status(struct agent_task *task,
                            const Mesos__V1__TaskStatus *status)
{
    Mesos__V1__TaskStatus *copy = WIRE_DUP(mesos__v1__task_status, status);
    for (size_t i = 0; i < task->n_statuses; i++) {
        if (task->statuses[i]->state == status->state) {
            PB_FREE(task->statuses[i]);
            task->statuses[i] = copy;
            return;
        }
    }
    PB_ADD(task, statuses, copy);
}

void agent_status_post(struct agent_core *core, struct agent_task *task,
                       Mesos__V1__TaskStatus *status, struct agent_now now)
{
    /* The first terminal word is the last one. */
    if (task_state_is_terminal((int)task->state)) {
        PB_FREE(status);
        return;
    }
    agent_drain_mark(core, task->exec, status);
    task->state = status->state;
    task->exec->dirty = true;
    remember_status(task, status);
    if (task->exec->silent) {
        PB_FREE(status);
        return;
    }
    PB_ADD(task, pending, status);
    if (task->n_pending == 1) {
        task->resend_after_ms = core->config.status_resend_ms;
        agent_task_send_first(core, task, now);
    }
}

void agent_task_send_first(struct agent_core *core, struct agent_task *task,
                           struct agent_now now)
{
    if (!core->registered || task->n_pending == 0)
        return;
    agent_save_exec(core, task->exec, now);
    Reeve__Devcluster__ToMaster *message = PB_NEW(reeve__devcluster__to_master);
    Reeve__Devcluster__ToMaster__StatusUpdate *update =
        PB_NEW(reeve__devcluster__to_master__status_update);
    message->status_update = update;
    update->framework_id = pb_framework_id(task->exec->framework_id);
    update->executor_id = pb_executor_id(task->exec->id);
    update->status = WIRE_DUP(mesos__v1__task_status, task->pending[0]);
    PB_SET(update, latest_state, task->state);
    agent_send(core, message);
    task->resend_at_ms =
        agent_after(now.mono_ms, (double)task->resend_after_ms);
}

void agent_task_acknowledge(struct agent_core *core, struct agent_task *task,
                            ProtobufCBinaryData uuid, struct agent_now now)
{
    if (task->n_pending == 0 || task->pending[0]->uuid.len != uuid.len ||
        memcmp(task->pending[0]->uuid.data, uuid.data, uuid.len) != 0) {
        /* Usual after a resend: the first acknowledgement was enough. */
        return;
    }
    PB_FREE(task->pending[0]);
    task->n_pending--;
    memmove(task->pending, task->pending + 1,
            task->n_pending * sizeof(*task->pending));
    task->resend_at_ms = AGENT_NEVER;
    task->resend_after_ms = core->config.status_resend_ms;
    task->exec->dirty = true;
    agent_task_send_first(core, task, now);
    agent_exec_forget(core, task->exec);
}

/* ---- ending ----------------------------------------------------------- */

static char *describe(int status)
{
    if (WIFEXITED(status))
        return xasprintf("Command exited with status %d", WEXITSTATUS(status));
    return xasprintf("Command terminated with signal %s%s",
                     strsignal(WTERMSIG(status)),
                     WCOREDUMP(status) ? " (core dumped)" : "");
}

static void kill_siblings(struct agent_core *core, struct agent_task *task,
                          struct agent_now now)
{
    struct agent_task *other;
    DL_FOREACH(task->exec->tasks, other)
    {
        if (other != task && other->group == task->group)
            agent_task_kill(core, other, KILL(REQUESTED),
                            core->config.kill_grace_ms, now);
    }
}

static void post_end(struct agent_core *core, struct agent_task *task,
                     Mesos__V1__TaskStatus *status, struct agent_now now)
{
    task->phase = PHASE(ENDED);
    task->pid = 0;
    task->kill_at_ms = AGENT_NEVER;
    task->out_of_time_at_ms = AGENT_NEVER;
    agent_checks_stop(core, task);
    agent_status_post(core, task, status, now);
}

void agent_task_end(struct agent_core *core, struct agent_task *task,
                    const struct agent_verdict *verdict, struct agent_now now)
{
    Mesos__V1__TaskStatus *status =
        plain_status(core, task, verdict->state, now);
    PB_SET(status, source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_AGENT);
    PB_SET(status, reason, verdict->reason);
    status->message = xstrdup(verdict->message);
    post_end(core, task, status, now);
}

/* The executor's word on how the command, its fetch or its launch ended. */
static void end_by_executor(struct agent_core *core, struct agent_task *task,
                            const char *message, bool success,
                            struct agent_now now)
{
    Mesos__V1__TaskState state = success ? STATE(FINISHED) : STATE(FAILED);
    if (task->kill == KILL(REQUESTED) || task->kill == KILL(UNHEALTHY))
        state = STATE(KILLED);
    else if (task->kill == KILL(OUT_OF_TIME))
        state = STATE(FAILED);
    Mesos__V1__TaskStatus *status = agent_status_new(core, task, state, now);
    status->message = xstrdup(message);
    if (task->kill == KILL(OUT_OF_TIME))
        PB_SET(status, reason, REASON(MAX_COMPLETION_TIME_REACHED));
    post_end(core, task, status, now);
    if (state != STATE(FINISHED))
        kill_siblings(core, task, now);
}

/* Before a command executor is there, the agent itself speaks. */
static void end_command_launch(struct agent_core *core, struct agent_task *task,
                               const char *text, struct agent_now now)
{
    AUTO_FREE char *message = xasprintf("Failed to launch container: %s", text);
    struct agent_verdict verdict = {STATE(FAILED),
                                    REASON(CONTAINER_LAUNCH_FAILED), message};
    agent_task_end(core, task, &verdict, now);
}

static void end_fetch(struct agent_core *core, struct agent_task *task,
                      int status, struct agent_now now)
{
    AUTO_FREE char *text = describe(status);
    if (!task->exec->command_task || task->kill != KILL(NOT_KILLED)) {
        end_by_executor(core, task, text, false, now);
        return;
    }
    AUTO_FREE char *why =
        xasprintf("Failed to fetch all URIs for container '%s': %s",
                  task->container, text + strlen("Command "));
    end_command_launch(core, task, why, now);
}

void agent_core_ended(struct agent_core *core, const char *container,
                      const struct agent_end *end, struct agent_now now)
{
    struct agent_task *task = agent_container_find(core, container);
    if (!task || task->phase == PHASE(ENDED))
        return;
    struct agent_exec *exec = task->exec;
    switch (end->kind) {
    case AGENT_END_NOT_STARTED:
        if (exec->command_task)
            end_command_launch(core, task, end->text, now);
        else
            end_by_executor(core, task, end->text, false, now);
        break;
    case AGENT_END_FETCH:
        end_fetch(core, task, end->status, now);
        break;
    case AGENT_END_LAUNCH:
    case AGENT_END_RUN: {
        AUTO_FREE char *text = describe(end->status);
        end_by_executor(core, task, text, end->status == 0, now);
        break;
    }
    case AGENT_END_VANISHED:
        /* As when someone kills the executor's process. */
        agent_exec_destroy(core, exec, SIGKILL, now);
        break;
    }
    agent_exec_check(core, exec, now);
    agent_save_exec(core, exec, now);
    agent_exec_forget(core, exec);
}

/* ---- starting --------------------------------------------------------- */

void agent_task_deliver(struct agent_core *core, struct agent_task *task,
                        struct agent_now now)
{
    struct err err;
    const Mesos__V1__DurationInfo *limit = task->info->max_completion_time;
    task->phase = PHASE(STARTING);
    task->exec->dirty = true;
    if (limit)
        task->out_of_time_at_ms =
            agent_after(now.mono_ms, (double)limit->nanoseconds / 1e6);
    if (!task->exec->command_task)
        agent_status_post(core, task,
                          agent_status_new(core, task, STATE(STARTING), now),
                          now);
    Reeve__Devagent__ContainerSpec *spec = agent_spec_new(core, task, &err);
    if (!spec) {
        struct agent_end end = {.kind = AGENT_END_NOT_STARTED,
                                .text = err.text};
        AUTO_FREE char *container = xstrdup(task->container);
        agent_core_ended(core, container, &end, now);
        return;
    }
    agent_save_exec(core, task->exec, now);
    agent_act(core, AGENT_START)->message = &spec->base;
}

static void signal_task(struct agent_core *core, const struct agent_task *task,
                        int signo)
{
    struct agent_action *action = agent_act(core, AGENT_SIGNAL);
    action->container = xstrdup(task->container);
    action->signo = signo;
    /* A pod's task is asked by a signal to its own process alone; a command
     * executor asks the whole session. */
    action->whole = signo == SIGKILL || task->exec->command_task;
}

void agent_core_started(struct agent_core *core, const char *container,
                        int64_t pid, struct agent_now now)
{
    struct agent_task *task = agent_container_find(core, container);
    if (!task || task->phase == PHASE(ENDED) || task->phase == PHASE(QUEUED))
        return;
    bool recovered = task->phase == PHASE(RUNNING);
    task->pid = pid;
    if (!recovered) {
        task->phase = PHASE(RUNNING);
        task->started_wall_ms = now.wall_ms;
        task->exec->dirty = true;
    }
    if (task->kill != KILL(NOT_KILLED)) {
        /* Decided before it ran (or before we restarted): ask (again). */
        signal_task(core, task,
                    task->kill_at_ms == AGENT_NEVER ? SIGKILL : SIGTERM);
    } else if (!recovered) {
        if (task->exec->command_task)
            agent_status_post(
                core, task, agent_status_new(core, task, STATE(STARTING), now),
                now);
        agent_status_post(
            core, task, agent_status_new(core, task, STATE(RUNNING), now), now);
    }
    if (task->kill == KILL(NOT_KILLED))
        agent_checks_begin(core, task, recovered, now);
    agent_save_exec(core, task->exec, now);
}

void agent_core_absent(struct agent_core *core, const char *container,
                       struct agent_now now)
{
    struct err err;
    struct agent_task *task = agent_container_find(core, container);
    if (!task)
        return;
    Reeve__Devagent__ContainerSpec *spec = NULL;
    if (task->phase == PHASE(STARTING))
        spec = agent_spec_new(core, task, &err);
    if (spec) {
        agent_act(core, AGENT_START)->message = &spec->base;
        return;
    }
    struct agent_end end = {.kind = AGENT_END_VANISHED};
    agent_core_ended(core, container, &end, now);
}

/* ---- killing ---------------------------------------------------------- */

void agent_task_kill(struct agent_core *core, struct agent_task *task,
                     Reeve__Devagent__TaskRun__Kill why, int64_t grace_ms,
                     struct agent_now now)
{
    if (task->kill != KILL(NOT_KILLED) || task->phase == PHASE(ENDED) ||
        task->phase == PHASE(QUEUED))
        return;
    task->kill = why;
    task->exec->dirty = true;
    agent_checks_stop(core, task);
    if (why == KILL(OUT_OF_TIME)) {
        agent_save_exec(core, task->exec, now);
        signal_task(core, task, SIGKILL);
        return;
    }
    if (agent_exec_can(
            task->exec,
            MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__TASK_KILLING_STATE))
        agent_status_post(
            core, task, agent_status_new(core, task, STATE(KILLING), now), now);
    task->kill_at_ms = agent_after(now.mono_ms, (double)grace_ms);
    agent_save_exec(core, task->exec, now);
    signal_task(core, task, SIGTERM);
}

static void kill_before_delivery(struct agent_core *core,
                                 struct agent_task *task, struct agent_now now)
{
    struct agent_exec *exec = task->exec;
    uint32_t group = task->group;
    struct agent_verdict verdict = {
        STATE(KILLED), REASON(TASK_KILLED_DURING_LAUNCH),
        exec->command_task ? "Killed before delivery to the executor"
                           : "A task within the task group was killed before "
                             "delivery to the executor"};
    DL_FOREACH(exec->tasks, task)
    {
        if (task->group == group && task->phase == PHASE(QUEUED))
            agent_task_end(core, task, &verdict, now);
    }
    agent_exec_check(core, exec, now);
}

static int64_t grace_of(const Mesos__V1__KillPolicy *policy, int64_t otherwise)
{
    if (!policy || !policy->grace_period)
        return otherwise;
    return MAX(policy->grace_period->nanoseconds, 0) / 1000000;
}

void agent_task_kill_request(struct agent_core *core, struct agent_task *task,
                             const Mesos__V1__KillPolicy *policy,
                             struct agent_now now)
{
    int64_t grace_ms = grace_of(
        policy, grace_of(task->info->kill_policy, core->config.kill_grace_ms));
    if (task->phase == PHASE(QUEUED)) {
        kill_before_delivery(core, task, now);
        return;
    }
    /* Only a command executor lets a second request shorten the grace. */
    if (task->exec->command_task && task->kill == KILL(REQUESTED) &&
        task->kill_at_ms != AGENT_NEVER)
        task->kill_at_ms = agent_min(
            task->kill_at_ms, agent_after(now.mono_ms, (double)grace_ms));
    agent_task_kill(core, task, KILL(REQUESTED), grace_ms, now);
}

/* ---- time ------------------------------------------------------------- */

void agent_task_tick(struct agent_core *core, struct agent_task *task,
                     struct agent_now now)
{
    if (task->kill_at_ms <= now.mono_ms) {
        task->kill_at_ms = AGENT_NEVER;
        task->exec->dirty = true;
        signal_task(core, task, SIGKILL);
    }
    if (task->out_of_time_at_ms <= now.mono_ms) {
        task->out_of_time_at_ms = AGENT_NEVER;
        agent_task_kill(core, task, KILL(OUT_OF_TIME), 0, now);
    }
    agent_checks_tick(core, task, now);
    if (core->registered && task->resend_at_ms <= now.mono_ms) {
        task->resend_after_ms =
            MIN(task->resend_after_ms * 2, core->config.status_resend_max_ms);
        agent_task_send_first(core, task, now);
    }
}

int64_t agent_task_due(const struct agent_core *core,
                       const struct agent_task *task)
{
    int64_t due = agent_min(task->kill_at_ms, task->out_of_time_at_ms);
    due = agent_min(due, agent_checks_due(task));
    if (core->registered && task->n_pending > 0)
        due = agent_min(due, task->resend_at_ms);
    return due;
}

/* ---- looking ---------------------------------------------------------- */

Mesos__V1__Task *agent_task_view(const struct agent_core *core,
                                 const struct agent_task *task)
{
    /* Borrows everything, then copies once. */
    Mesos__V1__TaskInfo *info = task->info;
    Mesos__V1__Task view = MESOS__V1__TASK__INIT;
    Mesos__V1__FrameworkID framework = MESOS__V1__FRAMEWORK_ID__INIT;
    Mesos__V1__AgentID agent = MESOS__V1__AGENT_ID__INIT;
    char none[] = "";
    framework.value = (char *)(uintptr_t)task->exec->framework_id;
    agent.value = core->id ? core->id : none;
    view.name = info->name;
    view.task_id = info->task_id;
    view.framework_id = &framework;
    view.executor_id =
        task->exec->command_task ? NULL : task->exec->info->executor_id;
    view.agent_id = &agent;
    view.state = task->state;
    view.n_resources = info->n_resources;
    view.resources = info->resources;
    view.n_statuses = task->n_statuses;
    view.statuses = task->statuses;
    view.labels = info->labels;
    view.discovery = info->discovery;
    view.container = info->container;
    view.health_check = info->health_check;
    view.kill_policy = info->kill_policy;
    view.user = info->command && info->command->user
                    ? info->command->user
                    : task->exec->framework->user;
    if (task->n_pending > 0) {
        view.has_status_update_state = 1;
        view.status_update_state = task->pending[0]->state;
        view.has_status_update_uuid = 1;
        view.status_update_uuid = task->pending[0]->uuid;
    }
    return WIRE_DUP(mesos__v1__task, &view);
}
