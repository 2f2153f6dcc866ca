/* SPDX-License-Identifier: Apache-2.0 */
/* gateway - start and stop: replica, planner client, HTTP server */
#include "services/api-gateway/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/log.h"
#include "lib/bus/bus.h"
#include "lib/httpd/httpd.h"
#include "services/api-gateway/kept.h"

static bool source_get(void *self, const char *key, struct replica_item *out)
{
    return replica_get(self, key, out);
}

static void source_each(void *self, const char *prefix,
                        void (*fn)(void *arg, const struct replica_item *item),
                        void *arg)
{
    replica_each(self, prefix, fn, arg);
}

static void on_alive(void *self, bool is_alive)
{
    struct gateway *g = self;
    g->was_alive |= is_alive;
    service_health(g->service, "store", is_alive,
                   is_alive ? "the state-store's events arrive"
                            : "no word from the state-store for 5 s; answers "
                              "are as of then");
}

static int connect_bus(struct gateway *g, struct err *err)
{
    static const struct replica_events events = {.alive = on_alive};
    const struct {
        const char *option, *socket;
    } peers[] = {{"store", "state-store"},
                 {"store-feed", "state-store.pub"},
                 {"planner", "planner"},
                 {"broker", "offer-broker"},
                 {"endpoint", service_title(g->service)}};
    char *at[ARRAY_LEN(peers)] = {0};
    struct loop *loop = service_loop(g->service);
    size_t n = 0;
    while (n < ARRAY_LEN(peers) &&
           (at[n] = service_endpoint(g->service, peers[n].option,
                                     peers[n].socket, err)))
        n++;
    if (n == ARRAY_LEN(peers)) {
        g->replica =
            replica_new(loop, "api-gateway", at[0], at[1], "", &events, g);
        replica_pack_values(g->replica);
        g->planner = bus_client_new(loop, "api-gateway", at[2]);
        g->broker = bus_client_new(loop, "api-gateway", at[3]);
        g->store = bus_client_new(loop, "api-gateway", at[0]);
        g->own = bus_client_new(loop, "api-gateway", at[4]);
    }
    for (size_t i = 0; i < n; i++)
        free(at[i]);
    if (n < ARRAY_LEN(peers))
        return -1;
    g->source = (struct view_source){g->replica, source_get, source_each};
    return 0;
}

int gateway_start(struct service *service, void **self, struct err *err)
{
    struct gateway *g = xcalloc(1, sizeof *g);
    *self = g;
    g->service = service;
    g->kept = kept_new();
    service_health(service, "store", false, "no snapshot of the store yet");
    if (connect_bus(g, err) < 0)
        return EXIT_USAGE;
    struct httpd_config config = {
        .address = service_str(service, "address"),
        .port = (int)service_int(service, "port"),
    };
    g->httpd =
        httpd_new(service_loop(service), &config, endpoints_handle, g, err);
    if (!g->httpd)
        return err->code == ERR_EXISTS ? EXIT_IN_USE : EXIT_FAILED;
    log_info("listening", "address=%s port=%d", config.address,
             httpd_port(g->httpd));
    return EXIT_OK;
}

void gateway_tick(void *self)
{
    struct gateway *g = self;
    struct replica_stats stats;
    replica_stats(g->replica, &stats);
    service_gauge(g->service, "gateway.revision",
                  (double)replica_revision(g->replica),
                  "revision of the store that answers are made from");
    service_gauge(g->service, "gateway.gaps", (double)stats.gaps,
                  "times the event feed had a gap");
    service_gauge(g->service, "gateway.requests", (double)g->requests,
                  "HTTP requests answered");
    service_gauge(g->service, "gateway.errors", (double)g->errors,
                  "HTTP requests answered with 5xx");
}

void gateway_stop(void *self)
{
    struct gateway *g = self;
    if (!g)
        return;
    httpd_destroy(&g->httpd);
    bus_client_destroy(&g->planner);
    bus_client_destroy(&g->broker);
    bus_client_destroy(&g->store);
    bus_client_destroy(&g->own);
    replica_destroy(&g->replica);
    kept_destroy(&g->kept);
    free(g);
}
