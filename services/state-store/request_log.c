/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/request_log.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

/* The ring grows to max entries and then wraps; the slots form an
 * open-addressed hash of ring places + 1 (0: free), at most half full. */
struct request_log {
    struct request *ring;
    size_t max, cap;
    size_t first, n; /* oldest, count */
    uint32_t *slots;
    size_t mask;
};

struct request_log *request_log_new(size_t max)
{
    struct request_log *log = xcalloc(1, sizeof *log);
    log->max = max;
    log->mask = 63;
    log->slots = xcalloc(log->mask + 1, sizeof *log->slots);
    return log;
}

void request_log_destroy(struct request_log **log)
{
    if (!*log)
        return;
    free((*log)->ring);
    free((*log)->slots);
    free(*log);
    *log = NULL;
}

static size_t hash_of(const char *id)
{
    uint64_t h = 1469598103934665603u;
    for (; *id; id++)
        h = (h ^ (uint8_t)*id) * 1099511628211u;
    return (size_t)(h ^ (h >> 32));
}

/* The slot that holds id, or the free one where it would go. */
static size_t slot_of(const struct request_log *log, const char *id)
{
    size_t s = hash_of(id) & log->mask;
    while (log->slots[s] && strcmp(log->ring[log->slots[s] - 1].id, id) != 0)
        s = (s + 1) & log->mask;
    return s;
}

bool request_log_find(const struct request_log *log, const char *id,
                      uint64_t *revision)
{
    size_t s = slot_of(log, id);
    if (!log->slots[s])
        return false;
    *revision = log->ring[log->slots[s] - 1].revision;
    return true;
}

/* Takes a slot away and closes the gap in its run of neighbours. */
static void free_slot(struct request_log *log, size_t hole)
{
    log->slots[hole] = 0;
    for (size_t s = (hole + 1) & log->mask; log->slots[s];
         s = (s + 1) & log->mask) {
        size_t home = hash_of(log->ring[log->slots[s] - 1].id) & log->mask;
        if (((s - home) & log->mask) < ((s - hole) & log->mask))
            continue;
        log->slots[hole] = log->slots[s];
        log->slots[s] = 0;
        hole = s;
    }
}

static void forget_oldest(struct request_log *log)
{
    free_slot(log, slot_of(log, log->ring[log->first].id));
    log->first = (log->first + 1) % log->cap;
    log->n--;
}

static void index_all(struct request_log *log)
{
    memset(log->slots, 0, (log->mask + 1) * sizeof *log->slots);
    for (size_t i = 0; i < log->n; i++)
        log->slots[slot_of(log, log->ring[i].id)] = (uint32_t)(i + 1);
}

/* Only while the ring has not wrapped yet, so first is 0. */
static void grow(struct request_log *log)
{
    ASSERT(log->first == 0);
    log->cap = MIN(log->max, log->cap ? log->cap * 2 : 32);
    log->ring = xrealloc(log->ring, log->cap * sizeof *log->ring);
    if (log->cap * 2 <= log->mask + 1)
        return;
    while (log->cap * 2 > log->mask + 1)
        log->mask = log->mask * 2 + 1;
    log->slots = xrealloc(log->slots, (log->mask + 1) * sizeof *log->slots);
    index_all(log);
}

void request_log_add(struct request_log *log, const char *id, uint64_t revision)
{
    ASSERT(strlen(id) <= REQUEST_ID_MAX);
    if (log->slots[slot_of(log, id)])
        return;
    if (log->n == log->max)
        forget_oldest(log);
    else if (log->n == log->cap)
        grow(log);
    size_t place = (log->first + log->n) % log->cap;
    struct request *request = &log->ring[place];
    request->revision = revision;
    /* The slot first: until the id is written, the place is not compared. */
    size_t s = slot_of(log, id);
    memcpy(request->id, id, strlen(id) + 1);
    log->slots[s] = (uint32_t)(place + 1);
    log->n++;
}

size_t request_log_count(const struct request_log *log)
{
    return log->n;
}

const struct request *request_log_at(const struct request_log *log, size_t i)
{
    ASSERT(i < log->n);
    return &log->ring[(log->first + i) % log->cap];
}
