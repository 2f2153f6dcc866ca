/* SPDX-License-Identifier: Apache-2.0 */
/* broker - see broker.h
 *
 * Level-triggered: changes of the store only update the facts and wake the
 * decision, which looks at everything again.
 */
#include "services/offer-broker/broker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/log.h"
#include "lib/mesos/labels.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/auth.h"
#include "services/offer-broker/hooks.h"
#include "services/offer-broker/master_list.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/survey.h"
#include "services/offer-broker/zk_leader.h"

#define FROM "offer-broker"

static void next_id(struct id_source *self UNUSED, char out[UUID_TEXT_SIZE])
{
    uuid_new(out);
}

/* ---- facts -------------------------------------------------------- */
static struct session *session_for(struct broker *b, const char *key)
{
    AUTO_FREE char *service = facts_service_of_key(key);
    struct session *session = NULL;

    if (!service)
        return NULL;
    HASH_FIND_STR(b->sessions, service, session);
    if (session)
        return session;
    session = session_new(b, service);
    HASH_ADD_KEYPTR(hh, b->sessions, session->key, strlen(session->key),
                    session);
    return session;
}

static void on_changed(void *self, const struct replica_item *item,
                       const uint8_t *old_value UNUSED, size_t old_len UNUSED)
{
    struct broker *b = self;
    struct session *session = session_for(b, item->key);
    struct err err = {0};

    if (!session)
        return;
    if (facts_apply(session->facts, item->key, item->value, item->len,
                    item->revision, &err) < 0)
        log_bad("record_damaged", "key=%s why=%s", item->key, log_q(err.text));
}

static void on_settled(void *self, uint64_t revision UNUSED)
{
    broker_wake(self);
}

static void on_alive(void *self, bool is_alive)
{
    struct broker *b = self;

    b->was_alive |= is_alive;
    service_health(b->service, "store", is_alive, "%s",
                   is_alive ? "the store is heard"
                            : "nothing was heard from the state-store for 5 s");
    broker_wake(b);
}

static void on_lease(void *self, bool is_held, uint64_t epoch)
{
    struct broker *b = self;

    if (b->has_lease != is_held)
        log_info("lease", "held=%d epoch=%llu", is_held,
                 (unsigned long long)epoch);
    b->has_lease = is_held;
    service_health(b->service, "lease", is_held, "%s",
                   is_held ? "this process holds the broker's lease"
                           : "another process holds the broker's lease, or the "
                             "store is away: no session with the master");
    broker_wake(b);
}

/* ---- deciding ----------------------------------------------------- */
static void decide(void *self)
{
    struct broker *b = self;
    struct session *session, *next;

    b->decide_id = 0;
    HASH_ITER(hh, b->sessions, session, next)
    {
        session_decide(session);
    }
    hooks_flush(b->hooks);
}

void broker_wake(struct broker *b)
{
    if (!b->decide_id)
        b->decide_id = loop_soon(b->loop, decide, b);
}

void broker_fenced(struct broker *b)
{
    if (!b->has_lease)
        return;
    log_odd("fenced", "why=%s", "\"another process took the lease\"");
    on_lease(b, false, 0);
}

/* ---- health and metrics ------------------------------------------- */
static void add_counts(struct session_counts *sum,
                       const struct session_counts *one)
{
    sum->offers += one->offers;
    sum->accepts += one->accepts;
    sum->declines += one->declines;
    sum->rescinds += one->rescinds;
    sum->launches += one->launches;
    sum->updates += one->updates;
    sum->acks += one->acks;
    sum->kills += one->kills;
    sum->revives += one->revives;
    sum->suppresses += one->suppresses;
    sum->reconciles += one->reconciles;
    sum->odd += one->odd;
    sum->subscriptions += one->subscriptions;
}

static void report_metrics(struct broker *b)
{
    struct session_counts sum = {0};
    struct session *session, *next;
    size_t held = 0, waiting = 0, demands = 0, quarantined = 0;

    HASH_ITER(hh, b->sessions, session, next)
    {
        add_counts(&sum, &session->counts);
        held += offer_book_count(session->offers);
        waiting += statuses_waiting(session->statuses);
        demands += facts_demand_count(session->facts);
        quarantined += janitor_quarantined(session->janitor);
    }
    const struct {
        const char *name;
        uint64_t value;
        const char *help;
    } gauges[] = {
        {"broker.offers", sum.offers, "offers received"},
        {"broker.accepts", sum.accepts, "ACCEPT calls sent"},
        {"broker.declines", sum.declines, "offers declined"},
        {"broker.rescinds", sum.rescinds, "offers rescinded"},
        {"broker.launches", sum.launches, "pods launched"},
        {"broker.updates", sum.updates, "task updates received"},
        {"broker.acks", sum.acks, "updates acknowledged"},
        {"broker.kills", sum.kills, "KILL calls sent"},
        {"broker.revives", sum.revives, "REVIVE calls sent"},
        {"broker.suppresses", sum.suppresses, "SUPPRESS calls sent"},
        {"broker.reconciles", sum.reconciles, "RECONCILE calls sent"},
        {"broker.odd", sum.odd, "answers and events that made no sense"},
        {"broker.subscriptions", sum.subscriptions, "accepted subscriptions"},
        {"broker.offers_held", held, "offers held now"},
        {"broker.updates_waiting", waiting, "updates not yet stored"},
        {"broker.demands", demands, "demands waiting"},
        {"broker.quarantined", quarantined,
         "reservations that no record names"},
    };
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++)
        service_gauge(b->service, gauges[i].name, (double)gauges[i].value,
                      gauges[i].help);
}

/* One sentence for all services: the first that is not up, else how many. */
static void report_master(struct broker *b)
{
    struct session *session, *next;
    const struct session *bad = NULL, *good = NULL;
    size_t up = 0;

    HASH_ITER(hh, b->sessions, session, next)
    {
        if (session->state == SESSION_UP) {
            good = session;
            up++;
        } else if (session_spec(session) && !bad) {
            bad = session;
        }
    }
    if (bad)
        service_health(b->service, "master", false, "service %s: %s%s%s",
                       bad->key, session_state_name(bad->state),
                       *bad->problem ? ": " : "", bad->problem);
    else if (good)
        service_health(b->service, "master", true,
                       "%zu service(s) subscribed at %s", up,
                       str_or_empty(good->master_text));
    else
        service_health(b->service, "master", true, "no service yet");
}

static void report_unknown(struct broker *b)
{
    struct session *session, *next;
    AUTO_BUF struct buf names = {0};
    size_t unknown = 0, quarantined = 0, strange = 0;

    HASH_ITER(hh, b->sessions, session, next)
    {
        unknown += statuses_unknown(session->statuses, &names);
        quarantined += janitor_quarantined(session->janitor);
        strange += session_strange(session);
    }
    if (unknown)
        service_health(b->service, "unknown-tasks", false,
                       "%zu task(s) run that no record names: %.300s", unknown,
                       buf_text(&names));
    else
        service_health(b->service, "unknown-tasks", true,
                       "all tasks are known");
    if (strange)
        service_health(b->service, "reservations", false,
                       "%zu reservation(s) or task(s) look like ours and no "
                       "record names any: no new pod is launched until "
                       "`reeve state ignore-foreign`",
                       strange);
    else if (quarantined)
        service_health(b->service, "reservations", false,
                       "%zu reservation(s) carry our labels but no record "
                       "names them: left alone",
                       quarantined);
    else
        service_health(b->service, "reservations", true,
                       "all reservations are known");
}

static void report_registration(struct broker *b)
{
    struct session *session, *next;
    const char *unanswered = NULL;

    HASH_ITER(hh, b->sessions, session, next)
    {
        if (!unanswered)
            unanswered = survey_unanswered(session->survey);
    }
    service_health(b->service, "registration", !unanswered, "%s",
                   unanswered ? unanswered
                              : "no service was registered unchecked");
}

void broker_tick(void *self)
{
    struct broker *b = self;

    broker_wake(b);
    report_metrics(b);
    report_master(b);
    report_unknown(b);
    report_registration(b);
    hooks_report(b->hooks);
}

/* ---- which master ------------------------------------------------- */
static void on_leader(void *self, const char *address)
{
    struct broker *b = self;
    struct session *session, *next;

    b->has_leader = address != NULL;
    if (address) {
        free(b->leader);
        b->leader = xasprintf(
            "%s://%s", service_str(b->service, "master-scheme"), address);
        HASH_ITER(hh, b->sessions, session, next)
        {
            session_follow(session, b->leader);
        }
    }
    broker_wake(b);
}

static int read_masters(struct broker *b, struct err *err)
{
    const char *scheme = service_str(b->service, "master-scheme");
    struct zk_leader_config config = {.url = b->masters,
                                      .by_name = str_eq(scheme, "https")};
    struct master_list *masters;

    if (!str_eq(scheme, "http") && !str_eq(scheme, "https"))
        return err_set(err, ERR_INVALID, "%s: \"%s\" is not http or https",
                       service_source(b->service, "master-scheme"), scheme);
    if (str_starts(b->masters, "zk://")) {
        b->zk = zk_leader_new(b->loop, &config, on_leader, b, err);
        return b->zk
                   ? 0
                   : err_wrap(err, "%s", service_source(b->service, "master"));
    }
    masters = master_list_parse(b->masters, err);
    if (!masters)
        return err_wrap(err, "%s", service_source(b->service, "master"));
    master_list_destroy(&masters);
    return 0;
}

/* ---- start and stop ----------------------------------------------- */
static int read_labels(struct broker *b, struct err *err)
{
    const char *const *list;
    size_t n = service_list(b->service, "framework-label", &list);

    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(list[i], '=');
        AUTO_FREE char *name =
            equals ? xstrndup(list[i], (size_t)(equals - list[i])) : NULL;

        if (!name || !*name)
            return err_set(err, ERR_INVALID,
                           "--framework-label: '%s' is not NAME=VALUE",
                           list[i]);
        labels_add(&b->labels, name, equals + 1);
    }
    return 0;
}

static void read_hostname(struct broker *b)
{
    const char *given = service_str(b->service, "framework-hostname");

    if (*given)
        snprintf(b->hostname, sizeof(b->hostname), "%s", given);
    else if (gethostname(b->hostname, sizeof(b->hostname) - 1) < 0)
        b->hostname[0] = '\0';
}

static int read_options(struct broker *b, struct service *service,
                        struct err *err)
{
    b->masters = service_str(service, "master");
    if (read_masters(b, err) < 0)
        return -1;
    b->failover_timeout_s = (double)service_int(service, "failover-timeout-s");
    b->webui_url = service_str(service, "webui-url");
    read_hostname(b);
    if (read_labels(b, err) < 0)
        return -1;
    b->refuse_s = service_double(service, "refuse-seconds");
    if (b->refuse_s < 0 || b->refuse_s > 31536000)
        return err_set(err, ERR_INVALID, "%s: must be within 0 and 31536000",
                       service_source(service, "refuse-seconds"));
    b->overhead.cpu_milli =
        llround(service_double(service, "executor-cpus") * 1000);
    if (b->overhead.cpu_milli < 10)
        return err_set(err, ERR_INVALID, "%s: the master wants 0.01 at least",
                       service_source(service, "executor-cpus"));
    b->overhead.mem_mib = service_int(service, "executor-mem");
    b->overhead.disk_mib = service_int(service, "executor-disk");
    b->build.api_host = service_str(service, "api-host");
    b->build.api_port = service_int(service, "api-port");
    b->build.service_tld = service_str(service, "service-tld");
    b->build.vip_tld = service_str(service, "vip-tld");
    b->build.space = service_str(service, "space");
    return 0;
}

static int open_store(struct broker *b, struct err *err)
{
    static const struct replica_events events = {on_changed, on_settled,
                                                 on_alive};
    const char *run_dir = service_run_dir(b->service);
    char request[256], feed[256];
    /* Of one folder and one name there is one process: its socket's lock. */
    AUTO_FREE char *holder =
        xasprintf(FROM "%s@%s", service_str(b->service, "name"), run_dir);

    if (bus_endpoint(run_dir, "state-store", request, sizeof(request), err) <
            0 ||
        bus_endpoint(run_dir, "state-store.pub", feed, sizeof(feed), err) < 0)
        return -1;
    b->store = store_client_new(b->loop, FROM, request);
    b->replica =
        replica_new(b->loop, FROM, request, feed, "service/", &events, b);
    replica_forget_values(b->replica);
    store_client_hold_lease(b->store, "broker", holder,
                            service_int(b->service, "lease-ms"), on_lease, b);
    return 0;
}

int broker_start(struct service *service, void **self, struct err *err)
{
    struct broker *b = xcalloc(1, sizeof(*b));

    *self = b;
    b->service = service;
    b->loop = service_loop(service);
    b->ids.next = next_id;
    b->http = http_client_new(b->loop);
    b->auth = auth_new(b, err);
    b->hooks = b->auth ? hooks_new(b, err) : NULL;
    if (!b->hooks || read_options(b, service, err) < 0 ||
        open_store(b, err) < 0) {
        broker_stop(b);
        *self = NULL;
        return EXIT_USAGE;
    }
    auth_start(b->auth);
    service_health(service, "store", false, "not yet heard");
    service_health(service, "lease", false, "not yet held");
    return EXIT_OK;
}

void broker_stop(void *self)
{
    struct broker *b = self;
    struct session *session, *next;

    if (b->decide_id)
        loop_timer_cancel(b->loop, b->decide_id);
    if (b->store && b->has_lease)
        store_client_release_lease(b->store);
    HASH_ITER(hh, b->sessions, session, next)
    {
        HASH_DEL(b->sessions, session);
        session_destroy(&session);
    }
    replica_destroy(&b->replica);
    store_client_destroy(&b->store);
    zk_leader_destroy(&b->zk);
    PB_FREE(b->labels);
    auth_destroy(&b->auth);
    hooks_destroy(&b->hooks);
    http_client_destroy(&b->http);
    free(b->leader);
    free(b);
}
