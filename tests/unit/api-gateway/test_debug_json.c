/* SPDX-License-Identifier: Apache-2.0 */
/* debug_json and explain_json: what people read when something stands still. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/api-gateway/fake_source.h"
#include "lib/base/base.h"
#include "services/api-gateway/debug_json.h"
#include "services/api-gateway/explain_json.h"

static char *text_of(json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    json_decref(json);
    return text;
}

Test(debug_json, offers_have_the_keys_of_the_sdk)
{
    Reeve__OffersReply reply = REEVE__OFFERS_REPLY__INIT;
    Reeve__Evaluation evaluation = REEVE__EVALUATION__INIT;
    Reeve__Tally stage = REEVE__TALLY__INIT, agent = REEVE__TALLY__INIT;
    Reeve__Evaluation *evaluations[] = {&evaluation};
    Reeve__Tally *stages[] = {&stage}, *agents[] = {&agent};
    char *lines[] = {"PASS(PlacementRuleEvaluationStage)",
                     "FAIL(ResourceEvaluationStage): cpus"};

    evaluation.pod = "hello-0:[server]";
    evaluation.wall_ms = 1541112345678;
    evaluation.explanation = lines;
    evaluation.n_explanation = 2;
    stage.name = "ResourceEvaluationStage";
    stage.count = 3;
    agent.name = "S0";
    agent.count = 3;
    reply.evaluations = evaluations;
    reply.n_evaluations = 1;
    reply.failures_by_stage = stages;
    reply.n_failures_by_stage = 1;
    reply.failures_by_agent = agents;
    reply.n_failures_by_agent = 1;
    reply.passed = 1;
    reply.failed = 3;
    AUTO_FREE char *text = text_of(debug_json_offers(&reply));
    cr_expect(strstr(text, "\"acceptedCount\":1,\"rejectedCount\":3,"
                           "\"failureReasons\":{\"ResourceEvaluationStage\":3},"
                           "\"rejectedAgents\":{\"S0\":3},\"offers\":[{"
                           "\"timestamp\":1541112345678,\"pod-instance-name\":"
                           "\"hello-0:[server]\",\"outcome\":\"fail\","
                           "\"explanation\":[\"PASS("),
              "%s", text);
}

static const struct {
    Reeve__Reservation__Standing standing;
    const char *word;
} standing_cases[] = {
    {REEVE__RESERVATION__STANDING__WANTED, "\"wanted\":1"},
    {REEVE__RESERVATION__STANDING__UNCONFIRMED, "\"unconfirmed\":1"},
    {REEVE__RESERVATION__STANDING__GIVEN_UP, "\"given up\":1"},
    {REEVE__RESERVATION__STANDING__RELEASED, "\"released\":1"},
    {REEVE__RESERVATION__STANDING__UNKNOWN, "\"unknown\":1"},
    {REEVE__RESERVATION__STANDING__FOREIGN, "\"foreign\":1"},
    {(Reeve__Reservation__Standing)77, "\"unknown\":1"},
};

Test(debug_json, reservations_by_host_and_with_all_that_is_known)
{
    for (size_t i = 0; i < ARRAY_LEN(standing_cases); i++) {
        Reeve__ReservationsReply reply = REEVE__RESERVATIONS_REPLY__INIT;
        Reeve__Reservation one = REEVE__RESERVATION__INIT;
        Reeve__Reservation *list[] = {&one, &one};

        one.standing = standing_cases[i].standing;
        one.resource_id = "id-1";
        one.hostname = "host-1";
        reply.reservations = list;
        reply.n_reservations = 2;
        AUTO_FREE char *plain = text_of(debug_json_reservations(&reply));
        cr_expect_str_eq(plain, "{\"host-1\":[\"id-1\",\"id-1\"]}");
        reply.n_reservations = 1;
        AUTO_FREE char *all = text_of(debug_json_reservation_list(&reply));
        cr_expect(strstr(all, standing_cases[i].word), "case %zu: %s", i, all);
    }
}

/* ---- explain ---- */
static void put_target(struct fake_source *fake)
{
    Reeve__Target target = REEVE__TARGET__INIT;
    Reeve__Config config = REEVE__CONFIG__INIT;
    Reeve__ServiceSpec spec = REEVE__SERVICE_SPEC__INIT;
    Reeve__PodSpec pod = REEVE__POD_SPEC__INIT;
    Reeve__PodSpec *pods[] = {&pod};

    pod.type = "data";
    pod.has_count = 1;
    pod.count = 2;
    spec.pods = pods;
    spec.n_pods = 1;
    config.id = target.config_id = "c1";
    config.spec = &spec;
    fake_source_put(fake, "service/data-store/target", &target.base);
    fake_source_put(fake, "service/data-store/config/c1", &config.base);
}

static void put_status(struct fake_source *fake, int state, bool ready)
{
    static const char *const names[] = {
        [MESOS__V1__TASK_STATE__TASK_RUNNING] = "TASK_RUNNING",
        [MESOS__V1__TASK_STATE__TASK_UNREACHABLE] = "TASK_UNREACHABLE",
        [MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR] =
            "TASK_GONE_BY_OPERATOR",
        [MESOS__V1__TASK_STATE__TASK_FAILED] = "TASK_FAILED",
        [MESOS__V1__TASK_STATE__TASK_STARTING] = "TASK_STARTING",
    };
    Reeve__TaskStatusRecord status = REEVE__TASK_STATUS_RECORD__INIT;

    status.task_id = "data-store__data-0__1";
    status.has_state = 1;
    status.state = state;
    status.state_name = (char *)names[state];
    status.has_ready = 1;
    status.ready = ready;
    fake_source_put(fake, "service/data-store/task/data-0/status",
                    &status.base);
}

static const struct {
    int state;
    bool ready;
    bool runs;
    const char *says; /* in the findings; NULL: there are none */
} task_cases[] = {
    {MESOS__V1__TASK_STATE__TASK_RUNNING, true, true, NULL},
    {MESOS__V1__TASK_STATE__TASK_RUNNING, false, false, "not up yet"},
    {MESOS__V1__TASK_STATE__TASK_STARTING, false, false, "TASK_STARTING"},
    {MESOS__V1__TASK_STATE__TASK_FAILED, false, false, "ended: TASK_FAILED"},
    {MESOS__V1__TASK_STATE__TASK_UNREACHABLE, true, false,
     "reeve pod replace data-0"},
    {MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR, false, false,
     "reeve pod replace data-0"},
};

Test(explain, says_why_a_pod_does_not_run)
{
    for (size_t i = 0; i < ARRAY_LEN(task_cases); i++) {
        AUTO(fake_source) struct fake_source *fake = fake_source_new();
        struct view view = {fake_source_view(fake), "data-store"};

        put_target(fake);
        fake_source_task(fake, "data", 0, "TASK_RUNNING");
        put_status(fake, task_cases[i].state, task_cases[i].ready);
        json_t *json = explain_json(&view, "data-0");
        cr_assert(json, "case %zu", i);
        json_t *pod = json_array_get(json_object_get(json, "pods"), 0);
        cr_expect_eq(json_is_true(json_object_get(pod, "runs")),
                     task_cases[i].runs, "case %zu", i);
        AUTO_FREE char *text =
            text_of(json_incref(json_object_get(pod, "findings")));
        if (task_cases[i].says)
            cr_expect(strstr(text, task_cases[i].says), "case %zu: %s", i,
                      text);
        else
            cr_expect_str_eq(text, "[]", "case %zu", i);
        json_decref(json);
    }
}

Test(explain, tells_of_those_that_do_not_run)
{
    AUTO(fake_source) struct fake_source *fake = fake_source_new();
    struct view view = {fake_source_view(fake), "data-store"};
    Reeve__Framework framework = REEVE__FRAMEWORK__INIT;
    Reeve__Outcome outcome = REEVE__OUTCOME__INIT;
    char *reasons[] = {"host-1: cpus 1 offered, 5 needed"};

    put_target(fake);
    fake_source_task(fake, "data", 0, "TASK_RUNNING");
    put_status(fake, MESOS__V1__TASK_STATE__TASK_RUNNING, true);
    framework.hindrance = "another framework of that name";
    outcome.summary = "none fits";
    outcome.reasons = reasons;
    outcome.n_reasons = 1;
    fake_source_put(fake, "service/data-store/framework", &framework.base);
    fake_source_put(fake, "service/data-store/outcome/data-1", &outcome.base);
    AUTO_FREE char *text = text_of(explain_json(&view, NULL));
    cr_expect_not(strstr(text, "data-0"), "%s", text);
    cr_expect(strstr(text, "\"pod\":\"data-1\",\"runs\":false"), "%s", text);
    cr_expect(strstr(text, "never launched"), "%s", text);
    cr_expect(strstr(text, "\"why\":\"none fits\",\"unblock\":"), "%s", text);
    cr_expect(strstr(text, "\"offers\":[\"host-1: cpus 1"), "%s", text);
    cr_expect(strstr(text, "another framework of that name"), "%s", text);
    cr_expect_null(explain_json(&view, "data-7"));
}
