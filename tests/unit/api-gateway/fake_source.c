/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/api-gateway/fake_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/spec/spec.h"
#include "lib/wire/wire.h"

enum { MAX_ITEMS = 256 };

struct fake_source {
    struct replica_item items[MAX_ITEMS];
    size_t n;
};

struct fake_source *fake_source_new(void)
{
    return xcalloc(1, sizeof(struct fake_source));
}

void fake_source_destroy(struct fake_source **fake)
{
    for (size_t i = 0; *fake && i < (*fake)->n; i++) {
        free((char *)(*fake)->items[i].key);
        free((uint8_t *)(*fake)->items[i].value);
    }
    free(*fake);
    *fake = NULL;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct replica_item *)a)->key,
                  ((const struct replica_item *)b)->key);
}

void fake_source_put_bytes(struct fake_source *fake, const char *key,
                           const void *value, size_t len)
{
    for (size_t i = 0; i < fake->n; i++) {
        if (!str_eq(fake->items[i].key, key))
            continue;
        free((uint8_t *)fake->items[i].value);
        fake->items[i].value = xmemdup(value, len);
        fake->items[i].len = len;
        return;
    }
    ASSERT(fake->n < MAX_ITEMS);
    fake->items[fake->n++] =
        (struct replica_item){xstrdup(key), xmemdup(value, len), len, fake->n};
    qsort(fake->items, fake->n, sizeof fake->items[0], by_key);
}

void fake_source_put(struct fake_source *fake, const char *key,
                     const ProtobufCMessage *value)
{
    AUTO_BUF struct buf bytes = {0};
    wire_encode(value, &bytes);
    fake_source_put_bytes(fake, key, buf_text(&bytes), bytes.len);
}

static bool get(void *self, const char *key, struct replica_item *out)
{
    struct fake_source *fake = self;
    for (size_t i = 0; i < fake->n; i++) {
        if (str_eq(fake->items[i].key, key)) {
            *out = fake->items[i];
            return true;
        }
    }
    return false;
}

static void each(void *self, const char *prefix,
                 void (*fn)(void *arg, const struct replica_item *item),
                 void *arg)
{
    struct fake_source *fake = self;
    for (size_t i = 0; i < fake->n; i++)
        if (str_starts(fake->items[i].key, prefix))
            fn(arg, &fake->items[i]);
}

struct view_source fake_source_view(struct fake_source *fake)
{
    return (struct view_source){fake, get, each};
}

static void add_port(Mesos__V1__TaskInfo *info, unsigned number)
{
    static Mesos__V1__Value__Range range;
    static Mesos__V1__Value__Range *ranges[1];
    static Mesos__V1__Value__Ranges list;
    static Mesos__V1__Resource resource;
    static Mesos__V1__Resource *resources[1];
    static Mesos__V1__Port port;
    static Mesos__V1__Port *port_list[1];
    static Mesos__V1__Ports ports;
    static Mesos__V1__DiscoveryInfo discovery;

    mesos__v1__value__range__init(&range);
    range.begin = range.end = number;
    ranges[0] = &range;
    mesos__v1__value__ranges__init(&list);
    list.range = ranges;
    list.n_range = 1;
    mesos__v1__resource__init(&resource);
    resource.name = "ports";
    resource.type = MESOS__V1__VALUE__TYPE__RANGES;
    resource.ranges = &list;
    resources[0] = &resource;
    info->resources = resources;
    info->n_resources = 1;
    mesos__v1__port__init(&port);
    port.number = number;
    port.name = "http";
    port.has_visibility = 1;
    port.visibility = MESOS__V1__DISCOVERY_INFO__VISIBILITY__EXTERNAL;
    port_list[0] = &port;
    mesos__v1__ports__init(&ports);
    ports.ports = port_list;
    ports.n_ports = 1;
    mesos__v1__discovery_info__init(&discovery);
    discovery.visibility = MESOS__V1__DISCOVERY_INFO__VISIBILITY__CLUSTER;
    discovery.name = info->name;
    discovery.ports = &ports;
    info->discovery = &discovery;
}

static void put_info(struct fake_source *fake, const char *name,
                     Reeve__TaskRecord *record)
{
    Mesos__V1__TaskID task_id = MESOS__V1__TASK_ID__INIT;
    Mesos__V1__AgentID agent_id = MESOS__V1__AGENT_ID__INIT;
    Mesos__V1__TaskInfo info = MESOS__V1__TASK_INFO__INIT;
    task_id.value = record->task_id;
    agent_id.value = "agent-1";
    info.name = record->name;
    info.task_id = &task_id;
    info.agent_id = &agent_id;
    add_port(&info, 9000 + record->pod_index);
    AUTO_BUF struct buf bytes = {0};
    wire_encode(&info.base, &bytes);
    record->has_task_info = 1;
    record->task_info = (ProtobufCBinaryData){bytes.len, (uint8_t *)bytes.data};
    AUTO_FREE char *key = xasprintf("service/data-store/task/%s/info", name);
    fake_source_put(fake, key, &record->base);
}

void fake_source_task(struct fake_source *fake, const char *pod_type,
                      unsigned index, const char *state)
{
    AUTO_FREE char *name = spec_task_name(pod_type, index, "");
    AUTO_FREE char *id = xasprintf("data-store__%s__1", name);
    Reeve__TaskRecord record = REEVE__TASK_RECORD__INIT;
    record.name = name;
    record.task_id = id;
    record.pod_type = (char *)pod_type;
    record.has_pod_index = 1;
    record.pod_index = index;
    record.hostname = "host.example";
    put_info(fake, name, &record);
    if (!state)
        return;
    Reeve__TaskStatusRecord status = REEVE__TASK_STATUS_RECORD__INIT;
    status.task_id = id;
    status.state_name = (char *)state;
    AUTO_FREE char *key = xasprintf("service/data-store/task/%s/status", name);
    fake_source_put(fake, key, &status.base);
}
