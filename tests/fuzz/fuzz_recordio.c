/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a RecordIO stream.  The first byte says in pieces of how many;
 * the records must not depend on it. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/http/recordio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_record(void *self, const uint8_t *record, size_t len)
{
    recordio_encode(record, len, self);
    return 0;
}

static void feed(const uint8_t *data, size_t size, size_t step, struct buf *out)
{
    AUTO(recordio) struct recordio *r = recordio_new(1 << 16);
    for (size_t at = 0; at < size; at += step)
        if (recordio_feed(r, data + at, MIN(step, size - at), on_record, out,
                          NULL) < 0)
            return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf whole = {0};
    AUTO_BUF struct buf pieces = {0};
    AUTO_BUF struct buf again = {0};
    if (size < 1)
        return 0;
    feed(data + 1, size - 1, size, &whole);
    feed(data + 1, size - 1, 1 + data[0] % 16, &pieces);
    ASSERT(str_eq(buf_text(&whole), buf_text(&pieces)));
    ASSERT(whole.len == pieces.len);
    feed((const uint8_t *)buf_text(&whole), whole.len, 7, &again);
    ASSERT(again.len == whole.len);
    return 0;
}
