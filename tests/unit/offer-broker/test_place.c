/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/place.h"

#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "make.h"
#include "services/offer-broker/places.h"

/* data-0 on S0 (rack r0), data-1 on S1 (rack r1), meta-0 on S2 (rack r2). */
static char rack[] = "rack", r0[] = "r0", r1[] = "r1", r2[] = "r2";
static Reeve__LabelSpec labels[3];
static Reeve__LabelSpec *attributes[3] = {&labels[0], &labels[1], &labels[2]};

#define RULE(type, rest) "{\"@type\":\"" type "Rule\"," rest "}"
#define M(kind, key, text)                                                     \
    "{\"@type\":\"" kind "Matcher\",\"" key "\":\"" text "\"}"
#define ALL(rules) RULE("And", "\"rules\":[" rules "]")
#define ANY(rules) RULE("Or", "\"rules\":[" rules "]")
#define NOT(rule)  RULE("Not", "\"rule\":" rule)
#define AGENT(id)  RULE("Agent", "\"agent-id\":\"" id "\"")
#define HOST(name) RULE("Hostname", "\"matcher\":" M("Exact", "string", name))
#define HOST_LIKE(text)                                                        \
    RULE("Hostname", "\"matcher\":" M("Regex", "pattern", text))
/* Takes exponential time on many a's. */
#define HARD       "(a|aa|aaa|a*)+[bc]"
#define MANY_A     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RACK(text) RULE("Attribute", "\"matcher\":" M("Exact", "string", text))
#define TYPE(pod, b)                                                           \
    RULE("TaskType", "\"type\":\"" pod "\",\"behavior\":\"" b "\"")

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
    {"like, too hard to tell", "rack:LIKE:" HARD, "S9", MANY_A, 2, false},
    {"nor is it unlike", "rack:UNLIKE:" HARD, "S9", MANY_A, 2, false},
    {"nor the opposite", NOT(HOST_LIKE(HARD)), MANY_A, NULL, 2, false},
    {"but one of two", ANY(HOST_LIKE(HARD) "," RACK("rack:r5")), MANY_A, "r5",
     2, true},
    {"too hard to count",
     RULE("MaxPerAttribute",
          "\"max\":9,\"matcher\":" M("Regex", "pattern", HARD)),
     "S9", MANY_A, 2, false},
    {"scalar as a number", "rack:IS:5", "S9", "5.000", 2, true},
    {"both rules", "hostname:UNIQUE,rack:LIKE:r.", "S9", "r5", 2, true},
    {"second rule fails", "hostname:UNIQUE,rack:LIKE:x.", "S9", "r5", 2, false},
    {"group by, even", "rack:GROUP_BY", "S0", "r0", 2, true},
    {"group by, three expected", "rack:GROUP_BY:3", "S0", "r0", 2, false},
    {"group by, new key", "rack:GROUP_BY:3", "S9", "r9", 2, true},
    {"group by, agent has none", "rack:GROUP_BY", "S9", NULL, 2, false},
    {"zone unknown", "@zone:UNIQUE", "S9", "r9", 2, false},
    {"all", ALL(HOST("S9.local") "," RACK("rack:r5")), "S9", "r5", 2, true},
    {"all but one", ALL(HOST("S9.local") "," RACK("rack:r5")), "S9", "r6", 2,
     false},
    {"all of nothing", ALL(""), "S9", "r5", 2, true},
    {"one of two", ANY(HOST("S9.local") "," RACK("rack:r5")), "S8", "r5", 2,
     true},
    {"none of two", ANY(HOST("S9.local") "," RACK("rack:r5")), "S8", "r6", 2,
     false},
    {"not", NOT(HOST("S9.local")), "S8", NULL, 2, true},
    {"not, but it is", NOT(HOST("S9.local")), "S9", NULL, 2, false},
    {"not the agent", NOT(AGENT("S1")), "S1", NULL, 2, false},
    {"the agent", AGENT("S1"), "S1", NULL, 2, true},
    {"another agent", AGENT("S1"), "S2", NULL, 2, false},
    {"attribute in words", RACK("rack:5"), "S9", "5.000", 2, true},
    {"attribute differs", RACK("rack:r5"), "S9", "r6", 2, false},
    {"attribute absent", RACK("rack:r5"), "S9", NULL, 2, false},
    {"no attribute is",
     RULE("Attribute", "\"matcher\":" M("InvertedExact", "string", "rack:r5")),
     "S9", NULL, 2, true},
    {"any host", RULE("Hostname", "\"matcher\":{\"@type\":\"AnyMatcher\"}"),
     "S9", NULL, 2, true},
    {"any zone, there is none",
     RULE("Zone", "\"matcher\":{\"@type\":\"AnyMatcher\"}"), "S9", NULL, 2,
     false},
    {"max per attribute",
     RULE("MaxPerAttribute",
          "\"max\":1,\"matcher\":" M("Regex", "pattern", "rack:.*")),
     "S9", "r0", 2, false},
    {"max per attribute, free",
     RULE("MaxPerAttribute",
          "\"max\":1,\"matcher\":" M("Regex", "pattern", "rack:.*")),
     "S9", "r7", 2, true},
    {"max per attribute, absent",
     RULE("MaxPerAttribute",
          "\"max\":1,\"matcher\":" M("Regex", "pattern", "rack:.*")),
     "S9", NULL, 2, false},
    {"max per host, of all types", RULE("MaxPerHostname", "\"max\":1"), "S2",
     NULL, 2, false},
    {"max per host, own type only",
     RULE("MaxPerHostname",
          "\"max\":1,\"task-filter\":" M("Regex", "pattern", "data-.*")),
     "S2", NULL, 2, true},
    {"max per host, another type",
     RULE("MaxPerHostname",
          "\"max\":1,\"task-filter\":" M("Exact", "string", "meta-0-x")),
     "S2", NULL, 2, false},
    {"two tasks are one pod",
     RULE("MaxPerHostname",
          "\"max\":2,\"task-filter\":" M("Regex", "pattern", "meta-.*")),
     "S2", NULL, 2, true},
    {"round robin by attribute",
     RULE("RoundRobinByAttribute", "\"name\":\"rack\",\"value-count\":4"), "S9",
     "r0", 2, false},
    {"avoids meta", TYPE("meta", "AVOID"), "S2", NULL, 2, false},
    {"avoids meta elsewhere", TYPE("meta", "AVOID"), "S0", NULL, 2, true},
    {"avoids its own type", TYPE("data", "AVOID"), "S1", NULL, 0, false},
    {"but not itself", TYPE("data", "AVOID"), "S0", NULL, 0, true},
    {"beside meta", TYPE("meta", "COLOCATE"), "S2", NULL, 2, true},
    {"not beside meta", TYPE("meta", "COLOCATE"), "S0", NULL, 2, false},
    {"beside what is nowhere", TYPE("none", "COLOCATE"), "S0", NULL, 2, true},
    {"hook, none there", "@hook:IS:odd", "S0", NULL, 2, false},
};

Test(place, rules)
{
    char *const racks[] = {r0, r1, r2};
    const struct placed_task tasks[] = {{"meta-0-x", NULL},
                                        {"meta-0-y", &tasks[0]},
                                        {"data-0", NULL},
                                        {"data-1", NULL}};
    struct placed placed[] = {
        {"data", 0, "S0.local", "S0", NULL, NULL, &attributes[0], 1, &tasks[2]},
        {"data", 1, "S1.local", "S1", NULL, NULL, &attributes[1], 1, &tasks[3]},
        {"meta", 0, "S2.local", "S2", NULL, NULL, &attributes[2], 1, &tasks[1]},
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

static const struct {
    const char *name, *rules, *offered, *service, *local;
    bool admits;
} region_cases[] = {
    {"nothing is known", "", NULL, NULL, NULL, true},
    {"the master's", "", "a", NULL, "a", true},
    {"not the master's", "", "b", NULL, "a", false},
    {"agent of no region", "", NULL, NULL, "a", true},
    {"the service's", "", "b", "b", "a", true},
    {"not the service's", "", "a", "b", "a", false},
    {"of no region, one is wanted", "", NULL, "b", "a", false},
    {"rules speak of regions", "@region:IS:b", "b", NULL, "a", true},
    {"and win over the service's", "@region:IS:b", "b", "c", "a", true},
    {"local region rule",
     RULE("Not", "\"rule\":{\"@type\":"
                 "\"IsLocalRegionRule\"}"),
     "b", NULL, "a", true},
    {"local region rule, it is",
     RULE("Not", "\"rule\":{\"@type\":"
                 "\"IsLocalRegionRule\"}"),
     "a", NULL, "a", false},
};

static void set_region(Mesos__V1__Offer *offer, const char *region)
{
    Mesos__V1__DomainInfo__FaultDomain *fault;

    offer->domain = PB_NEW(mesos__v1__domain_info);
    fault = PB_NEW(mesos__v1__domain_info__fault_domain);
    offer->domain->fault_domain = fault;
    fault->region = PB_NEW(mesos__v1__domain_info__fault_domain__region_info);
    fault->region->name = xstrdup(region);
    fault->zone = PB_NEW(mesos__v1__domain_info__fault_domain__zone_info);
    fault->zone->name = xstrdup("z");
}

Test(place, regions)
{
    for (size_t i = 0; i < ARRAY_LEN(region_cases); i++) {
        struct err err = {0};
        struct placement_rules *rules =
            placement_parse(region_cases[i].rules, &err);
        Mesos__V1__Offer *offer = make_offer("o1", "S0", "cpus:1", NULL);
        AUTO_BUF struct buf why = {0};
        struct place_in in = {.rules = rules,
                              .offer = offer,
                              .pod_type = "data",
                              .region = region_cases[i].service,
                              .local_region = region_cases[i].local};

        if (region_cases[i].offered)
            set_region(offer, region_cases[i].offered);
        cr_assert(rules, "case %s: %s", region_cases[i].name, err.text);
        cr_expect_eq(place_admits(&in, &why), region_cases[i].admits,
                     "case %s: %s", region_cases[i].name, buf_text(&why));
        cr_expect_eq(why.len > 0, !region_cases[i].admits, "case %s",
                     region_cases[i].name);
        placement_free(&rules);
        free_message(offer);
    }
}

static enum place_verdict even_host(struct place_hook *hook, const char *name,
                                    const struct place_in *in, struct buf *why)
{
    bool admits = (in->offer->hostname[1] - '0') % 2 == 0;

    cr_expect_not_null(hook);
    cr_expect_str_eq(name, "even");
    if (!admits)
        buf_add_str(why, "odd");
    return admits ? PLACE_YES : PLACE_NO;
}

Test(place, hook_is_asked)
{
    struct place_hook hook = {even_host};

    for (int i = 0; i < 2; i++) {
        struct placement_rules *rules =
            placement_parse("hostname:LIKE:S.*,@hook:IS:even", NULL);
        Mesos__V1__Offer *offer =
            make_offer("o1", i ? "S1" : "S0", "cpus:1", NULL);
        AUTO_BUF struct buf why = {0};
        struct place_in in = {
            .rules = rules, .offer = offer, .pod_type = "data", .hook = &hook};

        cr_expect_eq(place_admits(&in, &why), i == 0);
        cr_expect_str_eq(buf_text(&why), i ? "odd" : "");
        placement_free(&rules);
        free_message(offer);
    }
}
