/* SPDX-License-Identifier: Apache-2.0 */
/* outbox - calls to the master, in order, over one connection
 *
 * Nothing here is kept for later: with the subscription all unanswered calls
 * are dropped, because each follows again from the facts (KILL, RECONCILE,
 * REVIVE), is repeated by the agent (ACKNOWLEDGE) or must not be repeated
 * (ACCEPT: a second one would be answered TASK_DROPPED for a running task).
 * They do not wait for each other's answers, but over https, where each does;
 * there acknowledgements go over lanes of their own, because those of different
 * tasks have no order among each other.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/log.h"
#include "lib/mesos/pb_mesos.h"
#include "services/offer-broker/auth.h"
#include "services/offer-broker/session.h"

#define CALL_TIMEOUT_MS 60000
#define ACK_LANES       4
#define LANES           (1 + ACK_LANES)
#define MAX_DECLINE     1000 /* offers in one DECLINE */

/* One call under way. */
struct sent {
    struct outbox *outbox;
    struct http_request *request;
    const char *type;
    struct sent *prev, *next;
};

struct outbox {
    struct session *session;
    struct sent *sent;
    unsigned lane; /* the first of ours */
    size_t count;
};

struct outbox *outbox_new(struct session *session)
{
    struct outbox *outbox = xcalloc(1, sizeof(*outbox));

    outbox->session = session;
    outbox->lane = session->broker->next_lane + 1;
    session->broker->next_lane += LANES;
    return outbox;
}

void outbox_reset(struct outbox *outbox)
{
    struct sent *sent, *next;

    DL_FOREACH_SAFE(outbox->sent, sent, next)
    {
        DL_DELETE(outbox->sent, sent);
        http_request_cancel(&sent->request);
        free(sent);
    }
    outbox->count = 0;
}

void outbox_destroy(struct outbox **outbox)
{
    if (!*outbox)
        return;
    outbox_reset(*outbox);
    free(*outbox);
    *outbox = NULL;
}

size_t outbox_pending(const struct outbox *outbox)
{
    return outbox->count;
}

/* ---- answers ------------------------------------------------------ */
static bool means_unsubscribed(const struct http_answer *answer)
{
    switch (answer->status) {
    case 307: /* not the leader any more */
    case 401:
    case 403: /* not subscribed */
    case 404:
    case 503:
        return true;
    case 400: /* also: unknown framework, stream id out of date */
        return !answer->body ||
               !strstr(answer->body, "Failed to validate scheduler::Call");
    default:
        return answer->status == 0 || answer->status >= 500;
    }
}

static void on_answer(void *self, const struct http_answer *answer)
{
    struct sent *sent = self;
    struct outbox *outbox = sent->outbox;
    struct session *session = outbox->session;
    const char *type = sent->type;
    AUTO_FREE char *body = NULL;

    DL_DELETE(outbox->sent, sent);
    outbox->count--;
    free(sent);
    if (answer->status == 202 || answer->status == 200)
        return;
    session->counts.odd++;
    body = xstrndup(str_or_empty(answer->body), MIN(answer->body_len, 200));
    log_odd("call_refused", "service=%s call=%s status=%d why=%s", session->key,
            type, answer->status,
            log_q(answer->err.code ? answer->err.text : body));
    if (answer->status == 401)
        auth_refused(session->broker->auth);
    if (means_unsubscribed(answer))
        session_broken(session, "%s was not taken: %s", type,
                       answer->err.code ? answer->err.text : body);
}

/* ---- sending ------------------------------------------------------ */
Mesos__V1__Scheduler__Call *outbox_call(Mesos__V1__Scheduler__Call__Type type)
{
    Mesos__V1__Scheduler__Call *call;

    call = PB_NEW(mesos__v1__scheduler__call);
    PB_SET(call, type, type);
    return call;
}

/* Over http:// calls are pipelined, and one connection carries all. */
static unsigned lane_of(const struct outbox *outbox, const char *url,
                        const Mesos__V1__Scheduler__Call *call)
{
    const char *id;
    unsigned hash = 0;

    if (call->type != MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE ||
        str_starts(url, "http://"))
        return outbox->lane;
    for (id = call->acknowledge->task_id->value; *id; id++)
        hash = hash * 31 + (unsigned char)*id;
    return outbox->lane + 1 + hash % ACK_LANES;
}

void outbox_send(struct outbox *outbox, Mesos__V1__Scheduler__Call *call)
{
    struct session *session = outbox->session;
    ProtobufCMessage *message = &call->base;
    AUTO_BUF struct buf body = {0};
    AUTO_FREE char *url = NULL, *stream = NULL;
    AUTO_FREE char *authorization = NULL;
    struct sent *sent;

    if (session->state != SESSION_UP) {
        wire_free(&message);
        return;
    }
    call->framework_id = pb_framework_id(session->framework_id);
    wire_encode(message, &body);
    url =
        xasprintf("%s/api/v1/scheduler", master_list_current(session->masters));
    stream = xasprintf("Mesos-Stream-Id: %s", session->stream_id);
    authorization = session_authorization(session);
    {
        const char *const headers[] = {"Content-Type: application/x-protobuf",
                                       "Accept: application/x-protobuf", stream,
                                       authorization, NULL};
        struct http_call http = {.method = "POST",
                                 .url = url,
                                 .headers = headers,
                                 .body = body.data,
                                 .body_len = body.len,
                                 .timeout_ms = CALL_TIMEOUT_MS,
                                 .lane = lane_of(outbox, url, call),
                                 .pipelined = true};

        auth_trust(session->broker->auth, &http);
        sent = xcalloc(1, sizeof(*sent));
        sent->outbox = outbox;
        sent->type = wire_enum_name(
            &mesos__v1__scheduler__call__type__descriptor, (int)call->type);
        DL_APPEND(outbox->sent, sent);
        outbox->count++;
        sent->request =
            http_client_send(session->broker->http, &http, on_answer, sent);
    }
    wire_free(&message);
}

void outbox_acknowledge(struct session *session,
                        const Mesos__V1__TaskStatus *status)
{
    Mesos__V1__Scheduler__Call *call;

    if (!status->has_uuid || status->uuid.len == 0 || !status->agent_id)
        return;
    call = outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE);
    call->acknowledge = PB_NEW(mesos__v1__scheduler__call__acknowledge);
    call->acknowledge->agent_id = pb_agent_id(status->agent_id->value);
    call->acknowledge->task_id = pb_task_id(status->task_id->value);
    call->acknowledge->uuid.data = xmemdup(status->uuid.data, status->uuid.len);
    call->acknowledge->uuid.len = status->uuid.len;
    session->counts.acks++;
    outbox_send(session->outbox, call);
}

void outbox_decline(struct session *session, const char *const *ids,
                    size_t count, double refuse_s)
{
    for (size_t from = 0; from < count; from += MAX_DECLINE) {
        Mesos__V1__Scheduler__Call *call =
            outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE);
        size_t to = MIN(count, from + MAX_DECLINE);

        call->decline = PB_NEW(mesos__v1__scheduler__call__decline);
        for (size_t i = from; i < to; i++)
            PB_ADD(call->decline, offer_ids, pb_offer_id(ids[i]));
        call->decline->filters = PB_NEW(mesos__v1__filters);
        PB_SET(call->decline->filters, refuse_seconds, refuse_s);
        session->counts.declines += to - from;
        outbox_send(session->outbox, call);
    }
}
