/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/retained.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

static struct record *get(const struct retained *r, size_t i)
{
    return r->ring[(r->first + i) & (r->cap - 1)];
}

static void drop_oldest(struct retained *r)
{
    struct record *record = get(r, 0);
    r->first = (r->first + 1) & (r->cap - 1);
    r->n--;
    r->bytes -= record_bytes(record);
    record_unref(record);
}

static void grow(struct retained *r)
{
    size_t cap = r->cap ? r->cap * 2 : 64;
    struct record **ring = xcalloc(cap, sizeof(struct record *));
    for (size_t i = 0; i < r->n; i++)
        ring[i] = get(r, i);
    free(r->ring);
    r->ring = ring;
    r->cap = cap;
    r->first = 0;
}

void retained_push(struct retained *r, struct record *record)
{
    ASSERT(record->type == RECORD_TXN && record->revision == r->revision + 1);
    size_t bytes = record_bytes(record);
    r->revision = record->revision;
    while (r->n && (r->n >= r->max_records || r->bytes + bytes > r->max_bytes))
        drop_oldest(r);
    if (r->max_records == 0 || bytes > r->max_bytes)
        return;
    if (r->n == r->cap)
        grow(r);
    r->ring[(r->first + r->n++) & (r->cap - 1)] = record_ref(record);
    r->bytes += bytes;
}

uint64_t retained_oldest(const struct retained *r)
{
    return r->revision - r->n;
}

struct record *retained_at(const struct retained *r, uint64_t revision)
{
    uint64_t oldest = retained_oldest(r);
    if (revision <= oldest || revision > r->revision)
        return NULL;
    return get(r, (size_t)(revision - oldest - 1));
}

void retained_clear(struct retained *r, uint64_t revision)
{
    while (r->n)
        drop_oldest(r);
    r->revision = revision;
}

void retained_free(struct retained *r)
{
    retained_clear(r, 0);
    free(r->ring);
    memset(r, 0, sizeof *r);
}
