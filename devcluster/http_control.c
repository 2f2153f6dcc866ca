/* SPDX-License-Identifier: Apache-2.0 */
/* http_control - see http_control.h */
#include "devcluster/http_control.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/cluster.h"
#include "devcluster/json_view.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
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
};

static void show_status(const struct cluster *cluster,
                        struct httpd_request *request)
{
    json_t *json = cluster_status(cluster);
    char *text = json_dumps(json, VIEW_JSON);

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
                     "'%s': may be partition, hang, kill, return or "
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
    if (sscanf(path, "/agents/%u/%31[a-z]", &number, verb) != 2) {
        httpd_reply_text(request, 404,
                         "Expecting GET /devcluster/status or POST "
                         "/devcluster/agents/N/VERB");
        return;
    }
    if (!str_eq(httpd_method(request), "POST")) {
        httpd_reply_text(request, 405, "Expecting POST");
        return;
    }
    run_fault(cluster, request, number, verb);
}
