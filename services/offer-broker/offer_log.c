/* SPDX-License-Identifier: Apache-2.0 */
/* offer_log - see offer_log.h */
#include "services/offer-broker/offer_log.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"

#define MAX_WHY 600

/* Buffers are used again: an evaluation must cost next to nothing. */
struct kept {
    int64_t wall_ms;
    bool passed;
    enum offer_stage failed;
    struct buf pod, agent_id, hostname, offer_id, why;
};

struct agent_tally {
    char *agent_id;
    uint64_t failed;
    UT_hash_handle hh;
};

struct offer_log {
    struct kept ring[OFFER_LOG_SIZE];
    uint64_t passed, failed;
    uint64_t at_stage[OFFER_STAGE_COUNT];
    struct agent_tally *agents;
};

const char *offer_stage_name(enum offer_stage stage)
{
    static const char *const names[OFFER_STAGE_COUNT] = {
        [OFFER_STAGE_MAINTENANCE] = "MaintenanceEvaluationStage",
        [OFFER_STAGE_PLACEMENT] = "PlacementRuleEvaluationStage",
        [OFFER_STAGE_RESOURCES] = "ResourceEvaluationStage",
    };

    return names[stage];
}

struct offer_log *offer_log_new(void)
{
    return xcalloc(1, sizeof(struct offer_log));
}

void offer_log_destroy(struct offer_log **log)
{
    struct offer_log *l = *log;
    struct agent_tally *tally, *next;

    if (!l)
        return;
    for (size_t i = 0; i < OFFER_LOG_SIZE; i++) {
        struct kept *kept = &l->ring[i];

        buf_free(&kept->pod);
        buf_free(&kept->agent_id);
        buf_free(&kept->hostname);
        buf_free(&kept->offer_id);
        buf_free(&kept->why);
    }
    HASH_ITER(hh, l->agents, tally, next)
    {
        HASH_DEL(l->agents, tally);
        free(tally->agent_id);
        free(tally);
    }
    free(l);
    *log = NULL;
}

static void put(struct buf *out, const char *text, size_t max)
{
    buf_clear(out);
    buf_add(out, str_or_empty(text), strnlen(str_or_empty(text), max));
}

static void count_agent(struct offer_log *l, const char *agent_id)
{
    struct agent_tally *tally = NULL;

    HASH_FIND_STR(l->agents, agent_id, tally);
    if (!tally && HASH_COUNT(l->agents) >= OFFER_LOG_AGENTS) {
        agent_id = OFFER_LOG_OTHERS;
        HASH_FIND_STR(l->agents, agent_id, tally);
    }
    if (!tally) {
        tally = xcalloc(1, sizeof(*tally));
        tally->agent_id = xstrdup(agent_id);
        HASH_ADD_KEYPTR(hh, l->agents, tally->agent_id, strlen(tally->agent_id),
                        tally);
    }
    tally->failed++;
}

void offer_log_note(struct offer_log *l, const struct offer_entry *entry)
{
    struct kept *kept = &l->ring[(l->passed + l->failed) % OFFER_LOG_SIZE];

    kept->wall_ms = entry->wall_ms;
    kept->passed = entry->passed;
    kept->failed = entry->failed;
    put(&kept->pod, entry->pod, MAX_WHY);
    put(&kept->agent_id, entry->agent_id, MAX_WHY);
    put(&kept->hostname, entry->hostname, MAX_WHY);
    put(&kept->offer_id, entry->offer_id, MAX_WHY);
    put(&kept->why, entry->why, MAX_WHY);
    if (entry->passed) {
        l->passed++;
        return;
    }
    l->failed++;
    l->at_stage[entry->failed]++;
    count_agent(l, str_or_empty(entry->agent_id));
}

static struct offer_entry entry_of(const struct kept *kept)
{
    return (struct offer_entry){
        .wall_ms = kept->wall_ms,
        .pod = buf_text(&kept->pod),
        .agent_id = buf_text(&kept->agent_id),
        .hostname = buf_text(&kept->hostname),
        .offer_id = buf_text(&kept->offer_id),
        .passed = kept->passed,
        .failed = kept->failed,
        .why = buf_text(&kept->why),
    };
}

void offer_log_each(const struct offer_log *l,
                    void (*fn)(void *self, const struct offer_entry *entry),
                    void *self)
{
    uint64_t end = l->passed + l->failed;
    uint64_t at = end > OFFER_LOG_SIZE ? end - OFFER_LOG_SIZE : 0;

    for (; at < end; at++) {
        struct offer_entry entry = entry_of(&l->ring[at % OFFER_LOG_SIZE]);

        fn(self, &entry);
    }
}

uint64_t offer_log_passed(const struct offer_log *l)
{
    return l->passed;
}

uint64_t offer_log_failed(const struct offer_log *l)
{
    return l->failed;
}

uint64_t offer_log_failed_at(const struct offer_log *l, enum offer_stage stage)
{
    return l->at_stage[stage];
}

void offer_log_each_agent(const struct offer_log *l,
                          void (*fn)(void *self, const char *agent_id,
                                     uint64_t failed),
                          void *self)
{
    struct agent_tally *tally, *next;

    HASH_ITER(hh, l->agents, tally, next)
    {
        fn(self, tally->agent_id, tally->failed);
    }
}
