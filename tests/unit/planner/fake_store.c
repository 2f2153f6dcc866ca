/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/planner/fake_store.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/bus/bus.h"
#include "lib/loop/loop.h"
#include "lib/wire/pb.h"
#include "proto/store.pb-c.h"
#include "services/planner/changes.h"

static char lineage[] = "11111111-1111-4111-8111-111111111111";

/* A change not published yet. */
struct news {
    uint64_t revision;
    char *key;
    void *value;
    size_t len;
};
struct fake_store {
    struct world *world;
    struct loop *loop;
    struct bus_server *server;
    struct bus_pub *pub;
    uint64_t ticker;
    struct news *news;
    size_t n_news;
    int answers_to_lose;
    unsigned txns;
    /* Results by request id, as a retry must get the first one. */
    struct {
        char id[64];
        uint64_t revision;
    } results[256];
    size_t n_results;
};

/* ---- publishing ---- */
static void on_change(void *self, const char *key, const void *value,
                      size_t len)
{
    struct fake_store *s = self;
    s->news = xrealloc(s->news, (s->n_news + 1) * sizeof *s->news);
    s->news[s->n_news++] = (struct news){
        .revision = s->world->revision,
        .key = xstrdup(key),
        .value = value ? xmemdup(len ? value : "", len ? len : 1) : NULL,
        .len = len,
    };
}

static void publish(struct fake_store *s, const struct news *n, uint32_t index,
                    uint32_t count)
{
    Reeve__Event event = REEVE__EVENT__INIT;
    PB_SET(&event, revision, n->revision);
    PB_SET(&event, index, index);
    PB_SET(&event, count, count);
    event.key = n->key;
    if (n->value) {
        event.has_value = true;
        event.value.data = n->value;
        event.value.len = n->len;
    }
    bus_pub_send(s->pub, n->key, n->revision, &event.base);
}

void fake_store_flush(struct fake_store *store)
{
    for (size_t i = 0; i < store->n_news;) {
        size_t end = i;
        while (end < store->n_news &&
               store->news[end].revision == store->news[i].revision)
            end++;
        for (size_t k = i; k < end; k++)
            publish(store, &store->news[k], (uint32_t)(k - i),
                    (uint32_t)(end - i));
        i = end;
    }
    for (size_t i = 0; i < store->n_news; i++) {
        free(store->news[i].key);
        free(store->news[i].value);
    }
    store->n_news = 0;
}

static void on_tick(void *self)
{
    struct fake_store *s = self;
    Reeve__Event event = REEVE__EVENT__INIT;
    PB_SET(&event, revision, s->world->revision);
    event.lineage = lineage;
    bus_pub_send(s->pub, "~tick", s->world->revision, &event.base);
}

/* ---- answering ---- */
static void add_item(void *self, const char *key, const void *value, size_t len,
                     uint64_t revision)
{
    Reeve__SnapshotReply *reply = self;
    Reeve__Item *item = PB_NEW(reeve__item);
    item->key = xstrdup(key);
    item->has_value = true;
    item->value.data = xmemdup(len ? value : "", len ? len : 1);
    item->value.len = len;
    PB_SET(item, revision, revision);
    PB_ADD(reply, items, item);
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(Reeve__Item *const *)a)->key,
                  (*(Reeve__Item *const *)b)->key);
}

static int on_snapshot(void *self, struct bus_call *call, struct err *err)
{
    (void)err;
    struct fake_store *s = self;
    fake_store_flush(s);
    AUTO_MESSAGE Reeve__SnapshotReply *reply = PB_NEW(reeve__snapshot_reply);
    PB_SET(reply, revision, s->world->revision);
    PB_STR(reply, lineage, lineage);
    world_each(s->world, add_item, reply);
    if (reply->n_items > 1)
        qsort(reply->items, reply->n_items, sizeof *reply->items, by_key);
    bus_call_reply(call, &reply->base);
    return 0;
}

static int on_lease(void *self, struct bus_call *call, struct err *err)
{
    struct fake_store *s = self;
    AUTO_MESSAGE Reeve__LeaseRequest *request =
        (Reeve__LeaseRequest *)bus_call_decode(
            call, &reeve__lease_request__descriptor, err);
    if (!request)
        return -1;
    if (request->epoch == 0)
        s->world->epoch++;
    Reeve__LeaseReply reply = REEVE__LEASE_REPLY__INIT;
    PB_SET(&reply, epoch, s->world->epoch);
    reply.holder = request->holder;
    PB_SET(&reply, remaining_ms, request->ttl_ms);
    bus_call_reply(call, &reply.base);
    return 0;
}

static void changes_of(const Reeve__TxnRequest *request,
                       struct changes *changes)
{
    for (size_t i = 0; i < request->n_preconditions; i++)
        changes_need(changes, xstrdup(request->preconditions[i]->key),
                     request->preconditions[i]->revision);
    for (size_t i = 0; i < request->n_ops; i++) {
        const Reeve__Op *op = request->ops[i];
        changes_delete(changes, xstrdup(op->key));
        if (!op->has_value)
            continue;
        struct change *change = &changes->ops[changes->n_ops - 1];
        change->value =
            xmemdup(op->value.len ? (const void *)op->value.data : "",
                    op->value.len ? op->value.len : 1);
        change->len = op->value.len;
    }
}

static uint64_t result_of(const struct fake_store *s, const char *id)
{
    for (size_t i = 0; i < s->n_results && i < ARRAY_LEN(s->results); i++)
        if (strcmp(s->results[i].id, id) == 0)
            return s->results[i].revision;
    return 0;
}

static int answer_txn(struct fake_store *s, struct bus_call *call,
                      uint64_t revision)
{
    if (s->answers_to_lose > 0) {
        s->answers_to_lose--;
        struct err lost = {0};
        err_set(&lost, ERR_UNAVAILABLE, "lost");
        bus_call_fail(call, &lost, NULL);
        return 0;
    }
    Reeve__TxnReply reply = REEVE__TXN_REPLY__INIT;
    PB_SET(&reply, revision, revision);
    bus_call_reply(call, &reply.base);
    return 0;
}

static int on_txn(void *self, struct bus_call *call, struct err *err)
{
    struct fake_store *s = self;
    AUTO_MESSAGE Reeve__TxnRequest *request =
        (Reeve__TxnRequest *)bus_call_decode(
            call, &reeve__txn_request__descriptor, err);
    if (!request)
        return -1;
    const char *id =
        request->request_id ? request->request_id : bus_call_id(call);
    uint64_t before = result_of(s, id);
    if (before)
        return answer_txn(s, call, before);
    if (request->epoch != s->world->epoch)
        return err_set(err, ERR_FENCED, "epoch is %llu",
                       (unsigned long long)s->world->epoch);
    AUTO_CHANGES struct changes changes = {0};
    changes_of(request, &changes);
    if (!world_apply(s->world, &changes))
        return err_set(err, ERR_CONFLICT, "a precondition does not hold");
    s->txns++;
    size_t slot = s->n_results++ % ARRAY_LEN(s->results);
    snprintf(s->results[slot].id, sizeof s->results[slot].id, "%s", id);
    s->results[slot].revision = s->world->revision;
    fake_store_flush(s);
    return answer_txn(s, call, s->world->revision);
}

static const struct bus_route routes[] = {
    {"store.snapshot", on_snapshot},
    {"store.lease", on_lease},
    {"store.txn", on_txn},
    {NULL, NULL},
};

/* ---- start and stop ---- */
struct fake_store *fake_store_new(struct loop *loop, const char *run_dir,
                                  struct world *world)
{
    char endpoint[PATH_MAX];
    struct err err = {0};
    struct fake_store *s = xcalloc(1, sizeof *s);
    s->world = world;
    s->loop = loop;
    world->on_change = on_change;
    world->on_change_self = s;
    cr_assert_eq(bus_endpoint(run_dir, "state-store", endpoint, PATH_MAX, &err),
                 0, "%s", err.text);
    s->server = bus_server_new(loop, endpoint, &err);
    cr_assert(s->server, "%s", err.text);
    bus_server_add_routes(s->server, routes, s);
    bus_endpoint(run_dir, "state-store.pub", endpoint, PATH_MAX, &err);
    s->pub = bus_pub_new(endpoint, 100000, &err);
    cr_assert(s->pub, "%s", err.text);
    s->ticker = loop_timer(loop, 100, 1000, on_tick, s);
    return s;
}

void fake_store_destroy(struct fake_store **store)
{
    struct fake_store *s = *store;
    fake_store_flush(s);
    s->world->on_change = NULL;
    loop_timer_cancel(s->loop, s->ticker);
    bus_server_destroy(&s->server);
    bus_pub_destroy(&s->pub);
    free(s->news);
    free(s);
    *store = NULL;
}

void fake_store_lose_answers(struct fake_store *store, int count)
{
    store->answers_to_lose = count;
}

unsigned fake_store_txns(const struct fake_store *store)
{
    return store->txns;
}
