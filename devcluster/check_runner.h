/* SPDX-License-Identifier: Apache-2.0 */
/* check_runner - carries out single checks: a command, an HTTP GET, a connect
 *
 * Knows nothing of intervals and what a result means.  Commands are children of
 * this process and die with it.
 */
#ifndef REEVE_DEVCLUSTER_CHECK_RUNNER_H
#define REEVE_DEVCLUSTER_CHECK_RUNNER_H

#include <stdbool.h>

#include "devcluster/agent_core.h"

struct check_runner;
struct loop;

struct check_runner *check_runner_new(
    struct loop *loop,
    void (*done)(void *self, const struct agent_check_result *result),
    void *self);
/* Ends all without a result. */
void check_runner_destroy(struct check_runner **runner);
/* done is called later, once, never from inside.  One that is under way for the
 * same container and kind is stopped first. */
void check_runner_start(struct check_runner *runner,
                        const Reeve__Devagent__CheckRun *run);
void check_runner_stop(struct check_runner *runner, const char *container,
                       bool health);

#endif
