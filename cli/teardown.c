/* SPDX-License-Identifier: Apache-2.0 */
/* teardown - stage by stage: ask, wait, kill */
#include "cli/teardown.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/child.h"
#include "cli/rollout.h"
#include "cli/suite.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

#define GRACE_MS      10000
#define TASK_GRACE_MS 5000
#define STORED_MS     3000
#define LOOK_MS       20
#define MAX_KILLS     50

static const char *const names[] = {"api-gateway", "offer-broker", "planner",
                                    "devcluster",  "state-store",  "redis"};

char *teardown_pid_path(const char *run_dir, const char *process)
{
    return xasprintf("%s/pids/%s.pid", run_dir, process);
}

static pid_t alive(const char *run_dir, const char *process)
{
    AUTO_FREE char *path = teardown_pid_path(run_dir, process);

    return child_alive(path);
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&t, NULL);
    /* Where they are our children they would stay zombies. */
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* How many of a stage live; each gets signo unless it is 0. */
static int signal_stage(const char *run_dir, int stage, int signo)
{
    int n = 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        pid_t pid =
            suite_stop_stage(names[i]) == stage ? alive(run_dir, names[i]) : 0;
        if (!pid)
            continue;
        n++;
        if (signo)
            kill(pid, signo);
        if (signo == SIGKILL)
            log_odd("killed", "process=%s pid=%d", names[i], (int)pid);
    }
    return n;
}

static int stop_stage(const char *run_dir, int stage)
{
    int n = signal_stage(run_dir, stage, SIGTERM);
    int64_t end = clock_mono_ms() + GRACE_MS;

    while (signal_stage(run_dir, stage, 0)) {
        if (clock_mono_ms() > end) {
            signal_stage(run_dir, stage, SIGKILL);
            end = INT64_MAX;
        }
        pause_ms(LOOK_MS);
    }
    return n;
}

/* ---- tasks that outlived their devcluster
 * --------------------------------------- */

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

/* A task has its sandbox below the work dir in its environment. */
static bool is_task(pid_t pid, const char *work_dir)
{
    AUTO_FREE char *sandbox = xasprintf("MESOS_SANDBOX=%s/", work_dir);

    return proc_has(pid, "environ", sandbox);
}

/* The process between devcluster and task: it ends after its task. */
static bool is_shim(pid_t pid, const char *work_dir)
{
    return proc_has(pid, "cmdline", "--task-shim") &&
           proc_has(pid, "cmdline", work_dir);
}

/* How many tasks and shims there are; signo (0: none) goes to tasks, SIGKILL
 * to shims as well. */
static int signal_tasks(const char *work_dir, int signo)
{
    DIR *proc = opendir("/proc");
    int n = 0;

    for (struct dirent *e; proc && (e = readdir(proc)) != NULL;) {
        int64_t pid;
        if (!parse_i64(e->d_name, &pid) || pid == getpid())
            continue;
        bool shim = is_shim((pid_t)pid, work_dir);
        if (!shim && !is_task((pid_t)pid, work_dir))
            continue;
        n++;
        if (signo && (!shim || signo == SIGKILL))
            kill((pid_t)pid, signo);
    }
    if (proc)
        closedir(proc);
    return n;
}

/* Ends all tasks of the devcluster: first asks, then kills. */
static void end_tasks(const char *run_dir)
{
    AUTO_FREE char *work_dir = xasprintf("%s/devcluster", run_dir);
    int64_t end = clock_mono_ms() + TASK_GRACE_MS;
    int n = signal_tasks(work_dir, SIGTERM);

    if (n)
        log_info("tasks_told_to_end", "processes=%d", n);
    while (n && clock_mono_ms() < end) {
        pause_ms(LOOK_MS);
        n = signal_tasks(work_dir, 0);
    }
    for (int i = 0; n && i < MAX_KILLS; i++) {
        log_odd("tasks_killed", "processes=%d", n);
        signal_tasks(work_dir, SIGKILL);
        pause_ms(LOOK_MS);
        n = signal_tasks(work_dir, 0);
    }
}

/* Devcluster and broker still run: the next `up` is to find stored that the
 * tasks are no more, instead of having to find it out. */
static void wait_until_stored(const char *run_dir)
{
    int64_t end = clock_mono_ms() + STORED_MS;

    if (!alive(run_dir, "devcluster") || !alive(run_dir, "offer-broker") ||
        !alive(run_dir, "state-store"))
        return;
    while (rollout_live_tasks(run_dir) > 0) {
        if (clock_mono_ms() > end) {
            log_odd("task_ends_not_stored", "waited_ms=%d", STORED_MS);
            return;
        }
        pause_ms(LOOK_MS);
    }
}

int teardown(const char *run_dir, bool kill_tasks)
{
    int n = 0;

    for (int stage = 0; stage < SUITE_STAGES; stage++) {
        bool with_tasks = kill_tasks && stage == suite_stop_stage("devcluster");
        if (with_tasks) {
            end_tasks(run_dir);
            wait_until_stored(run_dir);
        }
        n += stop_stage(run_dir, stage);
        if (with_tasks) /* what was launched at the last moment */
            end_tasks(run_dir);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *path = teardown_pid_path(run_dir, names[i]);
        unlink(path);
    }
    return n;
}
