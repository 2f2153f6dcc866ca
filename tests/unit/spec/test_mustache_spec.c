/* SPDX-License-Identifier: Apache-2.0 */
/* The tests of the mustache specification, where they are at hand: all must
 * hold but the named ones, in which the dialect of svc.yml differs. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/spec/mustache.h"
#include "tests/unit/spec/spec_test.h"

static const struct {
    const char *file, *name, *why;
} deviations[] = {
    {"delimiters", "Partial Inheritence", "partials are refused"},
    {"delimiters", "Post-Partial Behavior", "partials are refused"},
    {"interpolation", "Dotted Names - Basic Interpolation", "no nested data"},
    {"interpolation", "Dotted Names - Triple Mustache Interpolation",
     "no nested data"},
    {"interpolation", "Dotted Names - Ampersand Interpolation",
     "no nested data"},
    {"interpolation", "Dotted Names - Initial Resolution", "no nested data"},
    {"interpolation", "Dotted Names are never single keys",
     "a dotted name is a name"},
    {"interpolation", "Implicit Iterators - Basic Interpolation",
     "no implicit iterator"},
    {"interpolation", "Implicit Iterators - HTML Escaping",
     "no implicit iterator"},
    {"interpolation", "Implicit Iterators - Triple Mustache",
     "no implicit iterator"},
    {"interpolation", "Implicit Iterators - Ampersand", "no implicit iterator"},
    {"interpolation", "Implicit Iterators - Basic Integer Interpolation",
     "no implicit iterator"},
    {"inverted", "Context", "no nested data"},
    {"partials", "Basic Behavior", "partials are refused"},
    {"partials", "Failed Lookup", "partials are refused"},
    {"partials", "Context", "partials are refused"},
    {"partials", "Recursion", "partials are refused"},
    {"partials", "Nested", "partials are refused"},
    {"partials", "Surrounding Whitespace", "partials are refused"},
    {"partials", "Inline Indentation", "partials are refused"},
    {"partials", "Standalone Line Endings", "partials are refused"},
    {"partials", "Standalone Without Previous Line", "partials are refused"},
    {"partials", "Standalone Without Newline", "partials are refused"},
    {"partials", "Standalone Indentation", "partials are refused"},
    {"partials", "Padding Whitespace", "partials are refused"},
    {"sections", "Context", "no nested data"},
    {"sections", "Parent contexts", "no nested data"},
    {"sections", "Variable test", "no nested data"},
    {"sections", "List Contexts", "no lists"},
    {"sections", "Deeply Nested Contexts", "no nested data"},
    {"sections", "List", "no lists"},
    {"sections", "Implicit Iterator - String", "no implicit iterator"},
    {"sections", "Implicit Iterator - Integer", "no implicit iterator"},
    {"sections", "Implicit Iterator - Decimal", "no implicit iterator"},
    {"sections", "Implicit Iterator - Array", "no implicit iterator"},
    {"sections", "Implicit Iterator - HTML Escaping", "no implicit iterator"},
    {"sections", "Implicit Iterator - Triple mustache", "no implicit iterator"},
    {"sections", "Implicit Iterator - Ampersand", "no implicit iterator"},
    {"sections", "Implicit Iterator - Root-level", "no implicit iterator"},
};

static bool deviates(const char *file, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(deviations); i++)
        if (strcmp(deviations[i].file, file) == 0 &&
            strcmp(deviations[i].name, name) == 0)
            return true;
    return false;
}

/* Nested data as flat names with dots. */
static void flatten(json_t *into, const char *prefix, json_t *value)
{
    const char *key;
    json_t *item;

    if (json_is_object(value)) {
        json_object_foreach(value, key, item)
        {
            AUTO_FREE char *name =
                xasprintf("%s%s%s", prefix, *prefix ? "." : "", key);
            flatten(into, name, item);
        }
    } else if (json_is_string(value)) {
        json_object_set(into, prefix, value);
    } else if (json_is_boolean(value)) {
        json_object_set_new(
            into, prefix, json_string(json_is_true(value) ? "true" : "false"));
    } else if (json_is_number(value)) {
        AUTO_FREE char *text = xasprintf("%.10g", json_number_value(value));
        json_object_set_new(into, prefix, json_string(text));
    }
}

static const char *get(void *self, const char *name, size_t len)
{
    AUTO_FREE char *key = xstrndup(name, len);

    return json_string_value(json_object_get(self, key));
}

static bool holds(const json_t *test)
{
    json_t *data = json_object();
    const char *template = json_string_value(json_object_get(test, "template"));
    const char *want = json_string_value(json_object_get(test, "expected"));
    struct mustache_vars vars = {.get = get, .self = data};
    struct mustache_result result;

    flatten(data, "", json_object_get(test, "data"));
    bool ok = mustache_render(template, strlen(template), &vars, &result,
                              NULL) == 0 &&
              strcmp(buf_text(&result.text), want) == 0;
    mustache_result_free(&result);
    json_decref(data);
    return ok;
}

static void run_file(const char *dir, const char *file)
{
    AUTO_FREE char *path = xasprintf("%s/mustache-spec/%s.json", dir, file);
    json_t *json = json_load_file(path, 0, NULL), *test;
    size_t i;

    cr_assert(json, "%s", path);
    json_array_foreach(json_object_get(json, "tests"), i, test)
    {
        const char *name = json_string_value(json_object_get(test, "name"));
        cr_expect_eq(holds(test), !deviates(file, name), "case: %s: %s", file,
                     name);
    }
    json_decref(json);
}

Test(mustache_spec, all_but_the_deviations)
{
    static const char *const files[] = {"comments",      "delimiters",
                                        "interpolation", "inverted",
                                        "partials",      "sections"};
    const char *dir = acceptance_dir();

    if (!dir)
        cr_skip_test("skipped: no acceptance data (REEVE_ACCEPTANCE)");
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        run_file(dir, files[i]);
}
