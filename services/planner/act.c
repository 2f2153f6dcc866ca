/* SPDX-License-Identifier: Apache-2.0 */
/* act - runs rounds of decisions and commits them, one transaction at a time
 *
 * A service's next round starts only when its last transaction is answered and
 * the facts include it.  So nothing is wished twice, and a round may be lost or
 * repeated without harm.
 */
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "lib/wire/wire.h"
#include "proto/planner.pb-c.h"
#include "services/planner/answers.h"
#include "services/planner/changes.h"
#include "services/planner/engine.h"
#include "services/planner/operate.h"
#include "services/planner/planner.h"

enum {
    CONFLICT_RETRY_MS = 50,
    FAILURE_RETRY_MS = 1000,
    /* A round may use a quarter of the time. */
    REST_FACTOR = 3,
    REST_FROM_MS = 5,
    /* Plans beyond this size are written at most at PLAN_BYTES_PER_MS. */
    LARGE_PLAN_BYTES = 64 * 1024,
    PLAN_BYTES_PER_MS = 4096,
};

/* ---- looking again later ---- */
static void on_timer(void *self)
{
    struct managed *m = self;
    m->timer = 0;
    act(m);
}

/* Replaces an earlier appointment. */
static void look_again(struct managed *m, int64_t delay_ms)
{
    loop_timer_cancel(m->planner->loop, m->timer);
    m->timer = loop_timer(m->planner->loop, MAX(delay_ms, 1), 0, on_timer, m);
}

/* ---- answering requests ---- */
static void drop_request(struct managed *m)
{
    struct request *request = m->requests;
    m->requests = request->next;
    m->n_requests--;
    wire_free(&request->command);
    buf_free(&request->reply);
    free(request);
}

static void fail_request(struct managed *m, const struct err *err)
{
    bus_call_fail(m->requests->call, err, NULL);
    drop_request(m);
}

static void answer_request(struct managed *m)
{
    struct request *request = m->requests;
    const ProtobufCMessageDescriptor *type =
        request->command->descriptor == &reeve__plan_command__descriptor
            ? &reeve__plan_command_reply__descriptor
            : &reeve__pod_command_reply__descriptor;
    struct err err = {0};
    ProtobufCMessage *reply =
        wire_decode(type, buf_text(&request->reply), request->reply.len, &err);
    if (reply)
        bus_call_reply(request->call, reply);
    else
        bus_call_fail(request->call, &err, NULL);
    wire_free(&reply);
    drop_request(m);
}

void act_forget(struct managed *managed)
{
    loop_timer_cancel(managed->planner->loop, managed->timer);
    managed->timer = 0;
    struct err err = {0};
    err_set(&err, ERR_UNAVAILABLE, "the planner is being stopped");
    while (managed->requests)
        fail_request(managed, &err);
}

/* ---- committing ---- */
static struct txn *txn_of(const struct changes *changes)
{
    struct txn *txn = txn_new();
    for (size_t i = 0; i < changes->n_needs; i++)
        txn_require(txn, changes->needs[i].key, changes->needs[i].revision);
    for (size_t i = 0; i < changes->n_ops; i++) {
        const struct change *op = &changes->ops[i];
        if (op->value)
            txn_put_bytes(txn, op->key, op->value, op->len);
        else
            txn_delete(txn, op->key);
    }
    return txn;
}

static void on_refused(struct managed *m, const struct txn_result *result)
{
    if (result->err.code == ERR_CONFLICT) {
        /* The facts moved on; with the new ones it is decided again. */
        service_count(m->planner->service, "planner.conflicts", 1,
                      "transactions that met newer facts");
        log_debug("conflict", "service=%s key=%s", m->svc,
                  log_q(str_or_empty(result->failed_key)));
        m->wait_revision = MAX(m->wait_revision, result->failed_revision);
        look_again(m, CONFLICT_RETRY_MS);
        return;
    }
    if (result->err.code == ERR_FENCED)
        log_odd("fenced", "service=%s text=%s", m->svc,
                log_q(result->err.text));
    else
        log_bad("not_committed", "service=%s text=%s", m->svc,
                log_q(result->err.text));
    if (m->carries_request)
        fail_request(m, &result->err);
    look_again(m, FAILURE_RETRY_MS);
}

static void on_committed(void *self, const struct txn_result *result)
{
    struct managed *m = self;
    m->is_in_flight = false;
    if (result->err.code != ERR_NONE) {
        on_refused(m, result);
        m->carries_request = false;
        return;
    }
    service_count(m->planner->service, "planner.commits", 1,
                  "transactions committed");
    m->wait_revision = result->revision;
    if (m->carries_request)
        answer_request(m);
    m->carries_request = false;
    act(m);
}

static void commit(struct managed *m, const struct changes *changes)
{
    struct txn *txn = txn_of(changes);
    m->is_in_flight = true;
    store_client_commit(m->planner->store, &txn, on_committed, m);
}

/* ---- requests ---- */
static int operate(struct managed *m, struct changes *changes, struct err *err)
{
    struct request *request = m->requests;
    struct operate_source source = {.facts = m->facts,
                                    .now_ms = clock_wall_ms()};
    buf_clear(&request->reply);
    if (request->command->descriptor == &reeve__plan_command__descriptor) {
        AUTO_FREE char *text = NULL;
        if (operate_plan(&source, (Reeve__PlanCommand *)request->command,
                         changes, &text, err) < 0)
            return -1;
        Reeve__PlanCommandReply reply = REEVE__PLAN_COMMAND_REPLY__INIT;
        reply.message = text;
        wire_encode(&reply.base, &request->reply);
        return 0;
    }
    AUTO_MESSAGE Reeve__PodCommandReply *reply = NULL;
    if (operate_pod(&source, (Reeve__PodCommand *)request->command, changes,
                    &reply, err) < 0)
        return -1;
    wire_encode(&reply->base, &request->reply);
    return 0;
}

/* true: a transaction is on its way; false: the request is answered. */
static bool run_request(struct managed *m)
{
    struct request *request = m->requests;
    const char *id = bus_call_id(request->call);
    buf_clear(&request->reply);
    if (answers_find(m->facts, id, &request->reply)) {
        answer_request(m);
        return false;
    }
    struct err err = {0};
    AUTO_CHANGES struct changes changes = {0};
    if (operate(m, &changes, &err) < 0) {
        fail_request(m, &err);
        return false;
    }
    service_count(m->planner->service, "planner.commands", 1,
                  "operators' verbs carried out");
    log_info("command", "service=%s req=%s from=%s", m->svc, id,
             log_q(bus_call_from(request->call)));
    answers_keep(m->facts, id, &request->reply, &changes);
    m->carries_request = true;
    commit(m, &changes);
    return true;
}

/* ---- rounds ---- */
static void next_id(void *self, char out[37])
{
    (void)self;
    uuid_new(out);
}

/* When to look again, by the clock alone. */
static void plan_next_look(struct managed *m, const struct engine_output *out,
                           int64_t now_ms)
{
    int64_t delay_ms = -1;
    if (out->wake_ms)
        delay_ms = MAX(out->wake_ms - clock_wall_ms(), 1);
    if (out->plans_held) {
        int64_t held_ms = MAX(m->next_plan_ms - now_ms, 1);
        delay_ms = delay_ms < 0 ? held_ms : MIN(delay_ms, held_ms);
    }
    if (delay_ms > 0)
        look_again(m, delay_ms);
}

static void run_round(struct managed *m)
{
    int64_t begin_ms = clock_mono_ms();
    struct engine_input in = {
        .facts = m->facts,
        .intent = m->intent,
        .now_ms = clock_wall_ms(),
        .ids = {.next = next_id},
        .hold_plans = begin_ms < m->next_plan_ms,
    };
    struct engine_output out;
    struct err err = {0};
    int result = engine_step(&in, &out, &err);
    int64_t end_ms = clock_mono_ms();
    if (end_ms - begin_ms >= REST_FROM_MS)
        m->next_round_ms = end_ms + REST_FACTOR * (end_ms - begin_ms);
    service_count(m->planner->service, "planner.rounds", 1,
                  "rounds of decisions");
    service_gauge(m->planner->service, "planner.round_ms",
                  (double)(end_ms - begin_ms), "time of the last round");
    if (result < 0) {
        changes_free(&out.changes);
        planner_end(m->planner, &err);
        return;
    }
    if (out.plan_bytes > LARGE_PLAN_BYTES)
        m->next_plan_ms =
            end_ms + (int64_t)(out.plan_bytes / PLAN_BYTES_PER_MS);
    plan_next_look(m, &out, end_ms);
    if (out.changes.n_ops > 0)
        commit(m, &out.changes);
    changes_free(&out.changes);
}

void act(struct managed *managed)
{
    struct planner *p = managed->planner;
    while (planner_is_ready(p) && !managed->is_in_flight &&
           replica_revision(p->replica) >= managed->wait_revision) {
        if (managed->requests) {
            if (run_request(managed))
                return;
            continue;
        }
        int64_t rest_ms = managed->next_round_ms - clock_mono_ms();
        if (rest_ms > 0)
            look_again(managed, rest_ms);
        else
            run_round(managed);
        return;
    }
}
