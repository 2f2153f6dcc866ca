/* SPDX-License-Identifier: Apache-2.0 */
/* gateway - the process's own state; private to this folder */
#ifndef REEVE_API_GATEWAY_GATEWAY_H
#define REEVE_API_GATEWAY_GATEWAY_H

#include <stdint.h>

#include "lib/service/service.h"
#include "services/api-gateway/router.h"
#include "services/api-gateway/view.h"

struct bus_client;
struct kept;
struct httpd;
struct httpd_request;

struct gateway {
    struct service *service;
    struct httpd *httpd;
    struct replica *replica;        /* what it knows */
    struct bus_client *planner;     /* operator commands go there */
    struct bus_client *broker;      /* those about the framework */
    struct bus_client *store, *own; /* asked for their health */
    struct view_source source;      /* over replica */
    bool was_alive;                 /* a first snapshot was taken */
    struct kept *kept;              /* answers made from the state of now */
    uint64_t requests, errors;      /* answered; of these 5xx */
};

extern const struct service_option gateway_options[];

int gateway_start(struct service *service, void **self, struct err *err);
void gateway_tick(void *self);
void gateway_stop(void *self);

/* One HTTP exchange on its way to a handler. */
struct exchange {
    struct gateway *gateway;
    struct httpd_request *request;
    struct view view; /* of the service meant */
    struct router_params params;
    const char *kept_as; /* its answer may be kept, under this; or NULL */
};

/* Finds the handler and calls it; answers every error itself. */
void endpoints_handle(void *self, struct httpd_request *request);

/* Sends a verb to the planner and answers when it does (commands.c). */
struct command_target {
    const char *plan, *phase, *step; /* NULL: not given */
};
void command_plan(struct exchange *x, int verb,
                  const struct command_target *target);
void command_pod(struct exchange *x, int verb);
/* Orders to the broker, with ?confirm=<framework id>. */
void command_new_framework(struct exchange *x);
void command_ignore_foreign(struct exchange *x);
/* Orders to the broker about what no record names. */
void command_release(struct exchange *x);
void command_kill_unknown(struct exchange *x);

/* How the suite's own processes fare (peers.c); needs no view. */
void peers_health(struct exchange *x);

/* debug.c: what the broker knows, and why something does not run. */
void debug_offers(struct exchange *x);
void debug_reservations(struct exchange *x);
void debug_tasks(struct exchange *x);
void debug_agents(struct exchange *x);
void debug_explain(struct exchange *x);

#endif
