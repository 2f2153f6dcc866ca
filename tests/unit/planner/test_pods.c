/* SPDX-License-Identifier: Apache-2.0 */
/* Pods of several tasks: steps, goals, essential and other tasks, updates. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/spec/spec.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "services/planner/backoff.h"
#include "services/planner/plan.h"
#include "services/planner/plan_status.h"
#include "services/planner/step.h"
#include "tests/unit/planner/world.h"

#define RUNNING  MESOS__V1__TASK_STATE__TASK_RUNNING
#define FINISHED MESOS__V1__TASK_STATE__TASK_FINISHED
#define FAILED   MESOS__V1__TASK_STATE__TASK_FAILED

static const char *pod_with(const char *tasks, const char *steps)
{
    static char text[2][2048];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn],
             "name: svc\npods:\n  hello:\n    count: 2\n    tasks:\n%s"
             "plans:\n  deploy:\n    phases:\n      hello:\n"
             "        pod: hello\n        strategy: %s\n",
             tasks, steps);
    return text[turn];
}

static const char two_tasks[] =
    "      main: {goal: RUNNING, cmd: x, cpus: 0.1, memory: 32}\n"
    "      side: {goal: RUNNING, essential: false, cmd: x, cpus: 0.1, "
    "memory: 32}\n";

Test(pods, a_whole_pod_is_one_step)
{
    AUTO_WORLD struct world w;
    world_start(&w, "whole", 1);
    world_declare(&w, pod_with(two_tasks, "serial"));
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1);
    cr_assert_eq(w.facts->demands->demand->n_tasks, 2);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_str_eq(world_phase(&w, "deploy", "hello")->steps[0]->name,
                     "hello-0:[main, side]");
}

Test(pods, steps_of_an_instance_wait_for_each_other)
{
    AUTO_WORLD struct world w;
    world_start(&w, "steps", 1);
    world_declare(&w, pod_with(two_tasks, "parallel\n        steps:\n"
                                          "          - default: [[side], "
                                          "[main]]\n"));
    world_rest(&w);
    cr_assert_str_eq(world_phase(&w, "deploy", "hello")->strategy,
                     "dependency");
    cr_assert_str_eq(world_steps(&w, "deploy", "hello"), "P P P P");
    cr_assert_eq(world_demands(&w), 2);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 4);
    const char *side = strstr(w.log, "=hello-0-side");
    const char *main_task = strstr(w.log, "+hello-0-main");
    cr_assert(side && main_task && side < main_task, "%s", w.log);
}

Test(pods, default_and_own_steps)
{
    AUTO_WORLD struct world w;
    world_start(&w, "own", 1);
    world_declare(&w,
                  pod_with(two_tasks, "serial\n        steps:\n"
                                      "          - 1: [[main, side], [side]]\n"
                                      "          - default: []\n"));
    world_run(&w);
    const Reeve__Phase *phase = world_phase(&w, "deploy", "hello");
    cr_assert_eq(phase->n_steps, 2);
    cr_assert_str_eq(phase->steps[0]->name, "hello-1:[main, side]");
    cr_assert_str_eq(phase->steps[1]->name, "hello-1:[side]");
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 2, "the second step finds its task running");
    cr_assert_eq(world_state(&w, "hello-0-main"), -1);
}

static const struct {
    const char *name;
    const char *fails;
    const char *phase; /* of recovery */
    unsigned launches, kills;
} failure_cases[] = {
    {"an essential task takes the pod along", "hello-0-main",
     "hello-0:[main, side]", 2, 1},
    {"another one does not", "hello-0-side", "hello-0:[side]", 1, 0},
};

Test(pods, failures)
{
    for (size_t i = 0; i < ARRAY_LEN(failure_cases); i++) {
        AUTO_WORLD struct world w;
        world_start(&w, failure_cases[i].name, 1);
        world_declare(&w, pod_with(two_tasks, "serial"));
        world_run(&w);
        w.now_ms += 100000;
        world_set_state(&w, failure_cases[i].fails, FAILED, false);
        world_run(&w);
        cr_expect_str_eq(world_plan(&w, "recovery")->phases[0]->name,
                         failure_cases[i].phase);
        cr_expect_eq(w.launches, 4 + failure_cases[i].launches, "case: %s",
                     w.name);
        cr_expect_eq(w.kills, failure_cases[i].kills, "case: %s", w.name);
        cr_expect_eq(world_state(&w, "hello-0-main"), RUNNING);
        cr_expect_eq(world_state(&w, "hello-0-side"), RUNNING);
        cr_expect_str_eq(world_status(&w, "recovery"), "COMPLETE");
    }
}

Test(pods, a_stuck_step_does_not_keep_its_siblings_down)
{
    static const char steps[] = "serial\n        steps:\n"
                                "          - default: [[main], [side]]\n";
    AUTO_WORLD struct world w;
    world_start(&w, "siblings", 1);
    world_declare(&w, pod_with(two_tasks, steps));
    world_run(&w);
    w.never_ready = true;
    AUTO_FREE char *changed = xstrdup(two_tasks);
    strstr(changed, "cmd: x")[5] = 'y';
    world_declare(&w, pod_with(changed, steps));
    world_run(&w);
    cr_assert_str_eq(world_steps(&w, "deploy", "hello"), "S P P P");
    world_set_state(&w, "hello-0-side", FAILED, false);
    w.now_ms += 100000;
    world_run(&w);
    cr_assert_eq(world_state(&w, "hello-0-side"), RUNNING);
    cr_assert_str_eq(world_plan(&w, "recovery")->phases[0]->name,
                     "hello-0:[side]");
}

static const char *goals(const char *cmd)
{
    static char text[512];
    snprintf(text, sizeof text,
             "      once: {goal: ONCE, cmd: %s, cpus: 0.1, memory: 32}\n"
             "      each: {goal: FINISH, cmd: %s, cpus: 0.1, memory: 32}\n"
             "      main: {goal: RUNNING, cmd: %s, cpus: 0.1, memory: 32}\n",
             cmd, cmd, cmd);
    return text;
}

Test(pods, goals_over_a_change)
{
    static const char steps[] = "serial\n        steps:\n"
                                "          - default: [[once], [each], "
                                "[main]]\n";
    AUTO_WORLD struct world w;
    world_start(&w, "goals", 1);
    world_declare(&w, pod_with(goals("a"), steps));
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 6);
    AUTO_FREE char *once = xstrdup(world_task_id(&w, "hello-0-once"));
    AUTO_FREE char *each = xstrdup(world_task_id(&w, "hello-0-each"));
    world_declare(&w, pod_with(goals("b"), steps));
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_str_eq(world_task_id(&w, "hello-0-once"), once);
    cr_assert_neq(strcmp(world_task_id(&w, "hello-0-each"), each), 0);
    cr_assert_eq(w.launches, 10);
    cr_assert_eq(world_plan(&w, "recovery")->n_phases, 0);
}

Test(pods, a_failed_once_task_is_the_business_of_its_plan)
{
    AUTO_WORLD struct world w;
    world_start(&w, "once", 1);
    world_declare(&w, pod_with(goals("a"), "serial\n        steps:\n"
                                           "          - default: [[once]]\n"));
    world_rest(&w);
    world_place(&w);
    world_set_state(&w, "hello-0-once", FAILED, false);
    world_rest(&w);
    cr_assert_str_eq(world_steps(&w, "deploy", "hello"), "D P");
    cr_assert_str_eq(world_status(&w, "deploy"), "DELAYED");
    cr_assert_eq(world_plan(&w, "recovery")->n_phases, 0);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
}

Test(pods, tasks_that_share_a_resource_set_are_an_error_of_the_step)
{
    AUTO_WORLD struct world w;
    world_start(&w, "shared", 1);
    world_declare(&w, "name: svc\n"
                      "pods:\n"
                      "  hello:\n"
                      "    count: 1\n"
                      "    resource-sets: {one: {cpus: 0.1, memory: 32}}\n"
                      "    tasks:\n"
                      "      a: {goal: RUNNING, cmd: x, resource-set: one}\n"
                      "      b: {goal: RUNNING, cmd: x, resource-set: one}\n");
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "ERROR");
    cr_assert(str_starts(world_step(&w, "deploy", "hello-0:[a, b]")->errors[0],
                         "Attempted to simultaneously launch tasks"));
    cr_assert_eq(w.launches, 0);
}

Test(pods, the_holder_of_a_resource_set_must_end_first)
{
    AUTO_WORLD struct world w;
    world_start(&w, "sharing", 1);
    world_declare(
        &w, "name: svc\n"
            "pods:\n"
            "  hello:\n"
            "    count: 1\n"
            "    resource-sets: {one: {cpus: 0.1, memory: 32}}\n"
            "    tasks:\n"
            "      a: {goal: RUNNING, cmd: x, resource-set: one}\n"
            "      b: {goal: FINISH, cmd: x, resource-set: one}\n"
            "plans:\n"
            "  deploy: {phases: {p: {pod: hello, steps: [default: [[a]]]}}}\n"
            "  other: {phases: {p: {pod: hello, steps: [default: [[b]]]}}}\n");
    world_run(&w);
    cr_assert_eq(
        world_verb(&w, REEVE__PLAN_COMMAND__VERB__START, "other", NULL, NULL),
        0);
    world_rest(&w);
    cr_assert_eq(HASH_COUNT(w.facts->kills), 1);
    cr_assert_str_eq(w.facts->kills->order->task_name, "hello-0-a");
}

Test(pods, a_task_that_left_the_spec_ends_with_the_rollout)
{
    AUTO_WORLD struct world w;
    world_start(&w, "left", 1);
    world_declare(&w, pod_with(two_tasks, "serial"));
    world_run(&w);
    world_declare(&w, pod_with("      main: {goal: RUNNING, cmd: x, cpus: "
                               "0.1, memory: 32}\n",
                               "serial"));
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(world_state(&w, "hello-0-side"),
                 MESOS__V1__TASK_STATE__TASK_KILLED);
    cr_assert_eq(world_state(&w, "hello-0-main"), RUNNING);
    cr_assert_eq(world_plan(&w, "recovery")->n_phases, 0,
                 "and is not recovered");
}

Test(pods, update_plan_stands_in_for_deploy)
{
    static const char *const yaml =
        "name: svc\n"
        "pods: {hello: {count: 2, cmd: %s, cpus: 0.1, memory: 32}}\n"
        "plans:\n"
        "  deploy: {phases: {first: {pod: hello, strategy: parallel}}}\n"
        "  update: {phases: {later: {pod: hello, strategy: serial}}}\n";
    char text[512];
    AUTO_WORLD struct world w;
    world_start(&w, "update", 1);
    snprintf(text, sizeof text, yaml, "a");
    world_declare(&w, text);
    world_run(&w);
    cr_assert_str_eq(world_plan(&w, "deploy")->phases[0]->name, "first");
    cr_assert_str_eq(
        facts_property(w.facts, "last-completed-update-type")->text, "DEPLOY");
    snprintf(text, sizeof text, yaml, "b");
    world_declare(&w, text);
    world_run(&w);
    cr_assert_str_eq(world_plan(&w, "deploy")->phases[0]->name, "later");
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_null(world_plan(&w, "update"));
    cr_assert_eq(w.launches, 4);
}

Test(pods, readiness_holds_the_next_step_back)
{
    AUTO_WORLD struct world w;
    world_start(&w, "ready", 1);
    w.never_ready = true;
    world_declare(&w, pod_with(two_tasks, "serial"));
    world_run(&w);
    cr_assert_str_eq(world_steps(&w, "deploy", "hello"), "S P");
    const Reeve__Step *step = world_step(&w, "deploy", "hello-0:[main, side]");
    cr_assert_eq(step->status, PLAN_STARTED);
    cr_assert(strstr(step->message, "readiness check has not passed yet"), "%s",
              step->message);
    step = world_step(&w, "deploy", "hello-1:[main, side]");
    cr_assert_str_eq(step->message,
                     "waits for hello-0:[main, side] to complete");
    w.never_ready = false;
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
}

Test(pods, a_stuck_step_says_why)
{
    AUTO_WORLD struct world w;
    world_start(&w, "why", 1);
    w.holds_offers = true;
    world_declare(&w, pod_with(two_tasks, "serial"));
    world_rest(&w);
    const char *step = "hello-0:[main, side]";
    cr_assert_str_eq(world_step(&w, "deploy", step)->message,
                     "waits for an offer that fits");
    Reeve__Outcome outcome = REEVE__OUTCOME__INIT;
    char summary[] = "3 offers seen: cpus 4 offered, 64 needed";
    outcome.demand_id = w.facts->demands->id;
    outcome.summary = summary;
    world_put(&w, "service/svc/outcome/hello-0", &outcome.base);
    world_rest(&w);
    cr_assert_str_eq(world_step(&w, "deploy", step)->message,
                     "no offer fits: 3 offers seen: cpus 4 offered, 64 needed");
    cr_assert_str_eq(world_step(&w, "deploy", step)->demand_id,
                     w.facts->demands->id);
}

Test(pods, history_of_recovery_is_bounded)
{
    AUTO_WORLD struct world w;
    world_start(&w, "history", 1);
    world_declare(&w, "name: svc\n"
                      "pods: {data: {count: 30, cmd: x, cpus: 0.1, memory: "
                      "32}}\n"
                      "plans: {deploy: {phases: {data: {pod: data, strategy: "
                      "parallel}}}}\n");
    world_run(&w);
    w.now_ms += 100000;
    for (int i = 0; i < 30; i++) {
        char name[16];
        snprintf(name, sizeof name, "data-%d", i);
        world_set_state(&w, name, FAILED, false);
    }
    world_rest(&w);
    cr_assert_eq(world_plan(&w, "recovery")->n_phases, 30);
    cr_assert_eq(world_demands(&w), 30);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "recovery"), "COMPLETE");
    cr_assert_eq(world_plan(&w, "recovery")->n_phases, 20);
}

Test(pods, held_plans_are_written_when_it_matters)
{
    AUTO_WORLD struct world w;
    world_start(&w, "held", 1);
    w.hold_plans = true;
    world_declare(&w, pod_with(two_tasks, "serial"));
    for (int i = 0; i < 60; i++)
        world_happen(&w);
    cr_assert_eq(world_state(&w, "hello-1-main"), RUNNING);
    w.hold_plans = false;
    world_rest(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 4);
}

Test(backoff, delays_double_up_to_a_minute)
{
    static const int64_t delays[] = {0,     1000,  2000,  4000, 8000,
                                     16000, 32000, 60000, 60000};
    for (uint32_t i = 0; i < ARRAY_LEN(delays); i++)
        cr_expect_eq(backoff_delay_ms(i), delays[i], "%u", i);
    cr_expect_eq(backoff_delay_ms(4000000000u), 60000);
}
