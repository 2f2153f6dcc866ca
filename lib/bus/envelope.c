/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bus/envelope.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

static bool is_text(const char *s, size_t min, size_t max)
{
    size_t len = s ? strlen(s) : 0;
    if (len < min || len > max)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return false;
    return true;
}

Reeve__BusRequest *envelope_request(const void *data, size_t len,
                                    struct err *err)
{
    return envelope_request_in(NULL, data, len, err);
}

Reeve__BusRequest *envelope_request_in(ProtobufCAllocator *memory,
                                       const void *data, size_t len,
                                       struct err *err)
{
    Reeve__BusRequest *m = reeve__bus_request__unpack(memory, len, data);
    if (m && is_text(m->id, 1, BUS_MAX_ID) &&
        is_text(m->route, 1, BUS_MAX_ROUTE) &&
        is_text(m->from, 0, BUS_MAX_FROM))
        return m;
    err_set(err, ERR_INVALID,
            m ? "request without a sane id, route or from" : "not a request");
    if (m)
        reeve__bus_request__free_unpacked(m, memory);
    return NULL;
}

Reeve__BusReply *envelope_reply(const void *data, size_t len, struct err *err)
{
    Reeve__BusReply *m = reeve__bus_reply__unpack(NULL, len, data);
    if (m && is_text(m->id, 1, BUS_MAX_ID))
        return m;
    err_set(err, ERR_INVALID, m ? "reply without a sane id" : "not a reply");
    if (m)
        reeve__bus_reply__free_unpacked(m, NULL);
    return NULL;
}

void envelope_pack(const ProtobufCMessage *message, struct buf *out)
{
    if (!message)
        return;
    size_t size = protobuf_c_message_get_packed_size(message);
    buf_reserve(out, size);
    protobuf_c_message_pack(message, (uint8_t *)out->data + out->len);
    out->len += size;
    out->data[out->len] = '\0';
}
