/* SPDX-License-Identifier: Apache-2.0 */
/* plan_status - short names for the statuses of plans, phases and steps */
#ifndef REEVE_PLANNER_PLAN_STATUS_H
#define REEVE_PLANNER_PLAN_STATUS_H

#include <stdbool.h>

#include "proto/records.pb-c.h"

#define PLAN_ERROR       REEVE__PLAN_STATUS__STATUS_ERROR
#define PLAN_WAITING     REEVE__PLAN_STATUS__STATUS_WAITING
#define PLAN_PENDING     REEVE__PLAN_STATUS__STATUS_PENDING
#define PLAN_PREPARED    REEVE__PLAN_STATUS__STATUS_PREPARED
#define PLAN_STARTING    REEVE__PLAN_STATUS__STATUS_STARTING
#define PLAN_STARTED     REEVE__PLAN_STATUS__STATUS_STARTED
#define PLAN_COMPLETE    REEVE__PLAN_STATUS__STATUS_COMPLETE
#define PLAN_IN_PROGRESS REEVE__PLAN_STATUS__STATUS_IN_PROGRESS
#define PLAN_DELAYED     REEVE__PLAN_STATUS__STATUS_DELAYED

/* Something is under way: PREPARED, STARTING, STARTED or IN_PROGRESS. */
static inline bool plan_status_is_running(Reeve__PlanStatus status)
{
    return status == PLAN_PREPARED || status == PLAN_STARTING ||
           status == PLAN_STARTED || status == PLAN_IN_PROGRESS;
}

#endif
