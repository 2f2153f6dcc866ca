/* SPDX-License-Identifier: Apache-2.0 */
/* What a real master and agent were recorded to say, as told by the core. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "agent_harness.h"
#include "lib/base/base.h"

#define TASK(id)   "{'task_id':{'value':'" id "'},'command':{'value':'x'}}"
#define EXIT(code) ((code) << 8)

static void pod(struct harness *h, const char *executor, const char *tasks)
{
    harness_pod(h, executor, tasks);
    harness_pass(h, 0);
}

Test(agent_tasks, first_registration)
{
    struct harness h;
    harness_new(&h);
    agent_core_connect(h.core, h.now);
    harness_pass(&h, 0);
    EXPECT_LOG(&h, "register \n");
    cr_expect_str_eq(h.registration->version, "1.11.0");
    cr_expect_eq(h.registration->agent->n_resources, 4);
    harness_pass(&h, 2000);
    EXPECT_LOG(&h, "register \n"); /* nobody answered */
    harness_tell(&h, "{'registered':{'agent_id':{'value':'A1'}}}");
    EXPECT_LOG(&h, "save_id A1\n");
    harness_pass(&h, 60000);
    EXPECT_LOG(&h, "");
    harness_tell(&h, "{'ping':{}}");
    EXPECT_LOG(&h, "pong\n");
    harness_stop(&h);
}

Test(agent_tasks, exit_zero)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    EXPECT_LOG(&h, "update t1 STARTING\nstart t1\n");
    harness_started(&h, "t1");
    EXPECT_LOG(&h, "update t1 RUNNING\n");
    harness_exited(&h, "t1", EXIT(0));
    EXPECT_LOG(&h, "update t1 FINISHED 'Command exited with status 0'\n");
    harness_pass(&h, 49);
    EXPECT_LOG(&h, "");
    harness_pass(&h, 1);
    EXPECT_LOG(&h, "exited e1 0\ndrop e1\n");
    cr_expect_eq(agent_core_due_ms(h.core), INT64_MAX);
    harness_stop(&h);
}

static const struct {
    const char *name;
    int status;
    const char *log;
} exit_cases[] = {
    {"one", EXIT(1), "update t1 FAILED 'Command exited with status 1'\n"},
    {"not found", EXIT(127),
     "update t1 FAILED 'Command exited with status 127'\n"},
    {"killed", SIGKILL,
     "update t1 FAILED 'Command terminated with signal Killed'\n"},
    {"segfault", SIGSEGV,
     "update t1 FAILED 'Command terminated with signal Segmentation fault'\n"},
    {"zero", EXIT(0), "update t1 FINISHED 'Command exited with status 0'\n"},
};

Test(agent_tasks, ways_to_end)
{
    for (size_t i = 0; i < ARRAY_LEN(exit_cases); i++) {
        struct harness h;
        harness_start(&h);
        h.auto_ack = true;
        pod(&h, "e1", TASK("t1"));
        harness_started(&h, "t1");
        harness_log(&h);
        harness_exited(&h, "t1", exit_cases[i].status);
        const char *log = harness_log(&h);
        cr_expect_str_eq(log, exit_cases[i].log, "case %s: %s",
                         exit_cases[i].name, log);
        harness_stop(&h);
    }
}

Test(agent_tasks, success_leaves_the_sibling_alone)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1") "," TASK("t2"));
    harness_started(&h, "t1");
    harness_started(&h, "t2");
    harness_log(&h);
    harness_exited(&h, "t1", EXIT(0));
    harness_pass(&h, 10000);
    EXPECT_LOG(&h, "update t1 FINISHED 'Command exited with status 0'\n");
    harness_stop(&h);
}

Test(agent_tasks, failure_takes_the_sibling_along)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    /* Its own policy of 20 s does not count. */
    pod(&h, "e1",
        TASK("t1") ",{'task_id':{'value':'t2'},'command':{'value':'x'},"
                   "'kill_policy':{'grace_period':"
                   "{'nanoseconds':20000000000}}}");
    harness_started(&h, "t1");
    harness_started(&h, "t2");
    harness_log(&h);
    harness_exited(&h, "t1", EXIT(3));
    EXPECT_LOG(&h, "update t1 FAILED 'Command exited with status 3'\n"
                   "update t2 KILLING\nsignal t2 15\n");
    harness_pass(&h, 2999);
    EXPECT_LOG(&h, "");
    harness_pass(&h, 1);
    EXPECT_LOG(&h, "signal t2 9 all\n");
    harness_exited(&h, "t2", SIGKILL);
    harness_pass(&h, 50);
    EXPECT_LOG(&h, "update t2 KILLED 'Command terminated with signal Killed'\n"
                   "exited e1 0\ndrop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, another_group_of_the_executor_is_untouched)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    pod(&h, "e1", TASK("t2"));
    harness_started(&h, "t2");
    harness_log(&h);
    harness_exited(&h, "t1", EXIT(1));
    harness_pass(&h, 1000);
    EXPECT_LOG(&h, "update t1 FAILED 'Command exited with status 1'\n");
    harness_stop(&h);
}

Test(agent_tasks, kill_and_second_kill)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_log(&h);
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},'task_id':"
                     "{'value':'t1'},'kill_policy':{'grace_period':"
                     "{'nanoseconds':5000000000}}}}");
    EXPECT_LOG(&h, "update t1 KILLING\nsignal t1 15\n");
    harness_pass(&h, 1000);
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},'task_id':"
                     "{'value':'t1'},'kill_policy':{'grace_period':"
                     "{'nanoseconds':0}}}}");
    harness_pass(&h, 3999);
    EXPECT_LOG(&h, ""); /* the second one changed nothing */
    harness_pass(&h, 1);
    EXPECT_LOG(&h, "signal t1 9 all\n");
    harness_stop(&h);
}

Test(agent_tasks, killed_task_that_exits_zero)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},"
                     "'task_id':{'value':'t1'}}}");
    harness_log(&h);
    harness_exited(&h, "t1", EXIT(0));
    EXPECT_LOG(&h, "update t1 KILLED 'Command exited with status 0'\n");
    harness_stop(&h);
}

Test(agent_tasks, kill_before_delivery)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    harness_pod(&h, "e1", TASK("t1") "," TASK("t2"));
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},"
                     "'task_id':{'value':'t1'}}}");
    EXPECT_LOG(&h, "update t1 KILLED AGENT TASK_KILLED_DURING_LAUNCH 'A task "
                   "within the task group was killed before delivery to the "
                   "executor'\n"
                   "update t2 KILLED AGENT TASK_KILLED_DURING_LAUNCH 'A task "
                   "within the task group was killed before delivery to the "
                   "executor'\n");
    harness_pass(&h, 50);
    EXPECT_LOG(&h, "exited e1 0\ndrop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, kill_while_starting)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_log(&h);
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},"
                     "'task_id':{'value':'t1'}}}");
    EXPECT_LOG(&h, "update t1 KILLING\nsignal t1 15\n");
    harness_started(&h, "t1"); /* the signal was too early: again */
    EXPECT_LOG(&h, "signal t1 15\n");
    harness_exited(&h, "t1", SIGTERM);
    EXPECT_LOG(
        &h, "update t1 KILLED 'Command terminated with signal Terminated'\n");
    harness_stop(&h);
}

Test(agent_tasks, one_update_at_a_time)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_exited(&h, "t1", EXIT(0));
    EXPECT_LOG(&h, "update t1 STARTING\nstart t1\n");
    harness_pass(&h, 9999); /* the executor is gone meanwhile */
    EXPECT_LOG(&h, "exited e1 0\n");
    harness_pass(&h, 1);
    EXPECT_LOG(&h, "update t1 STARTING\n  latest TASK_FINISHED\n");
    harness_pass(&h, 19999);
    EXPECT_LOG(&h, "");
    harness_pass(&h, 1); /* doubled */
    EXPECT_LOG(&h, "update t1 STARTING\n  latest TASK_FINISHED\n");
    harness_ack(&h, "t1");
    EXPECT_LOG(&h, "update t1 RUNNING\n  latest TASK_FINISHED\n");
    harness_ack(&h, "t1"); /* one of the repetitions: too late */
    harness_log(&h);
    harness_stop(&h);
}

Test(agent_tasks, foreign_acknowledgement_is_ignored)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_log(&h);
    harness_tell(&h, "{'acknowledge':{'framework_id':{'value':'F1'},"
                     "'task_id':{'value':'t1'},"
                     "'uuid':'AAAAAAAAAAAAAAAAAAAA/w=='}}");
    harness_tell(&h, "{'acknowledge':{'framework_id':{'value':'F2'},"
                     "'task_id':{'value':'t1'},'uuid':'AA=='}}");
    EXPECT_LOG(&h, "");
    harness_ack(&h, "t1");
    EXPECT_LOG(&h, "update t1 RUNNING\n");
    harness_stop(&h);
}

Test(agent_tasks, resent_after_reregistration)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_log(&h);
    agent_core_disconnect(h.core);
    harness_pass(&h, 60000);
    EXPECT_LOG(&h, "");
    harness_register(&h);
    EXPECT_LOG(&h, "register A1 t1:TASK_RUNNING* exec=e1\n"
                   "update t1 STARTING\n  latest TASK_RUNNING\n");
    harness_stop(&h);
}

Test(agent_tasks, executor_vanishes)
{
    struct harness h;
    struct agent_end end = {.kind = AGENT_END_VANISHED};
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1") "," TASK("t2"));
    harness_started(&h, "t1");
    harness_started(&h, "t2");
    harness_log(&h);
    harness_ended(&h, "t2", &end);
    EXPECT_LOG(&h, "exited e1 9\n"
                   "signal t1 9 all\n"
                   "update t1 FAILED AGENT EXECUTOR_TERMINATED "
                   "'Executor terminated'\n"
                   "signal t2 9 all\n"
                   "update t2 FAILED AGENT EXECUTOR_TERMINATED "
                   "'Executor terminated'\n"
                   "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, shutdown_of_an_executor)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1") "," TASK("t2"));
    harness_started(&h, "t1");
    harness_started(&h, "t2");
    harness_log(&h);
    harness_tell(&h, "{'shutdown_executor':{'framework_id':{'value':'F1'},"
                     "'executor_id':{'value':'e1'}}}");
    EXPECT_LOG(&h, "update t1 KILLING\nsignal t1 15\n"
                   "update t2 KILLING\nsignal t2 15\n");
    harness_exited(&h, "t1", SIGTERM);
    harness_log(&h);
    harness_pass(&h, 3000);
    EXPECT_LOG(&h, "signal t2 9 all\n");
    harness_pass(&h, 2000); /* it hangs: the container is destroyed */
    EXPECT_LOG(&h, "exited e1 9\nsignal t2 9 all\n"
                   "update t2 FAILED AGENT EXECUTOR_TERMINATED "
                   "'Executor terminated'\n"
                   "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, own_shutdown_grace_of_an_executor)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    harness_tell(&h,
                 "{'run_group':{'framework':{'user':'root','name':'f','id':"
                 "{'value':'F1'},'checkpoint':true},'executor':{'executor_id':"
                 "{'value':'e1'},'shutdown_grace_period':{'nanoseconds':"
                 "1000000000}},'tasks':[{'name':'n','task_id':{'value':'t1'},"
                 "'agent_id':{'value':'A1'},'command':{'value':'x'}}]}}");
    harness_pass(&h, 0);
    harness_started(&h, "t1");
    harness_log(&h);
    harness_tell(&h, "{'shutdown_executor':{'framework_id':{'value':'F1'},"
                     "'executor_id':{'value':'e1'}}}");
    EXPECT_LOG(&h, "signal t1 15\n"); /* no capability: no TASK_KILLING */
    harness_pass(&h, 1000);
    EXPECT_LOG(&h, "exited e1 9\nsignal t1 9 all\n"
                   "update t1 FAILED AGENT EXECUTOR_TERMINATED "
                   "'Executor terminated'\n"
                   "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, shutdown_of_a_framework_is_silent)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_log(&h);
    harness_tell(&h, "{'shutdown_framework':{'framework_id':"
                     "{'value':'F1'}}}");
    EXPECT_LOG(&h, "signal t1 15\n");
    harness_exited(&h, "t1", SIGTERM);
    harness_pass(&h, 50);
    EXPECT_LOG(&h, "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, gone_agent_forgets_itself)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_log(&h);
    harness_tell(&h, "{'shutdown':{'message':'gone'}}");
    EXPECT_LOG(&h, "signal t1 9 all\ndrop e1\nforget_id\n");
    cr_expect_null(agent_core_id(h.core));
    agent_core_connect(h.core, h.now);
    harness_pass(&h, 0);
    EXPECT_LOG(&h, "register \n");
    harness_stop(&h);
}

Test(agent_tasks, unregister_keeps_the_id)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_log(&h);
    agent_core_unregister(h.core, h.now);
    harness_drain(&h);
    EXPECT_LOG(&h, "unregister\nsignal t1 9 all\ndrop e1\n");
    agent_core_connect(h.core, h.now);
    harness_pass(&h, 0);
    EXPECT_LOG(&h, "register A1\n");
    harness_stop(&h);
}

Test(agent_tasks, executor_id_used_again_too_early)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_exited(&h, "t1", EXIT(0));
    harness_log(&h);
    pod(&h, "e1", TASK("t2")); /* just ending */
    EXPECT_LOG(&h, "");
    harness_pass(&h, 50);
    EXPECT_LOG(&h, "exited e1 0\n"
                   "update t2 FAILED AGENT EXECUTOR_TERMINATED "
                   "'Executor terminated'\n"
                   "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, executor_id_used_again_before_the_ack)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_exited(&h, "t1", EXIT(0));
    harness_pass(&h, 50);
    harness_log(&h);
    pod(&h, "e1", TASK("t2"));
    EXPECT_LOG(&h, "exited e1 -1\n"
                   "update t2 DROPPED AGENT EXECUTOR_TERMINATED 'Master wants "
                   "to launch executor, but one already exists'\n");
    harness_stop(&h);
}

Test(agent_tasks, a_repeated_launch_is_ignored)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_log(&h);
    pod(&h, "e1", TASK("t1"));
    EXPECT_LOG(&h, "odd event=group_repeated executor=e1\n");
    harness_stop(&h);
}

static const char *const bad_groups[] = {
    "{'run_group':{}}",
    "{'run_group':{'framework':{'user':'u','name':'n'},'tasks':[]}}",
    "{'run_group':{'framework':{'user':'u','name':'n','id':{'value':'F'}},"
    "'executor':{'executor_id':{'value':'../x'}},'tasks':[{'name':'n',"
    "'task_id':{'value':'t'},'agent_id':{'value':'A1'}}]}}",
    "{'run_group':{'framework':{'user':'u','name':'n','id':{'value':'F'}},"
    "'executor':{'executor_id':{'value':'e'}},'tasks':[{'name':'n',"
    "'task_id':{'value':'a/b'},'agent_id':{'value':'A1'}}]}}",
    "{'run_group':{'framework':{'user':'u','name':'n','id':{'value':'..'}},"
    "'tasks':[{'name':'n','task_id':{'value':'t'},"
    "'agent_id':{'value':'A1'}}]}}",
};

Test(agent_tasks, groups_that_make_no_sense_are_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_groups); i++) {
        struct harness h;
        harness_start(&h);
        harness_tell(&h, bad_groups[i]);
        harness_pass(&h, 1000);
        const char *log = harness_log(&h);
        cr_expect(str_starts(log, "odd event=group_not_valid"), "%zu: %s", i,
                  log);
        harness_stop(&h);
    }
}

Test(agent_tasks, command_task)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    harness_command(&h, TASK("c1"));
    harness_pass(&h, 0);
    EXPECT_LOG(&h, "start c1\n");
    harness_started(&h, "c1");
    EXPECT_LOG(&h, "update c1 STARTING\nupdate c1 RUNNING\n");
    harness_exited(&h, "c1", EXIT(1));
    harness_pass(&h, 50); /* no word of its executor */
    EXPECT_LOG(&h, "update c1 FAILED 'Command exited with status 1'\n"
                   "drop c1\n");
    harness_stop(&h);
}

Test(agent_tasks, second_kill_shortens_the_grace_of_a_command)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    harness_command(&h, TASK("c1"));
    harness_pass(&h, 0);
    harness_started(&h, "c1");
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},'task_id':"
                     "{'value':'c1'},'kill_policy':{'grace_period':"
                     "{'nanoseconds':60000000000}}}}");
    harness_log(&h);
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},'task_id':"
                     "{'value':'c1'},'kill_policy':{'grace_period':"
                     "{'nanoseconds':1000000000}}}}");
    harness_pass(&h, 1000);
    EXPECT_LOG(&h, "signal c1 9 all\n");
    harness_stop(&h);
}

Test(agent_tasks, failed_fetch)
{
    struct harness h;
    struct agent_end end = {AGENT_END_FETCH, EXIT(1), NULL};
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_log(&h);
    harness_ended(&h, "t1", &end);
    EXPECT_LOG(&h, "update t1 FAILED 'Command exited with status 1'\n");
    harness_command(&h, TASK("c1"));
    harness_pass(&h, 0);
    harness_log(&h);
    harness_ended(&h, "c1", &end);
    const char *log = harness_log(&h);
    cr_expect(strstr(log, "update c1 FAILED AGENT CONTAINER_LAUNCH_FAILED "
                          "'Failed to launch container: Failed to fetch all "
                          "URIs for container '"),
              "%s", log);
    cr_expect(strstr(log, "': exited with status 1'"), "%s", log);
    harness_stop(&h);
}

Test(agent_tasks, unknown_user)
{
    struct harness h;
    struct agent_end end = {AGENT_END_LAUNCH, SIGKILL, NULL};
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_log(&h);
    harness_ended(&h, "t1", &end);
    EXPECT_LOG(&h,
               "update t1 FAILED 'Command terminated with signal Killed'\n");
    harness_stop(&h);
}

Test(agent_tasks, max_completion_time)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1",
        "{'task_id':{'value':'t1'},'command':{'value':'x'},"
        "'max_completion_time':{'nanoseconds':1500000000}}," TASK("t2"));
    harness_started(&h, "t1");
    harness_started(&h, "t2");
    harness_log(&h);
    harness_pass(&h, 1499);
    EXPECT_LOG(&h, "");
    harness_pass(&h, 1);
    EXPECT_LOG(&h, "signal t1 9 all\n");
    harness_exited(&h, "t1", SIGKILL);
    EXPECT_LOG(&h, "update t1 FAILED MAX_COMPLETION_TIME_REACHED "
                   "'Command terminated with signal Killed'\n"
                   "update t2 KILLING\nsignal t2 15\n");
    harness_stop(&h);
}

Test(agent_tasks, container_status)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    const Mesos__V1__TaskStatus *u = harness_update(&h, "t1");
    cr_expect_str_eq(u->agent_id->value, "A1");
    cr_expect_str_eq(u->executor_id->value, "e1");
    cr_expect_eq(u->source, MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR);
    cr_expect_eq(u->uuid.len, 16);
    cr_expect_float_eq(u->timestamp, 1.7e9, 1);
    cr_expect_not_null(u->container_status->container_id->parent);
    cr_expect_eq(u->container_status->n_network_infos, 0);
    harness_started(&h, "t1");
    harness_ack(&h, "t1");
    u = harness_update(&h, "t1");
    cr_expect_eq(u->container_status->executor_pid, 4242);
    cr_expect_str_eq(
        u->container_status->network_infos[0]->ip_addresses[0]->ip_address,
        "127.0.0.1");
    harness_stop(&h);
}

/* ---- recovery --------------------------------------------------------- */

Test(agent_tasks, running_task_is_found_again)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_log(&h);
    harness_restart(&h);
    EXPECT_LOG(&h, "adopt t1\n");
    harness_started(&h, "t1");
    EXPECT_LOG(&h, ""); /* nothing new */
    agent_core_connect(h.core, h.now);
    harness_pass(&h, 1999);
    EXPECT_LOG(&h, "");
    harness_pass(&h, 1);
    EXPECT_LOG(&h, "register A1 t1:TASK_RUNNING exec=e1\n");
    harness_tell(&h, "{'registered':{'agent_id':{'value':'A1'}}}");
    harness_exited(&h, "t1", EXIT(0));
    EXPECT_LOG(&h, "update t1 FINISHED 'Command exited with status 0'\n");
    harness_stop(&h);
}

Test(agent_tasks, unacknowledged_updates_are_kept)
{
    struct harness h;
    harness_start(&h);
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_exited(&h, "t1", EXIT(0));
    harness_pass(&h, 50);
    harness_log(&h);
    harness_restart(&h);
    EXPECT_LOG(&h, "");
    harness_register(&h); /* no living executor: no need to wait */
    EXPECT_LOG(&h, "register A1 t1:TASK_FINISHED*\n"
                   "update t1 STARTING\n  latest TASK_FINISHED\n");
    harness_ack(&h, "t1");
    harness_ack(&h, "t1");
    harness_log(&h);
    harness_ack(&h, "t1");
    EXPECT_LOG(&h, "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, ended_while_the_agent_was_away)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_restart(&h);
    harness_log(&h);
    harness_exited(&h, "t1", EXIT(4));
    EXPECT_LOG(&h, "");
    harness_pass(&h, 60); /* its executor ends: nobody to tell yet */
    agent_core_connect(h.core, h.now);
    harness_pass(&h, 2000);
    harness_tell(&h, "{'registered':{'agent_id':{'value':'A1'}}}");
    EXPECT_LOG(&h, "register A1 t1:TASK_FAILED*\n"
                   "update t1 FAILED 'Command exited with status 4'\n"
                   "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, died_with_the_host)
{
    struct harness h;
    struct agent_end end = {.kind = AGENT_END_VANISHED};
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_restart(&h);
    harness_ended(&h, "t1", &end);
    harness_log(&h);
    agent_core_connect(h.core, h.now);
    harness_pass(&h, 2000);
    harness_tell(&h, "{'registered':{'agent_id':{'value':'A1'}}}");
    EXPECT_LOG(&h, "register A1 t1:TASK_FAILED*\n"
                   "update t1 FAILED AGENT EXECUTOR_TERMINATED "
                   "'Executor terminated'\n"
                   "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, launch_cut_short_goes_on)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_restart(&h);
    harness_log(&h);
    agent_core_absent(h.core, harness_spec(&h, "t1")->container_id, h.now);
    harness_drain(&h);
    EXPECT_LOG(&h, "start t1\n"); /* the same container: it cannot run twice */
    harness_stop(&h);
}

Test(agent_tasks, launch_that_no_executor_has_seen_is_dropped)
{
    struct harness h;
    harness_start(&h);
    harness_pod(&h, "e1", TASK("t1")); /* accepted, not delivered */
    harness_restart(&h);
    harness_log(&h);
    agent_core_connect(h.core, h.now);
    harness_pass(&h, 2000);
    harness_tell(&h, "{'registered':{'agent_id':{'value':'A1'}}}");
    EXPECT_LOG(&h, "register A1 t1:TASK_DROPPED*\n"
                   "update t1 DROPPED AGENT AGENT_RESTARTED 'Task launched "
                   "during agent restart'\n");
    harness_ack(&h, "t1");
    EXPECT_LOG(&h, "drop e1\n");
    harness_stop(&h);
}

Test(agent_tasks, a_kill_outlives_the_agent)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    pod(&h, "e1", TASK("t1"));
    harness_started(&h, "t1");
    harness_tell(&h, "{'kill':{'framework_id':{'value':'F1'},"
                     "'task_id':{'value':'t1'}}}");
    harness_restart(&h);
    harness_log(&h);
    harness_started(&h, "t1");
    EXPECT_LOG(&h, "signal t1 15\n");
    harness_pass(&h, 3000);
    EXPECT_LOG(&h, "signal t1 9 all\n");
    harness_stop(&h);
}

Test(agent_tasks, without_checkpoint_nothing_outlives_the_agent)
{
    struct harness h;
    harness_start(&h);
    h.auto_ack = true;
    harness_tell(&h,
                 "{'run_group':{'framework':{'user':'root','name':'f','id':"
                 "{'value':'F1'}},'executor':{'executor_id':{'value':'e1'}},"
                 "'tasks':[{'name':'n','task_id':{'value':'t1'},"
                 "'agent_id':{'value':'A1'},'command':{'value':'x'}}]}}");
    harness_pass(&h, 0);
    harness_started(&h, "t1");
    harness_log(&h);
    harness_restart(&h);
    EXPECT_LOG(&h, "adopt t1\nsignal t1 9 all\ndrop e1\n");
    harness_register(&h);
    EXPECT_LOG(&h, "register A1\n");
    harness_stop(&h);
}
