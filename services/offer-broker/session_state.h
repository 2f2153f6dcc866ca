/* SPDX-License-Identifier: Apache-2.0 */
/* session_state - the life of one service's session with the master, as a table
 *
 *   OFF -> CONNECTING -> NAMING -> UP        NAMING: the framework id is being
 *            ^    |________|________|        made durable; no other call before
 *            |             v
 *            +-------- BACKOFF               FAILED: the master gave the
 * framework up; only the operator goes on Pure.
 */
#ifndef REEVE_OFFER_BROKER_SESSION_STATE_H
#define REEVE_OFFER_BROKER_SESSION_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum session_state {
    SESSION_OFF,
    SESSION_CONNECTING,
    SESSION_NAMING,
    SESSION_UP,
    SESSION_BACKOFF,
    SESSION_FAILED,
    SESSION_STATE_COUNT
};

enum session_event {
    SESSION_START,      /* lease held, configuration there */
    SESSION_STOP,       /* lease lost, service gone, process ends */
    SESSION_SUBSCRIBED, /* first event of an accepted subscription */
    SESSION_STORED,     /* the framework's record is durable and seen */
    SESSION_BROKEN,     /* refused, cut, silent, or a call failed */
    SESSION_REDIRECTED, /* another master leads: connect there at once */
    SESSION_TIMER,      /* the back-off is over */
    SESSION_GIVEN_UP,   /* ERROR that no retry can mend */
    SESSION_EVENT_COUNT
};

enum session_action {
    SESSION_NONE,
    SESSION_CONNECT, /* close what is open, open a stream */
    SESSION_STORE,   /* write the framework record */
    SESSION_BEGIN,   /* forget offers, reconcile, go */
    SESSION_WAIT,    /* close the stream, start the back-off timer */
    SESSION_CLOSE,   /* close the stream */
    SESSION_ODD,     /* cannot happen: log and ignore */
};

/* Changes *state and says what to do. */
enum session_action session_step(enum session_state *state,
                                 enum session_event event);
const char *session_state_name(enum session_state state);

/* Next pause: doubles from 250 ms to 15 s; jitter 0..1 takes off up to half. */
int64_t session_backoff_ms(unsigned failures, double jitter);
/* No event for this long: the stream is dead. */
int64_t session_silence_ms(double heartbeat_interval_s);

/* What an ERROR event means. */
enum session_error {
    SESSION_ERROR_STALE, /* another subscriber took over: we are stale */
    SESSION_ERROR_FATAL, /* identity refused: the operator must act */
    SESSION_ERROR_RETRY, /* configuration or policy: may change */
};
/* Does the message say that the master ended the framework and its tasks? */
bool session_error_is_removal(const char *message);
enum session_error session_classify_error(const char *message);

#endif
