/* SPDX-License-Identifier: Apache-2.0 */
/* master_views - the JSON of the plain endpoints: /state, /slaves, /tasks …
 *
 * Shapes and key names are those of a real master; tools read them.
 */
#include "devcluster/master_views.h"

#include <string.h>

/* ---- agents ------------------------------------------------------------- */

static void agent_resources(json_t *out, const struct magent *agent, bool full)
{
    AUTO(resources) struct resources *used = agent_used(agent, NULL);
    AUTO(resources) struct resources *offered = agent_offered(agent);
    AUTO(resources) struct resources *open = resources_unreserved(agent->total);

    view_set(out, "resources", view_resources(agent->total));
    view_set(out, "used_resources", view_resources(used));
    view_set(out, "offered_resources", view_resources(offered));
    view_set(out, "reserved_resources",
             view_by_role(agent->total, view_resources));
    view_set(out, "unreserved_resources", view_resources(open));
    if (!full)
        return;
    view_set(out, "reserved_resources_full",
             view_by_role(agent->total, view_full));
    view_set(out, "unreserved_resources_full", view_full(open));
    view_set(out, "used_resources_full", view_full(used));
    view_set(out, "offered_resources_full", view_full(offered));
}

static json_t *agent_json(const struct magent *agent, bool full)
{
    json_t *out = json_object(), *caps = json_array();
    AUTO_FREE char *pid =
        xasprintf("slave(1)@%s:%d", agent->ip, agent->info->port);

    view_set_text(out, "id", agent->id);
    view_set_text(out, "hostname", agent->info->hostname);
    view_set(out, "port", json_integer(agent->info->port));
    view_set(out, "attributes", view_attributes(agent->info));
    if (agent->info->domain)
        view_set(out, "domain",
                 wire_to_json(&agent->info->domain->base, WIRE_JSON_PROTO));
    view_set_text(out, "pid", pid);
    view_set(out, "registered_time", view_seconds(agent->registered_us));
    if (agent->reregistered_us)
        view_set(out, "reregistered_time",
                 view_seconds(agent->reregistered_us));
    agent_resources(out, agent, full);
    view_set(out, "active", json_boolean(agent->link && !agent->deactivated));
    view_set(out, "deactivated", json_boolean(agent->deactivated));
    view_set_text(out, "version", agent->software);
    if (agent->drain)
        view_set(out, "drain_info",
                 wire_to_json(&agent->drain->base, WIRE_JSON_DEFAULTS));
    if (agent->drain_started_us)
        view_set(out, "estimated_drain_start_time_seconds",
                 view_seconds(agent->drain_started_us));
    for (size_t i = 0; i < view_agent_capabilities_count; i++)
        if (i != VIEW_RESIZE_VOLUME || !agent->no_resize_volume)
            json_array_append_new(caps,
                                  json_string(view_agent_capabilities[i]));
    view_set(out, "capabilities", caps);
    return out;
}

json_t *view_recovered(const struct master *m)
{
    json_t *out = json_array();
    struct absent_agent *absent, *next;

    HASH_ITER(hh, m->absent, absent, next)
    {
        json_t *one;

        if (absent->state != REEVE__DEVCLUSTER__REGISTRY__STATE__ADMITTED)
            continue;
        one = json_object();
        view_set_text(one, "id", absent->id);
        view_set_text(one, "hostname", absent->info->hostname);
        view_set(one, "port", json_integer(absent->info->port));
        view_set(one, "attributes", view_attributes(absent->info));
        json_array_append_new(out, one);
    }
    return out;
}

json_t *view_agents(const struct master *m, const char *only, bool full)
{
    json_t *out = json_array();
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        if (!only || str_eq(agent->id, only))
            json_array_append_new(out, agent_json(agent, full));
    }
    return out;
}

json_t *master_json_slaves(const struct master *m, const char *agent_id)
{
    json_t *out = json_object();

    view_set(out, "slaves", view_agents(m, agent_id, true));
    view_set(out, "recovered_slaves", view_recovered(m));
    return out;
}

/* ---- tasks -------------------------------------------------------------- */

static json_t *hash_json(struct mtask *head)
{
    json_t *out = json_array();
    struct mtask *task, *next;

    HASH_ITER(hh, head, task, next)
    json_array_append_new(out, view_task(task->msg));
    return out;
}

static json_t *done_json(const struct framework *fw)
{
    json_t *out = json_array();
    const struct mtask *task;

    DL_FOREACH(fw->done, task)
    json_array_append_new(out, view_task(task->msg));
    return out;
}

/* ---- frameworks --------------------------------------------------------- */

static json_t *executors_json(const struct master *m,
                              const struct framework *fw)
{
    json_t *out = json_array();
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        const struct mexecutor *executor;

        DL_FOREACH(agent->executors, executor)
        {
            json_t *one;

            if (executor->framework != fw)
                continue;
            one = json_object();
            view_set_text(one, "executor_id",
                          ID_OF(executor->info->executor_id));
            view_set_text(one, "name", executor->info->name);
            view_set_text(one, "framework_id", fw->id);
            view_set(one, "command", json_pack("{s:[],s:[]}", "argv", "uris"));
            view_set(one, "resources", view_resources(executor->used));
            if (resources_count(executor->used))
                view_set_text(
                    one, "role",
                    resource_allocated_role(resources_at(executor->used, 0)));
            view_set_text(
                one, "type",
                wire_enum_name(&mesos__v1__executor_info__type__descriptor,
                               (int)executor->info->type));
            view_set_text(one, "slave_id", agent->id);
            json_array_append_new(out, one);
        }
    }
    return out;
}

static json_t *offers_json(const struct framework *fw)
{
    json_t *out = json_array();
    const struct moffer *offer;

    DL_FOREACH2(fw->offers, offer, fw_next)
    {
        json_t *one = json_object();

        view_set_text(one, "id", offer->id);
        view_set_text(one, "framework_id", fw->id);
        view_set(one, "allocation_info",
                 json_pack("{s:s}", "role", offer->role));
        view_set_text(one, "slave_id", offer->agent->id);
        view_set(one, "resources", view_resources(offer->pool));
        json_array_append_new(out, one);
    }
    return out;
}

static void framework_resources(const struct master *m,
                                const struct framework *fw,
                                struct resources *used,
                                struct resources *offered)
{
    struct magent *agent, *next;
    const struct moffer *offer;

    HASH_ITER(hh, m->agents, agent, next)
    {
        AUTO(resources) struct resources *part = agent_used(agent, fw);

        resources_add_all(used, part);
    }
    DL_FOREACH2(fw->offers, offer, fw_next)
    resources_add_all(offered, offer->pool);
}

void view_framework_head(const struct master *m, const struct framework *fw,
                         json_t *out)
{
    AUTO(resources) struct resources *used = resources_new();
    AUTO(resources) struct resources *offered = resources_new();
    json_t *caps = json_array();

    framework_resources(m, fw, used, offered);
    view_set_text(out, "id", fw->id);
    view_set_text(out, "name", fw->info->name);
    view_set(out, "used_resources", view_resources(used));
    view_set(out, "offered_resources", view_resources(offered));
    for (size_t i = 0; i < fw->info->n_capabilities; i++)
        json_array_append_new(
            caps, json_string(str_or_empty(wire_enum_name(
                      &mesos__v1__framework_info__capability__type__descriptor,
                      (int)fw->info->capabilities[i]->type))));
    view_set(out, "capabilities", caps);
    view_set_text(out, "hostname", fw->info->hostname);
    view_set_text(out, "webui_url", fw->info->webui_url);
    view_set(out, "active", json_boolean(fw->stream != 0));
    view_set(out, "connected", json_boolean(fw->stream != 0));
    view_set(out, "recovered", json_boolean(fw->recovered));
    resources_add_all(used, offered);
    view_set(out, "resources", view_resources(used));
}

static json_t *framework_json(const struct master *m,
                              const struct framework *fw)
{
    json_t *out = json_object(), *roles = json_array();

    view_framework_head(m, fw, out);
    view_set_text(out, "user", fw->info->user);
    view_set(out, "failover_timeout", json_real(fw->info->failover_timeout));
    view_set(out, "checkpoint", json_boolean(fw->info->checkpoint));
    view_set(out, "registered_time", view_seconds(fw->registered_us));
    view_set(out, "unregistered_time", view_seconds(fw->unregistered_us));
    if (fw->reregistered_us)
        view_set(out, "reregistered_time", view_seconds(fw->reregistered_us));
    if (fw->info->principal)
        view_set_text(out, "principal", fw->info->principal);
    for (size_t i = 0; i < fw->n_roles; i++)
        json_array_append_new(roles, json_string(fw->roles[i].name));
    view_set(out, "roles", roles);
    view_set(out, "tasks", hash_json(fw->tasks));
    view_set(out, "unreachable_tasks", hash_json(fw->unreachable));
    view_set(out, "completed_tasks", done_json(fw));
    view_set(out, "offers", offers_json(fw));
    view_set(out, "executors", executors_json(m, fw));
    if (fw->info->labels)
        view_set(out, "labels", view_labels(fw->info->labels));
    view_set(out, "offer_constraints",
             fw->constraints
                 ? wire_to_json(&fw->constraints->base, WIRE_JSON_PROTO)
                 : json_object());
    return out;
}

json_t *view_frameworks(const struct master *m, const char *only)
{
    json_t *out = json_array();
    struct framework *fw, *next;

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        if (!only || str_eq(fw->id, only))
            json_array_append_new(out, framework_json(m, fw));
    }
    return out;
}

json_t *view_completed(const struct master *m, const char *only)
{
    json_t *out = json_array();
    const struct framework *fw;

    DL_FOREACH(m->completed, fw)
    {
        if (!only || str_eq(fw->id, only))
            json_array_append_new(out, framework_json(m, fw));
    }
    return out;
}

json_t *master_json_frameworks(const struct master *m, const char *framework_id)
{
    json_t *out = json_object();

    view_set(out, "frameworks", view_frameworks(m, framework_id));
    view_set(out, "completed_frameworks", view_completed(m, framework_id));
    view_set(out, "unregistered_frameworks", json_array());
    return out;
}

/* ---- /tasks ------------------------------------------------------------- */

static void tasks_collect(json_t *out, const struct framework *fw,
                          const struct master_task_query *query)
{
    json_t *lists[] = {hash_json(fw->tasks), hash_json(fw->unreachable),
                       done_json(fw)};
    json_t *one;
    size_t i;

    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        json_array_foreach(lists[k], i, one)
        {
            const char *id = json_string_value(json_object_get(one, "id"));

            if (!query->task_id || str_eq(id, query->task_id))
                json_array_append(out, one);
        }
        json_decref(lists[k]);
    }
}

/* Newest first unless ascending: by the first status. */
static double began(json_t *task)
{
    json_t *statuses = json_object_get(task, "statuses");

    return json_number_value(
        json_object_get(json_array_get(statuses, 0), "timestamp"));
}

static void tasks_sort(json_t *list, bool ascending)
{
    for (size_t i = 1; i < json_array_size(list); i++) {
        json_t *one = json_incref(json_array_get(list, i));
        size_t k = i;

        while (k > 0 &&
               (began(json_array_get(list, k - 1)) > began(one)) == ascending &&
               began(json_array_get(list, k - 1)) != began(one)) {
            json_array_set(list, k, json_array_get(list, k - 1));
            k--;
        }
        json_array_set_new(list, k, one);
    }
}

json_t *master_json_tasks(const struct master *m,
                          const struct master_task_query *query)
{
    json_t *all = json_array(), *page = json_array(), *out = json_object();
    struct framework *fw, *next;

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        if (!query->framework_id || str_eq(fw->id, query->framework_id))
            tasks_collect(all, fw, query);
    }
    DL_FOREACH(m->completed, fw)
    {
        if (!query->framework_id || str_eq(fw->id, query->framework_id))
            tasks_collect(all, fw, query);
    }
    tasks_sort(all, query->ascending);
    for (int64_t i = query->offset;
         i >= 0 && i < query->offset + query->limit &&
         i < (int64_t)json_array_size(all);
         i++)
        json_array_append(page, json_array_get(all, (size_t)i));
    json_decref(all);
    view_set(out, "tasks", page);
    return out;
}
