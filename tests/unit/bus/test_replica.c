/* SPDX-License-Identifier: Apache-2.0 */
/* The copy of the store: snapshots, events, gaps, restarts, silence. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/omap.h"
#include "lib/bus/bus.h"
#include "lib/bus/replica.h"
#include "lib/loop/loop.h"
#include "tests/unit/bus/fake_store.h"

struct test {
    struct bus_world w;
    struct fake_store store;
    struct replica *replica;
    struct buf told; /* "+key=value@rev(old) " and "-key(old) " */
    struct buf seen; /* what replica_each shows when settled */
    int changes, settles, alives, deaths;
    uint64_t settled_at;
    bool destroy_in_changed;
};

static void on_changed(void *self, const struct replica_item *item,
                       const uint8_t *old_value, size_t old_len)
{
    struct test *t = self;
    t->changes++;
    if (item->value)
        buf_addf(&t->told, "+%s=%.*s@%d", item->key, (int)item->len,
                 (const char *)item->value, (int)item->revision);
    else
        buf_addf(&t->told, "-%s", item->key);
    if (old_value)
        buf_addf(&t->told, "(%.*s)", (int)old_len, (const char *)old_value);
    buf_add_char(&t->told, ' ');
    if (t->destroy_in_changed)
        replica_destroy(&t->replica);
}

static void on_settled(void *self, uint64_t revision)
{
    struct test *t = self;
    t->settles++;
    t->settled_at = revision;
    cr_expect(replica_is_alive(t->replica));
    cr_expect_eq(replica_revision(t->replica), revision);
}

static void on_alive(void *self, bool is_alive)
{
    struct test *t = self;
    t->alives += is_alive;
    t->deaths += !is_alive;
}

static const struct replica_events events = {
    .changed = on_changed,
    .settled = on_settled,
    .alive = on_alive,
};

static void begin(struct test *t)
{
    memset(t, 0, sizeof *t);
    log_set_level(LOG_BAD);
    bus_world_open(&t->w);
    fake_store_open(&t->store, &t->w);
}

static void follow(struct test *t, const char *prefix)
{
    t->replica = replica_new(t->w.loop, "tester", t->w.endpoint, t->w.feed,
                             prefix, &events, t);
}

static void end(struct test *t)
{
    replica_destroy(&t->replica);
    fake_store_close(&t->store);
    bus_world_close(&t->w);
    buf_free(&t->told);
    buf_free(&t->seen);
}

static bool settled(struct test *t, uint64_t revision)
{
    for (int i = 0; i < 1000 && t->settled_at != revision; i++)
        loop_run_once(t->w.loop, 10);
    return t->settled_at == revision;
}

/* Turns until the subscription stands: until junk that is published arrives. */
static void subscribed(struct test *t)
{
    struct replica_stats stats;
    replica_stats(t->replica, &stats);
    uint64_t before = stats.garbage;
    for (int i = 0; i < 1000 && stats.garbage == before; i++) {
        bus_pub_send(t->store.pub, "junk", 1, NULL);
        bus_world_turn(&t->w, 10);
        replica_stats(t->replica, &stats);
    }
    cr_assert_gt(stats.garbage, before);
}

static void show(void *self, const struct replica_item *item)
{
    struct test *t = self;
    buf_addf(&t->seen, "%s=%.*s ", item->key, (int)item->len,
             (const char *)item->value);
}

static const char *all(struct test *t, const char *prefix)
{
    buf_clear(&t->seen);
    replica_each(t->replica, prefix, show, t);
    return buf_text(&t->seen);
}

Test(replica, snapshot_then_events)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "b", "1");
    fake_store_put(&t->store, "a", "2");
    follow(t, "");
    cr_assert(settled(t, 2));
    cr_expect_str_eq(buf_text(&t->told), "+b=1@1 +a=2@2 ");
    cr_expect_eq(t->alives, 1);
    cr_expect_str_eq(replica_lineage(t->replica), "lineage-1");
    buf_clear(&t->told);
    subscribed(t);
    fake_store_put(&t->store, "a", "3");
    fake_store_put(&t->store, "b", NULL);
    fake_store_put2(&t->store, "d", "c", "4");
    fake_store_put(&t->store, "e", "");
    cr_assert(settled(t, 6));
    cr_expect_str_eq(buf_text(&t->told),
                     "+a=3@3(2) -b(1) +d=4@5 +c=4@5 +e=@6 ");
    cr_expect_str_eq(all(t, ""), "a=3 c=4 d=4 e= ");
    cr_expect_str_eq(all(t, "d"), "d=4 ");
    cr_expect_str_eq(all(t, "x"), "");
    struct replica_item item;
    cr_assert(replica_get(t->replica, "a", &item));
    cr_expect_eq(item.revision, 3);
    cr_expect_not(replica_get(t->replica, "b", &item));
    end(t);
    free(t);
}

Test(replica, of_an_empty_store_is_settled)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    follow(t, "");
    cr_assert(bus_world_until(&t->w, &t->settles, 1, 5000));
    cr_expect_eq(t->changes, 0);
    cr_expect_eq(t->alives, 1);
    end(t);
    free(t);
}

Test(replica, keeps_only_its_prefix)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "task/1", "x");
    fake_store_put(&t->store, "plan/1", "x");
    follow(t, "task/");
    cr_assert(settled(t, 2));
    subscribed(t);
    fake_store_put(&t->store, "plan/2", "x");
    fake_store_put(&t->store, "task/2", "y");
    cr_assert(settled(t, 4));
    cr_expect_str_eq(all(t, ""), "task/1=x task/2=y ");
    struct replica_stats stats;
    replica_stats(t->replica, &stats);
    cr_expect_eq(stats.gaps, 0);
    end(t);
    free(t);
}

/* Each case loses or repeats something in front of "last"; the replica ends
 * equal and tells each difference once. */
static const struct {
    const char *name;
    int lose, duplicate;
    bool pair; /* the disturbed transaction has two changes */
    const char *told;
    int gaps;
} loss_cases[] = {
    {"nothing lost", 0, 0, false, "+a=2@2(1) +last=2@3 ", 0},
    {"one lost", 1, 0, false, "+a=2@2(1) +last=2@3 ", 1},
    {"one repeated", 0, 1, false, "+a=2@2(1) +last=2@3 ", 0},
    {"both repeated", 0, 2, false, "+a=2@2(1) +last=2@3 ", 0},
    {"first half lost", 1, 0, true, "+a=2@2(1) +b=2@2 +last=2@3 ", 1},
    {"a pair lost", 2, 0, true, "+a=2@2(1) +b=2@2 +last=2@3 ", 1},
    {"a pair repeated", 0, 2, true, "+a=2@2(1) +b=2@2 +last=2@3 ", 0},
    {"all lost, seen by the tick", 3, 0, true, "+a=2@2(1) +b=2@2 +last=2@3 ",
     1},
};

Test(replica, losses)
{
    for (size_t i = 0; i < ARRAY_LEN(loss_cases); i++) {
        struct test *t = xcalloc(1, sizeof *t);
        begin(t);
        fake_store_put(&t->store, "a", "1");
        follow(t, "");
        cr_assert(settled(t, 1));
        subscribed(t);
        buf_clear(&t->told);
        t->store.lose_events = loss_cases[i].lose;
        t->store.duplicate_events = loss_cases[i].duplicate;
        if (loss_cases[i].pair)
            fake_store_put2(&t->store, "a", "b", "2");
        else
            fake_store_put(&t->store, "a", "2");
        fake_store_put(&t->store, "last", "2");
        cr_expect(settled(t, 3), "case: %s", loss_cases[i].name);
        cr_expect_str_eq(buf_text(&t->told), loss_cases[i].told, "case: %s: %s",
                         loss_cases[i].name, buf_text(&t->told));
        struct replica_stats stats;
        replica_stats(t->replica, &stats);
        cr_expect_eq((int)stats.gaps, loss_cases[i].gaps, "case: %s",
                     loss_cases[i].name);
        end(t);
        free(t);
    }
}

Test(replica, half_a_transaction_is_never_shown)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    follow(t, "");
    cr_assert(bus_world_until(&t->w, &t->settles, 1, 5000));
    subscribed(t);
    t->store.hold_snapshots = true;
    t->store.keep_events = 1; /* the second half is lost */
    t->store.lose_events = 1;
    fake_store_put2(&t->store, "a", "b", "2");
    int want = t->store.snapshots + 1;
    cr_assert(bus_world_until(&t->w, &t->store.snapshots, want, 5000));
    cr_expect_str_eq(buf_text(&t->told), "");
    cr_expect_str_eq(all(t, ""), "");
    fake_store_answer_snapshot(&t->store);
    cr_assert(settled(t, 1));
    cr_expect_str_eq(buf_text(&t->told), "+a=2@1 +b=2@1 ");
    end(t);
    free(t);
}

Test(replica, events_during_a_snapshot_wait_for_it)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "a", "1");
    follow(t, "");
    cr_assert(settled(t, 1));
    subscribed(t);
    buf_clear(&t->told);
    t->store.hold_snapshots = true;
    t->store.lose_events = 1;
    fake_store_put(&t->store, "a", "2"); /* 2: lost */
    fake_store_put(&t->store, "b", "3"); /* 3: shows the gap */
    int want = t->store.snapshots + 1;
    cr_assert(bus_world_until(&t->w, &t->store.snapshots, want, 5000));
    fake_store_put(&t->store, "c", "4");
    bus_world_turn(&t->w, 100);
    cr_expect_str_eq(buf_text(&t->told), "");
    cr_expect(replica_is_alive(t->replica));
    fake_store_answer_snapshot(&t->store); /* at revision 4 */
    fake_store_put(&t->store, "d", "5");
    cr_assert(settled(t, 5));
    cr_expect_str_eq(buf_text(&t->told), "+a=2@2(1) +b=3@3 +c=4@4 +d=5@5 ");
    struct replica_stats stats;
    replica_stats(t->replica, &stats);
    cr_expect_eq(stats.gaps, 1);
    end(t);
    free(t);
}

Test(replica, a_restart_without_news_tells_nothing)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "a", "1");
    follow(t, "");
    cr_assert(settled(t, 1));
    buf_clear(&t->told);
    fake_store_down(&t->store);
    bus_world_turn(&t->w, 200);
    fake_store_up(&t->store);
    bus_world_turn(&t->w, 1000);
    cr_expect_str_eq(buf_text(&t->told), "");
    fake_store_put(&t->store, "b", "2");
    cr_assert(settled(t, 2));
    cr_expect_str_eq(buf_text(&t->told), "+b=2@2 ");
    cr_expect_eq(t->deaths, 0);
    end(t);
    free(t);
}

Test(replica, changes_while_away_are_told_as_differences)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "a", "1");
    fake_store_put(&t->store, "b", "2");
    fake_store_put(&t->store, "c", "3");
    follow(t, "");
    cr_assert(settled(t, 3));
    buf_clear(&t->told);
    fake_store_down(&t->store);
    fake_store_put(&t->store, "b", NULL);
    fake_store_put(&t->store, "d", "5");
    fake_store_put(&t->store, "a", "6");
    bus_world_turn(&t->w, 100);
    fake_store_up(&t->store);
    cr_assert(settled(t, 6));
    cr_expect_str_eq(buf_text(&t->told), "+d=5@5 +a=6@6(1) -b(2) ");
    cr_expect_str_eq(all(t, ""), "a=6 c=3 d=5 ");
    end(t);
    free(t);
}

/* The same differences, found without the values. */
Test(replica, changes_are_told_when_values_are_forgotten)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "a", "1");
    fake_store_put(&t->store, "b", "2");
    fake_store_put(&t->store, "c", "3");
    follow(t, "");
    replica_forget_values(t->replica);
    cr_assert(settled(t, 3));
    cr_expect_str_eq(buf_text(&t->told), "+a=1@1 +b=2@2 +c=3@3 ");
    buf_clear(&t->told);
    fake_store_put(&t->store, "a", "4");
    cr_assert(settled(t, 4));
    fake_store_down(&t->store);
    fake_store_put(&t->store, "b", NULL);
    fake_store_put(&t->store, "d", "5");
    bus_world_turn(&t->w, 100);
    fake_store_up(&t->store);
    cr_assert(settled(t, 6));
    cr_expect_str_eq(buf_text(&t->told), "+a=4@4 +d=5@6 -b ");
    end(t);
    free(t);
}

/* Packed ones are read as they were, and compared when a snapshot comes. */
Test(replica, values_are_kept_packed)
{
    struct test *t = xcalloc(1, sizeof *t);
    char long_1[400], long_2[400];
    begin(t);
    memset(long_1, 'x', sizeof long_1);
    long_1[sizeof long_1 - 1] = '\0';
    memcpy(long_2, long_1, sizeof long_2);
    long_2[200] = 'y';
    fake_store_put(&t->store, "a/1", long_1);
    fake_store_put(&t->store, "a/2", long_2);
    fake_store_put(&t->store, "b", "");
    follow(t, "");
    replica_pack_values(t->replica);
    cr_assert(settled(t, 3));
    cr_expect_eq(t->told.len, strlen("+a/1=@1 +a/2=@2 +b=@3 ") + 2 * 399);
    AUTO_FREE char *expected = xasprintf("a/1=%s a/2=%s b= ", long_1, long_2);
    cr_expect_str_eq(all(t, ""), expected);
    struct replica_item item;
    cr_assert(replica_get(t->replica, "a/2", &item));
    cr_expect(item.len == 399 && memcmp(item.value, long_2, 399) == 0);
    buf_clear(&t->told);
    fake_store_down(&t->store);
    fake_store_put(&t->store, "a/2", long_1);
    fake_store_wipe(&t->store, "lineage-2");
    fake_store_put(&t->store, "a/1", long_1);
    fake_store_put(&t->store, "a/2", long_1);
    fake_store_up(&t->store);
    cr_assert(settled(t, 2));
    /* a/1 is the same, a/2 differs, b is gone. */
    AUTO_FREE char *told = xasprintf("+a/2=%s@2 -b ", long_1);
    cr_expect_str_eq(buf_text(&t->told), told);
    end(t);
    free(t);
}

Test(replica, another_lineage_is_read_anew)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "a", "1");
    fake_store_put(&t->store, "b", "2");
    follow(t, "");
    cr_assert(settled(t, 2));
    buf_clear(&t->told);
    fake_store_down(&t->store);
    fake_store_wipe(&t->store, "lineage-2");
    fake_store_put(&t->store, "a", "1"); /* revision and value as before */
    fake_store_up(&t->store);
    cr_assert(settled(t, 1));
    cr_expect_str_eq(buf_text(&t->told), "-b(2) ");
    cr_expect_str_eq(replica_lineage(t->replica), "lineage-2");
    end(t);
    free(t);
}

Test(replica, a_store_that_went_back_is_read_anew)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "a", "1");
    fake_store_put(&t->store, "b", "2");
    follow(t, "");
    cr_assert(settled(t, 2));
    fake_store_down(&t->store);
    fake_store_wipe(&t->store, "lineage-1");
    fake_store_put(&t->store, "a", "9");
    fake_store_up(&t->store);
    cr_assert(settled(t, 1));
    cr_expect_str_eq(all(t, ""), "a=9 ");
    end(t);
    free(t);
}

Test(replica, silence_is_told_and_ended_by_a_snapshot)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_put(&t->store, "a", "1");
    follow(t, "");
    cr_assert(settled(t, 1));
    subscribed(t);
    t->store.silent = true;
    t->store.lose_events = 1;
    fake_store_put(&t->store, "b", "2");
    cr_assert(bus_world_until(&t->w, &t->deaths, 1, 9000));
    cr_expect_not(replica_is_alive(t->replica));
    cr_expect_str_eq(all(t, ""), "a=1 ", "the last known stays readable");
    t->store.silent = false;
    cr_assert(bus_world_until(&t->w, &t->alives, 2, 5000));
    cr_assert(settled(t, 2));
    cr_expect_str_eq(all(t, ""), "a=1 b=2 ");
    end(t);
    free(t);
}

/* Two take turns under one endpoint; who only waits is there, and is silent. */
Test(replica, comes_over_from_a_store_that_only_waits)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    const char *link = t->w.feed + strlen("ipc://");
    AUTO_FREE char *serves = xasprintf("%s-two", link);
    AUTO_FREE char *waits = xasprintf("%s-one", link);
    AUTO_FREE char *endpoint = xasprintf("ipc://%s", waits);
    cr_assert_eq(rename(link, serves), 0);
    struct bus_pub *silent = bus_pub_new(endpoint, 100, NULL);
    cr_assert_not_null(silent);
    cr_assert_eq(symlink(waits, link), 0);
    fake_store_put(&t->store, "a", "1");
    follow(t, "");
    bus_world_turn(&t->w, 300);
    cr_assert_eq(unlink(link), 0);
    cr_assert_eq(symlink(serves, link), 0);
    bool is_heard = false;
    for (int i = 0; i < 1200 && !is_heard; i++) {
        struct replica_stats stats;
        bus_pub_send(t->store.pub, "junk", 1, NULL);
        bus_world_turn(&t->w, 10);
        replica_stats(t->replica, &stats);
        is_heard = stats.garbage > 0;
    }
    cr_expect(is_heard, "it stays where nothing is published");
    bus_pub_destroy(&silent);
    end(t);
    free(t);
}

Test(replica, waits_for_a_store_that_starts_later)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    fake_store_down(&t->store);
    follow(t, "");
    bus_world_turn(&t->w, 300);
    cr_expect_eq(t->alives, 0);
    fake_store_put(&t->store, "a", "1");
    fake_store_up(&t->store);
    cr_assert(settled(t, 1));
    end(t);
    free(t);
}

Test(replica, garbage_is_counted_and_does_no_harm)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    follow(t, "");
    cr_assert(bus_world_until(&t->w, &t->settles, 1, 5000));
    subscribed(t);
    fake_store_put(&t->store, "a", "1");
    cr_assert(settled(t, 1));
    struct replica_stats stats;
    replica_stats(t->replica, &stats);
    cr_expect_eq(stats.gaps, 0);
    cr_expect_eq(stats.snapshots, 1);
    end(t);
    free(t);
}

Test(replica, a_callback_destroys_it)
{
    for (int live = 0; live < 2; live++) {
        struct test *t = xcalloc(1, sizeof *t);
        begin(t);
        t->destroy_in_changed = !live;
        fake_store_put(&t->store, "a", "1");
        fake_store_put(&t->store, "b", "1");
        follow(t, "");
        if (live) {
            cr_assert(settled(t, 2));
            subscribed(t);
            t->destroy_in_changed = true;
            fake_store_put2(&t->store, "c", "d", "1");
        }
        for (int i = 0; i < 500 && t->replica; i++)
            loop_run_once(t->w.loop, 10);
        cr_expect_null(t->replica);
        cr_expect_eq(t->changes, live ? 3 : 1);
        end(t);
        free(t);
    }
}

Test(replica, random_losses_always_end_equal)
{
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    follow(t, "");
    cr_assert(bus_world_until(&t->w, &t->settles, 1, 5000));
    uint32_t seed = 42;
    for (int i = 0; i < 2000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t dice = seed >> 16;
        char key[32], value[32];
        snprintf(key, sizeof key, "key/%u", dice % 50);
        snprintf(value, sizeof value, "%d", i);
        if (dice % 31 == 0)
            t->store.lose_events = 1 + (int)(dice % 3);
        if (dice % 37 == 0)
            t->store.duplicate_events = 2;
        if (dice % 601 == 0) {
            fake_store_down(&t->store);
            bus_world_turn(&t->w, 20);
            fake_store_up(&t->store);
        }
        if (dice % 5 == 0)
            fake_store_put(&t->store, key, NULL);
        else if (dice % 7 == 0)
            fake_store_put2(&t->store, key, "pair", value);
        else
            fake_store_put(&t->store, key, value);
        if (i % 16 == 0)
            loop_run_once(t->w.loop, 1);
    }
    t->store.lose_events = 0;
    cr_assert(settled(t, t->store.revision), "%d of %d", (int)t->settled_at,
              (int)t->store.revision);
    struct replica_item item;
    size_t count = 0;
    all(t, "");
    for (const char *p = buf_text(&t->seen); *p; p++)
        count += *p == ' ';
    cr_expect_eq(count, omap_count(t->store.items));
    for (struct omap_node *n = omap_seek(t->store.items, ""); n;
         n = omap_next(n))
        cr_expect(replica_get(t->replica, omap_key(n), &item), "%s",
                  omap_key(n));
    end(t);
    free(t);
}

/* The largest value, through commit size and event: no bound bites early. */
Test(replica, sixteen_mebibytes)
{
    enum { SIZE = 16 << 20 };
    struct test *t = xcalloc(1, sizeof *t);
    begin(t);
    char *value = xmalloc(SIZE + 1);
    memset(value, 'x', SIZE);
    value[SIZE] = '\0';
    fake_store_put(&t->store, "big/1", value);
    follow(t, "");
    cr_assert(settled(t, 1));
    subscribed(t);
    fake_store_put(&t->store, "big/2", value);
    cr_assert(settled(t, 2));
    struct replica_item item;
    cr_assert(replica_get(t->replica, "big/1", &item));
    cr_expect_eq(item.len, SIZE);
    cr_assert(replica_get(t->replica, "big/2", &item));
    cr_expect_eq(item.len, SIZE);
    free(value);
    end(t);
    free(t);
}
