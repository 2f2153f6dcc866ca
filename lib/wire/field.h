/* SPDX-License-Identifier: Apache-2.0 */
/* field - reach a message's fields through their descriptors
 *
 * Private to lib/wire.
 */
#ifndef REEVE_LIB_WIRE_FIELD_H
#define REEVE_LIB_WIRE_FIELD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#define WIRE_MAX_DEPTH 64

/* Address of the field's member. */
void *field_member(const ProtobufCMessage *message,
                   const ProtobufCFieldDescriptor *field);
/* Optional and oneof fields; required ones are always set. */
bool field_is_set(const ProtobufCMessage *message,
                  const ProtobufCFieldDescriptor *field);
/* has_x = true, or the case of the oneof. */
void field_mark_set(ProtobufCMessage *message,
                    const ProtobufCFieldDescriptor *field);
/* Number of elements of a repeated field, writable. */
size_t *field_count(const ProtobufCMessage *message,
                    const ProtobufCFieldDescriptor *field);
bool field_is_oneof(const ProtobufCFieldDescriptor *field);
/* Bytes of one value in C. */
size_t field_value_size(const ProtobufCFieldDescriptor *field);
/* The descriptor of a map's entries (a message named …Entry with key = 1 and
 * value = 2), or NULL when the field is no map. */
const ProtobufCMessageDescriptor *
field_map_entry(const ProtobufCFieldDescriptor *field);

#endif
