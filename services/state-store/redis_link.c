/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/redis_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/host_lookup.h"
#include "services/state-store/redis_sentinel.h"
#include "services/state-store/redis_stream.h"
#include "lib/base/redis_url.h"
#include "services/state-store/resp.h"

enum {
    BACKOFF_FIRST_MS = 100,
    WATCH_MS = 100,
    READ_BYTES = 64 << 10,
};

struct redis_link {
    struct loop *loop;
    const struct redis_url *url;
    const struct redis_tls *tls;
    int64_t timeout_ms;
    const struct redis_link_events *events;
    void *self;

    struct redis_sentinel *sentinel; /* NULL: the URL names the host */
    char *master;                    /* NULL: no sentinel named it yet */
    int master_port;

    struct host_lookup *lookup;  /* of the host's name, under way */
    struct redis_stream *stream; /* NULL: not connected, a timer is running */
    redisReader *reader;         /* of the stream */
    bool is_connected, is_up;
    int64_t backoff_ms, retry_max_ms;
    int64_t active_ms; /* when a byte last went either way */
    uint64_t retry_timer, watch_timer, down_timer;
    char why[200];

    /* The exchange under way. */
    size_t wanted, got; /* wanted 0: none */
    size_t wanted_login;
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
    host_lookup_cancel(&l->lookup);
    if (l->stream)
        loop_fd_remove(l->loop, redis_stream_fd(l->stream));
    redis_stream_close(&l->stream);
    if (l->reader)
        redisReaderFree(l->reader);
    l->reader = NULL;
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
    l->backoff_ms = MIN(l->backoff_ms * 2, l->retry_max_ms);
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
    loop_fd(l->loop, redis_stream_fd(l->stream), redis_stream_wants(l->stream),
            on_ready, l);
}

void redis_link_ask(struct redis_link *l, struct buf *commands, size_t n,
                    void (*done)(void *self, redisReply **replies))
{
    ASSERT(l->is_connected && l->wanted == 0 && n > 0);
    struct err err;
    l->wanted = n;
    l->got = 0;
    l->done = done;
    l->replies = xcalloc(n, sizeof(redisReply *));
    l->active_ms = loop_now_ms(l->loop);
    if (redis_stream_send(l->stream, commands, &err) < 0)
        redis_link_drop(l, err.text);
    else
        watch(l);
}

/* ---- connecting ---- */

static void be_up(struct redis_link *l)
{
    l->is_up = true;
    l->backoff_ms = BACKOFF_FIRST_MS;
    l->events->up(l->self);
}

static bool is_replica(const redisReply *role)
{
    return role->type == REDIS_REPLY_ARRAY && role->elements > 0 &&
           role->element[0]->type == REDIS_REPLY_STRING &&
           strcmp(role->element[0]->str, "master") != 0;
}

static void on_logged_in(void *self, redisReply **replies)
{
    struct redis_link *l = self;
    for (size_t i = 0; i < l->wanted_login; i++) {
        if (replies[i]->type != REDIS_REPLY_ERROR)
            continue;
        redis_link_drop(l, replies[i]->str);
        return;
    }
    if (l->sentinel && is_replica(replies[l->wanted_login - 1])) {
        redis_link_drop(l, "what the sentinel named is no master (yet)");
        return;
    }
    be_up(l);
}

static void log_in(struct redis_link *l)
{
    AUTO_BUF struct buf commands = {0};
    char database[16];
    const struct redis_url *url = l->url;
    snprintf(database, sizeof database, "%d", url->database);
    if (url->password && url->user)
        resp_command(&commands, "AUTH", url->user, url->password, NULL);
    else if (url->password)
        resp_command(&commands, "AUTH", url->password, NULL);
    if (url->database) /* a sentinel has none */
        resp_command(&commands, "SELECT", database, NULL);
    if (l->sentinel)
        resp_command(&commands, "ROLE", NULL);
    l->wanted_login =
        (url->password != NULL) + (url->database != 0) + (l->sentinel != NULL);
    if (l->wanted_login)
        redis_link_ask(l, &commands, l->wanted_login, on_logged_in);
    else
        be_up(l);
}

static void go_on_connecting(struct redis_link *l)
{
    struct err err;
    int connected = redis_stream_connect(l->stream, &err);
    if (connected < 0) {
        redis_link_drop(l, err.text);
        return;
    }
    watch(l);
    if (!connected)
        return;
    l->is_connected = true;
    log_in(l);
}

static void connect_to(struct redis_link *l, const char *address)
{
    const struct redis_url *url = l->url;
    struct redis_stream_to to = {
        .address = address,
        .port = url->is_unix  ? 0
                : l->sentinel ? l->master_port
                              : url->port,
        .name = l->sentinel ? l->master : url->host,
        .tls = url->is_tls ? l->tls : NULL,
    };
    struct err err;
    l->stream = redis_stream_open(&to, &err);
    if (!l->stream) {
        redis_link_drop(l, err.text);
        return;
    }
    l->reader = redisReaderCreate();
    ASSERT(l->reader);
    l->active_ms = loop_now_ms(l->loop);
    watch(l);
}

static void on_lookup(void *self, const char *address, const char *why)
{
    struct redis_link *l = self;
    l->lookup = NULL;
    if (address)
        connect_to(l, address);
    else
        redis_link_drop(l, why);
}

static void connect_now(void *self)
{
    struct redis_link *l = self;
    const char *host = l->sentinel ? l->master : l->url->host;
    l->retry_timer = 0;
    l->active_ms = loop_now_ms(l->loop);
    if (!host)
        redis_link_drop(l, redis_sentinel_why(l->sentinel));
    else if (l->url->is_unix || host_is_address(host))
        connect_to(l, host);
    else
        l->lookup = host_lookup_start(l->loop, host, on_lookup, l);
}

static void on_named(void *self, const char *host, int port)
{
    struct redis_link *l = self;
    if (l->master && strcmp(l->master, host) == 0 && l->master_port == port)
        return;
    log_info("redis_master", "host=%s port=%d", log_q(host), port);
    free(l->master);
    l->master = xstrdup(host);
    l->master_port = port;
    l->backoff_ms = BACKOFF_FIRST_MS;
    if (l->stream || l->lookup) {
        redis_link_drop(l, "the sentinels name another master");
    } else if (l->retry_timer) {
        loop_timer_cancel(l->loop, l->retry_timer);
        l->retry_timer = loop_soon(l->loop, connect_now, l);
    }
}

/* ---- reading and writing ---- */

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
    while (l->stream) {
        void *reply = NULL;
        if (redisReaderGetReply(l->reader, &reply) == REDIS_ERR) {
            redis_link_drop(l, l->reader->errstr);
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

/* All there is: what TLS has taken from the socket wakes nobody. */
static int read_all(struct redis_link *l, struct err *err)
{
    char block[READ_BYTES];
    for (;;) {
        long n = redis_stream_read(l->stream, block, sizeof block, err);
        if (n <= 0)
            return (int)n;
        redisReaderFeed(l->reader, block, (size_t)n);
        if (n < READ_BYTES && !l->url->is_tls)
            return 0;
    }
}

static void on_ready(void *self, int fd UNUSED, int events UNUSED)
{
    struct redis_link *l = self;
    struct err err;
    l->active_ms = loop_now_ms(l->loop);
    if (!l->is_connected) {
        go_on_connecting(l);
        return;
    }
    if (redis_stream_flush(l->stream, &err) < 0) {
        redis_link_drop(l, err.text);
        return;
    }
    int taken = read_all(l, &err);
    take_replies(l);
    if (taken < 0)
        redis_link_drop(l, err.text);
    else if (l->stream)
        watch(l);
}

static void check_silence(void *self)
{
    struct redis_link *l = self;
    bool is_waiting =
        l->lookup || (l->stream && (!l->is_connected || l->wanted));
    if (!is_waiting || loop_now_ms(l->loop) - l->active_ms <= l->timeout_ms)
        return;
    bool is_shaking = l->url->is_tls && l->stream && !l->is_connected;
    redis_link_drop(l, is_shaking ? "no answer in time; is TLS spoken there?"
                                  : "no answer in time");
}

struct redis_link *redis_link_new(struct loop *loop,
                                  const struct redis_link_config *config,
                                  const struct redis_link_events *events,
                                  void *self)
{
    struct redis_link *l = xcalloc(1, sizeof *l);
    l->loop = loop;
    l->url = config->url;
    l->tls = config->tls;
    l->retry_max_ms = MAX(config->retry_max_ms, BACKOFF_FIRST_MS);
    l->timeout_ms = config->timeout_ms;
    l->events = events;
    l->self = self;
    l->backoff_ms = BACKOFF_FIRST_MS;
    l->retry_timer = loop_soon(loop, connect_now, l);
    l->watch_timer = loop_timer(loop, WATCH_MS, WATCH_MS, check_silence, l);
    struct redis_sentinel_config sentinel = {config->url, config->tls,
                                             config->timeout_ms, on_named, l};
    if (config->url->n_sentinels)
        l->sentinel = redis_sentinel_new(loop, &sentinel);
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
    redis_sentinel_destroy(&l->sentinel);
    free(l->master);
    free(l);
    *link = NULL;
}
