/* SPDX-License-Identifier: Apache-2.0 */
/* msg - see msg.h */
#include "devcluster/msg.h"

#include "lib/mesos/resource.h"

void *msg_new(const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = xmalloc(type->sizeof_message);

    protobuf_c_message_init(type, message);
    return message;
}

ProtobufCBinaryData msg_bytes(const void *bytes, size_t size)
{
    ProtobufCBinaryData data = {size, xmemdup(bytes, size)};

    return data;
}

Mesos__V1__FrameworkID *msg_framework_id(const char *value)
{
    Mesos__V1__FrameworkID *id = MSG_NEW(mesos__v1__framework_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__AgentID *msg_agent_id(const char *value)
{
    Mesos__V1__AgentID *id = MSG_NEW(mesos__v1__agent_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__TaskID *msg_task_id(const char *value)
{
    Mesos__V1__TaskID *id = MSG_NEW(mesos__v1__task_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__ExecutorID *msg_executor_id(const char *value)
{
    Mesos__V1__ExecutorID *id = MSG_NEW(mesos__v1__executor_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__OfferID *msg_offer_id(const char *value)
{
    Mesos__V1__OfferID *id = MSG_NEW(mesos__v1__offer_id);

    id->value = xstrdup(value);
    return id;
}

Mesos__V1__TimeInfo *msg_time(int64_t nanoseconds)
{
    Mesos__V1__TimeInfo *time = MSG_NEW(mesos__v1__time_info);

    time->nanoseconds = nanoseconds;
    return time;
}

void msg_copy_resources(Mesos__V1__Resource *const *from, size_t count,
                        Mesos__V1__Resource ***to, size_t *to_count)
{
    for (size_t i = 0; i < count; i++)
        MSG_PUSH(*to, *to_count, resource_dup(from[i]));
}
