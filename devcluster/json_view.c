/* SPDX-License-Identifier: Apache-2.0 */
/* json_view - see json_view.h */
#include "devcluster/json_view.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/states.h"

const char *const view_agent_capabilities[] = {
    "MULTI_ROLE",        "HIERARCHICAL_ROLE",   "RESERVATION_REFINEMENT",
    "RESOURCE_PROVIDER", "RESIZE_VOLUME",       "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",    "TASK_RESOURCE_LIMITS"};
const size_t view_agent_capabilities_count = ARRAY_LEN(view_agent_capabilities);

void view_set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

void view_set_text(json_t *object, const char *key, const char *text)
{
    view_set(object, key, wire_json_string(str_or_empty(text)));
}

json_t *view_seconds(int64_t us)
{
    return json_real((double)us / 1e6);
}

/* ---- resources ---------------------------------------------------------- */

static json_t *ranges_text(const struct resources *r, const char *name)
{
    AUTO_MESSAGE Mesos__V1__Value__Ranges *ranges =
        resources_ranges(r, name, NULL, NULL);
    AUTO_BUF struct buf text = {0};

    buf_add_char(&text, '[');
    for (size_t i = 0; i < ranges->n_range; i++)
        buf_addf(&text, "%s%llu-%llu", i ? ", " : "",
                 (unsigned long long)ranges->range[i]->begin,
                 (unsigned long long)ranges->range[i]->end);
    buf_add_char(&text, ']');
    return json_string(buf_text(&text));
}

/* {"cpus":n,…,"ports":"[a-b]"}: all in all, whatever it is reserved for. */
json_t *view_resources(const struct resources *r)
{
    static const char *const always[] = {"disk", "mem", "gpus", "cpus"};
    json_t *out = json_object();

    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        view_set(out, always[i],
                 json_real(milli_to_double(resources_sum(r, always[i]))));
    for (size_t i = 0; i < resources_count(r); i++) {
        const Mesos__V1__Resource *one = resources_at(r, i);

        if (json_object_get(out, one->name))
            continue;
        if (one->type == MESOS__V1__VALUE__TYPE__RANGES)
            view_set(out, one->name, ranges_text(r, one->name));
        else
            view_set(out, one->name,
                     json_real(milli_to_double(resources_sum(r, one->name))));
    }
    return out;
}

/* Whole messages, in the format that operators get. */
json_t *view_full(const struct resources *r)
{
    json_t *out = json_array();

    for (size_t i = 0; i < resources_count(r); i++) {
        Mesos__V1__Resource *one = resource_dup(resources_at(r, i));

        resource_to_endpoint_format(one);
        json_array_append_new(out, wire_to_json(&one->base, WIRE_JSON_PROTO));
        resource_free(&one);
    }
    return out;
}

json_t *view_by_role(const struct resources *r,
                     json_t *(*show)(const struct resources *))
{
    json_t *out = json_object();

    for (size_t i = 0; i < resources_count(r); i++) {
        const char *role = resource_role(resources_at(r, i));
        AUTO(resources) struct resources *part = NULL;

        if (resource_is_unreserved(resources_at(r, i)) ||
            json_object_get(out, role))
            continue;
        part = resources_reserved(r, role);
        view_set(out, role, show(part));
    }
    return out;
}

json_t *view_attributes(const Mesos__V1__AgentInfo *info)
{
    json_t *out = json_object();

    for (size_t i = 0; i < info->n_attributes; i++) {
        const Mesos__V1__Attribute *a = info->attributes[i];

        if (a->text)
            view_set_text(out, a->name, a->text->value);
        else if (a->scalar)
            view_set(out, a->name, json_real(a->scalar->value));
        else
            view_set(out, a->name, wire_to_json(&a->base, WIRE_JSON_PROTO));
    }
    return out;
}

/* ---- tasks -------------------------------------------------------------- */

/* The inner list of a Labels message. */
json_t *view_labels(const Mesos__V1__Labels *labels)
{
    json_t *whole = wire_to_json(&labels->base, WIRE_JSON_PROTO);
    json_t *list = json_incref(json_object_get(whole, "labels"));

    json_decref(whole);
    return list ? list : json_array();
}

static json_t *statuses_json(const Mesos__V1__Task *msg)
{
    json_t *out = json_array();

    for (size_t i = 0; i < msg->n_statuses; i++) {
        const Mesos__V1__TaskStatus *s = msg->statuses[i];
        json_t *one = json_object();

        view_set_text(one, "state", task_state_name((int)s->state));
        view_set(one, "timestamp", json_real(s->timestamp));
        if (s->labels)
            view_set(one, "labels", view_labels(s->labels));
        if (s->container_status)
            view_set(
                one, "container_status",
                wire_to_json(&s->container_status->base, WIRE_JSON_DEFAULTS));
        if (s->has_healthy)
            view_set(one, "healthy", json_boolean(s->healthy));
        json_array_append_new(out, one);
    }
    return out;
}

static void task_parts(json_t *out, const Mesos__V1__Task *msg)
{
    if (msg->user)
        view_set_text(out, "user", msg->user);
    if (msg->labels)
        view_set(out, "labels", view_labels(msg->labels));
    if (msg->discovery)
        view_set(out, "discovery",
                 wire_to_json(&msg->discovery->base, WIRE_JSON_PROTO));
    if (msg->container)
        view_set(out, "container",
                 wire_to_json(&msg->container->base, WIRE_JSON_PROTO));
    if (msg->health_check)
        view_set(out, "health_check",
                 wire_to_json(&msg->health_check->base, WIRE_JSON_DEFAULTS));
}

json_t *view_task(const Mesos__V1__Task *msg)
{
    json_t *out = json_object();
    AUTO(resources)
    struct resources *r = resources_from(msg->resources, msg->n_resources);

    view_set_text(out, "id", msg->task_id->value);
    view_set_text(out, "name", msg->name);
    view_set_text(out, "framework_id", ID_OF(msg->framework_id));
    view_set_text(out, "executor_id", ID_OF(msg->executor_id));
    view_set_text(out, "slave_id", ID_OF(msg->agent_id));
    view_set_text(out, "state", task_state_name((int)msg->state));
    view_set(out, "resources", view_resources(r));
    if (msg->n_resources && resource_allocated_role(msg->resources[0]))
        view_set_text(out, "role", resource_allocated_role(msg->resources[0]));
    view_set(out, "statuses", statuses_json(msg));
    task_parts(out, msg);
    return out;
}

/* ---- what operators get -------------------------------------------------- */

void view_fill_lists(json_t *part)
{
    static const struct {
        const char *part, *list;
    } always[] = {
        {"get_tasks", "tasks"},
        {"get_tasks", "unreachable_tasks"},
        {"get_tasks", "completed_tasks"},
        {"get_executors", "executors"},
        {"get_frameworks", "frameworks"},
        {"get_frameworks", "completed_frameworks"},
        {"get_agents", "agents"},
        {"get_agents", "recovered_agents"},
    };

    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        json_t *holder = json_object_get(part, always[i].part);

        if (holder && !json_object_get(holder, always[i].list))
            view_set(holder, always[i].list, json_array());
    }
    if (json_object_get(part, "get_state"))
        view_fill_lists(json_object_get(part, "get_state"));
    if (json_object_get(part, "subscribed"))
        view_fill_lists(json_object_get(part, "subscribed"));
}
