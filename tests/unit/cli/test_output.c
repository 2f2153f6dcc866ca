/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/output.h"
#include "lib/base/base.h"

static const char plan_json[] =
    "{\"strategy\":\"serial\",\"status\":\"IN_PROGRESS\",\"errors\":[],"
    "\"phases\":[{\"id\":\"1\",\"name\":\"hello\",\"strategy\":\"serial\","
    "\"status\":\"COMPLETE\",\"steps\":[{\"id\":\"2\",\"name\":"
    "\"hello-0:[server]\",\"status\":\"COMPLETE\",\"message\":\"done\"}]},"
    "{\"id\":\"3\",\"name\":\"world\",\"strategy\":\"parallel\",\"status\":"
    "\"IN_PROGRESS\",\"steps\":[{\"id\":\"4\",\"name\":\"world-0:[server]\","
    "\"status\":\"COMPLETE\",\"message\":\"\"},{\"id\":\"5\",\"name\":"
    "\"world-1:[server]\",\"status\":\"PENDING\",\"message\":"
    "\"needs cpus 4\"}]}]}";

static json_t *load(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);

    cr_assert(json);
    return json;
}

static void expect_text(char *got, const char *want)
{
    cr_expect_str_eq(got, want);
    free(got);
}

Test(output, plan_tree)
{
    json_t *plan = load(plan_json);

    expect_text(output_plan_tree(plan, "deploy", false),
                "deploy (serial strategy) (IN_PROGRESS)\n"
                "├─ hello (serial strategy) (COMPLETE)\n"
                "│  └─ hello-0:[server] (COMPLETE)\n"
                "└─ world (parallel strategy) (IN_PROGRESS)\n"
                "   ├─ world-0:[server] (COMPLETE)\n"
                "   └─ world-1:[server] (PENDING)");
    expect_text(output_plan_tree(plan, "deploy", true),
                "deploy (serial strategy) (IN_PROGRESS)\n"
                "├─ hello (serial strategy) (COMPLETE)\n"
                "│  └─ hello-0:[server] (COMPLETE)\n"
                "└─ world (parallel strategy) (IN_PROGRESS)\n"
                "   ├─ world-0:[server] (COMPLETE)\n"
                "   └─ world-1:[server] (PENDING): needs cpus 4");
    json_decref(plan);
}

Test(output, plan_with_errors_and_gaps)
{
    json_t *plan = load("{\"errors\":[\"a\",\"b\"],\"phases\":[{}]}");

    expect_text(output_plan_tree(plan, "x", false),
                "x (<UNKNOWN> strategy) (<UNKNOWN>)\n"
                "└─ <UNKNOWN> (<UNKNOWN> strategy) (<UNKNOWN>)\n"
                "\nErrors:\n- a\n- b");
    json_decref(plan);
}

#define STEP(name, status, message)                                            \
    "{\"name\":\"" name "\",\"status\":\"" status "\",\"message\":\"" message  \
    "\"}"
static const struct {
    const char *name, *phases, *want;
} reason_cases[] = {
    {"no phases", "", ""},
    {"complete", "{\"steps\":[" STEP("a-0", "COMPLETE", "by hand") "]}", ""},
    {"says nothing", "{\"steps\":[" STEP("a-0", "PENDING", "") "]}", ""},
    {"one",
     "{\"steps\":[" STEP("a-0", "COMPLETE", "") "," STEP(
         "a-1", "PREPARED", "no offer fits: x\\ny") "]}",
     "Waiting:\n- a-1 (PREPARED): no offer fits: x"},
    {"neighbours share a line",
     "{\"steps\":[" STEP("a-0", "PREPARED", "x") "," STEP("a-1", "PENDING", "waits for a-0") "," STEP(
         "a-2", "PENDING",
         "waits for a-0") "]},"
                          "{\"steps\":[" STEP(
                              "b-0", "PENDING",
                              "waits for a-0") "," STEP("b-1", "DELAYED",
                                                        "waits for a-0") "]}",
     "Waiting:\n- a-0 (PREPARED): x\n- a-1 and 2 more (PENDING): waits for "
     "a-0\n- b-1 (DELAYED): waits for a-0"},
};

Test(output, plan_reasons)
{
    for (size_t i = 0; i < ARRAY_LEN(reason_cases); i++) {
        AUTO_FREE char *text =
            xasprintf("{\"phases\":[%s]}", reason_cases[i].phases);
        json_t *plan = load(text);
        AUTO_FREE char *got = output_plan_reasons(plan);
        cr_expect_str_eq(got, reason_cases[i].want, "case: %s: %s",
                         reason_cases[i].name, got);
        json_decref(plan);
    }
}

Test(output, plan_reasons_are_bounded)
{
    json_t *steps = json_array();
    for (int i = 0; i < 25; i++) {
        AUTO_FREE char *message = xasprintf("reason %d", i);
        json_array_append_new(steps,
                              json_pack("{s:s, s:s, s:s}", "name", "a",
                                        "status", "X", "message", message));
    }
    json_t *plan = json_pack("{s:[{s:o}]}", "phases", "steps", steps);
    AUTO_FREE char *got = output_plan_reasons(plan);
    cr_expect(strstr(got, "- a (X): reason 19\n- and 5 more: -o json"), "%s",
              got);
    json_decref(plan);
}

Test(output, plan_changes)
{
    json_t *before = load(plan_json), *now = load(plan_json);
    json_t *step = json_array_get(
        json_object_get(json_array_get(json_object_get(now, "phases"), 1),
                        "steps"),
        1);

    expect_text(output_plan_changes(before, now, "deploy"), "");
    json_object_set_new(step, "status", json_string("STARTING"));
    json_object_set_new(now, "status", json_string("COMPLETE"));
    expect_text(output_plan_changes(before, now, "deploy"),
                "world-1:[server] (STARTING): needs cpus 4\n"
                "deploy (COMPLETE)");
    expect_text(output_plan_changes(NULL, now, "deploy"),
                "hello-0:[server] (COMPLETE)\nworld-0:[server] (COMPLETE)\n"
                "world-1:[server] (STARTING): needs cpus 4\n"
                "deploy (COMPLETE)");
    json_decref(before);
    json_decref(now);
}

static const struct {
    const char *name, *json, *want;
} pod_cases[] = {
    {"service",
     "{\"service\":\"hw\",\"pods\":[{\"name\":\"hello\",\"instances\":[{"
     "\"name\":\"hello-0\",\"tasks\":[{\"name\":\"hello-0-server\",\"status\":"
     "\"RUNNING\"}]}]},{\"name\":\"world\",\"instances\":[{\"name\":"
     "\"world-0\",\"tasks\":[{\"name\":\"world-0-a\",\"status\":\"FAILED\"},{"
     "\"name\":\"world-0-b\"}]},{\"name\":\"world-1\",\"tasks\":[]}]}]}",
     "hw\n├─ hello\n│  └─ hello-0\n│     └─ hello-0-server (RUNNING)\n"
     "└─ world\n   ├─ world-0\n   │  ├─ world-0-a (FAILED)\n"
     "   │  └─ world-0-b (<UNKNOWN>)\n   └─ world-1"},
    {"instance",
     "{\"name\":\"world-0\",\"tasks\":[{\"name\":\"world-0-server\",\"status\":"
     "\"RUNNING\"}]}",
     "world-0\n└─ world-0-server (RUNNING)"},
    {"nothing deployed", "{\"service\":\"hw\"}", "hw"},
    {"empty", "{}", "<UNKNOWN>"},
};

Test(output, pod_tree)
{
    for (size_t i = 0; i < ARRAY_LEN(pod_cases); i++) {
        json_t *json = load(pod_cases[i].json);
        AUTO_FREE char *got = output_pod_tree(json);
        cr_expect_str_eq(got, pod_cases[i].want, "case: %s", pod_cases[i].name);
        json_decref(json);
    }
}

Test(output, suite)
{
    json_t *json =
        load("{\"healthy\":false,\"processes\":[{\"name\":\"state-store\","
             "\"answers\":true,\"healthy\":true,\"pid\":12,\"started_ms\":0,"
             "\"checks\":[]},{\"name\":\"offer-broker\",\"answers\":true,"
             "\"healthy\":false,\"pid\":13,\"started_ms\":999000000,\"checks\":"
             "[{\"name\":\"lease\",\"ok\":true,\"text\":\"held\",\"since_ms\":"
             "999940000},{\"name\":\"master\",\"ok\":false,\"text\":\"away\","
             "\"since_ms\":1000000001}]},{\"name\":\"planner\",\"answers\":"
             "false,\"error\":\"no answer\"}]}");

    expect_text(output_suite(json, 1000000000),
                "state-store   healthy, pid 12, up 11 d\n"
                "offer-broker  NOT HEALTHY, pid 13, up 16 min\n"
                "  ok     lease for 60 s: held\n"
                "  NOT OK master for 0 s: away\n"
                "planner       DOES NOT ANSWER: no answer");
    expect_text(output_suite(NULL, 0), "");
    json_decref(json);
}

Test(output, sentences)
{
    expect_text(output_sentence("deploy", NULL, NULL, "has been paused"),
                "\"deploy\" plan has been paused.");
    expect_text(output_sentence("deploy", "hello", NULL, "has been paused"),
                "\"deploy\" plan: phase \"hello\" has been paused.");
    expect_text(output_sentence("deploy", "p", "s", "has been restarted"),
                "\"deploy\" plan: step \"s\" in phase \"p\" has been "
                "restarted.");
}

static const struct {
    const char *explained, *text;
} explain_cases[] = {
    {"{\"service\":[],\"pods\":[]}", "all pods run"},
    {"{\"service\":[{\"why\":\"the master is away\"}],\"pods\":[]}",
     "the service\n- the master is away\nall pods ran when last heard of"},
    {"{\"service\":[],\"pods\":[{\"pod\":\"a-0\",\"runs\":false,\"findings\":"
     "[{\"why\":\"x\",\"unblock\":\"y\"}]}]}",
     "a-0 does not run\n- x\n  unblocked by: y"},
};

Test(output, explains)
{
    for (size_t i = 0; i < ARRAY_LEN(explain_cases); i++) {
        json_t *json = json_loads(explain_cases[i].explained, 0, NULL);
        AUTO_FREE char *text = output_explain(json);

        cr_expect_str_eq(text, explain_cases[i].text);
        json_decref(json);
    }
}
