/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in the table is packed, and read, copied and restored as before. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "services/state-store/cold.h"
#include "services/state-store/redis_commands.h"
#include "services/state-store/snapshot.h"
#include "tests/unit/state-store/tools.h"

enum { KEYS = 200, ALL = 1 << 30 };

static void key_at(unsigned i, char out[32])
{
    snprintf(out, 32, "service/x/task/n-%03u/info", i);
}

static void value_at(unsigned i, struct buf *out)
{
    for (unsigned k = 0; k < 20; k++)
        buf_addf(out, "what all of them have, and of this one %u; ", i * k);
}

static struct table *make_table(void)
{
    struct table *t = table_new(test_lineage);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[32];
        AUTO_BUF struct buf value = {0};
        key_at(i, key);
        value_at(i, &value);
        record_unref(put(t, key, buf_text(&value)));
    }
    record_unref(put(t, "a/small", "x"));
    record_unref(put(t, "a/empty", ""));
    return t;
}

static size_t count_packed(const struct table *t)
{
    struct key_cursor cursor = {0};
    struct item *item;
    size_t n = 0;
    while ((item = key_index_next(table_keys(t), &cursor)))
        n += item->is_packed;
    return n;
}

Test(cold, says_the_same)
{
    struct table *t = make_table(), *plain = make_table();
    struct cold cold = {0};
    size_t bytes = table_bytes(t);
    cold_sweep(&cold, t, ALL, ALL);
    cr_expect_geq(count_packed(t), KEYS - 3);
    cr_expect_eq(table_bytes(t), bytes);
    cr_expect(tables_equal(t, plain));
    for (unsigned i = 0; i < KEYS; i++) {
        char key[32];
        AUTO_BUF struct buf value = {0}, read = {0};
        key_at(i, key);
        value_at(i, &value);
        const struct item *item = key_index_find(table_keys(t), key_of(key));
        item_read(item, &read);
        cr_assert_str_eq(buf_text(&read), buf_text(&value));
        cr_assert_eq(item->revision, i + 1);
    }
    cold_free(&cold); /* before what was packed with it */
    table_destroy(&t);
    table_destroy(&plain);
}

Test(cold, in_parts_and_again)
{
    struct table *t = make_table();
    struct cold cold = {0};
    for (int i = 0; i < 30; i++) {
        cold_sweep(&cold, t, 10, ALL);
        cr_expect_leq(count_packed(t), (size_t)(i + 1) * 10);
    }
    size_t packed = count_packed(t);
    cr_expect_geq(packed, KEYS - 3);
    /* One that changed is plain, and packed when it is left alone. */
    AUTO_BUF struct buf value = {0};
    value_at(1000, &value);
    struct record *record =
        put(t, "service/x/task/n-100/info", buf_text(&value));
    cr_expect_eq(count_packed(t), packed - 1);
    cold_sweep(&cold, t, ALL, ALL);
    cr_expect_eq(count_packed(t), packed - 1, "a record holds it");
    record_unref(record);
    cold_sweep(&cold, t, ALL, ALL);
    cr_expect_eq(count_packed(t), packed);
    record_unref(put(t, "service/x/task/n-100/info", NULL));
    cr_expect_eq(count_packed(t), packed - 1);
    cr_expect_str_eq(value_of(t, "service/x/task/n-100/info"), "");
    cold_sweep(&cold, t, ALL, 1);
    cold_free(&cold);
    table_destroy(&t);
}

static void encode(struct table *t, struct buf *out)
{
    struct view *view = table_view(t);
    struct snapshot_encoder e = {.view = view, .salt = 7, .wall_ms = 1};
    while (snapshot_encode(&e, out))
        ;
    view_destroy(&view);
}

static void write_redis(struct table *t, struct buf *out)
{
    struct redis_keys keys;
    struct redis_batch batch = {0};
    struct view *view = table_view(t);
    redis_keys_init(&keys, "p:");
    redis_batch_begin(&batch, &keys);
    for (size_t i = 0; i < view->n_items; i++)
        redis_batch_item(&batch, view->items[i]);
    redis_batch_end(&batch);
    buf_add(out, batch.out.data, batch.out.len);
    redis_batch_free(&batch);
    redis_keys_free(&keys);
    view_destroy(&view);
}

/* Byte for byte what a snapshot and Redis would have got. */
Test(cold, copies)
{
    struct table *t = make_table(), *plain = make_table();
    struct cold cold = {0};
    AUTO_BUF struct buf a = {0}, b = {0};
    cold_sweep(&cold, t, ALL, ALL);
    encode(t, &a);
    encode(plain, &b);
    cr_expect(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    buf_clear(&a);
    buf_clear(&b);
    write_redis(t, &a);
    write_redis(plain, &b);
    cr_expect(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    cold_free(&cold);
    table_destroy(&t);
    table_destroy(&plain);
}
