/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/evaluate.h"

#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "make.h"

static const struct overhead overhead = {100, 32, 256};

/* One evaluation and all that belongs to it. */
struct bench {
    struct counting_ids ids;
    Reeve__PodSpec *pod;
    struct eval_in in;
    const char *sets[2];
    struct resources *pool;
    struct buf why;
    struct match *match;
};

static void setup(struct bench *b, Reeve__PodSpec *pod, const char *offered)
{
    *b = (struct bench){.pod = pod};
    counting_ids(&b->ids);
    b->sets[0] = pod->resource_sets[0]->id;
    b->pool = make_resources(offered, "data-store-role");
    b->in = (struct eval_in){.pod = pod,
                             .pod_instance = "data-0",
                             .sets = b->sets,
                             .n_sets = 1,
                             .overhead = overhead,
                             .framework_id = "f-0000",
                             .role = "data-store-role",
                             .principal = "data-store-principal",
                             .ids = &b->ids.source};
}

static void run(struct bench *b)
{
    match_destroy(&b->match);
    buf_clear(&b->why);
    b->match = evaluate(&b->in, &b->pool, &b->why);
}

static void teardown(struct bench *b)
{
    match_destroy(&b->match);
    resources_destroy(&b->pool);
    buf_free(&b->why);
    free_message(b->pod);
}

static const struct {
    const char *name, *offered;
    bool fits;
    const char *why;
} fresh_cases[] = {
    {"exact", "cpus:1.1;mem:288;disk:1280", true, ""},
    {"plenty", "cpus:4;mem:4096;disk:10240;ports:[31000-31099]", true, ""},
    {"cpu short", "cpus:1.05;mem:288;disk:1280", false,
     "cpus 0.95 offered, 1 needed"},
    {"memory short", "cpus:4;mem:287;disk:1280", false,
     "mem 255 offered, 256 needed"},
    {"disk short", "cpus:4;mem:4096;disk:1279", false,
     "disk 1023 MiB offered, volume data (1024 MiB)"},
    {"two reasons", "cpus:0.5;mem:64;disk:10240", false,
     "cpus 0.4 offered, 1 needed; mem 32 offered, 256 needed"},
    {"nothing", "ports:[1-2]", false, NULL},
    {"reserved for others", "cpus(other):4;mem:4096;disk:4096", false, NULL},
    {"reserved to its role by the agent",
     "cpus(data-store-role):4;mem:4096;disk:4096", false, NULL},
    {"the same, told", "cpus:1.05;cpus(data-store-role):4;mem:288;disk:1280",
     false,
     "cpus 0.95 offered, 1 needed (4 more are reserved to role data-store-role "
     "by the agent's own settings: only a pod with that as its "
     "pre-reserved-role takes them)"},
};

Test(evaluate, fresh)
{
    for (size_t i = 0; i < ARRAY_LEN(fresh_cases); i++) {
        struct bench b;

        setup(&b, make_pod(), fresh_cases[i].offered);
        run(&b);
        cr_expect_eq(b.match != NULL, fresh_cases[i].fits, "case %s: %s",
                     fresh_cases[i].name, buf_text(&b.why));
        if (fresh_cases[i].why)
            cr_expect_str_eq(buf_text(&b.why), fresh_cases[i].why, "case %s",
                             fresh_cases[i].name);
        teardown(&b);
    }
}

#define PUBLIC(r) "cpus(public):" r ";mem(public):4096;disk(public):10240"

static const struct {
    const char *name, *offered, *role; /* role: it must be reserved to; NULL */
    bool fits;
} pre_reserved_cases[] = {
    {"of the role", PUBLIC("4"), "public", true},
    {"not enough of the role", PUBLIC("1") ";cpus:4", "public", false},
    {"of another role", PUBLIC("4"), "other", false},
    {"unreserved", "cpus:4;mem:4096;disk:10240", "public", false},
    {"not asked for", PUBLIC("4"), NULL, false},
};

Test(evaluate, pre_reserved)
{
    for (size_t i = 0; i < ARRAY_LEN(pre_reserved_cases); i++) {
        struct bench b;

        setup(&b, make_pod(), pre_reserved_cases[i].offered);
        b.in.role = "public/data-store-role";
        b.in.pre_reserved_role = pre_reserved_cases[i].role;
        run(&b);
        cr_expect_eq(b.match != NULL, pre_reserved_cases[i].fits, "case %s: %s",
                     pre_reserved_cases[i].name, buf_text(&b.why));
        teardown(&b);
    }
}

/* The static reservation is refined, and found again by its id. */
Test(evaluate, pre_reserved_is_refined_and_reused)
{
    struct bench b;
    const Mesos__V1__Resource *resource;
    Reeve__PodRecord *record;

    setup(&b, make_pod(), PUBLIC("4"));
    b.in.role = "public/data-store-role";
    b.in.pre_reserved_role = "public";
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    resource = b.match->ops[0]->reserve->resources[0];
    cr_assert_eq(resource->n_reservations, 2);
    cr_expect_eq(resource->reservations[0]->type,
                 MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__STATIC);
    cr_expect_str_eq(resource->reservations[0]->role, "public");
    cr_expect_eq(resource->reservations[1]->type,
                 MESOS__V1__RESOURCE__RESERVATION_INFO__TYPE__DYNAMIC);
    cr_expect_str_eq(resource->reservations[1]->role, "public/data-store-role");
    for (size_t i = 0; i < b.match->n_grants; i++)
        resources_add(b.pool, b.match->grants[i].resource);
    record = PB_DUP(b.match->pod);
    PB_SET(record, confirmed, true);
    for (size_t i = 0; i < record->n_resources; i++)
        PB_CLEAR_STRS(record->resources[i], operation_ids);
    b.in.record = record;
    b.pod->resource_sets[0]->cpu_milli = 2000; /* grows, of the same role */
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_assert_eq(b.match->n_ops, 1);
    cr_expect_eq(b.match->ops[0]->reserve->resources[0]->n_reservations, 2);
    free_message(record);
    teardown(&b);
}

Test(evaluate, fresh_makes_operations_and_record)
{
    struct bench b;
    const Reeve__PodRecord *pod;
    const Mesos__V1__Resource *volume;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_assert_eq(b.match->n_ops, 2);
    cr_expect_eq(b.match->ops[0]->type,
                 MESOS__V1__OFFER__OPERATION__TYPE__RESERVE);
    cr_expect_eq(b.match->ops[0]->reserve->n_resources, 6);
    cr_expect_str_eq(b.match->ops[0]->id->value, "data-0__id-1");
    cr_expect_eq(b.match->ops[1]->type,
                 MESOS__V1__OFFER__OPERATION__TYPE__CREATE);
    cr_assert_eq(b.match->ops[1]->create->n_volumes, 1);
    volume = b.match->ops[1]->create->volumes[0];
    cr_expect_str_eq(volume->disk->persistence->principal,
                     "data-store-principal");
    cr_expect_str_eq(volume->disk->volume->container_path, "data");
    cr_expect_str_eq(resource_label(volume, "framework_id"), "f-0000");
    cr_expect_str_eq(volume->reservations[0]->principal,
                     "data-store-principal");
    pod = b.match->pod;
    cr_assert_eq(pod->n_resources, 6); /* three of the executor, three */
    cr_expect_not(pod->confirmed);
    cr_expect_str_eq(pod->resources[5]->persistence_id,
                     resource_volume_id(volume));
    cr_expect_eq(pod->resources[5]->n_operation_ids, 2);
    cr_expect(evaluate_is_unconfirmed(pod));
    /* What the launch uses is gone from the pool. */
    cr_expect_eq(resources_sum(b.pool, "cpus"), 2900);
    cr_expect_eq(resources_sum(b.pool, "disk"), (10240 - 1280) * 1000);
    teardown(&b);
}

Test(evaluate, failure_leaves_the_pool_alone)
{
    struct bench b;
    struct resources *before;

    setup(&b, make_pod(), "cpus:4;mem:100;disk:10240");
    before = resources_dup(b.pool);
    run(&b);
    cr_expect_null(b.match);
    cr_expect(resources_equal(before, b.pool));
    resources_destroy(&before);
    teardown(&b);
}

/* What an agent offers after the pod ended: its reservations and a rest. */
static struct resources *offered_again(const struct match *match,
                                       const char *rest)
{
    struct resources *pool = make_resources(rest, "data-store-role");

    for (size_t i = 0; i < match->n_grants; i++)
        resources_add(pool, match->grants[i].resource);
    return pool;
}

static void confirm_all(Reeve__PodRecord *pod)
{
    for (size_t i = 0; i < pod->n_resources; i++) {
        for (size_t k = 0; k < pod->resources[i]->n_operation_ids; k++)
            free(pod->resources[i]->operation_ids[k]);
        pod->resources[i]->n_operation_ids = 0;
    }
    PB_SET(pod, confirmed, true);
}

/* Launches once and gives back what a second evaluation starts from. */
static Reeve__PodRecord *first_launch(struct bench *b, const char *rest)
{
    Reeve__PodRecord *record;

    run(b);
    cr_assert(b->match, "%s", buf_text(&b->why));
    record = WIRE_DUP(reeve__pod_record, b->match->pod);
    confirm_all(record);
    resources_destroy(&b->pool);
    b->pool = offered_again(b->match, rest);
    b->in.record = record;
    return record;
}

Test(evaluate, reuse_takes_the_same_reservations)
{
    struct bench b;
    Reeve__PodRecord *record;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    record = first_launch(&b, "cpus:2");
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_expect_eq(b.match->n_ops, 0);
    cr_expect_eq(b.match->n_grants, 6);
    cr_expect(b.match->pod->confirmed);
    for (size_t i = 0; i < record->n_resources; i++)
        cr_expect_str_eq(b.match->pod->resources[i]->resource_id,
                         record->resources[i]->resource_id);
    cr_expect_eq(resources_sum(b.pool, "cpus"), 2000);
    free_message(record);
    teardown(&b);
}

Test(evaluate, reuse_grows_and_shrinks)
{
    struct bench b;
    Reeve__PodRecord *record;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    record = first_launch(&b, "cpus:2");
    b.pod->resource_sets[0]->cpu_milli = 1500;
    b.pod->resource_sets[0]->mem_mib = 200;
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_assert_eq(b.match->n_ops, 2);
    cr_expect_eq(b.match->ops[0]->type,
                 MESOS__V1__OFFER__OPERATION__TYPE__UNRESERVE);
    cr_expect_eq(resource_milli(b.match->ops[0]->unreserve->resources[0]),
                 56000);
    cr_expect_eq(b.match->ops[1]->type,
                 MESOS__V1__OFFER__OPERATION__TYPE__RESERVE);
    cr_expect_eq(resource_milli(b.match->ops[1]->reserve->resources[0]), 500);
    cr_expect_str_eq(
        resource_label(b.match->ops[1]->reserve->resources[0], "resource_id"),
        record->resources[3]->resource_id);
    cr_expect_eq(resources_sum(b.pool, "cpus"), 1500);
    free_message(record);
    teardown(&b);
}

Test(evaluate, reuse_cannot_grow)
{
    struct bench b;
    Reeve__PodRecord *record;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    record = first_launch(&b, "cpus:0.2");
    b.pod->resource_sets[0]->cpu_milli = 1500;
    run(&b);
    cr_expect_null(b.match);
    cr_expect_str_eq(buf_text(&b.why), "cpus 0.2 offered, 0.5 more needed");
    free_message(record);
    teardown(&b);
}

Test(evaluate, part_of_a_pod_waits_for_the_rest)
{
    struct bench b;
    Reeve__PodRecord *record;
    size_t of, shown;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    record = first_launch(&b, "cpus:2");
    resources_subtract(b.pool, b.match->grants[5].resource, NULL);
    shown = evaluate_shown(record, b.pool, &of);
    cr_expect_eq(shown, 5);
    cr_expect_eq(of, 6);
    run(&b);
    cr_expect_null(b.match);
    cr_expect_str_eq(buf_text(&b.why),
                     "its reserved volume data (1024 MiB) is not offered");
    free_message(record);
    teardown(&b);
}

Test(evaluate, lost_volume_is_never_made_again)
{
    struct bench b;
    Reeve__PodRecord *record;
    Mesos__V1__Resource *disk;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    record = first_launch(&b, "cpus:2;disk:5000");
    disk = resource_dup(b.match->grants[5].resource);
    resources_subtract(b.pool, disk, NULL);
    resource_strip_volume(disk);
    resources_add(b.pool, disk);
    run(&b);
    cr_expect_null(b.match);
    cr_expect(strstr(buf_text(&b.why), "is gone although its disk"));
    resource_free(&disk);
    free_message(record);
    teardown(&b);
}

Test(evaluate, unconfirmed_launch_is_made_afresh_elsewhere)
{
    struct bench b;
    Reeve__PodRecord *record;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    run(&b);
    record = WIRE_DUP(reeve__pod_record, b.match->pod);
    resources_destroy(&b.pool);
    b.pool = make_resources("cpus:4;mem:4096;disk:10240", "data-store-role");
    b.in.record = record;
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_expect_eq(b.match->n_ops, 2);
    cr_expect_eq(b.match->pod->n_resources, 6);
    cr_expect_eq(b.match->pod->n_abandoned, 6);
    cr_expect_str_eq(b.match->pod->abandoned[0]->resource_id,
                     record->resources[0]->resource_id);
    cr_expect_str_neq(b.match->pod->resources[0]->resource_id,
                      record->resources[0]->resource_id);
    free_message(record);
    teardown(&b);
}

Test(evaluate, half_made_launch_is_completed)
{
    struct bench b;
    Reeve__PodRecord *record;
    Mesos__V1__Resource *disk;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    run(&b);
    record = WIRE_DUP(reeve__pod_record, b.match->pod);
    /* The RESERVE took hold, the CREATE did not. */
    resources_destroy(&b.pool);
    b.pool = offered_again(b.match, "cpus:2");
    disk = resource_dup(b.match->grants[5].resource);
    resources_subtract(b.pool, disk, NULL);
    resource_strip_volume(disk);
    resources_add(b.pool, disk);
    b.in.record = record;
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_assert_eq(b.match->n_ops, 1);
    cr_expect_eq(b.match->ops[0]->type,
                 MESOS__V1__OFFER__OPERATION__TYPE__CREATE);
    cr_expect_str_eq(resource_volume_id(b.match->ops[0]->create->volumes[0]),
                     record->resources[5]->persistence_id);
    cr_expect_eq(b.match->pod->n_abandoned, 0);
    resource_free(&disk);
    free_message(record);
    teardown(&b);
}

Test(evaluate, replace_gives_the_old_ones_up)
{
    struct bench b;
    Reeve__PodRecord *record;

    setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
    record = first_launch(&b, "cpus:4;mem:4096;disk:10240");
    b.in.is_replace = true;
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_expect_eq(b.match->pod->n_abandoned, 6);
    cr_expect_str_eq(b.match->pod->abandoned[5]->persistence_id,
                     record->resources[5]->persistence_id);
    cr_expect_str_neq(b.match->pod->resources[5]->persistence_id,
                      record->resources[5]->persistence_id);
    free_message(record);
    teardown(&b);
}

Test(evaluate, footprint_of_all_tasks_is_reserved)
{
    struct bench b;

    setup(&b, make_pod_of_two(), "cpus:4;mem:4096;disk:10240;ports:[80-90]");
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    /* executor 3, server 4 (cpus, mem, port, volume), side 2 */
    cr_expect_eq(b.match->pod->n_resources, 9);
    cr_expect_eq(b.match->n_grants, 7);
    cr_expect_eq(b.match->grants[5].port_number, 80);
    /* The side's part stays reserved in the pool. */
    cr_expect_eq(resources_sum(b.pool, "cpus"), 4000 - 1100);
    teardown(&b);
}

Test(evaluate, running_executor_is_not_charged_again)
{
    struct bench b;
    Reeve__PodRecord *record;

    setup(&b, make_pod_of_two(), "cpus:4;mem:4096;disk:10240;ports:[80-90]");
    run(&b);
    record = WIRE_DUP(reeve__pod_record, b.match->pod);
    confirm_all(record);
    /* b.pool now holds the side's reservations and the unreserved rest. */
    b.in.record = record;
    b.in.has_executor = true;
    b.sets[0] = "side-set";
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_expect_eq(b.match->n_ops, 0);
    cr_expect_eq(b.match->n_grants, 2);
    cr_expect_eq(b.match->pod->n_resources, 9);
    free_message(record);
    teardown(&b);
}

static const struct {
    const char *name, *offered;
    unsigned fixed;
    unsigned begin, end; /* 0: no range */
    unsigned got;        /* 0: does not fit */
} port_cases[] = {
    {"first free", "ports:[31000-31099]", 0, 0, 0, 31000},
    {"fixed", "ports:[31000-31099]", 31050, 0, 0, 31050},
    {"fixed, not offered", "ports:[31000-31099]", 80, 0, 0, 0},
    {"range", "ports:[31000-31099]", 0, 31010, 31020, 31010},
    {"range begins before", "ports:[31000-31099]", 0, 1, 31000, 31000},
    {"range elsewhere", "ports:[31000-31099]", 0, 1, 1024, 0},
    {"second piece", "ports:[5-6,31000-31099]", 0, 31000, 32000, 31000},
};

Test(evaluate, ports)
{
    for (size_t i = 0; i < ARRAY_LEN(port_cases); i++) {
        struct bench b;
        AUTO_FREE char *offered =
            xasprintf("cpus:4;mem:4096;disk:10240;%s", port_cases[i].offered);
        Reeve__PodSpec *pod = make_pod_of_two();
        Reeve__PortSpec *port = pod->resource_sets[0]->ports[0];
        Reeve__PortRange *range;

        PB_SET(port, port, port_cases[i].fixed);
        if (port_cases[i].begin) {
            range = PB_NEW(reeve__port_range);
            PB_SET(range, begin, port_cases[i].begin);
            PB_SET(range, end, port_cases[i].end);
            PB_ADD(port, ranges, range);
        }
        setup(&b, pod, offered);
        run(&b);
        cr_expect_eq(b.match != NULL, port_cases[i].got != 0, "case %s: %s",
                     port_cases[i].name, buf_text(&b.why));
        if (b.match)
            cr_expect_eq(b.match->grants[5].port_number, port_cases[i].got,
                         "case %s", port_cases[i].name);
        teardown(&b);
    }
}

Test(evaluate, mount_disk_is_taken_whole)
{
    static const char offered[] =
        "[{\"name\":\"cpus\",\"type\":\"SCALAR\",\"scalar\":{\"value\":4}},"
        "{\"name\":\"mem\",\"type\":\"SCALAR\",\"scalar\":{\"value\":4096}},"
        "{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":4096}},"
        "{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":9000},"
        "\"disk\":{\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"/a\"}}}"
        "},"
        "{\"name\":\"disk\",\"type\":\"SCALAR\",\"scalar\":{\"value\":2000},"
        "\"disk\":{\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"/b\"}}}"
        "}]";
    struct bench b;
    Reeve__PodSpec *pod = make_pod();

    PB_SET(pod->resource_sets[0]->volumes[0], type,
           REEVE__VOLUME_SPEC__TYPE__MOUNT);
    setup(&b, pod, offered);
    run(&b);
    cr_assert(b.match, "%s", buf_text(&b.why));
    cr_expect_eq(resource_milli(b.match->ops[1]->create->volumes[0]), 2000000);
    cr_expect_str_eq(resource_disk_root(b.match->ops[1]->create->volumes[0]),
                     "/b");
    teardown(&b);
}

static const struct {
    const char *id, *instance;
} instance_cases[] = {
    {"data-0__4f6c", "data-0"},
    {"a__b-1__4f6c", "a__b-1"},
    {"__4f6c", NULL},
    {"plain", NULL},
    {"", NULL},
};

Test(evaluate, instance_of_operation)
{
    for (size_t i = 0; i < ARRAY_LEN(instance_cases); i++) {
        AUTO_FREE char *got = evaluate_instance_of(instance_cases[i].id);

        cr_expect(str_eq(got, instance_cases[i].instance), "case %s: %s",
                  instance_cases[i].id, str_or_empty(got));
    }
}

/* What a running pod would find when its tasks had ended. */
static const struct {
    const char *name, *offered; /* beside what it has; NULL: nothing */
    int64_t cpu_milli;
    bool fits;
} would_fit_cases[] = {
    {"as it is", NULL, 1000, true},
    {"less", NULL, 500, true},
    {"more, nothing is offered", NULL, 2000, false},
    {"more, enough is offered", "cpus:1", 2000, true},
    {"more, not enough is offered", "cpus:0.9", 2000, false},
};

Test(evaluate, would_fit)
{
    for (size_t i = 0; i < ARRAY_LEN(would_fit_cases); i++) {
        struct resources *offered = NULL;
        Reeve__PodRecord *record;
        struct bench b;

        setup(&b, make_pod(), "cpus:4;mem:4096;disk:10240");
        run(&b);
        cr_assert(b.match, "%s", buf_text(&b.why));
        record = PB_DUP(b.match->pod);
        PB_SET(record, confirmed, true);
        for (size_t k = 0; k < record->n_resources; k++)
            PB_CLEAR_STRS(record->resources[k], operation_ids);
        b.in.record = record;
        b.pod->resource_sets[0]->cpu_milli = would_fit_cases[i].cpu_milli;
        if (would_fit_cases[i].offered)
            offered =
                make_resources(would_fit_cases[i].offered, "data-store-role");
        buf_clear(&b.why);
        cr_expect_eq(evaluate_would_fit(&b.in, offered, &b.why),
                     would_fit_cases[i].fits, "case %s: %s",
                     would_fit_cases[i].name, buf_text(&b.why));
        resources_destroy(&offered);
        free_message(record);
        teardown(&b);
    }
}
