/* SPDX-License-Identifier: Apache-2.0 */
/* The server against hand-made requests over real sockets. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/httpd/httpd.h"
#include "lib/loop/loop.h"

enum { DEADLINE_MS = 10000, BODY_BOUND = 1000 };

struct bench {
    struct loop *loop;
    struct httpd *httpd;
    struct httpd_request *held;
    struct httpd_stream *stream;
    int closed, handled;
};

static void on_closed(void *self)
{
    struct bench *b = self;
    b->closed++;
    b->stream = NULL;
}

static void show(struct httpd_request *r)
{
    size_t len;
    const char *body = httpd_body(r, &len);
    const char *q = httpd_query(r, "q");
    const char *flag = httpd_query(r, "flag");
    httpd_reply_text(r, 200, "%s %s q=%s flag=%s header=%s body=%.*s peer=%d",
                     httpd_method(r), httpd_path(r), q ? q : "-",
                     flag ? "yes" : "no",
                     str_or_empty(httpd_header(r, "x-test")), (int)len, body,
                     !strncmp(httpd_peer(r), "127.0.0.1:", 10));
}

static void handle(void *self, struct httpd_request *r)
{
    struct bench *b = self;
    b->handled++;
    if (!strcmp(httpd_path(r), "/hold"))
        b->held = r;
    else if (!strcmp(httpd_path(r), "/stream"))
        b->stream =
            httpd_stream_start(r, 200, "text/plain", NULL, on_closed, b);
    else
        show(r);
}

static void setup(struct bench *b)
{
    struct err err;
    struct httpd_config config = {.max_body_bytes = BODY_BOUND};
    *b = (struct bench){.loop = loop_new()};
    b->httpd = httpd_new(b->loop, &config, handle, b, &err);
    cr_assert(b->httpd, "%s", err.text);
}

static void teardown(struct bench *b)
{
    httpd_destroy(&b->httpd);
    loop_destroy(&b->loop);
}

static int dial(const struct bench *b)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)httpd_port(b->httpd)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads until `until` was seen, or the end of the connection. */
static char *hear(struct bench *b, int fd, const char *until)
{
    struct buf got = {0};
    int64_t end = clock_mono_ms() + DEADLINE_MS;
    char piece[4096];
    while (clock_mono_ms() < end &&
           !(*until && strstr(buf_text(&got), until))) {
        loop_run_once(b->loop, 10);
        ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (n == 0)
            break;
        if (n > 0)
            buf_add(&got, piece, (size_t)n);
    }
    return buf_take(&got, NULL);
}

#define WAIT_FOR(b, limit_ms, condition)                                       \
    do {                                                                       \
        int64_t end_ = clock_mono_ms() + (limit_ms);                           \
        while (!(condition) && clock_mono_ms() < end_)                         \
            loop_run_once((b)->loop, 20);                                      \
        cr_assert(condition, "not in time");                                   \
    } while (0)

static const struct {
    const char *name, *request, *want; /* a part of the answer */
} cases[] = {
    {"get", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET /a q=- flag=no header= body= peer=1"},
    {"query", "GET /a?q=1%202&flag HTTP/1.1\r\nHost: x\r\nX-Test: y\r\n\r\n",
     "GET /a q=1 2 flag=yes header=y body= peer=1"},
    {"decoded path", "GET /a%20b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a b q="},
    {"zero byte in the path", "GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n",
     "400 Bad Request"},
    {"zero byte in the query", "GET /a?q=1%002 HTTP/1.1\r\nHost: x\r\n\r\n",
     "%00 is not allowed in a URL."},
    {"zero byte, with a body",
     "POST /a%00b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
     "400 Bad Request"},
    {"no zero byte", "GET /a%2500b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a%00b"},
    {"post", "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",
     "body=hi "},
    {"chunked post",
     "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
     "chunked\r\n\r\n2\r\nhi\r\n3\r\n you\r\n0\r\n\r\n",
     "400 Bad"},
    {"good chunked post",
     "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
     "chunked\r\n\r\n2\r\nhi\r\n4\r\n you\r\n0\r\n\r\n",
     "body=hi you "},
    {"form is not parsed",
     "POST /p HTTP/1.1\r\nHost: x\r\nContent-Type: "
     "application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
     "body=a=b "},
    {"delete", "DELETE /d HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE /d"},
    {"options", "OPTIONS /d HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS /d"},
    {"strange method", "BREW /tea HTTP/1.1\r\nHost: x\r\n\r\n", "BREW /tea"},
    {"too long, announced",
     "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n",
     "413 Content Too Large"},
    {"too long, waits for 100",
     "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
     "Content-Length: 5000\r\n\r\n",
     "413 Content Too Large"},
    {"expect 100",
     "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
     "Content-Length: 5\r\n\r\n",
     "HTTP/1.1 100 Continue"},
    {"close asked", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
     "Connection: close\r\n"},
    {"HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n", "GET /a"},
};

Test(httpd, requests)
{
    struct bench b;
    setup(&b);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_CLOSE int fd = dial(&b);
        say(fd, cases[i].request);
        AUTO_FREE char *got = hear(&b, fd, cases[i].want);
        cr_expect(strstr(got, cases[i].want), "case: %s: %s", cases[i].name,
                  got);
    }
    teardown(&b);
}

Test(httpd, continue_then_body)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int fd = dial(&b);
    say(fd, "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            "Content-Length: 5\r\n\r\n");
    AUTO_FREE char *first = hear(&b, fd, "\r\n\r\n");
    cr_expect_str_eq(first, "HTTP/1.1 100 Continue\r\n\r\n");
    cr_expect_eq(b.handled, 0);
    say(fd, "hello");
    AUTO_FREE char *second = hear(&b, fd, "peer");
    cr_expect(strstr(second, "body=hello"), "%s", second);
    teardown(&b);
}

Test(httpd, head_has_no_body)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int fd = dial(&b);
    say(fd, "HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    AUTO_FREE char *got = hear(&b, fd, "");
    cr_expect(strstr(got, "200 OK"), "%s", got);
    cr_expect(str_ends(got, "\r\n\r\n"), "%s", got);
    cr_expect_null(strstr(got, "HEAD /a"));
    teardown(&b);
}

Test(httpd, chunked_body_past_the_bound)
{
    struct bench b;
    char chunk[400];
    setup(&b);
    AUTO_CLOSE int fd = dial(&b);
    say(fd, "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            "\r\n");
    snprintf(chunk, sizeof(chunk), "12c\r\n%0300d\r\n", 0);
    for (int i = 0; i < 5; i++)
        say(fd, chunk);
    say(fd, "0\r\n\r\n");
    AUTO_FREE char *got = hear(&b, fd, "bytes");
    cr_expect(strstr(got, "413 Content Too Large"), "%s", got);
    cr_expect_eq(b.handled, 0);
    teardown(&b);
}

Test(httpd, several_on_one_connection)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int fd = dial(&b);
    say(fd, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    AUTO_FREE char *got = hear(&b, fd, "/2");
    cr_expect(strstr(got, "GET /1"), "%s", got);
    cr_expect(strstr(got, "GET /2"), "%s", got);
    teardown(&b);
}

Test(httpd, answered_later)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int fd = dial(&b);
    AUTO_CLOSE int other = dial(&b);
    const char *headers[] = {"X-One: 1", "Retry-After: 5", NULL};
    say(fd, "GET /hold?q=7 HTTP/1.1\r\nHost: x\r\n\r\n");
    WAIT_FOR(&b, DEADLINE_MS, b.held);
    struct httpd_request *held = b.held;
    say(other, "GET /meanwhile HTTP/1.1\r\nHost: x\r\n\r\n");
    AUTO_FREE char *meanwhile = hear(&b, other, "/meanwhile");
    cr_expect(strstr(meanwhile, "/meanwhile"));
    cr_expect_str_eq(httpd_query(held, "q"), "7");
    httpd_reply(held, 503, "text/plain", "later", 5, headers);
    AUTO_FREE char *got = hear(&b, fd, "later");
    cr_expect(strstr(got, "503 "), "%s", got);
    cr_expect(strstr(got, "X-One: 1\r\n"), "%s", got);
    cr_expect(strstr(got, "Retry-After: 5\r\n"), "%s", got);
    teardown(&b);
}

Test(httpd, answered_after_the_client_left)
{
    struct bench b;
    setup(&b);
    int fd = dial(&b);
    say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    WAIT_FOR(&b, DEADLINE_MS, b.held);
    close(fd);
    for (int i = 0; i < 5; i++)
        loop_run_once(b.loop, 5);
    httpd_reply_text(b.held, 200, "nobody hears this");
    for (int i = 0; i < 5; i++)
        loop_run_once(b.loop, 5);
    teardown(&b);
}

Test(httpd, destroyed_with_work_left)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int held = dial(&b);
    AUTO_CLOSE int streaming = dial(&b);
    say(held, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    say(streaming, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    WAIT_FOR(&b, DEADLINE_MS, b.held && b.stream);
    httpd_stream_send(b.stream, "x", 1, NULL);
    teardown(&b);
    cr_expect_eq(b.closed, 0);
}

/* ---- streams ---- */
static int open_stream(struct bench *b, const char *request)
{
    int fd = dial(b);
    say(fd, request);
    WAIT_FOR(b, DEADLINE_MS, b->stream);
    return fd;
}

#define STREAM "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"

Test(httpd, one_chunk_for_each_send)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int fd = open_stream(&b, STREAM);
    httpd_stream_send(b.stream, "hello", 5, NULL);
    httpd_stream_send(b.stream, "you", 3, NULL);
    httpd_stream_close(&b.stream);
    AUTO_FREE char *got = hear(&b, fd, "\r\n0\r\n\r\n");
    cr_expect(strstr(got, "Transfer-Encoding: chunked\r\n"), "%s", got);
    cr_expect(strstr(got, "\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"), "%s",
              got);
    WAIT_FOR(&b, DEADLINE_MS, b.closed == 1);
    /* The connection lives on. */
    say(fd, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    AUTO_FREE char *next = hear(&b, fd, "/next");
    cr_expect(strstr(next, "GET /next"), "%s", next);
    teardown(&b);
}

Test(httpd, head_goes_out_before_data)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int fd = open_stream(&b, STREAM);
    AUTO_FREE char *got = hear(&b, fd, "\r\n\r\n");
    cr_expect(strstr(got, "200 OK"), "%s", got);
    teardown(&b);
}

Test(httpd, hang_up_is_noticed_while_idle)
{
    struct bench b;
    setup(&b);
    int fd = open_stream(&b, STREAM);
    httpd_stream_send(b.stream, "x", 1, NULL);
    AUTO_FREE char *got = hear(&b, fd, "x\r\n");
    cr_expect(str_ends(got, "1\r\nx\r\n"), "%s", got);
    close(fd);
    WAIT_FOR(&b, 500, b.closed == 1);
    teardown(&b);
}

Test(httpd, reset_is_noticed_while_idle)
{
    struct bench b;
    setup(&b);
    int fd = open_stream(&b, STREAM);
    AUTO_FREE char *got = hear(&b, fd, "\r\n\r\n");
    cr_expect(strstr(got, "200 OK"), "%s", got);
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    WAIT_FOR(&b, 500, b.closed == 1);
    teardown(&b);
}

/* Turns of the loop in a third of a second. */
static int count_turns(struct bench *b)
{
    int turns = 0;
    for (int64_t end = clock_mono_ms() + 300; clock_mono_ms() < end; turns++)
        loop_run_once(b->loop, 100);
    return turns;
}

Test(httpd, does_not_spin_when_idle)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int held = dial(&b);
    AUTO_CLOSE int kept = dial(&b);
    AUTO_CLOSE int fd = open_stream(&b, STREAM);
    httpd_stream_send(b.stream, "x", 1, NULL);
    AUTO_FREE char *event = hear(&b, fd, "x\r\n");
    cr_expect(strstr(event, "x\r\n"));
    say(held, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    say(kept, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
    AUTO_FREE char *got = hear(&b, kept, "/kept");
    cr_expect(strstr(got, "/kept") && b.held);
    cr_expect_lt(count_turns(&b), 50);
    teardown(&b);
}

/* A request sent behind the stream's must not spin the loop nor hide the end.
 */
Test(httpd, hang_up_behind_more_bytes)
{
    struct bench b;
    setup(&b);
    int fd = open_stream(&b, STREAM "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    AUTO_FREE char *got = hear(&b, fd, "\r\n\r\n");
    cr_expect(strstr(got, "200 OK"), "%s", got);
    say(fd, "more");
    cr_expect_lt(count_turns(&b), 50);
    cr_expect_eq(b.closed, 0);
    close(fd);
    WAIT_FOR(&b, 1000, b.closed == 1);
    cr_expect_eq(b.handled, 1);
    teardown(&b);
}

Test(httpd, hang_up_while_much_is_queued)
{
    struct bench b;
    setup(&b);
    int fd = open_stream(&b, STREAM);
    AUTO_FREE char *big = xcalloc(1, 8 << 20);
    struct err err;
    for (int i = 0; i < 8; i++)
        cr_expect_eq(httpd_stream_send(b.stream, big, 8 << 20, &err), 0);
    cr_expect_eq(httpd_stream_send(b.stream, "x", 1, &err), -1);
    cr_expect_eq(err.code, ERR_FULL);
    for (int i = 0; i < 20; i++)
        loop_run_once(b.loop, 5);
    cr_expect_gt(httpd_stream_backlog(b.stream), 0);
    close(fd);
    WAIT_FOR(&b, 1000, b.closed == 1);
    teardown(&b);
}

Test(httpd, abort_cuts_without_an_end)
{
    struct bench b;
    setup(&b);
    AUTO_CLOSE int fd = open_stream(&b, STREAM);
    httpd_stream_send(b.stream, "x", 1, NULL);
    AUTO_FREE char *head = hear(&b, fd, "x\r\n");
    cr_expect(strstr(head, "200 OK"), "%s", head);
    httpd_stream_abort(&b.stream);
    AUTO_FREE char *rest = hear(&b, fd, "");
    cr_expect_null(strstr(rest, "0\r\n\r\n"));
    cr_expect_eq(b.closed, 0);
    cr_expect_null(b.stream);
    teardown(&b);
}

Test(httpd, fifty_streams)
{
    struct bench b;
    struct httpd_stream *streams[50];
    int fds[50];
    setup(&b);
    for (int i = 0; i < 50; i++) {
        b.stream = NULL;
        fds[i] = open_stream(&b, STREAM);
        streams[i] = b.stream;
    }
    for (int i = 0; i < 50; i++)
        httpd_stream_send(streams[i], "event", 5, NULL);
    for (int i = 0; i < 50; i++) {
        AUTO_FREE char *got = hear(&b, fds[i], "event");
        cr_expect(strstr(got, "event"), "%d: %s", i, got);
        close(fds[i]);
    }
    WAIT_FOR(&b, DEADLINE_MS, b.closed == 50);
    teardown(&b);
}

/* ---- start ---- */
Test(httpd, port_taken)
{
    struct bench b;
    struct err err = {0};
    setup(&b);
    struct httpd_config config = {.port = httpd_port(b.httpd)};
    char want[64];
    snprintf(want, sizeof(want), "127.0.0.1:%d", config.port);
    cr_expect_null(httpd_new(b.loop, &config, handle, &b, &err));
    cr_expect_eq(err.code, ERR_EXISTS);
    cr_expect(strstr(err.text, want), "%s", err.text);
    teardown(&b);
}

Test(httpd, only_on_the_given_address)
{
    struct bench b;
    struct err err;
    setup(&b);
    struct httpd_config config = {.address = "127.0.0.2",
                                  .port = httpd_port(b.httpd)};
    struct httpd *other = httpd_new(b.loop, &config, handle, &b, &err);
    cr_expect(other, "%s", err.text); /* same port, other address */
    httpd_destroy(&other);
    config.address = "no.such.host.invalid";
    cr_expect_null(httpd_new(b.loop, &config, handle, &b, &err));
    teardown(&b);
}

Test(httpd, idle_connections_are_closed)
{
    struct bench b;
    struct httpd_config config = {.idle_timeout_s = 1};
    b = (struct bench){.loop = loop_new()};
    b.httpd = httpd_new(b.loop, &config, handle, &b, NULL);
    AUTO_CLOSE int idle = dial(&b);
    int streaming = open_stream(&b, STREAM);
    AUTO_FREE char *got = hear(&b, idle, "");
    cr_expect_str_empty(got);
    cr_expect_eq(b.closed, 0); /* streams may be silent */
    httpd_stream_send(b.stream, "still here", 10, NULL);
    AUTO_FREE char *event = hear(&b, streaming, "here");
    cr_expect(strstr(event, "still here"));
    close(streaming);
    teardown(&b);
}
