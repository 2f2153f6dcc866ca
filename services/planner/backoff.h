/* SPDX-License-Identifier: Apache-2.0 */
/* backoff - how long a task that keeps failing waits before its next launch
 *
 * The count lives in the property "backoff-<task name>", written in the very
 * transaction that relaunches the task; the failure at hand is read off the
 * task's own records.  So the delay is the same before and after a restart.
 * Pure.
 *
 * A task that ran for BACKOFF_RESET_MS starts from nothing again.
 */
#ifndef REEVE_PLANNER_BACKOFF_H
#define REEVE_PLANNER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "services/planner/facts.h"

struct changes;

enum {
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MAX_MS = 60000,
    BACKOFF_RESET_MS = 60000,
};

struct backoff {
    uint32_t failures; /* quick ones in a row, the one at hand included */
    int64_t due_ms;    /* wall clock; not to be launched before; 0: now */
};

/* 0 for no failure, then 1 s, 2 s, 4 s … 60 s. */
int64_t backoff_delay_ms(uint32_t failures);
/* How long from now; 0: launch it now.  A due time that the delay cannot
 * explain says that the clock was set back since: it is not waited for. */
int64_t backoff_left_ms(const struct backoff *backoff, int64_t now_ms);
/* For a task that ended; one that was killed or lost does not count. */
struct backoff backoff_of(const struct facts *facts,
                          const struct fact_task *task);
/* Keeps the count for after the relaunch, or forgets it. */
void backoff_keep(const struct facts *facts, const struct fact_task *task,
                  struct changes *changes);
void backoff_forget(const struct facts *facts, const char *task_name,
                    struct changes *changes);

#endif
