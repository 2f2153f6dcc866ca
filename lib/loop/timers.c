/* SPDX-License-Identifier: Apache-2.0 */
/* timers - a binary heap by due time and a hash by id
 *
 * Does not read the clock.  A repeating timer is put back before it is called,
 * and a single one is freed before, so a callback may cancel anything.
 */
#include "lib/loop/timers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/base/base.h"

struct timer {
    uint64_t id;
    int64_t due_ms, repeat_ms;
    struct timer_call call;
    bool is_soon;
    size_t at; /* index in the heap */
    struct timer *prev, *next;
    UT_hash_handle hh;
};

static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

static void place(struct timers *t, size_t at, struct timer *timer)
{
    t->heap[at] = timer;
    timer->at = at;
}

static void sift_up(struct timers *t, struct timer *timer)
{
    size_t at = timer->at;
    while (at > 0 && is_before(timer, t->heap[(at - 1) / 2])) {
        place(t, at, t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(t, at, timer);
}

static void sift_down(struct timers *t, struct timer *timer)
{
    size_t at = timer->at;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= t->count)
            break;
        if (child + 1 < t->count &&
            is_before(t->heap[child + 1], t->heap[child]))
            child++;
        if (!is_before(t->heap[child], timer))
            break;
        place(t, at, t->heap[child]);
        at = child;
    }
    place(t, at, timer);
}

static struct timer *timer_new(struct timers *t, struct timer_call call)
{
    struct timer *timer = xcalloc(1, sizeof *timer);
    timer->id = ++t->last_id;
    timer->call = call;
    HASH_ADD(hh, t->by_id, id, sizeof timer->id, timer);
    return timer;
}

uint64_t timers_add(struct timers *t, int64_t due_ms, int64_t repeat_ms,
                    struct timer_call call)
{
    struct timer *timer = timer_new(t, call);
    timer->due_ms = due_ms;
    timer->repeat_ms = repeat_ms;
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->heap = xrealloc(t->heap, t->cap * sizeof(struct timer *));
    }
    place(t, t->count++, timer);
    sift_up(t, timer);
    return timer->id;
}

uint64_t timers_add_soon(struct timers *t, struct timer_call call)
{
    struct timer *timer = timer_new(t, call);
    timer->is_soon = true;
    DL_APPEND(t->soon, timer);
    return timer->id;
}

static void heap_remove(struct timers *t, struct timer *timer)
{
    struct timer *last = t->heap[--t->count];
    if (last == timer)
        return;
    place(t, timer->at, last);
    sift_up(t, last);
    sift_down(t, last);
}

static void timer_drop(struct timers *t, struct timer *timer)
{
    if (timer->is_soon)
        DL_DELETE(t->soon, timer);
    else
        heap_remove(t, timer);
    HASH_DEL(t->by_id, timer);
    free(timer);
}

void timers_cancel(struct timers *t, uint64_t id)
{
    struct timer *timer = NULL;
    HASH_FIND(hh, t->by_id, &id, sizeof id, timer);
    if (timer)
        timer_drop(t, timer);
}

int64_t timers_wait_ms(const struct timers *t, int64_t now_ms)
{
    if (t->soon)
        return 0;
    if (t->count == 0)
        return -1;
    return MAX(t->heap[0]->due_ms - now_ms, 0);
}

static void fire_top(struct timers *t, int64_t now_ms)
{
    struct timer *timer = t->heap[0];
    struct timer_call call = timer->call;
    if (timer->repeat_ms > 0) {
        /* Missed beats are skipped, not made up for. */
        timer->due_ms += timer->repeat_ms;
        if (timer->due_ms <= now_ms)
            timer->due_ms = now_ms + timer->repeat_ms;
        sift_down(t, timer);
    } else {
        timer_drop(t, timer);
    }
    call.fn(call.self);
}

void timers_fire(struct timers *t, int64_t now_ms)
{
    uint64_t last = t->last_id;
    while (t->count > 0 && t->heap[0]->due_ms <= now_ms &&
           t->heap[0]->id <= last)
        fire_top(t, now_ms);
    last = t->last_id;
    while (t->soon && t->soon->id <= last) {
        struct timer_call call = t->soon->call;
        timer_drop(t, t->soon);
        call.fn(call.self);
    }
}

void timers_free(struct timers *t)
{
    struct timer *timer, *tmp;
    HASH_ITER(hh, t->by_id, timer, tmp)
    {
        HASH_DEL(t->by_id, timer);
        free(timer);
    }
    free(t->heap);
    *t = (struct timers){0};
}
