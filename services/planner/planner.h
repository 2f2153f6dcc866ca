/* SPDX-License-Identifier: Apache-2.0 */
/* planner - the running process: the copy of the store, the services it manages
 *
 * Private to this folder.  planner.c starts and stops and listens to the store,
 * act.c runs rounds and commits them, specs.c reads svc.yml files, routes.c
 * takes operators' requests.
 */
#ifndef REEVE_PLANNER_PLANNER_H
#define REEVE_PLANNER_PLANNER_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "lib/base/buf.h"
#include "lib/bus/bus.h"
#include "lib/bus/replica.h"
#include "lib/bus/store_client.h"
#include "lib/service/service.h"
#include "services/planner/facts.h"
#include "services/planner/target.h"

struct planner;

/* An operator's request that waits for its turn; answered exactly once. */
struct request {
    struct bus_call *call;
    ProtobufCMessage *command; /* PlanCommand or PodCommand */
    struct buf reply;          /* encoded, once decided */
    struct request *next;
};

/* One service under our care. */
struct managed {
    char *svc;
    struct planner *planner;
    struct facts *facts;
    struct intent *intent;    /* from --spec; NULL: none given for it */
    struct request *requests; /* in order; the first may be in flight */
    size_t n_requests;
    bool is_in_flight;      /* a transaction has no answer yet */
    bool carries_request;   /* ... and it is that of requests[0] */
    uint64_t wait_revision; /* decide no earlier than with these facts */
    uint64_t timer;         /* next look; 0: none */
    int64_t next_round_ms;  /* monotonic: rounds must not eat the CPU */
    int64_t next_plan_ms;   /* monotonic: large plans are not always written */
    UT_hash_handle hh;
};

/* A file given with --spec, as last read. */
struct spec_file {
    char *path;
    char *svc;   /* key of the service that it declares; NULL: unreadable */
    char *error; /* NULL: it was read */
};

struct planner {
    uint32_t magic;
    struct service *service;
    struct loop *loop;
    struct replica *replica;
    struct store_client *store;
    struct managed *managed; /* uthash by svc */
    struct spec_file *files;
    size_t n_files;
    bool is_settled; /* all changes up to a revision are in the facts */
    bool has_lease;
    bool was_settled; /* once at least */
    bool is_ending;
    char *lineage; /* of the store, as of the last settling */
};

extern const struct service_option planner_options[];
extern const struct bus_route planner_routes[];

int planner_start(struct service *service, void **self, struct err *err);
void planner_tick(void *self);
void planner_hangup(void *self);
void planner_stop(void *self);

/* Asserts the magic number. */
struct planner *planner_of(void *self);
/* May be decided and written now? */
bool planner_is_ready(const struct planner *planner);
/* NULL: unknown. */
struct managed *planner_find(const struct planner *planner, const char *svc);
struct managed *planner_get(struct planner *planner, const char *svc);
/* There is nothing this process could run: says why on stderr and ends. */
void planner_end(struct planner *planner, const struct err *err);

/* ---- act.c ---- */
/* Does what can be done now: the first waiting request, else a round. */
void act(struct managed *managed);
void act_forget(
    struct managed *managed); /* answers what waits, before the end */

/* ---- specs.c ---- */
/* Reads all files (again) and hands them to their services.  -1 with
 * ERR_INVALID when two files declare one service. */
int specs_read(struct planner *planner, struct err *err);
/* Once the store is known: files that could not be read become a fault of the
 * service they must belong to.  -1 with ERR_INVALID: there is none. */
int specs_settle(struct planner *planner, struct err *err);
void specs_report(struct planner *planner);
void specs_free(struct planner *planner);

#endif
