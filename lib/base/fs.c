/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

int fs_read(const char *path, size_t max_bytes, struct buf *out,
            struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "%s: cannot open", path);
    size_t start = out->len;
    for (;;) {
        buf_reserve(out, 65536);
        ssize_t n = read(fd, out->data + out->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "%s: cannot read", path);
        if (n == 0)
            break;
        out->len += (size_t)n;
        if (out->len - start > max_bytes)
            return err_set(err, ERR_FULL, "%s: larger than %zu bytes", path,
                           max_bytes);
    }
    out->data[out->len] = '\0';
    return 0;
}

int fs_write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int fs_sync_dir(const char *path, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "%s: cannot open folder", path);
    if (fsync(fd) < 0)
        return err_sys(err, "%s: cannot sync folder", path);
    return 0;
}

int fs_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
                    struct err *err)
{
    AUTO_FREE char *tmp = xasprintf("%s.tmp.%d", path, (int)getpid());
    AUTO_CLOSE int fd =
        open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return err_sys(err, "%s: cannot create", tmp);
    if (fs_write_all(fd, data, len) < 0 || fsync(fd) < 0) {
        err_sys(err, "%s: cannot write", tmp);
        unlink(tmp);
        return -1;
    }
    if (rename(tmp, path) < 0) {
        err_sys(err, "%s: cannot rename into place", path);
        unlink(tmp);
        return -1;
    }
    AUTO_FREE char *dir = xstrdup(path);
    char *slash = strrchr(dir, '/');
    if (!slash)
        return fs_sync_dir(".", err);
    slash[slash == dir] = '\0';
    return fs_sync_dir(dir, err);
}

int fs_mkdirs(const char *path, mode_t mode, struct err *err)
{
    if (!*path)
        return err_set(err, ERR_INVALID, "an empty path names no folder");
    AUTO_FREE char *copy = xstrdup(path);
    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char saved = *p;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return err_sys(err, "%s: cannot make folder", copy);
        *p = saved;
        if (!saved)
            break;
    }
    struct stat st;
    if (stat(path, &st) < 0)
        return err_sys(err, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_EXISTS, "%s: is not a folder", path);
    return 0;
}

static int remove_one(const char *path, const struct stat *st UNUSED,
                      int kind UNUSED, struct FTW *ftw UNUSED)
{
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int fs_remove_tree(const char *path, struct err *err)
{
    enum { TRIES = 10 };
    int rc = -1;
    errno = ENOTEMPTY;
    for (int i = 0; i < TRIES && rc < 0 && errno == ENOTEMPTY; i++)
        rc = nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    return rc < 0 && errno != ENOENT ? err_sys(err, "%s: cannot remove", path)
                                     : 0;
}

char *fs_join(const char *a, const char *b)
{
    size_t n = strlen(a);
    return xasprintf(n && a[n - 1] == '/' ? "%s%s" : "%s/%s", a, b);
}
