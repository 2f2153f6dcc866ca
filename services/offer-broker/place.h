/* SPDX-License-Identifier: Apache-2.0 */
/* place - do a pod's placement constraints admit this agent
 *
 * Pure.  The grammar is lib/spec's.  Counting rules count pod instances of the
 * same type, this instance excepted.  An attribute that the agent does not have
 * equals nothing and differs from everything.
 */
#ifndef REEVE_OFFER_BROKER_PLACE_H
#define REEVE_OFFER_BROKER_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/spec/placement.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"

/* A pod instance that has a place: one of its tasks stands for it. */
struct placed {
    const char *pod_type;
    unsigned pod_index;
    const char *hostname;
    const char *agent_id;
    const char *region; /* or NULL */
    const char *zone;
    Reeve__LabelSpec *const *attributes;
    size_t n_attributes;
};

struct place_in {
    const struct placement_rules *rules;
    const Mesos__V1__Offer *offer; /* the agent */
    const char *pod_type;
    unsigned pod_index;
    const struct placed *placed; /* may hold the instance itself */
    size_t n_placed;
};

/* false: *why got the first rule that fails ("hostname UNIQUE: agent-1 has
 * data-0 already"). */
bool place_admits(const struct place_in *in, struct buf *why);

#endif
