/* SPDX-License-Identifier: Apache-2.0 */
/* lease - who may write: named leases with epochs
 *
 * An epoch is granted once and never again, also after a restart: grants are
 * records of the log (lease_book_apply), only the clock of the time-to-live is
 * not.  A lease whose time is over stays with its holder until another asks: as
 * long as nobody else got a newer epoch, its writes are safe.  Pure: monotonic
 * time comes in.
 */
#ifndef REEVE_STATE_STORE_LEASE_H
#define REEVE_STATE_STORE_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/state-store/limits.h"

struct err;

struct lease {
    char name[LEASE_NAME_MAX + 1];
    char holder[LEASE_HOLDER_MAX + 1];   /* "" = given back */
    char request_id[REQUEST_ID_MAX + 1]; /* that got this epoch */
    uint64_t epoch;
    uint32_t ttl_ms;
    int64_t expires_ms; /* monotonic */
};

struct lease_book;

struct lease_book *lease_book_new(void);
void lease_book_destroy(struct lease_book **book);

struct lease_ask {
    const char *name, *holder;
    const char *request_id;
    uint64_t epoch; /* 0: take it; else renew (or give back) this one */
    uint32_t ttl_ms;
    bool is_release;
};
struct lease_answer {
    /* Must be logged and applied before it is told; else only the clock moved.
     */
    bool is_new;
    uint64_t epoch;
    const char *holder; /* borrowed from the book or the ask */
    uint32_t remaining_ms;
};
/* Decides; a renewal moves the clock, a grant or release changes nothing until
 * it is applied.  -1:
 *   ERR_INVALID   names, ttl
 *   ERR_CONFLICT  held by another; answer->holder, remaining_ms are set
 *   ERR_FENCED    that epoch is over
 *   ERR_FULL      LEASES_MAX names */
int lease_book_ask(struct lease_book *book, const struct lease_ask *ask,
                   int64_t now_ms, struct lease_answer *answer,
                   struct err *err);
/* A logged grant or release; the time-to-live starts at now_ms. */
void lease_book_apply(struct lease_book *book, const struct lease *lease,
                      int64_t now_ms);
/* 0 for a lease that never was. */
uint64_t lease_book_epoch(const struct lease_book *book, const char *name);
/* After a restart: every holder gets its full time again. */
void lease_book_restart(struct lease_book *book, int64_t now_ms);

size_t lease_book_count(const struct lease_book *book);
const struct lease *lease_book_at(const struct lease_book *book, size_t i);

#endif
