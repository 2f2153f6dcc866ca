/* SPDX-License-Identifier: Apache-2.0 */
/* explain_json - see explain_json.h
 *
 * Only what the records say: the framework's, the plans', the demand's and its
 * outcome, the tasks' last statuses, kill orders, notes about agents.  Each
 * finding is a sentence, and where an operator can do something, what.
 */
#include "services/api-gateway/explain_json.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "lib/wire/wire.h"
#include "services/api-gateway/plan_json.h"

#define MAX_PODS 1000 /* told of when none is named */

/* One pod instance under the lens. */
struct lens {
    const struct view *view;
    const struct view_plans *plans;
    const char *instance, *type;
    uint32_t index;
    json_t *findings;
};

static json_t *finding(const char *why, const char *unblock)
{
    json_t *out = json_pack("{s:s}", "why", why);
    if (unblock && *unblock)
        json_object_set_new(out, "unblock", json_string(unblock));
    return out;
}

static void find(json_t *list, const char *why, const char *unblock)
{
    json_array_append_new(list, finding(why, unblock));
}

/* ---- the service ---- */
static json_t *explain_service(const struct view *view)
{
    json_t *out = json_array();
    AUTO_MESSAGE Reeve__Framework *framework = view_framework(view);
    AUTO_MESSAGE Reeve__Target *target = view_target(view);
    if (framework && *str_or_empty(framework->error))
        find(out, framework->error,
             "see `reeve state new-framework` in docs/operations.md");
    if (framework && *str_or_empty(framework->hindrance))
        find(out, framework->hindrance, NULL);
    else if (!framework || !*str_or_empty(framework->framework_id))
        find(out, "it is not registered with the master yet",
             "a master that answers; the broker's health says what it tries");
    for (size_t i = 0; target && i < target->n_errors; i++)
        find(out, target->errors[i],
             "a specification that is allowed; what runs goes on");
    return out;
}

/* ---- tasks ---- */
/* They run and are ready, or have done what they were for. */
static bool is_up(const struct view_task *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const Reeve__TaskStatusRecord *status = tasks[i].status;
        bool has_done = status &&
                        status->state == MESOS__V1__TASK_STATE__TASK_FINISHED &&
                        tasks[i].record->goal != REEVE__GOAL__GOAL_RUNNING;
        bool runs = status &&
                    status->state == MESOS__V1__TASK_STATE__TASK_RUNNING &&
                    status->ready;
        if (!runs && !has_done)
            return false;
    }
    return n > 0;
}

static const char *host_of(const Reeve__TaskRecord *record)
{
    return *str_or_empty(record->hostname) ? record->hostname
                                           : str_or_empty(record->agent_id);
}

static void explain_away(struct lens *l, const struct view_task *task)
{
    AUTO_FREE char *why = xasprintf(
        "task %s is %s: its agent %s is out of reach, and it may still run "
        "there",
        task->record->name, task->status->state_name, host_of(task->record));
    AUTO_FREE char *unblock = xasprintf(
        "the agent's return; or `reeve pod replace %s`, which gives its data "
        "up",
        l->instance);
    find(l->findings, why, unblock);
}

static void explain_ended(struct lens *l, const struct view_task *task)
{
    const Reeve__TaskStatusRecord *status = task->status;
    bool is_gone =
        status->state == MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR;
    AUTO_FREE char *why = xasprintf("task %s ended: %s%s%s%s",
                                    task->record->name, status->state_name,
                                    *str_or_empty(status->message) ? " (" : "",
                                    str_or_empty(status->message),
                                    *str_or_empty(status->message) ? ")" : "");
    AUTO_FREE char *unblock =
        is_gone ? xasprintf("an operator gave agent %s up: `reeve pod replace "
                            "%s` starts it elsewhere, without its data",
                            host_of(task->record), l->instance)
                : NULL;
    find(l->findings, why, unblock);
}

static void explain_not_ready(struct lens *l, const struct view_task *task)
{
    AUTO_FREE char *why = xasprintf(
        "task %s is %s on %s but %s", task->record->name,
        task->status->state_name, host_of(task->record),
        task->record->has_readiness_check ? "its readiness check has not passed"
                                          : "not up yet");
    find(l->findings, why, NULL);
}

static bool is_moving(int state)
{
    return state == MESOS__V1__TASK_STATE__TASK_STAGING ||
           state == MESOS__V1__TASK_STATE__TASK_STARTING ||
           state == MESOS__V1__TASK_STATE__TASK_RUNNING ||
           state == MESOS__V1__TASK_STATE__TASK_KILLING;
}

static void explain_task(struct lens *l, const struct view_task *task)
{
    const Reeve__TaskStatusRecord *status = task->status;
    AUTO_FREE char *unheard =
        xasprintf("nothing was heard of task %s yet", task->record->name);
    if (!status)
        find(l->findings, unheard, NULL);
    else if (is_up(task, 1))
        return;
    else if (is_moving(status->state))
        explain_not_ready(l, task);
    else if (task_state_proves_death(status->state))
        explain_ended(l, task);
    else
        explain_away(l, task);
}

static void explain_kill(struct lens *l, const struct view_task *task)
{
    AUTO_FREE char *key = xasprintf("service/%s/kill/%s", l->view->service,
                                    str_or_empty(task->record->task_id));
    struct replica_item item;
    if (!l->view->source.get(l->view->source.self, key, &item))
        return;
    AUTO_MESSAGE Reeve__KillOrder *order =
        WIRE_DECODE(reeve__kill_order, item.value, item.len, NULL);
    AUTO_FREE char *why =
        xasprintf("task %s is being killed: %s", task->record->name,
                  order ? str_or_empty(order->reason) : "");
    find(l->findings, why, NULL);
}

/* ---- agents ---- */
static void explain_agent(struct lens *l, const Reeve__TaskRecord *record)
{
    AUTO_FREE char *key = xasprintf("service/%s/agent/%s", l->view->service,
                                    str_or_empty(record->agent_id));
    struct replica_item item;
    if (!l->view->source.get(l->view->source.self, key, &item))
        return;
    AUTO_MESSAGE Reeve__AgentNote *note =
        WIRE_DECODE(reeve__agent_note, item.value, item.len, NULL);
    if (!note)
        return;
    AUTO_FREE char *drained =
        xasprintf("agent %s is being drained by an operator", host_of(record));
    AUTO_FREE char *planned =
        xasprintf("agent %s is scheduled for maintenance", host_of(record));
    if (note->is_draining)
        find(l->findings, drained,
             "the end of the maintenance: REACTIVATE_AGENT at the master");
    else if (note->has_unavailable_from_wall_ms)
        find(l->findings, planned, NULL);
}

/* ---- plans ---- */
static bool is_of(const struct lens *l, const Reeve__Step *step)
{
    return str_eq(step->pod_type, l->type) && step->pod_index == l->index;
}

static void explain_step(struct lens *l, const Reeve__Plan *plan,
                         const Reeve__Phase *phase, const Reeve__Step *step)
{
    AUTO_FREE char *why = NULL, *unblock = NULL;
    if (step->status == REEVE__PLAN_STATUS__STATUS_COMPLETE)
        return;
    why = xasprintf("plan %s, phase %s, step %s (%s)%s%s",
                    str_or_empty(plan->name), str_or_empty(phase->name),
                    str_or_empty(step->name), plan_status_name(step->status),
                    *str_or_empty(step->message) ? ": " : "",
                    str_or_empty(step->message));
    if (plan->interrupted)
        unblock = xasprintf("`reeve plan resume %s`", plan->name);
    else if (phase->interrupted ||
             step->status == REEVE__PLAN_STATUS__STATUS_WAITING)
        unblock =
            xasprintf("`reeve plan resume %s %s`", plan->name, phase->name);
    else if (step->status == REEVE__PLAN_STATUS__STATUS_DELAYED)
        unblock = xasprintf("the end of the delay; `reeve pod restart %s` ends "
                            "it at once",
                            l->instance);
    find(l->findings, why, unblock);
    for (size_t i = 0; i < step->n_errors; i++)
        find(l->findings, step->errors[i], NULL);
}

/* Custom plans stand still until they are started: that is no reason. */
static bool is_at_work(const Reeve__Plan *plan)
{
    return str_eq(plan->name, "deploy") || str_eq(plan->name, "recovery") ||
           !plan->interrupted;
}

static void explain_plans(struct lens *l)
{
    for (size_t i = 0; i < l->plans->n; i++) {
        const Reeve__Plan *plan = l->plans->items[i];
        for (size_t p = 0; is_at_work(plan) && p < plan->n_phases; p++)
            for (size_t s = 0; s < plan->phases[p]->n_steps; s++)
                if (is_of(l, plan->phases[p]->steps[s]))
                    explain_step(l, plan, plan->phases[p],
                                 plan->phases[p]->steps[s]);
    }
}

/* ---- offers ---- */
static void explain_outcome(struct lens *l, json_t *pod)
{
    AUTO_FREE char *key =
        xasprintf("service/%s/outcome/%s", l->view->service, l->instance);
    struct replica_item item;
    if (!l->view->source.get(l->view->source.self, key, &item))
        return;
    AUTO_MESSAGE Reeve__Outcome *outcome =
        WIRE_DECODE(reeve__outcome, item.value, item.len, NULL);
    if (!outcome)
        return;
    json_t *offers = json_array();
    for (size_t i = 0; i < outcome->n_reasons; i++)
        json_array_append_new(offers, json_string(outcome->reasons[i]));
    find(l->findings, str_or_empty(outcome->summary),
         outcome->n_reasons > 0
             ? "an agent that offers what is missing, or a change of the "
               "specification; `reeve debug offers` shows each try"
             : NULL);
    json_object_set_new(pod, "offers", offers);
}

/* ---- one pod ---- */
static json_t *explain_pod(struct lens *l, const struct view_task *tasks,
                           size_t n)
{
    l->findings = json_array();
    json_t *pod = json_pack("{s:s, s:b}", "pod", l->instance, "runs",
                            (int)is_up(tasks, n));
    for (size_t i = 0; i < n; i++) {
        explain_task(l, &tasks[i]);
        explain_kill(l, &tasks[i]);
    }
    if (n == 0)
        find(l->findings, "it was never launched", NULL);
    else
        explain_agent(l, tasks[0].record);
    explain_outcome(l, pod);
    explain_plans(l);
    json_object_set_new(pod, "findings", l->findings);
    return pod;
}

struct pods {
    json_t *list;
    struct lens lens;
    const struct view_tasks *tasks; /* by pod */
    const char *wanted;
};

static int compare_pods(const char *type_a, uint32_t index_a,
                        const Reeve__TaskRecord *b)
{
    int c = strcmp(type_a, str_or_empty(b->pod_type));
    if (c)
        return c;
    return index_a < b->pod_index ? -1 : index_a > b->pod_index;
}

static int by_pod(const void *a, const void *b)
{
    const Reeve__TaskRecord *x = ((const struct view_task *)a)->record;
    return compare_pods(str_or_empty(x->pod_type), x->pod_index,
                        ((const struct view_task *)b)->record);
}

/* The first of the pod's tasks; *n: how many. */
static const struct view_task *tasks_of(const struct view_tasks *tasks,
                                        const char *type, uint32_t index,
                                        size_t *n)
{
    size_t low = 0, high = tasks->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_pods(type, index, tasks->items[mid].record) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (*n = 0; low + *n < tasks->n &&
                 compare_pods(type, index, tasks->items[low + *n].record) == 0;)
        (*n)++;
    return tasks->items + low;
}

/* Where none is named, only those that do not run. */
static void add_pod(struct pods *p, const char *type, uint32_t index)
{
    AUTO_FREE char *instance = spec_pod_instance(type, index);
    size_t n;
    const struct view_task *tasks = tasks_of(p->tasks, type, index, &n);
    bool is_meant =
        p->wanted ? str_eq(p->wanted, instance)
                  : !is_up(tasks, n) && json_array_size(p->list) < MAX_PODS;
    if (!is_meant)
        return;
    p->lens.instance = instance;
    p->lens.type = type;
    p->lens.index = index;
    json_array_append_new(p->list, explain_pod(&p->lens, tasks, n));
}

static bool is_in(const Reeve__ServiceSpec *spec, const Reeve__TaskRecord *r)
{
    const Reeve__PodSpec *pod =
        spec ? spec_find_pod(spec, str_or_empty(r->pod_type)) : NULL;
    return pod && r->pod_index < pod->count;
}

/* Recorded, and not in the target any more: told of when it is named. */
static void add_leftover(struct pods *p, const Reeve__ServiceSpec *spec)
{
    for (size_t i = 0; p->wanted && i < p->tasks->n; i++) {
        const Reeve__TaskRecord *r = p->tasks->items[i].record;
        if (!is_in(spec, r) && json_array_size(p->list) == 0)
            add_pod(p, str_or_empty(r->pod_type), r->pod_index);
    }
}

json_t *explain_json(const struct view *view, const char *wanted)
{
    AUTO_MESSAGE Reeve__Target *target = view_target(view);
    AUTO_MESSAGE Reeve__Config *config =
        target ? view_config(view, str_or_empty(target->config_id)) : NULL;
    const Reeve__ServiceSpec *spec = config ? config->spec : NULL;
    AUTO_PLANS struct view_plans plans = view_plans(view);
    AUTO_TASKS struct view_tasks tasks = view_tasks(view, NULL);
    struct pods pods = {
        json_array(), {.view = view, .plans = &plans}, &tasks, wanted};
    if (tasks.n > 1)
        qsort(tasks.items, tasks.n, sizeof *tasks.items, by_pod);
    for (size_t i = 0; spec && i < spec->n_pods; i++)
        for (uint32_t k = 0; k < spec->pods[i]->count; k++)
            add_pod(&pods, spec->pods[i]->type, k);
    add_leftover(&pods, spec);
    if (wanted && json_array_size(pods.list) == 0) {
        json_decref(pods.list);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "service", explain_service(view), "pods",
                     pods.list);
}
