/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/demand_book.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/mesos/states.h"
#include "lib/wire/pb.h"
#include "make.h"

static const struct build_config config = {"", 0, "tld", "vip", ""};

static void apply(struct facts *facts, const char *rest,
                  const ProtobufCMessage *message)
{
    AUTO_BUF struct buf bytes = {0};
    AUTO_FREE char *key = facts_key(facts, rest);

    wire_encode(message, &bytes);
    facts_apply(facts, key, buf_text(&bytes), bytes.len, 1, NULL);
}

static void put_config(struct facts *facts)
{
    Reeve__Config *c;

    c = PB_NEW(reeve__config);
    c->id = xstrdup("c1");
    c->spec = make_service(make_pod_of_two());
    apply(facts, "config/c1", &c->base);
    free_message(c);
}

static void put_task(struct facts *facts, const char *short_name, int state,
                     const char *executor)
{
    AUTO_FREE char *name = xasprintf("hello-0-%s", short_name);
    AUTO_FREE char *info_key = xasprintf("task/%s/info", name);
    AUTO_FREE char *status_key = xasprintf("task/%s/status", name);
    Reeve__TaskRecord *task;
    Reeve__TaskStatusRecord *status;

    task = PB_NEW(reeve__task_record);
    task->name = xstrdup(name);
    task->task_id = xasprintf("svc__%s__1", name);
    task->pod_type = xstrdup("hello");
    PB_SET(task, pod_index, 0);
    task->short_name = xstrdup(short_name);
    task->executor_id = xstrdup(executor);
    task->hostname = xstrdup("agent-1");
    apply(facts, info_key, &task->base);
    status = PB_NEW(reeve__task_status_record);
    status->task_id = xstrdup(task->task_id);
    PB_SET(status, state, state);
    status->state_name = xstrdup(task_state_name(state));
    apply(facts, status_key, &status->base);
    free_message(task);
    free_message(status);
}

static void put_kill(struct facts *facts, const char *short_name)
{
    AUTO_FREE char *key = xasprintf("kill/svc__hello-0-%s__1", short_name);
    Reeve__KillOrder *order;

    order = PB_NEW(reeve__kill_order);
    apply(facts, key, &order->base);
    free_message(order);
}

static Reeve__Demand *make_demand(const char *task)
{
    Reeve__Demand *demand;

    demand = PB_NEW(reeve__demand);
    demand->id = xstrdup("d1");
    demand->pod_type = xstrdup("hello");
    PB_SET(demand, pod_index, 0);
    PB_ADD(demand, tasks, xstrdup(task));
    demand->config_id = xstrdup("c1");
    return demand;
}

enum {
    NONE = -1,
    RUNNING = 1,
    KILLED = 4,
    LOST = 5,
    KILLING = 8,
    UNREACHABLE = 10
};

static const struct {
    const char *name;
    int server, side; /* states; NONE: no such task */
    bool kill_side;
    int recovery;
    int64_t not_before;
    enum demand_state state;
    bool has_sibling;
    const char *why; /* a part of it */
} cases[] = {
    {"first launch", NONE, NONE, false, 0, 0, DEMAND_READY, false, ""},
    {"back-off", NONE, NONE, false, 0, 3500, DEMAND_LATER, false, "in 3 s"},
    {"it still runs", RUNNING, NONE, false, 0, 0, DEMAND_BLOCKED, false,
     "hello-0-server (TASK_RUNNING on agent-1)"},
    {"it is being killed", KILLING, NONE, false, 0, 0, DEMAND_BLOCKED, false,
     "TASK_KILLING"},
    {"it ended", KILLED, NONE, false, 0, 0, DEMAND_READY, false, ""},
    {"out of reach", UNREACHABLE, NONE, false, 0, 0, DEMAND_STUCK, false,
     "may still run"},
    {"lost is no proof", LOST, NONE, false, 0, 0, DEMAND_STUCK, false,
     "TASK_LOST"},
    {"out of reach, transient", UNREACHABLE, NONE, false, 1, 0, DEMAND_STUCK,
     false, "may still run"},
    {"out of reach, replaced", UNREACHABLE, NONE, false, 2, 0, DEMAND_READY,
     false, ""},
    {"running, replaced", RUNNING, NONE, false, 2, 0, DEMAND_BLOCKED, false,
     "to end"},
    {"sibling's executor", NONE, RUNNING, false, 0, 0, DEMAND_READY, true, ""},
    {"sibling ended", NONE, KILLED, false, 0, 0, DEMAND_READY, false, ""},
    {"sibling being killed", NONE, RUNNING, true, 0, 0, DEMAND_BLOCKED, false,
     "sibling hello-0-side"},
    {"sibling killing", NONE, KILLING, false, 0, 0, DEMAND_BLOCKED, false,
     "sibling"},
    {"sibling out of reach", NONE, UNREACHABLE, false, 0, 0, DEMAND_STUCK,
     false, "out of reach"},
    {"sibling runs, replaced", NONE, RUNNING, false, 2, 0, DEMAND_BLOCKED,
     false, "sibling"},
    {"stuck outweighs blocked", UNREACHABLE, RUNNING, true, 0, 0, DEMAND_STUCK,
     false, "may still run"},
};

Test(demand_book, judge)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct facts *facts = facts_new("svc");
        Reeve__Demand *demand = make_demand("server");
        struct fact fact = {"d1", &demand->base, 9};
        struct demand_view view;

        put_config(facts);
        if (cases[i].server != NONE)
            put_task(facts, "server", cases[i].server, "e1");
        if (cases[i].side != NONE)
            put_task(facts, "side", cases[i].side, "e1");
        if (cases[i].kill_side)
            put_kill(facts, "side");
        PB_SET(demand, recovery, (Reeve__Demand__Recovery)cases[i].recovery);
        PB_SET(demand, not_before_wall_ms, cases[i].not_before);
        demand_judge(&view, facts, &fact, &config, 1000);
        cr_expect_eq(view.state, cases[i].state, "case %s: %s", cases[i].name,
                     view.why);
        cr_expect_eq(view.sibling != NULL, cases[i].has_sibling, "case %s",
                     cases[i].name);
        cr_expect(strstr(view.why, cases[i].why), "case %s: %s", cases[i].name,
                  view.why);
        cr_expect_str_eq(view.instance, "hello-0");
        free_message(demand);
        facts_destroy(&facts);
    }
}

static void spoil_config(Reeve__Demand *d)
{
    pb_str(&d->config_id, "c9");
}
static void spoil_pod(Reeve__Demand *d)
{
    pb_str(&d->pod_type, "nobody");
}
static void spoil_task(Reeve__Demand *d)
{
    pb_str(&d->tasks[0], "nobody");
}
static void spoil_twice(Reeve__Demand *d)
{
    PB_ADD(d, tasks, xstrdup("server"));
}
static void spoil_empty(Reeve__Demand *d)
{
    free(d->tasks[0]);
    d->n_tasks = 0;
}

static const struct {
    const char *name;
    void (*spoil)(Reeve__Demand *demand);
    enum demand_state state;
    const char *why;
} bad_cases[] = {
    {"unknown configuration", spoil_config, DEMAND_STUCK, "not in the store"},
    {"unknown pod", spoil_pod, DEMAND_REFUSED, "has no pod nobody"},
    {"unknown task", spoil_task, DEMAND_REFUSED, "has no task 'nobody'"},
    {"same task twice", spoil_twice, DEMAND_REFUSED, "twice"},
    {"no task", spoil_empty, DEMAND_REFUSED, "no task"},
};

Test(demand_book, nonsense)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_cases); i++) {
        struct facts *facts = facts_new("svc");
        Reeve__Demand *demand = make_demand("server");
        struct fact fact = {"d1", &demand->base, 9};
        struct demand_view view;

        put_config(facts);
        bad_cases[i].spoil(demand);
        demand_judge(&view, facts, &fact, &config, 1000);
        cr_expect_eq(view.state, bad_cases[i].state, "case %s",
                     bad_cases[i].name);
        cr_expect(strstr(view.why, bad_cases[i].why), "case %s: %s",
                  bad_cases[i].name, view.why);
        cr_expect_not(demand_needs_offers(&view, 1000, 5000));
        free_message(demand);
        facts_destroy(&facts);
    }
}

Test(demand_book, oldest_first)
{
    struct facts *facts = facts_new("svc");
    Reeve__Demand *demand = make_demand("server");
    struct demand_view *views;
    size_t count;

    PB_SET(demand, created_wall_ms, 30);
    apply(facts, "demand/d1", &demand->base);
    pb_str(&demand->id, "d2");
    PB_SET(demand, created_wall_ms, 10);
    apply(facts, "demand/d2", &demand->base);
    pb_str(&demand->id, "d0");
    PB_SET(demand, created_wall_ms, 30);
    apply(facts, "demand/d0", &demand->base);
    views = demand_book_judge(facts, &config, 0, &count);
    cr_assert_eq(count, 3);
    cr_expect_str_eq(views[0].demand->id, "d2");
    cr_expect_str_eq(views[1].demand->id, "d0");
    cr_expect_str_eq(views[2].demand->id, "d1");
    free(views);
    free_message(demand);
    facts_destroy(&facts);
}

Test(demand_book, what_makes_room_for_nothing_is_not_killed)
{
    static const struct {
        const char *name, *demand_id;
        bool until_dead, is_there, is_withdrawn;
    } rows[] = {
        {"its demand is there", "d1", false, true, false},
        {"its demand is gone", "d1", false, false, true},
        {"gone, but it is to die in any case", "d1", true, false, false},
        {"for no demand: an operator's", NULL, false, false, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct facts *facts = facts_new("service/svc/");
        Reeve__KillOrder order = REEVE__KILL_ORDER__INIT;
        AUTO_FREE char *id =
            rows[i].demand_id ? xstrdup(rows[i].demand_id) : NULL;

        order.demand_id = id;
        PB_SET(&order, until_dead, rows[i].until_dead);
        if (rows[i].is_there) {
            Reeve__Demand *demand = make_demand("server");

            apply(facts, "demand/d1", &demand->base);
            free_message(demand);
        }
        cr_expect_eq(demand_is_withdrawn(&order, facts), rows[i].is_withdrawn,
                     "%s", rows[i].name);
        facts_destroy(&facts);
    }
}
