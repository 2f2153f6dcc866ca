/* SPDX-License-Identifier: Apache-2.0 */
/* pb - fill protobuf messages by hand
 *
 * Everything that is put into a message is malloc'd and owned by it from then
 * on, so that wire_free() takes the whole thing down.  Pure.
 */
#ifndef REEVE_LIB_WIRE_PB_H
#define REEVE_LIB_WIRE_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"

/* PB_NEW(mesos__v1__offer): a fresh message with its defaults, for any type,
 * also one that is nested in another (so a void *: those have no function that
 * would tell their type). */
#define PB_NEW(prefix) pb_new(&prefix##__descriptor)
/* A deep copy as a void *, unknown fields included. */
#define PB_DUP(message) ((void *)wire_dup(&(message)->base))
/* Frees the message, which may be NULL, and sets the pointer to NULL. */
#define PB_FREE(message)                                                       \
    do {                                                                       \
        ProtobufCMessage *pb_free_ = (void *)(message);                        \
        wire_free(&pb_free_);                                                  \
        (message) = NULL;                                                      \
    } while (0)

/* PB_ADD(offer, resources, r): appends to a repeated field, which owns r. */
#define PB_ADD(message, field, item)                                           \
    PB_PUSH((message)->field, (message)->n_##field, item)
#define PB_ADD_STR(message, field, text) PB_ADD(message, field, xstrdup(text))
/* The same for a list and its count that stand elsewhere. */
#define PB_PUSH(list, count, item)                                             \
    do {                                                                       \
        (list) = xrealloc((list), ((count) + 1) * sizeof(*(list)));            \
        (list)[(count)++] = (item);                                            \
    } while (0)
/* Empties a repeated string field. */
#define PB_CLEAR_STRS(message, field)                                          \
    pb_clear_strs(&(message)->field, &(message)->n_##field)

/* PB_SET(message, count, 3): an optional number, bool or enum. */
#define PB_SET(message, field, value)                                          \
    do {                                                                       \
        (message)->has_##field = true;                                         \
        (message)->field = (value);                                            \
    } while (0)
/* Replaces a string field by a copy (NULL: unset). */
#define PB_STR(message, field, text) pb_str(&(message)->field, (text))
/* Replaces an optional bytes field by a copy. */
#define PB_BYTES(message, field, data, len)                                    \
    pb_bytes(&(message)->field, &(message)->has_##field, (data), (len))
/* The same with a message's encoding as the bytes. */
#define PB_ENCODED(message, field, inner)                                      \
    pb_encoded(&(message)->field, &(message)->has_##field, &(inner)->base)

/* What the macros call. */
void *pb_new(const ProtobufCMessageDescriptor *type);
void pb_str(char **field, const char *text);
void pb_bytes(ProtobufCBinaryData *field, protobuf_c_boolean *has,
              const void *data, size_t len);
void pb_encoded(ProtobufCBinaryData *field, protobuf_c_boolean *has,
                const ProtobufCMessage *inner);
void pb_clear_strs(char ***list, size_t *count);

#endif
