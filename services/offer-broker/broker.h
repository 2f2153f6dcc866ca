/* SPDX-License-Identifier: Apache-2.0 */
/* broker - the process as a whole: options, lease, copy of the store, and one
 * session per service
 *
 * Private header of the doing files; pure files never see it.
 * Next: routes.c, session.h.
 */
#ifndef REEVE_OFFER_BROKER_BROKER_H
#define REEVE_OFFER_BROKER_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bus/replica.h"
#include "lib/bus/store_client.h"
#include "lib/http/http_client.h"
#include "lib/loop/loop.h"
#include "lib/service/service.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "services/offer-broker/ids.h"
#include "services/offer-broker/task_build.h"
#include "services/offer-broker/wants.h"

struct auth;
struct hooks;
struct session;
struct zk_leader;

struct broker {
    struct service *service;
    struct loop *loop;
    struct http_client *http;
    struct auth *auth;
    struct hooks *hooks;
    struct zk_leader *zk; /* NULL: masters are listed */
    char *leader;         /* URL as ZooKeeper told last; NULL: never */
    bool has_leader;      /* it holds now */
    struct store_client *store;
    struct replica *replica;
    struct session *sessions; /* hash by service key */
    struct id_source ids;
    bool has_lease;
    bool was_alive;     /* the replica was complete once */
    uint64_t decide_id; /* loop_soon under way; 0: none */
    unsigned next_lane;
    /* From the options. */
    const char *masters;
    struct build_config build;
    struct overhead overhead;
    double failover_timeout_s;
    const char *webui_url;
    char hostname[256];
    Mesos__V1__Labels *labels; /* of our frameworks; NULL: none */
    double refuse_s;
};

extern const struct service_option broker_options[];
extern const struct bus_route broker_routes[];

int broker_start(struct service *service, void **self, struct err *err);
void broker_tick(void *self);
void broker_stop(void *self);

/* operator.c, operator_orders.c: routes of what only an operator may say. */
int operator_new_framework(void *self, struct bus_call *call, struct err *err);
int operator_ignore_foreign(void *self, struct bus_call *call, struct err *err);
int operator_release(void *self, struct bus_call *call, struct err *err);
int operator_kill_unknown(void *self, struct bus_call *call, struct err *err);

/* debug.c: routes that only tell. */
int debug_offers(void *self, struct bus_call *call, struct err *err);
int debug_reservations(void *self, struct bus_call *call, struct err *err);
int debug_tasks(void *self, struct bus_call *call, struct err *err);

/* Decide soon: something changed.  Many calls become one. */
void broker_wake(struct broker *broker);
/* A write was refused because another holds the lease now. */
void broker_fenced(struct broker *broker);

#endif
