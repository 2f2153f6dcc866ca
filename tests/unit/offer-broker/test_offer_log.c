/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/base/base.h"
#include "services/offer-broker/offer_log.h"

struct seen {
    size_t count;
    char first[40], last[40];
    uint64_t failed;
};

static void see(void *self, const struct offer_entry *entry)
{
    struct seen *seen = self;

    if (seen->count++ == 0)
        snprintf(seen->first, sizeof(seen->first), "%s", entry->pod);
    snprintf(seen->last, sizeof(seen->last), "%s", entry->pod);
}

static void see_agent(void *self, const char *agent_id, uint64_t failed)
{
    struct seen *seen = self;

    seen->count++;
    if (str_eq(agent_id, OFFER_LOG_OTHERS))
        seen->failed = failed;
}

static void note(struct offer_log *log, unsigned pod, unsigned agent,
                 const char *why)
{
    AUTO_FREE char *name = xasprintf("data-%u:[]", pod);
    AUTO_FREE char *id = xasprintf("S%u", agent);

    offer_log_note(log, &(struct offer_entry){.pod = name,
                                              .agent_id = id,
                                              .passed = !why,
                                              .failed = OFFER_STAGE_RESOURCES,
                                              .why = why});
}

Test(offer_log, keeps_the_last_ones_in_order)
{
    struct offer_log *log = offer_log_new();
    struct seen seen = {0};

    offer_log_each(log, see, &seen);
    cr_expect_eq(seen.count, 0);
    for (unsigned i = 0; i < OFFER_LOG_SIZE + 7; i++)
        note(log, i, 0, i % 2 ? NULL : "no cpus");
    offer_log_each(log, see, &seen);
    cr_expect_eq(seen.count, OFFER_LOG_SIZE);
    cr_expect_str_eq(seen.first, "data-7:[]");
    cr_expect_str_eq(seen.last, "data-106:[]");
    cr_expect_eq(offer_log_passed(log) + offer_log_failed(log),
                 OFFER_LOG_SIZE + 7);
    cr_expect_eq(offer_log_failed_at(log, OFFER_STAGE_RESOURCES),
                 offer_log_failed(log));
    cr_expect_eq(offer_log_failed_at(log, OFFER_STAGE_PLACEMENT), 0);
    offer_log_destroy(&log);
}

Test(offer_log, counts_few_agents_singly)
{
    struct offer_log *log = offer_log_new();
    struct seen seen = {0};

    for (unsigned i = 0; i < OFFER_LOG_AGENTS + 25; i++)
        note(log, 0, i, "no cpus");
    note(log, 0, 3, "no cpus");
    offer_log_each_agent(log, see_agent, &seen);
    cr_expect_eq(seen.count, OFFER_LOG_AGENTS + 1);
    cr_expect_eq(seen.failed, 25);
    offer_log_destroy(&log);
}
