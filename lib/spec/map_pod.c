/* SPDX-License-Identifier: Apache-2.0 */
/* map_pod - the pods of a service and all that is not a task of theirs */
#include <stdlib.h>
#include <string.h>

#include "lib/spec/loader.h"
#include "lib/spec/names.h"
#include "lib/spec/placement.h"
#include "lib/spec/schema.h"
#include "lib/wire/pb.h"

#define MAX_COUNT 100000

static Reeve__PodSpec *pod_of(ProtobufCMessage *message)
{
    ASSERT(message->descriptor == &reeve__pod_spec__descriptor);
    return (Reeve__PodSpec *)(void *)message;
}

/* ---- limits of a process ----------------------------------------------------
 */

static const char *const rlimit_names[] = {
    "RLIMIT_AS",     "RLIMIT_CORE",   "RLIMIT_CPU",        "RLIMIT_DATA",
    "RLIMIT_FSIZE",  "RLIMIT_LOCKS",  "RLIMIT_MEMLOCK",    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",   "RLIMIT_NOFILE", "RLIMIT_NPROC",      "RLIMIT_RSS",
    "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK"};

static const struct schema_key rlimit_keys[] = {
    {.key = "soft",
     .kind = SCHEMA_WHOLE,
     .min = -1,
     .max = INT64_MAX,
     .rule = "must be 0 or more, or -1 for unlimited"},
    {.key = "hard",
     .kind = SCHEMA_WHOLE,
     .min = -1,
     .max = INT64_MAX,
     .rule = "must be 0 or more, or -1 for unlimited"},
    {0}};

static int read_rlimit(struct loader *l, const char *key,
                       const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__RLimit *limit = PB_NEW(reeve__rlimit);
    bool known = false;

    PB_ADD(pod_of(into), rlimits, limit);
    limit->name = xstrdup(key);
    for (size_t i = 0; i < ARRAY_LEN(rlimit_names); i++)
        known = known || strcmp(rlimit_names[i], key) == 0;
    if (!known)
        return load_fail(l, node,
                         "is not the name of a limit (RLIMIT_NOFILE, "
                         "RLIMIT_CORE, …)");
    if (schema_object(l, node, rlimit_keys, &limit->base) < 0)
        return -1;
    if (limit->has_soft != limit->has_hard)
        return load_fail(l, node, "needs both soft and hard, or neither");
    if ((limit->soft == -1) != (limit->hard == -1))
        return load_fail(l, node,
                         "soft and hard must both be unlimited (-1), "
                         "or neither");
    if (limit->soft > limit->hard)
        return load_fail(l, node, "soft must not be above hard");
    return 0;
}

/* ---- networks ---- */

static int read_ports(struct loader *l, const struct yaml_node *node,
                      uint32_t **ports, size_t *n_ports)
{
    if (node->kind != YAML_KIND_LIST)
        return load_fail(l, node, "must be a list of ports, got %s",
                         yaml_tree_what(node));
    for (size_t i = 0; i < node->n_entries; i++) {
        const struct yaml_node *value = node->entries[i].value;
        int64_t port;
        if (value->kind != YAML_KIND_SCALAR || !parse_i64(value->text, &port) ||
            port < 0 || port > 65535)
            return load_fail(l, value, "entry %zu must be a port number", i);
        *ports = xrealloc(*ports, (*n_ports + 1) * sizeof(**ports));
        (*ports)[(*n_ports)++] = (uint32_t)port;
    }
    return 0;
}

static int read_host_ports(struct loader *l, const struct yaml_node *node,
                           ProtobufCMessage *into)
{
    Reeve__NetworkSpec *network = (Reeve__NetworkSpec *)(void *)into;

    return read_ports(l, node, &network->host_ports, &network->n_host_ports);
}

static int read_container_ports(struct loader *l, const struct yaml_node *node,
                                ProtobufCMessage *into)
{
    Reeve__NetworkSpec *network = (Reeve__NetworkSpec *)(void *)into;

    return read_ports(l, node, &network->container_ports,
                      &network->n_container_ports);
}

static int read_network_labels(struct loader *l, const struct yaml_node *node,
                               ProtobufCMessage *into)
{
    Reeve__NetworkSpec *network = (Reeve__NetworkSpec *)(void *)into;

    return load_labels(l, node, &network->labels, &network->n_labels);
}

static const struct schema_key network_keys[] = {
    {.key = "host-ports", .kind = SCHEMA_CUSTOM, .read = read_host_ports},
    {.key = "container-ports",
     .kind = SCHEMA_CUSTOM,
     .read = read_container_ports},
    {.key = "labels", .kind = SCHEMA_CUSTOM, .read = read_network_labels},
    {0}};

static int read_network(struct loader *l, const char *key,
                        const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__NetworkSpec *network = PB_NEW(reeve__network_spec);
    bool maps_ports = spec_network_maps_ports(key);

    PB_ADD(pod_of(into), networks, network);
    network->name = xstrdup(key);
    if (schema_object(l, node, network_keys, &network->base) < 0)
        return -1;
    if (network->n_host_ports != network->n_container_ports)
        return load_fail(l, node,
                         "You need to specify the same number of host "
                         "ports and container ports");
    if (network->n_host_ports && !maps_ports)
        return load_fail(l, node,
                         "Virtual Network %.100s doesn't support "
                         "container->host port mapping",
                         key);
    if (!maps_ports && strcmp(key, "dcos") != 0)
        load_warn(l, node,
                  "a network of this name is not known; no ports are "
                  "mapped on it");
    return 0;
}

/* ---- secrets ---- */

static const struct schema_key secret_keys[] = {
    {.key = "secret", .kind = SCHEMA_TEXT, .required = true},
    {.key = "env-key", .kind = SCHEMA_TEXT},
    {.key = "file", .kind = SCHEMA_TEXT},
    {0}};

/* Relative, of letters, digits, '.', '_', '-' and slashes; no part may begin
 * with '_' or '-'. */
static bool is_secret_file(const char *file)
{
    bool at_start = true;

    for (; *file; file++) {
        bool slash = *file == '/' || *file == '\\';
        bool word = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
                           "Z0123456789.",
                           *file);
        if (at_start ? !word : !word && !slash && !strchr("_-", *file))
            return false;
        at_start = slash;
    }
    return true;
}

static int read_secret(struct loader *l, const char *key,
                       const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__SecretSpec *secret = PB_NEW(reeve__secret_spec);

    PB_ADD(pod_of(into), secrets, secret);
    secret->id = xstrdup(key);
    if (schema_object(l, node, secret_keys, &secret->base) < 0)
        return -1;
    if (!secret->file && !secret->env_key)
        secret->file = xstrdup(secret->secret);
    if (secret->file && !is_secret_file(secret->file))
        return load_fail(l, node, "file must be a relative path, got '%.100s'",
                         secret->file);
    return 0;
}

/* ---- volumes of the host and of drivers ---- */

static const struct schema_key host_volume_keys[] = {
    {.key = "host-path", .kind = SCHEMA_TEXT, .required = true},
    {.key = "container-path", .kind = SCHEMA_TEXT, .required = true},
    {.key = "mode", .kind = SCHEMA_TEXT},
    {0}};

static int read_host_volume(struct loader *l, const char *key,
                            const struct yaml_node *node,
                            ProtobufCMessage *into)
{
    Reeve__HostVolume *volume = PB_NEW(reeve__host_volume);

    PB_ADD(pod_of(into), host_volumes, volume);
    volume->id = xstrdup(key);
    if (schema_object(l, node, host_volume_keys, &volume->base) < 0)
        return -1;
    if (!volume->mode)
        volume->mode = xstrdup("RW");
    if (strcmp(volume->mode, "RW") != 0 && strcmp(volume->mode, "RO") != 0)
        return load_fail(l, node,
                         "Unsupported host volume mode. '%.60s' is "
                         "not RW or RO",
                         volume->mode);
    if (*volume->host_path != '/')
        return load_fail(l, node, "host-path must be absolute, got '%.200s'",
                         volume->host_path);
    if (*volume->container_path == '/')
        return load_fail(l, node,
                         "container-path must be relative, got '%.200s'",
                         volume->container_path);
    return 0;
}

static const struct schema_key external_volume_keys[] = {
    {.key = "type", .kind = SCHEMA_TEXT, .required = true},
    {.key = "volume-name", .kind = SCHEMA_TEXT},
    {.key = "volume-mode", .kind = SCHEMA_TEXT},
    {.key = "driver-name", .kind = SCHEMA_TEXT, .required = true},
    {.key = "driver-options", .kind = SCHEMA_TEXT},
    {.key = "container-path", .kind = SCHEMA_TEXT, .required = true},
    {0}};

/* Whether "k=v;k2=v2" holds the key. */
static bool has_option(const char *options, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = options; p && *p;) {
        if (strncmp(p, key, len) == 0 && p[len] == '=')
            return true;
        p = strchr(p, ';');
        p = p ? p + 1 : NULL;
    }
    return false;
}

static int read_external_volume(struct loader *l, const char *key,
                                const struct yaml_node *node,
                                ProtobufCMessage *into)
{
    Reeve__ExternalVolume *volume = PB_NEW(reeve__external_volume);

    PB_ADD(pod_of(into), external_volumes, volume);
    volume->id = xstrdup(key);
    if (schema_object(l, node, external_volume_keys, &volume->base) < 0)
        return -1;
    if (!volume->volume_mode)
        volume->volume_mode = xstrdup("RW");
    if (strcmp(volume->type, "DOCKER") != 0)
        return load_fail(l, node, "type must be DOCKER, got '%.60s'",
                         volume->type);
    if (strcmp(volume->volume_mode, "RW") != 0 &&
        strcmp(volume->volume_mode, "RO") != 0)
        return load_fail(l, node, "volume-mode must be RW or RO, got '%.60s'",
                         volume->volume_mode);
    if (volume->volume_name && has_option(volume->driver_options, "name"))
        return load_fail(l, node,
                         "volume-name and the driver option name "
                         "may not both be given");
    return 0;
}

/* ---- the pod's own keys ---- */

static int read_sets(struct loader *l, const char *key,
                     const struct yaml_node *node, ProtobufCMessage *into)
{
    return load_resource_set(l, pod_of(into), key, node);
}

static int read_resource_sets(struct loader *l, const struct yaml_node *node,
                              ProtobufCMessage *into)
{
    return schema_each(l, node, read_sets, into);
}

static int read_rlimits(struct loader *l, const struct yaml_node *node,
                        ProtobufCMessage *into)
{
    return schema_each(l, node, read_rlimit, into);
}

static int read_networks(struct loader *l, const struct yaml_node *node,
                         ProtobufCMessage *into)
{
    return schema_each(l, node, read_network, into);
}

static int read_secrets(struct loader *l, const struct yaml_node *node,
                        ProtobufCMessage *into)
{
    return schema_each(l, node, read_secret, into);
}

static int read_host_volumes(struct loader *l, const struct yaml_node *node,
                             ProtobufCMessage *into)
{
    return schema_each(l, node, read_host_volume, into);
}

static int read_external_volumes(struct loader *l, const struct yaml_node *node,
                                 ProtobufCMessage *into)
{
    return schema_each(l, node, read_external_volume, into);
}

static int read_placement(struct loader *l, const struct yaml_node *node,
                          ProtobufCMessage *into)
{
    Reeve__PodSpec *pod = pod_of(into);
    struct err why = {0};
    struct placement_rules *rules;

    if (node->kind != YAML_KIND_SCALAR)
        return load_fail(l, node, "must be text, got %s", yaml_tree_what(node));
    rules = placement_parse(node->text, &why);
    if (!rules)
        return load_fail(l, node,
                         "The PlacementRule for PodSpec '%.60s' had "
                         "invalid constraints: %s",
                         pod->type, why.text);
    if (placement_count(rules))
        pod->placement = xstrdup(node->text);
    placement_free(&rules);
    return 0;
}

static int read_pod_ipc_mode(struct loader *l, const struct yaml_node *node,
                             ProtobufCMessage *into)
{
    if (node->kind == YAML_KIND_SCALAR &&
        strcmp(node->text, "SHARE_PARENT") == 0)
        return load_fail(l, node, "Cannot specify SHARE_PARENT at pod level");
    if (node->kind != YAML_KIND_SCALAR || strcmp(node->text, "PRIVATE") != 0)
        return load_fail(l, node, "Invalid IPC Mode");
    pod_of(into)->ipc_mode = xstrdup(node->text);
    return 0;
}

static int read_image(struct loader *l, const struct yaml_node *node,
                      ProtobufCMessage *into)
{
    if (node->kind != YAML_KIND_SCALAR || !*node->text)
        return load_fail(l, node, "must not be empty");
    pod_of(into)->image = xstrdup(node->text);
    return 0;
}

static const struct schema_key pod_keys[] = {
    {.key = "count", .kind = SCHEMA_WHOLE, .required = true, .max = MAX_COUNT},
    {.key = "image", .kind = SCHEMA_CUSTOM, .read = read_image},
    {.key = "placement", .kind = SCHEMA_CUSTOM, .read = read_placement},
    {.key = "resource-sets", .kind = SCHEMA_CUSTOM, .read = read_resource_sets},
    {.key = "uris", .kind = SCHEMA_TEXTS},
    {.key = "rlimits", .kind = SCHEMA_CUSTOM, .read = read_rlimits},
    {.key = "networks", .kind = SCHEMA_CUSTOM, .read = read_networks},
    {.key = "secrets", .kind = SCHEMA_CUSTOM, .read = read_secrets},
    {.key = "host-volumes", .kind = SCHEMA_CUSTOM, .read = read_host_volumes},
    {.key = "external-volumes",
     .kind = SCHEMA_CUSTOM,
     .read = read_external_volumes},
    {.key = "pre-reserved-role", .kind = SCHEMA_TEXT},
    {.key = "share-pid-namespace", .kind = SCHEMA_BOOL},
    {.key = "allow-decommission", .kind = SCHEMA_BOOL},
    {.key = "seccomp-unconfined", .kind = SCHEMA_BOOL},
    {.key = "seccomp-profile-name", .kind = SCHEMA_TEXT},
    {.key = "ipc-mode", .kind = SCHEMA_CUSTOM, .read = read_pod_ipc_mode},
    {.key = "shm-size",
     .kind = SCHEMA_WHOLE,
     .field = "shm_size_mib",
     .min = 1,
     .max = UINT32_MAX},
    /* Read after these: what they mean depends on the other keys. */
    {.key = "tasks", .kind = SCHEMA_KNOWN},
    {.key = "volume", .kind = SCHEMA_KNOWN},
    {.key = "volumes", .kind = SCHEMA_KNOWN},
    {0}};

static int add_volume(struct loader *l, const char *key,
                      const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__VolumeSpec *volume = NULL;
    int rc = load_volume(l, node, &volume);

    (void)key; /* only a label for the reader of the file */
    if (volume)
        PB_ADD(pod_of(into), volumes, volume);
    return rc;
}

static int read_pod_volumes(struct loader *l, const struct yaml_node *node,
                            Reeve__PodSpec *pod)
{
    const struct yaml_node *one = yaml_tree_get(node, "volume");
    const struct yaml_node *many = yaml_tree_get(node, "volumes");
    size_t mark = load_enter(l, "volume");

    if (!yaml_tree_is_null(one) && add_volume(l, "", one, &pod->base) < 0)
        return -1;
    load_leave(l, mark);
    mark = load_enter(l, "volumes");
    if (many && schema_each(l, many, add_volume, &pod->base) < 0)
        return -1;
    load_leave(l, mark);
    return 0;
}

/* ---- tasks
 * ------------------------------------------------------------------------------
 */

static int read_task(struct loader *l, const char *key,
                     const struct yaml_node *node, ProtobufCMessage *into)
{
    struct yaml_node here = {.line = node->line};
    const char *why;

    if (strstr(key, "__"))
        return load_fail(l, &here,
                         "Task names may not contain double underscores");
    if (!spec_name_is_valid(key, false, &why))
        return load_fail(l, &here, "a task's name %s", why);
    return load_task(l, pod_of(into), key, node);
}

static const char *inline_key(const struct yaml_node *node)
{
    for (size_t i = 0; i < node->n_entries; i++)
        if (load_is_task_key(node->entries[i].key))
            return node->entries[i].key;
    return NULL;
}

static int read_tasks(struct loader *l, const struct yaml_node *node,
                      Reeve__PodSpec *pod)
{
    const struct yaml_node *tasks = yaml_tree_get(node, "tasks");
    const char *key = inline_key(node);

    if (tasks && key)
        return load_fail(l, yaml_tree_get(node, key),
                         "a pod has either tasks or one task of its own: '%s' "
                         "may not stand beside 'tasks'",
                         key);
    if (key) {
        pod->has_inline_task = pod->inline_task = true;
        return load_task(l, pod, "", node);
    }
    if (read_pod_volumes(l, node, pod) < 0)
        return -1;
    size_t mark = load_enter(l, "tasks");
    if (yaml_tree_is_null(tasks) ||
        (tasks->kind == YAML_KIND_MAP && !tasks->n_entries))
        return load_fail(l, tasks ? tasks : node, "required, at least one");
    if (schema_each(l, tasks, read_task, &pod->base) < 0)
        return -1;
    load_leave(l, mark);
    return 0;
}

/* Tells the keys that mean nothing here; they stay warnings because files that
 * are in use carry some. */
static void warn_unknown(struct loader *l, const struct yaml_node *node)
{
    for (size_t i = 0; i < node->n_entries; i++) {
        const struct yaml_entry *entry = &node->entries[i];
        struct yaml_node at = {.line = entry->line};
        bool known = load_is_task_key(entry->key);

        for (const struct schema_key *key = pod_keys; key->key; key++)
            known = known || strcmp(key->key, entry->key) == 0;
        if (known)
            continue;
        size_t mark = load_enter(l, entry->key);
        load_warn(l, &at, "unknown key, ignored");
        load_leave(l, mark);
    }
}

static int check_seccomp(struct loader *l, const struct yaml_node *node,
                         const Reeve__PodSpec *pod)
{
    if (pod->has_seccomp_unconfined && pod->seccomp_unconfined &&
        pod->seccomp_profile_name)
        return load_fail(l, node,
                         "cannot specify seccomp-unconfined and "
                         "seccomp-profile-name at the same time");
    return 0;
}

static int read_pod(struct loader *l, const char *key,
                    const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__ServiceSpec *spec = (Reeve__ServiceSpec *)(void *)into;
    Reeve__PodSpec *pod = PB_NEW(reeve__pod_spec);
    const char *why;

    PB_ADD(spec, pods, pod);
    pod->type = xstrdup(key);
    if (strstr(key, "__"))
        return load_fail(l, node,
                         "Pod names may not contain double underscores");
    if (!spec_name_is_valid(key, false, &why))
        return load_fail(l, node, "a pod's name %s", why);
    if (node->kind != YAML_KIND_MAP)
        return load_fail(l, node, "must be a map, got %s",
                         yaml_tree_what(node));
    warn_unknown(l, node);
    if (schema_fill(l, node, pod_keys, &pod->base) < 0 ||
        check_seccomp(l, node, pod) < 0)
        return -1;
    return read_tasks(l, node, pod);
}

int load_pods(struct loader *l, const struct yaml_node *pods,
              ProtobufCMessage *service)
{
    if (pods->kind == YAML_KIND_MAP && !pods->n_entries)
        return load_fail(l, pods, "required, at least one");
    return schema_each(l, pods, read_pod, service);
}
