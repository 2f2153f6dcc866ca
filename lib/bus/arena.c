/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bus/arena.h"

#include <stdlib.h>

static void *take(void *self, size_t size)
{
    struct arena *arena = self;
    const size_t align = _Alignof(max_align_t);
    size_t rounded = (size + align - 1) / align * align;
    if (rounded < size)
        return NULL;
    if (rounded > arena->room - arena->used)
        return malloc(size);
    void *place = arena->bytes + arena->used;
    arena->used += rounded;
    return place;
}

static void give_back(void *self, void *place)
{
    const struct arena *arena = self;
    const uint8_t *p = place;
    if (p < arena->bytes || p >= arena->bytes + arena->room)
        free(place);
}

void arena_init(struct arena *arena, void *bytes, size_t room)
{
    *arena = (struct arena){
        .memory = {take, give_back, arena},
        .bytes = bytes,
        .room = room,
    };
}
