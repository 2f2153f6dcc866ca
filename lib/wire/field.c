/* SPDX-License-Identifier: Apache-2.0 */
/* field - see field.h; the only place that knows protobuf-c's memory layout */
#include "lib/wire/field.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/base.h"

void *field_member(const ProtobufCMessage *message,
                   const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)message + field->offset;
}

static void *quantifier(const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)message + field->quantifier_offset;
}

bool field_is_oneof(const ProtobufCFieldDescriptor *field)
{
    return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

bool field_is_set(const ProtobufCMessage *message,
                  const ProtobufCFieldDescriptor *field)
{
    if (field_is_oneof(field)) {
        const uint32_t *which = quantifier(message, field);
        return *which == field->id;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        char *const *text = field_member(message, field);
        return *text && (field->label == PROTOBUF_C_LABEL_REQUIRED ||
                         *text != field->default_value);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        ProtobufCMessage *const *sub = field_member(message, field);
        return *sub != NULL;
    }
    if (field->label != PROTOBUF_C_LABEL_OPTIONAL)
        return true;
    const protobuf_c_boolean *has = quantifier(message, field);
    return *has;
}

void field_mark_set(ProtobufCMessage *message,
                    const ProtobufCFieldDescriptor *field)
{
    if (field_is_oneof(field)) {
        uint32_t *which = quantifier(message, field);
        *which = field->id;
        return;
    }
    if (field->label != PROTOBUF_C_LABEL_OPTIONAL ||
        field->type == PROTOBUF_C_TYPE_STRING ||
        field->type == PROTOBUF_C_TYPE_MESSAGE)
        return;
    protobuf_c_boolean *has = quantifier(message, field);
    *has = 1;
}

size_t *field_count(const ProtobufCMessage *message,
                    const ProtobufCFieldDescriptor *field)
{
    ASSERT(field->label == PROTOBUF_C_LABEL_REPEATED);
    return quantifier(message, field);
}

size_t field_value_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    }
    ASSERT(!"a protobuf type we know");
    return 0;
}

const ProtobufCMessageDescriptor *
field_map_entry(const ProtobufCFieldDescriptor *field)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED ||
        field->type != PROTOBUF_C_TYPE_MESSAGE)
        return NULL;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    bool is_map =
        str_ends(entry->short_name, "Entry") && entry->n_fields == 2 &&
        entry->fields[0].id == 1 && !strcmp(entry->fields[0].name, "key") &&
        entry->fields[0].type == PROTOBUF_C_TYPE_STRING &&
        entry->fields[1].id == 2 && !strcmp(entry->fields[1].name, "value");
    return is_map ? entry : NULL;
}
