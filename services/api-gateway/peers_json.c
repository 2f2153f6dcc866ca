/* SPDX-License-Identifier: Apache-2.0 */
/* peers_json - see peers.h; pure */
#include "lib/base/base.h"
#include "lib/wire/wire.h"
#include "services/api-gateway/peers.h"

static json_t *check_json(const Reeve__HealthCheckResult *check)
{
    return json_pack("{s:o, s:b, s:o, s:I}", "name",
                     wire_json_string(str_or_empty(check->name)), "ok",
                     (int)check->ok, "text",
                     wire_json_string(str_or_empty(check->text)), "since_ms",
                     (json_int_t)check->since_wall_ms);
}

static json_t *peer_json(const struct peer_health *peer)
{
    const Reeve__HealthReply *reply = peer->reply;
    json_t *checks;

    if (!reply)
        return json_pack("{s:s, s:b, s:b, s:o}", "name", peer->name, "answers",
                         0, "healthy", 0, "error",
                         wire_json_string(peer->err.text));
    checks = json_array();
    for (size_t i = 0; i < reply->n_checks; i++)
        json_array_append_new(checks, check_json(reply->checks[i]));
    return json_pack("{s:s, s:b, s:b, s:o, s:i, s:I, s:o}", "name", peer->name,
                     "answers", 1, "healthy", (int)reply->healthy, "version",
                     wire_json_string(str_or_empty(reply->version)), "pid",
                     (int)reply->pid, "started_ms",
                     (json_int_t)reply->started_wall_ms, "checks", checks);
}

json_t *peers_json(const struct peer_health *peers, size_t n)
{
    json_t *list = json_array();
    bool healthy = true;

    for (size_t i = 0; i < n; i++) {
        healthy &= peers[i].reply && peers[i].reply->healthy;
        json_array_append_new(list, peer_json(&peers[i]));
    }
    return json_pack("{s:b, s:o}", "healthy", (int)healthy, "processes", list);
}
