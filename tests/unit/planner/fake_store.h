/* SPDX-License-Identifier: Apache-2.0 */
/* fake_store - the toy world's store on a real bus, for a real planner process
 *
 * Answers store.snapshot, store.txn and store.lease and publishes events as the
 * state-store does; keeps everything in the world.
 */
#ifndef REEVE_TESTS_PLANNER_FAKE_STORE_H
#define REEVE_TESTS_PLANNER_FAKE_STORE_H

#include "tests/unit/planner/world.h"

struct loop;
struct fake_store;

/* Binds in that run dir; the world must outlive it. */
struct fake_store *fake_store_new(struct loop *loop, const char *run_dir,
                                  struct world *world);
void fake_store_destroy(struct fake_store **store);
/* Publishes what changed in the world since. */
void fake_store_flush(struct fake_store *store);
/* The next answers of store.txn get lost although they are applied. */
void fake_store_lose_answers(struct fake_store *store, int count);
unsigned fake_store_txns(const struct fake_store *store);

#endif
