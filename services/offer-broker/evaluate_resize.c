/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate_resize - a volume that exists gets another size, with its data
 *
 * What GROW_VOLUME and SHRINK_VOLUME make cannot be used in the same ACCEPT: a
 * pod whose volumes have to change is evaluated once to see whether all of it
 * fits then, and once more for the operations on its volumes alone.  The launch
 * follows when an offer shows the volumes as wanted.
 *
 * What is added comes from the bare disk that carries the volume's own resource
 * id, if there is some, and is reserved with the same labels else.  What a
 * shrunken volume leaves stays reserved: the record names it as a remainder,
 * for the janitor.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/evaluate.h"
#include "services/offer-broker/evaluate_internal.h"

/* ---- remainders --------------------------------------------------- */
static Reeve__ReservedResource *find_remainder(const Reeve__PodRecord *pod,
                                               const char *resource_id)
{
    for (size_t i = 0; i < pod->n_abandoned; i++)
        if (pod->abandoned[i]->is_remainder &&
            str_eq(pod->abandoned[i]->resource_id, resource_id))
            return pod->abandoned[i];
    return NULL;
}

int64_t evaluate_remainder(const Reeve__PodRecord *pod, const char *resource_id)
{
    const Reeve__ReservedResource *entry = find_remainder(pod, resource_id);

    return entry ? entry->amount_milli : 0;
}

static void drop_remainder(Reeve__PodRecord *pod, const char *resource_id)
{
    size_t kept = 0;

    for (size_t i = 0; i < pod->n_abandoned; i++) {
        Reeve__ReservedResource *entry = pod->abandoned[i];

        if (entry->is_remainder && str_eq(entry->resource_id, resource_id))
            PB_FREE(entry);
        else
            pod->abandoned[kept++] = entry;
    }
    pod->n_abandoned = kept;
}

static Mesos__V1__Resource *bare_of(const Mesos__V1__Resource *volume,
                                    int64_t milli)
{
    Mesos__V1__Resource *bare = resource_dup(volume);

    resource_strip_volume(bare);
    resource_set_milli(bare, milli);
    return bare;
}

static Reeve__ReservedResource *
add_remainder(Reeve__PodRecord *pod, const Reeve__ReservedResource *entry,
              const char *agent_id)
{
    Reeve__ReservedResource *rest = PB_NEW(reeve__reserved_resource);

    rest->resource_id = xstrdup(entry->resource_id);
    rest->owner = xstrdup(entry->owner);
    rest->name = xstrdup(entry->name);
    rest->agent_id = xstrdup(agent_id);
    PB_SET(rest, is_remainder, true);
    PB_ADD(pod, abandoned, rest);
    return rest;
}

/* So much bare disk with the volume's id is not needed (0: none). */
static void set_remainder(struct eval *e, const Reeve__ReservedResource *entry,
                          const Mesos__V1__Resource *volume, int64_t milli)
{
    Reeve__PodRecord *pod = e->match->pod;
    Reeve__ReservedResource *rest = find_remainder(pod, entry->resource_id);
    Mesos__V1__Resource *bare;

    if (milli <= 0) {
        drop_remainder(pod, entry->resource_id);
        return;
    }
    if (rest && rest->amount_milli == milli)
        return;
    if (!rest)
        rest = add_remainder(pod, entry, e->in->record->agent_id);
    bare = bare_of(volume, milli);
    eval_entry_amount(rest, bare);
    resource_free(&bare);
}

/* ---- what became of the last change ------------------------------- */
static void forget_resize(Reeve__ReservedResource *entry)
{
    entry->has_resize_to_milli = false;
    free(entry->resize_operation_id);
    entry->resize_operation_id = NULL;
}

/* What a shrink that did not happen would have left is in no reservation. */
static int64_t never_left(const Reeve__ReservedResource *entry)
{
    return entry->has_resize_to_milli
               ? MAX(entry->amount_milli - entry->resize_to_milli, 0)
               : 0;
}

Reeve__ReservedResource *evaluate_resize_of(const Reeve__PodRecord *pod,
                                            const char *operation_id)
{
    for (size_t i = 0; i < pod->n_resources; i++)
        if (pod->resources[i]->resize_operation_id &&
            str_eq(pod->resources[i]->resize_operation_id, operation_id))
            return pod->resources[i];
    return NULL;
}

void evaluate_resize_done(Reeve__ReservedResource *entry)
{
    AUTO_MESSAGE Mesos__V1__Resource *volume = WIRE_DECODE(
        mesos__v1__resource, entry->resource.data, entry->resource.len, NULL);

    if (volume && entry->has_resize_to_milli) {
        resource_set_milli(volume, entry->resize_to_milli);
        eval_entry_amount(entry, volume);
    }
    forget_resize(entry);
}

void evaluate_resize_failed(Reeve__PodRecord *pod,
                            Reeve__ReservedResource *entry)
{
    Reeve__ReservedResource *rest = find_remainder(pod, entry->resource_id);
    int64_t less = never_left(entry);

    forget_resize(entry);
    if (!rest || less == 0)
        return;
    if (rest->amount_milli <= less)
        drop_remainder(pod, entry->resource_id);
    else
        rest->amount_milli -= less;
}

/* ---- operations --------------------------------------------------- */
static Mesos__V1__Offer__Operation *
add_resize(struct eval *e, Reeve__ReservedResource *entry, int type)
{
    Mesos__V1__Offer__Operation *op = PB_NEW(mesos__v1__offer__operation);
    AUTO_FREE char *id = eval_operation_id(e->in);

    PB_SET(op, type, (Mesos__V1__Offer__Operation__Type)type);
    op->id = pb_operation_id(id);
    PB_STR(entry, resize_operation_id, id);
    e->resizes = xrealloc(e->resizes, (e->n_resizes + 1) * sizeof(op));
    e->resizes[e->n_resizes++] = op;
    return op;
}

/* How much of the bare disk beside the volume goes into it; -1: there is no
 * room. */
static int64_t take_addition(struct eval *e, const struct want *want,
                             const Mesos__V1__Resource *volume,
                             const Mesos__V1__Resource *bare)
{
    int64_t more = want->milli - resource_milli(volume);
    int64_t own = bare ? MIN(resource_milli(bare), more) : 0;
    AUTO_FREE char *offered = milli_text(eval_sum_free(e, want->name));
    AUTO_FREE char *missing = milli_text(more - own);
    Mesos__V1__Resource *extra;

    if (own == more)
        return own;
    if (!eval_find_free(e, want->name, more - own)) {
        eval_fail(e, "disk %s MiB offered, volume %s needs %s MiB more",
                  offered, want->volume->path, missing);
        return -1;
    }
    extra = bare_of(volume, more - own);
    eval_reserve(e, extra);
    resource_free(&extra);
    return own;
}

static bool grow(struct eval *e, const struct want *want,
                 const Mesos__V1__Resource *volume,
                 Reeve__ReservedResource *entry, int64_t spare)
{
    const Mesos__V1__Resource *bare = eval_bare_disk(e->pool, entry);
    int64_t own = take_addition(e, want, volume, bare);
    Mesos__V1__Offer__Operation *op;

    if (own < 0)
        return false;
    op = add_resize(e, entry, MESOS__V1__OFFER__OPERATION__TYPE__GROW_VOLUME);
    op->grow_volume = PB_NEW(mesos__v1__offer__operation__grow_volume);
    op->grow_volume->volume = resource_dup(volume);
    op->grow_volume->addition =
        bare_of(volume, want->milli - resource_milli(volume));
    eval_apply(e, op);
    set_remainder(e, entry, volume, spare - own);
    return true;
}

static bool shrink(struct eval *e, const struct want *want,
                   const Mesos__V1__Resource *volume,
                   Reeve__ReservedResource *entry, int64_t spare)
{
    int64_t less = resource_milli(volume) - want->milli;
    Mesos__V1__Offer__Operation *op =
        add_resize(e, entry, MESOS__V1__OFFER__OPERATION__TYPE__SHRINK_VOLUME);
    Mesos__V1__Value__Scalar *subtract;

    op->shrink_volume = PB_NEW(mesos__v1__offer__operation__shrink_volume);
    op->shrink_volume->volume = resource_dup(volume);
    subtract = PB_NEW(mesos__v1__value__scalar);
    subtract->value = (double)less / 1000;
    op->shrink_volume->subtract = subtract;
    eval_apply(e, op);
    set_remainder(e, entry, volume, spare + less);
    return true;
}

/* ---- may it be ---------------------------------------------------- */
static bool is_fixed(struct eval *e, const struct want *want,
                     const Mesos__V1__Resource *volume)
{
    AUTO_FREE char *is = milli_text(resource_milli(volume));
    AUTO_FREE char *wanted = milli_text(want->milli);
    const char *path = want->volume->path;

    if (resource_disk_kind(volume) == DISK_MOUNT)
        eval_fail(e,
                  "volume %s is a MOUNT disk of %s MiB, which has the size it "
                  "has, and %s MiB are wanted: replace the pod if its data may "
                  "be given up",
                  path, is, wanted);
    else if (resource_is_shared(volume))
        eval_fail(e, "volume %s is shared, and cannot get another size", path);
    else
        return false;
    return true;
}

static bool objects(struct eval *e, const struct want *want,
                    const Mesos__V1__Resource *volume,
                    const Reeve__ReservedResource *entry)
{
    AUTO_FREE char *is = milli_text(resource_milli(volume));
    AUTO_FREE char *wanted = milli_text(want->milli);
    struct resize_question question = {.agent_id = e->in->agent_id,
                                       .resource_id = entry->resource_id,
                                       .to_milli = want->milli,
                                       .now_ms = e->in->now_ms};
    const char *why = e->in->resizes
                          ? resize_book_objection(e->in->resizes, &question)
                          : NULL;

    if (why)
        eval_fail(e, "volume %s is to get %s MiB and has %s: %s",
                  want->volume->path, wanted, is, why);
    return why != NULL;
}

/* A larger one does as well, unless the operator says that it may shrink: an
 * older configuration that comes back must not cost anything. */
static bool has_wanted_size(const struct want *want,
                            const Mesos__V1__Resource *volume)
{
    if (resource_disk_kind(volume) == DISK_MOUNT || !want->volume->allow_shrink)
        return resource_milli(volume) >= want->milli;
    return resource_milli(volume) == want->milli;
}

static void tell(struct eval *e, const struct want *want,
                 const Mesos__V1__Resource *volume)
{
    AUTO_FREE char *is = milli_text(resource_milli(volume));
    AUTO_FREE char *wanted = milli_text(want->milli);
    char *text = xasprintf(
        "volume %s %s from %s to %s MiB", want->volume->path,
        resource_milli(volume) < want->milli ? "grows" : "shrinks", is, wanted);

    free(e->match->resize);
    e->match->resize = text;
}

Mesos__V1__Resource *eval_resize(struct eval *e, const struct want *want,
                                 const Mesos__V1__Resource *volume,
                                 Reeve__ReservedResource *entry)
{
    const Mesos__V1__Resource *bare = eval_bare_disk(e->pool, entry);
    int64_t had = resource_milli(volume);
    bool is_done = entry->has_resize_to_milli && entry->resize_to_milli == had;
    int64_t spare = evaluate_remainder(e->match->pod, entry->resource_id) -
                    (is_done ? 0 : never_left(entry));
    Mesos__V1__Resource *wanted = resource_dup(volume);
    bool may;

    spare = MAX(spare, bare ? resource_milli(bare) : 0);
    forget_resize(entry);
    eval_entry_amount(entry, volume);
    if (has_wanted_size(want, volume)) {
        set_remainder(e, entry, volume, spare);
        return wanted;
    }
    may = !is_fixed(e, want, volume) && !objects(e, want, volume, entry);
    if (may) {
        PB_SET(entry, resize_to_milli, want->milli);
        tell(e, want, volume);
        may = had < want->milli ? grow(e, want, volume, entry, spare)
                                : shrink(e, want, volume, entry, spare);
    }
    resource_set_milli(wanted, want->milli);
    return wanted;
}
