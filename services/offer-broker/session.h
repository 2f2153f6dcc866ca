/* SPDX-License-Identifier: Apache-2.0 */
/* session - one service's framework: its stream of events, its calls, its state
 *
 * Private header of the doing files.  session.c holds the subscription,
 * events.c turns events into changes, statuses.c stores and acknowledges
 * updates, launch.c matches and launches, outcomes.c tells why not, orders.c
 * kills and reconciles, outbox.c sends calls.
 */
#ifndef REEVE_OFFER_BROKER_SESSION_H
#define REEVE_OFFER_BROKER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "lib/base/buf.h"
#include "proto/mesos/v1/scheduler.pb-c.h"
#include "services/offer-broker/agent_note.h"
#include "services/offer-broker/broker.h"
#include "services/offer-broker/demand_book.h"
#include "services/offer-broker/facts.h"
#include "services/offer-broker/flow.h"
#include "services/offer-broker/janitor.h"
#include "services/offer-broker/kill_book.h"
#include "services/offer-broker/master_list.h"
#include "services/offer-broker/offer_book.h"
#include "services/offer-broker/offer_log.h"
#include "services/offer-broker/reconcile.h"
#include "services/offer-broker/resize_book.h"
#include "services/offer-broker/session_state.h"

struct stream;
struct outbox;
struct statuses;
struct launches;
struct outcomes;
struct notes;
struct survey;
struct fresh;

struct session_counts {
    uint64_t offers, accepts, declines, rescinds, launches, updates, acks,
        kills, revives, suppresses, reconciles, odd, subscriptions;
};

struct session {
    struct broker *broker;
    char *key; /* of the service, as in the store's keys */
    UT_hash_handle hh;

    struct facts *facts;

    /* The subscription. */
    enum session_state state;
    struct master_list *masters;
    struct stream *stream; /* NULL: none open */
    char *stream_id;
    char *framework_id; /* of this subscription, durable from UP on */
    /* NAMING: our copy of the store must have reached this (0: not yet known),
     * so that nothing a former holder of the lease wrote is missed. */
    uint64_t named_revision;
    char *master_id;
    char *master_text;  /* host:port we are subscribed to */
    char *local_region; /* the master's; NULL: it told none */
    struct buf info;    /* FrameworkInfo as sent */
    unsigned failures;
    uint64_t backoff_id; /* timer */
    int64_t last_event_ms;
    int64_t up_since_wall_ms;
    double heartbeat_s;
    char problem[700];      /* why it is not up; for health */
    int64_t error_again_ms; /* when to try again after a refused identity */

    /* What Mesos told and what we owe it. */
    struct offer_book *offers;
    struct offer_log *offer_log;
    struct flow flow;
    struct reconcile *reconcile;
    struct kill_book *kills;
    struct janitor *janitor;
    struct resize_book *resizes;
    struct outbox *outbox;
    struct statuses *statuses;
    struct launches *launches;
    struct outcomes *outcomes;
    struct survey *survey;
    struct notes *notes;
    struct fresh *fresh;
    bool is_newborn;        /* this subscription gave us our id */
    int64_t next_pass_ms;   /* passes must not eat the time */
    uint64_t pass_id;       /* timer of the next; 0: none */
    int64_t next_survey_ms; /* orders.c: look for silent launches */
    size_t cleanups;        /* orders.c: transactions under way */

    struct session_counts counts;
};

/* ---- session.c ---------------------------------------------------- */
struct session *session_new(struct broker *broker, const char *key);
void session_destroy(struct session **session);
/* Starts, stops or goes on as lease and facts allow; then decides. */
void session_decide(struct session *session);
void session_event(struct session *session, enum session_event event);
/* The subscription is no good any more: says why, resubscribes. */
void session_broken(struct session *session, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* ZooKeeper names another master. */
void session_follow(struct session *session, const char *url);
/* Are new pods held back, because reservations are shown that look like ours
 * while no record names any?  How many; 0: no. */
size_t session_strange(const struct session *session);
/* No new framework is asked for: stored, with what the operator has to repeat
 * to have one all the same. */
void session_hinder(struct session *session, const char *why,
                    const char *confirm);
const Reeve__ServiceSpec *session_spec(const struct session *session);
/* The Authorization header of our calls, malloc'd; NULL: none. */
char *session_authorization(const struct session *session);

/* ---- events.c ----------------------------------------------------- */
/* One record of the stream.  -1 with ERR_INVALID when it does not parse. */
int events_handle(struct session *session, const void *data, size_t len,
                  struct err *err);

/* ---- outbox.c ----------------------------------------------------- */
struct outbox *outbox_new(struct session *session);
void outbox_destroy(struct outbox **outbox);
/* Sends the call with our framework and stream id; takes and frees it.  In
 * order, but for acknowledgements among themselves.  Without a subscription it
 * is dropped: whatever it was follows again from the facts. */
void outbox_send(struct outbox *outbox, Mesos__V1__Scheduler__Call *call);
/* A new call of that type. */
Mesos__V1__Scheduler__Call *outbox_call(Mesos__V1__Scheduler__Call__Type type);
/* Drops what is under way; its answers are no longer of interest. */
void outbox_reset(struct outbox *outbox);
size_t outbox_pending(const struct outbox *outbox);
void outbox_acknowledge(struct session *session,
                        const Mesos__V1__TaskStatus *status);
void outbox_decline(struct session *session, const char *const *ids,
                    size_t count, double refuse_s);

/* ---- statuses.c --------------------------------------------------- */
struct statuses *statuses_new(struct session *session);
void statuses_destroy(struct statuses **statuses);
/* Take the message. Stored in order, then acknowledged. */
void statuses_add_task(struct statuses *statuses,
                       Mesos__V1__TaskStatus **status);
void statuses_add_operation(struct statuses *statuses,
                            Mesos__V1__OperationStatus **status);
/* Writes what waits, unless a write is under way. */
void statuses_flush(struct statuses *statuses);
/* Updates not yet durable. */
size_t statuses_waiting(const struct statuses *statuses);
/* Tasks that run under our framework and that no record names. */
size_t statuses_unknown(const struct statuses *statuses, struct buf *names);
struct unknown_task {
    const char *task_id, *agent_id; /* agent_id: NULL when it was not told */
    int state;
    int64_t since_wall_ms;
};
void statuses_each_unknown(const struct statuses *statuses,
                           void (*fn)(void *self,
                                      const struct unknown_task *task),
                           void *self);
/* false: no such task. */
bool statuses_find_unknown(const struct statuses *statuses, const char *task_id,
                           struct unknown_task *out);

/* ---- launch.c ----------------------------------------------------- */
struct launches *launches_new(struct session *session);
void launches_destroy(struct launches **launches);
/* Matches what can be placed with what is offered; starts transactions; hands
 * reasons to outcomes.  views may lose their READY state meanwhile. */
void launches_try(struct launches *launches, struct demand_view *views,
                  size_t count);
/* Declines what nobody needs; keeps what may be needed in a moment. */
void launches_decline(struct launches *launches, bool has_work);
size_t launches_pending(const struct launches *launches);

/* ---- outcomes.c --------------------------------------------------- */
struct outcomes *outcomes_new(struct session *session);
void outcomes_destroy(struct outcomes **outcomes);
/* Why this demand is not placed; reasons is taken apart at line ends. */
void outcomes_note(struct outcomes *outcomes, const struct demand_view *view,
                   const char *summary, const char *reasons, size_t offers);
/* Nothing new to say (no offer is held just now): the last word stands.  false
 * when there is none. */
bool outcomes_keep(struct outcomes *outcomes, const struct demand_view *view);
/* Writes what changed and removes what is out of date. */
void outcomes_flush(struct outcomes *outcomes);

/* ---- notes.c ------------------------------------------------------ */
struct notes *notes_new(struct session *session);
void notes_destroy(struct notes **notes);
/* What was told of an agent becomes a record soon. */
void notes_tell(struct notes *notes, const struct agent_told *told);
void notes_offer(struct notes *notes, const Mesos__V1__Offer *offer);
void notes_update(struct notes *notes, const Reeve__TaskRecord *task,
                  const Mesos__V1__TaskStatus *status);
/* Noted and answered. */
void notes_inverse_offer(struct notes *notes,
                         const Mesos__V1__InverseOffer *offer);
void notes_rescind(struct notes *notes, const char *offer_id);
/* The subscription ended: its inverse offers are void. */
void notes_forget_offers(struct notes *notes);
void notes_flush(struct notes *notes);

/* ---- operator.c ---------------------------------------------------- */
/* The session that an operator's word is for, where it may be taken now. */
struct session *operator_session(struct broker *broker, const char *service,
                                 struct err *err);

/* ---- orders.c ----------------------------------------------------- */
/* Kills what stored orders name; asks the master about tasks. */
/* But for the tasks of demands that hold their kill. */
void orders_kill(struct session *session, const struct demand_view *views,
                 size_t count);
void orders_reconcile(struct session *session);
/* A new subscription: everything is to be asked and ordered again. */
void orders_begin(struct session *session);

#endif
