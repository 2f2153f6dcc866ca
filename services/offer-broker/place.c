/* SPDX-License-Identifier: Apache-2.0 */
/* place - see place.h */
#include "services/offer-broker/place.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "services/offer-broker/task_build.h"

/* ---- values ------------------------------------------------------- */
/* What an agent has under a rule's field. */
struct values {
    char **text; /* malloc'd each; several attributes may share a name */
    size_t n;
};

static void values_add(struct values *values, char *text)
{
    if (!text)
        return;
    values->text =
        xrealloc(values->text, (values->n + 1) * sizeof(*values->text));
    values->text[values->n++] = text;
}

static void values_free(struct values *values)
{
    for (size_t i = 0; i < values->n; i++)
        free(values->text[i]);
    free(values->text);
}

static const char *region_of(const Mesos__V1__Offer *offer)
{
    return offer->domain && offer->domain->fault_domain
               ? offer->domain->fault_domain->region->name
               : NULL;
}

static void values_of_attributes(struct values *out, const char *field,
                                 const Mesos__V1__Offer *offer)
{
    for (size_t i = 0; i < offer->n_attributes; i++) {
        const Mesos__V1__Attribute *attribute = offer->attributes[i];
        AUTO_FREE char *value = NULL;

        if (*field && !str_eq(attribute->name, field))
            continue;
        value = attribute_value(attribute);
        if (*field)
            values_add(out, MOVE(value));
        else
            values_add(
                out, xasprintf("%s:%s", attribute->name, str_or_empty(value)));
    }
}

static void values_of_offer(struct values *out, const char *field,
                            const Mesos__V1__Offer *offer)
{
    if (str_eq(field, "hostname"))
        values_add(out, xstrdup(offer->hostname));
    else if (str_eq(field, "@region"))
        values_add(out, xstrdup(region_of(offer)));
    else if (str_eq(field, "@zone"))
        values_add(out, region_of(offer)
                            ? xstrdup(offer->domain->fault_domain->zone->name)
                            : NULL);
    else
        values_of_attributes(out, field, offer);
}

static bool looks_numeric(const char *text)
{
    return isdigit((unsigned char)*text) || *text == '-' || *text == '.';
}

/* "5" equals "5.000": scalar attributes are printed with three decimals. */
static bool same_text(const char *a, const char *b)
{
    double x, y;

    if (str_eq(a, b))
        return true;
    return a && b && looks_numeric(a) && looks_numeric(b) &&
           parse_double(a, &x) && parse_double(b, &y) &&
           llround(x * 1000) == llround(y * 1000);
}

/* The same of "name:value" texts. */
static bool same_pair(const char *a, const char *b)
{
    size_t name = strcspn(a, ":");

    return strcspn(b, ":") == name && strncmp(a, b, name) == 0 &&
           (str_eq(a, b) ||
            (a[name] && b[name] && same_text(a + name + 1, b + name + 1)));
}

static bool same(const char *field, const char *a, const char *b)
{
    return *field ? same_text(a, b) : same_pair(a, b);
}

static bool any_equals(const char *field, const struct values *values,
                       const char *text)
{
    for (size_t i = 0; i < values->n; i++)
        if (same(field, values->text[i], text))
            return true;
    return false;
}

/* ---- asking ------------------------------------------------------- */
struct asking {
    const struct place_in *in;
    struct buf *why;
    bool is_unknown; /* the rule at hand cannot be told */
};

static bool matches(struct asking *a, const struct placement_matcher *matcher,
                    const char *text)
{
    enum placement_match match = placement_compare(matcher, text);

    if (match != PLACEMENT_TOO_HARD)
        return match == PLACEMENT_MATCHES;
    if (!a->is_unknown)
        buf_addf(a->why,
                 "the expression '%.60s' is too hard to compare with "
                 "'%.60s'",
                 placement_matcher_text(matcher), text);
    a->is_unknown = true;
    return false;
}

static bool any_matches(struct asking *a, const struct values *values,
                        const struct placement_matcher *matcher)
{
    for (size_t i = 0; i < values->n; i++)
        if (matches(a, matcher, values->text[i]))
            return true;
    return false;
}

/* ---- pods that have a place --------------------------------------- */
static bool is_pair(const Reeve__LabelSpec *attribute, const char *text)
{
    const char *name = str_or_empty(attribute->key);

    return str_starts(text, name) && text[strlen(name)] == ':' &&
           same_text(str_or_empty(attribute->value), text + strlen(name) + 1);
}

static bool placed_has(const struct placed *placed, const char *field,
                       const char *value)
{
    if (str_eq(field, "hostname"))
        return str_eq(placed->hostname, value);
    if (str_eq(field, "@region"))
        return str_eq(placed->region, value);
    if (str_eq(field, "@zone"))
        return str_eq(placed->zone, value);
    for (size_t i = 0; i < placed->n_attributes; i++) {
        const Reeve__LabelSpec *one = placed->attributes[i];

        if (*field ? str_eq(one->key, field) && same_text(one->value, value)
                   : is_pair(one, value))
            return true;
    }
    return false;
}

/* Its (first) value; NULL: none. */
static const char *placed_value(const struct placed *placed, const char *field)
{
    if (str_eq(field, "hostname"))
        return placed->hostname;
    if (str_eq(field, "@region"))
        return placed->region;
    if (str_eq(field, "@zone"))
        return placed->zone;
    for (size_t i = 0; i < placed->n_attributes; i++)
        if (str_eq(placed->attributes[i]->key, field))
            return placed->attributes[i]->value;
    return NULL;
}

static bool is_itself(const struct place_in *in, const struct placed *placed)
{
    return placed->pod_index == in->pod_index &&
           str_eq(placed->pod_type, in->pod_type);
}

/* Is it another pod instance that the rule counts? */
static bool counts(struct asking *a, const struct placement_rule *rule,
                   const struct placed *placed)
{
    if (is_itself(a->in, placed))
        return false;
    if (!rule->tasks)
        return str_eq(placed->pod_type, a->in->pod_type);
    for (const struct placed_task *task = placed->tasks; task;
         task = task->next)
        if (matches(a, rule->tasks, task->name))
            return true;
    return false;
}

/* "data", or what a filter of tasks lets through. */
static const char *counted_text(const struct place_in *in,
                                const struct placement_rule *rule)
{
    return rule->tasks ? "pods" : in->pod_type;
}

/* ---- MAX_PER ------------------------------------------------------ */
static const char *field_text(const struct placement_rule *rule)
{
    return *rule->field ? rule->field : "attribute";
}

static bool check_key(struct asking *a, const struct placement_rule *rule,
                      const char *key)
{
    unsigned max = rule->op == PLACEMENT_UNIQUE ? 1 : rule->number;
    unsigned count = 0;

    for (size_t i = 0; i < a->in->n_placed && count < max; i++)
        count += counts(a, rule, &a->in->placed[i]) &&
                 placed_has(&a->in->placed[i], rule->field, key);
    if (count < max)
        return true;
    buf_addf(a->why, "%s %s has %u %s already, %u allowed", field_text(rule),
             key, count, counted_text(a->in, rule), max);
    return false;
}

static bool fail_absent(struct asking *a, const struct placement_rule *rule)
{
    if (*rule->field)
        buf_addf(a->why, "the agent has no %s", rule->field);
    else
        buf_add_str(a->why, "the agent has no attribute that the rule means");
    return false;
}

static bool check_max_per(struct asking *a, const struct placement_rule *rule,
                          const struct values *here)
{
    bool has_key = false;

    for (size_t i = 0; i < here->n; i++) {
        if (rule->match && !matches(a, rule->match, here->text[i]))
            continue;
        has_key = true;
        if (!check_key(a, rule, here->text[i]))
            return false;
    }
    return has_key || a->is_unknown || fail_absent(a, rule);
}

/* ---- GROUP_BY ----------------------------------------------------- */
struct spread {
    struct {
        const char *key; /* borrowed */
        unsigned count;
    } * list;
    size_t n;
};

static void spread_add(struct spread *spread, const char *key)
{
    size_t i = 0;

    while (i < spread->n && !same_text(spread->list[i].key, key))
        i++;
    if (i == spread->n) {
        spread->list = xrealloc(spread->list, (i + 1) * sizeof(*spread->list));
        spread->list[spread->n++].key = key;
        spread->list[i].count = 0;
    }
    spread->list[i].count++;
}

static void spread_fill(struct spread *spread, struct asking *a,
                        const struct placement_rule *rule)
{
    for (size_t i = 0; i < a->in->n_placed; i++) {
        const char *key = placed_value(&a->in->placed[i], rule->field);

        if (key && counts(a, rule, &a->in->placed[i]))
            spread_add(spread, key);
    }
}

/* Known keys are those that hold an instance.  A key may take another one when
 * it is not above the least filled; where all are even and more keys are
 * expected than known, only a new key may. */
static bool spread_admits(const struct spread *spread, const char *key,
                          unsigned expected)
{
    unsigned least = spread->n ? spread->list[0].count : 0, most = least;
    unsigned here = 0;

    for (size_t i = 0; i < spread->n; i++) {
        least = MIN(least, spread->list[i].count);
        most = MAX(most, spread->list[i].count);
        if (same_text(spread->list[i].key, key))
            here = spread->list[i].count;
    }
    if (least != most && here > least)
        return false;
    return expected == 0 || spread->n >= expected || here == 0;
}

static bool check_group_by(struct asking *a, const struct placement_rule *rule,
                           const struct values *here)
{
    struct spread spread = {0};
    bool admits;

    if (here->n == 0)
        return fail_absent(a, rule);
    spread_fill(&spread, a, rule);
    admits = spread_admits(&spread, here->text[0], rule->number);
    free(spread.list);
    if (!admits)
        buf_addf(a->why, "%s %s is fuller than others", rule->field,
                 here->text[0]);
    return admits;
}

/* ---- rules of one value ------------------------------------------- */
static bool holds(struct asking *a, const struct placement_rule *rule,
                  const struct values *here)
{
    switch ((int)rule->op) {
    case PLACEMENT_CLUSTER:
    case PLACEMENT_IS:
        return any_equals(rule->field, here, rule->text);
    case PLACEMENT_IS_NOT:
        return !any_equals(rule->field, here, rule->text);
    case PLACEMENT_LIKE:
        return any_matches(a, here, rule->match);
    case PLACEMENT_UNLIKE:
        return !any_matches(a, here, rule->match);
    case PLACEMENT_HAS_VALUE:
        return here->n > 0;
    default:
        return false;
    }
}

static bool check_text(struct asking *a, const struct placement_rule *rule,
                       const struct values *here)
{
    if (holds(a, rule, here) || a->is_unknown)
        return true;
    if (*rule->field)
        buf_addf(a->why, "%s is %s, which the placement does not admit",
                 rule->field, here->n ? here->text[0] : "not set");
    else
        buf_addf(a->why,
                 "the agent's attributes are not what the placement "
                 "admits (%s)",
                 str_or_empty(rule->text));
    return false;
}

static bool check_valued(struct asking *a, const struct placement_rule *rule)
{
    struct values here = {0};
    bool admits;

    values_of_offer(&here, rule->field, a->in->offer);
    if (rule->op == PLACEMENT_UNIQUE || rule->op == PLACEMENT_MAX_PER)
        admits = check_max_per(a, rule, &here);
    else if (rule->op == PLACEMENT_GROUP_BY)
        admits = check_group_by(a, rule, &here);
    else
        admits = check_text(a, rule, &here);
    values_free(&here);
    return admits;
}

/* ---- rules of the agent as such ----------------------------------- */
static bool check_agent(struct asking *a, const struct placement_rule *rule)
{
    if (str_eq(a->in->offer->agent_id->value, rule->text))
        return true;
    buf_addf(a->why, "the agent is not %s", rule->text);
    return false;
}

static bool check_local_region(struct asking *a)
{
    const char *region = region_of(a->in->offer);
    const char *local = a->in->local_region;

    if (!region || !local || str_eq(region, local))
        return true;
    buf_addf(a->why, "the agent is in region %s, the master in %s", region,
             local);
    return false;
}

static bool check_type(struct asking *a, const struct placement_rule *rule)
{
    const struct place_in *in = a->in;
    bool is_anywhere = false, is_here = false;

    for (size_t i = 0; i < in->n_placed; i++) {
        const struct placed *placed = &in->placed[i];

        if (is_itself(in, placed) || !str_eq(placed->pod_type, rule->text))
            continue;
        is_anywhere = true;
        is_here |= str_eq(placed->agent_id, in->offer->agent_id->value);
    }
    if (rule->op == PLACEMENT_AVOID && is_here)
        buf_addf(a->why,
                 "the agent has a pod of type %s, which is to be avoided",
                 rule->text);
    else if (rule->op == PLACEMENT_COLOCATE && is_anywhere && !is_here)
        buf_addf(a->why, "the agent has no pod of type %s", rule->text);
    else
        return true;
    return false;
}

static enum place_verdict check_hook(struct asking *a,
                                     const struct placement_rule *rule)
{
    if (a->in->hook)
        return a->in->hook->ask(a->in->hook, rule->text, a->in, a->why);
    buf_addf(a->why, "the broker has no placement hook to ask for %s",
             rule->text);
    return PLACE_UNKNOWN;
}

/* ---- combinations ------------------------------------------------- */
struct rule_list {
    const struct placement_rule *rules;
    size_t n;
};

static enum place_verdict check_rule(const struct place_in *in,
                                     const struct placement_rule *rule,
                                     struct buf *why);

/* Hooks last: they are asked only what nothing else decides. */
static const struct placement_rule *nth(const struct rule_list *list, size_t n)
{
    for (int asks = 0; asks < 2; asks++)
        for (size_t i = 0; i < list->n; i++)
            if ((placement_rule_hook(&list->rules[i]) != NULL) == asks &&
                n-- == 0)
                return &list->rules[i];
    return NULL;
}

static enum place_verdict check_all(const struct place_in *in,
                                    const struct rule_list *list,
                                    struct buf *why)
{
    AUTO_BUF struct buf unknown = {0};

    for (size_t i = 0; i < list->n; i++) {
        AUTO_BUF struct buf reason = {0};
        enum place_verdict verdict = check_rule(in, nth(list, i), &reason);

        if (verdict == PLACE_NO) {
            buf_add_str(why, buf_text(&reason));
            return PLACE_NO;
        }
        if (verdict == PLACE_UNKNOWN && unknown.len == 0)
            buf_add_str(&unknown, buf_text(&reason));
    }
    buf_add_str(why, buf_text(&unknown));
    return unknown.len > 0 ? PLACE_UNKNOWN : PLACE_YES;
}

static enum place_verdict check_any(const struct place_in *in,
                                    const struct rule_list *list,
                                    struct buf *why)
{
    AUTO_BUF struct buf reasons = {0};
    enum place_verdict best = PLACE_NO;

    for (size_t i = 0; i < list->n && best != PLACE_YES; i++) {
        enum place_verdict verdict;

        if (i > 0)
            buf_add_str(&reasons, ", and ");
        verdict = check_rule(in, nth(list, i), &reasons);
        best = MAX(best, verdict);
    }
    if (best != PLACE_YES)
        buf_add_str(why, buf_text(&reasons));
    return best;
}

static const char *name_of(const struct placement_rule *rule)
{
    if (rule->text)
        return rule->text;
    return rule->field && *rule->field ? rule->field : "a rule";
}

static enum place_verdict check_none(const struct place_in *in,
                                     const struct rule_list *list,
                                     struct buf *why)
{
    AUTO_BUF struct buf unknown = {0};

    for (size_t i = 0; i < list->n; i++) {
        const struct placement_rule *rule = nth(list, i);
        AUTO_BUF struct buf reason = {0};
        enum place_verdict verdict = check_rule(in, rule, &reason);

        if (verdict == PLACE_YES) {
            buf_addf(why, "the agent is what the placement excludes (%s)",
                     name_of(rule));
            return PLACE_NO;
        }
        if (verdict == PLACE_UNKNOWN && unknown.len == 0)
            buf_add_str(&unknown, buf_text(&reason));
    }
    buf_add_str(why, buf_text(&unknown));
    return unknown.len > 0 ? PLACE_UNKNOWN : PLACE_YES;
}

static bool check_leaf(struct asking *a, const struct placement_rule *rule)
{
    switch ((int)rule->op) {
    case PLACEMENT_AGENT:
        return check_agent(a, rule);
    case PLACEMENT_LOCAL_REGION:
        return check_local_region(a);
    case PLACEMENT_AVOID:
    case PLACEMENT_COLOCATE:
        return check_type(a, rule);
    default:
        return check_valued(a, rule);
    }
}

static enum place_verdict check_rule(const struct place_in *in,
                                     const struct placement_rule *rule,
                                     struct buf *why)
{
    const struct rule_list below = {rule->children, rule->n_children};
    struct asking a = {.in = in, .why = why};
    bool admits;

    switch ((int)rule->op) {
    case PLACEMENT_ALL:
        return check_all(in, &below, why);
    case PLACEMENT_ANY:
        return check_any(in, &below, why);
    case PLACEMENT_NONE:
        return check_none(in, &below, why);
    case PLACEMENT_HOOK:
        return check_hook(&a, rule);
    default:
        break;
    }
    admits = check_leaf(&a, rule);
    if (a.is_unknown)
        return PLACE_UNKNOWN;
    return admits ? PLACE_YES : PLACE_NO;
}

/* Where no rule speaks of regions. */
static bool check_region(const struct place_in *in, struct buf *why)
{
    const char *region = region_of(in->offer);
    struct asking a = {.in = in, .why = why};

    if (placement_mentions(in->rules, "@region"))
        return true;
    if (!in->region)
        return check_local_region(&a);
    if (str_eq(region, in->region))
        return true;
    buf_addf(why, "the agent is in %s%s, the service in region %s",
             region ? "region " : "no region", str_or_empty(region),
             in->region);
    return false;
}

bool place_admits(const struct place_in *in, struct buf *why)
{
    const size_t n = placement_count(in->rules);
    const struct rule_list list = {n ? placement_at(in->rules, 0) : NULL, n};

    return check_region(in, why) && check_all(in, &list, why) == PLACE_YES;
}
