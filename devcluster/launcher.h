/* SPDX-License-Identifier: Apache-2.0 */
/* launcher - how an agent starts, finds and signals containers and runs checks
 *
 * A table of functions, so that an agent can also be had without processes.
 * Containers are named by their ids; a call for one that is not known is
 * ignored. Events may come from within a call.
 */
#ifndef REEVE_DEVCLUSTER_LAUNCHER_H
#define REEVE_DEVCLUSTER_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "devcluster/agent_core.h"

struct launcher;
struct loop;

struct launcher_events {
    /* The command runs; at most once per container. */
    void (*started)(void *self, const char *container, int64_t pid);
    /* The last word on a container. */
    void (*ended)(void *self, const char *container,
                  const struct agent_end *end);
    /* After adopt: nothing was ever started there; not known any more. */
    void (*absent)(void *self, const char *container);
    void (*checked)(void *self, const struct agent_check_result *result);
};

struct launcher_config {
    struct loop *loop;
    const char *shim_program; /* NULL: /proc/self/exe */
    bool no_files;            /* simulated only: nothing is kept */
    const char *schedule;     /* simulated only: of tasks that say nothing */
    const struct launcher_events *events;
    void *self; /* of the events */
};

struct launcher_ops {
    struct launcher *(*open)(const struct launcher_config *config,
                             struct err *err);
    /* Containers live on; checks end without a result. */
    void (*close)(struct launcher **launcher);
    /* Said twice for one container it starts once. */
    void (*start)(struct launcher *launcher,
                  const Reeve__Devagent__ContainerSpec *spec);
    /* Looks for one started by an earlier process, and reports how it stands.
     */
    void (*adopt)(struct launcher *launcher, const char *container,
                  const char *meta_dir);
    /* whole: all its processes, else the command alone.  What comes before the
     * command runs is lost, but for SIGKILL. */
    void (*signal)(struct launcher *launcher, const char *container, int signo,
                   bool whole);
    /* One at a time per container and kind; answered once, unless stopped. */
    void (*check)(struct launcher *launcher,
                  const Reeve__Devagent__CheckRun *run);
    void (*check_stop)(struct launcher *launcher, const char *container,
                       bool health);
};

/* Real processes, by shims (container_files.h). */
extern const struct launcher_ops launcher_processes;
/* None at all; see the head of launcher_simulated.c. */
extern const struct launcher_ops launcher_simulated;

#endif
