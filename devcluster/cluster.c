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
#include "devcluster/master.h"
#include "devcluster/msg.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/service/service.h"
#include "lib/loop/loop.h"

#define TICK_MS     50
#define AGENT_PORTS 100

/* A message held back while an agent hangs. */
struct held {
    ProtobufCMessage *message;
    bool to_agent;
    struct held *next;
};

enum agent_mode {
    MODE_UP,
    MODE_PARTITIONED,
    MODE_HUNG,
    MODE_KILLED,
    MODE_LEFT, /* unregistered, or told to shut down */
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
    struct http *http;
    struct member *members;
    size_t count;
    struct cluster_ports ports;
    uint64_t next_link;
    uint64_t tick_timer;
    bool flushing;
};

static const char *const mode_names[] = {"up", "partitioned", "hung", "killed",
                                         "left"};

struct master *cluster_master(struct cluster *c)
{
    master_set_time(c->master, clock_mono_ms(), clock_wall_ms() * 1000);
    return c->master;
}

/* ---- messages ----------------------------------------------------------- */

static struct member *member_of_link(const struct cluster *c, uint64_t link)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->members[i].link == link)
            return &c->members[i];
    }
    return NULL;
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

static void deliver_to_agent(struct cluster *c, const struct master_out *out)
{
    struct member *member = member_of_link(c, out->to);

    if (!member || !member->agent)
        return;
    if (member->mode == MODE_HUNG)
        hold(member, out->message, true);
    else
        hand_over(member, (const void *)out->message);
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
    master_agent_message(cluster_master(member->cluster), member->link,
                         message);
    cluster_flush(member->cluster);
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
    size_t first = c->config.agent_ports + AGENT_PORTS * number;

    /* A JSON list, or ports named already: taken as it is. */
    if (strchr(text, '[') || strstr(text, "ports"))
        return xstrdup(text);
    return xasprintf("%s;ports:[%zu-%zu]", text, first,
                     first + AGENT_PORTS - 1);
}

static void member_connect(struct member *member)
{
    struct cluster *c = member->cluster;

    member->link = ++c->next_link;
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
    struct agent_config config = {
        .work_dir = dir,
        .hostname = hostname,
        .ip = c->config.address,
        .port = member->port,
        .resources = resources,
        .attributes = attributes,
        .switch_user = c->config.switch_user,
        .status_resend_ms = c->config.resend_ms,
        .recovery_wait_ms = c->config.recovery_wait_ms,
    };

    member->agent = agent_new(c->loop, &config, on_agent_message, member, err);
    if (!member->agent)
        return err_wrap(err, "agent %zu", member->number);
    agent_http_set(member->http, member->agent);
    return 0;
}

static int member_open(struct cluster *c, size_t number, struct err *err)
{
    struct member *member = &c->members[number];

    member->cluster = c;
    member->number = number;
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
    member->mode = fault == CLUSTER_KILL ? MODE_KILLED : MODE_PARTITIONED;
    if (fault == CLUSTER_KILL) {
        agent_http_set(member->http, NULL);
        agent_stop(&member->agent);
    }
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
}

static void config_free(struct cluster_config *config)
{
    free((char *)(uintptr_t)config->address);
    free((char *)(uintptr_t)config->work_dir);
    free((char *)(uintptr_t)config->agent_resources);
    free((char *)(uintptr_t)config->agent_attributes);
    free((char *)(uintptr_t)config->agent_hostname);
}

static int master_start(struct cluster *c, struct err *err)
{
    AUTO_MESSAGE Reeve__Devcluster__Registry *registry = NULL;
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
        .new_uuid = new_uuid,
    };

    if (cluster_registry_load(c->config.work_dir, &registry, err) < 0)
        return -1;
    uuid_new(id);
    c->master = master_new(&config, registry);
    cluster_master(c);
    return 0;
}

/* The port of last time is only a wish, unless it was asked for. */
static int http_start(struct cluster *c, struct err *err)
{
    struct http_settings settings = {c->config.address, c->config.port};

    if (!settings.port)
        settings.port = cluster_ports_master(&c->ports);
    c->http = http_new(c->loop, &settings, c, err);
    if (!c->http && !c->config.port && settings.port) {
        settings.port = 0;
        c->http = http_new(c->loop, &settings, c, err);
    }
    if (!c->http)
        return -1;
    cluster_ports_set_master(&c->ports, http_port(c->http));
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
    c->count = config->agents;
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
    for (size_t i = 0; i < c->count; i++)
        member_close(&c->members[i]);
    http_destroy(&c->http);
    master_destroy(&c->master);
    cluster_files_close(&c->ports);
    config_free(&c->config);
    free(c->members);
    free(c);
    *cluster = NULL;
}

int cluster_port(const struct cluster *c)
{
    return http_port(c->http);
}

const char *cluster_address(const struct cluster *c)
{
    return c->config.address;
}
