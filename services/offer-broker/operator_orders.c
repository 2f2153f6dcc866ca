/* SPDX-License-Identifier: Apache-2.0 */
/* operator_orders - an operator's word about what no record names: to give
 * reservations up, to end a task
 *
 * Each word becomes a record; what follows from it is done by whoever reads
 * that record (janitor, orders), as often as it takes.  Checked before anything
 * is written; answered when it is durable.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "proto/broker.pb-c.h"
#include "lib/mesos/pb_mesos.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/writes.h"

#define MAX_RELEASES 500

/* An answer that waits for the store. */
struct ordering {
    struct session *session;
    struct bus_call *call;
    struct writes *writes; /* NULL: nothing to write */
    ProtobufCMessage *reply;
};

static void finish(struct ordering *o, const struct err *err)
{
    if (err)
        bus_call_fail(o->call, err, NULL);
    else
        bus_call_reply(o->call, o->reply);
    writes_destroy(&o->writes);
    wire_free(&o->reply);
    free(o);
}

static void on_durable(void *self, const struct txn_result *result)
{
    struct ordering *o = self;
    struct session *s = o->session;

    if (result->err.code != ERR_NONE) {
        if (result->err.code == ERR_FENCED)
            broker_fenced(s->broker);
        finish(o, &result->err);
        return;
    }
    writes_apply(o->writes, s->facts, result->revision);
    broker_wake(s->broker);
    finish(o, NULL);
}

static void commit(struct ordering *o)
{
    struct txn *txn;

    if (writes_count(o->writes) == 0) {
        finish(o, NULL);
        return;
    }
    txn = writes_take_txn(o->writes);
    store_client_commit(o->session->broker->store, &txn, on_durable, o);
}

/* ---- release ------------------------------------------------------ */
struct search {
    const char *resource_id;
    const char *pod; /* that names it; NULL: none */
};

static bool names(Reeve__ReservedResource **list, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(list[i]->resource_id, id))
            return true;
    return false;
}

static void search_pod(void *self, const struct fact *fact)
{
    struct search *search = self;
    const Reeve__PodRecord *pod = (const Reeve__PodRecord *)fact->message;

    if (names(pod->resources, pod->n_resources, search->resource_id) ||
        names(pod->abandoned, pod->n_abandoned, search->resource_id))
        search->pod = fact->id;
}

/* No service of this suite may have a record of it. */
static int check_unnamed(const struct broker *b, const char *id,
                         struct err *err)
{
    struct session *session, *next;

    HASH_ITER(hh, b->sessions, session, next)
    {
        struct search search = {.resource_id = id};

        facts_each_pod(session->facts, search_pod, &search);
        if (search.pod)
            return err_set(err, ERR_CONFLICT,
                           "resource %s is named by the record of pod %s of "
                           "service %s: nothing was released",
                           id, search.pod, session->key);
    }
    return 0;
}

static Reeve__ReleaseOrder *release_of(const struct quarantined *item,
                                       const char *from)
{
    Reeve__ReleaseOrder *order;
    const char *framework = resource_label(item->resource, "framework_id");

    order = PB_NEW(reeve__release_order);
    order->resource_id = xstrdup(item->resource_id);
    PB_STR(order, persistence_id, resource_volume_id(item->resource));
    order->agent_id = xstrdup(item->agent_id);
    order->hostname = xstrdup(item->hostname);
    order->text = xstrdup(item->text);
    PB_STR(order, framework_id, framework);
    order->from = xstrdup(from);
    PB_SET(order, created_wall_ms, clock_wall_ms());
    return order;
}

static int release_one(struct ordering *o, const char *id, struct err *err)
{
    const struct session *s = o->session;
    AUTO_MESSAGE Reeve__ReleaseOrder *order = NULL;
    AUTO_FREE char *key = NULL;
    struct quarantined item;

    if (!janitor_id_is_plain(id))
        return err_set(err, ERR_INVALID,
                       "'%.100s' cannot be a resource id: nothing was released",
                       str_or_empty(id));
    if (check_unnamed(s->broker, id, err) < 0)
        return -1;
    if (facts_release(s->facts, id, NULL))
        return 0; /* said before */
    if (!janitor_find(s->janitor, id, &item))
        return err_set(err, ERR_NOT_FOUND,
                       "no quarantined reservation %s was seen: nothing was "
                       "released",
                       id);
    order = release_of(&item, bus_call_from(o->call));
    key = facts_key_release(s->facts, id);
    writes_require(o->writes, key, 0);
    writes_put(o->writes, key, &order->base);
    log_info("released", "service=%s resource=%s agent=%s what=%s by=operator",
             s->key, id, item.agent_id, log_q(item.text));
    return 0;
}

static void drop_ordering(struct ordering *o)
{
    writes_destroy(&o->writes);
    wire_free(&o->reply);
    free(o);
}

static struct ordering *new_ordering(struct session *s, struct bus_call *call)
{
    struct ordering *o = xcalloc(1, sizeof(*o));

    o->session = s;
    o->call = call;
    o->writes = writes_new();
    return o;
}

/* The same id again in one request. */
static bool names_before(const Reeve__ReleaseRequest *request, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (str_eq(request->resource_ids[i], request->resource_ids[at]))
            return true;
    return false;
}

int operator_release(void *self, struct bus_call *call, struct err *err)
{
    AUTO_MESSAGE Reeve__ReleaseRequest *request =
        (Reeve__ReleaseRequest *)bus_call_decode(
            call, &reeve__release_request__descriptor, err);
    Reeve__ReleaseReply *reply;
    struct session *s;
    struct ordering *o;

    s = request ? operator_session(self, request->service, err) : NULL;
    if (!s)
        return -1;
    if (request->n_resource_ids == 0 || request->n_resource_ids > MAX_RELEASES)
        return err_set(err, ERR_INVALID, "1 to %d resource ids at a time",
                       MAX_RELEASES);
    o = new_ordering(s, call);
    reply = PB_NEW(reeve__release_reply);
    o->reply = &reply->base;
    for (size_t i = 0; i < request->n_resource_ids; i++) {
        PB_ADD(reply, resource_ids, xstrdup(request->resource_ids[i]));
        if (names_before(request, i))
            continue;
        if (release_one(o, request->resource_ids[i], err) < 0) {
            drop_ordering(o);
            return -1;
        }
    }
    commit(o);
    return 0;
}

/* ---- a task that no record names ---------------------------------- */
static Reeve__KillOrder *kill_of(const struct unknown_task *task)
{
    Reeve__KillOrder *order;

    order = PB_NEW(reeve__kill_order);
    order->task_id = xstrdup(task->task_id);
    if (task->agent_id)
        order->agent_id = xstrdup(task->agent_id);
    order->reason = xstrdup("no record names it: ended by the operator");
    PB_SET(order, created_wall_ms, clock_wall_ms());
    PB_SET(order, until_dead, true);
    return order;
}

int operator_kill_unknown(void *self, struct bus_call *call, struct err *err)
{
    AUTO_MESSAGE Reeve__KillUnknownRequest *request =
        (Reeve__KillUnknownRequest *)bus_call_decode(
            call, &reeve__kill_unknown_request__descriptor, err);
    AUTO_MESSAGE Reeve__KillOrder *order = NULL;
    AUTO_FREE char *key = NULL;
    Reeve__KillUnknownReply *reply;
    struct unknown_task task;
    struct fact_task stored;
    struct session *s;
    struct ordering *o;
    const char *id;

    s = request ? operator_session(self, request->service, err) : NULL;
    if (!s)
        return -1;
    id = str_or_empty(request->task_id);
    if (facts_task_by_id(s->facts, id, &stored))
        return err_set(err, ERR_CONFLICT,
                       "%s is the recorded task %s: restart or replace its pod",
                       id, stored.name);
    if (!statuses_find_unknown(s->statuses, id, &task))
        return err_set(err, ERR_NOT_FOUND,
                       "no task %s is known to run without a record", id);
    o = new_ordering(s, call);
    reply = PB_NEW(reeve__kill_unknown_reply);
    reply->task_id = xstrdup(id);
    o->reply = &reply->base;
    key = facts_key_kill(s->facts, id);
    order = kill_of(&task);
    if (!facts_kill(s->facts, id, NULL)) {
        writes_require(o->writes, key, 0);
        writes_put(o->writes, key, &order->base);
    }
    log_info("unknown_ended", "service=%s task=%s by=operator", s->key, id);
    commit(o);
    return 0;
}
