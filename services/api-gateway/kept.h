/* SPDX-License-Identifier: Apache-2.0 */
/* kept - answers that stay right until the state changes
 *
 * Many clients ask for the same (a plan, the pods' states) again and again; it
 * is made once for each state.  Bounded: past MAX_BYTES or MAX_ANSWERS nothing
 * more is kept until the next state.  Pure.
 */
#ifndef REEVE_API_GATEWAY_KEPT_H
#define REEVE_API_GATEWAY_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEPT_MAX_ANSWERS = 256, KEPT_MAX_BYTES = 32 << 20 };

/* Which state answers are made from: no two states have the same. */
struct kept_state {
    uint64_t revision, events, snapshots;
};
struct kept_answer {
    int status;
    const char *type; /* a literal */
    const void *body;
    size_t len;
};

struct kept;
struct kept *kept_new(void);
void kept_destroy(struct kept **kept);

/* NULL when it is not there for this state; else borrowed until the next call
 * of kept_add or of kept_find with another state. */
const struct kept_answer *
kept_find(struct kept *kept, const struct kept_state *state, const char *path);
/* Of the state of the last kept_find; the body is copied. */
void kept_add(struct kept *kept, const char *path,
              const struct kept_answer *answer);

#endif
