/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api-gateway/task_json.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "lib/wire/wire.h"

/* ---- pods ---- */

static char *instance_of(const struct view_task *task)
{
    return spec_pod_instance(str_or_empty(task->record->pod_type),
                             task->record->pod_index);
}

static int by_pod(const void *a, const void *b)
{
    const Reeve__TaskRecord *x = ((const struct view_task *)a)->record;
    const Reeve__TaskRecord *y = ((const struct view_task *)b)->record;
    int c = strcmp(str_or_empty(x->pod_type), str_or_empty(y->pod_type));
    if (c)
        return c;
    if (x->pod_index != y->pod_index)
        return x->pod_index < y->pod_index ? -1 : 1;
    return strcmp(str_or_empty(x->name), str_or_empty(y->name));
}

static struct view_tasks sorted_tasks(const struct view *view, const char *pod)
{
    struct view_tasks tasks = view_tasks(view, pod);
    if (tasks.n > 1)
        qsort(tasks.items, tasks.n, sizeof *tasks.items, by_pod);
    return tasks;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *task_json_pods(const struct view *view)
{
    AUTO_TASKS struct view_tasks tasks = sorted_tasks(view, NULL);
    char **names = xcalloc(tasks.n, sizeof *names);
    for (size_t i = 0; i < tasks.n; i++)
        names[i] = instance_of(&tasks.items[i]);
    if (tasks.n > 1)
        qsort(names, tasks.n, sizeof *names, by_text);
    json_t *list = json_array();
    for (size_t i = 0; i < tasks.n; i++) {
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            json_array_append_new(list, json_string(names[i]));
    }
    for (size_t i = 0; i < tasks.n; i++)
        free(names[i]);
    free(names);
    return list;
}

/* Why the states of tasks that may run are no more than the last that was
 * heard; NULL: the master tells of them.  malloc'd. */
static char *doubt_of(const struct view *view)
{
    AUTO_MESSAGE Reeve__Framework *framework = view_framework(view);
    const char *error = framework ? str_or_empty(framework->error) : "";
    return *error ? xasprintf("last known: %s", error) : NULL;
}

static json_t *task_entry(const struct view_task *task, const char *doubt)
{
    const Reeve__TaskRecord *r = task->record;
    json_t *entry = json_pack("{s:s, s:s}", "id", str_or_empty(r->task_id),
                              "name", str_or_empty(r->name));
    const char *state = task->status ? task->status->state_name : NULL;
    if (state)
        json_object_set_new(
            entry, "status",
            json_string(str_starts(state, "TASK_") ? state + 5 : state));
    if (state && doubt && !task_state_is_terminal(task->status->state))
        json_object_set_new(entry, "note", json_string(doubt));
    return entry;
}

/* Tasks i.. of one instance; moves *i past them. */
static json_t *instance_entry(const struct view_tasks *tasks, size_t *i,
                              const char *doubt)
{
    AUTO_FREE char *name = instance_of(&tasks->items[*i]);
    json_t *list = json_array();
    for (; *i < tasks->n; (*i)++) {
        AUTO_FREE char *other = instance_of(&tasks->items[*i]);
        if (!str_eq(name, other))
            break;
        json_array_append_new(list, task_entry(&tasks->items[*i], doubt));
    }
    return json_pack("{s:s, s:o}", "name", name, "tasks", list);
}

static char *service_name(const struct view *view)
{
    AUTO_MESSAGE Reeve__Target *target = view_target(view);
    return xstrdup(target && target->service_name ? target->service_name
                                                  : view->service);
}

json_t *task_json_statuses(const struct view *view)
{
    AUTO_TASKS struct view_tasks tasks = sorted_tasks(view, NULL);
    AUTO_FREE char *name = service_name(view);
    AUTO_FREE char *doubt = doubt_of(view);
    json_t *out = json_pack("{s:s}", "service", name);
    if (tasks.n == 0)
        return out;
    json_t *pods = json_array();
    for (size_t i = 0; i < tasks.n;) {
        const char *type = str_or_empty(tasks.items[i].record->pod_type);
        json_t *instances = json_array();
        while (i < tasks.n && str_eq(tasks.items[i].record->pod_type, type))
            json_array_append_new(instances, instance_entry(&tasks, &i, doubt));
        json_array_append_new(pods, json_pack("{s:s, s:o}", "name", type,
                                              "instances", instances));
    }
    json_object_set_new(out, "pods", pods);
    return out;
}

json_t *task_json_pod_status(const struct view *view, const char *pod)
{
    AUTO_TASKS struct view_tasks tasks = sorted_tasks(view, pod);
    AUTO_FREE char *doubt = doubt_of(view);
    size_t i = 0;
    return tasks.n ? instance_entry(&tasks, &i, doubt) : NULL;
}

/* Old clients read the agent's id under its old name. */
static void add_alias(json_t *object, const char *from, const char *to)
{
    json_t *value = json_object_get(object, from);
    if (value)
        json_object_set(object, to, value);
}

/* In a group the task and its executor are told apart; in one object here. */
static void add_executor(json_t *object, const struct view_task *task,
                         int style)
{
    const ProtobufCBinaryData *b = &task->record->executor_info;
    AUTO_MESSAGE Mesos__V1__ExecutorInfo *executor =
        task->record->has_executor_info
            ? WIRE_DECODE(mesos__v1__executor_info, b->data, b->len, NULL)
            : NULL;

    if (executor && json_is_object(object))
        json_object_set_new(object, "executor",
                            wire_to_json(&executor->base, style));
}

json_t *task_json_pod_info(const struct view *view, const char *pod)
{
    AUTO_TASKS struct view_tasks tasks = sorted_tasks(view, pod);
    if (tasks.n == 0)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < tasks.n; i++) {
        AUTO_MESSAGE Mesos__V1__TaskInfo *info =
            view_task_info(&tasks.items[i]);
        AUTO_MESSAGE Mesos__V1__TaskStatus *status =
            view_task_status(&tasks.items[i]);
        json_t *in =
            info ? wire_to_json(&info->base, WIRE_JSON_CAMEL) : json_null();
        json_t *st =
            status ? wire_to_json(&status->base, WIRE_JSON_CAMEL) : json_null();
        add_executor(in, &tasks.items[i], WIRE_JSON_CAMEL);
        add_alias(in, "agentId", "slaveId");
        add_alias(st, "agentId", "slaveId");
        json_array_append_new(
            list, json_pack("{s:o, s:o}", "info", in, "status", st));
    }
    return list;
}

/* ---- single tasks, as the seed showed them ---- */

json_t *task_json_info(const struct view_task *task)
{
    AUTO_MESSAGE Mesos__V1__TaskInfo *info = view_task_info(task);
    if (!info)
        return NULL;
    json_t *out = wire_to_json(&info->base, WIRE_JSON_PROTO);
    add_executor(out, task, WIRE_JSON_PROTO);
    add_alias(out, "agent_id", "slave_id");
    return out;
}

json_t *task_json_status(const struct view_task *task)
{
    AUTO_MESSAGE Mesos__V1__TaskStatus *status = view_task_status(task);
    if (!status) {
        /* Recorded at launch, before Mesos said anything. */
        if (!task->status)
            return NULL;
        return json_pack("{s:{s:s}, s:s}", "task_id", "value",
                         str_or_empty(task->status->task_id), "state",
                         str_or_empty(task->status->state_name));
    }
    json_t *out = wire_to_json(&status->base, WIRE_JSON_PROTO);
    add_alias(out, "agent_id", "slave_id");
    return out;
}

static void add_ranges(const Mesos__V1__Resource *r, struct buf *out)
{
    if (!str_eq(r->name, "ports") || !r->ranges)
        return;
    for (size_t i = 0; i < r->ranges->n_range; i++) {
        const Mesos__V1__Value__Range *range = r->ranges->range[i];
        if (out->len)
            buf_add_char(out, ',');
        buf_addf(out, "%llu", (unsigned long long)range->begin);
        if (range->end != range->begin)
            buf_addf(out, "-%llu", (unsigned long long)range->end);
    }
}

/* "shopkv.mesos" for the service /shop/kv: what Mesos-DNS makes of the
 * framework's name, a slash being no part of a host name. */
static char *dns_domain(const struct view *view)
{
    AUTO_FREE char *name = service_name(view);
    struct buf out = {0};

    for (const char *p = name; *p; p++)
        if (*p != '/')
            buf_add_char(&out, *p);
    buf_add_str(&out, ".mesos");
    return buf_take(&out, NULL);
}

json_t *task_json_connection(const struct view *view,
                             const struct view_task *task)
{
    AUTO_MESSAGE Mesos__V1__TaskInfo *info = view_task_info(task);
    AUTO_FREE char *domain = dns_domain(view);
    AUTO_BUF struct buf ports = {0};
    for (size_t i = 0; info && i < info->n_resources; i++)
        add_ranges(info->resources[i], &ports);
    AUTO_FREE char *dns =
        xasprintf("%s.%s", str_or_empty(task->record->name), domain);
    return json_pack("{s:s, s:s}", "dns", dns, "ports", buf_text(&ports));
}

/* ---- endpoints ---- */

struct endpoint {
    const char *name;
    char *dns, *address;
};

/* Calls fn for every advertised, named port of every task. */
static void each_endpoint(const struct view *view,
                          void (*fn)(void *arg, const struct endpoint *e),
                          void *arg)
{
    AUTO_TASKS struct view_tasks tasks = sorted_tasks(view, NULL);
    AUTO_FREE char *domain = dns_domain(view);
    for (size_t i = 0; i < tasks.n; i++) {
        AUTO_MESSAGE Mesos__V1__TaskInfo *info =
            view_task_info(&tasks.items[i]);
        if (!info || !info->discovery || !info->discovery->ports)
            continue;
        const char *host =
            info->discovery->name ? info->discovery->name : info->name;
        for (size_t k = 0; k < info->discovery->ports->n_ports; k++) {
            const Mesos__V1__Port *p = info->discovery->ports->ports[k];
            if (!p->name || !p->has_visibility ||
                p->visibility !=
                    MESOS__V1__DISCOVERY_INFO__VISIBILITY__EXTERNAL)
                continue;
            AUTO_FREE char *dns =
                xasprintf("%s.%s:%u", host, domain, p->number);
            AUTO_FREE char *address = xasprintf(
                "%s:%u", str_or_empty(tasks.items[i].record->hostname),
                p->number);
            fn(arg, &(struct endpoint){p->name, dns, address});
        }
    }
}

static void add_endpoint_name(void *arg, const struct endpoint *e)
{
    json_object_set_new(arg, e->name, json_true());
}

json_t *task_json_endpoints(const struct view *view)
{
    json_t *names = json_object(), *list = json_array();
    each_endpoint(view, add_endpoint_name, names);
    size_t n = json_object_size(names), i = 0;
    const char **sorted = xcalloc(n, sizeof *sorted), *name;
    json_t *value;
    json_object_foreach(names, name, value) sorted[i++] = name;
    if (n > 1)
        qsort(sorted, n, sizeof *sorted, by_text);
    for (i = 0; i < n; i++)
        json_array_append_new(list, json_string(sorted[i]));
    free(sorted);
    json_decref(names);
    return list;
}

struct gathering {
    const char *name;
    json_t *dns, *address;
};

static void add_endpoint(void *arg, const struct endpoint *e)
{
    struct gathering *g = arg;
    if (!str_eq(e->name, g->name))
        return;
    json_array_append_new(g->dns, json_string(e->dns));
    json_array_append_new(g->address, json_string(e->address));
}

json_t *task_json_endpoint(const struct view *view, const char *name)
{
    struct gathering g = {name, json_array(), json_array()};
    each_endpoint(view, add_endpoint, &g);
    bool found = json_array_size(g.dns) > 0;
    json_t *out = json_pack("{s:o, s:o}", "dns", g.dns, "address", g.address);
    if (found)
        return out;
    json_decref(out);
    return NULL;
}

/* ---- configurations ---- */

static const char *renamed(const char *key)
{
    static const struct {
        const char *ours, *theirs;
    } names[] = {
        {"pods", "pod-specs"},
        {"tasks", "task-specs"},
        {"volumes", "volume-specifications"},
        {"configs", "config-files"},
        {"health_check", "health-check-spec"},
        {"readiness_check", "readiness-check-spec"},
        {"discovery", "discovery-spec"},
        {"labels", "task-labels"},
        {"placement", "placement-rule"},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(names[i].ours, key))
            return names[i].theirs;
    return NULL;
}

static json_t *kebab(const json_t *value)
{
    if (json_is_array(value)) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(list, kebab(json_array_get(value, i)));
        return list;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    json_t *out = json_object(), *child;
    const char *key;
    json_object_foreach((json_t *)value, key, child)
    {
        const char *theirs = renamed(key);
        AUTO_FREE char *name = xstrdup(theirs ? theirs : key);
        for (char *p = name; *p; p++)
            if (*p == '_')
                *p = '-';
        json_object_set_new(out, name, kebab(child));
    }
    return out;
}

json_t *task_json_spec(const Reeve__ServiceSpec *spec)
{
    json_t *plain = wire_to_json(&spec->base, WIRE_JSON_PROTO);
    json_t *out = kebab(plain);
    json_decref(plain);
    return out;
}
