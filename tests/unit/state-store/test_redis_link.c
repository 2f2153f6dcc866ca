/* SPDX-License-Identifier: Apache-2.0 */
/* Names, sentinels and connections, with servers that say what a test wants. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/host_lookup.h"
#include "services/state-store/redis_link.h"
#include "services/state-store/redis_sentinel.h"
#include "lib/base/redis_url.h"
#include "services/state-store/resp.h"

enum { TIMEOUT_MS = 300, PATIENT_MS = 10000, PATIENCE = 500, FDS = 16 };

#define MAIN_AT(port) "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n" port "\r\n"

/* Runs the loop until cond, for at most some seconds. */
#define UNTIL(loop, cond)                                                      \
    for (int turn_ = 0; turn_ < PATIENCE && !(cond); turn_++)                  \
    loop_run_once(loop, 20)

/* ---- a server that answers everything with the same bytes ---- */

struct fake {
    struct loop *loop;
    int fds[FDS];
    size_t n; /* the first listens */
    int port, asked;
    const char *answer; /* NULL: silence; "": hangs up */
};

static void on_request(void *self, int fd, int events UNUSED)
{
    struct fake *f = self;
    char bytes[4096];
    if (read(fd, bytes, sizeof bytes) <= 0) {
        loop_fd_remove(f->loop, fd);
        return;
    }
    f->asked++;
    if (!f->answer)
        return;
    if (!*f->answer)
        shutdown(fd, SHUT_RDWR);
    else
        cr_assert_gt(write(fd, f->answer, strlen(f->answer)), 0);
}

static void on_caller(void *self, int fd, int events UNUSED)
{
    struct fake *f = self;
    cr_assert_lt(f->n, FDS);
    int caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(caller, 0);
    f->fds[f->n++] = caller;
    loop_fd(f->loop, caller, LOOP_READ, on_request, f);
}

static void fake_start(struct fake *f, struct loop *loop, const char *answer)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    *f = (struct fake){.loop = loop, .answer = answer, .n = 1};
    f->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(f->fds[0], (struct sockaddr *)&at, size), 0);
    cr_assert_eq(listen(f->fds[0], 8), 0);
    getsockname(f->fds[0], (struct sockaddr *)&at, &size);
    f->port = ntohs(at.sin_port);
    loop_fd(loop, f->fds[0], LOOP_READ, on_caller, f);
}

static void fake_stop(struct fake *f)
{
    for (size_t i = 0; i < f->n; i++) {
        loop_fd_remove(f->loop, f->fds[i]);
        close(f->fds[i]);
    }
}

/* ---- names ---- */

struct found {
    int calls;
    char address[HOST_ADDRESS_SIZE], why[256];
};

static void on_found(void *self, const char *address, const char *why)
{
    struct found *found = self;
    found->calls++;
    snprintf(found->address, sizeof found->address, "%s",
             str_or_empty(address));
    snprintf(found->why, sizeof found->why, "%s", str_or_empty(why));
}

Test(host_lookup, addresses_need_none)
{
    static const struct {
        const char *text;
        bool is_address;
    } cases[] = {{"127.0.0.1", true},  {"::1", true},     {"fe80::1", true},
                 {"localhost", false}, {"1.2.3", false},  {"", false},
                 {"[::1]", false},     {"a.b.c.d", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(host_is_address(cases[i].text), cases[i].is_address, "%s",
                     cases[i].text);
}

Test(host_lookup, finds_or_says_why_not)
{
    struct loop *loop = loop_new();
    struct found local = {0}, nobody = {0}, unwanted = {0};
    host_lookup_start(loop, "localhost", on_found, &local);
    host_lookup_start(loop, "no-such-host.invalid", on_found, &nobody);
    struct host_lookup *given_up =
        host_lookup_start(loop, "localhost", on_found, &unwanted);
    host_lookup_cancel(&given_up);
    cr_expect_null(given_up);
    UNTIL(loop, local.calls && nobody.calls);
    cr_expect_eq(local.calls, 1);
    cr_expect(host_is_address(local.address), "%s", local.address);
    cr_expect_eq(nobody.calls, 1);
    cr_expect_str_eq(nobody.address, "");
    cr_expect_not_null(strstr(nobody.why, "no-such-host.invalid"));
    cr_expect_eq(unwanted.calls, 0);
    loop_destroy(&loop);
}

/* ---- sentinels ---- */

struct named {
    int calls, port;
    char host[64];
};

static void on_named(void *self, const char *host, int port)
{
    struct named *named = self;
    named->calls++;
    named->port = port;
    snprintf(named->host, sizeof named->host, "%s", host);
}

/* The URL of these two. */
static void url_of(struct redis_url *url, int one, int other)
{
    struct err err;
    char text[128];
    snprintf(text, sizeof text,
             "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d/main", one, other);
    cr_assert_eq(redis_url_parse(text, url, &err), 0, "%s", err.text);
}

static const struct {
    const char *name, *answer, *why;
} bad_sentinels[] = {
    {"knows no such name", "*-1\r\n", "knows no master"},
    {"an error", "-NOAUTH who are you\r\n", "NOAUTH"},
    {"a number", ":1\r\n", "nonsense"},
    {"too few words", "*1\r\n$1\r\nx\r\n", "nonsense"},
    {"a port that is none", MAIN_AT("none"), "nonsense"},
    {"port 0", "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n", "nonsense"},
    {"no RESP", "HTTP/1.0 400\r\n", "Protocol error"},
    {"hangs up", "", "closed"},
    {"silence", NULL, "no answer in time"},
};

Test(redis_sentinel, the_next_one_is_asked)
{
    log_set_level(LOG_BAD);
    for (size_t i = 0; i < ARRAY_LEN(bad_sentinels); i++) {
        struct loop *loop = loop_new();
        struct fake bad, good;
        struct redis_url url;
        struct named named = {0};
        fake_start(&bad, loop, bad_sentinels[i].answer);
        fake_start(&good, loop, MAIN_AT("7001"));
        url_of(&url, bad.port, good.port);
        struct redis_sentinel_config config = {&url, NULL, TIMEOUT_MS, on_named,
                                               &named};
        struct redis_sentinel *s = redis_sentinel_new(loop, &config);
        UNTIL(loop,
              bad.asked && strstr(redis_sentinel_why(s), bad_sentinels[i].why));
        cr_expect_not_null(strstr(redis_sentinel_why(s), bad_sentinels[i].why),
                           "case: %s: %s", bad_sentinels[i].name,
                           redis_sentinel_why(s));
        cr_expect_eq(named.calls, 0, "case: %s", bad_sentinels[i].name);
        UNTIL(loop, named.calls);
        cr_expect_eq(named.port, 7001, "case: %s", bad_sentinels[i].name);
        cr_expect_str_eq(redis_sentinel_why(s), "");
        redis_sentinel_destroy(&s);
        fake_stop(&bad);
        fake_stop(&good);
        redis_url_free(&url);
        loop_destroy(&loop);
    }
}

Test(redis_sentinel, is_asked_again_and_tells_of_another_master)
{
    struct loop *loop = loop_new();
    struct fake one;
    struct redis_url url;
    struct named named = {0};
    log_set_level(LOG_BAD);
    fake_start(&one, loop, MAIN_AT("7001"));
    url_of(&url, one.port, 1);
    struct redis_sentinel_config config = {&url, NULL, TIMEOUT_MS, on_named,
                                           &named};
    struct redis_sentinel *s = redis_sentinel_new(loop, &config);
    UNTIL(loop, named.port == 7001);
    one.answer = MAIN_AT("7002");
    UNTIL(loop, named.port == 7002);
    cr_expect_eq(named.port, 7002);
    cr_expect_str_eq(named.host, "127.0.0.1");
    redis_sentinel_destroy(&s);
    fake_stop(&one);
    redis_url_free(&url);
    loop_destroy(&loop);
}

/* ---- connections ---- */

struct client {
    struct redis_link *link;
    int ups, downs, answers;
    char why[256], text[64];
};

static void on_answers(void *self, redisReply **replies)
{
    struct client *c = self;
    c->answers++;
    snprintf(c->text, sizeof c->text, "%s", str_or_empty(replies[0]->str));
}

static void on_up(void *self)
{
    struct client *c = self;
    AUTO_BUF struct buf command = {0};
    c->ups++;
    resp_command(&command, "PING", NULL);
    redis_link_ask(c->link, &command, 1, on_answers);
}

static void on_down(void *self, const char *why)
{
    struct client *c = self;
    c->downs++;
    snprintf(c->why, sizeof c->why, "%s", why);
}

static const struct {
    const char *name, *answer, *why; /* why: NULL: it stays up */
    int answers;                     /* at the least */
} servers[] = {
    {"answers", "+PONG\r\n", NULL, 1},
    {"says more than it was asked", "+PONG\r\n+PONG\r\n", "nobody asked", 1},
    {"hangs up", "", "closed", 0},
    {"is silent", NULL, "no answer in time", 0},
    {"speaks something else", "220 smtp\r\n", "Protocol error", 0},
    {"stops in the middle", "$10\r\nabc", "no answer in time", 0},
};

Test(redis_link, servers)
{
    static const struct redis_link_events events = {on_up, on_down};
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct loop *loop = loop_new();
        struct fake f;
        struct client c = {0};
        char host[] = "127.0.0.1";
        fake_start(&f, loop, servers[i].answer);
        struct redis_url url = {.host = host, .port = f.port};
        bool is_late =
            servers[i].why && str_eq(servers[i].why, "no answer in time");
        struct redis_link_config config = {
            &url, NULL, is_late ? TIMEOUT_MS : PATIENT_MS, 200};
        c.link = redis_link_new(loop, &config, &events, &c);
        UNTIL(loop, servers[i].why ? c.downs >= 2 : c.answers);
        cr_expect_geq(c.answers, servers[i].answers, "case: %s",
                      servers[i].name);
        cr_expect_eq(c.downs > 0, servers[i].why != NULL, "case: %s: %s",
                     servers[i].name, c.why);
        if (servers[i].why) {
            cr_expect_not_null(strstr(c.why, servers[i].why), "case: %s: %s",
                               servers[i].name, c.why);
            cr_expect_geq(c.ups, 2, "case: %s: connects again",
                          servers[i].name);
        }
        redis_link_destroy(&c.link);
        fake_stop(&f);
        loop_destroy(&loop);
    }
}

Test(redis_link, what_a_sentinel_named_must_be_a_master)
{
    static const struct redis_link_events events = {on_up, on_down};
    static const struct {
        const char *role, *why;
    } cases[] = {
        {"*1\r\n$5\r\nslave\r\n", "no master (yet)"},
        {"*1\r\n$6\r\nmaster\r\n", NULL},
    };
    log_set_level(LOG_BAD);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loop *loop = loop_new();
        struct fake sentinel, server;
        struct client c = {0};
        struct redis_url url;
        char answer[64];
        fake_start(&server, loop, cases[i].role);
        snprintf(answer, sizeof answer,
                 "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%05d"
                 "\r\n",
                 server.port);
        fake_start(&sentinel, loop, answer);
        url_of(&url, sentinel.port, 1);
        struct redis_link_config config = {&url, NULL, TIMEOUT_MS, 200};
        c.link = redis_link_new(loop, &config, &events, &c);
        UNTIL(loop, cases[i].why ? strstr(c.why, cases[i].why) != NULL
                                 : c.answers > 0);
        cr_expect_eq(c.ups > 0, cases[i].why == NULL, "case: %s",
                     cases[i].role);
        redis_link_destroy(&c.link);
        fake_stop(&sentinel);
        fake_stop(&server);
        redis_url_free(&url);
        loop_destroy(&loop);
    }
}
