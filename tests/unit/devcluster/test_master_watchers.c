/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_watchers - operators' event streams */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "tests/unit/devcluster/master_harness.h"

#define WATCH 90

static void begin(struct mh *h)
{
    mh_open(h);
    mh_agent(h, 0);
    mh_take(h);
    master_watch(h->master, WATCH);
}

/* Only the lines of the watcher. */
static void expect(struct mh *h, const char *text)
{
    char got[4096] = "";
    const char *all = mh_take(h);

    for (const char *line = all; *line;) {
        size_t len = strcspn(line, "\n") + 1;

        if (strncmp(line, "90 OPERATOR ", strlen("90 OPERATOR ")) == 0)
            strncat(got, line + strlen("90 OPERATOR "),
                    len - strlen("90 OPERATOR "));
        line += len;
    }
    cr_expect_str_eq(got, text, "got:\n%swant:\n%s", got, text);
}

Test(master_watchers, story)
{
    struct mh h;

    begin(&h);
    expect(&h, "SUBSCRIBED\nHEARTBEAT\n");
    mh_subscribe(&h, "");
    expect(&h, "FRAMEWORK_ADDED M-0000\n");
    mh_accept(&h, "M-0000", "M-O0", mh_group("M-0000", "M-S0", "e", "t"));
    expect(&h, "TASK_ADDED t\n");
    mh_update(&h, 1, "M-0000", "t", "TASK_RUNNING", 1);
    mh_update(&h, 1, "M-0000", "t", "TASK_RUNNING", 1);
    expect(&h, "TASK_UPDATED t RUNNING RUNNING\n");
    mh_agent(&h, 1);
    expect(&h, "AGENT_ADDED M-S1\n");
    mh_operate(&h, "{'type':'MARK_AGENT_GONE','mark_agent_gone':{'agent_id':{"
                   "'value':'M-S0'}}}");
    expect(&h, "TASK_UPDATED t GONE_BY_OPERATOR GONE_BY_OPERATOR\n"
               "AGENT_REMOVED M-S0\n");
    mh_operate(&h, "{'type':'TEARDOWN','teardown':{'framework_id':{'value':'"
                   "M-0000'}}}");
    expect(&h, "FRAMEWORK_REMOVED M-0000\n");
    mh_close(&h);
}

Test(master_watchers, unreachable_tasks_and_agents)
{
    struct mh h;

    begin(&h);
    mh_subscribe(&h, "");
    mh_accept(&h, "M-0000", "M-O0", mh_group("M-0000", "M-S0", "e", "t"));
    mh_update(&h, 1, "M-0000", "t", "TASK_RUNNING", 1);
    mh_take(&h);
    h.deaf = 1;
    mh_pass(&h, 8000);
    expect(&h, "TASK_UPDATED t UNREACHABLE UNREACHABLE\nAGENT_REMOVED M-S0\n");
    mh_close(&h);
}

Test(master_watchers, heartbeats)
{
    struct mh h;

    begin(&h);
    mh_take(&h);
    mh_pass(&h, 14900);
    expect(&h, "");
    mh_pass(&h, 200);
    expect(&h, "HEARTBEAT\n");
    master_stream_closed(h.master, WATCH);
    mh_pass(&h, 20000);
    mh_agent(&h, 1);
    expect(&h, "");
    mh_close(&h);
}

Test(master_watchers, resubscription_is_an_update)
{
    struct mh h;

    begin(&h);
    mh_subscribe(&h, "");
    mh_take(&h);
    mh_subscribe_json(
        &h, "{'type':'SUBSCRIBE','framework_id':{'value':'M-0000'},"
            "'subscribe':{'framework_info':{'user':'root','name':'f','roles':"
            "['r'],'principal':'p','checkpoint':true,'failover_timeout':60,"
            "'id':{'value':'M-0000'},'capabilities':[{'type':'MULTI_ROLE'}]}}"
            "}");
    expect(&h, "FRAMEWORK_UPDATED M-0000\n");
    mh_close(&h);
}

Test(master_watchers, the_oldest_is_cut)
{
    struct mh h;
    const char *all;

    begin(&h);
    for (uint64_t i = 1; i <= 1000; i++)
        master_watch(h.master, WATCH + i);
    all = mh_take(&h);
    cr_expect(strstr(all, "90 CLOSE\n"));
    cr_expect(!strstr(all, "91 CLOSE\n"));
    mh_close(&h);
}
