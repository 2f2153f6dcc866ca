/* SPDX-License-Identifier: Apache-2.0 */
/* matching - which agent's offers carry a demand, and if none does, why
 *
 * A pod that has reservations goes where they are shown; a fresh one to the
 * agent that has the fewest pods of its type.  The first that fits takes it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/spec/placement.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/fresh.h"
#include "services/offer-broker/hooks.h"
#include "services/offer-broker/launch_internal.h"

#define MAX_TASKS    500    /* in one transaction */
#define FEW          4      /* tries before all are put in order */
#define FAIR_TASKS   4      /* an agent may get at least in one pass */
#define SOON_DOWN_MS 600000 /* no new pod on an agent about to go down */

/* ---- one demand on one agent -------------------------------------- */
struct attempt {
    struct pass *pass;
    struct demand_view *view;
    struct placement_rules *rules;
    const char **sets;
    char *role;    /* that its offers come for */
    bool is_fresh; /* nothing of the pod exists for sure */
    struct reasons reasons;
    struct buf label; /* "hello-0:[server]"; empty until it is asked for */
    bool is_put_off;  /* some agent had got its share of this pass */
};

/* How an attempt on one pool ended. */
enum trial {
    TRIAL_FITS,
    TRIAL_ELSEWHERE, /* it is tied to another agent */
    TRIAL_PUT_OFF,   /* the agent had got its share of this pass */
    TRIAL_REFUSED,   /* by constraints or maintenance */
    TRIAL_LACKS,     /* resources; a pool only gets less in a pass */
};

static bool goes_down_soon(const struct pass *p, const Mesos__V1__Offer *offer)
{
    return offer->unavailability &&
           offer->unavailability->start->nanoseconds / 1000000 <=
               p->now_wall_ms + SOON_DOWN_MS;
}

static bool admits(const struct attempt *a, const struct agent_pool *pool,
                   enum offer_stage *stage, struct buf *why)
{
    const struct session *s = a->pass->session;
    struct hook_asker asker =
        hooks_asker(s->broker->hooks, s->key, a->pass->now_ms);
    struct place_in in = {.rules = a->rules,
                          .hook = &asker.hook,
                          .offer = pool->offer,
                          .pod_type = a->view->pod->type,
                          .pod_index = a->view->demand->pod_index,
                          .region = a->view->config->spec->region,
                          .local_region = s->local_region};

    in.placed = places_all(a->pass->places, &in.n_placed);
    if (!a->is_fresh)
        return true; /* its volumes are where they are */
    *stage = OFFER_STAGE_MAINTENANCE;
    if (goes_down_soon(a->pass, pool->offer)) {
        buf_add_str(why, "the agent is about to go down for maintenance");
        return false;
    }
    *stage = OFFER_STAGE_PLACEMENT;
    return place_admits(&in, why);
}

static struct eval_in eval_in_of(const struct attempt *a, const char *agent_id)
{
    const struct session *s = a->pass->session;
    const struct demand_view *view = a->view;
    const Reeve__ServiceSpec *spec = session_spec(s);

    return (struct eval_in){
        .pod = view->pod,
        .pod_instance = view->instance,
        .sets = a->sets,
        .n_sets = view->demand->n_tasks,
        .record = view->record,
        .is_replace =
            view->demand->recovery == REEVE__DEMAND__RECOVERY__PERMANENT,
        .has_executor = view->sibling != NULL,
        .overhead = s->broker->overhead,
        .framework_id = s->framework_id,
        .role = a->role,
        .pre_reserved_role = spec_pre_reserved_role(view->pod),
        .principal = spec->principal,
        .ids = &s->broker->ids,
        .resizes = s->resizes,
        .agent_id = agent_id,
        .now_ms = a->pass->now_ms,
    };
}

/* The resource sets of its tasks. */
static const char **sets_of(const struct demand_view *view)
{
    const Reeve__Demand *demand = view->demand;
    const char **sets = xcalloc(demand->n_tasks, sizeof(*sets));

    for (size_t i = 0; i < demand->n_tasks; i++)
        sets[i] = spec_find_task(view->pod, demand->tasks[i])->resource_set;
    return sets;
}

static const char *label_of(struct attempt *a)
{
    const Reeve__Demand *demand = a->view->demand;

    if (a->label.len > 0)
        return buf_text(&a->label);
    buf_addf(&a->label, "%s:[", a->view->instance);
    for (size_t i = 0; i < demand->n_tasks; i++)
        buf_addf(&a->label, "%s%s", i ? ", " : "", demand->tasks[i]);
    buf_add_char(&a->label, ']');
    return buf_text(&a->label);
}

static void log_try(struct attempt *a, const struct agent_pool *pool,
                    enum offer_stage failed, const char *why)
{
    const struct offer_entry entry = {
        .wall_ms = a->pass->now_wall_ms,
        .pod = label_of(a),
        .agent_id = pool->agent_id,
        .hostname = pool->hostname,
        .offer_id = pool->n_offer_ids ? pool->offer_ids[0] : NULL,
        .passed = why == NULL,
        .failed = failed,
        .why = why,
    };

    offer_log_note(a->pass->session->offer_log, &entry);
}

static bool exceeds_share(const struct attempt *a, size_t at)
{
    size_t given = a->pass->batches[at].n_tasks;
    size_t bound = a->is_fresh ? a->pass->fair_tasks : MAX_TASKS;

    return given > 0 && given + a->view->demand->n_tasks > bound;
}

/* TRIAL_FITS: *match is the caller's; else *why may have got a reason. */
static enum trial try_pool(struct attempt *a, size_t at, struct match **match,
                           struct buf *why)
{
    struct agent_pool *pool = &a->pass->pools[at];
    const struct eval_in in = eval_in_of(a, pool->agent_id);
    enum offer_stage stage = OFFER_STAGE_RESOURCES;

    if (a->view->sibling && !str_eq(a->view->sibling->agent_id, pool->agent_id))
        return TRIAL_ELSEWHERE;
    if (exceeds_share(a, at)) {
        a->is_put_off = true;
        return TRIAL_PUT_OFF;
    }
    if (!admits(a, pool, &stage, why)) {
        log_try(a, pool, stage, buf_text(why));
        return TRIAL_REFUSED;
    }
    agent_pool_fill(pool);
    *match = evaluate(&in, &pool->resources, why);
    log_try(a, pool, OFFER_STAGE_RESOURCES, *match ? NULL : buf_text(why));
    return *match ? TRIAL_FITS : TRIAL_LACKS;
}

/* ---- shares ------------------------------------------------------- */
/* An agent that has a pod and no offer now. */
struct elsewhere {
    UT_hash_handle hh;
};

static size_t count_elsewhere(const struct pass *p)
{
    size_t count, others;
    const struct placed *placed = places_all(p->places, &count);
    struct elsewhere *table = NULL, *one, *next;

    for (size_t i = 0; i < count; i++) {
        const char *id = placed[i].agent_id;
        struct pool_index *index = NULL;

        if (!*str_or_empty(id))
            continue;
        HASH_FIND_STR(p->by_agent, id, index);
        if (index)
            continue;
        HASH_FIND_STR(table, id, one);
        if (one)
            continue;
        one = xcalloc(1, sizeof(*one));
        HASH_ADD_KEYPTR(hh, table, id, strlen(id), one);
    }
    others = HASH_COUNT(table);
    HASH_ITER(hh, table, one, next)
    {
        HASH_DEL(table, one);
        free(one);
    }
    return others;
}

void matching_share(struct pass *p, const struct demand_view *views,
                    size_t count)
{
    size_t tasks = 0, agents;

    for (size_t i = 0; i < count; i++)
        if (views[i].state == DEMAND_READY)
            tasks += views[i].demand->n_tasks;
    p->fair_tasks = MAX_TASKS;
    if (tasks <= FAIR_TASKS)
        return;
    agents = p->n_pools + count_elsewhere(p);
    p->fair_tasks = MIN(MAX_TASKS, MAX(FAIR_TASKS, 2 * tasks / MAX(agents, 1)));
}

/* ---- one demand --------------------------------------------------- */
struct candidate {
    size_t at;
    size_t shown; /* parts of the pod that the agent has */
    size_t crowd;
};

static int compare(const void *x, const void *y)
{
    const struct candidate *a = x, *b = y;

    if (a->shown != b->shown)
        return a->shown > b->shown ? -1 : 1;
    if (a->crowd != b->crowd)
        return a->crowd < b->crowd ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

static bool is_sibling_there(const struct attempt *a,
                             const struct agent_pool *pool)
{
    return a->view->sibling &&
           str_eq(a->view->sibling->agent_id, pool->agent_id);
}

/* Worth keeping for a moment: the rest may come in another offer. */
static void need_pool(struct pass *p, size_t at)
{
    for (size_t i = 0; i < p->pools[at].n_offer_ids; i++)
        offer_book_need(p->session->offers, p->pools[at].offer_ids[i]);
}

/* How many pods of a type each pool has.  Unless an instance moves, places only
 * come to the list's end: what was counted once is not counted again. */
struct crowds {
    char *pod_type;
    size_t *of_pool;
    size_t counted; /* of the list */
    size_t moves;   /* as of then */
    struct crowds *next;
};

static struct crowds *crowds_of(struct pass *p, const char *pod_type)
{
    struct crowds *crowds = p->crowds;

    while (crowds && !str_eq(crowds->pod_type, pod_type))
        crowds = crowds->next;
    if (crowds)
        return crowds;
    crowds = xcalloc(1, sizeof(*crowds));
    crowds->pod_type = xstrdup(pod_type);
    crowds->of_pool = xcalloc(p->n_pools + 1, sizeof(*crowds->of_pool));
    crowds->next = p->crowds;
    p->crowds = crowds;
    return crowds;
}

/* In all pools of the agent. */
static void count_at(const struct pass *p, struct crowds *crowds, size_t at)
{
    do {
        crowds->of_pool[at]++;
        at = p->pools[at].next_of_agent;
    } while (at > 0);
}

/* New pods go where there are few of their type. */
static const size_t *count_crowds(struct attempt *a)
{
    struct crowds *crowds = crowds_of(a->pass, a->view->pod->type);
    size_t count;
    const struct placed *placed = places_all(a->pass->places, &count);

    if (crowds->moves != places_moves(a->pass->places)) {
        crowds->moves = places_moves(a->pass->places);
        crowds->counted = 0;
        memset(crowds->of_pool, 0, a->pass->n_pools * sizeof(*crowds->of_pool));
    }
    for (; crowds->counted < count; crowds->counted++) {
        const struct placed *one = &placed[crowds->counted];
        struct pool_index *index = NULL;

        if (!one->agent_id || !str_eq(one->pod_type, a->view->pod->type))
            continue;
        HASH_FIND_STR(a->pass->by_agent, one->agent_id, index);
        if (index)
            count_at(a->pass, crowds, index->at);
    }
    return crowds->of_pool;
}

void matching_end(struct pass *p)
{
    struct crowds *crowds, *next;

    for (crowds = p->crowds; crowds; crowds = next) {
        next = crowds->next;
        free(crowds->pod_type);
        free(crowds->of_pool);
        free(crowds);
    }
    p->crowds = NULL;
    twins_free(&p->twins);
}

static size_t shown_by(const struct demand_view *view, struct agent_pool *pool)
{
    bool is_replace =
        view->demand->recovery == REEVE__DEMAND__RECOVERY__PERMANENT;

    if (is_replace || !view->record || view->record->n_resources == 0 ||
        !pool->has_reserved)
        return 0;
    agent_pool_fill(pool);
    return evaluate_shown(view->record, pool->resources, NULL);
}

static struct candidate *candidates_of(struct attempt *a, size_t *count)
{
    struct pass *p = a->pass;
    struct candidate *list = xcalloc(p->n_pools + 1, sizeof(*list));
    const size_t *crowds = a->is_fresh ? count_crowds(a) : NULL;

    *count = 0;
    for (size_t i = 0; i < p->n_pools; i++) {
        size_t shown = shown_by(a->view, &p->pools[i]);

        if (shown > 0)
            need_pool(p, i);
        if (!str_eq(p->pools[i].role, a->role))
            continue;
        if (shown == 0 && !a->is_fresh && !is_sibling_there(a, &p->pools[i]))
            continue;
        list[(*count)++] = (struct candidate){i, shown, crowds ? crowds[i] : 0};
    }
    return list;
}

/* Brings the best candidate from `from` on there.  Mostly one of the first
 * fits: only when none of them does is the rest worth sorting. */
static void best_first(struct candidate *list, size_t from, size_t count)
{
    size_t best = from;
    struct candidate one;

    if (from > FEW)
        return;
    if (from == FEW) {
        qsort(list + from, count - from, sizeof(*list), compare);
        return;
    }
    for (size_t i = from + 1; i < count; i++)
        if (compare(&list[i], &list[best]) < 0)
            best = i;
    one = list[from];
    list[from] = list[best];
    list[best] = one;
}

static const char *volume_of(const Reeve__PodRecord *record)
{
    for (size_t i = 0; i < record->n_resources; i++)
        if (record->resources[i]->persistence_id)
            return record->resources[i]->container_path;
    return NULL;
}

/* Did an operator give up the agent of its tasks? */
static bool is_gone(const struct attempt *a)
{
    const struct demand_view *view = a->view;

    for (size_t i = 0; i < view->demand->n_tasks; i++) {
        AUTO_FREE char *name = spec_task_name(
            view->pod->type, view->demand->pod_index, view->demand->tasks[i]);
        struct fact_task task;

        if (facts_task(a->pass->session->facts, name, &task) && task.status &&
            task.status->state == MESOS__V1__TASK_STATE__TASK_GONE_BY_OPERATOR)
            return true;
    }
    return false;
}

/* What is known of the agent that the pod is tied to. */
static const char *note_of(const struct attempt *a)
{
    const Reeve__PodRecord *record = a->view->record;

    return agent_note_text(facts_agent(a->pass->session->facts,
                                       str_or_empty(record->agent_id), NULL));
}

static void explain(struct attempt *a)
{
    const Reeve__PodRecord *record = a->view->record;
    const char *volume = record ? volume_of(record) : NULL;
    char summary[700];

    /* Declined offers are away for some seconds: that is no news. */
    if (a->reasons.count == 0 &&
        outcomes_keep(a->pass->session->outcomes, a->view))
        return;
    if (a->reasons.count == 1)
        snprintf(summary, sizeof(summary), "%s", a->reasons.first);
    else if (a->reasons.count > 1)
        snprintf(summary, sizeof(summary), "none of %zu agents fits; %s",
                 a->reasons.count, a->reasons.first);
    else if (!a->is_fresh && volume && is_gone(a))
        snprintf(summary, sizeof(summary),
                 "volume %s of %s is lost: its agent %s (%s) was marked gone; "
                 "replace the pod",
                 volume, a->view->instance, str_or_empty(record->agent_id),
                 str_or_empty(record->hostname));
    else if (!a->is_fresh && volume)
        snprintf(summary, sizeof(summary),
                 "volume %s of %s is on agent %s (%s), which does not offer "
                 "it%s",
                 volume, a->view->instance, str_or_empty(record->agent_id),
                 str_or_empty(record->hostname), note_of(a));
    else if (!a->is_fresh)
        snprintf(summary, sizeof(summary),
                 "the reservations of %s are on agent %s (%s), which does not "
                 "offer them%s",
                 a->view->instance, str_or_empty(record->agent_id),
                 str_or_empty(record->hostname), note_of(a));
    else
        snprintf(summary, sizeof(summary), "no offers from the master yet");
    outcomes_note(a->pass->session->outcomes, a->view, summary,
                  buf_text(&a->reasons.text), a->reasons.count);
}

static bool place_one(struct attempt *a)
{
    size_t count;
    struct candidate *list = candidates_of(a, &count);
    struct match *match = NULL;

    for (size_t i = 0; i < count && !match; i++) {
        AUTO_BUF struct buf why = {0};
        enum trial trial;

        best_first(list, i, count);
        trial = try_pool(a, list[i].at, &match, &why);
        if (trial == TRIAL_FITS && match->resize)
            launch_resize(a->pass, list[i].at, a->view, match);
        else if (trial == TRIAL_FITS)
            launch_accept(a->pass, list[i].at, a->view, match);
        else if (trial == TRIAL_REFUSED || trial == TRIAL_LACKS)
            reasons_add(&a->reasons, a->pass->pools[list[i].at].hostname,
                        buf_text(&why));
    }
    free(list);
    if (!match)
        return false;
    match_destroy(&match);
    return true;
}

/* ---- one demand of many that are alike ---------------------------- */
static void fill_twin(struct attempt *a, struct twin *twin)
{
    struct pass *p = a->pass;
    const size_t *crowds = count_crowds(a);

    twin_clear(twin);
    twin->moves = places_moves(p->places);
    for (size_t i = 0; i < p->n_pools; i++)
        if (str_eq(p->pools[i].role, a->role))
            twin_push(twin, (struct twin_pool){i, crowds[i]});
}

/* Pools that did not fit this one but may fit the next. */
struct aside {
    struct twin_pool *list;
    size_t count;
};

/* true: the demand is placed. */
static bool try_twin(struct attempt *a, struct twin *twin,
                     struct twin_pool *pool, struct aside *aside)
{
    const char *hostname = a->pass->pools[pool->at].hostname;
    AUTO_BUF struct buf why = {0};
    struct match *match = NULL;

    switch (try_pool(a, pool->at, &match, &why)) {
    case TRIAL_FITS:
        launch_accept(a->pass, pool->at, a->view, match);
        match_destroy(&match);
        twin_push(twin, *pool);
        return true;
    case TRIAL_PUT_OFF: /* and it does not get less */
        twin->is_put_off = true;
        break;
    case TRIAL_ELSEWHERE:
        break;
    case TRIAL_REFUSED:
        if (twin_refusal_lasts(a->rules)) {
            reasons_add(&twin->reasons, hostname, buf_text(&why));
            break;
        }
        reasons_add(&a->reasons, hostname, buf_text(&why));
        PB_PUSH(aside->list, aside->count, *pool);
        break;
    case TRIAL_LACKS:
        reasons_add(&twin->reasons, hostname, buf_text(&why));
        break;
    }
    return false;
}

/* Nothing was launched since one of them fitted nowhere: nor does this one. */
static bool is_known_to_fail(const struct attempt *a, const struct twin *twin)
{
    return twin->has_failed &&
           twin->last_launches == a->pass->session->counts.launches;
}

static bool place_twin(struct attempt *a)
{
    bool is_new, is_placed = false;
    struct twin *twin = twin_of(&a->pass->twins, a->view, &is_new);
    struct aside aside = {0};
    const size_t *crowds = count_crowds(a);
    struct twin_pool pool;

    if (is_new || twin->moves != places_moves(a->pass->places))
        fill_twin(a, twin);
    if (!is_known_to_fail(a, twin)) {
        while (!is_placed && twin_pop(twin, crowds, &pool))
            is_placed = try_twin(a, twin, &pool, &aside);
        for (size_t i = 0; i < aside.count; i++)
            twin_push(twin, aside.list[i]);
        free(aside.list);
        if (is_placed)
            return true;
        reasons_free(&twin->last);
        reasons_join(&twin->last, &twin->reasons);
        reasons_join(&twin->last, &a->reasons);
        twin->has_failed = true;
        twin->last_launches = a->pass->session->counts.launches;
    }
    reasons_free(&a->reasons);
    reasons_join(&a->reasons, &twin->last);
    a->is_put_off = twin->is_put_off;
    return false;
}

bool matching_would_fit(struct pass *p, struct demand_view *view,
                        const struct resources *offered, struct buf *why)
{
    struct attempt a = {.pass = p, .view = view};
    struct eval_in in;
    bool fits;

    a.role = spec_pod_role(session_spec(p->session), view->pod);
    a.sets = sets_of(view);
    in = eval_in_of(&a, view->record->agent_id);
    fits = evaluate_would_fit(&in, offered, why);
    free(a.sets);
    free(a.role);
    return fits;
}

bool matching_is_fresh(const struct demand_view *view)
{
    return view->demand->recovery == REEVE__DEMAND__RECOVERY__PERMANENT ||
           !view->record || view->record->n_resources == 0 ||
           (evaluate_is_unconfirmed(view->record) && !view->sibling);
}

void matching_need(struct pass *p, const struct demand_view *view)
{
    for (size_t i = 0; i < p->n_pools; i++)
        if (shown_by(view, &p->pools[i]) > 0)
            need_pool(p, i);
}

/* What is there may be this service's own: tasks that run, reservations. */
static bool holds_back(struct pass *p, const struct demand_view *view)
{
    struct session *s = p->session;
    size_t strange = view->record ? 0 : session_strange(s);
    AUTO_BUF struct buf why = {0};
    AUTO_FREE char *report = NULL;

    if (fresh_holds(s->fresh, view, &why)) {
        outcomes_note(s->outcomes, view, buf_text(&why), "", p->n_pools);
        return true;
    }
    if (strange == 0)
        return false;
    buf_addf(&why,
             "%zu reservation(s) or task(s) look like those of this service "
             "and no record names any: the store is empty or another's; "
             "nothing new is launched until `reeve state ignore-foreign`",
             strange);
    report = janitor_report(s->janitor, 10);
    outcomes_note(s->outcomes, view, buf_text(&why), report, p->n_pools);
    return true;
}

bool matching_place(struct pass *p, struct demand_view *view)
{
    struct attempt a = {
        .pass = p, .view = view, .is_fresh = matching_is_fresh(view)};
    bool is_placed;

    if (holds_back(p, view))
        return false;
    a.rules = placement_parse(str_or_empty(view->pod->placement), NULL);
    a.role = spec_pod_role(session_spec(p->session), view->pod);
    a.sets = sets_of(view);
    is_placed = a.rules && ((a.is_fresh && twin_is_possible(view, a.rules)
                                 ? place_twin(&a)
                                 : place_one(&a)) ||
                            a.is_put_off);
    if (!is_placed)
        explain(&a);
    placement_free(&a.rules);
    free(a.sets);
    free(a.role);
    reasons_free(&a.reasons);
    buf_free(&a.label);
    return is_placed;
}
