/* SPDX-License-Identifier: Apache-2.0 */
/* zk_leader - see zk_leader.h */
#include "services/offer-broker/zk_leader.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>
#include <zookeeper/zookeeper.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/offer-broker/zk_pick.h"

#define SESSION_MS 10000
#define AGAIN_MS   1000
#define MAX_NODES  10000
#define MAX_DATA   (1 << 20)
#define SILENT_MS  SESSION_MS

enum news_kind {
    NEWS_SESSION,  /* the state of the connection changed */
    NEWS_CHANGED,  /* the children did */
    NEWS_CHILDREN, /* their names */
    NEWS_DATA,     /* what the leader's node holds */
};

/* From the library's threads to the loop. */
struct news {
    enum news_kind kind;
    uint64_t generation; /* of the connection that it came by */
    int rc;              /* or the state */
    char **names;
    size_t count; /* names, or bytes */
    char *data;
    struct news *prev, *next;
};

/* One handle of the library, and the context of all its callbacks. */
struct connection {
    struct zk_leader *owner;
    zhandle_t *handle;
    uint64_t generation;
};

struct zk_leader {
    struct loop *loop;
    struct zk_url url;
    bool by_name;
    void (*changed)(void *self, const char *address);
    void *self;

    struct connection *connection;
    uint64_t generation;
    uint64_t timer;   /* connect or list again */
    uint64_t silence; /* not connected: until the session counts as lost */
    bool is_listing;  /* a list is under way, */
    bool is_stale;    /* and what it brings is out of date already */
    char *node;       /* the leader's, whose data is asked for or known */
    char *leader;     /* "host:port"; NULL: none known */
    char state[200];

    pthread_mutex_t lock; /* of mailbox */
    struct news *mailbox;
    int event_fd;
};

/* ---- in the library's threads ------------------------------------- */
static void post(const struct connection *c, struct news *news)
{
    struct zk_leader *zk = c->owner;
    uint64_t one = 1;

    news->generation = c->generation;
    pthread_mutex_lock(&zk->lock);
    DL_APPEND(zk->mailbox, news);
    pthread_mutex_unlock(&zk->lock);
    while (write(zk->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static struct news *news_new(enum news_kind kind, int rc)
{
    struct news *news = xcalloc(1, sizeof(*news));

    news->kind = kind;
    news->rc = rc;
    return news;
}

static void on_watch(zhandle_t *handle UNUSED, int type, int state,
                     const char *path UNUSED, void *context)
{
    bool is_session = type == ZOO_SESSION_EVENT;

    post(context, news_new(is_session ? NEWS_SESSION : NEWS_CHANGED,
                           is_session ? state : 0));
}

static void on_children(int rc, const struct String_vector *list,
                        const void *context)
{
    struct news *news = news_new(NEWS_CHILDREN, rc);
    size_t count =
        rc == ZOK && list ? MIN((size_t)list->count, (size_t)MAX_NODES) : 0;

    news->names = xcalloc(count + 1, sizeof(*news->names));
    for (size_t i = 0; i < count; i++)
        news->names[i] = xstrdup(list->data[i]);
    news->count = count;
    post(context, news);
}

static void on_data(int rc, const char *value, int len,
                    const struct Stat *stat UNUSED, const void *context)
{
    struct news *news = news_new(NEWS_DATA, rc);

    if (rc == ZOK && value && len > 0 && len <= MAX_DATA)
        news->count = (size_t)len;
    news->data = news->count ? xmemdup(value, news->count) : xstrdup("");
    post(context, news);
}

/* The library's own chatter, on its threads; what matters is told by states. */
static void on_log(const char *message UNUSED)
{
}

/* ---- the connection ----------------------------------------------- */
static void connect_now(void *self);
static void on_silence(void *self);

static void free_news(struct news *news)
{
    for (size_t i = 0; news->names && i < news->count; i++)
        free(news->names[i]);
    free(news->names);
    free(news->data);
    free(news);
}

static void set_leader(struct zk_leader *zk, const char *leader)
{
    if (str_eq(zk->leader, leader))
        return;
    log_info("leader", "master=%s", leader ? leader : "unknown");
    free(zk->leader);
    zk->leader = xstrdup(leader);
    zk->changed(zk->self, zk->leader);
}

static void say(struct zk_leader *zk, const char *state)
{
    if (strcmp(zk->state, state) != 0)
        log_info("zookeeper", "hosts=%s state=%s", zk->url.hosts, log_q(state));
    snprintf(zk->state, sizeof(zk->state), "%s", state);
}

static void later(struct zk_leader *zk, void (*fn)(void *self))
{
    loop_timer_cancel(zk->loop, zk->timer);
    zk->timer = loop_timer(zk->loop, AGAIN_MS, 0, fn, zk);
}

static void disconnect(struct zk_leader *zk)
{
    struct connection *c = MOVE(zk->connection);

    loop_timer_cancel(zk->loop, zk->timer);
    loop_timer_cancel(zk->loop, zk->silence);
    zk->timer = zk->silence = 0;
    zk->is_listing = zk->is_stale = false;
    free(zk->node);
    zk->node = NULL;
    if (!c)
        return;
    zookeeper_close(c->handle); /* no callback comes after this */
    free(c);
}

static void connect_now(void *self)
{
    struct zk_leader *zk = self;
    struct connection *c;

    disconnect(zk);
    c = xcalloc(1, sizeof(*c));
    c->owner = zk;
    c->generation = ++zk->generation;
    if (zk->generation == 1)
        say(zk, "connecting to ZooKeeper");
    c->handle = zookeeper_init2(zk->url.hosts, on_watch, SESSION_MS, NULL, c, 0,
                                on_log);
    if (!c->handle) {
        free(c);
        say(zk, "no ZooKeeper can be found by its name");
        later(zk, connect_now);
        return;
    }
    zk->connection = c;
    zk->silence = loop_timer(zk->loop, SILENT_MS, 0, on_silence, zk);
    if (zk->url.auth)
        zoo_add_auth(c->handle, "digest", zk->url.auth,
                     (int)strlen(zk->url.auth), NULL, NULL);
}

/* ---- children and data -------------------------------------------- */
static void list(void *self)
{
    struct zk_leader *zk = self;
    int rc;

    zk->timer = 0;
    if (!zk->connection)
        return;
    if (zk->is_listing) {
        zk->is_stale = true;
        return;
    }
    rc = zoo_awget_children(zk->connection->handle, zk->url.path, on_watch,
                            zk->connection, on_children, zk->connection);
    zk->is_listing = rc == ZOK;
    zk->is_stale = false;
    if (rc != ZOK)
        later(zk, list);
}

static void ask_node(struct zk_leader *zk, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s", zk->url.path, name);
    int rc;

    free(zk->node);
    zk->node = xstrdup(name);
    rc = zoo_aget(zk->connection->handle, path, 0, on_data, zk->connection);
    if (rc != ZOK)
        later(zk, list);
}

static void forget_node(struct zk_leader *zk, const char *why)
{
    free(zk->node);
    zk->node = NULL;
    say(zk, why);
    set_leader(zk, NULL);
}

static void on_list(struct zk_leader *zk, const struct news *news)
{
    int leader;

    zk->is_listing = false;
    if (zk->is_stale) {
        list(zk);
        return;
    }
    if (news->rc != ZOK) {
        /* No node yet has no watch: look again. */
        if (news->rc == ZNONODE || news->rc == ZNOAUTH)
            forget_node(zk, news->rc == ZNOAUTH
                                ? "ZooKeeper does not let us read the path"
                                : "ZooKeeper has no such path: no master yet");
        later(zk, list);
        return;
    }
    leader = zk_pick_leader((const char *const *)news->names, news->count);
    if (leader < 0)
        forget_node(zk, "no master is registered in ZooKeeper");
    else if (!str_eq(zk->node, news->names[leader]) || !zk->leader)
        ask_node(zk, news->names[leader]);
    else
        say(zk, "following the leader");
}

static void on_node(struct zk_leader *zk, const struct news *news)
{
    AUTO_FREE char *address = NULL;
    struct err err = {0};

    if (!zk->node)
        return;
    if (news->rc != ZOK) { /* gone meanwhile */
        forget_node(zk, "the leader's node went away");
        later(zk, list);
        return;
    }
    address =
        zk_pick_address(zk->node, news->data, news->count, zk->by_name, &err);
    if (!address) {
        log_odd("leader_unreadable", "node=%s why=%s", log_q(zk->node),
                log_q(err.text));
        forget_node(zk, err.text);
        later(zk, list);
        return;
    }
    say(zk, "following the leader");
    set_leader(zk, address);
}

/* ---- the session -------------------------------------------------- */
static void on_silence(void *self)
{
    struct zk_leader *zk = self;

    zk->silence = 0;
    forget_node(zk, "no ZooKeeper answers");
    connect_now(zk); /* afresh: the session is over by now */
}

static void on_session(struct zk_leader *zk, int state)
{
    loop_timer_cancel(zk->loop, zk->silence);
    zk->silence = 0;
    if (state == ZOO_CONNECTED_STATE) {
        say(zk, "connected to ZooKeeper");
        list(zk);
    } else if (state == ZOO_EXPIRED_SESSION_STATE ||
               state == ZOO_AUTH_FAILED_STATE) {
        bool is_auth = state == ZOO_AUTH_FAILED_STATE;

        disconnect(zk);
        forget_node(zk, is_auth ? "ZooKeeper refuses user and password"
                                : "the session with ZooKeeper is lost");
        later(zk, connect_now);
    } else {
        say(zk, "disconnected from ZooKeeper");
        zk->silence = loop_timer(zk->loop, SILENT_MS, 0, on_silence, zk);
    }
}

static void handle(struct zk_leader *zk, const struct news *news)
{
    switch (news->kind) {
    case NEWS_SESSION:
        on_session(zk, news->rc);
        break;
    case NEWS_CHANGED:
        list(zk);
        break;
    case NEWS_CHILDREN:
        on_list(zk, news);
        break;
    case NEWS_DATA:
        on_node(zk, news);
        break;
    }
}

static void on_mail(void *self, int fd, int events UNUSED)
{
    struct zk_leader *zk = self;
    struct news *mail, *news, *next;
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        return;
    pthread_mutex_lock(&zk->lock);
    mail = MOVE(zk->mailbox);
    pthread_mutex_unlock(&zk->lock);
    DL_FOREACH_SAFE(mail, news, next)
    {
        if (zk->connection && news->generation == zk->connection->generation)
            handle(zk, news);
        free_news(news);
    }
}

/* ---- life --------------------------------------------------------- */
struct zk_leader *
zk_leader_new(struct loop *loop, const struct zk_leader_config *config,
              void (*changed)(void *self, const char *address), void *self,
              struct err *err)
{
    struct zk_leader *zk = xcalloc(1, sizeof(*zk));

    zk->loop = loop;
    zk->by_name = config->by_name;
    zk->changed = changed;
    zk->self = self;
    zk->event_fd = -1;
    pthread_mutex_init(&zk->lock, NULL);
    if (zk_url_parse(config->url, &zk->url, err) < 0) {
        zk_leader_destroy(&zk);
        return NULL;
    }
    zk->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(zk->event_fd >= 0);
    loop_fd(loop, zk->event_fd, LOOP_READ, on_mail, zk);
    zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
    zk->timer = loop_timer(loop, 0, 0, connect_now, zk);
    return zk;
}

void zk_leader_destroy(struct zk_leader **zk_leader)
{
    struct zk_leader *zk = *zk_leader;
    struct news *news, *next;

    if (!zk)
        return;
    disconnect(zk);
    if (zk->event_fd >= 0) {
        loop_fd_remove(zk->loop, zk->event_fd);
        close(zk->event_fd);
    }
    DL_FOREACH_SAFE(zk->mailbox, news, next)
    {
        free_news(news);
    }
    pthread_mutex_destroy(&zk->lock);
    zk_url_free(&zk->url);
    free(zk->leader);
    free(zk);
    *zk_leader = NULL;
}

const char *zk_leader_state(const struct zk_leader *zk)
{
    return zk->state;
}
