/* SPDX-License-Identifier: Apache-2.0 */
/* fresh - may tasks be launched of which no record says that they run?
 *
 * The store may be an old copy, while what it should know runs.  Held back are
 *   any demand   when a task of its name runs under our framework and no record
 *                names it
 *   new pods     until the master told which tasks of ours run
 * Asked once per process, again with each subscription until it is answered.
 * (Who else has our name is asked before we register: survey.h.)
 */
#ifndef REEVE_OFFER_BROKER_FRESH_H
#define REEVE_OFFER_BROKER_FRESH_H

#include <stdbool.h>

#include "services/offer-broker/session.h"

struct fresh;

struct fresh *fresh_new(struct session *session);
void fresh_destroy(struct fresh **fresh);
/* A new subscription; is_newborn: the master just gave us our id. */
void fresh_begin(struct fresh *fresh, bool is_newborn);
/* Asks what is due. */
void fresh_ask(struct fresh *fresh);
/* Is this update an answer to what was asked here, and nothing else? */
bool fresh_is_answer(struct fresh *fresh, const Mesos__V1__TaskStatus *status);
/* Must the demand wait?  Why goes to *why. */
bool fresh_holds(const struct fresh *fresh, const struct demand_view *view,
                 struct buf *why);

#endif
