/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/planner/world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/planner/operate.h"
#include "services/planner/plan_status.h"

#define SVC "svc"

struct cell {
    char *key;
    void *value;
    size_t len;
    uint64_t revision;
    UT_hash_handle hh;
};

/* ---- the store ---- */
static uint64_t dice(struct world *w)
{
    w->chance = w->chance * 6364136223846793005ull + 1442695040888963407ull;
    return w->chance >> 33;
}

static bool happens(struct world *w, unsigned percent)
{
    return dice(w) % 100 < percent;
}

static struct cell *cell_of(const struct world *w, const char *key)
{
    struct cell *cell;
    HASH_FIND_STR(w->store, key, cell);
    return cell;
}

static void tell(struct world *w, const char *key, const struct cell *cell)
{
    AUTO_FREE char *svc = NULL;
    const char *path = facts_split_key(key, &svc);
    cr_assert(path && str_eq(svc, SVC), "%s: key %s", w->name, key);
    struct err err = {0};
    facts_apply(w->facts, path, cell ? cell->value : NULL, cell ? cell->len : 0,
                w->revision, &err);
}

static void drop(struct world *w, struct cell *cell)
{
    HASH_DEL(w->store, cell);
    free(cell->key);
    free(cell->value);
    free(cell);
}

/* value NULL: delete.  Belongs to the revision that is being made. */
static void set_cell(struct world *w, const char *key, const void *value,
                     size_t len)
{
    struct cell *cell = cell_of(w, key);
    if (cell)
        drop(w, cell);
    if (value) {
        cell = xcalloc(1, sizeof *cell);
        cell->key = xstrdup(key);
        cell->value = xmemdup(len ? value : "", len ? len : 1);
        cell->len = len;
        cell->revision = w->revision;
        HASH_ADD_KEYPTR(hh, w->store, cell->key, strlen(cell->key), cell);
    }
    tell(w, key, value ? cell : NULL);
    if (w->on_change)
        w->on_change(w->on_change_self, key, value, len);
}

void world_put_bytes(struct world *w, const char *key, const void *value,
                     size_t len)
{
    w->revision++;
    set_cell(w, key, value, len);
}

static void put_now(struct world *w, const char *key,
                    const ProtobufCMessage *value)
{
    AUTO_BUF struct buf bytes = {0};
    wire_encode(value, &bytes);
    set_cell(w, key, buf_text(&bytes), bytes.len);
}

void world_put(struct world *w, const char *key, const ProtobufCMessage *value)
{
    w->revision++;
    put_now(w, key, value);
}

/* ---- what must always hold ---- */
static void check_pair(struct world *w, const struct fact_demand *a,
                       const struct fact_demand *b)
{
    for (size_t i = 0; i < a->demand->n_tasks; i++)
        cr_assert(!demand_has_task(b->demand, a->demand->tasks[i]),
                  "%s: two demands for one task of %s", w->name,
                  a->pod->instance);
}

static void check_demands(struct world *w)
{
    for (const struct fact_pod *p = w->facts->pods; p; p = p->hh.next)
        for (size_t i = 0; i < p->n_demands; i++)
            for (size_t k = i + 1; k < p->n_demands; k++)
                check_pair(w, p->demands[i], p->demands[k]);
}

static void check_kills(struct world *w)
{
    for (const struct fact_kill *k = w->facts->kills; k; k = k->hh.next)
        cr_assert(facts_task(w->facts, k->order->task_name),
                  "%s: kill order for the unknown task %s", w->name,
                  k->task_id);
}

static void check(struct world *w)
{
    cr_assert(!w->facts->damaged, "%s: damaged facts", w->name);
    check_demands(w);
    check_kills(w);
}

bool world_apply(struct world *w, const struct changes *changes)
{
    /* As the store does. */
    cr_assert_leq(changes->n_ops, CHANGES_MAX);
    cr_assert_leq(changes->n_needs, CHANGES_MAX);
    for (size_t i = 0; i < changes->n_needs; i++) {
        const struct cell *cell = cell_of(w, changes->needs[i].key);
        if ((cell ? cell->revision : 0) != changes->needs[i].revision) {
            w->conflicts++;
            return false;
        }
    }
    if (changes->n_ops == 0)
        return true;
    w->revision++;
    for (size_t i = 0; i < changes->n_ops; i++) {
        const struct change *op = &changes->ops[i];
        for (size_t k = 0; k < i; k++)
            cr_assert(changes->n_ops > 500 ||
                          !str_eq(op->key, changes->ops[k].key),
                      "%s: %s changed twice", w->name, op->key);
        set_cell(w, op->key, op->value, op->len);
    }
    check(w);
    return true;
}

/* ---- start and stop ---- */
void world_start(struct world *w, const char *name, uint64_t seed)
{
    *w = (struct world){.name = name, .chance = seed * 7919 + 1};
    w->now_ms = 1700000000000;
    w->facts = facts_new(SVC);
}

void world_stop(struct world *w)
{
    struct cell *cell, *next;
    HASH_ITER(hh, w->store, cell, next)
    drop(w, cell);
    facts_destroy(&w->facts);
    intent_destroy(&w->intent);
}

void world_declare(struct world *w, const char *yaml)
{
    static const char *const no_env[] = {NULL};
    struct spec_source source = {
        .path = "svc.yml", .text = yaml, .len = strlen(yaml), .env = no_env};
    struct err err = {0};
    Reeve__ServiceSpec *spec = spec_parse(&source, &err);
    cr_assert(spec, "%s: %s", w->name, err.text);
    intent_destroy(&w->intent);
    w->intent = intent_new(spec, NULL);
}

void world_declare_bad(struct world *w, const char *error)
{
    intent_destroy(&w->intent);
    w->intent = intent_new(NULL, xstrdup(error));
}

void world_crash(struct world *w)
{
    w->crashes++;
    facts_destroy(&w->facts);
    w->facts = facts_new(SVC);
    uint64_t now = w->revision;
    for (const struct cell *cell = w->store; cell; cell = cell->hh.next) {
        w->revision = cell->revision;
        tell(w, cell->key, cell);
    }
    w->revision = now;
}

struct facts *world_facts_again(const struct world *w)
{
    struct world copy = *w;
    copy.facts = facts_new(SVC);
    for (const struct cell *cell = w->store; cell; cell = cell->hh.next)
        tell(&copy, cell->key, cell);
    return copy.facts;
}

void world_each(const struct world *w,
                void (*fn)(void *self, const char *key, const void *value,
                           size_t len, uint64_t revision),
                void *self)
{
    for (const struct cell *cell = w->store; cell; cell = cell->hh.next)
        fn(self, cell->key, cell->value, cell->len, cell->revision);
}

void world_pick(const struct world *w, size_t n, const char **key,
                struct buf *value)
{
    n %= HASH_COUNT(w->store);
    const struct cell *cell = w->store;
    while (n-- > 0)
        cell = cell->hh.next;
    *key = cell->key;
    buf_add(value, cell->value, cell->len);
}

/* ---- rounds ---- */
static void next_id(void *self, char out[37])
{
    struct world *w = self;
    snprintf(out, 37, "00000000-0000-4000-8000-%012llu",
             (unsigned long long)++w->ids);
}

int world_round(struct world *w)
{
    struct engine_input in = {
        .facts = w->facts,
        .intent = w->intent,
        .now_ms = w->now_ms,
        .ids = {.next = next_id, .self = w},
        .hold_plans = w->hold_plans,
    };
    struct engine_output out;
    w->err = (struct err){0};
    int result = engine_step(&in, &out, &w->err);
    w->wake_ms = out.wake_ms;
    int ops = (int)out.changes.n_ops;
    if (result == 0)
        cr_assert(world_apply(w, &out.changes), "%s: conflict without a rival",
                  w->name);
    changes_free(&out.changes);
    return result < 0 ? -1 : ops;
}

void world_rest(struct world *w)
{
    for (int i = 0; i < 50; i++)
        if (world_round(w) <= 0)
            return;
    cr_assert_fail("%s: the engine does not come to rest", w->name);
}

/* The planner decides, something else happens, and only then it commits. */
static void late_round(struct world *w)
{
    struct engine_input in = {
        .facts = w->facts,
        .intent = w->intent,
        .now_ms = w->now_ms,
        .ids = {.next = next_id, .self = w},
    };
    struct engine_output out;
    struct err err = {0};
    engine_step(&in, &out, &err);
    if (happens(w, 50))
        world_place(w);
    else
        world_move(w);
    /* Dying here loses the round, dying later nothing. */
    if (!happens(w, w->crash_percent))
        world_apply(w, &out.changes);
    changes_free(&out.changes);
}

void world_happen(struct world *w)
{
    w->now_ms += (int64_t)(dice(w) % 400);
    switch (dice(w) % 5) {
    case 0:
        world_place(w);
        break;
    case 1:
        world_move(w);
        break;
    case 2:
        late_round(w);
        break;
    default:
        world_round(w);
        break;
    }
    if (happens(w, w->crash_percent))
        world_crash(w);
}

void world_until(struct world *w, const char *plan, int status)
{
    for (int i = 0; i < 20000; i++) {
        const Reeve__Plan *p = world_plan(w, plan);
        if (p && (int)p->status == status && world_round(w) == 0 &&
            (int)world_plan(w, plan)->status == status)
            return;
        world_happen(w);
    }
    cr_assert_fail("%s: plan %s stays %s", w->name, plan,
                   world_status(w, plan));
}

void world_run(struct world *w)
{
    int idle = 0;
    for (int i = 0; i < 2000 && idle < 6; i++) {
        uint64_t before = w->revision;
        world_round(w);
        world_place(w);
        world_move(w);
        w->now_ms += 1000;
        idle = w->revision == before ? idle + 1 : 0;
    }
    cr_assert(idle >= 6, "%s: never quiet", w->name);
}

/* ---- the cluster ---- */
static void note(struct world *w, char what, const char *name)
{
    size_t len = strlen(w->log);
    snprintf(w->log + len, sizeof w->log - len, "%c%s ", what, name);
}

static void put_status(struct world *w, const char *name, const char *task_id,
                       int state, bool ready)
{
    Reeve__TaskStatusRecord status = REEVE__TASK_STATUS_RECORD__INIT;
    AUTO_FREE char *id = xstrdup(task_id);
    AUTO_FREE char *state_name = xstrdup(task_state_name(state));
    status.task_id = id;
    status.state_name = state_name;
    if (task_state_is_terminal(state))
        status.message = w->end_message;
    PB_SET(&status, state, state);
    PB_SET(&status, ready, ready);
    PB_SET(&status, stored_wall_ms, w->now_ms);
    AUTO_FREE char *key = facts_task_key(w->facts, name, "status");
    put_now(w, key, &status.base);
}

static void launch_task(struct world *w, const struct fact_demand *demand,
                        const char *short_name)
{
    const Reeve__Demand *d = demand->demand;
    const struct fact_config *config = facts_config(w->facts, d->config_id);
    cr_assert(config, "%s: demand for the lost configuration %s", w->name,
              d->config_id);
    const Reeve__PodSpec *pod =
        spec_find_pod(config->config->spec, d->pod_type);
    const Reeve__TaskSpec *spec = spec_find_task(pod, short_name);
    cr_assert(spec, "%s: demand for the unknown task %s", w->name, short_name);
    cr_assert_str_eq(d->pod_digest,
                     fact_config_pod_digest(config, d->pod_type));

    AUTO_FREE char *name =
        spec_task_name(d->pod_type, d->pod_index, short_name);
    char uuid[37];
    next_id(w, uuid);
    AUTO_FREE char *task_id = spec_task_id(SVC, name, uuid);
    Reeve__TaskRecord info = REEVE__TASK_RECORD__INIT;
    info.name = name;
    info.task_id = task_id;
    info.pod_type = d->pod_type;
    PB_SET(&info, pod_index, d->pod_index);
    AUTO_FREE char *short_copy = xstrdup(short_name);
    info.short_name = short_copy;
    info.config_id = d->config_id;
    info.pod_digest = d->pod_digest;
    info.demand_id = d->id;
    PB_SET(&info, goal, spec->goal);
    PB_SET(&info, launched_wall_ms, w->now_ms);
    AUTO_FREE char *key = facts_task_key(w->facts, name, "info");
    note(w, '+', name);
    put_now(w, key, &info.base);
    put_status(w, name, task_id, MESOS__V1__TASK_STATE__TASK_STAGING, false);
    w->launches++;
}

static bool may_place(const struct fact_demand *demand)
{
    for (size_t i = 0; i < demand->demand->n_tasks; i++) {
        const struct fact_task *task =
            fact_pod_task(demand->pod, demand->demand->tasks[i]);
        bool is_away = task && fact_task_state(task) ==
                                   MESOS__V1__TASK_STATE__TASK_UNREACHABLE;
        bool is_replaced = is_away && demand->demand->recovery ==
                                          REEVE__DEMAND__RECOVERY__PERMANENT;
        if (task && fact_task_is_alive(task) && !is_replaced)
            return false;
    }
    return true;
}

static void place(struct world *w, const struct fact_demand *demand)
{
    w->revision++;
    for (size_t i = 0; i < demand->demand->n_tasks; i++)
        launch_task(w, demand, demand->demand->tasks[i]);
    AUTO_FREE char *key = facts_key(w->facts, "demand", demand->id);
    set_cell(w, key, NULL, 0);
}

int world_place(struct world *w)
{
    int placed = 0;
    struct fact_demand *demand, *next;
    if (w->holds_offers)
        return 0;
    HASH_ITER(hh, w->facts->demands, demand, next)
    {
        if (!may_place(demand))
            continue;
        place(w, demand);
        placed++;
    }
    return placed;
}

void world_set_state(struct world *w, const char *name, int state, bool ready)
{
    const struct fact_task *task = facts_task(w->facts, name);
    cr_assert(task && task->info, "%s: no task %s", w->name, name);
    AUTO_FREE char *task_id = xstrdup(task->info->task_id);
    w->revision++;
    put_status(w, name, task_id, state, ready);
    if (state == MESOS__V1__TASK_STATE__TASK_RUNNING)
        note(w, '=', name);
    if (task_state_is_terminal(state) && facts_kill(w->facts, task_id)) {
        AUTO_FREE char *key = facts_key(w->facts, "kill", task_id);
        set_cell(w, key, NULL, 0);
    }
}

static void move_running(struct world *w, const struct fact_task *task)
{
    if (task->info->goal != REEVE__GOAL__GOAL_RUNNING)
        world_set_state(w, task->name, MESOS__V1__TASK_STATE__TASK_FINISHED,
                        false);
    else if (!task->status->ready && !w->never_ready)
        world_set_state(w, task->name, MESOS__V1__TASK_STATE__TASK_RUNNING,
                        true);
    else if (happens(w, w->fail_percent))
        world_set_state(w, task->name, MESOS__V1__TASK_STATE__TASK_FAILED,
                        false);
}

static void move_task(struct world *w, const struct fact_task *task)
{
    if (!fact_task_is_alive(task))
        return;
    if (facts_kill(w->facts, task->info->task_id)) {
        w->kills++;
        world_set_state(w, task->name, MESOS__V1__TASK_STATE__TASK_KILLED,
                        false);
        return;
    }
    switch (fact_task_state(task)) {
    case MESOS__V1__TASK_STATE__TASK_STAGING:
        world_set_state(w, task->name, MESOS__V1__TASK_STATE__TASK_STARTING,
                        false);
        break;
    case MESOS__V1__TASK_STATE__TASK_STARTING:
        world_set_state(w, task->name, MESOS__V1__TASK_STATE__TASK_RUNNING,
                        !w->never_ready && happens(w, 50));
        break;
    case MESOS__V1__TASK_STATE__TASK_RUNNING:
        move_running(w, task);
        break;
    default:
        break;
    }
}

void world_move(struct world *w)
{
    for (const struct fact_task *t = w->facts->tasks; t; t = t->hh.next)
        move_task(w, t);
}

const char *world_task_id(const struct world *w, const char *task)
{
    const struct fact_task *t = facts_task(w->facts, task);
    return t && t->info ? t->info->task_id : "";
}

int world_state(const struct world *w, const char *task)
{
    const struct fact_task *t = facts_task(w->facts, task);
    return t ? fact_task_state(t) : -1;
}

/* ---- looking ---- */
const Reeve__Plan *world_plan(const struct world *w, const char *plan)
{
    const struct fact_plan *fact = facts_plan(w->facts, plan);
    return fact ? fact->plan : NULL;
}

const Reeve__Phase *world_phase(const struct world *w, const char *plan,
                                const char *phase)
{
    const Reeve__Plan *p = world_plan(w, plan);
    for (size_t i = 0; p && i < p->n_phases; i++)
        if (str_eq(p->phases[i]->name, phase))
            return p->phases[i];
    cr_assert_fail("%s: no phase %s", w->name, phase);
    return NULL;
}

const Reeve__Step *world_step(const struct world *w, const char *plan,
                              const char *step)
{
    const Reeve__Plan *p = world_plan(w, plan);
    for (size_t i = 0; p && i < p->n_phases; i++)
        for (size_t k = 0; k < p->phases[i]->n_steps; k++)
            if (str_eq(p->phases[i]->steps[k]->name, step))
                return p->phases[i]->steps[k];
    cr_assert_fail("%s: no step %s", w->name, step);
    return NULL;
}

static const char *const status_names[] = {
    "UNSET",    "ERROR",   "WAITING",  "PENDING",     "PREPARED",
    "STARTING", "STARTED", "COMPLETE", "IN_PROGRESS", "DELAYED",
};

const char *world_steps(const struct world *w, const char *plan,
                        const char *phase)
{
    static char text[256];
    const Reeve__Phase *p = world_phase(w, plan, phase);
    text[0] = '\0';
    for (size_t i = 0; i < p->n_steps; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%c",
                 i ? " " : "", status_names[p->steps[i]->status][0]);
    return text;
}

const char *world_status(const struct world *w, const char *plan)
{
    const Reeve__Plan *p = world_plan(w, plan);
    return p ? status_names[p->status] : "(none)";
}

unsigned world_demands(const struct world *w)
{
    return HASH_COUNT(w->facts->demands);
}

/* ---- operating ---- */
static int operate(struct world *w, const Reeve__PlanCommand *command)
{
    struct operate_source source = {.facts = w->facts, .now_ms = w->now_ms};
    AUTO_CHANGES struct changes changes = {0};
    AUTO_FREE char *reply = NULL;
    w->err = (struct err){0};
    if (operate_plan(&source, command, &changes, &reply, &w->err) == 0) {
        snprintf(w->err.text, sizeof w->err.text, "%s", reply);
        cr_assert(world_apply(w, &changes));
    }
    return w->err.code;
}

int world_verb(struct world *w, Reeve__PlanCommand__Verb verb, const char *plan,
               const char *phase, const char *step)
{
    Reeve__PlanCommand command = REEVE__PLAN_COMMAND__INIT;
    AUTO_FREE char *plan_copy = xstrdup(plan);
    AUTO_FREE char *phase_copy = xstrdup(phase);
    AUTO_FREE char *step_copy = xstrdup(step);
    command.plan = plan_copy;
    command.phase = phase_copy;
    command.step = step_copy;
    PB_SET(&command, verb, verb);
    return operate(w, &command);
}

int world_start_plan(struct world *w, const char *plan,
                     Reeve__PlanCommand__Parameter **parameters, size_t n)
{
    Reeve__PlanCommand command = REEVE__PLAN_COMMAND__INIT;
    AUTO_FREE char *plan_copy = xstrdup(plan);
    command.plan = plan_copy;
    command.parameters = parameters;
    command.n_parameters = n;
    PB_SET(&command, verb, REEVE__PLAN_COMMAND__VERB__START);
    return operate(w, &command);
}

int world_pod(struct world *w, Reeve__PodCommand__Verb verb, const char *pod)
{
    Reeve__PodCommand command = REEVE__POD_COMMAND__INIT;
    AUTO_FREE char *pod_copy = xstrdup(pod);
    command.pod = pod_copy;
    PB_SET(&command, verb, verb);
    struct operate_source source = {.facts = w->facts, .now_ms = w->now_ms};
    AUTO_CHANGES struct changes changes = {0};
    AUTO_MESSAGE Reeve__PodCommandReply *reply = NULL;
    w->err = (struct err){0};
    if (operate_pod(&source, &command, &changes, &reply, &w->err) == 0) {
        w->err.text[0] = '\0';
        for (size_t i = 0; i < reply->n_tasks; i++)
            snprintf(w->err.text + strlen(w->err.text), 256, "%s ",
                     reply->tasks[i]);
        cr_assert(world_apply(w, &changes));
    }
    return w->err.code;
}
