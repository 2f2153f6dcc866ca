/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/api-gateway/health.h"
#include "services/api-gateway/plan_json.h"

#define S(name) REEVE__PLAN_STATUS__STATUS_##name

/* A plan of one or two phases with one step each, on the caller's stack. */
struct small_plan {
    Reeve__Plan plan;
    Reeve__Phase phases[2], *phase_list[2];
    Reeve__Step steps[2], *step_list[2];
};

static Reeve__Plan *make_plan(struct small_plan *p, const char *name,
                              const Reeve__PlanStatus status[3])
{
    reeve__plan__init(&p->plan);
    p->plan.name = (char *)name;
    p->plan.strategy = "serial";
    p->plan.status = status[0];
    for (size_t i = 0; i < 2; i++) {
        reeve__step__init(&p->steps[i]);
        p->steps[i].id = i ? "step-id-1" : "step-id-0";
        p->steps[i].name = i ? "data-0" : "meta-data-0";
        p->steps[i].message = "waits";
        p->steps[i].pod_type = i ? "data" : "meta-data";
        p->steps[i].status = status[1 + i];
        p->step_list[i] = &p->steps[i];
        reeve__phase__init(&p->phases[i]);
        p->phases[i].id = i ? "phase-id-1" : "phase-id-0";
        p->phases[i].name = i ? "data" : "meta-data";
        p->phases[i].strategy = "serial";
        p->phases[i].status = status[1 + i];
        p->phases[i].steps = &p->step_list[i];
        p->phases[i].n_steps = 1;
        p->phase_list[i] = &p->phases[i];
    }
    p->plan.phases = p->phase_list;
    p->plan.n_phases = 2;
    return &p->plan;
}

static void expect_json(json_t *got, const char *want, const char *name)
{
    json_error_t why;
    json_t *wanted = json_loads(want, 0, &why);
    cr_assert(wanted, "case %s: %s", name, why.text);
    char *text = json_dumps(got, JSON_COMPACT);
    cr_expect(json_equal(got, wanted), "case: %s\ngot %s", name, text);
    free(text);
    json_decref(wanted);
    json_decref(got);
}

Test(plan_json, a_message_that_is_no_utf8_is_shown_all_the_same)
{
    struct small_plan p;
    Reeve__PlanStatus status[] = {S(DELAYED), S(DELAYED), S(PENDING)};
    Reeve__Plan *plan = make_plan(&p, "deploy", status);
    char cut[] = "ended: \xc3";
    p.steps[0].message = cut;
    json_t *json = plan_json(plan, false);
    const json_t *phase = json_array_get(json_object_get(json, "phases"), 0);
    const json_t *step = json_array_get(json_object_get(phase, "steps"), 0);
    cr_assert(step);
    cr_expect_str_eq(json_string_value(json_object_get(step, "message")),
                     "ended: \xef\xbf\xbd");
    json_decref(json);
}

static const struct {
    const char *name;
    Reeve__PlanStatus status[3];
    const char *want;
} active_cases[] = {
    {"complete",
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     "{\"plan\":{\"phase_count\":2,\"errors\":[],\"status\":\"COMPLETE\"}}"},
    {"first phase",
     {S(IN_PROGRESS), S(STARTING), S(PENDING)},
     "{\"plan\":{\"phase_count\":2,\"errors\":[],\"status\":\"IN_PROGRESS\"},"
     "\"phase\":{\"id\":\"phase-id-0\",\"name\":\"meta-data\","
     "\"block_count\":1,\"status\":\"IN_PROGRESS\"},"
     "\"block\":{\"id\":\"step-id-0\",\"status\":\"IN_PROGRESS\","
     "\"name\":\"meta-data-0\",\"message\":\"waits\","
     "\"has_decision_point\":false}}"},
    {"second phase, delayed",
     {S(IN_PROGRESS), S(COMPLETE), S(DELAYED)},
     "{\"plan\":{\"phase_count\":2,\"errors\":[],\"status\":\"IN_PROGRESS\"},"
     "\"phase\":{\"id\":\"phase-id-1\",\"name\":\"data\","
     "\"block_count\":1,\"status\":\"PENDING\"},"
     "\"block\":{\"id\":\"step-id-1\",\"status\":\"PENDING\","
     "\"name\":\"data-0\",\"message\":\"waits\","
     "\"has_decision_point\":false}}"},
};

Test(plan_json, currently_active)
{
    for (size_t i = 0; i < ARRAY_LEN(active_cases); i++) {
        struct small_plan p;
        expect_json(plan_currently_active(
                        make_plan(&p, "deploy", active_cases[i].status)),
                    active_cases[i].want, active_cases[i].name);
    }
}

Test(plan_json, whole_plan_has_steps_and_on_request_blocks)
{
    static const Reeve__PlanStatus status[] = {S(COMPLETE), S(COMPLETE),
                                               S(COMPLETE)};
    struct small_plan p;
    json_t *plan = plan_json(make_plan(&p, "deploy", status), true);
    json_t *phase = json_array_get(json_object_get(plan, "phases"), 0);
    cr_expect_eq(json_array_size(json_object_get(phase, "steps")), 1);
    cr_expect_eq(json_array_size(json_object_get(phase, "blocks")), 1);
    json_decref(plan);
    plan = plan_json(&p.plan, false);
    phase = json_array_get(json_object_get(plan, "phases"), 0);
    cr_expect_null(json_object_get(phase, "blocks"));
    json_decref(plan);
}

Test(plan_json, a_waiting_canary_step_is_a_decision_point)
{
    static const Reeve__PlanStatus status[] = {S(WAITING), S(WAITING),
                                               S(PENDING)};
    struct small_plan p;
    make_plan(&p, "deploy", status);
    p.phases[0].strategy = "serial-canary";
    json_t *active = plan_currently_active(&p.plan);
    json_t *block = json_object_get(active, "block");
    cr_expect(json_is_true(json_object_get(block, "has_decision_point")));
    json_decref(active);
}

Test(plan_json, http_status)
{
    static const Reeve__PlanStatus done[] = {S(COMPLETE), S(COMPLETE),
                                             S(COMPLETE)};
    static const Reeve__PlanStatus going[] = {S(IN_PROGRESS), S(COMPLETE),
                                              S(STARTED)};
    struct small_plan p;
    cr_expect_eq(plan_http_status(make_plan(&p, "deploy", done)), 200);
    cr_expect_eq(plan_http_status(make_plan(&p, "deploy", going)), 202);
    char *errors[] = {"bad"};
    p.plan.errors = errors;
    p.plan.n_errors = 1;
    cr_expect_eq(plan_http_status(&p.plan), 417);
}

static bool second_is_permanent(void *self UNUSED, const char *task_name)
{
    return str_eq(task_name, "data-0");
}

Test(plan_json, recovery)
{
    static const Reeve__PlanStatus status[] = {S(IN_PROGRESS), S(STARTING),
                                               S(PENDING)};
    struct small_plan p;
    make_plan(&p, "recovery", status);
    char *inline_task[] = {""};
    p.steps[0].tasks = p.steps[1].tasks = inline_task;
    p.steps[0].n_tasks = p.steps[1].n_tasks = 1;
    expect_json(plan_recovery(&p.plan, second_is_permanent, NULL),
                "{\"stopped\":[\"meta-data-0\"],\"failed\":[\"data-0\"]}",
                "both");
    expect_json(plan_recovery(NULL, second_is_permanent, NULL),
                "{\"stopped\":[],\"failed\":[]}", "none");
}

static const struct {
    const char *name;
    bool registered, with_error;
    Reeve__PlanStatus deploy[3], recovery[3];
    int code;
} health_cases[] = {
    {"errors win",
     false,
     true,
     {S(ERROR), S(COMPLETE), S(PENDING)},
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     500},
    {"not registered",
     false,
     false,
     {S(PENDING), S(PENDING), S(PENDING)},
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     318},
    {"delayed",
     true,
     false,
     {S(DELAYED), S(DELAYED), S(PENDING)},
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     208},
    {"pending",
     true,
     false,
     {S(IN_PROGRESS), S(STARTED), S(PENDING)},
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     204},
    {"starting",
     true,
     false,
     {S(IN_PROGRESS), S(COMPLETE), S(STARTED)},
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     202},
    {"waiting",
     true,
     false,
     {S(WAITING), S(COMPLETE), S(WAITING)},
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     207},
    {"recovering",
     true,
     false,
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     {S(IN_PROGRESS), S(PREPARED), S(COMPLETE)},
     203},
    {"recovery starts",
     true,
     false,
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     {S(IN_PROGRESS), S(STARTING), S(COMPLETE)},
     205},
    {"complete",
     true,
     false,
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     {S(COMPLETE), S(COMPLETE), S(COMPLETE)},
     200},
};

Test(health, code)
{
    for (size_t i = 0; i < ARRAY_LEN(health_cases); i++) {
        struct small_plan deploy, recovery;
        Reeve__Plan *items[] = {
            make_plan(&deploy, "deploy", health_cases[i].deploy),
            make_plan(&recovery, "recovery", health_cases[i].recovery)};
        char *errors[] = {"bad"};
        deploy.plan.errors = errors;
        deploy.plan.n_errors = health_cases[i].with_error;
        struct view_plans plans = {items, 2};
        struct health_facts facts = {
            .has_framework_id = health_cases[i].registered, .plans = &plans};
        cr_expect_eq(health_code(&facts), health_cases[i].code, "case: %s",
                     health_cases[i].name);
        json_t *reasons = health_reasons(&facts);
        cr_expect_gt(json_array_size(reasons), 9);
        json_decref(reasons);
    }
    struct view_plans none = {NULL, 0};
    struct health_facts facts = {.has_framework_id = true, .plans = &none};
    cr_expect_eq(health_code(&facts), 503, "no plan at all");
}

Test(health, a_framework_given_up_outweighs_a_complete_deployment)
{
    struct small_plan small;
    const Reeve__PlanStatus done[3] = {S(COMPLETE), S(COMPLETE), S(COMPLETE)};
    Reeve__Plan *list[] = {make_plan(&small, "deploy", done)};
    struct view_plans plans = {.items = list, .n = 1};
    struct health_facts facts = {.has_framework_id = true,
                                 .plans = &plans,
                                 .framework_error =
                                     "Framework has been removed"};

    cr_expect_eq(health_code(&facts), 503);
    json_t *reasons = health_reasons(&facts);
    cr_expect(strstr(json_string_value(json_array_get(reasons, 0)),
                     "TRUE: the master gave the framework up: Framework has "
                     "been removed"));
    json_decref(reasons);
    facts.framework_error = "";
    cr_expect_eq(health_code(&facts), 200);
}
