/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/resources.h"
#include "services/offer-broker/census.h"

#define LABELS(id, framework)                                                  \
    "\"labels\":{\"labels\":[{\"key\":\"resource_id\",\"value\":\"" id         \
    "\"},{\"key\":\"framework_id\",\"value\":\"" framework "\"}]}"
#define SLAVE(role, reservation)                                               \
    "{\"slaves\":[{\"id\":\"S0\",\"hostname\":\"h0\","                         \
    "\"reserved_resources_full\":{\"" role                                     \
    "\":[{\"name\":\"disk\",\"reservations\":[" reservation "]}]}}]}"
#define FRAMEWORK(id, name, connected, tasks)                                  \
    "{\"frameworks\":[{\"id\":\"" id "\",\"name\":\"" name                     \
    "\",\"connected\":" connected ",\"tasks\":[" tasks "]}]}"
#define NO_SLAVES     "{\"slaves\":[]}"
#define NO_FRAMEWORKS "{\"frameworks\":[]}"

static const struct {
    const char *name, *frameworks, *slaves;
    const char *confirm; /* NULL: may register */
    const char *own;     /* framework id; NULL: none yet */
} cases[] = {
    {"an empty cluster", NO_FRAMEWORKS, NO_SLAVES, NULL, NULL},
    {"its namesake is connected", FRAMEWORK("f1", "svc", "true", ""), NO_SLAVES,
     "f1", NULL},
    {"its namesake is away and has tasks",
     FRAMEWORK("f1", "svc", "false", "{\"id\":\"t\"}"), NO_SLAVES, "f1", NULL},
    {"a registration whose answer was lost",
     FRAMEWORK("f1", "svc", "false", ""), NO_SLAVES, NULL, NULL},
    {"another service", FRAMEWORK("f1", "other", "true", "{\"id\":\"t\"}"),
     NO_SLAVES, NULL, NULL},
    {"reservations of a framework that is gone", NO_FRAMEWORKS,
     SLAVE("svc-role", "{" LABELS("r1", "f0") "}"), "svc-role", NULL},
    {"reservations of its namesake", FRAMEWORK("f1", "svc", "false", ""),
     SLAVE("svc-role", "{" LABELS("r1", "f1") "}"), "svc-role", NULL},
    {"another service in the same role",
     FRAMEWORK("f1", "other", "true", "{\"id\":\"t\"}"),
     SLAVE("svc-role", "{" LABELS("r1", "f1") "}"), NULL, NULL},
    {"another role", NO_FRAMEWORKS,
     SLAVE("other-role", "{" LABELS("r1", "f0") "}"), NULL, NULL},
    {"reserved without our label", NO_FRAMEWORKS,
     SLAVE("svc-role", "{\"role\":\"svc-role\"}"), NULL, NULL},
    {"only the last of a stack of reservations counts", NO_FRAMEWORKS,
     SLAVE("svc-role", "{" LABELS("r1", "f0") "},{\"type\":\"STATIC\"}"), NULL,
     NULL},
    {"its own framework has tasks that no record names",
     FRAMEWORK("f1", "svc", "false", "{\"id\":\"t\"}"), NO_SLAVES, "f1", "f1"},
    {"its own framework, still taken for connected",
     FRAMEWORK("f1", "svc", "true", ""), NO_SLAVES, NULL, "f1"},
    {"its own reservations that no record names",
     FRAMEWORK("f1", "svc", "false", ""),
     SLAVE("svc-role", "{" LABELS("r1", "f1") "}"), "svc-role", "f1"},
    {"things that make no sense", "{\"frameworks\":[1,null,{\"id\":2}]}",
     "{\"slaves\":[7,{\"id\":\"S1\"},{\"id\":\"S2\","
     "\"reserved_resources_full\":{\"svc-role\":7}}]}",
     NULL, NULL},
};

Test(census, who_may_register)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct census *c = census_new();
        const struct census_self self = {"svc", "svc-role", cases[i].own};
        AUTO_FREE char *why = NULL, *confirm = NULL;

        cr_assert_eq(census_read_frameworks(c, cases[i].frameworks,
                                            strlen(cases[i].frameworks), NULL),
                     0, "%s", cases[i].name);
        cr_assert_eq(census_read_agents(c, cases[i].slaves,
                                        strlen(cases[i].slaves), NULL),
                     0, "%s", cases[i].name);
        cr_expect_eq(census_may_register(c, &self, &why, &confirm),
                     cases[i].confirm == NULL, "%s", cases[i].name);
        cr_expect(str_eq(confirm, cases[i].confirm), "%s: %s", cases[i].name,
                  str_or_empty(confirm));
        cr_expect_eq(why != NULL, cases[i].confirm != NULL, "%s",
                     cases[i].name);
        census_destroy(&c);
    }
}

Test(census, what_an_agent_holds)
{
    static const char text[] = SLAVE("svc-role", "{" LABELS("r1", "f0") "}");
    struct census *c = census_new();

    cr_assert_eq(census_read_agents(c, text, strlen(text), NULL), 0);
    cr_expect(census_has_agent(c, "S0"));
    cr_expect_not(census_has_agent(c, "S1"));
    cr_expect(census_has(c, "S0", "r1"));
    cr_expect_not(census_has(c, "S0", "r2"));
    cr_expect_not(census_has(c, "S1", "r1"));
    cr_expect(census_has_bare(c, "S0", "r1"));
    cr_expect_not(census_has_bare(c, "S0", "r2"));
    cr_expect_not(census_can_resize(c, "S0"));
    cr_expect_not(census_can_resize(c, "S1"));
    census_destroy(&c);
}

#define VOLUME(id)                                                             \
    "{\"name\":\"disk\",\"disk\":{\"persistence\":{\"id\":\"p\"}},"            \
    "\"reservations\":[{" LABELS(id, "f0") "}]}"
#define BARE(id) "{\"name\":\"disk\",\"reservations\":[{" LABELS(id, "f0") "}]}"

Test(census, volumes_and_what_is_beside_them)
{
    static const char text[] =
        "{\"slaves\":[{\"id\":\"S0\",\"capabilities\":[\"MULTI_ROLE\","
        "7,"
        "\"RESIZE_VOLUME\"],\"reserved_resources_full\":{\"r\":"
        "[" VOLUME("r1") "," VOLUME("r2") "," BARE("r2") "," BARE(
            "r3") "," VOLUME("r3") "]}},{\"id\":\"S1\","
                                   "\"capabilities\":[\"MULTI_ROLE\"],"
                                   "\"reserved_resources_full\":{}}]}";
    struct census *c = census_new();

    cr_assert_eq(census_read_agents(c, text, strlen(text), NULL), 0);
    cr_expect(census_has(c, "S0", "r1"));
    cr_expect_not(census_has_bare(c, "S0", "r1"));
    cr_expect(census_has_bare(c, "S0", "r2"));
    cr_expect(census_has_bare(c, "S0", "r3"));
    cr_expect(census_can_resize(c, "S0"));
    cr_expect(census_has_agent(c, "S1"));
    cr_expect_not(census_can_resize(c, "S1"));
    census_destroy(&c);
}

static const char *const garbage[] = {
    "", "{", "[]", "{\"slaves\":{}}", "not JSON", "{\"frameworks\":null}"};

Test(census, an_answer_that_is_none)
{
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        struct census *c = census_new();
        struct err err = {0};

        cr_expect_eq(
            census_read_agents(c, garbage[i], strlen(garbage[i]), &err), -1);
        cr_expect_eq(err.code, ERR_INVALID);
        cr_expect_eq(
            census_read_frameworks(c, garbage[i], strlen(garbage[i]), NULL),
            -1);
        census_destroy(&c);
    }
}

/* As a master writes it: in both forms. */
#define LABELLED(amount, id)                                                   \
    "{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":" amount     \
    "},\"role\":\"svc-role\",\"reservation\":{" LABELS(                        \
        id, "f1") "},\"reservations\":[{\"type\":\"DYNAMIC\",\"role\":\"svc-"  \
                  "role\"," LABELS(id, "f1") "}]}"

/* What is not ours, or is nonsense, is passed over. */
Test(census, what_an_agent_has_reserved)
{
    static const char text[] =
        "{\"slaves\":[{\"id\":\"S1\",\"hostname\":\"h1\"},7,"
        "{\"id\":\"S0\",\"hostname\":\"h0\",\"reserved_resources_full\":{"
        "\"svc-role\":[" LABELLED("64", "r1") "," LABELLED(
            "-1",
            "r2") "," LABELLED("8",
                               "") ",[]," LABELLED("32",
                                                   "r3") "],"
                                                         "\"other\":[" LABELLED(
                                                             "64",
                                                             "r4") "]}}]}";
    static const char *const roles[] = {"svc-role", "none"};
    AUTO_FREE char *hostname = NULL, *none = NULL, *other = NULL;
    struct resources *reserved =
        census_reserved(text, strlen(text), "S0", roles, 2, &hostname);

    cr_assert_not_null(reserved);
    cr_assert_str_eq(hostname, "h0");
    cr_assert_eq(resources_count(reserved), 2);
    cr_expect_str_eq(resource_label(resources_at(reserved, 0), "resource_id"),
                     "r1");
    cr_expect_str_eq(resource_label(resources_at(reserved, 1), "resource_id"),
                     "r3");
    resources_destroy(&reserved);
    cr_expect_null(census_reserved(text, 3, "S0", roles, 2, &none));
    cr_expect_null(census_reserved("[]", 2, "S9", roles, 2, &other));
}
