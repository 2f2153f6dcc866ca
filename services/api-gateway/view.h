/* SPDX-License-Identifier: Apache-2.0 */
/* view - one service's facts as the API needs them; pure
 *
 * Reads through a source (the replica, or a table in tests) and decodes what
 * is asked for.  Keeps nothing: what it returns is the caller's.
 */
#ifndef REEVE_API_GATEWAY_VIEW_H
#define REEVE_API_GATEWAY_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/bus/replica.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"

struct err;

struct view_source {
    void *self;
    bool (*get)(void *self, const char *key, struct replica_item *out);
    /* In key order. */
    void (*each)(void *self, const char *prefix,
                 void (*fn)(void *arg, const struct replica_item *item),
                 void *arg);
};

struct view {
    struct view_source source;
    const char *service; /* key part, e.g. "data-store" or "a__b" */
};

/* Finds which service is meant.  wanted: a key part or a name with '.' or '/'
 * between its parts; NULL: the only one there is.  Returns malloc'd text, or
 * NULL with ERR_NOT_FOUND (none, or unknown) or ERR_CONFLICT (several). */
char *view_pick_service(const struct view_source *source, const char *wanted,
                        struct err *err);

/* NULL when absent or undecodable; free with wire_free or AUTO_MESSAGE. */
Reeve__Target *view_target(const struct view *view);
Reeve__Config *view_config(const struct view *view, const char *id);
Reeve__Framework *view_framework(const struct view *view);
Reeve__Plan *view_plan(const struct view *view, const char *name);

/* All plans in the order of GET /v1/plans. */
struct view_plans {
    Reeve__Plan **items;
    size_t n;
};
struct view_plans view_plans(const struct view *view);
void view_plans_free(struct view_plans *plans);
#define AUTO_PLANS __attribute__((cleanup(view_plans_free)))

struct view_task {
    Reeve__TaskRecord *record;       /* never NULL */
    Reeve__TaskStatusRecord *status; /* of the same task id, or NULL */
};
struct view_tasks {
    struct view_task *items; /* by task name */
    size_t n;
};
/* pod_instance NULL: all. */
struct view_tasks view_tasks(const struct view *view, const char *pod_instance);
/* One task by its name; n is 0 or 1. */
struct view_tasks view_task(const struct view *view, const char *task_name);
void view_tasks_free(struct view_tasks *tasks);
#define AUTO_TASKS __attribute__((cleanup(view_tasks_free)))

/* The TaskInfo as launched, or NULL. */
Mesos__V1__TaskInfo *view_task_info(const struct view_task *task);
Mesos__V1__TaskStatus *view_task_status(const struct view_task *task);

/* The template of a task, in the configuration; NULL: *what got the kind of
 * what is missing ("Pod"), and *name its name.  A pod's inline task goes by
 * any name. */
const Reeve__ConfigTemplate *view_template(const Reeve__Config *config,
                                           const char *const path[3],
                                           const char **what,
                                           const char **name);

/* Calls fn with the last part of every key below service/<svc>/<folder>/. */
void view_each_name(const struct view *view, const char *folder,
                    void (*fn)(void *arg, const char *name), void *arg);
/* A property's bytes: false when absent. */
bool view_property(const struct view *view, const char *key,
                   struct replica_item *out);

#endif
