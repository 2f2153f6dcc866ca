/* SPDX-License-Identifier: Apache-2.0 */
/* record_queue - records in order of seq, without gaps, and their size
 *
 * Holds a reference on each.  The caller bounds it by bytes.
 */
#ifndef REEVE_STATE_STORE_RECORD_QUEUE_H
#define REEVE_STATE_STORE_RECORD_QUEUE_H

#include <stdint.h>

#include "services/state-store/record.h"

/* Zero-initialised is empty. */
struct record_queue {
    struct record **ring;
    size_t cap, first, n;
    size_t bytes;
};

/* Takes a reference of its own. */
void record_queue_push(struct record_queue *queue, struct record *record);
/* The oldest, with the queue's reference; NULL when empty. */
struct record *record_queue_pop(struct record_queue *queue);
/* Borrowed; NULL when that seq is not held. */
struct record *record_queue_at(const struct record_queue *queue, uint64_t seq);
struct record *record_queue_first(const struct record_queue *queue);
void record_queue_clear(struct record_queue *queue);
void record_queue_free(struct record_queue *queue);

#endif
