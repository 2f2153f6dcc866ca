/* SPDX-License-Identifier: Apache-2.0 */
/* teardown - stops what pid files of a run dir name, in the right order
 *
 * Blocks.  Used by the supervisor at its end, and by `reeve` for what a dead
 * supervisor left behind.
 */
#ifndef REEVE_CLI_TEARDOWN_H
#define REEVE_CLI_TEARDOWN_H

#include <stdbool.h>

/* kill_tasks: the devcluster's tasks end too, and it is waited until the store
 * knows; else they go on and the next devcluster on this run dir finds them.
 * Returns how many processes had to be stopped. */
int teardown(const char *run_dir, bool kill_tasks);

/* <run-dir>/pids/<process>.pid; malloc'd. */
char *teardown_pid_path(const char *run_dir, const char *process);

#endif
