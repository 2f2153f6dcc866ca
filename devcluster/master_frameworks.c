/* SPDX-License-Identifier: Apache-2.0 */
/* master_frameworks - a framework's life: subscribe, fail over, change, leave
 *
 * A framework is connected while it has a stream.  Disconnected it keeps its
 * tasks until failover_timeout; removed, only its id is remembered, so that it
 * cannot come back.
 */
#include "devcluster/master_state.h"

#include <math.h>
#include <string.h>

#include "devcluster/rules.h"

#define STREAM_ID_MAX 128

static void roles_free(struct framework *fw)
{
    for (size_t i = 0; i < fw->n_roles; i++)
        free(fw->roles[i].name);
    free(fw->roles);
    fw->roles = NULL;
    fw->n_roles = 0;
}

static void role_push(struct framework *fw, const char *name)
{
    struct frole role = {xstrdup(name), false};

    PB_ADD(fw, roles, role);
}

/* Roles of the info, those in the list suppressed. */
static void roles_set(struct framework *fw, char *const *suppressed,
                      size_t n_suppressed)
{
    struct frole *role;

    roles_free(fw);
    if (framework_has(fw, CAP(MULTI_ROLE))) {
        for (size_t i = 0; i < fw->info->n_roles; i++)
            role_push(fw, fw->info->roles[i]);
    } else {
        const char *old = framework_info_old_role(fw->info);

        role_push(fw, old ? old : "*");
    }
    for (size_t i = 0; i < n_suppressed; i++) {
        role = framework_role(fw, suppressed[i]);
        if (role)
            role->suppressed = true;
    }
}

static struct framework *framework_new(struct master *m, const char *id,
                                       const Mesos__V1__FrameworkInfo *info)
{
    struct framework *fw = xcalloc(1, sizeof *fw);

    fw->id = xstrdup(id);
    fw->info = PB_DUP(info);
    if (!fw->info->id)
        fw->info->id = pb_framework_id(id);
    roles_set(fw, NULL, 0);
    fw->registered_us = m->wall_us;
    HASH_ADD_KEYPTR(hh, m->frameworks, fw->id, strlen(fw->id), fw);
    return fw;
}

static void tasks_free(struct mtask **head)
{
    struct mtask *task, *next;

    HASH_ITER(hh, *head, task, next)
    {
        HASH_DEL(*head, task);
        if (task->agent)
            DL_DELETE(task->agent->tasks, task);
        task_free(task);
    }
}

void framework_free(struct master *m UNUSED, struct framework *fw)
{
    struct mtask *task, *next;

    tasks_free(&fw->tasks);
    tasks_free(&fw->unreachable);
    DL_FOREACH_SAFE(fw->done, task, next)
    task_free(task);
    roles_free(fw);
    PB_FREE(fw->info);
    PB_FREE(fw->constraints);
    free(fw->stream_id);
    free(fw->id);
    free(fw);
}

struct framework *framework_recover(struct master *m,
                                    const Mesos__V1__FrameworkInfo *info)
{
    struct framework *fw = framework_new(m, ID_OF(info->id), info);
    double timeout = info->has_failover_timeout ? info->failover_timeout : 0;

    fw->recovered = true;
    fw->remove_at_ms = m->now_ms + (int64_t)(MAX(timeout, 0) * 1000) + 1;
    watch_framework_added(m, fw);
    return fw;
}

/* ---- subscribing -------------------------------------------------------- */

Mesos__V1__MasterInfo *master_info_message(const struct master *m)
{
    static const int caps[] = {
        MESOS__V1__MASTER_INFO__CAPABILITY__TYPE__AGENT_UPDATE,
        MESOS__V1__MASTER_INFO__CAPABILITY__TYPE__AGENT_DRAINING,
        MESOS__V1__MASTER_INFO__CAPABILITY__TYPE__QUOTA_V2};
    Mesos__V1__MasterInfo *info = PB_NEW(mesos__v1__master_info);
    unsigned b[4] = {127, 0, 0, 1};

    sscanf(m->config.ip, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]);
    info->id = xstrdup(m->config.id);
    /* The address as it lies in memory, read as a little-endian number. */
    info->ip = b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24;
    info->port = (uint32_t)m->config.port;
    info->pid = xasprintf("master@%s:%d", m->config.ip, m->config.port);
    info->hostname = xstrdup(m->config.hostname);
    info->version = xstrdup(MASTER_VERSION);
    info->address = PB_NEW(mesos__v1__address);
    info->address->hostname = xstrdup(m->config.hostname);
    info->address->ip = xstrdup(m->config.ip);
    info->address->port = m->config.port;
    for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
        Mesos__V1__MasterInfo__Capability *cap =
            PB_NEW(mesos__v1__master_info__capability);

        PB_SET(cap, type, (Mesos__V1__MasterInfo__Capability__Type)caps[i]);
        PB_ADD(info, capabilities, cap);
    }
    return info;
}

static void send_subscribed(struct master *m, struct framework *fw)
{
    Mesos__V1__Scheduler__Event *event = PB_NEW(mesos__v1__scheduler__event);
    Mesos__V1__Scheduler__Event__Subscribed *subscribed =
        PB_NEW(mesos__v1__scheduler__event__subscribed);

    subscribed->framework_id = pb_framework_id(fw->id);
    PB_SET(subscribed, heartbeat_interval_seconds,
           (double)m->config.heartbeat_interval_ms / 1000);
    subscribed->master_info = master_info_message(m);
    PB_SET(event, type, EVENT(SUBSCRIBED));
    event->subscribed = subscribed;
    send_event(m, fw, event);
}

static void send_heartbeat(struct master *m, struct framework *fw)
{
    Mesos__V1__Scheduler__Event *event = PB_NEW(mesos__v1__scheduler__event);

    PB_SET(event, type, EVENT(HEARTBEAT));
    send_event(m, fw, event);
    fw->next_heartbeat_ms = m->now_ms + m->config.heartbeat_interval_ms;
}

static void offers_discard(struct master *m, struct framework *fw, bool rescind)
{
    struct moffer *offer, *next;

    DL_FOREACH_SAFE2(fw->offers, offer, next, fw_next)
    offer_withdraw(m, offer, rescind);
}

static bool concerns(const struct magent *agent, const struct framework *fw)
{
    const struct mtask *task;
    const struct moperation *op;

    DL_SEARCH_SCALAR(agent->tasks, task, framework, fw);
    DL_SEARCH_SCALAR(agent->operations, op, framework, fw);
    return task || op;
}

/* Agents with tasks of this framework repeat what is pending. */
static void tell_agents(struct master *m, const struct framework *fw)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        Reeve__Devcluster__ToAgent *msg;

        if (!agent->link || !concerns(agent, fw))
            continue;
        msg = PB_NEW(reeve__devcluster__to_agent);
        msg->framework_subscribed =
            PB_NEW(reeve__devcluster__to_agent__framework_subscribed);
        msg->framework_subscribed->framework = PB_DUP(fw->info);
        send_agent(m, agent, msg);
    }
}

/* Takes over what may change; principal was checked, user and checkpoint
 * stay. */
static void info_update(struct framework *fw,
                        const Mesos__V1__FrameworkInfo *info)
{
    Mesos__V1__FrameworkInfo *next = PB_DUP(info);

    free(next->user);
    next->user = xstrdup(fw->info->user);
    next->has_checkpoint = fw->info->has_checkpoint;
    next->checkpoint = fw->info->checkpoint;
    if (!next->id)
        next->id = pb_framework_id(fw->id);
    PB_FREE(fw->info);
    fw->info = next;
}

/* Roles that are no longer there lose their offers and filters. */
static void drop_lost_roles(struct master *m, struct framework *fw,
                            char *const *old, size_t n_old)
{
    struct moffer *offer, *next;

    for (size_t i = 0; i < n_old; i++) {
        if (framework_role(fw, old[i]))
            continue;
        filters_clear(m, fw, old[i]);
        DL_FOREACH_SAFE2(fw->offers, offer, next, fw_next)
        {
            if (str_eq(offer->role, old[i]))
                offer_withdraw(m, offer, true);
        }
    }
}

/* The new lists replace the old ones completely. */
static void
lists_update(struct master *m, struct framework *fw, char *const *suppressed,
             size_t n_suppressed,
             const Mesos__V1__Scheduler__OfferConstraints *constraints)
{
    struct frole *old = fw->roles;
    size_t n_old = fw->n_roles;
    char **names = xcalloc(n_old + 1, sizeof *names);

    fw->roles = NULL;
    fw->n_roles = 0;
    roles_set(fw, suppressed, n_suppressed);
    for (size_t i = 0; i < n_old; i++) {
        struct frole *now = framework_role(fw, old[i].name);

        names[i] = old[i].name;
        if (now && old[i].suppressed && !now->suppressed)
            filters_clear(m, fw, old[i].name);
    }
    drop_lost_roles(m, fw, names, n_old);
    for (size_t i = 0; i < n_old; i++)
        free(names[i]);
    free(names);
    free(old);
    PB_FREE(fw->constraints);
    if (constraints)
        fw->constraints = PB_DUP(constraints);
}

static int subscribe_check(const struct master *m,
                           const Mesos__V1__Scheduler__Call__Subscribe *sub,
                           struct err *err)
{
    const char *id = ID_OF(sub->framework_info->id);
    const struct framework *fw = find_framework(m, id);

    if (framework_info_validate(sub->framework_info, err) < 0)
        return -1;
    if (*id && find_completed(m, id))
        return err_set(err, ERR_INVALID, "Framework has been removed");
    if (subscribe_roles_validate(sub->framework_info, sub->suppressed_roles,
                                 sub->n_suppressed_roles,
                                 sub->offer_constraints, err) < 0)
        return -1;
    if (fw && !str_eq(fw->info->principal, sub->framework_info->principal))
        return err_set(err, ERR_INVALID,
                       "Changing framework's principal is not allowed.");
    return 0;
}

static void connect_stream(struct master *m, struct framework *fw,
                           uint64_t stream, const char *stream_id)
{
    if (fw->stream) {
        /* A second subscriber: its offers stay unknown to the new one. */
        fw->events[EVENT(ERROR)]++;
        send_error(m, fw->stream, "Framework failed over");
        close_stream(m, fw->stream);
    } else {
        m->allocate_soon = true;
    }
    offers_discard(m, fw, false);
    fw->stream = stream;
    free(fw->stream_id);
    fw->stream_id = xstrdup(stream_id);
    fw->remove_at_ms = 0;
    fw->recovered = false;
}

void master_subscribe(struct master *m, uint64_t stream, const char *stream_id,
                      const Mesos__V1__Scheduler__Call *call)
{
    const Mesos__V1__Scheduler__Call__Subscribe *sub = call->subscribe;
    const char *id = ID_OF(sub->framework_info->id);
    struct framework *fw = find_framework(m, id);
    bool fresh = !fw;
    struct err err;

    ASSERT(stream && strlen(stream_id) <= STREAM_ID_MAX);
    if (subscribe_check(m, sub, &err) < 0) {
        send_error(m, stream, err.text);
        close_stream(m, stream);
        return;
    }
    if (!fw) {
        char *made = *id ? xstrdup(id)
                         : xasprintf("%s-%04llu", m->config.id,
                                     (unsigned long long)m->next_framework++);

        fw = framework_new(m, made, sub->framework_info);
        free(made);
    } else {
        info_update(fw, sub->framework_info);
        fw->reregistered_us = m->wall_us;
    }
    lists_update(m, fw, sub->suppressed_roles, sub->n_suppressed_roles,
                 sub->offer_constraints);
    connect_stream(m, fw, stream, stream_id);
    fw->calls[CALL(SUBSCRIBE)]++;
    send_subscribed(m, fw);
    send_heartbeat(m, fw);
    if (fresh)
        watch_framework_added(m, fw);
    else
        watch_framework_updated(m, fw);
    tell_agents(m, fw);
    if (m->allocate_soon)
        allocate(m);
}

/* ---- leaving ------------------------------------------------------------ */

void framework_disconnect(struct master *m, struct framework *fw)
{
    double timeout =
        fw->info->has_failover_timeout ? fw->info->failover_timeout : 0;

    fw->stream = 0;
    offers_discard(m, fw, false);
    inverse_offers_discard(m, fw, false);
    filters_clear(m, fw, NULL);
    fw->remove_at_ms = m->now_ms + (int64_t)(MAX(timeout, 0) * 1000);
    if (!fw->remove_at_ms)
        fw->remove_at_ms = 1;
}

void master_stream_closed(struct master *m, uint64_t stream)
{
    struct framework *fw, *next;

    if (!stream || watcher_closed(m, stream))
        return;
    HASH_ITER(hh, m->frameworks, fw, next)
    {
        if (fw->stream != stream)
            continue;
        framework_disconnect(m, fw);
        if (m->now_ms >= fw->remove_at_ms)
            framework_remove(m, fw);
        return;
    }
}

static void shut_down_on_agents(struct master *m, struct framework *fw)
{
    struct magent *agent, *next;
    struct mexecutor *executor, *next_executor;

    HASH_ITER(hh, m->agents, agent, next)
    {
        Reeve__Devcluster__ToAgent *msg = PB_NEW(reeve__devcluster__to_agent);

        msg->shutdown_framework =
            PB_NEW(reeve__devcluster__to_agent__shutdown_framework);
        msg->shutdown_framework->framework_id = pb_framework_id(fw->id);
        send_agent(m, agent, msg);
        withheld_release(agent, fw, true);
        DL_FOREACH_SAFE(agent->executors, executor, next_executor)
        {
            if (executor->framework == fw)
                executor_remove(m, executor);
        }
    }
}

static void end_tasks(struct master *m, struct framework *fw)
{
    struct mtask *task, *next;

    HASH_ITER(hh, fw->tasks, task, next)
    {
        struct status_spec spec = {
            task->msg->task_id->value,     ID_OF(task->msg->agent_id),
            ID_OF(task->msg->executor_id), TASK(KILLED),
            REASON(FRAMEWORK_REMOVED),     "Framework removed"};

        if (!task_state_is_terminal((int)task->msg->state)) {
            AUTO_MESSAGE Mesos__V1__TaskStatus *status =
                status_new(m, fw, &spec);

            task_set_status(m, task, status, TASK(KILLED));
        }
        task_complete(m, task);
    }
}

static void drop_operations(struct master *m, const struct framework *fw)
{
    struct moperation *op, *next;

    HASH_ITER(hh, m->operations, op, next)
    {
        if (op->framework == fw)
            operation_remove(m, op);
    }
}

void framework_remove(struct master *m, struct framework *fw)
{
    if (fw->stream)
        close_stream(m, fw->stream);
    fw->stream = 0;
    offers_discard(m, fw, false);
    end_tasks(m, fw);
    shut_down_on_agents(m, fw);
    drop_operations(m, fw);
    filters_clear(m, fw, NULL);
    inverse_offers_discard(m, fw, true);
    fw->unregistered_us = m->wall_us;
    fw->completed = true;
    watch_framework_removed(m, fw);
    HASH_DEL(m->frameworks, fw);
    DL_APPEND(m->completed, fw);
    if (++m->n_completed > m->config.max_completed_frameworks) {
        struct framework *oldest = m->completed;

        DL_DELETE(m->completed, oldest);
        framework_free(m, oldest);
        m->n_completed--;
    }
}

/* ---- UPDATE_FRAMEWORK --------------------------------------------------- */

static int update_check(const struct framework *fw,
                        const Mesos__V1__Scheduler__Call__UpdateFramework *u,
                        struct err *err)
{
    const Mesos__V1__FrameworkInfo *info = u->framework_info;

    if (framework_info_validate(info, err) < 0)
        return err_wrap(err, "Supplied FrameworkInfo is not valid");
    if (!str_eq(fw->info->principal, info->principal))
        return err_set(err, ERR_INVALID,
                       "FrameworkInfo update is not valid: Changing "
                       "framework's principal is not allowed.");
    if (!str_eq(fw->info->user, info->user))
        return err_set(err, ERR_INVALID,
                       "FrameworkInfo update is not valid: Updating "
                       "'FrameworkInfo.user' is unsupported; attempted to "
                       "update from '%s' to '%s'",
                       fw->info->user, info->user);
    if (!fw->info->checkpoint != !info->checkpoint)
        return err_set(err, ERR_INVALID,
                       "FrameworkInfo update is not valid: Updating "
                       "'FrameworkInfo.checkpoint' is unsupported; attempted "
                       "to update from '%s' to '%s'",
                       fw->info->checkpoint ? "true" : "false",
                       info->checkpoint ? "true" : "false");
    return subscribe_roles_validate(info, u->suppressed_roles,
                                    u->n_suppressed_roles, u->offer_constraints,
                                    err);
}

void framework_update(struct master *m, const Mesos__V1__Scheduler__Call *call,
                      struct master_reply *reply)
{
    const Mesos__V1__Scheduler__Call__UpdateFramework *u =
        call->update_framework;
    struct framework *fw = find_framework(m, call->framework_id->value);
    struct err err;

    if (update_check(fw, u, &err) < 0) {
        reply_set(reply, 400, "%s", err.text);
        return;
    }
    info_update(fw, u->framework_info);
    lists_update(m, fw, u->suppressed_roles, u->n_suppressed_roles,
                 u->offer_constraints);
    watch_framework_updated(m, fw);
    tell_agents(m, fw);
    reply_set(reply, 200, "%s", "");
}

void frameworks_tick(struct master *m)
{
    struct framework *fw, *next;

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        if (fw->stream && m->now_ms >= fw->next_heartbeat_ms)
            send_heartbeat(m, fw);
        if (!fw->stream && fw->remove_at_ms && m->now_ms >= fw->remove_at_ms)
            framework_remove(m, fw);
    }
}
