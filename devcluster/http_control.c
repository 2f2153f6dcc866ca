/* SPDX-License-Identifier: Apache-2.0 */
/* http_control - see http_control.h */
#include "devcluster/http_control.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/cluster.h"
#include "devcluster/http.h"
#include "devcluster/http_streams.h"
#include "devcluster/json_view.h"
#include "devcluster/master.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/httpd/httpd.h"

static const struct {
    const char *verb;
    enum cluster_fault fault;
} faults[] = {
    {"partition", CLUSTER_PARTITION},
    {"hang", CLUSTER_HANG},
    {"kill", CLUSTER_KILL},
    {"return", CLUSTER_RETURN},
    {"unregister", CLUSTER_UNREGISTER},
    {"lose", CLUSTER_LOSE},
};

/* ---- of the master and the network ----------------------------------------
 */

/* A whole number from min to max; replies and says no when it is none. */
static bool number_of(struct httpd_request *request, const char *name,
                      int64_t max, int64_t *value)
{
    const char *text = httpd_query(request, name);

    if (!text)
        return true;
    if (parse_i64(text, value) && *value >= 0 && *value <= max)
        return true;
    httpd_reply_text(request, 400, "'%s': expected a number up to %lld", name,
                     (long long)max);
    return false;
}

static bool fail_over(struct cluster *cluster, struct httpd_request *request)
{
    int64_t start_ms = 0;

    if (!number_of(request, "start_ms", 3600000, &start_ms))
        return false;
    cluster_failover(cluster, start_ms);
    return true;
}

static bool be_unavailable(struct cluster *cluster,
                           struct httpd_request *request)
{
    int64_t seconds = 10;

    if (!number_of(request, "seconds", 86400, &seconds))
        return false;
    http_unavailable_until(cluster_http(cluster),
                           clock_mono_ms() + seconds * 1000);
    return true;
}

static struct http_streams *streams_of(struct cluster *cluster)
{
    return http_streams(cluster_http(cluster));
}

static bool stop_heartbeats(struct cluster *cluster,
                            struct httpd_request *request UNUSED)
{
    http_streams_mute(streams_of(cluster), true);
    return true;
}

static bool start_heartbeats(struct cluster *cluster,
                             struct httpd_request *request UNUSED)
{
    http_streams_mute(streams_of(cluster), false);
    return true;
}

static bool cut_streams(struct cluster *cluster,
                        struct httpd_request *request UNUSED)
{
    http_streams_cut(streams_of(cluster));
    return true;
}

static bool disturb_updates(struct cluster *cluster,
                            struct httpd_request *request)
{
    int64_t delay_ms = 0, repeats = 0;

    if (!number_of(request, "delay_ms", 3600000, &delay_ms) ||
        !number_of(request, "repeats", 100, &repeats))
        return false;
    cluster_disturb_updates(cluster, delay_ms, (unsigned)repeats);
    return true;
}

static void refuse_operations(struct cluster *cluster, uint64_t count)
{
    master_refuse_operations(cluster_master(cluster), count);
}

static void drop_accepts(struct cluster *cluster, uint64_t count)
{
    master_drop_accepts(cluster_master(cluster), count);
}

static void lose_operations(struct cluster *cluster, uint64_t count)
{
    cluster_lose(cluster, CLUSTER_LOST_OPERATIONS, count);
}

static void lose_launches(struct cluster *cluster, uint64_t count)
{
    cluster_lose(cluster, CLUSTER_LOST_LAUNCHES, count);
}

static bool rescind_offers(struct cluster *cluster,
                           struct httpd_request *request)
{
    int64_t percent = 100;

    if (!number_of(request, "percent", 100, &percent))
        return false;
    master_rescind_offers(cluster_master(cluster), (unsigned)percent);
    cluster_flush(cluster);
    return true;
}

static bool late_calls(struct cluster *cluster, struct httpd_request *request)
{
    int64_t count = 1, ms = 1000;

    if (!number_of(request, "count", 1000000, &count) ||
        !number_of(request, "ms", 3600000, &ms))
        return false;
    http_late_calls(cluster_http(cluster), (uint64_t)count, ms);
    return true;
}

static bool split_records(struct cluster *cluster,
                          struct httpd_request *request)
{
    int64_t bytes = 0;

    if (!number_of(request, "bytes", 1 << 20, &bytes))
        return false;
    http_streams_split(streams_of(cluster), (size_t)bytes);
    return true;
}

static bool join_records(struct cluster *cluster, struct httpd_request *request)
{
    int64_t ms = 0;

    if (!number_of(request, "ms", 3600000, &ms))
        return false;
    http_streams_join(streams_of(cluster), ms);
    return true;
}

static bool hang_streams(struct cluster *cluster,
                         struct httpd_request *request UNUSED)
{
    http_streams_hang(streams_of(cluster));
    return true;
}

/* run: false: it replied already.  next: done to the next ?count= of them. */
static const struct {
    const char *path;
    bool (*run)(struct cluster *cluster, struct httpd_request *request);
    void (*next)(struct cluster *cluster, uint64_t count);
} commands[] = {
    {"/failover", fail_over, NULL},
    {"/unavailable", be_unavailable, NULL},
    {"/heartbeats/stop", stop_heartbeats, NULL},
    {"/heartbeats/start", start_heartbeats, NULL},
    {"/streams/cut", cut_streams, NULL},
    {"/updates", disturb_updates, NULL},
    {"/operations/refuse", NULL, refuse_operations},
    {"/operations/lose", NULL, lose_operations},
    {"/launches/lose", NULL, lose_launches},
    {"/accepts/drop", NULL, drop_accepts},
    {"/offers/rescind", rescind_offers, NULL},
    {"/streams/split", split_records, NULL},
    {"/streams/join", join_records, NULL},
    {"/streams/hang", hang_streams, NULL},
    {"/calls/delay", late_calls, NULL},
};

static bool next_ones(struct cluster *cluster, struct httpd_request *request,
                      void (*next)(struct cluster *cluster, uint64_t count))
{
    int64_t count = 1;

    if (!number_of(request, "count", 1000000, &count))
        return false;
    next(cluster, (uint64_t)count);
    return true;
}

static bool run_command(struct cluster *cluster, struct httpd_request *request,
                        const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (!str_eq(path, commands[i].path))
            continue;
        if (!str_eq(httpd_method(request), "POST")) {
            httpd_reply_text(request, 405, "Expecting POST");
        } else if (commands[i].next
                       ? next_ones(cluster, request, commands[i].next)
                       : commands[i].run(cluster, request)) {
            log_info("fault", "command=%s", path);
            httpd_reply_text(request, 200, "%s", "");
        }
        return true;
    }
    return false;
}

/* ---- of one agent ----------------------------------------------------------
 */

static void show_status(struct cluster *cluster, struct httpd_request *request)
{
    json_t *json = cluster_status(cluster);
    char *text;

    view_set(
        json, "late_calls",
        json_integer((json_int_t)http_late_waiting(cluster_http(cluster))));
    text = json_dumps(json, VIEW_JSON);

    httpd_reply(request, 200, "application/json", text, strlen(text), NULL);
    free(text);
    json_decref(json);
}

static void run_fault(struct cluster *cluster, struct httpd_request *request,
                      size_t number, const char *verb)
{
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct err err = {0};

        if (!str_eq(verb, faults[i].verb))
            continue;
        if (cluster_agent_fault(cluster, number, faults[i].fault, &err) == 0)
            httpd_reply_text(request, 200, "%s", "");
        else
            httpd_reply_text(request, err.code == ERR_NOT_FOUND ? 404 : 409,
                             "%s", err.text);
        return;
    }
    httpd_reply_text(request, 400,
                     "'%s': may be partition, hang, kill, lose, return or "
                     "unregister",
                     verb);
}

void http_control(struct cluster *cluster, struct httpd_request *request)
{
    const char *path = strstr(httpd_path(request), "/devcluster");
    unsigned number;
    char verb[32];

    path += strlen("/devcluster");
    if (str_eq(path, "/status")) {
        show_status(cluster, request);
        return;
    }
    if (run_command(cluster, request, path))
        return;
    if (sscanf(path, "/agents/%u/%31[a-z]", &number, verb) != 2) {
        httpd_reply_text(request, 404,
                         "Expecting GET /devcluster/status, POST "
                         "/devcluster/agents/N/VERB or a command of "
                         "devcluster/README.md");
        return;
    }
    if (!str_eq(httpd_method(request), "POST")) {
        httpd_reply_text(request, 405, "Expecting POST");
        return;
    }
    run_fault(cluster, request, number, verb);
}
