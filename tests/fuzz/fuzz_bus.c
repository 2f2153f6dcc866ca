/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request, a reply, or the frames of an event.
 *
 * First byte: which decoder.  For events the second byte is the length of the
 * topic; the revision takes the next 8, the body the rest.  Decoded events are
 * also fed to the gap rule, which must never go back or skip.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/bus/envelope.h"
#include "lib/bus/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(const uint8_t *data, size_t size)
{
    Reeve__BusRequest *m = envelope_request(data, size, NULL);
    if (!m)
        return;
    ASSERT(m->id && m->id[0] && m->route && m->route[0]);
    AUTO_BUF struct buf again = {0};
    envelope_pack(&m->base, &again);
    reeve__bus_request__free_unpacked(m, NULL);
}

static void try_reply(const uint8_t *data, size_t size)
{
    Reeve__BusReply *m = envelope_reply(data, size, NULL);
    if (!m)
        return;
    ASSERT(m->id && m->id[0]);
    reeve__bus_reply__free_unpacked(m, NULL);
}

static void try_event(const uint8_t *data, size_t size)
{
    if (size < 1 || size - 1 < data[0])
        return;
    size_t topic_len = data[0], rest = size - 1 - topic_len;
    struct feed_frames f = {.topic = data + 1, .topic_len = topic_len};
    f.revision = data + 1 + topic_len;
    f.revision_len = MIN(rest, 8);
    f.body = data + 1 + topic_len + f.revision_len;
    f.body_len = rest - f.revision_len;
    struct err err = {0};
    Reeve__Event *event = feed_decode(&f, &err);
    if (!event)
        return;
    for (uint64_t at = 0; at < 4; at++) {
        struct feed_position p;
        feed_start(&p, at, event->lineage);
        enum feed_step step = feed_advance(&p, event);
        ASSERT(p.revision == at + (step == FEED_LAST));
        ASSERT(step != FEED_LAST || event->count == 1);
    }
    reeve__event__free_unpacked(event, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        try_request(data + 1, size - 1);
        break;
    case 1:
        try_reply(data + 1, size - 1);
        break;
    case 2:
        try_event(data + 1, size - 1);
        break;
    }
    return 0;
}
