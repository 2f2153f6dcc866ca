/* SPDX-License-Identifier: Apache-2.0 */
/* flow - when to ask the master for offers and when to be left alone
 *
 * Pure.  Idle for a while: SUPPRESS once.  New unmet work: REVIVE, which also
 * clears our long decline filters; several wishes within two seconds become
 * one.  A revive may be lost on the way: work without any offer for a minute
 * asks again.
 */
#ifndef REEVE_OFFER_BROKER_FLOW_H
#define REEVE_OFFER_BROKER_FLOW_H

#include <stdbool.h>
#include <stdint.h>

enum flow_action { FLOW_NOTHING, FLOW_SUPPRESS, FLOW_REVIVE };

struct flow {
    bool is_suppressed;
    bool owes_revive;
    bool had_work;
    int64_t idle_since_ms;
    int64_t last_revive_ms;
    int64_t last_offer_ms;
};

#define FLOW_IDLE_MS         3000
#define FLOW_REVIVE_EVERY_MS 2000
#define FLOW_SILENCE_MS      60000

/* A new subscription is neither suppressed nor filtered by us. */
void flow_subscribed(struct flow *flow, int64_t now_ms);
void flow_offered(struct flow *flow, int64_t now_ms);
/* A demand appeared, or became placeable, that no held offer fits. */
void flow_new_work(struct flow *flow);
/* To be called after every evaluation; the action is taken as done. */
enum flow_action flow_decide(struct flow *flow, bool has_work, int64_t now_ms);

#endif
