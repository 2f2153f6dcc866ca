/* SPDX-License-Identifier: Apache-2.0 */
/* allocator_quota - how much of an agent a role may be offered under quotas
 *
 * Reserved, ranged and revocable resources are not limited.  Of the others a
 * role gets what its own limit leaves, and what is not held back so that
 * everybody's guarantee can still be met.  Roles with unmet guarantees are
 * served in a first stage of their own.  Only top-level roles have quotas;
 * what roles below them hold counts for them.
 */
#include "devcluster/master_state.h"

#include <string.h>

struct role_quota {
    const struct mquota *quota;
    struct quantities consumed;
};

struct quota_round {
    struct role_quota *roles;
    size_t count;
    struct quantities room; /* unreserved and free, less what is held back */
    bool held_back;         /* is anything? */
};

static bool is_counted(const Mesos__V1__Resource *r)
{
    return r->type == MESOS__V1__VALUE__TYPE__SCALAR &&
           resource_is_unreserved(r) && !resource_is_revocable(r);
}

static struct role_quota *find_role(struct quota_round *round, const char *role)
{
    for (size_t i = 0; i < round->count; i++) {
        if (strcmp(round->roles[i].quota->role, role) == 0)
            return &round->roles[i];
    }
    return NULL;
}

static int64_t unmet(const struct role_quota *role, const char *name)
{
    return MAX(quantities_get(&role->quota->guarantees, name, 0) -
                   quantities_get(&role->consumed, name, 0),
               0);
}

/* What all guarantees still lack is held back. */
static void count_room(const struct master *m, struct quota_round *round)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        for (size_t i = 0; i < resources_count(agent->free); i++) {
            const Mesos__V1__Resource *r = resources_at(agent->free, i);

            if (is_counted(r))
                quantities_add(&round->room, r->name, resource_milli(r));
        }
    }
    for (size_t i = 0; i < round->count; i++) {
        const struct quantities *wanted = &round->roles[i].quota->guarantees;

        for (size_t k = 0; k < wanted->count; k++) {
            int64_t lacking = unmet(&round->roles[i], wanted->list[k].name);

            quantities_add(&round->room, wanted->list[k].name, -lacking);
            round->held_back |= lacking > 0;
        }
    }
}

struct quota_round *quota_round_new(const struct master *m)
{
    struct quota_round *round;
    struct mquota *quota, *next;

    if (!m->quotas)
        return NULL;
    round = xcalloc(1, sizeof *round);
    HASH_ITER(hh, m->quotas, quota, next)
    {
        struct role_quota one = {.quota = quota};

        if (!quota->guarantees.count && !quota->limits.count)
            continue;
        quota_consumed(m, quota->role, true, &one.consumed);
        PB_PUSH(round->roles, round->count, one);
    }
    count_room(m, round);
    if (!round->count)
        quota_round_free(&round);
    return round;
}

void quota_round_free(struct quota_round **round)
{
    if (!*round)
        return;
    for (size_t i = 0; i < (*round)->count; i++)
        quantities_clear(&(*round)->roles[i].consumed);
    quantities_clear(&(*round)->room);
    free((*round)->roles);
    free(*round);
    *round = NULL;
}

bool quota_round_has_guarantees(const struct quota_round *round)
{
    for (size_t i = 0; round && i < round->count; i++) {
        if (round->roles[i].quota->guarantees.count)
            return true;
    }
    return false;
}

/* ---- cutting ------------------------------------------------------------ */

/* What may still be taken while one candidate is cut. */
struct left {
    struct quantities guarantee, limit, room;
    bool limited, held_back;
};

/* MOUNT disks are taken whole or not at all. */
static int64_t at_most(const Mesos__V1__Resource *r, int64_t wanted,
                       int64_t most)
{
    most = MAX(most, 0);
    if (wanted > most && resource_disk_kind(r) == DISK_MOUNT)
        return 0;
    return MIN(wanted, most);
}

static int64_t take_guaranteed(struct left *left, const Mesos__V1__Resource *r)
{
    int64_t amount = at_most(r, resource_milli(r),
                             quantities_get(&left->guarantee, r->name, 0));

    quantities_add(&left->guarantee, r->name, -amount);
    if (left->limited)
        quantities_add(&left->limit, r->name, -amount);
    return amount;
}

static int64_t take_more(struct left *left, const Mesos__V1__Resource *r,
                         int64_t wanted)
{
    int64_t most = INT64_MAX, limit = INT64_MAX;

    if (left->limited) {
        limit = quantities_get(&left->limit, r->name, INT64_MAX);
        most = MIN(most, limit);
    }
    if (left->held_back)
        most = MIN(most, quantities_get(&left->room, r->name, 0));
    wanted = at_most(r, wanted, most);
    if (limit != INT64_MAX)
        quantities_add(&left->limit, r->name, -wanted);
    quantities_add(&left->room, r->name, -wanted);
    return wanted;
}

static void left_begin(const struct quota_round *round,
                       const struct role_quota *role, struct left *left)
{
    left->held_back = round->held_back;
    quantities_copy(&left->room, &round->room);
    if (!role)
        return;
    for (size_t i = 0; i < role->quota->guarantees.count; i++) {
        const char *name = role->quota->guarantees.list[i].name;

        quantities_set(&left->guarantee, name, unmet(role, name));
    }
    left->limited = role->quota->limits.count > 0;
    for (size_t i = 0; i < role->quota->limits.count; i++) {
        const struct quantity *limit = &role->quota->limits.list[i];

        quantities_set(&left->limit, limit->name,
                       limit->milli -
                           quantities_get(&role->consumed, limit->name, 0));
    }
}

static void left_end(struct left *left)
{
    quantities_clear(&left->guarantee);
    quantities_clear(&left->limit);
    quantities_clear(&left->room);
}

static int64_t cut_one(struct left *left, const Mesos__V1__Resource *r,
                       bool first, bool *progress)
{
    int64_t amount = first ? take_guaranteed(left, r) : 0;

    *progress |= amount > 0;
    return amount + take_more(left, r, resource_milli(r) - amount);
}

bool quota_round_cut(struct quota_round *round, const char *role, bool first,
                     struct resources *candidate)
{
    AUTO(resources) struct resources *kept = resources_new();
    struct role_quota *quota = find_role(round, role);
    struct left left = {0};
    bool progress = !first;

    if (first && (!quota || !quota->quota->guarantees.count))
        return false;
    left_begin(round, quota, &left);
    for (size_t i = 0; i < resources_count(candidate); i++) {
        Mesos__V1__Resource *r = resource_dup(resources_at(candidate, i));

        if (is_counted(r))
            resource_set_milli(r, cut_one(&left, r, first, &progress));
        if (!resource_is_empty(r))
            resources_add(kept, r);
        resource_free(&r);
    }
    left_end(&left);
    resources_swap(candidate, kept);
    return progress;
}

void quota_round_taken(struct quota_round *round, const char *role,
                       const struct resources *taken)
{
    AUTO_FREE char *top = xstrndup(role, strcspn(role, "/"));
    struct role_quota *quota = find_role(round, top);

    for (size_t i = 0; i < resources_count(taken); i++) {
        const Mesos__V1__Resource *r = resources_at(taken, i);
        int64_t amount = resource_milli(r), met;

        if (!is_counted(r))
            continue;
        /* What meets a guarantee had been held back already. */
        met = quota ? MIN(amount, unmet(quota, r->name)) : 0;
        quantities_add(&round->room, r->name, met - amount);
        if (quota)
            quantities_add(&quota->consumed, r->name, amount);
    }
}
