/* SPDX-License-Identifier: Apache-2.0 */
/* master_register - an agent registers, or comes back with what it still runs
 *
 * The agent's word counts: tasks, executors and reservations are taken over
 * from its report, and what it does not know any more is ended here.
 */
#include "devcluster/master_state.h"

#include <string.h>

#define REGISTER Reeve__Devcluster__ToMaster__Register
#define REPORTED Reeve__Devcluster__ToMaster__Task

/* What came before this registration. */
enum coming { COMING_NEW, COMING_KNOWN, COMING_BACK };

/* ---- resources ---------------------------------------------------------- */

/* The configured resource that a reservation or volume was made of. */
static Mesos__V1__Resource *origin_of(const Mesos__V1__Resource *r)
{
    Mesos__V1__Resource *origin = resource_dup(r);

    if (resource_is_volume(origin))
        resource_strip_volume(origin);
    while (resource_is_dynamic(origin))
        resource_pop_reservation(origin);
    return origin;
}

static void set_total(struct master *m, struct magent *agent,
                      const REGISTER *reg)
{
    struct resources *total =
        resources_from(reg->agent->resources, reg->agent->n_resources);

    for (size_t i = 0; i < reg->n_checkpointed; i++) {
        Mesos__V1__Resource *origin = origin_of(reg->checkpointed[i]);

        if (resources_subtract(total, origin, NULL) == 0)
            resources_add(total, reg->checkpointed[i]);
        else
            note(m, "event=checkpointed_does_not_fit agent=%s", agent->id);
        resource_free(&origin);
    }
    if (agent->total)
        agent_count_totals(m, agent, -1);
    resources_destroy(&agent->total);
    agent->total = total;
    agent_count_totals(m, agent, 1);
}

static void subtract_plain(struct resources *from,
                           const struct resources *taken)
{
    for (size_t i = 0; i < resources_count(taken); i++) {
        AUTO(resources) struct resources *one = resources_new();

        if (resource_is_shared(resources_at(taken, i)))
            continue;
        resources_add(one, resources_at(taken, i));
        resources_allocate(one, NULL);
        resources_subtract_some(from, one);
    }
}

static void set_free(struct magent *agent)
{
    AUTO(resources) struct resources *used = agent_used(agent, NULL);
    AUTO(resources) struct resources *offered = agent_offered(agent);
    const struct moperation *op;
    const struct withheld *held;

    resources_destroy(&agent->free);
    agent->free = resources_dup(agent->total);
    subtract_plain(agent->free, used);
    subtract_plain(agent->free, offered);
    DL_FOREACH(agent->operations, op)
    {
        if (op->consumed)
            subtract_plain(agent->free, op->consumed);
    }
    LL_FOREACH(agent->withheld, held)
    subtract_plain(agent->free, held->resources);
    agent_changed(agent);
}

/* ---- frameworks --------------------------------------------------------- */

static void send_shutdown_framework(struct master *m,
                                    const struct magent *agent, const char *id)
{
    Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);

    msg->shutdown_framework =
        PB_NEW(reeve__devcluster__to_agent__shutdown_framework);
    msg->shutdown_framework->framework_id = pb_framework_id(id);
    send_agent(m, agent, msg);
}

/* Frameworks of an earlier master's time come to be known; those that were
 * removed meanwhile are told to end. */
static void sync_frameworks(struct master *m, const struct magent *agent,
                            const REGISTER *reg)
{
    for (size_t i = 0; i < reg->n_frameworks; i++) {
        const char *id = ID_OF(reg->frameworks[i]->id);

        if (find_completed(m, id))
            send_shutdown_framework(m, agent, id);
        else if (*id && !find_framework(m, id))
            framework_recover(m, reg->frameworks[i]);
    }
}

/* ---- tasks -------------------------------------------------------------- */

static const REPORTED *reported(const REGISTER *reg, const struct mtask *task)
{
    for (size_t i = 0; i < reg->n_tasks; i++) {
        const Mesos__V1__Task *msg = reg->tasks[i]->task;

        if (msg && str_eq(msg->task_id->value, task->msg->task_id->value) &&
            str_eq(msg->framework_id->value, task->framework->id))
            return reg->tasks[i];
    }
    return NULL;
}

/* A launch or its end never reached the agent, or it lost the task. */
static void end_unknown(struct master *m, struct mtask *task)
{
    struct framework *fw = task->framework;
    bool staging = task->msg->state == TASK(STAGING);
    struct status_spec spec = {
        task->msg->task_id->value,     ID_OF(task->msg->agent_id),
        ID_OF(task->msg->executor_id), staging ? TASK(DROPPED) : TASK(GONE),
        REASON(RECONCILIATION),        "Task is unknown to the agent"};
    Mesos__V1__TaskStatus *status;

    if (!task_state_is_terminal((int)task->msg->state)) {
        status = status_new(m, fw, &spec);
        task_set_status(m, task, status, (int)status->state);
        send_status(m, fw, status);
    }
    task_complete(m, task);
}

static void end_unknown_tasks(struct master *m, struct magent *agent,
                              const REGISTER *reg)
{
    struct mtask *task, *next;

    DL_FOREACH_SAFE(agent->tasks, task, next)
    {
        if (!reported(reg, task))
            end_unknown(m, task);
    }
}

static void tell_reregistered(struct master *m, struct mtask *task)
{
    struct framework *fw = task->framework;
    struct status_spec spec = {
        task->msg->task_id->value,     ID_OF(task->msg->agent_id),
        ID_OF(task->msg->executor_id), (int)task->msg->state,
        REASON(AGENT_REREGISTERED),    "Unreachable agent re-reregistered"};
    Mesos__V1__TaskStatus *status = status_new(m, fw, &spec);

    status_copy_details(status, task);
    send_status(m, fw, status);
}

static struct mtask *take_unreachable(struct framework *fw,
                                      const Mesos__V1__Task *msg)
{
    struct mtask *task;

    HASH_FIND_STR(fw->unreachable, msg->task_id->value, task);
    if (!task || !str_eq(ID_OF(task->msg->agent_id), ID_OF(msg->agent_id)))
        return NULL;
    HASH_DEL(fw->unreachable, task);
    return task;
}

/* A task that this master did not hold for this agent. */
static void take_task(struct master *m, struct magent *agent,
                      struct framework *fw, const REPORTED *report,
                      enum coming coming)
{
    struct mtask *old = take_unreachable(fw, report->task);
    struct mtask *task = task_add(m, agent, fw, PB_DUP(report->task));

    /* What was known of it before it was unreachable still counts. */
    for (size_t i = 0;
         old && !report->task->n_statuses && i < old->msg->n_statuses; i++) {
        if (old->msg->statuses[i]->has_uuid)
            task_record_status(task, old->msg->statuses[i]);
    }
    if (report->has_pending_uuid && task->msg->n_statuses) {
        const Mesos__V1__TaskStatus *last =
            task->msg->statuses[task->msg->n_statuses - 1];

        PB_SET(task->msg, status_update_state, last->state);
        PB_BYTES(task->msg, status_update_uuid, report->pending_uuid.data,
                 report->pending_uuid.len);
    }
    ledger_share(m, fw, task->used, 1);
    if (old && coming == COMING_BACK)
        tell_reregistered(m, task);
    if (old)
        task_free(old);
    if (task_state_is_terminal((int)task->msg->state)) {
        ledger_share(m, fw, task->used, -1);
        resources_destroy(&task->used);
    }
}

static void refresh_task(struct master *m, struct mtask *task,
                         const REPORTED *report)
{
    if (!task_state_is_terminal((int)task->msg->state))
        task->msg->state = report->task->state;
    if (task_state_is_terminal((int)report->task->state))
        task_release(m, task);
}

static void sync_tasks(struct master *m, struct magent *agent,
                       const REGISTER *reg, enum coming coming)
{
    end_unknown_tasks(m, agent, reg);
    for (size_t i = 0; i < reg->n_tasks; i++) {
        const Mesos__V1__Task *msg = reg->tasks[i]->task;
        struct framework *fw =
            msg ? find_framework(m, ID_OF(msg->framework_id)) : NULL;
        struct mtask *task;

        if (!fw)
            continue;
        task = find_task(fw, msg->task_id->value);
        if (task && task->agent == agent)
            refresh_task(m, task, reg->tasks[i]);
        else if (!task)
            take_task(m, agent, fw, reg->tasks[i], coming);
    }
}

static void send_pending_kills(struct master *m, struct magent *agent)
{
    struct mtask *task;

    DL_FOREACH(agent->tasks, task)
    {
        Reeve__Devcluster__ToAgent *msg;

        if (!task->kill_pending)
            continue;
        task->kill_pending = false;
        msg = PB_NEW(reeve__devcluster__to_agent);
        msg->kill = PB_NEW(reeve__devcluster__to_agent__kill);
        msg->kill->framework_id = pb_framework_id(task->framework->id);
        msg->kill->task_id = pb_task_id(task->msg->task_id->value);
        send_agent(m, agent, msg);
    }
}

/* ---- executors and operations ------------------------------------------- */

static void sync_executors(struct master *m, struct magent *agent,
                           const REGISTER *reg)
{
    struct mexecutor *executor, *next;

    DL_FOREACH_SAFE(agent->executors, executor, next)
    executor_remove(m, executor);
    for (size_t i = 0; i < reg->n_executors; i++) {
        const Reeve__Devcluster__ToMaster__Executor *one = reg->executors[i];
        struct framework *fw = find_framework(m, ID_OF(one->framework_id));

        if (!fw || !one->info)
            continue;
        executor = executor_add(m, agent, fw, one->info);
        ledger_share(m, fw, executor->used, 1);
    }
}

static bool has_operation(const REGISTER *reg, const struct moperation *op)
{
    for (size_t i = 0; i < reg->n_operations; i++) {
        if (reg->operations[i]->operation_uuid.len == sizeof op->uuid &&
            memcmp(reg->operations[i]->operation_uuid.data, op->uuid,
                   sizeof op->uuid) == 0)
            return true;
    }
    return false;
}

static void sync_operations(struct master *m, struct magent *agent,
                            const REGISTER *reg)
{
    struct moperation *op, *next;

    DL_FOREACH_SAFE(agent->operations, op, next)
    {
        struct operation_spec spec = {
            ID_OF(op->msg->latest_status->operation_id), agent->id,
            OP_STATE(DROPPED), "Operation is unknown to the agent"};

        if (has_operation(reg, op))
            continue;
        if (op->framework &&
            !operation_state_is_terminal((int)op->msg->latest_status->state))
            send_operation_status(m, op->framework, &spec);
        operation_remove(m, op);
    }
}

/* ---- registering -------------------------------------------------------- */

static struct magent *at_address(const struct master *m, const char *ip,
                                 const Mesos__V1__AgentInfo *info)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        if (agent->info->port == info->port && str_eq(agent->ip, ip) &&
            str_eq(agent->info->hostname, info->hostname))
            return agent;
    }
    return NULL;
}

static void set_info(struct magent *agent, const struct agent_link *link,
                     const REGISTER *reg)
{
    PB_FREE(agent->info);
    agent->info = PB_DUP(reg->agent);
    if (agent->info->id)
        PB_FREE(agent->info->id);
    agent->info->id = pb_agent_id(agent->id);
    free(agent->ip);
    agent->ip = xstrdup(link->ip);
    free(agent->software);
    agent->software = xstrdup(reg->version ? reg->version : MASTER_VERSION);
}

static struct magent *admit(struct master *m, const struct agent_link *link,
                            const REGISTER *reg)
{
    const char *id = ID_OF(reg->agent->id);
    struct absent_agent *absent = find_absent(m, id);
    struct magent *agent = xcalloc(1, sizeof *agent);

    agent->no_resize_volume = m->config.no_resize_volume;

    agent->id = *id ? xstrdup(id)
                    : xasprintf("%s-S%llu", m->config.id,
                                (unsigned long long)m->next_agent++);
    agent->version = 1;
    agent->registered_us = m->wall_us;
    set_info(agent, link, reg);
    if (absent) {
        agent->deactivated = absent->deactivated;
        agent->drain = MOVE(absent->drain);
        agent->reregistered_us = m->wall_us;
        absent_free(m, absent);
    }
    HASH_ADD_KEYPTR(hh, m->agents, agent->id, strlen(agent->id), agent);
    save_registry(m);
    return agent;
}

static void send_registered(struct master *m, const struct magent *agent)
{
    Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);

    msg->registered = PB_NEW(reeve__devcluster__to_agent__registered);
    msg->registered->agent_id = pb_agent_id(agent->id);
    send_agent(m, agent, msg);
}

static void load_report(struct master *m, struct magent *agent,
                        const REGISTER *reg, enum coming coming)
{
    agent_offers_withdraw(m, agent);
    /* Nothing is free until all that it runs is known. */
    set_total(m, agent, reg);
    if (!agent->free)
        agent->free = resources_new();
    sync_frameworks(m, agent, reg);
    sync_tasks(m, agent, reg, coming);
    sync_executors(m, agent, reg);
    sync_operations(m, agent, reg);
    set_free(agent);
    agent->pinged = false;
    agent->pings_missed = 0;
    agent->next_ping_ms = m->now_ms;
}

/* true: it is told why it may not. */
static bool refuse(struct master *m, const struct agent_link *link,
                   const REGISTER *reg, const struct absent_agent *absent)
{
    bool down = machine_is_down(m, reg->agent->hostname, link->ip);
    Reeve__Devcluster__ToAgent *msg;

    if (!down &&
        (!absent || absent->state != REEVE__DEVCLUSTER__REGISTRY__STATE__GONE))
        return false;
    msg = PB_NEW(reeve__devcluster__to_agent);
    msg->shutdown = PB_NEW(reeve__devcluster__to_agent__shutdown);
    msg->shutdown->message =
        xstrdup(down ? "Machine is `DOWN`" : "Agent has been marked gone");
    if (down)
        PB_SET(msg->shutdown, keep_id, 1);
    send_link(m, link->link, msg);
    return true;
}

void agent_register(struct master *m, struct agent_link *link,
                    const REGISTER *reg)
{
    const char *id = reg->agent ? ID_OF(reg->agent->id) : "";
    struct absent_agent *absent = find_absent(m, id);
    struct magent *agent = find_agent(m, id), *there;
    enum coming coming = agent ? COMING_KNOWN : COMING_NEW;
    bool fresh;

    if (!reg->agent) {
        note(m, "event=register_without_info");
        return;
    }
    if (refuse(m, link, reg, absent))
        return;
    if (absent &&
        absent->state == REEVE__DEVCLUSTER__REGISTRY__STATE__UNREACHABLE)
        coming = COMING_BACK;
    there = at_address(m, link->ip, reg->agent);
    /* The same agent repeats its first registration. */
    if (!agent && there && there->link == link->link && !*id)
        agent = there;
    else if (!agent && there)
        agent_replace(m, there);
    if (agent && agent->link && agent->link != link->link)
        note(m, "event=agent_moved_link agent=%s", agent->id);
    fresh = !agent;
    if (fresh)
        agent = admit(m, link, reg);
    else
        agent->reregistered_us = m->wall_us;
    agent->link = link->link;
    link->agent = agent;
    set_info(agent, link, reg);
    send_registered(m, agent);
    load_report(m, agent, reg, coming);
    if (fresh)
        watch_agent_added(m, agent);
    if (coming == COMING_NEW)
        m->registrations++;
    else
        m->reregistrations++;
    send_pending_kills(m, agent);
    drain_tell(m, agent);
    allocate(m);
}
