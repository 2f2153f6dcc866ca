/* SPDX-License-Identifier: Apache-2.0 */
/* http_client - requests and endless streams over libcurl, on our loop
 *
 * The only user of curl.  Sends no Expect, no default Accept or Content-Type;
 * follows no redirect by itself (a 307 is answered to the caller with its
 * Location) and uses no proxy.  HTTP/1.1 only.  Idle connections are kept and
 * used again; a request on one that turns out to be dead is sent again on a new
 * one.
 */
#ifndef REEVE_LIB_HTTP_HTTP_CLIENT_H
#define REEVE_LIB_HTTP_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct loop;
struct http_client;
struct http_request; /* under way */

struct http_client *http_client_new(struct loop *loop);
/* Requests under way are dropped without callbacks.  May be called from a
 * callback. */
void http_client_destroy(struct http_client **client);

struct http_call {
    const char *method; /* "GET", "POST" … */
    const char *url;
    const char *const *headers; /* "Name: value", ends with NULL; may be NULL */
    const void *body;           /* copied; may be NULL */
    size_t body_len;
    /* Whole exchange without the wait in its lane; 0: none (streams). */
    int64_t timeout_ms;
    int64_t connect_timeout_ms; /* 0: 5,000 */
    size_t max_body_bytes;      /* of the answer when not streamed; 0: 64 MiB */
    /* All calls with the same non-zero lane go one after another, in the order
     * given, each after the answer to the one before: order matters to the
     * master. */
    unsigned lane;
    /* With a lane, POST and http://: sent without waiting for the answers to
     * those before, over one connection in their order, and answered in it.  A
     * connection that breaks fails all that are under way. */
    bool pipelined;
    const char *user_password; /* "user:password" for Basic, or NULL */
    const char *ca_file;       /* for https; NULL: the system's */
    bool insecure;             /* https without verification */
};

struct http_answer {
    struct err err; /* ERR_NONE: an answer came, whatever its status */
                    /* ERR_TIMEOUT, ERR_FULL (body too long), ERR_INVALID (bad
                     * URL) or ERR_IO: it did not, or was cut */
    int status;     /* 0 when none came */
    const char *body;
    size_t body_len;
    const char *location;  /* header, or NULL */
    const char *stream_id; /* Mesos-Stream-Id header, or NULL */
    const char *content_type;
};

/* done is called exactly once, never from inside; the request is gone then.
 * The answer is borrowed for the time of the call. */
struct http_request *
http_client_send(struct http_client *client, const struct http_call *call,
                 void (*done)(void *self, const struct http_answer *),
                 void *self);

/* A streamed answer: head once when the status and headers are in, then data
 * for each piece (only when status is 200; other bodies are gathered and come
 * with done), done at the end. */
struct http_stream_events {
    void (*head)(void *self, const struct http_answer *head);
    void (*data)(void *self, const void *data, size_t len);
    void (*done)(void *self, const struct http_answer *answer);
};
struct http_request *http_client_stream(struct http_client *client,
                                        const struct http_call *call,
                                        const struct http_stream_events *events,
                                        void *self);
/* No callback comes after this; sets *request to NULL. NULL is fine. */
void http_request_cancel(struct http_request **request);

/* One exchange without a loop; for the CLI and tests.  Free body with free().
 */
int http_once(const struct http_call *call, int *status, char **body,
              size_t *body_len, struct err *err);

#endif
