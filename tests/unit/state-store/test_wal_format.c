/* SPDX-License-Identifier: Apache-2.0 */
/* A small log, cut at every byte and with every bit flipped: what is read is a
 * part of what was written, or it is refused; never anything else. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/state-store/wal_format.h"
#include "tests/unit/state-store/tools.h"

enum { SALT = 0x5a175a17, RECORDS = 6 };

struct small_log {
    struct buf bytes;         /* records only */
    size_t ends[RECORDS + 1]; /* of each record; ends[0] = 0 */
    struct record *records[RECORDS];
};

/* Batches: {1, 2} {3, 4, 5} {6}. */
static void make_log(struct small_log *log)
{
    static const uint32_t back[RECORDS] = {0, 1, 0, 1, 2, 0};
    struct table *t = table_new(test_lineage);
    struct record *records[RECORDS] = {
        table_start_run(t, 42, 5),  put_as(t, "r1", "a", "one"),
        grant(t, "broker", "h"),    put(t, "b", "a longer value to cut"),
        put_as(t, "r2", "a", NULL), put(t, "c", "")};
    memset(log, 0, sizeof *log);
    for (size_t i = 0; i < RECORDS; i++) {
        wal_record_encode(records[i], back[i], SALT, &log->bytes);
        log->ends[i + 1] = log->bytes.len;
        log->records[i] = records[i];
    }
    table_destroy(&t);
}

static void free_log(struct small_log *log)
{
    for (size_t i = 0; i < RECORDS; i++)
        record_unref(log->records[i]);
    buf_free(&log->bytes);
}

static bool same(const struct record *a, const struct record *b)
{
    AUTO_BUF struct buf one = {0};
    AUTO_BUF struct buf two = {0};
    wal_record_encode(a, 0, SALT, &one);
    wal_record_encode(b, 0, SALT, &two);
    return one.len == two.len && memcmp(one.data, two.data, one.len) == 0;
}

/* Whole records at the start; each must be the one that was written. */
static size_t read_log(const struct small_log *log, const uint8_t *data,
                       size_t len, bool *is_nonsense)
{
    size_t at = 0, n = 0;
    *is_nonsense = false;
    while (at < len) {
        struct record *record = NULL;
        size_t used;
        enum wal_verdict verdict =
            wal_record_decode(data + at, len - at, SALT, &record, &used);
        *is_nonsense = verdict == WAL_NONSENSE;
        if (verdict != WAL_WHOLE)
            break;
        cr_assert_lt(n, RECORDS);
        cr_assert(same(record, log->records[n]), "record %zu is another", n);
        record_unref(record);
        at += used;
        n++;
    }
    return n;
}

Test(wal_format, whole_log)
{
    struct small_log log;
    bool is_nonsense;
    make_log(&log);
    cr_assert_eq(
        read_log(&log, (uint8_t *)log.bytes.data, log.bytes.len, &is_nonsense),
        RECORDS);
    free_log(&log);
}

Test(wal_format, cut_at_every_byte)
{
    struct small_log log;
    make_log(&log);
    for (size_t cut = 0; cut < log.bytes.len; cut++) {
        bool is_nonsense;
        uint8_t *copy = xmemdup(log.bytes.data, cut);
        size_t n = read_log(&log, copy, cut, &is_nonsense);
        cr_assert(log.ends[n] <= cut && log.ends[n + 1] > cut, "cut %zu", cut);
        cr_assert_not(is_nonsense);
        cr_assert_not(wal_has_later_batch(copy + log.ends[n], cut - log.ends[n],
                                          SALT, n + 1));
        free(copy);
    }
    free_log(&log);
}

Test(wal_format, every_bit_flipped)
{
    struct small_log log;
    make_log(&log);
    size_t len = log.bytes.len;
    for (size_t bit = 0; bit < len * 8; bit++) {
        uint8_t *copy = xmemdup(log.bytes.data, len);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool is_nonsense;
        size_t n = read_log(&log, copy, len, &is_nonsense);
        /* Exactly the record with the bit is not read. */
        cr_assert(log.ends[n] <= bit / 8 && bit / 8 < log.ends[n + 1],
                  "bit %zu: %zu records", bit, n);
        /* Records 1 to 5 are followed by a later batch, record 6 is not. */
        bool is_proved = wal_has_later_batch(copy + log.ends[n],
                                             len - log.ends[n], SALT, n + 1);
        cr_assert_eq(is_proved, n + 1 <= 5, "bit %zu", bit);
        free(copy);
    }
    free_log(&log);
}

/* Pages of one unsynced batch may reach the disk in any order: a hole in the
 * last batch is a torn write, also with whole records of it behind the hole. */
Test(wal_format, hole_in_the_last_batch_is_torn)
{
    struct small_log log;
    make_log(&log);
    size_t len = log.ends[5]; /* ends with batch {3, 4, 5} */
    uint8_t *copy = xmemdup(log.bytes.data, len);
    memset(copy + log.ends[2], 0, log.ends[3] - log.ends[2]);
    cr_assert_not(
        wal_has_later_batch(copy + log.ends[2], len - log.ends[2], SALT, 3));
    free(copy);
    free_log(&log);
}

/* A value that holds bytes of another log proves nothing. */
Test(wal_format, bytes_of_another_log_are_no_proof)
{
    struct small_log log;
    make_log(&log);
    cr_assert_not(wal_has_later_batch((uint8_t *)log.bytes.data, log.bytes.len,
                                      SALT + 1, 1));
    free_log(&log);
}

Test(wal_format, header_every_bit_flipped)
{
    struct wal_header header = {.first_seq = 7,
                                .first_revision = 5,
                                .salt = 99,
                                .is_reused = true},
                      out;
    memcpy(header.lineage, test_lineage, 16);
    uint8_t bytes[WAL_HEADER_BYTES], again[WAL_HEADER_BYTES];
    struct err err;
    wal_header_encode(&header, bytes);
    cr_assert_eq(wal_header_decode(bytes, sizeof bytes, &out, &err), 0);
    cr_assert(out.first_seq == 7 && out.salt == 99 && out.is_reused);
    wal_header_encode(&out, again);
    cr_assert_eq(memcmp(bytes, again, sizeof bytes), 0);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(wal_header_decode(bytes, sizeof bytes, &out, &err), -1);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < sizeof bytes; cut++)
        cr_assert_eq(wal_header_decode(bytes, cut, &out, &err), -1);
}
