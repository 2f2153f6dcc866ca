/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/bus/bus_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/bus/bus.h"
#include "lib/loop/loop.h"

/* On top of each deadline: a busy machine takes its time. */
#define PATIENCE 5

void bus_world_open(struct bus_world *w)
{
    memset(w, 0, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/reeve-bus-XXXXXX");
    ASSERT(mkdtemp(w->dir));
    ASSERT(bus_endpoint(w->dir, "peer", w->endpoint, sizeof w->endpoint,
                        NULL) == 0);
    ASSERT(bus_endpoint(w->dir, "peer.pub", w->feed, sizeof w->feed, NULL) ==
           0);
    w->loop = loop_new();
}

void bus_world_close(struct bus_world *w)
{
    loop_destroy(&w->loop);
    fs_remove_tree(w->dir, NULL);
}

bool bus_world_until(struct bus_world *w, const int *value, int goal,
                     int64_t timeout_ms)
{
    int64_t end = clock_mono_ms() + timeout_ms * PATIENCE;
    while (*value < goal && clock_mono_ms() < end)
        loop_run_once(w->loop, 20);
    return *value >= goal;
}

void bus_world_turn(struct bus_world *w, int64_t for_ms)
{
    int64_t end = clock_mono_ms() + for_ms;
    while (clock_mono_ms() < end)
        loop_run_once(w->loop, 5);
}
