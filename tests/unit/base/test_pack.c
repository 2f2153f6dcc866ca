/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are packed are read as they were, and alike ones are small. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/id.h"
#include "lib/base/pack.h"

static void expect_same(const struct packed *packed, const void *data,
                        size_t len)
{
    AUTO_BUF struct buf out = {0};
    buf_add_str(&out, "before");
    packed_read(packed, &out);
    cr_assert_eq(packed_len(packed), len);
    cr_assert_eq(out.len, 6 + len);
    cr_assert_eq(memcmp(out.data + 6, data, len), 0);
}

/* Like a record of a task: ids, some of them twice, between what all have. */
static void make_record(unsigned i, struct buf *out)
{
    char uuid[UUID_TEXT_SIZE];
    char name[32];
    snprintf(name, sizeof name, "name-%u", i);
    for (unsigned k = 0; k < 6; k++) {
        char seed[32];
        snprintf(seed, sizeof seed, "%u/%u", i, k);
        uuid_from_name(seed, uuid);
        buf_addf(out,
                 "\n%c%s the principal, role and resource of everyone %u %s"
                 " and once more %s, with labels that do not change; ",
                 (char)(30 + strlen(name)), name, i % 7 * 1000, uuid,
                 k % 2 ? uuid : "not");
    }
}

Test(pack, alike_values_are_small)
{
    struct pack *pack = pack_new();
    size_t plain = 0, kept = 0, whole = 0;
    for (unsigned i = 0; i < 300; i++) {
        AUTO_BUF struct buf record = {0};
        char key[64];
        make_record(i, &record);
        snprintf(key, sizeof key, "service/x/task/name-%u/info", i);
        struct packed *packed = pack_value(pack, key, record.data, record.len);
        plain += record.len;
        kept += packed ? packed_size(packed) : record.len;
        whole += !packed;
        if (packed)
            expect_same(packed, record.data, record.len);
        packed_free(packed);
    }
    cr_expect_leq(whole, 2, "%zu are bases", whole);
    cr_expect_lt(kept * 4, plain, "%zu of %zu", kept, plain);
    pack_destroy(&pack);
    pack_destroy(&pack);
}

static const struct {
    const char *name;
    const char *first, *second;
} pairs[] = {
    {"equal", "abcdefgh", "abcdefgh"},
    {"longer", "abcdefgh", "abcdefghabcdefghabcdefgh"},
    {"shorter", "abcdefghijklmnop", "abcdefgh"},
    {"put_in", "abcdefghijklmnop", "abcdefghXijklmnop"},
    {"left_out", "abcdefghijklmnop", "abcdefgijklmnop"},
    {"nothing_alike", "abcdefghijklmnop", "0123456789:;<=>?"},
    {"uuid_moves", "x5d7cbbea-2b13-4e5c-a1cf-2f9c40b6a6d1",
     "xx5d7cbbea-2b13-4e5c-a1cf-2f9c40b6a6d2 "},
    {"uuid_upper_case", "x5D7CBBEA-2B13-4E5C-A1CF-2F9C40B6A6D1",
     "x5D7CBBEA-2B13-4E5C-A1CF-2F9C40B6A6D1"},
    {"uuid_cut", "x5d7cbbea-2b13-4e5c-a1cf-2f9c40b6a6d1",
     "5d7cbbea-2b13-4e5c-a1cf-2f9c40b6a6d"},
};

/* Each repeated to a size that is worth packing. */
static void repeat(const char *text, size_t times, struct buf *out)
{
    for (size_t i = 0; i < times; i++)
        buf_add_str(out, text);
}

Test(pack, pairs)
{
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct pack *pack = pack_new();
        AUTO_BUF struct buf first = {0}, second = {0};
        repeat(pairs[i].first, 20, &first);
        repeat(pairs[i].second, 20, &second);
        packed_free(pack_value(pack, "a/1", first.data, first.len));
        struct packed *packed =
            pack_value(pack, "a/2", second.data, second.len);
        pack_destroy(&pack); /* what is packed outlives it */
        if (packed)
            expect_same(packed, second.data, second.len);
        packed_free(packed);
    }
}

Test(pack, sizes)
{
    static const size_t sizes[] = {0,   1,   95,   96,    97,    127,   128,
                                   129, 255, 4096, 65535, 65536, 65537, 300000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct pack *pack = pack_new();
        char *data = xcalloc(1, sizes[i] + 1);
        for (int round = 0; round < 3; round++) {
            for (size_t k = 0; k < sizes[i]; k++)
                data[k] = (char)((k * k / 100 + (k % 50 ? 0 : round)) % 251);
            struct packed *packed = pack_value(pack, "v", data, sizes[i]);
            cr_assert(!packed || sizes[i] >= 96);
            if (packed)
                expect_same(packed, data, sizes[i]);
            packed_free(packed);
            packed = pack_keep(pack, "v", data, sizes[i]);
            expect_same(packed, data, sizes[i]);
            packed_free(packed);
        }
        free(data);
        pack_destroy(&pack);
    }
}

/* Values that share nothing, of more shapes than are kept. */
Test(pack, what_is_unlike_stays)
{
    struct pack *pack = pack_new();
    unsigned seed = 7;
    for (unsigned i = 0; i < 500; i++) {
        char key[32], data[300];
        for (size_t k = 0; k < sizeof data; k++)
            data[k] = (char)((seed = seed * 1103515245 + 12345) >> 16);
        snprintf(key, sizeof key, "k%c%c", (char)('a' + i % 26),
                 (char)('a' + i / 26));
        cr_assert_null(pack_value(pack, key, data, sizeof data));
    }
    pack_destroy(&pack);
}

/* New values are like each other, not like those before: bases follow. */
Test(pack, bases_follow)
{
    struct pack *pack = pack_new();
    struct packed *kept[200] = {0};
    for (unsigned i = 0; i < 200; i++) {
        AUTO_BUF struct buf record = {0};
        for (unsigned k = 0; k < 40; k++)
            buf_addf(&record, "%u.%u/", (i / 20) * 7919 + k * 31, i);
        kept[i] = pack_value(pack, "a/b", record.data, record.len);
        if (kept[i])
            expect_same(kept[i], record.data, record.len);
    }
    pack_destroy(&pack);
    for (unsigned i = 0; i < 200; i++)
        packed_free(kept[i]);
}
