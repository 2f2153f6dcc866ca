/* SPDX-License-Identifier: Apache-2.0 */
/* rules - is a scheduler call, a FrameworkInfo, a constraint well-formed?
 *
 * Pure; the texts are the master's own.  Says nothing about the state of any
 * framework, agent or offer.
 */
#ifndef REEVE_DEVCLUSTER_RULES_H
#define REEVE_DEVCLUSTER_RULES_H

#include "proto/mesos/v1/scheduler.pb-c.h"

struct err;

/* ERR_INVALID with the text that follows "Failed to validate scheduler::Call:
 * ".
 */
int scheduler_call_validate(const Mesos__V1__Scheduler__Call *call,
                            struct err *err);
/* What a SUBSCRIBE or UPDATE_FRAMEWORK is refused for, besides policy. */
int framework_info_validate(const Mesos__V1__FrameworkInfo *info,
                            struct err *err);
/* The one role of a framework without MULTI_ROLE; NULL when it is not set at
 * all ("*" is meant then). */
const char *framework_info_old_role(const Mesos__V1__FrameworkInfo *info);
/* Suppressed roles and offer constraints against the framework's roles. */
int subscribe_roles_validate(
    const Mesos__V1__FrameworkInfo *info, char *const *suppressed,
    size_t n_suppressed,
    const Mesos__V1__Scheduler__OfferConstraints *constraints, struct err *err);

#endif
