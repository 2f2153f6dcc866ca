/* SPDX-License-Identifier: Apache-2.0 */
/* master - the deciding half of the devcluster's Mesos master
 *
 * Pure: no socket, clock, log, file or randomness.  Inputs are calls of
 * frameworks and operators, messages of agents, closed streams and links, and
 * the time; what must happen outside is queued as outputs, in order.  The shell
 * (http.c, cluster.c) drains them after every input.
 *
 * Does not know HTTP (http_rules.c does) nor how agents run tasks (agent.h).
 *
 * Invariants: an offer is used once; available + offered + used = total on each
 * agent (shared volumes and what a shrunk volume leaves behind aside);
 * MASTER_OUT_REGISTRY comes before every output that rests on it.
 *
 * Next: master_state.h (what is held), master_frameworks.c, master_accept.c.
 */
#ifndef REEVE_DEVCLUSTER_MASTER_H
#define REEVE_DEVCLUSTER_MASTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/devcluster.pb-c.h"
#include "proto/mesos/v1/master.pb-c.h"
#include "proto/mesos/v1/scheduler.pb-c.h"

struct master;

#define MASTER_VERSION                                                         \
    "1.11.0" /* the Mesos release whose behaviour this is                      \
              */

/* Strings are copied.  A zero time means its default. */
struct master_config {
    const char *id;       /* UUID, new for every process */
    const char *hostname; /* announced to frameworks */
    const char *ip;       /* dotted */
    int port;
    const char *cluster;                 /* NULL: unset */
    const char *work_dir;                /* shown in /flags only */
    int64_t allocation_interval_ms;      /* 1,000 */
    int64_t heartbeat_interval_ms;       /* 15,000 */
    int64_t agent_ping_timeout_ms;       /* 15,000 */
    int max_agent_ping_timeouts;         /* 5 */
    int64_t agent_reregister_timeout_ms; /* 600,000: recovered agents */
    int64_t offer_timeout_ms;            /* 0: offers never expire */
    size_t max_completed_frameworks;     /* 50 */
    bool no_resize_volume; /* agents without the capability RESIZE_VOLUME */
    bool no_registry; /* MASTER_OUT_REGISTRY never comes: nothing is kept */
    /* Source of operation ids. */
    void (*new_uuid)(void *self, uint8_t out[16]);
    void *new_uuid_self;
};

/* registry: what an earlier master of this cluster wrote, or NULL. */
struct master *master_new(const struct master_config *config,
                          const Reeve__Devcluster__Registry *registry);
void master_destroy(struct master **master);

/* ---- outputs ------------------------------------------------------------ */
enum master_out_kind {
    MASTER_OUT_EVENT,    /* message: an Event (of either API) for that stream */
    MASTER_OUT_CLOSE,    /* end that stream after what was sent on it */
    MASTER_OUT_AGENT,    /* message: a ToAgent for that link */
    MASTER_OUT_REGISTRY, /* message: the Registry; write it before going on */
    MASTER_OUT_NOTE,     /* note: a line for the log (odd) */
};
struct master_out {
    enum master_out_kind kind;
    uint64_t to; /* stream or link */
    ProtobufCMessage *message;
    char *note; /* key=value text */
    struct master_out *next;
};
/* The oldest output, now the caller's; NULL when there is none. */
struct master_out *master_take_out(struct master *master);
void master_out_destroy(struct master_out **out);

/* ---- inputs ------------------------------------------------------------- */
/* To be called before the inputs below with the time they happen at. */
void master_set_time(struct master *master, int64_t mono_ms, int64_t wall_us);

/* A SUBSCRIBE that passed scheduler_call_validate.  Stream numbers are the
 * caller's, never 0, never used twice; a refusal is an ERROR event and CLOSE.
 */
void master_subscribe(struct master *master, uint64_t stream,
                      const char *stream_id,
                      const Mesos__V1__Scheduler__Call *call);

struct master_reply {
    int status;      /* HTTP status */
    char text[4096]; /* body; "" for none */
};
/* Any other call that passed scheduler_call_validate.  stream_id: the header,
 * or NULL. */
void master_call(struct master *master, const char *stream_id,
                 const Mesos__V1__Scheduler__Call *call,
                 struct master_reply *reply);
/* The other side of a stream went away.  Unknown streams are ignored. */
void master_stream_closed(struct master *master, uint64_t stream);

/* A link to an agent; its numbers are the caller's, never 0.  An agent says who
 * it is with its first message. */
void master_agent_link(struct master *master, uint64_t link, const char *ip);
void master_agent_unlink(struct master *master, uint64_t link);
void master_agent_message(struct master *master, uint64_t link,
                          const Reeve__Devcluster__ToMaster *message);

/* Time passed: heartbeats, filters, pings, timeouts, allocation.  Cheap when
 * nothing is due. */
void master_tick(struct master *master);

/* The next so many operations other than launches are refused as invalid. */
void master_refuse_operations(struct master *master, uint64_t count);
/* The next so many ACCEPTs are answered and then forgotten. */
void master_drop_accepts(struct master *master, uint64_t count);
/* Takes back outstanding offers, each with this chance; they are made again. */
void master_rescind_offers(struct master *master, unsigned percent);

/* ---- operators ---------------------------------------------------------- */
/* POST /api/v1.  *response is set for GET_* (status 200), else NULL. */
void master_operate(struct master *master, const Mesos__V1__Master__Call *call,
                    struct master_reply *reply,
                    Mesos__V1__Master__Response **response);
/* SUBSCRIBE of POST /api/v1: an endless stream of mesos.v1.master.Event. Stream
 * numbers are those of frameworks' streams. */
void master_watch(struct master *master, uint64_t stream);
/* The plain endpoints' JSON; new references.  NULL arguments: no filter. */
json_t *master_json_state(const struct master *master);
json_t *master_json_state_summary(const struct master *master);
json_t *master_json_slaves(const struct master *master, const char *agent_id);
json_t *master_json_frameworks(const struct master *master,
                               const char *framework_id);
struct master_task_query {
    int64_t limit;  /* default 100 */
    int64_t offset; /* default 0 */
    bool ascending;
    const char *framework_id;
    const char *task_id;
};
json_t *master_json_tasks(const struct master *master,
                          const struct master_task_query *query);
json_t *master_json_roles(const struct master *master);
json_t *master_json_flags(const struct master *master);
json_t *master_json_version(const struct master *master);
json_t *master_json_metrics(const struct master *master);

/* ---- asking ------------------------------------------------------------- */
const char *master_id(const struct master *master);
/* FrameworkInfo.principal; NULL: unset, or no such framework. */
const char *master_principal_of(const struct master *master,
                                const char *framework_id);
/* Did the agent behind this link register, and is it still registered? */
bool master_link_registered(const struct master *master, uint64_t link);
/* Registered and linked agents. */
size_t master_agents_active(const struct master *master);
/* What the registry file should hold; a new message. */
Reeve__Devcluster__Registry *master_registry(const struct master *master);

#endif
