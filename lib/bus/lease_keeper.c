/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bus/lease_keeper.h"

#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/bus/bus.h"
#include "lib/loop/loop.h"
#include "proto/store.pb-c.h"

enum {
    MIN_WAIT_MS = 20,
    RETRY_MS = 200,
    /* Below the bus's first repeat: each ask is a new request, so a late
     * answer to an old one is never taken for the newest epoch. */
    MAX_ASK_MS = 900,
    RELEASE_MS = 300,
    MAX_HOLDER = 255, /* as the store takes it */
};

struct lease_keeper {
    struct loop *loop;
    struct bus_client *bus;
    char *from, *store_req, *name, *holder;
    int64_t ttl_ms;
    void (*changed)(void *self, bool is_held, uint64_t epoch);
    void *self;

    bool is_held, must_take; /* must_take: the next ask is for a new epoch */
    uint64_t epoch;
    int64_t asked_ms; /* when the ask under way was sent */
    uint64_t ask_timer, expiry_timer;
    int busy;
    bool is_dead;
};

static void ask(void *self);

/* -1: the keeper is gone. */
static int tell(struct lease_keeper *k, bool is_held)
{
    if (k->is_held == is_held)
        return 0;
    k->is_held = is_held;
    log_event(is_held ? LOG_INFO : LOG_ODD,
              is_held ? "lease_held" : "lease_lost", "lease=%s epoch=%llu",
              k->name, (unsigned long long)k->epoch);
    k->busy++;
    k->changed(k->self, is_held, k->epoch);
    k->busy--;
    if (!k->is_dead)
        return 0;
    if (!k->busy)
        lease_keeper_destroy(&k);
    return -1;
}

static void ask_later(struct lease_keeper *k, int64_t delay_ms)
{
    loop_timer_cancel(k->loop, k->ask_timer);
    k->ask_timer = loop_timer(k->loop, MAX(delay_ms, MIN_WAIT_MS), 0, ask, k);
}

static void on_expired(void *self)
{
    struct lease_keeper *k = self;
    k->expiry_timer = 0;
    tell(k, false);
}

static void on_granted(struct lease_keeper *k, uint64_t epoch)
{
    int64_t left_ms = k->asked_ms + k->ttl_ms - clock_mono_ms();
    k->must_take = false;
    if (left_ms <= 0) { /* too late to be true */
        k->epoch = epoch;
        ask_later(k, 0);
        return;
    }
    loop_timer_cancel(k->loop, k->expiry_timer);
    k->expiry_timer = loop_timer(k->loop, left_ms, 0, on_expired, k);
    ask_later(k, k->ttl_ms / 3);
    if (k->is_held && k->epoch != epoch && tell(k, false) < 0)
        return;
    k->epoch = epoch;
    tell(k, true);
}

static void on_refused(struct lease_keeper *k, int64_t wait_ms)
{
    k->must_take = true;
    loop_timer_cancel(k->loop, k->expiry_timer);
    k->expiry_timer = 0;
    ask_later(k, wait_ms);
    tell(k, false);
}

static void on_answer(void *self, const struct bus_answer *answer)
{
    struct lease_keeper *k = self;
    Reeve__LeaseReply *m =
        reeve__lease_reply__unpack(NULL, answer->len, answer->body);
    int64_t remaining_ms = m && m->has_remaining_ms ? m->remaining_ms : 0;
    uint64_t epoch = m ? m->epoch : 0;
    if (m)
        reeve__lease_reply__free_unpacked(m, NULL);
    switch ((int)answer->err.code) {
    case ERR_NONE:
        if (epoch)
            on_granted(k, epoch);
        else
            ask_later(k, RETRY_MS);
        break;
    case ERR_CONFLICT: /* another holds it; it may also give it back */
        on_refused(k, MIN(remaining_ms, k->ttl_ms / 3));
        break;
    case ERR_TIMEOUT:
        ask_later(k, 0);
        break;
    case ERR_UNAVAILABLE:
        ask_later(k, RETRY_MS);
        break;
    case ERR_FENCED:
        on_refused(k, 0);
        break;
    default:
        log_odd("lease_refused", "lease=%s why=%s", k->name,
                log_q(answer->err.text));
        on_refused(k, k->ttl_ms / 3);
        break;
    }
}

static void fill_request(struct lease_keeper *k, Reeve__LeaseRequest *m)
{
    reeve__lease_request__init(m);
    m->name = k->name;
    m->holder = k->holder;
    m->has_epoch = 1;
    m->epoch = k->must_take ? 0 : k->epoch;
    m->has_ttl_ms = 1;
    m->ttl_ms = (uint32_t)k->ttl_ms;
}

static void ask(void *self)
{
    struct lease_keeper *k = self;
    Reeve__LeaseRequest m;
    k->ask_timer = 0;
    fill_request(k, &m);
    k->asked_ms = clock_mono_ms();
    bus_client_call(k->bus, "store.lease", NULL, &m.base,
                    MIN(MAX(k->ttl_ms / 3, MIN_WAIT_MS), MAX_ASK_MS), on_answer,
                    k);
}

bool lease_keeper_is_held(const struct lease_keeper *k)
{
    return k->is_held;
}

const char *lease_keeper_name(const struct lease_keeper *k)
{
    return k->name;
}

uint64_t lease_keeper_epoch(const struct lease_keeper *k)
{
    return k->epoch;
}

void lease_keeper_fenced(struct lease_keeper *k, uint64_t epoch)
{
    if (k->is_held && epoch == k->epoch)
        on_refused(k, 0);
}

void lease_keeper_release(struct lease_keeper *k)
{
    bool was_held = k->is_held;
    loop_timer_cancel(k->loop, k->ask_timer);
    loop_timer_cancel(k->loop, k->expiry_timer);
    k->ask_timer = k->expiry_timer = 0;
    bus_client_destroy(&k->bus); /* an ask under way is of no use now */
    k->is_held = false;
    if (!was_held)
        return;
    Reeve__LeaseRequest m;
    uint8_t *body = NULL;
    size_t len;
    fill_request(k, &m);
    m.has_release = 1;
    m.release = 1;
    bus_call_once(k->store_req, k->from, "store.lease", &m.base, RELEASE_MS,
                  &body, &len, NULL);
    free(body);
}

/* A holder is often called after a folder, whose name may hold anything; the
 * store takes printable ASCII without blanks.  The rest becomes %XX; of too
 * long a name the end counts. */
static char *printable(const char *text)
{
    AUTO_BUF struct buf out = {0};

    for (const char *c = text; *c; c++)
        if (*c > 0x20 && *c < 0x7f && *c != '%')
            buf_add(&out, c, 1);
        else
            buf_addf(&out, "%%%02X", (unsigned)(unsigned char)*c);
    return xstrdup(buf_text(&out) +
                   (out.len > MAX_HOLDER ? out.len - MAX_HOLDER : 0));
}

struct lease_keeper *lease_keeper_new(struct loop *loop,
                                      const struct lease_spec *spec)
{
    ASSERT(spec->ttl_ms > 0 && spec->ttl_ms <= UINT32_MAX);
    struct lease_keeper *k = xcalloc(1, sizeof *k);
    k->loop = loop;
    k->bus = bus_client_new(loop, spec->from, spec->store_req);
    k->from = xstrdup(spec->from);
    k->store_req = xstrdup(spec->store_req);
    k->name = xstrdup(spec->name);
    k->holder = printable(spec->holder);
    k->ttl_ms = spec->ttl_ms;
    k->changed = spec->changed;
    k->self = spec->self;
    k->must_take = true;
    k->ask_timer = loop_timer(loop, 0, 0, ask, k);
    return k;
}

void lease_keeper_destroy(struct lease_keeper **keeper)
{
    struct lease_keeper *k = *keeper;
    *keeper = NULL;
    if (!k)
        return;
    k->is_dead = true;
    if (k->busy)
        return; /* tell() comes back here */
    loop_timer_cancel(k->loop, k->ask_timer);
    loop_timer_cancel(k->loop, k->expiry_timer);
    bus_client_destroy(&k->bus);
    free(k->from);
    free(k->store_req);
    free(k->name);
    free(k->holder);
    free(k);
}
