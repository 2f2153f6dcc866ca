/* SPDX-License-Identifier: Apache-2.0 */
/* bus_world - a temp dir, a loop and waiting with a bound, for bus tests */
#ifndef REEVE_TESTS_UNIT_BUS_WORLD_H
#define REEVE_TESTS_UNIT_BUS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct bus_world {
    struct loop *loop;
    char dir[64];
    char endpoint[128];
    char feed[128];
};

void bus_world_open(struct bus_world *w);
void bus_world_close(struct bus_world *w);
/* Turns the loop until *value >= goal; false after several times timeout_ms. */
bool bus_world_until(struct bus_world *w, const int *value, int goal,
                     int64_t timeout_ms);
/* Turns the loop for this long, to see that something does not happen. */
void bus_world_turn(struct bus_world *w, int64_t for_ms);

#endif
