/* SPDX-License-Identifier: Apache-2.0 */
/* plan - see plan.h */
#include "bootstrap/plan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"

#define MAX_WAIT_S 1e6

enum kind { BOOL, TEXT, WHOLE, DURATION, ACCEPTED };

static const struct flag {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *initial, *help;
} flags[] = {
    {"verbose", BOOL, offsetof(struct plan, is_verbose), "false",
     "tell each step"},
    {"print-env", BOOL, offsetof(struct plan, prints_env), "true",
     "print the environment; what looks like a secret is masked"},
    {"resolve", BOOL, offsetof(struct plan, resolves), "true",
     "wait until names resolve"},
    {"self-resolve", BOOL, offsetof(struct plan, resolves_self), "true",
     "wait for $TASK_NAME.$FRAMEWORK_HOST"},
    {"resolve-hosts", TEXT, offsetof(struct plan, hosts), "",
     "further names to wait for, separated by commas"},
    {"resolve-timeout", DURATION, offsetof(struct plan, resolve_for_ms), "5m",
     "how long to wait for names; 0: for ever"},
    {"template", BOOL, offsetof(struct plan, renders), "true",
     "render the templates that CONFIG_TEMPLATE_* variables name"},
    {"template-max-bytes", WHOLE, offsetof(struct plan, max_template_bytes),
     "1048576", "size of the largest template; 0: no bound"},
    {"install-certs", BOOL, offsetof(struct plan, installs_certs), "true",
     "add .ssl/ca-bundle.crt to the JRE's certificates"},
    {"get-task-ip", BOOL, offsetof(struct plan, prints_ip), "false",
     "print the task's address and end"},
    {"insecure", ACCEPTED, 0, "false", "accepted, means nothing"},
    {"help", BOOL, offsetof(struct plan, prints_help), "false",
     "print this text and end"},
};

static bool read_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (!str_eq(text, yes[i]) && !str_eq(text, no[i]))
            continue;
        *out = str_eq(text, yes[i]);
        return true;
    }
    return false;
}

/* "1m30s", "500ms", "0" */
static bool read_duration(const char *text, int64_t *out)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"h", 3600e3}, {"m", 60e3}, {"s", 1e3}};
    double sum = 0;

    if (str_eq(text, "0")) {
        *out = 0;
        return true;
    }
    while (*text) {
        size_t len = strspn(text, "0123456789."), unit = 0;
        AUTO_FREE char *number = xstrndup(text, len);
        double value;

        while (unit < ARRAY_LEN(units) &&
               !str_starts(text + len, units[unit].unit))
            unit++;
        if (len == 0 || unit == ARRAY_LEN(units) ||
            !parse_double(number, &value))
            return false;
        sum += value * units[unit].ms;
        if (sum > MAX_WAIT_S * 1000)
            return false;
        text += len + strlen(units[unit].unit);
    }
    *out = (int64_t)sum;
    return true;
}

static bool set(struct plan *plan, const struct flag *flag, const char *text)
{
    char *at = (char *)plan + flag->offset;
    bool ignored;

    switch (flag->kind) {
    case BOOL:
        return read_bool(text, (bool *)(void *)at);
    case TEXT:
        *(const char **)(void *)at = text;
        return true;
    case WHOLE:
        return parse_i64(text, (int64_t *)(void *)at) &&
               *(int64_t *)(void *)at >= 0;
    case DURATION:
        return read_duration(text, (int64_t *)(void *)at);
    case ACCEPTED:
        return read_bool(text, &ignored);
    }
    return false;
}

static const struct flag *find(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (strlen(flags[i].name) == len &&
            strncmp(flags[i].name, name, len) == 0)
            return &flags[i];
    return NULL;
}

int plan_read(struct plan *plan, int argc, char *const *argv, struct err *err)
{
    *plan = (struct plan){0};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        ASSERT(set(plan, &flags[i], flags[i].initial));
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + (str_starts(argv[i], "--") ? 2 : 1);
        size_t len = strcspn(name, "=");
        const struct flag *flag = find(name, len);
        const char *value = name[len] ? name + len + 1 : NULL;

        if (argv[i][0] != '-')
            return err_set(err, ERR_INVALID, "'%s' is not a flag", argv[i]);
        if (!flag)
            return err_set(err, ERR_INVALID, "-%.*s is not known", (int)len,
                           name);
        if (!value && (flag->kind == BOOL || flag->kind == ACCEPTED))
            value = "true";
        if (!value && ++i < argc)
            value = argv[i];
        if (!value)
            return err_set(err, ERR_INVALID, "-%s needs a value", flag->name);
        if (!set(plan, flag, value))
            return err_set(err, ERR_INVALID, "-%s: '%s' makes no sense",
                           flag->name, value);
    }
    return 0;
}

char *plan_usage(void)
{
    struct buf out = {0};

    buf_add_str(&out, "bootstrap: prepares a task's sandbox\n\n");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        buf_addf(&out, "  -%-20s %s (%s)\n", flags[i].name, flags[i].help,
                 *flags[i].initial ? flags[i].initial : "none");
    return buf_take(&out, NULL);
}

bool plan_is_secret(const char *name)
{
    static const char *const words[] = {"CREDENTIAL", "PASSWORD", "SECRET",
                                        "TOKEN"};
    AUTO_FREE char *upper = xstrdup(name);

    for (char *c = upper; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strstr(upper, words[i]))
            return true;
    return false;
}

bool plan_template(const char *variable, char **from, char **to)
{
    const char *value = strchr(variable, '=');
    const char *comma = value ? strchr(value, ',') : NULL;

    *from = *to = NULL;
    if (!str_starts(variable, "CONFIG_TEMPLATE_") || !value)
        return false;
    if (!comma || comma == value + 1 || !comma[1] || strchr(comma + 1, ','))
        return true;
    *from = xstrndup(value + 1, (size_t)(comma - value - 1));
    *to = xstrdup(comma + 1);
    return true;
}

const char *plan_env(char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (; *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}
