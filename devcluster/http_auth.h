/* SPDX-License-Identifier: Apache-2.0 */
/* http_auth - who may speak: HTTP basic with the principals of a file
 *
 * Pure but for reading the file.  The scheme is "Basic", exactly so, and the
 * decoded text has exactly one colon, as with a real master.
 */
#ifndef REEVE_DEVCLUSTER_HTTP_AUTH_H
#define REEVE_DEVCLUSTER_HTTP_AUTH_H

struct err;
struct http_auth;

/* {"credentials":[{"principal":"p","secret":"s"},…]}. */
struct http_auth *http_auth_load(const char *path, struct err *err);
struct http_auth *http_auth_parse(const char *text, struct err *err);
void http_auth_destroy(struct http_auth **auth);

/* The principal that the Authorization header (NULL: none) proves, borrowed
 * from auth; NULL: none. */
const char *http_auth_principal(const struct http_auth *auth,
                                const char *header);

#endif
