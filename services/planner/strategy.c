/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/strategy.h"

#include <string.h>

#include "lib/base/base.h"
#include "services/planner/plan_status.h"

struct strategy strategy_parse(const char *name)
{
    const char *text = str_or_empty(name);
    return (struct strategy){
        .is_serial =
            !str_starts(text, "parallel") && !str_eq(text, "dependency"),
        .is_canary = str_eq(text, "canary") || str_ends(text, "-canary"),
    };
}

static bool is_eligible(const struct strategy_child *child)
{
    return child->status != PLAN_COMPLETE && !child->has_errors &&
           !child->is_interrupted;
}

void strategy_candidates(struct strategy strategy,
                         const struct strategy_child *children, size_t n,
                         bool *may_work)
{
    size_t end = strategy_canary_waiting(strategy, children, n);
    bool is_blocked = false; /* by an earlier child that is not complete */
    for (size_t i = 0; i < n; i++) {
        if (!strategy.is_serial &&
            (i == 0 || children[i].group != children[i - 1].group))
            is_blocked = false;
        may_work[i] = i < end && !is_blocked && is_eligible(&children[i]);
        if (children[i].status != PLAN_COMPLETE)
            is_blocked = true;
    }
}

size_t strategy_canary_waiting(struct strategy strategy,
                               const struct strategy_child *children, size_t n)
{
    if (!strategy.is_canary)
        return n;
    for (size_t i = 0; i < n; i++)
        if (children[i].is_interrupted && children[i].status != PLAN_COMPLETE)
            return i;
    return n;
}

bool strategy_canary_holds(struct strategy strategy,
                           const struct strategy_child *children, size_t n)
{
    size_t waiting = strategy_canary_waiting(strategy, children, n);
    if (waiting == n)
        return false;
    for (size_t i = 0; i < waiting; i++)
        if (children[i].status != PLAN_COMPLETE)
            return false;
    return true;
}
