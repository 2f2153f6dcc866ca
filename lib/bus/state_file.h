/* SPDX-License-Identifier: Apache-2.0 */
/* state_file - everything a store holds at one revision, as one file: a backup
 *
 * Pure: bytes to and from memory.  `reeve state export` writes it, the
 * state-store reads it (--import).  Leases and request ids are not in it: they
 * mean nothing to another store.  Little endian.
 *
 * Header, 64 bytes
 *    0   8  "REEVESTA"
 *    8   4  version of the format, 1
 *   12   4  bytes of this header, 64
 *   16  16  lineage (UUID) of the store that it was taken from
 *   32   8  revision of that store
 *   40   8  wall clock, ms since 1970
 *   48  12  zero
 *   60   4  CRC32C of bytes 0..59
 *
 * Items in key order, 24 bytes + key + value each
 *    0   4  "RVit"
 *    4   4  CRC32C from offset 8 to the end, seeded by the header's
 *    8   8  revision at which the key was last changed
 *   16   4  bytes of the value
 *   20   2  bytes of the key
 *   22   2  zero
 *   24      key, value
 *
 * End, 24 bytes; nothing follows
 *    0   4  "RVen"
 *    4   4  CRC32C of bytes 8..23, seeded by the header's
 *    8   8  number of items
 *   16   8  bytes of all keys and values
 *
 * A reader knows every version from 1 to its own; another is refused.
 */
#ifndef REEVE_LIB_BUS_STATE_FILE_H
#define REEVE_LIB_BUS_STATE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct err;

enum {
    STATE_FILE_VERSION = 1,
    STATE_FILE_HEADER_BYTES = 64,
    STATE_FILE_PART_BYTES = 24, /* head of an item; the end */
};

struct state_file_head {
    uint8_t lineage[16];
    uint64_t revision;
    int64_t wall_ms;
};

struct state_file_item { /* borrowed */
    const char *key;     /* does not end with a NUL */
    const uint8_t *value;
    size_t key_len, len;
    uint64_t revision;
};

/* Zero before. */
struct state_file_writer {
    uint32_t seed;
    uint64_t items, bytes;
};
void state_file_begin(struct state_file_writer *writer,
                      const struct state_file_head *head, struct buf *out);
/* In key order. */
void state_file_item(struct state_file_writer *writer,
                     const struct state_file_item *item, struct buf *out);
void state_file_end(const struct state_file_writer *writer, struct buf *out);

/* The whole file: *head, then fn for each item in key order.  Read it twice
 * (first with fn NULL) where half of it would do harm.  ERR_CORRUPT with the
 * offset, ERR_UNSUPPORTED for another version. */
int state_file_read(struct buf file, struct state_file_head *head,
                    void (*fn)(void *self, const struct state_file_item *item),
                    void *self, struct err *err);

#endif
