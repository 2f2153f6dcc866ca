/* SPDX-License-Identifier: Apache-2.0 */
/* quantities - amounts by the name of a resource, in thousandths
 *
 * For quotas: guarantees, limits, what is consumed.  Pure.
 */
#ifndef REEVE_DEVCLUSTER_QUANTITIES_H
#define REEVE_DEVCLUSTER_QUANTITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resources;

struct quantity {
    char *name;
    int64_t milli; /* never 0 unless it was set so */
};
/* All 0 is empty.  Sorted by name. */
struct quantities {
    struct quantity *list;
    size_t count;
};

void quantities_clear(struct quantities *q);
/* otherwise: when there is none of that name. */
int64_t quantities_get(const struct quantities *q, const char *name,
                       int64_t otherwise);
void quantities_set(struct quantities *q, const char *name, int64_t milli);
void quantities_add(struct quantities *q, const char *name, int64_t milli);
void quantities_copy(struct quantities *to, const struct quantities *from);
/* Of the scalars. */
void quantities_add_scalars(struct quantities *q, const struct resources *r);
/* part has nothing that is more than in whole; `absent` is what whole has of a
 * name that it lacks: 0, or INT64_MAX for limits. */
bool quantities_within(const struct quantities *part,
                       const struct quantities *whole, int64_t absent);
/* "cpus:2; mem:1024", "{}" for none; malloc'd. */
char *quantities_text(const struct quantities *q);

#endif
