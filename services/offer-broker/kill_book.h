/* SPDX-License-Identifier: Apache-2.0 */
/* kill_book - when to repeat a KILL
 *
 * Pure.  The master forgets a KILL that it cannot deliver, so it is sent again
 * after 5 s, then after growing pauses of at most a minute, for as long as the
 * order stands in the store.
 */
#ifndef REEVE_OFFER_BROKER_KILL_BOOK_H
#define REEVE_OFFER_BROKER_KILL_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KILL_FIRST_MS 5000
#define KILL_MOST_MS  60000

struct kill_book;

struct kill_book *kill_book_new(void);
void kill_book_destroy(struct kill_book **book);
/* Is it time to (re)send it?  True means: sent, as far as the book goes. */
bool kill_book_is_due(struct kill_book *book, const char *task_id,
                      int64_t now_ms);
/* Was it sent, in this subscription? */
bool kill_book_has(const struct kill_book *book, const char *task_id);
void kill_book_forget(struct kill_book *book, const char *task_id);
/* Forgets all whose order does not stand any more. */
void kill_book_sweep(struct kill_book *book,
                     bool (*stands)(const void *self, const char *task_id),
                     const void *self);
/* A new subscription: all are due again. */
void kill_book_clear(struct kill_book *book);
size_t kill_book_count(const struct kill_book *book);

#endif
