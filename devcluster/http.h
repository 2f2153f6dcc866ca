/* SPDX-License-Identifier: Apache-2.0 */
/* http - the master's HTTP endpoints: scheduler API, operator API, plain GETs
 *
 * A shell around the core: turns requests into inputs and outputs into streams.
 * The event of a call may go out before the call's own reply, as with a real
 * master.
 */
#ifndef REEVE_DEVCLUSTER_HTTP_H
#define REEVE_DEVCLUSTER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cluster;
struct err;
struct http;
struct http_auth;
struct http_streams;
struct loop;

struct http_settings {
    const char *address;
    int port; /* 0: any free one */
    /* NULL: everybody may call.  Borrowed; outlives the http. */
    const struct http_auth *auth;
    const char *certificate, *key; /* PEM; NULL: plain HTTP */
    bool auth_operators; /* not only the scheduler API wants credentials */
};
/* ERR_EXISTS: the port is taken. */
struct http *http_new(struct loop *loop, const struct http_settings *settings,
                      struct cluster *cluster, struct err *err);
/* Streams are cut. */
void http_destroy(struct http **http);
int http_port(const struct http *http);

/* Several may serve one cluster: all but cluster_http() answer as masters that
 * do not lead, by 307. */

/* The answers to subscriptions: http_streams.h. */
struct http_streams *http_streams(struct http *http);

/* Everything but the controls answers 503 until then (monotonic). */
void http_unavailable_until(struct http *http, int64_t until_ms);
/* As a master that starts: 404 for the first half of it, then 503. */
void http_start_window(struct http *http, int64_t for_ms);
/* The next so many calls of frameworks are carried out so much later. */
void http_late_calls(struct http *http, uint64_t count, int64_t ms);
/* Those that wait. */
size_t http_late_waiting(const struct http *http);

#endif
