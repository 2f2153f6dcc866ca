/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/hook_book.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "make.h"

static Reeve__LabelSpec *const no_attributes[1];

/* Asks about agent number `agent` for data-`index`; data-9 is on `elsewhere`.
 */
struct look {
    int64_t now_ms;
    unsigned index, agent;
    const char *rack, *elsewhere;
};

static enum place_verdict look_why(struct hook_book *book, struct look look,
                                   struct buf *why)
{
    struct hook_asker asker = hook_book_asker(book, "svc", look.now_ms);
    const struct placed placed = {.pod_type = "data",
                                  .pod_index = 9,
                                  .hostname = "h9",
                                  .agent_id = look.elsewhere,
                                  .attributes = no_attributes};
    AUTO_FREE char *id = xasprintf("S%u", look.agent);
    Mesos__V1__Offer *offer =
        make_offer("o1", id, "cpus:1", look.rack ? look.rack : "r1");
    struct place_in in = {.offer = offer,
                          .pod_type = "data",
                          .pod_index = look.index,
                          .placed = &placed,
                          .n_placed = look.elsewhere ? 1 : 0};
    enum place_verdict verdict = asker.hook.ask(&asker.hook, "h", &in, why);

    free_message(offer);
    return verdict;
}

static enum place_verdict look_at(struct hook_book *book, struct look look)
{
    AUTO_BUF struct buf why = {0};
    enum place_verdict verdict = look_why(book, look, &why);

    cr_expect_eq(why.len == 0, verdict == PLACE_YES, "%s", buf_text(&why));
    return verdict;
}

static struct hook_book *new_book(void)
{
    struct hook_book *book = hook_book_new(30000);

    hook_book_add(book, "h");
    return book;
}

/* What the hook says about S0: 'y', 'n', or nothing. */
struct said {
    char verdict;
    bool counts_places;
    uint32_t keep_ms;
    int64_t now_ms;
};

static int answer(struct hook_book *book, struct hook_call **call,
                  struct said said)
{
    Reeve__HookAnswer *message = PB_NEW(reeve__hook_answer);
    AUTO_BUF struct buf bytes = {0};
    struct hook_bytes in = {.now_ms = said.now_ms};
    int rc;

    if (said.verdict) {
        Reeve__HookVerdict *verdict = PB_NEW(reeve__hook_verdict);

        verdict->agent_id = xstrdup("S0");
        PB_SET(verdict, admits, said.verdict == 'y');
        verdict->reason = xstrdup("too\nwarm");
        PB_ADD(message, verdicts, verdict);
    }
    if (said.counts_places)
        PB_SET(message, counts_places, true);
    if (said.keep_ms)
        PB_SET(message, keep_ms, said.keep_ms);
    wire_encode(&message->base, &bytes);
    in.data = bytes.data;
    in.len = bytes.len;
    rc = hook_book_answer(book, call, &in, NULL);
    PB_FREE(message);
    return rc;
}

/* Asked about S0 at 1000 for data-0, answered at 1010. */
static const struct {
    const char *name;
    struct said said;
    struct look look;
    enum place_verdict verdict;
} cases[] = {
    {"admitted", {.verdict = 'y'}, {.now_ms = 2000}, PLACE_YES},
    {"refused", {.verdict = 'n'}, {.now_ms = 2000}, PLACE_NO},
    {"said nothing", {0}, {.now_ms = 2000}, PLACE_UNKNOWN},
    {"another agent",
     {.verdict = 'y'},
     {.now_ms = 2000, .agent = 1},
     PLACE_UNKNOWN},
    {"another instance",
     {.verdict = 'y'},
     {.now_ms = 2000, .index = 1},
     PLACE_UNKNOWN},
    {"the agent is another now",
     {.verdict = 'y'},
     {.now_ms = 2000, .rack = "r2"},
     PLACE_UNKNOWN},
    {"to the end", {.verdict = 'y'}, {.now_ms = 31009}, PLACE_YES},
    {"over", {.verdict = 'y'}, {.now_ms = 31010}, PLACE_UNKNOWN},
    {"a no is over too", {.verdict = 'n'}, {.now_ms = 31010}, PLACE_UNKNOWN},
    {"as long as it said",
     {.verdict = 'y', .keep_ms = 5000},
     {.now_ms = 6009},
     PLACE_YES},
    {"no longer",
     {.verdict = 'y', .keep_ms = 5000},
     {.now_ms = 6010},
     PLACE_UNKNOWN},
    {"a second at least",
     {.verdict = 'y', .keep_ms = 1},
     {.now_ms = 2009},
     PLACE_YES},
    {"an hour at most",
     {.verdict = 'y', .keep_ms = 4000000000},
     {.now_ms = 3601010},
     PLACE_UNKNOWN},
    {"others may move",
     {.verdict = 'y'},
     {.now_ms = 2000, .elsewhere = "S7"},
     PLACE_YES},
    {"but not where it counts",
     {.verdict = 'y', .counts_places = true},
     {.now_ms = 2000, .elsewhere = "S7"},
     PLACE_UNKNOWN},
    {"which they did not",
     {.verdict = 'y', .counts_places = true},
     {.now_ms = 2000},
     PLACE_YES},
};

Test(hook_book, verdicts)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct hook_book *book = new_book();
        struct said said = cases[i].said;
        struct hook_call *call;

        said.now_ms = 1010;
        cr_expect_eq(look_at(book, (struct look){.now_ms = 1000}),
                     PLACE_UNKNOWN);
        call = hook_book_take(book, 1000);
        cr_assert(call, "case: %s", cases[i].name);
        cr_expect_eq(call->ask->n_agents, 1);
        cr_expect_str_eq(call->ask->agents[0]->agent_id, "S0");
        cr_expect_str_eq(call->ask->service, "svc");
        cr_expect_null(hook_book_take(book, 1000), "case: %s", cases[i].name);
        cr_expect_eq(answer(book, &call, said), 0, "case: %s", cases[i].name);
        cr_expect_eq(look_at(book, cases[i].look), cases[i].verdict, "case: %s",
                     cases[i].name);
        call = hook_book_take(book, cases[i].look.now_ms);
        cr_expect_eq(call != NULL,
                     cases[i].verdict == PLACE_UNKNOWN && said.verdict,
                     "case: %s: asked again", cases[i].name);
        hook_call_destroy(&call);
        hook_book_destroy(&book);
    }
}

Test(hook_book, says_why)
{
    struct hook_book *book = new_book();
    AUTO_BUF struct buf why = {0};
    struct hook_call *call;

    look_why(book, (struct look){.now_ms = 1000}, &why);
    cr_expect_str_eq(buf_text(&why), "placement hook h has not answered yet");
    call = hook_book_take(book, 1000);
    hook_book_fail(book, &call, "no answer", 3000);
    buf_clear(&why);
    look_why(book, (struct look){.now_ms = 3001}, &why);
    cr_expect_str_eq(buf_text(&why),
                     "placement hook h does not answer: no answer");
    cr_expect_str_eq(hook_book_problem(book, "h"), "no answer");
    call = hook_book_take(book, 4000);
    cr_assert(call);
    cr_expect_eq(
        answer(book, &call, (struct said){.verdict = 'n', .now_ms = 4001}), 0);
    buf_clear(&why);
    look_why(book, (struct look){.now_ms = 4002}, &why);
    cr_expect_str_eq(buf_text(&why), "placement hook h: too warm");
    cr_expect_null(hook_book_problem(book, "h"));
    hook_book_destroy(&book);
}

/* A second, two, four, eight, fifteen and then always fifteen. */
Test(hook_book, leaves_a_silent_one_alone)
{
    static const int64_t waits[] = {1000, 2000, 4000, 8000, 15000, 15000};
    struct hook_book *book = new_book();
    int64_t now_ms = 1000;

    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        struct hook_call *first, *second;

        look_at(book, (struct look){.now_ms = now_ms});
        look_at(book, (struct look){.now_ms = now_ms, .index = 1});
        first = hook_book_take(book, now_ms);
        second = hook_book_take(book, now_ms);
        cr_assert(first && second, "round %zu", i);
        hook_book_fail(book, &first, "no answer", now_ms);
        hook_book_fail(book, &second, "no answer", now_ms);
        look_at(book, (struct look){.now_ms = now_ms + waits[i] - 1});
        cr_expect_null(hook_book_take(book, now_ms + waits[i] - 1), "round %zu",
                       i);
        now_ms += waits[i];
    }
    hook_book_destroy(&book);
}

Test(hook_book, is_bounded)
{
    struct hook_book *book = new_book();
    struct hook_call *calls[HOOK_MAX_CALLS + 1];
    size_t n = 0;

    for (unsigned i = 0; i < HOOK_MAX_AGENTS + 3; i++)
        look_at(book, (struct look){.now_ms = 1000, .agent = i});
    for (unsigned i = 1; i < HOOK_MAX_CALLS + 3; i++)
        look_at(book, (struct look){.now_ms = 1000, .index = i});
    while ((calls[n] = hook_book_take(book, 1000)) != NULL)
        n++;
    cr_expect_eq(n, HOOK_MAX_CALLS);
    for (size_t i = 0; i < n; i++) {
        cr_expect_leq(calls[i]->ask->n_agents, HOOK_MAX_AGENTS);
        cr_expect_eq(answer(book, &calls[i],
                            (struct said){.verdict = 'n', .now_ms = 1001}),
                     0);
    }
    cr_expect_eq(hook_book_verdicts(book),
                 HOOK_MAX_AGENTS + HOOK_MAX_CALLS - 1);
    calls[0] = hook_book_take(book, 1002); /* the two that had to wait */
    cr_expect_not_null(calls[0]);
    hook_book_fail(book, &calls[0], "gone", 1003);
    hook_book_sweep(book, 1001 + 3600000);
    cr_expect_eq(hook_book_verdicts(book), 0);
    hook_book_destroy(&book);
}

Test(hook_book, a_question_is_of_one_pass)
{
    struct hook_book *book = new_book();
    struct hook_call *call;

    look_at(book, (struct look){.now_ms = 1000, .agent = 1, .elsewhere = "S8"});
    look_at(book, (struct look){.now_ms = 1001, .agent = 2, .elsewhere = "S7"});
    call = hook_book_take(book, 1001);
    cr_assert(call);
    cr_expect_eq(call->ask->n_agents, 1);
    cr_expect_str_eq(call->ask->agents[0]->agent_id, "S2");
    cr_expect_eq(call->ask->n_placed, 1);
    cr_expect_str_eq(call->ask->placed[0]->agent_id, "S7");
    /* While it is under way nothing else is asked for this instance. */
    look_at(book, (struct look){.now_ms = 1002, .agent = 3});
    cr_expect_null(hook_book_take(book, 1002));
    hook_book_fail(book, &call, "gone", 1003);
    hook_book_destroy(&book);
}

Test(hook_book, nonsense_is_no_answer)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        int rc;
    } odd[] = {
        {"garbage", "\xff\xff\xff\xff", 4, -1},
        {"cut", "\x0a\x09\x0a\x02S0", 6, -1},
        {"nothing", "", 0, 0},
        {"an agent nobody asked for", "\x0a\x06\x0a\x02S5\x10\x01", 8, 1},
        {"a verdict about none", "\x0a\x02\x10\x01", 4, 1},
        {"yes and no", "\x0a\x06\x0a\x02S0\x10\x01\x0a\x06\x0a\x02S0\x10\x00",
         16, 0},
        {"no and yes", "\x0a\x06\x0a\x02S0\x10\x00\x0a\x06\x0a\x02S0\x10\x01",
         16, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct hook_book *book = new_book();
        const struct hook_bytes bytes = {odd[i].bytes, odd[i].len, 1001};
        struct hook_call *call;

        look_at(book, (struct look){.now_ms = 1000});
        call = hook_book_take(book, 1000);
        cr_expect_eq(hook_book_answer(book, &call, &bytes, NULL), odd[i].rc,
                     "case: %s", odd[i].name);
        cr_expect_neq(look_at(book, (struct look){.now_ms = 1002}), PLACE_YES,
                      "case: %s", odd[i].name);
        cr_expect_neq(look_at(book, (struct look){.now_ms = 1002, .agent = 5}),
                      PLACE_YES, "case: %s", odd[i].name);
        hook_book_destroy(&book);
    }
}
