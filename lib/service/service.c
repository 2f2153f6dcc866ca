/* SPDX-License-Identifier: Apache-2.0 */
/* service - start, run and stop one process of the suite
 *
 * Order of start: options, run dir, loop and signals, bus socket (which is also
 * the lock against a second process), the service's own start, its routes.
 * Requests that arrive meanwhile wait in the socket.  Stop is the reverse.
 */
#include "lib/service/service.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "lib/service/options.h"
#include "lib/service/vitals.h"
#include "proto/bus.pb-c.h"

#define GIVE_BACK_MS 3000

struct service {
    const struct service_spec *spec;
    struct options *options;
    char *title;   /* "api-gateway-2": name and instance suffix */
    char *run_dir; /* absolute */
    struct loop *loop;
    struct bus_server *bus;
    void *self; /* of the service proper */
    int exit_code;
    int64_t started_wall_ms;
    struct vitals vitals;
};

static const struct service_option common_options[] = {
    {"run-dir", OPTION_STRING, "./.reeve", "DIR",
     "folder of the suite's sockets and state; made when missing", 0, 0, NULL},
    {"log-level", OPTION_STRING, "info", "LEVEL",
     "least level that is logged: debug, info, odd or bad", 0, 0, NULL},
    {"endpoint", OPTION_STRING, "", "URL",
     "where this process answers; unset: a socket in the run dir", 0, 0, NULL},
    {"name", OPTION_STRING, "", "TEXT",
     "suffix of this instance, when several of one kind share a run dir", 0, 0,
     NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};

/* ---- the routes that every service answers ----------------------------- */

static int on_health(void *self, struct bus_call *call, struct err *err UNUSED)
{
    struct service *s = self;
    Reeve__HealthCheckResult results[VITALS_MAX_CHECKS];
    Reeve__HealthCheckResult *list[VITALS_MAX_CHECKS];
    for (size_t i = 0; i < s->vitals.check_count; i++) {
        struct check *check = &s->vitals.checks[i];
        reeve__health_check_result__init(&results[i]);
        results[i].name = check->name;
        results[i].has_ok = 1;
        results[i].ok = check->ok;
        results[i].text = check->text;
        results[i].has_since_wall_ms = 1;
        results[i].since_wall_ms = check->since_wall_ms;
        list[i] = &results[i];
    }
    Reeve__HealthReply reply = REEVE__HEALTH_REPLY__INIT;
    reply.service = s->title;
    reply.version = (char *)REEVE_VERSION;
    reply.has_healthy = 1;
    reply.healthy = vitals_is_healthy(&s->vitals);
    reply.n_checks = s->vitals.check_count;
    reply.checks = list;
    reply.has_started_wall_ms = 1;
    reply.started_wall_ms = s->started_wall_ms;
    reply.has_pid = 1;
    reply.pid = (int32_t)getpid();
    bus_call_reply(call, &reply.base);
    return 0;
}

static double resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void set_counter(struct service *s, const char *name, uint64_t value,
                        const char *help)
{
    struct metric *metric = vitals_metric(&s->vitals, name, help);
    if (metric)
        metric->value = (double)value;
}

static void refresh_own_metrics(struct service *s)
{
    struct bus_server_stats bus;
    bus_server_stats(s->bus, &bus);
    set_counter(s, "bus.requests", bus.requests, "requests received");
    set_counter(s, "bus.replies", bus.replies, "replies sent");
    set_counter(s, "bus.garbage", bus.garbage, "messages that do not parse");
    set_counter(s, "bus.unknown_route", bus.unknown_route,
                "requests for a route that is not served here");
    set_counter(s, "bus.repeats", bus.repeats,
                "requests repeated while under way");
    set_counter(s, "log.odd", log_count(LOG_ODD), "log lines of level odd");
    set_counter(s, "log.bad", log_count(LOG_BAD), "log lines of level bad");
    service_gauge(s, "process.uptime_ms",
                  (double)(clock_wall_ms() - s->started_wall_ms),
                  "time since the start");
    service_gauge(s, "process.resident_bytes", resident_bytes(),
                  "memory in use");
}

static int on_metrics(void *self, struct bus_call *call, struct err *err UNUSED)
{
    struct service *s = self;
    refresh_own_metrics(s);
    size_t count = s->vitals.metric_count;
    Reeve__MetricValue *values = xcalloc(count, sizeof *values);
    Reeve__MetricValue **list = xcalloc(count, sizeof(Reeve__MetricValue *));
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = &s->vitals.metrics[i];
        reeve__metric_value__init(&values[i]);
        values[i].name = (char *)metric->name;
        values[i].help = (char *)metric->help;
        values[i].has_is_gauge = 1;
        values[i].is_gauge = metric->is_gauge;
        values[i].has_value = 1;
        values[i].value = metric->value;
        list[i] = &values[i];
    }
    Reeve__MetricsReply reply = REEVE__METRICS_REPLY__INIT;
    reply.n_metrics = count;
    reply.metrics = list;
    bus_call_reply(call, &reply.base);
    free(list);
    free(values);
    return 0;
}

/* An empty level only asks. */
static int on_log_level(void *self UNUSED, struct bus_call *call,
                        struct err *err)
{
    Reeve__LogLevelRequest *m = (Reeve__LogLevelRequest *)bus_call_decode(
        call, &reeve__log_level_request__descriptor, err);
    if (!m)
        return -1;
    enum log_level previous = log_level(), wanted = previous;
    int rc = 0;
    if (m->level && *m->level && !log_level_parse(m->level, &wanted))
        rc = err_set(err, ERR_INVALID,
                     "log level \"%.64s\": must be debug, info, odd or bad",
                     m->level);
    reeve__log_level_request__free_unpacked(m, NULL);
    if (rc < 0)
        return -1;
    log_set_level(wanted);
    if (wanted != previous)
        log_info("log_level", "level=%s previous=%s by=%s",
                 log_level_name(wanted), log_level_name(previous),
                 log_q(bus_call_from(call)));
    Reeve__LogLevelReply reply = REEVE__LOG_LEVEL_REPLY__INIT;
    reply.previous = (char *)log_level_name(previous);
    bus_call_reply(call, &reply.base);
    return 0;
}

static const struct bus_route common_routes[] = {
    {"service.health", on_health},
    {"service.metrics", on_metrics},
    {"service.log_level", on_log_level},
    {NULL, NULL},
};

/* ---- what a service asks of us ----------------------------------------- */

struct loop *service_loop(struct service *service)
{
    return service->loop;
}

struct bus_server *service_bus(struct service *service)
{
    return service->bus;
}

const char *service_run_dir(const struct service *service)
{
    return service->run_dir;
}

const char *service_title(const struct service *service)
{
    return service->title;
}

const char *service_str(const struct service *service, const char *name)
{
    return options_str(service->options, name);
}

int64_t service_int(const struct service *service, const char *name)
{
    return options_int(service->options, name);
}

double service_double(const struct service *service, const char *name)
{
    return options_double(service->options, name);
}

bool service_bool(const struct service *service, const char *name)
{
    return options_bool(service->options, name);
}

size_t service_list(const struct service *service, const char *name,
                    const char *const **out)
{
    return options_list(service->options, name, out);
}

const char *service_source(const struct service *service, const char *name)
{
    return options_source(service->options, name);
}

char *service_endpoint(const struct service *service, const char *option,
                       const char *socket, struct err *err)
{
    const char *given = service_str(service, option);
    char own[PATH_MAX];
    if (*given && bus_endpoint_check(given, err) < 0) {
        err_wrap(err, "%s", service_source(service, option));
        return NULL;
    }
    if (!*given &&
        bus_endpoint(service->run_dir, socket, own, sizeof own, err) < 0)
        return NULL;
    return xstrdup(*given ? given : own);
}

void service_exit(struct service *service, int code)
{
    /* The first reason is the one to tell. */
    if (service->exit_code == EXIT_OK)
        service->exit_code = code;
    loop_stop(service->loop);
}

void service_health(struct service *service, const char *check, bool ok,
                    const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    enum vitals_change change =
        vitals_check(&service->vitals, check, ok, text, clock_wall_ms());
    enum log_level level = ok ? LOG_INFO : LOG_ODD;
    if (change == VITALS_FULL)
        log_odd("health_table_full", "check=%s", log_q(check));
    else if (change == VITALS_CHANGED || change == VITALS_REWORDED ||
             (change == VITALS_NEW && !ok))
        log_event(level, "health", "check=%s ok=%d text=%s", check, ok,
                  log_q(text));
}

void service_count(struct service *service, const char *name, uint64_t add,
                   const char *help)
{
    struct metric *metric = vitals_metric(&service->vitals, name, help);
    if (metric)
        metric->value += (double)add;
}

void service_gauge(struct service *service, const char *name, double value,
                   const char *help)
{
    struct metric *metric = vitals_metric(&service->vitals, name, help);
    if (!metric)
        return;
    metric->is_gauge = true;
    metric->value = value;
}

/* ---- start ------------------------------------------------------------- */

static void print_help(const struct service *s)
{
    AUTO_BUF struct buf text = {0};
    options_help(s->options, &text);
    printf("reeve-%s: %s\n\nUsage: reeve-%s [--OPTION VALUE]...\n\n"
           "Every option can also be given by the environment variable named\n"
           "behind it; a flag beats the variable.\n\n%s\n"
           "  --help      show this and exit\n"
           "  --version   show the version and exit\n",
           s->spec->name, s->spec->summary, s->spec->name, buf_text(&text));
}

/* EXIT_OK with *is_done: --help or --version was served. */
static int read_options(struct service *s, int argc, char **argv, bool *is_done,
                        struct err *err)
{
    if (options_read(s->options, argc, argv, getenv, err) < 0)
        return EXIT_USAGE;
    enum options_wish wish = options_wish(s->options);
    *is_done = wish != OPTIONS_RUN;
    if (wish == OPTIONS_HELP)
        print_help(s);
    if (wish == OPTIONS_VERSION)
        printf("reeve-%s %s\n", s->spec->name, REEVE_VERSION);
    if (*is_done)
        return EXIT_OK;
    enum log_level level;
    if (!log_level_parse(service_str(s, "log-level"), &level)) {
        err_set(err, ERR_INVALID, "%s: \"%s\" is not debug, info, odd or bad",
                service_source(s, "log-level"), service_str(s, "log-level"));
        return EXIT_USAGE;
    }
    log_set_level(level);
    const char *suffix = service_str(s, "name");
    s->title = xasprintf("%s%s%s", s->spec->name, *suffix ? "-" : "", suffix);
    if (strchr(suffix, '/') || strlen(suffix) > 32) {
        err_set(err, ERR_INVALID,
                "%s: \"%s\" is not a short name without slashes",
                service_source(s, "name"), suffix);
        return EXIT_USAGE;
    }
    log_set_service(s->title);
    return EXIT_OK;
}

static int open_run_dir(struct service *s, struct err *err)
{
    const char *given = service_str(s, "run-dir");
    if (!*given) {
        err_set(err, ERR_INVALID, "%s: \"\" is not a folder",
                service_source(s, "run-dir"));
        return EXIT_USAGE;
    }
    if (fs_mkdirs(given, 0700, err) < 0) {
        err_wrap(err, "run dir");
        return EXIT_UNWRITABLE;
    }
    s->run_dir = realpath(given, NULL);
    if (!s->run_dir || access(s->run_dir, W_OK | X_OK) < 0) {
        err_sys(err, "run dir %s: cannot be written", given);
        return EXIT_UNWRITABLE;
    }
    return EXIT_OK;
}

static void on_stop_signal(void *self, int signo)
{
    struct service *s = self;
    log_info("stop_signal", "signal=%s", sigabbrev_np(signo));
    loop_stop(s->loop);
}

static void on_hangup(void *self, int signo UNUSED)
{
    struct service *s = self;
    log_info("hangup", "served=%d", s->spec->hangup != NULL);
    if (s->spec->hangup && s->self)
        s->spec->hangup(s->self);
}

static int open_bus(struct service *s, struct err *err)
{
    AUTO_FREE char *endpoint = service_endpoint(s, "endpoint", s->title, err);
    if (!endpoint)
        return EXIT_USAGE;
    s->bus = bus_server_new(s->loop, endpoint, err);
    if (s->bus)
        return EXIT_OK;
    switch ((int)err->code) {
    case ERR_EXISTS:
        return EXIT_IN_USE;
    case ERR_INVALID:
    case ERR_UNSUPPORTED:
        return EXIT_USAGE;
    default:
        return EXIT_UNWRITABLE;
    }
}

static void tick(void *self)
{
    struct service *s = self;
    s->spec->tick(s->self);
}

static int start(struct service *s, struct err *err)
{
    int code = open_run_dir(s, err);
    if (code != EXIT_OK)
        return code;
    s->loop = loop_new();
    loop_signal(s->loop, SIGTERM, on_stop_signal, s);
    loop_signal(s->loop, SIGINT, on_stop_signal, s);
    loop_signal(s->loop, SIGHUP, on_hangup, s);
    code = open_bus(s, err);
    if (code != EXIT_OK)
        return code;
    code = s->spec->start(s, &s->self, err);
    if (code != EXIT_OK)
        return code;
    bus_server_add_routes(s->bus, common_routes, s);
    if (s->spec->routes)
        bus_server_add_routes(s->bus, s->spec->routes, s->self);
    ASSERT(!s->spec->tick || s->spec->tick_ms > 0);
    if (s->spec->tick)
        loop_timer(s->loop, 0, s->spec->tick_ms, tick, s);
    loop_timer(s->loop, GIVE_BACK_MS, GIVE_BACK_MS, heap_give_back, NULL);
    log_info("started", "version=%s pid=%d run_dir=%s", REEVE_VERSION,
             (int)getpid(), log_q(s->run_dir));
    return EXIT_OK;
}

static void tell_failure(const struct service *s, int code, struct err *err)
{
    if (!err->code)
        err_set(err, ERR_IO, "could not start");
    fprintf(stderr, "reeve-%s: %s\n", s->spec->name, err->text);
    if (code == EXIT_USAGE)
        fprintf(stderr, "reeve-%s: try --help\n", s->spec->name);
    log_odd("start_failed", "code=%d text=%s", code, log_q(err->text));
}

static int run(struct service *s)
{
    loop_run(s->loop);
    if (s->spec->stop)
        s->spec->stop(s->self);
    log_info("stopped", "code=%d", s->exit_code);
    return s->exit_code;
}

int service_main(const struct service_spec *spec, int argc, char **argv)
{
    struct service *s = xcalloc(1, sizeof *s);
    struct err err = {0};
    bool is_done = false;
    s->spec = spec;
    s->started_wall_ms = clock_wall_ms();
    s->options = options_new(spec->options, common_options);
    log_set_service(spec->name);
    int code = read_options(s, argc, argv, &is_done, &err);
    if (code == EXIT_OK && !is_done)
        code = start(s, &err);
    if (code != EXIT_OK)
        tell_failure(s, code, &err);
    else if (!is_done)
        code = run(s);
    bus_server_destroy(&s->bus);
    loop_destroy(&s->loop);
    options_destroy(&s->options);
    log_set_service("reeve"); /* the title goes */
    free(s->run_dir);
    free(s->title);
    free(s);
    return code;
}
