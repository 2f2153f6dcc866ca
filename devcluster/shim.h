/* SPDX-License-Identifier: Apache-2.0 */
/* shim - the tiny supervisor process between the agent and one task's command
 *
 * The agent starts "PROGRAM --task-shim DIR"; it outlives the agent, starts the
 * command, waits for it, and leaves the result in DIR.
 */
#ifndef REEVE_DEVCLUSTER_SHIM_H
#define REEVE_DEVCLUSTER_SHIM_H

#include <stdbool.h>

#define SHIM_FLAG "--task-shim"
/* Open in the shim when somebody wants to hear that its files changed: a pipe,
 * one byte each time. */
#define SHIM_NEWS_FD 3

/* True when argv is a call of the shim: then main() must
 * return shim_main(argc, argv) before anything else. */
bool shim_wanted(int argc, char **argv);
int shim_main(int argc, char **argv);

#endif
