/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a protobuf message.  First byte: which one.  What is accepted
 * can be encoded, decoded and printed. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/wire/pool.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/master.pb-c.h"
#include "proto/mesos/v1/scheduler.pb-c.h"
#include "proto/records.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &mesos__v1__scheduler__event__descriptor,
    &mesos__v1__scheduler__call__descriptor,
    &mesos__v1__master__call__descriptor,
    &mesos__v1__master__response__descriptor,
    &reeve__config__descriptor,
};

static void check_pool(const ProtobufCMessageDescriptor *type,
                       const uint8_t *data, size_t len,
                       const ProtobufCMessage *message)
{
    static const char *const own[] = {"name", "value", NULL};
    const struct wire_pool_rule rule = {.own = own};
    struct wire_pool *pool = wire_pool_new();
    ProtobufCMessage *kept =
        wire_pool_decode(pool, type, data, len, &rule, NULL);
    ASSERT((kept != NULL) == (message != NULL));
    ASSERT(!kept || wire_equal(kept, message));
    wire_pool_free(pool, &kept);
    wire_pool_destroy(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % ARRAY_LEN(types)];
    AUTO_MESSAGE ProtobufCMessage *message =
        wire_decode(type, data + 1, size - 1, NULL);
    check_pool(type, data + 1, size - 1, message);
    if (!message)
        return 0;
    AUTO_BUF struct buf bytes = {0};
    AUTO_BUF struct buf text = {0};
    wire_encode(message, &bytes);
    AUTO_MESSAGE ProtobufCMessage *again =
        wire_decode(type, bytes.data, bytes.len, NULL);
    ASSERT(again && wire_equal(message, again));
    wire_to_json_text(message, data[0] & 3, &text);
    json_t *json = json_loadb(text.data, text.len, 0, NULL);
    ASSERT(json);
    json_decref(json);
    return 0;
}
