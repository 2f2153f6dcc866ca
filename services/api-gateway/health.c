/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api-gateway/health.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"

#define S(name) REEVE__PLAN_STATUS__STATUS_##name

static const Reeve__Plan *find_plan(const struct health_facts *f,
                                    const char *name)
{
    for (size_t i = 0; i < f->plans->n; i++)
        if (str_eq(f->plans->items[i]->name, name))
            return f->plans->items[i];
    return NULL;
}

/* Is any step of the plan in one of these two statuses? */
static bool any_step(const Reeve__Plan *plan, Reeve__PlanStatus a,
                     Reeve__PlanStatus b)
{
    for (size_t i = 0; plan && i < plan->n_phases; i++)
        for (size_t k = 0; k < plan->phases[i]->n_steps; k++) {
            Reeve__PlanStatus s = plan->phases[i]->steps[k]->status;
            if (s == a || s == b)
                return true;
        }
    return false;
}

static bool is_complete(const Reeve__Plan *plan)
{
    return plan && plan->status == S(COMPLETE);
}

static bool running_like(const struct health_facts *f, const char *part)
{
    for (size_t i = 0; i < f->plans->n; i++) {
        const Reeve__Plan *p = f->plans->items[i];
        if (!strstr(str_or_empty(p->name), part))
            continue;
        switch ((int)p->status) {
        case S(PREPARED):
        case S(STARTING):
        case S(STARTED):
        case S(IN_PROGRESS):
            return true;
        default:
            break;
        }
    }
    return false;
}

static bool any_errors(const struct health_facts *f)
{
    for (size_t i = 0; i < f->plans->n; i++)
        if (f->plans->items[i]->n_errors > 0)
            return true;
    return false;
}

static bool framework_given_up(const struct health_facts *f)
{
    return *str_or_empty(f->framework_error) != '\0';
}

static bool is_hindered(const struct health_facts *f)
{
    return *str_or_empty(f->hindrance) != '\0';
}

static bool not_registered(const struct health_facts *f)
{
    return !f->has_framework_id;
}

static bool deploy_delayed(const struct health_facts *f)
{
    return any_step(find_plan(f, "deploy"), S(DELAYED), S(DELAYED));
}

static bool deploy_pending(const struct health_facts *f)
{
    return any_step(find_plan(f, "deploy"), S(PENDING), S(PREPARED));
}

static bool deploy_starting(const struct health_facts *f)
{
    return any_step(find_plan(f, "deploy"), S(STARTING), S(STARTED));
}

static bool deploy_waiting(const struct health_facts *f)
{
    const Reeve__Plan *plan = find_plan(f, "deploy");
    return plan && ((plan->interrupted && !is_complete(plan)) ||
                    any_step(plan, S(WAITING), S(WAITING)));
}

static bool recovery_is(const struct health_facts *f, Reeve__PlanStatus a,
                        Reeve__PlanStatus b)
{
    const Reeve__Plan *plan = find_plan(f, "recovery");
    return plan && !is_complete(plan) && any_step(plan, a, b);
}

static bool recovery_delayed(const struct health_facts *f)
{
    return recovery_is(f, S(DELAYED), S(DELAYED));
}

static bool recovery_pending(const struct health_facts *f)
{
    return recovery_is(f, S(PENDING), S(PREPARED));
}

static bool recovery_starting(const struct health_facts *f)
{
    return recovery_is(f, S(STARTING), S(STARTED));
}

static bool restoring(const struct health_facts *f)
{
    return is_complete(find_plan(f, "deploy")) && running_like(f, "restor");
}

static bool backing_up(const struct health_facts *f)
{
    return is_complete(find_plan(f, "deploy")) && running_like(f, "back");
}

static bool deployed(const struct health_facts *f)
{
    return is_complete(find_plan(f, "deploy"));
}

static const struct {
    int code;
    const char *text;
    bool (*holds)(const struct health_facts *facts);
} conditions[] = {
    {503, "the master gave the framework up", framework_given_up},
    {503, "it is not registered as a new framework", is_hindered},
    {500, "a plan has errors", any_errors},
    {318, "not registered with Mesos yet", not_registered},
    {208, "deployment is delayed after failures", deploy_delayed},
    {204, "deployment has pending steps", deploy_pending},
    {202, "deployment has starting steps", deploy_starting},
    {207, "deployment waits for an operator", deploy_waiting},
    {208, "recovery is delayed after failures", recovery_delayed},
    {203, "recovery has pending steps", recovery_pending},
    {205, "recovery has starting steps", recovery_starting},
    {321, "a restore plan runs", restoring},
    {320, "a backup plan runs", backing_up},
    {200, "deployment is complete", deployed},
};

int health_code(const struct health_facts *facts)
{
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
        if (conditions[i].holds(facts))
            return conditions[i].code;
    return 503;
}

/* What the condition cannot say by itself. */
static const char *details(const struct health_facts *facts, size_t at)
{
    if (conditions[at].holds == framework_given_up)
        return facts->framework_error;
    if (conditions[at].holds == is_hindered)
        return facts->hindrance;
    return NULL;
}

json_t *health_reasons(const struct health_facts *facts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        char text[1000];
        bool holds = conditions[i].holds(facts);
        const char *more = holds ? str_or_empty(details(facts, i)) : "";
        snprintf(text, sizeof text,
                 "Priority %zu. Status Code %d is %s: %s%s%s", i + 1,
                 conditions[i].code, holds ? "TRUE" : "FALSE",
                 conditions[i].text, *more ? ": " : "", more);
        json_array_append_new(list, json_string(text));
    }
    return list;
}
