/* SPDX-License-Identifier: Apache-2.0 */
/* supported - the one table of features that do not run yet */
#include "lib/spec/supported.h"

#include <stdbool.h>

#include "lib/base/base.h"

/* Any of the three may be given; true: the thing is asked for. */
struct feature {
    const char *key; /* as written in svc.yml */
    bool (*pod)(const Reeve__PodSpec *pod);
    bool (*task)(const Reeve__TaskSpec *task);
    bool (*set)(const Reeve__ResourceSet *set);
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
#define SET(name, condition)                                                   \
    static bool set_##name(const Reeve__ResourceSet *s)                        \
    {                                                                          \
        return condition;                                                      \
    }

static bool has_mount(Reeve__VolumeSpec *const *volumes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (volumes[i]->type == REEVE__VOLUME_SPEC__TYPE__MOUNT)
            return true;
    return false;
}

static bool has_vip(Reeve__PortSpec *const *ports, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ports[i]->vip_prefix)
            return true;
    return false;
}

POD(image, p->image)
POD(placement, p->placement)
POD(networks, p->n_networks > 0)
POD(secrets, p->n_secrets > 0)
POD(host_volumes, p->n_host_volumes > 0)
POD(external_volumes, p->n_external_volumes > 0)
POD(rlimits, p->n_rlimits > 0)
POD(pre_reserved, p->pre_reserved_role && !str_eq(p->pre_reserved_role, "*"))
POD(share_pid, p->share_pid_namespace)
POD(seccomp, p->seccomp_unconfined || p->seccomp_profile_name)
POD(ipc, p->ipc_mode)
POD(shm, p->has_shm_size_mib)
POD(mount, has_mount(p->volumes, p->n_volumes))
TASK(configs, t->n_configs > 0)
TASK(encryption, t->n_transport_encryption > 0)
TASK(ipc, t->ipc_mode)
TASK(shm, t->has_shm_size_mib)
SET(gpus, s->has_gpu_milli)
SET(vip, has_vip(s->ports, s->n_ports))
SET(mount, has_mount(s->volumes, s->n_volumes))
SET(limits, s->limit_cpus || s->limit_memory)

static const struct feature features[] = {
    {"image", pod_image, NULL, NULL},
    {"placement", pod_placement, NULL, NULL},
    {"networks", pod_networks, NULL, NULL},
    {"secrets", pod_secrets, NULL, NULL},
    {"host-volumes", pod_host_volumes, NULL, NULL},
    {"external-volumes", pod_external_volumes, NULL, NULL},
    {"rlimits", pod_rlimits, NULL, NULL},
    {"pre-reserved-role", pod_pre_reserved, NULL, NULL},
    {"share-pid-namespace", pod_share_pid, NULL, NULL},
    {"seccomp-unconfined and seccomp-profile-name", pod_seccomp, NULL, NULL},
    {"ipc-mode", pod_ipc, task_ipc, NULL},
    {"shm-size", pod_shm, task_shm, NULL},
    {"volume type MOUNT", pod_mount, NULL, set_mount},
    {"configs", NULL, task_configs, NULL},
    {"transport-encryption", NULL, task_encryption, NULL},
    {"gpus", NULL, NULL, set_gpus},
    {"vip", NULL, NULL, set_vip},
    {"resource-limits", NULL, NULL, set_limits},
};

static bool is_asked_for(const struct feature *f, const Reeve__PodSpec *pod)
{
    bool asked = f->pod && f->pod(pod);

    for (size_t i = 0; f->task && i < pod->n_tasks; i++)
        asked = asked || f->task(pod->tasks[i]);
    for (size_t i = 0; f->set && i < pod->n_resource_sets; i++)
        asked = asked || f->set(pod->resource_sets[i]);
    return asked;
}

size_t spec_unsupported(const Reeve__ServiceSpec *spec, char **out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < spec->n_pods; i++)
        for (size_t j = 0; j < ARRAY_LEN(features) && n < max; j++)
            if (is_asked_for(&features[j], spec->pods[i]))
                out[n++] = xasprintf("pods.%s: %s is not supported yet",
                                     spec->pods[i]->type, features[j].key);
    return n;
}
