/* SPDX-License-Identifier: Apache-2.0 */
/* placement_json - rules as objects, in the form in which the DC/OS SDK stores
 * them
 *
 * A rule or matcher says by "@type" what it is; keys that a rule does not have
 * are refused.  A Max… rule or RoundRobin… rule without "task-filter" counts
 * the pods of all types.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/spec/placement_internal.h"

struct reading {
    struct placement_rule *rule;
    const json_t *object;
    size_t *budget;
    struct err *err;
};

struct rule_type;
typedef int read_fn(struct reading *r, const struct rule_type *type);

struct rule_type {
    const char *name;
    read_fn *read;
    const char *field; /* of the placement_rule; NULL: none */
    enum placement_operator op;
    const char *key; /* of the parameter; NULL: there is none */
    bool is_optional;
    const char *others[2]; /* further keys */
};

static int fail_key(const struct reading *r, const char *key, const char *what)
{
    return err_set(
        r->err, ERR_INVALID, "%.60s: '%s' must be %s",
        str_or_empty(json_string_value(json_object_get(r->object, "@type"))),
        key, what);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    /* A text with a NUL in it is none. */
    return text && strlen(text) ==
                       json_string_length(json_object_get(object, key))
               ? text
               : NULL;
}

/* ---- matchers ----------------------------------------------------- */
static const struct {
    const char *name;
    enum matcher_kind kind;
    const char *key;
} matchers[] = {
    {"AnyMatcher", MATCH_ANY, NULL},
    {"ExactMatcher", MATCH_EQUAL, "string"},
    {"InvertedExactMatcher", MATCH_OTHER, "string"},
    {"RegexMatcher", MATCH_REGEX, "pattern"},
};

static struct placement_matcher *read_matcher(const json_t *object,
                                              struct err *err)
{
    const char *type = text_at(object, "@type");
    size_t i = 0;

    while (i < ARRAY_LEN(matchers) && !str_eq(matchers[i].name, type))
        i++;
    if (i == ARRAY_LEN(matchers)) {
        err_set(err, ERR_INVALID,
                "'%.60s' is no matcher (expected AnyMatcher, ExactMatcher, "
                "InvertedExactMatcher or RegexMatcher)",
                str_or_empty(type));
        return NULL;
    }
    if (matchers[i].key && !text_at(object, matchers[i].key)) {
        err_set(err, ERR_INVALID, "%s: '%s' must be a text", type,
                matchers[i].key);
        return NULL;
    }
    return placement_matcher_new(
        matchers[i].kind,
        matchers[i].key ? text_at(object, matchers[i].key) : NULL, err);
}

/* The matcher under that key; NULL without an error: there is none. */
static int read_matcher_at(const struct reading *r, const char *key,
                           struct placement_matcher **out)
{
    const json_t *object = json_object_get(r->object, key);

    if (!object || json_is_null(object))
        return 0;
    *out = read_matcher(object, r->err);
    return *out ? 0 : -1;
}

/* ---- rules -------------------------------------------------------- */
/* One StringMatcher becomes the operator that means the same. */
static int read_matching(struct reading *r, const struct rule_type *type)
{
    static const enum placement_operator operators[] = {
        [MATCH_ANY] = PLACEMENT_HAS_VALUE,
        [MATCH_EQUAL] = PLACEMENT_IS,
        [MATCH_OTHER] = PLACEMENT_IS_NOT,
        [MATCH_REGEX] = PLACEMENT_LIKE};

    if (read_matcher_at(r, type->key, &r->rule->match) < 0)
        return -1;
    if (!r->rule->match)
        return fail_key(r, type->key, "a matcher");
    r->rule->op = operators[placement_matcher_kind(r->rule->match)];
    r->rule->text = xstrdup(placement_matcher_text(r->rule->match));
    return 0;
}

static int read_number(struct reading *r, const struct rule_type *type)
{
    const json_t *value = json_object_get(r->object, type->key);
    json_int_t number = json_integer_value(value);

    if (type->is_optional && (!value || json_is_null(value)))
        return 0;
    if (number < 1 || number > PLACEMENT_MAX_NUMBER)
        return fail_key(r, type->key, "a whole number from 1");
    r->rule->number = (unsigned)number;
    return 0;
}

/* MaxPer…, RoundRobinBy…: per key of the field, pods of certain tasks. */
static int read_counting(struct reading *r, const struct rule_type *type)
{
    if (read_number(r, type) < 0 ||
        read_matcher_at(r, "task-filter", &r->rule->tasks) < 0)
        return -1;
    if (!r->rule->tasks)
        r->rule->tasks = placement_matcher_new(MATCH_ANY, NULL, r->err);
    return 0;
}

static int read_max_per_attribute(struct reading *r,
                                  const struct rule_type *type)
{
    if (read_counting(r, type) < 0 ||
        read_matcher_at(r, "matcher", &r->rule->match) < 0)
        return -1;
    return r->rule->match ? 0 : fail_key(r, "matcher", "a matcher");
}

static int read_round_robin_attribute(struct reading *r,
                                      const struct rule_type *type)
{
    const char *name = text_at(r->object, "name");

    if (!name || !*name)
        return fail_key(r, "name", "the name of an attribute");
    free(r->rule->field);
    r->rule->field = xstrdup(name);
    return read_counting(r, type);
}

static int read_text_rule(struct reading *r, const struct rule_type *type)
{
    const char *text = text_at(r->object, type->key);

    if (!text || !*text)
        return fail_key(r, type->key, "a text");
    r->rule->text = xstrdup(text);
    return 0;
}

static int read_task_type(struct reading *r, const struct rule_type *type)
{
    const char *behavior = text_at(r->object, "behavior");
    const json_t *converter = json_object_get(r->object, "converter");

    if (str_eq(behavior, "COLOCATE"))
        r->rule->op = PLACEMENT_COLOCATE;
    else if (!str_eq(behavior, "AVOID"))
        return fail_key(r, "behavior", "AVOID or COLOCATE");
    if (converter && !json_is_null(converter) &&
        !str_eq(text_at(converter, "@type"), "TaskTypeLabelConverter"))
        return fail_key(r, "converter", "a TaskTypeLabelConverter");
    return read_text_rule(r, type);
}

static int read_nothing(struct reading *r, const struct rule_type *type)
{
    (void)r;
    (void)type;
    return 0;
}

static int refuse(struct reading *r, const struct rule_type *type)
{
    (void)type;
    return err_set(r->err, ERR_INVALID, "%.200s",
                   text_at(r->object, "exception")
                       ? text_at(r->object, "exception")
                       : "an InvalidPlacementRule");
}

static int add_child(struct reading *r, const json_t *object)
{
    struct placement_rule *rule = r->rule;

    rule->children = xrealloc(rule->children,
                              (rule->n_children + 1) * sizeof(*rule->children));
    memset(&rule->children[rule->n_children], 0, sizeof(*rule->children));
    return placement_read_object(&rule->children[rule->n_children++], object,
                                 r->budget, r->err);
}

static int read_rules(struct reading *r, const struct rule_type *type)
{
    const json_t *list = json_object_get(r->object, type->key);
    size_t i;
    json_t *object;

    if (!json_is_array(list))
        return fail_key(r, type->key, "a list of rules");
    if (type->op == PLACEMENT_ANY && json_array_size(list) == 0)
        return err_set(r->err, ERR_INVALID,
                       "OrRule: without rules it admits no agent");
    json_array_foreach(list, i, object)
    {
        if (add_child(r, object) < 0)
            return -1;
    }
    return 0;
}

static int read_not(struct reading *r, const struct rule_type *type)
{
    return add_child(r, json_object_get(r->object, type->key));
}

#define FILTER                                                                 \
    {                                                                          \
        "task-filter", NULL                                                    \
    }

static const struct rule_type types[] = {
    {"AndRule", read_rules, NULL, PLACEMENT_ALL, "rules", false, {0}},
    {"OrRule", read_rules, NULL, PLACEMENT_ANY, "rules", false, {0}},
    {"NotRule", read_not, NULL, PLACEMENT_NONE, "rule", false, {0}},
    {"PassthroughRule", read_nothing, NULL, PLACEMENT_ALL, NULL, false, {0}},
    {"InvalidPlacementRule",
     refuse,
     NULL,
     PLACEMENT_ALL,
     NULL,
     false,
     {"constraints", "exception"}},
    {"AgentRule",
     read_text_rule,
     NULL,
     PLACEMENT_AGENT,
     "agent-id",
     false,
     {0}},
    {"HostnameRule",
     read_matching,
     "hostname",
     PLACEMENT_IS,
     "matcher",
     false,
     {0}},
    {"AttributeRule", read_matching, "", PLACEMENT_IS, "matcher", false, {0}},
    {"RegionRule",
     read_matching,
     "@region",
     PLACEMENT_IS,
     "matcher",
     false,
     {0}},
    {"ZoneRule", read_matching, "@zone", PLACEMENT_IS, "matcher", false, {0}},
    {"IsLocalRegionRule",
     read_nothing,
     "@region",
     PLACEMENT_LOCAL_REGION,
     NULL,
     false,
     {0}},
    {"MaxPerHostnameRule", read_counting, "hostname", PLACEMENT_MAX_PER, "max",
     false, FILTER},
    {"MaxPerAttributeRule",
     read_max_per_attribute,
     "",
     PLACEMENT_MAX_PER,
     "max",
     false,
     {"task-filter", "matcher"}},
    {"MaxPerZoneRule", read_counting, "@zone", PLACEMENT_MAX_PER, "max", false,
     FILTER},
    {"MaxPerRegionRule", read_counting, "@region", PLACEMENT_MAX_PER, "max",
     false, FILTER},
    {"RoundRobinByHostnameRule", read_counting, "hostname", PLACEMENT_GROUP_BY,
     "agent-count", true, FILTER},
    {"RoundRobinByAttributeRule",
     read_round_robin_attribute,
     "",
     PLACEMENT_GROUP_BY,
     "value-count",
     true,
     {"task-filter", "name"}},
    {"RoundRobinByZoneRule", read_counting, "@zone", PLACEMENT_GROUP_BY,
     "zone-count", true, FILTER},
    {"RoundRobinByRegionRule", read_counting, "@region", PLACEMENT_GROUP_BY,
     "region-count", true, FILTER},
    {"TaskTypeRule",
     read_task_type,
     NULL,
     PLACEMENT_AVOID,
     "type",
     false,
     {"behavior", "converter"}},
    {"HookRule", read_text_rule, NULL, PLACEMENT_HOOK, "name", false, {0}},
};

/* A key that the rule does not know would be a rule that is not kept. */
static int check_keys(const struct reading *r, const struct rule_type *type)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)r->object, key, value)
    {
        if (!str_eq(key, "@type") && !str_eq(key, type->key) &&
            !str_eq(key, type->others[0]) && !str_eq(key, type->others[1]))
            return err_set(r->err, ERR_INVALID, "%s: unknown key '%.60s'",
                           type->name, key);
    }
    return 0;
}

int placement_read_object(struct placement_rule *rule, const json_t *object,
                          size_t *budget, struct err *err)
{
    struct reading r = {rule, object, budget, err};
    const char *name = text_at(object, "@type");

    if (*budget == 0)
        return err_set(err, ERR_INVALID, "More than %d rules",
                       PLACEMENT_MAX_RULES);
    --*budget;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!str_eq(types[i].name, name))
            continue;
        rule->op = types[i].op;
        rule->field = xstrdup(types[i].field);
        if (check_keys(&r, &types[i]) < 0)
            return -1;
        return types[i].read(&r, &types[i]);
    }
    return err_set(err, ERR_INVALID, "'%.60s' is no placement rule",
                   json_is_object(object) ? str_or_empty(name)
                                          : "what is not an object");
}
