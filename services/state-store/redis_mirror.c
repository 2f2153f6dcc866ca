/* SPDX-License-Identifier: Apache-2.0 */
/* redis_mirror - see the header; here the order of exchanges:
 *
 *   look (what is there) -> found -> claim (owner becomes us) -> one of
 *     live:  a MULTI for each batch of records, for ever
 *     fill:  mark incomplete, clear, items, the rest, mark complete -> live
 *     load:  keys, the rest -> loaded -> live
 *
 * Any failure drops the connection, and it starts with `look` again.
 */
#include "services/state-store/redis_mirror.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/crash_point.h"
#include "services/state-store/record_queue.h"
#include "services/state-store/recovery.h"
#include "services/state-store/redis_commands.h"
#include "services/state-store/redis_link.h"
#include "services/state-store/succession.h"
#include "services/state-store/table.h"

enum {
    BATCH_BYTES = 1 << 20, /* aimed at; one record may be larger */
    BATCH_RECORDS = 4096,
    FILL_KEYS = 2000,
    HEARTBEAT_MAX_MS = 1000,
    FILL_REQUESTS = 8192,
    FILL_BACKLOG_FACTOR = 8, /* while filling the backlog may be longer */
    REPLICA_WAIT_MS = 1000,  /* at most; and at most half the timeout */
};

enum stage { AWAY, LOOKING, REFUSED, CLAIMING, FILLING, LOADING, LIVE };

static const char *const stage_names[] = {
    [AWAY] = "away",         [LOOKING] = "looking", [REFUSED] = "refused",
    [CLAIMING] = "claiming", [FILLING] = "filling", [LOADING] = "loading",
    [LIVE] = "live",
};

enum fill_step { FILL_MARK, FILL_CLEAR, FILL_ITEMS, FILL_REST, FILL_END };

struct redis_mirror {
    struct loop *loop;
    struct redis_link *link;
    const struct redis_mirror_events *events;
    void *self;
    struct redis_keys keys;
    char *holder, *pattern;
    int64_t owner_ttl_ms;
    size_t backlog_bytes;
    uint64_t heartbeat_timer;
    int64_t replica_wait_ms; /* 0: replicas are not asked */

    enum stage stage;
    enum stage intent; /* what to do once claimed: LIVE, FILLING, LOADING */
    bool must_fill;    /* Redis answered in a way that no copy of ours does */
    struct copy found;
    uint64_t found_epoch; /* owner_epoch in meta */
    bool was_ours;        /* owner_holder in meta is us */
    uint64_t owner_epoch; /* ours; 0: never claimed */
    bool has_partner, needs_grant;
    uint64_t granted; /* epoch by an election outside; 0: none */
    struct succession succession;
    int64_t asked_ms;  /* when the exchange under way was sent */
    int64_t leased_ms; /* when the last one was sent that prolonged it; or 0 */
    char *owner_value; /* what `owner` must hold while it is ours */
    char lineage[UUID_TEXT_SIZE];

    struct redis_batch batch; /* commands of the exchange being made */
    uint64_t expected_seq;    /* what meta must say after it */
    void (*then)(struct redis_mirror *m, const redisReply *exec);

    uint64_t seq, revision;           /* applied */
    uint64_t sent_seq, sent_revision; /* of the exchange under way */
    uint64_t replica_seq;             /* applied by a replica, too */
    bool has_replica;
    uint64_t pushed_seq;
    bool is_current;
    bool is_in_doubt;     /* see redis_mirror_is_in_doubt() */
    int64_t confirmed_ms; /* when the owner key was last seen to be ours */
    struct record_queue backlog;

    struct view *view; /* filling */
    enum fill_step step;
    size_t at;
    struct table *loading;
    struct item **wanted; /* keys (and revisions) whose values are asked for */
    size_t n_wanted;
    char why[200];   /* it was lost last; "" since it is live */
    char cursor[24]; /* of SCAN, HSCAN; "" before the first */
};

static void look(struct redis_mirror *m);
static void fill_next(struct redis_mirror *m);
static void load_next(struct redis_mirror *m);
static void send_batch(struct redis_mirror *m);
static void on_heartbeat_done(struct redis_mirror *m, const redisReply *exec);

/* ---- helpers ---- */

static const char *text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? reply->str : "";
}

static uint64_t number_of(const redisReply *reply)
{
    uint64_t number = 0;
    if (reply->type == REDIS_REPLY_STRING)
        parse_u64(reply->str, &number);
    return number;
}

static const redisReply *first_error(redisReply **replies, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (replies[i]->type == REDIS_REPLY_ERROR)
            return replies[i];
    return NULL;
}

static void give_up(struct redis_mirror *m, const char *why)
{
    redis_link_drop(m->link, why);
}

static void forget_wanted(struct redis_mirror *m)
{
    for (size_t i = 0; i < m->n_wanted; i++)
        item_unref(m->wanted[i]);
    free(m->wanted);
    m->wanted = NULL;
    m->n_wanted = 0;
}

static void forget_progress(struct redis_mirror *m)
{
    m->is_current = false;
    view_destroy(&m->view);
    table_destroy(&m->loading);
    forget_wanted(m);
}

/* ---- guarded exchanges
 * -------------------------------------------------------------
 *
 * MULTI, the commands, PEXPIRE owner, EXEC, then WATCH again and look whether
 * all is as it must be, which arms the guard for the next exchange. */

static void guard_begin(struct redis_mirror *m)
{
    redis_batch_begin(&m->batch, &m->keys);
    redis_batch_command(&m->batch, "MULTI", NULL);
}

/* What Redis would not do. */
static const char *refusal(struct redis_mirror *m, redisReply **replies,
                           size_t n)
{
    const redisReply *error = first_error(replies, n);
    const redisReply *exec = replies[n - 4];
    if (error)
        return error->str;
    error = exec->type == REDIS_REPLY_ARRAY
                ? first_error(exec->element, exec->elements)
                : NULL;
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
    if (strcmp(text_of(replies[n - 2]), m->owner_value) != 0)
        return "the owner key is not ours any more";
    if (number_of(replies[n - 1]) != m->expected_seq)
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
        give_up(m, wrong);
        return;
    }
    wrong = intrusion(m, replies, n);
    if (wrong) {
        log_odd("redis_intrusion", "stage=%s what=%s", stage_names[m->stage],
                log_q(wrong));
        m->is_in_doubt = true;
        m->leased_ms = 0;
        forget_progress(m);
        look(m);
        return;
    }
    m->leased_ms = m->asked_ms;
    m->confirmed_ms = loop_now_ms(m->loop);
    if (m->replica_wait_ms)
        note_replicas(m, replies[n]);
    m->then(m, replies[n - 4]);
}

/* then gets EXEC's reply: one element for each command since guard_begin(). */
static void guard_send(struct redis_mirror *m,
                       void (*then)(struct redis_mirror *m,
                                    const redisReply *exec))
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

static void set_position(struct redis_mirror *m, uint64_t seq,
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
    if (!m->replica_wait_ms || m->stage != LIVE || m->replica_seq >= m->seq ||
        !redis_link_is_idle(m->link))
        return;
    guard_begin(m);
    guard_send(m, on_heartbeat_done);
}

static void note_applied(struct redis_mirror *m)
{
    if (m->seq >= m->pushed_seq)
        m->is_current = true;
    if (m->has_replica)
        m->replica_seq = m->seq;
    m->events->applied(m->self);
    send_batch(m);
    ask_replica(m);
}

static void on_batch(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    crash_point("redis_after_apply");
    m->seq = m->sent_seq;
    m->revision = m->sent_revision;
    note_applied(m);
}

static void start_fill(struct redis_mirror *m)
{
    m->stage = FILLING;
    m->is_current = false;
    view_destroy(&m->view);
    m->view = m->events->view(m->self);
    uuid_format(m->view->lineage, m->lineage);
    m->step = FILL_MARK;
    m->at = 0;
    log_info("redis_fill", "keys=%zu seq=%" PRIu64, m->view->n_items,
             m->view->seq);
    fill_next(m);
}

/* The records after the last applied one, as many as fit. */
static void send_batch(struct redis_mirror *m)
{
    if (m->stage != LIVE || !redis_link_is_idle(m->link) ||
        m->seq >= m->pushed_seq)
        return;
    struct record *record = record_queue_at(&m->backlog, m->seq + 1);
    if (!record) { /* the backlog does not reach back to it any more */
        start_fill(m);
        return;
    }
    guard_begin(m);
    for (size_t i = 0; record && i < BATCH_RECORDS; i++) {
        redis_batch_record(&m->batch, record);
        m->sent_seq = record->seq;
        m->sent_revision = record->revision;
        if (redis_batch_bytes(&m->batch) > BATCH_BYTES)
            break;
        record = record_queue_at(&m->backlog, m->sent_seq + 1);
    }
    set_position(m, m->sent_seq, m->sent_revision, true);
    crash_point("redis_before_send");
    guard_send(m, on_batch);
}

static void go_live(struct redis_mirror *m)
{
    m->stage = LIVE;
    m->why[0] = '\0';
    log_info("redis_live", "seq=%" PRIu64 " behind=%" PRIu64, m->seq,
             redis_mirror_lag(m));
    note_applied(m);
}

/* ---- filling
 * ---------------------------------------------------------------------------
 */

static void on_filled(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    m->seq = m->view->seq;
    m->revision = m->view->revision;
    view_destroy(&m->view);
    go_live(m);
}

/* Complete only when all of the view is durable here. */
static void fill_end(struct redis_mirror *m)
{
    if (m->pushed_seq < m->view->seq)
        return; /* redis_mirror_push() comes back here */
    guard_begin(m);
    set_position(m, m->view->seq, m->view->revision, true);
    guard_send(m, on_filled);
}

static void on_rest(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    if (m->at == m->view->n_requests)
        m->step = FILL_END;
    fill_next(m);
}

/* Requests in pieces; leases and runs with the first one. */
static void fill_rest(struct redis_mirror *m)
{
    const struct view *v = m->view;
    guard_begin(m);
    for (size_t i = 0; m->at == 0 && i < v->n_leases; i++)
        redis_batch_lease(&m->batch, &v->leases[i]);
    for (size_t i = 0; m->at == 0 && i < v->history.n; i++)
        redis_batch_run(&m->batch, &v->history.runs[i]);
    size_t end = MIN(v->n_requests, m->at + FILL_REQUESTS);
    for (; m->at < end; m->at++)
        redis_batch_request(&m->batch, v->requests[m->at].revision,
                            v->requests[m->at].id);
    guard_send(m, on_rest);
}

static void on_items(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    if (m->at == m->view->n_items) {
        m->step = FILL_REST;
        m->at = 0;
    }
    fill_next(m);
}

static void fill_items(struct redis_mirror *m)
{
    guard_begin(m);
    for (size_t i = 0; i < FILL_KEYS && m->at < m->view->n_items; i++) {
        redis_batch_item(&m->batch, m->view->items[m->at++]);
        if (redis_batch_bytes(&m->batch) > BATCH_BYTES)
            break;
    }
    guard_send(m, on_items);
}

static int compare_to_item(const void *key, const void *slot)
{
    return key_compare(*(const struct key *)key,
                       item_name(*(struct item *const *)slot));
}

static bool is_in_view(const struct view *v, const char *text, size_t len)
{
    struct key key = {text, len};
    return v->n_items && bsearch(&key, v->items, v->n_items,
                                 sizeof(struct item *), compare_to_item);
}

static void fill_clear(struct redis_mirror *m, const redisReply *found);

/* The last reply but one is SCAN's: a cursor and keys. */
static void on_scan(struct redis_mirror *m, const redisReply *exec)
{
    const redisReply *scan = exec->element[exec->elements - 2]; /* PEXPIRE */
    if (scan->type != REDIS_REPLY_ARRAY || scan->elements != 2) {
        give_up(m, "SCAN answered nonsense");
        return;
    }
    snprintf(m->cursor, sizeof m->cursor, "%s", text_of(scan->element[0]));
    fill_clear(m, scan->element[1]);
}

static void on_cleared(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    m->step = FILL_ITEMS;
    m->at = 0;
    fill_next(m);
}

/* Values of keys that we do not have go, and the scan goes on. */
static void fill_clear(struct redis_mirror *m, const redisReply *found)
{
    size_t head = strlen(m->keys.kv);
    guard_begin(m);
    for (size_t i = 0; found && i < found->elements; i++) {
        const redisReply *key = found->element[i];
        if (key->len >= head &&
            !is_in_view(m->view, key->str + head, key->len - head))
            redis_batch_command(&m->batch, "UNLINK", key->str, NULL);
    }
    if (strcmp(m->cursor, "0") == 0 && found) {
        guard_send(m, on_cleared);
        return;
    }
    redis_batch_command(&m->batch, "SCAN", m->cursor, "MATCH", m->pattern,
                        "COUNT", "1000", NULL);
    guard_send(m, on_scan);
}

static void on_marked(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    m->step = FILL_CLEAR;
    fill_next(m);
}

/* From here on Redis is no full copy, and says so. */
static void fill_mark(struct redis_mirror *m)
{
    m->must_fill = false;
    guard_begin(m);
    set_position(m, 0, 0, false);
    redis_batch_command(&m->batch, "UNLINK", m->keys.rev, m->keys.requests,
                        m->keys.leases, m->keys.runs, NULL);
    guard_send(m, on_marked);
}

static void fill_next(struct redis_mirror *m)
{
    switch (m->step) {
    case FILL_MARK:
        fill_mark(m);
        break;
    case FILL_CLEAR:
        snprintf(m->cursor, sizeof m->cursor, "0");
        fill_clear(m, NULL);
        break;
    case FILL_ITEMS:
        fill_items(m);
        break;
    case FILL_REST:
        fill_rest(m);
        break;
    case FILL_END:
        fill_end(m);
        break;
    }
}

/* ---- loading ------------------------------------------------------------- */

static const char *load_requests(struct redis_mirror *m, const redisReply *list)
{
    for (size_t i = 0; i < list->elements; i++) {
        uint64_t revision;
        const char *id;
        if (!redis_parse_request(text_of(list->element[i]), &revision, &id))
            return "Redis holds a request that does not read";
        request_log_add(table_requests(m->loading), id, revision);
    }
    return NULL;
}

static const char *load_leases(struct redis_mirror *m, const redisReply *hash)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        struct lease lease;
        if (i / 2 >= LEASES_MAX ||
            !redis_parse_lease(text_of(hash->element[i]),
                               text_of(hash->element[i + 1]), &lease))
            return "Redis holds a lease that does not read";
        lease_book_apply(table_leases(m->loading), &lease, 0);
    }
    return NULL;
}

/* Replies: requests, leases, number of keys. */
static void on_load_rest(struct redis_mirror *m, const redisReply *exec)
{
    const char *wrong = load_requests(m, exec->element[0]);
    if (!wrong)
        wrong = load_leases(m, exec->element[1]);
    size_t count = key_index_count(table_keys(m->loading));
    if (!wrong && (uint64_t)exec->element[2]->integer != count)
        wrong = "Redis changed while it was read";
    if (wrong) {
        give_up(m, wrong);
        return;
    }
    history_copy(table_history(m->loading), &m->found.history);
    table_restore_position(m->loading, m->found.seq, m->found.revision);
    m->seq = m->found.seq;
    m->revision = m->found.revision;
    m->events->loaded(m->self, MOVE(m->loading));
}

static void load_rest(struct redis_mirror *m)
{
    guard_begin(m);
    redis_batch_command(&m->batch, "LRANGE", m->keys.requests, "0", "-1", NULL);
    redis_batch_command(&m->batch, "HGETALL", m->keys.leases, NULL);
    redis_batch_command(&m->batch, "HLEN", m->keys.rev, NULL);
    guard_send(m, on_load_rest);
}

static void on_values(struct redis_mirror *m, const redisReply *exec)
{
    const redisReply *values = exec->element[0];
    for (size_t i = 0; i < m->n_wanted; i++) {
        const redisReply *value = values->element[i];
        const struct item *key = m->wanted[i];
        if (value->type != REDIS_REPLY_STRING || value->len > VALUE_MAX_BYTES) {
            give_up(m, "Redis is no whole copy: the value of a key is missing");
            return;
        }
        table_restore_item(m->loading, item_new(item_name(key), value->str,
                                                value->len, key->revision));
    }
    load_next(m);
}

static void ask_values(struct redis_mirror *m)
{
    guard_begin(m);
    redis_batch_values(&m->batch, m->wanted, m->n_wanted);
    guard_send(m, on_values);
}

static bool want(struct redis_mirror *m, const redisReply *key,
                 const redisReply *revision)
{
    uint64_t at = number_of(revision);
    if (key->len < 1 || key->len > KEY_MAX_BYTES || at < 1 ||
        at > m->found.revision)
        return false;
    struct key name = {key->str, key->len};
    m->wanted[m->n_wanted++] = item_new(name, "", 0, at);
    return true;
}

static void on_keys(struct redis_mirror *m, const redisReply *exec)
{
    const redisReply *scan = exec->element[0];
    const redisReply *pairs = scan->element[1];
    snprintf(m->cursor, sizeof m->cursor, "%s", text_of(scan->element[0]));
    forget_wanted(m);
    m->wanted = xcalloc(pairs->elements / 2 + 1, sizeof(struct item *));
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        if (want(m, pairs->element[i], pairs->element[i + 1]))
            continue;
        give_up(m, "Redis holds a revision that cannot be");
        return;
    }
    if (m->n_wanted)
        ask_values(m);
    else
        load_next(m);
}

/* Each step is guarded: so nobody else changed anything while we read. */
static void load_next(struct redis_mirror *m)
{
    if (strcmp(m->cursor, "0") == 0) {
        load_rest(m);
        return;
    }
    guard_begin(m);
    redis_batch_command(&m->batch, "HSCAN", m->keys.rev,
                        m->cursor[0] ? m->cursor : "0", "COUNT", "200", NULL);
    guard_send(m, on_keys);
}

static void start_load(struct redis_mirror *m)
{
    m->stage = LOADING;
    table_destroy(&m->loading);
    m->loading = table_new(m->found.lineage);
    memset(m->cursor, 0, sizeof m->cursor);
    log_info("redis_load", "seq=%" PRIu64, m->found.seq);
    load_next(m);
}

/* ---- looking and claiming --------------------------------------------------
 */

static void on_claimed(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    m->is_in_doubt = false;
    uuid_format(m->found.lineage, m->lineage);
    switch ((int)m->intent) {
    case FILLING:
        start_fill(m);
        break;
    case LOADING:
        start_load(m);
        break;
    default:
        m->seq = m->found.seq;
        m->revision = m->found.revision;
        go_live(m);
        break;
    }
}

static void claim(struct redis_mirror *m, enum stage intent)
{
    char ttl[24], epoch[24];
    m->stage = CLAIMING;
    m->intent = m->must_fill && intent == LIVE ? FILLING : intent;
    m->owner_epoch =
        m->granted ? m->granted : MAX(m->found_epoch, m->owner_epoch) + 1;
    free(m->owner_value);
    m->owner_value = xasprintf("%" PRIu64 " %s", m->owner_epoch, m->holder);
    snprintf(ttl, sizeof ttl, "%" PRId64, m->owner_ttl_ms);
    snprintf(epoch, sizeof epoch, "%" PRIu64, m->owner_epoch);
    guard_begin(m);
    redis_batch_command(&m->batch, "SET", m->keys.owner, m->owner_value, "PX",
                        ttl, NULL);
    redis_batch_command(&m->batch, "HSET", m->keys.meta, "owner_epoch", epoch,
                        "owner_holder", m->holder, NULL);
    m->expected_seq = m->found.seq;
    guard_send(m, on_claimed);
}

/* Replies as of look(). */
static bool is_free(struct redis_mirror *m, redisReply **replies, char *why,
                    size_t size)
{
    redisReply **meta = replies[3]->element;
    const redisReply *owner = replies[1];
    const struct succession_ask ask = {
        .holder = m->holder,
        .has_partner = m->has_partner,
        .needs_grant = m->needs_grant,
        .our_epoch = m->owner_epoch,
        .granted = m->granted,
        .owner = owner->type == REDIS_REPLY_STRING ? owner->str : NULL,
        .owner_ms = replies[2]->integer,
        .last = meta[5]->type == REDIS_REPLY_STRING ? meta[5]->str : NULL,
        .last_epoch = m->found_epoch,
        .given_back = number_of(meta[6]),
        .seq = m->found.seq,
        .ttl_ms = m->owner_ttl_ms,
        .now_ms = loop_now_ms(m->loop),
    };
    return succession_is_ours(&m->succession, &ask, why, size);
}

/* lineage revision seq complete owner_epoch owner_holder given_back */
static const char *read_meta(struct redis_mirror *m, redisReply *const *meta)
{
    struct copy *copy = &m->found;
    m->found_epoch = number_of(meta[4]);
    m->was_ours = strcmp(text_of(meta[5]), m->holder) == 0;
    if (meta[0]->type != REDIS_REPLY_STRING)
        return NULL; /* nothing there */
    copy->is_there = true;
    copy->is_partial = strcmp(text_of(meta[3]), "1") != 0;
    copy->revision = number_of(meta[1]);
    copy->seq = number_of(meta[2]);
    return uuid_parse(meta[0]->str, copy->lineage)
               ? NULL
               : "the lineage in Redis does not read";
}

static const char *read_runs(struct redis_mirror *m, const redisReply *runs)
{
    for (size_t i = 0; i < runs->elements; i++) {
        struct run run;
        if (!redis_parse_run(text_of(runs->element[i]), &run))
            return "Redis holds a run that does not read";
        history_add(&m->found.history, run);
    }
    return NULL;
}

static void forget_found(struct redis_mirror *m)
{
    history_free(&m->found.history);
    memset(&m->found, 0, sizeof m->found);
}

/* Replies: WATCH, owner, its ttl, meta, runs. */
static void on_look(void *self, redisReply **replies)
{
    struct redis_mirror *m = self;
    const redisReply *error = first_error(replies, 5);
    char why[256];
    forget_found(m);
    const char *wrong = error ? error->str : NULL;
    if (!wrong)
        wrong = read_meta(m, replies[3]->element);
    if (!wrong)
        wrong = read_runs(m, replies[4]);
    if (wrong) {
        give_up(m, wrong);
        return;
    }
    if (!is_free(m, replies, why, sizeof why)) {
        m->stage = REFUSED;
        m->events->fenced(m->self, why);
        return;
    }
    m->events->found(m->self, &m->found);
}

static void look(struct redis_mirror *m)
{
    m->stage = LOOKING;
    redis_batch_begin(&m->batch, &m->keys);
    redis_batch_command(&m->batch, "WATCH", m->keys.owner, m->keys.meta, NULL);
    redis_batch_command(&m->batch, "GET", m->keys.owner, NULL);
    redis_batch_command(&m->batch, "PTTL", m->keys.owner, NULL);
    redis_batch_command(&m->batch, "HMGET", m->keys.meta, "lineage", "revision",
                        "seq", "complete", "owner_epoch", "owner_holder",
                        "given_back", NULL);
    redis_batch_command(&m->batch, "LRANGE", m->keys.runs, "0", "-1", NULL);
    redis_link_ask(m->link, &m->batch.out, m->batch.n, on_look);
}

void redis_mirror_follow(struct redis_mirror *m)
{
    if (m->stage == LOADING)
        go_live(m);
    else
        claim(m, LIVE);
}

void redis_mirror_fill(struct redis_mirror *m)
{
    claim(m, FILLING);
}

void redis_mirror_load(struct redis_mirror *m)
{
    claim(m, LOADING);
}

void redis_mirror_refuse(struct redis_mirror *m)
{
    m->is_in_doubt = false;
    m->stage = REFUSED;
}

/* ---- life ---- */

static void on_up(void *self)
{
    look(self);
}

static void on_down(void *self, const char *why)
{
    struct redis_mirror *m = self;
    if (strcmp(m->why, why) != 0)
        log_odd("redis_lost", "stage=%s why=%s", stage_names[m->stage],
                log_q(why));
    snprintf(m->why, sizeof m->why, "%s", why);
    bool was_owner = m->stage == LIVE || m->stage == FILLING;
    m->stage = AWAY;
    m->has_replica = false;
    m->succession.is_vacant = false;
    forget_progress(m);
    /* We slept past our lease: somebody may have taken it meanwhile. */
    if (was_owner && loop_now_ms(m->loop) - m->confirmed_ms > m->owner_ttl_ms)
        m->is_in_doubt = true;
    m->events->lost(m->self, why);
}

static const struct redis_link_events link_events = {on_up, on_down};

static void on_heartbeat_done(struct redis_mirror *m,
                              const redisReply *exec UNUSED)
{
    if (m->stage == FILLING)
        fill_next(m);
    else
        note_applied(m);
}

/* Idle: the owner key is kept alive, and whatever happened to Redis is seen. */
static void heartbeat(void *self)
{
    struct redis_mirror *m = self;
    if (!redis_link_is_idle(m->link))
        return;
    if (m->stage == REFUSED) {
        look(m);
    } else if (m->stage == LIVE || m->stage == FILLING) {
        guard_begin(m);
        guard_send(m, on_heartbeat_done);
    }
}

struct redis_mirror *redis_mirror_new(struct loop *loop,
                                      const struct redis_mirror_config *config,
                                      const struct redis_mirror_events *events,
                                      void *self)
{
    struct redis_mirror *m = xcalloc(1, sizeof *m);
    struct redis_link_config link = {config->url, config->timeout_ms};
    m->loop = loop;
    m->events = events;
    m->self = self;
    m->holder = xstrdup(config->holder);
    m->owner_ttl_ms = config->owner_ttl_ms;
    m->has_partner = config->has_partner;
    m->needs_grant = config->needs_grant;
    m->backlog_bytes = config->backlog_bytes;
    if (config->asks_replica)
        m->replica_wait_ms = MIN(REPLICA_WAIT_MS, config->timeout_ms / 2);
    redis_keys_init(&m->keys, config->prefix);
    m->pattern = redis_scan_pattern(m->keys.kv);
    m->link = redis_link_new(loop, &link, &link_events, m);
    int64_t every_ms = MIN(m->owner_ttl_ms / 3, HEARTBEAT_MAX_MS);
    m->heartbeat_timer = loop_timer(loop, every_ms, every_ms, heartbeat, m);
    return m;
}

static void on_released(void *self UNUSED, redisReply **replies UNUSED)
{
}

static void release_owner(struct redis_mirror *m)
{
    if (!redis_link_is_idle(m->link) || (m->stage != LIVE))
        return;
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%" PRIu64, m->owner_epoch);
    redis_batch_begin(&m->batch, &m->keys);
    redis_batch_command(&m->batch, "MULTI", NULL);
    redis_batch_command(&m->batch, "DEL", m->keys.owner, NULL);
    redis_batch_command(&m->batch, "HSET", m->keys.meta, "given_back", epoch,
                        NULL);
    redis_batch_command(&m->batch, "EXEC", NULL);
    redis_link_ask(m->link, &m->batch.out, m->batch.n, on_released);
}

void redis_mirror_destroy(struct redis_mirror **mirror)
{
    struct redis_mirror *m = *mirror;
    if (!m)
        return;
    release_owner(m);
    loop_timer_cancel(m->loop, m->heartbeat_timer);
    redis_link_destroy(&m->link);
    view_destroy(&m->view);
    table_destroy(&m->loading);
    forget_wanted(m);
    forget_found(m);
    record_queue_free(&m->backlog);
    redis_batch_free(&m->batch);
    redis_keys_free(&m->keys);
    free(m->owner_value);
    free(m->pattern);
    free(m->holder);
    free(m);
    *mirror = NULL;
}

void redis_mirror_begin(struct redis_mirror *m, uint64_t seq)
{
    record_queue_clear(&m->backlog);
    m->pushed_seq = seq;
}

void redis_mirror_push(struct redis_mirror *m, struct record *record)
{
    ASSERT(record->seq == m->pushed_seq + 1);
    record_queue_push(&m->backlog, record);
    m->pushed_seq = record->seq;
    size_t max = m->backlog_bytes;
    if (m->stage == FILLING)
        max *= FILL_BACKLOG_FACTOR;
    while (m->backlog.bytes > max && m->backlog.n > 1)
        record_unref(record_queue_pop(&m->backlog));
    if (m->stage == FILLING && m->step == FILL_END &&
        redis_link_is_idle(m->link))
        fill_end(m);
    else
        send_batch(m);
}

bool redis_mirror_is_current(const struct redis_mirror *m)
{
    return m->is_current;
}

void redis_mirror_grant(struct redis_mirror *m, uint64_t epoch)
{
    m->granted = epoch;
    if (epoch && m->stage == REFUSED && redis_link_is_idle(m->link))
        look(m);
}

bool redis_mirror_has_lease(const struct redis_mirror *m)
{
    return m->leased_ms && clock_mono_ms() - m->leased_ms < m->owner_ttl_ms;
}

bool redis_mirror_was_ours(const struct redis_mirror *m)
{
    return m->was_ours;
}

bool redis_mirror_is_in_doubt(const struct redis_mirror *m)
{
    return m->is_in_doubt;
}

uint64_t redis_mirror_seq(const struct redis_mirror *m)
{
    return m->seq;
}

uint64_t redis_mirror_replica_seq(const struct redis_mirror *m)
{
    return m->replica_seq;
}

bool redis_mirror_has_replica(const struct redis_mirror *m)
{
    return m->has_replica;
}

uint64_t redis_mirror_revision(const struct redis_mirror *m)
{
    return m->revision;
}

uint64_t redis_mirror_lag(const struct redis_mirror *m)
{
    return m->pushed_seq > m->seq ? m->pushed_seq - m->seq : 0;
}

const char *redis_mirror_stage(const struct redis_mirror *m)
{
    return stage_names[m->stage];
}
