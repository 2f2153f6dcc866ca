/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "make.h"
#include "services/offer-broker/quota.h"

#define ROLE(name, limit, consumed)                                            \
    "{\"name\":\"" name "\",\"quota\":{\"limit\":{" limit                      \
    "},\"consumed\":{" consumed "}}}"
#define ROLES(list) "{\"roles\":[" list "]}"
#define TEXT(role, what)                                                       \
    "the quota of role " role " allows " what " more are needed"

/* The pod wants 1.1 cpus, 288 MiB of memory and 1280 of disk with its overhead.
 */
static const struct {
    const char *name, *roles, *text;
} cases[] = {
    {"no role at all", ROLES(""), NULL},
    {"no limit", ROLES(ROLE("svc-role", "", "\"cpus\":9")), NULL},
    {"room enough", ROLES(ROLE("svc-role", "\"cpus\":2.1", "\"cpus\":1")),
     NULL},
    {"a little too small",
     ROLES(ROLE("svc-role", "\"cpus\":2", "\"cpus\":0.95")),
     TEXT("svc-role", "cpus 2, of which 0.95 are used; 1.1")},
    {"nothing used yet", ROLES(ROLE("svc-role", "\"disk\":1279", "")),
     TEXT("svc-role", "disk 1279, of which 0 are used; 1280")},
    {"nothing allowed", ROLES(ROLE("svc-role", "\"mem\":0", "")),
     TEXT("svc-role", "mem 0, of which 0 are used; 288")},
    {"of the role above", ROLES(ROLE("svc-role/a", "\"cpus\":1", "")), NULL},
    {"another role", ROLES(ROLE("svc", "\"cpus\":1", "")), NULL},
    {"what is not wanted", ROLES(ROLE("svc-role", "\"gpus\":0", "")), NULL},
    {"the one that is short",
     ROLES(ROLE("svc-role", "\"cpus\":9,\"mem\":100", "")),
     TEXT("svc-role", "mem 100, of which 0 are used; 288")},
    {"nonsense in it is passed over",
     ROLES("7,{\"name\":8},{\"name\":\"svc-role\",\"quota\":[]}," ROLE(
         "svc-role", "\"cpus\":\"1\",\"mem\":1e300", "")),
     NULL},
};

static char *judge(const char *roles, const char *role,
                   const Reeve__PodRecord *record)
{
    const struct overhead overhead = {100, 32, 256};
    AUTO(quotas) struct quotas *quotas = quotas_new();
    Reeve__PodSpec *pod = make_pod();
    struct wants wants;
    char *text;

    cr_assert_eq(quotas_read(quotas, roles, strlen(roles), NULL), 0);
    wants_of_pod(&wants, pod, &overhead);
    text = quotas_short_of(quotas, role, &wants, record);
    wants_free(&wants);
    free_message(pod);
    return text;
}

Test(quota, cases)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *text = judge(cases[i].roles, "svc-role", NULL);

        cr_expect(text ? str_eq(text, cases[i].text) : !cases[i].text, "%s: %s",
                  cases[i].name, text ? text : "(none)");
    }
}

Test(quota, counts_for_roles_below)
{
    AUTO_FREE char *text =
        judge(ROLES(ROLE("eng", "\"cpus\":1", "")), "eng/svc-role", NULL);

    cr_assert_str_eq(text, TEXT("eng", "cpus 1, of which 0 are used; 1.1"));
}

Test(quota, what_is_reserved_is_used_already)
{
    Reeve__PodRecord *record = PB_NEW(reeve__pod_record);
    Reeve__ReservedResource *cpus = PB_NEW(reeve__reserved_resource);

    cpus->owner = xstrdup(OWNER_EXECUTOR);
    cpus->name = xstrdup("cpus");
    PB_SET(cpus, amount_milli, 100);
    PB_ADD(record, resources, cpus);
    AUTO_FREE char *fits =
        judge(ROLES(ROLE("svc-role", "\"cpus\":1.1", "\"cpus\":0.1")),
              "svc-role", record);
    AUTO_FREE char *grows =
        judge(ROLES(ROLE("svc-role", "\"cpus\":1", "\"cpus\":0.1")), "svc-role",
              record);
    cr_expect_null(fits);
    cr_expect_str_eq(grows,
                     TEXT("svc-role", "cpus 1, of which 0.1 are used; 1"));
    free_message(record);
}

Test(quota, what_is_no_list_of_roles)
{
    static const char *const texts[] = {"", "{", "[]", "{\"roles\":{}}"};
    AUTO(quotas) struct quotas *quotas = quotas_new();

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err err = {0};

        cr_expect_lt(quotas_read(quotas, texts[i], strlen(texts[i]), &err), 0);
        cr_expect_eq(err.code, ERR_INVALID, "%s", texts[i]);
    }
}
