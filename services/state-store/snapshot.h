/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot - a table's view on disk: written beside, synced, renamed
 *
 * The write runs in a thread of its own, so that neither the loop nor the log
 * waits for it; the view is borrowed until snapshot_job_destroy().
 */
#ifndef REEVE_STATE_STORE_SNAPSHOT_H
#define REEVE_STATE_STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/state-store/snapshot_format.h"

struct discard;
struct err;
struct table;
struct view;

char *snapshot_path(const char *dir, uint64_t seq); /* the caller frees */

struct snapshot_plan {
    const char *dir; /* borrowed */
    const struct view *view;
    int64_t wall_ms;
    bool is_base; /* see snapshot_format.h */
};
/* Here and now; bytes written come back in *bytes. */
int snapshot_write(const struct snapshot_plan *plan, uint64_t *bytes,
                   struct err *err);
/* The table in the file; *bytes is its size. */
struct table *snapshot_read(const char *path, struct snapshot_info *info,
                            uint64_t *bytes, struct err *err);
/* Removes the snapshots before seq; discard may be NULL. */
void snapshot_remove_before(const char *dir, uint64_t seq,
                            struct discard *discard);

struct snapshot_job;
struct snapshot_job *snapshot_job_start(const struct snapshot_plan *plan);
/* Readable when the job is done. */
int snapshot_job_fd(const struct snapshot_job *job);
/* Only when the fd was readable. */
int snapshot_job_result(struct snapshot_job *job, uint64_t *bytes,
                        struct err *err);
/* Waits for the thread. */
void snapshot_job_destroy(struct snapshot_job **job);

#endif
