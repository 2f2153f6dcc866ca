/* SPDX-License-Identifier: Apache-2.0 */
/* events - one event of the stream -> one change, by table
 *
 * An event of an unknown type, or without its body, is counted and ignored.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/fresh.h"
#include "services/offer-broker/session.h"

static void odd(struct session *s, const char *event, const char *why)
{
    s->counts.odd++;
    log_odd(event, "service=%s why=%s", s->key, log_q(why));
}

static const char *region_of(const Mesos__V1__MasterInfo *master)
{
    return master && master->domain && master->domain->fault_domain
               ? master->domain->fault_domain->region->name
               : NULL;
}

static void on_subscribed(struct session *s, Mesos__V1__Scheduler__Event *event)
{
    const Mesos__V1__Scheduler__Event__Subscribed *body = event->subscribed;
    const Mesos__V1__MasterInfo *master;
    const Reeve__Framework *stored = facts_framework(s->facts, NULL);

    if (!body) {
        odd(s, "event_without_body", "SUBSCRIBED");
        return;
    }
    if (stored && *str_or_empty(stored->framework_id) &&
        !str_eq(stored->framework_id, body->framework_id->value)) {
        /* We asked for ours and were given another: not ours to take. */
        log_bad("framework_id_differs", "service=%s stored=%s given=%s", s->key,
                stored->framework_id, body->framework_id->value);
        session_broken(s, "the master gave another framework id");
        return;
    }
    master = body->master_info;
    pb_str(&s->framework_id, body->framework_id->value);
    pb_str(&s->master_id, master ? master->id : NULL);
    pb_str(&s->local_region, region_of(master));
    free(s->master_text);
    if (master && master->address && master->address->hostname)
        s->master_text = xasprintf("%s:%d", master->address->hostname,
                                   master->address->port);
    else if (master && master->hostname)
        s->master_text = xasprintf("%s:%u", master->hostname, master->port);
    else
        s->master_text = xstrdup(master_list_current(s->masters));
    s->heartbeat_s = body->has_heartbeat_interval_seconds
                         ? body->heartbeat_interval_seconds
                         : 0;
    janitor_learn(s->janitor, s->facts, s->framework_id);
    session_event(s, SESSION_SUBSCRIBED);
}

static void add_offer(struct session *s, Mesos__V1__Offer **offer)
{
    AUTO_FREE char *id = xstrdup((*offer)->id->value);
    struct err err = {0};

    s->counts.offers++;
    if (offer_book_add(s->offers, offer, clock_mono_ms(), &err) == 0)
        return;
    odd(s, "offer_refused", err.text);
    if (err.code != ERR_EXISTS)
        outbox_decline(s, (const char *const[]){id}, 1, s->broker->refuse_s);
}

static void inspect(struct session *s, const Mesos__V1__Offer *offer)
{
    struct resources *resources =
        resources_from(offer->resources, offer->n_resources);
    const struct janitor_place place = {offer->agent_id->value, offer->hostname,
                                        clock_wall_ms()};
    size_t before = janitor_quarantined(s->janitor);

    janitor_inspect(s->janitor, &place, resources);
    resources_destroy(&resources);
    if (janitor_quarantined(s->janitor) > before) {
        AUTO_FREE char *report = janitor_report(s->janitor, 3);

        odd(s, "reservations_unknown", report);
    }
}

static void on_offers(struct session *s, Mesos__V1__Scheduler__Event *event)
{
    if (!event->offers) {
        odd(s, "event_without_body", "OFFERS");
        return;
    }
    flow_offered(&s->flow, clock_mono_ms());
    for (size_t i = 0; i < event->offers->n_offers; i++) {
        inspect(s, event->offers->offers[i]);
        notes_offer(s->notes, event->offers->offers[i]);
        add_offer(s, &event->offers->offers[i]);
    }
    broker_wake(s->broker);
}

static void on_rescind(struct session *s, Mesos__V1__Scheduler__Event *event)
{
    if (!event->rescind) {
        odd(s, "event_without_body", "RESCIND");
        return;
    }
    s->counts.rescinds++;
    offer_book_rescind(s->offers, event->rescind->offer_id->value);
}

static void on_update(struct session *s, Mesos__V1__Scheduler__Event *event)
{
    if (!event->update) {
        odd(s, "event_without_body", "UPDATE");
        return;
    }
    s->counts.updates++;
    if (event->update->status && event->update->status->task_id &&
        fresh_is_answer(s->fresh, event->update->status)) {
        broker_wake(s->broker);
        return;
    }
    statuses_add_task(s->statuses, &event->update->status);
}

static void on_operation(struct session *s, Mesos__V1__Scheduler__Event *event)
{
    if (!event->update_operation_status) {
        odd(s, "event_without_body", "UPDATE_OPERATION_STATUS");
        return;
    }
    statuses_add_operation(s->statuses,
                           &event->update_operation_status->status);
}

static void on_failure(struct session *s, Mesos__V1__Scheduler__Event *event)
{
    const Mesos__V1__Scheduler__Event__Failure *body = event->failure;

    if (!body)
        return;
    log_info("failure", "service=%s agent=%s executor=%s status=%d", s->key,
             body->agent_id ? body->agent_id->value : "-",
             body->executor_id ? body->executor_id->value : "-",
             body->has_status ? body->status : 0);
}

static void on_error(struct session *s, Mesos__V1__Scheduler__Event *event)
{
    const char *message = event->error ? event->error->message : "no message";

    s->counts.odd++;
    log_odd("master_error", "service=%s message=%s", s->key, log_q(message));
    switch (session_classify_error(message)) {
    case SESSION_ERROR_FATAL:
        snprintf(s->problem, sizeof(s->problem), "%s", message);
        session_event(s, SESSION_GIVEN_UP);
        break;
    case SESSION_ERROR_STALE:
        /* Someone else subscribed with our id: the lease says who is right. */
        session_broken(s, "%s", message);
        break;
    case SESSION_ERROR_RETRY:
        session_broken(s, "the master refused the subscription: %s", message);
        break;
    }
}

static void on_heartbeat(struct session *s UNUSED,
                         Mesos__V1__Scheduler__Event *event UNUSED)
{
}

/* They are advice: nothing is killed before the maintenance begins. */
static void on_inverse(struct session *s, Mesos__V1__Scheduler__Event *event)
{
    if (!event->inverse_offers) {
        odd(s, "event_without_body", "INVERSE_OFFERS");
        return;
    }
    for (size_t i = 0; i < event->inverse_offers->n_inverse_offers; i++)
        notes_inverse_offer(s->notes, event->inverse_offers->inverse_offers[i]);
}

static void on_rescind_inverse(struct session *s,
                               Mesos__V1__Scheduler__Event *event)
{
    if (!event->rescind_inverse_offer) {
        odd(s, "event_without_body", "RESCIND_INVERSE_OFFER");
        return;
    }
    notes_rescind(s->notes,
                  event->rescind_inverse_offer->inverse_offer_id->value);
}

static const struct {
    int type;
    void (*handle)(struct session *s, Mesos__V1__Scheduler__Event *event);
} table[] = {
    {MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED, on_subscribed},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS, on_offers},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND, on_rescind},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE, on_update},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE_OPERATION_STATUS, on_operation},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__FAILURE, on_failure},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR, on_error},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__HEARTBEAT, on_heartbeat},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__INVERSE_OFFERS, on_inverse},
    {MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND_INVERSE_OFFER,
     on_rescind_inverse},
};

int events_handle(struct session *s, const void *data, size_t len,
                  struct err *err)
{
    AUTO_MESSAGE Mesos__V1__Scheduler__Event *event =
        WIRE_DECODE(mesos__v1__scheduler__event, data, len, err);

    if (!event)
        return -1;
    if (s->state == SESSION_CONNECTING &&
        event->type != MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED &&
        event->type != MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR) {
        odd(s, "event_before_subscribed", "ignored");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if ((int)event->type != table[i].type)
            continue;
        table[i].handle(s, event);
        return 0;
    }
    odd(s, "event_type_unknown", "ignored");
    return 0;
}
