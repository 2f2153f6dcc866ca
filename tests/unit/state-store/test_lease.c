/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "services/state-store/lease.h"

struct step {
    const char *name;
    int64_t now_ms;
    const char *holder;
    uint64_t epoch;
    bool is_release;
    enum err_code code;
    uint64_t epoch_after; /* told */
    bool is_new;
};

/* One story; each step sees what the steps before it did. */
static const struct step steps[] = {
    {"first taker", 0, "a", 0, false, ERR_NONE, 1, true},
    {"other waits", 10, "b", 0, false, ERR_CONFLICT, 1, false},
    {"renewal", 900, "a", 1, false, ERR_NONE, 1, false},
    {"other still waits", 1800, "b", 0, false, ERR_CONFLICT, 1, false},
    {"same holder takes again", 1810, "a", 0, false, ERR_NONE, 2, true},
    {"its former self is fenced", 1820, "a", 1, false, ERR_FENCED, 0, false},
    {"renewal after the end, nobody took", 9000, "a", 2, false, ERR_NONE, 2,
     false},
    {"other takes after the end", 20000, "b", 0, false, ERR_NONE, 3, true},
    {"the late one is fenced", 20010, "a", 2, false, ERR_FENCED, 0, false},
    {"other's epoch in the wrong hands", 20020, "a", 3, false, ERR_FENCED, 0,
     false},
    {"given back", 20030, "b", 3, true, ERR_NONE, 3, true},
    {"free at once", 20040, "a", 0, false, ERR_NONE, 4, true},
    {"release of an old epoch", 20050, "b", 3, true, ERR_FENCED, 0, false},
};

static void apply(struct lease_book *book, const struct lease_ask *ask,
                  const struct lease_answer *answer, int64_t now_ms)
{
    struct lease lease = {.epoch = answer->epoch,
                          .ttl_ms = answer->remaining_ms};
    strcpy(lease.name, ask->name);
    strcpy(lease.holder, answer->holder);
    strcpy(lease.request_id, str_or_empty(ask->request_id));
    lease_book_apply(book, &lease, now_ms);
}

Test(lease, story)
{
    struct lease_book *book = lease_book_new();
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        const struct step *s = &steps[i];
        struct lease_ask ask = {.name = "broker",
                                .holder = s->holder,
                                .epoch = s->epoch,
                                .ttl_ms = 1000,
                                .is_release = s->is_release};
        struct lease_answer answer;
        struct err err = {0};
        int result = lease_book_ask(book, &ask, s->now_ms, &answer, &err);
        cr_assert_eq(result, s->code ? -1 : 0, "case: %s", s->name);
        cr_assert_eq(err.code, s->code, "case: %s: %s", s->name, err.text);
        cr_assert_eq(answer.epoch, s->epoch_after, "case: %s", s->name);
        cr_assert_eq(answer.is_new, s->is_new, "case: %s", s->name);
        if (answer.is_new)
            apply(book, &ask, &answer, s->now_ms);
    }
    lease_book_destroy(&book);
}

Test(lease, conflict_tells_who_and_how_long)
{
    struct lease_book *book = lease_book_new();
    struct lease_ask ask = {.name = "n", .holder = "a", .ttl_ms = 1000};
    struct lease_answer answer;
    cr_assert_eq(lease_book_ask(book, &ask, 0, &answer, NULL), 0);
    apply(book, &ask, &answer, 0);
    ask.holder = "b";
    cr_assert_eq(lease_book_ask(book, &ask, 300, &answer, NULL), -1);
    cr_assert_str_eq(answer.holder, "a");
    cr_assert_eq(answer.remaining_ms, 700);
    lease_book_destroy(&book);
}

Test(lease, repeated_request_gets_the_same_epoch)
{
    struct lease_book *book = lease_book_new();
    struct lease_ask ask = {
        .name = "n", .holder = "a", .ttl_ms = 1000, .request_id = "r1"};
    struct lease_answer answer;
    cr_assert_eq(lease_book_ask(book, &ask, 0, &answer, NULL), 0);
    apply(book, &ask, &answer, 0);
    cr_assert_eq(lease_book_ask(book, &ask, 5, &answer, NULL), 0);
    cr_assert_eq(answer.epoch, 1);
    cr_assert_not(answer.is_new);
    ask.request_id = "r2";
    cr_assert_eq(lease_book_ask(book, &ask, 5, &answer, NULL), 0);
    cr_assert_eq(answer.epoch, 2);
    lease_book_destroy(&book);
}

Test(lease, full_time_after_a_restart)
{
    struct lease_book *book = lease_book_new();
    struct lease lease = {
        .name = "n", .holder = "a", .epoch = 7, .ttl_ms = 1000};
    lease_book_apply(book, &lease, 0);
    lease_book_restart(book, 50000);
    struct lease_ask ask = {.name = "n", .holder = "b", .ttl_ms = 1000};
    struct lease_answer answer;
    cr_assert_eq(lease_book_ask(book, &ask, 50999, &answer, NULL), -1);
    cr_assert_eq(lease_book_ask(book, &ask, 51000, &answer, NULL), 0);
    cr_assert_eq(answer.epoch, 8);
    lease_book_destroy(&book);
}

static const struct {
    const char *name;
    struct lease_ask ask;
} bad_asks[] = {
    {"no name", {.name = NULL, .holder = "h", .ttl_ms = 1}},
    {"empty name", {.name = "", .holder = "h", .ttl_ms = 1}},
    {"blank in name", {.name = "a b", .holder = "h", .ttl_ms = 1}},
    {"no holder", {.name = "n", .holder = NULL, .ttl_ms = 1}},
    {"no ttl", {.name = "n", .holder = "h", .ttl_ms = 0}},
    {"ttl too long",
     {.name = "n", .holder = "h", .ttl_ms = LEASE_TTL_MAX_MS + 1}},
    {"release without epoch", {.name = "n", .holder = "h", .is_release = true}},
};

Test(lease, bad_asks)
{
    struct lease_book *book = lease_book_new();
    for (size_t i = 0; i < ARRAY_LEN(bad_asks); i++) {
        struct lease_answer answer;
        struct err err;
        cr_expect_eq(lease_book_ask(book, &bad_asks[i].ask, 0, &answer, &err),
                     -1, "case: %s", bad_asks[i].name);
        cr_expect_eq(err.code, ERR_INVALID, "case: %s", bad_asks[i].name);
    }
    lease_book_destroy(&book);
}
