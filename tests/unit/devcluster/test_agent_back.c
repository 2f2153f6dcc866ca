/* SPDX-License-Identifier: Apache-2.0 */
/* test_agent_back - what an agent says again when a framework is back */
#include <criterion/criterion.h>

#include "agent_harness.h"
#include "lib/base/base.h"

#define TASK(id) "{'task_id':{'value':'" id "'},'command':{'value':'x'}}"
#define BACK(id)                                                               \
    "{'framework_subscribed':{'framework':{'user':'u','name':'n','id':{"       \
    "'value':'" id "'}}}}"

Test(agent_back, pending_updates_are_repeated_at_once)
{
    struct harness h;
    harness_start(&h);
    harness_pod(&h, "e1", TASK("t1"));
    harness_pass(&h, 0);
    EXPECT_LOG(&h, "update t1 STARTING\nstart t1\n");
    harness_started(&h, "t1");
    EXPECT_LOG(&h, ""); /* waits behind STARTING */
    harness_tell(&h, BACK("another"));
    EXPECT_LOG(&h, "");
    harness_tell(&h, BACK("F1"));
    EXPECT_LOG(&h, "update t1 STARTING\n  latest TASK_RUNNING\n");
    harness_ack(&h, "t1");
    EXPECT_LOG(&h, "update t1 RUNNING\n");
    harness_ack(&h, "t1");
    harness_tell(&h, BACK("F1"));
    EXPECT_LOG(&h, "");
    harness_stop(&h);
}
