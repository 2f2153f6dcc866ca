/* SPDX-License-Identifier: Apache-2.0 */
/* http_plain - the endpoints beside the v1 API: /state, /slaves, /reserve …
 *
 * What they change they change by the operator calls they stand for
 * (plain_calls.h).
 */
#ifndef REEVE_DEVCLUSTER_HTTP_PLAIN_H
#define REEVE_DEVCLUSTER_HTTP_PLAIN_H

#include <jansson.h>
#include <stdbool.h>

#include "devcluster/http_rules.h"

struct cluster;
struct httpd_request;

struct http_plain;
/* NULL: no such endpoint. */
const struct http_plain *http_plain_find(const char *path);
/* Answered by every master, to anybody. */
bool http_plain_is_own(const struct http_plain *plain);
void http_plain_answer(const struct http_plain *plain, struct cluster *cluster,
                       struct httpd_request *request);

/* Takes json; ?jsonp= is honoured. */
void http_reply_json(struct httpd_request *request, json_t *json);
struct http_given http_given_of(struct httpd_request *request);

#endif
