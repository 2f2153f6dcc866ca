/* SPDX-License-Identifier: Apache-2.0 */
/* startup - why a suite does not come up
 *
 * For `reeve up` while it waits: a supervisor that is gone, a process that ends
 * again and again, a store that takes nothing, and when the time is over, which
 * process says what.  Only looks: at suite.json, logs, and by the bus at the
 * health that the services tell.
 */
#ifndef REEVE_CLI_STARTUP_H
#define REEVE_CLI_STARTUP_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/suite.h"

struct err;

struct startup {
    const struct suite *suite;              /* with the pid of its supervisor */
    unsigned restarts[SUITE_MAX_PROCESSES]; /* before we began to wait */
    int64_t asked_ms; /* when the store's health was asked; 0: never */
};

/* suite.json of a run dir; NULL: there is none that can be read. */
struct suite *startup_read_suite(const char *run_dir);

bool startup_is_supervisor_gone(const struct suite *suite);
/* Its exit code and why, once it is gone. */
int startup_judge_end(const struct suite *suite, struct err *err);

/* EXIT_OK while the suite may come up yet; else the exit code, and *err says
 * why it will not by waiting. */
int startup_check(struct startup *startup, struct err *err);

/* EXIT_TIMED_OUT, and in *err the first process that is not well. */
int startup_timeout(const struct suite *suite, int after_s, struct err *err);

#endif
