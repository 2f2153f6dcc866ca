/* SPDX-License-Identifier: Apache-2.0 */
/* map_task - a task of a pod: its command, checks, environment, templates
 *
 * Its resources are in map_resources.c.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/spec/loader.h"
#include "lib/spec/map_resources.h"
#include "lib/spec/schema.h"
#include "lib/wire/pb.h"

#define MAX_TEMPLATE ((size_t)4 << 20)

static Reeve__TaskSpec *task_of(ProtobufCMessage *message)
{
    ASSERT(message->descriptor == &reeve__task_spec__descriptor);
    return (Reeve__TaskSpec *)(void *)message;
}

/* ---- goal and environment ---- */

static int read_goal(struct loader *l, const struct yaml_node *node,
                     ProtobufCMessage *into)
{
    static const struct {
        const char *name;
        Reeve__Goal goal;
    } goals[] = {{"RUNNING", REEVE__GOAL__GOAL_RUNNING},
                 {"FINISH", REEVE__GOAL__GOAL_FINISH},
                 {"ONCE", REEVE__GOAL__GOAL_ONCE}};
    Reeve__TaskSpec *task = task_of(into);

    for (size_t i = 0; node->text && i < ARRAY_LEN(goals); i++)
        if (strcasecmp(node->text, goals[i].name) == 0) {
            task->has_goal = true;
            task->goal = goals[i].goal;
            return 0;
        }
    return load_fail(l, node,
                     "Unsupported GoalState %.60s in task %.60s, expected one "
                     "of: [UNKNOWN, RUNNING, FINISH, ONCE]",
                     str_or_empty(node->text), task->name);
}

static int compare_env(const void *a, const void *b)
{
    const Reeve__EnvVar *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

void load_set_env(Reeve__TaskSpec *task, const char *name, const char *value)
{
    Reeve__EnvVar *var = NULL;

    for (size_t i = 0; i < task->n_env && !var; i++)
        if (strcmp(task->env[i]->name, name) == 0)
            var = task->env[i];
    if (!var) {
        var = PB_NEW(reeve__env_var);
        var->name = xstrdup(name);
        PB_ADD(task, env, var);
    }
    free(var->value);
    var->value = xstrdup(value);
    qsort(task->env, task->n_env, sizeof(*task->env), compare_env);
}

static int read_env_var(struct loader *l, const char *key,
                        const struct yaml_node *node, ProtobufCMessage *into)
{
    if (!*key || strchr(key, '='))
        return load_fail(l, node, "is not a name of a variable");
    if (node->kind != YAML_KIND_SCALAR)
        return load_fail(l, node, "must be a single value, got %s",
                         yaml_tree_what(node));
    load_set_env(task_of(into), key, yaml_tree_is_null(node) ? "" : node->text);
    return 0;
}

static int read_env(struct loader *l, const struct yaml_node *node,
                    ProtobufCMessage *into)
{
    return schema_each(l, node, read_env_var, into);
}

/* ---- config templates ---- */

static const struct schema_key config_keys[] = {
    {.key = "template",
     .kind = SCHEMA_TEXT,
     .field = "template_path",
     .required = true},
    {.key = "dest", .kind = SCHEMA_TEXT, .required = true},
    {0}};

/* The template's path, relative to the folder of svc.yml. */
static char *template_path(const struct loader *l, const char *path)
{
    const char *slash = strrchr(l->source->path, '/');

    if (*path == '/' || !slash)
        return xstrdup(path);
    AUTO_FREE char *folder =
        xstrndup(l->source->path, (size_t)(slash - l->source->path));
    return xasprintf("%s/%s", folder, path);
}

static int read_template(struct loader *l, const struct yaml_node *node,
                         Reeve__ConfigTemplate *config)
{
    AUTO_FREE char *path = template_path(l, config->template_path);
    AUTO_BUF struct buf content = {0};
    struct err why = {0};

    if (!l->source->read_file)
        return load_fail(l, node, "no template can be read here");
    if (l->source->read_file(l->source->self, path, &content, &why) < 0)
        return load_fail(l, node, "%s", why.text);
    if (content.len == 0)
        return load_fail(l, node, "%s is empty", path);
    if (content.len > MAX_TEMPLATE)
        return load_fail(l, node, "%s is larger than 4 MiB", path);
    config->has_content = true;
    config->content.data = (uint8_t *)buf_take(&content, &config->content.len);
    return 0;
}

/* The name becomes a part of a path and of a URL; name and dest travel to the
 * task in one variable, with a comma between. */
static int check_config(struct loader *l, const struct yaml_node *node,
                        const Reeve__ConfigTemplate *config)
{
    if (strpbrk(config->name, "/,?#%\\") || str_eq(config->name, ".") ||
        str_eq(config->name, "..") || !*config->name)
        return load_fail(l, node,
                         "a template's name has none of / , ? # %% \\");
    if (strchr(config->dest, ','))
        return load_fail(l, node, "dest '%.200s' must not have a comma",
                         config->dest);
    return 0;
}

static int read_config(struct loader *l, const char *key,
                       const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__TaskSpec *task = task_of(into);
    Reeve__ConfigTemplate *config = PB_NEW(reeve__config_template);

    PB_ADD(task, configs, config);
    config->name = xstrdup(key);
    if (schema_object(l, node, config_keys, &config->base) < 0 ||
        check_config(l, node, config) < 0)
        return -1;
    for (size_t i = 0; i + 1 < task->n_configs; i++)
        if (strcmp(task->configs[i]->dest, config->dest) == 0)
            return load_fail(l, node,
                             "two templates of a task have the dest '%.200s'",
                             config->dest);
    return read_template(l, node, config);
}

static int read_configs(struct loader *l, const struct yaml_node *node,
                        ProtobufCMessage *into)
{
    return schema_each(l, node, read_config, into);
}

/* ---- checks ---- */

#define SECONDS(name, proto, is_required)                                      \
    {                                                                          \
        .key = name, .kind = SCHEMA_WHOLE, .field = proto,                     \
        .required = is_required, .min = 0, .max = UINT32_MAX                   \
    }

static const struct schema_key health_keys[] = {
    {.key = "cmd", .kind = SCHEMA_TEXT, .required = true},
    SECONDS("interval", "interval_s", true),
    SECONDS("grace-period", "grace_period_s", true),
    SECONDS("delay", "delay_s", false),
    SECONDS("timeout", "timeout_s", true),
    {.key = "max-consecutive-failures",
     .kind = SCHEMA_WHOLE,
     .required = true,
     .min = 1,
     .max = UINT32_MAX},
    {0}};

static const struct schema_key readiness_keys[] = {
    {.key = "cmd", .kind = SCHEMA_TEXT, .required = true},
    SECONDS("interval", "interval_s", true),
    SECONDS("delay", "delay_s", false),
    SECONDS("timeout", "timeout_s", true),
    {0}};

static int read_health(struct loader *l, const struct yaml_node *node,
                       ProtobufCMessage *into)
{
    Reeve__CheckSpec *check = PB_NEW(reeve__check_spec);

    task_of(into)->health_check = check;
    check->has_delay_s = true;
    return schema_object(l, node, health_keys, &check->base);
}

static int read_readiness(struct loader *l, const struct yaml_node *node,
                          ProtobufCMessage *into)
{
    Reeve__CheckSpec *check = PB_NEW(reeve__check_spec);

    task_of(into)->readiness_check = check;
    check->has_delay_s = true;
    return schema_object(l, node, readiness_keys, &check->base);
}

/* ---- discovery, labels, encryption ---- */

static const struct schema_key discovery_keys[] = {
    {.key = "prefix", .kind = SCHEMA_TEXT},
    {.key = "visibility", .kind = SCHEMA_TEXT},
    {0}};

static int read_discovery(struct loader *l, const struct yaml_node *node,
                          ProtobufCMessage *into)
{
    static const char *const known[] = {"FRAMEWORK", "CLUSTER", "EXTERNAL"};
    Reeve__DiscoverySpec *discovery = PB_NEW(reeve__discovery_spec);

    task_of(into)->discovery = discovery;
    if (schema_object(l, node, discovery_keys, &discovery->base) < 0)
        return -1;
    if (!discovery->visibility)
        discovery->visibility = xstrdup("CLUSTER");
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i], discovery->visibility) == 0)
            return 0;
    return load_fail(l, node,
                     "Visibility must be one of: [FRAMEWORK, CLUSTER, "
                     "EXTERNAL], got '%.60s'",
                     discovery->visibility);
}

/* One "key:value" of len bytes; the value may hold further colons. */
static bool add_label(const char *text, size_t len, Reeve__LabelSpec ***labels,
                      size_t *n)
{
    const char *colon = memchr(text, ':', len);

    if (!colon || colon == text)
        return false;
    Reeve__LabelSpec *label = PB_NEW(reeve__label_spec);
    label->key = xstrndup(text, (size_t)(colon - text));
    label->value = xstrndup(colon + 1, len - (size_t)(colon + 1 - text));
    *labels = xrealloc(*labels, (*n + 1) * sizeof(**labels));
    (*labels)[(*n)++] = label;
    return true;
}

int load_labels(struct loader *l, const struct yaml_node *node,
                Reeve__LabelSpec ***labels, size_t *n_labels)
{
    if (node->kind != YAML_KIND_SCALAR)
        return load_fail(l, node, "must be text like k:v,k2:v2, got %s",
                         yaml_tree_what(node));
    for (const char *p = node->text;;) {
        size_t len = strcspn(p, ",");
        if (!add_label(p, len, labels, n_labels))
            return load_fail(l, node, "Illegal label string, got '%.200s'",
                             node->text);
        if (!p[len])
            return 0;
        p += len + 1;
    }
}

static int read_task_labels(struct loader *l, const struct yaml_node *node,
                            ProtobufCMessage *into)
{
    Reeve__TaskSpec *task = task_of(into);

    return load_labels(l, node, &task->labels, &task->n_labels);
}

static const struct schema_key encryption_keys[] = {
    {.key = "name", .kind = SCHEMA_TEXT, .required = true},
    {.key = "type", .kind = SCHEMA_TEXT, .required = true},
    {0}};

static int read_encryption(struct loader *l, const struct yaml_node *node,
                           ProtobufCMessage *into)
{
    Reeve__TaskSpec *task = task_of(into);

    if (node->kind != YAML_KIND_LIST)
        return load_fail(l, node, "must be a list, got %s",
                         yaml_tree_what(node));
    for (size_t i = 0; i < node->n_entries; i++) {
        const struct yaml_node *item = node->entries[i].value;
        Reeve__TransportEncryption *e = PB_NEW(reeve__transport_encryption);
        PB_ADD(task, transport_encryption, e);
        if (schema_object(l, item, encryption_keys, &e->base) < 0)
            return -1;
        if (strcmp(e->type, "TLS") != 0 && strcmp(e->type, "KEYSTORE") != 0)
            return load_fail(l, item,
                             "type must be TLS or KEYSTORE, got "
                             "'%.60s'",
                             e->type);
    }
    return 0;
}

/* ---- the task
 * ---------------------------------------------------------------------------
 */

static int read_ipc_mode(struct loader *l, const struct yaml_node *node,
                         ProtobufCMessage *into)
{
    if (node->kind != YAML_KIND_SCALAR ||
        (strcmp(node->text, "PRIVATE") != 0 &&
         strcmp(node->text, "SHARE_PARENT") != 0))
        return load_fail(l, node, "Invalid IPC Mode");
    task_of(into)->ipc_mode = xstrdup(node->text);
    return 0;
}

#define MAX_KILL_GRACE_S 3600

/* Keys that only a task has: in a pod they make it an inline task. */
static const struct schema_key task_keys[] = {
    {.key = "goal", .kind = SCHEMA_CUSTOM, .read = read_goal},
    {.key = "essential", .kind = SCHEMA_BOOL},
    {.key = "cmd", .kind = SCHEMA_TEXT, .required = true},
    {.key = "env", .kind = SCHEMA_CUSTOM, .read = read_env},
    {.key = "configs", .kind = SCHEMA_CUSTOM, .read = read_configs},
    {.key = "resource-set", .kind = SCHEMA_TEXT},
    {.key = "health-check", .kind = SCHEMA_CUSTOM, .read = read_health},
    {.key = "readiness-check", .kind = SCHEMA_CUSTOM, .read = read_readiness},
    {.key = "discovery", .kind = SCHEMA_CUSTOM, .read = read_discovery},
    {.key = "labels", .kind = SCHEMA_CUSTOM, .read = read_task_labels},
    {.key = "kill-grace-period",
     .kind = SCHEMA_WHOLE,
     .field = "kill_grace_period_s",
     .max = MAX_KILL_GRACE_S},
    {.key = "transport-encryption",
     .kind = SCHEMA_CUSTOM,
     .read = read_encryption},
    {0}};

/* Keys that a pod has too: there they are the pod's. */
static const struct schema_key shared_keys[] = {
    {.key = "ipc-mode", .kind = SCHEMA_CUSTOM, .read = read_ipc_mode},
    {.key = "shm-size",
     .kind = SCHEMA_WHOLE,
     .field = "shm_size_mib",
     .min = 1,
     .max = UINT32_MAX},
    {.key = "uris", .kind = SCHEMA_TEXTS},
    {0}};

static const struct schema_key *const all_keys[] = {task_keys, shared_keys,
                                                    load_resource_keys, NULL};

bool load_is_task_key(const char *key)
{
    for (const struct schema_key *k = task_keys; k->key; k++)
        if (strcmp(k->key, key) == 0)
            return true;
    for (const struct schema_key *k = load_resource_keys; k->key; k++)
        if (strcmp(k->key, key) == 0 && !load_is_pod_volume_key(key))
            return true;
    return false;
}

static int read_resources(struct loader *l, Reeve__PodSpec *pod,
                          Reeve__TaskSpec *task, const struct yaml_node *node)
{
    if (!task->resource_set) {
        task->resource_set =
            xasprintf("%s-resource-set", *task->name ? task->name : pod->type);
        return load_implicit_set(l, pod, task, node);
    }
    for (const struct schema_key *k = load_resource_keys; k->key; k++)
        if (yaml_tree_get(node, k->key))
            load_warn(l, yaml_tree_get(node, k->key),
                      "'%s' is ignored: the task uses resource-set '%.60s'",
                      k->key, task->resource_set);
    return 0;
}

static int check_task(struct loader *l, const struct yaml_node *node,
                      const Reeve__TaskSpec *task)
{
    if (str_eq(task->ipc_mode, "SHARE_PARENT") && task->has_shm_size_mib)
        return load_fail(l, node,
                         "shm size does not apply when IPC Mode is "
                         "SHARE_PARENT");
    if (task->n_uris)
        load_warn(l, yaml_tree_get(node, "uris"),
                  "uris belong to a pod; fetched for this task alone");
    return 0;
}

static int fill_task(struct loader *l, Reeve__TaskSpec *task,
                     const struct yaml_node *node, bool is_inline)
{
    if (!is_inline && schema_only_known(l, node, all_keys, false) < 0)
        return -1;
    if (schema_fill(l, node, task_keys, &task->base) < 0)
        return -1;
    if (!is_inline && schema_fill(l, node, shared_keys, &task->base) < 0)
        return -1;
    if (!task->has_goal && !is_inline) {
        load_enter(l, "goal");
        return load_fail(l, node, "required");
    }
    if (!task->has_goal) {
        task->has_goal = true;
        task->goal = REEVE__GOAL__GOAL_RUNNING;
    }
    return check_task(l, node, task);
}

int load_task(struct loader *l, Reeve__PodSpec *pod, const char *name,
              const struct yaml_node *node)
{
    Reeve__TaskSpec *task = PB_NEW(reeve__task_spec);
    bool is_inline = !*name;

    PB_ADD(pod, tasks, task);
    task->name = xstrdup(name);
    if (fill_task(l, task, node, is_inline) < 0)
        return -1;
    return read_resources(l, pod, task, node);
}
