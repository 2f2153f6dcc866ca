/* SPDX-License-Identifier: Apache-2.0 */
/* envelope - bytes of a peer to BusRequest and BusReply, and back (internal)
 *
 * Pure.  Decoding copes with any bytes; what it returns has an id (and, for a
 * request, a route) of sane length.
 */
#ifndef REEVE_LIB_BUS_ENVELOPE_H
#define REEVE_LIB_BUS_ENVELOPE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/bus.pb-c.h"

struct buf;
struct err;

enum {
    BUS_VERSION = 1,
    BUS_MAX_ID = 128,
    BUS_MAX_ROUTE = 128,
    BUS_MAX_FROM = 256,
};

/* NULL with ERR_INVALID; the version is not looked at. */
Reeve__BusRequest *envelope_request(const void *data, size_t len,
                                    struct err *err);
/* With memory of the caller's; NULL: malloc. */
Reeve__BusRequest *envelope_request_in(ProtobufCAllocator *memory,
                                       const void *data, size_t len,
                                       struct err *err);
Reeve__BusReply *envelope_reply(const void *data, size_t len, struct err *err);

/* Appends an encoded message; NULL appends nothing. */
void envelope_pack(const ProtobufCMessage *message, struct buf *out);

#endif
