/* SPDX-License-Identifier: Apache-2.0 */
/* activate - from the two copies, log and Redis, to a running store
 *
 * recovery.h decides; here it is done.  While active, Redis is looked at in the
 * same way each time it comes back.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/election.h"
#include "services/state-store/recovery.h"
#include "services/state-store/redis_mirror.h"
#include "services/state-store/replace.h"
#include "services/state-store/store.h"
#include "services/state-store/table.h"
#include "services/state-store/wal.h"

enum { WAIT_CHECK_MS = 250 };
#define BACKLOG_BYTES ((size_t)32 << 20)

static uint64_t random_run_id(void)
{
    uint8_t bytes[16];
    uint64_t id;
    uuid_new_bytes(bytes);
    memcpy(&id, bytes + 8, sizeof id);
    return id ? id : 1;
}

/* The records that replay read last, so that a Redis that lacks only few of
 * them need not be filled anew. */
static void start_mirroring(struct store *s)
{
    if (!s->mirror)
        return;
    struct record *record = record_queue_first(&s->found.tail);
    redis_mirror_begin(s->mirror, record ? record->seq - 1 : s->pushed_seq);
    while ((record = record_queue_pop(&s->found.tail))) {
        redis_mirror_push(s->mirror, record);
        record_unref(record);
    }
}

/* The table is settled: open the log behind it and serve. */
static int activate(struct store *s, struct err *err)
{
    struct wal_config config = {
        .dir = data_dir_path(s->data_dir),
        .segment_bytes = (uint64_t)service_int(s->service, "segment-kib") << 10,
        .keep_bytes = (uint64_t)service_int(s->service, "snapshot-log-kib")
                      << 10,
        .discard = s->discard,
        .next_seq = table_seq(s->table) + 1,
        .revision = table_revision(s->table),
        .found = &s->found,
    };
    memcpy(config.lineage, table_lineage(s->table), sizeof config.lineage);
    s->wal = wal_open(&config, err);
    if (!s->wal)
        return -1;
    loop_fd(service_loop(s->service), wal_fd(s->wal), LOOP_READ, store_on_wal,
            s);
    lease_book_restart(table_leases(s->table), clock_mono_ms());
    s->visible_seq = s->pushed_seq = s->start_seq = table_seq(s->table);
    s->visible_revision = table_revision(s->table);
    store_retain_found(s);
    start_mirroring(s);
    s->stage = STORE_ACTIVE;
    store_log(s, table_start_run(s->table, random_run_id(), clock_wall_ms()));
    char lineage[UUID_TEXT_SIZE];
    uuid_format(table_lineage(s->table), lineage);
    log_info("store_active", "lineage=%s revision=%" PRIu64 " keys=%zu",
             lineage, s->visible_revision,
             key_index_count(table_keys(s->table)));
    service_health(s->service, "store", true, "serving lineage %s", lineage);
    return 0;
}

static void activate_or_fail(struct store *s)
{
    struct err err = {0};
    if (activate(s, &err) < 0)
        store_fail(s, EXIT_WAL, "wal_open_failed", err.text);
}

static void new_lineage(struct store *s)
{
    uint8_t lineage[16];
    uuid_new_bytes(lineage);
    s->table = table_new(lineage);
}

static void set_starting(struct store *s, const char *why)
{
    snprintf(s->starting_why, sizeof s->starting_why, "%s", why);
    service_health(s->service, "store", false, "starting: %s", why);
}

/* Nothing is wrong with a store that waits its turn. */
static void set_standby(struct store *s, const char *why)
{
    if (!s->starting_why[0] || !str_starts(s->starting_why, "standby"))
        log_info("standby", "why=%s", log_q(why));
    snprintf(s->starting_why, sizeof s->starting_why, "standby: %s", why);
    service_health(s->service, "store", true, "%s", s->starting_why);
}

/* ---- Redis tells what it holds ---- */

static void refuse(struct store *s, enum recovery what)
{
    const char *advice = recovery_advice(what);
    if (s->stage == STORE_ACTIVE && what == RECOVERY_FOREIGN) {
        /* Nothing of ours is in danger: go on with the log alone. */
        service_health(s->service, "redis", false, "%s", advice);
        redis_mirror_refuse(s->mirror);
        return;
    }
    redis_mirror_refuse(s->mirror);
    store_fail(s, EXIT_LINEAGE, "lineage_refused", advice);
}

/* The operator's word for what is refused otherwise. */
static enum recovery apply_preference(struct store *s, enum recovery what)
{
    const char *prefer = service_str(s->service, "prefer");
    if (s->stage != STORE_STARTING ||
        (what != RECOVERY_FOREIGN && what != RECOVERY_DIVERGED))
        return what;
    if (strcmp(prefer, "log") == 0)
        return RECOVERY_REFILL;
    if (strcmp(prefer, "redis") == 0)
        return RECOVERY_LOAD;
    return what;
}

static struct copy log_copy(const struct store *s)
{
    struct copy copy = {.is_there = s->table != NULL};
    if (!s->table)
        return copy;
    memcpy(copy.lineage, table_lineage(s->table), sizeof copy.lineage);
    copy.seq = table_seq(s->table);
    copy.revision = table_revision(s->table);
    copy.history = *table_history(s->table); /* borrowed */
    return copy;
}

static void act(struct store *s, enum recovery what)
{
    bool is_starting = s->stage == STORE_STARTING;
    switch (what) {
    case RECOVERY_NEW:
        new_lineage(s);
        activate_or_fail(s);
        redis_mirror_fill(s->mirror);
        break;
    case RECOVERY_FOLLOW:
        if (is_starting)
            activate_or_fail(s);
        redis_mirror_follow(s->mirror);
        break;
    case RECOVERY_REFILL:
        if (is_starting)
            activate_or_fail(s);
        redis_mirror_fill(s->mirror);
        break;
    case RECOVERY_LOAD:
        s->must_load = true;
        set_starting(s, "reading the state from Redis");
        redis_mirror_load(s->mirror);
        break;
    case RECOVERY_FOREIGN:
    case RECOVERY_DIVERGED:
    case RECOVERY_HALF:
        refuse(s, what);
        break;
    }
}

/* It may be our turn, but what is here is not enough to go on from. */
static void make_way(struct store *s, const char *why)
{
    if (strcmp(s->pair_why, why) != 0)
        log_odd("not_gone_on", "why=%s", log_q(why));
    snprintf(s->pair_why, sizeof s->pair_why, "%s", why);
    set_standby(s, why);
    if (!election_is_outside(s->election))
        return;
    redis_mirror_grant(s->mirror, 0);
    election_yield(s->election);
}

static void on_found(void *self, const struct copy *redis)
{
    struct store *s = store_of(self);
    if (s->stage == STORE_FAILED) {
        redis_mirror_refuse(s->mirror);
        return;
    }
    static const char *const names[] = {
        [RECOVERY_NEW] = "new",         [RECOVERY_FOLLOW] = "follow",
        [RECOVERY_REFILL] = "refill",   [RECOVERY_LOAD] = "load",
        [RECOVERY_FOREIGN] = "foreign", [RECOVERY_DIVERGED] = "diverged",
        [RECOVERY_HALF] = "half",
    };
    struct copy log = log_copy(s);
    enum recovery what = recovery_decide(&log, redis);
    /* We serve and Redis is ahead: so somebody else went on with it. */
    if (what == RECOVERY_LOAD && s->stage == STORE_ACTIVE)
        what = RECOVERY_DIVERGED;
    s->is_log_diverged = what == RECOVERY_DIVERGED;
    what = apply_preference(s, what);
    /* A partner went on from Redis.  What the log has more was told nobody. */
    if (what == RECOVERY_DIVERGED && s->is_paired && s->stage == STORE_STARTING)
        what = RECOVERY_LOAD;
    log_info("redis_found",
             "is_there=%d seq=%" PRIu64 " log_seq=%" PRIu64 " action=%s",
             redis->is_there, redis->seq, log.seq, names[what]);
    const char *why = store_pair_waits(s, what, redis);
    if (!why) {
        act(s, what);
        return;
    }
    redis_mirror_refuse(s->mirror);
    make_way(s, why);
}

/* The old log makes way for what Redis holds. */
static int replace_log(struct store *s, struct table *table, struct err *err)
{
    bool is_continued =
        s->table && !s->is_log_diverged &&
        memcmp(table_lineage(s->table), table_lineage(table), 16) == 0 &&
        table_seq(s->table) <= table_seq(table);
    const struct replacement plan = {
        .dir = data_dir_path(s->data_dir),
        .table = table,
        .wall_ms = clock_wall_ms(),
        .sets_aside = s->table && !is_continued,
    };
    if (replace_state(&plan, &s->snapshot_bytes, err) < 0)
        return -1;
    s->snapshot_seq = table_seq(table);
    s->snapshot_revision = table_revision(table);
    wal_found_free(&s->found);
    return 0;
}

static void on_loaded(void *self, struct table *table)
{
    struct store *s = store_of(self);
    struct err err = {0};
    if (s->stage != STORE_STARTING || replace_log(s, table, &err) < 0) {
        table_destroy(&table);
        store_fail(s, EXIT_WAL, "rebuild_failed", err.text);
        return;
    }
    log_info("rebuilt_from_redis", "revision=%" PRIu64, table_revision(table));
    table_destroy(&s->table);
    s->table = table;
    activate_or_fail(s);
    redis_mirror_follow(s->mirror);
}

static struct view *on_view(void *self)
{
    return table_view(store_of(self)->table);
}

static void tell_mirrored(struct store *s)
{
    char url[256];
    redis_url_text(&s->redis_url, url, sizeof url);
    const char *eviction = redis_mirror_eviction(s->mirror);
    if (s->acks_with_replica && !redis_mirror_has_replica(s->mirror))
        service_health(s->service, "redis", false,
                       "mirrored to %s; no replica of it confirms, so nothing "
                       "is acknowledged",
                       url);
    else if (*eviction)
        service_health(s->service, "redis", false,
                       "mirrored to %s, but its maxmemory-policy %s drops keys "
                       "when its memory is full: set it to noeviction, or it "
                       "is no full copy some day",
                       url, eviction);
    else
        service_health(s->service, "redis", true, "mirrored to %s", url);
}

static void on_applied(void *self)
{
    struct store *s = store_of(self);
    if (redis_mirror_is_current(s->mirror))
        tell_mirrored(s);
    store_advance(s);
}

static void on_lost(void *self, const char *why)
{
    struct store *s = store_of(self);
    char url[256];
    redis_url_text(&s->redis_url, url, sizeof url);
    service_health(s->service, "redis", false, "%s: %s; %s", url, why,
                   s->stage == STORE_ACTIVE
                       ? s->acks_with_replica || s->is_paired
                             ? "nothing is acknowledged until it is back"
                             : "going on with the log alone until it is back"
                       : "waiting for it");
    store_advance(s);
}

static void on_fenced(void *self, const char *why)
{
    struct store *s = store_of(self);
    const char *more = s->election ? election_why(s->election) : "";
    if (s->is_paired && s->stage == STORE_STARTING) {
        AUTO_FREE char *text =
            xasprintf("%s%s%s%s%s", s->pair_why, *s->pair_why ? "; " : "", why,
                      *more ? "; " : "", more);
        set_standby(s, text);
    } else
        store_fail(s, EXIT_FENCED, "fenced", why);
}

static const struct redis_mirror_events mirror_events = {
    .found = on_found,
    .view = on_view,
    .applied = on_applied,
    .loaded = on_loaded,
    .lost = on_lost,
    .fenced = on_fenced,
};

/* ---- start
 * ----------------------------------------------------------------------------
 */

/* Redis did not come in time: the log alone will do, unless Redis was seen to
 * be ahead of it. */
static void on_waited(void *self)
{
    struct store *s = store_of(self);
    if (s->stage != STORE_STARTING) {
        loop_timer_cancel(service_loop(s->service), s->wait_timer);
        return;
    }
    if (s->must_load || strcmp(redis_mirror_stage(s->mirror), "away") != 0)
        return;
    log_odd("redis_not_there", "action=%s", log_q("starting with the log"));
    activate_or_fail(s);
}

static void start_mirror(struct store *s)
{
    char host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    s->holder = xasprintf("%s:%s", host, data_dir_path(s->data_dir));
    struct redis_mirror_config config = {
        .url = &s->redis_url,
        .tls = &s->redis_tls,
        .prefix = service_str(s->service, "redis-prefix"),
        .holder = s->holder,
        .timeout_ms = service_int(s->service, "redis-timeout-ms"),
        .owner_ttl_ms = service_int(s->service, "owner-ttl-ms"),
        .needs_grant = *service_str(s->service, "election") != '\0',
        .has_partner = s->is_paired,
        .backlog_bytes = BACKLOG_BYTES,
        .asks_replica = s->acks_with_replica,
    };
    s->mirror =
        redis_mirror_new(service_loop(s->service), &config, &mirror_events, s);
    store_start_election(s);
    set_starting(s, "asking Redis what it holds");
    service_health(s->service, "redis", false, "not connected yet");
    if (s->table && !s->is_paired)
        s->wait_timer = loop_timer(service_loop(s->service),
                                   service_int(s->service, "redis-wait-ms"),
                                   WAIT_CHECK_MS, on_waited, s);
}

static int recover_code(const struct err *err)
{
    return err->code == ERR_CORRUPT || err->code == ERR_UNSUPPORTED
               ? EXIT_CORRUPT
               : EXIT_WAL;
}

int store_open(struct store *s, struct err *err)
{
    int64_t start_ms = clock_mono_ms();
    if (wal_recover(data_dir_path(s->data_dir), &s->found, err) < 0)
        return recover_code(err);
    s->table = MOVE(s->found.table);
    s->snapshot_seq = s->found.snapshot_seq;
    s->snapshot_revision = s->found.snapshot_revision;
    s->snapshot_bytes = s->found.snapshot_bytes;
    if (s->table)
        log_info("log_replayed",
                 "revision=%" PRIu64 " keys=%zu records=%" PRIu64
                 " torn_bytes=%" PRIu64 " ms=%" PRId64,
                 table_revision(s->table),
                 key_index_count(table_keys(s->table)), s->found.records,
                 s->found.torn_bytes, clock_mono_ms() - start_ms);
    if (redis_url_is_set(&s->redis_url)) {
        start_mirror(s);
        return EXIT_OK;
    }
    if (!s->table)
        new_lineage(s);
    return activate(s, err) < 0 ? EXIT_WAL : EXIT_OK;
}
