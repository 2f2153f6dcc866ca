/* SPDX-License-Identifier: Apache-2.0 */
/* task_rules - is a task, an executor, a group well-formed?
 *
 * Pure and stateless: ids in use and what the offer holds are checked by
 * master_launch.c.  The texts are the master's own.
 */
#ifndef REEVE_DEVCLUSTER_TASK_RULES_H
#define REEVE_DEVCLUSTER_TASK_RULES_H

#include <stdbool.h>

#include "proto/mesos/v1/mesos.pb-c.h"

struct err;

/* Kill policy, completion time, checks, resources, environment, container;
 * in_group: also what a group forbids. */
int task_validate(const Mesos__V1__TaskInfo *task, bool in_group,
                  struct err *err);
/* An executor of a group.  framework_id: the one it must carry. */
int executor_validate(const Mesos__V1__ExecutorInfo *executor,
                      const char *framework_id, struct err *err);
/* May tasks go to a running executor of the same id? */
bool executor_same(const Mesos__V1__ExecutorInfo *a,
                   const Mesos__V1__ExecutorInfo *b);
/* No ports (or sets) twice and no volume twice over tasks and executor. */
int group_validate(const Mesos__V1__ExecutorInfo *executor,
                   const Mesos__V1__TaskGroupInfo *group, struct err *err);

#endif
