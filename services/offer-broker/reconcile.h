/* SPDX-License-Identifier: Apache-2.0 */
/* reconcile - what to ask the master about, and when again
 *
 * Pure.  After every subscription a round begins: each task that may live is
 * asked for by id until the master has said something about it (silence proves
 * nothing: agents may still be on their way back), with growing pauses; then
 * everything is asked for once without ids; every 15 minutes all over again.
 * Besides, a single task may be asked for at any time.
 */
#ifndef REEVE_OFFER_BROKER_RECONCILE_H
#define REEVE_OFFER_BROKER_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECONCILE_FIRST_MS 5000
#define RECONCILE_MOST_MS  600000
#define RECONCILE_ROUND_MS 900000
/* A task is not asked for singly more often than this. */
#define RECONCILE_QUIET_MS 30000

struct reconcile;

struct reconcile *reconcile_new(void);
void reconcile_destroy(struct reconcile **reconcile);

/* Begins a round; the caller adds the tasks, then uses reconcile_due. */
void reconcile_start(struct reconcile *reconcile, int64_t now_ms);
void reconcile_add(struct reconcile *reconcile, const char *task_id,
                   const char *agent_id, int64_t now_ms);
/* Asks for one task outside of the round, at once if it was not lately. */
void reconcile_poke(struct reconcile *reconcile, const char *task_id,
                    const char *agent_id, int64_t now_ms);
/* Any update for the task: it is answered. */
void reconcile_heard(struct reconcile *reconcile, const char *task_id,
                     int64_t now_ms);
/* No subscription: nothing is due. */
void reconcile_stop(struct reconcile *reconcile);

struct reconcile_due {
    bool start_round; /* time for another round: call reconcile_start */
    bool implicit;    /* send RECONCILE without tasks */
};
/* Calls ask for each task to be asked for now (borrowed texts). */
struct reconcile_due reconcile_due(struct reconcile *reconcile, int64_t now_ms,
                                   void (*ask)(void *self, const char *task_id,
                                               const char *agent_id),
                                   void *self);
/* Tasks not yet answered in this round. */
size_t reconcile_open(const struct reconcile *reconcile);
/* Those not yet answered, of the round or asked for singly. */
void reconcile_each_open(const struct reconcile *reconcile,
                         void (*fn)(void *self, const char *task_id,
                                    const char *agent_id),
                         void *self);
/* Is the explicit part of the round over? */
bool reconcile_is_complete(const struct reconcile *reconcile);

#endif
