/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/facts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/base/pack.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "lib/wire/pool.h"
#include "lib/wire/wire.h"

#define FREE_MESSAGE(field)                                                    \
    do {                                                                       \
        ProtobufCMessage *message_ = (field) ? &(field)->base : NULL;          \
        wire_free(&message_);                                                  \
        (field) = NULL;                                                        \
    } while (0)

enum { MAX_POD_COUNT = 1000000 };

/* Of the tasks there may be ten thousands. */
static const char *const own_texts[] = {
    "id",        "name",    "task_id", "executor_id",
    "demand_id", "step_id", "message", NULL,
};
static const char *const unread_bytes[] = {
    "task_info",
    "executor_info",
    "task_status",
    NULL,
};
static const struct wire_pool_rule rule = {own_texts, unread_bytes};

#define POOL_DECODE(facts, prefix, arrival, err)                               \
    ((__typeof__(prefix##__unpack(NULL, 0, NULL)))(void *)wire_pool_decode(    \
        (facts)->pool, &prefix##__descriptor, (arrival)->value,                \
        (arrival)->len, &rule, err))

struct facts *facts_new(const char *svc)
{
    struct facts *facts = xcalloc(1, sizeof *facts);
    facts->svc = xstrdup(svc);
    facts->pool = wire_pool_new();
    facts->pack = pack_new();
    return facts;
}

/* ---- pods ------------------------------------------------------------------
 */
static struct fact_pod *pod_of(struct facts *facts, const char *instance)
{
    struct fact_pod *pod;
    HASH_FIND_STR(facts->pods, instance, pod);
    if (pod)
        return pod;
    pod = xcalloc(1, sizeof *pod);
    pod->instance = xstrdup(instance);
    HASH_ADD_KEYPTR(hh, facts->pods, pod->instance, strlen(pod->instance), pod);
    return pod;
}

static struct fact_pod *pod_at(struct facts *facts, const char *type,
                               uint32_t index)
{
    AUTO_FREE char *instance = spec_pod_instance(type, index);
    return pod_of(facts, instance);
}

static void detach_task(struct fact_task *task)
{
    struct fact_pod *pod = task->pod;
    if (!pod)
        return;
    size_t i = 0;
    while (pod->tasks[i] != task)
        i++;
    pod->tasks[i] = pod->tasks[--pod->n_tasks];
    task->pod = NULL;
}

static void attach_task(struct fact_task *task, struct fact_pod *pod)
{
    pod->tasks = xrealloc(pod->tasks, (pod->n_tasks + 1) * sizeof *pod->tasks);
    pod->tasks[pod->n_tasks++] = task;
    task->pod = pod;
}

static void detach_demand(struct fact_demand *demand)
{
    struct fact_pod *pod = demand->pod;
    size_t i = 0;
    while (pod->demands[i] != demand)
        i++;
    pod->demands[i] = pod->demands[--pod->n_demands];
    demand->pod = NULL;
}

static void attach_demand(struct fact_demand *demand, struct fact_pod *pod)
{
    pod->demands =
        xrealloc(pod->demands, (pod->n_demands + 1) * sizeof *pod->demands);
    pod->demands[pod->n_demands++] = demand;
    demand->pod = pod;
}

/* ---- forgetting -------------------------------------------------------------
 */
static void drop_config(struct facts *facts, struct fact_config *config)
{
    HASH_DEL(facts->configs, config);
    FREE_MESSAGE(config->config);
    free(config->pod_digests);
    free(config->id);
    free(config);
}

static void drop_plan(struct facts *facts, struct fact_plan *plan)
{
    HASH_DEL(facts->plans, plan);
    WIRE_POOL_FREE(facts->pool, plan->plan);
    free(plan->name);
    free(plan);
}

static void drop_demand(struct facts *facts, struct fact_demand *demand)
{
    detach_demand(demand);
    HASH_DEL(facts->demands, demand);
    WIRE_POOL_FREE(facts->pool, demand->demand);
    free(demand->id);
    free(demand);
}

static void drop_kill(struct facts *facts, struct fact_kill *kill)
{
    HASH_DEL(facts->kills, kill);
    FREE_MESSAGE(kill->order);
    free(kill->task_id);
    free(kill);
}

static void drop_task(struct facts *facts, struct fact_task *task)
{
    detach_task(task);
    HASH_DEL(facts->tasks, task);
    WIRE_POOL_FREE(facts->pool, task->info);
    WIRE_POOL_FREE(facts->pool, task->status);
    packed_free(task->whole);
    free(task->name);
    free(task);
}

static void drop_property(struct facts *facts, struct fact_property *property)
{
    HASH_DEL(facts->properties, property);
    free(property->name);
    free(property->text);
    free(property);
}

static void drop_volumes(struct fact_pod *pod)
{
    for (size_t i = 0; i < pod->n_volumes; i++) {
        free(pod->volumes[i].owner);
        free(pod->volumes[i].path);
    }
    free(pod->volumes);
    pod->volumes = NULL;
    pod->n_volumes = 0;
}

static void drop_pod(struct facts *facts, struct fact_pod *pod)
{
    HASH_DEL(facts->pods, pod);
    FREE_MESSAGE(pod->outcome);
    drop_volumes(pod);
    free(pod->tasks);
    free(pod->demands);
    free(pod->instance);
    free(pod);
}

static void drop_damage(struct facts *facts, struct fact_damage *damage)
{
    HASH_DEL(facts->damaged, damage);
    free(damage->path);
    free(damage);
}

#define DROP_ALL(table, drop)                                                  \
    do {                                                                       \
        __typeof__((*facts)->table) item_, next_;                              \
        HASH_ITER(hh, (*facts)->table, item_, next_)                           \
        drop(*facts, item_);                                                   \
    } while (0)

void facts_destroy(struct facts **facts)
{
    if (!*facts)
        return;
    DROP_ALL(configs, drop_config);
    DROP_ALL(plans, drop_plan);
    DROP_ALL(demands, drop_demand);
    DROP_ALL(kills, drop_kill);
    DROP_ALL(tasks, drop_task);
    DROP_ALL(properties, drop_property);
    DROP_ALL(pods, drop_pod);
    DROP_ALL(damaged, drop_damage);
    FREE_MESSAGE((*facts)->target);
    wire_pool_destroy(&(*facts)->pool);
    pack_destroy(&(*facts)->pack);
    free((*facts)->svc);
    free(*facts);
    *facts = NULL;
}

/* ---- applying one key ---- */
/* What arrived: message is NULL when the key was deleted. */
struct arrival {
    const char *name; /* what follows the kind */
    const void *value;
    size_t len;
    uint64_t revision;
};

static int apply_target(struct facts *facts, const struct arrival *a,
                        struct err *err)
{
    Reeve__Target *target = NULL;
    if (a->value) {
        target = WIRE_DECODE(reeve__target, a->value, a->len, err);
        if (!target)
            return -1;
    }
    FREE_MESSAGE(facts->target);
    facts->target = target;
    facts->target_revision = a->revision;
    return 0;
}

void facts_spec_digest(const Reeve__ServiceSpec *spec, char out[65])
{
    /* A shallow copy: only the counters differ, nothing is freed. */
    Reeve__ServiceSpec bare = *spec;
    bare.n_warnings = 0;
    bare.warnings = NULL;

    AUTO_BUF struct buf bytes = {0};
    wire_encode(&bare.base, &bytes);
    sha256_hex(buf_text(&bytes), bytes.len, out);
}

/* Written by planners only, after validation; yet a record is outside input. */
static bool is_sound_spec(const Reeve__ServiceSpec *spec)
{
    if (!spec || !spec->name)
        return false;
    for (size_t i = 0; i < spec->n_pods; i++)
        if (!spec->pods[i]->type || spec->pods[i]->count > MAX_POD_COUNT)
            return false;
    for (size_t i = 0; i < spec->n_plans; i++) {
        const Reeve__PlanSpec *plan = spec->plans[i];
        if (!plan->name)
            return false;
        for (size_t k = 0; k < plan->n_phases; k++)
            if (!plan->phases[k]->name)
                return false;
    }
    return true;
}

static void digest_pods(struct fact_config *config)
{
    const Reeve__ServiceSpec *spec = config->config->spec;
    facts_spec_digest(spec, config->spec_digest);
    config->pod_digests = xcalloc(spec->n_pods + 1, 65);
    for (size_t i = 0; i < spec->n_pods; i++)
        spec_pod_digest(spec, spec->pods[i], config->pod_digests[i]);
}

static int apply_config(struct facts *facts, const struct arrival *a,
                        struct err *err)
{
    Reeve__Config *message = NULL;
    if (a->value) {
        message = WIRE_DECODE(reeve__config, a->value, a->len, err);
        if (!message)
            return -1;
        if (!is_sound_spec(message->spec)) {
            FREE_MESSAGE(message);
            return err_set(err, ERR_CORRUPT,
                           "configuration without a sound spec");
        }
    }
    struct fact_config *config;
    HASH_FIND_STR(facts->configs, a->name, config);
    if (config)
        drop_config(facts, config);
    if (!message)
        return 0;

    config = xcalloc(1, sizeof *config);
    config->id = xstrdup(a->name);
    config->config = message;
    config->revision = a->revision;
    digest_pods(config);
    HASH_ADD_KEYPTR(hh, facts->configs, config->id, strlen(config->id), config);
    return 0;
}

static bool is_sound_phase(const Reeve__Phase *phase)
{
    if (!phase->name || !phase->id)
        return false;
    for (size_t i = 0; i < phase->n_steps; i++) {
        const Reeve__Step *step = phase->steps[i];
        if (!step->name || !step->id || !step->pod_type ||
            step->pod_index > MAX_POD_COUNT)
            return false;
    }
    return true;
}

static bool is_sound_plan(const Reeve__Plan *plan, const char *name)
{
    if (!plan->name || !str_eq(plan->name, name) || !plan->id)
        return false;
    for (size_t i = 0; i < plan->n_phases; i++)
        if (!is_sound_phase(plan->phases[i]))
            return false;
    return true;
}

static int apply_plan(struct facts *facts, const struct arrival *a,
                      struct err *err)
{
    Reeve__Plan *message = NULL;
    if (a->value) {
        message = POOL_DECODE(facts, reeve__plan, a, err);
        if (!message)
            return -1;
        if (!is_sound_plan(message, a->name)) {
            WIRE_POOL_FREE(facts->pool, message);
            return err_set(err, ERR_CORRUPT, "plan with unnamed parts");
        }
    }
    struct fact_plan *plan;
    HASH_FIND_STR(facts->plans, a->name, plan);
    if (plan)
        drop_plan(facts, plan);
    if (!message)
        return 0;

    plan = xcalloc(1, sizeof *plan);
    plan->name = xstrdup(a->name);
    plan->plan = message;
    plan->revision = a->revision;
    HASH_ADD_KEYPTR(hh, facts->plans, plan->name, strlen(plan->name), plan);
    return 0;
}

static int apply_demand(struct facts *facts, const struct arrival *a,
                        struct err *err)
{
    Reeve__Demand *message = NULL;
    if (a->value) {
        message = POOL_DECODE(facts, reeve__demand, a, err);
        if (!message)
            return -1;
        if (!message->pod_type) {
            WIRE_POOL_FREE(facts->pool, message);
            return err_set(err, ERR_CORRUPT, "demand without a pod type");
        }
    }
    struct fact_demand *demand;
    HASH_FIND_STR(facts->demands, a->name, demand);
    if (demand)
        drop_demand(facts, demand);
    if (!message)
        return 0;

    demand = xcalloc(1, sizeof *demand);
    demand->id = xstrdup(a->name);
    demand->demand = message;
    demand->revision = a->revision;
    HASH_ADD_KEYPTR(hh, facts->demands, demand->id, strlen(demand->id), demand);
    attach_demand(demand, pod_at(facts, message->pod_type, message->pod_index));
    return 0;
}

static int apply_kill(struct facts *facts, const struct arrival *a,
                      struct err *err)
{
    Reeve__KillOrder *message = NULL;
    if (a->value) {
        message = WIRE_DECODE(reeve__kill_order, a->value, a->len, err);
        if (!message)
            return -1;
    }
    struct fact_kill *kill;
    HASH_FIND_STR(facts->kills, a->name, kill);
    if (kill)
        drop_kill(facts, kill);
    if (!message)
        return 0;

    kill = xcalloc(1, sizeof *kill);
    kill->task_id = xstrdup(a->name);
    kill->order = message;
    kill->revision = a->revision;
    HASH_ADD_KEYPTR(hh, facts->kills, kill->task_id, strlen(kill->task_id),
                    kill);
    return 0;
}

static struct fact_task *task_of(struct facts *facts, const char *name)
{
    struct fact_task *task;
    HASH_FIND_STR(facts->tasks, name, task);
    if (task)
        return task;
    task = xcalloc(1, sizeof *task);
    task->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, facts->tasks, task->name, strlen(task->name), task);
    return task;
}

static void drop_task_if_empty(struct facts *facts, struct fact_task *task)
{
    if (!task->info && !task->status)
        drop_task(facts, task);
}

static int apply_task_info(struct facts *facts, const struct arrival *a,
                           struct err *err)
{
    Reeve__TaskRecord *message = NULL;
    if (a->value) {
        message = POOL_DECODE(facts, reeve__task_record, a, err);
        if (!message)
            return -1;
        if (!message->pod_type || !message->task_id) {
            WIRE_POOL_FREE(facts->pool, message);
            return err_set(err, ERR_CORRUPT,
                           "task record without a pod type or a task id");
        }
    }
    struct fact_task *task = task_of(facts, a->name);
    detach_task(task);
    WIRE_POOL_FREE(facts->pool, task->info);
    packed_free(MOVE(task->whole));
    task->info = message;
    task->info_revision = message ? a->revision : 0;
    if (message)
        task->whole = pack_keep(facts->pack, "task", a->value, a->len);
    if (message)
        attach_task(task, pod_at(facts, message->pod_type, message->pod_index));
    drop_task_if_empty(facts, task);
    return 0;
}

static int apply_task_status(struct facts *facts, const struct arrival *a,
                             struct err *err)
{
    Reeve__TaskStatusRecord *message = NULL;
    if (a->value) {
        message = POOL_DECODE(facts, reeve__task_status_record, a, err);
        if (!message)
            return -1;
    }
    struct fact_task *task = task_of(facts, a->name);
    WIRE_POOL_FREE(facts->pool, task->status);
    task->status = message;
    task->status_revision = message ? a->revision : 0;
    drop_task_if_empty(facts, task);
    return 0;
}

/* a->name is "<task name>/info" or "<task name>/status". */
static int apply_task(struct facts *facts, const struct arrival *a,
                      struct err *err)
{
    const char *slash = strrchr(a->name, '/');
    if (!slash)
        return 0;
    AUTO_FREE char *name = xstrndup(a->name, (size_t)(slash - a->name));
    struct arrival part = *a;
    part.name = name;
    if (str_eq(slash, "/info"))
        return apply_task_info(facts, &part, err);
    if (str_eq(slash, "/status"))
        return apply_task_status(facts, &part, err);
    return 0;
}

static int apply_outcome(struct facts *facts, const struct arrival *a,
                         struct err *err)
{
    Reeve__Outcome *message = NULL;
    if (a->value) {
        message = WIRE_DECODE(reeve__outcome, a->value, a->len, err);
        if (!message)
            return -1;
    }
    struct fact_pod *pod = pod_of(facts, a->name);
    FREE_MESSAGE(pod->outcome);
    pod->outcome = message;
    return 0;
}

static void keep_volume(struct fact_pod *pod,
                        const Reeve__ReservedResource *entry)
{
    if (!entry->persistence_id ||
        entry->volume_type == REEVE__VOLUME_SPEC__TYPE__MOUNT)
        return;
    pod->volumes =
        xrealloc(pod->volumes, (pod->n_volumes + 1) * sizeof *pod->volumes);
    pod->volumes[pod->n_volumes++] = (struct fact_volume){
        .owner = xstrdup(str_or_empty(entry->owner)),
        .path = xstrdup(str_or_empty(entry->container_path)),
        .milli = entry->amount_milli,
    };
}

static int apply_pod(struct facts *facts, const struct arrival *a,
                     struct err *err)
{
    AUTO_MESSAGE Reeve__PodRecord *record = NULL;
    struct fact_pod *pod = pod_of(facts, a->name);

    pod->has_record = a->value != NULL;
    drop_volumes(pod);
    if (!a->value)
        return 0;
    record = WIRE_DECODE(reeve__pod_record, a->value, a->len, err);
    if (!record)
        return -1;
    for (size_t i = 0; i < record->n_resources; i++)
        keep_volume(pod, record->resources[i]);
    return 0;
}

static int apply_property(struct facts *facts, const struct arrival *a,
                          struct err *err)
{
    (void)err;
    struct fact_property *property;
    HASH_FIND_STR(facts->properties, a->name, property);
    if (property)
        drop_property(facts, property);
    if (!a->value)
        return 0;

    property = xcalloc(1, sizeof *property);
    property->name = xstrdup(a->name);
    property->text = xstrndup(a->value, a->len);
    property->revision = a->revision;
    HASH_ADD_KEYPTR(hh, facts->properties, property->name,
                    strlen(property->name), property);
    return 0;
}

static const struct {
    const char *prefix;
    int (*apply)(struct facts *facts, const struct arrival *a, struct err *err);
} kinds[] = {
    {"target", apply_target},      {"config/", apply_config},
    {"plan/", apply_plan},         {"demand/", apply_demand},
    {"kill/", apply_kill},         {"task/", apply_task},
    {"pod/", apply_pod},           {"outcome/", apply_outcome},
    {"property/", apply_property},
};

static void mark_damage(struct facts *facts, const char *path, bool is_damaged)
{
    struct fact_damage *damage;
    HASH_FIND_STR(facts->damaged, path, damage);
    if (is_damaged == (damage != NULL))
        return;
    if (damage) {
        drop_damage(facts, damage);
        return;
    }
    damage = xcalloc(1, sizeof *damage);
    damage->path = xstrdup(path);
    HASH_ADD_KEYPTR(hh, facts->damaged, damage->path, strlen(damage->path),
                    damage);
}

int facts_apply(struct facts *facts, const char *path, const void *value,
                size_t len, uint64_t revision, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!str_starts(path, kinds[i].prefix))
            continue;
        struct arrival a = {
            .name = path + strlen(kinds[i].prefix),
            .value = value,
            .len = len,
            .revision = revision,
        };
        int result = kinds[i].apply(facts, &a, err);
        mark_damage(facts, path, result < 0);
        if (result < 0 && err)
            err->code = ERR_CORRUPT;
        return result;
    }
    return 0;
}

/* ---- keys ---- */
const char *facts_split_key(const char *key, char **svc)
{
    static const char prefix[] = "service/";
    if (!str_starts(key, prefix))
        return NULL;
    const char *start = key + sizeof prefix - 1;
    const char *slash = strchr(start, '/');
    if (!slash || slash == start)
        return NULL;
    *svc = xstrndup(start, (size_t)(slash - start));
    return slash + 1;
}

char *facts_key(const struct facts *facts, const char *kind, const char *name)
{
    if (!name)
        return xasprintf("service/%s/%s", facts->svc, kind);
    return xasprintf("service/%s/%s/%s", facts->svc, kind, name);
}

char *facts_task_key(const struct facts *facts, const char *task_name,
                     const char *part)
{
    return xasprintf("service/%s/task/%s/%s", facts->svc, task_name, part);
}

/* ---- looking up ---- */
const struct fact_config *facts_config(const struct facts *facts,
                                       const char *id)
{
    struct fact_config *config;
    const char *key = str_or_empty(id);
    HASH_FIND_STR(facts->configs, key, config);
    return config;
}

const struct fact_config *facts_target_config(const struct facts *facts)
{
    return facts->target ? facts_config(facts, facts->target->config_id) : NULL;
}

const struct fact_plan *facts_plan(const struct facts *facts, const char *name)
{
    struct fact_plan *plan;
    const char *key = str_or_empty(name);
    HASH_FIND_STR(facts->plans, key, plan);
    return plan;
}

const struct fact_task *facts_task(const struct facts *facts, const char *name)
{
    struct fact_task *task;
    HASH_FIND_STR(facts->tasks, name, task);
    return task;
}

const struct fact_demand *facts_demand(const struct facts *facts,
                                       const char *id)
{
    struct fact_demand *demand;
    const char *key = str_or_empty(id);
    HASH_FIND_STR(facts->demands, key, demand);
    return demand;
}

const struct fact_kill *facts_kill(const struct facts *facts,
                                   const char *task_id)
{
    struct fact_kill *kill;
    const char *key = str_or_empty(task_id);
    HASH_FIND_STR(facts->kills, key, kill);
    return kill;
}

const struct fact_property *facts_property(const struct facts *facts,
                                           const char *name)
{
    struct fact_property *property;
    HASH_FIND_STR(facts->properties, name, property);
    return property;
}

const struct fact_pod *facts_pod(const struct facts *facts, const char *type,
                                 uint32_t index)
{
    AUTO_FREE char *instance = spec_pod_instance(type, index);
    struct fact_pod *pod;
    HASH_FIND_STR(facts->pods, instance, pod);
    return pod;
}

Reeve__TaskRecord *fact_task_record(const struct fact_task *task)
{
    AUTO_BUF struct buf bytes = {0};
    packed_read(task->whole, &bytes);
    return WIRE_DECODE(reeve__task_record, bytes.data, bytes.len, NULL);
}

const struct fact_task *fact_pod_task(const struct fact_pod *pod,
                                      const char *short_name)
{
    for (size_t i = 0; pod && i < pod->n_tasks; i++)
        if (str_eq(pod->tasks[i]->info->short_name, short_name))
            return pod->tasks[i];
    return NULL;
}

const char *fact_config_pod_digest(const struct fact_config *config,
                                   const char *type)
{
    const Reeve__ServiceSpec *spec = config->config->spec;
    for (size_t i = 0; i < spec->n_pods; i++)
        if (str_eq(spec->pods[i]->type, type))
            return config->pod_digests[i];
    return NULL;
}

bool demand_has_task(const Reeve__Demand *demand, const char *short_name)
{
    for (size_t i = 0; i < demand->n_tasks; i++)
        if (str_eq(demand->tasks[i], short_name))
            return true;
    return false;
}

int fact_task_state(const struct fact_task *task)
{
    if (!task->info || !task->status || !task->status->has_state ||
        !str_eq(task->status->task_id, task->info->task_id))
        return -1;
    return task->status->state;
}

bool fact_task_is_alive(const struct fact_task *task)
{
    return task->info && !task_state_is_terminal(fact_task_state(task));
}
