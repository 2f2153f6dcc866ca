/* SPDX-License-Identifier: Apache-2.0 */
/* master_harness - see master_harness.h */
#include "tests/unit/devcluster/master_harness.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/rules.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/resources.h"
#include "lib/mesos/states.h"

#define WALL_US 1700000000000000

static void give_uuid(void *self, uint8_t out[16])
{
    struct mh *h = self;

    memset(out, 0, 16);
    out[6] = 0x40;
    out[15] = ++h->next_uuid;
}

static void sync_time(struct mh *h)
{
    master_set_time(h->master, h->now_ms, WALL_US + h->now_ms * 1000);
}

static struct master *make(struct mh *h,
                           const Reeve__Devcluster__Registry *registry)
{
    struct master_config config = {
        .id = "M",
        .hostname = "host",
        .ip = "127.0.0.1",
        .port = 5050,
        .allocation_interval_ms = 1000,
        .agent_ping_timeout_ms = 2000,
        .max_agent_ping_timeouts = 3,
        .new_uuid = give_uuid,
        .new_uuid_self = h,
    };

    return master_new(&config, registry);
}

void mh_open(struct mh *h)
{
    memset(h, 0, sizeof *h);
    h->now_ms = 1000;
    h->master = make(h, NULL);
    sync_time(h);
}

void mh_close(struct mh *h)
{
    master_destroy(&h->master);
    buf_free(&h->out);
}

void mh_restart(struct mh *h)
{
    AUTO_MESSAGE Reeve__Devcluster__Registry *registry =
        master_registry(h->master);

    master_destroy(&h->master);
    buf_clear(&h->out);
    h->master = make(h, registry);
    sync_time(h);
}

/* ---- rendering -------------------------------------------------------- */

static void render_resources(struct buf *out, Mesos__V1__Resource *const *list,
                             size_t count)
{
    AUTO(resources) struct resources *r = resources_from(list, count);
    AUTO_FREE char *text = NULL;

    resources_allocate(r, NULL);
    text = resources_text(r);
    buf_add_str(out, text);
}

static void render_status(struct buf *out, const Mesos__V1__TaskStatus *s)
{
    buf_addf(out, "UPDATE %s %s %s", s->task_id->value,
             task_state_name((int)s->state) + strlen("TASK_"),
             task_source_name((int)s->source) + strlen("SOURCE_"));
    if (s->has_reason)
        buf_addf(out, " %s",
                 task_reason_name((int)s->reason) + strlen("REASON_"));
    if (s->has_uuid)
        buf_addf(out, " uuid=%d", s->uuid.data[15]);
    if (s->agent_id)
        buf_addf(out, " on %s", s->agent_id->value);
    if (s->message)
        buf_addf(out, " '%s'", s->message);
}

static void render_operation(struct buf *out,
                             const Mesos__V1__OperationStatus *s)
{
    buf_addf(out, "OPERATION %s %s", ID_OF(s->operation_id),
             operation_state_name((int)s->state) + strlen("OPERATION_"));
    if (s->uuid)
        buf_addf(out, " uuid=%d", s->uuid->value.data[15]);
    if (s->agent_id)
        buf_addf(out, " on %s", s->agent_id->value);
    if (s->message)
        buf_addf(out, " '%s'", s->message);
}

static void render_offers(struct buf *out,
                          const Mesos__V1__Scheduler__Event__Offers *offers)
{
    buf_add_str(out, "OFFERS");
    for (size_t i = 0; i < offers->n_offers; i++) {
        const Mesos__V1__Offer *o = offers->offers[i];

        buf_addf(out, "\n  %s %s %s ", o->id->value, o->agent_id->value,
                 o->allocation_info ? o->allocation_info->role : "-");
        render_resources(out, o->resources, o->n_resources);
        for (size_t k = 0; k < o->n_executor_ids; k++)
            buf_addf(out, " +%s", o->executor_ids[k]->value);
        if (o->unavailability)
            buf_add_str(out, " UNAVAILABLE");
    }
}

static void
render_inverse(struct buf *out,
               const Mesos__V1__Scheduler__Event__InverseOffers *all)
{
    buf_add_str(out, "INVERSE_OFFERS");
    for (size_t i = 0; i < all->n_inverse_offers; i++)
        buf_addf(out, "\n  %s %s", all->inverse_offers[i]->id->value,
                 all->inverse_offers[i]->agent_id->value);
}

static void render_event(struct buf *out,
                         const Mesos__V1__Scheduler__Event *event)
{
    switch ((int)event->type) {
    case MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED:
        buf_addf(out, "SUBSCRIBED %s", event->subscribed->framework_id->value);
        break;
    case MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS:
        render_offers(out, event->offers);
        break;
    case MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND:
        buf_addf(out, "RESCIND %s", event->rescind->offer_id->value);
        break;
    case MESOS__V1__SCHEDULER__EVENT__TYPE__INVERSE_OFFERS:
        render_inverse(out, event->inverse_offers);
        break;
    case MESOS__V1__SCHEDULER__EVENT__TYPE__RESCIND_INVERSE_OFFER:
        buf_addf(out, "RESCIND_INVERSE_OFFER %s",
                 event->rescind_inverse_offer->inverse_offer_id->value);
        break;
    case MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE:
        render_status(out, event->update->status);
        break;
    case MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE_OPERATION_STATUS:
        render_operation(out, event->update_operation_status->status);
        break;
    case MESOS__V1__SCHEDULER__EVENT__TYPE__FAILURE:
        buf_addf(out, "FAILURE %s", ID_OF(event->failure->agent_id));
        if (event->failure->executor_id)
            buf_addf(out, " %s %d", event->failure->executor_id->value,
                     event->failure->status);
        break;
    case MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR:
        buf_addf(out, "ERROR '%s'", event->error->message);
        break;
    default:
        buf_add_str(
            out, wire_enum_name(&mesos__v1__scheduler__event__type__descriptor,
                                (int)event->type));
        break;
    }
}

/* What an operator's stream says: type and whom it is about. */
static void render_told(struct buf *out, const Mesos__V1__Master__Event *event)
{
    buf_add_str(out, "OPERATOR ");
    buf_add_str(out, wire_enum_name(&mesos__v1__master__event__type__descriptor,
                                    (int)event->type));
    if (event->task_added)
        buf_addf(out, " %s", event->task_added->task->task_id->value);
    if (event->task_updated)
        buf_addf(out, " %s %s %s", event->task_updated->status->task_id->value,
                 task_state_name((int)event->task_updated->status->state) +
                     strlen("TASK_"),
                 task_state_name((int)event->task_updated->state) +
                     strlen("TASK_"));
    if (event->agent_added)
        buf_addf(out, " %s", event->agent_added->agent->agent_info->id->value);
    if (event->agent_removed)
        buf_addf(out, " %s", event->agent_removed->agent_id->value);
    if (event->framework_added)
        buf_addf(out, " %s",
                 event->framework_added->framework->framework_info->id->value);
    if (event->framework_updated)
        buf_addf(
            out, " %s",
            event->framework_updated->framework->framework_info->id->value);
    if (event->framework_removed)
        buf_addf(out, " %s",
                 event->framework_removed->framework_info->id->value);
}

static void render_to_agent(struct buf *out, struct mh *h,
                            const Reeve__Devcluster__ToAgent *msg)
{
    if (msg->run_group) {
        buf_addf(out, "RUN %s",
                 msg->run_group->executor
                     ? msg->run_group->executor->executor_id->value
                     : "-");
        for (size_t i = 0; i < msg->run_group->n_tasks; i++)
            buf_addf(out, " %s", msg->run_group->tasks[i]->task_id->value);
    } else if (msg->kill) {
        buf_addf(out, "KILL %s", msg->kill->task_id->value);
    } else if (msg->acknowledge) {
        buf_addf(out, "ACK %s %d", msg->acknowledge->task_id->value,
                 msg->acknowledge->uuid.data[15]);
    } else if (msg->apply_operation) {
        buf_addf(out, "APPLY %d", (int)msg->apply_operation->info->type);
        memcpy(h->last_operation, msg->apply_operation->operation_uuid.data,
               16);
    } else if (msg->acknowledge_operation) {
        buf_add_str(out, "ACK-OPERATION");
    } else if (msg->shutdown_framework) {
        buf_addf(out, "SHUTDOWN-FRAMEWORK %s",
                 msg->shutdown_framework->framework_id->value);
    } else if (msg->shutdown_executor) {
        buf_addf(out, "SHUTDOWN-EXECUTOR %s",
                 msg->shutdown_executor->executor_id->value);
    } else if (msg->registered) {
        buf_addf(out, "REGISTERED %s", msg->registered->agent_id->value);
    } else if (msg->shutdown) {
        buf_addf(out, "SHUTDOWN '%s'", msg->shutdown->message);
    } else if (msg->drain) {
        buf_add_str(out, "DRAIN");
    } else if (msg->framework_subscribed) {
        buf_add_str(out, "FRAMEWORK-SUBSCRIBED");
    } else {
        buf_add_str(out, "PING");
    }
}

/* Every ping is answered at once unless the link is cut by the test. */
static void answer_ping(struct mh *h, const struct master_out *out)
{
    const Reeve__Devcluster__ToAgent *msg = (const void *)out->message;
    Reeve__Devcluster__ToMaster pong = REEVE__DEVCLUSTER__TO_MASTER__INIT;
    Reeve__Devcluster__ToMaster__Pong none =
        REEVE__DEVCLUSTER__TO_MASTER__PONG__INIT;

    if (!msg->ping || out->to == h->deaf)
        return;
    pong.pong = &none;
    master_agent_message(h->master, out->to, &pong);
}

static void render(struct mh *h, const struct master_out *out)
{
    const Reeve__Devcluster__ToAgent *msg = (const void *)out->message;

    switch (out->kind) {
    case MASTER_OUT_EVENT:
        buf_addf(&h->out, "%llu ", (unsigned long long)out->to);
        if (out->message->descriptor == &mesos__v1__master__event__descriptor)
            render_told(&h->out, (const void *)out->message);
        else
            render_event(&h->out, (const void *)out->message);
        break;
    case MASTER_OUT_CLOSE:
        buf_addf(&h->out, "%llu CLOSE", (unsigned long long)out->to);
        break;
    case MASTER_OUT_AGENT:
        answer_ping(h, out);
        if (msg->apply_operation)
            memcpy(h->last_operation, msg->apply_operation->operation_uuid.data,
                   16);
        if (!h->show_agent || msg->ping)
            return;
        buf_addf(&h->out, "> %llu ", (unsigned long long)out->to);
        render_to_agent(&h->out, h, msg);
        break;
    case MASTER_OUT_REGISTRY:
        if (!h->show_registry)
            return;
        buf_add_str(&h->out, "REGISTRY");
        break;
    case MASTER_OUT_NOTE:
        buf_addf(&h->out, "NOTE %s", out->note);
        break;
    }
    buf_add_char(&h->out, '\n');
}

static void drain(struct mh *h)
{
    struct master_out *out;

    while ((out = master_take_out(h->master))) {
        render(h, out);
        master_out_destroy(&out);
    }
}

const char *mh_take(struct mh *h)
{
    static char taken[65536];

    drain(h);
    snprintf(taken, sizeof taken, "%s", buf_text(&h->out));
    buf_clear(&h->out);
    return taken;
}

/* ---- inputs ------------------------------------------------------------- */

static ProtobufCMessage *parse(const ProtobufCMessageDescriptor *type,
                               const char *json)
{
    AUTO_FREE char *quoted = xstrdup(json);
    json_error_t where;
    json_t *value;
    ProtobufCMessage *message;
    struct err err;

    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    value = json_loads(quoted, 0, &where);
    cr_assert(value, "%s at %d in %s", where.text, where.position, quoted);
    message = wire_from_json(type, value, &err);
    cr_assert(message, "%s in %s", err.text, json);
    json_decref(value);
    return message;
}

void mh_pass(struct mh *h, int64_t ms)
{
    for (int64_t end = h->now_ms + ms; h->now_ms < end;) {
        h->now_ms += 100;
        sync_time(h);
        master_tick(h->master);
        drain(h);
    }
}

uint64_t mh_agent(struct mh *h, unsigned n)
{
    uint64_t link = n + 1;
    AUTO_FREE char *json = xasprintf(
        "{\"register\":{\"agent\":{\"hostname\":\"agent-%u.local\",\"port\":%u,"
        "\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{"
        "\"value\":4}},{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{"
        "\"value\":4096}},{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{"
        "\"value\":10240}},{\"name\":\"ports\",\"type\":\"RANGES\",\"ranges\":{"
        "\"range\":[{\"begin\":%u,\"end\":%u}]}}],\"attributes\":[{\"name\":"
        "\"rack\",\"type\":\"TEXT\",\"text\":{\"value\":\"r%u\"}}]}}}",
        n, 6000 + n, 31000 + 100 * n, 31099 + 100 * n, n);

    sync_time(h);
    master_agent_link(h->master, link, "127.0.0.1");
    mh_from_agent(h, link, json);
    return link;
}

void mh_from_agent(struct mh *h, uint64_t link, const char *json)
{
    AUTO_MESSAGE Reeve__Devcluster__ToMaster *msg =
        (void *)parse(&reeve__devcluster__to_master__descriptor, json);

    sync_time(h);
    master_agent_message(h->master, link, msg);
    drain(h);
}

uint64_t mh_subscribe_json(struct mh *h, const char *json)
{
    AUTO_MESSAGE Mesos__V1__Scheduler__Call *call =
        (void *)parse(&mesos__v1__scheduler__call__descriptor, json);
    char id[32];
    struct err err;

    cr_assert(scheduler_call_validate(call, &err) == 0, "%s", err.text);
    sync_time(h);
    snprintf(id, sizeof id, "stream-%llu",
             (unsigned long long)++h->next_stream);
    master_subscribe(h->master, h->next_stream, id, call);
    drain(h);
    return h->next_stream;
}

uint64_t mh_subscribe(struct mh *h, const char *more)
{
    AUTO_FREE char *json = xasprintf(
        "{\"type\":\"SUBSCRIBE\",\"subscribe\":{\"framework_info\":{"
        "\"user\":\"root\",\"name\":\"f\",\"roles\":[\"r\"],\"principal\":"
        "\"p\",\"checkpoint\":true,\"failover_timeout\":60,\"capabilities\":["
        "{\"type\":\"MULTI_ROLE\"},{\"type\":\"PARTITION_AWARE\"},{\"type\":"
        "\"RESERVATION_REFINEMENT\"}]%s%s}}}",
        *more ? "," : "", more);

    return mh_subscribe_json(h, json);
}

void mh_call(struct mh *h, const char *framework, const char *fmt, ...)
{
    AUTO_MESSAGE Mesos__V1__Scheduler__Call *call = NULL;
    AUTO_FREE char *inner = NULL;
    AUTO_FREE char *json = NULL;
    char stream[32];
    struct err err;
    va_list ap;

    va_start(ap, fmt);
    cr_assert(vasprintf(&inner, fmt, ap) >= 0);
    va_end(ap);
    json =
        xasprintf("{\"framework_id\":{\"value\":\"%s\"},%s}", framework, inner);
    call = (void *)parse(&mesos__v1__scheduler__call__descriptor, json);
    cr_assert(scheduler_call_validate(call, &err) == 0, "%s", err.text);
    snprintf(stream, sizeof stream, "stream-%llu",
             (unsigned long long)h->next_stream);
    sync_time(h);
    master_call(h->master, stream, call, &h->reply);
    drain(h);
}

void mh_accept(struct mh *h, const char *framework, const char *offer,
               const char *operations)
{
    mh_call(h, framework,
            "\"type\":\"ACCEPT\",\"accept\":{\"offer_ids\":[{\"value\":\"%s\"}]"
            ",\"filters\":{\"refuse_seconds\":0},\"operations\":[%s]}",
            offer, operations);
}

void mh_operate(struct mh *h, const char *json)
{
    AUTO_MESSAGE Mesos__V1__Master__Call *call =
        (void *)parse(&mesos__v1__master__call__descriptor, json);
    AUTO_MESSAGE Mesos__V1__Master__Response *response = NULL;

    sync_time(h);
    master_operate(h->master, call, &h->reply, &response);
    drain(h);
}

const char *mh_group(const char *framework, const char *agent,
                     const char *executor, const char *task)
{
    static char text[2048];

    snprintf(
        text, sizeof text,
        "{\"type\":\"LAUNCH_GROUP\",\"launch_group\":{\"executor\":{\"type\":"
        "\"DEFAULT\",\"executor_id\":{\"value\":\"%s\"},\"framework_id\":{"
        "\"value\":\"%s\"},\"resources\":[{\"name\":\"cpus\",\"type\":"
        "\"SCALAR\",\"scalar\":{\"value\":0.1}},{\"name\":\"mem\",\"type\":"
        "\"SCALAR\",\"scalar\":{\"value\":32}},{\"name\":\"disk\",\"type\":"
        "\"SCALAR\",\"scalar\":{\"value\":16}}]},\"task_group\":{\"tasks\":[{"
        "\"name\":\"n\",\"task_id\":{\"value\":\"%s\"},\"agent_id\":{\"value\":"
        "\"%s\"},\"resources\":[{\"name\":\"cpus\",\"type\":\"SCALAR\","
        "\"scalar\":{\"value\":1}},{\"name\":\"mem\",\"type\":\"SCALAR\","
        "\"scalar\":{\"value\":64}}],\"command\":{\"value\":\"sleep 1\"}}]}}}",
        executor, framework, task, agent);
    return text;
}

/* base64 of 15 bytes {…0x40 at 6…} and n. */
static void uuid_text(int n, char out[32])
{
    uint8_t bytes[16] = {0};
    AUTO_BUF struct buf text = {0};

    bytes[6] = 0x40;
    bytes[15] = (uint8_t)n;
    base64_encode(bytes, sizeof bytes, &text);
    snprintf(out, 32, "%s", buf_text(&text));
}

void mh_update(struct mh *h, uint64_t link, const char *framework,
               const char *task, const char *state, int n)
{
    char uuid[32];
    AUTO_FREE char *json = NULL;

    uuid_text(n, uuid);
    json = xasprintf("{\"status_update\":{\"framework_id\":{\"value\":\"%s\"},"
                     "\"latest_state\":\"%s\",\"status\":{\"task_id\":{"
                     "\"value\":\"%s\"},\"state\":\"%s\",\"source\":"
                     "\"SOURCE_EXECUTOR\",\"uuid\":\"%s\"}}}",
                     framework, state, task, state, uuid);
    mh_from_agent(h, link, json);
}

void mh_ack(struct mh *h, const char *framework, const char *agent,
            const char *task, int n)
{
    char uuid[32];

    uuid_text(n, uuid);
    mh_call(h, framework,
            "\"type\":\"ACKNOWLEDGE\",\"acknowledge\":{\"agent_id\":{\"value\":"
            "\"%s\"},\"task_id\":{\"value\":\"%s\"},\"uuid\":\"%s\"}",
            agent, task, uuid);
}

void mh_open_running(struct mh *h)
{
    mh_open(h);
    mh_agent(h, 0);
    mh_subscribe(h, "");
    mh_accept(h, "M-0000", "M-O0", mh_group("M-0000", "M-S0", "e", "t"));
    mh_update(h, 1, "M-0000", "t", "TASK_RUNNING", 1);
    mh_ack(h, "M-0000", "M-S0", "t", 1);
    mh_pass(h, 1100);
    mh_take(h);
}
