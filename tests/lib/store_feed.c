/* SPDX-License-Identifier: Apache-2.0 */
/* store_feed - followers of all kinds, and callers who do not behave
 *
 *   store_feed RUN_DIR since REVISION [PREFIX [LIMIT]]   store.events_since
 *   store_feed RUN_DIR pages LIMIT [KEY]   a snapshot in pages; after the first
 *                                          page, KEY is changed
 *   store_feed RUN_DIR whole               a snapshot in one reply
 *   store_feed RUN_DIR stuck               subscribes and never reads
 *   store_feed RUN_DIR replica             lib/bus/replica.h until stdin ends
 *   store_feed RUN_DIR put KEY BYTES [OPS] a value of so many bytes, OPS times
 *   store_feed RUN_DIR garbage COUNT       frames that are no requests
 *   store_feed RUN_DIR body ROUTE HEX      a request with any body
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/base/id.h"
#include "lib/base/omap.h"
#include "lib/bus/bus.h"
#include "lib/bus/replica.h"
#include "lib/loop/loop.h"
#include "lib/wire/wire.h"
#include "proto/store.pb-c.h"

enum { DEADLINE_MS = 30000 };

static char requests[256], feed[256];

static int call(const char *route, const ProtobufCMessage *request,
                uint8_t **body, size_t *len)
{
    struct err err = {0};
    if (bus_call_once(requests, "store-feed", route, request, DEADLINE_MS, body,
                      len, &err) == 0)
        return 0;
    fprintf(stderr, "%s: %s\n", err_code_name(err.code), err.text);
    return err.code;
}

static int since(int argc, char **argv)
{
    Reeve__EventsSinceRequest m = REEVE__EVENTS_SINCE_REQUEST__INIT;
    m.has_revision = 1;
    m.revision = strtoull(argv[0], NULL, 10);
    m.prefix = argc > 1 ? argv[1] : NULL;
    m.has_limit = argc > 2;
    m.limit = argc > 2 ? (uint32_t)atoi(argv[2]) : 0;
    uint8_t *body = NULL;
    size_t len = 0;
    int code = call("store.events_since", &m.base, &body, &len);
    if (code)
        return code;
    Reeve__EventsSinceReply *reply =
        reeve__events_since_reply__unpack(NULL, len, body);
    printf("reply %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", reply->revision,
           reply->current_revision, reply->oldest_revision);
    for (size_t i = 0; i < reply->n_events; i++) {
        Reeve__Event *e = reply->events[i];
        printf("event %" PRIu64 " %u/%u %s %s\n", e->revision, e->index,
               e->count, e->key, e->has_value ? "put" : "delete");
    }
    reeve__events_since_reply__free_unpacked(reply, NULL);
    free(body);
    return 0;
}

static int put(int argc, char **argv)
{
    size_t len = strtoull(argv[1], NULL, 10), n = 0;
    size_t ops = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    Reeve__TxnRequest txn = REEVE__TXN_REQUEST__INIT;
    uint8_t *value = xmalloc(len + 1), *body = NULL;
    memset(value, 'v', len);
    txn.ops = xcalloc(ops + 1, sizeof(Reeve__Op *));
    for (; txn.n_ops < ops; txn.n_ops++) {
        Reeve__Op *op = xcalloc(1, sizeof *op);
        reeve__op__init(op);
        op->key = txn.n_ops ? xasprintf("%s/%zu", argv[0], txn.n_ops)
                            : xstrdup(argv[0]);
        op->has_value = 1;
        op->value.data = value;
        op->value.len = len;
        txn.ops[txn.n_ops] = op;
    }
    int code = call("store.txn", &txn.base, &body, &n);
    for (size_t i = 0; i < ops; i++) {
        free(txn.ops[i]->key);
        free(txn.ops[i]);
    }
    free(txn.ops);
    free(value);
    free(body);
    return code;
}

static void print_items(const Reeve__SnapshotReply *reply)
{
    for (size_t i = 0; i < reply->n_items; i++) {
        char digest[SHA256_HEX_SIZE];
        sha256_hex(reply->items[i]->value.data, reply->items[i]->value.len,
                   digest);
        printf("item %s %" PRIu64 " %s\n", reply->items[i]->key,
               reply->items[i]->revision, digest);
    }
}

static int pages(uint32_t limit, char *change)
{
    Reeve__SnapshotRequest m = REEVE__SNAPSHOT_REQUEST__INIT;
    Reeve__SnapshotReply *reply = NULL;
    char *last = NULL;
    m.has_limit = 1;
    m.limit = limit;
    for (;;) {
        uint8_t *body = NULL;
        size_t len = 0;
        int code = call("store.snapshot", &m.base, &body, &len);
        if (code)
            return code;
        reply = reeve__snapshot_reply__unpack(NULL, len, body);
        printf("page %" PRIu64 " %zu %zu\n", reply->revision, reply->n_items,
               len);
        print_items(reply);
        free(body);
        free(last);
        last = reply->n_items ? xstrdup(reply->items[reply->n_items - 1]->key)
                              : NULL;
        bool is_more = reply->has_cursor;
        m.has_cursor = 1;
        m.cursor = reply->cursor;
        m.start_after = last;
        reeve__snapshot_reply__free_unpacked(reply, NULL);
        if (!is_more)
            break;
        if (change)
            put(2, (char *[]){change, "7"});
        change = NULL;
    }
    free(last);
    return 0;
}

static int whole(void)
{
    Reeve__SnapshotRequest m = REEVE__SNAPSHOT_REQUEST__INIT;
    uint8_t *body = NULL;
    size_t len = 0;
    int code = call("store.snapshot", &m.base, &body, &len);
    if (code)
        return code;
    Reeve__SnapshotReply *reply =
        reeve__snapshot_reply__unpack(NULL, len, body);
    printf("page %" PRIu64 " %zu %zu\n", reply->revision, reply->n_items, len);
    print_items(reply);
    reeve__snapshot_reply__free_unpacked(reply, NULL);
    free(body);
    return 0;
}

static int stuck(void)
{
    int few = 10;
    void *context = zmq_ctx_new();
    void *sub = zmq_socket(context, ZMQ_SUB);
    zmq_setsockopt(sub, ZMQ_RCVHWM, &few, sizeof few);
    zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(sub, feed);
    zmq_pollitem_t item = {.socket = sub, .events = ZMQ_POLLIN};
    zmq_poll(&item, 1, 20000); /* subscribed: there is something to read */
    puts("subscribed");
    fflush(stdout);
    for (;;)
        pause();
    return 0;
}

/* ---- the replica of the services ----------------------------------------- */

struct follower {
    struct loop *loop;
    struct replica *replica;
    size_t keys;
};

static void count_key(void *self, const struct replica_item *item UNUSED)
{
    ((struct follower *)self)->keys++;
}

static void on_settled(void *self, uint64_t revision)
{
    struct follower *f = self;
    struct replica_stats stats;
    replica_stats(f->replica, &stats);
    f->keys = 0;
    replica_each(f->replica, "", count_key, f);
    printf("settled %" PRIu64 " keys %zu gaps %" PRIu64 " snapshots %" PRIu64
           " resumes %" PRIu64 "\n",
           revision, f->keys, stats.gaps, stats.snapshots, stats.resumes);
    fflush(stdout);
}

static void on_stdin(void *self, int fd, int events UNUSED)
{
    struct follower *f = self;
    char bytes[64];
    if (read(fd, bytes, sizeof bytes) <= 0)
        loop_stop(f->loop);
}

static int follow(void)
{
    struct replica_events events = {.settled = on_settled};
    struct follower f = {.loop = loop_new()};
    f.replica =
        replica_new(f.loop, "store-feed", requests, feed, "", &events, &f);
    loop_fd(f.loop, 0, LOOP_READ, on_stdin, &f);
    loop_run(f.loop);
    loop_fd_remove(f.loop, 0);
    replica_destroy(&f.replica);
    loop_destroy(&f.loop);
    return 0;
}

/* ---- who does not behave ---------------------------------------------------
 */

static int garbage(int count)
{
    void *context = zmq_ctx_new();
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    int linger_ms = 5000;
    uint64_t x = 88172645463325252u;
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_connect(dealer, requests);
    for (int i = 0; i < count; i++) {
        uint8_t bytes[64];
        for (size_t b = 0; b < sizeof bytes; b++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            bytes[b] = (uint8_t)x;
        }
        bytes[0] |= 0x07; /* a wire type that does not exist */
        if (i % 3 == 0)
            zmq_send(dealer, bytes, 5, ZMQ_SNDMORE);
        zmq_send(dealer, bytes, (size_t)(1 + i % 64), 0);
    }
    zmq_close(dealer);
    zmq_ctx_term(context);
    return 0;
}

static int any_body(const char *route, const char *hex)
{
    uint8_t bytes[4096], *body = NULL;
    size_t n = 0, len = 0;
    unsigned byte;
    for (; n < sizeof bytes && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        bytes[n] = (uint8_t)byte;
    /* A message whose only field is unknown carries any bytes. */
    Reeve__GetRequest m = REEVE__GET_REQUEST__INIT;
    ProtobufCMessageUnknownField field = {
        .tag = 1, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED};
    field.data = bytes;
    field.len = n;
    m.base.unknown_fields = &field;
    m.base.n_unknown_fields = 1;
    int code = call(route, &m.base, &body, &len);
    free(body);
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 3 ||
        bus_endpoint(argv[1], "state-store", requests, sizeof requests, NULL) <
            0 ||
        bus_endpoint(argv[1], "state-store.pub", feed, sizeof feed, NULL) < 0)
        return 2;
    const char *verb = argv[2];
    if (str_eq(verb, "since") && argc > 3)
        return since(argc - 3, argv + 3);
    if (str_eq(verb, "pages") && argc > 3)
        return pages((uint32_t)atoi(argv[3]), argv[4]);
    if (str_eq(verb, "whole"))
        return whole();
    if (str_eq(verb, "stuck"))
        return stuck();
    if (str_eq(verb, "replica"))
        return follow();
    if (str_eq(verb, "put") && argc > 4)
        return put(argc - 3, argv + 3);
    if (str_eq(verb, "garbage") && argc > 3)
        return garbage(atoi(argv[3]));
    if (str_eq(verb, "body") && argc > 4)
        return any_body(argv[3], argv[4]);
    return 2;
}
