/* SPDX-License-Identifier: Apache-2.0 */
/* agent_world - a real agent with real processes in a temporary folder, and a
 * master that acknowledges and writes down what it is told
 *
 * A test ends with world_finish: tasks are shut down and waited for, so that
 * nothing is left running.
 */
#ifndef REEVE_TESTS_AGENT_WORLD_H
#define REEVE_TESTS_AGENT_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devcluster/agent.h"
#include "lib/base/buf.h"

struct loop;

#define PATIENCE_MS 20000

struct world {
    char dir[64];
    struct loop *loop;
    struct agent *agent;
    struct agent_config config;
    struct buf log; /* "t1 TASK_RUNNING\n" … */
    bool hold_acks;
    char *message; /* of the last terminal update */
    int64_t pid;   /* of the last RUNNING update */
    int64_t t1_pid;
    int operations;
    size_t n_checkpointed;
    struct buf registered; /* tasks of the last Register */
};

/* A ToAgent as JSON; ' stands for ". */
void world_tell(struct world *w, const char *text);
void world_start_agent(struct world *w);
bool world_has(const struct world *w, const char *text);
/* Until the log holds the text; fails when that takes too long. */
void world_wait_for(struct world *w, const char *text);
void world_wait_registered(struct world *w);
void world_begin(struct world *w);
/* As kill -9 of the agent's process, as far as its tasks can tell. */
void world_restart(struct world *w);
void world_finish(struct world *w);
/* A pod "e1" of framework F1. */
void world_launch(struct world *w, const char *tasks);
void world_kill(struct world *w, const char *id);
/* For agent_find_task: self is a char **. */
void world_keep_sandbox(void *self, const struct agent_task_view *view);
/* A file of the task's sandbox; malloc'd, NULL when not there. */
char *world_read(struct world *w, const char *task, const char *name);
bool world_lives(int64_t pid);
void world_wait_dead(struct world *w, int64_t pid);

#define FRAMEWORK                                                              \
    "'framework':{'user':'root','name':'f','id':{'value':'F1'},"               \
    "'checkpoint':true,'capabilities':[{'type':'TASK_KILLING_STATE'},"         \
    "{'type':'PARTITION_AWARE'}]}"
#define EXECUTOR "'executor':{'executor_id':{'value':'e1'},'type':'DEFAULT'}"
#define TASK(id, command, more)                                                \
    "{'name':'" id "','task_id':{'value':'" id                                 \
    "'},'agent_id':{'value':'A1'},'resources':[{'name':'cpus','type':"         \
    "'SCALAR','scalar':{'value':0.1},'allocation_info':{'role':'r'}}],"        \
    "'command':{'value':'" command "'}" more "}"

/* The file's text, once it is the one wanted or patience is over: a task that
 * runs may not have come to its first write yet. */
char *world_read_until(struct world *w, const char *task, const char *name,
                       const char *want);

#define EXPECT_FILE(w, task, name, want)                                       \
    do {                                                                       \
        AUTO_FREE char *got_ = world_read_until(w, task, name, want);          \
        cr_expect_str_eq(str_or_empty(got_), want, "%s of %s: %s", name, task, \
                         str_or_empty(got_));                                  \
    } while (0)

#endif
