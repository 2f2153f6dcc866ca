/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/request_log.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

/* Place in the ring + 1 (0: free) and the hash of the id there: the ring is
 * large, and looking into it costs a miss of the cache. */
struct slot {
    uint32_t place;
    uint32_t hash;
};

/* The ring grows to max entries and then wraps; the slots form an
 * open-addressed hash, at most half full. */
struct request_log {
    struct request *ring;
    size_t max, cap;
    size_t first, n; /* oldest, count */
    struct slot *slots;
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

static uint32_t hash_of(const char *id)
{
    const uint64_t factor = 0x9e3779b97f4a7c15u;
    size_t len = strlen(id);
    uint64_t h = len, word;
    for (; len >= sizeof word; id += sizeof word, len -= sizeof word) {
        memcpy(&word, id, sizeof word);
        h = (h ^ word) * factor;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, id, len);
    h = (h ^ word) * factor;
    return (uint32_t)(h ^ (h >> 32));
}

/* The slot that holds id, or the free one where it would go. */
static struct slot *slot_of(const struct request_log *log, const char *id,
                            uint32_t hash)
{
    size_t s = hash & log->mask;
    for (; log->slots[s].place; s = (s + 1) & log->mask)
        if (log->slots[s].hash == hash &&
            strcmp(log->ring[log->slots[s].place - 1].id, id) == 0)
            break;
    return &log->slots[s];
}

bool request_log_find(const struct request_log *log, const char *id,
                      uint64_t *revision)
{
    const struct slot *slot = slot_of(log, id, hash_of(id));
    if (!slot->place)
        return false;
    *revision = log->ring[slot->place - 1].revision;
    return true;
}

/* Takes a slot away and closes the gap in its run of neighbours. */
static void free_slot(struct request_log *log, size_t hole)
{
    log->slots[hole].place = 0;
    for (size_t s = (hole + 1) & log->mask; log->slots[s].place;
         s = (s + 1) & log->mask) {
        size_t home = log->slots[s].hash & log->mask;
        if (((s - home) & log->mask) < ((s - hole) & log->mask))
            continue;
        log->slots[hole] = log->slots[s];
        log->slots[s].place = 0;
        hole = s;
    }
}

static void forget_oldest(struct request_log *log)
{
    const char *id = log->ring[log->first].id;
    free_slot(log, (size_t)(slot_of(log, id, hash_of(id)) - log->slots));
    log->first = (log->first + 1) % log->cap;
    log->n--;
}

static void index_all(struct request_log *log)
{
    memset(log->slots, 0, (log->mask + 1) * sizeof *log->slots);
    for (size_t i = 0; i < log->n; i++) {
        uint32_t hash = hash_of(log->ring[i].id);
        *slot_of(log, log->ring[i].id, hash) =
            (struct slot){(uint32_t)(i + 1), hash};
    }
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
    uint32_t hash = hash_of(id);
    if (slot_of(log, id, hash)->place)
        return;
    if (log->n == log->max)
        forget_oldest(log);
    else if (log->n == log->cap)
        grow(log);
    size_t place = (log->first + log->n) % log->cap;
    /* The slot first: until the id is written, the place is not compared. */
    struct slot *slot = slot_of(log, id, hash);
    struct request *request = &log->ring[place];
    request->revision = revision;
    memcpy(request->id, id, strlen(id) + 1);
    *slot = (struct slot){(uint32_t)(place + 1), hash};
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
