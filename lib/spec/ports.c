/* SPDX-License-Identifier: Apache-2.0 */
/* ports - which numbers the ports of a pod are, as far as its spec says */
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/spec/spec.h"

/* Of ports on container networks. */
#define FIRST_NUMBER 1025
#define LAST_NUMBER  2025

bool spec_network_maps_ports(const char *name)
{
    return str_eq(name, "mesos-bridge");
}

bool spec_uses_host_ports(const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_networks; i++)
        if (spec_network_maps_ports(pod->networks[i]->name))
            return true;
    return pod->n_networks == 0;
}

bool spec_is_fixed_port(const Reeve__PodSpec *pod, uint32_t number)
{
    for (size_t i = 0; i < pod->n_resource_sets; i++)
        for (size_t k = 0; k < pod->resource_sets[i]->n_ports; k++)
            if (pod->resource_sets[i]->ports[k]->port == number)
                return true;
    return false;
}

static bool admits(const Reeve__PortSpec *port, uint32_t number)
{
    for (size_t i = 0; i < port->n_ranges; i++)
        if (port->ranges[i]->begin <= number && number <= port->ranges[i]->end)
            return true;
    return port->n_ranges == 0;
}

static uint32_t first_number(const Reeve__PortSpec *port)
{
    uint32_t first = port->n_ranges ? 65535 : FIRST_NUMBER;

    for (size_t i = 0; i < port->n_ranges; i++)
        first = MIN(first, MAX(port->ranges[i]->begin, 1));
    return first;
}

/* Numbers given so far. */
struct given {
    uint32_t *list;
    size_t n;
};

static bool is_given(const struct given *given, uint32_t number)
{
    for (size_t i = 0; i < given->n; i++)
        if (given->list[i] == number)
            return true;
    return false;
}

static uint32_t give(const Reeve__PodSpec *pod, const Reeve__PortSpec *port,
                     struct given *given)
{
    uint32_t last = port->n_ranges ? 65535 : LAST_NUMBER;
    uint32_t number = port->port ? port->port : first_number(port);

    while (!port->port && number <= last &&
           (!admits(port, number) || is_given(given, number) ||
            spec_is_fixed_port(pod, number)))
        number++;
    if (number > last && !port->port)
        return 0;
    given->list = xrealloc(given->list, (given->n + 1) * sizeof(*given->list));
    given->list[given->n++] = number;
    return number;
}

uint32_t spec_container_port(const Reeve__PodSpec *pod,
                             const Reeve__PortSpec *port)
{
    struct given given = {0};
    uint32_t number = 0;
    bool is_found = false;

    for (size_t i = 0; i < pod->n_resource_sets && !is_found; i++)
        for (size_t k = 0; k < pod->resource_sets[i]->n_ports && !is_found;
             k++) {
            number = give(pod, pod->resource_sets[i]->ports[k], &given);
            is_found = pod->resource_sets[i]->ports[k] == port;
        }
    free(given.list);
    return is_found ? number : 0;
}

uint32_t spec_mapped_port(const Reeve__NetworkSpec *network, uint32_t host_port)
{
    for (size_t i = 0; i < network->n_host_ports; i++)
        if (network->host_ports[i] == host_port)
            return network->container_ports[i];
    return host_port;
}
