/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as calls of a framework, calls of an operator or messages of an
 * agent to the devcluster's master, several in one input: a kind byte and two
 * length bytes before each.  Afterwards it must still add up. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/master_state.h"
#include "devcluster/rules.h"
#include "lib/base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_MESSAGES = 16 };

static void give_uuid(void *self, uint8_t out[16])
{
    memset(out, 0, 16);
    out[6] = 0x40;
    out[15] = ++*(uint8_t *)self;
}

static void drain(struct master *m)
{
    struct master_out *out;

    while ((out = master_take_out(m)))
        master_out_destroy(&out);
}

static void add_scalar(Mesos__V1__AgentInfo *info, const char *name,
                       int64_t milli)
{
    PB_ADD(info, resources, resource_scalar(name, milli));
}

static void begin(struct master *m)
{
    AUTO_MESSAGE Reeve__Devcluster__ToMaster *hello =
        PB_NEW(reeve__devcluster__to_master);
    AUTO_MESSAGE Mesos__V1__Scheduler__Call *call =
        PB_NEW(mesos__v1__scheduler__call);
    Mesos__V1__FrameworkInfo *fw = PB_NEW(mesos__v1__framework_info);

    hello->register_ = PB_NEW(reeve__devcluster__to_master__register);
    hello->register_->agent = PB_NEW(mesos__v1__agent_info);
    hello->register_->agent->hostname = xstrdup("a");
    add_scalar(hello->register_->agent, "cpus", 4000);
    add_scalar(hello->register_->agent, "mem", 4096000);
    add_scalar(hello->register_->agent, "disk", 10240000);
    master_agent_link(m, 1, "127.0.0.1");
    master_agent_message(m, 1, hello);
    fw->user = xstrdup("u");
    fw->name = xstrdup("n");
    PB_SET(fw, checkpoint, 1);
    PB_ADD(fw, roles, xstrdup("r"));
    for (int i = CAP(SHARED_RESOURCES); i <= CAP(RESERVATION_REFINEMENT); i++) {
        Mesos__V1__FrameworkInfo__Capability *cap =
            PB_NEW(mesos__v1__framework_info__capability);

        PB_SET(cap, type, (Mesos__V1__FrameworkInfo__Capability__Type)i);
        PB_ADD(fw, capabilities, cap);
    }
    PB_SET(call, type, CALL(SUBSCRIBE));
    call->subscribe = PB_NEW(mesos__v1__scheduler__call__subscribe);
    call->subscribe->framework_info = fw;
    master_subscribe(m, 1, "s", call);
    drain(m);
}

/* Ids that the fuzzer could not guess. */
static void aim(const struct master *m, Mesos__V1__Scheduler__Call *call)
{
    struct moffer *offer = m->offers;

    if (call->framework_id && call->type != CALL(SUBSCRIBE)) {
        free(call->framework_id->value);
        call->framework_id->value = xstrdup("M-0000");
    }
    for (size_t i = 0; call->accept && offer && i < call->accept->n_offer_ids;
         i++) {
        free(call->accept->offer_ids[i]->value);
        call->accept->offer_ids[i]->value = xstrdup(offer->id);
        offer = offer->hh.next;
    }
}

static void framework_call(struct master *m, const uint8_t *data, size_t size,
                           uint64_t *streams)
{
    AUTO_MESSAGE Mesos__V1__Scheduler__Call *call = (void *)wire_decode(
        &mesos__v1__scheduler__call__descriptor, data, size, NULL);
    struct master_reply reply = {0};

    if (!call)
        return;
    aim(m, call);
    if (scheduler_call_validate(call, NULL) < 0)
        return;
    if (call->type == CALL(SUBSCRIBE))
        master_subscribe(m, ++*streams, "s", call);
    else
        master_call(m, "s", call, &reply);
}

static void aim_agent(Mesos__V1__AgentID *id)
{
    free(id->value);
    id->value = xstrdup("M-S0");
}

static void aim_operator(Mesos__V1__Master__Call *call)
{
    if (call->drain_agent)
        aim_agent(call->drain_agent->agent_id);
    if (call->deactivate_agent)
        aim_agent(call->deactivate_agent->agent_id);
    if (call->reactivate_agent)
        aim_agent(call->reactivate_agent->agent_id);
    if (call->reserve_resources)
        aim_agent(call->reserve_resources->agent_id);
    if (call->create_volumes)
        aim_agent(call->create_volumes->agent_id);
    if (call->grow_volume && call->grow_volume->agent_id)
        aim_agent(call->grow_volume->agent_id);
    if (call->shrink_volume && call->shrink_volume->agent_id)
        aim_agent(call->shrink_volume->agent_id);
}

static void operator_call(struct master *m, const uint8_t *data, size_t size)
{
    AUTO_MESSAGE Mesos__V1__Master__Call *call = (void *)wire_decode(
        &mesos__v1__master__call__descriptor, data, size, NULL);
    AUTO_MESSAGE Mesos__V1__Master__Response *response = NULL;
    struct master_reply reply = {0};

    if (!call)
        return;
    aim_operator(call);
    master_operate(m, call, &reply, &response);
}

static void agent_message(struct master *m, const uint8_t *data, size_t size)
{
    AUTO_MESSAGE Reeve__Devcluster__ToMaster *msg = (void *)wire_decode(
        &reeve__devcluster__to_master__descriptor, data, size, NULL);

    if (msg)
        master_agent_message(m, 1, msg);
}

/* Agents are our own and do not lie: only what frameworks and operators say
 * must leave the sums right. */
static void check_sums(const struct master *m)
{
    struct magent *agent, *next;

    HASH_ITER(hh, m->agents, agent, next)
    {
        AUTO(resources) struct resources *used = agent_used(agent, NULL);
        AUTO(resources) struct resources *offered = agent_offered(agent);
        int64_t held = resources_sum(agent->free, "cpus") +
                       resources_sum(used, "cpus") +
                       resources_sum(offered, "cpus");

        ASSERT(held == resources_sum(agent->total, "cpus"));
    }
}

static void show_all(struct master *m)
{
    struct master_task_query query = {.limit = 100};

    json_decref(master_json_state(m));
    json_decref(master_json_state_summary(m));
    json_decref(master_json_slaves(m, NULL));
    json_decref(master_json_tasks(m, &query));
    json_decref(master_json_roles(m));
    json_decref(master_json_metrics(m));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t uuids = 0;
    uint64_t streams = 1;
    bool lied = false;
    struct master_config config = {.id = "M",
                                   .hostname = "h",
                                   .ip = "127.0.0.1",
                                   .port = 5050,
                                   .new_uuid = give_uuid,
                                   .new_uuid_self = &uuids};
    struct master *m = master_new(&config, NULL);
    int64_t now_ms = 1000;

    master_set_time(m, now_ms, 1000000);
    begin(m);
    master_watch(m, 1000000);
    for (int i = 0; i < MAX_MESSAGES && size >= 3; i++) {
        size_t len = (size_t)(data[1] << 8 | data[2]);

        len = MIN(len, size - 3);
        if (data[0] % 4 == 0)
            operator_call(m, data + 3, len);
        else if (data[0] % 4 == 1)
            agent_message(m, data + 3, len);
        else
            framework_call(m, data + 3, len, &streams);
        lied |= data[0] % 4 == 1;
        drain(m);
        if (!lied)
            check_sums(m);
        now_ms += data[0] * 10;
        master_set_time(m, now_ms, now_ms * 1000);
        master_tick(m);
        drain(m);
        data += 3 + len;
        size -= 3 + len;
    }
    show_all(m);
    master_destroy(&m);
    return 0;
}
