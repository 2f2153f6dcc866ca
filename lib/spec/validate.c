/* SPDX-License-Identifier: Apache-2.0 */
/* validate - rules over more than one object of a loaded spec */
#include <stdlib.h>
#include <string.h>

#include "lib/spec/loader.h"

static const struct yaml_node *pod_node(const struct yaml_node *root,
                                        const char *type)
{
    return yaml_tree_get(yaml_tree_get(root, "pods"), type);
}

static const struct yaml_node *task_node(const struct yaml_node *root,
                                         const Reeve__PodSpec *pod,
                                         const Reeve__TaskSpec *task)
{
    const struct yaml_node *node = pod_node(root, pod->type);
    const struct yaml_node *inner =
        yaml_tree_get(yaml_tree_get(node, "tasks"), task->name);

    return inner ? inner : node;
}

/* ---- resource sets ---- */

static int check_sets(struct loader *l, const struct yaml_node *root,
                      const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_tasks; i++) {
        const Reeve__TaskSpec *task = pod->tasks[i];
        if (!spec_find_resource_set(pod, task->resource_set))
            return load_fail(l, task_node(root, pod, task),
                             "task '%.60s' names resource-set '%.60s', which "
                             "pod '%.60s' does not have",
                             task->name, task->resource_set, pod->type);
    }
    return 0;
}

/* ---- volumes of a pod ---- */

static int check_pod_volumes(struct loader *l, const struct yaml_node *root,
                             const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_volumes; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(pod->volumes[i]->path, pod->volumes[j]->path) == 0)
                return load_fail(l, pod_node(root, pod->type),
                                 "Cannot configure multiple volumes with the "
                                 "same containerPath '%.60s'",
                                 pod->volumes[i]->path);
    return 0;
}

/* A task sees the volumes of its pod beside its own. */
static int check_hidden_volumes(struct loader *l, const struct yaml_node *root,
                                const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_resource_sets; i++) {
        const Reeve__ResourceSet *set = pod->resource_sets[i];
        for (size_t j = 0; j < set->n_volumes; j++)
            for (size_t k = 0; k < pod->n_volumes; k++)
                if (strcmp(set->volumes[j]->path, pod->volumes[k]->path) == 0)
                    return load_fail(l, pod_node(root, pod->type),
                                     "the pod and its resource set '%.60s' "
                                     "both have a volume at '%.60s'",
                                     set->id, pod->volumes[k]->path);
    }
    return 0;
}

/* ---- fixed ports that no two tasks of an agent can have ---- */

static bool is_port_of(const Reeve__ResourceSet *set, uint32_t number)
{
    for (size_t i = 0; i < set->n_ports; i++)
        if (number && set->ports[i]->port == number)
            return true;
    return false;
}

/* All sets of a pod are reserved on one agent, so a fixed port can be had
 * once; tasks of other networks have ports of their own. */
static int check_pod_ports(struct loader *l, const struct yaml_node *root,
                           const Reeve__PodSpec *pod)
{
    if (pod->n_networks)
        return 0;
    for (size_t i = 0; i < pod->n_resource_sets; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t k = 0; k < pod->resource_sets[i]->n_ports; k++) {
                uint32_t number = pod->resource_sets[i]->ports[k]->port;
                if (is_port_of(pod->resource_sets[j], number))
                    load_warn(l, pod_node(root, pod->type),
                              "port %u is asked for by two resource sets of "
                              "the pod and cannot be had twice on an agent",
                              number);
            }
    return 0;
}

/* ---- advertised ports ---- */

static bool is_used(const Reeve__PodSpec *pod, const char *set_id)
{
    for (size_t i = 0; i < pod->n_tasks; i++)
        if (str_eq(pod->tasks[i]->resource_set, set_id))
            return true;
    return false;
}

struct names {
    const char **name;
    size_t n;
};

static bool add_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->name[i], name) == 0)
            return false;
    names->name = xrealloc(names->name, (names->n + 1) * sizeof(*names->name));
    names->name[names->n++] = name;
    return true;
}

/* The first advertised name of the pod that is taken already, or NULL. */
static const char *add_advertised(struct names *names,
                                  const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_resource_sets; i++) {
        const Reeve__ResourceSet *set = pod->resource_sets[i];
        if (!is_used(pod, set->id))
            continue;
        for (size_t j = 0; j < set->n_ports; j++)
            if (set->ports[j]->advertise &&
                !add_name(names, set->ports[j]->name))
                return set->ports[j]->name;
    }
    return NULL;
}

static int check_advertised(struct loader *l, const struct yaml_node *root)
{
    struct names names = {0};
    int rc = 0;

    for (size_t i = 0; i < l->spec->n_pods && rc == 0; i++) {
        const Reeve__PodSpec *pod = l->spec->pods[i];
        const char *twice = add_advertised(&names, pod);
        if (twice)
            rc = load_fail(l, pod_node(root, pod->type),
                           "Service has duplicate advertised ports across "
                           "tasks: [%.100s]",
                           twice);
    }
    free(names.name);
    return rc;
}

/* ---- DNS prefixes
 * ---------------------------------------------------------------------------
 */

static bool has_prefix(const Reeve__PodSpec *pod, const char *prefix)
{
    for (size_t i = 0; i < pod->n_tasks; i++)
        if (pod->tasks[i]->discovery && pod->tasks[i]->discovery->prefix &&
            strcmp(pod->tasks[i]->discovery->prefix, prefix) == 0)
            return true;
    return false;
}

static int check_prefixes(struct loader *l, const struct yaml_node *root,
                          size_t pod_index)
{
    const Reeve__PodSpec *pod = l->spec->pods[pod_index];

    for (size_t i = 0; i < pod->n_tasks; i++) {
        const Reeve__DiscoverySpec *discovery = pod->tasks[i]->discovery;
        if (!discovery || !discovery->prefix)
            continue;
        for (size_t j = 0; j < pod_index; j++)
            if (has_prefix(l->spec->pods[j], discovery->prefix))
                return load_fail(l, task_node(root, pod, pod->tasks[i]),
                                 "Tasks in different pods cannot share DNS "
                                 "names: [%.100s]",
                                 discovery->prefix);
    }
    return 0;
}

/* ---- task names that two pods could give ---- */

/* Whether <a>-<i>-<task> can equal <b>-<j>[-<other>]: only when b is named like
 * an instance of a, and task like an instance below it. */
static bool can_collide(const Reeve__PodSpec *a, const char *task,
                        const Reeve__PodSpec *b, const char *other)
{
    size_t len = strlen(a->type);

    if (strncmp(a->type, b->type, len) != 0 || b->type[len] != '-')
        return false;
    const char *rest = b->type + len + 1;
    size_t digits = strspn(rest, "0123456789");
    rest += digits;
    if (!digits || (*rest && *rest != '-'))
        return false;
    /* task must now be <rest>-<j>[-<other>], without the leading '-' of rest.
     */
    AUTO_FREE char *full = xasprintf("-%s", task);
    if (!str_starts(full, rest) || full[strlen(rest)] != '-')
        return false;
    const char *tail = full + strlen(rest) + 1;
    digits = strspn(tail, "0123456789");
    tail += digits;
    if (!digits)
        return false;
    return *other ? *tail == '-' && strcmp(tail + 1, other) == 0 : !*tail;
}

static int check_task_names(struct loader *l, const struct yaml_node *root,
                            const Reeve__PodSpec *a, const Reeve__PodSpec *b)
{
    for (size_t i = 0; i < a->n_tasks; i++)
        for (size_t j = 0; *a->tasks[i]->name && j < b->n_tasks; j++)
            if (can_collide(a, a->tasks[i]->name, b, b->tasks[j]->name))
                return load_fail(l, task_node(root, a, a->tasks[i]),
                                 "task '%.60s' of pod '%.60s' would be named "
                                 "like one of pod '%.60s'",
                                 a->tasks[i]->name, a->type, b->type);
    return 0;
}

static int check_type_names(struct loader *l, const struct yaml_node *root,
                            const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < l->spec->n_pods; i++)
        if (l->spec->pods[i] != pod &&
            check_task_names(l, root, pod, l->spec->pods[i]) < 0)
            return -1;
    return 0;
}

int load_validate(struct loader *l, const struct yaml_node *root)
{
    for (size_t i = 0; i < l->spec->n_pods; i++) {
        const Reeve__PodSpec *pod = l->spec->pods[i];
        size_t pods = load_enter(l, "pods");
        load_enter(l, pod->type);
        if (check_type_names(l, root, pod) < 0 ||
            check_sets(l, root, pod) < 0 ||
            check_pod_volumes(l, root, pod) < 0 ||
            check_hidden_volumes(l, root, pod) < 0 ||
            check_pod_ports(l, root, pod) < 0 || check_prefixes(l, root, i) < 0)
            return -1;
        load_leave(l, pods);
    }
    return check_advertised(l, root);
}
