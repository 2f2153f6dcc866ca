/* SPDX-License-Identifier: Apache-2.0 */
/* census - what the master lists: labelled reservations of agents, frameworks
 *
 * Pure.  Reads the answers to GET /slaves and GET /frameworks.  What is not as
 * expected inside of them is passed over; an answer that is none is
 * ERR_INVALID.
 */
#ifndef REEVE_OFFER_BROKER_CENSUS_H
#define REEVE_OFFER_BROKER_CENSUS_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct census;
struct resources;

struct census *census_new(void);
void census_destroy(struct census **census);

/* Both add to what was read before. */
int census_read_agents(struct census *census, const char *text, size_t len,
                       struct err *err);
int census_read_frameworks(struct census *census, const char *text, size_t len,
                           struct err *err);

bool census_has_agent(const struct census *census, const char *agent_id);
/* Has it the capability to change the size of volumes? */
bool census_can_resize(const struct census *census, const char *agent_id);
/* Is a dynamic reservation with that label resource_id listed there? */
bool census_has(const struct census *census, const char *agent_id,
                const char *resource_id);
/* The same, and not only as a volume? */
bool census_has_bare(const struct census *census, const char *agent_id,
                     const char *resource_id);

/* What an answer to GET /slaves lists as reserved on the agent under a label
 * resource_id, for one of the roles; *hostname is malloc'd.  NULL: the agent is
 * not listed. */
struct resources *census_reserved(const char *text, size_t len,
                                  const char *agent_id,
                                  const char *const *roles, size_t n_roles,
                                  char **hostname);

/* Who asks: a service that has no record of any pod. */
struct census_self {
    const char *name, *role;
    const char *framework_id; /* NULL: to be registered anew */
};
/* May it go on?  Yes: true.  Else *why is a sentence and *confirm what the
 * operator has to repeat, both malloc'd:
 *   - a framework of that name is connected, or away and has tasks: it may be
 *     this service; confirm: its id.  One that is away and has none is what a
 *     registration leaves whose answer was lost.
 *   - its own framework has tasks; confirm: its id
 *   - reservations of the role carry a label resource_id, and their label
 *     framework_id names no registered framework of another name; confirm: the
 *     role */
bool census_may_register(const struct census *census,
                         const struct census_self *self, char **why,
                         char **confirm);

#endif
