/* SPDX-License-Identifier: Apache-2.0 */
/* test_master_operators - operators reserve, create, grow and shrink */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "tests/unit/devcluster/master_harness.h"

#define AGENT "'agent_id':{'value':'M-S0'}"
#define DISK(n, more)                                                          \
    "{'name':'disk','type':'SCALAR','scalar':{'value':" #n "},"                \
    "'reservations':[{'type':'DYNAMIC','role':'r'}]" more "}"
#define PLAIN(n) DISK(n, "")
#define VOLUME(n)                                                              \
    DISK(n, ",'disk':{'persistence':{'id':'v'},'volume':{'mode':'RW',"         \
            "'container_path':'data'}}")
#define RESERVE                                                                \
    "{'type':'RESERVE_RESOURCES','reserve_resources':{" AGENT                  \
    ",'resources':[" PLAIN(100) "]}}"
#define CREATE                                                                 \
    "{'type':'CREATE_VOLUMES','create_volumes':{" AGENT                        \
    ",'volumes':[" VOLUME(40) "]}}"
#define GROW(of, by)                                                           \
    "{'type':'GROW_VOLUME','grow_volume':{" AGENT                              \
    ",'volume':" VOLUME(of) ",'addition':" PLAIN(by) "}}"
#define SHRINK(of, by)                                                         \
    "{'type':'SHRINK_VOLUME','shrink_volume':{" AGENT                          \
    ",'volume':" VOLUME(of) ",'subtract':{'value':" #by "}}}"

/* The agent's disk as /slaves shows it: "volume 40, reserved 60". */
static void disk_of(struct mh *h, char *out, size_t size)
{
    json_t *all = master_json_slaves(h->master, NULL), *list, *one;
    double volume = 0, reserved = 0;
    size_t i;

    list = json_object_get(
        json_object_get(json_array_get(json_object_get(all, "slaves"), 0),
                        "reserved_resources_full"),
        "r");
    json_array_foreach(list, i, one)
    {
        double value = json_number_value(
            json_object_get(json_object_get(one, "scalar"), "value"));

        if (json_object_get(one, "disk"))
            volume += value;
        else
            reserved += value;
    }
    json_decref(all);
    snprintf(out, size, "volume %g, reserved %g", volume, reserved);
}

static const struct {
    const char *name;
    const char *json;
    int status;
    const char *text; /* begin of the reply */
    const char *disk; /* afterwards */
} cases[] = {
    {"grow", GROW(40, 10), 202, "", "volume 50, reserved 50"},
    {"grow by all that is reserved", GROW(40, 60), 202, "",
     "volume 100, reserved 0"},
    {"grow beyond it", GROW(40, 61), 409,
     "Invalid GROW_VOLUME operation: ", "volume 40, reserved 60"},
    {"grow another size", GROW(41, 1), 409,
     "Invalid GROW_VOLUME operation: ", "volume 40, reserved 60"},
    {"grow by nothing", GROW(40, 0), 400, "", "volume 40, reserved 60"},
    {"shrink", SHRINK(40, 10), 202, "", "volume 30, reserved 70"},
    {"shrink to nothing", SHRINK(40, 40), 400,
     "Invalid SHRINK_VOLUME operation: ", "volume 40, reserved 60"},
    {"no message", "{'type':'GROW_VOLUME'}", 400,
     "Failed to validate master::Call: Expecting 'grow_volume' to be present",
     "volume 40, reserved 60"},
    {"no agent",
     "{'type':'SHRINK_VOLUME','shrink_volume':{'volume':" VOLUME(
         40) ",'subtract':{'value':1}}}",
     400, "No agent found with specified ID", "volume 40, reserved 60"},
};

Test(master_operators, volumes_grow_and_shrink)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mh h;
        char disk[64];

        mh_open(&h);
        mh_agent(&h, 0);
        mh_operate(&h, RESERVE);
        cr_assert_eq(h.reply.status, 202, "%s", h.reply.text);
        mh_operate(&h, CREATE);
        cr_assert_eq(h.reply.status, 202, "%s", h.reply.text);
        mh_operate(&h, cases[i].json);
        cr_expect_eq(h.reply.status, cases[i].status, "%s: %d %s",
                     cases[i].name, h.reply.status, h.reply.text);
        cr_expect(str_starts(h.reply.text, cases[i].text), "%s: %s",
                  cases[i].name, h.reply.text);
        disk_of(&h, disk, sizeof disk);
        cr_expect_str_eq(disk, cases[i].disk, "%s: %s", cases[i].name, disk);
        mh_close(&h);
    }
}

/* Offers that hold what is needed go back first. */
Test(master_operators, room_is_made)
{
    struct mh h;
    const char *got;

    mh_open(&h);
    mh_agent(&h, 0);
    mh_subscribe(&h, "");
    mh_take(&h);
    mh_operate(&h, RESERVE);
    MH_EXPECT(&h, "1 RESCIND M-O0\n");
    mh_operate(&h, CREATE);
    mh_operate(&h, SHRINK(40, 10));
    cr_expect_eq(h.reply.status, 202, "%s", h.reply.text);
    mh_pass(&h, 6000);
    /* What an operator freed is offered, unlike what a framework freed. */
    got = mh_take(&h);
    cr_expect(strstr(got, "(DYNAMIC,r)]):70"), "%s", got);
    mh_close(&h);
}
