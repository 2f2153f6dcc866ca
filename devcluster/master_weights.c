/* SPDX-License-Identifier: Apache-2.0 */
/* master_weights - how much more of the cluster one role may have than another
 *
 * In the registry.  The allocator divides a role's share by its weight.
 */
#include "devcluster/master_state.h"

#include <math.h>
#include <string.h>

static bool has_framework(const struct master *m, const char *role)
{
    struct framework *fw, *next;

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        if (framework_role(fw, role))
            return true;
    }
    return false;
}

static int weight_validate(const Mesos__V1__Master__WeightInfo *info,
                           struct err *err)
{
    const char *role = str_or_empty(info->role);
    struct err why;

    if (mesos_role_validate(role, &why) < 0)
        return err_set(err, ERR_INVALID,
                       "Failed to validate update weights request JSON: "
                       "Invalid role '%s': %s",
                       role, why.text);
    if (!(info->weight > 0) || isinf(info->weight))
        return err_set(err, ERR_INVALID,
                       "Failed to validate update weights request JSON for "
                       "role '%s': Invalid weight '%g': Weights must be "
                       "positive",
                       role, info->weight);
    return 0;
}

void weights_update(struct master *m,
                    Mesos__V1__Master__WeightInfo *const *infos, size_t count,
                    struct master_reply *reply)
{
    struct magent *agent, *next;
    bool rescind = false;
    struct err err;

    for (size_t i = 0; i < count; i++) {
        if (weight_validate(infos[i], &err) < 0) {
            reply_set(reply, 400, "%s", err.text);
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        role_get(m, infos[i]->role)->weight = infos[i]->weight;
        rescind |= has_framework(m, infos[i]->role);
    }
    save_registry(m);
    HASH_ITER(hh, m->agents, agent, next)
    {
        struct moffer *offer, *next_offer;

        DL_FOREACH_SAFE2(agent->offers, offer, next_offer, ag_next)
        {
            if (rescind)
                offer_withdraw(m, offer, true);
        }
    }
    reply_set(reply, 200, "%s", "");
}

void weights_list(const struct master *m, Mesos__V1__Master__WeightInfo ***list,
                  size_t *count)
{
    struct mrole *role, *next;

    HASH_ITER(hh, m->roles, role, next)
    {
        Mesos__V1__Master__WeightInfo *info;

        if (!(role->weight > 0))
            continue;
        info = PB_NEW(mesos__v1__master__weight_info);
        info->role = xstrdup(role->name);
        info->weight = role->weight;
        PB_PUSH(*list, *count, info);
    }
}

double weight_of_role(const struct master *m, const char *name)
{
    struct mrole *role;

    HASH_FIND_STR(m->roles, name, role);
    return role && role->weight > 0 ? role->weight : 1.0;
}
