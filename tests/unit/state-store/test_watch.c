/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/state-store/page_book.h"
#include "services/state-store/retained.h"
#include "tests/unit/state-store/tools.h"

static void push(struct retained *r, struct table *t, const char *key)
{
    struct record *record = put(t, key, "value");
    retained_push(r, record);
    record_unref(record);
}

Test(retained, keeps_the_newest_within_its_bounds)
{
    struct table *t = table_new(test_lineage);
    struct retained r = {.max_records = 3, .max_bytes = 1 << 20};
    cr_assert_eq(retained_oldest(&r), 0);
    cr_assert_null(retained_at(&r, 1));
    for (int i = 0; i < 100; i++)
        push(&r, t, "k");
    cr_assert_eq(r.n, 3);
    cr_assert_eq(retained_oldest(&r), 97);
    cr_assert_null(retained_at(&r, 97));
    cr_assert_eq(retained_at(&r, 98)->revision, 98);
    cr_assert_eq(retained_at(&r, 100)->revision, 100);
    cr_assert_null(retained_at(&r, 101));
    retained_free(&r);
    table_destroy(&t);
}

Test(retained, one_too_large_empties_it)
{
    struct table *t = table_new(test_lineage);
    struct retained r = {.max_records = 100, .max_bytes = 3000};
    push(&r, t, "a");
    push(&r, t, "b");
    cr_assert_eq(r.n, 2);
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct record *large = put(t, "c", text);
    retained_push(&r, large);
    record_unref(large);
    cr_assert_eq(r.n, 0);
    cr_assert_eq(r.bytes, 0);
    cr_assert_eq(retained_oldest(&r), 3);
    push(&r, t, "d");
    cr_assert_eq(retained_oldest(&r), 3);
    cr_assert_eq(retained_at(&r, 4)->revision, 4);
    retained_free(&r);
    table_destroy(&t);
}

Test(retained, nothing_may_be_kept)
{
    struct table *t = table_new(test_lineage);
    struct retained r = {.max_bytes = 1 << 20};
    push(&r, t, "a");
    cr_assert_eq(retained_oldest(&r), 1);
    retained_free(&r);
    table_destroy(&t);
}

static struct table *hundred(void)
{
    struct table *t = table_new(test_lineage);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k/%02d", i);
        record_unref(put(t, key, "v"));
    }
    record_unref(put(t, "other", "v"));
    return t;
}

Test(page_book, pages_are_of_one_revision)
{
    struct table *t = hundred();
    struct page_book book = {0};
    struct paged *p = page_book_open(&book, t, "k/", 0, NULL);
    cr_assert_eq(p->n_items, 100);
    cr_assert_eq(page_book_open(&book, t, "k/", 0, NULL), p, "shared");
    record_unref(put(t, "k/50x", "new"));
    size_t from, end, seen = 0;
    char *last = NULL;
    do {
        paged_page(p, last, 7, &from, &end);
        cr_assert_eq(from, seen);
        seen = end;
        last = p->items[end - 1]->bytes;
    } while (end < p->n_items);
    cr_assert_eq(seen, 100);
    paged_page(p, "k/50", 1, &from, &end);
    cr_assert_str_eq(item_key(p->items[from]), "k/51");
    paged_page(p, "zzz", 1, &from, &end);
    cr_assert_eq(from, end);
    page_book_free(&book);
    table_destroy(&t);
}

Test(page_book, is_bounded)
{
    struct table *t = hundred();
    struct page_book book = {.last_id = 77};
    struct err err;
    for (int i = 0; i < PAGED_MAX; i++) {
        cr_assert(page_book_open(&book, t, "k/", i, &err));
        record_unref(put(t, "k/00", "changed"));
    }
    cr_assert_null(page_book_open(&book, t, "k/", 20, &err));
    cr_assert_eq(err.code, ERR_FULL);
    page_book_find(&book, 80, 20, &err)->is_read = true;
    cr_assert(page_book_open(&book, t, "k/", 20, &err));
    cr_assert_null(page_book_find(&book, 80, 20, &err));
    cr_assert_eq(err.code, ERR_NOT_FOUND);
    page_book_sweep(&book, PAGED_IDLE_MS);
    cr_assert_null(page_book_find(&book, 78, 20, &err), "unused for long");
    cr_assert(page_book_find(&book, 79, 20, &err));
    page_book_free(&book);
    table_destroy(&t);
}
