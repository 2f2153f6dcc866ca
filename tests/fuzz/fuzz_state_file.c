/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a state file.  First byte odd: the checksums are put right
 * first. What is read must, written again, be the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/bus/state_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct copy {
    struct state_file_writer writer;
    struct buf out;
};

static void mend_part(uint8_t *p, size_t len, uint32_t seed)
{
    uint32_t crc = crc32c(seed, p + 8, len - 8);
    memcpy(p + 4, &crc, sizeof crc);
}

static void mend(uint8_t *data, size_t size)
{
    if (size < STATE_FILE_HEADER_BYTES)
        return;
    static const uint8_t start[16] = "REEVESTA\1\0\0\0\100\0\0";
    memcpy(data, start, sizeof start);
    memset(data + 48, 0, 12);
    uint32_t seed = crc32c(0, data, 60);
    memcpy(data + 60, &seed, sizeof seed);
    size_t at = STATE_FILE_HEADER_BYTES;
    while (size - at >= STATE_FILE_PART_BYTES) {
        uint32_t len;
        uint16_t key_len;
        memcpy(&len, data + at + 16, sizeof len);
        memcpy(&key_len, data + at + 20, sizeof key_len);
        size_t whole = memcmp(data + at, "RVit", 4) == 0
                           ? STATE_FILE_PART_BYTES + (size_t)key_len + len
                           : STATE_FILE_PART_BYTES;
        if (whole > size - at)
            return;
        mend_part(data + at, whole, seed);
        at += whole;
    }
}

static void again(void *self, const struct state_file_item *item)
{
    struct copy *copy = self;
    state_file_item(&copy->writer, item, &copy->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *bytes = xmemdup(data + 1, size - 1);
    if (data[0] & 1)
        mend(bytes, size - 1);
    struct buf file = {.data = (char *)bytes, .len = size - 1};
    struct state_file_head head;
    struct copy copy = {0};
    if (state_file_read(file, &head, NULL, NULL, NULL) == 0) {
        state_file_begin(&copy.writer, &head, &copy.out);
        state_file_read(file, &head, again, &copy, NULL);
        state_file_end(&copy.writer, &copy.out);
        ASSERT(copy.out.len == file.len &&
               memcmp(copy.out.data, file.data, file.len) == 0);
    }
    buf_free(&copy.out);
    free(bytes);
    return 0;
}
