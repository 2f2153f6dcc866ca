/* SPDX-License-Identifier: Apache-2.0 */
/* rollout - compares what the store holds with what was asked for */
#include "cli/rollout.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/bus/bus.h"
#include "lib/mesos/states.h"
#include "lib/wire/wire.h"
#include "proto/bus.pb-c.h"
#include "proto/records.pb-c.h"
#include "proto/store.pb-c.h"

#define ASK_MS 1000
/* A planner that starts reports the refusal of its predecessor until it has
 * looked itself. */
#define REFUSED_FOR_MS 3000
/* A task that has run for so long is believed, whatever it did before; as the
 * planner forgets quick failures then. */
#define LONGEST_SETTLE_MS 60000

static int ask(const struct rollout *r, const char *service, const char *route,
               const ProtobufCMessage *request, struct buf *out)
{
    char endpoint[PATH_MAX];
    uint8_t *body = NULL;
    size_t len;

    if (bus_endpoint(r->run_dir, service, endpoint, sizeof(endpoint), NULL) < 0)
        return -1;
    if (bus_call_once(endpoint, "reeve", route, request, ASK_MS, &body, &len,
                      NULL) < 0)
        return -1;
    buf_add(out, body, len);
    free(body);
    return 0;
}

/* ---- the planner ---- */

static const Reeve__HealthCheckResult *
find_check(const Reeve__HealthReply *health, const char *name)
{
    for (size_t i = 0; i < health->n_checks; i++)
        if (str_eq(health->checks[i]->name, name))
            return health->checks[i];
    return NULL;
}

/* Whether the planner that was asked to end is gone and another one answers;
 * *refusal (malloc'd) when it refuses the specification. */
static bool planner_answers(const struct rollout *r, char **refusal)
{
    AUTO_BUF struct buf bytes = {0};
    Reeve__HealthRequest request = REEVE__HEALTH_REQUEST__INIT;

    if (ask(r, "planner", "service.health", &request.base, &bytes) < 0)
        return false;
    AUTO_MESSAGE Reeve__HealthReply *health =
        WIRE_DECODE(reeve__health_reply, bytes.data, bytes.len, NULL);
    if (!health || health->pid == r->old_planner)
        return false;
    const Reeve__HealthCheckResult *spec = find_check(health, "spec");
    if (spec && !spec->ok)
        *refusal = xstrdup(str_or_empty(spec->text));
    return true;
}

/* ---- the store ---- */

static Reeve__SnapshotReply *get(const struct rollout *r, char **keys,
                                 size_t n_keys)
{
    AUTO_BUF struct buf bytes = {0};
    Reeve__GetRequest request = REEVE__GET_REQUEST__INIT;

    request.keys = keys;
    request.n_keys = n_keys;
    if (ask(r, "state-store", "store.get", &request.base, &bytes) < 0)
        return NULL;
    return WIRE_DECODE(reeve__snapshot_reply, bytes.data, bytes.len, NULL);
}

static const Reeve__Item *find_item(const Reeve__SnapshotReply *reply,
                                    const char *key)
{
    for (size_t i = 0; reply && i < reply->n_items; i++)
        if (str_eq(reply->items[i]->key, key) && reply->items[i]->has_value)
            return reply->items[i];
    return NULL;
}

#define DECODE(prefix, item)                                                   \
    ((item) ? WIRE_DECODE(prefix, (item)->value.data, (item)->value.len, NULL) \
            : NULL)

static void encode_bare(const Reeve__ServiceSpec *spec, struct buf *out)
{
    Reeve__ServiceSpec bare = *spec; /* shallow: nothing is freed */

    bare.n_warnings = 0;
    bare.warnings = NULL;
    wire_encode(&bare.base, out);
}

/* Warnings name files and lines: they are no part of what is asked for. */
static bool same_spec(const Reeve__ServiceSpec *a, const Reeve__ServiceSpec *b)
{
    AUTO_BUF struct buf x = {0}, y = {0};

    encode_bare(a, &x);
    encode_bare(b, &y);
    return x.len == y.len && memcmp(buf_text(&x), buf_text(&y), x.len) == 0;
}

static bool config_is_ours(const struct rollout *r, const char *svc,
                           const char *config_id)
{
    AUTO_FREE char *key = xasprintf("service/%s/config/%s", svc, config_id);
    AUTO_MESSAGE Reeve__SnapshotReply *reply = get(r, (char *[]){key}, 1);
    AUTO_MESSAGE Reeve__Config *config =
        DECODE(reeve__config, find_item(reply, key));

    return config && config->spec && same_spec(config->spec, r->spec);
}

/* ---- tasks ---- */

static Reeve__SnapshotReply *snapshot(const struct rollout *r,
                                      const char *prefix)
{
    AUTO_BUF struct buf bytes = {0};
    Reeve__SnapshotRequest request = REEVE__SNAPSHOT_REQUEST__INIT;

    request.prefix = (char *)(uintptr_t)prefix;
    if (ask(r, "state-store", "store.snapshot", &request.base, &bytes) < 0)
        return NULL;
    return WIRE_DECODE(reeve__snapshot_reply, bytes.data, bytes.len, NULL);
}

static Reeve__TaskStatusRecord *status_of(const Reeve__SnapshotReply *reply,
                                          const char *info_key)
{
    size_t len = strlen(info_key) - strlen("info");
    AUTO_FREE char *key = xasprintf("%.*sstatus", (int)len, info_key);

    return DECODE(reeve__task_status_record, find_item(reply, key));
}

/* Is it of an instance that the specification wants, and meant to stay up? */
static bool should_run(const struct rollout *r, const Reeve__TaskRecord *task)
{
    const Reeve__PodSpec *pod =
        spec_find_pod(r->spec, str_or_empty(task->pod_type));

    return pod && task->pod_index < pod->count &&
           spec_find_task(pod, str_or_empty(task->short_name)) &&
           task->goal == REEVE__GOAL__GOAL_RUNNING;
}

/* Quick failures of a task before its present launch, as the planner keeps
 * them: "<failures> <task id>". */
static unsigned failures_of(const Reeve__SnapshotReply *backoffs,
                            const char *svc, const char *task)
{
    AUTO_FREE char *key =
        xasprintf("service/%s/property/backoff-%s", svc, task);
    const Reeve__Item *item = find_item(backoffs, key);
    char text[16];

    if (!item)
        return 0;
    snprintf(text, sizeof text, "%.*s", (int)MIN(item->value.len, 12u),
             (const char *)item->value.data);
    unsigned long n = strtoul(text, NULL, 10);
    return n > 1000 ? 1000 : (unsigned)n;
}

/* What is looked at to find tasks that are down. */
struct tasks_seen {
    const char *svc;
    const Reeve__SnapshotReply *tasks, *backoffs;
};

static void judge_task(struct rollout *r, const struct tasks_seen *seen,
                       const Reeve__Item *item)
{
    if (!item->has_value || !str_ends(str_or_empty(item->key), "/info"))
        return;
    AUTO_MESSAGE Reeve__TaskRecord *task = DECODE(reeve__task_record, item);
    AUTO_MESSAGE Reeve__TaskStatusRecord *status =
        status_of(seen->tasks, item->key);

    if (!task || !should_run(r, task))
        return;
    unsigned failures =
        failures_of(seen->backoffs, seen->svc, str_or_empty(task->name));
    bool runs = status && str_eq(status->task_id, task->task_id) &&
                status->state == MESOS__V1__TASK_STATE__TASK_RUNNING;
    int64_t wanted_ms =
        MIN(r->settle_ms * (1 + (int64_t)failures), (int64_t)LONGEST_SETTLE_MS);
    if (runs && clock_wall_ms() - status->stored_wall_ms >= wanted_ms)
        return;
    r->was_up = runs || failures;
    snprintf(r->down, sizeof(r->down), "%s", str_or_empty(task->name));
    if (failures)
        snprintf(r->down + strlen(r->down), sizeof(r->down) - strlen(r->down),
                 ", which failed %u times in a row,", failures);
}

static void find_down(struct rollout *r, const char *svc)
{
    AUTO_FREE char *task_prefix = xasprintf("service/%s/task/", svc);
    AUTO_FREE char *backoff_prefix =
        xasprintf("service/%s/property/backoff-", svc);
    AUTO_MESSAGE Reeve__SnapshotReply *tasks = snapshot(r, task_prefix);
    AUTO_MESSAGE Reeve__SnapshotReply *backoffs = snapshot(r, backoff_prefix);
    struct tasks_seen seen = {svc, tasks, backoffs};

    r->was_up = false;
    snprintf(r->down, sizeof(r->down), "%s", tasks ? "" : "all, maybe");
    for (size_t i = 0; tasks && i < tasks->n_items && !*r->down; i++)
        judge_task(r, &seen, tasks->items[i]);
}

int rollout_live_tasks(const char *run_dir)
{
    const struct rollout r = {.run_dir = run_dir};
    AUTO_MESSAGE Reeve__SnapshotReply *reply = snapshot(&r, "service/");
    int n = 0;

    for (size_t i = 0; reply && i < reply->n_items; i++) {
        const Reeve__Item *item = reply->items[i];
        if (!strstr(str_or_empty(item->key), "/task/") ||
            !str_ends(item->key, "/status") || !item->has_value)
            continue;
        AUTO_MESSAGE Reeve__TaskStatusRecord *status =
            DECODE(reeve__task_status_record, item);
        n += status && !task_state_is_terminal(status->state);
    }
    return reply ? n : -1;
}

/* ---- the specification ---- */

static bool is_taken(struct rollout *r)
{
    AUTO_FREE char *svc = spec_service_key(r->spec->name);
    AUTO_FREE char *target_key = xasprintf("service/%s/target", svc);
    AUTO_FREE char *plan_key = xasprintf("service/%s/plan/deploy", svc);
    AUTO_MESSAGE Reeve__SnapshotReply *reply =
        get(r, (char *[]){target_key, plan_key}, 2);
    AUTO_MESSAGE Reeve__Target *target =
        DECODE(reeve__target, find_item(reply, target_key));
    AUTO_MESSAGE Reeve__Plan *plan =
        DECODE(reeve__plan, find_item(reply, plan_key));

    if (!target || target->n_errors || !target->config_id || !plan ||
        !str_eq(plan->config_id, target->config_id) ||
        !config_is_ours(r, svc, target->config_id))
        return false;
    r->is_complete = plan->status == REEVE__PLAN_STATUS__STATUS_COMPLETE;
    find_down(r, svc);
    return true;
}

enum rollout_state rollout_look(struct rollout *r, struct err *err)
{
    AUTO_FREE char *refusal = NULL;
    int64_t now = clock_mono_ms();

    r->is_complete = false;
    if (!planner_answers(r, &refusal))
        return ROLLOUT_NOT_YET;
    if (is_taken(r))
        return ROLLOUT_TAKEN;
    if (!refusal) {
        r->refused_ms = 0;
        return ROLLOUT_NOT_YET;
    }
    if (!r->refused_ms)
        r->refused_ms = now;
    if (now - r->refused_ms < REFUSED_FOR_MS)
        return ROLLOUT_NOT_YET;
    err_set(err, ERR_INVALID, "%s", refusal);
    return ROLLOUT_REFUSED;
}
