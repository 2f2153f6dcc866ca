/* SPDX-License-Identifier: Apache-2.0 */
/* retained - the last transactions that were published, for who missed some
 *
 * Bounded in number and bytes; always an unbroken run of revisions that ends
 * with the newest one published.  Holds references.  Pure state.
 */
#ifndef REEVE_STATE_STORE_RETAINED_H
#define REEVE_STATE_STORE_RETAINED_H

#include <stddef.h>
#include <stdint.h>

#include "services/state-store/record.h"

/* Set the bounds and the revision before the first push; the rest zero. */
struct retained {
    size_t max_records, max_bytes;
    uint64_t revision; /* of the newest, held or not */
    struct record **ring;
    size_t cap, first, n, bytes;
};

/* The transaction of the next revision; takes a reference of its own.  One that
 * alone is over the bounds empties the rest and is not held. */
void retained_push(struct retained *retained, struct record *record);
/* What came after this revision and later is held. */
uint64_t retained_oldest(const struct retained *retained);
/* Borrowed; NULL when that revision is not held. */
struct record *retained_at(const struct retained *retained, uint64_t revision);
/* Forgets all; the next one pushed is of the revision after this. */
void retained_clear(struct retained *retained, uint64_t revision);
void retained_free(struct retained *retained);

#endif
