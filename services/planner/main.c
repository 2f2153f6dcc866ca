/* SPDX-License-Identifier: Apache-2.0 */
/* reeve-planner - turns services as declared into what should run, step by
 * step. Next: planner.h, act.c, engine.h. */
#include "lib/service/service.h"
#include "services/planner/planner.h"

static const struct service_spec planner = {
    .name = "planner",
    .summary = "turns service specifications into plans and demands",
    .options = planner_options,
    .routes = planner_routes,
    .start = planner_start,
    .tick = planner_tick,
    .tick_ms = 1000,
    .hangup = planner_hangup,
    .stop = planner_stop,
};

int main(int argc, char **argv)
{
    return service_main(&planner, argc, argv);
}
