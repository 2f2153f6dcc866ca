/* SPDX-License-Identifier: Apache-2.0 */
/* item - one key with its value at one revision; never changed once made
 *
 * The table, records on their way to disk, Redis and subscribers, snapshots and
 * replies all share one copy by counting references, so a consistent view at a
 * revision is an array of pointers.  Counts are touched by the loop's thread
 * only; other threads may read items that the loop's thread holds for them.
 * One that lies in the table for long may be replaced by its twin, which says
 * the same in less memory (cold.h); records have none of these.
 */
#ifndef REEVE_STATE_STORE_ITEM_H
#define REEVE_STATE_STORE_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/base.h"

struct buf;
struct packed;

struct item {
    uint64_t revision; /* at which the key was changed */
    uint32_t refs;
    uint32_t len; /* of the value */
    uint16_t key_len;
    bool is_deleted; /* the change that took the key away; no value */
    bool is_packed : 1;
    bool is_tried : 1; /* packing it is not worth it; the loop's thread only */
    char bytes[];      /* key, NUL, value; packed: a pointer in its place */
};

struct key {
    const char *text; /* need not end with a NUL */
    size_t len;
};

/* Copies.  value NULL: the deletion of the key.  One reference, the caller's.
 */
struct item *item_new(struct key key, const void *value, size_t len,
                      uint64_t revision);
/* The twin of an item, with one reference; takes packed. */
struct item *item_twin(const struct item *item, struct packed *packed);
struct item *item_ref(struct item *item);
void item_unref(struct item *item); /* NULL is ignored */

static inline const char *item_key(const struct item *item)
{
    return item->bytes;
}

/* Of one that is not packed. */
static inline const uint8_t *item_value(const struct item *item)
{
    ASSERT(!item->is_packed);
    return (const uint8_t *)item->bytes + item->key_len + 1;
}

/* Of any: appended to out. */
void item_read(const struct item *item, struct buf *out);

/* Order of bytes; a key sorts before those it is the start of. */
int key_compare(struct key a, struct key b);

static inline struct key item_name(const struct item *item)
{
    return (struct key){item->bytes, item->key_len};
}

struct key key_of(const char *text);

#endif
