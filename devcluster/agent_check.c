/* SPDX-License-Identifier: Apache-2.0 */
/* agent_check - when to check a task, and what a result means
 *
 * A health check kills after enough failures in a row; a check only reports.
 * Both begin when the command runs and stop when the task is to die.
 */
#include <stdlib.h>

#include "devcluster/agent_state.h"
#include "lib/base/base.h"
#include "lib/base/id.h"
#include "lib/wire/pb.h"

#define CHECK_TYPE(name)  MESOS__V1__CHECK_INFO__TYPE__##name
#define HEALTH_TYPE(name) MESOS__V1__HEALTH_CHECK__TYPE__##name

Mesos__V1__CheckStatusInfo *agent_check_empty(const struct agent_task *task)
{
    const Mesos__V1__CheckInfo *check = task->info->check;
    if (!check)
        return NULL;
    Mesos__V1__CheckStatusInfo *status = PB_NEW(mesos__v1__check_status_info);
    PB_SET(status, type, check->type);
    switch ((int)check->type) {
    case CHECK_TYPE(COMMAND):
        status->command = PB_NEW(mesos__v1__check_status_info__command);
        break;
    case CHECK_TYPE(HTTP):
        status->http = PB_NEW(mesos__v1__check_status_info__http);
        break;
    case CHECK_TYPE(TCP):
        status->tcp = PB_NEW(mesos__v1__check_status_info__tcp);
        break;
    }
    return status;
}

/* ---- beginning and stopping ------------------------------------------- */

static void begin_one(struct agent_checker *checker, double wait_seconds,
                      int64_t started_at_ms, int64_t now_ms)
{
    *checker = (struct agent_checker){
        .set = true,
        .next_at_ms = agent_after(now_ms, wait_seconds * 1000),
        .started_at_ms = started_at_ms,
    };
}

void agent_checks_begin(struct agent_core *core UNUSED, struct agent_task *task,
                        bool recovered, struct agent_now now)
{
    const Mesos__V1__HealthCheck *health = task->info->health_check;
    const Mesos__V1__CheckInfo *check = task->info->check;
    int64_t age_ms = MAX(now.wall_ms - task->started_wall_ms, 0);
    int64_t started_at_ms = now.mono_ms - age_ms;
    if (health) {
        begin_one(&task->health,
                  recovered ? health->interval_seconds : health->delay_seconds,
                  started_at_ms, now.mono_ms);
        task->health.succeeded_once = task->has_healthy && task->healthy;
    }
    if (check)
        begin_one(&task->check,
                  recovered ? check->interval_seconds : check->delay_seconds,
                  started_at_ms, now.mono_ms);
}

static void stop_one(struct agent_core *core, struct agent_task *task,
                     struct agent_checker *checker)
{
    if (checker->running) {
        struct agent_action *action = agent_act(core, AGENT_CHECK_STOP);
        action->container = xstrdup(task->container);
        action->health = checker == &task->health;
    }
    checker->running = false;
    checker->next_at_ms = AGENT_NEVER;
}

void agent_checks_stop(struct agent_core *core, struct agent_task *task)
{
    stop_one(core, task, &task->health);
    stop_one(core, task, &task->check);
}

/* ---- asking ----------------------------------------------------------- */

static void add_command(struct agent_core *core, const struct agent_task *task,
                        const Mesos__V1__CommandInfo *command,
                        Reeve__Devagent__CheckRun *run)
{
    char uuid[UUID_TEXT_SIZE];
    PB_SET(run, kind, REEVE__DEVAGENT__CHECK_RUN__KIND__COMMAND);
    agent_spec_check(core, task, command, run);
    if (task->exec->command_task)
        return;
    /* One folder per checker: it shows what the last run said. */
    AUTO_FREE char *name =
        xasprintf("%s/%s", task->container, run->health ? "health" : "check");
    uuid_from_name(name, uuid);
    run->output_dir = xasprintf("%s/containers/check-%s", run->sandbox, uuid);
}

static void add_http(Reeve__Devagent__CheckRun *run, const char *scheme,
                     uint32_t port, const char *path)
{
    PB_SET(run, kind, REEVE__DEVAGENT__CHECK_RUN__KIND__HTTP);
    PB_SET(run, port, port);
    run->url = xasprintf("%s://127.0.0.1:%u%s", scheme ? scheme : "http", port,
                         path ? path : "/");
}

static void add_tcp(Reeve__Devagent__CheckRun *run, uint32_t port)
{
    PB_SET(run, kind, REEVE__DEVAGENT__CHECK_RUN__KIND__TCP);
    PB_SET(run, port, port);
}

/* A timeout of centuries is none, as is one of 0. */
static int64_t timeout_ms(double seconds)
{
    int64_t ms = agent_after(0, seconds * 1000);
    return ms == AGENT_NEVER ? 0 : ms;
}

static bool add_health(struct agent_core *core, const struct agent_task *task,
                       Reeve__Devagent__CheckRun *run)
{
    const Mesos__V1__HealthCheck *health = task->info->health_check;
    PB_SET(run, timeout_ms, timeout_ms(health->timeout_seconds));
    PB_SET(run, health, 1);
    if (health->type == HEALTH_TYPE(COMMAND) && health->command)
        add_command(core, task, health->command, run);
    else if (health->type == HEALTH_TYPE(HTTP) && health->http)
        add_http(run, health->http->scheme, health->http->port,
                 health->http->path);
    else if (health->type == HEALTH_TYPE(TCP) && health->tcp)
        add_tcp(run, health->tcp->port);
    else
        return false;
    return true;
}

static bool add_check(struct agent_core *core, const struct agent_task *task,
                      Reeve__Devagent__CheckRun *run)
{
    const Mesos__V1__CheckInfo *check = task->info->check;
    PB_SET(run, timeout_ms, timeout_ms(check->timeout_seconds));
    PB_SET(run, health, 0);
    if (check->type == CHECK_TYPE(COMMAND) && check->command)
        add_command(core, task, check->command->command, run);
    else if (check->type == CHECK_TYPE(HTTP) && check->http)
        add_http(run, NULL, check->http->port, check->http->path);
    else if (check->type == CHECK_TYPE(TCP) && check->tcp)
        add_tcp(run, check->tcp->port);
    else
        return false;
    return true;
}

static void tick_one(struct agent_core *core, struct agent_task *task,
                     struct agent_checker *checker, int64_t now_ms)
{
    if (checker->running || checker->next_at_ms > now_ms)
        return;
    Reeve__Devagent__CheckRun *run = PB_NEW(reeve__devagent__check_run);
    run->container_id = xstrdup(task->container);
    checker->next_at_ms = AGENT_NEVER;
    if (checker == &task->health ? !add_health(core, task, run)
                                 : !add_check(core, task, run)) {
        /* The master lets none such through. */
        agent_odd(core, "event=check_not_valid task=%s", task->id);
        PB_FREE(run);
        return;
    }
    checker->running = true;
    agent_act(core, AGENT_CHECK)->message = &run->base;
}

void agent_checks_tick(struct agent_core *core, struct agent_task *task,
                       struct agent_now now)
{
    tick_one(core, task, &task->health, now.mono_ms);
    tick_one(core, task, &task->check, now.mono_ms);
}

int64_t agent_checks_due(const struct agent_task *task)
{
    return agent_min(task->health.next_at_ms, task->check.next_at_ms);
}

/* ---- results ---------------------------------------------------------- */

static void post_result(struct agent_core *core, struct agent_task *task,
                        Mesos__V1__TaskStatus__Reason reason,
                        struct agent_now now)
{
    /* A framework that acknowledges nothing must not fill our memory; what it
     * misses is the way to a result, never the end of the task. */
    if (task->n_pending >= AGENT_MAX_PENDING) {
        agent_odd(core, "event=updates_not_acknowledged task=%s", task->id);
        return;
    }
    Mesos__V1__TaskStatus *status =
        agent_status_new(core, task, STATE(RUNNING), now);
    PB_SET(status, reason, reason);
    if (task->has_healthy)
        PB_SET(status, healthy, task->healthy);
    if (task->check_status) {
        PB_FREE(status->check_status);
        status->check_status =
            WIRE_DUP(mesos__v1__check_status_info, task->check_status);
    }
    agent_status_post(core, task, status, now);
}

static bool is_healthy(const struct agent_task *task,
                       const struct agent_check_result *result)
{
    if (result->timed_out)
        return false;
    switch ((int)task->info->health_check->type) {
    case HEALTH_TYPE(HTTP):
        return result->value >= 200 && result->value < 400;
    case HEALTH_TYPE(TCP):
        return result->value == 1;
    default: /* COMMAND */
        return result->value == 0;
    }
}

static void health_failed(struct agent_core *core, struct agent_task *task,
                          struct agent_now now)
{
    const Mesos__V1__HealthCheck *health = task->info->health_check;
    struct agent_checker *checker = &task->health;
    int64_t age_ms = now.mono_ms - checker->started_at_ms;
    if (!checker->succeeded_once &&
        (double)age_ms < health->grace_period_seconds * 1000)
        return;
    checker->failures++;
    task->has_healthy = true;
    task->healthy = false;
    post_result(core, task, REASON(TASK_HEALTH_CHECK_STATUS_UPDATED), now);
    if (checker->failures < health->consecutive_failures)
        return;
    task->exec->health_killed = true;
    Mesos__V1__KillPolicy *policy = task->info->kill_policy;
    int64_t grace_ms = policy && policy->grace_period
                           ? MAX(policy->grace_period->nanoseconds, 0) / 1000000
                           : core->config.kill_grace_ms;
    agent_task_kill(core, task, KILL(UNHEALTHY), grace_ms, now);
}

static void health_result(struct agent_core *core, struct agent_task *task,
                          const struct agent_check_result *result,
                          struct agent_now now)
{
    task->health.next_at_ms = agent_after(
        now.mono_ms, task->info->health_check->interval_seconds * 1000);
    if (!is_healthy(task, result)) {
        health_failed(core, task, now);
        return;
    }
    bool news = !task->has_healthy || !task->healthy;
    task->health.succeeded_once = true;
    task->health.failures = 0;
    task->has_healthy = true;
    task->healthy = true;
    if (news)
        post_result(core, task, REASON(TASK_HEALTH_CHECK_STATUS_UPDATED), now);
}

static Mesos__V1__CheckStatusInfo *
result_status(const struct agent_task *task,
              const struct agent_check_result *result)
{
    Mesos__V1__CheckStatusInfo *status = agent_check_empty(task);
    if (result->timed_out)
        return status;
    if (status->command)
        PB_SET(status->command, exit_code, result->value);
    if (status->http)
        PB_SET(status->http, status_code, (uint32_t)result->value);
    if (status->tcp)
        PB_SET(status->tcp, succeeded, result->value == 1);
    return status;
}

static void check_result(struct agent_core *core, struct agent_task *task,
                         const struct agent_check_result *result,
                         struct agent_now now)
{
    Mesos__V1__CheckStatusInfo *status = result_status(task, result);
    AUTO_MESSAGE Mesos__V1__CheckStatusInfo *before =
        task->check_status ? MOVE(task->check_status) : agent_check_empty(task);
    task->check.next_at_ms =
        agent_after(now.mono_ms, task->info->check->interval_seconds * 1000);
    task->check_status = status;
    if (!wire_equal(&before->base, &status->base))
        post_result(core, task, REASON(TASK_CHECK_STATUS_UPDATED), now);
}

void agent_core_checked(struct agent_core *core,
                        const struct agent_check_result *result,
                        struct agent_now now)
{
    struct agent_task *task = agent_container_find(core, result->container);
    if (!task)
        return;
    struct agent_checker *checker =
        result->health ? &task->health : &task->check;
    /* A result that was on its way when the checks were stopped. */
    if (!checker->running)
        return;
    checker->running = false;
    if (result->health)
        health_result(core, task, result, now);
    else
        check_result(core, task, result, now);
    agent_save_exec(core, task->exec, now);
}
