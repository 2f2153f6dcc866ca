/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

struct table {
    uint8_t lineage[16];
    uint64_t seq, revision;
    size_t bytes;
    struct key_index *keys;
    struct lease_book *leases;
    struct request_log *requests;
    struct history history;
};

struct table *table_new(const uint8_t lineage[16])
{
    struct table *t = xcalloc(1, sizeof *t);
    memcpy(t->lineage, lineage, sizeof t->lineage);
    t->keys = key_index_new();
    t->leases = lease_book_new();
    t->requests = request_log_new(REQUESTS_REMEMBERED);
    return t;
}

void table_destroy(struct table **table)
{
    struct table *t = *table;
    if (!t)
        return;
    history_free(&t->history);
    request_log_destroy(&t->requests);
    lease_book_destroy(&t->leases);
    key_index_destroy(&t->keys);
    free(t);
    *table = NULL;
}

const uint8_t *table_lineage(const struct table *t)
{
    return t->lineage;
}

uint64_t table_seq(const struct table *t)
{
    return t->seq;
}

uint64_t table_revision(const struct table *t)
{
    return t->revision;
}

size_t table_bytes(const struct table *t)
{
    return t->bytes;
}

const struct key_index *table_keys(const struct table *t)
{
    return t->keys;
}

struct lease_book *table_leases(struct table *t)
{
    return t->leases;
}

struct request_log *table_requests(struct table *t)
{
    return t->requests;
}

struct history *table_history(struct table *t)
{
    return &t->history;
}

/* ---- checks ----------------------------------------------------------------
 */

static int check_key(const char *key, struct err *err)
{
    size_t len = key ? strnlen(key, KEY_MAX_BYTES + 1) : 0;
    if (len < 1 || len > KEY_MAX_BYTES)
        return err_set(err, ERR_INVALID, "key: 1 to %d bytes, \"%.40s\"%s",
                       KEY_MAX_BYTES, str_or_empty(key),
                       len ? "... is longer" : " has none");
    for (size_t i = 0; i < len; i++)
        if (key[i] < 0x21 || key[i] > 0x7e)
            return err_set(err, ERR_INVALID,
                           "key: byte %zu is 0x%02x, not printable ASCII "
                           "without blanks",
                           i, (uint8_t)key[i]);
    return 0;
}

static int check_ops(const Reeve__TxnRequest *txn, struct err *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < txn->n_ops; i++) {
        const Reeve__Op *op = txn->ops[i];
        if (check_key(op->key, err) < 0)
            return err_wrap(err, "operation %zu", i);
        if (op->has_value && op->value.len > VALUE_MAX_BYTES)
            return err_set(err, ERR_INVALID,
                           "%s: value of %zu bytes, at most %d", op->key,
                           op->value.len, VALUE_MAX_BYTES);
        bytes += strlen(op->key) + (op->has_value ? op->value.len : 0);
    }
    if (bytes > TXN_MAX_BYTES)
        return err_set(err, ERR_INVALID, "transaction of %zu bytes, at most %d",
                       bytes, TXN_MAX_BYTES);
    return 0;
}

int table_check_txn(const Reeve__TxnRequest *txn, struct err *err)
{
    if (txn->n_ops > OPS_MAX || txn->n_preconditions > OPS_MAX)
        return err_set(err, ERR_INVALID,
                       "%zu operations and %zu preconditions, at most %d each",
                       txn->n_ops, txn->n_preconditions, OPS_MAX);
    for (size_t i = 0; i < txn->n_preconditions; i++)
        if (check_key(txn->preconditions[i]->key, err) < 0)
            return err_wrap(err, "precondition %zu", i);
    if (txn->lease && strlen(txn->lease) > LEASE_NAME_MAX)
        return err_set(err, ERR_INVALID, "lease name: at most %d bytes",
                       LEASE_NAME_MAX);
    return check_ops(txn, err);
}

static int check_fence(const struct table *t, const Reeve__TxnRequest *txn,
                       struct err *err)
{
    if (!txn->lease || !txn->lease[0])
        return 0;
    uint64_t current = lease_book_epoch(t->leases, txn->lease);
    if (current == 0 || txn->epoch != current)
        return err_set(err, ERR_FENCED,
                       "lease %s: epoch %" PRIu64 " is over, now %" PRIu64,
                       txn->lease, txn->epoch, current);
    return 0;
}

static int check_preconditions(const struct table *t,
                               const Reeve__TxnRequest *txn,
                               struct txn_outcome *out, struct err *err)
{
    for (size_t i = 0; i < txn->n_preconditions; i++) {
        const Reeve__Precondition *p = txn->preconditions[i];
        const struct item *item = key_index_find(t->keys, key_of(p->key));
        uint64_t at = item ? item->revision : 0;
        if (at == p->revision)
            continue;
        out->failed_key = p->key;
        out->failed_revision = at;
        return err_set(err, ERR_CONFLICT,
                       "%s is at revision %" PRIu64 ", not %" PRIu64, p->key,
                       at, p->revision);
    }
    return 0;
}

/* ---- changes ---------------------------------------------------------------
 */

/* Takes the reference over. */
static void change_key(struct table *t, struct item *item)
{
    size_t added = item->is_deleted ? 0 : (size_t)item->key_len + item->len;
    struct item *old = item->is_deleted
                           ? key_index_remove(t->keys, item_name(item))
                           : key_index_put(t->keys, item);
    t->bytes += added;
    if (old)
        t->bytes -= (size_t)old->key_len + old->len;
    item_unref(old);
    if (item->is_deleted)
        item_unref(item);
}

static void apply_lease(struct table *t, const struct record *record,
                        int64_t now_ms)
{
    struct lease lease = {.epoch = record->epoch, .ttl_ms = record->ttl_ms};
    memcpy(lease.name, record->lease, sizeof lease.name);
    memcpy(lease.request_id, record->request_id, sizeof lease.request_id);
    memcpy(lease.holder, record->holder, strlen(record->holder) + 1);
    lease_book_apply(t->leases, &lease, now_ms);
}

static void apply(struct table *t, const struct record *record, int64_t now_ms)
{
    t->seq = record->seq;
    t->revision = record->revision;
    switch (record->type) {
    case RECORD_TXN:
        for (size_t i = 0; i < record->n_items; i++)
            change_key(t, item_ref(record->items[i]));
        if (record->request_id[0])
            request_log_add(t->requests, record->request_id, record->revision);
        break;
    case RECORD_LEASE:
        apply_lease(t, record, now_ms);
        break;
    case RECORD_START:
        history_add(&t->history, (struct run){record->run_id, record->seq});
        break;
    }
}

static struct record *next_record(const struct table *t, enum record_type type,
                                  size_t n_items, int64_t wall_ms)
{
    struct record *record = record_new(type, n_items);
    record->seq = t->seq + 1;
    record->revision = t->revision + (type == RECORD_TXN);
    record->wall_ms = wall_ms;
    return record;
}

static struct record *txn_record(const struct table *t,
                                 const Reeve__TxnRequest *txn,
                                 const char *request_id, int64_t wall_ms)
{
    struct record *record = next_record(t, RECORD_TXN, txn->n_ops, wall_ms);
    memcpy(record->request_id, request_id, strlen(request_id) + 1);
    if (txn->lease && txn->lease[0]) {
        memcpy(record->lease, txn->lease, strlen(txn->lease) + 1);
        record->epoch = txn->epoch;
    }
    for (size_t i = 0; i < txn->n_ops; i++) {
        const Reeve__Op *op = txn->ops[i];
        const void *value = op->value.data ? (void *)op->value.data : "";
        record->items[i] =
            item_new(key_of(op->key), op->has_value ? value : NULL,
                     op->value.len, record->revision);
    }
    return record;
}

int table_txn(struct table *t, const Reeve__TxnRequest *txn,
              const char *request_id, int64_t wall_ms, struct txn_outcome *out,
              struct err *err)
{
    memset(out, 0, sizeof *out);
    if (strlen(request_id) > REQUEST_ID_MAX)
        return err_set(err, ERR_INVALID, "request id: at most %d bytes",
                       REQUEST_ID_MAX);
    if (table_check_txn(txn, err) < 0)
        return -1;
    if (request_id[0] &&
        request_log_find(t->requests, request_id, &out->revision)) {
        out->is_repeat = true;
        return 0;
    }
    if (check_fence(t, txn, err) < 0 ||
        check_preconditions(t, txn, out, err) < 0)
        return -1;
    out->revision = t->revision;
    if (txn->n_ops == 0)
        return 0;
    out->record = txn_record(t, txn, request_id, wall_ms);
    out->revision = out->record->revision;
    apply(t, out->record, 0);
    return 0;
}

int table_lease(struct table *t, const struct lease_ask *ask,
                struct lease_clock clock, struct lease_answer *answer,
                struct record **record, struct err *err)
{
    *record = NULL;
    if (ask->request_id && strlen(ask->request_id) > REQUEST_ID_MAX)
        return err_set(err, ERR_INVALID, "request id: at most %d bytes",
                       REQUEST_ID_MAX);
    if (lease_book_ask(t->leases, ask, clock.now_ms, answer, err) < 0)
        return -1;
    if (!answer->is_new)
        return 0;
    struct record *r = next_record(t, RECORD_LEASE, 0, clock.wall_ms);
    const char *id = str_or_empty(ask->request_id);
    memcpy(r->request_id, id, strlen(id) + 1);
    memcpy(r->lease, ask->name, strlen(ask->name) + 1);
    r->holder = xstrdup(answer->holder);
    r->epoch = answer->epoch;
    r->ttl_ms = answer->remaining_ms;
    apply(t, r, clock.now_ms);
    *record = r;
    return 0;
}

struct record *table_start_run(struct table *t, uint64_t run_id,
                               int64_t wall_ms)
{
    struct record *record = next_record(t, RECORD_START, 0, wall_ms);
    record->run_id = run_id;
    apply(t, record, 0);
    return record;
}

int table_apply(struct table *t, const struct record *record, struct err *err)
{
    if (record->seq != t->seq + 1)
        return err_set(err, ERR_CORRUPT,
                       "record %" PRIu64 " follows record %" PRIu64,
                       record->seq, t->seq);
    if (record->revision != t->revision + (record->type == RECORD_TXN))
        return err_set(err, ERR_CORRUPT,
                       "record %" PRIu64 " leads from revision %" PRIu64
                       " to %" PRIu64,
                       record->seq, t->revision, record->revision);
    apply(t, record, 0);
    return 0;
}

void table_restore_item(struct table *t, struct item *item)
{
    ASSERT(!item->is_deleted);
    change_key(t, item);
}

void table_restore_position(struct table *t, uint64_t seq, uint64_t revision)
{
    t->seq = seq;
    t->revision = revision;
}

void table_put_twin(struct table *t, struct item *twin)
{
    struct item *old = key_index_put(t->keys, twin);
    ASSERT(old && old->revision == twin->revision && old->len == twin->len);
    item_unref(old);
}

/* ---- views ------------------------------------------------------------------
 */

static void view_parts(struct view *v, struct table *t)
{
    v->n_leases = lease_book_count(t->leases);
    v->leases = xcalloc(v->n_leases + 1, sizeof *v->leases);
    for (size_t i = 0; i < v->n_leases; i++)
        v->leases[i] = *lease_book_at(t->leases, i);
    v->n_requests = request_log_count(t->requests);
    v->requests = xcalloc(v->n_requests + 1, sizeof *v->requests);
    for (size_t i = 0; i < v->n_requests; i++)
        v->requests[i] = *request_log_at(t->requests, i);
    history_copy(&v->history, &t->history);
}

struct view *table_view(struct table *t)
{
    struct view *v = xcalloc(1, sizeof *v);
    memcpy(v->lineage, t->lineage, sizeof v->lineage);
    v->seq = t->seq;
    v->revision = t->revision;
    v->bytes = t->bytes;
    size_t count = key_index_count(t->keys);
    v->items = xcalloc(count + 1, sizeof(struct item *));
    struct key_cursor cursor = {0};
    struct item *item;
    while ((item = key_index_next(t->keys, &cursor)))
        v->items[v->n_items++] = item_ref(item);
    ASSERT(v->n_items == count);
    view_parts(v, t);
    return v;
}

void view_destroy(struct view **view)
{
    struct view *v = *view;
    if (!v)
        return;
    for (size_t i = 0; i < v->n_items; i++)
        item_unref(v->items[i]);
    free(v->items);
    free(v->leases);
    free(v->requests);
    history_free(&v->history);
    free(v);
    *view = NULL;
}
