/* SPDX-License-Identifier: Apache-2.0 */
/* watch - what followers ask for: snapshots, whole or in pages, and the events
 * they missed; and what is published to them
 *
 * A slow subscriber costs at most the byte budget of the feed plus --pub-queue
 * small events: while more than the budget waits in sockets, a transaction with
 * a large value is not published; the tick sent instead shows the gap, and who
 * follows asks for it here.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/bus/bus.h"
#include "proto/store.pb-c.h"
#include "services/state-store/answers.h"
#include "services/state-store/store.h"
#include "services/state-store/table.h"

enum {
    SMALL_EVENT = 1024, /* published in any case */
    REPLY_EVENTS = 4096,
    REPLY_BYTES = 4 << 20, /* one transaction may be more */
};

/* ---- publishing ---- */

static void fill_event(Reeve__Event *event, const struct record *record,
                       size_t i)
{
    struct item *item = record->items[i];
    reeve__event__init(event);
    event->has_revision = event->has_index = event->has_count = 1;
    event->has_wall_ms = 1;
    event->revision = record->revision;
    event->index = (uint32_t)i;
    event->count = (uint32_t)record->n_items;
    event->wall_ms = record->wall_ms;
    event->key = item->bytes;
    event->has_value = !item->is_deleted;
    event->value.len = item->len;
    event->value.data = (uint8_t *)(uintptr_t)item_value(item);
}

void store_publish_tick(struct store *s)
{
    Reeve__Event event = REEVE__EVENT__INIT;
    char lineage[UUID_TEXT_SIZE];
    uuid_format(table_lineage(s->table), lineage);
    event.has_revision = event.has_wall_ms = 1;
    event.revision = s->visible_revision;
    event.lineage = lineage;
    event.wall_ms = clock_wall_ms();
    bus_pub_send(s->pub, "~tick", event.revision, &event.base);
}

static bool is_too_much(const struct store *s, const struct record *record)
{
    size_t waiting = bus_pub_in_flight(s->pub), largest = 0;
    for (size_t i = 0; i < record->n_items; i++)
        largest = MAX(largest, record->items[i]->len);
    return largest > SMALL_EVENT &&
           waiting + record_bytes(record) > s->pub_max_bytes;
}

void store_publish(struct store *s, struct record *record)
{
    retained_push(&s->retained, record);
    if (is_too_much(s, record)) {
        service_count(s->service, "store.unpublished", 1,
                      "transactions left to be asked for: too much waits for "
                      "slow subscribers");
        store_publish_tick(s);
        return;
    }
    for (size_t i = 0; i < record->n_items; i++) {
        Reeve__Event event;
        fill_event(&event, record, i);
        bus_pub_send(s->pub, event.key, record->revision, &event.base);
    }
    service_count(s->service, "store.events", record->n_items,
                  "changed keys published");
}

/* What replay read last is kept as if it had been published just now, unless
 * the table has come from elsewhere since. */
void store_retain_found(struct store *s)
{
    const struct record_queue *tail = &s->found.tail;
    struct record *record = record_queue_first(tail);
    s->retained.max_records =
        (size_t)service_int(s->service, "keep-transactions");
    s->retained.max_bytes = (size_t)service_int(s->service, "keep-mib") << 20;
    s->retained.revision = s->visible_revision;
    if (!record)
        return;
    s->retained.revision = record->revision - (record->type == RECORD_TXN);
    for (uint64_t seq = record->seq; (record = record_queue_at(tail, seq));
         seq++)
        if (record->type == RECORD_TXN)
            retained_push(&s->retained, record);
    if (s->retained.revision != s->visible_revision)
        retained_clear(&s->retained, s->visible_revision);
}

/* ---- store.events_since ---- */

static size_t count_wanted(const struct record *record, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < record->n_items; i++)
        n += str_starts(item_key(record->items[i]), prefix);
    return n;
}

static size_t bytes_wanted(const struct record *record, const char *prefix)
{
    size_t bytes = 0;
    for (size_t i = 0; i < record->n_items; i++)
        if (str_starts(item_key(record->items[i]), prefix))
            bytes += record->items[i]->key_len + (size_t)record->items[i]->len;
    return bytes;
}

/* The last revision whose transaction fits; *n events. */
static uint64_t last_fitting(const struct retained *retained,
                             const Reeve__EventsSinceRequest *m, size_t *n)
{
    const char *prefix = str_or_empty(m->prefix);
    size_t limit = m->limit ? MIN(m->limit, REPLY_EVENTS) : REPLY_EVENTS;
    size_t bytes = 0;
    uint64_t revision = m->revision;
    const struct record *record;
    *n = 0;
    while ((record = retained_at(retained, revision + 1))) {
        size_t more = count_wanted(record, prefix);
        bytes += bytes_wanted(record, prefix);
        if (*n && more && (*n + more > limit || bytes > REPLY_BYTES))
            break;
        *n += more;
        revision++;
    }
    return revision;
}

static void reply_events(struct store *s, struct bus_call *call,
                         const Reeve__EventsSinceRequest *m,
                         Reeve__EventsSinceReply *reply)
{
    size_t n;
    reply->revision = last_fitting(&s->retained, m, &n);
    Reeve__Event *events = xcalloc(n + 1, sizeof *events);
    reply->events = xcalloc(n + 1, sizeof(Reeve__Event *));
    for (uint64_t at = m->revision + 1; at <= reply->revision; at++) {
        const struct record *record = retained_at(&s->retained, at);
        for (size_t i = 0; i < record->n_items; i++) {
            if (!str_starts(item_key(record->items[i]),
                            str_or_empty(m->prefix)))
                continue;
            Reeve__Event *event = &events[reply->n_events];
            fill_event(event, record, i);
            reply->events[reply->n_events++] = event;
        }
    }
    bus_call_reply(call, &reply->base);
    free(reply->events);
    free(events);
}

static int check_since(const struct store *s,
                       const Reeve__EventsSinceRequest *m,
                       const Reeve__EventsSinceReply *reply, struct err *err)
{
    const char *lineage = str_or_empty(m->lineage);
    if (lineage[0] && !str_eq(lineage, reply->lineage))
        return err_set(err, ERR_NOT_FOUND,
                       "compacted: this store's lineage is %s, not %.40s",
                       reply->lineage, lineage);
    if (m->revision > s->retained.revision)
        return err_set(err, ERR_NOT_FOUND,
                       "compacted: revision %" PRIu64 " is not reached yet, "
                       "the newest is %" PRIu64,
                       m->revision, s->retained.revision);
    if (m->revision < reply->oldest_revision)
        return err_set(err, ERR_NOT_FOUND,
                       "compacted: what followed revision %" PRIu64
                       " is not kept any more, the oldest that can be "
                       "resumed from is %" PRIu64,
                       m->revision, reply->oldest_revision);
    return 0;
}

/* All that is kept is visible, so nothing is waited for. */
int store_on_events_since(void *self, struct bus_call *call, struct err *err)
{
    struct store *s = store_of(self);
    if (store_check_serving(s, err) < 0)
        return -1;
    Reeve__EventsSinceRequest *m = (Reeve__EventsSinceRequest *)bus_call_decode(
        call, &reeve__events_since_request__descriptor, err);
    if (!m)
        return -1;
    Reeve__EventsSinceReply reply = REEVE__EVENTS_SINCE_REPLY__INIT;
    char lineage[UUID_TEXT_SIZE];
    uuid_format(table_lineage(s->table), lineage);
    reply.lineage = lineage;
    reply.has_revision = reply.has_current_revision = 1;
    reply.has_oldest_revision = 1;
    reply.revision = reply.current_revision = s->retained.revision;
    reply.oldest_revision = retained_oldest(&s->retained);
    if (check_since(s, m, &reply, err) == 0) {
        reply_events(s, call, m, &reply);
    } else {
        reply.has_compacted = reply.compacted = 1;
        bus_call_fail(call, err, &reply.base);
    }
    reeve__events_since_request__free_unpacked(m, NULL);
    return 0;
}

/* ---- store.snapshot ---- */

struct pending_answer *store_new_items(struct store *s, struct bus_call *call)
{
    struct pending_answer *answer = answer_new(call, ANSWER_ITEMS);
    answer->number = table_revision(s->table);
    memcpy(answer->lineage, table_lineage(s->table), 16);
    return answer;
}

/* Everything, or when it is not more than fits, a page. */
static bool add_all(struct store *s, struct pending_answer *answer,
                    const char *prefix, size_t limit)
{
    struct key_cursor cursor;
    struct item *item;
    key_index_seek(table_keys(s->table), key_of(prefix), &cursor);
    while ((item = key_index_next(table_keys(s->table), &cursor)) &&
           str_starts(item_key(item), prefix)) {
        if (limit &&
            (answer->n_items == limit || answer->bytes > PAGE_MAX_BYTES))
            return false;
        answer_add_item(answer, item);
    }
    return true;
}

static void add_page(struct pending_answer *answer, struct paged *paged,
                     const char *start_after, size_t limit)
{
    size_t from, end;
    paged_page(paged, start_after, limit, &from, &end);
    for (size_t i = from; i < end; i++)
        answer_add_item(answer, paged->items[i]);
    answer->number = paged->revision;
    if (end < paged->n_items)
        answer->cursor = paged->id;
    else
        paged->is_read = true;
}

static int do_snapshot(struct store *s, struct bus_call *call,
                       const Reeve__SnapshotRequest *m, struct err *err)
{
    int64_t now_ms = clock_mono_ms();
    size_t limit = m->limit ? m->limit : SIZE_MAX;
    struct paged *paged = NULL;
    if (m->cursor) {
        paged = page_book_find(&s->pages, m->cursor, now_ms, err);
        if (!paged)
            return -1;
    }
    struct pending_answer *answer = store_new_items(s, call);
    if (!paged && !add_all(s, answer, str_or_empty(m->prefix), m->limit)) {
        answer_clear_items(answer);
        paged = page_book_open(&s->pages, s->table, str_or_empty(m->prefix),
                               now_ms, err);
        if (!paged) {
            answer_drop(answer);
            return -1;
        }
    }
    if (paged)
        add_page(answer, paged, m->cursor ? m->start_after : NULL, limit);
    store_answer_later(s, answer);
    return 0;
}

int store_on_snapshot(void *self, struct bus_call *call, struct err *err)
{
    struct store *s = store_of(self);
    if (store_check_serving(s, err) < 0)
        return -1;
    Reeve__SnapshotRequest *m = (Reeve__SnapshotRequest *)bus_call_decode(
        call, &reeve__snapshot_request__descriptor, err);
    if (!m)
        return -1;
    int result = do_snapshot(s, call, m, err);
    reeve__snapshot_request__free_unpacked(m, NULL);
    return result;
}
