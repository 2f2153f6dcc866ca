/* SPDX-License-Identifier: Apache-2.0 */
/* status - what a status update makes of the stored status of a task
 *
 * Pure.  Which states end a task: those that prove that no process is left
 * (lib/mesos/states.h): FINISHED FAILED KILLED ERROR DROPPED GONE
 * GONE_BY_OPERATOR.  Three need care:
 *
 *   LOST     is no proof: it comes when an agent leaves in good order, when a
 *            machine goes down and when another agent takes the address over;
 *            in the first two the agent and its tasks' volumes come back.  The
 *            task counts as possibly alive and is asked for again; the master
 *            says GONE once the agent is back without it.
 *   UNKNOWN  neither: the master knows no such agent.  Only when nothing was
 *            ever heard of the launch, and none of its operations was
 *            confirmed, is there no trace that it reached an agent: then it is
 *            stored as DROPPED.  Else it waits for the agent, or for the
 *            operator to replace the pod.
 *   DROPPED  after STARTING or RUNNING contradicts itself (a late answer to an
 *            old call): not taken; the master is asked.
 */
#ifndef REEVE_OFFER_BROKER_STATUS_H
#define REEVE_OFFER_BROKER_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"

enum status_verdict {
    STATUS_STORE, /* *out is what the record becomes */
    STATUS_SAME,  /* nothing new: only acknowledge */
    STATUS_KEEP,  /* the stored terminal state stands: only acknowledge */
    STATUS_ASK,   /* contradicts: acknowledge and reconcile the task */
};

struct status_in {
    const Reeve__TaskRecord *task;         /* the current launch */
    const Reeve__TaskStatusRecord *stored; /* NULL: none */
    const Mesos__V1__TaskStatus *update;   /* of the same task id */
    bool is_pod_confirmed; /* its reservations proved to exist */
    int64_t now_wall_ms;
};
enum status_verdict status_merge(const struct status_in *in,
                                 Reeve__TaskStatusRecord **out);

/* The record written with the launch, before Mesos knows of it. */
Reeve__TaskStatusRecord *status_of_launch(const Reeve__TaskRecord *task,
                                          int64_t now_wall_ms);
/* Did Mesos ever say anything about this task? */
bool status_was_heard(const Reeve__TaskStatusRecord *status);
/* May a process of this task still run?  NULL: no. */
bool status_may_live(const Reeve__TaskStatusRecord *status);
/* STAGING, STARTING, RUNNING, KILLING: it is where we think, and moving. */
bool status_is_moving(const Reeve__TaskStatusRecord *status);

#endif
