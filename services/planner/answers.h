/* SPDX-License-Identifier: Apache-2.0 */
/* answers - what operators' requests were answered, kept with their effect
 *
 * A request that is repeated because its answer got lost, even over a restart
 * of the planner, is answered again and not done again.  Kept in the property
 * "planner-answers", written in the transaction of the verb itself.  Pure.
 *
 * Bound: the last ANSWERS_KEPT.
 */
#ifndef REEVE_PLANNER_ANSWERS_H
#define REEVE_PLANNER_ANSWERS_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "services/planner/changes.h"
#include "services/planner/facts.h"

enum { ANSWERS_KEPT = 64 };

/* Appends the body that this request was answered with; false: it was not. */
bool answers_find(const struct facts *facts, const char *request_id,
                  struct buf *body);
void answers_keep(const struct facts *facts, const char *request_id,
                  const struct buf *body, struct changes *changes);

#endif
