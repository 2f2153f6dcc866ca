/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor - the process that keeps a local suite's processes running
 *
 * Starts them, starts them again with back-off when they die, keeps suite.json
 * true, answers on control.sock, and stops everything at its end.  It knows
 * nothing of services and plans.  kill -9 of it leaves the others running; the
 * next `reeve up` on the run dir replaces them.
 */
#ifndef REEVE_CLI_SUPERVISOR_H
#define REEVE_CLI_SUPERVISOR_H

struct suite;

/* Runs until told to stop; an exit code.  The caller holds the run dir's lock
 * and has made its folders; planner.env is there. */
int supervisor_run(struct suite *suite, const char *redis_server);

#endif
