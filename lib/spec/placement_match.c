/* SPDX-License-Identifier: Apache-2.0 */
/* placement_match - texts that a rule means: equal, other, matching or any
 *
 * Expressions are those of PCRE2, which is near to what Java takes, and must
 * match the whole text.  What Java takes for something else (sets within
 * sets) or not at all (verbs) is refused.  Both compiling and comparing are
 * bounded in time and memory, whatever the expression: a comparison that goes
 * past the bound has no result.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/spec/placement_internal.h"

#define MAX_PATTERN_BYTES 16384
#define MAX_NESTING       50
#define MAX_STEPS         20000 /* of one comparison */
#define MAX_HEAP_KIB      256

struct placement_matcher {
    enum matcher_kind kind;
    char *text;
    pcre2_code *code; /* these three of MATCH_REGEX */
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

/* ---- what would mean something else ------------------------------- */
/* After "\Q" what follows is taken as it is. */
static const char *skip_escape(const char *at)
{
    const char *end;

    if (at[1] != 'Q')
        return at + (at[1] ? 2 : 1);
    end = strstr(at + 2, "\\E");
    return end ? end + 2 : at + strlen(at);
}

/* From behind the '[' to behind its ']'; NULL: a set within it. */
static const char *skip_set(const char *at)
{
    at += *at == '^';
    at += *at == ']';
    while (*at && *at != ']') {
        const char *end = str_starts(at, "[:") ? strstr(at, ":]") : NULL;

        if (end)
            at = end + 2;
        else if (*at == '[' || str_starts(at, "&&"))
            return NULL;
        else
            at = *at == '\\' ? skip_escape(at) : at + 1;
    }
    return *at ? at + 1 : at;
}

static const char *strange_part(const char *text)
{
    const char *at = text;

    while (*at) {
        if (*at == '\\') {
            at = skip_escape(at);
        } else if (*at == '[') {
            at = skip_set(at + 1);
            if (!at)
                return "a set within a set";
        } else if (str_starts(at, "(*")) {
            return "nothing to repeat before '*'";
        } else {
            at++;
        }
    }
    return NULL;
}

/* ---- compiling ---------------------------------------------------- */
static pcre2_code *compile(const char *text, struct err *err)
{
    const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF |
                             PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    const char *strange = strange_part(text);
    pcre2_code *code = NULL;
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR why[120] = "";
    int rc = 0;

    ASSERT(context);
    pcre2_set_max_pattern_length(context, MAX_PATTERN_BYTES);
    pcre2_set_parens_nest_limit(context, MAX_NESTING);
    if (!strange)
        code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options,
                             &rc, &at, context);
    pcre2_compile_context_free(context);
    if (code)
        return code;
    if (!strange)
        pcre2_get_error_message(rc, why, sizeof(why));
    err_set(err, ERR_INVALID, "Bad regular expression: '%.60s': %s", text,
            strange ? strange : (const char *)why);
    return NULL;
}

struct placement_matcher *
placement_matcher_new(enum matcher_kind kind, const char *text, struct err *err)
{
    struct placement_matcher *matcher;
    pcre2_code *code = NULL;

    if (kind == MATCH_REGEX && !(code = compile(text, err)))
        return NULL;
    matcher = xcalloc(1, sizeof(*matcher));
    matcher->kind = kind;
    matcher->text = xstrdup(text);
    matcher->code = code;
    if (code) {
        matcher->data = pcre2_match_data_create(1, NULL);
        matcher->limits = pcre2_match_context_create(NULL);
        ASSERT(matcher->data && matcher->limits);
        pcre2_set_match_limit(matcher->limits, MAX_STEPS);
        pcre2_set_heap_limit(matcher->limits, MAX_HEAP_KIB);
    }
    return matcher;
}

void placement_matcher_free(struct placement_matcher **matcher)
{
    struct placement_matcher *m = *matcher;

    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->limits);
    pcre2_code_free(m->code);
    free(m->text);
    free(m);
    *matcher = NULL;
}

enum matcher_kind placement_matcher_kind(const struct placement_matcher *m)
{
    return m->kind;
}

const char *placement_matcher_text(const struct placement_matcher *m)
{
    return m->text;
}

/* ---- comparing ---------------------------------------------------- */
static enum placement_match compare(const struct placement_matcher *m,
                                    const char *text)
{
    int rc = pcre2_match(m->code, (PCRE2_SPTR)text, strlen(text), 0, 0, m->data,
                         m->limits);

    if (rc >= 0)
        return PLACEMENT_MATCHES;
    return rc == PCRE2_ERROR_NOMATCH ? PLACEMENT_DIFFERS : PLACEMENT_TOO_HARD;
}

enum placement_match placement_compare(const struct placement_matcher *matcher,
                                       const char *text)
{
    switch (matcher->kind) {
    case MATCH_ANY:
        return PLACEMENT_MATCHES;
    case MATCH_EQUAL:
        return str_eq(matcher->text, text) ? PLACEMENT_MATCHES
                                           : PLACEMENT_DIFFERS;
    case MATCH_OTHER:
        return str_eq(matcher->text, text) ? PLACEMENT_DIFFERS
                                           : PLACEMENT_MATCHES;
    case MATCH_REGEX:
        return compare(matcher, text);
    }
    return PLACEMENT_DIFFERS;
}
