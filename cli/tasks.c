/* SPDX-License-Identifier: Apache-2.0 */
/* tasks - two looks at /proc: first the shims, then who belongs to them */
#include "cli/tasks.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

#define GRACE_MS  5000
#define LOOK_MS   20
#define MAX_KILLS 50

struct process {
    pid_t pid, parent, session;
    bool is_shim;
    bool is_task;
};

struct processes {
    struct process *item;
    size_t n;
};

/* ---- /proc ---- */

/* Whether a file of /proc/<pid> holds the text. */
static bool proc_has(pid_t pid, const char *file, const char *text)
{
    AUTO_BUF struct buf bytes = {0};
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    if (fs_read(path, (size_t)4 << 20, &bytes, NULL) < 0 || !bytes.len)
        return false;
    return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

/* false: gone, or a zombie. */
static bool read_stat(struct process *p)
{
    AUTO_BUF struct buf text = {0};
    char path[64], state;
    int parent, group, session;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)p->pid);
    if (fs_read(path, 4096, &text, NULL) < 0 || !text.len)
        return false;
    const char *rest = strrchr(text.data, ')');
    if (!rest ||
        sscanf(rest, ") %c %d %d %d", &state, &parent, &group, &session) != 4)
        return false;
    p->parent = parent;
    p->session = session;
    return state != 'Z' && state != 'X';
}

static void look_at(struct processes *all, pid_t pid, const char *work_dir)
{
    struct process p = {.pid = pid};
    AUTO_FREE char *sandbox = xasprintf("MESOS_SANDBOX=%s", work_dir);

    if (!read_stat(&p))
        return;
    p.is_shim = proc_has(pid, "cmdline", "--task-shim") &&
                proc_has(pid, "cmdline", work_dir);
    p.is_task = !p.is_shim && proc_has(pid, "environ", sandbox);
    all->item = xrealloc(all->item, (all->n + 1) * sizeof(*all->item));
    all->item[all->n++] = p;
}

static void scan(struct processes *all, const char *work_dir)
{
    DIR *proc = opendir("/proc");

    for (struct dirent *e; proc && (e = readdir(proc)) != NULL;) {
        int64_t pid;
        if (parse_i64(e->d_name, &pid) && pid != getpid())
            look_at(all, (pid_t)pid, work_dir);
    }
    if (proc)
        closedir(proc);
}

/* ---- who belongs to whom ---- */

static bool is_shim(const struct processes *all, pid_t pid)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->item[i].pid == pid)
            return all->item[i].is_shim;
    return false;
}

/* A shim's child leads a session: all of that session are the task. */
static void mark_session(struct processes *all, const struct process *child)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->item[i].session == child->session && !all->item[i].is_shim)
            all->item[i].is_task = true;
}

static void mark_tasks(struct processes *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct process *p = &all->item[i];
        if (p->is_shim || !is_shim(all, p->parent))
            continue;
        p->is_task = true;
        if (p->session == p->pid)
            mark_session(all, p);
    }
}

/* How many tasks and shims there are; signo (0: none) goes to tasks, SIGKILL
 * to shims as well. */
static int signal_all(const char *work_dir, int signo)
{
    struct processes all = {0};
    int n = 0;

    scan(&all, work_dir);
    mark_tasks(&all);
    for (size_t i = 0; i < all.n; i++) {
        const struct process *p = &all.item[i];
        if (!p->is_task && !p->is_shim)
            continue;
        n++;
        if (signo && (p->is_task || signo == SIGKILL))
            kill(p->pid, signo);
    }
    free(all.item);
    return n;
}

static void pause_a_bit(void)
{
    struct timespec t = {.tv_nsec = LOOK_MS * 1000000};

    nanosleep(&t, NULL);
    /* In the supervisor some may be our children by now. */
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

void tasks_end(const char *run_dir)
{
    AUTO_FREE char *work_dir = xasprintf("%s/devcluster/", run_dir);
    int64_t end = clock_mono_ms() + GRACE_MS;
    int n = signal_all(work_dir, SIGTERM);

    if (n)
        log_info("tasks_told_to_end", "processes=%d", n);
    while (n && clock_mono_ms() < end) {
        pause_a_bit();
        n = signal_all(work_dir, 0);
    }
    for (int i = 0; n && i < MAX_KILLS; i++) {
        log_odd("tasks_killed", "processes=%d", n);
        signal_all(work_dir, SIGKILL);
        pause_a_bit();
        n = signal_all(work_dir, 0);
    }
}
