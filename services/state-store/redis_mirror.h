/* SPDX-License-Identifier: Apache-2.0 */
/* redis_mirror - the committed state in Redis, in order, exactly
 *
 * Keys, each behind the prefix (default "reeve:"), readable with redis-cli:
 *   kv:<key>   string  the value, as it is
 *   rev        hash    key -> revision at which it was last changed
 *   meta       hash    format, lineage, revision, seq, complete (0 while it is
 *                      being filled); of the lease: owner_epoch, owner_holder
 *                      and owner_run (run_id of Redis) of the last claim,
 *                      given_back (an epoch)
 *   requests   list    "<revision> <request id>", oldest first, last 65,536
 *   leases     hash    name -> "<epoch> <ttl ms> <request id or -> <holder>"
 *   runs       list    "<run id, hex> <seq of its first record>"
 *   owner      string  "<owner epoch> <holder>", expires: the store that writes
 *
 * Every change is one MULTI with the new seq and revision in it, under WATCH of
 * owner and meta: when anybody else touched either (another store, FLUSHALL, a
 * rollback, a failover), EXEC does nothing and what Redis holds is looked at
 * anew.  One exchange is under way at a time; what is committed meanwhile goes
 * into the next one.
 *
 * Does not decide which copy is right: it tells what Redis holds (found), and
 * is answered with follow, fill, load or refuse.
 */
#ifndef REEVE_STATE_STORE_REDIS_MIRROR_H
#define REEVE_STATE_STORE_REDIS_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct copy;
struct loop;
struct record;
struct redis_mirror;
struct redis_tls;
struct redis_url;
struct table;
struct view;

struct redis_mirror_config {
    const struct redis_url *url; /* borrowed */
    const struct redis_tls *tls; /* borrowed */
    const char *prefix;          /* borrowed */
    const char *holder; /* who we are: host and data folder; borrowed */
    int64_t timeout_ms; /* silence after which Redis counts as away */
    int64_t owner_ttl_ms;
    bool has_partner, needs_grant; /* see succession.h */
    size_t backlog_bytes;          /* records kept for catching up */
    bool asks_replica;             /* WAIT for one after each change */
};

struct redis_mirror_events {
    /* Connected and free to be taken: what Redis holds.  Answered during the
     * call with _follow(), _fill(), _load() or _refuse(); copy is borrowed. */
    void (*found)(void *self, const struct copy *copy);
    /* A view of everything up to some seq, which the mirror takes over. */
    struct view *(*view)(void *self);
    /* Redis holds everything up to redis_mirror_seq(). */
    void (*applied)(void *self);
    /* After _load(): the table, the callee's.  Answered with _begin() and
     * _follow(). */
    void (*loaded)(void *self, struct table *table);
    /* Redis is not usable (any more); it is tried again. */
    void (*lost)(void *self, const char *why);
    /* Another store is the owner, or may still be.  It is looked at again. */
    void (*fenced)(void *self, const char *why);
};

struct redis_mirror *redis_mirror_new(struct loop *loop,
                                      const struct redis_mirror_config *config,
                                      const struct redis_mirror_events *events,
                                      void *self);
/* It is to be destroyed soon: no replica is asked again and again any more. */
void redis_mirror_end(struct redis_mirror *mirror);
/* Nothing is under way to Redis, or nothing will be. */
bool redis_mirror_is_quiet(const struct redis_mirror *mirror);
/* Gives the owner key back when it is quiet, and does not wait. */
void redis_mirror_destroy(struct redis_mirror **mirror);

/* An election outside Redis chose us: what has an older epoch makes way.  0:
 * nobody chose (any more). */
void redis_mirror_grant(struct redis_mirror *mirror, uint64_t epoch);
/* Redis granted us the lease, and by our clock it is not over. */
bool redis_mirror_has_lease(const struct redis_mirror *mirror);

/* The next record pushed will be the one after seq. */
void redis_mirror_begin(struct redis_mirror *mirror, uint64_t seq);
/* Durable records, in order. */
void redis_mirror_push(struct redis_mirror *mirror, struct record *record);

/* Redis is a part of our history: apply what it lacks, or fill it when the
 * backlog does not reach back so far. */
void redis_mirror_follow(struct redis_mirror *mirror);
/* Write everything; nothing of what Redis holds stays. */
void redis_mirror_fill(struct redis_mirror *mirror);
/* Read everything. */
void redis_mirror_load(struct redis_mirror *mirror);
/* Touch nothing; it is looked at again after a while. */
void redis_mirror_refuse(struct redis_mirror *mirror);

/* The last claim that Redis knows of was ours. */
bool redis_mirror_was_ours(const struct redis_mirror *mirror);
/* Connected, and acknowledgements can wait for it: what it lacks is under way
 * from the backlog.  Were only that waited for which is pushed while it has
 * all, it would never have all as long as others go on writing. */
bool redis_mirror_is_near(const struct redis_mirror *mirror);
/* Near, and all that was pushed before it was near is applied. */
bool redis_mirror_is_current(const struct redis_mirror *mirror);
/* Somebody else may have become the owner: nothing may be acknowledged until it
 * was looked at. */
bool redis_mirror_is_in_doubt(const struct redis_mirror *mirror);
/* The policy by which Redis drops keys of ours when its memory is full; "": it
 * keeps them, or does not say. */
const char *redis_mirror_eviction(const struct redis_mirror *mirror);
/* Applied; what is known while it is away. */
uint64_t redis_mirror_seq(const struct redis_mirror *mirror);
/* Also applied by a replica, as far as it was asked. */
uint64_t redis_mirror_replica_seq(const struct redis_mirror *mirror);
/* The last WAIT was answered by a replica. */
bool redis_mirror_has_replica(const struct redis_mirror *mirror);
uint64_t redis_mirror_revision(const struct redis_mirror *mirror);
/* Records pushed and not applied. */
uint64_t redis_mirror_lag(const struct redis_mirror *mirror);
/* "away", "filling" …; never NULL. */
const char *redis_mirror_stage(const struct redis_mirror *mirror);

#endif
