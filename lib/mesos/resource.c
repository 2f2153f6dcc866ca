/* SPDX-License-Identifier: Apache-2.0 */
/* resource - making, amounts, reservations and disks of one resource
 *
 * Kinds and arithmetic: resource_kind.c; formats and validation:
 * resource_format.c; text: resource_text.c.
 */
#include "lib/mesos/resource.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/labels.h"
#include "lib/mesos/resources.h"
#include "lib/mesos/states.h"
#include "lib/wire/pb.h"
#include "lib/wire/wire.h"

/* ---- making ------------------------------------------------------------ */
static Mesos__V1__Resource *resource_new(const char *name,
                                         Mesos__V1__Value__Type type)
{
    Mesos__V1__Resource *resource = PB_NEW(mesos__v1__resource);
    resource->name = xstrdup(name);
    resource->type = type;
    return resource;
}

Mesos__V1__Resource *resource_scalar(const char *name, int64_t milli)
{
    Mesos__V1__Resource *resource =
        resource_new(name, MESOS__V1__VALUE__TYPE__SCALAR);
    resource_set_milli(resource, milli);
    return resource;
}

Mesos__V1__Resource *resource_range(const char *name, uint64_t begin,
                                    uint64_t end)
{
    Mesos__V1__Resource *resource =
        resource_new(name, MESOS__V1__VALUE__TYPE__RANGES);
    resource->ranges = PB_NEW(mesos__v1__value__ranges);
    ranges_add(resource->ranges, begin, end);
    return resource;
}

Mesos__V1__Resource *resource_dup(const Mesos__V1__Resource *resource)
{
    return WIRE_DUP(mesos__v1__resource, resource);
}

void resource_free(Mesos__V1__Resource **resource)
{
    if (*resource)
        mesos__v1__resource__free_unpacked(*resource, NULL);
    *resource = NULL;
}

Mesos__V1__Resource__ReservationInfo *reservation_new(const char *role,
                                                      const char *principal,
                                                      const char *label_key,
                                                      const char *label_value)
{
    Mesos__V1__Resource__ReservationInfo *reservation =
        PB_NEW(mesos__v1__resource__reservation_info);
    reservation->has_type = 1;
    reservation->type = MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
    reservation->role = xstrdup(role);
    reservation->principal = xstrdup(principal);
    if (label_key)
        labels_add(&reservation->labels, label_key, label_value);
    return reservation;
}

void reservation_free(Mesos__V1__Resource__ReservationInfo **reservation)
{
    wire_auto_free(reservation);
}

/* ---- amount ---------------------------------------------------------------
 */
int64_t milli_of(double value)
{
    static const double most = 9e15; /* exact in a double */
    double milli = value * 1000;
    if (isnan(milli))
        return 0;
    return llround(milli > most ? most : milli < -most ? -most : milli);
}

double milli_to_double(int64_t milli)
{
    return (double)milli / 1000;
}

int64_t resource_milli(const Mesos__V1__Resource *resource)
{
    return resource->scalar ? milli_of(resource->scalar->value) : 0;
}

void resource_set_milli(Mesos__V1__Resource *resource, int64_t milli)
{
    if (!resource->scalar)
        resource->scalar = PB_NEW(mesos__v1__value__scalar);
    resource->scalar->value = milli_to_double(milli);
}

bool resource_is_empty(const Mesos__V1__Resource *resource)
{
    if (resource->type == MESOS__V1__VALUE__TYPE__RANGES)
        return !resource->ranges || resource->ranges->n_range == 0;
    if (resource->type == MESOS__V1__VALUE__TYPE__SET)
        return !resource->set || resource->set->n_item == 0;
    return resource_milli(resource) == 0;
}

/* ---- reservations -----------------------------------------------------------
 */
const Mesos__V1__Resource__ReservationInfo *
resource_reservation(const Mesos__V1__Resource *resource)
{
    size_t n = resource->n_reservations;
    return n ? resource->reservations[n - 1] : NULL;
}

const char *resource_role(const Mesos__V1__Resource *resource)
{
    const Mesos__V1__Resource__ReservationInfo *reservation =
        resource_reservation(resource);
    return reservation ? str_or_empty(reservation->role) : "*";
}

bool resource_is_unreserved(const Mesos__V1__Resource *resource)
{
    return resource->n_reservations == 0;
}

bool resource_is_reserved(const Mesos__V1__Resource *resource, const char *role)
{
    return !resource_is_unreserved(resource) &&
           (!role || !strcmp(resource_role(resource), role));
}

bool resource_is_dynamic(const Mesos__V1__Resource *resource)
{
    const Mesos__V1__Resource__ReservationInfo *reservation =
        resource_reservation(resource);
    return reservation &&
           reservation->type ==
               MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC;
}

const char *resource_label(const Mesos__V1__Resource *resource, const char *key)
{
    const Mesos__V1__Resource__ReservationInfo *reservation =
        resource_reservation(resource);
    return reservation ? labels_find(reservation->labels, key) : NULL;
}

bool resource_is_allocatable_to(const Mesos__V1__Resource *resource,
                                const char *role)
{
    return resource_is_unreserved(resource) ||
           mesos_role_is_below(role, resource_role(resource), true);
}

void resource_push_reservation(
    Mesos__V1__Resource *resource,
    const Mesos__V1__Resource__ReservationInfo *reservation)
{
    Mesos__V1__Resource__ReservationInfo *copy =
        WIRE_DUP(mesos__v1__resource__reservation_info, reservation);
    resource->reservations =
        xrealloc(resource->reservations, (resource->n_reservations + 1) *
                                             sizeof(*resource->reservations));
    resource->reservations[resource->n_reservations++] = copy;
}

void resource_pop_reservation(Mesos__V1__Resource *resource)
{
    ASSERT(resource->n_reservations > 0);
    reservation_free(&resource->reservations[--resource->n_reservations]);
}

void resource_unreserve_all(Mesos__V1__Resource *resource)
{
    while (resource->n_reservations)
        resource_pop_reservation(resource);
}

const char *resource_allocated_role(const Mesos__V1__Resource *resource)
{
    return resource->allocation_info ? resource->allocation_info->role : NULL;
}

void resource_allocate(Mesos__V1__Resource *resource, const char *role)
{
    char *copy = xstrdup(role); /* role may be ours */
    wire_auto_free(&resource->allocation_info);
    if (!copy)
        return;
    resource->allocation_info = PB_NEW(mesos__v1__resource__allocation_info);
    resource->allocation_info->role = copy;
}

/* ---- disks -------------------------------------------------------------- */
bool resource_is_volume(const Mesos__V1__Resource *resource)
{
    return resource->disk && resource->disk->persistence;
}

const char *resource_volume_id(const Mesos__V1__Resource *resource)
{
    return resource_is_volume(resource) ? resource->disk->persistence->id
                                        : NULL;
}

enum disk_kind resource_disk_kind(const Mesos__V1__Resource *resource)
{
    if (!resource->disk || !resource->disk->source)
        return DISK_ROOT;
    switch ((int)resource->disk->source->type) {
    case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__PATH:
        return DISK_PATH;
    case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT:
        return DISK_MOUNT;
    case MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__BLOCK:
        return DISK_BLOCK;
    default:
        return DISK_RAW;
    }
}

const char *resource_disk_root(const Mesos__V1__Resource *resource)
{
    const Mesos__V1__Resource__DiskInfo__Source *source =
        resource->disk ? resource->disk->source : NULL;
    if (!source)
        return NULL;
    return source->mount  ? source->mount->root
           : source->path ? source->path->root
                          : NULL;
}

void resource_strip_volume(Mesos__V1__Resource *resource)
{
    wire_auto_free(&resource->shared);
    if (!resource->disk)
        return;
    wire_auto_free(&resource->disk->persistence);
    wire_auto_free(&resource->disk->volume);
    if (!resource->disk->source)
        wire_auto_free(&resource->disk);
}

bool resource_is_shared(const Mesos__V1__Resource *resource)
{
    return resource->shared != NULL;
}

bool resource_is_revocable(const Mesos__V1__Resource *resource)
{
    return resource->revocable != NULL;
}
