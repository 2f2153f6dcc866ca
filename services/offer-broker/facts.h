/* SPDX-License-Identifier: Apache-2.0 */
/* facts - the stored records of one service, decoded
 *
 * Fed with (key, value, revision) from the replica and, a moment earlier, from
 * our own committed transactions: so that what we wrote is known before Mesos
 * can answer to it.  A revision of a key that is known already changes nothing.
 * A value that does not parse is kept out and counted; nothing here decides.
 * Pure.
 */
#ifndef REEVE_OFFER_BROKER_FACTS_H
#define REEVE_OFFER_BROKER_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/records.pb-c.h"

struct err;
struct facts;

/* service: the key part, "data-store". */
struct facts *facts_new(const char *service);
void facts_destroy(struct facts **facts);
const char *facts_service(const struct facts *facts);

/* key: the whole key "service/<svc>/…".  value NULL: deleted.  Keys that the
 * broker does not use are ignored.  -1 with ERR_CORRUPT when the value does not
 * parse (the former value is dropped). */
int facts_apply(struct facts *facts, const char *key, const void *value,
                size_t len, uint64_t revision, struct err *err);

/* Everything below is borrowed until the next facts_apply. */
const Reeve__Target *facts_target(const struct facts *facts);
/* NULL: unknown id. */
const Reeve__Config *facts_config(const struct facts *facts, const char *id);
/* The target's configuration; NULL while it is not there. */
const Reeve__Config *facts_target_config(const struct facts *facts);
const Reeve__Framework *facts_framework(const struct facts *facts,
                                        uint64_t *revision);

/* One of many: id is what follows the kind in the key. */
struct fact {
    const char *id; /* demand id, task id, pod instance, task name */
    const ProtobufCMessage *message;
    uint64_t revision;
};

/* Without what was sent to Mesos and came from there (task_info, executor_info,
 * task_status are set but empty): see facts_task_record. */
struct fact_task {
    const char *name; /* "data-0" */
    const Reeve__TaskRecord *info;
    const Reeve__TaskStatusRecord *status; /* NULL: none */
    uint64_t info_revision;
    uint64_t status_revision; /* 0: absent */
};

const Reeve__Demand *facts_demand(const struct facts *facts, const char *id,
                                  uint64_t *revision);
const Reeve__KillOrder *facts_kill(const struct facts *facts,
                                   const char *task_id, uint64_t *revision);
const Reeve__PodRecord *facts_pod(const struct facts *facts,
                                  const char *instance, uint64_t *revision);
const Reeve__Outcome *facts_outcome(const struct facts *facts,
                                    const char *instance, uint64_t *revision);
const Reeve__ReleaseOrder *facts_release(const struct facts *facts,
                                         const char *resource_id,
                                         uint64_t *revision);
const Reeve__AgentNote *facts_agent(const struct facts *facts,
                                    const char *agent_id, uint64_t *revision);
/* false: no such task; info may be NULL when only a status is there. */
bool facts_task(const struct facts *facts, const char *name,
                struct fact_task *out);
/* The whole record as stored, the caller's; NULL: none. */
Reeve__TaskRecord *facts_task_record(const struct facts *facts,
                                     const char *name);
/* The task whose current launch has this id. */
bool facts_task_by_id(const struct facts *facts, const char *task_id,
                      struct fact_task *out);
size_t facts_demand_count(const struct facts *facts);

void facts_each_demand(const struct facts *facts,
                       void (*fn)(void *self, const struct fact *fact),
                       void *self);
void facts_each_kill(const struct facts *facts,
                     void (*fn)(void *self, const struct fact *fact),
                     void *self);
void facts_each_pod(const struct facts *facts,
                    void (*fn)(void *self, const struct fact *fact),
                    void *self);
void facts_each_outcome(const struct facts *facts,
                        void (*fn)(void *self, const struct fact *fact),
                        void *self);
void facts_each_release(const struct facts *facts,
                        void (*fn)(void *self, const struct fact *fact),
                        void *self);
void facts_each_agent(const struct facts *facts,
                      void (*fn)(void *self, const struct fact *fact),
                      void *self);
void facts_each_task(const struct facts *facts,
                     void (*fn)(void *self, const struct fact_task *task),
                     void *self);
/* The tasks of one pod instance, without a look at all others. */
void facts_each_task_of(const struct facts *facts, const char *instance,
                        void (*fn)(void *self, const struct fact_task *task),
                        void *self);

/* Is told each change of a pod's record, while both are there: NULL for one
 * that was not there before, or is not any more. */
void facts_watch_pods(struct facts *facts,
                      void (*fn)(void *self, const char *instance,
                                 const Reeve__PodRecord *before,
                                 const Reeve__PodRecord *after),
                      void *self);

/* The same for orders to release a resource: is it there now? */
void facts_watch_releases(struct facts *facts,
                          void (*fn)(void *self, const char *resource_id,
                                     bool is_ordered),
                          void *self);

/* ---- keys; malloc'd ----------------------------------------------- */
char *facts_key(const struct facts *facts, const char *rest);
char *facts_key_task_info(const struct facts *facts, const char *name);
char *facts_key_task_status(const struct facts *facts, const char *name);
char *facts_key_demand(const struct facts *facts, const char *id);
char *facts_key_kill(const struct facts *facts, const char *task_id);
char *facts_key_pod(const struct facts *facts, const char *instance);
char *facts_key_outcome(const struct facts *facts, const char *instance);
char *facts_key_release(const struct facts *facts, const char *resource_id);
char *facts_key_agent(const struct facts *facts, const char *agent_id);

/* The <svc> of "service/<svc>/rest", malloc'd; NULL when the key is not of that
 * form. */
char *facts_service_of_key(const char *key);

#endif
