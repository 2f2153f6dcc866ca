/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/state-store/recovery.h"

/* Runs of a history written as "run:first_seq" pairs. */
struct side {
    bool is_there, is_partial;
    char lineage;
    uint64_t seq;
    struct run runs[4];
};

static const struct {
    const char *name;
    struct side log, redis;
    enum recovery what;
} cases[] = {
    {"nothing anywhere", {0}, {0}, RECOVERY_NEW},
    {"redis lost", {true, false, 'a', 9, {{1, 1}}}, {0}, RECOVERY_REFILL},
    {"log lost", {0}, {true, false, 'a', 9, {{1, 1}}}, RECOVERY_LOAD},
    {"log lost, redis half filled",
     {0},
     {true, true, 'a', 9, {{1, 1}}},
     RECOVERY_HALF},
    {"redis half filled",
     {true, false, 'a', 9, {{1, 1}}},
     {true, true, 'a', 0, {{0}}},
     RECOVERY_REFILL},
    {"both equal",
     {true, false, 'a', 9, {{1, 1}, {2, 5}}},
     {true, false, 'a', 9, {{1, 1}, {2, 5}}},
     RECOVERY_FOLLOW},
    {"redis behind, in the same run",
     {true, false, 'a', 9, {{1, 1}, {2, 5}}},
     {true, false, 'a', 7, {{1, 1}, {2, 5}}},
     RECOVERY_FOLLOW},
    {"redis rolled back to an earlier run",
     {true, false, 'a', 9, {{1, 1}, {2, 5}}},
     {true, false, 'a', 3, {{1, 1}}},
     RECOVERY_FOLLOW},
    {"log brought back from an old backup",
     {true, false, 'a', 3, {{1, 1}}},
     {true, false, 'a', 9, {{1, 1}, {2, 5}}},
     RECOVERY_LOAD},
    {"both went on alone, redis longer",
     {true, false, 'a', 6, {{1, 1}, {3, 4}}},
     {true, false, 'a', 9, {{1, 1}, {2, 4}}},
     RECOVERY_DIVERGED},
    {"both went on alone, log longer",
     {true, false, 'a', 9, {{1, 1}, {3, 4}}},
     {true, false, 'a', 6, {{1, 1}, {2, 4}}},
     RECOVERY_DIVERGED},
    {"another lineage",
     {true, false, 'a', 9, {{1, 1}}},
     {true, false, 'b', 9, {{1, 1}}},
     RECOVERY_FOREIGN},
    {"another lineage, half filled",
     {true, false, 'a', 9, {{1, 1}}},
     {true, true, 'b', 9, {{1, 1}}},
     RECOVERY_FOREIGN},
};

static struct copy copy_of(const struct side *side)
{
    struct copy copy = {.is_there = side->is_there,
                        .is_partial = side->is_partial,
                        .seq = side->seq};
    memset(copy.lineage, side->lineage, sizeof copy.lineage);
    for (size_t i = 0; i < ARRAY_LEN(side->runs) && side->runs[i].id; i++)
        history_add(&copy.history, side->runs[i]);
    return copy;
}

Test(recovery, decide)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct copy log = copy_of(&cases[i].log);
        struct copy redis = copy_of(&cases[i].redis);
        cr_expect_eq(recovery_decide(&log, &redis), cases[i].what, "case: %s",
                     cases[i].name);
        history_free(&log.history);
        history_free(&redis.history);
    }
}

Test(recovery, every_refusal_says_what_to_do)
{
    cr_expect_not_null(recovery_advice(RECOVERY_FOREIGN));
    cr_expect_not_null(recovery_advice(RECOVERY_DIVERGED));
    cr_expect_not_null(recovery_advice(RECOVERY_HALF));
    cr_expect_null(recovery_advice(RECOVERY_FOLLOW));
}

Test(recovery, forgets_the_oldest_run)
{
    struct history h = {0};
    for (uint64_t i = 1; i <= RUNS_REMEMBERED + 10; i++)
        history_add(&h, (struct run){i, i * 10});
    cr_expect_eq(h.n, RUNS_REMEMBERED);
    cr_expect_eq(history_run_at(&h, 5), 0);
    cr_expect_eq(history_run_at(&h, 10 * 100 + 5), 100);
    history_free(&h);
}
