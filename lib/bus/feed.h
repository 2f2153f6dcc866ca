/* SPDX-License-Identifier: Apache-2.0 */
/* feed - what the store publishes: decoding and the gap rule (internal)
 *
 * Pure.  A message is topic, revision (8 bytes, big endian) and an Event; a
 * transaction of n changes is n messages of one revision, index 0..n-1.
 */
#ifndef REEVE_LIB_BUS_FEED_H
#define REEVE_LIB_BUS_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/store.pb-c.h"

struct err;

#define FEED_TICK_TOPIC "~tick"

struct feed_frames { /* borrowed */
    const void *topic, *revision, *body;
    size_t topic_len, revision_len, body_len;
};
/* NULL with ERR_INVALID for anything that is not a sane event or tick; free
 * with reeve__event__free_unpacked.  A tick has no key. */
Reeve__Event *feed_decode(const struct feed_frames *frames, struct err *err);
bool feed_is_tick(const Reeve__Event *event);

struct feed_position {
    uint64_t revision;   /* all up to here was seen */
    uint32_t next_index; /* of revision + 1, when part of it was seen */
    uint32_t count;      /* of that part's transaction */
    int lower_ticks;     /* ticks in a row that said less than revision */
    char lineage[64];    /* "": not known */
};
/* Everything up to this revision is known now. */
void feed_start(struct feed_position *position, uint64_t revision,
                const char *lineage);

enum feed_step {
    FEED_OLD,  /* seen before, or a tick that tells nothing new */
    FEED_PART, /* the next one; its transaction is not complete */
    FEED_LAST, /* the next one, and its transaction is complete */
    FEED_GAP,  /* something was lost, or the store has another history */
};
enum feed_step feed_advance(struct feed_position *position,
                            const Reeve__Event *event);

#endif
