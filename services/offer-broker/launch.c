/* SPDX-License-Identifier: Apache-2.0 */
/* launch - from demands and held offers to ACCEPT, by way of the store
 *
 *   match -> transaction {task, status, pod records; demand gone} -> durable
 *         -> ACCEPT {UNRESERVE, RESERVE, CREATE, LAUNCH_GROUP}
 *
 * All launches on one agent share an ACCEPT, which names all offers held of
 * that agent (an ended pod's resources come back in several).  Several agents
 * share a transaction, unless one met a conflict lately: what is wrong with one
 * must not hold up the others. Between match and answer of the store the offers
 * are taken and the demands left alone.  A launch whose ACCEPT could not be
 * sent is a task that Mesos does not know: reconciliation says so, and the
 * planner goes on from there. An ACCEPT is never sent twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/spec/spec.h"
#include "services/offer-broker/launch_internal.h"
#include "services/offer-broker/status.h"

#define HOLD_MS       2000   /* an offer that nobody needs at once */
#define HOLD_PART_MS  6000   /* a part of what a waiting pod needs */
#define IDLE_REFUSE_S 3600.0 /* nothing to do: come back when revived */
#define REST_REFUSE_S 0.0    /* the next step often follows at once */
#define RETRY_MS      200    /* a demand whose transaction met a conflict */
#define APART_MS      2000   /* after a conflict */
#define MAX_WRITES    600    /* in a transaction of several agents */
#define SOON_MS       5000   /* a back-off that ends by then counts as work */

/* ---- life --------------------------------------------------------- */
struct launches *launches_new(struct session *session)
{
    struct launches *launches = xcalloc(1, sizeof(*launches));

    launches->session = session;
    return launches;
}

static void free_launch(struct launch *launch)
{
    ProtobufCMessage *accept = launch->accept ? &launch->accept->base : NULL;

    wire_free(&accept);
    writes_destroy(&launch->writes);
    for (size_t i = 0; i < launch->n_demands; i++) {
        free(launch->demand_ids[i]);
        built_destroy(&launch->built[i]);
    }
    free(launch->demand_ids);
    free(launch->built);
    free(launch);
}

static void drop_quiet(struct quiet **table, struct quiet *quiet)
{
    HASH_DEL(*table, quiet);
    free(quiet->demand_id);
    free(quiet);
}

static void drop_all_quiet(struct quiet **table)
{
    struct quiet *quiet, *next;

    HASH_ITER(hh, *table, quiet, next)
    {
        drop_quiet(table, quiet);
    }
}

static void free_commit(struct commit *commit)
{
    DL_DELETE(commit->owner->commits, commit);
    writes_destroy(&commit->writes);
    free(commit->list);
    free(commit);
}

void launches_destroy(struct launches **launches)
{
    struct launches *l = *launches;
    struct launch *launch, *next;

    if (!l)
        return;
    while (l->commits)
        free_commit(l->commits);
    DL_FOREACH_SAFE(l->under_way, launch, next)
    {
        DL_DELETE(l->under_way, launch);
        free_launch(launch);
    }
    drop_all_quiet(&l->quiet);
    drop_all_quiet(&l->unmet);
    free(l);
    *launches = NULL;
}

size_t launches_pending(const struct launches *launches)
{
    return launches->count;
}

static struct quiet *find_quiet(struct quiet *table, const char *demand_id)
{
    struct quiet *quiet = NULL;

    HASH_FIND_STR(table, str_or_empty(demand_id), quiet);
    return quiet;
}

static void set_quiet(struct quiet **table, const char *demand_id,
                      int64_t until_ms)
{
    struct quiet *quiet = find_quiet(*table, demand_id);

    if (!quiet) {
        quiet = xcalloc(1, sizeof(*quiet));
        quiet->demand_id = xstrdup(str_or_empty(demand_id));
        HASH_ADD_KEYPTR(hh, *table, quiet->demand_id, strlen(quiet->demand_id),
                        quiet);
    }
    quiet->until_ms = until_ms;
}

/* ---- who has a place ---------------------------------------------- */
/* Records without a pod record (its reservations given back) have no place any
 * more. */
static void collect_placed(void *self, const struct fact_task *task)
{
    struct pass *p = self;
    AUTO_FREE char *instance = spec_pod_instance(
        str_or_empty(task->info->pod_type), task->info->pod_index);

    if (!task->info->permanently_failed &&
        facts_pod(p->session->facts, instance, NULL))
        places_add(p->places, task->info);
}

/* Launches that the facts do not know yet count already. */
static void collect_under_way(struct pass *p)
{
    const struct launch *launch;

    DL_FOREACH(p->owner->under_way, launch)
    {
        for (size_t i = 0; i < launch->n_demands; i++)
            if (launch->built[i])
                places_move(p->places, launch->built[i]->tasks[0]);
    }
}

/* ---- collecting a launch ------------------------------------------ */
static struct launch *launch_for(struct pass *p, size_t at)
{
    struct batch *batch = &p->batches[at];
    const struct agent_pool *pool = &p->pools[at];
    Mesos__V1__Scheduler__Call__Accept *accept;

    if (batch->launch)
        return batch->launch;
    batch->launch = xcalloc(1, sizeof(*batch->launch));
    batch->launch->owner = p->owner;
    batch->launch->writes = writes_new();
    batch->launch->accept =
        outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT);
    accept = PB_NEW(mesos__v1__scheduler__call__accept);
    batch->launch->accept->accept = accept;
    for (size_t i = 0; i < pool->n_offer_ids; i++)
        PB_ADD(accept, offer_ids, pb_offer_id(pool->offer_ids[i]));
    accept->filters = PB_NEW(mesos__v1__filters);
    PB_SET(accept->filters, refuse_seconds, REST_REFUSE_S);
    return batch->launch;
}

static void write_tasks(struct launch *launch, const struct pass *p,
                        const struct built *built)
{
    const struct facts *facts = p->session->facts;

    for (size_t i = 0; i < built->n_tasks; i++) {
        const Reeve__TaskRecord *task = built->tasks[i];
        AUTO_FREE char *info_key = facts_key_task_info(facts, task->name);
        AUTO_FREE char *status_key = facts_key_task_status(facts, task->name);
        AUTO_MESSAGE Reeve__TaskStatusRecord *status =
            status_of_launch(task, p->now_wall_ms);
        struct fact_task former;

        facts_task(facts, task->name, &former);
        writes_require(launch->writes, status_key, former.status_revision);
        writes_put(launch->writes, info_key, &task->base);
        writes_put(launch->writes, status_key, &status->base);
        log_info("launching", "service=%s task=%s agent=%s host=%s",
                 p->session->key, task->task_id, task->agent_id,
                 task->hostname);
    }
}

static void write_launch(struct launch *launch, const struct pass *p,
                         const struct demand_view *view,
                         const Reeve__PodRecord *pod)
{
    const struct facts *facts = p->session->facts;
    AUTO_FREE char *demand_key = facts_key_demand(facts, view->demand->id);
    AUTO_FREE char *pod_key = facts_key_pod(facts, view->instance);
    AUTO_FREE char *outcome_key = facts_key_outcome(facts, view->instance);

    writes_require(launch->writes, demand_key, view->revision);
    writes_require(launch->writes, pod_key, view->record_revision);
    writes_put(launch->writes, pod_key, &pod->base);
    writes_delete(launch->writes, demand_key);
    if (facts_outcome(facts, view->instance, NULL))
        writes_delete(launch->writes, outcome_key);
}

/* Takes built. */
static void add_built(struct launch *launch, const char *demand_id,
                      struct built *built)
{
    size_t n = launch->n_demands + 1;

    launch->demand_ids =
        xrealloc(launch->demand_ids, n * sizeof(*launch->demand_ids));
    launch->built = xrealloc(launch->built, n * sizeof(*launch->built));
    launch->demand_ids[launch->n_demands] = xstrdup(demand_id);
    launch->built[launch->n_demands++] = built;
}

static void move_operations(struct launch *launch, struct match *match)
{
    for (size_t i = 0; i < match->n_ops; i++)
        PB_ADD(launch->accept->accept, operations, match->ops[i]);
    match->n_ops = 0;
}

static void move_launches(struct launch *launch, struct built *built)
{
    for (size_t i = 0; i < built->n_launches; i++)
        PB_ADD(launch->accept->accept, operations, built->launches[i]);
    built->n_launches = 0;
}

/* That of a task that was launched; NULL: unknown. */
static Mesos__V1__ExecutorInfo *executor_of(const struct facts *facts,
                                            const char *task_name)
{
    AUTO_MESSAGE Reeve__TaskRecord *task = facts_task_record(facts, task_name);

    return task
               ? WIRE_DECODE(mesos__v1__executor_info, task->executor_info.data,
                             task->executor_info.len, NULL)
               : NULL;
}

static void set_place(struct pass *p, const struct agent_pool *pool,
                      Reeve__PodRecord *pod)
{
    pb_str(&pod->agent_id, pool->agent_id);
    pb_str(&pod->hostname, pool->hostname);
    PB_SET(pod, changed_wall_ms, p->now_wall_ms);
}

void launch_accept(struct pass *p, size_t at, const struct demand_view *view,
                   struct match *match)
{
    struct agent_pool *pool = &p->pools[at];
    struct launch *launch = launch_for(p, at);
    AUTO_MESSAGE Mesos__V1__ExecutorInfo *executor = NULL;
    struct built *built;
    struct build_in in = {.spec = view->config->spec,
                          .pod = view->pod,
                          .demand = view->demand,
                          .config = &p->session->broker->build,
                          .framework_id = p->session->framework_id,
                          .offer = pool->offer,
                          .match = match,
                          .ids = &p->session->broker->ids,
                          .now_wall_ms = p->now_wall_ms};

    if (view->sibling)
        executor = executor_of(p->session->facts, view->sibling->name);
    in.executor = executor;
    set_place(p, pool, match->pod);
    built = task_build(&in);
    write_tasks(launch, p, built);
    write_launch(launch, p, view, match->pod);
    move_operations(launch, match);
    move_launches(launch, built);
    add_built(launch, view->demand->id, built);
    p->batches[at].n_tasks += built->n_tasks;
    p->session->counts.launches++;
    places_move(p->places, built->tasks[0]);
    set_quiet(&p->owner->quiet, view->demand->id, INT64_MAX);
}

void launch_resize(struct pass *p, size_t at, const struct demand_view *view,
                   struct match *match)
{
    struct agent_pool *pool = &p->pools[at];
    struct launch *launch = launch_for(p, at);
    const struct facts *facts = p->session->facts;
    AUTO_FREE char *demand_key = facts_key_demand(facts, view->demand->id);
    AUTO_FREE char *pod_key = facts_key_pod(facts, view->instance);
    AUTO_FREE char *summary =
        xasprintf("%s: %s, then it is launched", pool->hostname, match->resize);

    set_place(p, pool, match->pod);
    writes_require(launch->writes, demand_key, view->revision);
    writes_require(launch->writes, pod_key, view->record_revision);
    writes_put(launch->writes, pod_key, &match->pod->base);
    move_operations(launch, match);
    add_built(launch, view->demand->id, NULL);
    outcomes_note(p->session->outcomes, view, summary, "", 1);
    set_quiet(&p->owner->quiet, view->demand->id, INT64_MAX);
    log_info("resizing", "service=%s pod=%s agent=%s what=%s", p->session->key,
             view->instance, pool->agent_id, log_q(match->resize));
}

static void note_unmet(struct pass *p, const struct demand_view *view)
{
    if (find_quiet(p->owner->unmet, view->demand->id))
        return;
    set_quiet(&p->owner->unmet, view->demand->id, 0);
    flow_new_work(&p->session->flow);
}

static void try_demand(struct pass *p, struct demand_view *view)
{
    const struct quiet *quiet = find_quiet(p->owner->quiet, view->demand->id);

    if (quiet && quiet->until_ms > p->now_ms)
        return;
    if (!matching_place(p, view))
        note_unmet(p, view);
}

/* ---- the store's answer ------------------------------------------- */
static void release_offers(struct launch *launch, bool is_used)
{
    struct offer_book *book = launch->owner->session->offers;
    const Mesos__V1__Scheduler__Call__Accept *accept = launch->accept->accept;

    for (size_t i = 0; i < accept->n_offer_ids; i++) {
        if (is_used)
            offer_book_drop(book, accept->offer_ids[i]->value);
        else
            offer_book_release(book, accept->offer_ids[i]->value);
    }
}

/* The transaction of a launch was answered. */
static void conclude(struct launch *launch, bool is_durable)
{
    struct launches *owner = launch->owner;
    struct session *s = owner->session;

    DL_DELETE(owner->under_way, launch);
    owner->count--;
    release_offers(launch, is_durable);
    for (size_t i = 0; i < launch->n_demands; i++)
        set_quiet(&owner->quiet, launch->demand_ids[i],
                  clock_mono_ms() + RETRY_MS);
    if (is_durable) {
        s->counts.accepts++;
        outbox_send(s->outbox, MOVE(launch->accept));
    }
    free_launch(launch);
}

static void tell_refusal(struct launches *owner,
                         const struct txn_result *result)
{
    struct session *s = owner->session;

    if (result->err.code == ERR_CONFLICT) {
        owner->apart_until_ms = clock_mono_ms() + APART_MS;
        log_info("launch_overtaken", "service=%s key=%s", s->key,
                 str_or_empty(result->failed_key));
        return;
    }
    log_event(result->err.code == ERR_FENCED ? LOG_ODD : LOG_BAD,
              "launch_not_stored", "service=%s why=%s", s->key,
              log_q(result->err.text));
    if (result->err.code == ERR_FENCED)
        broker_fenced(s->broker);
}

static void on_stored(void *self, const struct txn_result *result)
{
    struct commit *commit = self;
    struct launches *owner = commit->owner;
    bool is_durable = result->err.code == ERR_NONE;

    if (is_durable)
        writes_apply(commit->writes, owner->session->facts, result->revision);
    else
        tell_refusal(owner, result);
    for (size_t i = 0; i < commit->count; i++)
        conclude(commit->list[i], is_durable);
    free_commit(commit);
    broker_wake(owner->session->broker);
}

static void send_commit(struct commit *commit)
{
    struct txn *txn = writes_take_txn(commit->writes);

    store_client_commit(commit->owner->session->broker->store, &txn, on_stored,
                        commit);
}

static struct commit *commit_new(struct launches *owner)
{
    struct commit *commit = xcalloc(1, sizeof(*commit));

    commit->owner = owner;
    commit->writes = writes_new();
    DL_APPEND(owner->commits, commit);
    return commit;
}

/* Its offers are taken from now on. */
static void start_launch(struct commit *commit, struct launch *launch)
{
    struct launches *owner = commit->owner;
    const Mesos__V1__Scheduler__Call__Accept *accept = launch->accept->accept;

    for (size_t i = 0; i < accept->n_offer_ids; i++)
        offer_book_take(owner->session->offers, accept->offer_ids[i]->value);
    DL_APPEND(owner->under_way, launch);
    owner->count++;
    writes_append(commit->writes, &launch->writes);
    commit->list =
        xrealloc(commit->list, (commit->count + 1) * sizeof(*commit->list));
    commit->list[commit->count++] = launch;
}

/* Has it no room for this launch too? */
static bool is_full(const struct commit *commit, const struct launch *launch,
                    int64_t now_ms)
{
    return now_ms < commit->owner->apart_until_ms ||
           writes_count(commit->writes) + writes_count(launch->writes) >
               MAX_WRITES;
}

/* ---- abandoned reservations --------------------------------------- */
/* The record that names them is durable already: nothing to store first. */
static void sweep(struct pass *p, size_t at)
{
    struct session *s = p->session;
    struct agent_pool *pool = &p->pools[at];
    struct janitor_sweep found;
    struct launch *launch;
    Mesos__V1__Scheduler__Call__Accept *accept;

    if (!pool->has_reserved)
        return;
    agent_pool_fill(pool);
    found =
        janitor_sweep(s->janitor, pool->resources, p->now_ms, &s->broker->ids);
    if (found.n_ops == 0)
        return;
    launch = launch_for(p, at);
    accept = launch->accept->accept;
    for (size_t i = 0; i < found.n_ops; i++)
        PB_ADD(accept, operations, found.ops[i]);
    free(found.ops);
    log_info("sweeping", "service=%s agent=%s host=%s", s->key, pool->agent_id,
             pool->hostname);
}

static void send_sweep(struct pass *p, struct launch *launch)
{
    release_offers(launch, true);
    p->session->counts.accepts++;
    outbox_send(p->session->outbox, MOVE(launch->accept));
    free_launch(launch);
}

/* ---- one pass ----------------------------------------------------- */
static void forget_quiet(struct pass *p)
{
    struct quiet *quiet, *next;

    HASH_ITER(hh, p->owner->quiet, quiet, next)
    {
        if (quiet->until_ms <= p->now_ms)
            drop_quiet(&p->owner->quiet, quiet);
    }
    HASH_ITER(hh, p->owner->unmet, quiet, next)
    {
        if (!facts_demand(p->session->facts, quiet->demand_id, NULL))
            drop_quiet(&p->owner->unmet, quiet);
    }
}

/* A demand that waits for something else than offers. */
static void tell_waiting(struct pass *p, struct demand_view *view)
{
    struct quiet *unmet = find_quiet(p->owner->unmet, view->demand->id);
    bool is_news = hold_judge(p, view);

    /* When it becomes placeable it is new work again. */
    if (view->holds_kill)
        note_unmet(p, view); /* its agent's offer may be filtered */
    else if (unmet && view->state != DEMAND_BLOCKED)
        drop_quiet(&p->owner->unmet, unmet);
    if (is_news)
        outcomes_note(p->session->outcomes, view, view->why, "",
                      view->holds_kill ? 1 : 0);
}

static void finish_pass(struct pass *p)
{
    struct commit *commit = NULL;

    for (size_t i = 0; i < p->n_pools; i++) {
        struct launch *launch = p->batches[i].launch;

        if (launch && launch->n_demands == 0) {
            send_sweep(p, launch);
            continue;
        }
        if (!launch)
            continue;
        if (commit && is_full(commit, launch, p->now_ms)) {
            send_commit(commit);
            commit = NULL;
        }
        if (!commit)
            commit = commit_new(p->owner);
        start_launch(commit, launch);
    }
    if (commit)
        send_commit(commit);
}

static void begin_pass(struct pass *p, size_t n_views)
{
    struct session *s = p->session;

    p->pools = offer_book_pools(s->offers, &p->n_pools);
    p->batches = xcalloc(p->n_pools + 1, sizeof(*p->batches));
    p->places = places_new();
    for (size_t i = 0; i < p->n_pools; i++) {
        struct pool_index *index = NULL;

        HASH_FIND_STR(p->by_agent, p->pools[i].agent_id, index);
        if (index) /* its pool of another role follows that one */
            continue;
        index = xcalloc(1, sizeof(*index));
        index->at = i;
        HASH_ADD_KEYPTR(hh, p->by_agent, p->pools[i].agent_id,
                        strlen(p->pools[i].agent_id), index);
    }
    if (n_views == 0)
        return;
    facts_each_task(s->facts, collect_placed, p);
    collect_under_way(p);
}

static void end_pass(struct pass *p)
{
    struct pool_index *index, *next;

    for (size_t i = 0;
         janitor_has_abandoned(p->session->janitor) && i < p->n_pools; i++)
        sweep(p, i);
    finish_pass(p);
    HASH_ITER(hh, p->by_agent, index, next)
    {
        HASH_DEL(p->by_agent, index);
        free(index);
    }
    matching_end(p);
    places_destroy(&p->places);
    free(p->batches);
    agent_pools_free(p->pools, p->n_pools);
}

void launches_try(struct launches *owner, struct demand_view *views,
                  size_t count)
{
    struct session *s = owner->session;
    struct pass p = {.owner = owner,
                     .session = s,
                     .now_ms = clock_mono_ms(),
                     .now_wall_ms = clock_wall_ms()};

    owner->any_agent = false;
    forget_quiet(&p);
    if (count == 0 && !janitor_has_abandoned(s->janitor))
        return;
    begin_pass(&p, count);
    matching_share(&p, views, count);
    for (size_t i = 0; i < count; i++) {
        owner->any_agent |=
            matching_is_fresh(&views[i]) &&
            demand_needs_offers(&views[i], p.now_wall_ms, SOON_MS);
        if (views[i].state == DEMAND_READY)
            try_demand(&p, &views[i]);
        else
            tell_waiting(&p, &views[i]);
        if (views[i].state == DEMAND_BLOCKED)
            matching_need(&p, &views[i]);
    }
    end_pass(&p);
}

/* ---- declining ---------------------------------------------------- */
struct declining {
    const char **ids;
    size_t count;
    bool needed; /* those that show a part of a waiting pod, or the others */
    int64_t now_ms;
};

static void decline_old(void *self, const struct offer *offer)
{
    struct declining *d = self;
    int64_t hold_ms = offer->is_needed ? HOLD_PART_MS : HOLD_MS;

    if (offer->is_taken || offer->is_needed != d->needed ||
        d->now_ms - offer->received_ms < hold_ms)
        return;
    d->ids = xrealloc(d->ids, (d->count + 1) * sizeof(*d->ids));
    d->ids[d->count++] = offer->id;
}

static void decline(struct session *s, bool needed, double refuse_s)
{
    struct declining d = {.needed = needed, .now_ms = clock_mono_ms()};

    offer_book_each(s->offers, decline_old, &d);
    outbox_decline(s, d.ids, d.count, refuse_s);
    for (size_t i = 0; i < d.count; i++) {
        AUTO_FREE char *id = xstrdup(d.ids[i]);

        offer_book_drop(s->offers, id);
    }
    free(d.ids);
}

/* Where only pods wait that are tied to their agents, the other agents' offers
 * go back for long: what they wait for is offered in spite of that filter. */
void launches_decline(struct launches *owner, bool has_work)
{
    struct session *s = owner->session;
    double short_s = s->broker->refuse_s;

    decline(s, true, has_work ? short_s : IDLE_REFUSE_S);
    decline(s, false, has_work && owner->any_agent ? short_s : IDLE_REFUSE_S);
}
