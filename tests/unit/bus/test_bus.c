/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and replies: retries, deadlines, garbage, peers that come and go. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/bus/bus.h"
#include "lib/bus/endpoint.h"
#include "lib/bus/envelope.h"
#include "lib/loop/loop.h"
#include "proto/bus.pb-c.h"
#include "tests/unit/bus/bus_world.h"

struct test {
    struct bus_world w;
    struct bus_server *server;
    struct bus_client *client;
    int handled;
    int answered;
    int lose; /* this many calls are kept and never answered */
    struct bus_call *kept[16];
    int kept_count;
    struct bus_answer last;
    char last_body[64];
    int order[20000];
};

/* Answers with the level text it got, like an echo. */
static int on_echo(void *self, struct bus_call *call, struct err *err)
{
    struct test *t = self;
    Reeve__LogLevelRequest *m = (Reeve__LogLevelRequest *)bus_call_decode(
        call, &reeve__log_level_request__descriptor, err);
    if (!m)
        return -1;
    t->handled++;
    Reeve__LogLevelReply reply = REEVE__LOG_LEVEL_REPLY__INIT;
    reply.previous = m->level;
    bus_call_reply(call, &reply.base);
    reeve__log_level_request__free_unpacked(m, NULL);
    return 0;
}

static int on_fail(void *self UNUSED, struct bus_call *call UNUSED,
                   struct err *err)
{
    return err_set(err, ERR_CONFLICT, "no: %s", bus_call_from(call));
}

static int on_keep(void *self, struct bus_call *call, struct err *err UNUSED)
{
    struct test *t = self;
    t->handled++;
    t->kept[t->kept_count++ % 16] = call;
    return 0;
}

static const struct bus_route routes[] = {
    {"test.echo", on_echo},
    {"test.fail", on_fail},
    {"test.keep", on_keep},
    {NULL, NULL},
};

static void start_server(struct test *t)
{
    struct err err = {0};
    t->server = bus_server_new(t->w.loop, t->w.endpoint, &err);
    cr_assert_not_null(t->server, "%s", err.text);
    bus_server_add_routes(t->server, routes, t);
}

static void begin(struct test *t)
{
    memset(t, 0, sizeof *t);
    log_set_level(LOG_BAD);
    bus_world_open(&t->w);
    t->client = bus_client_new(t->w.loop, "tester", t->w.endpoint);
}

static void end(struct test *t)
{
    bus_client_destroy(&t->client);
    bus_server_destroy(&t->server);
    bus_world_close(&t->w);
}

static void on_answer(void *self, const struct bus_answer *answer)
{
    struct test *t = self;
    t->answered++;
    t->last.err = answer->err;
    t->last_body[0] = '\0';
    if (!answer->len)
        return;
    Reeve__LogLevelReply *m =
        reeve__log_level_reply__unpack(NULL, answer->len, answer->body);
    cr_assert_not_null(m);
    snprintf(t->last_body, sizeof t->last_body, "%s",
             str_or_empty(m->previous));
    reeve__log_level_reply__free_unpacked(m, NULL);
}

static void call(struct test *t, const char *route, const char *text,
                 int64_t deadline_ms)
{
    Reeve__LogLevelRequest m = REEVE__LOG_LEVEL_REQUEST__INIT;
    m.level = (char *)text;
    bus_client_call(t->client, route, NULL, &m.base, deadline_ms, on_answer, t);
}

Test(bus, echo)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    cr_expect_eq(bus_client_silence_ms(t->client), -1);
    call(t, "test.echo", "hello", 5000);
    cr_expect_eq(t->answered, 0, "never from inside the call");
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
    cr_expect_eq(t->last.err.code, ERR_NONE);
    cr_expect_str_eq(t->last_body, "hello");
    cr_expect_geq(bus_client_silence_ms(t->client), 0);
    end(t);
    free(t);
}

static const struct {
    const char *name, *route;
    enum err_code code;
    const char *text;
} fail_cases[] = {
    {"the handler fails", "test.fail", ERR_CONFLICT, "no: tester"},
    {"no such route", "test.none", ERR_UNSUPPORTED,
     "test.none: no such route here"},
};

Test(bus, failures)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    for (size_t i = 0; i < ARRAY_LEN(fail_cases); i++) {
        t->answered = 0;
        call(t, fail_cases[i].route, "x", 5000);
        cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
        cr_expect_eq(t->last.err.code, fail_cases[i].code, "case: %s",
                     fail_cases[i].name);
        cr_expect_str_eq(t->last.err.text, fail_cases[i].text);
    }
    struct bus_server_stats stats;
    bus_server_stats(t->server, &stats);
    cr_expect_eq(stats.unknown_route, 1);
    cr_expect_eq(stats.requests, 2);
    cr_expect_eq(stats.replies, 2);
    end(t);
    free(t);
}

Test(bus, a_body_that_does_not_parse_is_invalid)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    /* A field 1 with a length that is not there. */
    Reeve__HealthCheckResult m = REEVE__HEALTH_CHECK_RESULT__INIT;
    m.has_ok = 1;
    m.ok = 1;
    ProtobufCMessageUnknownField bad = {
        .tag = 1, .wire_type = 0, .len = 1, .data = (uint8_t[]){0x05}};
    m.base.n_unknown_fields = 1;
    m.base.unknown_fields = &bad;
    bus_client_call(t->client, "test.echo", NULL, &m.base, 5000, on_answer, t);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
    cr_expect_eq(t->last.err.code, ERR_INVALID, "%s", t->last.err.text);
    end(t);
    free(t);
}

Test(bus, deadline)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    call(t, "test.echo", "nobody there", 300);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
    cr_expect_eq(t->last.err.code, ERR_TIMEOUT);
    bus_world_turn(&t->w, 50);
    cr_expect_eq(t->answered, 1);
    end(t);
    free(t);
}

Test(bus, the_peer_starts_later)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    call(t, "test.echo", "early", 10000);
    bus_world_turn(&t->w, 300);
    cr_expect_eq(t->answered, 0);
    start_server(t);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 2000));
    cr_expect_str_eq(t->last_body, "early");
    end(t);
    free(t);
}

Test(bus, the_peer_dies_and_comes_back)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    call(t, "test.echo", "one", 5000);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
    for (int round = 0; round < 3; round++) {
        call(t, "test.keep", "kept", 10000);
        int want = t->handled + 1;
        cr_assert(bus_world_until(&t->w, &t->handled, want, 5000));
        bus_server_destroy(&t->server); /* answers unavailable */
        want = t->answered + 1;
        cr_assert(bus_world_until(&t->w, &t->answered, want, 5000));
        cr_expect_eq(t->last.err.code, ERR_UNAVAILABLE);
        call(t, "test.echo", "while away", 10000);
        bus_world_turn(&t->w, 50);
        start_server(t);
        want = t->answered + 1;
        cr_assert(bus_world_until(&t->w, &t->answered, want, 3000));
        cr_expect_str_eq(t->last_body, "while away");
    }
    end(t);
    free(t);
}

static int on_waits(void *self UNUSED, struct bus_call *call UNUSED,
                    struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "waits for its turn");
}

/* Of two that take turns under one endpoint; who waits is there and answers. */
Test(bus, comes_over_from_a_peer_that_only_waits)
{
    static const struct bus_route waits[] = {{"test.echo", on_waits},
                                             {NULL, NULL}};
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    const char *link = t->w.endpoint + strlen("ipc://");
    AUTO_FREE char *own = xasprintf("%s-one", t->w.endpoint);
    AUTO_FREE char *other = xasprintf("%s-two", t->w.endpoint);
    struct bus_server *one = bus_server_new(t->w.loop, own, NULL);
    cr_assert_not_null(one);
    bus_server_add_routes(one, waits, t);
    cr_assert_eq(symlink(own + strlen("ipc://"), link), 0);
    call(t, "test.echo", "first", 5000);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
    cr_expect_eq(t->last.err.code, ERR_UNAVAILABLE);
    t->server = bus_server_new(t->w.loop, other, NULL);
    cr_assert_not_null(t->server);
    bus_server_add_routes(t->server, routes, t);
    unlink(link);
    cr_assert_eq(symlink(other + strlen("ipc://"), link), 0);
    for (int i = 0; i < 500 && t->last.err.code; i++) {
        call(t, "test.echo", "again", 20000);
        cr_assert(bus_world_until(&t->w, &t->answered, t->answered + 1, 10000));
        bus_world_turn(&t->w, 20);
    }
    cr_expect_str_eq(t->last_body, "again");
    bus_server_destroy(&one);
    end(t);
    free(t);
}

/* A peer in another process is killed with calls under way; its successor gets
 * them all, in order. */
static int on_number(void *self, struct bus_call *call, struct err *err UNUSED)
{
    struct test *t = self;
    int64_t number = -1;
    parse_i64(bus_call_id(call) + 1, &number);
    t->order[t->handled++] = (int)number;
    bus_call_reply(call, NULL);
    return 0;
}

static const struct bus_route number_routes[] = {
    {"test.number", on_number},
    {NULL, NULL},
};

static void keep_all(struct test *t)
{
    struct loop *loop = loop_new();
    struct bus_server *server = bus_server_new(loop, t->w.endpoint, NULL);
    ASSERT(server);
    static const struct bus_route keep[] = {{"test.number", on_keep},
                                            {NULL, NULL}};
    bus_server_add_routes(server, keep, t);
    for (;;)
        loop_run_once(loop, 1000);
}

static void call_number(struct test *t, int number)
{
    char id[32];
    snprintf(id, sizeof id, "n%d", number);
    bus_client_call(t->client, "test.number", id, NULL, 20000, on_answer, t);
}

Test(bus, calls_keep_their_order_over_a_kill_of_the_peer)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    pid_t pid = fork();
    if (pid == 0)
        keep_all(t);
    for (int i = 0; i < 500; i++) {
        call_number(t, i);
        if (i % 10 == 0)
            loop_run_once(t->w.loop, 1);
    }
    bus_world_turn(&t->w, 200);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (int i = 500; i < 700; i++) {
        call_number(t, i);
        if (i % 10 == 0)
            loop_run_once(t->w.loop, 1);
        if (i == 600) { /* over the stale socket file */
            struct err err = {0};
            t->server = bus_server_new(t->w.loop, t->w.endpoint, &err);
            cr_assert_not_null(t->server, "%s", err.text);
            bus_server_add_routes(t->server, number_routes, t);
        }
    }
    cr_assert(bus_world_until(&t->w, &t->answered, 700, 10000));
    bus_world_turn(&t->w, 100);
    cr_expect_eq(t->answered, 700);
    for (int i = 0; i < t->handled; i++)
        cr_assert_eq(t->order[i], i, "place %d holds %d", i, t->order[i]);
    end(t);
    free(t);
}

Test(bus, ten_thousand_under_way_and_no_more)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    for (int i = 0; i < 10000; i++)
        call_number(t, i);
    call_number(t, 10000);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 1000));
    cr_expect_eq(t->last.err.code, ERR_FULL);
    start_server(t);
    bus_server_add_routes(t->server, number_routes, t);
    cr_assert(bus_world_until(&t->w, &t->answered, 10001, 20000), "%d",
              t->answered);
    bus_world_turn(&t->w, 50);
    cr_expect_eq(t->answered, 10001);
    end(t);
    free(t);
}

Test(bus, an_id_in_use_is_refused)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    call_number(t, 1);
    call_number(t, 1);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 1000));
    cr_expect_eq(t->last.err.code, ERR_EXISTS);
    end(t);
    free(t);
}

Test(bus, a_repeat_of_a_kept_call_is_dropped)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    call(t, "test.keep", "x", 10000);
    struct bus_server_stats stats = {0};
    for (int i = 0; i < 300 && stats.repeats == 0; i++) {
        bus_world_turn(&t->w, 10);
        bus_server_stats(t->server, &stats);
    }
    cr_assert_eq(stats.repeats, 1, "the client repeats after a second");
    cr_assert_eq(t->handled, 1);
    cr_assert_eq(t->kept_count, 1);
    bus_call_reply(t->kept[0], NULL);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 2000));
    cr_expect_eq(t->last.err.code, ERR_NONE);
    end(t);
    free(t);
}

static void destroy_client(void *self, const struct bus_answer *answer UNUSED)
{
    struct test *t = self;
    t->answered++;
    bus_client_destroy(&t->client);
}

Test(bus, a_callback_destroys_the_client)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    for (int i = 0; i < 5; i++)
        bus_client_call(t->client, "test.echo", NULL, NULL, 5000,
                        destroy_client, t);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
    cr_assert_null(t->client);
    bus_world_turn(&t->w, 50);
    cr_expect_eq(t->answered, 1);
    end(t);
    free(t);
}

/* ---- what is not a request --------------------------------------------- */

static void send_frames(void *dealer, const char *bytes, size_t len, int frames)
{
    for (int i = 0; i < frames; i++)
        zmq_send(dealer, bytes, len, i + 1 < frames ? ZMQ_SNDMORE : 0);
}

Test(bus, garbage_is_counted_and_dropped)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    void *dealer = bus_socket(ZMQ_DEALER, 100);
    cr_assert_eq(zmq_connect(dealer, t->w.endpoint), 0);
    send_frames(dealer, "\xff\xff\xff", 3, 1);
    send_frames(dealer, "", 0, 1);
    send_frames(dealer, "abc", 3, 5);
    send_frames(dealer, "\x08\x01", 2, 1); /* version 1 and nothing else */
    struct bus_server_stats stats = {0};
    for (int i = 0; i < 300 && stats.garbage < 4; i++) {
        bus_world_turn(&t->w, 10);
        bus_server_stats(t->server, &stats);
    }
    cr_expect_eq(stats.garbage, 4);
    cr_expect_eq(stats.requests, 0);
    call(t, "test.echo", "still there", 5000);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
    cr_expect_str_eq(t->last_body, "still there");
    zmq_close(dealer);
    end(t);
    free(t);
}

Test(bus, another_version_is_refused)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    Reeve__BusRequest m = REEVE__BUS_REQUEST__INIT;
    m.has_version = 1;
    m.version = 2;
    m.id = (char *)"id-1";
    m.route = (char *)"test.echo";
    AUTO_BUF struct buf bytes = {0};
    envelope_pack(&m.base, &bytes);
    void *dealer = bus_socket(ZMQ_DEALER, 100);
    cr_assert_eq(zmq_connect(dealer, t->w.endpoint), 0);
    zmq_send(dealer, bytes.data, bytes.len, 0);
    uint8_t answer[512];
    int n = -1;
    for (int i = 0; i < 500 && n < 0; i++) {
        loop_run_once(t->w.loop, 10);
        n = zmq_recv(dealer, answer, sizeof answer, ZMQ_DONTWAIT);
    }
    cr_assert_gt(n, 0);
    Reeve__BusReply *reply = reeve__bus_reply__unpack(NULL, (size_t)n, answer);
    cr_assert_not_null(reply);
    cr_expect_eq(reply->code, ERR_UNSUPPORTED);
    cr_expect_str_eq(reply->id, "id-1");
    reeve__bus_reply__free_unpacked(reply, NULL);
    cr_expect_eq(t->handled, 0);
    zmq_close(dealer);
    end(t);
    free(t);
}

/* ---- by hand: one request over a connection of the test's own ----------- */

static void *dial(struct test *t)
{
    void *dealer = bus_socket(ZMQ_DEALER, 100);
    cr_assert_eq(zmq_connect(dealer, t->w.endpoint), 0);
    return dealer;
}

static void send_request(void *dealer, const char *id, uint32_t deadline_ms)
{
    Reeve__BusRequest m = REEVE__BUS_REQUEST__INIT;
    m.has_version = m.has_deadline_ms = 1;
    m.version = BUS_VERSION;
    m.id = (char *)id;
    m.route = (char *)"test.keep";
    m.deadline_ms = deadline_ms;
    AUTO_BUF struct buf bytes = {0};
    envelope_pack(&m.base, &bytes);
    zmq_send(dealer, bytes.data, bytes.len, 0);
}

static bool has_answer(struct test *t, void *dealer, int64_t within_ms)
{
    uint8_t bytes[512];
    int n = -1;
    for (int64_t i = 0; i < within_ms / 10 && n < 0; i++) {
        bus_world_turn(&t->w, 10);
        n = zmq_recv(dealer, bytes, sizeof bytes, ZMQ_DONTWAIT);
    }
    return n > 0;
}

Test(bus, the_answer_goes_to_the_connection_that_asked_last)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    void *first = dial(t), *second = dial(t);
    send_request(first, "same", 10000);
    cr_assert(bus_world_until(&t->w, &t->handled, 1, 5000));
    send_request(second, "same", 10000);
    struct bus_server_stats stats = {0};
    for (int i = 0; i < 300 && !stats.repeats; i++) {
        bus_world_turn(&t->w, 10);
        bus_server_stats(t->server, &stats);
    }
    cr_assert_eq(t->handled, 1);
    bus_call_reply(t->kept[0], NULL);
    cr_expect(has_answer(t, second, 5000));
    cr_expect_not(has_answer(t, first, 50));
    zmq_close(first);
    zmq_close(second);
    end(t);
    free(t);
}

Test(bus, a_kept_call_is_dropped_after_its_deadline)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    void *dealer = dial(t);
    send_request(dealer, "late", 1);
    cr_assert(bus_world_until(&t->w, &t->handled, 1, 5000));
    bus_world_turn(&t->w, 6500); /* deadline, grace and one sweep */
    send_request(dealer, "late", 10000);
    cr_assert(bus_world_until(&t->w, &t->handled, 2, 5000));
    bus_call_reply(t->kept[0], NULL);
    cr_expect_not(has_answer(t, dealer, 100), "nobody waits for that one");
    bus_call_reply(t->kept[1], NULL);
    cr_expect(has_answer(t, dealer, 5000));
    zmq_close(dealer);
    end(t);
    free(t);
}

/* ---- endpoints --------------------------------------------------------- */

#define LONG_80                                                                \
    "0123456789012345678901234567890123456789"                                 \
    "0123456789012345678901234567890123456789"

static const struct {
    const char *endpoint;
    enum err_code code;
} endpoint_cases[] = {
    {"ipc:///run/x", ERR_NONE},
    {"ipc://x", ERR_NONE},
    {"ipc://", ERR_INVALID},
    {"ipc://@x", ERR_INVALID},
    {"ipc://*", ERR_INVALID},
    {"ipc:///" LONG_80 LONG_80, ERR_INVALID},
    {"tcp://127.0.0.1:5000", ERR_NONE},
    {"tcp://127.9.0.1:5000", ERR_NONE},
    {"tcp://[::1]:5000", ERR_NONE},
    {"tcp://localhost:5000", ERR_NONE},
    {"tcp://127.0.0.1", ERR_INVALID},
    {"tcp://127.0.0.1:0", ERR_INVALID},
    {"tcp://127.0.0.1:65536", ERR_INVALID},
    {"tcp://127.0.0.1.evil.example:80", ERR_UNSUPPORTED},
    {"tcp://*:5000", ERR_UNSUPPORTED},
    {"tcp://0.0.0.0:5000", ERR_UNSUPPORTED},
    {"tcp://10.0.0.1:5000", ERR_UNSUPPORTED},
    {"inproc://x", ERR_INVALID},
    {"", ERR_INVALID},
};

Test(bus, endpoints)
{
    for (size_t i = 0; i < ARRAY_LEN(endpoint_cases); i++) {
        struct err err = {0};
        bus_endpoint_check(endpoint_cases[i].endpoint, &err);
        cr_expect_eq(err.code, endpoint_cases[i].code, "%s: %s",
                     endpoint_cases[i].endpoint, err.text);
    }
    char out[300];
    struct err err = {0};
    cr_expect_eq(bus_endpoint("/run/a", "planner", out, sizeof out, &err), 0);
    cr_expect_str_eq(out, "ipc:///run/a/planner");
    cr_expect_eq(bus_endpoint("/" LONG_80, "a-name-that-is-long-enough-to-fail",
                              out, sizeof out, &err),
                 -1);
    cr_expect_eq(err.code, ERR_INVALID);
}

Test(bus, a_call_to_a_refused_endpoint_fails_at_once)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    bus_client_destroy(&t->client);
    t->client = bus_client_new(t->w.loop, "tester", "tcp://10.0.0.1:1");
    call(t, "test.echo", "x", 60000);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 1000));
    cr_expect_eq(t->last.err.code, ERR_UNSUPPORTED);
    end(t);
    free(t);
}

Test(bus, a_second_owner_is_refused)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    start_server(t);
    struct err err = {0};
    cr_expect_null(bus_server_new(t->w.loop, t->w.endpoint, &err));
    cr_expect_eq(err.code, ERR_EXISTS, "%s", err.text);
    char expected[32];
    snprintf(expected, sizeof expected, "pid %d", (int)getpid());
    cr_expect(strstr(err.text, expected) != NULL, "%s", err.text);
    struct bus_pub *pub = bus_pub_new(t->w.feed, 1000, &err);
    cr_assert_not_null(pub);
    cr_expect_null(bus_pub_new(t->w.feed, 1000, &err));
    cr_expect_eq(err.code, ERR_EXISTS);
    bus_pub_destroy(&pub);
    call(t, "test.echo", "the first still answers", 5000);
    cr_assert(bus_world_until(&t->w, &t->answered, 1, 5000));
    end(t);
    free(t);
}

static void pick_tcp(char *out, size_t size)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t len = sizeof any;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&any, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    close(fd);
    snprintf(out, size, "tcp://127.0.0.1:%d", ntohs(any.sin_port));
}

Test(bus, over_tcp)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    pick_tcp(t->w.endpoint, sizeof t->w.endpoint);
    bus_client_destroy(&t->client);
    t->client = bus_client_new(t->w.loop, "tester", t->w.endpoint);
    for (int round = 1; round <= 3; round++) {
        call(t, "test.echo", "over tcp", 10000);
        bus_world_turn(&t->w, 50); /* refused meanwhile */
        start_server(t);
        cr_assert(bus_world_until(&t->w, &t->answered, round, 5000));
        cr_expect_str_eq(t->last_body, "over tcp");
        if (round < 3)
            bus_server_destroy(&t->server);
    }
    struct err err = {0};
    cr_expect_null(bus_server_new(t->w.loop, t->w.endpoint, &err));
    cr_expect_eq(err.code, ERR_EXISTS, "%s", err.text);
    end(t);
    free(t);
}

Test(bus, binding_where_nobody_may_write_is_an_io_error)
{
    struct bus_world w;
    bus_world_open(&w);
    struct err err = {0};
    cr_expect_null(bus_server_new(w.loop, "ipc:///proc/nothing/here", &err));
    cr_expect_neq(err.code, ERR_NONE);
    cr_expect_neq(err.code, ERR_EXISTS);
    bus_world_close(&w);
}

Test(bus, one_call_without_a_loop)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        start_server(t);
        for (;;)
            loop_run_once(t->w.loop, 1000);
    }
    Reeve__LogLevelRequest m = REEVE__LOG_LEVEL_REQUEST__INIT;
    m.level = (char *)"once";
    uint8_t *body = NULL;
    size_t len = 0;
    struct err err = {0};
    int rc = bus_call_once(t->w.endpoint, "cli", "test.echo", &m.base, 5000,
                           &body, &len, &err);
    cr_assert_eq(rc, 0, "%s", err.text);
    Reeve__LogLevelReply *reply =
        reeve__log_level_reply__unpack(NULL, len, body);
    cr_expect_str_eq(reply->previous, "once");
    reeve__log_level_reply__free_unpacked(reply, NULL);
    free(body);
    rc = bus_call_once(t->w.endpoint, "cli", "test.fail", NULL, 5000, &body,
                       &len, &err);
    cr_expect_eq(rc, -1);
    cr_expect_eq(err.code, ERR_CONFLICT);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    rc = bus_call_once(t->w.endpoint, "cli", "test.echo", &m.base, 200, &body,
                       &len, &err);
    cr_expect_eq(rc, -1);
    cr_expect_eq(err.code, ERR_TIMEOUT);
    end(t);
    free(t);
}
