/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_pod - pod status, restart, replace, pause, resume */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/gateway.h"
#include "cli/output.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"

#define POLL_MS 200

static char *pod_path(const struct cli *cli, const char *what)
{
    AUTO_FREE char *pod = gateway_quote(cli->args[0]);

    return xasprintf("/v1/pod/%s/%s", pod, what);
}

int cmd_pod_status(struct cli *cli)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    AUTO_FREE char *path =
        cli_arg(cli, 0) ? pod_path(cli, "status") : xstrdup("/v1/pod/status");
    int code = gateway_request(cli, "GET", path, NULL, &reply);

    if (code != EXIT_OK)
        return code;
    json_t *json = json_loadb(reply.body, reply.len, 0, NULL);
    if (cli_wants_json(cli) || !json) {
        printf("%s\n", reply.body);
    } else {
        AUTO_FREE char *tree = output_pod_tree(json);
        puts(tree);
    }
    json_decref(json);
    return EXIT_OK;
}

/* The pod's status, or NULL. */
static json_t *ask_status(const struct cli *cli)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    AUTO_FREE char *path = pod_path(cli, "status");
    struct err err;

    if (gateway_call(cli, "GET", path, NULL, &reply, &err) < 0 ||
        reply.status != 200)
        return NULL;
    return json_loadb(reply.body, reply.len, 0, NULL);
}

static const char *id_of(const json_t *status, const char *task)
{
    size_t i;
    json_t *item;

    json_array_foreach(
        json_object_get(status, "tasks"), i,
        item) if (str_eq(json_string_value(json_object_get(item, "name")),
                         task)) return json_string_value(json_object_get(item,
                                                                         "id"));
    return NULL;
}

/* Whether each task that was told to end runs under another id. */
static bool is_back(const json_t *before, const json_t *now,
                    const json_t *killed)
{
    size_t i;
    json_t *name;

    json_array_foreach(
        killed, i,
        name) if (str_eq(id_of(before, json_string_value(name)),
                         id_of(now, json_string_value(name)))) return false;
    json_array_foreach(
        json_object_get(now, "tasks"), i,
        name) if (str_eq(json_string_value(json_object_get(name, "status")),
                         "RUNNING")) return true;
    return json_array_size(killed) == 0;
}

static int wait_until_back(const struct cli *cli, const json_t *before,
                           const json_t *reply)
{
    int64_t seconds = options_int(cli->options, "timeout");
    int64_t end = clock_mono_ms() + seconds * 1000;

    while (clock_mono_ms() < end) {
        struct timespec t = {.tv_nsec = POLL_MS * 1000000};
        json_t *now = ask_status(cli);
        bool back = is_back(before, now, json_object_get(reply, "tasks"));
        json_decref(now);
        if (back)
            return EXIT_OK;
        nanosleep(&t, NULL);
    }
    return cli_fail(EXIT_TIMED_OUT, "pod %s is not back after %lld s",
                    cli->args[0], (long long)seconds);
}

static int act(struct cli *cli, const char *verb, const char *body, bool waits)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    AUTO_FREE char *path = pod_path(cli, verb);
    json_t *before = waits ? ask_status(cli) : NULL;
    int code = gateway_request(cli, "POST", path, body, &reply);

    if (code == EXIT_OK) {
        json_t *json = json_loadb(reply.body, reply.len, 0, NULL);
        if (json)
            cli_print_json(json);
        else
            puts(str_or_empty(reply.body));
        if (waits)
            code = wait_until_back(cli, before, json);
        json_decref(json);
    }
    json_decref(before);
    return code;
}

int cmd_pod_restart(struct cli *cli)
{
    return act(cli, "restart", NULL, options_bool(cli->options, "wait"));
}

int cmd_pod_replace(struct cli *cli)
{
    return act(cli, "replace", NULL, options_bool(cli->options, "wait"));
}

static int with_tasks(struct cli *cli, const char *verb)
{
    const char *const *tasks;
    size_t n = options_list(cli->options, "tasks", &tasks);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(tasks[i]));
    AUTO_FREE char *body = n ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return act(cli, verb, body, false);
}

int cmd_pod_pause(struct cli *cli)
{
    return with_tasks(cli, "pause");
}

int cmd_pod_resume(struct cli *cli)
{
    return with_tasks(cli, "resume");
}
