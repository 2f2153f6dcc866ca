/* SPDX-License-Identifier: Apache-2.0 */
/* master - the core's frame: making it, finding things, outputs, time, calls
 *
 * Next: master_frameworks.c, master_agents.c, allocator.c.
 */
#include "devcluster/master_state.h"

#include <stdio.h>
#include <string.h>

const char *const share_names[SHARE_COUNT] = {"cpus", "mem", "disk", "gpus"};

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void copy_config(struct master_config *to,
                        const struct master_config *from)
{
    *to = *from;
    to->id = xstrdup(from->id);
    to->hostname = xstrdup(from->hostname);
    to->ip = xstrdup(from->ip);
    to->cluster = xstrdup(from->cluster);
    to->work_dir = xstrdup(from->work_dir);
    to->allocation_interval_ms = or_default(from->allocation_interval_ms, 1000);
    to->heartbeat_interval_ms = or_default(from->heartbeat_interval_ms, 15000);
    to->agent_ping_timeout_ms = or_default(from->agent_ping_timeout_ms, 15000);
    to->max_agent_ping_timeouts =
        (int)or_default(from->max_agent_ping_timeouts, 5);
    to->agent_reregister_timeout_ms =
        or_default(from->agent_reregister_timeout_ms, 600000);
    to->max_completed_frameworks =
        (size_t)or_default((int64_t)from->max_completed_frameworks, 50);
}

static void load_registry(struct master *m,
                          const Reeve__Devcluster__Registry *registry)
{
    for (size_t i = 0; i < registry->n_agents; i++) {
        const Reeve__Devcluster__Registry__Agent *entry = registry->agents[i];
        struct absent_agent *absent;

        if (!entry->info || !entry->info->id ||
            find_absent(m, entry->info->id->value))
            continue;
        absent = xcalloc(1, sizeof *absent);
        absent->id = xstrdup(entry->info->id->value);
        absent->info = PB_DUP(entry->info);
        absent->state = entry->state;
        absent->since_ns = entry->since_ns;
        absent->deactivated = entry->deactivated;
        if (entry->drain)
            absent->drain = PB_DUP(entry->drain);
        HASH_ADD_KEYPTR(hh, m->absent, absent->id, strlen(absent->id), absent);
    }
    quotas_from_registry(m, registry);
    if (registry->maintenance)
        m->schedule = PB_DUP(registry->maintenance);
    for (size_t i = 0; i < registry->n_down; i++)
        PB_ADD(m, down, PB_DUP(registry->down[i]));
}

struct master *master_new(const struct master_config *config,
                          const Reeve__Devcluster__Registry *registry)
{
    struct master *m = xcalloc(1, sizeof *m);

    ASSERT(config->id && config->hostname && config->ip && config->new_uuid);
    copy_config(&m->config, config);
    if (registry)
        load_registry(m, registry);
    return m;
}

void absent_free(struct master *m, struct absent_agent *absent)
{
    HASH_DEL(m->absent, absent);
    PB_FREE(absent->info);
    PB_FREE(absent->drain);
    free(absent->id);
    free(absent);
}

static void free_rest(struct master *m)
{
    struct absent_agent *absent, *next_absent;
    struct mrole *role, *next_role;
    struct agent_link *link, *next_link;
    struct master_out *out;

    HASH_ITER(hh, m->absent, absent, next_absent)
    absent_free(m, absent);
    HASH_ITER(hh, m->roles, role, next_role)
    {
        HASH_DEL(m->roles, role);
        free(role->name);
        free(role);
    }
    HASH_ITER(hh, m->links, link, next_link)
    {
        HASH_DEL(m->links, link);
        free(link->ip);
        free(link);
    }
    while ((out = master_take_out(m)))
        master_out_destroy(&out);
    maintenance_free(m);
    quotas_free(m);
    watchers_free(m);
}

void master_destroy(struct master **master)
{
    struct master *m = *master;
    struct magent *agent, *next_agent;
    struct framework *fw, *next_fw;

    if (!m)
        return;
    HASH_ITER(hh, m->agents, agent, next_agent)
    agent_free(m, agent);
    HASH_ITER(hh, m->frameworks, fw, next_fw)
    {
        HASH_DEL(m->frameworks, fw);
        framework_free(m, fw);
    }
    DL_FOREACH_SAFE(m->completed, fw, next_fw)
    {
        DL_DELETE(m->completed, fw);
        framework_free(m, fw);
    }
    free_rest(m);
    free((char *)(uintptr_t)m->config.id);
    free((char *)(uintptr_t)m->config.hostname);
    free((char *)(uintptr_t)m->config.ip);
    free((char *)(uintptr_t)m->config.cluster);
    free((char *)(uintptr_t)m->config.work_dir);
    free(m);
    *master = NULL;
}

/* ---- finding ------------------------------------------------------------ */

struct framework *find_framework(const struct master *m, const char *id)
{
    struct framework *fw = NULL;

    if (id)
        HASH_FIND_STR(m->frameworks, id, fw);
    return fw;
}

struct framework *find_completed(const struct master *m, const char *id)
{
    struct framework *fw;

    DL_FOREACH(m->completed, fw)
    {
        if (str_eq(fw->id, id))
            return fw;
    }
    return NULL;
}

struct magent *find_agent(const struct master *m, const char *id)
{
    struct magent *agent = NULL;

    if (id)
        HASH_FIND_STR(m->agents, id, agent);
    return agent;
}

struct absent_agent *find_absent(const struct master *m, const char *id)
{
    struct absent_agent *absent = NULL;

    if (id)
        HASH_FIND_STR(m->absent, id, absent);
    return absent;
}

struct moffer *find_offer(const struct master *m, const char *id)
{
    struct moffer *offer = NULL;

    if (id)
        HASH_FIND_STR(m->offers, id, offer);
    return offer;
}

struct mtask *find_task(const struct framework *fw, const char *id)
{
    struct mtask *task = NULL;

    if (id)
        HASH_FIND_STR(fw->tasks, id, task);
    return task;
}

struct mexecutor *find_executor(const struct magent *agent,
                                const struct framework *fw, const char *id)
{
    struct mexecutor *executor;

    DL_FOREACH(agent->executors, executor)
    {
        if (executor->framework == fw &&
            str_eq(ID_OF(executor->info->executor_id), id))
            return executor;
    }
    return NULL;
}

bool framework_has(const struct framework *fw, int capability)
{
    for (size_t i = 0; i < fw->info->n_capabilities; i++) {
        if ((int)fw->info->capabilities[i]->type == capability)
            return true;
    }
    return false;
}

struct frole *framework_role(const struct framework *fw, const char *role)
{
    for (size_t i = 0; i < fw->n_roles; i++) {
        if (str_eq(fw->roles[i].name, role))
            return &fw->roles[i];
    }
    return NULL;
}

/* ---- outputs ------------------------------------------------------------ */

static struct master_out *push_out(struct master *m, enum master_out_kind kind,
                                   uint64_t to)
{
    struct master_out *out = xcalloc(1, sizeof *out);

    out->kind = kind;
    out->to = to;
    if (m->out_last)
        m->out_last->next = out;
    else
        m->out_first = out;
    m->out_last = out;
    return out;
}

struct master_out *master_take_out(struct master *m)
{
    struct master_out *out = m->out_first;

    if (!out)
        return NULL;
    m->out_first = out->next;
    if (!m->out_first)
        m->out_last = NULL;
    out->next = NULL;
    return out;
}

void master_out_destroy(struct master_out **out)
{
    if (!*out)
        return;
    wire_free(&(*out)->message);
    free((*out)->note);
    free(*out);
    *out = NULL;
}

void send_message(struct master *m, uint64_t stream, ProtobufCMessage *message)
{
    push_out(m, MASTER_OUT_EVENT, stream)->message = message;
}

void send_event_to(struct master *m, uint64_t stream,
                   Mesos__V1__Scheduler__Event *event)
{
    send_message(m, stream, &event->base);
}

void send_event(struct master *m, struct framework *fw,
                Mesos__V1__Scheduler__Event *event)
{
    if (!fw->stream) {
        PB_FREE(event);
        return;
    }
    fw->events[event->type]++;
    send_event_to(m, fw->stream, event);
}

void send_error(struct master *m, uint64_t stream, const char *text)
{
    Mesos__V1__Scheduler__Event *event = PB_NEW(mesos__v1__scheduler__event);

    PB_SET(event, type, EVENT(ERROR));
    event->error = PB_NEW(mesos__v1__scheduler__event__error);
    event->error->message = xstrdup(text);
    send_event_to(m, stream, event);
}

void close_stream(struct master *m, uint64_t stream)
{
    push_out(m, MASTER_OUT_CLOSE, stream);
}

void send_link(struct master *m, uint64_t link,
               Reeve__Devcluster__ToAgent *message)
{
    push_out(m, MASTER_OUT_AGENT, link)->message = &message->base;
}

void send_agent(struct master *m, const struct magent *agent,
                Reeve__Devcluster__ToAgent *message)
{
    if (agent->link)
        send_link(m, agent->link, message);
    else
        PB_FREE(message);
}

void save_registry(struct master *m)
{
    if (!m->config.no_registry)
        push_out(m, MASTER_OUT_REGISTRY, 0)->message =
            &master_registry(m)->base;
}

void note(struct master *m, const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    push_out(m, MASTER_OUT_NOTE, 0)->note = text;
}

void reply_set(struct master_reply *reply, int status, const char *fmt, ...)
{
    va_list ap;

    reply->status = status;
    va_start(ap, fmt);
    vsnprintf(reply->text, sizeof reply->text, fmt, ap);
    va_end(ap);
}

static Reeve__Devcluster__Registry__Agent *
registry_push(Reeve__Devcluster__Registry *registry,
              const Mesos__V1__AgentInfo *info,
              Reeve__Devcluster__Registry__State state, int64_t since_ns)
{
    Reeve__Devcluster__Registry__Agent *entry =
        PB_NEW(reeve__devcluster__registry__agent);

    entry->info = PB_DUP(info);
    PB_SET(entry, state, state);
    if (since_ns)
        PB_SET(entry, since_ns, since_ns);
    PB_ADD(registry, agents, entry);
    return entry;
}

static void registry_put(Reeve__Devcluster__Registry__Agent *entry,
                         bool deactivated, const Mesos__V1__DrainInfo *drain)
{
    if (deactivated)
        PB_SET(entry, deactivated, 1);
    if (drain)
        entry->drain = PB_DUP(drain);
}

Reeve__Devcluster__Registry *master_registry(const struct master *m)
{
    Reeve__Devcluster__Registry *registry = PB_NEW(reeve__devcluster__registry);
    struct magent *agent, *next_agent;
    struct absent_agent *absent, *next_absent;

    PB_SET(registry, version, 1);
    HASH_ITER(hh, m->agents, agent, next_agent)
    {
        /* On its way out: the other entry counts. */
        if (find_absent(m, agent->id))
            continue;
        registry_put(registry_push(registry, agent->info,
                                   REEVE__DEVCLUSTER__REGISTRY__STATE__ADMITTED,
                                   0),
                     agent->deactivated, agent->drain);
    }
    HASH_ITER(hh, m->absent, absent, next_absent)
    {
        registry_put(registry_push(registry, absent->info, absent->state,
                                   absent->since_ns),
                     absent->deactivated, absent->drain);
    }
    quotas_to_registry(m, registry);
    if (m->schedule)
        registry->maintenance = PB_DUP(m->schedule);
    for (size_t i = 0; i < m->n_down; i++)
        PB_ADD(registry, down, PB_DUP(m->down[i]));
    return registry;
}

/* ---- time --------------------------------------------------------------- */

void master_set_time(struct master *m, int64_t mono_ms, int64_t wall_us)
{
    if (!m->start_us) {
        struct absent_agent *absent, *next;

        m->start_us = wall_us;
        m->next_allocation_ms = mono_ms + m->config.allocation_interval_ms;
        HASH_ITER(hh, m->absent, absent, next)
        absent->give_up_ms = mono_ms + m->config.agent_reregister_timeout_ms;
    }
    m->now_ms = mono_ms;
    m->wall_us = wall_us;
}

static void offers_tick(struct master *m)
{
    struct moffer *offer, *next;

    if (!m->config.offer_timeout_ms)
        return;
    HASH_ITER(hh, m->offers, offer, next)
    {
        if (m->now_ms - offer->made_ms >= m->config.offer_timeout_ms)
            offer_withdraw(m, offer, true);
    }
    inverse_offers_tick(m);
}

void master_tick(struct master *m)
{
    frameworks_tick(m);
    agents_tick(m);
    watchers_tick(m);
    offers_tick(m);
    if (m->allocate_soon || m->now_ms >= m->next_allocation_ms) {
        if (m->now_ms >= m->next_allocation_ms)
            m->next_allocation_ms =
                m->now_ms + m->config.allocation_interval_ms;
        allocate(m);
    }
}

const char *master_id(const struct master *m)
{
    return m->config.id;
}

const char *master_principal_of(const struct master *m,
                                const char *framework_id)
{
    const struct framework *fw = find_framework(m, framework_id);

    return fw ? fw->info->principal : NULL;
}

void master_refuse_operations(struct master *m, uint64_t count)
{
    m->refuse_operations = count;
}

void master_drop_accepts(struct master *m, uint64_t count)
{
    m->drop_accepts = count;
}

void master_rescind_offers(struct master *m, unsigned percent)
{
    struct moffer *offer, *next;
    uint8_t lot[16];

    HASH_ITER(hh, m->offers, offer, next)
    {
        m->config.new_uuid(m->config.new_uuid_self, lot);
        if ((lot[0] * 256u + lot[1]) % 100 < percent)
            offer_withdraw(m, offer, true);
    }
}

size_t master_agents_active(const struct master *m)
{
    struct magent *agent, *next;
    size_t count = 0;

    HASH_ITER(hh, m->agents, agent, next)
    count += agent->link != 0;
    return count;
}
