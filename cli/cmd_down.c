/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_down - stops the suite of a run dir, and with --purge empties it */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/preflight.h"
#include "cli/startup.h"
#include "cli/suite.h"
#include "cli/teardown.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

#define WAIT_MS 60000
#define LOOK_MS 50

const struct service_option cmd_down_options[] = {
    {"purge", OPTION_BOOL, "false", NULL,
     "also remove the local state: log, Redis, devcluster with its volumes", 0,
     0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

/* -1: it just starts or stops, and did not listen or not answer. */
static int ask_supervisor(const char *run_dir, int *n)
{
    struct err err = {0};

    if (control_down(run_dir, n, &err) == 0)
        return EXIT_OK;
    if (err.code == ERR_NOT_FOUND || err.code == ERR_IO)
        return -1;
    return cli_fail(EXIT_FAILED, "%s", err.text);
}

/* What a supervisor that was killed left behind. */
static int stop_leftovers(const char *run_dir, int *n)
{
    struct suite *suite = startup_read_suite(run_dir);

    log_set_level(LOG_BAD);
    *n = teardown(run_dir, suite && suite->own_master);
    suite_destroy(&suite);
    return EXIT_OK;
}

/* All that a suite makes in its run dir; sockets have a lock beside them. */
static const char *const made[] = {"suite.json",
                                   "planner.env",
                                   "control.sock",
                                   "pids",
                                   "log",
                                   "redis",
                                   "devcluster",
                                   "store",
                                   "state-store",
                                   "state-store.lock",
                                   "state-store.pub",
                                   "state-store.pub.lock",
                                   "offer-broker",
                                   "offer-broker.lock",
                                   "planner",
                                   "planner.lock",
                                   "api-gateway",
                                   "api-gateway.lock",
                                   "suite.lock",
                                   ".reeve-run-dir"};

static int purge(const char *run_dir)
{
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        AUTO_FREE char *path = fs_join(run_dir, made[i]);
        if (fs_remove_tree(path, &err) < 0)
            return cli_fail(EXIT_FAILED, "%s", err.text);
    }
    /* Only when nothing else was put there. */
    rmdir(run_dir);
    return EXIT_OK;
}

/* With the lock when there was no supervisor, or no longer. */
static int stop_all(const char *run_dir, int *n, int *lock_fd)
{
    int64_t end = clock_mono_ms() + WAIT_MS;
    struct timespec t = {.tv_nsec = LOOK_MS * 1000000};
    struct err err = {0};

    for (;;) {
        if (preflight_lock(run_dir, lock_fd, &err) != EXIT_OK)
            return cli_fail(EXIT_UNWRITABLE, "%s", err.text);
        int code = *lock_fd >= 0 ? stop_leftovers(run_dir, n)
                                 : ask_supervisor(run_dir, n);
        if (code >= 0)
            return code;
        if (clock_mono_ms() > end)
            return cli_fail(EXIT_TIMED_OUT,
                            "the suite in %s is starting or stopping for %d s: "
                            "see its logs",
                            run_dir, WAIT_MS / 1000);
        nanosleep(&t, NULL);
    }
}

static int stop(const char *run_dir, bool wants_purge)
{
    int n = 0, lock_fd = -1;
    int code = stop_all(run_dir, &n, &lock_fd);

    if (code == EXIT_OK)
        printf(n ? "stopped\n" : "nothing was running\n");
    if (code == EXIT_OK && wants_purge)
        code = purge(run_dir);
    if (lock_fd >= 0)
        close(lock_fd);
    return code;
}

int cmd_down(struct cli *cli)
{
    const char *path = options_str(cli->options, "run-dir");
    AUTO_FREE char *run_dir = realpath(path, NULL);

    if (!run_dir || !preflight_is_run_dir(run_dir))
        return cli_fail(EXIT_FAILED,
                        "%s is not the run dir of a suite: name it with "
                        "--run-dir",
                        path);
    return stop(run_dir, options_bool(cli->options, "purge"));
}
