/* SPDX-License-Identifier: Apache-2.0 */
/* store_client - transactions and leases at the state-store
 *
 *   struct txn *txn = txn_new();
 *   txn_require(txn, key, 0);
 *   txn_put(txn, key, &record.base);
 *   store_client_commit(sc, &txn, on_committed, self);
 *
 * Commits are sent in the order given and applied in that order.
 */
#ifndef REEVE_LIB_BUS_STORE_CLIENT_H
#define REEVE_LIB_BUS_STORE_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct loop;

struct txn;
struct txn *txn_new(void);
void txn_destroy(struct txn **txn);
/* The key must last have changed at this revision; 0: must be absent. */
void txn_require(struct txn *txn, const char *key, uint64_t revision);
void txn_put(struct txn *txn, const char *key, const ProtobufCMessage *value);
void txn_put_bytes(struct txn *txn, const char *key, const void *value,
                   size_t len);
void txn_delete(struct txn *txn, const char *key);
size_t txn_ops(const struct txn *txn);
/* All of *from comes behind what is in txn; takes it. */
void txn_append(struct txn *txn, struct txn **from);

struct store_client;
struct store_client *store_client_new(struct loop *loop, const char *from,
                                      const char *store_req);
void store_client_destroy(struct store_client **client);

struct txn_result {
    struct err err; /* ERR_NONE: durable at `revision` */
    uint64_t revision;
    const char *failed_key;   /* with ERR_CONFLICT; borrowed */
    uint64_t failed_revision; /* what it is at */
};
/* Takes *txn.  With a lease held its name and epoch go along.  Retried for as
 * long as the store is away (same request id), so done may come late; it comes
 * exactly once, except after destroy.  ERR_FENCED: another holder took over. */
void store_client_commit(struct store_client *client, struct txn **txn,
                         void (*done)(void *self,
                                      const struct txn_result *result),
                         void *self);
/* Transactions sent and not yet answered. */
size_t store_client_pending(const struct store_client *client);

/* Keeps asking for the lease and renewing it (every ttl/3).  changed is called
 * with true when it is held (again), false when it is lost or was taken. */
void store_client_hold_lease(struct store_client *client, const char *name,
                             const char *holder, int64_t ttl_ms,
                             void (*changed)(void *self, bool is_held,
                                             uint64_t epoch),
                             void *self);
bool store_client_has_lease(const struct store_client *client);
/* Gives it back, best effort, before a clean stop. */
void store_client_release_lease(struct store_client *client);

#endif
