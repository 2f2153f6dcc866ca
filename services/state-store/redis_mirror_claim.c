/* SPDX-License-Identifier: Apache-2.0 */
/* redis_mirror_claim - looks at what Redis holds, and becomes its owner
 */
#include "services/state-store/redis_mirror_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/loop/loop.h"
#include "services/state-store/table.h"

static void on_claimed(struct redis_mirror *m, const redisReply *exec UNUSED)
{
    m->is_in_doubt = false;
    uuid_format(m->found.lineage, m->lineage);
    switch ((int)m->intent) {
    case FILLING:
        mirror_start_fill(m);
        break;
    case LOADING:
        mirror_start_load(m);
        break;
    default:
        m->seq = m->found.seq;
        m->revision = m->found.revision;
        mirror_go_live(m);
        break;
    }
}

static void claim(struct redis_mirror *m, enum stage intent)
{
    char ttl[24], epoch[24];
    m->stage = CLAIMING;
    m->intent = m->must_fill && intent == LIVE ? FILLING : intent;
    m->owner_epoch =
        m->granted ? m->granted : MAX(m->found_epoch, m->owner_epoch) + 1;
    free(m->owner_value);
    m->owner_value = xasprintf("%" PRIu64 " %s", m->owner_epoch, m->holder);
    snprintf(ttl, sizeof ttl, "%" PRId64, m->owner_ttl_ms);
    snprintf(epoch, sizeof epoch, "%" PRIu64, m->owner_epoch);
    mirror_begin(m);
    redis_batch_command(&m->batch, "SET", m->keys.owner, m->owner_value, "PX",
                        ttl, NULL);
    redis_batch_command(&m->batch, "HSET", m->keys.meta, "owner_epoch", epoch,
                        "owner_holder", m->holder, "owner_run", m->run_id,
                        NULL);
    m->expected_seq = m->found.seq;
    mirror_send(m, on_claimed);
}

/* Replies as of mirror_look(). */
static bool is_free(struct redis_mirror *m, redisReply **replies, char *why,
                    size_t size)
{
    redisReply **meta = replies[3]->element;
    const redisReply *owner = replies[1];
    struct succession_ask ask = {
        .holder = m->holder,
        .has_partner = m->has_partner,
        .needs_grant = m->needs_grant,
        .our_epoch = m->owner_epoch,
        .granted = m->granted,
        .owner = owner->type == REDIS_REPLY_STRING ? owner->str : NULL,
        .owner_ms = replies[2]->integer,
        .last = meta[5]->type == REDIS_REPLY_STRING ? meta[5]->str : NULL,
        .last_epoch = m->found_epoch,
        .given_back = reply_number(meta[6]),
        .is_same_run =
            m->run_id[0] && strcmp(reply_text(meta[7]), m->run_id) == 0,
        .seq = m->found.seq,
        .ttl_ms = m->owner_ttl_ms,
        .now_ms = loop_now_ms(m->loop),
    };
    memcpy(ask.lineage, m->found.lineage, sizeof ask.lineage);
    return succession_is_ours(&m->succession, &ask, why, size);
}

/* lineage revision seq complete owner_epoch owner_holder given_back owner_run
 */
static const char *read_meta(struct redis_mirror *m, redisReply *const *meta)
{
    struct copy *copy = &m->found;
    m->found_epoch = reply_number(meta[4]);
    m->was_ours = strcmp(reply_text(meta[5]), m->holder) == 0;
    if (meta[0]->type != REDIS_REPLY_STRING)
        return NULL; /* nothing there */
    copy->is_there = true;
    copy->is_partial = strcmp(reply_text(meta[3]), "1") != 0;
    copy->revision = reply_number(meta[1]);
    copy->seq = reply_number(meta[2]);
    return uuid_parse(meta[0]->str, copy->lineage)
               ? NULL
               : "the lineage in Redis does not read";
}

static const char *read_runs(struct redis_mirror *m, const redisReply *runs)
{
    for (size_t i = 0; i < runs->elements; i++) {
        struct run run;
        if (!redis_parse_run(reply_text(runs->element[i]), &run))
            return "Redis holds a run that does not read";
        history_add(&m->found.history, run);
    }
    return NULL;
}

/* A line of INFO: "<name>:<value>"; "" when there is none: an account may be
 * forbidden to ask. */
static void read_info(const redisReply *info, const char *name, char *out,
                      size_t size)
{
    const char *at = strstr(reply_text(info), name);
    size_t len = at ? strcspn(at + strlen(name), "\r\n") : 0;
    out[0] = '\0';
    if (len && len < size)
        snprintf(out, size, "%.*s", (int)len, at + strlen(name));
}

/* What expires may go: of ours that is the owner key alone, and is seen. */
static void read_eviction(struct redis_mirror *m, const redisReply *info)
{
    char bytes[24];
    read_info(info, "\nmaxmemory:", bytes, sizeof bytes);
    read_info(info, "\nmaxmemory_policy:", m->eviction, sizeof m->eviction);
    if (strcmp(bytes, "0") == 0 || !str_starts(m->eviction, "allkeys"))
        m->eviction[0] = '\0';
}

/* Replies: WATCH, owner, its ttl, meta, runs, INFO twice. */
static void on_look(void *self, redisReply **replies)
{
    struct redis_mirror *m = self;
    const redisReply *error = reply_error(replies, 5);
    char why[256];
    mirror_forget_found(m);
    read_info(replies[5], "\nrun_id:", m->run_id, sizeof m->run_id);
    read_eviction(m, replies[6]);
    const char *wrong = error ? error->str : NULL;
    if (!wrong &&
        (!reply_is_list(replies[3], 8) || !reply_is_list(replies[4], 0)))
        wrong = "Redis answered nonsense when it was looked at";
    if (!wrong)
        wrong = read_meta(m, replies[3]->element);
    if (!wrong)
        wrong = read_runs(m, replies[4]);
    if (wrong) {
        mirror_give_up(m, wrong);
        return;
    }
    if (!is_free(m, replies, why, sizeof why)) {
        m->stage = REFUSED;
        m->events->fenced(m->self, why);
        return;
    }
    m->events->found(m->self, &m->found);
}

void mirror_look(struct redis_mirror *m)
{
    m->stage = LOOKING;
    redis_batch_begin(&m->batch, &m->keys);
    redis_batch_command(&m->batch, "WATCH", m->keys.owner, m->keys.meta, NULL);
    redis_batch_command(&m->batch, "GET", m->keys.owner, NULL);
    redis_batch_command(&m->batch, "PTTL", m->keys.owner, NULL);
    redis_batch_command(&m->batch, "HMGET", m->keys.meta, "lineage", "revision",
                        "seq", "complete", "owner_epoch", "owner_holder",
                        "given_back", "owner_run", NULL);
    redis_batch_command(&m->batch, "LRANGE", m->keys.runs, "0", "-1", NULL);
    redis_batch_command(&m->batch, "INFO", "server", NULL);
    redis_batch_command(&m->batch, "INFO", "memory", NULL);
    redis_link_ask(m->link, &m->batch.out, m->batch.n, on_look);
}

void redis_mirror_follow(struct redis_mirror *m)
{
    if (m->stage == LOADING)
        mirror_go_live(m);
    else
        claim(m, LIVE);
}

void redis_mirror_fill(struct redis_mirror *m)
{
    claim(m, FILLING);
}

void redis_mirror_load(struct redis_mirror *m)
{
    claim(m, LOADING);
}

void redis_mirror_refuse(struct redis_mirror *m)
{
    m->is_in_doubt = false;
    m->stage = REFUSED;
}
