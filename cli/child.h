/* SPDX-License-Identifier: Apache-2.0 */
/* child - processes and their pid files
 *
 * A pid file holds the pid and the start time of the process, so that a number
 * that was given to another process since is never mistaken for ours.  The
 * child writes it before exec: there is no moment in which it runs unrecorded.
 */
#ifndef REEVE_CLI_CHILD_H
#define REEVE_CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct err;

struct child_start {
    char *const *argv;
    char *const *env;     /* NULL: ours */
    char *const *secrets; /* "NAME=value" besides; NULL: none */
    const char *log_path; /* stdout and stderr are appended */
    const char *pid_path;
};

/* The pid, or -1.  A program that cannot be executed exits with 127 and says
 * why in its log. */
pid_t child_spawn(const struct child_start *start, struct err *err);

/* The pid in the file when that very process still runs, else 0. */
pid_t child_alive(const char *pid_path);
/* Start time of a process in clock ticks since boot, 0 when it does not run
 * (or is a zombie). */
unsigned long long child_start_time(pid_t pid);
/* Whether a process of that start time still runs. */
bool child_is(pid_t pid, unsigned long long start_time);

/* In the child after fork: default signals, none blocked, own session. */
void child_detach(void);

#endif
