/* SPDX-License-Identifier: Apache-2.0 */
/* json_read - jansson values to messages by their descriptors
 *
 * As tolerant and as strict as the master's own reader, in its words: unknown
 * keys are ignored, a number may be a string, an enum is its name,
 * a name we do not know leaves an optional field unset, a single value
 * may stand for a list of one, null is the same as absent.  All required fields
 * that are missing are named at once.  Names may also be lowerCamelCase.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/field.h"
#include "lib/wire/wire.h"

#define ENOUGH_MISSING 800 /* bytes of their names */

/* Where we are, for the error text: a chain on the stack. */
struct place {
    const struct place *above;
    const char *name; /* NULL at the root */
    int index;        /* in a list; -1: it is none */
    int depth;
    struct whole *whole;
};

/* What all places of one reading share. */
struct whole {
    struct err *err;    /* where to say what is wrong */
    struct buf missing; /* required fields that are not there */
};

enum value_result { VALUE_OK, VALUE_BAD, VALUE_UNSET };

static void add_path(const struct place *place, struct buf *out)
{
    if (!place->name)
        return;
    add_path(place->above, out);
    buf_addf(out, "%s%s", place->above->name ? "." : "", place->name);
    if (place->index >= 0)
        buf_addf(out, "[%d]", place->index);
}

static enum value_result bad(const struct place *place, const char *what)
{
    err_set(place->whole->err, ERR_INVALID, "%s field '%s'", what, place->name);
    return VALUE_BAD;
}

/* A text that should have been a number or boolean. */
static enum value_result bad_text(const struct place *place, const char *text,
                                  const char *wanted)
{
    err_set(place->whole->err, ERR_INVALID,
            "Failed to parse '%s' as a JSON %s for field '%s': syntax error at "
            "line 1 near: %s",
            text, wanted, place->name, text);
    return VALUE_BAD;
}

static enum value_result bad_type(const struct place *place, const json_t *json)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "object", [JSON_ARRAY] = "array",
        [JSON_STRING] = "string", [JSON_INTEGER] = "number",
        [JSON_REAL] = "number",   [JSON_TRUE] = "boolean",
        [JSON_FALSE] = "boolean", [JSON_NULL] = "null",
    };
    char what[64];
    if (!place->name) {
        err_set(place->whole->err, ERR_INVALID, "Expecting a JSON object");
        return VALUE_BAD;
    }
    snprintf(what, sizeof(what), "Not expecting a JSON %s for",
             names[json_typeof(json)]);
    return bad(place, what);
}

static enum value_result read_double(const json_t *json, double *out,
                                     const struct place *place)
{
    if (json_is_number(json)) {
        *out = json_number_value(json);
        return VALUE_OK;
    }
    if (!json_is_string(json))
        return bad_type(place, json);
    const char *text = json_string_value(json);
    if (!strcmp(text, "Infinity") || !strcmp(text, "inf"))
        *out = INFINITY;
    else if (!strcmp(text, "-Infinity") || !strcmp(text, "-inf"))
        *out = -INFINITY;
    else if (!strcmp(text, "NaN") || !strcmp(text, "nan"))
        *out = NAN;
    else if (!parse_double(text, out))
        return bad_text(place, text, "number");
    return VALUE_OK;
}

/* A whole number in [least, most]. */
static enum value_result read_signed(const json_t *json, const int64_t range[2],
                                     int64_t *out, const struct place *place)
{
    double real = json_is_real(json) ? json_real_value(json) : 0;
    if (json_is_integer(json))
        *out = json_integer_value(json);
    else if (json_is_string(json)) {
        if (!parse_i64(json_string_value(json), out))
            return bad_text(place, json_string_value(json), "number");
    } else if (!json_is_real(json))
        return bad_type(place, json);
    else if (real != floor(real) || real < -9.2e18 || real > 9.2e18)
        return bad(place, "Not a whole number for");
    else
        *out = (int64_t)real;
    if (*out < range[0] || *out > range[1])
        return bad(place, "Out of range:");
    return VALUE_OK;
}

static enum value_result read_u64(const json_t *json, uint64_t *out,
                                  const struct place *place)
{
    static const int64_t range[2] = {0, INT64_MAX};
    if (json_is_string(json) && parse_u64(json_string_value(json), out))
        return VALUE_OK;
    int64_t number;
    enum value_result result = read_signed(json, range, &number, place);
    if (result == VALUE_OK)
        *out = (uint64_t)number;
    return result;
}

static enum value_result read_enum(const ProtobufCFieldDescriptor *field,
                                   const json_t *json, int *out,
                                   const struct place *place)
{
    static const int64_t range[2] = {INT32_MIN, INT32_MAX};
    int64_t number;
    if (!json_is_string(json)) {
        /* What has no name was printed as a number, and comes back as one. */
        if (!json_is_integer(json) ||
            read_signed(json, range, &number, place) != VALUE_OK ||
            wire_enum_name(field->descriptor, (int)number))
            return bad_type(place, json);
        *out = (int)number;
        return VALUE_OK;
    }
    if (wire_enum_value(field->descriptor, json_string_value(json), out))
        return VALUE_OK;
    return field->label == PROTOBUF_C_LABEL_REQUIRED
               ? bad(place, "Unknown enum value for")
               : VALUE_UNSET;
}

static enum value_result read_bool(const json_t *json, protobuf_c_boolean *out,
                                   const struct place *place)
{
    const char *text = json_is_string(json) ? json_string_value(json) : "";
    if (json_is_boolean(json))
        *out = json_is_true(json);
    else if (!strcmp(text, "true"))
        *out = 1;
    else if (!strcmp(text, "false"))
        *out = 0;
    else
        return json_is_string(json) ? bad_text(place, text, "boolean")
                                    : bad_type(place, json);
    return VALUE_OK;
}

static enum value_result read_text(const json_t *json, char **out,
                                   const struct place *place)
{
    if (!json_is_string(json))
        return bad_type(place, json);
    if (strlen(json_string_value(json)) != json_string_length(json))
        return bad(place, "A zero byte is not allowed in");
    *out = xstrdup(json_string_value(json));
    return VALUE_OK;
}

static enum value_result read_bytes(const json_t *json,
                                    ProtobufCBinaryData *out,
                                    const struct place *place)
{
    if (!json_is_string(json))
        return bad_type(place, json);
    struct buf bytes = {0};
    if (!base64_decode(json_string_value(json), json_string_length(json),
                       &bytes)) {
        buf_free(&bytes);
        return bad(place, "Failed to base64 decode bytes");
    }
    out->data = (uint8_t *)buf_take(&bytes, &out->len);
    return VALUE_OK;
}

static enum value_result read_number(const ProtobufCFieldDescriptor *field,
                                     const json_t *json, void *out,
                                     const struct place *place)
{
    static const int64_t i32[2] = {INT32_MIN, INT32_MAX};
    static const int64_t u32[2] = {0, UINT32_MAX};
    static const int64_t i64[2] = {INT64_MIN, INT64_MAX};
    bool is_short = field_value_size(field) == 4;
    int64_t number = 0;
    double real = 0;
    float single;
    enum value_result result;

    if (field->type == PROTOBUF_C_TYPE_DOUBLE ||
        field->type == PROTOBUF_C_TYPE_FLOAT) {
        result = read_double(json, &real, place);
        single = (float)real;
        memcpy(out, is_short ? (void *)&single : (void *)&real,
               is_short ? 4 : 8);
        return result;
    }
    if (field->type == PROTOBUF_C_TYPE_UINT64 ||
        field->type == PROTOBUF_C_TYPE_FIXED64) {
        uint64_t big = 0;
        result = read_u64(json, &big, place);
        memcpy(out, &big, 8);
        return result;
    }
    bool is_unsigned = field->type == PROTOBUF_C_TYPE_UINT32 ||
                       field->type == PROTOBUF_C_TYPE_FIXED32;
    result = read_signed(json,
                         is_unsigned ? u32
                         : is_short  ? i32
                                     : i64,
                         &number, place);
    uint32_t low = (uint32_t)number;
    memcpy(out, is_short ? (void *)&low : (void *)&number, is_short ? 4 : 8);
    return result;
}

static ProtobufCMessage *read_message(const ProtobufCMessageDescriptor *type,
                                      const json_t *json,
                                      const struct place *place);

static enum value_result read_sub(const ProtobufCFieldDescriptor *field,
                                  const json_t *json, ProtobufCMessage **out,
                                  const struct place *place)
{
    *out = read_message(field->descriptor, json, place);
    return *out ? VALUE_OK : VALUE_BAD;
}

static enum value_result read_value(const ProtobufCFieldDescriptor *field,
                                    const json_t *json, void *out,
                                    const struct place *place)
{
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
        return read_number(field, json, out, place);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(json, out, place);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(field, json, out, place);
    case PROTOBUF_C_TYPE_STRING:
        return read_text(json, out, place);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(json, out, place);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_sub(field, json, out, place);
    }
    return VALUE_BAD;
}

/* A value whose size is that of the field's largest C type. */
union any_value {
    uint64_t number;
    void *pointer;
    ProtobufCBinaryData bytes;
};

/* Appends one element; the list is freed with the message, also half-built. */
static int append(ProtobufCMessage *message,
                  const ProtobufCFieldDescriptor *field,
                  const union any_value *value)
{
    size_t size = field_value_size(field);
    size_t *count = field_count(message, field);
    char **list = field_member(message, field);
    if ((*count & (*count - 1)) == 0) /* grow at 0, 1, 2, 4 … */
        *list = xrealloc(*list, (*count ? *count * 2 : 1) * size);
    memcpy(*list + *count * size, value, size);
    (*count)++;
    return 0;
}

static int read_map(ProtobufCMessage *message,
                    const ProtobufCFieldDescriptor *field, const json_t *json,
                    const struct place *place)
{
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    json_t *object = (json_t *)(uintptr_t)json;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        json_t *pair = json_object();
        json_object_set_new(pair, "key", json_string(key));
        json_object_set(pair, "value", value);
        struct place here = {place, key, -1, place->depth + 1, place->whole};
        union any_value item = {.pointer = read_message(entry, pair, &here)};
        json_decref(pair);
        if (!item.pointer)
            return -1;
        append(message, field, &item);
    }
    return 0;
}

static int read_element(ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field,
                        const json_t *json, const struct place *place)
{
    union any_value value = {0};
    enum value_result result = read_value(field, json, &value, place);
    if (result == VALUE_BAD)
        return -1;
    return result == VALUE_UNSET ? 0 : append(message, field, &value);
}

static int read_repeated(ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field,
                         const json_t *json, const struct place *place)
{
    if (field_map_entry(field) && json_is_object(json))
        return read_map(message, field, json, place);
    if (!json_is_array(json))
        return read_element(message, field, json, place);
    struct place here = *place;
    for (size_t i = 0; i < json_array_size(json); i++) {
        here.index = (int)i;
        if (read_element(message, field, json_array_get(json, i), &here) < 0)
            return -1;
    }
    return 0;
}

static int read_single(ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field,
                       const json_t *json, const struct place *place)
{
    if (field_is_oneof(field)) {
        const uint32_t *which =
            (const uint32_t *)(void *)((char *)message +
                                       field->quantifier_offset);
        if (*which) {
            bad(place, "Only one of a group may be set:");
            return -1;
        }
    }
    union any_value value = {0};
    enum value_result result = read_value(field, json, &value, place);
    if (result == VALUE_BAD)
        return -1;
    if (result == VALUE_UNSET)
        return 0;
    memcpy(field_member(message, field), &value, field_value_size(field));
    field_mark_set(message, field);
    return 0;
}

/* Does key name this field in lowerCamelCase? */
static bool is_camel_of(const char *key, const char *name)
{
    for (; *name; name++, key++) {
        char want = *name;
        if (want == '_' && name[1])
            want = (char)(*++name - 'a' + 'A');
        if (*key != want)
            return false;
    }
    return *key == '\0';
}

static const json_t *find_value(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    if (value || !strchr(name, '_'))
        return value;
    json_t *object = (json_t *)(uintptr_t)json;
    for (void *at = json_object_iter(object); at;
         at = json_object_iter_next(object, at))
        if (is_camel_of(json_object_iter_key(at), name))
            return json_object_iter_value(at);
    return NULL;
}

static void note_missing(const struct place *place)
{
    struct buf *missing = &place->whole->missing;
    if (missing->len > ENOUGH_MISSING)
        return;
    if (missing->len)
        buf_add_str(missing, ", ");
    add_path(place, missing);
}

static int read_field(ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field, const json_t *json,
                      const struct place *place)
{
    struct place here = {place, field->name, -1, place->depth + 1,
                         place->whole};
    const json_t *value = find_value(json, field->name);
    if (!value || json_is_null(value)) {
        if (field->label == PROTOBUF_C_LABEL_REQUIRED)
            note_missing(&here);
        return 0;
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_repeated(message, field, value, &here);
    return read_single(message, field, value, &here);
}

static ProtobufCMessage *read_message(const ProtobufCMessageDescriptor *type,
                                      const json_t *json,
                                      const struct place *place)
{
    if (!json_is_object(json)) {
        bad_type(place, json);
        return NULL;
    }
    if (place->depth > 2 * WIRE_MAX_DEPTH) {
        bad(place, "Nested too deep:");
        return NULL;
    }
    ProtobufCMessage *message = xcalloc(1, type->sizeof_message);
    protobuf_c_message_init(type, message);
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (read_field(message, &type->fields[i], json, place) < 0) {
            wire_free(&message);
            return NULL;
        }
    }
    return message;
}

ProtobufCMessage *wire_from_json(const ProtobufCMessageDescriptor *type,
                                 const json_t *json, struct err *err)
{
    struct whole whole = {err, {0}};
    struct place root = {NULL, NULL, -1, 0, &whole};
    ProtobufCMessage *message = read_message(type, json, &root);
    if (message && whole.missing.len) {
        err_set(err, ERR_INVALID, "Missing required fields: %s",
                buf_text(&whole.missing));
        wire_free(&message);
    }
    buf_free(&whole.missing);
    return message;
}

ProtobufCMessage *wire_from_json_text(const ProtobufCMessageDescriptor *type,
                                      const char *text, size_t len,
                                      struct err *err)
{
    json_error_t where;
    json_t *json = json_loadb(text, len, 0, &where);
    if (!json) {
        err_set(err, ERR_INVALID, "line %d: %s", where.line, where.text);
        return NULL;
    }
    ProtobufCMessage *message = wire_from_json(type, json, err);
    json_decref(json);
    return message;
}
