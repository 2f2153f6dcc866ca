/* SPDX-License-Identifier: Apache-2.0 */
/* cold - what lies in the table unchanged is kept packed
 *
 * Looks at a part of the keys at a time and replaces items that nobody but the
 * table holds (no record on its way, no follower's history, no snapshot) by
 * their packed twins.  What is read or copied out is as before.  Pure state.
 */
#ifndef REEVE_STATE_STORE_COLD_H
#define REEVE_STATE_STORE_COLD_H

#include <stddef.h>

#include "services/state-store/limits.h"

struct pack;
struct table;

struct cold {
    struct pack *pack;
    char after[KEY_MAX_BYTES + 1]; /* looked at last; "": begin */
};

/* Zero-initialised is valid.  Packs at most `bytes` of values and looks at
 * `keys` keys; the next call goes on from there. */
void cold_sweep(struct cold *cold, struct table *table, size_t keys,
                size_t bytes);
void cold_free(struct cold *cold);

#endif
