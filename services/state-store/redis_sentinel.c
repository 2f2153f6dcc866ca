/* SPDX-License-Identifier: Apache-2.0 */
#include "services/state-store/redis_sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/redis_link.h"
#include "lib/base/redis_url.h"
#include "services/state-store/resp.h"

enum { ASK_MS = 500, RETRY_MAX_MS = 2000 };

struct redis_sentinel {
    struct loop *loop;
    struct redis_sentinel_config config;
    struct redis_url at; /* the sentinel being asked; borrows all it has */
    size_t turn;         /* which of the URL's */
    struct redis_link *link;
    uint64_t timer;
    bool is_told; /* that none answers */
    char why[256];
};

static void point_at(struct redis_sentinel *s)
{
    const struct redis_url *url = s->config.url;
    s->at.host = url->sentinels[s->turn % url->n_sentinels].host;
    s->at.port = url->sentinels[s->turn % url->n_sentinels].port;
}

static void set_why(struct redis_sentinel *s, const char *why)
{
    snprintf(s->why, sizeof s->why, "sentinel %.80s:%d: %.150s", s->at.host,
             s->at.port, why);
    if (!s->is_told)
        log_odd("redis_sentinel", "why=%s", log_q(s->why));
    s->is_told = true;
}

static void on_answer(void *self, redisReply **replies)
{
    struct redis_sentinel *s = self;
    const redisReply *r = replies[0];
    int64_t port;
    if (r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
        r->element[0]->type == REDIS_REPLY_STRING &&
        r->element[1]->type == REDIS_REPLY_STRING &&
        parse_i64(r->element[1]->str, &port) && port > 0 && port < 65536) {
        s->why[0] = '\0';
        s->is_told = false;
        s->config.named(s->config.self, r->element[0]->str, (int)port);
        return;
    }
    redis_link_drop(s->link, r->type == REDIS_REPLY_ERROR ? r->str
                             : r->type == REDIS_REPLY_NIL
                                 ? "knows no master of this name"
                                 : "answered nonsense");
}

static void ask(void *self)
{
    struct redis_sentinel *s = self;
    if (!redis_link_is_idle(s->link))
        return;
    AUTO_BUF struct buf command = {0};
    resp_command(&command, "SENTINEL", "get-master-addr-by-name",
                 s->config.url->master, NULL);
    redis_link_ask(s->link, &command, 1, on_answer);
}

/* The link connects again after a while: to the next one. */
static void on_down(void *self, const char *why)
{
    struct redis_sentinel *s = self;
    set_why(s, why);
    s->turn++;
    point_at(s);
}

static const struct redis_link_events link_events = {ask, on_down};

struct redis_sentinel *
redis_sentinel_new(struct loop *loop,
                   const struct redis_sentinel_config *config)
{
    struct redis_sentinel *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->config = *config;
    s->at.is_tls = config->url->is_tls;
    s->at.user = config->url->sentinel_user;
    s->at.password = config->url->sentinel_password;
    point_at(s);
    snprintf(s->why, sizeof s->why, "no sentinel has answered yet");
    struct redis_link_config link = {&s->at, config->tls, config->timeout_ms,
                                     RETRY_MAX_MS};
    s->link = redis_link_new(loop, &link, &link_events, s);
    s->timer = loop_timer(loop, ASK_MS, ASK_MS, ask, s);
    return s;
}

void redis_sentinel_destroy(struct redis_sentinel **sentinel)
{
    struct redis_sentinel *s = *sentinel;
    if (!s)
        return;
    loop_timer_cancel(s->loop, s->timer);
    redis_link_destroy(&s->link);
    free(s);
    *sentinel = NULL;
}

const char *redis_sentinel_why(const struct redis_sentinel *s)
{
    return s->why;
}
