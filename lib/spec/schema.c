/* SPDX-License-Identifier: Apache-2.0 */
/* schema - table-driven reading of YAML maps */
#include "lib/spec/schema.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/spec/loader.h"

#define MAX_NUMBER 1e12 /* of a decimal number, far above any resource */

static void *field_at(ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field)
{
    return (char *)message + field->offset;
}

static void set_has(ProtobufCMessage *message,
                    const ProtobufCFieldDescriptor *field)
{
    if (field->quantifier_offset)
        *(protobuf_c_boolean *)((char *)message + field->quantifier_offset) = 1;
}

static const ProtobufCFieldDescriptor *field_of(const struct schema_key *key,
                                                const ProtobufCMessage *message)
{
    char name[64];

    snprintf(name, sizeof(name), "%s", key->field ? key->field : key->key);
    for (char *p = name; *p; p++)
        if (*p == '-')
            *p = '_';
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor,
                                                        name);
    ASSERT(field);
    return field;
}

static int expect_scalar(struct loader *l, const struct yaml_node *node)
{
    if (node->kind == YAML_KIND_SCALAR)
        return 0;
    return load_fail(l, node, "must be a single value, got %s",
                     yaml_tree_what(node));
}

static void put_whole(ProtobufCMessage *into,
                      const ProtobufCFieldDescriptor *field, int64_t value)
{
    set_has(into, field);
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)field_at(into, field) = (uint32_t)value;
        return;
    case PROTOBUF_C_TYPE_INT32:
        *(int32_t *)field_at(into, field) = (int32_t)value;
        return;
    case PROTOBUF_C_TYPE_INT64:
        *(int64_t *)field_at(into, field) = value;
        return;
    default:
        ASSERT(!"an integer field");
    }
}

/* The bounds of a key, narrowed to what its field can hold. */
static void bounds(const struct schema_key *key,
                   const ProtobufCFieldDescriptor *field, int64_t *min,
                   int64_t *max)
{
    *min = key->min;
    *max = key->max;
    if (*min == 0 && *max == 0) {
        *min = field->type == PROTOBUF_C_TYPE_UINT32 ? 0 : -INT64_MAX;
        *max = INT64_MAX;
    }
    if (field->type == PROTOBUF_C_TYPE_UINT32)
        *max = MIN(*max, UINT32_MAX);
    if (field->type == PROTOBUF_C_TYPE_INT32) {
        *min = MAX(*min, INT32_MIN);
        *max = MIN(*max, INT32_MAX);
    }
}

static int fail_range(struct loader *l, const struct yaml_node *node,
                      const struct schema_key *key, int64_t min, int64_t max)
{
    if (key->rule)
        return load_fail(l, node, "%s, got %.60s", key->rule, node->text);
    if (max >= UINT32_MAX)
        return load_fail(l, node, "must be %" PRId64 " or more, got %.60s", min,
                         node->text);
    return load_fail(l, node,
                     "must be between %" PRId64 " and %" PRId64 ", got %.60s",
                     min, max, node->text);
}

static bool parse_whole(const char *text, int64_t *out)
{
    double d;

    if (parse_i64(text, out))
        return true;
    /* 25.0 is 25 */
    if (!parse_double(text, &d) || fabs(d) > MAX_NUMBER || floor(d) != d)
        return false;
    *out = (int64_t)d;
    return true;
}

static int read_whole(struct loader *l, const struct yaml_node *node,
                      const struct schema_key *key, ProtobufCMessage *into)
{
    const ProtobufCFieldDescriptor *field = field_of(key, into);
    int64_t value, min, max;

    if (expect_scalar(l, node) < 0)
        return -1;
    if (!parse_whole(node->text, &value))
        return load_fail(l, node, "must be a whole number, got '%.60s'",
                         node->text);
    bounds(key, field, &min, &max);
    if (value > max && max == SCHEMA_MAX_AMOUNT)
        return load_fail(l, node, "must be 1e12 or less, got %.60s",
                         node->text);
    if (value < min || value > max)
        return fail_range(l, node, key, min, max);
    put_whole(into, field, value);
    return 0;
}

static int read_milli(struct loader *l, const struct yaml_node *node,
                      const struct schema_key *key, ProtobufCMessage *into)
{
    double number;

    if (expect_scalar(l, node) < 0)
        return -1;
    if (!parse_double(node->text, &number))
        return load_fail(l, node, "must be a number, got '%.60s'", node->text);
    if (fabs(number) > MAX_NUMBER)
        return load_fail(l, node, "must be less than 1e12, got %.60s",
                         node->text);
    int64_t value = (int64_t)llround(number * 1000);
    if (value < key->min || (key->max && value > key->max))
        return load_fail(l, node, "%s, got %.60s",
                         key->rule ? key->rule : "out of range", node->text);
    put_whole(into, field_of(key, into), value);
    return 0;
}

static int read_bool(struct loader *l, const struct yaml_node *node,
                     const struct schema_key *key, ProtobufCMessage *into)
{
    const ProtobufCFieldDescriptor *field = field_of(key, into);

    if (expect_scalar(l, node) < 0)
        return -1;
    bool yes = strcasecmp(node->text, "true") == 0;
    if (!yes && strcasecmp(node->text, "false") != 0)
        return load_fail(l, node, "must be true or false, got '%.60s'",
                         node->text);
    ASSERT(field->type == PROTOBUF_C_TYPE_BOOL);
    set_has(into, field);
    *(protobuf_c_boolean *)field_at(into, field) = yes;
    return 0;
}

static int read_text(struct loader *l, const struct yaml_node *node,
                     const struct schema_key *key, ProtobufCMessage *into)
{
    const ProtobufCFieldDescriptor *field = field_of(key, into);

    if (expect_scalar(l, node) < 0)
        return -1;
    if (key->required && !*node->text)
        return load_fail(l, node, "must not be empty");
    ASSERT(field->type == PROTOBUF_C_TYPE_STRING);
    char **text = field_at(into, field);
    if (*text) /* two keys of one field, one of them an older name */
        return load_fail(l, node, "already given under another key");
    *text = xstrdup(node->text);
    return 0;
}

static int read_texts(struct loader *l, const struct yaml_node *node,
                      const struct schema_key *key, ProtobufCMessage *into)
{
    const ProtobufCFieldDescriptor *field = field_of(key, into);
    size_t *count = (size_t *)((char *)into + field->quantifier_offset);

    if (node->kind != YAML_KIND_LIST)
        return load_fail(l, node, "must be a list, got %s",
                         yaml_tree_what(node));
    char ***texts = field_at(into, field);
    for (size_t i = 0; i < node->n_entries; i++) {
        const struct yaml_node *value = node->entries[i].value;
        if (value->kind != YAML_KIND_SCALAR || yaml_tree_is_null(value))
            return load_fail(l, value, "entry %zu must be a single value", i);
        *texts = xrealloc(*texts, (*count + 1) * sizeof(**texts));
        (*texts)[(*count)++] = xstrdup(value->text);
    }
    return 0;
}

static int read_key(struct loader *l, const struct yaml_node *node,
                    const struct schema_key *key, ProtobufCMessage *into)
{
    switch (key->kind) {
    case SCHEMA_TEXT:
        return read_text(l, node, key, into);
    case SCHEMA_WHOLE:
        return read_whole(l, node, key, into);
    case SCHEMA_MILLI:
        return read_milli(l, node, key, into);
    case SCHEMA_BOOL:
        return read_bool(l, node, key, into);
    case SCHEMA_TEXTS:
        return read_texts(l, node, key, into);
    case SCHEMA_CUSTOM:
        return key->read(l, node, into);
    case SCHEMA_KNOWN:
        return 0;
    }
    return 0;
}

static int expect_map(struct loader *l, const struct yaml_node *map)
{
    if (map->kind == YAML_KIND_MAP || yaml_tree_is_null(map))
        return 0;
    return load_fail(l, map, "must be a map, got %s", yaml_tree_what(map));
}

int schema_fill(struct loader *l, const struct yaml_node *map,
                const struct schema_key *keys, ProtobufCMessage *into)
{
    if (expect_map(l, map) < 0)
        return -1;
    for (const struct schema_key *key = keys; key->key; key++) {
        const struct yaml_node *node = yaml_tree_get(map, key->key);
        size_t mark = load_enter(l, key->key);
        if (yaml_tree_is_null(node)) {
            if (key->required)
                return load_fail(l, node ? node : map, "required");
        } else if (read_key(l, node, key, into) < 0) {
            return -1;
        }
        load_leave(l, mark);
    }
    return 0;
}

static bool is_known(const struct schema_key *const *tables, const char *name)
{
    for (; *tables; tables++)
        for (const struct schema_key *key = *tables; key->key; key++)
            if (strcmp(key->key, name) == 0)
                return true;
    return false;
}

int schema_only_known(struct loader *l, const struct yaml_node *map,
                      const struct schema_key *const *tables, bool lenient)
{
    if (expect_map(l, map) < 0)
        return -1;
    for (size_t i = 0; i < map->n_entries; i++) {
        const struct yaml_entry *entry = &map->entries[i];
        struct yaml_node at = {.line = entry->line};

        if (is_known(tables, entry->key))
            continue;
        size_t mark = load_enter(l, entry->key);
        if (!lenient)
            return load_fail(l, &at, "unknown key");
        load_warn(l, &at, "unknown key, ignored");
        load_leave(l, mark);
    }
    return 0;
}

int schema_each(struct loader *l, const struct yaml_node *map,
                int (*fn)(struct loader *l, const char *key,
                          const struct yaml_node *value,
                          ProtobufCMessage *into),
                ProtobufCMessage *into)
{
    if (expect_map(l, map) < 0)
        return -1;
    for (size_t i = 0; i < map->n_entries; i++) {
        const struct yaml_entry *entry = &map->entries[i];
        size_t mark = load_enter(l, entry->key);

        if (fn(l, entry->key, entry->value, into) < 0)
            return -1;
        load_leave(l, mark);
    }
    return 0;
}

int schema_object(struct loader *l, const struct yaml_node *map,
                  const struct schema_key *keys, ProtobufCMessage *into)
{
    const struct schema_key *const tables[] = {keys, NULL};

    if (schema_only_known(l, map, tables, false) < 0)
        return -1;
    return schema_fill(l, map, keys, into);
}
