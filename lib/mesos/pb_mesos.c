/* SPDX-License-Identifier: Apache-2.0 */
/* pb_mesos - see pb_mesos.h */
#include "lib/mesos/pb_mesos.h"

#include <math.h>

#include "lib/mesos/resource.h"

Mesos__V1__FrameworkID *pb_framework_id(const char *value)
{
    Mesos__V1__FrameworkID *id = PB_NEW(mesos__v1__framework_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__OfferID *pb_offer_id(const char *value)
{
    Mesos__V1__OfferID *id = PB_NEW(mesos__v1__offer_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__AgentID *pb_agent_id(const char *value)
{
    Mesos__V1__AgentID *id = PB_NEW(mesos__v1__agent_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__TaskID *pb_task_id(const char *value)
{
    Mesos__V1__TaskID *id = PB_NEW(mesos__v1__task_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__ExecutorID *pb_executor_id(const char *value)
{
    Mesos__V1__ExecutorID *id = PB_NEW(mesos__v1__executor_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__OperationID *pb_operation_id(const char *value)
{
    Mesos__V1__OperationID *id = PB_NEW(mesos__v1__operation_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__DurationInfo *pb_duration_s(double seconds)
{
    Mesos__V1__DurationInfo *duration = PB_NEW(mesos__v1__duration_info);

    duration->nanoseconds = llround(seconds * 1e9);
    return duration;
}

Mesos__V1__TimeInfo *pb_time(int64_t nanoseconds)
{
    Mesos__V1__TimeInfo *time = PB_NEW(mesos__v1__time_info);

    time->nanoseconds = nanoseconds;
    return time;
}

void pb_env(Mesos__V1__Environment **env, const char *name, const char *value)
{
    Mesos__V1__Environment__Variable *var;

    if (!*env)
        *env = PB_NEW(mesos__v1__environment);
    for (size_t i = 0; i < (*env)->n_variables; i++) {
        if (!str_eq((*env)->variables[i]->name, name))
            continue;
        PB_STR((*env)->variables[i], value, value);
        return;
    }
    var = PB_NEW(mesos__v1__environment__variable);
    var->name = xstrdup(name);
    var->value = xstrdup(str_or_empty(value));
    PB_ADD(*env, variables, var);
}

void pb_copy_resources(Mesos__V1__Resource *const *from, size_t count,
                       Mesos__V1__Resource ***to, size_t *to_count)
{
    for (size_t i = 0; i < count; i++)
        PB_PUSH(*to, *to_count, resource_dup(from[i]));
}
