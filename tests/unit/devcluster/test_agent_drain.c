/* SPDX-License-Identifier: Apache-2.0 */
/* test_agent_drain - an agent being emptied: graces, reasons, late launches */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "agent_harness.h"
#include "lib/base/base.h"

#define TASK(id, more)                                                         \
    "{'task_id':{'value':'" id "'},'command':{'value':'x'}" more "}"
#define GRACE(s)                                                               \
    ",'kill_policy':{'grace_period':{'nanoseconds':" #s "000000000}}"
#define DRAIN(config) "{'drain':{'config':{" config "}}}"
#define LIMIT(s)      "'max_grace_period':{'nanoseconds':" #s "000000000}"

static void run(struct harness *h, const char *task)
{
    harness_start(h);
    h->auto_ack = true;
    harness_pod(h, "e1", task);
    harness_pass(h, 0);
    harness_started(h, "t1");
    harness_log(h);
}

static const struct {
    const char *name;
    const char *task, *config;
    int64_t grace_ms;
} graces[] = {
    {"own and no limit", TASK("t1", GRACE(7)), "", 7000},
    {"limit below own", TASK("t1", GRACE(7)), LIMIT(2), 2000},
    {"limit above own", TASK("t1", GRACE(2)), LIMIT(7), 2000},
    {"limit and no own", TASK("t1", ""), LIMIT(9), 9000},
    {"neither", TASK("t1", ""), "", 3000},
    {"limit of nothing", TASK("t1", GRACE(7)),
     "'max_grace_period':{'nanoseconds':0}", 0},
};

Test(agent_drain, graces)
{
    for (size_t i = 0; i < ARRAY_LEN(graces); i++) {
        struct harness h;
        char json[256];

        run(&h, graces[i].task);
        snprintf(json, sizeof json, "{'drain':{'config':{%s}}}",
                 graces[i].config);
        harness_tell(&h, json);
        harness_log(&h);
        if (graces[i].grace_ms) {
            harness_pass(&h, graces[i].grace_ms - 1);
            cr_expect_str_eq(harness_log(&h), "", "%s", graces[i].name);
        }
        harness_pass(&h, 1);
        cr_expect_str_eq(harness_log(&h), "signal t1 9 all\n", "%s",
                         graces[i].name);
        harness_stop(&h);
    }
}

Test(agent_drain, updates_say_why)
{
    struct harness h;

    run(&h, TASK("t1", ""));
    harness_tell(&h, DRAIN(""));
    EXPECT_LOG(&h,
               "save_resources removing=0\nupdate t1 KILLING AGENT_DRAINING\n"
               "signal t1 15\n");
    harness_exited(&h, "t1", SIGTERM);
    EXPECT_LOG(&h, "update t1 KILLED AGENT_DRAINING 'Command terminated with "
                   "signal Terminated'\n");
    harness_pass(&h, 100);
    EXPECT_LOG(&h, "exited e1 0\ndrop e1\nsave_resources removing=0\n");
    cr_expect_null(h.resources->drain);
    harness_pod(&h, "e2", TASK("t2", ""));
    harness_pass(&h, 0);
    EXPECT_LOG(&h, "update t2 STARTING\nstart t2\n");
    harness_stop(&h);
}

Test(agent_drain, nothing_to_drain)
{
    struct harness h;

    harness_start(&h);
    harness_tell(&h, DRAIN(""));
    EXPECT_LOG(&h, "");
    harness_stop(&h);
}

Test(agent_drain, late_launches_are_dropped)
{
    struct harness h;

    run(&h, TASK("t1", ""));
    h.auto_ack = false;
    harness_tell(&h, DRAIN(""));
    harness_log(&h);
    harness_pod(&h, "e2", TASK("t2", ""));
    EXPECT_LOG(
        &h, "update t2 DROPPED AGENT AGENT_DRAINING 'Task was received while "
            "agent was already draining'\nexited e2 -1\n");
    harness_pod(&h, "e1", TASK("t3", ""));
    EXPECT_LOG(
        &h, "update t3 DROPPED AGENT AGENT_DRAINING 'Task was received while "
            "agent was already draining'\n");
    harness_stop(&h);
}

Test(agent_drain, is_remembered)
{
    struct harness h;

    run(&h, TASK("t1", ""));
    h.auto_ack = false;
    harness_tell(&h, DRAIN(""));
    harness_restart(&h);
    harness_register(&h);
    harness_log(&h);
    harness_exited(&h, "t1", SIGTERM);
    harness_ack(&h, "t1");
    EXPECT_LOG(&h, "update t1 KILLED AGENT_DRAINING 'Command terminated with "
                   "signal Terminated'\n");
    harness_stop(&h);
}

/* The first word is terminal for the master: no second one follows. */
Test(agent_drain, marked_gone)
{
    struct harness h;

    harness_start(&h);
    h.auto_ack = true;
    harness_tell(
        &h,
        "{'run_group':{'framework':{'user':'u','name':'n','checkpoint':true,"
        "'id':{'value':'F1'},'capabilities':[{'type':'TASK_KILLING_STATE'},{"
        "'type':'PARTITION_AWARE'}]},'executor':{'type':'DEFAULT',"
        "'executor_id':{'value':'e1'},'framework_id':{'value':'F1'}},'tasks':[{"
        "'name':'t1','agent_id':{'value':'A1'},'task_id':{'value':'t1'},"
        "'command':{'value':'x'}}]}}");
    harness_pass(&h, 0);
    harness_started(&h, "t1");
    harness_log(&h);
    harness_tell(&h, DRAIN("'mark_gone':true"));
    EXPECT_LOG(
        &h,
        "save_resources removing=0\nupdate t1 GONE_BY_OPERATOR AGENT_DRAINING\n"
        "signal t1 15\n");
    harness_exited(&h, "t1", SIGTERM);
    harness_pass(&h, 100);
    EXPECT_LOG(&h, "exited e1 0\ndrop e1\nsave_resources removing=0\n");
    harness_stop(&h);
}
