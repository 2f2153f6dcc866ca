/* SPDX-License-Identifier: Apache-2.0 */
/* redis_mirror_state - what the files of the mirror share, and nobody else
 *
 *   redis_mirror.c           life, what others see and ask for, the heartbeat
 *   redis_mirror_exchange.c  one guarded exchange; batches of records while
 * live redis_mirror_claim.c     look what is there, claim the owner key
 *   redis_mirror_fill.c      write everything
 *   redis_mirror_load.c      read everything
 *
 * The order of exchanges:
 *
 *   look (what is there) -> found -> claim (owner becomes us) -> one of
 *     live:  a MULTI for each batch of records, for ever
 *     fill:  mark incomplete, clear, items, the rest, mark complete -> live
 *     load:  keys, the rest -> loaded -> live
 *
 * Any failure drops the connection, and it starts with `look` again.  What a
 * reply looks like is checked before it is used: who answers may be anybody.
 */
#ifndef REEVE_STATE_STORE_REDIS_MIRROR_STATE_H
#define REEVE_STATE_STORE_REDIS_MIRROR_STATE_H

#include "lib/base/id.h"
#include "services/state-store/record_queue.h"
#include "services/state-store/recovery.h"
#include "services/state-store/redis_commands.h"
#include "services/state-store/redis_link.h"
#include "services/state-store/redis_mirror.h"
#include "services/state-store/succession.h"

enum { BATCH_BYTES = 1 << 20 }; /* aimed at; one record may be larger */

enum stage { AWAY, LOOKING, REFUSED, CLAIMING, FILLING, LOADING, LIVE };

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
    char run_id[48];      /* of the Redis process; "": it does not say */
    char eviction[32];    /* the policy by which it drops keys; "": it keeps */
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
    bool is_catching_up;  /* live; acknowledgements wait for it already */
    bool is_current;      /* it has had all that was pushed by then */
    uint64_t current_at;  /* seq; see note_applied() */
    bool is_ending;       /* see redis_mirror_end() */
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

/* ---- redis_mirror.c ---- */
const char *mirror_stage_name(enum stage stage);
void mirror_forget_progress(struct redis_mirror *m);
void mirror_forget_wanted(struct redis_mirror *m);
void mirror_forget_found(struct redis_mirror *m);

/* ---- redis_mirror_exchange.c ---- */
/* "" and 0 for replies of another type. */
const char *reply_text(const redisReply *reply);
uint64_t reply_number(const redisReply *reply);
/* The first error among them; NULL: none. */
const redisReply *reply_error(redisReply **replies, size_t n);
bool reply_is_list(const redisReply *reply, size_t min);

/* Between the two the commands that shall be done as one.  then gets EXEC's
 * reply: one element for each command since mirror_begin(). */
void mirror_begin(struct redis_mirror *m);
void mirror_send(struct redis_mirror *m,
                 void (*then)(struct redis_mirror *m, const redisReply *exec));
void mirror_set_position(struct redis_mirror *m, uint64_t seq,
                         uint64_t revision, bool is_complete);
/* Drops the connection and starts anew. */
void mirror_give_up(struct redis_mirror *m, const char *why);
void mirror_go_live(struct redis_mirror *m);
void mirror_trim_backlog(struct redis_mirror *mirror);
void mirror_send_batch(struct redis_mirror *m);
/* An exchange without commands: the owner key lives on. */
void mirror_beat(struct redis_mirror *m);

/* ---- redis_mirror_claim.c ---- */
void mirror_look(struct redis_mirror *m);

/* ---- redis_mirror_fill.c ---- */
void mirror_start_fill(struct redis_mirror *m);
void mirror_fill_next(struct redis_mirror *m);
/* All that the view holds may be durable now. */
void mirror_fill_end(struct redis_mirror *m);

/* ---- redis_mirror_load.c ---- */
void mirror_start_load(struct redis_mirror *m);

#endif
