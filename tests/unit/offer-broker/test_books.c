/* SPDX-License-Identifier: Apache-2.0 */
/* offer_book, facts and janitor: what is held and whose it is. */
#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "make.h"
#include "services/offer-broker/facts.h"
#include "services/offer-broker/janitor.h"
#include "services/offer-broker/offer_book.h"

static void add(struct offer_book *book, const char *id, const char *agent,
                int64_t now_ms)
{
    Mesos__V1__Offer *offer = make_offer(id, agent, "cpus:1;mem:100", NULL);

    cr_assert_eq(offer_book_add(book, &offer, now_ms, NULL), 0);
    cr_expect_null(offer);
}

Test(offer_book, holds_each_once)
{
    struct offer_book *book = offer_book_new(2);
    Mesos__V1__Offer *again = make_offer("o1", "S0", "cpus:1", NULL);
    Mesos__V1__Offer *third = make_offer("o3", "S0", "cpus:1", NULL);
    struct err err = {0};

    add(book, "o1", "S0", 1);
    cr_expect_eq(offer_book_add(book, &again, 2, &err), -1);
    cr_expect_eq(err.code, ERR_EXISTS);
    cr_expect(again);
    add(book, "o2", "S1", 2);
    cr_expect_eq(offer_book_add(book, &third, 3, &err), -1);
    cr_expect_eq(err.code, ERR_FULL);
    cr_expect_not(offer_book_rescind(book, "o9"));
    cr_expect(offer_book_rescind(book, "o1"));
    cr_expect_null(offer_book_find(book, "o1"));
    offer_book_drop(book, "o2");
    offer_book_drop(book, "o2");
    cr_expect_eq(offer_book_count(book), 0);
    free_message(again);
    free_message(third);
    offer_book_destroy(&book);
}

Test(offer_book, nonsense_is_not_taken)
{
    struct offer_book *book = offer_book_new(2);
    Mesos__V1__Offer *offer = make_offer("o1", "S0", "cpus:1", NULL);
    struct err err = {0};

    offer->resources[0]->scalar->value = -1;
    cr_expect_eq(offer_book_add(book, &offer, 2, &err), -1);
    cr_expect_eq(err.code, ERR_INVALID);
    free_message(offer);
    offer_book_destroy(&book);
}

Test(offer_book, taken_ones_stay_through_a_rescind)
{
    struct offer_book *book = offer_book_new(10);
    size_t count;
    struct agent_pool *pools;

    add(book, "o1", "S0", 1);
    offer_book_take(book, "o1");
    cr_expect(offer_book_rescind(book, "o1"));
    cr_expect(offer_book_find(book, "o1")->is_rescinded);
    pools = offer_book_pools(book, &count);
    cr_expect_eq(count, 0);
    agent_pools_free(pools, count);
    offer_book_release(book, "o1");
    cr_expect_null(offer_book_find(book, "o1"));
    add(book, "o2", "S0", 1);
    offer_book_take(book, "o2");
    offer_book_release(book, "o2");
    cr_expect_not(offer_book_find(book, "o2")->is_taken);
    offer_book_destroy(&book);
}

Test(offer_book, pools_join_the_offers_of_an_agent)
{
    struct offer_book *book = offer_book_new(10);
    size_t count;
    struct agent_pool *pools;

    add(book, "o1", "S0", 5);
    add(book, "o2", "S1", 6);
    add(book, "o3", "S0", 7);
    pools = offer_book_pools(book, &count);
    cr_assert_eq(count, 2);
    cr_expect_str_eq(pools[0].agent_id, "S0");
    cr_expect_eq(pools[0].n_offer_ids, 2);
    cr_expect_str_eq(pools[0].offer_ids[1], "o3");
    cr_expect_eq(pools[0].oldest_ms, 5);
    cr_expect_null(pools[0].resources);
    agent_pool_fill(&pools[0]);
    cr_expect_eq(resources_sum(pools[0].resources, "cpus"), 2000);
    cr_expect_eq(pools[1].n_offer_ids, 1);
    agent_pools_free(pools, count);
    offer_book_destroy(&book);
}

Test(offer_book, pools_of_other_roles_are_apart)
{
    struct offer_book *book = offer_book_new(10);
    struct err err = {0};
    struct agent_pool *pools;
    size_t count;

    for (int i = 0; i < 5; i++) {
        AUTO_FREE char *id = xasprintf("o%d", i);
        Mesos__V1__Offer *offer =
            make_offer(id, i == 4 ? "S1" : "S0", "cpus:1", NULL);

        if (i % 2)
            pb_str(&offer->allocation_info->role, "above/data-store-role");
        cr_assert_eq(offer_book_add(book, &offer, 1, &err), 0);
    }
    pools = offer_book_pools(book, &count);
    cr_assert_eq(count, 3);
    cr_expect_str_eq(pools[0].role, "data-store-role");
    cr_expect_eq(pools[0].n_offer_ids, 2);
    cr_expect_str_eq(pools[1].role, "above/data-store-role");
    cr_expect_eq(pools[1].n_offer_ids, 2);
    cr_expect_eq(pools[0].next_of_agent, 1);
    cr_expect_eq(pools[1].next_of_agent, 0);
    cr_expect_eq(pools[2].next_of_agent, 0);
    cr_expect_str_eq(pools[2].agent_id, "S1");
    agent_pools_free(pools, count);
    offer_book_destroy(&book);
}

/* ---- facts -------------------------------------------------------- */
static int apply(struct facts *facts, const char *key,
                 const ProtobufCMessage *message, uint64_t revision)
{
    AUTO_BUF struct buf bytes = {0};

    if (!message)
        return facts_apply(facts, key, NULL, 0, revision, NULL);
    wire_encode(message, &bytes);
    return facts_apply(facts, key, buf_text(&bytes), bytes.len, revision, NULL);
}

Test(facts, newest_revision_wins)
{
    struct facts *facts = facts_new("svc");
    Reeve__Demand *demand;
    uint64_t revision;

    demand = PB_NEW(reeve__demand);
    demand->id = xstrdup("d1");
    demand->plan = xstrdup("old");
    apply(facts, "service/svc/demand/d1", &demand->base, 5);
    pb_str(&demand->plan, "new");
    apply(facts, "service/svc/demand/d1", &demand->base, 7);
    pb_str(&demand->plan, "late");
    apply(facts, "service/svc/demand/d1", &demand->base, 6);
    cr_expect_str_eq(facts_demand(facts, "d1", &revision)->plan, "new");
    cr_expect_eq(revision, 7);
    cr_expect_eq(facts_demand_count(facts), 1);
    apply(facts, "service/svc/demand/d1", NULL, 8);
    cr_expect_null(facts_demand(facts, "d1", &revision));
    cr_expect_eq(revision, 0);
    cr_expect_eq(facts_demand_count(facts), 0);
    free_message(demand);
    facts_destroy(&facts);
}

Test(facts, tasks_are_found_by_their_current_id)
{
    struct facts *facts = facts_new("svc");
    Reeve__TaskRecord *task;
    struct fact_task found;

    task = PB_NEW(reeve__task_record);
    task->name = xstrdup("data-0");
    task->task_id = xstrdup("t1");
    apply(facts, "service/svc/task/data-0/info", &task->base, 1);
    cr_expect(facts_task_by_id(facts, "t1", &found));
    cr_expect_str_eq(found.name, "data-0");
    cr_expect_null(found.status);
    pb_str(&task->task_id, "t2");
    apply(facts, "service/svc/task/data-0/info", &task->base, 2);
    cr_expect_not(facts_task_by_id(facts, "t1", &found));
    cr_expect(facts_task_by_id(facts, "t2", &found));
    apply(facts, "service/svc/task/data-0/info", NULL, 3);
    cr_expect_not(facts_task_by_id(facts, "t2", &found));
    free_message(task);
    facts_destroy(&facts);
}

Test(facts, damaged_and_foreign_records)
{
    struct facts *facts = facts_new("svc");

    cr_expect_eq(
        facts_apply(facts, "service/svc/pod/data-0", "\xff\xff", 2, 1, NULL),
        -1);
    cr_expect_null(facts_pod(facts, "data-0", NULL));
    cr_expect_eq(
        facts_apply(facts, "service/other/pod/data-0", "\xff", 1, 1, NULL), 0);
    cr_expect_eq(facts_apply(facts, "service/svc/unheard-of", "x", 1, 1, NULL),
                 0);
    cr_expect_eq(facts_apply(facts, "service/svc/targets", "x", 1, 1, NULL), 0);
    cr_expect_null(facts_target(facts));
    facts_destroy(&facts);
}

static const struct {
    const char *key, *service;
} key_cases[] = {
    {"service/svc/target", "svc"}, {"service/a__b/x/y", "a__b"},
    {"service//target", NULL},     {"service/svc", NULL},
    {"lease/broker", NULL},        {"", NULL},
};

Test(facts, service_of_key)
{
    for (size_t i = 0; i < ARRAY_LEN(key_cases); i++) {
        AUTO_FREE char *got = facts_service_of_key(key_cases[i].key);

        cr_expect(str_eq(got, key_cases[i].service), "case %s",
                  key_cases[i].key);
    }
}

/* ---- janitor ------------------------------------------------------ */
static Reeve__ReservedResource *entry(const char *id)
{
    Reeve__ReservedResource *e;

    e = PB_NEW(reeve__reserved_resource);
    e->resource_id = xstrdup(id);
    return e;
}

static Mesos__V1__Resource *reserved(const char *name, const char *id,
                                     const char *framework)
{
    Mesos__V1__Resource *r = resource_scalar(name, 1000);
    Mesos__V1__Resource__ReservationInfo *reservation =
        reservation_new("role", "principal", id ? "resource_id" : NULL, id);

    if (framework) {
        Mesos__V1__Label *label;

        label = PB_NEW(mesos__v1__label);
        label->key = xstrdup("framework_id");
        label->value = xstrdup(framework);
        PB_ADD(reservation->labels, labels, label);
    }
    resource_push_reservation(r, reservation);
    reservation_free(&reservation);
    return r;
}

static struct facts *facts_of_one_pod(void)
{
    struct facts *facts = facts_new("svc");
    Reeve__PodRecord *pod;

    pod = PB_NEW(reeve__pod_record);
    PB_ADD(pod, resources, entry("wanted"));
    PB_ADD(pod, abandoned, entry("given-up"));
    apply(facts, "service/svc/pod/data-0", &pod->base, 1);
    free_message(pod);
    return facts;
}

static const struct {
    const char *id, *framework;
    enum janitor_class class;
} class_cases[] = {
    {"wanted", "f1", JANITOR_WANTED},
    {"wanted", NULL, JANITOR_WANTED},
    {"given-up", "f1", JANITOR_ABANDONED},
    {"strange", "f1", JANITOR_UNKNOWN},
    {"strange", NULL, JANITOR_UNKNOWN},
    {"strange", "f2", JANITOR_FOREIGN},
    {NULL, NULL, JANITOR_FREE},
};

Test(janitor, classes)
{
    struct facts *facts = facts_of_one_pod();
    struct janitor *janitor = janitor_new();

    janitor_learn(janitor, facts, "f1");
    for (size_t i = 0; i < ARRAY_LEN(class_cases); i++) {
        Mesos__V1__Resource *r =
            reserved("cpus", class_cases[i].id, class_cases[i].framework);

        cr_expect_eq(janitor_classify(janitor, r, NULL), class_cases[i].class,
                     "case %zu", i);
        resource_free(&r);
    }
    janitor_destroy(&janitor);
    facts_destroy(&facts);
}

static enum janitor_class class_of(const struct janitor *janitor,
                                   const char *id)
{
    Mesos__V1__Resource *r = reserved("cpus", id, "f1");
    enum janitor_class class = janitor_classify(janitor, r, NULL);

    resource_free(&r);
    return class;
}

static void on_pod(void *self, const char *instance,
                   const Reeve__PodRecord *before,
                   const Reeve__PodRecord *after)
{
    janitor_learn_pod(self, instance, before, after);
}

/* As it is learnt record by record: no trace of what was there before. */
Test(janitor, learns_changes_of_single_records)
{
    struct facts *facts = facts_of_one_pod();
    struct janitor *janitor = janitor_new();
    Reeve__PodRecord *pod = PB_NEW(reeve__pod_record);

    janitor_learn(janitor, facts, "f1");
    facts_watch_pods(facts, on_pod, janitor);
    cr_expect(janitor_has_abandoned(janitor));
    PB_ADD(pod, resources, entry("given-up"));
    PB_ADD(pod, abandoned, entry("wanted"));
    apply(facts, "service/svc/pod/data-1", &pod->base, 2);
    cr_expect_eq(class_of(janitor, "given-up"), JANITOR_WANTED,
                 "wanted by anyone outweighs abandoned");
    cr_expect_eq(class_of(janitor, "wanted"), JANITOR_WANTED);
    apply(facts, "service/svc/pod/data-0", NULL, 3);
    cr_expect_eq(class_of(janitor, "given-up"), JANITOR_WANTED);
    cr_expect_eq(class_of(janitor, "wanted"), JANITOR_ABANDONED);
    cr_expect(janitor_has_abandoned(janitor));
    apply(facts, "service/svc/pod/data-1", NULL, 4);
    cr_expect_eq(class_of(janitor, "given-up"), JANITOR_UNKNOWN);
    cr_expect_eq(class_of(janitor, "wanted"), JANITOR_UNKNOWN);
    cr_expect_not(janitor_has_abandoned(janitor));
    free_message(pod);
    janitor_destroy(&janitor);
    facts_destroy(&facts);
}

static void count_task(void *self, const struct fact_task *task)
{
    cr_expect(task->info);
    ++*(size_t *)self;
}

static size_t tasks_of(const struct facts *facts, const char *instance)
{
    size_t count = 0;

    facts_each_task_of(facts, instance, count_task, &count);
    return count;
}

Test(facts, tasks_are_found_by_their_pod)
{
    struct facts *facts = facts_new("svc");
    Reeve__TaskRecord *task = PB_NEW(reeve__task_record);

    pb_str(&task->pod_type, "data");
    pb_str(&task->task_id, "t1");
    apply(facts, "service/svc/task/data-0-a/info", &task->base, 1);
    pb_str(&task->task_id, "t2");
    apply(facts, "service/svc/task/data-0-b/info", &task->base, 2);
    cr_expect_eq(tasks_of(facts, "data-0"), 2);
    cr_expect_eq(tasks_of(facts, "data-1"), 0);
    PB_SET(task, pod_index, 1);
    apply(facts, "service/svc/task/data-0-b/info", &task->base, 3);
    cr_expect_eq(tasks_of(facts, "data-0"), 1);
    cr_expect_eq(tasks_of(facts, "data-1"), 1);
    apply(facts, "service/svc/task/data-0-a/info", NULL, 4);
    cr_expect_eq(tasks_of(facts, "data-0"), 0);
    free_message(task);
    facts_destroy(&facts);
}

static struct janitor_place at(const char *agent)
{
    return (struct janitor_place){agent, "host", 1000};
}

static void free_sweep(struct janitor_sweep *sweep)
{
    for (size_t i = 0; i < sweep->n_ops; i++)
        free_message(sweep->ops[i]);
    free(sweep->ops);
    *sweep = (struct janitor_sweep){NULL, 0};
}

Test(janitor, frees_only_what_a_record_gave_up)
{
    struct facts *facts = facts_of_one_pod();
    struct janitor *janitor = janitor_new();
    struct resources *pool = resources_new();
    Mesos__V1__Resource *all[] = {
        reserved("cpus", "wanted", "f1"), reserved("cpus", "given-up", "f1"),
        reserved("disk", "strange", "f1"), reserved("disk", "foreign", "f2")};
    const struct janitor_place place = at("S0");
    struct counting_ids ids;
    struct janitor_sweep sweep;

    counting_ids(&ids);
    janitor_learn(janitor, facts, "f1");
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        resources_add(pool, all[i]);
    janitor_inspect(janitor, &place, pool);
    cr_expect_eq(janitor_quarantined(janitor), 1);
    sweep = janitor_sweep(janitor, pool, 0, &ids.source);
    cr_assert_eq(sweep.n_ops, 1);
    cr_assert(sweep.ops[0]->unreserve);
    cr_assert_eq(sweep.ops[0]->unreserve->n_resources, 1);
    cr_expect(resource_equal(sweep.ops[0]->unreserve->resources[0], all[1]));
    cr_expect_eq(resources_count(pool), 3);
    resources_add(pool, all[1]);
    cr_expect_eq(janitor_sweep(janitor, pool, 1000, &ids.source).n_ops, 0);
    free_sweep(&sweep);
    sweep = janitor_sweep(janitor, pool, 30000, &ids.source);
    cr_expect_eq(sweep.n_ops, 1, "offered again, asked for again");
    free_sweep(&sweep);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        resource_free(&all[i]);
    resources_destroy(&pool);
    janitor_destroy(&janitor);
    facts_destroy(&facts);
}

static const struct {
    const char *operation, *resource;
    enum janitor_step step; /* where there is a resource */
} operation_cases[] = {
    {"free__abc__u-1", "abc", JANITOR_UNRESERVE},
    {"destroy__abc__u-1", "abc", JANITOR_DESTROY},
    {"rest__abc__u-1", "abc", JANITOR_UNRESERVE_REST},
    {"free__a__b__u-1", "a__b", JANITOR_UNRESERVE},
    {"free__abc", NULL, 0},
    {"free____u", NULL, 0},
    {"rest-0__u-1", NULL, 0},
    {"data-0__u-1", NULL, 0},
    {"", NULL, 0},
    {NULL, NULL, 0},
};

Test(janitor, feedback_is_understood_without_memory)
{
    for (size_t i = 0; i < ARRAY_LEN(operation_cases); i++) {
        enum janitor_step step;
        AUTO_FREE char *id =
            janitor_resource_of(operation_cases[i].operation, &step);

        cr_expect(str_eq(id, operation_cases[i].resource), "case %zu", i);
        cr_expect(!id || step == operation_cases[i].step, "case %zu", i);
    }
}

static const struct {
    const char *id;
    bool is_plain;
} plain_cases[] = {
    {"0b1f3f8a-3d38-4a52-9d1f-4b7d6b0b8c51", true},
    {"a.b_c-D", true},
    {"", false},
    {NULL, false},
    {"a/b", false},
    {"a b", false},
    {"a\nb", false},
    {"\xc3\xa9", false},
};

Test(janitor, only_plain_ids_become_keys)
{
    char longest[130];

    for (size_t i = 0; i < ARRAY_LEN(plain_cases); i++)
        cr_expect_eq(janitor_id_is_plain(plain_cases[i].id),
                     plain_cases[i].is_plain, "case %zu", i);
    memset(longest, 'a', sizeof(longest) - 1);
    longest[129] = '\0';
    cr_expect_not(janitor_id_is_plain(longest));
    longest[128] = '\0';
    cr_expect(janitor_id_is_plain(longest));
}

static void order_release(struct facts *facts, const char *id, uint64_t at_rev)
{
    AUTO_FREE char *key = facts_key_release(facts, id);
    Reeve__ReleaseOrder *order;

    order = PB_NEW(reeve__release_order);
    order->resource_id = xstrdup(id);
    apply(facts, key, &order->base, at_rev);
    free_message(order);
}

/* The operator gives one of two strays up: that one goes, volume first. */
Test(janitor, frees_what_the_operator_gave_up_and_nothing_else)
{
    struct facts *facts = facts_of_one_pod();
    struct janitor *janitor = janitor_new();
    struct resources *pool = resources_new();
    Mesos__V1__Resource *one = reserved("disk", "stray-1", "f9"),
                        *two = reserved("disk", "stray-2", "f1");
    const struct janitor_place place = at("S0");
    struct counting_ids ids;
    struct janitor_sweep sweep;
    struct quarantined item;
    const char *pod = "?";

    counting_ids(&ids);
    one->disk = PB_NEW(mesos__v1__resource__disk_info);
    one->disk->persistence =
        PB_NEW(mesos__v1__resource__disk_info__persistence);
    one->disk->persistence->id = xstrdup("volume-1");
    resources_add(pool, one);
    resources_add(pool, two);
    janitor_learn(janitor, facts, "f1");
    janitor_inspect(janitor, &place, pool);
    cr_assert(janitor_find(janitor, "stray-1", &item));
    cr_expect(item.is_foreign);
    cr_expect_eq(item.since_wall_ms, 1000);
    order_release(facts, "stray-1", 2);
    janitor_learn(janitor, facts, "f1");
    cr_expect_not(janitor_find(janitor, "stray-1", &item));
    cr_expect(janitor_find(janitor, "stray-2", &item));
    cr_expect(janitor_is_abandoned(janitor, "stray-1", &pod));
    cr_expect_null(pod);
    sweep = janitor_sweep(janitor, pool, 0, &ids.source);
    cr_assert_eq(sweep.n_ops, 2);
    cr_expect_eq(sweep.ops[0]->type,
                 MESOS__V1__OFFER__OPERATION__TYPE__DESTROY);
    cr_expect_str_eq(sweep.ops[0]->id->value, "destroy__stray-1__id-1");
    cr_expect_eq(sweep.ops[1]->type,
                 MESOS__V1__OFFER__OPERATION__TYPE__UNRESERVE);
    cr_expect_str_eq(sweep.ops[1]->id->value, "free__stray-1__id-2");
    cr_expect_null(sweep.ops[1]->unreserve->resources[0]->disk);
    cr_expect_eq(resources_count(pool), 1);
    janitor_failed(janitor, "free__stray-1__id-2", "in use", 1000);
    cr_expect_str_eq(janitor_problem(janitor, "stray-1"), "in use");
    cr_expect_null(janitor_problem(janitor, "stray-2"));
    free_sweep(&sweep);
    /* The volume went, its disk did not: the rest is asked for again. */
    resource_strip_volume(one);
    resources_add(pool, one);
    sweep = janitor_sweep(janitor, pool, 2999, &ids.source);
    cr_expect_eq(sweep.n_ops, 0, "too early");
    sweep = janitor_sweep(janitor, pool, 3000, &ids.source);
    cr_assert_eq(sweep.n_ops, 1);
    cr_expect(sweep.ops[0]->unreserve);
    free_sweep(&sweep);
    resource_free(&one);
    resource_free(&two);
    resources_destroy(&pool);
    janitor_destroy(&janitor);
    facts_destroy(&facts);
}

/* What is gone at the master does not count for ever. */
static Mesos__V1__Resource *disk_of(int64_t milli, bool is_volume)
{
    Mesos__V1__Resource *r = reserved("disk", "wanted", "f1");

    resource_set_milli(r, milli);
    if (!is_volume)
        return r;
    r->disk = PB_NEW(mesos__v1__resource__disk_info);
    r->disk->persistence = PB_NEW(mesos__v1__resource__disk_info__persistence);
    r->disk->persistence->id = xstrdup("p");
    return r;
}

static const struct {
    const char *name;
    int64_t milli;
    bool is_volume, is_given_up;
} remainder_cases[] = {
    {"the remainder", 500, false, true},
    {"a part of it", 100, false, true},
    {"more than the record names", 501, false, false},
    {"the volume, however small", 500, true, false},
};

/* The bare disk beside a volume in use goes, and only that. */
Test(janitor, frees_the_remainder_beside_a_volume)
{
    for (size_t i = 0; i < ARRAY_LEN(remainder_cases); i++) {
        struct facts *facts = facts_of_one_pod();
        struct janitor *janitor = janitor_new();
        struct resources *pool = resources_new();
        Mesos__V1__Resource *disk =
            disk_of(remainder_cases[i].milli, remainder_cases[i].is_volume);
        Reeve__PodRecord *pod = PB_NEW(reeve__pod_record);
        Reeve__ReservedResource *rest = entry("wanted");
        struct counting_ids ids;
        struct janitor_sweep sweep;
        const char *of;

        counting_ids(&ids);
        janitor_learn(janitor, facts, "f1");
        cr_expect_not(janitor_has_remainder(janitor, "wanted", &of));
        facts_watch_pods(facts, on_pod, janitor);
        PB_SET(rest, is_remainder, true);
        PB_SET(rest, amount_milli, 500);
        PB_ADD(pod, resources, entry("wanted"));
        PB_ADD(pod, abandoned, rest);
        apply(facts, "service/svc/pod/data-0", &pod->base, 2);
        resources_add(pool, disk);
        sweep = janitor_sweep(janitor, pool, 0, &ids.source);
        cr_expect_eq(sweep.n_ops, remainder_cases[i].is_given_up, "case %s",
                     remainder_cases[i].name);
        if (sweep.n_ops) {
            cr_expect_str_eq(sweep.ops[0]->id->value, "rest__wanted__id-1");
            cr_expect(sweep.ops[0]->unreserve);
        }
        free_sweep(&sweep);
        cr_expect(janitor_has_remainder(janitor, "wanted", &of));
        cr_expect_str_eq(of, "data-0");
        cr_expect_not(janitor_is_abandoned(janitor, "wanted", &of));
        apply(facts, "service/svc/pod/data-0", NULL, 3);
        cr_expect_not(janitor_has_remainder(janitor, "wanted", &of));
        cr_expect_eq(class_of(janitor, "wanted"), JANITOR_UNKNOWN);
        free_message(pod);
        resource_free(&disk);
        resources_destroy(&pool);
        janitor_destroy(&janitor);
        facts_destroy(&facts);
    }
}

static bool is_two(const void *self, const char *id)
{
    (void)self;
    return str_eq(id, "two");
}

Test(janitor, forgets_what_the_master_does_not_list)
{
    struct facts *empty = facts_new("svc");
    struct janitor *janitor = janitor_new();
    struct resources *pool = resources_new();
    Mesos__V1__Resource *all[] = {reserved("cpus", "one", "f1"),
                                  reserved("disk", "two", "f2")};
    const struct janitor_place place = at("S0");

    janitor_learn(janitor, empty, "f1");
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        resources_add(pool, all[i]);
    janitor_inspect(janitor, &place, pool);
    cr_expect_eq(janitor_verify(janitor, "S1", is_two, NULL), 0);
    cr_expect_eq(janitor_strange(janitor), 2);
    cr_expect_eq(janitor_verify(janitor, "S0", is_two, NULL), 1);
    cr_expect_eq(janitor_strange(janitor), 1);
    cr_expect_eq(janitor_quarantined(janitor), 0);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        resource_free(&all[i]);
    resources_destroy(&pool);
    janitor_destroy(&janitor);
    facts_destroy(&empty);
}

/* An order of the operator is no record of a pod: the store is still strange.
 */
Test(janitor, a_store_without_records_is_strange)
{
    struct facts *facts = facts_of_one_pod(), *empty = facts_new("svc");
    struct janitor *janitor = janitor_new();
    struct resources *pool = resources_new();
    Mesos__V1__Resource *all[] = {reserved("cpus", "wanted", "f1"),
                                  reserved("disk", "foreign", "f2")};
    const struct janitor_place place = at("S0");

    order_release(empty, "another", 1);
    janitor_learn(janitor, empty, "f1");
    cr_expect_eq(janitor_strange(janitor), 0);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        resources_add(pool, all[i]);
    janitor_inspect(janitor, &place, pool);
    cr_expect_eq(janitor_strange(janitor), 2);
    cr_expect_eq(janitor_quarantined(janitor), 1);
    janitor_learn(janitor, facts, "f1");
    cr_expect_eq(janitor_strange(janitor), 0, "a record names some");
    cr_expect_eq(janitor_quarantined(janitor), 0);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        resource_free(&all[i]);
    resources_destroy(&pool);
    janitor_destroy(&janitor);
    facts_destroy(&empty);
    facts_destroy(&facts);
}

Test(janitor, seeks_offers_for_what_was_given_up)
{
    struct facts *facts = facts_of_one_pod(), *empty = facts_new("svc");
    struct janitor *janitor = janitor_new();
    unsigned begun = 0;
    bool is_new;

    janitor_learn(janitor, empty, "f1");
    cr_expect_not(janitor_seeks(janitor, 0, &is_new));
    janitor_learn(janitor, facts, "f1");
    for (int64_t now = 1000; now < 3600000; now += 1000) {
        bool seeks = janitor_seeks(janitor, now, &is_new);

        begun += is_new;
        cr_expect_eq(seeks || !is_new, true);
        if (now == 1000)
            cr_expect(seeks && is_new);
        if (now == 30000)
            cr_expect_not(seeks);
    }
    cr_expect(begun >= 5 && begun <= 9, "%u times in an hour", begun);
    janitor_learn(janitor, empty, "f1");
    cr_expect_not(janitor_seeks(janitor, 3700000, &is_new));
    janitor_destroy(&janitor);
    facts_destroy(&empty);
    facts_destroy(&facts);
}
