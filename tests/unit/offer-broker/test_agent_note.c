/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/agent_note.h"

enum planned { NOTHING, FOR_EVER, ONE_HOUR };

/* From what stands, by what is told, to what stands then. */
struct expected {
    bool kept, changed, asked, draining, gone;
    enum planned planned;
};

static const struct {
    const char *name;
    enum agent_sign signs[3]; /* told one after another */
    size_t n;
    enum planned planned[3];
    struct expected then;
} cases[] = {
    {"an offer like any other",
     {AGENT_OFFERED},
     1,
     {NOTHING},
     {.kept = false, .changed = false}},
    {"maintenance is planned",
     {AGENT_OFFERED},
     1,
     {ONE_HOUR},
     {.kept = true, .changed = true, .planned = ONE_HOUR}},
    {"the same again",
     {AGENT_OFFERED, AGENT_OFFERED},
     2,
     {ONE_HOUR, ONE_HOUR},
     {.kept = true, .changed = false, .planned = ONE_HOUR}},
    {"the plan was changed",
     {AGENT_OFFERED, AGENT_OFFERED},
     2,
     {ONE_HOUR, FOR_EVER},
     {.kept = true, .changed = true, .planned = FOR_EVER}},
    {"the plan was withdrawn",
     {AGENT_ASKED, AGENT_OFFERED},
     2,
     {ONE_HOUR, NOTHING},
     {.kept = false, .changed = true}},
    {"asked to leave",
     {AGENT_ASKED},
     1,
     {ONE_HOUR},
     {.kept = true, .changed = true, .asked = true, .planned = ONE_HOUR}},
    {"not asked any more, still planned",
     {AGENT_ASKED, AGENT_UNASKED},
     2,
     {ONE_HOUR},
     {.kept = true, .changed = true, .planned = ONE_HOUR}},
    {"drained",
     {AGENT_DRAINING, AGENT_DRAINING},
     2,
     {NOTHING},
     {.kept = true, .changed = false, .draining = true}},
    {"drained, and back",
     {AGENT_DRAINING, AGENT_OFFERED},
     2,
     {NOTHING},
     {.kept = false, .changed = true}},
    {"drained, then gone for ever",
     {AGENT_DRAINING, AGENT_GONE},
     2,
     {NOTHING},
     {.kept = true, .changed = true, .draining = true, .gone = true}},
};

static Mesos__V1__Unavailability *plan_of(enum planned planned)
{
    Mesos__V1__Unavailability *plan;

    if (planned == NOTHING)
        return NULL;
    plan = PB_NEW(mesos__v1__unavailability);
    plan->start = PB_NEW(mesos__v1__time_info);
    plan->start->nanoseconds = 5000000000;
    if (planned == ONE_HOUR) {
        plan->duration = PB_NEW(mesos__v1__duration_info);
        plan->duration->nanoseconds = 3600000000000;
    }
    return plan;
}

static void expect(const Reeve__AgentNote *note, const struct expected *then,
                   const char *name)
{
    cr_expect_eq(note != NULL, then->kept, "%s", name);
    if (!note)
        return;
    cr_expect_eq(note->is_asked_to_leave, then->asked, "%s", name);
    cr_expect_eq(note->is_draining, then->draining, "%s", name);
    cr_expect_eq(note->is_gone, then->gone, "%s", name);
    cr_expect_eq(note->has_unavailable_from_wall_ms, then->planned != NOTHING,
                 "%s", name);
    cr_expect_eq(note->unavailable_for_ms,
                 then->planned == ONE_HOUR ? 3600000 : 0, "%s", name);
}

Test(agent_note, follows_what_is_told)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Reeve__AgentNote *note = NULL;
        bool changed = false;

        for (size_t k = 0; k < cases[i].n; k++) {
            Mesos__V1__Unavailability *plan = plan_of(cases[i].planned[k]);
            struct agent_told told = {.sign = cases[i].signs[k],
                                      .agent_id = "S0",
                                      .unavailability = plan,
                                      .now_wall_ms = 1000};
            Reeve__AgentNote *next = agent_note_of(note, &told, &changed);

            PB_FREE(note);
            PB_FREE(plan);
            note = next;
        }
        cr_expect_eq(changed, cases[i].then.changed, "%s", cases[i].name);
        expect(note, &cases[i].then, cases[i].name);
        PB_FREE(note);
    }
}

Test(agent_note, what_was_planned_ends)
{
    Reeve__AgentNote note = REEVE__AGENT_NOTE__INIT;

    note.unavailable_from_wall_ms = 1000;
    cr_expect_not(agent_note_is_over(&note, 900000), "no end was told");
    note.unavailable_for_ms = 500;
    cr_expect_not(agent_note_is_over(&note, 1500));
    cr_expect(agent_note_is_over(&note, 1501));
    note.is_draining = true;
    cr_expect_not(agent_note_is_over(&note, 1501));
    cr_expect(strstr(agent_note_text(&note), "drained"));
    cr_expect_str_eq(agent_note_text(NULL), "");
}
