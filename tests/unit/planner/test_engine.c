/* SPDX-License-Identifier: Apache-2.0 */
/* The whole engine against a toy broker and cluster: deployment, changes,
 * failures, crashes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/wire/pb.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "services/planner/plan_status.h"
#include "tests/unit/planner/world.h"

#define RUNNING MESOS__V1__TASK_STATE__TASK_RUNNING
#define FAILED  MESOS__V1__TASK_STATE__TASK_FAILED
#define KILLED  MESOS__V1__TASK_STATE__TASK_KILLED

/* The text lives until the next call but one. */
static const char *data_store(int data_count, const char *cpus)
{
    static char text[2][1024];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn],
             "name: svc\n"
             "pods:\n"
             "  meta-data:\n"
             "    count: 2\n"
             "    cmd: sleep 1000\n"
             "    cpus: 0.1\n"
             "    memory: 32\n"
             "  data:\n"
             "    count: %d\n"
             "    cmd: sleep 1000\n"
             "    cpus: %s\n"
             "    memory: 32\n"
             "    volume: {path: data, type: ROOT, size: 16}\n",
             data_count, cpus);
    return text[turn];
}

static size_t position(const struct world *w, const char *what)
{
    const char *at = strstr(w->log, what);
    cr_assert(at, "%s: %s is not in %s", w->name, what, w->log);
    return (size_t)(at - w->log);
}

static void check_order(const struct world *w)
{
    size_t first_data = position(w, "+data-");
    cr_assert_lt(position(w, "=meta-data-0"), first_data, "%s", w->log);
    cr_assert_lt(position(w, "=meta-data-1"), first_data, "%s", w->log);
}

Test(engine, deploys_in_order)
{
    AUTO_WORLD struct world w;
    world_start(&w, "deploy", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_str_eq(world_status(&w, "recovery"), "COMPLETE");
    check_order(&w);
    cr_assert_eq(w.launches, 5);
    cr_assert_eq(w.kills, 0);
    const Reeve__Plan *plan = world_plan(&w, "deploy");
    cr_assert_eq(plan->n_phases, 2);
    cr_assert_str_eq(plan->phases[0]->name, "meta-data");
    cr_assert_str_eq(plan->phases[1]->steps[2]->name, "data-2");
    cr_assert_str_eq(plan->phases[1]->steps[2]->tasks[0], "");
}

Test(engine, comes_through_crashes_and_any_order)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        AUTO_WORLD struct world w;
        world_start(&w, "random", seed);
        w.crash_percent = seed % 3 * 15;
        world_declare(&w, data_store(3, "0.1"));
        world_until(&w, "deploy", PLAN_COMPLETE);
        check_order(&w);
        cr_assert_eq(w.launches, 5, "seed %d: %u", (int)seed, w.launches);
        cr_assert_lt(position(&w, "=data-0"), position(&w, "+data-1"));
        cr_assert_lt(position(&w, "=data-1"), position(&w, "+data-2"));
    }
}

Test(engine, comes_through_failing_tasks)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        AUTO_WORLD struct world w;
        world_start(&w, "failing", seed);
        w.crash_percent = 10;
        w.fail_percent = 30;
        world_declare(&w, data_store(3, "0.1"));
        for (int i = 0; i < 500; i++)
            world_happen(&w);
        w.fail_percent = 0;
        world_until(&w, "deploy", PLAN_COMPLETE);
        world_until(&w, "recovery", PLAN_COMPLETE);
        cr_assert_eq(world_state(&w, "data-2"), RUNNING);
        cr_assert_eq(world_demands(&w), 0);
    }
}

Test(engine, scaling_starts_only_the_new_ones)
{
    AUTO_WORLD struct world w;
    world_start(&w, "scale", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_run(&w);
    w.log[0] = '\0';
    world_declare(&w, data_store(5, "0.1"));
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 7);
    cr_assert_eq(w.kills, 0);
    cr_assert_str_eq(w.log, "+data-3 =data-3 =data-3 +data-4 =data-4 =data-4 ");
}

/* While one of them is down, no other is. */
static void roll(struct world *w, const char *yaml)
{
    world_declare(w, yaml);
    for (int i = 0; i < 5000; i++) {
        world_happen(w);
        int down = 0;
        for (int k = 0; k < 3; k++) {
            char name[16];
            snprintf(name, sizeof name, "data-%d", k);
            down += world_state(w, name) != RUNNING;
        }
        cr_assert_leq(down, 1, "%s: %d tasks down", w->name, down);
    }
    cr_assert_str_eq(world_status(w, "deploy"), "COMPLETE");
}

Test(engine, a_change_rolls_one_by_one_and_back)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        AUTO_WORLD struct world w;
        world_start(&w, "roll", seed);
        w.crash_percent = 5;
        world_declare(&w, data_store(3, "0.1"));
        world_until(&w, "deploy", PLAN_COMPLETE);
        AUTO_FREE char *meta = xstrdup(world_task_id(&w, "meta-data-0"));
        roll(&w, data_store(3, "0.2"));
        cr_assert_eq(w.kills, 3);
        cr_assert_eq(w.launches, 8);
        roll(&w, data_store(3, "0.1"));
        cr_assert_eq(w.kills, 6);
        cr_assert_str_eq(world_task_id(&w, "meta-data-0"), meta);
        cr_assert_eq(HASH_COUNT(w.facts->configs), 2,
                     "meta-data is still of the first, the rest of the last");
    }
}

Test(engine, newest_intent_wins)
{
    AUTO_WORLD struct world w;
    world_start(&w, "newest", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_run(&w);
    w.holds_offers = true;
    world_declare(&w, data_store(3, "64"));
    world_run(&w);
    cr_assert_eq(world_demands(&w), 1);
    cr_assert_eq(world_state(&w, "data-0"), KILLED);
    cr_assert_eq(world_state(&w, "data-1"), RUNNING);
    cr_assert_str_eq(world_status(&w, "deploy"), "IN_PROGRESS");

    /* Back: the stuck wish goes, data-0 comes back as it was. */
    world_declare(&w, data_store(3, "0.1"));
    w.holds_offers = false;
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 6, "%s", w.log);
    cr_assert_eq(w.kills, 1);
    cr_assert_str_eq(facts_task(w.facts, "data-0")->info->pod_digest,
                     facts_task(w.facts, "data-1")->info->pod_digest);
}

Test(engine, completed_long_ago_does_not_count_for_another_digest)
{
    /* 0.1 completed, 0.2 launched but not ready, then 0.1 again: what runs is
     * of 0.2 and must be rolled back. */
    AUTO_WORLD struct world w;
    world_start(&w, "back", 1);
    world_declare(&w, data_store(1, "0.1"));
    world_run(&w);
    w.never_ready = true;
    world_declare(&w, data_store(1, "0.2"));
    world_run(&w);
    cr_assert_str_eq(world_steps(&w, "deploy", "data"), "S");
    w.never_ready = false;
    world_declare(&w, data_store(1, "0.1"));
    world_run(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(w.launches, 5);
    cr_assert_str_eq(
        facts_task(w.facts, "data-0")->info->pod_digest,
        fact_config_pod_digest(facts_target_config(w.facts), "data"));
}

Test(engine, recovery_relaunches_what_ended)
{
    AUTO_WORLD struct world w;
    world_start(&w, "recovery", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_run(&w);
    w.now_ms += 100000;
    world_set_state(&w, "data-1", FAILED, false);
    world_rest(&w);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_str_eq(world_status(&w, "recovery"), "IN_PROGRESS");
    cr_assert_eq(world_demands(&w), 1);
    cr_assert_eq(w.facts->demands->demand->recovery,
                 REEVE__DEMAND__RECOVERY__TRANSIENT);
    cr_assert_str_eq(world_plan(&w, "recovery")->phases[0]->name, "data-1");
    world_run(&w);
    cr_assert_eq(world_state(&w, "data-1"), RUNNING);
    cr_assert_str_eq(world_status(&w, "recovery"), "COMPLETE");
    cr_assert_eq(world_plan(&w, "recovery")->n_phases, 1);
    cr_assert_eq(w.launches, 6);
}

Test(engine, unreachable_is_not_relaunched)
{
    AUTO_WORLD struct world w;
    world_start(&w, "unreachable", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_run(&w);
    world_set_state(&w, "data-1", MESOS__V1__TASK_STATE__TASK_UNREACHABLE,
                    false);
    world_run(&w);
    cr_assert_eq(w.launches, 5);
    cr_assert_eq(world_demands(&w), 0);
}

Test(engine, quick_failures_back_off_and_a_long_run_resets)
{
    static const int64_t delays[] = {1000,  2000,  4000,  8000,
                                     16000, 32000, 60000, 60000};
    AUTO_WORLD struct world w;
    world_start(&w, "backoff", 1);
    world_declare(&w, data_store(1, "0.1"));
    world_run(&w);
    w.now_ms += 100000;
    world_set_state(&w, "data-0", FAILED, false);
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1, "after a long run: at once");
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        world_place(&w);
        w.now_ms += 50;
        world_set_state(&w, "data-0", FAILED, false);
        world_crash(&w);
        world_rest(&w);
        cr_assert_eq(world_demands(&w), 0, "case %zu", i);
        cr_assert_str_eq(world_status(&w, "recovery"), "DELAYED");
        cr_assert_eq(w.wake_ms, w.now_ms + delays[i], "case %zu", i);
        w.now_ms += delays[i] - 1;
        world_rest(&w);
        cr_assert_eq(world_demands(&w), 0, "case %zu", i);
        w.now_ms += 1;
        world_rest(&w);
        cr_assert_eq(world_demands(&w), 1, "case %zu", i);
    }
    world_place(&w);
    world_set_state(&w, "data-0", RUNNING, true);
    w.now_ms += 60000;
    world_set_state(&w, "data-0", FAILED, false);
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1);
}

Test(engine, a_clock_set_back_prolongs_no_back_off)
{
    static const struct {
        int64_t back_ms;
        size_t demands;
    } cases[] = {{0, 0}, {900, 0}, {1001, 1}, {3600000, 1}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_WORLD struct world w;
        world_start(&w, "back", 1);
        world_declare(&w, data_store(1, "0.1"));
        world_run(&w);
        world_set_state(&w, "data-0", FAILED, false);
        w.now_ms -= cases[i].back_ms;
        world_rest(&w);
        cr_expect_eq(world_demands(&w), cases[i].demands, "case %zu", i);
    }
}

#define X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
    const char *said, *message;
} end_cases[] = {
    {NULL, "meta-data-0 ended with TASK_FAILED, 1 "},
    {"Command exited\nwith status 1",
     "meta-data-0 ended with TASK_FAILED (Command exited with status 1), 1 "},
    {X40 X40 X40 X40 "y",
     "meta-data-0 ended with TASK_FAILED (" X40 X40 X40 X40 "…), 1 "},
    {X40 X40 X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxü",
     "meta-data-0 ended with TASK_FAILED (" X40 X40 X40
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…), 1 "},
};

Test(engine, a_step_says_what_mesos_said_of_the_end)
{
    for (size_t i = 0; i < ARRAY_LEN(end_cases); i++) {
        AUTO_WORLD struct world w;
        world_start(&w, "why", 1);
        w.end_message = (char *)end_cases[i].said;
        world_declare(&w, data_store(1, "0.1"));
        world_rest(&w);
        world_place(&w);
        world_set_state(&w, "meta-data-0", FAILED, false);
        world_rest(&w);
        const char *said = world_step(&w, "deploy", "meta-data-0")->message;
        cr_expect(str_starts(said, end_cases[i].message), "case %zu: %s", i,
                  said);
    }
}

Test(engine, a_failing_deployment_backs_off_until_its_fix)
{
    AUTO_WORLD struct world w;
    world_start(&w, "deploy backoff", 1);
    world_declare(&w, data_store(1, "0.1"));
    world_rest(&w);
    world_place(&w);
    world_set_state(&w, "meta-data-0", FAILED, false);
    world_rest(&w);
    cr_assert_str_eq(world_steps(&w, "deploy", "meta-data"), "D P");
    cr_assert_eq(world_demands(&w), 0);
    cr_assert_str_eq(world_status(&w, "recovery"), "COMPLETE",
                     "the deployment has it in hand");
    world_declare(&w, "name: svc\npods:\n"
                      "  meta-data: {count: 2, cmd: better, cpus: 0.1, "
                      "memory: 32}\n"
                      "  data: {count: 1, cmd: x, cpus: 0.1, memory: 32, "
                      "volume: {path: data, type: ROOT, size: 16}}\n");
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1, "another configuration goes at once");
}

Test(engine, deployment_supersedes_the_recovery_of_an_old_configuration)
{
    AUTO_WORLD struct world w;
    world_start(&w, "supersede", 1);
    world_declare(&w, data_store(1, "0.1"));
    world_run(&w);
    w.holds_offers = true;
    w.now_ms += 100000;
    world_set_state(&w, "data-0", FAILED, false);
    world_rest(&w);
    cr_assert_eq(w.facts->demands->demand->recovery,
                 REEVE__DEMAND__RECOVERY__TRANSIENT);
    world_declare(&w, data_store(1, "0.2"));
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1);
    cr_assert_eq(w.facts->demands->demand->recovery,
                 REEVE__DEMAND__RECOVERY__NONE);
    cr_assert_str_eq(w.facts->demands->demand->config_id,
                     w.facts->target->config_id);
    w.holds_offers = false;
    world_run(&w);
    cr_assert_eq(w.launches, 4);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
}

Test(engine, recovery_uses_the_tasks_own_configuration)
{
    AUTO_WORLD struct world w;
    world_start(&w, "own", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_run(&w);
    AUTO_FREE char *first = xstrdup(w.facts->target->config_id);
    w.holds_offers = true;
    world_declare(&w, data_store(3, "64"));
    world_run(&w); /* data-0 is stuck */
    w.now_ms += 100000;
    world_set_state(&w, "data-2", FAILED, false);
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 2);
    const struct fact_demand *d = w.facts->demands;
    if (d->demand->pod_index != 2)
        d = d->hh.next;
    cr_assert_eq(d->demand->pod_index, 2);
    cr_assert_str_eq(d->demand->config_id, first);
    cr_assert_str_eq(d->demand->plan, "recovery");
}

Test(engine, refused_spec_keeps_the_old_one_running)
{
    AUTO_WORLD struct world w;
    world_start(&w, "refused", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_run(&w);
    AUTO_FREE char *first = xstrdup(w.facts->target->config_id);
    world_declare(&w, data_store(2, "0.1")); /* fewer, not allowed */
    world_run(&w);
    cr_assert_str_eq(w.facts->target->config_id, first);
    cr_assert_eq(w.facts->target->n_errors, 1);
    cr_assert_str_eq(world_status(&w, "deploy"), "ERROR");
    w.now_ms += 100000;
    world_set_state(&w, "data-1", FAILED, false);
    world_run(&w);
    cr_assert_eq(world_state(&w, "data-1"), RUNNING, "recovery goes on");

    world_declare_bad(&w, "svc.yml:3: not YAML");
    world_run(&w);
    cr_assert_str_eq(w.facts->target->errors[0], "svc.yml:3: not YAML");
    cr_assert_str_eq(world_plan(&w, "deploy")->errors[0],
                     "svc.yml:3: not YAML");

    world_declare(&w, data_store(4, "0.1")); /* a good one replaces it */
    world_run(&w);
    cr_assert_eq(w.facts->target->n_errors, 0);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");
    cr_assert_eq(world_state(&w, "data-3"), RUNNING);
}

Test(engine, no_first_spec_ends_the_process)
{
    AUTO_WORLD struct world w;
    world_start(&w, "none", 1);
    world_declare_bad(&w, "svc.yml:1: bad");
    cr_assert_eq(world_round(&w), -1);
    cr_assert_eq(w.err.code, ERR_INVALID);
    cr_assert_str_eq(w.err.text, "svc.yml:1: bad");
    cr_assert_eq(w.revision, 0);
}

Test(engine, what_was_never_placed_may_be_withdrawn)
{
    static const char *const yaml =
        "name: svc\npods:\n  data: {count: %d, allow-decommission: true, "
        "cmd: sleep, cpus: 0.1, memory: 32}\n";
    char text[256];
    AUTO_WORLD struct world w;
    world_start(&w, "withdraw", 1);
    snprintf(text, sizeof text, yaml, 2);
    world_declare(&w, text);
    world_run(&w);
    w.holds_offers = true;
    snprintf(text, sizeof text, yaml, 4);
    world_declare(&w, text);
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 1);
    snprintf(text, sizeof text, yaml, 2);
    world_declare(&w, text);
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 0);
    cr_assert_eq(w.facts->target->n_errors, 0);
    cr_assert_str_eq(world_status(&w, "deploy"), "COMPLETE");

    snprintf(text, sizeof text, yaml, 1);
    world_declare(&w, text);
    world_rest(&w);
    cr_assert_eq(w.facts->target->n_errors, 1);
    cr_assert(strstr(w.facts->target->errors[0],
                     "decommission is not supported yet"));
}

Test(engine, damaged_facts_stop_all_decisions)
{
    AUTO_WORLD struct world w;
    world_start(&w, "damaged", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_rest(&w);
    world_put_bytes(&w, "service/svc/task/meta-data-0/info", "\xff\xff", 2);
    cr_assert(w.facts->damaged);
    cr_assert_eq(world_round(&w), 0);
    world_put_bytes(&w, "service/svc/task/meta-data-0/info", NULL, 0);
    cr_assert(!w.facts->damaged);
}

Test(engine, orphaned_kill_orders_go)
{
    AUTO_WORLD struct world w;
    world_start(&w, "orphans", 1);
    world_declare(&w, data_store(3, "0.1"));
    world_run(&w);
    Reeve__KillOrder order = REEVE__KILL_ORDER__INIT;
    char name[] = "data-0", id[] = "svc__data-0__gone";
    order.task_id = id;
    order.task_name = name;
    world_put(&w, "service/svc/kill/svc__data-0__gone", &order.base);
    world_rest(&w);
    cr_assert_eq(HASH_COUNT(w.facts->kills), 0);
    cr_assert_eq(w.kills, 0);
}

Test(engine, hundreds_of_tasks_in_parallel_within_bounds)
{
    AUTO_WORLD struct world w;
    world_start(&w, "many", 1);
    world_declare(&w,
                  "name: svc\n"
                  "pods: {data: {count: 3000, cmd: x, cpus: 0.1, memory: 32}}\n"
                  "plans: {deploy: {phases: {data: {pod: data, "
                  "strategy: parallel}}}}\n");
    cr_assert_eq(world_round(&w), 2); /* configuration and target */
    int ops = world_round(&w);
    cr_assert_geq(ops, CHANGES_FULL);
    cr_assert_leq(ops, CHANGES_FULL + 10);
    cr_assert_lt(world_demands(&w), 3000);
    world_rest(&w);
    cr_assert_eq(world_demands(&w), 3000);
}

/* A volume of the set "data-resource-set", and one that belongs to others. */
static void put_volumes(struct world *w, int64_t mib)
{
    Reeve__PodRecord *pod = PB_NEW(reeve__pod_record);

    for (int i = 0; i < 3; i++) {
        static const char *const owners[] = {"data-resource-set", "pod",
                                             "data-resource-set"};
        static const char *const paths[] = {"data", "data", "other"};
        Reeve__ReservedResource *entry = PB_NEW(reeve__reserved_resource);

        entry->owner = xstrdup(owners[i]);
        entry->container_path = xstrdup(paths[i]);
        entry->persistence_id = xstrdup("p");
        PB_SET(entry, amount_milli, (i == 0 ? mib : 9999) * 1000);
        PB_ADD(pod, resources, entry);
    }
    world_put(w, "service/svc/pod/data-0", &pod->base);
    PB_FREE(pod);
}

static const struct {
    const char *name;
    int64_t before, is, next; /* MiB */
    const char *more, *error; /* NULL: none */
} shrinks[] = {
    {"larger", 100, 100, 200, "", NULL},
    {"smaller", 100, 100, 50, "", "data-0 has 100 MiB and would shrink to 50"},
    {"allowed", 100, 100, 50, ", allow-shrink: true", NULL},
    {"back from what never grew", 200, 100, 100, "", NULL},
    {"back from what grew", 200, 200, 100, "", "has 200 MiB"},
    {"forbidden", 100, 100, 50, ", allow-shrink: false", "allow-shrink: true"},
    {"larger than it ever was to be", 100, 200, 100, ", allow-shrink: false",
     NULL},
};

Test(engine, a_volume_shrinks_only_by_an_explicit_word)
{
    static const char *const yaml =
        "name: svc\npods:\n  data: {count: 1, cmd: sleep, cpus: 0.1, memory: "
        "32, volume: {path: data, type: ROOT, size: %d%s}}\n";
    char text[256];

    for (size_t i = 0; i < ARRAY_LEN(shrinks); i++) {
        AUTO_WORLD struct world w;
        const Reeve__Target *target;

        world_start(&w, shrinks[i].name, 1);
        snprintf(text, sizeof text, yaml, (int)shrinks[i].before, "");
        world_declare(&w, text);
        world_run(&w);
        put_volumes(&w, shrinks[i].is);
        snprintf(text, sizeof text, yaml, (int)shrinks[i].next,
                 shrinks[i].more);
        world_declare(&w, text);
        world_rest(&w);
        target = w.facts->target;
        cr_expect_eq(target->n_errors > 0, shrinks[i].error != NULL,
                     "case %s: %s", shrinks[i].name,
                     target->n_errors ? target->errors[0] : "");
        if (shrinks[i].error && target->n_errors)
            cr_expect(strstr(target->errors[0], shrinks[i].error),
                      "case %s: %s", shrinks[i].name, target->errors[0]);
    }
}
