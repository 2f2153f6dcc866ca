/* SPDX-License-Identifier: Apache-2.0 */
/* exchange - what httpd.c and stream.c share: the server and one exchange
 *
 * Private to lib/httpd.  Life of an exchange: MHD calls us with the head, then
 * with pieces of the body, then with nothing left: the handler runs.  Unless it
 * answered, the connection is suspended until somebody does.  MHD tells when
 * all is over; only then the exchange is freed.
 */
#ifndef REEVE_LIB_HTTPD_EXCHANGE_H
#define REEVE_LIB_HTTPD_EXCHANGE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/httpd/httpd.h"

struct loop;

struct httpd {
    struct loop *loop;
    struct MHD_Daemon *daemon;
    int epoll_fd, port;
    size_t max_body_bytes;
    void (*handle)(void *self, struct httpd_request *request);
    void *self;
    uint64_t timer;   /* MHD's next time-out */
    uint64_t soon;    /* a run owed after this turn of the loop */
    bool is_running;  /* inside MHD_run */
    bool is_stopping; /* no more callbacks */
    struct httpd_request *first;
};

struct httpd_request {
    struct httpd *server;
    struct MHD_Connection *connection;
    struct httpd_request *next, **link; /* all of the server's */
    char *method, *path;
    char peer[64];
    struct buf body;
    size_t dropped_bytes; /* of a body past the bound */
    bool was_handled;     /* the handler has been called */
    bool is_in_handler;
    bool is_suspended;
    bool was_answered;
    struct MHD_Response *response; /* answered but not yet handed to MHD */
    int status;
    struct httpd_stream *stream; /* owned; NULL for plain answers */
};

/* Stores the answer and has MHD send it. */
void exchange_answer(struct httpd_request *request, int status,
                     struct MHD_Response *response, const char *content_type,
                     const char *const *headers);
/* Wakes the connection if it sleeps. */
void exchange_wake(struct httpd_request *request);
void exchange_suspend(struct httpd_request *request);

/* The exchange is over: calls closed if it is still owed, frees the stream. */
void stream_end(struct httpd_stream *stream);

#endif
