/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/labels.h"
#include "lib/mesos/states.h"
#include "lib/wire/wire.h"

static const struct {
    int state;
    bool is_terminal, proves_death;
} state_cases[] = {
    {MESOS__V1__TASK_STATE__TASK_STAGING, false, false},
    {MESOS__V1__TASK_STATE__TASK_STARTING, false, false},
    {MESOS__V1__TASK_STATE__TASK_RUNNING, false, false},
    {MESOS__V1__TASK_STATE__TASK_KILLING, false, false},
    {MESOS__V1__TASK_STATE__TASK_FINISHED, true, true},
    {MESOS__V1__TASK_STATE__TASK_FAILED, true, true},
    {MESOS__V1__TASK_STATE__TASK_KILLED, true, true},
    {MESOS__V1__TASK_STATE__TASK_ERROR, true, true},
    {MESOS__V1__TASK_STATE__TASK_LOST, true, false},
    {MESOS__V1__TASK_STATE__TASK_DROPPED, true, true},
    {MESOS__V1__TASK_STATE__TASK_UNREACHABLE, false, false},
    {MESOS__V1__TASK_STATE__TASK_GONE, true, true},
    {MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR, true, true},
    {MESOS__V1__TASK_STATE__TASK_UNKNOWN, false, false},
    {77, false, false},
};

Test(states, tasks)
{
    for (size_t i = 0; i < ARRAY_LEN(state_cases); i++) {
        int state = state_cases[i].state;
        const char *name = task_state_name(state);
        cr_expect_eq(task_state_is_terminal(state), state_cases[i].is_terminal,
                     "case: %s", name);
        cr_expect_eq(task_state_proves_death(state),
                     state_cases[i].proves_death, "case: %s", name);
    }
    cr_expect_str_eq(task_state_name(1), "TASK_RUNNING");
    cr_expect_str_eq(task_state_name(77), "TASK_77");
    cr_expect_str_eq(task_reason_name(25), "REASON_TASK_GROUP_INVALID");
    cr_expect_str_eq(task_source_name(0), "SOURCE_MASTER");
    cr_expect_str_eq(operation_state_name(2), "OPERATION_FINISHED");
    cr_expect(operation_state_is_terminal(2));
    cr_expect_not(operation_state_is_terminal(1));
    cr_expect_not(operation_state_is_terminal(6));
}

static const struct {
    const char *name, *id, *why;
} id_cases[] = {
    {"fine", "data-0__6f", NULL},
    {"empty", "", "ID must not be empty"},
    {"dot", ".", "'.' is disallowed"},
    {"dots", "..", "'..' is disallowed"},
    {"three dots", "...", NULL},
    {"slash", "a/b", "'a/b' contains invalid characters"},
    {"backslash", "a\\b", "'a\\b' contains invalid characters"},
    {"control", "a\tb", "'a\tb' contains invalid characters"},
    {"blank", "a b", NULL},
};

Test(states, ids)
{
    char longest[257] = {0};
    memset(longest, 'x', 255);
    cr_expect_eq(mesos_id_validate(longest, NULL), 0);
    longest[255] = 'x';
    cr_expect_eq(mesos_id_validate(longest, NULL), -1);
    for (size_t i = 0; i < ARRAY_LEN(id_cases); i++) {
        struct err err = {0};
        int rc = mesos_id_validate(id_cases[i].id, &err);
        cr_expect_eq(rc, id_cases[i].why ? -1 : 0, "case: %s",
                     id_cases[i].name);
        cr_expect_str_eq(err.text, str_or_empty(id_cases[i].why), "case: %s",
                         id_cases[i].name);
    }
}

static const struct {
    const char *name, *role, *why;
} role_cases[] = {
    {"star", "*", NULL},
    {"plain", "svc-role", NULL},
    {"below", "eng/db", NULL},
    {"empty", "", "Role names cannot be the empty string"},
    {"leading slash", "/a", "Role '/a' cannot start with a slash"},
    {"trailing slash", "a/", "Role 'a/' cannot end with a slash"},
    {"two slashes", "a//b", "Role 'a//b' cannot contain two adjacent slashes"},
    {"star below", "a/*", "Role 'a/*' cannot include '*' as a component"},
    {"dot", "a/./b", "Role 'a/./b' cannot include '.' as a component"},
    {"dots", "..", "Role '..' cannot include '..' as a component"},
    {"dash", "a/-b",
     "Role component '-b' is invalid because it begins with a dash"},
    {"blank", "a b",
     "Role component 'a b' is invalid because it contains backspace or "
     "whitespace"},
};

Test(states, roles)
{
    for (size_t i = 0; i < ARRAY_LEN(role_cases); i++) {
        struct err err = {0};
        int rc = mesos_role_validate(role_cases[i].role, &err);
        cr_expect_eq(rc, role_cases[i].why ? -1 : 0, "case: %s",
                     role_cases[i].name);
        cr_expect_str_eq(err.text, str_or_empty(role_cases[i].why), "case: %s",
                         role_cases[i].name);
    }
}

Test(labels, find_set_equal)
{
    Mesos__V1__Labels *a = NULL, *b = NULL;
    cr_expect_null(labels_find(a, "k"));
    labels_add(&a, "k", "1");
    labels_add(&a, "n", NULL);
    cr_expect_str_eq(labels_find(a, "k"), "1");
    cr_expect_str_eq(labels_find(a, "n"), "");
    labels_set(&b, "n", NULL);
    labels_set(&b, "k", "2");
    cr_expect_not(labels_equal(a, b));
    labels_set(&b, "k", "1");
    cr_expect(labels_equal(a, b));
    labels_add(&b, "k", "1");
    cr_expect_not(labels_equal(a, b));
    cr_expect_not(labels_equal(a, NULL));
    cr_expect(labels_equal(NULL, NULL));
    wire_auto_free(&a);
    wire_auto_free(&b);
}
