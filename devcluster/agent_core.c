/* SPDX-License-Identifier: Apache-2.0 */
/* agent_core - messages, registration, executors; see agent_core.h */
#include "devcluster/agent_core.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "devcluster/agent_state.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/resources.h"
#include "lib/mesos/states.h"

#define AGENT_VERSION "1.11.0" /* the Mesos release whose behaviour this is */

int64_t agent_min(int64_t a, int64_t b)
{
    return MIN(a, b);
}

int64_t agent_after(int64_t now_ms, double ms)
{
    /* A grace of centuries is no deadline; NaN and negative ones are none. */
    if (ms >= 1e15)
        return AGENT_NEVER;
    return now_ms + (ms > 0 ? (int64_t)ms : 0);
}

/* ---- making and ending ------------------------------------------------ */

struct agent_core *agent_core_new(const struct agent_core_config *config,
                                  struct err *err)
{
    struct agent_core *core = xcalloc(1, sizeof(*core));
    core->config = *config;
    core->config.work_dir = xstrdup(config->work_dir);
    core->config.ip = xstrdup(config->ip);
    core->config.info = WIRE_DUP(mesos__v1__agent_info, config->info);
    core->register_at_ms = AGENT_NEVER;
    if (agent_ops_init(core, err) < 0)
        agent_core_destroy(&core);
    return core;
}

static void destroy_execs(struct agent_exec **list)
{
    struct agent_exec *exec, *next;
    DL_FOREACH_SAFE(*list, exec, next)
    {
        DL_DELETE(*list, exec);
        agent_exec_destroy_memory(&exec);
    }
}

void agent_core_destroy(struct agent_core **core)
{
    struct agent_core *c = *core;
    struct agent_action action;
    if (!c)
        return;
    while (agent_core_take(c, &action))
        agent_action_clear(&action);
    destroy_execs(&c->execs);
    destroy_execs(&c->completed);
    agent_ops_clear(c);
    PB_FREE(c->config.info);
    free((char *)(uintptr_t)c->config.work_dir);
    free((char *)(uintptr_t)c->config.ip);
    free(c->id);
    free(c);
    *core = NULL;
}

/* ---- actions ---------------------------------------------------------- */

struct agent_action *agent_act(struct agent_core *core,
                               enum agent_action_kind kind)
{
    struct agent_queued *queued = xcalloc(1, sizeof(*queued));
    queued->action.kind = kind;
    DL_APPEND(core->actions, queued);
    return &queued->action;
}

bool agent_core_take(struct agent_core *core, struct agent_action *out)
{
    struct agent_queued *first = core->actions;
    if (!first)
        return false;
    DL_DELETE(core->actions, first);
    *out = first->action;
    free(first);
    return true;
}

void agent_action_clear(struct agent_action *action)
{
    wire_free(&action->message);
    free(action->container);
    free(action->text);
    memset(action, 0, sizeof(*action));
}

void agent_send(struct agent_core *core, Reeve__Devcluster__ToMaster *message)
{
    agent_act(core, AGENT_SEND)->message = &message->base;
}

void agent_odd(struct agent_core *core, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    agent_act(core, AGENT_ODD)->text = xstrdup(text);
}

void agent_save_exec(struct agent_core *core, struct agent_exec *exec,
                     struct agent_now now)
{
    if (!exec->dirty)
        return;
    exec->dirty = false;
    if (core->config.in_memory)
        return;
    Reeve__Devagent__ExecutorRun *run = agent_run_encode(exec, now);
    agent_act(core, AGENT_SAVE_RUN)->message = &run->base;
}

/* ---- registration ----------------------------------------------------- */

static void add_framework(Reeve__Devcluster__ToMaster__Register *out,
                          const Mesos__V1__FrameworkInfo *framework)
{
    for (size_t i = 0; i < out->n_frameworks; i++) {
        if (str_eq(out->frameworks[i]->id->value, framework->id->value))
            return;
    }
    PB_ADD(out, frameworks, WIRE_DUP(mesos__v1__framework_info, framework));
}

static void add_task(Reeve__Devcluster__ToMaster__Register *out,
                     const struct agent_core *core,
                     const struct agent_task *task)
{
    if (task->phase == PHASE(ENDED) && task->n_pending == 0)
        return;
    Reeve__Devcluster__ToMaster__Task *item =
        PB_NEW(reeve__devcluster__to_master__task);
    item->task = agent_task_view(core, task);
    if (task->n_pending > 0)
        PB_BYTES(item, pending_uuid, task->pending[0]->uuid.data,
                 task->pending[0]->uuid.len);
    PB_ADD(out, tasks, item);
}

static void add_exec(Reeve__Devcluster__ToMaster__Register *out,
                     const struct agent_core *core,
                     const struct agent_exec *exec)
{
    const struct agent_task *task;
    if (exec->silent)
        return;
    add_framework(out, exec->framework);
    DL_FOREACH(exec->tasks, task)
    {
        add_task(out, core, task);
    }
    if (exec->ended || exec->command_task)
        return;
    Reeve__Devcluster__ToMaster__Executor *item =
        PB_NEW(reeve__devcluster__to_master__executor);
    item->framework_id = pb_framework_id(exec->framework_id);
    item->info = WIRE_DUP(mesos__v1__executor_info, exec->info);
    PB_ADD(out, executors, item);
}

static void send_register(struct agent_core *core, struct agent_now now)
{
    Reeve__Devcluster__ToMaster *message = PB_NEW(reeve__devcluster__to_master);
    Reeve__Devcluster__ToMaster__Register *out =
        PB_NEW(reeve__devcluster__to_master__register);
    const struct agent_exec *exec;
    const struct agent_operation *op;
    message->register_ = out;
    out->agent = WIRE_DUP(mesos__v1__agent_info, core->config.info);
    out->version = xstrdup(AGENT_VERSION);
    if (core->id)
        out->agent->id = pb_agent_id(core->id);
    agent_ops_refresh(core);
    pb_copy_resources(core->checkpointed, core->n_checkpointed,
                      &out->checkpointed, &out->n_checkpointed);
    DL_FOREACH(core->execs, exec)
    {
        add_exec(out, core, exec);
    }
    DL_FOREACH(core->operations, op)
    {
        PB_ADD(out, operations, PB_DUP(op->update));
    }
    agent_send(core, message);
    core->register_at_ms =
        agent_after(now.mono_ms, (double)core->config.register_retry_ms);
}

void agent_core_connect(struct agent_core *core, struct agent_now now)
{
    core->linked = true;
    core->registered = false;
    core->register_at_ms = MAX(now.mono_ms, core->earliest_register_ms);
}

void agent_core_disconnect(struct agent_core *core)
{
    core->linked = false;
    core->registered = false;
    core->register_at_ms = AGENT_NEVER;
}

static void on_registered(struct agent_core *core, const char *id,
                          struct agent_now now)
{
    struct agent_exec *exec;
    struct agent_task *task;
    struct err err;
    if (mesos_id_validate(id, &err) < 0 ||
        (core->id && !str_eq(core->id, id))) {
        agent_odd(core, "event=registered_as_another agent=%s given=%s",
                  str_or_empty(core->id), id);
        return;
    }
    if (!core->id) {
        core->id = xstrdup(id);
        agent_act(core, AGENT_SAVE_ID)->text = xstrdup(id);
    }
    core->registered = true;
    core->register_at_ms = AGENT_NEVER;
    DL_FOREACH(core->execs, exec)
    {
        DL_FOREACH(exec->tasks, task)
        {
            task->resend_after_ms = core->config.status_resend_ms;
            agent_task_send_first(core, task, now);
        }
    }
    agent_ops_send_all(core, now);
}

static void send_pong(struct agent_core *core)
{
    Reeve__Devcluster__ToMaster *message = PB_NEW(reeve__devcluster__to_master);
    message->pong = PB_NEW(reeve__devcluster__to_master__pong);
    agent_send(core, message);
}

/* ---- dispatch --------------------------------------------------------- */

static void on_kill(struct agent_core *core,
                    const Reeve__Devcluster__ToAgent__Kill *kill,
                    struct agent_now now)
{
    struct agent_task *task =
        agent_task_find(core, ID_OF(kill->framework_id), ID_OF(kill->task_id));
    if (!task || task->phase == PHASE(ENDED))
        return; /* its last update is on its way, or nobody knows it */
    agent_task_kill_request(core, task, kill->kill_policy, now);
    agent_save_exec(core, task->exec, now);
}

static void on_shutdown(struct agent_core *core, bool keep_id)
{
    agent_exec_kill_all(core);
    agent_drain_check(core);
    if (keep_id)
        return;
    agent_act(core, AGENT_FORGET_ID);
    free(core->id);
    core->id = NULL;
}

void agent_core_unregister(struct agent_core *core, struct agent_now now UNUSED)
{
    if (core->registered) {
        Reeve__Devcluster__ToMaster *message =
            PB_NEW(reeve__devcluster__to_master);
        message->unregister = PB_NEW(reeve__devcluster__to_master__unregister);
        agent_send(core, message);
    }
    agent_exec_kill_all(core);
}

void agent_core_stop(struct agent_core *core)
{
    struct agent_exec *exec, *next;
    DL_FOREACH_SAFE(core->execs, exec, next)
    {
        if (!exec->framework->checkpoint)
            agent_exec_drop(core, exec);
    }
}

static void on_acknowledge(struct agent_core *core,
                           const Reeve__Devcluster__ToAgent__Acknowledge *ack,
                           struct agent_now now)
{
    const char *framework_id = ID_OF(ack->framework_id);
    const char *task_id = ID_OF(ack->task_id);
    struct agent_exec *exec, *next_exec;
    struct agent_task *task, *next;
    /* The id may be there twice: used again before the first was done with. */
    DL_FOREACH_SAFE(core->execs, exec, next_exec)
    {
        if (strcmp(exec->framework_id, framework_id) != 0)
            continue;
        DL_FOREACH_SAFE(exec->tasks, task, next)
        {
            if (strcmp(task->id, task_id) != 0 || task->n_pending == 0)
                continue;
            agent_task_acknowledge(core, task, ack->uuid, now);
            break;
        }
    }
}

/* Nobody heard what was said while the framework was away: it is said again,
 * from now on at the shortest interval. */
static void on_framework_subscribed(
    struct agent_core *core,
    const Reeve__Devcluster__ToAgent__FrameworkSubscribed *message,
    struct agent_now now)
{
    const char *id = message->framework ? ID_OF(message->framework->id) : "";
    struct agent_exec *exec;
    struct agent_task *task;
    DL_FOREACH(core->execs, exec)
    {
        if (!str_eq(exec->framework_id, id))
            continue;
        DL_FOREACH(exec->tasks, task)
        {
            task->resend_after_ms = core->config.status_resend_ms;
            agent_task_send_first(core, task, now);
        }
    }
    agent_ops_send_all(core, now);
}

/* Messages that only a registered agent heeds. */
static void dispatch(struct agent_core *core,
                     const Reeve__Devcluster__ToAgent *message,
                     struct agent_now now)
{
    if (message->run_group)
        agent_exec_run_group(core, message->run_group, now);
    if (message->kill)
        on_kill(core, message->kill, now);
    if (message->shutdown_executor) {
        struct agent_exec *exec = agent_exec_find(
            core, ID_OF(message->shutdown_executor->framework_id),
            ID_OF(message->shutdown_executor->executor_id));
        if (exec)
            agent_exec_shutdown(core, exec, now);
    }
    if (message->shutdown_framework)
        agent_exec_shutdown_framework(
            core, ID_OF(message->shutdown_framework->framework_id), now);
    if (message->acknowledge)
        on_acknowledge(core, message->acknowledge, now);
    if (message->apply_operation)
        agent_ops_apply(core, message->apply_operation, now);
    if (message->acknowledge_operation)
        agent_ops_acknowledge(core, message->acknowledge_operation);
    if (message->framework_subscribed)
        on_framework_subscribed(core, message->framework_subscribed, now);
    if (message->drain && message->drain->config)
        agent_drain_begin(core, message->drain->config, now);
    agent_drain_check(core);
}

static void save_all(struct agent_core *core, struct agent_now now)
{
    struct agent_exec *exec;
    DL_FOREACH(core->execs, exec)
    {
        agent_save_exec(core, exec, now);
    }
}

void agent_core_receive(struct agent_core *core,
                        const Reeve__Devcluster__ToAgent *message,
                        struct agent_now now)
{
    if (!core->linked)
        return;
    if (message->registered)
        on_registered(core, ID_OF(message->registered->agent_id), now);
    if (message->ping)
        send_pong(core);
    if (message->shutdown) {
        on_shutdown(core, message->shutdown->keep_id);
        return;
    }
    if (core->registered)
        dispatch(core, message, now);
    save_all(core, now);
}

/* ---- time ------------------------------------------------------------- */

static void tick_exec(struct agent_core *core, struct agent_exec *exec,
                      struct agent_now now)
{
    struct agent_task *task;
    if (exec->destroy_at_ms <= now.mono_ms)
        agent_exec_destroy(core, exec, SIGKILL, now);
    if (exec->exit_at_ms <= now.mono_ms)
        agent_exec_destroy(core, exec, 0, now);
    if (exec->deliver_at_ms <= now.mono_ms)
        agent_exec_deliver(core, exec, now);
    DL_FOREACH(exec->tasks, task)
    {
        agent_task_tick(core, task, now);
    }
    agent_save_exec(core, exec, now);
    agent_exec_forget(core, exec);
}

void agent_core_tick(struct agent_core *core, struct agent_now now)
{
    struct agent_exec *exec, *next;
    if (core->linked && core->register_at_ms <= now.mono_ms)
        send_register(core, now);
    DL_FOREACH_SAFE(core->execs, exec, next)
    {
        tick_exec(core, exec, now);
    }
    agent_ops_tick(core, now);
    agent_drain_check(core);
}

int64_t agent_core_due_ms(const struct agent_core *core)
{
    const struct agent_exec *exec;
    const struct agent_task *task;
    int64_t due = core->linked ? core->register_at_ms : AGENT_NEVER;
    DL_FOREACH(core->execs, exec)
    {
        due = agent_min(due, exec->destroy_at_ms);
        due = agent_min(due, exec->exit_at_ms);
        due = agent_min(due, exec->deliver_at_ms);
        DL_FOREACH(exec->tasks, task)
        {
            due = agent_min(due, agent_task_due(core, task));
        }
    }
    return agent_min(due, agent_ops_due(core));
}

/* ---- recovery --------------------------------------------------------- */

void agent_core_restore_id(struct agent_core *core, const char *agent_id)
{
    free(core->id);
    core->id = xstrdup(agent_id);
}

bool agent_core_restore_run(struct agent_core *core,
                            const Reeve__Devagent__ExecutorRun *run,
                            struct agent_now now)
{
    struct agent_exec *exec = agent_run_decode(run, now);
    if (!exec)
        return false;
    DL_APPEND(core->execs, exec);
    return true;
}

/* They were accepted, but no executor has seen them. */
static void drop_undelivered(struct agent_core *core, struct agent_exec *exec,
                             struct agent_now now)
{
    bool aware = agent_exec_can(
        exec, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE);
    struct agent_verdict verdict = {aware ? STATE(DROPPED) : STATE(LOST),
                                    REASON(AGENT_RESTARTED),
                                    "Task launched during agent restart"};
    struct agent_task *task;
    DL_FOREACH(exec->tasks, task)
    {
        if (task->phase == PHASE(QUEUED))
            agent_task_end(core, task, &verdict, now);
    }
    agent_save_exec(core, exec, now);
}

static void adopt_tasks(struct agent_core *core, struct agent_exec *exec,
                        struct agent_now now)
{
    struct agent_task *task;
    drop_undelivered(core, exec, now);
    DL_FOREACH(exec->tasks, task)
    {
        if (task->phase != PHASE(STARTING) && task->phase != PHASE(RUNNING))
            continue;
        struct agent_action *action = agent_act(core, AGENT_ADOPT);
        action->container = xstrdup(task->container);
        action->text = agent_task_meta_dir(core, task);
    }
}

void agent_core_recovered(struct agent_core *core, struct agent_now now)
{
    struct agent_exec *exec, *next;
    agent_ops_recovered(core);
    DL_FOREACH_SAFE(core->execs, exec, next)
    {
        adopt_tasks(core, exec, now);
        if (!exec->framework->checkpoint) {
            /* Without checkpoints nothing outlives its agent. */
            agent_exec_drop(core, exec);
            continue;
        }
        if (!exec->ended)
            core->earliest_register_ms =
                agent_after(now.mono_ms, (double)core->config.recovery_wait_ms);
        agent_exec_check(core, exec, now);
        agent_exec_forget(core, exec);
    }
}

/* ---- looking ---------------------------------------------------------- */

const char *agent_core_id(const struct agent_core *core)
{
    return core->id;
}

bool agent_core_registered(const struct agent_core *core)
{
    return core->registered;
}

static void
view_exec(const struct agent_core *core, const struct agent_exec *exec,
          void (*fn)(void *self, const struct agent_task_view *view),
          void *self)
{
    const struct agent_task *task;
    AUTO_FREE char *dir = agent_exec_dir(core, exec);
    DL_FOREACH(exec->tasks, task)
    {
        AUTO_FREE char *sandbox = agent_task_sandbox(core, task);
        AUTO_MESSAGE Mesos__V1__Task *message = agent_task_view(core, task);
        struct agent_task_view view = {
            .framework_id = exec->framework_id,
            .executor_id = exec->id,
            .container_id = task->container,
            .executor_container_id = exec->container,
            .executor_dir = dir,
            .sandbox = sandbox,
            .framework = exec->framework,
            .task = message,
            .executor = exec->command_task ? NULL : exec->info,
            .pid = task->pid,
            .executor_ended = exec->ended,
            .completed = task->phase == PHASE(ENDED),
        };
        fn(self, &view);
    }
}

void agent_core_each_task(const struct agent_core *core,
                          void (*fn)(void *self,
                                     const struct agent_task_view *view),
                          void *self)
{
    const struct agent_exec *exec;
    DL_FOREACH(core->execs, exec)
    {
        view_exec(core, exec, fn, self);
    }
    DL_FOREACH(core->completed, exec)
    {
        view_exec(core, exec, fn, self);
    }
}

size_t agent_core_checkpointed(const struct agent_core *core,
                               Mesos__V1__Resource ***resources)
{
    *resources = core->checkpointed;
    return core->n_checkpointed;
}
