/* SPDX-License-Identifier: Apache-2.0 */
/* endpoints - the table of everything the API answers, and its handlers
 *
 * docs/api.md describes them; the paths under /v1/plan, /v1/recovery and
 * /v1/state/tasks are the early SDK's, the others the later SDK's.  Each path
 * also exists below /v1/service/<name>/.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/id.h"
#include "lib/bus/bus.h"
#include "lib/httpd/httpd.h"
#include "lib/wire/wire.h"
#include "proto/planner.pb-c.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/health.h"
#include "services/api-gateway/plan_json.h"
#include "services/api-gateway/reply.h"
#include "services/api-gateway/task_json.h"

#define PLAN_VERB(name) REEVE__PLAN_COMMAND__VERB__##name
#define POD_VERB(name)  REEVE__POD_COMMAND__VERB__##name

/* ---- plans ---- */

static void get_plans(struct exchange *x)
{
    AUTO_PLANS struct view_plans plans = view_plans(&x->view);
    json_t *names = json_array();
    for (size_t i = 0; i < plans.n; i++)
        json_array_append_new(names,
                              json_string(str_or_empty(plans.items[i]->name)));
    reply_json(x, 200, names);
}

static void show_plan(struct exchange *x, const char *name, bool with_blocks)
{
    AUTO_MESSAGE Reeve__Plan *plan = view_plan(&x->view, name);
    if (plan)
        reply_json(x, plan_http_status(plan), plan_json(plan, with_blocks));
    else
        reply_text(x, 404, "Plan %s not found", name);
}

static void get_plan(struct exchange *x)
{
    show_plan(x, x->params.text[0], false);
}

static void get_deploy(struct exchange *x)
{
    show_plan(x, "deploy", true);
}

static void get_deploy_status(struct exchange *x)
{
    AUTO_MESSAGE Reeve__Plan *plan = view_plan(&x->view, "deploy");
    if (plan)
        reply_json(x, 200, plan_currently_active(plan));
    else
        reply_text(x, 404, "Plan deploy not found");
}

static void do_plan(struct exchange *x, int verb)
{
    command_plan(x, verb,
                 &(struct command_target){x->params.text[0],
                                          httpd_query(x->request, "phase"),
                                          httpd_query(x->request, "step")});
}

/* The seed's paths: plan deploy; `block` is `step`. */
static void do_deploy(struct exchange *x, int verb)
{
    const char *step = httpd_query(x->request, "block");
    if (!step)
        step = httpd_query(x->request, "step");
    command_plan(x, verb,
                 &(struct command_target){
                     "deploy", httpd_query(x->request, "phase"), step});
}

/* ---- state
 * ---------------------------------------------------------------------------
 */

static bool is_permanent(void *self, const char *task_name)
{
    AUTO_TASKS struct view_tasks task = view_task(self, task_name);
    return task.n && task.items[0].record->permanently_failed;
}

static void get_recovery(struct exchange *x)
{
    AUTO_MESSAGE Reeve__Plan *plan = view_plan(&x->view, "recovery");
    reply_json(x, 200, plan_recovery(plan, is_permanent, &x->view));
}

static void get_framework_id(struct exchange *x)
{
    AUTO_MESSAGE Reeve__Framework *framework = view_framework(&x->view);
    if (framework && framework->framework_id)
        reply_json(x, 200, json_pack("[s]", framework->framework_id));
    else
        reply_text(x, 404, "No framework id yet: not registered with Mesos");
}

static void get_tasks(struct exchange *x)
{
    AUTO_TASKS struct view_tasks tasks = view_tasks(&x->view, NULL);
    json_t *names = json_array();
    for (size_t i = 0; i < tasks.n; i++)
        json_array_append_new(
            names, json_string(str_or_empty(tasks.items[i].record->name)));
    reply_json(x, 200, names);
}

static void show_task(struct exchange *x,
                      json_t *(*show)(const struct view_task *task))
{
    AUTO_TASKS struct view_tasks task = view_task(&x->view, x->params.text[0]);
    reply_json_or_404(x, task.n ? show(&task.items[0]) : NULL, "Task",
                      x->params.text[0]);
}

static void get_task_info(struct exchange *x)
{
    show_task(x, task_json_info);
}

static void get_task_status(struct exchange *x)
{
    show_task(x, task_json_status);
}

static void get_task_connection(struct exchange *x)
{
    AUTO_TASKS struct view_tasks task = view_task(&x->view, x->params.text[0]);
    reply_json_or_404(
        x, task.n ? task_json_connection(&x->view, &task.items[0]) : NULL,
        "Task", x->params.text[0]);
}

static void add_name(void *arg, const char *name)
{
    json_array_append_new(arg, json_string(name));
}

static void get_properties(struct exchange *x)
{
    json_t *names = json_array();
    view_each_name(&x->view, "property", add_name, names);
    reply_json(x, 200, names);
}

static void get_property(struct exchange *x)
{
    struct replica_item item;
    if (!view_property(&x->view, x->params.text[0], &item)) {
        reply_text(x, 404, "Property %s not found", x->params.text[0]);
        return;
    }
    httpd_reply(x->request, 200, "application/json", item.value, item.len,
                NULL);
    x->request = NULL;
    x->gateway->requests++;
}

/* ---- configurations ---- */

/* What tasks fetch when they start; also of configurations that are not the
 * target any more. */
static void get_template(struct exchange *x)
{
    const char *const path[] = {x->params.text[1], x->params.text[2],
                                x->params.text[3]};
    uint8_t bytes[16];
    AUTO_MESSAGE Reeve__Config *config =
        view_config(&x->view, x->params.text[0]);
    const char *what = "Configuration", *name = x->params.text[0];
    const Reeve__ConfigTemplate *template =
        config ? view_template(config, path, &what, &name) : NULL;

    if (!uuid_parse(x->params.text[0], bytes))
        reply_text(x, 400, "%s is not a UUID", x->params.text[0]);
    else if (template)
        reply_raw(x, "text/plain", template->content.data,
                  template->content.len);
    else
        reply_text(x, 404, "%s %s not found", what, name);
}

static void get_configurations(struct exchange *x)
{
    json_t *ids = json_array();
    view_each_name(&x->view, "config", add_name, ids);
    reply_json(x, 200, ids);
}

static void show_configuration(struct exchange *x, const char *id)
{
    AUTO_MESSAGE Reeve__Config *config = view_config(&x->view, id);
    reply_json_or_404(
        x, config && config->spec ? task_json_spec(config->spec) : NULL,
        "Configuration", id);
}

static void get_configuration(struct exchange *x)
{
    uint8_t bytes[16];
    if (!uuid_parse(x->params.text[0], bytes))
        reply_text(x, 400, "%s is not a UUID", x->params.text[0]);
    else
        show_configuration(x, x->params.text[0]);
}

static void get_target_id(struct exchange *x)
{
    AUTO_MESSAGE Reeve__Target *target = view_target(&x->view);
    if (target && target->config_id)
        reply_json(x, 200, json_pack("[s]", target->config_id));
    else
        reply_text(x, 404, "Target configuration not found");
}

static void get_target(struct exchange *x)
{
    AUTO_MESSAGE Reeve__Target *target = view_target(&x->view);
    show_configuration(x, target ? str_or_empty(target->config_id) : "target");
}

/* ---- pods and endpoints ---- */

static void get_pods(struct exchange *x)
{
    reply_json(x, 200, task_json_pods(&x->view));
}

static void get_pods_status(struct exchange *x)
{
    reply_json(x, 200, task_json_statuses(&x->view));
}

static void get_pod_status(struct exchange *x)
{
    reply_json_or_404(x, task_json_pod_status(&x->view, x->params.text[0]),
                      "Pod", x->params.text[0]);
}

static void get_pod_info(struct exchange *x)
{
    reply_json_or_404(x, task_json_pod_info(&x->view, x->params.text[0]), "Pod",
                      x->params.text[0]);
}

static void get_endpoints(struct exchange *x)
{
    reply_json(x, 200, task_json_endpoints(&x->view));
}

static void get_endpoint(struct exchange *x)
{
    reply_json_or_404(x, task_json_endpoint(&x->view, x->params.text[0]),
                      "Endpoint", x->params.text[0]);
}

/* ---- health
 * --------------------------------------------------------------------------------
 */

static void get_health(struct exchange *x)
{
    AUTO_PLANS struct view_plans plans = view_plans(&x->view);
    AUTO_MESSAGE Reeve__Framework *framework = view_framework(&x->view);
    struct health_facts facts = {
        .has_framework_id = framework && framework->framework_id,
        .framework_error = framework ? framework->error : NULL,
        .hindrance = framework ? framework->hindrance : NULL,
        .plans = &plans,
    };
    int code = health_code(&facts);
    json_t *body = json_pack("{s:i}", "value", code);
    const char *verbose = httpd_query(x->request, "verbose");
    if (verbose && !str_eq(verbose, "false"))
        json_object_set_new(body, "reasons", health_reasons(&facts));
    reply_json(x, code, body);
}

/* ---- the table
 * ---------------------------------------------------------------------------------
 */

struct endpoint_route {
    const char *method, *pattern;
    void (*get)(struct exchange *x);
    void (*verb)(struct exchange *x, int verb); /* with `number` */
    int number;
};

static const struct endpoint_route endpoint_routes[] = {
    {"GET", "/v1/plan/status", get_deploy_status, NULL, 0},
    {"GET", "/v1/plan", get_deploy, NULL, 0},
    {"POST", "/v1/plan/interrupt", NULL, do_deploy, PLAN_VERB(INTERRUPT)},
    {"POST", "/v1/plan/continue", NULL, do_deploy, PLAN_VERB(CONTINUE)},
    {"POST", "/v1/plan/forceComplete", NULL, do_deploy,
     PLAN_VERB(FORCE_COMPLETE)},
    {"POST", "/v1/plan/restart", NULL, do_deploy, PLAN_VERB(RESTART)},
    {"GET", "/v1/plans", get_plans, NULL, 0},
    {"GET", "/v1/plans/{}", get_plan, NULL, 0},
    {"POST", "/v1/plans/{}/start", NULL, do_plan, PLAN_VERB(START)},
    {"POST", "/v1/plans/{}/stop", NULL, do_plan, PLAN_VERB(STOP)},
    {"POST", "/v1/plans/{}/interrupt", NULL, do_plan, PLAN_VERB(INTERRUPT)},
    {"POST", "/v1/plans/{}/continue", NULL, do_plan, PLAN_VERB(CONTINUE)},
    {"POST", "/v1/plans/{}/forceComplete", NULL, do_plan,
     PLAN_VERB(FORCE_COMPLETE)},
    {"POST", "/v1/plans/{}/restart", NULL, do_plan, PLAN_VERB(RESTART)},
    {"GET", "/v1/recovery", get_recovery, NULL, 0},
    {"GET", "/v1/pod", get_pods, NULL, 0},
    {"GET", "/v1/pod/status", get_pods_status, NULL, 0},
    {"GET", "/v1/pod/{}/status", get_pod_status, NULL, 0},
    {"GET", "/v1/pod/{}/info", get_pod_info, NULL, 0},
    {"POST", "/v1/pod/{}/restart", NULL, command_pod, POD_VERB(RESTART)},
    {"POST", "/v1/pod/{}/replace", NULL, command_pod, POD_VERB(REPLACE)},
    {"POST", "/v1/pod/{}/pause", NULL, command_pod, POD_VERB(PAUSE)},
    {"POST", "/v1/pod/{}/resume", NULL, command_pod, POD_VERB(RESUME)},
    {"GET", "/v1/endpoints", get_endpoints, NULL, 0},
    {"GET", "/v1/endpoints/{}", get_endpoint, NULL, 0},
    {"GET", "/v1/configurations", get_configurations, NULL, 0},
    {"GET", "/v1/configurations/targetId", get_target_id, NULL, 0},
    {"GET", "/v1/configurations/target", get_target, NULL, 0},
    {"GET", "/v1/configurations/{}", get_configuration, NULL, 0},
    {"GET", "/v1/artifacts/template/{}/{}/{}/{}", get_template, NULL, 0},
    {"GET", "/v1/state/frameworkId", get_framework_id, NULL, 0},
    {"POST", "/v1/state/newFramework", command_new_framework, NULL, 0},
    {"POST", "/v1/state/ignoreForeign", command_ignore_foreign, NULL, 0},
    {"GET", "/v1/state/tasks", get_tasks, NULL, 0},
    {"GET", "/v1/state/tasks/info/{}", get_task_info, NULL, 0},
    {"GET", "/v1/state/tasks/status/{}", get_task_status, NULL, 0},
    {"GET", "/v1/state/tasks/connection/{}", get_task_connection, NULL, 0},
    {"GET", "/v1/tasks", get_tasks, NULL, 0},
    {"GET", "/v1/tasks/info/{}", get_task_info, NULL, 0},
    {"GET", "/v1/tasks/status/{}", get_task_status, NULL, 0},
    {"GET", "/v1/tasks/connection/{}", get_task_connection, NULL, 0},
    {"GET", "/v1/state/properties", get_properties, NULL, 0},
    {"GET", "/v1/state/properties/{}", get_property, NULL, 0},
    {"GET", "/v1/debug/offers", debug_offers, NULL, 0},
    {"GET", "/v2/debug/offers", debug_offers, NULL, 0},
    {"GET", "/v1/debug/reservations", debug_reservations, NULL, 0},
    {"POST", "/v1/debug/reservations/release", command_release, NULL, 0},
    {"GET", "/v1/debug/tasks", debug_tasks, NULL, 0},
    {"POST", "/v1/debug/tasks/{}/kill", command_kill_unknown, NULL, 0},
    {"GET", "/v1/debug/agents", debug_agents, NULL, 0},
    {"GET", "/v1/debug/explain", debug_explain, NULL, 0},
    {"GET", "/v1/health", get_health, NULL, 0},
    {"GET", "/v1/suite/health", peers_health, NULL, 0},
};

static const struct endpoint_route *find_route(const char *method,
                                               const char *path,
                                               struct router_params *params,
                                               bool *path_known)
{
    bool head = str_eq(method, "HEAD");
    for (size_t i = 0; i < ARRAY_LEN(endpoint_routes); i++) {
        const struct endpoint_route *r = &endpoint_routes[i];
        if (!router_match(r->pattern, path, params))
            continue;
        *path_known = true;
        if (str_eq(method, r->method) || (head && str_eq(r->method, "GET")))
            return r;
    }
    return NULL;
}

/* Those whose answers rest on the path and the state alone (no parameters, no
 * clock, no other process) and cost something to make. */
static bool may_be_kept(const struct endpoint_route *route)
{
    static void (*const handlers[])(struct exchange *) = {
        get_plans,         get_plan,     get_deploy,    get_deploy_status,
        get_pods,          get_tasks,    get_recovery,  get_pods_status,
        get_pod_status,    get_pod_info, get_endpoints, get_endpoint,
        get_configuration, get_target,
    };
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (route->get == handlers[i])
            return true;
    return false;
}

static void serve(struct exchange *x, const struct endpoint_route *route)
{
    if (route->get)
        route->get(x);
    else
        route->verb(x, route->number);
}

void endpoints_handle(void *self, struct httpd_request *request)
{
    struct exchange x = {.gateway = self, .request = request};
    struct gateway *g = self;
    char name[300], path[1024];
    bool path_known = false;
    const struct endpoint_route *route = NULL;
    if (router_split_service(httpd_path(request), name, sizeof name, path,
                             sizeof path))
        route = find_route(httpd_method(request), path, &x.params, &path_known);
    if (!route) {
        reply_text(&x, path_known ? 405 : 404, "%s %s: %s",
                   httpd_method(request), httpd_path(request),
                   path_known ? "method not allowed" : "not found");
        return;
    }
    if (route->get == peers_health) {
        peers_health(&x);
        return;
    }
    if (!g->was_alive) {
        reply_text(&x, 503, "Not ready: no snapshot of the state yet");
        return;
    }
    if (may_be_kept(route)) {
        x.kept_as = httpd_path(request);
        if (reply_kept(&x))
            return;
    }
    struct err err = {0};
    AUTO_FREE char *service =
        view_pick_service(&g->source, *name ? name : NULL, &err);
    if (!service) {
        /* Nothing deployed yet is a state, not a wrong address. */
        bool early = err.code == ERR_NOT_FOUND && !*name;
        reply_text(&x, early ? 503 : reply_status_of(&err), "%s", err.text);
        return;
    }
    x.view = (struct view){g->source, service};
    serve(&x, route);
}
