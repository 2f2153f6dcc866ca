/* SPDX-License-Identifier: Apache-2.0 */
/* test_resize - volumes that get another size: what is asked for, what is
 * recorded, and why not */
#include <criterion/criterion.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/wire/pb.h"
#include "make.h"
#include "services/offer-broker/evaluate.h"

#define ROLE     "data-store-role"
#define OP(name) MESOS__V1__OFFER__OPERATION__TYPE__##name

/* A pod that was launched once on a volume of 1024 MiB. */
struct bench {
    struct counting_ids ids;
    Reeve__PodSpec *pod;
    Reeve__PodRecord *record;
    struct eval_in in;
    const char *sets[1];
    struct resources *own; /* what it has */
    struct resources *pool;
    struct buf why;
    struct match *match;
};

static struct match *run(struct bench *b)
{
    match_destroy(&b->match);
    buf_clear(&b->why);
    b->match = evaluate(&b->in, &b->pool, &b->why);
    return b->match;
}

static void keep_record(struct bench *b)
{
    free_message(b->record);
    b->record = WIRE_DUP(reeve__pod_record, b->match->pod);
    PB_STR(b->record, agent_id, "a-1");
    b->in.record = b->record;
}

static void offer(struct bench *b, const char *rest)
{
    resources_destroy(&b->pool);
    b->pool = make_resources(rest, b->in.role);
    resources_add_all(b->pool, b->own);
}

static void setup_in(struct bench *b, const char *role, const char *pre_role,
                     const char *offered)
{
    *b = (struct bench){.pod = make_pod()};
    counting_ids(&b->ids);
    b->sets[0] = b->pod->resource_sets[0]->id;
    b->pool = make_resources(offered, role);
    b->in = (struct eval_in){.pod = b->pod,
                             .pod_instance = "data-0",
                             .sets = b->sets,
                             .n_sets = 1,
                             .overhead = {100, 32, 256},
                             .framework_id = "f-0000",
                             .role = role,
                             .pre_reserved_role = pre_role,
                             .principal = "data-store-principal",
                             .ids = &b->ids.source,
                             .agent_id = "a-1"};
    cr_assert(run(b), "%s", buf_text(&b->why));
    cr_assert_null(b->match->resize);
    keep_record(b);
    PB_SET(b->record, confirmed, true);
    for (size_t i = 0; i < b->record->n_resources; i++)
        PB_CLEAR_STRS(b->record->resources[i], operation_ids);
    b->own = resources_new();
    for (size_t i = 0; i < b->match->n_grants; i++)
        resources_add(b->own, b->match->grants[i].resource);
}

static void setup(struct bench *b)
{
    setup_in(b, ROLE, NULL, "cpus:4;mem:4096;disk:10240");
}

static void teardown(struct bench *b)
{
    match_destroy(&b->match);
    resources_destroy(&b->own);
    resources_destroy(&b->pool);
    buf_free(&b->why);
    free_message(b->record);
    free_message(b->pod);
}

static void want(struct bench *b, int64_t mib)
{
    PB_SET(b->pod->resource_sets[0]->volumes[0], size_mib, mib);
    PB_SET(b->pod->resource_sets[0]->volumes[0], allow_shrink, true);
}

static Reeve__ReservedResource *volume_entry(const Reeve__PodRecord *pod)
{
    for (size_t i = 0; i < pod->n_resources; i++)
        if (pod->resources[i]->persistence_id)
            return pod->resources[i];
    return NULL;
}

static Mesos__V1__Resource *own_volume(struct bench *b)
{
    for (size_t i = 0; i < resources_count(b->own); i++)
        if (resource_is_volume(resources_at(b->own, i)))
            return resource_dup(resources_at(b->own, i));
    return NULL;
}

/* The agent carries the match's operations out on what the pod has. */
static void carry_out(struct bench *b)
{
    struct err err = {0};

    offer(b, "cpus:2;disk:4096;disk(public):4096");
    for (size_t i = 0; i < b->match->n_ops; i++)
        cr_assert_eq(resources_apply(b->pool, b->match->ops[i], &err), 0, "%s",
                     err.text);
}

/* The bare disk of the volume's id. */
static void own_bare(struct bench *b, int64_t mib)
{
    Mesos__V1__Resource *bare = own_volume(b);

    resource_strip_volume(bare);
    resource_set_milli(bare, mib * 1000);
    if (mib > 0)
        resources_add(b->own, bare);
    resource_free(&bare);
}

static const struct {
    const char *name, *offered;
    int64_t bare, noted, want; /* MiB; noted: recorded as a remainder */
    int64_t reserve, grow, shrink;
    int64_t remainder; /* recorded afterwards */
    const char *why;   /* NULL: it fits */
} sizes[] = {
    {"as it is", "disk:10", 0, 0, 1024, 0, 0, 0, 0, NULL},
    {"larger", "disk:1024", 0, 0, 2048, 1024, 1024, 0, 0, NULL},
    {"no room", "disk:1023", 0, 0, 2048, 0, 0, 0, 0,
     "disk 1023 MiB offered, volume data needs 1024 MiB more"},
    {"nothing offered", "cpus:1", 0, 0, 1025, 0, 0, 0, 0,
     "disk 0 MiB offered, volume data needs 1 MiB more"},
    {"out of its own bare disk", "cpus:1", 1024, 0, 2048, 0, 1024, 0, 0, NULL},
    {"out of a part of it", "cpus:1", 1024, 0, 1524, 0, 500, 0, 524, NULL},
    {"out of all of it and more", "disk:24", 1000, 0, 2048, 24, 1024, 0, 0,
     NULL},
    {"bare disk is not enough", "disk:23", 1000, 0, 2048, 0, 0, 0, 0,
     "disk 23 MiB offered, volume data needs 24 MiB more"},
    {"a remainder that is not offered", "disk:4096", 0, 300, 2048, 1024, 1024,
     0, 300, NULL},
    {"a remainder that is", "disk:4096", 300, 300, 2048, 724, 1024, 0, 0, NULL},
    {"smaller", "cpus:1", 0, 0, 24, 0, 0, 1000, 1000, NULL},
    {"smaller once more", "cpus:1", 0, 100, 24, 0, 0, 1000, 1100, NULL},
    {"bare disk is noted", "cpus:1", 40, 0, 1024, 0, 0, 0, 40, NULL},
};

static int64_t asked(const struct match *m, int type)
{
    int64_t sum = 0;

    for (size_t i = 0; i < m->n_ops; i++) {
        const Mesos__V1__Offer__Operation *op = m->ops[i];

        if ((int)op->type != type)
            continue;
        if (op->reserve)
            sum += resource_milli(op->reserve->resources[0]);
        if (op->grow_volume)
            sum += resource_milli(op->grow_volume->addition);
        if (op->shrink_volume)
            sum += milli_of(op->shrink_volume->subtract->value);
    }
    return sum / 1000;
}

static void note_remainder(struct bench *b, int64_t mib)
{
    Reeve__ReservedResource *rest;

    if (mib == 0)
        return;
    rest = PB_NEW(reeve__reserved_resource);
    PB_STR(rest, resource_id, volume_entry(b->record)->resource_id);
    PB_STR(rest, name, "disk");
    PB_SET(rest, amount_milli, mib * 1000);
    PB_SET(rest, is_remainder, true);
    PB_ADD(b->record, abandoned, rest);
}

static void check_size(const char *name, struct bench *b, size_t i)
{
    const struct match *m = b->match;
    bool is_resize = sizes[i].grow + sizes[i].shrink > 0;
    const Reeve__ReservedResource *entry;

    cr_assert(m, "case %s: %s", name, buf_text(&b->why));
    entry = volume_entry(m->pod);
    cr_expect_eq(asked(m, OP(RESERVE)), sizes[i].reserve, "case %s", name);
    cr_expect_eq(asked(m, OP(GROW_VOLUME)), sizes[i].grow, "case %s", name);
    cr_expect_eq(asked(m, OP(SHRINK_VOLUME)), sizes[i].shrink, "case %s", name);
    cr_expect_eq(m->resize != NULL, is_resize, "case %s", name);
    cr_expect_eq(m->n_grants == 0, is_resize, "case %s", name);
    cr_expect_eq(evaluate_remainder(m->pod, entry->resource_id),
                 sizes[i].remainder * 1000, "case %s: %lld", name,
                 (long long)evaluate_remainder(m->pod, entry->resource_id));
    cr_expect_eq(entry->resize_to_milli, is_resize ? sizes[i].want * 1000 : 0,
                 "case %s", name);
    cr_expect_eq(entry->n_operation_ids, 0, "case %s", name);
    if (is_resize)
        cr_expect_str_eq(m->ops[m->n_ops - 1]->id->value,
                         entry->resize_operation_id, "case %s", name);
}

Test(resize, sizes)
{
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct bench b;
        struct resources *before;

        setup(&b);
        own_bare(&b, sizes[i].bare);
        note_remainder(&b, sizes[i].noted);
        want(&b, sizes[i].want);
        offer(&b, sizes[i].offered);
        before = resources_dup(b.pool);
        run(&b);
        cr_expect_eq(b.match != NULL, sizes[i].why == NULL, "case %s: %s",
                     sizes[i].name, buf_text(&b.why));
        if (sizes[i].why) {
            cr_expect_str_eq(buf_text(&b.why), sizes[i].why, "case %s",
                             sizes[i].name);
            cr_expect(resources_equal(before, b.pool), "case %s",
                      sizes[i].name);
        } else {
            check_size(sizes[i].name, &b, i);
        }
        resources_destroy(&before);
        teardown(&b);
    }
}

/* Made larger, then launched on it; made smaller, and the remainder noted. */
Test(resize, a_whole_life)
{
    struct bench b;
    const Reeve__ReservedResource *entry;
    AUTO_FREE char *persistence_id = NULL;

    setup(&b);
    persistence_id = xstrdup(volume_entry(b.record)->persistence_id);
    want(&b, 2048);
    offer(&b, "cpus:2;disk:4096");
    cr_assert(run(&b), "%s", buf_text(&b.why));
    cr_expect_str_eq(b.match->resize,
                     "volume data grows from 1024 to 2048 MiB");
    /* Nobody else gets it in this pass, and all else of the pod stays. */
    cr_expect_eq(resources_sum(b.pool, "disk"),
                 (4096 - 1024 + 256) * INT64_C(1000));
    keep_record(&b);
    carry_out(&b);
    cr_assert(run(&b), "%s", buf_text(&b.why));
    cr_expect_null(b.match->resize);
    cr_expect_eq(b.match->n_ops, 0);
    entry = volume_entry(b.match->pod);
    cr_expect_eq(entry->amount_milli, 2048000);
    cr_expect_not(entry->has_resize_to_milli);
    cr_expect_null(entry->resize_operation_id);
    cr_expect_str_eq(entry->persistence_id, persistence_id);
    keep_record(&b);
    for (size_t i = resources_count(b.own); i-- > 0;)
        resources_subtract(b.own, resources_at(b.own, i), NULL);
    for (size_t i = 0; i < b.match->n_grants; i++)
        resources_add(b.own, b.match->grants[i].resource);

    want(&b, 100);
    offer(&b, "cpus:2");
    cr_assert(run(&b), "%s", buf_text(&b.why));
    cr_expect_str_eq(b.match->resize,
                     "volume data shrinks from 2048 to 100 MiB");
    keep_record(&b);
    entry = volume_entry(b.record);
    cr_expect_eq(evaluate_remainder(b.record, entry->resource_id), 1948000);
    cr_expect(b.record->abandoned[0]->is_remainder);
    cr_expect_null(b.record->abandoned[0]->persistence_id);
    cr_expect_str_eq(b.record->abandoned[0]->agent_id, "a-1");
    carry_out(&b);
    cr_assert(run(&b), "%s", buf_text(&b.why));
    cr_expect_null(b.match->resize);
    cr_expect_eq(evaluate_remainder(b.match->pod, entry->resource_id), 1948000);
    teardown(&b);
}

/* The operation was never carried out: as if it had never been. */
Test(resize, what_did_not_happen_leaves_nothing)
{
    static const int64_t tried[] = {2048, 100};

    for (size_t i = 0; i < ARRAY_LEN(tried); i++) {
        for (int is_told = 0; is_told < 2; is_told++) {
            struct bench b;
            Reeve__ReservedResource *entry;

            setup(&b);
            note_remainder(&b, 7);
            want(&b, tried[i]);
            offer(&b, "cpus:2;disk:4096");
            cr_assert(run(&b));
            keep_record(&b);
            entry = volume_entry(b.record);
            cr_expect_eq(
                evaluate_resize_of(b.record, entry->resize_operation_id),
                entry);
            cr_expect_null(evaluate_resize_of(b.record, "data-0__other"));
            if (is_told)
                evaluate_resize_failed(b.record, entry);
            want(&b, 1024);
            offer(&b, "cpus:2;disk:4096");
            cr_assert(run(&b), "%s", buf_text(&b.why));
            cr_expect_null(b.match->resize);
            cr_expect_eq(b.match->n_ops, 0);
            entry = volume_entry(b.match->pod);
            cr_expect_eq(entry->amount_milli, 1024000);
            cr_expect_not(entry->has_resize_to_milli);
            cr_expect_eq(evaluate_remainder(b.match->pod, entry->resource_id),
                         7000);
            teardown(&b);
        }
    }
}

Test(resize, smaller_only_by_an_explicit_word)
{
    struct bench b;

    setup(&b);
    want(&b, 100);
    PB_SET(b.pod->resource_sets[0]->volumes[0], allow_shrink, false);
    offer(&b, "cpus:2");
    cr_assert(run(&b), "%s", buf_text(&b.why));
    cr_expect_null(b.match->resize);
    cr_expect_eq(b.match->n_ops, 0);
    cr_expect_eq(volume_entry(b.match->pod)->amount_milli, 1024000);
    teardown(&b);
}

/* What is added comes from where the volume came from. */
Test(resize, of_a_pre_reserved_role)
{
    static const char *const offered[] = {"disk(public):1024", "disk:9999"};

    for (size_t i = 0; i < ARRAY_LEN(offered); i++) {
        struct bench b;
        const Mesos__V1__Resource *added;

        setup_in(&b, "public/" ROLE, "public",
                 "cpus(public):4;mem(public):4096;disk(public):10240");
        want(&b, 2048);
        offer(&b, offered[i]);
        cr_expect_eq(run(&b) != NULL, i == 0, "%s", buf_text(&b.why));
        if (b.match) {
            cr_assert_eq(b.match->n_ops, 2);
            added = b.match->ops[1]->grow_volume->addition;
            cr_expect(
                resource_equal(added, b.match->ops[0]->reserve->resources[0]));
            cr_expect_eq(added->n_reservations, 2);
            carry_out(&b);
        }
        teardown(&b);
    }
}

Test(resize, an_answer_tells_the_new_size)
{
    struct bench b;
    Reeve__ReservedResource *entry;
    Mesos__V1__Resource *volume;

    setup(&b);
    want(&b, 2048);
    offer(&b, "cpus:2;disk:4096");
    cr_assert(run(&b));
    keep_record(&b);
    entry = volume_entry(b.record);
    evaluate_resize_done(entry);
    cr_expect_eq(entry->amount_milli, 2048000);
    cr_expect_not(entry->has_resize_to_milli);
    volume = WIRE_DECODE(mesos__v1__resource, entry->resource.data,
                         entry->resource.len, NULL);
    cr_assert(volume);
    cr_expect_eq(resource_milli(volume), 2048000);
    cr_expect(resource_is_volume(volume));
    resource_free(&volume);
    teardown(&b);
}

/* It is in no offer while it changes: waited for, never made anew. */
Test(resize, while_it_changes)
{
    struct bench b;
    Mesos__V1__Resource *volume;

    setup(&b);
    want(&b, 2048);
    offer(&b, "cpus:2;disk:4096");
    cr_assert(run(&b));
    keep_record(&b);
    offer(&b, "cpus:2;disk:8192");
    volume = own_volume(&b);
    resources_subtract(b.pool, volume, NULL);
    cr_expect_null(run(&b));
    cr_expect_str_eq(buf_text(&b.why),
                     "its reserved volume data (2048 MiB) is not offered: it "
                     "is getting its new size");
    /* Nor is some bare disk of its id taken for a volume that is gone. */
    own_bare(&b, 50);
    offer(&b, "cpus:2;disk:8192");
    resources_subtract(b.pool, volume, NULL);
    cr_expect_null(run(&b));
    cr_expect(strstr(buf_text(&b.why), "getting its new size"), "%s",
              buf_text(&b.why));
    resource_free(&volume);
    teardown(&b);
}

Test(resize, of_what_runs_is_judged_before)
{
    struct bench b;
    Mesos__V1__Resource *volume;

    setup(&b);
    want(&b, 2048);
    resources_destroy(&b.pool);
    b.pool = make_resources("cpus:2;disk:1024", ROLE);
    cr_expect(evaluate_would_fit(&b.in, b.pool, &b.why));
    resources_destroy(&b.pool);
    b.pool = make_resources("cpus:2;disk:1000", ROLE);
    cr_expect_not(evaluate_would_fit(&b.in, b.pool, &b.why));
    cr_expect_str_eq(buf_text(&b.why),
                     "disk 1000 MiB offered, volume data needs 1024 MiB more");
    buf_clear(&b.why);
    cr_expect_not(evaluate_would_fit(&b.in, NULL, &b.why));
    /* A remainder beside it is not taken for it. */
    want(&b, 1024);
    note_remainder(&b, 30);
    resources_destroy(&b.pool);
    own_bare(&b, 30);
    b.pool = resources_dup(b.own);
    volume = own_volume(&b);
    resources_subtract(b.pool, volume, NULL);
    resource_free(&volume);
    buf_clear(&b.why);
    cr_expect(evaluate_would_fit(&b.in, b.pool, &b.why), "%s",
              buf_text(&b.why));
    teardown(&b);
}

Test(resize, mount_disks_and_shared_volumes_stay)
{
    struct bench b;
    Mesos__V1__Resource *volume;

    setup(&b);
    volume = own_volume(&b);
    resources_subtract(b.own, volume, NULL);
    volume->shared = PB_NEW(mesos__v1__resource__shared_info);
    resources_add(b.own, volume);
    want(&b, 2048);
    offer(&b, "cpus:2;disk:4096");
    cr_expect_null(run(&b));
    cr_expect_str_eq(buf_text(&b.why),
                     "volume data is shared, and cannot get another size");
    resources_subtract(b.own, volume, NULL);
    PB_FREE(volume->shared);
    volume->shared = NULL;
    volume->disk->source = PB_NEW(mesos__v1__resource__disk_info__source);
    volume->disk->source->type =
        MESOS__V1__RESOURCE__DISK_INFO__SOURCE__TYPE__MOUNT;
    resources_add(b.own, volume);
    offer(&b, "cpus:2;disk:4096");
    cr_expect_null(run(&b));
    cr_expect_str_eq(buf_text(&b.why),
                     "volume data is a MOUNT disk of 1024 MiB, which has the "
                     "size it has, and 2048 MiB are wanted: replace the pod if "
                     "its data may be given up");
    want(&b, 100); /* larger than asked for is as good */
    offer(&b, "cpus:2");
    cr_assert(run(&b), "%s", buf_text(&b.why));
    cr_expect_null(b.match->resize);
    resource_free(&volume);
    teardown(&b);
}

/* ---- the book ----------------------------------------------------- */
static const char *ask(struct resize_book *book, const char *agent,
                       int64_t to_milli, int64_t now_ms)
{
    struct resize_question question = {agent, "r-1", to_milli, now_ms};

    return resize_book_objection(book, &question);
}

Test(resize_book, agents_are_asked_about)
{
    struct resize_book *book = resize_book_new();

    cr_expect_null(resize_book_next(book, 0));
    cr_expect(strstr(ask(book, "a-1", 1, 0), "is being asked"));
    cr_expect_str_eq(resize_book_next(book, 0), "a-1");
    resize_book_put_off(book, "a-1", 0);
    cr_expect_null(resize_book_next(book, 999));
    cr_expect_str_eq(resize_book_next(book, 1000), "a-1");
    resize_book_answer(book, "a-1", RESIZE_UNABLE, 1000);
    cr_expect(strstr(ask(book, "a-1", 1, 2000), "RESIZE_VOLUME"));
    cr_expect_null(resize_book_next(book, 2000));
    /* It may be another one after a restart. */
    cr_expect(strstr(ask(book, "a-1", 1, 61000), "RESIZE_VOLUME"));
    cr_expect_str_eq(resize_book_next(book, 61000), "a-1");
    resize_book_answer(book, "a-1", RESIZE_ABLE, 61000);
    cr_expect_null(ask(book, "a-1", 1, 61000));
    resize_book_answer(book, "a-1", RESIZE_UNTOLD, 61000);
    cr_expect_null(ask(book, "a-1", 1, 61000));
    /* Nobody wants to know any more. */
    cr_expect_null(resize_book_next(book, 10000000));
    resize_book_destroy(&book);
}

Test(resize_book, refusals_wait)
{
    struct resize_book *book = resize_book_new();

    ask(book, "a-1", 1, 0);
    resize_book_answer(book, "a-1", RESIZE_ABLE, 0);
    resize_book_refused(book, "r-1", 5, "no", 0);
    cr_expect_str_eq(ask(book, "a-1", 5, 1999),
                     "refused, and tried again later: no");
    cr_expect_null(ask(book, "a-1", 6, 1999), "another size is another matter");
    cr_expect_null(ask(book, "a-1", 5, 2000));
    resize_book_refused(book, "r-1", 5, "no", 2000);
    cr_expect(ask(book, "a-1", 5, 5999));
    cr_expect_null(ask(book, "a-1", 5, 6000));
    for (int i = 0; i < 40; i++)
        resize_book_refused(book, "r-1", 5, "no", 6000);
    cr_expect(ask(book, "a-1", 5, 305999));
    cr_expect_null(ask(book, "a-1", 5, 306000));
    resize_book_refused(book, "r-1", 5, "no", 306000);
    resize_book_done(book, "r-1");
    cr_expect_null(ask(book, "a-1", 5, 306000));
    resize_book_destroy(&book);
}

Test(resize, the_book_is_heard)
{
    struct bench b;

    setup(&b);
    b.in.resizes = resize_book_new();
    want(&b, 1024);
    offer(&b, "cpus:2");
    cr_expect(run(&b));
    cr_expect_null(resize_book_next(b.in.resizes, 0), "it does not matter");
    want(&b, 2048);
    offer(&b, "cpus:2;disk:4096");
    cr_expect_null(run(&b));
    cr_expect_str_eq(buf_text(&b.why),
                     "volume data is to get 2048 MiB and has 1024: the master "
                     "is being asked whether its agent can do that");
    resize_book_answer(b.in.resizes, "a-1", RESIZE_ABLE, 0);
    cr_expect(run(&b), "%s", buf_text(&b.why));
    resize_book_destroy(&b.in.resizes);
    teardown(&b);
}
