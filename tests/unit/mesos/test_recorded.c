/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic against recordings of a real master: each recorded ACCEPT is
 * carried out on its recorded offers and must go as it went there, down to the
 * words of "does not contain".  Skipped without recordings ($REEVE_MESOS_TRACES
 * or ../shared/mesos-traces). */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/http/recordio.h"
#include "lib/mesos/resources.h"
#include "lib/wire/wire.h"
#include "proto/mesos/v1/scheduler.pb-c.h"

enum { MAX_OFFERS = 1000, MAX_VERDICTS = 1000 };

struct verdict {
    char *id;
    int state; /* -1: more than one */
    char *message;
};

static struct folder {
    Mesos__V1__Offer *offers[MAX_OFFERS];
    size_t offer_count;
    struct verdict verdicts[MAX_VERDICTS];
    size_t verdict_count;
} folder;

static int finished, failed, texts;

static const char *traces_dir(void)
{
    const char *dir = getenv("REEVE_MESOS_TRACES");
    if (!dir)
        dir = "../shared/mesos-traces";
    if (access(dir, R_OK) == 0)
        return dir;
    cr_log_warn("no recordings at %s: skipped\n", dir);
    return NULL;
}

static struct verdict *find_verdict(const char *id)
{
    for (size_t i = 0; i < folder.verdict_count; i++)
        if (!strcmp(folder.verdicts[i].id, id))
            return &folder.verdicts[i];
    return NULL;
}

static void note_verdict(const Mesos__V1__OperationStatus *status)
{
    if (!status->operation_id)
        return;
    struct verdict *v = find_verdict(status->operation_id->value);
    if (v) {
        v->state = v->state == (int)status->state ? v->state : -1;
        return;
    }
    cr_assert_lt(folder.verdict_count, MAX_VERDICTS);
    folder.verdicts[folder.verdict_count++] = (struct verdict){
        .id = xstrdup(status->operation_id->value),
        .state = (int)status->state,
        .message = xstrdup(str_or_empty(status->message)),
    };
}

static void note_offer(const Mesos__V1__Offer *offer)
{
    cr_assert_lt(folder.offer_count, MAX_OFFERS);
    folder.offers[folder.offer_count++] = WIRE_DUP(mesos__v1__offer, offer);
    for (size_t i = 0; i < offer->n_resources; i++) {
        struct err err;
        int rc = resource_validate(offer->resources[i], &err);
        cr_expect_eq(rc, 0, "%s: %s", offer->id->value, err.text);
    }
}

static int on_record(void *self UNUSED, const uint8_t *record, size_t len)
{
    const ProtobufCMessageDescriptor *type =
        &mesos__v1__scheduler__event__descriptor;
    AUTO_MESSAGE Mesos__V1__Scheduler__Event *event =
        (void *)(record[0] == '{' ? wire_from_json_text(
                                        type, (const char *)record, len, NULL)
                                  : wire_decode(type, record, len, NULL));
    cr_assert(event);
    for (size_t i = 0; event->offers && i < event->offers->n_offers; i++)
        note_offer(event->offers->offers[i]);
    if (event->update_operation_status)
        note_verdict(event->update_operation_status->status);
    return 0;
}

static void read_stream(const char *path)
{
    AUTO_BUF struct buf data = {0};
    AUTO(recordio) struct recordio *r = recordio_new(1 << 26);
    cr_assert_eq(fs_read(path, 1 << 26, &data, NULL), 0);
    recordio_feed(r, data.data, data.len, on_record, NULL, NULL);
}

static const Mesos__V1__Offer *find_offer(const char *id)
{
    for (size_t i = 0; i < folder.offer_count; i++)
        if (!strcmp(folder.offers[i]->id->value, id))
            return folder.offers[i];
    return NULL;
}

/* The sum of the offers, or NULL when one is not known. */
static struct resources *
pool_of(const Mesos__V1__Scheduler__Call__Accept *accept)
{
    AUTO(resources) struct resources *pool = resources_new();
    for (size_t i = 0; i < accept->n_offer_ids; i++) {
        const Mesos__V1__Offer *offer = find_offer(accept->offer_ids[i]->value);
        if (!offer)
            return NULL;
        AUTO(resources)
        struct resources *part =
            resources_from(offer->resources, offer->n_resources);
        resources_add_all(pool, part);
    }
    return accept->n_offer_ids ? MOVE(pool) : NULL;
}

/* The master fills in what the call leaves out. */
static void allocate(Mesos__V1__Resource **list, size_t count,
                     const struct resources *pool)
{
    const char *role = resources_count(pool)
                           ? resource_allocated_role(resources_at(pool, 0))
                           : NULL;
    for (size_t i = 0; i < count; i++) {
        resource_upgrade(list[i], NULL);
        if (!list[i]->allocation_info)
            resource_allocate(list[i], role);
    }
}

static void allocate_operation(Mesos__V1__Offer__Operation *op,
                               const struct resources *pool)
{
    if (op->reserve)
        allocate(op->reserve->resources, op->reserve->n_resources, pool);
    if (op->unreserve)
        allocate(op->unreserve->resources, op->unreserve->n_resources, pool);
    if (op->create)
        allocate(op->create->volumes, op->create->n_volumes, pool);
    if (op->destroy)
        allocate(op->destroy->volumes, op->destroy->n_volumes, pool);
    if (op->grow_volume)
        allocate(&op->grow_volume->volume, 1, pool);
    if (op->grow_volume)
        allocate(&op->grow_volume->addition, 1, pool);
    if (op->shrink_volume)
        allocate(&op->shrink_volume->volume, 1, pool);
}

/* "A does not contain B": the order of A's parts depends on the master's
 * memory, so only B is compared. */
static void compare_text(const char *got, const char *want, const char *path)
{
    static const char middle[] = " does not contain ";
    const char *g = strstr(got, middle), *w = strstr(want, middle);
    if (!w)
        return;
    cr_expect(g, "%s: %s", path, got);
    texts++;
    if (g && !strstr(want, "Invalid ")) /* those name all they consume */
        cr_expect_str_eq(g, w, "%s", path);
}

static void check_operation(struct resources *pool,
                            Mesos__V1__Offer__Operation *op, const char *path)
{
    struct err err = {0};
    const struct verdict *v = op->id ? find_verdict(op->id->value) : NULL;
    allocate_operation(op, pool);
    bool is_refused =
        v && v->state == MESOS__V1__OPERATION_STATE__OPERATION_ERROR;
    if (is_refused && !strstr(v->message, "does not contain"))
        return; /* for other reasons than the arithmetic */
    int rc = resources_apply(pool, op, &err);
    if (!v || v->state < 0)
        return;
    if (v->state == MESOS__V1__OPERATION_STATE__OPERATION_FINISHED) {
        cr_expect_eq(rc, 0, "%s: %s: %s", path, v->id, err.text);
        finished++;
    } else if (is_refused) {
        cr_expect_eq(rc, -1, "%s: %s: %s", path, v->id, v->message);
        compare_text(err.text, v->message, path);
        failed++;
    }
}

static void check_call(const char *path)
{
    AUTO_BUF struct buf data = {0};
    const ProtobufCMessageDescriptor *type =
        &mesos__v1__scheduler__call__descriptor;
    cr_assert_eq(fs_read(path, 1 << 26, &data, NULL), 0);
    if (data.len == 0)
        return;
    AUTO_MESSAGE Mesos__V1__Scheduler__Call *call =
        (void *)(data.data[0] == '{'
                     ? wire_from_json_text(type, data.data, data.len, NULL)
                     : wire_decode(type, data.data, data.len, NULL));
    cr_assert(call, "%s", path);
    if (!call->accept)
        return;
    AUTO(resources) struct resources *pool = pool_of(call->accept);
    for (size_t i = 0; pool && i < call->accept->n_operations; i++)
        check_operation(pool, call->accept->operations[i], path);
}

static void each_file(const char *dir, const char *pattern,
                      void (*fn)(const char *path))
{
    AUTO_FREE char *path = fs_join(dir, pattern);
    glob_t found;
    if (glob(path, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        fn(found.gl_pathv[i]);
    globfree(&found);
}

static void check_folder(const char *path)
{
    each_file(path, "stream-*.recordio", read_stream);
    each_file(path, "calls/*-ACCEPT.bin", check_call);
    for (size_t i = 0; i < folder.offer_count; i++)
        wire_auto_free(&folder.offers[i]);
    for (size_t i = 0; i < folder.verdict_count; i++) {
        free(folder.verdicts[i].id);
        free(folder.verdicts[i].message);
    }
    memset(&folder, 0, sizeof(folder));
}

Test(recorded, operations_go_as_they_went)
{
    if (!traces_dir())
        return;
    each_file(traces_dir(), "[0-9]*", check_folder);
    cr_expect_gt(finished, 20, "%d", finished);
    cr_expect_gt(failed, 3, "%d", failed);
    cr_log_info("%d finished, %d refused, %d texts\n", finished, failed, texts);
}
