/* SPDX-License-Identifier: Apache-2.0 */
/* tasks - the processes of the devcluster's tasks, found in /proc
 *
 * A task's process runs below a shim (a process with --task-shim and a folder
 * of the work dir as arguments), in a session of its own; or it has its sandbox
 * in its environment.  Either is enough: some programs overwrite their
 * environment.
 */
#ifndef REEVE_CLI_TASKS_H
#define REEVE_CLI_TASKS_H

/* Ends all tasks of a run dir's devcluster: asks, waits up to 5 s, kills.
 * Blocks. */
void tasks_end(const char *run_dir);

#endif
