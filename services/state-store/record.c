/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/record.h"

#include <stdlib.h>

#include "lib/base/base.h"

struct record *record_new(enum record_type type, size_t n_items)
{
    struct record *record =
        xcalloc(1, sizeof *record + n_items * sizeof(struct item *));
    record->refs = 1;
    record->type = type;
    record->n_items = n_items;
    return record;
}

struct record *record_ref(struct record *record)
{
    record->refs++;
    return record;
}

void record_unref(struct record *record)
{
    if (!record || --record->refs > 0)
        return;
    for (size_t i = 0; i < record->n_items; i++)
        item_unref(record->items[i]);
    free(record->holder);
    free(record);
}

void record_destroy(struct record **record)
{
    record_unref(*record);
    *record = NULL;
}

size_t record_bytes(const struct record *record)
{
    size_t bytes = sizeof *record;
    for (size_t i = 0; i < record->n_items; i++)
        bytes += sizeof(struct item *) + sizeof(struct item) +
                 record->items[i]->key_len + record->items[i]->len;
    return bytes;
}
