/* SPDX-License-Identifier: Apache-2.0 */
/* supported - the one table of features that do not run yet */
#include "lib/spec/supported.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/spec/placement.h"

enum where { NOWHERE, NOT_ON_DEVCLUSTER };

/* One function or both: true when the thing is asked for. */
struct feature {
    enum where where;
    const char *key; /* as written in svc.yml */
    bool (*pod)(const Reeve__PodSpec *pod);
    bool (*task)(const Reeve__TaskSpec *task);
};

#define POD(name, condition)                                                   \
    static bool pod_##name(const Reeve__PodSpec *p)                            \
    {                                                                          \
        return condition;                                                      \
    }
#define TASK(name, condition)                                                  \
    static bool task_##name(const Reeve__TaskSpec *t)                          \
    {                                                                          \
        return condition;                                                      \
    }

POD(external_volumes, p->n_external_volumes > 0)
POD(image, p->image)
POD(secrets, p->n_secrets > 0)
POD(share_pid, p->share_pid_namespace)
POD(seccomp, p->seccomp_unconfined || p->seccomp_profile_name)
POD(ipc, p->ipc_mode)
POD(shm, p->has_shm_size_mib)
TASK(encryption, t->n_transport_encryption > 0)
TASK(ipc, t->ipc_mode)
TASK(shm, t->has_shm_size_mib)

static bool pod_mapping_networks(const Reeve__PodSpec *p)
{
    for (size_t i = 0; i < p->n_networks; i++)
        if (spec_network_maps_ports(p->networks[i]->name))
            return true;
    return false;
}

static const struct feature features[] = {
    {NOWHERE, "transport-encryption", NULL, task_encryption},
    {NOT_ON_DEVCLUSTER, "external-volumes", pod_external_volumes, NULL},
    {NOT_ON_DEVCLUSTER, "image", pod_image, NULL},
    {NOT_ON_DEVCLUSTER, "networks that map ports", pod_mapping_networks, NULL},
    {NOT_ON_DEVCLUSTER, "secrets", pod_secrets, NULL},
    {NOT_ON_DEVCLUSTER, "share-pid-namespace", pod_share_pid, NULL},
    {NOT_ON_DEVCLUSTER, "seccomp-unconfined and seccomp-profile-name",
     pod_seccomp, NULL},
    {NOT_ON_DEVCLUSTER, "ipc-mode", pod_ipc, task_ipc},
    {NOT_ON_DEVCLUSTER, "shm-size", pod_shm, task_shm},
};

static bool is_asked_for(const struct feature *f, const Reeve__PodSpec *pod)
{
    bool asked = f->pod && f->pod(pod);

    for (size_t i = 0; f->task && i < pod->n_tasks; i++)
        asked = asked || f->task(pod->tasks[i]);
    return asked;
}

static size_t tell(const Reeve__ServiceSpec *spec, enum where where, char **out,
                   size_t max)
{
    const char *what =
        where == NOWHERE
            ? "is not supported yet"
            : "needs agents of a real cluster (--master): the devcluster "
              "cannot do it";
    size_t n = 0;

    for (size_t i = 0; i < spec->n_pods; i++)
        for (size_t j = 0; j < ARRAY_LEN(features) && n < max; j++)
            if (features[j].where == where &&
                is_asked_for(&features[j], spec->pods[i]))
                out[n++] = xasprintf("pods.%s: %s %s", spec->pods[i]->type,
                                     features[j].key, what);
    return n;
}

size_t spec_unsupported(const Reeve__ServiceSpec *spec, char **out, size_t max)
{
    return tell(spec, NOWHERE, out, max);
}

size_t spec_unsupported_by_devcluster(const Reeve__ServiceSpec *spec,
                                      char **out, size_t max)
{
    return tell(spec, NOT_ON_DEVCLUSTER, out, max);
}

/* ---- placement hooks ---------------------------------------------- */
struct hooks {
    const Reeve__PodSpec *pod;
    const char *configured;
    char **out;
    size_t n, max;
};

/* Is it one of "a,b=ipc:///x"? */
static bool is_configured(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; *at;) {
        size_t item = strcspn(at, ",");
        size_t blanks = strspn(at, " ");

        at += MIN(blanks, item);
        item -= MIN(blanks, item);
        if (strncmp(at, name, len) == 0 && strcspn(at, "=, ") == len)
            return true;
        at += item;
        at += *at == ',';
    }
    return false;
}

static void check_hook(void *self, const char *name)
{
    struct hooks *hooks = self;

    if (hooks->n < hooks->max && !is_configured(hooks->configured, name))
        hooks->out[hooks->n++] = xasprintf(
            "pods.%s.placement: no placement hook %.60s is configured: set "
            "REEVE_PLACEMENT_HOOK=%.60s (or its list) for the broker and here",
            hooks->pod->type, name, name);
}

size_t spec_unconfigured_hooks(const Reeve__ServiceSpec *spec,
                               const char *configured, char **out, size_t max)
{
    struct hooks hooks = {
        .configured = str_or_empty(configured), .out = out, .max = max};

    for (size_t i = 0; i < spec->n_pods; i++) {
        struct placement_rules *rules =
            placement_parse(str_or_empty(spec->pods[i]->placement), NULL);

        hooks.pod = spec->pods[i];
        if (rules)
            placement_each_hook(rules, check_hook, &hooks);
        placement_free(&rules);
    }
    return hooks.n;
}
