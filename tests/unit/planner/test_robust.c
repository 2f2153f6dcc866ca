/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged and lying records: whatever the store holds, the engine and the verbs
 * end, without a crash and without two demands for one task. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/planner/changes.h"
#include "services/planner/operate.h"
#include "tests/unit/planner/world.h"

static const char yaml[] =
    "name: svc\n"
    "pods:\n"
    "  hello:\n"
    "    count: 3\n"
    "    tasks:\n"
    "      main: {goal: RUNNING, cmd: x, cpus: 0.1, memory: 32}\n"
    "      side: {goal: FINISH, essential: false, cmd: x, cpus: 0.1, "
    "memory: 32}\n"
    "  data: {count: 3, cmd: x, cpus: 0.1, memory: 32}\n"
    "plans:\n"
    "  deploy:\n"
    "    phases:\n"
    "      hello: {pod: hello, strategy: parallel-canary, steps: [default: "
    "[[main]]]}\n"
    "      data: {pod: data, strategy: parallel}\n"
    "  side: {phases: {side: {pod: hello, steps: [default: [[side]]]}}}\n";

static uint64_t chance = 1;

static size_t dice(size_t n)
{
    chance = chance * 6364136223846793005ull + 1442695040888963407ull;
    return (size_t)((chance >> 33) % n);
}

static void mutate(uint8_t *bytes, size_t *len)
{
    for (size_t k = dice(4) + 1; k > 0 && *len > 0; k--) {
        size_t at = dice(*len);
        switch (dice(4)) {
        case 0:
            bytes[at] = (uint8_t)dice(256);
            break;
        case 1:
            bytes[at] ^= (uint8_t)(1u << dice(8));
            break;
        case 2:
            *len = at;
            break;
        default:
            memmove(bytes + at, bytes + at + 1, *len - at - 1);
            (*len)--;
            break;
        }
    }
}

static void next_id(void *self, char out[37])
{
    snprintf(out, 37, "00000000-0000-4000-8000-%012d", ++*(int *)self);
}

static void decide(struct facts *facts, int64_t now_ms)
{
    int ids = 0;
    struct engine_input in = {
        .facts = facts, .now_ms = now_ms, .ids = {next_id, &ids}};
    struct engine_output out;
    struct err err;
    engine_step(&in, &out, &err);
    changes_free(&out.changes);

    char plan[] = "deploy", phase[] = "hello";
    for (int verb = 0; verb <= 7; verb++) {
        Reeve__PlanCommand command = REEVE__PLAN_COMMAND__INIT;
        command.plan = plan;
        command.phase = dice(2) ? phase : NULL;
        command.has_verb = true;
        command.verb = (Reeve__PlanCommand__Verb)verb;
        struct operate_source source = {.facts = facts, .now_ms = now_ms};
        AUTO_CHANGES struct changes changes = {0};
        char *reply = NULL;
        operate_plan(&source, &command, &changes, &reply, &err);
        free(reply);
    }
}

/* Facts of the world's store with one record mutated. */
static void try_one(const struct world *w, const char *key, uint8_t *value,
                    size_t len)
{
    struct facts *facts = world_facts_again(w);
    AUTO_FREE char *svc = NULL;
    const char *path = facts_split_key(key, &svc);
    struct err err;
    facts_apply(facts, path, value, len, w->revision + 1, &err);
    decide(facts, w->now_ms);
    facts_destroy(&facts);
}

Test(robust, any_record_may_be_damaged)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        AUTO_WORLD struct world w;
        world_start(&w, "robust", seed);
        world_declare(&w, yaml);
        w.fail_percent = 20;
        for (size_t i = 0; i < 20 * seed; i++)
            world_happen(&w);
        if (world_plan(&w, "side"))
            world_verb(&w, REEVE__PLAN_COMMAND__VERB__START, "side", NULL,
                       NULL);
        world_rest(&w);
        for (int i = 0; i < 300; i++) {
            const char *key;
            AUTO_BUF struct buf value = {0};
            world_pick(&w, dice(1000), &key, &value);
            size_t len = value.len;
            AUTO_FREE uint8_t *bytes = xmemdup(buf_text(&value), len + 1);
            mutate(bytes, &len);
            try_one(&w, key, bytes, len);
        }
    }
}

static const char *const strange_paths[] = {
    "",        "target/x", "task/", "task/a", "task//info", "task/a/b/info",
    "config/", "demand/",  "kill/", "plan/",  "property/",  "unknown/thing",
    "pod/",    "outcome/",
};

Test(robust, strange_keys)
{
    struct facts *facts = facts_new("svc");
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(strange_paths); i++) {
        facts_apply(facts, strange_paths[i], "", 0, 1, &err);
        facts_apply(facts, strange_paths[i], "\xff", 1, 2, &err);
        decide(facts, 1);
        facts_apply(facts, strange_paths[i], NULL, 0, 3, &err);
        decide(facts, 1);
    }
    facts_destroy(&facts);
    char *svc = NULL;
    cr_expect_null(facts_split_key("service/x", &svc));
    cr_expect_null(facts_split_key("service//x", &svc));
    cr_expect_null(facts_split_key("other/x/y", &svc));
}
