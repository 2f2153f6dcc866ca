/* SPDX-License-Identifier: Apache-2.0 */
/* container_build - see container_build.h
 *
 * A ContainerInfo is made only when something asks for it: plain tasks run on
 * agents whatever their isolators.
 */
#include "services/offer-broker/container_build.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/labels.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"

/* RLIMIT_NOFILE is RLMT_NOFILE to Mesos. */
static bool rlimit_type(const char *name, int *out)
{
    AUTO_FREE char *mesos_name = NULL;

    if (!name || !str_starts(name, "RLIMIT_"))
        return false;
    mesos_name = xasprintf("RLMT_%s", name + strlen("RLIMIT_"));
    return wire_enum_value(&mesos__v1__rlimit_info__rlimit__type__descriptor,
                           mesos_name, out);
}

int container_check(const Reeve__PodSpec *pod, struct err *err)
{
    int type;

    for (size_t i = 0; i < pod->n_rlimits; i++)
        if (!rlimit_type(pod->rlimits[i]->name, &type))
            return err_set(err, ERR_UNSUPPORTED, "rlimit %s is not known",
                           str_or_empty(pod->rlimits[i]->name));
    return 0;
}

/* *container may be NULL. */
static Mesos__V1__ContainerInfo *made(Mesos__V1__ContainerInfo **container)
{
    if (!*container) {
        *container = PB_NEW(mesos__v1__container_info);
        (*container)->type = MESOS__V1__CONTAINER_INFO__TYPE__MESOS;
    }
    return *container;
}

static Mesos__V1__LinuxInfo *linux_of(Mesos__V1__ContainerInfo **container)
{
    Mesos__V1__ContainerInfo *c = made(container);

    if (!c->linux_info)
        c->linux_info = PB_NEW(mesos__v1__linux_info);
    return c->linux_info;
}

/* Adds a volume with an empty source of that type; borrowed. */
static Mesos__V1__Volume *add_volume(Mesos__V1__ContainerInfo **container,
                                     const char *container_path, int type)
{
    Mesos__V1__ContainerInfo *c = made(container);
    Mesos__V1__Volume *volume;

    volume = PB_NEW(mesos__v1__volume);
    volume->mode = MESOS__V1__VOLUME__MODE__RW;
    volume->container_path = xstrdup(container_path);
    volume->source = PB_NEW(mesos__v1__volume__source);
    PB_SET(volume->source, type, (Mesos__V1__Volume__Source__Type)type);
    PB_ADD(c, volumes, volume);
    return volume;
}

static void add_sandbox_path(Mesos__V1__ContainerInfo **container,
                             const char *container_path, const char *path,
                             int type)
{
    Mesos__V1__Volume *volume =
        add_volume(container, container_path,
                   MESOS__V1__VOLUME__SOURCE__TYPE__SANDBOX_PATH);

    volume->source->sandbox_path =
        PB_NEW(mesos__v1__volume__source__sandbox_path);
    PB_SET(volume->source->sandbox_path, type,
           (Mesos__V1__Volume__Source__SandboxPath__Type)type);
    volume->source->sandbox_path->path = xstrdup(path);
}

static void add_image(Mesos__V1__ContainerInfo **container, const char *name)
{
    Mesos__V1__ContainerInfo *c;
    Mesos__V1__Image *image;

    if (!*str_or_empty(name))
        return;
    c = made(container);
    image = PB_NEW(mesos__v1__image);
    image->type = MESOS__V1__IMAGE__TYPE__DOCKER;
    image->docker = PB_NEW(mesos__v1__image__docker);
    image->docker->name = xstrdup(name);
    c->mesos = PB_NEW(mesos__v1__container_info__mesos_info);
    c->mesos->image = image;
    /* An image's own /tmp is on its root file system; the sandbox has room. */
    add_sandbox_path(container, "/tmp", "tmp",
                     MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__SELF);
}

static void add_rlimits(Mesos__V1__ContainerInfo **container,
                        const Reeve__PodSpec *pod)
{
    Mesos__V1__ContainerInfo *c;
    Mesos__V1__RLimitInfo__RLimit *limit;
    int type;

    for (size_t i = 0; i < pod->n_rlimits; i++) {
        const Reeve__RLimit *spec = pod->rlimits[i];

        if (!rlimit_type(spec->name, &type))
            continue;
        c = made(container);
        if (!c->rlimit_info)
            c->rlimit_info = PB_NEW(mesos__v1__rlimit_info);
        limit = PB_NEW(mesos__v1__rlimit_info__rlimit);
        PB_SET(limit, type, (Mesos__V1__RLimitInfo__RLimit__Type)type);
        if (spec->has_soft && spec->has_hard && spec->soft >= 0) {
            PB_SET(limit, soft, (uint64_t)spec->soft);
            PB_SET(limit, hard, (uint64_t)spec->hard);
        }
        PB_ADD(c->rlimit_info, rlimits, limit);
    }
}

static void add_secret_files(Mesos__V1__ContainerInfo **container,
                             const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_secrets; i++) {
        const Reeve__SecretSpec *spec = pod->secrets[i];
        Mesos__V1__Volume *volume;
        Mesos__V1__Secret *secret;

        if (!*str_or_empty(spec->file))
            continue;
        volume = add_volume(container, spec->file,
                            MESOS__V1__VOLUME__SOURCE__TYPE__SECRET);
        secret = PB_NEW(mesos__v1__secret);
        PB_SET(secret, type, MESOS__V1__SECRET__TYPE__REFERENCE);
        secret->reference = PB_NEW(mesos__v1__secret__reference);
        secret->reference->name = xstrdup(str_or_empty(spec->secret));
        volume->source->secret = secret;
    }
}

static void add_host_volumes(Mesos__V1__ContainerInfo **container,
                             const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_host_volumes; i++) {
        const Reeve__HostVolume *spec = pod->host_volumes[i];
        Mesos__V1__Volume *volume =
            add_volume(container, str_or_empty(spec->container_path),
                       MESOS__V1__VOLUME__SOURCE__TYPE__HOST_PATH);

        if (str_eq(spec->mode, "RO"))
            volume->mode = MESOS__V1__VOLUME__MODE__RO;
        volume->source->host_path =
            PB_NEW(mesos__v1__volume__source__host_path);
        volume->source->host_path->path =
            xstrdup(str_or_empty(spec->host_path));
    }
}

static void add_seccomp(Mesos__V1__ContainerInfo **container,
                        const Reeve__PodSpec *pod)
{
    Mesos__V1__SeccompInfo *seccomp;

    if (!pod->has_seccomp_unconfined && !pod->seccomp_profile_name)
        return;
    seccomp = PB_NEW(mesos__v1__seccomp_info);
    if (pod->seccomp_profile_name)
        seccomp->profile_name = xstrdup(pod->seccomp_profile_name);
    else
        PB_SET(seccomp, unconfined, pod->seccomp_unconfined);
    linux_of(container)->seccomp = seccomp;
}

static void add_ipc(Mesos__V1__ContainerInfo **container, const char *mode,
                    bool has_shm, uint32_t shm_size_mib)
{
    int value;

    if (mode && wire_enum_value(&mesos__v1__linux_info__ipc_mode__descriptor,
                                mode, &value))
        PB_SET(linux_of(container), ipc_mode,
               (Mesos__V1__LinuxInfo__IpcMode)value);
    if (has_shm)
        PB_SET(linux_of(container), shm_size, shm_size_mib);
}

static bool has_limits(const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_resource_sets; i++)
        if (pod->resource_sets[i]->limit_cpus ||
            pod->resource_sets[i]->limit_memory)
            return true;
    return false;
}

/* ---- volumes of tasks --------------------------------------------- */
static bool has_volume_at(const Reeve__ResourceSet *set, const char *path)
{
    for (size_t i = 0; i < set->n_volumes; i++)
        if (str_eq(set->volumes[i]->path, path))
            return true;
    return false;
}

char *container_mount_path(const Reeve__PodSpec *pod,
                           const Reeve__ResourceSet *set, const char *path)
{
    for (size_t i = 0; i < pod->n_resource_sets; i++)
        if (!str_eq(pod->resource_sets[i]->id, set->id) &&
            has_volume_at(pod->resource_sets[i], path))
            return xasprintf("%s.%s", path, set->id);
    return xstrdup(path);
}

static void add_own_volumes(Mesos__V1__ContainerInfo **container,
                            const Reeve__PodSpec *pod,
                            const Reeve__ResourceSet *set)
{
    for (size_t i = 0; set && i < set->n_volumes; i++) {
        const char *path = set->volumes[i]->path;
        AUTO_FREE char *mounted = container_mount_path(pod, set, path);

        if (!str_eq(mounted, path))
            add_sandbox_path(
                container, path, mounted,
                MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__PARENT);
    }
}

/* ---- external volumes --------------------------------------------- */
/* "size=10;repl=2" into parameters. */
static void add_options(Mesos__V1__Parameters *parameters, const char *text)
{
    while (*str_or_empty(text)) {
        size_t len = strcspn(text, ";"), key = strcspn(text, "=;");
        Mesos__V1__Parameter *one;

        if (key > 0) {
            one = PB_NEW(mesos__v1__parameter);
            one->key = xstrndup(text, key);
            one->value = key < len ? xstrndup(text + key + 1, len - key - 1)
                                   : xstrdup("");
            PB_ADD(parameters, parameter, one);
        }
        text += len + (text[len] == ';');
    }
}

static bool has_option(const Mesos__V1__Parameters *parameters, const char *key,
                       const char *value)
{
    for (size_t i = 0; i < parameters->n_parameter; i++)
        if (str_eq(parameters->parameter[i]->key, key) &&
            str_eq(parameters->parameter[i]->value, value))
            return true;
    return false;
}

/* The same volume for the same instance, wherever it is: by its name.  Portworx
 * has its own form and may share one among all instances. */
static char *external_name(const struct container_in *in,
                           const Reeve__ExternalVolume *spec, bool is_portworx,
                           bool is_shared)
{
    const char *between = is_portworx ? "-" : "_";
    AUTO_FREE char *given =
        spec->volume_name
            ? xstrdup(spec->volume_name)
            : xasprintf("%s%s%s", in->service_name, between, in->pod->type);
    AUTO_FREE char *base = spec_service_key(given); /* without slashes */

    return is_shared ? MOVE(base)
                     : xasprintf("%s%s%u", base, between, in->pod_index);
}

static void add_external(Mesos__V1__ContainerInfo **container,
                         const struct container_in *in,
                         const Reeve__ExternalVolume *spec)
{
    bool is_portworx = str_eq(spec->driver_name, "pxd");
    Mesos__V1__Volume *volume =
        add_volume(container, str_or_empty(spec->container_path),
                   MESOS__V1__VOLUME__SOURCE__TYPE__DOCKER_VOLUME);
    Mesos__V1__Volume__Source__DockerVolume *docker =
        PB_NEW(mesos__v1__volume__source__docker_volume);

    if (str_eq(spec->volume_mode, "RO"))
        volume->mode = MESOS__V1__VOLUME__MODE__RO;
    volume->source->docker_volume = docker;
    docker->driver = xstrdup(spec->driver_name);
    docker->driver_options = PB_NEW(mesos__v1__parameters);
    add_options(docker->driver_options, spec->driver_options);
    docker->name = external_name(
        in, spec, is_portworx,
        is_portworx && has_option(docker->driver_options, "shared", "true"));
    if (is_portworx) /* close to where it is used */
        add_options(docker->driver_options, "nodes=LocalNode");
}

static void add_all_external(Mesos__V1__ContainerInfo **container,
                             const struct container_in *in)
{
    for (size_t i = 0; i < in->pod->n_external_volumes; i++)
        add_external(container, in, in->pod->external_volumes[i]);
}

/* ---- networks ----------------------------------------------------- */
/* All of the pod's ports, also of tasks that come later: the executor's
 * container is made once. */
static void map_ports(Mesos__V1__NetworkInfo *network,
                      const Reeve__NetworkSpec *spec,
                      const Reeve__PodRecord *record)
{
    for (size_t i = 0; record && i < record->n_resources; i++) {
        const Reeve__ReservedResource *entry = record->resources[i];
        Mesos__V1__NetworkInfo__PortMapping *mapping;

        if (!str_eq(entry->name, "ports") || entry->n_ports == 0)
            continue;
        mapping = PB_NEW(mesos__v1__network_info__port_mapping);
        mapping->host_port = entry->ports[0]->begin;
        mapping->container_port = spec_mapped_port(spec, mapping->host_port);
        mapping->protocol = xstrdup("tcp");
        PB_ADD(network, port_mappings, mapping);
    }
}

static void add_network(Mesos__V1__ContainerInfo **container,
                        const struct container_in *in,
                        const Reeve__NetworkSpec *spec)
{
    Mesos__V1__NetworkInfo *network = PB_NEW(mesos__v1__network_info);
    Mesos__V1__ContainerInfo *c = made(container);

    network->name = xstrdup(spec->name);
    for (size_t k = 0; k < spec->n_labels; k++)
        labels_add(&network->labels, spec->labels[k]->key,
                   spec->labels[k]->value);
    if (spec_network_maps_ports(spec->name))
        map_ports(network, spec, in->record);
    PB_ADD(c, network_infos, network);
}

/* ---- containers --------------------------------------------------- */
Mesos__V1__ContainerInfo *container_of_task(const struct container_in *in,
                                            const Reeve__TaskSpec *task)
{
    const Reeve__PodSpec *pod = in->pod;
    Mesos__V1__ContainerInfo *container = NULL;

    add_image(&container, pod->image);
    add_rlimits(&container, pod);
    add_seccomp(&container, pod);
    add_secret_files(&container, pod);
    add_host_volumes(&container, pod);
    add_all_external(&container, in);
    add_ipc(&container, task->ipc_mode, task->has_shm_size_mib,
            task->shm_size_mib);
    for (size_t i = 0; i < pod->n_volumes; i++)
        add_sandbox_path(&container, pod->volumes[i]->path,
                         pod->volumes[i]->path,
                         MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__PARENT);
    add_own_volumes(&container, pod,
                    spec_find_resource_set(pod, task->resource_set));
    if (pod->share_pid_namespace)
        PB_SET(linux_of(&container), share_pid_namespace, true);
    /* All tasks of an executor must agree, or the master refuses the group. */
    if (has_limits(pod))
        PB_SET(linux_of(&container), share_cgroups, false);
    return container;
}

Mesos__V1__ContainerInfo *container_of_executor(const struct container_in *in)
{
    const Reeve__PodSpec *pod = in->pod;
    Mesos__V1__ContainerInfo *container = NULL;

    add_ipc(&container, pod->ipc_mode, pod->has_shm_size_mib,
            pod->shm_size_mib);
    add_all_external(&container, in);
    for (size_t i = 0; i < pod->n_networks; i++)
        add_network(&container, in, pod->networks[i]);
    return container;
}
