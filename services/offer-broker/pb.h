/* SPDX-License-Identifier: Apache-2.0 */
/* pb - small builders for protobuf messages that we fill by hand
 *
 * Everything that goes into a message is malloc'd, so that wire_free() takes
 * the whole thing down.  Pure.
 */
#ifndef REEVE_OFFER_BROKER_PB_H
#define REEVE_OFFER_BROKER_PB_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"

/* PB_NEW(msg->command, mesos__v1__command_info): points it at a fresh message
 * (the type comes from the pointer: nested messages have no function to ask).
 */
#define PB_NEW(pointer, prefix)                                                \
    do {                                                                       \
        (pointer) = xmalloc(sizeof(*(pointer)));                               \
        prefix##__init(pointer);                                               \
    } while (0)
/* PB_ADD(msg, tasks, item): appends to a repeated field. */
#define PB_ADD(msg, field, item)                                               \
    do {                                                                       \
        (msg)->field = xrealloc((msg)->field, ((msg)->n_##field + 1) *         \
                                                  sizeof(*(msg)->field));      \
        (msg)->field[(msg)->n_##field++] = (item);                             \
    } while (0)
/* PB_SET(msg, count, 3): an optional number, bool or enum. */
#define PB_SET(msg, field, value)                                              \
    do {                                                                       \
        (msg)->has_##field = true;                                             \
        (msg)->field = (value);                                                \
    } while (0)
/* PB_STR(msg, name, text): replaces a string field by a copy (NULL: unset). */
#define PB_STR(msg, field, text) pb_str(&(msg)->field, (text))
void pb_str(char **field, const char *text);
/* Replaces an optional bytes field by a copy. */
#define PB_BYTES(msg, field, data, len)                                        \
    pb_bytes(&(msg)->field, &(msg)->has_##field, (data), (len))
void pb_bytes(ProtobufCBinaryData *field, protobuf_c_boolean *has,
              const void *data, size_t len);
/* The same with a message's encoding as the bytes. */
#define PB_ENCODED(msg, field, inner)                                          \
    pb_encoded(&(msg)->field, &(msg)->has_##field, &(inner)->base)
void pb_encoded(ProtobufCBinaryData *field, protobuf_c_boolean *has,
                const ProtobufCMessage *inner);

/* ---- Mesos's small messages --------------------------------------- */
Mesos__V1__FrameworkID *pb_framework_id(const char *value);
Mesos__V1__OfferID *pb_offer_id(const char *value);
Mesos__V1__AgentID *pb_agent_id(const char *value);
Mesos__V1__TaskID *pb_task_id(const char *value);
Mesos__V1__ExecutorID *pb_executor_id(const char *value);
Mesos__V1__OperationID *pb_operation_id(const char *value);
Mesos__V1__DurationInfo *pb_duration_s(double seconds);
/* *env may be NULL; a variable of that name is replaced. */
void pb_env(Mesos__V1__Environment **env, const char *name, const char *value);

#endif
