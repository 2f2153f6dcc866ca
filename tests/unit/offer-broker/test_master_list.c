/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/master_list.h"

#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

static const struct {
    const char *text;
    const char *first; /* NULL: refused */
    size_t count;
    enum err_code code;
} parse_cases[] = {
    {"http://m1:5050", "http://m1:5050", 1, ERR_NONE},
    {"m1:5050,m2:5051", "http://m1:5050", 2, ERR_NONE},
    {"https://m1:1,m2:2", "https://m1:1", 2, ERR_NONE},
    {"m1", "http://m1:5050", 1, ERR_NONE},
    {"http://127.0.0.1:5050/", "http://127.0.0.1:5050", 1, ERR_NONE},
    {"[::1]:80", "http://[::1]:80", 1, ERR_NONE},
    {" m1:1 , m2:2 ", "http://m1:1", 2, ERR_NONE},
    {"zk://h:2181/mesos", NULL, 0, ERR_INVALID},
    {"zk://h1:2181,h2:2181/mesos", NULL, 0, ERR_INVALID},
    {"ftp://m1:5050", NULL, 0, ERR_INVALID},
    {"http://m1:99999", NULL, 0, ERR_INVALID},
    {"http://m1:x", NULL, 0, ERR_INVALID},
    {"http://:5050", NULL, 0, ERR_INVALID},
    {"http://m1:5050/path", NULL, 0, ERR_INVALID},
    {"m 1", "http://m:5050", 2, ERR_NONE},
    {"m1\r\nX: y", NULL, 0, ERR_INVALID},
    {"", NULL, 0, ERR_INVALID},
    {",", NULL, 0, ERR_INVALID},
};

Test(master_list, parse)
{
    for (size_t i = 0; i < ARRAY_LEN(parse_cases); i++) {
        struct err err = {0};
        struct master_list *list = master_list_parse(parse_cases[i].text, &err);

        cr_expect_eq(list != NULL, parse_cases[i].first != NULL, "case %s: %s",
                     parse_cases[i].text, err.text);
        cr_expect_eq(err.code, parse_cases[i].code, "case %s",
                     parse_cases[i].text);
        if (list) {
            cr_expect_str_eq(master_list_current(list), parse_cases[i].first);
            cr_expect_eq(master_list_count(list), parse_cases[i].count);
        }
        master_list_destroy(&list);
    }
}

static const struct {
    const char *location, *url; /* NULL: refused */
} redirect_cases[] = {
    {"//h:5051/master/api/v1/scheduler", "http://h:5051"},
    {"http://h:5051/api/v1/scheduler", "http://h:5051"},
    {"https://h:5051", "https://h:5051"},
    {"h:5051", "http://h:5051"},
    {"//h", "http://h:5050"},
    {"", NULL},
    {"/master", NULL},
    {"//h:0/", NULL},
    {"gopher://h:1/", NULL},
    {NULL, NULL},
};

Test(master_list, redirect)
{
    for (size_t i = 0; i < ARRAY_LEN(redirect_cases); i++) {
        struct master_list *list = master_list_parse("m1:1,m2:2", NULL);
        struct err err = {0};
        int rc = master_list_redirect(list, redirect_cases[i].location, &err);

        cr_expect_eq(rc == 0, redirect_cases[i].url != NULL, "case %s",
                     str_or_empty(redirect_cases[i].location));
        cr_expect_str_eq(master_list_current(list), redirect_cases[i].url
                                                        ? redirect_cases[i].url
                                                        : "http://m1:1");
        master_list_destroy(&list);
    }
}

Test(master_list, tries_in_turn)
{
    struct master_list *list = master_list_parse("m1:1,m2:2", NULL);

    master_list_failed(list);
    cr_expect_str_eq(master_list_current(list), "http://m2:2");
    master_list_redirect(list, "//leader:9", NULL);
    cr_expect_str_eq(master_list_current(list), "http://leader:9");
    master_list_failed(list);
    cr_expect_str_eq(master_list_current(list), "http://m2:2");
    master_list_failed(list);
    cr_expect_str_eq(master_list_current(list), "http://m1:1");
    master_list_destroy(&list);
}

Test(master_list, follows_the_leader)
{
    struct master_list *list = master_list_new();
    struct err err = {0};

    cr_expect_null(master_list_current(list));
    master_list_failed(list);
    master_list_follow(list, "https://m1:5050");
    cr_expect_str_eq(master_list_current(list), "https://m1:5050");
    cr_expect_eq(master_list_redirect(list, "//m2:1/x", &err), 0);
    cr_expect_str_eq(master_list_current(list), "https://m2:1");
    cr_expect_lt(master_list_redirect(list, "http://m3:1", &err), 0);
    master_list_failed(list);
    cr_expect_str_eq(master_list_current(list), "https://m1:5050");
    master_list_follow(list, "https://m4:5050");
    cr_expect_str_eq(master_list_current(list), "https://m4:5050");
    master_list_destroy(&list);
}
