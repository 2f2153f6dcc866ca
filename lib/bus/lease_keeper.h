/* SPDX-License-Identifier: Apache-2.0 */
/* lease_keeper - asks the store for one lease and renews it (internal)
 *
 * The lease counts as held for its time to live from when the last granted
 * request was *sent*: never longer than the store thinks.
 */
#ifndef REEVE_LIB_BUS_LEASE_KEEPER_H
#define REEVE_LIB_BUS_LEASE_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct lease_keeper;

struct lease_spec {
    const char *from, *store_req, *name, *holder; /* copied */
    int64_t ttl_ms;
    void (*changed)(void *self, bool is_held, uint64_t epoch);
    void *self;
};

struct lease_keeper *lease_keeper_new(struct loop *loop,
                                      const struct lease_spec *spec);
/* May be called from inside changed(). */
void lease_keeper_destroy(struct lease_keeper **keeper);

bool lease_keeper_is_held(const struct lease_keeper *keeper);
const char *lease_keeper_name(const struct lease_keeper *keeper);
/* The last one that was granted; 0: none yet. */
uint64_t lease_keeper_epoch(const struct lease_keeper *keeper);
/* The store refused this epoch: it is lost if it is the current one. */
void lease_keeper_fenced(struct lease_keeper *keeper, uint64_t epoch);
/* Gives the lease back; waits a moment for the answer. */
void lease_keeper_release(struct lease_keeper *keeper);

#endif
