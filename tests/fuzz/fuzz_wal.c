/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a log.  First byte odd: the checksums of the records are put
 * right first, so that what is behind them is reached.  What decodes must
 * encode to something that decodes again; a scan must end. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "services/state-store/bytes.h"
#include "services/state-store/record.h"
#include "services/state-store/wal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SALT = 7 };

static void mend(uint8_t *data, size_t size)
{
    size_t at = 0;
    while (size - at >= WAL_RECORD_HEAD_BYTES) {
        struct reader r = {data + at + 8, data + size, false};
        size_t whole = pad_8(WAL_RECORD_HEAD_BYTES + (size_t)get_32(&r));
        if (whole > size - at)
            break;
        memcpy(data + at, "RVrc", 4);
        put_32(data + at + 4, crc32c(SALT, data + at + 8, whole - 8));
        at += whole;
    }
}

static void check_record(const struct record *record)
{
    struct buf again = {0};
    struct record *copy = NULL;
    size_t used;
    wal_record_encode(record, 0, SALT, &again);
    ASSERT(wal_record_decode((uint8_t *)again.data, again.len, SALT, &copy,
                             &used) == WAL_WHOLE);
    ASSERT(used == again.len && copy->seq == record->seq &&
           copy->n_items == record->n_items && copy->type == record->type);
    record_unref(copy);
    buf_free(&again);
}

static void read_log(const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (;;) {
        struct record *record = NULL;
        size_t used = 0;
        if (wal_record_decode(data + at, size - at, SALT, &record, &used) !=
            WAL_WHOLE)
            break;
        ASSERT(used > 0 && used <= size - at);
        check_record(record);
        record_unref(record);
        at += used;
    }
    wal_has_later_batch(data + at, size - at, SALT, 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *copy = xmemdup(data + 1, size - 1);
    struct wal_header header;
    wal_header_decode(copy, size - 1, &header, NULL);
    if (data[0] & 1)
        mend(copy, size - 1);
    read_log(copy, size - 1);
    free(copy);
    return 0;
}
