/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/http/recordio.h"

struct catch
{
    struct buf records; /* joined by '|' */
    int count, stop_at;
};

static int on_record(void *self, const uint8_t *record, size_t len)
{
    struct catch *c = self;
    buf_add(&c->records, record, len);
    buf_add_char(&c->records, '|');
    return ++c->count == c->stop_at ? 42 : 0;
}

static const struct {
    const char *name, *input, *want;
    int rc;
} cases[] = {
    {"one", "5\nhello", "hello|", 0},
    {"two", "1\na2\nbc", "a|bc|", 0},
    {"empty lines before a length", "\n\n1\na\n\n1\nb", "a|b|", 0},
    {"empty record", "0\n1\na", "|a|", 0},
    {"line feeds inside", "3\n1\na1\nb", "1\na|b|", 0},
    {"leading zeros", "003\nabc", "abc|", 0},
    {"half", "5\nhel", "", 0},
    {"only a length", "5\n", "", 0},
    {"no number", "x\na", "", -1},
    {"minus", "-1\na", "", -1},
    {"blank", " 1\na", "", -1},
    {"carriage return", "1\r\na", "", -1},
    {"too long", "101\n", "", -1},
    {"overflows", "99999999999999999999999999\n", "", -1},
    {"good, then bad", "1\na?", "a|", -1},
};

/* Fed in pieces of `step` bytes. */
static int feed(struct recordio *r, struct catch *c, const char *input,
                size_t step)
{
    struct err err;
    size_t len = strlen(input);
    for (size_t at = 0; at < len; at += step) {
        int rc = recordio_feed(r, input + at, MIN(step, len - at), on_record, c,
                               &err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

Test(recordio, every_size_of_piece)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t step = 1; step <= strlen(cases[i].input); step++) {
            AUTO(recordio) struct recordio *r = recordio_new(100);
            struct catch c = {0};
            int rc = feed(r, &c, cases[i].input, step);
            cr_expect_eq(rc, cases[i].rc, "case: %s, %zu", cases[i].name, step);
            cr_expect_str_eq(buf_text(&c.records), cases[i].want,
                             "case: %s, %zu", cases[i].name, step);
            buf_free(&c.records);
        }
}

Test(recordio, split_anywhere)
{
    AUTO_BUF struct buf stream = {0};
    const char *const records[] = {"a", "", "hello world", "12\n3", "z"};
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        recordio_encode(records[i], strlen(records[i]), &stream);
    for (size_t cut = 0; cut <= stream.len; cut++) {
        AUTO(recordio) struct recordio *r = recordio_new(100);
        struct catch c = {0};
        recordio_feed(r, stream.data, cut, on_record, &c, NULL);
        recordio_feed(r, stream.data + cut, stream.len - cut, on_record, &c,
                      NULL);
        cr_expect_str_eq(buf_text(&c.records), "a||hello world|12\n3|z|",
                         "cut at %zu", cut);
        buf_free(&c.records);
    }
}

Test(recordio, stays_broken)
{
    AUTO(recordio) struct recordio *r = recordio_new(100);
    struct catch c = {0};
    struct err err;
    cr_expect_eq(recordio_feed(r, "x", 1, on_record, &c, &err), -1);
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_eq(recordio_feed(r, "1\na", 3, on_record, &c, &err), -1);
    cr_expect_eq(c.count, 0);
}

Test(recordio, stopped_by_the_reader)
{
    AUTO(recordio) struct recordio *r = recordio_new(100);
    struct catch c = {.stop_at = 2};
    cr_expect_eq(recordio_feed(r, "1\na1\nb1\nc", 9, on_record, &c, NULL), 42);
    cr_expect_eq(c.count, 2);
    buf_free(&c.records);
}
