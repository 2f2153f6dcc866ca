/* SPDX-License-Identifier: Apache-2.0 */
/* wants - see wants.h */
#include "services/offer-broker/wants.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/spec/spec.h"

static void add(struct wants *wants, struct want want)
{
    if (want.kind != WANT_PORT && want.milli <= 0)
        return;
    wants->list =
        xrealloc(wants->list, (wants->count + 1) * sizeof(*wants->list));
    wants->list[wants->count++] = want;
}

static void add_scalar(struct wants *wants, const char *owner, const char *name,
                       int64_t milli)
{
    add(wants,
        (struct want){
            .kind = WANT_SCALAR, .owner = owner, .name = name, .milli = milli});
}

static void add_volume(struct wants *wants, const char *owner,
                       const Reeve__VolumeSpec *volume)
{
    add(wants, (struct want){.kind = WANT_VOLUME,
                             .owner = owner,
                             .name = "disk",
                             .milli = volume->size_mib * 1000,
                             .volume = volume});
}

static void add_set(struct wants *wants, const Reeve__ResourceSet *set,
                    bool has_host_ports)
{
    add_scalar(wants, set->id, "cpus", set->cpu_milli);
    add_scalar(wants, set->id, "mem", set->mem_mib * 1000);
    add_scalar(wants, set->id, "gpus", set->gpu_milli);
    for (size_t i = 0; has_host_ports && i < set->n_ports; i++)
        add(wants, (struct want){.kind = WANT_PORT,
                                 .owner = set->id,
                                 .name = "ports",
                                 .port = set->ports[i]});
    for (size_t i = 0; i < set->n_volumes; i++)
        add_volume(wants, set->id, set->volumes[i]);
}

void wants_of_pod(struct wants *wants, const Reeve__PodSpec *pod,
                  const struct overhead *overhead)
{
    memset(wants, 0, sizeof(*wants));
    add_scalar(wants, OWNER_EXECUTOR, "cpus", overhead->cpu_milli);
    add_scalar(wants, OWNER_EXECUTOR, "mem", overhead->mem_mib * 1000);
    add_scalar(wants, OWNER_EXECUTOR, "disk", overhead->disk_mib * 1000);
    for (size_t i = 0; i < pod->n_volumes; i++)
        add_volume(wants, OWNER_POD, pod->volumes[i]);
    for (size_t i = 0; i < pod->n_resource_sets; i++)
        add_set(wants, pod->resource_sets[i], spec_uses_host_ports(pod));
}

void wants_free(struct wants *wants)
{
    free(wants->list);
    memset(wants, 0, sizeof(*wants));
}

bool want_is_record(const struct want *want,
                    const Reeve__ReservedResource *record)
{
    bool is_volume = record->persistence_id != NULL;

    if (!str_eq(want->owner, record->owner) ||
        !str_eq(want->name, record->name))
        return false;
    switch (want->kind) {
    case WANT_SCALAR:
        return !is_volume;
    case WANT_PORT:
        return str_eq(want->port->name, record->port_name);
    case WANT_VOLUME:
        return is_volume && str_eq(want->volume->path, record->container_path);
    }
    return false;
}

char *milli_text(int64_t milli)
{
    char *text = xasprintf("%lld.%03lld", (long long)(milli / 1000),
                           (long long)(milli % 1000));
    size_t len = strlen(text);

    while (text[len - 1] == '0')
        text[--len] = '\0';
    if (text[len - 1] == '.')
        text[--len] = '\0';
    return text;
}

char *want_text(const struct want *want)
{
    AUTO_FREE char *amount = milli_text(want->milli);

    switch (want->kind) {
    case WANT_SCALAR:
        return xasprintf("%s %s", want->name, amount);
    case WANT_PORT:
        if (want->port->port)
            return xasprintf("port %s (%u)", str_or_empty(want->port->name),
                             want->port->port);
        return xasprintf("port %s", str_or_empty(want->port->name));
    case WANT_VOLUME:
        return xasprintf("volume %s (%s MiB)", str_or_empty(want->volume->path),
                         amount);
    }
    return NULL;
}
