/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/omap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/heap.h"

/* A quarter of the nodes reach the next level: enough for 4^12 keys. */
enum { LEVELS = 12 };

struct omap_node {
    char *key; /* behind next[] */
    void *value;
    struct omap_node *next[]; /* as many as the node has levels */
};

struct omap {
    struct omap_node *head; /* no key; all levels */
    size_t count;
    uint32_t seed;
};

static struct omap_node *node_new(int levels, const char *key)
{
    size_t links = (size_t)levels * sizeof(struct omap_node *);
    size_t text = strlen(key) + 1;
    struct omap_node *node = heap_keep(sizeof *node + links + text);
    node->key = (char *)node + sizeof *node + links;
    memcpy(node->key, key, text);
    return node;
}

struct omap *omap_new(void)
{
    struct omap *map = xcalloc(1, sizeof *map);
    map->head = node_new(LEVELS, "");
    map->seed = 2463534242u;
    return map;
}

void omap_free(struct omap *map, void (*free_value)(void *value))
{
    if (!map)
        return;
    struct omap_node *next, *node = map->head->next[0];
    for (; node; node = next) {
        next = node->next[0];
        if (free_value)
            free_value(node->value);
        heap_keep_free(node);
    }
    heap_keep_free(map->head);
    free(map);
}

size_t omap_count(const struct omap *map)
{
    return map->count;
}

/* The first node at or behind key; before[], if wanted, gets the last node in
 * front of it on each level. */
static struct omap_node *descend(const struct omap *map, const char *key,
                                 struct omap_node **before)
{
    struct omap_node *node = map->head;
    for (int level = LEVELS - 1; level >= 0; level--) {
        while (node->next[level] && strcmp(node->next[level]->key, key) < 0)
            node = node->next[level];
        if (before)
            before[level] = node;
    }
    return node->next[0];
}

static int pick_levels(struct omap *map)
{
    map->seed ^= map->seed << 13;
    map->seed ^= map->seed >> 17;
    map->seed ^= map->seed << 5;
    int levels = 1;
    for (uint32_t bits = map->seed; levels < LEVELS && (bits & 3) == 0;
         bits >>= 2)
        levels++;
    return levels;
}

void *omap_get(const struct omap *map, const char *key)
{
    struct omap_node *node = descend(map, key, NULL);
    return node && strcmp(node->key, key) == 0 ? node->value : NULL;
}

void *omap_put(struct omap *map, const char *key, void *value)
{
    ASSERT(value);
    struct omap_node *before[LEVELS];
    struct omap_node *node = descend(map, key, before);
    if (node && strcmp(node->key, key) == 0) {
        void *old = node->value;
        node->value = value;
        return old;
    }
    int levels = pick_levels(map);
    node = node_new(levels, key);
    node->value = value;
    for (int level = 0; level < levels; level++) {
        node->next[level] = before[level]->next[level];
        before[level]->next[level] = node;
    }
    map->count++;
    return NULL;
}

void *omap_remove(struct omap *map, const char *key)
{
    struct omap_node *before[LEVELS];
    struct omap_node *node = descend(map, key, before);
    if (!node || strcmp(node->key, key) != 0)
        return NULL;
    for (int level = 0; level < LEVELS && before[level]->next[level] == node;
         level++)
        before[level]->next[level] = node->next[level];
    void *value = node->value;
    heap_keep_free(node);
    map->count--;
    return value;
}

struct omap_node *omap_seek(const struct omap *map, const char *key)
{
    return descend(map, key, NULL);
}

struct omap_node *omap_next(const struct omap_node *node)
{
    return node->next[0];
}

const char *omap_key(const struct omap_node *node)
{
    return node->key;
}

void *omap_value(const struct omap_node *node)
{
    return node->value;
}
