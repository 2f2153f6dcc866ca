/* SPDX-License-Identifier: Apache-2.0 */
/* preflight - what must hold before a suite is started
 *
 * Each check gives an exit code and a text that says what to do, and changes
 * nothing but the run dir's own folders.
 */
#ifndef REEVE_CLI_PREFLIGHT_H
#define REEVE_CLI_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Makes the run dir with its folders and its mark; *absolute is malloc'd.
 * EXIT_OK, EXIT_UNWRITABLE, or EXIT_IN_USE when the folder holds other
 * people's files. */
int preflight_run_dir(const char *path, char **absolute, struct err *err);
/* Whether a folder carries our mark. */
bool preflight_is_run_dir(const char *path);

/* The lock of a run dir: *fd >= 0 we have it, -1 a supervisor has it. */
int preflight_lock(const char *run_dir, int *fd, struct err *err);

/* The folder of this executable; all programs of the suite must be there. */
int preflight_programs(char **bin_dir, bool want_devcluster, struct err *err);
/* The path of redis-server; malloc'd. */
int preflight_redis_server(char **path, struct err *err);

/* Whether one of the comma-separated masters answers GET /health; of zk://…:
 * whether one of the ZooKeepers can be connected to. */
int preflight_master(const char *urls, struct err *err);
/* Whether a Redis answers PING; redis://[:password@]host:port[/db]. */
int preflight_redis(const char *url, struct err *err);

/* EXIT_FAILED: the devcluster of this run dir holds volumes, but both copies
 * of the records that say whose they are are gone.  Another suite over them
 * would put new, empty volumes beside the old ones. */
int preflight_records(const char *run_dir, struct err *err);

/* EXIT_OK or EXIT_IN_USE. */
int preflight_port(int port, struct err *err);
bool preflight_port_is_free(int port);
/* A port that nobody listens on now and, where that can be had, that no
 * connection is given before somebody does; none of the n taken ones.  0: there
 * is none. */
int preflight_free_port(const int *taken, size_t n);

#endif
