/* SPDX-License-Identifier: Apache-2.0 */
/* agent_store - an agent's work directory: its lock, checkpoints and volumes
 *
 *   meta/lock                       held while an agent uses the directory
 *   meta/slaves/latest -> A         id of the agent
 *   meta/slaves/A/slave.info        AgentInfo with that id
 *   meta/resources/resources.info   AgentResources
 *   meta/slaves/A/frameworks/F/executors/E/runs/C/executor.run   ExecutorRun
 *   meta/slaves/A/frameworks/F/executors/E/runs/C/containers/N/ container_files
 *   slaves/A/frameworks/F/executors/E/runs/C/                    sandboxes
 *   volumes/roles/ROLE/ID/                                       volumes
 *
 * All files are protobuf.  Reservations and volumes are synced to the disk; an
 * executor's run has to outlive processes only, since the host's end is its own
 * end too.  Sandboxes are never removed.
 */
#ifndef REEVE_DEVCLUSTER_AGENT_STORE_H
#define REEVE_DEVCLUSTER_AGENT_STORE_H

#include <stdbool.h>

#include "proto/devagent.pb-c.h"

struct agent_store;
struct err;

/* ERR_EXISTS: another agent uses it. */
struct agent_store *agent_store_open(const char *work_dir, struct err *err);
void agent_store_close(struct agent_store **store);
/* Absolute, symlinks resolved. */
const char *agent_store_dir(const struct agent_store *store);

/* ---- reading, at start ------------------------------------------------ */
/* malloc'd; NULL: none. */
char *agent_store_load_id(struct agent_store *store);
/* NULL with ERR_NOT_FOUND (none) or another error. */
Reeve__Devagent__AgentResources *
agent_store_load_resources(struct agent_store *store, struct err *err);
/* fn gets each run that can be read; returns how many could not. */
int agent_store_each_run(struct agent_store *store,
                         void (*fn)(void *self,
                                    const Reeve__Devagent__ExecutorRun *run),
                         void *self);

/* ---- writing ---------------------------------------------------------- */
int agent_store_save_id(struct agent_store *store, const char *agent_id,
                        const Mesos__V1__AgentInfo *info, struct err *err);
void agent_store_forget_id(struct agent_store *store);
int agent_store_save_resources(struct agent_store *store,
                               const Reeve__Devagent__AgentResources *resources,
                               struct err *err);
int agent_store_save_run(struct agent_store *store,
                         const Reeve__Devagent__ExecutorRun *run,
                         struct err *err);
/* Also the folders above it that became empty. */
void agent_store_drop_run(struct agent_store *store,
                          const Reeve__Devagent__ExecutorRun *run);
/* An existing folder is adopted as it is. */
int agent_store_make_volume(struct agent_store *store, const char *dir,
                            struct err *err);
int agent_store_remove_volume(struct agent_store *store, const char *dir,
                              bool keep_dir, struct err *err);

#endif
