/* SPDX-License-Identifier: Apache-2.0 */
/* master_api - what operators may do: reservations, volumes, agents, teardown
 *
 * Operators work on resources that nobody uses: outstanding offers are
 * rescinded, one by one, until what they need is free.
 */
#include "devcluster/master_api.h"

#include <string.h>

#define M_CALL(name) MESOS__V1__MASTER__CALL__TYPE__##name

/* Rescinded for an operator, an offer comes back with the default filter. */
#define RESCIND_FILTER_MS 5000

/* ---- reservations and volumes ------------------------------------------- */

/* Makes room for op; false when all that is not used is not enough. */
static bool make_room(struct master *m, struct magent *agent,
                      const Mesos__V1__Offer__Operation *op, struct err *err)
{
    for (;;) {
        AUTO(resources) struct resources *trial = resources_dup(agent->free);
        struct moffer *offer = agent->offers;

        if (resources_apply(trial, op, err) == 0)
            return true;
        if (!offer)
            return false;
        filter_add(m, agent, offer->framework, offer->role, offer->pool,
                   RESCIND_FILTER_MS);
        offer_withdraw(m, offer, true);
    }
}

static void forget_copies(struct magent *agent,
                          const Mesos__V1__Offer__Operation *op)
{
    for (size_t i = 0; op->destroy && i < op->destroy->n_volumes; i++) {
        while (resource_is_shared(op->destroy->volumes[i]) &&
               resources_contains(agent->free, op->destroy->volumes[i]))
            resources_subtract(agent->free, op->destroy->volumes[i], NULL);
    }
}

static void operate_on(struct master *m, const char *agent_id,
                       Mesos__V1__Offer__Operation *op,
                       struct master_reply *reply)
{
    struct magent *agent = find_agent(m, agent_id);
    struct err err;

    if (!agent) {
        reply_set(reply, 400, "No agent found with specified ID");
        return;
    }
    if (operation_normalize(op, NULL, &err) < 0 ||
        operation_validate(NULL, agent, op, &err) < 0) {
        AUTO_FREE char *where = agent_suffix(agent);

        reply_set(reply, 400, "Invalid %s operation %s: %s",
                  operation_name((int)op->type), where, err.text);
        return;
    }
    if (!agent->link) {
        reply_set(reply, 503, "Agent %s is disconnected", agent->id);
        return;
    }
    if (!make_room(m, agent, op, &err)) {
        reply_set(reply, 409, "%s", err.text);
        return;
    }
    ASSERT(resources_apply(agent->free, op, NULL) == 0);
    agent_count_totals(m, agent, -1);
    if (resources_apply(agent->total, op, NULL) < 0)
        note(m, "event=total_mismatch agent=%s", agent->id);
    agent_count_totals(m, agent, 1);
    forget_copies(agent, op);
    agent_changed(agent);
    operation_start(m, NULL, agent, op, NULL);
    reply_set(reply, 202, "%s", "");
}

/* Borrows the lists of the call for one operation. */
static void operate(struct master *m, const Mesos__V1__Master__Call *call,
                    struct master_reply *reply)
{
    AUTO_MESSAGE Mesos__V1__Offer__Operation *op =
        PB_NEW(mesos__v1__offer__operation);
    const char *agent_id = "";

    if (call->reserve_resources) {
        const Mesos__V1__Master__Call__ReserveResources *r =
            call->reserve_resources;

        agent_id = r->agent_id->value;
        PB_SET(op, type, OP(RESERVE));
        op->reserve = PB_NEW(mesos__v1__offer__operation__reserve);
        pb_copy_resources(r->resources, r->n_resources, &op->reserve->resources,
                          &op->reserve->n_resources);
        pb_copy_resources(r->source, r->n_source, &op->reserve->source,
                          &op->reserve->n_source);
    } else if (call->unreserve_resources) {
        agent_id = call->unreserve_resources->agent_id->value;
        PB_SET(op, type, OP(UNRESERVE));
        op->unreserve = PB_NEW(mesos__v1__offer__operation__unreserve);
        pb_copy_resources(call->unreserve_resources->resources,
                          call->unreserve_resources->n_resources,
                          &op->unreserve->resources,
                          &op->unreserve->n_resources);
    } else if (call->create_volumes) {
        agent_id = call->create_volumes->agent_id->value;
        PB_SET(op, type, OP(CREATE));
        op->create = PB_NEW(mesos__v1__offer__operation__create);
        pb_copy_resources(call->create_volumes->volumes,
                          call->create_volumes->n_volumes, &op->create->volumes,
                          &op->create->n_volumes);
    } else if (call->destroy_volumes) {
        agent_id = call->destroy_volumes->agent_id->value;
        PB_SET(op, type, OP(DESTROY));
        op->destroy = PB_NEW(mesos__v1__offer__operation__destroy);
        pb_copy_resources(call->destroy_volumes->volumes,
                          call->destroy_volumes->n_volumes,
                          &op->destroy->volumes, &op->destroy->n_volumes);
    }
    operate_on(m, agent_id, op, reply);
}

static void reply_no_agent(struct master_reply *reply)
{
    reply_set(reply, 400,
              "Failed to validate master::Call: Expecting 'agent_id' to be "
              "present; only agent default resources are supported right now");
}

static void grow(struct master *m, const Mesos__V1__Master__Call *call,
                 struct master_reply *reply)
{
    AUTO_MESSAGE Mesos__V1__Offer__Operation *op =
        PB_NEW(mesos__v1__offer__operation);

    if (!call->grow_volume->agent_id) {
        reply_no_agent(reply);
        return;
    }
    PB_SET(op, type, OP(GROW_VOLUME));
    op->grow_volume = PB_NEW(mesos__v1__offer__operation__grow_volume);
    op->grow_volume->volume = resource_dup(call->grow_volume->volume);
    op->grow_volume->addition = resource_dup(call->grow_volume->addition);
    operate_on(m, ID_OF(call->grow_volume->agent_id), op, reply);
}

static void shrink(struct master *m, const Mesos__V1__Master__Call *call,
                   struct master_reply *reply)
{
    AUTO_MESSAGE Mesos__V1__Offer__Operation *op =
        PB_NEW(mesos__v1__offer__operation);

    if (!call->shrink_volume->agent_id) {
        reply_no_agent(reply);
        return;
    }
    PB_SET(op, type, OP(SHRINK_VOLUME));
    op->shrink_volume = PB_NEW(mesos__v1__offer__operation__shrink_volume);
    op->shrink_volume->volume = resource_dup(call->shrink_volume->volume);
    op->shrink_volume->subtract = PB_DUP(call->shrink_volume->subtract);
    operate_on(m, ID_OF(call->shrink_volume->agent_id), op, reply);
}

/* ---- agents and frameworks ---------------------------------------------- */

static void teardown(struct master *m, const Mesos__V1__Master__Call *call,
                     struct master_reply *reply)
{
    struct framework *fw =
        find_framework(m, call->teardown->framework_id->value);

    if (!fw) {
        reply_set(reply, 400, "No framework found with specified ID");
        return;
    }
    framework_remove(m, fw);
    reply_set(reply, 200, "%s", "");
}

static void mark_gone(struct master *m, const Mesos__V1__Master__Call *call,
                      struct master_reply *reply)
{
    agent_mark_gone(m, call->mark_agent_gone->agent_id->value, reply);
}

static void deactivate(struct master *m, const Mesos__V1__Master__Call *call,
                       struct master_reply *reply)
{
    agent_deactivate(m, call->deactivate_agent->agent_id->value, reply);
}

static void reactivate(struct master *m, const Mesos__V1__Master__Call *call,
                       struct master_reply *reply)
{
    agent_reactivate(m, call->reactivate_agent->agent_id->value, reply);
}

static void drain(struct master *m, const Mesos__V1__Master__Call *call,
                  struct master_reply *reply)
{
    agent_drain(m, call->drain_agent, reply);
}

static void schedule(struct master *m, const Mesos__V1__Master__Call *call,
                     struct master_reply *reply)
{
    maintenance_update(m, call->update_maintenance_schedule->schedule, reply);
}

static void start(struct master *m, const Mesos__V1__Master__Call *call,
                  struct master_reply *reply)
{
    maintenance_start(m, call->start_maintenance->machines,
                      call->start_maintenance->n_machines, reply);
}

static void stop(struct master *m, const Mesos__V1__Master__Call *call,
                 struct master_reply *reply)
{
    maintenance_stop(m, call->stop_maintenance->machines,
                     call->stop_maintenance->n_machines, reply);
}

static void quota(struct master *m, const Mesos__V1__Master__Call *call,
                  struct master_reply *reply)
{
    quota_update(m, call->update_quota, reply);
}

static void set_quota(struct master *m, const Mesos__V1__Master__Call *call,
                      struct master_reply *reply)
{
    quota_request_set(m, call->set_quota->quota_request, reply);
}

static void remove_quota(struct master *m, const Mesos__V1__Master__Call *call,
                         struct master_reply *reply)
{
    quota_request_remove(m, call->remove_quota->role, reply);
}

/* Kept and told; our log has its own level. */
static void set_logging(struct master *m, const Mesos__V1__Master__Call *call,
                        struct master_reply *reply)
{
    int64_t ms = call->set_logging_level->duration->nanoseconds / 1000000;

    m->logging_level = call->set_logging_level->level;
    m->logging_until_ms = m->now_ms + MAX(ms, 0);
    reply_set(reply, 200, "%s", "");
}

/* This master writes no log file, so it has none to show. */
static void no_files(struct master *m UNUSED,
                     const Mesos__V1__Master__Call *call UNUSED,
                     struct master_reply *reply)
{
    reply_set(reply, 404, "%s", "");
}

static void weights(struct master *m, const Mesos__V1__Master__Call *call,
                    struct master_reply *reply)
{
    weights_update(m, call->update_weights->weight_infos,
                   call->update_weights->n_weight_infos, reply);
}

/* part: does the call carry what it needs? */
static const struct {
    int type;
    size_t part; /* offset of its message in the call */
    void (*handle)(struct master *m, const Mesos__V1__Master__Call *call,
                   struct master_reply *reply);
} verbs[] = {
    {M_CALL(RESERVE_RESOURCES),
     offsetof(Mesos__V1__Master__Call, reserve_resources), operate},
    {M_CALL(UNRESERVE_RESOURCES),
     offsetof(Mesos__V1__Master__Call, unreserve_resources), operate},
    {M_CALL(CREATE_VOLUMES), offsetof(Mesos__V1__Master__Call, create_volumes),
     operate},
    {M_CALL(DESTROY_VOLUMES),
     offsetof(Mesos__V1__Master__Call, destroy_volumes), operate},
    {M_CALL(GROW_VOLUME), offsetof(Mesos__V1__Master__Call, grow_volume), grow},
    {M_CALL(SHRINK_VOLUME), offsetof(Mesos__V1__Master__Call, shrink_volume),
     shrink},
    {M_CALL(TEARDOWN), offsetof(Mesos__V1__Master__Call, teardown), teardown},
    {M_CALL(MARK_AGENT_GONE),
     offsetof(Mesos__V1__Master__Call, mark_agent_gone), mark_gone},
    {M_CALL(DEACTIVATE_AGENT),
     offsetof(Mesos__V1__Master__Call, deactivate_agent), deactivate},
    {M_CALL(REACTIVATE_AGENT),
     offsetof(Mesos__V1__Master__Call, reactivate_agent), reactivate},
    {M_CALL(DRAIN_AGENT), offsetof(Mesos__V1__Master__Call, drain_agent),
     drain},
    {M_CALL(UPDATE_QUOTA), offsetof(Mesos__V1__Master__Call, update_quota),
     quota},
    {M_CALL(SET_LOGGING_LEVEL),
     offsetof(Mesos__V1__Master__Call, set_logging_level), set_logging},
    {M_CALL(LIST_FILES), offsetof(Mesos__V1__Master__Call, list_files),
     no_files},
    {M_CALL(READ_FILE), offsetof(Mesos__V1__Master__Call, read_file), no_files},
    {M_CALL(SET_QUOTA), offsetof(Mesos__V1__Master__Call, set_quota),
     set_quota},
    {M_CALL(REMOVE_QUOTA), offsetof(Mesos__V1__Master__Call, remove_quota),
     remove_quota},
    {M_CALL(UPDATE_WEIGHTS), offsetof(Mesos__V1__Master__Call, update_weights),
     weights},
    {M_CALL(UPDATE_MAINTENANCE_SCHEDULE),
     offsetof(Mesos__V1__Master__Call, update_maintenance_schedule), schedule},
    {M_CALL(START_MAINTENANCE),
     offsetof(Mesos__V1__Master__Call, start_maintenance), start},
    {M_CALL(STOP_MAINTENANCE),
     offsetof(Mesos__V1__Master__Call, stop_maintenance), stop},
};

static void reply_absent(struct master_reply *reply, const char *name)
{
    char lower[64] = "";

    for (size_t k = 0; name[k] && k < sizeof lower - 1; k++)
        lower[k] = (char)(name[k] == '_' ? '_' : name[k] | 0x20);
    reply_set(reply, 400,
              "Failed to validate master::Call: Expecting '%s' to be present",
              lower);
}

static bool run_verb(struct master *m, const Mesos__V1__Master__Call *call,
                     const char *name, struct master_reply *reply)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        const void *part;

        if (verbs[i].type != (int)call->type)
            continue;
        memcpy(&part, (const char *)call + verbs[i].part, sizeof part);
        if (part)
            verbs[i].handle(m, call, reply);
        else
            reply_absent(reply, name);
        return true;
    }
    return false;
}

void master_operate(struct master *m, const Mesos__V1__Master__Call *call,
                    struct master_reply *reply,
                    Mesos__V1__Master__Response **response)
{
    const char *name =
        call->has_type
            ? wire_enum_name(&mesos__v1__master__call__type__descriptor,
                             (int)call->type)
            : NULL;

    *response = NULL;
    if (!name) {
        reply_set(reply, 400,
                  "Failed to validate master::Call: Expecting 'type' to be "
                  "present");
        return;
    }
    if ((int)call->type == M_CALL(GET_METRICS) && !call->get_metrics) {
        reply_absent(reply, name);
        return;
    }
    *response = api_get(m, (int)call->type);
    if (*response)
        reply_set(reply, 200, "%s", "");
    else if (!run_verb(m, call, name, reply))
        reply_set(reply, 501, "501 Not Implemented.");
}
