/* SPDX-License-Identifier: Apache-2.0 */
/* demand_book - see demand_book.h */
#include "services/offer-broker/demand_book.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/states.h"
#include "lib/spec/placement.h"
#include "lib/spec/spec.h"
#include "services/offer-broker/status.h"

/* What is known while one demand is judged. */
struct judge {
    struct demand_view *view;
    const struct facts *facts;
};

static void set(struct demand_view *view, enum demand_state state,
                const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The first reason found stands, but stuck outweighs blocked. */
static void set(struct demand_view *view, enum demand_state state,
                const char *fmt, ...)
{
    va_list args;

    if (view->state >= state)
        return;
    view->state = state;
    va_start(args, fmt);
    vsnprintf(view->why, sizeof(view->why), fmt, args);
    va_end(args);
}

static bool is_demanded(const Reeve__Demand *demand, const char *short_name)
{
    for (size_t i = 0; i < demand->n_tasks; i++)
        if (str_eq(demand->tasks[i], short_name))
            return true;
    return false;
}

/* The status of the current launch; NULL when it is another launch's. */
static const Reeve__TaskStatusRecord *own_status(const struct fact_task *task)
{
    if (!task->info || !task->status ||
        !str_eq(task->info->task_id, task->status->task_id))
        return NULL;
    return task->status;
}

static bool may_live(const struct fact_task *task)
{
    return task->info &&
           (!own_status(task) || status_may_live(own_status(task)));
}

static const char *state_text(const struct fact_task *task)
{
    return own_status(task) ? str_or_empty(own_status(task)->state_name)
                            : "state unknown";
}

static const char *host_text(const struct fact_task *task)
{
    return *str_or_empty(task->info->hostname)
               ? task->info->hostname
               : str_or_empty(task->info->agent_id);
}

/* The operator said that the task's place may be taken although nobody can
 * prove that it ended: by this demand, or when the pod was replaced. */
static bool is_given_up(const struct demand_view *view,
                        const struct fact_task *task)
{
    return view->demand->recovery == REEVE__DEMAND__RECOVERY__PERMANENT ||
           task->info->permanently_failed;
}

/* A task of this very pod instance that the demand launches again. */
static void judge_former(struct judge *j, const struct fact_task *task)
{
    struct demand_view *view = j->view;
    bool is_replace = is_given_up(view, task);

    if (!may_live(task))
        return;
    if (status_is_moving(own_status(task)))
        set(view, DEMAND_BLOCKED, "waits for %s (%s on %s) to end", task->name,
            state_text(task), host_text(task));
    else if (!is_replace)
        set(view, DEMAND_STUCK,
            "%s may still run: %s on %s; waits for proof that it ended, or for "
            "the pod to be replaced",
            task->name, state_text(task), host_text(task));
}

static bool shares_set(const struct demand_view *view, const char *short_name)
{
    const Reeve__TaskSpec *other = spec_find_task(view->pod, short_name);

    for (size_t i = 0; other && i < view->demand->n_tasks; i++) {
        const Reeve__TaskSpec *task =
            spec_find_task(view->pod, view->demand->tasks[i]);

        if (task && str_eq(task->resource_set, other->resource_set))
            return true;
    }
    return false;
}

static bool is_being_killed(const struct judge *j, const struct fact_task *task)
{
    return facts_kill(j->facts, task->info->task_id, NULL) != NULL ||
           (own_status(task) && own_status(task)->state ==
                                    (int)MESOS__V1__TASK_STATE__TASK_KILLING);
}

/* Another task of the pod instance: its executor may be shared. */
static void judge_sibling(struct judge *j, const struct fact_task *task)
{
    struct demand_view *view = j->view;
    bool is_replace = is_given_up(view, task);
    bool is_moving = status_is_moving(own_status(task));

    if (!may_live(task) || (is_replace && !is_moving))
        return;
    if (!is_moving)
        set(view, DEMAND_STUCK, "its sibling %s is out of reach: %s on %s",
            task->name, state_text(task), host_text(task));
    else if (is_replace || is_being_killed(j, task))
        set(view, DEMAND_BLOCKED, "waits for its sibling %s (%s on %s) to end",
            task->name, state_text(task), host_text(task));
    else if (shares_set(view, task->info->short_name))
        set(view, DEMAND_BLOCKED, "its resource set is in use by %s",
            task->name);
    else if (!view->sibling)
        view->sibling = task->info;
    else if (!str_eq(view->sibling->executor_id, task->info->executor_id))
        set(view, DEMAND_BLOCKED,
            "its siblings %s and %s run under different executors",
            view->sibling->name, task->name);
}

static void judge_task(void *self, const struct fact_task *task)
{
    struct judge *j = self;
    const Reeve__Demand *demand = j->view->demand;

    if (is_demanded(demand, task->info->short_name))
        judge_former(j, task);
    else
        judge_sibling(j, task);
}

/* Asks for something that this broker can do? */
static void judge_spec(struct demand_view *view,
                       const struct build_config *config)
{
    struct err err = {0};
    struct placement_rules *rules;

    if (task_build_check(view->pod, view->demand, config, &err) < 0) {
        set(view, DEMAND_REFUSED, "%s", err.text);
        return;
    }
    rules = placement_parse(str_or_empty(view->pod->placement), &err);
    if (!rules)
        set(view, DEMAND_REFUSED, "placement: %s", err.text);
    placement_free(&rules);
}

void demand_judge(struct demand_view *view, const struct facts *facts,
                  const struct fact *demand, const struct build_config *config,
                  int64_t now_wall_ms)
{
    struct judge j = {view, facts};
    AUTO_FREE char *instance = NULL;

    memset(view, 0, sizeof(*view));
    view->demand = (const Reeve__Demand *)demand->message;
    view->revision = demand->revision;
    instance = spec_pod_instance(str_or_empty(view->demand->pod_type),
                                 view->demand->pod_index);
    snprintf(view->instance, sizeof(view->instance), "%s", instance);
    view->record = facts_pod(facts, instance, &view->record_revision);
    view->config = facts_config(facts, view->demand->config_id);
    if (!view->config || !view->config->spec) {
        set(view, DEMAND_STUCK, "its configuration %s is not in the store",
            str_or_empty(view->demand->config_id));
        return;
    }
    view->pod = spec_find_pod(view->config->spec, view->demand->pod_type);
    if (!view->pod) {
        set(view, DEMAND_REFUSED, "configuration %s has no pod %s",
            view->demand->config_id, str_or_empty(view->demand->pod_type));
        return;
    }
    judge_spec(view, config);
    if (view->state == DEMAND_REFUSED)
        return;
    if (view->demand->not_before_wall_ms > now_wall_ms) {
        view->due_wall_ms = view->demand->not_before_wall_ms;
        set(view, DEMAND_LATER, "its back-off ends in %lld s",
            (long long)((view->due_wall_ms - now_wall_ms + 999) / 1000));
    }
    facts_each_task_of(facts, instance, judge_task, &j);
}

bool demand_is_withdrawn(const Reeve__KillOrder *order,
                         const struct facts *facts)
{
    return order->demand_id && !order->until_dead &&
           !facts_demand(facts, order->demand_id, NULL);
}

/* ---- all of them -------------------------------------------------- */
struct collect {
    struct demand_view *list;
    size_t count, capacity;
    const struct facts *facts;
    const struct build_config *config;
    int64_t now_wall_ms;
};

static void collect_one(void *self, const struct fact *fact)
{
    struct collect *c = self;

    ASSERT(c->count < c->capacity);
    demand_judge(&c->list[c->count++], c->facts, fact, c->config,
                 c->now_wall_ms);
}

static int compare(const void *a, const void *b)
{
    const Reeve__Demand *x = ((const struct demand_view *)a)->demand;
    const Reeve__Demand *y = ((const struct demand_view *)b)->demand;

    if (x->created_wall_ms != y->created_wall_ms)
        return x->created_wall_ms < y->created_wall_ms ? -1 : 1;
    return strcmp(str_or_empty(x->id), str_or_empty(y->id));
}

struct demand_view *demand_book_judge(const struct facts *facts,
                                      const struct build_config *config,
                                      int64_t now_wall_ms, size_t *count)
{
    struct collect c = {.capacity = facts_demand_count(facts),
                        .facts = facts,
                        .config = config,
                        .now_wall_ms = now_wall_ms};

    c.list = xcalloc(c.capacity + 1, sizeof(*c.list));
    facts_each_demand(facts, collect_one, &c);
    qsort(c.list, c.count, sizeof(*c.list), compare);
    *count = c.count;
    return c.list;
}

bool demand_needs_offers(const struct demand_view *view, int64_t now_wall_ms,
                         int64_t soon_ms)
{
    switch (view->state) {
    case DEMAND_READY:
    case DEMAND_BLOCKED:
        return true;
    case DEMAND_LATER:
        return view->due_wall_ms <= now_wall_ms + soon_ms;
    case DEMAND_STUCK:
    case DEMAND_REFUSED:
        return false;
    }
    return false;
}
