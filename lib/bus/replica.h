/* SPDX-License-Identifier: Apache-2.0 */
/* replica - a local copy of the store, kept up by snapshot + events
 *
 * Takes a snapshot by request, then applies events from that revision on; sees
 * a gap (or another lineage) by the numbers and asks for what it missed, or
 * takes a new snapshot and tells only what really changed.  Broker, planner and
 * gateway all read through this.
 */
#ifndef REEVE_LIB_BUS_REPLICA_H
#define REEVE_LIB_BUS_REPLICA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct replica;

struct replica_item {
    const char *key;
    const uint8_t *value; /* borrowed until the item changes */
    size_t len;
    uint64_t revision;
};

struct replica_events {
    /* One key changed; item->value is NULL when it was deleted.  old_value is
     * what was there before (NULL: nothing).  Called in revision order. */
    void (*changed)(void *self, const struct replica_item *item,
                    const uint8_t *old_value, size_t old_len);
    /* All changes up to this revision were told: now is the time to decide. */
    void (*settled)(void *self, uint64_t revision);
    /* true after a first complete snapshot and while the feed is alive; false
     * when nothing (not even a tick) was heard for 5 s. */
    void (*alive)(void *self, bool is_alive);
};

/* store_req, store_pub: endpoints of the state-store.  prefix: what to keep,
 * "" = everything. */
struct replica *replica_new(struct loop *loop, const char *from,
                            const char *store_req, const char *store_pub,
                            const char *prefix,
                            const struct replica_events *events, void *self);
void replica_destroy(struct replica **replica);
/* Right after replica_new: values are handed to `changed` and not kept; no
 * old_value is told, and replica_get and replica_each show none.  For those who
 * keep what they understood of them. */
void replica_forget_values(struct replica *replica);
/* Right after replica_new: values are kept packed (lib/base/pack.h), for those
 * who look at a few of many.  What replica_get gives is good until the next
 * replica_get, what replica_each gives until its fn returns; no old_value is
 * told. */
void replica_pack_values(struct replica *replica);

bool replica_is_alive(const struct replica *replica);
uint64_t replica_revision(const struct replica *replica);
const char *replica_lineage(const struct replica *replica);
/* false: not there. */
bool replica_get(const struct replica *replica, const char *key,
                 struct replica_item *out);
/* Calls fn for every key that starts with prefix, in key order. */
void replica_each(const struct replica *replica, const char *prefix,
                  void (*fn)(void *self, const struct replica_item *item),
                  void *self);

struct replica_stats {
    uint64_t events, gaps, snapshots, garbage;
    uint64_t resumes; /* gaps that were closed without a snapshot */
};
void replica_stats(const struct replica *replica, struct replica_stats *out);

#endif
