/* SPDX-License-Identifier: Apache-2.0 */
/* teardown - stage by stage: ask, wait, kill */
#include "cli/teardown.h"

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
#include "cli/tasks.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

#define GRACE_MS  10000
#define STORED_MS 3000
#define LOOK_MS   20

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

/* ---- all of it -------------------------------------------------------------
 */

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
            tasks_end(run_dir);
            wait_until_stored(run_dir);
        }
        n += stop_stage(run_dir, stage);
        if (with_tasks) /* what was launched at the last moment */
            tasks_end(run_dir);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *path = teardown_pid_path(run_dir, names[i]);
        unlink(path);
    }
    return n;
}
