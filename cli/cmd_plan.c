/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_plan - plan status, start, stop, pause, resume, force-restart,
 * force-complete */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/gateway.h"
#include "cli/output.h"
#include "cli/watch.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"

static int show(const char *plan, const struct gateway_reply *reply)
{
    json_t *json = json_loadb(reply->body, reply->len, 0, NULL);

    if (!json_is_object(json)) {
        json_decref(json);
        return cli_fail(EXIT_FAILED, "%s did not answer with a plan",
                        reply->url);
    }
    AUTO_FREE char *tree = output_plan_tree(json, plan, false);
    AUTO_FREE char *reasons = output_plan_reasons(json);
    puts(tree);
    if (*reasons)
        printf("\n%s\n", reasons);
    json_decref(json);
    return EXIT_OK;
}

/* --wait and --watch; EXIT_OK at once when neither is given. */
static int wait_for_plan(struct cli *cli, const char *plan)
{
    bool waits = options_bool(cli->options, "wait");
    bool watches = options_bool(cli->options, "watch");

    if (!waits && !watches)
        return EXIT_OK;
    return watch_plan(&(struct watch){
        .cli = cli,
        .plan = plan,
        .until_complete = waits,
        .is_quiet = !watches,
        .timeout_ms = waits ? options_int(cli->options, "timeout") * 1000 : 0});
}

int cmd_plan_status(struct cli *cli)
{
    const char *plan = cli_arg(cli, 0) ? cli_arg(cli, 0) : "deploy";
    AUTO_REPLY struct gateway_reply reply = {0};
    AUTO_FREE char *quoted = gateway_quote(plan);
    AUTO_FREE char *path = xasprintf("/v1/plans/%s", quoted);

    if (options_bool(cli->options, "watch"))
        return wait_for_plan(cli, plan);
    int code = wait_for_plan(cli, plan);
    if (code != EXIT_OK)
        return code;
    code = gateway_request(cli, "GET", path, NULL, &reply);
    if (code != EXIT_OK)
        return code;
    if (!cli_wants_json(cli))
        return show(plan, &reply);
    printf("%s\n", reply.body);
    return EXIT_OK;
}

/* POST /v1/plans/<plan>/<verb>?phase=…&step=… with the arguments given. */
static int post(struct cli *cli, const char *verb, const char *body,
                struct gateway_reply *reply)
{
    static const char *const names[] = {NULL, "phase", "step"};
    AUTO_FREE char *plan = gateway_quote(cli->args[0]);
    AUTO_BUF struct buf path = {0};

    buf_addf(&path, "/v1/plans/%s/%s", plan, verb);
    for (size_t i = 1; i < cli->n_args; i++) {
        AUTO_FREE char *value = gateway_quote(cli->args[i]);
        buf_addf(&path, "%c%s=%s", i == 1 ? '?' : '&', names[i], value);
    }
    return gateway_request(cli, "POST", buf_text(&path), body, reply);
}

static int print_body(const struct gateway_reply *reply)
{
    json_t *json = json_loadb(reply->body, reply->len, 0, NULL);

    if (json)
        cli_print_json(json);
    else
        puts(str_or_empty(reply->body));
    json_decref(json);
    return EXIT_OK;
}

static int act(struct cli *cli, const char *verb, const char *done)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    int code = post(cli, verb, NULL, &reply);

    if (code != EXIT_OK)
        return code;
    if (cli_wants_json(cli)) {
        print_body(&reply);
        return wait_for_plan(cli, cli->args[0]);
    }
    json_t *json = json_loadb(reply.body, reply.len, 0, NULL);
    bool told = json_object_get(json, "message") != NULL;
    AUTO_FREE char *how =
        xasprintf("%s %s", told ? "has been" : "could not be", done);
    AUTO_FREE char *text =
        output_sentence(cli->args[0], cli_arg(cli, 1), cli_arg(cli, 2), how);
    json_decref(json);
    if (!told)
        return cli_fail(EXIT_FAILED, "%s", text);
    puts(text);
    return wait_for_plan(cli, cli->args[0]);
}

int cmd_plan_pause(struct cli *cli)
{
    return act(cli, "interrupt", "paused");
}

int cmd_plan_resume(struct cli *cli)
{
    return act(cli, "continue", "resumed");
}

int cmd_plan_force_restart(struct cli *cli)
{
    return act(cli, "restart", "restarted");
}

int cmd_plan_force_complete(struct cli *cli)
{
    return act(cli, "forceComplete", "forced to complete");
}

/* --params as a JSON object; NULL when one is malformed. */
static char *parameters(const struct cli *cli)
{
    const char *const *params;
    size_t n = options_list(cli->options, "params", &params);
    json_t *json = json_object();
    char *text = NULL;
    bool ok = true;

    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(params[i], '=');
        if (!equals || equals == params[i]) {
            ok = false;
            break;
        }
        AUTO_FREE char *name =
            xstrndup(params[i], (size_t)(equals - params[i]));
        json_object_set_new(json, name, json_string(equals + 1));
    }
    if (ok)
        text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

int cmd_plan_start(struct cli *cli)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    AUTO_FREE char *body = parameters(cli);

    if (!body)
        return cli_fail(EXIT_USAGE, "Must have one variable name and one "
                                    "variable value per definition");
    int code = post(cli, "start", body, &reply);
    if (code != EXIT_OK)
        return code;
    print_body(&reply);
    return wait_for_plan(cli, cli->args[0]);
}

int cmd_plan_stop(struct cli *cli)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    int code = post(cli, "stop", NULL, &reply);

    return code == EXIT_OK ? print_body(&reply) : code;
}
