/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "lib/bus/state_file.h"

static const struct state_file_head head = {
    .lineage = "0123456789abcde", .revision = 9, .wall_ms = 1700000000000};

static void add(struct state_file_writer *w, struct buf *out, const char *key,
                const char *value, uint64_t revision)
{
    struct state_file_item item = {.key = key,
                                   .key_len = strlen(key),
                                   .value = (const uint8_t *)value,
                                   .len = strlen(value),
                                   .revision = revision};
    state_file_item(w, &item, out);
}

static void make(struct buf *out)
{
    struct state_file_writer w = {0};
    state_file_begin(&w, &head, out);
    add(&w, out, "a", "one", 3);
    add(&w, out, "a/b", "", 9);
    add(&w, out, "b", "two", 1);
    state_file_end(&w, out);
}

static void show(void *self, const struct state_file_item *item)
{
    buf_addf(self, "%.*s=%.*s@%d ", (int)item->key_len, item->key,
             (int)item->len, (const char *)item->value, (int)item->revision);
}

static int read_it(const struct buf *file, struct buf *seen, struct err *err)
{
    struct state_file_head found;
    return state_file_read(*file, &found, seen ? show : NULL, seen, err);
}

Test(state_file, what_is_written_is_read)
{
    AUTO_BUF struct buf file = {0}, seen = {0};
    struct state_file_head found;
    struct err err = {0};
    make(&file);
    cr_assert_eq(state_file_read(file, &found, show, &seen, &err), 0, "%s",
                 err.text);
    cr_assert_str_eq(buf_text(&seen), "a=one@3 a/b=@9 b=two@1 ");
    cr_assert_eq(found.revision, 9);
    cr_assert_eq(found.wall_ms, head.wall_ms);
    cr_assert_arr_eq(found.lineage, head.lineage, 16);
}

Test(state_file, nothing_in_it)
{
    AUTO_BUF struct buf file = {0}, seen = {0};
    struct state_file_writer w = {0};
    state_file_begin(&w, &head, &file);
    state_file_end(&w, &file);
    cr_assert_eq(read_it(&file, &seen, NULL), 0);
    cr_assert_eq(seen.len, 0);
}

Test(state_file, every_flipped_bit_and_every_cut_is_refused)
{
    AUTO_BUF struct buf file = {0};
    struct err err;
    make(&file);
    for (size_t bit = 0; bit < file.len * 8; bit++) {
        file.data[bit / 8] ^= (char)(1 << bit % 8);
        cr_assert_eq(read_it(&file, NULL, &err), -1, "bit %zu", bit);
        cr_assert_eq(err.code, ERR_CORRUPT, "bit %zu", bit);
        cr_assert(strstr(err.text, "at offset "));
        file.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    size_t whole = file.len;
    for (file.len = 0; file.len < whole; file.len++)
        cr_assert_eq(read_it(&file, NULL, &err), -1, "%zu bytes", file.len);
    file.len = whole;
    buf_add_char(&file, 'x');
    cr_assert_eq(read_it(&file, NULL, &err), -1);
    cr_assert(strstr(err.text, "more behind the end at offset"));
}

Test(state_file, other_versions_are_refused_as_such)
{
    for (uint32_t version = 0; version <= 3; version++) {
        AUTO_BUF struct buf file = {0};
        struct err err = {0};
        make(&file);
        file.data[8] = (char)version;
        uint32_t crc = crc32c(0, file.data, 60);
        memcpy(file.data + 60, &crc, sizeof crc);
        int rc = read_it(&file, NULL, &err);
        if (version == STATE_FILE_VERSION) {
            cr_assert_eq(rc, 0);
            continue;
        }
        cr_assert_eq(rc, -1);
        cr_assert_eq(err.code, ERR_UNSUPPORTED);
        cr_assert(strstr(err.text, "reads versions 1 to 1"), "%s", err.text);
    }
}

Test(state_file, checksums_alone_do_not_make_it_good)
{
    static const struct {
        const char *name, *first, *second, *why;
        uint64_t revision;
    } cases[] = {
        {"order", "b", "a", "keys out of order", 1},
        {"twice", "a", "a", "keys out of order", 1},
        {"newer than the store", "a", "b", "newer than the store", 10},
        {"revision 0", "a", "b", "newer than the store", 0},
        {"blank in a key", "a", "b c", "not printable", 1},
        {"no key", "", "b", "impossible size", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf file = {0};
        struct state_file_writer w = {0};
        struct err err = {0};
        state_file_begin(&w, &head, &file);
        add(&w, &file, cases[i].first, "v", 1);
        add(&w, &file, cases[i].second, "v", cases[i].revision);
        state_file_end(&w, &file);
        cr_assert_eq(read_it(&file, NULL, &err), -1, "%s", cases[i].name);
        cr_assert(strstr(err.text, cases[i].why), "%s: %s", cases[i].name,
                  err.text);
    }
}

/* What was exported once stays readable. */
Test(state_file, a_file_of_version_1)
{
    AUTO_BUF struct buf file = {0}, seen = {0};
    struct err err = {0};
    cr_assert_eq(
        fs_read("tests/fixtures/state/version-1.state", 1 << 20, &file, &err),
        0, "%s", err.text);
    cr_assert_eq(read_it(&file, &seen, &err), 0, "%s", err.text);
    cr_assert_str_eq(buf_text(&seen), "a=one@3 a/b=@9 b=two@1 ");
}
