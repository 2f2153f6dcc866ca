/* SPDX-License-Identifier: Apache-2.0 */
/* master_updates - what agents report of tasks and executors, and ACKNOWLEDGE
 *
 * Resources are freed by the newest state the agent knows, even while older
 * updates still wait for their acknowledgement; a task's id is free again when
 * its terminal update is acknowledged.
 */
#include "devcluster/master_state.h"

#include <string.h>

static void task_update(struct master *m, struct mtask *task,
                        const Reeve__Devcluster__ToMaster__StatusUpdate *u)
{
    Mesos__V1__Task *msg = task->msg;
    int latest =
        (int)(u->has_latest_state ? u->latest_state : u->status->state);

    if (u->status->has_uuid) {
        PB_SET(msg, status_update_state, u->status->state);
        PB_BYTES(msg, status_update_uuid, u->status->uuid.data,
                 u->status->uuid.len);
    }
    if (u->status->executor_id && !msg->executor_id && task->agent &&
        find_executor(task->agent, task->framework,
                      u->status->executor_id->value))
        msg->executor_id = pb_executor_id(u->status->executor_id->value);
    task_set_status(m, task, u->status, latest);
    if (task_state_is_terminal(latest))
        task_release(m, task);
}

void update_from_agent(struct master *m, struct magent *agent,
                       const Reeve__Devcluster__ToMaster__StatusUpdate *u)
{
    struct framework *fw = find_framework(m, ID_OF(u->framework_id));
    struct mtask *task;
    Mesos__V1__TaskStatus *status;

    if (!fw || !u->status) {
        m->updates_invalid++;
        return;
    }
    m->updates_valid++;
    task = find_task(fw, u->status->task_id->value);
    if (task)
        task_update(m, task, u);
    status = PB_DUP(u->status);
    if (!status->agent_id)
        status->agent_id = pb_agent_id(agent->id);
    send_status(m, fw, status);
}

void executor_exited(struct master *m, struct magent *agent,
                     const Reeve__Devcluster__ToMaster__ExitedExecutor *exited)
{
    struct framework *fw = find_framework(m, ID_OF(exited->framework_id));
    struct mexecutor *executor;
    Mesos__V1__Scheduler__Event *event;

    if (!fw)
        return;
    executor = find_executor(agent, fw, ID_OF(exited->executor_id));
    if (!executor)
        return;
    executor_remove(m, executor);
    event = PB_NEW(mesos__v1__scheduler__event);
    PB_SET(event, type, EVENT(FAILURE));
    event->failure = PB_NEW(mesos__v1__scheduler__event__failure);
    event->failure->agent_id = pb_agent_id(agent->id);
    event->failure->executor_id = pb_executor_id(ID_OF(exited->executor_id));
    PB_SET(event->failure, status,
           exited->has_wait_status ? exited->wait_status : -1);
    send_event(m, fw, event);
}

static void forward_ack(struct master *m, const struct magent *agent,
                        const struct framework *fw,
                        const Mesos__V1__Scheduler__Call__Acknowledge *ack)
{
    Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);

    msg->acknowledge = PB_NEW(reeve__devcluster__to_agent__acknowledge);
    msg->acknowledge->framework_id = pb_framework_id(fw->id);
    msg->acknowledge->task_id = pb_task_id(ack->task_id->value);
    PB_BYTES(msg->acknowledge, uuid, ack->uuid.data, ack->uuid.len);
    send_agent(m, agent, msg);
}

void call_acknowledge(struct master *m, struct framework *fw,
                      const Mesos__V1__Scheduler__Call *call)
{
    const Mesos__V1__Scheduler__Call__Acknowledge *ack = call->acknowledge;
    struct magent *agent = find_agent(m, ack->agent_id->value);
    struct mtask *task = find_task(fw, ack->task_id->value);

    /* Dropped: the agent will repeat the update when it is back. */
    if (!agent || !agent->link) {
        m->acks_invalid++;
        return;
    }
    if (task && !task->msg->has_status_update_uuid) {
        m->acks_invalid++;
        return;
    }
    m->acks_valid++;
    if (task && task->msg->status_update_uuid.len == ack->uuid.len &&
        memcmp(task->msg->status_update_uuid.data, ack->uuid.data,
               ack->uuid.len) == 0 &&
        task_state_is_terminal((int)task->msg->status_update_state))
        task_complete(m, task);
    forward_ack(m, agent, fw, ack);
    drain_check(m, agent);
}
