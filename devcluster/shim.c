/* SPDX-License-Identifier: Apache-2.0 */
/* shim - see shim.h, and container_files.h for the files it writes
 *
 * Blocks wherever it likes: it has one task and nothing else to do.  It must
 * not die before its command (the command dies with it, and the agent then
 * reports the executor as terminated), so it ignores every signal that is sent
 * to groups.
 */
#include "devcluster/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devcluster/container_files.h"
#include "devcluster/fetch.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/wire/wire.h"

#define IGNORE(call)                                                           \
    do {                                                                       \
        if ((call) < 0)                                                        \
            errno = 0;                                                         \
    } while (0)

/* What a real agent's launcher answers when exec fails. */
#define EXEC_FAILED 233

struct shim {
    const char *meta_dir;
    Reeve__Devagent__ContainerSpec *spec;
    struct passwd *user; /* NULL: stay as we are */
    int lock_fd;
    int news_fd; /* pipe to the agent; -1: nobody listens */
    int stdout_fd;
    int stderr_fd;
};

static const int shim_ignores[] = {SIGHUP,  SIGINT,  SIGTERM, SIGPIPE,
                                   SIGQUIT, SIGUSR1, SIGUSR2};

static void set_signals(void (*handler)(int))
{
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < ARRAY_LEN(shim_ignores); i++)
        signal(shim_ignores[i], handler);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- becoming the one shim of this container -------------------------- */

/* 1: we are it; 0: another one is or was; -1: cannot. */
static int claim(struct shim *shim, struct err *err)
{
    AUTO_FREE char *path = fs_join(shim->meta_dir, "lock");
    struct container_seen seen;
    shim->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (shim->lock_fd < 0)
        return err_sys(err, "%s: cannot open", path);
    if (flock(shim->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return 0;
    container_look(shim->meta_dir, &seen);
    if (seen.has_shim || seen.has_exit)
        return 0;
    if (container_write_shim(shim->meta_dir, getpid(), err) < 0)
        return -1;
    return 1;
}

static int open_output(const char *sandbox, const char *name, struct err *err)
{
    AUTO_FREE char *path = fs_join(sandbox, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return fd < 0 ? err_sys(err, "%s: cannot open", path) : fd;
}

static int give(const char *path, const struct passwd *user, struct err *err)
{
    if (chown(path, user->pw_uid, user->pw_gid) == 0)
        return 0;
    return err_sys(err, "%s: cannot give to %s", path, user->pw_name);
}

/* The user has to exist in any case, as with a real agent. */
static int find_user(struct shim *shim, struct err *err)
{
    const Reeve__Devagent__ContainerSpec *spec = shim->spec;
    struct passwd *user = getpwnam(spec->user);
    if (!user)
        return err_set(err, ERR_NOT_FOUND, "no user '%s'", spec->user);
    if (!spec->switch_user || user->pw_uid == geteuid())
        return 0;
    if (give(spec->sandbox, user, err) < 0)
        return -1;
    for (size_t i = 0; i < spec->n_volumes; i++) {
        if (give(spec->volumes[i], user, err) < 0)
            return -1;
    }
    if (fchown(shim->stdout_fd, user->pw_uid, user->pw_gid) < 0 ||
        fchown(shim->stderr_fd, user->pw_uid, user->pw_gid) < 0)
        return err_sys(err, "cannot give the output to %s", spec->user);
    shim->user = user;
    return 0;
}

static int prepare(struct shim *shim, struct err *err)
{
    shim->spec = container_read_spec(shim->meta_dir, err);
    if (!shim->spec)
        return -1;
    const char *sandbox = str_or_empty(shim->spec->sandbox);
    shim->stdout_fd = open_output(sandbox, "stdout", err);
    if (shim->stdout_fd < 0)
        return -1;
    shim->stderr_fd = open_output(sandbox, "stderr", err);
    if (shim->stderr_fd < 0)
        return -1;
    return shim->spec->user ? find_user(shim, err) : 0;
}

/* ---- in the child ----------------------------------------------------- */

static int apply_limits(const Reeve__Devagent__ContainerSpec *spec)
{
    for (size_t i = 0; i < spec->n_limits; i++) {
        const Reeve__Devagent__ContainerSpec__Limit *limit = spec->limits[i];
        struct rlimit value = {
            .rlim_cur = limit->has_soft ? limit->soft : RLIM_INFINITY,
            .rlim_max = limit->has_hard ? limit->hard : RLIM_INFINITY,
        };
        if (setrlimit((unsigned)limit->resource, &value) < 0) {
            fprintf(stderr, "Failed to set limit %d: %s\n", limit->resource,
                    strerror(errno));
            return -1;
        }
    }
    return 0;
}

static int become(const struct passwd *user)
{
    if (!user)
        return 0;
    if (initgroups(user->pw_name, user->pw_gid) < 0 ||
        setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0) {
        fprintf(stderr, "Failed to become %s: %s\n", user->pw_name,
                strerror(errno));
        return -1;
    }
    return 0;
}

static void exec_command(const Reeve__Devagent__ContainerSpec *spec)
{
    static char sh[] = "sh";
    static char dash_c[] = "-c";
    char **env = xcalloc(spec->n_environment + 1, sizeof(*env));
    for (size_t i = 0; i < spec->n_environment; i++)
        env[i] = spec->environment[i];
    if (spec->shell) {
        char *argv[] = {sh, dash_c, spec->value, NULL};
        execve("/bin/sh", argv, env);
    } else {
        char **argv = xcalloc(spec->n_arguments + 1, sizeof(*argv));
        for (size_t i = 0; i < spec->n_arguments; i++)
            argv[i] = spec->arguments[i];
        /* Searched in the task's PATH, not in ours. */
        environ = env;
        execvpe(spec->value, argv, env);
    }
    fprintf(stderr, "Failed to execute '%s': %s\n", spec->value,
            strerror(errno));
    _exit(EXEC_FAILED);
}

static void child_setup(const struct shim *shim)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null_fd, STDIN_FILENO);
    dup2(shim->stdout_fd, STDOUT_FILENO);
    dup2(shim->stderr_fd, STDERR_FILENO);
    if (chdir(shim->spec->sandbox) < 0) {
        fprintf(stderr, "Failed to enter '%s': %s\n", shim->spec->sandbox,
                strerror(errno));
        _exit(1);
    }
}

static void child_fetch(const struct shim *shim)
{
    struct err err = {0};
    child_setup(shim);
    if (become(shim->user) < 0 || fetch_all(shim->spec, &err) < 0) {
        fprintf(stderr, "Failed to fetch: %s\n", err.text);
        _exit(1);
    }
    _exit(0);
}

static void child_run(const struct shim *shim)
{
    child_setup(shim);
    /* As a real agent: a task without a command starts and fails. */
    if (!shim->spec->value)
        _exit(1);
    if (apply_limits(shim->spec) < 0 || become(shim->user) < 0)
        _exit(1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    exec_command(shim->spec);
}

/* ---- running and ending ----------------------------------------------- */

static bool kill_children(const char *path)
{
    int child;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    while (fscanf(f, "%d", &child) == 1)
        kill(child, SIGKILL);
    fclose(f);
    return true;
}

/* Kills what the command left behind: its session, and whatever else became our
 * child because its parent died (we are the reaper of our descendants). */
static void kill_leftovers(pid_t leader)
{
    char path[64];
    kill(-leader, SIGKILL);
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    for (;;) {
        /* Without that file only the session's members are sure to die: then
         * reap those that are dead, and wait for no others. */
        bool all = kill_children(path);
        pid_t got = waitpid(-1, NULL, all ? 0 : WNOHANG);
        if (got == 0 || (got < 0 && errno == ECHILD))
            return;
    }
}

/* In the child: leads its own session, has its own signals, and says so, before
 * anybody can know it and signal it. */
static void child_wait(int fd)
{
    char byte = 'r';
    setsid();
    set_signals(SIG_DFL);
    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
        _exit(1);
}

static int release(const struct shim *shim, enum container_phase phase,
                   pid_t pid, int fd, struct err *err)
{
    char byte;
    if (read(fd, &byte, 1) != 1)
        return err_set(err, ERR_IO, "the command's process died early");
    if (container_write_command(shim->meta_dir, phase, pid, err) < 0)
        return -1;
    if (write(fd, &byte, 1) != 1)
        return err_sys(err, "cannot release the command");
    /* Whoever started us may be gone: then nobody has to hear it. */
    if (shim->news_fd >= 0)
        IGNORE(write(shim->news_fd, &byte, 1));
    return 0;
}

/* Starts body in a child that waits until "command" is written, so that there
 * is never a command which no file tells of.  Returns its wait status. */
static int run_child(const struct shim *shim, enum container_phase phase,
                     void (*body)(const struct shim *), int *status,
                     struct err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, "cannot make a socket pair");
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(err, "cannot fork");
    if (pid == 0) {
        close(pair[1]);
        child_wait(pair[0]);
        body(shim);
        _exit(1);
    }
    close(pair[0]);
    int rc = release(shim, phase, pid, pair[1], err);
    close(pair[1]);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    kill_leftovers(pid);
    return rc;
}

static int serve(struct shim *shim, struct err *err)
{
    int status = 0;
    if (shim->spec->n_uris > 0) {
        if (run_child(shim, CONTAINER_FETCH, child_fetch, &status, err) < 0)
            return -1;
        if (status != 0)
            return container_write_exit(shim->meta_dir, CONTAINER_FETCH, status,
                                        err);
    }
    if (run_child(shim, CONTAINER_RUN, child_run, &status, err) < 0)
        return -1;
    return container_write_exit(shim->meta_dir, CONTAINER_RUN, status, err);
}

static void explain(const struct shim *shim, const struct err *err)
{
    if (shim->stderr_fd >= 0)
        dprintf(shim->stderr_fd, "Failed to launch: %s\n", err->text);
}

static int news_pipe(void)
{
    struct stat st;
    if (fstat(SHIM_NEWS_FD, &st) < 0 || !S_ISFIFO(st.st_mode))
        return -1;
    fcntl(SHIM_NEWS_FD, F_SETFD, FD_CLOEXEC);
    return SHIM_NEWS_FD;
}

bool shim_wanted(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], SHIM_FLAG) == 0;
}

int shim_main(int argc, char **argv)
{
    struct err err;
    struct shim shim = {.lock_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
    ASSERT(shim_wanted(argc, argv));
    shim.news_fd = news_pipe();
    shim.meta_dir = argv[2];
    setsid();
    umask(022);
    set_signals(SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int mine = claim(&shim, &err);
    if (mine <= 0)
        return mine < 0 ? 1 : 0;
    int rc = prepare(&shim, &err);
    if (rc < 0) {
        explain(&shim, &err);
        /* A real agent's launcher dies by SIGKILL here. */
        rc = container_write_exit(shim.meta_dir, CONTAINER_LAUNCH, SIGKILL,
                                  &err);
    } else {
        rc = serve(&shim, &err);
        if (rc < 0)
            explain(&shim, &err);
    }
    if (shim.spec)
        reeve__devagent__container_spec__free_unpacked(shim.spec, NULL);
    return rc < 0 ? 1 : 0;
}
