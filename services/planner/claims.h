/* SPDX-License-Identifier: Apache-2.0 */
/* claims - which plan works on which task in this round of decisions
 *
 * Two plans never work on one task at the same time.  First come, first served;
 * made anew for each round.  Pure.
 */
#ifndef REEVE_PLANNER_CLAIMS_H
#define REEVE_PLANNER_CLAIMS_H

#include <stdbool.h>

#include "proto/records.pb-c.h"

struct claims;

struct claims *claims_new(void);
void claims_destroy(struct claims **claims);

/* Claims all tasks of the step that nobody holds yet.  The plan's name is
 * borrowed for the life of the claims. */
void claims_add(struct claims *claims, const Reeve__Step *step,
                const char *plan);
/* Name of another plan that holds one of the step's tasks; NULL: none does. */
const char *claims_rival(const struct claims *claims, const Reeve__Step *step,
                         const char *plan);
/* Holder of one task; NULL: nobody. */
const char *claims_holder(const struct claims *claims, const char *pod_type,
                          uint32_t pod_index, const char *short_name);

#endif
