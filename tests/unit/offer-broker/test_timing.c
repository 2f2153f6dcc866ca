/* SPDX-License-Identifier: Apache-2.0 */
/* The three that only keep time: reconcile, kill_book, flow. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/offer-broker/flow.h"
#include "services/offer-broker/kill_book.h"
#include "services/offer-broker/reconcile.h"

static char asked[200];

static void on_ask(void *self, const char *task_id, const char *agent_id)
{
    (void)self;
    snprintf(asked + strlen(asked), sizeof(asked) - strlen(asked), "%s@%s ",
             task_id, str_or_empty(agent_id));
}

static const char *ask_at(struct reconcile *r, int64_t now_ms,
                          struct reconcile_due *due)
{
    asked[0] = '\0';
    *due = reconcile_due(r, now_ms, on_ask, NULL);
    return asked;
}

Test(reconcile, asks_until_answered)
{
    struct reconcile *r = reconcile_new();
    struct reconcile_due due;

    reconcile_start(r, 1000);
    reconcile_add(r, "a", "S0", 1000);
    reconcile_add(r, "b", NULL, 1000);
    cr_expect_str_eq(ask_at(r, 1000, &due), "a@S0 b@ ");
    cr_expect_not(due.implicit);
    cr_expect_str_eq(ask_at(r, 5999, &due), "");
    reconcile_heard(r, "a", 3000);
    cr_expect_str_eq(ask_at(r, 6000, &due), "b@ ");
    cr_expect_str_eq(ask_at(r, 15999, &due), "");
    cr_expect_str_eq(ask_at(r, 16000, &due), "b@ ");
    cr_expect_eq(reconcile_open(r), 1);
    reconcile_heard(r, "b", 16001);
    reconcile_heard(r, "b", 16002);
    cr_expect(reconcile_is_complete(r));
    ask_at(r, 16003, &due);
    cr_expect(due.implicit);
    ask_at(r, 16004, &due);
    cr_expect_not(due.implicit);
    cr_expect_not(due.start_round);
    ask_at(r, 1000 + RECONCILE_ROUND_MS, &due);
    cr_expect(due.start_round);
    reconcile_destroy(&r);
}

Test(reconcile, pause_is_bounded)
{
    struct reconcile *r = reconcile_new();
    struct reconcile_due due;
    int64_t now = 0, last = 0, longest = 0;

    reconcile_start(r, 0);
    reconcile_add(r, "a", "S0", 0);
    for (; now < 4000000; now += 1000) {
        if (!*ask_at(r, now, &due))
            continue;
        longest = MAX(longest, now - last);
        last = now;
    }
    cr_expect_eq(longest, RECONCILE_MOST_MS);
    reconcile_destroy(&r);
}

Test(reconcile, single_questions_are_rare)
{
    struct reconcile *r = reconcile_new();
    struct reconcile_due due;

    reconcile_poke(r, "early", "S0", 0); /* no subscription yet */
    cr_expect_str_eq(ask_at(r, 0, &due), "");
    reconcile_start(r, 0);
    reconcile_poke(r, "a", "S0", 100);
    cr_expect_str_eq(ask_at(r, 100, &due), "a@S0 ");
    reconcile_heard(r, "a", 200);
    reconcile_poke(r, "a", "S0", 300);
    cr_expect_str_eq(ask_at(r, 300, &due), "");
    cr_expect_str_eq(ask_at(r, 200 + RECONCILE_QUIET_MS, &due), "a@S0 ");
    reconcile_heard(r, "never asked", 1);
    reconcile_stop(r);
    cr_expect_str_eq(ask_at(r, 999999, &due), "");
    reconcile_destroy(&r);
}

Test(kill_book, repeats_with_growing_pauses)
{
    struct kill_book *book = kill_book_new();
    int64_t sent_at[8];
    size_t n = 0;

    for (int64_t now = 0; now < 400000 && n < 8; now += 500)
        if (kill_book_is_due(book, "a", now))
            sent_at[n++] = now;
    cr_assert_eq(n, 8);
    cr_expect_eq(sent_at[1] - sent_at[0], 5000);
    cr_expect_eq(sent_at[2] - sent_at[1], 10000);
    cr_expect_eq(sent_at[7] - sent_at[6], KILL_MOST_MS);
    cr_expect(kill_book_is_due(book, "b", 1));
    cr_expect_eq(kill_book_count(book), 2);
    kill_book_forget(book, "b");
    cr_expect(kill_book_is_due(book, "b", 2));
    kill_book_clear(book);
    cr_expect(kill_book_is_due(book, "a", 3));
    kill_book_destroy(&book);
}

Test(flow, suppresses_once_when_idle)
{
    struct flow flow;

    flow_subscribed(&flow, 0);
    cr_expect_eq(flow_decide(&flow, false, FLOW_IDLE_MS - 1), FLOW_NOTHING);
    cr_expect_eq(flow_decide(&flow, false, FLOW_IDLE_MS), FLOW_SUPPRESS);
    cr_expect_eq(flow_decide(&flow, false, FLOW_IDLE_MS + 1), FLOW_NOTHING);
}

Test(flow, short_pauses_between_steps_are_not_idle)
{
    struct flow flow;

    flow_subscribed(&flow, 0);
    cr_expect_eq(flow_decide(&flow, true, 10000), FLOW_NOTHING);
    cr_expect_eq(flow_decide(&flow, false, 10100), FLOW_NOTHING);
    cr_expect_eq(flow_decide(&flow, false, 12000), FLOW_NOTHING);
    cr_expect_eq(flow_decide(&flow, true, 12100), FLOW_NOTHING);
}

Test(flow, revives_for_new_work_and_joins_wishes)
{
    struct flow flow;

    flow_subscribed(&flow, 0);
    flow_decide(&flow, false, FLOW_IDLE_MS);
    cr_expect_eq(flow_decide(&flow, true, 5000), FLOW_REVIVE);
    flow_new_work(&flow);
    cr_expect_eq(flow_decide(&flow, true, 5001), FLOW_NOTHING);
    flow_new_work(&flow);
    cr_expect_eq(flow_decide(&flow, true, 5000 + FLOW_REVIVE_EVERY_MS),
                 FLOW_REVIVE);
    cr_expect_eq(flow_decide(&flow, true, 9000), FLOW_NOTHING);
}

Test(flow, asks_again_when_nothing_comes)
{
    struct flow flow;

    flow_subscribed(&flow, 0);
    cr_expect_eq(flow_decide(&flow, true, FLOW_SILENCE_MS - 1), FLOW_NOTHING);
    cr_expect_eq(flow_decide(&flow, true, FLOW_SILENCE_MS), FLOW_REVIVE);
    flow_offered(&flow, FLOW_SILENCE_MS + 50000);
    cr_expect_eq(flow_decide(&flow, true, 2 * FLOW_SILENCE_MS + 1000),
                 FLOW_NOTHING);
}
