/* SPDX-License-Identifier: Apache-2.0 */
/* mustache - renders a template over flat text variables; pure
 *
 * Does: {{x}} with HTML escaping, {{{x}}} and {{&x}} raw, sections, inverted
 * sections, comments, set-delimiter tags, standalone lines that vanish.
 * Does not: nested data, lists, dotted lookup (a dotted name is just a name),
 * lambdas; a partial is an error.
 *
 * The dialect: a variable that equals true or false in any letter case is a
 * boolean and prints in lower case; a section shows when its variable is set,
 * not empty and not false; {{x}} also escapes ' and the newline, and leaves
 * entities alone that are already formed.  Unset variables in value tags render
 * as nothing and are listed as missing.
 */
#ifndef REEVE_LIB_SPEC_MUSTACHE_H
#define REEVE_LIB_SPEC_MUSTACHE_H

#include <stddef.h>

#include "lib/base/buf.h"

struct err;

struct mustache_missing {
    char *name;
    size_t line; /* of the template, from 1 */
};

struct mustache_result {
    struct buf text;
    /* lines[i] is the template's line that output line i + 1 came from. */
    size_t *lines;
    size_t n_lines;
    struct mustache_missing *missing; /* in order, each name and line once */
    size_t n_missing;                 /* at most 256 are kept */
};

/* The value of a variable (name is not NUL-terminated), NULL when unset.
 * Borrowed until the next call. */
struct mustache_vars {
    const char *(*get)(void *self, const char *name, size_t len);
    void *self;
};

/* ERR_INVALID with "line N: …" for a malformed template; *result is then empty.
 * Free with mustache_result_free, also after an error. */
int mustache_render(const char *text, size_t len,
                    const struct mustache_vars *vars,
                    struct mustache_result *result, struct err *err);
void mustache_result_free(struct mustache_result *result);

/* Line of the template for a line of the output (both from 1). */
size_t mustache_line(const struct mustache_result *result, size_t output_line);

#endif
