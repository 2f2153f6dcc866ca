/* SPDX-License-Identifier: Apache-2.0 */
/* What cleaners of other frameworks got wrong: docs/testing.md lists the cases.
 * The pod data-0 wants "wanted", gave up "given-up" and "given-up-volume". */
#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "lib/wire/pb.h"
#include "make.h"
#include "services/offer-broker/evaluate.h"
#include "services/offer-broker/janitor.h"

#define LABEL(key, value) "{\"key\":\"" key "\",\"value\":\"" value "\"}"
#define RESERVED(type, role, labels)                                           \
    "{\"type\":\"" type "\",\"role\":\"" role "\",\"principal\":\"p\","        \
    "\"labels\":{\"labels\":[" labels "]}}"
#define RESOURCE(name, value, reservations, more)                              \
    "{\"name\":\"" name "\",\"type\":\"SCALAR\",\"scalar\":{\"value\":" value  \
    "},\"reservations\":[" reservations "]" more "}"
/* All that a pod needs, reserved that way. */
#define ALL(reservations)                                                      \
    "[" RESOURCE("cpus", "4", reservations, "") "," RESOURCE(                  \
        "mem", "4096", reservations, "") "," RESOURCE("disk", "9000",          \
                                                      reservations, "") "]"
#define VOLUME                                                                 \
    "\"persistence\":{\"id\":\"v\",\"principal\":\"p\"},"                      \
    "\"volume\":{\"container_path\":\"data\",\"mode\":\"RW\"}"
#define MARATHON                                                               \
    LABEL("marathon_framework_id", "f9") "," LABEL("marathon_task_id", "t9")
#define ID(id)    LABEL("resource_id", id)
#define STATIC(l) RESERVED("STATIC", "public", l)
#define OURS(l)   RESERVED("DYNAMIC", "public/data-store-role", l)

/* What is offered to the role public/data-store-role and is not to be freed. */
static const struct {
    const char *name, *offered;
    enum janitor_class class;
    bool is_usable; /* by a pod that is placed for the first time */
} kept[] = {
    {"Marathon's, in the shared role",
     ALL(RESERVED("DYNAMIC", "public", MARATHON)), JANITOR_FREE, false},
    {"Marathon's, refined",
     ALL(STATIC("") "," RESERVED("DYNAMIC", "public/x", MARATHON)),
     JANITOR_FREE, false},
    {"Marathon's, in our own role", ALL(STATIC("") "," OURS(MARATHON)),
     JANITOR_FREE, false},
    {"without a label", ALL(STATIC("") "," OURS("")), JANITOR_FREE, false},
    {"another framework's of our kind",
     ALL(STATIC("") "," OURS(ID("x") "," LABEL("framework_id", "f9"))),
     JANITOR_FOREIGN, false},
    {"ours by its label, in no record", ALL(STATIC("") "," OURS(ID("x"))),
     JANITOR_UNKNOWN, false},
    {"wanted", ALL(STATIC("") "," OURS(ID("wanted"))), JANITOR_WANTED, false},
    {"reserved by the operator", ALL(STATIC("")), JANITOR_FREE, true},
    {"so, with the label of what was given up", ALL(STATIC(ID("given-up"))),
     JANITOR_FREE, true},
};

static Reeve__ReservedResource *entry(const char *id)
{
    Reeve__ReservedResource *e = PB_NEW(reeve__reserved_resource);

    e->resource_id = xstrdup(id);
    return e;
}

static struct janitor *janitor_of(Reeve__PodRecord *pod)
{
    struct janitor *janitor = janitor_new();
    struct facts *facts = facts_new("svc");

    janitor_learn(janitor, facts, "f1");
    PB_ADD(pod, resources, entry("wanted"));
    PB_ADD(pod, abandoned, entry("given-up"));
    PB_ADD(pod, abandoned, entry("given-up-volume"));
    janitor_learn_pod(janitor, "data-0", NULL, pod);
    facts_destroy(&facts);
    return janitor;
}

static void free_ops(struct janitor_sweep *sweep)
{
    for (size_t i = 0; i < sweep->n_ops; i++)
        free_message(sweep->ops[i]);
    free(sweep->ops);
}

static bool is_usable(const char *offered)
{
    struct resources *pool = make_resources(offered, "public/data-store-role");
    Reeve__PodSpec *pod = make_pod();
    const char *sets[] = {pod->resource_sets[0]->id};
    AUTO_BUF struct buf why = {0};
    struct counting_ids ids;
    struct eval_in in = {.pod = pod,
                         .pod_instance = "data-1",
                         .sets = sets,
                         .n_sets = 1,
                         .framework_id = "f1",
                         .role = "public/data-store-role",
                         .pre_reserved_role = "public",
                         .principal = "p"};
    struct match *match;
    bool fits;

    counting_ids(&ids);
    in.ids = &ids.source;
    match = evaluate(&in, &pool, &why);
    fits = match != NULL;
    match_destroy(&match);
    resources_destroy(&pool);
    free_message(pod);
    return fits;
}

Test(cleaning, keeps_what_no_record_gives_up)
{
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        Reeve__PodRecord *pod = PB_NEW(reeve__pod_record);
        struct janitor *janitor = janitor_of(pod);
        struct resources *pool =
            make_resources(kept[i].offered, "public/data-store-role");
        struct counting_ids ids;
        struct janitor_sweep sweep;

        counting_ids(&ids);
        cr_expect_eq(janitor_classify(janitor, resources_at(pool, 0), NULL),
                     kept[i].class, "case: %s", kept[i].name);
        sweep = janitor_sweep(janitor, pool, 1000, &ids.source);
        cr_expect_eq(sweep.n_ops, 0, "case: %s", kept[i].name);
        cr_expect_eq(resources_count(pool), 3, "case: %s", kept[i].name);
        cr_expect_eq(is_usable(kept[i].offered), kept[i].is_usable, "case: %s",
                     kept[i].name);
        free_ops(&sweep);
        resources_destroy(&pool);
        janitor_destroy(&janitor);
        free_message(pod);
    }
}

/* A volume that was given up, on each kind of disk. */
static const struct {
    const char *name, *disk;
    bool keeps_source;
} volumes[] = {
    {"root", VOLUME, false},
    {"mount",
     VOLUME ",\"source\":{\"type\":\"MOUNT\",\"mount\":{\"root\":\"/m\"}}",
     true},
    {"path",
     VOLUME ",\"source\":{\"type\":\"PATH\",\"path\":{\"root\":\"/p\"}}", true},
    {"mount of a profile",
     VOLUME ",\"source\":{\"type\":\"MOUNT\",\"profile\":\"fast\",\"mount\":{"
            "\"root\":\"/m\"}}",
     true},
};

/* The master takes DESTROY of the volume as it is, and UNRESERVE of what is
 * left: its disk's source, but nothing of the volume. */
Test(cleaning, frees_a_volume_with_its_source)
{
    for (size_t i = 0; i < ARRAY_LEN(volumes); i++) {
        AUTO_FREE char *text =
            xasprintf("[" RESOURCE("disk", "64", "%s,%s", ",\"disk\":{%s}") "]",
                      STATIC(""), OURS(ID("given-up-volume")), volumes[i].disk);
        Reeve__PodRecord *pod = PB_NEW(reeve__pod_record);
        struct janitor *janitor = janitor_of(pod);
        struct resources *pool = make_resources(text, "public/data-store-role");
        Mesos__V1__Resource *shown = resource_dup(resources_at(pool, 0));
        const Mesos__V1__Resource *bare;
        struct counting_ids ids;
        struct janitor_sweep sweep;

        counting_ids(&ids);
        sweep = janitor_sweep(janitor, pool, 1000, &ids.source);
        cr_assert_eq(sweep.n_ops, 2, "case: %s", volumes[i].name);
        cr_assert(sweep.ops[0]->destroy && sweep.ops[1]->unreserve);
        cr_expect(resource_equal(sweep.ops[0]->destroy->volumes[0], shown));
        bare = sweep.ops[1]->unreserve->resources[0];
        cr_expect_not(resource_is_volume(bare), "case: %s", volumes[i].name);
        cr_expect_eq(bare->disk != NULL, volumes[i].keeps_source, "case: %s",
                     volumes[i].name);
        if (bare->disk)
            cr_expect(bare->disk->source && !bare->disk->persistence &&
                          !bare->disk->volume &&
                          wire_equal(&bare->disk->source->base,
                                     &shown->disk->source->base),
                      "case: %s", volumes[i].name);
        /* The reservation's whole stack: the master takes the last one off. */
        cr_expect_eq(bare->n_reservations, 2, "case: %s", volumes[i].name);
        cr_expect_eq(resources_count(pool), 0, "case: %s", volumes[i].name);
        free_ops(&sweep);
        resource_free(&shown);
        resources_destroy(&pool);
        janitor_destroy(&janitor);
        free_message(pod);
    }
}

/* What the tasks of a pod share, its executor's, is named by records more than
 * once: in one, or in two of which one still wants it. */
Test(cleaning, frees_what_is_shared_once_and_last)
{
    Reeve__PodRecord *pod = PB_NEW(reeve__pod_record);
    Reeve__PodRecord *other = PB_NEW(reeve__pod_record);
    struct janitor *janitor = janitor_of(pod);
    struct resources *pool = make_resources(
        "[" RESOURCE("cpus", "1", STATIC("") "," OURS(ID("given-up")), "") "]",
        "public/data-store-role");
    struct counting_ids ids;
    struct janitor_sweep sweep;

    counting_ids(&ids);
    PB_ADD(other, resources, entry("given-up"));
    PB_ADD(other, abandoned, entry("given-up"));
    janitor_learn_pod(janitor, "data-1", NULL, other);
    sweep = janitor_sweep(janitor, pool, 1000, &ids.source);
    cr_expect_eq(sweep.n_ops, 0, "a record still wants it");
    free_ops(&sweep);
    janitor_learn_pod(janitor, "data-1", other, NULL);
    janitor_learn_pod(janitor, "data-2", NULL, pod); /* named once more */
    sweep = janitor_sweep(janitor, pool, 1000, &ids.source);
    cr_assert_eq(sweep.n_ops, 1, "once, however often it is named");
    cr_expect(sweep.ops[0]->unreserve);
    free_ops(&sweep);
    resources_destroy(&pool);
    janitor_destroy(&janitor);
    free_message(other);
    free_message(pod);
}
