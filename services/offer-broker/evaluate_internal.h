/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate_internal - what evaluate.c and evaluate_reuse.c share */
#ifndef REEVE_OFFER_BROKER_EVALUATE_INTERNAL_H
#define REEVE_OFFER_BROKER_EVALUATE_INTERNAL_H

#include "services/offer-broker/evaluate.h"

struct eval {
    const struct eval_in *in;
    struct resources *pool; /* own copy; becomes the caller's on success */
    struct match *match;
    bool is_resize; /* only of volumes: no launch */
    struct buf *why;
    size_t failures;
    char *reserve_id; /* operation ids: "data-0__<uuid>" */
    char *create_id;
    Mesos__V1__Offer__Operation *unreserve, *reserve, *create; /* or NULL */
    Mesos__V1__Offer__Operation **resizes;                     /* after those */
    size_t n_resizes;
};

/* Adds one reason. */
void eval_fail(struct eval *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Reserves (and creates) the want afresh; adds its record and grant. */
void eval_fresh(struct eval *e, const struct want *want);
/* Finds the want's recorded reservation in the pool and adapts it. */
void eval_reuse(struct eval *e, const struct want *want,
                const Reeve__ReservedResource *record);
/* Reservations in the record that no want asks for any more. */
void eval_orphan(struct eval *e, const Reeve__ReservedResource *record);

/* A free (plain) scalar of at least this much; borrowed. */
const Mesos__V1__Resource *eval_find_free(const struct eval *e,
                                          const char *name, int64_t milli);
int64_t eval_sum_free(const struct eval *e, const char *name);
/* Puts the resource into the pending RESERVE (…) and into the pool's state. */
void eval_reserve(struct eval *e, const Mesos__V1__Resource *resource);
void eval_unreserve(struct eval *e, const Mesos__V1__Resource *resource);
void eval_create(struct eval *e, const Mesos__V1__Resource *volume);
/* Carries the change out on our copy of the pool. */
void eval_apply(struct eval *e, const Mesos__V1__Offer__Operation *op);
/* "data-0__<uuid>"; malloc'd. */
char *eval_operation_id(const struct eval_in *in);
/* The disk reserved by the entry's id, without a volume; NULL: none. */
const Mesos__V1__Resource *eval_bare_disk(const struct resources *pool,
                                          const Reeve__ReservedResource *entry);
/* Has the volume the wanted size, it is returned as it is.  Else the operation
 * that gives it that size is added, and it is returned as it will be.  entry is
 * its record, and tells what is under way.  The caller frees. */
Mesos__V1__Resource *eval_resize(struct eval *e, const struct want *want,
                                 const Mesos__V1__Resource *volume,
                                 Reeve__ReservedResource *entry);
/* Is the want's owner part of this launch? */
bool eval_is_used(const struct eval *e, const char *owner);
/* Adds a grant; takes resource.  Not used by this launch: only freed. */
void eval_grant(struct eval *e, const struct want *want,
                Mesos__V1__Resource *resource);
/* Adds a copy of the record entry to the new pod record; borrowed. */
Reeve__ReservedResource *eval_record(struct eval *e,
                                     const Reeve__ReservedResource *entry);
/* First free port that the want admits; 0: none. */
uint32_t eval_free_port(const struct eval *e, const Reeve__PortSpec *port,
                        const Mesos__V1__Resource **from);
/* Turns a reserved disk into the volume of the want. */
Mesos__V1__Resource *eval_volume_of(const struct eval *e,
                                    const Mesos__V1__Resource *disk,
                                    const char *persistence_id,
                                    const char *container_path);
void eval_entry_amount(Reeve__ReservedResource *entry,
                       const Mesos__V1__Resource *resource);

/* The entry as given up: it says where it was. */
Reeve__ReservedResource *eval_abandoned(const Reeve__PodRecord *record,
                                        const Reeve__ReservedResource *entry);

#endif
