/* SPDX-License-Identifier: Apache-2.0 */
/* states - task and operation states, names of things, roles.  Pure. */
#ifndef REEVE_LIB_MESOS_STATES_H
#define REEVE_LIB_MESOS_STATES_H

#include <stdbool.h>

#include "proto/mesos/v1/mesos.pb-c.h"

struct err;

/* A task in this state never runs again: FINISHED FAILED KILLED ERROR LOST
 * DROPPED GONE GONE_BY_OPERATOR.  UNREACHABLE and UNKNOWN are not: it may still
 * run.  Mind that LOST is terminal by the book, yet such a task has been seen
 * to come back. */
bool task_state_is_terminal(int state);
/* Does the state prove that no process is left (FINISHED FAILED KILLED ERROR
 * DROPPED GONE GONE_BY_OPERATOR)? */
bool task_state_proves_death(int state);
/* "TASK_RUNNING"; "TASK_77" (static, good until 7 further calls) for numbers we
 * do not know. */
const char *task_state_name(int state);
const char *task_reason_name(int reason);
const char *task_source_name(int source);
/* FINISHED FAILED ERROR DROPPED GONE_BY_OPERATOR. */
bool operation_state_is_terminal(int state);
const char *operation_state_name(int state);

/* Ids made by frameworks: 1..255 bytes, not "." or "..", no control bytes, no
 * slash, no backslash.  ERR_INVALID "'x/y' contains invalid characters". */
int mesos_id_validate(const char *id, struct err *err);
/* ERR_INVALID "Role 'a//b' cannot contain two adjacent slashes". "*" is valid.
 */
int mesos_role_validate(const char *role, struct err *err);
/* Is child below parent ("eng/db" below "eng"), or the same when or_same? */
bool mesos_role_is_below(const char *child, const char *parent, bool or_same);

#endif
