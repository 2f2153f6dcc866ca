/* SPDX-License-Identifier: Apache-2.0 */
/* rollout - has the planner taken a specification, and is it deployed?
 *
 * `reeve up` must not mistake the plan of the configuration before for the one
 * it has just asked for, so it looks into the local store and planner by the
 * bus.  Operator verbs never do: they use the HTTP API.
 */
#ifndef REEVE_CLI_ROLLOUT_H
#define REEVE_CLI_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/spec/spec.h"

struct err;

struct rollout {
    const char *run_dir;
    const Reeve__ServiceSpec *spec; /* as asked for */
    int old_planner;    /* pid of the planner that is ending; 0: none */
    int64_t refused_ms; /* since when a refusal was seen; 0: none */
    bool is_complete;   /* the deploy plan of this very specification */
    int64_t settle_ms;  /* a task is only believed when it ran for so long, and
                           for so long again for each quick failure before */
    /* First task that should stay up and is not known to; "": none. */
    char down[160];
    bool was_up; /* it ran, or runs, but not for long enough */
};

enum rollout_state {
    ROLLOUT_NOT_YET,
    ROLLOUT_TAKEN,
    ROLLOUT_REFUSED, /* *err says why: the former one goes on */
};
/* Asks once; waits at most about a second for answers. */
enum rollout_state rollout_look(struct rollout *rollout, struct err *err);

/* How many stored tasks may still run; -1 when the store does not answer. */
int rollout_live_tasks(const char *run_dir);

#endif
