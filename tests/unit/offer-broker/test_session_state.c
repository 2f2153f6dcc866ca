/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/session_state.h"

#include <criterion/criterion.h>

#include "lib/base/base.h"

static const struct {
    const char *name;
    enum session_event events[8];
    size_t n;
    enum session_state state;
    enum session_action action; /* of the last */
} cases[] = {
    {"first subscription",
     {SESSION_START, SESSION_SUBSCRIBED, SESSION_STORED},
     3,
     SESSION_UP,
     SESSION_BEGIN},
    {"id before all else",
     {SESSION_START, SESSION_SUBSCRIBED},
     2,
     SESSION_NAMING,
     SESSION_STORE},
    {"refused",
     {SESSION_START, SESSION_BROKEN},
     2,
     SESSION_BACKOFF,
     SESSION_WAIT},
    {"tries again",
     {SESSION_START, SESSION_BROKEN, SESSION_TIMER},
     3,
     SESSION_CONNECTING,
     SESSION_CONNECT},
    {"redirected",
     {SESSION_START, SESSION_REDIRECTED},
     2,
     SESSION_CONNECTING,
     SESSION_CONNECT},
    {"cut while naming",
     {SESSION_START, SESSION_SUBSCRIBED, SESSION_BROKEN},
     3,
     SESSION_BACKOFF,
     SESSION_WAIT},
    {"late answer of the store",
     {SESSION_START, SESSION_SUBSCRIBED, SESSION_BROKEN, SESSION_STORED},
     4,
     SESSION_BACKOFF,
     SESSION_NONE},
    {"given up",
     {SESSION_START, SESSION_SUBSCRIBED, SESSION_STORED, SESSION_GIVEN_UP},
     4,
     SESSION_FAILED,
     SESSION_CLOSE},
    {"given up stays so",
     {SESSION_START, SESSION_GIVEN_UP, SESSION_START},
     3,
     SESSION_FAILED,
     SESSION_NONE},
    {"until it is stopped",
     {SESSION_START, SESSION_GIVEN_UP, SESSION_STOP, SESSION_START},
     4,
     SESSION_CONNECTING,
     SESSION_CONNECT},
    {"lease lost",
     {SESSION_START, SESSION_SUBSCRIBED, SESSION_STORED, SESSION_STOP},
     4,
     SESSION_OFF,
     SESSION_CLOSE},
    {"second SUBSCRIBED",
     {SESSION_START, SESSION_SUBSCRIBED, SESSION_STORED, SESSION_SUBSCRIBED},
     4,
     SESSION_UP,
     SESSION_ODD},
    {"start when up",
     {SESSION_START, SESSION_SUBSCRIBED, SESSION_STORED, SESSION_START},
     4,
     SESSION_UP,
     SESSION_NONE},
};

Test(session_state, steps)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum session_state state = SESSION_OFF;
        enum session_action action = SESSION_NONE;

        for (size_t k = 0; k < cases[i].n; k++)
            action = session_step(&state, cases[i].events[k]);
        cr_expect_eq(state, cases[i].state, "case %s: %s", cases[i].name,
                     session_state_name(state));
        cr_expect_eq(action, cases[i].action, "case %s", cases[i].name);
    }
}

Test(session_state, every_cell_is_sane)
{
    for (int s = 0; s < SESSION_STATE_COUNT; s++)
        for (int e = 0; e < SESSION_EVENT_COUNT; e++) {
            enum session_state state = (enum session_state)s;

            session_step(&state, (enum session_event)e);
            cr_expect_lt((int)state, SESSION_STATE_COUNT);
            cr_expect(session_state_name(state));
            /* Only START leaves OFF for a connection. */
            if (s == SESSION_OFF && e != SESSION_START && e != SESSION_GIVEN_UP)
                cr_expect_eq(state, SESSION_OFF);
        }
}

Test(session_state, times)
{
    cr_expect_eq(session_backoff_ms(0, 0), 250);
    cr_expect_eq(session_backoff_ms(3, 0), 2000);
    cr_expect_eq(session_backoff_ms(100, 0), 15000);
    cr_expect_eq(session_backoff_ms(100, 1), 7500);
    cr_expect_eq(session_silence_ms(15), 75000);
    cr_expect_eq(session_silence_ms(0), 75000);
    cr_expect_eq(session_silence_ms(-1), 75000);
    cr_expect_eq(session_silence_ms(1e300), 18000000);
    cr_expect_eq(session_silence_ms(0.0 / 0.0), 75000);
}

static const struct {
    const char *message;
    enum session_error meaning;
} errors[] = {
    {"Framework failed over", SESSION_ERROR_STALE},
    {"Framework has been removed", SESSION_ERROR_FATAL},
    {"Changing framework's principal is not allowed.", SESSION_ERROR_FATAL},
    {"User 'root' is not allowed to run frameworks", SESSION_ERROR_RETRY},
    {"", SESSION_ERROR_RETRY},
    {NULL, SESSION_ERROR_RETRY},
};

Test(session_state, errors)
{
    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        cr_expect_eq(session_classify_error(errors[i].message),
                     errors[i].meaning, "%s", str_or_empty(errors[i].message));
}

Test(session_state, only_a_removal_frees_the_framework_id)
{
    cr_expect(session_error_is_removal("Framework has been removed"));
    cr_expect(session_error_is_removal(
        "Completed framework attempted to re-register"));
    cr_expect_not(session_error_is_removal(
        "Changing framework's principal is not allowed."));
    cr_expect_not(session_error_is_removal(""));
    cr_expect_not(session_error_is_removal(NULL));
}
