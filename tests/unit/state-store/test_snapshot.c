/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/fs.h"
#include "services/state-store/snapshot.h"
#include "tests/unit/state-store/tools.h"

static struct table *small_table(void)
{
    struct table *t = table_new(test_lineage);
    record_unref(table_start_run(t, 42, 5));
    record_unref(put_as(t, "r1", "a", "one"));
    record_unref(put_as(t, "r2", "b/c", ""));
    record_unref(put(t, "gone", "x"));
    record_unref(put(t, "gone", NULL));
    record_unref(grant(t, "broker", "h"));
    return t;
}

static void encode(struct table *t, struct buf *out)
{
    struct view *view = table_view(t);
    struct snapshot_encoder e = {.view = view, .salt = 77, .wall_ms = 1};
    while (snapshot_encode(&e, out))
        ;
    view_destroy(&view);
}

Test(snapshot, there_and_back)
{
    struct table *t = small_table();
    AUTO_BUF struct buf bytes = {0};
    encode(t, &bytes);
    struct snapshot_info info;
    struct err err;
    struct table *back =
        snapshot_decode((uint8_t *)bytes.data, bytes.len, &info, &err);
    cr_assert_not_null(back, "%s", err.text);
    cr_assert(tables_equal(t, back));
    cr_assert_eq(info.seq, 6);
    cr_assert_eq(info.revision, 4);
    table_destroy(&t);
    table_destroy(&back);
}

Test(snapshot, empty_table)
{
    struct table *t = table_new(test_lineage);
    AUTO_BUF struct buf bytes = {0};
    encode(t, &bytes);
    struct snapshot_info info;
    struct table *back =
        snapshot_decode((uint8_t *)bytes.data, bytes.len, &info, NULL);
    cr_assert_not_null(back);
    cr_assert(tables_equal(t, back));
    table_destroy(&t);
    table_destroy(&back);
}

/* Refused, or (bits that mean nothing) still the same table. */
Test(snapshot, cut_and_flipped_is_refused)
{
    struct table *t = small_table();
    AUTO_BUF struct buf bytes = {0};
    encode(t, &bytes);
    struct snapshot_info info;
    struct err err;
    for (size_t cut = 0; cut < bytes.len; cut++) {
        uint8_t *copy = xmemdup(bytes.data, cut);
        cr_assert_null(snapshot_decode(copy, cut, &info, &err), "cut %zu", cut);
        cr_assert_eq(err.code, ERR_CORRUPT);
        free(copy);
    }
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        uint8_t *copy = xmemdup(bytes.data, bytes.len);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_null(snapshot_decode(copy, bytes.len, &info, &err), "bit %zu",
                       bit);
        free(copy);
    }
    table_destroy(&t);
}

Test(snapshot, many_blocks)
{
    struct table *t = table_new(test_lineage);
    char *value = xcalloc(1, 40001);
    memset(value, 'v', 40000);
    for (int i = 0; i < 100; i++) {
        char key[32];
        snprintf(key, sizeof key, "key/%d", i);
        record_unref(put_as(t, key, key, value));
    }
    AUTO_BUF struct buf bytes = {0};
    encode(t, &bytes);
    struct snapshot_info info;
    struct table *back =
        snapshot_decode((uint8_t *)bytes.data, bytes.len, &info, NULL);
    cr_assert_not_null(back);
    cr_assert(tables_equal(t, back));
    table_destroy(&t);
    table_destroy(&back);
    free(value);
}

Test(snapshot, job_writes_a_file_that_reads_back)
{
    char *dir = temp_dir();
    struct table *t = small_table();
    struct view *view = table_view(t);
    struct snapshot_plan plan = {.dir = dir, .view = view, .is_base = true};
    struct snapshot_job *job = snapshot_job_start(&plan);
    uint64_t bytes, written, events;
    while (read(snapshot_job_fd(job), &events, sizeof events) < 0)
        usleep(1000);
    cr_assert_eq(snapshot_job_result(job, &written, NULL), 0);
    snapshot_job_destroy(&job);
    view_destroy(&view);
    AUTO_FREE char *path = snapshot_path(dir, 6);
    struct snapshot_info info;
    struct table *back = snapshot_read(path, &info, &bytes, NULL);
    cr_assert_not_null(back);
    cr_assert(info.is_base);
    cr_assert_eq(bytes, written);
    cr_assert(tables_equal(t, back));
    table_destroy(&t);
    table_destroy(&back);
    temp_dir_remove(dir);
}
