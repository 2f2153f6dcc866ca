/* SPDX-License-Identifier: Apache-2.0 */
/* offer_book - see offer_book.h
 *
 * A hash by offer id; uthash keeps the order of insertion, which is the order
 * of arrival.
 */
#include "services/offer-broker/offer_book.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/wire.h"

struct held {
    struct offer offer;
    UT_hash_handle hh;
};

struct offer_book {
    struct held *by_id;
    size_t max_offers;
};

struct offer_book *offer_book_new(size_t max_offers)
{
    struct offer_book *book = xcalloc(1, sizeof(*book));

    book->max_offers = max_offers;
    return book;
}

void offer_book_destroy(struct offer_book **book)
{
    if (!*book)
        return;
    offer_book_clear(*book);
    free(*book);
    *book = NULL;
}

static struct held *find_held(const struct offer_book *book, const char *id)
{
    struct held *held = NULL;

    HASH_FIND_STR(book->by_id, id, held);
    return held;
}

static void drop_held(struct offer_book *book, struct held *held)
{
    ProtobufCMessage *message = &held->offer.message->base;

    HASH_DEL(book->by_id, held);
    wire_free(&message);
    free(held);
}

int offer_book_add(struct offer_book *book, Mesos__V1__Offer **offer,
                   int64_t now_ms, struct err *err)
{
    Mesos__V1__Offer *message = *offer;
    struct held *held;

    if (find_held(book, message->id->value))
        return err_set(err, ERR_EXISTS, "offer %s is held already",
                       message->id->value);
    if (HASH_COUNT(book->by_id) >= book->max_offers)
        return err_set(err, ERR_FULL, "%zu offers are held already",
                       book->max_offers);
    if (resources_check(message->resources, message->n_resources, err) < 0)
        return err_wrap(err, "offer %s", message->id->value);
    held = xcalloc(1, sizeof(*held));
    held->offer.message = MOVE(*offer);
    held->offer.id = message->id->value;
    held->offer.received_ms = now_ms;
    HASH_ADD_KEYPTR(hh, book->by_id, held->offer.id, strlen(held->offer.id),
                    held);
    return 0;
}

const struct offer *offer_book_find(const struct offer_book *book,
                                    const char *id)
{
    const struct held *held = find_held(book, id);

    return held ? &held->offer : NULL;
}

bool offer_book_rescind(struct offer_book *book, const char *id)
{
    struct held *held = find_held(book, id);

    if (!held)
        return false;
    if (held->offer.is_taken)
        held->offer.is_rescinded = true;
    else
        drop_held(book, held);
    return true;
}

void offer_book_take(struct offer_book *book, const char *id)
{
    struct held *held = find_held(book, id);

    if (held)
        held->offer.is_taken = true;
}

void offer_book_release(struct offer_book *book, const char *id)
{
    struct held *held = find_held(book, id);

    if (held && held->offer.is_rescinded)
        drop_held(book, held);
    else if (held)
        held->offer.is_taken = false;
}

void offer_book_drop(struct offer_book *book, const char *id)
{
    struct held *held = find_held(book, id);

    if (held)
        drop_held(book, held);
}

void offer_book_need(struct offer_book *book, const char *id)
{
    struct held *held = find_held(book, id);

    if (held)
        held->offer.is_needed = true;
}

void offer_book_clear(struct offer_book *book)
{
    struct held *held, *next;

    HASH_ITER(hh, book->by_id, held, next)
    {
        drop_held(book, held);
    }
}

size_t offer_book_count(const struct offer_book *book)
{
    return HASH_COUNT(book->by_id);
}

void offer_book_each(const struct offer_book *book,
                     void (*fn)(void *self, const struct offer *offer),
                     void *self)
{
    struct held *held, *next;

    HASH_ITER(hh, book->by_id, held, next)
    {
        fn(self, &held->offer);
    }
}

/* ---- pools -------------------------------------------------------- */
static const char *role_of(const Mesos__V1__Offer *offer)
{
    return offer->allocation_info ? offer->allocation_info->role : NULL;
}

/* agent id -> index in the list of pools */
struct pool_index {
    const char *agent_id;
    size_t at;
    UT_hash_handle hh;
};

struct pool_list {
    const struct offer_book *book;
    struct agent_pool *list;
    size_t count, capacity;
    struct pool_index *by_agent;
};

static struct agent_pool *add_pool(struct pool_list *pools,
                                   const struct offer *offer)
{
    if (pools->count == pools->capacity) {
        pools->capacity = MAX(64, 2 * pools->capacity);
        pools->list =
            xrealloc(pools->list, pools->capacity * sizeof(*pools->list));
    }
    pools->list[pools->count] =
        (struct agent_pool){.agent_id = offer->message->agent_id->value,
                            .role = role_of(offer->message),
                            .hostname = offer->message->hostname,
                            .offer = offer->message,
                            .book = pools->book,
                            .oldest_ms = offer->received_ms};
    return &pools->list[pools->count++];
}

static void index_agent(struct pool_list *pools, const char *agent, size_t at)
{
    struct pool_index *index = xcalloc(1, sizeof(*index));

    index->agent_id = agent;
    index->at = at;
    HASH_ADD_KEYPTR(hh, pools->by_agent, index->agent_id, strlen(agent), index);
}

static struct agent_pool *pool_for(struct pool_list *pools,
                                   const struct offer *offer)
{
    const char *agent = offer->message->agent_id->value;
    const char *role = role_of(offer->message);
    struct pool_index *index = NULL;
    size_t at;

    HASH_FIND_STR(pools->by_agent, agent, index);
    if (!index) {
        index_agent(pools, agent, pools->count);
        return add_pool(pools, offer);
    }
    at = index->at;
    while (!str_eq(pools->list[at].role, role) && pools->list[at].next_of_agent)
        at = pools->list[at].next_of_agent;
    if (str_eq(pools->list[at].role, role))
        return &pools->list[at];
    pools->list[at].next_of_agent = pools->count;
    return add_pool(pools, offer);
}

static void add_to_pool(struct agent_pool *pool, const struct offer *offer)
{
    const Mesos__V1__Offer *message = offer->message;

    pool->offer_ids = xrealloc(pool->offer_ids, (pool->n_offer_ids + 1) *
                                                    sizeof(*pool->offer_ids));
    pool->offer_ids[pool->n_offer_ids++] = offer->id;
    pool->oldest_ms = MIN(pool->oldest_ms, offer->received_ms);
    for (size_t i = 0; i < message->n_resources; i++)
        pool->has_reserved |= resource_is_dynamic(message->resources[i]);
}

void agent_pool_fill(struct agent_pool *pool)
{
    if (pool->resources)
        return;
    pool->resources = resources_new();
    for (size_t i = 0; i < pool->n_offer_ids; i++) {
        const struct offer *offer =
            offer_book_find(pool->book, pool->offer_ids[i]);

        ASSERT(offer);
        for (size_t k = 0; k < offer->message->n_resources; k++)
            resources_add(pool->resources, offer->message->resources[k]);
    }
}

struct agent_pool *offer_book_pools(const struct offer_book *book,
                                    size_t *count)
{
    struct pool_list pools = {.book = book};
    struct held *held, *next;
    struct pool_index *index, *next_index;

    HASH_ITER(hh, book->by_id, held, next)
    {
        if (!held->offer.is_taken)
            add_to_pool(pool_for(&pools, &held->offer), &held->offer);
    }
    HASH_ITER(hh, pools.by_agent, index, next_index)
    {
        HASH_DEL(pools.by_agent, index);
        free(index);
    }
    *count = pools.count;
    return pools.list;
}

void agent_pools_free(struct agent_pool *pools, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        resources_destroy(&pools[i].resources);
        free(pools[i].offer_ids);
    }
    free(pools);
}
