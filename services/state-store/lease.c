/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/lease.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

struct lease_book {
    struct lease *leases; /* few: searched one by one */
    size_t n, cap;
};

struct lease_book *lease_book_new(void)
{
    return xcalloc(1, sizeof(struct lease_book));
}

void lease_book_destroy(struct lease_book **book)
{
    if (!*book)
        return;
    free((*book)->leases);
    free(*book);
    *book = NULL;
}

static struct lease *find(const struct lease_book *book, const char *name)
{
    for (size_t i = 0; i < book->n; i++)
        if (strcmp(book->leases[i].name, name) == 0)
            return &book->leases[i];
    return NULL;
}

uint64_t lease_book_epoch(const struct lease_book *book, const char *name)
{
    const struct lease *lease = find(book, name);
    return lease ? lease->epoch : 0;
}

static int check_text(const char *what, const char *text, size_t max,
                      struct err *err)
{
    size_t len = text ? strlen(text) : 0;
    if (len < 1 || len > max)
        return err_set(err, ERR_INVALID, "lease %s: 1 to %zu bytes, got %zu",
                       what, max, len);
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return err_set(err, ERR_INVALID,
                           "lease %s: printable ASCII without blanks", what);
    return 0;
}

static int check_ask(const struct lease_ask *ask, struct err *err)
{
    if (check_text("name", ask->name, LEASE_NAME_MAX, err) < 0 ||
        check_text("holder", ask->holder, LEASE_HOLDER_MAX, err) < 0)
        return -1;
    if (ask->is_release && ask->epoch == 0)
        return err_set(err, ERR_INVALID, "lease %s: release needs its epoch",
                       ask->name);
    if (!ask->is_release && (ask->ttl_ms < 1 || ask->ttl_ms > LEASE_TTL_MAX_MS))
        return err_set(err, ERR_INVALID,
                       "lease %s: ttl_ms %" PRIu32 " is not within 1..%d",
                       ask->name, ask->ttl_ms, LEASE_TTL_MAX_MS);
    return 0;
}

static uint32_t remaining(const struct lease *lease, int64_t now_ms)
{
    return lease->expires_ms > now_ms ? (uint32_t)(lease->expires_ms - now_ms)
                                      : 0;
}

static void answer_new(const struct lease_ask *ask, uint64_t epoch,
                       struct lease_answer *answer)
{
    answer->is_new = true;
    answer->epoch = epoch;
    answer->holder = ask->is_release ? "" : ask->holder;
    answer->remaining_ms = ask->is_release ? 0 : ask->ttl_ms;
}

static void renew(struct lease *lease, const struct lease_ask *ask,
                  int64_t now_ms, struct lease_answer *answer)
{
    lease->ttl_ms = ask->ttl_ms;
    lease->expires_ms = now_ms + ask->ttl_ms;
    *answer =
        (struct lease_answer){false, lease->epoch, lease->holder, ask->ttl_ms};
}

static int take(struct lease_book *book, const struct lease_ask *ask,
                int64_t now_ms, struct lease_answer *answer, struct err *err)
{
    struct lease *lease = find(book, ask->name);
    if (!lease) {
        if (book->n == LEASES_MAX)
            return err_set(err, ERR_FULL, "more than %d leases", LEASES_MAX);
        answer_new(ask, 1, answer);
        return 0;
    }
    bool is_holder = strcmp(lease->holder, ask->holder) == 0;
    /* The answer to this very request got lost: it is repeated. */
    if (is_holder && lease->request_id[0] &&
        str_eq(lease->request_id, ask->request_id)) {
        renew(lease, ask, now_ms, answer);
        return 0;
    }
    if (!is_holder && lease->holder[0] && remaining(lease, now_ms) > 0) {
        answer->epoch = lease->epoch;
        answer->holder = lease->holder;
        answer->remaining_ms = remaining(lease, now_ms);
        return err_set(err, ERR_CONFLICT,
                       "lease %s: held by %s for another %" PRIu32 " ms",
                       lease->name, lease->holder, answer->remaining_ms);
    }
    answer_new(ask, lease->epoch + 1, answer);
    return 0;
}

static int keep(struct lease_book *book, const struct lease_ask *ask,
                int64_t now_ms, struct lease_answer *answer, struct err *err)
{
    struct lease *lease = find(book, ask->name);
    if (!lease || lease->epoch != ask->epoch ||
        strcmp(lease->holder, ask->holder) != 0)
        return err_set(
            err, ERR_FENCED,
            "lease %s: epoch %" PRIu64 " of %s is over, now %" PRIu64 " of %s",
            ask->name, ask->epoch, ask->holder, lease ? lease->epoch : 0,
            lease && lease->holder[0] ? lease->holder : "nobody");
    if (ask->is_release)
        answer_new(ask, lease->epoch, answer);
    else
        renew(lease, ask, now_ms, answer);
    return 0;
}

int lease_book_ask(struct lease_book *book, const struct lease_ask *ask,
                   int64_t now_ms, struct lease_answer *answer, struct err *err)
{
    memset(answer, 0, sizeof *answer);
    if (check_ask(ask, err) < 0)
        return -1;
    if (ask->epoch)
        return keep(book, ask, now_ms, answer, err);
    return take(book, ask, now_ms, answer, err);
}

void lease_book_apply(struct lease_book *book, const struct lease *change,
                      int64_t now_ms)
{
    struct lease *lease = find(book, change->name);
    if (!lease) {
        if (book->n == book->cap) {
            book->cap = book->cap ? book->cap * 2 : 8;
            book->leases =
                xrealloc(book->leases, book->cap * sizeof *book->leases);
        }
        lease = &book->leases[book->n++];
    }
    *lease = *change;
    lease->expires_ms = now_ms + change->ttl_ms;
}

void lease_book_restart(struct lease_book *book, int64_t now_ms)
{
    for (size_t i = 0; i < book->n; i++)
        book->leases[i].expires_ms = now_ms + book->leases[i].ttl_ms;
}

size_t lease_book_count(const struct lease_book *book)
{
    return book->n;
}

const struct lease *lease_book_at(const struct lease_book *book, size_t i)
{
    ASSERT(i < book->n);
    return &book->leases[i];
}
