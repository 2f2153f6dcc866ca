/* SPDX-License-Identifier: Apache-2.0 */
/* notes - agents' notes on their way to the store; inverse offers answered
 *
 * What was told is kept until it is durable, newest word for each agent.  An
 * inverse offer is answered when it comes: where a pod of ours has something,
 * we cannot leave (its data is there); else nothing holds us.
 */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mesos/pb_mesos.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/writes.h"

#define REFUSE_S   3600.0
#define TIDY_MS    60000
#define MAX_WRITES 1000

/* A note that is not durable yet; NULL: to be deleted. */
struct pending {
    char *agent_id;
    Reeve__AgentNote *note;
    uint64_t turn; /* changed again while it was written */
    UT_hash_handle hh;
};

/* An inverse offer that may be rescinded. */
struct asked {
    char *offer_id;
    char *agent_id;
    UT_hash_handle hh;
};

struct notes {
    struct session *session;
    struct pending *pending;
    struct asked *asked;
    struct writes *writes; /* under way; NULL: none */
    uint64_t turn;
    int64_t tidy_ms;
};

struct notes *notes_new(struct session *session)
{
    struct notes *notes = xcalloc(1, sizeof(*notes));

    notes->session = session;
    return notes;
}

static void drop_pending(struct notes *n, struct pending *pending)
{
    HASH_DEL(n->pending, pending);
    PB_FREE(pending->note);
    free(pending->agent_id);
    free(pending);
}

static void drop_asked(struct notes *n, struct asked *asked)
{
    HASH_DEL(n->asked, asked);
    free(asked->offer_id);
    free(asked->agent_id);
    free(asked);
}

void notes_forget_offers(struct notes *n)
{
    struct asked *asked, *next;

    HASH_ITER(hh, n->asked, asked, next)
    {
        drop_asked(n, asked);
    }
}

void notes_destroy(struct notes **notes)
{
    struct notes *n = *notes;
    struct pending *pending, *next;

    if (!n)
        return;
    HASH_ITER(hh, n->pending, pending, next)
    {
        drop_pending(n, pending);
    }
    notes_forget_offers(n);
    writes_destroy(&n->writes);
    free(n);
    *notes = NULL;
}

/* ---- what is told ------------------------------------------------- */
static struct pending *find_pending(const struct notes *n, const char *agent_id)
{
    struct pending *pending = NULL;

    HASH_FIND_STR(n->pending, agent_id, pending);
    return pending;
}

void notes_tell(struct notes *n, const struct agent_told *told)
{
    const struct facts *facts = n->session->facts;
    struct pending *pending = find_pending(n, told->agent_id);
    Reeve__AgentNote *note;
    bool changed;

    note = agent_note_of(pending ? pending->note
                                 : facts_agent(facts, told->agent_id, NULL),
                         told, &changed);
    if (!changed) {
        PB_FREE(note);
        return;
    }
    if (!pending) {
        pending = xcalloc(1, sizeof(*pending));
        pending->agent_id = xstrdup(told->agent_id);
        HASH_ADD_KEYPTR(hh, n->pending, pending->agent_id,
                        strlen(pending->agent_id), pending);
    }
    PB_FREE(pending->note);
    pending->note = note;
    pending->turn = ++n->turn;
    broker_wake(n->session->broker);
}

void notes_offer(struct notes *n, const Mesos__V1__Offer *offer)
{
    const char *agent_id = offer->agent_id->value;

    /* Nearly always: nothing is special, and nothing was. */
    if (!offer->unavailability && !find_pending(n, agent_id) &&
        !facts_agent(n->session->facts, agent_id, NULL))
        return;
    notes_tell(n, &(struct agent_told){.sign = AGENT_OFFERED,
                                       .agent_id = agent_id,
                                       .hostname = offer->hostname,
                                       .unavailability = offer->unavailability,
                                       .now_wall_ms = clock_wall_ms()});
}

void notes_update(struct notes *n, const Reeve__TaskRecord *task,
                  const Mesos__V1__TaskStatus *status)
{
    bool is_gone =
        status->state == MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR;
    bool is_drain =
        status->has_reason &&
        status->reason == MESOS__V1__TASK_STATUS__REASON__REASON_AGENT_DRAINING;

    if ((!is_gone && !is_drain) || !task->agent_id)
        return;
    notes_tell(
        n, &(struct agent_told){.sign = is_gone ? AGENT_GONE : AGENT_DRAINING,
                                .agent_id = task->agent_id,
                                .hostname = task->hostname,
                                .message = status->message,
                                .now_wall_ms = clock_wall_ms()});
}

/* ---- inverse offers ----------------------------------------------- */
struct search {
    const char *agent_id;
    bool found;
};

static void look_at_pod(void *self, const struct fact *fact)
{
    struct search *search = self;
    const Reeve__PodRecord *pod = (const Reeve__PodRecord *)fact->message;

    search->found |=
        pod->n_resources > 0 && str_eq(pod->agent_id, search->agent_id);
}

static bool needs_agent(const struct notes *n, const char *agent_id)
{
    struct search search = {agent_id, false};

    facts_each_pod(n->session->facts, look_at_pod, &search);
    return search.found;
}

static void answer(struct session *s, const char *offer_id, bool will_vacate)
{
    Mesos__V1__Scheduler__Call *call = outbox_call(
        will_vacate ? MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT_INVERSE_OFFERS
                    : MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE_INVERSE_OFFERS);
    Mesos__V1__Filters *filters = PB_NEW(mesos__v1__filters);

    PB_SET(filters, refuse_seconds, REFUSE_S);
    if (will_vacate) {
        call->accept_inverse_offers =
            PB_NEW(mesos__v1__scheduler__call__accept_inverse_offers);
        call->accept_inverse_offers->filters = filters;
        PB_ADD(call->accept_inverse_offers, inverse_offer_ids,
               pb_offer_id(offer_id));
    } else {
        call->decline_inverse_offers =
            PB_NEW(mesos__v1__scheduler__call__decline_inverse_offers);
        call->decline_inverse_offers->filters = filters;
        PB_ADD(call->decline_inverse_offers, inverse_offer_ids,
               pb_offer_id(offer_id));
    }
    outbox_send(s->outbox, call);
}

static void remember(struct notes *n, const char *offer_id,
                     const char *agent_id)
{
    struct asked *asked = NULL;

    HASH_FIND_STR(n->asked, offer_id, asked);
    if (asked)
        return;
    asked = xcalloc(1, sizeof(*asked));
    asked->offer_id = xstrdup(offer_id);
    asked->agent_id = xstrdup(agent_id);
    HASH_ADD_KEYPTR(hh, n->asked, asked->offer_id, strlen(asked->offer_id),
                    asked);
}

void notes_inverse_offer(struct notes *n, const Mesos__V1__InverseOffer *offer)
{
    struct session *s = n->session;
    const char *agent_id = offer->agent_id ? offer->agent_id->value : NULL;
    bool will_vacate;

    if (!agent_id)
        return; /* of no agent: nothing to say to it, it times out */
    will_vacate = !needs_agent(n, agent_id);
    log_info("inverse_offer", "service=%s agent=%s will_vacate=%d", s->key,
             agent_id, will_vacate);
    remember(n, offer->id->value, agent_id);
    notes_tell(n, &(struct agent_told){.sign = AGENT_ASKED,
                                       .agent_id = agent_id,
                                       .unavailability = offer->unavailability,
                                       .will_vacate = will_vacate,
                                       .now_wall_ms = clock_wall_ms()});
    answer(s, offer->id->value, will_vacate);
}

void notes_rescind(struct notes *n, const char *offer_id)
{
    struct asked *asked = NULL;

    HASH_FIND_STR(n->asked, offer_id, asked);
    if (!asked)
        return;
    notes_tell(n, &(struct agent_told){.sign = AGENT_UNASKED,
                                       .agent_id = asked->agent_id,
                                       .now_wall_ms = clock_wall_ms()});
    drop_asked(n, asked);
}

/* ---- the store ---------------------------------------------------- */
struct writing {
    struct notes *notes;
    uint64_t turn;
};

static void on_written(void *self, const struct txn_result *result)
{
    struct writing *w = self;
    struct notes *n = w->notes;
    struct writes *writes = MOVE(n->writes);
    struct pending *pending, *next;

    if (result->err.code == ERR_NONE) {
        writes_apply(writes, n->session->facts, result->revision);
        HASH_ITER(hh, n->pending, pending, next)
        {
            if (pending->turn <= w->turn)
                drop_pending(n, pending);
        }
    } else if (result->err.code == ERR_FENCED) {
        broker_fenced(n->session->broker);
    }
    writes_destroy(&writes);
    free(w);
}

static void write_note(struct notes *n, const struct pending *pending)
{
    const struct facts *facts = n->session->facts;
    AUTO_FREE char *key = facts_key_agent(facts, pending->agent_id);
    uint64_t revision;

    facts_agent(facts, pending->agent_id, &revision);
    writes_require(n->writes, key, revision);
    if (pending->note)
        writes_put(n->writes, key, &pending->note->base);
    else if (revision > 0)
        writes_delete(n->writes, key);
}

/* Over: planned and past; or gone, and nothing of ours is left there. */
static void tidy_note(void *self, const struct fact *fact)
{
    struct notes *n = self;
    const Reeve__AgentNote *note = (const Reeve__AgentNote *)fact->message;
    bool is_over = agent_note_is_over(note, clock_wall_ms()) ||
                   (note->is_gone && !needs_agent(n, fact->id));

    if (is_over && !find_pending(n, fact->id))
        notes_tell(n, &(struct agent_told){.sign = AGENT_OFFERED,
                                           .agent_id = fact->id,
                                           .now_wall_ms = clock_wall_ms()});
}

void notes_flush(struct notes *n)
{
    int64_t now_ms = clock_mono_ms();
    struct pending *pending;
    struct writing *writing;
    struct txn *txn;

    if (now_ms >= n->tidy_ms) {
        n->tidy_ms = now_ms + TIDY_MS;
        facts_each_agent(n->session->facts, tidy_note, n);
    }
    if (n->writes || !n->pending)
        return;
    n->writes = writes_new();
    writing = xcalloc(1, sizeof(*writing));
    writing->notes = n;
    for (pending = n->pending; pending && writes_count(n->writes) < MAX_WRITES;
         pending = pending->hh.next) {
        write_note(n, pending);
        writing->turn = MAX(writing->turn, pending->turn);
    }
    txn = writes_take_txn(n->writes);
    store_client_commit(n->session->broker->store, &txn, on_written, writing);
}
