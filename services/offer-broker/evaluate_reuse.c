/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate_reuse - a pod's own reservations, found again by their exact ids
 *
 * Never by agent id: agents change theirs.  What was confirmed once and is not
 * in the offers is waited for; what never was confirmed is reserved anew, and
 * the old id is remembered as abandoned.  An existing volume is never made
 * again: an empty one in its place would look like lost data.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/evaluate.h"
#include "services/offer-broker/evaluate_internal.h"

static bool is_entry(const Mesos__V1__Resource *resource,
                     const Reeve__ReservedResource *entry)
{
    return resource_is_dynamic(resource) && !resource_is_revocable(resource) &&
           str_eq(resource->name, entry->name) &&
           resource_label(resource, "resource_id") &&
           str_eq(resource_label(resource, "resource_id"), entry->resource_id);
}

/* The entry itself: for a volume only the volume, not its bare disk. */
static const Mesos__V1__Resource *
find_entry(const struct resources *pool, const Reeve__ReservedResource *entry)
{
    for (size_t i = 0; i < resources_count(pool); i++) {
        const Mesos__V1__Resource *r = resources_at(pool, i);

        if (is_entry(r, entry) &&
            str_eq(resource_volume_id(r), entry->persistence_id))
            return r;
    }
    return NULL;
}

/* Its CREATE never happened, or it is the remainder of a larger volume. */
const Mesos__V1__Resource *eval_bare_disk(const struct resources *pool,
                                          const Reeve__ReservedResource *entry)
{
    for (size_t i = 0; i < resources_count(pool); i++) {
        const Mesos__V1__Resource *r = resources_at(pool, i);

        if (is_entry(r, entry) && !resource_is_volume(r))
            return r;
    }
    return NULL;
}

/* No more of it is shown than what its volume left. */
static bool is_remainder(const Reeve__PodRecord *record,
                         const Reeve__ReservedResource *entry,
                         const Mesos__V1__Resource *disk)
{
    return entry->has_resize_to_milli ||
           resource_milli(disk) <=
               evaluate_remainder(record, entry->resource_id);
}

static bool is_shown(const Reeve__PodRecord *record,
                     const Reeve__ReservedResource *entry,
                     const struct resources *pool)
{
    const Mesos__V1__Resource *disk = eval_bare_disk(pool, entry);

    return find_entry(pool, entry) ||
           (disk && !is_remainder(record, entry, disk));
}

size_t evaluate_shown(const Reeve__PodRecord *record,
                      const struct resources *pool, size_t *of)
{
    size_t shown = 0;

    for (size_t i = 0; i < record->n_resources; i++)
        if (is_shown(record, record->resources[i], pool))
            shown++;
    if (of)
        *of = record->n_resources;
    return shown;
}

static bool is_unconfirmed(const Reeve__ReservedResource *entry)
{
    return entry->n_operation_ids > 0;
}

bool evaluate_is_unconfirmed(const Reeve__PodRecord *record)
{
    if (record->confirmed)
        return false;
    for (size_t i = 0; i < record->n_resources; i++)
        if (!is_unconfirmed(record->resources[i]))
            return false;
    return true;
}

/* An offer shows it: that confirms it better than any message. */
static void confirm(Reeve__ReservedResource *entry)
{
    for (size_t i = 0; i < entry->n_operation_ids; i++)
        free(entry->operation_ids[i]);
    entry->n_operation_ids = 0;
}

/* Not in the offers. */
static void missing(struct eval *e, const struct want *want,
                    const Reeve__ReservedResource *entry)
{
    AUTO_FREE char *text = want_text(want);

    if (!is_unconfirmed(entry)) {
        eval_fail(e, "its reserved %s is not offered%s", text,
                  entry->has_resize_to_milli ? ": it is getting its new size"
                                             : "");
        return;
    }
    PB_ADD(e->match->pod, abandoned, eval_abandoned(e->in->record, entry));
    eval_fresh(e, want);
}

/* ---- scalars ------------------------------------------------------ */
static Mesos__V1__Resource *with_milli(const Mesos__V1__Resource *resource,
                                       int64_t milli)
{
    Mesos__V1__Resource *copy = resource_dup(resource);

    resource_set_milli(copy, milli);
    return copy;
}

static void grow(struct eval *e, const struct want *want,
                 const Mesos__V1__Resource *found)
{
    int64_t more = want->milli - resource_milli(found);
    AUTO_FREE char *text = milli_text(more);
    AUTO_FREE char *offered = milli_text(eval_sum_free(e, want->name));
    Mesos__V1__Resource *extra;

    if (!eval_find_free(e, want->name, more)) {
        eval_fail(e, "%s %s offered, %s more needed", want->name, offered,
                  text);
        return;
    }
    extra = with_milli(found, more);
    eval_reserve(e, extra);
    resource_free(&extra);
}

static void shrink(struct eval *e, const struct want *want,
                   const Mesos__V1__Resource *found)
{
    Mesos__V1__Resource *less =
        with_milli(found, resource_milli(found) - want->milli);

    eval_unreserve(e, less);
    resource_free(&less);
}

static void reuse_scalar(struct eval *e, const struct want *want,
                         const Reeve__ReservedResource *entry)
{
    const Mesos__V1__Resource *found = find_entry(e->pool, entry);
    Mesos__V1__Resource *template, *wanted;
    Reeve__ReservedResource *copy;

    if (!found) {
        missing(e, want, entry);
        return;
    }
    template = resource_dup(found);
    if (resource_milli(template) < want->milli)
        grow(e, want, template);
    else if (resource_milli(template) > want->milli)
        shrink(e, want, template);
    wanted = with_milli(template, want->milli);
    resource_free(&template);
    copy = eval_record(e, entry);
    confirm(copy);
    eval_entry_amount(copy, wanted);
    eval_grant(e, want, wanted);
}

/* ---- ports -------------------------------------------------------- */
static bool admits(const Reeve__PortSpec *port, uint64_t number)
{
    if (port->port)
        return port->port == number;
    for (size_t i = 0; i < port->n_ranges; i++)
        if (port->ranges[i]->begin <= number && number <= port->ranges[i]->end)
            return true;
    return port->n_ranges == 0;
}

static void reuse_port(struct eval *e, const struct want *want,
                       const Reeve__ReservedResource *entry)
{
    const Mesos__V1__Resource *found = find_entry(e->pool, entry);
    Mesos__V1__Resource *kept;
    Reeve__ReservedResource *copy;

    if (!found || !found->ranges || found->ranges->n_range == 0) {
        missing(e, want, entry);
        return;
    }
    kept = resource_dup(found);
    if (!admits(want->port, kept->ranges->range[0]->begin)) {
        eval_unreserve(e, kept);
        resource_free(&kept);
        eval_fresh(e, want); /* another number is wanted now */
        return;
    }
    copy = eval_record(e, entry);
    confirm(copy);
    eval_entry_amount(copy, kept);
    eval_grant(e, want, kept);
}

/* ---- volumes ------------------------------------------------------ */
/* The disk is reserved, the volume is not there. */
static void bare_disk(struct eval *e, const struct want *want,
                      const Reeve__ReservedResource *entry,
                      const Mesos__V1__Resource *disk)
{
    Reeve__ReservedResource *copy;
    Mesos__V1__Resource *volume;

    if (!is_unconfirmed(entry)) {
        eval_fail(e,
                  "volume %s (%s) is gone although its disk is still reserved: "
                  "replace the pod if its data may be given up",
                  entry->container_path, entry->persistence_id);
        return;
    }
    volume = eval_volume_of(e, disk, entry->persistence_id, want->volume->path);
    eval_create(e, volume);
    copy = eval_record(e, entry);
    confirm(copy);
    PB_ADD(copy, operation_ids, xstrdup(e->create_id));
    eval_entry_amount(copy, volume);
    eval_grant(e, want, volume);
}

static void reuse_volume(struct eval *e, const struct want *want,
                         const Reeve__ReservedResource *entry)
{
    const Mesos__V1__Resource *found = find_entry(e->pool, entry);
    const Mesos__V1__Resource *disk = eval_bare_disk(e->pool, entry);
    Reeve__ReservedResource *copy;
    Mesos__V1__Resource *volume;

    if (!found && disk && !is_remainder(e->in->record, entry, disk)) {
        bare_disk(e, want, entry, disk);
        return;
    }
    if (!found) {
        missing(e, want, entry);
        return;
    }
    volume = resource_dup(found);
    copy = eval_record(e, entry);
    confirm(copy);
    eval_grant(e, want, eval_resize(e, want, volume, copy));
    resource_free(&volume);
}

void eval_reuse(struct eval *e, const struct want *want,
                const Reeve__ReservedResource *entry)
{
    switch (want->kind) {
    case WANT_SCALAR:
        reuse_scalar(e, want, entry);
        break;
    case WANT_PORT:
        reuse_port(e, want, entry);
        break;
    case WANT_VOLUME:
        reuse_volume(e, want, entry);
        break;
    }
}

void eval_orphan(struct eval *e, const Reeve__ReservedResource *entry)
{
    const Mesos__V1__Resource *found = find_entry(e->pool, entry);
    Mesos__V1__Resource *whole;

    /* A volume without a want keeps its data and its place in the record; so
     * does what is not offered here (in use by a sibling, or elsewhere). */
    if (entry->persistence_id || !found) {
        eval_record(e, entry);
        return;
    }
    whole = resource_dup(found);
    eval_unreserve(e, whole);
    resource_free(&whole);
}

static void add_entry(struct resources *pool, const Reeve__PodRecord *record,
                      const Reeve__ReservedResource *entry)
{
    AUTO_MESSAGE Mesos__V1__Resource *resource = NULL;

    if (is_shown(record, entry, pool))
        return;
    resource = WIRE_DECODE(mesos__v1__resource, entry->resource.data,
                           entry->resource.len, NULL);
    if (resource)
        resources_add(pool, resource);
}

bool evaluate_would_fit(const struct eval_in *in, const struct resources *pool,
                        struct buf *why)
{
    struct resources *all = pool ? resources_dup(pool) : resources_new();
    struct match *match;
    bool fits;

    for (size_t i = 0; i < in->record->n_resources; i++)
        add_entry(all, in->record, in->record->resources[i]);
    match = evaluate(in, &all, why);
    fits = match != NULL;
    match_destroy(&match);
    resources_destroy(&all);
    return fits;
}
