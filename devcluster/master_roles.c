/* SPDX-License-Identifier: Apache-2.0 */
/* master_roles - the roles that are known, for /roles and GET_ROLES */
#include <string.h>

#include "devcluster/master_views.h"

static void add_sum(void *self, const char *name, int64_t milli)
{
    json_object_set_new(self, name, json_real(milli_to_double(milli)));
}

static json_t *sums(const struct resources *r)
{
    json_t *out = json_object();

    resources_each_sum(r, add_sum, out);
    return out;
}

static bool allocated_to(const Mesos__V1__Resource *r, const void *role)
{
    return str_eq(resource_allocated_role(r), role);
}

static void role_parts(const struct master *m, const char *role,
                       struct resources *parts[3])
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        AUTO(resources) struct resources *used = agent_used(agent, NULL);
        AUTO(resources) struct resources *offered = agent_offered(agent);
        AUTO(resources)
        struct resources *mine = resources_filter(used, allocated_to, role);
        AUTO(resources)
        struct resources *shown = resources_filter(offered, allocated_to, role);
        AUTO(resources)
        struct resources *reserved = resources_reserved(agent->total, role);

        resources_add_all(parts[0], mine);
        resources_add_all(parts[1], shown);
        resources_add_all(parts[2], reserved);
    }
}

static json_t *amounts(const struct quantities *q)
{
    json_t *out = json_object();

    for (size_t i = 0; q && i < q->count; i++)
        add_sum(out, q->list[i].name, q->list[i].milli);
    return out;
}

static json_t *quota_json(const struct master *m, const char *role)
{
    const struct mquota *quota = quota_of(m, role);
    struct quantities consumed = {0};
    json_t *out = json_object();

    quota_consumed(m, role, false, &consumed);
    view_set_text(out, "role", role);
    view_set(out, "guarantee", amounts(quota ? &quota->guarantees : NULL));
    view_set(out, "limit", amounts(quota ? &quota->limits : NULL));
    view_set(out, "consumed", amounts(&consumed));
    quantities_clear(&consumed);
    return out;
}

static json_t *role_json(const struct master *m, const char *role,
                         json_t *frameworks)
{
    struct resources *parts[3] = {resources_new(), resources_new(),
                                  resources_new()};
    json_t *out = json_object();

    role_parts(m, role, parts);
    view_set_text(out, "name", role);
    view_set(out, "weight", json_real(weight_of_role(m, role)));
    view_set(out, "quota", quota_json(m, role));
    view_set(out, "allocated", sums(parts[0]));
    view_set(out, "offered", sums(parts[1]));
    view_set(out, "reserved", sums(parts[2]));
    resources_add_all(parts[0], parts[1]);
    view_set(out, "resources", sums(parts[0]));
    view_set(out, "frameworks", frameworks);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        resources_destroy(&parts[i]);
    return out;
}

static void note_role(json_t *roles, const char *role, const char *framework)
{
    if (!json_object_get(roles, role))
        json_object_set_new(roles, role, json_array());
    if (framework)
        json_array_append_new(json_object_get(roles, role),
                              json_string(framework));
}

/* Name to a list of framework ids. */
static json_t *known_roles(const struct master *m)
{
    json_t *roles = json_object();
    struct framework *fw, *next;
    struct magent *agent, *next_agent;
    struct mquota *quota, *next_quota;
    struct mrole *role, *next_role;

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        for (size_t i = 0; i < fw->n_roles; i++)
            note_role(roles, fw->roles[i].name, fw->id);
    }
    HASH_ITER(hh, m->agents, agent, next_agent)
    {
        for (size_t i = 0; i < resources_count(agent->total); i++) {
            const Mesos__V1__Resource *r = resources_at(agent->total, i);

            if (!resource_is_unreserved(r))
                note_role(roles, resource_role(r), NULL);
        }
    }
    HASH_ITER(hh, m->quotas, quota, next_quota)
    note_role(roles, quota->role, NULL);
    HASH_ITER(hh, m->roles, role, next_role)
    {
        if (role->weight > 0)
            note_role(roles, role->name, NULL);
    }
    return roles;
}

json_t *master_json_roles(const struct master *m)
{
    json_t *roles = known_roles(m), *list = json_array(), *frameworks;
    const char *role;

    json_object_foreach(roles, role, frameworks) json_array_append_new(
        list, role_json(m, role, json_incref(frameworks)));
    json_decref(roles);
    return json_pack("{s:o}", "roles", list);
}

/* ---- GET_ROLES ---------------------------------------------------------- */

static void put_shares(const struct master *m, const char *role,
                       Mesos__V1__Master__Role *out)
{
    struct resources *parts[3] = {resources_new(), resources_new(),
                                  resources_new()};

    role_parts(m, role, parts);
    resources_add_all(parts[0], parts[1]);
    for (int k = 0; k < SHARE_COUNT; k++) {
        int64_t milli = resources_sum(parts[0], share_names[k]);

        if (milli)
            PB_ADD(out, resources, resource_scalar(share_names[k], milli));
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        resources_destroy(&parts[i]);
}

Mesos__V1__Master__Response__GetRoles *view_roles(const struct master *m)
{
    Mesos__V1__Master__Response__GetRoles *out =
        PB_NEW(mesos__v1__master__response__get_roles);
    json_t *roles = known_roles(m), *frameworks, *id;
    const char *name;
    size_t i;

    json_object_foreach(roles, name, frameworks)
    {
        Mesos__V1__Master__Role *role = PB_NEW(mesos__v1__master__role);

        role->name = xstrdup(name);
        role->weight = weight_of_role(m, name);
        json_array_foreach(frameworks, i, id)
            PB_ADD(role, frameworks, pb_framework_id(json_string_value(id)));
        put_shares(m, name, role);
        PB_ADD(out, roles, role);
    }
    json_decref(roles);
    return out;
}
