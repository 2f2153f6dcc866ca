/* SPDX-License-Identifier: Apache-2.0 */
/* visible - from applied to acknowledged: log, Redis, answers, events
 *
 * Invariant: pending holds the records visible_seq + 1 .. table_seq, in order;
 * those up to the log's durable seq were handed to Redis.
 */
#include <inttypes.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "proto/store.pb-c.h"
#include "services/state-store/answers.h"
#include "services/state-store/crash_point.h"
#include "services/state-store/redis_mirror.h"
#include "services/state-store/store.h"
#include "services/state-store/table.h"
#include "services/state-store/wal.h"

bool store_queue_is_full(const struct store *s)
{
    return s->pending.bytes + s->answers_bytes > s->queue_max_bytes;
}

/* Redis counts from when all that it lacks is under way; what came before,
 * while it was away, is acknowledged by the log alone, unless a partner may go
 * on from Redis. */
static uint64_t acknowledged_seq(const struct store *s)
{
    uint64_t durable = wal_durable_seq(s->wal);
    if (s->mirror && redis_mirror_is_in_doubt(s->mirror))
        return s->visible_seq;
    if (s->acks_with_replica)
        return MIN(durable, redis_mirror_replica_seq(s->mirror));
    if (s->is_paired)
        return MIN(durable, redis_mirror_seq(s->mirror));
    if (!s->acks_with_redis || !s->mirror || !redis_mirror_is_near(s->mirror))
        return durable;
    return MIN(durable, redis_mirror_seq(s->mirror));
}

static void send_answers(struct store *s)
{
    struct pending_answer *answer = s->answers;
    while (answer && answer->seq <= s->visible_seq) {
        DL_DELETE(s->answers, answer);
        s->answers_bytes -= answer->bytes;
        answer_send(answer);
        answer = s->answers;
    }
}

void store_advance(struct store *s)
{
    if (s->stage != STORE_ACTIVE || !store_may_answer(s))
        return;
    uint64_t seq = acknowledged_seq(s);
    if (seq > s->visible_seq) {
        crash_point("wal_before_reply");
        s->visible_seq = seq;
    }
    send_answers(s);
    for (;;) {
        struct record *record = record_queue_first(&s->pending);
        if (!record || record->seq > s->visible_seq)
            break;
        record_queue_pop(&s->pending);
        s->visible_revision = record->revision;
        if (record->type == RECORD_TXN)
            store_publish(s, record);
        record_unref(record);
    }
}

/* What is durable now goes to Redis. */
static void push(struct store *s, uint64_t durable)
{
    while (s->mirror && s->pushed_seq < durable) {
        struct record *record = record_queue_at(&s->pending, s->pushed_seq + 1);
        ASSERT(record);
        s->pushed_seq++;
        redis_mirror_push(s->mirror, record);
    }
    s->pushed_seq = durable;
}

static void count_batch(struct store *s, const struct wal_batch *batch)
{
    service_count(s->service, "store.wal_batches", 1,
                  "batches synced to the log");
    service_count(s->service, "store.wal_records", batch->records,
                  "records synced to the log");
    service_count(s->service, "store.wal_written_bytes", batch->bytes,
                  "bytes of records written to the log");
    service_count(s->service, "store.wal_sync_us", (uint64_t)batch->sync_us,
                  "time spent writing and syncing batches");
    service_gauge(s->service, "store.wal_last_sync_ms",
                  (double)batch->sync_us / 1000, "of the last batch");
}

/* A batch is durable. */
static void take_batch(struct store *s, const struct wal_batch *batch)
{
    if (batch->gave_up_reserve) {
        log_bad("disk_full", "action=%s", log_q("gave up the reserve"));
        s->disk_is_full = true;
        store_check_disk(s);
    }
    count_batch(s, batch);
    push(s, batch->seq);
    store_advance(s);
    store_checkpoint(s);
}

void store_on_wal(void *self, int fd UNUSED, int events UNUSED)
{
    struct store *s = store_of(self);
    struct wal_batch batch;
    struct err err;
    int result = wal_collect(s->wal, &batch, &err);
    if (result < 0)
        store_fail(s, EXIT_WAL, "wal_failed", err.text);
    else if (result > 0 && s->stage == STORE_ACTIVE)
        take_batch(s, &batch);
}

/* After the callbacks of this turn: what came in together is synced together.
 */
static void flush(void *self)
{
    struct store *s = store_of(self);
    struct wal_batch batch;
    struct err err;
    s->must_flush = false;
    if (s->stage != STORE_ACTIVE)
        return;
    if (!wal_may_sync_here(s->wal))
        wal_flush(s->wal);
    else if (wal_sync_here(s->wal, &batch, &err) < 0)
        store_fail(s, EXIT_WAL, "wal_failed", err.text);
    else
        take_batch(s, &batch);
}

void store_log(struct store *s, struct record *record)
{
    wal_append(s->wal, record);
    record_queue_push(&s->pending, record);
    record_unref(record);
    if (s->must_flush)
        return;
    s->must_flush = true;
    loop_soon(service_loop(s->service), flush, s);
}

void store_drop_answers(struct store *s)
{
    struct pending_answer *answer, *next;
    DL_FOREACH_SAFE(s->answers, answer, next)
    {
        DL_DELETE(s->answers, answer);
        answer_drop(answer);
    }
    s->answers_bytes = 0;
}
