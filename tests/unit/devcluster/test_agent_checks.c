/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "agent_harness.h"
#include "lib/base/base.h"

#define WITH_HEALTH(more)                                                      \
    "{'task_id':{'value':'t1'},'command':{'value':'x','environment':"          \
    "{'variables':[{'name':'A','value':'1'}]}},'health_check':"                \
    "{'type':'COMMAND','command':{'value':'ok','environment':{'variables':"    \
    "[{'name':'B','value':'2'}]}},'delay_seconds':1,'interval_seconds':2,"     \
    "'timeout_seconds':5" more "}}"
#define WITH_CHECK                                                             \
    "{'task_id':{'value':'t1'},'command':{'value':'x'},'check':"               \
    "{'type':'COMMAND','command':{'command':{'value':'ok'}},"                  \
    "'delay_seconds':0,'interval_seconds':1,'timeout_seconds':5}}"

static void start(struct harness *h, const char *task)
{
    harness_start(h);
    h->auto_ack = true;
    harness_pod(h, "e1", task);
    harness_pass(h, 0);
    harness_started(h, "t1");
    harness_log(h);
}

static void health(struct harness *h, int value)
{
    harness_checked(
        h, "t1", (struct agent_check_result){.health = true, .value = value});
}

static void check(struct harness *h, bool timed_out, int value)
{
    harness_checked(
        h, "t1",
        (struct agent_check_result){.timed_out = timed_out, .value = value});
}

Test(agent_checks, health_from_good_to_death)
{
    struct harness h;
    start(&h, WITH_HEALTH(",'grace_period_seconds':1"));
    harness_pass(&h, 999);
    EXPECT_LOG(&h, "");
    harness_pass(&h, 1);
    EXPECT_LOG(&h, "check t1 health\n");
    harness_pass(&h, 100000); /* one at a time */
    EXPECT_LOG(&h, "");
    health(&h, 0);
    EXPECT_LOG(&h, "update t1 RUNNING TASK_HEALTH_CHECK_STATUS_UPDATED "
                   "healthy=1\n");
    harness_pass(&h, 2000);
    health(&h, 0);
    EXPECT_LOG(&h, "check t1 health\n"); /* no news */
    for (int i = 0; i < 2; i++) {
        harness_pass(&h, 2000);
        health(&h, 1);
        EXPECT_LOG(&h, "check t1 health\n"
                       "update t1 RUNNING TASK_HEALTH_CHECK_STATUS_UPDATED "
                       "healthy=0\n");
    }
    harness_pass(&h, 2000);
    health(&h, 1);
    EXPECT_LOG(&h, "check t1 health\n"
                   "update t1 RUNNING TASK_HEALTH_CHECK_STATUS_UPDATED "
                   "healthy=0\n"
                   "signal t1 15\nupdate t1 KILLING\n");
    harness_exited(&h, "t1", SIGTERM);
    EXPECT_LOG(&h, "update t1 KILLED healthy=0 "
                   "'Command terminated with signal Terminated'\n");
    harness_stop(&h);
}

Test(agent_checks, siblings_of_an_unhealthy_task)
{
    struct harness h;
    start(
        &h,
        WITH_HEALTH(
            ",'grace_period_seconds':0,'consecutive_failures':1") ",{'task_id':"
                                                                  "{'value':'"
                                                                  "t2'},'"
                                                                  "command':{'"
                                                                  "value':'x'}"
                                                                  "}");
    harness_started(&h, "t2");
    harness_pass(&h, 1000);
    health(&h, 1);
    harness_log(&h);
    harness_exited(&h, "t1", SIGTERM);
    harness_exited(&h, "t2", SIGTERM);
    EXPECT_LOG(&h, "update t1 KILLED healthy=0 "
                   "'Command terminated with signal Terminated'\n"
                   "update t2 KILLING\nsignal t2 15\n"
                   "update t2 KILLED healthy=0 "
                   "'Command terminated with signal Terminated'\n");
    harness_stop(&h);
}

Test(agent_checks, failures_in_the_grace_period_do_not_count)
{
    struct harness h;
    start(&h, WITH_HEALTH(",'grace_period_seconds':4,"
                          "'consecutive_failures':1"));
    harness_pass(&h, 1000);
    health(&h, 1);
    harness_pass(&h, 2000);
    health(&h, 1);
    EXPECT_LOG(&h, "check t1 health\ncheck t1 health\n");
    harness_pass(&h, 2000); /* 5 s old now */
    health(&h, 1);
    EXPECT_LOG(&h, "check t1 health\n"
                   "update t1 RUNNING TASK_HEALTH_CHECK_STATUS_UPDATED "
                   "healthy=0\n"
                   "signal t1 15\nupdate t1 KILLING\n");
    harness_stop(&h);
}

Test(agent_checks, recovery_resets_the_count)
{
    struct harness h;
    start(&h, WITH_HEALTH(",'grace_period_seconds':0"));
    static const int results[] = {1, 1, 0, 1, 1};
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        harness_pass(&h, 2000);
        health(&h, results[i]);
    }
    const char *log = harness_log(&h);
    cr_expect_null(strstr(log, "KILLING"), "%s", log);
    cr_expect_not_null(strstr(log, "healthy=1"), "%s", log);
    harness_stop(&h);
}

Test(agent_checks, a_result_after_the_kill_is_ignored)
{
    struct harness h;
    start(&h, WITH_HEALTH(""));
    harness_pass(&h, 1000);
    harness_log(&h);
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},"
                     "'task_id':{'value':'t1'}}}");
    EXPECT_LOG(&h, "check_stop t1 health\nupdate t1 KILLING\nsignal t1 15\n");
    health(&h, 0);
    harness_pass(&h, 2500);
    EXPECT_LOG(&h, "");
    harness_stop(&h);
}

Test(agent_checks, check_reports_changes_only)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    harness_pod(&h, "e1", WITH_CHECK);
    harness_pass(&h, 0);
    EXPECT_LOG(&h, "update t1 STARTING check=\nstart t1\n");
    harness_started(&h, "t1");
    harness_pass(&h, 0);
    EXPECT_LOG(&h, "update t1 RUNNING check=\ncheck t1\n");
    check(&h, false, 7);
    EXPECT_LOG(&h, "update t1 RUNNING TASK_CHECK_STATUS_UPDATED check=7\n");
    harness_pass(&h, 1000);
    check(&h, false, 7);
    EXPECT_LOG(&h, "check t1\n");
    harness_pass(&h, 1000);
    check(&h, true, 0);
    EXPECT_LOG(
        &h, "check t1\nupdate t1 RUNNING TASK_CHECK_STATUS_UPDATED check=\n");
    harness_pass(&h, 1000);
    check(&h, false, 0);
    EXPECT_LOG(
        &h, "check t1\nupdate t1 RUNNING TASK_CHECK_STATUS_UPDATED check=0\n");
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},"
                     "'task_id':{'value':'t1'}}}");
    EXPECT_LOG(&h, "update t1 KILLING check=\nsignal t1 15\n");
    harness_stop(&h);
}

Test(agent_checks, command_gets_the_tasks_environment_and_its_own)
{
    struct harness h;
    start(&h, WITH_HEALTH(""));
    harness_pass(&h, 1000);
    bool a = false, b = false, path = false;
    for (size_t i = 0; i < h.check->n_environment; i++) {
        a = a || str_eq(h.check->environment[i], "A=1");
        b = b || str_eq(h.check->environment[i], "B=2");
        path = path || str_starts(h.check->environment[i], "PATH=/");
    }
    cr_expect(a && b && path);
    cr_expect_str_eq(h.check->value, "ok");
    cr_expect_eq(h.check->shell, 1);
    cr_expect_eq(h.check->timeout_ms, 5000);
    cr_expect_str_eq(h.check->sandbox, harness_spec(&h, "t1")->sandbox);
    cr_expect(str_starts(h.check->output_dir, h.check->sandbox));
    harness_stop(&h);
}

static const struct {
    const char *name;
    const char *health; /* the health check's own part */
    const char *url;
    int good, bad;
} network_cases[] = {
    {"http", "'type':'HTTP','http':{'port':80,'path':'/x'}",
     "http://127.0.0.1:80/x", 399, 400},
    {"no path", "'type':'HTTP','http':{'port':81}", "http://127.0.0.1:81/", 200,
     199},
    {"https", "'type':'HTTP','http':{'port':82,'scheme':'https'}",
     "https://127.0.0.1:82/", 200, 500},
    {"tcp", "'type':'TCP','tcp':{'port':83}", NULL, 1, 0},
};

Test(agent_checks, network)
{
    for (size_t i = 0; i < ARRAY_LEN(network_cases); i++) {
        struct harness h;
        AUTO_FREE char *task = xasprintf(
            "{'task_id':{'value':'t1'},'command':{'value':'x'},"
            "'health_check':{%s,'delay_seconds':0,'interval_seconds':1,"
            "'grace_period_seconds':0}}",
            network_cases[i].health);
        start(&h, task);
        harness_pass(&h, 0);
        cr_assert_not_null(h.check);
        cr_expect(str_eq(h.check->url, network_cases[i].url), "case %s: %s",
                  network_cases[i].name, h.check->url);
        harness_log(&h);
        health(&h, network_cases[i].good);
        const char *log = harness_log(&h);
        cr_expect(strstr(log, "healthy=1"), "case %s: %s",
                  network_cases[i].name, log);
        harness_pass(&h, 1000);
        health(&h, network_cases[i].bad);
        log = harness_log(&h);
        cr_expect(strstr(log, "healthy=0"), "case %s: %s",
                  network_cases[i].name, log);
        harness_stop(&h);
    }
}

Test(agent_checks, go_on_after_a_restart)
{
    struct harness h;
    start(&h, WITH_HEALTH(",'grace_period_seconds':1000"));
    harness_pass(&h, 1000);
    health(&h, 0);
    harness_restart(&h);
    harness_started(&h, "t1");
    harness_log(&h);
    harness_pass(&h, 2000);
    EXPECT_LOG(&h, "check t1 health\n");
    harness_register(&h);
    harness_log(&h);
    health(&h, 0); /* as before: no news */
    EXPECT_LOG(&h, "");
    harness_pass(&h, 2000);
    health(&h, 1); /* it was healthy once: the grace period is over */
    EXPECT_LOG(&h, "check t1 health\n"
                   "update t1 RUNNING TASK_HEALTH_CHECK_STATUS_UPDATED "
                   "healthy=0\n");
    harness_stop(&h);
}

Test(agent_checks, a_framework_that_acknowledges_nothing)
{
    struct harness h;
    harness_start(&h);
    harness_pod(&h, "e1", WITH_CHECK);
    harness_pass(&h, 0);
    harness_started(&h, "t1");
    agent_core_disconnect(h.core);
    for (int i = 0; i < 1000; i++) {
        harness_pass(&h, 1000);
        check(&h, false, i % 2);
    }
    const char *log = harness_log(&h);
    cr_expect_not_null(strstr(log, "updates_not_acknowledged"));
    cr_expect_lt(h.saved[0]->tasks[0]->n_pending, 300);
    harness_exited(&h, "t1", 0);
    cr_expect_eq(h.saved[0]->tasks[0]->state,
                 MESOS__V1__TASK_STATE__TASK_FINISHED);
    harness_stop(&h);
}
