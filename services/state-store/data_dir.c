/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/data_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"

enum { NUMBER_DIGITS = 20 };

static const char moving[] = ".part";

struct data_dir {
    char *path;
    int lock_fd;
};

static int take_lock(struct data_dir *dir, struct err *err)
{
    AUTO_FREE char *lock = fs_join(dir->path, "lock");
    dir->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dir->lock_fd < 0)
        return err_sys(err, "%s: open", lock);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return err_sys(err, "%s: flock", lock);
    return err_set(err, ERR_EXISTS,
                   "%s: another state-store uses this folder; stop it first or "
                   "give this one its own --data-dir",
                   dir->path);
}

void data_dir_destroy(struct data_dir **dir)
{
    if (!*dir)
        return;
    if ((*dir)->lock_fd >= 0)
        close((*dir)->lock_fd);
    free((*dir)->path);
    free(*dir);
    *dir = NULL;
}

const char *data_dir_path(const struct data_dir *dir)
{
    return dir->path;
}

int64_t data_dir_free_bytes(const struct data_dir *dir)
{
    struct statvfs st;
    if (statvfs(dir->path, &st) < 0)
        return -1;
    return (int64_t)st.f_bavail * (int64_t)st.f_frsize;
}

int data_dir_keep_reserve(struct data_dir *dir, int64_t bytes, struct err *err)
{
    AUTO_FREE char *path = fs_join(dir->path, "reserve");
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size >= bytes)
        return 0;
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, "%s: open", path);
    int code = posix_fallocate(fd, 0, bytes);
    if (code == 0)
        return 0;
    unlink(path);
    errno = code;
    return err_sys(err, "%s: reserve %lld bytes", path, (long long)bytes);
}

int data_dir_give_up_reserve(const char *dir)
{
    AUTO_FREE char *path = fs_join(dir, "reserve");
    return unlink(path);
}

static bool number_of(const char *name, const char *prefix, const char *suffix,
                      uint64_t *out)
{
    size_t head = strlen(prefix);
    if (!str_starts(name, prefix) ||
        strlen(name) != head + NUMBER_DIGITS + strlen(suffix) ||
        !str_ends(name, suffix))
        return false;
    char digits[NUMBER_DIGITS + 1];
    memcpy(digits, name + head, NUMBER_DIGITS);
    digits[NUMBER_DIGITS] = '\0';
    return strspn(digits, "0123456789") == NUMBER_DIGITS &&
           parse_u64(digits, out);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int data_dir_list(const char *path, const char *prefix, const char *suffix,
                  uint64_t **numbers, size_t *n, struct err *err)
{
    *numbers = NULL;
    *n = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return err_sys(err, "%s: opendir", path);
    const struct dirent *entry;
    uint64_t number;
    while ((entry = readdir(folder))) {
        if (!number_of(entry->d_name, prefix, suffix, &number))
            continue;
        *numbers = xrealloc(*numbers, (*n + 1) * sizeof **numbers);
        (*numbers)[(*n)++] = number;
    }
    closedir(folder);
    if (*n)
        qsort(*numbers, *n, sizeof **numbers, compare_numbers);
    return 0;
}

struct file_visitor {
    bool (*is_wanted)(const char *name);
    int (*visit)(const char *dir, const char *name, void *context,
                 struct err *err);
    void *context;
};

static int each_file(const char *path, const struct file_visitor *visitor,
                     struct err *err)
{
    DIR *folder = opendir(path);
    if (!folder)
        return err_sys(err, "%s: opendir", path);
    const struct dirent *entry;
    int result = 0;
    while (result == 0 && (entry = readdir(folder)))
        if (visitor->is_wanted(entry->d_name))
            result = visitor->visit(path, entry->d_name, visitor->context, err);
    closedir(folder);
    return result;
}

static bool is_unfinished(const char *name)
{
    return str_ends(name, ".tmp");
}

static int remove_one(const char *dir, const char *name, void *context UNUSED,
                      struct err *err UNUSED)
{
    AUTO_FREE char *path = fs_join(dir, name);
    unlink(path);
    return 0;
}

void data_dir_remove_unfinished(const char *path)
{
    struct file_visitor visitor = {is_unfinished, remove_one, NULL};
    each_file(path, &visitor, NULL);
}

void data_dir_remove_segments(const char *path, uint64_t before)
{
    AUTO_FREE uint64_t *firsts = NULL;
    size_t n;
    if (data_dir_list(path, "wal-", ".log", &firsts, &n, NULL) < 0)
        return;
    for (size_t i = 0; i < n && firsts[i] < before; i++) {
        AUTO_FREE char *file =
            xasprintf("%s/wal-%020" PRIu64 ".log", path, firsts[i]);
        unlink(file);
    }
}

static bool is_state(const char *name)
{
    return str_ends(name, ".log") || str_ends(name, ".snap");
}

static int move_one(const char *dir, const char *name, void *aside,
                    struct err *err)
{
    AUTO_FREE char *from = fs_join(dir, name);
    AUTO_FREE char *to = fs_join(aside, name);
    if (rename(from, to) < 0)
        return err_sys(err, "%s: move to %s", from, to);
    return 0;
}

/* What is left of a move that was decided; the folder's name tells that it is
 * whole. */
static int finish_moving(const char *path, const char *part, struct err *err)
{
    struct file_visitor visitor = {is_state, move_one, (void *)(uintptr_t)part};
    AUTO_FREE char *aside = xstrdup(part);
    aside[strlen(part) - strlen(moving)] = '\0';
    if (each_file(path, &visitor, err) < 0 || fs_sync_dir(part, err) < 0)
        return -1;
    if (rename(part, aside) < 0)
        return err_sys(err, "%s: rename", part);
    return fs_sync_dir(path, err);
}

/* The name that says so lasts before the first file is moved. */
int data_dir_set_aside(const char *path, const char *tag, struct err *err)
{
    AUTO_FREE char *part = xasprintf("%s/set-aside-%s%s", path, tag, moving);
    if (fs_mkdirs(part, 0700, err) < 0 || fs_sync_dir(path, err) < 0)
        return -1;
    return finish_moving(path, part, err);
}

static bool is_being_moved(const char *name)
{
    return str_starts(name, "set-aside-") && str_ends(name, moving);
}

static int finish_one(const char *dir, const char *name, void *context UNUSED,
                      struct err *err)
{
    AUTO_FREE char *part = fs_join(dir, name);
    return finish_moving(dir, part, err);
}

static int finish_set_aside(const char *path, struct err *err)
{
    struct file_visitor visitor = {is_being_moved, finish_one, NULL};
    return each_file(path, &visitor, err);
}

/* The way to the folder must last as well as what is in it.  What is not ours
 * to read was there before us. */
static void sync_way(const char *path)
{
    AUTO_FREE char *at = xstrdup(path);
    char *slash;
    while ((slash = strrchr(at, '/')) && slash != at) {
        *slash = '\0';
        fs_sync_dir(at, NULL);
    }
}

struct data_dir *data_dir_open(const char *path, struct err *err)
{
    AUTO(data_dir) struct data_dir *dir = xcalloc(1, sizeof *dir);
    dir->lock_fd = -1;
    if (fs_mkdirs(path, 0700, err) < 0)
        return NULL;
    /* The name of its owner in Redis has it: one folder, one name. */
    dir->path = realpath(path, NULL);
    if (!dir->path) {
        err_sys(err, "%s", path);
        return NULL;
    }
    if (take_lock(dir, err) < 0 || finish_set_aside(dir->path, err) < 0)
        return NULL;
    sync_way(dir->path);
    return MOVE(dir);
}
