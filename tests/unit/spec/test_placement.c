/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "lib/spec/placement.h"
#include "tests/unit/spec/spec_test.h"

static const struct {
    const char *name, *text;
    size_t count;
    const char *field;
    enum placement_operator op;
    const char *parameter;
    unsigned number;
} cases[] = {
    {"empty", "", 0, NULL, 0, NULL, 0},
    {"blank", " \n", 0, NULL, 0, NULL, 0},
    {"empty list", "[]", 0, NULL, 0, NULL, 0},
    {"json one", "[\"hostname\", \"UNIQUE\"]", 1, "hostname", PLACEMENT_UNIQUE,
     NULL, 0},
    {"json many", "[[\"@zone\",\"GROUP_BY\",\"3\"],[\"rack\",\"IS\",\"a\"]]", 2,
     "@zone", PLACEMENT_GROUP_BY, "3", 3},
    {"colons", "hostname:UNIQUE", 1, "hostname", PLACEMENT_UNIQUE, NULL, 0},
    {"colons two", "rack:LIKE:a.*, hostname:MAX_PER:2", 2, "rack",
     PLACEMENT_LIKE, "a.*", 0},
    {"lower case", "hostname:max_per:2", 1, "hostname", PLACEMENT_MAX_PER, "2",
     2},
    {"escaped", "rack:IS:a\\:b\\,c", 1, "rack", PLACEMENT_IS, "a:b,c", 0},
    {"at hostname", "@hostname:UNLIKE:x", 1, "hostname", PLACEMENT_UNLIKE, "x",
     0},
    {"group without number", "@zone:GROUP_BY", 1, "@zone", PLACEMENT_GROUP_BY,
     NULL, 0},
    {"cluster", "@zone:CLUSTER:b", 1, "@zone", PLACEMENT_CLUSTER, "b", 0},
    {"is not", "a:IS_NOT:b", 1, "a", PLACEMENT_IS_NOT, "b", 0},
};

Test(placement, parses)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct placement_rules *rules = placement_parse(cases[i].text, &err);
        cr_assert(rules, "case: %s: %s", cases[i].name, err.text);
        cr_expect_eq(placement_count(rules), cases[i].count, "case: %s",
                     cases[i].name);
        if (cases[i].count) {
            const struct placement_rule *rule = placement_at(rules, 0);
            cr_expect_str_eq(rule->field, cases[i].field, "case: %s",
                             cases[i].name);
            cr_expect_eq(rule->op, cases[i].op, "case: %s", cases[i].name);
            cr_expect(str_eq(rule->text, cases[i].parameter), "case: %s",
                      cases[i].name);
            cr_expect_eq(rule->number, cases[i].number, "case: %s",
                         cases[i].name);
        }
        placement_free(&rules);
    }
}

static const struct {
    const char *name, *text, *part;
} bad[] = {
    {"one part", "hostname", "Expected 2 or 3, got 1"},
    {"four parts", "a:IS:b:c", "Expected 2 or 3, got 4"},
    {"operator", "a:EQUALS:b", "Unsupported operator: 'EQUALS'"},
    {"no parameter", "a:IS", "Missing required parameter for operator 'IS'"},
    {"no number", "a:MAX_PER:x", "Unable to parse max parameter as integer"},
    {"zero", "a:MAX_PER:0", "Unable to parse max parameter as integer"},
    {"regex", "a:LIKE:(", "Bad regular expression"},
    {"no field", ":IS:b", "A rule has no field"},
    {"json of numbers", "[1, 2]", "list of texts"},
    {"mixed json", "[[\"a\",\"UNIQUE\"], 3]", "list of texts"},
    {"broken json", "[\"a\", \"UNIQUE\"", "Expected 2 or 3"},
    {"trailing comma", "a:UNIQUE,", "Expected 2 or 3, got 1"},
};

Test(placement, refuses)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        struct placement_rules *rules = placement_parse(bad[i].text, &err);
        cr_expect_eq(rules, NULL, "case: %s", bad[i].name);
        cr_expect(strstr(err.text, bad[i].part), "case: %s: %s", bad[i].name,
                  err.text);
        placement_free(&rules);
    }
}
