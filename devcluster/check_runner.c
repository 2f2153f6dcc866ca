/* SPDX-License-Identifier: Apache-2.0 */
#include "devcluster/check_runner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/http/http_client.h"
#include "lib/loop/loop.h"
#include "lib/wire/pb.h"

#define KIND(name) REEVE__DEVAGENT__CHECK_RUN__KIND__##name

struct check {
    struct check_runner *runner;
    Reeve__Devagent__CheckRun *run;
    pid_t pid; /* COMMAND; 0: none */
    int fd;    /* pidfd of COMMAND, socket of TCP; -1: none */
    struct http_request *request; /* HTTP */
    uint64_t timer;
    uint64_t soon; /* a result known at once */
    struct agent_check_result result;
    struct check *prev, *next;
};

struct check_runner {
    struct loop *loop;
    struct http_client *http;
    void (*done)(void *self, const struct agent_check_result *result);
    void *self;
    struct check *checks;
};

struct check_runner *check_runner_new(
    struct loop *loop,
    void (*done)(void *self, const struct agent_check_result *result),
    void *self)
{
    struct check_runner *runner = xcalloc(1, sizeof(*runner));
    runner->loop = loop;
    runner->done = done;
    runner->self = self;
    return runner;
}

/* ---- ending ----------------------------------------------------------- */

/* What is left of the command dies; waits for nothing but its own end. */
static void end_command(struct check *check)
{
    if (check->pid <= 0)
        return;
    if (kill(-check->pid, SIGKILL) < 0)
        kill(check->pid, SIGKILL);
    while (waitpid(check->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    check->pid = 0;
}

static void check_free(struct check *check)
{
    struct loop *loop = check->runner->loop;
    DL_DELETE(check->runner->checks, check);
    if (check->fd >= 0) {
        loop_fd_remove(loop, check->fd);
        close(check->fd);
    }
    end_command(check);
    http_request_cancel(&check->request);
    loop_timer_cancel(loop, check->timer);
    loop_timer_cancel(loop, check->soon);
    PB_FREE(check->run);
    free(check);
}

static void finish(struct check *check)
{
    struct check_runner *runner = check->runner;
    struct agent_check_result result = check->result;
    AUTO_FREE char *container = xstrdup(check->run->container_id);
    result.container = container;
    result.health = check->run->health;
    check_free(check);
    runner->done(runner->self, &result);
}

static void on_soon(void *self)
{
    finish(self);
}

static void finish_soon(struct check *check, bool timed_out, int value)
{
    check->result.timed_out = timed_out;
    check->result.value = value;
    check->soon = loop_soon(check->runner->loop, on_soon, check);
}

static void on_timeout(void *self)
{
    struct check *check = self;
    check->result.timed_out = true;
    finish(check);
}

void check_runner_destroy(struct check_runner **runner)
{
    struct check_runner *r = *runner;
    struct check *check, *next;
    if (!r)
        return;
    DL_FOREACH_SAFE(r->checks, check, next)
    {
        check_free(check);
    }
    http_client_destroy(&r->http);
    free(r);
    *runner = NULL;
}

void check_runner_stop(struct check_runner *runner, const char *container,
                       bool health)
{
    struct check *check, *next;
    DL_FOREACH_SAFE(runner->checks, check, next)
    {
        if (strcmp(check->run->container_id, container) == 0 &&
            (check->run->health != 0) == health)
            check_free(check);
    }
}

/* ---- commands --------------------------------------------------------- */

/* All that the child needs, made before the fork: between fork and exec only
 * plain system calls are allowed. */
struct child {
    const char *path;
    char **argv;
    char **env;
    const char *cwd;
    int in, out, err;
    bool become;
    uid_t uid;
    gid_t gid;
};

static int open_out(const char *dir, const char *name)
{
    if (!dir)
        return open("/dev/null", O_WRONLY | O_CLOEXEC);
    AUTO_FREE char *path = fs_join(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd < 0 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : fd;
}

/* The value itself, or its first hit in the PATH of that environment. */
static char *find_program(const Reeve__Devagent__CheckRun *run)
{
    const char *path = "/usr/bin:/bin";
    if (run->shell)
        return xstrdup("/bin/sh");
    if (strchr(run->value, '/'))
        return xstrdup(run->value);
    for (size_t i = 0; i < run->n_environment; i++) {
        if (str_starts(run->environment[i], "PATH="))
            path = run->environment[i] + strlen("PATH=");
    }
    AUTO_FREE char *copy = xstrdup(path);
    char *save = NULL;
    for (char *dir = strtok_r(copy, ":", &save); dir;
         dir = strtok_r(NULL, ":", &save)) {
        char *full = fs_join(dir, run->value);
        if (access(full, X_OK) == 0)
            return full;
        free(full);
    }
    return xstrdup(run->value);
}

static void child_exec(const struct child *child)
{
    sigset_t none;
    sigemptyset(&none);
    setsid();
    for (int signo = 1; signo < NSIG; signo++)
        signal(signo, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(child->in, STDIN_FILENO);
    dup2(child->out, STDOUT_FILENO);
    dup2(child->err, STDERR_FILENO);
    close_range(3, ~0U, 0);
    if (chdir(child->cwd) < 0)
        _exit(126);
    if (child->become && (setgroups(0, NULL) < 0 || setgid(child->gid) < 0 ||
                          setuid(child->uid) < 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execve(child->path, child->argv, child->env);
    _exit(127);
}

static char **with_null(char **list, size_t count)
{
    char **copy = xcalloc(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = list[i];
    return copy;
}

static pid_t fork_command(const Reeve__Devagent__CheckRun *run)
{
    static char sh[] = "sh";
    static char dash_c[] = "-c";
    char *shell_argv[] = {sh, dash_c, run->value, NULL};
    AUTO_FREE char *program = find_program(run);
    AUTO_FREE char **argv = run->shell
                                ? with_null(shell_argv, 3)
                                : with_null(run->arguments, run->n_arguments);
    AUTO_FREE char **env = with_null(run->environment, run->n_environment);
    AUTO_CLOSE int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (run->output_dir)
        fs_mkdirs(run->output_dir, 0755, NULL);
    AUTO_CLOSE int out = open_out(run->output_dir, "stdout");
    AUTO_CLOSE int err = open_out(run->output_dir, "stderr");
    struct child child = {.path = program,
                          .argv = argv,
                          .env = env,
                          .cwd = run->sandbox,
                          .in = in,
                          .out = out,
                          .err = err};
    const struct passwd *user =
        run->user && geteuid() == 0 ? getpwnam(run->user) : NULL;
    if (user) {
        child.become = true;
        child.uid = user->pw_uid;
        child.gid = user->pw_gid;
    }
    pid_t pid = fork();
    if (pid == 0)
        child_exec(&child);
    return pid;
}

static void on_command_end(void *self, int fd UNUSED, int events UNUSED)
{
    struct check *check = self;
    int status = 0;
    pid_t pid = check->pid;
    if (waitpid(pid, &status, WNOHANG) != pid)
        return;
    check->pid = 0;
    kill(-pid, SIGKILL); /* what it left behind */
    check->result.value =
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    finish(check);
}

static void start_command(struct check *check)
{
    if (!check->run->value || !check->run->sandbox) {
        finish_soon(check, true, 0);
        return;
    }
    check->pid = fork_command(check->run);
    check->fd = check->pid > 0 ? pidfd_open(check->pid, 0) : -1;
    if (check->fd < 0) {
        finish_soon(check, true, 0);
        return;
    }
    loop_fd(check->runner->loop, check->fd, LOOP_READ, on_command_end, check);
}

/* ---- network ---------------------------------------------------------- */

static void on_http(void *self, const struct http_answer *answer)
{
    struct check *check = self;
    check->request = NULL;
    check->result.timed_out = answer->err.code != ERR_NONE;
    check->result.value = answer->status;
    finish(check);
}

static void start_http(struct check *check)
{
    struct check_runner *runner = check->runner;
    struct http_call call = {.method = "GET", .url = check->run->url};
    if (!runner->http)
        runner->http = http_client_new(runner->loop);
    call.timeout_ms = check->run->timeout_ms;
    /* As a real health checker: whose certificate it is does not matter. */
    call.insecure = true;
    check->request = http_client_send(runner->http, &call, on_http, check);
}

static void on_connected(void *self, int fd, int events UNUSED)
{
    struct check *check = self;
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    check->result.value = error == 0;
    finish(check);
}

static void start_tcp(struct check *check)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)check->run->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    check->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (check->fd < 0) {
        finish_soon(check, true, 0);
    } else if (connect(check->fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
        finish_soon(check, false, 1);
    } else if (errno != EINPROGRESS) {
        finish_soon(check, false, 0);
    } else {
        loop_fd(check->runner->loop, check->fd, LOOP_WRITE, on_connected,
                check);
    }
}

/* ---- starting --------------------------------------------------------- */

void check_runner_start(struct check_runner *runner,
                        const Reeve__Devagent__CheckRun *run)
{
    check_runner_stop(runner, run->container_id, run->health != 0);
    struct check *check = xcalloc(1, sizeof(*check));
    check->runner = runner;
    check->run = WIRE_DUP(reeve__devagent__check_run, run);
    check->fd = -1;
    DL_APPEND(runner->checks, check);
    if (run->timeout_ms > 0)
        check->timer =
            loop_timer(runner->loop, run->timeout_ms, 0, on_timeout, check);
    switch ((int)run->kind) {
    case KIND(COMMAND):
        start_command(check);
        return;
    case KIND(HTTP):
        start_http(check);
        return;
    case KIND(TCP):
        start_tcp(check);
        return;
    }
    finish_soon(check, true, 0);
}
