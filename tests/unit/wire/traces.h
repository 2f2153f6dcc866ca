/* SPDX-License-Identifier: Apache-2.0 */
/* traces - find the recordings of a real master, when they are there
 *
 * In $REEVE_MESOS_TRACES or ../shared/mesos-traces; tests that need them are
 * skipped when they are not.
 */
#ifndef REEVE_TESTS_UNIT_WIRE_TRACES_H
#define REEVE_TESTS_UNIT_WIRE_TRACES_H

#include <stdbool.h>

struct buf;

/* The folder, or NULL after printing that the test is skipped. */
const char *traces_dir(void);
/* Calls fn for each file matching pattern below the folder; returns how many.
 */
int traces_each(const char *pattern,
                void (*fn)(const char *path, const struct buf *data));

#endif
