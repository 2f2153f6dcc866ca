/* SPDX-License-Identifier: Apache-2.0 */
/* state-store - keeps every fact of the suite: log on disk, copy in Redis,
 * events to everybody.  Next: README.md, store.h, routes.c, table.h, wal.h.
 */
#include "lib/service/service.h"
#include "services/state-store/store.h"

static const struct service_spec state_store = {
    .name = "state-store",
    .summary = "keeps every fact of the suite, durably and in order",
    .options = store_options,
    .routes = store_routes,
    .start = store_start,
    .tick = store_tick,
    .tick_ms = 1000,
    .stop = store_stop,
};

int main(int argc, char **argv)
{
    return service_main(&state_store, argc, argv);
}
