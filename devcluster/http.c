/* SPDX-License-Identifier: Apache-2.0 */
/* http - see http.h */
#include "devcluster/http.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "devcluster/cluster.h"
#include "devcluster/http_auth.h"
#include "devcluster/http_control.h"
#include "devcluster/http_plain.h"
#include "devcluster/http_rules.h"
#include "devcluster/http_streams.h"
#include "devcluster/json_view.h"
#include "devcluster/master.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/httpd/httpd.h"
#include "lib/loop/loop.h"
#include "lib/mesos/pb_mesos.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"

struct http {
    struct cluster *cluster;
    struct loop *loop;
    struct httpd *httpd;
    const struct http_auth *auth;
    bool auth_operators;
    int64_t unavailable_until_ms;
    int64_t starting_until_ms, recovering_from_ms;
    struct http_streams *streams;
    struct late_call *late;
    uint64_t late_calls; /* the next so many calls come so much later */
    int64_t late_ms;
};

/* A call held back on command. */
struct late_call {
    struct http *http;
    struct httpd_request *request;
    uint64_t timer;
    struct late_call *prev, *next;
};

/* ---- replies ------------------------------------------------------------ */

static void reply_text(struct httpd_request *request, int status,
                       const char *text, const char *const *headers)
{
    httpd_reply(request, status, *text ? TEXT_PLAIN : NULL, text, strlen(text),
                headers);
}

static void reply_refusal(struct httpd_request *request,
                          const struct http_refusal *refusal)
{
    static const char *const allow[] = {"Allow: POST", NULL};

    reply_text(request, refusal->status, refusal->text,
               refusal->status == 405 ? allow : NULL);
}

/* ---- streams ------------------------------------------------------------ */

static void subscribe(struct http *http, struct httpd_request *request,
                      const Mesos__V1__Scheduler__Call *call)
{
    char id[UUID_TEXT_SIZE];
    AUTO_FREE char *header = NULL;
    uint64_t stream;

    uuid_new(id);
    header = xasprintf("Mesos-Stream-Id: %s", id);
    const char *const headers[] = {header, NULL};
    stream = http_streams_open(http->streams, request, headers);
    log_info("subscribe", "framework=%s name=%s stream=%llu",
             *ID_OF(call->framework_id) ? call->framework_id->value : "new",
             log_q(call->subscribe->framework_info->name),
             (unsigned long long)stream);
    master_subscribe(cluster_master(http->cluster), stream, id, call);
    cluster_flush(http->cluster);
}

static void watch(struct http *http, struct httpd_request *request)
{
    master_watch(cluster_master(http->cluster),
                 http_streams_open(http->streams, request, NULL));
    cluster_flush(http->cluster);
}

struct http_streams *http_streams(struct http *http)
{
    return http->streams;
}

/* ---- faults on command --------------------------------------------------- */

void http_unavailable_until(struct http *http, int64_t until_ms)
{
    http->unavailable_until_ms = until_ms;
}

void http_start_window(struct http *http, int64_t for_ms)
{
    http->starting_until_ms = clock_mono_ms() + for_ms;
    http->recovering_from_ms = http->starting_until_ms - for_ms / 2;
}

void http_late_calls(struct http *http, uint64_t count, int64_t ms)
{
    http->late_calls = count;
    http->late_ms = ms;
}

size_t http_late_waiting(const struct http *http)
{
    const struct late_call *late;
    size_t count = 0;

    DL_COUNT(http->late, late, count);
    return count;
}

/* ---- who calls ------------------------------------------------------------
 */

static const char *principal_of(const struct http *http,
                                struct httpd_request *request)
{
    return http_auth_principal(http->auth,
                               httpd_header(request, "Authorization"));
}

static void reply_unauthorized(struct httpd_request *request, const char *realm)
{
    AUTO_FREE char *header =
        xasprintf("WWW-Authenticate: Basic realm=\"mesos-master-%s\"", realm);
    const char *const headers[] = {header, NULL};

    reply_text(request, 401, "401 Unauthorized.", headers);
}

/* A master that does not lead names the one that does. */
static void reply_leader(const struct http *http, struct httpd_request *request)
{
    const char *path = httpd_path(request);
    AUTO_FREE char *location = xasprintf(
        "Location: //%s:%d/master%s", cluster_address(http->cluster),
        cluster_port(http->cluster),
        str_starts(path, "/master/") ? path + strlen("/master") : path);
    const char *const headers[] = {location, NULL};

    httpd_reply(request, 307, NULL, "", 0, headers);
}

/* ---- POST endpoints ----------------------------------------------------- */

/* Fills in an unset principal; false: it replied. */
static bool principal_fits(struct http *http, struct httpd_request *request,
                           Mesos__V1__Scheduler__Call *call)
{
    bool subscribes = call->type == MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE;
    const char *proven = http->auth ? principal_of(http, request) : NULL;
    const char *set;

    if (!proven)
        return true;
    set = subscribes ? call->subscribe->framework_info->principal
                     : master_principal_of(cluster_master(http->cluster),
                                           ID_OF(call->framework_id));
    if (!set && subscribes)
        call->subscribe->framework_info->principal = xstrdup(proven);
    if (!set || str_eq(set, proven))
        return true;
    httpd_reply_text(request, 400,
                     "%sAuthenticated principal '%s' does not match principal "
                     "'%s' set in `FrameworkInfo`",
                     subscribes ? "Failed to validate scheduler::Call: " : "",
                     proven, set);
    return false;
}

static void on_request(void *self, struct httpd_request *request);

static void late_free(struct late_call *late)
{
    DL_DELETE(late->http->late, late);
    loop_timer_cancel(late->http->loop, late->timer);
    free(late);
}

static void on_late(void *self)
{
    struct late_call *late = self;
    struct http *http = late->http;
    struct httpd_request *request = late->request;

    late->timer = 0;
    late_free(late);
    on_request(http, request);
}

/* As if it came by a slower connection; those after it overtake it. */
static bool hold_back(struct http *http, struct httpd_request *request)
{
    struct late_call *late;

    if (!http->late_calls)
        return false;
    http->late_calls--;
    late = xcalloc(1, sizeof *late);
    late->http = http;
    late->request = request;
    late->timer = loop_timer(http->loop, http->late_ms, 0, on_late, late);
    DL_APPEND(http->late, late);
    return true;
}

static void handle_scheduler(struct http *http, struct httpd_request *request)
{
    struct http_given given = http_given_of(request);
    struct http_refusal refusal = {0};
    struct master_reply reply = {0};
    AUTO_MESSAGE Mesos__V1__Scheduler__Call *call =
        http_scheduler_call(&given, &refusal);

    if (!call) {
        reply_refusal(request, &refusal);
        return;
    }
    if (!principal_fits(http, request, call))
        return;
    if (call->type == MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE) {
        subscribe(http, request, call);
        return;
    }
    if (hold_back(http, request))
        return;
    master_call(cluster_master(http->cluster), given.stream_id, call, &reply);
    cluster_flush(http->cluster);
    reply_text(request, reply.status, reply.text, NULL);
}

static void reply_response(struct httpd_request *request,
                           const Mesos__V1__Master__Response *response)
{
    AUTO_BUF struct buf bytes = {0};

    if (http_accepted(httpd_header(request, "Accept")) == HTTP_AS_JSON) {
        json_t *json = wire_to_json(&response->base, WIRE_JSON_DEFAULTS);

        view_fill_lists(json);
        http_reply_json(request, json);
        return;
    }
    wire_encode(&response->base, &bytes);
    httpd_reply(request, 200, HTTP_PROTOBUF, bytes.data, bytes.len, NULL);
}

static void handle_operator(struct http *http, struct httpd_request *request)
{
    struct http_given given = http_given_of(request);
    struct http_refusal refusal = {0};
    struct master_reply reply = {0};
    AUTO_MESSAGE Mesos__V1__Master__Call *call = NULL;
    AUTO_MESSAGE Mesos__V1__Master__Response *response = NULL;

    if (!str_eq(given.method, "POST")) {
        refusal.status = 405;
        snprintf(refusal.text, sizeof refusal.text,
                 "405 Method Not Allowed. Expecting one of { 'POST' }, but "
                 "received '%s'.",
                 given.method);
    } else {
        call = (void *)http_decode(&given, &mesos__v1__master__call__descriptor,
                                   &refusal);
    }
    if (!call) {
        reply_refusal(request, &refusal);
        return;
    }
    if (http_accepted(given.accept) == HTTP_NEITHER) {
        reply_text(request, 406,
                   "Expecting 'Accept' to allow application/json or "
                   "application/x-protobuf",
                   NULL);
        return;
    }
    if (call->has_type &&
        call->type == MESOS__V1__MASTER__CALL__TYPE__SUBSCRIBE) {
        watch(http, request);
        return;
    }
    master_operate(cluster_master(http->cluster), call, &reply, &response);
    cluster_flush(http->cluster);
    if (response)
        reply_response(request, response);
    else
        reply_text(request, reply.status, reply.text, NULL);
}

/* ---- plain endpoints ---------------------------------------------------- */

static void get_health(struct http *http UNUSED, struct httpd_request *request)
{
    httpd_reply(request, 200, NULL, "", 0, NULL);
}

static void get_redirect(struct http *http, struct httpd_request *request)
{
    AUTO_FREE char *location =
        xasprintf("Location: //%s:%d", cluster_address(http->cluster),
                  cluster_port(http->cluster));
    const char *const headers[] = {location, NULL};

    httpd_reply(request, 307, NULL, "", 0, headers);
}

static void handle_control(struct http *http, struct httpd_request *request)
{
    http_control(http->cluster, request);
}

/* Where a request goes: one of handlers, or a plain endpoint. */
struct route {
    void (*handler)(struct http *http, struct httpd_request *request);
    const struct http_plain *plain;
};

static const char *const paths[] = {
    "/api/v1/scheduler", "/api/v1", "/health", "/redirect", "/devcluster",
};
static void (*const handlers[])(struct http *, struct httpd_request *) = {
    handle_scheduler, handle_operator, get_health, get_redirect, handle_control,
};
_Static_assert(ARRAY_LEN(paths) == ARRAY_LEN(handlers), "one each");

static struct route route_of(const char *path)
{
    struct route route = {0};
    int found = http_route(paths, ARRAY_LEN(paths), path);

    if (found >= 0)
        route.handler = handlers[found];
    else
        route.plain = http_plain_find(path);
    return route;
}

/* What a master answers for itself alone, leading or not, to anybody. */
static bool is_own(struct route route)
{
    return route.plain ? http_plain_is_own(route.plain)
                       : route.handler == handle_control ||
                             route.handler == get_health ||
                             route.handler == get_redirect;
}

/* NULL: may be answered; else in which realm credentials are missing. */
static const char *missing_realm(const struct http *http,
                                 struct httpd_request *request,
                                 struct route route)
{
    bool scheduler = route.handler == handle_scheduler;

    if (!http->auth || is_own(route) || (!scheduler && !http->auth_operators) ||
        principal_of(http, request))
        return NULL;
    if (scheduler)
        return "scheduler";
    return route.handler == handle_operator ||
                   !str_eq(httpd_method(request), "GET")
               ? "readwrite"
               : "readonly";
}

/* On command, or while it starts; true: it replied. */
static bool is_closed(const struct http *http, struct httpd_request *request)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms < http->unavailable_until_ms)
        reply_text(request, 503, "unavailable on command", NULL);
    else if (now_ms >= http->starting_until_ms)
        return false;
    else if (now_ms < http->recovering_from_ms)
        reply_text(request, 404, "404 Not Found.", NULL);
    else
        reply_text(request, 503, "Master has not finished recovery", NULL);
    return true;
}

static void on_request(void *self, struct httpd_request *request)
{
    struct http *http = self;
    struct route route = route_of(httpd_path(request));
    const char *realm;

    if (route.handler != handle_control && is_closed(http, request))
        return;
    if (!route.handler && !route.plain)
        reply_text(request, 404, "404 Not Found.", NULL);
    else if (cluster_http(http->cluster) != http && !is_own(route))
        reply_leader(http, request);
    else if ((realm = missing_realm(http, request, route)))
        reply_unauthorized(request, realm);
    else if (route.plain)
        http_plain_answer(route.plain, http->cluster, request);
    else
        route.handler(http, request);
}

/* ---- life --------------------------------------------------------------- */

struct http *http_new(struct loop *loop, const struct http_settings *settings,
                      struct cluster *cluster, struct err *err)
{
    struct http *http = xcalloc(1, sizeof *http);
    struct httpd_config config = {.address = settings->address,
                                  .port = settings->port,
                                  .certificate = settings->certificate,
                                  .key = settings->key};

    http->cluster = cluster;
    http->loop = loop;
    http->auth = settings->auth;
    http->auth_operators = settings->auth_operators;
    http->httpd = httpd_new(loop, &config, on_request, http, err);
    if (!http->httpd) {
        free(http);
        return NULL;
    }
    http->streams = http_streams_new(loop, cluster);
    return http;
}

void http_destroy(struct http **http)
{
    if (!*http)
        return;
    while ((*http)->late)
        late_free((*http)->late);
    http_streams_close((*http)->streams);
    /* Cuts the streams; none of them tells us any more. */
    httpd_destroy(&(*http)->httpd);
    http_streams_destroy(&(*http)->streams);
    free(*http);
    *http = NULL;
}

int http_port(const struct http *http)
{
    return httpd_port(http->httpd);
}
