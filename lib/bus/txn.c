/* SPDX-License-Identifier: Apache-2.0 */
/* txn - builds a TxnRequest; pure */
#include "lib/bus/txn.h"

#include <stdlib.h>

#include "lib/base/base.h"

struct txn {
    Reeve__TxnRequest *request;
    size_t ops_cap, preconditions_cap;
};

struct txn *txn_new(void)
{
    struct txn *txn = xcalloc(1, sizeof *txn);
    txn->request = xmalloc(sizeof *txn->request);
    reeve__txn_request__init(txn->request);
    return txn;
}

void txn_destroy(struct txn **txn_p)
{
    struct txn *txn = *txn_p;
    *txn_p = NULL;
    if (!txn)
        return;
    if (txn->request)
        reeve__txn_request__free_unpacked(txn->request, NULL);
    free(txn);
}

Reeve__TxnRequest *txn_take(struct txn **txn_p)
{
    Reeve__TxnRequest *request = MOVE((*txn_p)->request);
    txn_destroy(txn_p);
    return request;
}

/* Room for one more pointer behind count. */
static void *grow(void *list, size_t count, size_t *cap)
{
    if (count < *cap)
        return list;
    *cap = *cap ? *cap * 2 : 4;
    return xrealloc(list, *cap * sizeof(void *));
}

void txn_require(struct txn *txn, const char *key, uint64_t revision)
{
    Reeve__TxnRequest *r = txn->request;
    Reeve__Precondition *p = xmalloc(sizeof *p);
    reeve__precondition__init(p);
    p->key = xstrdup(key);
    p->has_revision = 1;
    p->revision = revision;
    r->preconditions =
        grow(r->preconditions, r->n_preconditions, &txn->preconditions_cap);
    r->preconditions[r->n_preconditions++] = p;
}

static Reeve__Op *add_op(struct txn *txn, const char *key)
{
    Reeve__TxnRequest *r = txn->request;
    Reeve__Op *op = xmalloc(sizeof *op);
    reeve__op__init(op);
    op->key = xstrdup(key);
    r->ops = grow(r->ops, r->n_ops, &txn->ops_cap);
    r->ops[r->n_ops++] = op;
    return op;
}

void txn_put(struct txn *txn, const char *key, const ProtobufCMessage *value)
{
    Reeve__Op *op = add_op(txn, key);
    op->has_value = 1;
    op->value.len = protobuf_c_message_get_packed_size(value);
    op->value.data = xmalloc(op->value.len);
    protobuf_c_message_pack(value, op->value.data);
}

void txn_put_bytes(struct txn *txn, const char *key, const void *value,
                   size_t len)
{
    Reeve__Op *op = add_op(txn, key);
    op->has_value = 1;
    op->value.len = len;
    op->value.data = xmemdup(value, len);
}

void txn_delete(struct txn *txn, const char *key)
{
    add_op(txn, key);
}

size_t txn_ops(const struct txn *txn)
{
    return txn->request->n_ops;
}

void txn_append(struct txn *txn, struct txn **from)
{
    Reeve__TxnRequest *into = txn->request, *r = (*from)->request;
    size_t i;

    for (i = 0; i < r->n_preconditions; i++) {
        into->preconditions = grow(into->preconditions, into->n_preconditions,
                                   &txn->preconditions_cap);
        into->preconditions[into->n_preconditions++] = r->preconditions[i];
    }
    for (i = 0; i < r->n_ops; i++) {
        into->ops = grow(into->ops, into->n_ops, &txn->ops_cap);
        into->ops[into->n_ops++] = r->ops[i];
    }
    r->n_preconditions = r->n_ops = 0; /* they moved */
    txn_destroy(from);
}
