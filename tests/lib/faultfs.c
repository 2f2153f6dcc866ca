/* SPDX-License-Identifier: Apache-2.0 */
/* faultfs - a disk that fails, for LD_PRELOAD (build/tests/faultfs.so)
 *
 *   FAULTFS_DIR     only calls on files below this folder count
 *   FAULTFS_LOG     gets a line for each: "<n> <call> <path>", and a second one
 *                   "<n> fault <path>" for each that was made to fail
 *   FAULTFS_NTH     the n-th call (from 1) fails; unset or 0: none
 *   FAULTFS_MODE    EIO     it fails, once
 *                   ENOSPC  this and every later call that may need space fail
 *                   torn    half of the bytes are written, then it fails with
 *                           EIO; what writes nothing fails as with EIO
 *                   short   half of the bytes are written and it says so; what
 *                           writes nothing does not fail
 *
 *   FAULTFS_READS   set: reading counts, too
 *
 * Counts open, write, pwrite, fsync, fdatasync, rename, ftruncate, fallocate
 * and posix_fallocate, on demand also read, opendir and unlink.  Not for
 * programs that write by other calls (stdio, mmap).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum fault { NONE, FAIL_EIO, FAIL_ENOSPC, FAIL_TORN, FAIL_SHORT, DIE };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long calls;

#define NEXT(name)                                                             \
    static __typeof__(&name) real;                                             \
    if (!real)                                                                 \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static ssize_t real_write(int fd, const void *data, size_t len)
{
    NEXT(write);
    return real(fd, data, len);
}

static int real_open(const char *path, int flags, mode_t mode)
{
    NEXT(open);
    return real(path, flags, mode);
}

static void note(unsigned long n, const char *what, const char *path)
{
    const char *log = getenv("FAULTFS_LOG");
    char line[PATH_MAX + 64];
    if (!log)
        return;
    int len = snprintf(line, sizeof line, "%lu %s %s\n", n, what, path);
    int fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || real_write(fd, line, (size_t)len) != len)
        abort();
    close(fd);
}

static enum fault mode_of(void)
{
    const char *mode = getenv("FAULTFS_MODE");
    if (mode && strcmp(mode, "ENOSPC") == 0)
        return FAIL_ENOSPC;
    if (mode && strcmp(mode, "torn") == 0)
        return FAIL_TORN;
    if (mode && strcmp(mode, "short") == 0)
        return FAIL_SHORT;
    if (mode && strcmp(mode, "KILL") == 0)
        return DIE;
    return FAIL_EIO;
}

static bool is_below(const char *path)
{
    const char *dir = getenv("FAULTFS_DIR");
    size_t len = dir ? strlen(dir) : 0;
    return len && strncmp(path, dir, len) == 0 &&
           (path[len] == '\0' || path[len] == '/');
}

/* A full disk stays full, but syncing and renaming go on. */
static bool needs_space(const char *call)
{
    return !strstr(call, "sync") && strcmp(call, "rename") != 0 &&
           strcmp(call, "read") != 0 && strcmp(call, "opendir") != 0 &&
           strcmp(call, "unlink") != 0;
}

/* Counts the call; what is to become of it. */
static enum fault fault_at(const char *call, const char *path)
{
    const char *nth = getenv("FAULTFS_NTH");
    if (!is_below(path))
        return NONE;
    unsigned long at = nth ? strtoul(nth, NULL, 10) : 0;
    enum fault mode = mode_of(), fault = NONE;
    pthread_mutex_lock(&lock);
    unsigned long n = ++calls;
    note(n, call, path);
    if (at && n == at)
        fault = mode;
    if (at && n > at && mode == FAIL_ENOSPC && needs_space(call))
        fault = mode;
    if (mode == FAIL_SHORT && !strstr(call, "write") && !strstr(call, "read"))
        fault = NONE;
    if (fault != NONE)
        note(n, "fault", path);
    if (fault == DIE)
        raise(SIGKILL);
    pthread_mutex_unlock(&lock);
    return fault;
}

static bool counts_reads(void)
{
    return getenv("FAULTFS_READS") != NULL;
}

/* "" when it has none. */
static void path_of(int fd, char *path, size_t size)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(name, path, size - 1);
    path[len > 0 ? len : 0] = '\0';
}

static enum fault fault_on(const char *call, int fd)
{
    char path[PATH_MAX];
    path_of(fd, path, sizeof path);
    return path[0] ? fault_at(call, path) : NONE;
}

/* ---- what a power loss leaves ---------------------------------------------
 */

/* Not the number alone: that is soon given to another file. */
static bool id_of(int fd, const char *name, char *id, size_t size)
{
    struct statx st;
    int flags = name[0] ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
    if (statx(fd, name, flags, STATX_INO | STATX_BTIME | STATX_TYPE, &st) < 0)
        abort();
    snprintf(id, size, "%llu-%lld-%u", (unsigned long long)st.stx_ino,
             (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
    return S_ISREG(st.stx_mode);
}

/* By its own descriptor: the caller's may be for writing only. */
static void copy_to(FILE *out, int of)
{
    static char block[1 << 16];
    char name[64];
    ssize_t n;
    snprintf(name, sizeof name, "/proc/self/fd/%d", of);
    int fd = real_open(name, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        abort();
    for (off_t at = 0; (n = pread(fd, block, sizeof block, at)) > 0; at += n)
        if (fwrite(block, 1, (size_t)n, out) != (size_t)n)
            abort();
    close(fd);
}

static void list_to(FILE *out, const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    char id[100];
    while (folder && (entry = readdir(folder)))
        if (id_of(dirfd(folder), entry->d_name, id, sizeof id))
            fprintf(out, "%s %s\n", entry->d_name, id);
    closedir(folder);
}

static int real_rename(const char *from, const char *to)
{
    NEXT(rename);
    return real(from, to);
}

/* Whole or not at all: we may be killed. */
static void shadow_as(const char *to, int fd, const char *folder)
{
    char tmp[PATH_MAX + 8];
    snprintf(tmp, sizeof tmp, "%s.tmp", to);
    FILE *out = fopen(tmp, "w");
    if (!out)
        abort();
    if (folder)
        list_to(out, folder);
    else
        copy_to(out, fd);
    if (fclose(out) != 0 || real_rename(tmp, to) < 0)
        abort();
}

static int synced(int fd, int result)
{
    const char *shadow = getenv("FAULTFS_SHADOW");
    char path[PATH_MAX], id[100], to[PATH_MAX];
    path_of(fd, path, sizeof path);
    if (result < 0 || !shadow || !is_below(path))
        return result;
    pthread_mutex_lock(&lock);
    if (id_of(fd, "", id, sizeof id)) {
        snprintf(to, sizeof to, "%s/files/%s", shadow, id);
        shadow_as(to, fd, NULL);
    } else {
        snprintf(to, sizeof to, "%s/names", shadow);
        shadow_as(to, fd, path);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- the calls --------------------------------------------------------------
 */

static int fail(enum fault fault)
{
    errno = fault == FAIL_ENOSPC ? ENOSPC : EIO;
    return -1;
}

static int open_any(const char *path, int flags, mode_t mode)
{
    enum fault fault = fault_at("open", path);
    return fault == NONE ? real_open(path, flags, mode) : fail(fault);
}

static mode_t mode_arg(int flags, va_list ap)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_arg(flags, ap);
    va_end(ap);
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_arg(flags, ap);
    va_end(ap);
    return open_any(path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t len)
{
    enum fault fault = fault_on("write", fd);
    if (fault == NONE)
        return real_write(fd, data, len);
    if (fault != FAIL_TORN && fault != FAIL_SHORT)
        return fail(fault);
    ssize_t n = real_write(fd, data, (len + 1) / 2);
    return fault == FAIL_SHORT ? n : fail(fault);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    NEXT(pwrite);
    enum fault fault = fault_on("pwrite", fd);
    if (fault == NONE)
        return real(fd, data, len, at);
    if (fault != FAIL_TORN && fault != FAIL_SHORT)
        return fail(fault);
    ssize_t n = real(fd, data, (len + 1) / 2, at);
    return fault == FAIL_SHORT ? n : fail(fault);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    return pwrite(fd, data, len, at);
}

ssize_t read(int fd, void *data, size_t len)
{
    NEXT(read);
    enum fault fault = counts_reads() ? fault_on("read", fd) : NONE;
    if (fault == NONE)
        return real(fd, data, len);
    return fault == FAIL_SHORT ? real(fd, data, (len + 1) / 2) : fail(fault);
}

DIR *opendir(const char *path)
{
    NEXT(opendir);
    enum fault fault = counts_reads() ? fault_at("opendir", path) : NONE;
    if (fault == NONE)
        return real(path);
    fail(fault);
    return NULL;
}

int unlink(const char *path)
{
    NEXT(unlink);
    enum fault fault = counts_reads() ? fault_at("unlink", path) : NONE;
    return fault == NONE ? real(path) : fail(fault);
}

int fsync(int fd)
{
    NEXT(fsync);
    enum fault fault = fault_on("fsync", fd);
    return fault == NONE ? synced(fd, real(fd)) : fail(fault);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    enum fault fault = fault_on("fdatasync", fd);
    return fault == NONE ? synced(fd, real(fd)) : fail(fault);
}

int rename(const char *from, const char *to)
{
    enum fault fault = fault_at("rename", to);
    return fault == NONE ? real_rename(from, to) : fail(fault);
}

int ftruncate(int fd, off_t len)
{
    NEXT(ftruncate);
    enum fault fault = fault_on("ftruncate", fd);
    return fault == NONE ? real(fd, len) : fail(fault);
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    NEXT(fallocate);
    enum fault fault = fault_on("fallocate", fd);
    return fault == NONE ? real(fd, mode, at, len) : fail(fault);
}

int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
    return fallocate(fd, mode, at, len);
}

/* Says its error by what it returns. */
int posix_fallocate(int fd, off_t at, off_t len)
{
    NEXT(posix_fallocate);
    enum fault fault = fault_on("posix_fallocate", fd);
    if (fault == NONE)
        return real(fd, at, len);
    return fault == FAIL_ENOSPC ? ENOSPC : EIO;
}

int posix_fallocate64(int fd, off64_t at, off64_t len)
{
    return posix_fallocate(fd, at, len);
}
