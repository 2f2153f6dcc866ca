/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in a pool say what they said, and share their texts. */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "lib/wire/pool.h"
#include "proto/mesos/v1/scheduler.pb-c.h"

static const char *const own[] = {"name", NULL};
static const char *const drop[] = {"data", NULL};
static const struct wire_pool_rule rule = {own, drop};

static Mesos__V1__TaskInfo *make_task(const char *name)
{
    Mesos__V1__TaskInfo *task = PB_NEW(mesos__v1__task_info);
    Mesos__V1__CommandInfo__URI *uri = PB_NEW(mesos__v1__command_info__uri);
    task->name = xstrdup(name);
    task->task_id = PB_NEW(mesos__v1__task_id);
    task->task_id->value = xstrdup("a__b");
    task->agent_id = PB_NEW(mesos__v1__agent_id);
    task->agent_id->value = xstrdup("a__b");
    task->command = PB_NEW(mesos__v1__command_info);
    uri->value = xstrdup("http://x/y");
    PB_SET(uri, extract, false);
    PB_ADD(task->command, uris, uri);
    PB_ADD_STR(task->command, arguments, "one");
    PB_ADD_STR(task->command, arguments, "one");
    PB_ADD_STR(task->command, arguments, "");
    PB_BYTES(task, data, "12345", 5);
    return task;
}

static void encode(const void *message, struct buf *out)
{
    wire_encode(message, out);
}

static Mesos__V1__TaskInfo *keep(struct wire_pool *pool,
                                 const Mesos__V1__TaskInfo *task,
                                 const struct wire_pool_rule *with)
{
    AUTO_BUF struct buf bytes = {0};
    struct err err = {0};
    encode(task, &bytes);
    /* Field 999, which nobody knows. */
    buf_add(&bytes, "\xba\x3e\x03xyz", 6);
    void *kept = wire_pool_decode(pool, &mesos__v1__task_info__descriptor,
                                  bytes.data, bytes.len, with, &err);
    cr_assert_not_null(kept, "%s", err.text);
    return kept;
}

Test(pool, says_the_same)
{
    struct wire_pool *pool = wire_pool_new();
    AUTO_MESSAGE Mesos__V1__TaskInfo *task = make_task("t-1");
    Mesos__V1__TaskInfo *kept = keep(pool, task, NULL);
    AUTO_BUF struct buf before = {0}, after = {0};
    AUTO_MESSAGE Mesos__V1__TaskInfo *copy = PB_DUP(kept);

    encode(task, &before);
    buf_add(&before, "\xba\x3e\x03xyz", 6);
    encode(kept, &after);
    cr_expect_eq(before.len, after.len);
    cr_expect_eq(memcmp(before.data, after.data, before.len), 0);
    cr_expect_eq(kept->task_id->value, kept->agent_id->value);
    cr_expect_eq(kept->command->arguments[0], kept->command->arguments[1]);
    cr_expect(kept->command->has_shell == 0 && kept->command->shell);
    WIRE_POOL_FREE(pool, kept);
    cr_expect_null(kept);
    wire_pool_destroy(&pool);
    cr_expect_str_eq(copy->command->uris[0]->value, "http://x/y");
}

Test(pool, rule)
{
    struct wire_pool *pool = wire_pool_new();
    AUTO_MESSAGE Mesos__V1__TaskInfo *task = make_task("t-1");
    Mesos__V1__TaskInfo *a = keep(pool, task, &rule);
    Mesos__V1__TaskInfo *b = keep(pool, task, &rule);

    cr_expect_neq(a->name, b->name);
    cr_expect_str_eq(a->name, b->name);
    cr_expect_eq(a->task_id->value, b->task_id->value);
    cr_expect(a->has_data && a->data.len == 0 && !a->data.data);
    WIRE_POOL_FREE(pool, a);
    cr_expect_str_eq(b->command->arguments[0], "one");
    WIRE_POOL_FREE(pool, b);
    WIRE_POOL_FREE(pool, b);
    wire_pool_destroy(&pool);
    wire_pool_destroy(&pool);
}

/* Longer than the scratch piece, and of many parts. */
Test(pool, large)
{
    struct wire_pool *pool = wire_pool_new();
    AUTO_MESSAGE Mesos__V1__TaskInfo *task = make_task("t-1");
    AUTO_FREE char *text = xcalloc(1, 70001);
    memset(text, 'x', 70000);
    for (int i = 0; i < 5000; i++)
        PB_ADD_STR(task->command, arguments, i % 2 ? "odd" : "even");
    PB_ADD_STR(task->command, arguments, text);
    Mesos__V1__TaskInfo *kept = keep(pool, task, NULL);
    cr_assert_eq(kept->command->n_arguments, 5004);
    cr_expect_str_eq(kept->command->arguments[5003], text);
    cr_expect_str_eq(kept->command->arguments[5002], "odd");
    WIRE_POOL_FREE(pool, kept);
    wire_pool_destroy(&pool);
}

Test(pool, refuses_as_wire_decode)
{
    struct wire_pool *pool = wire_pool_new();
    struct err err = {0};
    cr_expect_null(wire_pool_decode(pool, &mesos__v1__task_id__descriptor, "",
                                    0, NULL, &err));
    cr_expect_eq(err.code, ERR_INVALID);
    cr_expect_null(wire_pool_decode(pool, &mesos__v1__task_id__descriptor,
                                    "\x0a\x7fx", 3, NULL, &err));
    wire_pool_destroy(&pool);
}
