/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/engine.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/planner/claims.h"
#include "services/planner/launch.h"
#include "services/planner/plan.h"
#include "services/planner/plan_status.h"
#include "services/planner/recovery.h"
#include "services/planner/step.h"

enum { MAX_PLANS = 64 };

/* One round. */
struct round {
    const struct engine_input *in;
    struct engine_output *out;
    const struct fact_config *target;
    struct launcher *launcher;
    struct step_world world;
    struct claims *claims;
    Reeve__Plan *plans[MAX_PLANS]; /* [0] deploy, [1] recovery, then custom */
    size_t n_plans;
};

static void lower(int64_t *wake_ms, int64_t candidate_ms)
{
    if (candidate_ms && (!*wake_ms || candidate_ms < *wake_ms))
        *wake_ms = candidate_ms;
}

/* ---- making and judging plans ---- */
static void judge_step(struct round *r, Reeve__Step *step)
{
    struct step_subject subject = {
        .step = step,
        .pod = spec_find_pod(r->target->config->spec, step->pod_type),
        .digest = fact_config_pod_digest(r->target, step->pod_type),
    };
    if (!subject.pod) {
        /* Only a record that lies can name such a pod. */
        PB_SET(step, status, PLAN_ERROR);
        PB_STR(step, message, "its pod is not in the configuration");
        return;
    }
    struct step_verdict verdict;
    step_judge(&r->world, &subject, &verdict);
    PB_SET(step, status, verdict.status);
    PB_STR(step, message, *verdict.message ? verdict.message : NULL);
    lower(&r->out->wake_ms, verdict.wake_ms);

    const struct fact_pod *pod =
        facts_pod(r->in->facts, step->pod_type, step->pod_index);
    const struct fact_demand *demand =
        step->n_tasks > 0
            ? step_demand(&r->world, pod, step->tasks[0], subject.digest)
            : NULL;
    PB_STR(step, demand_id, demand ? demand->id : NULL);
    if (verdict.status != PLAN_COMPLETE ||
        str_eq(step->forced_digest, subject.digest))
        return;
    PB_STR(step, completed_digest, subject.digest);
    PB_CLEAR_STRS(step, restart_task_ids);
}

static void judge_plan(struct round *r, Reeve__Plan *plan)
{
    for (size_t i = 0; i < plan->n_phases; i++)
        for (size_t k = 0; k < plan->phases[i]->n_steps; k++)
            judge_step(r, plan->phases[i]->steps[k]);
}

static Reeve__Plan *make_plan(struct round *r, const struct plan_source *source)
{
    const struct fact_plan *old = facts_plan(r->in->facts, source->name);
    Reeve__Plan *plan = plan_build(source, old ? old->plan : NULL);
    judge_plan(r, plan);
    if (plan_arm_canaries(plan, r->target))
        judge_plan(r, plan);
    return plan;
}

static const Reeve__PlanSpec *find_plan_spec(const Reeve__ServiceSpec *spec,
                                             const char *name)
{
    for (size_t i = 0; i < spec->n_plans; i++)
        if (str_eq(spec->plans[i]->name, name))
            return spec->plans[i];
    return NULL;
}

/* The plan `update` stands in for deploy once another configuration than this
 * one was deployed completely. */
static bool is_update(const struct round *r)
{
    const struct fact_property *first =
        facts_property(r->in->facts, "first-deployed-config");
    return first && !str_eq(first->text, r->target->id);
}

static void make_deploy(struct round *r)
{
    const Reeve__ServiceSpec *spec = r->target->config->spec;
    const Reeve__PlanSpec *given = NULL;
    if (is_update(r))
        given = find_plan_spec(spec, "update");
    if (!given)
        given = find_plan_spec(spec, "deploy");

    AUTO_MESSAGE Reeve__PlanSpec *fallback =
        given ? NULL : plan_default_spec(spec);
    struct plan_source source = {
        .svc = r->in->facts->svc,
        .config = r->target,
        .plan = given ? given : fallback,
        .name = "deploy",
        .order = 0,
    };
    Reeve__Plan *plan = make_plan(r, &source);
    const Reeve__Target *target = r->in->facts->target;
    PB_CLEAR_STRS(plan, errors);
    for (size_t i = 0; i < target->n_errors; i++)
        PB_ADD_STR(plan, errors, target->errors[i]);
    r->plans[r->n_plans++] = plan;
}

static void make_custom(struct round *r)
{
    const Reeve__ServiceSpec *spec = r->target->config->spec;
    for (size_t i = 0; i < spec->n_plans && r->n_plans < MAX_PLANS; i++) {
        const Reeve__PlanSpec *given = spec->plans[i];
        if (str_eq(given->name, "deploy") || str_eq(given->name, "update") ||
            str_eq(given->name, "recovery"))
            continue;
        struct plan_source source = {
            .svc = r->in->facts->svc,
            .config = r->target,
            .plan = given,
            .name = given->name,
            .order = PLAN_FIRST_CUSTOM + (uint32_t)i,
            .starts_interrupted = true,
        };
        r->plans[r->n_plans++] = make_plan(r, &source);
    }
}

static void make_recovery(struct round *r)
{
    struct recovery_source source = {
        .world = &r->world, .target = r->target, .claims = r->claims};
    const struct fact_plan *old = facts_plan(r->in->facts, "recovery");
    r->plans[1] =
        recovery_build(&source, old ? old->plan : NULL, &r->out->wake_ms);
}

/* ---- working ---- */
/* Steps under way hold their tasks against other plans. */
static void claim_running(struct round *r, const Reeve__Plan *plan)
{
    for (size_t i = 0; !plan->interrupted && i < plan->n_phases; i++)
        for (size_t k = 0; k < plan->phases[i]->n_steps; k++) {
            const Reeve__Step *step = plan->phases[i]->steps[k];
            if (step->status == PLAN_PREPARED || step->status == PLAN_STARTING)
                claims_add(r->claims, step, plan->name);
        }
}

static void launch_deployed(struct round *r, const Reeve__Plan *plan,
                            Reeve__Step *step)
{
    struct step_subject subject = {
        .step = step,
        .pod = spec_find_pod(r->target->config->spec, step->pod_type),
        .digest = fact_config_pod_digest(r->target, step->pod_type),
    };
    struct launch launch = {.plan = plan, .step = step, .config = r->target};
    launch.tasks = xcalloc(step->n_tasks + 1, sizeof *launch.tasks);
    launch.n_tasks = step_launch_set(&r->world, &subject, launch.tasks);
    launcher_launch(r->launcher, &launch);
    free(launch.tasks);
}

static void launch_recovered(struct round *r, const Reeve__Plan *plan,
                             Reeve__Step *step)
{
    struct recovery_source source = {
        .world = &r->world, .target = r->target, .claims = r->claims};
    const struct fact_config *config = recovery_config(&source, step);
    struct step_subject subject = {
        .step = step,
        .pod = spec_find_pod(config->config->spec, step->pod_type),
    };
    struct launch launch = {.plan = plan,
                            .step = step,
                            .config = config,
                            .recovery = REEVE__DEMAND__RECOVERY__TRANSIENT};
    launch.tasks = xcalloc(step->n_tasks + 1, sizeof *launch.tasks);
    launch.n_tasks = step_launch_set(&r->world, &subject, launch.tasks);
    launcher_launch(r->launcher, &launch);
    free(launch.tasks);
}

/* What the plan's strategy lets through and no other plan works on. */
static void work(struct round *r, Reeve__Plan *plan,
                 void (*launch)(struct round *r, const Reeve__Plan *plan,
                                Reeve__Step *step))
{
    AUTO_FREE Reeve__Step **steps =
        xcalloc(plan_count_steps(plan) + 1, sizeof *steps);
    size_t n = plan_settle(plan, steps);
    plan_explain(plan);
    for (size_t i = 0; i < n; i++) {
        Reeve__Step *step = steps[i];
        const char *rival = claims_rival(r->claims, step, plan->name);
        if (rival && step->status == PLAN_PENDING) {
            AUTO_FREE char *text = xasprintf(
                "waits for plan %s, which works on the same tasks", rival);
            PB_STR(step, message, text);
        }
        if (rival)
            continue;
        claims_add(r->claims, step, plan->name);
        if (step->status != PLAN_PENDING)
            continue;
        if (!changes_is_full(&r->out->changes))
            launch(r, plan, step);
    }
    plan_settle(plan, NULL);
}

static void make_and_work(struct round *r)
{
    make_deploy(r);
    r->n_plans++; /* [1]: recovery, made when the others have claimed */
    make_custom(r);

    claim_running(r, r->plans[0]);
    for (size_t i = 2; i < r->n_plans; i++)
        claim_running(r, r->plans[i]);
    work(r, r->plans[0], launch_deployed);
    make_recovery(r);
    claim_running(r, r->plans[1]);
    work(r, r->plans[1], launch_recovered);
    for (size_t i = 2; i < r->n_plans; i++)
        work(r, r->plans[i], launch_deployed);
}

/* ---- writing plans ---- */
static bool same_canaries(const Reeve__Plan *a, const Reeve__Plan *b)
{
    for (size_t i = 0; i < a->n_phases; i++)
        if (!str_eq(a->phases[i]->canary_for, b->phases[i]->canary_for))
            return false;
    return true;
}

/* Only statuses, messages and completions differ, which the facts give again
 * whenever they are asked. */
static bool may_wait(const Reeve__Plan *plan, const Reeve__Plan *old)
{
    return str_eq(plan->config_id, old->config_id) &&
           plan->n_phases == old->n_phases &&
           plan->interrupted == old->interrupted &&
           plan->status == old->status && same_canaries(plan, old);
}

static void write_plan(struct round *r, const Reeve__Plan *plan)
{
    const struct fact_plan *old = facts_plan(r->in->facts, plan->name);
    if (old && wire_equal(&plan->base, &old->plan->base))
        return;
    if (old && r->in->hold_plans && may_wait(plan, old->plan)) {
        r->out->plans_held = true;
        return;
    }
    changes_replace(&r->out->changes,
                    facts_key(r->in->facts, "plan", plan->name),
                    old ? old->revision : 0, &plan->base);
    r->out->plan_bytes += r->out->changes.ops[r->out->changes.n_ops - 1].len;
}

static void put_property(struct round *r, const char *name, const char *text)
{
    const struct fact_property *old = facts_property(r->in->facts, name);
    if (!old || !str_eq(old->text, text))
        changes_put_text(&r->out->changes,
                         facts_key(r->in->facts, "property", name), text);
}

static void note_completion(struct round *r)
{
    if (r->plans[0]->status != PLAN_COMPLETE)
        return;
    put_property(r, "last-completed-update-type", "DEPLOY");
    if (!facts_property(r->in->facts, "first-deployed-config"))
        put_property(r, "first-deployed-config", r->target->id);
}

static void write_plans(struct round *r)
{
    for (size_t i = 0; i < r->n_plans; i++) {
        /* A custom plan runs once for each start. */
        if (i >= 2 && r->plans[i]->status == PLAN_COMPLETE)
            PB_SET(r->plans[i], interrupted, true);
        write_plan(r, r->plans[i]);
    }
    for (const struct fact_plan *old = r->in->facts->plans; old;
         old = old->hh.next) {
        bool is_wanted = false;
        for (size_t i = 0; i < r->n_plans; i++)
            is_wanted |= str_eq(r->plans[i]->name, old->name);
        if (!is_wanted)
            changes_remove(&r->out->changes,
                           facts_key(r->in->facts, "plan", old->name),
                           old->revision);
    }
    note_completion(r);
}

/* ---- a round ---- */
static bool is_withdrawn(const void *self, const struct fact_demand *demand)
{
    return launcher_has_withdrawn(self, demand);
}

static void decide(struct round *r)
{
    struct launcher_source source = {
        .facts = r->in->facts,
        .target = r->target,
        .now_ms = r->in->now_ms,
        .ids = r->in->ids,
    };
    r->launcher = launcher_new(&source, &r->out->changes);
    r->claims = claims_new();
    r->world = (struct step_world){
        .facts = r->in->facts,
        .now_ms = r->in->now_ms,
        .is_withdrawn = is_withdrawn,
        .self = r->launcher,
    };
    launcher_tidy(r->launcher);
    make_and_work(r);
    write_plans(r);
    target_clean_configs(r->in->facts, &r->out->changes);

    for (size_t i = 0; i < r->n_plans; i++) {
        ProtobufCMessage *message = &r->plans[i]->base;
        wire_free(&message);
    }
    claims_destroy(&r->claims);
    launcher_destroy(&r->launcher);
}

int engine_step(const struct engine_input *in, struct engine_output *out,
                struct err *err)
{
    *out = (struct engine_output){0};
    if (in->facts->damaged)
        return 0;
    struct target_source source = {
        .facts = in->facts,
        .intent = in->intent,
        .now_ms = in->now_ms,
        .ids = in->ids,
    };
    int changed = target_decide(&source, &out->changes, err);
    if (changed != 0)
        return changed < 0 ? -1 : 0;

    struct round r = {.in = in, .out = out};
    r.target = facts_target_config(in->facts);
    if (r.target)
        decide(&r);
    return 0;
}
