/* SPDX-License-Identifier: Apache-2.0 */
/* schema - fills a message from a YAML map by a table of its keys
 *
 * A key names a field of the message; its C type comes from the message's
 * descriptor, so the tables hold only what the operator may write.
 */
#ifndef REEVE_LIB_SPEC_SCHEMA_H
#define REEVE_LIB_SPEC_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

struct loader;
struct yaml_node;

enum schema_kind {
    SCHEMA_TEXT,  /* scalar to string */
    SCHEMA_WHOLE, /* whole number to any integer field */
    SCHEMA_MILLI, /* decimal number to thousandths */
    SCHEMA_BOOL,
    SCHEMA_TEXTS,  /* list of scalars to repeated string */
    SCHEMA_CUSTOM, /* read() does it; also called for null when required */
    SCHEMA_KNOWN,  /* read elsewhere, or ignored */
};

/* In MiB: more than any cluster has, and thousandths of it can be counted. */
#define SCHEMA_MAX_AMOUNT 1000000000000

struct schema_key {
    const char *key; /* NULL ends a table */
    enum schema_kind kind;
    const char *field; /* NULL: the key with '_' for '-' */
    bool required;
    int64_t min, max; /* WHOLE and MILLI (in thousandths); both 0: any */
    /* Said instead of "must be between …" when out of range. */
    const char *rule;
    int (*read)(struct loader *l, const struct yaml_node *node,
                ProtobufCMessage *into);
};

/* Reads the table's keys; other keys are not looked at.  A null node is an
 * empty map.  -1 with the loader's error. */
int schema_fill(struct loader *l, const struct yaml_node *map,
                const struct schema_key *keys, ProtobufCMessage *into);
/* An error for the first key that is in none of the tables (NULL at the end),
 * or, when lenient, a warning for each. */
int schema_only_known(struct loader *l, const struct yaml_node *map,
                      const struct schema_key *const *tables, bool lenient);
/* Calls fn for each entry of a map, its key entered in the path. */
int schema_each(struct loader *l, const struct yaml_node *map,
                int (*fn)(struct loader *l, const char *key,
                          const struct yaml_node *value,
                          ProtobufCMessage *into),
                ProtobufCMessage *into);
/* Both at once, for a table that holds all keys. */
int schema_object(struct loader *l, const struct yaml_node *map,
                  const struct schema_key *keys, ProtobufCMessage *into);

#endif
