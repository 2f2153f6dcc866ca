/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/planner/plan.h"
#include "services/planner/plan_status.h"
#include "services/planner/strategy.h"

/* A letter for each child: C complete, P pending, R prepared, S starting, T
 * started, W waiting, D delayed, I in progress, E error; lower case: and
 * interrupted.  '|' starts a new group. */
static Reeve__PlanStatus status_of(char letter)
{
    switch (letter & ~0x20) {
    case 'C':
        return PLAN_COMPLETE;
    case 'P':
        return PLAN_PENDING;
    case 'R':
        return PLAN_PREPARED;
    case 'S':
        return PLAN_STARTING;
    case 'T':
        return PLAN_STARTED;
    case 'W':
        return PLAN_WAITING;
    case 'D':
        return PLAN_DELAYED;
    case 'I':
        return PLAN_IN_PROGRESS;
    default:
        return PLAN_ERROR;
    }
}

static size_t children_of(const char *text, struct strategy_child *out)
{
    size_t n = 0;
    uint32_t group = 0;
    bool grouped = strchr(text, '|') != NULL;
    for (; *text; text++) {
        if (*text == '|') {
            group++;
            continue;
        }
        out[n] = (struct strategy_child){
            .status = status_of(*text),
            .has_errors = *text == 'E',
            .is_interrupted = (*text & 0x20) != 0,
            .group = grouped ? group : (uint32_t)n,
        };
        n++;
    }
    return n;
}

static const struct {
    const char *name, *strategy, *children, *may_work;
} candidate_cases[] = {
    {"serial, fresh", "serial", "PPP", "x.."},
    {"serial, the second", "serial", "CPP", ".x."},
    {"serial, under way", "serial", "CSP", ".x."},
    {"serial, an earlier one came back", "serial", "PCCP", "x..."},
    {"serial, delayed blocks", "serial", "DP", "x."},
    {"serial, an error blocks", "serial", "EP", ".."},
    {"serial, interrupted blocks", "serial", "wP", ".."},
    {"serial, done", "serial", "CC", ".."},
    {"unset is serial", NULL, "PP", "x."},
    {"parallel", "parallel", "PCSP", "x.xx"},
    {"parallel, an error only stops itself", "parallel", "EPP", ".xx"},
    {"parallel, interrupted", "parallel", "wP", ".x"},
    {"steps of one instance wait", "dependency", "PP|PP", "x.x."},
    {"the other instance does not", "dependency", "CP|PP", ".xx."},
    {"error inside an instance", "dependency", "EP|PP", "..x."},
    {"canary, both wait", "parallel-canary", "wwPP", "...."},
    {"canary, first released", "parallel-canary", "PwPP", "x..."},
    {"canary, first done", "parallel-canary", "CwPP", "...."},
    {"canary, both released", "parallel-canary", "CPPP", ".xxx"},
    {"canary, serial inside", "serial-canary", "CPPP", ".x.."},
    {"canary, one slot", "serial-canary", "CCCw", "...."},
    {"canary, forced while waiting", "serial-canary", "cPPP", ".x.."},
};

Test(strategy, candidates)
{
    for (size_t i = 0; i < ARRAY_LEN(candidate_cases); i++) {
        struct strategy_child children[8];
        bool may_work[8];
        char text[9] = "";
        size_t n = children_of(candidate_cases[i].children, children);
        strategy_candidates(strategy_parse(candidate_cases[i].strategy),
                            children, n, may_work);
        for (size_t k = 0; k < n; k++)
            text[k] = may_work[k] ? 'x' : '.';
        cr_expect_str_eq(text, candidate_cases[i].may_work, "case: %s: %s",
                         candidate_cases[i].name, text);
    }
}

static const struct {
    const char *name, *children;
    bool holds;
} canary_cases[] = {
    {"both wait", "wwPP", true},
    {"released, not begun", "PwPP", false},
    {"released, under way", "SwPP", false},
    {"first done", "CwPP", true},
    {"second released", "CPPP", false},
    {"all done", "CCCC", false},
    {"forced while waiting", "cwPP", true},
};

Test(strategy, canary_holds)
{
    for (size_t i = 0; i < ARRAY_LEN(canary_cases); i++) {
        struct strategy_child children[8];
        size_t n = children_of(canary_cases[i].children, children);
        cr_expect_eq(
            strategy_canary_holds(strategy_parse("serial-canary"), children, n),
            canary_cases[i].holds, "case: %s", canary_cases[i].name);
    }
}

static const struct {
    const char *name, *strategy, *children;
    bool has_errors, is_interrupted;
    char status;
} sum_cases[] = {
    {"empty", "serial", "", false, false, 'C'},
    {"empty and interrupted", "serial", "", false, true, 'C'},
    {"own errors", "serial", "CC", true, false, 'E'},
    {"error of a child", "serial", "CEP", false, false, 'E'},
    {"all complete", "serial", "CCC", false, false, 'C'},
    {"all complete, interrupted", "serial", "CCC", false, true, 'C'},
    {"interrupted", "serial", "CPP", false, true, 'W'},
    {"interrupted under way", "parallel", "CSS", false, true, 'W'},
    {"all delayed", "parallel", "DDD", false, false, 'D'},
    {"prepared", "serial", "RPP", false, false, 'I'},
    {"prepared, not a candidate", "serial", "PRP", false, false, 'I'},
    {"child in progress", "serial", "IP", false, false, 'I'},
    {"complete and pending", "serial", "CPP", false, false, 'I'},
    {"complete and starting", "serial", "CSP", false, false, 'I'},
    {"complete and started", "serial", "CTP", false, false, 'I'},
    {"all pending", "serial", "PPP", false, false, 'P'},
    {"starting", "serial", "SPP", false, false, 'S'},
    {"started", "serial", "TPP", false, false, 'T'},
    {"parallel, starting and pending", "parallel", "SPP", false, false, 'P'},
    {"a child waits", "serial", "wP", false, false, 'W'},
    {"complete and waiting", "serial", "CwP", false, false, 'W'},
    {"complete and delayed", "serial", "CDP", false, false, 'D'},
    {"complete and delayed, last", "parallel", "CD", false, false, 'D'},
    {"first delayed", "serial", "DP", false, false, 'D'},
    {"parallel, delayed and pending", "parallel", "DP", false, false, 'P'},
    {"parallel, delayed and started", "parallel", "DT", false, false, 'T'},
    {"a later one came back", "serial", "CPC", false, false, 'I'},
};

Test(plan, statuses_add_up)
{
    for (size_t i = 0; i < ARRAY_LEN(sum_cases); i++) {
        struct strategy_child children[8];
        bool may_work[8] = {false};
        size_t n = children_of(sum_cases[i].children, children);
        strategy_candidates(strategy_parse(sum_cases[i].strategy), children, n,
                            may_work);
        struct plan_parent parent = {sum_cases[i].has_errors,
                                     sum_cases[i].is_interrupted};
        Reeve__PlanStatus status =
            plan_aggregate(parent, children, n, may_work);
        cr_expect_eq(status, status_of(sum_cases[i].status), "case: %s: got %d",
                     sum_cases[i].name, (int)status);
    }
}

/* No mixture gives ERROR that has no error in it. */
Test(plan, every_mixture_has_a_status)
{
    static const char letters[] = "CPRSTDIw";
    for (size_t a = 0; a < 8; a++)
        for (size_t b = 0; b < 8; b++)
            for (size_t c = 0; c < 8; c++)
                for (int parallel = 0; parallel < 2; parallel++) {
                    char text[4] = {letters[a], letters[b], letters[c], 0};
                    struct strategy_child children[3];
                    bool may_work[3];
                    children_of(text, children);
                    strategy_candidates(
                        strategy_parse(parallel ? "parallel" : "serial"),
                        children, 3, may_work);
                    struct plan_parent parent = {false, false};
                    Reeve__PlanStatus status =
                        plan_aggregate(parent, children, 3, may_work);
                    cr_expect(status != PLAN_ERROR, "%s", text);
                    bool all = strcmp(text, "CCC") == 0;
                    cr_expect_eq(status == PLAN_COMPLETE, all, "%s", text);
                }
}
