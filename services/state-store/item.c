/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/item.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

struct item *item_new(struct key key, const void *value, size_t len,
                      uint64_t revision)
{
    ASSERT(key.len <= UINT16_MAX && len <= UINT32_MAX);
    if (!value)
        len = 0;
    struct item *item = xmalloc(sizeof *item + key.len + 1 + len);
    item->revision = revision;
    item->refs = 1;
    item->len = (uint32_t)len;
    item->key_len = (uint16_t)key.len;
    item->is_deleted = !value;
    memcpy(item->bytes, key.text, key.len);
    item->bytes[key.len] = '\0';
    if (len)
        memcpy(item->bytes + key.len + 1, value, len);
    return item;
}

struct item *item_ref(struct item *item)
{
    item->refs++;
    return item;
}

void item_unref(struct item *item)
{
    if (item && --item->refs == 0)
        free(item);
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
