/* SPDX-License-Identifier: Apache-2.0 */
/* make - small specs, offers and records for the tests of this folder */
#ifndef REEVE_TESTS_OFFER_BROKER_MAKE_H
#define REEVE_TESTS_OFFER_BROKER_MAKE_H

#include "lib/mesos/resources.h"
#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"
#include "services/offer-broker/ids.h"

/* Ids "id-1", "id-2" …: the same in every run. */
struct counting_ids {
    struct id_source source;
    unsigned next;
};
void counting_ids(struct counting_ids *ids);

/* One pod type `data` with an inline task on 1 cpu, 256 MiB and a ROOT volume
 * "data" of 1024 MiB; all owned by the message. */
Reeve__PodSpec *make_pod(void);
/* A pod `hello` with tasks `server` (own set) and `side` (own set, no volume),
 * one dynamic port "http" with env-key on the server. */
Reeve__PodSpec *make_pod_of_two(void);
Reeve__ServiceSpec *make_service(Reeve__PodSpec *pod); /* takes pod */

/* Resources from text ("cpus:4;mem:4096"), allocated to `role`. */
struct resources *make_resources(const char *text, const char *role);
/* An offer with these resources; attribute "rack" = rack unless NULL. */
Mesos__V1__Offer *make_offer(const char *id, const char *agent,
                             const char *resources, const char *rack);
void free_message(void *message);

#endif
