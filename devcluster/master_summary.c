/* SPDX-License-Identifier: Apache-2.0 */
/* master_summary - the JSON of the whole: /state, /state-summary, /roles,
 * /flags, /version, /metrics/snapshot */
#include "devcluster/master_views.h"

#include <string.h>

#include "lib/base/buf.h"

#define BUILD_DATE "2026-01-01 00:00:00 UTC"
#define BUILD_TIME 1767225600.0

json_t *master_json_version(const struct master *m UNUSED)
{
    return json_pack("{s:s, s:f, s:s, s:s}", "build_date", BUILD_DATE,
                     "build_time", BUILD_TIME, "build_user", "", "version",
                     MASTER_VERSION);
}

/* ---- flags -------------------------------------------------------------- */

static void set_duration(json_t *out, const char *key, int64_t ms)
{
    AUTO_FREE char *text =
        ms % 60000 == 0 && ms ? xasprintf("%lldmins", (long long)ms / 60000)
        : ms % 1000 == 0      ? xasprintf("%lldsecs", (long long)ms / 1000)
                              : xasprintf("%lldms", (long long)ms);

    view_set_text(out, key, text);
}

static json_t *flags_json(const struct master *m)
{
    static const char *const fixed[][2] = {
        {"authenticate_frameworks", "false"},
        {"authenticate_http_frameworks", "false"},
        {"authenticate_http_readonly", "false"},
        {"authenticate_http_readwrite", "false"},
        {"filter_gpu_resources", "true"},
        {"max_completed_tasks_per_framework", "1000"},
        {"max_unreachable_tasks_per_framework", "1000"},
        {"min_allocatable_resources", "cpus:0.01|mem:32"},
        {"root_submissions", "true"},
    };
    const struct master_config *c = &m->config;
    json_t *out = json_object();
    AUTO_FREE char *port = xasprintf("%d", c->port);
    AUTO_FREE char *pings = xasprintf("%d", c->max_agent_ping_timeouts);
    AUTO_FREE char *done = xasprintf("%zu", c->max_completed_frameworks);

    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        view_set_text(out, fixed[i][0], fixed[i][1]);
    view_set_text(out, "hostname", c->hostname);
    view_set_text(out, "ip", c->ip);
    view_set_text(out, "port", port);
    view_set_text(out, "work_dir", c->work_dir);
    view_set_text(out, "max_agent_ping_timeouts", pings);
    view_set_text(out, "max_completed_frameworks", done);
    if (c->cluster)
        view_set_text(out, "cluster", c->cluster);
    set_duration(out, "allocation_interval", c->allocation_interval_ms);
    set_duration(out, "agent_ping_timeout", c->agent_ping_timeout_ms);
    set_duration(out, "agent_reregister_timeout",
                 c->agent_reregister_timeout_ms);
    if (c->offer_timeout_ms)
        set_duration(out, "offer_timeout", c->offer_timeout_ms);
    return out;
}

json_t *master_json_flags(const struct master *m)
{
    return json_pack("{s:o}", "flags", flags_json(m));
}

/* ---- /state ------------------------------------------------------------- */

static size_t count_active(const struct master *m)
{
    struct magent *agent, *next;
    size_t count = 0;

    HASH_ITER(hh, m->agents, agent, next)
    count += agent->link && !agent->deactivated;
    return count;
}

static size_t count_unreachable(const struct master *m)
{
    struct absent_agent *absent, *next;
    size_t count = 0;

    HASH_ITER(hh, m->absent, absent, next)
    count += absent->state == REEVE__DEVCLUSTER__REGISTRY__STATE__UNREACHABLE;
    return count;
}

static void set_leader(const struct master *m, json_t *out)
{
    AUTO_FREE char *pid =
        xasprintf("master@%s:%d", m->config.ip, m->config.port);

    view_set_text(out, "id", m->config.id);
    view_set_text(out, "pid", pid);
    view_set_text(out, "hostname", m->config.hostname);
    view_set(
        out, "capabilities",
        json_pack("[s,s,s]", "AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"));
    view_set_text(out, "leader", pid);
    view_set(out, "leader_info",
             json_pack("{s:s, s:s, s:i, s:s}", "id", m->config.id, "pid", pid,
                       "port", m->config.port, "hostname", m->config.hostname));
    if (m->config.cluster)
        view_set_text(out, "cluster", m->config.cluster);
}

json_t *master_json_state(const struct master *m)
{
    json_t *out = master_json_version(m);
    size_t active = count_active(m);

    view_set(out, "start_time", view_seconds(m->start_us));
    view_set(out, "elected_time", view_seconds(m->start_us));
    set_leader(m, out);
    view_set(out, "activated_slaves", json_real((double)active));
    view_set(out, "deactivated_slaves",
             json_real((double)(HASH_COUNT(m->agents) - active)));
    view_set(out, "unreachable_slaves",
             json_real((double)count_unreachable(m)));
    view_set(out, "flags", flags_json(m));
    view_set(out, "slaves", view_agents(m, NULL, false));
    view_set(out, "recovered_slaves", view_recovered(m));
    view_set(out, "frameworks", view_frameworks(m, NULL));
    view_set(out, "completed_frameworks", view_completed(m, NULL));
    view_set(out, "orphan_tasks", json_array());
    view_set(out, "unregistered_frameworks", json_array());
    return out;
}

/* ---- /state-summary ----------------------------------------------------- */

static const int summary_states[] = {
    TASK(STAGING),  TASK(STARTING),   TASK(RUNNING), TASK(KILLING),
    TASK(FINISHED), TASK(KILLED),     TASK(FAILED),  TASK(LOST),
    TASK(ERROR),    TASK(UNREACHABLE)};

static void set_counts(json_t *out, const uint64_t counts[32])
{
    for (size_t i = 0; i < ARRAY_LEN(summary_states); i++)
        view_set(out, task_state_name(summary_states[i]),
                 json_integer((json_int_t)counts[summary_states[i]]));
}

static json_t *summary_framework(const struct master *m,
                                 const struct framework *fw)
{
    json_t *out = json_object(), *agents = json_array();
    uint64_t counts[32] = {0};
    struct mtask *task, *next;
    struct magent *agent, *next_agent;

    view_framework_head(m, fw, out);
    json_object_del(out, "resources");
    HASH_ITER(hh, fw->tasks, task, next)
    counts[task->msg->state]++;
    HASH_ITER(hh, fw->unreachable, task, next)
    counts[TASK(UNREACHABLE)]++;
    DL_FOREACH(fw->done, task)
    counts[task->msg->state]++;
    set_counts(out, counts);
    HASH_ITER(hh, m->agents, agent, next_agent)
    {
        DL_SEARCH_SCALAR(agent->tasks, task, framework, fw);
        if (task)
            json_array_append_new(agents, json_string(agent->id));
    }
    view_set(out, "slave_ids", agents);
    return out;
}

static void summary_agent(json_t *out, const struct magent *agent)
{
    uint64_t counts[32] = {0};
    json_t *ids = json_object(), *list = json_array();
    const struct mtask *task;
    const char *key;
    json_t *value;

    DL_FOREACH(agent->tasks, task)
    {
        counts[task->msg->state]++;
        json_object_set_new(ids, task->framework->id, json_true());
    }
    json_object_foreach(ids, key, value)
        json_array_append_new(list, json_string(key));
    json_decref(ids);
    set_counts(out, counts);
    view_set(out, "framework_ids", list);
}

json_t *master_json_state_summary(const struct master *m)
{
    json_t *out = json_object(), *frameworks = json_array(), *agents;
    struct framework *fw, *next;
    struct magent *agent, *next_agent;
    size_t i = 0;

    view_set_text(out, "hostname", m->config.hostname);
    if (m->config.cluster)
        view_set_text(out, "cluster", m->config.cluster);
    agents = view_agents(m, NULL, false);
    HASH_ITER(hh, m->agents, agent, next_agent)
    summary_agent(json_array_get(agents, i++), agent);
    view_set(out, "slaves", agents);
    HASH_ITER(hh, m->frameworks, fw, next)
    json_array_append_new(frameworks, summary_framework(m, fw));
    view_set(out, "frameworks", frameworks);
    return out;
}
