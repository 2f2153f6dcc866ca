/* SPDX-License-Identifier: Apache-2.0 */
/* cluster - see cluster.h; the agents are in cluster_members.c
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
#include "devcluster/cluster_state.h"
#include "devcluster/http.h"
#include "devcluster/http_auth.h"
#include "devcluster/http_streams.h"
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
#define MAX_REAL_AGENTS 1000 /* each listens */
#define MAX_PEM_BYTES   (1u << 20)

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

void cluster_hand_over(struct member *member,
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
        cluster_hand_over(member, (const void *)out->message);
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

void cluster_agent_message(void *self, struct agent *agent UNUSED,
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
        http_streams_output(http_streams(c->http), out);
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
    to->tls_cert = xstrdup(str_or_empty(from->tls_cert));
    to->tls_key = xstrdup(str_or_empty(from->tls_key));
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
    free((char *)(uintptr_t)config->tls_cert);
    free((char *)(uintptr_t)config->tls_key);
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

    http_streams_drop(http_streams(c->http));
    lead_next(c);
    http_start_window(c->http, start_window_ms);
    for (size_t i = 0; i < c->count; i++) {
        struct member *member = &c->members[i];

        member->link = 0;
        member_drop_held(member);
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

/* Files whose bytes masters need while they start. */
struct secrets {
    struct buf certificate, key;
};

static int read_secrets(struct cluster *c, struct secrets *out, struct err *err)
{
    bool tls = *c->config.tls_cert;

    if (tls != (*c->config.tls_key != '\0'))
        return err_set(err, ERR_INVALID,
                       "--tls-cert and --tls-key only go together");
    if (tls && (fs_read(c->config.tls_cert, MAX_PEM_BYTES, &out->certificate,
                        err) < 0 ||
                fs_read(c->config.tls_key, MAX_PEM_BYTES, &out->key, err) < 0))
        return -1;
    if (!*c->config.credentials)
        return 0;
    c->auth = http_auth_load(c->config.credentials, err);
    return c->auth ? 0 : err_wrap(err, "--credentials");
}

/* The port of last time is only a wish, unless it was asked for. */
static int http_listen(struct cluster *c, struct http_settings *settings,
                       struct err *err)
{
    if (!settings->port)
        settings->port = cluster_ports_master(&c->ports);
    c->http = http_new(c->loop, settings, c, err);
    if (!c->http && !c->config.port && settings->port) {
        settings->port = 0;
        c->http = http_new(c->loop, settings, c, err);
    }
    if (!c->http)
        return -1;
    c->https[0] = c->http;
    cluster_ports_set_master(&c->ports, http_port(c->http));
    for (size_t i = 1; i < c->config.masters; i++) {
        settings->port = c->config.port ? c->config.port + (int)i : 0;
        c->https[i] = http_new(c->loop, settings, c, err);
        if (!c->https[i])
            return -1;
    }
    return 0;
}

static int http_start(struct cluster *c, struct err *err)
{
    struct http_settings settings = {
        .address = c->config.address,
        .port = c->config.port,
        .auth_operators = c->config.auth_operators,
    };
    struct secrets secrets = {{0}, {0}};
    int rc = read_secrets(c, &secrets, err);

    settings.auth = c->auth;
    if (rc == 0 && *c->config.tls_cert) {
        settings.certificate = buf_text(&secrets.certificate);
        settings.key = buf_text(&secrets.key);
    }
    if (rc == 0)
        rc = http_listen(c, &settings, err);
    buf_free(&secrets.certificate);
    buf_free(&secrets.key);
    return rc;
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
