/* SPDX-License-Identifier: Apache-2.0 */
/* Commits in order and exactly once, and the lease. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/bus/store_client.h"
#include "lib/loop/loop.h"
#include "tests/unit/bus/fake_store.h"

enum { MAX_COMMITS = 2000 };

struct test;
struct one {
    struct test *t;
    int number;
};

struct test {
    struct bus_world w;
    struct fake_store store;
    struct store_client *client;
    int done;
    int times[MAX_COMMITS]; /* how often done was called for each */
    uint64_t revisions[MAX_COMMITS];
    struct one ones[MAX_COMMITS];
    struct err err;
    char failed_key[64];
    uint64_t failed_revision;
    int held, lost;
    uint64_t epoch;
    bool destroy_when_done, destroy_when_lost;
};

static void begin(struct test *t)
{
    memset(t, 0, sizeof *t);
    log_set_level(LOG_BAD);
    bus_world_open(&t->w);
    fake_store_open(&t->store, &t->w);
    t->client = store_client_new(t->w.loop, "tester", t->w.endpoint);
}

static void end(struct test *t)
{
    store_client_destroy(&t->client);
    fake_store_close(&t->store);
    bus_world_close(&t->w);
}

static void on_done(void *self, const struct txn_result *result)
{
    struct one *one = self;
    struct test *t = one->t;
    t->done++;
    t->times[one->number]++;
    t->revisions[one->number] = result->revision;
    t->err = result->err;
    snprintf(t->failed_key, sizeof t->failed_key, "%s",
             str_or_empty(result->failed_key));
    t->failed_revision = result->failed_revision;
    if (t->destroy_when_done)
        store_client_destroy(&t->client);
}

static void put(struct test *t, int number)
{
    char key[32];
    snprintf(key, sizeof key, "k%d", number);
    struct txn *txn = txn_new();
    txn_put_bytes(txn, key, "v", 1);
    t->ones[number] = (struct one){t, number};
    store_client_commit(t->client, &txn, on_done, &t->ones[number]);
    cr_assert_null(txn);
}

/* done once each, revisions rising: applied once each and in order. */
static void expect_in_order(struct test *t, int count)
{
    for (int i = 0; i < count; i++) {
        cr_expect_eq(t->times[i], 1, "commit %d done %d times", i, t->times[i]);
        cr_expect_eq((int)t->revisions[i], i + 1, "commit %d at %d", i,
                     (int)t->revisions[i]);
    }
    cr_expect_eq((int)t->store.revision, count);
}

Test(store_client, commits)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    for (int i = 0; i < 1000; i++)
        put(t, i);
    cr_expect_eq(t->done, 0);
    cr_expect_eq(store_client_pending(t->client), 1000);
    cr_assert(bus_world_until(&t->w, &t->done, 1000, 10000));
    cr_expect_eq(store_client_pending(t->client), 0);
    expect_in_order(t, 1000);
    end(t);
    free(t);
}

Test(store_client, preconditions)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "taken", "x");
    struct txn *txn = txn_new();
    txn_require(txn, "taken", 0);
    txn_delete(txn, "taken");
    cr_expect_eq(txn_ops(txn), 1);
    t->ones[0] = (struct one){t, 0};
    store_client_commit(t->client, &txn, on_done, &t->ones[0]);
    cr_assert(bus_world_until(&t->w, &t->done, 1, 5000));
    cr_expect_eq(t->err.code, ERR_CONFLICT);
    cr_expect_str_eq(t->failed_key, "taken");
    cr_expect_eq(t->failed_revision, 1);
    end(t);
    free(t);
}

/* Both preconditions and operations come behind. */
Test(store_client, one_transaction_of_two)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "taken", "x");
    struct txn *txn = txn_new(), *other = txn_new();
    txn_put_bytes(txn, "a", "1", 1);
    txn_put_bytes(other, "b", "2", 1);
    txn_require(other, "taken", 0);
    txn_append(txn, &other);
    cr_expect_null(other);
    cr_expect_eq(txn_ops(txn), 2);
    t->ones[0] = (struct one){t, 0};
    store_client_commit(t->client, &txn, on_done, &t->ones[0]);
    cr_assert(bus_world_until(&t->w, &t->done, 1, 5000));
    cr_expect_eq(t->err.code, ERR_CONFLICT);
    cr_expect_str_eq(t->failed_key, "taken");
    end(t);
    free(t);
}

Test(store_client, while_the_store_is_away)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_down(&t->store);
    for (int i = 0; i < 600; i++)
        put(t, i);
    bus_world_turn(&t->w, 300);
    cr_expect_eq(t->done, 0);
    fake_store_up(&t->store);
    cr_assert(bus_world_until(&t->w, &t->done, 600, 10000));
    expect_in_order(t, 600);
    end(t);
    free(t);
}

/* Applied but the answer is lost, or refused for now: the same request id goes
 * again and the first result comes back. */
Test(store_client, lost_answers_and_refusals_keep_order_and_once)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    t->store.lose_answers = 3;
    for (int i = 0; i < 300; i++) {
        put(t, i);
        if (i % 50 == 0)
            loop_run_once(t->w.loop, 5);
    }
    bus_world_turn(&t->w, 200);
    fake_store_down(&t->store);
    for (int i = 300; i < 400; i++)
        put(t, i);
    fake_store_up(&t->store);
    cr_assert(bus_world_until(&t->w, &t->done, 400, 20000));
    expect_in_order(t, 400);
    end(t);
    free(t);
}

Test(store_client, unavailable_is_tried_again)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    t->store.unavailable = 50;
    for (int i = 0; i < 50; i++)
        put(t, i);
    cr_assert(bus_world_until(&t->w, &t->done, 50, 20000));
    expect_in_order(t, 50);
    end(t);
    free(t);
}

Test(store_client, restarts_at_random_moments)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    uint32_t seed = 11;
    for (int i = 0; i < MAX_COMMITS; i++) {
        seed = seed * 1664525 + 1013904223;
        put(t, i);
        if ((seed >> 16) % 97 == 0) {
            loop_run_once(t->w.loop, 1);
            fake_store_down(&t->store);
            loop_run_once(t->w.loop, 1);
            fake_store_up(&t->store);
        }
        if ((seed >> 16) % 11 == 0)
            loop_run_once(t->w.loop, 1);
    }
    cr_assert(bus_world_until(&t->w, &t->done, MAX_COMMITS, 30000), "%d",
              t->done);
    expect_in_order(t, MAX_COMMITS);
    end(t);
    free(t);
}

Test(store_client, done_destroys_the_client)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    t->destroy_when_done = true;
    for (int i = 0; i < 300; i++)
        put(t, i);
    cr_assert(bus_world_until(&t->w, &t->done, 1, 5000));
    cr_expect_null(t->client);
    bus_world_turn(&t->w, 100);
    cr_expect_eq(t->done, 1);
    end(t);
    free(t);
}

/* ---- the lease --------------------------------------------------------- */

static void on_lease(void *self, bool is_held, uint64_t epoch)
{
    struct test *t = self;
    t->held += is_held;
    t->lost += !is_held;
    t->epoch = epoch;
    cr_expect_eq(store_client_has_lease(t->client), is_held);
    if (!is_held && t->destroy_when_lost)
        store_client_destroy(&t->client);
}

static void hold(struct test *t, int64_t ttl_ms)
{
    store_client_hold_lease(t->client, "planner", "me", ttl_ms, on_lease, t);
}

Test(store_client, a_lease_is_taken_and_renewed)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    hold(t, 600);
    cr_expect_not(store_client_has_lease(t->client));
    cr_assert(bus_world_until(&t->w, &t->held, 1, 5000));
    cr_expect_eq(t->epoch, 1);
    cr_assert(bus_world_until(&t->w, &t->store.leases, 5, 5000));
    cr_expect_eq(t->held, 1);
    cr_expect_eq(t->lost, 0);
    cr_expect_eq(t->store.lease_epoch, 1, "renewed, not taken anew");
    put(t, 0);
    cr_assert(bus_world_until(&t->w, &t->done, 1, 5000));
    cr_expect_eq(t->err.code, ERR_NONE);
    end(t);
    free(t);
}

Test(store_client, a_holder_is_said_in_printable_ascii)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    store_client_hold_lease(t->client, "planner", "me@/my r\xc3\xbcn/5%~", 600,
                            on_lease, t);
    cr_assert(bus_world_until(&t->w, &t->held, 1, 5000));
    cr_expect_str_eq(t->store.lease_holder, "me@/my%20r%C3%BCn/5%25~");
    end(t);
    free(t);
}

Test(store_client, before_the_lease_is_held_commits_are_fenced)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_down(&t->store);
    hold(t, 600);
    put(t, 0);
    cr_expect_eq(t->done, 0);
    cr_assert(bus_world_until(&t->w, &t->done, 1, 1000));
    cr_expect_eq(t->err.code, ERR_FENCED);
    end(t);
    free(t);
}

Test(store_client, a_lease_of_another_is_waited_for)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    snprintf(t->store.lease_holder, sizeof t->store.lease_holder, "other");
    t->store.lease_epoch = 7;
    hold(t, 600);
    cr_assert(bus_world_until(&t->w, &t->store.leases, 3, 5000));
    cr_expect_eq(t->held, 0);
    cr_expect_eq(t->lost, 0);
    t->store.lease_holder[0] = '\0';
    cr_assert(bus_world_until(&t->w, &t->held, 1, 5000));
    cr_expect_eq(t->epoch, 8);
    end(t);
    free(t);
}

Test(store_client, a_lease_that_was_taken_is_lost_and_asked_for_again)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    hold(t, 600);
    cr_assert(bus_world_until(&t->w, &t->held, 1, 5000));
    t->store.lease_epoch = 9; /* taken over by another me */
    put(t, 0);
    cr_assert(bus_world_until(&t->w, &t->done, 1, 5000));
    cr_expect_eq(t->err.code, ERR_FENCED);
    cr_assert(bus_world_until(&t->w, &t->lost, 1, 5000));
    cr_assert(bus_world_until(&t->w, &t->held, 2, 5000));
    cr_expect_eq(t->epoch, 10);
    put(t, 1);
    cr_assert(bus_world_until(&t->w, &t->done, 2, 5000));
    cr_expect_eq(t->err.code, ERR_NONE);
    end(t);
    free(t);
}

Test(store_client, a_lease_that_cannot_be_renewed_is_lost_after_its_time)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    hold(t, 600);
    cr_assert(bus_world_until(&t->w, &t->held, 1, 5000));
    t->store.no_leases = true;
    int64_t start = loop_now_ms(t->w.loop);
    cr_assert(bus_world_until(&t->w, &t->lost, 1, 5000));
    cr_expect_leq(loop_now_ms(t->w.loop) - start, 2000);
    t->store.no_leases = false;
    cr_assert(bus_world_until(&t->w, &t->held, 2, 5000));
    cr_expect_eq(t->epoch, 1, "nobody took it meanwhile");
    end(t);
    free(t);
}

Test(store_client, a_lease_outlives_a_short_absence_of_the_store)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    hold(t, 3000);
    cr_assert(bus_world_until(&t->w, &t->held, 1, 5000));
    fake_store_down(&t->store);
    bus_world_turn(&t->w, 1200);
    fake_store_up(&t->store);
    int want = t->store.leases + 2;
    cr_assert(bus_world_until(&t->w, &t->store.leases, want, 5000));
    cr_expect_eq(t->lost, 0);
    cr_expect_eq(t->store.lease_epoch, 1);
    end(t);
    free(t);
}

Test(store_client, a_lost_lease_ends_the_client)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    hold(t, 600);
    cr_assert(bus_world_until(&t->w, &t->held, 1, 5000));
    t->destroy_when_lost = true;
    t->store.fenced = 1;
    put(t, 0);
    cr_assert(bus_world_until(&t->w, &t->lost, 1, 5000));
    cr_expect_null(t->client);
    bus_world_turn(&t->w, 50);
    end(t);
    free(t);
}

Test(store_client, release_of_a_store_that_is_away_does_not_hang)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    store_client_release_lease(t->client);
    hold(t, 600);
    cr_assert(bus_world_until(&t->w, &t->held, 1, 5000));
    fake_store_down(&t->store);
    store_client_release_lease(t->client);
    cr_expect_not(store_client_has_lease(t->client));
    end(t);
    free(t);
}
