/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "services/state-store/record_queue.h"
#include "tests/unit/state-store/tools.h"

Test(record_queue, keeps_order_and_size)
{
    struct record_queue q = {0};
    struct table *t = table_new(test_lineage);
    uint64_t next = 1;
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 3; i++) {
            struct record *record = put(t, "k", "v");
            record_queue_push(&q, record);
            record_unref(record);
        }
        for (int i = 0; i < 2; i++) {
            struct record *record = record_queue_pop(&q);
            cr_assert_eq(record->seq, next++);
            record_unref(record);
        }
    }
    cr_expect_eq(q.n, 300);
    cr_expect_eq(record_queue_first(&q)->seq, next);
    cr_expect_eq(record_queue_at(&q, next + 17)->seq, next + 17);
    cr_expect_null(record_queue_at(&q, next - 1));
    cr_expect_null(record_queue_at(&q, next + 300));
    record_queue_clear(&q);
    cr_expect_eq(q.bytes, 0);
    cr_expect_null(record_queue_pop(&q));
    record_queue_free(&q);
    table_destroy(&t);
}
