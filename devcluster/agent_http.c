/* SPDX-License-Identifier: Apache-2.0 */
/* agent_http - see agent_http.h; the files endpoints are in agent_files.c */
#include "devcluster/agent_http.h"

#include <stdlib.h>
#include <string.h>

#include "devcluster/agent.h"
#include "devcluster/agent_files.h"
#include "devcluster/http_rules.h"
#include "devcluster/json_view.h"
#include "devcluster/master.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/httpd/httpd.h"
#include "lib/loop/loop.h"

struct agent_http {
    struct httpd *httpd;
    struct agent *agent; /* NULL: down */
};

static void reply_json(struct httpd_request *request, json_t *json)
{
    char *text = json_dumps(json, VIEW_JSON);

    httpd_reply(request, 200, "application/json", str_or_empty(text),
                strlen(str_or_empty(text)), NULL);
    free(text);
    json_decref(json);
}

/* ---- /state ------------------------------------------------------------- */

/* The list item of that id under key; made when absent. */
static json_t *item_of(json_t *list, const char *id)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (str_eq(json_string_value(json_object_get(item, "id")), id))
            return item;
    }
    item = json_object();
    view_set_text(item, "id", id);
    json_array_append_new(list, item);
    return item;
}

static json_t *framework_of(json_t *list, const struct agent_task_view *view)
{
    json_t *item = item_of(list, view->framework_id), *roles;

    if (json_object_get(item, "executors"))
        return item;
    roles = json_array();
    if (view->framework) {
        view_set_text(item, "name", view->framework->name);
        view_set_text(item, "user", view->framework->user);
        view_set(item, "failover_timeout",
                 json_real(view->framework->failover_timeout));
        view_set(item, "checkpoint", json_boolean(view->framework->checkpoint));
        view_set_text(item, "hostname", view->framework->hostname);
        for (size_t i = 0; i < view->framework->n_roles; i++)
            json_array_append_new(roles,
                                  json_string(view->framework->roles[i]));
    }
    view_set(item, "roles", roles);
    view_set(item, "executors", json_array());
    view_set(item, "completed_executors", json_array());
    return item;
}

static json_t *executor_of(json_t *framework,
                           const struct agent_task_view *view)
{
    json_t *list = json_object_get(
        framework, view->executor_ended ? "completed_executors" : "executors");
    json_t *item = item_of(list, view->executor_id);
    AUTO(resources) struct resources *r = resources_new();

    if (json_object_get(item, "tasks"))
        return item;
    for (size_t i = 0; view->executor && i < view->executor->n_resources; i++)
        resources_add(r, view->executor->resources[i]);
    view_set_text(item, "name", view->executor ? view->executor->name : "");
    view_set_text(item, "source", "");
    view_set_text(item, "container", view->executor_container_id);
    view_set_text(item, "directory", view->executor_dir);
    view_set(item, "resources", view_resources(r));
    view_set(item, "tasks", json_array());
    view_set(item, "queued_tasks", json_array());
    view_set(item, "completed_tasks", json_array());
    return item;
}

static void add_task(void *self, const struct agent_task_view *view)
{
    json_t *executor = executor_of(framework_of(self, view), view);
    json_t *task = view_task(view->task);

    /* Ours: what a person looks for and a real agent does not say. */
    view_set_text(task, "sandbox", view->sandbox);
    view_set(task, "pid", json_integer(view->pid));
    json_array_append_new(json_object_get(executor, view->completed
                                                        ? "completed_tasks"
                                                        : "tasks"),
                          task);
}

static void show_state(struct agent_http *http, struct httpd_request *request)
{
    json_t *out = json_object(), *frameworks = json_array();
    AUTO(resources) struct resources *reserved = resources_new();
    Mesos__V1__Resource **list;
    size_t count = agent_checkpointed(http->agent, &list);

    for (size_t i = 0; i < count; i++)
        resources_add(reserved, list[i]);
    view_set_text(out, "version", MASTER_VERSION);
    view_set_text(out, "id", agent_id(http->agent));
    view_set_text(out, "work_dir", agent_work_dir(http->agent));
    view_set(out, "connected", json_boolean(agent_connected(http->agent)));
    view_set(out, "reserved_resources", view_by_role(reserved, view_resources));
    view_set(out, "reserved_resources_full", view_by_role(reserved, view_full));
    agent_each_task(http->agent, add_task, frameworks);
    view_set(out, "frameworks", frameworks);
    reply_json(request, out);
}

/* ---- the others --------------------------------------------------------- */

static void show_health(struct agent_http *http UNUSED,
                        struct httpd_request *request)
{
    httpd_reply(request, 200, NULL, "", 0, NULL);
}

static void show_version(struct agent_http *http UNUSED,
                         struct httpd_request *request)
{
    reply_json(request, json_pack("{s:s}", "version", MASTER_VERSION));
}

static void browse(struct agent_http *http, struct httpd_request *request)
{
    agent_files_browse(http->agent, request);
}

static void read_file(struct agent_http *http, struct httpd_request *request)
{
    agent_files_read(http->agent, request);
}

static void download(struct agent_http *http, struct httpd_request *request)
{
    agent_files_download(http->agent, request);
}

static const char *const routes[] = {"/health",     "/version",
                                     "/state",      "/files/browse",
                                     "/files/read", "/files/download"};
static void (*const handlers[])(struct agent_http *, struct httpd_request *) = {
    show_health, show_version, show_state, browse, read_file, download};
_Static_assert(ARRAY_LEN(routes) == ARRAY_LEN(handlers), "one each");

static void on_request(void *self, struct httpd_request *request)
{
    struct agent_http *http = self;
    const char *path = httpd_path(request);
    int route;

    if (str_starts(path, "/slave(1)/"))
        path += strlen("/slave(1)");
    route = http_route(routes, ARRAY_LEN(routes), path);
    if (route < 0)
        httpd_reply_text(request, 404, "404 Not Found.");
    else if (!http->agent)
        httpd_reply_text(request, 503, "this agent is down");
    else
        handlers[route](http, request);
}

/* ---- life --------------------------------------------------------------- */

struct agent_http *agent_http_new(struct loop *loop, const char *address,
                                  int port, struct err *err)
{
    struct agent_http *http = xcalloc(1, sizeof *http);
    struct httpd_config config = {.address = address, .port = port};

    http->httpd = httpd_new(loop, &config, on_request, http, err);
    if (!http->httpd && port) {
        config.port = 0;
        http->httpd = httpd_new(loop, &config, on_request, http, err);
    }
    if (!http->httpd) {
        free(http);
        return NULL;
    }
    return http;
}

void agent_http_destroy(struct agent_http **http)
{
    if (!*http)
        return;
    httpd_destroy(&(*http)->httpd);
    free(*http);
    *http = NULL;
}

int agent_http_port(const struct agent_http *http)
{
    return httpd_port(http->httpd);
}

void agent_http_set(struct agent_http *http, struct agent *agent)
{
    http->agent = agent;
}
