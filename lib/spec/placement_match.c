/* SPDX-License-Identifier: Apache-2.0 */
/* placement_match - texts that a rule means: equal, other, matching or any
 *
 * Expressions are POSIX extended ones and must match the whole text.  What is
 * common elsewhere and means the same is translated (\d, (?:…)); other escapes
 * and groups are refused: POSIX would take them for something else.
 */
#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/spec/placement_internal.h"

struct placement_matcher {
    enum matcher_kind kind;
    char *text;
    regex_t regex; /* of MATCH_REGEX */
};

/* One escape, at the backslash; returns the character after it, or NULL. */
static const char *add_escape(struct buf *out, const char *at, bool in_set)
{
    char c = at[1];

    if (!c)
        return NULL;
    if (c == 'd')
        buf_add_str(out, in_set ? "0-9" : "[0-9]");
    else if (c == 'D' && !in_set)
        buf_add_str(out, "[^0-9]");
    else if (in_set && (c == '\\' || c == ']' || c == '-' || c == '^' ||
                        isalnum((unsigned char)c)))
        return NULL; /* in POSIX sets a backslash is itself */
    else if (in_set)
        buf_add_char(out, c);
    else if (strchr("wWsSbB", c) || !isalnum((unsigned char)c))
        buf_addf(out, "\\%c", c);
    else
        return NULL;
    return at + 2;
}

/* From a '[' to its ']'; NULL: cannot be said in POSIX. */
static const char *add_set(struct buf *out, const char *at)
{
    buf_add_char(out, *at++);
    if (*at == '^')
        buf_add_char(out, *at++);
    if (*at == ']')
        buf_add_char(out, *at++);
    while (at && *at && *at != ']') {
        const char *end = NULL;

        if (*at == '[' && at[1] == ':')
            end = strstr(at, ":]");
        if (end) {
            buf_addf(out, "%.*s", (int)(end + 2 - at), at);
            at = end + 2;
        } else if (*at == '\\') {
            at = add_escape(out, at, true);
        } else {
            buf_add_char(out, *at++);
        }
    }
    if (!at || !*at)
        return at;
    buf_add_char(out, ']');
    return at + 1;
}

static bool to_posix(const char *text, struct buf *out)
{
    const char *at = text;

    while (at && *at) {
        if (*at == '\\') {
            at = add_escape(out, at, false);
        } else if (*at == '[') {
            at = add_set(out, at);
        } else if (str_starts(at, "(?:")) {
            buf_add_char(out, '(');
            at += strlen("(?:");
        } else if (str_starts(at, "(?")) {
            return false;
        } else {
            buf_add_char(out, *at++);
        }
    }
    return at != NULL;
}

static int compile(regex_t *regex, const char *text, struct err *err)
{
    AUTO_BUF struct buf posix = {0};
    AUTO_FREE char *whole = NULL;
    regex_t alone;

    if (!to_posix(text, &posix))
        return err_set(err, ERR_INVALID,
                       "Bad regular expression: '%.100s': an escape or group "
                       "that POSIX extended expressions do not have",
                       text);
    whole = xasprintf("^(%s)$", buf_text(&posix));
    /* First alone: "a)(b" must not become one by what is put around it. */
    if (regcomp(&alone, buf_text(&posix), REG_EXTENDED | REG_NOSUB) != 0)
        return err_set(err, ERR_INVALID, "Bad regular expression: '%.100s'",
                       text);
    regfree(&alone);
    if (regcomp(regex, whole, REG_EXTENDED | REG_NOSUB) != 0)
        return err_set(err, ERR_INVALID, "Bad regular expression: '%.100s'",
                       text);
    return 0;
}

struct placement_matcher *
placement_matcher_new(enum matcher_kind kind, const char *text, struct err *err)
{
    struct placement_matcher *matcher = xcalloc(1, sizeof(*matcher));

    matcher->kind = kind;
    if (kind == MATCH_REGEX && compile(&matcher->regex, text, err) < 0) {
        free(matcher);
        return NULL;
    }
    matcher->text = xstrdup(text);
    return matcher;
}

void placement_matcher_free(struct placement_matcher **matcher)
{
    struct placement_matcher *m = *matcher;

    if (!m)
        return;
    if (m->kind == MATCH_REGEX)
        regfree(&m->regex);
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

bool placement_matches(const struct placement_matcher *matcher,
                       const char *text)
{
    switch (matcher->kind) {
    case MATCH_ANY:
        return true;
    case MATCH_EQUAL:
        return str_eq(matcher->text, text);
    case MATCH_OTHER:
        return !str_eq(matcher->text, text);
    case MATCH_REGEX:
        return regexec(&matcher->regex, text, 0, NULL, 0) == 0;
    }
    return false;
}
