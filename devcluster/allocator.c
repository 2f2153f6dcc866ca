/* SPDX-License-Identifier: Apache-2.0 */
/* allocator - which free resources of which agent are offered to whom
 *
 * On each agent all that a role may get goes in one offer to the framework and
 * role that hold least now (allocator_order.c), unless a filter, a constraint
 * or the minimum stands against it; then the next one is asked.  Quotas
 * (allocator_quota.c) may cut the offer, and add a stage before.
 */
#include "devcluster/master_state.h"

#include <stdlib.h>
#include <string.h>

#define MIN_CPUS_MILLI 10
#define MIN_MEM_MILLI  32000

struct claimants {
    struct claimant *list;
    size_t count;
    struct quota_round *quota; /* NULL: no quotas */
    bool first;                /* stage for unmet guarantees */
};

static const Mesos__V1__OfferFilters *minimum_of(const struct framework *fw,
                                                 const char *role)
{
    for (size_t i = 0; i < fw->info->n_offer_filters; i++) {
        if (str_eq(fw->info->offer_filters[i]->key, role))
            return fw->info->offer_filters[i]->value;
    }
    return NULL;
}

static struct claimants claimants_of(const struct master *m)
{
    struct claimants all = {0};
    struct framework *fw, *next;

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        for (size_t i = 0; fw->stream && i < fw->n_roles; i++) {
            if (fw->roles[i].suppressed)
                continue;
            struct claimant one = {fw, fw->roles[i].name,
                                   minimum_of(fw, fw->roles[i].name), NULL, 0};
            PB_PUSH(all.list, all.count, one);
        }
    }
    return all;
}

/* Few claimants and mostly in order: insertion sort. */
static void sort_claimants(const struct master *m, struct claimants *all)
{
    for (size_t i = 1; i < all->count; i++) {
        struct claimant one = all->list[i];
        size_t k = i;

        for (; k > 0 && claimant_before(m, &one, &all->list[k - 1]); k--)
            all->list[k] = all->list[k - 1];
        all->list[k] = one;
    }
}

static bool may_get(const struct framework *fw, const char *role,
                    const Mesos__V1__Resource *r)
{
    if (!resource_is_allocatable_to(r, role))
        return false;
    if (resource_is_shared(r) && !framework_has(fw, CAP(SHARED_RESOURCES)))
        return false;
    if (resource_is_revocable(r) &&
        !framework_has(fw, CAP(REVOCABLE_RESOURCES)))
        return false;
    return r->n_reservations < 2 ||
           framework_has(fw, CAP(RESERVATION_REFINEMENT));
}

static struct resources *candidate_of(const struct magent *agent,
                                      const struct claimant *who)
{
    struct resources *candidate = resources_new();
    bool own = false; /* something besides shared volumes */

    for (size_t i = 0; i < resources_count(agent->free); i++) {
        const Mesos__V1__Resource *r = resources_at(agent->free, i);

        if (!may_get(who->framework, who->role, r))
            continue;
        resources_add(candidate, r);
        own |= !resource_is_shared(r);
    }
    if (!own)
        resources_destroy(&candidate);
    return candidate;
}

static bool
has_quantities(const struct resources *r,
               const Mesos__V1__OfferFilters__ResourceQuantities *quantities)
{
    for (size_t i = 0; i < quantities->n_quantities; i++) {
        const Mesos__V1__OfferFilters__ResourceQuantities__QuantitiesEntry *q =
            quantities->quantities[i];

        if (q->key && q->value &&
            resources_sum(r, q->key) < milli_of(q->value->value))
            return false;
    }
    return true;
}

static bool allocatable(const struct claimant *who, const struct resources *r)
{
    const Mesos__V1__OfferFilters__MinAllocatableResources *min =
        who->minimum ? who->minimum->min_allocatable_resources : NULL;

    if (!min)
        return resources_sum(r, "cpus") >= MIN_CPUS_MILLI ||
               resources_sum(r, "mem") >= MIN_MEM_MILLI;
    for (size_t i = 0; i < min->n_quantities; i++) {
        if (has_quantities(r, min->quantities[i]))
            return true;
    }
    return min->n_quantities == 0;
}

/* A filter whose verdict is already known for what is free now. */
static bool known_filtered(struct master *m, struct magent *agent,
                           const struct claimant *who)
{
    struct offer_filter *filter, *next;

    DL_FOREACH_SAFE(agent->filters, filter, next)
    {
        if (filter->expires_ms <= m->now_ms) {
            DL_DELETE(agent->filters, filter);
            resources_destroy(&filter->refused);
            free(filter->role);
            free(filter);
            continue;
        }
        if (filter->framework == who->framework &&
            filter->checked == agent->version && filter->contained &&
            str_eq(filter->role, who->role))
            return true;
    }
    return false;
}

/* cut: it is not all that is free for it, so the verdict is not remembered. */
static bool filtered(struct magent *agent, const struct claimant *who,
                     const struct resources *candidate, bool cut)
{
    struct offer_filter *filter;

    DL_FOREACH(agent->filters, filter)
    {
        if (filter->framework != who->framework ||
            !str_eq(filter->role, who->role))
            continue;
        filter->contained = resources_contains_all(filter->refused, candidate);
        filter->checked = cut ? 0 : agent->version;
        if (filter->contained)
            return true;
    }
    return false;
}

static bool fits(struct master *m, struct magent *agent,
                 const struct claimant *who)
{
    if (resources_sum(agent->total, "gpus") > 0 &&
        !framework_has(who->framework, CAP(GPU_RESOURCES)))
        return false;
    if (!constraints_admit(who->framework->constraints, who->role, agent->info))
        return false;
    return !known_filtered(m, agent, who);
}

/* The first of the framework's claimants keeps all its offers: one event. */
static struct claimant *keeper_of(struct claimants *all,
                                  const struct claimant *who)
{
    size_t i = 0;

    while (all->list[i].framework != who->framework)
        i++;
    return &all->list[i];
}

/* Of one allocation a role gets one offer of an agent, also in two stages. */
static void give(struct master *m, struct magent *agent, struct claimants *all,
                 struct claimant *who, struct resources *taken)
{
    struct claimant *keeper = keeper_of(all, who);

    for (size_t i = 0; i < keeper->n_offers; i++) {
        struct moffer *offer = keeper->offers[i];

        if (offer->agent == agent && str_eq(offer->role, who->role)) {
            offer_extend(m, offer, taken);
            resources_destroy(&taken);
            return;
        }
    }
    PB_PUSH(keeper->offers, keeper->n_offers,
            offer_add(m, agent, who->framework, taken));
}

static void send_offers(struct master *m, struct claimant *who)
{
    Mesos__V1__Scheduler__Event *event;

    if (!who->n_offers)
        return;
    event = PB_NEW(mesos__v1__scheduler__event);
    PB_SET(event, type, EVENT(OFFERS));
    event->offers = PB_NEW(mesos__v1__scheduler__event__offers);
    for (size_t i = 0; i < who->n_offers; i++)
        PB_ADD(event->offers, offers, offer_message(m, who->offers[i]));
    send_event(m, who->framework, event);
    free(who->offers);
}

static bool within_quota(struct claimants *all, const struct claimant *who,
                         struct resources *candidate)
{
    return !all->quota ||
           quota_round_cut(all->quota, who->role, all->first, candidate);
}

/* One offer at most for each round; what is left may go to the next one. */
static void allocate_agent(struct master *m, struct magent *agent,
                           struct claimants *all)
{
    sort_claimants(m, all);
    for (size_t i = 0; i < all->count; i++) {
        struct claimant *who = &all->list[i];
        struct resources *candidate;

        if (resources_is_empty(agent->free))
            return;
        if (!fits(m, agent, who))
            continue;
        candidate = candidate_of(agent, who);
        if (candidate && within_quota(all, who, candidate) &&
            allocatable(who, candidate) &&
            !filtered(agent, who, candidate, all->quota != NULL)) {
            if (all->quota)
                quota_round_taken(all->quota, who->role, candidate);
            resources_allocate(candidate, who->role);
            give(m, agent, all, who, candidate);
        } else {
            resources_destroy(&candidate);
        }
    }
}

static void allocate_agents(struct master *m, struct claimants *all)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        if (agent->link && !agent->deactivated)
            allocate_agent(m, agent, all);
    }
}

void allocate(struct master *m)
{
    struct claimants all = claimants_of(m);

    m->allocate_soon = false;
    m->allocation_runs++;
    if (all.count)
        all.quota = quota_round_new(m);
    all.first = quota_round_has_guarantees(all.quota);
    if (all.first)
        allocate_agents(m, &all);
    all.first = false;
    if (all.count)
        allocate_agents(m, &all);
    quota_round_free(&all.quota);
    for (size_t i = 0; i < all.count; i++)
        send_offers(m, &all.list[i]);
    free(all.list);
    inverse_offers_make(m);
}
