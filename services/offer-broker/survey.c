/* SPDX-License-Identifier: Apache-2.0 */
/* survey - see survey.h */
#include "services/offer-broker/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/spec/spec.h"
#include "services/offer-broker/auth.h"
#include "services/offer-broker/census.h"
#include "services/offer-broker/quota.h"
#include "services/offer-broker/session.h"
#include "services/offer-broker/writes.h"

#define TIMEOUT_MS     20000
#define AGAIN_MS       1000 /* a hindrance may be mended; grows to 32 s */
#define MAX_REFUSALS   3    /* 401: the token is renewed in between */
#define MAX_MISSES     5    /* 404: as while a master starts */
#define MAX_BODY       (256u << 20)
#define ROUND_FIRST_MS 10000
#define ROUND_MOST_MS  600000
#define YOUNG_MS       15000 /* what was given up just now may yet be made */
#define MAX_AGENTS     1000  /* in one round */
#define STOCK_FIRST_MS 3000
#define STOCK_EVERY_MS 3600000
#define STOCK_LEAST_MS 5000 /* however often somebody asks */
#define SHORT_FIRST_MS 3000
#define SHORT_EVERY_MS 15000

enum question {
    ASK_NOTHING,
    ASK_FRAMEWORKS,
    ASK_AGENTS,
    ASK_AGENT,
    ASK_ABILITY,
    ASK_ROLES
};

struct survey {
    struct session *session;
    struct http_request *request;
    enum question asking;
    struct census *census; /* being filled */
    /* Registration. */
    bool is_clear;
    int64_t next_ms;
    unsigned failures, refusals, hindered;
    char unanswered[300];
    /* Agents. */
    char **agents; /* yet to be asked about in this round */
    size_t n_agents;
    int64_t round_ms, pause_ms;
    size_t writes; /* under way */
    /* What an agent is able to. */
    char *able_agent; /* asked about; NULL: none */
    unsigned able_refusals;
    /* What no offer shows, because we want none. */
    int64_t stock_ms;      /* when to look for it; 0: not yet begun */
    int64_t last_stock_ms; /* 0: never */
    bool was_calm;         /* when the agent was asked about */
    /* Quotas. */
    struct quotas *quotas; /* NULL: not known, or of no interest */
    int64_t roles_ms;      /* when to ask; 0: nothing is short */
};

static void begin(struct survey *v, enum question question);

struct survey *survey_new(struct session *session)
{
    struct survey *v = xcalloc(1, sizeof(*v));

    v->session = session;
    return v;
}

static void drop_agents(struct survey *v)
{
    for (size_t i = 0; i < v->n_agents; i++)
        free(v->agents[i]);
    free(v->agents);
    v->agents = NULL;
    v->n_agents = 0;
}

void survey_destroy(struct survey **survey)
{
    struct survey *v = *survey;

    if (!v)
        return;
    http_request_cancel(&v->request);
    census_destroy(&v->census);
    quotas_destroy(&v->quotas);
    drop_agents(v);
    free(v->able_agent);
    free(v);
    *survey = NULL;
}

/* ---- asking ------------------------------------------------------- */
static char *url_of(const struct survey *v)
{
    const char *master = master_list_current(v->session->masters);

    if (v->asking == ASK_AGENT || v->asking == ASK_ABILITY)
        return xasprintf("%s/slaves?slave_id=%s", master,
                         v->asking == ASK_AGENT ? v->agents[v->n_agents - 1]
                                                : v->able_agent);
    return xasprintf("%s/%s", master,
                     v->asking == ASK_FRAMEWORKS ? "frameworks"
                     : v->asking == ASK_ROLES    ? "roles"
                                                 : "slaves");
}

static void on_answer(void *self, const struct http_answer *answer);

static void begin(struct survey *v, enum question question)
{
    struct broker *b = v->session->broker;
    AUTO_FREE char *authorization = session_authorization(v->session);
    const char *const headers[] = {"Accept: application/json", authorization,
                                   NULL};
    AUTO_FREE char *url = NULL;
    struct http_call call = {.method = "GET",
                             .headers = headers,
                             .timeout_ms = TIMEOUT_MS,
                             .max_body_bytes = MAX_BODY};

    v->asking = question;
    if (question != ASK_AGENTS) {
        census_destroy(&v->census);
        v->census = census_new();
    }
    call.url = url = url_of(v);
    auth_trust(b->auth, &call);
    v->request = http_client_send(b->http, &call, on_answer, v);
}

/* ---- registration ------------------------------------------------- */
static void retry_later(struct survey *v, const char *fmt, const char *what,
                        const char *why)
{
    struct session *s = v->session;
    uint8_t byte[16];

    uuid_new_bytes(byte);
    snprintf(s->problem, sizeof(s->problem), fmt, what, why);
    v->next_ms =
        clock_mono_ms() + session_backoff_ms(v->failures++, byte[0] / 255.0);
    master_list_failed(s->masters);
}

/* The endpoints are closed to us: nothing speaks against it but ignorance. */
static void give_up_asking(struct survey *v, int status)
{
    snprintf(v->unanswered, sizeof(v->unanswered),
             "it could not be checked whether service %s runs already: %s "
             "answered %d to /%s",
             v->session->key, master_list_current(v->session->masters), status,
             v->asking == ASK_FRAMEWORKS ? "frameworks" : "slaves");
    log_odd("registration_unchecked", "service=%s why=%s", v->session->key,
            log_q(v->unanswered));
    v->is_clear = true;
    broker_wake(v->session->broker);
}

static void refused_401(struct survey *v)
{
    auth_refused(v->session->broker->auth);
    if (++v->refusals < MAX_REFUSALS)
        retry_later(v, "%s answered 401 to a question%s",
                    master_list_current(v->session->masters), "");
    else
        give_up_asking(v, 401);
}

static void judge(struct survey *v)
{
    struct session *s = v->session;
    const Reeve__ServiceSpec *spec = session_spec(s);
    const Reeve__Framework *framework = facts_framework(s->facts, NULL);
    AUTO_FREE char *why = NULL, *confirm = NULL;
    struct census_self me = {0};

    if (!spec)
        return;
    me.name = spec->name;
    me.role = str_or_empty(spec->role);
    v->failures = v->refusals = 0;
    if (framework)
        me.framework_id = framework->framework_id;
    v->is_clear = census_may_register(v->census, &me, &why, &confirm);
    if (v->is_clear) {
        log_info("registration_clear", "service=%s", s->key);
        broker_wake(s->broker);
        return;
    }
    snprintf(s->problem, sizeof(s->problem),
             "%s; or launch beside it: `reeve state ignore-foreign %s`", why,
             confirm);
    v->next_ms = clock_mono_ms() + (AGAIN_MS << MIN(v->hindered++, 5u));
    session_hinder(s, s->problem, confirm);
}

static void take_answer(struct survey *v, const struct http_answer *answer)
{
    struct err err = {0};
    bool is_first = v->asking == ASK_FRAMEWORKS;
    int rc = is_first ? census_read_frameworks(v->census, answer->body,
                                               answer->body_len, &err)
                      : census_read_agents(v->census, answer->body,
                                           answer->body_len, &err);

    if (rc < 0)
        retry_later(v, "%s answers nonsense: %s",
                    master_list_current(v->session->masters), err.text);
    else if (is_first)
        begin(v, ASK_AGENTS);
    else
        judge(v);
}

static void on_registration(struct survey *v, const struct http_answer *answer)
{
    struct session *s = v->session;
    struct err err = {0};

    if (answer->err.code == ERR_FULL)
        give_up_asking(v, answer->status);
    else if (answer->err.code)
        retry_later(v, "%s: %.200s", master_list_current(s->masters),
                    answer->err.text);
    else if (answer->status == 200)
        take_answer(v, answer);
    else if (answer->status == 307 &&
             master_list_redirect(s->masters, answer->location, &err) == 0)
        v->next_ms = clock_mono_ms() + 50;
    else if (answer->status == 401)
        refused_401(v);
    else if (answer->status >= 500 || answer->status == 307 ||
             (answer->status == 404 && v->failures < MAX_MISSES))
        retry_later(v, "%s does not say whether the service runs already%s",
                    master_list_current(s->masters), "");
    else
        give_up_asking(v, answer->status);
}

bool survey_may_register(struct survey *v)
{
    struct session *s = v->session;
    const Reeve__Framework *framework = facts_framework(s->facts, NULL);

    /* Records make it no new service; and the operator's word is enough. */
    if (janitor_knows_pods(s->janitor) ||
        (framework && framework->foreign_ignored))
        return true;
    if (v->is_clear || v->request || clock_mono_ms() < v->next_ms)
        return v->is_clear;
    if (!*s->problem)
        snprintf(s->problem, sizeof(s->problem),
                 "it is being asked whether the service runs already");
    begin(v, ASK_FRAMEWORKS);
    return false;
}

const char *survey_unanswered(const struct survey *v)
{
    return *v->unanswered ? v->unanswered : NULL;
}

/* ---- what still exists -------------------------------------------- */
static void add_agent(struct survey *v, const char *agent_id)
{
    if (!janitor_id_is_plain(agent_id) || v->n_agents >= MAX_AGENTS)
        return;
    for (size_t i = 0; i < v->n_agents; i++)
        if (str_eq(v->agents[i], agent_id))
            return;
    v->agents = xrealloc(v->agents, (v->n_agents + 1) * sizeof(*v->agents));
    v->agents[v->n_agents++] = xstrdup(agent_id);
}

static void add_of_pod(void *self, const struct fact *fact)
{
    const Reeve__PodRecord *pod = (const Reeve__PodRecord *)fact->message;

    for (size_t i = 0; i < pod->n_abandoned; i++)
        add_agent(self, pod->abandoned[i]->agent_id);
}

static void add_of_release(void *self, const struct fact *fact)
{
    add_agent(self, ((const Reeve__ReleaseOrder *)fact->message)->agent_id);
}

static void add_of_stray(void *self, const struct quarantined *item)
{
    add_agent(self, item->agent_id);
}

struct sweep_up {
    struct survey *survey;
    const char *agent_id;
    struct writes *writes;
};

static bool is_there(const struct sweep_up *u, const char *resource_id)
{
    return census_has(u->survey->census, u->agent_id,
                      str_or_empty(resource_id));
}

static bool is_ghost(const struct sweep_up *u,
                     const Reeve__ReservedResource *entry)
{
    if (!str_eq(entry->agent_id, u->agent_id))
        return false;
    if (entry->is_remainder)
        return !census_has_bare(u->survey->census, u->agent_id,
                                str_or_empty(entry->resource_id));
    return !is_there(u, entry->resource_id);
}

/* Given up, and not there (any more, or it never was): nothing is left to do.
 */
static void tidy_pod(void *self, const struct fact *fact)
{
    struct sweep_up *u = self;
    const struct facts *facts = u->survey->session->facts;
    AUTO_MESSAGE Reeve__PodRecord *pod =
        WIRE_DUP(reeve__pod_record, (const Reeve__PodRecord *)fact->message);
    AUTO_FREE char *key = facts_key_pod(facts, fact->id);
    size_t kept = 0, before = pod->n_abandoned;

    if (clock_wall_ms() - pod->changed_wall_ms < YOUNG_MS)
        return;
    for (size_t i = 0; i < before; i++) {
        if (!is_ghost(u, pod->abandoned[i]))
            pod->abandoned[kept++] = pod->abandoned[i];
        else
            PB_FREE(pod->abandoned[i]);
    }
    pod->n_abandoned = kept;
    if (kept == before)
        return;
    log_info("given_up_is_gone", "service=%s pod=%s agent=%s entries=%zu",
             u->survey->session->key, fact->id, u->agent_id, before - kept);
    writes_require(u->writes, key, fact->revision);
    writes_put(u->writes, key, &pod->base);
}

static void visit_pod(void *self, const struct fact *fact)
{
    if (((const Reeve__PodRecord *)fact->message)->n_abandoned > 0)
        tidy_pod(self, fact);
}

static void visit_release(void *self, const struct fact *fact)
{
    struct sweep_up *u = self;
    const Reeve__ReleaseOrder *order =
        (const Reeve__ReleaseOrder *)fact->message;
    AUTO_FREE char *key =
        facts_key_release(u->survey->session->facts, fact->id);

    if (!str_eq(order->agent_id, u->agent_id) || is_there(u, fact->id))
        return;
    writes_require(u->writes, key, fact->revision);
    writes_delete(u->writes, key);
}

static bool exists(const void *self, const char *resource_id)
{
    return is_there(self, resource_id);
}

struct tidying {
    struct survey *survey;
    struct writes *writes;
};

static void on_tidied(void *self, const struct txn_result *result)
{
    struct tidying *t = self;
    struct session *s = t->survey->session;

    t->survey->writes--;
    if (result->err.code == ERR_NONE)
        writes_apply(t->writes, s->facts, result->revision);
    else if (result->err.code == ERR_FENCED)
        broker_fenced(s->broker);
    writes_destroy(&t->writes);
    free(t);
}

static void commit(struct survey *v, struct writes *writes)
{
    struct tidying *t = xcalloc(1, sizeof(*t));
    struct txn *txn = writes_take_txn(writes);

    t->survey = v;
    t->writes = writes;
    v->writes++;
    store_client_commit(v->session->broker->store, &txn, on_tidied, t);
}

static void compare(struct survey *v, const char *agent_id)
{
    struct session *s = v->session;
    struct sweep_up u = {v, agent_id, writes_new()};
    size_t dropped;

    dropped = janitor_verify(s->janitor, agent_id, exists, &u);
    if (dropped > 0)
        log_info("quarantine_shrinks", "service=%s agent=%s entries=%zu",
                 s->key, agent_id, dropped);
    facts_each_pod(s->facts, visit_pod, &u);
    facts_each_release(s->facts, visit_release, &u);
    if (writes_count(u.writes) > 0)
        commit(v, u.writes);
    else
        writes_destroy(&u.writes);
}

/* Nothing of an agent that an operator gave up comes back. */
static bool is_gone(const struct survey *v, const char *agent_id)
{
    const Reeve__AgentNote *note =
        facts_agent(v->session->facts, agent_id, NULL);

    return note && note->is_gone;
}

/* While something is launched or freed, an answer may be older than what the
 * records say. */
static bool is_calm(const struct survey *v)
{
    return !janitor_has_abandoned(v->session->janitor) &&
           launches_pending(v->session->launches) == 0;
}

static void inspect(struct survey *v, const char *agent_id,
                    const struct http_answer *answer)
{
    struct session *s = v->session;
    const Reeve__Framework *framework = facts_framework(s->facts, NULL);
    AUTO_FREE char *hostname = NULL;
    struct resources *reserved;

    if (!framework || !v->was_calm || !is_calm(v))
        return;
    reserved = census_reserved(answer->body, answer->body_len, agent_id,
                               (const char *const *)framework->roles,
                               framework->n_roles, &hostname);
    if (!reserved)
        return;
    janitor_inspect(
        s->janitor,
        &(struct janitor_place){agent_id, hostname, clock_wall_ms()}, reserved);
    resources_destroy(&reserved);
}

static void ask_agent(struct survey *v)
{
    v->was_calm = is_calm(v);
    begin(v, ASK_AGENT);
}

static void on_agent(struct survey *v, const struct http_answer *answer)
{
    AUTO_FREE char *agent_id = v->agents[--v->n_agents];

    if (answer->err.code || answer->status != 200 ||
        census_read_agents(v->census, answer->body, answer->body_len, NULL) <
            0) {
        drop_agents(v); /* not now: the next round asks again */
        return;
    }
    if (census_has_agent(v->census, agent_id) || is_gone(v, agent_id))
        compare(v, agent_id);
    inspect(v, agent_id, answer);
}

/* ---- may volumes get another size --------------------------------- */
static enum resize_ability ability_of(const struct survey *v,
                                      const char *agent_id)
{
    if (!census_has_agent(v->census, agent_id))
        return RESIZE_UNKNOWN; /* it is away, or unlike what is expected */
    return census_can_resize(v->census, agent_id) ? RESIZE_ABLE : RESIZE_UNABLE;
}

/* The endpoint is closed to us.  All agents since Mesos 1.6 are able to. */
static bool is_closed(struct survey *v, const struct http_answer *answer)
{
    if (answer->err.code || answer->status < 400 || answer->status >= 500)
        return false;
    if (answer->status == 401)
        auth_refused(v->session->broker->auth);
    if (answer->status != 403 && ++v->able_refusals < MAX_REFUSALS)
        return false;
    log_odd("ability_untold", "service=%s agent=%s status=%d", v->session->key,
            v->able_agent, answer->status);
    v->able_refusals = 0;
    return true;
}

static void on_ability(struct survey *v, const struct http_answer *answer)
{
    struct resize_book *book = v->session->resizes;
    enum resize_ability ability = RESIZE_UNKNOWN;
    int64_t now_ms = clock_mono_ms();

    if (is_closed(v, answer))
        ability = RESIZE_UNTOLD;
    else if (!answer->err.code && answer->status == 200 &&
             census_read_agents(v->census, answer->body, answer->body_len,
                                NULL) == 0)
        ability = ability_of(v, v->able_agent);
    if (ability == RESIZE_UNKNOWN)
        resize_book_put_off(book, v->able_agent, now_ms);
    else
        resize_book_answer(book, v->able_agent, ability, now_ms);
    broker_wake(v->session->broker);
}

static bool ask_ability(struct survey *v, int64_t now_ms)
{
    const char *agent_id = resize_book_next(v->session->resizes, now_ms);

    if (!agent_id || !janitor_id_is_plain(agent_id))
        return false;
    free(v->able_agent);
    v->able_agent = xstrdup(agent_id);
    begin(v, ASK_ABILITY);
    return true;
}

/* ---- quotas ------------------------------------------------------- */
static void on_roles(struct survey *v, const struct http_answer *answer)
{
    struct quotas *quotas;

    if (answer->err.code || answer->status != 200 || v->roles_ms == 0)
        return;
    quotas = quotas_new();
    if (quotas_read(quotas, answer->body, answer->body_len, NULL) == 0) {
        quotas_destroy(&v->quotas);
        v->quotas = MOVE(quotas);
        broker_wake(v->session->broker);
    }
    quotas_destroy(&quotas);
}

void survey_quotas(struct survey *v, bool is_short)
{
    int64_t now_ms = clock_mono_ms();

    if (!is_short) {
        v->roles_ms = 0;
        quotas_destroy(&v->quotas);
        return;
    }
    if (v->roles_ms == 0)
        v->roles_ms = now_ms + SHORT_FIRST_MS;
    if (v->request || now_ms < v->roles_ms)
        return;
    v->roles_ms = now_ms + SHORT_EVERY_MS;
    begin(v, ASK_ROLES);
}

char *survey_short_of(const struct survey *v, const struct demand_view *view)
{
    const Reeve__ServiceSpec *spec = session_spec(v->session);
    bool is_replace =
        view->demand->recovery == REEVE__DEMAND__RECOVERY__PERMANENT;
    AUTO_FREE char *role = NULL;
    struct wants wants;
    char *text;

    if (!v->quotas || !spec || !view->pod ||
        (view->state != DEMAND_READY && !view->holds_kill))
        return NULL;
    role = spec_pod_role(spec, view->pod);
    wants_of_pod(&wants, view->pod, &v->session->broker->overhead);
    text = quotas_short_of(v->quotas, role, &wants,
                           is_replace ? NULL : view->record);
    wants_free(&wants);
    return text;
}

static void on_answer(void *self, const struct http_answer *answer)
{
    struct survey *v = self;

    v->request = NULL;
    if (v->asking == ASK_ROLES)
        on_roles(v, answer);
    else if (v->asking == ASK_AGENT)
        on_agent(v, answer);
    else if (v->asking == ASK_ABILITY)
        on_ability(v, answer);
    else
        on_registration(v, answer);
}

/* false: there is nothing to ask about. */
static bool start_round(struct survey *v)
{
    struct session *s = v->session;

    facts_each_pod(s->facts, add_of_pod, v);
    facts_each_release(s->facts, add_of_release, v);
    janitor_each_quarantined(s->janitor, add_of_stray, v);
    return v->n_agents > 0;
}

static void add_where_pod_is(void *self, const struct fact *fact)
{
    add_agent(self, ((const Reeve__PodRecord *)fact->message)->agent_id);
}

static void add_of_unknown(void *self, const struct unknown_task *task)
{
    add_agent(self, task->agent_id);
}

void survey_take_stock(struct survey *v)
{
    int64_t soonest_ms = v->last_stock_ms + STOCK_LEAST_MS;

    if (v->last_stock_ms)
        v->stock_ms = MIN(v->stock_ms, soonest_ms);
}

static void take_stock(struct survey *v, int64_t now_ms)
{
    struct session *s = v->session;

    if (v->stock_ms == 0)
        v->stock_ms = now_ms + STOCK_FIRST_MS;
    if (now_ms < v->stock_ms)
        return;
    v->last_stock_ms = now_ms;
    v->stock_ms = now_ms + STOCK_LEAST_MS;
    if (!is_calm(v))
        return;
    v->stock_ms = now_ms + STOCK_EVERY_MS;
    facts_each_pod(s->facts, add_where_pod_is, v);
    statuses_each_unknown(s->statuses, add_of_unknown, v);
}

static bool has_reason(const struct session *s)
{
    return janitor_has_abandoned(s->janitor) ||
           janitor_quarantined(s->janitor) + janitor_strange(s->janitor) > 0;
}

void survey_agents(struct survey *v)
{
    int64_t now_ms = clock_mono_ms();

    if (v->request || v->writes > 0 || ask_ability(v, now_ms))
        return;
    if (v->n_agents == 0)
        take_stock(v, now_ms);
    if (v->n_agents > 0) {
        ask_agent(v);
        return;
    }
    if (!has_reason(v->session)) {
        v->round_ms = v->pause_ms = 0;
        return;
    }
    if (v->pause_ms == 0) { /* a reason has come up */
        v->pause_ms = ROUND_FIRST_MS;
        v->round_ms = now_ms + v->pause_ms;
    }
    if (now_ms < v->round_ms)
        return;
    v->pause_ms = MIN(v->pause_ms * 2, ROUND_MOST_MS);
    v->round_ms = now_ms + v->pause_ms;
    if (start_round(v))
        ask_agent(v);
}
