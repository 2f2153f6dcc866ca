/* SPDX-License-Identifier: Apache-2.0 */
/* names - names inside lib/spec; the public ones are in spec.h */
#ifndef REEVE_LIB_SPEC_NAMES_H
#define REEVE_LIB_SPEC_NAMES_H

#include <stdbool.h>

/* Whether a service (slashes allowed), pod or task may be called so; what is
 * allowed otherwise in *why.  Double underscores are the caller's to refuse:
 * each has its own text. */
bool spec_name_is_valid(const char *name, bool may_have_slash,
                        const char **why);
/* "/a/b" gives "a__b-role". */
char *spec_role(const char *service_name);

#endif
