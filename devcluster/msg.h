/* SPDX-License-Identifier: Apache-2.0 */
/* msg - small helpers to build the generated messages
 *
 * All strings and sub-messages put in are owned by the message; wire_free
 * frees them with it.
 */
#ifndef REEVE_DEVCLUSTER_MSG_H
#define REEVE_DEVCLUSTER_MSG_H

#include <stdint.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/mesos.pb-c.h"

/* MSG_NEW(mesos__v1__offer): a new message with its defaults. */
#define MSG_NEW(prefix) msg_new(&prefix##__descriptor)
/* A deep copy, unknown fields included. */
#define MSG_DUP(message) ((void *)wire_dup(&(message)->base))
/* MSG_PUSH(offer->resources, offer->n_resources, r): appends, owns r. */
#define MSG_PUSH(list, count, item)                                            \
    do {                                                                       \
        (list) = xrealloc((list), ((count) + 1) * sizeof *(list));             \
        (list)[(count)++] = (item);                                            \
    } while (0)
/* Sets an optional scalar or enum field. */
#define MSG_SET(message, field, value)                                         \
    do {                                                                       \
        (message)->has_##field = 1;                                            \
        (message)->field = (value);                                            \
    } while (0)
/* Sets an optional bytes field to a copy. */
#define MSG_SET_BYTES(message, field, bytes, size)                             \
    do {                                                                       \
        (message)->has_##field = 1;                                            \
        (message)->field = msg_bytes(bytes, size);                             \
    } while (0)
#define MSG_FREE(message)                                                      \
    do {                                                                       \
        ProtobufCMessage *msg_free_ = (void *)(message);                       \
        wire_free(&msg_free_);                                                 \
        (message) = NULL;                                                      \
    } while (0)

/* void: it is always assigned to the one type that fits. */
void *msg_new(const ProtobufCMessageDescriptor *type);
ProtobufCBinaryData msg_bytes(const void *bytes, size_t size);
Mesos__V1__FrameworkID *msg_framework_id(const char *value);
Mesos__V1__AgentID *msg_agent_id(const char *value);
Mesos__V1__TaskID *msg_task_id(const char *value);
Mesos__V1__ExecutorID *msg_executor_id(const char *value);
Mesos__V1__OfferID *msg_offer_id(const char *value);
Mesos__V1__TimeInfo *msg_time(int64_t nanoseconds);
/* A deep copy of a repeated Resource field. */
void msg_copy_resources(Mesos__V1__Resource *const *from, size_t count,
                        Mesos__V1__Resource ***to, size_t *to_count);

/* "" when the id message is missing. */
#define ID_OF(message) ((message) ? str_or_empty((message)->value) : "")

#endif
