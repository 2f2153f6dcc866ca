/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/service/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"

enum { MAX_NAME = 64, HELP_COLUMN = 28 };

struct value {
    const struct service_option *option;
    bool is_set;  /* by a flag */
    char *source; /* "--port" or "REEVE_PORT": for errors */
    char **items; /* one, or a list's */
    size_t count;
    int64_t number; /* of ints; 0/1 of bools */
    double real;
};

struct options {
    struct value *values;
    size_t count;
    enum options_wish wish;
};

/* ---- the table --------------------------------------------------------- */

static struct value *find(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (strcmp(options->values[i].option->name, name) == 0)
            return &options->values[i];
    return NULL;
}

static void add_table(struct options *options,
                      const struct service_option *table)
{
    for (; table && table->name; table++) {
        ASSERT(strlen(table->name) < MAX_NAME);
        if (find(options, table->name))
            continue;
        options->values = xrealloc(
            options->values, (options->count + 1) * sizeof *options->values);
        options->values[options->count++] = (struct value){.option = table};
    }
}

struct options *options_new(const struct service_option *own,
                            const struct service_option *common)
{
    struct options *options = xcalloc(1, sizeof *options);
    add_table(options, own);
    add_table(options, common);
    return options;
}

static void clear_items(struct value *value)
{
    for (size_t i = 0; i < value->count; i++)
        free(value->items[i]);
    free(value->items);
    free(value->source);
    value->items = NULL;
    value->source = NULL;
    value->count = 0;
}

void options_destroy(struct options **options_p)
{
    struct options *options = *options_p;
    *options_p = NULL;
    if (!options)
        return;
    for (size_t i = 0; i < options->count; i++)
        clear_items(&options->values[i]);
    free(options->values);
    free(options);
}

static void variable_name(const char *name, char out[MAX_NAME + 8])
{
    size_t n = (size_t)snprintf(out, MAX_NAME + 8, "REEVE_");
    for (const char *p = name; *p && n < MAX_NAME + 7; p++)
        out[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    out[n] = '\0';
}

/* ---- values ------------------------------------------------------------ */

static void add_item(struct value *value, const char *text, size_t len)
{
    value->items =
        xrealloc(value->items, (value->count + 1) * sizeof *value->items);
    value->items[value->count++] = xstrndup(text, len);
}

static void add_commas(struct value *value, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, ",");
        if (len > 0)
            add_item(value, text, len);
        text += len + (text[len] == ',');
    }
}

static int bad_value(const struct value *value, const char *text,
                     const char *wanted, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s: \"%s\" is not %s", value->source,
                   text, wanted);
}

static int check_int(struct value *value, const char *text, struct err *err)
{
    const struct service_option *o = value->option;
    bool has_range = o->min != 0 || o->max != 0;
    /* A unit, not the name of the value: "N", "PORT". */
    const char *unit =
        o->unit && islower((unsigned char)*o->unit) ? o->unit : NULL;
    char wanted[128] = "a whole number";
    if (has_range)
        snprintf(wanted, sizeof wanted,
                 "a whole number from %" PRId64 " to %" PRId64 "%s%s", o->min,
                 o->max, unit ? " " : "", str_or_empty(unit));
    if (!parse_i64(text, &value->number) ||
        (has_range && (value->number < o->min || value->number > o->max)))
        return bad_value(value, text, wanted, err);
    return 0;
}

static int check_bool(struct value *value, const char *text, struct err *err)
{
    static const char *const names[] = {"false", "no",  "0", "off",
                                        "true",  "yes", "1", "on"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcasecmp(text, names[i]) != 0)
            continue;
        value->number = i >= ARRAY_LEN(names) / 2;
        return 0;
    }
    return bad_value(value, text, "true or false", err);
}

static int check_value(struct value *value, struct err *err)
{
    const char *text = value->count ? value->items[0] : "";
    switch (value->option->type) {
    case OPTION_STRING:
    case OPTION_LIST:
        return 0;
    case OPTION_INT:
        return check_int(value, text, err);
    case OPTION_DOUBLE:
        if (!parse_double(text, &value->real))
            return bad_value(value, text, "a number", err);
        return 0;
    case OPTION_BOOL:
        return check_bool(value, text, err);
    }
    return 0;
}

/* ---- flags ------------------------------------------------------------- */

static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t row[MAX_NAME + 1];
    if (la > MAX_NAME || lb > MAX_NAME)
        return MAX_NAME;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[lb];
}

static int unknown_flag(const struct options *options, const char *name,
                        struct err *err)
{
    const char *nearest = "help";
    for (size_t i = 0; i < options->count; i++) {
        const char *other = options->values[i].option->name;
        if (distance(name, other) < distance(name, nearest))
            nearest = other;
    }
    return err_set(err, ERR_INVALID,
                   "--%s: no such option; did you mean --%s? (--help lists "
                   "them all)",
                   name, nearest);
}

static void take_flag(struct value *value, const char *text)
{
    if (!value->is_set || value->option->type != OPTION_LIST) {
        clear_items(value);
        value->source = xasprintf("--%s", value->option->name);
    }
    value->is_set = true;
    add_item(value, text, strlen(text));
}

/* *at is the flag; moved on over its value. */
static int read_flag(struct options *options, char **argv, int *at,
                     struct err *err)
{
    const char *arg = argv[*at];
    if (!str_starts(arg, "--") || !arg[2])
        return err_set(err, ERR_INVALID,
                       "\"%s\": unexpected argument; options begin with --",
                       arg);
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg - 2) : strlen(arg + 2);
    AUTO_FREE char *name = xstrndup(arg + 2, len);
    struct value *value = find(options, name);
    if (!value)
        return unknown_flag(options, name, err);
    if (equals)
        take_flag(value, equals + 1);
    else if (value->option->type == OPTION_BOOL)
        take_flag(value, "true");
    else if (argv[*at + 1])
        take_flag(value, argv[++*at]);
    else
        return err_set(err, ERR_INVALID, "--%s: a value must follow", name);
    return 0;
}

/* ---- environment and defaults ------------------------------------------ */

static void take_text(struct value *value, const char *source, const char *text)
{
    value->source = xstrdup(source);
    if (value->option->type == OPTION_LIST)
        add_commas(value, text);
    else
        add_item(value, text, strlen(text));
}

static void take_default(struct value *value)
{
    AUTO_FREE char *flag = xasprintf("--%s", value->option->name);
    take_text(value, flag, value->option->fallback);
}

/* The first of the variables named in `also` ("A" or "A,B") that is set. */
static const char *also_text(const char *also, char *(*getenv_fn)(const char *),
                             const char **name)
{
    static char part[MAX_NAME];
    while (also && *also) {
        size_t len = strcspn(also, ",");
        ASSERT(len < sizeof part);
        memcpy(part, also, len);
        part[len] = '\0';
        const char *text = getenv_fn(part);
        *name = part;
        if (text && *text)
            return text;
        also += len + (also[len] == ',');
    }
    return NULL;
}

static int fill(struct value *value, char *(*getenv_fn)(const char *),
                struct err *err)
{
    const struct service_option *o = value->option;
    char variable[MAX_NAME + 8];
    variable_name(o->name, variable);
    const char *text = getenv_fn(variable);
    const char *also_name = NULL,
               *also = also_text(o->also, getenv_fn, &also_name);
    if (value->is_set)
        return 0;
    if (text && *text)
        take_text(value, variable, text);
    else if (also)
        take_text(value, also_name, also);
    else if (o->fallback)
        take_default(value);
    else
        return err_set(err, ERR_INVALID, "--%s (or %s) must be given: %s",
                       o->name, variable, o->help);
    return 0;
}

int options_read(struct options *options, int argc, char **argv,
                 char *(*getenv_fn)(const char *name), struct err *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            options->wish = OPTIONS_HELP;
        else if (strcmp(argv[i], "--version") == 0)
            options->wish = OPTIONS_VERSION;
        if (options->wish != OPTIONS_RUN)
            return 0;
    }
    for (int i = 1; i < argc; i++)
        if (read_flag(options, argv, &i, err) < 0)
            return -1;
    for (size_t i = 0; i < options->count; i++)
        if (fill(&options->values[i], getenv_fn, err) < 0 ||
            check_value(&options->values[i], err) < 0)
            return -1;
    return 0;
}

enum options_wish options_wish(const struct options *options)
{
    return options->wish;
}

/* ---- help -------------------------------------------------------------- */

static void help_one(const struct service_option *o, struct buf *out)
{
    static const char *const type_units[] = {"TEXT", "N", "NUMBER", "", "TEXT"};
    char left[MAX_NAME * 2], variable[MAX_NAME + 8];
    const char *unit = o->unit ? o->unit : type_units[o->type];
    variable_name(o->name, variable);
    snprintf(left, sizeof left, "  --%s%s%s", o->name, *unit ? " " : "", unit);
    buf_addf(out, "%-*s", HELP_COLUMN, left);
    if (strlen(left) >= HELP_COLUMN)
        buf_addf(out, "\n%*s", HELP_COLUMN, "");
    buf_addf(out, "%s\n%*s(", o->help, HELP_COLUMN, "");
    if (!o->fallback)
        buf_add_str(out, "required; ");
    else if (*o->fallback)
        buf_addf(out, "default %s; ", o->fallback);
    if (o->type == OPTION_INT && (o->min || o->max))
        buf_addf(out, "%" PRId64 " to %" PRId64 "; ", o->min, o->max);
    if (o->type == OPTION_LIST)
        buf_add_str(out, "may be repeated; ");
    buf_addf(out, "%s%s%s)\n", variable, o->also ? " or " : "",
             str_or_empty(o->also));
}

void options_help(const struct options *options, struct buf *out)
{
    for (size_t i = 0; i < options->count; i++)
        help_one(options->values[i].option, out);
}

/* ---- reading ----------------------------------------------------------- */

static const struct value *get(const struct options *options, const char *name,
                               enum option_type type)
{
    const struct value *value = find(options, name);
    ASSERT(value && value->option->type == type);
    return value;
}

const char *options_source(const struct options *options, const char *name)
{
    const struct value *value = find(options, name);
    ASSERT(value && value->source);
    return value->source;
}

const char *options_str(const struct options *options, const char *name)
{
    const struct value *value = get(options, name, OPTION_STRING);
    return value->count ? value->items[0] : "";
}

int64_t options_int(const struct options *options, const char *name)
{
    return get(options, name, OPTION_INT)->number;
}

double options_double(const struct options *options, const char *name)
{
    return get(options, name, OPTION_DOUBLE)->real;
}

bool options_bool(const struct options *options, const char *name)
{
    return get(options, name, OPTION_BOOL)->number != 0;
}

size_t options_list(const struct options *options, const char *name,
                    const char *const **out)
{
    const struct value *value = get(options, name, OPTION_LIST);
    *out = (const char *const *)value->items;
    return value->count;
}
