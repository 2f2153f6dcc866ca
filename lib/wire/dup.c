/* SPDX-License-Identifier: Apache-2.0 */
/* dup - copies a message field by field, without a detour over its bytes
 *
 * The copy is as one that was unpacked: each part in memory of its own, texts
 * that are their field's default borrowed from the descriptor, a required text
 * that was never set is "".  What a message of the store or of Mesos nests is
 * bounded where it was decoded.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/wire/field.h"
#include "lib/wire/wire.h"

/* What the element at this place points to becomes the copy's own. */
static void own_element(const ProtobufCFieldDescriptor *field, void *element)
{
    ProtobufCBinaryData bytes;
    ProtobufCMessage *message;
    char *text;

    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        memcpy(&text, element, sizeof(text));
        if (!text && field->label == PROTOBUF_C_LABEL_REQUIRED)
            text = xstrdup("");
        else if (text && text != (const char *)field->default_value)
            text = xstrdup(text);
        memcpy(element, &text, sizeof(text));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        memcpy(&bytes, element, sizeof(bytes));
        bytes.data = bytes.len ? xmemdup(bytes.data, bytes.len) : NULL;
        memcpy(element, &bytes, sizeof(bytes));
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        memcpy(&message, element, sizeof(message));
        if (message)
            message = wire_dup(message);
        memcpy(element, &message, sizeof(message));
        break;
    default:
        break;
    }
}

static void own_list(const ProtobufCFieldDescriptor *field, void *copy)
{
    char *at = (char *)copy + field->offset;
    size_t count, size = field_value_size(field);
    char *list;

    memcpy(&count, (char *)copy + field->quantifier_offset, sizeof(count));
    memcpy(&list, at, sizeof(list));
    list = count ? xmemdup(list, count * size) : NULL;
    memcpy(at, &list, sizeof(list));
    for (size_t i = 0; i < count; i++)
        own_element(field, list + i * size);
}

static bool is_set(const ProtobufCFieldDescriptor *field, const void *copy)
{
    const char *quantifier = (const char *)copy + field->quantifier_offset;
    protobuf_c_boolean has;
    uint32_t chosen;

    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        memcpy(&chosen, quantifier, sizeof(chosen));
        return chosen == field->id;
    }
    if (field->label != PROTOBUF_C_LABEL_OPTIONAL ||
        field->type != PROTOBUF_C_TYPE_BYTES)
        return true;
    memcpy(&has, quantifier, sizeof(has));
    return has;
}

static void clear_bytes(const ProtobufCFieldDescriptor *field, void *copy)
{
    memset((char *)copy + field->offset, 0, sizeof(ProtobufCBinaryData));
}

static void own_unknown(ProtobufCMessage *copy)
{
    size_t count = copy->n_unknown_fields;

    copy->unknown_fields = count
                               ? xmemdup(copy->unknown_fields,
                                         count * sizeof(*copy->unknown_fields))
                               : NULL;
    for (size_t i = 0; i < count; i++)
        copy->unknown_fields[i].data =
            xmemdup(copy->unknown_fields[i].data, copy->unknown_fields[i].len);
}

ProtobufCMessage *wire_dup(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    ProtobufCMessage *copy = xmemdup(message, type->sizeof_message);

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];

        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            own_list(field, copy);
        else if (is_set(field, copy))
            own_element(field, (char *)copy + field->offset);
        else if (field->type == PROTOBUF_C_TYPE_BYTES &&
                 !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
            clear_bytes(field, copy);
    }
    own_unknown(copy);
    return copy;
}
