/* SPDX-License-Identifier: Apache-2.0 */
/* answers - replies made up now and sent when what they tell is durable
 *
 * Kept in order of arrival, which is the order of the seq they wait for.
 */
#ifndef REEVE_STATE_STORE_ANSWERS_H
#define REEVE_STATE_STORE_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct bus_call;
struct item;

enum answer_kind { ANSWER_TXN, ANSWER_LEASE, ANSWER_ITEMS };

struct pending_answer {
    struct pending_answer *prev, *next;
    uint64_t seq; /* sent when this is visible */
    struct bus_call *call;
    enum answer_kind kind;
    struct err *err; /* NULL: success */
    size_t bytes;    /* it keeps alive */
    /* txn: revision (or failed_revision with key in text); items: revision;
     * lease: epoch, holder in text, remaining_ms. */
    uint64_t number;
    char *text;
    uint32_t remaining_ms;
    int is_repeat;
    struct item **items; /* with references; NULL slots are left out */
    size_t n_items, items_cap;
    uint64_t cursor; /* items: there is more to ask for */
    uint8_t lineage[16];
};

struct pending_answer *answer_new(struct bus_call *call, enum answer_kind kind);
/* Takes a reference. */
void answer_add_item(struct pending_answer *answer, struct item *item);
void answer_clear_items(struct pending_answer *answer);
/* Sends it and frees it. */
void answer_send(struct pending_answer *answer);
/* Frees it without an answer: the bus tells its caller on its own. */
void answer_drop(struct pending_answer *answer);

#endif
