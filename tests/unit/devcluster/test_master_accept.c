/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_accept - ACCEPT: bad offers, operations and launches refused in
 * the master's words, and what is done with the rest */
#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "tests/unit/devcluster/master_harness.h"

#define ALL0  "cpus:4; mem:4096; disk:10240; ports:[31000-31099]"
#define AGENT "; on agent M-S0 at slave(1)@127.0.0.1:6000 (agent-0.local)"
/* What the offer holds, as refusals quote it. */
#define OFFERED                                                                \
    "cpus(allocated: r):4; mem(allocated: r):4096; disk(allocated: r):10240; " \
    "ports(allocated: r):[31000-31099]"

static void begin(struct mh *h, unsigned agents)
{
    mh_open(h);
    for (unsigned i = 0; i < agents; i++)
        mh_agent(h, i);
    mh_subscribe(h, "");
    mh_take(h);
}

static bool is_last_line(const char *text, const char *line)
{
    return str_ends(text, line);
}

/* ---- offers ---------------------------------------------------------------
 */

#define TASK "'task_id':{'value':'t'},'agent_id':{'value':'M-S0'},'name':'n'"
#define TWO_OPS                                                                \
    "{'type':'LAUNCH','launch':{'task_infos':[{" TASK "}]}},{'type':"          \
    "'RESERVE','id':{'value':'op'},'reserve':{}},{'type':'RESERVE','reserve'"  \
    ":{}}"

static const struct {
    const char *name;
    const char *offers;
    const char *why;
} offer_cases[] = {
    {"unknown", "{'value':'M-O9'}", "Offer M-O9 is no longer valid"},
    {"twice", "{'value':'M-O0'},{'value':'M-O0'}",
     "Duplicate offer M-O0 in offer list"},
    {"two agents", "{'value':'M-O0'},{'value':'M-O1'}",
     "Aggregated offers must belong to one single agent. Offer M-O1 uses agent "
     "M-S1 and agent M-S0"},
    {"none", "", "No offers specified"},
    {"foreign", "{'value':'M-O2'}",
     "Offer M-O2 has invalid framework M-0001 while framework M-0000 is "
     "expected"},
};

Test(master_accept, invalid_offers)
{
    for (size_t i = 0; i < ARRAY_LEN(offer_cases); i++) {
        struct mh h;
        AUTO_FREE char *want = xasprintf(
            "1 UPDATE t DROPPED MASTER INVALID_OFFERS on M-S0 'Task launched "
            "with invalid offers: %s'\n1 OPERATION op ERROR 'Operation "
            "attempted with invalid offers: %s'\n",
            offer_cases[i].why, offer_cases[i].why);
        const char *got;

        begin(&h, 2);
        mh_subscribe(&h, "'roles':['q']");
        mh_agent(&h, 2);
        h.next_stream = 1;
        mh_take(&h);
        mh_call(
            &h, "M-0000",
            "'type':'ACCEPT','accept':{'offer_ids':[%s],'operations':[" TWO_OPS
            "]}",
            offer_cases[i].offers);
        got = mh_take(&h);
        cr_expect(str_eq(got, want), "%s\n--- got\n%s--- want\n%s",
                  offer_cases[i].name, got, want);
        mh_close(&h);
    }
}

Test(master_accept, valid_offers_of_an_invalid_call_come_back_unfiltered)
{
    struct mh h;

    begin(&h, 1);
    mh_call(&h, "M-0000",
            "'type':'ACCEPT','accept':{'offer_ids':[{'value':'M-O0'},{'value':"
            "'M-O7'}],'filters':{'refuse_seconds':600}}");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 r " ALL0 "\n");
    mh_close(&h);
}

Test(master_accept, without_operations_declines)
{
    struct mh h;

    begin(&h, 1);
    mh_call(&h, "M-0000",
            "'type':'ACCEPT','accept':{'offer_ids':[{'value':'M-O0'}]}");
    mh_pass(&h, 4900);
    MH_EXPECT(&h, "");
    mh_pass(&h, 1200);
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 r " ALL0 "\n");
    mh_close(&h);
}

/* ---- operations -------------------------------------------------------------
 */

#define RSV(type, role, more)                                                  \
    "'reservations':[{'type':'" type "','role':'" role "'" more                \
    ",'labels':{'labels':[{'key':'resource_id','value':'rid'}]}}]"
#define DYN RSV("DYNAMIC", "r", ",'principal':'p'")
#define SCALAR(name, value, more)                                              \
    "{'name':'" name "','type':'SCALAR','scalar':{'value':" value "}" more "}"
#define RESERVE(res)                                                           \
    "{'type':'RESERVE','id':{'value':'op'},'reserve':{'resources':[" res "]}}"
#define UNRESERVE(res)                                                         \
    "{'type':'UNRESERVE','id':{'value':'op'},'unreserve':{'resources':[" res   \
    "]}}"
#define CREATE(res)                                                            \
    "{'type':'CREATE','id':{'value':'op'},'create':{'volumes':[" res "]}}"
#define DESTROY(res)                                                           \
    "{'type':'DESTROY','id':{'value':'op'},'destroy':{'volumes':[" res "]}}"
#define PERSIST(id, principal, volume)                                         \
    ",'disk':{'persistence':{'id':'" id "'" principal "}" volume "}"
#define VOLUME ",'volume':{'mode':'RW','container_path':'data'}"
#define OK_VOL PERSIST("v", ",'principal':'p'", VOLUME)
/* 256 reserved in the same call, for what needs it. */
#define FIRST                                                                  \
    "{'type':'RESERVE','reserve':{'resources':[" SCALAR("disk", "256",         \
                                                        "," DYN) "]}},"
#define BODY "(allocated: r)(reservations: [(DYNAMIC,r,p,{resource_id: rid})])"

static const struct {
    const char *name;
    const char *operations;
    const char *why; /* NULL: not refused */
} operation_cases[] = {
    {"wrong role",
     RESERVE(SCALAR("cpus", "0.1",
                    "," RSV("DYNAMIC", "other", ",'principal':'p'"))),
     "A reserve operation was attempted for a resource with role 'other', but "
     "the resource was allocated to role 'r'" AGENT},
    {"wrong role and allocation",
     RESERVE(SCALAR("cpus", "0.1",
                    ",'allocation_info':{'role':'other'}," RSV(
                        "DYNAMIC", "other", ",'principal':'p'"))),
     "A reserve operation was attempted for a resource allocated to role "
     "'other', but the framework only has roles '{ r }'" AGENT},
    {"no principal",
     RESERVE(SCALAR("cpus", "0.1", "," RSV("DYNAMIC", "r", ""))),
     "A reserve operation was attempted by principal 'p', but there is a "
     "reserved resource in the request with no principal set" AGENT},
    {"other principal",
     RESERVE(
         SCALAR("cpus", "0.1", "," RSV("DYNAMIC", "r", ",'principal':'x'"))),
     "A reserve operation was attempted by authenticated principal 'p', which "
     "does not match a reserved resource in the request with principal "
     "'x'" AGENT},
    {"too much", RESERVE(SCALAR("cpus", "40", "," DYN)),
     OFFERED " does not contain cpus(allocated: r):40"},
    {"unreserved", RESERVE(SCALAR("cpus", "0.1", "")),
     "Resource cpus(allocated: r):0.1 is not dynamically reserved" AGENT},
    {"static",
     RESERVE(SCALAR("cpus", "0.1", "," RSV("STATIC", "r", ",'principal':'p'"))),
     "Resource cpus(allocated: r)(reservations: [(STATIC,r,p,{resource_id: "
     "rid})]):0.1 is not dynamically reserved" AGENT},
    {"source",
     "{'type':'RESERVE','id':{'value':'op'},'reserve':{'resources':[" SCALAR(
         "cpus", "0.1", "," DYN) "],'source':[" SCALAR("cpus", "0.1", "") "]}}",
     "Operation attempted with invalid resources: Reservation updates are not "
     "yet implemented for the scheduler API."},
    {"negative", RESERVE(SCALAR("cpus", "-1", "," DYN)),
     "Operation attempted with invalid resources: Resource 'cpus" BODY
     ":-1' is invalid: Invalid scalar resource: value <= 0"},
    {"rounds to nothing", RESERVE(SCALAR("cpus", "0.0001", "," DYN)),
     "Operation attempted with invalid resources: Resource 'cpus" BODY
     ":0' is invalid: Invalid scalar resource: value <= 0"},
    {"reserve nothing", RESERVE(""),
     "Invalid resources: The resources have multiple resource "
     "providers: " AGENT},
    {"unreserve what is not reserved",
     UNRESERVE(SCALAR("cpus", "0.1", "," DYN)),
     OFFERED " does not contain cpus" BODY ":0.1"},
    {"create unreserved", CREATE(SCALAR("disk", "64", OK_VOL)),
     "Invalid resources: Invalid DiskInfo: Persistent volumes cannot be "
     "created "
     "from unreserved resources" AGENT},
    {"create without reserve", CREATE(SCALAR("disk", "64", "," DYN OK_VOL)),
     OFFERED " does not contain disk" BODY ":64"},
    {"create without principal",
     FIRST CREATE(SCALAR("disk", "64", "," DYN PERSIST("v", "", VOLUME))),
     "Create volume operation attempted by principal 'p', but there is a "
     "volume "
     "in the operation with no principal set in 'disk.persistence'" AGENT},
    {"create with host path",
     FIRST CREATE(
         SCALAR("disk", "64",
                "," DYN PERSIST("v", ",'principal':'p'",
                                ",'volume':{'mode':'RW','container_path':'d',"
                                "'host_path':'/tmp/x'}"))),
     "Invalid resources: Invalid DiskInfo: Expecting 'host_path' to be unset "
     "for persistent volume" AGENT},
    {"create read-only",
     FIRST CREATE(SCALAR(
         "disk", "64",
         "," DYN PERSIST("v", ",'principal':'p'",
                         ",'volume':{'mode':'RO','container_path':'d'}"))),
     "Not a persistent volume: Read-only persistent volume not "
     "supported" AGENT},
    {"create with bad id",
     FIRST CREATE(SCALAR("disk", "64",
                         "," DYN PERSIST("a/b", ",'principal':'p'", VOLUME))),
     "Invalid resources: Invalid DiskInfo: Invalid persistence ID for "
     "persistent volume: 'a/b' contains invalid characters" AGENT},
    {"create without volume",
     FIRST CREATE(
         SCALAR("disk", "64", "," DYN PERSIST("v", ",'principal':'p'", ""))),
     "Invalid resources: Invalid DiskInfo: Expecting 'volume' to be set for "
     "persistent volume" AGENT},
    {"create twice",
     FIRST "{'type':'CREATE','create':{'volumes':[" SCALAR(
         "disk", "64",
         "," DYN OK_VOL) "]}}," CREATE(SCALAR("disk", "64", "," DYN OK_VOL)),
     "Persistence ID 'v' is not unique" AGENT},
    {"unreserve a volume",
     FIRST "{'type':'CREATE','create':{'volumes':[" SCALAR(
         "disk", "64",
         "," DYN OK_VOL) "]}}," UNRESERVE(SCALAR("disk", "64", "," DYN OK_VOL)),
     "A dynamically reserved persistent volume disk" BODY
     "[v:data]:64 cannot be unreserved directly. Please destroy the persistent "
     "volume first then unreserve the resource" AGENT},
    {"destroy unknown", FIRST DESTROY(SCALAR("disk", "64", "," DYN OK_VOL)),
     "Persistent volumes not found" AGENT},
    {"destroy another size",
     FIRST "{'type':'CREATE','create':{'volumes':[" SCALAR(
         "disk", "64",
         "," DYN OK_VOL) "]}}," DESTROY(SCALAR("disk", "32", "," DYN OK_VOL)),
     "Persistent volumes not found" AGENT},
    {"destroy with another path and no principal",
     FIRST "{'type':'CREATE','create':{'volumes':[" SCALAR(
         "disk", "64",
         "," DYN OK_VOL) "]}}," DESTROY(SCALAR("disk", "64",
                                               "," DYN PERSIST(
                                                   "v", "",
                                                   ",'volume':{'mode':'RW','"
                                                   "container_path':'o'}"))),
     NULL},
    {"shrink by all",
     FIRST "{'type':'CREATE','create':{'volumes':[" SCALAR(
         "disk", "64",
         "," DYN OK_VOL) "]}},{'type':'SHRINK_VOLUME','id':{"
                         "'value':'op'},'shrink_volume':{'volume'"
                         ":" SCALAR(
                             "disk", "64",
                             "," DYN OK_VOL) ",'subtract':{'value':64}}}",
     "Value of 'ShrinkVolume.subtract' must be smaller than the size of "
     "'ShrinkVolume.volume'" AGENT},
    {"grow by nothing",
     FIRST "{'type':'CREATE','create':{'volumes':[" SCALAR(
         "disk", "64",
         "," DYN OK_VOL) "]}},{'type':'GROW_VOLUME','id':{'value'"
                         ":'op'},'grow_volume':{'volume':" SCALAR(
                             "disk", "64",
                             "," DYN
                                 OK_VOL) ",'addition':" SCALAR("disk", "0",
                                                               "," DYN) "}}",
     "The size of 'GrowVolume.addition' field must be greater than zero" AGENT},
    {"grow with unreserved",
     FIRST "{'type':'CREATE','create':{'volumes':[" SCALAR(
         "disk", "64",
         "," DYN OK_VOL) "]}},{'type':'GROW_VOLUME','id':{'value'"
                         ":'op'},'grow_volume':{'volume':" SCALAR(
                             "disk", "64",
                             "," DYN OK_VOL) ",'addition':" SCALAR("disk", "10",
                                                                   "") "}}",
     "Incompatible resources in the 'GrowVolume.volume' and "
     "'GrowVolume.addition' fields" AGENT},
    {"no such type", "{'type':'UNKNOWN','id':{'value':'op'}}", NULL},
};

Test(master_accept, operations_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(operation_cases); i++) {
        struct mh h;
        AUTO_FREE char *want = operation_cases[i].why
                                   ? xasprintf("1 OPERATION op ERROR '%s'\n",
                                               operation_cases[i].why)
                                   : NULL;
        const char *got;

        begin(&h, 1);
        mh_accept(&h, "M-0000", "M-O0", operation_cases[i].operations);
        got = mh_take(&h);
        if (want)
            cr_expect(is_last_line(got, want), "%s\n--- got\n%s--- want\n%s",
                      operation_cases[i].name, got, want);
        else
            cr_expect(!strstr(got, "OPERATION"), "%s: %s",
                      operation_cases[i].name, got);
        mh_close(&h);
    }
}

Test(master_accept, refused_without_id_is_silent)
{
    struct mh h;

    begin(&h, 1);
    mh_accept(&h, "M-0000", "M-O0",
              "{'type':'RESERVE','reserve':{'resources':[" SCALAR(
                  "cpus", "40", "," DYN) "]}}");
    MH_EXPECT(&h, "");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 r " ALL0 "\n");
    mh_close(&h);
}

Test(master_accept, converted_part_comes_back_at_once_the_rest_filtered)
{
    struct mh h;

    begin(&h, 1);
    h.show_agent = true;
    mh_call(&h, "M-0000",
            "'type':'ACCEPT','accept':{'offer_ids':[{'value':'M-O0'}],"
            "'filters':{'refuse_seconds':600},'operations':[" FIRST CREATE(
                SCALAR("disk", "64", "," DYN OK_VOL)) "]}");
    MH_EXPECT(&h, "> 1 APPLY 2\n> 1 APPLY 4\n");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 r cpus:4; mem:4096; disk:9984; "
                  "ports:[31000-31099]; disk(reservations: [(DYNAMIC,r,p,"
                  "{resource_id: rid})]):192; disk(reservations: [(DYNAMIC,r,p,"
                  "{resource_id: rid})])[v:data]:64\n");
    mh_close(&h);
}

/* ---- launches ---- */

#define RES(c, m, d)                                                           \
    "'resources':[" SCALAR("cpus", c, "") "," SCALAR("mem", m, "") d "]"
#define DISK16  "," SCALAR("disk", "16", "")
#define EXEC_R  RES("0.1", "32", DISK16)
#define EXEC_ID "'executor_id':{'value':'e'},'framework_id':{'value':'M-0000'}"
#define T_RES   RES("0.1", "32", "")
#define T_CMD   "'command':{'value':'true'}"
#define TSK(id, more)                                                          \
    "{'name':'n','task_id':{'value':'" id                                      \
    "'},'agent_id':{'value':'M-S0'}," more "}"
#define GROUP(exec, tasks)                                                     \
    "{'type':'LAUNCH_GROUP','launch_group':{'executor':{" exec                 \
    "},'task_group':{'tasks':[" tasks "]}}}"
#define GOOD_EX "'type':'DEFAULT'," EXEC_ID "," EXEC_R
#define T_IN    "Task 't' is invalid: "

static const struct {
    const char *name;
    const char *operation;
    const char *why;
} group_cases[] = {
    {"too few", GROUP(GOOD_EX, TSK("t", RES("40", "32", "") "," T_CMD)),
     "Total resources cpus(allocated: r):40.1; mem(allocated: r):64; "
     "disk(allocated: r):16 required by task group and its executor are more "
     "than available " OFFERED},
    {"executor without resources",
     GROUP("'type':'DEFAULT'," EXEC_ID, TSK("t", T_RES "," T_CMD)),
     "Executor 'e' uses less CPUs (None) than the minimum required (0.01)"},
    {"executor without disk",
     GROUP("'type':'DEFAULT'," EXEC_ID "," RES("0.1", "32", ""),
           TSK("t", T_RES "," T_CMD)),
     "Executor 'e' uses no disk"},
    {"executor with little memory",
     GROUP("'type':'DEFAULT'," EXEC_ID "," RES("0.1", "8", DISK16),
           TSK("t", T_RES "," T_CMD)),
     "Executor 'e' uses less memory (8MB) than the minimum required (32MB)"},
    {"task without resources", GROUP(GOOD_EX, TSK("t", T_CMD)),
     T_IN "Task uses no resources"},
    {"no executor.framework_id",
     GROUP("'type':'DEFAULT','executor_id':{'value':'e'}," EXEC_R,
           TSK("t", T_RES "," T_CMD)),
     "'ExecutorInfo.framework_id' must be set"},
    {"wrong executor.framework_id",
     GROUP("'type':'DEFAULT','executor_id':{'value':'e'},'framework_id':{"
           "'value':'other'}," EXEC_R,
           TSK("t", T_RES "," T_CMD)),
     "ExecutorInfo has an invalid FrameworkID (Actual: other vs Expected: "
     "M-0000)"},
    {"no executor type", GROUP(EXEC_ID "," EXEC_R, TSK("t", T_RES "," T_CMD)),
     "'ExecutorInfo.type' must be set"},
    {"default executor with command",
     GROUP(GOOD_EX ",'command':{'value':'true'}", TSK("t", T_RES "," T_CMD)),
     "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"},
    {"bad executor id",
     GROUP("'type':'DEFAULT','executor_id':{'value':'e/x'},'framework_id':{"
           "'value':'M-0000'}," EXEC_R,
           TSK("t", T_RES "," T_CMD)),
     "'e/x' contains invalid characters"},
    {"wrong agent",
     GROUP(GOOD_EX, "{'name':'n','task_id':{'value':'t'},'agent_id':{'value':"
                    "'other'}," T_RES "," T_CMD "}"),
     T_IN "Task uses invalid agent other while agent M-S0 is expected"},
    {"check without type",
     GROUP(GOOD_EX, TSK("t", T_RES ",'check':{'command':{'command':{'value':"
                                   "'true'}}}")),
     T_IN "Task uses invalid check: CheckInfo must specify 'type'"},
    {"health check without command",
     GROUP(GOOD_EX, TSK("t", T_RES ",'health_check':{'type':'COMMAND'}")),
     T_IN "Task uses invalid health check: Expecting 'command' to be set for "
          "COMMAND health check"},
    {"negative grace",
     GROUP(GOOD_EX, TSK("t", T_RES ",'kill_policy':{'grace_period':{"
                                   "'nanoseconds':-1}}")),
     T_IN "Task's 'kill_policy.grace_period' must be non-negative"},
    {"volume without source",
     GROUP(GOOD_EX, TSK("t", T_RES ",'container':{'type':'MESOS','volumes':[{"
                                   "'mode':'RW','container_path':'x'}]}")),
     T_IN "Task's `ContainerInfo` is invalid: Invalid volume: Only one of them "
          "should be set: 'host_path', 'image' and 'source'"},
    {"docker",
     GROUP(GOOD_EX, TSK("t", T_RES ",'container':{'type':'DOCKER','docker':{"
                                   "'image':'x'}}")),
     T_IN "Docker ContainerInfo is not supported on the task"},
    {"operation id",
     "{'type':'LAUNCH_GROUP','id':{'value':'op'},'launch_group':{'executor':"
     "{" GOOD_EX "},'task_group':{'tasks':[" TSK("t", T_RES "," T_CMD) "]}}}",
     "The `id` field cannot be set on LAUNCH_GROUP operations"},
    {"limits", GROUP(GOOD_EX, TSK("t", T_RES ",'limits':{'cpus':{'value':1}}")),
     T_IN "Resource limits may only be set for tasks within a task group when "
          "the 'share_cgroups' field is set to 'false'."},
};

Test(master_accept, groups_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(group_cases); i++) {
        struct mh h;
        AUTO_FREE char *want = xasprintf(
            "1 UPDATE t ERROR MASTER TASK_GROUP_INVALID on %s '%s'\n",
            str_eq(group_cases[i].name, "wrong agent") ? "other" : "M-S0",
            group_cases[i].why);
        const char *got;

        begin(&h, 1);
        mh_accept(&h, "M-0000", "M-O0", group_cases[i].operation);
        got = mh_take(&h);
        cr_expect(str_eq(got, want), "%s\n--- got\n%s--- want\n%s",
                  group_cases[i].name, got, want);
        mh_pass(&h, 1100);
        got = mh_take(&h);
        cr_expect(str_eq(got, "1 OFFERS\n  M-O1 M-S0 r " ALL0 "\n"), "%s: %s",
                  group_cases[i].name, got);
        mh_close(&h);
    }
}

#define PORTS(b, e)                                                            \
    ",{'name':'ports','type':'RANGES','ranges':{'range':[{'begin':" b          \
    ",'end':" e "}]}}"

Test(master_accept, overlapping_ports_refuse_the_whole_group)
{
    static const char text[] =
        "There are overlapping resources in the task group's task resources [ "
        "cpus(allocated: r):0.1; mem(allocated: r):32; ports(allocated: r):"
        "[31000-31001], cpus(allocated: r):0.1; mem(allocated: r):32; "
        "ports(allocated: r):[31001-31002] ] and/or executor resources "
        "[{\"allocation_info\":{\"role\":\"r\"},\"name\":\"cpus\",\"scalar\":{"
        "\"value\":0.1},\"type\":\"SCALAR\"},{\"allocation_info\":{\"role\":"
        "\"r\"},\"name\":\"mem\",\"scalar\":{\"value\":32.0},\"type\":"
        "\"SCALAR\"},{\"allocation_info\":{\"role\":\"r\"},\"name\":\"disk\","
        "\"scalar\":{\"value\":16.0},\"type\":\"SCALAR\"}]";
    AUTO_FREE char *want =
        xasprintf("1 UPDATE a ERROR MASTER TASK_GROUP_INVALID on M-S0 '%s'\n"
                  "1 UPDATE b ERROR MASTER TASK_GROUP_INVALID on M-S0 '%s'\n",
                  text, text);
    struct mh h;

    begin(&h, 1);
    mh_accept(&h, "M-0000", "M-O0",
              GROUP(GOOD_EX,
                    TSK("a", RES("0.1", "32", PORTS("31000", "31001"))) "," TSK(
                        "b", RES("0.1", "32", PORTS("31001", "31002")))));
    MH_EXPECT(&h, want);
    mh_close(&h);
}

Test(master_accept, ids_in_use)
{
    struct mh h;

    begin(&h, 1);
    h.show_agent = true;
    mh_accept(&h, "M-0000", "M-O0", mh_group("M-0000", "M-S0", "e", "t"));
    MH_EXPECT(&h, "> 1 RUN e t\n");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 r cpus:2.9; mem:4000; disk:10224; "
                  "ports:[31000-31099] +e\n");
    mh_accept(&h, "M-0000", "M-O1", mh_group("M-0000", "M-S0", "e2", "t"));
    MH_EXPECT(&h, "1 UPDATE t ERROR MASTER TASK_GROUP_INVALID on M-S0 'Task "
                  "'t' is invalid: Task has duplicate ID: t'\n");
    mh_pass(&h, 1100);
    mh_take(&h);
    /* The same executor again: a second group in it, not charged again. */
    mh_accept(&h, "M-0000", "M-O2", mh_group("M-0000", "M-S0", "e", "t2"));
    MH_EXPECT(&h, "> 1 RUN e t2\n");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O3 M-S0 r cpus:1.9; mem:3936; disk:10224; "
                  "ports:[31000-31099] +e\n");
    mh_accept(&h, "M-0000", "M-O3",
              GROUP("'type':'DEFAULT'," EXEC_ID "," RES("0.2", "32", DISK16),
                    TSK("t3", T_RES)));
    cr_expect(str_starts(mh_take(&h),
                         "1 UPDATE t3 ERROR MASTER TASK_GROUP_INVALID on M-S0 "
                         "'ExecutorInfo is not compatible with existing "
                         "ExecutorInfo with same ExecutorID.\n----"));
    mh_close(&h);
}

Test(master_accept, twins_do_not_kill_this_master)
{
    struct mh h;

    begin(&h, 1);
    mh_accept(&h, "M-0000", "M-O0",
              GROUP(GOOD_EX, TSK("t", T_RES) "," TSK("t", T_RES)));
    cr_expect(strstr(mh_take(&h), "NOTE event=would_abort_real_master"));
    mh_close(&h);
}

#define LAUNCH(tasks) "{'type':'LAUNCH','launch':{'task_infos':[" tasks "]}}"

static const struct {
    const char *name;
    const char *operation;
    const char *lines;
} launch_cases[] = {
    {"good", LAUNCH(TSK("t", T_RES "," T_CMD)), "> 1 RUN - t\n"},
    {"each alone",
     LAUNCH(
         TSK("a", RES("40", "32", "") "," T_CMD) "," TSK("b", T_RES "," T_CMD)),
     "1 UPDATE a ERROR MASTER TASK_INVALID on M-S0 'Total resources "
     "cpus(allocated: r):40; mem(allocated: r):32 required by task and its "
     "executor is more than available " OFFERED "'\n> 1 RUN - b\n"},
    {"the same id twice",
     LAUNCH(TSK("t", T_RES "," T_CMD) "," TSK("t", T_RES "," T_CMD)),
     "> 1 RUN - t\n1 UPDATE t ERROR MASTER TASK_INVALID on M-S0 'Task has "
     "duplicate ID: t'\n"},
    {"neither command nor executor", LAUNCH(TSK("t", T_RES)),
     "1 UPDATE t ERROR MASTER TASK_INVALID on M-S0 'Task should have at least "
     "one (but not both) of CommandInfo or ExecutorInfo present'\n"},
    {"operation id",
     "{'type':'LAUNCH','id':{'value':'op'},'launch':{'task_infos':[" TSK(
         "t", T_RES "," T_CMD) "]}}",
     "1 UPDATE t ERROR MASTER TASK_INVALID on M-S0 'The `id` field cannot be "
     "set on LAUNCH operations'\n"},
};

Test(master_accept, launches)
{
    for (size_t i = 0; i < ARRAY_LEN(launch_cases); i++) {
        struct mh h;
        const char *got;

        begin(&h, 1);
        h.show_agent = true;
        mh_accept(&h, "M-0000", "M-O0", launch_cases[i].operation);
        got = mh_take(&h);
        cr_expect(str_eq(got, launch_cases[i].lines),
                  "%s\n--- got\n%s--- want\n%s", launch_cases[i].name, got,
                  launch_cases[i].lines);
        mh_close(&h);
    }
}
