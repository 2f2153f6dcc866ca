/* SPDX-License-Identifier: Apache-2.0 */
/* bus_server - answers requests on one ROUTER socket
 *
 * Does not remember answers: a repeat that arrives after the answer was sent is
 * handled again, so handlers are idempotent.
 *
 * Invariants:
 * - A call is in `by_id` while a repeat of it must be dropped: from its arrival
 *   until it is answered or its deadline plus a grace has passed.
 * - A call object lives until its handler's side answers it or the server ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/bus/arena.h"
#include "lib/bus/bus.h"
#include "lib/bus/endpoint.h"
#include "lib/bus/envelope.h"
#include "lib/loop/loop.h"

enum {
    HIGH_WATER = 100000,
    MESSAGES_A_TURN = 256,
    SWEEP_MS = 1000,
    GRACE_MS = 5000,
    DEFAULT_DEADLINE_MS = 30000,
    MAX_IDENTITY = 255,
    SCRATCH_KEEP_BYTES = 64 << 10,
    REQUEST_BYTES = 64 << 10, /* larger ones take memory of their own */
};

struct bus_call {
    struct bus_server *server;
    uint8_t identity[MAX_IDENTITY]; /* of the connection to answer on */
    size_t identity_len;
    const Reeve__BusRequest *request; /* while its handler runs */
    int64_t expires_ms;
    bool is_expired; /* nobody waits for the answer */
    struct bus_call *prev, *next;
    UT_hash_handle hh;
    const char *from; /* behind the id */
    char id[];
};

struct route_table {
    const struct bus_route *routes;
    void *self;
};

struct bus_server {
    struct loop *loop;
    char *endpoint;
    void *socket;
    int lock_fd;
    uint64_t sweep_timer;
    struct route_table *tables;
    size_t table_count;
    struct bus_call *calls; /* all that live */
    struct bus_call *by_id;
    struct bus_call *current; /* being handled right now */
    struct buf inner, outer;  /* of the answer being sent */
    uint8_t *scratch;         /* of the request being handled */
    struct bus_server_stats stats;
    int64_t garbage_logged_ms;
};

/* ---- calls ------------------------------------------------------------- */

static void call_expire(struct bus_call *call)
{
    if (call->is_expired)
        return;
    HASH_DELETE(hh, call->server->by_id, call);
    call->is_expired = true;
}

static void call_free(struct bus_call *call)
{
    call_expire(call);
    DL_DELETE(call->server->calls, call);
    free(call);
}

static void set_identity(struct bus_call *call, zmq_msg_t *identity)
{
    call->identity_len = MIN(zmq_msg_size(identity), MAX_IDENTITY);
    memcpy(call->identity, zmq_msg_data(identity), call->identity_len);
}

/* There may be very many that wait, so they keep no more than they need. */
static struct bus_call *call_new(struct bus_server *server, zmq_msg_t *identity,
                                 const Reeve__BusRequest *request)
{
    const char *from = str_or_empty(request->from);
    size_t id_len = strlen(request->id), from_size = strlen(from) + 1;
    struct bus_call *call = xmalloc(sizeof *call + id_len + 1 + from_size);
    *call = (struct bus_call){.server = server, .request = request};
    memcpy(call->id, request->id, id_len + 1);
    call->from = memcpy(call->id + id_len + 1, from, from_size);
    set_identity(call, identity);
    int64_t deadline_ms =
        request->deadline_ms ? request->deadline_ms : DEFAULT_DEADLINE_MS;
    call->expires_ms = loop_now_ms(server->loop) + deadline_ms + GRACE_MS;
    HASH_ADD_KEYPTR(hh, server->by_id, call->id, id_len, call);
    DL_APPEND(server->calls, call);
    return call;
}

const char *bus_call_id(const struct bus_call *call)
{
    return call->id;
}

const char *bus_call_from(const struct bus_call *call)
{
    return call->from;
}

const uint8_t *bus_call_body(const struct bus_call *call, size_t *len)
{
    ASSERT(call->request);
    *len = call->request->body.len;
    return call->request->body.data;
}

ProtobufCMessage *bus_call_decode(const struct bus_call *call,
                                  const ProtobufCMessageDescriptor *type,
                                  struct err *err)
{
    return bus_call_decode_in(call, type, NULL, err);
}

ProtobufCMessage *bus_call_decode_in(const struct bus_call *call,
                                     const ProtobufCMessageDescriptor *type,
                                     ProtobufCAllocator *memory,
                                     struct err *err)
{
    ASSERT(call->request);
    const ProtobufCBinaryData *body = &call->request->body;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, memory, body->len, body->data);
    if (!message)
        err_set(err, ERR_INVALID, "%s: the body is not a %s",
                call->request->route, type->name);
    return message;
}

/* ---- answering --------------------------------------------------------- */

/* What a large answer took is not kept. */
static void give_back(struct buf *scratch)
{
    if (scratch->cap > SCRATCH_KEEP_BYTES)
        buf_free(scratch);
}

static void send_reply(struct bus_server *server, const struct bus_call *call,
                       const struct err *err, const ProtobufCMessage *body)
{
    struct buf *inner = &server->inner, *outer = &server->outer;
    buf_clear(inner);
    buf_clear(outer);
    envelope_pack(body, inner);
    Reeve__BusReply reply = REEVE__BUS_REPLY__INIT;
    reply.has_version = 1;
    reply.version = BUS_VERSION;
    reply.id = (char *)call->id;
    reply.has_code = 1;
    reply.code = err ? err->code : ERR_NONE;
    reply.error = err ? (char *)err->text : NULL;
    reply.has_body = body != NULL;
    reply.body.data = (uint8_t *)inner->data;
    reply.body.len = inner->len;
    envelope_pack(&reply.base, outer);
    /* A peer that is gone or does not read loses the answer and asks again. */
    if (zmq_send(server->socket, call->identity, call->identity_len,
                 ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return;
    zmq_send(server->socket, outer->data, outer->len, ZMQ_DONTWAIT);
    server->stats.replies++;
    give_back(inner);
    give_back(outer);
}

static void call_finish(struct bus_call *call, const struct err *err,
                        const ProtobufCMessage *body)
{
    struct bus_server *server = call->server;
    if (server->current == call)
        server->current = NULL;
    if (!call->is_expired)
        send_reply(server, call, err, body);
    call_free(call);
}

void bus_call_reply(struct bus_call *call, const ProtobufCMessage *body)
{
    call_finish(call, NULL, body);
}

void bus_call_fail(struct bus_call *call, const struct err *err,
                   const ProtobufCMessage *body)
{
    ASSERT(err->code != ERR_NONE);
    call_finish(call, err, body);
}

/* ---- requests ---------------------------------------------------------- */

static const struct bus_route *find_route(const struct bus_server *server,
                                          const char *name, void **self)
{
    for (size_t i = 0; i < server->table_count; i++) {
        const struct bus_route *r = server->tables[i].routes;
        for (; r->name; r++) {
            if (strcmp(r->name, name) != 0)
                continue;
            *self = server->tables[i].self;
            return r;
        }
    }
    return NULL;
}

static void handle_call(struct bus_server *server, struct bus_call *call)
{
    struct err err = {0};
    if (call->request->version != BUS_VERSION) {
        err_set(&err, ERR_UNSUPPORTED,
                "bus version %u: this service speaks version %d",
                call->request->version, BUS_VERSION);
        bus_call_fail(call, &err, NULL);
        return;
    }
    void *self = NULL;
    const struct bus_route *route =
        find_route(server, call->request->route, &self);
    if (!route) {
        server->stats.unknown_route++;
        err_set(&err, ERR_UNSUPPORTED, "%s: no such route here",
                call->request->route);
        bus_call_fail(call, &err, NULL);
        return;
    }
    server->current = call;
    int rc = route->handle(self, call, &err);
    bool is_answered = server->current != call;
    server->current = NULL;
    if (!is_answered)
        call->request = NULL;
    if (rc == 0)
        return;
    /* A handler answers or fails, never both. */
    ASSERT(!is_answered && err.code != ERR_NONE);
    bus_call_fail(call, &err, NULL);
}

static void note_garbage(struct bus_server *server, const char *why)
{
    server->stats.garbage++;
    if (bus_may_log(loop_now_ms(server->loop), &server->garbage_logged_ms))
        log_odd("bus_garbage", "endpoint=%s count=%llu why=%s",
                server->endpoint, (unsigned long long)server->stats.garbage,
                log_q(why));
}

static void on_sane_request(struct bus_server *server, zmq_msg_t *identity,
                            const Reeve__BusRequest *request)
{
    server->stats.requests++;
    struct bus_call *same = NULL;
    HASH_FIND(hh, server->by_id, request->id, strlen(request->id), same);
    if (!same) {
        handle_call(server, call_new(server, identity, request));
        return;
    }
    /* Asked again, perhaps over a new connection: answer on that one. */
    server->stats.repeats++;
    set_identity(same, identity);
}

static void on_request(struct bus_server *server, zmq_msg_t *identity,
                       zmq_msg_t *body)
{
    struct err err = {0};
    struct arena arena;
    arena_init(&arena, server->scratch, REQUEST_BYTES);
    Reeve__BusRequest *request = envelope_request_in(
        &arena.memory, zmq_msg_data(body), zmq_msg_size(body), &err);
    if (!request) {
        note_garbage(server, err.text);
        return;
    }
    on_sane_request(server, identity, request);
    reeve__bus_request__free_unpacked(request, &arena.memory);
}

/* One message: identity and one frame; 0 when there is none. */
static int receive(struct bus_server *server)
{
    zmq_msg_t frames[2];
    int count = 0;
    for (int more = 1; more; count++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, server->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            break; /* only before the first frame: messages arrive whole */
        }
        more = zmq_msg_more(&frame);
        if (count < 2) {
            zmq_msg_init(&frames[count]);
            zmq_msg_move(&frames[count], &frame);
        }
        zmq_msg_close(&frame);
    }
    if (count == 2)
        on_request(server, &frames[0], &frames[1]);
    else if (count > 0)
        note_garbage(server, "not one frame");
    for (int i = 0; i < MIN(count, 2); i++)
        zmq_msg_close(&frames[i]);
    return count > 0;
}

static void on_readable(void *self, void *socket UNUSED)
{
    struct bus_server *server = self;
    for (int i = 0; i < MESSAGES_A_TURN && receive(server); i++)
        ;
}

static void sweep(void *self)
{
    struct bus_server *server = self;
    int64_t now_ms = loop_now_ms(server->loop);
    struct bus_call *call, *tmp;
    HASH_ITER(hh, server->by_id, call, tmp)
    {
        if (call->expires_ms <= now_ms)
            call_expire(call);
    }
}

/* ---- life -------------------------------------------------------------- */

struct bus_server *bus_server_new(struct loop *loop, const char *endpoint,
                                  struct err *err)
{
    void *socket = bus_socket(ZMQ_ROUTER, HIGH_WATER);
    int lock_fd = -1;
    if (bus_bind(socket, endpoint, &lock_fd, err) < 0) {
        bus_unbind(&socket, &lock_fd);
        return NULL;
    }
    struct bus_server *server = xcalloc(1, sizeof *server);
    server->loop = loop;
    server->endpoint = xstrdup(endpoint);
    server->socket = socket;
    server->lock_fd = lock_fd;
    server->scratch = xmalloc(REQUEST_BYTES);
    loop_socket(loop, socket, on_readable, server);
    server->sweep_timer = loop_timer(loop, SWEEP_MS, SWEEP_MS, sweep, server);
    return server;
}

void bus_server_add_routes(struct bus_server *server,
                           const struct bus_route *routes, void *self)
{
    server->tables = xrealloc(server->tables, (server->table_count + 1) *
                                                  sizeof *server->tables);
    server->tables[server->table_count++] = (struct route_table){routes, self};
}

void bus_server_stats(const struct bus_server *server,
                      struct bus_server_stats *out)
{
    *out = server->stats;
}

void bus_server_destroy(struct bus_server **server_p)
{
    struct bus_server *server = *server_p;
    if (!server)
        return;
    struct err err = {0};
    err_set(&err, ERR_UNAVAILABLE, "the service is stopping");
    while (server->calls)
        bus_call_fail(server->calls, &err, NULL);
    loop_timer_cancel(server->loop, server->sweep_timer);
    loop_socket_remove(server->loop, server->socket);
    /* The last answers are worth a moment, not more. */
    int linger_ms = 200;
    zmq_setsockopt(server->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    bus_unbind(&server->socket, &server->lock_fd);
    buf_free(&server->inner);
    buf_free(&server->outer);
    free(server->scratch);
    free(server->tables);
    free(server->endpoint);
    free(server);
    *server_p = NULL;
}
