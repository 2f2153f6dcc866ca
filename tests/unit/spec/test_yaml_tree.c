/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "lib/base/buf.h"
#include "lib/spec/yaml_tree.h"
#include "tests/unit/spec/spec_test.h"

static struct yaml_node *read_tree(const char *text, size_t *line,
                                   struct err *err)
{
    return yaml_tree_parse(text, strlen(text), line, err);
}

Test(yaml_tree, keeps_order_and_lines)
{
    size_t line;
    struct yaml_node *root =
        read_tree("b: 1\na:\n  - x\n  - {k: 'v'}\nc:\n", &line, NULL);

    cr_assert(root);
    cr_assert_eq(root->kind, YAML_KIND_MAP);
    cr_assert_eq(root->n_entries, 3);
    cr_expect_str_eq(root->entries[0].key, "b");
    cr_expect_eq(root->entries[1].line, 2);
    const struct yaml_node *a = yaml_tree_get(root, "a");
    cr_expect_eq(a->kind, YAML_KIND_LIST);
    cr_expect_eq(a->entries[0].value->line, 3);
    cr_expect(yaml_tree_get(a->entries[1].value, "k")->quoted);
    cr_expect(yaml_tree_is_null(yaml_tree_get(root, "c")));
    cr_expect(yaml_tree_is_null(yaml_tree_get(root, "d")));
    cr_expect_eq(yaml_tree_get(a, "k"), NULL);
    yaml_tree_free(root);
}

static const struct {
    const char *name, *text;
    bool is_null;
} null_cases[] = {
    {"empty text", "", true},      {"only a comment", "# x\n", true},
    {"tilde", "~", true},          {"null", "null", true},
    {"quoted empty", "''", false}, {"quoted null", "\"null\"", false},
    {"block", "|\n  x\n", false},  {"word", "nul", false},
    {"empty list", "[]", false},   {"empty map", "{}", false},
};

Test(yaml_tree, knows_null)
{
    for (size_t i = 0; i < ARRAY_LEN(null_cases); i++) {
        size_t line;
        struct yaml_node *root = read_tree(null_cases[i].text, &line, NULL);
        cr_assert(root, "case: %s", null_cases[i].name);
        cr_expect_eq(yaml_tree_is_null(root), null_cases[i].is_null, "case: %s",
                     null_cases[i].name);
        yaml_tree_free(root);
    }
}

static const struct {
    const char *name, *text, *want;
    size_t line;
} bad[] = {
    {"duplicate key", "a: 1\nb: 2\na: 3\n", "Duplicate key: a", 3},
    {"duplicate deep", "p:\n  a: 1\n  a: 1\n", "Duplicate key: a", 3},
    {"alias", "a: &x 1\nb: *x\n", "aliases (*x) are unsupported", 2},
    {"map as key", "? {a: b}\n: c\n", "a key must be a plain word", 1},
    {"second document", "a: 1\n---\nb: 2\n",
     "a second document starts here, only one is read", 2},
    {"zero byte", "a: \"x\\0y\"\n", "a value holds a zero byte", 1},
};

Test(yaml_tree, refuses)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t line = 0;
        struct err err = {0};
        cr_expect_eq(read_tree(bad[i].text, &line, &err), NULL, "case: %s",
                     bad[i].name);
        cr_expect_str_eq(err.text, bad[i].want, "case: %s", bad[i].name);
        cr_expect_eq(line, bad[i].line, "case: %s: line %zu", bad[i].name,
                     line);
    }
}

Test(yaml_tree, not_yaml_says_where)
{
    size_t line = 0;
    struct err err = {0};

    cr_assert_eq(read_tree("a: 1\nb: [1, 2\nc: 3\n", &line, &err), NULL);
    cr_expect(str_starts(err.text, "this line is not YAML: "), "%s", err.text);
    cr_expect_eq(line, 3);
}

static void fill(struct buf *text, const char *piece, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_add_str(text, piece);
}

Test(yaml_tree, bounds)
{
    AUTO_BUF struct buf deep = {0}, wide = {0};
    size_t line;
    struct err err = {0};

    fill(&deep, "[", 70);
    fill(&deep, "]", 70);
    cr_expect_eq(read_tree(deep.data, &line, &err), NULL);
    cr_expect_str_eq(err.text, "nested deeper than 64 levels");
    fill(&wide, "- x\n", 20001);
    cr_expect_eq(read_tree(wide.data, &line, &err), NULL);
    cr_expect_str_eq(err.text, "more than 20000 values");
}
