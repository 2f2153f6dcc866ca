/* SPDX-License-Identifier: Apache-2.0 */
/* debug - what the broker knows and no record holds: asked over the bus
 *
 * The HTTP request waits, bounded by --command-timeout-ms.  A broker that does
 * not answer is told as such: 503, never an empty list.
 */
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/httpd/httpd.h"
#include "lib/wire/wire.h"
#include "services/api-gateway/debug_json.h"
#include "services/api-gateway/explain_json.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/reply.h"

struct asking {
    struct exchange exchange;
    const ProtobufCMessageDescriptor *type;
    json_t *(*show)(const ProtobufCMessage *reply, bool verbose);
    bool verbose;
};

static void on_answer(void *self, const struct bus_answer *answer)
{
    struct asking *asking = self;
    struct exchange *x = &asking->exchange;
    ProtobufCMessage *reply = NULL;
    if (answer->err.code == ERR_TIMEOUT)
        reply_text(x, 503, "The offer-broker does not answer");
    else if (answer->err.code != ERR_NONE)
        reply_text(x, reply_status_of(&answer->err), "%s", answer->err.text);
    else if (!(reply =
                   wire_decode(asking->type, answer->body, answer->len, NULL)))
        reply_text(x, 500, "The offer-broker's answer is unreadable");
    else
        reply_json(x, 200, asking->show(reply, asking->verbose));
    wire_free(&reply);
    free(asking);
}

static void ask(struct exchange *x, const char *route,
                const ProtobufCMessage *request, const struct asking *how)
{
    struct gateway *g = x->gateway;
    const char *verbose = httpd_query(x->request, "verbose");
    struct asking *asking = xcalloc(1, sizeof *asking);
    *asking = *how;
    asking->verbose = verbose && !str_eq(verbose, "false");
    asking->exchange = *x;
    asking->exchange.view = (struct view){0}; /* ends with the handler */
    x->request = NULL;
    bus_client_call(g->broker, route, NULL, request,
                    service_int(g->service, "command-timeout-ms"), on_answer,
                    asking);
}

static json_t *show_offers(const ProtobufCMessage *reply, bool verbose)
{
    (void)verbose;
    return debug_json_offers((const Reeve__OffersReply *)reply);
}

void debug_offers(struct exchange *x)
{
    Reeve__OffersRequest request = REEVE__OFFERS_REQUEST__INIT;
    request.service = (char *)x->view.service;
    ask(x, "broker.offers", &request.base,
        &(struct asking){.type = &reeve__offers_reply__descriptor,
                         .show = show_offers});
}

static json_t *show_reservations(const ProtobufCMessage *message, bool verbose)
{
    const Reeve__ReservationsReply *reply =
        (const Reeve__ReservationsReply *)message;
    return verbose ? debug_json_reservation_list(reply)
                   : debug_json_reservations(reply);
}

void debug_reservations(struct exchange *x)
{
    Reeve__ReservationsRequest request = REEVE__RESERVATIONS_REQUEST__INIT;
    request.service = (char *)x->view.service;
    ask(x, "broker.reservations", &request.base,
        &(struct asking){.type = &reeve__reservations_reply__descriptor,
                         .show = show_reservations});
}

static json_t *show_tasks(const ProtobufCMessage *reply, bool verbose)
{
    (void)verbose;
    return debug_json_tasks((const Reeve__TasksReply *)reply);
}

void debug_tasks(struct exchange *x)
{
    Reeve__TasksRequest request = REEVE__TASKS_REQUEST__INIT;
    request.service = (char *)x->view.service;
    ask(x, "broker.tasks", &request.base,
        &(struct asking){.type = &reeve__tasks_reply__descriptor,
                         .show = show_tasks});
}

/* ---- from the records alone ---- */
void debug_agents(struct exchange *x)
{
    reply_json(x, 200, debug_json_agents(&x->view));
}

void debug_explain(struct exchange *x)
{
    const char *pod = httpd_query(x->request, "pod");
    reply_json_or_404(x, explain_json(&x->view, pod && *pod ? pod : NULL),
                      "Pod", str_or_empty(pod));
}
