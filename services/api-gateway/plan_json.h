/* SPDX-License-Identifier: Apache-2.0 */
/* plan_json - plans in the shapes of the SDK's and the seed's API; pure */
#ifndef REEVE_API_GATEWAY_PLAN_JSON_H
#define REEVE_API_GATEWAY_PLAN_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "proto/records.pb-c.h"

/* "COMPLETE" …; never NULL. */
const char *plan_status_name(Reeve__PlanStatus status);
/* The seed knew five words; newer ones are folded into them. */
const char *plan_status_seed_name(Reeve__PlanStatus status);

/* GET /v1/plans/{plan}.  with_blocks: steps also as "blocks", with
 * has_decision_point, for clients of the seed's GET /v1/plan. */
json_t *plan_json(const Reeve__Plan *plan, bool with_blocks);
/* 200 complete, 417 with errors, else 202. */
int plan_http_status(const Reeve__Plan *plan);
/* GET /v1/plan/status: the current block, phase and the plan. */
json_t *plan_currently_active(const Reeve__Plan *plan);
/* GET /v1/recovery: {"stopped":[…],"failed":[…]} from the recovery plan;
 * permanent: is this task marked for replacement? */
json_t *plan_recovery(const Reeve__Plan *recovery,
                      bool (*permanent)(void *self, const char *task_name),
                      void *self);

#endif
