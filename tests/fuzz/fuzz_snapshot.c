/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a snapshot.  First byte odd: the checksums are put right first.
 * What decodes must encode to a snapshot that decodes to as much. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "services/state-store/bytes.h"
#include "services/state-store/snapshot_format.h"
#include "services/state-store/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCK_HEAD = 16 };

static uint64_t number_at(const uint8_t *p)
{
    struct reader r = {p, p + 8, false};
    return get_64(&r);
}

static void mend(uint8_t *data, size_t size)
{
    if (size < SNAPSHOT_HEADER_BYTES)
        return;
    memcpy(data, "REEVESNP", 8);
    put_32(data + 8, SNAPSHOT_VERSION);
    put_32(data + 76, crc32c(0, data, 76));
    uint32_t salt = (uint32_t)number_at(data + 56);
    size_t at = SNAPSHOT_HEADER_BYTES;
    while (size - at >= BLOCK_HEAD) {
        size_t payload = (uint32_t)number_at(data + at + 8);
        size_t whole = pad_8(BLOCK_HEAD + payload);
        if (whole > size - at)
            break;
        memcpy(data + at, "RVbk", 4);
        put_32(data + at + 4, crc32c(salt, data + at + 8, whole - 8));
        at += whole;
    }
}

static void check_again(struct table *table)
{
    struct buf bytes = {0};
    struct view *view = table_view(table);
    struct snapshot_encoder encoder = {.view = view};
    while (snapshot_encode(&encoder, &bytes))
        ;
    struct snapshot_info info = {0};
    struct table *again =
        snapshot_decode((uint8_t *)bytes.data, bytes.len, &info, NULL);
    ASSERT(again && table_seq(again) == table_seq(table) &&
           key_index_count(table_keys(again)) == view->n_items);
    table_destroy(&again);
    view_destroy(&view);
    buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *copy = xmemdup(data + 1, size - 1);
    if (data[0] & 1)
        mend(copy, size - 1);
    struct snapshot_info info = {0};
    struct err err;
    struct table *table = snapshot_decode(copy, size - 1, &info, &err);
    if (table)
        check_again(table);
    table_destroy(&table);
    free(copy);
    return 0;
}
