/* SPDX-License-Identifier: Apache-2.0 */
/* master_drain - agents that operators keep from new tasks
 *
 * DEACTIVATE_AGENT, REACTIVATE_AGENT, DRAIN_AGENT.  What was asked for is in
 * the registry before anything is done, and outlives the master and the agent's
 * absence; only a removed or gone agent is forgotten with it.
 *
 * An agent is DRAINED when it has no tasks (each acknowledged) and no
 * operations; with mark_gone it is marked gone then.  drain_check is called
 * wherever the last of them may have gone, and at each tick.
 */
#include "devcluster/master_state.h"

#define DRAINING MESOS__V1__DRAIN_STATE__DRAINING
#define DRAINED  MESOS__V1__DRAIN_STATE__DRAINED

/* What is kept of an agent, registered or not. */
struct standing {
    struct magent *agent; /* NULL: not registered */
    bool *deactivated;
    Mesos__V1__DrainInfo **drain;
};

/* false: unknown, or gone for good. */
static bool find_standing(const struct master *m, const char *id,
                          struct standing *out)
{
    struct absent_agent *absent = find_absent(m, id);

    out->agent = find_agent(m, id);
    if (out->agent) {
        out->deactivated = &out->agent->deactivated;
        out->drain = &out->agent->drain;
        return true;
    }
    if (!absent || absent->state == REEVE__DEVCLUSTER__REGISTRY__STATE__GONE)
        return false;
    out->deactivated = &absent->deactivated;
    out->drain = &absent->drain;
    return true;
}

void agent_deactivate(struct master *m, const char *id,
                      struct master_reply *reply)
{
    struct standing standing;

    if (!find_standing(m, id, &standing)) {
        reply_set(reply, 400, "Unknown agent");
        return;
    }
    *standing.deactivated = true;
    save_registry(m);
    if (standing.agent)
        agent_offers_withdraw(m, standing.agent);
    reply_set(reply, 200, "%s", "");
}

void agent_reactivate(struct master *m, const char *id,
                      struct master_reply *reply)
{
    struct standing standing;

    if (!find_standing(m, id, &standing) || !*standing.deactivated) {
        reply_set(reply, 400, "Agent is not deactivated");
        return;
    }
    if (*standing.drain && (*standing.drain)->state == DRAINING) {
        reply_set(reply, 400, "Agent is still in the DRAINING state");
        return;
    }
    *standing.deactivated = false;
    PB_FREE(*standing.drain);
    save_registry(m);
    if (!standing.agent) {
        reply_set(reply, 409, "Agent removed while processing the call");
        return;
    }
    standing.agent->drain_started_us = 0;
    m->allocate_soon = true;
    reply_set(reply, 200, "%s", "");
}

/* ---- draining ----------------------------------------------------------- */

static int64_t nanoseconds(const Mesos__V1__Master__Duration *d)
{
    int64_t sum;

    if (__builtin_mul_overflow(d->seconds, INT64_C(1000000000), &sum) ||
        __builtin_add_overflow(sum, (int64_t)d->nanos, &sum))
        return d->seconds < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

static Mesos__V1__DrainInfo *
info_of(const Mesos__V1__Master__Call__DrainAgent *call)
{
    Mesos__V1__DrainInfo *info = PB_NEW(mesos__v1__drain_info);

    info->state = DRAINING;
    info->config = PB_NEW(mesos__v1__drain_config);
    PB_SET(info->config, mark_gone, call->mark_gone);
    if (call->max_grace_period) {
        info->config->max_grace_period = PB_NEW(mesos__v1__duration_info);
        info->config->max_grace_period->nanoseconds =
            nanoseconds(call->max_grace_period);
    }
    return info;
}

static void send_drain(struct master *m, const struct magent *agent)
{
    Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);

    msg->drain = PB_NEW(reeve__devcluster__to_agent__drain);
    msg->drain->config = PB_DUP(agent->drain->config);
    send_agent(m, agent, msg);
}

void drain_tell(struct master *m, struct magent *agent)
{
    if (!agent->drain)
        return;
    send_drain(m, agent);
    agent->drain_started_us = m->wall_us;
    drain_check(m, agent);
}

void agent_drain(struct master *m,
                 const Mesos__V1__Master__Call__DrainAgent *call,
                 struct master_reply *reply)
{
    struct standing standing;
    AUTO_FREE char *machine = NULL;

    if (!find_standing(m, call->agent_id->value, &standing)) {
        reply_set(reply, 400, "Unknown agent");
        return;
    }
    if (standing.agent)
        machine = maintenance_machine_text(m, standing.agent);
    if (machine) {
        reply_set(reply, 400,
                  "Agent %s is part of a maintenance schedule under Machine %s",
                  call->agent_id->value, machine);
        return;
    }
    PB_FREE(*standing.drain);
    *standing.drain = info_of(call);
    *standing.deactivated = true;
    save_registry(m);
    reply_set(reply, 200, "%s", "");
    if (!standing.agent)
        return;
    agent_offers_withdraw(m, standing.agent);
    drain_tell(m, standing.agent);
}

void drain_check(struct master *m, struct magent *agent)
{
    if (!agent->drain || agent->drain->state != DRAINING || agent->tasks ||
        agent->operations)
        return;
    if (agent->drain->config->mark_gone) {
        agent_gone(m, agent);
        return;
    }
    agent->drain->state = DRAINED;
    save_registry(m);
}
