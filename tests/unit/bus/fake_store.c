/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/bus/fake_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/omap.h"
#include "lib/bus/bus.h"
#include "lib/loop/loop.h"
#include "proto/store.pb-c.h"

struct fake_item {
    uint8_t *value;
    size_t len;
    uint64_t revision;
};

static void item_free(void *self)
{
    struct fake_item *item = self;
    if (!item)
        return;
    free(item->value);
    free(item);
}

static bool take(int *knob)
{
    if (*knob <= 0)
        return false;
    --*knob;
    return true;
}

static void publish(struct fake_store *s, const Reeve__Event *e)
{
    if (!s->pub || (!take(&s->keep_events) && take(&s->lose_events)))
        return;
    bus_pub_send(s->pub, e->key, e->revision, &e->base);
    if (take(&s->duplicate_events))
        bus_pub_send(s->pub, e->key, e->revision, &e->base);
}

static void apply(struct fake_store *s, Reeve__Op **ops, size_t count)
{
    s->revision++;
    for (size_t i = 0; i < count; i++) {
        Reeve__Event e = REEVE__EVENT__INIT;
        e.has_revision = e.has_index = e.has_count = 1;
        e.revision = s->revision;
        e.index = (uint32_t)i;
        e.count = (uint32_t)count;
        e.key = ops[i]->key;
        e.has_value = ops[i]->has_value;
        e.value = ops[i]->value;
        if (ops[i]->has_value) {
            struct fake_item *item = xcalloc(1, sizeof *item);
            item->value = xmemdup(ops[i]->value.data, ops[i]->value.len);
            item->len = ops[i]->value.len;
            item->revision = s->revision;
            item_free(omap_put(s->items, ops[i]->key, item));
        } else {
            item_free(omap_remove(s->items, ops[i]->key));
        }
        publish(s, &e);
    }
}

static void put_list(struct fake_store *s, const char *const *keys,
                     size_t count, const char *value)
{
    Reeve__Op ops[4], *list[4];
    for (size_t i = 0; i < count; i++) {
        reeve__op__init(&ops[i]);
        ops[i].key = (char *)keys[i];
        ops[i].has_value = value != NULL;
        ops[i].value.data = (uint8_t *)value;
        ops[i].value.len = value ? strlen(value) : 0;
        list[i] = &ops[i];
    }
    apply(s, list, count);
}

void fake_store_put(struct fake_store *s, const char *key, const char *value)
{
    put_list(s, &key, 1, value);
}

void fake_store_put2(struct fake_store *s, const char *a, const char *b,
                     const char *value)
{
    const char *const keys[] = {a, b};
    put_list(s, keys, 2, value);
}

void fake_store_wipe(struct fake_store *s, const char *lineage)
{
    omap_free(s->items, item_free);
    s->items = omap_new();
    s->revision = 0;
    snprintf(s->lineage, sizeof s->lineage, "%s", lineage);
}

/* ---- routes ------------------------------------------------------------ */

static int check_preconditions(struct fake_store *s, const Reeve__TxnRequest *m,
                               Reeve__TxnReply *reply)
{
    for (size_t i = 0; i < m->n_preconditions; i++) {
        const Reeve__Precondition *p = m->preconditions[i];
        const struct fake_item *item = omap_get(s->items, p->key);
        uint64_t revision = item ? item->revision : 0;
        if (revision == p->revision)
            continue;
        reply->failed_key = p->key;
        reply->has_failed_revision = 1;
        reply->failed_revision = revision;
        return -1;
    }
    return 0;
}

static void note_applied(struct fake_store *s, const Reeve__TxnRequest *m)
{
    size_t n = strlen(s->applied);
    if (m->n_ops)
        snprintf(s->applied + n, sizeof s->applied - n, "%s%s", n ? " " : "",
                 m->ops[0]->key);
}

static void run_txn(struct fake_store *s, struct bus_call *call,
                    Reeve__TxnRequest *m)
{
    Reeve__TxnReply reply = REEVE__TXN_REPLY__INIT;
    struct err err = {0};
    const uint64_t *before = omap_get(s->requests, m->request_id);
    reply.has_revision = 1;
    s->txns++;
    if (before) {
        s->repeats++;
        reply.revision = *before;
        bus_call_reply(call, &reply.base);
        return;
    }
    if (take(&s->unavailable))
        err_set(&err, ERR_UNAVAILABLE, "not yet");
    else if (take(&s->fenced) || (m->lease && m->epoch != s->lease_epoch))
        err_set(&err, ERR_FENCED, "epoch %d is over", (int)m->epoch);
    else if (check_preconditions(s, m, &reply) < 0)
        err_set(&err, ERR_CONFLICT, "not so");
    if (err.code) {
        bus_call_fail(call, &err, &reply.base);
        return;
    }
    apply(s, m->ops, m->n_ops);
    note_applied(s, m);
    free(omap_put(s->requests, m->request_id,
                  xmemdup(&s->revision, sizeof s->revision)));
    reply.revision = s->revision;
    if (!take(&s->lose_answers))
        bus_call_reply(call, &reply.base);
}

static int on_txn(void *self, struct bus_call *call, struct err *err)
{
    Reeve__TxnRequest *m = (Reeve__TxnRequest *)bus_call_decode(
        call, &reeve__txn_request__descriptor, err);
    if (!m)
        return -1;
    run_txn(self, call, m);
    reeve__txn_request__free_unpacked(m, NULL);
    return 0;
}

static void send_snapshot(struct fake_store *s, struct bus_call *call)
{
    Reeve__SnapshotReply reply = REEVE__SNAPSHOT_REPLY__INIT;
    size_t count = omap_count(s->items);
    Reeve__Item *items = xcalloc(count, sizeof *items);
    reply.items = xcalloc(count, sizeof(Reeve__Item *));
    for (struct omap_node *n = omap_seek(s->items, ""); n; n = omap_next(n)) {
        const struct fake_item *from = omap_value(n);
        Reeve__Item *item = &items[reply.n_items];
        reeve__item__init(item);
        item->key = (char *)omap_key(n);
        item->has_value = item->has_revision = 1;
        item->value.data = from->value;
        item->value.len = from->len;
        item->revision = from->revision;
        reply.items[reply.n_items++] = item;
    }
    reply.has_revision = 1;
    reply.revision = s->revision;
    reply.lineage = s->lineage;
    bus_call_reply(call, &reply.base);
    free(reply.items);
    free(items);
}

static int on_snapshot(void *self, struct bus_call *call,
                       struct err *err UNUSED)
{
    struct fake_store *s = self;
    s->snapshots++;
    if (s->hold_snapshots)
        s->held_snapshot = call;
    else
        send_snapshot(s, call);
    return 0;
}

void fake_store_answer_snapshot(struct fake_store *s)
{
    ASSERT(s->held_snapshot);
    send_snapshot(s, MOVE(s->held_snapshot));
}

static int grant(struct fake_store *s, const Reeve__LeaseRequest *m,
                 Reeve__LeaseReply *reply, struct err *err)
{
    bool is_holder = str_eq(s->lease_holder, m->holder);
    reply->has_remaining_ms = 1;
    reply->remaining_ms = 50;
    reply->holder = s->lease_holder;
    if (s->lease_holder[0] && !is_holder)
        return err_set(err, ERR_CONFLICT, "held by another");
    if (m->epoch && m->epoch != s->lease_epoch)
        return err_set(err, ERR_FENCED, "that epoch is over");
    if (m->release) {
        s->releases++;
        s->lease_holder[0] = '\0';
        return 0;
    }
    if (!m->epoch)
        s->lease_epoch++;
    snprintf(s->lease_holder, sizeof s->lease_holder, "%s", m->holder);
    reply->has_epoch = 1;
    reply->epoch = s->lease_epoch;
    return 0;
}

static int on_lease(void *self, struct bus_call *call, struct err *err)
{
    struct fake_store *s = self;
    if (s->no_leases)
        return 0; /* kept for ever */
    Reeve__LeaseRequest *m = (Reeve__LeaseRequest *)bus_call_decode(
        call, &reeve__lease_request__descriptor, err);
    if (!m)
        return -1;
    Reeve__LeaseReply reply = REEVE__LEASE_REPLY__INIT;
    s->leases++;
    if (grant(s, m, &reply, err) < 0)
        bus_call_fail(call, err, &reply.base);
    else
        bus_call_reply(call, &reply.base);
    reeve__lease_request__free_unpacked(m, NULL);
    return 0;
}

static const struct bus_route routes[] = {
    {"store.txn", on_txn},
    {"store.snapshot", on_snapshot},
    {"store.lease", on_lease},
    {NULL, NULL},
};

/* ---- life -------------------------------------------------------------- */

static void tick(void *self)
{
    struct fake_store *s = self;
    Reeve__Event e = REEVE__EVENT__INIT;
    e.has_revision = 1;
    e.revision = s->revision;
    e.lineage = s->lineage;
    if (!s->silent)
        bus_pub_send(s->pub, "~tick", s->revision, &e.base);
}

void fake_store_up(struct fake_store *s)
{
    struct err err = {0};
    s->server = bus_server_new(s->w->loop, s->w->endpoint, &err);
    s->pub = bus_pub_new(s->w->feed, 100000, &err);
    ASSERT(s->server && s->pub);
    bus_server_add_routes(s->server, routes, s);
    s->tick_timer = loop_timer(s->w->loop, 0, 100, tick, s);
}

void fake_store_down(struct fake_store *s)
{
    loop_timer_cancel(s->w->loop, s->tick_timer);
    s->held_snapshot = NULL;
    bus_server_destroy(&s->server);
    bus_pub_destroy(&s->pub);
}

void fake_store_open(struct fake_store *s, struct bus_world *w)
{
    memset(s, 0, sizeof *s);
    s->w = w;
    s->items = omap_new();
    s->requests = omap_new();
    snprintf(s->lineage, sizeof s->lineage, "lineage-1");
    fake_store_up(s);
}

void fake_store_close(struct fake_store *s)
{
    if (s->server)
        fake_store_down(s);
    omap_free(s->items, item_free);
    omap_free(s->requests, free);
}
