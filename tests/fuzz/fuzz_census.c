/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a master's lists of agents, frameworks and roles: read or
 * refused, and every question about them has an answer. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "services/offer-broker/census.h"
#include "services/offer-broker/janitor.h"
#include "services/offer-broker/quota.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask_quotas(const uint8_t *data, size_t size)
{
    struct want want = {.kind = WANT_SCALAR, .name = "cpus", .milli = 1000};
    const struct wants wants = {&want, 1};
    struct quotas *quotas = quotas_new();
    AUTO_FREE char *text = NULL;

    quotas_read(quotas, (const char *)data, size, NULL);
    text = quotas_short_of(quotas, "svc-role", &wants, NULL);
    quotas_destroy(&quotas);
}

static void ask_reserved(const uint8_t *data, size_t size)
{
    static const char *const roles[] = {"svc-role"};
    const struct janitor_place place = {"S0", "h0", 1};
    struct janitor *janitor = janitor_new();
    AUTO_FREE char *hostname = NULL;
    struct resources *reserved;

    reserved =
        census_reserved((const char *)data, size, "S0", roles, 1, &hostname);
    if (reserved)
        janitor_inspect(janitor, &place, reserved);
    resources_destroy(&reserved);
    janitor_destroy(&janitor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct census *census = census_new();
    const struct census_self self = {"svc", "svc-role", "f1"};
    struct err err = {0};
    AUTO_FREE char *why = NULL, *confirm = NULL;

    if (census_read_agents(census, (const char *)data, size, &err) < 0)
        ASSERT(err.code == ERR_INVALID);
    census_read_frameworks(census, (const char *)data, size, NULL);
    if (census_may_register(census, &self, &why, &confirm))
        ASSERT(!why && !confirm);
    else
        ASSERT(why && confirm);
    ASSERT(!census_has(census, "S0", "r1") || census_has_agent(census, "S0"));
    census_destroy(&census);
    ask_quotas(data, size);
    ask_reserved(data, size);
    return 0;
}
