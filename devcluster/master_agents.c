/* SPDX-License-Identifier: Apache-2.0 */
/* master_agents - an agent's life: linked, silent, unreachable, gone, removed
 *
 * Registration and return are in master_register.c.
 */
#include "devcluster/master_state.h"

#include <string.h>

/* ---- links -------------------------------------------------------------- */

static struct agent_link *find_link(const struct master *m, uint64_t link)
{
    struct agent_link *found;

    HASH_FIND(hh, m->links, &link, sizeof link, found);
    return found;
}

void master_agent_link(struct master *m, uint64_t link, const char *ip)
{
    struct agent_link *made;

    ASSERT(link && !find_link(m, link));
    made = xcalloc(1, sizeof *made);
    made->link = link;
    made->ip = xstrdup(ip);
    HASH_ADD(hh, m->links, link, sizeof made->link, made);
}

bool master_link_registered(const struct master *m, uint64_t link)
{
    const struct agent_link *found = find_link(m, link);

    return found && found->agent && found->agent->link == link;
}

void agent_offers_withdraw(struct master *m, struct magent *agent)
{
    struct moffer *offer, *next;

    DL_FOREACH_SAFE2(agent->offers, offer, next, ag_next)
    offer_withdraw(m, offer, true);
    inverse_offers_rescind(m, agent);
}

/* Tasks of frameworks that do not checkpoint die with the agent's process. */
static void lose_unsaved(struct master *m, struct magent *agent)
{
    AUTO_FREE char *text =
        xasprintf("Agent %s disconnected", agent->info->hostname);
    struct mtask *task, *next;
    struct mexecutor *executor, *next_executor;

    DL_FOREACH_SAFE(agent->tasks, task, next)
    {
        struct status_spec spec = {task->msg->task_id->value,     agent->id,
                                   ID_OF(task->msg->executor_id), TASK(LOST),
                                   REASON(AGENT_DISCONNECTED),    text};
        Mesos__V1__TaskStatus *status;

        if (task->framework->info->checkpoint)
            continue;
        status = status_new(m, task->framework, &spec);
        task_set_status(m, task, status, TASK(LOST));
        send_status(m, task->framework, status);
        task_complete(m, task);
    }
    DL_FOREACH_SAFE(agent->executors, executor, next_executor)
    {
        if (!executor->framework->info->checkpoint)
            executor_remove(m, executor);
    }
}

void master_agent_unlink(struct master *m, uint64_t link)
{
    struct agent_link *gone = find_link(m, link);
    struct magent *agent;

    if (!gone)
        return;
    agent = gone->agent;
    HASH_DEL(m->links, gone);
    free(gone->ip);
    free(gone);
    if (!agent || agent->link != link)
        return;
    agent->link = 0;
    agent_offers_withdraw(m, agent);
    lose_unsaved(m, agent);
}

/* ---- leaving ------------------------------------------------------------ */

static void send_failure(struct master *m, const char *agent_id)
{
    struct framework *fw, *next;

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        Mesos__V1__Scheduler__Event *event;

        if (!fw->stream)
            continue;
        event = PB_NEW(mesos__v1__scheduler__event);
        PB_SET(event, type, EVENT(FAILURE));
        event->failure = PB_NEW(mesos__v1__scheduler__event__failure);
        event->failure->agent_id = pb_agent_id(agent_id);
        send_event(m, fw, event);
    }
}

static void operations_end(struct master *m, struct magent *agent, int state,
                           const char *text)
{
    struct moperation *op, *next;

    DL_FOREACH_SAFE(agent->operations, op, next)
    {
        struct operation_spec spec = {
            ID_OF(op->msg->latest_status->operation_id), agent->id, state,
            text};

        if (op->framework)
            send_operation_status(m, op->framework, &spec);
        operation_remove(m, op);
    }
}

void agent_free(struct master *m, struct magent *agent)
{
    struct mexecutor *executor, *next_executor;
    struct moperation *op, *next_op;
    struct moffer *offer, *next_offer;
    struct mtask *task, *next_task;
    struct agent_link *link, *next_link;

    DL_FOREACH_SAFE2(agent->offers, offer, next_offer, ag_next)
    {
        ledger_forget(m, offer->framework, offer->pool);
        offer_free(m, offer);
    }
    DL_FOREACH_SAFE(agent->executors, executor, next_executor)
    executor_remove(m, executor);
    DL_FOREACH_SAFE(agent->operations, op, next_op)
    operation_remove(m, op);
    DL_FOREACH_SAFE(agent->tasks, task, next_task)
    {
        HASH_DEL(task->framework->tasks, task);
        DL_DELETE(agent->tasks, task);
        task_free(task);
    }
    filters_drop_agent(agent);
    withheld_release(agent, NULL, false);
    inverse_offers_free(agent);
    HASH_ITER(hh, m->links, link, next_link)
    {
        if (link->agent == agent)
            link->agent = NULL;
    }
    agent_count_totals(m, agent, -1);
    HASH_DEL(m->agents, agent);
    resources_destroy(&agent->total);
    resources_destroy(&agent->free);
    PB_FREE(agent->info);
    PB_FREE(agent->drain);
    free(agent->software);
    free(agent->id);
    free(agent->ip);
    free(agent);
}

/* Registered no more, but remembered. */
static struct absent_agent *
agent_to_absent(struct master *m, struct magent *agent,
                Reeve__Devcluster__Registry__State state)
{
    struct absent_agent *absent = xcalloc(1, sizeof *absent);

    absent->id = xstrdup(agent->id);
    absent->info = PB_DUP(agent->info);
    absent->state = state;
    absent->since_ns = m->wall_us * 1000;
    absent->deactivated = agent->deactivated;
    absent->drain = MOVE(agent->drain);
    HASH_ADD_KEYPTR(hh, m->absent, absent->id, strlen(absent->id), absent);
    return absent;
}

/* ---- unreachable -------------------------------------------------------- */

static void unreachable_push(struct framework *fw, struct mtask *task)
{
    HASH_ADD_KEYPTR(hh, fw->unreachable, task->msg->task_id->value,
                    strlen(task->msg->task_id->value), task);
    if (HASH_COUNT(fw->unreachable) > MAX_UNREACHABLE_TASKS) {
        struct mtask *oldest = fw->unreachable; /* in order of insertion */

        HASH_DEL(fw->unreachable, oldest);
        task_free(oldest);
    }
}

static void task_unreachable(struct master *m, struct mtask *task,
                             const struct absent_agent *absent)
{
    struct framework *fw = task->framework;
    struct status_spec spec = {
        task->msg->task_id->value,     absent->id,
        ID_OF(task->msg->executor_id), TASK(UNREACHABLE),
        REASON(AGENT_REMOVED),         "health check timed out"};
    Mesos__V1__TaskStatus *status;

    if (task_state_is_terminal((int)task->msg->state)) {
        task_complete(m, task);
        return;
    }
    status = status_new(m, fw, &spec);
    status->unreachable_time = pb_time(absent->since_ns);
    task_set_status(m, task, status, TASK(UNREACHABLE));
    send_status(m, fw, status);
    task->msg->has_status_update_state = 0;
    task_release(m, task);
    HASH_DEL(fw->tasks, task);
    DL_DELETE(task->agent->tasks, task);
    task->agent = NULL;
    unreachable_push(fw, task);
}

void agent_unreachable(struct master *m, struct magent *agent)
{
    struct absent_agent *absent = agent_to_absent(
        m, agent, REEVE__DEVCLUSTER__REGISTRY__STATE__UNREACHABLE);
    struct mtask *task, *next;

    m->removals++;
    save_registry(m);
    operations_end(m, agent, OP_STATE(UNREACHABLE),
                   "Agent was marked unreachable");
    DL_FOREACH_SAFE(agent->tasks, task, next)
    task_unreachable(m, task, absent);
    agent_offers_withdraw(m, agent);
    agent_free(m, agent);
    watch_agent_removed(m, absent->id);
    send_failure(m, absent->id);
}

/* ---- gone --------------------------------------------------------------- */

static void task_gone(struct master *m, struct mtask *task,
                      const char *agent_id)
{
    struct framework *fw = task->framework;
    struct status_spec spec = {
        task->msg->task_id->value,         agent_id,
        ID_OF(task->msg->executor_id),     TASK(GONE_BY_OPERATOR),
        REASON(AGENT_REMOVED_BY_OPERATOR), "Agent has been marked gone"};
    Mesos__V1__TaskStatus *status;

    if (!task_state_is_terminal((int)task->msg->state)) {
        status = status_new(m, fw, &spec);
        task_set_status(m, task, status, (int)status->state);
        send_status(m, fw, status);
    }
    if (task->agent) {
        task_complete(m, task);
        return;
    }
    /* It was unreachable: into the hash that completing takes it from. */
    HASH_DEL(fw->unreachable, task);
    HASH_ADD_KEYPTR(hh, fw->tasks, task->msg->task_id->value,
                    strlen(task->msg->task_id->value), task);
    task_complete(m, task);
}

static void absent_gone(struct master *m, struct absent_agent *absent)
{
    struct framework *fw, *next_fw;
    struct mtask *task, *next;

    absent->state = REEVE__DEVCLUSTER__REGISTRY__STATE__GONE;
    absent->since_ns = m->wall_us * 1000;
    absent->deactivated = false;
    PB_FREE(absent->drain);
    save_registry(m);
    HASH_ITER(hh, m->frameworks, fw, next_fw)
    {
        HASH_ITER(hh, fw->unreachable, task, next)
        {
            if (str_eq(ID_OF(task->msg->agent_id), absent->id))
                task_gone(m, task, absent->id);
        }
    }
}

void agent_gone(struct master *m, struct magent *agent)
{
    struct absent_agent *absent =
        agent_to_absent(m, agent, REEVE__DEVCLUSTER__REGISTRY__STATE__GONE);
    Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);
    struct mtask *task, *next;

    PB_FREE(absent->drain);
    absent->deactivated = false;
    m->removals++;
    save_registry(m);
    msg->shutdown = PB_NEW(reeve__devcluster__to_agent__shutdown);
    msg->shutdown->message = xstrdup("Agent has been marked gone");
    send_agent(m, agent, msg);
    operations_end(m, agent, OP_STATE(GONE_BY_OPERATOR),
                   "Agent has been marked gone");
    DL_FOREACH_SAFE(agent->tasks, task, next)
    task_gone(m, task, agent->id);
    agent_offers_withdraw(m, agent);
    agent_free(m, agent);
    watch_agent_removed(m, absent->id);
    send_failure(m, absent->id);
}

void agent_mark_gone(struct master *m, const char *id,
                     struct master_reply *reply)
{
    struct magent *agent = find_agent(m, id);
    struct absent_agent *absent = find_absent(m, id);

    reply_set(reply, 200, "%s", "");
    if (agent)
        agent_gone(m, agent);
    else if (absent &&
             absent->state != REEVE__DEVCLUSTER__REGISTRY__STATE__GONE)
        absent_gone(m, absent);
    else if (!absent)
        reply_set(reply, 404, "Agent '%s' not found", id);
}

/* ---- removed ------------------------------------------------------------ */

/* Forgotten at once: its tasks are lost, even for PARTITION_AWARE. */
static void agent_remove(struct master *m, struct magent *agent,
                         const char *why)
{
    AUTO_FREE char *id = xstrdup(agent->id);
    AUTO_FREE char *text =
        xasprintf("Agent %s removed: %s", agent->info->hostname, why);
    struct mtask *task, *next;

    m->removals++;
    operations_end(m, agent, OP_STATE(UNREACHABLE), text);
    DL_FOREACH_SAFE(agent->tasks, task, next)
    {
        struct status_spec spec = {task->msg->task_id->value,     id,
                                   ID_OF(task->msg->executor_id), TASK(LOST),
                                   REASON(AGENT_REMOVED),         text};

        if (!task_state_is_terminal((int)task->msg->state)) {
            Mesos__V1__TaskStatus *status =
                status_new(m, task->framework, &spec);

            task_set_status(m, task, status, TASK(LOST));
            send_status(m, task->framework, status);
        }
        task_complete(m, task);
    }
    agent_offers_withdraw(m, agent);
    agent_free(m, agent);
    save_registry(m);
    watch_agent_removed(m, id);
    send_failure(m, id);
}

void agent_replace(struct master *m, struct magent *old)
{
    agent_remove(m, old, "a new agent registered at the same address");
}

void agent_take_down(struct master *m, struct magent *agent)
{
    Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);

    msg->shutdown = PB_NEW(reeve__devcluster__to_agent__shutdown);
    msg->shutdown->message = xstrdup("Operator initiated 'Machine DOWN'");
    PB_SET(msg->shutdown, keep_id, 1);
    send_agent(m, agent, msg);
    agent_remove(m, agent, "Operator initiated 'Machine DOWN'");
}

/* ---- messages and time -------------------------------------------------- */

void master_agent_message(struct master *m, uint64_t link,
                          const Reeve__Devcluster__ToMaster *msg)
{
    struct agent_link *from = find_link(m, link);
    struct magent *agent = from ? from->agent : NULL;

    if (!from)
        return;
    if (msg->register_) {
        agent_register(m, from, msg->register_);
        return;
    }
    if (!agent) {
        note(m, "event=message_of_unregistered_agent link=%llu",
             (unsigned long long)link);
        return;
    }
    if (msg->status_update)
        update_from_agent(m, agent, msg->status_update);
    if (msg->exited_executor)
        executor_exited(m, agent, msg->exited_executor);
    if (msg->operation_update)
        operation_update(m, agent, msg->operation_update);
    if (msg->pong) {
        agent->pinged = false;
        agent->pings_missed = 0;
    }
    if (msg->unregister)
        agent_remove(m, agent, "the agent unregistered");
}

static void agent_ping(struct master *m, struct magent *agent)
{
    Reeve__Devcluster__ToAgent *msg;

    if (agent->pinged &&
        ++agent->pings_missed >= m->config.max_agent_ping_timeouts) {
        agent_unreachable(m, agent);
        return;
    }
    agent->pinged = true;
    agent->next_ping_ms = m->now_ms + m->config.agent_ping_timeout_ms;
    msg = PB_NEW(reeve__devcluster__to_agent);
    msg->ping = PB_NEW(reeve__devcluster__to_agent__ping);
    send_agent(m, agent, msg);
}

void agents_tick(struct master *m)
{
    struct magent *agent, *next;
    struct absent_agent *absent, *next_absent;

    HASH_ITER(hh, m->agents, agent, next)
    {
        if (m->now_ms >= agent->next_ping_ms)
            agent_ping(m, agent);
        else
            drain_check(m, agent);
    }
    HASH_ITER(hh, m->absent, absent, next_absent)
    {
        if (absent->state != REEVE__DEVCLUSTER__REGISTRY__STATE__ADMITTED ||
            m->now_ms < absent->give_up_ms)
            continue;
        absent->state = REEVE__DEVCLUSTER__REGISTRY__STATE__UNREACHABLE;
        absent->since_ns = m->wall_us * 1000;
        save_registry(m);
        send_failure(m, absent->id);
    }
}
