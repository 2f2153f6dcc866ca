/* SPDX-License-Identifier: Apache-2.0 */
/* replay_state - what a replay holds; for replay.c and replay_agent.c */
#ifndef REEVE_TESTS_UNIT_DEVCLUSTER_REPLAY_STATE_H
#define REEVE_TESTS_UNIT_DEVCLUSTER_REPLAY_STATE_H

#include <jansson.h>

#include "devcluster/master_state.h"
#include "tests/unit/devcluster/replay.h"

struct got {
    uint64_t stream;
    Mesos__V1__Scheduler__Event *event; /* type UNKNOWN: the stream's end */
    bool taken;
};
struct got_offer {
    uint64_t stream;
    Mesos__V1__Offer *offer;
    char *recorded; /* its id in the recording; NULL: not matched yet */
};
struct got_inverse {
    uint64_t stream;
    Mesos__V1__InverseOffer *offer;
    char *recorded;
};
struct answer {
    int64_t n;
    struct master_reply reply;
};
struct stand_in; /* an agent */

struct replay {
    const char *dir;
    struct replay_result *result;
    struct master *master; /* NULL: dead */
    Reeve__Devcluster__Registry *registry;
    int64_t now_ms;
    double wall_base; /* seconds at time 0 of the recording */
    json_t **entries;
    size_t n_entries, at;
    struct got *got;
    size_t n_got;
    struct got_offer *offers;
    size_t n_offers;
    struct got_inverse *inverses;
    size_t n_inverses;
    struct answer *answers;
    size_t n_answers;
    struct stand_in *agents;
    size_t n_agents;
    uint64_t next_link;
    uint32_t next_uuid;
    bool is_unordered; /* differences of order do not count */
};

#define NULL_EVENT() PB_NEW(mesos__v1__scheduler__event)

void replay_drain(struct replay *r);
void replay_sync(struct replay *r);

/* ---- replay_agent.c ---- */
void replay_uuid(void *self, uint8_t out[16]);
/* wall_base. */
void replay_scan(struct replay *r);
/* Id of the master that the next SUBSCRIBED names. */
const char *replay_master_id(const struct replay *r);
/* Registers the agents of the first OFFERS event. */
void replay_agents_first(struct replay *r);
void replay_agents_unlink(struct replay *r);
void replay_agents_free(struct replay *r);
/* Executors that ended while nobody listened: their exits are told. */
void replay_agents_exits(struct replay *r, const char *framework);
void replay_agent_told(struct replay *r, uint64_t link,
                       const Reeve__Devcluster__ToAgent *msg);
/* It must be registered now; offer: from which a new one is made, or NULL. */
void replay_agent_needed(struct replay *r, const char *id,
                         const Mesos__V1__Offer *offer);
/* If an agent is behind this event, it says it now. */
void replay_agent_speaks(struct replay *r,
                         const Mesos__V1__Scheduler__Event *event);
void replay_agent_kill(struct replay *r, unsigned n);
void replay_agent_unregister(struct replay *r, unsigned n);
void replay_agent_reset(struct replay *r, unsigned n);

#endif
