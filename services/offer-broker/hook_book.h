/* SPDX-License-Identifier: Apache-2.0 */
/* hook_book - what placement hooks said about agents, and what to ask them
 *
 * Pure.  A pod's placement is decided from verdicts that are here already; what
 * is missing becomes a question, and the agent is not admitted meanwhile.  A
 * question is of one pod instance about up to HOOK_MAX_AGENTS agents.  Of one
 * instance one question is under way at a time, of one hook HOOK_MAX_CALLS.  A
 * hook that failed is left alone for a second, then longer, up to a quarter
 * minute.  (ADR 5)
 *
 * Invariants: an agent is admitted only by a verdict that names it, was asked
 * for by that very instance with the agent's present facts, and is not over.
 * At most HOOK_MAX_VERDICTS are kept; beyond, nothing more is asked until some
 * are over.  Verdicts outlive no restart.
 */
#ifndef REEVE_OFFER_BROKER_HOOK_BOOK_H
#define REEVE_OFFER_BROKER_HOOK_BOOK_H

#include <stdint.h>

#include "proto/hook.pb-c.h"
#include "services/offer-broker/place.h"

#define HOOK_MAX_AGENTS   64
#define HOOK_MAX_CALLS    16
#define HOOK_MAX_VERDICTS 20000

struct err;
struct hook_book;

/* keep_ms: how long verdicts hold that say nothing of it. */
struct hook_book *hook_book_new(int64_t keep_ms);
void hook_book_destroy(struct hook_book **book);
/* A hook that can be asked. */
void hook_book_add(struct hook_book *book, const char *name);

/* A place_hook for the time of one pass. */
struct hook_asker {
    struct place_hook hook; /* hook_book_asker sets it */
    struct hook_book *book;
    const char *service;
    int64_t now_ms;
};
struct hook_asker hook_book_asker(struct hook_book *book, const char *service,
                                  int64_t now_ms);

/* A question under way; the caller's until it is given back by one of the
 * two functions below, or freed with the book gone. */
struct hook_call {
    Reeve__HookAsk *ask;
    uint64_t places; /* what `placed` came to */
};
void hook_call_destroy(struct hook_call **call);

/* The next question that is due; NULL: none. */
struct hook_call *hook_book_take(struct hook_book *book, int64_t now_ms);
/* An answer as it came. */
struct hook_bytes {
    const void *data;
    size_t len;
    int64_t now_ms; /* when */
};
/* -1: it makes no sense, which counts as failed; the
 * number of verdicts about agents that were not asked for otherwise. */
int hook_book_answer(struct hook_book *book, struct hook_call **call,
                     const struct hook_bytes *answer, struct err *err);
/* There was none. */
void hook_book_fail(struct hook_book *book, struct hook_call **call,
                    const char *why, int64_t now_ms);

/* Forgets what is over.  Now and then. */
void hook_book_sweep(struct hook_book *book, int64_t now_ms);

/* Why the hook's last answer did not come or made no sense; NULL: it did, or
 * was never asked. */
const char *hook_book_problem(const struct hook_book *book, const char *name);
size_t hook_book_verdicts(const struct hook_book *book);

#endif
