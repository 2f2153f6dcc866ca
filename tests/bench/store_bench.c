/* SPDX-License-Identifier: Apache-2.0 */
/* store_bench - transactions to a state-store, and the events they give
 *
 *   store_bench txn|zmq RUN_DIR CLIENTS BYTES SECONDS [KEYS [COUNT]]
 *   store_bench events RUN_DIR CLIENTS BYTES SECONDS SUBSCRIBERS
 *
 * CLIENTS transactions under way, spread over up to MAX_CONNECTIONS
 * connections: plain sockets that speak as a DEALER does, like those of the
 * other programs here, or with zmq sockets of 0MQ's library.  Each puts one key
 * of KEYS (1000) and has a request id of its own. Counts only replies with code
 * 0 that tell a revision.  With COUNT the run ends after so many.  events: what
 * SUBSCRIBERS receive meanwhile, checked for gaps.
 *
 * The requests are prepared once and their numbers written over, like those of
 * the other programs here: what is measured is the store.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/bus/bus.h"
#include "proto/bus.pb-c.h"
#include "proto/store.pb-c.h"
#include "tests/bench/meter.h"
#include "tests/bench/zmtp.h"

enum {
    MAX_CONNECTIONS = 4,
    MAX_CLIENTS = 10000,
    MAX_SUBSCRIBERS = 1000,
    SLOT_DIGITS = 5,
    NUMBER_DIGITS = 9,
    KEY_DIGITS = 7,
    DEADLINE_MS = 30000,
    HIGH_WATER = 200000,
};
#define ID_MARK  "b-00000-000000000-"
#define KEY_MARK "bench/0000000"

struct subscriber {
    void *socket;
    uint64_t revision; /* of the last event, 0: none yet */
};

struct bench {
    void *context;
    char endpoint[256], feed[256];
    struct zmtp *lines[MAX_CONNECTIONS]; /* or with 0MQ: */
    void *sockets[MAX_CONNECTIONS];
    bool is_zmq;
    size_t n_sockets, n_clients, keys;
    uint64_t next, count; /* transactions: sent, to be sent (0: no bound) */
    int64_t sent_us[MAX_CLIENTS];
    struct meter meter;
    size_t under_way;

    uint8_t *request;
    size_t request_len;
    char *ids[2], *key; /* inside the request */

    struct subscriber subscribers[MAX_SUBSCRIBERS];
    size_t n_subscribers;
    uint64_t events, gaps;
};

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

/* ---- requests ---------------------------------------------------------- */

static char *find(const struct bench *b, const char *mark, const char *after)
{
    size_t from = after ? (size_t)(after - (char *)b->request) + 1 : 0;
    char *at =
        memmem(b->request + from, b->request_len - from, mark, strlen(mark));
    ASSERT(at);
    return at;
}

static size_t pack_txn(char *id, size_t bytes, uint8_t **out)
{
    Reeve__TxnRequest txn = REEVE__TXN_REQUEST__INIT;
    Reeve__Op op = REEVE__OP__INIT, *ops = &op;
    char *value = xcalloc(1, bytes);
    memset(value, 'f', bytes);
    op.key = (char *)KEY_MARK;
    op.has_value = 1;
    op.value.data = (uint8_t *)value;
    op.value.len = bytes;
    txn.request_id = id;
    txn.ops = &ops;
    txn.n_ops = 1;
    *out = xcalloc(1, reeve__txn_request__get_packed_size(&txn));
    size_t len = reeve__txn_request__pack(&txn, *out);
    free(value);
    return len;
}

static void make_request(struct bench *b, size_t bytes)
{
    Reeve__BusRequest request = REEVE__BUS_REQUEST__INIT;
    uint8_t *body;
    /* A run of its own must not repeat the ids of an earlier one. */
    AUTO_FREE char *id =
        xasprintf(ID_MARK "%016" PRIx64, (uint64_t)meter_now_us());
    request.has_version = 1;
    request.version = 1;
    request.id = id;
    request.route = (char *)"store.txn";
    request.from = (char *)"bench";
    request.has_deadline_ms = 1;
    request.deadline_ms = DEADLINE_MS;
    request.has_body = 1;
    request.body.len = pack_txn(id, bytes, &body);
    request.body.data = body;
    b->request = xcalloc(1, reeve__bus_request__get_packed_size(&request));
    b->request_len = reeve__bus_request__pack(&request, b->request);
    free(body);
    b->ids[0] = find(b, ID_MARK, NULL);
    b->ids[1] = find(b, ID_MARK, b->ids[0]);
    b->key = find(b, KEY_MARK, NULL);
}

static void write_number(char *at, uint64_t n, int digits)
{
    for (char *p = at + digits; p-- > at; n /= 10)
        *p = (char)('0' + n % 10);
}

static void ask(struct bench *b, size_t slot)
{
    if (b->count && b->next >= b->count)
        return;
    uint64_t n = b->next++;
    for (int i = 0; i < 2; i++) {
        write_number(b->ids[i] + 2, slot, SLOT_DIGITS);
        write_number(b->ids[i] + 3 + SLOT_DIGITS, n, NUMBER_DIGITS);
    }
    write_number(b->key + 6, n % b->keys, KEY_DIGITS);
    b->sent_us[slot] = meter_now_us();
    b->under_way++;
    size_t via = slot % b->n_sockets;
    if (!b->is_zmq)
        zmtp_put(b->lines[via], b->request, b->request_len);
    else if (zmq_send(b->sockets[via], b->request, b->request_len,
                      ZMQ_DONTWAIT) < 0)
        die("send");
}

/* ---- replies ----------------------------------------------------------- */

static bool is_success(const Reeve__BusReply *reply)
{
    if (!reply->has_code || reply->code != 0)
        return false;
    Reeve__TxnReply *txn =
        reeve__txn_reply__unpack(NULL, reply->body.len, reply->body.data);
    bool is_ok = txn && txn->revision > 0 && !txn->repeated_request;
    if (txn)
        reeve__txn_reply__free_unpacked(txn, NULL);
    return is_ok;
}

static void hear(void *self, const void *data, size_t len)
{
    struct bench *b = self;
    Reeve__BusReply *reply = reeve__bus_reply__unpack(NULL, len, data);
    unsigned slot = 0;
    if (!reply || sscanf(str_or_empty(reply->id), "b-%5u-", &slot) != 1 ||
        slot >= b->n_clients) {
        fprintf(stderr, "an answer that is none\n");
        exit(1);
    }
    b->under_way--;
    int64_t now_us = meter_now_us();
    if (is_success(reply))
        meter_ok(&b->meter, b->sent_us[slot], now_us);
    else
        meter_failed(&b->meter, str_or_empty(reply->error));
    reeve__bus_reply__free_unpacked(reply, NULL);
    if (!meter_is_over(&b->meter, now_us))
        ask(b, slot);
}

static bool receive(struct bench *b, void *socket)
{
    zmq_msg_t m;
    zmq_msg_init(&m);
    bool is_there = zmq_msg_recv(&m, socket, ZMQ_DONTWAIT) >= 0;
    if (is_there)
        hear(b, zmq_msg_data(&m), zmq_msg_size(&m));
    zmq_msg_close(&m);
    return is_there;
}

/* ---- events ------------------------------------------------------------ */

/* One key a transaction, so every revision is one event. */
static void on_event(struct bench *b, struct subscriber *s, uint64_t revision)
{
    if (s->revision && revision != s->revision + 1)
        b->gaps++;
    s->revision = revision;
    int64_t now_us = meter_now_us();
    if (now_us >= b->meter.start_us && now_us < b->meter.end_us)
        b->events++;
}

static bool receive_event(struct bench *b, struct subscriber *s)
{
    bool is_tick = false;
    uint64_t revision = 0;
    for (int i = 0, more = 1; more; i++) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        if (zmq_msg_recv(&m, s->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&m);
            return false;
        }
        if (i == 0)
            is_tick = *(char *)zmq_msg_data(&m) == '~';
        if (i == 1 && zmq_msg_size(&m) == sizeof revision)
            memcpy(&revision, zmq_msg_data(&m), sizeof revision);
        more = zmq_msg_more(&m);
        zmq_msg_close(&m);
    }
    if (!is_tick)
        on_event(b, s, be64toh(revision));
    return true;
}

static void subscribe(struct bench *b, size_t count)
{
    int high_water = HIGH_WATER * 10;
    for (size_t i = 0; i < count; i++) {
        void *socket = zmq_socket(b->context, ZMQ_SUB);
        zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof high_water);
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
        if (zmq_connect(socket, b->feed) < 0)
            die(b->feed);
        b->subscribers[i].socket = socket;
    }
    b->n_subscribers = count;
    /* Each is connected when it hears the store's tick. */
    for (size_t i = 0; i < count; i++) {
        zmq_pollitem_t item = {b->subscribers[i].socket, 0, ZMQ_POLLIN, 0};
        if (zmq_poll(&item, 1, 5000) != 1)
            die("no tick");
    }
}

/* ---- a run ------------------------------------------------------------- */

static void *dealer(struct bench *b)
{
    int high_water = HIGH_WATER;
    void *socket = zmq_socket(b->context, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water, sizeof high_water);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof high_water);
    if (zmq_connect(socket, b->endpoint) < 0)
        die(b->endpoint);
    return socket;
}

static void connect_all(struct bench *b)
{
    b->n_sockets = MIN(b->n_clients, (size_t)MAX_CONNECTIONS);
    for (size_t i = 0; i < b->n_sockets; i++) {
        if (b->is_zmq)
            b->sockets[i] = dealer(b);
        else
            b->lines[i] = zmtp_connect(b->endpoint);
    }
}

static zmq_pollitem_t item_of(struct bench *b, size_t i)
{
    if (b->is_zmq)
        return (zmq_pollitem_t){b->sockets[i], 0, ZMQ_POLLIN, 0};
    bool is_sent = zmtp_flush(b->lines[i]);
    short events = (short)(ZMQ_POLLIN | (is_sent ? 0 : ZMQ_POLLOUT));
    return (zmq_pollitem_t){NULL, zmtp_fd(b->lines[i]), events, 0};
}

static void turn(struct bench *b)
{
    zmq_pollitem_t items[MAX_CONNECTIONS + MAX_SUBSCRIBERS];
    size_t n = 0;
    for (size_t i = 0; i < b->n_sockets; i++)
        items[n++] = item_of(b, i);
    for (size_t i = 0; i < b->n_subscribers; i++)
        items[n++] =
            (zmq_pollitem_t){b->subscribers[i].socket, 0, ZMQ_POLLIN, 0};
    if (zmq_poll(items, (int)n, 1000) < 0)
        die("poll");
    for (size_t i = 0; i < b->n_sockets; i++) {
        if (!(items[i].revents & ZMQ_POLLIN))
            continue;
        if (!b->is_zmq)
            zmtp_take(b->lines[i], hear, b);
        while (b->is_zmq && receive(b, b->sockets[i]))
            ;
    }
    for (size_t i = 0; i < b->n_subscribers; i++)
        while (items[b->n_sockets + i].revents &&
               receive_event(b, &b->subscribers[i]))
            ;
}

static int run(struct bench *b, double seconds)
{
    meter_start(&b->meter, b->count ? 0.001 : 0.2, seconds);
    for (size_t i = 0; i < b->n_clients; i++)
        ask(b, i);
    while (b->under_way && meter_now_us() < b->meter.end_us + 5000000)
        turn(b);
    if (b->under_way)
        meter_failed(&b->meter, "no answer in time");
    if (!b->n_subscribers)
        return meter_print(&b->meter);
    printf("{\"events\": %" PRIu64 ", \"gaps\": %" PRIu64
           ", \"per_s\": %.1f, \"txns\": %" PRIu64 ", \"failed\": %" PRIu64
           "}\n",
           b->events, b->gaps, (double)b->events / seconds, b->meter.done,
           b->meter.failed);
    return b->gaps || b->meter.failed;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct bench *b = &bench;
    struct err err = {0};
    bool is_events = argc == 7 && str_eq(argv[1], "events");
    b->is_zmq = argc > 1 && str_eq(argv[1], "zmq");
    if (!is_events &&
        (argc < 6 || argc > 8 || (!b->is_zmq && !str_eq(argv[1], "txn"))))
        return 2;
    if (bus_endpoint(argv[2], "state-store", b->endpoint, sizeof b->endpoint,
                     &err) < 0 ||
        bus_endpoint(argv[2], "state-store.pub", b->feed, sizeof b->feed,
                     &err) < 0)
        return 2;
    b->n_clients = meter_number(argv[3], 1, MAX_CLIENTS);
    b->keys = !is_events && argc > 6 ? meter_number(argv[6], 1, 9999999) : 1000;
    b->count = argc > 7 ? meter_number(argv[7], 1, 999999999) : 0;
    make_request(b, meter_number(argv[4], 1, 1 << 20));
    b->context = zmq_ctx_new();
    zmq_ctx_set(b->context, ZMQ_MAX_SOCKETS, MAX_SUBSCRIBERS + 100);
    connect_all(b);
    if (is_events)
        subscribe(b, meter_number(argv[6], 1, MAX_SUBSCRIBERS));
    int code = run(b, meter_seconds(argv[5]));
    fflush(stdout);
    _exit(code);
}
