/* SPDX-License-Identifier: Apache-2.0 */
/* jwt - the tokens of a DC/OS service account
 *
 * Pure: time comes in, nothing is sent.  A service account proves itself with a
 * short-lived login token that it signs itself (RS256); what it gets for it is
 * again such a token, whose expiry is read here and whose signature is not ours
 * to check.
 */
#ifndef REEVE_OFFER_BROKER_JWT_H
#define REEVE_OFFER_BROKER_JWT_H

#include <stddef.h>
#include <stdint.h>

struct err;

struct service_account {
    char *uid;
    char *private_key; /* PEM */
    char *login_endpoint;
};

/* DCOS_SERVICE_ACCOUNT_CREDENTIAL: {"scheme": "RS256", "uid": …,
 * "private_key": …, "login_endpoint": …}.  NULL with ERR_INVALID; the text
 * never shows the key. */
struct service_account *service_account_parse(const char *json,
                                              struct err *err);
void service_account_destroy(struct service_account **account);

/* Signed {"uid": …, "exp": expires_s}; malloc'd. */
char *jwt_login_token(const struct service_account *account, int64_t expires_s,
                      struct err *err);
/* Body of the login call; malloc'd. */
char *jwt_login_body(const struct service_account *account,
                     const char *login_token, int64_t expires_s);
/* "token" of the login's answer; malloc'd, NULL with ERR_INVALID. */
char *jwt_login_answer(const char *body, size_t len, struct err *err);

/* "exp" of a token in seconds since 1970; 0 when it names none. */
int64_t jwt_expires_s(const char *token);
/* How long to wait before a new token is asked for: well before the old one's
 * end, never hot. */
int64_t jwt_renew_ms(int64_t expires_s, int64_t now_wall_ms);

/* Without padding, with - and _; malloc'd. */
char *base64url_encode(const void *data, size_t len);
/* malloc'd and NUL-terminated; NULL when it is none. */
char *base64url_decode(const char *text, size_t len, size_t *out_len);

#endif
