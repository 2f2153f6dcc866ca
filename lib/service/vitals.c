/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/service/vitals.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"

static uint32_t hash(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static struct check *find_check(struct vitals *vitals, const char *name)
{
    for (size_t i = 0; i < vitals->check_count; i++)
        if (strcmp(vitals->checks[i].name, name) == 0)
            return &vitals->checks[i];
    return NULL;
}

enum vitals_change vitals_check(struct vitals *vitals, const char *name,
                                bool ok, const char *text, int64_t now_wall_ms)
{
    struct check *check = find_check(vitals, name);
    enum vitals_change change = VITALS_SAME;
    if (!check && vitals->check_count == VITALS_MAX_CHECKS)
        return VITALS_FULL;
    if (!check) {
        check = &vitals->checks[vitals->check_count++];
        snprintf(check->name, sizeof check->name, "%s", name);
        check->since_wall_ms = now_wall_ms;
        change = VITALS_NEW;
    } else if (check->ok != ok) {
        check->since_wall_ms = now_wall_ms;
        change = VITALS_CHANGED;
    } else if (!ok && hash(text) != check->told_hash &&
               now_wall_ms - check->told_wall_ms >= VITALS_REWORD_MS) {
        change = VITALS_REWORDED;
    }
    if (change != VITALS_SAME) {
        check->told_wall_ms = now_wall_ms;
        check->told_hash = hash(text);
    }
    check->ok = ok;
    snprintf(check->text, sizeof check->text, "%s", text);
    return change;
}

bool vitals_is_healthy(const struct vitals *vitals)
{
    for (size_t i = 0; i < vitals->check_count; i++)
        if (!vitals->checks[i].ok)
            return false;
    return true;
}

struct metric *vitals_metric(struct vitals *vitals, const char *name,
                             const char *help)
{
    /* Twice as many slots as metrics: a free one is always found. */
    size_t mask = ARRAY_LEN(vitals->slots) - 1;
    size_t at = hash(name) & mask;
    for (; vitals->slots[at]; at = (at + 1) & mask) {
        struct metric *metric = &vitals->metrics[vitals->slots[at] - 1];
        if (metric->name == name || strcmp(metric->name, name) == 0)
            return metric;
    }
    if (vitals->metric_count == VITALS_MAX_METRICS)
        return NULL;
    struct metric *metric = &vitals->metrics[vitals->metric_count++];
    vitals->slots[at] = (uint16_t)vitals->metric_count;
    *metric = (struct metric){.name = name, .help = help};
    return metric;
}
