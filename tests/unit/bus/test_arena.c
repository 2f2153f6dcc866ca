/* SPDX-License-Identifier: Apache-2.0 */
/* A message unpacked into a piece of memory of any size: what does not fit is
 * taken elsewhere, and all of it given back (the sanitizers watch). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/bus/arena.h"
#include "proto/store.pb-c.h"

static uint8_t *packed(size_t *len)
{
    Reeve__TxnRequest txn = REEVE__TXN_REQUEST__INIT;
    Reeve__Op ops[3], *list[3];
    for (int i = 0; i < 3; i++) {
        reeve__op__init(&ops[i]);
        ops[i].key = (char *)"service/x/task/data-0/status";
        ops[i].has_value = 1;
        ops[i].value.data = (uint8_t *)"some value";
        ops[i].value.len = 10;
        list[i] = &ops[i];
    }
    txn.request_id = (char *)"b1946ac9-2d1a-4c5e-9d4f-0123456789ab";
    txn.ops = list;
    txn.n_ops = 3;
    *len = reeve__txn_request__get_packed_size(&txn);
    uint8_t *bytes = xcalloc(1, *len);
    reeve__txn_request__pack(&txn, bytes);
    return bytes;
}

Test(arena, any_room_will_do)
{
    size_t len;
    AUTO_FREE uint8_t *bytes = packed(&len);
    for (size_t room = 0; room < 1024; room += 8) {
        AUTO_FREE uint8_t *place = xcalloc(1, room + 1);
        struct arena arena;
        arena_init(&arena, place, room);
        Reeve__TxnRequest *txn =
            reeve__txn_request__unpack(&arena.memory, len, bytes);
        cr_assert_not_null(txn, "room %zu", room);
        cr_assert_leq(arena.used, room);
        cr_assert_eq(txn->n_ops, 3);
        cr_assert_str_eq(txn->ops[2]->key, "service/x/task/data-0/status");
        cr_assert_eq(memcmp(txn->ops[1]->value.data, "some value", 10), 0);
        reeve__txn_request__free_unpacked(txn, &arena.memory);
    }
}

Test(arena, what_does_not_parse_leaves_nothing_behind)
{
    size_t len;
    AUTO_FREE uint8_t *bytes = packed(&len);
    AUTO_FREE uint8_t *place = xcalloc(1, 64);
    for (size_t cut = 1; cut < len; cut++) {
        struct arena arena;
        arena_init(&arena, place, 64);
        Reeve__TxnRequest *txn =
            reeve__txn_request__unpack(&arena.memory, cut, bytes);
        if (txn)
            reeve__txn_request__free_unpacked(txn, &arena.memory);
    }
}

Test(arena, sizes_that_overflow_are_refused)
{
    uint8_t place[64];
    struct arena arena;
    arena_init(&arena, place, sizeof place);
    cr_assert_null(arena.memory.alloc(&arena, SIZE_MAX));
    cr_assert_eq(arena.used, 0);
}
