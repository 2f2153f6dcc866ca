/* SPDX-License-Identifier: Apache-2.0 */
/* pb - see pb.h */
#include "services/offer-broker/pb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

void pb_str(char **field, const char *text)
{
    char *copy = xstrdup(text);

    /* protobuf-c's own default for an unset string; not ours to free. */
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = copy;
}

void pb_bytes(ProtobufCBinaryData *field, protobuf_c_boolean *has,
              const void *data, size_t len)
{
    uint8_t *copy = len ? xmemdup(data, len) : NULL;

    if (*has)
        free(field->data);
    *has = true;
    field->data = copy;
    field->len = len;
}

void pb_encoded(ProtobufCBinaryData *field, protobuf_c_boolean *has,
                const ProtobufCMessage *inner)
{
    AUTO_BUF struct buf bytes = {0};

    wire_encode(inner, &bytes);
    pb_bytes(field, has, bytes.data, bytes.len);
}

Mesos__V1__FrameworkID *pb_framework_id(const char *value)
{
    Mesos__V1__FrameworkID *id;

    PB_NEW(id, mesos__v1__framework_id);
    id->value = xstrdup(value);
    return id;
}

Mesos__V1__OfferID *pb_offer_id(const char *value)
{
    Mesos__V1__OfferID *id;

    PB_NEW(id, mesos__v1__offer_id);
    id->value = xstrdup(value);
    return id;
}

Mesos__V1__AgentID *pb_agent_id(const char *value)
{
    Mesos__V1__AgentID *id;

    PB_NEW(id, mesos__v1__agent_id);
    id->value = xstrdup(value);
    return id;
}

Mesos__V1__TaskID *pb_task_id(const char *value)
{
    Mesos__V1__TaskID *id;

    PB_NEW(id, mesos__v1__task_id);
    id->value = xstrdup(value);
    return id;
}

Mesos__V1__ExecutorID *pb_executor_id(const char *value)
{
    Mesos__V1__ExecutorID *id;

    PB_NEW(id, mesos__v1__executor_id);
    id->value = xstrdup(value);
    return id;
}

Mesos__V1__OperationID *pb_operation_id(const char *value)
{
    Mesos__V1__OperationID *id;

    PB_NEW(id, mesos__v1__operation_id);
    id->value = xstrdup(value);
    return id;
}

Mesos__V1__DurationInfo *pb_duration_s(double seconds)
{
    Mesos__V1__DurationInfo *duration;

    PB_NEW(duration, mesos__v1__duration_info);
    duration->nanoseconds = llround(seconds * 1e9);
    return duration;
}

void pb_env(Mesos__V1__Environment **env, const char *name, const char *value)
{
    Mesos__V1__Environment__Variable *var;

    if (!*env)
        PB_NEW(*env, mesos__v1__environment);
    for (size_t i = 0; i < (*env)->n_variables; i++) {
        if (!str_eq((*env)->variables[i]->name, name))
            continue;
        PB_STR((*env)->variables[i], value, value);
        return;
    }
    PB_NEW(var, mesos__v1__environment__variable);
    var->name = xstrdup(name);
    var->value = xstrdup(str_or_empty(value));
    PB_ADD(*env, variables, var);
}
