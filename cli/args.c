/* SPDX-License-Identifier: Apache-2.0 */
/* args - splits a command line */
#include "cli/args.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/service/service.h"

static const char *const short_forms[][2] = {{"-o", "--output"},
                                             {"-p", "--params"},
                                             {"-t", "--tasks"},
                                             {"-h", "--help"}};

static char *long_form(char *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(short_forms); i++)
        if (strcmp(arg, short_forms[i][0]) == 0)
            return (char *)(uintptr_t)short_forms[i][1];
    return arg;
}

static bool takes_value(const struct service_option *const *tables,
                        const char *flag)
{
    if (strchr(flag, '='))
        return false;
    for (; *tables; tables++)
        for (const struct service_option *o = *tables; o->name; o++)
            if (strcmp(o->name, flag + 2) == 0)
                return o->type != OPTION_BOOL;
    return false;
}

void args_split(int argc, char **argv,
                const struct service_option *const *tables, struct args *out)
{
    bool only_words = false;

    out->words = xcalloc((size_t)argc + 1, sizeof(char *));
    out->flags = xcalloc((size_t)argc + 1, sizeof(char *));
    out->n_words = 0;
    out->n_flags = 1;
    out->flags[0] = argv[0];
    for (int i = 1; i < argc; i++) {
        char *arg = long_form(argv[i]);
        if (only_words || arg[0] != '-' || !arg[1]) {
            out->words[out->n_words++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_words = true;
            continue;
        }
        out->flags[out->n_flags++] = arg;
        if (str_starts(arg, "--") && takes_value(tables, arg) && i + 1 < argc)
            out->flags[out->n_flags++] = argv[++i];
    }
}

void args_free(struct args *args)
{
    free(args->words);
    free(args->flags);
    *args = (struct args){0};
}
