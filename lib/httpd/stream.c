/* SPDX-License-Identifier: Apache-2.0 */
/* stream - endless chunked answers
 *
 * MHD asks for bytes when it can send some; when there are none the connection
 * sleeps, and a sleeping connection is not looked at by MHD.  So a second
 * descriptor of the same socket hangs on the loop and sees the client go.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/httpd/exchange.h"
#include "lib/httpd/httpd.h"
#include "lib/loop/loop.h"

#define MAX_BACKLOG ((size_t)64 << 20)
enum { BLOCK_BYTES = 32 << 10, POLL_MS = 500 };

/* What one httpd_stream_send brought, so that it leaves as one chunk. */
struct piece {
    struct piece *next;
    size_t len, sent;
    char data[];
};

struct httpd_stream {
    struct httpd_request *request;
    void (*closed)(void *self); /* NULL: no longer owed */
    void *self;
    struct piece *first, **last;
    size_t backlog;
    bool is_closing; /* end after the last piece */
    bool is_cut;     /* end now */
    int watch_fd;    /* -1: not watched */
    uint64_t poll_timer;
};

static void unwatch(struct httpd_stream *s)
{
    struct loop *loop = s->request->server->loop;
    loop_timer_cancel(loop, s->poll_timer);
    s->poll_timer = 0;
    if (s->watch_fd < 0)
        return;
    loop_fd_remove(loop, s->watch_fd);
    close(s->watch_fd);
    s->watch_fd = -1;
}

/* No byte goes out any more; MHD cleans up in its next run. */
static void cut(struct httpd_stream *s)
{
    s->is_cut = true;
    if (s->watch_fd >= 0)
        shutdown(s->watch_fd, SHUT_RDWR);
    unwatch(s);
    exchange_wake(s->request);
}

static void tell_closed(struct httpd_stream *s)
{
    void (*closed)(void *self) = s->closed;
    s->closed = NULL;
    if (closed && !s->request->server->is_stopping)
        closed(s->self);
}

/* ---- is the client still there? ---- */
static void on_poll(void *self)
{
    struct httpd_stream *s = self;
    struct pollfd p = {.fd = s->watch_fd, .events = POLLRDHUP};
    if (poll(&p, 1, 0) <= 0)
        return;
    cut(s);
    tell_closed(s);
}

static void on_readable(void *self, int fd, int events UNUSED)
{
    struct httpd_stream *s = self;
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        cut(s);
        tell_closed(s);
        return;
    }
    /* It sent more, which nobody reads before the stream ends: readable would
     * be true all the time from now on. */
    struct loop *loop = s->request->server->loop;
    loop_fd_remove(loop, fd);
    s->poll_timer = loop_timer(loop, POLL_MS, POLL_MS, on_poll, s);
}

static void watch(struct httpd_stream *s)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        s->request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    s->watch_fd = fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 0);
    if (s->watch_fd >= 0) /* else: noticed at the next write */
        loop_fd(s->request->server->loop, s->watch_fd, LOOP_READ, on_readable,
                s);
}

/* ---- what MHD asks ---- */
static ssize_t read_piece(struct httpd_stream *s, char *out, size_t max)
{
    struct piece *piece = s->first;
    size_t n = MIN(max, piece->len - piece->sent);
    memcpy(out, piece->data + piece->sent, n);
    piece->sent += n;
    s->backlog -= n;
    if (piece->sent < piece->len)
        return (ssize_t)n;
    s->first = piece->next;
    if (!s->first)
        s->last = &s->first;
    free(piece);
    return (ssize_t)n;
}

static ssize_t on_read(void *self, uint64_t position UNUSED, char *out,
                       size_t max)
{
    struct httpd_stream *s = self;
    if (s->is_cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (s->first)
        return read_piece(s, out, max);
    if (s->is_closing)
        return MHD_CONTENT_READER_END_OF_STREAM;
    exchange_suspend(s->request);
    return 0;
}

/* ---- what handlers use ---- */
struct httpd_stream *httpd_stream_start(struct httpd_request *request,
                                        int status, const char *content_type,
                                        const char *const *headers,
                                        void (*closed)(void *self), void *self)
{
    struct httpd_stream *s = xcalloc(1, sizeof(*s));
    s->request = request;
    s->closed = closed;
    s->self = self;
    s->last = &s->first;
    request->stream = s;
    watch(s);
    MHD_set_connection_option(request->connection,
                              MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, s, NULL);
    exchange_answer(request, status, response, content_type, headers);
    return s;
}

int httpd_stream_send(struct httpd_stream *stream, const void *data, size_t len,
                      struct err *err)
{
    if (len == 0)
        return 0;
    if (len > MAX_BACKLOG - MIN(stream->backlog, MAX_BACKLOG))
        return err_set(err, ERR_FULL, "%zu bytes wait to be sent to %s",
                       stream->backlog, stream->request->peer);
    struct piece *piece = xmalloc(sizeof(*piece) + len);
    piece->next = NULL;
    piece->len = len;
    piece->sent = 0;
    memcpy(piece->data, data, len);
    *stream->last = piece;
    stream->last = &piece->next;
    stream->backlog += len;
    exchange_wake(stream->request);
    return 0;
}

size_t httpd_stream_backlog(const struct httpd_stream *stream)
{
    return stream->backlog;
}

void httpd_stream_close(struct httpd_stream **stream)
{
    struct httpd_stream *s = *stream;
    *stream = NULL;
    if (!s)
        return;
    s->is_closing = true;
    exchange_wake(s->request);
}

void httpd_stream_abort(struct httpd_stream **stream)
{
    struct httpd_stream *s = *stream;
    *stream = NULL;
    if (!s)
        return;
    s->closed = NULL;
    cut(s);
}

void stream_end(struct httpd_stream *stream)
{
    unwatch(stream);
    tell_closed(stream);
    while (stream->first) {
        struct piece *piece = stream->first;
        stream->first = piece->next;
        free(piece);
    }
    free(stream);
}
