/* SPDX-License-Identifier: Apache-2.0 */
/* offer_log - the last evaluations of pods on offers, and counts of them
 *
 * Pure.  For people who ask why something is not placed; bounded: the last
 * OFFER_LOG_SIZE evaluations and at most OFFER_LOG_AGENTS agents (the others
 * are counted together).  Decides nothing, outlives nothing.
 */
#ifndef REEVE_OFFER_BROKER_OFFER_LOG_H
#define REEVE_OFFER_BROKER_OFFER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OFFER_LOG_SIZE   100
#define OFFER_LOG_AGENTS 1000
#define OFFER_LOG_OTHERS "(other agents)"

struct offer_log;

/* The stages of an evaluation, in their order. */
enum offer_stage {
    OFFER_STAGE_MAINTENANCE, /* does the agent stay up? */
    OFFER_STAGE_PLACEMENT,   /* placement rules */
    OFFER_STAGE_RESOURCES,   /* resources, ports, volumes */
    OFFER_STAGE_COUNT
};
const char *offer_stage_name(enum offer_stage stage);

struct offer_log *offer_log_new(void);
void offer_log_destroy(struct offer_log **log);

/* Texts are borrowed; in entries given out too, until the next note. */
struct offer_entry {
    int64_t wall_ms;
    const char *pod; /* "hello-0:[server]" */
    const char *agent_id, *hostname;
    const char *offer_id;    /* of the agent's first offer */
    bool passed;             /* all stages */
    enum offer_stage failed; /* the first stage that did not pass */
    const char *why;         /* what it lacked; reasons divided by "; " */
};
void offer_log_note(struct offer_log *log, const struct offer_entry *entry);

/* Oldest first. */
void offer_log_each(const struct offer_log *log,
                    void (*fn)(void *self, const struct offer_entry *entry),
                    void *self);
uint64_t offer_log_passed(const struct offer_log *log);
uint64_t offer_log_failed(const struct offer_log *log);
uint64_t offer_log_failed_at(const struct offer_log *log,
                             enum offer_stage stage);
void offer_log_each_agent(const struct offer_log *log,
                          void (*fn)(void *self, const char *agent_id,
                                     uint64_t failed),
                          void *self);

#endif
