/* SPDX-License-Identifier: Apache-2.0 */
/* redis_mirror_exchange - one exchange at a time, guarded; records while live
 */
#include "services/state-store/redis_mirror_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/crash_point.h"
#include "services/state-store/table.h"

enum { BATCH_RECORDS = 4096 };

const char *reply_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? reply->str : "";
}

uint64_t reply_number(const redisReply *reply)
{
    uint64_t number = 0;
    if (reply->type == REDIS_REPLY_STRING)
        parse_u64(reply->str, &number);
    return number;
}

bool reply_is_list(const redisReply *reply, size_t min)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements >= min;
}

const redisReply *reply_error(redisReply **replies, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (replies[i]->type == REDIS_REPLY_ERROR)
            return replies[i];
    return NULL;
}

void mirror_give_up(struct redis_mirror *m, const char *why)
{
    redis_link_drop(m->link, why);
}

/* ---- guarded exchanges
 * -------------------------------------------------------------
 *
 * MULTI, the commands, PEXPIRE owner, EXEC, then WATCH again and look whether
 * all is as it must be, which arms the guard for the next exchange. */

void mirror_begin(struct redis_mirror *m)
{
    redis_batch_begin(&m->batch, &m->keys);
    redis_batch_command(&m->batch, "MULTI", NULL);
}

/* What Redis would not do. */
static const char *refusal(struct redis_mirror *m, redisReply **replies,
                           size_t n)
{
    const redisReply *error = reply_error(replies, n);
    const redisReply *exec = replies[n - 4];
    if (error)
        return error->str;
    if (exec->type != REDIS_REPLY_ARRAY)
        return NULL;
    /* Not in it: MULTI, EXEC and what follows it. */
    if (exec->elements != n - 5)
        return "EXEC answered nonsense";
    error = reply_error(exec->element, exec->elements);
    if (!error)
        return NULL;
    m->must_fill = true;
    return error->str;
}

/* What somebody else did to Redis. */
static const char *intrusion(struct redis_mirror *m, redisReply **replies,
                             size_t n)
{
    if (replies[n - 4]->type != REDIS_REPLY_ARRAY)
        return "Redis was changed by another client";
    if (strcmp(reply_text(replies[n - 2]), m->owner_value) != 0)
        return "the owner key is not ours any more";
    if (reply_number(replies[n - 1]) != m->expected_seq)
        return "Redis is not at the position where it was left";
    return NULL;
}

/* WAIT counts the replicas that have all this connection wrote. */
static void note_replicas(struct redis_mirror *m, const redisReply *wait)
{
    m->has_replica = wait->type == REDIS_REPLY_INTEGER && wait->integer > 0;
}

static void on_guarded(void *self, redisReply **replies)
{
    struct redis_mirror *m = self;
    size_t n = m->batch.n - (m->replica_wait_ms > 0);
    const char *wrong = refusal(m, replies, n);
    if (wrong) {
        mirror_give_up(m, wrong);
        return;
    }
    wrong = intrusion(m, replies, n);
    if (wrong) {
        log_odd("redis_intrusion", "stage=%s what=%s",
                mirror_stage_name(m->stage), log_q(wrong));
        m->is_in_doubt = true;
        m->leased_ms = 0;
        mirror_forget_progress(m);
        mirror_look(m);
        return;
    }
    m->leased_ms = m->asked_ms;
    m->confirmed_ms = loop_now_ms(m->loop);
    if (m->replica_wait_ms)
        note_replicas(m, replies[n]);
    m->then(m, replies[n - 4]);
}

/* then gets EXEC's reply: one element for each command since mirror_begin(). */
void mirror_send(struct redis_mirror *m,
                 void (*then)(struct redis_mirror *m, const redisReply *exec))
{
    char ttl[24];
    snprintf(ttl, sizeof ttl, "%" PRId64, m->owner_ttl_ms);
    redis_batch_end(&m->batch);
    redis_batch_command(&m->batch, "PEXPIRE", m->keys.owner, ttl, NULL);
    redis_batch_command(&m->batch, "EXEC", NULL);
    redis_batch_command(&m->batch, "WATCH", m->keys.owner, m->keys.meta, NULL);
    redis_batch_command(&m->batch, "GET", m->keys.owner, NULL);
    redis_batch_command(&m->batch, "HGET", m->keys.meta, "seq", NULL);
    if (m->replica_wait_ms) {
        snprintf(ttl, sizeof ttl, "%" PRId64, m->replica_wait_ms);
        redis_batch_command(&m->batch, "WAIT", "1", ttl, NULL);
    }
    m->then = then;
    m->asked_ms = clock_mono_ms();
    redis_link_ask(m->link, &m->batch.out, m->batch.n, on_guarded);
}

void mirror_set_position(struct redis_mirror *m, uint64_t seq,
                         uint64_t revision, bool is_complete)
{
    struct redis_position position = {m->lineage, seq, revision, is_complete};
    redis_batch_position(&m->batch, &position);
    m->expected_seq = seq;
}

/* ---- live
 * ------------------------------------------------------------------------------
 */

/* What no replica has confirmed: WAIT again, which itself takes its time. */
static void ask_replica(struct redis_mirror *m)
{
    if (!m->replica_wait_ms || m->is_ending || m->stage != LIVE ||
        m->replica_seq >= m->seq || !redis_link_is_idle(m->link))
        return;
    mirror_beat(m);
}

static void note_applied(struct redis_mirror *m)
{
    mirror_trim_backlog(m);
    bool is_near = m->seq >= m->pushed_seq ||
                   record_queue_at(&m->backlog, m->seq + 1) != NULL;
    if (is_near && !m->is_catching_up) {
        m->is_catching_up = true;
        m->current_at = m->pushed_seq;
    }
    if (m->is_catching_up && m->seq >= m->current_at)
        m->is_current = true;
    if (m->has_replica)
        m->replica_seq = m->seq;
    m->events->applied(m->self);
    mirror_send_batch(m);
    ask_replica(m);
}

static void on_beaten(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    if (m->stage == FILLING)
        mirror_fill_next(m);
    else
        note_applied(m);
}

void mirror_beat(struct redis_mirror *m)
{
    mirror_begin(m);
    mirror_send(m, on_beaten);
}

static void on_batch(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    crash_point("redis_after_apply");
    m->seq = m->sent_seq;
    m->revision = m->sent_revision;
    note_applied(m);
}

/* The records after the last applied one, as many as fit. */
void mirror_send_batch(struct redis_mirror *m)
{
    if (m->stage != LIVE || !redis_link_is_idle(m->link) ||
        m->seq >= m->pushed_seq)
        return;
    struct record *record = record_queue_at(&m->backlog, m->seq + 1);
    if (!record) { /* the backlog does not reach back to it any more */
        mirror_start_fill(m);
        return;
    }
    mirror_begin(m);
    for (size_t i = 0; record && i < BATCH_RECORDS; i++) {
        redis_batch_record(&m->batch, record);
        m->sent_seq = record->seq;
        m->sent_revision = record->revision;
        if (redis_batch_bytes(&m->batch) > BATCH_BYTES)
            break;
        record = record_queue_at(&m->backlog, m->sent_seq + 1);
    }
    mirror_set_position(m, m->sent_seq, m->sent_revision, true);
    crash_point("redis_before_send");
    mirror_send(m, on_batch);
}

void mirror_go_live(struct redis_mirror *m)
{
    m->stage = LIVE;
    m->why[0] = '\0';
    log_info("redis_live", "seq=%" PRIu64 " behind=%" PRIu64, m->seq,
             redis_mirror_lag(m));
    note_applied(m);
}
