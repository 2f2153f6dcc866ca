/* SPDX-License-Identifier: Apache-2.0 */
/* master_inverse - inverse offers: what frameworks say to planned maintenance
 *
 * Each framework that has offers, tasks or executors on an agent whose machine
 * is in the schedule is asked for its resources; what it answers is only shown
 * to operators.  It is asked again when its filter has run out.
 */
#include "devcluster/master_state.h"

#include <string.h>

static struct minverse *find_inverse(const struct magent *agent,
                                     const struct framework *fw)
{
    struct minverse *one;

    LL_SEARCH_SCALAR(agent->inverse, one, framework, fw);
    return one;
}

static bool has_something(const struct magent *agent,
                          const struct framework *fw)
{
    const struct moffer *offer;
    const struct mtask *task;
    const struct mexecutor *executor;

    DL_FOREACH2(agent->offers, offer, ag_next)
    {
        if (offer->framework == fw)
            return true;
    }
    DL_FOREACH(agent->tasks, task)
    {
        if (task->framework == fw && task->used)
            return true;
    }
    DL_FOREACH(agent->executors, executor)
    {
        if (executor->framework == fw)
            return true;
    }
    return false;
}

/* ---- asking ------------------------------------------------------------- */

static Mesos__V1__InverseOffer *
message_of(const struct magent *agent, const struct minverse *one,
           const Mesos__V1__Unavailability *away)
{
    Mesos__V1__InverseOffer *msg = PB_NEW(mesos__v1__inverse_offer);

    msg->id = pb_offer_id(one->offer_id);
    msg->url = agent_url(agent);
    msg->framework_id = pb_framework_id(one->framework->id);
    msg->agent_id = pb_agent_id(agent->id);
    msg->unavailability = PB_DUP(away);
    return msg;
}

static void ask(struct master *m, struct magent *agent, struct framework *fw,
                Mesos__V1__Scheduler__Event__InverseOffers *out)
{
    const Mesos__V1__Unavailability *away = maintenance_of(m, agent);
    struct minverse *one;

    if (!away || !agent->link || agent->deactivated ||
        !has_something(agent, fw))
        return;
    one = find_inverse(agent, fw);
    if (one && (one->offer_id || m->now_ms < one->ask_again_ms))
        return;
    if (!one) {
        one = xcalloc(1, sizeof *one);
        one->framework = fw;
        LL_APPEND(agent->inverse, one);
    }
    one->offer_id = offer_new_id(m);
    one->made_ms = m->now_ms;
    PB_ADD(out, inverse_offers, message_of(agent, one, away));
}

static void ask_framework(struct master *m, struct framework *fw)
{
    Mesos__V1__Scheduler__Event *event = PB_NEW(mesos__v1__scheduler__event);
    struct magent *agent, *next;

    PB_SET(event, type, EVENT(INVERSE_OFFERS));
    event->inverse_offers = PB_NEW(mesos__v1__scheduler__event__inverse_offers);
    HASH_ITER(hh, m->agents, agent, next)
    ask(m, agent, fw, event->inverse_offers);
    if (event->inverse_offers->n_inverse_offers)
        send_event(m, fw, event);
    else
        PB_FREE(event);
}

void inverse_offers_make(struct master *m)
{
    struct framework *fw, *next;

    if (!m->schedule)
        return;
    HASH_ITER(hh, m->frameworks, fw, next)
    {
        if (fw->stream)
            ask_framework(m, fw);
    }
}

/* ---- answers ------------------------------------------------------------ */

static struct minverse *find_by_offer(const struct master *m,
                                      const struct framework *fw,
                                      const char *id)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        struct minverse *one = find_inverse(agent, fw);

        if (one && str_eq(one->offer_id, id))
            return one;
    }
    return NULL;
}

static void withdraw(struct minverse *one)
{
    free(one->offer_id);
    one->offer_id = NULL;
}

void call_inverse_offers(struct master *m, struct framework *fw,
                         const Mesos__V1__Scheduler__Call *call)
{
    const Mesos__V1__Scheduler__Call__AcceptInverseOffers *yes =
        call->accept_inverse_offers;
    const Mesos__V1__Scheduler__Call__DeclineInverseOffers *no =
        call->decline_inverse_offers;
    bool accept = call->type == CALL(ACCEPT_INVERSE_OFFERS);
    Mesos__V1__OfferID *const *ids =
        accept ? yes->inverse_offer_ids : no->inverse_offer_ids;
    size_t count = accept ? yes->n_inverse_offer_ids : no->n_inverse_offer_ids;
    int64_t for_ms = filter_ms(m, accept ? yes->filters : no->filters);

    for (size_t i = 0; i < count; i++) {
        struct minverse *one = find_by_offer(m, fw, ids[i]->value);

        if (!one) {
            note(m, "event=inverse_offer_dropped framework=%s offer=%s", fw->id,
                 ids[i]->value);
            continue;
        }
        withdraw(one);
        one->status = accept ? INVERSE(ACCEPT) : INVERSE(DECLINE);
        one->said_us = m->wall_us;
        one->ask_again_ms = m->now_ms + for_ms;
    }
}

/* ---- no longer asked ---------------------------------------------------- */

static void rescind(struct master *m, struct minverse *one)
{
    Mesos__V1__Scheduler__Event *event;

    if (!one->offer_id)
        return;
    event = PB_NEW(mesos__v1__scheduler__event);
    PB_SET(event, type, EVENT(RESCIND_INVERSE_OFFER));
    event->rescind_inverse_offer =
        PB_NEW(mesos__v1__scheduler__event__rescind_inverse_offer);
    event->rescind_inverse_offer->inverse_offer_id = pb_offer_id(one->offer_id);
    send_event(m, one->framework, event);
    withdraw(one);
}

void inverse_offers_rescind(struct master *m, struct magent *agent)
{
    struct minverse *one;

    LL_FOREACH(agent->inverse, one)
    rescind(m, one);
}

static void drop(struct magent *agent, struct minverse *one)
{
    LL_DELETE(agent->inverse, one);
    withdraw(one);
    free(one);
}

void inverse_offers_free(struct magent *agent)
{
    while (agent->inverse)
        drop(agent, agent->inverse);
}

void inverse_offers_forget(struct master *m, struct magent *agent)
{
    inverse_offers_rescind(m, agent);
    inverse_offers_free(agent);
}

void inverse_offers_discard(struct master *m, const struct framework *fw,
                            bool forget)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        struct minverse *one = find_inverse(agent, fw);

        if (one && forget)
            drop(agent, one);
        else if (one)
            withdraw(one);
    }
}

void inverse_offers_tick(struct master *m)
{
    struct magent *agent, *next;
    struct minverse *one;

    if (!m->schedule || !m->config.offer_timeout_ms)
        return;
    HASH_ITER(hh, m->agents, agent, next)
    {
        LL_FOREACH(agent->inverse, one)
        {
            if (m->now_ms - one->made_ms >= m->config.offer_timeout_ms)
                rescind(m, one);
        }
    }
}

void inverse_offers_view(
    const struct master *m, const struct framework *fw,
    Mesos__V1__Master__Response__GetFrameworks__Framework *out)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        const struct minverse *one = find_inverse(agent, fw);
        const Mesos__V1__Unavailability *away = maintenance_of(m, agent);

        if (one && one->offer_id && away)
            PB_ADD(out, inverse_offers, message_of(agent, one, away));
    }
}
