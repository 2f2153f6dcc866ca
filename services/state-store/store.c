/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/store.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/crash_point.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/discard.h"
#include "services/state-store/election.h"
#include "services/state-store/redis_mirror.h"
#include "services/state-store/table.h"
#include "services/state-store/wal.h"

enum {
    STORE_MAGIC = 0x5a7e5702,
    KEEP_FREE_FACTOR = 2,
    QUIET_MS = 2000, /* at a clean stop */
    QUIET_LOOK_MS = 20,
    /* About a millisecond of packing at a time. */
    SWEEP_MS = 100,
    SWEEP_KEYS = 4096,
    SWEEP_BYTES = 256 << 10,
};

struct store *store_of(void *self)
{
    struct store *s = self;
    ASSERT(s && s->magic == STORE_MAGIC);
    return s;
}

void store_fail(struct store *s, int code, const char *event, const char *text)
{
    if (s->stage == STORE_FAILED)
        return;
    s->stage = STORE_FAILED;
    log_bad(event, "code=%d text=%s", code, log_q(text));
    service_exit(s->service, code);
}

/* ---- disk ---- */

/* Full stays full until there is room again for the reserve, too. */
void store_check_disk(struct store *s)
{
    int64_t min_free = service_int(s->service, "min-free-mib") << 20;
    int64_t reserve = service_int(s->service, "reserve-mib") << 20;
    int64_t bytes = data_dir_free_bytes(s->data_dir);
    struct err err = {0};
    if (s->disk_is_full)
        min_free += reserve;
    bool is_full = bytes >= 0 && bytes < min_free;
    if (!is_full && data_dir_keep_reserve(s->data_dir, reserve, &err) < 0)
        is_full = true;
    s->disk_is_full = is_full;
    if (is_full && s->wal)
        wal_drop_spares(s->wal);
    service_gauge(s->service, "store.disk_free_bytes", (double)bytes,
                  "free on the disk of the log");
    if (is_full)
        service_health(s->service, "wal", false,
                       "%" PRId64 " MiB free in %s, %" PRId64
                       " needed: transactions are refused%s%s",
                       bytes >> 20, data_dir_path(s->data_dir), min_free >> 20,
                       err.code ? "; " : "", err.text);
    else
        service_health(s->service, "wal", true, "%" PRId64 " MiB free in %s",
                       bytes >> 20, data_dir_path(s->data_dir));
}

/* ---- start and stop ---- */

static int read_tls(struct store *s, struct err *err)
{
    struct redis_tls *tls = &s->redis_tls;
    *tls = (struct redis_tls){
        .ca = service_str(s->service, "redis-ca"),
        .cert = service_str(s->service, "redis-cert"),
        .key = service_str(s->service, "redis-key"),
        .trusts_everybody = service_bool(s->service, "redis-insecure"),
    };
    bool is_given =
        *tls->ca || *tls->cert || *tls->key || tls->trusts_everybody;
    if (is_given && !s->redis_url.is_tls)
        return err_set(err, ERR_INVALID,
                       "--redis-ca, --redis-cert, --redis-key and "
                       "--redis-insecure are for rediss:// and "
                       "rediss+sentinel://");
    if (*tls->ca && tls->trusts_everybody)
        return err_set(err, ERR_INVALID,
                       "--redis-ca and --redis-insecure contradict");
    if (*tls->key && !*tls->cert)
        return err_set(err, ERR_INVALID, "--redis-key needs --redis-cert");
    return s->redis_url.is_tls ? redis_tls_check(tls, err) : 0;
}

static int read_options(struct store *s, struct err *err)
{
    const char *ack = service_str(s->service, "ack");
    const char *prefer = service_str(s->service, "prefer");
    const char *redis = service_str(s->service, "redis");
    s->acks_with_redis = strcmp(ack, "wal+redis") == 0;
    s->acks_with_replica = strcmp(ack, "wal+replica") == 0;
    if (!s->acks_with_redis && !s->acks_with_replica && strcmp(ack, "wal") != 0)
        return err_set(err, ERR_INVALID,
                       "%s: \"%.64s\" is not wal, wal+redis or wal+replica",
                       service_source(s->service, "ack"), ack);
    if (s->acks_with_replica && !*redis)
        return err_set(err, ERR_INVALID, "--ack wal+replica needs --redis");
    if (*prefer && strcmp(prefer, "log") != 0 && strcmp(prefer, "redis") != 0)
        return err_set(err, ERR_INVALID, "%s: \"%.64s\" is not log or redis",
                       service_source(s->service, "prefer"), prefer);
    if (*redis && redis_url_parse(redis, &s->redis_url, err) < 0)
        return err_wrap(err, "%s", service_source(s->service, "redis"));
    if (read_tls(s, err) < 0)
        return -1;
    s->queue_max_bytes = (size_t)service_int(s->service, "queue-mib") << 20;
    s->pub_max_bytes = (size_t)service_int(s->service, "pub-mib") << 20;
    return store_pair_options(s, err);
}

static int open_data_dir(struct store *s, struct err *err)
{
    const char *given = service_str(s->service, "data-dir");
    AUTO_FREE char *own = fs_join(service_run_dir(s->service), "store");
    s->data_dir = data_dir_open(*given ? given : own, err);
    if (s->data_dir)
        return EXIT_OK;
    return err->code == ERR_EXISTS ? EXIT_IN_USE : EXIT_UNWRITABLE;
}

static int open_pub(struct store *s, struct err *err)
{
    char endpoint[PATH_MAX];
    AUTO_FREE char *name = store_pub_name(s);
    if (bus_endpoint(service_run_dir(s->service), name, endpoint,
                     sizeof endpoint, err) < 0)
        return EXIT_USAGE;
    s->pub =
        bus_pub_new(endpoint, (int)service_int(s->service, "pub-queue"), err);
    if (s->pub)
        return EXIT_OK;
    return err->code == ERR_EXISTS ? EXIT_IN_USE : EXIT_UNWRITABLE;
}

/* Cursors of a former life must not fit. */
static void start_cursors(struct store *s)
{
    uint8_t bytes[16];
    uint32_t salt;
    uuid_new_bytes(bytes);
    memcpy(&salt, bytes + 8, sizeof salt);
    s->pages.last_id = (uint64_t)salt << 24;
}

/* What waits for the disk or the answers to callers come first. */
static void sweep(void *self)
{
    struct store *s = store_of(self);
    if (s->stage == STORE_ACTIVE && !record_queue_first(&s->pending))
        cold_sweep(&s->cold, s->table, SWEEP_KEYS, SWEEP_BYTES);
}

static int start(struct store *s, struct err *err)
{
    crash_point_init();
    start_cursors(s);
    if (read_options(s, err) < 0)
        return EXIT_USAGE;
    int code = open_data_dir(s, err);
    const char *file = service_str(s->service, "import");
    if (code == EXIT_OK && *file)
        return store_import(s, file, err);
    if (code == EXIT_OK)
        code = open_pub(s, err);
    if (code != EXIT_OK)
        return code;
    store_check_disk(s);
    s->discard = discard_new();
    return store_open(s, err);
}

int store_start(struct service *service, void **self, struct err *err)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->magic = STORE_MAGIC;
    s->service = service;
    int code = start(s, err);
    if (code != EXIT_OK) {
        store_stop(s);
        return code;
    }
    loop_timer(service_loop(service), SWEEP_MS, SWEEP_MS, sweep, s);
    *self = s;
    return EXIT_OK;
}

/* Only a mirror that is quiet gives its lease back, and another store may take
 * over at once only when it was: nothing new is taken, and what is under way
 * ends, if Redis lets it in time. */
static void end_what_is_under_way(struct store *s)
{
    struct loop *loop = service_loop(s->service);
    int64_t end = clock_mono_ms() + QUIET_MS;

    if (s->stage != STORE_ACTIVE || !s->mirror)
        return;
    s->stage = STORE_FAILED;
    redis_mirror_end(s->mirror);
    while (s->mirror && clock_mono_ms() < end &&
           (s->pending.n || !redis_mirror_is_quiet(s->mirror)))
        loop_run_once(loop, QUIET_LOOK_MS);
}

void store_stop(void *self)
{
    struct store *s = store_of(self);
    end_what_is_under_way(s);
    s->stage = STORE_FAILED;
    store_checkpoint_stop(s);
    store_drop_answers(s);
    if (s->wal)
        loop_fd_remove(service_loop(s->service), wal_fd(s->wal));
    wal_destroy(&s->wal);
    discard_destroy(&s->discard);
    redis_mirror_destroy(&s->mirror);
    election_destroy(&s->election);
    record_queue_free(&s->pending);
    retained_free(&s->retained);
    page_book_free(&s->pages);
    bus_pub_destroy(&s->pub);
    table_destroy(&s->table);
    cold_free(&s->cold);
    wal_found_free(&s->found);
    data_dir_destroy(&s->data_dir);
    redis_url_free(&s->redis_url);
    free(s->holder);
    free(s);
}

/* ---- every second ---- */

static void update_gauges(struct store *s)
{
    struct service *service = s->service;
    service_gauge(service, "store.revision", (double)s->visible_revision,
                  "revision of the state");
    service_gauge(service, "store.keys",
                  (double)key_index_count(table_keys(s->table)), "keys held");
    service_gauge(service, "store.bytes", (double)table_bytes(s->table),
                  "keys and values held");
    service_gauge(service, "store.wal_bytes", (double)wal_bytes(s->wal),
                  "length of the log");
    service_gauge(service, "store.wal_segments", (double)wal_segments(s->wal),
                  "segments of the log");
    service_gauge(service, "store.pending_bytes",
                  (double)(s->pending.bytes + s->answers_bytes),
                  "waiting to be acknowledged");
    service_gauge(service, "store.pub_waiting_bytes",
                  (double)bus_pub_in_flight(s->pub),
                  "events that subscribers have not taken yet");
    service_gauge(service, "store.oldest_revision",
                  (double)retained_oldest(&s->retained),
                  "followers can resume from here on");
    if (s->mirror)
        service_gauge(service, "store.redis_lag",
                      (double)redis_mirror_lag(s->mirror),
                      "durable records that Redis has not applied");
}

void store_tick(void *self)
{
    struct store *s = store_of(self);
    store_check_disk(s);
    if (s->stage != STORE_ACTIVE)
        return;
    store_keep_address(s);
    store_keep_mark(s);
    if (store_may_answer(s))
        store_publish_tick(s);
    update_gauges(s);
    page_book_sweep(&s->pages, clock_mono_ms());
    store_checkpoint(s);
}
