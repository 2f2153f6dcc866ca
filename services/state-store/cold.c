/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/cold.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/base/pack.h"
#include "services/state-store/key_index.h"
#include "services/state-store/table.h"

static bool is_cold(const struct item *item)
{
    return item->refs == 1 && !item->is_packed && !item->is_tried;
}

static void try_item(struct cold *cold, struct table *table, struct item *item)
{
    if (!cold->pack)
        cold->pack = pack_new();
    struct packed *packed =
        pack_value(cold->pack, item_key(item), item_value(item), item->len);
    if (packed)
        table_put_twin(table, item_twin(item, packed));
    else
        item->is_tried = true;
}

void cold_sweep(struct cold *cold, struct table *table, size_t keys,
                size_t bytes)
{
    struct key_cursor cursor;
    struct item *item = NULL;
    key_index_seek(table_keys(table), key_of(cold->after), &cursor);
    while (keys && bytes &&
           (item = key_index_next(table_keys(table), &cursor))) {
        keys--;
        memcpy(cold->after, item_key(item), (size_t)item->key_len + 1);
        if (!is_cold(item))
            continue;
        bytes -= MIN(bytes, item->len);
        try_item(cold, table, item);
    }
    if (!item)
        cold->after[0] = '\0';
}

void cold_free(struct cold *cold)
{
    pack_destroy(&cold->pack);
}
