/* SPDX-License-Identifier: Apache-2.0 */
/* master_offers - offers outstanding and filters
 *
 * An offer enters by offer_add and leaves once: accepted, declined, rescinded
 * or discarded.
 */
#include "devcluster/master_state.h"

#include <math.h>
#include <string.h>

#define DEFAULT_REFUSE_S 5.0
#define MAX_REFUSE_S     31536000.0

char *offer_new_id(struct master *m)
{
    return xasprintf("%s-O%llu", m->config.id,
                     (unsigned long long)m->next_offer++);
}

struct moffer *offer_add(struct master *m, struct magent *agent,
                         struct framework *fw, struct resources *pool)
{
    struct moffer *offer = xcalloc(1, sizeof *offer);

    offer->id = offer_new_id(m);
    offer->role = xstrdup(resource_allocated_role(resources_at(pool, 0)));
    offer->framework = fw;
    offer->agent = agent;
    offer->pool = pool;
    offer->made_ms = m->now_ms;
    ledger_offer(m, agent, fw, pool);
    role_get(m, offer->role)->allocations++;
    HASH_ADD_KEYPTR(hh, m->offers, offer->id, strlen(offer->id), offer);
    DL_APPEND2(fw->offers, offer, fw_prev, fw_next);
    DL_APPEND2(agent->offers, offer, ag_prev, ag_next);
    fw->offers_sent++;
    return offer;
}

void offer_extend(struct master *m, struct moffer *offer,
                  const struct resources *more)
{
    ledger_offer(m, offer->agent, offer->framework, more);
    resources_add_all(offer->pool, more);
}

void offer_free(struct master *m, struct moffer *offer)
{
    HASH_DEL(m->offers, offer);
    DL_DELETE2(offer->framework->offers, offer, fw_prev, fw_next);
    DL_DELETE2(offer->agent->offers, offer, ag_prev, ag_next);
    resources_destroy(&offer->pool);
    free(offer->id);
    free(offer->role);
    free(offer);
}

void offer_withdraw(struct master *m, struct moffer *offer, bool rescind)
{
    struct framework *fw = offer->framework;

    if (rescind) {
        Mesos__V1__Scheduler__Event *event =
            PB_NEW(mesos__v1__scheduler__event);

        PB_SET(event, type, EVENT(RESCIND));
        event->rescind = PB_NEW(mesos__v1__scheduler__event__rescind);
        event->rescind->offer_id = pb_offer_id(offer->id);
        send_event(m, fw, event);
        fw->offers_rescinded++;
    }
    ledger_give_back(m, offer->agent, fw, offer->pool);
    offer_free(m, offer);
}

Mesos__V1__URL *agent_url(const struct magent *agent)
{
    Mesos__V1__URL *url = PB_NEW(mesos__v1__url);

    url->scheme = xstrdup("http");
    url->address = PB_NEW(mesos__v1__address);
    url->address->hostname = xstrdup(agent->info->hostname);
    url->address->ip = xstrdup(agent->ip);
    url->address->port = agent->info->port;
    url->path = xstrdup("/slave(1)");
    return url;
}

/* What a framework without the capabilities gets to see. */
static void to_framework_format(const struct framework *fw,
                                Mesos__V1__Offer *offer)
{
    for (size_t i = 0; i < offer->n_resources; i++) {
        if (!framework_has(fw, CAP(RESERVATION_REFINEMENT)))
            resource_to_old_format(offer->resources[i], NULL);
        if (!framework_has(fw, CAP(MULTI_ROLE)))
            resource_allocate(offer->resources[i], NULL);
    }
    if (!framework_has(fw, CAP(MULTI_ROLE)))
        PB_FREE(offer->allocation_info);
}

Mesos__V1__Offer *offer_message(const struct master *m,
                                const struct moffer *offer)
{
    const struct magent *agent = offer->agent;
    const Mesos__V1__Unavailability *away = maintenance_of(m, agent);
    Mesos__V1__Offer *msg = PB_NEW(mesos__v1__offer);
    const struct mexecutor *executor;

    msg->id = pb_offer_id(offer->id);
    msg->framework_id = pb_framework_id(offer->framework->id);
    msg->agent_id = pb_agent_id(agent->id);
    msg->hostname = xstrdup(agent->info->hostname);
    resources_to(offer->pool, &msg->resources, &msg->n_resources);
    msg->url = agent_url(agent);
    for (size_t i = 0; i < agent->info->n_attributes; i++)
        PB_ADD(msg, attributes, PB_DUP(agent->info->attributes[i]));
    DL_FOREACH(agent->executors, executor)
    {
        if (executor->framework == offer->framework)
            PB_ADD(msg, executor_ids,
                   pb_executor_id(ID_OF(executor->info->executor_id)));
    }
    if (agent->info->domain)
        msg->domain = PB_DUP(agent->info->domain);
    if (away)
        msg->unavailability = PB_DUP(away);
    msg->allocation_info = PB_NEW(mesos__v1__resource__allocation_info);
    msg->allocation_info->role = xstrdup(offer->role);
    to_framework_format(offer->framework, msg);
    return msg;
}

/* ---- filters ------------------------------------------------------------ */

int64_t filter_ms(const struct master *m, const Mesos__V1__Filters *filters)
{
    double seconds = filters && filters->has_refuse_seconds
                         ? filters->refuse_seconds
                         : DEFAULT_REFUSE_S;

    if (isnan(seconds) || seconds < 0)
        seconds = DEFAULT_REFUSE_S;
    if (seconds > MAX_REFUSE_S)
        seconds = MAX_REFUSE_S;
    if (seconds == 0)
        return 0;
    return MAX((int64_t)(seconds * 1000), m->config.allocation_interval_ms);
}

static void filter_free(struct magent *agent, struct offer_filter *filter)
{
    DL_DELETE(agent->filters, filter);
    resources_destroy(&filter->refused);
    free(filter->role);
    free(filter);
}

void filter_add(struct master *m, struct magent *agent, struct framework *fw,
                const char *role, const struct resources *refused,
                int64_t for_ms)
{
    struct offer_filter *filter;

    if (for_ms <= 0 || resources_is_empty(refused))
        return;
    filter = xcalloc(1, sizeof *filter);
    filter->framework = fw;
    filter->role = xstrdup(role);
    filter->refused = resources_dup(refused);
    resources_allocate(filter->refused, NULL);
    filter->expires_ms = m->now_ms + for_ms;
    DL_APPEND(agent->filters, filter);
}

void filters_clear(struct master *m, struct framework *fw, const char *role)
{
    struct magent *agent, *next_agent;
    struct offer_filter *filter, *next;

    HASH_ITER(hh, m->agents, agent, next_agent)
    {
        DL_FOREACH_SAFE(agent->filters, filter, next)
        {
            if (filter->framework == fw &&
                (!role || str_eq(filter->role, role)))
                filter_free(agent, filter);
        }
    }
}

void filters_drop_agent(struct magent *agent)
{
    struct offer_filter *filter, *next;

    DL_FOREACH_SAFE(agent->filters, filter, next)
    filter_free(agent, filter);
}
