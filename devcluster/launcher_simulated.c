/* SPDX-License-Identifier: Apache-2.0 */
/* launcher_simulated - a launcher without processes, for thousands of tasks
 *
 * A task "runs" until it is signalled, unless a schedule says else:
 * "start=S,run=S,exit=N" (each may be left out) starts it after S seconds and
 * ends it S seconds later with N.  It is taken from the task's environment
 * variable REEVE_SIMULATE, or else from the command, where "exit N" is
 * "run=0,exit=N" and "sleep S" is "run=S", or else from the configuration.
 * All checks succeed.  Nothing is fetched, linked or put into the environment,
 * and there are no sandboxes; what is kept is a file per running task in its
 * meta folder (none with no_files), so that a restarted agent finds it again.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "devcluster/launcher.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/loop/loop.h"

struct schedule {
    int64_t start_ms;
    int64_t run_ms; /* negative: until it is signalled */
    int status;
};

struct simulated {
    struct launcher *launcher;
    char *id;
    char *file;  /* NULL: no_files */
    int64_t pid; /* made up */
    bool told_started;
    struct schedule schedule;
    uint64_t timer;
    struct simulated *prev, *next;
};

struct pending_check {
    struct launcher *launcher;
    char *container;
    bool health;
    int value;
    uint64_t timer;
    struct pending_check *prev, *next;
};

struct launcher {
    struct loop *loop;
    const struct launcher_events *events;
    void *self;
    bool no_files;
    struct schedule schedule; /* of tasks that say nothing */
    int64_t next_pid;
    struct simulated *tasks;
    struct pending_check *checks;
};

static struct simulated *find(const struct launcher *launcher, const char *id)
{
    struct simulated *task;
    DL_FOREACH(launcher->tasks, task)
    {
        if (strcmp(task->id, id) == 0)
            return task;
    }
    return NULL;
}

static void forget(struct simulated *task)
{
    DL_DELETE(task->launcher->tasks, task);
    loop_timer_cancel(task->launcher->loop, task->timer);
    free(task->id);
    free(task->file);
    free(task);
}

static void on_end(void *self)
{
    struct simulated *task = self;
    struct launcher *launcher = task->launcher;
    struct agent_end end = {AGENT_END_RUN, task->schedule.status, NULL};
    AUTO_FREE char *id = xstrdup(task->id);
    if (task->file)
        unlink(task->file);
    forget(task);
    launcher->events->ended(launcher->self, id, &end);
}

static void on_started(void *self)
{
    struct simulated *task = self;
    struct launcher *launcher = task->launcher;
    task->timer = 0;
    task->told_started = true;
    if (task->schedule.run_ms >= 0)
        task->timer =
            loop_timer(launcher->loop, task->schedule.run_ms, 0, on_end, task);
    launcher->events->started(launcher->self, task->id, task->pid);
}

static struct simulated *add(struct launcher *launcher, const char *id,
                             const char *meta_dir,
                             const struct schedule *schedule)
{
    struct simulated *task = xcalloc(1, sizeof(*task));
    task->launcher = launcher;
    task->id = xstrdup(id);
    task->schedule = *schedule;
    if (!launcher->no_files)
        task->file = fs_join(meta_dir, "simulated");
    /* Beyond what a kernel gives out: nobody's process is meant by it. */
    task->pid = (int64_t)1 << 30 | launcher->next_pid++;
    task->timer = schedule->start_ms > 0
                      ? loop_timer(launcher->loop, schedule->start_ms, 0,
                                   on_started, task)
                      : loop_soon(launcher->loop, on_started, task);
    DL_APPEND(launcher->tasks, task);
    return task;
}

static int64_t ms_of(double seconds)
{
    return seconds >= 0 ? (int64_t)(MIN(seconds, 1e9) * 1000) : -1;
}

static int status_of(double code)
{
    return ((int)MIN(MAX(code, 0), 255) & 0xff) << 8;
}

/* What is not understood is left as it was. */
static void read_schedule(struct schedule *schedule, const char *text)
{
    double number;
    for (const char *part = text; part; part = strchr(part, ',')) {
        part += *part == ',';
        if (sscanf(part, "start=%lf", &number) == 1)
            schedule->start_ms = ms_of(number);
        else if (sscanf(part, "run=%lf", &number) == 1)
            schedule->run_ms = ms_of(number);
        else if (sscanf(part, "exit=%lf", &number) == 1)
            schedule->status = status_of(number);
    }
}

static struct schedule schedule_of(const struct launcher *launcher,
                                   const Reeve__Devagent__ContainerSpec *spec)
{
    static const char name[] = "REEVE_SIMULATE=";
    struct schedule schedule = launcher->schedule;
    double number;
    if (spec->value && sscanf(spec->value, "exit %lf", &number) == 1) {
        schedule.run_ms = 0;
        schedule.status = status_of(number);
    } else if (spec->value && sscanf(spec->value, "sleep %lf", &number) == 1) {
        schedule.run_ms = ms_of(number);
    }
    for (size_t i = 0; i < spec->n_environment; i++) {
        if (str_starts(spec->environment[i], name))
            read_schedule(&schedule, spec->environment[i] + sizeof name - 1);
    }
    return schedule;
}

static int make_file(const struct launcher *launcher, const char *meta_dir,
                     struct err *err)
{
    if (launcher->no_files)
        return 0;
    AUTO_FREE char *file = fs_join(meta_dir, "simulated");
    if (fs_mkdirs(meta_dir, 0755, err) < 0)
        return -1;
    AUTO_CLOSE int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? err_sys(err, "%s: cannot create", file) : 0;
}

static void simulated_start(struct launcher *launcher,
                            const Reeve__Devagent__ContainerSpec *spec)
{
    struct err err;
    if (find(launcher, spec->container_id))
        return;
    if (make_file(launcher, spec->meta_dir, &err) < 0) {
        struct agent_end end = {AGENT_END_NOT_STARTED, 0, err.text};
        launcher->events->ended(launcher->self, spec->container_id, &end);
        return;
    }
    struct schedule schedule = schedule_of(launcher, spec);
    add(launcher, spec->container_id, spec->meta_dir, &schedule);
}

static void simulated_adopt(struct launcher *launcher, const char *container,
                            const char *meta_dir)
{
    AUTO_FREE char *file = fs_join(meta_dir, "simulated");
    if (access(file, F_OK) < 0)
        launcher->events->absent(launcher->self, container);
    else if (!find(launcher, container))
        add(launcher, container, meta_dir, &launcher->schedule);
}

static void simulated_signal(struct launcher *launcher, const char *container,
                             int signo, bool whole UNUSED)
{
    struct simulated *task = find(launcher, container);
    if (!task || (!task->told_started && signo != SIGKILL))
        return;
    loop_timer_cancel(launcher->loop, task->timer);
    task->schedule.status = signo;
    task->timer = loop_soon(launcher->loop, on_end, task);
}

/* ---- checks ---------------------------------------------------------------
 */

static void check_free(struct pending_check *check)
{
    DL_DELETE(check->launcher->checks, check);
    loop_timer_cancel(check->launcher->loop, check->timer);
    free(check->container);
    free(check);
}

static void on_check(void *self)
{
    struct pending_check *check = self;
    struct launcher *launcher = check->launcher;
    AUTO_FREE char *container = MOVE(check->container);
    struct agent_check_result result = {
        .container = container,
        .health = check->health,
        .value = check->value,
    };
    check_free(check);
    launcher->events->checked(launcher->self, &result);
}

static void simulated_check(struct launcher *launcher,
                            const Reeve__Devagent__CheckRun *run)
{
    struct pending_check *check = xcalloc(1, sizeof(*check));
    check->launcher = launcher;
    check->container = xstrdup(run->container_id);
    check->health = run->health;
    if (run->kind == REEVE__DEVAGENT__CHECK_RUN__KIND__HTTP)
        check->value = 200;
    if (run->kind == REEVE__DEVAGENT__CHECK_RUN__KIND__TCP)
        check->value = 1;
    check->timer = loop_soon(launcher->loop, on_check, check);
    DL_APPEND(launcher->checks, check);
}

static void simulated_check_stop(struct launcher *launcher,
                                 const char *container, bool health)
{
    struct pending_check *check, *next;
    DL_FOREACH_SAFE(launcher->checks, check, next)
    {
        if (check->health == health && strcmp(check->container, container) == 0)
            check_free(check);
    }
}

/* ---- opening and closing --------------------------------------------------
 */

static struct launcher *simulated_open(const struct launcher_config *config,
                                       struct err *err UNUSED)
{
    struct launcher *launcher = xcalloc(1, sizeof(*launcher));
    launcher->loop = config->loop;
    launcher->events = config->events;
    launcher->self = config->self;
    launcher->no_files = config->no_files;
    launcher->schedule.run_ms = -1;
    read_schedule(&launcher->schedule, config->schedule);
    return launcher;
}

static void simulated_close(struct launcher **launcher)
{
    struct launcher *l = *launcher;
    struct simulated *task, *next_task;
    struct pending_check *check, *next_check;
    if (!l)
        return;
    DL_FOREACH_SAFE(l->tasks, task, next_task)
    {
        forget(task);
    }
    DL_FOREACH_SAFE(l->checks, check, next_check)
    {
        check_free(check);
    }
    free(l);
    *launcher = NULL;
}

const struct launcher_ops launcher_simulated = {
    .open = simulated_open,
    .close = simulated_close,
    .start = simulated_start,
    .adopt = simulated_adopt,
    .signal = simulated_signal,
    .check = simulated_check,
    .check_stop = simulated_check_stop,
};
