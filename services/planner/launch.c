/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/launch.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/planner/backoff.h"
#include "services/planner/plan_status.h"

/* By key, so that nothing is withdrawn or ordered twice in a round. */
struct done {
    const char *id;
    UT_hash_handle hh;
};
struct launcher {
    struct launcher_source source;
    struct changes *changes;
    struct done *withdrawn; /* demand ids */
    struct done *killed;    /* task ids ordered in this round */
    struct done *held;      /* ids of steps in interrupted phases */
};

static void free_done(struct done **table)
{
    struct done *entry, *next;
    HASH_ITER(hh, *table, entry, next)
    {
        HASH_DEL(*table, entry);
        free(entry);
    }
}

/* false: it was in there before.  id is borrowed. */
static bool add_done(struct done **table, const char *id)
{
    struct done *entry;
    HASH_FIND_STR(*table, id, entry);
    if (entry)
        return false;
    entry = xcalloc(1, sizeof *entry);
    entry->id = id;
    HASH_ADD_KEYPTR(hh, *table, entry->id, strlen(entry->id), entry);
    return true;
}

static void hold_phase(struct launcher *l, const Reeve__Phase *phase)
{
    for (size_t i = 0; phase->interrupted && i < phase->n_steps; i++)
        add_done(&l->held, phase->steps[i]->id);
}

struct launcher *launcher_new(const struct launcher_source *source,
                              struct changes *changes)
{
    struct launcher *launcher = xcalloc(1, sizeof *launcher);
    launcher->source = *source;
    launcher->changes = changes;
    const struct fact_plan *p = source->facts->plans;
    for (; p; p = p->hh.next)
        for (size_t i = 0; i < p->plan->n_phases; i++)
            hold_phase(launcher, p->plan->phases[i]);
    return launcher;
}

void launcher_destroy(struct launcher **launcher)
{
    if (!*launcher)
        return;
    free_done(&(*launcher)->withdrawn);
    free_done(&(*launcher)->killed);
    free_done(&(*launcher)->held);
    free(*launcher);
    *launcher = NULL;
}

/* ---- withdrawing ---- */
bool launcher_has_withdrawn(const struct launcher *launcher,
                            const struct fact_demand *demand)
{
    struct done *entry;
    HASH_FIND_STR(launcher->withdrawn, demand->id, entry);
    return entry != NULL;
}

/* When the round is full it stays for the next; nothing new is launched then.
 */
static void withdraw(struct launcher *l, const struct fact_demand *demand)
{
    if (add_done(&l->withdrawn, demand->id))
        changes_remove(l->changes,
                       facts_key(l->source.facts, "demand", demand->id),
                       demand->revision);
}

static bool is_going(const struct launcher *l, const struct fact_task *task)
{
    return !fact_task_is_alive(task) ||
           facts_kill(l->source.facts, task->info->task_id) ||
           fact_task_state(task) == MESOS__V1__TASK_STATE__TASK_KILLING;
}

/* A relaunch is stale when a task is not recorded any more, or all of them came
 * back to life. */
static bool is_stale_recovery(const struct launcher *l,
                              const struct fact_demand *demand)
{
    bool any_going = false;
    for (size_t i = 0; i < demand->demand->n_tasks; i++) {
        const struct fact_task *task =
            fact_pod_task(demand->pod, demand->demand->tasks[i]);
        if (!task)
            return true;
        any_going |= is_going(l, task);
    }
    return !any_going;
}

/* The operator interrupted what the demand belongs to. */
static bool is_held(const struct launcher *l, const Reeve__Demand *demand)
{
    const struct fact_plan *plan = facts_plan(l->source.facts, demand->plan);
    const char *step_id = str_or_empty(demand->step_id);
    struct done *entry;
    HASH_FIND_STR(l->held, step_id, entry);
    return entry || (plan && plan->plan->interrupted);
}

static bool is_stale(const struct launcher *l, const struct fact_demand *demand)
{
    const Reeve__Demand *d = demand->demand;
    const Reeve__PodSpec *pod =
        spec_find_pod(l->source.target->config->spec, d->pod_type);
    if (!pod || d->pod_index >= pod->count)
        return true;
    for (size_t i = 0; i < d->n_tasks; i++)
        if (!spec_find_task(pod, d->tasks[i]))
            return true;
    if (!facts_config(l->source.facts, d->config_id) || is_held(l, d))
        return true;
    if (d->recovery == REEVE__DEMAND__RECOVERY__NONE)
        return !str_eq(d->config_id, l->source.target->id);
    return is_stale_recovery(l, demand);
}

/* ---- killing ---- */
static void put_kill(const struct facts *facts, const struct fact_task *task,
                     Reeve__KillOrder order, const char *reason,
                     struct changes *changes)
{
    order.task_id = task->info->task_id;
    order.task_name = task->name;
    order.agent_id = task->info->agent_id;
    AUTO_FREE char *text = xstrdup(reason);
    order.reason = text;
    changes_put(changes, facts_key(facts, "kill", order.task_id), &order.base);
}

void launch_kill(const struct facts *facts, const struct fact_task *task,
                 const char *reason, int64_t now_ms, struct changes *changes)
{
    Reeve__KillOrder order = REEVE__KILL_ORDER__INIT;
    PB_SET(&order, created_wall_ms, now_ms);
    put_kill(facts, task, order, reason, changes);
}

void launch_kill_until_dead(const struct facts *facts,
                            const struct fact_task *task, const char *reason,
                            int64_t now_ms, struct changes *changes)
{
    Reeve__KillOrder order = REEVE__KILL_ORDER__INIT;
    PB_SET(&order, created_wall_ms, now_ms);
    PB_SET(&order, until_dead, true);
    put_kill(facts, task, order, reason, changes);
}

static void kill_task(struct launcher *l, const struct fact_task *task,
                      const char *reason, const char *demand_id)
{
    Reeve__KillOrder order = REEVE__KILL_ORDER__INIT;
    AUTO_FREE char *id = xstrdup(demand_id);

    if (!fact_task_is_alive(task) ||
        facts_kill(l->source.facts, task->info->task_id) ||
        !add_done(&l->killed, task->info->task_id))
        return;
    PB_SET(&order, created_wall_ms, l->source.now_ms);
    order.demand_id = id;
    put_kill(l->source.facts, task, order, reason, l->changes);
}

/* An outstanding demand waits for its old tasks to end: make sure they will. */
static void kill_for_demand(struct launcher *l,
                            const struct fact_demand *demand)
{
    AUTO_FREE char *reason = xasprintf("plan %s: to be launched again",
                                       str_or_empty(demand->demand->plan));
    for (size_t i = 0; i < demand->demand->n_tasks; i++) {
        const struct fact_task *task =
            fact_pod_task(demand->pod, demand->demand->tasks[i]);
        if (task)
            kill_task(l, task, reason, demand->id);
    }
}

/* What the task made room for is not wanted any more. */
static bool has_no_reason(const struct launcher *l,
                          const Reeve__KillOrder *order)
{
    const struct fact_demand *demand = NULL;

    if (!order->demand_id)
        return false;
    demand = facts_demand(l->source.facts, order->demand_id);
    return !demand || launcher_has_withdrawn(l, demand);
}

static void drop_done_kills(struct launcher *l)
{
    const struct facts *facts = l->source.facts;
    for (const struct fact_kill *k = facts->kills;
         k && !changes_is_full(l->changes); k = k->hh.next) {
        if (k->order->until_dead)
            continue; /* the broker removes it */
        const char *name = str_or_empty(k->order->task_name);
        const struct fact_task *task = facts_task(facts, name);
        if (task && task->info && str_eq(task->info->task_id, k->task_id) &&
            fact_task_is_alive(task) && !has_no_reason(l, k->order))
            continue;
        changes_remove(l->changes, facts_key(facts, "kill", k->task_id),
                       k->revision);
    }
}

void launcher_tidy(struct launcher *launcher)
{
    const struct facts *facts = launcher->source.facts;
    /* When the round is full the rest stays for the next one; nothing new is
     * launched then. */
    for (const struct fact_demand *d = facts->demands;
         d && !changes_is_full(launcher->changes); d = d->hh.next) {
        if (is_stale(launcher, d))
            withdraw(launcher, d);
        else
            kill_for_demand(launcher, d);
    }
    drop_done_kills(launcher);
}

/* ---- launching ---- */
static bool launches(const struct launch *launch, const char *short_name)
{
    for (size_t i = 0; i < launch->n_tasks; i++)
        if (str_eq(launch->tasks[i], short_name))
            return true;
    return false;
}

static bool wants_any(const struct fact_demand *demand,
                      const struct launch *launch)
{
    for (size_t i = 0; i < launch->n_tasks; i++)
        if (demand_has_task(demand->demand, launch->tasks[i]))
            return true;
    return false;
}

/* Must this task of the pod instance end before the launch?  Those launched
 * again, those that hold the same resource set, and, in a deployment, those
 * that the configuration does not have any more. */
static bool must_go(const struct launch *launch, const struct fact_task *task)
{
    const char *name = str_or_empty(task->info->short_name);
    if (launches(launch, name))
        return true;
    const Reeve__PodSpec *pod =
        spec_find_pod(launch->config->config->spec, launch->step->pod_type);
    const Reeve__TaskSpec *other = spec_find_task(pod, name);
    if (!other)
        return launch->recovery == REEVE__DEMAND__RECOVERY__NONE;
    for (size_t i = 0; i < launch->n_tasks; i++) {
        const Reeve__TaskSpec *one = spec_find_task(pod, launch->tasks[i]);
        if (one && one->resource_set &&
            str_eq(one->resource_set, other->resource_set))
            return true;
    }
    return false;
}

static bool has_volumes(const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_resource_sets; i++)
        if (pod->resource_sets[i]->n_volumes > 0)
            return true;
    return pod->n_volumes > 0;
}

/* The operator marked all tasks that should run, and none was launched since.
 */
static bool is_marked(const struct fact_pod *pod)
{
    bool any = false;
    for (size_t i = 0; i < pod->n_tasks; i++) {
        const Reeve__TaskRecord *task = pod->tasks[i]->info;
        any |= task->permanently_failed;
        if (!task->permanently_failed &&
            task->goal == REEVE__GOAL__GOAL_RUNNING)
            return false;
    }
    return any;
}

/* Its agent was given up at the master: all of it is dead. */
static bool is_gone(const struct fact_pod *pod)
{
    bool any = false;
    for (size_t i = 0; i < pod->n_tasks; i++) {
        int state = fact_task_state(pod->tasks[i]);
        any |= state == MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR;
        if (!task_state_proves_death(state))
            return false;
    }
    return any;
}

/* Is nothing of what the pod had to be used again?  By the operator's word; or
 * because it went with its agent and there was no volume to lose. */
static bool is_replacement(const struct launch *launch,
                           const struct fact_pod *pod)
{
    const Reeve__PodSpec *spec =
        spec_find_pod(launch->config->config->spec, launch->step->pod_type);
    if (!pod)
        return false;
    return is_marked(pod) || (spec && !has_volumes(spec) && is_gone(pod));
}

static void put_demand(struct launcher *l, const struct launch *launch)
{
    char id[37];
    l->source.ids.next(l->source.ids.self, id);
    Reeve__Step *step = launch->step;
    const char *digest = fact_config_pod_digest(launch->config, step->pod_type);
    AUTO_FREE char *digest_text = xstrdup(digest);

    /* All borrowed: the message lives only as long as it takes to encode. */
    Reeve__Demand demand = REEVE__DEMAND__INIT;
    demand.id = id;
    demand.service = l->source.facts->svc;
    demand.pod_type = step->pod_type;
    PB_SET(&demand, pod_index, step->pod_index);
    AUTO_FREE char **tasks = xcalloc(launch->n_tasks, sizeof *tasks);
    for (size_t i = 0; i < launch->n_tasks; i++)
        tasks[i] = (char *)(uintptr_t)launch->tasks[i];
    demand.tasks = tasks;
    demand.n_tasks = launch->n_tasks;
    demand.config_id = launch->config->id;
    demand.pod_digest = digest_text;
    PB_SET(&demand, recovery, launch->recovery);
    demand.extra_env = launch->plan->parameters;
    demand.n_extra_env = launch->plan->n_parameters;
    demand.plan = launch->plan->name;
    demand.step_id = step->id;
    PB_SET(&demand, created_wall_ms, l->source.now_ms);
    /* A fresh id: nothing to be required of its key. */
    changes_put(l->changes, facts_key(l->source.facts, "demand", id),
                &demand.base);
    PB_STR(step, demand_id, id);
}

/* The task's record must still be the one decided upon; its failures count on
 * unless it is to become another thing. */
static void prepare_task(struct launcher *l, const struct launch *launch,
                         const char *short_name)
{
    const struct facts *facts = l->source.facts;
    const Reeve__Step *step = launch->step;
    AUTO_FREE char *name =
        spec_task_name(step->pod_type, step->pod_index, short_name);
    const struct fact_task *task = facts_task(facts, name);
    changes_need(l->changes, facts_task_key(facts, name, "info"),
                 task ? task->info_revision : 0);

    const char *digest = fact_config_pod_digest(launch->config, step->pod_type);
    if (task && task->info && str_eq(task->info->pod_digest, digest))
        backoff_keep(facts, task, l->changes);
    else
        backoff_forget(facts, name, l->changes);
}

void launcher_launch(struct launcher *launcher, const struct launch *given)
{
    if (given->n_tasks == 0)
        return;
    Reeve__Step *step = given->step;
    const struct fact_pod *pod =
        facts_pod(launcher->source.facts, step->pod_type, step->pod_index);
    struct launch changed = *given;
    const struct launch *launch = &changed;
    if (is_replacement(given, pod))
        changed.recovery = REEVE__DEMAND__RECOVERY__PERMANENT;
    for (size_t i = 0; pod && i < pod->n_demands; i++)
        if (wants_any(pod->demands[i], launch))
            withdraw(launcher, pod->demands[i]);
    for (size_t i = 0; i < launch->n_tasks; i++)
        prepare_task(launcher, launch, launch->tasks[i]);

    AUTO_FREE char *reason =
        xasprintf("plan %s, step %s", launch->plan->name, step->name);
    bool any_alive = false;
    put_demand(launcher, launch);
    for (size_t i = 0; pod && i < pod->n_tasks; i++) {
        if (!must_go(launch, pod->tasks[i]))
            continue;
        any_alive |= fact_task_is_alive(pod->tasks[i]);
        kill_task(launcher, pod->tasks[i], reason, step->demand_id);
    }
    PB_SET(step, status, PLAN_PREPARED);
    PB_STR(step, message,
           any_alive ? "waits for its old tasks to end"
                     : "waits for an offer that fits");
}
