/* SPDX-License-Identifier: Apache-2.0 */
/* config - the options of reeve-planner */
#include "services/planner/planner.h"

const struct service_option planner_options[] = {
    {"spec", OPTION_LIST, "", "FILE",
     "a service to run (svc.yml), rendered with this process's environment; "
     "may "
     "be given several times; services in the store that no file declares keep "
     "their last configuration",
     0, 0, NULL},
    {"allow-new-service", OPTION_BOOL, "false", NULL,
     "a file may declare a service that the state does not know, although one "
     "that it knows is declared by no file; else that is refused, as it is "
     "what a changed name looks like",
     0, 0, NULL},
    {"store", OPTION_STRING, "", "URL",
     "where the state-store answers; unset: its socket in the run dir", 0, 0,
     NULL},
    {"store-feed", OPTION_STRING, "", "URL",
     "where the state-store publishes; unset: its socket in the run dir", 0, 0,
     NULL},
    {"lease-ms", OPTION_INT, "10000", "ms",
     "how long the planner's lease lasts without renewal", 1000, 600000, NULL},
    {NULL, OPTION_STRING, NULL, NULL, NULL, 0, 0, NULL},
};
