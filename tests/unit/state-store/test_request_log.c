/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "services/state-store/request_log.h"

static const char *id_of(unsigned n)
{
    static char id[32];
    snprintf(id, sizeof id, "request-%u", n);
    return id;
}

Test(request_log, remembers_the_last_and_forgets_the_oldest)
{
    enum { MAX = 1000, ADDED = 5300 };
    struct request_log *log = request_log_new(MAX);
    for (unsigned i = 1; i <= ADDED; i++) {
        request_log_add(log, id_of(i), i);
        uint64_t revision;
        cr_assert(request_log_find(log, id_of(i), &revision));
        cr_assert_eq(revision, i);
    }
    cr_assert_eq(request_log_count(log), MAX);
    for (unsigned i = 1; i <= ADDED; i++) {
        uint64_t revision = 0;
        bool is_known = request_log_find(log, id_of(i), &revision);
        cr_assert_eq(is_known, i > ADDED - MAX, "id %u", i);
    }
    cr_assert_str_eq(request_log_at(log, 0)->id, id_of(ADDED - MAX + 1));
    cr_assert_str_eq(request_log_at(log, MAX - 1)->id, id_of(ADDED));
    request_log_destroy(&log);
}

Test(request_log, first_result_stays)
{
    struct request_log *log = request_log_new(10);
    uint64_t revision;
    request_log_add(log, "a", 1);
    request_log_add(log, "a", 2);
    cr_assert(request_log_find(log, "a", &revision));
    cr_assert_eq(revision, 1);
    cr_assert_eq(request_log_count(log), 1);
    request_log_destroy(&log);
}
