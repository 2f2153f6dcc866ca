/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "lib/spec/mustache.h"
#include "tests/unit/spec/spec_test.h"

static const struct {
    const char *name, *value;
} variables[] = {{"NAME", "data-store"},
                 {"COUNT", "3"},
                 {"ZERO", "0"},
                 {"EMPTY", ""},
                 {"YES", "True"},
                 {"NO", "FALSE"},
                 {"HTML", "<a b=\"c\">&'"},
                 {"ENTITY", "&lt;&amp &#39;"},
                 {"LINES", "a\nb"},
                 {"JSON", "[[\"hostname\"]]"}};

static const char *get(void *self, const char *name, size_t len)
{
    (void)self;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        if (strlen(variables[i].name) == len &&
            memcmp(variables[i].name, name, len) == 0)
            return variables[i].value;
    return NULL;
}

static const struct mustache_vars vars = {.get = get};

static const struct {
    const char *name, *text, *want;
} cases[] = {
    {"nothing", "", ""},
    {"plain", "name: x\n", "name: x\n"},
    {"value", "n: {{NAME}}", "n: data-store"},
    {"padded", "{{ NAME }}", "data-store"},
    {"escaped", "{{HTML}}", "&lt;a b=&quot;c&quot;&gt;&amp;&#39;"},
    {"newline escaped", "{{LINES}}", "a&#10;b"},
    {"entities stay", "{{ENTITY}}", "&lt;&amp;amp &#39;"},
    {"raw", "{{{HTML}}}", "<a b=\"c\">&'"},
    {"raw by ampersand", "{{&JSON}}", "[[\"hostname\"]]"},
    {"unset is empty", "[{{NOPE}}]", "[]"},
    {"boolean prints lower", "{{YES}} {{{NO}}}", "true false"},
    {"section shown", "{{#COUNT}}x{{/COUNT}}", "x"},
    {"zero is true", "{{#ZERO}}x{{/ZERO}}", "x"},
    {"false hides", "a{{#NO}}x{{/NO}}b", "ab"},
    {"empty hides", "a{{#EMPTY}}x{{/EMPTY}}b", "ab"},
    {"unset hides", "a{{#NOPE}}x{{/NOPE}}b", "ab"},
    {"inverted", "{{^NOPE}}d{{/NOPE}}{{^YES}}e{{/YES}}", "d"},
    {"default idiom", "{{#NOPE}}{{NOPE}}{{/NOPE}}{{^NOPE}}3{{/NOPE}}", "3"},
    {"nested same name", "{{#YES}}a{{#YES}}b{{/YES}}c{{/YES}}", "abc"},
    {"hidden hides inner", "{{#NO}}a{{#YES}}b{{/YES}}{{/NO}}c", "c"},
    {"lone lines vanish", "a\n  {{#YES}}\nb\n  {{/YES}}  \nc\n", "a\nb\nc\n"},
    {"lone value stays", "a\n{{EMPTY}}\nb\n", "a\n\nb\n"},
    {"crlf", "a\r\n{{#YES}}\r\nb\r\n{{/YES}}\r\n", "a\r\nb\r\n"},
    {"comment", "a{{! no {{ matter }}b", "ab"},
    {"in a YAML comment", "# {{#NO}}\n# x\n# {{/NO}}\ny", "# \ny"},
    {"delimiters", "{{=<% %>=}}<%NAME%> {{NAME}}", "data-store {{NAME}}"},
    {"single brace", "a { b } c }} d", "a { b } c }} d"},
};

Test(mustache, renders)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mustache_result r;
        struct err err = {0};
        int rc = mustache_render(cases[i].text, strlen(cases[i].text), &vars,
                                 &r, &err);
        cr_expect_eq(rc, 0, "case: %s: %s", cases[i].name, err.text);
        cr_expect_str_eq(buf_text(&r.text), cases[i].want, "case: %s",
                         cases[i].name);
        mustache_result_free(&r);
    }
}

static const struct {
    const char *name, *text, *want;
} bad[] = {
    {"never closed", "a\n{{#X}}b", "line 2: section X is never closed"},
    {"open tag", "a {{X", "line 1: a tag is opened and never closed"},
    {"open triple", "{{{X}}", "line 1: a tag is opened and never closed"},
    {"crossed", "{{#A}}\n{{#B}}\n{{/A}}",
     "line 3: {{/A}} found where section "
     "B of line 2 must be closed"},
    {"closes nothing", "{{/A}}", "line 1: {{/A}} closes no section"},
    {"no name", "\n\n{{}}", "line 3: a tag has no name"},
    {"partial", "{{>x}}", "line 1: partials ({{>name}}) are unsupported"},
    {"delimiters", "{{=x=}}", "line 1: a set-delimiter tag is malformed"},
};

Test(mustache, refuses)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct mustache_result r;
        struct err err = {0};
        cr_expect_eq(
            mustache_render(bad[i].text, strlen(bad[i].text), &vars, &r, &err),
            -1, "case: %s", bad[i].name);
        cr_expect_str_eq(err.text, bad[i].want, "case: %s", bad[i].name);
        cr_expect_eq(err.code, ERR_INVALID, "case: %s", bad[i].name);
        mustache_result_free(&r);
    }
}

Test(mustache, too_deep_is_refused)
{
    AUTO_BUF struct buf text = {0};
    struct mustache_result r;
    struct err err = {0};

    for (int i = 0; i < 65; i++)
        buf_add_str(&text, "{{#YES}}");
    cr_assert_eq(mustache_render(text.data, text.len, &vars, &r, &err), -1);
    cr_assert_str_eq(err.text, "line 1: sections are nested too deep");
    mustache_result_free(&r);
}

Test(mustache, missing_names_and_lines)
{
    const char *text = "a: {{A}} {{A}}\nb: {{#NO}}{{B}}{{/NO}}\nc: {{EMPTY}}\n"
                       "{{#D}}\n{{/D}}\ne: {{A}}\n";
    struct mustache_result r;

    cr_assert_eq(mustache_render(text, strlen(text), &vars, &r, NULL), 0);
    cr_assert_eq(r.n_missing, 2);
    cr_assert_str_eq(r.missing[0].name, "A");
    cr_assert_eq(r.missing[0].line, 1);
    cr_assert_eq(r.missing[1].line, 6);
    mustache_result_free(&r);
}

Test(mustache, lines_of_the_template)
{
    const char *text = "one\n{{#YES}}\nthree\n{{/YES}}\n{{! a\ncomment }}\n"
                       "{{{LINES}}}\neight\n";
    struct mustache_result r;

    /* one / three / a / b / eight */
    cr_assert_eq(mustache_render(text, strlen(text), &vars, &r, NULL), 0);
    cr_assert_str_eq(buf_text(&r.text), "one\nthree\na\nb\neight\n");
    cr_expect_eq(mustache_line(&r, 1), 1);
    cr_expect_eq(mustache_line(&r, 2), 3);
    cr_expect_eq(mustache_line(&r, 3), 7);
    cr_expect_eq(mustache_line(&r, 4), 7);
    cr_expect_eq(mustache_line(&r, 5), 8);
    cr_expect_eq(mustache_line(&r, 99), 8);
    mustache_result_free(&r);
}
