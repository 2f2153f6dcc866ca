/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to Redis and comes back as text: URLs, commands, entries. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/state-store/redis_commands.h"
#include "lib/base/redis_url.h"
#include "tests/unit/state-store/tools.h"

static const struct {
    const char *name, *text;
    struct redis_url url;
} good_urls[] = {
    {"host", "redis://db", {.host = (char *)"db", .port = 6379}},
    {"port, database",
     "redis://127.0.0.1:7000/3",
     {.is_unix = false,
      .host = (char *)"127.0.0.1",
      .port = 7000,
      .user = NULL,
      .password = NULL,
      .database = 3}},
    {"slash alone",
     "redis://db/",
     {.is_unix = false,
      .host = (char *)"db",
      .port = 6379,
      .user = NULL,
      .password = NULL,
      .database = 0}},
    {"v6",
     "redis://[::1]:1/2",
     {.is_unix = false,
      .host = (char *)"::1",
      .port = 1,
      .user = NULL,
      .password = NULL,
      .database = 2}},
    {"password",
     "redis://:p%40%2fw@db",
     {.is_unix = false,
      .host = (char *)"db",
      .port = 6379,
      .user = NULL,
      .password = (char *)"p@/w",
      .database = 0}},
    {"user and password",
     "redis://me:a:b@db:1",
     {.is_unix = false,
      .host = (char *)"db",
      .port = 1,
      .user = (char *)"me",
      .password = (char *)"a:b",
      .database = 0}},
    {"any sign in a password",
     "redis://:a?b/c,d@db",
     {.host = (char *)"db", .port = 6379, .password = (char *)"a?b/c,d"}},
    {"TLS",
     "rediss://me:pw@db/1",
     {.is_tls = true,
      .host = (char *)"db",
      .port = 6379,
      .user = (char *)"me",
      .password = (char *)"pw",
      .database = 1}},
    {"socket",
     "unix:///run/r.sock",
     {.is_unix = true,
      .host = (char *)"/run/r.sock",
      .port = 0,
      .user = NULL,
      .password = NULL,
      .database = 0}},
    {"socket, password, database",
     "unix://:pw@/run/r%20s?db=4",
     {.is_unix = true,
      .host = (char *)"/run/r s",
      .port = 0,
      .user = NULL,
      .password = (char *)"pw",
      .database = 4}},
};

Test(redis_url, good)
{
    for (size_t i = 0; i < ARRAY_LEN(good_urls); i++) {
        const struct redis_url *want = &good_urls[i].url;
        struct redis_url url;
        struct err err;
        cr_assert_eq(redis_url_parse(good_urls[i].text, &url, &err), 0,
                     "case: %s: %s", good_urls[i].name, err.text);
        cr_expect(
            str_eq(url.host, want->host) && str_eq(url.user, want->user) &&
                str_eq(url.password, want->password) &&
                url.is_unix == want->is_unix && url.is_tls == want->is_tls &&
                url.port == want->port && url.database == want->database,
            "case: %s", good_urls[i].name);
        char text[256];
        redis_url_text(&url, text, sizeof text);
        if (url.password)
            cr_expect_null(strstr(text, url.password));
        redis_url_free(&url);
    }
}

static const struct {
    const char *name, *text;
    enum err_code code;
} bad_urls[] = {
    {"empty", "", ERR_INVALID},
    {"another scheme", "http://db", ERR_INVALID},
    {"sentinel without a name", "redis+sentinel://db", ERR_INVALID},
    {"sentinel, empty name", "redis+sentinel://db:1/", ERR_INVALID},
    {"sentinel, no host", "redis+sentinel:///main", ERR_INVALID},
    {"sentinel, no second host", "redis+sentinel://a:1,/main", ERR_INVALID},
    {"sentinel, bad second port", "redis+sentinel://a,b:x/main", ERR_INVALID},
    {"sentinel, bad database", "redis+sentinel://a/main/x", ERR_INVALID},
    {"two hosts without sentinel", "redis://a,b", ERR_INVALID},
    {"another word", "redis+cluster://db", ERR_UNSUPPORTED},
    {"sentinel, unknown query", "redis+sentinel://a/m?x=1", ERR_INVALID},
    {"sentinel, user alone", "redis+sentinel://a/m?sentinel_user=u",
     ERR_INVALID},
    {"sentinel, empty password",
     "redis+sentinel://a/m?sentinel_password=", ERR_INVALID},
    {"sentinel, password twice",
     "redis+sentinel://a/m?sentinel_password=a&sentinel_password=b",
     ERR_INVALID},
    {"sentinel, bad escape", "redis+sentinel://a/m?sentinel_password=%4",
     ERR_INVALID},
    {"sentinel, open end", "redis+sentinel://a/m?sentinel_password=a&",
     ERR_INVALID},
    {"no host", "redis://", ERR_INVALID},
    {"no host, port", "redis://:7000", ERR_INVALID},
    {"bad port", "redis://db:0", ERR_INVALID},
    {"port too large", "redis://db:65536", ERR_INVALID},
    {"bad database", "redis://db/x", ERR_INVALID},
    {"negative database", "redis://db/-1", ERR_INVALID},
    {"user alone", "redis://me@db", ERR_INVALID},
    {"bad escape", "redis://:p%4@db", ERR_INVALID},
    {"NUL escape", "redis://:p%00@db", ERR_INVALID},
    {"open bracket", "redis://[::1", ERR_INVALID},
    {"relative socket", "unix://run/r.sock", ERR_INVALID},
    {"bad query", "unix:///run/r.sock?x=1", ERR_INVALID},
};

Test(redis_url, sentinels)
{
    struct redis_url url;
    struct err err;
    char text[256];
    cr_assert_eq(redis_url_parse("redis+sentinel://me:p%2Fw@a:1,[::1],b/ma%20in"
                                 "/7",
                                 &url, &err),
                 0, "%s", err.text);
    cr_assert_eq(url.n_sentinels, 3);
    cr_expect_str_eq(url.sentinels[0].host, "a");
    cr_expect_eq(url.sentinels[0].port, 1);
    cr_expect_str_eq(url.sentinels[1].host, "::1");
    cr_expect_eq(url.sentinels[1].port, 26379);
    cr_expect_str_eq(url.sentinels[2].host, "b");
    cr_expect_str_eq(url.master, "ma in");
    cr_expect_str_eq(url.user, "me");
    cr_expect_str_eq(url.password, "p/w");
    cr_expect_eq(url.database, 7);
    cr_expect_null(url.host);
    cr_expect(redis_url_is_set(&url));
    redis_url_text(&url, text, sizeof text);
    cr_expect_null(strstr(text, "p/w"));
    redis_url_free(&url);
    cr_expect_not(redis_url_is_set(&url));
}

Test(redis_url, sentinels_with_an_account_of_their_own)
{
    static const char *const cases[] = {
        "rediss+sentinel://me:m@a/main/2?sentinel_user=u&"
        "sentinel_password=p%26%40q",
        "rediss+sentinel://me:m@a/main?sentinel_password=p&sentinel_user=u",
    };
    struct redis_url url;
    struct err err;
    char text[256];
    cr_assert_eq(redis_url_parse(cases[0], &url, &err), 0, "%s", err.text);
    cr_expect(url.is_tls);
    cr_expect_str_eq(url.user, "me");
    cr_expect_str_eq(url.password, "m");
    cr_expect_str_eq(url.master, "main");
    cr_expect_eq(url.database, 2);
    cr_expect_str_eq(url.sentinel_user, "u");
    cr_expect_str_eq(url.sentinel_password, "p&@q");
    redis_url_text(&url, text, sizeof text);
    cr_expect_str_eq(text, "rediss+sentinel://a:26379/main/2");
    redis_url_free(&url);
    cr_assert_eq(redis_url_parse(cases[1], &url, &err), 0, "%s", err.text);
    cr_expect_str_eq(url.sentinel_user, "u");
    cr_expect_str_eq(url.sentinel_password, "p");
    redis_url_free(&url);
}

Test(redis_url, bad)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_urls); i++) {
        struct redis_url url;
        struct err err = {0};
        cr_expect_eq(redis_url_parse(bad_urls[i].text, &url, &err), -1,
                     "case: %s", bad_urls[i].name);
        cr_expect_eq(err.code, bad_urls[i].code, "case: %s", bad_urls[i].name);
    }
}

Test(redis_commands, puts_and_deletes_are_joined_in_order)
{
    struct redis_keys keys;
    struct redis_batch b = {0};
    redis_keys_init(&keys, "p:");
    redis_batch_begin(&b, &keys);
    struct item *one = item_new(key_of("a"), "1", 1, 5);
    struct item *two = item_new(key_of("b"), "", 0, 6);
    struct item *gone = item_new(key_of("a"), NULL, 0, 7);
    redis_batch_item(&b, one);
    redis_batch_item(&b, two);
    redis_batch_item(&b, gone);
    redis_batch_end(&b);
    cr_expect_eq(b.n, 4);
    cr_expect_str_eq(buf_text(&b.out),
                     "*5\r\n$4\r\nMSET\r\n$6\r\np:kv:a\r\n$1\r\n1\r\n"
                     "$6\r\np:kv:b\r\n$0\r\n\r\n"
                     "*6\r\n$4\r\nHSET\r\n$5\r\np:rev\r\n$1\r\na\r\n$1\r\n5\r\n"
                     "$1\r\nb\r\n$1\r\n6\r\n"
                     "*2\r\n$3\r\nDEL\r\n$6\r\np:kv:a\r\n"
                     "*3\r\n$4\r\nHDEL\r\n$5\r\np:rev\r\n$1\r\na\r\n");
    item_unref(one);
    item_unref(two);
    item_unref(gone);
    redis_batch_free(&b);
    redis_keys_free(&keys);
}

Test(redis_commands, entries_read_back)
{
    uint64_t number;
    const char *rest;
    struct lease lease;
    struct run run;
    cr_expect(redis_parse_request("17 some-id", &number, &rest));
    cr_expect_eq(number, 17);
    cr_expect_str_eq(rest, "some-id");
    cr_expect(redis_parse_lease("broker", "3 5000 r-1 host:/dir", &lease));
    cr_expect_eq(lease.epoch, 3);
    cr_expect_eq(lease.ttl_ms, 5000);
    cr_expect_str_eq(lease.request_id, "r-1");
    cr_expect_str_eq(lease.holder, "host:/dir");
    cr_expect(redis_parse_lease("broker", "3 0 - ", &lease));
    cr_expect_str_eq(lease.request_id, "");
    cr_expect_str_eq(lease.holder, "");
    cr_expect(redis_parse_run("00000000000000ff 12", &run));
    cr_expect(run.id == 255 && run.first_seq == 12);
    cr_expect(redis_parse_owner("4 host:/a b", &number, &rest));
    cr_expect_str_eq(rest, "host:/a b");
}

static const char *const nonsense[] = {
    "", " ", "x", "-1 a", "1", "1  ", "+1 a", "99999999999 ", "1 2 3",
};

Test(redis_commands, nonsense_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
        uint64_t number;
        const char *rest;
        struct lease lease;
        struct run run;
        if (redis_parse_request(nonsense[i], &number, &rest))
            cr_expect_gt(strlen(rest), 0, "case: %s", nonsense[i]);
        cr_expect_not(redis_parse_lease("n", nonsense[i], &lease), "case: %s",
                      nonsense[i]);
        cr_expect_not(redis_parse_run(nonsense[i], &run) && run.id == 0);
    }
    cr_expect_not(redis_parse_lease("", "1 1 - h", &(struct lease){0}));
}

Test(redis_commands, scan_pattern_is_literal)
{
    char *pattern = redis_scan_pattern("a*b[c]?:kv:");
    cr_expect_str_eq(pattern, "a\\*b\\[c\\]\\?:kv:*");
    free(pattern);
}
