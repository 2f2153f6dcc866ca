/* SPDX-License-Identifier: Apache-2.0 */
/* routes - what the broker answers on the bus */
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/mesos/resources.h"
#include "lib/wire/pb.h"
#include "proto/broker.pb-c.h"
#include "services/offer-broker/broker.h"
#include "services/offer-broker/session.h"

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

static void list_session(struct listing *l, const struct session *session)
{
    l->service = session->key;
    offer_book_each(session->offers, list_offer, l);
    l->reply->accepted += session->counts.accepts;
    l->reply->declined += session->counts.declines;
    l->reply->rescinded += session->counts.rescinds;
    l->reply->suppressed &= session->flow.is_suppressed;
}

static int on_offers(void *self, struct bus_call *call, struct err *err)
{
    struct broker *b = self;
    AUTO_MESSAGE Reeve__OffersRequest *request =
        (Reeve__OffersRequest *)bus_call_decode(
            call, &reeve__offers_request__descriptor, err);
    AUTO_MESSAGE Reeve__OffersReply *reply = NULL;
    struct listing l = {.now_ms = clock_mono_ms()};
    struct session *session, *next;

    if (!request)
        return -1;
    reply = PB_NEW(reeve__offers_reply);
    l.reply = reply;
    PB_SET(reply, accepted, 0);
    PB_SET(reply, declined, 0);
    PB_SET(reply, rescinded, 0);
    PB_SET(reply, suppressed, true);
    HASH_ITER(hh, b->sessions, session, next)
    {
        if (!request->service || str_eq(request->service, session->key))
            list_session(&l, session);
    }
    bus_call_reply(call, &reply->base);
    return 0;
}

const struct bus_route broker_routes[] = {
    {"broker.offers", on_offers},
    {"broker.new_framework", operator_new_framework},
    {"broker.ignore_foreign", operator_ignore_foreign},
    {NULL, NULL},
};
