/* SPDX-License-Identifier: Apache-2.0 */
/* offer-broker - keeps the one session with the Mesos master per service and
 * matches demands with offers.  Next: README.md, broker.h, session.h. */
#include "lib/service/service.h"
#include "services/offer-broker/broker.h"

static const struct service_spec offer_broker = {
    .name = "offer-broker",
    .summary = "places the planner's demands on the offers of a Mesos master",
    .options = broker_options,
    .routes = broker_routes,
    .start = broker_start,
    .tick = broker_tick,
    .tick_ms = 250,
    .stop = broker_stop,
};

int main(int argc, char **argv)
{
    return service_main(&offer_broker, argc, argv);
}
