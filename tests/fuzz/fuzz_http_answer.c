/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as answers on a kept connection.  The first byte says in pieces of
 * how many; the answers must not depend on it. */
#include <stddef.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/http/answer_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const char *data, size_t size, size_t step, struct buf *out)
{
    struct answer_reader r = {.max_body_bytes = 1000};
    size_t used;
    int rc = 0;

    for (size_t at = 0; at < size && rc >= 0; at += used) {
        rc = answer_reader_feed(&r, data + at, MIN(step, size - at), &used,
                                NULL);
        ASSERT(rc < 0 || used > 0);
        if (rc <= 0)
            continue;
        ASSERT(r.body.len <= 1000);
        buf_addf(out, "%d %d ", r.status, r.is_last);
        buf_add(out, r.body.data, r.body.len);
        answer_reader_reset(&r);
    }
    if (rc >= 0 && answer_reader_is_begun(&r) &&
        answer_reader_end(&r, NULL) > 0)
        buf_add(out, r.body.data, r.body.len);
    answer_reader_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf whole = {0};
    AUTO_BUF struct buf pieces = {0};
    const char *text = (const char *)data;

    if (size < 1)
        return 0;
    feed(text + 1, size - 1, size, &whole);
    feed(text + 1, size - 1, 1 + data[0] % 16, &pieces);
    ASSERT(whole.len == pieces.len);
    ASSERT(str_eq(buf_text(&whole), buf_text(&pieces)));
    return 0;
}
