/* SPDX-License-Identifier: Apache-2.0 */
/* change - may one spec replace another?  The validators, in their order */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/spec/spec.h"

#define MAX_DNS_LABEL 63

struct findings {
    char **out;
    size_t n, max;
    bool is_fatal;
};

static void find(struct findings *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void find(struct findings *f, const char *fmt, ...)
{
    char text[700];
    va_list ap;

    if (f->n == f->max)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    f->out[f->n++] = xstrdup(text);
}

typedef void check_fn(struct findings *, const Reeve__ServiceSpec *old,
                      const Reeve__ServiceSpec *next);

static void check_name(struct findings *f, const Reeve__ServiceSpec *old,
                       const Reeve__ServiceSpec *next)
{
    if (strstr(str_or_empty(next->name), "__"))
        find(f, "Service name may not contain double underscores: %s",
             next->name);
    if (old && !str_eq(old->name, next->name)) {
        find(f,
             "Service name cannot change from '%s' to '%s': a service of "
             "another name is another service",
             old->name, next->name);
        f->is_fatal = true;
    }
}

static void check_shrink(struct findings *f, const Reeve__ServiceSpec *old,
                         const Reeve__ServiceSpec *next)
{
    for (size_t i = 0; old && i < old->n_pods; i++) {
        const Reeve__PodSpec *was = old->pods[i];
        const Reeve__PodSpec *is = spec_find_pod(next, was->type);
        if (!is && !was->allow_decommission)
            find(f,
                 "New config is missing PodSpec named '%s' (expected "
                 "present with >= %u tasks)",
                 was->type, was->count);
        if (is && is->count < was->count && !is->allow_decommission)
            find(f,
                 "New config's PodSpec named '%s' has %u tasks, expected "
                 ">=%u tasks",
                 was->type, is->count, was->count);
    }
}

static void check_duplicates(struct findings *f, const Reeve__ServiceSpec *old,
                             const Reeve__ServiceSpec *next)
{
    (void)old;
    for (size_t i = 0; i < next->n_pods; i++)
        for (size_t j = 0; j < i; j++)
            if (str_eq(next->pods[i]->type, next->pods[j]->type)) {
                find(f, "Duplicate pod types detected.");
                return;
            }
}

static char *network_names(const Reeve__PodSpec *pod)
{
    struct buf out = {0};

    buf_add_char(&out, '[');
    for (size_t i = 0; i < pod->n_networks; i++)
        buf_addf(&out, "%s%s", i ? ", " : "", pod->networks[i]->name);
    buf_add_char(&out, ']');
    return buf_take(&out, NULL);
}

static void check_networks(struct findings *f, const Reeve__ServiceSpec *old,
                           const Reeve__ServiceSpec *next)
{
    for (size_t i = 0; old && i < old->n_pods; i++) {
        const Reeve__PodSpec *was = old->pods[i];
        const Reeve__PodSpec *is = spec_find_pod(next, was->type);
        if (!is || spec_uses_host_ports(was) == spec_uses_host_ports(is))
            continue;
        AUTO_FREE char *from = network_names(was);
        AUTO_FREE char *to = network_names(is);
        find(f,
             "New config has pod %s moving networks from %s to %s, changing "
             "its host ports requirements from %s to %s, not allowed.",
             was->type, from, to, spec_uses_host_ports(was) ? "true" : "false",
             spec_uses_host_ports(is) ? "true" : "false");
    }
}

static void check_pre_reserved(struct findings *f,
                               const Reeve__ServiceSpec *old,
                               const Reeve__ServiceSpec *next)
{
    for (size_t i = 0; old && i < old->n_pods; i++) {
        const Reeve__PodSpec *was = old->pods[i];
        const Reeve__PodSpec *is = spec_find_pod(next, was->type);
        const char *role =
            was->pre_reserved_role ? was->pre_reserved_role : "*";
        if (is &&
            !str_eq(role, is->pre_reserved_role ? is->pre_reserved_role : "*"))
            find(f,
                 "New config has changed the pre-reserved-role of PodSpec "
                 "named '%s' (expected it to stay '%s')",
                 was->type, role);
    }
}

static void check_user(struct findings *f, const Reeve__ServiceSpec *old,
                       const Reeve__ServiceSpec *next)
{
    if (!old || str_eq(old->user, next->user))
        return;
    find(f,
         "Cannot change user of deployed service from '%s' to '%s'. Revert "
         "to previous user '%s' to proceed.",
         str_or_empty(old->user), str_or_empty(next->user),
         str_or_empty(old->user));
    f->is_fatal = true;
}

/* A master does not take another principal for a framework that it knows, and
 * operators' rights hang on it. */
static void check_principal(struct findings *f, const Reeve__ServiceSpec *old,
                            const Reeve__ServiceSpec *next)
{
    if (old && str_eq(old->name, next->name) &&
        !str_eq(old->principal, next->principal))
        find(f,
             "Service principal cannot change from '%s' to '%s': the master "
             "takes no other principal for a framework it knows. Set "
             "scheduler.principal back to '%s'.",
             str_or_empty(old->principal), str_or_empty(next->principal),
             str_or_empty(old->principal));
}

static void check_region(struct findings *f, const Reeve__ServiceSpec *old,
                         const Reeve__ServiceSpec *next)
{
    if (old && !str_eq(old->region, next->region))
        find(f, "Region for old service must remain the same across "
                "deployments.");
}

static void check_dns(struct findings *f, const Reeve__ServiceSpec *old,
                      const Reeve__ServiceSpec *next)
{
    size_t len = 0;

    for (const char *p = str_or_empty(next->name); *p; p++)
        len += *p != '/';
    if (!old && len > MAX_DNS_LABEL)
        find(f, "Service name (without slashes) exceeds %d characters: %s",
             MAX_DNS_LABEL, next->name);
}

/* limit and amount in thousandths of the unit that is printed */
static void check_limit(struct findings *f, const char *what, const char *task,
                        const char *limit, int64_t amount_milli)
{
    double number;

    if (!limit || !parse_double(limit, &number)) /* none, or unlimited */
        return;
    if (number * 1000 + 0.5 < (double)amount_milli)
        find(f,
             "The %s resource-limits for task '%s', %s, is less than the "
             "requested amount, %g",
             what, task, limit, (double)amount_milli / 1000);
}

static void check_limits(struct findings *f, const Reeve__ServiceSpec *old,
                         const Reeve__ServiceSpec *next)
{
    (void)old;
    for (size_t i = 0; i < next->n_pods; i++) {
        const Reeve__PodSpec *pod = next->pods[i];
        for (size_t j = 0; j < pod->n_tasks; j++) {
            const Reeve__TaskSpec *task = pod->tasks[j];
            const Reeve__ResourceSet *set =
                spec_find_resource_set(pod, task->resource_set);
            const char *name = *task->name ? task->name : pod->type;
            if (!set)
                continue;
            check_limit(f, "cpus", name, set->limit_cpus, set->cpu_milli);
            check_limit(f, "memory", name, set->limit_memory,
                        set->mem_mib * 1000);
        }
    }
}

/* ---- volumes ---- */

static bool has_text(char *const *texts, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

/* But for the size, which may change. */
static bool same_volume(const Reeve__VolumeSpec *a, const Reeve__VolumeSpec *b)
{
    if (!str_eq(a->path, b->path) || a->type != b->type ||
        a->n_profiles != b->n_profiles)
        return false;
    for (size_t i = 0; i < a->n_profiles; i++)
        if (!has_text(b->profiles, b->n_profiles, a->profiles[i]))
            return false;
    return true;
}

/* Paths are unique within a list, so equal lengths and all found is equal. */
static bool same_volumes(Reeve__VolumeSpec *const *a, size_t n_a,
                         Reeve__VolumeSpec *const *b, size_t n_b)
{
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++) {
        bool found = false;
        for (size_t j = 0; j < n_b; j++)
            found = found || same_volume(a[i], b[j]);
        if (!found)
            return false;
    }
    return true;
}

static void check_task_volumes(struct findings *f, const Reeve__PodSpec *was,
                               const Reeve__PodSpec *is)
{
    for (size_t i = 0; i < was->n_tasks; i++) {
        const Reeve__TaskSpec *old = was->tasks[i];
        const Reeve__TaskSpec *next = spec_find_task(is, old->name);
        const Reeve__ResourceSet *a =
            spec_find_resource_set(was, old->resource_set);
        const Reeve__ResourceSet *b =
            next ? spec_find_resource_set(is, next->resource_set) : NULL;
        if (a && b &&
            !same_volumes(a->volumes, a->n_volumes, b->volumes, b->n_volumes))
            find(f,
                 "Volumes must be equal but for their size: those of task "
                 "'%s' of pod '%s' have changed.",
                 *old->name ? old->name : was->type, was->type);
    }
}

static void check_volumes(struct findings *f, const Reeve__ServiceSpec *old,
                          const Reeve__ServiceSpec *next)
{
    for (size_t i = 0; old && i < old->n_pods; i++) {
        const Reeve__PodSpec *was = old->pods[i];
        const Reeve__PodSpec *is = spec_find_pod(next, was->type);
        if (!is)
            continue;
        if (!same_volumes(was->volumes, was->n_volumes, is->volumes,
                          is->n_volumes))
            find(f,
                 "Volumes must be equal but for their size: those of pod '%s' "
                 "have changed.",
                 was->type);
        check_task_volumes(f, was, is);
    }
}

static void check_role(struct findings *f, const Reeve__ServiceSpec *old,
                       const Reeve__ServiceSpec *next)
{
    if (old && str_eq(old->name, next->name) && !str_eq(old->role, next->role))
        find(f, "Service role cannot change from '%s' to '%s'.",
             str_or_empty(old->role), str_or_empty(next->role));
}

size_t spec_check_change(const Reeve__ServiceSpec *old,
                         const Reeve__ServiceSpec *next, char **out, size_t max,
                         bool *is_fatal)
{
    static check_fn *const checks[] = {
        check_name,         check_shrink, check_duplicates, check_networks,
        check_pre_reserved, check_user,   check_principal,  check_region,
        check_dns,          check_limits, check_volumes,    check_role};
    struct findings f = {.out = out, .max = max};

    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        checks[i](&f, old, next);
    *is_fatal = f.is_fatal;
    return f.n;
}
