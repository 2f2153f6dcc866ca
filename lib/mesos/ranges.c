/* SPDX-License-Identifier: Apache-2.0 */
/* ranges - arithmetic on Value.Ranges, whose ends are inclusive
 *
 * Promises in resources.h.  All but ranges_normalize keep sorted, merged ranges
 * sorted and merged; all work on others too.
 */
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/mesos/resources.h"
#include "lib/wire/pb.h"
#include "lib/wire/wire.h"

static void append(Mesos__V1__Value__Ranges *ranges, uint64_t begin,
                   uint64_t end)
{
    Mesos__V1__Value__Range *range = PB_NEW(mesos__v1__value__range);
    range->begin = begin;
    range->end = end;
    ranges->range =
        xrealloc(ranges->range, (ranges->n_range + 1) * sizeof(*ranges->range));
    ranges->range[ranges->n_range++] = range;
}

static int by_begin(const void *a, const void *b)
{
    uint64_t x = (*(Mesos__V1__Value__Range *const *)a)->begin;
    uint64_t y = (*(Mesos__V1__Value__Range *const *)b)->begin;
    return (x > y) - (x < y);
}

static void drop(Mesos__V1__Value__Range *range)
{
    wire_auto_free(&range);
}

void ranges_normalize(Mesos__V1__Value__Ranges *ranges)
{
    if (ranges->n_range < 2)
        return;
    qsort(ranges->range, ranges->n_range, sizeof(*ranges->range), by_begin);
    size_t kept = 0;
    for (size_t i = 1; i < ranges->n_range; i++) {
        Mesos__V1__Value__Range *last = ranges->range[kept];
        Mesos__V1__Value__Range *next = ranges->range[i];
        if (last->end == UINT64_MAX || next->begin <= last->end + 1) {
            last->end = MAX(last->end, next->end);
            drop(next);
        } else {
            ranges->range[++kept] = next;
        }
    }
    ranges->n_range = kept + 1;
}

void ranges_add(Mesos__V1__Value__Ranges *ranges, uint64_t begin, uint64_t end)
{
    append(ranges, begin, end);
    ranges_normalize(ranges);
}

void ranges_subtract(Mesos__V1__Value__Ranges *ranges, uint64_t begin,
                     uint64_t end)
{
    size_t before = ranges->n_range, kept = 0;
    for (size_t i = 0; i < before; i++) {
        Mesos__V1__Value__Range *r = ranges->range[i];
        bool is_hit = r->begin <= end && r->end >= begin;
        if (is_hit && r->begin < begin && r->end > end) {
            append(ranges, end + 1, r->end); /* behind `before` */
            r->end = begin - 1;
        } else if (is_hit && r->begin >= begin && r->end <= end) {
            drop(r);
            continue;
        } else if (is_hit && r->begin < begin) {
            r->end = begin - 1;
        } else if (is_hit) {
            r->begin = end + 1;
        }
        ranges->range[kept++] = r;
    }
    for (size_t i = before; i < ranges->n_range; i++)
        ranges->range[kept++] = ranges->range[i];
    ranges->n_range = kept;
    ranges_normalize(ranges);
}

/* End of a range that holds value; false when none does. */
static bool find_end(const Mesos__V1__Value__Ranges *ranges, uint64_t value,
                     uint64_t *end)
{
    for (size_t i = 0; i < ranges->n_range; i++) {
        const Mesos__V1__Value__Range *r = ranges->range[i];
        if (r->begin <= value && value <= r->end) {
            *end = r->end;
            return true;
        }
    }
    return false;
}

bool ranges_contains(const Mesos__V1__Value__Ranges *ranges, uint64_t begin,
                     uint64_t end)
{
    uint64_t up_to;
    for (uint64_t at = begin; at <= end; at = up_to + 1) {
        if (!find_end(ranges, at, &up_to))
            return false;
        if (up_to >= end)
            return true;
    }
    return true; /* an empty question */
}

uint64_t ranges_count(const Mesos__V1__Value__Ranges *ranges)
{
    uint64_t count = 0;
    for (size_t i = 0; i < ranges->n_range; i++)
        count += ranges->range[i]->end - ranges->range[i]->begin + 1;
    return count;
}
