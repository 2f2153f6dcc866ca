/* SPDX-License-Identifier: Apache-2.0 */
/* operator - what only an operator may decide: to give a framework id up, and
 * to launch beside reservations that no record names
 *
 * Both need the exact framework id as a confirmation, leave a line in the log,
 * and are answered when they are durable.  An id is given up only when no
 * process of its tasks can go on: the master removed the framework (and ends
 * its tasks), or (forced) no stored task may be alive.  Otherwise tasks of the
 * old framework would run beside those of the new one.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/log.h"
#include "lib/wire/pb.h"
#include "proto/broker.pb-c.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/status.h"

/* An order on its way to the store. */
struct order {
    struct session *session;
    struct bus_call *call;
    char *key, *from;
    char *framework_id;
    bool is_delete;
    struct buf value;
};

/* ---- checks ------------------------------------------------------- */
struct session *operator_session(struct broker *b, const char *service,
                                 struct err *err)
{
    struct session *session = NULL;

    if (service)
        HASH_FIND_STR(b->sessions, service, session);
    if (!session)
        err_set(err, ERR_NOT_FOUND, "no service %s", str_or_empty(service));
    else if (!b->has_lease || !b->was_alive)
        err_set(err, ERR_UNAVAILABLE,
                "this broker does not hold the lease, or the store is away");
    else
        return session;
    return NULL;
}

static const Reeve__Framework *confirmed(const struct session *s,
                                         const char *confirm,
                                         uint64_t *revision, struct err *err)
{
    const Reeve__Framework *framework = facts_framework(s->facts, revision);

    if (!framework || !*str_or_empty(framework->framework_id))
        err_set(err, ERR_NOT_FOUND, "service %s has no framework id", s->key);
    else if (!str_eq(framework->framework_id, confirm))
        err_set(err, ERR_INVALID,
                "'%s' is not the framework id of service %s: nothing was done",
                str_or_empty(confirm), s->key);
    else
        return framework;
    return NULL;
}

/* Before there is an id: what he was told to repeat. */
static const Reeve__Framework *hindered(const struct session *s,
                                        const char *confirm, uint64_t *revision)
{
    const Reeve__Framework *framework = facts_framework(s->facts, revision);

    return framework && *str_or_empty(confirm) &&
                   str_eq(framework->hindrance_confirm, confirm)
               ? framework
               : NULL;
}

static void count_alive(void *self, const struct fact_task *task)
{
    *(size_t *)self += task->status && status_may_live(task->status);
}

static int check_given_up(const struct session *s,
                          const Reeve__Framework *framework, bool force,
                          struct err *err)
{
    size_t alive = 0;

    if (session_error_is_removal(framework->error))
        return 0;
    if (!force)
        return err_set(err, ERR_CONFLICT,
                       "the master did not remove framework %s: its id is kept",
                       framework->framework_id);
    if (s->state == SESSION_UP || s->state == SESSION_NAMING)
        return err_set(err, ERR_CONFLICT,
                       "framework %s is subscribed: tear it down at the master "
                       "first",
                       framework->framework_id);
    facts_each_task(s->facts, count_alive, &alive);
    if (alive > 0)
        return err_set(err, ERR_CONFLICT,
                       "%zu task(s) of framework %s may still run: a new "
                       "framework would start them twice",
                       alive, framework->framework_id);
    return 0;
}

/* ---- orders ------------------------------------------------------- */
static void answer(struct order *order)
{
    Reeve__NewFrameworkReply given_up = REEVE__NEW_FRAMEWORK_REPLY__INIT;
    Reeve__IgnoreForeignReply ignored = REEVE__IGNORE_FOREIGN_REPLY__INIT;

    given_up.given_up = order->framework_id;
    ignored.has_reservations = true;
    ignored.reservations = (uint32_t)janitor_strange(order->session->janitor);
    bus_call_reply(order->call,
                   order->is_delete ? &given_up.base : &ignored.base);
}

static void on_durable(void *self, const struct txn_result *result)
{
    struct order *order = self;
    struct session *s = order->session;

    if (result->err.code == ERR_NONE) {
        log_info(order->is_delete ? "framework_given_up" : "foreign_ignored",
                 "service=%s framework=%s by=operator from=%s", s->key,
                 order->framework_id, log_q(order->from));
        facts_apply(s->facts, order->key,
                    order->is_delete ? NULL : order->value.data,
                    order->value.len, result->revision, NULL);
        if (order->is_delete)
            session_event(s, SESSION_STOP);
        broker_wake(s->broker);
        answer(order);
    } else {
        bus_call_fail(order->call, &result->err, NULL);
        if (result->err.code == ERR_FENCED)
            broker_fenced(s->broker);
    }
    free(order->key);
    free(order->from);
    free(order->framework_id);
    buf_free(&order->value);
    free(order);
}

/* record NULL: delete. */
static void send_order(struct session *s, struct bus_call *call,
                       uint64_t revision, const Reeve__Framework *record)
{
    struct order *order = xcalloc(1, sizeof(*order));
    struct txn *txn = txn_new();

    order->session = s;
    order->call = call;
    order->from = xstrdup(bus_call_from(call));
    order->key = facts_key(s->facts, "framework");
    order->framework_id =
        xstrdup(str_or_empty(facts_framework(s->facts, NULL)->framework_id));
    order->is_delete = !record;
    txn_require(txn, order->key, revision);
    if (record) {
        wire_encode(&record->base, &order->value);
        txn_put_bytes(txn, order->key, order->value.data, order->value.len);
    } else {
        txn_delete(txn, order->key);
    }
    store_client_commit(s->broker->store, &txn, on_durable, order);
}

/* ---- routes ------------------------------------------------------- */
int operator_new_framework(void *self, struct bus_call *call, struct err *err)
{
    AUTO_MESSAGE Reeve__NewFrameworkRequest *request =
        (Reeve__NewFrameworkRequest *)bus_call_decode(
            call, &reeve__new_framework_request__descriptor, err);
    const Reeve__Framework *framework;
    struct session *s;
    uint64_t revision;

    s = request ? operator_session(self, request->service, err) : NULL;
    framework = s ? confirmed(s, request->confirm, &revision, err) : NULL;
    if (!framework || check_given_up(s, framework, request->force, err) < 0)
        return -1;
    send_order(s, call, revision, NULL);
    return 0;
}

int operator_ignore_foreign(void *self, struct bus_call *call, struct err *err)
{
    AUTO_MESSAGE Reeve__IgnoreForeignRequest *request =
        (Reeve__IgnoreForeignRequest *)bus_call_decode(
            call, &reeve__ignore_foreign_request__descriptor, err);
    const Reeve__Framework *framework;
    AUTO_MESSAGE Reeve__Framework *record = NULL;
    struct session *s;
    uint64_t revision;

    s = request ? operator_session(self, request->service, err) : NULL;
    framework = s ? hindered(s, request->confirm, &revision) : NULL;
    if (s && !framework)
        framework = confirmed(s, request->confirm, &revision, err);
    if (!framework)
        return -1;
    if (framework->foreign_ignored)
        return err_set(err, ERR_NOOP, "they are ignored already");
    record = WIRE_DUP(reeve__framework, framework);
    PB_SET(record, foreign_ignored, true);
    PB_STR(record, hindrance, NULL);
    PB_STR(record, hindrance_confirm, NULL);
    send_order(s, call, revision, record);
    return 0;
}
