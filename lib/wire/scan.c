/* SPDX-License-Identifier: Apache-2.0 */
/* scan - see scan.h
 *
 * Does not check required fields and value types; unpacking does.
 */
#include "lib/wire/scan.h"

#include <stdbool.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/field.h"

enum {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};
/* What unpacking spends on each field beside its value (its own table of what
 * it has seen, allocator overhead). */
#define FIELD_COST  64
#define FREE_MEMORY ((size_t)16 << 20)
#define RATIO       64

struct scan {
    size_t memory; /* left */
    int depth;
};

struct cursor {
    const uint8_t *at, *end;
};

static bool read_varint(struct cursor *c, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool skip(struct cursor *c, uint64_t n)
{
    if (n > (uint64_t)(c->end - c->at))
        return false;
    c->at += n;
    return true;
}

/* Steps over a value; *body and *body_len are set for length-delimited ones. */
static bool skip_value(struct cursor *c, unsigned wire_type,
                       const uint8_t **body, uint64_t *body_len)
{
    uint64_t number;
    *body = NULL;
    switch (wire_type) {
    case WIRE_VARINT:
        return read_varint(c, &number);
    case WIRE_FIXED64:
        return skip(c, 8);
    case WIRE_FIXED32:
        return skip(c, 4);
    case WIRE_BYTES:
        if (!read_varint(c, body_len))
            return false;
        *body = c->at;
        return skip(c, *body_len);
    default:
        return false; /* groups are not spoken */
    }
}

static bool spend(struct scan *scan, size_t bytes)
{
    if (bytes > scan->memory)
        return false;
    scan->memory -= bytes;
    return true;
}

static int scan_message(struct scan *scan,
                        const ProtobufCMessageDescriptor *type,
                        const uint8_t *data, size_t len, struct err *err);

static int scan_field(struct scan *scan, const ProtobufCMessageDescriptor *type,
                      struct cursor *c, struct err *err)
{
    uint64_t tag, body_len = 0;
    const uint8_t *body;
    if (!read_varint(c, &tag) || tag >> 3 == 0 || tag > UINT32_MAX ||
        !skip_value(c, tag & 7, &body, &body_len))
        return err_set(err, ERR_INVALID, "%s: damaged bytes", type->name);

    if (!spend(scan, FIELD_COST))
        return err_set(err, ERR_INVALID, "%s: too many fields", type->name);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
    if (!body || !field)
        return 0;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_message(scan, field->descriptor, body, (size_t)body_len,
                            err);
    /* Packed numbers: a byte may become eight. */
    if (!spend(scan, field->label == PROTOBUF_C_LABEL_REPEATED
                         ? (size_t)body_len * 8
                         : (size_t)body_len))
        return err_set(err, ERR_INVALID, "%s: too many values", type->name);
    return 0;
}

static int scan_message(struct scan *scan,
                        const ProtobufCMessageDescriptor *type,
                        const uint8_t *data, size_t len, struct err *err)
{
    if (scan->depth >= WIRE_MAX_DEPTH)
        return err_set(err, ERR_INVALID, "%s: nested deeper than %d",
                       type->name, WIRE_MAX_DEPTH);
    if (!spend(scan, type->sizeof_message))
        return err_set(err, ERR_INVALID, "%s: too many messages", type->name);
    scan->depth++;
    struct cursor c = {data, data + len};
    while (c.at < c.end)
        if (scan_field(scan, type, &c, err) < 0)
            return -1;
    scan->depth--;
    return 0;
}

int wire_scan(const ProtobufCMessageDescriptor *type, const uint8_t *data,
              size_t len, struct err *err)
{
    if (len > SIZE_MAX / RATIO)
        return err_set(err, ERR_INVALID, "%s: too long", type->name);
    struct scan scan = {.memory = MAX(FREE_MEMORY, len * RATIO)};
    return scan_message(&scan, type, data, len, err);
}
