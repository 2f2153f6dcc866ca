/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "services/api-gateway/peers.h"

static void expect_text(const struct peer_health *peers, size_t n,
                        const char *want)
{
    json_t *json = peers_json(peers, n);
    AUTO_FREE char *got = json_dumps(json, JSON_COMPACT);

    cr_expect_str_eq(got, want);
    json_decref(json);
}

Test(peers_json, well_ill_and_silent)
{
    Reeve__HealthCheckResult check = REEVE__HEALTH_CHECK_RESULT__INIT;
    Reeve__HealthCheckResult *checks[] = {&check};
    Reeve__HealthReply reply = REEVE__HEALTH_REPLY__INIT;
    struct peer_health peers[2] = {{.name = "planner", .reply = &reply},
                                   {.name = "offer-broker"}};

    check.name = "lease";
    check.text = "cut \xc3";
    check.since_wall_ms = 5;
    reply.version = "1.0";
    reply.pid = 7;
    reply.started_wall_ms = 3;
    reply.checks = checks;
    reply.n_checks = 1;
    err_set(&peers[1].err, ERR_TIMEOUT, "no answer");
#define PLANNER(ok)                                                            \
    "{\"name\":\"planner\",\"answers\":true,\"healthy\":" ok                   \
    ",\"version\":\"1.0\",\"pid\":7,\"started_ms\":3,\"checks\":[{\"name\":"   \
    "\"lease\",\"ok\":" ok ",\"text\":\"cut \xef\xbf\xbd\",\"since_ms\":5}]}"
    expect_text(peers, 1,
                "{\"healthy\":false,\"processes\":[" PLANNER("false") "]}");
    check.ok = reply.healthy = true;
    expect_text(peers, 1,
                "{\"healthy\":true,\"processes\":[" PLANNER("true") "]}");
    expect_text(peers, 2,
                "{\"healthy\":false,\"processes\":[" PLANNER(
                    "true") ",{\"name\":\"offer-broker\",\"answers\":false,"
                            "\"healthy\":false,\"error\":\"no answer\"}]}");
}
