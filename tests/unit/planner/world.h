/* SPDX-License-Identifier: Apache-2.0 */
/* world - a store, a broker and a cluster small enough to stand in a test
 *
 * Runs the pure engine of the planner against them with made-up time, ids and
 * chance, all from one seed.  After each change it checks what must always hold
 * and fails the test that broke it.
 */
#ifndef REEVE_TESTS_PLANNER_WORLD_H
#define REEVE_TESTS_PLANNER_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "proto/planner.pb-c.h"
#include "services/planner/engine.h"
#include "services/planner/facts.h"

struct cell; /* one key of the store */

struct world {
    const char *name; /* for messages */
    uint64_t chance;
    uint64_t revision;
    uint64_t ids;
    uint64_t epoch; /* of the lease; durable as the records are */
    int64_t now_ms;
    struct cell *store;
    struct facts *facts;
    struct intent *intent;
    struct err err;  /* of the last round that ended the process */
    int64_t wake_ms; /* as the last round said */
    bool hold_plans;
    /* What the cluster does. */
    unsigned fail_percent;  /* of tasks that reach RUNNING and then fail */
    unsigned crash_percent; /* of rounds after which the planner starts anew */
    bool holds_offers;      /* nothing is placed */
    bool never_ready;       /* readiness checks do not pass */
    char *end_message;      /* what Mesos says of ends; NULL: nothing */
    /* Told of every change, before what checks it; may be NULL. value NULL:
     * deleted. */
    void (*on_change)(void *self, const char *key, const void *value,
                      size_t len);
    void *on_change_self;
    /* Counted. */
    unsigned launches, kills, conflicts, crashes;
    char log[8192]; /* "+data-0 " launched, "=data-0 " RUNNING */
};

void world_start(struct world *w, const char *name, uint64_t seed);
void world_stop(struct world *w);
#define AUTO_WORLD __attribute__((cleanup(world_stop)))

/* The operator declares this svc.yml; it must load. */
void world_declare(struct world *w, const char *yaml);
/* ... a file that could not be read. */
void world_declare_bad(struct world *w, const char *error);

/* One round of the planner, applied.  Returns how many operations, -1 when it
 * wants to end. */
int world_round(struct world *w);
/* Rounds until nothing changes. */
void world_rest(struct world *w);
/* One random thing happens: a round, a launch, a status, a crash. */
void world_happen(struct world *w);
/* Until the plan has that status and all is quiet; fails the test otherwise. */
void world_until(struct world *w, const char *plan, int status);
/* Lets everything happen until nothing is left to do (time moves on too). */
void world_run(struct world *w);
/* The planner forgets all but the store. */
void world_crash(struct world *w);

/* All or nothing, as the store does it: false when a need is not met. */
bool world_apply(struct world *w, const struct changes *changes);
/* Calls fn for every record. */
void world_each(const struct world *w,
                void (*fn)(void *self, const char *key, const void *value,
                           size_t len, uint64_t revision),
                void *self);

/* ---- the cluster ---- */
/* Places every demand that may be placed; how many. */
int world_place(struct world *w);
/* Kills what is ordered; moves every task one state on. */
void world_move(struct world *w);
/* Gives a task this state now. */
void world_set_state(struct world *w, const char *task, int state, bool ready);
const char *world_task_id(const struct world *w, const char *task);
int world_state(const struct world *w, const char *task); /* -1: none */

/* ---- looking ---- */
const Reeve__Plan *world_plan(const struct world *w, const char *plan);
const Reeve__Phase *world_phase(const struct world *w, const char *plan,
                                const char *phase);
const Reeve__Step *world_step(const struct world *w, const char *plan,
                              const char *step);
/* "C W P P" of a phase's steps; static. */
const char *world_steps(const struct world *w, const char *plan,
                        const char *phase);
const char *world_status(const struct world *w, const char *plan);
unsigned world_demands(const struct world *w);

/* ---- operating ---- */
/* Applies the verb; the error's code, and the answer's text in w->err.text. */
int world_verb(struct world *w, Reeve__PlanCommand__Verb verb, const char *plan,
               const char *phase, const char *step);
int world_start_plan(struct world *w, const char *plan,
                     Reeve__PlanCommand__Parameter **parameters, size_t n);
int world_pod(struct world *w, Reeve__PodCommand__Verb verb, const char *pod);
/* Facts made afresh from the store; the caller destroys them. */
struct facts *world_facts_again(const struct world *w);
/* The n-th record (modulo their number). */
void world_pick(const struct world *w, size_t n, const char **key,
                struct buf *value);
/* Puts a record as another process would. */
void world_put(struct world *w, const char *key, const ProtobufCMessage *value);
void world_put_bytes(struct world *w, const char *key, const void *value,
                     size_t len);

#endif
