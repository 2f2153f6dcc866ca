/* SPDX-License-Identifier: Apache-2.0 */
/* item - one key with its value at one revision; never changed once made
 *
 * The table, records on their way to disk, Redis and subscribers, snapshots and
 * replies all share one copy by counting references, so a consistent view at a
 * revision is an array of pointers.  Counts are touched by the loop's thread
 * only; other threads may read items that the loop's thread holds for them.
 */
#ifndef REEVE_STATE_STORE_ITEM_H
#define REEVE_STATE_STORE_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item {
    uint64_t revision; /* at which the key was changed */
    uint32_t refs;
    uint32_t len; /* of the value */
    uint16_t key_len;
    bool is_deleted; /* the change that took the key away; no value */
    char bytes[];    /* key, NUL, value */
};

struct key {
    const char *text; /* need not end with a NUL */
    size_t len;
};

/* Copies.  value NULL: the deletion of the key.  One reference, the caller's.
 */
struct item *item_new(struct key key, const void *value, size_t len,
                      uint64_t revision);
struct item *item_ref(struct item *item);
void item_unref(struct item *item); /* NULL is ignored */

static inline const char *item_key(const struct item *item)
{
    return item->bytes;
}

static inline const uint8_t *item_value(const struct item *item)
{
    return (const uint8_t *)item->bytes + item->key_len + 1;
}

/* Order of bytes; a key sorts before those it is the start of. */
int key_compare(struct key a, struct key b);

static inline struct key item_name(const struct item *item)
{
    return (struct key){item->bytes, item->key_len};
}

struct key key_of(const char *text);

#endif
