/* SPDX-License-Identifier: Apache-2.0 */
#include "devcluster/agent_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/wire/wire.h"

#define MAX_FILE_BYTES (256u << 20)

struct agent_store {
    char *dir;
    char *agent_id; /* NULL: none */
    int lock_fd;
};

/* ---- opening ---------------------------------------------------------- */

static int lock(struct agent_store *store, struct err *err)
{
    AUTO_FREE char *path = fs_join(store->dir, "meta/lock");
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return err_sys(err, "%s: cannot open", path);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, ERR_EXISTS, "%s: used by another agent",
                       store->dir);
    return err_sys(err, "%s: cannot lock", path);
}

static int open_dirs(struct agent_store *store, const char *work_dir,
                     struct err *err)
{
    AUTO_FREE char *slaves = fs_join(work_dir, "meta/slaves");
    AUTO_FREE char *resources = fs_join(work_dir, "meta/resources");
    if (fs_mkdirs(slaves, 0755, err) < 0 || fs_mkdirs(resources, 0755, err) < 0)
        return -1;
    store->dir = realpath(work_dir, NULL);
    if (!store->dir)
        return err_sys(err, "%s: cannot resolve", work_dir);
    return lock(store, err);
}

struct agent_store *agent_store_open(const char *work_dir, struct err *err)
{
    struct agent_store *store = xcalloc(1, sizeof(*store));
    store->lock_fd = -1;
    if (open_dirs(store, work_dir, err) < 0)
        agent_store_close(&store);
    return store;
}

void agent_store_close(struct agent_store **store)
{
    struct agent_store *s = *store;
    if (!s)
        return;
    if (s->lock_fd >= 0) {
        /* Closing is not enough while a child between fork and exec has it. */
        flock(s->lock_fd, LOCK_UN);
        close(s->lock_fd);
    }
    free(s->dir);
    free(s->agent_id);
    free(s);
    *store = NULL;
}

const char *agent_store_dir(const struct agent_store *store)
{
    return store->dir;
}

/* ---- files ------------------------------------------------------------ */

static ProtobufCMessage *
load(const char *path, const ProtobufCMessageDescriptor *type, struct err *err)
{
    AUTO_BUF struct buf bytes = {0};
    if (fs_read(path, MAX_FILE_BYTES, &bytes, err) < 0)
        return NULL;
    ProtobufCMessage *message = wire_decode(type, bytes.data, bytes.len, err);
    if (!message)
        err_wrap(err, "%s", path);
    return message;
}

static int save(const char *path, const ProtobufCMessage *message,
                struct err *err)
{
    AUTO_BUF struct buf bytes = {0};
    wire_encode(message, &bytes);
    return fs_write_atomic(path, bytes.data, bytes.len, 0600, err);
}

/* Whole or not at all, but not synced: see the head of agent_store.h. */
static int save_unsynced(const char *path, const ProtobufCMessage *message,
                         struct err *err)
{
    AUTO_BUF struct buf bytes = {0};
    AUTO_FREE char *tmp = xasprintf("%s.tmp", path);
    wire_encode(message, &bytes);
    AUTO_CLOSE int fd =
        open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, "%s: cannot create", tmp);
    for (size_t at = 0; at < bytes.len;) {
        ssize_t n = write(fd, bytes.data + at, bytes.len - at);
        if (n < 0 && errno != EINTR)
            return err_sys(err, "%s: cannot write", tmp);
        at += n > 0 ? (size_t)n : 0;
    }
    if (rename(tmp, path) < 0)
        return err_sys(err, "%s: cannot rename into place", path);
    return 0;
}

/* ---- the agent's id --------------------------------------------------- */

char *agent_store_load_id(struct agent_store *store)
{
    char target[512];
    AUTO_FREE char *path = fs_join(store->dir, "meta/slaves/latest");
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0)
        return NULL;
    target[n] = '\0';
    const char *slash = strrchr(target, '/');
    free(store->agent_id);
    store->agent_id = xstrdup(slash ? slash + 1 : target);
    return xstrdup(store->agent_id);
}

int agent_store_save_id(struct agent_store *store, const char *agent_id,
                        const Mesos__V1__AgentInfo *info, struct err *err)
{
    AUTO_FREE char *slaves = fs_join(store->dir, "meta/slaves");
    AUTO_FREE char *dir = fs_join(slaves, agent_id);
    AUTO_FREE char *file = fs_join(dir, "slave.info");
    AUTO_FREE char *latest = fs_join(slaves, "latest");
    AUTO_FREE char *tmp = fs_join(slaves, "latest.tmp");
    if (fs_mkdirs(dir, 0755, err) < 0 || save(file, &info->base, err) < 0)
        return -1;
    unlink(tmp);
    if (symlink(dir, tmp) < 0 || rename(tmp, latest) < 0)
        return err_sys(err, "%s: cannot point to %s", latest, dir);
    if (fs_sync_dir(slaves, err) < 0)
        return -1;
    free(store->agent_id);
    store->agent_id = xstrdup(agent_id);
    return 0;
}

void agent_store_forget_id(struct agent_store *store)
{
    AUTO_FREE char *latest = fs_join(store->dir, "meta/slaves/latest");
    unlink(latest);
    free(store->agent_id);
    store->agent_id = NULL;
}

/* ---- resources -------------------------------------------------------- */

static char *resources_path(const struct agent_store *store)
{
    return fs_join(store->dir, "meta/resources/resources.info");
}

Reeve__Devagent__AgentResources *
agent_store_load_resources(struct agent_store *store, struct err *err)
{
    AUTO_FREE char *path = resources_path(store);
    return (Reeve__Devagent__AgentResources *)(void *)load(
        path, &reeve__devagent__agent_resources__descriptor, err);
}

int agent_store_save_resources(struct agent_store *store,
                               const Reeve__Devagent__AgentResources *resources,
                               struct err *err)
{
    AUTO_FREE char *path = resources_path(store);
    return save(path, &resources->base, err);
}

/* ---- runs ------------------------------------------------------------- */

static char *run_dir(const struct agent_store *store,
                     const Reeve__Devagent__ExecutorRun *run)
{
    return xasprintf("%s/meta/slaves/%s/frameworks/%s/executors/%s/runs/%s",
                     store->dir, str_or_empty(store->agent_id),
                     run->framework->id->value,
                     run->executor->executor_id->value, run->container_id);
}

int agent_store_save_run(struct agent_store *store,
                         const Reeve__Devagent__ExecutorRun *run,
                         struct err *err)
{
    AUTO_FREE char *dir = run_dir(store, run);
    AUTO_FREE char *path = fs_join(dir, "executor.run");
    if (access(dir, F_OK) < 0 && fs_mkdirs(dir, 0755, err) < 0)
        return -1;
    return save_unsynced(path, &run->base, err);
}

void agent_store_drop_run(struct agent_store *store,
                          const Reeve__Devagent__ExecutorRun *run)
{
    struct err err;
    AUTO_FREE char *dir = run_dir(store, run);
    if (fs_remove_tree(dir, &err) < 0)
        log_bad("run_not_dropped", "why=%s", log_q(err.text));
    /* runs, E, executors, F: as far as they are empty. */
    for (int i = 0; i < 4; i++) {
        *strrchr(dir, '/') = '\0';
        if (rmdir(dir) < 0)
            return;
    }
}

struct walk {
    void (*fn)(void *self, const Reeve__Devagent__ExecutorRun *run);
    void *self;
    int unreadable;
};

static void read_run(struct walk *walk, const char *dir)
{
    struct err err;
    AUTO_FREE char *path = fs_join(dir, "executor.run");
    Reeve__Devagent__ExecutorRun *run =
        (void *)load(path, &reeve__devagent__executor_run__descriptor, &err);
    if (!run) {
        if (err.code == ERR_NOT_FOUND)
            return; /* died before it was saved: nothing was started */
        walk->unreadable++;
        log_bad("run_not_readable", "why=%s", log_q(err.text));
        return;
    }
    walk->fn(walk->self, run);
    reeve__devagent__executor_run__free_unpacked(run, NULL);
}

/* F/executors/E/runs/C: a named folder at odd depths, any at even ones. */
static void walk_dir(struct walk *walk, const char *dir, int depth)
{
    static const char *const names[] = {NULL, "executors", NULL, "runs", NULL};
    DIR *d = opendir(dir);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        if (names[depth] && strcmp(entry->d_name, names[depth]) != 0)
            continue;
        AUTO_FREE char *path = fs_join(dir, entry->d_name);
        if (depth + 1 == (int)ARRAY_LEN(names))
            read_run(walk, path);
        else
            walk_dir(walk, path, depth + 1);
    }
    if (d)
        closedir(d);
}

int agent_store_each_run(struct agent_store *store,
                         void (*fn)(void *self,
                                    const Reeve__Devagent__ExecutorRun *run),
                         void *self)
{
    struct walk walk = {fn, self, 0};
    AUTO_FREE char *dir = xasprintf("%s/meta/slaves/%s/frameworks", store->dir,
                                    str_or_empty(store->agent_id));
    if (store->agent_id)
        walk_dir(&walk, dir, 0);
    return walk.unreadable;
}

/* ---- volumes ---------------------------------------------------------- */

int agent_store_make_volume(struct agent_store *store UNUSED, const char *dir,
                            struct err *err)
{
    AUTO_FREE char *above = xstrdup(dir);
    *strrchr(above, '/') = '\0';
    if (fs_mkdirs(dir, 0755, err) < 0)
        return -1;
    return fs_sync_dir(above[0] ? above : "/", err);
}

static int empty_dir(const char *dir, struct err *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int rc = 0;
    if (!d)
        return errno == ENOENT ? 0 : err_sys(err, "%s: cannot open", dir);
    while (rc == 0 && (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        AUTO_FREE char *path = fs_join(dir, entry->d_name);
        rc = fs_remove_tree(path, err);
    }
    closedir(d);
    return rc;
}

int agent_store_remove_volume(struct agent_store *store UNUSED, const char *dir,
                              bool keep_dir, struct err *err)
{
    return keep_dir ? empty_dir(dir, err) : fs_remove_tree(dir, err);
}
