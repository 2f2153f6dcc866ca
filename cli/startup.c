/* SPDX-License-Identifier: Apache-2.0 */
/* startup - suite.json, last words, and health by the bus */
#include "cli/startup.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/bus/bus.h"
#include "lib/service/service.h"
#include "lib/wire/wire.h"
#include "proto/bus.pb-c.h"

#define TOO_MANY_DEATHS 5
#define MAX_LOG         ((size_t)256 << 20)
#define MAX_SUITE       ((size_t)1 << 20)
#define LOOK_MS         1000
#define QUICK_ASK_MS    300
#define PATIENT_ASK_MS  2000
#define EMPTY_LOG       "its log is empty"

struct suite *startup_read_suite(const char *run_dir)
{
    AUTO_FREE char *path = fs_join(run_dir, "suite.json");
    AUTO_BUF struct buf text = {0};

    if (fs_read(path, MAX_SUITE, &text, NULL) < 0)
        return NULL;
    return suite_decode(text.data, text.len, NULL);
}

/* The last line of a process's log that it wrote for people or that tells of
 * its end, or else its last line. */
static char *last_words(const struct suite *suite, const char *process)
{
    AUTO_FREE char *path = suite_log_path(suite, process);
    AUTO_BUF struct buf text = {0};
    char *line = NULL, *bad = NULL, *words = NULL, *rest;

    if (fs_read(path, MAX_LOG, &text, NULL) < 0 || !text.len)
        return xstrdup(EMPTY_LOG);
    rest = text.data;
    for (char *p; (p = strsep(&rest, "\n")) != NULL;) {
        if (*p)
            line = p;
        if (strstr(p, " level=bad "))
            bad = p;
        if (str_starts(p, "reeve-"))
            words = p;
    }
    return xstrdup(words ? words : bad ? bad : str_or_empty(line));
}

/* ---- processes that end ---- */

static unsigned deaths_of(const struct startup *s, const struct suite *now,
                          size_t index)
{
    unsigned restarts = now->process[index].restarts;

    return restarts - MIN(s->restarts[index], restarts);
}

/* A process that dies again and again will not come up by waiting; a planner
 * that says no will not say yes. */
static int check_deaths(const struct startup *s, const struct suite *now,
                        struct err *err)
{
    for (size_t i = 0; i < now->n_processes; i++) {
        const struct suite_process *p = &now->process[i];
        unsigned deaths = deaths_of(s, now, i);
        bool refused = deaths && p->exit_code == EXIT_BAD_INPUT &&
                       strcmp(p->name, "planner") == 0;
        if (!refused && deaths < TOO_MANY_DEATHS)
            continue;
        AUTO_FREE char *words = last_words(now, p->name);
        if (refused) {
            const char *text = strstr(words, ": ");
            err_set(err, ERR_INVALID, "%s", text ? text + 2 : words);
            return EXIT_BAD_INPUT;
        }
        err_set(err, ERR_IO, "%s ends again and again (code %d): %s", p->name,
                p->exit_code, words);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

bool startup_is_supervisor_gone(const struct suite *suite)
{
    return kill(suite->pid, 0) < 0 || waitpid(suite->pid, NULL, WNOHANG) > 0;
}

/* It says nothing when somebody's `down` ended it while we were waiting. */
int startup_judge_end(const struct suite *suite, struct err *err)
{
    AUTO_FREE char *words = last_words(suite, "supervisor");

    if (strcmp(words, EMPTY_LOG) != 0) {
        err_set(err, ERR_IO, "the supervisor ended: %s", words);
        return EXIT_FAILED;
    }
    err_set(err, ERR_CONFLICT,
            "the suite in %s was stopped meanwhile: try again", suite->run_dir);
    return EXIT_IN_USE;
}

/* ---- what they say of themselves ---- */

/* NULL: no answer; free with the message's own function. */
static Reeve__HealthReply *ask_health(const struct suite *suite,
                                      const char *process, int64_t within_ms)
{
    char endpoint[PATH_MAX];
    Reeve__HealthRequest request = REEVE__HEALTH_REQUEST__INIT;
    AUTO_FREE uint8_t *body = NULL;
    size_t len;

    if (bus_endpoint(suite->run_dir, process, endpoint, sizeof(endpoint),
                     NULL) < 0 ||
        bus_call_once(endpoint, "reeve", "service.health", &request.base,
                      within_ms, &body, &len, NULL) < 0)
        return NULL;
    return WIRE_DECODE(reeve__health_reply, body, len, NULL);
}

/* The store takes nothing while its disk is full; that is told at once. */
static int check_store(const struct suite *suite, struct err *err)
{
    AUTO_MESSAGE Reeve__HealthReply *health =
        ask_health(suite, "state-store", QUICK_ASK_MS);

    for (size_t i = 0; health && i < health->n_checks; i++) {
        const Reeve__HealthCheckResult *c = health->checks[i];
        if (c->ok || !str_eq(c->name, "wal"))
            continue;
        err_set(err, ERR_FULL,
                "state-store: %s; make room, or ask for less with "
                "REEVE_MIN_FREE_MIB",
                str_or_empty(c->text));
        return EXIT_WAL;
    }
    return EXIT_OK;
}

int startup_check(struct startup *s, struct err *err)
{
    int64_t now_ms = clock_mono_ms();
    int code = EXIT_OK;

    if (startup_is_supervisor_gone(s->suite))
        return startup_judge_end(s->suite, err);
    struct suite *now = startup_read_suite(s->suite->run_dir);
    if (now && now->pid == s->suite->pid)
        code = check_deaths(s, now, err);
    suite_destroy(&now);
    if (code != EXIT_OK || now_ms - s->asked_ms < LOOK_MS)
        return code;
    s->asked_ms = now_ms;
    return check_store(s->suite, err);
}

/* "" when it is well. */
static char *complaint_of(const struct suite *suite, const char *process)
{
    AUTO_MESSAGE Reeve__HealthReply *health =
        ask_health(suite, process, PATIENT_ASK_MS);

    if (!health) {
        AUTO_FREE char *words = last_words(suite, process);
        return xasprintf("%s does not answer; it said last: %s", process,
                         words);
    }
    for (size_t i = 0; i < health->n_checks; i++)
        if (!health->checks[i]->ok)
            return xasprintf("%s: %s", process,
                             str_or_empty(health->checks[i]->text));
    return xstrdup("");
}

int startup_timeout(const struct suite *suite, int after_s, struct err *err)
{
    /* Each leans on those before it. */
    static const char *const names[] = {"state-store", "planner",
                                        "offer-broker", "api-gateway"};
    AUTO_FREE char *why = xstrdup("");

    for (size_t i = 0; i < ARRAY_LEN(names) && !*why; i++) {
        free(why);
        why = complaint_of(suite, names[i]);
    }
    err_set(err, ERR_TIMEOUT, "not up after %d s: %s%ssee the logs in %s/log",
            after_s, why, *why ? "; " : "", suite->run_dir);
    return EXIT_TIMED_OUT;
}
