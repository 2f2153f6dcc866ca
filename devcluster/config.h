/* SPDX-License-Identifier: Apache-2.0 */
/* config - the options of reeve-devcluster, one table */
#ifndef REEVE_DEVCLUSTER_CONFIG_H
#define REEVE_DEVCLUSTER_CONFIG_H

#include "lib/service/options.h"

struct cluster_config;

/* Flags --name, variables REEVE_DEVCLUSTER_NAME as `also`. */
extern const struct service_option devcluster_options[];
void config_from_options(struct cluster_config *config,
                         const struct options *options);

#endif
