/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_http - what is refused before and at subscription, and in which
 * words */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/wire/wire.h"
#include "devcluster/http_rules.h"
#include "tests/unit/devcluster/master_harness.h"

#define PB   HTTP_PROTOBUF
#define JSON HTTP_JSON
#define V    "Failed to validate scheduler::Call: "

static const struct {
    const char *name;
    const char *method, *type, *accept, *stream, *body;
    int status; /* 0: passes */
    const char *text;
} http_cases[] = {
    {"get", "GET", NULL, PB, NULL, "", 405,
     "405 Method Not Allowed. Expecting one of { 'POST' }, but received "
     "'GET'."},
    {"no content type", "POST", NULL, PB, NULL, "{}", 400,
     "Expecting 'Content-Type' to be present"},
    {"text", "POST", "text/plain", PB, NULL, "{}", 415,
     "Expecting 'Content-Type' of application/json or application/x-protobuf"},
    {"charset", "POST", "application/json; charset=utf-8", JSON, NULL, "{}",
     415,
     "Expecting 'Content-Type' of application/json or application/x-protobuf"},
    {"case", "POST", "Application/X-Protobuf", PB, NULL, "", 415,
     "Expecting 'Content-Type' of application/json or application/x-protobuf"},
    {"malformed protobuf", "POST", PB, PB, NULL, "\x08", 400,
     "Failed to parse body into Call protobuf"},
    {"malformed json", "POST", JSON, JSON, NULL, "{\"type\":", 400, NULL},
    {"wrong json type", "POST", JSON, JSON, NULL,
     "{\"type\":\"SUBSCRIBE\",\"subscribe\":3}", 400, NULL},
    {"unknown enum number", "POST", PB, PB, NULL, "\x10\x63", 400,
     V "Expecting 'type' to be present"},
    {"unknown enum name", "POST", JSON, JSON, NULL, "{\"type\":\"NOPE\"}", 400,
     V "Expecting 'type' to be present"},
    {"empty body", "POST", PB, PB, NULL, "", 400,
     V "Expecting 'type' to be present"},
    {"unknown without id", "POST", PB, PB, NULL, "\x10\x7f", 400,
     V "Expecting 'type' to be present"},
    {"subscribe without subscribe", "POST", JSON, PB, NULL,
     "{\"type\":\"SUBSCRIBE\"}", 400, V "Expecting 'subscribe' to be present"},
    {"ids differ", "POST", JSON, PB, NULL,
     "{\"type\":\"SUBSCRIBE\",\"framework_id\":{\"value\":\"a\"},\"subscribe\":"
     "{\"framework_info\":{\"user\":\"u\",\"name\":\"n\",\"id\":{\"value\":"
     "\"b\"}}}}",
     400, V "'framework_id' differs from 'subscribe.framework_info.id'"},
    {"id only outside", "POST", JSON, PB, NULL,
     "{\"type\":\"SUBSCRIBE\",\"framework_id\":{\"value\":\"a\"},\"subscribe\":"
     "{\"framework_info\":{\"user\":\"u\",\"name\":\"n\"}}}",
     400, V "'framework_id' differs from 'subscribe.framework_info.id'"},
    {"not acceptable", "POST", JSON, "text/html", NULL,
     "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{\"user\":"
     "\"u\",\"name\":\"n\"}}}",
     406,
     "Expecting 'Accept' to allow 'application/x-protobuf' or "
     "'application/json'"},
    {"subscribe with stream id", "POST", JSON, PB, "x",
     "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{\"user\":"
     "\"u\",\"name\":\"n\"}}}",
     400, "Subscribe calls should not include the 'Mesos-Stream-Id' header"},
    {"good subscribe", "POST", JSON, PB, NULL,
     "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{\"user\":"
     "\"u\",\"name\":\"n\"}}}",
     0, NULL},
    {"no framework id", "POST", JSON, PB, NULL, "{\"type\":\"REVIVE\"}", 400,
     V "Expecting 'framework_id' to be present"},
    {"revive needs no message", "POST", JSON, "text/html", NULL,
     "{\"type\":\"REVIVE\",\"framework_id\":{\"value\":\"f\"}}", 0, NULL},
    {"accept without message", "POST", JSON, PB, NULL,
     "{\"type\":\"ACCEPT\",\"framework_id\":{\"value\":\"f\"}}", 400,
     V "Expecting 'accept' to be present"},
    {"acknowledge_operation_status without message", "POST", JSON, PB, NULL,
     "{\"type\":\"ACKNOWLEDGE_OPERATION_STATUS\",\"framework_id\":{\"value\":"
     "\"f\"}}",
     400, V "Expecting 'acknowledge_operation_status' to be present"},
    {"short uuid", "POST", JSON, PB, NULL,
     "{\"type\":\"ACKNOWLEDGE\",\"framework_id\":{\"value\":\"f\"},"
     "\"acknowledge\":{\"agent_id\":{\"value\":\"a\"},\"task_id\":{\"value\":"
     "\"t\"},\"uuid\":\"c2hvcnQ=\"}}",
     400, V "Not a valid UUID"},
    {"nil uuid", "POST", JSON, PB, NULL,
     "{\"type\":\"ACKNOWLEDGE\",\"framework_id\":{\"value\":\"f\"},"
     "\"acknowledge\":{\"agent_id\":{\"value\":\"a\"},\"task_id\":{\"value\":"
     "\"t\"},\"uuid\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}}",
     400, V "Not a valid UUID"},
    {"operation ack without agent", "POST", JSON, PB, NULL,
     "{\"type\":\"ACKNOWLEDGE_OPERATION_STATUS\",\"framework_id\":{\"value\":"
     "\"f\"},\"acknowledge_operation_status\":{\"uuid\":"
     "\"zQGJLdRbTIu9ezSjJiHVBg==\",\"operation_id\":{\"value\":\"x\"}}}",
     400, V "Expecting 'agent_id' to be present"},
    {"reconcile operations not acceptable", "POST", JSON, "text/html", NULL,
     "{\"type\":\"RECONCILE_OPERATIONS\",\"framework_id\":{\"value\":\"f\"},"
     "\"reconcile_operations\":{}}",
     406,
     "Expecting 'Accept' to allow 'application/x-protobuf' or "
     "'application/json'"},
    {"update_framework id differs", "POST", JSON, PB, NULL,
     "{\"type\":\"UPDATE_FRAMEWORK\",\"framework_id\":{\"value\":\"f\"},"
     "\"update_framework\":{\"framework_info\":{\"user\":\"u\",\"name\":\"n\"}"
     "}}",
     400, V "'framework_id' differs from 'update_framework.framework_info.id'"},
};

Test(master_http, refusals)
{
    for (size_t i = 0; i < ARRAY_LEN(http_cases); i++) {
        struct http_given given = {
            http_cases[i].method, http_cases[i].type,
            http_cases[i].accept, http_cases[i].stream,
            http_cases[i].body,   strlen(http_cases[i].body),
            "/api/v1/scheduler"};
        struct http_refusal refusal = {0};
        AUTO_MESSAGE Mesos__V1__Scheduler__Call *call =
            http_scheduler_call(&given, &refusal);

        cr_expect_eq(refusal.status, http_cases[i].status, "%s: %d %s",
                     http_cases[i].name, refusal.status, refusal.text);
        cr_expect_eq(call == NULL, http_cases[i].status != 0, "%s",
                     http_cases[i].name);
        if (http_cases[i].text)
            cr_expect_str_eq(refusal.text, http_cases[i].text, "%s",
                             http_cases[i].name);
    }
}

static const struct {
    const char *accept;
    enum http_encoding encoding;
} accept_cases[] = {
    {NULL, HTTP_AS_JSON},
    {"*/*", HTTP_AS_JSON},
    {"application/*", HTTP_AS_JSON},
    {"application/x-protobuf", HTTP_AS_PROTOBUF},
    {"application/json", HTTP_AS_JSON},
    {"application/x-protobuf, application/json", HTTP_AS_JSON},
    {"text/html, application/x-protobuf;q=0.5", HTTP_AS_PROTOBUF},
    {"text/html", HTTP_NEITHER},
    {"application/xml", HTTP_NEITHER},
};

Test(master_http, accept)
{
    for (size_t i = 0; i < ARRAY_LEN(accept_cases); i++)
        cr_expect_eq(http_accepted(accept_cases[i].accept),
                     accept_cases[i].encoding, "%s",
                     str_or_empty(accept_cases[i].accept));
}

Test(master_http, routes)
{
    static const char *const routes[] = {"/api/v1", "/api/v1/scheduler",
                                         "/state"};
    static const struct {
        const char *path;
        int route;
    } cases[] = {
        {"/api/v1/scheduler", 1},  {"/master/api/v1/scheduler", 1},
        {"/api/v1/schedulerx", 0}, {"/api/v1/anything", 0},
        {"/state", 0 + 2},         {"/statex", -1},
        {"/nothing/here", -1},     {"/master", -1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_expect_eq(http_route(routes, 3, cases[i].path), cases[i].route, "%s",
                     cases[i].path);
}

/* ---- subscriptions ------------------------------------------------------- */

#define INFO  "'user':'root','name':'f','principal':'p','failover_timeout':60"
#define MULTI "'capabilities':[{'type':'MULTI_ROLE'}]"
#define SUB(info)                                                              \
    "{'type':'SUBSCRIBE','subscribe':{'framework_info':{" info "}}}"

static const struct {
    const char *name;
    const char *json;
    const char *lines;
} subscribe_cases[] = {
    {"duplicate roles", SUB(INFO ",'roles':['r','r']," MULTI),
     "1 ERROR ''FrameworkInfo.roles' contains duplicate items: { r }'\n"
     "1 CLOSE\n"},
    {"bad role", SUB(INFO ",'roles':['a//b']," MULTI),
     "1 ERROR ''FrameworkInfo.roles' contains invalid role: Role 'a//b' cannot "
     "contain two adjacent slashes'\n1 CLOSE\n"},
    {"star component", SUB(INFO ",'roles':['a/*']," MULTI),
     "1 ERROR ''FrameworkInfo.roles' contains invalid role: Role 'a/*' cannot "
     "include '*' as a component'\n1 CLOSE\n"},
    {"roles without MULTI_ROLE", SUB(INFO ",'roles':['r']"),
     "1 ERROR ''FrameworkInfo.roles' must not be set when the framework is not "
     "MULTI_ROLE capable'\n1 CLOSE\n"},
    {"role with MULTI_ROLE", SUB(INFO ",'role':'r'," MULTI),
     "1 ERROR ''FrameworkInfo.role' must not be set when the framework is "
     "MULTI_ROLE capable'\n1 CLOSE\n"},
    {"huge failover timeout",
     SUB("'user':'u','name':'n','failover_timeout':1e12,'roles':['r']," MULTI),
     "1 ERROR 'The framework failover_timeout (1e+12) is invalid'\n1 CLOSE\n"},
    {"negative failover timeout is taken",
     SUB("'user':'u','name':'n','failover_timeout':-5,'roles':['r']," MULTI),
     "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n"},
    {"suppressed role not subscribed",
     "{'type':'SUBSCRIBE','subscribe':{'framework_info':{" INFO
     ",'roles':['r']," MULTI "},'suppressed_roles':['other']}}",
     "1 ERROR 'Suppressed roles { other } are not contained in the set of "
     "roles'\n1 CLOSE\n"},
    {"bad id",
     "{'type':'SUBSCRIBE','framework_id':{'value':'a/b'},'subscribe':{"
     "'framework_info':{" INFO ",'roles':['r'],'id':{'value':'a/b'}," MULTI
     "}}}",
     "1 ERROR ''a/b' contains invalid characters'\n1 CLOSE\n"},
    {"empty quantities",
     SUB(INFO ",'roles':['r'],'offer_filters':{'r':{'min_allocatable_resources'"
              ":{'quantities':[{}]}}}," MULTI),
     "1 ERROR 'Resource quantities must contain at least one quantity'\n"
     "1 CLOSE\n"},
    {"offer filters of a foreign role are taken",
     SUB(INFO ",'roles':['r'],'offer_filters':{'zz':{}}," MULTI),
     "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n"},
    {"empty constraint group",
     "{'type':'SUBSCRIBE','subscribe':{'framework_info':{" INFO
     ",'roles':['r']," MULTI "},'offer_constraints':{'role_constraints':{'r':{"
     "'groups':[{}]}}}}}",
     "1 ERROR 'Offer constraints are not valid: "
     "'OfferConstraints::RoleConstraints::groups' for role rcontains an empty "
     "RoleConstraints::Group'\n1 CLOSE\n"},
    {"constraints of a foreign role",
     "{'type':'SUBSCRIBE','subscribe':{'framework_info':{" INFO
     ",'roles':['r']," MULTI "},'offer_constraints':{'role_constraints':{'zz':{"
     "'groups':[{'attribute_constraints':[{'selector':{'attribute_name':'rack'}"
     ",'predicate':{'exists':{}}}]}]}}}}}",
     "1 ERROR 'Offer constraints specify `role_constraints` for a role "
     "'zz'not contained in the set of roles'\n1 CLOSE\n"},
    {"id never issued",
     "{'type':'SUBSCRIBE','framework_id':{'value':'mine'},'subscribe':{"
     "'framework_info':{" INFO ",'roles':['r'],'id':{'value':'mine'}," MULTI
     "}}}",
     "1 SUBSCRIBED mine\n1 HEARTBEAT\n"},
    {"old style role", SUB(INFO ",'role':'r'"),
     "1 SUBSCRIBED M-0000\n1 HEARTBEAT\n"},
};

Test(master_http, subscriptions)
{
    for (size_t i = 0; i < ARRAY_LEN(subscribe_cases); i++) {
        struct mh h;
        const char *got;

        mh_open(&h);
        mh_subscribe_json(&h, subscribe_cases[i].json);
        got = mh_take(&h);
        cr_expect(str_eq(got, subscribe_cases[i].lines),
                  "%s\n--- got\n%s--- want\n%s", subscribe_cases[i].name, got,
                  subscribe_cases[i].lines);
        mh_close(&h);
    }
}
