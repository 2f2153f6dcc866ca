/* SPDX-License-Identifier: Apache-2.0 */
/* Health checks and metrics: changes, stamps, bounds. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/service/vitals.h"

Test(vitals, a_check_is_stamped_when_ok_changes)
{
    struct vitals *v = xcalloc(1, sizeof *v);
    cr_expect(vitals_is_healthy(v));
    cr_expect_eq(vitals_check(v, "redis", false, "away", 100), VITALS_NEW);
    cr_expect_not(vitals_is_healthy(v));
    cr_expect_eq(vitals_check(v, "redis", false, "away still", 200),
                 VITALS_SAME);
    cr_expect_eq(v->checks[0].since_wall_ms, 100);
    cr_expect_str_eq(v->checks[0].text, "away still");
    cr_expect_eq(vitals_check(v, "redis", true, "there", 300), VITALS_CHANGED);
    cr_expect_eq(v->checks[0].since_wall_ms, 300);
    cr_expect(vitals_is_healthy(v));
    free(v);
}

static const struct {
    const char *name;
    bool ok;
    const char *text;
    int64_t now_ms;
    enum vitals_change want;
} reword_cases[] = {
    {"first told", false, "master away", 1000, VITALS_NEW},
    {"another reason, too soon", false, "refused", 60999, VITALS_SAME},
    {"the first one, later", false, "master away", 99000, VITALS_SAME},
    {"another reason", false, "refused", 99001, VITALS_REWORDED},
    {"and soon another", false, "certificate", 99002, VITALS_SAME},
    {"which stays", false, "certificate", 159001, VITALS_REWORDED},
    {"well again", true, "there", 159003, VITALS_CHANGED},
    {"well with other words", true, "still there", 999000, VITALS_SAME},
};

Test(vitals, another_reason_is_told_now_and_then)
{
    struct vitals *v = xcalloc(1, sizeof *v);
    for (size_t i = 0; i < ARRAY_LEN(reword_cases); i++)
        cr_expect_eq(vitals_check(v, "master", reword_cases[i].ok,
                                  reword_cases[i].text, reword_cases[i].now_ms),
                     reword_cases[i].want, "case: %s", reword_cases[i].name);
    free(v);
}

Test(vitals, tables_are_bounded)
{
    struct vitals *v = xcalloc(1, sizeof *v);
    char name[32];
    for (int i = 0; i < VITALS_MAX_CHECKS; i++) {
        snprintf(name, sizeof name, "check-%d", i);
        cr_expect_eq(vitals_check(v, name, true, "", 1), VITALS_NEW);
    }
    cr_expect_eq(vitals_check(v, "more", false, "", 1), VITALS_FULL);
    cr_expect_eq(vitals_check(v, "check-0", true, "", 1), VITALS_SAME);

    static char names[VITALS_MAX_METRICS + 1][32];
    for (int i = 0; i <= VITALS_MAX_METRICS; i++) {
        snprintf(names[i], sizeof names[i], "metric.%d", i);
        struct metric *m = vitals_metric(v, names[i], "help");
        cr_expect_eq(m != NULL, i < VITALS_MAX_METRICS);
        if (m)
            m->value = i;
    }
    for (int i = 0; i < VITALS_MAX_METRICS; i++)
        cr_expect_eq(vitals_metric(v, names[i], "help")->value, i);
    free(v);
}
