/* SPDX-License-Identifier: Apache-2.0 */
/* session_state - see session_state.h */
#include "services/offer-broker/session_state.h"

#include <math.h>
#include <stddef.h>

#include "lib/base/base.h"

struct step {
    enum session_state next;
    enum session_action action;
};

#define STAY(s)                                                                \
    {                                                                          \
        s, SESSION_NONE                                                        \
    }
#define ODD(s)                                                                 \
    {                                                                          \
        s, SESSION_ODD                                                         \
    }

static const struct step table[SESSION_STATE_COUNT][SESSION_EVENT_COUNT] =
    {
        [SESSION_OFF] =
            {
                [SESSION_START] = {SESSION_CONNECTING, SESSION_CONNECT},
                [SESSION_STOP] = STAY(SESSION_OFF),
                [SESSION_SUBSCRIBED] = ODD(SESSION_OFF),
                [SESSION_STORED] = STAY(SESSION_OFF),
                [SESSION_BROKEN] = STAY(SESSION_OFF),
                [SESSION_REDIRECTED] = STAY(SESSION_OFF),
                [SESSION_TIMER] = STAY(SESSION_OFF),
                [SESSION_GIVEN_UP] = {SESSION_FAILED, SESSION_CLOSE},
            },
        [SESSION_CONNECTING] =
            {
                [SESSION_START] = STAY(SESSION_CONNECTING),
                [SESSION_STOP] = {SESSION_OFF, SESSION_CLOSE},
                [SESSION_SUBSCRIBED] = {SESSION_NAMING, SESSION_STORE},
                [SESSION_STORED] = STAY(SESSION_CONNECTING),
                [SESSION_BROKEN] = {SESSION_BACKOFF, SESSION_WAIT},
                [SESSION_REDIRECTED] = {SESSION_CONNECTING, SESSION_CONNECT},
                [SESSION_TIMER] = STAY(SESSION_CONNECTING),
                [SESSION_GIVEN_UP] = {SESSION_FAILED, SESSION_CLOSE},
            },
        [SESSION_NAMING] =
            {
                [SESSION_START] = STAY(SESSION_NAMING),
                [SESSION_STOP] = {SESSION_OFF, SESSION_CLOSE},
                [SESSION_SUBSCRIBED] = ODD(SESSION_NAMING),
                [SESSION_STORED] = {SESSION_UP, SESSION_BEGIN},
                [SESSION_BROKEN] = {SESSION_BACKOFF, SESSION_WAIT},
                [SESSION_REDIRECTED] = ODD(SESSION_NAMING),
                [SESSION_TIMER] = STAY(SESSION_NAMING),
                [SESSION_GIVEN_UP] = {SESSION_FAILED, SESSION_CLOSE},
            },
        [SESSION_UP] =
            {
                [SESSION_START] = STAY(SESSION_UP),
                [SESSION_STOP] = {SESSION_OFF, SESSION_CLOSE},
                [SESSION_SUBSCRIBED] = ODD(SESSION_UP),
                [SESSION_STORED] = STAY(SESSION_UP),
                [SESSION_BROKEN] = {SESSION_BACKOFF, SESSION_WAIT},
                [SESSION_REDIRECTED] = {SESSION_CONNECTING, SESSION_CONNECT},
                [SESSION_TIMER] = STAY(SESSION_UP),
                [SESSION_GIVEN_UP] = {SESSION_FAILED, SESSION_CLOSE},
            },
        [SESSION_BACKOFF] =
            {
                [SESSION_START] = STAY(SESSION_BACKOFF),
                [SESSION_STOP] = {SESSION_OFF, SESSION_CLOSE},
                [SESSION_SUBSCRIBED] = ODD(SESSION_BACKOFF),
                [SESSION_STORED] = STAY(SESSION_BACKOFF),
                [SESSION_BROKEN] = STAY(SESSION_BACKOFF),
                [SESSION_REDIRECTED] = STAY(SESSION_BACKOFF),
                [SESSION_TIMER] = {SESSION_CONNECTING, SESSION_CONNECT},
                [SESSION_GIVEN_UP] = {SESSION_FAILED, SESSION_CLOSE},
            },
        [SESSION_FAILED] =
            {
                [SESSION_START] = STAY(SESSION_FAILED),
                [SESSION_STOP] = {SESSION_OFF, SESSION_CLOSE},
                [SESSION_SUBSCRIBED] = ODD(SESSION_FAILED),
                [SESSION_STORED] = STAY(SESSION_FAILED),
                [SESSION_BROKEN] = STAY(SESSION_FAILED),
                [SESSION_REDIRECTED] = STAY(SESSION_FAILED),
                [SESSION_TIMER] = STAY(SESSION_FAILED),
                [SESSION_GIVEN_UP] = STAY(SESSION_FAILED),
            },
};

enum session_action session_step(enum session_state *state,
                                 enum session_event event)
{
    const struct step *step = &table[*state][event];

    *state = step->next;
    return step->action;
}

const char *session_state_name(enum session_state state)
{
    static const char *const names[SESSION_STATE_COUNT] = {
        [SESSION_OFF] = "off",         [SESSION_CONNECTING] = "connecting",
        [SESSION_NAMING] = "naming",   [SESSION_UP] = "up",
        [SESSION_BACKOFF] = "backoff", [SESSION_FAILED] = "failed",
    };

    return names[state];
}

int64_t session_backoff_ms(unsigned failures, double jitter)
{
    int64_t pause = 15000;

    if (failures < 6)
        pause = 250LL << failures;
    return pause - llround((double)pause * 0.5 * jitter);
}

int64_t session_silence_ms(double heartbeat_interval_s)
{
    double interval = heartbeat_interval_s;

    if (!(interval > 0))
        interval = 15;
    if (interval > 3600)
        interval = 3600;
    return llround(interval * 5000);
}

bool session_error_is_removal(const char *message)
{
    return message && (str_starts(message, "Framework has been removed") ||
                       str_starts(message, "Completed framework attempted"));
}

enum session_error session_classify_error(const char *message)
{
    static const struct {
        const char *prefix;
        enum session_error meaning;
    } known[] = {
        {"Framework failed over", SESSION_ERROR_STALE},
        {"Framework has been removed", SESSION_ERROR_FATAL},
        {"Framework disconnected", SESSION_ERROR_STALE},
        {"Changing framework's principal", SESSION_ERROR_FATAL},
        {"Completed framework attempted to re-register", SESSION_ERROR_FATAL},
    };

    for (size_t i = 0; message && i < ARRAY_LEN(known); i++)
        if (str_starts(message, known[i].prefix))
            return known[i].meaning;
    return SESSION_ERROR_RETRY;
}
