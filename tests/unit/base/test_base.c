/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation helpers, strings, strict number parsing. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"

static const struct {
    const char *text;
    bool is_good;
    int64_t value;
} i64_cases[] = {
    {"0", true, 0},
    {"-1", true, -1},
    {"9223372036854775807", true, INT64_MAX},
    {"-9223372036854775808", true, INT64_MIN},
    {"9223372036854775808", false, 0},
    {"", false, 0},
    {" 1", false, 0},
    {"1 ", false, 0},
    {"1x", false, 0},
    {"0x10", false, 0},
    {"1.0", false, 0},
    {"-", false, 0},
    {NULL, false, 0},
};

Test(base, parse_i64)
{
    for (size_t i = 0; i < ARRAY_LEN(i64_cases); i++) {
        int64_t out = 77;
        cr_expect_eq(parse_i64(i64_cases[i].text, &out), i64_cases[i].is_good,
                     "case: %s", str_or_empty(i64_cases[i].text));
        cr_expect_eq(out, i64_cases[i].is_good ? i64_cases[i].value : 77);
    }
}

static const struct {
    const char *text;
    bool is_good;
    uint64_t value;
} u64_cases[] = {
    {"0", true, 0},
    {"18446744073709551615", true, UINT64_MAX},
    {"18446744073709551616", false, 0},
    {"-1", false, 0},
    {"+1", false, 0},
    {"", false, 0},
    {"12a", false, 0},
    {NULL, false, 0},
};

Test(base, parse_u64)
{
    for (size_t i = 0; i < ARRAY_LEN(u64_cases); i++) {
        uint64_t out = 77;
        cr_expect_eq(parse_u64(u64_cases[i].text, &out), u64_cases[i].is_good,
                     "case: %s", str_or_empty(u64_cases[i].text));
        cr_expect_eq(out, u64_cases[i].is_good ? u64_cases[i].value : 77);
    }
}

static const struct {
    const char *text;
    bool is_good;
    double value;
} double_cases[] = {
    {"0.5", true, 0.5}, {"-2", true, -2},  {"1e3", true, 1000},
    {"nan", false, 0},  {"inf", false, 0}, {"1e999", false, 0},
    {"0.5s", false, 0}, {"", false, 0},    {" 1", false, 0},
    {NULL, false, 0},
};

Test(base, parse_double)
{
    for (size_t i = 0; i < ARRAY_LEN(double_cases); i++) {
        double out = 77;
        cr_expect_eq(parse_double(double_cases[i].text, &out),
                     double_cases[i].is_good, "case: %s",
                     str_or_empty(double_cases[i].text));
        cr_expect_eq(out, double_cases[i].is_good ? double_cases[i].value : 77);
    }
}

Test(base, strings)
{
    cr_expect(str_eq(NULL, ""));
    cr_expect(str_eq(NULL, NULL));
    cr_expect_not(str_eq("a", NULL));
    cr_expect(str_starts("task/1", "task/"));
    cr_expect(str_starts("x", ""));
    cr_expect_not(str_starts("tas", "task"));
    cr_expect(str_ends("a.yml", ".yml"));
    cr_expect_not(str_ends("yml", ".yml"));
    char *copy = xstrndup("hello", 3);
    cr_expect_str_eq(copy, "hel");
    free(copy);
    copy = xstrndup("hi", 10);
    cr_expect_str_eq(copy, "hi");
    free(copy);
    cr_expect_null(xstrdup(NULL));
    copy = xasprintf("%d-%s", 7, "x");
    cr_expect_str_eq(copy, "7-x");
    char *moved = MOVE(copy);
    cr_expect_null(copy);
    free(moved);
}

Test(base, cleanup)
{
    int kept;
    {
        AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        AUTO_FREE char *text = xstrdup("x");
        kept = fd;
        cr_expect_geq(fd, 0);
    }
    cr_expect_eq(fcntl(kept, F_GETFD), -1, "closed with its scope");
}

Test(base, an_assertion_ends_the_process, .signal = SIGABRT)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(fd, STDERR_FILENO);
    ASSERT(fd < 0);
}
