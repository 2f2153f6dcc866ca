/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api-gateway/view.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/spec/spec.h"
#include "lib/wire/wire.h"

/* ---- which service ----------------------------------------------------------
 */

struct picking {
    const char *wanted;
    char *found;
    size_t count; /* services seen */
};

static bool names_match(const char *key_part, const char *wanted)
{
    if (str_eq(key_part, wanted))
        return true;
    AUTO_FREE char *slashes = xstrdup(wanted);
    for (char *p = slashes; *p; p++)
        if (*p == '.')
            *p = '/';
    AUTO_FREE char *key = spec_service_key(slashes);
    if (str_eq(key_part, key))
        return true;
    /* A service whose own name has dots. */
    AUTO_FREE char *plain = spec_service_key(wanted);
    return str_eq(key_part, plain);
}

static void pick_one(void *arg, const struct replica_item *item)
{
    struct picking *p = arg;
    const char *name = item->key + strlen("service/");
    const char *end = strchr(name, '/');
    if (!end || strcmp(end, "/target") != 0)
        return;
    AUTO_FREE char *part = xstrndup(name, (size_t)(end - name));
    p->count++;
    if ((p->wanted && names_match(part, p->wanted)) ||
        (!p->wanted && p->count == 1)) {
        free(p->found);
        p->found = MOVE(part);
    }
}

char *view_pick_service(const struct view_source *source, const char *wanted,
                        struct err *err)
{
    struct picking p = {.wanted = wanted};
    source->each(source->self, "service/", pick_one, &p);
    if (!wanted && p.count > 1) {
        free(p.found);
        err_set(err, ERR_CONFLICT,
                "There are %zu services: use /v1/service/<name>/...", p.count);
        return NULL;
    }
    if (!p.found && wanted)
        err_set(err, ERR_NOT_FOUND, "Service %s not found", wanted);
    else if (!p.found)
        err_set(err, ERR_NOT_FOUND, "No service is deployed yet");
    return p.found;
}

/* ---- single records ---- */

static ProtobufCMessage *read_record(const struct view *view, const char *path,
                                     const ProtobufCMessageDescriptor *type)
{
    AUTO_FREE char *key = xasprintf("service/%s/%s", view->service, path);
    struct replica_item item;
    if (!view->source.get(view->source.self, key, &item))
        return NULL;
    return wire_decode(type, item.value, item.len, NULL);
}

Reeve__Target *view_target(const struct view *view)
{
    return (void *)read_record(view, "target", &reeve__target__descriptor);
}

Reeve__Config *view_config(const struct view *view, const char *id)
{
    AUTO_FREE char *path = xasprintf("config/%s", id);
    return (void *)read_record(view, path, &reeve__config__descriptor);
}

Reeve__Framework *view_framework(const struct view *view)
{
    return (void *)read_record(view, "framework",
                               &reeve__framework__descriptor);
}

Reeve__Plan *view_plan(const struct view *view, const char *name)
{
    AUTO_FREE char *path = xasprintf("plan/%s", name);
    return (void *)read_record(view, path, &reeve__plan__descriptor);
}

/* ---- lists ---- */

static void add_plan(void *arg, const struct replica_item *item)
{
    struct view_plans *plans = arg;
    Reeve__Plan *plan = WIRE_DECODE(reeve__plan, item->value, item->len, NULL);
    if (!plan)
        return;
    plans->items =
        xrealloc(plans->items, (plans->n + 1) * sizeof *plans->items);
    plans->items[plans->n++] = plan;
}

static int by_order(const void *a, const void *b)
{
    const Reeve__Plan *x = *(Reeve__Plan *const *)a;
    const Reeve__Plan *y = *(Reeve__Plan *const *)b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return strcmp(str_or_empty(x->name), str_or_empty(y->name));
}

struct view_plans view_plans(const struct view *view)
{
    struct view_plans plans = {0};
    AUTO_FREE char *prefix = xasprintf("service/%s/plan/", view->service);
    view->source.each(view->source.self, prefix, add_plan, &plans);
    if (plans.n > 1)
        qsort(plans.items, plans.n, sizeof *plans.items, by_order);
    return plans;
}

void view_plans_free(struct view_plans *plans)
{
    for (size_t i = 0; i < plans->n; i++)
        reeve__plan__free_unpacked(plans->items[i], NULL);
    free(plans->items);
    *plans = (struct view_plans){0};
}

struct collecting {
    const struct view *view;
    const char *pod_instance;
    struct view_tasks tasks;
};

static bool in_pod(const Reeve__TaskRecord *record, const char *pod_instance)
{
    if (!pod_instance)
        return true;
    AUTO_FREE char *pod =
        spec_pod_instance(str_or_empty(record->pod_type), record->pod_index);
    return str_eq(pod, pod_instance);
}

static Reeve__TaskStatusRecord *status_of(const struct view *view,
                                          const Reeve__TaskRecord *record)
{
    AUTO_FREE char *path =
        xasprintf("task/%s/status", str_or_empty(record->name));
    Reeve__TaskStatusRecord *status =
        (void *)read_record(view, path, &reeve__task_status_record__descriptor);
    if (status && !str_eq(status->task_id, record->task_id)) {
        reeve__task_status_record__free_unpacked(status, NULL);
        return NULL;
    }
    return status;
}

static void add_task(void *arg, const struct replica_item *item)
{
    struct collecting *c = arg;
    if (!str_ends(item->key, "/info"))
        return;
    Reeve__TaskRecord *record =
        WIRE_DECODE(reeve__task_record, item->value, item->len, NULL);
    if (!record)
        return;
    if (!in_pod(record, c->pod_instance)) {
        reeve__task_record__free_unpacked(record, NULL);
        return;
    }
    struct view_tasks *t = &c->tasks;
    t->items = xrealloc(t->items, (t->n + 1) * sizeof *t->items);
    t->items[t->n++] = (struct view_task){record, status_of(c->view, record)};
}

struct view_tasks view_tasks(const struct view *view, const char *pod_instance)
{
    struct collecting c = {.view = view, .pod_instance = pod_instance};
    /* A task's name begins with that of its pod instance. */
    AUTO_FREE char *prefix = xasprintf("service/%s/task/%s", view->service,
                                       str_or_empty(pod_instance));
    view->source.each(view->source.self, prefix, add_task, &c);
    return c.tasks;
}

struct view_tasks view_task(const struct view *view, const char *task_name)
{
    struct collecting c = {.view = view};
    AUTO_FREE char *key =
        xasprintf("service/%s/task/%s/info", view->service, task_name);
    struct replica_item item;
    if (view->source.get(view->source.self, key, &item))
        add_task(&c, &item);
    return c.tasks;
}

void view_tasks_free(struct view_tasks *tasks)
{
    for (size_t i = 0; i < tasks->n; i++) {
        reeve__task_record__free_unpacked(tasks->items[i].record, NULL);
        reeve__task_status_record__free_unpacked(tasks->items[i].status, NULL);
    }
    free(tasks->items);
    *tasks = (struct view_tasks){0};
}

Mesos__V1__TaskInfo *view_task_info(const struct view_task *task)
{
    const ProtobufCBinaryData *b = &task->record->task_info;
    if (!task->record->has_task_info)
        return NULL;
    return WIRE_DECODE(mesos__v1__task_info, b->data, b->len, NULL);
}

Mesos__V1__TaskStatus *view_task_status(const struct view_task *task)
{
    if (!task->status || !task->status->has_task_status)
        return NULL;
    const ProtobufCBinaryData *b = &task->status->task_status;
    return WIRE_DECODE(mesos__v1__task_status, b->data, b->len, NULL);
}

/* ---- names ---- */

struct naming {
    size_t skip;
    void (*fn)(void *arg, const char *name);
    void *arg;
};

static void tell_name(void *arg, const struct replica_item *item)
{
    struct naming *n = arg;
    n->fn(n->arg, item->key + n->skip);
}

void view_each_name(const struct view *view, const char *folder,
                    void (*fn)(void *arg, const char *name), void *arg)
{
    AUTO_FREE char *prefix = xasprintf("service/%s/%s/", view->service, folder);
    struct naming n = {strlen(prefix), fn, arg};
    view->source.each(view->source.self, prefix, tell_name, &n);
}

bool view_property(const struct view *view, const char *key,
                   struct replica_item *out)
{
    AUTO_FREE char *path =
        xasprintf("service/%s/property/%s", view->service, key);
    return view->source.get(view->source.self, path, out);
}

const Reeve__ConfigTemplate *view_template(const Reeve__Config *config,
                                           const char *const path[3],
                                           const char **what, const char **name)
{
    const Reeve__PodSpec *pod =
        config->spec ? spec_find_pod(config->spec, path[0]) : NULL;
    const Reeve__TaskSpec *task =
        pod ? spec_find_task(pod, pod->inline_task ? "" : path[1]) : NULL;

    *what = !pod ? "Pod" : !task ? "Task" : "Template";
    *name = !pod ? path[0] : !task ? path[1] : path[2];
    for (size_t i = 0; task && i < task->n_configs; i++)
        if (str_eq(task->configs[i]->name, path[2]))
            return task->configs[i];
    return NULL;
}
