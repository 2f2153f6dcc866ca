/* SPDX-License-Identifier: Apache-2.0 */
/* agent_note - what the master told of an agent that is not just there
 *
 * Pure.  Planned maintenance, drains, and agents given up, seen from where a
 * framework stands: in offers, inverse offers and updates.
 */
#ifndef REEVE_OFFER_BROKER_AGENT_NOTE_H
#define REEVE_OFFER_BROKER_AGENT_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/mesos/v1/mesos.pb-c.h"
#include "proto/records.pb-c.h"

enum agent_sign {
    AGENT_OFFERED,  /* it makes offers: neither drained nor gone */
    AGENT_ASKED,    /* an inverse offer: we should leave */
    AGENT_UNASKED,  /* that one was rescinded */
    AGENT_DRAINING, /* an update said that a drain ended the task */
    AGENT_GONE,     /* an update said that an operator gave it up */
};

struct agent_told {
    enum agent_sign sign;
    const char *agent_id;
    const char *hostname; /* NULL: not told */
    const char *message;  /* of an update */
    /* Of an offer or inverse offer; NULL: none is planned. */
    const Mesos__V1__Unavailability *unavailability;
    bool will_vacate; /* AGENT_ASKED: our answer */
    int64_t now_wall_ms;
};

/* The note as it should be; NULL: none is worth keeping.  stored may be NULL.
 * *changed: it is not what is stored. */
Reeve__AgentNote *agent_note_of(const Reeve__AgentNote *stored,
                                const struct agent_told *told, bool *changed);
/* What was planned is over. */
bool agent_note_is_over(const Reeve__AgentNote *note, int64_t now_wall_ms);
/* ", which is being drained" and the like; "" when there is nothing to say. */
const char *agent_note_text(const Reeve__AgentNote *note);

#endif
