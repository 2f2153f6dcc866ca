/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <sys/resource.h>

#include "lib/spec/placement_internal.h"
#include "tests/unit/spec/spec_test.h"

#define EXACT(text)   "{\"@type\":\"ExactMatcher\",\"string\":\"" text "\"}"
#define HOST(matcher) "{\"@type\":\"HostnameRule\",\"matcher\":" matcher "}"
#define TYPE(behavior)                                                         \
    "{\"@type\":\"TaskTypeRule\",\"type\":\"x\",\"behavior\":\"" behavior      \
    "\",\"converter\":{\"@type\":\"TaskTypeLabelConverter\"}}"

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
    {"hook", "@hook:IS:mine", 1, NULL, PLACEMENT_HOOK, "mine", 0},
    {"object: and", "{\"@type\":\"AndRule\",\"rules\":[]}", 1, NULL,
     PLACEMENT_ALL, NULL, 0},
    {"object: host", HOST(EXACT("a")), 1, "hostname", PLACEMENT_IS, "a", 0},
    {"object: not a host",
     HOST("{\"@type\":\"InvertedExactMatcher\","
          "\"string\":\"a\"}"),
     1, "hostname", PLACEMENT_IS_NOT, "a", 0},
    {"object: hosts", HOST("{\"@type\":\"RegexMatcher\",\"pattern\":\"a.\"}"),
     1, "hostname", PLACEMENT_LIKE, "a.", 0},
    {"object: any host", HOST("{\"@type\":\"AnyMatcher\"}"), 1, "hostname",
     PLACEMENT_HAS_VALUE, NULL, 0},
    {"object: attribute",
     "{\"@type\":\"AttributeRule\",\"matcher\":" EXACT("a:b") "}", 1, "",
     PLACEMENT_IS, "a:b", 0},
    {"object: agent", "{\"@type\":\"AgentRule\",\"agent-id\":\"S1\"}", 1, NULL,
     PLACEMENT_AGENT, "S1", 0},
    {"object: max per zone", "{\"@type\":\"MaxPerZoneRule\",\"max\":2}", 1,
     "@zone", PLACEMENT_MAX_PER, NULL, 2},
    {"object: round robin",
     "{\"@type\":\"RoundRobinByAttributeRule\",\"name\":\"rack\","
     "\"value-count\":null}",
     1, "rack", PLACEMENT_GROUP_BY, NULL, 0},
    {"object: round robin of three",
     "{\"@type\":\"RoundRobinByHostnameRule\",\"agent-count\":3}", 1,
     "hostname", PLACEMENT_GROUP_BY, NULL, 3},
    {"object: avoid", TYPE("AVOID"), 1, NULL, PLACEMENT_AVOID, "x", 0},
    {"object: colocate", TYPE("COLOCATE"), 1, NULL, PLACEMENT_COLOCATE, "x", 0},
    {"object: hook", "{\"@type\":\"HookRule\",\"name\":\"h\"}", 1, NULL,
     PLACEMENT_HOOK, "h", 0},
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
            cr_expect(str_eq(rule->field, cases[i].field), "case: %s",
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
    {"half a group", "a:LIKE:a)|(b", "Bad regular expression"},
    {"nothing escaped", "a:LIKE:x\\", "Bad regular expression"},
    {"nothing escaped in a set", "a:LIKE:[x\\", "Bad regular expression"},
    {"strange escape", "a:LIKE:\\\\y", "Bad regular expression"},
    {"bytes", "a:LIKE:\\\\C", "Bad regular expression"},
    {"a set within a set", "a:LIKE:[a-c[d]]", "a set within a set"},
    {"both of two sets", "a:LIKE:[a-c&&b]", "a set within a set"},
    {"a verb", "a:LIKE:(*LIMIT_MATCH=9)a", "nothing to repeat before '*'"},
    {"a verb later", "a:LIKE:a(*COMMIT)", "nothing to repeat before '*'"},
    {"said where", "a:LIKE:a{9\\,1}", "numbers out of order"},
    {"hook that is not", "@hook:IS_NOT:x", "@hook:IS:name"},
    {"object of no type", "{}", "'' is no placement rule"},
    {"object of another type", "{\"@type\":\"Rule\"}", "'Rule' is no"},
    {"or of nothing", "{\"@type\":\"OrRule\",\"rules\":[]}", "OrRule: without"},
    {"not of nothing", "{\"@type\":\"NotRule\"}", "what is not an object"},
    {"unknown key", "{\"@type\":\"PassthroughRule\",\"max\":1}",
     "PassthroughRule: unknown key 'max'"},
    {"no max", "{\"@type\":\"MaxPerZoneRule\"}", "'max' must be"},
    {"no matcher", "{\"@type\":\"ZoneRule\"}", "'matcher' must be"},
    {"matcher of no type",
     "{\"@type\":\"ZoneRule\",\"matcher\":{\"string\":\"a\"}}",
     "'' is no matcher"},
    {"known to be invalid",
     "{\"@type\":\"InvalidPlacementRule\",\"constraints\":\"x\","
     "\"exception\":\"why\"}",
     "why"},
    {"an inner one", "{\"@type\":\"AndRule\",\"rules\":[{\"@type\":\"X\"}]}",
     "'X' is no"},
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

static const struct {
    const char *pattern, *text;
    bool matches;
} patterns[] = {
    {"a\\d+", "a12", true},
    {"a\\d+", "ad", false},
    {"(?:a|b)c", "bc", true},
    {"(?:a|b)c", "b", false},
    {"a|bc", "a", true},
    {"a|bc", "ac", false},
    {"[\\d.]+", "1.2", true},
    {"[\\d.]+", "d", false},
    {"[[:alpha:]]x", "ax", true},
    {"[]a]+", "a]", true},
    {"node\\.one", "node.one", true},
    {"node\\.one", "nodexone", false},
    {"\\w+", "a_1", true},
    {"a.+?", "abc", true}, /* lazy, possessive and atomic as in Java */
    {"a.++", "abc", true},
    {"a.++c", "abc", false},
    {"(?>a|ab)c", "abc", false},
    {"(?!db).*", "web-1", true},
    {"(?!db).*", "db-1", false},
    {"(?i)NODE-\\d", "node-7", true},
    {"(\\w)\\1", "aa", true},
    {"(\\w)\\1", "ab", false},
    {"\\p{L}+", "\xc3\xa9t\xc3\xa9", true},
    {".", "\xc3\xa9", true}, /* one letter, two bytes */
    {"[\\]\\[]+", "[]", true},
    {"\\Q[x\\E.", "[x1", true},
    {"a|b\\Z", "a", true},
    {"()", "", true},
    {"()", "a", false},
    {"a.b", "a\nb", false},
    {"a\\.b", "a.b", true},
    {".*", "\xff\xfe", true}, /* no UTF-8: what is can still be compared */
};

Test(placement, expressions_match_the_whole_text)
{
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        AUTO_FREE char *json = NULL;
        struct err err = {0};
        json_t *row = json_pack("[sss]", "h", "LIKE", patterns[i].pattern);
        struct placement_rules *rules;

        json = json_dumps(row, 0);
        json_decref(row);
        rules = placement_parse(json, &err);
        cr_assert(rules, "%s: %s", patterns[i].pattern, err.text);
        cr_expect_eq(
            placement_compare(placement_at(rules, 0)->match, patterns[i].text),
            patterns[i].matches ? PLACEMENT_MATCHES : PLACEMENT_DIFFERS,
            "%s on %s", patterns[i].pattern, patterns[i].text);
        placement_free(&rules);
    }
}

/* Small texts that would take much to compile or to compare. */
static const struct {
    const char *name, *pattern;
    bool is_refused; /* as a rule; else LIKE and UNLIKE admit nothing */
} hard_patterns[] = {
    {"nested counts", "((((a{1,200}){1,200}){1,200}){1,200}){1,200}", true},
    {"a count of counts", "(((a{999}){999}){999})", true},
    {"pluses on pluses", ")\\+++++++++++++++++++++++++++++++++++++++++", true},
    {"stars in stars", "((((((a*)*)*)*)*)*)*[bc]", false},
    {"alternatives that overlap", "(a|aa|aaa|a*)+[bc]", false},
    {"optional ones", "(a?){60}a{60}[bc]", false},
};

static long used_mib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

static const char *const many_a =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

Test(placement, expressions_are_bounded, .timeout = 20)
{
    long before = used_mib();

    for (size_t i = 0; i < ARRAY_LEN(hard_patterns); i++) {
        const char *name = hard_patterns[i].name;
        struct err err = {0};
        struct placement_matcher *matcher =
            placement_matcher_new(MATCH_REGEX, hard_patterns[i].pattern, &err);

        cr_expect_eq(matcher == NULL, hard_patterns[i].is_refused, "case: %s",
                     name);
        if (!matcher)
            continue;
        cr_expect_eq(placement_compare(matcher, many_a), PLACEMENT_TOO_HARD,
                     "case: %s", name);
        placement_matcher_free(&matcher);
    }
    cr_expect_lt(used_mib() - before, 200);
}

static void see_hook(void *self, const char *name)
{
    cr_expect_str_eq(name, "h");
    ++*(int *)self;
}

Test(placement, says_what_it_mentions)
{
    int seen = 0;
    struct err err = {0};
    struct placement_rules *rules = placement_parse(
        "{\"@type\":\"NotRule\",\"rule\":{\"@type\":\"OrRule\",\"rules\":["
        "{\"@type\":\"IsLocalRegionRule\"},{\"@type\":\"HookRule\","
        "\"name\":\"h\"}]}}",
        &err);

    cr_assert(rules, "%s", err.text);
    cr_expect(placement_mentions(rules, "@region"));
    cr_expect_not(placement_mentions(rules, "@zone"));
    cr_expect_str_eq(placement_rule_hook(placement_at(rules, 0)), "h");
    placement_each_hook(rules, see_hook, &seen);
    cr_expect_eq(seen, 1);
    placement_free(&rules);
}
