/* SPDX-License-Identifier: Apache-2.0 */
/* task_json - pods, tasks, endpoints and configurations as JSON; pure */
#ifndef REEVE_API_GATEWAY_TASK_JSON_H
#define REEVE_API_GATEWAY_TASK_JSON_H

#include <jansson.h>

#include "services/api-gateway/view.h"

/* GET /v1/pod: sorted instance names. */
json_t *task_json_pods(const struct view *view);
/* GET /v1/pod/status. */
json_t *task_json_statuses(const struct view *view);
/* GET /v1/pod/{pod}/status; NULL: no such pod. */
json_t *task_json_pod_status(const struct view *view, const char *pod);
/* GET /v1/pod/{pod}/info; NULL: no such pod. */
json_t *task_json_pod_info(const struct view *view, const char *pod);

/* The seed's rendering: snake_case, slave_id beside agent_id. NULL: absent. */
json_t *task_json_info(const struct view_task *task);
json_t *task_json_status(const struct view_task *task);
/* {"dns":…,"ports":"8080,2000-3000"}. */
json_t *task_json_connection(const struct view *view,
                             const struct view_task *task);

/* GET /v1/endpoints, and one of them (NULL: no such endpoint). */
json_t *task_json_endpoints(const struct view *view);
json_t *task_json_endpoint(const struct view *view, const char *name);

/* A stored specification with the SDK's key names (kebab-case, pod-specs …). */
json_t *task_json_spec(const Reeve__ServiceSpec *spec);

#endif
