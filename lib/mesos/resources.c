/* SPDX-License-Identifier: Apache-2.0 */
/* resources - the list and its arithmetic
 *
 * Filters and sums: resources_ask.c; operations: resources_apply.c; text:
 * resource_text.c and resources_parse.c.
 */
#include "lib/mesos/resources.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

struct item {
    Mesos__V1__Resource *resource; /* never empty */
    unsigned copies;               /* > 1 only when shared */
};

struct resources {
    struct item *items;
    size_t count, cap;
};

struct resources *resources_new(void)
{
    return xcalloc(1, sizeof(struct resources));
}

void resources_destroy(struct resources **resources)
{
    struct resources *r = *resources;
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        resource_free(&r->items[i].resource);
    free(r->items);
    free(r);
    *resources = NULL;
}

/* Takes the resource as it is. */
static void append(struct resources *r, Mesos__V1__Resource *resource,
                   unsigned copies)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        r->items = xrealloc(r->items, r->cap * sizeof(*r->items));
    }
    r->items[r->count++] = (struct item){resource, copies};
}

struct resources *resources_dup(const struct resources *resources)
{
    struct resources *copy = resources_new();
    for (size_t i = 0; i < resources->count; i++)
        append(copy, resource_dup(resources->items[i].resource),
               resources->items[i].copies);
    return copy;
}

/* What did not merge in there does not merge here. */
struct resources *resources_filter(const struct resources *resources,
                                   bool (*keep)(const Mesos__V1__Resource *,
                                                const void *arg),
                                   const void *arg)
{
    struct resources *kept = resources_new();
    for (size_t i = 0; i < resources->count; i++)
        if (keep(resources->items[i].resource, arg))
            append(kept, resource_dup(resources->items[i].resource),
                   resources->items[i].copies);
    return kept;
}

struct resources *resources_from(Mesos__V1__Resource *const *list, size_t count)
{
    struct resources *r = resources_new();
    for (size_t i = 0; i < count; i++) {
        Mesos__V1__Resource *copy = resource_dup(list[i]);
        if (resource_upgrade(copy, NULL) == 0)
            resources_add(r, copy);
        resource_free(&copy);
    }
    return r;
}

void resources_to(const struct resources *resources,
                  Mesos__V1__Resource ***list, size_t *count)
{
    size_t n = 0;
    for (size_t i = 0; i < resources->count; i++)
        n += resources->items[i].copies;
    *count = n;
    *list = n ? xmalloc(n * sizeof(**list)) : NULL;
    n = 0;
    for (size_t i = 0; i < resources->count; i++)
        for (unsigned k = 0; k < resources->items[i].copies; k++)
            (*list)[n++] = resource_dup(resources->items[i].resource);
}

int resources_check(Mesos__V1__Resource **list, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (resource_upgrade(list[i], err) == 0 &&
            resource_validate(list[i], err) == 0)
            continue;
        AUTO_FREE char *text = resource_text(list[i]);
        return err_wrap(err, "Resource '%s' is invalid", text);
    }
    return 0;
}

size_t resources_count(const struct resources *resources)
{
    return resources->count;
}

const Mesos__V1__Resource *resources_at(const struct resources *resources,
                                        size_t index)
{
    ASSERT(index < resources->count);
    return resources->items[index].resource;
}

unsigned resources_copies(const struct resources *resources, size_t index)
{
    ASSERT(index < resources->count);
    return resources->items[index].copies;
}

bool resources_is_empty(const struct resources *resources)
{
    return resources->count == 0;
}

/* ---- arithmetic ---------------------------------------------------------- */
static void add_copies(struct resources *r, const Mesos__V1__Resource *resource,
                       unsigned copies)
{
    if (resource_is_empty(resource))
        return;
    for (size_t i = 0; i < r->count; i++) {
        struct item *item = &r->items[i];
        if (resource_is_shared(resource) &&
            resource_equal(item->resource, resource)) {
            item->copies += copies;
            return;
        }
        if (resource_addable(item->resource, resource)) {
            resource_add(item->resource, resource);
            return;
        }
    }
    Mesos__V1__Resource *copy = resource_dup(resource);
    if (copy->ranges)
        ranges_normalize(copy->ranges);
    append(r, copy, copies);
}

void resources_add(struct resources *resources,
                   const Mesos__V1__Resource *resource)
{
    add_copies(resources, resource, 1);
}

void resources_add_all(struct resources *resources,
                       const struct resources *other)
{
    for (size_t i = 0; i < other->count; i++)
        add_copies(resources, other->items[i].resource, other->items[i].copies);
}

static struct item *find_containing(const struct resources *r,
                                    const Mesos__V1__Resource *resource)
{
    for (size_t i = 0; i < r->count; i++)
        if (resource_contains(r->items[i].resource, resource))
            return &r->items[i];
    return NULL;
}

bool resources_contains(const struct resources *resources,
                        const Mesos__V1__Resource *resource)
{
    return resource_is_empty(resource) || find_containing(resources, resource);
}

/* Cuts resource out of the item; drops the item when nothing is left of it, by
 * putting the last one in its place, as the master does. */
static void cut(struct resources *r, struct item *item,
                const Mesos__V1__Resource *resource)
{
    if (resource_is_shared(resource)) {
        if (--item->copies > 0)
            return;
    } else {
        resource_subtract(item->resource, resource);
        if (!resource_is_empty(item->resource))
            return;
    }
    resource_free(&item->resource);
    *item = r->items[--r->count];
}

int resources_subtract(struct resources *resources,
                       const Mesos__V1__Resource *resource, struct err *err)
{
    if (resource_is_empty(resource))
        return 0;
    struct item *item = find_containing(resources, resource);
    if (item) {
        cut(resources, item, resource);
        return 0;
    }
    if (!err)
        return -1;
    AUTO_FREE char *all = resources_text(resources);
    AUTO_FREE char *part = resource_text(resource);
    return err_set(err, ERR_NOT_FOUND, "%s does not contain %s", all, part);
}

/* Subtracts every copy of every item; false at the first that is not there
 * (resources is then half changed). */
static bool subtract_each(struct resources *r, const struct resources *other)
{
    for (size_t i = 0; i < other->count; i++)
        for (unsigned k = 0; k < other->items[i].copies; k++)
            if (resources_subtract(r, other->items[i].resource, NULL) < 0)
                return false;
    return true;
}

bool resources_contains_all(const struct resources *resources,
                            const struct resources *other)
{
    AUTO(resources) struct resources *rest = resources_dup(resources);
    return subtract_each(rest, other);
}

int resources_subtract_all(struct resources *resources,
                           const struct resources *other, struct err *err)
{
    AUTO(resources) struct resources *rest = resources_dup(resources);
    if (!subtract_each(rest, other)) {
        AUTO_FREE char *all = resources_text(resources);
        AUTO_FREE char *part = resources_text(other);
        return err_set(err, ERR_NOT_FOUND, "%s does not contain %s", all, part);
    }
    resources_swap(resources, rest);
    return 0;
}

void resources_swap(struct resources *a, struct resources *b)
{
    struct resources old = *a;
    *a = *b;
    *b = old;
}

/* Makes a the amount that a and b (of one kind) have in common. */
static void keep_common(Mesos__V1__Resource *a, const Mesos__V1__Resource *b)
{
    if (a->type == MESOS__V1__VALUE__TYPE__SCALAR) {
        resource_set_milli(a, MIN(resource_milli(a), resource_milli(b)));
        return;
    }
    Mesos__V1__Resource *extra = resource_dup(a); /* a - b */
    resource_subtract(extra, b);
    resource_subtract(a, extra);
    resource_free(&extra);
}

static void subtract_some(struct resources *r, const Mesos__V1__Resource *part)
{
    for (size_t i = 0; i < r->count; i++) {
        struct item *item = &r->items[i];
        if (!resource_addable(item->resource, part))
            continue;
        Mesos__V1__Resource *common = resource_dup(part);
        keep_common(common, item->resource);
        if (!resource_is_empty(common))
            cut(r, item, common);
        resource_free(&common);
        return;
    }
}

void resources_subtract_some(struct resources *resources,
                             const struct resources *other)
{
    for (size_t i = 0; i < other->count; i++)
        for (unsigned k = 0; k < other->items[i].copies; k++)
            if (resources_subtract(resources, other->items[i].resource, NULL) <
                0)
                subtract_some(resources, other->items[i].resource);
}

bool resources_equal(const struct resources *a, const struct resources *b)
{
    return a->count == b->count && resources_contains_all(a, b) &&
           resources_contains_all(b, a);
}

void resources_allocate(struct resources *resources, const char *role)
{
    struct resources old = *resources;
    *resources = (struct resources){0};
    for (size_t i = 0; i < old.count; i++) { /* some may merge now */
        resource_allocate(old.items[i].resource, role);
        add_copies(resources, old.items[i].resource, old.items[i].copies);
        resource_free(&old.items[i].resource);
    }
    free(old.items);
}
