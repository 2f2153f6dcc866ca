/* SPDX-License-Identifier: Apache-2.0 */
/* replica - snapshot, then events; after a loss the events missed, or when they
 * are too many or not kept, a snapshot again
 *
 * Does not write, and does not know what a value means.
 *
 * Invariants:
 * - While `is_synced`, `items` is the store at `position.revision`, whole
 *   transactions only; events that arrive otherwise wait in `queue`.
 * - The map is changed before anybody is told, so a callback that looks around
 *   never sees half a transaction.
 * - It listens to everything, also with a prefix: a gap cannot be seen in a
 * part of the feed.
 */
#include "lib/bus/replica.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "lib/base/base.h"
#include "lib/base/heap.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/buf.h"
#include "lib/base/omap.h"
#include "lib/base/pack.h"
#include "lib/bus/bus.h"
#include "lib/bus/endpoint.h"
#include "lib/bus/feed.h"
#include "lib/loop/loop.h"

enum {
    HIGH_WATER = 100000,
    MESSAGES_A_TURN = 1024,
    MAX_QUEUE = 200000, /* events kept while a snapshot is under way */
    SILENCE_MS = 5000,
    WATCH_MS = 250,
    SNAPSHOT_MS = 30000,
    MIN_ASK_MS = 50, /* between two snapshots */
    RETRY_MS = 300,
    PAGE_ITEMS = 10000,
    MAX_MISSED = 20000, /* transactions; beyond, a snapshot costs less */
    FRAMES = 3,
    SEEN_IN_MOST = (1 << 30) - 1, /* what item.seen_in can hold */
};

enum form { PLAIN, PACKED, FORGOTTEN };

struct item {
    uint64_t revision;
    union {
        uint8_t *plain;
        struct packed *packed;
        uint64_t print; /* once it is forgotten */
    } value;
    uint32_t len;
    uint32_t seen_in : 30; /* number of the snapshot that had it last */
    uint32_t form : 2;     /* enum form */
};

/* What is to be told of one key. */
struct change {
    char *key;
    uint64_t revision;
    struct item *old; /* NULL: was not there */
};
struct changes {
    struct change *list;
    size_t count, cap;
};

struct events {
    Reeve__Event **list;
    size_t count, cap;
};

struct pages {
    Reeve__SnapshotReply **list;
    size_t count;
};

struct replica {
    struct loop *loop;
    char *prefix, *store_pub;
    struct replica_events tell;
    void *self;
    void *sub;
    struct bus_client *bus;
    struct err endpoint_err;

    struct omap *items;
    struct feed_position position;
    struct events part;  /* of the transaction that is arriving */
    struct events queue; /* while not synced */
    struct pages pages;  /* of the snapshot that is being read */
    bool is_synced, is_asking, is_alive, is_unsettled;
    bool forgets;      /* values, once they were told */
    struct pack *pack; /* NULL: values are kept as they are */
    struct buf *read;  /* what replica_get unpacked last */
    bool can_resume; /* `position` is known; nothing said that it is too old */
    int64_t heard_ms, asked_ms, connected_ms;
    uint64_t ask_timer, watch_timer;
    uint32_t snapshot_number;
    struct replica_stats stats;
    int64_t garbage_logged_ms;
    int busy;
    bool is_dead;
};

static void ask_soon(struct replica *r, int64_t delay_ms);

/* ---- small containers -------------------------------------------------- */

static void item_free(void *self)
{
    struct item *item = self;
    if (!item)
        return;
    if (item->form == PLAIN)
        free(item->value.plain);
    else if (item->form == PACKED)
        packed_free(item->value.packed);
    heap_keep_free(item);
}

static void changes_add(struct changes *c, const char *key, uint64_t revision,
                        struct item *old)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 16;
        c->list = xrealloc(c->list, c->cap * sizeof *c->list);
    }
    c->list[c->count++] = (struct change){xstrdup(key), revision, old};
}

static void changes_free(struct changes *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->list[i].key);
        item_free(c->list[i].old);
    }
    free(c->list);
}

static void events_add(struct events *e, Reeve__Event *event)
{
    if (e->count == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 16;
        e->list = xrealloc(e->list, e->cap * sizeof(Reeve__Event *));
    }
    e->list[e->count++] = event;
}

static void events_free(struct events *e)
{
    for (size_t i = 0; i < e->count; i++)
        reeve__event__free_unpacked(e->list[i], NULL);
    free(e->list);
    *e = (struct events){0};
}

/* ---- telling ----------------------------------------------------------- */

/* After every callback: -1 when it destroyed the replica. */
static int left(struct replica *r)
{
    return r->is_dead ? -1 : 0;
}

/* Tells values apart, not adversaries. */
static uint64_t fingerprint(const uint8_t *data, size_t len)
{
    uint64_t print = len, word;
    for (size_t at = 0; at < len; at += sizeof word) {
        word = 0;
        memcpy(&word, data + at, MIN(sizeof word, len - at));
        print = (print ^ word) * 0x9e3779b97f4a7c15u;
        print ^= print >> 32;
    }
    return print;
}

/* When all was told: a key may be in there twice. */
static void forget_values(struct replica *r, const struct changes *changes)
{
    for (size_t i = 0; i < changes->count && r->forgets; i++) {
        struct item *item = omap_get(r->items, changes->list[i].key);
        if (!item || item->form != PLAIN)
            continue;
        uint64_t print = fingerprint(item->value.plain, item->len);
        free(item->value.plain);
        item->value.print = print;
        item->form = FORGOTTEN;
    }
}

static int tell_changes(struct replica *r, const struct changes *changes)
{
    for (size_t i = 0; i < changes->count && r->tell.changed; i++) {
        const struct change *c = &changes->list[i];
        struct replica_item item = {.key = c->key, .revision = c->revision};
        bool has_old = c->old && c->old->form == PLAIN;
        replica_get(r, c->key, &item);
        r->tell.changed(r->self, &item, has_old ? c->old->value.plain : NULL,
                        c->old ? c->old->len : 0);
        if (left(r) < 0)
            return -1;
    }
    forget_values(r, changes);
    return 0;
}

static int tell_alive(struct replica *r, bool is_alive)
{
    if (r->is_alive == is_alive)
        return 0;
    r->is_alive = is_alive;
    if (r->tell.alive)
        r->tell.alive(r->self, is_alive);
    return left(r);
}

static int tell_settled(struct replica *r)
{
    if (!r->is_unsettled || !r->is_synced)
        return 0;
    r->is_unsettled = false;
    if (r->tell.settled)
        r->tell.settled(r->self, r->position.revision);
    return left(r);
}

/* ---- events ------------------------------------------------------------ */

static struct item *item_new(struct replica *r, const char *key,
                             const ProtobufCBinaryData *value,
                             uint64_t revision)
{
    struct item *item = heap_keep(sizeof *item);
    ASSERT(value->len <= UINT32_MAX);
    item->len = (uint32_t)value->len;
    item->revision = revision;
    item->form = r->pack ? PACKED : PLAIN;
    if (r->pack)
        item->value.packed = pack_keep(r->pack, key, value->data, value->len);
    else
        item->value.plain = xmemdup(value->data, value->len); /* never NULL */
    return item;
}

static void apply_event(struct replica *r, const Reeve__Event *event,
                        struct changes *changes)
{
    if (!str_starts(event->key, r->prefix))
        return;
    struct item *old =
        event->has_value
            ? omap_put(r->items, event->key,
                       item_new(r, event->key, &event->value, event->revision))
            : omap_remove(r->items, event->key);
    if (old || event->has_value)
        changes_add(changes, event->key, event->revision, old);
}

static int apply_part(struct replica *r)
{
    struct changes changes = {0};
    for (size_t i = 0; i < r->part.count; i++)
        apply_event(r, r->part.list[i], &changes);
    events_free(&r->part);
    r->is_unsettled = true;
    int rc = tell_changes(r, &changes);
    changes_free(&changes);
    return rc;
}

/* Takes the event.  -1: the replica was destroyed meanwhile. */
static int on_event(struct replica *r, Reeve__Event *event)
{
    enum feed_step step =
        r->is_synced ? feed_advance(&r->position, event) : FEED_GAP;
    switch (step) {
    case FEED_OLD:
        reeve__event__free_unpacked(event, NULL);
        return 0;
    case FEED_PART:
        events_add(&r->part, event);
        return 0;
    case FEED_LAST:
        events_add(&r->part, event);
        return apply_part(r);
    case FEED_GAP:
        break;
    }
    if (r->is_synced) {
        r->is_synced = false;
        r->stats.gaps++;
        log_odd("feed_gap", "at=%llu got=%llu",
                (unsigned long long)r->position.revision,
                (unsigned long long)event->revision);
        events_free(&r->part);
    }
    ask_soon(r, 0);
    if (r->queue.count >= MAX_QUEUE) /* the next snapshot comes after these */
        events_free(&r->queue);
    if (feed_is_tick(event))
        reeve__event__free_unpacked(event, NULL);
    else
        events_add(&r->queue, event);
    return 0;
}

static void note_garbage(struct replica *r, const char *why)
{
    r->stats.garbage++;
    if (bus_may_log(loop_now_ms(r->loop), &r->garbage_logged_ms))
        log_odd("feed_garbage", "endpoint=%s count=%llu why=%s", r->store_pub,
                (unsigned long long)r->stats.garbage, log_q(why));
}

static int on_frames(struct replica *r, zmq_msg_t *frames)
{
    struct err err = {0};
    struct feed_frames f = {
        zmq_msg_data(&frames[0]), zmq_msg_data(&frames[1]),
        zmq_msg_data(&frames[2]), zmq_msg_size(&frames[0]),
        zmq_msg_size(&frames[1]), zmq_msg_size(&frames[2]),
    };
    Reeve__Event *event = feed_decode(&f, &err);
    if (!event) {
        note_garbage(r, err.text);
        return 0;
    }
    r->heard_ms = clock_mono_ms();
    r->stats.events += !feed_is_tick(event);
    return on_event(r, event);
}

/* 1: one message; 0: none; -1: the replica was destroyed meanwhile. */
static int receive(struct replica *r)
{
    zmq_msg_t frames[FRAMES], *frame;
    int count = 0, more = 1;
    for (int i = 0; i < FRAMES; i++)
        zmq_msg_init(&frames[i]);
    for (; more; count++) {
        frame = &frames[MIN(count, FRAMES - 1)];
        if (zmq_msg_recv(frame, r->sub, ZMQ_DONTWAIT) < 0)
            break;
        more = zmq_msg_more(frame);
    }
    int rc = 0;
    if (count == FRAMES)
        rc = on_frames(r, frames);
    else if (count > 0)
        note_garbage(r, "not three frames");
    for (int i = 0; i < FRAMES; i++)
        zmq_msg_close(&frames[i]);
    return rc < 0 ? -1 : count > 0;
}

/* Runs fn with the replica kept alive, then buries it if it was destroyed. */
static void guarded(struct replica *r, int (*fn)(struct replica *r))
{
    r->busy++;
    fn(r);
    r->busy--;
    if (r->is_dead && !r->busy)
        replica_destroy(&r);
}

static int read_feed(struct replica *r)
{
    int rc = 1;
    for (int i = 0; i < MESSAGES_A_TURN && rc > 0; i++)
        rc = receive(r);
    return rc < 0 ? -1 : tell_settled(r);
}

static void on_readable(void *self, void *socket UNUSED)
{
    guarded(self, read_feed);
}

/* ---- snapshots --------------------------------------------------------- */

static bool is_same_value(const struct item *old, const Reeve__Item *in)
{
    AUTO_BUF struct buf bytes = {0};
    const void *value = old->value.plain;
    if (old->revision != in->revision || old->len != in->value.len)
        return false;
    if (old->form == FORGOTTEN)
        return old->value.print == fingerprint(in->value.data, in->value.len);
    if (old->form == PACKED) {
        packed_read(old->value.packed, &bytes);
        value = bytes.data;
    }
    return old->len == 0 || memcmp(value, in->value.data, old->len) == 0;
}

static void take_item(struct replica *r, const Reeve__Item *in,
                      struct changes *changes)
{
    if (!in->key || !in->key[0] || !str_starts(in->key, r->prefix))
        return;
    struct item *old = omap_get(r->items, in->key);
    bool is_same = old && is_same_value(old, in);
    if (!is_same) {
        struct item *item = item_new(r, in->key, &in->value, in->revision);
        item->seen_in = r->snapshot_number;
        changes_add(changes, in->key, in->revision,
                    omap_put(r->items, in->key, item));
    } else {
        old->seen_in = r->snapshot_number;
    }
}

static int by_revision(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    if (x->revision != y->revision)
        return x->revision < y->revision ? -1 : 1;
    return strcmp(x->key, y->key);
}

static void drop_unseen(struct replica *r, uint64_t revision,
                        struct changes *changes)
{
    struct omap_node *next, *n = omap_seek(r->items, "");
    for (; n; n = next) {
        struct item *item = omap_value(n);
        next = omap_next(n);
        if (item->seen_in == r->snapshot_number)
            continue;
        changes_add(changes, omap_key(n), revision, item);
        omap_remove(r->items, omap_key(n));
    }
}

static void pages_free(struct pages *p)
{
    for (size_t i = 0; i < p->count; i++)
        reeve__snapshot_reply__free_unpacked(p->list[i], NULL);
    free(p->list);
    *p = (struct pages){0};
}

static void pages_add(struct pages *p, Reeve__SnapshotReply *page)
{
    p->list = xrealloc(p->list, (p->count + 1) * sizeof *p->list);
    p->list[p->count++] = page;
}

/* All pages are there. */
static int apply_snapshot(struct replica *r)
{
    const Reeve__SnapshotReply *m = r->pages.list[0];
    struct changes changes = {0};
    r->snapshot_number = (r->snapshot_number + 1) & SEEN_IN_MOST;
    for (size_t p = 0; p < r->pages.count; p++)
        for (size_t i = 0; i < r->pages.list[p]->n_items; i++)
            take_item(r, r->pages.list[p]->items[i], &changes);
    if (changes.count)
        qsort(changes.list, changes.count, sizeof *changes.list, by_revision);
    drop_unseen(r, m->revision, &changes);
    feed_start(&r->position, m->revision, m->lineage);
    r->is_synced = r->can_resume = true;
    r->is_unsettled = true;
    r->stats.snapshots++;
    r->heard_ms = clock_mono_ms();
    log_debug("snapshot", "revision=%llu keys=%zu changed=%zu",
              (unsigned long long)m->revision, omap_count(r->items),
              changes.count);
    pages_free(&r->pages);
    int rc = tell_changes(r, &changes);
    changes_free(&changes);
    return rc;
}

/* What came while the snapshot was under way: from the position on, as if it
 * came now. */
static int replay_queue(struct replica *r)
{
    struct events queue = r->queue;
    int rc = 0;
    r->queue = (struct events){0};
    for (size_t i = 0; i < queue.count; i++) {
        if (rc == 0)
            rc = on_event(r, queue.list[i]);
        else
            reeve__event__free_unpacked(queue.list[i], NULL);
    }
    free(queue.list);
    return rc;
}

static int go_on(struct replica *r)
{
    if (replay_queue(r) < 0 || tell_alive(r, true) < 0)
        return -1;
    return tell_settled(r);
}

static void ask_page(struct replica *r);

/* Of the snapshot that the pages before it are of? */
static bool is_next_page(const struct replica *r, const Reeve__SnapshotReply *m)
{
    if (r->pages.count == 0)
        return !m->has_cursor || m->n_items > 0;
    const Reeve__SnapshotReply *first = r->pages.list[0];
    return m->revision == first->revision &&
           str_eq(str_or_empty(m->lineage), str_or_empty(first->lineage)) &&
           (!m->has_cursor || m->n_items > 0);
}

static int take_page(struct replica *r, const struct bus_answer *answer)
{
    r->is_asking = false;
    Reeve__SnapshotReply *m = NULL;
    if (!answer->err.code)
        m = reeve__snapshot_reply__unpack(NULL, answer->len, answer->body);
    if (!m || !is_next_page(r, m)) {
        log_odd("snapshot_failed", "why=%s",
                log_q(answer->err.code ? answer->err.text
                      : m              ? "the page does not follow"
                                       : "the answer does not parse"));
        if (m)
            reeve__snapshot_reply__free_unpacked(m, NULL);
        pages_free(&r->pages);
        ask_soon(r, RETRY_MS);
        return 0;
    }
    pages_add(&r->pages, m);
    if (m->has_cursor) {
        ask_page(r);
        return 0;
    }
    return apply_snapshot(r) < 0 ? -1 : go_on(r);
}

static void on_snapshot(void *self, const struct bus_answer *answer)
{
    struct replica *r = self;
    r->busy++;
    take_page(r, answer);
    r->busy--;
    if (r->is_dead && !r->busy)
        replica_destroy(&r);
}

static void ask_page(struct replica *r)
{
    Reeve__SnapshotRequest m = REEVE__SNAPSHOT_REQUEST__INIT;
    m.prefix = r->prefix;
    m.has_limit = 1;
    m.limit = PAGE_ITEMS;
    if (r->pages.count > 0) {
        Reeve__SnapshotReply *last = r->pages.list[r->pages.count - 1];
        m.has_cursor = 1;
        m.cursor = last->cursor;
        m.start_after = last->items[last->n_items - 1]->key;
    }
    r->is_asking = true;
    bus_client_call(r->bus, "store.snapshot", NULL, &m.base, SNAPSHOT_MS,
                    on_snapshot, r);
}

/* ---- what was missed --------------------------------------------------- */

/* The events of a reply are whole transactions in order. */
static bool are_sane(const struct replica *r, const Reeve__EventsSinceReply *m)
{
    uint64_t last = r->position.revision;
    for (size_t i = 0; i < m->n_events; i++) {
        const Reeve__Event *e = m->events[i];
        if (!e->key || e->revision <= r->position.revision ||
            e->revision < last || e->revision > m->revision)
            return false;
        last = e->revision;
    }
    return m->revision >= r->position.revision &&
           (m->revision > r->position.revision ||
            m->current_revision <= m->revision) &&
           str_eq(str_or_empty(m->lineage), r->position.lineage);
}

/* Takes the events out of the message. */
static int apply_missed(struct replica *r, Reeve__EventsSinceReply *m)
{
    size_t n = m->n_events;
    int rc = 0;
    m->n_events = 0;
    for (size_t i = 0; i < n; i++) {
        Reeve__Event *event = m->events[i];
        bool is_last =
            i + 1 == n || m->events[i + 1]->revision != event->revision;
        events_add(&r->part, event);
        r->stats.events++;
        if (!is_last || rc < 0)
            continue;
        r->position.revision = event->revision;
        rc = apply_part(r);
    }
    return rc;
}

static void ask(void *self);

static int take_missed(struct replica *r, const struct bus_answer *answer)
{
    r->is_asking = false;
    Reeve__EventsSinceReply *m = NULL;
    if (!answer->err.code)
        m = reeve__events_since_reply__unpack(NULL, answer->len, answer->body);
    if (!m || !are_sane(r, m) ||
        m->current_revision - m->revision > MAX_MISSED) {
        log_debug("no_resume", "why=%s", log_q(answer->err.text));
        if (m)
            reeve__events_since_reply__free_unpacked(m, NULL);
        r->can_resume = false;
        ask(r);
        return 0;
    }
    uint64_t revision = m->revision;
    bool is_all = m->current_revision <= revision;
    AUTO_FREE char *lineage = xstrdup(m->lineage);
    int rc = apply_missed(r, m);
    reeve__events_since_reply__free_unpacked(m, NULL);
    if (rc < 0)
        return -1;
    feed_start(&r->position, revision, lineage);
    r->is_unsettled = true;
    r->heard_ms = clock_mono_ms();
    if (!is_all) {
        ask(r);
        return 0;
    }
    r->is_synced = true;
    r->stats.resumes++;
    return go_on(r);
}

static void on_missed(void *self, const struct bus_answer *answer)
{
    struct replica *r = self;
    r->busy++;
    take_missed(r, answer);
    r->busy--;
    if (r->is_dead && !r->busy)
        replica_destroy(&r);
}

static void ask_missed(struct replica *r)
{
    Reeve__EventsSinceRequest m = REEVE__EVENTS_SINCE_REQUEST__INIT;
    m.has_revision = 1;
    m.revision = r->position.revision;
    m.lineage = r->position.lineage;
    m.prefix = r->prefix;
    r->is_asking = true;
    bus_client_call(r->bus, "store.events_since", NULL, &m.base, SNAPSHOT_MS,
                    on_missed, r);
}

static void ask(void *self)
{
    struct replica *r = self;
    r->ask_timer = 0;
    r->asked_ms = clock_mono_ms();
    if (r->can_resume && r->position.lineage[0])
        ask_missed(r);
    else
        ask_page(r);
}

static void ask_soon(struct replica *r, int64_t delay_ms)
{
    if (r->is_asking || r->ask_timer)
        return;
    int64_t pause_ms = r->asked_ms + MIN_ASK_MS - clock_mono_ms();
    r->ask_timer = loop_timer(r->loop, MAX(delay_ms, pause_ms), 0, ask, r);
}

/* ---- silence ----------------------------------------------------------- */

/* Who is silent may only wait for its turn, while its partner publishes under
 * the endpoint now. */
static void come_over(struct replica *r, int64_t now_ms)
{
    if (r->endpoint_err.code || now_ms - r->connected_ms <= SILENCE_MS)
        return;
    r->connected_ms = now_ms;
    zmq_disconnect(r->sub, r->store_pub);
    int rc = zmq_connect(r->sub, r->store_pub);
    ASSERT(rc == 0);
}

static int check_silence(struct replica *r)
{
    int64_t now_ms = clock_mono_ms(), silent_ms = now_ms - r->heard_ms;
    if (silent_ms > SILENCE_MS)
        come_over(r, now_ms);
    if (!r->is_alive || silent_ms <= SILENCE_MS)
        return 0;
    log_odd("feed_silent", "endpoint=%s for_ms=%lld", r->store_pub,
            (long long)silent_ms);
    /* The next word that is heard makes a new snapshot. */
    r->is_synced = false;
    events_free(&r->part);
    events_free(&r->queue);
    return tell_alive(r, false);
}

static void on_watch(void *self)
{
    guarded(self, check_silence);
}

/* ---- reading ----------------------------------------------------------- */

bool replica_is_alive(const struct replica *r)
{
    return r->is_alive;
}

uint64_t replica_revision(const struct replica *r)
{
    return r->position.revision;
}

const char *replica_lineage(const struct replica *r)
{
    return r->position.lineage;
}

/* bytes: where a packed value is read to. */
static struct replica_item outside(const char *key, const struct item *item,
                                   struct buf *bytes)
{
    struct replica_item out = {key, NULL, item->len, item->revision};
    if (item->form == PLAIN) {
        out.value = item->value.plain;
    } else if (item->form == PACKED) {
        buf_clear(bytes);
        packed_read(item->value.packed, bytes);
        out.value = (const uint8_t *)buf_text(bytes);
    }
    return out;
}

bool replica_get(const struct replica *r, const char *key,
                 struct replica_item *out)
{
    const struct item *item = omap_get(r->items, key);
    if (item)
        *out = outside(key, item, r->read);
    return item != NULL;
}

void replica_each(const struct replica *r, const char *prefix,
                  void (*fn)(void *self, const struct replica_item *item),
                  void *self)
{
    struct omap_node *n = omap_seek(r->items, prefix);
    AUTO_BUF struct buf bytes = {0};
    for (; n && str_starts(omap_key(n), prefix); n = omap_next(n)) {
        struct replica_item item = outside(omap_key(n), omap_value(n), &bytes);
        fn(self, &item);
    }
}

void replica_stats(const struct replica *r, struct replica_stats *out)
{
    *out = r->stats;
}

/* ---- life -------------------------------------------------------------- */

static void subscribe(struct replica *r)
{
    int first_ms = 50, last_ms = 500;
    r->sub = bus_socket(ZMQ_SUB, HIGH_WATER);
    zmq_setsockopt(r->sub, ZMQ_RECONNECT_IVL, &first_ms, sizeof first_ms);
    zmq_setsockopt(r->sub, ZMQ_RECONNECT_IVL_MAX, &last_ms, sizeof last_ms);
    zmq_setsockopt(r->sub, ZMQ_SUBSCRIBE, "", 0);
    if (bus_endpoint_check(r->store_pub, &r->endpoint_err) < 0) {
        log_bad("feed_endpoint", "why=%s", log_q(r->endpoint_err.text));
        return; /* never alive */
    }
    int rc = zmq_connect(r->sub, r->store_pub);
    ASSERT(rc == 0);
    r->connected_ms = clock_mono_ms();
    loop_socket(r->loop, r->sub, on_readable, r);
    ask_soon(r, 0);
}

struct replica *replica_new(struct loop *loop, const char *from,
                            const char *store_req, const char *store_pub,
                            const char *prefix,
                            const struct replica_events *events, void *self)
{
    struct replica *r = xcalloc(1, sizeof *r);
    r->loop = loop;
    r->prefix = xstrdup(prefix);
    r->store_pub = xstrdup(store_pub);
    r->tell = *events;
    r->self = self;
    r->items = omap_new();
    r->read = xcalloc(1, sizeof *r->read);
    r->bus = bus_client_new(loop, from, store_req);
    r->watch_timer = loop_timer(loop, WATCH_MS, WATCH_MS, on_watch, r);
    subscribe(r);
    return r;
}

void replica_pack_values(struct replica *replica)
{
    ASSERT(omap_count(replica->items) == 0 && !replica->pack);
    replica->pack = pack_new();
}

void replica_forget_values(struct replica *replica)
{
    ASSERT(omap_count(replica->items) == 0);
    replica->forgets = true;
}

void replica_destroy(struct replica **replica)
{
    struct replica *r = *replica;
    *replica = NULL;
    if (!r)
        return;
    r->is_dead = true;
    if (r->busy)
        return; /* guarded() or on_snapshot() comes back here */
    loop_timer_cancel(r->loop, r->watch_timer);
    loop_timer_cancel(r->loop, r->ask_timer);
    loop_socket_remove(r->loop, r->sub);
    zmq_close(r->sub);
    bus_client_destroy(&r->bus);
    events_free(&r->part);
    events_free(&r->queue);
    pages_free(&r->pages);
    omap_free(r->items, item_free);
    pack_destroy(&r->pack);
    buf_free(r->read);
    free(r->read);
    free(r->prefix);
    free(r->store_pub);
    free(r);
}
