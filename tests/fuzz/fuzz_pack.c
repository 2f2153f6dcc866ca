/* SPDX-License-Identifier: Apache-2.0 */
/* Two values of one shape, cut out of the input: what is packed is read as it
 * was.  First byte: how often the rest is repeated; second: where it is cut. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct pack *pack, const uint8_t *data, size_t len,
                  unsigned times)
{
    AUTO_BUF struct buf value = {0};
    AUTO_BUF struct buf again = {0};
    for (unsigned i = 0; i < times; i++)
        buf_add(&value, data, len);
    struct packed *packed = pack_value(pack, "k/1", value.data, value.len);
    if (!packed)
        return;
    packed_read(packed, &again);
    ASSERT(again.len == value.len);
    ASSERT(memcmp(again.data, value.data, value.len) == 0);
    packed_free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned times = data[0] % 8 + 1;
    size_t cut = (size - 2) * data[1] / 255;
    struct pack *pack = pack_new();
    check(pack, data + 2, cut, times);
    check(pack, data + 2 + cut, size - 2 - cut, times);
    check(pack, data + 2, size - 2, 1);
    pack_destroy(&pack);
    return 0;
}
