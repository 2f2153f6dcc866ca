/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_drain - agents deactivated, drained and reactivated */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "tests/unit/devcluster/master_harness.h"

#define REST0       "cpus:2.9; mem:4000; disk:10224; ports:[31000-31099]"
#define AGENT0      "'agent_id':{'value':'M-S0'}"
#define DEACTIVATE  "{'type':'DEACTIVATE_AGENT','deactivate_agent':{" AGENT0 "}}"
#define REACTIVATE  "{'type':'REACTIVATE_AGENT','reactivate_agent':{" AGENT0 "}}"
#define DRAIN(more) "{'type':'DRAIN_AGENT','drain_agent':{" AGENT0 more "}}"

static void end_task(struct mh *h, const char *state)
{
    mh_update(h, 1, "M-0000", "t", state, 2);
    mh_ack(h, "M-0000", "M-S0", "t", 2);
}

/* drain_info of the only agent in /slaves, as text; "" for none. */
static const char *drain_info(struct mh *h)
{
    static char text[256];
    json_t *json = master_json_slaves(h->master, NULL);
    json_t *info = json_object_get(
        json_array_get(json_object_get(json, "slaves"), 0), "drain_info");
    AUTO_FREE char *dump =
        info ? json_dumps(info, JSON_COMPACT | JSON_SORT_KEYS) : xstrdup("");

    snprintf(text, sizeof text, "%s", dump);
    json_decref(json);
    return text;
}

static const struct {
    const char *name;
    const char *json;
    int status;
    const char *text;
} refusals[] = {
    {"deactivate unknown",
     "{'type':'DEACTIVATE_AGENT','deactivate_agent':{'agent_id':{'value':'x'}}"
     "}",
     400, "Unknown agent"},
    {"drain unknown",
     "{'type':'DRAIN_AGENT','drain_agent':{'agent_id':{'value':'x'}}}", 400,
     "Unknown agent"},
    {"drain without message", "{'type':'DRAIN_AGENT'}", 400,
     "Failed to validate master::Call: Expecting 'drain_agent' to be present"},
    {"reactivate unknown",
     "{'type':'REACTIVATE_AGENT','reactivate_agent':{'agent_id':{'value':'x'}}"
     "}",
     400, "Agent is not deactivated"},
    {"reactivate what is active", REACTIVATE, 400, "Agent is not deactivated"},
};

Test(master_drain, refusals)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct mh h;

        mh_open_running(&h);
        mh_operate(&h, refusals[i].json);
        cr_expect_eq(h.reply.status, refusals[i].status, "%s: %d",
                     refusals[i].name, h.reply.status);
        cr_expect_str_eq(h.reply.text, refusals[i].text, "%s: %s",
                         refusals[i].name, h.reply.text);
        mh_close(&h);
    }
}

Test(master_drain, deactivated_agents_are_not_offered)
{
    struct mh h;

    mh_open_running(&h);
    mh_operate(&h, DEACTIVATE);
    MH_EXPECT(&h, "1 RESCIND M-O1\n");
    mh_call(&h, "M-0000", "'type':'REVIVE'");
    MH_EXPECT(&h, "");
    cr_expect_str_eq(drain_info(&h), "");
    mh_operate(&h, REACTIVATE);
    mh_pass(&h, 200);
    MH_EXPECT(&h, "1 OFFERS\n  M-O2 M-S0 r " REST0 " +e\n");
    mh_close(&h);
}

Test(master_drain, drained_when_all_is_acknowledged)
{
    struct mh h;

    mh_open_running(&h);
    h.show_agent = true;
    mh_operate(&h, DRAIN(",'max_grace_period':{'seconds':2,'nanos':5}"));
    cr_expect_eq(h.reply.status, 200);
    MH_EXPECT(&h, "1 RESCIND M-O1\n> 1 DRAIN\n");
    cr_expect_str_eq(drain_info(&h),
                     "{\"config\":{\"mark_gone\":false,\"max_grace_period\":{"
                     "\"nanoseconds\":2000000005}},\"state\":\"DRAINING\"}");
    h.show_agent = false;
    mh_update(&h, 1, "M-0000", "t", "TASK_KILLED", 2);
    mh_operate(&h, REACTIVATE);
    cr_expect_eq(h.reply.status, 400);
    cr_expect_str_eq(h.reply.text, "Agent is still in the DRAINING state");
    mh_ack(&h, "M-0000", "M-S0", "t", 2);
    cr_expect(strstr(drain_info(&h), "DRAINED"), "%s", drain_info(&h));
    mh_pass(&h, 3000);
    MH_EXPECT(&h, "1 UPDATE t KILLED EXECUTOR uuid=2 on M-S0\n");
    mh_operate(&h, REACTIVATE);
    cr_expect_eq(h.reply.status, 200);
    cr_expect_str_eq(drain_info(&h), "");
    mh_pass(&h, 200);
    MH_EXPECT(&h, "1 OFFERS\n  M-O2 M-S0 r cpus:3.9; mem:4064; disk:10224; "
                  "ports:[31000-31099] +e\n");
    mh_close(&h);
}

Test(master_drain, empty_agent_is_drained_at_once)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_operate(&h, DRAIN(""));
    cr_expect_str_eq(
        drain_info(&h),
        "{\"config\":{\"mark_gone\":false},\"state\":\"DRAINED\"}");
    mh_close(&h);
}

Test(master_drain, removed_framework_ends_it_too)
{
    struct mh h;

    mh_open_running(&h);
    mh_operate(&h, DRAIN(""));
    mh_operate(&h, "{'type':'TEARDOWN','teardown':{'framework_id':{'value':'"
                   "M-0000'}}}");
    mh_pass(&h, 200);
    cr_expect(strstr(drain_info(&h), "DRAINED"), "%s", drain_info(&h));
    mh_close(&h);
}

Test(master_drain, mark_gone_after_the_last_acknowledgement)
{
    struct mh h;

    mh_open_running(&h);
    mh_operate(&h, DRAIN(",'mark_gone':true"));
    mh_take(&h);
    h.show_agent = true;
    end_task(&h, "TASK_GONE_BY_OPERATOR");
    MH_EXPECT(&h, "1 UPDATE t GONE_BY_OPERATOR EXECUTOR uuid=2 on M-S0\n"
                  "> 1 ACK t 2\n> 1 SHUTDOWN 'Agent has been marked gone'\n"
                  "1 FAILURE M-S0\n");
    mh_operate(&h, DEACTIVATE);
    cr_expect_str_eq(h.reply.text, "Unknown agent");
    mh_close(&h);
}

/* Neither the end of the master nor the agent's absence forgets it. */
Test(master_drain, outlives_the_master)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_operate(&h, DRAIN(""));
    mh_restart(&h);
    /* Recovered, not yet back: no agent to show. */
    cr_expect_str_eq(drain_info(&h), "");
    h.show_agent = true;
    master_agent_link(h.master, 1, "127.0.0.1");
    mh_from_agent(&h, 1,
                  "{'register':{'agent':{'id':{'value':'M-S0'},'hostname':"
                  "'agent-0.local','port':6000,'resources':[{'name':'cpus',"
                  "'type':'SCALAR','scalar':{'value':4}},{'name':'mem','type':"
                  "'SCALAR','scalar':{'value':4096}}]}}}");
    MH_EXPECT(&h, "> 1 REGISTERED M-S0\n> 1 DRAIN\n");
    cr_expect(strstr(drain_info(&h), "DRAINED"), "%s", drain_info(&h));
    h.show_agent = false;
    mh_subscribe(&h, "");
    MH_EXPECT(&h, "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n");
    mh_operate(&h, REACTIVATE);
    mh_pass(&h, 200);
    MH_EXPECT(&h, "1 OFFERS\n  M-O0 M-S0 r cpus:4; mem:4096\n");
    mh_close(&h);
}
