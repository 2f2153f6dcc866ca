/* SPDX-License-Identifier: Apache-2.0 */
/* election_zk - who has the ephemeral node <path>/active is elected
 *
 * The node holds the holder's name; the id of the transaction that made it is
 * the epoch, which only grows in one ensemble.  The lease is renewed by reading
 * the node: the session lives at least its timeout longer than the moment the
 * question was sent.  A node of our own name and another session is of a dead
 * process of this data folder, and is removed.
 *
 * The node <path>/mark stays.  Who is elected reads it before it knows: no
 * session that is over writes it any more, and a server that shows our node
 * shows all that was written before it.
 *
 * With a user and password (scheme digest) all nodes that are made here are for
 * this user alone.
 *
 * The client library calls back in its own thread: it only leaves a note and
 * wakes the loop.  One question is under way at a time.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/election.h"

enum { EVERY_MIN_MS = 50, EVERY_MAX_MS = 1000, HOLDER_MAX = 4096 };

enum asked { NOTHING, PARENT, MAKE, READ, REMOVE, READ_MARK, MARK, MAKE_MARK };

struct zk {
    struct loop *loop;
    const struct election_events *events;
    void *self;
    char *hosts, *node, *mark_node, *holder;
    char *account; /* user:password; NULL: anybody */
    int64_t ttl_ms;
    uint64_t timer;
    int wake_fd;

    zhandle_t *handle;
    enum asked asked;
    size_t at; /* how much of the node's path was made */
    int64_t asked_ms, leased_ms;
    bool is_won;
    int64_t yield_until_ms;
    bool must_remove; /* our node, to let others win */
    uint64_t epoch;   /* of our node */
    /* As it was when we won, as it is there, as it shall be. */
    char found_mark[ELECTION_MARK_MAX], mark[ELECTION_MARK_MAX];
    char next_mark[ELECTION_MARK_MAX];
    int64_t heard_ms; /* when it was last connected */
    char why[300];    /* it is not won */

    /* What the client's thread leaves. */
    pthread_mutex_t lock;
    bool is_answered, is_over;
    int rc;
    struct Stat stat;
    char owner[HOLDER_MAX];
};

/* ---- the client's thread ------------------------------------------------- */

static void wake(struct zk *zk)
{
    uint64_t one = 1;
    pthread_mutex_unlock(&zk->lock);
    if (write(zk->wake_fd, &one, sizeof one) < 0)
        return; /* it is awake already */
}

static void on_session(zhandle_t *handle UNUSED, int type, int state,
                       const char *path UNUSED, void *context)
{
    struct zk *zk = context;
    if (type != ZOO_SESSION_EVENT)
        return;
    pthread_mutex_lock(&zk->lock);
    if (state == ZOO_EXPIRED_SESSION_STATE || state == ZOO_AUTH_FAILED_STATE)
        zk->is_over = true;
    wake(zk);
}

static void answer(struct zk *zk, int rc)
{
    zk->rc = rc;
    zk->is_answered = true;
    wake(zk);
}

static void on_made(int rc, const char *name UNUSED, const void *data)
{
    struct zk *zk = (void *)(uintptr_t)data;
    pthread_mutex_lock(&zk->lock);
    answer(zk, rc);
}

static void on_removed(int rc, const void *data)
{
    on_made(rc, NULL, data);
}

static void on_set(int rc, const struct Stat *stat UNUSED, const void *data)
{
    on_made(rc, NULL, data);
}

static void on_read(int rc, const char *value, int len, const struct Stat *stat,
                    const void *data)
{
    struct zk *zk = (void *)(uintptr_t)data;
    pthread_mutex_lock(&zk->lock);
    zk->owner[0] = '\0';
    if (rc == ZOK) {
        snprintf(zk->owner, sizeof zk->owner, "%.*s", MAX(len, 0),
                 value ? value : "");
        zk->stat = *stat;
    }
    answer(zk, rc);
}

/* ---- the loop's thread --------------------------------------------------- */

static void sent(struct zk *zk, enum asked what, int rc)
{
    zk->asked = rc == ZOK ? what : NOTHING;
}

static const struct ACL_vector *acl_of(const struct zk *zk)
{
    return zk->account ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE;
}

/* Said once for each reason. */
static void set_why(struct zk *zk, const char *what, const char *why)
{
    char text[sizeof zk->why];
    snprintf(text, sizeof text, "ZooKeeper %.120s: %.100s: %.60s", zk->hosts,
             what, why);
    if (strcmp(text, zk->why) == 0)
        return;
    memcpy(zk->why, text, sizeof zk->why);
    log_odd("zookeeper", "why=%s", log_q(zk->why));
}

static void make_parent(struct zk *zk)
{
    const char *end = strchr(zk->node + zk->at + 1, '/');
    AUTO_FREE char *path = xstrndup(zk->node, (size_t)(end - zk->node));
    sent(zk, PARENT,
         zoo_acreate(zk->handle, path, "", 0, acl_of(zk), 0, on_made, zk));
}

static void make(struct zk *zk)
{
    sent(zk, MAKE,
         zoo_acreate(zk->handle, zk->node, zk->holder, (int)strlen(zk->holder),
                     acl_of(zk), ZOO_EPHEMERAL, on_made, zk));
}

static void ask(struct zk *zk)
{
    zk->asked_ms = clock_mono_ms();
    sent(zk, READ, zoo_aget(zk->handle, zk->node, 0, on_read, zk));
}

static void read_mark(struct zk *zk)
{
    sent(zk, READ_MARK, zoo_aget(zk->handle, zk->mark_node, 0, on_read, zk));
}

static void write_mark(struct zk *zk, bool is_there)
{
    const char *text = zk->next_mark;
    int len = (int)strlen(text);
    memcpy(zk->mark, text, sizeof zk->mark);
    if (is_there)
        sent(zk, MARK,
             zoo_aset(zk->handle, zk->mark_node, text, len, -1, on_set, zk));
    else
        sent(zk, MAKE_MARK,
             zoo_acreate(zk->handle, zk->mark_node, text, len, acl_of(zk), 0,
                         on_made, zk));
}

static void win(struct zk *zk, int rc)
{
    if (rc != ZOK && rc != ZNONODE)
        return; /* asked again with the node */
    snprintf(zk->mark, sizeof zk->mark, "%s", rc == ZOK ? zk->owner : "");
    memcpy(zk->found_mark, zk->mark, sizeof zk->mark);
    memcpy(zk->next_mark, zk->mark, sizeof zk->mark);
    zk->is_won = true;
    zk->events->won(zk->self, zk->epoch);
}

static void lose(struct zk *zk, const char *why)
{
    zk->leased_ms = 0;
    if (!zk->is_won)
        return;
    zk->is_won = false;
    zk->events->lost(zk->self, why);
}

static void close_session(struct zk *zk)
{
    if (zk->handle)
        zookeeper_close(zk->handle);
    zk->handle = NULL;
    zk->is_answered = zk->is_over = zk->must_remove = false;
    zk->asked = NOTHING;
    zk->at = 0;
}

static void on_owner(struct zk *zk)
{
    const clientid_t *id = zoo_client_id(zk->handle);
    if (zk->stat.ephemeralOwner == id->client_id) {
        if (zk->must_remove)
            return;
        zk->leased_ms = zk->asked_ms;
        zk->why[0] = '\0';
        zk->epoch = (uint64_t)zk->stat.czxid;
        if (!zk->is_won)
            read_mark(zk);
        else if (strcmp(zk->mark, zk->next_mark) != 0)
            write_mark(zk, true);
        return;
    }
    zk->why[0] = '\0';
    lose(zk, "another store has the node in ZooKeeper");
    if (strcmp(zk->owner, zk->holder) == 0)
        sent(zk, REMOVE,
             zoo_adelete(zk->handle, zk->node, zk->stat.version, on_removed,
                         zk));
}

static void on_answer(struct zk *zk, enum asked what, int rc)
{
    bool is_there = rc == ZOK || rc == ZNODEEXISTS;
    if ((what == MARK || what == MAKE_MARK) && rc != ZOK)
        zk->mark[0] = '\0'; /* not known to be there */
    if (!is_there && rc != ZNONODE)
        set_why(zk, zk->node, zerror(rc));
    switch (what) {
    case NOTHING:
    case REMOVE:
        break;
    case PARENT:
        if (!is_there)
            break;
        zk->at = (size_t)(strchr(zk->node + zk->at + 1, '/') - zk->node);
        break;
    case MAKE:
        if (is_there)
            ask(zk);
        break;
    case READ_MARK:
        if (!zk->must_remove)
            win(zk, rc);
        break;
    case MARK:
        if (rc == ZNONODE)
            write_mark(zk, false);
        break;
    case MAKE_MARK:
        break;
    case READ:
        if (rc == ZOK)
            on_owner(zk);
        else if (rc == ZNONODE)
            lose(zk, "the node in ZooKeeper is gone");
        break;
    }
}

static void open_session(struct zk *zk)
{
    zk->handle =
        zookeeper_init(zk->hosts, on_session, (int)zk->ttl_ms, NULL, zk, 0);
    if (!zk->handle)
        set_why(zk, "no session", strerror(errno));
    else if (zk->account)
        zoo_add_auth(zk->handle, "digest", zk->account,
                     (int)strlen(zk->account), NULL, NULL);
}

/* As long as the session lives the node is ours. */
static void remove_own(struct zk *zk)
{
    zk->must_remove = false;
    sent(zk, REMOVE, zoo_adelete(zk->handle, zk->node, -1, on_removed, zk));
}

/* What comes next when nothing is under way. */
static void step(struct zk *zk)
{
    if (!zk->handle) {
        open_session(zk);
        return;
    }
    int64_t now_ms = clock_mono_ms();
    if (zoo_state(zk->handle) == ZOO_CONNECTED_STATE)
        zk->heard_ms = now_ms;
    else if (now_ms - zk->heard_ms > zk->ttl_ms)
        set_why(zk, "not connected", "it does not answer");
    if (zk->asked != NOTHING || zk->heard_ms != now_ms)
        return;
    if (strchr(zk->node + zk->at + 1, '/'))
        make_parent(zk);
    else if (zk->must_remove)
        remove_own(zk);
    else if (now_ms < zk->yield_until_ms)
        return;
    else if (zk->is_won)
        ask(zk);
    else
        make(zk);
}

static void on_wake(void *self, int fd, int events UNUSED)
{
    struct zk *zk = self;
    uint64_t n;
    if (read(fd, &n, sizeof n) < 0)
        return;
    pthread_mutex_lock(&zk->lock);
    bool is_answered = zk->is_answered, is_over = zk->is_over;
    int rc = zk->rc;
    zk->is_answered = false;
    pthread_mutex_unlock(&zk->lock);
    if (is_over) {
        close_session(zk);
        lose(zk, "the session with ZooKeeper is over");
        return;
    }
    if (!is_answered)
        return;
    enum asked what = zk->asked;
    zk->asked = NOTHING;
    on_answer(zk, what, rc);
    if (what == PARENT && (rc == ZOK || rc == ZNODEEXISTS))
        step(zk);
}

static void on_timer(void *self)
{
    step(self);
}

/* [user:password@]host:port[,host:port]/path: where the hosts begin. */
static const char *hosts_of(const char *rest)
{
    const char *at = memrchr(rest, '@', strcspn(rest, "/"));
    return at ? at + 1 : rest;
}

static int zk_check(const char *rest, struct err *err)
{
    const char *hosts = hosts_of(rest);
    const char *path = strchr(hosts, '/');
    size_t n = path ? strlen(path) : 0;
    if (!path || path == hosts || n < 2 || path[n - 1] == '/' ||
        strstr(path, "//"))
        return err_set(err, ERR_INVALID,
                       "\"zk://%.200s\" is not zk://host:port[,host:port]/path",
                       hosts);
    const char *colon = memchr(rest, ':', (size_t)(hosts - rest));
    if (hosts > rest && (!colon || colon == rest || colon + 2 >= hosts))
        return err_set(err, ERR_INVALID,
                       "in front of the @ must be user:password");
    return 0;
}

static void *zk_start(struct loop *loop, const struct election_config *config,
                      const struct election_events *events, void *self)
{
    struct zk *zk = xcalloc(1, sizeof *zk);
    const char *rest = config->url + strlen(election_zk.scheme);
    const char *hosts = hosts_of(rest), *path = strchr(hosts, '/');
    zk->loop = loop;
    zk->events = events;
    zk->self = self;
    zk->hosts = xstrndup(hosts, (size_t)(path - hosts));
    if (hosts > rest)
        zk->account = xstrndup(rest, (size_t)(hosts - rest) - 1);
    zk->heard_ms = clock_mono_ms();
    zk->node = xasprintf("%s/active", path);
    zk->mark_node = xasprintf("%s/mark", path);
    zk->holder = xasprintf("%.*s", HOLDER_MAX - 1, config->holder);
    zk->ttl_ms = config->ttl_ms;
    zk->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(zk->wake_fd >= 0);
    pthread_mutex_init(&zk->lock, NULL);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    loop_fd(loop, zk->wake_fd, LOOP_READ, on_wake, zk);
    int64_t every_ms = MAX(EVERY_MIN_MS, MIN(zk->ttl_ms / 6, EVERY_MAX_MS));
    zk->timer = loop_timer(loop, 0, every_ms, on_timer, zk);
    return zk;
}

static void zk_stop(void *state)
{
    struct zk *zk = state;
    loop_timer_cancel(zk->loop, zk->timer);
    loop_fd_remove(zk->loop, zk->wake_fd);
    close_session(zk);
    close(zk->wake_fd);
    pthread_mutex_destroy(&zk->lock);
    free(zk->hosts);
    free(zk->account);
    free(zk->node);
    free(zk->mark_node);
    free(zk->holder);
    free(zk);
}

static bool zk_holds(const void *state)
{
    const struct zk *zk = state;
    return zk->is_won && zk->handle && zk->leased_ms &&
           clock_mono_ms() - zk->leased_ms <
               MIN(zk->ttl_ms, (int64_t)zoo_recv_timeout(zk->handle));
}

static const char *zk_why(const void *state)
{
    const struct zk *zk = state;
    return zk->why;
}

static void zk_yield(void *state)
{
    struct zk *zk = state;
    zk->is_won = false;
    zk->leased_ms = 0;
    zk->must_remove = zk->handle != NULL;
    zk->yield_until_ms = clock_mono_ms() + 2 * zk->ttl_ms;
}

/* Written after the next look at the node. */
static void zk_set_mark(void *state, const char *mark)
{
    struct zk *zk = state;
    if (zk->is_won)
        snprintf(zk->next_mark, sizeof zk->next_mark, "%s", mark);
}

static const char *zk_mark(const void *state)
{
    const struct zk *zk = state;
    return zk->found_mark;
}

const struct election_kind election_zk = {
    .scheme = "zk://",
    .check = zk_check,
    .start = zk_start,
    .stop = zk_stop,
    .holds = zk_holds,
    .why = zk_why,
    .yield = zk_yield,
    .set_mark = zk_set_mark,
    .mark = zk_mark,
};
