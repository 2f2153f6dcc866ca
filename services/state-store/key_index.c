/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/key_index.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

enum { CHUNK_SLOTS = 256 };

struct chunk {
    size_t n; /* never 0 while the chunk is in the index */
    struct item *slots[CHUNK_SLOTS];
};

struct key_index {
    struct chunk **chunks;
    size_t n, cap;
    size_t count; /* items in all chunks */
};

struct key_index *key_index_new(void)
{
    return xcalloc(1, sizeof(struct key_index));
}

void key_index_destroy(struct key_index **index)
{
    struct key_index *ix = *index;
    if (!ix)
        return;
    for (size_t i = 0; i < ix->n; i++) {
        for (size_t k = 0; k < ix->chunks[i]->n; k++)
            item_unref(ix->chunks[i]->slots[k]);
        free(ix->chunks[i]);
    }
    free(ix->chunks);
    free(ix);
    *index = NULL;
}

size_t key_index_count(const struct key_index *ix)
{
    return ix->count;
}

/* The last chunk that starts at or before key, or the first one. */
static size_t find_chunk(const struct key_index *ix, struct key key)
{
    size_t low = 0, high = ix->n;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (key_compare(item_name(ix->chunks[mid]->slots[0]), key) <= 0)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* The first slot not less than key. */
static size_t find_slot(const struct chunk *chunk, struct key key,
                        bool *is_equal)
{
    size_t low = 0, high = chunk->n;
    *is_equal = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = key_compare(item_name(chunk->slots[mid]), key);
        if (order == 0) {
            *is_equal = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct item *key_index_find(const struct key_index *ix, struct key key)
{
    if (!ix->n)
        return NULL;
    struct chunk *chunk = ix->chunks[find_chunk(ix, key)];
    bool is_equal;
    size_t slot = find_slot(chunk, key, &is_equal);
    return is_equal ? chunk->slots[slot] : NULL;
}

static struct chunk *insert_chunk(struct key_index *ix, size_t at)
{
    if (ix->n == ix->cap) {
        ix->cap = ix->cap ? ix->cap * 2 : 16;
        ix->chunks = xrealloc(ix->chunks, ix->cap * sizeof(struct chunk *));
    }
    memmove(ix->chunks + at + 1, ix->chunks + at,
            (ix->n - at) * sizeof(struct chunk *));
    ix->chunks[at] = xmalloc(sizeof(struct chunk));
    ix->chunks[at]->n = 0;
    ix->n++;
    return ix->chunks[at];
}

static void insert_slot(struct chunk *chunk, size_t at, struct item *item)
{
    ASSERT(chunk->n < CHUNK_SLOTS);
    memmove(chunk->slots + at + 1, chunk->slots + at,
            (chunk->n - at) * sizeof(struct item *));
    chunk->slots[at] = item;
    chunk->n++;
}

/* Makes room in a full chunk; keys that come in order fill chunks wholly. */
static void insert_splitting(struct key_index *ix, size_t at, size_t slot,
                             struct item *item)
{
    struct chunk *left = ix->chunks[at];
    struct chunk *right = insert_chunk(ix, at + 1);
    size_t keep = slot == left->n ? left->n : left->n / 2;
    right->n = left->n - keep;
    memcpy(right->slots, left->slots + keep, right->n * sizeof(struct item *));
    left->n = keep;
    if (slot > keep || right->n == 0)
        insert_slot(right, slot - keep, item);
    else
        insert_slot(left, slot, item);
}

struct item *key_index_put(struct key_index *ix, struct item *item)
{
    if (!ix->n)
        insert_chunk(ix, 0);
    size_t at = find_chunk(ix, item_name(item));
    struct chunk *chunk = ix->chunks[at];
    bool is_equal;
    size_t slot = find_slot(chunk, item_name(item), &is_equal);
    if (is_equal) {
        struct item *old = chunk->slots[slot];
        chunk->slots[slot] = item;
        return old;
    }
    if (chunk->n < CHUNK_SLOTS)
        insert_slot(chunk, slot, item);
    else
        insert_splitting(ix, at, slot, item);
    ix->count++;
    return NULL;
}

static void remove_chunk(struct key_index *ix, size_t at)
{
    free(ix->chunks[at]);
    ix->n--;
    memmove(ix->chunks + at, ix->chunks + at + 1,
            (ix->n - at) * sizeof(struct chunk *));
}

/* Small neighbours become one, so that deletions give their memory back. */
static void merge_with_next(struct key_index *ix, size_t at)
{
    if (at + 1 >= ix->n)
        return;
    struct chunk *left = ix->chunks[at], *right = ix->chunks[at + 1];
    if (left->n + right->n > CHUNK_SLOTS / 2)
        return;
    memcpy(left->slots + left->n, right->slots,
           right->n * sizeof(struct item *));
    left->n += right->n;
    remove_chunk(ix, at + 1);
}

struct item *key_index_remove(struct key_index *ix, struct key key)
{
    if (!ix->n)
        return NULL;
    size_t at = find_chunk(ix, key);
    struct chunk *chunk = ix->chunks[at];
    bool is_equal;
    size_t slot = find_slot(chunk, key, &is_equal);
    if (!is_equal)
        return NULL;
    struct item *old = chunk->slots[slot];
    chunk->n--;
    memmove(chunk->slots + slot, chunk->slots + slot + 1,
            (chunk->n - slot) * sizeof(struct item *));
    ix->count--;
    if (chunk->n == 0)
        remove_chunk(ix, at);
    else
        merge_with_next(ix, at);
    return old;
}

void key_index_seek(const struct key_index *ix, struct key key,
                    struct key_cursor *cursor)
{
    cursor->chunk = cursor->slot = 0;
    if (!ix->n)
        return;
    bool is_equal;
    cursor->chunk = find_chunk(ix, key);
    cursor->slot = find_slot(ix->chunks[cursor->chunk], key, &is_equal);
}

struct item *key_index_next(const struct key_index *ix,
                            struct key_cursor *cursor)
{
    while (cursor->chunk < ix->n) {
        const struct chunk *chunk = ix->chunks[cursor->chunk];
        if (cursor->slot < chunk->n)
            return chunk->slots[cursor->slot++];
        cursor->chunk++;
        cursor->slot = 0;
    }
    return NULL;
}
