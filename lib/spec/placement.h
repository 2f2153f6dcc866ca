/* SPDX-License-Identifier: Apache-2.0 */
/* placement - the grammar of a pod's placement constraints; pure
 *
 * Four ways to write it: a JSON list of lists of text, a JSON list of text (one
 * constraint), "field:OPERATOR:parameter,…" with a backslash before a ':' or
 * ',' that is meant, and a JSON object: the rules as the DC/OS SDK stores them
 * ({"@type":"AndRule","rules":[…]}), which may also be combined.  Empty text
 * and [] are no constraint at all.  Says what is asked for; whoever places the
 * pod decides what fits.
 */
#ifndef REEVE_LIB_SPEC_PLACEMENT_H
#define REEVE_LIB_SPEC_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

enum placement_operator {
    PLACEMENT_UNIQUE,    /* at most one per key */
    PLACEMENT_MAX_PER,   /* at most `number` per key */
    PLACEMENT_CLUSTER,   /* key equals text */
    PLACEMENT_IS,        /* key equals text */
    PLACEMENT_IS_NOT,    /* key differs from text */
    PLACEMENT_LIKE,      /* key matches the regular expression as a whole */
    PLACEMENT_UNLIKE,    /* not LIKE */
    PLACEMENT_GROUP_BY,  /* spread evenly; number = how many keys, 0: unknown */
    PLACEMENT_HAS_VALUE, /* there is a key */
    /* Without a field: */
    PLACEMENT_ALL,          /* of the children hold */
    PLACEMENT_ANY,          /* of the children holds */
    PLACEMENT_NONE,         /* of the children holds */
    PLACEMENT_AGENT,        /* the agent's id is text */
    PLACEMENT_LOCAL_REGION, /* the master's region, where both are known */
    PLACEMENT_AVOID,        /* no agent that has pods of type text */
    PLACEMENT_COLOCATE,     /* only such agents, once there is one */
    PLACEMENT_HOOK,         /* what the placement hook named text says */
};

struct placement_matcher; /* texts that are equal, differ, match, or any */
enum placement_match {
    PLACEMENT_DIFFERS,
    PLACEMENT_MATCHES,
    PLACEMENT_TOO_HARD, /* the expression wants more work than is allowed */
};
enum placement_match placement_compare(const struct placement_matcher *matcher,
                                       const char *text);
/* As it was written; NULL where any text matches. */
const char *placement_matcher_text(const struct placement_matcher *matcher);

struct placement_rule {
    /* "hostname", "@region", "@zone" or an attribute's name ("@hostname" is
     * given as "hostname"); "" for attributes as "name:value"; or NULL. */
    char *field;
    enum placement_operator op;
    char *text;      /* parameter as written, or NULL */
    unsigned number; /* of MAX_PER and GROUP_BY */
    /* LIKE, UNLIKE: the expression.  MAX_PER: which keys count; NULL: all. */
    struct placement_matcher *match;
    /* Counting operators: names of tasks whose pods count.  NULL: the pods of
     * the same type. */
    struct placement_matcher *tasks;
    struct placement_rule *children;
    size_t n_children;
};

struct placement_rules; /* all must hold */

/* NULL with ERR_INVALID. */
struct placement_rules *placement_parse(const char *text, struct err *err);
size_t placement_count(const struct placement_rules *rules);
const struct placement_rule *placement_at(const struct placement_rules *rules,
                                          size_t index);
/* Does any rule speak of that field ("@region")? */
bool placement_mentions(const struct placement_rules *rules, const char *field);
/* The name of a hook that the rule, or one below it, asks; or NULL. */
const char *placement_rule_hook(const struct placement_rule *rule);
/* The names of all hooks. */
void placement_each_hook(const struct placement_rules *rules,
                         void (*fn)(void *self, const char *name), void *self);
void placement_free(struct placement_rules **rules);

#endif
