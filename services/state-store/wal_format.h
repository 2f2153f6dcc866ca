/* SPDX-License-Identifier: Apache-2.0 */
/* wal_format - the log's bytes: segment header and records, to and from memory
 *
 * Pure: no file.  wal.h appends, wal_replay.h reads.  All numbers are little
 * endian.  A segment file `wal-<first seq, 20 digits>.log` is one header, then
 * records without gaps, then zeros written ahead, or what the file held when it
 * was an earlier segment: sealed with another salt.
 *
 * Segment header, 64 bytes
 *    0   8  "REEVEWAL"
 *    8   4  version of the format, 1
 *   12   4  bytes of this header, 64
 *   16  16  lineage (UUID)
 *   32   8  seq of the first record
 *   40   8  revision of the store before the first record
 *   48   8  salt: random, then one more in each segment; its lower half seeds
 *           the checksum of every record below, so that bytes from elsewhere
 *           never pass for a record
 *   56   4  flags: 1 = the file was a segment before
 *   60   4  CRC32C of bytes 0..59
 *
 * Record, 56 bytes + body, padded with zeros to a multiple of 8
 *    0   4  "RVrc"
 *    4   4  CRC32C of everything from offset 8 to the end of the padding
 *    8   4  bytes of the body
 *   12   4  back: seq minus the seq of the first record of its batch
 *   16   8  seq, one more than the record before
 *   24   8  revision of the store after this record
 *   32   8  wall clock, ms since 1970
 *   40   8  lease epoch: txn: it was checked against; lease: granted; else 0
 *   48   1  type: 1 txn, 2 lease, 3 start
 *   49   1  bytes of the request id
 *   50   1  bytes of the lease's name
 *   51   1  bytes of the lease's holder (lease only)
 *   52   4  txn: operations; lease: time-to-live, ms; start: 0
 *   56      request id, lease name, holder, then
 *           start: 8 bytes run id
 *           txn, for each operation: 2 key bytes, 2 flags (1 = delete),
 *             4 value bytes, key, value
 *
 * A batch is what one fdatasync made durable, and the next batch is written
 * only after it.  So when a record is unreadable, a readable record of a LATER
 * batch behind it proves that it was once whole: the log is damaged, not torn.
 */
#ifndef REEVE_STATE_STORE_WAL_FORMAT_H
#define REEVE_STATE_STORE_WAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct err;
struct record;

enum {
    WAL_VERSION = 1,
    WAL_HEADER_BYTES = 64,
    WAL_RECORD_HEAD_BYTES = 56,
};

struct wal_header {
    uint8_t lineage[16];
    uint64_t first_seq;
    uint64_t first_revision; /* before the first record */
    uint64_t salt;
    bool is_reused;
};

void wal_header_encode(const struct wal_header *header,
                       uint8_t out[WAL_HEADER_BYTES]);
/* ERR_CORRUPT, or ERR_UNSUPPORTED for another version. */
int wal_header_decode(const uint8_t *data, size_t len, struct wal_header *out,
                      struct err *err);

/* Appends one record. */
void wal_record_encode(const struct record *record, uint32_t back,
                       uint64_t salt, struct buf *out);

/* Whole records, encoded with another salt. */
void wal_records_seal(struct buf *records, uint64_t salt);

enum wal_verdict {
    WAL_WHOLE,    /* a record; *used says how long */
    WAL_BROKEN,   /* nothing, cut short, or the checksum does not match */
    WAL_NONSENSE, /* the checksum matches but the contents cannot be */
};
/* *record is the caller's. */
enum wal_verdict wal_record_decode(const uint8_t *data, size_t len,
                                   uint64_t salt, struct record **record,
                                   size_t *used);

/* Was what stands there, and is no whole record, begun as one of seq or later?
 * An earlier use of the file has left lower ones. */
bool wal_record_is_begun(const uint8_t *data, size_t len, uint64_t seq);

/* Is there behind a broken record numbered seq, in the rest of its segment
 * (data starts where that record does), proof that it was once durable? */
bool wal_has_later_batch(const uint8_t *data, size_t len, uint64_t salt,
                         uint64_t seq);

#endif
