/* SPDX-License-Identifier: Apache-2.0 */
/* agent_note - see agent_note.h */
#include "services/offer-broker/agent_note.h"

#include "lib/base/base.h"
#include "lib/wire/pb.h"

#define NS_IN_MS 1000000

/* Both are left out when nothing is planned; no duration means for ever. */
static void set_plan(Reeve__AgentNote *note,
                     const Mesos__V1__Unavailability *plan)
{
    note->has_unavailable_from_wall_ms = plan != NULL;
    note->has_unavailable_for_ms = plan && plan->duration;
    note->unavailable_from_wall_ms =
        plan ? plan->start->nanoseconds / NS_IN_MS : 0;
    note->unavailable_for_ms = note->has_unavailable_for_ms
                                   ? plan->duration->nanoseconds / NS_IN_MS
                                   : 0;
}

static void set_flag(protobuf_c_boolean *has, protobuf_c_boolean *flag,
                     bool value)
{
    *has = *flag = value;
}

#define SET_FLAG(note, field, value)                                           \
    set_flag(&(note)->has_##field, &(note)->field, (value))

static void apply(Reeve__AgentNote *note, const struct agent_told *told)
{
    switch (told->sign) {
    case AGENT_OFFERED:
        set_plan(note, told->unavailability);
        SET_FLAG(note, is_draining, false);
        SET_FLAG(note, is_gone, false);
        PB_STR(note, message, NULL);
        if (!told->unavailability) {
            SET_FLAG(note, is_asked_to_leave, false);
            SET_FLAG(note, will_vacate, false);
        }
        break;
    case AGENT_ASKED:
        set_plan(note, told->unavailability);
        SET_FLAG(note, is_asked_to_leave, true);
        SET_FLAG(note, will_vacate, told->will_vacate);
        break;
    case AGENT_UNASKED:
        SET_FLAG(note, is_asked_to_leave, false);
        SET_FLAG(note, will_vacate, false);
        break;
    case AGENT_DRAINING:
        SET_FLAG(note, is_draining, true);
        PB_STR(note, message, told->message);
        break;
    case AGENT_GONE:
        SET_FLAG(note, is_gone, true);
        PB_STR(note, message, told->message);
        break;
    }
}

static bool is_worth_keeping(const Reeve__AgentNote *note)
{
    return note->has_unavailable_from_wall_ms || note->is_asked_to_leave ||
           note->is_draining || note->is_gone;
}

Reeve__AgentNote *agent_note_of(const Reeve__AgentNote *stored,
                                const struct agent_told *told, bool *changed)
{
    Reeve__AgentNote *note =
        stored ? PB_DUP(stored) : PB_NEW(reeve__agent_note);

    PB_STR(note, agent_id, told->agent_id);
    if (told->hostname)
        PB_STR(note, hostname, told->hostname);
    apply(note, told);
    if (!is_worth_keeping(note)) {
        *changed = stored != NULL;
        PB_FREE(note);
        return NULL;
    }
    *changed = !stored || !wire_equal(&note->base, &stored->base);
    if (*changed)
        PB_SET(note, since_wall_ms, told->now_wall_ms);
    return note;
}

bool agent_note_is_over(const Reeve__AgentNote *note, int64_t now_wall_ms)
{
    return note->unavailable_for_ms > 0 && !note->is_draining &&
           !note->is_gone &&
           note->unavailable_from_wall_ms + note->unavailable_for_ms <
               now_wall_ms;
}

const char *agent_note_text(const Reeve__AgentNote *note)
{
    if (!note)
        return "";
    if (note->is_gone)
        return ": an operator gave that agent up";
    if (note->is_draining)
        return ": that agent is being drained";
    if (note->has_unavailable_from_wall_ms)
        return ": maintenance of that agent is planned";
    return "";
}
