/* SPDX-License-Identifier: Apache-2.0 */
/* master_status - updates that the master itself makes
 *
 * None of them has a uuid: they are sent once and never acknowledged.
 */
#include "devcluster/master_state.h"

#include <string.h>

int state_for(const struct framework *fw, int state)
{
    if (framework_has(fw, CAP(PARTITION_AWARE)))
        return state;
    switch (state) {
    case TASK(DROPPED):
    case TASK(UNREACHABLE):
    case TASK(GONE):
    case TASK(GONE_BY_OPERATOR):
    case TASK(UNKNOWN):
        return TASK(LOST);
    default: /* an int: the other states pass */
        return state;
    }
}

Mesos__V1__TaskStatus *status_new(const struct master *m,
                                  const struct framework *fw,
                                  const struct status_spec *spec)
{
    Mesos__V1__TaskStatus *status = PB_NEW(mesos__v1__task_status);

    status->task_id = pb_task_id(spec->task_id);
    status->state = (Mesos__V1__TaskState)state_for(fw, spec->state);
    PB_SET(status, source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_MASTER);
    PB_SET(status, reason, (Mesos__V1__TaskStatus__Reason)spec->reason);
    PB_SET(status, timestamp, (double)m->wall_us / 1e6);
    status->message = xstrdup(spec->message);
    if (spec->agent_id)
        status->agent_id = pb_agent_id(spec->agent_id);
    if (spec->executor_id && *spec->executor_id)
        status->executor_id = pb_executor_id(spec->executor_id);
    return status;
}

void send_status(struct master *m, struct framework *fw,
                 Mesos__V1__TaskStatus *status)
{
    Mesos__V1__Scheduler__Event *event = PB_NEW(mesos__v1__scheduler__event);

    PB_SET(event, type, EVENT(UPDATE));
    event->update = PB_NEW(mesos__v1__scheduler__event__update);
    event->update->status = status;
    send_event(m, fw, event);
}

void send_operation_status(struct master *m, struct framework *fw,
                           const struct operation_spec *spec)
{
    Mesos__V1__Scheduler__Event *event;
    Mesos__V1__OperationStatus *status;

    if (!spec->id || !*spec->id)
        return;
    status = PB_NEW(mesos__v1__operation_status);
    status->operation_id = PB_NEW(mesos__v1__operation_id);
    status->operation_id->value = xstrdup(spec->id);
    status->state = (Mesos__V1__OperationState)spec->state;
    status->message = xstrdup(spec->message);
    if (spec->agent_id)
        status->agent_id = pb_agent_id(spec->agent_id);
    event = PB_NEW(mesos__v1__scheduler__event);
    PB_SET(event, type, EVENT(UPDATE_OPERATION_STATUS));
    event->update_operation_status =
        PB_NEW(mesos__v1__scheduler__event__update_operation_status);
    event->update_operation_status->status = status;
    send_event(m, fw, event);
}

static void drop_status(Mesos__V1__Task *msg, size_t index)
{
    PB_FREE(msg->statuses[index]);
    memmove(&msg->statuses[index], &msg->statuses[index + 1],
            (msg->n_statuses - index - 1) * sizeof *msg->statuses);
    msg->n_statuses--;
}

bool task_record_status(struct mtask *task, const Mesos__V1__TaskStatus *status)
{
    Mesos__V1__Task *msg = task->msg;
    Mesos__V1__TaskStatus *copy = PB_DUP(status);
    bool fresh = !msg->n_statuses ||
                 msg->statuses[msg->n_statuses - 1]->state != status->state;

    if (copy->has_data) {
        free(copy->data.data);
        copy->data = (ProtobufCBinaryData){0, NULL};
        copy->has_data = 0;
    }
    /* Only the last of several of the same state is kept. */
    if (!fresh)
        drop_status(msg, msg->n_statuses - 1);
    else if (msg->n_statuses == MAX_TASK_STATUSES)
        drop_status(msg, 0);
    PB_ADD(msg, statuses, copy);
    return fresh;
}

void task_set_status(struct master *m, struct mtask *task,
                     const Mesos__V1__TaskStatus *status, int state)
{
    bool told = task_record_status(task, status);

    told |= status->has_reason &&
            (status->reason == REASON(TASK_CHECK_STATUS_UPDATED) ||
             status->reason == REASON(TASK_HEALTH_CHECK_STATUS_UPDATED));
    if (!task_state_is_terminal((int)task->msg->state))
        task->msg->state = (Mesos__V1__TaskState)state;
    if (told)
        watch_task_updated(m, task, status);
}

void status_copy_details(Mesos__V1__TaskStatus *status,
                         const struct mtask *task)
{
    const Mesos__V1__TaskStatus *last;

    if (!task->msg->n_statuses)
        return;
    last = task->msg->statuses[task->msg->n_statuses - 1];
    if (last->has_healthy)
        PB_SET(status, healthy, last->healthy);
    if (last->check_status)
        status->check_status = PB_DUP(last->check_status);
    if (last->container_status)
        status->container_status = PB_DUP(last->container_status);
}
