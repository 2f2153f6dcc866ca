/* SPDX-License-Identifier: Apache-2.0 */
/* flow - see flow.h */
#include "services/offer-broker/flow.h"

#include <string.h>

#include "lib/base/base.h"

void flow_subscribed(struct flow *flow, int64_t now_ms)
{
    memset(flow, 0, sizeof(*flow));
    flow->idle_since_ms = now_ms;
    flow->last_offer_ms = now_ms;
    flow->last_revive_ms = now_ms - FLOW_REVIVE_EVERY_MS;
}

void flow_offered(struct flow *flow, int64_t now_ms)
{
    flow->last_offer_ms = now_ms;
}

void flow_new_work(struct flow *flow)
{
    flow->owes_revive = true;
}

static enum flow_action decide_idle(struct flow *flow, int64_t now_ms)
{
    flow->owes_revive = false;
    if (flow->had_work) {
        flow->had_work = false;
        flow->idle_since_ms = now_ms;
    }
    if (flow->is_suppressed || now_ms - flow->idle_since_ms < FLOW_IDLE_MS)
        return FLOW_NOTHING;
    flow->is_suppressed = true;
    return FLOW_SUPPRESS;
}

enum flow_action flow_decide(struct flow *flow, bool has_work, int64_t now_ms)
{
    int64_t last_sign_ms = MAX(flow->last_offer_ms, flow->last_revive_ms);

    if (!has_work)
        return decide_idle(flow, now_ms);
    flow->had_work = true;
    if (flow->is_suppressed || now_ms - last_sign_ms >= FLOW_SILENCE_MS)
        flow->owes_revive = true;
    if (!flow->owes_revive ||
        now_ms - flow->last_revive_ms < FLOW_REVIVE_EVERY_MS)
        return FLOW_NOTHING;
    flow->owes_revive = false;
    flow->is_suppressed = false;
    flow->last_revive_ms = now_ms;
    return FLOW_REVIVE;
}
