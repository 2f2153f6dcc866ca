/* SPDX-License-Identifier: Apache-2.0 */
/* resources_apply - what an operation does to a list of resources
 *
 * Every operation is a row of conversions: consume these, put those in place.
 * One alone is done or not at all; when a later one fails, those before it are
 * undone (what is left is the same, maybe in another order).
 */
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/resources.h"

/* Takes `consumed` out and, when all is well, puts `made` in. */
static int convert(struct resources *all, const Mesos__V1__Resource *consumed,
                   const Mesos__V1__Resource *made, struct err *err)
{
    if (resource_is_empty(consumed) || resource_is_empty(made))
        return err_set(err, ERR_INVALID, "Resources must not be empty");
    if (resources_subtract(all, consumed, err) < 0)
        return -1;
    resources_add(all, made);
    return 0;
}

/* RESERVE names what it makes, UNRESERVE what it consumes. */
static int apply_reserve(struct resources *all,
                         const Mesos__V1__Resource *given, struct err *err)
{
    if (!resource_is_dynamic(given))
        return err_set(err, ERR_INVALID,
                       "Resource is not dynamically reserved");
    Mesos__V1__Resource *below = resource_dup(given);
    resource_pop_reservation(below);
    int rc = convert(all, below, given, err);
    resource_free(&below);
    return rc;
}

/* From one reservation to another; both lists are of the same amounts. */
static int apply_move(struct resources *all,
                      const Mesos__V1__Offer__Operation__Reserve *reserve,
                      struct err *err)
{
    for (size_t i = 0; i < reserve->n_source; i++) {
        if (resources_subtract(all, reserve->source[i], err) == 0)
            continue;
        while (i-- > 0)
            resources_add(all, reserve->source[i]);
        return -1;
    }
    for (size_t i = 0; i < reserve->n_resources; i++)
        resources_add(all, reserve->resources[i]);
    return 0;
}

static int unreserve(struct resources *all, const Mesos__V1__Resource *given,
                     struct err *err)
{
    Mesos__V1__Resource *below = resource_dup(given);
    resource_pop_reservation(below);
    int rc = convert(all, given, below, err);
    resource_free(&below);
    return rc;
}

static int apply_unreserve(struct resources *all,
                           const Mesos__V1__Resource *given, struct err *err)
{
    if (!resource_is_dynamic(given) || resource_is_volume(given))
        return err_set(err, ERR_INVALID,
                       "Resource is not dynamically reserved or is a "
                       "persistent volume");
    return unreserve(all, given, err);
}

static int apply_create(struct resources *all, const Mesos__V1__Resource *given,
                        struct err *err)
{
    if (!resource_is_volume(given))
        return err_set(err, ERR_INVALID, "Not a persistent volume");
    Mesos__V1__Resource *disk = resource_dup(given);
    resource_strip_volume(disk);
    int rc = convert(all, disk, given, err);
    resource_free(&disk);
    return rc;
}

static int destroy(struct resources *all, const Mesos__V1__Resource *given,
                   struct err *err)
{
    if (!resource_is_volume(given))
        return err_set(err, ERR_INVALID, "Not a persistent volume");
    Mesos__V1__Resource *disk = resource_dup(given);
    resource_strip_volume(disk);
    int rc = convert(all, given, disk, err);
    resource_free(&disk);
    return rc;
}

static int apply_destroy(struct resources *all,
                         const Mesos__V1__Resource *given, struct err *err)
{
    if (destroy(all, given, err) < 0)
        return -1;
    if (!resources_contains(all, given))
        return 0;
    ASSERT(apply_create(all, given, NULL) == 0);
    AUTO_FREE char *text = resource_text(given);
    return err_set(err, ERR_CONFLICT,
                   "Persistent volume %s cannot be removed due to "
                   "additional shared copies",
                   text);
}

static int apply_grow(struct resources *all, const Mesos__V1__Resource *volume,
                      const Mesos__V1__Resource *addition, struct err *err)
{
    AUTO(resources) struct resources *consumed = resources_new();
    resources_add(consumed, volume);
    resources_add(consumed, addition);
    if (!resource_is_volume(volume) || resource_is_empty(addition))
        return err_set(err, ERR_INVALID,
                       "Not a persistent volume or nothing "
                       "to add");
    if (resources_subtract_all(all, consumed, err) < 0)
        return -1;
    Mesos__V1__Resource *bigger = resource_dup(volume);
    resource_set_milli(bigger,
                       resource_milli(volume) + resource_milli(addition));
    resources_add(all, bigger);
    resource_free(&bigger);
    return 0;
}

static int apply_shrink(struct resources *all,
                        const Mesos__V1__Resource *volume, int64_t less,
                        struct err *err)
{
    int64_t size = resource_milli(volume);
    if (!resource_is_volume(volume) || less <= 0 || less >= size)
        return err_set(err, ERR_INVALID,
                       "Not a persistent volume or not a smaller size");
    if (resources_subtract(all, volume, err) < 0)
        return -1;
    Mesos__V1__Resource *smaller = resource_dup(volume);
    Mesos__V1__Resource *freed = resource_dup(volume);
    resource_set_milli(smaller, size - less);
    resource_strip_volume(freed);
    resource_set_milli(freed, less);
    resources_add(all, smaller);
    resources_add(all, freed);
    resource_free(&smaller);
    resource_free(&freed);
    return 0;
}

/* What a row of conversions does, and its reverse. */
struct conversion {
    int (*apply)(struct resources *all, const Mesos__V1__Resource *given,
                 struct err *err);
    int (*reverse)(struct resources *all, const Mesos__V1__Resource *given,
                   struct err *err);
};

static const struct conversion reserve_each = {apply_reserve, unreserve};
static const struct conversion unreserve_each = {apply_unreserve,
                                                 apply_reserve};
static const struct conversion create_each = {apply_create, destroy};
static const struct conversion destroy_each = {apply_destroy, apply_create};

static int apply_each(struct resources *all, Mesos__V1__Resource *const *list,
                      size_t count, const struct conversion *conversion,
                      struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (conversion->apply(all, list[i], err) == 0)
            continue;
        while (i-- > 0)
            ASSERT(conversion->reverse(all, list[i], NULL) == 0);
        return -1;
    }
    return 0;
}

int resources_apply(struct resources *all,
                    const Mesos__V1__Offer__Operation *op, struct err *err)
{
    int type = op->has_type ? (int)op->type : 0;
    if (type == MESOS__V1__OFFER__OPERATION__TYPE__RESERVE && op->reserve &&
        op->reserve->n_source)
        return apply_move(all, op->reserve, err);
    if (type == MESOS__V1__OFFER__OPERATION__TYPE__RESERVE && op->reserve)
        return apply_each(all, op->reserve->resources, op->reserve->n_resources,
                          &reserve_each, err);
    if (type == MESOS__V1__OFFER__OPERATION__TYPE__UNRESERVE && op->unreserve)
        return apply_each(all, op->unreserve->resources,
                          op->unreserve->n_resources, &unreserve_each, err);
    if (type == MESOS__V1__OFFER__OPERATION__TYPE__CREATE && op->create)
        return apply_each(all, op->create->volumes, op->create->n_volumes,
                          &create_each, err);
    if (type == MESOS__V1__OFFER__OPERATION__TYPE__DESTROY && op->destroy)
        return apply_each(all, op->destroy->volumes, op->destroy->n_volumes,
                          &destroy_each, err);
    if (type == MESOS__V1__OFFER__OPERATION__TYPE__GROW_VOLUME &&
        op->grow_volume)
        return apply_grow(all, op->grow_volume->volume,
                          op->grow_volume->addition, err);
    if (type == MESOS__V1__OFFER__OPERATION__TYPE__SHRINK_VOLUME &&
        op->shrink_volume)
        return apply_shrink(all, op->shrink_volume->volume,
                            milli_of(op->shrink_volume->subtract->value), err);
    return err_set(err, ERR_UNSUPPORTED,
                   "operation type %d changes no "
                   "resources",
                   type);
}
