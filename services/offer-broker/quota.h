/* SPDX-License-Identifier: Apache-2.0 */
/* quota - what the limits of a role leave to a pod
 *
 * Pure.  Reads the answer to GET /roles.  A limit counts for the role and all
 * below it, and what is reserved counts as used; the master then just offers
 * less, so that offers alone never say why.
 */
#ifndef REEVE_OFFER_BROKER_QUOTA_H
#define REEVE_OFFER_BROKER_QUOTA_H

#include <stddef.h>

#include "proto/records.pb-c.h"
#include "services/offer-broker/wants.h"

struct err;
struct quotas;

struct quotas *quotas_new(void);
void quotas_destroy(struct quotas **quotas);
/* In place of what was read before; ERR_INVALID when it is no such answer. */
int quotas_read(struct quotas *quotas, const char *text, size_t len,
                struct err *err);
/* "the quota of role a allows cpus 0.6, of which 0.4 are used; 0.3 more are
 * needed": the first limit that the wants, but for what the record has already
 * (NULL: nothing), do not keep.  malloc'd; NULL: there is none. */
char *quotas_short_of(const struct quotas *quotas, const char *role,
                      const struct wants *wants,
                      const Reeve__PodRecord *record);

#endif
