/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/page_book.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "services/state-store/item.h"
#include "services/state-store/table.h"

static void paged_free(struct paged *p)
{
    for (size_t i = 0; i < p->n_items; i++)
        item_unref(p->items[i]);
    free(p->items);
    free(p->prefix);
    free(p);
}

static struct paged *paged_new(const struct table *table, const char *prefix)
{
    struct paged *p = xcalloc(1, sizeof *p);
    p->revision = table_revision(table);
    p->prefix = xstrdup(prefix);
    struct key_cursor cursor;
    struct item *item;
    size_t cap = 0;
    key_index_seek(table_keys(table), key_of(prefix), &cursor);
    while ((item = key_index_next(table_keys(table), &cursor)) &&
           str_starts(item_key(item), prefix)) {
        if (p->n_items == cap) {
            cap = cap ? cap * 2 : 64;
            p->items = xrealloc(p->items, cap * sizeof(struct item *));
        }
        p->items[p->n_items++] = item_ref(item);
    }
    return p;
}

void page_book_sweep(struct page_book *book, int64_t now_ms)
{
    for (size_t i = 0; i < PAGED_MAX; i++) {
        struct paged *p = book->list[i];
        if (!p || now_ms - p->used_ms < PAGED_IDLE_MS)
            continue;
        paged_free(p);
        book->list[i] = NULL;
    }
}

/* A free place.  What was read to its end has only been kept in case that the
 * last answer was lost, and makes way for the next. */
static struct paged **find_room(struct page_book *book)
{
    struct paged **room = NULL;
    for (size_t i = 0; i < PAGED_MAX; i++) {
        if (book->list[i] && book->list[i]->is_read) {
            paged_free(book->list[i]);
            book->list[i] = NULL;
        }
        if (!book->list[i])
            room = &book->list[i];
    }
    return room;
}

struct paged *page_book_open(struct page_book *book, const struct table *table,
                             const char *prefix, int64_t now_ms,
                             struct err *err)
{
    page_book_sweep(book, now_ms);
    for (size_t i = 0; i < PAGED_MAX; i++) {
        struct paged *p = book->list[i];
        if (!p || p->revision != table_revision(table) ||
            !str_eq(p->prefix, prefix))
            continue;
        p->used_ms = now_ms;
        p->is_read = false;
        return p;
    }
    struct paged **room = find_room(book);
    if (!room) {
        err_set(err, ERR_FULL, "%d snapshots are being read in pages already",
                PAGED_MAX);
        return NULL;
    }
    *room = paged_new(table, prefix);
    (*room)->id = ++book->last_id;
    (*room)->used_ms = now_ms;
    return *room;
}

struct paged *page_book_find(struct page_book *book, uint64_t id,
                             int64_t now_ms, struct err *err)
{
    for (size_t i = 0; i < PAGED_MAX; i++) {
        struct paged *p = book->list[i];
        if (!p || p->id != id)
            continue;
        p->used_ms = now_ms;
        return p;
    }
    err_set(err, ERR_NOT_FOUND,
            "cursor %" PRIu64 " is over: start the snapshot again", id);
    return NULL;
}

/* The first item behind the key. */
static size_t behind(const struct paged *p, struct key key)
{
    size_t low = 0, high = p->n_items;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (key_compare(item_name(p->items[mid]), key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void paged_page(const struct paged *p, const char *start_after, size_t limit,
                size_t *from, size_t *end)
{
    size_t i = start_after ? behind(p, key_of(start_after)) : 0;
    size_t bytes = 0;
    *from = i;
    while (i < p->n_items && i - *from < limit) {
        bytes += (size_t)p->items[i]->key_len + p->items[i]->len;
        if (bytes > PAGE_MAX_BYTES && i > *from)
            break;
        i++;
    }
    *end = i;
}

void page_book_free(struct page_book *book)
{
    for (size_t i = 0; i < PAGED_MAX; i++) {
        if (book->list[i])
            paged_free(book->list[i]);
        book->list[i] = NULL;
    }
}
