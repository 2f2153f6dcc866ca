/* SPDX-License-Identifier: Apache-2.0 */
/* cluster_files - what the master side keeps below the work directory
 *
 * master/lock: held while the process lives.  master/registry.json: the
 * Registry message.  master/ports.json: {"master":n,"agents":[n,…]}.
 */
#ifndef REEVE_DEVCLUSTER_CLUSTER_FILES_H
#define REEVE_DEVCLUSTER_CLUSTER_FILES_H

#include <stddef.h>

#include "proto/devcluster.pb-c.h"

struct err;

struct cluster_ports {
    int lock_fd; /* 0: not held */
    int master;
    int *agents;
    size_t n_agents;
};

/* Makes the folder, takes the lock and reads the ports of last time (a damaged
 * file counts as none).  ERR_EXISTS: another process holds it. */
int cluster_files_open(const char *work_dir, struct cluster_ports *ports,
                       struct err *err);
void cluster_files_close(struct cluster_ports *ports);

/* 0: unknown. */
int cluster_ports_master(const struct cluster_ports *ports);
int cluster_ports_agent(const struct cluster_ports *ports, size_t number);
void cluster_ports_set_master(struct cluster_ports *ports, int port);
void cluster_ports_set_agent(struct cluster_ports *ports, size_t number,
                             int port);
int cluster_ports_save(const char *work_dir, const struct cluster_ports *ports,
                       struct err *err);

/* *registry stays NULL when there is none; ERR_CORRUPT when it is damaged. */
int cluster_registry_load(const char *work_dir,
                          Reeve__Devcluster__Registry **registry,
                          struct err *err);
int cluster_registry_save(const char *work_dir,
                          const Reeve__Devcluster__Registry *registry,
                          struct err *err);

#endif
