/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_up - starts a local suite, or changes the one that runs
 *
 * All that can be refused is refused before anything is started.  The
 * supervisor is a process of its own in any case; in the foreground this one
 * draws the plan and tells it to stop at Ctrl-C.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/child.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/gateway.h"
#include "cli/load.h"
#include "cli/preflight.h"
#include "cli/rollout.h"
#include "cli/startup.h"
#include "cli/suite.h"
#include "cli/supervisor.h"
#include "cli/teardown.h"
#include "cli/watch.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

#define DEFAULT_PORT 8080
#define START_MS     60000
#define LOOK_MS      50
#define CONTROL_MS   5000
#define DOWN_MS      60000
#define MAX_ENV      ((size_t)16 << 20)

const struct service_option cmd_up_options[] = {
    {"detach", OPTION_BOOL, "false", NULL,
     "leave the suite running in the background and come back", 0, 0, NULL},
    {"master", OPTION_STRING, "", "URL",
     "use this Mesos or ClusterD instead of the built-in devcluster: "
     "http(s)://host:port[,host:port...] or "
     "zk://[user:password@]host:port[,host:port...]/path",
     0, 0, "MESOS_MASTER"},
    {"redis", OPTION_STRING, "", "URL",
     "use this Redis instead of starting redis-server: "
     "redis[s]://[user:password@]host:port[/db], "
     "redis[s]+sentinel://host:port,.../master or unix:///path",
     0, 0, NULL},
    {"port", OPTION_STRING, "", "port",
     "where the HTTP API listens; 0 takes any free port (default PORT_API, "
     "PORT0 or 8080)",
     0, 0, NULL},
    {"agents", OPTION_INT, "3", "N", "agents of the devcluster", 1, 1000, NULL},
    {"allocation-interval-ms", OPTION_INT, "1000", "ms",
     "how often the devcluster makes offers", 10, 60000, NULL},
    {"settle", OPTION_INT, "3", "s",
     "--wait wants each task to have run for so long, and for so long again "
     "for each quick failure before; 0: not at all",
     0, 60, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

struct up {
    struct cli *cli;
    Reeve__ServiceSpec *spec;
    struct suite *suite; /* as it will be */
    struct suite *old;   /* suite.json of the run dir, or NULL */
    char *redis_server;
    int port; /* asked for; -1: nothing was */
    int lock_fd;
    int old_planner;
    struct startup startup;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo)
{
    (void)signo;
    interrupted = 1;
}

static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void pause_a_bit(void)
{
    struct timespec t = {.tv_nsec = LOOK_MS * 1000000};

    nanosleep(&t, NULL);
}

static int fail(int code, const struct err *err)
{
    return cli_fail(code, "%s", err->text);
}

/* ---- options ---- */

static int read_port(struct up *up)
{
    const char *text = options_str(up->cli->options, "port");
    const char *name = "--port";
    int64_t port;

    if (!*text) {
        name = "PORT_API";
        text = str_or_empty(getenv(name));
    }
    if (!*text) {
        name = "PORT0";
        text = str_or_empty(getenv(name));
    }
    up->port = -1;
    if (!*text)
        return EXIT_OK;
    if (!parse_i64(text, &port) || port < 0 || port > 65535)
        return cli_fail(EXIT_USAGE,
                        "%s: \"%s\" is not a port number from 0 to 65535", name,
                        text);
    up->port = (int)port;
    return EXIT_OK;
}

static char *absolute_path(const char *path)
{
    char *real = realpath(path, NULL);

    return real ? real : xstrdup(path);
}

static void read_options(struct up *up)
{
    struct suite *s = up->suite;
    const struct options *o = up->cli->options;

    s->spec = absolute_path(up->cli->args[0]);
    s->service = xstrdup(up->spec->name);
    s->own_master = !*options_str(o, "master");
    s->own_redis = !*options_str(o, "redis");
    s->agents = (int)options_int(o, "agents");
    s->allocation_interval_ms = options_int(o, "allocation-interval-ms");
}

/* ---- what must hold ---- */

static int check_peers(struct up *up, struct err *err)
{
    struct suite *s = up->suite;
    const struct options *o = up->cli->options;
    int code = preflight_programs(&s->bin_dir, s->own_master, err);

    if (code == EXIT_OK && s->own_redis)
        code = preflight_redis_server(&up->redis_server, err);
    if (code == EXIT_OK && !s->own_redis)
        code = preflight_redis(options_str(o, "redis"), err);
    if (code == EXIT_OK && !s->own_master)
        code = preflight_master(options_str(o, "master"), err);
    return code;
}

/* The port that was used before when it can be had again, else a free one; none
 * that another one of the suite has. */
static int again_or_free(const struct suite *s, int before)
{
    const int taken[] = {s->port, s->master_port, s->redis_port};
    bool is_ours = before == s->port || before == s->master_port ||
                   before == s->redis_port;

    return !is_ours && preflight_port_is_free(before)
               ? before
               : preflight_free_port(taken, ARRAY_LEN(taken));
}

/* Is it our own gateway, which a dead supervisor left, that listens there? */
static bool is_left_gateway(const struct up *up, int port)
{
    AUTO_FREE char *path = teardown_pid_path(up->suite->run_dir, "api-gateway");

    return up->old && up->old->port == port && child_alive(path);
}

static int choose_port(struct up *up, struct err *err)
{
    int wanted = up->port < 0 ? DEFAULT_PORT : up->port;

    up->suite->port = wanted;
    if (wanted == 0 || is_left_gateway(up, wanted))
        return EXIT_OK;
    return preflight_port(wanted, err);
}

/* After nothing of an earlier suite runs any more. */
static int choose_other_ports(struct up *up)
{
    struct suite *s = up->suite;

    if (s->port == 0)
        s->port = again_or_free(s, up->old ? up->old->port : 0);
    if (s->own_master)
        s->master_port = again_or_free(s, up->old ? up->old->master_port : 0);
    if (s->own_redis)
        s->redis_port = again_or_free(s, up->old ? up->old->redis_port : 0);
    if (!s->port || (s->own_master && !s->master_port) ||
        (s->own_redis && !s->redis_port))
        return cli_fail(EXIT_FAILED, "no free port on 127.0.0.1");
    s->master = s->own_master
                    ? xasprintf("http://127.0.0.1:%d", s->master_port)
                    : xstrdup(options_str(up->cli->options, "master"));
    s->redis = s->own_redis ? xasprintf("redis://127.0.0.1:%d/0", s->redis_port)
                            : xstrdup(options_str(up->cli->options, "redis"));
    return EXIT_OK;
}

/* The environment that the planner renders the spec with: ours. */
static int save_env(const struct up *up, struct err *err)
{
    AUTO_FREE char *path = fs_join(up->suite->run_dir, "planner.env");
    AUTO_FREE char *text = suite_encode_env((const char *const *)environ);

    return fs_write_atomic(path, text, strlen(text), 0600, err);
}

/* ---- the supervisor ---- */

_Noreturn static void be_supervisor(struct up *up)
{
    AUTO_FREE char *log_path = suite_log_path(up->suite, "supervisor");
    int null_fd = open("/dev/null", O_RDONLY);
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    child_detach();
    dup2(null_fd, 0);
    if (log_fd >= 0) {
        dup2(log_fd, 1);
        dup2(log_fd, 2);
        close(log_fd);
    }
    close(null_fd);
    if (chdir("/") < 0)
        _exit(EXIT_FAILED);
    _exit(supervisor_run(up->suite, up->redis_server));
}

static int start_supervisor(struct up *up, struct err *err)
{
    suite_list_processes(up->suite);
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(err, "fork");
    if (pid == 0)
        be_supervisor(up); /* it holds the lock from now on */
    up->suite->pid = (int)pid;
    close(up->lock_fd);
    up->lock_fd = -1;
    return 0;
}

static int down(const struct up *up)
{
    struct err err = {0};

    if (control_down(up->suite->run_dir, NULL, &err) < 0)
        return fail(EXIT_FAILED, &err);
    return EXIT_OK;
}

/* ---- waiting for it ---- */

static bool gateway_answers(const struct up *up)
{
    AUTO_REPLY struct gateway_reply reply = {0};
    struct err err;

    return gateway_call(up->cli, "GET", "/v1/health", NULL, &reply, &err) == 0;
}

/* Until the gateway answers and the planner has taken the spec.  An exit code;
 * -1: interrupted. */
static int wait_until_taken(struct up *up, struct err *err)
{
    struct rollout r = {.run_dir = up->suite->run_dir,
                        .spec = up->spec,
                        .old_planner = up->old_planner};
    int64_t end = clock_mono_ms() + START_MS;

    up->startup.suite = up->suite;
    while (!interrupted) {
        enum rollout_state state = rollout_look(&r, err);
        if (state == ROLLOUT_REFUSED)
            return EXIT_BAD_INPUT;
        if (state == ROLLOUT_TAKEN && gateway_answers(up))
            return EXIT_OK;
        int code = startup_check(&up->startup, err);
        if (code != EXIT_OK)
            return code;
        if (clock_mono_ms() > end)
            return startup_timeout(up->suite, START_MS / 1000, err);
        pause_a_bit();
    }
    return -1;
}

/* Also when somebody's `down` ended what we wait for. */
static bool is_over(void *self)
{
    const struct up *up = self;

    return interrupted || startup_is_supervisor_gone(up->suite);
}

/* The plan is COMPLETE for the gateway.  EXIT_OK: for the store too, and with
 * a time limit all tasks run as well; -1: look again. */
static int check_complete(struct rollout *r, int64_t end)
{
    struct err err = {0};

    if (rollout_look(r, &err) == ROLLOUT_TAKEN && r->is_complete &&
        (!end || !*r->down))
        return EXIT_OK;
    if (!end || clock_mono_ms() < end)
        return -1;
    return cli_fail(EXIT_TIMED_OUT,
                    "plan deploy is complete, but task %s does not %s",
                    *r->down ? r->down : "?", r->was_up ? "stay up" : "run");
}

/* Draws until the plan of this very spec is COMPLETE. */
static int wait_until_complete(struct up *up, int64_t timeout_ms)
{
    struct rollout r = {
        .run_dir = up->suite->run_dir,
        .spec = up->spec,
        .settle_ms =
            timeout_ms ? options_int(up->cli->options, "settle") * 1000 : 0};
    int64_t end = timeout_ms ? clock_mono_ms() + timeout_ms : 0;
    bool is_first = true;

    for (;;) {
        int64_t left = end ? MAX(end - clock_mono_ms(), (int64_t)1) : 0;
        int code = watch_plan(&(struct watch){.cli = up->cli,
                                              .plan = "deploy",
                                              .until_complete = true,
                                              .is_coming = true,
                                              .is_quiet = !is_first,
                                              .timeout_ms = left,
                                              .is_over = is_over,
                                              .self = up});
        is_first = false;
        if (code != EXIT_OK || is_over(up))
            return code;
        /* The gateway may be a moment behind the store. */
        code = check_complete(&r, end);
        if (code >= 0)
            return code;
        pause_a_bit();
    }
}

/* ---- what is said ---- */

static void print_addresses(const struct up *up)
{
    const struct suite *s = up->suite;
    AUTO_FREE char *gateway = suite_gateway_url(s);
    AUTO_FREE char *master = suite_shown_url(s->master);
    AUTO_FREE char *redis = suite_shown_url(s->redis);

    printf("\nAPI      %s/v1/plan/status\n"
           "master   %s%s\n"
           "redis    %s\n"
           "run dir  %s (suite.json, log/)\n",
           gateway, master, s->own_master ? "/state" : "", redis, s->run_dir);
    fflush(stdout);
}

/* ---- a new suite
 * -----------------------------------------------------------------------------
 */

static int stop_after(struct up *up, int code)
{
    if (!startup_is_supervisor_gone(up->suite))
        down(up);
    return code;
}

static int stay_until_interrupted(struct up *up)
{
    if (!interrupted)
        printf("\nCtrl-C stops everything.\n");
    fflush(stdout);
    while (!interrupted) {
        struct suite *now = startup_read_suite(up->suite->run_dir);
        bool is_down = !now || now->pid != up->suite->pid;
        suite_destroy(&now);
        if (is_down)
            return EXIT_OK; /* `reeve down` from elsewhere */
        if (startup_is_supervisor_gone(up->suite))
            return cli_fail(EXIT_FAILED,
                            "the supervisor is gone; what it started goes on: "
                            "`reeve up` again takes care of it, `reeve down` "
                            "stops it");
        pause_a_bit();
    }
    printf("\nStopping…\n");
    fflush(stdout);
    return down(up);
}

static int run_in_foreground(struct up *up)
{
    int code = wait_until_complete(up, 0);

    if (is_over(up))
        return stay_until_interrupted(up);
    if (code == EXIT_OK)
        print_addresses(up);
    /* Errors of a plan are told; the operator decides what to do. */
    return stay_until_interrupted(up);
}

/* Of a suite that is left running. */
static int tell_end(const struct up *up, int code)
{
    struct err err = {0};

    if (interrupted)
        return cli_fail(EXIT_FAILED,
                        "interrupted; the suite in %s goes on: `reeve down` "
                        "stops it",
                        up->suite->run_dir);
    if (code != EXIT_OK)
        return code;
    if (startup_is_supervisor_gone(up->suite))
        return fail(startup_judge_end(up->suite, &err), &err);
    print_addresses(up);
    return EXIT_OK;
}

static int wait_detached(struct up *up)
{
    const struct options *o = up->cli->options;
    int code = EXIT_OK;

    if (options_bool(o, "wait"))
        code = wait_until_complete(up, options_int(o, "timeout") * 1000);
    return tell_end(up, code);
}

/* Who wanted it to be left running learns that it is not. */
static int stop_early(struct up *up)
{
    int code = down(up);

    if (code != EXIT_OK || !options_bool(up->cli->options, "detach"))
        return code;
    return cli_fail(EXIT_FAILED, "interrupted before it was up: stopped again");
}

static int launch(struct up *up)
{
    struct err err = {0};

    catch_interrupts();
    if (start_supervisor(up, &err) < 0)
        return fail(EXIT_FAILED, &err);
    int code = wait_until_taken(up, &err);
    if (code < 0) /* Ctrl-C */
        return stop_early(up);
    if (code != EXIT_OK)
        return stop_after(up, fail(code, &err));
    return options_bool(up->cli->options, "detach") ? wait_detached(up)
                                                    : run_in_foreground(up);
}

static int start(struct up *up)
{
    struct err err = {0};
    int code = check_peers(up, &err);

    if (code == EXIT_OK && up->suite->own_master && up->suite->own_redis)
        code = preflight_records(up->suite->run_dir, &err);
    if (code == EXIT_OK)
        code = choose_port(up, &err);
    if (code != EXIT_OK)
        return fail(code, &err);
    /* What a dead supervisor left; tasks stay. */
    log_set_level(LOG_BAD);
    teardown(up->suite->run_dir, false);
    code = choose_other_ports(up);
    if (code != EXIT_OK)
        return code;
    if (save_env(up, &err) < 0)
        return fail(EXIT_UNWRITABLE, &err);
    return launch(up);
}

/* ---- a suite that runs already ---- */

static int check_service(const struct up *up)
{
    if (!up->old || !*up->old->service ||
        strcmp(up->old->service, up->spec->name) == 0)
        return EXIT_OK;
    return cli_fail(EXIT_IN_USE,
                    "%s is the run dir of service %s, and this is a spec of "
                    "%s: give another --run-dir",
                    up->suite->run_dir, up->old->service, up->spec->name);
}

/* What was chosen at the start stays until the suite is stopped. */
static int check_same(const struct up *up)
{
    const char *master = options_str(up->cli->options, "master");
    const char *redis = options_str(up->cli->options, "redis");
    AUTO_FREE char *old_master = suite_shown_url(up->old->master);
    AUTO_FREE char *old_redis = suite_shown_url(up->old->redis);

    if (*master && strcmp(master, up->old->master) != 0)
        return cli_fail(EXIT_IN_USE,
                        "the suite in %s uses master %s: `reeve down` first",
                        up->suite->run_dir, old_master);
    if (*redis && strcmp(redis, up->old->redis) != 0)
        return cli_fail(EXIT_IN_USE,
                        "the suite in %s uses Redis %s: `reeve down` first",
                        up->suite->run_dir, old_redis);
    if (up->port > 0 && up->port != up->old->port)
        return cli_fail(EXIT_IN_USE,
                        "the suite in %s listens on port %d: `reeve down` "
                        "first",
                        up->suite->run_dir, up->old->port);
    return EXIT_OK;
}

/* The suite as its supervisor sees it, in place of what we had planned. */
static void take_over_running(struct up *up)
{
    char *run_dir = MOVE(up->suite->run_dir);

    suite_destroy(&up->suite);
    up->suite = MOVE(up->old);
    free(up->suite->run_dir);
    up->suite->run_dir = run_dir;
    for (size_t i = 0; i < up->suite->n_processes; i++)
        up->startup.restarts[i] = up->suite->process[i].restarts;
}

static int reload(struct up *up, const char *spec, struct err *err)
{
    json_t *request = json_pack("{s:s, s:s, s:s}", "cmd", "reload", "spec",
                                spec, "service", up->spec->name);
    json_t *answer = control_call(up->suite->run_dir, request, CONTROL_MS, err);

    if (!answer)
        return -1;
    up->old_planner =
        (int)json_integer_value(json_object_get(answer, "planner_pid"));
    json_decref(answer);
    return 0;
}

/* A change that was refused leaves nothing behind: the planner gets what it had
 * before. */
static void take_back(struct up *up, const struct buf *old_env)
{
    AUTO_FREE char *path = fs_join(up->suite->run_dir, "planner.env");
    struct err err = {0};

    if (fs_write_atomic(path, old_env->data, old_env->len, 0600, &err) < 0 ||
        reload(up, up->suite->spec, &err) < 0)
        cli_fail(EXIT_FAILED, "the former environment was not restored: %s",
                 err.text);
}

/* Hands the new spec and environment over. */
static int hand_over(struct up *up, const char *spec)
{
    AUTO_FREE char *path = fs_join(up->suite->run_dir, "planner.env");
    AUTO_BUF struct buf old_env = {0};
    struct err err = {0};

    if (fs_read(path, MAX_ENV, &old_env, &err) < 0 || save_env(up, &err) < 0)
        return fail(EXIT_UNWRITABLE, &err);
    if (reload(up, spec, &err) < 0) {
        fs_write_atomic(path, old_env.data, old_env.len, 0600, NULL);
        return fail(err.code == ERR_NOT_FOUND ? EXIT_IN_USE : EXIT_FAILED,
                    &err);
    }
    int code = wait_until_taken(up, &err);
    if (code == EXIT_BAD_INPUT)
        take_back(up, &old_env);
    if (code < 0)
        return EXIT_FAILED; /* Ctrl-C; it may be taken yet */
    return code == EXIT_OK ? EXIT_OK : fail(code, &err);
}

static int show_change(struct up *up)
{
    const struct options *o = up->cli->options;
    bool waits = options_bool(o, "wait") || !options_bool(o, "detach");
    int code = EXIT_OK;

    if (waits)
        code = wait_until_complete(
            up, options_bool(o, "wait") ? options_int(o, "timeout") * 1000 : 0);
    return tell_end(up, code);
}

static int change(struct up *up)
{
    AUTO_FREE char *spec = xstrdup(up->suite->spec);

    if (!up->old || !up->old->pid)
        return cli_fail(EXIT_IN_USE,
                        "the suite in %s is just starting or stopping: try "
                        "again",
                        up->suite->run_dir);
    int code = check_same(up);
    if (code != EXIT_OK)
        return code;
    take_over_running(up);
    catch_interrupts();
    code = hand_over(up, spec);
    return code == EXIT_OK ? show_change(up) : code;
}

/* Specs of the SDK fetch their bootstrap from there; here it is a file that the
 * devcluster's agents can read. */
static void offer_bootstrap(const struct up *up)
{
    AUTO_FREE char *bin_dir = NULL, *path = NULL;

    if (*options_str(up->cli->options, "master") ||
        preflight_programs(&bin_dir, false, NULL) != EXIT_OK)
        return;
    path = xasprintf("%s/bootstrap.tgz", bin_dir);
    if (access(path, R_OK) == 0)
        setenv("BOOTSTRAP_URI", path, 0);
}

/* ---- the command
 * ------------------------------------------------------------------------------------
 */

static int run(struct up *up)
{
    struct err err = {0};
    int code = read_port(up);

    if (code != EXIT_OK)
        return code;
    offer_bootstrap(up);
    up->spec = load_spec(up->cli->args[0], environ,
                         *options_str(up->cli->options, "master")
                             ? LOAD_FOR_CLUSTER
                             : LOAD_FOR_DEVCLUSTER);
    if (!up->spec)
        return EXIT_BAD_INPUT;
    read_options(up);
    code = preflight_run_dir(options_str(up->cli->options, "run-dir"),
                             &up->suite->run_dir, &err);
    if (code == EXIT_OK)
        code = preflight_lock(up->suite->run_dir, &up->lock_fd, &err);
    if (code != EXIT_OK)
        return fail(code, &err);
    up->old = startup_read_suite(up->suite->run_dir);
    if (check_service(up) != EXIT_OK)
        return EXIT_IN_USE;
    return up->lock_fd >= 0 ? start(up) : change(up);
}

int cmd_up(struct cli *cli)
{
    struct up up = {.cli = cli, .suite = suite_new(), .lock_fd = -1};
    int code = run(&up);

    if (up.lock_fd >= 0)
        close(up.lock_fd);
    if (up.spec)
        reeve__service_spec__free_unpacked(up.spec, NULL);
    suite_destroy(&up.suite);
    suite_destroy(&up.old);
    free(up.redis_server);
    return code;
}
