/* SPDX-License-Identifier: Apache-2.0 */
/* janitor - whose are the reservations that an offer shows
 *
 * Pure.  By exact id only: what a pod's record names is wanted; what a pod's
 * record names as abandoned, or an operator's order names, may be destroyed and
 * unreserved; so may the bare disk that a volume in use left when it was made
 * smaller, up to the amount that the record names; what carries our labels and
 * no record names is quarantined: kept, listed, never touched.
 *
 * Freeing needs no memory: the operation's id carries the resource's, so that
 * feedback is understood by whichever process hears it, and what was not
 * carried out is offered, and asked for, again.
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
    JANITOR_FOREIGN,   /* another framework's label, in no record */
    JANITOR_WANTED,    /* named by a pod's record */
    JANITOR_ABANDONED, /* named as given up, by a pod's record or an order */
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
/* The same for an operator's order about one resource. */
void janitor_learn_release(struct janitor *janitor, const char *resource_id,
                           bool is_ordered);
/* *pod: the instance whose record names it, or NULL; borrowed. */
enum janitor_class janitor_classify(const struct janitor *janitor,
                                    const Mesos__V1__Resource *resource,
                                    const char **pod);

/* ---- quarantine --------------------------------------------------- */
struct janitor_place {
    const char *agent_id, *hostname;
    int64_t now_wall_ms;
};
/* Notes the unknown reservations of an agent's offers, and forgets those that
 * are known now. */
void janitor_inspect(struct janitor *janitor, const struct janitor_place *place,
                     const struct resources *resources);

struct quarantined {
    const char *resource_id;
    const char *agent_id, *hostname;
    const char *text;                    /* of the resource */
    const Mesos__V1__Resource *resource; /* as shown */
    bool is_foreign;                     /* labelled by another framework */
    int64_t since_wall_ms;
};
/* By resource id; false: not there. */
bool janitor_find(const struct janitor *janitor, const char *resource_id,
                  struct quarantined *out);
void janitor_each_quarantined(const struct janitor *janitor,
                              void (*fn)(void *self,
                                         const struct quarantined *item),
                              void *self);
/* The master listed an agent's reservations: of what is noted there, all that
 * exists(id) does not confirm is forgotten.  How many were. */
size_t janitor_verify(struct janitor *janitor, const char *agent_id,
                      bool (*exists)(const void *self, const char *resource_id),
                      const void *self);
/* Without those that other frameworks labelled. */
size_t janitor_quarantined(const struct janitor *janitor);
/* Does any pod's record name anything? */
bool janitor_knows_pods(const struct janitor *janitor);
/* Reservations seen that carry labels like ours, of whatever framework, while
 * no pod's record names a single one: the store may be empty, or not ours.  0
 * as soon as there is any such record. */
size_t janitor_strange(const struct janitor *janitor);
/* "resource 1234 (volume 5678) on agent …", at most max lines; malloc'd. */
char *janitor_report(const struct janitor *janitor, size_t max);

/* ---- freeing ------------------------------------------------------ */
/* Does any record name something as given up? */
bool janitor_has_abandoned(const struct janitor *janitor);
/* Is it this one?  *pod: whose record says so; NULL: an operator's order. */
bool janitor_is_abandoned(const struct janitor *janitor,
                          const char *resource_id, const char **pod);
/* Is the bare disk beside its volume given up?  *pod: whose record says so. */
bool janitor_has_remainder(const struct janitor *janitor,
                           const char *resource_id, const char **pod);
/* Does a pod's record want it? */
bool janitor_is_wanted(const struct janitor *janitor, const char *resource_id,
                       const char **pod);
/* Is it time to look for offers because of that?  For 20 s after something was
 * given up, then again and again after growing pauses: its agent may be away.
 * *is_new: such a time begins. */
bool janitor_seeks(struct janitor *janitor, int64_t now_ms, bool *is_new);

/* DESTROY and UNRESERVE of what is abandoned in the pool; the parts leave the
 * pool.  A resource asked for is left in peace for 30 s.  The caller owns the
 * operations and frees the list. */
struct janitor_sweep {
    Mesos__V1__Offer__Operation **ops;
    size_t n_ops; /* 0: nothing */
};
struct janitor_sweep janitor_sweep(struct janitor *janitor,
                                   struct resources *pool, int64_t now_ms,
                                   struct id_source *ids);
enum janitor_step {
    JANITOR_DESTROY, /* the volume; its disk is still reserved */
    JANITOR_UNRESERVE,
    JANITOR_UNRESERVE_REST, /* the bare disk beside a volume */
};
/* The resource id that the operation is about, malloc'd; NULL: it is none of
 * those. */
char *janitor_resource_of(const char *operation_id, enum janitor_step *step);
/* It was refused: why, until it is tried again, which is after 2 s and then
 * growing pauses of at most 5 min. */
void janitor_failed(struct janitor *janitor, const char *operation_id,
                    const char *why, int64_t now_ms);
/* NULL: not refused. */
const char *janitor_problem(const struct janitor *janitor,
                            const char *resource_id);

/* May it be part of a key, and of an operation's id? */
bool janitor_id_is_plain(const char *resource_id);

#endif
