/* SPDX-License-Identifier: Apache-2.0 */
/* tools - what the store's unit tests share: transactions in one line, a
 * temporary folder, two tables compared
 */
#ifndef REEVE_TESTS_STATE_STORE_TOOLS_H
#define REEVE_TESTS_STATE_STORE_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "services/state-store/table.h"

extern const uint8_t test_lineage[16];

/* value NULL: delete. The outcome's record is the caller's. */
struct record *put(struct table *table, const char *key, const char *value);
struct record *put_as(struct table *table, const char *request_id,
                      const char *key, const char *value);
/* Grants the lease to holder and gives its record. */
struct record *grant(struct table *table, const char *name, const char *holder);
/* "" when the key is not there. */
const char *value_of(const struct table *table, const char *key);
/* Keys, values, revisions, leases, requests, runs, position. */
bool tables_equal(struct table *a, struct table *b);

/* A fresh folder, removed by temp_dir_remove(). */
char *temp_dir(void);
void temp_dir_remove(char *path);

#endif
