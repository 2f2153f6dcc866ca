/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a master's lists of agents and frameworks: read or refused, and
 * every question about them has an answer. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "services/offer-broker/census.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    return 0;
}
