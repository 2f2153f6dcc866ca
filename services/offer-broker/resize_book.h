/* SPDX-License-Identifier: Apache-2.0 */
/* resize_book - may an agent's volumes be made larger or smaller
 *
 * Pure.  Offers do not tell what an agent is able to, so that is asked for once
 * it matters: the book says whom to ask and keeps the answers.  It also
 * remembers what was refused, so that a volume is not asked to change again and
 * again.  All of it may be forgotten: a new process asks again.
 */
#ifndef REEVE_OFFER_BROKER_RESIZE_BOOK_H
#define REEVE_OFFER_BROKER_RESIZE_BOOK_H

#include <stdbool.h>
#include <stdint.h>

struct resize_book;

struct resize_book *resize_book_new(void);
void resize_book_destroy(struct resize_book **book);

enum resize_ability {
    RESIZE_UNKNOWN, /* not told yet */
    RESIZE_ABLE,
    RESIZE_UNABLE,
    RESIZE_UNTOLD, /* the master does not tell us: taken for able */
};

struct resize_question {
    const char *agent_id;
    const char *resource_id; /* of the volume */
    int64_t to_milli;
    int64_t now_ms;
};
/* Why that volume cannot get that size now; NULL: nothing is known against it.
 * Borrowed until the next call.  Notes that the agent's ability matters. */
const char *resize_book_objection(struct resize_book *book,
                                  const struct resize_question *question);

/* An agent to ask about; NULL: none.  The same one until it is answered or put
 * off. */
const char *resize_book_next(const struct resize_book *book, int64_t now_ms);
void resize_book_answer(struct resize_book *book, const char *agent_id,
                        enum resize_ability ability, int64_t now_ms);
/* No answer came: ask again in a moment. */
void resize_book_put_off(struct resize_book *book, const char *agent_id,
                         int64_t now_ms);

/* It was refused that size: not tried again for 2 s, then for growing times of
 * at most 5 min. */
void resize_book_refused(struct resize_book *book, const char *resource_id,
                         int64_t to_milli, const char *why, int64_t now_ms);
/* It has the size that it was to get. */
void resize_book_done(struct resize_book *book, const char *resource_id);

#endif
