/* SPDX-License-Identifier: Apache-2.0 */
/* The client against our own server, both on one loop. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/http/http_client.h"
#include "lib/httpd/httpd.h"
#include "lib/loop/loop.h"

enum { DEADLINE_MS = 10000 };

struct bench {
    struct loop *loop;
    struct httpd *httpd;
    struct http_client *client;
    char url[64];
    struct buf seen; /* what the server saw or the client was told */
    struct httpd_request *held;
    struct httpd_stream *stream;
    bool stream_closed;
    int done, failed, at_once, most_at_once;
    int last_status;
    struct err last_err;
};

static void answer_held(void *self)
{
    struct bench *b = self;
    struct httpd_request *r = b->held;
    b->held = NULL;
    b->at_once--;
    httpd_reply(r, 202, NULL, NULL, 0, NULL);
}

static void on_closed(void *self)
{
    struct bench *b = self;
    b->stream_closed = true;
    b->stream = NULL;
}

static void echo(struct httpd_request *r)
{
    size_t len;
    const char *body = httpd_body(r, &len);
    const char *headers[] = {"Mesos-Stream-Id: s-1", NULL};
    char *copy = xmemdup(body, len);
    httpd_reply(r, 200, "application/x-test", copy, len, headers);
    free(copy);
}

static void show_headers(struct httpd_request *r)
{
    static const char *const names[] = {"Accept", "Expect", "Content-Type",
                                        "Authorization", "User-Agent"};
    AUTO_BUF struct buf out = {0};
    buf_addf(&out, "%s", httpd_method(r));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (httpd_header(r, names[i]))
            buf_addf(&out, " %s=%s", names[i], httpd_header(r, names[i]));
    httpd_reply(r, 200, "text/plain", out.data, out.len, NULL);
}

static void redirect(struct httpd_request *r)
{
    const char *headers[] = {"Location: //other:1/x", NULL};
    httpd_reply(r, 307, NULL, NULL, 0, headers);
}

static void handle(void *self, struct httpd_request *r)
{
    struct bench *b = self;
    const char *path = httpd_path(r);
    const char *n = httpd_query(r, "n");
    if (!strcmp(path, "/slow")) {
        buf_addf(&b->seen, "%s ", str_or_empty(n));
        b->at_once++;
        b->most_at_once = MAX(b->most_at_once, b->at_once);
        b->held = r;
        loop_timer(b->loop, 3, 0, answer_held, b);
    } else if (!strcmp(path, "/stream")) {
        b->stream = httpd_stream_start(r, 200, "application/x-test", NULL,
                                       on_closed, b);
    } else if (!strcmp(path, "/never")) {
        b->held = r;
    } else if (!strcmp(path, "/headers")) {
        show_headers(r);
    } else if (!strcmp(path, "/redirect")) {
        redirect(r);
    } else {
        echo(r);
    }
}

static void setup(struct bench *b)
{
    struct err err;
    struct httpd_config config = {0};
    *b = (struct bench){.loop = loop_new()};
    b->httpd = httpd_new(b->loop, &config, handle, b, &err);
    cr_assert(b->httpd, "%s", err.text);
    b->client = http_client_new(b->loop);
    snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d",
             httpd_port(b->httpd));
}

static void teardown(struct bench *b)
{
    http_client_destroy(&b->client);
    httpd_destroy(&b->httpd);
    loop_destroy(&b->loop);
    buf_free(&b->seen);
}

#define WAIT_FOR(b, condition)                                                 \
    do {                                                                       \
        int64_t end_ = clock_mono_ms() + DEADLINE_MS;                          \
        while (!(condition) && clock_mono_ms() < end_)                         \
            loop_run_once((b)->loop, 50);                                      \
        cr_assert(condition, "not in time");                                   \
    } while (0)

static void on_done(void *self, const struct http_answer *answer)
{
    struct bench *b = self;
    b->done++;
    b->failed += answer->err.code != ERR_NONE;
    b->last_status = answer->status;
    b->last_err = answer->err;
}

static void on_done_keep(void *self, const struct http_answer *answer)
{
    struct bench *b = self;
    on_done(self, answer);
    buf_add(&b->seen, answer->body, answer->body_len);
    if (answer->stream_id)
        buf_addf(&b->seen, " id=%s", answer->stream_id);
    if (answer->content_type)
        buf_addf(&b->seen, " type=%s", answer->content_type);
    if (answer->location)
        buf_addf(&b->seen, " location=%s", answer->location);
}

static const char *with_path(const struct bench *b, const char *path)
{
    static char url[256];
    snprintf(url, sizeof(url), "%s%s", b->url, path);
    return url;
}

static const struct {
    const char *name, *method, *path, *body, *want;
    const char *header;
    int status;
} plain_cases[] = {
    {"echo", "POST", "/", "hello", "hello id=s-1 type=application/x-test", NULL,
     200},
    {"empty post", "POST", "/", "", " id=s-1 type=application/x-test", NULL,
     200},
    {"get", "GET", "/headers", "", "GET type=text/plain", NULL, 200},
    {"put", "PUT", "/headers", "x", "PUT type=text/plain", NULL, 200},
    {"delete", "DELETE", "/headers", "", "DELETE type=text/plain", NULL, 200},
    {"own accept", "POST", "/headers", "x",
     "POST Accept=application/x-protobuf type=text/plain",
     "Accept: application/x-protobuf", 200},
    {"own type", "POST", "/headers", "x",
     "POST Content-Type=application/json type=text/plain",
     "Content-Type: application/json", 200},
    {"redirect is not followed", "GET", "/redirect", "",
     " location=//other:1/x", NULL, 307},
};

Test(http_client, plain)
{
    struct bench b;
    setup(&b);
    for (size_t i = 0; i < ARRAY_LEN(plain_cases); i++) {
        const char *headers[] = {plain_cases[i].header, NULL};
        struct http_call call = {
            .method = plain_cases[i].method,
            .url = with_path(&b, plain_cases[i].path),
            .headers = headers,
            .body = plain_cases[i].body,
            .body_len = strlen(plain_cases[i].body),
            .timeout_ms = DEADLINE_MS,
        };
        int before = b.done;
        buf_clear(&b.seen);
        http_client_send(b.client, &call, on_done_keep, &b);
        WAIT_FOR(&b, b.done > before);
        cr_expect_eq(b.last_status, plain_cases[i].status, "case: %s",
                     plain_cases[i].name);
        cr_expect_str_eq(buf_text(&b.seen), plain_cases[i].want, "case: %s",
                         plain_cases[i].name);
    }
    teardown(&b);
}

Test(http_client, basic_authentication)
{
    struct bench b;
    setup(&b);
    struct http_call call = {.method = "GET",
                             .url = with_path(&b, "/headers"),
                             .user_password = "me:secret"};
    http_client_send(b.client, &call, on_done_keep, &b);
    WAIT_FOR(&b, b.done);
    cr_expect_str_eq(buf_text(&b.seen),
                     "GET Authorization=Basic bWU6c2VjcmV0 type=text/plain");
    teardown(&b);
}

Test(http_client, lane_keeps_order)
{
    struct bench b;
    AUTO_BUF struct buf want = {0};
    char path[32];
    setup(&b);
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof(path), "/slow?n=%d", i);
        buf_addf(&want, "%d ", i);
        struct http_call call = {
            .method = "POST", .url = with_path(&b, path), .lane = 7};
        http_client_send(b.client, &call, on_done, &b);
    }
    WAIT_FOR(&b, b.done == 20);
    cr_expect_eq(b.failed, 0);
    cr_expect_eq(b.most_at_once, 1);
    cr_expect_str_eq(buf_text(&b.seen), buf_text(&want));
    teardown(&b);
}

Test(http_client, cancel_in_a_lane)
{
    struct bench b;
    struct http_request *requests[4];
    char path[32];
    setup(&b);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), i == 0 ? "/never" : "/slow?n=%d", i);
        struct http_call call = {
            .method = "POST", .url = with_path(&b, path), .lane = 1};
        requests[i] = http_client_send(b.client, &call, on_done, &b);
    }
    WAIT_FOR(&b, b.held);
    http_request_cancel(&requests[2]); /* waiting */
    b.held = NULL;
    http_request_cancel(&requests[0]); /* under way */
    cr_expect_null(requests[0]);
    WAIT_FOR(&b, b.done == 2);
    cr_expect_str_eq(buf_text(&b.seen), "1 3 ");
    teardown(&b);
}

Test(http_client, hundred_in_parallel)
{
    struct bench b;
    setup(&b);
    AUTO_FREE char *body = xcalloc(1, 1 << 20);
    for (int i = 0; i < 100; i++) {
        struct http_call call = {.method = "POST",
                                 .url = with_path(&b, "/"),
                                 .body = body,
                                 .body_len = (size_t)1 << (i % 21)};
        http_client_send(b.client, &call, on_done, &b);
    }
    WAIT_FOR(&b, b.done == 100);
    cr_expect_eq(b.failed, 0);
    teardown(&b);
}

Test(http_client, big_bodies_both_ways)
{
    struct bench b;
    setup(&b);
    size_t len = (size_t)20 << 20;
    AUTO_FREE char *body = xmalloc(len);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 31 >> 3);
    struct http_call call = {.method = "POST",
                             .url = with_path(&b, "/"),
                             .body = body,
                             .body_len = len};
    http_client_send(b.client, &call, on_done_keep, &b);
    WAIT_FOR(&b, b.done);
    cr_expect_eq(b.last_status, 200);
    cr_assert_geq(b.seen.len, len);
    cr_expect(!memcmp(b.seen.data, body, len));
    teardown(&b);
}

static const struct {
    const char *name, *url; /* NULL: our server */
    const char *path;
    size_t max_body;
    int64_t timeout_ms;
    enum err_code code;
} failure_cases[] = {
    {"refused", "http://127.0.0.1:1/", NULL, 0, 2000, ERR_IO},
    {"no such scheme", "gopher://127.0.0.1/", NULL, 0, 2000, ERR_INVALID},
    {"no url", "http://", NULL, 0, 2000, ERR_INVALID},
    {"too long an answer", NULL, "/", 3, 2000, ERR_FULL},
    {"no answer", NULL, "/never", 0, 50, ERR_TIMEOUT},
};

Test(http_client, failures)
{
    struct bench b;
    setup(&b);
    for (size_t i = 0; i < ARRAY_LEN(failure_cases); i++) {
        struct http_call call = {
            .method = "POST",
            .url = failure_cases[i].url ? failure_cases[i].url
                                        : with_path(&b, failure_cases[i].path),
            .body = "0123456789",
            .body_len = 10,
            .max_body_bytes = failure_cases[i].max_body,
            .timeout_ms = failure_cases[i].timeout_ms,
        };
        int before = b.done;
        http_client_send(b.client, &call, on_done, &b);
        cr_expect_eq(b.done, before, "case: %s", failure_cases[i].name);
        WAIT_FOR(&b, b.done > before);
        cr_expect_eq(b.last_err.code, failure_cases[i].code, "case: %s: %s",
                     failure_cases[i].name, b.last_err.text);
        cr_expect(strstr(b.last_err.text, "POST "), "case: %s",
                  failure_cases[i].name);
    }
    teardown(&b);
}

/* ---- streams ---- */
struct listener {
    struct bench *b;
    struct http_request *request;
    struct buf got;
    int heads, pieces, cancel_after; /* pieces */
    bool is_done;
    struct err err;
    int status;
};

static void on_head(void *self, const struct http_answer *head)
{
    struct listener *l = self;
    l->heads++;
    l->status = head->status;
}

static void on_data(void *self, const void *data, size_t len)
{
    struct listener *l = self;
    buf_add(&l->got, data, len);
    if (++l->pieces == l->cancel_after)
        http_request_cancel(&l->request);
}

static void on_stream_done(void *self, const struct http_answer *answer)
{
    struct listener *l = self;
    l->is_done = true;
    l->err = answer->err;
    if (answer->status != 200)
        buf_add(&l->got, answer->body, answer->body_len);
}

static const struct http_stream_events events = {on_head, on_data,
                                                 on_stream_done};

static void open_stream(struct bench *b, struct listener *l, const char *path)
{
    struct http_call call = {.method = "POST", .url = with_path(b, path)};
    *l = (struct listener){.b = b};
    l->request = http_client_stream(b->client, &call, &events, l);
}

Test(http_client, stream_until_closed)
{
    struct bench b;
    struct listener l;
    setup(&b);
    open_stream(&b, &l, "/stream");
    WAIT_FOR(&b, l.heads == 1); /* before any data */
    cr_expect_eq(l.status, 200);
    httpd_stream_send(b.stream, "one ", 4, NULL);
    WAIT_FOR(&b, l.got.len == 4);
    httpd_stream_send(b.stream, "two ", 4, NULL);
    httpd_stream_send(b.stream, "three", 5, NULL);
    httpd_stream_close(&b.stream);
    WAIT_FOR(&b, l.is_done && b.stream_closed);
    cr_expect_eq(l.err.code, ERR_NONE, "%s", l.err.text);
    cr_expect_eq(l.heads, 1);
    cr_expect_str_eq(buf_text(&l.got), "one two three");
    buf_free(&l.got);
    teardown(&b);
}

Test(http_client, stream_cut_by_the_server)
{
    struct bench b;
    struct listener l;
    setup(&b);
    open_stream(&b, &l, "/stream");
    WAIT_FOR(&b, b.stream);
    httpd_stream_send(b.stream, "x", 1, NULL);
    WAIT_FOR(&b, l.got.len == 1);
    httpd_stream_abort(&b.stream);
    WAIT_FOR(&b, l.is_done);
    cr_expect_eq(l.err.code, ERR_IO);
    cr_expect_not(b.stream_closed);
    buf_free(&l.got);
    teardown(&b);
}

Test(http_client, stream_cancelled_from_its_own_data)
{
    struct bench b;
    struct listener l;
    setup(&b);
    open_stream(&b, &l, "/stream");
    l.cancel_after = 1;
    WAIT_FOR(&b, b.stream);
    httpd_stream_send(b.stream, "x", 1, NULL);
    WAIT_FOR(&b, b.stream_closed);
    cr_expect_not(l.is_done);
    cr_expect_null(l.request);
    buf_free(&l.got);
    teardown(&b);
}

Test(http_client, stream_refused)
{
    struct bench b;
    struct listener l;
    setup(&b);
    open_stream(&b, &l, "/redirect");
    WAIT_FOR(&b, l.is_done);
    cr_expect_eq(l.status, 307);
    cr_expect_eq(l.pieces, 0);
    buf_free(&l.got);
    teardown(&b);
}

Test(http_client, calls_go_beside_a_stream)
{
    struct bench b;
    struct listener l;
    setup(&b);
    open_stream(&b, &l, "/stream");
    WAIT_FOR(&b, b.stream);
    struct http_call call = {.method = "POST", .url = with_path(&b, "/")};
    http_client_send(b.client, &call, on_done, &b);
    WAIT_FOR(&b, b.done == 1);
    cr_expect_not(l.is_done);
    teardown(&b);
    cr_expect_not(l.is_done); /* dropped without a word */
    buf_free(&l.got);
}

static void destroy_client(void *self, const struct http_answer *answer)
{
    struct bench *b = self;
    on_done(self, answer);
    http_client_destroy(&b->client);
}

Test(http_client, destroyed_by_a_callback)
{
    struct bench b;
    setup(&b);
    for (int i = 0; i < 3; i++) {
        struct http_call call = {
            .method = "POST", .url = with_path(&b, "/"), .lane = 2};
        http_client_send(b.client, &call, destroy_client, &b);
    }
    WAIT_FOR(&b, b.done == 1);
    for (int i = 0; i < 10; i++)
        loop_run_once(b.loop, 5);
    cr_expect_eq(b.done, 1);
    cr_expect_null(b.client);
    teardown(&b);
}

/* A request on a kept connection that the server closed meanwhile. */
Test(http_client, dead_idle_connection)
{
    struct bench b;
    setup(&b);
    struct http_call call = {
        .method = "POST", .url = with_path(&b, "/"), .lane = 1};
    http_client_send(b.client, &call, on_done, &b);
    WAIT_FOR(&b, b.done == 1);
    struct httpd_config config = {.port = httpd_port(b.httpd)};
    httpd_destroy(&b.httpd);
    b.httpd = httpd_new(b.loop, &config, handle, &b, NULL);
    cr_assert(b.httpd);
    http_client_send(b.client, &call, on_done, &b);
    WAIT_FOR(&b, b.done == 2);
    cr_expect_eq(b.failed, 0, "%s", b.last_err.text);
    teardown(&b);
}
