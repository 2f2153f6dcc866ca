/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of ports on networks of containers. */
#include <criterion/criterion.h>

#include "lib/wire/pb.h"
#include "tests/unit/spec/spec_test.h"

#define MAX_PORTS 4

static const struct {
    const char *name;
    struct {
        uint32_t port, begin, end, want;
    } ports[MAX_PORTS]; /* until one without a want, or "none" (99999) */
} cases[] = {
    {"dynamic ones in order", {{.want = 1025}, {.want = 1026}}},
    {"fixed", {{.port = 80, .want = 80}, {.want = 1025}}},
    {"a fixed one is left out",
     {{.want = 1026}, {.port = 1025, .want = 1025}, {.want = 1027}}},
    {"ranges",
     {{.begin = 7, .end = 8, .want = 7},
      {.begin = 7, .end = 8, .want = 8},
      {.begin = 7, .end = 8, .want = 99999}}},
    {"a range from 0", {{.begin = 0, .end = 8, .want = 1}}},
};

Test(ports, numbers_in_a_container)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_MESSAGE Reeve__PodSpec *pod = PB_NEW(reeve__pod_spec);

        for (size_t k = 0; k < MAX_PORTS && cases[i].ports[k].want; k++) {
            Reeve__ResourceSet *set = PB_NEW(reeve__resource_set);
            Reeve__PortSpec *port = PB_NEW(reeve__port_spec);
            Reeve__PortRange *range = PB_NEW(reeve__port_range);

            PB_SET(port, port, cases[i].ports[k].port);
            PB_SET(range, begin, cases[i].ports[k].begin);
            PB_SET(range, end, cases[i].ports[k].end);
            if (range->end)
                PB_ADD(port, ranges, range);
            else
                PB_FREE(range);
            PB_ADD(set, ports, port);
            PB_ADD(pod, resource_sets, set);
        }
        for (size_t k = 0; k < pod->n_resource_sets; k++) {
            uint32_t want = cases[i].ports[k].want;

            cr_expect_eq(
                spec_container_port(pod, pod->resource_sets[k]->ports[0]),
                want == 99999 ? 0 : want, "case %s, port %zu", cases[i].name,
                k);
        }
    }
}

static const struct {
    const char *names[3];
    bool uses_host;
} networks[] = {{{NULL}, true},
                {{"dcos"}, false},
                {{"mesos-bridge"}, true},
                {{"dcos", "mesos-bridge"}, true},
                {{"other"}, false}};

Test(ports, whose_they_are)
{
    for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
        AUTO_MESSAGE Reeve__PodSpec *pod = PB_NEW(reeve__pod_spec);

        for (size_t k = 0; k < 3 && networks[i].names[k]; k++) {
            Reeve__NetworkSpec *network = PB_NEW(reeve__network_spec);

            network->name = xstrdup(networks[i].names[k]);
            PB_ADD(pod, networks, network);
        }
        cr_expect_eq(spec_uses_host_ports(pod), networks[i].uses_host,
                     "case %zu", i);
    }
}
