/* SPDX-License-Identifier: Apache-2.0 */
/* yaml_tree - builds the tree from libyaml's events */
#include "lib/spec/yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

#define MAX_DEPTH 64
#define MAX_NODES 20000

struct builder {
    yaml_parser_t parser;
    size_t nodes;
    size_t line; /* of the last event, for errors */
    struct err *err;
};

static int read_node(struct builder *b, const yaml_event_t *event, size_t depth,
                     struct yaml_node **out);

static int next_event(struct builder *b, yaml_event_t *event)
{
    if (yaml_parser_parse(&b->parser, event)) {
        b->line = event->start_mark.line + 1;
        return 0;
    }
    b->line = b->parser.problem_mark.line + 1;
    if (b->parser.context)
        return err_set(b->err, ERR_INVALID, "this line is not YAML: %s, %s",
                       b->parser.problem, b->parser.context);
    return err_set(b->err, ERR_INVALID, "this line is not YAML: %s",
                   str_or_empty(b->parser.problem));
}

static void add_entry(struct yaml_node *node, char *key, size_t line,
                      struct yaml_node *value)
{
    /* Grows at every power of two. */
    if ((node->n_entries & (node->n_entries - 1)) == 0)
        node->entries =
            xrealloc(node->entries, MAX(node->n_entries * 2, (size_t)1) *
                                        sizeof(*node->entries));
    node->entries[node->n_entries++] =
        (struct yaml_entry){.key = key, .line = line, .value = value};
}

static int read_list(struct builder *b, struct yaml_node *node, size_t depth)
{
    for (;;) {
        yaml_event_t event;
        struct yaml_node *value = NULL;

        if (next_event(b, &event) < 0)
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        size_t line = b->line;
        int rc = read_node(b, &event, depth + 1, &value);
        yaml_event_delete(&event);
        if (value)
            add_entry(node, NULL, line, value);
        if (rc < 0)
            return -1;
    }
}

/* The key of the next entry; *done at the end of the map. */
static int read_key(struct builder *b, const struct yaml_node *node, char **key,
                    bool *done)
{
    yaml_event_t event;
    int rc = 0;

    if (next_event(b, &event) < 0)
        return -1;
    *done = event.type == YAML_MAPPING_END_EVENT;
    if (!*done && event.type != YAML_SCALAR_EVENT) {
        rc = err_set(b->err, ERR_INVALID, "a key must be a plain word");
    } else if (!*done) {
        const char *text = (const char *)event.data.scalar.value;
        if (strlen(text) != event.data.scalar.length)
            rc = err_set(b->err, ERR_INVALID, "a key holds a zero byte");
        else if (yaml_tree_get(node, text))
            rc = err_set(b->err, ERR_INVALID, "Duplicate key: %.200s", text);
        else
            *key = xstrdup(text);
    }
    yaml_event_delete(&event);
    return rc;
}

static int read_map(struct builder *b, struct yaml_node *node, size_t depth)
{
    for (;;) {
        yaml_event_t event;
        struct yaml_node *value = NULL;
        char *key = NULL;
        bool done;

        if (read_key(b, node, &key, &done) < 0)
            return -1;
        if (done)
            return 0;
        size_t line = b->line;
        if (next_event(b, &event) < 0) {
            free(key);
            return -1;
        }
        int rc = read_node(b, &event, depth + 1, &value);
        yaml_event_delete(&event);
        if (value)
            add_entry(node, key, line, value);
        else
            free(key);
        if (rc < 0)
            return -1;
    }
}

static int read_scalar(struct builder *b, const yaml_event_t *event,
                       struct yaml_node *node)
{
    const char *text = (const char *)event->data.scalar.value;

    node->kind = YAML_KIND_SCALAR;
    if (strlen(text) != event->data.scalar.length)
        return err_set(b->err, ERR_INVALID, "a value holds a zero byte");
    node->text = xstrdup(text);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return 0;
}

/* Makes *out (also on failure, then partly filled) from an event that opens a
 * node. */
static int read_node(struct builder *b, const yaml_event_t *event, size_t depth,
                     struct yaml_node **out)
{
    if (event->type == YAML_ALIAS_EVENT)
        return err_set(b->err, ERR_INVALID, "aliases (*%s) are unsupported",
                       event->data.alias.anchor);
    if (depth > MAX_DEPTH)
        return err_set(b->err, ERR_INVALID, "nested deeper than %d levels",
                       MAX_DEPTH);
    if (++b->nodes > MAX_NODES)
        return err_set(b->err, ERR_INVALID, "more than %d values", MAX_NODES);
    struct yaml_node *node = xcalloc(1, sizeof(*node));
    node->line = event->start_mark.line + 1;
    *out = node;
    if (event->type == YAML_SCALAR_EVENT)
        return read_scalar(b, event, node);
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = YAML_KIND_LIST;
        return read_list(b, node, depth);
    }
    ASSERT(event->type == YAML_MAPPING_START_EVENT);
    node->kind = YAML_KIND_MAP;
    return read_map(b, node, depth);
}

/* Skips to the first event of the wanted kinds. */
static int read_stream(struct builder *b, struct yaml_node **root)
{
    for (;;) {
        yaml_event_t event;
        int rc = 0;

        if (next_event(b, &event) < 0)
            return -1;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && *root)
            rc = err_set(b->err, ERR_INVALID,
                         "a second document starts here, only one is read");
        else if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT ||
                 type == YAML_SEQUENCE_START_EVENT ||
                 type == YAML_MAPPING_START_EVENT)
            rc = read_node(b, &event, 0, root);
        yaml_event_delete(&event);
        if (rc < 0 || type == YAML_STREAM_END_EVENT)
            return rc;
    }
}

struct yaml_node *yaml_tree_parse(const char *text, size_t len,
                                  size_t *error_line, struct err *err)
{
    struct builder b = {.err = err, .line = 1};
    struct yaml_node *root = NULL;

    ASSERT(yaml_parser_initialize(&b.parser));
    yaml_parser_set_input_string(
        &b.parser, (const unsigned char *)(text ? text : ""), len);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    int rc = read_stream(&b, &root);
    yaml_parser_delete(&b.parser);
    *error_line = b.line;
    if (rc < 0) {
        yaml_tree_free(root);
        return NULL;
    }
    if (!root) {
        root = xcalloc(1, sizeof(*root));
        root->line = 1;
        root->text = xstrdup("");
    }
    return root;
}

/* Depth is bounded by MAX_DEPTH. */
void yaml_tree_free(struct yaml_node *root)
{
    if (!root)
        return;
    for (size_t i = 0; i < root->n_entries; i++) {
        free(root->entries[i].key);
        yaml_tree_free(root->entries[i].value);
    }
    free(root->entries);
    free(root->text);
    free(root);
}

const struct yaml_node *yaml_tree_get(const struct yaml_node *map,
                                      const char *key)
{
    for (size_t i = 0; map && i < map->n_entries; i++)
        if (map->entries[i].key && strcmp(map->entries[i].key, key) == 0)
            return map->entries[i].value;
    return NULL;
}

bool yaml_tree_is_null(const struct yaml_node *node)
{
    if (!node)
        return true;
    if (node->kind != YAML_KIND_SCALAR || node->quoted)
        return false;
    const char *t = node->text;
    return !*t || strcmp(t, "~") == 0 || strcmp(t, "null") == 0 ||
           strcmp(t, "Null") == 0 || strcmp(t, "NULL") == 0;
}

const char *yaml_tree_what(const struct yaml_node *node)
{
    if (yaml_tree_is_null(node))
        return "nothing";
    switch (node->kind) {
    case YAML_KIND_SCALAR:
        return "a value";
    case YAML_KIND_LIST:
        return "a list";
    case YAML_KIND_MAP:
        return "a map";
    }
    return "nothing";
}
