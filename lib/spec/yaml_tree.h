/* SPDX-License-Identifier: Apache-2.0 */
/* yaml_tree - one YAML document as a tree that knows its lines; pure
 *
 * Keeps the order of maps.  Refuses: duplicate keys, keys that are not scalars,
 * aliases and anchors (so a small file stays a small tree), a second document,
 * more than 64 levels, more than 20,000 nodes.
 */
#ifndef REEVE_LIB_SPEC_YAML_TREE_H
#define REEVE_LIB_SPEC_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct err;

enum yaml_kind { YAML_KIND_SCALAR, YAML_KIND_LIST, YAML_KIND_MAP };

struct yaml_node {
    enum yaml_kind kind;
    size_t line;                /* of the parsed text, from 1 */
    char *text;                 /* scalar */
    bool quoted;                /* scalar: quoted or a block, never null */
    struct yaml_entry *entries; /* map and list, in file order */
    size_t n_entries;
};

struct yaml_entry {
    char *key; /* NULL in a list */
    size_t line;
    struct yaml_node *value;
};

/* NULL with ERR_INVALID; the text begins with what was wrong, without a line,
 * and *error_line says where.  An empty text gives a null scalar. */
struct yaml_node *yaml_tree_parse(const char *text, size_t len,
                                  size_t *error_line, struct err *err);
void yaml_tree_free(struct yaml_node *root);

/* The value under key, or NULL. */
const struct yaml_node *yaml_tree_get(const struct yaml_node *map,
                                      const char *key);
/* An empty plain scalar, ~ or null. NULL counts as null. */
bool yaml_tree_is_null(const struct yaml_node *node);
/* "a value", "a list", "a map", "nothing": for messages. */
const char *yaml_tree_what(const struct yaml_node *node);

#endif
