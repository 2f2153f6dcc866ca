/* SPDX-License-Identifier: Apache-2.0 */
/* pb - see pb.h */
#include "lib/wire/pb.h"

#include <stdint.h>

#include "lib/base/buf.h"

void *pb_new(const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = xmalloc(type->sizeof_message);

    protobuf_c_message_init(type, message);
    return message;
}

void pb_str(char **field, const char *text)
{
    char *copy = xstrdup(text);

    /* protobuf-c's own default for an unset string; not ours to free. */
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = copy;
}

void pb_bytes(ProtobufCBinaryData *field, protobuf_c_boolean *has,
              const void *data, size_t len)
{
    uint8_t *copy = len ? xmemdup(data, len) : NULL;

    if (*has)
        free(field->data);
    *has = true;
    field->data = copy;
    field->len = len;
}

void pb_encoded(ProtobufCBinaryData *field, protobuf_c_boolean *has,
                const ProtobufCMessage *inner)
{
    AUTO_BUF struct buf bytes = {0};

    wire_encode(inner, &bytes);
    pb_bytes(field, has, bytes.data, bytes.len);
}

void pb_clear_strs(char ***list, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        free((*list)[i]);
    free(*list);
    *list = NULL;
    *count = 0;
}
