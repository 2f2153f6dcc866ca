/* SPDX-License-Identifier: Apache-2.0 */
/* arena - memory for one unpacked message in a piece that the caller has
 *
 * What does not fit comes from malloc, so a message unpacked with
 * arena.memory is given back with protobuf_c_message_free_unpacked() and it,
 * whoever filled it; the piece itself stays the caller's.  Nothing in the piece
 * is used again before arena_init().
 */
#ifndef REEVE_LIB_BUS_ARENA_H
#define REEVE_LIB_BUS_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    ProtobufCAllocator memory;
    uint8_t *bytes; /* aligned for anything */
    size_t used, room;
};

void arena_init(struct arena *arena, void *bytes, size_t room);

#endif
