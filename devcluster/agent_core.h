/* SPDX-License-Identifier: Apache-2.0 */
/* agent_core - what an agent decides, as a function of what it was told
 *
 * Pure: messages, process ends, check results and the time come in; actions
 * come out, in the order in which they must be carried out.  It plays the
 * agent, its status update manager, and the default and command executors in
 * one: a framework cannot tell them apart.
 *
 * Invariants: what an update or a start rests on is saved by an earlier action;
 * only the first unacknowledged update of a task is sent; a task starts at most
 * once (a repeated AGENT_START is harmless by the promise of
 * container_files.h).
 *
 * Files: agent_core.c (messages, registration, executors), agent_task.c (a
 * task's life, its updates), agent_check.c (health and checks), agent_ops.c
 * (reservations and volumes), agent_spec.c (what a shim is told),
 * agent_state.h.
 */
#ifndef REEVE_DEVCLUSTER_AGENT_CORE_H
#define REEVE_DEVCLUSTER_AGENT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devcluster/agent.h"
#include "proto/devagent.pb-c.h"
#include "proto/devcluster.pb-c.h"

struct agent_core;
struct err;

struct agent_now {
    int64_t mono_ms;
    int64_t wall_ms; /* for timestamps, and for what outlives the process */
};

/* Copied, but for new_uuid's self.  All times must be set. */
struct agent_core_config {
    const char *work_dir; /* absolute */
    const char *ip;
    int port;
    bool switch_user;
    bool in_memory; /* nothing outlives the process: nothing is to be saved */
    const Mesos__V1__AgentInfo *info; /* configured; without id */
    int64_t status_resend_ms;
    int64_t status_resend_max_ms;
    int64_t register_retry_ms;
    int64_t recovery_wait_ms;
    int64_t launch_delay_ms;  /* from RunGroup to the start of its tasks */
    int64_t executor_exit_ms; /* from its last task's end to its own */
    int64_t executor_shutdown_grace_ms;
    int64_t kill_grace_ms;
    int64_t fetch_timeout_ms;
    void (*new_uuid)(void *self, uint8_t out[16]);
    void *self;
};

/* NULL: info's resources are not valid. */
struct agent_core *agent_core_new(const struct agent_core_config *config,
                                  struct err *err);
void agent_core_destroy(struct agent_core **core);

/* ---- recovery: before everything else, in this order; all may be left out  */
void agent_core_restore_id(struct agent_core *core, const char *agent_id);
/* ERR_INVALID: what is reserved does not fit into the configured resources. */
int agent_core_restore_resources(
    struct agent_core *core, const Reeve__Devagent__AgentResources *resources,
    struct err *err);
/* false: not usable, nothing was restored. */
bool agent_core_restore_run(struct agent_core *core,
                            const Reeve__Devagent__ExecutorRun *run,
                            struct agent_now now);
/* Asks (AGENT_ADOPT) what became of each restored container. */
void agent_core_recovered(struct agent_core *core, struct agent_now now);

/* ---- what happens ----------------------------------------------------- */
void agent_core_connect(struct agent_core *core, struct agent_now now);
void agent_core_disconnect(struct agent_core *core);
void agent_core_receive(struct agent_core *core,
                        const Reeve__Devcluster__ToAgent *message,
                        struct agent_now now);
void agent_core_unregister(struct agent_core *core, struct agent_now now);
/* The process ends in good order: what must not outlive it is killed. */
void agent_core_stop(struct agent_core *core);

/* The command runs (also the answer to AGENT_ADOPT). */
void agent_core_started(struct agent_core *core, const char *container,
                        int64_t pid, struct agent_now now);

enum agent_end_kind {
    AGENT_END_NOT_STARTED, /* refused before any process: text says why */
    AGENT_END_FETCH,       /* the fetcher failed */
    AGENT_END_LAUNCH,      /* the shim could not start the command */
    AGENT_END_RUN,         /* the command ended */
    AGENT_END_VANISHED,    /* the shim died and left no word */
};
struct agent_end {
    enum agent_end_kind kind;
    int status;       /* as from waitpid, for FETCH, LAUNCH and RUN */
    const char *text; /* for NOT_STARTED */
};
void agent_core_ended(struct agent_core *core, const char *container,
                      const struct agent_end *end, struct agent_now now);
/* Answer to AGENT_ADOPT: nothing was ever started there. */
void agent_core_absent(struct agent_core *core, const char *container,
                       struct agent_now now);

struct agent_check_result {
    const char *container;
    bool health;    /* of the health check, else of the check */
    bool timed_out; /* or could not be made: no value */
    int value;      /* exit code (128 + N for signal N), HTTP status,
                       1 = TCP connection made, 0 = refused */
};
void agent_core_checked(struct agent_core *core,
                        const struct agent_check_result *result,
                        struct agent_now now);

/* Does what is due. */
void agent_core_tick(struct agent_core *core, struct agent_now now);
/* Monotonic time of the next due thing; INT64_MAX: none. */
int64_t agent_core_due_ms(const struct agent_core *core);

/* ---- what is to be done ----------------------------------------------- */
enum agent_action_kind {
    AGENT_SEND,           /* message: ToMaster */
    AGENT_SAVE_RUN,       /* message: ExecutorRun */
    AGENT_DROP_RUN,       /* message: ExecutorRun (ids only) */
    AGENT_SAVE_ID,        /* text: the agent's id */
    AGENT_FORGET_ID,      /* */
    AGENT_SAVE_RESOURCES, /* message: AgentResources */
    AGENT_MAKE_VOLUME,    /* text: its folder */
    AGENT_REMOVE_VOLUME,  /* text: its folder; keep_dir: empty it only */
    AGENT_START,          /* message: ContainerSpec */
    AGENT_ADOPT,          /* container; text: its meta folder */
    AGENT_SIGNAL,         /* container, signo, whole (with its descendants) */
    AGENT_CHECK,          /* message: CheckRun */
    AGENT_CHECK_STOP,     /* container, health */
    AGENT_ODD,            /* text: what the master did wrong; to be logged */
};
struct agent_action {
    enum agent_action_kind kind;
    ProtobufCMessage *message;
    char *container;
    char *text;
    int signo;
    bool whole;
    bool health;
    bool keep_dir;
};
/* Takes the oldest one; false when there is none.  Clear it afterwards. */
bool agent_core_take(struct agent_core *core, struct agent_action *out);
void agent_action_clear(struct agent_action *action);

/* ---- looking ---------------------------------------------------------- */
const char *agent_core_id(const struct agent_core *core); /* NULL: none yet */
bool agent_core_registered(const struct agent_core *core);
void agent_core_each_task(const struct agent_core *core,
                          void (*fn)(void *self,
                                     const struct agent_task_view *view),
                          void *self);
size_t agent_core_checkpointed(const struct agent_core *core,
                               Mesos__V1__Resource ***resources);

#endif
