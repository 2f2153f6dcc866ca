/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_replay - the recordings of a real master against ours
 *
 * They are looked for in $REEVE_MESOS_TRACES or ../shared/mesos-traces, and
 * skipped where there are none.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/fs.h"
#include "tests/unit/devcluster/replay.h"

static const char *traces_dir(void)
{
    const char *dir = getenv("REEVE_MESOS_TRACES");

    if (!dir)
        dir = "../shared/mesos-traces";
    return access(dir, R_OK) == 0 ? dir : NULL;
}

static void run(const char *scenario, size_t at_least)
{
    const char *dir = traces_dir();
    struct replay_result result;

    if (!dir)
        cr_skip_test("no recordings");
    AUTO_FREE char *path = fs_join(dir, scenario);
    replay(path, &result);
    cr_expect_eq(result.wrong.len, 0, "%s: %zu events, %zu replies\n%s",
                 scenario, result.events, result.replies,
                 buf_text(&result.wrong));
    cr_expect(result.events + result.replies >= at_least, "%s: %zu + %zu",
              scenario, result.events, result.replies);
    if (getenv("REEVE_REPLAY_COUNTS"))
        fprintf(stderr, "%s: %zu events, %zu replies%s\n", scenario,
                result.events, result.replies,
                result.cut_short ? ", cut short" : "");
    buf_free(&result.wrong);
}

Test(master_replay, pod_lifecycle)
{
    run("01-pod-lifecycle", 60);
}

Test(master_replay, refusals)
{
    run("03-refusals", 300);
}

Test(master_replay, task_failures)
{
    run("04-task-failures", 100);
}

Test(master_replay, agent_loss)
{
    run("05-agent-loss", 100);
}

Test(master_replay, agent_loss_more)
{
    run("05b-agent-loss-more", 100);
}

Test(master_replay, failover)
{
    run("06-failover", 100);
}

Test(master_replay, failover_more)
{
    run("06b-failover-more", 125);
}

Test(master_replay, offers)
{
    run("07-offers", 100);
}

Test(master_replay, offer_timeout)
{
    run("07b-offer-timeout", 10);
}

Test(master_replay, static_reservation)
{
    run("07c-static-reservation", 40);
}

Test(master_replay, volumes)
{
    run("08-volumes", 100);
}

Test(master_replay, shrink_leak)
{
    run("08b-shrink-leak", 20);
}

Test(master_replay, drain)
{
    run("09-drain", 105);
}

Test(master_replay, drain_grace)
{
    run("09b-drain-grace", 60);
}

Test(master_replay, two_frameworks)
{
    run("10-quota-two-frameworks", 24);
}

Test(master_replay, environment)
{
    run("11-environment-sandbox", 15);
}

Test(master_replay, master_crash)
{
    run("03d-master-crash", 30);
}

Test(master_replay, json)
{
    run("02-same-in-json", 60);
}
