/* SPDX-License-Identifier: Apache-2.0 */
/* routes - what the broker answers on the bus */
#include "lib/bus/bus.h"
#include "services/offer-broker/broker.h"

const struct bus_route broker_routes[] = {
    {"broker.offers", debug_offers},
    {"broker.reservations", debug_reservations},
    {"broker.tasks", debug_tasks},
    {"broker.new_framework", operator_new_framework},
    {"broker.ignore_foreign", operator_ignore_foreign},
    {"broker.release", operator_release},
    {"broker.kill_unknown", operator_kill_unknown},
    {NULL, NULL},
};
