/* SPDX-License-Identifier: Apache-2.0 */
/* Two lists of resources as an agent's --resources text, parted by a line feed
 * (without one: one list and an operation on it made from the same).  The laws
 * of the arithmetic must hold. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/resources.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_small(const struct resources *r)
{
    /* Sums of amounts beyond what a double holds exactly obey no law. */
    for (size_t i = 0; i < resources_count(r); i++)
        if (llabs(resource_milli(resources_at(r, i))) > INT64_C(1) << 50)
            return false;
    return true;
}

static void check_laws(const struct resources *a, const struct resources *b)
{
    AUTO(resources) struct resources *sum = resources_dup(a);
    resources_add_all(sum, b);
    ASSERT(resources_contains_all(a, a));
    if (!is_small(sum))
        return;
    if (resources_sum(a, "ports") == 0 || resources_sum(b, "ports") == 0) {
        /* Equal ranges and items are not counted twice: no law for those. */
        for (size_t i = 0; i < resources_count(b); i++)
            if (resources_at(b, i)->type != MESOS__V1__VALUE__TYPE__SCALAR)
                return;
        ASSERT(resources_contains_all(sum, a));
        ASSERT(resources_contains_all(sum, b));
        ASSERT(resources_subtract_all(sum, b, NULL) == 0);
        ASSERT(resources_equal(sum, a));
    }
}

static void check_one(const struct resources *a)
{
    for (size_t i = 0; i < resources_count(a); i++) {
        const Mesos__V1__Resource *r = resources_at(a, i);
        AUTO_FREE char *text = resource_text(r);
        Mesos__V1__Resource *copy = resource_dup(r);
        ASSERT(text && resource_equal(copy, r));
        ASSERT(resource_validate(copy, NULL) == 0);
        resource_validate_disk(copy, NULL);
        resource_to_endpoint_format(copy);
        ASSERT(resource_upgrade(copy, NULL) == 0 && resource_equal(copy, r));
        resource_strip_volume(copy);
        resource_unreserve_all(copy);
        resource_free(&copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = xstrndup((const char *)data, size);
    char *second = strchr(text, '\n');
    if (second)
        *second++ = '\0';
    AUTO(resources) struct resources *a = resources_parse(text, NULL);
    AUTO(resources)
    struct resources *b =
        resources_parse(second ? second : "cpus:0.1;mem:1", NULL);
    if (a)
        check_one(a);
    if (!a || !b)
        return 0;
    check_laws(a, b);
    resources_subtract_some(a, b);
    resources_apply(
        a, &(Mesos__V1__Offer__Operation)MESOS__V1__OFFER__OPERATION__INIT,
        NULL);
    return 0;
}
