/* SPDX-License-Identifier: Apache-2.0 */
/* labels - find and set labels of a Mesos message.  Pure. */
#ifndef REEVE_LIB_MESOS_LABELS_H
#define REEVE_LIB_MESOS_LABELS_H

#include <stdbool.h>

#include "proto/mesos/v1/mesos.pb-c.h"

/* Value of the first label of that key ("" when it has none); NULL when there
 * is no such label.  labels may be NULL. */
const char *labels_find(const Mesos__V1__Labels *labels, const char *key);
/* Appends; *labels is made when NULL.  value may be NULL. */
void labels_add(Mesos__V1__Labels **labels, const char *key, const char *value);
/* Replaces the value of the first label of that key, or appends. */
void labels_set(Mesos__V1__Labels **labels, const char *key, const char *value);
/* Same labels in any order, as the master compares them; NULL equals only
 * NULL. */
bool labels_equal(const Mesos__V1__Labels *a, const Mesos__V1__Labels *b);

#endif
