/* SPDX-License-Identifier: Apache-2.0 */
/* operate - an operator's verb on a plan or a pod, as changes of records
 *
 * All checks come before the first change.  What the operator decided is in the
 * records before he is answered, so it outlives any restart.  Pure.
 */
#ifndef REEVE_PLANNER_OPERATE_H
#define REEVE_PLANNER_OPERATE_H

#include "proto/planner.pb-c.h"
#include "services/planner/changes.h"
#include "services/planner/facts.h"

struct err;

struct operate_source {
    const struct facts *facts;
    int64_t now_ms; /* wall clock */
};

/* *reply: "Received cmd: …", malloc'd.  Returns 0, or -1 and no change:
 *   ERR_NOT_FOUND  "Plan x not found", "Phase …", "Step …"
 *   ERR_NOOP       it is so already
 *   ERR_INVALID    bad parameters, or a step without its phase
 */
int operate_plan(const struct operate_source *source,
                 const Reeve__PlanCommand *command, struct changes *changes,
                 char **reply, struct err *err);

/* *reply: to be freed with wire_free.  Returns 0, or -1 and no change:
 *   ERR_NOT_FOUND    "Pod x not found", or a task that it does not have
 *   ERR_UNSUPPORTED  pause and resume
 */
int operate_pod(const struct operate_source *source,
                const Reeve__PodCommand *command, struct changes *changes,
                Reeve__PodCommandReply **reply, struct err *err);

#endif
