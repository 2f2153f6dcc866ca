/* SPDX-License-Identifier: Apache-2.0 */
/* writes - see writes.h */
#include "services/offer-broker/writes.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/wire/wire.h"

struct one {
    char *key;
    struct buf value;
    bool is_delete;
};

struct writes {
    struct txn *txn;
    struct one *list;
    size_t count, capacity;
};

struct writes *writes_new(void)
{
    struct writes *writes = xcalloc(1, sizeof(*writes));

    writes->txn = txn_new();
    return writes;
}

void writes_destroy(struct writes **writes)
{
    struct writes *w = *writes;

    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++) {
        free(w->list[i].key);
        buf_free(&w->list[i].value);
    }
    free(w->list);
    txn_destroy(&w->txn);
    free(w);
    *writes = NULL;
}

static void reserve(struct writes *w, size_t count)
{
    if (w->count + count <= w->capacity)
        return;
    w->capacity = MAX(2 * w->capacity, w->count + count);
    w->list = xrealloc(w->list, w->capacity * sizeof(*w->list));
}

static struct one *add(struct writes *w, const char *key)
{
    reserve(w, 1);
    w->list[w->count] = (struct one){.key = xstrdup(key)};
    return &w->list[w->count++];
}

void writes_require(struct writes *writes, const char *key, uint64_t revision)
{
    txn_require(writes->txn, key, revision);
}

void writes_put(struct writes *writes, const char *key,
                const ProtobufCMessage *value)
{
    struct one *one = add(writes, key);

    wire_encode(value, &one->value);
    txn_put_bytes(writes->txn, key, one->value.data, one->value.len);
}

void writes_delete(struct writes *writes, const char *key)
{
    for (size_t i = 0; i < writes->count; i++)
        if (writes->list[i].is_delete && str_eq(writes->list[i].key, key))
            return;
    add(writes, key)->is_delete = true;
    txn_delete(writes->txn, key);
}

void writes_append(struct writes *w, struct writes **from)
{
    struct writes *other = *from;

    reserve(w, other->count);
    if (other->count)
        memcpy(w->list + w->count, other->list,
               other->count * sizeof(*w->list));
    w->count += other->count;
    other->count = 0;
    txn_append(w->txn, &other->txn);
    writes_destroy(from);
}

size_t writes_count(const struct writes *writes)
{
    return writes->count;
}

struct txn *writes_take_txn(struct writes *writes)
{
    return MOVE(writes->txn);
}

void writes_apply(const struct writes *writes, struct facts *facts,
                  uint64_t revision)
{
    for (size_t i = 0; i < writes->count; i++) {
        const struct one *one = &writes->list[i];

        facts_apply(facts, one->key,
                    one->is_delete ? NULL : buf_text(&one->value),
                    one->value.len, revision, NULL);
    }
}
