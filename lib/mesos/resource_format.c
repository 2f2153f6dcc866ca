/* SPDX-License-Identifier: Apache-2.0 */
/* resource_format - old and new reservation format, and what is well-formed
 *
 * Old: role ("*" or a role) and reservation (present: dynamic).  New: the stack
 * reservations[].  See resource.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/resource.h"
#include "lib/mesos/states.h"
#include "lib/wire/wire.h"

#define STATIC  MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC
#define DYNAMIC MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC

/* ---- old and new ----------------------------------------------------------
 */
static void set_role(Mesos__V1__Resource *resource, const char *role)
{
    char *copy = xstrdup(role); /* role may be ours */
    free(resource->role);
    resource->role = copy;
}

static void drop_old(Mesos__V1__Resource *resource)
{
    set_role(resource, NULL);
    reservation_free(&resource->reservation);
}

/* role and reservation beside a stack: they may only repeat it. */
static int check_mixed(const Mesos__V1__Resource *resource, struct err *err)
{
    if (!resource->role && !resource->reservation)
        return 0;
    if (resource->n_reservations > 1)
        return err_set(err, ERR_INVALID,
                       "Invalid resource format: 'Resource.role' and "
                       "'Resource.reservation' must not be set with more than "
                       "one reservation");
    const Mesos__V1__Resource__ReservationInfo *only =
        resource_reservation(resource);
    bool role_fits = resource->role && str_eq(resource->role, only->role);
    bool reservation_fits = !resource->reservation == (only->type == STATIC);
    if (!role_fits || !reservation_fits)
        return err_set(err, ERR_INVALID,
                       "Invalid resource format: 'Resource.role' and "
                       "'Resource.reservation' do not agree with "
                       "'Resource.reservations'");
    return 0;
}

static int upgrade_reserved(Mesos__V1__Resource *resource, struct err *err)
{
    const Mesos__V1__Resource__ReservationInfo *old = resource->reservation;
    if (old && (old->has_type || old->role))
        return err_set(
            err, ERR_INVALID,
            "'Resource.ReservationInfo.type' and '.role' must not be "
            "set for the 'Resource.reservation' field");
    Mesos__V1__Resource__ReservationInfo *reservation =
        old ? WIRE_DUP(mesos__v1__resource__reservation_info, old)
            : reservation_new(NULL, NULL, NULL, NULL);
    reservation->has_type = 1;
    reservation->type = old ? DYNAMIC : STATIC;
    reservation->role = xstrdup(resource->role);
    resource_push_reservation(resource, reservation);
    reservation_free(&reservation);
    drop_old(resource);
    return 0;
}

int resource_upgrade(Mesos__V1__Resource *resource, struct err *err)
{
    if (resource->n_reservations) {
        if (check_mixed(resource, err) < 0)
            return -1;
        drop_old(resource);
        return 0;
    }
    bool is_starred = !resource->role || !strcmp(resource->role, "*");
    if (is_starred && resource->reservation)
        return err_set(err, ERR_INVALID,
                       "Invalid reservation: role \"*\" cannot be dynamically "
                       "reserved");
    if (!is_starred)
        return upgrade_reserved(resource, err);
    drop_old(resource);
    return 0;
}

/* Fills role and reservation from at most one reservation. */
static void fill_old(Mesos__V1__Resource *resource)
{
    const Mesos__V1__Resource__ReservationInfo *current =
        resource_reservation(resource);
    drop_old(resource);
    set_role(resource, resource_role(resource));
    if (!current || current->type != DYNAMIC)
        return;
    resource->reservation =
        WIRE_DUP(mesos__v1__resource__reservation_info, current);
    resource->reservation->has_type = 0;
    resource->reservation->type = 0;
    free(resource->reservation->role);
    resource->reservation->role = NULL;
}

void resource_to_endpoint_format(Mesos__V1__Resource *resource)
{
    if (resource->n_reservations <= 1)
        fill_old(resource);
}

int resource_to_old_format(Mesos__V1__Resource *resource, struct err *err)
{
    if (resource->n_reservations > 1)
        return err_set(err, ERR_UNSUPPORTED,
                       "a refined reservation has no old format");
    fill_old(resource);
    resource_unreserve_all(resource);
    return 0;
}

/* ---- validation -----------------------------------------------------------
 */
static int validate_scalar(const Mesos__V1__Resource *r, struct err *err)
{
    if (!r->scalar || r->ranges || r->set)
        return err_set(err, ERR_INVALID, "Invalid scalar resource");
    if (!isfinite(r->scalar->value))
        return err_set(err, ERR_INVALID,
                       "Invalid scalar resource: value is not finite");
    if (r->scalar->value != 0 && resource_milli(r) <= 0)
        return err_set(err, ERR_INVALID, "Invalid scalar resource: value <= 0");
    return 0;
}

static int validate_ranges(const Mesos__V1__Resource *r, struct err *err)
{
    if (r->scalar || !r->ranges || r->set)
        return err_set(err, ERR_INVALID, "Invalid ranges resource");
    const Mesos__V1__Value__Ranges *ranges = r->ranges;
    for (size_t i = 0; i < ranges->n_range; i++) {
        const Mesos__V1__Value__Range *a = ranges->range[i];
        if (a->begin > a->end)
            return err_set(err, ERR_INVALID,
                           "Invalid ranges resource: begin > end");
        for (size_t k = 0; k < i; k++)
            if (a->begin <= ranges->range[k]->end &&
                ranges->range[k]->begin <= a->end)
                return err_set(err, ERR_INVALID,
                               "Invalid ranges resource: overlapping ranges");
    }
    return 0;
}

static int validate_set(const Mesos__V1__Resource *r, struct err *err)
{
    if (r->scalar || r->ranges || !r->set)
        return err_set(err, ERR_INVALID, "Invalid set resource");
    for (size_t i = 0; i < r->set->n_item; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(r->set->item[i], r->set->item[k]))
                return err_set(err, ERR_INVALID,
                               "Invalid set resource: duplicated elements");
    return 0;
}

static int validate_value(const Mesos__V1__Resource *r, struct err *err)
{
    switch ((int)r->type) {
    case MESOS__V1__VALUE__TYPE__SCALAR:
        return validate_scalar(r, err);
    case MESOS__V1__VALUE__TYPE__RANGES:
        return validate_ranges(r, err);
    case MESOS__V1__VALUE__TYPE__SET:
        return validate_set(r, err);
    default:
        return err_set(err, ERR_INVALID, "Unsupported resource type");
    }
}

static int validate_source(const Mesos__V1__Resource *r, struct err *err)
{
    if (!r->disk)
        return 0;
    if (strcmp(r->name, "disk") != 0)
        return err_set(err, ERR_INVALID,
                       "DiskInfo should not be set for %s resource", r->name);
    const Mesos__V1__Resource__DiskInfo__Source *source = r->disk->source;
    if (!source)
        return 0;
    const char *type = wire_enum_name(
        &mesos__v1__resource__disk_info__source__type__descriptor,
        source->type);
    if (!type || !strcmp(type, "UNKNOWN"))
        return err_set(err, ERR_INVALID,
                       "Unsupported 'DiskInfo.Source.Type' in 'DiskInfo'");
    bool is_device = !strcmp(type, "BLOCK") || !strcmp(type, "RAW");
    if (is_device && (source->mount || source->path))
        return err_set(err, ERR_INVALID,
                       "%s should not be set for %s disk source",
                       source->mount ? "Mount" : "Path", type);
    return 0;
}

static int validate_reservation(const Mesos__V1__Resource *r, size_t index,
                                struct err *err)
{
    const Mesos__V1__Resource__ReservationInfo *reservation =
        r->reservations[index];
    if (!reservation->has_type ||
        (reservation->type != STATIC && reservation->type != DYNAMIC))
        return err_set(err, ERR_INVALID,
                       "Invalid reservation: type is not set");
    if (!reservation->role)
        return err_set(err, ERR_INVALID,
                       "Invalid reservation: role is not set");
    if (mesos_role_validate(reservation->role, err) < 0)
        return err_wrap(err, "Invalid reservation role");
    if (!strcmp(reservation->role, "*"))
        return err_set(err, ERR_INVALID,
                       "Invalid reservation: role \"*\" cannot be reserved");
    if (index == 0)
        return 0;
    if (reservation->type == STATIC)
        return err_set(err, ERR_INVALID,
                       "Invalid refined reservation: A refined reservation "
                       "cannot be STATIC");
    const char *parent = str_or_empty(r->reservations[index - 1]->role);
    if (!mesos_role_is_below(reservation->role, parent, false))
        return err_set(err, ERR_INVALID,
                       "Invalid refined reservation: role '%s' is not a "
                       "refinement of '%s'",
                       reservation->role, parent);
    return 0;
}

static int validate_rest(const Mesos__V1__Resource *r, struct err *err)
{
    if (r->shared && strcmp(r->name, "disk") != 0)
        return err_set(err, ERR_INVALID, "Resource %s cannot be shared",
                       r->name);
    if (r->shared && !resource_is_volume(r))
        return err_set(err, ERR_INVALID,
                       "Only persistent volumes can be shared");
    if (!strcmp(r->name, "gpus") && resource_milli(r) % 1000 != 0)
        return err_set(err, ERR_INVALID,
                       "The 'gpus' resource must be an unsigned integer");
    return 0;
}

int resource_validate(const Mesos__V1__Resource *resource, struct err *err)
{
    if (!resource->name[0])
        return err_set(err, ERR_INVALID, "Empty resource name");
    if (validate_value(resource, err) < 0 || validate_source(resource, err) < 0)
        return -1;
    for (size_t i = 0; i < resource->n_reservations; i++)
        if (validate_reservation(resource, i, err) < 0)
            return -1;
    return validate_rest(resource, err);
}

static int validate_volume(const Mesos__V1__Resource *r, struct err *err)
{
    static const char where[] = "Invalid DiskInfo";
    if (r->revocable)
        return err_set(err, ERR_INVALID,
                       "%s: Persistent volumes cannot be created from "
                       "revocable resources",
                       where);
    if (resource_is_unreserved(r))
        return err_set(err, ERR_INVALID,
                       "%s: Persistent volumes cannot be created from "
                       "unreserved resources",
                       where);
    if (!r->disk->volume)
        return err_set(err, ERR_INVALID,
                       "%s: Expecting 'volume' to be set for persistent volume",
                       where);
    if (r->disk->volume->host_path)
        return err_set(err, ERR_INVALID,
                       "%s: Expecting 'host_path' to be unset for persistent "
                       "volume",
                       where);
    if (mesos_id_validate(r->disk->persistence->id, err) < 0)
        return err_wrap(err, "%s: Invalid persistence ID for persistent volume",
                        where);
    return 0;
}

int resource_validate_disk(const Mesos__V1__Resource *resource, struct err *err)
{
    const Mesos__V1__Resource__DiskInfo *disk = resource->disk;
    if (!disk)
        return 0;
    if (disk->persistence)
        return validate_volume(resource, err);
    if (disk->volume)
        return err_set(err, ERR_INVALID,
                       "Invalid DiskInfo: Non-persistent volume not supported");
    if (!disk->source)
        return err_set(err, ERR_INVALID,
                       "Invalid DiskInfo: DiskInfo is set but empty");
    return 0;
}
