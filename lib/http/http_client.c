/* SPDX-License-Identifier: Apache-2.0 */
/* http_client - curl's multi interface on our loop, lanes and streams
 *
 * curl tells us which descriptors and time-outs it waits for, the loop tells
 * curl when they are due.  Nothing of the caller runs inside curl: what came in
 * is noted, and told when curl has returned.  So a callback may do anything.
 */
#include "lib/http/http_client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/base/base.h"
#include "lib/http/pipe.h"
#include "lib/http/transfer.h"
#include "lib/loop/loop.h"

enum { MAX_IDLE = 64 }; /* connections kept for later */

enum request_state {
    REQUEST_QUEUED,   /* waits in its lane */
    REQUEST_RUNNING,  /* curl has it */
    REQUEST_PIPED,    /* a pipe has it */
    REQUEST_FINISHED, /* curl is done with it; done is owed */
    REQUEST_TOLD,     /* done is being or was called */
};

struct http_request {
    struct http_client *client;
    struct http_request *prev, *next; /* all of the client's, oldest first */
    struct http_request *next_news;
    bool has_news; /* in the list of those with something to tell */
    enum request_state state;
    struct lane *lane; /* NULL: none */
    struct http_request *lane_prev, *lane_next;
    struct piped *piped;
    struct pipe *connects; /* it only connects for this pipe */
    int fd;                /* of that connection; -1: none */
    struct transfer transfer;
    CURLcode result;
    bool is_stream, head_told;
    struct http_stream_events events; /* only done for plain requests */
    void *self;
};

/* Calls that go one after another; oldest first. */
struct lane {
    unsigned id;
    struct http_request *requests;
    UT_hash_handle hh;
};

struct lane_pipe {
    unsigned lane;
    struct pipe *pipe;
    struct lane_pipe *next;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    uint64_t timer;
    struct http_request *first, *last;
    struct http_request *news, **news_end;
    struct http_request *current; /* being told; NULL: it was cancelled */
    struct lane *lanes;
    struct lane_pipe *pipes; /* few: masters */
    unsigned telling;
    bool is_doomed; /* destroyed by a callback: free when it returns */
};

/* ---- lists ----------------------------------------------------------------
 */
static void link_request(struct http_request *r)
{
    struct http_client *c = r->client;
    r->prev = c->last;
    if (c->last)
        c->last->next = r;
    else
        c->first = r;
    c->last = r;
    if (r->lane)
        DL_APPEND2(r->lane->requests, r, lane_prev, lane_next);
}

static void unlink_request(struct http_request *r)
{
    struct http_client *c = r->client;
    if (r->prev)
        r->prev->next = r->next;
    else
        c->first = r->next;
    if (r->next)
        r->next->prev = r->prev;
    else
        c->last = r->prev;
    if (r->lane)
        DL_DELETE2(r->lane->requests, r, lane_prev, lane_next);
}

static void add_news(void *self)
{
    struct http_request *r = self;
    struct http_client *c = r->client;
    if (r->has_news)
        return;
    r->has_news = true;
    r->next_news = NULL;
    *c->news_end = r;
    c->news_end = &r->next_news;
}

static void remove_news(struct http_request *r)
{
    struct http_client *c = r->client;
    struct http_request **at = &c->news;
    if (!r->has_news)
        return;
    while (*at != r)
        at = &(*at)->next_news;
    *at = r->next_news;
    if (c->news_end == &r->next_news)
        c->news_end = at;
    r->has_news = false;
}

/* ---- lanes -----------------------------------------------------------------
 */
static void start_request(struct http_request *r)
{
    r->state = REQUEST_RUNNING;
    CURLMcode rc = curl_multi_add_handle(r->client->multi, r->transfer.easy);
    ASSERT(rc == CURLM_OK);
}

static struct lane *lane_of(struct http_client *c, unsigned id)
{
    struct lane *lane = NULL;

    if (!id)
        return NULL;
    HASH_FIND(hh, c->lanes, &id, sizeof(id), lane);
    if (lane)
        return lane;
    lane = xcalloc(1, sizeof(*lane));
    lane->id = id;
    HASH_ADD(hh, c->lanes, id, sizeof(id), lane);
    return lane;
}

static void start_next(struct lane *lane)
{
    struct http_request *r = lane ? lane->requests : NULL;
    if (r && r->state == REQUEST_QUEUED)
        start_request(r);
}

/* Takes it away from curl, the lists and memory. */
static void drop(struct http_request *r)
{
    struct http_client *c = r->client;
    if (r->state == REQUEST_RUNNING)
        curl_multi_remove_handle(c->multi, r->transfer.easy);
    if (r->state == REQUEST_PIPED)
        pipe_cancel(&r->piped);
    if (r->state != REQUEST_TOLD)
        unlink_request(r);
    if (r->fd >= 0)
        close(r->fd);
    remove_news(r);
    if (c->current == r)
        c->current = NULL;
    transfer_close(&r->transfer);
    free(r);
}

/* ---- telling ---------------------------------------------------------------
 */
static void tell_head(struct http_request *r)
{
    struct http_answer head;
    r->head_told = true;
    if (!r->events.head)
        return;
    transfer_answer(&r->transfer, CURLE_OK, &head);
    head.body = "";
    head.body_len = 0;
    r->events.head(r->self, &head);
}

static void tell_data(struct http_request *r)
{
    AUTO_BUF struct buf data = r->transfer.got;
    r->transfer.got = (struct buf){0};
    r->events.data(r->self, data.data, data.len);
}

static void tell_pipe(struct http_request *r, const struct http_answer *answer)
{
    int fd = r->fd;

    r->fd = -1;
    if (fd >= 0)
        pipe_connected(r->connects, fd);
    else
        pipe_refused(r->connects, &answer->err);
}

static void tell_done(struct http_request *r)
{
    struct http_client *c = r->client;
    struct lane *lane = r->lane;
    struct http_answer answer;
    transfer_answer(&r->transfer, r->result, &answer);
    if (r->connects && r->fd < 0 && answer.err.code == ERR_NONE)
        err_set(&answer.err, ERR_IO, "no connection");
    unlink_request(r);
    r->state = REQUEST_TOLD;
    if (r->connects)
        tell_pipe(r, &answer);
    else
        r->events.done(r->self, &answer);
    drop(r);
    if (!c->is_doomed)
        start_next(lane);
}

static void tell(struct http_request *r)
{
    struct http_client *c = r->client;
    c->current = r;
    if (r->is_stream && r->transfer.has_head && !r->head_told)
        tell_head(r);
    if (c->current && r->is_stream && r->transfer.status == 200 &&
        r->transfer.got.len)
        tell_data(r);
    if (c->current && r->state == REQUEST_FINISHED)
        tell_done(r);
    c->current = NULL;
}

static void free_client(struct http_client *c)
{
    struct lane *lane, *next;

    HASH_ITER(hh, c->lanes, lane, next)
    {
        HASH_DEL(c->lanes, lane);
        free(lane);
    }
    curl_multi_cleanup(c->multi);
    loop_timer_cancel(c->loop, c->timer);
    free(c);
}

static void end_telling(struct http_client *c)
{
    if (--c->telling == 0 && c->is_doomed)
        free_client(c);
}

static void tell_all(struct http_client *c)
{
    ASSERT(!c->telling);
    c->telling++;
    while (c->news) {
        struct http_request *r = c->news;
        remove_news(r);
        tell(r);
    }
    end_telling(c);
}

/* ---- pipes ---- */
static void on_piped(void *self, const struct http_answer *answer)
{
    struct http_request *r = self;
    struct http_client *c = r->client;

    c->telling++;
    r->piped = NULL;
    unlink_request(r);
    r->state = REQUEST_TOLD;
    r->events.done(r->self, answer);
    drop(r);
    end_telling(c);
}

/* curl finds the address and connects; the rest is the pipe's. */
static void on_connect_wanted(void *self, struct pipe *pipe)
{
    struct http_client *c = self;
    struct http_call call = {.method = "GET", .url = pipe_url(pipe)};
    struct http_request *r = xcalloc(1, sizeof(*r));

    r->client = c;
    r->fd = -1;
    r->connects = pipe;
    transfer_open(&r->transfer, &call);
    curl_easy_setopt(r->transfer.easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->transfer.easy, CURLOPT_CONNECT_ONLY, 1L);
    link_request(r);
    start_request(r);
}

static struct pipe *pipe_for(struct http_client *c,
                             const struct http_call *call)
{
    AUTO_FREE char *origin = pipe_origin(call->url);
    struct pipe_owner owner = {.loop = c->loop,
                               .connect = on_connect_wanted,
                               .done = on_piped,
                               .self = c};
    struct lane_pipe *lp;

    LL_FOREACH(c->pipes, lp)
    {
        if (lp->lane == call->lane && str_eq(pipe_url(lp->pipe), origin))
            return lp->pipe;
    }
    lp = xcalloc(1, sizeof(*lp));
    lp->lane = call->lane;
    lp->pipe = pipe_new(&owner, origin);
    LL_PREPEND(c->pipes, lp);
    return lp->pipe;
}

static void drop_pipes(struct http_client *c)
{
    struct lane_pipe *lp, *next;

    LL_FOREACH_SAFE(c->pipes, lp, next)
    {
        pipe_destroy(&lp->pipe);
        free(lp);
    }
    c->pipes = NULL;
}

/* ---- curl on the loop ---- */
static int connection_of(const struct http_request *r)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(r->transfer.easy, CURLINFO_ACTIVESOCKET, &fd);
    return fd == CURL_SOCKET_BAD ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void note_finished(struct http_client *c)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(c->multi, &left))) {
        struct http_request *r;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &r);
        if (r->connects && result == CURLE_OK)
            r->fd = connection_of(r); /* curl closes its own in a moment */
        curl_multi_remove_handle(c->multi, r->transfer.easy);
        r->state = REQUEST_FINISHED;
        r->result = result;
        add_news(r);
    }
}

static void drive(struct http_client *c, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(c->multi, fd, events, &running);
    note_finished(c);
    tell_all(c);
}

static void on_fd(void *self, int fd, int events)
{
    drive(self, fd,
          (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
              (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *self)
{
    struct http_client *c = self;
    c->timer = 0;
    drive(c, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_socket(CURL *easy UNUSED, curl_socket_t fd, int what,
                          void *self, void *of_socket UNUSED)
{
    struct http_client *c = self;
    if (what == CURL_POLL_REMOVE)
        loop_fd_remove(c->loop, fd);
    else
        loop_fd(c->loop, fd,
                (what & CURL_POLL_IN ? LOOP_READ : 0) |
                    (what & CURL_POLL_OUT ? LOOP_WRITE : 0),
                on_fd, c);
    return 0;
}

static int on_curl_timer(CURLM *multi UNUSED, long timeout_ms, void *self)
{
    struct http_client *c = self;
    loop_timer_cancel(c->loop, c->timer);
    c->timer =
        timeout_ms < 0 ? 0 : loop_timer(c->loop, timeout_ms, 0, on_timer, c);
    return 0;
}

/* ---- what callers use ---- */
struct http_client *http_client_new(struct loop *loop)
{
    struct http_client *c = xcalloc(1, sizeof(*c));
    c->loop = loop;
    c->news_end = &c->news;
    c->multi = curl_multi_init();
    ASSERT(c->multi);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)MAX_IDLE);
    return c;
}

void http_client_destroy(struct http_client **client)
{
    struct http_client *c = *client;
    *client = NULL;
    if (!c)
        return;
    while (c->first)
        drop(c->first);
    drop_pipes(c);
    c->is_doomed = true;
    if (!c->telling)
        free_client(c);
}

static struct http_request *
send_request(struct http_client *client, const struct http_call *call,
             const struct http_stream_events *events, void *self)
{
    struct http_request *r = xcalloc(1, sizeof(*r));
    r->client = client;
    r->fd = -1;
    r->events = *events;
    r->self = self;
    r->is_stream = events->data != NULL;
    if (call->lane && !r->is_stream && pipe_takes(call)) {
        link_request(r);
        r->state = REQUEST_PIPED;
        r->piped = pipe_send(pipe_for(client, call), call, r);
        return r;
    }
    r->lane = lane_of(client, call->lane);
    r->transfer.on_news = r->is_stream ? add_news : NULL;
    r->transfer.self = r;
    transfer_open(&r->transfer, call);
    curl_easy_setopt(r->transfer.easy, CURLOPT_PRIVATE, r);
    if (r->is_stream) { /* a connection of its own */
        curl_easy_setopt(r->transfer.easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(r->transfer.easy, CURLOPT_FORBID_REUSE, 1L);
    }
    link_request(r);
    if (!r->lane || r->lane->requests == r)
        start_request(r);
    return r;
}

struct http_request *
http_client_send(struct http_client *client, const struct http_call *call,
                 void (*done)(void *self, const struct http_answer *),
                 void *self)
{
    struct http_stream_events events = {.done = done};
    return send_request(client, call, &events, self);
}

struct http_request *http_client_stream(struct http_client *client,
                                        const struct http_call *call,
                                        const struct http_stream_events *events,
                                        void *self)
{
    ASSERT(events->data && events->done);
    return send_request(client, call, events, self);
}

void http_request_cancel(struct http_request **request)
{
    struct http_request *r = *request;
    *request = NULL;
    if (!r || r->state == REQUEST_TOLD)
        return;
    struct lane *lane = r->lane;
    drop(r);
    start_next(lane);
}

int http_once(const struct http_call *call, int *status, char **body,
              size_t *body_len, struct err *err)
{
    struct transfer x = {0};
    struct http_answer answer;
    transfer_open(&x, call);
    transfer_answer(&x, curl_easy_perform(x.easy), &answer);
    if (answer.err.code != ERR_NONE) {
        transfer_close(&x);
        return err_set(err, answer.err.code, "%s", answer.err.text);
    }
    *status = answer.status;
    if (body)
        *body = buf_take(&x.got, body_len);
    transfer_close(&x);
    return 0;
}
