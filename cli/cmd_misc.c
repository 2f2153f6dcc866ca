/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_misc - validate, version, and everything that only prints a GET */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/gateway.h"
#include "cli/load.h"
#include "lib/base/base.h"
#include "lib/spec/spec.h"

int cmd_version(struct cli *cli)
{
    (void)cli;
    printf("reeve %s\n", REEVE_VERSION);
    return EXIT_OK;
}

int cmd_validate(struct cli *cli)
{
    Reeve__ServiceSpec *spec = load_spec(cli->args[0], environ, LOAD_FOR_ANY);

    if (!spec)
        return EXIT_BAD_INPUT;
    printf("%s: service %s, %zu pods, %zu plans: good\n", cli->args[0],
           spec->name, spec->n_pods, spec->n_plans ? spec->n_plans : 1);
    reeve__service_spec__free_unpacked(spec, NULL);
    return EXIT_OK;
}

static char *get_path(const struct cli *cli)
{
    const char *path = cli->command->path;
    const char *hole = strstr(path, "%s");

    if (!hole)
        return xstrdup(path);
    AUTO_FREE char *arg = gateway_quote(cli->args[0]);
    return xasprintf("%.*s%s%s", (int)(hole - path), path, arg, hole + 2);
}

int cmd_get(struct cli *cli)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    AUTO_FREE char *path = get_path(cli);
    int code = gateway_request(cli, "GET", path, NULL, &reply);

    if (code != EXIT_OK)
        return code;
    json_t *json =
        json_loadb(str_or_empty(reply.body), reply.len, JSON_DECODE_ANY, NULL);
    if (json)
        cli_print_json(json);
    else if (reply.len)
        puts(reply.body);
    else
        printf("%d\n", reply.status); /* a code is all that was said */
    json_decref(json);
    return EXIT_OK;
}

int cmd_state_refresh(struct cli *cli)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    int code = gateway_request(cli, "PUT", "/v1/state/refresh", NULL, &reply);

    if (code == EXIT_OK)
        puts(str_or_empty(reply.body));
    return code;
}

/* ---- orders about the framework ------------------------------------ */
#define YES_NEW     "yes-i-lose-the-framework"
#define YES_FOREIGN "yes-they-are-not-mine"

const struct service_option cmd_new_framework_options[] = {
    {YES_NEW, OPTION_BOOL, "false", NULL,
     "without this nothing is done: the id never comes back", 0, 0, NULL},
    {"force", OPTION_BOOL, "false", NULL,
     "also when the master did not remove the framework; never while it is "
     "subscribed or its tasks may run",
     0, 0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

const struct service_option cmd_ignore_foreign_options[] = {
    {YES_FOREIGN, OPTION_BOOL, "false", NULL,
     "without this nothing is done: what the reservations hold is not used", 0,
     0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

static int order(struct cli *cli, const char *yes, const char *path,
                 const char *more)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    AUTO_FREE char *id = gateway_quote(cli->args[0]);
    AUTO_FREE char *url = xasprintf("%s?confirm=%s%s", path, id, more);

    if (!options_bool(cli->options, yes))
        return cli_fail(EXIT_USAGE, "this cannot be undone: say --%s", yes);
    int code = gateway_request(cli, "POST", url, NULL, &reply);
    if (code == EXIT_OK)
        puts(str_or_empty(reply.body));
    return code;
}

int cmd_state_new_framework(struct cli *cli)
{
    bool force = options_bool(cli->options, "force");

    return order(cli, YES_NEW, "/v1/state/newFramework",
                 force ? "&force=true" : "");
}

int cmd_state_ignore_foreign(struct cli *cli)
{
    return order(cli, YES_FOREIGN, "/v1/state/ignoreForeign", "");
}
