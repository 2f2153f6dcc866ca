/* SPDX-License-Identifier: Apache-2.0 */
/* explain_json - why a pod is not running, and what would unblock it; pure */
#ifndef REEVE_API_GATEWAY_EXPLAIN_JSON_H
#define REEVE_API_GATEWAY_EXPLAIN_JSON_H

#include <jansson.h>

#include "services/api-gateway/view.h"

/* GET /v1/debug/explain[?pod=]: {"service":[{why, unblock}], "pods":[…]}.  pod
 * NULL: all; else NULL when the target has no such pod and none is recorded. */
json_t *explain_json(const struct view *view, const char *pod);

#endif
