/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "agent_harness.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"

#define RESERVED                                                               \
    "'reservations':[{'type':'DYNAMIC','role':'eng/db','principal':'p'}]"
#define DISK(mb)                                                               \
    "{'name':'disk','type':'SCALAR','scalar':{'value':" mb                     \
    "},'allocation_info':{'role':'eng/db'}," RESERVED "}"
#define VOLUME(id, mb)                                                         \
    "{'name':'disk','type':'SCALAR','scalar':{'value':" mb                     \
    "},'allocation_info':{'role':'eng/db'}," RESERVED                          \
    ",'disk':{'persistence':{'id':'" id "','principal':'p'},"                  \
    "'volume':{'mode':'RW','container_path':'data'}}}"
#define RESERVED_TEXT "disk(reservations: [(DYNAMIC,eng/db,p)])"

static uint8_t operations;

/* Each call is another operation. */
static void apply(struct harness *h, const char *info)
{
    AUTO_FREE char *json =
        xasprintf("{'apply_operation':{'framework_id':{'value':'F1'},"
                  "'operation_uuid':'%c%cAAAAAAAAAAAAAAAAAAAA==','info':%s}}",
                  'A' + operations / 26, 'A' + operations % 26, info);
    operations++;
    harness_tell(h, json);
}

static void acknowledge(struct harness *h)
{
    Reeve__Devcluster__ToAgent message = REEVE__DEVCLUSTER__TO_AGENT__INIT;
    Reeve__Devcluster__ToAgent__AcknowledgeOperation ack =
        REEVE__DEVCLUSTER__TO_AGENT__ACKNOWLEDGE_OPERATION__INIT;
    ack.has_operation_uuid = 1;
    ack.operation_uuid = h->operation->operation_uuid;
    ack.has_status_uuid = 1;
    ack.status_uuid = h->operation->status->uuid->value;
    message.acknowledge_operation = &ack;
    agent_core_receive(h->core, &message, h->now);
    harness_drain(h);
}

Test(agent_ops, reserve_create_destroy_unreserve)
{
    struct harness h;
    harness_start(&h);
    apply(&h,
          "{'type':'RESERVE','id':{'value':'o1'},'reserve':{'resources':[" DISK(
              "100") "]}}");
    EXPECT_LOG(&h, "save_resources removing=0\n"
                   "operation o1 FINISHED: " RESERVED_TEXT ":100\n");
    cr_expect_eq(h.operation->status->uuid->value.len, 16);
    cr_expect_str_eq(h.operation->status->agent_id->value, "A1");
    acknowledge(&h);
    harness_log(&h);
    apply(&h,
          "{'type':'CREATE','id':{'value':'o2'},'create':{'volumes':[" VOLUME(
              "v1", "60") "]}}");
    EXPECT_LOG(&h, "make /w/volumes/roles/eng db/v1\n"
                   "save_resources removing=0\n"
                   "operation o2 FINISHED: " RESERVED_TEXT ":40; " RESERVED_TEXT
                   "[v1:data]:60\n");
    acknowledge(&h);
    harness_log(&h);
    apply(&h,
          "{'type':'DESTROY','id':{'value':'o3'},'destroy':{'volumes':[" VOLUME(
              "v1", "60") "]}}");
    EXPECT_LOG(&h, "save_resources removing=1\n"
                   "remove /w/volumes/roles/eng db/v1\n"
                   "save_resources removing=0\n"
                   "operation o3 FINISHED: " RESERVED_TEXT ":100\n");
    acknowledge(&h);
    harness_log(&h);
    apply(&h,
          "{'type':'UNRESERVE','unreserve':{'resources':[" DISK("100") "]}}");
    EXPECT_LOG(&h, "save_resources removing=0\n"
                   "operation - FINISHED: {}\n");
    cr_expect_null(h.operation->status->uuid); /* nothing to acknowledge */
    harness_pass(&h, 60000);
    EXPECT_LOG(&h, "");
    harness_stop(&h);
}

Test(agent_ops, feedback_is_repeated_until_acknowledged)
{
    struct harness h;
    harness_start(&h);
    apply(&h,
          "{'type':'RESERVE','id':{'value':'o1'},'reserve':{'resources':[" DISK(
              "1") "]}}");
    harness_log(&h);
    harness_pass(&h, 10000);
    EXPECT_LOG(&h, "operation o1 FINISHED: " RESERVED_TEXT ":1\n");
    agent_core_disconnect(h.core);
    harness_pass(&h, 60000);
    EXPECT_LOG(&h, "");
    harness_register(&h);
    cr_expect_eq(h.registration->n_operations, 1);
    cr_expect_eq(h.registration->n_checkpointed, 1);
    EXPECT_LOG(&h, "register A1\noperation o1 FINISHED: " RESERVED_TEXT ":1\n");
    acknowledge(&h);
    harness_pass(&h, 600000);
    EXPECT_LOG(&h, "save_resources removing=0\n");
    harness_stop(&h);
}

Test(agent_ops, said_twice_done_once)
{
    struct harness h;
    harness_start(&h);
    apply(&h,
          "{'type':'RESERVE','id':{'value':'o1'},'reserve':{'resources':[" DISK(
              "1") "]}}");
    harness_log(&h);
    operations--;
    apply(&h,
          "{'type':'RESERVE','id':{'value':'o1'},'reserve':{'resources':[" DISK(
              "1") "]}}");
    EXPECT_LOG(&h, "operation o1 FINISHED: " RESERVED_TEXT ":1\n");
    harness_stop(&h);
}

static const struct {
    const char *name, *info, *why;
} refused_cases[] = {
    {"more than there is",
     "{'type':'RESERVE','id':{'value':'o'},'reserve':{'resources':[" DISK(
         "99999") "]}}",
     "does not contain"},
    {"volume on nothing",
     "{'type':'CREATE','id':{'value':'o'},'create':{'volumes':[" VOLUME(
         "v", "10") "]}}",
     "does not contain"},
    {"id with a slash",
     "{'type':'CREATE','id':{'value':'o'},'create':{'volumes':[" VOLUME(
         "../v", "10") "]}}",
     "invalid characters"},
    {"not a volume",
     "{'type':'DESTROY','id':{'value':'o'},'destroy':{'volumes':[" DISK(
         "10") "]}}",
     "not a persistent volume"},
    {"destroy of what is not there",
     "{'type':'DESTROY','id':{'value':'o'},'destroy':{'volumes':[" VOLUME(
         "v", "10") "]}}",
     "does not contain"},
    {"unknown kind", "{'type':'CREATE_DISK','id':{'value':'o'}}", ""},
};

Test(agent_ops, what_cannot_be_applied_changes_nothing)
{
    for (size_t i = 0; i < ARRAY_LEN(refused_cases); i++) {
        struct harness h;
        harness_start(&h);
        apply(&h, refused_cases[i].info);
        const char *log = harness_log(&h);
        cr_expect(strstr(log, "operation o ERROR"), "case %s: %s",
                  refused_cases[i].name, log);
        cr_expect(strstr(log, refused_cases[i].why), "case %s: %s",
                  refused_cases[i].name, log);
        cr_expect_null(strstr(log, "make "), "case %s", refused_cases[i].name);
        cr_expect_null(strstr(log, "remove "), "case %s",
                       refused_cases[i].name);
        cr_expect_eq(h.resources->n_checkpointed, 0, "case %s",
                     refused_cases[i].name);
        harness_stop(&h);
    }
}

Test(agent_ops, grow_and_shrink)
{
    struct harness h;
    harness_start(&h);
    apply(&h, "{'type':'RESERVE','reserve':{'resources':[" DISK("100") "]}}");
    apply(&h,
          "{'type':'CREATE','create':{'volumes':[" VOLUME("v1", "60") "]}}");
    harness_log(&h);
    apply(&h, "{'type':'GROW_VOLUME','grow_volume':{'volume':" VOLUME(
                  "v1", "60") ",'addition':" DISK("30") "}}");
    EXPECT_LOG(&h, "save_resources removing=0\n"
                   "operation - FINISHED: " RESERVED_TEXT ":10; " RESERVED_TEXT
                   "[v1:data]:90\n");
    apply(&h, "{'type':'SHRINK_VOLUME','shrink_volume':{'volume':" VOLUME(
                  "v1", "90") ",'subtract':{'value':50}}}");
    EXPECT_LOG(&h, "save_resources removing=0\n"
                   "operation - FINISHED: " RESERVED_TEXT ":60; " RESERVED_TEXT
                   "[v1:data]:40\n");
    harness_stop(&h);
}

Test(agent_ops, kept_over_a_restart)
{
    struct harness h;
    harness_start(&h);
    apply(&h, "{'type':'RESERVE','reserve':{'resources':[" DISK("100") "]}}");
    apply(&h,
          "{'type':'CREATE','create':{'volumes':[" VOLUME("v1", "60") "]}}");
    harness_log(&h);
    harness_restart(&h);
    harness_register(&h);
    EXPECT_LOG(&h, "register A1\n");
    cr_expect_eq(h.registration->n_checkpointed, 2);
    apply(&h,
          "{'type':'DESTROY','destroy':{'volumes':[" VOLUME("v1", "60") "]}}");
    EXPECT_LOG(&h, "save_resources removing=1\n"
                   "remove /w/volumes/roles/eng db/v1\n"
                   "save_resources removing=0\n"
                   "operation - FINISHED: " RESERVED_TEXT ":100\n");
    harness_stop(&h);
}

Test(agent_ops, a_removal_cut_short_is_finished)
{
    struct harness h;
    harness_start(&h);
    apply(&h, "{'type':'RESERVE','reserve':{'resources':[" DISK("100") "]}}");
    apply(&h,
          "{'type':'CREATE','create':{'volumes':[" VOLUME("v1", "60") "]}}");
    /* As saved between the decision and the deed. */
    for (size_t i = 0; i < h.resources->n_checkpointed; i++) {
        if (h.resources->checkpointed[i]->disk)
            PB_ADD(h.resources, removing, PB_DUP(h.resources->checkpointed[i]));
    }
    harness_log(&h);
    harness_restart(&h);
    EXPECT_LOG(&h, "remove /w/volumes/roles/eng db/v1\n"
                   "save_resources removing=0\n");
    harness_stop(&h);
}

Test(agent_ops, checkpoint_that_does_not_fit_is_refused)
{
    struct harness h;
    struct err err;
    harness_start(&h);
    apply(&h, "{'type':'RESERVE','reserve':{'resources':[" DISK("100") "]}}");
    Reeve__Devagent__AgentResources *saved = h.resources;
    saved->checkpointed[0]->scalar->value = 99999;
    h.resources = NULL;
    harness_restart(&h);
    cr_expect_eq(agent_core_restore_resources(h.core, saved, &err), -1);
    cr_expect_eq(err.code, ERR_INVALID);
    PB_FREE(saved);
    harness_stop(&h);
}
