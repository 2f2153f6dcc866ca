/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_offers - who is offered what, filters, revive, suppress, roles */
#include <criterion/criterion.h>

#include "lib/wire/pb.h"
#include "tests/unit/devcluster/master_harness.h"

#define ALL0 "cpus:4; mem:4096; disk:10240; ports:[31000-31099]"
#define ALL1 "cpus:4; mem:4096; disk:10240; ports:[31100-31199]"

static void begin(struct mh *h, unsigned agents)
{
    mh_open(h);
    for (unsigned i = 0; i < agents; i++)
        mh_agent(h, i);
    mh_subscribe(h, "");
}

static void decline(struct mh *h, const char *offer, const char *filters)
{
    mh_call(h, "M-0000",
            "'type':'DECLINE','decline':{'offer_ids':[{'value':'%s'}]%s}",
            offer, filters);
}

Test(master_offers, one_for_each_agent_in_one_event)
{
    struct mh h;

    begin(&h, 2);
    MH_EXPECT(&h, "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n"
                  "1 OFFERS\n  M-O0 M-S0 r " ALL0 "\n  M-O1 M-S1 r " ALL1 "\n");
    mh_pass(&h, 5000);
    MH_EXPECT(&h, "");
    mh_close(&h);
}

Test(master_offers, heartbeats)
{
    struct mh h;

    begin(&h, 0);
    mh_take(&h);
    mh_pass(&h, 14900);
    MH_EXPECT(&h, "");
    mh_pass(&h, 15200);
    MH_EXPECT(&h, "1 HEARTBEAT\n1 HEARTBEAT\n");
    mh_close(&h);
}

static const struct {
    const char *name;
    const char *filters;
    int64_t silent_ms, then_ms;
} filter_cases[] = {
    {"none", ",'filters':{'refuse_seconds':0}", 0, 1100},
    {"2 s", ",'filters':{'refuse_seconds':2}", 1900, 1200},
    {"shorter than the interval", ",'filters':{'refuse_seconds':0.1}", 900,
     1200},
    {"default", "", 4900, 1200},
    {"unset", ",'filters':{}", 4900, 1200},
    {"negative", ",'filters':{'refuse_seconds':-1}", 4900, 1200},
    {"long", ",'filters':{'refuse_seconds':600}", 599900, 1200},
};

Test(master_offers, filters)
{
    for (size_t i = 0; i < ARRAY_LEN(filter_cases); i++) {
        struct mh h;
        const char *got;

        begin(&h, 1);
        mh_take(&h);
        decline(&h, "M-O0", filter_cases[i].filters);
        mh_pass(&h, filter_cases[i].silent_ms);
        got = mh_take(&h);
        cr_expect(!strstr(got, "OFFERS"), "%s: %s", filter_cases[i].name, got);
        mh_pass(&h, filter_cases[i].then_ms);
        got = mh_take(&h);
        cr_expect(strstr(got, "OFFERS\n  M-O1 M-S0 r " ALL0), "%s: %s",
                  filter_cases[i].name, got);
        mh_close(&h);
    }
}

Test(master_offers, revive_clears_filters_and_suppression)
{
    struct mh h;

    begin(&h, 1);
    decline(&h, "M-O0", ",'filters':{'refuse_seconds':600}");
    mh_take(&h);
    mh_call(&h, "M-0000", "'type':'REVIVE'");
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 r " ALL0 "\n");
    mh_call(&h, "M-0000", "'type':'SUPPRESS'");
    decline(&h, "M-O1", ",'filters':{'refuse_seconds':0}");
    mh_pass(&h, 3000);
    MH_EXPECT(&h, "");
    mh_call(&h, "M-0000", "'type':'REVIVE','revive':{'roles':['nope']}");
    MH_EXPECT(&h, "NOTE event=revive_dropped framework=M-0000\n");
    mh_call(&h, "M-0000", "'type':'REVIVE','revive':{'roles':['r']}");
    MH_EXPECT(&h, "1 OFFERS\n  M-O2 M-S0 r " ALL0 "\n");
    mh_close(&h);
}

Test(master_offers, more_than_refused_is_offered_despite_the_filter)
{
    struct mh h;

    begin(&h, 1);
    mh_take(&h);
    mh_call(&h, "M-0000",
            "'type':'ACCEPT','accept':{'offer_ids':[{'value':'M-O0'}],"
            "'filters':{'refuse_seconds':600},'operations':[%s]}",
            mh_group("M-0000", "M-S0", "e", "t"));
    mh_pass(&h, 3000);
    MH_EXPECT(&h, "");
    mh_update(&h, 1, "M-0000", "t", "TASK_FINISHED", 1);
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 UPDATE t FINISHED EXECUTOR uuid=1 on M-S0\n"
                  "1 OFFERS\n  M-O1 M-S0 r cpus:3.9; mem:4064; disk:10224; "
                  "ports:[31000-31099] +e\n");
    mh_close(&h);
}

Test(master_offers, roles_are_offered_and_filtered_apart)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_subscribe(&h, "'roles':['a','b']");
    MH_EXPECT(&h, "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n"
                  "1 OFFERS\n  M-O0 M-S0 a " ALL0 "\n");
    decline(&h, "M-O0", ",'filters':{'refuse_seconds':600}");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 b " ALL0 "\n");
    mh_close(&h);
}

Test(master_offers, two_frameworks_share)
{
    struct mh h;

    mh_open(&h);
    mh_subscribe(&h, "");
    mh_subscribe(&h, "'roles':['q']");
    mh_take(&h);
    mh_agent(&h, 0);
    mh_agent(&h, 1);
    /* Equal shares: by name of the role. */
    MH_EXPECT(&h, "2 OFFERS\n  M-O0 M-S0 q " ALL0 "\n"
                  "1 OFFERS\n  M-O1 M-S1 r " ALL1 "\n");
    mh_close(&h);
}

Test(master_offers, below_the_minimum_nothing)
{
    struct mh h;

    begin(&h, 0);
    mh_take(&h);
    master_agent_link(h.master, 9, "127.0.0.1");
    mh_from_agent(&h, 9,
                  "{'register':{'agent':{'hostname':'small','resources':[{"
                  "'name':'cpus','type':'SCALAR','scalar':{'value':0.009}},{"
                  "'name':'mem','type':'SCALAR','scalar':{'value':31}},{"
                  "'name':'disk','type':'SCALAR','scalar':{'value':1000}}]}}}");
    mh_pass(&h, 2000);
    MH_EXPECT(&h, "");
    mh_call(&h, "M-0000",
            "'type':'UPDATE_FRAMEWORK','update_framework':{'framework_info':{"
            "'user':'root','name':'f','roles':['r'],'principal':'p',"
            "'checkpoint':true,'id':{'value':'M-0000'},'capabilities':[{'type':"
            "'MULTI_ROLE'},{'type':'RESERVATION_REFINEMENT'}],'offer_filters':{"
            "'r':{'min_allocatable_resources':{}}}}}");
    cr_expect_eq(h.reply.status, 200, "%s", h.reply.text);
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O0 M-S0 r cpus:0.009; mem:31; disk:1000\n");
    mh_close(&h);
}

Test(master_offers, lost_link_rescinds)
{
    struct mh h;

    begin(&h, 2);
    mh_take(&h);
    master_agent_unlink(h.master, 2);
    MH_EXPECT(&h, "1 RESCIND M-O1\n");
    mh_call(&h, "M-0000", "'type':'REVIVE'");
    MH_EXPECT(&h, "");
    mh_close(&h);
}

Test(master_offers, old_format_without_capabilities)
{
    struct mh h;
    struct master_out *out;

    mh_open(&h);
    master_agent_link(h.master, 9, "127.0.0.1");
    mh_from_agent(&h, 9,
                  "{'register':{'agent':{'hostname':'x','resources':[{'name':"
                  "'cpus','type':'SCALAR','scalar':{'value':2},'reservations':["
                  "{'type':'STATIC','role':'r'}]}]}}}");
    mh_take(&h);
    {
        AUTO_MESSAGE Mesos__V1__Scheduler__Call *call =
            (void *)PB_NEW(mesos__v1__scheduler__call);

        PB_SET(call, type, MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE);
        call->subscribe = PB_NEW(mesos__v1__scheduler__call__subscribe);
        call->subscribe->framework_info = PB_NEW(mesos__v1__framework_info);
        call->subscribe->framework_info->user = xstrdup("u");
        call->subscribe->framework_info->name = xstrdup("n");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        call->subscribe->framework_info->role = xstrdup("r");
#pragma GCC diagnostic pop
        master_subscribe(h.master, 5, "s", call);
    }
    while ((out = master_take_out(h.master))) {
        const Mesos__V1__Scheduler__Event *e = (void *)out->message;

        if (out->kind == MASTER_OUT_EVENT && e->offers) {
            AUTO_FREE char *text = NULL;
            json_t *json = wire_to_json(&e->offers->offers[0]->base, 0);

            text = json_dumps(json_object_get(json, "resources"),
                              JSON_COMPACT | JSON_SORT_KEYS);
            cr_expect_str_eq(text, "[{\"name\":\"cpus\",\"role\":\"r\","
                                   "\"scalar\":{\"value\":2.0},\"type\":"
                                   "\"SCALAR\"}]");
            cr_expect_null(e->offers->offers[0]->allocation_info);
            json_decref(json);
        }
        master_out_destroy(&out);
    }
    mh_close(&h);
}

#define CONSTRAIN(predicate)                                                   \
    "'type':'UPDATE_FRAMEWORK','update_framework':{'framework_info':{'user':"  \
    "'root','name':'f','roles':['r'],'principal':'p','checkpoint':true,'id':{" \
    "'value':'M-0000'},'capabilities':[{'type':'MULTI_ROLE'},{'type':"         \
    "'RESERVATION_REFINEMENT'}]},'offer_constraints':{'role_constraints':{'r'" \
    ":{'groups':[{'attribute_constraints':[{'selector':{'attribute_name':"     \
    "'rack'},'predicate':{" predicate "}}]}]}}}}"

static const struct {
    const char *name;
    const char *call;
    bool first, second; /* agent of rack r0, r1 */
} constraint_cases[] = {
    {"equals", CONSTRAIN("'text_equals':{'value':'r1'}"), false, true},
    {"not equals", CONSTRAIN("'text_not_equals':{'value':'r1'}"), true, false},
    {"matches", CONSTRAIN("'text_matches':{'regex':'r[12]'}"), false, true},
    {"not matches", CONSTRAIN("'text_not_matches':{'regex':'r.'}"), false,
     false},
    {"exists", CONSTRAIN("'exists':{}"), true, true},
    {"not exists", CONSTRAIN("'not_exists':{}"), false, false},
};

Test(master_offers, constraints)
{
    for (size_t i = 0; i < ARRAY_LEN(constraint_cases); i++) {
        struct mh h;
        const char *got;

        mh_open(&h);
        mh_subscribe(&h, "");
        mh_call(&h, "M-0000", "%s", constraint_cases[i].call);
        cr_expect_eq(h.reply.status, 200, "%s", h.reply.text);
        mh_agent(&h, 0);
        mh_agent(&h, 1);
        got = mh_take(&h);
        cr_expect_eq(strstr(got, "M-S0") != NULL, constraint_cases[i].first,
                     "%s: %s", constraint_cases[i].name, got);
        cr_expect_eq(strstr(got, "M-S1") != NULL, constraint_cases[i].second,
                     "%s: %s", constraint_cases[i].name, got);
        mh_close(&h);
    }
}
