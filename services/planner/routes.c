/* SPDX-License-Identifier: Apache-2.0 */
/* routes - operators' requests: decoded, checked, put in line */
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"
#include "proto/planner.pb-c.h"
#include "services/planner/planner.h"

enum { MAX_REQUESTS = 256 }; /* waiting for one service */

/* The service that is meant; unset means the only one. */
static struct managed *find_service(struct planner *p, const char *svc,
                                    struct err *err)
{
    if (!planner_is_ready(p)) {
        err_set(err, ERR_UNAVAILABLE, "the planner has no %s yet; try again",
                replica_is_alive(p->replica) ? "lease" : "state-store");
        return NULL;
    }
    if (svc && *svc) {
        struct managed *managed = planner_find(p, svc);
        if (!managed)
            err_set(err, ERR_NOT_FOUND, "Service %s not found", svc);
        return managed;
    }
    if (HASH_COUNT(p->managed) == 1)
        return p->managed;
    err_set(err, p->managed ? ERR_INVALID : ERR_NOT_FOUND,
            p->managed ? "there are several services: name one"
                       : "there is no service");
    return NULL;
}

/* Takes *command. */
static void add_request(struct managed *managed, struct bus_call *call,
                        ProtobufCMessage **command)
{
    struct request *request = xcalloc(1, sizeof *request);
    request->call = call;
    request->command = MOVE(*command);
    struct request **last = &managed->requests;
    while (*last)
        last = &(*last)->next;
    *last = request;
    managed->n_requests++;
    act(managed);
}

static int on_command(struct planner *p, struct bus_call *call,
                      ProtobufCMessage **command, const char *svc,
                      struct err *err)
{
    struct managed *managed = find_service(p, svc, err);
    if (managed && managed->n_requests >= MAX_REQUESTS)
        err_set(err, ERR_FULL, "%u requests wait already", MAX_REQUESTS);
    if (!managed || managed->n_requests >= MAX_REQUESTS) {
        wire_free(command);
        return -1;
    }
    add_request(managed, call, command);
    return 0;
}

static int on_plan_command(void *self, struct bus_call *call, struct err *err)
{
    ProtobufCMessage *message =
        bus_call_decode(call, &reeve__plan_command__descriptor, err);
    if (!message)
        return -1;
    const Reeve__PlanCommand *command = (const Reeve__PlanCommand *)message;
    AUTO_FREE char *svc = xstrdup(command->service);
    return on_command(planner_of(self), call, &message, svc, err);
}

static int on_pod_command(void *self, struct bus_call *call, struct err *err)
{
    ProtobufCMessage *message =
        bus_call_decode(call, &reeve__pod_command__descriptor, err);
    if (!message)
        return -1;
    const Reeve__PodCommand *command = (const Reeve__PodCommand *)message;
    AUTO_FREE char *svc = xstrdup(command->service);
    return on_command(planner_of(self), call, &message, svc, err);
}

const struct bus_route planner_routes[] = {
    {"planner.command", on_plan_command},
    {"planner.pod", on_pod_command},
    {NULL, NULL},
};
