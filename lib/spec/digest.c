/* SPDX-License-Identifier: Apache-2.0 */
/* digest - one hash of all that makes a pod's tasks what they are
 *
 * The order in which a file lists tasks, ports, volumes and the like does not
 * count: repeated messages are sorted by their bytes first.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/id.h"
#include "lib/spec/spec.h"

static void pack(const ProtobufCMessage *message, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);

    buf_reserve(out, len);
    protobuf_c_message_pack(message, (uint8_t *)out->data + out->len);
    out->len += len;
    out->data[out->len] = '\0';
}

static int compare_messages(const void *a, const void *b)
{
    AUTO_BUF struct buf x = {0}, y = {0};

    pack(*(const ProtobufCMessage *const *)a, &x);
    pack(*(const ProtobufCMessage *const *)b, &y);
    int rc = memcmp(x.data, y.data, MIN(x.len, y.len));
    return rc ? rc : (x.len > y.len) - (x.len < y.len);
}

/* Depth is that of the message types, which are not recursive. */
static void canonicalise(ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        char *at = (char *)message + field->offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            ProtobufCMessage *child = *(ProtobufCMessage **)at;
            if (child)
                canonicalise(child);
            continue;
        }
        size_t n = *(size_t *)((char *)message + field->quantifier_offset);
        ProtobufCMessage **children = *(ProtobufCMessage ***)at;
        for (size_t j = 0; j < n; j++)
            canonicalise(children[j]);
        if (n > 1)
            qsort(children, n, sizeof(*children), compare_messages);
    }
}

static Reeve__PodSpec *dup_pod(const Reeve__PodSpec *pod)
{
    AUTO_BUF struct buf bytes = {0};

    pack(&pod->base, &bytes);
    Reeve__PodSpec *copy =
        reeve__pod_spec__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    ASSERT(copy);
    return copy;
}

/* What a volume may become is nothing that its tasks are made of. */
static void drop_permits(Reeve__VolumeSpec **volumes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        volumes[i]->has_allow_shrink = false;
}

void spec_pod_digest(const Reeve__ServiceSpec *spec, const Reeve__PodSpec *pod,
                     char out[65])
{
    AUTO_BUF struct buf bytes = {0};
    Reeve__PodSpec *copy = dup_pod(pod);

    copy->has_count = copy->has_allow_decommission = false;
    drop_permits(copy->volumes, copy->n_volumes);
    for (size_t i = 0; i < copy->n_resource_sets; i++)
        drop_permits(copy->resource_sets[i]->volumes,
                     copy->resource_sets[i]->n_volumes);
    free(copy->placement);
    copy->placement = NULL;
    canonicalise(&copy->base);
    pack(&copy->base, &bytes);
    reeve__pod_spec__free_unpacked(copy, NULL);
    buf_add_str(&bytes, str_or_empty(spec->user));
    sha256_hex(bytes.data, bytes.len, out);
}
