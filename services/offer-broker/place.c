/* SPDX-License-Identifier: Apache-2.0 */
/* place - see place.h */
#include "services/offer-broker/place.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/offer-broker/task_build.h"

#define MAX_VALUES 16

/* What an agent (or a placed pod) has under a rule's field. */
struct values {
    char *text[MAX_VALUES]; /* malloc'd; several attributes may share a name */
    size_t n;
};

static void values_add(struct values *values, char *text)
{
    if (text && values->n < MAX_VALUES)
        values->text[values->n++] = text;
    else
        free(text);
}

static void values_free(struct values *values)
{
    for (size_t i = 0; i < values->n; i++)
        free(values->text[i]);
    values->n = 0;
}

static void values_of_offer(struct values *out, const char *field,
                            const Mesos__V1__Offer *offer)
{
    const Mesos__V1__DomainInfo__FaultDomain *fault =
        offer->domain ? offer->domain->fault_domain : NULL;

    if (str_eq(field, "hostname"))
        values_add(out, xstrdup(offer->hostname));
    else if (str_eq(field, "@region"))
        values_add(out, fault ? xstrdup(fault->region->name) : NULL);
    else if (str_eq(field, "@zone"))
        values_add(out, fault ? xstrdup(fault->zone->name) : NULL);
    else
        for (size_t i = 0; i < offer->n_attributes; i++)
            if (str_eq(offer->attributes[i]->name, field))
                values_add(out, attribute_value(offer->attributes[i]));
}

static void values_of_placed(struct values *out, const char *field,
                             const struct placed *placed)
{
    if (str_eq(field, "hostname"))
        values_add(out, xstrdup(placed->hostname));
    else if (str_eq(field, "@region"))
        values_add(out, xstrdup(placed->region));
    else if (str_eq(field, "@zone"))
        values_add(out, xstrdup(placed->zone));
    else
        for (size_t i = 0; i < placed->n_attributes; i++)
            if (str_eq(placed->attributes[i]->key, field))
                values_add(out, xstrdup(placed->attributes[i]->value));
}

/* "5" equals "5.000": scalar attributes are printed with three decimals. */
static bool same_text(const char *a, const char *b)
{
    double x, y;

    if (str_eq(a, b))
        return true;
    return parse_double(a, &x) && parse_double(b, &y) &&
           llround(x * 1000) == llround(y * 1000);
}

static bool any_equals(const struct values *values, const char *text)
{
    for (size_t i = 0; i < values->n; i++)
        if (same_text(values->text[i], text))
            return true;
    return false;
}

static bool any_matches(const struct values *values, const char *pattern)
{
    AUTO_FREE char *whole = xasprintf("^(%s)$", str_or_empty(pattern));
    regex_t regex;
    bool found = false;

    if (regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    for (size_t i = 0; i < values->n; i++)
        found |= regexec(&regex, values->text[i], 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

static bool share_value(const struct values *a, const struct values *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (any_equals(b, a->text[i]))
            return true;
    return false;
}

static bool is_other_instance(const struct place_in *in,
                              const struct placed *placed)
{
    return str_eq(placed->pod_type, in->pod_type) &&
           placed->pod_index != in->pod_index;
}

/* Instances of the pod type that share a value of the field. */
static unsigned count_at(const struct place_in *in, const char *field,
                         const struct values *here)
{
    unsigned count = 0;

    for (size_t i = 0; i < in->n_placed; i++) {
        struct values there = {0};

        if (!is_other_instance(in, &in->placed[i]))
            continue;
        values_of_placed(&there, field, &in->placed[i]);
        count += share_value(here, &there);
        values_free(&there);
    }
    return count;
}

static bool check_max_per(const struct place_in *in,
                          const struct placement_rule *rule,
                          const struct values *here, struct buf *why)
{
    unsigned max = rule->op == PLACEMENT_UNIQUE ? 1 : rule->number;
    unsigned count;

    if (here->n == 0) {
        buf_addf(why, "the agent has no %s", rule->field);
        return false;
    }
    count = count_at(in, rule->field, here);
    if (count < max)
        return true;
    buf_addf(why, "%s %s has %u %s already, %u allowed", rule->field,
             here->text[0], count, in->pod_type, max);
    return false;
}

/* ---- GROUP_BY ----------------------------------------------------- */
struct spread {
    char *keys[256];
    unsigned counts[256];
    size_t n;
};

static void spread_add(struct spread *spread, const char *key)
{
    for (size_t i = 0; i < spread->n; i++) {
        if (!same_text(spread->keys[i], key))
            continue;
        spread->counts[i]++;
        return;
    }
    if (spread->n == ARRAY_LEN(spread->keys))
        return;
    spread->keys[spread->n] = xstrdup(key);
    spread->counts[spread->n++] = 1;
}

static void spread_fill(struct spread *spread, const struct place_in *in,
                        const char *field)
{
    for (size_t i = 0; i < in->n_placed; i++) {
        struct values there = {0};

        if (!is_other_instance(in, &in->placed[i]))
            continue;
        values_of_placed(&there, field, &in->placed[i]);
        if (there.n > 0)
            spread_add(spread, there.text[0]);
        values_free(&there);
    }
}

/* Known keys are those that hold an instance.  A key may take another one when
 * it is not above the least filled; where all are even and more keys are
 * expected than known, only a new key may. */
static bool spread_admits(const struct spread *spread, const char *key,
                          unsigned expected)
{
    unsigned least = spread->n ? spread->counts[0] : 0, most = least, here = 0;

    for (size_t i = 0; i < spread->n; i++) {
        least = MIN(least, spread->counts[i]);
        most = MAX(most, spread->counts[i]);
        if (same_text(spread->keys[i], key))
            here = spread->counts[i];
    }
    if (least != most && here > least)
        return false;
    return expected == 0 || spread->n >= expected || here == 0;
}

static bool check_group_by(const struct place_in *in,
                           const struct placement_rule *rule,
                           const struct values *here, struct buf *why)
{
    struct spread *spread;
    bool admits;

    if (here->n == 0) {
        buf_addf(why, "the agent has no %s", rule->field);
        return false;
    }
    spread = xcalloc(1, sizeof(*spread));
    spread_fill(spread, in, rule->field);
    admits = spread_admits(spread, here->text[0], rule->number);
    for (size_t i = 0; i < spread->n; i++)
        free(spread->keys[i]);
    free(spread);
    if (!admits)
        buf_addf(why, "%s %s is fuller than others", rule->field,
                 here->text[0]);
    return admits;
}

/* ---- all operators ------------------------------------------------ */
static bool check_text(const struct placement_rule *rule,
                       const struct values *here, struct buf *why)
{
    bool admits = false;

    switch (rule->op) {
    case PLACEMENT_CLUSTER:
    case PLACEMENT_IS:
        admits = any_equals(here, rule->text);
        break;
    case PLACEMENT_IS_NOT:
        admits = !any_equals(here, rule->text);
        break;
    case PLACEMENT_LIKE:
        admits = any_matches(here, rule->text);
        break;
    case PLACEMENT_UNLIKE:
        admits = !any_matches(here, rule->text);
        break;
    case PLACEMENT_UNIQUE:
    case PLACEMENT_MAX_PER:
    case PLACEMENT_GROUP_BY:
        break;
    }
    if (!admits)
        buf_addf(why, "%s is %s, which the placement does not admit",
                 rule->field, here->n ? here->text[0] : "not set");
    return admits;
}

static bool check_rule(const struct place_in *in,
                       const struct placement_rule *rule, struct buf *why)
{
    struct values here = {0};
    bool admits;

    values_of_offer(&here, rule->field, in->offer);
    if (rule->op == PLACEMENT_UNIQUE || rule->op == PLACEMENT_MAX_PER)
        admits = check_max_per(in, rule, &here, why);
    else if (rule->op == PLACEMENT_GROUP_BY)
        admits = check_group_by(in, rule, &here, why);
    else
        admits = check_text(rule, &here, why);
    values_free(&here);
    return admits;
}

bool place_admits(const struct place_in *in, struct buf *why)
{
    for (size_t i = 0; i < placement_count(in->rules); i++)
        if (!check_rule(in, placement_at(in->rules, i), why))
            return false;
    return true;
}
