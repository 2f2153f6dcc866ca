/* SPDX-License-Identifier: Apache-2.0 */
/* wal - the log being written: append, sync in groups, rotate, drop
 *
 * Two buffers: while the writing thread writes and syncs one, new records fill
 * the other; when the thread is done the filled one goes next, so all that came
 * in meanwhile shares one fdatasync.  The thread touches nothing but the file
 * and the buffer it was handed, and tells by an eventfd.  One small record that
 * comes alone need not go through the thread (wal_sync_here).
 *
 * A failed write or sync is final: what the disk holds is not known any more.
 * The caller must end the process; a new one reads what is there.
 */
#ifndef REEVE_STATE_STORE_WAL_H
#define REEVE_STATE_STORE_WAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct discard;
struct err;
struct record;
struct wal;
struct wal_found;

struct wal_config {
    const char *dir;
    uint8_t lineage[16];
    uint64_t segment_bytes; /* a new segment after so many */
    /* Segments that hold nothing needed are used again, as long as all of them
     * have no more than this; 0: none is. */
    uint64_t keep_bytes;
    struct discard *discard; /* of all others; may be NULL */
    uint64_t next_seq;       /* of the first record that will be appended */
    uint64_t revision;       /* before it */
    /* Where replay ended; NULL or without segments: starts a segment. */
    const struct wal_found *found;
};
struct wal *wal_open(const struct wal_config *config, struct err *err);
/* Writes and syncs what was appended (unless the log failed) and stops. */
void wal_destroy(struct wal **wal);

/* Records must come in order of seq.  Not durable yet. */
void wal_append(struct wal *wal, const struct record *record);
/* Hands over what was appended, if the thread has nothing to do. */
void wal_flush(struct wal *wal);

struct wal_batch {
    uint64_t seq; /* everything up to here is durable */
    uint64_t records, bytes;
    int64_t sync_us;
    bool gave_up_reserve; /* the disk was full */
};

/* One small record waits alone, the thread has nothing to do, the disk was
 * quick of late and nothing but the record is to be written: then two threads
 * waking each other would cost half as much as the sync. */
bool wal_may_sync_here(const struct wal *wal);
/* Only then.  1: it is durable; -1: the log failed. */
int wal_sync_here(struct wal *wal, struct wal_batch *batch, struct err *err);

/* Readable when the thread is done with a batch: call wal_collect(). */
int wal_fd(const struct wal *wal);
/* 1: a batch is done and the next one was handed over; 0: nothing new;
 * -1: the log failed. */
int wal_collect(struct wal *wal, struct wal_batch *batch, struct err *err);

uint64_t wal_durable_seq(const struct wal *wal);
/* Of appended records that are not durable yet. */
size_t wal_unsynced_bytes(const struct wal *wal);
/* Of all segments, and how many. */
uint64_t wal_bytes(const struct wal *wal);
size_t wal_segments(const struct wal *wal);

/* The next batch starts a new segment, so that the old ones can go. */
void wal_cut(struct wal *wal);
/* Removes the segments that hold nothing after seq, each once the one that
 * follows it is durable. */
void wal_drop_until(struct wal *wal, uint64_t seq);
/* Gives the space back of what is kept to be used again. */
void wal_drop_spares(struct wal *wal);

#endif
