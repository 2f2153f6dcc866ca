/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/planner.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"

enum { PLANNER_MAGIC = 0x504c414e };

struct planner *planner_of(void *self)
{
    struct planner *planner = self;
    ASSERT(planner && planner->magic == PLANNER_MAGIC);
    return planner;
}

bool planner_is_ready(const struct planner *planner)
{
    return planner->has_lease && planner->is_settled && !planner->is_ending &&
           replica_is_alive(planner->replica);
}

struct managed *planner_find(const struct planner *planner, const char *svc)
{
    struct managed *managed;
    HASH_FIND_STR(planner->managed, svc, managed);
    return managed;
}

struct managed *planner_get(struct planner *planner, const char *svc)
{
    struct managed *managed = planner_find(planner, svc);
    if (managed)
        return managed;
    managed = xcalloc(1, sizeof *managed);
    managed->svc = xstrdup(svc);
    managed->planner = planner;
    managed->facts = facts_new(svc);
    HASH_ADD_KEYPTR(hh, planner->managed, managed->svc, strlen(managed->svc),
                    managed);
    return managed;
}

static void forget(struct planner *planner, struct managed *managed)
{
    HASH_DEL(planner->managed, managed);
    act_forget(managed);
    facts_destroy(&managed->facts);
    intent_destroy(&managed->intent);
    free(managed->svc);
    free(managed);
}

/* ---- the store speaks ---- */
static void on_changed(void *self, const struct replica_item *item,
                       const uint8_t *old_value, size_t old_len)
{
    struct planner *p = planner_of(self);
    (void)old_value;
    (void)old_len;
    p->is_settled = false;
    AUTO_FREE char *svc = NULL;
    const char *path = facts_split_key(item->key, &svc);
    if (!path)
        return;
    struct managed *managed =
        item->value ? planner_get(p, svc) : planner_find(p, svc);
    if (!managed)
        return;
    struct err err = {0};
    if (facts_apply(managed->facts, path, item->value, item->len,
                    item->revision, &err) < 0)
        log_bad("fact_damaged", "key=%s revision=%llu text=%s",
                log_q(item->key), (unsigned long long)item->revision,
                log_q(err.text));
}

void planner_end(struct planner *planner, const struct err *err)
{
    if (planner->is_ending)
        return;
    planner->is_ending = true;
    log_odd("ending", "text=%s", log_q(err->text));
    fprintf(stderr, "reeve-planner: %s\n", err->text);
    service_exit(planner->service, EXIT_BAD_INPUT);
}

static void report_damage(struct planner *p)
{
    for (struct managed *m = p->managed; m; m = m->hh.next)
        if (m->facts->damaged) {
            service_health(p->service, "facts", false,
                           "service %s: record %s does not parse; nothing is "
                           "decided for this service until it is restored",
                           m->svc, m->facts->damaged->path);
            return;
        }
    service_health(p->service, "facts", true, "all records parse");
}

static void act_on_all(struct planner *p)
{
    struct managed *managed, *next;
    HASH_ITER(hh, p->managed, managed, next)
    act(managed);
}

/* Revisions of one lineage say nothing about another. */
static void note_lineage(struct planner *p)
{
    const char *lineage = str_or_empty(replica_lineage(p->replica));
    if (p->lineage && str_eq(p->lineage, lineage))
        return;
    free(p->lineage);
    p->lineage = xstrdup(lineage);
    for (struct managed *m = p->managed; m; m = m->hh.next)
        m->wait_revision = 0;
}

static void on_settled(void *self, uint64_t revision)
{
    struct planner *p = planner_of(self);
    (void)revision;
    p->is_settled = true;
    note_lineage(p);
    if (!p->was_settled) {
        p->was_settled = true;
        struct err err = {0};
        if (specs_settle(p, &err) < 0) {
            planner_end(p, &err);
            return;
        }
    }
    report_damage(p);
    specs_report(p);
    act_on_all(p);
}

static void report_store(struct planner *p, bool is_alive)
{
    service_health(p->service, "store", is_alive,
                   is_alive ? "the state-store answers"
                            : "nothing is heard from the state-store; running "
                              "tasks are not affected, plans stand still");
}

static void on_alive(void *self, bool is_alive)
{
    struct planner *p = planner_of(self);
    report_store(p, is_alive);
    if (is_alive)
        act_on_all(p);
}

static void on_lease(void *self, bool is_held, uint64_t epoch)
{
    struct planner *p = planner_of(self);
    p->has_lease = is_held;
    log_info("lease", "held=%d epoch=%llu", is_held, (unsigned long long)epoch);
    service_health(p->service, "lease", is_held,
                   is_held ? "the planner's lease is held"
                           : "another planner holds the lease, or the "
                             "state-store is away; nothing is decided here");
    if (is_held)
        act_on_all(p);
}

/* ---- start and stop ---- */
static const struct replica_events store_events = {
    .changed = on_changed,
    .settled = on_settled,
    .alive = on_alive,
};

static int connect_store(struct planner *p, struct err *err)
{
    AUTO_FREE char *request =
        service_endpoint(p->service, "store", "state-store", err);
    AUTO_FREE char *feed = request ? service_endpoint(p->service, "store-feed",
                                                      "state-store.pub", err)
                                   : NULL;
    if (!feed)
        return -1;
    p->store = store_client_new(p->loop, "planner", request);
    p->replica = replica_new(p->loop, "planner", request, feed, "service/",
                             &store_events, p);
    replica_forget_values(p->replica);
    /* Of one folder and one name there is one process: its socket's lock. */
    AUTO_FREE char *holder =
        xasprintf("planner%s@%s", service_str(p->service, "name"),
                  service_run_dir(p->service));
    store_client_hold_lease(p->store, "planner", holder,
                            service_int(p->service, "lease-ms"), on_lease, p);
    return 0;
}

int planner_start(struct service *service, void **self, struct err *err)
{
    struct planner *p = xcalloc(1, sizeof *p);
    p->magic = PLANNER_MAGIC;
    p->service = service;
    p->loop = service_loop(service);
    *self = p;
    report_store(p, false);
    service_health(service, "lease", false, "the lease was asked for");
    if (specs_read(p, err) < 0)
        return EXIT_BAD_INPUT;
    specs_report(p);
    return connect_store(p, err) < 0 ? EXIT_USAGE : EXIT_OK;
}

void planner_tick(void *self)
{
    struct planner *p = planner_of(self);
    struct replica_stats stats;
    replica_stats(p->replica, &stats);
    service_gauge(p->service, "planner.services", HASH_COUNT(p->managed),
                  "services under management");
    service_gauge(p->service, "planner.store_events", (double)stats.events,
                  "events received from the state-store");
    service_gauge(p->service, "planner.store_gaps", (double)stats.gaps,
                  "gaps seen in the state-store's feed");
    size_t demands = 0, kills = 0;
    for (struct managed *m = p->managed; m; m = m->hh.next) {
        demands += HASH_COUNT(m->facts->demands);
        kills += HASH_COUNT(m->facts->kills);
    }
    service_gauge(p->service, "planner.demands", (double)demands,
                  "demands not placed yet");
    service_gauge(p->service, "planner.kill_orders", (double)kills,
                  "tasks ordered to be killed");
}

/* The files again, with the environment that this process was started with. */
void planner_hangup(void *self)
{
    struct planner *p = planner_of(self);
    struct err err = {0};
    if (specs_read(p, &err) < 0 ||
        (p->was_settled && specs_settle(p, &err) < 0))
        log_odd("specs_not_read", "text=%s", log_q(err.text));
    specs_report(p);
    act_on_all(p);
}

void planner_stop(void *self)
{
    struct planner *p = self;
    if (!p)
        return;
    if (p->store)
        store_client_release_lease(p->store);
    struct managed *managed, *next;
    HASH_ITER(hh, p->managed, managed, next)
    forget(p, managed);
    replica_destroy(&p->replica);
    store_client_destroy(&p->store);
    specs_free(p);
    free(p->lineage);
    free(p);
}
