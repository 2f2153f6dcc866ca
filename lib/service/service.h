/* SPDX-License-Identifier: Apache-2.0 */
/* service - the skeleton all services share; main.c only fills a table
 *
 * Gives: options from flags and REEVE_* (one table, which also yields --help),
 * logs on stderr, signals (TERM and INT stop, HUP is told), the loop, the bus
 * server with service.health, service.metrics and service.log_level, health
 * checks, counters, exit codes.
 */
#ifndef REEVE_LIB_SERVICE_SERVICE_H
#define REEVE_LIB_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/bus/bus.h"

struct loop;
struct service; /* the running process */

#define REEVE_VERSION "0.1.0"

/* Exit codes of every Reeve program; docs/operations.md lists them. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,     /* anything not named below */
    EXIT_USAGE = 2,      /* bad flag, bad value, missing argument */
    EXIT_TIMED_OUT = 3,  /* --wait or a start-up deadline */
    EXIT_BAD_INPUT = 4,  /* a spec or file that does not pass validation */
    EXIT_IN_USE = 5,     /* port, socket or run dir used by another process */
    EXIT_UNWRITABLE = 6, /* run dir or log cannot be written */
    EXIT_WAL = 7,        /* write or sync of the log failed, or disk full */
    EXIT_CORRUPT = 8,    /* stored bytes are damaged */
    EXIT_LINEAGE = 9,    /* log and Redis hold different histories */
    EXIT_FENCED = 10,    /* another instance holds the lease */
    EXIT_FRAMEWORK = 11, /* the master gave the framework up */
};

enum option_type {
    OPTION_STRING, /* "" when unset */
    OPTION_INT,    /* 64-bit */
    OPTION_DOUBLE,
    OPTION_BOOL, /* true/false, yes/no, 1/0; a bare flag means true */
    OPTION_LIST, /* repeatable flag; in the environment separated by commas */
};
struct service_option {
    const char *name; /* "run-dir": flag --run-dir, variable REEVE_RUN_DIR */
    enum option_type type;
    const char *fallback; /* default as text; NULL: required */
    const char *unit;     /* "ms", "dir", "URL"; shown in --help */
    const char *help;
    int64_t min, max; /* for ints; both 0: any */
    const char *also; /* other environment variable honoured, or NULL */
};

struct service_spec {
    const char *name;    /* "offer-broker": also the socket's name */
    const char *summary; /* one line for --help */
    const struct service_option *options; /* ends with a NULL name */
    const struct bus_route *routes; /* ends with a NULL name; may be NULL */
    /* *self is given to everything below and to route handlers.  Returns an
     * exit code: EXIT_OK to go on. On failure *err says why, and stop() is not
     * called. */
    int (*start)(struct service *service, void **self, struct err *err);
    void (*tick)(void *self); /* every tick_ms; may be NULL */
    int64_t tick_ms;
    void (*hangup)(void *self); /* SIGHUP; may be NULL */
    void (*stop)(void *self);   /* frees self; the loop has ended */
};

/* The options that every service has are added: run-dir, log-level, endpoint
 * (of its bus server; default ipc://<run-dir>/<name>), name (instance suffix).
 */
int service_main(const struct service_spec *spec, int argc, char **argv);

struct loop *service_loop(struct service *service);
struct bus_server *service_bus(struct service *service);
const char *service_run_dir(const struct service *service); /* absolute */
/* "api-gateway", or "api-gateway-2" with --name 2: also its socket. */
const char *service_title(const struct service *service);

/* Unknown names are our bug: ASSERT. Strings are borrowed. */
const char *service_str(const struct service *service, const char *name);
int64_t service_int(const struct service *service, const char *name);
double service_double(const struct service *service, const char *name);
bool service_bool(const struct service *service, const char *name);
size_t service_list(const struct service *service, const char *name,
                    const char *const **out);

/* For a text about a value that is refused: "--port", or the variable that it
 * came from. */
const char *service_source(const struct service *service, const char *name);
/* The endpoint that an option names, or when it is empty the socket of that
 * name in the run dir.  ERR_UNSUPPORTED for tcp:// off loopback.  malloc'd;
 * NULL on error. */
char *service_endpoint(const struct service *service, const char *option,
                       const char *socket, struct err *err);

/* Stops the loop; the process exits with this code after stop(). */
void service_exit(struct service *service, int code);

/* A named check; logs and stamps when ok changes, and logs when what is not ok
 * has another reason (once in a minute).  fmt: one sentence. */
void service_health(struct service *service, const char *check, bool ok,
                    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Metrics: name and help are literals. */
void service_count(struct service *service, const char *name, uint64_t add,
                   const char *help);
void service_gauge(struct service *service, const char *name, double value,
                   const char *help);

#endif
