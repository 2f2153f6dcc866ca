/* SPDX-License-Identifier: Apache-2.0 */
/* wants - the list of single resources a pod instance needs
 *
 * The footprint of all tasks of the pod, executor overhead first, pod volumes,
 * then each resource set in the order of the file.  One want = one reservation
 * with its own resource id.  Amounts of zero are left out (the master dies of
 * them), and so are ports on networks of containers.  Pure.
 */
#ifndef REEVE_OFFER_BROKER_WANTS_H
#define REEVE_OFFER_BROKER_WANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/records.pb-c.h"

#define OWNER_EXECUTOR "executor"
#define OWNER_POD      "pod"

/* What the default executor itself uses. */
struct overhead {
    int64_t cpu_milli;
    int64_t mem_mib;
    int64_t disk_mib;
};

enum want_kind { WANT_SCALAR, WANT_PORT, WANT_VOLUME };

struct want {
    enum want_kind kind;
    const char *owner; /* resource set id, OWNER_EXECUTOR or OWNER_POD */
    const char *name;  /* cpus, mem, disk, gpus, ports */
    int64_t milli;     /* scalars and volumes (the least size of a MOUNT) */
    const Reeve__PortSpec *port;     /* of WANT_PORT */
    const Reeve__VolumeSpec *volume; /* of WANT_VOLUME */
};

struct wants {
    struct want *list;
    size_t count;
};

/* Borrows from pod as long as the wants live. */
void wants_of_pod(struct wants *wants, const Reeve__PodSpec *pod,
                  const struct overhead *overhead);
void wants_free(struct wants *wants);

/* Is this the record of that want? */
bool want_is_record(const struct want *want,
                    const Reeve__ReservedResource *record);
/* "cpus 0.5", "port http (8080)", "volume data (1024 MiB)"; malloc'd. */
char *want_text(const struct want *want);
/* An amount in thousandths: "0.5", "1024"; malloc'd. */
char *milli_text(int64_t milli);

#endif
