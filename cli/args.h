/* SPDX-License-Identifier: Apache-2.0 */
/* args - tells flags from words on a command line; pure
 *
 * Flags may stand anywhere; what follows "--" are words.  Short forms: -o is
 * --output, -p --params, -t --tasks, -h --help.
 */
#ifndef REEVE_CLI_ARGS_H
#define REEVE_CLI_ARGS_H

#include <stddef.h>

struct service_option;

struct args {
    char **words; /* borrowed from argv */
    size_t n_words;
    char **flags; /* argv[0], then flags in their long form, NULL at the end */
    size_t n_flags;
};

/* tables: option tables (NULL at the end) that tell which flags take a value;
 * an unknown flag is taken to have none: options_read will refuse it. */
void args_split(int argc, char **argv,
                const struct service_option *const *tables, struct args *out);
void args_free(struct args *args);

#endif
