/* SPDX-License-Identifier: Apache-2.0 */
/* text_format - see text_format.h
 *
 * Writes fields that are present only.  Bytes are written as they are when
 * printable, else in octal.
 */
#include "devcluster/text_format.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/wire/wire.h"

static void write_message(const ProtobufCMessage *message, int depth,
                          struct buf *out);

static void write_quoted(const char *text, size_t len, struct buf *out)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c == '\n')
            buf_add_str(out, "\\n");
        else if (isprint(c))
            buf_add_char(out, (char)c);
        else
            buf_addf(out, "\\%03o", c);
    }
    buf_add_char(out, '"');
}

/* value points to one element. */
static void write_scalar(const ProtobufCFieldDescriptor *field,
                         const void *value, struct buf *out)
{
    const char *name;
    const ProtobufCBinaryData *bytes = value;

    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        buf_addf(out, "%d", *(const int32_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        buf_addf(out, "%u", *(const uint32_t *)value);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        buf_addf(out, "%lld", (long long)*(const int64_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        buf_addf(out, "%llu", (unsigned long long)*(const uint64_t *)value);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        buf_addf(out, "%.7g", (double)*(const float *)value);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        buf_addf(out, "%.15g", *(const double *)value);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buf_add_str(out, *(const protobuf_c_boolean *)value ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        name = wire_enum_name(field->descriptor, *(const int *)value);
        if (name)
            buf_add_str(out, name);
        else
            buf_addf(out, "%d", *(const int *)value);
        break;
    case PROTOBUF_C_TYPE_STRING:
        name = *(char *const *)value;
        write_quoted(str_or_empty(name), name ? strlen(name) : 0, out);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        write_quoted((const char *)bytes->data, bytes->len, out);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        break; /* write_one does it */
    }
}

static void write_one(const ProtobufCFieldDescriptor *field, const void *value,
                      int depth, struct buf *out)
{
    buf_addf(out, "%*s%s", depth * 2, "", field->name);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        buf_add_str(out, " {\n");
        write_message(*(ProtobufCMessage *const *)value, depth + 1, out);
        buf_addf(out, "%*s}\n", depth * 2, "");
        return;
    }
    buf_add_str(out, ": ");
    write_scalar(field, value, out);
    buf_add_char(out, '\n');
}

static size_t element_size(const ProtobufCFieldDescriptor *field)
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
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    }
    return 8;
}

static bool is_present(const ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    const void *value = base + field->offset;
    int quantifier;

    if (field->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    memcpy(&quantifier, base + field->quantifier_offset, sizeof quantifier);
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return quantifier == (int)field->id;
    if (field->type == PROTOBUF_C_TYPE_STRING ||
        field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const void *pointer = *(void *const *)value;

        return pointer && pointer != field->default_value;
    }
    return *(const protobuf_c_boolean *)(base + field->quantifier_offset);
}

static void write_field(const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field, int depth,
                        struct buf *out)
{
    const char *base = (const char *)message;
    size_t count;
    const char *array;

    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        if (is_present(message, field))
            write_one(field, base + field->offset, depth, out);
        return;
    }
    memcpy(&count, base + field->quantifier_offset, sizeof count);
    array = *(char *const *)(const void *)(base + field->offset);
    for (size_t i = 0; i < count; i++)
        write_one(field, array + i * element_size(field), depth, out);
}

static void write_message(const ProtobufCMessage *message, int depth,
                          struct buf *out)
{
    /* The descriptor lists fields by number, as the text form wants them. */
    for (unsigned i = 0; i < message->descriptor->n_fields; i++)
        write_field(message, &message->descriptor->fields[i], depth, out);
}

char *text_format(const ProtobufCMessage *message)
{
    struct buf out = {0};

    write_message(message, 0, &out);
    if (!out.len)
        buf_add_str(&out, "");
    return buf_take(&out, NULL);
}
