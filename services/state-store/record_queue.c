/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/record_queue.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

static struct record *get(const struct record_queue *q, size_t i)
{
    return q->ring[(q->first + i) & (q->cap - 1)];
}

static void grow(struct record_queue *q)
{
    size_t cap = q->cap ? q->cap * 2 : 64;
    struct record **ring = xcalloc(cap, sizeof(struct record *));
    for (size_t i = 0; i < q->n; i++)
        ring[i] = get(q, i);
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->first = 0;
}

void record_queue_push(struct record_queue *q, struct record *record)
{
    ASSERT(!q->n || get(q, q->n - 1)->seq + 1 == record->seq);
    if (q->n == q->cap)
        grow(q);
    q->ring[(q->first + q->n++) & (q->cap - 1)] = record_ref(record);
    q->bytes += record_bytes(record);
}

struct record *record_queue_pop(struct record_queue *q)
{
    if (!q->n)
        return NULL;
    struct record *record = get(q, 0);
    q->first = (q->first + 1) & (q->cap - 1);
    q->n--;
    q->bytes -= record_bytes(record);
    return record;
}

struct record *record_queue_first(const struct record_queue *q)
{
    return q->n ? get(q, 0) : NULL;
}

struct record *record_queue_at(const struct record_queue *q, uint64_t seq)
{
    if (!q->n || seq < get(q, 0)->seq || seq - get(q, 0)->seq >= q->n)
        return NULL;
    return get(q, (size_t)(seq - get(q, 0)->seq));
}

void record_queue_clear(struct record_queue *q)
{
    while (q->n)
        record_unref(record_queue_pop(q));
}

void record_queue_free(struct record_queue *q)
{
    record_queue_clear(q);
    free(q->ring);
    memset(q, 0, sizeof *q);
}
