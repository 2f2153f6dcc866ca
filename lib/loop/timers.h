/* SPDX-License-Identifier: Apache-2.0 */
/* timers - what is due when; the time comes in as an argument (internal)
 *
 * Zero-initialised is empty and valid.
 */
#ifndef REEVE_LIB_LOOP_TIMERS_H
#define REEVE_LIB_LOOP_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer;

struct timer_call {
    void (*fn)(void *self);
    void *self;
};

struct timers {
    struct timer **heap; /* by (due, id); heap[0] is next */
    size_t count, cap;
    struct timer *by_id; /* uthash of all, also of those in soon */
    struct timer *soon;  /* in order of asking */
    uint64_t last_id;
};

uint64_t timers_add(struct timers *t, int64_t due_ms, int64_t repeat_ms,
                    struct timer_call call);
uint64_t timers_add_soon(struct timers *t, struct timer_call call);
void timers_cancel(struct timers *t, uint64_t id);
/* Milliseconds until something is due, 0 if it is, -1 if nothing ever is. */
int64_t timers_wait_ms(const struct timers *t, int64_t now_ms);
/* Calls what is due, timers first, then the soon ones; not those that are added
 * by these calls. */
void timers_fire(struct timers *t, int64_t now_ms);
void timers_free(struct timers *t);

#endif
