/* SPDX-License-Identifier: Apache-2.0 */
/* orders - kills what the store orders killed, asks the master about tasks */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/spec/spec.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/status.h"
#include "services/offer-broker/writes.h"

#define SURVEY_EVERY_MS 5000
#define SILENT_MS       30000
#define MAX_RECONCILE   1000 /* tasks in one RECONCILE */

/* ---- kill --------------------------------------------------------- */
/* A pod instance whose tasks go on for now. */
struct held {
    const char *instance;
    UT_hash_handle hh;
};

struct killing {
    struct session *session;
    struct writes *done; /* orders that are fulfilled; NULL: none */
    struct held *held;
};

static void collect_held(struct killing *k, const struct demand_view *views,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct held *held = NULL;

        if (!views[i].holds_kill)
            continue;
        HASH_FIND_STR(k->held, views[i].instance, held);
        if (held)
            continue;
        held = xcalloc(1, sizeof(*held));
        held->instance = views[i].instance;
        HASH_ADD_KEYPTR(hh, k->held, held->instance, strlen(held->instance),
                        held);
    }
}

static void drop_held(struct killing *k)
{
    struct held *held, *next;

    HASH_ITER(hh, k->held, held, next)
    {
        HASH_DEL(k->held, held);
        free(held);
    }
}

static bool is_held(const struct killing *k, const Reeve__KillOrder *order,
                    const struct fact_task *task)
{
    AUTO_FREE char *instance = NULL;
    struct held *held = NULL;

    if (!k->held || !order->demand_id)
        return false;
    instance = spec_pod_instance(str_or_empty(task->info->pod_type),
                                 task->info->pod_index);
    HASH_FIND_STR(k->held, instance, held);
    return held && !kill_book_has(k->session->kills, task->info->task_id);
}

static void send_kill(struct session *s, const Reeve__KillOrder *order,
                      const char *task_id, const char *agent_id)
{
    Mesos__V1__Scheduler__Call *call =
        outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__KILL);

    call->kill = PB_NEW(mesos__v1__scheduler__call__kill);
    call->kill->task_id = pb_task_id(task_id);
    if (*str_or_empty(agent_id))
        call->kill->agent_id = pb_agent_id(agent_id);
    s->counts.kills++;
    log_info("kill", "service=%s task=%s agent=%s reason=%s", s->key, task_id,
             str_or_empty(agent_id), log_q(str_or_empty(order->reason)));
    outbox_send(s->outbox, call);
}

static void fulfilled(struct killing *k, const struct fact *fact)
{
    AUTO_FREE char *key = facts_key_kill(k->session->facts, fact->id);

    if (!k->done)
        k->done = writes_new();
    writes_require(k->done, key, fact->revision);
    writes_delete(k->done, key);
}

/* A task that no record names is killed too: the order names it. */
static void on_order(void *self, const struct fact *fact)
{
    struct killing *k = self;
    struct session *s = k->session;
    const Reeve__KillOrder *order = (const Reeve__KillOrder *)fact->message;
    struct fact_task task;
    bool is_current = facts_task_by_id(s->facts, fact->id, &task);

    if (is_current && task.status &&
        str_eq(task.status->task_id, task.info->task_id) &&
        !status_may_live(task.status)) {
        if (s->cleanups == 0)
            fulfilled(k, fact);
        return;
    }
    if (demand_is_withdrawn(order, s->facts) ||
        (is_current && is_held(k, order, &task)))
        return;
    if (kill_book_is_due(s->kills, fact->id, clock_mono_ms()))
        send_kill(s, order, fact->id,
                  is_current ? task.info->agent_id : order->agent_id);
}

struct cleanup {
    struct session *session;
    struct writes *writes;
};

static void on_cleaned(void *self, const struct txn_result *result)
{
    struct cleanup *cleanup = self;
    struct session *s = cleanup->session;

    s->cleanups--;
    if (result->err.code == ERR_NONE)
        writes_apply(cleanup->writes, s->facts, result->revision);
    else if (result->err.code == ERR_FENCED)
        broker_fenced(s->broker);
    writes_destroy(&cleanup->writes);
    free(cleanup);
}

static bool order_stands(const void *self, const char *task_id)
{
    const struct session *s = self;

    return facts_kill(s->facts, task_id, NULL) != NULL;
}

void orders_kill(struct session *s, const struct demand_view *views,
                 size_t count)
{
    struct killing k = {.session = s};
    struct cleanup *cleanup;
    struct txn *txn;

    kill_book_sweep(s->kills, order_stands, s);
    collect_held(&k, views, count);
    facts_each_kill(s->facts, on_order, &k);
    drop_held(&k);
    if (!k.done)
        return;
    cleanup = xcalloc(1, sizeof(*cleanup));
    cleanup->session = s;
    cleanup->writes = k.done;
    txn = writes_take_txn(k.done);
    s->cleanups++;
    store_client_commit(s->broker->store, &txn, on_cleaned, cleanup);
}

/* ---- reconcile ---------------------------------------------------- */
static bool may_live(const struct fact_task *task)
{
    return !task->status ||
           !str_eq(task->status->task_id, task->info->task_id) ||
           status_may_live(task->status);
}

static void add_live(void *self, const struct fact_task *task)
{
    struct session *s = self;

    if (may_live(task) && task->info->task_id)
        reconcile_add(s->reconcile, task->info->task_id, task->info->agent_id,
                      clock_mono_ms());
}

static void ask_operations(void *self, const struct fact *fact)
{
    Mesos__V1__Scheduler__Call *call = self;
    const Reeve__PodRecord *pod = (const Reeve__PodRecord *)fact->message;
    Mesos__V1__Scheduler__Call__ReconcileOperations__Operation *operation;
    const char *last = NULL;

    for (size_t i = 0; i < pod->n_resources; i++)
        for (size_t k = 0; k < pod->resources[i]->n_operation_ids; k++) {
            const char *id = pod->resources[i]->operation_ids[k];

            if (str_eq(id, last))
                continue;
            last = id;
            operation = PB_NEW(
                mesos__v1__scheduler__call__reconcile_operations__operation);
            operation->operation_id = pb_operation_id(id);
            if (*str_or_empty(pod->agent_id))
                operation->agent_id = pb_agent_id(pod->agent_id);
            PB_ADD(call->reconcile_operations, operations, operation);
        }
}

static void reconcile_operations(struct session *s)
{
    Mesos__V1__Scheduler__Call *call =
        outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE_OPERATIONS);
    ProtobufCMessage *message = &call->base;

    call->reconcile_operations =
        PB_NEW(mesos__v1__scheduler__call__reconcile_operations);
    facts_each_pod(s->facts, ask_operations, call);
    if (call->reconcile_operations->n_operations > 0)
        outbox_send(s->outbox, call);
    else
        wire_free(&message);
}

static void start_round(struct session *s)
{
    reconcile_start(s->reconcile, clock_mono_ms());
    facts_each_task(s->facts, add_live, s);
    reconcile_operations(s);
}

void orders_begin(struct session *s)
{
    s->next_survey_ms = clock_mono_ms() + SURVEY_EVERY_MS;
    start_round(s);
}

/* Launches that nothing was heard of, and tasks that may have come back. */
static void survey_one(void *self, const struct fact_task *task)
{
    struct session *s = self;
    bool is_silent = task->status && status_is_moving(task->status) &&
                     !status_was_heard(task->status) &&
                     clock_wall_ms() - task->status->stored_wall_ms > SILENT_MS;

    if (!task->info->task_id || !may_live(task))
        return;
    if (is_silent || !status_is_moving(task->status))
        reconcile_poke(s->reconcile, task->info->task_id, task->info->agent_id,
                       clock_mono_ms());
}

struct asking {
    struct session *session;
    Mesos__V1__Scheduler__Call *call; /* being filled; NULL: none */
};

static void send_asked(struct asking *asking)
{
    if (!asking->call)
        return;
    asking->session->counts.reconciles++;
    outbox_send(asking->session->outbox, MOVE(asking->call));
}

static void ask(void *self, const char *task_id, const char *agent_id)
{
    struct asking *asking = self;
    Mesos__V1__Scheduler__Call__Reconcile__Task *task;

    if (asking->call && asking->call->reconcile->n_tasks >= MAX_RECONCILE)
        send_asked(asking);
    if (!asking->call) {
        asking->call = outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE);
        asking->call->reconcile = PB_NEW(mesos__v1__scheduler__call__reconcile);
    }
    task = PB_NEW(mesos__v1__scheduler__call__reconcile__task);
    task->task_id = pb_task_id(task_id);
    if (agent_id)
        task->agent_id = pb_agent_id(agent_id);
    PB_ADD(asking->call->reconcile, tasks, task);
}

static void ask_all(struct session *s)
{
    Mesos__V1__Scheduler__Call *call =
        outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE);

    call->reconcile = PB_NEW(mesos__v1__scheduler__call__reconcile);
    s->counts.reconciles++;
    outbox_send(s->outbox, call);
}

void orders_reconcile(struct session *s)
{
    struct asking asking = {.session = s};
    int64_t now_ms = clock_mono_ms();
    struct reconcile_due due;

    if (now_ms >= s->next_survey_ms) {
        s->next_survey_ms = now_ms + SURVEY_EVERY_MS;
        facts_each_task(s->facts, survey_one, s);
    }
    due = reconcile_due(s->reconcile, now_ms, ask, &asking);
    send_asked(&asking);
    if (due.implicit)
        ask_all(s);
    if (due.start_round)
        start_round(s);
}
