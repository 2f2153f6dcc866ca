/* SPDX-License-Identifier: Apache-2.0 */
/* master_metrics - the flat numbers of /metrics/snapshot, by a master's names
 */
#include "devcluster/master_views.h"

#include <ctype.h>
#include <string.h>

static void put(json_t *out, const char *name, double value)
{
    view_set(out, name, json_real(value));
}

static void put_in(json_t *out, const char *folder, const char *name,
                   double value)
{
    AUTO_FREE char *key = xasprintf("%s/%s", folder, name);

    put(out, key, value);
}

static char *lower(const char *text)
{
    char *copy = xstrdup(text);

    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

static void put_tasks(const struct master *m, json_t *out)
{
    uint64_t counts[32] = {0};
    struct framework *fw, *next;
    struct mtask *task, *next_task;

    memcpy(counts, m->states, sizeof counts);
    HASH_ITER(hh, m->frameworks, fw, next)
    {
        HASH_ITER(hh, fw->tasks, task, next_task)
        counts[task->msg->state]++;
        counts[TASK(UNREACHABLE)] += HASH_COUNT(fw->unreachable);
    }
    for (int state = 0; state <= TASK(GONE_BY_OPERATOR); state++) {
        AUTO_FREE char *name = lower(task_state_name(state) + strlen("TASK_"));
        AUTO_FREE char *key = xasprintf("master/tasks_%s", name);

        put(out, key, (double)counts[state]);
    }
}

static void put_resources(const struct master *m, json_t *out)
{
    for (int k = 0; k < SHARE_COUNT; k++) {
        AUTO_FREE char *total = xasprintf("master/%s_total", share_names[k]);
        AUTO_FREE char *used = xasprintf("master/%s_used", share_names[k]);
        AUTO_FREE char *part = xasprintf("master/%s_percent", share_names[k]);
        struct magent *agent, *next;
        int64_t sum = 0;

        HASH_ITER(hh, m->agents, agent, next)
        sum += agent_used_milli(agent, k);
        put(out, total, milli_to_double(m->totals[k]));
        put(out, used, milli_to_double(sum));
        put(out, part, m->totals[k] ? (double)sum / (double)m->totals[k] : 0);
    }
}

static void put_agents(const struct master *m, json_t *out)
{
    struct magent *agent, *next;
    struct absent_agent *absent, *next_absent;
    size_t active = 0, linked = 0, unreachable = 0;
    size_t all = HASH_COUNT(m->agents);

    HASH_ITER(hh, m->agents, agent, next)
    {
        linked += agent->link != 0;
        active += agent->link && !agent->deactivated;
    }
    HASH_ITER(hh, m->absent, absent, next_absent)
    unreachable +=
        absent->state == REEVE__DEVCLUSTER__REGISTRY__STATE__UNREACHABLE;
    put(out, "master/slaves_active", (double)active);
    put(out, "master/slaves_inactive", (double)(all - active));
    put(out, "master/slaves_connected", (double)linked);
    put(out, "master/slaves_disconnected", (double)(all - linked));
    put(out, "master/slaves_unreachable", (double)unreachable);
    put(out, "master/slave_registrations", (double)m->registrations);
    put(out, "master/slave_reregistrations", (double)m->reregistrations);
    put(out, "master/slave_removals", (double)m->removals);
}

static void put_framework(json_t *out, const struct framework *fw)
{
    AUTO_FREE char *folder =
        xasprintf("master/frameworks/%s/%s", fw->info->name, fw->id);
    uint64_t calls = 0, events = 0;

    for (int type = 1; type < (int)ARRAY_LEN(fw->calls); type++) {
        const char *name =
            wire_enum_name(&mesos__v1__scheduler__call__type__descriptor, type);
        AUTO_FREE char *key = NULL, *small = name ? lower(name) : NULL;

        if (!small)
            continue;
        key = xasprintf("calls/%s", small);
        put_in(out, folder, key, (double)fw->calls[type]);
        calls += fw->calls[type];
    }
    for (int type = 1; type < (int)ARRAY_LEN(fw->events); type++) {
        const char *name = wire_enum_name(
            &mesos__v1__scheduler__event__type__descriptor, type);
        AUTO_FREE char *key = NULL, *small = name ? lower(name) : NULL;

        if (!small)
            continue;
        key = xasprintf("events/%s", small);
        put_in(out, folder, key, (double)fw->events[type]);
        events += fw->events[type];
    }
    put_in(out, folder, "calls", (double)calls);
    put_in(out, folder, "events", (double)events);
    put_in(out, folder, "subscribed", fw->stream ? 1 : 0);
    put_in(out, folder, "offers/sent", (double)fw->offers_sent);
    put_in(out, folder, "offers/accepted", (double)fw->offers_accepted);
    put_in(out, folder, "offers/declined", (double)fw->offers_declined);
    put_in(out, folder, "offers/rescinded", (double)fw->offers_rescinded);
}

static void put_frameworks(const struct master *m, json_t *out)
{
    struct framework *fw, *next;
    size_t connected = 0, all = HASH_COUNT(m->frameworks);

    HASH_ITER(hh, m->frameworks, fw, next)
    {
        connected += fw->stream != 0;
        put_framework(out, fw);
    }
    put(out, "master/frameworks_active", (double)connected);
    put(out, "master/frameworks_connected", (double)connected);
    put(out, "master/frameworks_inactive", (double)(all - connected));
    put(out, "master/frameworks_disconnected", (double)(all - connected));
}

static uint64_t calls_of(const struct master *m, int type)
{
    struct framework *fw, *next;
    uint64_t sum = 0;

    HASH_ITER(hh, m->frameworks, fw, next)
    sum += fw->calls[type];
    DL_FOREACH(m->completed, fw)
    sum += fw->calls[type];
    return sum;
}

static void put_messages(const struct master *m, json_t *out)
{
    put(out, "master/messages_decline_offers",
        (double)calls_of(m, CALL(DECLINE)));
    put(out, "master/messages_kill_task", (double)calls_of(m, CALL(KILL)));
    put(out, "master/messages_launch_tasks", (double)calls_of(m, CALL(ACCEPT)));
    put(out, "master/messages_reconcile_tasks",
        (double)calls_of(m, CALL(RECONCILE)));
    put(out, "master/messages_reconcile_operations",
        (double)calls_of(m, CALL(RECONCILE_OPERATIONS)));
    put(out, "master/messages_revive_offers",
        (double)calls_of(m, CALL(REVIVE)));
    put(out, "master/messages_suppress_offers",
        (double)calls_of(m, CALL(SUPPRESS)));
    put(out, "master/messages_status_update_acknowledgement",
        (double)calls_of(m, CALL(ACKNOWLEDGE)));
    put(out, "master/messages_status_update",
        (double)(m->updates_valid + m->updates_invalid));
    put(out, "master/valid_status_updates", (double)m->updates_valid);
    put(out, "master/invalid_status_updates", (double)m->updates_invalid);
    put(out, "master/valid_status_update_acknowledgements",
        (double)m->acks_valid);
    put(out, "master/invalid_status_update_acknowledgements",
        (double)m->acks_invalid);
}

static void put_operations(const struct master *m, json_t *out)
{
    put(out, "master/operations/pending", (double)HASH_COUNT(m->operations));
    for (int state = 0; state <= OP_STATE(UNKNOWN); state++) {
        AUTO_FREE char *name =
            lower(operation_state_name(state) + strlen("OPERATION_"));
        AUTO_FREE char *key = xasprintf("master/operations/%s", name);

        if (state != OP_STATE(PENDING))
            put(out, key, (double)m->operations_done[state]);
    }
}

json_t *master_json_metrics(const struct master *m)
{
    json_t *out = json_object();

    put(out, "master/elected", 1);
    put(out, "master/uptime_secs", (double)(m->wall_us - m->start_us) / 1e6);
    put(out, "master/outstanding_offers", (double)HASH_COUNT(m->offers));
    put(out, "allocator/mesos/allocation_runs", (double)m->allocation_runs);
    put_agents(m, out);
    put_frameworks(m, out);
    put_tasks(m, out);
    put_resources(m, out);
    put_messages(m, out);
    put_operations(m, out);
    return out;
}
