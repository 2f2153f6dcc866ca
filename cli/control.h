/* SPDX-License-Identifier: Apache-2.0 */
/* control - how `reeve` talks to the supervisor of a run dir
 *
 * A unix stream socket <run-dir>/control.sock; one line of JSON asks, one line
 * answers:  {"cmd": "status"}  {"cmd": "reload", "spec": "/x/svc.yml"}
 * {"cmd": "down"}.  Answers carry "ok" and, when false, "error".
 */
#ifndef REEVE_CLI_CONTROL_H
#define REEVE_CLI_CONTROL_H

#include <jansson.h>
#include <stdint.h>

struct err;

/* The listening socket, or -1. */
int control_listen(const char *run_dir, struct err *err);
/* Takes the request (a new reference).  The answer, or NULL: ERR_NOT_FOUND when
 * nobody listens, else what went wrong, the supervisor's own error included. */
json_t *control_call(const char *run_dir, json_t *request, int64_t timeout_ms,
                     struct err *err);

/* Has the suite stopped, and waits until its supervisor is gone.  *n (may be
 * NULL): how many processes were stopped. */
int control_down(const char *run_dir, int *n, struct err *err);

#endif
