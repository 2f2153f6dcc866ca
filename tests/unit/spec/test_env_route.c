/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "tests/unit/spec/spec_test.h"

static const char yml[] =
    "name: s\n"
    "pods:\n"
    "  aaa: {count: 1, cmd: x, cpus: 1, env: {FOO: own, KEEP: own}}\n"
    "  data: {count: 1, cmd: x, cpus: 1}\n"
    "  data-x: {count: 1, tasks: {a: {goal: ONCE, cmd: x, cpus: 1},"
    " b: {goal: ONCE, cmd: x, cpus: 1}}}\n";

static const char *value(const Reeve__ServiceSpec *spec, const char *pod,
                         size_t task, const char *name)
{
    const Reeve__TaskSpec *t = spec_find_pod(spec, pod)->tasks[task];

    for (size_t i = 0; i < t->n_env; i++)
        if (strcmp(t->env[i]->name, name) == 0)
            return t->env[i]->value;
    return NULL;
}

static const struct {
    const char *name, *env[3], *pod;
    size_t task;
    const char *variable, *want;
} cases[] = {
    {"own", {NULL}, "aaa", 0, "FOO", "own"},
    {"specific", {"TASKCFG_DATA_FOO=1"}, "data", 0, "FOO", "1"},
    {"not others", {"TASKCFG_DATA_FOO=1"}, "aaa", 0, "FOO", "own"},
    {"all", {"TASKCFG_ALL_FOO=2"}, "data-x", 1, "FOO", "2"},
    {"all beats own", {"TASKCFG_ALL_FOO=2"}, "aaa", 0, "FOO", "2"},
    {"specific beats all, before it",
     {"TASKCFG_AAA_FOO=1", "TASKCFG_ALL_FOO=2"},
     "aaa",
     0,
     "FOO",
     "1"},
    {"specific beats all, behind it",
     {"TASKCFG_ALL_FOO=2", "TASKCFG_DATA_FOO=1"},
     "data",
     0,
     "FOO",
     "1"},
    {"longest pod name", {"TASKCFG_DATA_X_FOO=3"}, "data-x", 0, "FOO", "3"},
    {"every task of the pod",
     {"TASKCFG_DATA_X_FOO=3"},
     "data-x",
     1,
     "FOO",
     "3"},
    {"longest pod name only",
     {"TASKCFG_DATA_X_FOO=3"},
     "data",
     0,
     "X_FOO",
     NULL},
    {"value with equals", {"TASKCFG_ALL_Q=a=b"}, "data", 0, "Q", "a=b"},
    {"empty value", {"TASKCFG_ALL_Q="}, "data", 0, "Q", ""},
    {"no name", {"TASKCFG_DATA_=1"}, "data", 0, "", NULL},
    {"lower case is another", {"TASKCFG_data_Q=1"}, "data", 0, "Q", NULL},
    {"the rest stays", {"TASKCFG_AAA_FOO=1"}, "aaa", 0, "KEEP", "own"},
};

Test(env_route, routes)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        AUTO_SPEC Reeve__ServiceSpec *s = parse_env(yml, cases[i].env, &err);
        cr_assert(s, "case: %s: %s", cases[i].name, err.text);
        const char *got =
            value(s, cases[i].pod, cases[i].task, cases[i].variable);
        cr_expect(cases[i].want ? got && strcmp(got, cases[i].want) == 0 : !got,
                  "case: %s: %s", cases[i].name, str_or_empty(got));
    }
}

Test(env_route, keeps_the_environment_sorted)
{
    const char *const env[] = {"TASKCFG_AAA_Z=1", "TASKCFG_AAA_A=1", NULL};
    AUTO_SPEC Reeve__ServiceSpec *s = parse_env(yml, env, NULL);
    static const char *const want[] = {"A", "FOO", "KEEP", "Z"};

    cr_assert(s);
    const Reeve__TaskSpec *task = spec_find_pod(s, "aaa")->tasks[0];
    cr_assert_eq(task->n_env, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        cr_expect_str_eq(task->env[i]->name, want[i]);
}

Test(env_route, warns_of_what_fits_nowhere_or_twice)
{
    const char *const env[] = {"TASKCFG_NOPE_Q=1", "TASKCFG_DATA_X_Q=1", NULL};
    AUTO_SPEC Reeve__ServiceSpec *s = parse_env(yml, env, NULL);

    cr_assert(s);
    cr_assert_eq(s->n_warnings, 2);
    cr_expect_str_eq(s->warnings[0],
                     "TASKCFG_NOPE_Q names no pod of the service, ignored");
    cr_expect(strstr(s->warnings[1], "fits several pods"), "%s",
              s->warnings[1]);
}
