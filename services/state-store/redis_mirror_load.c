/* SPDX-License-Identifier: Apache-2.0 */
/* redis_mirror_load - reads everything: Redis is ahead, or the only copy
 *
 * Each step is guarded: so nobody else changed anything while we read.
 */
#include "services/state-store/redis_mirror_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/log.h"
#include "services/state-store/item.h"
#include "services/state-store/limits.h"
#include "services/state-store/table.h"

static void load_next(struct redis_mirror *m);

static const char nonsense[] = "Redis answered nonsense while it was read";

static const char *load_requests(struct redis_mirror *m, const redisReply *list)
{
    if (!reply_is_list(list, 0))
        return nonsense;
    for (size_t i = 0; i < list->elements; i++) {
        uint64_t revision;
        const char *id;
        if (!redis_parse_request(reply_text(list->element[i]), &revision, &id))
            return "Redis holds a request that does not read";
        request_log_add(table_requests(m->loading), id, revision);
    }
    return NULL;
}

static const char *load_leases(struct redis_mirror *m, const redisReply *hash)
{
    if (!reply_is_list(hash, 0))
        return nonsense;
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        struct lease lease;
        if (i / 2 >= LEASES_MAX ||
            !redis_parse_lease(reply_text(hash->element[i]),
                               reply_text(hash->element[i + 1]), &lease))
            return "Redis holds a lease that does not read";
        lease_book_apply(table_leases(m->loading), &lease, 0);
    }
    return NULL;
}

/* Replies: requests, leases, number of keys. */
static void on_load_rest(struct redis_mirror *m, const redisReply *exec)
{
    const char *wrong = load_requests(m, exec->element[0]);
    if (!wrong)
        wrong = load_leases(m, exec->element[1]);
    size_t count = key_index_count(table_keys(m->loading));
    if (!wrong && (uint64_t)exec->element[2]->integer != count)
        wrong = "Redis changed while it was read";
    if (wrong) {
        mirror_give_up(m, wrong);
        return;
    }
    history_copy(table_history(m->loading), &m->found.history);
    table_restore_position(m->loading, m->found.seq, m->found.revision);
    m->seq = m->found.seq;
    m->revision = m->found.revision;
    m->events->loaded(m->self, MOVE(m->loading));
}

static void load_rest(struct redis_mirror *m)
{
    mirror_begin(m);
    redis_batch_command(&m->batch, "LRANGE", m->keys.requests, "0", "-1", NULL);
    redis_batch_command(&m->batch, "HGETALL", m->keys.leases, NULL);
    redis_batch_command(&m->batch, "HLEN", m->keys.rev, NULL);
    mirror_send(m, on_load_rest);
}

static void on_values(struct redis_mirror *m, const redisReply *exec)
{
    const redisReply *values = exec->element[0];
    if (!reply_is_list(values, m->n_wanted)) {
        mirror_give_up(m, nonsense);
        return;
    }
    for (size_t i = 0; i < m->n_wanted; i++) {
        const redisReply *value = values->element[i];
        const struct item *key = m->wanted[i];
        if (value->type != REDIS_REPLY_STRING || value->len > VALUE_MAX_BYTES) {
            mirror_give_up(
                m, "Redis is no whole copy: the value of a key is missing");
            return;
        }
        table_restore_item(m->loading, item_new(item_name(key), value->str,
                                                value->len, key->revision));
    }
    load_next(m);
}

static void ask_values(struct redis_mirror *m)
{
    mirror_begin(m);
    redis_batch_values(&m->batch, m->wanted, m->n_wanted);
    mirror_send(m, on_values);
}

static bool want(struct redis_mirror *m, const redisReply *key,
                 const redisReply *revision)
{
    uint64_t at = reply_number(revision);
    if (key->type != REDIS_REPLY_STRING || key->len < 1 ||
        key->len > KEY_MAX_BYTES || at < 1 || at > m->found.revision)
        return false;
    struct key name = {key->str, key->len};
    m->wanted[m->n_wanted++] = item_new(name, "", 0, at);
    return true;
}

static void on_keys(struct redis_mirror *m, const redisReply *exec)
{
    const redisReply *scan = exec->element[0];
    if (!reply_is_list(scan, 2) || !reply_is_list(scan->element[1], 0) ||
        !*reply_text(scan->element[0])) {
        mirror_give_up(m, nonsense);
        return;
    }
    const redisReply *pairs = scan->element[1];
    snprintf(m->cursor, sizeof m->cursor, "%s", reply_text(scan->element[0]));
    mirror_forget_wanted(m);
    m->wanted = xcalloc(pairs->elements / 2 + 1, sizeof(struct item *));
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        if (want(m, pairs->element[i], pairs->element[i + 1]))
            continue;
        mirror_give_up(m, "Redis holds a revision that cannot be");
        return;
    }
    if (m->n_wanted)
        ask_values(m);
    else
        load_next(m);
}

/* Each step is guarded: so nobody else changed anything while we read. */
static void load_next(struct redis_mirror *m)
{
    if (strcmp(m->cursor, "0") == 0) {
        load_rest(m);
        return;
    }
    mirror_begin(m);
    redis_batch_command(&m->batch, "HSCAN", m->keys.rev,
                        m->cursor[0] ? m->cursor : "0", "COUNT", "200", NULL);
    mirror_send(m, on_keys);
}

void mirror_start_load(struct redis_mirror *m)
{
    m->stage = LOADING;
    table_destroy(&m->loading);
    m->loading = table_new(m->found.lineage);
    memset(m->cursor, 0, sizeof m->cursor);
    log_info("redis_load", "seq=%" PRIu64, m->found.seq);
    load_next(m);
}
