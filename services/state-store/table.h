/* SPDX-License-Identifier: Apache-2.0 */
/* table - the truth in memory: keys, revisions, leases, requests, history
 *
 * Changed only by records: a call is checked in full, made into a record and
 * applied at once, so order is settled here; what is durable and may be shown
 * is the caller's business (store.h).  The same records applied to an equal
 * table give an equal table: that is replay, and it is following another store.
 *
 * Pure state: ids, wall and monotonic time come in.
 */
#ifndef REEVE_STATE_STORE_TABLE_H
#define REEVE_STATE_STORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/store.pb-c.h"
#include "services/state-store/history.h"
#include "services/state-store/key_index.h"
#include "services/state-store/lease.h"
#include "services/state-store/record.h"
#include "services/state-store/request_log.h"

struct err;
struct table;

/* Of the given lineage (16 bytes), with nothing in it. */
struct table *table_new(const uint8_t lineage[16]);
void table_destroy(struct table **table);

const uint8_t *table_lineage(const struct table *table);
uint64_t table_seq(const struct table *table); /* of the last record */
uint64_t table_revision(const struct table *table);
size_t table_bytes(const struct table *table); /* keys and values */

/* The parts; whoever restores a copy fills them directly. */
const struct key_index *table_keys(const struct table *table);
struct lease_book *table_leases(struct table *table);
struct request_log *table_requests(struct table *table);
struct history *table_history(struct table *table);

/* Limits of a transaction that depend on nothing: keys, sizes, counts. */
int table_check_txn(const Reeve__TxnRequest *txn, struct err *err);

struct txn_outcome {
    struct record
        *record;       /* to be logged, the caller's; NULL: nothing changed */
    uint64_t revision; /* of the transaction, or of its first time */
    bool is_repeat;
    const char *failed_key; /* with ERR_CONFLICT; borrowed from the request */
    uint64_t failed_revision;
};
/* Decides and applies.  request_id: "" for none.  -1, and nothing changed:
 *   ERR_INVALID, ERR_FENCED, ERR_CONFLICT (failed_key, failed_revision) */
int table_txn(struct table *table, const Reeve__TxnRequest *txn,
              const char *request_id, int64_t wall_ms, struct txn_outcome *out,
              struct err *err);

struct lease_clock {
    int64_t now_ms; /* monotonic */
    int64_t wall_ms;
};
/* As lease_book_ask; *record is set when a grant or release was applied and
 * must be logged before the answer is told. */
int table_lease(struct table *table, const struct lease_ask *ask,
                struct lease_clock clock, struct lease_answer *answer,
                struct record **record, struct err *err);

/* A run of the store begins: the record to be logged. */
struct record *table_start_run(struct table *table, uint64_t run_id,
                               int64_t wall_ms);

/* The next record of the log.  ERR_CORRUPT when it cannot follow.  The leases'
 * clocks are set by lease_book_restart() afterwards. */
int table_apply(struct table *table, const struct record *record,
                struct err *err);

/* For loaders of a whole copy: sets an item (the reference is taken over) and,
 * when all are in, the position. */
void table_restore_item(struct table *table, struct item *item);
void table_restore_position(struct table *table, uint64_t seq,
                            uint64_t revision);

/* Puts the packed twin of an item that is there in its place; the reference is
 * taken over.  Cursors into the keys stay good. */
void table_put_twin(struct table *table, struct item *twin);

/* A consistent view that stays while the table goes on: for snapshots and for
 * filling Redis.  Holds references; other threads may read it. */
struct view {
    uint8_t lineage[16];
    uint64_t seq, revision;
    size_t n_items, n_leases, n_requests;
    struct item **items; /* in key order */
    struct lease *leases;
    struct request *requests; /* oldest first */
    struct history history;
    size_t bytes; /* of keys and values */
};
struct view *table_view(struct table *table);
void view_destroy(struct view **view); /* loop's thread only */

#endif
