/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_debug - explain, and the verbs about what no record names */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/gateway.h"
#include "cli/output.h"
#include "lib/base/base.h"

#define YES_RELEASE "yes-i-lose-what-they-hold"
#define YES_KILL    "yes-no-record-names-it"

int cmd_explain(struct cli *cli)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    AUTO_FREE char *pod =
        cli_arg(cli, 0) ? gateway_quote(cli_arg(cli, 0)) : NULL;
    AUTO_FREE char *path = xasprintf("/v1/debug/explain%s%s",
                                     pod ? "?pod=" : "", str_or_empty(pod));
    int code = gateway_request(cli, "GET", path, NULL, &reply);

    if (code != EXIT_OK)
        return code;
    json_t *json = json_loadb(reply.body, reply.len, 0, NULL);
    if (cli_wants_json(cli) || !json) {
        puts(str_or_empty(reply.body));
    } else {
        AUTO_FREE char *text = output_explain(json);
        puts(text);
    }
    json_decref(json);
    return EXIT_OK;
}

const struct service_option cmd_release_options[] = {
    {YES_RELEASE, OPTION_BOOL, "false", NULL,
     "without this nothing is done: volumes are destroyed with their data", 0,
     0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

const struct service_option cmd_kill_unknown_options[] = {
    {YES_KILL, OPTION_BOOL, "false", NULL,
     "without this nothing is done: the task ends and does not come back", 0, 0,
     NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

static int post(struct cli *cli, const char *yes, const char *path,
                const char *body)
{
    AUTO_REPLY struct gateway_reply reply = {0};

    if (!options_bool(cli->options, yes))
        return cli_fail(EXIT_USAGE, "this cannot be undone: say --%s", yes);
    int code = gateway_request(cli, "POST", path, body, &reply);
    if (code == EXIT_OK)
        puts(str_or_empty(reply.body));
    return code;
}

int cmd_state_release(struct cli *cli)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < cli->n_args; i++)
        json_array_append_new(ids, json_string(cli->args[i]));
    AUTO_FREE char *body = json_dumps(ids, JSON_COMPACT);
    json_decref(ids);
    return post(cli, YES_RELEASE, "/v1/debug/reservations/release", body);
}

int cmd_state_kill_unknown(struct cli *cli)
{
    AUTO_FREE char *task = gateway_quote(cli->args[0]);
    AUTO_FREE char *path = xasprintf("/v1/debug/tasks/%s/kill", task);

    return post(cli, YES_KILL, path, NULL);
}
