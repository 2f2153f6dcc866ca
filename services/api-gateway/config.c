/* SPDX-License-Identifier: Apache-2.0 */
/* config - the gateway's options */
#include "services/api-gateway/gateway.h"

const struct service_option gateway_options[] = {
    {"port", OPTION_INT, "8080", "port",
     "where the HTTP API listens; 0 takes any free port", 0, 65535,
     "PORT_API,PORT0"},
    {"address", OPTION_STRING, "127.0.0.1", "address",
     "which address it listens on; anything but loopback lets everybody who "
     "reaches it command the suite: there is no authentication yet",
     0, 0, NULL},
    {"store", OPTION_STRING, "", "endpoint",
     "requests of the state-store; default ipc://<run-dir>/state-store", 0, 0,
     NULL},
    {"store-feed", OPTION_STRING, "", "endpoint",
     "events of the state-store; default ipc://<run-dir>/state-store.pub", 0, 0,
     NULL},
    {"planner", OPTION_STRING, "", "endpoint",
     "requests of the planner; default ipc://<run-dir>/planner", 0, 0, NULL},
    {"broker", OPTION_STRING, "", "endpoint",
     "requests of the offer-broker; default ipc://<run-dir>/offer-broker", 0, 0,
     NULL},
    {"command-timeout-ms", OPTION_INT, "10000", "ms",
     "how long an operator's command may take before 503 is answered", 100,
     600000, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};
