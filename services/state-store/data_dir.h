/* SPDX-License-Identifier: Apache-2.0 */
/* data_dir - the folder that holds the store's files; one process at a time
 *
 *   lock                   flock'ed by the process that uses the folder
 *   reserve                disk space kept back: given up when the disk is
 *                          full, so that what is under way gets written
 *   wal-<first seq>.log    segments of the log (wal_format.h)
 *   snapshot-<seq>.snap    the table up to that record
 *   set-aside-<ms>/        a state that made way for Redis'; *.part: being
 *                          moved there, finished at start
 *   *.tmp                  being made, or a segment to be used again; removed
 *                          at start
 */
#ifndef REEVE_STATE_STORE_DATA_DIR_H
#define REEVE_STATE_STORE_DATA_DIR_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct data_dir;

/* Makes the folder if need be and locks it.  ERR_EXISTS: another process has
 * it; ERR_IO: cannot be made or written. */
struct data_dir *data_dir_open(const char *path, struct err *err);
void data_dir_destroy(struct data_dir **dir);

const char *data_dir_path(const struct data_dir *dir);
/* Free for us on its disk, -1 when that cannot be told. */
int64_t data_dir_free_bytes(const struct data_dir *dir);

/* Makes the reserve of so many bytes if it is not there. */
int data_dir_keep_reserve(struct data_dir *dir, int64_t bytes, struct err *err);
/* Any thread. 0 when there was one to give up. */
int data_dir_give_up_reserve(const char *path);

/* The numbers of the files `<prefix><20 digits><suffix>`, ascending; the caller
 * frees. */
int data_dir_list(const char *path, const char *prefix, const char *suffix,
                  uint64_t **numbers, size_t *n, struct err *err);
/* Removes what was being made when a process died. */
void data_dir_remove_unfinished(const char *path);
/* Removes the segments whose number is less. */
void data_dir_remove_segments(const char *path, uint64_t before);
/* Moves every file of the store into the folder `set-aside-<tag>` in it; cut
 * short, the next data_dir_open() does the rest. */
int data_dir_set_aside(const char *path, const char *tag, struct err *err);

#endif
