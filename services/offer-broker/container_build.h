/* SPDX-License-Identifier: Apache-2.0 */
/* container_build - ContainerInfo of tasks and of the executor; pure */
#ifndef REEVE_OFFER_BROKER_CONTAINER_BUILD_H
#define REEVE_OFFER_BROKER_CONTAINER_BUILD_H

#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"

struct err;

/* ERR_UNSUPPORTED for what cannot be built. */
int container_check(const Reeve__PodSpec *pod, struct err *err);
/* Where a volume of the set is in the executor's sandbox: at its path, unless
 * another set of the pod has a volume at the same path.  Mesos mounts all of
 * them side by side there, and of two at one path both tasks would get the same
 * one (or the agent gives up the pod).  malloc'd. */
char *container_mount_path(const Reeve__PodSpec *pod,
                           const Reeve__ResourceSet *set, const char *path);
struct container_in {
    const char *service_name;
    const Reeve__PodSpec *pod;
    unsigned pod_index;
    /* Its ports of the host are mapped into the container. */
    const Reeve__PodRecord *record;
};

/* NULL when the defaults do. */
Mesos__V1__ContainerInfo *container_of_task(const struct container_in *in,
                                            const Reeve__TaskSpec *task);
Mesos__V1__ContainerInfo *container_of_executor(const struct container_in *in);

#endif
