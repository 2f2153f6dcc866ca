/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/state-store/tools.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/fs.h"
#include "services/state-store/snapshot_format.h"

const uint8_t test_lineage[16] = "lineage for test";

struct record *put_as(struct table *table, const char *request_id,
                      const char *key, const char *value)
{
    Reeve__Op op = REEVE__OP__INIT;
    Reeve__Op *ops[] = {&op};
    Reeve__TxnRequest txn = REEVE__TXN_REQUEST__INIT;
    op.key = (char *)(uintptr_t)key;
    op.has_value = value != NULL;
    op.value.data = (uint8_t *)(uintptr_t)value;
    op.value.len = value ? strlen(value) : 0;
    txn.ops = ops;
    txn.n_ops = 1;
    struct txn_outcome out;
    struct err err;
    ASSERT(table_txn(table, &txn, request_id, 1000, &out, &err) == 0);
    return out.record;
}

struct record *put(struct table *table, const char *key, const char *value)
{
    return put_as(table, "", key, value);
}

struct record *grant(struct table *table, const char *name, const char *holder)
{
    struct lease_ask ask = {.name = name, .holder = holder, .ttl_ms = 1000};
    struct lease_clock clock = {.now_ms = 0, .wall_ms = 2000};
    struct lease_answer answer;
    struct record *record;
    struct err err;
    ASSERT(table_lease(table, &ask, clock, &answer, &record, &err) == 0);
    ASSERT(record);
    return record;
}

const char *value_of(const struct table *table, const char *key)
{
    static char text[128];
    const struct item *item = key_index_find(table_keys(table), key_of(key));
    AUTO_BUF struct buf bytes = {0};
    if (item)
        item_read(item, &bytes);
    size_t len = MIN(bytes.len, sizeof text - 1);
    if (len)
        memcpy(text, bytes.data, len);
    text[len] = '\0';
    return text;
}

static void encode(struct table *table, struct buf *out)
{
    struct view *view = table_view(table);
    struct snapshot_encoder encoder = {.view = view};
    while (snapshot_encode(&encoder, out))
        ;
    view_destroy(&view);
}

bool tables_equal(struct table *a, struct table *b)
{
    AUTO_BUF struct buf one = {0};
    AUTO_BUF struct buf two = {0};
    encode(a, &one);
    encode(b, &two);
    return one.len == two.len && memcmp(one.data, two.data, one.len) == 0;
}

char *temp_dir(void)
{
    /* In memory where there is such a folder: thousands of syncs. */
    char *path = xstrdup("/dev/shm/reeve-store-test-XXXXXX");
    if (mkdtemp(path))
        return path;
    free(path);
    path = xstrdup("/tmp/reeve-store-test-XXXXXX");
    ASSERT(mkdtemp(path));
    return path;
}

void temp_dir_remove(char *path)
{
    fs_remove_tree(path, NULL);
    free(path);
}
