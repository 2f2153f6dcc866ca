/* SPDX-License-Identifier: Apache-2.0 */
/* record - one entry of the log: a transaction, a lease, a start of the store
 *
 * Shared by counting references (loop's thread only): the log encodes it, Redis
 * applies it, subscribers get its items.  seq counts every record without gaps;
 * revision counts transactions only, because subscribers count on that.
 */
#ifndef REEVE_STATE_STORE_RECORD_H
#define REEVE_STATE_STORE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "services/state-store/item.h"
#include "services/state-store/limits.h"

/* The numbers are in the log: never renumber. */
enum record_type {
    RECORD_TXN = 1,
    RECORD_LEASE = 2, /* granted, or given back (holder "") */
    RECORD_START = 3, /* a store started to write here */
};

struct record {
    uint32_t refs;
    enum record_type type;
    uint64_t seq;
    uint64_t revision; /* the store's, after this record */
    int64_t wall_ms;
    char request_id[REQUEST_ID_MAX + 1]; /* "" = none */
    char
        lease[LEASE_NAME_MAX + 1]; /* txn: fenced by; lease: granted; else "" */
    char *holder;                  /* lease only; else NULL */
    uint64_t epoch;                /* of lease */
    uint32_t ttl_ms;               /* lease only */
    uint64_t run_id;               /* start only */
    size_t n_items;                /* txn only */
    struct item *items[];          /* each with a reference of ours */
};

/* Room for n items, which the caller fills; all else zero. */
struct record *record_new(enum record_type type, size_t n_items);
struct record *record_ref(struct record *record);
void record_unref(struct record *record); /* NULL is ignored */
void record_destroy(struct record **record);
/* Memory it keeps alive, roughly. */
size_t record_bytes(const struct record *record);

#endif
