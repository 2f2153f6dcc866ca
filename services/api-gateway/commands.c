/* SPDX-License-Identifier: Apache-2.0 */
/* commands - operator verbs: HTTP in, a request to the planner or the
 * broker, HTTP out
 *
 * The HTTP request waits, bounded by --command-timeout-ms, for the planner's
 * reply; the planner answers after the decision is durable.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/httpd/httpd.h"
#include "lib/wire/wire.h"
#include "proto/broker.pb-c.h"
#include "proto/planner.pb-c.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/reply.h"

struct pending {
    struct exchange exchange;
};

static struct pending *pend(struct exchange *x)
{
    struct pending *p = xcalloc(1, sizeof *p);
    p->exchange = *x;
    p->exchange.view = (struct view){0}; /* it does not outlive the handler */
    x->request = NULL;
    return p;
}

/* true: it was an error and has been answered. */
static bool answered_error(struct pending *p, const struct bus_answer *answer)
{
    if (answer->err.code == ERR_NONE)
        return false;
    struct exchange *x = &p->exchange;
    if (answer->err.code == ERR_NOOP)
        reply_text(x, 208, "Command has already been reported or completed");
    else if (answer->err.code == ERR_TIMEOUT)
        reply_text(x, 503,
                   "No answer in time; the command may still take effect");
    else
        reply_text(x, reply_status_of(&answer->err), "%s", answer->err.text);
    return true;
}

static void on_plan_reply(void *self, const struct bus_answer *answer)
{
    struct pending *p = self;
    if (!answered_error(p, answer)) {
        AUTO_MESSAGE Reeve__PlanCommandReply *reply = WIRE_DECODE(
            reeve__plan_command_reply, answer->body, answer->len, NULL);
        if (reply)
            reply_message(&p->exchange, str_or_empty(reply->message));
        else
            reply_text(&p->exchange, 500, "The planner's answer is unreadable");
    }
    free(p);
}

/* Names that may be variables: [A-Za-z_][A-Za-z0-9_]*. */
static bool is_variable_name(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char all[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    return *name && strchr(letters, *name) && strspn(name, all) == strlen(name);
}

/* Parameters of `start` from the body; a missing body means none.  -1: the
 * request has been answered. */
static int read_parameters(struct exchange *x, json_t **out)
{
    size_t len;
    const char *body = httpd_body(x->request, &len);
    *out = json_object();
    if (len == 0)
        return 0;
    json_error_t why;
    json_t *parsed = json_loadb(body, len, 0, &why);
    if (!json_is_object(parsed)) {
        json_decref(parsed);
        json_decref(*out);
        *out = NULL;
        reply_text(x, 400, "Couldn't parse parameters: %s",
                   parsed ? "not a JSON object" : why.text);
        return -1;
    }
    json_decref(*out);
    *out = parsed;
    const char *name;
    json_t *value;
    json_object_foreach(parsed, name, value)
    {
        const char *fault =
            !is_variable_name(name) ? "is not a valid environment variable name"
            : !json_is_string(value) ? "has a value that is not a string"
                                     : NULL;
        if (!fault)
            continue;
        reply_text(x, 400, "Couldn't parse parameters: %s %s", name, fault);
        json_decref(parsed);
        *out = NULL;
        return -1;
    }
    return 0;
}

static void send_plan(struct exchange *x, Reeve__PlanCommand *command)
{
    struct gateway *g = x->gateway;
    bus_client_call(g->planner, "planner.command", NULL, &command->base,
                    service_int(g->service, "command-timeout-ms"),
                    on_plan_reply, pend(x));
}

static void send_start(struct exchange *x, Reeve__PlanCommand *command)
{
    json_t *parameters;
    if (read_parameters(x, &parameters) < 0)
        return;
    size_t n = json_object_size(parameters), i = 0;
    Reeve__PlanCommand__Parameter *items = xcalloc(n, sizeof *items);
    Reeve__PlanCommand__Parameter **list = xcalloc(n, sizeof *list);
    const char *name;
    json_t *value;
    json_object_foreach(parameters, name, value)
    {
        reeve__plan_command__parameter__init(&items[i]);
        items[i].name = (char *)name;
        items[i].value = (char *)json_string_value(value);
        list[i] = &items[i];
        i++;
    }
    command->parameters = list;
    command->n_parameters = n;
    send_plan(x, command);
    free(list);
    free(items);
    json_decref(parameters);
}

void command_plan(struct exchange *x, int verb,
                  const struct command_target *target)
{
    Reeve__PlanCommand command = REEVE__PLAN_COMMAND__INIT;
    command.service = (char *)x->view.service;
    command.plan = (char *)target->plan;
    command.has_verb = 1;
    command.verb = (Reeve__PlanCommand__Verb)verb;
    command.phase = (char *)target->phase;
    command.step = (char *)target->step;
    if (target->step && !target->phase)
        reply_text(x, 400, "Missing phase");
    else if (verb == REEVE__PLAN_COMMAND__VERB__START)
        send_start(x, &command);
    else
        send_plan(x, &command);
}

static void on_pod_reply(void *self, const struct bus_answer *answer)
{
    struct pending *p = self;
    if (!answered_error(p, answer)) {
        AUTO_MESSAGE Reeve__PodCommandReply *reply = WIRE_DECODE(
            reeve__pod_command_reply, answer->body, answer->len, NULL);
        json_t *tasks = json_array();
        for (size_t i = 0; reply && i < reply->n_tasks; i++)
            json_array_append_new(tasks, json_string(reply->tasks[i]));
        reply_json(&p->exchange, reply ? 200 : 500,
                   json_pack("{s:s, s:o}", "pod",
                             reply ? str_or_empty(reply->pod) : "", "tasks",
                             tasks));
    }
    free(p);
}

/* The body: a JSON list of texts (`what`), empty when there is none.  -1: the
 * request has been answered. */
static int read_list(struct exchange *x, const char *what, json_t **out)
{
    size_t len;
    const char *body = httpd_body(x->request, &len);
    *out = len ? json_loadb(body, len, 0, NULL) : json_array();
    bool good = json_is_array(*out);
    for (size_t i = 0; good && i < json_array_size(*out); i++)
        good = json_is_string(json_array_get(*out, i));
    if (good)
        return 0;
    json_decref(*out);
    *out = NULL;
    reply_text(x, 400, "The body must be a JSON list of %s", what);
    return -1;
}

void command_pod(struct exchange *x, int verb)
{
    json_t *names;
    if (read_list(x, "task names", &names) < 0)
        return;
    Reeve__PodCommand command = REEVE__POD_COMMAND__INIT;
    command.service = (char *)x->view.service;
    command.pod = x->params.text[0];
    command.has_verb = 1;
    command.verb = (Reeve__PodCommand__Verb)verb;
    command.n_tasks = json_array_size(names);
    command.tasks = xcalloc(command.n_tasks, sizeof *command.tasks);
    for (size_t i = 0; i < command.n_tasks; i++)
        command.tasks[i] = (char *)json_string_value(json_array_get(names, i));
    struct gateway *g = x->gateway;
    struct pending *p = pend(x);
    bus_client_call(g->planner, "planner.pod", NULL, &command.base,
                    service_int(g->service, "command-timeout-ms"), on_pod_reply,
                    p);
    free(command.tasks);
    json_decref(names);
}

/* ---- orders to the broker ----------------------------------------- */
static void on_new_framework(void *self, const struct bus_answer *answer)
{
    struct pending *p = self;
    if (!answered_error(p, answer))
        reply_message(&p->exchange,
                      "The framework id was given up; a new one follows");
    free(p);
}

static void on_ignore_foreign(void *self, const struct bus_answer *answer)
{
    struct pending *p = self;
    if (!answered_error(p, answer))
        reply_message(&p->exchange,
                      "Reservations that no record names are left alone; new "
                      "pods are launched");
    free(p);
}

/* The framework id given as ?confirm=; NULL: the request has been answered. */
static char *confirmation(struct exchange *x)
{
    const char *confirm = httpd_query(x->request, "confirm");
    if (!confirm || !*confirm)
        reply_text(x, 400, "Missing confirm=<framework id>");
    return confirm && *confirm ? (char *)confirm : NULL;
}

void command_new_framework(struct exchange *x)
{
    Reeve__NewFrameworkRequest request = REEVE__NEW_FRAMEWORK_REQUEST__INIT;
    struct gateway *g = x->gateway;
    request.service = (char *)x->view.service;
    request.confirm = confirmation(x);
    if (!request.confirm)
        return;
    request.has_force = 1;
    request.force = str_eq(httpd_query(x->request, "force"), "true");
    bus_client_call(g->broker, "broker.new_framework", NULL, &request.base,
                    service_int(g->service, "command-timeout-ms"),
                    on_new_framework, pend(x));
}

void command_ignore_foreign(struct exchange *x)
{
    Reeve__IgnoreForeignRequest request = REEVE__IGNORE_FOREIGN_REQUEST__INIT;
    struct gateway *g = x->gateway;
    request.service = (char *)x->view.service;
    request.confirm = confirmation(x);
    if (!request.confirm)
        return;
    bus_client_call(g->broker, "broker.ignore_foreign", NULL, &request.base,
                    service_int(g->service, "command-timeout-ms"),
                    on_ignore_foreign, pend(x));
}

/* ---- what no record names ------------------------------------------ */
static void on_release(void *self, const struct bus_answer *answer)
{
    struct pending *p = self;
    if (!answered_error(p, answer)) {
        AUTO_MESSAGE Reeve__ReleaseReply *reply =
            WIRE_DECODE(reeve__release_reply, answer->body, answer->len, NULL);
        json_t *ids = json_array();
        for (size_t i = 0; reply && i < reply->n_resource_ids; i++)
            json_array_append_new(ids, json_string(reply->resource_ids[i]));
        reply_json(&p->exchange, reply ? 200 : 500,
                   json_pack("{s:o}", "released", ids));
    }
    free(p);
}

void command_release(struct exchange *x)
{
    Reeve__ReleaseRequest request = REEVE__RELEASE_REQUEST__INIT;
    struct gateway *g = x->gateway;
    json_t *ids;
    if (read_list(x, "resource ids", &ids) < 0)
        return;
    request.service = (char *)x->view.service;
    request.n_resource_ids = json_array_size(ids);
    request.resource_ids =
        xcalloc(request.n_resource_ids, sizeof *request.resource_ids);
    for (size_t i = 0; i < request.n_resource_ids; i++)
        request.resource_ids[i] =
            (char *)json_string_value(json_array_get(ids, i));
    bus_client_call(g->broker, "broker.release", NULL, &request.base,
                    service_int(g->service, "command-timeout-ms"), on_release,
                    pend(x));
    free(request.resource_ids);
    json_decref(ids);
}

static void on_kill_unknown(void *self, const struct bus_answer *answer)
{
    struct pending *p = self;
    if (!answered_error(p, answer))
        reply_message(&p->exchange, "The task is killed until it is dead");
    free(p);
}

void command_kill_unknown(struct exchange *x)
{
    Reeve__KillUnknownRequest request = REEVE__KILL_UNKNOWN_REQUEST__INIT;
    struct gateway *g = x->gateway;
    request.service = (char *)x->view.service;
    request.task_id = x->params.text[0];
    bus_client_call(g->broker, "broker.kill_unknown", NULL, &request.base,
                    service_int(g->service, "command-timeout-ms"),
                    on_kill_unknown, pend(x));
}
