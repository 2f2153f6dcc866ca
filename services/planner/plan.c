/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/id.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/planner/plan_status.h"
#include "services/planner/step.h"

enum { CANARY_STEPS = 2 };

/* ---- adding up ---- */
/* Which statuses occur, as a bit each. */
static unsigned bit(Reeve__PlanStatus status)
{
    return 1u << (unsigned)status;
}

static bool has(unsigned set, Reeve__PlanStatus status)
{
    return (set & bit(status)) != 0;
}

static bool only(unsigned set, Reeve__PlanStatus status)
{
    return (set & ~bit(status)) == 0;
}

/* Mixtures that the rules above do not name. */
static Reeve__PlanStatus aggregate_rest(unsigned all)
{
    if (has(all, PLAN_DELAYED))
        return PLAN_DELAYED;
    if (has(all, PLAN_STARTING) || has(all, PLAN_STARTED) ||
        has(all, PLAN_IN_PROGRESS))
        return PLAN_IN_PROGRESS;
    return PLAN_PENDING;
}

static Reeve__PlanStatus aggregate_sets(struct plan_parent parent, unsigned all,
                                        unsigned ready)
{
    if (parent.has_errors || has(all, PLAN_ERROR))
        return PLAN_ERROR;
    if (only(all, PLAN_COMPLETE))
        return PLAN_COMPLETE;
    if (parent.is_interrupted)
        return PLAN_WAITING;
    if (only(ready, PLAN_DELAYED) && only(all, PLAN_DELAYED))
        return PLAN_DELAYED;
    if (has(all, PLAN_PREPARED))
        return PLAN_IN_PROGRESS;
    if (has(ready, PLAN_WAITING))
        return PLAN_WAITING;
    if (has(ready, PLAN_IN_PROGRESS))
        return PLAN_IN_PROGRESS;
    if (has(all, PLAN_COMPLETE) &&
        (has(ready, PLAN_PENDING) || has(ready, PLAN_STARTING) ||
         has(ready, PLAN_STARTED)))
        return PLAN_IN_PROGRESS;
    if (has(ready, PLAN_PENDING))
        return PLAN_PENDING;
    if (has(all, PLAN_WAITING))
        return PLAN_WAITING;
    if (has(ready, PLAN_STARTING))
        return PLAN_STARTING;
    if (has(ready, PLAN_STARTED))
        return PLAN_STARTED;
    return aggregate_rest(all);
}

Reeve__PlanStatus plan_aggregate(struct plan_parent parent,
                                 const struct strategy_child *children,
                                 size_t n, const bool *may_work)
{
    unsigned all = 0, ready = 0;
    for (size_t i = 0; i < n; i++) {
        all |= bit(children[i].status);
        if (may_work[i])
            ready |= bit(children[i].status);
    }
    return aggregate_sets(parent, all, ready);
}

/* ---- making the tree ---- */
Reeve__PlanSpec *plan_default_spec(const Reeve__ServiceSpec *spec)
{
    Reeve__PlanSpec *plan = PB_NEW(reeve__plan_spec);
    plan->name = xstrdup("deploy");
    plan->strategy = xstrdup("serial");
    for (size_t i = 0; i < spec->n_pods; i++) {
        Reeve__PhaseSpec *phase = PB_NEW(reeve__phase_spec);
        phase->name = xstrdup(spec->pods[i]->type);
        phase->pod = xstrdup(spec->pods[i]->type);
        phase->strategy = xstrdup("serial");
        PB_ADD(plan, phases, phase);
    }
    return plan;
}

void plan_path_id(const char *svc, const char *plan, const char *rest,
                  char out[37])
{
    AUTO_FREE char *path = xasprintf("%s/%s/%s", svc, plan, rest);
    uuid_from_name(path, out);
}

/* A step being made. */
struct step_place {
    const struct plan_source *source;
    const Reeve__PodSpec *pod;
    const Reeve__PhaseSpec *phase_spec;
    uint32_t index;
};

/* Two tasks that share a resource set or a DNS prefix cannot run together. */
static void check_step(Reeve__Step *step, const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < step->n_tasks; i++) {
        const Reeve__TaskSpec *a = spec_find_task(pod, step->tasks[i]);
        for (size_t k = i + 1; a && k < step->n_tasks; k++) {
            const Reeve__TaskSpec *b = spec_find_task(pod, step->tasks[k]);
            const char *what = NULL;
            if (b && a->resource_set &&
                str_eq(a->resource_set, b->resource_set))
                what = "resource set";
            else if (b && a->discovery && b->discovery &&
                     a->discovery->prefix &&
                     str_eq(a->discovery->prefix, b->discovery->prefix))
                what = "DNS prefix";
            if (what)
                PB_ADD(step, errors,
                       xasprintf("Attempted to simultaneously launch tasks "
                                 "%s and %s, which share a %s",
                                 step->tasks[i], step->tasks[k], what));
        }
    }
}

/* repeat: how many steps of the phase have this name already. */
static Reeve__Step *make_step(const struct step_place *place,
                              char *const *tasks, size_t n_tasks,
                              unsigned repeat)
{
    Reeve__Step *step = PB_NEW(reeve__step);
    step->name = step_name(place->pod, place->index, tasks, n_tasks);
    step->pod_type = xstrdup(place->pod->type);
    PB_SET(step, pod_index, place->index);
    for (size_t i = 0; i < n_tasks; i++)
        PB_ADD_STR(step, tasks, tasks[i]);
    check_step(step, place->pod);

    char id[37];
    AUTO_FREE char *rest =
        repeat
            ? xasprintf("%s/%s#%u", place->phase_spec->name, step->name, repeat)
            : xasprintf("%s/%s", place->phase_spec->name, step->name);
    plan_path_id(place->source->svc, place->source->name, rest, id);
    step->id = xstrdup(id);
    return step;
}

static void add_whole_pod_step(Reeve__Phase *phase,
                               const struct step_place *place)
{
    const Reeve__PodSpec *pod = place->pod;
    char **tasks = xcalloc(pod->n_tasks + 1, sizeof *tasks);
    static char no_name[] = "";
    for (size_t i = 0; i < pod->n_tasks; i++)
        tasks[i] = pod->tasks[i]->name ? pod->tasks[i]->name : no_name;
    PB_ADD(phase, steps, make_step(place, tasks, pod->n_tasks, 0));
    free(tasks);
}

/* The entry of this instance, else the default one; NULL: neither. */
static const Reeve__StepGroup *group_of(const Reeve__PhaseSpec *phase,
                                        uint32_t index)
{
    const Reeve__StepGroup *fallback = NULL;
    for (size_t i = 0; i < phase->n_steps; i++) {
        if (phase->steps[i]->index == (int64_t)index)
            return phase->steps[i];
        if (phase->steps[i]->index < 0)
            fallback = phase->steps[i];
    }
    return fallback;
}

static bool same_tasks(const Reeve__StepTasks *a, const Reeve__StepTasks *b)
{
    if (a->n_tasks != b->n_tasks)
        return false;
    for (size_t i = 0; i < a->n_tasks; i++)
        if (!str_eq(a->tasks[i], b->tasks[i]))
            return false;
    return true;
}

static void add_group_steps(Reeve__Phase *phase, const struct step_place *place)
{
    const Reeve__StepGroup *group = group_of(place->phase_spec, place->index);
    for (size_t i = 0; group && i < group->n_groups; i++) {
        const Reeve__StepTasks *one = group->groups[i];
        unsigned repeat = 0;
        for (size_t k = 0; k < i; k++)
            repeat += same_tasks(group->groups[k], one);
        PB_ADD(phase, steps,
               make_step(place, one->tasks, one->n_tasks, repeat));
    }
}

/* Steps of one instance wait for each other even when instances do not. */
static void name_strategy(Reeve__Phase *phase, const Reeve__PhaseSpec *spec)
{
    const char *name = spec->strategy ? spec->strategy : "serial";
    if (str_eq(name, "canary"))
        name = "serial-canary";
    for (size_t i = 1; i < phase->n_steps && str_eq(name, "parallel"); i++)
        if (phase->steps[i]->pod_index == phase->steps[i - 1]->pod_index)
            name = "dependency";
    PB_STR(phase, strategy, name);
}

static Reeve__Phase *make_phase(const struct plan_source *source,
                                const Reeve__PhaseSpec *phase_spec)
{
    Reeve__Phase *phase = PB_NEW(reeve__phase);
    phase->name = xstrdup(phase_spec->name);
    char id[37];
    plan_path_id(source->svc, source->name, phase_spec->name, id);
    phase->id = xstrdup(id);

    const Reeve__PodSpec *pod =
        spec_find_pod(source->config->config->spec, phase_spec->pod);
    if (!pod)
        PB_ADD(phase, errors,
               xasprintf("Unable to find pod '%s' referenced by phase '%s'",
                         phase_spec->pod, phase_spec->name));
    for (uint32_t i = 0; pod && i < pod->count; i++) {
        struct step_place place = {
            .source = source, .pod = pod, .phase_spec = phase_spec, .index = i};
        if (phase_spec->n_steps > 0)
            add_group_steps(phase, &place);
        else
            add_whole_pod_step(phase, &place);
    }
    name_strategy(phase, phase_spec);
    return phase;
}

/* ---- taking over ---- */
struct old_step {
    const char *id;
    const Reeve__Step *step;
    UT_hash_handle hh;
};

static void keep_step(Reeve__Step *step, const Reeve__Step *old,
                      const char *digest)
{
    if (old->has_interrupted)
        PB_SET(step, interrupted, old->interrupted);
    if (digest && str_eq(old->completed_digest, digest))
        PB_STR(step, completed_digest, old->completed_digest);
    if (digest && str_eq(old->forced_digest, digest))
        PB_STR(step, forced_digest, old->forced_digest);
    for (size_t i = 0; i < old->n_restart_task_ids; i++)
        PB_ADD_STR(step, restart_task_ids, old->restart_task_ids[i]);
}

static void keep_phase(Reeve__Phase *phase, const Reeve__Phase *old,
                       const struct fact_config *config)
{
    if (old->has_interrupted)
        PB_SET(phase, interrupted, old->interrupted);
    if (old->has_canary_released)
        PB_SET(phase, canary_released, old->canary_released);
    if (old->has_canary_armed)
        PB_SET(phase, canary_armed, old->canary_armed);
    PB_STR(phase, canary_for, old->canary_for);

    struct old_step *entries = xcalloc(old->n_steps + 1, sizeof *entries);
    struct old_step *table = NULL, *entry;
    for (size_t i = 0; i < old->n_steps; i++) {
        const char *id = str_or_empty(old->steps[i]->id);
        entries[i] = (struct old_step){.id = id, .step = old->steps[i]};
        entry = &entries[i];
        HASH_ADD_KEYPTR(hh, table, entry->id, strlen(entry->id), entry);
    }
    for (size_t i = 0; i < phase->n_steps; i++) {
        Reeve__Step *step = phase->steps[i];
        HASH_FIND_STR(table, step->id, entry);
        if (entry)
            keep_step(step, entry->step,
                      fact_config_pod_digest(config, step->pod_type));
    }
    HASH_CLEAR(hh, table);
    free(entries);
}

static void keep_plan(Reeve__Plan *plan, const Reeve__Plan *old,
                      const struct fact_config *config)
{
    PB_SET(plan, interrupted, old->interrupted);
    for (size_t i = 0; i < old->n_parameters; i++)
        PB_ADD(plan, parameters, WIRE_DUP(reeve__env_var, old->parameters[i]));
    for (size_t i = 0; i < plan->n_phases; i++)
        for (size_t k = 0; k < old->n_phases; k++)
            if (str_eq(plan->phases[i]->id, old->phases[k]->id))
                keep_phase(plan->phases[i], old->phases[k], config);
}

Reeve__Plan *plan_build(const struct plan_source *source,
                        const Reeve__Plan *old)
{
    /* Made from this very configuration: the tree stands. */
    if (old && str_eq(old->config_id, source->config->id) &&
        old->order == source->order)
        return WIRE_DUP(reeve__plan, old);

    Reeve__Plan *plan = PB_NEW(reeve__plan);
    plan->name = xstrdup(source->name);
    char id[37];
    plan_path_id(source->svc, source->name, "", id);
    plan->id = xstrdup(id);
    plan->strategy =
        xstrdup(source->plan->strategy ? source->plan->strategy : "serial");
    plan->config_id = xstrdup(source->config->id);
    PB_SET(plan, order, source->order);
    PB_SET(plan, interrupted, source->starts_interrupted);
    for (size_t i = 0; i < source->plan->n_phases; i++)
        PB_ADD(plan, phases, make_phase(source, source->plan->phases[i]));
    if (old)
        keep_plan(plan, old, source->config);
    return plan;
}

/* ---- canaries ---- */
static bool is_to_do(const Reeve__Step *step)
{
    return step->status == PLAN_PENDING || step->status == PLAN_DELAYED ||
           step->status == PLAN_WAITING;
}

static bool arm_phase(Reeve__Phase *phase, const struct fact_config *config)
{
    if (!strategy_parse(phase->strategy).is_canary || phase->n_steps == 0)
        return false;
    const char *digest =
        fact_config_pod_digest(config, phase->steps[0]->pod_type);
    AUTO_FREE char *now_for =
        xasprintf("%s:%zu", str_or_empty(digest), phase->n_steps);
    if (str_eq(phase->canary_for, now_for))
        return false;

    size_t armed = 0;
    for (size_t i = 0; i < phase->n_steps; i++) {
        bool waits = armed < CANARY_STEPS && is_to_do(phase->steps[i]);
        PB_SET(phase->steps[i], interrupted, waits);
        armed += waits;
    }
    PB_STR(phase, canary_for, now_for);
    PB_SET(phase, canary_armed, true);
    PB_SET(phase, canary_released, 0);
    return true;
}

bool plan_arm_canaries(Reeve__Plan *plan, const struct fact_config *config)
{
    bool changed = false;
    for (size_t i = 0; i < plan->n_phases; i++)
        changed |= arm_phase(plan->phases[i], config);
    return changed;
}

/* ---- settling ---- */
/* A phase's steps as its strategy sees them; the caller frees. */
static struct strategy_child *children_of_phase(const Reeve__Phase *phase)
{
    struct strategy_child *children =
        xcalloc(phase->n_steps + 1, sizeof *children);
    for (size_t i = 0; i < phase->n_steps; i++) {
        const Reeve__Step *step = phase->steps[i];
        children[i] = (struct strategy_child){
            .status = step->status,
            .has_errors = step->n_errors > 0,
            .is_interrupted = step->interrupted,
            .group = step->pod_index,
        };
    }
    return children;
}

bool plan_phase_is_interrupted(const Reeve__Phase *phase)
{
    if (phase->interrupted)
        return true;
    AUTO_FREE struct strategy_child *children = children_of_phase(phase);
    return strategy_canary_holds(strategy_parse(phase->strategy), children,
                                 phase->n_steps);
}

Reeve__Step *plan_phase_canary(const Reeve__Phase *phase)
{
    AUTO_FREE struct strategy_child *children = children_of_phase(phase);
    size_t i = strategy_canary_waiting(strategy_parse(phase->strategy),
                                       children, phase->n_steps);
    return i < phase->n_steps ? phase->steps[i] : NULL;
}

/* What settling a phase finds out for its plan. */
struct settled_phase {
    struct strategy_child as_child;
    bool *may_work; /* one for each step; malloc'd */
};

static void settle_phase(Reeve__Phase *phase, struct settled_phase *out)
{
    size_t n = phase->n_steps;
    struct strategy strategy = strategy_parse(phase->strategy);
    AUTO_FREE struct strategy_child *children = children_of_phase(phase);
    out->may_work = xcalloc(n + 1, sizeof *out->may_work);
    strategy_candidates(strategy, children, n, out->may_work);

    struct plan_parent self = {
        .has_errors = phase->n_errors > 0,
        .is_interrupted =
            phase->interrupted || strategy_canary_holds(strategy, children, n),
    };
    PB_SET(phase, status, plan_aggregate(self, children, n, out->may_work));
    out->as_child = (struct strategy_child){
        .status = phase->status,
        .has_errors = self.has_errors,
        .is_interrupted = self.is_interrupted,
    };
}

static size_t collect(const Reeve__Phase *phase, const bool *may_work,
                      Reeve__Step **candidates)
{
    size_t n = 0;
    for (size_t i = 0; i < phase->n_steps; i++)
        if (may_work[i])
            candidates[n++] = phase->steps[i];
    return n;
}

size_t plan_settle(Reeve__Plan *plan, Reeve__Step **candidates)
{
    size_t n = plan->n_phases, found = 0;
    AUTO_FREE struct settled_phase *phases = xcalloc(n + 1, sizeof *phases);
    AUTO_FREE struct strategy_child *children =
        xcalloc(n + 1, sizeof *children);
    AUTO_FREE bool *may_work = xcalloc(n + 1, sizeof *may_work);
    for (size_t i = 0; i < n; i++) {
        settle_phase(plan->phases[i], &phases[i]);
        children[i] = phases[i].as_child;
        children[i].group = (uint32_t)i;
    }
    strategy_candidates(strategy_parse(plan->strategy), children, n, may_work);
    struct plan_parent self = {
        .has_errors = plan->n_errors > 0,
        .is_interrupted = plan->interrupted,
    };
    PB_SET(plan, status, plan_aggregate(self, children, n, may_work));

    bool goes_on = !self.has_errors && !self.is_interrupted;
    for (size_t i = 0; i < n; i++) {
        if (goes_on && may_work[i] && candidates)
            found += collect(plan->phases[i], phases[i].may_work,
                             candidates + found);
        free(phases[i].may_work);
    }
    return found;
}

/* ---- explaining ---- */
/* What keeps a PENDING step back; malloc'd, NULL: nothing but its own turn. */
static char *obstacle_in_phase(const Reeve__Phase *phase,
                               const Reeve__Step *first,
                               const Reeve__Step *canary)
{
    if (phase->interrupted)
        return xasprintf("phase %s is interrupted: waits for the operator's "
                         "continue",
                         phase->name);
    if (strategy_parse(phase->strategy).is_serial && first)
        return xasprintf("waits for %s to complete", first->name);
    if (canary)
        return xasprintf("waits for the canary step %s to complete",
                         canary->name);
    return NULL;
}

/* obstacle: of the whole phase, or NULL. */
static void explain_phase(Reeve__Phase *phase, const char *obstacle)
{
    const Reeve__Step *first = NULL; /* that is not complete */
    const Reeve__Step *canary = plan_phase_canary(phase);
    for (size_t i = 0; i < phase->n_steps; i++) {
        Reeve__Step *step = phase->steps[i];
        if (step->status == PLAN_PENDING) {
            AUTO_FREE char *text =
                obstacle ? xstrdup(obstacle)
                         : obstacle_in_phase(phase, first, canary);
            if (text)
                PB_STR(step, message, text);
        }
        if (!first && step->status != PLAN_COMPLETE)
            first = step;
    }
}

static char *obstacle_of_plan(const Reeve__Plan *plan)
{
    if (plan->n_errors > 0)
        return xasprintf("plan %s has errors: %s", plan->name, plan->errors[0]);
    if (plan->interrupted)
        return xasprintf("plan %s is interrupted: waits for the operator's "
                         "continue",
                         plan->name);
    return NULL;
}

void plan_explain(Reeve__Plan *plan)
{
    bool is_serial = strategy_parse(plan->strategy).is_serial;
    const Reeve__Phase *first = NULL; /* that is not complete */
    AUTO_FREE char *whole = obstacle_of_plan(plan);
    for (size_t i = 0; i < plan->n_phases; i++) {
        Reeve__Phase *phase = plan->phases[i];
        AUTO_FREE char *before =
            is_serial && first
                ? xasprintf("waits for %s to complete", first->name)
                : NULL;
        explain_phase(phase, whole ? whole : before);
        if (!first && phase->status != PLAN_COMPLETE)
            first = phase;
    }
}

size_t plan_count_steps(const Reeve__Plan *plan)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->n_phases; i++)
        n += plan->phases[i]->n_steps;
    return n;
}
