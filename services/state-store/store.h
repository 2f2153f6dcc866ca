/* SPDX-License-Identifier: Apache-2.0 */
/* store - the running state-store: what every file of the service may know
 *
 * Way of a change: a handler (routes.c) checks it and applies it to the table,
 * which settles its place in the order, and appends its record to the log.  The
 * log syncs batches in its thread; what is durable is handed to Redis; what is
 * acknowledged by the rule in force becomes visible, in order: answered and
 * published (visible.c).  Every answer that tells of the state waits until all
 * that the table held at that moment is visible, so nobody ever sees what a
 * crash could take back.
 */
#ifndef REEVE_STATE_STORE_STORE_H
#define REEVE_STATE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/service/service.h"
#include "services/state-store/cold.h"
#include "services/state-store/page_book.h"
#include "services/state-store/record_queue.h"
#include "services/state-store/recovery.h"
#include "services/state-store/redis_stream.h"
#include "lib/base/redis_url.h"
#include "services/state-store/retained.h"
#include "services/state-store/wal_replay.h"

struct data_dir;
struct discard;
struct election;
struct pending_answer;
struct redis_mirror;
struct snapshot_job;
struct table;
struct view;
struct wal;

enum store_stage {
    STORE_STARTING, /* it is not decided yet from which copy to go on */
    STORE_ACTIVE,
    STORE_FAILED, /* the log failed or we are fenced: about to exit */
};

struct store {
    uint32_t magic;
    struct service *service;
    enum store_stage stage;
    char starting_why[256]; /* told to callers while starting */

    struct data_dir *data_dir;
    struct discard *discard; /* what is not needed in it any more */
    struct wal_found found;  /* by replay; its table moves to `table` */
    struct table *table;     /* the truth, pending changes included */
    struct cold cold;        /* packs what lies in it */
    struct wal *wal;
    struct bus_pub *pub;

    struct redis_url redis_url;
    struct redis_tls redis_tls;
    struct redis_mirror *mirror; /* NULL: no Redis configured */
    char *holder;                /* who we are for the owner key */
    bool acks_with_redis;
    bool acks_with_replica; /* of Redis; nothing without one */
    bool must_load;         /* Redis was seen to be ahead of the log */
    uint64_t wait_timer;    /* until the log alone will do */

    /* pair.c */
    bool is_paired; /* another store may take over */
    struct election *election;
    bool is_log_diverged; /* it goes aside when Redis is taken */
    char pair_why[300];   /* we were chosen, and did not go on; "" */
    uint64_t start_seq;   /* Redis must have that much before we answer */

    /* visible.c */
    uint64_t visible_seq, visible_revision;
    uint64_t pushed_seq;            /* handed to Redis */
    struct record_queue pending;    /* applied, not yet visible */
    struct pending_answer *answers; /* in order of the seq they wait for */
    size_t answers_bytes;
    size_t queue_max_bytes;
    bool must_flush; /* loop_soon is under way */

    /* watch.c */
    struct retained retained; /* published last */
    struct page_book pages;   /* snapshots being read in pages */
    size_t pub_max_bytes;

    /* checkpoint.c */
    struct view *snapshot_view; /* taken, waiting or being written */
    struct snapshot_job *snapshot_job;
    uint64_t snapshot_seq, snapshot_revision, snapshot_bytes; /* last one */
    int64_t snapshot_retry_ms;

    /* disk.c */
    bool disk_is_full;
};

struct store *store_of(void *self); /* asserts the magic number */

/* Leaves with this exit code; nothing is acknowledged any more. */
void store_fail(struct store *store, int code, const char *event,
                const char *text);

/* ---- activate.c: from the two copies to a running store ---- */
/* Decides by the log alone or starts to ask Redis. An exit code. */
int store_open(struct store *store, struct err *err);

/* ---- import.c ---- */
/* A state file into an empty folder; then the process ends. An exit code. */
int store_import(struct store *store, const char *path, struct err *err);

/* ---- pair.c ---- */
int store_pair_options(struct store *store, struct err *err);
void store_start_election(struct store *store);
/* The lease is ours, and Redis holds what we are about to tell. */
bool store_may_answer(const struct store *store);
/* Why a store that has a partner does not go on from there; NULL: it may. */
const char *store_pair_waits(struct store *store, enum recovery what,
                             const struct copy *redis);
/* Where stores are chosen: what Redis must hold for who is chosen next. */
void store_keep_mark(struct store *store);
/* Leads callers here, when it is our turn. */
void store_keep_address(struct store *store);
char *store_pub_name(const struct store *store); /* of its socket */

/* ---- visible.c ---- */
/* A record that the table applied just now; the reference is taken over. */
void store_log(struct store *store, struct record *record);
/* The log has a batch. */
void store_on_wal(void *self, int fd, int events);
/* Something that acknowledgements wait for has moved. */
void store_advance(struct store *store);
bool store_queue_is_full(const struct store *store);
void store_drop_answers(struct store *store);

/* ---- routes.c ---- */
/* ERR_UNAVAILABLE, ERR_FULL: why no request can be taken now. */
int store_check_serving(const struct store *store, struct err *err);
/* Everything the table holds now must be visible before it is sent. */
void store_answer_later(struct store *store, struct pending_answer *answer);

/* ---- watch.c ---- */
void store_publish(struct store *store, struct record *record);
void store_publish_tick(struct store *store);
/* Once the table is settled: what the log ends with can be resumed from. */
void store_retain_found(struct store *store);
struct pending_answer *store_new_items(struct store *store,
                                       struct bus_call *call);
int store_on_snapshot(void *self, struct bus_call *call, struct err *err);
int store_on_events_since(void *self, struct bus_call *call, struct err *err);

/* ---- checkpoint.c ---- */
/* Takes a snapshot when the log is long enough; after each batch. */
void store_checkpoint(struct store *store);
void store_checkpoint_stop(struct store *store);

/* ---- vitals
 * ----------------------------------------------------------------------------
 */
void store_check_disk(struct store *store);

extern const struct service_option store_options[];
extern const struct bus_route store_routes[];
int store_start(struct service *service, void **self, struct err *err);
void store_tick(void *self);
void store_stop(void *self);

#endif
