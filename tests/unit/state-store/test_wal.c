/* SPDX-License-Identifier: Apache-2.0 */
/* The log in files: written by the thread, read back at the next start, damaged
 * in every way a small log can be damaged. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/fs.h"
#include "services/state-store/data_dir.h"
#include "services/state-store/snapshot.h"
#include "services/state-store/wal.h"
#include "services/state-store/wal_format.h"
#include "services/state-store/wal_replay.h"
#include "tests/unit/state-store/tools.h"

static struct wal *open_wal(const char *dir, const struct wal_found *found,
                            const struct table *t)
{
    struct wal_config config = {
        .dir = dir,
        .segment_bytes = 4096,
        .keep_bytes = 16384,
        .next_seq = table_seq(t) + 1,
        .revision = table_revision(t),
        .found = found,
    };
    memcpy(config.lineage, table_lineage(t), 16);
    struct err err;
    struct wal *wal = wal_open(&config, &err);
    cr_assert_not_null(wal, "%s", err.text);
    return wal;
}

static void log_it(struct wal *wal, struct record *record)
{
    wal_append(wal, record);
    record_unref(record);
}

static void wait_durable(struct wal *wal, uint64_t seq)
{
    wal_flush(wal);
    while (wal_durable_seq(wal) < seq) {
        struct pollfd p = {wal_fd(wal), POLLIN, 0};
        struct wal_batch batch;
        struct err err;
        poll(&p, 1, 1000);
        cr_assert_geq(wal_collect(wal, &batch, &err), 0, "%s", err.text);
    }
}

/* Six records in three batches. */
static struct table *write_small(const char *dir)
{
    struct table *t = table_new(test_lineage);
    struct wal *wal = open_wal(dir, NULL, t);
    log_it(wal, table_start_run(t, 42, 5));
    log_it(wal, put_as(t, "r1", "a", "one"));
    wait_durable(wal, 2);
    log_it(wal, grant(t, "broker", "h"));
    log_it(wal, put(t, "b", "two"));
    log_it(wal, put(t, "a", NULL));
    wait_durable(wal, 5);
    log_it(wal, put(t, "c", "three"));
    wait_durable(wal, 6);
    wal_destroy(&wal);
    return t;
}

static void read_segment(const char *dir, struct buf *out)
{
    AUTO_FREE char *path = wal_segment_path(dir, 1);
    cr_assert_eq(fs_read(path, 64 << 20, out, NULL), 0);
}

static void write_segment(const char *dir, const void *data, size_t len)
{
    AUTO_FREE char *path = wal_segment_path(dir, 1);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_eq(write(fd, data, len), (ssize_t)len);
}

Test(wal, reads_back_what_was_written)
{
    char *dir = temp_dir();
    struct table *t = write_small(dir);
    struct wal_found found = {0};
    struct err err;
    cr_assert_eq(wal_recover(dir, &found, &err), 0, "%s", err.text);
    cr_assert(tables_equal(t, found.table));
    cr_assert_eq(found.torn_bytes, 0);
    wal_found_free(&found);
    table_destroy(&t);
    temp_dir_remove(dir);
}

Test(wal, an_empty_folder_holds_nothing)
{
    char *dir = temp_dir();
    struct wal_found found = {0};
    cr_assert_eq(wal_recover(dir, &found, NULL), 0);
    cr_assert_null(found.table);
    wal_found_free(&found);
    temp_dir_remove(dir);
}

Test(wal, goes_on_after_a_restart)
{
    char *dir = temp_dir();
    struct table *t = write_small(dir);
    for (int i = 0; i < 5; i++) {
        struct wal_found found = {0};
        cr_assert_eq(wal_recover(dir, &found, NULL), 0);
        cr_assert(tables_equal(t, found.table));
        struct wal *wal = open_wal(dir, &found, found.table);
        struct record *record = put(found.table, "again", "x");
        cr_assert_eq(table_apply(t, record, NULL), 0);
        log_it(wal, record);
        wait_durable(wal, table_seq(t));
        wal_destroy(&wal);
        wal_found_free(&found);
    }
    table_destroy(&t);
    temp_dir_remove(dir);
}

/* Small records that come alone need no thread; all else does. */
Test(wal, syncs_a_lone_record_at_once)
{
    char *dir = temp_dir();
    struct table *t = table_new(test_lineage);
    struct wal *wal = open_wal(dir, NULL, t);
    struct wal_batch batch;
    struct err err;
    int here = 0;
    cr_assert(!wal_may_sync_here(wal), "nothing to write");
    log_it(wal, put(t, "a", "lays zeros out"));
    cr_assert(!wal_may_sync_here(wal), "no room laid out yet");
    wait_durable(wal, 1);
    log_it(wal, put(t, "a", "two"));
    log_it(wal, put(t, "b", "of them"));
    cr_assert(!wal_may_sync_here(wal), "two records");
    wait_durable(wal, 3);
    wal_cut(wal);
    log_it(wal, put(t, "a", "after a cut"));
    cr_assert(!wal_may_sync_here(wal), "a segment is to be made");
    wait_durable(wal, 4);
    for (uint64_t seq = 5; seq < 40; seq++) {
        log_it(wal, put(t, "c", "alone"));
        if (!wal_may_sync_here(wal)) { /* the disk may be slow */
            wait_durable(wal, seq);
            continue;
        }
        cr_assert_eq(wal_sync_here(wal, &batch, &err), 1, "%s", err.text);
        cr_assert_eq(batch.records, 1);
        cr_assert_eq(batch.seq, seq);
        cr_assert_eq(wal_durable_seq(wal), seq);
        cr_assert_eq(wal_unsynced_bytes(wal), 0);
        here++;
    }
    wal_destroy(&wal);
    struct wal_found found = {0};
    cr_assert_eq(wal_recover(dir, &found, &err), 0, "%s", err.text);
    cr_assert(tables_equal(t, found.table));
    wal_found_free(&found);
    table_destroy(&t);
    temp_dir_remove(dir);
    if (!here)
        cr_skip("the disk was slow all the time");
}

static size_t count_spares(const char *dir)
{
    size_t n = 0;
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    while ((entry = readdir(folder)))
        n += strstr(entry->d_name, ".spare") != NULL;
    closedir(folder);
    return n;
}

static void write_many(struct wal *wal, struct table *t, int n)
{
    for (int i = 0; i < n; i++) {
        log_it(wal, put(t, "key", "some value of some length"));
        wait_durable(wal, table_seq(t));
    }
}

/* What the file held before does not pass for records, wherever the new ones
 * end. */
Test(wal, segments_are_used_again)
{
    char *dir = temp_dir();
    struct table *t = table_new(test_lineage);
    struct wal *wal = open_wal(dir, NULL, t);
    write_many(wal, t, 150); /* several segments */
    cr_assert_gt(wal_segments(wal), 3);
    wal_drop_until(wal, table_seq(t));
    cr_assert_eq(wal_segments(wal), 1);
    size_t spares = count_spares(dir);
    cr_assert(spares >= 2 && spares <= 4, "%zu", spares);
    uint64_t first = table_seq(t) + 1;
    wal_cut(wal);
    struct view *view = table_view(t);
    struct snapshot_plan plan = {dir, view, 5, false};
    uint64_t bytes;
    cr_assert_eq(snapshot_write(&plan, &bytes, NULL), 0);
    view_destroy(&view);
    write_many(wal, t, 3);
    wal_drop_spares(wal);
    cr_expect_eq(count_spares(dir), 0);
    wal_destroy(&wal);
    AUTO_BUF struct buf file = {0};
    AUTO_FREE char *path = wal_segment_path(dir, first);
    cr_assert_eq(fs_read(path, 64 << 20, &file, NULL), 0);
    size_t used = 0, end = WAL_HEADER_BYTES;
    struct wal_header header;
    const uint8_t *data = (const uint8_t *)file.data;
    cr_assert_eq(wal_header_decode(data, file.len, &header, NULL), 0);
    for (int i = 0; i < 3; i++, end += used) {
        struct record *record = NULL;
        cr_assert_eq(wal_record_decode(data + end, file.len - end, header.salt,
                                       &record, &used),
                     WAL_WHOLE);
        record_unref(record);
    }
    cr_assert(memmem(data + end, file.len - end, "RVrc", 4), "not used again");
    for (size_t cut = 0; cut <= used; cut++) {
        struct wal_found found = {0};
        struct err err;
        AUTO_CLOSE int fd = open(path, O_RDWR | O_TRUNC);
        cr_assert_eq(write(fd, data, end - cut), (ssize_t)(end - cut));
        cr_assert_eq(write(fd, data + end, 8192), 8192);
        cr_assert_eq(wal_recover(dir, &found, &err), 0, "%s", err.text);
        cr_assert_eq(table_seq(found.table), table_seq(t) - (cut > 0));
        if (cut == 0 || used - cut >= 24) /* its seq is there */
            cr_assert_eq(found.torn_bytes > 0, cut > 0);
        wal_found_free(&found);
    }
    table_destroy(&t);
    temp_dir_remove(dir);
}

/* Appends without ever waiting: everything is there after wal_destroy(), over
 * many segments. */
Test(wal, many_segments)
{
    char *dir = temp_dir();
    struct table *t = table_new(test_lineage);
    struct wal *wal = open_wal(dir, NULL, t);
    for (int i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key/%d", i % 300);
        log_it(wal, put_as(t, "", key, "some value of some length"));
        if (i % 10 == 9)
            wait_durable(wal, table_seq(t) - 5);
    }
    cr_assert_gt(wal_segments(wal), 3);
    wal_destroy(&wal);
    struct wal_found found = {0};
    struct err err;
    cr_assert_eq(wal_recover(dir, &found, &err), 0, "%s", err.text);
    cr_assert(tables_equal(t, found.table));
    wal_found_free(&found);
    table_destroy(&t);
    temp_dir_remove(dir);
}

Test(wal, cut_at_every_byte)
{
    char *dir = temp_dir();
    struct table *t = write_small(dir);
    AUTO_BUF struct buf log = {0};
    read_segment(dir, &log);
    struct wal_found found = {0};
    cr_assert_eq(wal_recover(dir, &found, NULL), 0);
    size_t end = (size_t)found.segments[0].bytes;
    wal_found_free(&found);
    uint64_t last = 0;
    for (size_t cut = 0; cut <= end; cut++) {
        write_segment(dir, log.data, cut);
        struct err err = {0};
        int result = wal_recover(dir, &found, &err);
        cr_assert_eq(result, cut < WAL_HEADER_BYTES ? -1 : 0, "cut %zu", cut);
        if (result < 0) {
            cr_assert_eq(err.code, ERR_CORRUPT);
            continue;
        }
        uint64_t seq = table_seq(found.table);
        cr_assert(seq == last || seq == last + 1, "cut %zu", cut);
        last = seq;
        wal_found_free(&found);
    }
    cr_assert_eq(last, 6);
    table_destroy(&t);
    temp_dir_remove(dir);
}

/* Only the last record may be lost, and only because nothing behind it proves
 * that it was whole; everything else is refused and left as it is. */
Test(wal, every_bit_flipped)
{
    char *dir = temp_dir();
    struct table *t = write_small(dir);
    AUTO_BUF struct buf log = {0};
    struct wal_found found = {0};
    cr_assert_eq(wal_recover(dir, &found, NULL), 0);
    wal_found_free(&found);
    read_segment(dir, &log);
    size_t torn = 0;
    for (size_t bit = 0; bit < log.len * 8; bit++) {
        log.data[bit / 8] ^= (char)(1 << bit % 8);
        write_segment(dir, log.data, log.len);
        log.data[bit / 8] ^= (char)(1 << bit % 8);
        struct err err = {0};
        if (wal_recover(dir, &found, &err) < 0) {
            cr_assert_eq(err.code, ERR_CORRUPT, "bit %zu: %s", bit, err.text);
            cr_assert_not_null(strstr(err.text, "offset"));
            continue;
        }
        cr_assert_eq(table_seq(found.table), 5, "bit %zu", bit);
        cr_assert_str_eq(value_of(found.table, "b"), "two");
        cr_assert_gt(found.torn_bytes, 0);
        wal_found_free(&found);
        torn++;
    }
    cr_assert_gt(torn, 0);
    table_destroy(&t);
    temp_dir_remove(dir);
}

enum { LONG_RECORDS = 120, CUT_STEP = 512, CUT_RANGE = 64 << 10 };

/* One segment of more than 64 KiB: record n puts "key" and "n". ends[n] is
 * where it ends. */
static struct table *write_long(const char *dir, size_t *ends)
{
    struct table *t = table_new(test_lineage);
    struct wal_config config = {
        .dir = dir, .segment_bytes = 1 << 20, .next_seq = 1};
    memcpy(config.lineage, test_lineage, 16);
    struct wal *wal = wal_open(&config, NULL);
    cr_assert_not_null(wal);
    for (int n = 0; n < LONG_RECORDS; n++) {
        char value[1000];
        int len = snprintf(value, sizeof value, "%d ", n + 1);
        memset(value + len, 'x', sizeof value - (size_t)len);
        value[500 + n * 4] = '\0';
        log_it(wal, put(t, "key", value));
        if (n % 3 == 2)
            wait_durable(wal, table_seq(t));
        ends[n] = (size_t)wal_bytes(wal) + wal_unsynced_bytes(wal);
    }
    wait_durable(wal, table_seq(t));
    wal_destroy(&wal);
    return t;
}

static uint64_t whole_at(const size_t *ends, size_t cut)
{
    uint64_t n = 0;
    while (n < LONG_RECORDS && ends[n] <= cut)
        n++;
    return n;
}

/* Cut there: what was whole is there, nothing else. */
static void check_cut(const char *dir, const size_t *ends, size_t cut)
{
    struct wal_found found = {0};
    struct err err = {0};
    cr_assert_eq(wal_recover(dir, &found, &err), 0, "cut %zu: %s", cut,
                 err.text);
    uint64_t whole = whole_at(ends, cut);
    cr_assert_eq(found.table ? table_seq(found.table) : 0, whole, "cut %zu",
                 cut);
    if (whole)
        cr_assert_eq(strtoull(value_of(found.table, "key"), NULL, 10), whole,
                     "cut %zu", cut);
    wal_found_free(&found);
}

/* Both as a shorter file and as zeros where the end should be, which is how a
 * segment looks that was written ahead. */
Test(wal, cut_at_every_512_of_the_last_64_kib)
{
    char *dir = temp_dir();
    size_t ends[LONG_RECORDS];
    struct table *t = write_long(dir, ends);
    size_t end = ends[LONG_RECORDS - 1];
    AUTO_BUF struct buf log = {0};
    read_segment(dir, &log);
    cr_assert_gt(end, CUT_RANGE);
    for (size_t cut = end - CUT_RANGE; cut < end; cut += CUT_STEP) {
        write_segment(dir, log.data, cut);
        check_cut(dir, ends, cut);
        AUTO_FREE char *zeroed = xcalloc(1, log.len);
        memcpy(zeroed, log.data, cut);
        write_segment(dir, zeroed, log.len);
        check_cut(dir, ends, cut);
    }
    for (size_t cut = ends[LONG_RECORDS - 2]; cut <= end; cut++) {
        write_segment(dir, log.data, cut);
        check_cut(dir, ends, cut);
    }
    table_destroy(&t);
    temp_dir_remove(dir);
}

Test(wal, a_torn_end_is_cut_off_and_written_over)
{
    char *dir = temp_dir();
    struct table *t = write_small(dir);
    AUTO_BUF struct buf log = {0};
    struct wal_found found = {0};
    cr_assert_eq(wal_recover(dir, &found, NULL), 0);
    size_t end = (size_t)found.segments[0].bytes;
    wal_found_free(&found);
    read_segment(dir, &log);
    write_segment(dir, log.data, end - 8);
    cr_assert_eq(wal_recover(dir, &found, NULL), 0);
    cr_assert_eq(table_seq(found.table), 5);
    struct wal *wal = open_wal(dir, &found, found.table);
    log_it(wal, put(found.table, "other", "four"));
    wait_durable(wal, 6);
    wal_destroy(&wal);
    struct wal_found again = {0};
    cr_assert_eq(wal_recover(dir, &again, NULL), 0);
    cr_assert(tables_equal(found.table, again.table));
    wal_found_free(&again);
    wal_found_free(&found);
    table_destroy(&t);
    temp_dir_remove(dir);
}

static void take_snapshot(const char *dir, struct table *t, bool is_base)
{
    struct view *view = table_view(t);
    struct snapshot_plan plan = {.dir = dir, .view = view, .is_base = is_base};
    uint64_t bytes;
    cr_assert_eq(snapshot_write(&plan, &bytes, NULL), 0);
    view_destroy(&view);
}

Test(wal, snapshot_lets_old_segments_go)
{
    char *dir = temp_dir();
    struct table *t = table_new(test_lineage);
    struct wal *wal = open_wal(dir, NULL, t);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 50; i++) {
            char id[32];
            snprintf(id, sizeof id, "%d-%d", round, i);
            log_it(wal, put_as(t, id, id, "value"));
        }
        wait_durable(wal, table_seq(t));
        take_snapshot(dir, t, false);
        snapshot_remove_before(dir, table_seq(t), NULL);
        wal_cut(wal);
        log_it(wal, put(t, "after", "cut"));
        wait_durable(wal, table_seq(t));
        wal_drop_until(wal, table_seq(t) - 1);
        cr_assert_eq(wal_segments(wal), 1);
        struct wal_found found = {0};
        struct err err;
        cr_assert_eq(wal_recover(dir, &found, &err), 0, "%s", err.text);
        cr_assert(tables_equal(t, found.table));
        cr_assert_eq(found.records, 1);
        wal_found_free(&found);
    }
    wal_destroy(&wal);
    table_destroy(&t);
    temp_dir_remove(dir);
}

static void remove_segment(const char *dir, uint64_t first)
{
    AUTO_FREE char *path = wal_segment_path(dir, first);
    cr_assert_eq(unlink(path), 0);
}

/* A crash between the two would leave a snapshot and no log at all. */
Test(wal, the_old_segment_stays_until_the_new_one_is_durable)
{
    char *dir = temp_dir();
    struct table *t = table_new(test_lineage);
    struct wal *wal = open_wal(dir, NULL, t);
    log_it(wal, table_start_run(t, 1, 5));
    wait_durable(wal, table_seq(t));
    AUTO_FREE char *old = wal_segment_path(dir, 1);
    uint64_t covered = table_seq(t);
    wal_cut(wal);
    log_it(wal, put(t, "a", "one"));
    wal_flush(wal); /* the new segment is on its way, known to nobody yet */
    wal_drop_until(wal, covered);
    cr_expect_eq(access(old, F_OK), 0, "gone before the next was durable");
    wait_durable(wal, table_seq(t));
    cr_expect_neq(access(old, F_OK), 0, "still there");
    cr_expect_eq(wal_segments(wal), 1);
    wal_destroy(&wal);
    table_destroy(&t);
    temp_dir_remove(dir);
}

Test(wal, missing_parts_are_refused)
{
    char *dir = temp_dir();
    struct table *t = write_small(dir);
    struct wal_found found = {0};
    struct err err;
    take_snapshot(dir, t, false);
    remove_segment(dir, 1);
    cr_assert_eq(wal_recover(dir, &found, &err), -1);
    cr_assert_eq(err.code, ERR_CORRUPT);
    table_destroy(&t);
    temp_dir_remove(dir);
}

Test(wal, a_base_snapshot_stands_alone)
{
    char *dir = temp_dir();
    struct table *t = write_small(dir);
    /* As after a rebuild that died before the old log was removed. */
    struct table *newer = table_new(test_lineage);
    for (int i = 0; i < 20; i++)
        record_unref(put(newer, "n", "newer"));
    take_snapshot(dir, newer, true);
    struct wal_found found = {0};
    struct err err;
    cr_assert_eq(wal_recover(dir, &found, &err), 0, "%s", err.text);
    cr_assert(tables_equal(newer, found.table));
    cr_assert_eq(found.n_segments, 0);
    wal_found_free(&found);
    /* The old log was removed, and what is there is enough. */
    AUTO_FREE char *old = wal_segment_path(dir, 1);
    cr_assert_neq(access(old, F_OK), 0);
    cr_assert_eq(wal_recover(dir, &found, &err), 0, "%s", err.text);
    cr_assert(tables_equal(newer, found.table));
    wal_found_free(&found);
    table_destroy(&t);
    table_destroy(&newer);
    temp_dir_remove(dir);
}

Test(wal, a_folder_has_one_owner)
{
    char *dir = temp_dir();
    struct err err;
    struct data_dir *one = data_dir_open(dir, &err);
    cr_assert_not_null(one);
    cr_assert_null(data_dir_open(dir, &err));
    cr_assert_eq(err.code, ERR_EXISTS);
    data_dir_destroy(&one);
    one = data_dir_open(dir, &err);
    cr_assert_not_null(one);
    cr_assert_eq(data_dir_keep_reserve(one, 1 << 20, &err), 0);
    cr_assert_eq(data_dir_give_up_reserve(dir), 0);
    cr_assert_eq(data_dir_give_up_reserve(dir), -1);
    data_dir_destroy(&one);
    temp_dir_remove(dir);
}

Test(wal, set_aside_moves_the_state)
{
    char *dir = temp_dir();
    struct table *t = write_small(dir);
    struct wal_found found = {0};
    cr_assert_eq(data_dir_set_aside(dir, "now", NULL), 0);
    cr_assert_eq(wal_recover(dir, &found, NULL), 0);
    cr_assert_null(found.table);
    wal_found_free(&found);
    AUTO_FREE char *aside = fs_join(dir, "set-aside-now");
    cr_assert_eq(wal_recover(aside, &found, NULL), 0);
    cr_assert(tables_equal(t, found.table));
    wal_found_free(&found);
    table_destroy(&t);
    temp_dir_remove(dir);
}
