/* SPDX-License-Identifier: Apache-2.0 */
/* routes - what the store answers (proto/store.proto)
 *
 * One rhythm: decode, check, change the table, log, and put the answer in line
 * for when all that it tells is visible.  Also refusals wait there: a failed
 * precondition tells a revision, too.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/bus/arena.h"
#include "lib/loop/loop.h"
#include "lib/wire/wire.h"
#include "proto/store.pb-c.h"
#include "services/state-store/answers.h"
#include "services/state-store/redis_mirror.h"
#include "services/state-store/store.h"
#include "services/state-store/table.h"
#include "services/state-store/wal.h"

/* A transaction that takes no more to unpack needs no malloc. */
enum { SMALL_TXN_BYTES = 16 << 10 };

void store_answer_later(struct store *s, struct pending_answer *answer)
{
    answer->seq = table_seq(s->table);
    DL_APPEND(s->answers, answer);
    s->answers_bytes += answer->bytes;
    store_advance(s);
}

int store_check_serving(const struct store *s, struct err *err)
{
    if (s->stage == STORE_STARTING)
        return err_set(err, ERR_UNAVAILABLE, "starting: %s", s->starting_why);
    if (s->stage == STORE_FAILED)
        return err_set(err, ERR_UNAVAILABLE, "stopping");
    if (!store_may_answer(s))
        return err_set(err, ERR_UNAVAILABLE,
                       "waiting for Redis: another store may have taken over");
    if (store_queue_is_full(s))
        return err_set(err, ERR_FULL, "more than %zu MiB wait for the disk",
                       s->queue_max_bytes >> 20);
    return 0;
}

static int check_disk(const struct store *s, struct err *err)
{
    if (s->disk_is_full)
        return err_set(err, ERR_FULL, "the disk of the log is full");
    return 0;
}

static struct err *keep_err(const struct err *err)
{
    return xmemdup(err, sizeof *err);
}

/* ---- store.txn ---- */

static int do_txn(struct store *s, struct bus_call *call,
                  const Reeve__TxnRequest *txn, struct err *err)
{
    const char *id = txn->request_id && txn->request_id[0] ? txn->request_id
                                                           : bus_call_id(call);
    struct txn_outcome out;
    int result = table_txn(s->table, txn, id, clock_wall_ms(), &out, err);
    if (result < 0 && err->code != ERR_CONFLICT)
        return -1;
    struct pending_answer *answer = answer_new(call, ANSWER_TXN);
    answer->number = result < 0 ? out.failed_revision : out.revision;
    answer->is_repeat = out.is_repeat;
    if (result < 0) {
        answer->text = xstrdup(out.failed_key);
        answer->err = keep_err(err);
    }
    if (out.record)
        store_log(s, out.record);
    store_answer_later(s, answer);
    return 0;
}

static int on_txn(void *self, struct bus_call *call, struct err *err)
{
    struct store *s = store_of(self);
    if (store_check_serving(s, err) < 0 || check_disk(s, err) < 0)
        return -1;
    _Alignas(max_align_t) uint8_t place[SMALL_TXN_BYTES];
    struct arena arena;
    arena_init(&arena, place, sizeof place);
    Reeve__TxnRequest *txn = (Reeve__TxnRequest *)bus_call_decode_in(
        call, &reeve__txn_request__descriptor, &arena.memory, err);
    if (!txn)
        return -1;
    int result = do_txn(s, call, txn, err);
    reeve__txn_request__free_unpacked(txn, &arena.memory);
    return result;
}

/* ---- store.lease ---- */

static int do_lease(struct store *s, struct bus_call *call,
                    const Reeve__LeaseRequest *m, struct err *err)
{
    struct lease_ask ask = {
        .name = m->name,
        .holder = m->holder,
        .request_id = bus_call_id(call),
        .epoch = m->epoch,
        .ttl_ms = m->ttl_ms,
        .is_release = m->release,
    };
    struct lease_clock clock = {clock_mono_ms(), clock_wall_ms()};
    struct lease_answer out;
    struct record *record;
    int result = table_lease(s->table, &ask, clock, &out, &record, err);
    if (result < 0 && err->code != ERR_CONFLICT)
        return -1;
    struct pending_answer *answer = answer_new(call, ANSWER_LEASE);
    answer->number = out.epoch;
    answer->text = xstrdup(out.holder);
    answer->remaining_ms = out.remaining_ms;
    if (result < 0)
        answer->err = keep_err(err);
    if (record)
        store_log(s, record);
    store_answer_later(s, answer);
    return 0;
}

static int on_lease(void *self, struct bus_call *call, struct err *err)
{
    struct store *s = store_of(self);
    if (store_check_serving(s, err) < 0)
        return -1;
    Reeve__LeaseRequest *m = (Reeve__LeaseRequest *)bus_call_decode(
        call, &reeve__lease_request__descriptor, err);
    if (!m)
        return -1;
    int result = do_lease(s, call, m, err);
    reeve__lease_request__free_unpacked(m, NULL);
    return result;
}

/* ---- store.get ---- */

static int on_get(void *self, struct bus_call *call, struct err *err)
{
    struct store *s = store_of(self);
    if (store_check_serving(s, err) < 0)
        return -1;
    Reeve__GetRequest *m = (Reeve__GetRequest *)bus_call_decode(
        call, &reeve__get_request__descriptor, err);
    if (!m)
        return -1;
    struct pending_answer *answer = store_new_items(s, call);
    for (size_t i = 0; i < m->n_keys; i++) {
        struct item *item =
            key_index_find(table_keys(s->table), key_of(m->keys[i]));
        if (item)
            answer_add_item(answer, item);
    }
    reeve__get_request__free_unpacked(m, NULL);
    store_answer_later(s, answer);
    return 0;
}

/* ---- store.status ---- */

static void fill_status(const struct store *s, Reeve__StoreStatusReply *reply)
{
    reply->has_revision = reply->has_keys = 1;
    reply->revision = s->visible_revision;
    reply->keys = key_index_count(table_keys(s->table));
    reply->has_wal_bytes = reply->has_wal_segments = 1;
    reply->wal_bytes = wal_bytes(s->wal);
    reply->wal_segments = (uint32_t)wal_segments(s->wal);
    reply->has_snapshot_revision = 1;
    reply->snapshot_revision = s->snapshot_revision;
    if (!s->mirror)
        return;
    reply->has_redis_connected = reply->has_redis_revision = 1;
    reply->redis_connected = redis_mirror_is_current(s->mirror);
    reply->redis_revision = redis_mirror_revision(s->mirror);
}

static int on_status(void *self, struct bus_call *call, struct err *err)
{
    struct store *s = store_of(self);
    if (s->stage != STORE_ACTIVE)
        return store_check_serving(s, err);
    Reeve__StoreStatusReply reply = REEVE__STORE_STATUS_REPLY__INIT;
    char lineage[UUID_TEXT_SIZE];
    uuid_format(table_lineage(s->table), lineage);
    reply.lineage = lineage;
    reply.ack_mode = (char *)service_str(s->service, "ack");
    fill_status(s, &reply);
    bus_call_reply(call, &reply.base);
    return 0;
}

const struct bus_route store_routes[] = {
    {"store.txn", on_txn},
    {"store.get", on_get},
    {"store.snapshot", store_on_snapshot},
    {"store.events_since", store_on_events_since},
    {"store.lease", on_lease},
    {"store.status", on_status},
    {NULL, NULL},
};
