/* SPDX-License-Identifier: Apache-2.0 */
/* loader - what the files that map YAML to a ServiceSpec share; private to
 * lib/spec
 *
 * Carries where we are in the file, so that every error and warning reads
 * "svc.yml:12: pods.data.count: …".
 */
#ifndef REEVE_LIB_SPEC_LOADER_H
#define REEVE_LIB_SPEC_LOADER_H

#include <stddef.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/spec/mustache.h"
#include "lib/spec/spec.h"
#include "lib/spec/yaml_tree.h"
#include "lib/wire/pb.h"

struct err;

struct loader {
    const struct spec_source *source;
    const struct mustache_result *rendered;
    Reeve__ServiceSpec *spec; /* being filled */
    struct buf path;          /* "pods.data.count" */
    struct err *err;
};

/* Goes down to a key; give the result to load_leave. */
size_t load_enter(struct loader *l, const char *key);
void load_leave(struct loader *l, size_t mark);

/* ERR_INVALID "file:line: path: text", with the unset variables that may be
 * the cause; returns -1. */
int load_fail(struct loader *l, const struct yaml_node *at, const char *fmt,
              ...) __attribute__((format(printf, 3, 4)));
/* The same for an output line instead of a node. */
int load_fail_line(struct loader *l, size_t line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds "file:line: path: text" to the warnings. */
void load_warn(struct loader *l, const struct yaml_node *at, const char *fmt,
               ...) __attribute__((format(printf, 3, 4)));
/* A warning without a place. */
void load_note(struct loader *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* map_service.c, map_pod.c, map_task.c, map_plan.c */
int load_service(struct loader *l, const struct yaml_node *root);
int load_pods(struct loader *l, const struct yaml_node *pods,
              ProtobufCMessage *service);
int load_plans(struct loader *l, const struct yaml_node *plans,
               ProtobufCMessage *service);
/* An entry of `tasks`: name "" and node = the pod for an inline task. */
int load_task(struct loader *l, Reeve__PodSpec *pod, const char *name,
              const struct yaml_node *node);
/* An entry of `resource-sets`. */
int load_resource_set(struct loader *l, Reeve__PodSpec *pod, const char *id,
                      const struct yaml_node *node);
/* volume and volumes of a pod or a set, both of which may be absent. */
int load_volume(struct loader *l, const struct yaml_node *node,
                Reeve__VolumeSpec **out);
/* "k:v,k2:v2" appended to a list of labels. */
int load_labels(struct loader *l, const struct yaml_node *node,
                Reeve__LabelSpec ***labels, size_t *n_labels);
/* Keys that make a pod an inline task. */
bool load_is_task_key(const char *key);

/* env_route.c: TASKCFG_* into the tasks' environment. */
void load_route_env(struct loader *l);
/* EnvVar set or replaced; keeps the list sorted by name. */
void load_set_env(Reeve__TaskSpec *task, const char *name, const char *value);

/* validate.c: rules over more than one object. */
int load_validate(struct loader *l, const struct yaml_node *root);

#endif
