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
    {"grow beyond it", GROW(40, 61), 409, "cpus:4; mem:4096; ",
     "volume 40, reserved 60"},
    {"grow another size", GROW(41, 1), 409, "cpus:4; mem:4096; ",
     "volume 40, reserved 60"},
    {"grow by nothing", GROW(40, 0), 400, "", "volume 40, reserved 60"},
    {"shrink", SHRINK(40, 10), 202, "", "volume 30, reserved 70"},
    {"shrink to nothing", SHRINK(40, 40), 400,
     "Invalid SHRINK_VOLUME operation on agent M-S0 at slave(1)@",
     "volume 40, reserved 60"},
    {"no message", "{'type':'GROW_VOLUME'}", 400,
     "Failed to validate master::Call: Expecting 'grow_volume' to be present",
     "volume 40, reserved 60"},
    {"no agent",
     "{'type':'SHRINK_VOLUME','shrink_volume':{'volume':" VOLUME(
         40) ",'subtract':{'value':1}}}",
     400, "Failed to validate master::Call: Expecting 'agent_id' to be present",
     "volume 40, reserved 60"},
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

#define CPUS(n, reservations)                                                  \
    "{'name':'cpus','type':'SCALAR','scalar':{'value':" #n "},"                \
    "'reservations':[" reservations "]}"
#define OF(role) "{'type':'DYNAMIC','role':'" role "'}"
#define RERESERVE(from, to)                                                    \
    "{'type':'RESERVE_RESOURCES','reserve_resources':{" AGENT                  \
    ",'source':[" from "],'resources':[" to "]}}"
#define INVALID                                                                \
    "Invalid RESERVE operation on agent M-S0 at slave(1)@127.0.0.1:6000 "      \
    "(agent-0.local): "

static const struct {
    const char *name;
    const char *json;
    int status;
    const char *text;
    const char *roles; /* whose cpus, afterwards */
} moves[] = {
    {"to another role", RERESERVE(CPUS(1, OF("x")), CPUS(1, OF("y"))), 202, "",
     "y:1"},
    {"a part", RERESERVE(CPUS(0.4, OF("x")), CPUS(0.4, OF("y"))), 202, "",
     "x:0.6 y:0.4"},
    {"from unreserved", RERESERVE(CPUS(1, ""), CPUS(1, OF("y"))), 202, "",
     "x:1 y:1"},
    {"to a refinement",
     RERESERVE(CPUS(1, OF("x")), CPUS(1, OF("x") "," OF("x/y"))), 202, "",
     "x/y:1"},
    {"to itself", RERESERVE(CPUS(1, OF("x")), CPUS(1, OF("x"))), 202, "",
     "x:1"},
    {"to unreserved", RERESERVE(CPUS(1, OF("x")), CPUS(1, "")), 400,
     INVALID "Resource cpus:1 is not dynamically reserved", "x:1"},
    {"to more", RERESERVE(CPUS(1, OF("x")), CPUS(2, OF("y"))), 400,
     INVALID "Source and target resources should refer to identical resource "
             "quantities: cpus:1 vs. cpus:2",
     "x:1"},
    {"to nothing", RERESERVE(CPUS(1, OF("x")), ""), 400,
     INVALID "Invalid resources: Resource cannot be empty", "x:1"},
    {"of two roles",
     RERESERVE(CPUS(0.5, OF("x")) "," CPUS(0.5, OF("y")), CPUS(1, OF("z"))),
     400, INVALID "Invalid source: Mixed reservations are not supported",
     "x:1"},
    {"from what is not there", RERESERVE(CPUS(1, OF("z")), CPUS(1, OF("y"))),
     409,
     "cpus:3; mem:4096; disk:10240; ports:[31000-31099]; cpus(reservations: "
     "[(DYNAMIC,x)]):1 does not contain cpus(reservations: [(DYNAMIC,z)]):1",
     "x:1"},
    {"to a static one",
     RERESERVE(CPUS(1, OF("x")),
               CPUS(1, "{'type':'STATIC','role':'s'}," OF("s/t"))),
     400, INVALID "Static reservations cannot be changed", "x:1"},
};

static void roles_of(struct mh *h, char *out, size_t size)
{
    json_t *all = master_json_slaves(h->master, NULL), *roles, *one;
    const char *role;
    size_t at = 0;

    *out = '\0';
    roles = json_object_get(json_array_get(json_object_get(all, "slaves"), 0),
                            "reserved_resources");
    json_object_foreach(roles, role, one)
    {
        at += (size_t)snprintf(out + at, size - at, "%s%s:%g", at ? " " : "",
                               role,
                               json_number_value(json_object_get(one, "cpus")));
    }
    json_decref(all);
}

Test(master_operators, reservations_move)
{
    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        struct mh h;
        char roles[64];

        mh_open(&h);
        mh_agent(&h, 0);
        mh_operate(&h, "{'type':'RESERVE_RESOURCES','reserve_resources':{" AGENT
                       ",'resources':[" CPUS(1, OF("x")) "]}}");
        cr_assert_eq(h.reply.status, 202, "%s", h.reply.text);
        mh_operate(&h, moves[i].json);
        cr_expect_eq(h.reply.status, moves[i].status, "%s: %d", moves[i].name,
                     h.reply.status);
        cr_expect_str_eq(h.reply.text, moves[i].text, "%s: %s", moves[i].name,
                         h.reply.text);
        roles_of(&h, roles, sizeof roles);
        cr_expect_str_eq(roles, moves[i].roles, "%s: %s", moves[i].name, roles);
        mh_close(&h);
    }
}
