/* SPDX-License-Identifier: Apache-2.0 */
/* placement - the grammar of a pod's placement constraints; pure
 *
 * Three ways to write the same: a JSON list of lists of text, a JSON list of
 * text (one constraint), or "field:OPERATOR:parameter,…" with a backslash
 * before a ':' or ',' that is meant.  Empty text and [] are no constraint at
 * all. Says what is asked for; whoever places the pod decides what fits.
 */
#ifndef REEVE_LIB_SPEC_PLACEMENT_H
#define REEVE_LIB_SPEC_PLACEMENT_H

#include <stddef.h>

#include "lib/base/err.h"

enum placement_operator {
    PLACEMENT_UNIQUE,   /* at most one per key */
    PLACEMENT_MAX_PER,  /* at most `number` per key */
    PLACEMENT_CLUSTER,  /* key equals text */
    PLACEMENT_IS,       /* key equals text */
    PLACEMENT_IS_NOT,   /* key differs from text */
    PLACEMENT_LIKE,     /* key matches the regular expression as a whole */
    PLACEMENT_UNLIKE,   /* not LIKE */
    PLACEMENT_GROUP_BY, /* spread evenly; number = how many keys, 0: unknown */
};

struct placement_rule {
    char *field; /* "hostname", "@region", "@zone" or an attribute's name;
                    "@hostname" is given as "hostname" */
    enum placement_operator op;
    char *text;      /* parameter as written, or NULL */
    unsigned number; /* of MAX_PER and GROUP_BY */
};

struct placement_rules; /* all must hold */

/* NULL with ERR_INVALID. */
struct placement_rules *placement_parse(const char *text, struct err *err);
size_t placement_count(const struct placement_rules *rules);
const struct placement_rule *placement_at(const struct placement_rules *rules,
                                          size_t index);
void placement_free(struct placement_rules **rules);

#endif
