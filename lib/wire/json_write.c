/* SPDX-License-Identifier: Apache-2.0 */
/* json_write - messages to jansson values by their descriptors
 *
 * Unknown fields are not printed: their names are not known.  Text that is no
 * UTF-8 has its bad bytes replaced by U+FFFD.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/wire/field.h"
#include "lib/wire/wire.h"

/* Length of the valid UTF-8 sequence at s, 0 when there is none. */
static size_t utf8_len(const uint8_t *s, size_t left)
{
    size_t n = s[0] < 0x80             ? 1
               : (s[0] & 0xe0) == 0xc0 ? 2
               : (s[0] & 0xf0) == 0xe0 ? 3
               : (s[0] & 0xf8) == 0xf0 ? 4
                                       : 0;
    if (n == 0 || n > left)
        return 0;
    uint32_t code = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    bool is_bad = code < least[n] || code > 0x10ffff ||
                  (code >= 0xd800 && code <= 0xdfff);
    return is_bad ? 0 : n;
}

json_t *wire_json_string(const char *text)
{
    json_t *json = json_string(text);
    if (json)
        return json;
    AUTO_BUF struct buf clean = {0};
    const uint8_t *s = (const uint8_t *)text;
    size_t left = strlen(text);
    while (left > 0) {
        size_t n = utf8_len(s, left);
        if (n)
            buf_add(&clean, s, n);
        else
            buf_add_str(&clean, "\xef\xbf\xbd");
        s += n ? n : 1;
        left -= n ? n : 1;
    }
    return json_string(buf_text(&clean));
}

static json_t *double_to_json(double value)
{
    if (isnan(value))
        return json_string("NaN");
    if (isinf(value))
        return json_string(value > 0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

static json_t *unsigned_to_json(uint64_t value)
{
    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    char text[24]; /* jansson has no such number */
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return json_string(text);
}

static json_t *bytes_to_json(const ProtobufCBinaryData *bytes)
{
    AUTO_BUF struct buf text = {0};
    base64_encode(bytes->data, bytes->len, &text);
    return json_string(buf_text(&text));
}

static json_t *enum_to_json(const ProtobufCEnumDescriptor *type, int value)
{
    const char *name = wire_enum_name(type, value);
    return name ? json_string(name) : json_integer(value);
}

static json_t *number_to_json(const ProtobufCFieldDescriptor *field,
                              const void *at)
{
    /* Generated code may not alias our types: copy out. */
    int32_t i32 = 0;
    int64_t i64 = 0;
    double real = 0;
    float single = 0;
    if (field_value_size(field) == 4)
        memcpy(&i32, at, 4);
    else
        memcpy(&i64, at, 8);
    if (field->type == PROTOBUF_C_TYPE_DOUBLE) {
        memcpy(&real, at, 8);
        return double_to_json(real);
    }
    if (field->type == PROTOBUF_C_TYPE_FLOAT) {
        memcpy(&single, at, 4);
        return double_to_json((double)single);
    }
    if (field->type == PROTOBUF_C_TYPE_UINT64 ||
        field->type == PROTOBUF_C_TYPE_FIXED64)
        return unsigned_to_json((uint64_t)i64);
    if (field->type == PROTOBUF_C_TYPE_UINT32 ||
        field->type == PROTOBUF_C_TYPE_FIXED32)
        return json_integer((uint32_t)i32);
    return json_integer(field_value_size(field) == 4 ? i32 : i64);
}

static json_t *value_to_json(const ProtobufCFieldDescriptor *field,
                             const void *at, int style)
{
    int number;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FLOAT:
        return number_to_json(field, at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        memcpy(&number, at, sizeof(number));
        return enum_to_json(field->descriptor, number);
    case PROTOBUF_C_TYPE_STRING:
        return wire_json_string(str_or_empty(*(char *const *)at));
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_to_json(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return wire_to_json(*(ProtobufCMessage *const *)at, style);
    }
    return json_null();
}

static json_t *map_to_json(const ProtobufCMessageDescriptor *entry,
                           ProtobufCMessage *const *entries, size_t count,
                           int style)
{
    const ProtobufCFieldDescriptor *value = &entry->fields[1];
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        char *const *key = field_member(entries[i], &entry->fields[0]);
        bool has_value = field_is_set(entries[i], value);
        json_object_set_new(
            object, str_or_empty(*key),
            has_value
                ? value_to_json(value, field_member(entries[i], value), style)
                : json_null());
    }
    return object;
}

static json_t *repeated_to_json(const ProtobufCMessage *message,
                                const ProtobufCFieldDescriptor *field,
                                int style)
{
    size_t count = *field_count(message, field);
    char *const *list = field_member(message, field);
    const ProtobufCMessageDescriptor *entry = field_map_entry(field);
    if (entry)
        return map_to_json(entry, (ProtobufCMessage *const *)(void *)*list,
                           count, style);
    json_t *array = json_array();
    size_t size = field_value_size(field);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array,
                              value_to_json(field, *list + i * size, style));
    return array;
}

/* An unset field that the master prints all the same: it has a default and is
 * not deprecated. */
static json_t *default_to_json(const ProtobufCFieldDescriptor *field, int style)
{
    if (!(style & WIRE_JSON_DEFAULTS) || !field->default_value ||
        field_is_oneof(field) ||
        field->flags & PROTOBUF_C_FIELD_FLAG_DEPRECATED)
        return NULL;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return wire_json_string(field->default_value);
    return value_to_json(field, field->default_value, style);
}

static json_t *field_to_json(const ProtobufCMessage *message,
                             const ProtobufCFieldDescriptor *field, int style)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *field_count(message, field)
                   ? repeated_to_json(message, field, style)
                   : NULL;
    if (field_is_set(message, field))
        return value_to_json(field, field_member(message, field), style);
    return default_to_json(field, style);
}

/* foo_bar -> fooBar; out has room for strlen(name) + 1. */
static void camel_case(const char *name, char *out)
{
    for (; *name; name++) {
        if (*name == '_' && name[1])
            *out++ = (char)toupper((unsigned char)*++name);
        else
            *out++ = *name;
    }
    *out = '\0';
}

json_t *wire_to_json(const ProtobufCMessage *message, int style)
{
    json_t *object = json_object();
    if (!message)
        return object;
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        json_t *value = field_to_json(message, field, style);
        if (!value)
            continue;
        if (style & WIRE_JSON_CAMEL) {
            AUTO_FREE char *name = xmalloc(strlen(field->name) + 1);
            camel_case(field->name, name);
            json_object_set_new(object, name, value);
        } else {
            json_object_set_new(object, field->name, value);
        }
    }
    return object;
}

void wire_to_json_text(const ProtobufCMessage *message, int style,
                       struct buf *out)
{
    json_t *json = wire_to_json(message, style);
    wire_json_text(json, out);
    json_decref(json);
}
