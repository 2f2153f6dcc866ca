/* SPDX-License-Identifier: Apache-2.0 */
/* gateway - requests of the CLI to the suite's HTTP API */
#ifndef REEVE_CLI_GATEWAY_H
#define REEVE_CLI_GATEWAY_H

#include <jansson.h>
#include <stddef.h>

struct cli;
struct err;

struct gateway_reply {
    int status;
    char *body;
    size_t len;
    char *url;
};
void gateway_reply_free(struct gateway_reply *reply);
#define AUTO_REPLY __attribute__((cleanup(gateway_reply_free)))

/* The address of the API, from --url or the run dir's suite.json; malloc'd.
 * NULL with *err. */
char *gateway_base(const struct cli *cli, struct err *err);

/* path: "/v1/plans/deploy"; put below /v1/service/<name> when --service is
 * given. body may be NULL. -1: no answer, *err says why. */
int gateway_call(const struct cli *cli, const char *method, const char *path,
                 const char *body, struct gateway_reply *out, struct err *err);

/* EXIT_OK for an answer that is a success, else prints what went wrong and
 * gives the exit code.  202 and 417 of a plan are successes. */
int gateway_check(const struct cli *cli, const char *method,
                  const struct gateway_reply *reply);

/* Both, printing all errors. */
int gateway_request(const struct cli *cli, const char *method, const char *path,
                    const char *body, struct gateway_reply *out);

/* The text with all but unreserved characters as %XX; malloc'd. */
char *gateway_quote(const char *text);

#endif
