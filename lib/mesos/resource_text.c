/* SPDX-License-Identifier: Apache-2.0 */
/* resource_text - resources as the master's log and refusals write them */
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/mesos/resources.h"
#include "lib/wire/wire.h"

static void add_milli(struct buf *out, int64_t milli)
{
    uint64_t size = milli < 0 ? -(uint64_t)milli : (uint64_t)milli;
    unsigned rest = (unsigned)(size % 1000);
    buf_addf(out, "%s%" PRIu64, milli < 0 ? "-" : "", size / 1000);
    if (rest == 0)
        return;
    buf_addf(out, ".%03u", rest);
    while (out->data[out->len - 1] == '0')
        out->data[--out->len] = '\0';
}

static void add_labels(struct buf *out, const Mesos__V1__Labels *labels)
{
    buf_add_str(out, ",{");
    for (size_t i = 0; i < labels->n_labels; i++) {
        const Mesos__V1__Label *label = labels->labels[i];
        buf_addf(out, "%s%s", i ? ", " : "", label->key);
        if (label->value)
            buf_addf(out, ": %s", label->value);
    }
    buf_add_char(out, '}');
}

static void add_reservations(struct buf *out,
                             const Mesos__V1__Resource *resource)
{
    buf_add_str(out, "(reservations: [");
    for (size_t i = 0; i < resource->n_reservations; i++) {
        const Mesos__V1__Resource__ReservationInfo *r =
            resource->reservations[i];
        const char *type = wire_enum_name(
            &mesos__v1__resource__reservation_info__type__descriptor, r->type);
        buf_addf(out, "%s(%s,%s", i ? "," : "", type ? type : "UNKNOWN",
                 str_or_empty(r->role));
        if (r->principal)
            buf_addf(out, ",%s", r->principal);
        if (r->labels)
            add_labels(out, r->labels);
        buf_add_char(out, ')');
    }
    buf_add_str(out, "])");
}

static void add_disk(struct buf *out, const Mesos__V1__Resource *resource)
{
    const Mesos__V1__Resource__DiskInfo *disk = resource->disk;
    buf_add_char(out, '[');
    if (disk->source) {
        const Mesos__V1__Resource__DiskInfo__Source *s = disk->source;
        const char *type = wire_enum_name(
            &mesos__v1__resource__disk_info__source__type__descriptor, s->type);
        buf_add_str(out, type ? type : "UNKNOWN");
        if (s->id || s->profile)
            buf_addf(out, "(%s,%s,%s)", str_or_empty(s->vendor),
                     str_or_empty(s->id), str_or_empty(s->profile));
        if (resource_disk_root(resource))
            buf_addf(out, ":%s", resource_disk_root(resource));
    }
    if (disk->persistence)
        buf_addf(out, "%s%s", disk->source ? "," : "", disk->persistence->id);
    if (disk->volume && disk->volume->host_path)
        buf_addf(out, ":%s:%s:%s", disk->volume->host_path,
                 disk->volume->container_path,
                 disk->volume->mode == MESOS__V1__VOLUME__MODE__RO ? "ro"
                                                                   : "rw");
    else if (disk->volume)
        buf_addf(out, ":%s", disk->volume->container_path);
    buf_add_char(out, ']');
}

static void add_amount(struct buf *out, const Mesos__V1__Resource *resource)
{
    if (resource->type == MESOS__V1__VALUE__TYPE__RANGES) {
        buf_add_char(out, '[');
        for (size_t i = 0; resource->ranges && i < resource->ranges->n_range;
             i++)
            buf_addf(out, "%s%" PRIu64 "-%" PRIu64, i ? ", " : "",
                     resource->ranges->range[i]->begin,
                     resource->ranges->range[i]->end);
        buf_add_char(out, ']');
    } else if (resource->type == MESOS__V1__VALUE__TYPE__SET) {
        buf_add_char(out, '{');
        for (size_t i = 0; resource->set && i < resource->set->n_item; i++)
            buf_addf(out, "%s%s", i ? ", " : "", resource->set->item[i]);
        buf_add_char(out, '}');
    } else {
        add_milli(out, resource_milli(resource));
    }
}

static void add_resource(struct buf *out, const Mesos__V1__Resource *resource)
{
    buf_add_str(out, resource->name);
    if (resource->allocation_info)
        buf_addf(out, "(allocated: %s)",
                 str_or_empty(resource->allocation_info->role));
    if (resource->n_reservations)
        add_reservations(out, resource);
    if (resource->disk)
        add_disk(out, resource);
    if (resource->revocable)
        buf_add_str(out, "{REV}");
    if (resource->shared)
        buf_add_str(out, "<SHARED>");
    buf_add_char(out, ':');
    add_amount(out, resource);
}

char *resource_text(const Mesos__V1__Resource *resource)
{
    struct buf out = {0};
    add_resource(&out, resource);
    return buf_take(&out, NULL);
}

char *resources_text(const struct resources *resources)
{
    struct buf out = {0};
    for (size_t i = 0; i < resources_count(resources); i++) {
        const Mesos__V1__Resource *resource = resources_at(resources, i);
        buf_add_str(&out, i ? "; " : "");
        add_resource(&out, resource);
        if (resource->shared)
            buf_addf(&out, "<%u>", resources_copies(resources, i));
    }
    if (out.len == 0)
        buf_add_str(&out, "{}");
    return buf_take(&out, NULL);
}
