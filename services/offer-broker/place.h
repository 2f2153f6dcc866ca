/* SPDX-License-Identifier: Apache-2.0 */
/* place - do a pod's placement constraints admit this agent
 *
 * Pure.  The grammar is lib/spec's.  Counting rules count pod instances, this
 * one excepted.  An attribute that the agent does not have equals nothing and
 * differs from everything.  What cannot be told now (a hook that has not
 * answered, an expression that takes too long) is not admitted, and neither is
 * its opposite.  Hooks are asked last, and not about an agent that other rules
 * refuse.  A pod whose rules say nothing of regions goes to
 * the service's region, or, without one, to the master's.
 */
#ifndef REEVE_OFFER_BROKER_PLACE_H
#define REEVE_OFFER_BROKER_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/spec/placement.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"

struct placed_task {
    const char *name;
    const struct placed_task *next;
};

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
    const struct placed_task *tasks; /* all of them; NULL: none are known */
};

struct place_in;

/* No is the least, so that "all" is the least of them and "any" the greatest.
 */
enum place_verdict { PLACE_NO, PLACE_UNKNOWN, PLACE_YES };

/* What a HookRule asks; the caller's.  But for PLACE_YES *why gets a reason. */
struct place_hook {
    enum place_verdict (*ask)(struct place_hook *hook, const char *name,
                              const struct place_in *in, struct buf *why);
};

struct place_in {
    const struct placement_rules *rules;
    const Mesos__V1__Offer *offer; /* the agent */
    const char *pod_type;
    unsigned pod_index;
    const struct placed *placed; /* may hold the instance itself */
    size_t n_placed;
    const char *region;       /* the service's; NULL: none is set */
    const char *local_region; /* the master's; NULL: not known */
    struct place_hook *hook;  /* NULL: hooks admit nothing */
};

/* false: *why got the first rule that fails ("hostname agent-1 has 1 data
 * already, 1 allowed"). */
bool place_admits(const struct place_in *in, struct buf *why);

#endif
