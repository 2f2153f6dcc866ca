/* SPDX-License-Identifier: Apache-2.0 */
/* placement - parses constraints: JSON first, then the colon form */
#include "lib/spec/placement.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/spec/placement_internal.h"

#define MAX_PARTS 4 /* one more than a rule may have */

struct placement_rules {
    struct placement_rule rule[PLACEMENT_MAX_RULES];
    size_t n;
};

/* A rule's items as texts. */
struct parts {
    char *part[MAX_PARTS];
    size_t n; /* may be above MAX_PARTS: only counted then */
};

static const struct {
    const char *name;
    enum placement_operator op;
    bool needs_parameter, is_number, is_regex;
} operators[] = {
    {"UNIQUE", PLACEMENT_UNIQUE, false, false, false},
    {"MAX_PER", PLACEMENT_MAX_PER, true, true, false},
    {"CLUSTER", PLACEMENT_CLUSTER, true, false, false},
    {"IS", PLACEMENT_IS, true, false, false},
    {"IS_NOT", PLACEMENT_IS_NOT, true, false, false},
    {"LIKE", PLACEMENT_LIKE, true, false, true},
    {"UNLIKE", PLACEMENT_UNLIKE, true, false, true},
    {"GROUP_BY", PLACEMENT_GROUP_BY, false, true, false},
};

static void parts_clear(struct parts *parts)
{
    for (size_t i = 0; i < MIN(parts->n, (size_t)MAX_PARTS); i++)
        free(parts->part[i]);
    *parts = (struct parts){0};
}

static void parts_add(struct parts *parts, const char *text, size_t len)
{
    while (len && isspace((unsigned char)*text)) {
        text++;
        len--;
    }
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    if (parts->n < MAX_PARTS)
        parts->part[parts->n] = xstrndup(text, len);
    parts->n++;
}

static int read_operator(struct placement_rule *rule, const char *name,
                         const char *text, struct err *err)
{
    int64_t number;
    size_t i = 0;

    while (i < ARRAY_LEN(operators) && strcasecmp(operators[i].name, name) != 0)
        i++;
    if (i == ARRAY_LEN(operators))
        return err_set(err, ERR_INVALID,
                       "Unsupported operator: '%.60s' (expected one of: "
                       "UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE, MAX_PER, IS "
                       "or IS_NOT)",
                       name);
    rule->op = operators[i].op;
    if (!text && operators[i].needs_parameter)
        return err_set(err, ERR_INVALID,
                       "Missing required parameter for operator '%s'.",
                       operators[i].name);
    if (!text)
        return 0;
    rule->text = xstrdup(text);
    if (operators[i].is_regex) {
        rule->match = placement_matcher_new(MATCH_REGEX, text, err);
        return rule->match ? 0 : -1;
    }
    if (!operators[i].is_number)
        return 0;
    if (!parse_i64(text, &number) || number < 1 ||
        number > PLACEMENT_MAX_NUMBER)
        return err_set(err, ERR_INVALID,
                       "Unable to parse max parameter as integer for operator "
                       "'%s': '%.60s'",
                       operators[i].name, text);
    rule->number = (unsigned)number;
    return 0;
}

/* "@hook:IS:name" */
static int read_hook(struct placement_rule *rule, const struct parts *parts,
                     struct err *err)
{
    if (parts->n != 3 || strcasecmp(parts->part[1], "IS") != 0 ||
        !*parts->part[2])
        return err_set(err, ERR_INVALID,
                       "A hook is asked for by @hook:IS:name");
    rule->op = PLACEMENT_HOOK;
    rule->text = xstrdup(parts->part[2]);
    return 0;
}

static int add_rule(struct placement_rules *rules, const struct parts *parts,
                    struct err *err)
{
    struct placement_rule *rule;

    if (parts->n < 2 || parts->n > 3)
        return err_set(err, ERR_INVALID,
                       "Invalid number of entries in rule. Expected 2 or 3, "
                       "got %zu",
                       parts->n);
    if (!*parts->part[0])
        return err_set(err, ERR_INVALID, "A rule has no field");
    if (rules->n == PLACEMENT_MAX_RULES)
        return err_set(err, ERR_INVALID, "More than %d rules",
                       PLACEMENT_MAX_RULES);
    rule = &rules->rule[rules->n++];
    if (strcasecmp(parts->part[0], "@hook") == 0)
        return read_hook(rule, parts, err);
    bool at = strcasecmp(parts->part[0], "@hostname") == 0;
    rule->field = xstrdup(parts->part[0] + (at ? 1 : 0));
    const char *text = parts->n == 3 ? parts->part[2] : NULL;
    return read_operator(rule, parts->part[1], text && *text ? text : NULL,
                         err);
}

/* One JSON list of texts. */
static int add_json_rule(struct placement_rules *rules, const json_t *row,
                         struct err *err)
{
    struct parts parts = {0};
    size_t i;
    json_t *item;
    int rc = 0;

    json_array_foreach(row, i, item)
    {
        if (json_is_string(item))
            parts_add(&parts, json_string_value(item),
                      json_string_length(item));
        else if (rc == 0)
            rc = err_set(err, ERR_INVALID, "A rule must be a list of texts");
    }
    if (rc == 0)
        rc = add_rule(rules, &parts, err);
    parts_clear(&parts);
    return rc;
}

static int parse_json(struct placement_rules *rules, const json_t *json,
                      struct err *err)
{
    size_t i;
    json_t *row;

    if (json_is_string(json_array_get(json, 0)))
        return add_json_rule(rules, json, err);
    json_array_foreach(json, i, row)
    {
        if (!json_is_array(row))
            return err_set(err, ERR_INVALID, "A rule must be a list of texts");
        if (add_json_rule(rules, row, err) < 0)
            return -1;
    }
    return 0;
}

static int parse_object(struct placement_rules *rules, const json_t *json,
                        struct err *err)
{
    size_t budget = PLACEMENT_MAX_RULES;

    rules->n = 1;
    return placement_read_object(&rules->rule[0], json, &budget, err);
}

static int parse_colons(struct placement_rules *rules, const char *text,
                        struct err *err)
{
    AUTO_BUF struct buf part = {0};
    struct parts parts = {0};
    int rc = 0;

    for (const char *p = text; rc == 0; p++) {
        if (*p == '\\' && p[1]) {
            buf_add_char(&part, *++p);
            continue;
        }
        if (*p && *p != ':' && *p != ',') {
            buf_add_char(&part, *p);
            continue;
        }
        parts_add(&parts, buf_text(&part), part.len);
        buf_clear(&part);
        if (*p == ':')
            continue;
        rc = add_rule(rules, &parts, err);
        parts_clear(&parts);
        if (!*p)
            break;
    }
    parts_clear(&parts);
    return rc;
}

static bool is_blank(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return !*text;
}

struct placement_rules *placement_parse(const char *text, struct err *err)
{
    struct placement_rules *rules = xcalloc(1, sizeof(*rules));
    int rc = 0;

    if (!is_blank(text)) {
        json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_object(json))
            rc = parse_object(rules, json, err);
        else if (json_is_array(json))
            rc = parse_json(rules, json, err);
        else
            rc = parse_colons(rules, text, err);
        json_decref(json);
    }
    if (rc < 0)
        placement_free(&rules);
    return rules;
}

size_t placement_count(const struct placement_rules *rules)
{
    return rules->n;
}

const struct placement_rule *placement_at(const struct placement_rules *rules,
                                          size_t index)
{
    ASSERT(index < rules->n);
    return &rules->rule[index];
}

static bool mentions(const struct placement_rule *rule, const char *field)
{
    bool found = str_eq(rule->field, field);

    for (size_t i = 0; i < rule->n_children; i++)
        found |= mentions(&rule->children[i], field);
    return found;
}

bool placement_mentions(const struct placement_rules *rules, const char *field)
{
    for (size_t i = 0; i < rules->n; i++)
        if (mentions(&rules->rule[i], field))
            return true;
    return false;
}

const char *placement_rule_hook(const struct placement_rule *rule)
{
    const char *name = rule->op == PLACEMENT_HOOK ? rule->text : NULL;

    for (size_t i = 0; i < rule->n_children && !name; i++)
        name = placement_rule_hook(&rule->children[i]);
    return name;
}

static void each_hook(const struct placement_rule *rule,
                      void (*fn)(void *self, const char *name), void *self)
{
    if (rule->op == PLACEMENT_HOOK)
        fn(self, rule->text);
    for (size_t i = 0; i < rule->n_children; i++)
        each_hook(&rule->children[i], fn, self);
}

void placement_each_hook(const struct placement_rules *rules,
                         void (*fn)(void *self, const char *name), void *self)
{
    for (size_t i = 0; i < rules->n; i++)
        each_hook(&rules->rule[i], fn, self);
}

static void free_rule(struct placement_rule *rule)
{
    for (size_t i = 0; i < rule->n_children; i++)
        free_rule(&rule->children[i]);
    free(rule->children);
    placement_matcher_free(&rule->match);
    placement_matcher_free(&rule->tasks);
    free(rule->field);
    free(rule->text);
}

void placement_free(struct placement_rules **rules)
{
    if (!*rules)
        return;
    for (size_t i = 0; i < (*rules)->n; i++)
        free_rule(&(*rules)->rule[i]);
    free(*rules);
    *rules = NULL;
}
