/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate - can this agent's offers carry that pod instance, and how
 *
 * Pure.  Two ways:
 *   fresh   nothing of the pod exists: everything is reserved, volumes created
 *   reuse   its reservations and volumes exist: they are found by their exact
 *           ids in what the agent offers, grown or shrunk to what is wanted
 *           now, and missing ones added.
 * A pod must fit wholly on one agent.  The result says which operations go into
 * the ACCEPT, which resources each task gets, and what the pod's record
 * becomes.  Where volumes get another size first, it has only the operations
 * for that, and no grants. Next: evaluate_reuse.c, evaluate_resize.c,
 * task_build.h.
 */
#ifndef REEVE_OFFER_BROKER_EVALUATE_H
#define REEVE_OFFER_BROKER_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/mesos/resources.h"
#include "proto/records.pb-c.h"
#include "services/offer-broker/ids.h"
#include "services/offer-broker/resize_book.h"
#include "services/offer-broker/wants.h"

struct eval_in {
    const Reeve__PodSpec *pod;
    const char *pod_instance;
    /* Which resource sets the tasks to launch use. */
    const char *const *sets;
    size_t n_sets;
    /* What is reserved for the pod; NULL: nothing ever was. */
    const Reeve__PodRecord *record;
    /* Replace: what the record holds is given up. */
    bool is_replace;
    /* A running task's executor takes the new ones in: its resources are in use
     * and not asked for again. */
    bool has_executor;
    struct overhead overhead;
    const char *framework_id;
    const char *role;
    /* Resources with just a static reservation to this role are taken, and that
     * is refined; NULL: unreserved ones are. */
    const char *pre_reserved_role;
    const char *principal; /* NULL or "": none */
    struct id_source *ids;
    /* May volumes get another size there?  NULL: yes. */
    struct resize_book *resizes;
    const char *agent_id;
    int64_t now_ms;
};

/* One want and the resource that fulfils it. */
struct grant {
    const char *owner;               /* as in struct want */
    const Reeve__PortSpec *port;     /* of a port */
    const Reeve__VolumeSpec *volume; /* of a volume */
    uint32_t port_number;            /* of a port */
    Mesos__V1__Resource *resource;   /* as a task or executor states it; NULL:
                                        a port of a container's network */
};

struct match {
    struct grant *grants; /* only what the launch uses */
    size_t n_grants;
    Mesos__V1__Offer__Operation **ops; /* before the LAUNCH_GROUP, in order */
    size_t n_ops;
    Reeve__PodRecord *pod; /* new record; agent, host and time are set by the
                              caller */
    char *resize;          /* no launch yet: "volume data grows from …"; else
                              NULL */
};
void match_destroy(struct match **match);

/* Tries the pool (the agent's offers together).  On success the used part is
 * taken out of *pool and a match is returned.  NULL: pool unchanged, and *why
 * got what is missing ("cpus 0.5 offered, 1 needed; …"). */
struct match *evaluate(const struct eval_in *in, struct resources **pool,
                       struct buf *why);

/* Would it, once the pod's tasks have ended and all that the record holds is
 * offered beside the pool (NULL: nothing)? */
bool evaluate_would_fit(const struct eval_in *in, const struct resources *pool,
                        struct buf *why);

/* How much of the pod's confirmed or unconfirmed reservations the pool shows:
 * counts of entries.  *of: how many there are. */
size_t evaluate_shown(const Reeve__PodRecord *record,
                      const struct resources *pool, size_t *of);
/* Operation ids carry the pod's name: "data-0__<uuid>".  The instance,
 * malloc'd; NULL when the id is not of that form. */
char *evaluate_instance_of(const char *operation_id);
/* Did no reservation of the record ever prove to exist? */
bool evaluate_is_unconfirmed(const Reeve__PodRecord *record);

/* ---- evaluate_resize.c -------------------------------------------- */
/* The volume that the operation is to make larger or smaller; NULL: none. */
Reeve__ReservedResource *evaluate_resize_of(const Reeve__PodRecord *pod,
                                            const char *operation_id);
/* The operation was carried out, or will not be. */
void evaluate_resize_done(Reeve__ReservedResource *volume);
void evaluate_resize_failed(Reeve__PodRecord *pod,
                            Reeve__ReservedResource *volume);
/* How much bare disk the record has given up beside that volume. */
int64_t evaluate_remainder(const Reeve__PodRecord *pod,
                           const char *resource_id);

#endif
