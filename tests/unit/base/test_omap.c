/* SPDX-License-Identifier: Apache-2.0 */
/* The ordered map, against a plain array. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/omap.h"

Test(omap, put_get_remove)
{
    struct omap *map = omap_new();
    char one[] = "1", two[] = "2";
    cr_expect_null(omap_get(map, "a"));
    cr_expect_null(omap_seek(map, ""));
    cr_expect_null(omap_put(map, "a", one));
    cr_expect_eq(omap_put(map, "a", two), one);
    cr_expect_eq(omap_get(map, "a"), two);
    cr_expect_eq(omap_count(map), 1);
    cr_expect_null(omap_remove(map, "b"));
    cr_expect_eq(omap_remove(map, "a"), two);
    cr_expect_null(omap_remove(map, "a"));
    cr_expect_eq(omap_count(map), 0);
    omap_free(map, NULL);
    omap_free(NULL, NULL);
}

static const struct {
    const char *from, *expected;
} seek_cases[] = {
    {"", "a a/b a/c b "}, {"a", "a a/b a/c b "}, {"a/", "a/b a/c b "},
    {"a/c", "a/c b "},    {"a/d", "b "},         {"c", ""},
};

Test(omap, seek)
{
    struct omap *map = omap_new();
    static const char *const keys[] = {"b", "a/c", "a", "a/b"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        omap_put(map, keys[i], (void *)keys[i]);
    for (size_t i = 0; i < ARRAY_LEN(seek_cases); i++) {
        AUTO_BUF struct buf got = {0};
        for (struct omap_node *n = omap_seek(map, seek_cases[i].from); n;
             n = omap_next(n)) {
            buf_addf(&got, "%s ", omap_key(n));
        }
        cr_expect_str_eq(buf_text(&got), seek_cases[i].expected, "from %s",
                         seek_cases[i].from);
    }
    omap_free(map, NULL);
}

Test(omap, behaves_like_an_array)
{
    enum { KEYS = 500 };
    struct omap *map = omap_new();
    static int values[20000];
    int *there[KEYS] = {0};
    uint32_t seed = 5;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        int k = (int)(seed >> 16) % KEYS;
        char key[16];
        snprintf(key, sizeof key, "%03d", k);
        if (seed >> 31) {
            cr_assert_eq(omap_put(map, key, &values[i]), there[k]);
            there[k] = &values[i];
        } else {
            cr_assert_eq(omap_remove(map, key), there[k]);
            there[k] = NULL;
        }
    }
    struct omap_node *n = omap_seek(map, "");
    size_t count = 0;
    for (int k = 0; k < KEYS; k++) {
        if (!there[k])
            continue;
        count++;
        cr_assert_not_null(n);
        char key[16];
        snprintf(key, sizeof key, "%03d", k);
        cr_expect_str_eq(omap_key(n), key);
        cr_expect_eq(omap_value(n), there[k]);
        n = omap_next(n);
    }
    cr_expect_null(n);
    cr_expect_eq(omap_count(map), count);
    omap_free(map, NULL);
}

Test(omap, a_hundred_thousand_keys)
{
    struct omap *map = omap_new();
    char key[64];
    clock_t start = clock();
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "service/data-store/task/%06d",
                 i * 7919 % 100000);
        omap_put(map, key, xmalloc(1));
    }
    cr_expect_eq(omap_count(map), 100000);
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "service/data-store/task/%06d", i);
        cr_assert_not_null(omap_get(map, key));
    }
    /* Generous, and of our own time alone: a linear walk would take minutes. */
    cr_expect_lt((clock() - start) / CLOCKS_PER_SEC, 10);
    omap_free(map, free);
}
