/* SPDX-License-Identifier: Apache-2.0 */
/* test_plain_calls - forms, and what the plain endpoints ask for */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/plain_calls.h"
#include "lib/base/base.h"
#include "lib/wire/wire.h"

static const struct {
    const char *name;
    const char *form, *key;
    const char *value; /* NULL: absent */
} forms[] = {
    {"only one", "a=b", "a", "b"},
    {"second", "a=b&c=d", "c", "d"},
    {"absent", "a=b&c=d", "e", NULL},
    {"empty value", "a=&c=d", "a", ""},
    {"no equals sign", "a&c=d", "a", NULL},
    {"plus and percent", "a=x+y%20z%2B", "a", "x y z+"},
    {"percent in the name", "%61=b", "a", "b"},
    {"broken percent", "a=%4&b=%zz", "a", "%4"},
    {"broken percent, letters", "a=%4&b=%zz", "b", "%zz"},
    {"percent at the end", "a=%", "a", "%"},
    {"equals in the value", "a=b=c", "a", "b=c"},
    {"empty form", "", "a", NULL},
    {"only separators", "&&&", "a", NULL},
    {"prefix of a name", "ab=1", "a", NULL},
};

Test(plain_calls, forms)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        AUTO_FREE char *got =
            form_value(forms[i].form, strlen(forms[i].form), forms[i].key);

        cr_expect(str_eq(got, forms[i].value), "%s: %s", forms[i].name,
                  str_or_empty(got));
    }
}

#define R    "[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":1}}]"
#define LIST "'resources' query parameter in the request body: "
#define R_JSON                                                                 \
    "[{\"name\":\"cpus\",\"scalar\":{\"value\":1.0},\"type\":\"SCALAR\"}]"

static const struct {
    const char *path; /* a method before it: not POST */
    const char *body;
    const char *call; /* as JSON; NULL: refused with text */
    const char *text;
} calls[] = {
    {"/teardown", "frameworkId=f",
     "{\"teardown\":{\"framework_id\":{\"value\":\"f\"}},\"type\":"
     "\"TEARDOWN\"}",
     NULL},
    {"/teardown", "x=f", NULL,
     "Missing 'frameworkId' query parameter in the request body"},
    {"/reserve", "slaveId=a&resources=" R,
     "{\"reserve_resources\":{\"agent_id\":{\"value\":\"a\"},"
     "\"resources\":" R_JSON "},\"type\":\"RESERVE_RESOURCES\"}",
     NULL},
    {"/unreserve", "slaveId=a&resources=" R,
     "{\"type\":\"UNRESERVE_RESOURCES\",\"unreserve_resources\":{\"agent_id\":{"
     "\"value\":\"a\"},\"resources\":" R_JSON "}}",
     NULL},
    {"/create-volumes", "slaveId=a&volumes=" R,
     "{\"create_volumes\":{\"agent_id\":{\"value\":\"a\"},\"volumes\":" R_JSON
     "},\"type\":\"CREATE_VOLUMES\"}",
     NULL},
    {"/destroy-volumes", "slaveId=a&volumes=[]",
     "{\"destroy_volumes\":{\"agent_id\":{\"value\":\"a\"}},\"type\":"
     "\"DESTROY_VOLUMES\"}",
     NULL},
    {"/reserve", "resources=" R, NULL,
     "Missing 'slaveId' query parameter in the request body"},
    {"/reserve", "slaveId=a", NULL,
     "Missing 'resources' query parameter in the request body"},
    {"/reserve", "slaveId=a&resources={}", NULL,
     "Error parsing " LIST "Unexpected JSON type parsed"},
    {"/reserve", "slaveId=a&resources=[", NULL,
     "Error parsing " LIST "syntax error at line 1 near: "},
    {"/unreserve", "slaveId=a&resources=[5]", NULL,
     "Error in parsing " LIST "Expecting a JSON object"},
    {"/unreserve", "slaveId=a&resources=[{}]", NULL,
     "Error in parsing " LIST "Missing required fields: name, type"},
    {"/teardown", "x=1&frameworkId=a%zzb", NULL,
     "Unable to decode query string: Malformed % escape in 'a%zzb': '%zz'"},
    {"/machine/down", "[{\"hostname\":\"h\"}]",
     "{\"start_maintenance\":{\"machines\":[{\"hostname\":\"h\"}]},\"type\":"
     "\"START_MAINTENANCE\"}",
     NULL},
    {"/machine/up", "[{\"hostname\":\"h\"}]",
     "{\"stop_maintenance\":{\"machines\":[{\"hostname\":\"h\"}]},\"type\":"
     "\"STOP_MAINTENANCE\"}",
     NULL},
    {"/machine/up", "\"h\"", NULL, "Unexpected JSON type parsed"},
    {"/machine/up", "[]x", NULL,
     "Parsed JSON included non-whitespace trailing characters: x"},
    {"/maintenance/schedule", "{}",
     "{\"type\":\"UPDATE_MAINTENANCE_SCHEDULE\","
     "\"update_maintenance_schedule\":{\"schedule\":{}}}",
     NULL},
    {"/maintenance/schedule", "", NULL, "syntax error at line 1 near: "},
    {"PUT /weights", "[{\"role\":\"r\",\"weight\":2}]",
     "{\"type\":\"UPDATE_WEIGHTS\",\"update_weights\":{\"weight_infos\":[{"
     "\"role\":\"r\",\"weight\":2.0}]}}",
     NULL},
    {"PUT /weights", "{}", NULL,
     "Failed to parse update weights request JSON '{}': Unexpected JSON type "
     "parsed"},
    {"PUT /weights", "[{\"role\":\"a\"}]", NULL,
     "Failed to convert weights JSON array to protobuf '[{\"role\":\"a\"}]': "
     "Missing required fields: weight"},
    {"/quota", "{\"role\":\"r\",\"force\":true,\"guarantee\":" R "}",
     "{\"set_quota\":{\"quota_request\":{\"force\":true,\"guarantee\":" R_JSON
     ",\"role\":\"r\"}},\"type\":\"SET_QUOTA\"}",
     NULL},
    {"/quota", "[]", NULL,
     "Failed to parse set quota request JSON '[]': Unexpected JSON type "
     "parsed"},
    {"/quota", "{\"guarantee\":5}", NULL,
     "Failed to validate set quota request JSON '{\"guarantee\":5}': Not "
     "expecting a JSON number for field 'guarantee'"},
    {"DELETE /quota/r", "",
     "{\"remove_quota\":{\"role\":\"r\"},\"type\":\"REMOVE_QUOTA\"}", NULL},
    {"DELETE /quota/", "", NULL,
     "Failed to parse remove quota request for path '/master/quota/': expected "
     "3 tokens, found 2 tokens"},
    {"/state", "", NULL, "POST '/state' changes nothing"},
};

Test(plain_calls, stand_for_calls)
{
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const char *path = strchr(calls[i].path, '/');
        AUTO_FREE char *method =
            xstrndup(calls[i].path, strcspn(calls[i].path, " /"));
        struct http_given given = {.method = *method ? method : "POST",
                                   .path = path,
                                   .body = calls[i].body,
                                   .body_len = strlen(calls[i].body)};
        struct http_refusal refusal;
        AUTO_MESSAGE Mesos__V1__Master__Call *call = plain_call(
            str_starts(path, "/quota") ? "/quota" : path, &given, &refusal);
        json_t *json = call ? wire_to_json(&call->base, WIRE_JSON_PROTO) : NULL;
        AUTO_FREE char *text =
            json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

        json_decref(json);
        cr_expect(str_eq(text, calls[i].call), "%s %s: %s", calls[i].path,
                  calls[i].body, str_or_empty(text));
        if (calls[i].call)
            continue;
        cr_expect_eq(refusal.status, 400);
        cr_expect_str_eq(refusal.text, calls[i].text, "%s %s: %s",
                         calls[i].path, calls[i].body, refusal.text);
    }
}
