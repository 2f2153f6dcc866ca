/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_suite - how the suite's own processes fare */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/gateway.h"
#include "cli/output.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"

/* EXIT_FAILED when one of them is not well or does not answer. */
int cmd_suite(struct cli *cli)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    int code = gateway_request(cli, "GET", "/v1/suite/health", NULL, &reply);

    if (code != EXIT_OK)
        return code;
    json_t *json = json_loadb(reply.body, reply.len, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return cli_fail(EXIT_FAILED, "%s did not answer with JSON", reply.url);
    }
    AUTO_FREE char *text = output_suite(json, clock_wall_ms());
    if (cli_wants_json(cli))
        cli_print_json(json);
    else
        puts(text);
    bool healthy = json_is_true(json_object_get(json, "healthy"));
    json_decref(json);
    return healthy ? EXIT_OK : EXIT_FAILED;
}
