/* SPDX-License-Identifier: Apache-2.0 */
/* cluster - see cluster.h
 *
 * Messages to and from a hung agent wait in its queues; nothing is lost.
 */
#include "devcluster/cluster.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "devcluster/agent.h"
#include "devcluster/agent_http.h"
#include "devcluster/cluster_files.h"
#include "devcluster/http.h"
#include "devcluster/http_auth.h"
#include "devcluster/master.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/service/service.h"
#include "lib/loop/loop.h"
#include "lib/wire/wire.h"

#define TICK_MS         50
#define AGENT_PORTS     100
#define SIMULATED_PORT  5051 /* announced; nobody listens */
#define MAX_MASTERS     5
#define MAX_REAL_AGENTS 1000 /* each listens */

/* A message held back while an agent hangs. */
struct held {
    ProtobufCMessage *message;
    bool to_agent;
    struct held *next;
};

/* A status update on its way for longer than usual. */
struct delayed {
    struct cluster *cluster;
    uint64_t link;
    uint64_t timer;
    ProtobufCMessage *message;
    struct delayed *prev, *next;
};

enum agent_mode {
    MODE_UP,
    MODE_PARTITIONED,
    MODE_HUNG,
    MODE_KILLED,
    MODE_LEFT, /* unregistered, or told to shut down */
    MODE_LOST, /* with its tasks and its disk */
};

struct member {
    struct cluster *cluster;
    size_t number;
    struct agent *agent;     /* NULL: killed */
    struct agent_http *http; /* its own endpoints */
    int port;
    uint64_t link; /* 0: none */
    enum agent_mode mode;
    struct held *held; /* oldest first */
};

struct cluster {
    struct loop *loop;
    struct cluster_config config; /* strings ours */
    struct master *master;
    struct http_auth *auth;
    struct http *https[MAX_MASTERS];
    struct http *http; /* the one of them that leads */
    struct member *members;
    size_t count;
    struct cluster_ports ports;
    uint64_t next_link;
    uint64_t tick_timer;
    bool flushing;
    int64_t update_delay_ms;
    unsigned update_repeats;
    uint64_t lose[2]; /* by enum cluster_lost: so many more */
    struct delayed *delayed;
};

static const char *const mode_names[] = {"up",     "partitioned", "hung",
                                         "killed", "left",        "lost"};

struct master *cluster_master(struct cluster *c)
{
    master_set_time(c->master, clock_mono_ms(), clock_wall_ms() * 1000);
    return c->master;
}

/* ---- messages ----------------------------------------------------------- */

static struct member *member_of_link(const struct cluster *c, uint64_t link)
{
    struct member *member = &c->members[link % MAX(c->count, 1)];

    return link && member->link == link ? member : NULL;
}

static void hold(struct member *member, const ProtobufCMessage *message,
                 bool to_agent)
{
    struct held *held = xcalloc(1, sizeof *held);

    held->message = wire_dup(message);
    held->to_agent = to_agent;
    LL_APPEND(member->held, held);
}

static void hand_over(struct member *member,
                      const Reeve__Devcluster__ToAgent *message)
{
    if (message->shutdown)
        member->mode = MODE_LEFT;
    agent_receive(member->agent, message);
}

static bool is_lost(struct cluster *c, const Reeve__Devcluster__ToAgent *msg)
{
    uint64_t *left = msg->run_group         ? &c->lose[CLUSTER_LOST_LAUNCHES]
                     : msg->apply_operation ? &c->lose[CLUSTER_LOST_OPERATIONS]
                                            : NULL;

    if (!left || !*left)
        return false;
    --*left;
    return true;
}

static void deliver_to_agent(struct cluster *c, const struct master_out *out)
{
    struct member *member = member_of_link(c, out->to);

    if (!member || !member->agent || is_lost(c, (const void *)out->message))
        return;
    if (member->mode == MODE_HUNG)
        hold(member, out->message, true);
    else
        hand_over(member, (const void *)out->message);
}

static void to_master(struct cluster *c, uint64_t link,
                      const Reeve__Devcluster__ToMaster *message)
{
    master_agent_message(cluster_master(c), link, message);
    cluster_flush(c);
}

static void delayed_free(struct delayed *delayed)
{
    DL_DELETE(delayed->cluster->delayed, delayed);
    loop_timer_cancel(delayed->cluster->loop, delayed->timer);
    wire_free(&delayed->message);
    free(delayed);
}

static void on_delayed(void *self)
{
    struct delayed *delayed = self;
    struct cluster *c = delayed->cluster;

    /* A link that broke meanwhile has lost it: the agent says it again. */
    if (member_of_link(c, delayed->link))
        to_master(c, delayed->link, (const void *)delayed->message);
    delayed_free(delayed);
}

static void pass_update(struct cluster *c, uint64_t link,
                        const Reeve__Devcluster__ToMaster *message)
{
    for (unsigned i = 0; i <= c->update_repeats; i++) {
        struct delayed *delayed;

        if (!c->update_delay_ms) {
            to_master(c, link, message);
            continue;
        }
        delayed = xcalloc(1, sizeof *delayed);
        delayed->cluster = c;
        delayed->link = link;
        delayed->message = wire_dup(&message->base);
        delayed->timer =
            loop_timer(c->loop, c->update_delay_ms, 0, on_delayed, delayed);
        DL_APPEND(c->delayed, delayed);
    }
}

static void on_agent_message(void *self, struct agent *agent UNUSED,
                             const Reeve__Devcluster__ToMaster *message)
{
    struct member *member = self;

    if (!member->link)
        return;
    if (member->mode == MODE_HUNG) {
        hold(member, &message->base, false);
        return;
    }
    if (message->status_update)
        pass_update(member->cluster, member->link, message);
    else
        to_master(member->cluster, member->link, message);
}

static void save_registry(struct cluster *c, const struct master_out *out)
{
    struct err err;

    if (cluster_registry_save(c->config.work_dir, (const void *)out->message,
                              &err) == 0)
        return;
    /* What follows would rest on a record that is not there. */
    log_bad("registry_write_failed", "error=%s", log_q(err.text));
    exit(EXIT_UNWRITABLE);
}

static void carry_out(struct cluster *c, const struct master_out *out)
{
    switch (out->kind) {
    case MASTER_OUT_EVENT:
    case MASTER_OUT_CLOSE:
        http_output(c->http, out);
        break;
    case MASTER_OUT_AGENT:
        deliver_to_agent(c, out);
        break;
    case MASTER_OUT_REGISTRY:
        save_registry(c, out);
        break;
    case MASTER_OUT_NOTE:
        log_event(LOG_ODD, "master", "%s", out->note);
        break;
    }
}

void cluster_flush(struct cluster *c)
{
    struct master_out *out;

    /* An output may lead to an input and so back here: the outer loop takes
     * what that made, after all that was there before. */
    if (c->flushing)
        return;
    c->flushing = true;
    while ((out = master_take_out(c->master))) {
        carry_out(c, out);
        master_out_destroy(&out);
    }
    c->flushing = false;
}

static void on_tick(void *self)
{
    struct cluster *c = self;

    master_tick(cluster_master(c));
    cluster_flush(c);
}

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

static void member_connect(struct member *member)
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
    member->agent = agent_new(c->loop, &config, on_agent_message, member, err);
    if (!member->agent)
        return err_wrap(err, "agent %zu", member->number);
    if (member->http)
        agent_http_set(member->http, member->agent);
    return 0;
}

static int member_open(struct cluster *c, size_t number, struct err *err)
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

static void drop_held(struct member *member)
{
    struct held *held, *next;

    LL_FOREACH_SAFE(member->held, held, next)
    {
        wire_free(&held->message);
        free(held);
    }
    member->held = NULL;
}

static void member_close(struct member *member)
{
    drop_held(member);
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
            hand_over(member, (const void *)held->message);
        else
            on_agent_message(member, member->agent,
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

void cluster_disturb_updates(struct cluster *c, int64_t delay_ms,
                             unsigned repeats)
{
    c->update_delay_ms = delay_ms;
    c->update_repeats = repeats;
}

struct http *cluster_http(struct cluster *c)
{
    return c->http;
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

/* ---- life --------------------------------------------------------------- */

static void new_uuid(void *self UNUSED, uint8_t out[16])
{
    uuid_new_bytes(out);
}

static void config_copy(struct cluster_config *to,
                        const struct cluster_config *from)
{
    *to = *from;
    to->address = xstrdup(from->address);
    to->work_dir = xstrdup(from->work_dir);
    to->agent_resources = xstrdup(from->agent_resources);
    to->agent_attributes = xstrdup(from->agent_attributes);
    to->agent_hostname = xstrdup(from->agent_hostname);
    to->simulate_schedule = xstrdup(from->simulate_schedule);
    to->agent_domain = xstrdup(str_or_empty(from->agent_domain));
    to->credentials = xstrdup(str_or_empty(from->credentials));
}

static void config_free(struct cluster_config *config)
{
    free((char *)(uintptr_t)config->address);
    free((char *)(uintptr_t)config->work_dir);
    free((char *)(uintptr_t)config->agent_resources);
    free((char *)(uintptr_t)config->agent_attributes);
    free((char *)(uintptr_t)config->agent_hostname);
    free((char *)(uintptr_t)config->simulate_schedule);
    free((char *)(uintptr_t)config->agent_domain);
    free((char *)(uintptr_t)config->credentials);
}

static void master_make(struct cluster *c,
                        const Reeve__Devcluster__Registry *registry)
{
    char id[UUID_TEXT_SIZE];
    struct master_config config = {
        .id = id,
        .hostname = c->config.address,
        .ip = c->config.address,
        .port = http_port(c->http),
        .work_dir = c->config.work_dir,
        .allocation_interval_ms = c->config.allocation_interval_ms,
        .heartbeat_interval_ms = c->config.heartbeat_interval_ms,
        .agent_ping_timeout_ms = c->config.agent_ping_timeout_ms,
        .max_agent_ping_timeouts = c->config.max_agent_ping_timeouts,
        .agent_reregister_timeout_ms = c->config.agent_reregister_timeout_ms,
        .offer_timeout_ms = c->config.offer_timeout_ms,
        .no_resize_volume = c->config.no_resize_volume,
        .no_registry = c->config.simulate,
        .new_uuid = new_uuid,
    };

    uuid_new(id);
    c->master = master_new(&config, registry);
    cluster_master(c);
}

static int master_start(struct cluster *c, struct err *err)
{
    AUTO_MESSAGE Reeve__Devcluster__Registry *registry = NULL;

    if (cluster_registry_load(c->config.work_dir, &registry, err) < 0)
        return -1;
    master_make(c, registry);
    return 0;
}

static void lead_next(struct cluster *c)
{
    size_t at = 0;

    while (c->https[at] != c->http)
        at++;
    c->http = at + 1 < MAX_MASTERS && c->https[at + 1] ? c->https[at + 1]
                                                       : c->https[0];
}

void cluster_lose(struct cluster *c, enum cluster_lost kind, uint64_t count)
{
    c->lose[kind] = count;
}

void cluster_failover(struct cluster *c, int64_t start_window_ms)
{
    AUTO_MESSAGE Reeve__Devcluster__Registry *registry =
        master_registry(c->master);

    http_drop_streams(c->http);
    lead_next(c);
    http_start_window(c->http, start_window_ms);
    for (size_t i = 0; i < c->count; i++) {
        struct member *member = &c->members[i];

        member->link = 0;
        drop_held(member);
        if (member->agent)
            agent_disconnect(member->agent);
    }
    master_destroy(&c->master);
    master_make(c, registry);
    for (size_t i = 0; i < c->count; i++) {
        if (c->members[i].mode == MODE_UP)
            member_connect(&c->members[i]);
    }
    cluster_flush(c);
}

/* The port of last time is only a wish, unless it was asked for. */
static int http_start(struct cluster *c, struct err *err)
{
    struct http_settings settings = {
        .address = c->config.address,
        .port = c->config.port,
        .auth_operators = c->config.auth_operators,
    };

    if (*c->config.credentials) {
        c->auth = http_auth_load(c->config.credentials, err);
        if (!c->auth)
            return err_wrap(err, "--credentials");
    }
    settings.auth = c->auth;
    if (!settings.port)
        settings.port = cluster_ports_master(&c->ports);
    c->http = http_new(c->loop, &settings, c, err);
    if (!c->http && !c->config.port && settings.port) {
        settings.port = 0;
        c->http = http_new(c->loop, &settings, c, err);
    }
    if (!c->http)
        return -1;
    c->https[0] = c->http;
    cluster_ports_set_master(&c->ports, http_port(c->http));
    for (size_t i = 1; i < c->config.masters; i++) {
        settings.port = c->config.port ? c->config.port + (int)i : 0;
        c->https[i] = http_new(c->loop, &settings, c, err);
        if (!c->https[i])
            return -1;
    }
    return 0;
}

static int open_all(struct cluster *c, struct err *err)
{
    if (cluster_files_open(c->config.work_dir, &c->ports, err) < 0 ||
        http_start(c, err) < 0 || master_start(c, err) < 0)
        return -1;
    for (size_t i = 0; i < c->count; i++) {
        if (member_open(c, i, err) < 0)
            return -1;
    }
    if (cluster_ports_save(c->config.work_dir, &c->ports, err) < 0)
        return -1;
    for (size_t i = 0; i < c->count; i++)
        member_connect(&c->members[i]);
    cluster_flush(c);
    http_start_window(c->http, c->config.start_window_ms);
    c->tick_timer = loop_timer(c->loop, TICK_MS, TICK_MS, on_tick, c);
    return 0;
}

struct cluster *cluster_new(struct loop *loop,
                            const struct cluster_config *config,
                            struct err *err)
{
    struct cluster *c = xcalloc(1, sizeof *c);

    c->loop = loop;
    config_copy(&c->config, config);
    if (config->agents > MAX_REAL_AGENTS && !config->simulate) {
        err_set(err, ERR_INVALID, "--agents: more than %d only with --simulate",
                MAX_REAL_AGENTS);
        cluster_destroy(&c);
        return NULL;
    }
    c->count = config->agents;
    c->config.masters = MIN(MAX(config->masters, 1), MAX_MASTERS);
    c->members = xcalloc(c->count + 1, sizeof *c->members);
    if (open_all(c, err) < 0)
        cluster_destroy(&c);
    return c;
}

void cluster_destroy(struct cluster **cluster)
{
    struct cluster *c = *cluster;

    if (!c)
        return;
    loop_timer_cancel(c->loop, c->tick_timer);
    while (c->delayed)
        delayed_free(c->delayed);
    for (size_t i = 0; i < c->count; i++)
        member_close(&c->members[i]);
    for (size_t i = 0; i < MAX_MASTERS; i++)
        http_destroy(&c->https[i]);
    http_auth_destroy(&c->auth);
    master_destroy(&c->master);
    cluster_files_close(&c->ports);
    config_free(&c->config);
    free(c->members);
    free(c);
    *cluster = NULL;
}

char *cluster_listens(const struct cluster *c)
{
    struct buf text = {0};

    for (size_t i = 0; i < MAX_MASTERS && c->https[i]; i++)
        buf_addf(&text, "%s%s:%d", i ? "," : "", c->config.address,
                 http_port(c->https[i]));
    return buf_take(&text, NULL);
}

int cluster_port(const struct cluster *c)
{
    return http_port(c->http);
}

const char *cluster_address(const struct cluster *c)
{
    return c->config.address;
}
