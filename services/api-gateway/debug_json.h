/* SPDX-License-Identifier: Apache-2.0 */
/* debug_json - the broker's answers about offers, reservations and tasks as
 * JSON; pure */
#ifndef REEVE_API_GATEWAY_DEBUG_JSON_H
#define REEVE_API_GATEWAY_DEBUG_JSON_H

#include <jansson.h>

#include "proto/broker.pb-c.h"
#include "services/api-gateway/view.h"

/* GET /v2/debug/offers: the SDK's keys, and more. */
json_t *debug_json_offers(const Reeve__OffersReply *reply);
/* GET /v1/debug/reservations: {"<hostname>":["<resource id>",…]}. */
json_t *debug_json_reservations(const Reeve__ReservationsReply *reply);
/* … with ?verbose: each with all that is known of it, and counts. */
json_t *debug_json_reservation_list(const Reeve__ReservationsReply *reply);
/* GET /v1/debug/tasks. */
json_t *debug_json_tasks(const Reeve__TasksReply *reply);
/* GET /v1/debug/agents: from the records. */
json_t *debug_json_agents(const struct view *view);

#endif
