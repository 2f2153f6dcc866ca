/* SPDX-License-Identifier: Apache-2.0 */
/* resources_ask - sums, ranges and filters of a list */
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/resources.h"
#include "lib/wire/pb.h"

static int64_t amount(const Mesos__V1__Resource *resource)
{
    if (resource->type == MESOS__V1__VALUE__TYPE__RANGES)
        return (int64_t)ranges_count(resource->ranges) * 1000;
    if (resource->type == MESOS__V1__VALUE__TYPE__SET)
        return (int64_t)resource->set->n_item * 1000;
    return resource_milli(resource);
}

int64_t resources_sum(const struct resources *resources, const char *name)
{
    int64_t sum = 0;
    for (size_t i = 0; i < resources_count(resources); i++) {
        const Mesos__V1__Resource *resource = resources_at(resources, i);
        if (!strcmp(resource->name, name)) /* copies take no more space */
            sum += amount(resource);
    }
    return sum;
}

static bool is_first_of_name(const struct resources *resources, size_t index)
{
    const char *name = resources_at(resources, index)->name;
    for (size_t i = 0; i < index; i++)
        if (!strcmp(resources_at(resources, i)->name, name))
            return false;
    return true;
}

void resources_each_sum(const struct resources *resources,
                        void (*fn)(void *self, const char *name, int64_t milli),
                        void *self)
{
    for (size_t i = 0; i < resources_count(resources); i++) {
        const char *name = resources_at(resources, i)->name;
        if (is_first_of_name(resources, i))
            fn(self, name, resources_sum(resources, name));
    }
}

Mesos__V1__Value__Ranges *
resources_ranges(const struct resources *resources, const char *name,
                 bool (*keep)(const Mesos__V1__Resource *, const void *arg),
                 const void *arg)
{
    Mesos__V1__Value__Ranges *all = PB_NEW(mesos__v1__value__ranges);
    for (size_t i = 0; i < resources_count(resources); i++) {
        const Mesos__V1__Resource *r = resources_at(resources, i);
        if (strcmp(r->name, name) != 0 || !r->ranges || (keep && !keep(r, arg)))
            continue;
        for (size_t k = 0; k < r->ranges->n_range; k++)
            ranges_add(all, r->ranges->range[k]->begin,
                       r->ranges->range[k]->end);
    }
    return all;
}

static bool is_unreserved(const Mesos__V1__Resource *resource,
                          const void *arg UNUSED)
{
    return resource_is_unreserved(resource);
}

struct resources *resources_unreserved(const struct resources *resources)
{
    return resources_filter(resources, is_unreserved, NULL);
}

static bool is_reserved(const Mesos__V1__Resource *resource, const void *role)
{
    return resource_is_reserved(resource, role);
}

struct resources *resources_reserved(const struct resources *resources,
                                     const char *role)
{
    return resources_filter(resources, is_reserved, role);
}

static bool is_volume(const Mesos__V1__Resource *resource,
                      const void *arg UNUSED)
{
    return resource_is_volume(resource);
}

struct resources *resources_volumes(const struct resources *resources)
{
    return resources_filter(resources, is_volume, NULL);
}

struct label_want {
    const char *key, *value;
};

static bool is_labelled(const Mesos__V1__Resource *resource, const void *arg)
{
    const struct label_want *want = arg;
    const char *value = resource_label(resource, want->key);
    return value && (!want->value || !strcmp(value, want->value));
}

struct resources *resources_labelled(const struct resources *resources,
                                     const char *key, const char *value)
{
    struct label_want want = {key, value};
    return resources_filter(resources, is_labelled, &want);
}

static bool is_named(const Mesos__V1__Resource *resource, const void *name)
{
    return !strcmp(resource->name, name);
}

struct resources *resources_named(const struct resources *resources,
                                  const char *name)
{
    return resources_filter(resources, is_named, name);
}

const Mesos__V1__Resource *
resources_find_volume(const struct resources *resources,
                      const char *persistence_id)
{
    for (size_t i = 0; i < resources_count(resources); i++) {
        const char *id = resource_volume_id(resources_at(resources, i));
        if (id && !strcmp(id, persistence_id))
            return resources_at(resources, i);
    }
    return NULL;
}
