/* SPDX-License-Identifier: Apache-2.0 */
/* pipe - many requests under way on one kept connection, answered in order
 *
 * Private to lib/http: what http_client does with calls that may be pipelined.
 * One pipe goes to one origin over plain HTTP/1.1, which wants the answers in
 * the order of the requests.  Requests wait while it connects; a connection
 * that breaks fails all that are under way, none is sent again.  An idle one is
 * closed before the server would do it, and opened again when it is needed.
 */
#ifndef REEVE_LIB_HTTP_PIPE_H
#define REEVE_LIB_HTTP_PIPE_H

#include <stdbool.h>

#include "lib/http/http_client.h"

struct loop;
struct pipe;
struct piped; /* one request */

struct pipe_owner {
    struct loop *loop;
    /* Asks for a connection: pipe_connected or pipe_refused answers, later. */
    void (*connect)(void *self, struct pipe *pipe);
    /* Told once for each request that was not cancelled; it is gone then. The
     * callee may send, cancel and destroy. */
    void (*done)(void *of_request, const struct http_answer *answer);
    void *self;
};

/* May this call go through a pipe? */
bool pipe_takes(const struct http_call *call);
/* "http://host:port" of a URL, malloc'd. */
char *pipe_origin(const char *url);

struct pipe *pipe_new(const struct pipe_owner *owner, const char *origin);
/* Requests under way are dropped without a word. */
void pipe_destroy(struct pipe **pipe);
const char *pipe_url(const struct pipe *pipe);

struct piped *pipe_send(struct pipe *pipe, const struct http_call *call,
                        void *of_request);
/* One that is sent already is answered all the same, and nobody is told. */
void pipe_cancel(struct piped **piped);

/* Takes the connected, non-blocking descriptor. */
void pipe_connected(struct pipe *pipe, int fd);
void pipe_refused(struct pipe *pipe, const struct err *err);

#endif
