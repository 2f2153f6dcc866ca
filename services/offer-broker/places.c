/* SPDX-License-Identifier: Apache-2.0 */
/* places - see places.h */
#include "services/offer-broker/places.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/spec/spec.h"

/* Pod instance -> where in the list. */
struct at {
    char *instance;
    size_t at;
    UT_hash_handle hh;
};

/* Pointers to tasks must last, so they are made by the chunk. */
struct chunk {
    struct placed_task tasks[256];
    size_t n;
    struct chunk *next;
};

struct places {
    struct chunk *chunks;
    struct placed *list;
    size_t count, moves;
    struct at *by_instance;
};

struct places *places_new(void)
{
    return xcalloc(1, sizeof(struct places));
}

void places_destroy(struct places **places)
{
    struct places *p = *places;
    struct at *at, *next;

    if (!p)
        return;
    HASH_ITER(hh, p->by_instance, at, next)
    {
        HASH_DEL(p->by_instance, at);
        free(at->instance);
        free(at);
    }
    for (struct chunk *chunk = p->chunks, *after; chunk; chunk = after) {
        after = chunk->next;
        free(chunk);
    }
    free(p->list);
    free(p);
    *places = NULL;
}

/* The instance's place in the list, made when there is none. */
static struct placed *slot_of(struct places *p, const Reeve__TaskRecord *task,
                              bool *is_new)
{
    AUTO_FREE char *instance =
        spec_pod_instance(str_or_empty(task->pod_type), task->pod_index);
    struct at *at = NULL;

    HASH_FIND_STR(p->by_instance, instance, at);
    *is_new = at == NULL;
    if (at)
        return &p->list[at->at];
    at = xcalloc(1, sizeof(*at));
    at->instance = MOVE(instance);
    at->at = p->count++;
    HASH_ADD_KEYPTR(hh, p->by_instance, at->instance, strlen(at->instance), at);
    p->list = xrealloc(p->list, p->count * sizeof(*p->list));
    p->list[at->at].tasks = NULL;
    return &p->list[at->at];
}

static struct placed_task *new_task(struct places *p)
{
    if (!p->chunks || p->chunks->n == ARRAY_LEN(p->chunks->tasks)) {
        struct chunk *chunk = xmalloc(sizeof(*chunk));

        chunk->n = 0;
        chunk->next = p->chunks;
        p->chunks = chunk;
    }
    return &p->chunks->tasks[p->chunks->n++];
}

static void add_name(struct places *p, struct placed *placed,
                     const Reeve__TaskRecord *task)
{
    struct placed_task *one;

    if (!task->name)
        return;
    one = new_task(p);
    *one = (struct placed_task){task->name, placed->tasks};
    placed->tasks = one;
}

static void set(struct placed *placed, const Reeve__TaskRecord *task)
{
    *placed = (struct placed){.pod_type = task->pod_type,
                              .pod_index = task->pod_index,
                              .hostname = task->hostname,
                              .agent_id = task->agent_id,
                              .region = task->region,
                              .zone = task->zone,
                              .attributes = task->offer_attributes,
                              .n_attributes = task->n_offer_attributes,
                              .tasks = placed->tasks};
}

void places_add(struct places *places, const Reeve__TaskRecord *task)
{
    bool is_new;
    struct placed *placed = slot_of(places, task, &is_new);

    if (is_new)
        set(placed, task);
    add_name(places, placed, task);
}

void places_move(struct places *places, const Reeve__TaskRecord *task)
{
    bool is_new;
    struct placed *placed = slot_of(places, task, &is_new);

    if (!is_new)
        places->moves++;
    set(placed, task);
    add_name(places, placed, task);
}

size_t places_moves(const struct places *places)
{
    return places->moves;
}

const struct placed *places_all(const struct places *places, size_t *count)
{
    *count = places->count;
    return places->list;
}
