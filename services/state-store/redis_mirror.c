/* SPDX-License-Identifier: Apache-2.0 */
/* redis_mirror - see the header; how it goes on is in redis_mirror_state.h */
#include "services/state-store/redis_mirror_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "services/state-store/table.h"

enum {
    HEARTBEAT_MAX_MS = 1000,
    APPLIED_BYTES = 4 << 20, /* of the backlog, when Redis has it */
    FILL_BACKLOG_FACTOR = 8, /* while filling the backlog may be longer */
    RETRY_MAX_MS = 2000,
    REPLICA_WAIT_MS = 1000, /* at most; and at most half the timeout */
};

static const char *const stage_names[] = {
    [AWAY] = "away",         [LOOKING] = "looking", [REFUSED] = "refused",
    [CLAIMING] = "claiming", [FILLING] = "filling", [LOADING] = "loading",
    [LIVE] = "live",
};

const char *mirror_stage_name(enum stage stage)
{
    return stage_names[stage];
}

void mirror_forget_wanted(struct redis_mirror *m)
{
    for (size_t i = 0; i < m->n_wanted; i++)
        item_unref(m->wanted[i]);
    free(m->wanted);
    m->wanted = NULL;
    m->n_wanted = 0;
}

void mirror_forget_progress(struct redis_mirror *m)
{
    m->is_current = m->is_catching_up = false;
    view_destroy(&m->view);
    table_destroy(&m->loading);
    mirror_forget_wanted(m);
}

void mirror_forget_found(struct redis_mirror *m)
{
    history_free(&m->found.history);
    memset(&m->found, 0, sizeof m->found);
}

/* ---- life ---- */

static void on_up(void *self)
{
    mirror_look(self);
}

static void on_down(void *self, const char *why)
{
    struct redis_mirror *m = self;
    if (strcmp(m->why, why) != 0)
        log_odd("redis_lost", "stage=%s why=%s", stage_names[m->stage],
                log_q(why));
    snprintf(m->why, sizeof m->why, "%s", why);
    bool was_owner = m->stage == LIVE || m->stage == FILLING;
    m->stage = AWAY;
    m->has_replica = false;
    m->succession.is_vacant = false;
    mirror_forget_progress(m);
    /* We slept past our lease: somebody may have taken it meanwhile. */
    if (was_owner && loop_now_ms(m->loop) - m->confirmed_ms > m->owner_ttl_ms)
        m->is_in_doubt = true;
    m->events->lost(m->self, why);
}

static const struct redis_link_events link_events = {on_up, on_down};

/* Idle: the owner key is kept alive, and whatever happened to Redis is seen. */
static void heartbeat(void *self)
{
    struct redis_mirror *m = self;
    if (!redis_link_is_idle(m->link))
        return;
    if (m->stage == REFUSED) {
        mirror_look(m);
    } else if (m->stage == LIVE || m->stage == FILLING) {
        mirror_beat(m);
    }
}

struct redis_mirror *redis_mirror_new(struct loop *loop,
                                      const struct redis_mirror_config *config,
                                      const struct redis_mirror_events *events,
                                      void *self)
{
    struct redis_mirror *m = xcalloc(1, sizeof *m);
    /* Who has the lease must be back before others find it vacant. */
    struct redis_link_config link = {
        config->url, config->tls, config->timeout_ms,
        MIN(RETRY_MAX_MS, config->owner_ttl_ms / 4)};
    m->loop = loop;
    m->events = events;
    m->self = self;
    m->holder = xstrdup(config->holder);
    m->owner_ttl_ms = config->owner_ttl_ms;
    m->has_partner = config->has_partner;
    m->needs_grant = config->needs_grant;
    m->backlog_bytes = config->backlog_bytes;
    if (config->asks_replica)
        m->replica_wait_ms = MIN(REPLICA_WAIT_MS, config->timeout_ms / 2);
    redis_keys_init(&m->keys, config->prefix);
    m->pattern = redis_scan_pattern(m->keys.kv);
    m->link = redis_link_new(loop, &link, &link_events, m);
    int64_t every_ms = MIN(m->owner_ttl_ms / 3, HEARTBEAT_MAX_MS);
    m->heartbeat_timer = loop_timer(loop, every_ms, every_ms, heartbeat, m);
    return m;
}

static void on_released(void *self UNUSED, redisReply **replies UNUSED)
{
}

static void release_owner(struct redis_mirror *m)
{
    if (!redis_link_is_idle(m->link) || (m->stage != LIVE))
        return;
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%" PRIu64, m->owner_epoch);
    redis_batch_begin(&m->batch, &m->keys);
    redis_batch_command(&m->batch, "MULTI", NULL);
    redis_batch_command(&m->batch, "DEL", m->keys.owner, NULL);
    redis_batch_command(&m->batch, "HSET", m->keys.meta, "given_back", epoch,
                        NULL);
    redis_batch_command(&m->batch, "EXEC", NULL);
    redis_link_ask(m->link, &m->batch.out, m->batch.n, on_released);
}

void redis_mirror_end(struct redis_mirror *m)
{
    m->is_ending = true;
}

bool redis_mirror_is_quiet(const struct redis_mirror *m)
{
    return m->stage != LIVE ||
           (redis_link_is_idle(m->link) && m->seq >= m->pushed_seq);
}

void redis_mirror_destroy(struct redis_mirror **mirror)
{
    struct redis_mirror *m = *mirror;
    if (!m)
        return;
    release_owner(m);
    loop_timer_cancel(m->loop, m->heartbeat_timer);
    redis_link_destroy(&m->link);
    view_destroy(&m->view);
    table_destroy(&m->loading);
    mirror_forget_wanted(m);
    mirror_forget_found(m);
    record_queue_free(&m->backlog);
    redis_batch_free(&m->batch);
    redis_keys_free(&m->keys);
    free(m->owner_value);
    free(m->pattern);
    free(m->holder);
    free(m);
    *mirror = NULL;
}

void redis_mirror_begin(struct redis_mirror *m, uint64_t seq)
{
    record_queue_clear(&m->backlog);
    m->pushed_seq = seq;
}

/* What Redis has is kept only as far as it may lose it by a crash. */
void mirror_trim_backlog(struct redis_mirror *m)
{
    size_t max = m->backlog_bytes;
    if (m->stage == FILLING)
        max *= FILL_BACKLOG_FACTOR;
    while (m->backlog.n > 1 &&
           (m->backlog.bytes > max ||
            (m->stage == LIVE && m->backlog.bytes > APPLIED_BYTES &&
             record_queue_first(&m->backlog)->seq <= m->seq)))
        record_unref(record_queue_pop(&m->backlog));
}

void redis_mirror_push(struct redis_mirror *m, struct record *record)
{
    ASSERT(record->seq == m->pushed_seq + 1);
    record_queue_push(&m->backlog, record);
    m->pushed_seq = record->seq;
    mirror_trim_backlog(m);
    if (m->stage == FILLING && m->step == FILL_END &&
        redis_link_is_idle(m->link))
        mirror_fill_end(m);
    else
        mirror_send_batch(m);
}

bool redis_mirror_is_near(const struct redis_mirror *m)
{
    return m->is_catching_up;
}

bool redis_mirror_is_current(const struct redis_mirror *m)
{
    return m->is_current;
}

void redis_mirror_grant(struct redis_mirror *m, uint64_t epoch)
{
    m->granted = epoch;
    if (epoch && m->stage == REFUSED && redis_link_is_idle(m->link))
        mirror_look(m);
}

bool redis_mirror_has_lease(const struct redis_mirror *m)
{
    return m->leased_ms && clock_mono_ms() - m->leased_ms < m->owner_ttl_ms;
}

bool redis_mirror_was_ours(const struct redis_mirror *m)
{
    return m->was_ours;
}

bool redis_mirror_is_in_doubt(const struct redis_mirror *m)
{
    return m->is_in_doubt;
}

const char *redis_mirror_eviction(const struct redis_mirror *m)
{
    return m->eviction;
}

uint64_t redis_mirror_seq(const struct redis_mirror *m)
{
    return m->seq;
}

uint64_t redis_mirror_replica_seq(const struct redis_mirror *m)
{
    return m->replica_seq;
}

bool redis_mirror_has_replica(const struct redis_mirror *m)
{
    return m->has_replica;
}

uint64_t redis_mirror_revision(const struct redis_mirror *m)
{
    return m->revision;
}

uint64_t redis_mirror_lag(const struct redis_mirror *m)
{
    return m->pushed_seq > m->seq ? m->pushed_seq - m->seq : 0;
}

const char *redis_mirror_stage(const struct redis_mirror *m)
{
    return stage_names[m->stage];
}
