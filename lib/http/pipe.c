/* SPDX-License-Identifier: Apache-2.0 */
/* pipe - see pipe.h
 *
 * Invariants:
 * - Requests are in one list in the order of sending; the first is the one that
 *   the next answer belongs to.  `out` holds what the kernel has not taken yet.
 * - Whoever calls the owner looks afterwards whether the pipe still is.
 */
#include "lib/http/pipe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/http/answer_reader.h"
#include "lib/loop/loop.h"

enum {
    IDLE_MS = 20000,
    WATCH_MS = 1000,
    READ_BYTES = 64 << 10,
    KEPT_BYTES = 256 << 10, /* of the buffer, while nothing is in it */
};
#define MAX_BODY ((size_t)64 << 20)

struct piped {
    struct pipe *pipe;
    void *of_request; /* NULL: cancelled */
    uint64_t number;
    int64_t deadline_ms;
    struct piped *prev, *next;
};

struct pipe {
    struct pipe_owner owner;
    char *origin;
    int fd; /* -1: none */
    bool is_connecting;
    struct buf out;
    size_t out_at; /* sent of it */
    struct answer_reader reader;
    struct piped *requests;
    uint64_t sent; /* so far */
    size_t wanted; /* not cancelled */
    int64_t used_ms;
    uint64_t watch_timer, soon;
    int busy;
    bool is_dead;
};

bool pipe_takes(const struct http_call *call)
{
    return call->pipelined && !strcmp(call->method, "POST") &&
           str_starts(call->url, "http://") && !call->user_password &&
           !call->max_body_bytes && call->timeout_ms > 0;
}

char *pipe_origin(const char *url)
{
    const char *host = strstr(url, "://");
    size_t before = host ? (size_t)(host + 3 - url) : 0;

    return xstrndup(url, before + strcspn(url + before, "/?#"));
}

/* ---- life ---- */
struct pipe *pipe_new(const struct pipe_owner *owner, const char *origin)
{
    struct pipe *p = xcalloc(1, sizeof(*p));
    p->owner = *owner;
    p->origin = xstrdup(origin);
    p->fd = -1;
    p->reader.max_body_bytes = MAX_BODY;
    return p;
}

static void hang_up(struct pipe *p)
{
    if (p->fd >= 0) {
        loop_fd_remove(p->owner.loop, p->fd);
        close(p->fd);
    }
    p->fd = -1;
    loop_timer_cancel(p->owner.loop, p->watch_timer);
    loop_timer_cancel(p->owner.loop, p->soon);
    p->watch_timer = p->soon = 0;
    buf_clear(&p->out);
    p->out_at = 0;
    answer_reader_reset(&p->reader);
}

static void remove_piped(struct piped *piped)
{
    struct pipe *p = piped->pipe;
    p->wanted -= piped->of_request != NULL;
    DL_DELETE(p->requests, piped);
    free(piped);
}

static void drop_all(struct pipe *p)
{
    while (p->requests)
        remove_piped(p->requests);
}

static void bury(struct pipe *p)
{
    buf_free(&p->out);
    answer_reader_free(&p->reader);
    free(p->origin);
    free(p);
}

void pipe_destroy(struct pipe **pipe)
{
    struct pipe *p = *pipe;
    *pipe = NULL;
    if (!p)
        return;
    hang_up(p);
    drop_all(p);
    p->is_dead = true;
    if (!p->busy)
        bury(p);
}

const char *pipe_url(const struct pipe *pipe)
{
    return pipe->origin;
}

static void leave(struct pipe *p)
{
    p->busy--;
    if (p->is_dead && !p->busy)
        bury(p);
}

/* ---- telling ---- */
/* -1: the pipe was destroyed meanwhile. */
static int tell(struct pipe *p, struct piped *piped,
                const struct http_answer *answer)
{
    void *of_request = piped->of_request;
    remove_piped(piped);
    if (of_request)
        p->owner.done(of_request, answer);
    return p->is_dead ? -1 : 0;
}

/* All that is under way, and nothing that is sent meanwhile. */
static void fail_all(struct pipe *p, enum err_code code, const char *why)
{
    struct http_answer answer = {.body = ""};
    uint64_t last = p->sent;

    err_set(&answer.err, code, "POST %.300s: %.500s", p->origin, why);
    hang_up(p);
    while (p->requests && p->requests->number <= last)
        if (tell(p, p->requests, &answer) < 0)
            return;
}

/* ---- sending ---- */
static void watch_fd(struct pipe *p);

static void flush(struct pipe *p)
{
    while (p->out_at < p->out.len) {
        ssize_t n = send(p->fd, p->out.data + p->out_at, p->out.len - p->out_at,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            fail_all(p, ERR_IO, strerror(errno));
            return;
        }
        p->out_at += (size_t)n;
    }
    if (p->out_at == p->out.len) {
        if (p->out.cap > KEPT_BYTES)
            buf_free(&p->out);
        buf_clear(&p->out);
        p->out_at = 0;
    }
    watch_fd(p);
}

/* Many requests of one turn are one write. */
static void on_soon(void *self)
{
    struct pipe *p = self;
    p->soon = 0;
    if (p->fd < 0)
        return;
    p->busy++;
    flush(p);
    leave(p);
}

static void flush_soon(struct pipe *p)
{
    if (p->fd >= 0 && !p->soon)
        p->soon = loop_soon(p->owner.loop, on_soon, p);
}

static void write_request(struct pipe *p, const struct http_call *call)
{
    const char *path = call->url + strlen(p->origin);
    buf_addf(&p->out, "%s %s%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n",
             call->method, *path == '/' ? "" : "/", path,
             strstr(p->origin, "://") + 3, call->body_len);
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        buf_addf(&p->out, "%s\r\n", call->headers[i]);
    buf_add_str(&p->out, "\r\n");
    if (call->body_len)
        buf_add(&p->out, call->body, call->body_len);
}

static void connect_soon(void *self)
{
    struct pipe *p = self;
    p->soon = 0;
    p->is_connecting = true;
    p->owner.connect(p->owner.self, p);
}

struct piped *pipe_send(struct pipe *pipe, const struct http_call *call,
                        void *of_request)
{
    struct piped *piped = xcalloc(1, sizeof(*piped));
    piped->pipe = pipe;
    piped->of_request = of_request;
    piped->number = ++pipe->sent;
    piped->deadline_ms = clock_mono_ms() + call->timeout_ms;
    DL_APPEND(pipe->requests, piped);
    pipe->wanted++;
    write_request(pipe, call);
    if (pipe->fd >= 0)
        flush_soon(pipe);
    else if (!pipe->is_connecting && !pipe->soon)
        pipe->soon = loop_soon(pipe->owner.loop, connect_soon, pipe);
    return piped;
}

/* Answers that nobody waits for, maybe of a server that hangs, are not worth
 * waiting for either. */
void pipe_cancel(struct piped **piped)
{
    struct pipe *p;
    if (!*piped)
        return;
    p = (*piped)->pipe;
    (*piped)->of_request = NULL;
    *piped = NULL;
    if (--p->wanted > 0)
        return;
    hang_up(p);
    drop_all(p);
}

/* ---- receiving ---- */
static int take_answer(struct pipe *p)
{
    struct answer_reader *r = &p->reader;
    bool is_last = r->is_last;
    struct answer_reader mine = *r;
    struct http_answer answer = {
        .status = mine.status,
        .body = buf_text(&mine.body),
        .body_len = mine.body.len,
        .location = mine.location,
        .stream_id = mine.stream_id,
        .content_type = mine.content_type,
    };
    int result;

    /* A callback may hang up: what it was told must stay. */
    *r = (struct answer_reader){.max_body_bytes = MAX_BODY};
    result = tell(p, p->requests, &answer);
    answer_reader_free(&mine);
    if (result == 0 && is_last)
        fail_all(p, ERR_IO, "the server closed the connection");
    return result < 0 || is_last ? -1 : 0;
}

static void take_bytes(struct pipe *p, const char *data, size_t len)
{
    struct err err = {0};
    size_t used;

    for (size_t at = 0; at < len; at += used) {
        int result;
        if (!p->requests) {
            fail_all(p, ERR_IO, "an answer that nobody asked for");
            return;
        }
        result =
            answer_reader_feed(&p->reader, data + at, len - at, &used, &err);
        if (result < 0) {
            fail_all(p, err.code, err.text);
            return;
        }
        if (result > 0 && (take_answer(p) < 0 || p->fd < 0))
            return;
    }
}

static void on_end(struct pipe *p)
{
    struct err err = {0};
    if (answer_reader_is_begun(&p->reader) && p->requests &&
        answer_reader_end(&p->reader, &err) > 0)
        take_answer(p);
    else
        fail_all(p, ERR_IO, "the server closed the connection");
}

static void receive(struct pipe *p)
{
    char data[READ_BYTES];
    ssize_t n = recv(p->fd, data, sizeof(data), 0);
    if (n > 0) {
        p->used_ms = clock_mono_ms();
        take_bytes(p, data, (size_t)n);
    } else if (n == 0) {
        on_end(p);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        fail_all(p, ERR_IO, strerror(errno));
    }
}

static void on_fd(void *self, int fd UNUSED, int events)
{
    struct pipe *p = self;
    p->busy++;
    if (events & LOOP_READ)
        receive(p);
    if (!p->is_dead && p->fd >= 0 && (events & LOOP_WRITE))
        flush(p);
    leave(p);
}

static void watch_fd(struct pipe *p)
{
    loop_fd(p->owner.loop, p->fd,
            LOOP_READ | (p->out_at < p->out.len ? LOOP_WRITE : 0), on_fd, p);
}

/* ---- the connection ---- */
static void on_watch(void *self)
{
    struct pipe *p = self;
    int64_t now_ms = clock_mono_ms();

    p->busy++;
    if (p->requests && p->requests->deadline_ms <= now_ms)
        fail_all(p, ERR_TIMEOUT, "no answer in time");
    else if (!p->requests && now_ms - p->used_ms >= IDLE_MS)
        hang_up(p);
    leave(p);
}

void pipe_connected(struct pipe *p, int fd)
{
    int on = 1;
    p->is_connecting = false;
    if (!p->requests) { /* all were cancelled meanwhile */
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    p->fd = fd;
    p->used_ms = clock_mono_ms();
    p->watch_timer = loop_timer(p->owner.loop, WATCH_MS, WATCH_MS, on_watch, p);
    watch_fd(p);
    flush_soon(p);
}

void pipe_refused(struct pipe *p, const struct err *err)
{
    p->is_connecting = false;
    p->busy++;
    fail_all(p, err->code, err->text);
    leave(p);
}
