/* SPDX-License-Identifier: Apache-2.0 */
/* launcher_processes - the launcher with real processes
 *
 * Every container has a shim; what we know of it is what its files say and
 * whether its process lives.  All news, from inotify or from the end of the
 * shim, lead to the one function refresh(), which looks at the files as they
 * are now: so news may come twice, late, or in any order.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "devcluster/check_runner.h"
#include "devcluster/container_files.h"
#include "devcluster/launcher.h"
#include "devcluster/shim.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"

#define NO_CHILD                                                               \
    INT32_MIN /* wait status of a process that is not our child                \
               */

struct container {
    struct launcher *launcher;
    char *id;
    char *meta_dir;
    int watch; /* inotify; -1: none */
    int pidfd; /* of watched_pid; -1: none */
    pid_t watched_pid;
    bool told_started;
    int pending_signal; /* came before there was anything to signal */
    struct container *prev, *next;
};

struct launcher {
    struct loop *loop;
    char *shim_program;
    const struct launcher_events *events;
    void *self;
    struct check_runner *checks;
    int inotify;
    struct container *containers;
};

static void refresh(struct container *container, int wait_status);

/* ---- containers
 * ----------------------------------------------------------------
 */

static struct container *find(const struct launcher *launcher, const char *id)
{
    struct container *c;
    DL_FOREACH(launcher->containers, c)
    {
        if (strcmp(c->id, id) == 0)
            return c;
    }
    return NULL;
}

static void unwatch_pid(struct container *c)
{
    if (c->pidfd < 0)
        return;
    /* Our child when we started it; and it may be dead already. */
    waitpid(c->watched_pid, NULL, WNOHANG);
    loop_fd_remove(c->launcher->loop, c->pidfd);
    close(c->pidfd);
    c->pidfd = -1;
}

static void forget(struct container *c)
{
    struct launcher *launcher = c->launcher;
    DL_DELETE(launcher->containers, c);
    unwatch_pid(c);
    if (c->watch >= 0)
        inotify_rm_watch(launcher->inotify, c->watch);
    free(c->id);
    free(c->meta_dir);
    free(c);
}

static struct container *add(struct launcher *launcher, const char *id,
                             const char *meta_dir)
{
    struct container *c = xcalloc(1, sizeof(*c));
    c->launcher = launcher;
    c->id = xstrdup(id);
    c->meta_dir = xstrdup(meta_dir);
    c->pidfd = -1;
    /* Without it the end of the shim is still noticed, the start only then. */
    c->watch = inotify_add_watch(launcher->inotify, meta_dir, IN_MOVED_TO);
    if (c->watch < 0)
        log_bad("container_watch_failed", "container=%s why=%s", id,
                log_q(strerror(errno)));
    DL_APPEND(launcher->containers, c);
    return c;
}

static void tell_ended(struct container *c, enum agent_end_kind kind,
                       int status, const char *text)
{
    struct launcher *launcher = c->launcher;
    struct agent_end end = {kind, status, text};
    AUTO_FREE char *id = xstrdup(c->id);
    forget(c);
    launcher->events->ended(launcher->self, id, &end);
}

/* ---- news
 * -----------------------------------------------------------------------
 */

static void on_shim_end(void *self, int fd UNUSED, int events UNUSED)
{
    struct container *c = self;
    int status = NO_CHILD;
    /* After a restart it is not our child: then somebody else reaps it. */
    if (waitpid(c->watched_pid, &status, WNOHANG) <= 0)
        status = NO_CHILD;
    unwatch_pid(c);
    refresh(c, status);
}

static bool watch_pid(struct container *c, pid_t pid)
{
    unwatch_pid(c);
    c->watched_pid = pid;
    c->pidfd = pidfd_open(pid, 0);
    if (c->pidfd < 0)
        return false;
    loop_fd(c->launcher->loop, c->pidfd, LOOP_READ, on_shim_end, c);
    return true;
}

static void send_signal(const struct container_seen *seen, int signo,
                        bool whole)
{
    /* A fetch is one thing; and the command may not lead its group yet. */
    if (seen->command_phase == CONTAINER_FETCH)
        whole = true;
    if (!whole || kill(-seen->command_pid, signo) < 0)
        kill(seen->command_pid, signo);
}

static void tell_started(struct container *c, const struct container_seen *seen)
{
    struct launcher *launcher = c->launcher;
    if (c->told_started || !seen->has_command ||
        seen->command_phase != CONTAINER_RUN)
        return;
    c->told_started = true;
    launcher->events->started(launcher->self, c->id, seen->command_pid);
}

static void tell_exit(struct container *c, const struct container_seen *seen)
{
    static const enum agent_end_kind kinds[] = {
        [CONTAINER_FETCH] = AGENT_END_FETCH,
        [CONTAINER_LAUNCH] = AGENT_END_LAUNCH,
        [CONTAINER_RUN] = AGENT_END_RUN,
    };
    tell_ended(c, kinds[seen->exit_phase], seen->status, NULL);
}

static void tell_vanished(struct container *c,
                          const struct container_seen *seen)
{
    /* Its command dies with a shim; see to it. */
    if (seen->has_command && seen->command_lives)
        send_signal(seen, SIGKILL, true);
    tell_ended(c, AGENT_END_VANISHED, 0, NULL);
}

/* Nobody holds the container, and nobody ever did. */
static void unclaimed(struct container *c, int wait_status)
{
    if (c->pidfd >= 0)
        return; /* on its way */
    if (wait_status == 0)
        return; /* gave way to another one, whose file will come */
    AUTO_FREE char *text =
        xasprintf("The task's holder '%s' ended with wait status %d",
                  c->launcher->shim_program, wait_status);
    tell_ended(c, AGENT_END_NOT_STARTED, 0, text);
}

static void refresh(struct container *c, int wait_status)
{
    struct container_seen seen;
    container_look(c->meta_dir, &seen);
    if (!seen.has_shim) {
        unclaimed(c, wait_status);
        return;
    }
    tell_started(c, &seen);
    if (seen.has_exit) {
        /* It writes that last; its end will be seen, and then it is reaped. */
        if (!seen.shim_lives || c->pidfd < 0)
            tell_exit(c, &seen);
        return;
    }
    if (!seen.shim_lives ||
        (seen.shim_pid != c->watched_pid && !watch_pid(c, seen.shim_pid))) {
        /* It may have ended in good order since we looked. */
        container_look(c->meta_dir, &seen);
        tell_started(c, &seen);
        if (seen.has_exit)
            tell_exit(c, &seen);
        else
            tell_vanished(c, &seen);
        return;
    }
    if (c->pending_signal && seen.has_command && seen.command_lives &&
        seen.command_phase == CONTAINER_FETCH) {
        send_signal(&seen, c->pending_signal, true);
        c->pending_signal = 0;
    }
}

static struct container *find_watch(const struct launcher *launcher, int watch)
{
    struct container *c;
    DL_FOREACH(launcher->containers, c)
    {
        if (c->watch == watch)
            return c;
    }
    return NULL;
}

static void refresh_all(struct launcher *launcher)
{
    struct container *c, *next;
    DL_FOREACH_SAFE(launcher->containers, c, next)
    {
        refresh(c, NO_CHILD);
    }
}

static void on_inotify(void *self, int fd, int events UNUSED)
{
    struct launcher *launcher = self;
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const void *)(bytes + at);
        at += (ssize_t)(sizeof(*event) + event->len);
        if (event->mask & IN_Q_OVERFLOW) {
            refresh_all(launcher);
            continue;
        }
        struct container *c = find_watch(launcher, event->wd);
        if (c)
            refresh(c, NO_CHILD);
    }
}

/* ---- starting
 * ---------------------------------------------------------------------
 */

/* Called between fork and exec: plain system calls only. */
static void become_shim(const char *program, const char *meta_dir)
{
    static char flag[] = SHIM_FLAG;
    char *argv[] = {(char *)(uintptr_t)program, flag,
                    (char *)(uintptr_t)meta_dir, NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int fd = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    close_range(3, ~0U, 0);
    execv(program, argv);
    _exit(127);
}

static bool link_is(const char *path, const char *target)
{
    char now[PATH_MAX];
    ssize_t n = readlink(path, now, sizeof(now) - 1);
    if (n < 0)
        return false;
    now[n] = '\0';
    return strcmp(now, target) == 0;
}

static int make_links(const Reeve__Devagent__ContainerSpec *spec,
                      struct err *err)
{
    for (size_t i = 0; i < spec->n_links; i++) {
        const char *path = spec->links[i]->path;
        const char *target = spec->links[i]->target;
        struct stat st;
        if (link_is(path, target))
            continue;
        if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
            unlink(path);
        if (symlink(target, path) < 0)
            return err_sys(err, "Failed to symlink '%s' -> '%s'", target, path);
    }
    return 0;
}

static int make_files(const Reeve__Devagent__ContainerSpec *spec,
                      struct err *err)
{
    for (size_t i = 0; i < spec->n_files; i++) {
        AUTO_CLOSE int fd = open(
            spec->files[i], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            return err_sys(err, "%s: cannot create", spec->files[i]);
    }
    return 0;
}

static int prepare(const Reeve__Devagent__ContainerSpec *spec, struct err *err)
{
    struct stat st;
    for (size_t i = 0; i < spec->n_volumes; i++) {
        /* Never made here: an empty folder in the place of lost data would be
         * taken for the data. */
        if (stat(spec->volumes[i], &st) < 0 || !S_ISDIR(st.st_mode))
            return err_set(err, ERR_NOT_FOUND,
                           "Persistent volume '%s' is not there",
                           spec->volumes[i]);
    }
    if (fs_mkdirs(spec->meta_dir, 0755, err) < 0)
        return -1;
    for (size_t i = 0; i < spec->n_dirs; i++) {
        if (fs_mkdirs(spec->dirs[i], 0755, err) < 0)
            return -1;
    }
    if (make_files(spec, err) < 0 || make_links(spec, err) < 0)
        return -1;
    return container_write_spec(spec, err);
}

static void not_started(struct launcher *launcher, const char *id,
                        const char *text)
{
    struct agent_end end = {AGENT_END_NOT_STARTED, 0, text};
    launcher->events->ended(launcher->self, id, &end);
}

static void processes_start(struct launcher *launcher,
                            const Reeve__Devagent__ContainerSpec *spec)
{
    struct err err;
    if (find(launcher, spec->container_id))
        return;
    if (prepare(spec, &err) < 0) {
        not_started(launcher, spec->container_id, err.text);
        return;
    }
    struct container *c = add(launcher, spec->container_id, spec->meta_dir);
    pid_t pid = fork();
    if (pid == 0)
        become_shim(launcher->shim_program, spec->meta_dir);
    if (pid < 0 || !watch_pid(c, pid)) {
        err_sys(&err, "cannot start a process");
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        tell_ended(c, AGENT_END_NOT_STARTED, 0, err.text);
    }
}

static void processes_adopt(struct launcher *launcher, const char *id,
                            const char *meta_dir)
{
    struct container_seen seen;
    if (find(launcher, id))
        return;
    container_look(meta_dir, &seen);
    if (!seen.has_shim) {
        launcher->events->absent(launcher->self, id);
        return;
    }
    /* watched_pid is 0: refresh begins to watch a living shim. */
    refresh(add(launcher, id, meta_dir), NO_CHILD);
}

/* ---- signals and checks
 * --------------------------------------------------------------
 */

static void processes_signal(struct launcher *launcher, const char *id,
                             int signo, bool whole)
{
    struct container_seen seen;
    struct container *c = find(launcher, id);
    if (!c)
        return;
    container_look(c->meta_dir, &seen);
    if (seen.has_command && seen.command_lives) {
        send_signal(&seen, signo, whole);
    } else if (signo == SIGKILL && !seen.has_exit) {
        /* Nothing runs yet: then its shim shall not start it. */
        if (c->pidfd >= 0)
            pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
    } else {
        c->pending_signal = signo;
    }
}

static void processes_check(struct launcher *launcher,
                            const Reeve__Devagent__CheckRun *run)
{
    check_runner_start(launcher->checks, run);
}

static void processes_check_stop(struct launcher *launcher,
                                 const char *container, bool health)
{
    check_runner_stop(launcher->checks, container, health);
}

/* ---- opening and closing
 * ---------------------------------------------------------------
 */

static void processes_close(struct launcher **launcher)
{
    struct launcher *l = *launcher;
    struct container *c, *next;
    if (!l)
        return;
    check_runner_destroy(&l->checks);
    DL_FOREACH_SAFE(l->containers, c, next)
    {
        forget(c);
    }
    if (l->inotify >= 0) {
        loop_fd_remove(l->loop, l->inotify);
        close(l->inotify);
    }
    free(l->shim_program);
    free(l);
    *launcher = NULL;
}

static struct launcher *processes_open(const struct launcher_config *config,
                                       struct err *err)
{
    struct launcher *l = xcalloc(1, sizeof(*l));
    l->loop = config->loop;
    l->shim_program =
        xstrdup(config->shim_program ? config->shim_program : "/proc/self/exe");
    l->events = config->events;
    l->self = config->self;
    l->checks =
        check_runner_new(l->loop, config->events->checked, config->self);
    l->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (l->inotify < 0) {
        err_sys(err, "cannot watch files");
        processes_close(&l);
        return NULL;
    }
    loop_fd(l->loop, l->inotify, LOOP_READ, on_inotify, l);
    return l;
}

const struct launcher_ops launcher_processes = {
    .open = processes_open,
    .close = processes_close,
    .start = processes_start,
    .adopt = processes_adopt,
    .signal = processes_signal,
    .check = processes_check,
    .check_stop = processes_check_stop,
};
