/* SPDX-License-Identifier: Apache-2.0 */
/* target - which configuration should run: the operator's spec against the
 * stored one
 *
 * A spec that differs becomes a new configuration, unless a validator objects:
 * then the old one stays and Target.errors says why, until a better spec comes.
 * Pure.
 */
#ifndef REEVE_PLANNER_TARGET_H
#define REEVE_PLANNER_TARGET_H

#include <stdint.h>

#include "services/planner/facts.h"

struct changes;
struct err;

/* Where ids come from; tests give predictable ones. */
struct ids {
    void (*next)(void *self, char out[37]);
    void *self;
};

/* What the operator declared, as far as it could be read. */
struct intent {
    Reeve__ServiceSpec *spec; /* NULL: unreadable, or nothing declared */
    char *error;              /* why it could not be read; NULL: it could */
    char digest[65];          /* of spec, facts_spec_digest() */
};
/* Both taken; NULL where there is none. */
struct intent *intent_new(Reeve__ServiceSpec *spec, char *error);
void intent_destroy(struct intent **intent);

struct target_source {
    const struct facts *facts;
    const struct intent *intent; /* NULL: the stored target stands */
    int64_t now_ms;
    struct ids ids;
};
/* Adds what must change to `changes`.  Returns 1 when there is something, 0
 * when the target stands, -1 with ERR_INVALID when there is nothing to run and
 * the process must end: no valid first spec, or a change that is fatal. */
int target_decide(const struct target_source *source, struct changes *changes,
                  struct err *err);

/* Adds the deletion of configurations that neither the target nor a task nor a
 * demand refers to. */
void target_clean_configs(const struct facts *facts, struct changes *changes);

#endif
