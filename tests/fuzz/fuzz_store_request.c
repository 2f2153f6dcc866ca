/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request to the state-store, against a table with something in
 * it.  First byte: 0 lease, else transaction.  A refusal changes nothing; what
 * is accepted is one record, which survives the log and gives a second table
 * the same state. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "services/state-store/table.h"
#include "services/state-store/wal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t lineage[16] = "fuzz";

/* Through the log into the other table. */
static void replay(struct table *other, const struct record *record)
{
    struct buf bytes = {0};
    struct record *copy = NULL;
    size_t used;
    wal_record_encode(record, 0, 1, &bytes);
    ASSERT(wal_record_decode((uint8_t *)bytes.data, bytes.len, 1, &copy,
                             &used) == WAL_WHOLE);
    ASSERT(table_apply(other, copy, NULL) == 0);
    record_unref(copy);
    buf_free(&bytes);
}

static void do_txn(struct table *t, struct table *other,
                   const Reeve__TxnRequest *txn)
{
    struct txn_outcome out;
    struct err err;
    uint64_t revision = table_revision(t), seq = table_seq(t);
    int result =
        table_txn(t, txn, str_or_empty(txn->request_id), 1, &out, &err);
    bool is_changed = result == 0 && out.record;
    ASSERT(table_revision(t) == revision + is_changed);
    ASSERT(table_seq(t) == seq + is_changed);
    if (!is_changed)
        return;
    replay(other, out.record);
    record_unref(out.record);
}

static void do_lease(struct table *t, struct table *other,
                     const Reeve__LeaseRequest *m)
{
    struct lease_ask ask = {m->name,  m->holder, "fuzz",
                            m->epoch, m->ttl_ms, m->release};
    struct lease_clock clock = {1000, 1};
    struct lease_answer answer;
    struct record *record;
    struct err err;
    uint64_t before = m->name ? lease_book_epoch(table_leases(t), m->name) : 0;
    if (table_lease(t, &ask, clock, &answer, &record, &err) < 0)
        return;
    ASSERT(lease_book_epoch(table_leases(t), m->name) >= before);
    if (record)
        replay(other, record);
    record_unref(record);
}

static void set_up(struct table *t, struct table *other)
{
    Reeve__Op op = REEVE__OP__INIT, *ops[] = {&op};
    Reeve__TxnRequest txn = REEVE__TXN_REQUEST__INIT;
    Reeve__LeaseRequest lease = REEVE__LEASE_REQUEST__INIT;
    op.key = (char *)(uintptr_t) "a/b";
    op.has_value = 1;
    txn.request_id = (char *)(uintptr_t) "known";
    txn.ops = ops;
    txn.n_ops = 1;
    lease.name = (char *)(uintptr_t) "broker";
    lease.holder = (char *)(uintptr_t) "h";
    lease.ttl_ms = 1000;
    do_txn(t, other, &txn);
    do_lease(t, other, &lease);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct table *t = table_new(lineage), *other = table_new(lineage);
    set_up(t, other);
    if (data[0]) {
        Reeve__TxnRequest *m =
            reeve__txn_request__unpack(NULL, size - 1, data + 1);
        if (m)
            do_txn(t, other, m);
        reeve__txn_request__free_unpacked(m, NULL);
    } else {
        Reeve__LeaseRequest *m =
            reeve__lease_request__unpack(NULL, size - 1, data + 1);
        if (m)
            do_lease(t, other, m);
        reeve__lease_request__free_unpacked(m, NULL);
    }
    ASSERT(table_revision(t) == table_revision(other) &&
           table_seq(t) == table_seq(other));
    table_destroy(&t);
    table_destroy(&other);
    return 0;
}
