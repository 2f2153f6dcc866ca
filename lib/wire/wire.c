/* SPDX-License-Identifier: Apache-2.0 */
/* wire - messages to bytes and back; enum names.  JSON is in json_*.c, copies
 * in dup.c
 *
 * Every message made here uses plain malloc, as protobuf-c's default does.
 */
#include "lib/wire/wire.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/scan.h"

void wire_encode(const ProtobufCMessage *message, struct buf *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    buf_reserve(out, size);
    size_t written =
        protobuf_c_message_pack(message, (uint8_t *)out->data + out->len);
    ASSERT(written == size);
    out->len += size;
    out->data[out->len] = '\0';
}

ProtobufCMessage *wire_decode(const ProtobufCMessageDescriptor *type,
                              const void *data, size_t len, struct err *err)
{
    static const uint8_t nothing[1];
    const uint8_t *bytes = len ? data : nothing;
    if (wire_scan(type, bytes, len, err) < 0)
        return NULL;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, NULL, len, bytes);
    if (!message)
        err_set(err, ERR_INVALID,
                "%s: a required field is missing or has a wrong type",
                type->name);
    return message;
}

void wire_free(ProtobufCMessage **message)
{
    if (*message)
        protobuf_c_message_free_unpacked(*message, NULL);
    *message = NULL;
}

void wire_auto_free(void *pointer_to_message)
{
    /* A message's base is its first member, so the pointers are the same. */
    ProtobufCMessage *message;
    memcpy(&message, pointer_to_message, sizeof(message));
    wire_free(&message);
    memcpy(pointer_to_message, &message, sizeof(message));
}

bool wire_equal(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    if (a->descriptor != b->descriptor)
        return false;
    AUTO_BUF struct buf x = {0};
    AUTO_BUF struct buf y = {0};
    wire_encode(a, &x);
    wire_encode(b, &y);
    return x.len == y.len && !memcmp(x.data, y.data, x.len);
}

const char *wire_enum_name(const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *found =
        protobuf_c_enum_descriptor_get_value(type, value);
    return found ? found->name : NULL;
}

bool wire_enum_value(const ProtobufCEnumDescriptor *type, const char *name,
                     int *out)
{
    const ProtobufCEnumValue *found =
        protobuf_c_enum_descriptor_get_value_by_name(type, name);
    if (!found)
        return false;
    *out = found->value;
    return true;
}
