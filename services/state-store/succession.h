/* SPDX-License-Identifier: Apache-2.0 */
/* succession - may this store become the one that writes to this Redis?  Pure.
 *
 * Redis tells who has the lease (the owner key), and who had it last (meta).
 * A key that is there belongs to its holder until it ends.  A key that is not
 * there may have ended, or may have vanished with a Redis that was emptied or
 * rolled back, while its holder lives: so a store that has a partner takes a
 * vacant lease only after it saw it vacant for a whole time-to-live, unless
 * it was given back or was its own.  Even these are believed only while the
 * Redis process is the one that the last claim was made to: after a restart it
 * may hold what was true earlier.  A Redis that was seen to hold more is not
 * gone on from at all.  Whom an election outside Redis chose takes
 * it from everybody with an older epoch.
 */
#ifndef REEVE_STATE_STORE_SUCCESSION_H
#define REEVE_STATE_STORE_SUCCESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was seen at earlier looks.  Zero-initialised. */
struct succession {
    bool is_vacant;
    uint64_t epoch, seq;
    int64_t since_ms;
    uint64_t top_seq; /* of this lineage */
    uint8_t lineage[16];
};

struct succession_ask {
    const char *holder;  /* who we are */
    bool has_partner;    /* another store may be waiting */
    uint64_t our_epoch;  /* of our last claim, 0: this process made none */
    bool needs_grant;    /* an election outside Redis decides */
    uint64_t granted;    /* the epoch it gave us; 0: none (yet) */
    const char *owner;   /* the owner key; NULL: not there */
    int64_t owner_ms;    /* what is left of it */
    const char *last;    /* the holder of the last claim; NULL: not known */
    uint64_t last_epoch; /* of that claim, 0: not known */
    uint64_t given_back; /* epoch that was given back last */
    bool is_same_run;    /* Redis has run since that claim */
    uint64_t seq;        /* position of Redis */
    uint8_t lineage[16]; /* that it holds; 0: none */
    int64_t ttl_ms, now_ms;
};

/* true: take it.  false: why says in one sentence who has it, or what is waited
 * for. */
bool succession_is_ours(struct succession *seen,
                        const struct succession_ask *ask, char *why,
                        size_t size);

#endif
