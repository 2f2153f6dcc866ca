/* SPDX-License-Identifier: Apache-2.0 */
/* replay_agent - the agents of a replay: they say what the recording says
 *
 * A stand-in remembers what it was told (tasks, executors, operations) so that
 * it can register again with it.  It answers pings while it is linked, unless
 * the recording is about to show it unreachable.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/devcluster/replay_state.h"

struct known_task {
    Mesos__V1__Task *msg;
    bool gone; /* terminal and acknowledged */
};
struct known_executor {
    char *framework;
    Mesos__V1__ExecutorInfo *info;
    bool gone;
};
struct known_operation {
    uint8_t uuid[16];
    char *framework;
    Mesos__V1__Offer__Operation *info;
    bool applied;
};

struct stand_in {
    char *id;
    Mesos__V1__AgentInfo *info;
    struct resources *total; /* with reservations and volumes */
    uint64_t link;           /* 0: none */
    bool deaf;               /* answers no ping */
    bool reset;              /* another one takes its place */
    struct known_task *tasks;
    size_t n_tasks;
    struct known_executor *executors;
    size_t n_executors;
    struct known_operation *operations;
    size_t n_operations;
    Mesos__V1__FrameworkInfo **frameworks;
    size_t n_frameworks;
};

void replay_uuid(void *self, uint8_t out[16])
{
    struct replay *r = self;

    memset(out, 0, 16);
    out[6] = 0x40;
    r->next_uuid++;
    memcpy(out + 12, &r->next_uuid, 4);
}

static Mesos__V1__Scheduler__Event *event_of(const struct replay *r, size_t i)
{
    json_t *json = json_object_get(r->entries[i], "json");

    if (!str_eq(json_string_value(json_object_get(r->entries[i], "dir")),
                "event"))
        return NULL;
    return (void *)wire_from_json(&mesos__v1__scheduler__event__descriptor,
                                  json, NULL);
}

static double time_of(const struct replay *r, size_t i)
{
    return json_number_value(json_object_get(r->entries[i], "t_ms")) / 1000;
}

void replay_scan(struct replay *r)
{
    r->wall_base = 0;
    for (size_t i = 0; i < r->n_entries; i++) {
        AUTO_MESSAGE Mesos__V1__Scheduler__Event *e = event_of(r, i);
        double base;

        if (!e || !e->update || !e->update->status->has_timestamp)
            continue;
        base = e->update->status->timestamp - time_of(r, i);
        /* Events are recorded after they happened. */
        if (!e->update->status->has_uuid &&
            (r->wall_base == 0 || base > r->wall_base))
            r->wall_base = base;
        if (r->wall_base == 0)
            r->wall_base = base;
    }
    if (r->wall_base == 0)
        r->wall_base = 1700000000;
}

const char *replay_master_id(const struct replay *r)
{
    static char id[64];

    for (size_t i = r->at; i < r->n_entries; i++) {
        AUTO_MESSAGE Mesos__V1__Scheduler__Event *e = event_of(r, i);

        if (!e || !e->subscribed)
            continue;
        snprintf(id, sizeof id, "%s", e->subscribed->master_info->id);
        return id;
    }
    return "master-without-subscribers-in-recording";
}

static struct stand_in *find(struct replay *r, const char *id)
{
    for (size_t i = 0; i < r->n_agents; i++) {
        if (str_eq(r->agents[i].id, id))
            return &r->agents[i];
    }
    return NULL;
}

/* "agent-N.local". */
static struct stand_in *find_number(struct replay *r, unsigned n)
{
    char name[32];

    snprintf(name, sizeof name, "agent-%u.local", n);
    for (size_t i = r->n_agents; i > 0; i--) {
        if (str_eq(r->agents[i - 1].info->hostname, name))
            return &r->agents[i - 1];
    }
    return NULL;
}

/* ---- registration ---- */

static void configured(const struct resources *total,
                       Mesos__V1__AgentInfo *info)
{
    AUTO(resources) struct resources *plain = resources_new();

    for (size_t i = 0; i < resources_count(total); i++) {
        Mesos__V1__Resource *one = resource_dup(resources_at(total, i));

        resource_allocate(one, NULL);
        if (resource_is_volume(one))
            resource_strip_volume(one);
        while (resource_is_dynamic(one))
            resource_pop_reservation(one);
        resources_add(plain, one);
        resource_free(&one);
    }
    resources_to(plain, &info->resources, &info->n_resources);
}

static struct stand_in *agent_make(struct replay *r,
                                   const Mesos__V1__Offer *offer)
{
    struct stand_in agent = {.id = xstrdup(offer->agent_id->value)};

    agent.total = resources_from(offer->resources, offer->n_resources);
    resources_allocate(agent.total, NULL);
    agent.info = PB_NEW(mesos__v1__agent_info);
    agent.info->hostname = xstrdup(offer->hostname);
    PB_SET(agent.info, port, offer->url ? offer->url->address->port : 1);
    agent.info->id = pb_agent_id(agent.id);
    for (size_t i = 0; i < offer->n_attributes; i++)
        PB_ADD(agent.info, attributes, PB_DUP(offer->attributes[i]));
    configured(agent.total, agent.info);
    PB_ADD(r, agents, agent);
    return &r->agents[r->n_agents - 1];
}

/* State of a task as its agent knows it now: of the update that was made last,
 * whether it was forwarded already or not. */
static int latest_state(const struct replay *r, const char *task, int fallback)
{
    double now = r->wall_base + (double)(r->now_ms - 100000) / 1000 - 0.003;
    double newest = 0;

    for (size_t i = 0; i < r->n_entries; i++) {
        AUTO_MESSAGE Mesos__V1__Scheduler__Event *e = event_of(r, i);
        const Mesos__V1__TaskStatus *s =
            e && e->update ? e->update->status : NULL;

        if (!s || !s->has_uuid || !str_eq(s->task_id->value, task) ||
            s->timestamp > now || s->timestamp < newest)
            continue;
        newest = s->timestamp;
        fallback = (int)s->state;
    }
    return fallback;
}

static void report_tasks(const struct replay *r, const struct stand_in *agent,
                         Reeve__Devcluster__ToMaster__Register *reg)
{
    for (size_t i = 0; i < agent->n_tasks; i++) {
        Reeve__Devcluster__ToMaster__Task *one;

        if (agent->tasks[i].gone)
            continue;
        one = PB_NEW(reeve__devcluster__to_master__task);
        one->task = PB_DUP(agent->tasks[i].msg);
        one->task->state = (Mesos__V1__TaskState)latest_state(
            r, one->task->task_id->value, (int)one->task->state);
        PB_ADD(reg, tasks, one);
    }
}

static bool is_alive(const Reeve__Devcluster__ToMaster__Register *reg,
                     const struct known_executor *executor)
{
    for (size_t i = 0; i < reg->n_tasks; i++) {
        if (str_eq(ID_OF(reg->tasks[i]->task->executor_id),
                   executor->info->executor_id->value) &&
            !task_state_is_terminal((int)reg->tasks[i]->task->state))
            return true;
    }
    return false;
}

static void report_rest(const struct stand_in *agent,
                        Reeve__Devcluster__ToMaster__Register *reg)
{
    for (size_t i = 0; i < agent->n_executors; i++) {
        Reeve__Devcluster__ToMaster__Executor *one;

        if (agent->executors[i].gone || !is_alive(reg, &agent->executors[i]))
            continue;
        one = PB_NEW(reeve__devcluster__to_master__executor);
        one->framework_id = pb_framework_id(agent->executors[i].framework);
        one->info = PB_DUP(agent->executors[i].info);
        PB_ADD(reg, executors, one);
    }
    for (size_t i = 0; i < agent->n_frameworks; i++)
        PB_ADD(reg, frameworks, PB_DUP(agent->frameworks[i]));
    for (size_t i = 0; i < resources_count(agent->total); i++) {
        const Mesos__V1__Resource *one = resources_at(agent->total, i);

        if (resource_is_dynamic(one) || resource_is_volume(one))
            PB_ADD(reg, checkpointed, resource_dup(one));
    }
    for (size_t i = 0; i < agent->n_operations; i++) {
        Reeve__Devcluster__ToMaster__OperationUpdate *one;

        one = PB_NEW(reeve__devcluster__to_master__operation_update);
        PB_BYTES(one, operation_uuid, agent->operations[i].uuid, 16);
        PB_ADD(reg, operations, one);
    }
}

static void say(struct replay *r, const struct stand_in *agent,
                Reeve__Devcluster__ToMaster *msg)
{
    if (r->master && agent->link) {
        replay_sync(r);
        master_agent_message(r->master, agent->link, msg);
        replay_drain(r);
    }
    PB_FREE(msg);
}

static void register_now(struct replay *r, struct stand_in *agent)
{
    Reeve__Devcluster__ToMaster *msg = PB_NEW(reeve__devcluster__to_master);
    size_t index = (size_t)(agent - r->agents);

    msg->register_ = PB_NEW(reeve__devcluster__to_master__register);
    msg->register_->agent = PB_DUP(agent->info);
    report_tasks(r, agent, msg->register_);
    report_rest(agent, msg->register_);
    if (agent->link && r->master)
        master_agent_unlink(r->master, agent->link);
    agent->link = ++r->next_link;
    agent->deaf = false;
    master_agent_link(r->master, agent->link, "127.0.0.1");
    say(r, &r->agents[index], msg);
}

static int by_id(const void *a, const void *b)
{
    const Mesos__V1__Offer *const *x = a, *const *y = b;

    return strcmp((*x)->agent_id->value, (*y)->agent_id->value);
}

void replay_agents_first(struct replay *r)
{
    for (size_t i = 0; i < r->n_entries; i++) {
        AUTO_MESSAGE Mesos__V1__Scheduler__Event *e = event_of(r, i);

        if (!e || !e->offers)
            continue;
        qsort(e->offers->offers, e->offers->n_offers, sizeof *e->offers->offers,
              by_id);
        for (size_t k = 0; k < e->offers->n_offers; k++)
            register_now(r, agent_make(r, e->offers->offers[k]));
        return;
    }
}

void replay_agent_needed(struct replay *r, const char *id,
                         const Mesos__V1__Offer *offer)
{
    struct stand_in *agent = find(r, id);

    if (!agent && offer)
        agent = agent_make(r, offer);
    if (agent && !agent->link && r->master)
        register_now(r, agent);
}

void replay_agents_unlink(struct replay *r)
{
    for (size_t i = 0; i < r->n_agents; i++)
        r->agents[i].link = 0;
}

/* ---- what it is told ---- */

static void told_run(struct stand_in *agent,
                     const Reeve__Devcluster__ToAgent__RunGroup *run)
{
    struct framework fw = {.id = run->framework->id->value};
    bool known = false;

    for (size_t i = 0; i < agent->n_frameworks; i++)
        known |= str_eq(agent->frameworks[i]->id->value, fw.id);
    if (!known)
        PB_ADD(agent, frameworks, PB_DUP(run->framework));
    if (run->executor) {
        struct known_executor one = {xstrdup(fw.id), PB_DUP(run->executor),
                                     false};

        PB_ADD(agent, executors, one);
    }
    for (size_t i = 0; i < run->n_tasks; i++) {
        struct known_task one = {
            task_message(run->tasks[i], &fw,
                         run->executor ? run->executor->executor_id->value
                                       : NULL),
            false};

        PB_ADD(agent, tasks, one);
    }
}

static void told_operation(struct stand_in *agent,
                           const Reeve__Devcluster__ToAgent__ApplyOperation *a)
{
    struct known_operation one = {.framework = xstrdup(ID_OF(a->framework_id)),
                                  .info = PB_DUP(a->info)};

    memcpy(one.uuid, a->operation_uuid.data, sizeof one.uuid);
    /* Without an id nobody will hear of it: done at once. */
    if (!a->info->id) {
        resources_apply(agent->total, a->info, NULL);
        PB_FREE(one.info);
        free(one.framework);
        return;
    }
    PB_ADD(agent, operations, one);
}

static void told_ack(struct stand_in *agent,
                     const Reeve__Devcluster__ToAgent__Acknowledge *ack)
{
    for (size_t i = 0; i < agent->n_tasks; i++) {
        struct known_task *task = &agent->tasks[i];

        if (str_eq(task->msg->task_id->value, ack->task_id->value) &&
            task_state_is_terminal((int)task->msg->state))
            task->gone = true;
    }
}

static void told_shutdown(struct stand_in *agent, const char *framework)
{
    for (size_t i = 0; i < agent->n_tasks; i++) {
        if (str_eq(ID_OF(agent->tasks[i].msg->framework_id), framework))
            agent->tasks[i].gone = true;
    }
    for (size_t i = 0; i < agent->n_executors; i++) {
        if (str_eq(agent->executors[i].framework, framework))
            agent->executors[i].gone = true;
    }
}

static void told_to_end(struct stand_in *agent)
{
    for (size_t i = 0; i < agent->n_tasks; i++)
        agent->tasks[i].gone = true;
    for (size_t i = 0; i < agent->n_executors; i++)
        agent->executors[i].gone = true;
    agent->link = 0;
}

void replay_agent_told(struct replay *r, uint64_t link,
                       const Reeve__Devcluster__ToAgent *msg)
{
    struct stand_in *agent = NULL;

    for (size_t i = 0; i < r->n_agents; i++) {
        if (r->agents[i].link == link)
            agent = &r->agents[i];
    }
    if (!agent)
        return;
    if (msg->run_group)
        told_run(agent, msg->run_group);
    else if (msg->apply_operation)
        told_operation(agent, msg->apply_operation);
    else if (msg->acknowledge)
        told_ack(agent, msg->acknowledge);
    else if (msg->shutdown_framework)
        told_shutdown(agent, msg->shutdown_framework->framework_id->value);
    else if (msg->shutdown)
        told_to_end(agent);
    else if (msg->ping && !agent->deaf) {
        Reeve__Devcluster__ToMaster *pong =
            PB_NEW(reeve__devcluster__to_master);

        pong->pong = PB_NEW(reeve__devcluster__to_master__pong);
        master_agent_message(r->master, agent->link, pong);
        PB_FREE(pong);
    }
}

/* ---- what it says ---- */

static struct known_task *task_of(struct stand_in *agent, const char *id)
{
    for (size_t i = agent->n_tasks; i > 0; i--) {
        if (str_eq(agent->tasks[i - 1].msg->task_id->value, id))
            return &agent->tasks[i - 1];
    }
    return NULL;
}

static void say_update(struct replay *r, const Mesos__V1__TaskStatus *status)
{
    struct stand_in *agent = find(r, ID_OF(status->agent_id));
    struct known_task *task;
    Reeve__Devcluster__ToMaster *msg;

    if (!agent)
        return;
    task = task_of(agent, status->task_id->value);
    if (!task)
        return;
    task->msg->state = status->state;
    PB_ADD(task->msg, statuses, PB_DUP(status));
    msg = PB_NEW(reeve__devcluster__to_master);
    msg->status_update = PB_NEW(reeve__devcluster__to_master__status_update);
    msg->status_update->framework_id =
        pb_framework_id(ID_OF(task->msg->framework_id));
    msg->status_update->status = PB_DUP(status);
    PB_SET(msg->status_update, latest_state,
           (Mesos__V1__TaskState)latest_state(r, status->task_id->value,
                                              (int)status->state));
    say(r, agent, msg);
}

static void say_exited(struct replay *r,
                       const Mesos__V1__Scheduler__Event__Failure *failure)
{
    struct stand_in *agent = find(r, ID_OF(failure->agent_id));
    Reeve__Devcluster__ToMaster *msg;

    for (size_t i = 0; agent && i < agent->n_executors; i++) {
        struct known_executor *one = &agent->executors[i];

        if (one->gone ||
            !str_eq(one->info->executor_id->value, failure->executor_id->value))
            continue;
        one->gone = true;
        msg = PB_NEW(reeve__devcluster__to_master);
        msg->exited_executor =
            PB_NEW(reeve__devcluster__to_master__exited_executor);
        msg->exited_executor->framework_id = pb_framework_id(one->framework);
        msg->exited_executor->executor_id =
            pb_executor_id(failure->executor_id->value);
        PB_SET(msg->exited_executor, wait_status, failure->status);
        say(r, agent, msg);
        return;
    }
}

static void say_operation(struct replay *r,
                          const Mesos__V1__OperationStatus *status)
{
    struct stand_in *agent = find(r, ID_OF(status->agent_id));
    Reeve__Devcluster__ToMaster *msg;

    for (size_t i = 0; agent && i < agent->n_operations; i++) {
        struct known_operation *one = &agent->operations[i];

        if (!str_eq(one->info->id->value, ID_OF(status->operation_id)))
            continue;
        if (!one->applied)
            resources_apply(agent->total, one->info, NULL);
        one->applied = true;
        msg = PB_NEW(reeve__devcluster__to_master);
        msg->operation_update =
            PB_NEW(reeve__devcluster__to_master__operation_update);
        msg->operation_update->framework_id = pb_framework_id(one->framework);
        PB_BYTES(msg->operation_update, operation_uuid, one->uuid, 16);
        msg->operation_update->status = PB_DUP(status);
        say(r, agent, msg);
        return;
    }
}

/* The id that the next offer of this host has, if it is a new one. */
static void replaced(struct replay *r, const char *old)
{
    struct stand_in *before = find(r, old);

    for (size_t i = r->at; before && i < r->n_entries; i++) {
        AUTO_MESSAGE Mesos__V1__Scheduler__Event *e = event_of(r, i);

        for (size_t k = 0; e && e->offers && k < e->offers->n_offers; k++) {
            const Mesos__V1__Offer *offer = e->offers->offers[k];

            if (str_eq(offer->hostname, before->info->hostname) &&
                !find(r, offer->agent_id->value)) {
                replay_agent_needed(r, offer->agent_id->value, offer);
                return;
            }
        }
    }
}

/* The next ping is one too many; when exactly depends on the phase of the
 * pings. */
static void unreachable_now(struct replay *r, const char *id)
{
    struct magent *agent = r->master ? find_agent(r->master, id) : NULL;
    struct stand_in *ours = find(r, id);

    if (!agent || !ours)
        return;
    ours->deaf = ours->link != 0;
    agent->pinged = true;
    agent->pings_missed = 1000;
    agent->next_ping_ms = r->now_ms;
    replay_sync(r);
    master_tick(r->master);
    replay_drain(r);
}

/* A hung agent reads what waits for it before it registers again. */
static void read_all(struct stand_in *agent)
{
    for (size_t i = 0; i < agent->n_operations; i++) {
        if (!agent->operations[i].applied)
            resources_apply(agent->total, agent->operations[i].info, NULL);
        agent->operations[i].applied = true;
    }
}

static void master_says(struct replay *r, const Mesos__V1__TaskStatus *status)
{
    struct stand_in *agent = find(r, ID_OF(status->agent_id));
    bool unreachable = status->has_reason &&
                       status->reason == REASON(AGENT_REMOVED) &&
                       status->unreachable_time;

    if (!agent || !status->has_reason)
        return;
    if (unreachable)
        unreachable_now(r, agent->id);
    if (status->reason == REASON(AGENT_REREGISTERED) &&
        (!agent->link || agent->deaf)) {
        read_all(agent);
        register_now(r, agent);
    }
    if (str_ends(str_or_empty(status->message),
                 "a new agent registered at the same address"))
        replaced(r, agent->id);
}

static bool is_linked(struct replay *r, const Mesos__V1__AgentID *id)
{
    const struct stand_in *agent = find(r, ID_OF(id));

    return !agent || agent->link;
}

void replay_agent_speaks(struct replay *r,
                         const Mesos__V1__Scheduler__Event *event)
{
    if (event->update && event->update->status->has_uuid) {
        replay_agent_needed(r, ID_OF(event->update->status->agent_id), NULL);
        say_update(r, event->update->status);
    } else if (event->update) {
        master_says(r, event->update->status);
    } else if (event->failure && event->failure->executor_id) {
        say_exited(r, event->failure);
    } else if (event->failure && !is_linked(r, event->failure->agent_id)) {
        unreachable_now(r, event->failure->agent_id->value);
    } else if (event->update_operation_status &&
               str_starts(str_or_empty(
                              event->update_operation_status->status->message),
                          "Agent was marked unreachable")) {
        unreachable_now(
            r, ID_OF(event->update_operation_status->status->agent_id));
    } else if (event->update_operation_status &&
               event->update_operation_status->status->uuid) {
        replay_agent_needed(
            r, ID_OF(event->update_operation_status->status->agent_id), NULL);
        say_operation(r, event->update_operation_status->status);
    }
}

/* ---- what happens to it ---- */

/* Tasks of frameworks that do not checkpoint end with the agent. */
static void lose_unsaved(struct stand_in *agent)
{
    for (size_t i = 0; i < agent->n_frameworks; i++) {
        if (!agent->frameworks[i]->checkpoint)
            told_shutdown(agent, agent->frameworks[i]->id->value);
    }
}

void replay_agent_kill(struct replay *r, unsigned n)
{
    struct stand_in *agent = find_number(r, n);

    if (!agent || !agent->link)
        return;
    lose_unsaved(agent);
    if (r->master) {
        replay_sync(r);
        master_agent_unlink(r->master, agent->link);
        replay_drain(r);
    }
    agent->link = 0;
}

void replay_agent_unregister(struct replay *r, unsigned n)
{
    struct stand_in *agent = find_number(r, n);
    Reeve__Devcluster__ToMaster *msg = PB_NEW(reeve__devcluster__to_master);

    cr_assert(agent);
    msg->unregister = PB_NEW(reeve__devcluster__to_master__unregister);
    say(r, agent, msg);
    for (size_t i = 0; i < agent->n_tasks; i++)
        agent->tasks[i].gone = true;
    replay_agent_kill(r, n);
}

static bool is_over(const struct replay *r, const struct stand_in *agent,
                    const struct known_executor *executor)
{
    size_t tasks = 0;

    for (size_t i = 0; i < agent->n_tasks; i++) {
        const Mesos__V1__Task *msg = agent->tasks[i].msg;

        if (!str_eq(ID_OF(msg->executor_id),
                    executor->info->executor_id->value))
            continue;
        tasks++;
        if (!task_state_is_terminal(
                latest_state(r, msg->task_id->value, (int)msg->state)))
            return false;
    }
    return tasks > 0;
}

void replay_agents_exits(struct replay *r, const char *framework)
{
    const struct framework *fw =
        r->master ? find_framework(r->master, framework) : NULL;

    for (size_t i = 0; fw && !fw->stream && i < r->n_agents; i++) {
        for (size_t k = 0; k < r->agents[i].n_executors; k++) {
            struct known_executor *one = &r->agents[i].executors[k];
            Mesos__V1__Scheduler__Event__Failure failure =
                MESOS__V1__SCHEDULER__EVENT__FAILURE__INIT;

            if (one->gone || !is_over(r, &r->agents[i], one))
                continue;
            failure.agent_id = r->agents[i].info->id;
            failure.executor_id = one->info->executor_id;
            say_exited(r, &failure);
        }
    }
}

void replay_agent_reset(struct replay *r, unsigned n)
{
    struct stand_in *agent = find_number(r, n);

    if (agent)
        agent->reset = true;
}

void replay_agents_free(struct replay *r)
{
    for (size_t i = 0; i < r->n_agents; i++) {
        struct stand_in *a = &r->agents[i];

        for (size_t k = 0; k < a->n_tasks; k++)
            PB_FREE(a->tasks[k].msg);
        for (size_t k = 0; k < a->n_executors; k++) {
            PB_FREE(a->executors[k].info);
            free(a->executors[k].framework);
        }
        for (size_t k = 0; k < a->n_operations; k++) {
            PB_FREE(a->operations[k].info);
            free(a->operations[k].framework);
        }
        for (size_t k = 0; k < a->n_frameworks; k++)
            PB_FREE(a->frameworks[k]);
        free(a->tasks);
        free(a->executors);
        free(a->operations);
        free(a->frameworks);
        resources_destroy(&a->total);
        PB_FREE(a->info);
        free(a->id);
    }
    free(r->agents);
}
