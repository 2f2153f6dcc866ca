/* SPDX-License-Identifier: Apache-2.0 */
/* header - one line of a head
 *
 * Private to lib/http.
 */
#ifndef REEVE_LIB_HTTP_HEADER_H
#define REEVE_LIB_HTTP_HEADER_H

#include <stddef.h>

/* Value of the header when line is "name: value", malloc'd; else NULL. */
char *header_value(const char *line, size_t len, const char *name);
/* Puts the value, when it is that header, in place of the former one. */
void header_keep(char **slot, const char *line, size_t len, const char *name);

#endif
