/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_format - a whole table as bytes, in checksummed blocks
 *
 * Pure: no file.  Little endian.
 *
 * Header, 80 bytes
 *    0   8  "REEVESNP"
 *    8   4  version of the format, 1
 *   12   4  flags: 1 = base, the log before it never was here (it was rebuilt
 *           from Redis), so it may stand without a segment
 *   16  16  lineage
 *   32   8  seq of the last record it holds
 *   40   8  revision
 *   48   8  wall clock, ms
 *   56   8  salt of the blocks' checksums
 *   64  12  zero
 *   76   4  CRC32C of bytes 0..75
 *
 * Block, 16 bytes + payload, padded with zeros to a multiple of 8
 *    0   4  "RVbk"
 *    4   4  CRC32C from offset 8 to the end of the padding, seeded by the salt
 *    8   4  bytes of the payload
 *   12   4  kind: 1 items, 2 leases, 3 requests, 4 runs, 5 end
 *   items, in key order: 8 revision, 2 key bytes, 2 zero, 4 value bytes, key,
 *       value
 *   leases: 8 epoch, 4 ttl ms, 1 name, 1 holder, 1 request id bytes, 1 zero,
 *       the three texts
 *   requests, oldest first: 8 revision, 1 id bytes, id
 *   runs, oldest first: 8 id, 8 first seq
 *   end: 8 each: number of items, leases, requests, runs.  Nothing follows it.
 */
#ifndef REEVE_STATE_STORE_SNAPSHOT_FORMAT_H
#define REEVE_STATE_STORE_SNAPSHOT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct err;
struct table;
struct view;

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_HEADER_BYTES = 80,
    SNAPSHOT_BLOCK_BYTES = 1 << 20, /* aimed at; one item may be larger */
};

/* Encodes in steps, so that the writer needs memory for one block only. */
struct snapshot_encoder {
    const struct view *view;
    uint64_t salt;
    int64_t wall_ms;
    bool is_base;
    int step;  /* start at 0 */
    size_t at; /* start at 0 */
};
/* Appends the next piece; false when there is none left. */
bool snapshot_encode(struct snapshot_encoder *encoder, struct buf *out);

struct snapshot_info {
    bool is_base;
    uint64_t seq, revision;
};
/* The whole file at once.  NULL with ERR_CORRUPT and the offset (or
 * ERR_UNSUPPORTED) in *err; never a wrong table. */
struct table *snapshot_decode(const uint8_t *data, size_t len,
                              struct snapshot_info *info, struct err *err);

#endif
