/* SPDX-License-Identifier: Apache-2.0 */
/* container_files - the files through which the agent and a shim talk
 *
 * A container's folder below meta/ holds, in the order of their making:
 *
 *   spec      by the agent   ContainerSpec, protobuf; the intent to start
 *   lock      by the shim    empty; locked (flock) as long as the shim lives
 *   shim      by the shim    "PID START BOOT\n" of the shim itself
 *   command   by the shim    "PHASE PID START BOOT\n" of what it runs now;
 *                            PHASE is fetch or run
 *   exit      by the shim    "PHASE STATUS\n" raw wait status; PHASE is fetch,
 *                            launch (never ran) or run
 *
 * START is the process's start time from /proc, BOOT the id of the boot: a
 * number that was given to another process in between is not mistaken.  All but
 * lock are renamed into place, so a reader sees all of a file or none.
 *
 * Whoever finds "shim" there and is not that process must not start the
 * command: that is what keeps a task from running twice.
 */
#ifndef REEVE_DEVCLUSTER_CONTAINER_FILES_H
#define REEVE_DEVCLUSTER_CONTAINER_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/devagent.pb-c.h"

struct err;

enum container_phase {
    CONTAINER_FETCH,
    CONTAINER_LAUNCH,
    CONTAINER_RUN,
};

struct container_seen {
    bool has_spec;
    bool has_shim;
    bool shim_lives;
    pid_t shim_pid;
    bool has_command;
    enum container_phase command_phase;
    bool command_lives;
    pid_t command_pid;
    bool has_exit;
    enum container_phase exit_phase;
    int status; /* as from waitpid */
};

/* Reads the folder as it is now; an absent one is all false. */
void container_look(const char *meta_dir, struct container_seen *seen);

/* Does a shim hold the lock (also one that has not written its file yet)? */
bool container_is_claimed(const char *meta_dir);

int container_write_spec(const Reeve__Devagent__ContainerSpec *spec,
                         struct err *err);
Reeve__Devagent__ContainerSpec *container_read_spec(const char *meta_dir,
                                                    struct err *err);
int container_write_shim(const char *meta_dir, pid_t pid, struct err *err);
int container_write_command(const char *meta_dir, enum container_phase phase,
                            pid_t pid, struct err *err);
int container_write_exit(const char *meta_dir, enum container_phase phase,
                         int status, struct err *err);

/* Start time in clock ticks after boot; 0 when there is no such process (or it
 * is a zombie: dead for our purpose). */
uint64_t process_start_time(pid_t pid);

#endif
