/* SPDX-License-Identifier: Apache-2.0 */
/* map_resources - resource sets, ports and volumes; private to lib/spec */
#ifndef REEVE_LIB_SPEC_MAP_RESOURCES_H
#define REEVE_LIB_SPEC_MAP_RESOURCES_H

#include <stdbool.h>

#include "lib/spec/schema.h"
#include "lib/spec/spec.h"

struct loader;
struct yaml_node;

/* Keys of a resource set, which a task may carry itself. */
extern const struct schema_key load_resource_keys[];

/* volume and volumes: a pod may carry them without being a task. */
bool load_is_pod_volume_key(const char *key);

/* The set that a task without `resource-set` has for itself, from the task's
 * own keys; its id is task->resource_set. */
int load_implicit_set(struct loader *l, Reeve__PodSpec *pod,
                      const Reeve__TaskSpec *task,
                      const struct yaml_node *node);

#endif
