/* SPDX-License-Identifier: Apache-2.0 */
/* janitor - see janitor.h */
#include "services/offer-broker/janitor.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"

#define SWEEP_AGAIN_MS 30000

/* A resource id that records name: how often as wanted, and as given up. Wanted
 * by anyone outweighs abandoned. */
struct known {
    char *resource_id;
    char *pod; /* the first that named it */
    size_t wanted, abandoned;
    UT_hash_handle hh;
};

/* One that no record names. */
struct quarantined {
    char *resource_id;
    char *agent_id;
    char *text;
    bool is_foreign; /* labelled by another framework */
    UT_hash_handle hh;
};

/* An abandoned one that is being freed. */
struct swept {
    char *resource_id;
    char *pod;
    char *operation_id; /* of the UNRESERVE */
    int64_t again_ms;
    UT_hash_handle hh;
};

struct janitor {
    char *framework_id;
    struct known *known;
    struct quarantined *quarantine;
    struct swept *swept;
    size_t n_foreign;   /* of the quarantine */
    size_t n_abandoned; /* entries learnt as given up, at most */
};

struct janitor *janitor_new(void)
{
    return xcalloc(1, sizeof(struct janitor));
}

static void drop_known(struct janitor *j, struct known *known)
{
    HASH_DEL(j->known, known);
    free(known->resource_id);
    free(known->pod);
    free(known);
}

static void forget_known(struct janitor *j)
{
    struct known *known, *next;

    HASH_ITER(hh, j->known, known, next)
    {
        drop_known(j, known);
    }
}

static void drop_quarantined(struct janitor *j, struct quarantined *q)
{
    HASH_DEL(j->quarantine, q);
    j->n_foreign -= q->is_foreign;
    free(q->resource_id);
    free(q->agent_id);
    free(q->text);
    free(q);
}

static void drop_swept(struct janitor *j, struct swept *swept)
{
    HASH_DEL(j->swept, swept);
    free(swept->resource_id);
    free(swept->pod);
    free(swept->operation_id);
    free(swept);
}

void janitor_destroy(struct janitor **janitor)
{
    struct janitor *j = *janitor;
    struct quarantined *q, *next_q;
    struct swept *swept, *next_swept;

    if (!j)
        return;
    forget_known(j);
    HASH_ITER(hh, j->quarantine, q, next_q)
    {
        drop_quarantined(j, q);
    }
    HASH_ITER(hh, j->swept, swept, next_swept)
    {
        drop_swept(j, swept);
    }
    free(j->framework_id);
    free(j);
    *janitor = NULL;
}

/* ---- learning ----------------------------------------------------- */
static struct known *find_known(const struct janitor *j, const char *id)
{
    struct known *known = NULL;

    HASH_FIND_STR(j->known, id, known);
    return known;
}

static struct known *know(struct janitor *j, const char *pod, const char *id)
{
    struct known *known = find_known(j, id);

    if (known)
        return known;
    known = xcalloc(1, sizeof(*known));
    known->resource_id = xstrdup(id);
    known->pod = xstrdup(pod);
    HASH_ADD_KEYPTR(hh, j->known, known->resource_id,
                    strlen(known->resource_id), known);
    return known;
}

static void learn_entry(struct janitor *j, const char *pod,
                        const Reeve__ReservedResource *entry, bool is_abandoned)
{
    struct known *known;

    if (!entry->resource_id)
        return;
    known = know(j, pod, entry->resource_id);
    if (is_abandoned)
        known->abandoned++;
    else
        known->wanted++;
}

static void unlearn_entry(struct janitor *j,
                          const Reeve__ReservedResource *entry,
                          bool is_abandoned)
{
    struct known *known =
        entry->resource_id ? find_known(j, entry->resource_id) : NULL;

    if (!known)
        return;
    if (is_abandoned)
        known->abandoned -= known->abandoned > 0;
    else
        known->wanted -= known->wanted > 0;
    if (known->wanted + known->abandoned == 0)
        drop_known(j, known);
}

void janitor_learn_pod(struct janitor *j, const char *instance,
                       const Reeve__PodRecord *before,
                       const Reeve__PodRecord *after)
{
    for (size_t i = 0; after && i < after->n_resources; i++)
        learn_entry(j, instance, after->resources[i], false);
    for (size_t i = 0; after && i < after->n_abandoned; i++)
        learn_entry(j, instance, after->abandoned[i], true);
    for (size_t i = 0; before && i < before->n_resources; i++)
        unlearn_entry(j, before->resources[i], false);
    for (size_t i = 0; before && i < before->n_abandoned; i++)
        unlearn_entry(j, before->abandoned[i], true);
    j->n_abandoned += after ? after->n_abandoned : 0;
    j->n_abandoned -= MIN(j->n_abandoned, before ? before->n_abandoned : 0);
}

static void learn_pod(void *self, const struct fact *fact)
{
    janitor_learn_pod(self, fact->id, NULL,
                      (const Reeve__PodRecord *)fact->message);
}

void janitor_learn(struct janitor *j, const struct facts *facts,
                   const char *framework_id)
{
    forget_known(j);
    j->n_abandoned = 0;
    free(j->framework_id);
    j->framework_id = xstrdup(framework_id);
    facts_each_pod(facts, learn_pod, j);
}

enum janitor_class janitor_classify(const struct janitor *j,
                                    const Mesos__V1__Resource *resource,
                                    const char **pod)
{
    const char *id = resource_is_dynamic(resource)
                         ? resource_label(resource, "resource_id")
                         : NULL;
    const char *framework;
    struct known *known = NULL;

    if (pod)
        *pod = NULL;
    if (!id || !*id)
        return JANITOR_FREE;
    HASH_FIND_STR(j->known, id, known);
    if (known && pod)
        *pod = known->pod;
    if (known)
        return known->wanted == 0 ? JANITOR_ABANDONED : JANITOR_WANTED;
    framework = resource_label(resource, "framework_id");
    if (*str_or_empty(framework) && !str_eq(framework, j->framework_id))
        return JANITOR_FOREIGN;
    return JANITOR_UNKNOWN;
}

/* ---- quarantine --------------------------------------------------- */
static void note(struct janitor *j, const char *agent_id,
                 const Mesos__V1__Resource *resource, bool is_foreign)
{
    const char *id = resource_label(resource, "resource_id");
    struct quarantined *q = NULL;

    HASH_FIND_STR(j->quarantine, id, q);
    if (!q) {
        q = xcalloc(1, sizeof(*q));
        q->resource_id = xstrdup(id);
        q->agent_id = xstrdup(agent_id);
        q->text = resource_text(resource);
        q->is_foreign = is_foreign;
        j->n_foreign += is_foreign;
        HASH_ADD_KEYPTR(hh, j->quarantine, q->resource_id,
                        strlen(q->resource_id), q);
    }
}

void janitor_inspect(struct janitor *j, const char *agent_id,
                     const struct resources *resources)
{
    struct quarantined *q, *next;
    struct known *known;

    for (size_t i = 0; i < resources_count(resources); i++) {
        const Mesos__V1__Resource *r = resources_at(resources, i);

        enum janitor_class class = janitor_classify(j, r, NULL);

        if (class == JANITOR_UNKNOWN || class == JANITOR_FOREIGN)
            note(j, agent_id, r, class == JANITOR_FOREIGN);
    }
    HASH_ITER(hh, j->quarantine, q, next)
    {
        known = NULL;
        HASH_FIND_STR(j->known, q->resource_id, known);
        if (known)
            drop_quarantined(j, q);
    }
}

bool janitor_has_abandoned(const struct janitor *j)
{
    return j->n_abandoned > 0;
}

size_t janitor_quarantined(const struct janitor *j)
{
    return HASH_COUNT(j->quarantine) - j->n_foreign;
}

size_t janitor_strange(const struct janitor *j)
{
    return HASH_COUNT(j->known) == 0 ? HASH_COUNT(j->quarantine) : 0;
}

char *janitor_report(const struct janitor *j, size_t max)
{
    struct buf out = {0};
    struct quarantined *q, *next;
    size_t n = 0;

    HASH_ITER(hh, j->quarantine, q, next)
    {
        if (n++ < max)
            buf_addf(&out, "%s on agent %s\n", q->text, q->agent_id);
    }
    return buf_take(&out, NULL);
}

/* ---- sweeping ----------------------------------------------------- */
static void add_destroy(struct janitor_sweep *sweep,
                        const Mesos__V1__Resource *volume,
                        struct id_source *ids)
{
    char id[UUID_TEXT_SIZE];

    if (!sweep->destroy) {
        ids->next(ids, id);
        sweep->destroy = PB_NEW(mesos__v1__offer__operation);
        PB_SET(sweep->destroy, type,
               MESOS__V1__OFFER__OPERATION__TYPE__DESTROY);
        sweep->destroy->id = pb_operation_id(id);
        sweep->destroy->destroy = PB_NEW(mesos__v1__offer__operation__destroy);
    }
    PB_ADD(sweep->destroy->destroy, volumes, resource_dup(volume));
}

static void add_unreserve(struct janitor_sweep *sweep,
                          const Mesos__V1__Resource *resource,
                          struct id_source *ids)
{
    char id[UUID_TEXT_SIZE];
    Mesos__V1__Resource *bare = resource_dup(resource);

    if (!sweep->unreserve) {
        ids->next(ids, id);
        sweep->unreserve = PB_NEW(mesos__v1__offer__operation);
        PB_SET(sweep->unreserve, type,
               MESOS__V1__OFFER__OPERATION__TYPE__UNRESERVE);
        sweep->unreserve->id = pb_operation_id(id);
        sweep->unreserve->unreserve =
            PB_NEW(mesos__v1__offer__operation__unreserve);
    }
    if (resource_is_volume(bare))
        resource_strip_volume(bare);
    PB_ADD(sweep->unreserve->unreserve, resources, bare);
}

static bool is_due(struct janitor *j, const char *resource_id, int64_t now_ms)
{
    struct swept *swept = NULL;

    HASH_FIND_STR(j->swept, resource_id, swept);
    return !swept || swept->again_ms <= now_ms;
}

static void remember(struct janitor *j, const Mesos__V1__Resource *resource,
                     const char *operation_id, int64_t now_ms)
{
    const char *resource_id = resource_label(resource, "resource_id");
    const char *pod = NULL;
    struct swept *swept = NULL;

    janitor_classify(j, resource, &pod);
    HASH_FIND_STR(j->swept, resource_id, swept);
    if (swept)
        drop_swept(j, swept);
    swept = xcalloc(1, sizeof(*swept));
    swept->resource_id = xstrdup(resource_id);
    swept->pod = xstrdup(pod);
    swept->operation_id = xstrdup(operation_id);
    swept->again_ms = now_ms + SWEEP_AGAIN_MS;
    HASH_ADD_KEYPTR(hh, j->swept, swept->resource_id,
                    strlen(swept->resource_id), swept);
}

struct janitor_sweep janitor_sweep(struct janitor *j, struct resources *pool,
                                   int64_t now_ms, struct id_source *ids)
{
    struct janitor_sweep sweep = {NULL, NULL};
    struct resources *all = resources_dup(pool);

    for (size_t i = 0; i < resources_count(all); i++) {
        const Mesos__V1__Resource *r = resources_at(all, i);

        if (janitor_classify(j, r, NULL) != JANITOR_ABANDONED ||
            !is_due(j, resource_label(r, "resource_id"), now_ms))
            continue;
        if (resource_is_volume(r))
            add_destroy(&sweep, r, ids);
        add_unreserve(&sweep, r, ids);
        remember(j, r, sweep.unreserve->id->value, now_ms);
        resources_subtract(pool, r, NULL);
    }
    resources_destroy(&all);
    return sweep;
}

void janitor_finished(struct janitor *j, const char *operation_id,
                      void (*freed)(void *self, const char *pod,
                                    const char *resource_id),
                      void *self)
{
    struct swept *swept, *next;

    HASH_ITER(hh, j->swept, swept, next)
    {
        if (!str_eq(swept->operation_id, operation_id))
            continue;
        freed(self, str_or_empty(swept->pod), swept->resource_id);
        drop_swept(j, swept);
    }
}
