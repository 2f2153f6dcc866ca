/* SPDX-License-Identifier: Apache-2.0 */
/* agent_network - the addresses of containers on named networks
 *
 * Pure.  Any name is a network, and a virtual one: the container's address is
 * one of this host's loopback addresses, its processes share the host's ports.
 * Who listens on $MESOS_CONTAINER_IP only is there alone.  The address follows
 * from the container's id, so it is the same after a restart.
 */
#include <string.h>

#include "devcluster/agent_state.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"

static const Mesos__V1__ContainerInfo *container_of(const struct agent_exec *e)
{
    return e->command_task ? (e->tasks ? e->tasks->info->container : NULL)
                           : e->info->container;
}

static bool has_name(const Mesos__V1__NetworkInfo *network)
{
    return network->name && *network->name;
}

/* 127.64.0.1 to 127.127.255.254. */
static char *virtual_ip(const struct agent_exec *exec, size_t number)
{
    uint32_t hash = 2166136261u + (uint32_t)number;

    for (const char *p = exec->container; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return xasprintf("127.%u.%u.%u", 64 + (hash & 63), hash >> 8 & 255,
                     1 + (hash >> 16) % 254);
}

char *agent_container_ip(const struct agent_core *core,
                         const struct agent_exec *exec)
{
    const Mesos__V1__ContainerInfo *container = container_of(exec);

    for (size_t i = 0; container && i < container->n_network_infos; i++) {
        if (has_name(container->network_infos[i]))
            return virtual_ip(exec, i);
    }
    return xstrdup(core->config.ip);
}

int agent_network_check(const struct agent_core *core,
                        const struct agent_exec *exec, struct err *err)
{
    /* A simulated task uses nothing of its container. */
    const Mesos__V1__ContainerInfo *container =
        core->config.in_memory ? NULL : container_of(exec);

    for (size_t i = 0; container && i < container->n_network_infos; i++) {
        if (container->network_infos[i]->n_port_mappings)
            return err_set(err, ERR_UNSUPPORTED,
                           "Network '%s' maps ports, which this agent cannot",
                           str_or_empty(container->network_infos[i]->name));
    }
    return 0;
}

static void add_ip(Mesos__V1__NetworkInfo *network, char *owned_ip)
{
    Mesos__V1__NetworkInfo__IPAddress *address =
        PB_NEW(mesos__v1__network_info__ipaddress);

    address->ip_address = owned_ip;
    PB_ADD(network, ip_addresses, address);
}

void agent_network_status(const struct agent_core *core,
                          const struct agent_exec *exec,
                          Mesos__V1__ContainerStatus *status)
{
    const Mesos__V1__ContainerInfo *container = container_of(exec);
    Mesos__V1__NetworkInfo *network;

    for (size_t i = 0; container && i < container->n_network_infos; i++) {
        if (!has_name(container->network_infos[i]))
            continue;
        network = PB_DUP(container->network_infos[i]);
        add_ip(network, virtual_ip(exec, i));
        PB_ADD(status, network_infos, network);
    }
    if (status->n_network_infos)
        return;
    network = PB_NEW(mesos__v1__network_info);
    add_ip(network, xstrdup(core->config.ip));
    PB_ADD(status, network_infos, network);
}
