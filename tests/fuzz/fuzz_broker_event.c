/* SPDX-License-Identifier: Apache-2.0 */
/* First byte: what the rest is.  Even: an event of the master, handled by the
 * pure parts of the broker (offers matched with a pod, an update merged into a
 * stored status).  Odd: a pod record, which offers are then matched against. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/scheduler.pb-c.h"
#include "services/offer-broker/evaluate.h"
#include "services/offer-broker/facts.h"
#include "services/offer-broker/janitor.h"
#include "services/offer-broker/offer_book.h"
#include "services/offer-broker/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned counter;

static void next_id(struct id_source *self UNUSED, char out[UUID_TEXT_SIZE])
{
    snprintf(out, UUID_TEXT_SIZE, "id-%u", ++counter);
}

static char cpus_set[] = "set", path[] = "data", type[] = "data";

static void match_pool(struct resources **pool, const Reeve__PodRecord *record)
{
    struct id_source ids = {next_id};
    const char *sets[] = {cpus_set};
    Reeve__VolumeSpec volume = REEVE__VOLUME_SPEC__INIT, *volumes[] = {&volume};
    Reeve__PortSpec port = REEVE__PORT_SPEC__INIT, *ports[] = {&port};
    Reeve__ResourceSet set = REEVE__RESOURCE_SET__INIT, *all[] = {&set};
    Reeve__PodSpec pod = REEVE__POD_SPEC__INIT;
    AUTO_BUF struct buf why = {0};
    AUTO(match) struct match *match = NULL;

    volume.path = path;
    volume.size_mib = 64;
    set.id = cpus_set;
    set.cpu_milli = 500;
    set.mem_mib = 64;
    set.volumes = volumes;
    set.n_volumes = 1;
    set.ports = ports;
    set.n_ports = 1;
    pod.type = type;
    pod.resource_sets = all;
    pod.n_resource_sets = 1;
    match = evaluate(&(struct eval_in){.pod = &pod,
                                       .pod_instance = "data-0",
                                       .sets = sets,
                                       .n_sets = 1,
                                       .record = record,
                                       .overhead = {100, 32, 32},
                                       .framework_id = "f",
                                       .role = "role",
                                       .principal = "principal",
                                       .ids = &ids},
                     pool, &why);
    ASSERT((match == NULL) == (why.len > 0));
}

static void on_offers(Mesos__V1__Scheduler__Event *event)
{
    AUTO(offer_book) struct offer_book *book = offer_book_new(8);
    AUTO(janitor) struct janitor *janitor = janitor_new();
    AUTO(facts) struct facts *facts = facts_new("svc");
    struct id_source ids = {next_id};
    struct agent_pool *pools;
    size_t count;

    janitor_learn(janitor, facts, "f");
    for (size_t i = 0; i < event->offers->n_offers; i++)
        offer_book_add(book, &event->offers->offers[i], 0, NULL);
    pools = offer_book_pools(book, &count);
    for (size_t i = 0; i < count; i++) {
        struct janitor_sweep sweep;

        const struct janitor_place place = {pools[i].agent_id,
                                            pools[i].hostname, 1};

        agent_pool_fill(&pools[i]);
        janitor_inspect(janitor, &place, pools[i].resources);
        sweep = janitor_sweep(janitor, pools[i].resources, 0, &ids);
        ASSERT(sweep.n_ops == 0); /* no record, no harm */
        match_pool(&pools[i].resources, NULL);
    }
    agent_pools_free(pools, count);
}

static void on_update(const Mesos__V1__TaskStatus *update)
{
    Reeve__TaskRecord task = REEVE__TASK_RECORD__INIT;
    AUTO_MESSAGE Reeve__TaskStatusRecord *stored = NULL;
    AUTO_MESSAGE Reeve__TaskStatusRecord *first = NULL;
    AUTO_MESSAGE Reeve__TaskStatusRecord *second = NULL;

    task.task_id = update->task_id->value;
    task.agent_id = path;
    stored = status_of_launch(&task, 1);
    if (status_merge(&(struct status_in){.task = &task,
                                         .stored = stored,
                                         .update = update,
                                         .now_wall_ms = 2},
                     &first) != STATUS_STORE)
        return;
    /* The same again is never news. */
    ASSERT(status_merge(&(struct status_in){.task = &task,
                                            .stored = first,
                                            .update = update,
                                            .now_wall_ms = 3},
                        &second) != STATUS_STORE);
}

static void on_event(const uint8_t *data, size_t size)
{
    AUTO_MESSAGE Mesos__V1__Scheduler__Event *event =
        WIRE_DECODE(mesos__v1__scheduler__event, data, size, NULL);

    if (event && event->offers)
        on_offers(event);
    if (event && event->update)
        on_update(event->update->status);
}

static void on_record(const uint8_t *data, size_t size)
{
    AUTO_MESSAGE Reeve__PodRecord *record =
        WIRE_DECODE(reeve__pod_record, data, size, NULL);
    AUTO(resources)
    struct resources *pool =
        resources_parse("cpus:4;mem:4096;disk:4096;ports:[1000-1010]", NULL);

    for (size_t i = 0; record && i < record->n_resources; i++) {
        AUTO_MESSAGE Mesos__V1__Resource *resource = WIRE_DECODE(
            mesos__v1__resource, record->resources[i]->resource.data,
            record->resources[i]->resource.len, NULL);

        /* What its record says is reserved is what the agent offers. */
        if (resource && resource_upgrade(resource, NULL) == 0 &&
            resource_validate(resource, NULL) == 0)
            resources_add(pool, resource);
    }
    if (record)
        match_pool(&pool, record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    counter = 0;
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        on_event(data + 1, size - 1);
    else
        on_record(data + 1, size - 1);
    return 0;
}
