/* SPDX-License-Identifier: Apache-2.0 */
/* plan - what a bootstrap run shall do, from its arguments and environment
 *
 * Pure.  The flags are those of the DC/OS SDK's bootstrap, in the manner of Go:
 * "-name", "--name", "-name=value", "-name value" (not for booleans).
 */
#ifndef REEVE_BOOTSTRAP_PLAN_H
#define REEVE_BOOTSTRAP_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct plan {
    bool is_verbose;
    bool prints_env;
    bool resolves;          /* waits for names at all */
    bool resolves_self;     /* waits for its own name */
    const char *hosts;      /* further names, separated by commas; or NULL */
    int64_t resolve_for_ms; /* 0: for ever */
    bool renders;
    int64_t max_template_bytes; /* 0: no bound */
    bool installs_certs;
    bool prints_ip; /* only that */
    bool prints_help;
};

/* ERR_INVALID with what is wrong. Borrows from argv. */
int plan_read(struct plan *plan, int argc, char *const *argv, struct err *err);
/* All flags with their defaults, for people; malloc'd. */
char *plan_usage(void);

/* Does a variable of that name hold a secret, by its looks? */
bool plan_is_secret(const char *name);

/* One variable "CONFIG_TEMPLATE_X=from,to".  false: it is another variable.
 * from NULL: it is malformed.  malloc'd. */
bool plan_template(const char *variable, char **from, char **to);

/* The value of a variable in an environment; NULL: unset. */
const char *plan_env(char *const *env, const char *name);

#endif
