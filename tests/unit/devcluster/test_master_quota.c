/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_quota - quotas, weights, and who is offered first */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/pb_mesos.h"
#include "tests/unit/devcluster/master_harness.h"

#define ALL0         "cpus:4; mem:4096; disk:10240; ports:[31000-31099]"
#define QUOTA(list)  "{'type':'UPDATE_QUOTA','update_quota':{" list "}}"
#define CONFIG(more) "'quota_configs':[{'role':'r'" more "}]"
#define CPUS(n)      "{'cpus':{'value':" #n "}}"
#define WEIGHT(role, weight)                                                   \
    "{'type':'UPDATE_WEIGHTS','update_weights':{'weight_infos':[{'role':"      \
    "'" role "','weight':" weight "}]}}"

static const struct {
    const char *name;
    const char *json;
    const char *text; /* "": done */
} cases[] = {
    {"nothing", QUOTA(""), ""},
    {"limit", QUOTA(CONFIG(",'limits':" CPUS(2))), ""},
    {"guarantee", QUOTA(CONFIG(",'guarantees':" CPUS(4))), ""},
    {"no message", "{'type':'UPDATE_QUOTA'}",
     "Failed to validate master::Call: Expecting 'update_quota' to be present"},
    {"nested role", QUOTA("'quota_configs':[{'role':'a/b'}]"),
     "Updating quota on nested role 'a/b' is not supported yet"},
    {"guarantee above limit",
     QUOTA(CONFIG(",'guarantees':" CPUS(3) ",'limits':" CPUS(2))),
     "Invalid QuotaConfig: 'QuotaConfig.guarantees' cpus:3 is not contained "
     "within the 'QuotaConfig.limits' cpus:2"},
    {"more than there is", QUOTA(CONFIG(",'guarantees':" CPUS(5))),
     "Invalid QuotaConfig: total quota guarantees 'cpus:5' exceed cluster "
     "capacity 'cpus:4; disk:10240; mem:4096' (use 'force' flag to bypass this "
     "check)"},
    {"more than there is, forced",
     QUOTA("'force':true," CONFIG(",'guarantees':" CPUS(5))), ""},
    {"negative", QUOTA(CONFIG(",'limits':" CPUS(-1))),
     "Invalid QuotaConfig: Invalid limit configuration {'cpus': -1}: Negative "
     "values not supported"},
    {"below what is used", QUOTA(CONFIG(",'limits':" CPUS(1))),
     "Invalid QuotaConfig: Role 'r' is already consuming 'cpus:1.1; disk:16; "
     "mem:96'; this is more than the requested limits 'cpus:1' (use 'force' "
     "flag to bypass this check)"},
    {"below what is used, forced",
     QUOTA("'force':true," CONFIG(",'limits':" CPUS(1))), ""},
    {"weight", WEIGHT("r", "2.5"), ""},
    {"weight of nothing", WEIGHT("r", "0"),
     "Failed to validate update weights request JSON for role 'r': Invalid "
     "weight '0': Weights must be positive"},
};

Test(master_quota, what_is_valid)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mh h;

        mh_open(&h);
        mh_agent(&h, 0);
        mh_subscribe(&h, "");
        mh_accept(&h, "M-0000", "M-O0", mh_group("M-0000", "M-S0", "e", "t"));
        mh_operate(&h, cases[i].json);
        cr_expect_eq(h.reply.status, *cases[i].text ? 400 : 200, "%s: %d",
                     cases[i].name, h.reply.status);
        cr_expect_str_eq(h.reply.text, cases[i].text, "%s: %s", cases[i].name,
                         h.reply.text);
        mh_close(&h);
    }
}

#define REQUEST(more)                                                          \
    "{'type':'SET_QUOTA','set_quota':{'quota_request':{" more "}}}"
#define ROLE(role, list) REQUEST("'role':'" role "','guarantee':[" list "]")
#define AMOUNT(name, n)                                                        \
    "{'name':'" name "','type':'SCALAR','scalar':{'value':" #n "}}"
#define REMOVE(role)                                                           \
    "{'type':'REMOVE_QUOTA','remove_quota':{'role':'" role "'}}"
#define BAD "Failed to validate set quota request: "

static const struct {
    const char *name;
    const char *json;
    int status;
    const char *text;
} requests[] = {
    {"no message", "{'type':'SET_QUOTA'}", 400,
     "Failed to validate master::Call: Expecting 'set_quota' to be present"},
    {"no role", REQUEST("'guarantee':[" AMOUNT("cpus", 1) "]"), 400,
     BAD "QuotaInfo with invalid role: Role names cannot be the empty string"},
    {"nothing guaranteed", ROLE("a", ""), 400,
     BAD "QuotaInfo with empty 'guarantee'"},
    {"negative", ROLE("a", AMOUNT("cpus", -1)), 400,
     BAD "QuotaInfo with invalid resource: Resource 'cpus:-1' is invalid: "
         "Invalid scalar resource: value <= 0"},
    {"ranges",
     ROLE("a", "{'name':'ports','type':'RANGES','ranges':{'range':[{'begin':1,"
               "'end':2}]}}"),
     400, BAD "QuotaInfo must not include non-scalar resources"},
    {"one name twice", ROLE("a", AMOUNT("cpus", 1) "," AMOUNT("cpus", 1)), 400,
     BAD "QuotaInfo contains duplicate resource name 'cpus'"},
    {"reserved",
     ROLE("a",
          "{'name':'cpus','type':'SCALAR','scalar':{'value':1},'role':'x'}"),
     400, BAD "QuotaInfo must not contain any ReservationInfo"},
    {"disk info",
     ROLE("a",
          "{'name':'disk','type':'SCALAR','scalar':{'value':1},'disk':{}}"),
     400, BAD "QuotaInfo must not contain DiskInfo"},
    {"revocable",
     ROLE("a", "{'name':'cpus','type':'SCALAR','scalar':{'value':1},"
               "'revocable':{}}"),
     400, BAD "QuotaInfo must not contain RevocableInfo"},
    {"more than there is", ROLE("a", AMOUNT("cpus", 5)), 409,
     "Quota guarantees overcommit the cluster (use 'force' to bypass this "
     "check): Total quota guarantees 'cpus:5' exceed cluster capacity 'cpus:4; "
     "disk:10240; mem:4096'"},
    {"below a role with nothing", ROLE("x/y", AMOUNT("cpus", 1)), 400,
     BAD "Invalid quota configuration. Parent role 'x' with guarantees ({}) "
         "does not contain the sum of its children's guarantees (cpus:1)"},
    {"removed before it was set", REMOVE("a"), 400,
     "Role 'a' has no quota set"},
    {"well", ROLE("a", AMOUNT("cpus", 2)), 200, ""},
    {"a second time", ROLE("a", AMOUNT("cpus", 3)), 400,
     BAD "Cannot set quota for role 'a' which already has quota"},
    {"below a role with enough", ROLE("a/b", AMOUNT("cpus", 1)), 400,
     "Setting quota on nested role 'a/b' is not supported yet"},
    {"below a role with too little", ROLE("a/b", AMOUNT("cpus", 3)), 400,
     BAD "Invalid quota configuration. Parent role 'a' with guarantees (cpus:2)"
         " does not contain the sum of its children's guarantees (cpus:3)"},
    {"with another's too much", ROLE("b", AMOUNT("cpus", 3)), 409,
     "Quota guarantees overcommit the cluster (use 'force' to bypass this "
     "check): Total quota guarantees 'cpus:5' exceed cluster capacity 'cpus:4; "
     "disk:10240; mem:4096'"},
    {"too much, forced",
     REQUEST("'role':'b','force':true,'guarantee':[" AMOUNT("cpus", 3) "]"),
     200, ""},
    {"removed", REMOVE("a"), 200, ""},
    {"removed again", REMOVE("a"), 400, "Role 'a' has no quota set"},
    {"set again", ROLE("a", AMOUNT("mem", 64)), 200, ""},
};

/* One story: each case meets what those above it left. */
Test(master_quota, requests_in_their_old_form)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        mh_operate(&h, requests[i].json);
        cr_expect_eq(h.reply.status, requests[i].status, "%s: %d",
                     requests[i].name, h.reply.status);
        cr_expect_str_eq(h.reply.text, requests[i].text, "%s: %s",
                         requests[i].name, h.reply.text);
    }
    mh_close(&h);
}

Test(master_quota, a_request_guarantees_and_limits)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_operate(&h, ROLE("r", AMOUNT("cpus", 1)));
    mh_subscribe(&h, "");
    MH_EXPECT(&h, "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n"
                  "1 OFFERS\n  M-O0 M-S0 r cpus:1; ports:[31000-31099]; "
                  "mem:4096; disk:10240\n");
    mh_operate(&h, REMOVE("r"));
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 r cpus:3\n");
    mh_close(&h);
}

Test(master_quota, limits_cut_offers)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_agent(&h, 1);
    mh_operate(&h, QUOTA(CONFIG(",'limits':" CPUS(5))));
    mh_subscribe(&h, "");
    MH_EXPECT(&h, "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n"
                  "1 OFFERS\n  M-O0 M-S0 r " ALL0 "\n"
                  "  M-O1 M-S1 r cpus:1; mem:4096; disk:10240; "
                  "ports:[31100-31199]\n");
    /* Lowered: offers go back until it fits. */
    mh_operate(&h, QUOTA(CONFIG(",'limits':" CPUS(1))));
    MH_EXPECT(&h, "1 RESCIND M-O0\n");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O2 M-S0 r mem:4096; disk:10240; "
                  "ports:[31000-31099]\n");
    /* Lifted: the rest comes. */
    mh_operate(&h, QUOTA(CONFIG("")));
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O3 M-S0 r cpus:4\n"
                  "  M-O4 M-S1 r cpus:3\n");
    mh_close(&h);
}

Test(master_quota, guarantees_hold_back)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_operate(
        &h, QUOTA("'quota_configs':[{'role':'q','guarantees':" CPUS(3) "}]"));
    mh_subscribe(&h, "");
    MH_EXPECT(&h, "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n"
                  "1 OFFERS\n  M-O0 M-S0 r cpus:1; mem:4096; disk:10240; "
                  "ports:[31000-31099]\n");
    mh_subscribe(&h, "'roles':['q']");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "2 SUBSCRIBED M-0001\n2 HEARTBEAT\n"
                  "2 OFFERS\n  M-O1 M-S0 q cpus:3\n");
    mh_close(&h);
}

Test(master_quota, guarantees_take_back)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_subscribe(&h, "");
    mh_take(&h);
    mh_operate(
        &h, QUOTA("'quota_configs':[{'role':'q','guarantees':" CPUS(3) "}]"));
    MH_EXPECT(&h, "1 RESCIND M-O0\n");
    mh_close(&h);
}

/* A smaller offer under a quota must not make its filter hold for all. */
Test(master_quota, filters_are_judged_anew)
{
    struct mh h;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_operate(&h, QUOTA(CONFIG(",'limits':" CPUS(1))));
    mh_subscribe(&h, "");
    mh_take(&h);
    mh_call(&h, "M-0000",
            "'type':'DECLINE','decline':{'offer_ids':[{'value':'M-O0'}],"
            "'filters':{'refuse_seconds':600}}");
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "");
    mh_operate(&h, QUOTA(CONFIG("")));
    mh_pass(&h, 1100);
    MH_EXPECT(&h, "1 OFFERS\n  M-O1 M-S0 r " ALL0 "\n");
    mh_close(&h);
}

/* Roles with offers of one agent each; the third goes to whom it should. */
static const struct {
    const char *name;
    const char *roles[2];
    const char *weight; /* of the second */
    const char *third;
} order_cases[] = {
    {"equal: by name", {"a", "b"}, NULL, "M-S2 a "},
    {"heavier is poorer", {"a", "b"}, "2", "M-S2 b "},
    {"lighter is richer", {"b", "a"}, "0.5", "M-S2 b "},
    {"siblings share their parent's part", {"a/x", "b"}, NULL, "M-S2 a/x "},
};

Test(master_quota, order)
{
    for (size_t i = 0; i < ARRAY_LEN(order_cases); i++) {
        struct mh h;
        char more[64];
        const char *got;

        mh_open(&h);
        for (int k = 0; k < 2; k++) {
            snprintf(more, sizeof more, "'roles':['%s']",
                     order_cases[i].roles[k]);
            mh_subscribe(&h, more);
        }
        if (order_cases[i].weight) {
            char json[256];

            snprintf(json, sizeof json,
                     "{'type':'UPDATE_WEIGHTS','update_weights':{"
                     "'weight_infos':[{'role':'%s','weight':%s}]}}",
                     order_cases[i].roles[1], order_cases[i].weight);
            mh_operate(&h, json);
        }
        mh_agent(&h, 0);
        mh_agent(&h, 1);
        mh_take(&h);
        mh_agent(&h, 2);
        got = mh_take(&h);
        cr_expect(strstr(got, order_cases[i].third), "%s: %s",
                  order_cases[i].name, got);
        mh_close(&h);
    }
}

static const char *dump(json_t *json)
{
    static char text[2048];
    AUTO_FREE char *all = json_dumps(json, JSON_COMPACT);

    snprintf(text, sizeof text, "%s", all);
    json_decref(json);
    return text;
}

Test(master_quota, is_shown_and_kept)
{
    struct mh h;
    Mesos__V1__Master__Call call = MESOS__V1__MASTER__CALL__INIT;
    Mesos__V1__Master__Response *response = NULL;
    const char *text;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_operate(&h,
               QUOTA(CONFIG(",'guarantees':" CPUS(1) ",'limits':" CPUS(2))));
    mh_operate(&h, WEIGHT("w", "3"));
    mh_restart(&h);
    text = dump(master_json_roles(h.master));
    cr_expect(strstr(text, "\"name\":\"r\",\"weight\":1.0,\"quota\":{\"role\":"
                           "\"r\",\"guarantee\":{\"cpus\":1.0},\"limit\":{"
                           "\"cpus\":2.0},\"consumed\":{}}"),
              "%s", text);
    cr_expect(strstr(text, "\"name\":\"w\",\"weight\":3.0"), "%s", text);
    PB_SET(&call, type, MESOS__V1__MASTER__CALL__TYPE__GET_QUOTA);
    master_operate(h.master, &call, &h.reply, &response);
    text = dump(wire_to_json(&response->base, WIRE_JSON_PROTO));
    cr_expect(strstr(text, "\"configs\":[{\"role\":\"r\",\"guarantees\":{"
                           "\"cpus\":{\"value\":1.0}},\"limits\":{\"cpus\":{"
                           "\"value\":2.0}}}]"),
              "%s", text);
    PB_FREE(response);
    call.type = MESOS__V1__MASTER__CALL__TYPE__GET_WEIGHTS;
    master_operate(h.master, &call, &h.reply, &response);
    text = dump(wire_to_json(&response->base, WIRE_JSON_PROTO));
    cr_expect(strstr(text, "{\"weight\":3.0,\"role\":\"w\"}"), "%s", text);
    PB_FREE(response);
    call.type = MESOS__V1__MASTER__CALL__TYPE__GET_ROLES;
    master_operate(h.master, &call, &h.reply, &response);
    text = dump(wire_to_json(&response->base, WIRE_JSON_PROTO));
    cr_expect(strstr(text, "{\"name\":\"w\",\"weight\":3.0}"), "%s", text);
    PB_FREE(response);
    mh_close(&h);
}
