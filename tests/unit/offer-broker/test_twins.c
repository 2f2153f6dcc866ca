/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "make.h"
#include "services/offer-broker/twins.h"

static const struct {
    const char *name, *rules;
    bool lasts;
} refusals[] = {
    {"none", "", true},
    {"of what an agent is", "[[\"rack\",\"IS\",\"r1\"]]", true},
    {"of what an agent is not", "[[\"rack\",\"UNLIKE\",\"r1\"]]", true},
    {"one of each", "[[\"hostname\",\"UNIQUE\"]]", true},
    {"so many of each", "[[\"hostname\",\"MAX_PER\",\"2\"]]", true},
    {"as many as the others", "[[\"rack\",\"GROUP_BY\",\"3\"]]", false},
    {"both", "[[\"rack\",\"IS\",\"r1\"],[\"rack\",\"GROUP_BY\",\"3\"]]", false},
    {"not so many",
     "{\"@type\":\"NotRule\",\"rule\":{\"@type\":\"MaxPerHostnameRule\","
     "\"max\":2}}",
     false},
};

Test(twins, refusals_that_last)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct err err = {0};
        struct placement_rules *rules =
            placement_parse(refusals[i].rules, &err);

        cr_assert(rules, "case: %s: %s", refusals[i].name, err.text);
        cr_expect_eq(twin_refusal_lasts(rules), refusals[i].lasts, "case: %s",
                     refusals[i].name);
        placement_free(&rules);
    }
}

/* Each pod goes to the agent with the fewest, whatever grew meanwhile. */
Test(twins, least_crowded_first)
{
    struct demand_view view = {.demand = &(Reeve__Demand)REEVE__DEMAND__INIT};
    size_t crowds[100] = {0};
    struct twin *list = NULL, *twin;
    struct twin_pool pool;
    bool is_new;

    twin = twin_of(&list, &view, &is_new);
    cr_assert(is_new);
    for (size_t i = 0; i < ARRAY_LEN(crowds); i++) {
        crowds[i] = i * 7 % 5;
        twin_push(twin, (struct twin_pool){i, crowds[i]});
    }
    for (int n = 0; n < 1000; n++) {
        size_t least = 0;

        crowds[(size_t)n * 13 % ARRAY_LEN(crowds)]++; /* by somebody else */
        for (size_t i = 1; i < ARRAY_LEN(crowds); i++)
            if (crowds[i] < crowds[least])
                least = i;
        cr_assert(twin_pop(twin, crowds, &pool));
        cr_assert_eq(pool.at, least, "round %d: %zu, not %zu", n, pool.at,
                     least);
        twin_push(twin, pool);
        crowds[pool.at]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(crowds); i++)
        cr_assert(twin_pop(twin, crowds, &pool));
    cr_expect_not(twin_pop(twin, crowds, &pool));
    twins_free(&list);
    cr_expect_null(list);
}

Test(twins, who_is_one)
{
    char server[] = "server", side[] = "side";
    char *tasks[] = {server}, *others[] = {side};
    Reeve__Demand a = REEVE__DEMAND__INIT, b = a, c = a, d = a;
    Reeve__PodSpec pod = REEVE__POD_SPEC__INIT, other = pod;
    struct demand_view views[] = {{.demand = &a, .pod = &pod},
                                  {.demand = &b, .pod = &pod},
                                  {.demand = &c, .pod = &pod},
                                  {.demand = &d, .pod = &other}};
    struct twin *list = NULL;
    bool is_new;

    a.tasks = b.tasks = d.tasks = tasks;
    c.tasks = others;
    a.n_tasks = b.n_tasks = c.n_tasks = d.n_tasks = 1;
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        twin_of(&list, &views[i], &is_new);
        cr_expect_eq(is_new, i != 1, "%zu", i);
    }
    twins_free(&list);
}

Test(twins, possible)
{
    struct demand_view view = {.demand = &(Reeve__Demand)REEVE__DEMAND__INIT};
    Reeve__PodRecord record = REEVE__POD_RECORD__INIT;
    Reeve__TaskRecord sibling = REEVE__TASK_RECORD__INIT;
    struct placement_rules *rules = placement_parse("", NULL);

    cr_expect(twin_is_possible(&view, rules));
    view.record = &record;
    cr_expect_not(twin_is_possible(&view, rules), "it has reservations");
    view.record = NULL;
    view.sibling = &sibling;
    cr_expect_not(twin_is_possible(&view, rules), "it has an executor");
    view.sibling = NULL;
    placement_free(&rules);
    rules = placement_parse("{\"@type\":\"HookRule\",\"name\":\"h\"}", NULL);
    cr_assert(rules);
    cr_expect_not(twin_is_possible(&view, rules), "a hook is asked");
    placement_free(&rules);
}

Test(twins, reasons)
{
    struct reasons a = {0}, b = {0};

    reasons_add(&b, "h2", "full");
    reasons_add(&b, "h3", "fuller");
    reasons_join(&a, &b);
    reasons_add(&a, "h1", "too far");
    cr_expect_eq(a.count, 3);
    cr_expect_str_eq(a.first, "h2: full");
    cr_expect_str_eq(buf_text(&a.text), "h2: full\nh3: fuller\nh1: too far\n");
    for (int i = 0; i < 100000; i++)
        reasons_add(&a, "h", "as before");
    cr_expect_eq(a.count, 100003);
    cr_expect_lt(a.text.len, 5000);
    reasons_free(&a);
    reasons_free(&b);
    cr_expect_eq(a.count, 0);
}
