/* SPDX-License-Identifier: Apache-2.0 */
/* debug - routes that only tell: offers and evaluations, reservations, tasks
 *
 * Nothing here changes anything; a question about reservations makes the broker
 * look for those that no offer shows, for the next one.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/mesos/resources.h"
#include "lib/mesos/states.h"
#include "lib/wire/wire.h"
#include "proto/broker.pb-c.h"
#include "lib/mesos/pb_mesos.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/status.h"
#include "services/offer-broker/survey.h"

static bool is_asked(const struct session *session, const char *service)
{
    return !service || str_eq(service, session->key);
}

/* Half a copy of the store would tell half of the truth. */
static int check_ready(const struct broker *b, struct err *err)
{
    if (b->was_alive)
        return 0;
    return err_set(err, ERR_UNAVAILABLE,
                   "the broker has not read the state-store yet");
}

/* ---- offers ------------------------------------------------------- */
struct listing {
    Reeve__OffersReply *reply;
    const char *service;
    int64_t now_ms;
};

static void list_offer(void *self, const struct offer *offer)
{
    struct listing *l = self;
    struct resources *resources =
        resources_from(offer->message->resources, offer->message->n_resources);
    Reeve__HeldOffer *held;

    held = PB_NEW(reeve__held_offer);
    held->service = xstrdup(l->service);
    held->offer_id = xstrdup(offer->id);
    held->agent_id = xstrdup(offer->message->agent_id->value);
    held->hostname = xstrdup(offer->message->hostname);
    held->resources = resources_text(resources);
    PB_SET(held, held_ms, l->now_ms - offer->received_ms);
    PB_ADD(l->reply, offers, held);
    resources_destroy(&resources);
}

/* One line per stage, as far as it came; the reasons of the last one each. */
static void explain(Reeve__Evaluation *out, const struct offer_entry *entry)
{
    int last = entry->passed ? OFFER_STAGE_COUNT : (int)entry->failed;
    AUTO_FREE char *why = xstrdup(entry->why);

    for (int stage = 0; stage < last; stage++)
        PB_ADD(out, explanation,
               xasprintf("PASS(%s)", offer_stage_name(stage)));
    for (char *at = why, *end; !entry->passed && at; at = end) {
        end = strstr(at, "; ");
        if (end) {
            *end = '\0';
            end += 2;
        }
        PB_ADD(out, explanation,
               xasprintf("FAIL(%s): %s", offer_stage_name(entry->failed), at));
    }
}

static void list_evaluation(void *self, const struct offer_entry *entry)
{
    struct listing *l = self;
    Reeve__Evaluation *out;

    out = PB_NEW(reeve__evaluation);
    out->service = xstrdup(l->service);
    out->pod = xstrdup(entry->pod);
    out->agent_id = xstrdup(entry->agent_id);
    out->hostname = xstrdup(entry->hostname);
    PB_ADD(out, offer_ids, xstrdup(entry->offer_id));
    PB_SET(out, passed, entry->passed);
    PB_SET(out, wall_ms, entry->wall_ms);
    explain(out, entry);
    PB_ADD(l->reply, evaluations, out);
}

static Reeve__Tally *tally_of(const char *name, uint64_t count)
{
    Reeve__Tally *tally;

    tally = PB_NEW(reeve__tally);
    tally->name = xstrdup(name);
    PB_SET(tally, count, count);
    return tally;
}

static void list_agent(void *self, const char *agent_id, uint64_t failed)
{
    struct listing *l = self;

    PB_ADD(l->reply, failures_by_agent, tally_of(agent_id, failed));
}

static void list_stages(struct listing *l, const struct offer_log *log)
{
    for (int stage = 0; stage < OFFER_STAGE_COUNT; stage++) {
        uint64_t count = offer_log_failed_at(log, stage);

        if (count > 0)
            PB_ADD(l->reply, failures_by_stage,
                   tally_of(offer_stage_name(stage), count));
    }
}

static void list_session(struct listing *l, const struct session *session)
{
    l->service = session->key;
    offer_book_each(session->offers, list_offer, l);
    offer_log_each(session->offer_log, list_evaluation, l);
    list_stages(l, session->offer_log);
    offer_log_each_agent(session->offer_log, list_agent, l);
    l->reply->accepted += session->counts.accepts;
    l->reply->declined += session->counts.declines;
    l->reply->rescinded += session->counts.rescinds;
    l->reply->suppressed &= session->flow.is_suppressed;
    l->reply->passed += offer_log_passed(session->offer_log);
    l->reply->failed += offer_log_failed(session->offer_log);
}

int debug_offers(void *self, struct bus_call *call, struct err *err)
{
    struct broker *b = self;
    AUTO_MESSAGE Reeve__OffersRequest *request =
        (Reeve__OffersRequest *)bus_call_decode(
            call, &reeve__offers_request__descriptor, err);
    AUTO_MESSAGE Reeve__OffersReply *reply = NULL;
    struct listing l = {.now_ms = clock_mono_ms()};
    struct session *session, *next;

    if (!request || check_ready(b, err) < 0)
        return -1;
    reply = PB_NEW(reeve__offers_reply);
    l.reply = reply;
    PB_SET(reply, accepted, 0);
    PB_SET(reply, declined, 0);
    PB_SET(reply, rescinded, 0);
    PB_SET(reply, suppressed, true);
    PB_SET(reply, passed, 0);
    PB_SET(reply, failed, 0);
    HASH_ITER(hh, b->sessions, session, next)
    {
        if (is_asked(session, request->service))
            list_session(&l, session);
    }
    bus_call_reply(call, &reply->base);
    return 0;
}

/* ---- reservations ------------------------------------------------- */
struct holding {
    Reeve__ReservationsReply *reply;
    const struct session *session;
    const Reeve__PodRecord *pod; /* being listed */
    const char *instance;
};

static void add_labels(Reeve__Reservation *out, const Mesos__V1__Resource *r)
{
    const Mesos__V1__Resource__ReservationInfo *info = resource_reservation(r);

    out->role = xstrdup(resource_role(r));
    if (info)
        out->principal = xstrdup(info->principal);
    for (size_t i = 0; info && info->labels && i < info->labels->n_labels;
         i++) {
        Reeve__Reservation__Label *label;

        label = PB_NEW(reeve__reservation__label);
        label->key = xstrdup(info->labels->labels[i]->key);
        label->value = xstrdup(info->labels->labels[i]->value);
        PB_ADD(out, labels, label);
    }
}

static Reeve__Reservation *add_reservation(struct holding *h, int standing,
                                           const char *resource_id)
{
    Reeve__Reservation *out;
    const char *problem =
        janitor_problem(h->session->janitor, str_or_empty(resource_id));

    out = PB_NEW(reeve__reservation);
    out->service = xstrdup(h->session->key);
    PB_SET(out, standing, (Reeve__Reservation__Standing)standing);
    out->resource_id = xstrdup(resource_id);
    if (problem)
        out->problem = xstrdup(problem);
    PB_ADD(h->reply, reservations, out);
    return out;
}

static void list_entry(struct holding *h, const Reeve__ReservedResource *entry,
                       int standing)
{
    Reeve__Reservation *out = add_reservation(h, standing, entry->resource_id);
    AUTO_MESSAGE Mesos__V1__Resource *resource =
        entry->has_resource
            ? WIRE_DECODE(mesos__v1__resource, entry->resource.data,
                          entry->resource.len, NULL)
            : NULL;

    out->agent_id = xstrdup(*str_or_empty(entry->agent_id) ? entry->agent_id
                                                           : h->pod->agent_id);
    if (str_eq(out->agent_id, h->pod->agent_id))
        out->hostname = xstrdup(h->pod->hostname);
    out->pod = xstrdup(h->instance);
    out->persistence_id = xstrdup(entry->persistence_id);
    out->container_path = xstrdup(entry->container_path);
    PB_SET(out, since_wall_ms, h->pod->changed_wall_ms);
    if (resource) {
        add_labels(out, resource);
        out->resource = resource_text(resource);
    }
}

static void list_pod(void *self, const struct fact *fact)
{
    struct holding *h = self;
    const Reeve__PodRecord *pod = (const Reeve__PodRecord *)fact->message;

    h->pod = pod;
    h->instance = fact->id;
    for (size_t i = 0; i < pod->n_resources; i++)
        list_entry(h, pod->resources[i],
                   pod->confirmed && pod->resources[i]->n_operation_ids == 0
                       ? REEVE__RESERVATION__STANDING__WANTED
                       : REEVE__RESERVATION__STANDING__UNCONFIRMED);
    for (size_t i = 0; i < pod->n_abandoned; i++)
        list_entry(h, pod->abandoned[i],
                   REEVE__RESERVATION__STANDING__GIVEN_UP);
}

static void list_release(void *self, const struct fact *fact)
{
    struct holding *h = self;
    const Reeve__ReleaseOrder *order =
        (const Reeve__ReleaseOrder *)fact->message;
    Reeve__Reservation *out = add_reservation(
        h, REEVE__RESERVATION__STANDING__RELEASED, order->resource_id);

    out->agent_id = xstrdup(order->agent_id);
    out->hostname = xstrdup(order->hostname);
    out->persistence_id = xstrdup(order->persistence_id);
    out->resource = xstrdup(order->text);
    PB_SET(out, since_wall_ms, order->created_wall_ms);
}

static void list_quarantined(void *self, const struct quarantined *item)
{
    struct holding *h = self;
    Reeve__Reservation *out = add_reservation(
        h,
        item->is_foreign ? REEVE__RESERVATION__STANDING__FOREIGN
                         : REEVE__RESERVATION__STANDING__UNKNOWN,
        item->resource_id);

    out->agent_id = xstrdup(item->agent_id);
    out->hostname = xstrdup(item->hostname);
    out->persistence_id = xstrdup(resource_volume_id(item->resource));
    out->resource = xstrdup(item->text);
    PB_SET(out, since_wall_ms, item->since_wall_ms);
    add_labels(out, item->resource);
}

int debug_reservations(void *self, struct bus_call *call, struct err *err)
{
    struct broker *b = self;
    AUTO_MESSAGE Reeve__ReservationsRequest *request =
        (Reeve__ReservationsRequest *)bus_call_decode(
            call, &reeve__reservations_request__descriptor, err);
    AUTO_MESSAGE Reeve__ReservationsReply *reply = NULL;
    struct holding h = {0};
    struct session *session, *next;

    if (!request || check_ready(b, err) < 0)
        return -1;
    reply = PB_NEW(reeve__reservations_reply);
    h.reply = reply;
    HASH_ITER(hh, b->sessions, session, next)
    {
        if (!is_asked(session, request->service))
            continue;
        h.session = session;
        facts_each_pod(session->facts, list_pod, &h);
        facts_each_release(session->facts, list_release, &h);
        janitor_each_quarantined(session->janitor, list_quarantined, &h);
        survey_take_stock(session->survey);
    }
    bus_call_reply(call, &reply->base);
    return 0;
}

/* ---- tasks -------------------------------------------------------- */
struct task_listing {
    Reeve__TasksReply *reply;
    const struct session *session;
};

static Reeve__BrokerTask *new_task(const struct session *s, const char *task_id,
                                   const char *agent_id)
{
    Reeve__BrokerTask *task;

    task = PB_NEW(reeve__broker_task);
    task->service = xstrdup(s->key);
    task->task_id = xstrdup(task_id);
    if (*str_or_empty(agent_id))
        task->agent_id = xstrdup(agent_id);
    return task;
}

static void list_unknown(void *self, const struct unknown_task *unknown)
{
    struct task_listing *l = self;
    Reeve__BrokerTask *task =
        new_task(l->session, unknown->task_id, unknown->agent_id);

    task->state_name = xstrdup(task_state_name(unknown->state));
    PB_SET(task, since_wall_ms, unknown->since_wall_ms);
    PB_ADD(l->reply, unknown, task);
}

static void list_asked(void *self, const char *task_id, const char *agent_id)
{
    struct task_listing *l = self;

    PB_ADD(l->reply, asked, new_task(l->session, task_id, agent_id));
}

static void list_kill(void *self, const struct fact *fact)
{
    struct task_listing *l = self;
    const Reeve__KillOrder *order = (const Reeve__KillOrder *)fact->message;
    Reeve__BrokerTask *task = new_task(l->session, fact->id, order->agent_id);
    struct fact_task stored;

    if (facts_task_by_id(l->session->facts, fact->id, &stored) && stored.status)
        task->state_name = xstrdup(stored.status->state_name);
    task->reason = xstrdup(order->reason);
    PB_SET(task, since_wall_ms, order->created_wall_ms);
    PB_ADD(l->reply, killing, task);
}

int debug_tasks(void *self, struct bus_call *call, struct err *err)
{
    struct broker *b = self;
    AUTO_MESSAGE Reeve__TasksRequest *request =
        (Reeve__TasksRequest *)bus_call_decode(
            call, &reeve__tasks_request__descriptor, err);
    AUTO_MESSAGE Reeve__TasksReply *reply = NULL;
    struct task_listing l = {0};
    struct session *session, *next;

    if (!request || check_ready(b, err) < 0)
        return -1;
    reply = PB_NEW(reeve__tasks_reply);
    l.reply = reply;
    HASH_ITER(hh, b->sessions, session, next)
    {
        if (!is_asked(session, request->service))
            continue;
        l.session = session;
        statuses_each_unknown(session->statuses, list_unknown, &l);
        reconcile_each_open(session->reconcile, list_asked, &l);
        facts_each_kill(session->facts, list_kill, &l);
    }
    bus_call_reply(call, &reply->base);
    return 0;
}
