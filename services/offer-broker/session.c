/* SPDX-License-Identifier: Apache-2.0 */
/* session - the subscription: connect, listen, notice its end, connect again
 *
 * The states are a table in session_state.c; here is what each action does.
 * The first SUBSCRIBE of a service has no id, and the master makes a new
 * framework for each such call: when its answer is lost, trying again is all
 * that is left, and it is logged, because an empty framework may stay behind.
 */
#include "services/offer-broker/session.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/http/recordio.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/spec/spec.h"
#include "services/offer-broker/auth.h"
#include "services/offer-broker/fresh.h"
#include "services/offer-broker/survey.h"
#include "services/offer-broker/zk_leader.h"

#define MAX_OFFERS       100000
#define MAX_RECORD_BYTES (64u << 20)
#define MAX_REDIRECTS    5
#define ERROR_AGAIN_MS   60000
#define PASS_REST_FACTOR 2 /* passes take a third of the time at most */

/* One open SUBSCRIBE.  Ended streams are freed at the next turn of the loop:
 * the end is often noticed inside of its own callback. */
struct stream {
    struct session *session;
    struct http_request *request;
    struct recordio *recordio;
    bool is_dead;
    uint64_t reap_id;
    struct stream *next_dead;
};

static void on_pod(void *self, const char *instance,
                   const Reeve__PodRecord *before,
                   const Reeve__PodRecord *after)
{
    struct session *s = self;

    janitor_learn_pod(s->janitor, instance, before, after);
}

static void on_release(void *self, const char *resource_id, bool is_ordered)
{
    struct session *s = self;

    janitor_learn_release(s->janitor, resource_id, is_ordered);
}

/* ---- life --------------------------------------------------------- */
struct session *session_new(struct broker *broker, const char *key)
{
    struct session *s = xcalloc(1, sizeof(*s));

    s->broker = broker;
    s->key = xstrdup(key);
    s->facts = facts_new(key);
    s->masters = broker->zk ? master_list_new()
                            : master_list_parse(broker->masters, NULL);
    ASSERT(s->masters);
    if (broker->leader)
        master_list_follow(s->masters, broker->leader);
    s->offers = offer_book_new(MAX_OFFERS);
    s->offer_log = offer_log_new();
    s->reconcile = reconcile_new();
    s->kills = kill_book_new();
    s->janitor = janitor_new();
    s->resizes = resize_book_new();
    s->outbox = outbox_new(s);
    s->statuses = statuses_new(s);
    s->launches = launches_new(s);
    s->outcomes = outcomes_new(s);
    s->survey = survey_new(s);
    s->notes = notes_new(s);
    s->fresh = fresh_new(s);
    facts_watch_pods(s->facts, on_pod, s);
    facts_watch_releases(s->facts, on_release, s);
    return s;
}

static void free_stream(struct stream *stream)
{
    http_request_cancel(&stream->request);
    recordio_destroy(&stream->recordio);
    free(stream);
}

static void reap(void *self)
{
    free_stream(self);
}

static void close_stream(struct session *s)
{
    struct stream *stream = MOVE(s->stream);

    if (!stream)
        return;
    stream->is_dead = true;
    stream->session = NULL;
    loop_soon(s->broker->loop, reap, stream);
}

void session_destroy(struct session **session)
{
    struct session *s = *session;

    if (!s)
        return;
    loop_timer_cancel(s->broker->loop, s->backoff_id);
    loop_timer_cancel(s->broker->loop, s->pass_id);
    if (s->stream)
        free_stream(MOVE(s->stream));
    fresh_destroy(&s->fresh);
    launches_destroy(&s->launches);
    statuses_destroy(&s->statuses);
    outcomes_destroy(&s->outcomes);
    survey_destroy(&s->survey);
    notes_destroy(&s->notes);
    outbox_destroy(&s->outbox);
    janitor_destroy(&s->janitor);
    resize_book_destroy(&s->resizes);
    kill_book_destroy(&s->kills);
    reconcile_destroy(&s->reconcile);
    offer_book_destroy(&s->offers);
    offer_log_destroy(&s->offer_log);
    master_list_destroy(&s->masters);
    facts_destroy(&s->facts);
    buf_free(&s->info);
    free(s->stream_id);
    free(s->framework_id);
    free(s->master_id);
    free(s->master_text);
    free(s->local_region);
    free(s->key);
    free(s);
    *session = NULL;
}

/* ---- who we are --------------------------------------------------- */
const Reeve__ServiceSpec *session_spec(const struct session *s)
{
    const Reeve__Config *config = facts_target_config(s->facts);

    return config ? config->spec : NULL;
}

static void add_role(char ***roles, size_t *count, const char *role)
{
    for (size_t i = 0; i < *count; i++)
        if (str_eq((*roles)[i], role))
            return;
    PB_PUSH(*roles, *count, xstrdup(role));
}

/* The service's and those of its pods; never fewer than before: what is
 * reserved for a role can be given back only in it. */
static void collect_roles(const struct session *s, char ***roles, size_t *count)
{
    const Reeve__Framework *stored = facts_framework(s->facts, NULL);
    const Reeve__ServiceSpec *spec = session_spec(s);

    add_role(roles, count, str_or_empty(spec->role));
    for (size_t i = 0; i < spec->n_pods; i++) {
        AUTO_FREE char *role = spec_pod_role(spec, spec->pods[i]);

        add_role(roles, count, role);
    }
    for (size_t i = 0; stored && i < stored->n_roles; i++)
        add_role(roles, count, stored->roles[i]);
}

char *session_authorization(const struct session *s)
{
    const Reeve__ServiceSpec *spec = session_spec(s);

    return auth_header(s->broker->auth, spec ? spec->principal : NULL);
}

static void add_capability(Mesos__V1__FrameworkInfo *info, int type)
{
    Mesos__V1__FrameworkInfo__Capability *capability;

    capability = PB_NEW(mesos__v1__framework_info__capability);
    PB_SET(capability, type, (Mesos__V1__FrameworkInfo__Capability__Type)type);
    PB_ADD(info, capabilities, capability);
}

static bool wants_gpus(const Reeve__ServiceSpec *spec)
{
    for (size_t i = 0; i < spec->n_pods; i++)
        for (size_t k = 0; k < spec->pods[i]->n_resource_sets; k++)
            if (spec->pods[i]->resource_sets[k]->gpu_milli > 0)
                return true;
    return false;
}

/* Asked once: it is looked up in files. */
static const char *own_user(void)
{
    static char name[256];
    const struct passwd *pw;

    if (!*name) {
        pw = getpwuid(geteuid());
        snprintf(name, sizeof(name), "%s",
                 pw && pw->pw_name ? pw->pw_name : "root");
    }
    return name;
}

/* The framework's id as stored; NULL before the first subscription. */
static const char *stored_id(const struct session *s)
{
    const Reeve__Framework *framework = facts_framework(s->facts, NULL);

    return framework && *str_or_empty(framework->framework_id)
               ? framework->framework_id
               : NULL;
}

/* Without the id, which only the master gives. */
static Mesos__V1__FrameworkInfo *framework_info(const struct session *s)
{
    static const int capabilities[] = {
        MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE,
        MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE,
        MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
        MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__TASK_KILLING_STATE,
        MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__REGION_AWARE,
    };
    const Reeve__ServiceSpec *spec = session_spec(s);
    Mesos__V1__FrameworkInfo *info;

    info = PB_NEW(mesos__v1__framework_info);
    info->user = xstrdup(*str_or_empty(spec->user) ? spec->user : own_user());
    info->name = xstrdup(spec->name);
    PB_SET(info, failover_timeout, s->broker->failover_timeout_s);
    PB_SET(info, checkpoint, true);
    collect_roles(s, &info->roles, &info->n_roles);
    if (*str_or_empty(spec->principal))
        info->principal = xstrdup(spec->principal);
    if (*s->broker->webui_url)
        info->webui_url = xstrdup(s->broker->webui_url);
    else if (*str_or_empty(spec->web_url))
        info->webui_url = xstrdup(spec->web_url);
    if (*s->broker->hostname)
        info->hostname = xstrdup(s->broker->hostname);
    if (s->broker->labels)
        info->labels = PB_DUP(s->broker->labels);
    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
        add_capability(info, capabilities[i]);
    if (wants_gpus(spec))
        add_capability(
            info, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__GPU_RESOURCES);
    return info;
}

/* ---- the stream --------------------------------------------------- */
static void on_head(void *self, const struct http_answer *head)
{
    struct stream *stream = self;
    struct session *s = stream->session;

    if (stream->is_dead || head->status != 200)
        return;
    free(s->stream_id);
    s->stream_id = xstrdup(str_or_empty(head->stream_id));
    s->last_event_ms = clock_mono_ms();
}

static int on_record(void *self, const uint8_t *record, size_t len)
{
    struct stream *stream = self;
    struct session *s = stream->session;
    struct err err = {0};

    s->last_event_ms = clock_mono_ms();
    if (events_handle(s, record, len, &err) < 0) {
        s->counts.odd++;
        log_odd("event_garbage", "service=%s len=%zu why=%s", s->key, len,
                log_q(err.text));
    }
    return stream->is_dead;
}

static void on_data(void *self, const void *data, size_t len)
{
    struct stream *stream = self;
    struct session *s = stream->session;
    struct err err = {0};

    if (stream->is_dead)
        return;
    if (recordio_feed(stream->recordio, data, len, on_record, stream, &err) <
            0 &&
        !stream->is_dead)
        session_broken(s, "the event stream cannot be read: %s", err.text);
}

static void follow_redirect(struct session *s, const char *location)
{
    struct err err = {0};

    if (master_list_redirect(s->masters, location, &err) < 0) {
        session_broken(s, "redirected to %s: %s", str_or_empty(location),
                       err.text);
        return;
    }
    log_info("redirected", "service=%s to=%s", s->key,
             master_list_current(s->masters));
    /* Two masters that point at each other must not make a tight loop. */
    if (++s->failures > MAX_REDIRECTS)
        session_broken(s, "redirected too often, last to %s",
                       master_list_current(s->masters));
    else
        session_event(s, SESSION_REDIRECTED);
}

static void on_done(void *self, const struct http_answer *answer)
{
    struct stream *stream = self;
    struct session *s = stream->session;
    const char *master;
    AUTO_FREE char *body = NULL;

    stream->request = NULL; /* over: nothing to cancel */
    if (stream->is_dead)
        return;
    master = master_list_current(s->masters);
    if (answer->status == 307) {
        follow_redirect(s, answer->location);
        return;
    }
    if (answer->status == 401)
        auth_refused(s->broker->auth);
    if (s->state == SESSION_CONNECTING && !stored_id(s) &&
        answer->status != 401 && answer->status != 503 && answer->status != 404)
        log_odd("first_subscribe_unanswered", "service=%s why=%s", s->key,
                "\"a framework without tasks may have been made; trying "
                "again\"");
    body = xstrndup(str_or_empty(answer->body), MIN(answer->body_len, 200));
    if (answer->status == 200 && !answer->err.code)
        session_broken(s, "%s ended the event stream", master);
    else if (answer->err.code)
        session_broken(s, "%s: %.200s", master, answer->err.text);
    else
        session_broken(s, "%s answered %d %s", master, answer->status, body);
}

static void subscribe(struct session *s)
{
    static const struct http_stream_events events = {on_head, on_data, on_done};
    AUTO_FREE char *authorization = session_authorization(s);
    const char *const headers[] = {"Content-Type: application/x-protobuf",
                                   "Accept: application/x-protobuf",
                                   authorization, NULL};
    AUTO_MESSAGE Mesos__V1__Scheduler__Call *call =
        outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE);
    AUTO_BUF struct buf body = {0};
    AUTO_FREE char *url =
        xasprintf("%s/api/v1/scheduler", master_list_current(s->masters));
    struct stream *stream = xcalloc(1, sizeof(*stream));

    call->subscribe = PB_NEW(mesos__v1__scheduler__call__subscribe);
    call->subscribe->framework_info = framework_info(s);
    buf_clear(&s->info);
    wire_encode(&call->subscribe->framework_info->base, &s->info);
    if (stored_id(s)) {
        call->framework_id = pb_framework_id(stored_id(s));
        call->subscribe->framework_info->id = pb_framework_id(stored_id(s));
    }
    wire_encode(&call->base, &body);
    stream->session = s;
    stream->recordio = recordio_new(MAX_RECORD_BYTES);
    s->stream = stream;
    s->last_event_ms = clock_mono_ms();
    s->heartbeat_s = 0;
    log_info("subscribing", "service=%s master=%s framework=%s", s->key,
             master_list_current(s->masters),
             stored_id(s) ? stored_id(s) : "new");
    struct http_call http = {.method = "POST",
                             .url = url,
                             .headers = headers,
                             .body = body.data,
                             .body_len = body.len};
    auth_trust(s->broker->auth, &http);
    stream->request =
        http_client_stream(s->broker->http, &http, &events, stream);
}

/* ---- identity ----------------------------------------------------- */
struct naming {
    struct session *session;
    struct stream *stream; /* the subscription that it is for */
    char *key;
    struct buf value;
};

static void on_named(void *self, const struct txn_result *result)
{
    struct naming *naming = self;
    struct session *s = naming->session;
    struct stream *stream = naming->stream;

    if (result->err.code == ERR_NONE)
        facts_apply(s->facts, naming->key, naming->value.data,
                    naming->value.len, result->revision, NULL);
    free(naming->key);
    buf_free(&naming->value);
    free(naming);
    if (s->stream != stream || s->state != SESSION_NAMING)
        return;
    if (result->err.code == ERR_NONE) {
        s->named_revision = result->revision;
        broker_wake(s->broker);
        return;
    }
    session_broken(s, "the framework's id could not be stored: %s",
                   result->err.text);
    if (result->err.code == ERR_FENCED)
        broker_fenced(s->broker);
}

size_t session_strange(const struct session *s)
{
    const Reeve__Framework *framework = facts_framework(s->facts, NULL);
    AUTO_BUF struct buf ignored = {0};
    size_t tasks = janitor_knows_pods(s->janitor)
                       ? 0
                       : statuses_unknown(s->statuses, &ignored);

    return framework && framework->foreign_ignored
               ? 0
               : janitor_strange(s->janitor) + tasks;
}

static Reeve__Framework *framework_record(const struct session *s)
{
    const Reeve__Framework *stored = facts_framework(s->facts, NULL);
    const Reeve__ServiceSpec *spec = session_spec(s);
    Reeve__Framework *record;

    record = PB_NEW(reeve__framework);
    record->framework_id = xstrdup(s->framework_id);
    record->name = xstrdup(spec->name);
    collect_roles(s, &record->roles, &record->n_roles);
    PB_STR(record, principal, spec->principal);
    PB_STR(record, user, *str_or_empty(spec->user) ? spec->user : own_user());
    record->master = xstrdup(s->master_text);
    record->master_id = xstrdup(s->master_id);
    PB_SET(record, registered_wall_ms, clock_wall_ms());
    if (stored && stored->foreign_ignored)
        PB_SET(record, foreign_ignored, true);
    return record;
}

static void put_framework(struct session *s, const Reeve__Framework *record)
{
    struct txn *txn = txn_new();
    struct naming *naming = xcalloc(1, sizeof(*naming));
    uint64_t revision;

    facts_framework(s->facts, &revision);
    naming->session = s;
    naming->stream = s->stream;
    naming->key = facts_key(s->facts, "framework");
    wire_encode(&record->base, &naming->value);
    txn_require(txn, naming->key, revision);
    txn_put_bytes(txn, naming->key, naming->value.data, naming->value.len);
    store_client_commit(s->broker->store, &txn, on_named, naming);
}

/* The record is the operator's to see; it goes with the first subscription. */
void session_hinder(struct session *s, const char *why, const char *confirm)
{
    const Reeve__Framework *stored = facts_framework(s->facts, NULL);
    AUTO_MESSAGE Reeve__Framework *record = NULL;

    if (stored && str_eq(stored->hindrance, why))
        return;
    log_odd("not_registered", "service=%s why=%s", s->key, log_q(why));
    record =
        stored ? WIRE_DUP(reeve__framework, stored) : PB_NEW(reeve__framework);
    PB_STR(record, hindrance, why);
    PB_STR(record, hindrance_confirm, confirm);
    put_framework(s, record);
}

static void store_identity(struct session *s)
{
    AUTO_MESSAGE Reeve__Framework *record = NULL;

    if (!session_spec(s)) {
        session_broken(s, "the target went away");
        return;
    }
    record = framework_record(s);
    s->is_newborn = !stored_id(s);
    put_framework(s, record);
}

/* The master gave the framework up: remembered, until an operator decides. */
static void store_error(struct session *s)
{
    const Reeve__Framework *framework = facts_framework(s->facts, NULL);
    AUTO_MESSAGE Reeve__Framework *record =
        framework ? WIRE_DUP(reeve__framework, framework) : NULL;

    if (!record || str_eq(record->error, s->problem))
        return;
    PB_STR(record, error, s->problem);
    put_framework(s, record);
}

/* ---- actions ------------------------------------------------------ */
/* Whatever belongs to a subscription ends with it. */
static void forget_subscription(struct session *s)
{
    close_stream(s);
    s->named_revision = 0;
    outbox_reset(s->outbox);
    offer_book_clear(s->offers);
    notes_forget_offers(s->notes);
    reconcile_stop(s->reconcile);
}

static void connect_now(void *self)
{
    struct session *s = self;

    s->backoff_id = 0;
    session_event(s, SESSION_TIMER);
}

static void wait_and_retry(struct session *s)
{
    uint8_t bytes[16];
    int64_t pause;

    uuid_new_bytes(bytes);
    pause = session_backoff_ms(s->failures++, bytes[0] / 255.0);
    log_odd("disconnected", "service=%s why=%s retry_ms=%lld", s->key,
            log_q(s->problem), (long long)pause);
    loop_timer_cancel(s->broker->loop, s->backoff_id);
    s->backoff_id = loop_timer(s->broker->loop, pause, 0, connect_now, s);
}

static void begin(struct session *s)
{
    int64_t now_ms = clock_mono_ms();

    s->failures = 0;
    auth_accepted(s->broker->auth);
    s->problem[0] = '\0';
    s->up_since_wall_ms = clock_wall_ms();
    s->counts.subscriptions++;
    log_info("subscribed", "service=%s framework=%s master=%s", s->key,
             s->framework_id, str_or_empty(s->master_text));
    flow_subscribed(&s->flow, now_ms);
    kill_book_clear(s->kills);
    orders_begin(s);
    fresh_begin(s->fresh, s->is_newborn);
    broker_wake(s->broker);
}

void session_event(struct session *s, enum session_event event)
{
    enum session_action action = session_step(&s->state, event);

    switch (action) {
    case SESSION_NONE:
        break;
    case SESSION_CONNECT:
        forget_subscription(s);
        subscribe(s);
        break;
    case SESSION_STORE:
        store_identity(s);
        break;
    case SESSION_BEGIN:
        begin(s);
        break;
    case SESSION_WAIT:
        forget_subscription(s);
        wait_and_retry(s);
        break;
    case SESSION_CLOSE:
        forget_subscription(s);
        loop_timer_cancel(s->broker->loop, s->backoff_id);
        s->backoff_id = 0;
        if (event == SESSION_GIVEN_UP)
            store_error(s);
        break;
    case SESSION_ODD:
        s->counts.odd++;
        log_odd("session_event_unexpected", "service=%s state=%s event=%d",
                s->key, session_state_name(s->state), (int)event);
        break;
    }
}

void session_broken(struct session *s, const char *fmt, ...)
{
    va_list args;

    if (s->state == SESSION_OFF || s->state == SESSION_FAILED ||
        s->state == SESSION_BACKOFF)
        return;
    va_start(args, fmt);
    vsnprintf(s->problem, sizeof(s->problem), fmt, args);
    va_end(args);
    if (s->state == SESSION_CONNECTING)
        master_list_failed(s->masters);
    session_event(s, SESSION_BROKEN);
}

void session_follow(struct session *s, const char *url)
{
    bool is_same = str_eq(master_list_current(s->masters), url);

    master_list_follow(s->masters, url);
    if (is_same || s->state == SESSION_OFF || s->state == SESSION_FAILED)
        return;
    s->failures = 0;
    if (s->state == SESSION_NAMING || s->state == SESSION_BACKOFF) {
        session_broken(s, "another master leads: %s", url);
        loop_timer_cancel(s->broker->loop, s->backoff_id);
        s->backoff_id = loop_timer(s->broker->loop, session_backoff_ms(0, 0), 0,
                                   connect_now, s);
        return;
    }
    log_info("leader_changed", "service=%s to=%s", s->key, url);
    session_event(s, SESSION_REDIRECTED);
}

/* ---- deciding ----------------------------------------------------- */
/* Refused for its principal, and that is the former one again: no word of an
 * operator is needed beyond this. */
static void forget_error(struct session *s, const Reeve__Framework *framework)
{
    AUTO_MESSAGE Reeve__Framework *record = NULL;

    if (clock_mono_ms() < s->error_again_ms)
        return;
    s->error_again_ms = clock_mono_ms() + ERROR_AGAIN_MS;
    log_info("trying_again", "service=%s after=%s", s->key,
             log_q(framework->error));
    record = WIRE_DUP(reeve__framework, framework);
    PB_STR(record, error, NULL);
    put_framework(s, record);
}

static void explain_error(struct session *s, const Reeve__Framework *framework)
{
    const char *was = str_or_empty(framework->principal);
    const char *is = str_or_empty(session_spec(s)->principal);

    if (session_error_is_removal(framework->error)) {
        snprintf(s->problem, sizeof(s->problem),
                 "%s; its tasks are ended: `reeve state new-framework %s`",
                 framework->error, framework->framework_id);
    } else if (str_eq(was, is)) {
        snprintf(s->problem, sizeof(s->problem), "%s", framework->error);
        forget_error(s, framework);
    } else {
        snprintf(s->problem, sizeof(s->problem),
                 "%s; it was registered with principal '%s', the service now "
                 "says '%s': set it back, then it goes on by itself",
                 framework->error, was, is);
    }
}

static bool may_run(struct session *s)
{
    const Reeve__Framework *framework = facts_framework(s->facts, NULL);
    const char *why;

    if (!s->broker->has_lease || !s->broker->was_alive || !session_spec(s))
        return false;
    if (framework && *str_or_empty(framework->error)) {
        explain_error(s, framework);
        return false;
    }
    if (!auth_is_ready(s->broker->auth, &why)) {
        snprintf(s->problem, sizeof(s->problem), "%s", why);
        return false;
    }
    /* A stream that stands is good whatever ZooKeeper says. */
    if (s->broker->zk && !s->broker->has_leader && s->state != SESSION_UP &&
        s->state != SESSION_NAMING) {
        snprintf(s->problem, sizeof(s->problem),
                 "no leading master is known: %s",
                 zk_leader_state(s->broker->zk));
        return false;
    }
    return s->state != SESSION_OFF || survey_may_register(s->survey);
}

static bool has_changed(const struct session *s)
{
    AUTO_MESSAGE Mesos__V1__FrameworkInfo *info = framework_info(s);
    AUTO_BUF struct buf bytes = {0};

    wire_encode(&info->base, &bytes);
    return bytes.len != s->info.len ||
           memcmp(bytes.data, s->info.data, bytes.len) != 0;
}

static void watch_silence(struct session *s)
{
    int64_t limit = session_silence_ms(s->heartbeat_s);
    int64_t silence = clock_mono_ms() - s->last_event_ms;

    if (s->stream && silence > limit)
        session_broken(s, "%s is silent for %lld s",
                       master_list_current(s->masters),
                       (long long)(silence / 1000));
}

static void revive(struct session *s)
{
    Mesos__V1__Scheduler__Call *call =
        outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__REVIVE);

    call->revive = PB_NEW(mesos__v1__scheduler__call__revive);
    collect_roles(s, &call->revive->roles, &call->revive->n_roles);
    s->counts.revives++;
    outbox_send(s->outbox, call);
}

static void suppress(struct session *s)
{
    Mesos__V1__Scheduler__Call *call =
        outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__SUPPRESS);

    call->suppress = PB_NEW(mesos__v1__scheduler__call__suppress);
    collect_roles(s, &call->suppress->roles, &call->suppress->n_roles);
    s->counts.suppresses++;
    outbox_send(s->outbox, call);
}

static void direct_flow(struct session *s, bool has_work)
{
    switch (flow_decide(&s->flow, has_work, clock_mono_ms())) {
    case FLOW_NOTHING:
        break;
    case FLOW_REVIVE:
        revive(s);
        break;
    case FLOW_SUPPRESS:
        suppress(s);
        break;
    }
}

/* What was given up is freed only where it is offered. */
static bool seeks_abandoned(struct session *s)
{
    bool is_new;
    bool seeks = janitor_seeks(s->janitor, clock_mono_ms(), &is_new);

    if (is_new)
        flow_new_work(&s->flow);
    return seeks;
}

/* Kills, questions, launches, and what nobody needs declined. */
static void pass(struct session *s)
{
    int64_t now_wall_ms = clock_wall_ms();
    struct demand_view *views;
    size_t count;
    bool has_work = false, is_short = false;

    orders_reconcile(s);
    fresh_ask(s->fresh);
    views = demand_book_judge(s->facts, &s->broker->build, now_wall_ms, &count);
    launches_try(s->launches, views, count);
    orders_kill(s, views, count);
    for (size_t i = 0; i < count; i++) {
        has_work |= demand_needs_offers(&views[i], now_wall_ms, 5000);
        is_short |= views[i].state == DEMAND_READY || views[i].holds_kill;
    }
    survey_quotas(s->survey, is_short);
    has_work |= launches_pending(s->launches) > 0;
    has_work |= seeks_abandoned(s);
    launches_decline(s->launches, has_work);
    outcomes_flush(s->outcomes);
    free(views);
    direct_flow(s, has_work);
}

static void on_rested(void *self)
{
    struct session *s = self;

    s->pass_id = 0;
    broker_wake(s->broker);
}

/* Statuses at once.  A pass looks at everything, so that many changes share one
 * and a long one is followed by a rest. */
static void work(struct session *s)
{
    int64_t begin_ms = clock_mono_ms(), end_ms;

    statuses_flush(s->statuses);
    if (begin_ms >= s->next_pass_ms) {
        pass(s);
        end_ms = clock_mono_ms();
        s->next_pass_ms = end_ms + PASS_REST_FACTOR * (end_ms - begin_ms);
    } else if (!s->pass_id) {
        s->pass_id = loop_timer(s->broker->loop, s->next_pass_ms - begin_ms, 0,
                                on_rested, s);
    }
}

/* What is wanted waits for the operator, or for a state that is brought back.
 */
static void tell_hindered(struct session *s)
{
    const Reeve__Framework *framework = facts_framework(s->facts, NULL);
    struct demand_view *views;
    size_t count;

    if (!s->broker->has_lease || !framework ||
        !*str_or_empty(framework->hindrance))
        return;
    views =
        demand_book_judge(s->facts, &s->broker->build, clock_wall_ms(), &count);
    for (size_t i = 0; i < count; i++)
        outcomes_note(s->outcomes, &views[i], framework->hindrance, "", 0);
    outcomes_flush(s->outcomes);
    free(views);
}

void session_decide(struct session *s)
{
    if (!may_run(s)) {
        tell_hindered(s);
        session_event(s, SESSION_STOP);
        return;
    }
    session_event(s, SESSION_START);
    if (s->state == SESSION_NAMING && s->named_revision &&
        replica_revision(s->broker->replica) >= s->named_revision)
        session_event(s, SESSION_STORED);
    watch_silence(s);
    if (s->state == SESSION_UP && has_changed(s))
        session_broken(s, "the service's description changed");
    if (s->state == SESSION_UP) {
        work(s);
        survey_agents(s->survey);
        notes_flush(s->notes);
    }
}
