/* SPDX-License-Identifier: Apache-2.0 */
/* resource_kind - when two resources are the same thing, and their arithmetic
 *
 * The master compares resources field by field and only then their amounts, so
 * any difference here makes an operation fail there.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/labels.h"
#include "lib/mesos/resource.h"
#include "lib/mesos/resources.h"
#include "lib/wire/pb.h"
#include "lib/wire/wire.h"

/* Both unset, or both set and the same. */
static bool text_equal(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool reservation_equal(const Mesos__V1__Resource__ReservationInfo *a,
                              const Mesos__V1__Resource__ReservationInfo *b)
{
    return a->has_type == b->has_type && a->type == b->type &&
           text_equal(a->role, b->role) &&
           text_equal(a->principal, b->principal) &&
           labels_equal(a->labels, b->labels);
}

bool resource_same_reservations(const Mesos__V1__Resource *a,
                                const Mesos__V1__Resource *b)
{
    if (a->n_reservations != b->n_reservations)
        return false;
    for (size_t i = 0; i < a->n_reservations; i++)
        if (!reservation_equal(a->reservations[i], b->reservations[i]))
            return false;
    return true;
}

/* Looks at the source and the persistence id; the volume (where it is mounted)
 * and the persistence principal do not count. */
static bool disk_equal(const Mesos__V1__Resource__DiskInfo *a,
                       const Mesos__V1__Resource__DiskInfo *b)
{
    if (!a || !b)
        return a == b;
    if (!a->source != !b->source || !a->persistence != !b->persistence)
        return false;
    if (a->source && !wire_equal(&a->source->base, &b->source->base))
        return false;
    return !a->persistence || !strcmp(a->persistence->id, b->persistence->id);
}

static bool provider_equal(const Mesos__V1__ResourceProviderID *a,
                           const Mesos__V1__ResourceProviderID *b)
{
    return a && b ? !strcmp(a->value, b->value) : a == b;
}

static bool allocation_equal(const Mesos__V1__Resource__AllocationInfo *a,
                             const Mesos__V1__Resource__AllocationInfo *b)
{
    return a && b ? text_equal(a->role, b->role) : a == b;
}

bool resource_same_kind(const Mesos__V1__Resource *a,
                        const Mesos__V1__Resource *b)
{
    return a->type == b->type && !strcmp(a->name, b->name) &&
           allocation_equal(a->allocation_info, b->allocation_info) &&
           resource_same_reservations(a, b) && disk_equal(a->disk, b->disk) &&
           !a->revocable == !b->revocable && !a->shared == !b->shared &&
           provider_equal(a->provider_id, b->provider_id);
}

/* ---- amounts --------------------------------------------------------------
 */
static bool has_item(const Mesos__V1__Value__Set *set, const char *item)
{
    for (size_t i = 0; set && i < set->n_item; i++)
        if (!strcmp(set->item[i], item))
            return true;
    return false;
}

static bool ranges_hold(const Mesos__V1__Resource *whole,
                        const Mesos__V1__Resource *part)
{
    for (size_t i = 0; part->ranges && i < part->ranges->n_range; i++) {
        const Mesos__V1__Value__Range *r = part->ranges->range[i];
        if (!whole->ranges || !ranges_contains(whole->ranges, r->begin, r->end))
            return false;
    }
    return true;
}

static bool set_holds(const Mesos__V1__Resource *whole,
                      const Mesos__V1__Resource *part)
{
    for (size_t i = 0; part->set && i < part->set->n_item; i++)
        if (!has_item(whole->set, part->set->item[i]))
            return false;
    return true;
}

/* Is part's amount within whole's? */
static bool amount_holds(const Mesos__V1__Resource *whole,
                         const Mesos__V1__Resource *part)
{
    if (whole->type == MESOS__V1__VALUE__TYPE__RANGES)
        return ranges_hold(whole, part);
    if (whole->type == MESOS__V1__VALUE__TYPE__SET)
        return set_holds(whole, part);
    return resource_milli(whole) >= resource_milli(part);
}

bool resource_equal(const Mesos__V1__Resource *a, const Mesos__V1__Resource *b)
{
    return resource_same_kind(a, b) && amount_holds(a, b) && amount_holds(b, a);
}

/* Cannot be cut or joined: a whole disk, or a volume with its data. */
static bool is_indivisible(const Mesos__V1__Resource *resource)
{
    enum disk_kind kind = resource_disk_kind(resource);
    return resource_is_volume(resource) || kind == DISK_MOUNT ||
           kind == DISK_BLOCK ||
           (kind == DISK_RAW && resource->disk->source->id);
}

bool resource_addable(const Mesos__V1__Resource *a,
                      const Mesos__V1__Resource *b)
{
    return !resource_is_shared(a) && !is_indivisible(a) &&
           resource_same_kind(a, b);
}

bool resource_contains(const Mesos__V1__Resource *whole,
                       const Mesos__V1__Resource *part)
{
    if (!resource_same_kind(whole, part) || !amount_holds(whole, part))
        return false;
    return !is_indivisible(whole) || amount_holds(part, whole);
}

static void add_items(Mesos__V1__Value__Set **set,
                      const Mesos__V1__Value__Set *more)
{
    if (!*set)
        *set = PB_NEW(mesos__v1__value__set);
    Mesos__V1__Value__Set *s = *set;
    for (size_t i = 0; more && i < more->n_item; i++) {
        if (has_item(s, more->item[i]))
            continue;
        s->item = xrealloc(s->item, (s->n_item + 1) * sizeof(*s->item));
        s->item[s->n_item++] = xstrdup(more->item[i]);
    }
}

static void subtract_items(Mesos__V1__Value__Set *set,
                           const Mesos__V1__Value__Set *less)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->n_item; i++) {
        if (has_item(less, set->item[i]))
            free(set->item[i]);
        else
            set->item[kept++] = set->item[i];
    }
    set->n_item = kept;
}

void resource_add(Mesos__V1__Resource *whole, const Mesos__V1__Resource *part)
{
    if (whole->type == MESOS__V1__VALUE__TYPE__SET) {
        add_items(&whole->set, part->set);
    } else if (whole->type == MESOS__V1__VALUE__TYPE__RANGES) {
        for (size_t i = 0; part->ranges && i < part->ranges->n_range; i++)
            ranges_add(whole->ranges, part->ranges->range[i]->begin,
                       part->ranges->range[i]->end);
    } else {
        resource_set_milli(whole, resource_milli(whole) + resource_milli(part));
    }
}

void resource_subtract(Mesos__V1__Resource *whole,
                       const Mesos__V1__Resource *part)
{
    if (whole->type == MESOS__V1__VALUE__TYPE__SET) {
        if (whole->set)
            subtract_items(whole->set, part->set);
    } else if (whole->type == MESOS__V1__VALUE__TYPE__RANGES) {
        for (size_t i = 0; part->ranges && i < part->ranges->n_range; i++)
            ranges_subtract(whole->ranges, part->ranges->range[i]->begin,
                            part->ranges->range[i]->end);
    } else {
        resource_set_milli(whole, resource_milli(whole) - resource_milli(part));
    }
}
