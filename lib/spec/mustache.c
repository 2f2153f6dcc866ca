/* SPDX-License-Identifier: Apache-2.0 */
/* mustache - one pass over the template with a stack of open sections
 *
 * Variables are flat, so a section is shown once or not at all: no parse tree
 * is needed, and the work is linear in the template's length.
 */
#include "lib/spec/mustache.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/base.h"
#include "lib/base/err.h"

#define MAX_DEPTH     64
#define MAX_DELIMITER 16
#define MAX_OUTPUT    ((size_t)16 << 20)
#define MAX_MISSING   256

struct section {
    const char *name; /* into the template */
    size_t name_len;
    size_t line;
    bool shown; /* itself and all around it */
};

struct render {
    const char *text;
    size_t len, pos;
    size_t line; /* of pos */
    const struct mustache_vars *vars;
    struct mustache_result *out;
    struct section stack[MAX_DEPTH];
    size_t depth;
    char open[MAX_DELIMITER + 1], close[MAX_DELIMITER + 1];
    size_t lines_cap, missing_cap;
};

struct tag {
    char kind;        /* 0 for a value, else one of # ^ / ! = & { > */
    const char *body; /* trimmed */
    size_t body_len;
    size_t begin, end; /* of the whole tag in the template */
    size_t line;
};

static bool is_shown(const struct render *r)
{
    return r->depth == 0 || r->stack[r->depth - 1].shown;
}

static int fail(size_t line, struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "line %zu: %s", line, what);
}

/* ---- output -------------------------------------------------------------- */

static void note_line(struct render *r, size_t source_line)
{
    struct mustache_result *out = r->out;

    if (out->n_lines == r->lines_cap) {
        r->lines_cap = r->lines_cap ? r->lines_cap * 2 : 256;
        out->lines = xrealloc(out->lines, r->lines_cap * sizeof(*out->lines));
    }
    out->lines[out->n_lines++] = source_line;
}

/* Appends text whose first byte stands on source_line; when follow is set,
 * later lines of it stand on later lines of the template. */
static void emit(struct render *r, const char *text, size_t len, bool follow)
{
    size_t line = r->line;

    for (size_t i = 0; i < len; i++) {
        struct buf *b = &r->out->text;
        if (b->len == 0 || b->data[b->len - 1] == '\n')
            note_line(r, line);
        buf_add_char(b, text[i]);
        if (follow && text[i] == '\n')
            line++;
    }
}

static size_t count_newlines(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

/* Moves to the template's offset `to`, copying what lies between when shown
 * and wanted. */
static void advance(struct render *r, size_t to, bool copy)
{
    if (copy && is_shown(r))
        emit(r, r->text + r->pos, to - r->pos, true);
    r->line += count_newlines(r->text + r->pos, to - r->pos);
    r->pos = to;
}

/* An entity that is already formed at text[0] == '&': its length, else 0. */
static size_t entity_len(const char *text, size_t len)
{
    size_t i = 1;

    if (i < len && text[i] == '#')
        i++;
    size_t first = i;
    while (i < len && i < 12 && isalnum((unsigned char)text[i]))
        i++;
    return i > first && i < len && text[i] == ';' ? i + 1 : 0;
}

static const char *escape_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
        return "&#10;";
    default:
        return NULL;
    }
}

static void emit_escaped(struct render *r, const char *value)
{
    size_t len = strlen(value);

    for (size_t i = 0; i < len;) {
        size_t entity = value[i] == '&' ? entity_len(value + i, len - i) : 0;
        const char *escaped = entity ? NULL : escape_of(value[i]);
        if (escaped)
            emit(r, escaped, strlen(escaped), false);
        else
            emit(r, value + i, entity ? entity : 1, false);
        i += entity ? entity : 1;
    }
}

/* ---- variables ------------------------------------------------------------
 */

static bool is_true(const char *value)
{
    return strcasecmp(value, "true") == 0;
}

static bool is_false(const char *value)
{
    return strcasecmp(value, "false") == 0;
}

static const char *lookup(const struct render *r, const struct tag *tag)
{
    return r->vars->get(r->vars->self, tag->body, tag->body_len);
}

static void note_missing(struct render *r, const struct tag *tag)
{
    struct mustache_result *out = r->out;

    if (out->n_missing == MAX_MISSING)
        return;
    for (size_t i = 0; i < out->n_missing; i++)
        if (out->missing[i].line == tag->line &&
            strlen(out->missing[i].name) == tag->body_len &&
            memcmp(out->missing[i].name, tag->body, tag->body_len) == 0)
            return;
    if (out->n_missing == r->missing_cap) {
        r->missing_cap = r->missing_cap ? r->missing_cap * 2 : 16;
        out->missing =
            xrealloc(out->missing, r->missing_cap * sizeof(*out->missing));
    }
    out->missing[out->n_missing++] = (struct mustache_missing){
        .name = xstrndup(tag->body, tag->body_len), .line = tag->line};
}

static void render_value(struct render *r, const struct tag *tag)
{
    if (!is_shown(r))
        return;
    const char *value = lookup(r, tag);
    if (!value) {
        note_missing(r, tag);
        return;
    }
    if (is_true(value) || is_false(value))
        value = is_true(value) ? "true" : "false";
    if (tag->kind)
        emit(r, value, strlen(value), false);
    else
        emit_escaped(r, value);
}

/* ---- tags ------------------------------------------------------------------
 */

static const char *find(const struct render *r, size_t from, const char *what)
{
    return memmem(r->text + from, r->len - from, what, strlen(what));
}

static void trim(struct tag *tag)
{
    while (tag->body_len && isspace((unsigned char)*tag->body)) {
        tag->body++;
        tag->body_len--;
    }
    while (tag->body_len &&
           isspace((unsigned char)tag->body[tag->body_len - 1]))
        tag->body_len--;
}

/* Reads the tag that opens at offset begin. */
static int read_tag(const struct render *r, size_t begin, struct tag *tag,
                    struct err *err)
{
    size_t at = begin + strlen(r->open);
    char close[MAX_DELIMITER + 2];

    *tag = (struct tag){
        .begin = begin,
        .line = r->line + count_newlines(r->text + r->pos, begin - r->pos)};
    while (at < r->len && (r->text[at] == ' ' || r->text[at] == '\t'))
        at++;
    if (at < r->len && strchr("#^/!=&{>", r->text[at]) && r->text[at])
        tag->kind = r->text[at++];
    snprintf(close, sizeof(close), "%s%s",
             tag->kind == '{'   ? "}"
             : tag->kind == '=' ? "="
                                : "",
             r->close);
    const char *end = find(r, at, close);
    if (!end)
        return fail(tag->line, err, "a tag is opened and never closed");
    tag->body = r->text + at;
    tag->body_len = (size_t)(end - tag->body);
    tag->end = (size_t)(end - r->text) + strlen(close);
    trim(tag);
    if (!tag->body_len && tag->kind != '!')
        return fail(tag->line, err, "a tag has no name");
    return 0;
}

static bool may_stand_alone(char kind)
{
    return kind == '#' || kind == '^' || kind == '/' || kind == '!' ||
           kind == '=';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether nothing but blanks shares the tag's lines; then *line_begin is where
 * its first line begins and *next where the line after it does. */
static bool stands_alone(const struct render *r, const struct tag *tag,
                         size_t *line_begin, size_t *next)
{
    size_t at = tag->begin;

    if (!may_stand_alone(tag->kind))
        return false;
    while (at > 0 && is_blank(r->text[at - 1]))
        at--;
    if (at > 0 && r->text[at - 1] != '\n')
        return false;
    *line_begin = at;
    at = tag->end;
    while (at < r->len && is_blank(r->text[at]))
        at++;
    if (at + 1 < r->len && r->text[at] == '\r' && r->text[at + 1] == '\n')
        at++;
    if (at < r->len && r->text[at] != '\n')
        return false;
    *next = at < r->len ? at + 1 : at;
    return true;
}

static int open_section(struct render *r, const struct tag *tag,
                        struct err *err)
{
    if (r->depth == MAX_DEPTH)
        return fail(tag->line, err, "sections are nested too deep");
    const char *value = lookup(r, tag);
    bool truthy = value && *value && !is_false(value);
    bool shown = is_shown(r) && truthy == (tag->kind == '#');
    r->stack[r->depth++] = (struct section){.name = tag->body,
                                            .name_len = tag->body_len,
                                            .line = tag->line,
                                            .shown = shown};
    return 0;
}

static int close_section(struct render *r, const struct tag *tag,
                         struct err *err)
{
    if (r->depth == 0)
        return err_set(err, ERR_INVALID,
                       "line %zu: {{/%.*s}} closes no section", tag->line,
                       (int)MIN(tag->body_len, 80), tag->body);
    const struct section *top = &r->stack[r->depth - 1];
    if (top->name_len != tag->body_len ||
        memcmp(top->name, tag->body, tag->body_len) != 0)
        return err_set(err, ERR_INVALID,
                       "line %zu: {{/%.*s}} found where section %.*s of line "
                       "%zu must be closed",
                       tag->line, (int)MIN(tag->body_len, 80), tag->body,
                       (int)MIN(top->name_len, 80), top->name, top->line);
    r->depth--;
    return 0;
}

static int set_delimiters(struct render *r, const struct tag *tag,
                          struct err *err)
{
    size_t open_len = 0, at;

    while (open_len < tag->body_len &&
           !isspace((unsigned char)tag->body[open_len]))
        open_len++;
    at = open_len;
    while (at < tag->body_len && isspace((unsigned char)tag->body[at]))
        at++;
    size_t close_len = tag->body_len - at;
    if (!open_len || !close_len || open_len > MAX_DELIMITER ||
        close_len > MAX_DELIMITER || memchr(tag->body, '=', tag->body_len))
        return fail(tag->line, err, "a set-delimiter tag is malformed");
    memcpy(r->open, tag->body, open_len);
    r->open[open_len] = '\0';
    memcpy(r->close, tag->body + at, close_len);
    r->close[close_len] = '\0';
    return 0;
}

static int apply_tag(struct render *r, const struct tag *tag, struct err *err)
{
    switch (tag->kind) {
    case '#':
    case '^':
        return open_section(r, tag, err);
    case '/':
        return close_section(r, tag, err);
    case '=':
        return set_delimiters(r, tag, err);
    case '>':
        return fail(tag->line, err, "partials ({{>name}}) are unsupported");
    case '!':
        return 0;
    default:
        render_value(r, tag);
        return 0;
    }
}

static int render_tag(struct render *r, size_t begin, struct err *err)
{
    struct tag tag;
    size_t line_begin, next;

    if (read_tag(r, begin, &tag, err) < 0)
        return -1;
    bool alone = stands_alone(r, &tag, &line_begin, &next);
    advance(r, alone ? MAX(line_begin, r->pos) : begin, true);
    advance(r, begin, false);
    if (apply_tag(r, &tag, err) < 0)
        return -1;
    advance(r, alone ? next : tag.end, false);
    if (r->out->text.len > MAX_OUTPUT)
        return fail(tag.line, err, "the rendered text grows past 16 MiB");
    return 0;
}

static int render_all(struct render *r, struct err *err)
{
    const char *tag;

    while ((tag = find(r, r->pos, r->open)) != NULL)
        if (render_tag(r, (size_t)(tag - r->text), err) < 0)
            return -1;
    advance(r, r->len, true);
    if (r->depth == 0)
        return 0;
    const struct section *top = &r->stack[r->depth - 1];
    return err_set(err, ERR_INVALID, "line %zu: section %.*s is never closed",
                   top->line, (int)MIN(top->name_len, 80), top->name);
}

int mustache_render(const char *text, size_t len,
                    const struct mustache_vars *vars,
                    struct mustache_result *result, struct err *err)
{
    struct render r = {.text = text ? text : "",
                       .len = len,
                       .line = 1,
                       .vars = vars,
                       .out = result,
                       .open = "{{",
                       .close = "}}"};

    *result = (struct mustache_result){0};
    if (render_all(&r, err) == 0)
        return 0;
    mustache_result_free(result);
    return -1;
}

void mustache_result_free(struct mustache_result *result)
{
    for (size_t i = 0; i < result->n_missing; i++)
        free(result->missing[i].name);
    free(result->missing);
    free(result->lines);
    buf_free(&result->text);
    *result = (struct mustache_result){0};
}

size_t mustache_line(const struct mustache_result *result, size_t output_line)
{
    if (result->n_lines == 0)
        return 1;
    if (output_line == 0)
        output_line = 1;
    /* The parser may point just behind the last line. */
    return result->lines[MIN(output_line, result->n_lines) - 1];
}
