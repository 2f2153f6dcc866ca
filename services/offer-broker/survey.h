/* SPDX-License-Identifier: Apache-2.0 */
/* survey - asks the master what offers cannot show
 *
 * Before a service registers for the first time: does it run already, are its
 * reservations held?  Now and then: is there anything that no record names, on
 * the agents where something of ours is?  While something is quarantined or
 * given up: does it still exist on its agent?  While something fits nowhere:
 * what do quotas allow?  GET /frameworks, /slaves and /roles, one request at a
 * time.  A master that forbids them leaves the questions open.
 */
#ifndef REEVE_OFFER_BROKER_SURVEY_H
#define REEVE_OFFER_BROKER_SURVEY_H

#include <stdbool.h>

struct demand_view;
struct session;
struct survey;

struct survey *survey_new(struct session *session);
void survey_destroy(struct survey **survey);

/* May it register, or go on without a record of any pod?  false: not yet, or
 * not at all, and the session's problem says why.  Asks when that is due. */
bool survey_may_register(struct survey *survey);
/* The question could not be answered: why, for health; NULL: it was, or was not
 * asked. */
const char *survey_unanswered(const struct survey *survey);
/* Compares quarantine and given-up entries with their agents, now and then. */
void survey_agents(struct survey *survey);
/* Somebody wants to know: what offers do not show is to be looked for. */
void survey_take_stock(struct survey *survey);
/* Has a demand waited for offers in vain?  Then quotas are asked about. */
void survey_quotas(struct survey *survey, bool is_short);
/* Which quota leaves too little for the demand's pod; malloc'd; NULL: none that
 * is known. */
char *survey_short_of(const struct survey *survey,
                      const struct demand_view *view);

#endif
