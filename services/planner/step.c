/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/step.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/id.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "services/planner/backoff.h"
#include "services/planner/plan_status.h"

#define SAY(verdict, ...)                                                      \
    snprintf((verdict)->message, sizeof(verdict)->message, __VA_ARGS__)

/* Bytes of what Mesos said of an end that a message repeats. */
#define LONGEST_WHY 160

/* One task of the step under judgement. */
struct task_case {
    const struct step_world *world;
    const struct step_subject *subject;
    const struct fact_pod *pod;   /* NULL: nothing known of the instance */
    const struct fact_task *task; /* NULL: never launched */
    const char *short_name;
};

/* ---- names ------------------------------------------------------------------
 */
char *step_name(const Reeve__PodSpec *pod, uint32_t index, char *const *tasks,
                size_t n_tasks)
{
    AUTO_FREE char *instance = spec_pod_instance(pod->type, index);
    if (pod->inline_task)
        return MOVE(instance);
    struct buf name = {0};
    buf_addf(&name, "%s:[", instance);
    for (size_t i = 0; i < n_tasks; i++)
        buf_addf(&name, "%s%s", i ? ", " : "", tasks[i]);
    buf_add_char(&name, ']');
    return buf_take(&name, NULL);
}

static void case_name(const struct task_case *c, char out[256])
{
    const Reeve__Step *step = c->subject->step;
    AUTO_FREE char *name =
        spec_task_name(step->pod_type, step->pod_index, c->short_name);
    snprintf(out, 256, "%s", name);
}

void step_incarnation(const struct facts *facts, const Reeve__Step *step,
                      char out[65])
{
    const struct fact_pod *pod =
        facts_pod(facts, step->pod_type, step->pod_index);
    AUTO_BUF struct buf ids = {0};
    for (size_t i = 0; i < step->n_tasks; i++) {
        const struct fact_task *task = fact_pod_task(pod, step->tasks[i]);
        buf_addf(&ids, "%s\n", task ? task->info->task_id : "");
    }
    sha256_hex(buf_text(&ids), ids.len, out);
}

static struct task_case case_at(const struct step_world *world,
                                const struct step_subject *subject, size_t i)
{
    const Reeve__Step *step = subject->step;
    const struct fact_pod *pod =
        facts_pod(world->facts, step->pod_type, step->pod_index);
    return (struct task_case){
        .world = world,
        .subject = subject,
        .pod = pod,
        .task = fact_pod_task(pod, step->tasks[i]),
        .short_name = step->tasks[i],
    };
}

/* ---- one task ---- */
const struct fact_demand *step_demand(const struct step_world *world,
                                      const struct fact_pod *pod,
                                      const char *short_name,
                                      const char *digest)
{
    for (size_t i = 0; pod && i < pod->n_demands; i++) {
        const struct fact_demand *demand = pod->demands[i];
        if (!demand_has_task(demand->demand, short_name))
            continue;
        if (digest && !str_eq(demand->demand->pod_digest, digest))
            continue;
        if (world->is_withdrawn && world->is_withdrawn(world->self, demand))
            continue;
        return demand;
    }
    return NULL;
}

static bool must_restart(const struct task_case *c)
{
    const Reeve__Step *step = c->subject->step;
    for (size_t i = 0; i < step->n_restart_task_ids; i++)
        if (str_eq(step->restart_task_ids[i], c->task->info->task_id))
            return true;
    return false;
}

static bool is_outdated(const struct task_case *c)
{
    return c->subject->digest &&
           !str_eq(c->task->info->pod_digest, c->subject->digest);
}

/* The goal of the configuration at hand; of the launch in recovery. */
static Reeve__Goal case_goal(const struct task_case *c)
{
    const Reeve__TaskSpec *spec =
        c->subject->digest ? spec_find_task(c->subject->pod, c->short_name)
                           : NULL;
    if (spec)
        return spec->goal;
    return c->task ? c->task->info->goal : REEVE__GOAL__GOAL_RUNNING;
}

/* Ran to its end and need not run again: for good with goal ONCE, until the
 * configuration changes with goal FINISH. */
static bool is_done(const struct task_case *c)
{
    if (!c->task || must_restart(c) ||
        fact_task_state(c->task) != MESOS__V1__TASK_STATE__TASK_FINISHED)
        return false;
    Reeve__Goal goal = case_goal(c);
    return goal == REEVE__GOAL__GOAL_ONCE ||
           (goal == REEVE__GOAL__GOAL_FINISH && !is_outdated(c));
}

/* How the task ended and, where Mesos said so, why: "TASK_FAILED (Command
 * exited with status 1)".  malloc'd. */
static char *end_text(const struct fact_task *task)
{
    const char *why = str_or_empty(task->status->message);
    const char *state = task_state_name(fact_task_state(task));
    size_t len = strnlen(why, LONGEST_WHY);
    char *text;

    while (len > 0 && (why[len] & 0xc0) == 0x80)
        len--; /* not in the middle of a character */
    text = *why ? xasprintf("%s (%.*s%s)", state, (int)len, why,
                            why[len] ? "…" : "")
                : xstrdup(state);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
    return text;
}

/* Did the launch before this one come to nothing? */
static bool came_to_nothing(const struct fact_task *task)
{
    int state = task ? fact_task_state(task) : -1;

    return state == MESOS__V1__TASK_STATE__TASK_DROPPED ||
           state == MESOS__V1__TASK_STATE__TASK_ERROR ||
           state == MESOS__V1__TASK_STATE__TASK_FAILED;
}

static void say_no_offer_fits(const struct task_case *c,
                              struct step_verdict *out)
{
    AUTO_FREE char *before =
        came_to_nothing(c->task) ? end_text(c->task) : NULL;

    SAY(out, "no offer fits: %s%s%s", str_or_empty(c->pod->outcome->summary),
        before ? "; the launch before ended with " : "", str_or_empty(before));
}

static Reeve__PlanStatus judge_demanded(const struct task_case *c,
                                        const struct fact_demand *demand,
                                        struct step_verdict *out)
{
    int64_t due_ms = demand->demand->not_before_wall_ms;
    if (due_ms > c->world->now_ms) {
        SAY(out, "backs off before the next launch");
        out->wake_ms = due_ms;
        return PLAN_DELAYED;
    }
    const Reeve__Outcome *outcome = c->pod->outcome;
    bool is_told = outcome && str_eq(outcome->demand_id, demand->id);
    if (c->task && fact_task_is_alive(c->task) && !is_told)
        SAY(out, "waits for the old task %s to end", c->task->info->task_id);
    else if (c->task && fact_task_is_alive(c->task))
        SAY(out, "%s", str_or_empty(outcome->summary));
    else if (is_told)
        say_no_offer_fits(c, out);
    else
        SAY(out, "waits for an offer that fits");
    return PLAN_PREPARED;
}

static Reeve__PlanStatus judge_ended(const struct task_case *c,
                                     struct step_verdict *out)
{
    char name[256];
    case_name(c, name);
    struct backoff backoff = backoff_of(c->world->facts, c->task);
    AUTO_FREE char *end = end_text(c->task);
    if (backoff_left_ms(&backoff, c->world->now_ms) == 0) {
        SAY(out, "%s ended with %s and is to be launched again", name, end);
        return PLAN_PENDING;
    }
    out->wake_ms = backoff.due_ms;
    time_t due_s = (time_t)(backoff.due_ms / 1000);
    struct tm due;
    char at[32];
    strftime(at, sizeof at, "%H:%M:%S UTC", gmtime_r(&due_s, &due));
    SAY(out, "%s ended with %s, %u quick failures so far; backs off until %s",
        name, end, backoff.failures, at);
    return PLAN_DELAYED;
}

static Reeve__PlanStatus judge_running(const struct task_case *c,
                                       struct step_verdict *out)
{
    char name[256];
    case_name(c, name);
    Reeve__Goal goal = case_goal(c);
    if (goal == REEVE__GOAL__GOAL_FINISH || goal == REEVE__GOAL__GOAL_ONCE) {
        SAY(out, "waits for %s to finish", name);
        return PLAN_STARTED;
    }
    if (c->task->status->ready)
        return PLAN_COMPLETE;
    SAY(out, "%s runs, but its readiness check has not passed yet", name);
    return PLAN_STARTED;
}

/* The recorded task is what it should be; how far is it? */
static Reeve__PlanStatus judge_launched(const struct task_case *c,
                                        struct step_verdict *out)
{
    int state = fact_task_state(c->task);
    char name[256];
    case_name(c, name);
    if (task_state_is_terminal(state))
        return judge_ended(c, out);
    if (facts_kill(c->world->facts, c->task->info->task_id)) {
        SAY(out, "waits for %s to end, which is being killed", name);
        return PLAN_PREPARED;
    }
    if (state == MESOS__V1__TASK_STATE__TASK_RUNNING)
        return judge_running(c, out);
    if (state == MESOS__V1__TASK_STATE__TASK_KILLING) {
        SAY(out, "waits for %s to end, which is being killed", name);
        return PLAN_PREPARED;
    }
    if (state == MESOS__V1__TASK_STATE__TASK_UNREACHABLE ||
        state == MESOS__V1__TASK_STATE__TASK_UNKNOWN)
        SAY(out, "waits for the agent of %s, which is %s", name,
            task_state_name(state));
    else
        SAY(out, "waits for TASK_RUNNING of %s, now %s", name,
            state < 0 ? "without a status" : task_state_name(state));
    return PLAN_STARTING;
}

static Reeve__PlanStatus judge_task(const struct task_case *c,
                                    struct step_verdict *out)
{
    const struct fact_demand *demand =
        step_demand(c->world, c->pod, c->short_name, c->subject->digest);
    if (demand)
        return judge_demanded(c, demand, out);
    if (!c->task) {
        SAY(out, "is to be launched");
        return PLAN_PENDING;
    }
    if (is_done(c))
        return PLAN_COMPLETE;
    if (c->task->info->permanently_failed &&
        case_goal(c) == REEVE__GOAL__GOAL_RUNNING) {
        SAY(out, "is to be replaced, as the operator asked");
        return PLAN_PENDING;
    }
    if (must_restart(c)) {
        SAY(out, "is to be restarted, as the operator asked");
        return PLAN_PENDING;
    }
    if (is_outdated(c)) {
        SAY(out, "is to be launched again: its configuration changed");
        return PLAN_PENDING;
    }
    return judge_launched(c, out);
}

/* ---- the step ---- */
/* The first of these that any task has is the status of the step. */
static const Reeve__PlanStatus precedence[] = {
    PLAN_ERROR,    PLAN_DELAYED,  PLAN_PENDING,
    PLAN_PREPARED, PLAN_STARTING, PLAN_STARTED,
};

static size_t rank_of(Reeve__PlanStatus status)
{
    size_t i = 0;
    while (i < ARRAY_LEN(precedence) && precedence[i] != status)
        i++;
    return i;
}

static void judge_tasks(const struct step_world *world,
                        const struct step_subject *subject,
                        struct step_verdict *out)
{
    *out = (struct step_verdict){.status = PLAN_COMPLETE};
    for (size_t i = 0; i < subject->step->n_tasks; i++) {
        struct task_case c = case_at(world, subject, i);
        struct step_verdict one = {0};
        one.status = judge_task(&c, &one);
        int64_t wake_ms = MAX(one.wake_ms, out->wake_ms);
        if (rank_of(one.status) < rank_of(out->status))
            *out = one;
        /* All delays must be over, so the latest counts. */
        out->wake_ms = wake_ms;
    }
}

static bool is_forced(const struct step_world *world,
                      const struct step_subject *subject)
{
    const Reeve__Step *step = subject->step;
    if (!step->forced_digest || !*step->forced_digest)
        return false;
    if (subject->digest)
        return str_eq(step->forced_digest, subject->digest);
    char incarnation[65];
    step_incarnation(world->facts, step, incarnation);
    return str_eq(step->forced_digest, incarnation);
}

/* Completed for this digest, and no task of another digest has crept in. */
static bool is_completed(const struct step_world *world,
                         const struct step_subject *subject)
{
    const Reeve__Step *step = subject->step;
    if (!subject->digest || !str_eq(step->completed_digest, subject->digest))
        return false;
    const struct fact_pod *pod =
        facts_pod(world->facts, step->pod_type, step->pod_index);
    for (size_t i = 0; i < step->n_tasks; i++) {
        const struct fact_task *task = fact_pod_task(pod, step->tasks[i]);
        if (task && fact_task_is_alive(task) &&
            !str_eq(task->info->pod_digest, subject->digest))
            return false;
    }
    return true;
}

void step_judge(const struct step_world *world,
                const struct step_subject *subject, struct step_verdict *out)
{
    const Reeve__Step *step = subject->step;
    *out = (struct step_verdict){0};
    if (step->n_errors > 0) {
        out->status = PLAN_ERROR;
        SAY(out, "%s", step->errors[0]);
        return;
    }
    if (is_forced(world, subject)) {
        out->status = PLAN_COMPLETE;
        SAY(out, "completed by the operator");
        return;
    }
    if (is_completed(world, subject)) {
        out->status = PLAN_COMPLETE;
        return;
    }
    judge_tasks(world, subject, out);
    bool has_begun = out->status != PLAN_PENDING && out->status != PLAN_DELAYED;
    if (step->interrupted && !has_begun) {
        out->status = PLAN_WAITING;
        out->wake_ms = 0;
        SAY(out, "waits for the operator's continue");
    }
}

/* ---- what to launch ---- */
static bool is_essential(const struct step_subject *subject, const char *name)
{
    const Reeve__TaskSpec *task = spec_find_task(subject->pod, name);
    return !task || task->essential;
}

static bool is_needy(const struct task_case *c)
{
    struct step_verdict ignored = {0};
    return !is_done(c) && judge_task(c, &ignored) == PLAN_PENDING;
}

size_t step_launch_set(const struct step_world *world,
                       const struct step_subject *subject, const char **out)
{
    const Reeve__Step *step = subject->step;
    bool any_essential = false;
    for (size_t i = 0; i < step->n_tasks; i++) {
        struct task_case c = case_at(world, subject, i);
        any_essential |= is_needy(&c) && is_essential(subject, step->tasks[i]);
    }
    size_t n = 0;
    for (size_t i = 0; i < step->n_tasks; i++) {
        struct task_case c = case_at(world, subject, i);
        if (any_essential ? !is_done(&c) : is_needy(&c))
            out[n++] = step->tasks[i];
    }
    return n;
}
