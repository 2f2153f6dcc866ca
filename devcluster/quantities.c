/* SPDX-License-Identifier: Apache-2.0 */
/* quantities - see quantities.h */
#include "devcluster/quantities.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/mesos/resource.h"
#include "lib/mesos/resources.h"

void quantities_clear(struct quantities *q)
{
    for (size_t i = 0; i < q->count; i++)
        free(q->list[i].name);
    free(q->list);
    q->list = NULL;
    q->count = 0;
}

static struct quantity *find(const struct quantities *q, const char *name)
{
    for (size_t i = 0; i < q->count; i++) {
        if (strcmp(q->list[i].name, name) == 0)
            return &q->list[i];
    }
    return NULL;
}

int64_t quantities_get(const struct quantities *q, const char *name,
                       int64_t otherwise)
{
    const struct quantity *one = find(q, name);

    return one ? one->milli : otherwise;
}

static struct quantity *find_or_make(struct quantities *q, const char *name)
{
    struct quantity *one = find(q, name);
    size_t at = 0;

    if (one)
        return one;
    q->list = xrealloc(q->list, (q->count + 1) * sizeof *q->list);
    while (at < q->count && strcmp(q->list[at].name, name) < 0)
        at++;
    memmove(&q->list[at + 1], &q->list[at], (q->count - at) * sizeof *q->list);
    q->count++;
    q->list[at].name = xstrdup(name);
    q->list[at].milli = 0;
    return &q->list[at];
}

void quantities_set(struct quantities *q, const char *name, int64_t milli)
{
    find_or_make(q, name)->milli = milli;
}

void quantities_add(struct quantities *q, const char *name, int64_t milli)
{
    find_or_make(q, name)->milli += milli;
}

void quantities_copy(struct quantities *to, const struct quantities *from)
{
    struct quantities copy = {0};

    for (size_t i = 0; i < from->count; i++)
        quantities_set(&copy, from->list[i].name, from->list[i].milli);
    quantities_clear(to);
    *to = copy;
}

void quantities_add_scalars(struct quantities *q, const struct resources *r)
{
    for (size_t i = 0; i < resources_count(r); i++) {
        const Mesos__V1__Resource *one = resources_at(r, i);

        if (one->type == MESOS__V1__VALUE__TYPE__SCALAR)
            quantities_add(q, one->name, resource_milli(one));
    }
}

bool quantities_within(const struct quantities *part,
                       const struct quantities *whole, int64_t absent)
{
    for (size_t i = 0; i < part->count; i++) {
        if (part->list[i].milli >
            quantities_get(whole, part->list[i].name, absent))
            return false;
    }
    return true;
}

char *quantities_text(const struct quantities *q)
{
    struct buf out = {0};

    for (size_t i = 0; i < q->count; i++) {
        buf_addf(&out, "%s%s:", i ? "; " : "", q->list[i].name);
        buf_addf(&out, "%.15g", milli_to_double(q->list[i].milli));
    }
    return out.data ? buf_take(&out, NULL) : xstrdup("{}");
}
