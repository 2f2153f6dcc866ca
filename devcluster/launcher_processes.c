/* SPDX-License-Identifier: Apache-2.0 */
/* launcher_processes - the launcher with real processes
 *
 * Every container has a shim; what we know of it is what its files say and
 * whether its process lives.  All news, a byte from the shim or its end, lead
 * to the one function refresh(), which looks at the files as they are now: so
 * news may come twice, late, or in any order.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#include "lib/loop/loop.h"

/* Wait status of a process that is not our child. */
#define NO_CHILD INT32_MIN
/* How often to look at a container whose shim has nobody to send its news to:
 * it was started by an earlier process. */
#define POLL_MS 50

struct container {
    struct launcher *launcher;
    char *id;
    char *meta_dir;
    int news;      /* pipe from the shim we started; -1: none */
    uint64_t poll; /* timer; 0: none */
    int pidfd;     /* of watched_pid; -1: none */
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
    struct container *containers;
};

static void refresh(struct container *container, int wait_status);

/* ---- containers ------------------------------------------------------- */

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

static void drop_news(struct container *c)
{
    if (c->news < 0)
        return;
    loop_fd_remove(c->launcher->loop, c->news);
    close(c->news);
    c->news = -1;
}

static void forget(struct container *c)
{
    struct launcher *launcher = c->launcher;
    DL_DELETE(launcher->containers, c);
    unwatch_pid(c);
    drop_news(c);
    loop_timer_cancel(launcher->loop, c->poll);
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
    c->news = -1;
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

/* ---- news ------------------------------------------------------------- */

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

static void on_poll(void *self)
{
    struct container *c = self;
    c->poll = 0;
    refresh(c, NO_CHILD);
}

static void poll_later(struct container *c)
{
    if (!c->poll)
        c->poll = loop_timer(c->launcher->loop, POLL_MS, 0, on_poll, c);
}

/* No shim has claimed the container, and the one we started, if any, ended. */
static void unclaimed(struct container *c, int wait_status)
{
    struct launcher *launcher = c->launcher;
    if (c->pidfd >= 0)
        return; /* on its way */
    if (wait_status != 0 && wait_status != NO_CHILD) {
        AUTO_FREE char *text =
            xasprintf("The task's holder '%s' ended with wait status %d",
                      launcher->shim_program, wait_status);
        tell_ended(c, AGENT_END_NOT_STARTED, 0, text);
        return;
    }
    /* It gave way to another one, whose file will come; or that died as well.
     */
    if (container_is_claimed(c->meta_dir)) {
        poll_later(c);
        return;
    }
    AUTO_FREE char *id = xstrdup(c->id);
    forget(c);
    launcher->events->absent(launcher->self, id);
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
    if (!c->told_started && c->news < 0)
        poll_later(c);
}

static void on_news(void *self, int fd, int events UNUSED)
{
    struct container *c = self;
    char bytes[64];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        drop_news(c);
    refresh(c, NO_CHILD);
}

/* ---- starting --------------------------------------------------------- */

/* Called between fork and exec: plain system calls only. */
static void become_shim(const char *program, const char *meta_dir, int news)
{
    static char name[] = "reeve-task-shim";
    static char flag[] = SHIM_FLAG;
    char *argv[] = {name, flag, (char *)(uintptr_t)meta_dir, NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int fd = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    if (news == SHIM_NEWS_FD)
        fcntl(news, F_SETFD, 0);
    else
        dup2(news, SHIM_NEWS_FD);
    close_range(SHIM_NEWS_FD + 1, ~0U, 0);
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
    for (size_t i = 0; i < spec->n_host_paths; i++) {
        if (stat(spec->host_paths[i], &st) < 0)
            return err_set(err, ERR_NOT_FOUND,
                           "Path '%s' in HOST_PATH volume does not exist",
                           spec->host_paths[i]);
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

static int spawn(struct container *c, struct err *err)
{
    int news[2];
    if (pipe2(news, O_CLOEXEC) < 0)
        return err_sys(err, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        become_shim(c->launcher->shim_program, c->meta_dir, news[1]);
    int rc = pid < 0 ? err_sys(err, "cannot start a process") : 0;
    close(news[1]);
    if (rc == 0 && !watch_pid(c, pid)) {
        rc = err_sys(err, "cannot watch a process");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (rc < 0) {
        close(news[0]);
        return -1;
    }
    fcntl(news[0], F_SETFL, O_NONBLOCK);
    c->news = news[0];
    loop_fd(c->launcher->loop, c->news, LOOP_READ, on_news, c);
    return 0;
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
    if (spawn(c, &err) < 0)
        tell_ended(c, AGENT_END_NOT_STARTED, 0, err.text);
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

/* ---- signals and checks ----------------------------------------------- */

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

/* ---- opening and closing ---------------------------------------------- */

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
    free(l->shim_program);
    free(l);
    *launcher = NULL;
}

static struct launcher *processes_open(const struct launcher_config *config,
                                       struct err *err UNUSED)
{
    struct launcher *l = xcalloc(1, sizeof(*l));
    l->loop = config->loop;
    l->shim_program =
        xstrdup(config->shim_program ? config->shim_program : "/proc/self/exe");
    l->events = config->events;
    l->self = config->self;
    l->checks =
        check_runner_new(l->loop, config->events->checked, config->self);
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
