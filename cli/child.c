/* SPDX-License-Identifier: Apache-2.0 */
/* child - fork, exec, /proc */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"

#define EXIT_CANNOT_EXEC 127
#define START_FIELD      22 /* of /proc/<pid>/stat, the name being field 2 */

unsigned long long child_start_time(pid_t pid)
{
    char path[64], state;
    AUTO_BUF struct buf text = {0};
    unsigned long long start = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (fs_read(path, 4096, &text, NULL) < 0)
        return 0;
    /* The name may hold blanks and brackets: begin behind its last one. */
    const char *p = strrchr(text.data, ')');
    if (!p || sscanf(p, ") %c", &state) != 1 || state == 'Z' || state == 'X')
        return 0;
    for (int field = 2; p && field < START_FIELD; field++)
        p = strchr(p + 1, ' ');
    if (!p || sscanf(p, " %llu", &start) != 1)
        return 0;
    return start;
}

bool child_is(pid_t pid, unsigned long long start_time)
{
    return pid > 0 && start_time && child_start_time(pid) == start_time;
}

pid_t child_alive(const char *pid_path)
{
    AUTO_BUF struct buf text = {0};
    unsigned long long start;
    int pid;

    if (fs_read(pid_path, 256, &text, NULL) < 0 ||
        sscanf(buf_text(&text), "%d %llu", &pid, &start) != 2)
        return 0;
    return child_is(pid, start) ? pid : 0;
}

void child_detach(void)
{
    sigset_t none;

    setsid();
    for (int signo = 1; signo < NSIG; signo++)
        if (signo != SIGKILL && signo != SIGSTOP)
            signal(signo, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int write_pid_file(const char *path)
{
    char text[64];

    int n = snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(),
                     child_start_time(getpid()));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, (size_t)n);
    close(fd);
    return written == n ? 0 : -1;
}

static size_t count(char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

/* Secrets come first: of two of one name the first one is found. */
static char **environment(const struct child_start *start)
{
    char *const *base = start->env ? start->env : environ;
    size_t n = count(start->secrets), m = count(base);
    char **env = xcalloc(n + m + 1, sizeof(*env));

    if (n)
        memcpy(env, start->secrets, n * sizeof(*env));
    if (m)
        memcpy(env + n, base, m * sizeof(*env));
    return env;
}

_Noreturn static void run_child(const struct child_start *start, int log_fd,
                                char *const *env)
{
    int null_fd = open("/dev/null", O_RDONLY);

    child_detach();
    dup2(null_fd, 0);
    dup2(log_fd, 1);
    dup2(log_fd, 2);
    if (write_pid_file(start->pid_path) < 0) {
        fprintf(stderr, "%s: %s\n", start->pid_path, strerror(errno));
        _exit(EXIT_CANNOT_EXEC);
    }
    execve(start->argv[0], start->argv, env);
    fprintf(stderr, "%s: cannot be run: %s\n", start->argv[0], strerror(errno));
    _exit(EXIT_CANNOT_EXEC);
}

pid_t child_spawn(const struct child_start *start, struct err *err)
{
    AUTO_CLOSE int log_fd =
        open(start->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (log_fd < 0)
        return err_sys(err, "%s", start->log_path);
    AUTO_FREE char **env = environment(start);
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(err, "fork");
    if (pid == 0)
        run_child(start, log_fd, env);
    return pid;
}
