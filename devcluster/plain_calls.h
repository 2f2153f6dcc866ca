/* SPDX-License-Identifier: Apache-2.0 */
/* plain_calls - what the endpoints beside the v1 API ask for, as its calls
 *
 * /teardown, /reserve … carry forms, /maintenance/schedule, /machine/… and
 * /weights JSON.  Pure.
 */
#ifndef REEVE_DEVCLUSTER_PLAIN_CALLS_H
#define REEVE_DEVCLUSTER_PLAIN_CALLS_H

#include "devcluster/http_rules.h"
#include "proto/mesos/v1/master.pb-c.h"

/* path: without "/master".  NULL: refused, or no endpoint that changes. */
Mesos__V1__Master__Call *plain_call(const char *path,
                                    const struct http_given *given,
                                    struct http_refusal *refusal);
/* A form's value, decoded; NULL: absent.  malloc'd. */
char *form_value(const char *form, size_t len, const char *name);

#endif
