/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/answers.h"

#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/id.h"
#include "lib/bus/bus.h"
#include "proto/store.pb-c.h"
#include "services/state-store/item.h"

struct pending_answer *answer_new(struct bus_call *call, enum answer_kind kind)
{
    struct pending_answer *answer = xcalloc(1, sizeof *answer);
    answer->call = call;
    answer->kind = kind;
    answer->bytes = sizeof *answer;
    return answer;
}

static size_t cost(const struct item *item)
{
    return sizeof(struct item *) + item->key_len + item->len;
}

void answer_add_item(struct pending_answer *answer, struct item *item)
{
    if (answer->n_items == answer->items_cap) {
        answer->items_cap = answer->items_cap ? answer->items_cap * 2 : 64;
        answer->items =
            xrealloc(answer->items, answer->items_cap * sizeof(struct item *));
    }
    answer->items[answer->n_items++] = item_ref(item);
    answer->bytes += cost(item);
}

void answer_clear_items(struct pending_answer *answer)
{
    for (size_t i = 0; i < answer->n_items; i++) {
        answer->bytes -= cost(answer->items[i]);
        item_unref(answer->items[i]);
    }
    answer->n_items = 0;
}

void answer_drop(struct pending_answer *answer)
{
    for (size_t i = 0; i < answer->n_items; i++)
        item_unref(answer->items[i]);
    free(answer->items);
    free(answer->text);
    free(answer->err);
    free(answer);
}

static void send(struct pending_answer *answer, const ProtobufCMessage *body)
{
    if (answer->err)
        bus_call_fail(answer->call, answer->err, body);
    else
        bus_call_reply(answer->call, body);
}

static void send_txn(struct pending_answer *answer)
{
    Reeve__TxnReply reply = REEVE__TXN_REPLY__INIT;
    if (answer->text) {
        reply.failed_key = answer->text;
        reply.has_failed_revision = 1;
        reply.failed_revision = answer->number;
    } else if (!answer->err) {
        reply.has_revision = 1;
        reply.revision = answer->number;
    }
    reply.has_repeated_request = answer->is_repeat;
    reply.repeated_request = answer->is_repeat;
    send(answer, &reply.base);
}

static void send_lease(struct pending_answer *answer)
{
    Reeve__LeaseReply reply = REEVE__LEASE_REPLY__INIT;
    reply.has_epoch = 1;
    reply.epoch = answer->number;
    reply.holder = answer->text;
    reply.has_remaining_ms = 1;
    reply.remaining_ms = answer->remaining_ms;
    send(answer, &reply.base);
}

static size_t packed_bytes(const struct pending_answer *answer)
{
    size_t bytes = 0;
    for (size_t i = 0; i < answer->n_items; i++)
        if (answer->items[i]->is_packed)
            bytes += answer->items[i]->len;
    return bytes;
}

/* In the item, or behind what was unpacked before. */
static uint8_t *value_of(const struct item *item, struct buf *unpacked)
{
    size_t start = unpacked->len;
    if (!item->is_packed)
        return (uint8_t *)(uintptr_t)item_value(item);
    item_read(item, unpacked);
    return (uint8_t *)unpacked->data + start;
}

static void send_items(struct pending_answer *answer)
{
    Reeve__SnapshotReply reply = REEVE__SNAPSHOT_REPLY__INIT;
    char lineage[UUID_TEXT_SIZE];
    uuid_format(answer->lineage, lineage);
    reply.has_revision = 1;
    reply.revision = answer->number;
    reply.lineage = lineage;
    reply.has_cursor = answer->cursor != 0;
    reply.cursor = answer->cursor;
    Reeve__Item *items = xcalloc(answer->n_items + 1, sizeof *items);
    AUTO_BUF struct buf unpacked = {0};
    buf_reserve(&unpacked, packed_bytes(answer)); /* it must not move */
    reply.items = xcalloc(answer->n_items + 1, sizeof(Reeve__Item *));
    for (size_t i = 0; i < answer->n_items; i++) {
        struct item *from = answer->items[i];
        Reeve__Item *to = &items[i];
        reeve__item__init(to);
        to->key = from->bytes;
        to->has_value = 1;
        to->value.len = from->len;
        to->value.data = value_of(from, &unpacked);
        to->has_revision = 1;
        to->revision = from->revision;
        reply.items[i] = to;
    }
    reply.n_items = answer->n_items;
    send(answer, &reply.base);
    free(reply.items);
    free(items);
}

void answer_send(struct pending_answer *answer)
{
    switch (answer->kind) {
    case ANSWER_TXN:
        send_txn(answer);
        break;
    case ANSWER_LEASE:
        send_lease(answer);
        break;
    case ANSWER_ITEMS:
        send_items(answer);
        break;
    }
    answer_drop(answer);
}
