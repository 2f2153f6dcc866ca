/* SPDX-License-Identifier: Apache-2.0 */
/* http_plain - see http_plain.h */
#include "devcluster/http_plain.h"

#include <stdio.h>
#include <string.h>

#include "devcluster/cluster.h"
#include "devcluster/files_range.h"
#include "devcluster/json_view.h"
#include "devcluster/master.h"
#include "devcluster/plain_calls.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/httpd/httpd.h"
#include "lib/mesos/pb_mesos.h"

#define M_CALL(name) MESOS__V1__MASTER__CALL__TYPE__##name

void http_reply_json(struct httpd_request *request, json_t *json)
{
    char *text = json_dumps(json, VIEW_JSON);
    const char *jsonp = httpd_query(request, "jsonp");

    json_decref(json);
    if (text && jsonp) {
        char *wrapped = xasprintf("%s(%s);", jsonp, text);

        httpd_reply(request, 200, "text/javascript", wrapped, strlen(wrapped),
                    NULL);
        free(wrapped);
    } else if (text) {
        httpd_reply(request, 200, HTTP_JSON, text, strlen(text), NULL);
    } else {
        httpd_reply_text(request, 500, "the answer cannot be written as JSON");
    }
    free(text);
}

struct http_given http_given_of(struct httpd_request *request)
{
    struct http_given given = {
        .method = httpd_method(request),
        .content_type = httpd_header(request, "Content-Type"),
        .accept = httpd_header(request, "Accept"),
        .stream_id = httpd_header(request, "Mesos-Stream-Id"),
    };

    given.path = httpd_path(request);
    if (str_starts(given.path, "/master/"))
        given.path += strlen("/master");
    given.body = httpd_body(request, &given.body_len);
    return given;
}

/* ---- the state, shown ---------------------------------------------------- */

static void get_state(struct cluster *cluster, struct httpd_request *request)
{
    http_reply_json(request, master_json_state(cluster_master(cluster)));
}

static void get_summary(struct cluster *cluster, struct httpd_request *request)
{
    http_reply_json(request,
                    master_json_state_summary(cluster_master(cluster)));
}

static void get_slaves(struct cluster *cluster, struct httpd_request *request)
{
    http_reply_json(request,
                    master_json_slaves(cluster_master(cluster),
                                       httpd_query(request, "slave_id")));
}

static void get_frameworks(struct cluster *cluster,
                           struct httpd_request *request)
{
    http_reply_json(
        request, master_json_frameworks(cluster_master(cluster),
                                        httpd_query(request, "framework_id")));
}

static void get_tasks(struct cluster *cluster, struct httpd_request *request)
{
    const char *limit = httpd_query(request, "limit");
    const char *offset = httpd_query(request, "offset");
    struct master_task_query query = {
        .limit = 100,
        .ascending = str_eq(httpd_query(request, "order"), "asc"),
        .framework_id = httpd_query(request, "framework_id"),
        .task_id = httpd_query(request, "task_id"),
    };

    if ((limit && !parse_i64(limit, &query.limit)) ||
        (offset && !parse_i64(offset, &query.offset))) {
        httpd_reply_text(request, 400, "'limit' and 'offset' must be numbers");
        return;
    }
    http_reply_json(request,
                    master_json_tasks(cluster_master(cluster), &query));
}

static void get_roles(struct cluster *cluster, struct httpd_request *request)
{
    http_reply_json(request, master_json_roles(cluster_master(cluster)));
}

static void get_flags(struct cluster *cluster, struct httpd_request *request)
{
    http_reply_json(request, master_json_flags(cluster_master(cluster)));
}

static void get_version(struct cluster *cluster, struct httpd_request *request)
{
    http_reply_json(request, master_json_version(cluster_master(cluster)));
}

static void get_metrics(struct cluster *cluster, struct httpd_request *request)
{
    http_reply_json(request, master_json_metrics(cluster_master(cluster)));
}

/* ---- calls in other clothes ---------------------------------------------- */

static Mesos__V1__Master__Response *ask(struct cluster *cluster, int type)
{
    Mesos__V1__Master__Call call = MESOS__V1__MASTER__CALL__INIT;
    Mesos__V1__Master__Response *response = NULL;
    struct master_reply reply;

    PB_SET(&call, type, (Mesos__V1__Master__Call__Type)type);
    master_operate(cluster_master(cluster), &call, &reply, &response);
    return response;
}

static void get_schedule(struct cluster *cluster, struct httpd_request *request)
{
    AUTO_MESSAGE Mesos__V1__Master__Response *response =
        ask(cluster, M_CALL(GET_MAINTENANCE_SCHEDULE));

    http_reply_json(
        request,
        wire_to_json(&response->get_maintenance_schedule->schedule->base,
                     WIRE_JSON_PROTO));
}

static void get_maintenance(struct cluster *cluster,
                            struct httpd_request *request)
{
    AUTO_MESSAGE Mesos__V1__Master__Response *response =
        ask(cluster, M_CALL(GET_MAINTENANCE_STATUS));

    http_reply_json(
        request, wire_to_json(&response->get_maintenance_status->status->base,
                              WIRE_JSON_PROTO));
}

static void get_quota(struct cluster *cluster, struct httpd_request *request)
{
    AUTO_MESSAGE Mesos__V1__Master__Response *response =
        ask(cluster, M_CALL(GET_QUOTA));

    http_reply_json(request, wire_to_json(&response->get_quota->status->base,
                                          WIRE_JSON_PROTO));
}

static void get_weights(struct cluster *cluster, struct httpd_request *request)
{
    AUTO_MESSAGE Mesos__V1__Master__Response *response =
        ask(cluster, M_CALL(GET_WEIGHTS));
    json_t *list = json_array();

    for (size_t i = 0; i < response->get_weights->n_weight_infos; i++)
        json_array_append_new(
            list, wire_to_json(&response->get_weights->weight_infos[i]->base,
                               WIRE_JSON_PROTO));
    http_reply_json(request, list);
}

static void change(struct cluster *cluster, struct httpd_request *request,
                   const char *path)
{
    struct http_given given = http_given_of(request);
    struct http_refusal refusal = {0};
    struct master_reply reply = {0};
    AUTO_MESSAGE Mesos__V1__Master__Call *call =
        plain_call(path, &given, &refusal);
    AUTO_MESSAGE Mesos__V1__Master__Response *response = NULL;

    if (!call) {
        httpd_reply_text(request, refusal.status, "%s", refusal.text);
        return;
    }
    master_operate(cluster_master(cluster), call, &reply, &response);
    cluster_flush(cluster);
    if (!*reply.text)
        httpd_reply(request, reply.status, NULL, "", 0, NULL);
    else if (call->remove_quota)
        httpd_reply_text(request, reply.status,
                         "Failed to remove quota for path '/master%s': %s",
                         given.path, reply.text);
    else
        httpd_reply_text(request, reply.status, "%s", reply.text);
}

/* ---- files ---------------------------------------------------------------
 * A master offers its log, when it writes one to a file.  Ours has none.
 */

static void no_file(struct httpd_request *request)
{
    if (files_path_asked(request))
        httpd_reply(request, 404, "text/plain; charset=utf-8", "", 0, NULL);
}

static void browse(struct cluster *cluster UNUSED,
                   struct httpd_request *request)
{
    no_file(request);
}

static void read_file(struct cluster *cluster UNUSED,
                      struct httpd_request *request)
{
    struct files_range range;

    if (files_path_asked(request) && files_range_asked(request, &range))
        no_file(request);
}

static void show_files(struct cluster *cluster UNUSED,
                       struct httpd_request *request)
{
    http_reply_json(request, json_object());
}

/* ---- routes -------------------------------------------------------------- */

#define MAX_METHODS 3

/* methods: those allowed; none: any shows.  show: what GET shows; NULL:
 * nothing. */
static const struct http_plain {
    const char *path;
    void (*show)(struct cluster *cluster, struct httpd_request *request);
    bool own;
    const char *methods[MAX_METHODS];
} plains[] = {
    {"/state", get_state, false, {NULL}},
    {"/state-summary", get_summary, false, {NULL}},
    {"/slaves", get_slaves, false, {NULL}},
    {"/frameworks", get_frameworks, false, {NULL}},
    {"/tasks", get_tasks, false, {NULL}},
    {"/roles", get_roles, false, {NULL}},
    {"/flags", get_flags, true, {NULL}},
    {"/version", get_version, true, {NULL}},
    {"/metrics/snapshot", get_metrics, true, {NULL}},
    {"/files/browse", browse, true, {NULL}},
    {"/files/read", read_file, true, {NULL}},
    {"/files/download", browse, true, {NULL}},
    {"/files/debug", show_files, true, {NULL}},
    {"/maintenance/schedule", get_schedule, false, {"GET", "POST"}},
    {"/maintenance/status", get_maintenance, false, {"GET"}},
    {"/machine/down", NULL, false, {"POST"}},
    {"/machine/up", NULL, false, {"POST"}},
    {"/quota", get_quota, false, {"GET", "POST", "DELETE"}},
    {"/weights", get_weights, false, {"GET", "PUT"}},
    {"/teardown", NULL, false, {"POST"}},
    {"/reserve", NULL, false, {"POST"}},
    {"/unreserve", NULL, false, {"POST"}},
    {"/create-volumes", NULL, false, {"POST"}},
    {"/destroy-volumes", NULL, false, {"POST"}},
};

const struct http_plain *http_plain_find(const char *path)
{
    const char *paths[ARRAY_LEN(plains)];
    int found;

    for (size_t i = 0; i < ARRAY_LEN(plains); i++)
        paths[i] = plains[i].path;
    found = http_route(paths, ARRAY_LEN(plains), path);
    return found < 0 ? NULL : &plains[found];
}

bool http_plain_is_own(const struct http_plain *plain)
{
    return plain->own;
}

static bool allows(const struct http_plain *plain, const char *method)
{
    for (size_t i = 0; i < MAX_METHODS && plain->methods[i]; i++) {
        if (str_eq(plain->methods[i], method))
            return true;
    }
    return !plain->methods[0];
}

static void refuse_method(const struct http_plain *plain,
                          struct httpd_request *request)
{
    AUTO_BUF struct buf allow = {0};
    AUTO_BUF struct buf text = {0};

    buf_add_str(&allow, "Allow: ");
    buf_add_str(&text, "405 Method Not Allowed. Expecting one of { ");
    for (size_t i = 0; i < MAX_METHODS && plain->methods[i]; i++) {
        buf_addf(&allow, "%s%s", i ? ", " : "", plain->methods[i]);
        buf_addf(&text, "%s'%s'", i ? ", " : "", plain->methods[i]);
    }
    buf_addf(&text, " }, but received '%s'.", httpd_method(request));
    const char *const headers[] = {buf_text(&allow), NULL};

    httpd_reply(request, 405, "text/plain; charset=utf-8", buf_text(&text),
                text.len, headers);
}

void http_plain_answer(const struct http_plain *plain, struct cluster *cluster,
                       struct httpd_request *request)
{
    const char *method = httpd_method(request);

    if (!allows(plain, method))
        refuse_method(plain, request);
    else if (plain->show && (!plain->methods[0] || str_eq(method, "GET")))
        plain->show(cluster, request);
    else
        change(cluster, request, plain->path);
}
