/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate - see evaluate.h; here: free resources, fresh reservations, the
 * frame of both ways */
#include "services/offer-broker/evaluate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/labels.h"
#include "lib/spec/spec.h"
#include "lib/mesos/pb_mesos.h"
#include "services/offer-broker/evaluate_internal.h"

void match_destroy(struct match **match)
{
    struct match *m = *match;
    ProtobufCMessage *message;

    if (!m)
        return;
    for (size_t i = 0; i < m->n_grants; i++)
        resource_free(&m->grants[i].resource);
    free(m->grants);
    for (size_t i = 0; i < m->n_ops; i++) {
        message = m->ops[i] ? &m->ops[i]->base : NULL;
        wire_free(&message);
    }
    free(m->ops);
    free(m->resize);
    message = m->pod ? &m->pod->base : NULL;
    wire_free(&message);
    free(m);
    *match = NULL;
}

void eval_fail(struct eval *e, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (e->failures++)
        buf_add_str(e->why, "; ");
    buf_add_str(e->why, text);
}

/* ---- what is free ------------------------------------------------- */
static bool is_free(const struct eval *e, const Mesos__V1__Resource *resource)
{
    const char *role = e->in->pre_reserved_role;

    if (!role)
        return resource_is_unreserved(resource);
    return resource->n_reservations == 1 && !resource_is_dynamic(resource) &&
           str_eq(resource->reservations[0]->role, role);
}

static bool is_plain_free(const struct eval *e,
                          const Mesos__V1__Resource *resource)
{
    return is_free(e, resource) && !resource_is_revocable(resource) &&
           !resource_is_shared(resource) && !resource_is_volume(resource);
}

static bool is_free_scalar(const struct eval *e,
                           const Mesos__V1__Resource *resource,
                           const char *name)
{
    return is_plain_free(e, resource) && str_eq(resource->name, name) &&
           resource_disk_kind(resource) == DISK_ROOT;
}

const Mesos__V1__Resource *eval_find_free(const struct eval *e,
                                          const char *name, int64_t milli)
{
    for (size_t i = 0; i < resources_count(e->pool); i++) {
        const Mesos__V1__Resource *r = resources_at(e->pool, i);

        if (is_free_scalar(e, r, name) && resource_milli(r) >= milli)
            return r;
    }
    return NULL;
}

int64_t eval_sum_free(const struct eval *e, const char *name)
{
    int64_t sum = 0;

    for (size_t i = 0; i < resources_count(e->pool); i++) {
        const Mesos__V1__Resource *r = resources_at(e->pool, i);

        if (is_free_scalar(e, r, name))
            sum += resource_milli(r);
    }
    return sum;
}

/* First number of [begin, end] that is not one of the pod's fixed ports; 0:
 * none. */
static uint32_t first_free(const struct eval *e, uint64_t begin, uint64_t end)
{
    for (uint64_t number = MAX(begin, 1); number <= end; number++)
        if (!spec_is_fixed_port(e->in->pod, (uint32_t)number))
            return (uint32_t)number;
    return 0;
}

/* First number of [begin, end] that the port admits; 0: none. */
static uint32_t admitted(const struct eval *e, const Reeve__PortSpec *port,
                         uint64_t begin, uint64_t end)
{
    uint32_t number = 0;

    if (port->port)
        return begin <= port->port && port->port <= end ? port->port : 0;
    if (port->n_ranges == 0)
        return first_free(e, begin, end);
    for (size_t i = 0; i < port->n_ranges && !number; i++)
        number = first_free(e, MAX(begin, port->ranges[i]->begin),
                            MIN(end, port->ranges[i]->end));
    return number;
}

uint32_t eval_free_port(const struct eval *e, const Reeve__PortSpec *port,
                        const Mesos__V1__Resource **from)
{
    for (size_t i = 0; i < resources_count(e->pool); i++) {
        const Mesos__V1__Resource *r = resources_at(e->pool, i);

        if (!is_plain_free(e, r) || !str_eq(r->name, "ports") || !r->ranges)
            continue;
        for (size_t k = 0; k < r->ranges->n_range; k++) {
            uint32_t number = admitted(e, port, r->ranges->range[k]->begin,
                                       r->ranges->range[k]->end);
            if (number) {
                *from = r;
                return number;
            }
        }
    }
    return 0;
}

static bool profile_fits(const Mesos__V1__Resource *disk,
                         const Reeve__VolumeSpec *volume)
{
    const char *profile = disk->disk->source->profile;

    if (volume->n_profiles == 0)
        return !profile;
    for (size_t i = 0; profile && i < volume->n_profiles; i++)
        if (str_eq(profile, volume->profiles[i]))
            return true;
    return false;
}

/* The smallest free MOUNT disk that is large enough; taken whole. */
static const Mesos__V1__Resource *find_mount(const struct eval *e,
                                             const struct want *want)
{
    const Mesos__V1__Resource *best = NULL;

    for (size_t i = 0; i < resources_count(e->pool); i++) {
        const Mesos__V1__Resource *r = resources_at(e->pool, i);

        if (!is_plain_free(e, r) || resource_disk_kind(r) != DISK_MOUNT)
            continue;
        if (resource_milli(r) < want->milli || !profile_fits(r, want->volume))
            continue;
        if (!best || resource_milli(r) < resource_milli(best))
            best = r;
    }
    return best;
}

char *eval_operation_id(const struct eval_in *in)
{
    char uuid[UUID_TEXT_SIZE];

    in->ids->next(in->ids, uuid);
    return xasprintf("%s__%s", in->pod_instance, uuid);
}

char *evaluate_instance_of(const char *id)
{
    const char *mark = NULL;

    for (const char *at = strstr(str_or_empty(id), "__"); at;
         at = strstr(at + 1, "__"))
        mark = at;
    return mark && mark > id ? xstrndup(id, (size_t)(mark - id)) : NULL;
}

/* ---- operations --------------------------------------------------- */
void eval_apply(struct eval *e, const Mesos__V1__Offer__Operation *op)
{
    struct err err = {0};

    if (resources_apply(e->pool, op, &err) < 0)
        eval_fail(e, "%s", err.text);
}

void eval_reserve(struct eval *e, const Mesos__V1__Resource *resource)
{
    Mesos__V1__Offer__Operation one = MESOS__V1__OFFER__OPERATION__INIT;
    Mesos__V1__Offer__Operation__Reserve body =
        MESOS__V1__OFFER__OPERATION__RESERVE__INIT;
    Mesos__V1__Resource *list[] = {resource_dup(resource)};

    PB_SET(&one, type, MESOS__V1__OFFER__OPERATION__TYPE__RESERVE);
    one.reserve = &body;
    body.resources = list;
    body.n_resources = 1;
    eval_apply(e, &one);
    if (!e->reserve) {
        e->reserve = PB_NEW(mesos__v1__offer__operation);
        e->reserve->has_type = true;
        e->reserve->type = one.type;
        e->reserve->id = pb_operation_id(e->reserve_id);
        e->reserve->reserve = PB_NEW(mesos__v1__offer__operation__reserve);
    }
    PB_ADD(e->reserve->reserve, resources, list[0]);
}

void eval_unreserve(struct eval *e, const Mesos__V1__Resource *resource)
{
    Mesos__V1__Offer__Operation one = MESOS__V1__OFFER__OPERATION__INIT;
    Mesos__V1__Offer__Operation__Unreserve body =
        MESOS__V1__OFFER__OPERATION__UNRESERVE__INIT;
    Mesos__V1__Resource *list[] = {resource_dup(resource)};
    AUTO_FREE char *id = NULL;

    PB_SET(&one, type, MESOS__V1__OFFER__OPERATION__TYPE__UNRESERVE);
    one.unreserve = &body;
    body.resources = list;
    body.n_resources = 1;
    eval_apply(e, &one);
    if (!e->unreserve) {
        id = eval_operation_id(e->in);
        e->unreserve = PB_NEW(mesos__v1__offer__operation);
        PB_SET(e->unreserve, type, one.type);
        e->unreserve->id = pb_operation_id(id);
        e->unreserve->unreserve =
            PB_NEW(mesos__v1__offer__operation__unreserve);
    }
    PB_ADD(e->unreserve->unreserve, resources, list[0]);
}

void eval_create(struct eval *e, const Mesos__V1__Resource *volume)
{
    Mesos__V1__Offer__Operation one = MESOS__V1__OFFER__OPERATION__INIT;
    Mesos__V1__Offer__Operation__Create body =
        MESOS__V1__OFFER__OPERATION__CREATE__INIT;
    Mesos__V1__Resource *list[] = {resource_dup(volume)};

    PB_SET(&one, type, MESOS__V1__OFFER__OPERATION__TYPE__CREATE);
    one.create = &body;
    body.volumes = list;
    body.n_volumes = 1;
    eval_apply(e, &one);
    if (!e->create) {
        e->create = PB_NEW(mesos__v1__offer__operation);
        PB_SET(e->create, type, one.type);
        e->create->id = pb_operation_id(e->create_id);
        e->create->create = PB_NEW(mesos__v1__offer__operation__create);
    }
    PB_ADD(e->create->create, volumes, list[0]);
}

/* ---- results ------------------------------------------------------ */
bool eval_is_used(const struct eval *e, const char *owner)
{
    if (str_eq(owner, OWNER_EXECUTOR) || str_eq(owner, OWNER_POD))
        return !e->in->has_executor;
    for (size_t i = 0; i < e->in->n_sets; i++)
        if (str_eq(owner, e->in->sets[i]))
            return true;
    return false;
}

void eval_grant(struct eval *e, const struct want *want,
                Mesos__V1__Resource *resource)
{
    struct match *m = e->match;
    struct grant grant = {.owner = want->owner,
                          .port = want->port,
                          .volume = want->volume,
                          .resource = resource};

    if (!eval_is_used(e, want->owner)) {
        resource_free(&resource);
        return;
    }
    if (want->kind == WANT_PORT)
        grant.port_number = (uint32_t)resource->ranges->range[0]->begin;
    m->grants = xrealloc(m->grants, (m->n_grants + 1) * sizeof(*m->grants));
    m->grants[m->n_grants++] = grant;
}

Reeve__ReservedResource *eval_record(struct eval *e,
                                     const Reeve__ReservedResource *entry)
{
    Reeve__ReservedResource *copy = WIRE_DUP(reeve__reserved_resource, entry);

    PB_ADD(e->match->pod, resources, copy);
    return copy;
}

void eval_entry_amount(Reeve__ReservedResource *entry,
                       const Mesos__V1__Resource *resource)
{
    Reeve__PortRange *range;

    if (resource->type == MESOS__V1__VALUE__TYPE__SCALAR)
        PB_SET(entry, amount_milli, resource_milli(resource));
    for (size_t i = 0; i < entry->n_ports; i++)
        free(entry->ports[i]);
    entry->n_ports = 0;
    for (size_t i = 0; resource->ranges && i < resource->ranges->n_range; i++) {
        range = PB_NEW(reeve__port_range);
        PB_SET(range, begin, (uint32_t)resource->ranges->range[i]->begin);
        PB_SET(range, end, (uint32_t)resource->ranges->range[i]->end);
        PB_ADD(entry, ports, range);
    }
    PB_ENCODED(entry, resource, resource);
}

Mesos__V1__Resource *eval_volume_of(const struct eval *e,
                                    const Mesos__V1__Resource *disk,
                                    const char *persistence_id,
                                    const char *container_path)
{
    Mesos__V1__Resource *volume = resource_dup(disk);
    Mesos__V1__Resource__DiskInfo *info = volume->disk;

    if (!info)
        info = PB_NEW(mesos__v1__resource__disk_info);
    volume->disk = info;
    info->persistence = PB_NEW(mesos__v1__resource__disk_info__persistence);
    info->persistence->id = xstrdup(persistence_id);
    if (*str_or_empty(e->in->principal))
        info->persistence->principal = xstrdup(e->in->principal);
    info->volume = PB_NEW(mesos__v1__volume);
    info->volume->mode = MESOS__V1__VOLUME__MODE__RW;
    info->volume->container_path = xstrdup(container_path);
    return volume;
}

/* ---- fresh -------------------------------------------------------- */
static Mesos__V1__Resource *take_port(struct eval *e,
                                      const Reeve__PortSpec *port)
{
    const Mesos__V1__Resource *from = NULL;
    uint32_t number = eval_free_port(e, port, &from);
    Mesos__V1__Resource *taken;
    ProtobufCMessage *ranges;

    if (!number)
        return NULL;
    taken = resource_dup(from);
    ranges = &taken->ranges->base;
    wire_free(&ranges);
    taken->ranges = PB_NEW(mesos__v1__value__ranges);
    ranges_add(taken->ranges, number, number);
    return taken;
}

/* What is to be reserved for the want, still unreserved; NULL: not there. */
static Mesos__V1__Resource *take_free(struct eval *e, const struct want *want)
{
    const Mesos__V1__Resource *from = NULL;
    Mesos__V1__Resource *taken;

    if (want->kind == WANT_PORT)
        return take_port(e, want->port);
    if (want->volume && want->volume->type == REEVE__VOLUME_SPEC__TYPE__MOUNT) {
        from = find_mount(e, want);
        return from ? resource_dup(from) : NULL;
    }
    from = eval_find_free(e, want->name, want->milli);
    if (!from)
        return NULL;
    taken = resource_dup(from);
    resource_set_milli(taken, want->milli);
    return taken;
}

/* What agents reserve to the pod's own role themselves has no labels and cannot
 * get any, so that nobody could tell whose it is: only a role below it takes
 * that.  " (…)", malloc'd; "" when there is none. */
static char *static_text(const struct eval *e, const char *name)
{
    AUTO_FREE char *amount = NULL;
    int64_t sum = 0;

    for (size_t i = 0; i < resources_count(e->pool); i++) {
        const Mesos__V1__Resource *r = resources_at(e->pool, i);

        if (r->n_reservations == 1 && !resource_is_dynamic(r) &&
            str_eq(r->name, name) &&
            str_eq(r->reservations[0]->role, e->in->role))
            sum += resource_milli(r);
    }
    if (sum == 0 || e->in->pre_reserved_role)
        return xstrdup("");
    amount = milli_text(sum);
    return xasprintf(" (%s more are reserved to role %s by the agent's own "
                     "settings: only a pod with that as its pre-reserved-role "
                     "takes them)",
                     amount, e->in->role);
}

static void fail_scalar(struct eval *e, const struct want *want, int64_t left)
{
    AUTO_FREE char *text = want_text(want);
    AUTO_FREE char *needed = milli_text(want->milli);
    AUTO_FREE char *offered = milli_text(left);
    AUTO_FREE char *more = static_text(e, want->name);

    if (want->kind == WANT_VOLUME)
        eval_fail(e, "disk %s MiB offered, %s%s", offered, text, more);
    else
        eval_fail(e, "%s %s offered, %s needed%s", want->name, offered, needed,
                  more);
}

static void fail_fresh(struct eval *e, const struct want *want)
{
    AUTO_FREE char *text = want_text(want);

    if (want->kind == WANT_PORT)
        eval_fail(e, "%s is not offered", text);
    else if (want->volume &&
             want->volume->type == REEVE__VOLUME_SPEC__TYPE__MOUNT)
        eval_fail(e, "no MOUNT disk for %s", text);
    else
        fail_scalar(e, want, eval_sum_free(e, want->name));
}

static void push_reservation(const struct eval *e,
                             Mesos__V1__Resource *resource,
                             const char *resource_id)
{
    const char *principal =
        *str_or_empty(e->in->principal) ? e->in->principal : NULL;
    Mesos__V1__Resource__ReservationInfo *reservation =
        reservation_new(e->in->role, principal, "resource_id", resource_id);

    labels_add(&reservation->labels, "framework_id", e->in->framework_id);
    resource_push_reservation(resource, reservation);
    reservation_free(&reservation);
}

static void record_fresh(struct eval *e, const struct want *want,
                         const char *resource_id,
                         const Mesos__V1__Resource *resource)
{
    Reeve__ReservedResource *entry;

    entry = PB_NEW(reeve__reserved_resource);
    entry->resource_id = xstrdup(resource_id);
    entry->owner = xstrdup(want->owner);
    entry->name = xstrdup(want->name);
    if (want->kind == WANT_PORT)
        PB_STR(entry, port_name, want->port->name);
    PB_ADD(entry, operation_ids, xstrdup(e->reserve_id));
    if (want->kind == WANT_VOLUME) {
        entry->persistence_id = xstrdup(resource_volume_id(resource));
        entry->container_path = xstrdup(want->volume->path);
        PB_SET(entry, volume_type, want->volume->type);
        PB_ADD(entry, operation_ids, xstrdup(e->create_id));
    }
    eval_entry_amount(entry, resource);
    PB_ADD(e->match->pod, resources, entry);
}

void eval_fresh(struct eval *e, const struct want *want)
{
    char resource_id[UUID_TEXT_SIZE], persistence_id[UUID_TEXT_SIZE];
    Mesos__V1__Resource *taken = take_free(e, want), *volume;

    if (!taken) {
        fail_fresh(e, want);
        return;
    }
    e->in->ids->next(e->in->ids, resource_id);
    push_reservation(e, taken, resource_id);
    eval_reserve(e, taken);
    if (want->kind == WANT_VOLUME) {
        e->in->ids->next(e->in->ids, persistence_id);
        volume = eval_volume_of(e, taken, persistence_id, want->volume->path);
        resource_free(&taken);
        eval_create(e, volume);
        taken = volume;
    }
    record_fresh(e, want, resource_id, taken);
    eval_grant(e, want, taken);
}

/* ---- the frame ---------------------------------------------------- */
static const Reeve__ReservedResource *find_record(const struct eval *e,
                                                  const struct want *want)
{
    const Reeve__PodRecord *record = e->in->record;

    for (size_t i = 0; record && i < record->n_resources; i++)
        if (want_is_record(want, record->resources[i]))
            return record->resources[i];
    return NULL;
}

static bool is_wanted(const struct wants *wants,
                      const Reeve__ReservedResource *entry)
{
    for (size_t i = 0; i < wants->count; i++)
        if (want_is_record(&wants->list[i], entry))
            return true;
    return false;
}

/* One want on an agent that has something of the pod. */
static void eval_known(struct eval *e, const struct want *want, bool is_partial)
{
    const Reeve__ReservedResource *record = find_record(e, want);
    bool is_used = eval_is_used(e, want->owner) || is_partial;

    if (!record && is_used)
        eval_fresh(e, want);
    else if (record && is_used)
        eval_reuse(e, want, record);
    else if (record)
        eval_record(e, record); /* not for this launch: stays as it is */
}

static void copy_abandoned(struct eval *e)
{
    const Reeve__PodRecord *record = e->in->record;

    for (size_t i = 0; record && i < record->n_abandoned; i++)
        PB_ADD(e->match->pod, abandoned,
               WIRE_DUP(reeve__reserved_resource, record->abandoned[i]));
}

static void eval_all_known(struct eval *e, const struct wants *wants)
{
    const Reeve__PodRecord *record = e->in->record;
    /* Never confirmed: the first launch is completed, footprint and all. */
    bool is_partial = evaluate_is_unconfirmed(record) && !e->in->has_executor;

    copy_abandoned(e);
    for (size_t i = 0; i < record->n_resources; i++)
        if (!is_wanted(wants, record->resources[i]))
            eval_orphan(e, record->resources[i]);
    for (size_t i = 0; i < wants->count; i++)
        eval_known(e, &wants->list[i], is_partial);
    PB_SET(e->match->pod, confirmed, record->confirmed);
}

Reeve__ReservedResource *eval_abandoned(const Reeve__PodRecord *record,
                                        const Reeve__ReservedResource *entry)
{
    Reeve__ReservedResource *copy = WIRE_DUP(reeve__reserved_resource, entry);

    PB_STR(copy, agent_id, record->agent_id);
    return copy;
}

/* Everything that the former record holds is given up, by its exact ids. */
static void abandon_all(struct eval *e)
{
    const Reeve__PodRecord *record = e->in->record;
    Reeve__PodRecord *pod = e->match->pod;

    copy_abandoned(e);
    for (size_t i = 0; record && i < record->n_resources; i++)
        PB_ADD(pod, abandoned, eval_abandoned(record, record->resources[i]));
}

static void eval_all_fresh(struct eval *e, const struct wants *wants)
{
    for (size_t i = 0; i < wants->count; i++)
        eval_fresh(e, &wants->list[i]);
    abandon_all(e);
}

static void add_op(struct match *m, Mesos__V1__Offer__Operation **op)
{
    if (*op)
        PB_ADD(m, ops, *op);
    *op = NULL;
}

/* What the launch uses leaves the pool. */
static void subtract_grants(struct eval *e)
{
    struct err err = {0};

    for (size_t i = 0; i < e->match->n_grants; i++)
        if (e->match->grants[i].resource &&
            resources_subtract(e->pool, e->match->grants[i].resource, &err) < 0)
            eval_fail(e, "%s", err.text);
}

/* Ports of containers' networks are the pod's own: nothing is taken from the
 * pool. */
static void grant_container_ports(struct eval *e, const Reeve__ResourceSet *set)
{
    struct match *m = e->match;

    for (size_t i = 0; i < set->n_ports; i++) {
        const Reeve__PortSpec *port = set->ports[i];
        struct grant grant = {.owner = set->id,
                              .port = port,
                              .port_number =
                                  spec_container_port(e->in->pod, port)};

        if (!grant.port_number)
            eval_fail(e, "port %s: no number is left", port->name);
        m->grants = xrealloc(m->grants, (m->n_grants + 1) * sizeof(*m->grants));
        m->grants[m->n_grants++] = grant;
    }
}

static void grant_all_container_ports(struct eval *e)
{
    const Reeve__PodSpec *pod = e->in->pod;

    for (size_t i = 0; i < pod->n_resource_sets; i++)
        if (!spec_uses_host_ports(pod) &&
            eval_is_used(e, pod->resource_sets[i]->id))
            grant_container_ports(e, pod->resource_sets[i]);
}

/* ---- a look before ------------------------------------------------ */
/* What is free of that name and in one piece, so that sums can be told; -1: in
 * several. */
static int64_t single_free(const struct eval *e, const char *name)
{
    int64_t milli = 0;
    size_t pieces = 0;

    for (size_t i = 0; i < resources_count(e->pool); i++) {
        const Mesos__V1__Resource *r = resources_at(e->pool, i);

        if (!is_free_scalar(e, r, name))
            continue;
        milli = resource_milli(r);
        pieces++;
    }
    return pieces > 1 ? -1 : milli;
}

static bool is_summed(const struct want *want)
{
    return want->kind == WANT_SCALAR ||
           (want->kind == WANT_VOLUME &&
            want->volume->type == REEVE__VOLUME_SPEC__TYPE__ROOT);
}

/* What is left for the want after those before it that found theirs. */
static int64_t left_for(const struct wants *wants, size_t at, int64_t milli)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(wants->list[i].name, wants->list[at].name) &&
            wants->list[i].milli <= milli)
            milli -= wants->list[i].milli;
    return milli;
}

/* Most agents that do not fit are just full: told by sums, with the words of
 * the long way and without its work.  false: the long way has to be gone. */
static bool lacks_plainly(struct eval *e, const struct wants *wants)
{
    bool lacks = false;

    for (size_t i = 0; i < wants->count; i++) {
        int64_t milli = single_free(e, wants->list[i].name);

        if (!is_summed(&wants->list[i]) || milli < 0)
            return false;
        lacks |= left_for(wants, i, milli) < wants->list[i].milli;
    }
    for (size_t i = 0; lacks && i < wants->count; i++) {
        const struct want *want = &wants->list[i];
        int64_t left = left_for(wants, i, single_free(e, want->name));

        if (left < want->milli)
            fail_scalar(e, want, left);
    }
    return lacks;
}

/* ---- one pool ----------------------------------------------------- */
static struct match *finish(struct eval *e, struct resources **pool)
{
    struct match *match = MOVE(e->match);

    free(e->reserve_id);
    free(e->create_id);
    add_op(match, &e->unreserve);
    add_op(match, &e->reserve);
    add_op(match, &e->create);
    for (size_t i = 0; i < e->n_resizes; i++)
        add_op(match, &e->resizes[i]);
    free(e->resizes);
    if (e->failures == 0 && (!match->resize || e->is_resize)) {
        resources_destroy(pool);
        *pool = MOVE(e->pool);
    }
    if (e->failures > 0)
        match_destroy(&match);
    resources_destroy(&e->pool);
    return match;
}

static void begin(struct eval *e, const struct eval_in *in)
{
    Reeve__PodRecord *pod;

    e->match = xcalloc(1, sizeof(*e->match));
    pod = PB_NEW(reeve__pod_record);
    pod->pod_instance = xstrdup(in->pod_instance);
    pod->framework_id = xstrdup(in->framework_id);
    pod->role = xstrdup(in->role);
    PB_STR(pod, principal, in->principal);
    PB_SET(pod, confirmed, false);
    e->match->pod = pod;
    e->reserve_id = eval_operation_id(in);
    e->create_id = eval_operation_id(in);
}

/* All that is wanted, as if volumes could change their size at once.  Where
 * some would, the pool is left as it was. */
static struct match *eval_whole(const struct eval_in *in,
                                struct resources **pool, struct buf *why,
                                const struct wants *wants)
{
    struct eval e = {.in = in, .why = why};
    const Reeve__PodRecord *record = in->record;
    size_t shown = record ? evaluate_shown(record, *pool, NULL) : 0;
    bool is_fresh =
        in->is_replace || !record || record->n_resources == 0 ||
        (evaluate_is_unconfirmed(record) && shown == 0 && !in->has_executor);

    e.pool = *pool; /* only looked at */
    if (is_fresh && lacks_plainly(&e, wants))
        return NULL;
    e.pool = resources_dup(*pool);
    begin(&e, in);
    if (is_fresh)
        eval_all_fresh(&e, wants);
    else
        eval_all_known(&e, wants);
    grant_all_container_ports(&e);
    if (e.failures == 0)
        subtract_grants(&e);
    return finish(&e, pool);
}

static const struct want *want_of(const struct eval *e,
                                  const struct wants *wants,
                                  const Reeve__ReservedResource *entry)
{
    for (size_t i = 0; i < wants->count; i++)
        if (wants->list[i].kind == WANT_VOLUME &&
            want_is_record(&wants->list[i], entry) &&
            eval_is_used(e, wants->list[i].owner))
            return &wants->list[i];
    return NULL;
}

/* Only what gives volumes their size; all else stays as it is recorded. */
static struct match *eval_resizes(const struct eval_in *in,
                                  struct resources **pool, struct buf *why,
                                  const struct wants *wants)
{
    struct eval e = {.in = in, .why = why, .is_resize = true};
    const struct want *want;

    e.pool = resources_dup(*pool);
    begin(&e, in);
    copy_abandoned(&e);
    for (size_t i = 0; i < in->record->n_resources; i++) {
        want = want_of(&e, wants, in->record->resources[i]);
        if (want)
            eval_reuse(&e, want, in->record->resources[i]);
        else
            eval_record(&e, in->record->resources[i]);
    }
    PB_SET(e.match->pod, confirmed, in->record->confirmed);
    if (e.failures == 0)
        subtract_grants(&e); /* not for anyone else */
    for (size_t i = 0; i < e.match->n_grants; i++)
        resource_free(&e.match->grants[i].resource);
    e.match->n_grants = 0;
    return finish(&e, pool);
}

struct match *evaluate(const struct eval_in *in, struct resources **pool,
                       struct buf *why)
{
    struct match *match;
    struct wants wants;

    wants_of_pod(&wants, in->pod, &in->overhead);
    match = eval_whole(in, pool, why, &wants);
    if (match && match->resize) {
        match_destroy(&match);
        match = eval_resizes(in, pool, why, &wants);
    }
    wants_free(&wants);
    return match;
}
