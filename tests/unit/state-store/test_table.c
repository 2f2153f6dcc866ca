/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "tests/unit/state-store/tools.h"

struct made_txn {
    Reeve__TxnRequest txn;
    Reeve__Op op[3], *ops[3];
    Reeve__Precondition pre[2], *pres[2];
};

/* key, value (NULL: delete) pairs; then key, revision pairs. */
static Reeve__TxnRequest *make(struct made_txn *m, size_t n_ops,
                               size_t n_preconditions)
{
    reeve__txn_request__init(&m->txn);
    for (size_t i = 0; i < 3; i++) {
        reeve__op__init(&m->op[i]);
        m->ops[i] = &m->op[i];
    }
    for (size_t i = 0; i < 2; i++) {
        reeve__precondition__init(&m->pre[i]);
        m->pres[i] = &m->pre[i];
    }
    m->txn.ops = m->ops;
    m->txn.n_ops = n_ops;
    m->txn.preconditions = m->pres;
    m->txn.n_preconditions = n_preconditions;
    return &m->txn;
}

static void set_op(struct made_txn *m, size_t i, const char *key,
                   const char *value)
{
    m->op[i].key = (char *)(uintptr_t)key;
    m->op[i].has_value = value != NULL;
    m->op[i].value.data = (uint8_t *)(uintptr_t)value;
    m->op[i].value.len = value ? strlen(value) : 0;
}

static void require(struct made_txn *m, size_t i, const char *key, uint64_t at)
{
    m->pre[i].key = (char *)(uintptr_t)key;
    m->pre[i].has_revision = true;
    m->pre[i].revision = at;
}

Test(table, all_or_nothing)
{
    struct table *t = table_new(test_lineage);
    record_unref(put(t, "a", "1"));
    struct made_txn m;
    make(&m, 2, 2);
    set_op(&m, 0, "a", "2");
    set_op(&m, 1, "b", "2");
    require(&m, 0, "a", 1);
    require(&m, 1, "c", 7);
    struct txn_outcome out;
    struct err err;
    cr_assert_eq(table_txn(t, &m.txn, "r", 0, &out, &err), -1);
    cr_assert_eq(err.code, ERR_CONFLICT);
    cr_assert_str_eq(out.failed_key, "c");
    cr_assert_eq(out.failed_revision, 0);
    cr_assert_eq(table_revision(t), 1);
    cr_assert_str_eq(value_of(t, "a"), "1");

    require(&m, 1, "b", 0);
    cr_assert_eq(table_txn(t, &m.txn, "r", 0, &out, &err), 0);
    cr_assert_eq(out.revision, 2);
    cr_assert_str_eq(value_of(t, "b"), "2");
    record_unref(out.record);
    table_destroy(&t);
}

Test(table, repeat_of_a_request_gets_its_first_result)
{
    struct table *t = table_new(test_lineage);
    record_unref(put_as(t, "r1", "a", "1"));
    record_unref(put(t, "a", "2"));
    struct made_txn m;
    make(&m, 1, 0);
    set_op(&m, 0, "a", "1");
    struct txn_outcome out;
    cr_assert_eq(table_txn(t, &m.txn, "r1", 0, &out, NULL), 0);
    cr_assert(out.is_repeat);
    cr_assert_eq(out.revision, 1);
    cr_assert_null(out.record);
    cr_assert_str_eq(value_of(t, "a"), "2");
    table_destroy(&t);
}

Test(table, only_checking_takes_no_revision)
{
    struct table *t = table_new(test_lineage);
    record_unref(put(t, "a", "1"));
    struct made_txn m;
    make(&m, 0, 1);
    require(&m, 0, "a", 1);
    struct txn_outcome out;
    cr_assert_eq(table_txn(t, &m.txn, "r", 0, &out, NULL), 0);
    cr_assert_null(out.record);
    cr_assert_eq(out.revision, 1);
    cr_assert_eq(table_seq(t), 1);
    table_destroy(&t);
}

Test(table, delete_and_put_again)
{
    struct table *t = table_new(test_lineage);
    record_unref(put(t, "a", "1"));
    record_unref(put(t, "a", NULL));
    cr_assert_null(key_index_find(table_keys(t), key_of("a")));
    cr_assert_eq(table_bytes(t), 0);
    record_unref(put(t, "a", ""));
    const struct item *item = key_index_find(table_keys(t), key_of("a"));
    cr_assert_not_null(item);
    cr_assert_eq(item->revision, 3);
    cr_assert_eq(item->len, 0);
    table_destroy(&t);
}

Test(table, stale_epoch_is_fenced)
{
    struct table *t = table_new(test_lineage);
    record_unref(grant(t, "broker", "me"));
    record_unref(grant(t, "broker", "me"));
    struct made_txn m;
    make(&m, 1, 0);
    set_op(&m, 0, "a", "1");
    m.txn.lease = (char *)(uintptr_t) "broker";
    m.txn.has_epoch = true;
    struct txn_outcome out;
    struct err err;
    static const uint64_t refused[] = {0, 1, 3};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        m.txn.epoch = refused[i];
        cr_assert_eq(table_txn(t, &m.txn, "", 0, &out, &err), -1);
        cr_assert_eq(err.code, ERR_FENCED);
    }
    m.txn.epoch = 2;
    cr_assert_eq(table_txn(t, &m.txn, "", 0, &out, &err), 0);
    cr_assert_eq(out.record->epoch, 2);
    record_unref(out.record);
    m.txn.lease = (char *)(uintptr_t) "never-granted";
    m.txn.epoch = 0;
    cr_assert_eq(table_txn(t, &m.txn, "", 0, &out, &err), -1);
    cr_assert_eq(err.code, ERR_FENCED);
    table_destroy(&t);
}

static char long_key[KEY_MAX_BYTES + 2];

static const struct {
    const char *name;
    const char *key;
} bad_keys[] = {
    {"none", NULL},
    {"empty", ""},
    {"blank", "a b"},
    {"control byte", "a\n"},
    {"not ASCII", "\xc3\xa4"},
    {"too long", long_key},
};

Test(table, bad_keys)
{
    memset(long_key, 'k', KEY_MAX_BYTES + 1);
    struct table *t = table_new(test_lineage);
    struct txn_outcome out;
    for (size_t i = 0; i < ARRAY_LEN(bad_keys); i++) {
        struct made_txn m;
        struct err err = {0};
        make(&m, 1, 0);
        set_op(&m, 0, bad_keys[i].key, "v");
        cr_expect_eq(table_txn(t, &m.txn, "", 0, &out, &err), -1, "case: %s",
                     bad_keys[i].name);
        cr_expect_eq(err.code, ERR_INVALID, "case: %s", bad_keys[i].name);
        make(&m, 0, 1);
        require(&m, 0, bad_keys[i].key, 0);
        cr_expect_eq(table_txn(t, &m.txn, "", 0, &out, &err), -1, "case: %s",
                     bad_keys[i].name);
    }
    cr_expect_eq(table_revision(t), 0);
    long_key[KEY_MAX_BYTES] = '\0';
    record_unref(put(t, long_key, "v"));
    cr_expect_eq(table_revision(t), 1);
    table_destroy(&t);
}

Test(table, bounds_on_values_and_ids)
{
    struct table *t = table_new(test_lineage);
    struct made_txn m;
    struct txn_outcome out;
    struct err err;
    char id[REQUEST_ID_MAX + 2];
    make(&m, 1, 0);
    set_op(&m, 0, "a", "v");
    memset(id, 'x', sizeof id);
    id[REQUEST_ID_MAX + 1] = '\0';
    cr_expect_eq(table_txn(t, &m.txn, id, 0, &out, &err), -1);
    cr_expect_eq(err.code, ERR_INVALID);
    uint8_t *value = xcalloc(1, VALUE_MAX_BYTES + 1);
    m.op[0].value.data = value;
    m.op[0].value.len = VALUE_MAX_BYTES + 1;
    cr_expect_eq(table_txn(t, &m.txn, "", 0, &out, &err), -1);
    cr_expect_eq(err.code, ERR_INVALID);
    m.op[0].value.len = VALUE_MAX_BYTES;
    cr_expect_eq(table_txn(t, &m.txn, "", 0, &out, &err), 0);
    record_unref(out.record);
    free(value);
    table_destroy(&t);
}

Test(table, the_same_records_give_an_equal_table)
{
    struct table *a = table_new(test_lineage), *b = table_new(test_lineage);
    struct record *records[] = {
        table_start_run(a, 77, 5), put_as(a, "r1", "x", "1"),  put(a, "y", "2"),
        grant(a, "broker", "h"),   put_as(a, "r2", "x", NULL), put(a, "z", "3"),
    };
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        cr_assert_eq(table_apply(b, records[i], NULL), 0);
    cr_assert(tables_equal(a, b));
    cr_assert_eq(table_apply(b, records[5], NULL), -1, "a gap or repeat");
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        record_unref(records[i]);
    table_destroy(&a);
    table_destroy(&b);
}

Test(table, a_view_stays_while_the_table_goes_on)
{
    struct table *t = table_new(test_lineage);
    record_unref(put(t, "a", "old"));
    struct view *view = table_view(t);
    record_unref(put(t, "a", "new"));
    record_unref(put(t, "b", "new"));
    cr_assert_eq(view->n_items, 1);
    cr_assert_eq(memcmp(item_value(view->items[0]), "old", 3), 0);
    cr_assert_eq(view->revision, 1);
    table_destroy(&t);
    view_destroy(&view);
}
