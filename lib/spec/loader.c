/* SPDX-License-Identifier: Apache-2.0 */
/* loader - places, errors and warnings */
#include "lib/spec/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/wire/pb.h"

#define MAX_NAMED 5 /* unset variables named in one error */

size_t load_enter(struct loader *l, const char *key)
{
    size_t mark = l->path.len;

    if (mark && *key != '[')
        buf_add_char(&l->path, '.');
    buf_add_str(&l->path, key);
    return mark;
}

void load_leave(struct loader *l, size_t mark)
{
    if (l->path.len <= mark)
        return;
    l->path.len = mark;
    l->path.data[mark] = '\0';
}

/* Names the unset variables of this line, or else of the whole file: an empty
 * value is most often why the YAML went wrong. */
static void add_missing(const struct loader *l, size_t line, struct buf *out)
{
    const struct mustache_result *r = l->rendered;
    bool here = false;
    size_t named = 0;

    for (size_t i = 0; i < r->n_missing; i++)
        here = here || r->missing[i].line == line;
    for (size_t i = 0; i < r->n_missing; i++) {
        if (here && r->missing[i].line != line)
            continue;
        if (named++ == MAX_NAMED) {
            buf_add_str(out, ", …");
            return;
        }
        buf_addf(out, "%s%.100s is not set (line %zu)",
                 named == 1 ? "; " : ", ", r->missing[i].name,
                 r->missing[i].line);
    }
}

static void add_place(const struct loader *l, size_t line, struct buf *out)
{
    buf_addf(out, "%s:%zu: ", l->source->path, line);
    if (l->path.len)
        buf_addf(out, "%.300s: ", buf_text(&l->path));
}

static int fail_at(struct loader *l, size_t output_line, const char *text)
{
    AUTO_BUF struct buf out = {0};
    size_t line = mustache_line(l->rendered, output_line);

    add_place(l, line, &out);
    buf_add_str(&out, text);
    add_missing(l, line, &out);
    return err_set(l->err, ERR_INVALID, "%s", buf_text(&out));
}

#define FORMAT(name, fmt)                                                      \
    char name[600];                                                            \
    va_list ap;                                                                \
    va_start(ap, fmt);                                                         \
    vsnprintf(name, sizeof(name), fmt, ap);                                    \
    va_end(ap)

int load_fail(struct loader *l, const struct yaml_node *at, const char *fmt,
              ...)
{
    FORMAT(text, fmt);
    return fail_at(l, at ? at->line : 1, text);
}

int load_fail_line(struct loader *l, size_t line, const char *fmt, ...)
{
    FORMAT(text, fmt);
    return fail_at(l, line, text);
}

void load_warn(struct loader *l, const struct yaml_node *at, const char *fmt,
               ...)
{
    AUTO_BUF struct buf out = {0};

    FORMAT(text, fmt);
    add_place(l, mustache_line(l->rendered, at ? at->line : 1), &out);
    buf_add_str(&out, text);
    PB_ADD(l->spec, warnings, buf_take(&out, NULL));
}

void load_note(struct loader *l, const char *fmt, ...)
{
    FORMAT(text, fmt);
    PB_ADD(l->spec, warnings, xstrdup(text));
}
