/* SPDX-License-Identifier: Apache-2.0 */
/* twins - see twins.h
 *
 * A binary heap.  Crowds only grow, so that a pool whose crowd is out of date
 * is found when it comes to the top, and sinks again.
 */
#include "services/offer-broker/twins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"

#define MAX_REASON_LEN 4000

/* ---- reasons ------------------------------------------------------ */
void reasons_add(struct reasons *reasons, const char *hostname, const char *why)
{
    if (reasons->count++ == 0)
        snprintf(reasons->first, sizeof(reasons->first), "%s: %s", hostname,
                 why);
    if (reasons->text.len < MAX_REASON_LEN)
        buf_addf(&reasons->text, "%s: %s\n", hostname, why);
}

void reasons_join(struct reasons *reasons, const struct reasons *more)
{
    if (reasons->count == 0)
        memcpy(reasons->first, more->first, sizeof(reasons->first));
    reasons->count += more->count;
    if (reasons->text.len < MAX_REASON_LEN)
        buf_add(&reasons->text, more->text.data, more->text.len);
}

void reasons_free(struct reasons *reasons)
{
    buf_free(&reasons->text);
    *reasons = (struct reasons){0};
}

/* ---- who are twins ------------------------------------------------ */
bool twin_is_possible(const struct demand_view *view,
                      const struct placement_rules *rules)
{
    for (size_t i = 0; i < placement_count(rules); i++)
        if (placement_rule_hook(placement_at(rules, i)))
            return false;
    return !view->record && !view->sibling;
}

static bool is_twin(const struct demand_view *a, const struct demand_view *b)
{
    if (a->pod != b->pod || a->config != b->config ||
        a->demand->recovery != b->demand->recovery ||
        a->demand->n_tasks != b->demand->n_tasks)
        return false;
    for (size_t i = 0; i < a->demand->n_tasks; i++)
        if (!str_eq(a->demand->tasks[i], b->demand->tasks[i]))
            return false;
    return true;
}

struct twin *twin_of(struct twin **list, const struct demand_view *view,
                     bool *is_new)
{
    struct twin *twin = *list;

    while (twin && !is_twin(twin->like, view))
        twin = twin->next;
    *is_new = !twin;
    if (twin)
        return twin;
    twin = xcalloc(1, sizeof(*twin));
    twin->like = view;
    twin->next = *list;
    *list = twin;
    return twin;
}

void twin_clear(struct twin *twin)
{
    twin->count = 0;
    twin->is_put_off = false;
    twin->has_failed = false;
    reasons_free(&twin->reasons);
    reasons_free(&twin->last);
}

void twins_free(struct twin **list)
{
    struct twin *twin, *next;

    for (twin = *list; twin; twin = next) {
        next = twin->next;
        twin_clear(twin);
        free(twin->heap);
        free(twin);
    }
    *list = NULL;
}

/* ---- their pools -------------------------------------------------- */
static bool is_before(const struct twin_pool *a, const struct twin_pool *b)
{
    return a->crowd != b->crowd ? a->crowd < b->crowd : a->at < b->at;
}

static void swap(struct twin_pool *a, struct twin_pool *b)
{
    struct twin_pool one = *a;

    *a = *b;
    *b = one;
}

static void sink(struct twin *t, size_t i)
{
    for (;;) {
        size_t least = i;

        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < t->count; k++)
            if (is_before(&t->heap[k], &t->heap[least]))
                least = k;
        if (least == i)
            return;
        swap(&t->heap[i], &t->heap[least]);
        i = least;
    }
}

void twin_push(struct twin *t, struct twin_pool pool)
{
    size_t i = t->count++;

    if (t->count > t->capacity) {
        t->capacity = MAX(64, 2 * t->capacity);
        t->heap = xrealloc(t->heap, t->capacity * sizeof(*t->heap));
    }
    t->heap[i] = pool;
    for (; i > 0 && is_before(&t->heap[i], &t->heap[(i - 1) / 2]);
         i = (i - 1) / 2)
        swap(&t->heap[i], &t->heap[(i - 1) / 2]);
}

bool twin_pop(struct twin *t, const size_t *crowds, struct twin_pool *out)
{
    if (t->count == 0)
        return false;
    while (t->heap[0].crowd != crowds[t->heap[0].at]) {
        t->heap[0].crowd = crowds[t->heap[0].at];
        sink(t, 0);
    }
    *out = t->heap[0];
    t->heap[0] = t->heap[--t->count];
    sink(t, 0);
    return true;
}

/* ---- refusals ----------------------------------------------------- */
/* can_count: also of rules that count pods, and refuse when there are many. */
static bool lasts(const struct placement_rule *rule, bool can_count)
{
    switch (rule->op) {
    case PLACEMENT_CLUSTER:
    case PLACEMENT_IS:
    case PLACEMENT_IS_NOT:
    case PLACEMENT_LIKE:
    case PLACEMENT_UNLIKE:
    case PLACEMENT_HAS_VALUE:
    case PLACEMENT_AGENT:
    case PLACEMENT_LOCAL_REGION:
        return true;
    case PLACEMENT_UNIQUE:
    case PLACEMENT_MAX_PER:
    case PLACEMENT_AVOID:
        return can_count;
    case PLACEMENT_ALL:
    case PLACEMENT_ANY:
    case PLACEMENT_NONE:
        for (size_t i = 0; i < rule->n_children; i++)
            if (!lasts(&rule->children[i],
                       can_count && rule->op != PLACEMENT_NONE))
                return false;
        return true;
    case PLACEMENT_GROUP_BY:
    case PLACEMENT_COLOCATE:
    case PLACEMENT_HOOK:
        return false;
    }
    return false;
}

bool twin_refusal_lasts(const struct placement_rules *rules)
{
    for (size_t i = 0; i < placement_count(rules); i++)
        if (!lasts(placement_at(rules, i), true))
            return false;
    return true;
}
