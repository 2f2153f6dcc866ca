/* SPDX-License-Identifier: Apache-2.0 */
/* wal_replay - the data folder back into a table, once, at start
 *
 * Newest snapshot, then every record behind it.  A torn end of the newest
 * segment is cut off: it was never acknowledged.  Anything else that does not
 * read is refused with file and offset, and nothing is changed then.
 */
#ifndef REEVE_STATE_STORE_WAL_REPLAY_H
#define REEVE_STATE_STORE_WAL_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "services/state-store/record_queue.h"

struct err;
struct table;

struct wal_segment {
    uint64_t first_seq;
    uint64_t bytes; /* of header and records */
};

struct wal_found {
    struct table *table;          /* NULL: the folder holds no state */
    struct wal_segment *segments; /* that are needed, oldest first; may be 0 */
    size_t n_segments;
    struct record_queue tail; /* the last of the records, for catching up */
    uint64_t salt;            /* of the newest segment */
    uint64_t torn_bytes;      /* cut off from a record on that was begun */
    uint64_t records;         /* applied from the log */
    uint64_t snapshot_seq, snapshot_bytes; /* 0: there is none */
    uint64_t snapshot_revision;
};

/* Zero *found before; free with wal_found_free.  ERR_CORRUPT (the text says
 * what to do), ERR_UNSUPPORTED (a newer format), ERR_IO. */
int wal_recover(const char *dir, struct wal_found *found, struct err *err);
void wal_found_free(struct wal_found *found);

char *wal_segment_path(const char *dir, uint64_t first_seq);

#endif
