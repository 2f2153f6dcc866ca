/* SPDX-License-Identifier: Apache-2.0 */
/* agent_exec - executors: given groups of tasks, ended, shut down, forgotten */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "devcluster/agent_state.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/states.h"

static void drop_run(struct agent_core *core, const struct agent_exec *exec)
{
    Reeve__Devagent__ExecutorRun ids = REEVE__DEVAGENT__EXECUTOR_RUN__INIT;
    ids.framework = exec->framework;
    ids.executor = exec->info;
    ids.container_id = exec->container;
    agent_act(core, AGENT_DROP_RUN)->message =
        &WIRE_DUP(reeve__devagent__executor_run, &ids)->base;
}

/* ---- executors -------------------------------------------------------- */

bool agent_exec_can(const struct agent_exec *exec,
                    Mesos__V1__FrameworkInfo__Capability__Type capability)
{
    for (size_t i = 0; i < exec->framework->n_capabilities; i++) {
        if (exec->framework->capabilities[i]->type == capability)
            return true;
    }
    return false;
}

struct agent_exec *agent_exec_find(struct agent_core *core,
                                   const char *framework_id, const char *id)
{
    struct agent_exec *exec, *found = NULL;
    DL_FOREACH(core->execs, exec)
    {
        if (strcmp(exec->framework_id, framework_id) == 0 &&
            strcmp(exec->id, id) == 0 && (!found || found->ended))
            found = exec;
    }
    return found;
}

static void send_exited(struct agent_core *core, const struct agent_exec *exec,
                        int wait_status)
{
    /* A command executor is the agent's own affair; and when there is no master
     * to tell, the next registration does not list it. */
    if (exec->command_task || exec->silent || !core->registered)
        return;
    Reeve__Devcluster__ToMaster *message = PB_NEW(reeve__devcluster__to_master);
    Reeve__Devcluster__ToMaster__ExitedExecutor *exited =
        PB_NEW(reeve__devcluster__to_master__exited_executor);
    message->exited_executor = exited;
    exited->framework_id = pb_framework_id(exec->framework_id);
    exited->executor_id = pb_executor_id(exec->id);
    PB_SET(exited, wait_status, wait_status);
    agent_send(core, message);
}

static bool all_ended(const struct agent_exec *exec)
{
    const struct agent_task *task;
    DL_FOREACH(exec->tasks, task)
    {
        if (task->phase != PHASE(ENDED))
            return false;
    }
    return true;
}

void agent_exec_check(struct agent_core *core, struct agent_exec *exec,
                      struct agent_now now)
{
    if (exec->ended || exec->exit_at_ms != AGENT_NEVER || !all_ended(exec))
        return;
    exec->exit_at_ms =
        agent_after(now.mono_ms, (double)core->config.executor_exit_ms);
}

static void signal_all(struct agent_core *core, const struct agent_task *task)
{
    if (task->phase != PHASE(STARTING) && task->phase != PHASE(RUNNING))
        return;
    struct agent_action *action = agent_act(core, AGENT_SIGNAL);
    action->container = xstrdup(task->container);
    action->signo = SIGKILL;
    action->whole = true;
}

void agent_exec_destroy(struct agent_core *core, struct agent_exec *exec,
                        int wait_status, struct agent_now now)
{
    static const struct agent_verdict terminated = {
        STATE(FAILED), REASON(EXECUTOR_TERMINATED), "Executor terminated"};
    struct agent_task *task;
    if (exec->ended)
        return;
    exec->ended = true;
    exec->dirty = true;
    exec->exit_at_ms = AGENT_NEVER;
    exec->destroy_at_ms = AGENT_NEVER;
    exec->deliver_at_ms = AGENT_NEVER;
    send_exited(core, exec, wait_status);
    DL_FOREACH(exec->tasks, task)
    {
        if (task->phase == PHASE(ENDED))
            continue;
        signal_all(core, task);
        agent_task_end(core, task, &terminated, now);
    }
    agent_save_exec(core, exec, now);
}

static void trim_completed(struct agent_core *core)
{
    struct agent_task *task;
    while (core->n_completed > AGENT_MAX_COMPLETED && core->completed) {
        struct agent_exec *oldest = core->completed;
        size_t count = 0;
        DL_COUNT(oldest->tasks, task, count);
        core->n_completed -= count;
        DL_DELETE(core->completed, oldest);
        agent_exec_destroy_memory(&oldest);
    }
}

void agent_exec_forget(struct agent_core *core, struct agent_exec *exec)
{
    struct agent_task *task;
    size_t count = 0;
    if (!exec->ended)
        return;
    DL_FOREACH(exec->tasks, task)
    {
        if (task->n_pending > 0)
            return;
        count++;
    }
    drop_run(core, exec);
    DL_DELETE(core->execs, exec);
    DL_APPEND(core->completed, exec);
    core->n_completed += count;
    trim_completed(core);
}

/* ---- starting a group ------------------------------------------------- */

static char *new_container(struct agent_core *core)
{
    uint8_t uuid[16];
    char text[UUID_TEXT_SIZE];
    core->config.new_uuid(core->config.self, uuid);
    uuid_format(uuid, text);
    return xstrdup(text);
}

struct group {
    const Mesos__V1__FrameworkInfo *framework;
    const Mesos__V1__ExecutorInfo *executor; /* NULL: a command task */
    Mesos__V1__TaskInfo *const *tasks;
    size_t n_tasks;
};

/* What the agent makes up for a command task. */
static Mesos__V1__ExecutorInfo *command_executor(const struct group *group)
{
    Mesos__V1__ExecutorInfo *info = PB_NEW(mesos__v1__executor_info);
    info->executor_id = pb_executor_id(group->tasks[0]->task_id->value);
    info->framework_id = pb_framework_id(group->framework->id->value);
    info->name = xasprintf("Command Executor (Task: %s)",
                           group->tasks[0]->task_id->value);
    return info;
}

static struct agent_exec *new_exec(struct agent_core *core,
                                   const struct group *group)
{
    struct agent_exec *exec = xcalloc(1, sizeof(*exec));
    exec->framework = WIRE_DUP(mesos__v1__framework_info, group->framework);
    exec->info = group->executor
                     ? WIRE_DUP(mesos__v1__executor_info, group->executor)
                     : command_executor(group);
    exec->framework_id = exec->framework->id->value;
    exec->id = exec->info->executor_id->value;
    exec->container = new_container(core);
    exec->command_task = !group->executor;
    exec->deliver_at_ms = AGENT_NEVER;
    exec->exit_at_ms = AGENT_NEVER;
    exec->destroy_at_ms = AGENT_NEVER;
    DL_APPEND(core->execs, exec);
    return exec;
}

static void add_group(struct agent_core *core, struct agent_exec *exec,
                      const struct group *group)
{
    for (size_t i = 0; i < group->n_tasks; i++) {
        AUTO_FREE char *container =
            exec->command_task ? xstrdup(exec->container) : new_container(core);
        struct agent_task *task =
            agent_task_new(exec, group->tasks[i], container);
        task->group = exec->groups;
    }
    exec->groups++;
    exec->dirty = true;
}

static void drop_queued(struct agent_core *core, struct agent_exec *exec,
                        int reason, const char *message, struct agent_now now)
{
    bool aware = agent_exec_can(
        exec, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE);
    struct agent_verdict verdict = {aware ? STATE(DROPPED) : STATE(LOST),
                                    reason, message};
    struct agent_task *task;
    DL_FOREACH(exec->tasks, task)
    {
        if (task->phase == PHASE(QUEUED))
            agent_task_end(core, task, &verdict, now);
    }
}

/* Its predecessor of the same id is over, but not yet acknowledged. */
static void drop_group(struct agent_core *core, struct agent_exec *exec,
                       const struct group *group, struct agent_now now)
{
    send_exited(core, exec, -1);
    add_group(core, exec, group);
    drop_queued(core, exec, REASON(EXECUTOR_TERMINATED),
                "Master wants to launch executor, but one already exists", now);
}

/* It came too late: this agent takes no more tasks. */
static void drop_while_draining(struct agent_core *core,
                                struct agent_exec *exec,
                                const struct group *group, struct agent_now now)
{
    bool fresh = !exec;
    if (fresh)
        exec = new_exec(core, group);
    add_group(core, exec, group);
    drop_queued(core, exec, REASON(AGENT_DRAINING),
                "Task was received while agent was already draining", now);
    if (fresh)
        agent_exec_destroy(core, exec, -1, now);
    agent_save_exec(core, exec, now);
}

static bool known_already(struct agent_core *core, const struct group *group)
{
    const char *framework_id = group->framework->id->value;
    for (size_t i = 0; i < group->n_tasks; i++) {
        const char *id = group->tasks[i]->task_id->value;
        struct agent_task *task = agent_task_find(core, framework_id, id);
        if (task && (task->phase != PHASE(ENDED) || task->n_pending > 0))
            return true;
    }
    return false;
}

static void run_group(struct agent_core *core, const struct group *group,
                      struct agent_now now)
{
    const char *id = group->executor ? group->executor->executor_id->value
                                     : group->tasks[0]->task_id->value;
    if (known_already(core, group)) {
        agent_odd(core, "event=group_repeated executor=%s", id);
        return;
    }
    struct agent_exec *exec =
        agent_exec_find(core, group->framework->id->value, id);
    if (exec && exec->ended) {
        drop_group(core, exec, group, now);
        return;
    }
    if (core->drain) {
        drop_while_draining(core, exec, group, now);
        return;
    }
    if (!exec)
        exec = new_exec(core, group);
    add_group(core, exec, group);
    /* One that is about to exit takes no more: they fail with it. */
    if (exec->exit_at_ms == AGENT_NEVER && exec->destroy_at_ms == AGENT_NEVER)
        exec->deliver_at_ms = agent_min(
            exec->deliver_at_ms,
            agent_after(now.mono_ms, (double)core->config.launch_delay_ms));
    agent_save_exec(core, exec, now);
}

static bool group_is_valid(const struct group *group, struct err *err)
{
    if (!group->framework || !group->framework->id || group->n_tasks == 0) {
        err_set(err, ERR_INVALID, "incomplete");
        return false;
    }
    if (mesos_id_validate(group->framework->id->value, err) < 0 ||
        (group->executor &&
         mesos_id_validate(group->executor->executor_id->value, err) < 0))
        return false;
    for (size_t i = 0; i < group->n_tasks; i++) {
        if (mesos_id_validate(group->tasks[i]->task_id->value, err) < 0)
            return false;
    }
    return true;
}

void agent_exec_run_group(struct agent_core *core,
                          const Reeve__Devcluster__ToAgent__RunGroup *run,
                          struct agent_now now)
{
    struct err err;
    struct group group = {run->framework, run->executor, run->tasks,
                          run->n_tasks};
    if (!group_is_valid(&group, &err)) {
        agent_odd(core, "event=group_not_valid why=\"%s\"", err.text);
        return;
    }
    if (group.executor) {
        run_group(core, &group, now);
        return;
    }
    for (size_t i = 0; i < run->n_tasks; i++) {
        group.tasks = &run->tasks[i];
        group.n_tasks = 1;
        run_group(core, &group, now);
    }
}

void agent_exec_deliver(struct agent_core *core, struct agent_exec *exec,
                        struct agent_now now)
{
    struct agent_task *task;
    exec->deliver_at_ms = AGENT_NEVER;
    DL_FOREACH(exec->tasks, task)
    {
        if (task->phase == PHASE(QUEUED))
            agent_task_deliver(core, task, now);
    }
}

/* ---- stopping --------------------------------------------------------- */

void agent_exec_shutdown(struct agent_core *core, struct agent_exec *exec,
                         struct agent_now now)
{
    struct agent_task *task;
    if (exec->ended || exec->destroy_at_ms != AGENT_NEVER)
        return;
    const Mesos__V1__DurationInfo *own = exec->info->shutdown_grace_period;
    double grace_ms = own ? (double)own->nanoseconds / 1e6
                          : (double)core->config.executor_shutdown_grace_ms;
    exec->destroy_at_ms = agent_after(now.mono_ms, grace_ms);
    exec->deliver_at_ms = AGENT_NEVER;
    exec->dirty = true;
    DL_FOREACH(exec->tasks, task)
    {
        if (task->phase == PHASE(QUEUED))
            agent_task_kill_request(core, task, NULL, now);
        else
            agent_task_kill(core, task, KILL(REQUESTED),
                            core->config.kill_grace_ms, now);
    }
    agent_exec_check(core, exec, now);
    agent_save_exec(core, exec, now);
}

static void silence(struct agent_exec *exec)
{
    struct agent_task *task;
    exec->silent = true;
    exec->dirty = true;
    DL_FOREACH(exec->tasks, task)
    {
        for (size_t i = 0; i < task->n_pending; i++)
            PB_FREE(task->pending[i]);
        task->n_pending = 0;
        task->resend_at_ms = AGENT_NEVER;
    }
}

void agent_exec_shutdown_framework(struct agent_core *core, const char *id,
                                   struct agent_now now)
{
    struct agent_exec *exec, *next;
    DL_FOREACH_SAFE(core->execs, exec, next)
    {
        if (strcmp(exec->framework_id, id) != 0)
            continue;
        silence(exec);
        agent_exec_shutdown(core, exec, now);
        agent_exec_forget(core, exec);
    }
}

void agent_exec_drop(struct agent_core *core, struct agent_exec *exec)
{
    struct agent_task *task;
    DL_FOREACH(exec->tasks, task)
    {
        agent_checks_stop(core, task);
        signal_all(core, task);
    }
    drop_run(core, exec);
    DL_DELETE(core->execs, exec);
    agent_exec_destroy_memory(&exec);
}

void agent_exec_kill_all(struct agent_core *core)
{
    struct agent_exec *exec, *next;
    DL_FOREACH_SAFE(core->execs, exec, next)
    {
        agent_exec_drop(core, exec);
    }
    DL_FOREACH_SAFE(core->completed, exec, next)
    {
        DL_DELETE(core->completed, exec);
        agent_exec_destroy_memory(&exec);
    }
    core->n_completed = 0;
    core->registered = false;
    core->linked = false;
    core->register_at_ms = AGENT_NEVER;
}
