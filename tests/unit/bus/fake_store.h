/* SPDX-License-Identifier: Apache-2.0 */
/* fake_store - a small store in the test's own loop that can misbehave
 *
 * Keeps keys, revisions, request ids and one lease in memory; answers
 * store.txn, store.snapshot and store.lease; publishes events.
 */
#ifndef REEVE_TESTS_UNIT_BUS_FAKE_STORE_H
#define REEVE_TESTS_UNIT_BUS_FAKE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/bus/bus_world.h"

struct bus_call;

struct fake_store {
    struct bus_world *w;
    struct bus_server *server;
    struct bus_pub *pub;
    struct omap *items;    /* key -> struct fake_item */
    struct omap *requests; /* request id -> revision */
    uint64_t revision;
    char lineage[64];
    uint64_t lease_epoch;
    char lease_holder[64];
    uint64_t tick_timer;
    struct bus_call *held_snapshot;

    /* What it does wrong; counts go down to 0. */
    int keep_events;      /* messages published before the losses begin */
    int lose_events;      /* messages that are not published */
    int duplicate_events; /* messages that are published twice */
    int lose_answers;     /* txns that are applied but not answered */
    int unavailable;      /* txns that are answered ERR_UNAVAILABLE */
    int fenced;           /* txns that are answered ERR_FENCED */
    bool hold_snapshots;
    bool silent;    /* no ticks */
    bool no_leases; /* lease requests are not answered */

    /* What it saw. */
    int txns, repeats, snapshots, leases, releases;
    char applied[4096]; /* first op's key of each txn, in order, with blanks */
};

void fake_store_open(struct fake_store *s, struct bus_world *w);
void fake_store_close(struct fake_store *s);
/* The process dies; memory (its log) stays. */
void fake_store_down(struct fake_store *s);
void fake_store_up(struct fake_store *s);

/* Applied and published at once; value NULL deletes. */
void fake_store_put(struct fake_store *s, const char *key, const char *value);
/* Two changes in one transaction. */
void fake_store_put2(struct fake_store *s, const char *a, const char *b,
                     const char *value);
void fake_store_answer_snapshot(struct fake_store *s);
/* All keys vanish and the history begins again. */
void fake_store_wipe(struct fake_store *s, const char *lineage);

#endif
