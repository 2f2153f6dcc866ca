/* SPDX-License-Identifier: Apache-2.0 */
/* task_build - from spec and matched resources to LAUNCH_GROUP and records
 *
 * Pure.  One default executor per demand and one group per task: Mesos ends a
 * whole group when one of its tasks fails, and which tasks go together is the
 * planner's to decide (`essential`).  Names, labels and environment are those
 * of the SDK (its command lines must go on working).
 * Next: container_build.h.
 */
#ifndef REEVE_OFFER_BROKER_TASK_BUILD_H
#define REEVE_OFFER_BROKER_TASK_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"
#include "services/offer-broker/evaluate.h"
#include "services/offer-broker/ids.h"

struct err;

struct build_config {
    const char *api_host; /* "" unknown: SCHEDULER_API_* is left out */
    int64_t api_port;
    const char *service_tld; /* "autoip.dcos.thisdcos.directory" */
    const char *vip_tld;     /* "l4lb.thisdcos.directory" */
    const char *space;       /* of secrets in DC/OS; "" or NULL: none */
};

struct build_in {
    const Reeve__ServiceSpec *spec;
    const Reeve__PodSpec *pod;
    const Reeve__Demand *demand;
    const struct build_config *config;
    const char *framework_id;
    const Mesos__V1__Offer *offer; /* agent, host, attributes, domain */
    const struct match *match;
    /* Of a running sibling, taken over byte for byte; NULL: a new one. */
    const Mesos__V1__ExecutorInfo *executor;
    struct id_source *ids;
    int64_t now_wall_ms;
};

struct built {
    Mesos__V1__Offer__Operation **launches; /* one LAUNCH_GROUP per task */
    size_t n_launches;
    Reeve__TaskRecord **tasks;
    size_t n_tasks;
};
void built_destroy(struct built **built);

/* Everything asked for can be built here?  ERR_UNSUPPORTED with what cannot,
 * ERR_NOT_FOUND for a task that the pod does not have.  To be called before
 * offers are looked at. */
int task_build_check(const Reeve__PodSpec *pod, const Reeve__Demand *demand,
                     const struct build_config *config, struct err *err);
/* Checked demands only. Never NULL. */
struct built *task_build(const struct build_in *in);

/* "k:v;k2:v2" of an agent's attributes; malloc'd, "" for none. */
char *attributes_text(Mesos__V1__Attribute *const *attributes, size_t count);
/* Value of one attribute as text; malloc'd. */
char *attribute_value(const Mesos__V1__Attribute *attribute);
/* "/a/b.c" gives "abc"-like host labels: no slashes, dots to dashes; malloc'd.
 */
char *host_label(const char *service_name);

#endif
