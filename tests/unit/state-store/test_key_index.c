/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "services/state-store/key_index.h"

enum { KEYS = 3000 };

static struct item *item_of(unsigned n)
{
    char key[32];
    snprintf(key, sizeof key, "k/%08u", n);
    return item_new(key_of(key), "v", 1, n + 1);
}

static const struct {
    const char *name;
    unsigned step; /* coprime with KEYS: an order in which keys come */
} orders[] = {{"ascending", 1}, {"descending", KEYS - 1}, {"scattered", 1619}};

static void check_walk(const struct key_index *ix, size_t count,
                       const char *name)
{
    struct key_cursor cursor;
    key_index_seek(ix, key_of(""), &cursor);
    struct item *item, *last = NULL;
    size_t n = 0;
    while ((item = key_index_next(ix, &cursor))) {
        if (last)
            cr_assert_lt(key_compare(item_name(last), item_name(item)), 0,
                         "case: %s", name);
        last = item;
        n++;
    }
    cr_assert_eq(n, count, "case: %s: %zu of %zu", name, n, count);
    cr_assert_eq(key_index_count(ix), count);
}

Test(key_index, put_walk_remove)
{
    for (size_t c = 0; c < ARRAY_LEN(orders); c++) {
        struct key_index *ix = key_index_new();
        for (unsigned i = 0; i < KEYS; i++)
            cr_assert_null(
                key_index_put(ix, item_of(i * orders[c].step % KEYS)));
        check_walk(ix, KEYS, orders[c].name);
        for (unsigned i = 0; i < KEYS; i++) {
            struct item *probe = item_of(i);
            cr_assert_not_null(key_index_find(ix, item_name(probe)));
            item_unref(probe);
        }
        for (unsigned i = 0; i < KEYS; i += 2) {
            struct item *probe = item_of(i * orders[c].step % KEYS);
            struct item *gone = key_index_remove(ix, item_name(probe));
            cr_assert_not_null(gone);
            cr_assert_null(key_index_remove(ix, item_name(probe)));
            item_unref(gone);
            item_unref(probe);
        }
        check_walk(ix, KEYS / 2, orders[c].name);
        key_index_destroy(&ix);
    }
}

Test(key_index, put_replaces)
{
    struct key_index *ix = key_index_new();
    cr_assert_null(key_index_put(ix, item_of(5)));
    struct item *old = key_index_put(ix, item_of(5));
    cr_assert_not_null(old);
    item_unref(old);
    cr_assert_eq(key_index_count(ix), 1);
    key_index_destroy(&ix);
}

Test(key_index, seek_finds_the_first_not_less)
{
    struct key_index *ix = key_index_new();
    for (unsigned i = 0; i < KEYS; i += 10)
        key_index_put(ix, item_of(i));
    struct key_cursor cursor;
    key_index_seek(ix, key_of("k/00000995"), &cursor);
    cr_assert_str_eq(item_key(key_index_next(ix, &cursor)), "k/00001000");
    key_index_seek(ix, key_of("k/00001000"), &cursor);
    cr_assert_str_eq(item_key(key_index_next(ix, &cursor)), "k/00001000");
    key_index_seek(ix, key_of("z"), &cursor);
    cr_assert_null(key_index_next(ix, &cursor));
    key_index_destroy(&ix);
}

/* Many random puts and removals against a plain array of flags. */
Test(key_index, agrees_with_a_model)
{
    static bool is_there[500];
    struct key_index *ix = key_index_new();
    srand(7);
    for (int i = 0; i < 20000; i++) {
        unsigned n = (unsigned)rand() % ARRAY_LEN(is_there);
        struct item *item = item_of(n), *old;
        if (rand() % 2) {
            old = key_index_put(ix, item_ref(item));
            cr_assert_eq(old != NULL, is_there[n]);
            is_there[n] = true;
        } else {
            old = key_index_remove(ix, item_name(item));
            cr_assert_eq(old != NULL, is_there[n]);
            is_there[n] = false;
        }
        item_unref(old);
        item_unref(item);
    }
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(is_there); i++)
        count += is_there[i];
    check_walk(ix, count, "model");
    key_index_destroy(&ix);
}
