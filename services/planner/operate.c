/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/operate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/planner/backoff.h"
#include "services/planner/launch.h"
#include "services/planner/plan.h"
#include "services/planner/plan_status.h"
#include "services/planner/step.h"

/* A verb under way: a copy of the plan, and what of it is meant. */
struct operation {
    const struct operate_source *source;
    const Reeve__PlanCommand *command;
    struct changes *changes;
    Reeve__Plan *plan;
    bool is_recovery;
    Reeve__Phase **phases; /* that match; NULL: the whole plan is meant */
    size_t n_phases;
    Reeve__Step *step; /* NULL: the phase is meant */
};

static int noop(struct err *err)
{
    return err_set(err, ERR_NOOP,
                   "Command has already been reported or "
                   "completed");
}

/* ---- finding what is meant ---- */
static const struct fact_plan *find_plan(const struct facts *facts,
                                         const char *wanted)
{
    for (const struct fact_plan *p = facts->plans; p; p = p->hh.next)
        if (wanted && str_eq(p->plan->id, wanted))
            return p;
    return facts_plan(facts, wanted);
}

/* By id, else all of that name. */
static int find_phases(struct operation *op, struct err *err)
{
    const char *wanted = op->command->phase;
    op->phases = xcalloc(op->plan->n_phases + 1, sizeof *op->phases);
    for (size_t i = 0; i < op->plan->n_phases; i++)
        if (str_eq(op->plan->phases[i]->id, wanted)) {
            op->phases[0] = op->plan->phases[i];
            op->n_phases = 1;
            return 0;
        }
    for (size_t i = 0; i < op->plan->n_phases; i++)
        if (str_eq(op->plan->phases[i]->name, wanted))
            op->phases[op->n_phases++] = op->plan->phases[i];
    if (op->n_phases == 0)
        return err_set(err, ERR_NOT_FOUND, "Phase %s not found", wanted);
    return 0;
}

static int find_step(struct operation *op, struct err *err)
{
    const char *wanted = op->command->step;
    const Reeve__Phase *phase = op->phases[0];
    size_t matches = 0;
    for (size_t i = 0; i < phase->n_steps; i++) {
        if (str_eq(phase->steps[i]->id, wanted)) {
            op->step = phase->steps[i];
            return 0;
        }
        if (str_eq(phase->steps[i]->name, wanted)) {
            op->step = phase->steps[i];
            matches++;
        }
    }
    if (matches != 1)
        return err_set(err, ERR_NOT_FOUND, "Step %s not found", wanted);
    return 0;
}

static int find_element(struct operation *op, struct err *err)
{
    const char *phase = str_or_empty(op->command->phase);
    const char *step = str_or_empty(op->command->step);
    if (*step && !*phase)
        return err_set(err, ERR_INVALID, "Missing phase");
    if (*phase && find_phases(op, err) < 0)
        return -1;
    if (*step && find_step(op, err) < 0)
        return -1;
    return 0;
}

static Reeve__PlanStatus element_status(const struct operation *op)
{
    if (op->step)
        return op->step->status;
    return op->phases ? op->phases[0]->status : op->plan->status;
}

/* Calls fn for each step of the element. */
static void each_step(struct operation *op,
                      void (*fn)(struct operation *op, Reeve__Step *step))
{
    if (op->step) {
        fn(op, op->step);
        return;
    }
    for (size_t i = 0; i < op->plan->n_phases; i++) {
        Reeve__Phase *phase = op->plan->phases[i];
        for (size_t k = 0; k < phase->n_steps; k++)
            if (!op->phases || op->phases[0] == phase)
                fn(op, phase->steps[k]);
    }
}

/* "Plan: deploy, Phase: hello, Step: hello-0:[server]"; absent parts: null. */
static char *element_text(const struct operation *op, const char *verb)
{
    return xasprintf("Received cmd: %s for Plan: %s, Phase: %s, Step: %s", verb,
                     op->plan->name, op->phases ? op->phases[0]->name : "null",
                     op->step ? op->step->name : "null");
}

/* ---- what happens to a step ---- */
static void withdraw_demands(struct operation *op, Reeve__Step *step)
{
    const struct facts *facts = op->source->facts;
    const struct fact_pod *pod =
        facts_pod(facts, step->pod_type, step->pod_index);
    for (size_t i = 0; pod && i < pod->n_demands; i++) {
        const struct fact_demand *demand = pod->demands[i];
        if (str_eq(demand->demand->step_id, step->id))
            changes_remove(op->changes, facts_key(facts, "demand", demand->id),
                           demand->revision);
    }
    PB_STR(step, demand_id, NULL);
}

static void force_step(struct operation *op, Reeve__Step *step)
{
    const struct facts *facts = op->source->facts;
    if (step->status == PLAN_COMPLETE)
        return;
    char incarnation[65];
    const struct fact_config *target = facts_target_config(facts);
    const char *digest =
        target ? fact_config_pod_digest(target, step->pod_type) : NULL;
    if (op->is_recovery) {
        step_incarnation(facts, step, incarnation);
        digest = incarnation;
    }
    PB_STR(step, forced_digest, digest);
    PB_CLEAR_STRS(step, restart_task_ids);
    PB_SET(step, interrupted, false);
    PB_SET(step, status, PLAN_COMPLETE);
    withdraw_demands(op, step);
}

/* Its present tasks do not count any more, and past failures neither. */
static void reset_step(struct operation *op, Reeve__Step *step)
{
    const struct facts *facts = op->source->facts;
    const struct fact_pod *pod =
        facts_pod(facts, step->pod_type, step->pod_index);
    PB_STR(step, completed_digest, NULL);
    PB_STR(step, forced_digest, NULL);
    PB_CLEAR_STRS(step, restart_task_ids);
    for (size_t i = 0; i < step->n_tasks; i++) {
        const struct fact_task *task = fact_pod_task(pod, step->tasks[i]);
        if (!task)
            continue;
        backoff_forget(facts, task->name, op->changes);
        if (!op->is_recovery)
            PB_ADD_STR(step, restart_task_ids, task->info->task_id);
    }
    PB_SET(step, status, PLAN_PENDING);
}

static void restart_step(struct operation *op, Reeve__Step *step)
{
    reset_step(op, step);
    PB_SET(step, interrupted, false);
}

static void stop_step(struct operation *op, Reeve__Step *step)
{
    if (op->is_recovery)
        return;
    reset_step(op, step);
    withdraw_demands(op, step);
}

/* ---- the verbs ---- */
static bool is_env_name(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    return true;
}

static char *start_text(const struct operation *op)
{
    const Reeve__PlanCommand *command = op->command;
    struct buf text = {0};
    buf_addf(&text, "Received cmd: start %s with parameters: {",
             op->plan->name);
    for (size_t i = 0; i < command->n_parameters; i++)
        buf_addf(&text, "%s%s=%s", i ? ", " : "", command->parameters[i]->name,
                 str_or_empty(command->parameters[i]->value));
    buf_add_char(&text, '}');
    return buf_take(&text, NULL);
}

static void replace_parameters(struct operation *op)
{
    const Reeve__PlanCommand *command = op->command;
    for (size_t i = 0; i < op->plan->n_parameters; i++) {
        ProtobufCMessage *old = &op->plan->parameters[i]->base;
        wire_free(&old);
    }
    op->plan->n_parameters = 0;
    for (size_t i = 0; i < command->n_parameters; i++) {
        Reeve__EnvVar *var = PB_NEW(reeve__env_var);
        var->name = xstrdup(command->parameters[i]->name);
        var->value = xstrdup(str_or_empty(command->parameters[i]->value));
        PB_ADD(op->plan, parameters, var);
    }
}

static int do_start(struct operation *op, char **reply, struct err *err)
{
    const Reeve__PlanCommand *command = op->command;
    for (size_t i = 0; i < command->n_parameters; i++)
        if (!is_env_name(str_or_empty(command->parameters[i]->name)))
            return err_set(err, ERR_INVALID,
                           "Couldn't parse parameters: %s is not a valid "
                           "environment variable name",
                           str_or_empty(command->parameters[i]->name));
    *reply = start_text(op);
    replace_parameters(op);
    if (op->plan->status == PLAN_COMPLETE)
        each_step(op, restart_step);
    PB_SET(op->plan, interrupted, false);
    return 0;
}

static int do_stop(struct operation *op, char **reply, struct err *err)
{
    (void)err;
    each_step(op, stop_step);
    PB_SET(op->plan, interrupted, true);
    *reply = xstrdup("Received cmd: stop");
    return 0;
}

static bool goes_on(Reeve__PlanStatus status)
{
    return plan_status_is_running(status) || status == PLAN_COMPLETE;
}

/* A plan that was interrupted and completed all the same is still interrupted
 * for what comes; a custom plan is so whenever it is complete. */
static bool plan_goes_on(const struct operation *op)
{
    bool is_custom = op->plan->order >= PLAN_FIRST_CUSTOM;
    return goes_on(op->plan->status) && (is_custom || !op->plan->interrupted);
}

static bool phase_goes_on(const Reeve__Phase *phase)
{
    return goes_on(phase->status) && !phase->interrupted;
}

static void continue_phase(Reeve__Phase *phase)
{
    Reeve__Step *canary = plan_phase_canary(phase);
    if (phase->interrupted || !canary) {
        PB_SET(phase, interrupted, false);
        return;
    }
    PB_SET(canary, interrupted, false);
    if (canary->status == PLAN_WAITING)
        PB_SET(canary, status, PLAN_PENDING);
    PB_SET(phase, canary_released, phase->canary_released + 1);
}

static int do_continue(struct operation *op, char **reply, struct err *err)
{
    *reply = xstrdup("Received cmd: continue");
    if (!op->phases) {
        if (plan_goes_on(op))
            return noop(err);
        PB_SET(op->plan, interrupted, false);
        return 0;
    }
    bool all_go_on = true;
    for (size_t i = 0; i < op->n_phases; i++)
        all_go_on &= phase_goes_on(op->phases[i]);
    if (all_go_on)
        return noop(err);
    for (size_t i = 0; i < op->n_phases; i++)
        if (!phase_goes_on(op->phases[i]))
            continue_phase(op->phases[i]);
    return 0;
}

/* What is wanted but not launched has not begun.  When there is too much of it
 * for one transaction, the next rounds withdraw the rest. */
static void hold_step(struct operation *op, Reeve__Step *step)
{
    if (step->status != PLAN_PREPARED || changes_is_full(op->changes))
        return;
    withdraw_demands(op, step);
    PB_SET(step, status, PLAN_PENDING);
}

static int interrupt_plan(struct operation *op, struct err *err)
{
    if (op->plan->interrupted || op->plan->status == PLAN_COMPLETE)
        return noop(err);
    PB_SET(op->plan, interrupted, true);
    each_step(op, hold_step);
    return 0;
}

/* A canary stage stops by itself; there the verb changes nothing. */
static void interrupt_phase(struct operation *op, Reeve__Phase *phase)
{
    if (plan_phase_canary(phase) || phase->status == PLAN_COMPLETE)
        return;
    PB_SET(phase, interrupted, true);
    for (size_t i = 0; i < phase->n_steps; i++)
        hold_step(op, phase->steps[i]);
}

static int do_interrupt(struct operation *op, char **reply, struct err *err)
{
    *reply = xstrdup("Received cmd: interrupt");
    if (!op->phases)
        return interrupt_plan(op, err);
    bool all_stand = true;
    for (size_t i = 0; i < op->n_phases; i++)
        all_stand &= plan_phase_is_interrupted(op->phases[i]) ||
                     op->phases[i]->status == PLAN_COMPLETE;
    if (all_stand)
        return noop(err);
    for (size_t i = 0; i < op->n_phases; i++)
        interrupt_phase(op, op->phases[i]);
    return 0;
}

static int do_force(struct operation *op, char **reply, struct err *err)
{
    if (element_status(op) == PLAN_COMPLETE)
        return noop(err);
    *reply = element_text(op, "forceComplete");
    each_step(op, force_step);
    return 0;
}

static int do_restart(struct operation *op, char **reply, struct err *err)
{
    if (element_status(op) == PLAN_PENDING)
        return noop(err);
    *reply = element_text(op, "restart");
    each_step(op, restart_step);
    if (!op->step && op->phases)
        PB_SET(op->phases[0], interrupted, false);
    else if (!op->step)
        PB_SET(op->plan, interrupted, false);
    return 0;
}

static const struct {
    Reeve__PlanCommand__Verb verb;
    int (*run)(struct operation *op, char **reply, struct err *err);
} verbs[] = {
    {REEVE__PLAN_COMMAND__VERB__START, do_start},
    {REEVE__PLAN_COMMAND__VERB__STOP, do_stop},
    {REEVE__PLAN_COMMAND__VERB__CONTINUE, do_continue},
    {REEVE__PLAN_COMMAND__VERB__INTERRUPT, do_interrupt},
    {REEVE__PLAN_COMMAND__VERB__FORCE_COMPLETE, do_force},
    {REEVE__PLAN_COMMAND__VERB__RESTART, do_restart},
};

static int run_verb(struct operation *op, char **reply, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (verbs[i].verb == op->command->verb)
            return verbs[i].run(op, reply, err);
    return err_set(err, ERR_INVALID, "unknown verb %d", (int)op->command->verb);
}

int operate_plan(const struct operate_source *source,
                 const Reeve__PlanCommand *command, struct changes *changes,
                 char **reply, struct err *err)
{
    *reply = NULL;
    const struct fact_plan *fact = find_plan(source->facts, command->plan);
    if (!fact)
        return err_set(err, ERR_NOT_FOUND, "Plan %s not found",
                       str_or_empty(command->plan));
    AUTO_MESSAGE Reeve__Plan *plan = WIRE_DUP(reeve__plan, fact->plan);
    struct operation op = {
        .source = source,
        .command = command,
        .changes = changes,
        .plan = plan,
        .is_recovery = str_eq(fact->name, "recovery"),
    };
    int result = find_element(&op, err);
    if (result == 0)
        result = run_verb(&op, reply, err);
    free(op.phases);
    if (result == 0 && changes->n_ops >= CHANGES_MAX)
        result = err_set(err, ERR_FULL,
                         "the plan has %zu demands outstanding, more than can "
                         "be withdrawn at once: interrupt it and try later",
                         changes->n_ops);
    if (result < 0) {
        free(*reply);
        *reply = NULL;
        return -1;
    }
    /* Readers see the verb's effect at once, not after the next round. */
    plan_settle(plan, NULL);
    changes_replace(changes, facts_key(source->facts, "plan", fact->name),
                    fact->revision, &plan->base);
    return 0;
}

/* ---- pods ---- */
static bool is_named(const Reeve__PodCommand *command,
                     const struct fact_task *task)
{
    for (size_t i = 0; i < command->n_tasks; i++)
        if (str_eq(command->tasks[i], task->name) ||
            str_eq(command->tasks[i], task->info->short_name))
            return true;
    return command->n_tasks == 0;
}

static bool pod_has_task(const struct fact_pod *pod, const char *name)
{
    for (size_t i = 0; pod && i < pod->n_tasks; i++)
        if (str_eq(name, pod->tasks[i]->name) ||
            str_eq(name, pod->tasks[i]->info->short_name))
            return true;
    return false;
}

/* Is it an instance that the target names, launched or not? */
static bool is_wanted_instance(const struct facts *facts, const char *instance)
{
    const struct fact_config *target = facts_target_config(facts);
    const char *dash = strrchr(instance, '-');
    int64_t index;
    if (!target || !dash || !parse_i64(dash + 1, &index))
        return false;
    AUTO_FREE char *type = xstrndup(instance, (size_t)(dash - instance));
    const Reeve__PodSpec *pod = spec_find_pod(target->config->spec, type);
    if (!pod || index < 0 || index >= pod->count)
        return false;
    AUTO_FREE char *name = spec_pod_instance(type, (unsigned)index);
    return str_eq(name, instance); /* no "data-01" */
}

static int check_pod(const struct operate_source *source,
                     const Reeve__PodCommand *command,
                     const struct fact_pod *pod, struct err *err)
{
    const char *instance = str_or_empty(command->pod);
    if ((!pod || pod->n_tasks == 0) &&
        !is_wanted_instance(source->facts, instance))
        return err_set(err, ERR_NOT_FOUND, "Pod %s not found", instance);
    for (size_t i = 0; i < command->n_tasks; i++)
        if (!pod_has_task(pod, command->tasks[i]))
            return err_set(err, ERR_NOT_FOUND, "Task %s not found",
                           command->tasks[i]);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void restart_pod(const struct operate_source *source,
                        const Reeve__PodCommand *command,
                        const struct fact_pod *pod, struct changes *changes,
                        Reeve__PodCommandReply *reply)
{
    const struct facts *facts = source->facts;
    for (size_t i = 0; pod && i < pod->n_tasks; i++) {
        const struct fact_task *task = pod->tasks[i];
        if (!is_named(command, task))
            continue;
        backoff_forget(facts, task->name, changes);
        if (!fact_task_is_alive(task))
            continue;
        PB_ADD_STR(reply, tasks, task->name);
        const struct fact_kill *kill = facts_kill(facts, task->info->task_id);
        if (!kill || kill->order->demand_id) /* one that may have to wait */
            launch_kill(facts, task, "restart of the pod by the operator",
                        source->now_ms, changes);
    }
    if (reply->n_tasks > 1)
        qsort(reply->tasks, reply->n_tasks, sizeof *reply->tasks,
              compare_names);
}

/* What was wanted for the pod would be placed where it was. */
static void withdraw_all(const struct facts *facts, const struct fact_pod *pod,
                         struct changes *changes)
{
    for (size_t i = 0; pod && i < pod->n_demands; i++)
        changes_remove(changes, facts_key(facts, "demand", pod->demands[i]->id),
                       pod->demands[i]->revision);
}

static void mark_replaced(const struct facts *facts,
                          const struct fact_task *task, struct changes *changes)
{
    AUTO_MESSAGE Reeve__TaskRecord *record = fact_task_record(task);
    PB_SET(record, permanently_failed, true);
    changes_replace(changes, facts_task_key(facts, task->name, "info"),
                    task->info_revision, &record->base);
}

/* The mark in the tasks' records is the decision: whatever launches the pod's
 * tasks again does it elsewhere and gives up what the pod had.  A task out of
 * reach is killed whenever it is heard of again. */
static void replace_pod(const struct operate_source *source,
                        const struct fact_pod *pod, struct changes *changes,
                        Reeve__PodCommandReply *reply)
{
    const struct facts *facts = source->facts;
    withdraw_all(facts, pod, changes);
    for (size_t i = 0; pod && i < pod->n_tasks; i++) {
        const struct fact_task *task = pod->tasks[i];
        backoff_forget(facts, task->name, changes);
        mark_replaced(facts, task, changes);
        PB_ADD_STR(reply, tasks, task->name);
        if (!task_state_proves_death(fact_task_state(task)))
            launch_kill_until_dead(facts, task,
                                   "replacement of the pod by the operator",
                                   source->now_ms, changes);
    }
    if (reply->n_tasks > 1)
        qsort(reply->tasks, reply->n_tasks, sizeof *reply->tasks,
              compare_names);
}

int operate_pod(const struct operate_source *source,
                const Reeve__PodCommand *command, struct changes *changes,
                Reeve__PodCommandReply **reply, struct err *err)
{
    const struct fact_pod *pod;
    const char *instance = str_or_empty(command->pod);
    HASH_FIND_STR(source->facts->pods, instance, pod);
    if (check_pod(source, command, pod, err) < 0)
        return -1;
    if (command->verb != REEVE__POD_COMMAND__VERB__RESTART &&
        command->verb != REEVE__POD_COMMAND__VERB__REPLACE)
        return err_set(err, ERR_UNSUPPORTED,
                       "pod %s: pause and resume are not supported yet",
                       instance);
    *reply = PB_NEW(reeve__pod_command_reply);
    PB_STR(*reply, pod, instance);
    if (command->verb == REEVE__POD_COMMAND__VERB__REPLACE)
        replace_pod(source, pod, changes, *reply);
    else
        restart_pod(source, command, pod, changes, *reply);
    return 0;
}
