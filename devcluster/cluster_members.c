/* SPDX-License-Identifier: Apache-2.0 */
/* cluster_members - the agents of a cluster, and what befalls them on command
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "devcluster/agent.h"
#include "devcluster/agent_http.h"
#include "devcluster/cluster_state.h"
#include "devcluster/master.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/wire/wire.h"

#define AGENT_PORTS    100
#define SIMULATED_PORT 5051 /* announced; nobody listens */

static const char *const mode_names[] = {"up",     "partitioned", "hung",
                                         "killed", "left",        "lost"};

/* ---- agents ------------------------------------------------------------- */

/* "{n}" becomes the number. */
static char *numbered(const char *text, size_t number)
{
    struct buf out = {0};

    buf_add_str(&out, "");
    for (const char *p = text; p && *p;) {
        if (str_starts(p, "{n}")) {
            buf_addf(&out, "%zu", number);
            p += 3;
        } else {
            buf_add_char(&out, *p++);
        }
    }
    return out.data ? buf_take(&out, NULL) : xstrdup("");
}

static char *resources_of(const struct cluster *c, size_t number)
{
    AUTO_FREE char *text = numbered(c->config.agent_resources, number);
    /* Simulated agents are as many hosts: each may have the same ports. */
    size_t first =
        c->config.agent_ports + (c->config.simulate ? 0 : AGENT_PORTS * number);

    /* A JSON list, or ports named already: taken as it is. */
    if (strchr(text, '[') || strstr(text, "ports"))
        return xstrdup(text);
    return xasprintf("%s;ports:[%zu-%zu]", text, first,
                     first + AGENT_PORTS - 1);
}

void member_connect(struct member *member)
{
    struct cluster *c = member->cluster;

    /* So that a link tells whose it is: see member_of_link. */
    member->link = ++c->next_link * c->count + member->number;
    master_agent_link(cluster_master(c), member->link, c->config.address);
    agent_connect(member->agent);
}

static void member_disconnect(struct member *member)
{
    struct cluster *c = member->cluster;
    uint64_t link = member->link;

    if (!link)
        return;
    member->link = 0;
    master_agent_unlink(cluster_master(c), link);
    cluster_flush(c);
}

static void member_reconnect(struct member *member)
{
    agent_disconnect(member->agent);
    member_disconnect(member);
    member->mode = MODE_UP;
    member_connect(member);
}

static int member_start(struct member *member, struct err *err)
{
    struct cluster *c = member->cluster;
    AUTO_FREE char *name = xasprintf("agent-%zu", member->number);
    AUTO_FREE char *dir = fs_join(c->config.work_dir, name);
    AUTO_FREE char *hostname =
        numbered(c->config.agent_hostname, member->number);
    AUTO_FREE char *attributes =
        numbered(c->config.agent_attributes, member->number);
    AUTO_FREE char *resources = resources_of(c, member->number);
    AUTO_FREE char *region = numbered(c->config.agent_domain, member->number);
    char *zone = strchr(region, '/');
    struct agent_config config = {
        .work_dir = dir,
        .hostname = hostname,
        .ip = c->config.address,
        .port = member->port,
        .resources = resources,
        .attributes = attributes,
        .in_memory = c->config.simulate,
        .schedule = c->config.simulate_schedule,
        .switch_user = c->config.switch_user,
        .status_resend_ms = c->config.resend_ms,
        .recovery_wait_ms = c->config.recovery_wait_ms,
    };

    if (zone) {
        *zone++ = '\0';
        config.region = region;
        config.zone = zone;
    }
    member->agent =
        agent_new(c->loop, &config, cluster_agent_message, member, err);
    if (!member->agent)
        return err_wrap(err, "agent %zu", member->number);
    if (member->http)
        agent_http_set(member->http, member->agent);
    return 0;
}

int member_open(struct cluster *c, size_t number, struct err *err)
{
    struct member *member = &c->members[number];

    member->cluster = c;
    member->number = number;
    if (c->config.simulate) {
        member->port = SIMULATED_PORT;
        return member_start(member, err);
    }
    member->http = agent_http_new(c->loop, c->config.address,
                                  cluster_ports_agent(&c->ports, number), err);
    if (!member->http)
        return err_wrap(err, "agent %zu", number);
    member->port = agent_http_port(member->http);
    cluster_ports_set_agent(&c->ports, number, member->port);
    return member_start(member, err);
}

void member_drop_held(struct member *member)
{
    struct held *held, *next;

    LL_FOREACH_SAFE(member->held, held, next)
    {
        wire_free(&held->message);
        free(held);
    }
    member->held = NULL;
}

void member_close(struct member *member)
{
    member_drop_held(member);
    if (member->agent)
        agent_stop(&member->agent);
    agent_http_destroy(&member->http);
}

/* ---- faults ------------------------------------------------------------- */

static void resume_hung(struct member *member)
{
    struct held *list = member->held, *held, *next;

    member->held = NULL;
    member->mode = MODE_UP;
    LL_FOREACH_SAFE(list, held, next)
    {
        if (held->to_agent)
            cluster_hand_over(member, (const void *)held->message);
        else
            cluster_agent_message(member, member->agent,
                                  (const void *)held->message);
        wire_free(&held->message);
        free(held);
    }
    /* While it hung the master may have given it up: it says who it is. */
    if (member->mode == MODE_UP &&
        !master_link_registered(member->cluster->master, member->link))
        member_reconnect(member);
}

/* A lost machine comes back as another one: empty, with a new agent. */
static int member_replace(struct member *member, struct err *err)
{
    AUTO_FREE char *name = xasprintf("agent-%zu", member->number);
    AUTO_FREE char *dir = fs_join(member->cluster->config.work_dir, name);

    if (fs_remove_tree(dir, err) < 0 || member_start(member, err) < 0)
        return -1;
    member->mode = MODE_UP;
    member_connect(member);
    return 0;
}

static void count_live(void *self, const struct agent_task_view *view)
{
    *(size_t *)self += !view->executor_ended;
}

/* Its tasks were killed; once the last has ended the machine is no more. */
static int member_bury(struct member *member, struct err *err)
{
    size_t live = 0;

    if (!member->agent)
        return 0;
    agent_each_task(member->agent, count_live, &live);
    if (live)
        return err_set(err, ERR_NOOP, "agent %zu: tasks of it still end",
                       member->number);
    agent_stop(&member->agent);
    return 0;
}

static int member_return(struct member *member, struct err *err)
{
    switch (member->mode) {
    case MODE_UP:
        return err_set(err, ERR_NOOP, "agent %zu is up", member->number);
    case MODE_HUNG:
        resume_hung(member);
        break;
    case MODE_KILLED:
        if (member_start(member, err) < 0)
            return -1;
        member->mode = MODE_UP;
        member_connect(member);
        break;
    case MODE_PARTITIONED:
    case MODE_LEFT:
        member_reconnect(member);
        break;
    case MODE_LOST:
        if (member_bury(member, err) < 0 || member_replace(member, err) < 0)
            return -1;
        break;
    }
    cluster_flush(member->cluster);
    return 0;
}

static int member_cut(struct member *member, enum cluster_fault fault,
                      struct err *err)
{
    if (member->mode != MODE_UP)
        return err_set(err, ERR_NOOP, "agent %zu is %s already", member->number,
                       mode_names[member->mode]);
    if (fault == CLUSTER_HANG) {
        member->mode = MODE_HUNG;
        return 0;
    }
    if (fault == CLUSTER_UNREGISTER) {
        agent_unregister(member->agent);
        member->mode = MODE_LEFT;
        return 0;
    }
    agent_disconnect(member->agent);
    member->mode = fault == CLUSTER_KILL   ? MODE_KILLED
                   : fault == CLUSTER_LOSE ? MODE_LOST
                                           : MODE_PARTITIONED;
    if (member->http && member->mode != MODE_PARTITIONED)
        agent_http_set(member->http, NULL);
    if (fault == CLUSTER_KILL)
        agent_stop(&member->agent);
    if (fault == CLUSTER_LOSE)
        agent_unregister(member->agent); /* not connected: only kills */
    member_disconnect(member);
    return 0;
}

int cluster_agent_fault(struct cluster *c, size_t number,
                        enum cluster_fault fault, struct err *err)
{
    if (number >= c->count)
        return err_set(err, ERR_NOT_FOUND, "there is no agent %zu", number);
    log_info("fault", "agent=%zu kind=%d", number, (int)fault);
    if (fault == CLUSTER_RETURN)
        return member_return(&c->members[number], err);
    return member_cut(&c->members[number], fault, err);
}

size_t cluster_agents(const struct cluster *c)
{
    return c->count;
}

struct json_t *cluster_status(const struct cluster *c)
{
    json_t *agents = json_array();

    for (size_t i = 0; i < c->count; i++) {
        const struct member *member = &c->members[i];
        const char *id = member->agent ? agent_id(member->agent) : NULL;

        json_array_append_new(
            agents,
            json_pack("{s:i, s:s?, s:s, s:i}", "number", (int)i, "id", id,
                      "state", mode_names[member->mode], "port", member->port));
    }
    return json_pack("{s:s, s:o}", "master_id", master_id(c->master), "agents",
                     agents);
}
