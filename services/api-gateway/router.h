/* SPDX-License-Identifier: Apache-2.0 */
/* router - method and path to an entry of a table; pure
 *
 * A pattern is a path whose parts may be "{}": any one part, kept as a
 * parameter.
 */
#ifndef REEVE_API_GATEWAY_ROUTER_H
#define REEVE_API_GATEWAY_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

enum { ROUTER_MAX_PARAMS = 4, ROUTER_MAX_PARAM_BYTES = 512 };

struct router_params {
    char text[ROUTER_MAX_PARAMS][ROUTER_MAX_PARAM_BYTES];
    size_t n;
};

/* A part that is too long or one too many does not match. */
bool router_match(const char *pattern, const char *path,
                  struct router_params *out);

/* "/v1/service/<name>/rest" gives "/v1/rest" and the name; other paths are
 * copied as they are and leave name empty.  false: too long. */
bool router_split_service(const char *path, char *name, size_t name_size,
                          char *rest, size_t rest_size);

#endif
