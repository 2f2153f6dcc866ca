/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelined calls against a server that does exactly what a case says. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/http/http_client.h"
#include "lib/loop/loop.h"

enum { DEADLINE_MS = 10000 };

#define OK(body) "HTTP/1.1 202 A\r\nContent-Length: " body "\r\n\r\n"

struct bench {
    struct loop *loop;
    struct http_client *client;
    int listener, peer; /* peer: the last connection accepted; -1: none */
    char url[64];
    struct buf got;  /* by the server, of the last connection */
    struct buf told; /* "status:body" or the name of the error, in order */
    int done, connections;
    void (*on_done)(struct bench *b);
};

static void on_peer(void *self, int fd, int events UNUSED)
{
    struct bench *b = self;
    char data[4096];
    ssize_t n = read(fd, data, sizeof(data));

    if (n > 0) {
        buf_add(&b->got, data, (size_t)n);
        return;
    }
    loop_fd_remove(b->loop, fd);
    close(fd);
    b->peer = -1;
}

static void on_listener(void *self, int fd, int events UNUSED)
{
    struct bench *b = self;

    b->peer = accept(fd, NULL, NULL);
    cr_assert_geq(b->peer, 0);
    b->connections++;
    buf_clear(&b->got);
    loop_fd(b->loop, b->peer, LOOP_READ, on_peer, b);
}

static void setup(struct bench *b)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    *b = (struct bench){.loop = loop_new(), .peer = -1};
    b->client = http_client_new(b->loop);
    b->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(b->listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(b->listener, 5), 0);
    getsockname(b->listener, (struct sockaddr *)&address, &len);
    snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d/call",
             ntohs(address.sin_port));
    loop_fd(b->loop, b->listener, LOOP_READ, on_listener, b);
}

static void hang_up(struct bench *b)
{
    loop_fd_remove(b->loop, b->peer);
    close(b->peer);
    b->peer = -1;
}

static void teardown(struct bench *b)
{
    http_client_destroy(&b->client);
    if (b->peer >= 0)
        hang_up(b);
    close(b->listener);
    loop_destroy(&b->loop);
    buf_free(&b->got);
    buf_free(&b->told);
}

#define WAIT_FOR(b, condition)                                                 \
    do {                                                                       \
        int64_t end_ = clock_mono_ms() + DEADLINE_MS;                          \
        while (!(condition) && clock_mono_ms() < end_)                         \
            loop_run_once((b)->loop, 20);                                      \
        cr_assert(condition, "not in time: %s", buf_text(&(b)->told));         \
    } while (0)

static void on_done(void *self, const struct http_answer *answer)
{
    struct bench *b = self;

    b->done++;
    if (answer->err.code)
        buf_addf(&b->told, "%s ", err_code_name(answer->err.code));
    else
        buf_addf(&b->told, "%d:%s ", answer->status, answer->body);
    if (b->on_done)
        b->on_done(b);
}

static struct http_request *send_call(struct bench *b, const char *body)
{
    struct http_call call = {.method = "POST",
                             .url = b->url,
                             .body = body,
                             .body_len = strlen(body),
                             .timeout_ms = DEADLINE_MS,
                             .lane = 1,
                             .pipelined = true};

    return http_client_send(b->client, &call, on_done, b);
}

static void say(struct bench *b, const char *text)
{
    cr_assert_eq(write(b->peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void send_three(struct bench *b, struct http_request *requests[3])
{
    requests[0] = send_call(b, "<1>");
    requests[1] = send_call(b, "<2>");
    requests[2] = send_call(b, "<3>");
    WAIT_FOR(b, strstr(buf_text(&b->got), "<3>"));
}

/* All three are there before any is answered; what the server says then. */
static const struct {
    const char *name, *says, *told;
    bool hangs_up;
} cases[] = {
    {"in order",
     OK("1") "a" OK("0") "HTTP/1.1 400 B\r\nContent-Length: 1\r\n\r\nc",
     "202:a 202: 400:c ", false},
    {"the server ends", OK("1") "a", "202:a io io ", true},
    {"the server says that it closes",
     "HTTP/1.1 202 A\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
     "202: io io ", false},
    {"cut in an answer", OK("5") "ab", "io io io ", true},
    {"no http", "hello\r\n\r\n", "invalid invalid invalid ", false},
    {"one too many", OK("0") OK("0") OK("0") OK("0"), "202: 202: 202: ", false},
    {"to the end of the connection", "HTTP/1.1 200 A\r\n\r\nall",
     "200:all io io ", true},
};

Test(pipe, answers)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        struct http_request *requests[3];

        setup(&b);
        send_three(&b, requests);
        cr_expect_eq(b.done, 0);
        say(&b, cases[i].says);
        if (cases[i].hangs_up)
            hang_up(&b);
        WAIT_FOR(&b, b.done == 3);
        cr_expect_str_eq(buf_text(&b.told), cases[i].told, "case: %s",
                         cases[i].name);
        cr_expect_eq(b.connections, 1, "case: %s", cases[i].name);
        teardown(&b);
    }
}

Test(pipe, heads_are_whole)
{
    struct bench b;
    const char *headers[] = {"Content-Type: x/y", NULL};
    struct http_call call = {.method = "POST",
                             .headers = headers,
                             .body = "ab",
                             .body_len = 2,
                             .timeout_ms = DEADLINE_MS,
                             .lane = 1,
                             .pipelined = true};
    AUTO_BUF struct buf want = {0};

    setup(&b);
    call.url = b.url;
    http_client_send(b.client, &call, on_done, &b);
    WAIT_FOR(&b, str_ends(buf_text(&b.got), "ab"));
    buf_addf(&want,
             "POST /call HTTP/1.1\r\nHost: %.*s\r\nContent-Length: 2\r\n"
             "Content-Type: x/y\r\n\r\nab",
             (int)(strlen(b.url) - strlen("http:///call")), b.url + 7);
    cr_expect_str_eq(buf_text(&b.got), buf_text(&want));
    teardown(&b);
}

Test(pipe, one_cancelled_of_three)
{
    struct bench b;
    struct http_request *requests[3];

    setup(&b);
    send_three(&b, requests);
    http_request_cancel(&requests[1]);
    say(&b, OK("1") "a" OK("1") "b" OK("1") "c");
    WAIT_FOR(&b, b.done == 2);
    cr_expect_str_eq(buf_text(&b.told), "202:a 202:c ");
    teardown(&b);
}

/* Nobody waits behind a server that hangs with calls that nobody wants. */
Test(pipe, all_cancelled_then_another)
{
    struct bench b;
    struct http_request *requests[3];

    setup(&b);
    send_three(&b, requests);
    for (int i = 0; i < 3; i++)
        http_request_cancel(&requests[i]);
    send_call(&b, "<4>");
    WAIT_FOR(&b, b.connections == 2 && strstr(buf_text(&b.got), "<4>"));
    cr_expect_null(strstr(buf_text(&b.got), "<3>"));
    say(&b, OK("1") "d");
    WAIT_FOR(&b, b.done == 1);
    cr_expect_str_eq(buf_text(&b.told), "202:d ");
    teardown(&b);
}

Test(pipe, a_closed_idle_connection_is_opened_again)
{
    struct bench b;

    setup(&b);
    send_call(&b, "<1>");
    WAIT_FOR(&b, strstr(buf_text(&b.got), "<1>"));
    say(&b, OK("0"));
    WAIT_FOR(&b, b.done == 1);
    hang_up(&b);
    for (int i = 0; i < 5; i++)
        loop_run_once(b.loop, 5);
    send_call(&b, "<2>");
    WAIT_FOR(&b, b.connections == 2 && strstr(buf_text(&b.got), "<2>"));
    say(&b, OK("0"));
    WAIT_FOR(&b, b.done == 2);
    cr_expect_str_eq(buf_text(&b.told), "202: 202: ");
    teardown(&b);
}

static void send_another(struct bench *b)
{
    if (b->done == 1)
        send_call(b, "<again>");
}

Test(pipe, sent_while_others_fail)
{
    struct bench b;
    struct http_request *requests[3];

    setup(&b);
    b.on_done = send_another;
    send_three(&b, requests);
    hang_up(&b);
    WAIT_FOR(&b, b.connections == 2 && strstr(buf_text(&b.got), "<again>"));
    say(&b, OK("0"));
    WAIT_FOR(&b, b.done == 4);
    cr_expect_str_eq(buf_text(&b.told), "io io io 202: ");
    teardown(&b);
}

static void destroy_client(struct bench *b)
{
    http_client_destroy(&b->client);
}

Test(pipe, destroyed_by_a_callback)
{
    static const char *const says[] = {OK("0") OK("0"), "hello\r\n\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        struct bench b;
        struct http_request *requests[3];

        setup(&b);
        b.on_done = destroy_client;
        send_three(&b, requests);
        say(&b, says[i]);
        WAIT_FOR(&b, b.done == 1);
        for (int k = 0; k < 5; k++)
            loop_run_once(b.loop, 5);
        cr_expect_eq(b.done, 1);
        teardown(&b);
    }
}

Test(pipe, failures)
{
    struct bench b;
    struct http_call call = {.method = "POST",
                             .url = "http://127.0.0.1:1/",
                             .timeout_ms = DEADLINE_MS,
                             .lane = 1,
                             .pipelined = true};

    setup(&b);
    http_client_send(b.client, &call, on_done, &b);
    WAIT_FOR(&b, b.done == 1);
    call.url = "http://no.such.host.invalid/";
    http_client_send(b.client, &call, on_done, &b);
    WAIT_FOR(&b, b.done == 2);
    call.url = b.url;
    call.timeout_ms = 10;
    http_client_send(b.client, &call, on_done, &b);
    WAIT_FOR(&b, b.done == 3);
    cr_expect_str_eq(buf_text(&b.told), "io io timeout ");
    teardown(&b);
}
