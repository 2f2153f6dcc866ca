/* SPDX-License-Identifier: Apache-2.0 */
/* pb_mesos - Mesos's small messages, for those who fill the larger ones
 *
 * Everything that is returned is malloc'd; the message it is put into owns it.
 * Pure.
 */
#ifndef REEVE_LIB_MESOS_PB_MESOS_H
#define REEVE_LIB_MESOS_PB_MESOS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/wire/pb.h"
#include "proto/mesos/v1/mesos.pb-c.h"

Mesos__V1__FrameworkID *pb_framework_id(const char *value);
Mesos__V1__OfferID *pb_offer_id(const char *value);
Mesos__V1__AgentID *pb_agent_id(const char *value);
Mesos__V1__TaskID *pb_task_id(const char *value);
Mesos__V1__ExecutorID *pb_executor_id(const char *value);
Mesos__V1__OperationID *pb_operation_id(const char *value);
/* The text of an id message; "" when it is missing. */
#define ID_OF(message) ((message) ? str_or_empty((message)->value) : "")

Mesos__V1__DurationInfo *pb_duration_s(double seconds);
Mesos__V1__TimeInfo *pb_time(int64_t nanoseconds);
/* *env may be NULL; a variable of that name is replaced. */
void pb_env(Mesos__V1__Environment **env, const char *name, const char *value);
/* Appends deep copies to a repeated Resource field. */
void pb_copy_resources(Mesos__V1__Resource *const *from, size_t count,
                       Mesos__V1__Resource ***to, size_t *to_count);

#endif
