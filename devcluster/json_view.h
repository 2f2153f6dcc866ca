/* SPDX-License-Identifier: Apache-2.0 */
/* json_view - pieces of JSON that master and agent endpoints show
 *
 * Shapes and key names are those of a real cluster.  All results are new
 * references.
 */
#ifndef REEVE_DEVCLUSTER_JSON_VIEW_H
#define REEVE_DEVCLUSTER_JSON_VIEW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mesos/resources.h"
#include "proto/mesos/v1/mesos.pb-c.h"

/* For json_dumps: 0.1 stays 0.1, and times keep their microseconds. */
#define VIEW_JSON (JSON_COMPACT | JSON_REAL_PRECISION(16))

/* Takes the value. */
void view_set(json_t *object, const char *key, json_t *value);
/* NULL is shown as "". */
void view_set_text(json_t *object, const char *key, const char *text);
json_t *view_seconds(int64_t us);
/* {"cpus":n,"mem":n,"disk":n,"gpus":n,"ports":"[a-b]"}. */
json_t *view_resources(const struct resources *r);
/* Whole Resource messages. */
json_t *view_full(const struct resources *r);
/* {"role":show(what is reserved for it),…}. */
json_t *view_by_role(const struct resources *r,
                     json_t *(*show)(const struct resources *));
json_t *view_attributes(const Mesos__V1__AgentInfo *info);
json_t *view_labels(const Mesos__V1__Labels *labels);
json_t *view_task(const Mesos__V1__Task *msg);
/* Some lists of a Response or Event are shown though they are empty. */
void view_fill_lists(json_t *part);
/* The capabilities that agents here have, in the order of their numbers. */
extern const char *const view_agent_capabilities[];
extern const size_t view_agent_capabilities_count;
#define VIEW_RESIZE_VOLUME 4 /* which an agent may lack */

#endif
