/* SPDX-License-Identifier: Apache-2.0 */
/* config - the broker's options */
#include "services/offer-broker/broker.h"

const struct service_option broker_options[] = {
    {"master", OPTION_STRING, NULL, "URL",
     "masters as http://host:port[,host:port...]; redirects are followed", 0, 0,
     "MESOS_MASTER"},
    {"failover-timeout-s", OPTION_INT, "604800", "s",
     "how long the master keeps our tasks when we are away", 1, 9000000000,
     NULL},
    {"refuse-seconds", OPTION_DOUBLE, "5", "s",
     "how long a declined offer stays away while demands wait", 0, 0, NULL},
    {"executor-cpus", OPTION_DOUBLE, "0.1", "cpus",
     "what each pod's executor takes besides its tasks", 0, 0, "EXECUTOR_CPUS"},
    {"executor-mem", OPTION_INT, "32", "MiB", "the same for memory", 32,
     1048576, "EXECUTOR_MEM_MB"},
    {"executor-disk", OPTION_INT, "256", "MiB", "the same for disk", 1,
     1073741824, "EXECUTOR_DISK_MB"},
    {"api-host", OPTION_STRING, "", "host",
     "host of the API as tasks see it: config templates are fetched there", 0,
     0, "SCHEDULER_API_HOSTNAME"},
    {"api-port", OPTION_INT, "8080", "port", "port of the API as tasks see it",
     1, 65535, "SCHEDULER_API_PORT"},
    {"service-tld", OPTION_STRING, "autoip.dcos.thisdcos.directory", "domain",
     "domain of FRAMEWORK_HOST", 0, 0, "SERVICE_TLD"},
    {"vip-tld", OPTION_STRING, "l4lb.thisdcos.directory", "domain",
     "domain of FRAMEWORK_VIP_HOST", 0, 0, "VIP_TLD"},
    {"lease-ms", OPTION_INT, "10000", "ms",
     "how long the right to write outlives a broker that went silent", 1000,
     600000, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};
