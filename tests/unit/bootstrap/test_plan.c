/* SPDX-License-Identifier: Apache-2.0 */
#include "bootstrap/plan.h"

#include <criterion/criterion.h>

#include "lib/base/base.h"

#define MAX_ARGS 4

static const struct {
    const char *name;
    char *args[MAX_ARGS];
    const char *error; /* NULL: fine */
} read_cases[] = {
    {"nothing", {NULL}, NULL},
    {"a bool", {(char[]){"-resolve=false"}}, NULL},
    {"two dashes", {(char[]){"--template=F"}}, NULL},
    {"a value apart", {(char[]){"-resolve-timeout"}, (char[]){"10s"}}, NULL},
    {"unknown", {(char[]){"-what"}}, "-what is not known"},
    {"no flag", {(char[]){"what"}}, "'what' is not a flag"},
    {"no value", {(char[]){"-resolve-hosts"}}, "-resolve-hosts needs a value"},
    {"no bool", {(char[]){"-resolve=2"}}, "-resolve: '2' makes no sense"},
    {"no number", {(char[]){"-template-max-bytes=-1"}}, "makes no sense"},
    {"no duration", {(char[]){"-resolve-timeout=10"}}, "makes no sense"},
    {"no unit", {(char[]){"-resolve-timeout=1x"}}, "makes no sense"},
    {"accepted", {(char[]){"-insecure"}}, NULL},
    {"just a dash", {(char[]){"-"}}, "- is not known"},
};

Test(plan, reads_flags)
{
    for (size_t i = 0; i < ARRAY_LEN(read_cases); i++) {
        char *argv[MAX_ARGS + 1] = {(char[]){"bootstrap"}};
        struct plan plan;
        struct err err = {0};
        int argc = 1, rc;

        while (argc <= MAX_ARGS && read_cases[i].args[argc - 1]) {
            argv[argc] = read_cases[i].args[argc - 1];
            argc++;
        }
        rc = plan_read(&plan, argc, argv, &err);
        cr_expect_eq(rc, read_cases[i].error ? -1 : 0, "case %s: %s",
                     read_cases[i].name, err.text);
        if (read_cases[i].error)
            cr_expect(strstr(err.text, read_cases[i].error), "case %s: %s",
                      read_cases[i].name, err.text);
    }
}

static const struct {
    const char *text;
    int64_t ms;
} durations[] = {{"5m", 300000}, {"1h1m1.5s", 3661500},
                 {"500ms", 500}, {"0", 0},
                 {"0s", 0},      {"2m30s", 150000}};

Test(plan, durations_and_defaults)
{
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        AUTO_FREE char *arg =
            xasprintf("-resolve-timeout=%s", durations[i].text);
        char *argv[] = {(char[]){"bootstrap"}, arg};
        struct plan plan;
        struct err err = {0};

        cr_assert_eq(plan_read(&plan, 2, argv, &err), 0, "%s", err.text);
        cr_expect_eq(plan.resolve_for_ms, durations[i].ms, "%s",
                     durations[i].text);
        cr_expect(plan.prints_env && plan.resolves && plan.resolves_self &&
                  plan.renders && plan.installs_certs);
        cr_expect_not(plan.is_verbose || plan.prints_ip || plan.prints_help);
        cr_expect_eq(plan.max_template_bytes, 1048576);
    }
}

static const struct {
    const char *variable, *from, *to;
    bool is_template;
} templates[] = {
    {"CONFIG_TEMPLATE_A=config-templates/a,conf/a", "config-templates/a",
     "conf/a", true},
    {"CONFIG_TEMPLATE_A=a", NULL, NULL, true},
    {"CONFIG_TEMPLATE_A=,b", NULL, NULL, true},
    {"CONFIG_TEMPLATE_A=a,", NULL, NULL, true},
    {"CONFIG_TEMPLATE_A=a,b,c", NULL, NULL, true},
    {"CONFIG=a,b", NULL, NULL, false},
    {"CONFIG_TEMPLATE_A", NULL, NULL, false},
};

Test(plan, templates)
{
    for (size_t i = 0; i < ARRAY_LEN(templates); i++) {
        AUTO_FREE char *from = NULL, *to = NULL;

        cr_expect_eq(plan_template(templates[i].variable, &from, &to),
                     templates[i].is_template, "%s", templates[i].variable);
        cr_expect(str_eq(from, templates[i].from), "%s", str_or_empty(from));
        cr_expect(str_eq(to, templates[i].to), "%s", str_or_empty(to));
    }
}

Test(plan, secrets_by_their_looks)
{
    cr_expect(plan_is_secret("Db_Password"));
    cr_expect(plan_is_secret("API_TOKEN_X"));
    cr_expect_not(plan_is_secret("TASK_NAME"));
}

Test(plan, environment)
{
    char *env[] = {(char[]){"AB=1"}, (char[]){"A=2"}, (char[]){"B="}, NULL};

    cr_expect_str_eq(plan_env(env, "A"), "2");
    cr_expect_str_eq(plan_env(env, "B"), "");
    cr_expect_null(plan_env(env, "C"));
}
