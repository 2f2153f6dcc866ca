/* SPDX-License-Identifier: Apache-2.0 */
/* master_api_get - the GET_* answers of POST /api/v1 */
#include <string.h>

#include "devcluster/master_api.h"
#include "devcluster/master_views.h"

#define M_CALL(name)   MESOS__V1__MASTER__CALL__TYPE__##name
#define ANSWER(name)   MESOS__V1__MASTER__RESPONSE__TYPE__##name
#define RESPONSE       Mesos__V1__Master__Response
#define GET_TASKS      Mesos__V1__Master__Response__GetTasks
#define GET_AGENTS     Mesos__V1__Master__Response__GetAgents
#define GET_FRAMEWORKS Mesos__V1__Master__Response__GetFrameworks
#define GET_EXECUTORS  Mesos__V1__Master__Response__GetExecutors

/* Copies in the format that operators get. */
static void put_resources(const struct resources *r,
                          Mesos__V1__Resource ***list, size_t *count)
{
    resources_to(r, list, count);
    for (size_t i = 0; i < *count; i++)
        resource_to_endpoint_format((*list)[i]);
}

/* ---- tasks, executors --------------------------------------------------- */

static GET_TASKS *get_tasks(const struct master *m)
{
    GET_TASKS *out = PB_NEW(mesos__v1__master__response__get_tasks);
    struct framework *fw, *next;
    struct mtask *task, *next_task;

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        HASH_ITER(hh, fw->tasks, task, next_task)
        PB_ADD(out, tasks, PB_DUP(task->msg));
        HASH_ITER(hh, fw->unreachable, task, next_task)
        PB_ADD(out, unreachable_tasks, PB_DUP(task->msg));
        DL_FOREACH(fw->done, task)
        PB_ADD(out, completed_tasks, PB_DUP(task->msg));
    }
    DL_FOREACH(m->completed, fw)
    {
        DL_FOREACH(fw->done, task)
        PB_ADD(out, completed_tasks, PB_DUP(task->msg));
    }
    return out;
}

static GET_EXECUTORS *get_executors(const struct master *m)
{
    GET_EXECUTORS *out = PB_NEW(mesos__v1__master__response__get_executors);
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        const struct mexecutor *executor;

        DL_FOREACH(agent->executors, executor)
        {
            Mesos__V1__Master__Response__GetExecutors__Executor *one =
                PB_NEW(mesos__v1__master__response__get_executors__executor);

            one->executor_info = PB_DUP(executor->info);
            one->agent_id = pb_agent_id(agent->id);
            PB_ADD(out, executors, one);
        }
    }
    return out;
}

/* ---- agents ------------------------------------------------------------- */

Mesos__V1__Master__Response__GetAgents__Agent *
api_agent(const struct magent *agent)
{
    Mesos__V1__Master__Response__GetAgents__Agent *out =
        PB_NEW(mesos__v1__master__response__get_agents__agent);
    AUTO(resources) struct resources *used = agent_used(agent, NULL);
    AUTO(resources) struct resources *offered = agent_offered(agent);

    out->agent_info = PB_DUP(agent->info);
    out->active = agent->link && !agent->deactivated;
    PB_SET(out, deactivated, agent->deactivated);
    if (agent->drain)
        out->drain_info = PB_DUP(agent->drain);
    if (agent->drain_started_us)
        out->estimated_drain_start_time =
            pb_time(agent->drain_started_us * 1000);
    out->version = xstrdup(agent->software);
    out->pid = xasprintf("slave(1)@%s:%d", agent->ip, agent->info->port);
    out->registered_time = pb_time(agent->registered_us * 1000);
    if (agent->reregistered_us)
        out->reregistered_time = pb_time(agent->reregistered_us * 1000);
    put_resources(agent->total, &out->total_resources, &out->n_total_resources);
    put_resources(used, &out->allocated_resources, &out->n_allocated_resources);
    put_resources(offered, &out->offered_resources, &out->n_offered_resources);
    for (size_t i = 0; i < view_agent_capabilities_count; i++) {
        Mesos__V1__AgentInfo__Capability *cap;

        if (i == VIEW_RESIZE_VOLUME && agent->no_resize_volume)
            continue;
        cap = PB_NEW(mesos__v1__agent_info__capability);
        /* The list is in the order of the numbers, from 1. */
        PB_SET(cap, type, (Mesos__V1__AgentInfo__Capability__Type)(i + 1));
        PB_ADD(out, capabilities, cap);
    }
    return out;
}

static GET_AGENTS *get_agents(const struct master *m)
{
    GET_AGENTS *out = PB_NEW(mesos__v1__master__response__get_agents);
    struct magent *agent, *next;
    struct absent_agent *absent, *next_absent;

    HASH_ITER(hh, m->agents, agent, next)
    PB_ADD(out, agents, api_agent(agent));
    HASH_ITER(hh, m->absent, absent, next_absent)
    {
        if (absent->state == REEVE__DEVCLUSTER__REGISTRY__STATE__ADMITTED)
            PB_ADD(out, recovered_agents, PB_DUP(absent->info));
    }
    return out;
}

/* ---- frameworks --------------------------------------------------------- */

Mesos__V1__Master__Response__GetFrameworks__Framework *
api_framework(const struct master *m, const struct framework *fw)
{
    Mesos__V1__Master__Response__GetFrameworks__Framework *out =
        PB_NEW(mesos__v1__master__response__get_frameworks__framework);
    AUTO(resources) struct resources *used = resources_new();
    AUTO(resources) struct resources *offered = resources_new();
    struct magent *agent, *next;
    const struct moffer *offer;

    HASH_ITER(hh, m->agents, agent, next)
    {
        AUTO(resources) struct resources *part = agent_used(agent, fw);

        resources_add_all(used, part);
    }
    out->framework_info = PB_DUP(fw->info);
    out->active = out->connected = fw->stream != 0;
    out->recovered = fw->recovered;
    out->registered_time = pb_time(fw->registered_us * 1000);
    if (fw->reregistered_us)
        out->reregistered_time = pb_time(fw->reregistered_us * 1000);
    if (fw->unregistered_us)
        out->unregistered_time = pb_time(fw->unregistered_us * 1000);
    DL_FOREACH2(fw->offers, offer, fw_next)
    {
        PB_ADD(out, offers, offer_message(m, offer));
        resources_add_all(offered, offer->pool);
    }
    put_resources(used, &out->allocated_resources, &out->n_allocated_resources);
    put_resources(offered, &out->offered_resources, &out->n_offered_resources);
    inverse_offers_view(m, fw, out);
    if (fw->constraints)
        out->offer_constraints = PB_DUP(fw->constraints);
    return out;
}

static GET_FRAMEWORKS *get_frameworks(const struct master *m)
{
    GET_FRAMEWORKS *out = PB_NEW(mesos__v1__master__response__get_frameworks);
    struct framework *fw, *next;

    HASH_ITER(hh, m->frameworks, fw, next)
    PB_ADD(out, frameworks, api_framework(m, fw));
    DL_FOREACH(m->completed, fw)
    PB_ADD(out, completed_frameworks, api_framework(m, fw));
    return out;
}

/* ---- the rest ----------------------------------------------------------- */

Mesos__V1__Master__Response__GetState *api_state(const struct master *m)
{
    Mesos__V1__Master__Response__GetState *out =
        PB_NEW(mesos__v1__master__response__get_state);

    out->get_tasks = get_tasks(m);
    out->get_executors = get_executors(m);
    out->get_frameworks = get_frameworks(m);
    out->get_agents = get_agents(m);
    return out;
}

static void answer_state(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_STATE));
    out->get_state = api_state(m);
}

static void answer_tasks(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_TASKS));
    out->get_tasks = get_tasks(m);
}

static void answer_executors(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_EXECUTORS));
    out->get_executors = get_executors(m);
}

static void answer_agents(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_AGENTS));
    out->get_agents = get_agents(m);
}

static void answer_frameworks(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_FRAMEWORKS));
    out->get_frameworks = get_frameworks(m);
}

static void answer_operations(const struct master *m, RESPONSE *out)
{
    struct moperation *op, *next;

    PB_SET(out, type, ANSWER(GET_OPERATIONS));
    out->get_operations = PB_NEW(mesos__v1__master__response__get_operations);
    HASH_ITER(hh, m->operations, op, next)
    PB_ADD(out->get_operations, operations, PB_DUP(op->msg));
}

static void answer_health(const struct master *m UNUSED, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_HEALTH));
    out->get_health = PB_NEW(mesos__v1__master__response__get_health);
    out->get_health->healthy = 1;
}

static void answer_version(const struct master *m UNUSED, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_VERSION));
    out->get_version = PB_NEW(mesos__v1__master__response__get_version);
    out->get_version->version_info = PB_NEW(mesos__v1__version_info);
    out->get_version->version_info->version = xstrdup(MASTER_VERSION);
}

static void answer_master(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_MASTER));
    out->get_master = PB_NEW(mesos__v1__master__response__get_master);
    out->get_master->master_info = master_info_message(m);
    PB_SET(out->get_master, start_time, (double)m->start_us / 1e6);
    PB_SET(out->get_master, elected_time, (double)m->start_us / 1e6);
}

static void answer_flags(const struct master *m, RESPONSE *out)
{
    json_t *whole = master_json_flags(m), *value;
    const char *key;

    PB_SET(out, type, ANSWER(GET_FLAGS));
    out->get_flags = PB_NEW(mesos__v1__master__response__get_flags);
    json_object_foreach(json_object_get(whole, "flags"), key, value)
    {
        Mesos__V1__Flag *flag = PB_NEW(mesos__v1__flag);

        flag->name = xstrdup(key);
        flag->value = xstrdup(json_string_value(value));
        PB_ADD(out->get_flags, flags, flag);
    }
    json_decref(whole);
}

static void answer_metrics(const struct master *m, RESPONSE *out)
{
    json_t *whole = master_json_metrics(m), *value;
    const char *key;

    PB_SET(out, type, ANSWER(GET_METRICS));
    out->get_metrics = PB_NEW(mesos__v1__master__response__get_metrics);
    json_object_foreach(whole, key, value)
    {
        Mesos__V1__Metric *metric = PB_NEW(mesos__v1__metric);

        metric->name = xstrdup(key);
        PB_SET(metric, value, json_number_value(value));
        PB_ADD(out->get_metrics, metrics, metric);
    }
    json_decref(whole);
}

static void answer_logging(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_LOGGING_LEVEL));
    out->get_logging_level =
        PB_NEW(mesos__v1__master__response__get_logging_level);
    out->get_logging_level->level =
        m->now_ms < m->logging_until_ms ? m->logging_level : 0;
}

static void answer_quota(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_QUOTA));
    out->get_quota = PB_NEW(mesos__v1__master__response__get_quota);
    out->get_quota->status = quota_status(m);
}

static void answer_weights(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_WEIGHTS));
    out->get_weights = PB_NEW(mesos__v1__master__response__get_weights);
    weights_list(m, &out->get_weights->weight_infos,
                 &out->get_weights->n_weight_infos);
}

static void answer_roles(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_ROLES));
    out->get_roles = view_roles(m);
}

static void answer_schedule(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_MAINTENANCE_SCHEDULE));
    out->get_maintenance_schedule =
        PB_NEW(mesos__v1__master__response__get_maintenance_schedule);
    out->get_maintenance_schedule->schedule = maintenance_schedule(m);
}

static void answer_maintenance(const struct master *m, RESPONSE *out)
{
    PB_SET(out, type, ANSWER(GET_MAINTENANCE_STATUS));
    out->get_maintenance_status =
        PB_NEW(mesos__v1__master__response__get_maintenance_status);
    out->get_maintenance_status->status = maintenance_status(m);
}

static const struct {
    int call;
    void (*answer)(const struct master *m, RESPONSE *out);
} answers[] = {
    {M_CALL(GET_HEALTH), answer_health},
    {M_CALL(GET_FLAGS), answer_flags},
    {M_CALL(GET_VERSION), answer_version},
    {M_CALL(GET_METRICS), answer_metrics},
    {M_CALL(GET_LOGGING_LEVEL), answer_logging},
    {M_CALL(GET_STATE), answer_state},
    {M_CALL(GET_AGENTS), answer_agents},
    {M_CALL(GET_FRAMEWORKS), answer_frameworks},
    {M_CALL(GET_EXECUTORS), answer_executors},
    {M_CALL(GET_OPERATIONS), answer_operations},
    {M_CALL(GET_TASKS), answer_tasks},
    {M_CALL(GET_MASTER), answer_master},
    {M_CALL(GET_ROLES), answer_roles},
    {M_CALL(GET_QUOTA), answer_quota},
    {M_CALL(GET_WEIGHTS), answer_weights},
    {M_CALL(GET_MAINTENANCE_SCHEDULE), answer_schedule},
    {M_CALL(GET_MAINTENANCE_STATUS), answer_maintenance},
};

RESPONSE *api_get(const struct master *m, int call_type)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        if (answers[i].call == call_type) {
            RESPONSE *out = PB_NEW(mesos__v1__master__response);

            answers[i].answer(m, out);
            return out;
        }
    }
    return NULL;
}
