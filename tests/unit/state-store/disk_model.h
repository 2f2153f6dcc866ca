/* SPDX-License-Identifier: Apache-2.0 */
/* disk_model - a folder on a disk of which every call is counted, may fail or
 * be the last one, and of which it is known what was synced
 *
 * Linked into the program of the tests, it stands before the C library's calls
 * that change files.  Below the folder it keeps beside the real files what a
 * loss of power would leave: of data and of names only what was synced, or that
 * and any part of the rest.  One thread at a time may make calls below the
 * folder.  For a process that was forked to die: nothing is given back.
 */
#ifndef REEVE_TESTS_STATE_STORE_DISK_MODEL_H
#define REEVE_TESTS_STATE_STORE_DISK_MODEL_H

enum disk_fault {
    DISK_NONE,
    DISK_KILL,   /* the process dies before the call */
    DISK_POWER,  /* and only what was synced is left */
    DISK_MIXED,  /* and some of what was not */
    DISK_EIO,    /* the call fails */
    DISK_ENOSPC, /* this and every later call that needs space */
    DISK_TORN,   /* half of it is written, then it fails */
    DISK_SHORT,  /* half of it is written, and it says so */
    DISK_FAULTS,
};

struct disk_plan {
    const char *dir; /* what is there counts as synced */
    unsigned at;     /* call, from 1 */
    enum disk_fault fault;
    unsigned seed; /* of what is left by chance */
    /* Done once, in the middle of that call. */
    unsigned meet_at;
    void (*meet)(void *context);
    void *context;
};
void disk_model_begin(const struct disk_plan *plan);
unsigned disk_model_calls(void);
/* Ends the process; what it leaves is as after the fault of the plan. */
void disk_model_leave(void) __attribute__((noreturn));

enum { DISK_EXIT = 7 }; /* of a process that died so */

#endif
