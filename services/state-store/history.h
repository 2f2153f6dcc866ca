/* SPDX-License-Identifier: Apache-2.0 */
/* history - which run of the store wrote which records
 *
 * Every start of a store makes a random run id and logs it.  Two copies of one
 * lineage are parts of the same history only if the shorter one's last record
 * was written by the same run in the longer one; else each was written without
 * the other and neither may overwrite the other.  Pure state.
 */
#ifndef REEVE_STATE_STORE_HISTORY_H
#define REEVE_STATE_STORE_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "services/state-store/limits.h"

struct run {
    uint64_t id;        /* random, never 0 */
    uint64_t first_seq; /* of its first record */
};

/* Zero-initialised is empty.  At the bound the oldest run is forgotten. */
struct history {
    struct run *runs; /* oldest first */
    size_t n, cap;
};

void history_add(struct history *history, struct run run);
/* The run that wrote record seq; 0 when that is not known any more. */
uint64_t history_run_at(const struct history *history, uint64_t seq);
void history_copy(struct history *to, const struct history *from);
void history_free(struct history *history);

#endif
