/* SPDX-License-Identifier: Apache-2.0 */
/* placement_internal - what placement.c, placement_json.c and
 * placement_match.c share */
#ifndef REEVE_LIB_SPEC_PLACEMENT_INTERNAL_H
#define REEVE_LIB_SPEC_PLACEMENT_INTERNAL_H

#include <jansson.h>

#include "lib/spec/placement.h"

#define PLACEMENT_MAX_RULES  64 /* in all */
#define PLACEMENT_MAX_NUMBER 1000000

enum matcher_kind { MATCH_ANY, MATCH_EQUAL, MATCH_OTHER, MATCH_REGEX };

/* text: of all but MATCH_ANY.  NULL with ERR_INVALID. */
struct placement_matcher *placement_matcher_new(enum matcher_kind kind,
                                                const char *text,
                                                struct err *err);
void placement_matcher_free(struct placement_matcher **matcher);
enum matcher_kind placement_matcher_kind(const struct placement_matcher *m);

/* Fills *rule (zeroed) from a rule object; *budget: rules that may still be
 * made.  What was filled is the caller's to free, also on error. */
int placement_read_object(struct placement_rule *rule, const json_t *object,
                          size_t *budget, struct err *err);

#endif
