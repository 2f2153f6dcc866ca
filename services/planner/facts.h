/* SPDX-License-Identifier: Apache-2.0 */
/* facts - what the store says about one service, parsed and indexed
 *
 * A view of the replica and nothing more: every field comes from a record, so
 * two processes that read the same revision hold equal facts.  Pure.
 *
 * A record that does not parse makes the service `damaged`: to take it for
 * absent could start a second instance of a task, so nothing is decided until
 * the record is whole again.
 */
#ifndef REEVE_PLANNER_FACTS_H
#define REEVE_PLANNER_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "proto/records.pb-c.h"

struct err;
struct pack;
struct packed;
struct wire_pool;

/* Texts of stored properties (raw bytes). */
struct fact_property {
    char *name;
    char *text; /* NUL-terminated copy of the bytes */
    uint64_t revision;
    UT_hash_handle hh;
};
struct fact_config {
    char *id;
    Reeve__Config *config;
    uint64_t revision;
    char spec_digest[65];    /* of the spec without its warnings */
    char (*pod_digests)[65]; /* one for each of spec->pods */
    UT_hash_handle hh;
};
struct fact_plan {
    char *name;
    Reeve__Plan *plan;
    uint64_t revision;
    UT_hash_handle hh;
};
struct fact_pod;
struct fact_demand {
    char *id;
    Reeve__Demand *demand;
    uint64_t revision;
    struct fact_pod *pod;
    UT_hash_handle hh;
};
struct fact_kill {
    char *task_id;
    Reeve__KillOrder *order;
    uint64_t revision;
    UT_hash_handle hh;
};
struct fact_task {
    char *name; /* "hello-0-server" */
    /* NULL: only a status is stored.  Without what was sent to Mesos: whoever
     * writes it again begins with fact_task_record(). */
    Reeve__TaskRecord *info;
    struct packed *whole;            /* the record of info, as stored */
    Reeve__TaskStatusRecord *status; /* NULL: only the record is stored */
    uint64_t info_revision;
    uint64_t status_revision;
    struct fact_pod *pod; /* of info */
    UT_hash_handle hh;
};
/* A ROOT volume that exists. */
struct fact_volume {
    char *owner; /* resource set id, or that of pod volumes */
    char *path;
    int64_t milli; /* MiB in thousandths */
};
/* All that is known of a pod instance; kept, maybe empty, once heard of. */
struct fact_pod {
    char *instance; /* "data-0" */
    struct fact_task **tasks;
    size_t n_tasks;
    struct fact_demand **demands;
    size_t n_demands;
    Reeve__Outcome *outcome; /* NULL: none */
    bool has_record;         /* reservations or volumes are recorded */
    struct fact_volume *volumes;
    size_t n_volumes;
    UT_hash_handle hh;
};
struct fact_damage {
    char *path;
    UT_hash_handle hh;
};

struct facts {
    char *svc;
    Reeve__Target *target; /* NULL: none */
    uint64_t target_revision;
    /* uthash tables, in order of arrival */
    struct fact_config *configs;
    struct fact_plan *plans;
    struct fact_demand *demands;
    struct fact_kill *kills;
    struct fact_task *tasks;
    struct fact_pod *pods;
    struct fact_property *properties;
    struct fact_damage *damaged;
    struct wire_pool *pool; /* plans, demands, tasks */
    struct pack *pack;      /* of whole records */
};

struct facts *facts_new(const char *svc);
void facts_destroy(struct facts **facts);

/* One key of the store: path is what follows "service/<svc>/", value NULL =
 * deleted.  Paths of records that the planner does not read are ignored.
 * Returns -1 with ERR_CORRUPT when the value is not what the path promises. */
int facts_apply(struct facts *facts, const char *path, const void *value,
                size_t len, uint64_t revision, struct err *err);

/* Splits "service/<svc>/<path>"; *svc is malloc'd, the path borrowed.  NULL
 * when the key is no such thing. */
const char *facts_split_key(const char *key, char **svc);

/* "service/<svc>/<kind>/<name>", malloc'd; name NULL: without the last part. */
char *facts_key(const struct facts *facts, const char *kind, const char *name);
char *facts_task_key(const struct facts *facts, const char *task_name,
                     const char *part);

/* ---- looking things up; NULL: not there ------------------------------------
 */
const struct fact_config *facts_config(const struct facts *facts,
                                       const char *id);
/* Of the target; NULL also when its configuration is missing. */
const struct fact_config *facts_target_config(const struct facts *facts);
const struct fact_plan *facts_plan(const struct facts *facts, const char *name);
const struct fact_task *facts_task(const struct facts *facts, const char *name);
const struct fact_demand *facts_demand(const struct facts *facts,
                                       const char *id);
const struct fact_kill *facts_kill(const struct facts *facts,
                                   const char *task_id);
const struct fact_property *facts_property(const struct facts *facts,
                                           const char *name);
const struct fact_pod *facts_pod(const struct facts *facts, const char *type,
                                 uint32_t index);
/* The whole record of a task that has one, as stored; the caller's. */
Reeve__TaskRecord *fact_task_record(const struct fact_task *task);
/* pod may be NULL. */
const struct fact_task *fact_pod_task(const struct fact_pod *pod,
                                      const char *short_name);

/* Digest of a pod type in a configuration; NULL: no such pod. */
const char *fact_config_pod_digest(const struct fact_config *config,
                                   const char *type);
/* Digest of a whole specification but its warnings. */
void facts_spec_digest(const Reeve__ServiceSpec *spec, char out[65]);

/* Does the demand launch that task? */
bool demand_has_task(const Reeve__Demand *demand, const char *short_name);
/* A recorded task that may still have a process. */
bool fact_task_is_alive(const struct fact_task *task);
/* Mesos's number of the last state; -1 when there is no status of this very
 * task id. */
int fact_task_state(const struct fact_task *task);

#endif
