/* SPDX-License-Identifier: Apache-2.0 */
/* replace - what the folder holds makes way for a table from Redis
 *
 * At every moment the folder holds the old state, the new one, or, when the old
 * one is set aside, nothing: then Redis is read once more.
 */
#ifndef REEVE_STATE_STORE_REPLACE_H
#define REEVE_STATE_STORE_REPLACE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct table;

struct replacement {
    const char *dir;
    struct table *table;
    int64_t wall_ms;
    /* The folder's state is no part of the table's: it is kept, elsewhere. */
    bool sets_aside;
};
/* *bytes: of the snapshot that is there then, without a segment. */
int replace_state(const struct replacement *plan, uint64_t *bytes,
                  struct err *err);

#endif
