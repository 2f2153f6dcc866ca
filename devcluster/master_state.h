/* SPDX-License-Identifier: Apache-2.0 */
/* master_state - what the master core holds; private to master*.c, allocator.c
 *
 * Everything is owned by struct master.  Resource lists called free or used
 * carry no allocation role unless said so.
 */
#ifndef REEVE_DEVCLUSTER_MASTER_STATE_H
#define REEVE_DEVCLUSTER_MASTER_STATE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>
#include <utlist.h>

#include "devcluster/master.h"
#include "devcluster/quantities.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/resources.h"
#include "lib/mesos/states.h"

/* Short names for generated constants. */
#define CALL(name)     MESOS__V1__SCHEDULER__CALL__TYPE__##name
#define EVENT(name)    MESOS__V1__SCHEDULER__EVENT__TYPE__##name
#define TASK(name)     MESOS__V1__TASK_STATE__TASK_##name
#define REASON(name)   MESOS__V1__TASK_STATUS__REASON__REASON_##name
#define OP(name)       MESOS__V1__OFFER__OPERATION__TYPE__##name
#define OP_STATE(name) MESOS__V1__OPERATION_STATE__OPERATION_##name
#define CAP(name)      MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__##name
#define INVERSE(name)  MESOS__V1__MASTER__INVERSE_OFFER_STATUS__STATUS__##name

/* Bounds of what is remembered, as a real master's defaults. */
#define MAX_COMPLETED_TASKS   1000 /* per framework; oldest are dropped */
#define MAX_UNREACHABLE_TASKS 1000 /* per framework; oldest are dropped */
#define MAX_TASK_STATUSES     64   /* per task; oldest are dropped */

/* Index into sums of what is counted for fair shares. */
enum { SHARE_CPUS, SHARE_MEM, SHARE_DISK, SHARE_GPUS, SHARE_COUNT };
extern const char *const share_names[SHARE_COUNT];

struct framework;
struct magent;

/* One task as the master sees it. */
struct mtask {
    Mesos__V1__Task *msg;
    struct framework *framework;
    struct magent *agent;            /* NULL: unreachable or completed */
    struct resources *used;          /* allocated form; NULL once given back */
    int64_t used_milli[SHARE_COUNT]; /* its sums */
    bool kill_pending;               /* KILL came while the agent was away */
    UT_hash_handle hh;         /* in framework->tasks or ->unreachable, by id */
    struct mtask *prev, *next; /* in agent->tasks or framework->completed */
};

struct mexecutor {
    Mesos__V1__ExecutorInfo *info;
    struct framework *framework;
    struct magent *agent;
    struct resources *used; /* allocated form */
    int64_t used_milli[SHARE_COUNT];
    struct mexecutor *prev, *next;
};

/* Refused resources: not offered again to this role before expires_ms. */
struct offer_filter {
    struct framework *framework;
    char *role;
    struct resources *refused;
    int64_t expires_ms;
    uint64_t checked; /* agent version for which contained holds; 0: none */
    bool contained;
    struct offer_filter *prev, *next;
};

struct moffer {
    char *id;
    char *role;
    struct framework *framework;
    struct magent *agent;
    struct resources *pool; /* allocated form */
    int64_t made_ms;
    UT_hash_handle hh;                /* in master->offers */
    struct moffer *fw_prev, *fw_next; /* in framework->offers */
    struct moffer *ag_prev, *ag_next; /* in agent->offers */
};

/* An operation given to an agent and not yet acknowledged. */
struct moperation {
    uint8_t uuid[16];
    struct framework *framework; /* NULL: an operator's */
    struct magent *agent;
    Mesos__V1__Operation *msg;
    /* GROW and SHRINK: taken out of the offer until it is done; else NULL. */
    struct resources *consumed;
    UT_hash_handle hh; /* in master->operations, by uuid */
    struct moperation *prev, *next;
};

/* What a framework was asked, and said, about maintenance of an agent. */
struct minverse {
    struct framework *framework;
    char *offer_id;        /* NULL: none outstanding */
    int64_t made_ms;       /* of the outstanding one */
    int status;            /* INVERSE(ACCEPT), INVERSE(DECLINE); 0: neither */
    int64_t said_us;       /* wall */
    int64_t ask_again_ms;  /* not before; 0: at once */
    struct minverse *next; /* in agent->inverse */
};

/* Freed by SHRINK_VOLUME, and kept from all offers until its framework is
 * removed or the master starts again: so does a real master. */
struct withheld {
    struct framework *framework;
    struct resources *resources; /* free form */
    struct withheld *next;
};

struct magent {
    char *id;
    char *ip;
    Mesos__V1__AgentInfo *info;
    uint64_t link; /* 0: not linked */
    struct resources *total;
    struct resources *free; /* neither used nor offered */
    uint64_t version;       /* counts changes of free; never 0 */
    int64_t registered_us, reregistered_us; /* wall; 0: never */
    int64_t next_ping_ms;
    int pings_missed;
    bool pinged;                 /* and not answered */
    bool deactivated;            /* by an operator */
    bool no_resize_volume;       /* it lacks that capability */
    Mesos__V1__DrainInfo *drain; /* NULL: not drained; see master_drain.c */
    int64_t drain_started_us;    /* wall; 0: not since it registered */
    char *software;              /* version it announced */
    struct mtask *tasks;
    struct mexecutor *executors;
    struct moffer *offers;
    struct moperation *operations;
    struct offer_filter *filters;
    struct withheld *withheld;
    struct minverse *inverse;
    UT_hash_handle hh; /* in master->agents, by id */
};

/* Agents that are not registered now: recovered, unreachable or gone. */
struct absent_agent {
    char *id;
    Mesos__V1__AgentInfo *info;
    Reeve__Devcluster__Registry__State state;
    int64_t since_ns;
    int64_t give_up_ms; /* recovered ones: unreachable from then on */
    bool deactivated;
    Mesos__V1__DrainInfo *drain;
    UT_hash_handle hh;
};

struct frole {
    char *name;
    bool suppressed;
};

struct framework {
    char *id;
    Mesos__V1__FrameworkInfo *info;
    Mesos__V1__Scheduler__OfferConstraints *constraints;
    uint64_t stream; /* 0: not connected */
    char *stream_id;
    bool recovered; /* known from agents only, never subscribed here */
    bool completed;
    struct frole *roles;
    size_t n_roles;
    int64_t registered_us, reregistered_us, unregistered_us;
    int64_t remove_at_ms; /* failover timeout; 0: connected */
    int64_t next_heartbeat_ms;
    struct mtask *tasks;       /* by id: live, or terminal and unacknowledged */
    struct mtask *unreachable; /* by id */
    struct mtask *done;        /* list, newest last */
    size_t n_done;
    struct moffer *offers;
    int64_t shares[SHARE_COUNT]; /* offered and used, milli */
    uint64_t calls[32], events[32];
    uint64_t offers_sent, offers_accepted, offers_declined, offers_rescinded;
    uint64_t states[32];           /* of tasks that ended */
    UT_hash_handle hh;             /* in master->frameworks */
    struct framework *prev, *next; /* in master->completed */
};

/* Shares of a role over all frameworks. */
struct mrole {
    char *name;
    int64_t shares[SHARE_COUNT];
    uint64_t allocations; /* offers made to it so far */
    double weight;        /* 0: not set, 1 then */
    UT_hash_handle hh;
};

/* What an operator granted to a top-level role. */
struct mquota {
    char *role;
    struct quantities guarantees, limits;
    UT_hash_handle hh;
};

struct master {
    struct master_config config; /* strings ours */
    int64_t now_ms;              /* monotonic */
    int64_t wall_us;
    int64_t start_us;
    int64_t next_allocation_ms;
    int64_t totals[SHARE_COUNT]; /* of all registered agents, milli */
    struct framework *frameworks;
    struct framework *completed; /* list, oldest first */
    size_t n_completed;
    struct magent *agents;
    struct absent_agent *absent;
    struct moffer *offers;
    struct moperation *operations;
    struct mrole *roles;
    bool nested_roles; /* one of them has a '/' in its name */
    struct mquota *quotas;
    struct watcher *watchers; /* oldest first */
    size_t n_watchers;
    struct agent_link *links;
    Mesos__V1__Master__Schedule *schedule; /* of maintenance; NULL: none */
    Mesos__V1__MachineID **down;
    size_t n_down;
    uint64_t next_framework, next_agent, next_offer;
    uint64_t refuse_operations; /* the next so many, on command */
    uint64_t drop_accepts;      /* likewise */
    uint32_t logging_level;     /* until then, as an operator wished */
    int64_t logging_until_ms;
    bool allocate_soon; /* an event asks for an allocation now */
    struct master_out *out_first, *out_last;
    uint64_t allocation_runs, calls_invalid, states[32], operations_done[16];
    uint64_t acks_valid, acks_invalid, updates_valid, updates_invalid;
    uint64_t registrations, reregistrations, removals;
};

/* An operator who subscribed to what happens. */
struct watcher {
    uint64_t stream;
    int64_t next_heartbeat_ms;
    struct watcher *prev, *next;
};

/* What is known of a link before and after the agent registered. */
struct agent_link {
    uint64_t link;
    char *ip;
    struct magent *agent; /* NULL before Register */
    UT_hash_handle hh;
};

/* ---- master.c: finding, outputs ----------------------------------------- */
struct framework *find_framework(const struct master *m, const char *id);
struct framework *find_completed(const struct master *m, const char *id);
struct magent *find_agent(const struct master *m, const char *id);
struct absent_agent *find_absent(const struct master *m, const char *id);
struct moffer *find_offer(const struct master *m, const char *id);
struct mtask *find_task(const struct framework *fw, const char *id);
struct mexecutor *find_executor(const struct magent *agent,
                                const struct framework *fw, const char *id);
bool framework_has(const struct framework *fw, int capability);
struct frole *framework_role(const struct framework *fw, const char *role);

/* Takes the event; freed when the framework has no stream. */
void send_event(struct master *m, struct framework *fw,
                Mesos__V1__Scheduler__Event *event);
void send_event_to(struct master *m, uint64_t stream,
                   Mesos__V1__Scheduler__Event *event);
void send_error(struct master *m, uint64_t stream, const char *text);
/* Takes any message. */
void send_message(struct master *m, uint64_t stream, ProtobufCMessage *message);
void close_stream(struct master *m, uint64_t stream);
/* Takes the message; freed when the agent is not linked. */
void send_agent(struct master *m, const struct magent *agent,
                Reeve__Devcluster__ToAgent *message);
void send_link(struct master *m, uint64_t link,
               Reeve__Devcluster__ToAgent *message);
void save_registry(struct master *m);
void note(struct master *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void reply_set(struct master_reply *reply, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- master_status.c: updates the master itself makes ------------------- */
/* state for a framework without PARTITION_AWARE becomes LOST. */
int state_for(const struct framework *fw, int state);
struct status_spec {
    const char *task_id;
    const char *agent_id;    /* NULL: unset */
    const char *executor_id; /* NULL: unset */
    int state;               /* given through state_for */
    int reason;
    const char *message;
};
Mesos__V1__TaskStatus *status_new(const struct master *m,
                                  const struct framework *fw,
                                  const struct status_spec *spec);
void send_status(struct master *m, struct framework *fw,
                 Mesos__V1__TaskStatus *status);
/* OPERATION_… for an operation that had an id; nothing without. */
struct operation_spec {
    const char *id;
    const char *agent_id; /* NULL: unset */
    int state;
    const char *message; /* NULL: unset */
};
void send_operation_status(struct master *m, struct framework *fw,
                           const struct operation_spec *spec);
/* Puts the status into the task's history; false: it has replaced the last one
 * of the same state. */
bool task_record_status(struct mtask *task,
                        const Mesos__V1__TaskStatus *status);
/* The same, gives the task this state unless it has ended, and tells those who
 * watch. */
void task_set_status(struct master *m, struct mtask *task,
                     const Mesos__V1__TaskStatus *status, int state);
/* Copies container status, health and check of the newest status. */
void status_copy_details(Mesos__V1__TaskStatus *status,
                         const struct mtask *task);

/* ---- master_ledger.c: who holds which resources ------------------------- */
/* All take the allocated form; role from their allocation. */
void ledger_offer(struct master *m, struct magent *agent, struct framework *fw,
                  const struct resources *pool);
/* Back to the agent's free resources, out of the framework's shares. */
void ledger_give_back(struct master *m, struct magent *agent,
                      struct framework *fw, const struct resources *pool);
/* The same, but the agent is going away. */
void ledger_forget(struct master *m, struct framework *fw,
                   const struct resources *pool);
/* Shares move with what an operation made of an offer's pool. */
void ledger_share(struct master *m, struct framework *fw,
                  const struct resources *pool, int sign);
void agent_changed(struct magent *agent);
/* Made when it is not there yet. */
struct mrole *role_get(struct master *m, const char *name);
/* Sum of what tasks and executors of this agent hold; a new list. */
struct resources *agent_used(const struct magent *agent,
                             const struct framework *only);
/* Of one name alone, in thousandths; without making a list. */
int64_t agent_used_milli(const struct magent *agent, int share);
struct resources *agent_offered(const struct magent *agent);
void agent_count_totals(struct master *m, const struct magent *agent, int sign);

struct mtask *task_add(struct master *m, struct magent *agent,
                       struct framework *fw, Mesos__V1__Task *msg);
/* Gives the resources back once. */
void task_release(struct master *m, struct mtask *task);
/* Takes the task away from its agent and framework, into the completed. */
void task_complete(struct master *m, struct mtask *task);
void task_free(struct mtask *task);
struct mexecutor *executor_add(struct master *m, struct magent *agent,
                               struct framework *fw,
                               const Mesos__V1__ExecutorInfo *info);
void executor_remove(struct master *m, struct mexecutor *executor);
Mesos__V1__Task *task_message(const Mesos__V1__TaskInfo *info,
                              const struct framework *fw,
                              const char *executor_id);

/* ---- master_offers.c ---------------------------------------------------- */
/* Takes pool (allocated form) out of the agent; returns the offer. */
struct moffer *offer_add(struct master *m, struct magent *agent,
                         struct framework *fw, struct resources *pool);
/* Only unlinks and frees; the resources are the caller's business. */
/* More of the same agent for the same role, before it is sent. */
void offer_extend(struct master *m, struct moffer *offer,
                  const struct resources *more);
void offer_free(struct master *m, struct moffer *offer);
/* Gives the resources back without filter; rescind: tells the framework. */
void offer_withdraw(struct master *m, struct moffer *offer, bool rescind);
Mesos__V1__Offer *offer_message(const struct master *m,
                                const struct moffer *offer);
/* The next id; malloc'd. */
char *offer_new_id(struct master *m);
Mesos__V1__URL *agent_url(const struct magent *agent);
/* refuse_seconds as the master understands it; 0: no filter. */
int64_t filter_ms(const struct master *m, const Mesos__V1__Filters *filters);
/* refused (free form) is copied. */
void filter_add(struct master *m, struct magent *agent, struct framework *fw,
                const char *role, const struct resources *refused,
                int64_t for_ms);
void filters_clear(struct master *m, struct framework *fw, const char *role);
void filters_drop_agent(struct magent *agent);

/* ---- allocator.c -------------------------------------------------------- */
void allocate(struct master *m);

/* ---- allocator_order.c -------------------------------------------------- */
/* One framework in one of its roles. */
struct claimant {
    struct framework *framework;
    const char *role;
    const Mesos__V1__OfferFilters *minimum; /* NULL: the master's */
    struct moffer **offers;                 /* made in this allocation */
    size_t n_offers;
};
/* Is a to be offered resources before b? */
bool claimant_before(const struct master *m, const struct claimant *a,
                     const struct claimant *b);

/* ---- allocator_quota.c -------------------------------------------------- */
/* What one allocation must heed; NULL: there are no quotas. */
struct quota_round;
struct quota_round *quota_round_new(const struct master *m);
void quota_round_free(struct quota_round **round);
bool quota_round_has_guarantees(const struct quota_round *round);
/* Cuts the candidate down to what the role may be offered.  first: only when
 * that brings it nearer to its guarantee; false: it gets nothing. */
bool quota_round_cut(struct quota_round *round, const char *role, bool first,
                     struct resources *candidate);
void quota_round_taken(struct quota_round *round, const char *role,
                       const struct resources *taken);

/* ---- master_quota.c ----------------------------------------------------- */
/* What a role and those below it have reserved or use, and, if asked for, are
 * offered; added to out. */
void quota_consumed(const struct master *m, const char *role, bool offered,
                    struct quantities *out);
void quota_update(struct master *m,
                  const Mesos__V1__Master__Call__UpdateQuota *call,
                  struct master_reply *reply);
/* Without any check. */
void quota_put(struct master *m,
               const Mesos__V1__Master__Call__UpdateQuota *call,
               struct master_reply *reply);
/* All guarantees with the call's; the texts are malloc'd in any case. */
bool quota_fits_cluster(const struct master *m,
                        const Mesos__V1__Master__Call__UpdateQuota *call,
                        char **wanted_text, char **capacity_text);
/* false: there is none. */
bool quota_drop(struct master *m, const char *role);
Mesos__V1__Master__QuotaStatus *quota_status(const struct master *m);
/* NULL: none was ever set. */
const struct mquota *quota_of(const struct master *m, const char *role);
void quotas_to_registry(const struct master *m,
                        Reeve__Devcluster__Registry *registry);
void quotas_from_registry(struct master *m,
                          const Reeve__Devcluster__Registry *registry);
void quotas_free(struct master *m);

/* ---- master_quota_request.c --------------------------------------------- */
/* SET_QUOTA and REMOVE_QUOTA. */
void quota_request_set(struct master *m,
                       const Mesos__V1__Master__QuotaRequest *request,
                       struct master_reply *reply);
void quota_request_remove(struct master *m, const char *role,
                          struct master_reply *reply);

/* ---- master_weights.c --------------------------------------------------- */
void weights_update(struct master *m,
                    Mesos__V1__Master__WeightInfo *const *infos, size_t count,
                    struct master_reply *reply);
/* Those that were set; appended. */
void weights_list(const struct master *m, Mesos__V1__Master__WeightInfo ***list,
                  size_t *count);
double weight_of_role(const struct master *m, const char *name);

/* ---- master_frameworks.c ------------------------------------------------ */
/* Framework seen only through an agent's tasks. */
struct framework *framework_recover(struct master *m,
                                    const Mesos__V1__FrameworkInfo *info);
void framework_disconnect(struct master *m, struct framework *fw);
/* Tasks killed, stream ended, id remembered as completed. */
void framework_remove(struct master *m, struct framework *fw);
void framework_update(struct master *m, const Mesos__V1__Scheduler__Call *call,
                      struct master_reply *reply);
void framework_free(struct master *m, struct framework *fw);
void frameworks_tick(struct master *m);
Mesos__V1__MasterInfo *master_info_message(const struct master *m);

/* ---- master_accept.c, master_launch.c, master_operations.c -------------- */
void call_accept(struct master *m, struct framework *fw,
                 const Mesos__V1__Scheduler__Call *call);
void call_decline(struct master *m, struct framework *fw,
                  const Mesos__V1__Scheduler__Call *call);

/* What one ACCEPT works on. */
struct acceptance {
    struct framework *framework;
    struct magent *agent;
    const char *role;
    struct resources *remaining; /* allocated form */
    struct resources *converted; /* made by this call; allocated form */
};
void launch_tasks(struct master *m, struct acceptance *acc,
                  const Mesos__V1__Offer__Operation *op);
void launch_group(struct master *m, struct acceptance *acc,
                  const Mesos__V1__Offer__Operation *op);
/* All tasks of a LAUNCH or LAUNCH_GROUP get this. */
void launch_refuse(struct master *m, struct framework *fw,
                   const Mesos__V1__Offer__Operation *op,
                   const struct status_spec *why);

/* May this operation be done on this agent?  fw NULL: an operator. */
int operation_validate(const struct framework *fw, const struct magent *agent,
                       const Mesos__V1__Offer__Operation *op, struct err *err);
/* Gives a valid operation to the agent and remembers it; consumed (or NULL) is
 * taken. */
struct moperation *operation_start(struct master *m, struct framework *fw,
                                   struct magent *agent,
                                   const Mesos__V1__Offer__Operation *op,
                                   struct resources *consumed);
void operation_update(struct master *m, struct magent *agent,
                      const Reeve__Devcluster__ToMaster__OperationUpdate *u);
void operation_remove(struct master *m, struct moperation *op);
/* fw NULL: of all frameworks; to_free: the agent stays. */
void withheld_release(struct magent *agent, const struct framework *fw,
                      bool to_free);
void call_acknowledge_operation(struct master *m, struct framework *fw,
                                const Mesos__V1__Scheduler__Call *call);
/* Syntax check and upgrade of everything in a copy of an operation, and
 * allocation to role where unset (role NULL: not). */
int operation_normalize(Mesos__V1__Offer__Operation *op, const char *role,
                        struct err *err);
const char *operation_name(int type);
char *agent_suffix(const struct magent *agent);

/* ---- master_reconcile.c ------------------------------------------------- */
void call_kill(struct master *m, struct framework *fw,
               const Mesos__V1__Scheduler__Call *call);
void call_reconcile(struct master *m, struct framework *fw,
                    const Mesos__V1__Scheduler__Call *call);
void call_reconcile_operations(struct master *m, struct framework *fw,
                               const Mesos__V1__Scheduler__Call *call);

/* ---- master_agents.c, master_updates.c ---------------------------------- */
void agent_unreachable(struct master *m, struct magent *agent);
/* 0, or an HTTP status with text. */
void agent_mark_gone(struct master *m, const char *id,
                     struct master_reply *reply);
/* So with one that is registered; frees it. */
void agent_gone(struct master *m, struct magent *agent);
void agents_tick(struct master *m);
void agent_free(struct master *m, struct magent *agent);
void agent_offers_withdraw(struct master *m, struct magent *agent);
/* Another agent took its address: it is removed and forgotten. */
void agent_replace(struct master *m, struct magent *old);
/* Its machine goes down for maintenance: told to end, and removed. */
void agent_take_down(struct master *m, struct magent *agent);
void absent_free(struct master *m, struct absent_agent *absent);
void update_from_agent(struct master *m, struct magent *agent,
                       const Reeve__Devcluster__ToMaster__StatusUpdate *update);
void executor_exited(struct master *m, struct magent *agent,
                     const Reeve__Devcluster__ToMaster__ExitedExecutor *exited);
void call_acknowledge(struct master *m, struct framework *fw,
                      const Mesos__V1__Scheduler__Call *call);
void agent_register(struct master *m, struct agent_link *link,
                    const Reeve__Devcluster__ToMaster__Register *reg);

/* ---- master_drain.c: agents kept from new tasks by operators ------------ */
void agent_deactivate(struct master *m, const char *id,
                      struct master_reply *reply);
void agent_reactivate(struct master *m, const char *id,
                      struct master_reply *reply);
void agent_drain(struct master *m,
                 const Mesos__V1__Master__Call__DrainAgent *call,
                 struct master_reply *reply);
/* An agent being drained that has nothing left: drained, or marked gone. */
void drain_check(struct master *m, struct magent *agent);
/* Tells a registering agent that it is drained. */
void drain_tell(struct master *m, struct magent *agent);

/* ---- master_maintenance.c: the schedule --------------------------------- */
/* NULL: no maintenance is planned for its machine; borrowed. */
const Mesos__V1__Unavailability *maintenance_of(const struct master *m,
                                                const struct magent *agent);
/* Of an agent that wants to register. */
bool machine_is_down(const struct master *m, const char *hostname,
                     const char *ip);
void maintenance_update(struct master *m,
                        const Mesos__V1__Master__Schedule *schedule,
                        struct master_reply *reply);
void maintenance_start(struct master *m, Mesos__V1__MachineID *const *ids,
                       size_t count, struct master_reply *reply);
void maintenance_stop(struct master *m, Mesos__V1__MachineID *const *ids,
                      size_t count, struct master_reply *reply);
Mesos__V1__Master__ClusterStatus *maintenance_status(const struct master *m);
Mesos__V1__Master__Schedule *maintenance_schedule(const struct master *m);
void maintenance_free(struct master *m);
/* "agent-0.local (127.0.0.1)"; NULL: not in the schedule.  malloc'd. */
char *maintenance_machine_text(const struct master *m,
                               const struct magent *agent);

/* ---- master_inverse.c: inverse offers ----------------------------------- */
/* To all that would lose something on an agent with planned maintenance. */
void inverse_offers_make(struct master *m);
/* Rescinds what is outstanding for this agent. */
void inverse_offers_rescind(struct master *m, struct magent *agent);
/* The same, and what was said before is forgotten. */
void inverse_offers_forget(struct master *m, struct magent *agent);
/* The framework is away or gone: without a word. */
void inverse_offers_discard(struct master *m, const struct framework *fw,
                            bool forget);
void inverse_offers_free(struct magent *agent);
void inverse_offers_tick(struct master *m);
/* Those outstanding with a framework, for its view. */
void inverse_offers_view(
    const struct master *m, const struct framework *fw,
    Mesos__V1__Master__Response__GetFrameworks__Framework *out);
void call_inverse_offers(struct master *m, struct framework *fw,
                         const Mesos__V1__Scheduler__Call *call);

/* ---- master_watchers.c: operators' event streams ------------------------ */
void watch_task_added(struct master *m, const struct mtask *task);
void watch_task_updated(struct master *m, const struct mtask *task,
                        const Mesos__V1__TaskStatus *status);
void watch_agent_added(struct master *m, const struct magent *agent);
void watch_agent_removed(struct master *m, const char *agent_id);
void watch_framework_added(struct master *m, const struct framework *fw);
void watch_framework_updated(struct master *m, const struct framework *fw);
void watch_framework_removed(struct master *m, const struct framework *fw);
void watchers_tick(struct master *m);
/* false: no watcher's stream. */
bool watcher_closed(struct master *m, uint64_t stream);
void watchers_free(struct master *m);

/* ---- offer_constraints.c ------------------------------------------------ */
bool constraints_admit(
    const Mesos__V1__Scheduler__OfferConstraints *constraints, const char *role,
    const Mesos__V1__AgentInfo *agent);

#endif
