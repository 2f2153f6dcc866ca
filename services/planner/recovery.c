/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/recovery.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/planner/plan.h"
#include "services/planner/plan_status.h"

/* A pod instance in need, by its key in facts. */
struct need {
    const struct fact_pod *pod;
    Reeve__Phase *phase; /* made for it; NULL once taken into the plan */
    UT_hash_handle hh;
};

/* ---- who is in need ---- */
static bool stays_up(const struct fact_task *task, const Reeve__PodSpec *spec)
{
    return task->info->goal == REEVE__GOAL__GOAL_RUNNING &&
           spec_find_task(spec, str_or_empty(task->info->short_name));
}

/* For the plan: the operator's replacement counts as an end. */
static bool has_ended(const struct fact_task *task)
{
    return task_state_is_terminal(fact_task_state(task)) ||
           task->info->permanently_failed;
}

static bool is_essential(const struct recovery_source *source,
                         const struct fact_task *task)
{
    const struct fact_config *config =
        facts_config(source->world->facts, task->info->config_id);
    const Reeve__PodSpec *pod = spec_find_pod(
        (config ? config : source->target)->config->spec, task->info->pod_type);
    const Reeve__TaskSpec *spec =
        pod ? spec_find_task(pod, str_or_empty(task->info->short_name)) : NULL;
    return !spec || spec->essential;
}

/* The pod as the target has it; NULL: it should not run (any more). */
static const Reeve__PodSpec *wanted_pod(const struct recovery_source *source,
                                        const char *type, uint32_t index)
{
    const Reeve__PodSpec *spec =
        spec_find_pod(source->target->config->spec, type);
    return spec && index < spec->count ? spec : NULL;
}

/* Tasks in file order, so that the name of a phase is always the same. */
static void list_tasks(const struct recovery_source *source,
                       const struct fact_pod *pod, bool whole_pod,
                       Reeve__Step *step)
{
    const Reeve__PodSpec *spec =
        wanted_pod(source, step->pod_type, step->pod_index);
    for (size_t i = 0; i < spec->n_tasks; i++) {
        const char *name = str_or_empty(spec->tasks[i]->name);
        const struct fact_task *task = fact_pod_task(pod, name);
        if (task && stays_up(task, spec) && (whole_pod || has_ended(task)))
            PB_ADD_STR(step, tasks, name);
    }
}

static Reeve__Phase *make_phase(const struct recovery_source *source,
                                const struct fact_pod *pod, bool whole_pod)
{
    const Reeve__TaskRecord *any = pod->tasks[0]->info;
    const char *svc = source->world->facts->svc;
    Reeve__Step *step = PB_NEW(reeve__step);
    step->pod_type = xstrdup(any->pod_type);
    PB_SET(step, pod_index, any->pod_index);
    list_tasks(source, pod, whole_pod, step);
    step->name = step_name(wanted_pod(source, any->pod_type, any->pod_index),
                           any->pod_index, step->tasks, step->n_tasks);

    Reeve__Phase *phase = PB_NEW(reeve__phase);
    phase->name = xstrdup(step->name);
    phase->strategy = xstrdup("serial");
    char id[37];
    plan_path_id(svc, "recovery", phase->name, id);
    phase->id = xstrdup(id);
    AUTO_FREE char *path = xasprintf("%s/%s", phase->name, step->name);
    plan_path_id(svc, "recovery", path, id);
    step->id = xstrdup(id);
    PB_ADD(phase, steps, step);
    return phase;
}

/* Another plan works on one of these tasks: it is left to that plan. */
static bool is_claimed(const struct recovery_source *source,
                       const Reeve__Phase *phase)
{
    return claims_rival(source->claims, phase->steps[0], "recovery") != NULL;
}

static void free_phase(Reeve__Phase *phase)
{
    ProtobufCMessage *message = &phase->base;
    wire_free(&message);
}

/* The phase that this pod instance needs; NULL: none. */
static Reeve__Phase *phase_of_pod(const struct recovery_source *source,
                                  const struct fact_pod *pod)
{
    bool any_ended = false, whole_pod = false;
    for (size_t i = 0; i < pod->n_tasks; i++) {
        const struct fact_task *task = pod->tasks[i];
        const Reeve__PodSpec *spec =
            wanted_pod(source, task->info->pod_type, task->info->pod_index);
        if (!spec || !stays_up(task, spec) || !has_ended(task))
            continue;
        any_ended = true;
        whole_pod |=
            is_essential(source, task) || task->info->permanently_failed;
    }
    if (!any_ended)
        return NULL;
    Reeve__Phase *phase = make_phase(source, pod, whole_pod);
    if (!is_claimed(source, phase))
        return phase;
    free_phase(phase);
    return NULL;
}

static struct need *find_needs(const struct recovery_source *source)
{
    struct need *needs = NULL;
    for (const struct fact_pod *pod = source->world->facts->pods; pod;
         pod = pod->hh.next) {
        Reeve__Phase *phase = phase_of_pod(source, pod);
        if (!phase)
            continue;
        struct need *need = xcalloc(1, sizeof *need);
        need->pod = pod;
        need->phase = phase;
        HASH_ADD_KEYPTR(hh, needs, pod->instance, strlen(pod->instance), need);
    }
    return needs;
}

/* ---- the plan ---- */
const struct fact_config *recovery_config(const struct recovery_source *source,
                                          const Reeve__Step *step)
{
    const struct facts *facts = source->world->facts;
    const struct fact_pod *pod =
        facts_pod(facts, step->pod_type, step->pod_index);
    const char *newest = fact_config_pod_digest(source->target, step->pod_type);
    const struct fact_config *own = NULL;
    for (size_t i = 0; i < step->n_tasks; i++) {
        const struct fact_task *task = fact_pod_task(pod, step->tasks[i]);
        if (!task)
            continue;
        const struct fact_config *config =
            facts_config(facts, task->info->config_id);
        if (!config || !fact_config_pod_digest(config, step->pod_type))
            return source->target;
        if (str_eq(task->info->pod_digest, newest) && step->n_tasks > 1)
            return source->target;
        if (!own || has_ended(task))
            own = config;
    }
    return own ? own : source->target;
}

static void judge_phase(const struct recovery_source *source,
                        Reeve__Phase *phase, int64_t *wake_ms)
{
    Reeve__Step *step = phase->steps[0];
    const struct fact_config *config = recovery_config(source, step);
    struct step_subject subject = {
        .step = step,
        .pod = spec_find_pod(config->config->spec, step->pod_type),
    };
    struct step_verdict verdict;
    step_judge(source->world, &subject, &verdict);
    PB_SET(step, status, verdict.status);
    PB_STR(step, message, verdict.message);
    if (verdict.wake_ms && (!*wake_ms || verdict.wake_ms < *wake_ms))
        *wake_ms = verdict.wake_ms;
}

/* Every task of the step is still recorded and wanted. */
static bool still_makes_sense(const struct recovery_source *source,
                              const Reeve__Phase *phase)
{
    if (phase->n_steps != 1)
        return false;
    const Reeve__Step *step = phase->steps[0];
    const Reeve__PodSpec *spec =
        wanted_pod(source, step->pod_type, step->pod_index);
    const struct fact_pod *pod =
        facts_pod(source->world->facts, step->pod_type, step->pod_index);
    for (size_t i = 0; i < step->n_tasks; i++)
        if (!spec || !spec_find_task(spec, step->tasks[i]) ||
            !fact_pod_task(pod, step->tasks[i]))
            return false;
    return true;
}

static struct need *need_of(struct need *needs, const Reeve__Phase *phase)
{
    if (phase->n_steps != 1)
        return NULL;
    AUTO_FREE char *instance = spec_pod_instance(phase->steps[0]->pod_type,
                                                 phase->steps[0]->pod_index);
    struct need *need;
    HASH_FIND_STR(needs, instance, need);
    return need;
}

/* What the operator decided about the phase goes on. */
static void keep_decisions(Reeve__Phase *phase, const Reeve__Phase *old)
{
    if (old->has_interrupted)
        PB_SET(phase, interrupted, old->interrupted);
    PB_STR(phase->steps[0], forced_digest, old->steps[0]->forced_digest);
}

/* Phases of the old record: refreshed when in need again, kept as history when
 * complete, kept while under way unless another plan took the pod over. */
static void add_old_phases(const struct recovery_source *source,
                           const Reeve__Plan *old, struct need *needs,
                           Reeve__Plan *plan)
{
    int64_t ignored = 0;
    for (size_t i = 0; old && i < old->n_phases; i++) {
        struct need *need = need_of(needs, old->phases[i]);
        if (need && need->phase) {
            keep_decisions(need->phase, old->phases[i]);
            PB_ADD(plan, phases, need->phase);
            need->phase = NULL;
            continue;
        }
        if (need || !still_makes_sense(source, old->phases[i]))
            continue;
        Reeve__Phase *phase = WIRE_DUP(reeve__phase, old->phases[i]);
        judge_phase(source, phase, &ignored);
        if (phase->steps[0]->status == PLAN_COMPLETE ||
            !is_claimed(source, phase))
            PB_ADD(plan, phases, phase);
        else
            free_phase(phase);
    }
}

static void add_new_phases(struct need *needs, Reeve__Plan *plan)
{
    struct need *need, *next;
    HASH_ITER(hh, needs, need, next)
    {
        if (need->phase)
            PB_ADD(plan, phases, need->phase);
        HASH_DEL(needs, need);
        free(need);
    }
}

static void trim_history(Reeve__Plan *plan)
{
    size_t complete = 0, kept = 0;
    for (size_t i = 0; i < plan->n_phases; i++)
        complete += plan->phases[i]->steps[0]->status == PLAN_COMPLETE;
    for (size_t i = 0; i < plan->n_phases; i++) {
        Reeve__Phase *phase = plan->phases[i];
        if (complete > RECOVERY_HISTORY &&
            phase->steps[0]->status == PLAN_COMPLETE) {
            complete--;
            free_phase(phase);
            continue;
        }
        plan->phases[kept++] = phase;
    }
    plan->n_phases = kept;
}

Reeve__Plan *recovery_build(const struct recovery_source *source,
                            const Reeve__Plan *old, int64_t *wake_ms)
{
    Reeve__Plan *plan = PB_NEW(reeve__plan);
    plan->name = xstrdup("recovery");
    char id[37];
    plan_path_id(source->world->facts->svc, "recovery", "", id);
    plan->id = xstrdup(id);
    plan->strategy = xstrdup("parallel");
    plan->config_id = xstrdup(source->target->id);
    PB_SET(plan, order, 1);
    PB_SET(plan, interrupted, old && old->interrupted);

    struct need *needs = find_needs(source);
    add_old_phases(source, old, needs, plan);
    add_new_phases(needs, plan);
    for (size_t i = 0; i < plan->n_phases; i++)
        judge_phase(source, plan->phases[i], wake_ms);
    trim_history(plan);
    return plan;
}
