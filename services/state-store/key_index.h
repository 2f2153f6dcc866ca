/* SPDX-License-Identifier: Apache-2.0 */
/* key_index - items in key order: find, put, remove, walk from a key
 *
 * A sorted list of sorted chunks: no pointer per key but the one to its item,
 * and a walk in order touches memory in order.  Pure state.
 */
#ifndef REEVE_STATE_STORE_KEY_INDEX_H
#define REEVE_STATE_STORE_KEY_INDEX_H

#include <stddef.h>

#include "services/state-store/item.h"

struct key_index;

struct key_index *key_index_new(void);
void key_index_destroy(struct key_index **index); /* drops its references */

size_t key_index_count(const struct key_index *index);
struct item *key_index_find(const struct key_index *index, struct key key);
/* Takes over the caller's reference; gives back the item that was there (the
 * caller drops it), or NULL. */
struct item *key_index_put(struct key_index *index, struct item *item);
/* Gives the item that was there, now the caller's, or NULL. */
struct item *key_index_remove(struct key_index *index, struct key key);

/* A place in the order; good until the index changes. */
struct key_cursor {
    size_t chunk, slot;
};
/* The first item whose key is not less than key. */
void key_index_seek(const struct key_index *index, struct key key,
                    struct key_cursor *cursor);
/* The item at the cursor, which moves on; NULL at the end. */
struct item *key_index_next(const struct key_index *index,
                            struct key_cursor *cursor);

#endif
