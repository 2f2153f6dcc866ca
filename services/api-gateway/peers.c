/* SPDX-License-Identifier: Apache-2.0 */
/* peers - asks every process of the suite how it fares
 *
 * All at once; a peer that is silent costs PATIENCE_MS and is told as such.
 * Answered also while nothing is deployed or the store is away: this is where
 * an operator looks then.
 */
#include "services/api-gateway/peers.h"

#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/reply.h"

enum { PATIENCE_MS = 3000 };

struct asking {
    struct exchange exchange;
    struct peer_health peers[PEERS_COUNT];
    size_t outstanding;
};
/* One call of several. */
struct call {
    struct asking *asking;
    struct peer_health *peer;
};

static void finish(struct asking *asking)
{
    reply_json(&asking->exchange, 200, peers_json(asking->peers, PEERS_COUNT));
    for (size_t i = 0; i < PEERS_COUNT; i++)
        if (asking->peers[i].reply)
            reeve__health_reply__free_unpacked(asking->peers[i].reply, NULL);
    free(asking);
}

static void on_answer(void *self, const struct bus_answer *answer)
{
    struct call *call = self;
    struct asking *asking = call->asking;
    struct peer_health *peer = call->peer;

    free(call);
    peer->err = answer->err;
    if (answer->err.code == ERR_NONE)
        peer->reply = WIRE_DECODE(reeve__health_reply, answer->body,
                                  answer->len, &peer->err);
    if (--asking->outstanding == 0)
        finish(asking);
}

void peers_health(struct exchange *x)
{
    struct gateway *g = x->gateway;
    Reeve__HealthRequest request = REEVE__HEALTH_REQUEST__INIT;
    struct bus_client *const clients[PEERS_COUNT] = {g->store, g->broker,
                                                     g->planner, g->own};
    static const char *const names[PEERS_COUNT] = {
        "state-store", "offer-broker", "planner", "api-gateway"};
    struct asking *asking = xcalloc(1, sizeof *asking);

    asking->exchange = *x;
    asking->exchange.view = (struct view){0}; /* ends with the handler */
    asking->outstanding = PEERS_COUNT;
    x->request = NULL;
    for (size_t i = 0; i < PEERS_COUNT; i++) {
        struct call *call = xcalloc(1, sizeof *call);
        asking->peers[i].name = names[i];
        *call = (struct call){asking, &asking->peers[i]};
        bus_client_call(clients[i], "service.health", NULL, &request.base,
                        PATIENCE_MS, on_answer, call);
    }
}
