/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JSON of a message.  First byte: which one.  What is accepted
 * comes out the same after JSON and bytes. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/master.pb-c.h"
#include "proto/mesos/v1/scheduler.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &mesos__v1__scheduler__call__descriptor,
    &mesos__v1__scheduler__event__descriptor,
    &mesos__v1__master__call__descriptor,
    &mesos__v1__resource__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % ARRAY_LEN(types)];
    AUTO_MESSAGE ProtobufCMessage *message =
        wire_from_json_text(type, (const char *)data + 1, size - 1, NULL);
    if (!message)
        return 0;
    AUTO_BUF struct buf first = {0};
    AUTO_BUF struct buf second = {0};
    wire_to_json_text(message, WIRE_JSON_PROTO, &first);
    AUTO_MESSAGE ProtobufCMessage *again =
        wire_from_json_text(type, first.data, first.len, NULL);
    ASSERT(again);
    wire_to_json_text(again, WIRE_JSON_PROTO, &second);
    ASSERT(str_eq(buf_text(&first), buf_text(&second)));
    AUTO_MESSAGE ProtobufCMessage *copy = wire_dup(message);
    ASSERT(wire_equal(copy, message));
    return 0;
}
