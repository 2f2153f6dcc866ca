/* SPDX-License-Identifier: Apache-2.0 */
/* master_operations - operations given to agents, until they are acknowledged
 *
 * An operation without an id is done when the agent says so; one with an id
 * when the framework acknowledged its terminal status.
 */
#include "devcluster/master_state.h"

#include <string.h>

static Mesos__V1__OperationStatus *pending_status(const char *agent_id,
                                                  const char *id)
{
    Mesos__V1__OperationStatus *status = PB_NEW(mesos__v1__operation_status);

    status->state = OP_STATE(PENDING);
    status->agent_id = pb_agent_id(agent_id);
    if (*id) {
        status->operation_id = PB_NEW(mesos__v1__operation_id);
        status->operation_id->value = xstrdup(id);
    }
    return status;
}

static struct moperation *operation_add(struct master *m, struct framework *fw,
                                        struct magent *agent,
                                        const uint8_t uuid[16])
{
    struct moperation *op = xcalloc(1, sizeof *op);

    memcpy(op->uuid, uuid, sizeof op->uuid);
    op->framework = fw;
    op->agent = agent;
    op->msg = PB_NEW(mesos__v1__operation);
    if (fw)
        op->msg->framework_id = pb_framework_id(fw->id);
    op->msg->agent_id = pb_agent_id(agent->id);
    op->msg->uuid = PB_NEW(mesos__v1__uuid);
    op->msg->uuid->value.data = xmemdup(uuid, sizeof op->uuid);
    op->msg->uuid->value.len = sizeof op->uuid;
    HASH_ADD(hh, m->operations, uuid, sizeof op->uuid, op);
    DL_APPEND(agent->operations, op);
    return op;
}

struct moperation *operation_start(struct master *m, struct framework *fw,
                                   struct magent *agent,
                                   const Mesos__V1__Offer__Operation *info,
                                   struct resources *consumed)
{
    Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);
    struct moperation *op;
    uint8_t uuid[16];

    m->config.new_uuid(m->config.new_uuid_self, uuid);
    op = operation_add(m, fw, agent, uuid);
    op->consumed = consumed;
    op->msg->info = PB_DUP(info);
    op->msg->latest_status = pending_status(agent->id, ID_OF(info->id));
    msg->apply_operation = PB_NEW(reeve__devcluster__to_agent__apply_operation);
    if (fw)
        msg->apply_operation->framework_id = pb_framework_id(fw->id);
    PB_BYTES(msg->apply_operation, operation_uuid, uuid, sizeof uuid);
    msg->apply_operation->info = PB_DUP(info);
    send_agent(m, agent, msg);
    return op;
}

static void give_consumed_back(struct master *m, struct magent *agent,
                               struct moperation *op)
{
    ledger_give_back(m, agent, op->framework, op->consumed);
    resources_destroy(&op->consumed);
}

void operation_remove(struct master *m, struct moperation *op)
{
    HASH_DEL(m->operations, op);
    DL_DELETE(op->agent->operations, op);
    if (op->consumed)
        give_consumed_back(m, op->agent, op);
    PB_FREE(op->msg);
    free(op);
}

static struct moperation *find_operation(const struct master *m,
                                         const ProtobufCBinaryData *uuid)
{
    struct moperation *op = NULL;

    if (uuid->len == sizeof op->uuid)
        HASH_FIND(hh, m->operations, uuid->data, uuid->len, op);
    return op;
}

static void withhold(struct magent *agent, struct framework *fw,
                     const Mesos__V1__Resource *freed)
{
    struct withheld *one = xcalloc(1, sizeof *one);

    one->framework = fw;
    one->resources = resources_new();
    resources_add(one->resources, freed);
    LL_APPEND(agent->withheld, one);
}

void withheld_release(struct magent *agent, const struct framework *fw,
                      bool to_free)
{
    struct withheld *one, *next;

    LL_FOREACH_SAFE(agent->withheld, one, next)
    {
        if (fw && one->framework != fw)
            continue;
        if (to_free) {
            resources_add_all(agent->free, one->resources);
            agent_changed(agent);
        }
        LL_DELETE(agent->withheld, one);
        resources_destroy(&one->resources);
        free(one);
    }
}

/* GROW and SHRINK are done now: what they took becomes what they made. */
static void finish_resize(struct master *m, struct magent *agent,
                          struct moperation *op)
{
    AUTO(resources) struct resources *made = MOVE(op->consumed);
    const Mesos__V1__Offer__Operation *plain = op->msg->info;

    ledger_share(m, op->framework, made, -1);
    resources_allocate(made, NULL);
    agent_count_totals(m, agent, -1);
    if (resources_apply(made, plain, NULL) < 0 ||
        resources_apply(agent->total, plain, NULL) < 0)
        note(m, "event=resize_mismatch agent=%s", agent->id);
    agent_count_totals(m, agent, 1);
    for (size_t i = 0; i < resources_count(made); i++) {
        if (!plain->shrink_volume || resource_is_volume(resources_at(made, i)))
            resources_add(agent->free, resources_at(made, i));
        else
            withhold(agent, op->framework, resources_at(made, i));
    }
    agent_changed(agent);
}

static void forward_operation(struct master *m, struct framework *fw,
                              const Mesos__V1__OperationStatus *status)
{
    Mesos__V1__Scheduler__Event *event;

    if (!fw || !status->operation_id)
        return;
    event = PB_NEW(mesos__v1__scheduler__event);
    PB_SET(event, type, EVENT(UPDATE_OPERATION_STATUS));
    event->update_operation_status =
        PB_NEW(mesos__v1__scheduler__event__update_operation_status);
    event->update_operation_status->status = PB_DUP(status);
    send_event(m, fw, event);
}

/* An agent knows of an operation that this master does not: it was given by an
 * earlier one.  It is remembered, so that it can be acknowledged. */
static struct moperation *
adopt(struct master *m, struct magent *agent,
      const Reeve__Devcluster__ToMaster__OperationUpdate *u)
{
    struct framework *fw = find_framework(m, ID_OF(u->framework_id));
    struct moperation *op;

    if (u->operation_uuid.len != sizeof op->uuid)
        return NULL;
    op = operation_add(m, fw, agent, u->operation_uuid.data);
    op->msg->info = PB_NEW(mesos__v1__offer__operation);
    op->msg->latest_status = PB_DUP(u->status);
    return op;
}

void operation_update(struct master *m, struct magent *agent,
                      const Reeve__Devcluster__ToMaster__OperationUpdate *u)
{
    struct moperation *op = find_operation(m, &u->operation_uuid);
    int state;

    if (!u->status)
        return;
    if (!op)
        op = adopt(m, agent, u);
    if (!op) {
        m->updates_invalid++;
        return;
    }
    if (!op->framework)
        op->framework = find_framework(m, ID_OF(u->framework_id));
    PB_FREE(op->msg->latest_status);
    op->msg->latest_status = PB_DUP(u->status);
    PB_ADD(op->msg, statuses, PB_DUP(u->status));
    state = (int)u->status->state;
    if (op->consumed && state == OP_STATE(FINISHED))
        finish_resize(m, agent, op);
    else if (op->consumed && operation_state_is_terminal(state))
        give_consumed_back(m, agent, op);
    if ((unsigned)state < ARRAY_LEN(m->operations_done))
        m->operations_done[state]++;
    forward_operation(m, op->framework, u->status);
    if (!u->status->uuid && operation_state_is_terminal(state))
        operation_remove(m, op);
}

void call_acknowledge_operation(struct master *m, struct framework *fw,
                                const Mesos__V1__Scheduler__Call *call)
{
    const Mesos__V1__Scheduler__Call__AcknowledgeOperationStatus *ack =
        call->acknowledge_operation_status;
    struct magent *agent = find_agent(m, ack->agent_id->value);
    Reeve__Devcluster__ToAgent *msg;
    struct moperation *op;

    if (!agent || !agent->link) {
        m->acks_invalid++;
        return;
    }
    DL_FOREACH(agent->operations, op)
    {
        if (op->framework == fw &&
            str_eq(ID_OF(op->msg->latest_status->operation_id),
                   ack->operation_id->value))
            break;
    }
    if (!op) {
        m->acks_invalid++;
        return;
    }
    m->acks_valid++;
    msg = PB_NEW(reeve__devcluster__to_agent);
    msg->acknowledge_operation =
        PB_NEW(reeve__devcluster__to_agent__acknowledge_operation);
    PB_BYTES(msg->acknowledge_operation, operation_uuid, op->uuid,
             sizeof op->uuid);
    PB_BYTES(msg->acknowledge_operation, status_uuid, ack->uuid.data,
             ack->uuid.len);
    send_agent(m, agent, msg);
    if (operation_state_is_terminal((int)op->msg->latest_status->state))
        operation_remove(m, op);
    drain_check(m, agent);
}
