/* SPDX-License-Identifier: Apache-2.0 */
/* janitor - whose are the reservations that an offer shows
 *
 * Pure.  By exact id only: what a pod's record names is wanted; what a record
 * names as abandoned may be destroyed and unreserved; what carries our labels
 * and no record names is quarantined: kept, listed, never touched.
 */
#ifndef REEVE_OFFER_BROKER_JANITOR_H
#define REEVE_OFFER_BROKER_JANITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mesos/resources.h"
#include "services/offer-broker/facts.h"
#include "services/offer-broker/ids.h"

enum janitor_class {
    JANITOR_FREE,      /* not reserved by a resource id */
    JANITOR_FOREIGN,   /* another framework's label */
    JANITOR_WANTED,    /* named by a pod's record */
    JANITOR_ABANDONED, /* named as given up */
    JANITOR_UNKNOWN,   /* ours by its labels, in no record */
};

struct janitor;

struct janitor *janitor_new(void);
void janitor_destroy(struct janitor **janitor);
/* Learns all records afresh. */
void janitor_learn(struct janitor *janitor, const struct facts *facts,
                   const char *framework_id);
/* One record changed; NULL: it is not there.  before must be what was learnt.
 */
void janitor_learn_pod(struct janitor *janitor, const char *instance,
                       const Reeve__PodRecord *before,
                       const Reeve__PodRecord *after);
/* *pod: the instance whose record names it, or NULL; borrowed. */
enum janitor_class janitor_classify(const struct janitor *janitor,
                                    const Mesos__V1__Resource *resource,
                                    const char **pod);

/* Notes the unknown reservations of an agent's offers (and forgets those noted
 * there before that are known now). */
void janitor_inspect(struct janitor *janitor, const char *agent_id,
                     const struct resources *resources);
/* Does any record name something as given up? */
bool janitor_has_abandoned(const struct janitor *janitor);
size_t janitor_quarantined(const struct janitor *janitor);
/* Reservations seen that carry labels like ours, of whatever framework, while
 * no record names a single one: the store may be empty, or not ours.  0 as soon
 * as there is any record. */
size_t janitor_strange(const struct janitor *janitor);
/* "resource 1234 (volume 5678) on agent …", at most max lines; malloc'd. */
char *janitor_report(const struct janitor *janitor, size_t max);

/* DESTROY and UNRESERVE of what is abandoned in the pool; the parts leave the
 * pool.  A resource asked for is left in peace for 30 s.  done is told each
 * freed resource id, with its pod and the operation that unreserves it. */
struct janitor_sweep {
    Mesos__V1__Offer__Operation *destroy, *unreserve; /* NULL: nothing */
};
struct janitor_sweep janitor_sweep(struct janitor *janitor,
                                   struct resources *pool, int64_t now_ms,
                                   struct id_source *ids);
/* Operation finished: the (pod, resource id) pairs that it freed; forgotten
 * with it. */
void janitor_finished(struct janitor *janitor, const char *operation_id,
                      void (*freed)(void *self, const char *pod,
                                    const char *resource_id),
                      void *self);

#endif
