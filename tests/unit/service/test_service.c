/* SPDX-License-Identifier: Apache-2.0 */
/* service_main as a process: exit codes, routes, signals, what it prints. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/service/service.h"
#include "proto/bus.pb-c.h"

struct place {
    char dir[64];
    char run_dir[128];
    char out[128], log[128];
};

static void place_open(struct place *p)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/reeve-service-XXXXXX");
    cr_assert_not_null(mkdtemp(p->dir));
    snprintf(p->run_dir, sizeof p->run_dir, "%s/a/run", p->dir);
    snprintf(p->out, sizeof p->out, "%s/out", p->dir);
    snprintf(p->log, sizeof p->log, "%s/log", p->dir);
}

/* ---- a small service --------------------------------------------------- */

static struct service *the_service;
static int ticks, hangups;

static int start(struct service *service, void **self, struct err *err)
{
    the_service = service;
    *self = &ticks;
    service_health(service, "weather", true, "fine");
    service_count(service, "test.starts", 1, "how often it started");
    AUTO_FREE char *peer = service_endpoint(service, "peer", "peer", err);
    if (!peer)
        return EXIT_USAGE;
    if (!service_bool(service, "fail"))
        return EXIT_OK;
    err_set(err, ERR_CORRUPT, "asked to fail");
    return EXIT_CORRUPT;
}

static void tick(void *self UNUSED)
{
    ticks++;
    if (service_int(the_service, "leave-after") == ticks)
        service_exit(the_service, EXIT_FENCED);
}

static void hangup(void *self UNUSED)
{
    hangups++;
    service_health(the_service, "weather", false, "rain since %d", hangups);
}

static void stop(void *self UNUSED)
{
    fprintf(stderr, "stop was called\n");
}

static int on_hello(void *self, struct bus_call *call, struct err *err UNUSED)
{
    cr_assert_eq(self, &ticks);
    bus_call_reply(call, NULL);
    return 0;
}

static const struct bus_route routes[] = {
    {"test.hello", on_hello},
    {NULL, NULL},
};
static const struct service_option own_options[] = {
    {"fail", OPTION_BOOL, "false", NULL, "fail to start", 0, 0, NULL},
    {"leave-after", OPTION_INT, "0", "N", "ticks", 0, 1000, NULL},
    {"peer", OPTION_STRING, "", "URL", "of another", 0, 0, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};
static const struct service_spec spec = {
    .name = "tester",
    .summary = "does nothing",
    .options = own_options,
    .routes = routes,
    .start = start,
    .tick = tick,
    .tick_ms = 5,
    .hangup = hangup,
    .stop = stop,
};

/* An argument "+NAME=value" is a variable. */
static pid_t spawn(const struct place *p, const char *const *args)
{
    char *argv[16] = {(char *)"reeve-tester"};
    int argc = 1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (; *args; args++)
        if (**args == '+')
            putenv((char *)*args + 1);
        else
            argv[argc++] = (char *)*args;
    int out = open(p->out, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int log = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    int code = service_main(&spec, argc, argv);
    fflush(NULL);
    _exit(code);
}

static int wait_for(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void read_file(const char *path, struct buf *out)
{
    buf_clear(out);
    fs_read(path, 1 << 20, out, NULL);
}

/* ---- tests ------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *args[6];
    int code;
    const char *text; /* expected on stderr, or on stdout for code 0 */
} exit_cases[] = {
    {"help", {"--help"}, EXIT_OK, "reeve-tester: does nothing"},
    {"version", {"--version"}, EXIT_OK, "reeve-tester " REEVE_VERSION},
    {"unknown flag", {"--fial"}, EXIT_USAGE, "did you mean --fail?"},
    {"bad number",
     {"--leave-after=-1"},
     EXIT_USAGE,
     "reeve-tester: --leave-after: \"-1\" is not a whole number from 0 to "
     "1000"},
    {"bad level", {"--log-level=loud"}, EXIT_USAGE, "\"loud\" is not debug"},
    {"bad level in the environment",
     {"+REEVE_LOG_LEVEL=loud"},
     EXIT_USAGE,
     "reeve-tester: REEVE_LOG_LEVEL: \"loud\" is not debug"},
    {"bad name in the environment",
     {"+REEVE_NAME=a/b"},
     EXIT_USAGE,
     "reeve-tester: REEVE_NAME: \"a/b\" is not a short name"},
    {"peer off loopback",
     {"--peer=tcp://192.0.2.1:5000"},
     EXIT_USAGE,
     "reeve-tester: --peer: endpoint tcp://192.0.2.1:5000: only loopback"},
    {"peer off loopback, in the environment",
     {"+REEVE_PEER=tcp://192.0.2.1:5000"},
     EXIT_USAGE,
     "reeve-tester: REEVE_PEER: endpoint tcp://192.0.2.1:5000: only loopback"},
    {"no peer at all", {"--peer=nonsense"}, EXIT_USAGE, "must begin with ipc"},
    {"bad endpoint",
     {"--endpoint=tcp://0.0.0.0:1"},
     EXIT_USAGE,
     "only loopback"},
    {"unwritable run dir",
     {"--run-dir=/proc/nothing"},
     EXIT_UNWRITABLE,
     "reeve-tester: run dir: /proc/nothing"},
    {"run dir is a file",
     {"--run-dir=/etc/hostname"},
     EXIT_UNWRITABLE,
     "/etc/hostname"},
    {"start fails", {"--fail"}, EXIT_CORRUPT, "reeve-tester: asked to fail"},
    {"leaves by itself", {"--leave-after=3"}, EXIT_FENCED, "stop was called"},
};

Test(service, exit_codes)
{
    for (size_t i = 0; i < ARRAY_LEN(exit_cases); i++) {
        struct place p;
        place_open(&p);
        setenv("REEVE_RUN_DIR", p.run_dir, 1);
        int code = wait_for(spawn(&p, exit_cases[i].args));
        cr_expect_eq(code, exit_cases[i].code, "case: %s: %d",
                     exit_cases[i].name, code);
        AUTO_BUF struct buf out = {0}, log = {0};
        read_file(p.out, &out);
        read_file(p.log, &log);
        const char *where = code == EXIT_OK ? buf_text(&out) : buf_text(&log);
        cr_expect(strstr(where, exit_cases[i].text) != NULL, "case: %s:\n%s",
                  exit_cases[i].name, where);
        cr_expect_eq(out.len > 0, exit_cases[i].code == EXIT_OK, "case: %s",
                     exit_cases[i].name);
        fs_remove_tree(p.dir, NULL);
    }
}

struct client {
    char endpoint[160];
    uint8_t *body;
    size_t len;
    struct err err;
};

static int ask(struct client *c, const char *route,
               const ProtobufCMessage *request)
{
    free(c->body);
    c->body = NULL;
    return bus_call_once(c->endpoint, "test", route, request, 5000, &c->body,
                         &c->len, &c->err);
}

static bool weather_is(struct client *c, bool ok)
{
    cr_assert_eq(ask(c, "service.health", NULL), 0, "%s", c->err.text);
    Reeve__HealthReply *m = reeve__health_reply__unpack(NULL, c->len, c->body);
    cr_assert_not_null(m);
    cr_expect_str_eq(m->service, "tester");
    cr_expect_str_eq(m->version, REEVE_VERSION);
    cr_assert_eq(m->n_checks, 1);
    cr_expect_eq(m->healthy, m->checks[0]->ok);
    bool is_so = m->checks[0]->ok == ok;
    reeve__health_reply__free_unpacked(m, NULL);
    return is_so;
}

static void check_metrics(struct client *c)
{
    static const char *const names[] = {"test.starts", "bus.requests",
                                        "process.resident_bytes"};
    cr_assert_eq(ask(c, "service.metrics", NULL), 0);
    Reeve__MetricsReply *m =
        reeve__metrics_reply__unpack(NULL, c->len, c->body);
    size_t found = 0;
    for (size_t i = 0; i < m->n_metrics; i++)
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            found += str_eq(m->metrics[i]->name, names[k]) &&
                     m->metrics[i]->value > 0;
    cr_expect_eq(found, ARRAY_LEN(names));
    reeve__metrics_reply__free_unpacked(m, NULL);
}

static void check_log_level(struct client *c)
{
    Reeve__LogLevelRequest request = REEVE__LOG_LEVEL_REQUEST__INIT;
    request.level = (char *)"debug";
    cr_assert_eq(ask(c, "service.log_level", &request.base), 0);
    Reeve__LogLevelReply *m =
        reeve__log_level_reply__unpack(NULL, c->len, c->body);
    cr_expect_str_eq(m->previous, "info");
    reeve__log_level_reply__free_unpacked(m, NULL);
    request.level = (char *)"loud";
    cr_expect_eq(ask(c, "service.log_level", &request.base), -1);
    cr_expect_eq(c->err.code, ERR_INVALID);
}

Test(service, answers_and_stops_on_term)
{
    struct place p;
    place_open(&p);
    AUTO_FREE char *flag = xasprintf("--run-dir=%s", p.run_dir);
    const char *const args[] = {flag, NULL};
    pid_t pid = spawn(&p, args);
    struct client c = {0};
    cr_assert_eq(
        bus_endpoint(p.run_dir, "tester", c.endpoint, sizeof c.endpoint, NULL),
        0);
    cr_expect(weather_is(&c, true));
    cr_expect_eq(ask(&c, "test.hello", NULL), 0);
    check_metrics(&c);
    check_log_level(&c);
    struct stat st;
    cr_expect_eq(stat(p.run_dir, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0700);

    kill(pid, SIGHUP);
    int64_t end = clock_mono_ms() + 5000;
    while (!weather_is(&c, false) && clock_mono_ms() < end)
        ;
    cr_expect(weather_is(&c, false));

    /* A second one is refused and does not disturb the first. */
    cr_expect_eq(wait_for(spawn(&p, args)), EXIT_IN_USE);
    cr_expect_eq(ask(&c, "test.hello", NULL), 0);
    kill(pid, SIGTERM);
    cr_expect_eq(wait_for(pid), EXIT_OK);
    AUTO_BUF struct buf log = {0};
    read_file(p.log, &log);
    cr_expect(strstr(buf_text(&log), "stop was called") != NULL);
    cr_expect(strstr(buf_text(&log), "another process (pid") != NULL);
    free(c.body);
    fs_remove_tree(p.dir, NULL);
}

Test(service, the_successor_of_a_killed_one_takes_over)
{
    struct place p;
    place_open(&p);
    AUTO_FREE char *flag = xasprintf("--run-dir=%s", p.run_dir);
    const char *const args[] = {flag, "--name=two", NULL};
    struct client c = {0};
    cr_assert_eq(bus_endpoint(p.run_dir, "tester-two", c.endpoint,
                              sizeof c.endpoint, NULL),
                 0);
    pid_t pid = -1;
    for (int i = 0; i < 3; i++) {
        pid = spawn(&p, args);
        cr_expect_eq(ask(&c, "test.hello", NULL), 0, "%s", c.err.text);
        if (i < 2) {
            kill(pid, SIGKILL);
            wait_for(pid);
        }
    }
    kill(pid, SIGINT);
    cr_expect_eq(wait_for(pid), EXIT_OK);
    free(c.body);
    fs_remove_tree(p.dir, NULL);
}
