/* SPDX-License-Identifier: Apache-2.0 */
/* agent_state - what the agent core's own files share; nobody else includes it
 *
 * Times named _at_ms are monotonic; 0 or AGENT_NEVER: not set, as said.
 */
#ifndef REEVE_DEVCLUSTER_AGENT_STATE_H
#define REEVE_DEVCLUSTER_AGENT_STATE_H

#include "devcluster/agent_core.h"

struct resources;

#define AGENT_NEVER         INT64_MAX
#define AGENT_MAX_COMPLETED 150 /* ended tasks shown in views */
#define AGENT_MAX_PENDING                                                      \
    256 /* updates of a task that wait; a few more for                         \
           what is not about checks */

#define STATE(name)  MESOS__V1__TASK_STATE__TASK_##name
#define REASON(name) MESOS__V1__TASK_STATUS__REASON__REASON_##name
#define PHASE(name)  REEVE__DEVAGENT__TASK_RUN__PHASE__##name
#define KILL(name)   REEVE__DEVAGENT__TASK_RUN__KILL__##name

/* One health check or check of a running task (agent_check.c). */
struct agent_checker {
    bool set;              /* the task has one */
    bool running;          /* asked for, not answered */
    bool succeeded_once;   /* health only */
    unsigned failures;     /* health only: in a row */
    int64_t next_at_ms;    /* AGENT_NEVER: stopped or not begun */
    int64_t started_at_ms; /* of the task, for the grace period */
};

struct agent_task {
    struct agent_exec *exec;
    Mesos__V1__TaskInfo *info; /* owned */
    const char *id;            /* borrowed from info */
    char *container; /* nested id; the executor's for a command task */
    uint32_t group;
    Reeve__Devagent__TaskRun__Phase phase;
    Reeve__Devagent__TaskRun__Kill kill;
    int64_t kill_at_ms;         /* SIGKILL then; AGENT_NEVER: not or sent */
    int64_t started_wall_ms;    /* 0: not yet */
    int64_t out_of_time_at_ms;  /* max_completion_time; AGENT_NEVER: none */
    int64_t pid;                /* 0: none */
    Mesos__V1__TaskState state; /* newest; STAGING before the first update */
    /* Unacknowledged updates in order, and when the first is sent again. */
    Mesos__V1__TaskStatus **pending;
    size_t n_pending;
    int64_t resend_at_ms;
    int64_t resend_after_ms;
    /* Newest of each state, for views. */
    Mesos__V1__TaskStatus **statuses;
    size_t n_statuses;
    bool has_healthy;
    bool healthy;
    Mesos__V1__CheckStatusInfo *check_status; /* last result; NULL: none */
    struct agent_checker health, check;
    struct agent_task *prev, *next;
};

struct agent_exec {
    Mesos__V1__FrameworkInfo *framework; /* owned */
    Mesos__V1__ExecutorInfo *info;       /* owned; made up for a command task */
    const char *framework_id;            /* borrowed from framework, info */
    const char *id;
    char *container;
    bool command_task;
    bool health_killed;
    bool silent; /* its framework is gone: no updates any more */
    bool ended;
    bool dirty; /* to be saved before anything that rests on it */
    uint32_t groups;
    int64_t deliver_at_ms; /* queued tasks start then; AGENT_NEVER: none */
    int64_t exit_at_ms;    /* all tasks ended: it exits then; AGENT_NEVER */
    int64_t destroy_at_ms; /* shutting down: killed then; AGENT_NEVER */
    struct agent_task *tasks;
    struct agent_exec *prev, *next;
};

struct agent_operation {
    Reeve__Devcluster__ToMaster__OperationUpdate *update; /* owned */
    int64_t resend_at_ms;
    int64_t resend_after_ms;
    struct agent_operation *prev, *next;
};

struct agent_queued {
    struct agent_action action;
    struct agent_queued *prev, *next;
};

struct agent_core {
    struct agent_core_config config; /* strings and info owned */
    char *id;                        /* NULL: never registered */
    bool linked;
    bool registered;
    int64_t register_at_ms;       /* AGENT_NEVER: nothing to send */
    int64_t earliest_register_ms; /* recovery goes on until then */
    struct agent_exec *execs;
    struct agent_exec *completed; /* executors without anything left to do */
    size_t n_completed;           /* tasks in them */
    struct resources *total;      /* configured, as converted by operations */
    Mesos__V1__Resource **checkpointed;
    size_t n_checkpointed;
    Mesos__V1__Resource **removing; /* volumes whose data is being removed */
    size_t n_removing;
    struct agent_operation *operations;
    Mesos__V1__DrainConfig *drain; /* NULL: not being drained */
    struct agent_queued *actions;
};

/* ---- agent_core.c ----------------------------------------------------- */
/* Appends an action; the caller fills in what it needs. */
struct agent_action *agent_act(struct agent_core *core,
                               enum agent_action_kind kind);
void agent_send(struct agent_core *core, Reeve__Devcluster__ToMaster *message);
void agent_odd(struct agent_core *core, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Saves what changed, so that a later action may rest on it. */
void agent_save_exec(struct agent_core *core, struct agent_exec *exec,
                     struct agent_now now);
int64_t agent_min(int64_t a, int64_t b);
/* Milliseconds in now + ms, never past AGENT_NEVER. */
int64_t agent_after(int64_t now_ms, double ms);

/* ---- agent_exec.c ----------------------------------------------------- */
/* All its tasks are over: lets it exit a moment later. */
void agent_exec_check(struct agent_core *core, struct agent_exec *exec,
                      struct agent_now now);
/* Kills all at once; what has not ended is reported as failed. */
void agent_exec_destroy(struct agent_core *core, struct agent_exec *exec,
                        int wait_status, struct agent_now now);
/* Once ended and acknowledged: to the completed ones.  exec may be moved. */
void agent_exec_forget(struct agent_core *core, struct agent_exec *exec);
bool agent_exec_can(const struct agent_exec *exec,
                    Mesos__V1__FrameworkInfo__Capability__Type capability);
/* A live one of that id, else one that ended and waits for acknowledgements. */
struct agent_exec *agent_exec_find(struct agent_core *core,
                                   const char *framework_id, const char *id);
void agent_exec_run_group(struct agent_core *core,
                          const Reeve__Devcluster__ToAgent__RunGroup *run,
                          struct agent_now now);
/* Starts its queued tasks. */
void agent_exec_deliver(struct agent_core *core, struct agent_exec *exec,
                        struct agent_now now);
/* Asks all its tasks to end, and kills them when its grace is over. */
void agent_exec_shutdown(struct agent_core *core, struct agent_exec *exec,
                         struct agent_now now);
void agent_exec_shutdown_framework(struct agent_core *core, const char *id,
                                   struct agent_now now);
/* Kills it and forgets it at once, without a word to anybody. */
void agent_exec_drop(struct agent_core *core, struct agent_exec *exec);
/* So with all, also the completed; and is no longer connected. */
void agent_exec_kill_all(struct agent_core *core);

/* ---- agent_task.c ----------------------------------------------------- */
struct agent_task *agent_task_new(struct agent_exec *exec,
                                  const Mesos__V1__TaskInfo *info,
                                  const char *container);
void agent_task_destroy(struct agent_task **task);
/* Reports STARTING and starts it; or fails it when it cannot be. */
void agent_task_deliver(struct agent_core *core, struct agent_task *task,
                        struct agent_now now);
void agent_task_kill(struct agent_core *core, struct agent_task *task,
                     Reeve__Devagent__TaskRun__Kill why, int64_t grace_ms,
                     struct agent_now now);
/* A request by the framework, with the grace that applies. */
void agent_task_kill_request(struct agent_core *core, struct agent_task *task,
                             const Mesos__V1__KillPolicy *policy,
                             struct agent_now now);
/* Ends it by an update of the agent's own. */
struct agent_verdict {
    Mesos__V1__TaskState state;
    Mesos__V1__TaskStatus__Reason reason;
    const char *message;
};
void agent_task_end(struct agent_core *core, struct agent_task *task,
                    const struct agent_verdict *verdict, struct agent_now now);
/* An update by the executor; the caller adds to it and posts it. */
Mesos__V1__TaskStatus *agent_status_new(struct agent_core *core,
                                        const struct agent_task *task,
                                        Mesos__V1__TaskState state,
                                        struct agent_now now);
/* Queues (takes) it; sends it when it is the first. */
void agent_status_post(struct agent_core *core, struct agent_task *task,
                       Mesos__V1__TaskStatus *status, struct agent_now now);
/* Sends the first unacknowledged update, if there is one. */
void agent_task_send_first(struct agent_core *core, struct agent_task *task,
                           struct agent_now now);
void agent_task_acknowledge(struct agent_core *core, struct agent_task *task,
                            ProtobufCBinaryData uuid, struct agent_now now);
void agent_task_tick(struct agent_core *core, struct agent_task *task,
                     struct agent_now now);
int64_t agent_task_due(const struct agent_core *core,
                       const struct agent_task *task);
/* The operator API's view of it. */
Mesos__V1__Task *agent_task_view(const struct agent_core *core,
                                 const struct agent_task *task);
struct agent_task *agent_task_find(struct agent_core *core,
                                   const char *framework_id, const char *id);
struct agent_task *agent_container_find(struct agent_core *core,
                                        const char *container);

/* ---- agent_save.c ----------------------------------------------------- */
Reeve__Devagent__ExecutorRun *agent_run_encode(const struct agent_exec *exec,
                                               struct agent_now now);
/* NULL: something is missing in it. */
struct agent_exec *agent_run_decode(const Reeve__Devagent__ExecutorRun *run,
                                    struct agent_now now);
void agent_exec_destroy_memory(struct agent_exec **exec);

/* ---- agent_check.c ---------------------------------------------------- */
/* The task's command runs (again seen to run): begin checking. */
void agent_checks_begin(struct agent_core *core, struct agent_task *task,
                        bool recovered, struct agent_now now);
void agent_checks_stop(struct agent_core *core, struct agent_task *task);
void agent_checks_tick(struct agent_core *core, struct agent_task *task,
                       struct agent_now now);
int64_t agent_checks_due(const struct agent_task *task);
/* Type and empty result: what a task with a check carries from the start. */
Mesos__V1__CheckStatusInfo *agent_check_empty(const struct agent_task *task);

/* ---- agent_ops.c ------------------------------------------------------ */
int agent_ops_init(struct agent_core *core, struct err *err);
void agent_ops_apply(struct agent_core *core,
                     const Reeve__Devcluster__ToAgent__ApplyOperation *apply,
                     struct agent_now now);
void agent_ops_acknowledge(
    struct agent_core *core,
    const Reeve__Devcluster__ToAgent__AcknowledgeOperation *ack);
void agent_ops_send_all(struct agent_core *core, struct agent_now now);
void agent_ops_tick(struct agent_core *core, struct agent_now now);
int64_t agent_ops_due(const struct agent_core *core);
/* Finishes what a crash left half removed. */
void agent_ops_recovered(struct agent_core *core);
void agent_ops_clear(struct agent_core *core);
/* Saves all that AgentResources holds. */
void agent_ops_save(struct agent_core *core);
/* Lists what is checkpointed; in memory that is done only when asked. */
void agent_ops_refresh(struct agent_core *core);
/* Folder of a persistent volume; malloc'd. */
char *agent_volume_dir(const struct agent_core *core,
                       const Mesos__V1__Resource *volume);

/* ---- agent_drain.c ---------------------------------------------------- */
/* Kills all tasks; until nothing is left new ones are dropped. */
void agent_drain_begin(struct agent_core *core,
                       const Mesos__V1__DrainConfig *config,
                       struct agent_now now);
/* KILLING and KILLED say that it is because of the drain. */
void agent_drain_mark(const struct agent_core *core,
                      const struct agent_exec *exec,
                      Mesos__V1__TaskStatus *status);
/* Nothing is left: it is over. */
void agent_drain_check(struct agent_core *core);

/* ---- agent_spec.c ----------------------------------------------------- */
char *agent_exec_dir(const struct agent_core *core,
                     const struct agent_exec *exec);
char *agent_task_sandbox(const struct agent_core *core,
                         const struct agent_task *task);
char *agent_task_meta_dir(const struct agent_core *core,
                          const struct agent_task *task);
/* NULL: it cannot be started here; err says why in the words of the update. */
Reeve__Devagent__ContainerSpec *agent_spec_new(const struct agent_core *core,
                                               const struct agent_task *task,
                                               struct err *err);
/* command: of the check; its environment is the task's and its own. */
void agent_spec_check(const struct agent_core *core,
                      const struct agent_task *task,
                      const Mesos__V1__CommandInfo *command,
                      Reeve__Devagent__CheckRun *run);

/* ---- agent_network.c ---------------------------------------------------- */
/* Of the container, on its first named network, or the host's; malloc'd. */
char *agent_container_ip(const struct agent_core *core,
                         const struct agent_exec *exec);
/* ERR_UNSUPPORTED: a network of it cannot be had. */
int agent_network_check(const struct agent_core *core,
                        const struct agent_exec *exec, struct err *err);
/* Adds its networks with their addresses. */
void agent_network_status(const struct agent_core *core,
                          const struct agent_exec *exec,
                          Mesos__V1__ContainerStatus *status);

#endif
