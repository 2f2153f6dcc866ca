/* SPDX-License-Identifier: Apache-2.0 */
/* err, buf, id and log_q. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/base/log.h"

/* ---- err --------------------------------------------------------------- */

Test(err, set_wrap_clear)
{
    struct err err = {0};
    cr_expect_eq(err_set(&err, ERR_INVALID, "bad %d", 7), -1);
    cr_expect_eq(err_wrap(&err, "file %s", "x"), -1);
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_str_eq(err.text, "file x: bad 7");
    err_clear(&err);
    cr_expect_eq(err.code, ERR_NONE);
    cr_expect_str_eq(err.text, "");
    cr_expect_eq(err_set(NULL, ERR_IO, "nobody cares"), -1);
    cr_expect_eq(err_wrap(NULL, "nobody"), -1);
    err_clear(NULL);
}

static const struct {
    int number;
    enum err_code code;
} sys_cases[] = {
    {ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS}, {EACCES, ERR_IO}};

Test(err, sys)
{
    for (size_t i = 0; i < ARRAY_LEN(sys_cases); i++) {
        struct err err = {0};
        errno = sys_cases[i].number;
        cr_expect_eq(err_sys(&err, "open"), -1);
        cr_expect_eq(err.code, sys_cases[i].code);
        cr_expect_eq(errno, sys_cases[i].number, "errno is kept");
        cr_expect(str_starts(err.text, "open: "));
    }
}

Test(err, long_texts_are_cut)
{
    struct err err = {0};
    AUTO_BUF struct buf text = {0};
    for (int i = 0; i < 3000; i++)
        buf_add_char(&text, 'x');
    err_set(&err, ERR_IO, "%s", buf_text(&text));
    err_wrap(&err, "%s", buf_text(&text));
    cr_expect_eq(strlen(err.text), sizeof err.text - 1);
    errno = EIO;
    err_sys(&err, "%s", buf_text(&text));
    cr_expect_eq(strlen(err.text), sizeof err.text - 1);
}

Test(err, every_code_has_a_name)
{
    for (int code = ERR_NONE; code <= ERR_NOOP; code++)
        cr_expect_str_neq(err_code_name((enum err_code)code), "unknown");
}

/* ---- buf --------------------------------------------------------------- */

Test(buf, grows_and_is_always_text)
{
    struct buf b = {0};
    cr_expect_str_eq(buf_text(&b), "");
    buf_clear(&b);
    buf_drop(&b, 0);
    buf_add(&b, NULL, 0);
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "%d,", i);
    cr_expect_eq(strlen(buf_text(&b)), b.len);
    cr_expect_eq(b.len, 3890);
    buf_drop(&b, b.len - 4);
    cr_expect_str_eq(buf_text(&b), "999,");
    size_t len;
    char *taken = buf_take(&b, &len);
    cr_expect_eq(len, 4);
    cr_expect_str_eq(taken, "999,");
    cr_expect_eq(b.len, 0);
    free(taken);
    taken = buf_take(&b, NULL);
    cr_expect_str_eq(taken, "", "also when nothing was added");
    free(taken);
    buf_add(&b, "a\0b", 3);
    cr_expect_eq(b.len, 3);
    buf_free(&b);
    buf_free(&b);
}

/* ---- id ---------------------------------------------------------------- */

Test(id, uuids)
{
    char a[UUID_TEXT_SIZE], b[UUID_TEXT_SIZE];
    uint8_t bytes[16];
    uuid_new(a);
    uuid_new(b);
    cr_expect_str_neq(a, b);
    cr_expect_eq(a[14], '4');
    cr_expect(strchr("89ab", a[19]) != NULL);
    cr_expect(uuid_parse(a, bytes));
    uuid_format(bytes, b);
    cr_expect_str_eq(a, b);
    uuid_from_name("data-store", a);
    uuid_from_name("data-store", b);
    cr_expect_str_eq(a, b);
    uuid_from_name("data-stor", b);
    cr_expect_str_neq(a, b);
    cr_expect_eq(a[14], '8');
}

static const struct {
    const char *text;
    bool is_good;
} uuid_cases[] = {
    {"00112233-4455-6677-8899-aabbccddeeff", true},
    {"00112233-4455-6677-8899-AABBCCDDEEFF", true},
    {"00112233-4455-6677-8899-aabbccddeef", false},
    {"00112233-4455-6677-8899-aabbccddeefff", false},
    {"001122334455-6677-8899-aabbccddeeff-", false},
    {"00112233-4455-6677-8899-aabbccddeefg", false},
    {"", false},
    {NULL, false},
};

Test(id, parse)
{
    for (size_t i = 0; i < ARRAY_LEN(uuid_cases); i++) {
        uint8_t bytes[16];
        cr_expect_eq(uuid_parse(uuid_cases[i].text, bytes),
                     uuid_cases[i].is_good, "case: %s",
                     str_or_empty(uuid_cases[i].text));
    }
}

/* The definition, bit by bit. */
static uint32_t crc_by_bit(uint32_t crc, const uint8_t *p, size_t len)
{
    crc = ~crc;
    while (len--) {
        crc ^= *p++;
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

Test(text, crc32c_of_every_length_and_alignment)
{
    uint8_t bytes[128];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; len < 100; len++)
            cr_expect_eq(crc32c((uint32_t)len, bytes + from, len),
                         crc_by_bit((uint32_t)len, bytes + from, len));
}

Test(id, sums)
{
    char hex[SHA256_HEX_SIZE];
    sha256_hex("abc", 3, hex);
    cr_expect_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223"
                          "b00361a396177a9cb410ff61f20015ad");
    cr_expect_eq(crc32c(0, "123456789", 9), 0xE3069283u);
    cr_expect_eq(crc32c(0, "", 0), 0u);
    /* In two parts, at every cut, and from an odd address. */
    for (size_t cut = 0; cut <= 9; cut++)
        cr_expect_eq(
            crc32c(crc32c(0, "123456789", cut), "123456789" + cut, 9 - cut),
            0xE3069283u);
    uint8_t zeros[33] = {0};
    cr_expect_eq(crc32c(0, zeros + 1, 32), 0x8A9136AAu);
}

/* ---- log --------------------------------------------------------------- */

static const struct {
    const char *text, *expected;
} quote_cases[] = {
    {"plain", "\"plain\""},
    {"", "\"\""},
    {NULL, "\"\""},
    {"a \"b\" \\ c", "\"a \\\"b\\\" \\\\ c\""},
    {"two\nlines", "\"two\\nlines\""},
    {"bell\a", "\"bell?\""},
};

Test(log, quoted)
{
    for (size_t i = 0; i < ARRAY_LEN(quote_cases); i++)
        cr_expect_str_eq(log_q(quote_cases[i].text), quote_cases[i].expected);
    const char *first = log_q("first");
    for (int i = 0; i < 7; i++)
        log_q("other");
    cr_expect_str_eq(first, "\"first\"", "good for 7 further calls");
    AUTO_BUF struct buf text = {0};
    for (int i = 0; i < 2000; i++)
        buf_add_char(&text, '"');
    cr_expect_lt(strlen(log_q(buf_text(&text))), 512);
}

static const struct {
    const char *text;
    bool is_good;
    enum log_level level;
} level_cases[] = {
    {"debug", true, LOG_DEBUG}, {"info", true, LOG_INFO},
    {"odd", true, LOG_ODD},     {"warn", true, LOG_ODD},
    {"bad", true, LOG_BAD},     {"error", true, LOG_BAD},
    {"DEBUG", false, 0},        {"", false, 0},
};

Test(log, levels)
{
    for (size_t i = 0; i < ARRAY_LEN(level_cases); i++) {
        enum log_level level = LOG_INFO;
        cr_expect_eq(log_level_parse(level_cases[i].text, &level),
                     level_cases[i].is_good);
        if (level_cases[i].is_good)
            cr_expect_eq(level, level_cases[i].level);
    }
}
