/* SPDX-License-Identifier: Apache-2.0 */
/* api-gateway - the suite's HTTP API, answered from its own copy of the state.
 * Stateless: any number may run.  Next: gateway.h, endpoints.c. */
#include "lib/service/service.h"
#include "services/api-gateway/gateway.h"

static const struct service_spec api_gateway = {
    .name = "api-gateway",
    .summary = "serves the HTTP API of a Reeve suite",
    .options = gateway_options,
    .start = gateway_start,
    .tick = gateway_tick,
    .tick_ms = 1000,
    .stop = gateway_stop,
};

int main(int argc, char **argv)
{
    return service_main(&api_gateway, argc, argv);
}
