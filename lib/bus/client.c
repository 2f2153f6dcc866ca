/* SPDX-License-Identifier: Apache-2.0 */
/* bus_client - calls to one endpoint, repeated with the same id until answered
 *
 * A socket here is one connection: 0MQ is told not to reconnect by itself. When
 * the connection is lost (the socket's monitor says so) a new socket is made
 * and every call under way is sent again, oldest first, before any newer one.
 * So the peer sees the calls of one client in the order they were made, also
 * over a crash of the peer: store_client rests on this.  The same is done when
 * the peer answers nothing but that it is unavailable for a while: it may wait
 * for its turn while its partner answers under the endpoint now.
 *
 * Does not give up before a call's deadline, and does not know what the calls
 * mean.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/bus/bus.h"
#include "lib/bus/endpoint.h"
#include "lib/bus/envelope.h"
#include "lib/loop/loop.h"

enum {
    MAX_CALLS = 10000,
    MESSAGES_A_TURN = 256,
    FIRST_RESEND_MS = 1000,
    LAST_RESEND_MS = 5000,
    FIRST_RECONNECT_MS = 20,
    LAST_RECONNECT_MS = 500,
    UNAVAILABLE_MAX_MS = 2000,
    HANDSHAKE_MS = 10000,
    /* Not -1: that would throw away answers that wait to be read. */
    NEVER_MS = INT32_MAX / 4,
    LOST_EVENTS = ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED |
                  ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                  ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                  ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

struct pending {
    struct bus_client *client;
    char *id, *route;
    struct buf body;
    int64_t deadline_ms, resend_ms; /* on the monotonic clock */
    int64_t interval_ms;
    uint64_t timer;
    struct err refusal; /* of a call that was never sent */
    void (*done)(void *self, const struct bus_answer *answer);
    void *self;
    struct pending *prev, *next;
    UT_hash_handle hh;
};

struct bus_client {
    struct loop *loop;
    char *from, *endpoint;
    struct err endpoint_err; /* why nothing can be sent there, ever */
    void *socket, *monitor;  /* NULL while there is no connection */
    uint64_t reconnect_timer;
    int64_t reconnect_ms;
    struct pending *calls; /* in the order they were made */
    struct pending *by_id;
    struct pending *refused;
    int64_t last_reply_ms;  /* -1: never */
    int64_t unavailable_ms; /* since when the peer says nothing else; 0 */
    uint64_t garbage;
    int64_t garbage_logged_ms;
    int busy;     /* callbacks under way */
    bool is_dead; /* destroyed from inside one of them */
};

static void connect_now(void *self);

/* ---- one call ---------------------------------------------------------- */

static void pending_free(struct pending *p)
{
    loop_timer_cancel(p->client->loop, p->timer);
    if (p->refusal.code) {
        DL_DELETE(p->client->refused, p);
    } else {
        DL_DELETE(p->client->calls, p);
        HASH_DELETE(hh, p->client->by_id, p);
    }
    buf_free(&p->body);
    free(p->route);
    free(p->id);
    free(p);
}

static void pending_send(struct pending *p, int64_t now_ms)
{
    struct bus_client *client = p->client;
    if (!client->socket)
        return; /* sent when there is a connection */
    AUTO_BUF struct buf bytes = {0};
    Reeve__BusRequest request = REEVE__BUS_REQUEST__INIT;
    request.has_version = 1;
    request.version = BUS_VERSION;
    request.id = p->id;
    request.route = p->route;
    request.from = client->from;
    request.has_deadline_ms = 1;
    request.deadline_ms = (uint32_t)MAX(p->deadline_ms - now_ms, 1);
    request.has_body = 1;
    request.body.data = (uint8_t *)p->body.data;
    request.body.len = p->body.len;
    envelope_pack(&request.base, &bytes);
    /* Refused only by a connection that is going down; the next one gets it. */
    zmq_send(client->socket, bytes.data, bytes.len, ZMQ_DONTWAIT);
}

/* Ends the call; the client may be gone afterwards (-1). */
static int finish(struct pending *p, const struct bus_answer *answer)
{
    struct bus_client *client = p->client;
    void (*done)(void *, const struct bus_answer *) = p->done;
    void *self = p->self;
    pending_free(p);
    client->busy++;
    done(self, answer);
    client->busy--;
    if (!client->is_dead)
        return 0;
    if (!client->busy)
        bus_client_destroy(&client);
    return -1;
}

static void on_call_timer(void *self);

static void arm(struct pending *p, int64_t now_ms)
{
    int64_t next_ms = MIN(p->deadline_ms, p->resend_ms);
    p->timer =
        loop_timer(p->client->loop, next_ms - now_ms, 0, on_call_timer, p);
}

static void on_call_timer(void *self)
{
    struct pending *p = self;
    int64_t now_ms = clock_mono_ms();
    p->timer = 0;
    if (p->deadline_ms <= now_ms) {
        struct bus_answer answer = {0};
        err_set(&answer.err, ERR_TIMEOUT, "%s: no answer to %s in time",
                p->client->endpoint, p->route);
        finish(p, &answer);
        return;
    }
    pending_send(p, now_ms);
    p->interval_ms = MIN(p->interval_ms * 2, LAST_RESEND_MS);
    p->resend_ms = now_ms + p->interval_ms;
    arm(p, now_ms);
}

static void on_refused(void *self)
{
    struct pending *p = self;
    p->timer = 0;
    struct bus_answer answer = {.err = p->refusal};
    finish(p, &answer);
}

static void check_call(struct bus_client *client, const char *id,
                       struct err *err)
{
    struct pending *same = NULL;
    if (client->endpoint_err.code)
        *err = client->endpoint_err;
    else if (HASH_COUNT(client->by_id) >= MAX_CALLS)
        err_set(err, ERR_FULL, "%s: %d calls are under way", client->endpoint,
                MAX_CALLS);
    else if (strlen(id) > BUS_MAX_ID || !id[0])
        err_set(err, ERR_INVALID, "a call id has 1 to %d bytes", BUS_MAX_ID);
    else
        HASH_FIND(hh, client->by_id, id, strlen(id), same);
    if (same)
        err_set(err, ERR_EXISTS, "call %s is under way already", id);
}

void bus_client_call(struct bus_client *client, const char *route,
                     const char *id, const ProtobufCMessage *body,
                     int64_t deadline_ms,
                     void (*done)(void *self, const struct bus_answer *answer),
                     void *self)
{
    char new_id[UUID_TEXT_SIZE];
    if (!id) {
        uuid_new(new_id);
        id = new_id;
    }
    struct pending *p = xcalloc(1, sizeof *p);
    p->client = client;
    p->id = xstrdup(id);
    p->route = xstrdup(route);
    p->done = done;
    p->self = self;
    check_call(client, id, &p->refusal);
    if (p->refusal.code) {
        DL_APPEND(client->refused, p);
        p->timer = loop_soon(client->loop, on_refused, p);
        return;
    }
    int64_t now_ms = clock_mono_ms();
    envelope_pack(body, &p->body);
    p->deadline_ms = now_ms + MIN(MAX(deadline_ms, 1), INT32_MAX);
    p->interval_ms = FIRST_RESEND_MS;
    p->resend_ms = now_ms + p->interval_ms;
    DL_APPEND(client->calls, p);
    HASH_ADD_KEYPTR(hh, client->by_id, p->id, strlen(p->id), p);
    arm(p, now_ms);
    if (client->socket)
        pending_send(p, now_ms);
    else if (!client->reconnect_timer)
        connect_now(client); /* sends all that is under way */
}

/* ---- answers ----------------------------------------------------------- */

static void note_garbage(struct bus_client *client, const char *why)
{
    client->garbage++;
    if (bus_may_log(loop_now_ms(client->loop), &client->garbage_logged_ms))
        log_odd("bus_garbage", "endpoint=%s count=%llu why=%s",
                client->endpoint, (unsigned long long)client->garbage,
                log_q(why));
}

static void read_code(const Reeve__BusReply *reply, struct err *err)
{
    if (reply->version != BUS_VERSION)
        err_set(err, ERR_UNSUPPORTED, "the peer speaks bus version %u",
                reply->version);
    else if (reply->code > ERR_NOOP)
        err_set(err, ERR_IO, "error %u: %s", reply->code,
                str_or_empty(reply->error));
    else if (reply->code)
        err_set(err, (enum err_code)reply->code, "%s",
                str_or_empty(reply->error));
}

static void note_availability(struct bus_client *client, enum err_code code)
{
    if (code != ERR_UNAVAILABLE)
        client->unavailable_ms = 0;
    else if (!client->unavailable_ms)
        client->unavailable_ms = client->last_reply_ms;
}

static int on_reply(struct bus_client *client, const void *data, size_t len)
{
    struct err err = {0};
    Reeve__BusReply *reply = envelope_reply(data, len, &err);
    if (!reply) {
        note_garbage(client, err.text);
        return 0;
    }
    client->last_reply_ms = clock_mono_ms();
    client->reconnect_ms = FIRST_RECONNECT_MS;
    struct pending *p = NULL;
    int rc = 0;
    HASH_FIND(hh, client->by_id, reply->id, strlen(reply->id), p);
    if (p) { /* else answered or given up before */
        struct bus_answer answer = {.body = reply->body.data,
                                    .len = reply->body.len};
        read_code(reply, &answer.err);
        note_availability(client, answer.err.code);
        rc = finish(p, &answer);
    }
    reeve__bus_reply__free_unpacked(reply, NULL);
    return rc;
}

/* 1: one message read; 0: none; -1: the client is gone. */
static int receive(struct bus_client *client)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, client->socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&frame);
        return 0;
    }
    int rc = 0;
    if (!zmq_msg_more(&frame)) {
        rc = on_reply(client, zmq_msg_data(&frame), zmq_msg_size(&frame));
    } else {
        note_garbage(client, "not one frame");
        while (zmq_msg_more(&frame) &&
               zmq_msg_recv(&frame, client->socket, ZMQ_DONTWAIT) >= 0)
            ;
    }
    zmq_msg_close(&frame);
    return rc < 0 ? -1 : 1;
}

/* ---- the connection ---------------------------------------------------- */

static void disconnect(struct bus_client *client)
{
    if (!client->socket)
        return;
    loop_socket_remove(client->loop, client->monitor);
    loop_socket_remove(client->loop, client->socket);
    zmq_socket_monitor(client->socket, NULL, 0);
    zmq_close(client->monitor);
    zmq_close(client->socket);
    client->socket = client->monitor = NULL;
}

static bool take_lost_event(void *monitor)
{
    bool is_lost = false;
    for (;;) {
        uint8_t event[6];
        char address[256];
        if (zmq_recv(monitor, event, sizeof event, ZMQ_DONTWAIT) < 0)
            return is_lost;
        zmq_recv(monitor, address, sizeof address, ZMQ_DONTWAIT);
        uint16_t number;
        memcpy(&number, event, sizeof number);
        if (number & LOST_EVENTS)
            is_lost = true;
    }
}

static void on_monitor(void *self, void *monitor)
{
    struct bus_client *client = self;
    if (!take_lost_event(monitor))
        return;
    /* What arrived before the end is still good. */
    int rc;
    while ((rc = receive(client)) > 0)
        ;
    if (rc < 0)
        return;
    disconnect(client);
    if (!client->calls)
        return; /* the next call connects */
    client->reconnect_timer =
        loop_timer(client->loop, client->reconnect_ms, 0, connect_now, client);
    client->reconnect_ms = MIN(client->reconnect_ms * 2, LAST_RECONNECT_MS);
}

static void on_readable(void *self, void *socket UNUSED)
{
    struct bus_client *client = self;
    int rc = 1;
    for (int i = 0; i < MESSAGES_A_TURN && rc > 0; i++)
        rc = receive(client);
    if (rc < 0 || !client->unavailable_ms ||
        clock_mono_ms() - client->unavailable_ms < UNAVAILABLE_MAX_MS)
        return;
    client->unavailable_ms = 0;
    disconnect(client);
    connect_now(client);
}

static void open_monitor(struct bus_client *client)
{
    static uint64_t number;
    AUTO_FREE char *name =
        xasprintf("inproc://bus-client-%llu", (unsigned long long)++number);
    int rc = zmq_socket_monitor(client->socket, name, LOST_EVENTS);
    ASSERT(rc == 0);
    client->monitor = bus_socket(ZMQ_PAIR, 0);
    rc = zmq_connect(client->monitor, name);
    ASSERT(rc == 0);
    loop_socket(client->loop, client->monitor, on_monitor, client);
}

static void connect_now(void *self)
{
    struct bus_client *client = self;
    client->reconnect_timer = 0;
    int never = NEVER_MS, handshake_ms = HANDSHAKE_MS;
    client->socket = bus_socket(ZMQ_DEALER, 0);
    zmq_setsockopt(client->socket, ZMQ_RECONNECT_IVL, &never, sizeof never);
    zmq_setsockopt(client->socket, ZMQ_HANDSHAKE_IVL, &handshake_ms,
                   sizeof handshake_ms);
    open_monitor(client);
    loop_socket(client->loop, client->socket, on_readable, client);
    int rc = zmq_connect(client->socket, client->endpoint);
    ASSERT(rc == 0); /* the endpoint was checked */
    int64_t now_ms = clock_mono_ms();
    struct pending *p;
    DL_FOREACH(client->calls, p)
    {
        pending_send(p, now_ms);
    }
}

/* ---- life -------------------------------------------------------------- */

struct bus_client *bus_client_new(struct loop *loop, const char *from,
                                  const char *endpoint)
{
    struct bus_client *client = xcalloc(1, sizeof *client);
    client->loop = loop;
    client->from = xstrdup(from);
    client->endpoint = xstrdup(endpoint);
    client->last_reply_ms = -1;
    client->reconnect_ms = FIRST_RECONNECT_MS;
    bus_endpoint_check(endpoint, &client->endpoint_err);
    return client;
}

void bus_client_destroy(struct bus_client **client_p)
{
    struct bus_client *client = *client_p;
    *client_p = NULL;
    if (!client)
        return;
    client->is_dead = true;
    if (client->busy)
        return; /* finish() comes back here */
    disconnect(client);
    loop_timer_cancel(client->loop, client->reconnect_timer);
    while (client->calls)
        pending_free(client->calls);
    while (client->refused)
        pending_free(client->refused);
    free(client->from);
    free(client->endpoint);
    free(client);
}

int64_t bus_client_silence_ms(const struct bus_client *client)
{
    return client->last_reply_ms < 0 ? -1
                                     : clock_mono_ms() - client->last_reply_ms;
}

/* ---- one call without a loop ------------------------------------------- */

struct once {
    struct loop *loop;
    struct bus_answer answer;
    struct buf body;
};

static void on_once(void *self, const struct bus_answer *answer)
{
    struct once *once = self;
    once->answer.err = answer->err;
    buf_add(&once->body, answer->body, answer->len);
    loop_stop(once->loop);
}

int bus_call_once(const char *endpoint, const char *from, const char *route,
                  const ProtobufCMessage *request, int64_t deadline_ms,
                  uint8_t **body, size_t *len, struct err *err)
{
    struct once once = {.loop = loop_new()};
    struct bus_client *client = bus_client_new(once.loop, from, endpoint);
    bus_client_call(client, route, NULL, request, deadline_ms, on_once, &once);
    loop_run(once.loop);
    bus_client_destroy(&client);
    loop_destroy(&once.loop);
    if (once.answer.err.code) {
        buf_free(&once.body);
        return err_set(err, once.answer.err.code, "%s", once.answer.err.text);
    }
    *body = (uint8_t *)buf_take(&once.body, len);
    return 0;
}
