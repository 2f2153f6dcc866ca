/* SPDX-License-Identifier: Apache-2.0 */
/* fs - small file helpers that return errors with the path in their text */
#ifndef REEVE_LIB_BASE_FS_H
#define REEVE_LIB_BASE_FS_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/base/buf.h"

struct err;

/* Appends the whole file; ERR_FULL past max_bytes. */
int fs_read(const char *path, size_t max_bytes, struct buf *out,
            struct err *err);
/* All of it, over short writes and interruptions.  -1 with errno set. */
int fs_write_all(int fd, const char *data, size_t len);
/* Writes beside, syncs, renames, syncs the folder: old or new, never half. */
int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                    struct err *err);
/* Like mkdir -p. */
int fs_mkdirs(const char *path, mode_t mode, struct err *err);
/* fsync of a folder, so that names in it last. */
int fs_sync_dir(const char *path, struct err *err);
/* Like rm -rf; an absent path is success. Never follows symlinks.  Begins again
 * a few times when a process that just ends still wrote a file there. */
int fs_remove_tree(const char *path, struct err *err);
/* a/b; the caller frees. */
char *fs_join(const char *a, const char *b);

#endif
