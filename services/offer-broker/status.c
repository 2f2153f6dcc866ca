/* SPDX-License-Identifier: Apache-2.0 */
/* status - see status.h */
#include "services/offer-broker/status.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/labels.h"
#include "lib/mesos/states.h"
#include "lib/wire/pb.h"

/* Short names for what is compared below; unknown numbers stay plain ints. */
enum {
    STAGING = MESOS__V1__TASK_STATE__TASK_STAGING,
    STARTING = MESOS__V1__TASK_STATE__TASK_STARTING,
    RUNNING = MESOS__V1__TASK_STATE__TASK_RUNNING,
    KILLING = MESOS__V1__TASK_STATE__TASK_KILLING,
    LOST = MESOS__V1__TASK_STATE__TASK_LOST,
    DROPPED = MESOS__V1__TASK_STATE__TASK_DROPPED,
    UNREACHABLE = MESOS__V1__TASK_STATE__TASK_UNREACHABLE,
    GONE = MESOS__V1__TASK_STATE__TASK_GONE,
    UNKNOWN = MESOS__V1__TASK_STATE__TASK_UNKNOWN,
};

bool status_was_heard(const Reeve__TaskStatusRecord *status)
{
    return status && status->has_task_status;
}

bool status_may_live(const Reeve__TaskStatusRecord *status)
{
    return status && !task_state_proves_death(status->state);
}

bool status_is_moving(const Reeve__TaskStatusRecord *status)
{
    int state = status ? status->state : UNKNOWN;

    return state == STAGING || state == STARTING || state == RUNNING ||
           state == KILLING;
}

static bool is_weak(int state)
{
    return state == LOST || state == GONE || state == DROPPED ||
           state == UNKNOWN || state == UNREACHABLE;
}

/* The state to store: the one that came, but for a launch without a trace. */
static int state_to_store(const struct status_in *in)
{
    int state = in->update->state;

    if (state == UNKNOWN && !status_was_heard(in->stored) &&
        !in->is_pod_confirmed)
        return DROPPED;
    return state;
}

/* 1 passed, 0 failed, -1 no result in this update. */
static int check_result(const Mesos__V1__TaskStatus *update)
{
    const Mesos__V1__CheckStatusInfo *check = update->check_status;
    const char *label = labels_find(update->labels, "readiness_check_passed");

    if (check && check->command && check->command->has_exit_code)
        return check->command->exit_code == 0;
    if (check && check->http && check->http->has_status_code)
        return check->http->status_code >= 200 &&
               check->http->status_code < 400;
    if (check && check->tcp && check->tcp->has_succeeded)
        return check->tcp->succeeded;
    return label ? str_eq(label, "true") : -1;
}

/* Updates built from scratch come without a result: the last one stands. */
static bool readiness(const struct status_in *in, int state)
{
    int result = check_result(in->update);
    bool is_same_task =
        in->stored && str_eq(in->stored->task_id, in->task->task_id);

    if (state != RUNNING)
        return state == UNREACHABLE && is_same_task && in->stored->ready;
    if (!in->task->has_readiness_check)
        return true;
    if (result >= 0)
        return result == 1;
    return is_same_task && in->stored->ready;
}

static Reeve__TaskStatusRecord *record_of(const struct status_in *in, int state)
{
    const Mesos__V1__TaskStatus *update = in->update;
    const Reeve__TaskStatusRecord *stored = in->stored;
    Reeve__TaskStatusRecord *out;

    out = PB_NEW(reeve__task_status_record);
    out->task_id = xstrdup(update->task_id->value);
    PB_SET(out, state, state);
    out->state_name = xstrdup(task_state_name(state));
    out->message = xstrdup(update->message);
    if (update->has_reason) {
        PB_SET(out, reason, update->reason);
        out->reason_name = xstrdup(task_reason_name(update->reason));
    }
    if (update->has_source)
        PB_SET(out, source, update->source);
    out->agent_id = xstrdup(update->agent_id ? update->agent_id->value
                                             : in->task->agent_id);
    if (update->has_timestamp)
        PB_SET(out, timestamp_s, update->timestamp);
    PB_SET(out, stored_wall_ms, in->now_wall_ms);
    if (update->has_uuid)
        PB_BYTES(out, uuid, update->uuid.data, update->uuid.len);
    if (update->has_healthy)
        PB_SET(out, healthy, update->healthy);
    PB_SET(out, ready, readiness(in, state));
    PB_ENCODED(out, task_status, update);
    PB_SET(out, ever_started,
           state == STARTING || state == RUNNING ||
               (stored && stored->ever_started));
    if (stored && stored->state != state)
        out->previous_state_name = xstrdup(stored->state_name);
    else if (stored)
        out->previous_state_name = xstrdup(stored->previous_state_name);
    if (state != (int)update->state)
        PB_STR(out, message,
               "the master knows neither the task nor its agent, and nothing "
               "was ever heard of this launch");
    return out;
}

/* A repeat tells nothing new: same state, health, readiness and text. */
static bool is_same(const Reeve__TaskStatusRecord *stored,
                    const Reeve__TaskStatusRecord *next)
{
    /* An answer to our own question: its text is only about that. */
    bool is_answer =
        next->has_reason &&
        next->reason == MESOS__V1__TASK_STATUS__REASON__REASON_RECONCILIATION;

    return stored && status_was_heard(stored) && stored->state == next->state &&
           stored->has_healthy == next->has_healthy &&
           stored->healthy == next->healthy && stored->ready == next->ready &&
           (is_answer || str_eq(stored->message, next->message)) &&
           ((!next->has_uuid) ||
            (stored->has_uuid && stored->uuid.len == next->uuid.len &&
             memcmp(stored->uuid.data, next->uuid.data, next->uuid.len) == 0));
}

enum status_verdict status_merge(const struct status_in *in,
                                 Reeve__TaskStatusRecord **out)
{
    int state = state_to_store(in);
    bool is_dead = in->stored && task_state_proves_death(in->stored->state);
    AUTO_MESSAGE Reeve__TaskStatusRecord *next = NULL;

    *out = NULL;
    if (is_dead && is_weak(in->update->state))
        return STATUS_KEEP;
    if (in->update->state == (int)DROPPED && in->stored &&
        in->stored->ever_started)
        return STATUS_ASK;
    next = record_of(in, state);
    if (is_same(in->stored, next))
        return STATUS_SAME;
    *out = MOVE(next);
    return STATUS_STORE;
}

Reeve__TaskStatusRecord *status_of_launch(const Reeve__TaskRecord *task,
                                          int64_t now_wall_ms)
{
    Reeve__TaskStatusRecord *status;

    status = PB_NEW(reeve__task_status_record);
    status->task_id = xstrdup(task->task_id);
    PB_SET(status, state, STAGING);
    status->state_name = xstrdup(task_state_name(STAGING));
    status->agent_id = xstrdup(task->agent_id);
    PB_SET(status, stored_wall_ms, now_wall_ms);
    PB_SET(status, ready, false);
    PB_SET(status, ever_started, false);
    return status;
}
