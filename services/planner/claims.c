/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/claims.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"

struct claim {
    char *asset; /* "<pod type>-<index>/<short name>" */
    const char *plan;
    UT_hash_handle hh;
};
struct claims {
    struct claim *table;
};

struct claims *claims_new(void)
{
    return xcalloc(1, sizeof(struct claims));
}

void claims_destroy(struct claims **claims)
{
    if (!*claims)
        return;
    struct claim *claim, *next;
    HASH_ITER(hh, (*claims)->table, claim, next)
    {
        HASH_DEL((*claims)->table, claim);
        free(claim->asset);
        free(claim);
    }
    free(*claims);
    *claims = NULL;
}

static struct claim *find(const struct claims *claims, const char *pod_type,
                          uint32_t pod_index, const char *short_name)
{
    AUTO_FREE char *asset =
        xasprintf("%s-%u/%s", pod_type, pod_index, str_or_empty(short_name));
    struct claim *claim;
    HASH_FIND_STR(claims->table, asset, claim);
    return claim;
}

void claims_add(struct claims *claims, const Reeve__Step *step,
                const char *plan)
{
    for (size_t i = 0; i < step->n_tasks; i++) {
        if (find(claims, step->pod_type, step->pod_index, step->tasks[i]))
            continue;
        struct claim *claim = xcalloc(1, sizeof *claim);
        claim->asset = xasprintf("%s-%u/%s", step->pod_type, step->pod_index,
                                 step->tasks[i]);
        claim->plan = plan;
        HASH_ADD_KEYPTR(hh, claims->table, claim->asset, strlen(claim->asset),
                        claim);
    }
}

const char *claims_rival(const struct claims *claims, const Reeve__Step *step,
                         const char *plan)
{
    for (size_t i = 0; i < step->n_tasks; i++) {
        const struct claim *claim =
            find(claims, step->pod_type, step->pod_index, step->tasks[i]);
        if (claim && !str_eq(claim->plan, plan))
            return claim->plan;
    }
    return NULL;
}

const char *claims_holder(const struct claims *claims, const char *pod_type,
                          uint32_t pod_index, const char *short_name)
{
    const struct claim *claim = find(claims, pod_type, pod_index, short_name);
    return claim ? claim->plan : NULL;
}
