/* SPDX-License-Identifier: Apache-2.0 */
/* attributes - an agent's --attributes and fault domain as messages.  Pure. */
#ifndef REEVE_DEVCLUSTER_ATTRIBUTES_H
#define REEVE_DEVCLUSTER_ATTRIBUTES_H

#include <stddef.h>

#include "proto/mesos/v1/mesos.pb-c.h"

struct err;

/* "rack:r0;level:10;ports:[1-2]": numbers are scalars, brackets ranges, all
 * else text.  Appends to the list, which the caller owns also after an error.
 */
int attributes_parse(const char *text, Mesos__V1__Attribute ***list,
                     size_t *count, struct err *err);
/* Fills in and returns info. */
Mesos__V1__DomainInfo *attributes_fault_domain(Mesos__V1__DomainInfo *info,
                                               const char *region,
                                               const char *zone);

#endif
