/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/item.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "lib/base/pack.h"

/* memory: for all of it. */
static struct item *item_make(void *memory, struct key key)
{
    struct item *item = memory;
    memset(item, 0, sizeof *item);
    item->refs = 1;
    item->key_len = (uint16_t)key.len;
    memcpy(item->bytes, key.text, key.len);
    item->bytes[key.len] = '\0';
    return item;
}

struct item *item_new(struct key key, const void *value, size_t len,
                      uint64_t revision)
{
    ASSERT(key.len <= UINT16_MAX && len <= UINT32_MAX);
    if (!value)
        len = 0;
    struct item *item =
        item_make(xmalloc(sizeof *item + key.len + 1 + len), key);
    item->revision = revision;
    item->len = (uint32_t)len;
    item->is_deleted = !value;
    if (len)
        memcpy(item->bytes + key.len + 1, value, len);
    return item;
}

struct item *item_twin(const struct item *item, struct packed *packed)
{
    size_t size = sizeof *item + item->key_len + 1 + sizeof packed;
    struct item *twin = item_make(heap_keep(size), item_name(item));
    twin->revision = item->revision;
    twin->len = item->len;
    twin->is_packed = true;
    memcpy(twin->bytes + twin->key_len + 1, &packed, sizeof packed);
    return twin;
}

static struct packed *packed_of(const struct item *item)
{
    struct packed *packed;
    memcpy(&packed, item->bytes + item->key_len + 1, sizeof packed);
    return packed;
}

void item_read(const struct item *item, struct buf *out)
{
    if (item->is_packed)
        packed_read(packed_of(item), out);
    else
        buf_add(out, item_value(item), item->len);
}

struct item *item_ref(struct item *item)
{
    item->refs++;
    return item;
}

void item_unref(struct item *item)
{
    if (!item || --item->refs > 0)
        return;
    if (!item->is_packed) {
        free(item);
        return;
    }
    packed_free(packed_of(item));
    heap_keep_free(item);
}

int key_compare(struct key a, struct key b)
{
    size_t n = MIN(a.len, b.len);
    int order = n ? memcmp(a.text, b.text, n) : 0;
    if (order)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

struct key key_of(const char *text)
{
    return (struct key){text, strlen(text)};
}
