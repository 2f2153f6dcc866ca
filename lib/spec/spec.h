/* SPDX-License-Identifier: Apache-2.0 */
/* spec - svc.yml to ServiceSpec: mustache, YAML, schema, validation; pure
 *
 * spec_parse touches no file, clock or environment of its own: the caller gives
 * the text, the variables and a reader for template files.
 */
#ifndef REEVE_LIB_SPEC_SPEC_H
#define REEVE_LIB_SPEC_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/spec.pb-c.h"

struct buf;
struct err;

struct spec_source {
    const char *path; /* for messages, and the base of template paths */
    const char *text;
    size_t len;
    /* "NAME=value" entries, ends with NULL: what mustache and TASKCFG_ see. */
    const char *const *env;
    /* Appends a template file's bytes; path is already joined to the folder
     * of svc.yml. */
    int (*read_file)(void *self, const char *path, struct buf *out,
                     struct err *err);
    void *self;
};

/* The validated spec, or NULL with ERR_INVALID and "path:line: text" (line of
 * the YAML after rendering is mapped to the line of the file).  Free with
 * wire_free / reeve__service_spec__free_unpacked. */
Reeve__ServiceSpec *spec_parse(const struct spec_source *source,
                               struct err *err);
/* spec_parse of a file with the process's real files; env as above. */
Reeve__ServiceSpec *spec_load(const char *path, const char *const *env,
                              struct err *err);

/* SHA-256 (hex) of all that makes a pod's tasks what they are: the whole pod
 * but count, placement and allow-decommission, and the service's user.  Equal
 * digests: a running task need not be relaunched (sdk-behaviour 5.3, with the
 * fault of 12.2 #14 mended: every field counts). */
void spec_pod_digest(const Reeve__ServiceSpec *spec, const Reeve__PodSpec *pod,
                     char out[65]);

/* Why `next` may not replace `old` (NULL: first installation): at most `max`
 * malloc'd texts into out[], returns how many (sdk-behaviour 5.4). *is_fatal is
 * set when the process must not go on at all. */
size_t spec_check_change(const Reeve__ServiceSpec *old,
                         const Reeve__ServiceSpec *next, char **out, size_t max,
                         bool *is_fatal);

const Reeve__PodSpec *spec_find_pod(const Reeve__ServiceSpec *spec,
                                    const char *type);
const Reeve__TaskSpec *spec_find_task(const Reeve__PodSpec *pod,
                                      const char *name);
const Reeve__ResourceSet *spec_find_resource_set(const Reeve__PodSpec *pod,
                                                 const char *id);

/* ---- ports (ports.c) ---- */
/* Does a network of this name map ports of the host into the container? */
bool spec_network_maps_ports(const char *name);
/* Are the pod's ports ports of the host, to be had from offers? */
bool spec_uses_host_ports(const Reeve__PodSpec *pod);
/* Is it the number of one of the pod's fixed ports? */
bool spec_is_fixed_port(const Reeve__PodSpec *pod, uint32_t number);
/* The number of a port of a pod that uses none of the host: the fixed one, or
 * one of its ranges (without: of 1025 to 2025), always the same as long as the
 * pod's ports are.  0: there is none. */
uint32_t spec_container_port(const Reeve__PodSpec *pod,
                             const Reeve__PortSpec *port);
/* The number in the container for one of the host. */
uint32_t spec_mapped_port(const Reeve__NetworkSpec *network,
                          uint32_t host_port);

/* ---- names (sdk-behaviour 3.1); all return malloc'd text ---- */
/* Key part: "/a/b" gives "a__b". */
char *spec_service_key(const char *service_name);
/* The role that a pod's offers come for: the service's, or below the role that
 * its resources are reserved to already ("slave_public/kv-role"). */
char *spec_pod_role(const Reeve__ServiceSpec *spec, const Reeve__PodSpec *pod);
/* The role that statically reserved resources must have; NULL: unreserved ones
 * are taken. */
const char *spec_pre_reserved_role(const Reeve__PodSpec *pod);
char *spec_pod_instance(const char *pod_type, unsigned index); /* data-0 */
/* "data-0" for an inline task (name ""), else "hello-0-server". */
char *spec_task_name(const char *pod_type, unsigned index, const char *task);
/* "<svc>__<task name>__<uuid>", svc with '/' as '.'. */
char *spec_task_id(const char *service_name, const char *task_name,
                   const char *uuid);
char *spec_executor_id(const char *service_name, const char *pod_type,
                       const char *uuid);

#endif
