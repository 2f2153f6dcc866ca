/* SPDX-License-Identifier: Apache-2.0 */
/* offer_book - offers received from the master and not yet answered
 *
 * An offer enters once and leaves once: dropped (answered or rescinded) or
 * cleared with its subscription.  While a launch made from it waits for the
 * store, it is `taken`: not offered to other demands and not declined; a
 * rescind meanwhile is only noted (the ACCEPT is sent all the same, and the
 * master answers it with TASK_DROPPED, which is how the launch ends). Pure: the
 * caller passes the time in.
 */
#ifndef REEVE_OFFER_BROKER_OFFER_BOOK_H
#define REEVE_OFFER_BROKER_OFFER_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mesos/resources.h"
#include "proto/mesos/v1/mesos.pb-c.h"

struct err;
struct offer_book;

struct offer {
    Mesos__V1__Offer *message; /* resources in the reservations[] format */
    const char *id;            /* in message */
    int64_t received_ms;
    bool is_taken;
    bool is_rescinded; /* only while taken */
    bool is_needed;    /* shows a part of what a waiting pod needs */
};

struct offer_book *offer_book_new(size_t max_offers);
void offer_book_destroy(struct offer_book **book);

/* Takes *offer and sets it to NULL; on error it stays with the caller:
 *   ERR_EXISTS   that id is held already
 *   ERR_FULL     max_offers reached: decline it
 *   ERR_INVALID  its resources make no sense: decline it */
int offer_book_add(struct offer_book *book, Mesos__V1__Offer **offer,
                   int64_t now_ms, struct err *err);
/* Borrowed until the book changes; NULL when not held. */
const struct offer *offer_book_find(const struct offer_book *book,
                                    const char *id);
/* false: not held.  A taken offer stays until it is dropped. */
bool offer_book_rescind(struct offer_book *book, const char *id);
/* Unknown ids are ignored by these. */
void offer_book_take(struct offer_book *book, const char *id);
void offer_book_release(struct offer_book *book, const char *id);
void offer_book_drop(struct offer_book *book, const char *id);
void offer_book_need(struct offer_book *book, const char *id);
/* A new subscription: all offers are void. */
void offer_book_clear(struct offer_book *book);
size_t offer_book_count(const struct offer_book *book);
/* In order of arrival, taken ones too. */
void offer_book_each(const struct offer_book *book,
                     void (*fn)(void *self, const struct offer *offer),
                     void *self);

/* ---- what one agent offers, all its free offers together ----------
 * but those of each role apart: an ACCEPT names offers of one role. */
struct agent_pool {
    const char *agent_id; /* borrowed from the first offer */
    const char *role;
    size_t next_of_agent; /* its pool of another role; 0: none */
    const char *hostname;
    const Mesos__V1__Offer *offer; /* the first: attributes, domain */
    const char **offer_ids;        /* borrowed */
    size_t n_offer_ids;
    struct resources *resources; /* what is left of their sum; NULL: not yet
                                    added up, see agent_pool_fill */
    const struct offer_book *book;
    bool has_reserved; /* anything of it is reserved dynamically */
    int64_t oldest_ms; /* arrival of the first */
};

/* One pool per agent and role with free offers, in order of arrival; borrows
 * from the book until it changes.  Free with agent_pools_free. */
struct agent_pool *offer_book_pools(const struct offer_book *book,
                                    size_t *count);
/* Adds its offers up, unless that is done. */
void agent_pool_fill(struct agent_pool *pool);
void agent_pools_free(struct agent_pool *pools, size_t count);

#endif
