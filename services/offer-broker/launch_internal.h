/* SPDX-License-Identifier: Apache-2.0 */
/* launch_internal - what launch.c and matching.c share */
#ifndef REEVE_OFFER_BROKER_LAUNCH_INTERNAL_H
#define REEVE_OFFER_BROKER_LAUNCH_INTERNAL_H

#include "services/offer-broker/evaluate.h"
#include "services/offer-broker/places.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/twins.h"
#include "services/offer-broker/writes.h"

/* All launches on one agent of one pass: an ACCEPT. */
struct launch {
    struct launches *owner;
    struct writes *writes; /* until it goes into a commit */
    Mesos__V1__Scheduler__Call *accept;
    struct built **built; /* one per demand: their places count already */
    char **demand_ids;
    size_t n_demands;
    struct launch *prev, *next;
};

/* One transaction under way, and the launches that follow it. */
struct commit {
    struct launches *owner;
    struct writes *writes;
    struct launch **list;
    size_t count;
    struct commit *prev, *next;
};

/* A demand to be left alone for a moment. */
struct quiet {
    char *demand_id;
    int64_t until_ms;
    UT_hash_handle hh;
};

struct launches {
    struct session *session;
    struct launch *under_way; /* all of all commits */
    struct commit *commits;
    size_t count;
    int64_t apart_until_ms; /* each agent's launches in their own commit */
    struct quiet *quiet;
    struct quiet *unmet; /* demands that no held offer fitted; until unused */
    bool any_agent;      /* some waiting demand could go to any agent */
};

/* What is being put together for one agent in one pass. */
struct batch {
    struct launch *launch; /* NULL: nothing for this agent */
    size_t n_tasks;
};

/* agent id -> its first pool */
struct pool_index {
    size_t at;
    UT_hash_handle hh;
};

struct pass {
    struct launches *owner;
    struct session *session;
    struct agent_pool *pools;
    struct batch *batches; /* one per pool */
    size_t n_pools;
    struct places *places;
    struct pool_index *by_agent;
    struct crowds *crowds; /* matching.c's own */
    struct twin *twins;
    size_t fair_tasks; /* new ones on one agent in this pass */
    int64_t now_ms, now_wall_ms;
};

/* matching.c: finds an agent for the demand and hands it to launch_accept, or
 * tells why there is none (false), or leaves it to the next pass. */
bool matching_place(struct pass *p, struct demand_view *view);
/* Nothing that surely exists ties the pod to an agent. */
bool matching_is_fresh(const struct demand_view *view);
/* So that not all goes to the few agents that are offered just now, while the
 * others' offers are on their way. */
void matching_share(struct pass *p, const struct demand_view *views,
                    size_t count);
/* Would it fit on its pod's agent, which offers this (NULL: nothing), if the
 * pod's tasks had ended? */
bool matching_would_fit(struct pass *p, struct demand_view *view,
                        const struct resources *offered, struct buf *why);
void matching_end(struct pass *p);
/* Keeps the offers that show a part of the (waiting) pod for a while. */
void matching_need(struct pass *p, const struct demand_view *view);

/* hold.c: sets holds_kill and why.  false: why is no news, as nothing is
 * offered just now. */
bool hold_judge(struct pass *p, struct demand_view *view);

/* launch.c: adds the launch on this pool to the agent's transaction. */
void launch_accept(struct pass *p, size_t at, const struct demand_view *view,
                   struct match *match);
/* The pod's volumes get another size first; the demand goes on waiting. */
void launch_resize(struct pass *p, size_t at, const struct demand_view *view,
                   struct match *match);

#endif
