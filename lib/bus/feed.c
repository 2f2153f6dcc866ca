/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bus/feed.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

enum { MAX_KEY = 512 };

static bool same_text(const char *text, const void *bytes, size_t len)
{
    return strlen(text) == len && memcmp(text, bytes, len) == 0;
}

static const char *why_bad(const Reeve__Event *event,
                           const struct feed_frames *frames)
{
    uint64_t revision;
    memcpy(&revision, frames->revision, sizeof revision);
    if (!event->has_revision || event->revision != be64toh(revision))
        return "the revision frame and the event differ";
    if (same_text(FEED_TICK_TOPIC, frames->topic, frames->topic_len))
        return event->key ? "a tick with a key" : NULL;
    if (!event->key || !event->key[0] || strlen(event->key) > MAX_KEY)
        return "no sane key";
    if (!same_text(event->key, frames->topic, frames->topic_len))
        return "the topic is not the key";
    if (event->index >= event->count)
        return "an index that is not below its count";
    if (event->revision == 0)
        return "revision 0";
    return NULL;
}

Reeve__Event *feed_decode(const struct feed_frames *frames, struct err *err)
{
    if (frames->revision_len != sizeof(uint64_t)) {
        err_set(err, ERR_INVALID, "a revision frame of %zu bytes",
                frames->revision_len);
        return NULL;
    }
    Reeve__Event *event =
        reeve__event__unpack(NULL, frames->body_len, frames->body);
    const char *why = event ? why_bad(event, frames) : "not an event";
    if (!why)
        return event;
    err_set(err, ERR_INVALID, "%s", why);
    if (event)
        reeve__event__free_unpacked(event, NULL);
    return NULL;
}

bool feed_is_tick(const Reeve__Event *event)
{
    return event->key == NULL;
}

void feed_start(struct feed_position *p, uint64_t revision, const char *lineage)
{
    *p = (struct feed_position){.revision = revision};
    snprintf(p->lineage, sizeof p->lineage, "%s", str_or_empty(lineage));
}

static enum feed_step advance_tick(struct feed_position *p,
                                   const Reeve__Event *tick)
{
    const char *lineage = str_or_empty(tick->lineage);
    if (lineage[0] && p->lineage[0] && strcmp(lineage, p->lineage) != 0)
        return FEED_GAP;
    if (tick->revision > p->revision)
        return FEED_GAP;
    if (tick->revision == p->revision) {
        p->lower_ticks = 0;
        return FEED_OLD;
    }
    /* One may have been sent before the snapshot was taken; a second one says
     * that the store went back. */
    return ++p->lower_ticks < 2 ? FEED_OLD : FEED_GAP;
}

enum feed_step feed_advance(struct feed_position *p, const Reeve__Event *event)
{
    if (feed_is_tick(event))
        return advance_tick(p, event);
    if (event->revision <= p->revision)
        return FEED_OLD;
    if (event->revision != p->revision + 1)
        return FEED_GAP;
    if (event->index < p->next_index)
        return FEED_OLD;
    if (event->index != p->next_index ||
        (p->next_index > 0 && event->count != p->count))
        return FEED_GAP;
    p->next_index++;
    p->count = event->count;
    if (p->next_index < p->count)
        return FEED_PART;
    p->revision++;
    p->next_index = 0;
    return FEED_LAST;
}
