/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as messages of a master to an agent core, mixed with what a
 * launcher could say, time, and restarts from what was saved or from any bytes
 * as a checkpoint: a kind byte and two length bytes before each.  What is sent
 * must have been saved; a container is started only once. */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/agent_core.h"
#include "lib/base/base.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/resource.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 48, MAX_CONTAINERS = 32 };

struct toy {
    struct agent_core *core;
    struct agent_now now;
    uint32_t uuids;
    char *containers[MAX_CONTAINERS];
    size_t n_containers;
    Reeve__Devagent__ExecutorRun *run; /* last saved */
    Reeve__Devagent__AgentResources *resources;
};

static void give_uuid(void *self, uint8_t out[16])
{
    struct toy *toy = self;
    uint32_t number = ++toy->uuids;
    memset(out, 0, 16);
    memcpy(out, &number, sizeof(number));
}

static struct agent_core *make_core(struct toy *toy)
{
    AUTO_MESSAGE Mesos__V1__AgentInfo *info = PB_NEW(mesos__v1__agent_info);
    struct agent_core_config config = {
        .work_dir = "/w",
        .ip = "127.0.0.1",
        .port = 5051,
        .info = info,
        .status_resend_ms = 1000,
        .status_resend_max_ms = 4000,
        .register_retry_ms = 2000,
        .recovery_wait_ms = 10,
        .executor_exit_ms = 5,
        .executor_shutdown_grace_ms = 500,
        .kill_grace_ms = 300,
        .fetch_timeout_ms = 1000,
        .new_uuid = give_uuid,
        .self = toy,
    };
    info->hostname = xstrdup("a");
    PB_ADD(info, resources, resource_scalar("cpus", 4000));
    PB_ADD(info, resources, resource_scalar("disk", 100000));
    struct agent_core *core = agent_core_new(&config, NULL);
    ASSERT(core);
    return core;
}

static void note_start(struct toy *toy, const char *container)
{
    if (toy->n_containers < MAX_CONTAINERS)
        toy->containers[toy->n_containers++] = xstrdup(container);
}

static void perform(struct toy *toy, struct agent_action *action)
{
    void *message = action->message;
    if (action->kind == AGENT_START)
        note_start(toy,
                   ((Reeve__Devagent__ContainerSpec *)message)->container_id);
    if (action->kind == AGENT_SAVE_RUN) {
        PB_FREE(toy->run);
        toy->run = message;
        action->message = NULL;
    }
    if (action->kind == AGENT_SAVE_RESOURCES) {
        PB_FREE(toy->resources);
        toy->resources = message;
        action->message = NULL;
    }
}

static void drain(struct toy *toy)
{
    struct agent_action action;
    while (agent_core_take(toy->core, &action)) {
        perform(toy, &action);
        agent_action_clear(&action);
    }
}

static void connect(struct toy *toy)
{
    AUTO_MESSAGE Reeve__Devcluster__ToAgent *hello =
        PB_NEW(reeve__devcluster__to_agent);
    hello->registered = PB_NEW(reeve__devcluster__to_agent__registered);
    hello->registered->agent_id = pb_agent_id("A1");
    agent_core_connect(toy->core, toy->now);
    agent_core_tick(toy->core, toy->now);
    agent_core_receive(toy->core, hello, toy->now);
}

static void restart(struct toy *toy, const uint8_t *data, size_t len)
{
    AUTO_MESSAGE Reeve__Devagent__ExecutorRun *other =
        WIRE_DECODE(reeve__devagent__executor_run, data, len, NULL);
    agent_core_destroy(&toy->core);
    toy->core = make_core(toy);
    agent_core_restore_id(toy->core, "A1");
    if (toy->resources)
        ASSERT(agent_core_restore_resources(toy->core, toy->resources, NULL) ==
               0);
    if (toy->run)
        ASSERT(agent_core_restore_run(toy->core, toy->run, toy->now));
    if (other)
        agent_core_restore_run(toy->core, other, toy->now);
    agent_core_recovered(toy->core, toy->now);
    connect(toy);
}

/* What a launcher says: which of its containers, what, and a number. */
static void launcher(struct toy *toy, const uint8_t *data, size_t len)
{
    if (len < 3 || toy->n_containers == 0)
        return;
    const char *container = toy->containers[data[0] % toy->n_containers];
    struct agent_end end = {(enum agent_end_kind)(data[1] % 5), data[2] << 8,
                            "text"};
    struct agent_check_result result = {container, data[2] & 1, data[2] & 2,
                                        data[2] >> 2};
    switch (data[1] / 5 % 4) {
    case 0:
        agent_core_ended(toy->core, container, &end, toy->now);
        return;
    case 1:
        agent_core_started(toy->core, container, 1000 + data[2], toy->now);
        return;
    case 2:
        agent_core_checked(toy->core, &result, toy->now);
        return;
    case 3:
        agent_core_absent(toy->core, container, toy->now);
        return;
    }
}

static void pass(struct toy *toy, int64_t ms)
{
    for (int i = 0; i < 100 && ms > 0; i++) {
        int64_t due = agent_core_due_ms(toy->core);
        int64_t step = MIN(MAX(due - toy->now.mono_ms, 1), ms);
        toy->now.mono_ms += step;
        toy->now.wall_ms += step;
        ms -= step;
        agent_core_tick(toy->core, toy->now);
        drain(toy);
    }
}

static void step(struct toy *toy, uint8_t kind, const uint8_t *data, size_t len)
{
    AUTO_MESSAGE Reeve__Devcluster__ToAgent *message = NULL;
    switch (kind % 8) {
    case 0:
        restart(toy, data, len);
        break;
    case 1:
        launcher(toy, data, len);
        break;
    case 2:
        pass(toy, len ? data[0] * 20 : 10);
        break;
    case 3:
        agent_core_disconnect(toy->core);
        connect(toy);
        break;
    default:
        message = WIRE_DECODE(reeve__devcluster__to_agent, data, len, NULL);
        if (message)
            agent_core_receive(toy->core, message, toy->now);
    }
    drain(toy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct toy toy = {.now = {1000, 1700000000000}};
    toy.core = make_core(&toy);
    connect(&toy);
    drain(&toy);
    for (int i = 0; i < MAX_STEPS && size >= 3; i++) {
        size_t len = MIN((size_t)(data[1] | data[2] << 8), size - 3);
        step(&toy, data[0], data + 3, len);
        data += 3 + len;
        size -= 3 + len;
    }
    pass(&toy, 5000);
    agent_core_stop(toy.core);
    drain(&toy);
    agent_core_destroy(&toy.core);
    for (size_t i = 0; i < toy.n_containers; i++)
        free(toy.containers[i]);
    PB_FREE(toy.run);
    PB_FREE(toy.resources);
    return 0;
}
