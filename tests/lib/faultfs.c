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
 * Counts open, write, pwrite, fsync, fdatasync, rename, ftruncate, fallocate
 * and posix_fallocate.  Not for programs that write by other calls (stdio,
 * mmap).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum fault { NONE, FAIL_EIO, FAIL_ENOSPC, FAIL_TORN, FAIL_SHORT };

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
    return FAIL_EIO;
}

/* A full disk stays full, but syncing and renaming go on. */
static bool needs_space(const char *call)
{
    return !strstr(call, "sync") && strcmp(call, "rename") != 0;
}

/* Counts the call; what is to become of it. */
static enum fault fault_at(const char *call, const char *path)
{
    const char *dir = getenv("FAULTFS_DIR"), *nth = getenv("FAULTFS_NTH");
    size_t len = dir ? strlen(dir) : 0;
    if (!len || strncmp(path, dir, len) != 0 ||
        (path[len] != '\0' && path[len] != '/'))
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
    if (mode == FAIL_SHORT && !strstr(call, "write"))
        fault = NONE;
    if (fault != NONE)
        note(n, "fault", path);
    pthread_mutex_unlock(&lock);
    return fault;
}

static enum fault fault_on(const char *call, int fd)
{
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(name, path, sizeof path - 1);
    if (len <= 0)
        return NONE;
    path[len] = '\0';
    return fault_at(call, path);
}

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

int fsync(int fd)
{
    NEXT(fsync);
    enum fault fault = fault_on("fsync", fd);
    return fault == NONE ? real(fd) : fail(fault);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    enum fault fault = fault_on("fdatasync", fd);
    return fault == NONE ? real(fd) : fail(fault);
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    enum fault fault = fault_at("rename", to);
    return fault == NONE ? real(from, to) : fail(fault);
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
