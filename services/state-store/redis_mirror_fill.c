/* SPDX-License-Identifier: Apache-2.0 */
/* redis_mirror_fill - writes everything to a Redis that lacks too much
 *
 * mark incomplete, remove what we do not have, items, the rest, mark complete.
 */
#include "services/state-store/redis_mirror_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/log.h"
#include "services/state-store/table.h"

enum {
    FILL_KEYS = 2000,
    FILL_REQUESTS = 8192,
};

void mirror_start_fill(struct redis_mirror *m)
{
    m->stage = FILLING;
    m->is_current = m->is_catching_up = false;
    view_destroy(&m->view);
    m->view = m->events->view(m->self);
    uuid_format(m->view->lineage, m->lineage);
    m->step = FILL_MARK;
    m->at = 0;
    log_info("redis_fill", "keys=%zu seq=%" PRIu64, m->view->n_items,
             m->view->seq);
    mirror_fill_next(m);
}

static void on_filled(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    m->seq = m->view->seq;
    m->revision = m->view->revision;
    view_destroy(&m->view);
    mirror_go_live(m);
}

/* Complete only when all of the view is durable here. */
void mirror_fill_end(struct redis_mirror *m)
{
    if (m->pushed_seq < m->view->seq)
        return; /* redis_mirror_push() comes back here */
    mirror_begin(m);
    mirror_set_position(m, m->view->seq, m->view->revision, true);
    mirror_send(m, on_filled);
}

static void on_rest(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    if (m->at == m->view->n_requests)
        m->step = FILL_END;
    mirror_fill_next(m);
}

/* Requests in pieces; leases and runs with the first one. */
static void fill_rest(struct redis_mirror *m)
{
    const struct view *v = m->view;
    mirror_begin(m);
    for (size_t i = 0; m->at == 0 && i < v->n_leases; i++)
        redis_batch_lease(&m->batch, &v->leases[i]);
    for (size_t i = 0; m->at == 0 && i < v->history.n; i++)
        redis_batch_run(&m->batch, &v->history.runs[i]);
    size_t end = MIN(v->n_requests, m->at + FILL_REQUESTS);
    for (; m->at < end; m->at++)
        redis_batch_request(&m->batch, v->requests[m->at].revision,
                            v->requests[m->at].id);
    mirror_send(m, on_rest);
}

static void on_items(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    if (m->at == m->view->n_items) {
        m->step = FILL_REST;
        m->at = 0;
    }
    mirror_fill_next(m);
}

static void fill_items(struct redis_mirror *m)
{
    mirror_begin(m);
    for (size_t i = 0; i < FILL_KEYS && m->at < m->view->n_items; i++) {
        redis_batch_item(&m->batch, m->view->items[m->at++]);
        if (redis_batch_bytes(&m->batch) > BATCH_BYTES)
            break;
    }
    mirror_send(m, on_items);
}

static int compare_to_item(const void *key, const void *slot)
{
    return key_compare(*(const struct key *)key,
                       item_name(*(struct item *const *)slot));
}

static bool is_in_view(const struct view *v, const char *text, size_t len)
{
    struct key key = {text, len};
    return v->n_items && bsearch(&key, v->items, v->n_items,
                                 sizeof(struct item *), compare_to_item);
}

static void fill_clear(struct redis_mirror *m, const redisReply *found);

/* The last reply but one is SCAN's: a cursor and keys. */
static void on_scan(struct redis_mirror *m, const redisReply *exec)
{
    const redisReply *scan = exec->element[exec->elements - 2]; /* PEXPIRE */
    if (!reply_is_list(scan, 2) || !reply_is_list(scan->element[1], 0) ||
        !*reply_text(scan->element[0])) {
        mirror_give_up(m, "SCAN answered nonsense");
        return;
    }
    snprintf(m->cursor, sizeof m->cursor, "%s", reply_text(scan->element[0]));
    fill_clear(m, scan->element[1]);
}

static void on_cleared(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    m->step = FILL_ITEMS;
    m->at = 0;
    mirror_fill_next(m);
}

/* Values of keys that we do not have go, and the scan goes on. */
static void fill_clear(struct redis_mirror *m, const redisReply *found)
{
    size_t head = strlen(m->keys.kv);
    mirror_begin(m);
    for (size_t i = 0; found && i < found->elements; i++) {
        const redisReply *key = found->element[i];
        if (key->type == REDIS_REPLY_STRING && key->len >= head &&
            !is_in_view(m->view, key->str + head, key->len - head))
            redis_batch_command(&m->batch, "UNLINK", key->str, NULL);
    }
    if (strcmp(m->cursor, "0") == 0 && found) {
        mirror_send(m, on_cleared);
        return;
    }
    redis_batch_command(&m->batch, "SCAN", m->cursor, "MATCH", m->pattern,
                        "COUNT", "1000", NULL);
    mirror_send(m, on_scan);
}

static void on_marked(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    m->step = FILL_CLEAR;
    mirror_fill_next(m);
}

/* From here on Redis is no full copy, and says so. */
static void fill_mark(struct redis_mirror *m)
{
    m->must_fill = false;
    mirror_begin(m);
    mirror_set_position(m, 0, 0, false);
    redis_batch_command(&m->batch, "UNLINK", m->keys.rev, m->keys.requests,
                        m->keys.leases, m->keys.runs, NULL);
    mirror_send(m, on_marked);
}

void mirror_fill_next(struct redis_mirror *m)
{
    switch (m->step) {
    case FILL_MARK:
        fill_mark(m);
        break;
    case FILL_CLEAR:
        snprintf(m->cursor, sizeof m->cursor, "0");
        fill_clear(m, NULL);
        break;
    case FILL_ITEMS:
        fill_items(m);
        break;
    case FILL_REST:
        fill_rest(m);
        break;
    case FILL_END:
        mirror_fill_end(m);
        break;
    }
}
