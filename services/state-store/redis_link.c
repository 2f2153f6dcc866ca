/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/redis_link.h"

#include <errno.h>
#include <hiredis/sds.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/loop/loop.h"
#include "services/state-store/redis_url.h"
#include "services/state-store/resp.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 2000, WATCH_MS = 100 };

struct redis_link {
    struct loop *loop;
    const struct redis_url *url;
    int64_t timeout_ms;
    const struct redis_link_events *events;
    void *self;

    redisContext *context; /* NULL: not connected, a timer is running */
    bool is_connected, is_up;
    int64_t backoff_ms;
    int64_t active_ms; /* when a byte last went either way */
    uint64_t retry_timer, watch_timer, down_timer;
    char why[200];

    /* The exchange under way. */
    size_t wanted, got; /* wanted 0: none */
    redisReply **replies;
    void (*done)(void *self, redisReply **replies);
};

static void connect_now(void *self);
static void on_ready(void *self, int fd, int events);

bool redis_link_is_idle(const struct redis_link *l)
{
    return l->is_up && l->wanted == 0;
}

static void free_replies(redisReply **replies, size_t n)
{
    for (size_t i = 0; i < n; i++)
        freeReplyObject(replies[i]);
    free(replies);
}

static void close_now(struct redis_link *l)
{
    if (l->context) {
        loop_fd_remove(l->loop, l->context->fd);
        redisFree(l->context);
        l->context = NULL;
    }
    l->is_connected = l->is_up = false;
    free_replies(l->replies, l->got);
    l->replies = NULL;
    l->wanted = l->got = 0;
}

static void tell_down(void *self)
{
    struct redis_link *l = self;
    l->down_timer = 0;
    l->retry_timer = loop_timer(l->loop, l->backoff_ms, 0, connect_now, l);
    l->backoff_ms = MIN(l->backoff_ms * 2, BACKOFF_MAX_MS);
    l->events->down(l->self, l->why);
}

void redis_link_drop(struct redis_link *l, const char *why)
{
    if (l->down_timer || l->retry_timer)
        return;
    snprintf(l->why, sizeof l->why, "%s", why);
    close_now(l);
    l->down_timer = loop_soon(l->loop, tell_down, l);
}

static void watch(struct redis_link *l)
{
    int events = LOOP_READ;
    if (!l->is_connected || sdslen(l->context->obuf) > 0)
        events |= LOOP_WRITE;
    loop_fd(l->loop, l->context->fd, events, on_ready, l);
}

void redis_link_ask(struct redis_link *l, struct buf *commands, size_t n,
                    void (*done)(void *self, redisReply **replies))
{
    ASSERT(l->is_connected && l->wanted == 0 && n > 0);
    redisAppendFormattedCommand(l->context, buf_text(commands), commands->len);
    buf_clear(commands);
    l->wanted = n;
    l->got = 0;
    l->done = done;
    l->replies = xcalloc(n, sizeof(redisReply *));
    l->active_ms = loop_now_ms(l->loop);
    int is_sent = 0;
    if (redisBufferWrite(l->context, &is_sent) == REDIS_ERR)
        redis_link_drop(l, l->context->errstr);
    else
        watch(l);
}

/* ---- connecting
 * ------------------------------------------------------------------ */

static void on_logged_in(void *self, redisReply **replies)
{
    struct redis_link *l = self;
    for (size_t i = 0; i < (l->url->password ? 2 : 1); i++) {
        if (replies[i]->type != REDIS_REPLY_ERROR)
            continue;
        redis_link_drop(l, replies[i]->str);
        return;
    }
    l->is_up = true;
    l->backoff_ms = BACKOFF_FIRST_MS;
    l->events->up(l->self);
}

static void log_in(struct redis_link *l)
{
    AUTO_BUF struct buf commands = {0};
    char database[16];
    snprintf(database, sizeof database, "%d", l->url->database);
    if (l->url->password && l->url->user)
        resp_command(&commands, "AUTH", l->url->user, l->url->password, NULL);
    else if (l->url->password)
        resp_command(&commands, "AUTH", l->url->password, NULL);
    resp_command(&commands, "SELECT", database, NULL);
    redis_link_ask(l, &commands, l->url->password ? 2 : 1, on_logged_in);
}

static void on_connected(struct redis_link *l)
{
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(l->context->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    if (code) {
        redis_link_drop(l, strerror(code));
        return;
    }
    l->is_connected = true;
    log_in(l);
}

static void connect_now(void *self)
{
    struct redis_link *l = self;
    l->retry_timer = 0;
    l->context = l->url->is_unix
                     ? redisConnectUnixNonBlock(l->url->host)
                     : redisConnectNonBlock(l->url->host, l->url->port);
    ASSERT(l->context);
    if (l->context->err) {
        redis_link_drop(l, l->context->errstr);
        return;
    }
    l->active_ms = loop_now_ms(l->loop);
    watch(l);
}

/* ---- reading and writing
 * ------------------------------------------------------------ */

static void finish(struct redis_link *l)
{
    redisReply **replies = l->replies;
    size_t n = l->wanted;
    void *self = l->done == on_logged_in ? (void *)l : l->self;
    l->replies = NULL;
    l->wanted = l->got = 0;
    l->done(self, replies);
    free_replies(replies, n);
}

static void take_replies(struct redis_link *l)
{
    while (l->context) {
        void *reply = NULL;
        if (redisGetReplyFromReader(l->context, &reply) == REDIS_ERR) {
            redis_link_drop(l, l->context->errstr);
            return;
        }
        if (!reply)
            return;
        if (l->wanted == 0) {
            freeReplyObject(reply);
            redis_link_drop(l, "an answer that nobody asked for");
            return;
        }
        l->replies[l->got++] = reply;
        if (l->got == l->wanted)
            finish(l);
    }
}

static void on_ready(void *self, int fd UNUSED, int events)
{
    struct redis_link *l = self;
    l->active_ms = loop_now_ms(l->loop);
    if (!l->is_connected) {
        on_connected(l);
        return;
    }
    int is_sent = 0;
    if ((events & LOOP_WRITE) &&
        redisBufferWrite(l->context, &is_sent) == REDIS_ERR) {
        redis_link_drop(l, l->context->errstr);
        return;
    }
    if ((events & LOOP_READ) && redisBufferRead(l->context) == REDIS_ERR) {
        redis_link_drop(l, l->context->errstr);
        return;
    }
    take_replies(l);
    if (l->context)
        watch(l);
}

static void check_silence(void *self)
{
    struct redis_link *l = self;
    bool is_waiting = l->context && (!l->is_connected || l->wanted);
    if (is_waiting && loop_now_ms(l->loop) - l->active_ms > l->timeout_ms)
        redis_link_drop(l, "no answer in time");
}

struct redis_link *redis_link_new(struct loop *loop,
                                  const struct redis_link_config *config,
                                  const struct redis_link_events *events,
                                  void *self)
{
    struct redis_link *l = xcalloc(1, sizeof *l);
    l->loop = loop;
    l->url = config->url;
    l->timeout_ms = config->timeout_ms;
    l->events = events;
    l->self = self;
    l->backoff_ms = BACKOFF_FIRST_MS;
    l->retry_timer = loop_soon(loop, connect_now, l);
    l->watch_timer = loop_timer(loop, WATCH_MS, WATCH_MS, check_silence, l);
    return l;
}

void redis_link_destroy(struct redis_link **link)
{
    struct redis_link *l = *link;
    if (!l)
        return;
    close_now(l);
    loop_timer_cancel(l->loop, l->retry_timer);
    loop_timer_cancel(l->loop, l->down_timer);
    loop_timer_cancel(l->loop, l->watch_timer);
    free(l);
    *link = NULL;
}
