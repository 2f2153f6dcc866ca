/* SPDX-License-Identifier: Apache-2.0 */
/* master_watchers - operators' event streams: SUBSCRIBE of POST /api/v1
 *
 * A watcher first gets the whole state, then what changes in it, in order.
 * Nothing is made while nobody watches.
 */
#include "devcluster/master_api.h"

#define EVENT_M(name) MESOS__V1__MASTER__EVENT__TYPE__##name
#define MAX_WATCHERS  1000 /* the oldest is cut */

static Mesos__V1__Master__Event *event_new(int type)
{
    Mesos__V1__Master__Event *event = PB_NEW(mesos__v1__master__event);

    PB_SET(event, type, (Mesos__V1__Master__Event__Type)type);
    return event;
}

/* Takes the event. */
static void tell_all(struct master *m, Mesos__V1__Master__Event *event)
{
    const struct watcher *watcher;

    DL_FOREACH(m->watchers, watcher)
    send_message(m, watcher->stream, wire_dup(&event->base));
    PB_FREE(event);
}

/* ---- streams ------------------------------------------------------------ */

static void send_heartbeat(struct master *m, struct watcher *watcher)
{
    watcher->next_heartbeat_ms = m->now_ms + m->config.heartbeat_interval_ms;
    send_message(m, watcher->stream, &event_new(EVENT_M(HEARTBEAT))->base);
}

static void drop(struct master *m, struct watcher *watcher)
{
    DL_DELETE(m->watchers, watcher);
    m->n_watchers--;
    free(watcher);
}

void master_watch(struct master *m, uint64_t stream)
{
    struct watcher *watcher = xcalloc(1, sizeof *watcher);
    Mesos__V1__Master__Event *event = event_new(EVENT_M(SUBSCRIBED));

    if (m->n_watchers == MAX_WATCHERS) {
        close_stream(m, m->watchers->stream);
        drop(m, m->watchers);
    }
    watcher->stream = stream;
    DL_APPEND(m->watchers, watcher);
    m->n_watchers++;
    event->subscribed = PB_NEW(mesos__v1__master__event__subscribed);
    event->subscribed->get_state = api_state(m);
    PB_SET(event->subscribed, heartbeat_interval_seconds,
           (double)m->config.heartbeat_interval_ms / 1000);
    send_message(m, stream, &event->base);
    send_heartbeat(m, watcher);
}

bool watcher_closed(struct master *m, uint64_t stream)
{
    struct watcher *watcher;

    DL_SEARCH_SCALAR(m->watchers, watcher, stream, stream);
    if (watcher)
        drop(m, watcher);
    return watcher != NULL;
}

void watchers_tick(struct master *m)
{
    struct watcher *watcher;

    DL_FOREACH(m->watchers, watcher)
    {
        if (m->now_ms >= watcher->next_heartbeat_ms)
            send_heartbeat(m, watcher);
    }
}

void watchers_free(struct master *m)
{
    while (m->watchers)
        drop(m, m->watchers);
}

/* ---- what happened ------------------------------------------------------ */

void watch_task_added(struct master *m, const struct mtask *task)
{
    Mesos__V1__Master__Event *event;

    if (!m->watchers)
        return;
    event = event_new(EVENT_M(TASK_ADDED));
    event->task_added = PB_NEW(mesos__v1__master__event__task_added);
    event->task_added->task = PB_DUP(task->msg);
    tell_all(m, event);
}

void watch_task_updated(struct master *m, const struct mtask *task,
                        const Mesos__V1__TaskStatus *status)
{
    Mesos__V1__Master__Event *event;

    if (!m->watchers)
        return;
    event = event_new(EVENT_M(TASK_UPDATED));
    event->task_updated = PB_NEW(mesos__v1__master__event__task_updated);
    event->task_updated->framework_id = pb_framework_id(task->framework->id);
    event->task_updated->status = PB_DUP(status);
    event->task_updated->state = task->msg->state;
    tell_all(m, event);
}

void watch_agent_added(struct master *m, const struct magent *agent)
{
    Mesos__V1__Master__Event *event;

    if (!m->watchers)
        return;
    event = event_new(EVENT_M(AGENT_ADDED));
    event->agent_added = PB_NEW(mesos__v1__master__event__agent_added);
    event->agent_added->agent = api_agent(agent);
    tell_all(m, event);
}

void watch_agent_removed(struct master *m, const char *agent_id)
{
    Mesos__V1__Master__Event *event;

    if (!m->watchers)
        return;
    event = event_new(EVENT_M(AGENT_REMOVED));
    event->agent_removed = PB_NEW(mesos__v1__master__event__agent_removed);
    event->agent_removed->agent_id = pb_agent_id(agent_id);
    tell_all(m, event);
}

void watch_framework_added(struct master *m, const struct framework *fw)
{
    Mesos__V1__Master__Event *event;

    if (!m->watchers)
        return;
    event = event_new(EVENT_M(FRAMEWORK_ADDED));
    event->framework_added = PB_NEW(mesos__v1__master__event__framework_added);
    event->framework_added->framework = api_framework(m, fw);
    tell_all(m, event);
}

void watch_framework_updated(struct master *m, const struct framework *fw)
{
    Mesos__V1__Master__Event *event;

    if (!m->watchers)
        return;
    event = event_new(EVENT_M(FRAMEWORK_UPDATED));
    event->framework_updated =
        PB_NEW(mesos__v1__master__event__framework_updated);
    event->framework_updated->framework = api_framework(m, fw);
    tell_all(m, event);
}

void watch_framework_removed(struct master *m, const struct framework *fw)
{
    Mesos__V1__Master__Event *event;

    if (!m->watchers)
        return;
    event = event_new(EVENT_M(FRAMEWORK_REMOVED));
    event->framework_removed =
        PB_NEW(mesos__v1__master__event__framework_removed);
    event->framework_removed->framework_info = PB_DUP(fw->info);
    tell_all(m, event);
}
