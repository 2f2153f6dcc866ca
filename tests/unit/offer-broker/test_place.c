/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/place.h"

#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "make.h"
#include "services/offer-broker/places.h"

/* data-0 on S0 (rack r0), data-1 on S1 (rack r1), meta-0 on S2 (rack r2). */
static char rack[] = "rack", r0[] = "r0", r1[] = "r1", r2[] = "r2";
static Reeve__LabelSpec labels[3];
static Reeve__LabelSpec *attributes[3] = {&labels[0], &labels[1], &labels[2]};

static const struct {
    const char *name, *rules, *agent, *rack;
    unsigned index; /* of the data pod being placed */
    bool admits;
} cases[] = {
    {"no rule", "", "S0", "r0", 2, true},
    {"unique host taken", "hostname:UNIQUE", "S0", "r0", 2, false},
    {"unique host free", "hostname:UNIQUE", "S2", "r2", 2, true},
    {"its own host", "hostname:UNIQUE", "S0", "r0", 0, true},
    {"two per host", "hostname:MAX_PER:2", "S0", "r0", 2, true},
    {"one per host", "[[\"hostname\",\"MAX_PER\",\"1\"]]", "S1", "r1", 2,
     false},
    {"unique rack taken", "rack:UNIQUE", "S9", "r1", 2, false},
    {"unique rack free", "rack:UNIQUE", "S9", "r9", 2, true},
    {"unique rack, agent has none", "rack:UNIQUE", "S9", NULL, 2, false},
    {"host is", "hostname:IS:S9.local", "S9", NULL, 2, true},
    {"host is another", "hostname:IS:S9.local", "S8", NULL, 2, false},
    {"cluster", "rack:CLUSTER:r1", "S9", "r1", 2, true},
    {"is not", "rack:IS_NOT:r1", "S9", "r1", 2, false},
    {"is not, none", "rack:IS_NOT:r1", "S9", NULL, 2, true},
    {"like", "rack:LIKE:r[0-3]", "S9", "r3", 2, true},
    {"like matches all of it", "rack:LIKE:r", "S9", "r3", 2, false},
    {"unlike", "rack:UNLIKE:r[0-3]", "S9", "r3", 2, false},
    {"unlike, none", "rack:UNLIKE:r[0-3]", "S9", NULL, 2, true},
    {"scalar as a number", "rack:IS:5", "S9", "5.000", 2, true},
    {"both rules", "hostname:UNIQUE,rack:LIKE:r.", "S9", "r5", 2, true},
    {"second rule fails", "hostname:UNIQUE,rack:LIKE:x.", "S9", "r5", 2, false},
    {"group by, even", "rack:GROUP_BY", "S0", "r0", 2, true},
    {"group by, three expected", "rack:GROUP_BY:3", "S0", "r0", 2, false},
    {"group by, new key", "rack:GROUP_BY:3", "S9", "r9", 2, true},
    {"group by, agent has none", "rack:GROUP_BY", "S9", NULL, 2, false},
    {"zone unknown", "@zone:UNIQUE", "S9", "r9", 2, false},
};

Test(place, rules)
{
    char *const racks[] = {r0, r1, r2};
    struct placed placed[] = {
        {"data", 0, "S0.local", "S0", NULL, NULL, &attributes[0], 1},
        {"data", 1, "S1.local", "S1", NULL, NULL, &attributes[1], 1},
        {"meta", 0, "S2.local", "S2", NULL, NULL, &attributes[2], 1},
    };

    for (size_t i = 0; i < 3; i++) {
        reeve__label_spec__init(&labels[i]);
        labels[i].key = rack;
        labels[i].value = racks[i];
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct placement_rules *rules = placement_parse(cases[i].rules, &err);
        Mesos__V1__Offer *offer =
            make_offer("o1", cases[i].agent, "cpus:1", cases[i].rack);
        AUTO_BUF struct buf why = {0};
        struct place_in in = {.rules = rules,
                              .offer = offer,
                              .pod_type = "data",
                              .pod_index = cases[i].index,
                              .placed = placed,
                              .n_placed = ARRAY_LEN(placed)};

        cr_assert(rules, "case %s: %s", cases[i].name, err.text);
        cr_expect_eq(place_admits(&in, &why), cases[i].admits, "case %s: %s",
                     cases[i].name, buf_text(&why));
        cr_expect_eq(why.len > 0, !cases[i].admits, "case %s", cases[i].name);
        placement_free(&rules);
        free_message(offer);
    }
}

Test(places, one_per_instance)
{
    struct places *places = places_new();
    Reeve__TaskRecord task = REEVE__TASK_RECORD__INIT;
    const struct placed *all;
    size_t count;

    task.pod_type = "data";
    task.agent_id = "S0";
    places_add(places, &task);
    task.agent_id = "S1"; /* its second task: the place stays */
    places_add(places, &task);
    task.pod_index = 1;
    places_add(places, &task);
    all = places_all(places, &count);
    cr_assert_eq(count, 2);
    cr_expect_str_eq(all[0].agent_id, "S0");
    task.pod_index = 0;
    task.agent_id = "S2";
    places_move(places, &task);
    all = places_all(places, &count);
    cr_assert_eq(count, 2);
    cr_expect_str_eq(all[0].agent_id, "S2");
    places_destroy(&places);
}
