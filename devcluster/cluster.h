/* SPDX-License-Identifier: Apache-2.0 */
/* cluster - one master and its agents in this process, wired together
 *
 * Gives the core its inputs with the time they happen at, and carries its
 * outputs out in order: events to streams, messages to agents, the registry to
 * disk.  An agent can be cut off, hung, killed and brought back on command.
 *
 * On disk, below the work directory: master/registry.json (the agents a master
 * must remember), master/ports.json (so that a restart listens where it did),
 * agent-N/ (agent.h).
 */
#ifndef REEVE_DEVCLUSTER_CLUSTER_H
#define REEVE_DEVCLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cluster;
struct err;
struct http;
struct json_t;
struct loop;
struct master;

/* Strings are copied.  In agent_* texts "{n}" stands for the agent's number. */
struct cluster_config {
    const char *address; /* listened on and announced */
    int port;            /* 0: that of last time if possible, or any free */
    const char *work_dir;
    size_t agents;
    const char *agent_resources; /* ports are added when it names none */
    size_t agent_ports;          /* first of agent 0; 100 for each agent */
    const char *agent_attributes;
    const char *agent_hostname;
    const char *agent_domain; /* "region/zone"; NULL or "": none */
    size_t masters;           /* 0: 1; the others answer 307 */
    const char *credentials;  /* a file (http_auth.h); NULL or "": none */
    bool auth_operators;
    const char *tls_cert, *tls_key; /* PEM files; NULL or "": plain HTTP */
    bool switch_user;
    /* No processes, no files but the master's ports, no endpoints of agents:
     * for thousands of agents.  schedule: launcher_simulated.c. */
    bool simulate;
    const char *simulate_schedule;
    int64_t allocation_interval_ms;
    int64_t heartbeat_interval_ms;
    int64_t agent_ping_timeout_ms;
    int max_agent_ping_timeouts;
    int64_t agent_reregister_timeout_ms;
    int64_t offer_timeout_ms;
    bool no_resize_volume;
    int64_t resend_ms;
    int64_t recovery_wait_ms;
    int64_t start_window_ms; /* 404, then 503, before a new master serves */
};

/* Starts everything.  ERR_EXISTS: the port is taken, or the work directory is
 * used by another process; ERR_IO: it cannot be written. */
struct cluster *cluster_new(struct loop *loop,
                            const struct cluster_config *config,
                            struct err *err);
/* Tasks stay alive. */
void cluster_destroy(struct cluster **cluster);
/* Of the master that leads. */
int cluster_port(const struct cluster *cluster);
/* "host:port" of all masters, by commas; malloc'd. */
char *cluster_listens(const struct cluster *cluster);
const char *cluster_address(const struct cluster *cluster);

/* The core, with its time set to now. */
struct master *cluster_master(struct cluster *cluster);
/* Carries out what the core asks for; after every input. */
void cluster_flush(struct cluster *cluster);

/* ---- faults ------------------------------------------------------------- */
size_t cluster_agents(const struct cluster *cluster);
enum cluster_fault {
    CLUSTER_PARTITION,  /* the link breaks; the agent and its tasks live on */
    CLUSTER_HANG,       /* the link stays, but nothing is read or said */
    CLUSTER_KILL,       /* the agent process ends; its tasks live on */
    CLUSTER_RETURN,     /* undoes the above */
    CLUSTER_UNREGISTER, /* the agent leaves for good, in good order */
    CLUSTER_LOSE, /* machine, tasks and volumes are gone; what returns is a new
                     agent */
};
/* ERR_NOT_FOUND: no such agent; ERR_NOOP: it is so already. */
int cluster_agent_fault(struct cluster *cluster, size_t number,
                        enum cluster_fault fault, struct err *err);
/* The next master takes over (or a new one in its place, if it is the only
 * one): new id, streams broken, agents and what is on disk stay. */
void cluster_failover(struct cluster *cluster, int64_t start_window_ms);
/* The next so many messages of a kind never reach their agent. */
enum cluster_lost { CLUSTER_LOST_LAUNCHES, CLUSTER_LOST_OPERATIONS };
void cluster_lose(struct cluster *cluster, enum cluster_lost kind,
                  uint64_t count);
/* Each status update of an agent reaches the master after delay_ms, and then
 * `repeats` more times. */
void cluster_disturb_updates(struct cluster *cluster, int64_t delay_ms,
                             unsigned repeats);
struct http *cluster_http(struct cluster *cluster);
/* {"agents":[{"number":0,"id":…,"state":"up"|"partitioned"|"hung"|"killed"}]}
 */
struct json_t *cluster_status(const struct cluster *cluster);

#endif
