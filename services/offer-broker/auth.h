/* SPDX-License-Identifier: Apache-2.0 */
/* auth - what every call to the master carries to be let in, and TLS
 *
 * One of: nothing; HTTP basic with the principal and a secret; a bearer token
 * from a file (read again when the master refuses it); a DC/OS service account,
 * whose token is fetched at its login endpoint, and again before it ends and
 * when the master refuses it.  Secrets come from files or the environment,
 * never from the command line, and are never logged.
 */
#ifndef REEVE_OFFER_BROKER_AUTH_H
#define REEVE_OFFER_BROKER_AUTH_H

#include <stdbool.h>

struct err;
struct auth;
struct broker;
struct http_call;

/* From the broker's options and environment.  NULL with ERR_INVALID. */
struct auth *auth_new(struct broker *broker, struct err *err);
void auth_destroy(struct auth **auth);
/* Begins to log in where that is needed. */
void auth_start(struct auth *auth);

/* May calls be made?  else *why says what is waited for; borrowed. */
bool auth_is_ready(const struct auth *auth, const char **why);
/* "Authorization: …" for a service's principal, malloc'd; NULL: none. */
char *auth_header(const struct auth *auth, const char *principal);
/* Fills ca_file and insecure. */
void auth_trust(const struct auth *auth, struct http_call *call);
/* The master answered 401. */
void auth_refused(struct auth *auth);
/* A subscription was accepted. */
void auth_accepted(struct auth *auth);

#endif
