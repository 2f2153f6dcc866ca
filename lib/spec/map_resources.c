/* SPDX-License-Identifier: Apache-2.0 */
/* map_resources - what a task needs of an agent */
#include "lib/spec/map_resources.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/spec/loader.h"
#include "lib/wire/pb.h"

#define MAX_PROFILE 128

static Reeve__ResourceSet *set_of(ProtobufCMessage *message)
{
    ASSERT(message->descriptor == &reeve__resource_set__descriptor);
    return (Reeve__ResourceSet *)(void *)message;
}

/* ---- ports ---- */

static const struct schema_key vip_keys[] = {
    {.key = "prefix", .kind = SCHEMA_TEXT, .field = "vip_prefix"},
    {.key = "port", .kind = SCHEMA_WHOLE, .field = "vip_port", .max = 65535},
    {0}};

static int read_vip(struct loader *l, const struct yaml_node *node,
                    ProtobufCMessage *into)
{
    Reeve__PortSpec *port = (Reeve__PortSpec *)(void *)into;

    port->has_vip_port = true;
    if (schema_object(l, node, vip_keys, into) < 0)
        return -1;
    if (!port->vip_prefix)
        port->vip_prefix = xstrdup(port->name);
    return 0;
}

static const struct schema_key range_keys[] = {
    {.key = "begin", .kind = SCHEMA_WHOLE, .max = 65535},
    {.key = "end", .kind = SCHEMA_WHOLE, .max = 65535},
    {0}};

static int read_ranges(struct loader *l, const struct yaml_node *node,
                       ProtobufCMessage *into)
{
    Reeve__PortSpec *port = (Reeve__PortSpec *)(void *)into;

    if (node->kind != YAML_KIND_LIST)
        return load_fail(l, node, "must be a list, got %s",
                         yaml_tree_what(node));
    for (size_t i = 0; i < node->n_entries; i++) {
        const struct yaml_node *item = node->entries[i].value;
        Reeve__PortRange *range = PB_NEW(reeve__port_range);
        PB_ADD(port, ranges, range);
        if (schema_object(l, item, range_keys, &range->base) < 0)
            return -1;
        range->has_begin = range->has_end = true;
        if (range->end == 0)
            range->end = 65535;
        if (range->begin > range->end)
            return load_fail(l, item,
                             "invalid port constraint: begin %u is "
                             "above end %u",
                             range->begin, range->end);
    }
    return 0;
}

static const struct schema_key port_keys[] = {
    {.key = "port", .kind = SCHEMA_WHOLE, .required = true, .max = 65535},
    {.key = "env-key", .kind = SCHEMA_TEXT},
    {.key = "advertise", .kind = SCHEMA_BOOL},
    {.key = "vip", .kind = SCHEMA_CUSTOM, .read = read_vip},
    {.key = "ranges", .kind = SCHEMA_CUSTOM, .read = read_ranges},
    {0}};

static int read_port(struct loader *l, const char *key,
                     const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__ResourceSet *set = set_of(into);
    Reeve__PortSpec *port = PB_NEW(reeve__port_spec);

    PB_ADD(set, ports, port);
    port->name = xstrdup(key);
    if (schema_object(l, node, port_keys, &port->base) < 0)
        return -1;
    if (port->port && port->n_ranges)
        load_warn(l, node, "ranges mean nothing for a fixed port");
    for (size_t i = 0; i + 1 < set->n_ports; i++)
        if (port->port && set->ports[i]->port == port->port)
            return load_fail(l, node,
                             "Cannot have duplicate port values: Task has "
                             "multiple ports with value %u",
                             port->port);
    return 0;
}

static int check_vips(struct loader *l, const struct yaml_node *node,
                      const Reeve__ResourceSet *set)
{
    for (size_t i = 0; i < set->n_ports; i++)
        for (size_t j = 0; j < set->n_ports; j++)
            if (i != j && set->ports[i]->vip_prefix &&
                strcmp(set->ports[i]->vip_prefix, set->ports[j]->name) == 0)
                return load_fail(l, node,
                                 "Provided VIP prefix %.60s of port %.60s "
                                 "conflicts with other port %.60s",
                                 set->ports[i]->vip_prefix, set->ports[i]->name,
                                 set->ports[j]->name);
    return 0;
}

static int read_ports(struct loader *l, const struct yaml_node *node,
                      ProtobufCMessage *into)
{
    if (schema_each(l, node, read_port, into) < 0)
        return -1;
    return check_vips(l, node, set_of(into));
}

/* ---- volumes ---- */

/* One component: letters and digits first, then also '_' and '-'. */
static bool is_volume_path(const char *path)
{
    if (!isalnum((unsigned char)*path))
        return false;
    for (; *path; path++)
        if (!isalnum((unsigned char)*path) && *path != '_' && *path != '-')
            return false;
    return true;
}

static bool is_profile(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("_.-", text[i]))
            return false;
    return len >= 1 && len <= MAX_PROFILE;
}

static int check_profiles(struct loader *l, const struct yaml_node *node,
                          const Reeve__VolumeSpec *volume)
{
    if (volume->n_profiles && volume->type != REEVE__VOLUME_SPEC__TYPE__MOUNT)
        return load_fail(l, node, "A ROOT volume cannot have profiles");
    for (size_t i = 0; i < volume->n_profiles; i++) {
        if (!is_profile(volume->profiles[i]))
            return load_fail(l, node,
                             "'%.140s' is not a volume profile (up to "
                             "128 letters, digits, '_', '.', '-')",
                             volume->profiles[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(volume->profiles[i], volume->profiles[j]) == 0)
                return load_fail(l, node, "profile '%.140s' is given twice",
                                 volume->profiles[i]);
    }
    return 0;
}

static int read_volume_type(struct loader *l, const struct yaml_node *node,
                            ProtobufCMessage *into)
{
    Reeve__VolumeSpec *volume = (Reeve__VolumeSpec *)(void *)into;
    const char *text = str_or_empty(node->text);

    volume->has_type = true;
    if (strcmp(text, "ROOT") == 0)
        volume->type = REEVE__VOLUME_SPEC__TYPE__ROOT;
    else if (strcmp(text, "MOUNT") == 0)
        volume->type = REEVE__VOLUME_SPEC__TYPE__MOUNT;
    else
        return load_fail(l, node,
                         "Provided volume type '%.60s' for path '%.60s' is "
                         "invalid. Expected type to be one of: [ROOT, MOUNT]",
                         text, str_or_empty(volume->path));
    return 0;
}

static const struct schema_key volume_keys[] = {
    {.key = "path", .kind = SCHEMA_TEXT, .required = true},
    {.key = "type",
     .kind = SCHEMA_CUSTOM,
     .required = true,
     .read = read_volume_type},
    {.key = "size",
     .kind = SCHEMA_WHOLE,
     .field = "size_mib",
     .required = true,
     .min = 1,
     .max = SCHEMA_MAX_AMOUNT,
     .rule = "Scalar resource value must be greater than zero"},
    {.key = "profiles", .kind = SCHEMA_TEXTS},
    {.key = "allow-shrink", .kind = SCHEMA_BOOL},
    {0}};

int load_volume(struct loader *l, const struct yaml_node *node,
                Reeve__VolumeSpec **out)
{
    Reeve__VolumeSpec *volume = PB_NEW(reeve__volume_spec);

    *out = volume;
    if (schema_object(l, node, volume_keys, &volume->base) < 0)
        return -1;
    if (!is_volume_path(volume->path))
        return load_fail(l, node,
                         "path '%.100s' must be a single name of letters, "
                         "digits, '_' and '-'",
                         volume->path);
    return check_profiles(l, node, volume);
}

static int add_volume(struct loader *l, const char *key,
                      const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__VolumeSpec *volume = NULL;
    int rc = load_volume(l, node, &volume);

    (void)key; /* only a label for the reader of the file */
    PB_ADD(set_of(into), volumes, volume);
    return rc;
}

static int read_one_volume(struct loader *l, const struct yaml_node *node,
                           ProtobufCMessage *into)
{
    return add_volume(l, "", node, into);
}

static int read_volumes(struct loader *l, const struct yaml_node *node,
                        ProtobufCMessage *into)
{
    return schema_each(l, node, add_volume, into);
}

/* ---- limits ---- */

static const struct schema_key limit_keys[] = {
    {.key = "cpus", .kind = SCHEMA_TEXT, .field = "limit_cpus"},
    {.key = "memory", .kind = SCHEMA_TEXT, .field = "limit_memory"},
    {.key = "mem", .kind = SCHEMA_TEXT, .field = "limit_memory"},
    {0}};

static int check_limit(struct loader *l, const struct yaml_node *node,
                       const char *what, const char *text)
{
    double number;

    if (!text || strcmp(text, "unlimited") == 0)
        return 0;
    if (!parse_double(text, &number) || number <= 0)
        return load_fail(l, node,
                         "%s must be a number above zero or "
                         "'unlimited', got '%.60s'",
                         what, text);
    return 0;
}

static int read_limits(struct loader *l, const struct yaml_node *node,
                       ProtobufCMessage *into)
{
    const Reeve__ResourceSet *set = set_of(into);

    if (schema_object(l, node, limit_keys, into) < 0)
        return -1;
    if (yaml_tree_get(node, "mem"))
        load_warn(l, yaml_tree_get(node, "mem"), "'mem' is taken as 'memory'");
    if (check_limit(l, node, "cpus", set->limit_cpus) < 0)
        return -1;
    return check_limit(l, node, "memory", set->limit_memory);
}

/* ---- the set
 * ----------------------------------------------------------------------------
 */

#define ABOVE_ZERO "Scalar resource value must be greater than zero"

const struct schema_key load_resource_keys[] = {
    {.key = "cpus",
     .kind = SCHEMA_MILLI,
     .field = "cpu_milli",
     .min = 1,
     .rule = ABOVE_ZERO},
    {.key = "gpus",
     .kind = SCHEMA_MILLI,
     .field = "gpu_milli",
     .min = 1,
     .rule = ABOVE_ZERO},
    {.key = "memory",
     .kind = SCHEMA_WHOLE,
     .field = "mem_mib",
     .min = 1,
     .max = SCHEMA_MAX_AMOUNT,
     .rule = ABOVE_ZERO},
    {.key = "ports", .kind = SCHEMA_CUSTOM, .read = read_ports},
    {.key = "volume", .kind = SCHEMA_CUSTOM, .read = read_one_volume},
    {.key = "volumes", .kind = SCHEMA_CUSTOM, .read = read_volumes},
    {.key = "resource-limits", .kind = SCHEMA_CUSTOM, .read = read_limits},
    {0}};

bool load_is_pod_volume_key(const char *key)
{
    return strcmp(key, "volume") == 0 || strcmp(key, "volumes") == 0;
}

static int check_set(struct loader *l, const struct yaml_node *node,
                     const Reeve__ResourceSet *set)
{
    if (!yaml_tree_is_null(yaml_tree_get(node, "volume")) &&
        !yaml_tree_is_null(yaml_tree_get(node, "volumes")))
        return load_fail(l, node,
                         "Both 'volume' and 'volumes' may not be specified at "
                         "the same time: %.60s",
                         set->id);
    for (size_t i = 0; i < set->n_volumes; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(set->volumes[i]->path, set->volumes[j]->path) == 0)
                return load_fail(l, node,
                                 "Cannot configure multiple volumes with the "
                                 "same containerPath '%.60s'",
                                 set->volumes[i]->path);
    if (set->has_gpu_milli && set->gpu_milli % 1000)
        return load_fail(l, node, "gpus must be a whole number");
    if (!set->has_cpu_milli && !set->has_gpu_milli && !set->has_mem_mib &&
        !set->n_ports && !set->n_volumes)
        return load_fail(l, node,
                         "%.60s needs at least one resource (cpus, "
                         "memory, …)",
                         set->id);
    return 0;
}

static Reeve__ResourceSet *new_set(Reeve__PodSpec *pod, const char *id)
{
    Reeve__ResourceSet *set = PB_NEW(reeve__resource_set);

    PB_ADD(pod, resource_sets, set);
    set->id = xstrdup(id);
    return set;
}

int load_resource_set(struct loader *l, Reeve__PodSpec *pod, const char *id,
                      const struct yaml_node *node)
{
    Reeve__ResourceSet *set = new_set(pod, id);

    if (!*id)
        return load_fail(l, node, "a resource set has no name");
    if (schema_object(l, node, load_resource_keys, &set->base) < 0)
        return -1;
    return check_set(l, node, set);
}

int load_implicit_set(struct loader *l, Reeve__PodSpec *pod,
                      const Reeve__TaskSpec *task, const struct yaml_node *node)
{
    if (spec_find_resource_set(pod, task->resource_set))
        return load_fail(l, node,
                         "resource set '%.60s' is named like the one "
                         "made for a task without resource-set",
                         task->resource_set);
    Reeve__ResourceSet *set = new_set(pod, task->resource_set);
    if (schema_fill(l, node, load_resource_keys, &set->base) < 0)
        return -1;
    return check_set(l, node, set);
}
