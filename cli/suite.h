/* SPDX-License-Identifier: Apache-2.0 */
/* suite - what a local suite is made of: its processes, their command lines,
 * suite.json; pure
 *
 * suite.json is for people and scripts, and it is where the next `reeve up` on
 * the run dir finds the ports that were used before:
 *
 *   {"gateway": "http://127.0.0.1:8080", "master": "http://127.0.0.1:34567",
 *    "redis": "redis://127.0.0.1:34568/0", "run_dir": "/x/.reeve", "pid": 12,
 *    "spec": "/x/svc.yml", "service": "data-store", "agents": 3,
 *    "allocation_interval_ms": 1000, "own_master": true, "own_redis": true,
 *    "processes": [{"name": "planner", "pid": 13, "log": "/x/.reeve/log/…",
 *                   "restarts": 0}, …]}
 */
#ifndef REEVE_CLI_SUITE_H
#define REEVE_CLI_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define SUITE_MAX_PROCESSES 6
#define SUITE_MAX_ARGS      24
#define SUITE_MAX_SECRETS   1

struct suite_process {
    const char *name;  /* "planner": a literal */
    int pid;           /* 0: not running */
    unsigned restarts; /* since the supervisor started */
    int exit_code;     /* of its last death, or 128 + signal; 0: none yet */
};

struct suite {
    char *run_dir;               /* absolute */
    char *bin_dir;               /* where our programs are */
    char *spec;                  /* absolute path of svc.yml */
    char *service;               /* name in the spec */
    char *master;                /* URL as the broker gets it */
    char *redis;                 /* URL as the store gets it */
    bool own_master, own_redis;  /* started by us */
    int port;                    /* of the gateway */
    int master_port, redis_port; /* of our own; 0: none */
    int agents;
    int64_t allocation_interval_ms;
    int pid; /* of the supervisor */
    struct suite_process process[SUITE_MAX_PROCESSES];
    size_t n_processes;
};

struct suite *suite_new(void);
void suite_destroy(struct suite **suite);

/* Lists the processes that such a suite has, in the order of their start. */
void suite_list_processes(struct suite *suite);
struct suite_process *suite_find(struct suite *suite, const char *name);

/* The command line of a process: malloc'd texts, NULL at the end.
 * redis_server: path of that program. */
struct suite_command {
    char *argv[SUITE_MAX_ARGS + 1];
    size_t n;
    /* "REEVE_REDIS=…": options that everybody could read in the command line.
     */
    char *secrets[SUITE_MAX_SECRETS + 1];
    size_t n_secrets;
};
void suite_command(const struct suite *suite, const char *process,
                   const char *redis_server, struct suite_command *out);
void suite_command_free(struct suite_command *command);

/* In which order a suite is stopped: all of stage 0 first.  What decides goes
 * first, so that no task is started again; the broker and the store stay until
 * the ends of the tasks are stored. */
#define SUITE_STAGES 5
int suite_stop_stage(const char *process);

char *suite_encode(const struct suite *suite); /* malloc'd text */
/* NULL with ERR_CORRUPT. Processes that are not known are left out. */
struct suite *suite_decode(const char *text, size_t len, struct err *err);
char *suite_gateway_url(const struct suite *suite);
/* A URL for people: "redis://:***@host". malloc'd. */
char *suite_shown_url(const char *url);
char *suite_log_path(const struct suite *suite, const char *process);

/* How long to wait before a dead process is started again: 100 ms, doubling to
 * 5 s; from the beginning again when it had lived for 10 s. */
int64_t suite_backoff_ms(int64_t previous_ms, int64_t alive_ms);

/* "A=1" entries (NULL at the end) as JSON, for planner.env; and back. */
char *suite_encode_env(const char *const *env);
/* NULL with ERR_CORRUPT; free with suite_free_env. */
char **suite_decode_env(const char *text, size_t len, struct err *err);
void suite_free_env(char ***env);

#endif
