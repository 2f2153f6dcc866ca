/* SPDX-License-Identifier: Apache-2.0 */
/* replay - see replay.h; the agents' part is in replay_agent.c */
#include "tests/unit/devcluster/replay.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/http_rules.h"
#include "lib/base/fs.h"
#include "tests/unit/devcluster/replay_state.h"

#define START_MS    100000
#define FAR_AWAY_MS 1000000000000
#define STEP_MS     100
#define SLACK_MS    3000

/* ---- differences ------------------------------------------------------------
 */

static void wrong(struct replay *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void wrong(struct replay *r, const char *fmt, ...)
{
    char text[1200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_addf(&r->result->wrong, "%8" PRId64 " %s\n", r->now_ms - START_MS,
             text);
}

/* ---- outputs of the core ---- */

static void got_event(struct replay *r, uint64_t stream,
                      Mesos__V1__Scheduler__Event *event)
{
    struct got got = {stream, event, false};

    if (event->type == EVENT(HEARTBEAT)) {
        PB_FREE(event);
        return;
    }
    if (event->type == EVENT(OFFERS)) {
        for (size_t i = 0; i < event->offers->n_offers; i++) {
            struct got_offer one = {stream, event->offers->offers[i], NULL};

            PB_ADD(r, offers, one);
            event->offers->offers[i] = NULL;
        }
        event->offers->n_offers = 0;
        PB_FREE(event);
        return;
    }
    if (event->type == EVENT(INVERSE_OFFERS)) {
        Mesos__V1__Scheduler__Event__InverseOffers *all = event->inverse_offers;

        for (size_t i = 0; i < all->n_inverse_offers; i++) {
            struct got_inverse one = {stream, all->inverse_offers[i], NULL};

            PB_ADD(r, inverses, one);
            all->inverse_offers[i] = NULL;
        }
        all->n_inverse_offers = 0;
        PB_FREE(event);
        return;
    }
    PB_ADD(r, got, got);
}

void replay_drain(struct replay *r)
{
    struct master_out *out;

    while ((out = master_take_out(r->master))) {
        switch (out->kind) {
        case MASTER_OUT_EVENT:
            got_event(r, out->to, (void *)MOVE(out->message));
            break;
        case MASTER_OUT_CLOSE:
            got_event(r, out->to, NULL_EVENT());
            break;
        case MASTER_OUT_AGENT:
            replay_agent_told(r, out->to, (const void *)out->message);
            break;
        case MASTER_OUT_REGISTRY:
        case MASTER_OUT_NOTE:
            break;
        }
        master_out_destroy(&out);
    }
}

void replay_sync(struct replay *r)
{
    master_set_time(r->master, r->now_ms,
                    (int64_t)(r->wall_base * 1e6) +
                        (r->now_ms - START_MS) * 1000);
    /* Allocations run when the recording shows offers. */
    r->master->next_allocation_ms = FAR_AWAY_MS;
}

static void advance(struct replay *r, int64_t to_ms)
{
    while (r->master && r->now_ms < to_ms) {
        r->now_ms = MIN(r->now_ms + STEP_MS, to_ms);
        replay_sync(r);
        master_tick(r->master);
        replay_drain(r);
    }
    r->now_ms = MAX(r->now_ms, to_ms);
}

static void run_allocation(struct replay *r)
{
    replay_sync(r);
    allocate(r->master);
    replay_drain(r);
}

/* ---- ids of offers ---- */

/* A recorded offer id in ours; an unknown one stays as it is. */
static void map_offer(const struct replay *r, Mesos__V1__OfferID *id)
{
    for (size_t i = 0; i < r->n_offers; i++) {
        if (!str_eq(r->offers[i].recorded, id->value))
            continue;
        free(id->value);
        id->value = xstrdup(r->offers[i].offer->id->value);
        return;
    }
    for (size_t i = 0; i < r->n_inverses; i++) {
        if (!str_eq(r->inverses[i].recorded, id->value))
            continue;
        free(id->value);
        id->value = xstrdup(r->inverses[i].offer->id->value);
        return;
    }
}

/* The text with our id replaced by the recorded one; NULL: it is not in it. */
static char *unmapped(char *text, const char *ours, const char *recorded)
{
    char *at = strstr(text, ours);

    if (!at || !recorded)
        return NULL;
    /* "…-O1" is also the start of "…-O12". */
    if (at[strlen(ours)] >= '0' && at[strlen(ours)] <= '9')
        return NULL;
    return xasprintf("%.*s%s%s", (int)(at - text), text, recorded,
                     at + strlen(ours));
}

/* The text of ours with our offer ids replaced by the recorded ones. */
static char *unmap_text(const struct replay *r, const char *text)
{
    AUTO_FREE char *out = xstrdup(str_or_empty(text));
    char *next = NULL;

    for (size_t i = 0; i < r->n_offers && !next; i++)
        next =
            unmapped(out, r->offers[i].offer->id->value, r->offers[i].recorded);
    for (size_t i = 0; i < r->n_inverses && !next; i++)
        next = unmapped(out, r->inverses[i].offer->id->value,
                        r->inverses[i].recorded);
    return next ? next : MOVE(out);
}

/* ---- calls ---- */

static const char *header(json_t *entry, const char *name)
{
    return json_string_value(
        json_object_get(json_object_get(entry, "headers"), name));
}

static struct answer *answer_of(struct replay *r, int64_t n)
{
    struct answer none = {n, {0}};

    for (size_t i = 0; i < r->n_answers; i++) {
        if (r->answers[i].n == n)
            return &r->answers[i];
    }
    PB_ADD(r, answers, none);
    return &r->answers[r->n_answers - 1];
}

static const char *reply_header(const struct replay *r, int64_t n,
                                const char *name)
{
    for (size_t i = 0; i < r->n_entries; i++) {
        json_t *e = r->entries[i];

        if (str_eq(json_string_value(json_object_get(e, "dir")), "reply") &&
            json_integer_value(json_object_get(e, "n")) == n)
            return header(e, name);
    }
    return NULL;
}

/* Not while the master was starting (404, 503) or dying (0). */
static bool was_answered(const struct replay *r, json_t *entry)
{
    int64_t n = json_integer_value(json_object_get(entry, "n"));

    for (size_t i = r->at; i < r->n_entries; i++) {
        json_t *e = r->entries[i];
        int64_t status = json_integer_value(json_object_get(e, "status"));

        if (str_eq(json_string_value(json_object_get(e, "dir")), "reply") &&
            json_integer_value(json_object_get(e, "n")) == n)
            return status != 0 && status != 503 &&
                   !(status == 404 && header(entry, "Content-Type") &&
                     str_eq(json_string_value(json_object_get(entry, "type")),
                            "SUBSCRIBE"));
    }
    return true;
}

static void map_offers(const struct replay *r, Mesos__V1__OfferID **ids,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        map_offer(r, ids[i]);
}

static void map_call(const struct replay *r, Mesos__V1__Scheduler__Call *call)
{
    if (call->accept)
        map_offers(r, call->accept->offer_ids, call->accept->n_offer_ids);
    if (call->decline)
        map_offers(r, call->decline->offer_ids, call->decline->n_offer_ids);
    if (call->accept_inverse_offers)
        map_offers(r, call->accept_inverse_offers->inverse_offer_ids,
                   call->accept_inverse_offers->n_inverse_offer_ids);
    if (call->decline_inverse_offers)
        map_offers(r, call->decline_inverse_offers->inverse_offer_ids,
                   call->decline_inverse_offers->n_inverse_offer_ids);
}

static void scheduler_call(struct replay *r, json_t *entry,
                           const struct http_given *given,
                           struct answer *answer)
{
    struct http_refusal refusal = {0};
    AUTO_MESSAGE Mesos__V1__Scheduler__Call *call =
        http_scheduler_call(given, &refusal);

    if (!call) {
        reply_set(&answer->reply, refusal.status, "%s", refusal.text);
        return;
    }
    map_call(r, call);
    replay_sync(r);
    if (call->type == CALL(SUBSCRIBE) && call->framework_id)
        replay_agents_exits(r, call->framework_id->value);
    if (call->type == CALL(SUBSCRIBE)) {
        const char *id = reply_header(r, answer->n, "Mesos-Stream-Id");

        reply_set(&answer->reply, 200, "%s", "");
        master_subscribe(
            r->master,
            (uint64_t)json_integer_value(json_object_get(entry, "stream")),
            id ? id : "none", call);
    } else {
        master_call(r->master, given->stream_id, call, &answer->reply);
    }
}

static void operator_call(struct replay *r, const struct http_given *given,
                          struct answer *answer)
{
    struct http_refusal refusal = {0};
    AUTO_MESSAGE Mesos__V1__Master__Call *call = (void *)http_decode(
        given, &mesos__v1__master__call__descriptor, &refusal);
    AUTO_MESSAGE Mesos__V1__Master__Response *response = NULL;

    if (!call) {
        reply_set(&answer->reply, refusal.status, "%s", refusal.text);
        return;
    }
    replay_sync(r);
    master_operate(r->master, call, &answer->reply, &response);
}

static void do_call(struct replay *r, json_t *entry)
{
    const char *path = json_string_value(json_object_get(entry, "path"));
    const char *file = json_string_value(json_object_get(entry, "file"));
    const char *type = json_string_value(json_object_get(entry, "type"));
    AUTO_FREE char *whole = file ? fs_join(r->dir, file) : NULL;
    AUTO_BUF struct buf body = {0};
    struct http_given given = {
        .method = json_string_value(json_object_get(entry, "method")),
        .content_type = header(entry, "Content-Type"),
        .accept = header(entry, "Accept"),
        .stream_id = header(entry, "Mesos-Stream-Id"),
    };
    struct answer *answer;

    if (!r->master || !path || !was_answered(r, entry))
        return;
    answer = answer_of(r, json_integer_value(json_object_get(entry, "n")));
    if (whole)
        cr_assert(fs_read(whole, 1 << 24, &body, NULL) == 0, "%s", whole);
    given.body = buf_text(&body);
    given.body_len = body.len;
    if (str_eq(path, "/api/v1/scheduler") ||
        str_eq(path, "/master/api/v1/scheduler"))
        scheduler_call(r, entry, &given, answer);
    else if (str_eq(path, "/api/v1") && str_eq(given.method, "POST") &&
             !str_starts(str_or_empty(type), "GET_"))
        operator_call(r, &given, answer);
    r->result->cut_short = answer->reply.status == 501;
    replay_drain(r);
}

static void check_reply(struct replay *r, json_t *entry)
{
    int64_t n = json_integer_value(json_object_get(entry, "n"));
    int status = (int)json_integer_value(json_object_get(entry, "status"));
    json_t *body = json_object_get(entry, "body");
    const struct answer *answer = NULL;
    AUTO_FREE char *ours = NULL;

    for (size_t i = 0; i < r->n_answers; i++) {
        if (r->answers[i].n == n)
            answer = &r->answers[i];
    }
    if (!answer || !answer->reply.status || !status)
        return;
    r->result->replies++;
    ours = unmap_text(r, answer->reply.text);
    if (answer->reply.status != status)
        wrong(r, "call %" PRId64 ": replied %d '%s', recorded %d", n,
              answer->reply.status, ours, status);
    else if (status >= 400 && json_is_string(body) &&
             !str_eq(json_string_value(body), ours) &&
             !str_starts(json_string_value(body), "Failed to parse body into "
                                                  "JSON") &&
             !str_starts(json_string_value(body), "Failed to convert JSON"))
        wrong(r, "call %" PRId64 ": replied '%s', recorded '%s'", n, ours,
              json_string_value(body));
}

/* ---- offers ---- */

static bool same_resources(const Mesos__V1__Offer *a, const Mesos__V1__Offer *b)
{
    AUTO(resources)
    struct resources *x = resources_from(a->resources, a->n_resources);
    AUTO(resources)
    struct resources *y = resources_from(b->resources, b->n_resources);

    return resources_equal(x, y);
}

static bool same_executors(const Mesos__V1__Offer *a, const Mesos__V1__Offer *b)
{
    size_t found = 0;

    for (size_t i = 0; i < a->n_executor_ids; i++) {
        for (size_t k = 0; k < b->n_executor_ids; k++)
            found +=
                str_eq(a->executor_ids[i]->value, b->executor_ids[k]->value);
    }
    return a->n_executor_ids == b->n_executor_ids && found == a->n_executor_ids;
}

static bool same_unavailability(const Mesos__V1__Unavailability *a,
                                const Mesos__V1__Unavailability *b)
{
    return !a == !b && (!a || (a->start->nanoseconds == b->start->nanoseconds &&
                               !a->duration == !b->duration &&
                               (!a->duration || a->duration->nanoseconds ==
                                                    b->duration->nanoseconds)));
}

static const char *role_of(const Mesos__V1__Offer *offer)
{
    return offer->allocation_info ? offer->allocation_info->role : "";
}

static struct got_offer *match_offer(struct replay *r, uint64_t stream,
                                     const Mesos__V1__Offer *want)
{
    for (size_t i = 0; i < r->n_offers; i++) {
        struct got_offer *got = &r->offers[i];

        if (!got->recorded && got->stream == stream &&
            str_eq(got->offer->agent_id->value, want->agent_id->value) &&
            str_eq(role_of(got->offer), role_of(want)) &&
            same_unavailability(got->offer->unavailability,
                                want->unavailability) &&
            same_resources(got->offer, want))
            return got;
    }
    return NULL;
}

static char *offer_text(const Mesos__V1__Offer *offer)
{
    AUTO(resources)
    struct resources *x = resources_from(offer->resources, offer->n_resources);
    AUTO_FREE char *text = NULL;

    resources_allocate(x, NULL);
    text = resources_text(x);
    return xasprintf("%s %s [%s]", offer->agent_id->value + 34, role_of(offer),
                     text);
}

/* Offers of that agent that the recording does not know are taken back. */
static void withdraw_unmatched(struct replay *r, uint64_t stream,
                               const char *agent)
{
    for (size_t i = 0; i < r->n_offers; i++) {
        struct got_offer *got = &r->offers[i];
        struct moffer *offer = find_offer(r->master, got->offer->id->value);

        if (got->recorded || got->stream != stream || !offer ||
            !str_eq(offer->agent->id, agent))
            continue;
        offer_withdraw(r->master, offer, false);
        got->recorded = xstrdup("");
    }
}

/* Which role and which agent come first is drawn by lot: ours is drawn again
 * the way it was recorded. */
static void draw_as_recorded(struct replay *r, uint64_t stream,
                             const Mesos__V1__Offer *want)
{
    struct framework *fw = find_framework(r->master, want->framework_id->value);
    struct magent *agent, *next;
    bool suppressed[8], deactivated[8];
    size_t n = 0;

    withdraw_unmatched(r, stream, want->agent_id->value);
    for (size_t i = 0; fw && i < fw->n_roles && i < 8; i++) {
        suppressed[i] = fw->roles[i].suppressed;
        fw->roles[i].suppressed |= !str_eq(fw->roles[i].name, role_of(want));
    }
    HASH_ITER(hh, r->master->agents, agent, next)
    {
        deactivated[n++] = agent->deactivated;
        agent->deactivated |= !str_eq(agent->id, want->agent_id->value);
    }
    run_allocation(r);
    n = 0;
    HASH_ITER(hh, r->master->agents, agent, next)
    agent->deactivated = deactivated[n++];
    for (size_t i = 0; fw && i < fw->n_roles && i < 8; i++)
        fw->roles[i].suppressed = suppressed[i];
}

static bool take_offer(struct replay *r, uint64_t stream,
                       const Mesos__V1__Offer *want)
{
    struct got_offer *got = match_offer(r, stream, want);

    if (!got && *role_of(want)) {
        draw_as_recorded(r, stream, want);
        got = match_offer(r, stream, want);
        if (!got)
            withdraw_unmatched(r, stream, want->agent_id->value);
    }
    if (!got)
        return false;
    got->recorded = xstrdup(want->id->value);
    if (!same_executors(got->offer, want))
        wrong(r, "offer %s: other executor ids", want->id->value + 34);
    return true;
}

static void expect_late_offer(struct replay *r, uint64_t stream,
                              const Mesos__V1__Offer *want)
{
    AUTO_FREE char *text = NULL;

    for (int i = 0; i < SLACK_MS / STEP_MS; i++) {
        advance(r, r->now_ms + STEP_MS);
        run_allocation(r);
        if (take_offer(r, stream, want))
            return;
    }
    text = offer_text(want);
    wrong(r, "no offer %s %s", want->id->value + 34, text);
}

/* Twice: what one role gets may depend on what another one got before. */
static void expect_offers(struct replay *r, uint64_t stream,
                          const Mesos__V1__Scheduler__Event__Offers *offers)
{
    bool *taken = xcalloc(offers->n_offers + 1, sizeof *taken);

    for (size_t i = 0; i < offers->n_offers; i++)
        replay_agent_needed(r, offers->offers[i]->agent_id->value,
                            offers->offers[i]);
    for (size_t i = 0; i < offers->n_offers; i++)
        taken[i] = take_offer(r, stream, offers->offers[i]);
    for (size_t i = 0; i < offers->n_offers; i++) {
        if (!taken[i] && !take_offer(r, stream, offers->offers[i]))
            expect_late_offer(r, stream, offers->offers[i]);
    }
    free(taken);
}

static void report_surplus(struct replay *r, uint64_t stream)
{
    for (size_t i = 0; i < r->n_offers; i++) {
        AUTO_FREE char *text = NULL;

        if (r->offers[i].recorded || r->offers[i].stream != stream)
            continue;
        text = offer_text(r->offers[i].offer);
        wrong(r, "offer not recorded: %s", text);
        r->offers[i].recorded = xstrdup("");
    }
}

/* Offers may be spread over events that follow each other at once. */
static bool more_offers_follow(const struct replay *r, uint64_t stream)
{
    json_t *here = r->entries[r->at], *e;
    double t = json_number_value(json_object_get(here, "t_ms"));

    for (size_t i = r->at + 1; i < r->n_entries; i++) {
        e = r->entries[i];
        if (json_number_value(json_object_get(e, "t_ms")) > t + 3)
            return false;
        if (str_eq(json_string_value(json_object_get(e, "dir")), "event") &&
            (uint64_t)json_integer_value(json_object_get(e, "stream")) ==
                stream)
            return str_eq(json_string_value(json_object_get(e, "type")),
                          "OFFERS");
    }
    return false;
}

/* ---- inverse offers ---- */

static bool take_inverse(struct replay *r, uint64_t stream,
                         const Mesos__V1__InverseOffer *want)
{
    for (size_t i = 0; i < r->n_inverses; i++) {
        struct got_inverse *got = &r->inverses[i];

        if (got->recorded || got->stream != stream ||
            !str_eq(got->offer->agent_id->value, want->agent_id->value) ||
            !str_eq(got->offer->url->address->hostname,
                    want->url->address->hostname) ||
            got->offer->url->address->port != want->url->address->port ||
            !same_unavailability(got->offer->unavailability,
                                 want->unavailability))
            continue;
        got->recorded = xstrdup(want->id->value);
        return true;
    }
    return false;
}

static void
expect_inverses(struct replay *r, uint64_t stream,
                const Mesos__V1__Scheduler__Event__InverseOffers *all)
{
    run_allocation(r);
    for (size_t i = 0; i < all->n_inverse_offers; i++) {
        bool found = take_inverse(r, stream, all->inverse_offers[i]);

        for (int k = 0; !found && k < SLACK_MS / STEP_MS; k++) {
            advance(r, r->now_ms + STEP_MS);
            run_allocation(r);
            found = take_inverse(r, stream, all->inverse_offers[i]);
        }
        if (!found)
            wrong(r, "no inverse offer %s",
                  all->inverse_offers[i]->id->value + 34);
    }
}

/* ---- events ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lists of resources in a text are in no special order: its parts are sorted.
 */
static char *sorted(char *text)
{
    char *parts[256], *rest = NULL;
    struct buf out = {0};
    size_t count = 0;

    if (!strstr(text, "; "))
        return text;
    for (char *p = strtok_r(text, "; ", &rest); p && count < 256;
         p = strtok_r(NULL, "; ", &rest))
        parts[count++] = p;
    qsort(parts, count, sizeof *parts, by_text);
    for (size_t i = 0; i < count; i++)
        buf_addf(&out, "%s ", parts[i]);
    free(text);
    return buf_take(&out, NULL);
}

/* What must be equal, as text. */
static char *event_text(const struct replay *r,
                        const Mesos__V1__Scheduler__Event *e, bool ours)
{
    const Mesos__V1__TaskStatus *s;
    const Mesos__V1__OperationStatus *o;
    AUTO_FREE char *message = NULL;

    switch ((int)e->type) {
    case EVENT(SUBSCRIBED):
        return xasprintf("SUBSCRIBED %s", e->subscribed->framework_id->value);
    case EVENT(RESCIND):
        message = ours ? unmap_text(r, e->rescind->offer_id->value)
                       : xstrdup(e->rescind->offer_id->value);
        return xasprintf("RESCIND %s", message);
    case EVENT(RESCIND_INVERSE_OFFER):
        message =
            unmap_text(r, e->rescind_inverse_offer->inverse_offer_id->value);
        return xasprintf(
            "RESCIND_INVERSE_OFFER %s",
            ours ? message : e->rescind_inverse_offer->inverse_offer_id->value);
    case EVENT(ERROR):
        return xasprintf("ERROR %s", e->error->message);
    case EVENT(FAILURE):
        return xasprintf("FAILURE %s %s %d", ID_OF(e->failure->agent_id),
                         ID_OF(e->failure->executor_id), e->failure->status);
    case EVENT(UPDATE):
        s = e->update->status;
        message = ours ? unmap_text(r, s->message)
                       : xstrdup(str_or_empty(s->message));
        return xasprintf(
            "UPDATE %s %s %s %s agent=%s executor=%s uuid=%d healthy=%d "
            "container=%d check=%d unreachable=%d '%s'",
            s->task_id->value, task_state_name((int)s->state),
            task_source_name((int)s->source),
            s->has_reason ? task_reason_name((int)s->reason) : "-",
            ID_OF(s->agent_id), ID_OF(s->executor_id), s->has_uuid,
            s->has_healthy ? s->healthy : -1, s->container_status != NULL,
            s->check_status != NULL, s->unreachable_time != NULL,
            message = sorted(MOVE(message)));
    case EVENT(UPDATE_OPERATION_STATUS):
        o = e->update_operation_status->status;
        message = ours ? unmap_text(r, o->message)
                       : xstrdup(str_or_empty(o->message));
        return xasprintf("OPERATION %s %s uuid=%d agent=%s '%s'",
                         ID_OF(o->operation_id),
                         operation_state_name((int)o->state), o->uuid != NULL,
                         ID_OF(o->agent_id), message = sorted(MOVE(message)));
    default:
        return xasprintf("event %d", (int)e->type);
    }
}

/* The first got event of that stream with the text; skipping other types is
 * reported. */
static bool take_event(struct replay *r, uint64_t stream, const char *want,
                       int type)
{
    const char *skipped = NULL;

    for (size_t i = 0; i < r->n_got; i++) {
        AUTO_FREE char *text = NULL;

        if (r->got[i].taken || r->got[i].stream != stream)
            continue;
        text = event_text(r, r->got[i].event, true);
        if (str_eq(text, want)) {
            r->got[i].taken = true;
            if (skipped && !r->is_unordered)
                wrong(r, "out of order: %s", want);
            return true;
        }
        if ((int)r->got[i].event->type != type)
            skipped = "";
    }
    return false;
}

static void report_missing(struct replay *r, uint64_t stream, const char *want)
{
    wrong(r, "want %s", want);
    for (size_t i = 0; i < r->n_got; i++) {
        AUTO_FREE char *text = NULL;

        if (r->got[i].taken || r->got[i].stream != stream)
            continue;
        text = event_text(r, r->got[i].event, true);
        wrong(r, " got %s", text);
        r->got[i].taken = true;
        return;
    }
}

static void expect_event(struct replay *r, json_t *entry)
{
    uint64_t stream =
        (uint64_t)json_integer_value(json_object_get(entry, "stream"));
    struct err err;
    AUTO_MESSAGE Mesos__V1__Scheduler__Event *want =
        (void *)wire_from_json(&mesos__v1__scheduler__event__descriptor,
                               json_object_get(entry, "json"), &err);
    AUTO_FREE char *text = NULL;
    bool found;

    cr_assert(want, "%s", err.text);
    if (!r->master || want->type == EVENT(HEARTBEAT))
        return;
    r->result->events++;
    if (want->type == EVENT(OFFERS)) {
        expect_offers(r, stream, want->offers);
        run_allocation(r);
        if (!more_offers_follow(r, stream))
            report_surplus(r, stream);
        return;
    }
    if (want->type == EVENT(INVERSE_OFFERS)) {
        expect_inverses(r, stream, want->inverse_offers);
        return;
    }
    replay_agent_speaks(r, want);
    text = event_text(r, want, false);
    found = take_event(r, stream, text, (int)want->type);
    for (int i = 0; !found && i < SLACK_MS / STEP_MS; i++) {
        advance(r, r->now_ms + STEP_MS);
        found = take_event(r, stream, text, (int)want->type);
    }
    if (!found)
        report_missing(r, stream, text);
}

/* ---- notes ---- */

static void start_master(struct replay *r)
{
    struct master_config config = {
        .id = replay_master_id(r),
        .hostname = "127.0.0.1",
        .ip = "127.0.0.1",
        .port = 16050,
        .allocation_interval_ms = 200,
        .agent_ping_timeout_ms = 2000,
        .max_agent_ping_timeouts = 3,
        .offer_timeout_ms = strstr(r->dir, "07b-") ? 3000 : 0,
        .new_uuid = replay_uuid,
        .new_uuid_self = r,
    };

    r->master = master_new(&config, r->registry);
    PB_FREE(r->registry);
    replay_sync(r);
}

static void kill_master(struct replay *r)
{
    if (!r->master)
        return;
    r->registry = master_registry(r->master);
    master_destroy(&r->master);
    replay_agents_unlink(r);
    for (size_t i = 0; i < r->n_got; i++)
        r->got[i].taken = true;
    for (size_t i = 0; i < r->n_offers; i++) {
        if (!r->offers[i].recorded)
            r->offers[i].recorded = xstrdup("");
    }
}

static void do_cluster(struct replay *r, const char *body)
{
    unsigned n;

    if (str_eq(body, "begin: kill-master"))
        kill_master(r);
    else if (str_eq(body, "begin: start-master"))
        kill_master(r);
    else if (sscanf(body, "begin: kill-agent %u", &n) == 1)
        replay_agent_kill(r, n);
    else if (sscanf(body, "begin: stop-agent %u", &n) == 1)
        replay_agent_unregister(r, n);
    else if (sscanf(body, "begin: reset-agent %u", &n) == 1)
        replay_agent_reset(r, n);
    if (str_eq(body, "begin: start-master"))
        start_master(r);
}

static void do_note(struct replay *r, json_t *entry)
{
    const char *type = json_string_value(json_object_get(entry, "type"));
    const char *body =
        str_or_empty(json_string_value(json_object_get(entry, "body")));
    uint64_t stream =
        (uint64_t)json_integer_value(json_object_get(entry, "stream"));

    if (str_eq(type, "CLUSTER")) {
        do_cluster(r, body);
    } else if (str_eq(type, "EOF") && str_eq(body, "closed by us") &&
               r->master) {
        replay_sync(r);
        master_stream_closed(r->master, stream);
        replay_drain(r);
    } else if (str_eq(type, "EOF") && str_eq(body, "final zero chunk") &&
               r->master && !take_event(r, stream, "event 0", 0)) {
        wrong(r, "stream %" PRIu64 " is not closed", stream);
    } else if (str_eq(type, "EOF") && str_starts(body, "connection closed")) {
        kill_master(r);
    }
}

/* ---- the whole ---- */

static void load(struct replay *r)
{
    AUTO_FREE char *path = fs_join(r->dir, "timeline.jsonl");
    AUTO_BUF struct buf text = {0};
    char *line, *rest = NULL;

    cr_assert(fs_read(path, 1 << 26, &text, NULL) == 0, "%s", path);
    for (line = strtok_r(text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *entry = json_loads(line, 0, NULL);

        cr_assert(entry, "%s", line);
        PB_ADD(r, entries, entry);
    }
}

static void unload(struct replay *r)
{
    for (size_t i = 0; i < r->n_entries; i++)
        json_decref(r->entries[i]);
    for (size_t i = 0; i < r->n_got; i++)
        PB_FREE(r->got[i].event);
    for (size_t i = 0; i < r->n_offers; i++) {
        PB_FREE(r->offers[i].offer);
        free(r->offers[i].recorded);
    }
    for (size_t i = 0; i < r->n_inverses; i++) {
        PB_FREE(r->inverses[i].offer);
        free(r->inverses[i].recorded);
    }
    free(r->inverses);
    free(r->entries);
    free(r->got);
    free(r->offers);
    free(r->answers);
    PB_FREE(r->registry);
    master_destroy(&r->master);
    replay_agents_free(r);
}

void replay(const char *dir, struct replay_result *result)
{
    struct replay r = {.dir = dir, .result = result, .now_ms = START_MS};

    memset(result, 0, sizeof *result);
    load(&r);
    replay_scan(&r);
    start_master(&r);
    replay_agents_first(&r);
    for (r.at = 0; r.at < r.n_entries && !result->cut_short; r.at++) {
        json_t *entry = r.entries[r.at];
        const char *what = json_string_value(json_object_get(entry, "dir"));
        int64_t t = (int64_t)json_number_value(json_object_get(entry, "t_ms"));

        advance(&r, START_MS + t);
        if (str_eq(what, "call"))
            do_call(&r, entry);
        else if (str_eq(what, "reply"))
            check_reply(&r, entry);
        else if (str_eq(what, "event"))
            expect_event(&r, entry);
        else
            do_note(&r, entry);
    }
    for (size_t i = 0; i < r.n_got && !result->cut_short; i++) {
        AUTO_FREE char *text = event_text(&r, r.got[i].event, true);

        if (!r.got[i].taken)
            wrong(&r, "event not recorded: %s", text);
    }
    for (size_t i = 0; i < r.n_inverses && !result->cut_short; i++) {
        if (!r.inverses[i].recorded)
            wrong(&r, "inverse offer not recorded: %s",
                  r.inverses[i].offer->agent_id->value);
    }
    unload(&r);
}
