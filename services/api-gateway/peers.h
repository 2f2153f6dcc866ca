/* SPDX-License-Identifier: Apache-2.0 */
/* peers - how the suite's own processes fare, as JSON
 *
 * Not how the service that they run fares: that is health.h.  Pure.
 */
#ifndef REEVE_API_GATEWAY_PEERS_H
#define REEVE_API_GATEWAY_PEERS_H

#include <jansson.h>

#include "lib/base/err.h"
#include "proto/bus.pb-c.h"

enum { PEERS_COUNT = 4 };

struct peer_health {
    const char *name;          /* "planner" */
    Reeve__HealthReply *reply; /* NULL: it did not answer, and why is in err */
    struct err err;
};

/* {"healthy":…, "processes":[{"name", "answers", "healthy", "version", "pid",
 * "started_ms", "checks":[{"name", "ok", "text", "since_ms"}]}, …]}; instead
 * of all from "version" on, "error" of one that does not answer.  Times are
 * milliseconds since 1970. */
json_t *peers_json(const struct peer_health *peers, size_t n);

#endif
