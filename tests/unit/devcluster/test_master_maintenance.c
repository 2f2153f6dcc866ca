/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_maintenance - schedules, inverse offers, machines down and up */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mesos/pb_mesos.h"
#include "lib/base/base.h"
#include "tests/unit/devcluster/master_harness.h"

#define REST0            "cpus:2.9; mem:4000; disk:10224; ports:[31000-31099]"
#define ALL1             "cpus:4; mem:4096; disk:10240; ports:[31100-31199]"
#define MACHINE(n)       "{'hostname':'agent-" #n ".local','ip':'127.0.0.1'}"
#define WHEN             "'unavailability':{'start':{'nanoseconds':5}}"
#define WINDOW(machines) "{'machine_ids':[" machines "]," WHEN "}"
#define SCHEDULE(windows)                                                      \
    "{'type':'UPDATE_MAINTENANCE_SCHEDULE','update_maintenance_schedule':{"    \
    "'schedule':{'windows':[" windows "]}}}"
#define START(machines)                                                        \
    "{'type':'START_MAINTENANCE','start_maintenance':{'machines':[" machines   \
    "]}}"
#define STOP(machines)                                                         \
    "{'type':'STOP_MAINTENANCE','stop_maintenance':{'machines':[" machines "]" \
    "}"                                                                        \
    "}"

/* Framework M-0000 with task t in executor e on M-S0; M-S1 is empty. */
static void begin(struct mh *h)
{
    mh_open_running(h);
    mh_agent(h, 1);
    mh_pass(h, 1100);
    mh_take(h);
}

/* An answer of POST /api/v1 as compact JSON. */
static const char *ask(struct mh *h, int type)
{
    static char text[1024];
    Mesos__V1__Master__Call call = MESOS__V1__MASTER__CALL__INIT;
    AUTO_MESSAGE Mesos__V1__Master__Response *response = NULL;
    AUTO_FREE char *dump = NULL;
    struct master_reply reply;
    json_t *json;

    PB_SET(&call, type, (Mesos__V1__Master__Call__Type)type);
    master_operate(h->master, &call, &reply, &response);
    json = wire_to_json(&response->base, WIRE_JSON_PROTO);
    dump = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(text, sizeof text, "%s", dump);
    json_decref(json);
    return text;
}

static const char *status(struct mh *h)
{
    return ask(h, MESOS__V1__MASTER__CALL__TYPE__GET_MAINTENANCE_STATUS);
}

static const struct {
    const char *name;
    const char *json;
    const char *text; /* "": done */
} cases[] = {
    {"nothing", SCHEDULE(""), ""},
    {"one", SCHEDULE(WINDOW(MACHINE(0))), ""},
    {"unknown machine", SCHEDULE(WINDOW("{'hostname':'x'}")), ""},
    {"two windows", SCHEDULE(WINDOW(MACHINE(0)) "," WINDOW(MACHINE(1))), ""},
    {"no message", "{'type':'UPDATE_MAINTENANCE_SCHEDULE'}",
     "Failed to validate master::Call: Expecting 'update_maintenance_schedule' "
     "to be present"},
    {"empty window", SCHEDULE(WINDOW("")),
     "List of machines in the maintenance window is empty"},
    {"negative duration",
     SCHEDULE("{'machine_ids':[" MACHINE(
         0) "],'unavailability':{'start':{"
            "'nanoseconds':5},'duration':{'nanoseconds':-1}}}"),
     "Unavailability 'duration' is negative"},
    {"nameless", SCHEDULE(WINDOW("{}")),
     "Both 'hostname' and 'ip' for a machine are empty"},
    {"ip of letters", SCHEDULE(WINDOW("{'ip':'a.b'}")),
     "Failed to parse the IP"},
    {"twice in a window", SCHEDULE(WINDOW(MACHINE(0) "," MACHINE(0))),
     "Machine '{\"hostname\":\"agent-0.local\",\"ip\":\"127.0.0.1\"}' appears "
     "more than once in the schedule"},
    {"in two windows", SCHEDULE(WINDOW(MACHINE(0)) "," WINDOW(MACHINE(0))),
     "Machine '{\"hostname\":\"agent-0.local\",\"ip\":\"127.0.0.1\"}' appears "
     "more than once in the schedule"},
    {"start nothing", START(""), "List of machines is empty"},
    {"start unplanned", START(MACHINE(0)),
     "Machine '{\"hostname\":\"agent-0.local\",\"ip\":\"127.0.0.1\"}' is not "
     "in DRAINING mode and cannot be brought down"},
    {"start unknown", START("{'hostname':'x'}"),
     "Machine '{\"hostname\":\"x\"}' is not part of a maintenance schedule"},
    {"stop what is up", STOP(MACHINE(0)),
     "Machine '{\"hostname\":\"agent-0.local\",\"ip\":\"127.0.0.1\"}' is not "
     "in DOWN mode and cannot be brought up"},
};

Test(master_maintenance, what_is_valid)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mh h;

        begin(&h);
        mh_operate(&h, cases[i].json);
        cr_expect_eq(h.reply.status, *cases[i].text ? 400 : 200, "%s: %d",
                     cases[i].name, h.reply.status);
        cr_expect_str_eq(h.reply.text, cases[i].text, "%s: %s", cases[i].name,
                         h.reply.text);
        mh_close(&h);
    }
}

Test(master_maintenance, all_offers_are_rescinded)
{
    struct mh h;

    begin(&h);
    mh_operate(&h, SCHEDULE(WINDOW(MACHINE(0))));
    MH_EXPECT(&h, "1 RESCIND M-O1\n1 RESCIND M-O2\n");
    mh_pass(&h, 100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O3 M-S0 r " REST0 " +e UNAVAILABLE\n"
                  "  M-O4 M-S1 r " ALL1 "\n"
                  "1 INVERSE_OFFERS\n  M-O5 M-S0\n");
    mh_operate(&h, SCHEDULE(""));
    MH_EXPECT(&h, "1 RESCIND M-O3\n1 RESCIND_INVERSE_OFFER M-O5\n"
                  "1 RESCIND M-O4\n");
    mh_pass(&h, 100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O6 M-S0 r " REST0 " +e\n"
                  "  M-O7 M-S1 r " ALL1 "\n");
    mh_close(&h);
}

Test(master_maintenance, frameworks_without_anything_there_are_not_asked)
{
    struct mh h;

    begin(&h);
    mh_call(&h, "M-0000",
            "'type':'DECLINE','decline':{'offer_ids':[{'value':'M-O2'}],"
            "'filters':{'refuse_seconds':600}}");
    mh_operate(&h, SCHEDULE(WINDOW(MACHINE(1))));
    mh_pass(&h, 100);
    MH_EXPECT(&h, "1 RESCIND M-O1\n1 OFFERS\n  M-O3 M-S0 r " REST0 " +e\n");
    mh_close(&h);
}

Test(master_maintenance, answers_are_shown_and_asked_for_again)
{
    struct mh h;

    begin(&h);
    mh_operate(&h, SCHEDULE(WINDOW(MACHINE(0))));
    mh_pass(&h, 100);
    mh_take(&h);
    cr_expect(strstr(status(&h), "\"draining_machines\":[{\"id\":{\"hostname\":"
                                 "\"agent-0.local\",\"ip\":\"127.0.0.1\"}}]"),
              "%s", status(&h));
    mh_call(&h, "M-0000",
            "'type':'ACCEPT_INVERSE_OFFERS','accept_inverse_offers':{"
            "'inverse_offer_ids':[{'value':'M-O5'},{'value':'nonsense'}],"
            "'filters':{'refuse_seconds':2}}");
    MH_EXPECT(&h, "NOTE event=inverse_offer_dropped framework=M-0000 "
                  "offer=nonsense\n");
    cr_expect(strstr(status(&h), "\"status\":\"ACCEPT\""), "%s", status(&h));
    mh_pass(&h, 1900);
    MH_EXPECT(&h, "");
    mh_pass(&h, 1200);
    MH_EXPECT(&h, "1 INVERSE_OFFERS\n  M-O6 M-S0\n");
    mh_call(&h, "M-0000",
            "'type':'DECLINE_INVERSE_OFFERS','decline_inverse_offers':{"
            "'inverse_offer_ids':[{'value':'M-O6'}]}");
    cr_expect(strstr(status(&h), "\"status\":\"DECLINE\""), "%s", status(&h));
    mh_close(&h);
}

Test(master_maintenance, down_and_up)
{
    struct mh h;

    begin(&h);
    mh_operate(&h, SCHEDULE(WINDOW(MACHINE(0) "," MACHINE(1))));
    mh_pass(&h, 100);
    mh_take(&h);
    h.show_agent = true;
    mh_operate(&h, START(MACHINE(0)));
    MH_EXPECT(&h, "> 1 SHUTDOWN 'Operator initiated 'Machine DOWN''\n"
                  "1 UPDATE t LOST MASTER AGENT_REMOVED on M-S0 'Agent "
                  "agent-0.local removed: Operator initiated 'Machine DOWN''\n"
                  "1 RESCIND M-O3\n1 RESCIND_INVERSE_OFFER M-O5\n"
                  "1 FAILURE M-S0\n");
    cr_expect(strstr(status(&h), "\"down_machines\":[{\"hostname\":\"agent-0."
                                 "local\",\"ip\":\"127.0.0.1\"}]"),
              "%s", status(&h));
    mh_operate(&h, SCHEDULE(WINDOW(MACHINE(1))));
    cr_expect_str_eq(h.reply.text,
                     "Machine '{\"hostname\":\"agent-0.local\",\"ip\":\"127.0."
                     "0.1\"}' is deactivated and cannot be removed from the "
                     "schedule");
    mh_operate(&h, START(MACHINE(0)));
    cr_expect_eq(h.reply.status, 400);
    mh_agent(&h, 2);
    mh_take(&h);
    master_agent_link(h.master, 9, "127.0.0.1");
    mh_from_agent(&h, 9,
                  "{'register':{'agent':{'id':{'value':'M-S0'},'hostname':"
                  "'agent-0.local','port':6000,'resources':[]}}}");
    MH_EXPECT(&h, "> 9 SHUTDOWN 'Machine is `DOWN`'\n");
    mh_operate(&h, STOP(MACHINE(0)));
    cr_expect_eq(h.reply.status, 200);
    mh_from_agent(&h, 9,
                  "{'register':{'agent':{'id':{'value':'M-S0'},'hostname':"
                  "'agent-0.local','port':6000,'resources':[]}}}");
    MH_EXPECT(&h, "> 9 REGISTERED M-S0\n");
    cr_expect(!strstr(status(&h), "down"), "%s", status(&h));
    mh_close(&h);
}

Test(master_maintenance, outlives_the_master)
{
    struct mh h;

    begin(&h);
    mh_operate(&h, SCHEDULE(WINDOW(MACHINE(0) "," MACHINE(1))));
    mh_operate(&h, START(MACHINE(1)));
    mh_restart(&h);
    cr_expect(strstr(status(&h), "down_machines"), "%s", status(&h));
    cr_expect(strstr(status(&h), "draining_machines"), "%s", status(&h));
    mh_close(&h);
}

Test(master_maintenance, no_draining_of_a_planned_machine)
{
    struct mh h;

    begin(&h);
    mh_operate(&h, SCHEDULE(WINDOW(MACHINE(0))));
    mh_operate(
        &h, "{'type':'DRAIN_AGENT','drain_agent':{'agent_id':{'value':'M-S0'}"
            "}}");
    cr_expect_eq(h.reply.status, 400);
    cr_expect_str_eq(h.reply.text,
                     "Agent M-S0 is part of a maintenance schedule under "
                     "Machine agent-0.local (127.0.0.1)");
    mh_close(&h);
}

/* While it is away nobody is asked; back, it is asked anew. */
Test(master_maintenance, framework_away)
{
    struct mh h;

    begin(&h);
    mh_operate(&h, SCHEDULE(WINDOW(MACHINE(0))));
    mh_pass(&h, 100);
    mh_take(&h);
    master_stream_closed(h.master, 1);
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "");
    mh_close(&h);
}
