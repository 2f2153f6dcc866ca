/* SPDX-License-Identifier: Apache-2.0 */
/* page_book - snapshots that callers read page by page, each at one revision
 *
 * A snapshot is an array of pointers to items that are never changed, so what
 * it costs are the pointers and what the table gave up since.  Callers at the
 * same revision and prefix share one.  Bounded in number; one that nobody used
 * for a while is dropped.  Pure state: time comes in.
 */
#ifndef REEVE_STATE_STORE_PAGE_BOOK_H
#define REEVE_STATE_STORE_PAGE_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct item;
struct table;

enum {
    PAGED_MAX = 16,          /* snapshots at a time */
    PAGED_IDLE_MS = 30000,   /* kept so long after their last use */
    PAGE_MAX_BYTES = 4 << 20 /* of keys and values; one item may be more */
};

struct paged {
    uint64_t id; /* never 0 */
    uint64_t revision;
    char *prefix;
    int64_t used_ms;
    bool is_read;        /* to the end: the next to be opened takes its room */
    struct item **items; /* in key order, with references */
    size_t n_items;
};

struct page_book {
    uint64_t last_id; /* start at something random: ids of a former life */
    struct paged *list[PAGED_MAX];
};

/* What starts with prefix, as it is now.  NULL: ERR_FULL. */
struct paged *page_book_open(struct page_book *book, const struct table *table,
                             const char *prefix, int64_t now_ms,
                             struct err *err);
/* NULL: ERR_NOT_FOUND, it is over. */
struct paged *page_book_find(struct page_book *book, uint64_t id,
                             int64_t now_ms, struct err *err);
/* Items [*from, *end) are the next page of at most limit behind the key
 * start_after (NULL: the first page). */
void paged_page(const struct paged *paged, const char *start_after,
                size_t limit, size_t *from, size_t *end);
/* Drops those that nobody used for long. */
void page_book_sweep(struct page_book *book, int64_t now_ms);
void page_book_free(struct page_book *book);

#endif
