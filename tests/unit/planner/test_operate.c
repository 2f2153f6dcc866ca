/* SPDX-License-Identifier: Apache-2.0 */
/* Operators' verbs: answers, effects, and that they outlive a crash. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "services/planner/answers.h"
#include "services/planner/plan_status.h"
#include "tests/unit/planner/world.h"

#define RUNNING   MESOS__V1__TASK_STATE__TASK_RUNNING
#define START     REEVE__PLAN_COMMAND__VERB__START
#define STOP      REEVE__PLAN_COMMAND__VERB__STOP
#define CONTINUE  REEVE__PLAN_COMMAND__VERB__CONTINUE
#define INTERRUPT REEVE__PLAN_COMMAND__VERB__INTERRUPT
#define FORCE     REEVE__PLAN_COMMAND__VERB__FORCE_COMPLETE
#define RESTART   REEVE__PLAN_COMMAND__VERB__RESTART

static const char two_phases[] =
    "name: svc\n"
    "pods:\n"
    "  hello: {count: 2, tasks: {server: {goal: RUNNING, cmd: x, cpus: 0.1, "
    "memory: 32}}}\n"
    "  world: {count: 2, tasks: {server: {goal: RUNNING, cmd: x, cpus: 0.1, "
    "memory: 32}}}\n";

static const struct {
    const char *name;
    Reeve__PlanCommand__Verb verb;
    const char *plan, *phase, *step;
    enum err_code code;
    const char *text;
} answer_cases[] = {
    {"no such plan", CONTINUE, "x", NULL, NULL, ERR_NOT_FOUND,
     "Plan x not found"},
    {"no such phase", INTERRUPT, "deploy", "x", NULL, ERR_NOT_FOUND,
     "Phase x not found"},
    {"no such step", RESTART, "deploy", "hello", "x", ERR_NOT_FOUND,
     "Step x not found"},
    {"step of another phase", RESTART, "deploy", "hello", "world-0:[server]",
     ERR_NOT_FOUND, "Step world-0:[server] not found"},
    {"step without phase", RESTART, "deploy", NULL, "hello-0:[server]",
     ERR_INVALID, "Missing phase"},
    {"continue of a complete plan", CONTINUE, "deploy", NULL, NULL, ERR_NOOP,
     "Command has already been reported or completed"},
    {"interrupt of a complete plan", INTERRUPT, "deploy", NULL, NULL, ERR_NOOP,
     NULL},
    {"interrupt of a complete phase", INTERRUPT, "deploy", "hello", NULL,
     ERR_NOOP, NULL},
    {"force of a complete step", FORCE, "deploy", "hello", "hello-0:[server]",
     ERR_NOOP, NULL},
    {"restart of a step", RESTART, "deploy", "hello", "hello-0:[server]",
     ERR_NONE,
     "Received cmd: restart for Plan: deploy, Phase: hello, Step: "
     "hello-0:[server]"},
    {"restart of a phase", RESTART, "deploy", "world", NULL, ERR_NONE,
     "Received cmd: restart for Plan: deploy, Phase: world, Step: null"},
    {"restart of the plan", RESTART, "deploy", NULL, NULL, ERR_NONE,
     "Received cmd: restart for Plan: deploy, Phase: null, Step: null"},
    {"start", START, "deploy", NULL, NULL, ERR_NONE,
     "Received cmd: start deploy with parameters: {}"},
    {"stop", STOP, "deploy", NULL, NULL, ERR_NONE, "Received cmd: stop"},
};

Test(operate, answers)
{
    for (size_t i = 0; i < ARRAY_LEN(answer_cases); i++) {
        AUTO_WORLD struct world w;
        world_start(&w, answer_cases[i].name, 1);
        world_declare(&w, two_phases);
        world_run(&w);
        int code = world_verb(&w, answer_cases[i].verb, answer_cases[i].plan,
                              answer_cases[i].phase, answer_cases[i].step);
        cr_expect_eq(code, answer_cases[i].code, "case: %s: %d %s",
                     answer_cases[i].name, code, w.err.text);
        if (answer_cases[i].text)
            cr_expect_str_eq(w.err.text, answer_cases[i].text, "case: %s",
                             answer_cases[i].name);
    }
}

Test(operate, elements_have_stable_ids)
{
    AUTO_WORLD struct world a, b;
    world_start(&a, "ids", 1);
    world_start(&b, "ids again", 2);
    world_declare(&a, two_phases);
    world_declare(&b, two_phases);
    world_run(&a);
    world_rest(&b);
    AUTO_FREE char *step =
        xstrdup(world_step(&a, "deploy", "world-1:[server]")->id);
    AUTO_FREE char *phase = xstrdup(world_phase(&a, "deploy", "world")->id);
    cr_expect_str_eq(step, world_step(&b, "deploy", "world-1:[server]")->id);
    cr_expect_neq(
        strcmp(step, world_step(&a, "deploy", "world-0:[server]")->id), 0);
    /* Ids are as good as names. */
    cr_expect_eq(
        world_verb(&a, RESTART, world_plan(&a, "deploy")->id, phase, step), 0,
        "%s", a.err.text);
    cr_expect_str_eq(a.err.text, "Received cmd: restart for Plan: deploy, "
                                 "Phase: world, Step: world-1:[server]");
}

Test(operate, interrupt_survives_a_crash)
{
    AUTO_WORLD struct world w;
    world_start(&w, "interrupt", 1);
    world_declare(&w, two_phases);
    world_rest(&w);
    world_place(&w); /* hello-0 is launched */
    cr_assert_eq(world_verb(&w, INTERRUPT, "deploy", NULL, NULL), 0);
    cr_assert_str_eq(w.err.text, "Received cmd: interrupt");
    cr_assert_str_eq(world_status(&w, "deploy"), "WAITING", "at once");
    cr_assert_eq(world_verb(&w, INTERRUPT, "deploy", NULL, NULL), ERR_NOOP);
    world_crash(&w);
    world_run(&w);
    /* What was under way went on, nothing new began. */
    cr_assert_eq(w.launches, 1);
    cr_assert_str_eq(world_status(&w, "deploy"), "WAITING");
    cr_assert_str_eq(world_steps(&w, "deploy", "hello"), "C P");
    cr_assert(strstr(world_step(&w, "deploy", "hello-1:[server]")->message,
                     "is interrupted"));
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", NULL, NULL), 0);
    world_crash(&w);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 4);
}

Test(operate, interrupt_withdraws_what_is_not_launched)
{
    for (int crash = 0; crash < 2; crash++) {
        AUTO_WORLD struct world w;
        world_start(&w, "withdraw", 1);
        world_declare(&w, two_phases);
        world_run(&w);
        AUTO_FREE char *changed = xstrdup(two_phases);
        strstr(changed, "cmd: x")[5] = 'y';
        world_declare(&w, changed);
        world_rest(&w);
        cr_assert_eq(world_demands(&w), 1);
        cr_assert_eq(HASH_COUNT(w.facts->kills), 1);
        world_verb(&w, INTERRUPT, "deploy", crash ? "hello" : NULL, NULL);
        cr_assert_eq(world_demands(&w), 0);
        if (crash)
            world_crash(&w);
        world_run(&w);
        cr_assert_str_eq(world_steps(&w, "deploy", "hello"), "P P");
        cr_assert_str_eq(world_status(&w, "deploy"), "WAITING");
        cr_assert_eq(HASH_COUNT(w.facts->kills), 0);
        cr_assert_eq(w.launches, 4, "what was to make room goes on");
        cr_assert_eq(world_state(&w, "hello-0-server"), RUNNING);
        world_verb(&w, CONTINUE, "deploy", crash ? "hello" : NULL, NULL);
        world_run(&w);
        cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
        cr_assert_eq(w.launches, 6);
    }
}

Test(operate, continue_after_an_interrupted_plan_completed)
{
    AUTO_WORLD struct world w;
    world_start(&w, "completed", 1);
    world_declare(&w, "name: svc\n"
                      "pods: {data: {count: 1, cmd: x, cpus: 0.1, "
                      "memory: 32}}\n");
    world_rest(&w);
    world_place(&w);
    cr_assert_eq(world_verb(&w, INTERRUPT, "deploy", NULL, NULL), 0);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", NULL, NULL), 0);
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", NULL, NULL), ERR_NOOP);
    cr_assert_eq(world_verb(&w, RESTART, "deploy", "data", "data-0"), 0);
    world_run(&w);
    cr_assert_eq(w.launches, 2);
}

Test(operate, interrupt_of_a_phase)
{
    AUTO_WORLD struct world w;
    world_start(&w, "phase", 1);
    world_declare(&w, two_phases);
    world_rest(&w);
    cr_assert_eq(world_verb(&w, INTERRUPT, "deploy", "world", NULL), 0);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "WAITING");
    cr_assert_str_eq(world_steps(&w, "deploy", "hello"), "C C");
    cr_assert_str_eq(world_steps(&w, "deploy", "world"), "P P");
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", "world", NULL), 0);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
}

Test(operate, an_interrupted_rollout_leaves_failures_to_recovery)
{
    AUTO_WORLD struct world w;
    world_start(&w, "interrupted recovery", 1);
    world_declare(&w, two_phases);
    world_run(&w);
    AUTO_FREE char *changed = xstrdup(two_phases);
    strstr(changed, "cmd: x")[5] = 'y';
    world_declare(&w, changed);
    world_rest(&w); /* hello-0 is on its way */
    cr_assert_eq(world_verb(&w, INTERRUPT, "deploy", NULL, NULL), 0);
    world_run(&w);
    w.now_ms += 100000;
    world_set_state(&w, "hello-1-server", MESOS__V1__TASK_STATE__TASK_FAILED,
                    false);
    world_run(&w);
    cr_assert_eq(world_state(&w, "hello-1-server"), RUNNING);
    cr_assert_neq(strcmp(facts_task(w.facts, "hello-1-server")->info->config_id,
                         w.facts->target->config_id),
                  0, "as it was");
    cr_assert_str_eq(world_status(&w, "deploy"), "WAITING");
}

Test(operate, restart_of_a_step_replaces_its_task)
{
    AUTO_WORLD struct world w;
    world_start(&w, "restart", 1);
    world_declare(&w, two_phases);
    world_run(&w);
    AUTO_FREE char *before = xstrdup(world_task_id(&w, "hello-1-server"));
    cr_assert_eq(world_verb(&w, RESTART, "deploy", "hello", "hello-1:[server]"),
                 0);
    cr_assert_str_eq(world_steps(&w, "deploy", "hello"), "C P");
    world_crash(&w);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_neq(strcmp(world_task_id(&w, "hello-1-server"), before), 0);
    cr_assert_eq(w.launches, 5);
    cr_assert_eq(w.kills, 1);
}

Test(operate, force_complete_skips_what_cannot_be_placed)
{
    AUTO_WORLD struct world w;
    world_start(&w, "force", 1);
    world_declare(&w, two_phases);
    w.holds_offers = true;
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1);
    cr_assert_eq(world_verb(&w, FORCE, "deploy", "hello", "hello-0:[server]"),
                 0);
    cr_assert_eq(world_demands(&w), 0, "the wish is withdrawn");
    w.holds_offers = false;
    world_crash(&w);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 3);
    cr_assert_eq(world_verb(&w, FORCE, "deploy", NULL, NULL), ERR_NOOP);
    /* Another configuration is another matter. */
    AUTO_FREE char *changed = xstrdup(two_phases);
    strstr(changed, "cmd: x")[5] = 'y';
    world_declare(&w, changed);
    world_run(&w);
    cr_assert_eq(world_state(&w, "hello-0-server"), RUNNING);
}

/* ---- canaries: the behaviour that existing integration tests expect ---- */
static const char *canaries(int hello, const char *cpus)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "name: svc\n"
             "pods:\n"
             "  hello: {count: %d, tasks: {server: {goal: RUNNING, cmd: x, "
             "cpus: %s, memory: 32}}}\n"
             "  world: {count: 4, tasks: {server: {goal: RUNNING, cmd: x, "
             "cpus: 0.1, memory: 32}}}\n"
             "plans:\n"
             "  deploy:\n"
             "    strategy: serial\n"
             "    phases:\n"
             "      hello-deploy: {strategy: parallel-canary, pod: hello}\n"
             "      world-deploy: {strategy: serial-canary, pod: world}\n",
             hello, cpus);
    return text;
}

static void expect(struct world *w, const char *when, const char *hello,
                   const char *world, const char *plan)
{
    world_crash(w); /* nothing of this is in memory */
    world_run(w);
    cr_expect_str_eq(world_steps(w, "deploy", "hello-deploy"), hello,
                     "%s: hello is %s", when,
                     world_steps(w, "deploy", "hello-deploy"));
    cr_expect_str_eq(world_steps(w, "deploy", "world-deploy"), world,
                     "%s: world is %s", when,
                     world_steps(w, "deploy", "world-deploy"));
    cr_expect_str_eq(world_status(w, "deploy"), plan, "%s: plan is %s", when,
                     world_status(w, "deploy"));
}

Test(operate, canary_table)
{
    AUTO_WORLD struct world w;
    world_start(&w, "canary", 1);
    world_declare(&w, canaries(4, "0.1"));
    expect(&w, "install", "W W P P", "W W P P", "WAITING");
    cr_assert_eq(world_phase(&w, "deploy", "hello-deploy")->status,
                 PLAN_WAITING);
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", "hello-deploy", NULL), 0);
    expect(&w, "hello once", "C W P P", "W W P P", "WAITING");
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", NULL, NULL), 0);
    expect(&w, "the plan itself", "C W P P", "W W P P", "WAITING");
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", "world-deploy", NULL), 0);
    expect(&w, "world once", "C W P P", "P W P P", "WAITING");
    cr_assert_eq(world_phase(&w, "deploy", "hello-deploy")->status,
                 PLAN_WAITING);
    cr_assert_eq(world_phase(&w, "deploy", "world-deploy")->status,
                 PLAN_PENDING);
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", "hello-deploy", NULL), 0);
    expect(&w, "hello twice", "C C C C", "C W P P", "WAITING");
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", "world-deploy", NULL), 0);
    expect(&w, "world twice", "C C C C", "C C C C", "COMPLETE");

    world_declare(&w, canaries(5, "0.1"));
    expect(&w, "one more", "C C C C W", "C C C C", "WAITING");
    cr_assert_eq(world_verb(&w, INTERRUPT, "deploy", "hello-deploy", NULL),
                 ERR_NOOP);
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", "hello-deploy", NULL), 0);
    expect(&w, "one more, released", "C C C C C", "C C C C", "COMPLETE");

    AUTO_FREE char *second = xstrdup(world_task_id(&w, "hello-1-server"));
    world_declare(&w, canaries(5, "0.2"));
    expect(&w, "change", "W W P P P", "C C C C", "WAITING");
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", "hello-deploy", NULL), 0);
    expect(&w, "change, once", "C W P P P", "C C C C", "WAITING");
    cr_assert_str_eq(world_task_id(&w, "hello-1-server"), second);
    cr_assert_eq(world_verb(&w, CONTINUE, "deploy", "hello-deploy", NULL), 0);
    expect(&w, "change, twice", "C C C C C", "C C C C", "COMPLETE");
    cr_assert_neq(strcmp(world_task_id(&w, "hello-1-server"), second), 0);
}

/* ---- custom plans ---- */
static const char with_backup[] =
    "name: svc\n"
    "pods:\n"
    "  hello:\n"
    "    count: 2\n"
    "    tasks:\n"
    "      server: {goal: RUNNING, cmd: x, cpus: 0.1, memory: 32}\n"
    "      backup: {goal: FINISH, essential: false, cmd: x, cpus: 0.1, "
    "memory: 32}\n"
    "plans:\n"
    "  deploy: {phases: {hello: {pod: hello, steps: [default: "
    "[[server]]]}}}\n"
    "  backup: {phases: {hello: {pod: hello, steps: [default: "
    "[[backup]]]}}}\n";

Test(operate, custom_plan_runs_once_for_each_start)
{
    AUTO_WORLD struct world w;
    world_start(&w, "custom", 1);
    world_declare(&w, with_backup);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_str_eq(world_status(&w, "backup"), "WAITING");
    cr_assert_eq(w.launches, 2);
    AUTO_FREE char *server = xstrdup(world_task_id(&w, "hello-0-server"));

    cr_assert_eq(world_verb(&w, START, "backup", NULL, NULL), 0);
    world_crash(&w);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "backup"), "COMPLETE");
    cr_assert_eq(w.launches, 4);
    cr_assert_eq(w.kills, 0);
    cr_assert_str_eq(world_task_id(&w, "hello-0-server"), server);

    cr_assert_eq(world_verb(&w, START, "backup", NULL, NULL), 0);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "backup"), "COMPLETE");
    cr_assert_eq(w.launches, 6, "once more");

    /* A new configuration does not run it by itself. */
    AUTO_FREE char *changed = xstrdup(with_backup);
    strstr(changed, "cmd: x")[5] = 'y';
    world_declare(&w, changed);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_str_eq(world_status(&w, "backup"), "WAITING");
    cr_assert_eq(w.launches, 8);
}

Test(operate, parameters_reach_the_demands)
{
    AUTO_WORLD struct world w;
    world_start(&w, "parameters", 1);
    world_declare(&w, with_backup);
    world_run(&w);
    char name[] = "SNAPSHOT", value[] = "a b", bad[] = "9x";
    Reeve__PlanCommand__Parameter p = REEVE__PLAN_COMMAND__PARAMETER__INIT;
    Reeve__PlanCommand__Parameter *list[] = {&p};
    p.name = bad;
    p.value = value;
    cr_assert_eq(world_start_plan(&w, "backup", list, 1), ERR_INVALID);
    cr_assert_str_eq(w.err.text, "Couldn't parse parameters: 9x is not a valid "
                                 "environment variable name");
    p.name = name;
    cr_assert_eq(world_start_plan(&w, "backup", list, 1), 0);
    cr_assert_str_eq(
        w.err.text,
        "Received cmd: start backup with parameters: {SNAPSHOT=a b}");
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1);
    const Reeve__Demand *d = w.facts->demands->demand;
    cr_assert_eq(d->n_extra_env, 1);
    cr_assert_str_eq(d->extra_env[0]->name, "SNAPSHOT");
    cr_assert_str_eq(d->plan, "backup");
}

Test(operate, stop_resets_and_kills_nothing)
{
    AUTO_WORLD struct world w;
    world_start(&w, "stop", 1);
    world_declare(&w, with_backup);
    world_run(&w);
    world_verb(&w, START, "backup", NULL, NULL);
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1);
    cr_assert_eq(world_verb(&w, STOP, "backup", NULL, NULL), 0);
    cr_assert_eq(world_demands(&w), 0);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "backup"), "WAITING");
    cr_assert_str_eq(world_steps(&w, "backup", "hello"), "P P");
    cr_assert_eq(w.kills, 0);
    cr_assert_eq(world_verb(&w, CONTINUE, "backup", NULL, NULL), 0);
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "backup"), "COMPLETE");
}

/* ---- pods ---- */
Test(operate, pod_restart_goes_through_recovery)
{
    AUTO_WORLD struct world w;
    world_start(&w, "pod", 1);
    world_declare(&w, two_phases);
    world_run(&w);
    AUTO_FREE char *before = xstrdup(world_task_id(&w, "hello-1-server"));
    cr_assert_eq(world_pod(&w, REEVE__POD_COMMAND__VERB__RESTART, "hello-1"),
                 0);
    cr_assert_str_eq(w.err.text, "hello-1-server ");
    cr_assert_eq(HASH_COUNT(w.facts->kills), 1);
    world_crash(&w);
    world_run(&w);
    cr_assert_neq(strcmp(world_task_id(&w, "hello-1-server"), before), 0);
    cr_assert_eq(world_state(&w, "hello-1-server"), RUNNING);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_str_eq(world_plan(&w, "recovery")->phases[0]->name,
                     "hello-1:[server]");

    cr_expect_eq(world_pod(&w, REEVE__POD_COMMAND__VERB__RESTART, "hello-9"),
                 ERR_NOT_FOUND);
    cr_expect_str_eq(w.err.text, "Pod hello-9 not found");
    cr_expect_eq(world_pod(&w, REEVE__POD_COMMAND__VERB__PAUSE, "hello-1"),
                 ERR_UNSUPPORTED);
    cr_expect(strstr(w.err.text, "not supported yet"));
    cr_expect_eq(world_pod(&w, REEVE__POD_COMMAND__VERB__RESTART, "hello-01"),
                 ERR_NOT_FOUND);
}

static const Reeve__Demand *only_demand(const struct world *w)
{
    cr_assert_eq(world_demands(w), 1);
    return w->facts->demands->demand;
}

Test(operate, pod_replace_gives_up_what_the_pod_had)
{
    AUTO_WORLD struct world w;
    world_start(&w, "replace", 1);
    world_declare(&w, two_phases);
    world_run(&w);
    AUTO_FREE char *before = xstrdup(world_task_id(&w, "hello-1-server"));
    cr_assert_eq(world_pod(&w, REEVE__POD_COMMAND__VERB__REPLACE, "hello-1"),
                 0);
    cr_expect_str_eq(w.err.text, "hello-1-server ");
    cr_expect(facts_kill(w.facts, before)->order->until_dead);
    w.holds_offers = true;
    world_crash(&w);
    world_run(&w);
    cr_expect_eq(only_demand(&w)->recovery, REEVE__DEMAND__RECOVERY__PERMANENT);
    /* Said again: the same, and still one wish. */
    cr_assert_eq(world_pod(&w, REEVE__POD_COMMAND__VERB__REPLACE, "hello-1"),
                 0);
    world_run(&w);
    cr_expect_eq(only_demand(&w)->recovery, REEVE__DEMAND__RECOVERY__PERMANENT);
    w.holds_offers = false;
    world_run(&w);
    cr_expect_neq(strcmp(world_task_id(&w, "hello-1-server"), before), 0);
    cr_expect_eq(world_state(&w, "hello-1-server"), RUNNING);
    cr_expect_not(
        facts_task(w.facts, "hello-1-server")->info->permanently_failed);
    cr_expect_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_expect_str_eq(world_status(&w, "recovery"), "COMPLETE");
    /* What fails afterwards comes back where it is. */
    world_set_state(&w, "hello-1-server", MESOS__V1__TASK_STATE__TASK_FAILED,
                    false);
    w.holds_offers = true;
    world_run(&w);
    cr_expect_eq(only_demand(&w)->recovery, REEVE__DEMAND__RECOVERY__TRANSIENT);
}

/* A TRANSIENT wish must not be placed on what was given up. */
Test(operate, pod_replace_takes_the_place_of_a_relaunch)
{
    AUTO_WORLD struct world w;
    world_start(&w, "replace", 1);
    world_declare(&w, two_phases);
    world_run(&w);
    w.holds_offers = true;
    world_set_state(&w, "hello-1-server",
                    MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR, false);
    world_run(&w);
    cr_assert_eq(world_demands(&w), 1);
    cr_assert_eq(world_pod(&w, REEVE__POD_COMMAND__VERB__REPLACE, "hello-1"),
                 0);
    cr_expect_eq(world_demands(&w), 0);
    world_run(&w);
    cr_expect_eq(only_demand(&w)->recovery, REEVE__DEMAND__RECOVERY__PERMANENT);
}

/* Out of reach: another takes its place, and the order to kill it stands. */
Test(operate, pod_replace_of_a_task_out_of_reach_kills_it_later)
{
    AUTO_WORLD struct world w;
    world_start(&w, "replace", 1);
    world_declare(&w, two_phases);
    world_run(&w);
    AUTO_FREE char *before = xstrdup(world_task_id(&w, "hello-1-server"));
    w.holds_offers = true;
    world_set_state(&w, "hello-1-server",
                    MESOS__V1__TASK_STATE__TASK_UNREACHABLE, false);
    cr_assert_eq(world_pod(&w, REEVE__POD_COMMAND__VERB__REPLACE, "hello-1"),
                 0);
    world_rest(&w);
    cr_expect_eq(only_demand(&w)->recovery, REEVE__DEMAND__RECOVERY__PERMANENT);
    w.holds_offers = false;
    world_place(&w);
    cr_expect_neq(strcmp(world_task_id(&w, "hello-1-server"), before), 0);
    world_rest(&w);
    cr_expect(facts_kill(w.facts, before), "the order stands");
}

/* ---- answers ---- */
Test(operate, the_last_answers_are_kept)
{
    AUTO_WORLD struct world w;
    world_start(&w, "answers", 1);
    for (int i = 0; i < ANSWERS_KEPT + 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "req-%d", i);
        AUTO_BUF struct buf body = {0};
        buf_addf(&body, "answer %d", i);
        AUTO_CHANGES struct changes changes = {0};
        answers_keep(w.facts, id, &body, &changes);
        world_put_bytes(&w, changes.ops[0].key, changes.ops[0].value,
                        changes.ops[0].len);
    }
    AUTO_BUF struct buf body = {0};
    cr_expect(!answers_find(w.facts, "req-4", &body));
    cr_expect(!answers_find(w.facts, "req-", &body));
    cr_expect(!answers_find(w.facts, "", &body));
    cr_expect(answers_find(w.facts, "req-5", &body));
    cr_expect_str_eq(buf_text(&body), "answer 5");
    buf_clear(&body);
    cr_expect(answers_find(w.facts, "req-68", &body));
    cr_expect_str_eq(buf_text(&body), "answer 68");
}
