/* SPDX-License-Identifier: Apache-2.0 */
/* places - which pod instance has its place where
 *
 * Pure.  One place per instance: the last one set.  Borrows all texts from the
 * records it was told of.
 */
#ifndef REEVE_OFFER_BROKER_PLACES_H
#define REEVE_OFFER_BROKER_PLACES_H

#include <stddef.h>

#include "proto/records.pb-c.h"
#include "services/offer-broker/place.h"

struct places;

struct places *places_new(void);
void places_destroy(struct places **places);
/* The instance of this task has its place where the task is (was) launched;
 * keeps a former place unless it moves.  The task's name is added to its. */
void places_add(struct places *places, const Reeve__TaskRecord *task);
void places_move(struct places *places, const Reeve__TaskRecord *task);
/* All of them, borrowed until the next change. */
/* Changes when an instance moved; additions come to the list's end. */
size_t places_moves(const struct places *places);
const struct placed *places_all(const struct places *places, size_t *count);

#endif
