/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_tasks - updates, acknowledgements, reconciliation, kill, lost and
 * returning agents, master and framework fail-over, operators */
#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "tests/unit/devcluster/master_harness.h"

#define REST0 "cpus:2.9; mem:4000; disk:10224; ports:[31000-31099]"
#define ALL0  "cpus:4; mem:4096; disk:10240; ports:[31000-31099]"

static void reconcile(struct mh *h, const char *tasks)
{
    mh_call(h, "M-0000", "'type':'RECONCILE','reconcile':{'tasks':[%s]}",
            tasks);
}

Test(master_tasks, resources_come_back_by_the_newest_state)
{
    struct mh h;

    mh_open_running(&h);
    mh_from_agent(&h, 1,
                  "{'status_update':{'framework_id':{'value':'M-0000'},"
                  "'latest_state':'TASK_FINISHED','status':{'task_id':{'value':"
                  "'t'},'state':'TASK_RUNNING','source':'SOURCE_EXECUTOR',"
                  "'uuid':'AAAAAAAAQAAAAAAAAAAABQ=='}}}");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 UPDATE t RUNNING EXECUTOR uuid=5 on M-S0\n"
                  "1 OFFERS\n  M-O2 M-S0 r cpus:1; mem:64 +e\n");
    mh_from_agent(&h, 1,
                  "{'exited_executor':{'framework_id':{'value':'M-0000'},"
                  "'executor_id':{'value':'e'},'wait_status':0}}");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 FAILURE M-S0 e 0\n"
                  "1 OFFERS\n  M-O3 M-S0 r cpus:0.1; mem:32; disk:16\n");
    mh_close(&h);
}

Test(master_tasks, terminal_ack_frees_the_id)
{
    struct mh h;

    mh_open_running(&h);
    mh_update(&h, 1, "M-0000", "t", "TASK_FINISHED", 2);
    mh_take(&h);
    reconcile(&h, "{'task_id':{'value':'t'},'agent_id':{'value':'M-S0'}}");
    MH_EXPECT(&h, "1 UPDATE t FINISHED MASTER RECONCILIATION on M-S0 "
                  "'Reconciliation: Latest task state'\n");
    h.show_agent = true;
    mh_ack(&h, "M-0000", "M-S0", "t", 2);
    MH_EXPECT(&h, "> 1 ACK t 2\n");
    reconcile(&h, "{'task_id':{'value':'t'},'agent_id':{'value':'M-S0'}}");
    MH_EXPECT(&h, "1 UPDATE t GONE MASTER RECONCILIATION on M-S0 "
                  "'Reconciliation: Task is unknown to the agent'\n");
    mh_close(&h);
}

Test(master_tasks, reconciliation)
{
    struct mh h;

    mh_open_running(&h);
    reconcile(&h, "{'task_id':{'value':'t'}},{'task_id':{'value':'x'}},{"
                  "'task_id':{'value':'x'},'agent_id':{'value':'M-S0'}},{"
                  "'task_id':{'value':'x'},'agent_id':{'value':'none'}}");
    MH_EXPECT(&h,
              "1 UPDATE t RUNNING MASTER RECONCILIATION on M-S0 "
              "'Reconciliation: Latest task state'\n"
              "1 UPDATE x UNKNOWN MASTER RECONCILIATION 'Reconciliation: Task "
              "is unknown'\n"
              "1 UPDATE x GONE MASTER RECONCILIATION on M-S0 "
              "'Reconciliation: Task is unknown to the agent'\n"
              "1 UPDATE x UNKNOWN MASTER RECONCILIATION on none "
              "'Reconciliation: Task is unknown'\n");
    reconcile(&h, "");
    MH_EXPECT(&h, "1 UPDATE t RUNNING MASTER RECONCILIATION on M-S0 "
                  "'Reconciliation: Latest task state'\n");
    mh_call(&h, "M-0000",
            "'type':'RECONCILE_OPERATIONS','reconcile_operations':{"
            "'operations':[{'operation_id':{'value':'x'}},{'operation_id':{"
            "'value':'y'},'agent_id':{'value':'M-S0'}},{'operation_id':{"
            "'value':'z'},'agent_id':{'value':'none'}}]}");
    MH_EXPECT(&h,
              "1 OPERATION x UNKNOWN 'Reconciliation: Operation is unknown "
              "and no 'agent_id' was provided'\n"
              "1 OPERATION y UNKNOWN on M-S0 'Reconciliation: Operation is "
              "unknown'\n"
              "1 OPERATION z UNKNOWN on none 'Reconciliation: Both operation "
              "and agent are unknown'\n");
    mh_close(&h);
}

Test(master_tasks, kill)
{
    struct mh h;

    mh_open_running(&h);
    h.show_agent = true;
    mh_call(&h, "M-0000", "'type':'KILL','kill':{'task_id':{'value':'t'}}");
    MH_EXPECT(&h, "> 1 KILL t\n");
    mh_call(&h, "M-0000",
            "'type':'KILL','kill':{'task_id':{'value':'t'},'agent_id':{"
            "'value':'other'}}");
    MH_EXPECT(&h, "NOTE event=kill_wrong_agent framework=M-0000 task=t "
                  "agent=other\n");
    mh_call(&h, "M-0000", "'type':'KILL','kill':{'task_id':{'value':'x'}}");
    MH_EXPECT(&h, "1 UPDATE x UNKNOWN MASTER RECONCILIATION 'Reconciliation: "
                  "Task is unknown'\n");
    mh_close(&h);
}

/* ---- operations -----------------------------------------------------------
 */

#define RESERVE_CPU                                                            \
    "{'type':'RESERVE','id':{'value':'op'},'reserve':{'resources':[{'name':"   \
    "'cpus','type':'SCALAR','scalar':{'value':1},'reservations':[{'type':"     \
    "'DYNAMIC','role':'r','principal':'p'}]}]}}"

Test(master_tasks, operation_feedback)
{
    struct mh h;

    mh_open_running(&h);
    mh_accept(&h, "M-0000", "M-O1", RESERVE_CPU);
    MH_EXPECT(&h, "");
    mh_call(&h, "M-0000",
            "'type':'RECONCILE_OPERATIONS','reconcile_operations':{"
            "'operations':[{'operation_id':{'value':'op'},'agent_id':{'value':"
            "'M-S0'}}]}");
    MH_EXPECT(&h, "1 OPERATION op PENDING on M-S0\n");
    mh_from_agent(&h, 1,
                  "{'operation_update':{'framework_id':{'value':'M-0000'},"
                  "'operation_uuid':'AAAAAAAAQAAAAAAAAAAAAQ==','status':{"
                  "'operation_id':{'value':'op'},'state':'OPERATION_FINISHED',"
                  "'uuid':{'value':'AAAAAAAAQAAAAAAAAAAABw=='},'agent_id':{"
                  "'value':'M-S0'}}}}");
    MH_EXPECT(&h, "1 OPERATION op FINISHED uuid=7 on M-S0\n");
    h.show_agent = true;
    mh_call(&h, "M-0000",
            "'type':'ACKNOWLEDGE_OPERATION_STATUS',"
            "'acknowledge_operation_status':{'agent_id':{'value':'M-S0'},"
            "'uuid':'AAAAAAAAQAAAAAAAAAAABw==','operation_id':{'value':'op'}}");
    MH_EXPECT(&h, "> 1 ACK-OPERATION\n");
    mh_call(&h, "M-0000",
            "'type':'RECONCILE_OPERATIONS','reconcile_operations':{"
            "'operations':[{'operation_id':{'value':'op'},'agent_id':{'value':"
            "'M-S0'}}]}");
    MH_EXPECT(&h, "1 OPERATION op UNKNOWN on M-S0 'Reconciliation: Operation "
                  "is unknown'\n");
    mh_close(&h);
}

/* ---- agents ---- */

/* The agent of mh_open_running() comes back on link 9 and still runs t (state). */
#define BACK(state)                                                            \
    "{'register':{'agent':{'hostname':'agent-0.local','port':6000,'id':{"      \
    "'value':'M-S0'},'resources':[{'name':'cpus','type':'SCALAR','scalar':{"   \
    "'value':4}},{'name':'mem','type':'SCALAR','scalar':{'value':4096}},{"     \
    "'name':'disk','type':'SCALAR','scalar':{'value':10240}},{'name':'ports'," \
    "'type':'RANGES','ranges':{'range':[{'begin':31000,'end':31099}]}}]},"     \
    "'frameworks':[{'user':'root','name':'f','roles':['r'],'principal':'p',"   \
    "'checkpoint':true,'failover_timeout':60,'id':{'value':'M-0000'},"         \
    "'capabilities':[{'type':'MULTI_ROLE'},{'type':'PARTITION_AWARE'},{"       \
    "'type':'RESERVATION_REFINEMENT'}]}],'executors':[{'framework_id':{"       \
    "'value':'M-0000'},'info':{'type':'DEFAULT','executor_id':{'value':'e'},"  \
    "'framework_id':{'value':'M-0000'},'resources':[{'name':'cpus','type':"    \
    "'SCALAR','scalar':{'value':0.1},'allocation_info':{'role':'r'}},{'name':" \
    "'mem','type':'SCALAR','scalar':{'value':32},'allocation_info':{'role':"   \
    "'r'}},{'name':'disk','type':'SCALAR','scalar':{'value':16},"              \
    "'allocation_info':{'role':'r'}}]}}],'tasks':[{'task':{'name':'n',"        \
    "'task_id':{'value':'t'},'framework_id':{'value':'M-0000'},'executor_id':" \
    "{'value':'e'},'agent_id':{'value':'M-S0'},'state':'" state                \
    "','resources':[{'name':'cpus','type':'SCALAR','scalar':{'value':1},"      \
    "'allocation_info':{'role':'r'}},{'name':'mem','type':'SCALAR','scalar':{" \
    "'value':64},'allocation_info':{'role':'r'}}]}}]}}"

static void come_back(struct mh *h, const char *json)
{
    master_agent_link(h->master, 9, "127.0.0.1");
    mh_from_agent(h, 9, json);
}

Test(master_tasks, agent_back_in_time_says_nothing)
{
    struct mh h;

    mh_open_running(&h);
    master_agent_unlink(h.master, 1);
    mh_pass(&h, 3000);
    MH_EXPECT(&h, "1 RESCIND M-O1\n");
    mh_call(&h, "M-0000", "'type':'KILL','kill':{'task_id':{'value':'t'}}");
    MH_EXPECT(&h, "");
    h.show_agent = true;
    come_back(&h, BACK("TASK_RUNNING"));
    MH_EXPECT(&h, "> 9 REGISTERED M-S0\n> 9 KILL t\n"
                  "1 OFFERS\n  M-O2 M-S0 r " REST0 " +e\n");
    mh_close(&h);
}

Test(master_tasks, agent_unreachable_and_back)
{
    struct mh h;
    const char *got;

    mh_open_running(&h);
    mh_subscribe(&h, "'roles':['q']");
    h.next_stream = 1;
    mh_take(&h);
    master_agent_unlink(h.master, 1);
    MH_EXPECT(&h, "1 RESCIND M-O1\n");
    h.show_registry = true;
    mh_pass(&h, 8100);
    got = mh_take(&h);
    cr_expect_str_eq(got,
                     "REGISTRY\n"
                     "1 UPDATE t UNREACHABLE MASTER AGENT_REMOVED on M-S0 "
                     "'health check timed out'\n"
                     "1 FAILURE M-S0\n2 FAILURE M-S0\n",
                     "%s", got);
    reconcile(&h, "{'task_id':{'value':'t'},'agent_id':{'value':'M-S0'}}");
    MH_EXPECT(&h, "1 UPDATE t UNREACHABLE MASTER RECONCILIATION on M-S0 "
                  "'Reconciliation: Task is unreachable'\n");
    reconcile(&h, "");
    MH_EXPECT(&h, "");
    mh_call(&h, "M-0000",
            "'type':'KILL','kill':{'task_id':{'value':'t'},'agent_id':{"
            "'value':'M-S0'}}");
    MH_EXPECT(&h, "1 UPDATE t UNREACHABLE MASTER RECONCILIATION on M-S0 "
                  "'Reconciliation: Task is unreachable'\n");
    come_back(&h, BACK("TASK_RUNNING"));
    got = mh_take(&h);
    cr_expect(str_starts(got, "REGISTRY\n1 UPDATE t RUNNING MASTER "
                              "AGENT_REREGISTERED on M-S0 'Unreachable agent "
                              "re-reregistered'\n"),
              "%s", got);
    cr_expect(strstr(got, "M-S0"), "%s", got);
    mh_close(&h);
}

Test(master_tasks, hung_agent_rescinds_late)
{
    struct mh h;

    mh_open_running(&h);
    h.deaf = 1;
    mh_pass(&h, 9000);
    MH_EXPECT(&h, "1 UPDATE t UNREACHABLE MASTER AGENT_REMOVED on M-S0 'health "
                  "check timed out'\n1 RESCIND M-O1\n1 FAILURE M-S0\n");
    mh_close(&h);
}

Test(master_tasks, new_agent_at_the_same_address)
{
    struct mh h;

    mh_open_running(&h);
    master_agent_unlink(h.master, 1);
    mh_take(&h);
    mh_agent(&h, 0);
    MH_EXPECT(&h, "1 UPDATE t LOST MASTER AGENT_REMOVED on M-S0 'Agent "
                  "agent-0.local removed: a new agent registered at the same "
                  "address'\n1 FAILURE M-S0\n"
                  "1 OFFERS\n  M-O2 M-S1 r " ALL0 "\n");
    reconcile(&h, "{'task_id':{'value':'t'},'agent_id':{'value':'M-S0'}}");
    MH_EXPECT(&h, "1 UPDATE t UNKNOWN MASTER RECONCILIATION on M-S0 "
                  "'Reconciliation: Task is unknown'\n");
    mh_operate(&h, "{'type':'MARK_AGENT_GONE','mark_agent_gone':{'agent_id':{"
                   "'value':'M-S0'}}}");
    cr_expect_eq(h.reply.status, 404);
    cr_expect_str_eq(h.reply.text, "Agent 'M-S0' not found");
    mh_close(&h);
}

Test(master_tasks, unregistered_agent)
{
    struct mh h;

    mh_open_running(&h);
    mh_from_agent(&h, 1, "{'unregister':{}}");
    MH_EXPECT(&h, "1 UPDATE t LOST MASTER AGENT_REMOVED on M-S0 'Agent "
                  "agent-0.local removed: the agent unregistered'\n"
                  "1 RESCIND M-O1\n1 FAILURE M-S0\n");
    mh_close(&h);
}

Test(master_tasks, gone_agent_may_not_return)
{
    struct mh h;

    mh_open_running(&h);
    h.show_agent = true;
    mh_operate(&h, "{'type':'MARK_AGENT_GONE','mark_agent_gone':{'agent_id':{"
                   "'value':'M-S0'}}}");
    cr_expect_eq(h.reply.status, 200);
    MH_EXPECT(&h, "> 1 SHUTDOWN 'Agent has been marked gone'\n"
                  "1 UPDATE t GONE_BY_OPERATOR MASTER AGENT_REMOVED_BY_OPERATOR"
                  " on M-S0 'Agent has been marked gone'\n"
                  "1 RESCIND M-O1\n1 FAILURE M-S0\n");
    reconcile(&h, "{'task_id':{'value':'t'},'agent_id':{'value':'M-S0'}}");
    MH_EXPECT(&h, "1 UPDATE t GONE_BY_OPERATOR MASTER RECONCILIATION on M-S0 "
                  "'Reconciliation: Task is gone'\n");
    come_back(&h, BACK("TASK_RUNNING"));
    MH_EXPECT(&h, "> 9 SHUTDOWN 'Agent has been marked gone'\n");
    mh_operate(&h, "{'type':'MARK_AGENT_GONE','mark_agent_gone':{'agent_id':{"
                   "'value':'M-S0'}}}");
    cr_expect_eq(h.reply.status, 200);
    mh_close(&h);
}

Test(master_tasks, without_checkpoint_lost_with_the_link)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_subscribe(&h, "'checkpoint':false");
    mh_accept(&h, "M-0000", "M-O0", mh_group("M-0000", "M-S0", "e", "t"));
    mh_take(&h);
    master_agent_unlink(h.master, 1);
    MH_EXPECT(&h, "1 UPDATE t LOST MASTER AGENT_DISCONNECTED on M-S0 'Agent "
                  "agent-0.local disconnected'\n");
    mh_close(&h);
}

Test(master_tasks, task_the_agent_does_not_know_is_dropped)
{
    struct mh h;

    mh_open_running(&h);
    mh_accept(&h, "M-0000", "M-O1", mh_group("M-0000", "M-S0", "e2", "t2"));
    mh_take(&h);
    master_agent_unlink(h.master, 1);
    come_back(&h, BACK("TASK_RUNNING"));
    MH_EXPECT(&h, "1 UPDATE t2 DROPPED MASTER RECONCILIATION on M-S0 'Task is "
                  "unknown to the agent'\n"
                  "1 OFFERS\n  M-O2 M-S0 r " REST0 " +e\n");
    mh_close(&h);
}

/* ---- fail-over ---- */

Test(master_tasks, master_restart)
{
    struct mh h;

    mh_open_running(&h);
    mh_restart(&h);
    mh_subscribe_json(
        &h, "{'type':'SUBSCRIBE','framework_id':{'value':'M-0000'},"
            "'subscribe':{'framework_info':{'user':'root','name':'f','roles':"
            "['r'],'principal':'p','checkpoint':true,'failover_timeout':60,"
            "'id':{'value':'M-0000'},'capabilities':[{'type':'MULTI_ROLE'},{"
            "'type':'PARTITION_AWARE'}]}}}");
    MH_EXPECT(&h, "2 SUBSCRIBED M-0000\n2 HEARTBEAT\n");
    /* Nothing is said of what may be on an agent that is not back. */
    reconcile(&h, "{'task_id':{'value':'t'},'agent_id':{'value':'M-S0'}},{"
                  "'task_id':{'value':'x'}}");
    MH_EXPECT(&h, "");
    mh_call(&h, "M-0000",
            "'type':'RECONCILE_OPERATIONS','reconcile_operations':{"
            "'operations':[{'operation_id':{'value':'op'},'agent_id':{'value':"
            "'M-S0'}}]}");
    MH_EXPECT(&h, "2 OPERATION op RECOVERING on M-S0 'Reconciliation: Agent is "
                  "recovered but has not re-registered'\n");
    come_back(&h, BACK("TASK_RUNNING"));
    MH_EXPECT(&h, "2 OFFERS\n  M-O0 M-S0 r " REST0 " +e\n");
    reconcile(&h, "{'task_id':{'value':'t'},'agent_id':{'value':'M-S0'}},{"
                  "'task_id':{'value':'x'}}");
    MH_EXPECT(&h, "2 UPDATE t RUNNING MASTER RECONCILIATION on M-S0 "
                  "'Reconciliation: Latest task state'\n"
                  "2 UPDATE x UNKNOWN MASTER RECONCILIATION 'Reconciliation: "
                  "Task is unknown'\n");
    mh_close(&h);
}

Test(master_tasks, recovered_agent_that_stays_away)
{
    struct mh h;

    mh_open_running(&h);
    mh_restart(&h);
    mh_subscribe(&h, "'roles':['q']");
    mh_take(&h);
    mh_pass(&h, 600100);
    cr_expect(strstr(mh_take(&h), "2 FAILURE M-S0\n"));
    mh_close(&h);
}

Test(master_tasks, second_subscriber_takes_over)
{
    struct mh h;

    mh_open_running(&h);
    mh_subscribe_json(
        &h, "{'type':'SUBSCRIBE','framework_id':{'value':'M-0000'},"
            "'subscribe':{'framework_info':{'user':'root','name':'f','roles':"
            "['r'],'principal':'p','checkpoint':true,'failover_timeout':60,"
            "'id':{'value':'M-0000'},'capabilities':[{'type':'MULTI_ROLE'},{"
            "'type':'PARTITION_AWARE'},{'type':'RESERVATION_REFINEMENT'}]}}}");
    MH_EXPECT(&h, "1 ERROR 'Framework failed over'\n1 CLOSE\n"
                  "2 SUBSCRIBED M-0000\n2 HEARTBEAT\n");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "2 OFFERS\n  M-O2 M-S0 r " REST0 " +e\n");
    h.next_stream = 1;
    mh_call(&h, "M-0000", "'type':'REVIVE'");
    cr_expect_eq(h.reply.status, 400);
    cr_expect_str_eq(h.reply.text,
                     "The stream ID 'stream-1' included in this request didn't "
                     "match the stream ID currently associated with framework "
                     "ID M-0000");
    mh_close(&h);
}

Test(master_tasks, disconnected_framework_is_removed_in_the_end)
{
    struct mh h;

    mh_open_running(&h);
    master_stream_closed(h.master, 1);
    mh_call(&h, "M-0000", "'type':'REVIVE'");
    cr_expect_eq(h.reply.status, 403);
    cr_expect_str_eq(h.reply.text, "Framework is not subscribed");
    mh_pass(&h, 59000);
    h.show_agent = true;
    MH_EXPECT(&h, "");
    mh_pass(&h, 1200);
    MH_EXPECT(&h, "> 1 SHUTDOWN-FRAMEWORK M-0000\n");
    mh_call(&h, "M-0000", "'type':'REVIVE'");
    cr_expect_eq(h.reply.status, 400);
    cr_expect_str_eq(h.reply.text, "Framework cannot be found");
    mh_subscribe_json(
        &h, "{'type':'SUBSCRIBE','framework_id':{'value':'M-0000'},"
            "'subscribe':{'framework_info':{'user':'root','name':'f','roles':"
            "['r'],'principal':'p','id':{'value':'M-0000'},'capabilities':[{"
            "'type':'MULTI_ROLE'}]}}}");
    MH_EXPECT(&h, "2 ERROR 'Framework has been removed'\n2 CLOSE\n");
    mh_close(&h);
}

Test(master_tasks, teardown)
{
    struct mh h;

    mh_open_running(&h);
    h.show_agent = true;
    mh_call(&h, "M-0000", "'type':'TEARDOWN'");
    MH_EXPECT(&h, "1 CLOSE\n> 1 SHUTDOWN-FRAMEWORK M-0000\n");
    mh_subscribe(&h, "'name':'other'");
    MH_EXPECT(&h, "2 SUBSCRIBED M-0001\n2 HEARTBEAT\n"
                  "2 OFFERS\n  M-O2 M-S0 r " ALL0 "\n");
    mh_close(&h);
}

static const struct {
    const char *name;
    const char *info;
    int status;
    const char *text;
} update_cases[] = {
    {"principal", "'user':'root','principal':'x','checkpoint':true", 400,
     "FrameworkInfo update is not valid: Changing framework's principal is not "
     "allowed."},
    {"user", "'user':'nobody','principal':'p','checkpoint':true", 400,
     "FrameworkInfo update is not valid: Updating 'FrameworkInfo.user' is "
     "unsupported; attempted to update from 'root' to 'nobody'"},
    {"checkpoint", "'user':'root','principal':'p','checkpoint':false", 400,
     "FrameworkInfo update is not valid: Updating 'FrameworkInfo.checkpoint' "
     "is "
     "unsupported; attempted to update from 'true' to 'false'"},
    {"roles",
     "'user':'root','principal':'p','checkpoint':true,'roles':['a//b']", 400,
     "Supplied FrameworkInfo is not valid: 'FrameworkInfo.roles' contains "
     "invalid role: Role 'a//b' cannot contain two adjacent slashes"},
    {"good", "'user':'root','principal':'p','checkpoint':true,'roles':['r']",
     200, ""},
};

Test(master_tasks, update_framework)
{
    for (size_t i = 0; i < ARRAY_LEN(update_cases); i++) {
        struct mh h;

        mh_open_running(&h);
        mh_call(&h, "M-0000",
                "'type':'UPDATE_FRAMEWORK','update_framework':{"
                "'framework_info':{%s,'name':'f2','id':{'value':'M-0000'},"
                "'capabilities':[{'type':'MULTI_ROLE'}]}}",
                update_cases[i].info);
        cr_expect_eq(h.reply.status, update_cases[i].status, "%s: %d",
                     update_cases[i].name, h.reply.status);
        cr_expect_str_eq(h.reply.text, update_cases[i].text, "%s",
                         update_cases[i].name);
        mh_close(&h);
    }
}

/* ---- operators ---- */

#define OP_RESERVE                                                             \
    "{'type':'RESERVE_RESOURCES','reserve_resources':{'agent_id':{'value':"    \
    "'M-S0'},'resources':[{'name':'disk','type':'SCALAR','scalar':{'value':"   \
    "100},'reservations':[{'type':'DYNAMIC','role':'r','principal':'o'}]}]}}"

Test(master_tasks, operator_reserves_what_is_offered)
{
    struct mh h;

    mh_open_running(&h);
    h.show_agent = true;
    mh_operate(&h, OP_RESERVE);
    cr_expect_eq(h.reply.status, 202, "%d %s", h.reply.status, h.reply.text);
    MH_EXPECT(&h, "1 RESCIND M-O1\n> 1 APPLY 2\n");
    /* More than was refused: offered in spite of the filter. */
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O2 M-S0 r cpus:2.9; mem:4000; disk:10124; "
                  "ports:[31000-31099]; disk(reservations: [(DYNAMIC,r,o)]):100"
                  " +e\n");
    mh_close(&h);
}

static const struct {
    const char *name;
    const char *json;
    int status;
} operator_cases[] = {
    {"no type", "{}", 400},
    {"unknown agent",
     "{'type':'CREATE_VOLUMES','create_volumes':{'agent_id':{'value':'x'}}}",
     400},
    {"no part", "{'type':'TEARDOWN'}", 400},
    {"unknown framework",
     "{'type':'TEARDOWN','teardown':{'framework_id':{'value':'x'}}}", 400},
    {"teardown",
     "{'type':'TEARDOWN','teardown':{'framework_id':{'value':'M-0000'}}}", 200},
    {"too much",
     "{'type':'RESERVE_RESOURCES','reserve_resources':{'agent_id':{'value':"
     "'M-S0'},'resources':[{'name':'disk','type':'SCALAR','scalar':{'value':"
     "99999},'reservations':[{'type':'DYNAMIC','role':'r'}]}]}}",
     409},
    {"not reserved",
     "{'type':'UNRESERVE_RESOURCES','unreserve_resources':{'agent_id':{'value':"
     "'M-S0'},'resources':[{'name':'disk','type':'SCALAR','scalar':{'value':"
     "1}}]}}",
     400},
    {"unknown", "{'type':'UNKNOWN'}", 501},
    {"logging level", "{'type':'GET_LOGGING_LEVEL'}", 200},
    {"metrics, without its message", "{'type':'GET_METRICS'}", 400},
    {"a file", "{'type':'READ_FILE','read_file':{'path':'/x','offset':0}}",
     404},
    {"state", "{'type':'GET_STATE'}", 200},
    {"reactivate what is active",
     "{'type':'REACTIVATE_AGENT','reactivate_agent':{'agent_id':{'value':"
     "'M-S0'}}}",
     400},
};

Test(master_tasks, operator_statuses)
{
    for (size_t i = 0; i < ARRAY_LEN(operator_cases); i++) {
        struct mh h;

        mh_open_running(&h);
        mh_operate(&h, operator_cases[i].json);
        cr_expect_eq(h.reply.status, operator_cases[i].status, "%s: %d %s",
                     operator_cases[i].name, h.reply.status, h.reply.text);
        mh_close(&h);
    }
}
