/* SPDX-License-Identifier: Apache-2.0 */
/* master_launch - LAUNCH and LAUNCH_GROUP on what an ACCEPT has left
 *
 * LAUNCH checks and starts each task alone; a group starts wholly or not at
 * all.
 */
#include "devcluster/master_state.h"

#include <string.h>

#include "devcluster/task_rules.h"
#include "devcluster/text_format.h"

/* ---- refusing ----------------------------------------------------------- */

static void refuse_task(struct master *m, struct framework *fw,
                        const Mesos__V1__TaskInfo *task,
                        const struct status_spec *why)
{
    struct status_spec spec = *why;

    spec.task_id = task->task_id->value;
    spec.agent_id = task->agent_id->value;
    send_status(m, fw, status_new(m, fw, &spec));
    m->states[state_for(fw, spec.state)]++;
    fw->states[state_for(fw, spec.state)]++;
}

void launch_refuse(struct master *m, struct framework *fw,
                   const Mesos__V1__Offer__Operation *op,
                   const struct status_spec *why)
{
    for (size_t i = 0; op->launch && i < op->launch->n_task_infos; i++)
        refuse_task(m, fw, op->launch->task_infos[i], why);
    for (size_t i = 0;
         op->launch_group && i < op->launch_group->task_group->n_tasks; i++)
        refuse_task(m, fw, op->launch_group->task_group->tasks[i], why);
}

/* ---- checking ----------------------------------------------------------- */

static int ids_check(const struct acceptance *acc,
                     const Mesos__V1__TaskInfo *task, struct err *err)
{
    const char *id = task->task_id->value;
    struct mtask *unreachable;

    if (mesos_id_validate(id, err) < 0)
        return -1;
    HASH_FIND_STR(acc->framework->unreachable, id, unreachable);
    if (find_task(acc->framework, id) || unreachable)
        return err_set(err, ERR_EXISTS, "Task has duplicate ID: %s", id);
    if (!str_eq(task->agent_id->value, acc->agent->id))
        return err_set(err, ERR_INVALID,
                       "Task uses invalid agent %s while agent %s is expected",
                       task->agent_id->value, acc->agent->id);
    return 0;
}

static int task_check(const struct acceptance *acc,
                      const Mesos__V1__TaskInfo *task, bool in_group,
                      struct err *err)
{
    if (ids_check(acc, task, err) < 0)
        return -1;
    return task_validate(task, in_group, err);
}

/* The sum of what a group takes; the executor's only when it is new. */
static struct resources *group_needs(const Mesos__V1__TaskInfo *const *tasks,
                                     size_t count,
                                     const Mesos__V1__ExecutorInfo *executor)
{
    struct resources *sum = resources_new();

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < tasks[i]->n_resources; k++)
            resources_add(sum, tasks[i]->resources[k]);
    }
    for (size_t k = 0; executor && k < executor->n_resources; k++)
        resources_add(sum, executor->resources[k]);
    return sum;
}

/* why: room for a text longer than struct err has. */
static int needs_check(const struct acceptance *acc,
                       const struct resources *needs, const char *of,
                       struct master_reply *why)
{
    AUTO_FREE char *asked = NULL, *left = NULL;

    if (resources_contains_all(acc->remaining, needs))
        return 0;
    asked = resources_text(needs);
    left = resources_text(acc->remaining);
    reply_set(why, 0,
              "Total resources %s required by %s more than available %s", asked,
              of, left);
    return -1;
}

/* ---- starting ----------------------------------------------------------- */

static Reeve__Devcluster__ToAgent *run_message(const struct acceptance *acc)
{
    Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);

    msg->run_group = PB_NEW(reeve__devcluster__to_agent__run_group);
    msg->run_group->framework = PB_DUP(acc->framework->info);
    return msg;
}

static void start_task(struct master *m, struct acceptance *acc,
                       const Mesos__V1__TaskInfo *task, const char *executor_id)
{
    task_add(m, acc->agent, acc->framework,
             task_message(task, acc->framework, executor_id));
}

static int launch_one(struct master *m, struct acceptance *acc,
                      const Mesos__V1__TaskInfo *task, struct master_reply *why)
{
    AUTO(resources) struct resources *needs = NULL;
    Reeve__Devcluster__ToAgent *msg;
    struct err err = {0};

    if (task_check(acc, task, false, &err) < 0 ||
        (task->executor &&
         err_set(&err, ERR_UNSUPPORTED,
                 "Custom executors are not supported by this cluster"))) {
        reply_set(why, 0, "%s", err.text);
        return -1;
    }
    needs = group_needs(&task, 1, NULL);
    if (needs_check(acc, needs, "task and its executor is", why) < 0)
        return -1;
    ASSERT(resources_subtract_all(acc->remaining, needs, NULL) == 0);
    start_task(m, acc, task, NULL);
    msg = run_message(acc);
    PB_ADD(msg->run_group, tasks, PB_DUP(task));
    send_agent(m, acc->agent, msg);
    return 0;
}

void launch_tasks(struct master *m, struct acceptance *acc,
                  const Mesos__V1__Offer__Operation *op)
{
    struct master_reply why;

    if (op->id) {
        struct status_spec spec = {
            NULL,
            NULL,
            NULL,
            TASK(ERROR),
            REASON(TASK_INVALID),
            "The `id` field cannot be set on LAUNCH operations"};

        launch_refuse(m, acc->framework, op, &spec);
        return;
    }
    for (size_t i = 0; op->launch && i < op->launch->n_task_infos; i++) {
        const Mesos__V1__TaskInfo *task = op->launch->task_infos[i];

        if (launch_one(m, acc, task, &why) < 0) {
            struct status_spec spec = {
                NULL, NULL, NULL, TASK(ERROR), REASON(TASK_INVALID), why.text};

            refuse_task(m, acc->framework, task, &spec);
        }
    }
}

/* ---- groups ------------------------------------------------------------- */

static int tasks_check(const struct acceptance *acc,
                       const Mesos__V1__TaskGroupInfo *group, struct err *err)
{
    for (size_t i = 0; i < group->n_tasks; i++) {
        const char *id = group->tasks[i]->task_id->value;

        if (task_check(acc, group->tasks[i], true, err) < 0)
            return err_wrap(err, "Task '%s' is invalid", id);
        if (group->tasks[i]->executor)
            return err_set(err, ERR_INVALID,
                           "Task '%s' is invalid: 'TaskInfo.executor' must "
                           "not be set within a task group",
                           id);
    }
    return 0;
}

/* A real master dies of the same id twice in a group. */
static int twins_check(struct master *m, const struct acceptance *acc,
                       const Mesos__V1__TaskGroupInfo *group, struct err *err)
{
    for (size_t i = 0; i < group->n_tasks; i++) {
        for (size_t k = 0; k < i; k++) {
            const char *id = group->tasks[i]->task_id->value;

            if (!str_eq(id, group->tasks[k]->task_id->value))
                continue;
            note(m,
                 "event=would_abort_real_master why=task_twice_in_group "
                 "framework=%s task=%s",
                 acc->framework->id, id);
            return err_set(err, ERR_INVALID,
                           "Task '%s' is invalid: Task has duplicate ID: %s",
                           id, id);
        }
    }
    return 0;
}

static int running_executor_check(const struct mexecutor *running,
                                  const Mesos__V1__ExecutorInfo *executor,
                                  struct master_reply *why)
{
    static const char line[] =
        "------------------------------------------------------------\n";
    AUTO_FREE char *old = NULL, *new = NULL;

    if (!running || executor_same(running->info, executor))
        return 0;
    old = text_format(&running->info->base);
    new = text_format(&executor->base);
    reply_set(why, 0,
              "ExecutorInfo is not compatible with existing ExecutorInfo with "
              "same ExecutorID.\n%sExisting ExecutorInfo:\n%s\n%s"
              "ExecutorInfo:\n%s\n%s",
              line, old, line, new, line);
    return -1;
}

static int group_check(struct master *m, struct acceptance *acc,
                       const Mesos__V1__Offer__Operation *op,
                       struct master_reply *why)
{
    const Mesos__V1__ExecutorInfo *executor = op->launch_group->executor;
    const Mesos__V1__TaskGroupInfo *group = op->launch_group->task_group;
    AUTO(resources) struct resources *needs = NULL;
    struct mexecutor *running =
        find_executor(acc->agent, acc->framework, executor->executor_id->value);
    struct err err;

    if (tasks_check(acc, group, &err) < 0 ||
        twins_check(m, acc, group, &err) < 0 ||
        group_validate(executor, group, &err) < 0 ||
        executor_validate(executor, acc->framework->id, &err) < 0) {
        reply_set(why, 0, "%s", err.text);
        return -1;
    }
    if (running_executor_check(running, executor, why) < 0)
        return -1;
    needs = group_needs((const Mesos__V1__TaskInfo *const *)group->tasks,
                        group->n_tasks, running ? NULL : executor);
    if (needs_check(acc, needs, "task group and its executor are", why) < 0)
        return -1;
    ASSERT(resources_subtract_all(acc->remaining, needs, NULL) == 0);
    return 0;
}

static void start_group(struct master *m, struct acceptance *acc,
                        const Mesos__V1__Offer__Operation__LaunchGroup *launch)
{
    const char *executor_id = launch->executor->executor_id->value;
    Reeve__Devcluster__ToAgent *msg = run_message(acc);

    if (!find_executor(acc->agent, acc->framework, executor_id))
        executor_add(m, acc->agent, acc->framework, launch->executor);
    msg->run_group->executor = PB_DUP(launch->executor);
    for (size_t i = 0; i < launch->task_group->n_tasks; i++) {
        const Mesos__V1__TaskInfo *task = launch->task_group->tasks[i];

        start_task(m, acc, task, executor_id);
        PB_ADD(msg->run_group, tasks, PB_DUP(task));
    }
    send_agent(m, acc->agent, msg);
}

void launch_group(struct master *m, struct acceptance *acc,
                  const Mesos__V1__Offer__Operation *op)
{
    struct status_spec spec = {NULL,
                               NULL,
                               NULL,
                               TASK(ERROR),
                               REASON(TASK_GROUP_INVALID),
                               "The `id` field cannot be set on LAUNCH_GROUP "
                               "operations"};
    struct master_reply why;

    if (!op->launch_group)
        return;
    if (op->id) {
        launch_refuse(m, acc->framework, op, &spec);
        return;
    }
    if (group_check(m, acc, op, &why) < 0) {
        spec.message = why.text;
        launch_refuse(m, acc->framework, op, &spec);
        return;
    }
    if (op->launch_group->task_group->n_tasks) {
        start_group(m, acc, op->launch_group);
        return;
    }
    /* Accepted, but no agent ever hears of this executor: it stays charged
     * until the agent registers again or the framework is removed. */
    note(m, "event=empty_task_group framework=%s", acc->framework->id);
    executor_add(m, acc->agent, acc->framework, op->launch_group->executor);
}
