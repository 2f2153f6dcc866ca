/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/status.h"

#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/states.h"
#include "make.h"

enum {
    NONE = -1,
    STARTING = 0,
    RUNNING = 1,
    FINISHED = 2,
    FAILED = 3,
    KILLED = 4,
    LOST = 5,
    STAGING = 6,
    ERROR = 7,
    KILLING = 8,
    DROPPED = 9,
    UNREACHABLE = 10,
    GONE = 11,
    GONE_BY_OPERATOR = 12,
    UNKNOWN = 13,
};

static Reeve__TaskRecord *make_task_record(bool has_check)
{
    Reeve__TaskRecord *task;

    task = PB_NEW(reeve__task_record);
    task->name = xstrdup("data-0");
    task->task_id = xstrdup("svc__data-0__1");
    task->agent_id = xstrdup("S0");
    PB_SET(task, has_readiness_check, has_check);
    return task;
}

static Mesos__V1__TaskStatus *make_update(int state)
{
    Mesos__V1__TaskStatus *update;

    update = PB_NEW(mesos__v1__task_status);
    update->task_id = pb_task_id("svc__data-0__1");
    update->state = (Mesos__V1__TaskState)state;
    return update;
}

static Reeve__TaskStatusRecord *make_stored(const Reeve__TaskRecord *task,
                                            int state, bool was_heard)
{
    Reeve__TaskStatusRecord *stored = status_of_launch(task, 1);

    stored->state = state;
    pb_str(&stored->state_name, task_state_name(state));
    if (was_heard)
        PB_BYTES(stored, task_status, "x", 1);
    if (state != STAGING && was_heard)
        stored->ever_started = true;
    return stored;
}

static const struct {
    const char *name;
    int stored; /* NONE: no record */
    bool was_heard, is_confirmed;
    int update;
    enum status_verdict verdict;
    int state; /* stored afterwards */
} merge_cases[] = {
    {"first news", STAGING, false, false, STARTING, STATUS_STORE, STARTING},
    {"runs", STARTING, true, true, RUNNING, STATUS_STORE, RUNNING},
    {"no record", NONE, false, false, RUNNING, STATUS_STORE, RUNNING},
    {"repeat", RUNNING, true, true, RUNNING, STATUS_SAME, 0},
    {"ends", RUNNING, true, true, FAILED, STATUS_STORE, FAILED},
    {"lost after end", FINISHED, true, true, LOST, STATUS_KEEP, 0},
    {"gone after end", FAILED, true, true, GONE, STATUS_KEEP, 0},
    {"dropped after end", KILLED, true, true, DROPPED, STATUS_KEEP, 0},
    {"unknown after end", KILLED, true, true, UNKNOWN, STATUS_KEEP, 0},
    {"unreachable after end", KILLED, true, true, UNREACHABLE, STATUS_KEEP, 0},
    {"came back", GONE, true, true, RUNNING, STATUS_STORE, RUNNING},
    {"back from unreachable", UNREACHABLE, true, true, RUNNING, STATUS_STORE,
     RUNNING},
    {"unreachable", RUNNING, true, true, UNREACHABLE, STATUS_STORE,
     UNREACHABLE},
    {"gone after unreachable", UNREACHABLE, true, true, GONE, STATUS_STORE,
     GONE},
    {"lost while running", RUNNING, true, true, LOST, STATUS_STORE, LOST},
    {"gone after lost", LOST, true, true, GONE, STATUS_STORE, GONE},
    {"launch dropped", STAGING, false, false, DROPPED, STATUS_STORE, DROPPED},
    {"dropped though it runs", RUNNING, true, true, DROPPED, STATUS_ASK, 0},
    {"unknown, nothing heard", STAGING, false, false, UNKNOWN, STATUS_STORE,
     DROPPED},
    {"unknown, reservations confirmed", STAGING, false, true, UNKNOWN,
     STATUS_STORE, UNKNOWN},
    {"unknown, heard before", STAGING, true, false, UNKNOWN, STATUS_STORE,
     UNKNOWN},
    {"unknown while running", RUNNING, true, true, UNKNOWN, STATUS_STORE,
     UNKNOWN},
    {"future state", RUNNING, true, true, 77, STATUS_STORE, 77},
};

Test(status, merge)
{
    for (size_t i = 0; i < ARRAY_LEN(merge_cases); i++) {
        Reeve__TaskRecord *task = make_task_record(false);
        Mesos__V1__TaskStatus *update = make_update(merge_cases[i].update);
        Reeve__TaskStatusRecord *stored = NULL, *out = NULL;
        struct status_in in = {.task = task,
                               .update = update,
                               .is_pod_confirmed = merge_cases[i].is_confirmed,
                               .now_wall_ms = 5};

        if (merge_cases[i].stored != NONE)
            stored = make_stored(task, merge_cases[i].stored,
                                 merge_cases[i].was_heard);
        /* So that a repeat is the same in all that counts. */
        if (stored)
            stored->ready = merge_cases[i].stored == RUNNING;
        in.stored = stored;
        cr_expect_eq(status_merge(&in, &out), merge_cases[i].verdict, "case %s",
                     merge_cases[i].name);
        if (merge_cases[i].verdict == STATUS_STORE) {
            cr_assert(out, "case %s", merge_cases[i].name);
            cr_expect_eq(out->state, merge_cases[i].state, "case %s",
                         merge_cases[i].name);
            cr_expect_str_eq(out->state_name,
                             task_state_name(merge_cases[i].state));
        } else {
            cr_expect_null(out, "case %s", merge_cases[i].name);
        }
        free_message(task);
        free_message(update);
        free_message(stored);
        free_message(out);
    }
}

static const struct {
    const char *name;
    bool has_check;
    int state;
    int exit_code; /* NONE: no result */
    bool was_ready;
    bool ready;
} ready_cases[] = {
    {"no check, running", false, RUNNING, NONE, false, true},
    {"no check, starting", false, STARTING, NONE, false, false},
    {"check passed", true, RUNNING, 0, false, true},
    {"check failed", true, RUNNING, 1, true, false},
    {"no result yet", true, RUNNING, NONE, false, false},
    {"result reset keeps the last", true, RUNNING, NONE, true, true},
    {"killing", true, KILLING, NONE, true, false},
    {"out of reach keeps the last", true, UNREACHABLE, NONE, true, true},
    {"ended", true, FAILED, NONE, true, false},
};

Test(status, readiness)
{
    for (size_t i = 0; i < ARRAY_LEN(ready_cases); i++) {
        Reeve__TaskRecord *task = make_task_record(ready_cases[i].has_check);
        Mesos__V1__TaskStatus *update = make_update(ready_cases[i].state);
        Reeve__TaskStatusRecord *stored = make_stored(task, STAGING, false);
        Reeve__TaskStatusRecord *out = NULL;
        struct status_in in = {
            .task = task, .stored = stored, .update = update};

        stored->ready = ready_cases[i].was_ready;
        update->check_status = PB_NEW(mesos__v1__check_status_info);
        update->check_status->command =
            PB_NEW(mesos__v1__check_status_info__command);
        if (ready_cases[i].exit_code != NONE)
            PB_SET(update->check_status->command, exit_code,
                   ready_cases[i].exit_code);
        cr_assert_eq(status_merge(&in, &out), STATUS_STORE, "case %s",
                     ready_cases[i].name);
        cr_expect_eq(out->ready, ready_cases[i].ready, "case %s",
                     ready_cases[i].name);
        free_message(task);
        free_message(update);
        free_message(stored);
        free_message(out);
    }
}

static const struct {
    int state;
    bool may_live, is_moving;
} life_cases[] = {
    {STAGING, true, true},    {STARTING, true, true},
    {RUNNING, true, true},    {KILLING, true, true},
    {FINISHED, false, false}, {FAILED, false, false},
    {KILLED, false, false},   {ERROR, false, false},
    {DROPPED, false, false},  {GONE, false, false},
    {LOST, true, false},      {UNREACHABLE, true, false},
    {UNKNOWN, true, false},   {GONE_BY_OPERATOR, false, false},
    {77, true, false},
};

Test(status, life)
{
    Reeve__TaskRecord *task = make_task_record(false);

    for (size_t i = 0; i < ARRAY_LEN(life_cases); i++) {
        Reeve__TaskStatusRecord *stored =
            make_stored(task, life_cases[i].state, true);

        cr_expect_eq(status_may_live(stored), life_cases[i].may_live,
                     "state %d", life_cases[i].state);
        cr_expect_eq(status_is_moving(stored), life_cases[i].is_moving,
                     "state %d", life_cases[i].state);
        free_message(stored);
    }
    cr_expect_not(status_may_live(NULL));
    free_message(task);
}
