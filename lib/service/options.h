/* SPDX-License-Identifier: Apache-2.0 */
/* options - one table gives flags, environment variables and --help (internal)
 *
 * A flag beats the variable REEVE_<NAME>, that beats the variable in `also`,
 * that beats the default.  An empty variable counts as unset.
 */
#ifndef REEVE_LIB_SERVICE_OPTIONS_H
#define REEVE_LIB_SERVICE_OPTIONS_H

#include "lib/service/service.h"

struct buf;
struct options;

/* own may be NULL; common options follow where own does not name them. */
struct options *options_new(const struct service_option *own,
                            const struct service_option *common);
void options_destroy(struct options **options);

enum options_wish {
    OPTIONS_RUN,
    OPTIONS_HELP,    /* --help was given: nothing else was looked at */
    OPTIONS_VERSION, /* --version */
};
/* ERR_INVALID with a text that names the option, the value and what it may
 * be.  getenv_fn: getenv, or a fake. */
int options_read(struct options *options, int argc, char **argv,
                 char *(*getenv_fn)(const char *name), struct err *err);
enum options_wish options_wish(const struct options *options);

/* Table of all options; for --help. */
void options_help(const struct options *options, struct buf *out);

/* What a text about the value begins with: "--port", or the variable it came
 * from, "REEVE_PORT". */
const char *options_source(const struct options *options, const char *name);
const char *options_str(const struct options *options, const char *name);
int64_t options_int(const struct options *options, const char *name);
double options_double(const struct options *options, const char *name);
bool options_bool(const struct options *options, const char *name);
size_t options_list(const struct options *options, const char *name,
                    const char *const **out);

#endif
