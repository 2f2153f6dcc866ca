/* SPDX-License-Identifier: Apache-2.0 */
#include "make.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"

static void next(struct id_source *source, char out[UUID_TEXT_SIZE])
{
    struct counting_ids *ids = (struct counting_ids *)source;

    snprintf(out, UUID_TEXT_SIZE, "id-%u", ++ids->next);
}

void counting_ids(struct counting_ids *ids)
{
    ids->source.next = next;
    ids->next = 0;
}

static Reeve__VolumeSpec *make_volume(const char *path, int64_t size_mib)
{
    Reeve__VolumeSpec *volume;

    volume = PB_NEW(reeve__volume_spec);
    volume->path = xstrdup(path);
    PB_SET(volume, type, REEVE__VOLUME_SPEC__TYPE__ROOT);
    PB_SET(volume, size_mib, size_mib);
    return volume;
}

static Reeve__ResourceSet *make_set(const char *id)
{
    Reeve__ResourceSet *set;

    set = PB_NEW(reeve__resource_set);
    set->id = xstrdup(id);
    PB_SET(set, cpu_milli, 1000);
    PB_SET(set, mem_mib, 256);
    return set;
}

static Reeve__TaskSpec *make_task(const char *name, const char *set)
{
    Reeve__TaskSpec *task;

    task = PB_NEW(reeve__task_spec);
    task->name = xstrdup(name);
    PB_SET(task, goal, REEVE__GOAL__GOAL_RUNNING);
    task->cmd = xstrdup("sleep 1000");
    task->resource_set = xstrdup(set);
    return task;
}

Reeve__PodSpec *make_pod(void)
{
    Reeve__PodSpec *pod;
    Reeve__ResourceSet *set = make_set("data-resource-set");

    PB_ADD(set, volumes, make_volume("data", 1024));
    pod = PB_NEW(reeve__pod_spec);
    pod->type = xstrdup("data");
    PB_SET(pod, count, 3);
    PB_ADD(pod, resource_sets, set);
    PB_ADD(pod, tasks, make_task("", "data-resource-set"));
    PB_SET(pod, inline_task, true);
    return pod;
}

Reeve__PodSpec *make_pod_of_two(void)
{
    Reeve__PodSpec *pod;
    Reeve__ResourceSet *server = make_set("server-set");
    Reeve__PortSpec *port;

    port = PB_NEW(reeve__port_spec);
    port->name = xstrdup("http");
    port->env_key = xstrdup("PORT_HTTP");
    PB_SET(port, port, 0);
    PB_ADD(server, ports, port);
    PB_ADD(server, volumes, make_volume("server-data", 512));
    pod = PB_NEW(reeve__pod_spec);
    pod->type = xstrdup("hello");
    PB_SET(pod, count, 1);
    PB_ADD(pod, resource_sets, server);
    PB_ADD(pod, resource_sets, make_set("side-set"));
    PB_ADD(pod, tasks, make_task("server", "server-set"));
    PB_ADD(pod, tasks, make_task("side", "side-set"));
    return pod;
}

Reeve__ServiceSpec *make_service(Reeve__PodSpec *pod)
{
    Reeve__ServiceSpec *spec;

    spec = PB_NEW(reeve__service_spec);
    spec->name = xstrdup("data-store");
    spec->role = xstrdup("data-store-role");
    spec->principal = xstrdup("data-store-principal");
    spec->user = xstrdup("root");
    PB_ADD(spec, pods, pod);
    return spec;
}

struct resources *make_resources(const char *text, const char *role)
{
    struct err err = {0};
    struct resources *resources = resources_parse(text, &err);

    cr_assert(resources, "%s: %s", text, err.text);
    resources_allocate(resources, role);
    return resources;
}

Mesos__V1__Offer *make_offer(const char *id, const char *agent,
                             const char *text, const char *rack)
{
    struct resources *resources = make_resources(text, "data-store-role");
    Mesos__V1__Offer *offer;
    Mesos__V1__Attribute *attribute;

    offer = PB_NEW(mesos__v1__offer);
    offer->id = pb_offer_id(id);
    offer->framework_id = pb_framework_id("f-0000");
    offer->agent_id = pb_agent_id(agent);
    offer->hostname = xasprintf("%s.local", agent);
    resources_to(resources, &offer->resources, &offer->n_resources);
    offer->allocation_info = PB_NEW(mesos__v1__resource__allocation_info);
    offer->allocation_info->role = xstrdup("data-store-role");
    if (rack) {
        attribute = PB_NEW(mesos__v1__attribute);
        attribute->name = xstrdup("rack");
        attribute->type = MESOS__V1__VALUE__TYPE__TEXT;
        attribute->text = PB_NEW(mesos__v1__value__text);
        attribute->text->value = xstrdup(rack);
        PB_ADD(offer, attributes, attribute);
    }
    resources_destroy(&resources);
    return offer;
}

void free_message(void *message)
{
    ProtobufCMessage *m = message;

    wire_free(&m);
}
