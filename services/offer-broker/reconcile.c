/* SPDX-License-Identifier: Apache-2.0 */
/* reconcile - see reconcile.h */
#include "services/offer-broker/reconcile.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"

struct asked {
    char *task_id;
    char *agent_id; /* or NULL */
    bool is_waiting;
    bool is_in_round;
    int64_t next_ms; /* ask (again) then; not waiting: quiet until then */
    int64_t pause_ms;
    UT_hash_handle hh;
};

struct reconcile {
    struct asked *tasks;
    bool is_on;
    bool is_implicit_done;
    size_t open; /* waiting and in the round */
    int64_t next_round_ms;
};

struct reconcile *reconcile_new(void)
{
    return xcalloc(1, sizeof(struct reconcile));
}

static void drop(struct reconcile *r, struct asked *asked)
{
    HASH_DEL(r->tasks, asked);
    free(asked->task_id);
    free(asked->agent_id);
    free(asked);
}

static void drop_all(struct reconcile *r)
{
    struct asked *asked, *next;

    HASH_ITER(hh, r->tasks, asked, next)
    {
        drop(r, asked);
    }
    r->open = 0;
}

void reconcile_destroy(struct reconcile **reconcile)
{
    if (!*reconcile)
        return;
    drop_all(*reconcile);
    free(*reconcile);
    *reconcile = NULL;
}

void reconcile_start(struct reconcile *r, int64_t now_ms)
{
    drop_all(r);
    r->is_on = true;
    r->is_implicit_done = false;
    r->next_round_ms = now_ms + RECONCILE_ROUND_MS;
}

void reconcile_stop(struct reconcile *r)
{
    drop_all(r);
    r->is_on = false;
}

static struct asked *find_or_add(struct reconcile *r, const char *task_id,
                                 const char *agent_id)
{
    struct asked *asked = NULL;

    HASH_FIND_STR(r->tasks, task_id, asked);
    if (asked)
        return asked;
    asked = xcalloc(1, sizeof(*asked));
    asked->task_id = xstrdup(task_id);
    asked->agent_id = *str_or_empty(agent_id) ? xstrdup(agent_id) : NULL;
    HASH_ADD_KEYPTR(hh, r->tasks, asked->task_id, strlen(asked->task_id),
                    asked);
    return asked;
}

void reconcile_add(struct reconcile *r, const char *task_id,
                   const char *agent_id, int64_t now_ms)
{
    struct asked *asked = find_or_add(r, task_id, agent_id);

    if (!asked->is_in_round || !asked->is_waiting)
        r->open++;
    asked->is_in_round = true;
    asked->is_waiting = true;
    asked->next_ms = now_ms;
    asked->pause_ms = RECONCILE_FIRST_MS;
}

void reconcile_poke(struct reconcile *r, const char *task_id,
                    const char *agent_id, int64_t now_ms)
{
    struct asked *asked = find_or_add(r, task_id, agent_id);

    if (asked->is_waiting)
        return;
    asked->is_waiting = true;
    asked->is_in_round = false;
    asked->next_ms = MAX(asked->next_ms, now_ms);
    asked->pause_ms = RECONCILE_FIRST_MS;
}

void reconcile_heard(struct reconcile *r, const char *task_id, int64_t now_ms)
{
    struct asked *asked = NULL;

    HASH_FIND_STR(r->tasks, task_id, asked);
    if (!asked || !asked->is_waiting)
        return;
    if (asked->is_in_round)
        r->open--;
    asked->is_waiting = false;
    asked->next_ms = now_ms + RECONCILE_QUIET_MS;
}

struct reconcile_due reconcile_due(struct reconcile *r, int64_t now_ms,
                                   void (*ask)(void *self, const char *task_id,
                                               const char *agent_id),
                                   void *self)
{
    struct reconcile_due due = {false, false};
    struct asked *asked, *next;

    if (!r->is_on)
        return due;
    HASH_ITER(hh, r->tasks, asked, next)
    {
        if (asked->next_ms > now_ms)
            continue;
        if (!asked->is_waiting) {
            drop(r, asked);
            continue;
        }
        ask(self, asked->task_id, asked->agent_id);
        asked->next_ms = now_ms + asked->pause_ms;
        asked->pause_ms = MIN(asked->pause_ms * 2, RECONCILE_MOST_MS);
    }
    due.implicit = r->open == 0 && !r->is_implicit_done;
    if (due.implicit)
        r->is_implicit_done = true;
    due.start_round = now_ms >= r->next_round_ms;
    return due;
}

size_t reconcile_open(const struct reconcile *r)
{
    return r->open;
}

void reconcile_each_open(const struct reconcile *r,
                         void (*fn)(void *self, const char *task_id,
                                    const char *agent_id),
                         void *self)
{
    struct asked *asked, *next;

    HASH_ITER(hh, r->tasks, asked, next)
    {
        if (asked->is_waiting)
            fn(self, asked->task_id, asked->agent_id);
    }
}

bool reconcile_is_complete(const struct reconcile *r)
{
    return r->is_on && r->open == 0;
}
