/* SPDX-License-Identifier: Apache-2.0 */
/* agent_harness - an agent core with a made-up clock, uuids and launcher
 *
 * Messages to it are written as JSON; what it wants done is gathered as text,
 * one line an action, and compared as such.
 */
#ifndef REEVE_TESTS_AGENT_HARNESS_H
#define REEVE_TESTS_AGENT_HARNESS_H

#include "devcluster/agent_core.h"
#include "lib/base/buf.h"

struct harness {
    struct agent_core *core;
    struct agent_now now;
    struct buf log; /* actions since the last harness_log */
    uint8_t next_uuid;
    /* Last forwarded update and operation status, for acknowledging. */
    Mesos__V1__TaskStatus *updates[64];
    size_t n_updates;
    Reeve__Devcluster__ToMaster *last_message; /* of any kind */
    Reeve__Devcluster__ToMaster__Register *registration;
    Reeve__Devagent__ContainerSpec *specs[64];
    size_t n_specs;
    Reeve__Devagent__ExecutorRun *saved[16]; /* newest of each run */
    size_t n_saved;
    Reeve__Devagent__AgentResources *resources; /* newest saved */
    Reeve__Devcluster__ToMaster__OperationUpdate *operation;
    Reeve__Devagent__CheckRun *check;
    bool auto_ack;
};

/* Linked and registered as agent "A1" with cpus 4, mem 4096, disk 10240. */
void harness_start(struct harness *h);
/* Neither; for recovery. */
void harness_new(struct harness *h);
void harness_stop(struct harness *h);
/* Link, Registered answer, and the log emptied. */
void harness_register(struct harness *h);

/* A ToAgent as JSON; ' stands for ". */
void harness_tell(struct harness *h, const char *json);
/* A pod "EXECUTOR" of framework F1 with the tasks given as JSON, each without
 * name, agent_id and resources when it does not say. */
void harness_pod(struct harness *h, const char *executor, const char *tasks);
/* fields: more of ExecutorInfo, with a comma in front. */
void harness_pod_with(struct harness *h, const char *executor,
                      const char *fields, const char *tasks);
void harness_command(struct harness *h, const char *task);
/* Time passes, in steps as things fall due. */
void harness_pass(struct harness *h, int64_t ms);
/* Carries out (logs) what is wanted. */
void harness_drain(struct harness *h);

/* What the launcher would say. */
void harness_started(struct harness *h, const char *task);
void harness_exited(struct harness *h, const char *task, int wait_status);
void harness_ended(struct harness *h, const char *task,
                   const struct agent_end *end);
void harness_checked(struct harness *h, const char *task,
                     struct agent_check_result result);
/* Acknowledges the last update forwarded for the task. */
void harness_ack(struct harness *h, const char *task);
const Mesos__V1__TaskStatus *harness_update(struct harness *h,
                                            const char *task);
const Reeve__Devagent__ContainerSpec *harness_spec(struct harness *h,
                                                   const char *task);
/* The text since the last call, then empty; good until the next one. */
const char *harness_log(struct harness *h);

/* Restarts: a new core from what the old one saved. */
void harness_restart(struct harness *h);

#define EXPECT_LOG(h, text)                                                    \
    do {                                                                       \
        const char *log_ = harness_log(h);                                     \
        cr_expect_str_eq(log_, text, "got:\n%s", log_);                        \
    } while (0)

#endif
