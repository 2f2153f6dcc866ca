/* SPDX-License-Identifier: Apache-2.0 */
/* agent_ops - reservations and volumes: apply, checkpoint, report
 *
 * The master has checked every operation and already counts on it; so one that
 * cannot be applied here shows that the two disagree, and is reported as such
 * with the agent's own list.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "devcluster/agent_state.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/resources.h"
#include "lib/mesos/states.h"

static void free_list(Mesos__V1__Resource ***list, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        resource_free(&(*list)[i]);
    free(*list);
    *list = NULL;
    *count = 0;
}

int agent_ops_init(struct agent_core *core, struct err *err)
{
    Mesos__V1__AgentInfo *info = (Mesos__V1__AgentInfo *)core->config.info;
    if (resources_check(info->resources, info->n_resources, err) < 0)
        return -1;
    core->total = resources_from(info->resources, info->n_resources);
    return 0;
}

void agent_ops_clear(struct agent_core *core)
{
    struct agent_operation *op, *next;
    DL_FOREACH_SAFE(core->operations, op, next)
    {
        DL_DELETE(core->operations, op);
        PB_FREE(op->update);
        free(op);
    }
    free_list(&core->checkpointed, &core->n_checkpointed);
    free_list(&core->removing, &core->n_removing);
    resources_destroy(&core->total);
    PB_FREE(core->drain);
}

/* ---- the list --------------------------------------------------------- */

static bool needs_checkpoint(const Mesos__V1__Resource *resource,
                             const void *arg UNUSED)
{
    return resource_is_dynamic(resource) || resource_is_volume(resource);
}

void agent_ops_refresh(struct agent_core *core)
{
    AUTO(resources)
    struct resources *kept =
        resources_filter(core->total, needs_checkpoint, NULL);
    free_list(&core->checkpointed, &core->n_checkpointed);
    resources_to(kept, &core->checkpointed, &core->n_checkpointed);
}

/* What a checkpointed resource was before frameworks changed it. */
static Mesos__V1__Resource *as_configured(const Mesos__V1__Resource *resource)
{
    Mesos__V1__Resource *plain = resource_dup(resource);
    if (resource_is_volume(plain))
        resource_strip_volume(plain);
    while (resource_is_dynamic(plain))
        resource_pop_reservation(plain);
    return plain;
}

int agent_core_restore_resources(
    struct agent_core *core, const Reeve__Devagent__AgentResources *resources,
    struct err *err)
{
    for (size_t i = 0; i < resources->n_checkpointed; i++) {
        Mesos__V1__Resource *plain = as_configured(resources->checkpointed[i]);
        int rc = resources_subtract(core->total, plain, err);
        resource_free(&plain);
        if (rc < 0) {
            if (err)
                err->code = ERR_INVALID;
            return err_wrap(err, "checkpointed resources do not fit");
        }
        resources_add(core->total, resources->checkpointed[i]);
    }
    if (resources->drain)
        core->drain = PB_DUP(resources->drain);
    agent_ops_refresh(core);
    pb_copy_resources(resources->removing, resources->n_removing,
                      &core->removing, &core->n_removing);
    for (size_t i = 0; i < resources->n_operations; i++) {
        struct agent_operation *op = xcalloc(1, sizeof(*op));
        op->update = PB_DUP(resources->operations[i]);
        op->resend_at_ms = AGENT_NEVER;
        op->resend_after_ms = core->config.status_resend_ms;
        DL_APPEND(core->operations, op);
    }
    return 0;
}

void agent_ops_save(struct agent_core *core)
{
    if (core->config.in_memory)
        return;
    Reeve__Devagent__AgentResources *out =
        PB_NEW(reeve__devagent__agent_resources);
    struct agent_operation *op;
    pb_copy_resources(core->checkpointed, core->n_checkpointed,
                      &out->checkpointed, &out->n_checkpointed);
    pb_copy_resources(core->removing, core->n_removing, &out->removing,
                      &out->n_removing);
    DL_FOREACH(core->operations, op)
    {
        PB_ADD(out, operations, PB_DUP(op->update));
    }
    if (core->drain)
        out->drain = PB_DUP(core->drain);
    agent_act(core, AGENT_SAVE_RESOURCES)->message = &out->base;
}

/* ---- volumes ---------------------------------------------------------- */

char *agent_volume_dir(const struct agent_core *core,
                       const Mesos__V1__Resource *volume)
{
    const char *root = resource_disk_root(volume);
    const char *base = root ? root : core->config.work_dir;
    AUTO_FREE char *below =
        base[0] == '/' ? xstrdup(base)
                       : xasprintf("%s/%s", core->config.work_dir, base);
    if (resource_disk_kind(volume) == DISK_MOUNT)
        return xstrdup(below);
    AUTO_FREE char *role = xstrdup(resource_role(volume));
    for (char *p = role; *p; p++) {
        if (*p == '/')
            *p = ' ';
    }
    return xasprintf("%s/volumes/roles/%s/%s", below, role,
                     resource_volume_id(volume));
}

static void remove_volumes(struct agent_core *core)
{
    for (size_t i = 0; i < core->n_removing; i++) {
        struct agent_action *action = agent_act(core, AGENT_REMOVE_VOLUME);
        action->text = agent_volume_dir(core, core->removing[i]);
        action->keep_dir = resource_disk_kind(core->removing[i]) == DISK_MOUNT;
    }
    free_list(&core->removing, &core->n_removing);
}

void agent_ops_recovered(struct agent_core *core)
{
    if (core->n_removing == 0)
        return;
    remove_volumes(core);
    agent_ops_save(core);
}

/* ---- applying --------------------------------------------------------- */

/* The resources an operation names; NULL when it has none of that kind. */
struct named {
    Mesos__V1__Resource **list;
    size_t count;
};

static int plain_list(struct named named, struct err *err)
{
    for (size_t i = 0; i < named.count; i++)
        resource_allocate(named.list[i], NULL);
    return resources_check(named.list, named.count, err);
}

static int plain_resources(Mesos__V1__Offer__Operation *op, struct err *err)
{
    struct named lists[] = {
        {op->reserve ? op->reserve->resources : NULL,
         op->reserve ? op->reserve->n_resources : 0},
        {op->reserve ? op->reserve->source : NULL,
         op->reserve ? op->reserve->n_source : 0},
        {op->unreserve ? op->unreserve->resources : NULL,
         op->unreserve ? op->unreserve->n_resources : 0},
        {op->create ? op->create->volumes : NULL,
         op->create ? op->create->n_volumes : 0},
        {op->destroy ? op->destroy->volumes : NULL,
         op->destroy ? op->destroy->n_volumes : 0},
        {op->grow_volume ? &op->grow_volume->volume : NULL,
         op->grow_volume ? 1 : 0},
        {op->grow_volume ? &op->grow_volume->addition : NULL,
         op->grow_volume ? 1 : 0},
        {op->shrink_volume ? &op->shrink_volume->volume : NULL,
         op->shrink_volume ? 1 : 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (plain_list(lists[i], err) < 0)
            return -1;
    }
    return 0;
}

/* Volume ids and roles become names of folders. */
static int check_volumes(const struct named *volumes, struct err *err)
{
    for (size_t i = 0; i < volumes->count; i++) {
        const char *id = resource_volume_id(volumes->list[i]);
        if (!id)
            return err_set(err, ERR_INVALID, "not a persistent volume");
        if (mesos_id_validate(id, err) < 0 ||
            mesos_role_validate(resource_role(volumes->list[i]), err) < 0)
            return -1;
    }
    return 0;
}

static int apply(struct agent_core *core, Mesos__V1__Offer__Operation *op,
                 struct err *err)
{
    struct named created = {NULL, 0};
    struct named destroyed = {NULL, 0};
    if (plain_resources(op, err) < 0)
        return -1;
    if (op->create)
        created = (struct named){op->create->volumes, op->create->n_volumes};
    if (op->destroy)
        destroyed =
            (struct named){op->destroy->volumes, op->destroy->n_volumes};
    if (check_volumes(&created, err) < 0 ||
        check_volumes(&destroyed, err) < 0 ||
        resources_apply(core->total, op, err) < 0)
        return -1;
    if (!core->config.in_memory)
        agent_ops_refresh(core);
    for (size_t i = 0; i < created.count; i++)
        agent_act(core, AGENT_MAKE_VOLUME)->text =
            agent_volume_dir(core, created.list[i]);
    pb_copy_resources(destroyed.list, destroyed.count, &core->removing,
                      &core->n_removing);
    return 0;
}

/* ---- reporting -------------------------------------------------------- */

static void send_update(struct agent_core *core,
                        Reeve__Devcluster__ToMaster__OperationUpdate *u)
{
    if (!core->registered)
        return;
    Reeve__Devcluster__ToMaster *message = PB_NEW(reeve__devcluster__to_master);
    message->operation_update = PB_DUP(u);
    if (core->config.in_memory) { /* the master counts for itself */
        agent_send(core, message);
        return;
    }
    /* Always what holds now, also in a repetition. */
    free_list(&message->operation_update->checkpointed,
              &message->operation_update->n_checkpointed);
    pb_copy_resources(core->checkpointed, core->n_checkpointed,
                      &message->operation_update->checkpointed,
                      &message->operation_update->n_checkpointed);
    agent_send(core, message);
}

static Mesos__V1__OperationStatus *
status_of(struct agent_core *core, const Mesos__V1__Offer__Operation *op,
          bool applied, const struct err *why)
{
    Mesos__V1__OperationStatus *status = PB_NEW(mesos__v1__operation_status);
    uint8_t uuid[16];
    status->state = applied ? MESOS__V1__OPERATION_STATE__OPERATION_FINISHED
                            : MESOS__V1__OPERATION_STATE__OPERATION_ERROR;
    if (!applied)
        status->message = xstrdup(why->text);
    status->agent_id = pb_agent_id(str_or_empty(core->id));
    if (!op->id)
        return status;
    status->operation_id = PB_NEW(mesos__v1__operation_id);
    status->operation_id->value = xstrdup(op->id->value);
    core->config.new_uuid(core->config.self, uuid);
    status->uuid = PB_NEW(mesos__v1__uuid);
    status->uuid->value.data = xmemdup(uuid, sizeof(uuid));
    status->uuid->value.len = sizeof(uuid);
    return status;
}

static struct agent_operation *find_operation(struct agent_core *core,
                                              ProtobufCBinaryData uuid)
{
    struct agent_operation *op;
    DL_FOREACH(core->operations, op)
    {
        if (op->update->operation_uuid.len == uuid.len &&
            memcmp(op->update->operation_uuid.data, uuid.data, uuid.len) == 0)
            return op;
    }
    return NULL;
}

static void resend(struct agent_core *core, struct agent_operation *op,
                   struct agent_now now)
{
    send_update(core, op->update);
    op->resend_at_ms = agent_after(now.mono_ms, (double)op->resend_after_ms);
}

void agent_ops_apply(struct agent_core *core,
                     const Reeve__Devcluster__ToAgent__ApplyOperation *request,
                     struct agent_now now)
{
    struct err err;
    struct agent_operation *op;
    if (!request->info) {
        agent_odd(core, "event=operation_not_valid");
        return;
    }
    op = find_operation(core, request->operation_uuid);
    if (op) {
        resend(core, op, now); /* said twice; done once */
        return;
    }
    AUTO_MESSAGE Mesos__V1__Offer__Operation *info = PB_DUP(request->info);
    bool applied = apply(core, info, &err) == 0;
    if (!applied)
        agent_odd(core, "event=operation_not_applied why=\"%s\"", err.text);
    Reeve__Devcluster__ToMaster__OperationUpdate *update =
        PB_NEW(reeve__devcluster__to_master__operation_update);
    update->framework_id = request->framework_id
                               ? pb_framework_id(request->framework_id->value)
                               : NULL;
    PB_BYTES(update, operation_uuid, request->operation_uuid.data,
             request->operation_uuid.len);
    update->status = status_of(core, info, applied, &err);
    PB_SET(update, latest_state, update->status->state);
    op = NULL;
    if (info->id) {
        op = xcalloc(1, sizeof(*op));
        op->update = update;
        op->resend_after_ms = core->config.status_resend_ms;
        op->resend_at_ms = AGENT_NEVER;
        DL_APPEND(core->operations, op);
    }
    agent_ops_save(core);
    if (core->n_removing > 0) {
        remove_volumes(core);
        agent_ops_save(core);
    }
    if (op) {
        resend(core, op, now);
    } else {
        send_update(core, update);
        PB_FREE(update);
    }
}

void agent_ops_acknowledge(
    struct agent_core *core,
    const Reeve__Devcluster__ToAgent__AcknowledgeOperation *ack)
{
    struct agent_operation *op = find_operation(core, ack->operation_uuid);
    if (!op || !op->update->status->uuid)
        return;
    ProtobufCBinaryData uuid = op->update->status->uuid->value;
    if (uuid.len != ack->status_uuid.len ||
        memcmp(uuid.data, ack->status_uuid.data, uuid.len) != 0)
        return;
    DL_DELETE(core->operations, op);
    PB_FREE(op->update);
    free(op);
    agent_ops_save(core);
}

void agent_ops_send_all(struct agent_core *core, struct agent_now now)
{
    struct agent_operation *op;
    DL_FOREACH(core->operations, op)
    {
        op->resend_after_ms = core->config.status_resend_ms;
        resend(core, op, now);
    }
}

void agent_ops_tick(struct agent_core *core, struct agent_now now)
{
    struct agent_operation *op;
    if (!core->registered)
        return;
    DL_FOREACH(core->operations, op)
    {
        if (op->resend_at_ms > now.mono_ms)
            continue;
        op->resend_after_ms =
            MIN(op->resend_after_ms * 2, core->config.status_resend_max_ms);
        resend(core, op, now);
    }
}

int64_t agent_ops_due(const struct agent_core *core)
{
    const struct agent_operation *op;
    int64_t due = AGENT_NEVER;
    if (!core->registered)
        return due;
    DL_FOREACH(core->operations, op)
    {
        due = agent_min(due, op->resend_at_ms);
    }
    return due;
}
