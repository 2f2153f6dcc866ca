/* SPDX-License-Identifier: Apache-2.0 */
/* master_reconcile - KILL, RECONCILE, RECONCILE_OPERATIONS: what is known
 *
 * Answers are made from the master's own knowledge at once.  While agents of an
 * earlier master are not back, nothing is said about what may be on them.
 */
#include "devcluster/master_state.h"

#include <string.h>

static bool any_recovered(const struct master *m)
{
    struct absent_agent *absent, *next;

    HASH_ITER(hh, m->absent, absent, next)
    {
        if (absent->state == REEVE__DEVCLUSTER__REGISTRY__STATE__ADMITTED)
            return true;
    }
    return false;
}

static void answer_known(struct master *m, struct framework *fw,
                         const struct mtask *task)
{
    const Mesos__V1__Task *msg = task->msg;
    struct status_spec spec = {
        .task_id = msg->task_id->value,
        .agent_id = ID_OF(msg->agent_id),
        .executor_id = ID_OF(msg->executor_id),
        .state = (int)(msg->has_status_update_state ? msg->status_update_state
                                                    : msg->state),
        .reason = REASON(RECONCILIATION),
        .message = "Reconciliation: Latest task state",
    };
    Mesos__V1__TaskStatus *status = status_new(m, fw, &spec);

    status_copy_details(status, task);
    send_status(m, fw, status);
}

static void answer_absent(struct master *m, struct framework *fw,
                          struct status_spec *spec,
                          const struct absent_agent *absent)
{
    Mesos__V1__TaskStatus *status;

    switch (absent->state) {
    case REEVE__DEVCLUSTER__REGISTRY__STATE__ADMITTED:
        return;
    case REEVE__DEVCLUSTER__REGISTRY__STATE__UNREACHABLE:
        spec->state = TASK(UNREACHABLE);
        spec->message = "Reconciliation: Task is unreachable";
        status = status_new(m, fw, spec);
        status->unreachable_time = pb_time(absent->since_ns);
        send_status(m, fw, status);
        return;
    case REEVE__DEVCLUSTER__REGISTRY__STATE__GONE:
        spec->state = TASK(GONE_BY_OPERATOR);
        spec->message = "Reconciliation: Task is gone";
        send_status(m, fw, status_new(m, fw, spec));
        return;
    case _REEVE__DEVCLUSTER__REGISTRY__STATE_IS_INT_SIZE:
        return;
    }
}

/* agent_id may be NULL. */
static void answer_task(struct master *m, struct framework *fw,
                        const char *task_id, const char *agent_id)
{
    const struct mtask *task = find_task(fw, task_id);
    const struct absent_agent *absent = find_absent(m, agent_id);
    struct status_spec spec = {.task_id = task_id,
                               .agent_id = agent_id,
                               .reason = REASON(RECONCILIATION)};

    if (task) {
        answer_known(m, fw, task);
        return;
    }
    if (absent) {
        answer_absent(m, fw, &spec, absent);
        return;
    }
    if (find_agent(m, agent_id)) {
        spec.state = TASK(GONE);
        spec.message = "Reconciliation: Task is unknown to the agent";
    } else if (!agent_id && any_recovered(m)) {
        return;
    } else {
        spec.state = TASK(UNKNOWN);
        spec.message = "Reconciliation: Task is unknown";
    }
    send_status(m, fw, status_new(m, fw, &spec));
}

void call_reconcile(struct master *m, struct framework *fw,
                    const Mesos__V1__Scheduler__Call *call)
{
    const Mesos__V1__Scheduler__Call__Reconcile *reconcile = call->reconcile;
    struct mtask *task, *next;

    if (!reconcile->n_tasks) {
        HASH_ITER(hh, fw->tasks, task, next)
        answer_known(m, fw, task);
        return;
    }
    for (size_t i = 0; i < reconcile->n_tasks; i++)
        answer_task(m, fw, reconcile->tasks[i]->task_id->value,
                    reconcile->tasks[i]->agent_id
                        ? reconcile->tasks[i]->agent_id->value
                        : NULL);
}

/* ---- operations --------------------------------------------------------- */

static const struct moperation *find_operation_by_id(const struct master *m,
                                                     const struct framework *fw,
                                                     const char *id)
{
    struct moperation *op, *next;

    HASH_ITER(hh, m->operations, op, next)
    {
        if (op->framework == fw &&
            str_eq(ID_OF(op->msg->latest_status->operation_id), id))
            return op;
    }
    return NULL;
}

static void operation_absent(struct operation_spec *spec,
                             const struct absent_agent *absent)
{
    switch (absent->state) {
    case REEVE__DEVCLUSTER__REGISTRY__STATE__ADMITTED:
        spec->state = OP_STATE(RECOVERING);
        spec->message =
            "Reconciliation: Agent is recovered but has not re-registered";
        return;
    case REEVE__DEVCLUSTER__REGISTRY__STATE__UNREACHABLE:
        spec->state = OP_STATE(UNREACHABLE);
        spec->message = "Reconciliation: Agent is unreachable";
        return;
    case REEVE__DEVCLUSTER__REGISTRY__STATE__GONE:
        spec->state = OP_STATE(GONE_BY_OPERATOR);
        spec->message = "Reconciliation: Agent marked gone by operator";
        return;
    case _REEVE__DEVCLUSTER__REGISTRY__STATE_IS_INT_SIZE:
        return;
    }
}

static void answer_operation(struct master *m, struct framework *fw,
                             const char *id, const char *agent_id)
{
    const struct moperation *op = find_operation_by_id(m, fw, id);
    const struct absent_agent *absent = find_absent(m, agent_id);
    struct operation_spec spec = {id, agent_id, OP_STATE(UNKNOWN), NULL};

    if (op) {
        spec.state = (int)op->msg->latest_status->state;
        spec.agent_id = op->agent->id;
        spec.message = op->msg->latest_status->message;
    } else if (!agent_id) {
        spec.message = "Reconciliation: Operation is unknown and no "
                       "'agent_id' was provided";
    } else if (absent) {
        operation_absent(&spec, absent);
    } else if (find_agent(m, agent_id)) {
        spec.message = "Reconciliation: Operation is unknown";
    } else {
        spec.message = "Reconciliation: Both operation and agent are unknown";
    }
    send_operation_status(m, fw, &spec);
}

void call_reconcile_operations(struct master *m, struct framework *fw,
                               const Mesos__V1__Scheduler__Call *call)
{
    const Mesos__V1__Scheduler__Call__ReconcileOperations *reconcile =
        call->reconcile_operations;
    struct moperation *op, *next;

    for (size_t i = 0; i < reconcile->n_operations; i++)
        answer_operation(m, fw, reconcile->operations[i]->operation_id->value,
                         reconcile->operations[i]->agent_id
                             ? reconcile->operations[i]->agent_id->value
                             : NULL);
    if (reconcile->n_operations)
        return;
    HASH_ITER(hh, m->operations, op, next)
    {
        if (op->framework == fw && *ID_OF(op->msg->latest_status->operation_id))
            answer_operation(m, fw, op->msg->latest_status->operation_id->value,
                             op->agent->id);
    }
}

/* ---- KILL --------------------------------------------------------------- */

void call_kill(struct master *m, struct framework *fw,
               const Mesos__V1__Scheduler__Call *call)
{
    const Mesos__V1__Scheduler__Call__Kill *kill = call->kill;
    const char *agent_id = kill->agent_id ? kill->agent_id->value : NULL;
    struct mtask *task = find_task(fw, kill->task_id->value);
    Reeve__Devcluster__ToAgent *msg;

    if (!task) {
        answer_task(m, fw, kill->task_id->value, agent_id);
        return;
    }
    if (agent_id && !str_eq(agent_id, ID_OF(task->msg->agent_id))) {
        note(m, "event=kill_wrong_agent framework=%s task=%s agent=%s", fw->id,
             kill->task_id->value, agent_id);
        return;
    }
    if (!task->agent || !task->agent->link) {
        task->kill_pending = true;
        return;
    }
    msg = PB_NEW(reeve__devcluster__to_agent);
    msg->kill = PB_NEW(reeve__devcluster__to_agent__kill);
    msg->kill->framework_id = pb_framework_id(fw->id);
    msg->kill->task_id = pb_task_id(kill->task_id->value);
    if (kill->kill_policy)
        msg->kill->kill_policy = PB_DUP(kill->kill_policy);
    send_agent(m, task->agent, msg);
}
