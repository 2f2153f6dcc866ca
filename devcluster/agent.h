/* SPDX-License-Identifier: Apache-2.0 */
/* agent - one agent of the devcluster: its work directory, tasks and messages
 *
 * The shell around agent_core (decides) and the launcher (starts processes).
 * Talks to the master core only by the messages of proto/devcluster.proto.
 * Tasks are children of small supervisor processes and live on when this
 * process ends; a new agent on the same work directory finds them again.
 *
 * Does not know offers, frameworks' sessions or other agents.  All calls come
 * from the loop's thread.
 */
#ifndef REEVE_DEVCLUSTER_AGENT_H
#define REEVE_DEVCLUSTER_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/devcluster.pb-c.h"

struct agent;
struct err;
struct launcher_ops;
struct loop;

/* Strings are copied.  A zero time means its default. */
struct agent_config {
    const char *work_dir; /* made when absent; one agent at a time (locked) */
    const char *hostname; /* "agent-0.local" */
    const char *ip;       /* "127.0.0.1" */
    int port;             /* of the agent's HTTP; shown to tasks as
                             MESOS_SLAVE_PID / AGENT_ENDPOINT */
    /* "cpus:4;mem:4096;disk:10240;ports:[31000-31099]" or a JSON list */
    const char *resources;
    const char *attributes; /* "rack:r0;zone:z0"; NULL or "": none */
    const char *region;     /* AgentInfo.domain; NULL: none */
    const char *zone;
    /* Program run as "PROGRAM --task-shim DIR": whoever's main() calls
     * shim_main() first.  NULL: this very program (/proc/self/exe). */
    const char *shim_program;
    /* How containers are run; NULL: as real processes (launcher.h). */
    const struct launcher_ops *launcher;
    /* Nothing is read from or written to disk, and tasks are simulated: for
     * clusters of thousands of agents.  schedule: launcher_simulated.c. */
    bool in_memory;
    const char *schedule;
    bool switch_user; /* run tasks as CommandInfo.user / FrameworkInfo.user */
    int64_t status_resend_ms;     /* first resend, then doubled; 10,000 */
    int64_t status_resend_max_ms; /* 600,000 */
    int64_t recovery_wait_ms;     /* as executor_reregistration_timeout: wait
                                     this long after start before reregistering
                                     when executors were found; 2,000 */
    int64_t executor_shutdown_grace_ms; /* 5,000 */
    int64_t kill_grace_ms;    /* when no kill policy says else; 3,000 */
    int64_t fetch_timeout_ms; /* of each URI; 600,000 */
    int64_t launch_delay_ms;  /* from RunGroup to the start of its tasks: a KILL
                                 within it is "killed during launch"; 0 */
};

/* Recovers what is in work_dir (nothing is sent yet), or starts afresh.
 * to_master is called for every message, only from the loop and never from
 * inside a call of this header; the message is borrowed.  NULL: bad config,
 * work_dir unusable or held by another agent, or what is checkpointed there
 * does not fit (resources smaller than the reservations on them). */
struct agent *agent_new(struct loop *loop, const struct agent_config *config,
                        void (*to_master)(void *self, struct agent *agent,
                                          const Reeve__Devcluster__ToMaster *),
                        void *self, struct err *err);

/* The agent process ends: nothing more is sent, its memory is freed, *agent is
 * NULL.  Tasks stay alive, but those of frameworks without checkpoint. */
void agent_stop(struct agent **agent);

/* A link to the master exists (again): sends Register, at once or after
 * recovery_wait_ms, and after the Registered answer all pending updates. */
void agent_connect(struct agent *agent);
/* The link is gone: sends nothing until the next agent_connect. */
void agent_disconnect(struct agent *agent);
/* A message from the master; borrowed.  Ignored while not connected. */
void agent_receive(struct agent *agent,
                   const Reeve__Devcluster__ToAgent *message);

/* Like SIGUSR1 to a real agent: sends Unregister and kills everything.  The
 * next agent_connect registers under the same id, with reservations and
 * volumes. (A Shutdown message from the master does the same, but gives the id
 * up.) */
void agent_unregister(struct agent *agent);

/* NULL before the first registration.  Borrowed until the next change. */
const char *agent_id(const struct agent *agent);
const char *agent_work_dir(const struct agent *agent);
bool agent_connected(const struct agent *agent);

/* What the agent's HTTP endpoints show.  All strings are borrowed for the call.
 */
struct agent_task_view {
    const char *framework_id;
    const char *executor_id;
    const char *container_id; /* of the task; nested in the executor's, but the
                                 same for a command task */
    const char *executor_container_id;
    const char *executor_dir; /* …/runs/<container>, the executor's sandbox */
    const char *sandbox;      /* the task's own; same as executor_dir for a
                                 command task */
    const Mesos__V1__FrameworkInfo *framework;
    const Mesos__V1__Task *task;             /* state, statuses */
    const Mesos__V1__ExecutorInfo *executor; /* NULL for command tasks */
    int64_t pid;         /* of the task's command; 0 when none runs */
    bool completed;      /* the task ended (its updates may be on their way) */
    bool executor_ended; /* and its executor is gone */
};
/* Each task of live executors, then the recently completed (at most 150). */
void agent_each_task(const struct agent *agent,
                     void (*fn)(void *self, const struct agent_task_view *view),
                     void *self);
/* The newest task of that id; false when not known.  view may be NULL. */
bool agent_find_task(const struct agent *agent, const char *framework_id,
                     const char *task_id,
                     void (*fn)(void *self, const struct agent_task_view *view),
                     void *self);
/* True when path (absolute, may hold symlinks) lies in a sandbox or volume of
 * this agent: only such may be read over HTTP.  *real gets the malloc'd
 * resolved path. */
bool agent_path_allowed(const struct agent *agent, const char *path,
                        char **real);
/* Checkpointed resources (reservations and volumes); borrowed. */
size_t agent_checkpointed(const struct agent *agent,
                          Mesos__V1__Resource ***resources);

#endif
