/* SPDX-License-Identifier: Apache-2.0 */
/* omap - strings to pointers, in byte order of the strings
 *
 * A skip list: get, put and remove in O(log n), the next key in O(1).  Pure:
 * its levels come from a fixed sequence, not from randomness.
 *
 *   for (struct omap_node *n = omap_seek(map, "task/"); n; n = omap_next(n))
 *       use(omap_key(n), omap_value(n));
 */
#ifndef REEVE_LIB_BASE_OMAP_H
#define REEVE_LIB_BASE_OMAP_H

#include <stdbool.h>
#include <stddef.h>

struct omap;
struct omap_node;

struct omap *omap_new(void);
/* free_value (may be NULL) is called for each value left. */
void omap_free(struct omap *map, void (*free_value)(void *value));
size_t omap_count(const struct omap *map);

/* NULL: not there. */
void *omap_get(const struct omap *map, const char *key);
/* Copies the key; value must not be NULL.  Returns the value that was there
 * before (now the caller's), or NULL. */
void *omap_put(struct omap *map, const char *key, void *value);
/* Returns the value (the caller's), or NULL. */
void *omap_remove(struct omap *map, const char *key);

/* The first node whose key is >= key ("": of all), NULL: none.  A node is good
 * until its key is removed; others may come and go. */
struct omap_node *omap_seek(const struct omap *map, const char *key);
struct omap_node *omap_next(const struct omap_node *node);
const char *omap_key(const struct omap_node *node);
void *omap_value(const struct omap_node *node);

#endif
