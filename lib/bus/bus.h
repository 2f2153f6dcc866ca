/* SPDX-License-Identifier: Apache-2.0 */
/* bus - request/reply and publish between the processes of a suite
 *
 * An answering service binds one ROUTER; callers use DEALER.  The envelope is
 * proto/bus.proto.  A call has one id for its whole life: it is resent when no
 * answer came within a second (doubling to 5 s) until its deadline, so every
 * handler must be idempotent per id (the server drops a repeat of a call that
 * it is still working on; state-store and planner remember results).
 *
 * Endpoints: ipc:// or loopback tcp:// only for now; anything else is refused.
 */
#ifndef REEVE_LIB_BUS_BUS_H
#define REEVE_LIB_BUS_BUS_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct loop;

/* ---- answering --------------------------------------------------------- */
struct bus_server;
struct bus_call; /* one request; answered exactly once */

struct bus_route {
    const char *name; /* "store.txn"; a NULL name ends the table */
    /* 0: answered or kept; -1: the bus answers with *err. */
    int (*handle)(void *self, struct bus_call *call, struct err *err);
};

/* Binds; ERR_EXISTS when another process answers there. self goes to handlers.
 * Several tables may be added; the first match wins. */
struct bus_server *bus_server_new(struct loop *loop, const char *endpoint,
                                  struct err *err);
void bus_server_add_routes(struct bus_server *server,
                           const struct bus_route *routes, void *self);
/* Calls still kept are answered ERR_UNAVAILABLE. */
void bus_server_destroy(struct bus_server **server);

struct bus_server_stats {
    uint64_t requests, replies, garbage, unknown_route, repeats;
};
void bus_server_stats(const struct bus_server *server,
                      struct bus_server_stats *out);

const char *bus_call_id(const struct bus_call *call);
const char *bus_call_from(const struct bus_call *call);
/* The body is there until the handler returns, also when it keeps the call. */
const uint8_t *bus_call_body(const struct bus_call *call, size_t *len);
/* Decodes the body; NULL with ERR_INVALID if it does not parse.  The caller
 * frees with protobuf_c_message_free_unpacked. */
ProtobufCMessage *bus_call_decode(const struct bus_call *call,
                                  const ProtobufCMessageDescriptor *type,
                                  struct err *err);
/* With memory of the caller's (arena.h). */
ProtobufCMessage *bus_call_decode_in(const struct bus_call *call,
                                     const ProtobufCMessageDescriptor *type,
                                     ProtobufCAllocator *memory,
                                     struct err *err);
/* Answer now or later (a handler that returned 0 without answering keeps the
 * call).  The call is freed.  body may be NULL for an empty message. */
void bus_call_reply(struct bus_call *call, const ProtobufCMessage *body);
void bus_call_fail(struct bus_call *call, const struct err *err,
                   const ProtobufCMessage *body);

/* ---- calling ----------------------------------------------------------- */
struct bus_client;

struct bus_answer {
    struct err err;      /* code ERR_NONE: ok; ERR_TIMEOUT: deadline passed */
    const uint8_t *body; /* borrowed during the callback; may be set on error */
    size_t len;
};

/* from: our name in the envelope.  Connects lazily; the peer may come and go.
 */
struct bus_client *bus_client_new(struct loop *loop, const char *from,
                                  const char *endpoint);
/* Calls under way are dropped without their callback. */
void bus_client_destroy(struct bus_client **client);

/* Sends; done is called exactly once, never from inside this function.
 * id: NULL for a new one.  deadline_ms from now; at most max 10,000 calls under
 * way: beyond, done gets ERR_FULL. */
void bus_client_call(struct bus_client *client, const char *route,
                     const char *id, const ProtobufCMessage *body,
                     int64_t deadline_ms,
                     void (*done)(void *self, const struct bus_answer *answer),
                     void *self);
/* Milliseconds since the peer last answered anything, -1 if never. */
int64_t bus_client_silence_ms(const struct bus_client *client);

/* One call without a loop; for the CLI and tests.  On success *body holds
 * malloc'd bytes that the caller frees. */
int bus_call_once(const char *endpoint, const char *from, const char *route,
                  const ProtobufCMessage *request, int64_t deadline_ms,
                  uint8_t **body, size_t *len, struct err *err);

/* ---- publishing -------------------------------------------------------- */
struct bus_pub;
/* high_water: messages queued per subscriber before it loses some. */
struct bus_pub *bus_pub_new(const char *endpoint, int high_water,
                            struct err *err);
void bus_pub_destroy(struct bus_pub **pub);
/* topic, revision (8 bytes big endian), body. Never blocks. */
void bus_pub_send(struct bus_pub *pub, const char *topic, uint64_t revision,
                  const ProtobufCMessage *body);
/* Bytes of messages that sockets still hold for somebody. */
size_t bus_pub_in_flight(const struct bus_pub *pub);

/* Endpoint of a service's socket in a run dir: "ipc://<dir>/<name>";
 * ERR_INVALID when the path is longer than the 107 bytes of a unix socket. */
int bus_endpoint(const char *run_dir, const char *name, char *out, size_t size,
                 struct err *err);
/* ipc:// with a path, or tcp:// on loopback with a port; else ERR_INVALID,
 * ERR_UNSUPPORTED for tcp off loopback. */
int bus_endpoint_check(const char *endpoint, struct err *err);

#endif
