/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state-store/disk_model.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"

/* The real call behind ours. */
#define NEXT(name)                                                             \
    static __typeof__(&name) real;                                             \
    if (!real)                                                                 \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

enum { FDS_MAX = 4096, NAMES_MAX = 256, CHANGES_MAX = 4096, BLOCK = 512 };

/* A change of a file that was not synced yet. */
struct change {
    off_t at;
    size_t len;
    char *data;   /* NULL: zeros */
    bool is_size; /* the file ends at `at` */
};

struct file {
    bool is_dir;
    struct buf synced; /* up to the last byte that is not zero, or more */
    size_t size;       /* of it, zeros behind the bytes included */
    struct change *changes;
    size_t n_changes;
};

struct name {
    char path[128]; /* below the folder */
    struct file *file;
};
struct names {
    struct name at[NAMES_MAX];
    size_t n;
};

/* A change of names that was not synced yet: from goes (if not ""), to comes
 * (if not ""). */
struct move {
    char from[128], to[128];
    struct file *file;
};

static struct {
    struct disk_plan plan; /* dir NULL: every call goes through */
    unsigned calls;
    bool is_full, is_leaving;
    struct names live, synced;
    struct move moves[CHANGES_MAX];
    size_t n_moves;
    struct file *files[FDS_MAX]; /* by descriptor */
    struct file folder;
} disk;

/* ---- files and names ----------------------------------------------------- */

static void apply_change(struct file *f, const struct change *c)
{
    size_t end = (size_t)c->at + c->len;
    if (c->is_size) {
        f->synced.len = MIN(f->synced.len, (size_t)c->at);
        f->size = (size_t)c->at;
        return;
    }
    f->size = MAX(f->size, end);
    if (c->data && f->synced.len < end) {
        size_t more = end - f->synced.len;
        buf_reserve(&f->synced, more);
        memset(f->synced.data + f->synced.len, 0, more);
        f->synced.len = end;
    }
    if ((size_t)c->at >= f->synced.len)
        return;
    size_t len = MIN(end, f->synced.len) - (size_t)c->at;
    if (c->data)
        memcpy(f->synced.data + c->at, c->data, len);
    else
        memset(f->synced.data + c->at, 0, len);
}

static void note_change(struct file *f, struct change c)
{
    f->changes = xrealloc(f->changes, (f->n_changes + 1) * sizeof *f->changes);
    f->changes[f->n_changes++] = c;
}

static bool is_zero(const char *data, size_t len)
{
    return len && !data[0] && memcmp(data, data + 1, len - 1) == 0;
}

static void note_data(struct file *f, const void *data, size_t len, off_t at)
{
    struct change c = {.at = at, .len = len};
    if (!is_zero(data, len)) {
        c.data = xcalloc(1, len);
        memcpy(c.data, data, len);
    }
    note_change(f, c);
}

static struct name *find(struct names *names, const char *path)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->at[i].path, path) == 0)
            return &names->at[i];
    return NULL;
}

static void drop_name(struct names *names, const char *path)
{
    struct name *name = find(names, path);
    if (name)
        *name = names->at[--names->n];
}

static void set_name(struct names *names, const char *path, struct file *file)
{
    struct name *name = find(names, path);
    if (!name) {
        ASSERT(names->n < NAMES_MAX);
        name = &names->at[names->n++];
    }
    snprintf(name->path, sizeof name->path, "%s", path);
    name->file = file;
}

/* What is in a folder goes where it goes. */
static void move_below(struct names *names, const char *from, const char *to)
{
    size_t len = strlen(from);
    for (size_t i = 0; i < names->n; i++) {
        char *path = names->at[i].path, new[2 * sizeof names->at[i].path];
        if (strncmp(path, from, len) != 0 || path[len] != '/')
            continue;
        snprintf(new, sizeof new, "%s%s", to, path + len);
        snprintf(path, sizeof names->at[i].path, "%.127s", new);
    }
}

static void apply_move(struct names *names, const struct move *m)
{
    if (m->from[0])
        drop_name(names, m->from);
    if (m->to[0])
        set_name(names, m->to, m->file);
    if (m->from[0] && m->to[0] && m->file->is_dir)
        move_below(names, m->from, m->to);
}

static void note_move(const char *from, const char *to, struct file *file)
{
    ASSERT(disk.n_moves < CHANGES_MAX);
    struct move *m = &disk.moves[disk.n_moves++];
    snprintf(m->from, sizeof m->from, "%s", from);
    snprintf(m->to, sizeof m->to, "%s", to);
    m->file = file;
    apply_move(&disk.live, m);
}

/* "" for the folder itself, NULL for what is not below it. */
static const char *below(const char *path)
{
    size_t len = disk.plan.dir ? strlen(disk.plan.dir) : 0;
    if (!len || disk.is_leaving || strncmp(path, disk.plan.dir, len) != 0)
        return NULL;
    if (path[len] == '\0')
        return path + len;
    return path[len] == '/' ? path + len + 1 : NULL;
}

static bool is_in_folder(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    return path[0] && strlen(folder) == len && strncmp(path, folder, len) == 0;
}

static void sync_names(const struct file *folder)
{
    const char *path = "";
    for (size_t i = 0; i < disk.live.n; i++)
        if (disk.live.at[i].file == folder)
            path = disk.live.at[i].path;
    size_t left = 0;
    for (size_t i = 0; i < disk.n_moves; i++) {
        const struct move *m = &disk.moves[i];
        if (is_in_folder(m->from, path) || is_in_folder(m->to, path))
            apply_move(&disk.synced, m);
        else
            disk.moves[left++] = *m;
    }
    disk.n_moves = left;
}

static void sync_file(struct file *f)
{
    if (f->is_dir) {
        sync_names(f);
        return;
    }
    for (size_t i = 0; i < f->n_changes; i++) {
        apply_change(f, &f->changes[i]);
        free(f->changes[i].data);
    }
    f->n_changes = 0;
}

/* ---- what is left ---------------------------------------------------------
 */

static unsigned chance(void)
{
    disk.plan.seed = disk.plan.seed * 1103515245u + 12345u;
    return disk.plan.seed >> 16;
}

/* Of a write a piece, by blocks. */
static void keep_some(struct file *f)
{
    for (size_t i = 0; i < f->n_changes; i++) {
        struct change c = f->changes[i];
        if (chance() % 3 == 0)
            continue;
        if (!c.is_size && chance() % 2)
            c.len = MIN(c.len, chance() % (c.len / BLOCK + 1) * BLOCK);
        apply_change(f, &c);
    }
}

static void put_file(const char *path, const struct file *f)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return; /* its folder is not there: lost with it */
    ASSERT(write(fd, f->synced.data, f->synced.len) == (ssize_t)f->synced.len);
    ASSERT(ftruncate(fd, (off_t)f->size) == 0);
    close(fd);
}

static void put_names(bool is_dir)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < disk.synced.n; i++) {
        const struct name *name = &disk.synced.at[i];
        snprintf(path, sizeof path, "%s/%s", disk.plan.dir, name->path);
        if (name->file->is_dir && is_dir)
            mkdir(path, 0700);
        else if (!name->file->is_dir && !is_dir)
            put_file(path, name->file);
    }
}

static void clear_folder(const char *dir)
{
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    char path[PATH_MAX];
    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (entry->d_type == DT_DIR)
            clear_folder(path);
        remove(path);
    }
    closedir(folder);
}

void disk_model_leave(void)
{
    enum disk_fault fault = disk.plan.fault;
    disk.is_leaving = true;
    if (fault == DISK_KILL || fault == DISK_NONE ||
        (fault >= DISK_EIO && disk.plan.seed % 2))
        _exit(DISK_EXIT);
    for (size_t i = 0; fault == DISK_MIXED && i < disk.n_moves; i++)
        if (chance() % 2)
            apply_move(&disk.synced, &disk.moves[i]);
    for (size_t i = 0; fault == DISK_MIXED && i < disk.synced.n; i++)
        keep_some(disk.synced.at[i].file);
    clear_folder(disk.plan.dir);
    put_names(true);
    put_names(false);
    _exit(DISK_EXIT);
}

static void load_folder(const char *dir, const char *prefix)
{
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    char path[PATH_MAX], name[128];
    ASSERT(folder);
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        struct file *file = xcalloc(1, sizeof *file);
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        snprintf(name, sizeof name, "%s%.100s", prefix, entry->d_name);
        set_name(&disk.synced, name, file);
        file->is_dir = entry->d_type == DT_DIR;
        if (file->is_dir)
            continue;
        int fd = open(path, O_RDONLY);
        struct stat st;
        ASSERT(fd >= 0 && fstat(fd, &st) == 0);
        file->size = file->synced.len = (size_t)st.st_size;
        buf_reserve(&file->synced, 1);
        file->synced.len = 0;
        buf_reserve(&file->synced, file->size);
        ASSERT(read(fd, file->synced.data, file->size) == st.st_size);
        file->synced.len = file->size;
        close(fd);
    }
    closedir(folder);
}

void disk_model_begin(const struct disk_plan *plan)
{
    load_folder(plan->dir, "");
    disk.live = disk.synced;
    disk.folder.is_dir = true;
    disk.plan = *plan;
}

unsigned disk_model_calls(void)
{
    return disk.calls;
}

/* ---- the calls -------------------------------------------------------------
 */

enum kind { TAKES_SPACE, WRITES, OTHER };

/* Counts a call below the folder; what is to become of it. */
static enum disk_fault count(enum kind kind)
{
    unsigned n = ++disk.calls;
    if (n == disk.plan.meet_at)
        disk.plan.meet(disk.plan.context);
    enum disk_fault fault = disk.plan.fault;
    if (n == disk.plan.at && fault >= DISK_KILL && fault <= DISK_MIXED)
        disk_model_leave();
    if (n == disk.plan.at && fault == DISK_ENOSPC)
        disk.is_full = true;
    if (fault == DISK_ENOSPC)
        return disk.is_full && kind != OTHER ? fault : DISK_NONE;
    if (n != disk.plan.at || (fault == DISK_SHORT && kind != WRITES))
        return DISK_NONE;
    return fault;
}

static int fail(enum disk_fault fault)
{
    errno = fault == DISK_ENOSPC ? ENOSPC : EIO;
    return -1;
}

static struct file *file_of(int fd)
{
    return fd >= 0 && fd < FDS_MAX && !disk.is_leaving ? disk.files[fd] : NULL;
}

static int note_open(const char *path, int flags, int fd)
{
    if (fd < 0 || fd >= FDS_MAX)
        return fd;
    struct name *name = find(&disk.live, path);
    if (*path && !name) {
        note_move("", path, xcalloc(1, sizeof(struct file)));
        name = find(&disk.live, path);
    }
    disk.files[fd] = *path ? name->file : &disk.folder;
    if (flags & O_TRUNC)
        note_change(disk.files[fd], (struct change){.is_size = true});
    return fd;
}

int open(const char *path, int flags, ...)
{
    NEXT(open);
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    const char *name = below(path);
    if (!name)
        return real(path, flags, mode);
    enum disk_fault fault = count(flags & O_CREAT ? TAKES_SPACE : OTHER);
    if (fault != DISK_NONE)
        return fail(fault);
    return note_open(name, flags, real(path, flags, mode));
}

int close(int fd)
{
    NEXT(close);
    if (fd >= 0 && fd < FDS_MAX)
        disk.files[fd] = NULL;
    return real(fd);
}

static ssize_t real_pwrite(int fd, const void *data, size_t len, off_t at)
{
    NEXT(pwrite);
    return real(fd, data, len, at);
}

/* Zeros by the megabyte, thousands of times: a hole does. */
static int real_fallocate(int fd, int mode, off_t at, off_t len)
{
    NEXT(fallocate);
    return real(fd, mode, at, len);
}

static ssize_t write_through(int fd, const void *data, size_t len, off_t at)
{
    int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    struct stat st;
    if (len > 1 << 16 && is_zero(data, len) && fstat(fd, &st) == 0 &&
        st.st_size >= at + (off_t)len &&
        real_fallocate(fd, hole, at, (off_t)len) == 0)
        return (ssize_t)len;
    return real_pwrite(fd, data, len, at);
}

static ssize_t write_at(int fd, const void *data, size_t len, off_t at)
{
    enum disk_fault fault = count(WRITES);
    if (fault == DISK_EIO || fault == DISK_ENOSPC)
        return fail(fault);
    if (fault == DISK_TORN || fault == DISK_SHORT)
        len = (len + 1) / 2;
    ssize_t n = write_through(fd, data, len, at);
    ASSERT(n == (ssize_t)len);
    note_data(file_of(fd), data, len, at);
    return fault == DISK_TORN ? fail(fault) : n;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return file_of(fd) ? write_at(fd, data, len, at)
                       : real_pwrite(fd, data, len, at);
}

ssize_t write(int fd, const void *data, size_t len)
{
    NEXT(write);
    if (!file_of(fd))
        return real(fd, data, len);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t n = write_at(fd, data, len, at);
    lseek(fd, at + MAX(n, 0), SEEK_SET);
    return n;
}

static int sync_any(int fd)
{
    enum disk_fault fault = count(OTHER);
    if (fault != DISK_NONE)
        return fail(fault);
    sync_file(file_of(fd));
    return 0;
}

int fsync(int fd)
{
    NEXT(fsync);
    return file_of(fd) ? sync_any(fd) : real(fd);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    return file_of(fd) ? sync_any(fd) : real(fd);
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    const char *old = below(from), *new = below(to);
    if (!old || !new)
        return real(from, to);
    enum disk_fault fault = count(OTHER);
    if (fault != DISK_NONE)
        return fail(fault);
    const struct name *name = find(&disk.live, old);
    int result = real(from, to);
    if (result == 0)
        note_move(old, new, name->file);
    return result;
}

int unlink(const char *path)
{
    NEXT(unlink);
    const char *name = below(path);
    if (!name)
        return real(path);
    enum disk_fault fault = count(OTHER);
    if (fault != DISK_NONE)
        return fail(fault);
    int result = real(path);
    if (result == 0)
        note_move(name, "", NULL);
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(mkdir);
    const char *name = below(path);
    if (!name || !*name)
        return real(path, mode);
    enum disk_fault fault = count(TAKES_SPACE);
    if (fault != DISK_NONE)
        return fail(fault);
    int result = real(path, mode);
    if (result < 0)
        return result;
    struct file *file = xcalloc(1, sizeof *file);
    file->is_dir = true;
    note_move("", name, file);
    return 0;
}

int ftruncate(int fd, off_t len)
{
    NEXT(ftruncate);
    if (!file_of(fd))
        return real(fd, len);
    enum disk_fault fault = count(OTHER);
    if (fault != DISK_NONE)
        return fail(fault);
    note_change(file_of(fd), (struct change){.at = len, .is_size = true});
    return real(fd, len);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    if (!file_of(fd))
        return real_fallocate(fd, mode, at, len);
    enum disk_fault fault = count(TAKES_SPACE);
    if (fault != DISK_NONE)
        return fail(fault);
    ASSERT(mode == 0);
    note_change(file_of(fd), (struct change){.at = at + len, .is_size = true});
    NEXT(ftruncate);
    return real(fd, at + len);
}
