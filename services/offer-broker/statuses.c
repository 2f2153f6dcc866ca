/* SPDX-License-Identifier: Apache-2.0 */
/* statuses - updates of tasks and operations: stored in order, then
 * acknowledged
 *
 * One transaction at a time; what arrives meanwhile makes the next one, so
 * that many updates share one.  Updates of one task are folded in their order.
 * Every written record is required to be what the decision was made from; a
 * conflict (a launch overtook it) makes the same updates be judged again.
 * An update of a task that no record names is acknowledged, counted and
 * reported; nothing is killed for it.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/states.h"
#include "services/offer-broker/evaluate.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/status.h"
#include "services/offer-broker/writes.h"

#define MAX_BATCH 1000
#define MAX_OPS   3000 /* the store takes 4096 operations */

struct item {
    Mesos__V1__TaskStatus *task; /* or */
    Mesos__V1__OperationStatus *operation;
    struct item *prev, *next;
};

/* A record as it will be after the batch. */
struct draft {
    char *id; /* task name or pod instance */
    ProtobufCMessage *message;
    UT_hash_handle hh;
};

struct unknown {
    char *task_id;
    char *agent_id;
    int state;
    int64_t since_wall_ms;
    UT_hash_handle hh;
};

struct statuses {
    struct session *session;
    struct item *waiting; /* not yet in a transaction */
    size_t n_waiting;
    struct item *writing; /* in the one under way */
    size_t n_writing;
    struct writes *writes;      /* NULL: none under way */
    struct draft *tasks, *pods; /* while a batch is made */
    struct unknown *unknown;
};

struct statuses *statuses_new(struct session *session)
{
    struct statuses *statuses = xcalloc(1, sizeof(*statuses));

    statuses->session = session;
    return statuses;
}

static void free_item(struct item *item)
{
    ProtobufCMessage *message = item->task        ? &item->task->base
                                : item->operation ? &item->operation->base
                                                  : NULL;

    wire_free(&message);
    free(item);
}

static void free_items(struct item **list)
{
    struct item *item, *next;

    DL_FOREACH_SAFE(*list, item, next)
    {
        DL_DELETE(*list, item);
        free_item(item);
    }
}

static void free_drafts(struct draft **drafts)
{
    struct draft *draft, *next;

    HASH_ITER(hh, *drafts, draft, next)
    {
        HASH_DEL(*drafts, draft);
        wire_free(&draft->message);
        free(draft->id);
        free(draft);
    }
}

static void drop_unknown(struct statuses *st, struct unknown *unknown)
{
    HASH_DEL(st->unknown, unknown);
    free(unknown->task_id);
    free(unknown->agent_id);
    free(unknown);
}

void statuses_destroy(struct statuses **statuses)
{
    struct statuses *st = *statuses;
    struct unknown *unknown, *next;

    if (!st)
        return;
    free_items(&st->waiting);
    free_items(&st->writing);
    writes_destroy(&st->writes);
    free_drafts(&st->tasks);
    free_drafts(&st->pods);
    HASH_ITER(hh, st->unknown, unknown, next)
    {
        drop_unknown(st, unknown);
    }
    free(st);
    *statuses = NULL;
}

size_t statuses_waiting(const struct statuses *st)
{
    return st->n_waiting + st->n_writing;
}

size_t statuses_unknown(const struct statuses *st, struct buf *names)
{
    struct unknown *unknown, *next;

    HASH_ITER(hh, st->unknown, unknown, next)
    {
        buf_addf(names, "%s%s (%s)", names->len ? ", " : "", unknown->task_id,
                 task_state_name(unknown->state));
    }
    return HASH_COUNT(st->unknown);
}

static struct unknown_task task_of(const struct unknown *unknown)
{
    return (struct unknown_task){unknown->task_id, unknown->agent_id,
                                 unknown->state, unknown->since_wall_ms};
}

void statuses_each_unknown(const struct statuses *st,
                           void (*fn)(void *self,
                                      const struct unknown_task *task),
                           void *self)
{
    struct unknown *unknown, *next;

    HASH_ITER(hh, st->unknown, unknown, next)
    {
        struct unknown_task task = task_of(unknown);

        fn(self, &task);
    }
}

bool statuses_find_unknown(const struct statuses *st, const char *task_id,
                           struct unknown_task *out)
{
    struct unknown *unknown = NULL;

    HASH_FIND_STR(st->unknown, task_id, unknown);
    if (unknown)
        *out = task_of(unknown);
    return unknown != NULL;
}

/* ---- drafts ------------------------------------------------------- */
static struct draft *find_draft(struct draft *drafts, const char *id)
{
    struct draft *draft = NULL;

    HASH_FIND_STR(drafts, id, draft);
    return draft;
}

/* Takes message. */
static void set_draft(struct draft **drafts, const char *id,
                      ProtobufCMessage *message)
{
    struct draft *draft = find_draft(*drafts, id);

    if (!draft) {
        draft = xcalloc(1, sizeof(*draft));
        draft->id = xstrdup(id);
        HASH_ADD_KEYPTR(hh, *drafts, draft->id, strlen(draft->id), draft);
    }
    wire_free(&draft->message);
    draft->message = message;
}

static const Reeve__PodRecord *pod_now(const struct statuses *st,
                                       const char *instance)
{
    const struct draft *draft = find_draft(st->pods, instance);

    if (draft)
        return (const Reeve__PodRecord *)draft->message;
    return facts_pod(st->session->facts, instance, NULL);
}

static Reeve__PodRecord *pod_to_change(struct statuses *st,
                                       const char *instance)
{
    struct draft *draft = find_draft(st->pods, instance);
    const Reeve__PodRecord *pod;

    if (draft)
        return (Reeve__PodRecord *)draft->message;
    pod = facts_pod(st->session->facts, instance, NULL);
    if (!pod)
        return NULL;
    set_draft(&st->pods, instance, &WIRE_DUP(reeve__pod_record, pod)->base);
    return (Reeve__PodRecord *)find_draft(st->pods, instance)->message;
}

static bool has_open_operations(const Reeve__PodRecord *pod)
{
    for (size_t i = 0; i < pod->n_resources; i++)
        if (pod->resources[i]->n_operation_ids > 0)
            return true;
    return false;
}

/* operation NULL: all of them. */
static void close_operation(Reeve__ReservedResource *entry,
                            const char *operation)
{
    size_t kept = 0;

    for (size_t i = 0; i < entry->n_operation_ids; i++) {
        if (operation && !str_eq(entry->operation_ids[i], operation))
            entry->operation_ids[kept++] = entry->operation_ids[i];
        else
            free(entry->operation_ids[i]);
    }
    entry->n_operation_ids = kept;
}

/* A task started on them: all its reservations exist. */
static void confirm_pod(struct statuses *st, const Reeve__TaskRecord *task)
{
    AUTO_FREE char *instance =
        xasprintf("%s-%u", task->pod_type, task->pod_index);
    const Reeve__PodRecord *now = pod_now(st, instance);
    Reeve__PodRecord *pod;

    if (!now || (now->confirmed && !has_open_operations(now)))
        return;
    pod = pod_to_change(st, instance);
    for (size_t i = 0; i < pod->n_resources; i++)
        close_operation(pod->resources[i], NULL);
    PB_SET(pod, confirmed, true);
}

/* ---- one task update ---------------------------------------------- */
static void note_unknown(struct statuses *st,
                         const Mesos__V1__TaskStatus *status)
{
    const char *id = status->task_id->value;
    struct unknown *unknown = NULL;

    HASH_FIND_STR(st->unknown, id, unknown);
    if (task_state_is_terminal(status->state) ||
        status->state == MESOS__V1__TASK_STATE__TASK_UNKNOWN) {
        if (unknown)
            drop_unknown(st, unknown);
        return;
    }
    if (!unknown) {
        st->session->counts.odd++;
        log_odd("task_unknown", "service=%s task=%s state=%s agent=%s",
                st->session->key, id, task_state_name(status->state),
                status->agent_id ? status->agent_id->value : "-");
        unknown = xcalloc(1, sizeof(*unknown));
        unknown->task_id = xstrdup(id);
        unknown->since_wall_ms = clock_wall_ms();
        HASH_ADD_KEYPTR(hh, st->unknown, unknown->task_id,
                        strlen(unknown->task_id), unknown);
    }
    /* Back in reach: an order to kill it is not to wait for its turn. */
    if (unknown->state != (int)status->state)
        kill_book_forget(st->session->kills, id);
    unknown->state = status->state;
    if (status->agent_id)
        pb_str(&unknown->agent_id, status->agent_id->value);
}

/* Its order is fulfilled. */
static void delete_kill(struct statuses *st, const char *task_id)
{
    AUTO_FREE char *key = NULL;

    if (!facts_kill(st->session->facts, task_id, NULL))
        return;
    key = facts_key_kill(st->session->facts, task_id);
    writes_delete(st->writes, key);
}

/* An order may name a task that no record does (any more). */
static void judge_unknown(struct statuses *st,
                          const Mesos__V1__TaskStatus *status)
{
    note_unknown(st, status);
    if (task_state_is_terminal(status->state) ||
        status->state == MESOS__V1__TASK_STATE__TASK_UNKNOWN)
        delete_kill(st, status->task_id->value);
}

static void store(struct statuses *st, const struct fact_task *task,
                  Reeve__TaskStatusRecord *record)
{
    log_info("task_status", "service=%s task=%s state=%s reason=%s message=%s",
             st->session->key, record->task_id, record->state_name,
             str_or_empty(record->reason_name),
             log_q(str_or_empty(record->message)));
    if (record->state == MESOS__V1__TASK_STATE__TASK_STARTING ||
        record->state == MESOS__V1__TASK_STATE__TASK_RUNNING)
        confirm_pod(st, task->info);
    if (task_state_proves_death(record->state))
        delete_kill(st, record->task_id);
    set_draft(&st->tasks, task->name, &record->base);
}

static void judge_task(struct statuses *st, const Mesos__V1__TaskStatus *status)
{
    struct session *s = st->session;
    const struct draft *draft;
    struct fact_task task;
    struct status_in in = {.update = status, .now_wall_ms = clock_wall_ms()};
    Reeve__TaskStatusRecord *record = NULL;
    AUTO_FREE char *instance = NULL;

    if (!facts_task_by_id(s->facts, status->task_id->value, &task)) {
        judge_unknown(st, status);
        return;
    }
    notes_update(s->notes, task.info, status);
    draft = find_draft(st->tasks, task.name);
    in.task = task.info;
    in.stored =
        draft ? (const Reeve__TaskStatusRecord *)draft->message : task.status;
    if (in.stored && !str_eq(in.stored->task_id, task.info->task_id))
        in.stored = NULL; /* of another launch */
    instance = xasprintf("%s-%u", task.info->pod_type, task.info->pod_index);
    in.is_pod_confirmed =
        pod_now(st, instance) && pod_now(st, instance)->confirmed;
    switch (status_merge(&in, &record)) {
    case STATUS_STORE:
        store(st, &task, record);
        break;
    case STATUS_ASK:
        log_odd("task_status_contradicts", "service=%s task=%s state=%s",
                s->key, task.info->task_id, task_state_name(status->state));
        reconcile_poke(s->reconcile, task.info->task_id, task.info->agent_id,
                       clock_mono_ms());
        break;
    case STATUS_SAME:
    case STATUS_KEEP:
        break;
    }
}

/* ---- one operation update ----------------------------------------- */
static void remove_abandoned(Reeve__PodRecord *pod, const char *resource_id,
                             bool is_remainder)
{
    size_t kept = 0;

    for (size_t i = 0; pod && i < pod->n_abandoned; i++) {
        Reeve__ReservedResource *entry = pod->abandoned[i];

        if (str_eq(entry->resource_id, resource_id) &&
            (bool)entry->is_remainder == is_remainder)
            PB_FREE(entry);
        else
            pod->abandoned[kept++] = entry;
    }
    if (pod)
        pod->n_abandoned = kept;
}

/* The volume's own disk is another matter. */
static void note_rest_freed(struct statuses *st, const char *resource_id)
{
    struct session *s = st->session;
    const char *pod;

    if (!janitor_has_remainder(s->janitor, resource_id, &pod))
        return;
    log_info("freed", "service=%s resource=%s pod=%s what=remainder", s->key,
             resource_id, pod);
    remove_abandoned(pod_to_change(st, pod), resource_id, true);
}

/* What a record gave up is free now: the record is fulfilled. */
static void note_freed(struct statuses *st, const char *resource_id)
{
    struct session *s = st->session;
    AUTO_FREE char *key = NULL;
    const char *pod;

    if (!janitor_is_abandoned(s->janitor, resource_id, &pod))
        return;
    log_info("freed", "service=%s resource=%s pod=%s", s->key, resource_id,
             pod ? pod : "-");
    if (pod) {
        remove_abandoned(pod_to_change(st, pod), resource_id, false);
        return;
    }
    key = facts_key_release(s->facts, resource_id);
    writes_delete(st->writes, key);
}

static const char *why_of(const Mesos__V1__OperationStatus *status)
{
    return *str_or_empty(status->message) ? status->message
                                          : operation_state_name(status->state);
}

/* A volume has got its new size, or will not get it by that operation. */
static void judge_resize(struct statuses *st,
                         const Mesos__V1__OperationStatus *status)
{
    struct session *s = st->session;
    const char *operation = status->operation_id->value;
    AUTO_FREE char *instance = evaluate_instance_of(operation);
    const Reeve__PodRecord *now = instance ? pod_now(st, instance) : NULL;
    Reeve__ReservedResource *volume;
    Reeve__PodRecord *pod;

    if (!now || !evaluate_resize_of(now, operation) ||
        !operation_state_is_terminal(status->state))
        return;
    pod = pod_to_change(st, instance);
    volume = evaluate_resize_of(pod, operation);
    if (status->state == MESOS__V1__OPERATION_STATE__OPERATION_FINISHED) {
        log_info("resized", "service=%s pod=%s volume=%s", s->key, instance,
                 volume->container_path);
        resize_book_done(s->resizes, volume->resource_id);
        evaluate_resize_done(volume);
        return;
    }
    resize_book_refused(s->resizes, volume->resource_id,
                        volume->resize_to_milli, why_of(status),
                        clock_mono_ms());
    evaluate_resize_failed(pod, volume);
}

static bool names_operation(const Reeve__PodRecord *pod, const char *operation)
{
    for (size_t i = 0; i < pod->n_resources; i++)
        for (size_t k = 0; k < pod->resources[i]->n_operation_ids; k++)
            if (str_eq(pod->resources[i]->operation_ids[k], operation))
                return true;
    return false;
}

static void operation_finished(struct statuses *st, const char *operation)
{
    AUTO_FREE char *instance = evaluate_instance_of(operation);
    const Reeve__PodRecord *now = instance ? pod_now(st, instance) : NULL;
    enum janitor_step step;
    AUTO_FREE char *resource_id = janitor_resource_of(operation, &step);
    Reeve__PodRecord *pod;

    if (resource_id && step == JANITOR_UNRESERVE)
        note_freed(st, resource_id);
    else if (resource_id && step == JANITOR_UNRESERVE_REST)
        note_rest_freed(st, resource_id);
    if (!now || !names_operation(now, operation))
        return;
    pod = pod_to_change(st, instance);
    for (size_t i = 0; i < pod->n_resources; i++)
        close_operation(pod->resources[i], operation);
    PB_SET(pod, confirmed, true);
}

static void judge_operation(struct statuses *st,
                            const Mesos__V1__OperationStatus *status)
{
    const char *id = status->operation_id ? status->operation_id->value : NULL;

    if (!id)
        return;
    judge_resize(st, status);
    if (status->state == MESOS__V1__OPERATION_STATE__OPERATION_FINISHED) {
        operation_finished(st, id);
        return;
    }
    st->session->counts.odd++;
    log_odd("operation_not_finished",
            "service=%s operation=%s state=%s message=%s", st->session->key, id,
            operation_state_name(status->state),
            log_q(str_or_empty(status->message)));
    janitor_failed(st->session->janitor, id, why_of(status), clock_mono_ms());
}

static void acknowledge_operation(struct session *s,
                                  const Mesos__V1__OperationStatus *status)
{
    Mesos__V1__Scheduler__Call *call;
    Mesos__V1__Scheduler__Call__AcknowledgeOperationStatus *body;

    /* The master dies of a wrong agent id: only what the status says. */
    if (!status->uuid || !status->agent_id || !status->operation_id)
        return;
    call = outbox_call(
        MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE_OPERATION_STATUS);
    body = PB_NEW(mesos__v1__scheduler__call__acknowledge_operation_status);
    body->agent_id = pb_agent_id(status->agent_id->value);
    body->operation_id = pb_operation_id(status->operation_id->value);
    body->uuid.data =
        xmemdup(status->uuid->value.data, status->uuid->value.len);
    body->uuid.len = status->uuid->value.len;
    call->acknowledge_operation_status = body;
    outbox_send(s->outbox, call);
}

/* ---- the transaction ---------------------------------------------- */
static void write_drafts(struct statuses *st)
{
    const struct facts *facts = st->session->facts;
    struct draft *draft, *next;

    HASH_ITER(hh, st->tasks, draft, next)
    {
        AUTO_FREE char *key = facts_key_task_status(facts, draft->id);
        struct fact_task task;

        facts_task(facts, draft->id, &task);
        writes_require(st->writes, key, task.status_revision);
        writes_put(st->writes, key, draft->message);
    }
    HASH_ITER(hh, st->pods, draft, next)
    {
        AUTO_FREE char *key = facts_key_pod(facts, draft->id);
        uint64_t revision;

        facts_pod(facts, draft->id, &revision);
        writes_require(st->writes, key, revision);
        writes_put(st->writes, key, draft->message);
    }
    free_drafts(&st->tasks);
    free_drafts(&st->pods);
}

static void acknowledge_all(struct statuses *st)
{
    struct item *item;

    DL_FOREACH(st->writing, item)
    {
        if (item->task)
            outbox_acknowledge(st->session, item->task);
        else
            acknowledge_operation(st->session, item->operation);
    }
    free_items(&st->writing);
    st->n_writing = 0;
}

/* Judge the same updates again, before those that came later. */
static void put_back(struct statuses *st)
{
    DL_CONCAT(st->writing, st->waiting);
    st->waiting = st->writing;
    st->writing = NULL;
    st->n_waiting += st->n_writing;
    st->n_writing = 0;
}

static void on_written(void *self, const struct txn_result *result)
{
    struct statuses *st = self;
    struct session *s = st->session;
    struct writes *writes = MOVE(st->writes);

    switch ((int)result->err.code) {
    case ERR_NONE:
        writes_apply(writes, s->facts, result->revision);
        acknowledge_all(st);
        break;
    case ERR_CONFLICT:
        log_debug("status_conflict", "service=%s key=%s", s->key,
                  str_or_empty(result->failed_key));
        put_back(st);
        break;
    default:
        log_event(result->err.code == ERR_FENCED ? LOG_ODD : LOG_BAD,
                  "status_not_stored", "service=%s why=%s", s->key,
                  log_q(result->err.text));
        free_items(&st->writing); /* not acknowledged: they come again */
        st->n_writing = 0;
        if (result->err.code == ERR_FENCED)
            broker_fenced(s->broker);
        break;
    }
    writes_destroy(&writes);
    broker_wake(s->broker);
}

void statuses_flush(struct statuses *st)
{
    struct session *s = st->session;
    struct txn *txn;

    if (st->writes || !st->waiting || s->state != SESSION_UP)
        return;
    st->writes = writes_new();
    for (size_t n = 0; st->waiting && n < MAX_BATCH; n++) {
        struct item *item = st->waiting;

        if (HASH_COUNT(st->tasks) + HASH_COUNT(st->pods) +
                writes_count(st->writes) >
            MAX_OPS)
            break;
        DL_DELETE(st->waiting, item);
        st->n_waiting--;
        DL_APPEND(st->writing, item);
        st->n_writing++;
        if (item->task)
            judge_task(st, item->task);
        else
            judge_operation(st, item->operation);
    }
    write_drafts(st);
    if (writes_count(st->writes) == 0) {
        writes_destroy(&st->writes);
        acknowledge_all(st);
        if (st->waiting)
            broker_wake(s->broker);
        return;
    }
    txn = writes_take_txn(st->writes);
    store_client_commit(s->broker->store, &txn, on_written, st);
}

/* ---- arrival ------------------------------------------------------ */
void statuses_add_task(struct statuses *st, Mesos__V1__TaskStatus **status)
{
    struct item *item = xcalloc(1, sizeof(*item));

    item->task = MOVE(*status);
    reconcile_heard(st->session->reconcile, item->task->task_id->value,
                    clock_mono_ms());
    DL_APPEND(st->waiting, item);
    st->n_waiting++;
    broker_wake(st->session->broker);
}

void statuses_add_operation(struct statuses *st,
                            Mesos__V1__OperationStatus **status)
{
    struct item *item = xcalloc(1, sizeof(*item));

    item->operation = MOVE(*status);
    DL_APPEND(st->waiting, item);
    st->n_waiting++;
    broker_wake(st->session->broker);
}
