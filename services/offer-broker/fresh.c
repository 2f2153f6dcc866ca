/* SPDX-License-Identifier: Apache-2.0 */
/* fresh - see fresh.h
 *
 * Everything is asked for without ids, then a task that nobody has: the master
 * answers in order, and not to the second question while agents have yet to
 * come back that may run tasks of ours.
 */
#include "services/offer-broker/fresh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/spec/spec.h"

#define ASK_AGAIN_MS 5000

struct fresh {
    struct session *session;
    char probe[64]; /* id of the task that nobody has */
    bool knows_tasks;
    int64_t next_probe_ms;
};

struct fresh *fresh_new(struct session *session)
{
    struct fresh *f = xcalloc(1, sizeof(*f));
    char uuid[UUID_TEXT_SIZE];

    f->session = session;
    session->broker->ids.next(&session->broker->ids, uuid);
    snprintf(f->probe, sizeof(f->probe), "reeve-probe-%s", uuid);
    return f;
}

void fresh_destroy(struct fresh **fresh)
{
    if (!*fresh)
        return;
    free(*fresh);
    *fresh = NULL;
}

/* ---- which tasks run ---------------------------------------------- */
static void ask_for(struct session *s, const char *task_id)
{
    Mesos__V1__Scheduler__Call *call =
        outbox_call(MESOS__V1__SCHEDULER__CALL__TYPE__RECONCILE);
    Mesos__V1__Scheduler__Call__Reconcile__Task *task;

    call->reconcile = PB_NEW(mesos__v1__scheduler__call__reconcile);
    if (task_id) {
        task = PB_NEW(mesos__v1__scheduler__call__reconcile__task);
        task->task_id = pb_task_id(task_id);
        PB_ADD(call->reconcile, tasks, task);
    }
    s->counts.reconciles++;
    outbox_send(s->outbox, call);
}

void fresh_begin(struct fresh *f, bool is_newborn)
{
    f->next_probe_ms = 0;
    f->knows_tasks |= is_newborn;
    if (!f->knows_tasks)
        ask_for(f->session, NULL);
}

bool fresh_is_answer(struct fresh *f, const Mesos__V1__TaskStatus *status)
{
    if (!str_eq(status->task_id->value, f->probe))
        return false;
    f->knows_tasks = true;
    return true;
}

void fresh_ask(struct fresh *f)
{
    int64_t now_ms = clock_mono_ms();

    if (!f->knows_tasks && now_ms >= f->next_probe_ms) {
        f->next_probe_ms = now_ms + ASK_AGAIN_MS;
        ask_for(f->session, f->probe);
    }
}

/* ---- what follows ------------------------------------------------- */
struct twin {
    const struct demand_view *view;
    struct buf *why;
    bool is_found;
};

/* A task id is SERVICE__TASK__UUID, and names have no double underscore. */
static bool is_launch_of(const char *task_id, const char *task)
{
    const char *at = strstr(task_id, "__");
    size_t len = strlen(task);

    return at && strncmp(at + 2, task, len) == 0 &&
           strncmp(at + 2 + len, "__", 2) == 0;
}

static void compare(void *self, const struct unknown_task *task)
{
    struct twin *twin = self;
    const struct demand_view *view = twin->view;

    for (size_t i = 0; i < view->demand->n_tasks && !twin->is_found; i++) {
        AUTO_FREE char *name =
            spec_task_name(view->demand->pod_type, view->demand->pod_index,
                           view->demand->tasks[i]);
        if (!is_launch_of(task->task_id, name))
            continue;
        buf_addf(twin->why,
                 "%s runs already as %s, which no record names: the store is "
                 "older than it; `reeve state kill-unknown` ends it",
                 name, task->task_id);
        twin->is_found = true;
    }
}

bool fresh_holds(const struct fresh *f, const struct demand_view *view,
                 struct buf *why)
{
    struct twin twin = {.view = view, .why = why};

    statuses_each_unknown(f->session->statuses, compare, &twin);
    if (twin.is_found || view->record)
        return twin.is_found;
    if (!f->knows_tasks) {
        buf_addf(why, "the master has yet to tell which tasks run; agents may "
                      "still be on their way back to it");
        return true;
    }
    return false;
}
