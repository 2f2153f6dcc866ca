/* SPDX-License-Identifier: Apache-2.0 */
/* vitals - health checks and metrics of one process (internal)
 *
 * Both tables are bounded; what does not fit is refused (false), never an
 * abort, because a name may come from the data.  Times come in as arguments.
 */
#ifndef REEVE_LIB_SERVICE_VITALS_H
#define REEVE_LIB_SERVICE_VITALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VITALS_MAX_CHECKS = 64,
    VITALS_MAX_METRICS = 512,
    VITALS_REWORD_MS = 60000,
};

struct check {
    char name[64];
    bool ok;
    char text[512];
    int64_t since_wall_ms; /* when ok last changed */
    int64_t told_wall_ms;  /* of the last answer that was not VITALS_SAME */
    uint32_t told_hash;    /* of its text */
};
struct metric {
    const char *name, *help; /* literals */
    bool is_gauge;
    double value;
};
struct vitals {
    struct check checks[VITALS_MAX_CHECKS];
    size_t check_count;
    struct metric metrics[VITALS_MAX_METRICS];
    size_t metric_count;
    uint16_t slots[1024]; /* hash of the name -> index + 1 */
};

enum vitals_change {
    VITALS_SAME,
    VITALS_NEW,      /* first told */
    VITALS_CHANGED,  /* ok became not ok, or the other way */
    VITALS_REWORDED, /* not ok for another reason; at most once in a minute,
                        as a text may count seconds */
    VITALS_FULL,     /* dropped */
};
enum vitals_change vitals_check(struct vitals *vitals, const char *name,
                                bool ok, const char *text, int64_t now_wall_ms);
bool vitals_is_healthy(const struct vitals *vitals);

/* NULL when the table is full.  The name is kept, not copied. */
struct metric *vitals_metric(struct vitals *vitals, const char *name,
                             const char *help);

#endif
