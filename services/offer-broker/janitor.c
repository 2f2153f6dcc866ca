/* SPDX-License-Identifier: Apache-2.0 */
/* janitor - see janitor.h */
#include "services/offer-broker/janitor.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/heap.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"

#define SWEEP_AGAIN_MS  30000
#define REFUSED_MS      2000LL
#define REFUSED_MOST_MS 300000LL
#define SEEK_MS         20000
#define SEEK_FIRST_MS   60000
#define SEEK_MOST_MS    900000
#define MAX_ID          128
#define FREE_MARK       "free__"
#define DESTROY_MARK    "destroy__"
#define REST_MARK       "rest__"

/* A resource id that records name: how often as wanted, and as given up by pods
 * and by an operator's order.  Wanted by anyone outweighs given up. */
struct known {
    struct known *next;      /* of the same place */
    struct pod *pod;         /* the first that named it; NULL: none did */
    int64_t remainder_milli; /* of the entries below, in all */
    uint32_t hash;
    uint32_t wanted, abandoned;
    uint32_t remainders; /* entries for bare disk beside its volume */
    bool is_released;
    char resource_id[];
};

/* There are several to each task, so they are in a table of their own. */
struct known_table {
    struct known **places;
    size_t n, size; /* a power of two, or 0 */
};

/* Of a pod instance: what its resources share. */
struct pod {
    UT_hash_handle hh;
    size_t refs;
    char instance[];
};

/* One that no record names. */
struct stray {
    char *resource_id;
    char *agent_id;
    char *hostname;
    char *text;
    Mesos__V1__Resource *resource;
    bool is_foreign; /* labelled by another framework */
    int64_t since_wall_ms;
    UT_hash_handle hh;
};

/* An abandoned one that is being freed. */
struct swept {
    char *key; /* the id; with REST_MARK before it for a remainder */
    char *resource_id;
    char *problem; /* NULL: none */
    unsigned refusals;
    int64_t again_ms;
    UT_hash_handle hh;
};

struct janitor {
    char *framework_id;
    struct known_table known;
    struct pod *pods;
    struct stray *strays;
    struct swept *swept;
    size_t n_foreign;   /* of the strays */
    size_t n_of_pods;   /* entries learnt of pods' records */
    size_t n_abandoned; /* entries learnt as given up, at most */
    bool must_seek;     /* more was given up */
    int64_t seek_until_ms, seek_again_ms, seek_pause_ms;
};

struct janitor *janitor_new(void)
{
    return xcalloc(1, sizeof(struct janitor));
}

/* ---- what records name --------------------------------------------- */
static uint32_t hash_of(const char *id)
{
    unsigned hash;

    HASH_JEN(id, strlen(id), hash);
    return hash;
}

static struct known **place_of(const struct known_table *t, uint32_t hash)
{
    return &t->places[hash & (t->size - 1)];
}

static void grow_known(struct known_table *t)
{
    struct known_table old = *t;

    t->size = MAX(2 * old.size, (size_t)64);
    t->places = xcalloc(t->size, sizeof(*t->places));
    for (size_t i = 0; i < old.size; i++) {
        for (struct known *known = old.places[i], *next; known; known = next) {
            struct known **place = place_of(t, known->hash);

            next = known->next;
            known->next = *place;
            *place = known;
        }
    }
    free(old.places);
}

static struct known *add_known(struct known_table *t, const char *id)
{
    size_t len = strlen(id) + 1;
    struct known *known = heap_keep(sizeof(*known) + len);
    struct known **place;

    if (t->n >= t->size)
        grow_known(t);
    memcpy(known->resource_id, id, len);
    known->hash = hash_of(id);
    place = place_of(t, known->hash);
    known->next = *place;
    *place = known;
    t->n++;
    return known;
}

static struct pod *hold_pod(struct janitor *j, const char *instance)
{
    size_t len = strlen(instance);
    struct pod *pod = NULL;

    HASH_FIND_STR(j->pods, instance, pod);
    if (!pod) {
        pod = heap_keep(sizeof(*pod) + len + 1);
        memcpy(pod->instance, instance, len);
        HASH_ADD_KEYPTR(hh, j->pods, pod->instance, len, pod);
    }
    pod->refs++;
    return pod;
}

/* NULL: none named it. */
static const char *pod_of(const struct known *known)
{
    return known->pod ? known->pod->instance : NULL;
}

static void let_pod_go(struct janitor *j, struct pod *pod)
{
    if (!pod || --pod->refs > 0)
        return;
    HASH_DEL(j->pods, pod);
    heap_keep_free(pod);
}

static void drop_known(struct janitor *j, struct known *known)
{
    struct known **at = place_of(&j->known, known->hash);

    while (*at != known)
        at = &(*at)->next;
    *at = known->next;
    j->known.n--;
    let_pod_go(j, known->pod);
    heap_keep_free(known);
}

static void forget_known(struct janitor *j)
{
    for (size_t i = 0; i < j->known.size; i++)
        while (j->known.places[i])
            drop_known(j, j->known.places[i]);
    free(j->known.places);
    j->known = (struct known_table){0};
}

static void drop_stray(struct janitor *j, struct stray *stray)
{
    HASH_DEL(j->strays, stray);
    j->n_foreign -= stray->is_foreign;
    resource_free(&stray->resource);
    free(stray->resource_id);
    free(stray->agent_id);
    free(stray->hostname);
    free(stray->text);
    free(stray);
}

static void drop_swept(struct janitor *j, struct swept *swept)
{
    HASH_DEL(j->swept, swept);
    free(swept->key);
    free(swept->resource_id);
    free(swept->problem);
    free(swept);
}

void janitor_destroy(struct janitor **janitor)
{
    struct janitor *j = *janitor;
    struct stray *stray, *next_stray;
    struct swept *swept, *next_swept;

    if (!j)
        return;
    forget_known(j);
    HASH_ITER(hh, j->strays, stray, next_stray)
    {
        drop_stray(j, stray);
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
    uint32_t hash = hash_of(id);
    struct known *known = j->known.size ? *place_of(&j->known, hash) : NULL;

    while (known &&
           (known->hash != hash || strcmp(known->resource_id, id) != 0))
        known = known->next;
    return known;
}

static struct stray *find_stray(const struct janitor *j, const char *id)
{
    struct stray *stray = NULL;

    HASH_FIND_STR(j->strays, id, stray);
    return stray;
}

static struct known *know(struct janitor *j, const char *pod, const char *id)
{
    struct known *known = find_known(j, id);
    struct stray *stray = known ? NULL : find_stray(j, id);

    if (!known)
        known = add_known(&j->known, id);
    if (!known->pod && pod)
        known->pod = hold_pod(j, pod);
    if (stray)
        drop_stray(j, stray);
    return known;
}

static void unknow(struct janitor *j, struct known *known)
{
    if (known->wanted + known->abandoned + known->remainders == 0 &&
        !known->is_released)
        drop_known(j, known);
}

static void learn_entry(struct janitor *j, const char *pod,
                        const Reeve__ReservedResource *entry, bool is_abandoned)
{
    struct known *known;

    if (!entry->resource_id)
        return;
    known = know(j, pod, entry->resource_id);
    if (is_abandoned && entry->is_remainder) {
        known->remainders++;
        known->remainder_milli += entry->amount_milli;
    } else if (is_abandoned)
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
    if (is_abandoned && entry->is_remainder) {
        known->remainders -= known->remainders > 0;
        known->remainder_milli -= entry->amount_milli;
    } else if (is_abandoned)
        known->abandoned -= known->abandoned > 0;
    else
        known->wanted -= known->wanted > 0;
    unknow(j, known);
}

static size_t entries_of(const Reeve__PodRecord *pod)
{
    return pod ? pod->n_resources + pod->n_abandoned : 0;
}

void janitor_learn_pod(struct janitor *j, const char *instance,
                       const Reeve__PodRecord *before,
                       const Reeve__PodRecord *after)
{
    size_t given_up_before = before ? before->n_abandoned : 0;
    size_t given_up = after ? after->n_abandoned : 0;

    for (size_t i = 0; after && i < after->n_resources; i++)
        learn_entry(j, instance, after->resources[i], false);
    for (size_t i = 0; after && i < after->n_abandoned; i++)
        learn_entry(j, instance, after->abandoned[i], true);
    for (size_t i = 0; before && i < before->n_resources; i++)
        unlearn_entry(j, before->resources[i], false);
    for (size_t i = 0; before && i < before->n_abandoned; i++)
        unlearn_entry(j, before->abandoned[i], true);
    j->n_of_pods += entries_of(after);
    j->n_of_pods -= MIN(j->n_of_pods, entries_of(before));
    j->n_abandoned += given_up;
    j->n_abandoned -= MIN(j->n_abandoned, given_up_before);
    j->must_seek |= given_up > given_up_before;
}

void janitor_learn_release(struct janitor *j, const char *resource_id,
                           bool is_ordered)
{
    struct known *known =
        is_ordered ? know(j, NULL, resource_id) : find_known(j, resource_id);

    if (!known || known->is_released == is_ordered)
        return;
    known->is_released = is_ordered;
    j->n_abandoned += is_ordered;
    j->n_abandoned -= !is_ordered && j->n_abandoned > 0;
    j->must_seek |= is_ordered;
    unknow(j, known);
}

static void learn_pod(void *self, const struct fact *fact)
{
    janitor_learn_pod(self, fact->id, NULL,
                      (const Reeve__PodRecord *)fact->message);
}

static void learn_release(void *self, const struct fact *fact)
{
    janitor_learn_release(self, fact->id, true);
}

void janitor_learn(struct janitor *j, const struct facts *facts,
                   const char *framework_id)
{
    forget_known(j);
    j->n_abandoned = j->n_of_pods = 0;
    free(j->framework_id);
    j->framework_id = xstrdup(framework_id);
    facts_each_pod(facts, learn_pod, j);
    facts_each_release(facts, learn_release, j);
}

/* Is it no more than what a volume of that id left? */
static bool is_rest(const struct known *known,
                    const Mesos__V1__Resource *resource)
{
    return known->remainders > 0 && !resource_is_volume(resource) &&
           str_eq(resource->name, "disk") &&
           resource_milli(resource) <= known->remainder_milli;
}

enum janitor_class janitor_classify(const struct janitor *j,
                                    const Mesos__V1__Resource *resource,
                                    const char **pod)
{
    const char *id = resource_is_dynamic(resource)
                         ? resource_label(resource, "resource_id")
                         : NULL;
    const char *framework;
    const struct known *known;

    if (pod)
        *pod = NULL;
    if (!id || !*id)
        return JANITOR_FREE;
    known = find_known(j, id);
    if (known && pod)
        *pod = pod_of(known);
    if (known)
        return known->wanted == 0 || is_rest(known, resource)
                   ? JANITOR_ABANDONED
                   : JANITOR_WANTED;
    framework = resource_label(resource, "framework_id");
    if (*str_or_empty(framework) && !str_eq(framework, j->framework_id))
        return JANITOR_FOREIGN;
    return JANITOR_UNKNOWN;
}

/* ---- quarantine --------------------------------------------------- */
static void show(struct stray *stray, const struct janitor_place *place,
                 const Mesos__V1__Resource *resource)
{
    resource_free(&stray->resource);
    free(stray->agent_id);
    free(stray->hostname);
    free(stray->text);
    stray->resource = resource_dup(resource);
    stray->agent_id = xstrdup(str_or_empty(place->agent_id));
    stray->hostname = xstrdup(str_or_empty(place->hostname));
    stray->text = resource_text(resource);
}

static void note(struct janitor *j, const struct janitor_place *place,
                 const Mesos__V1__Resource *resource, bool is_foreign)
{
    const char *id = resource_label(resource, "resource_id");
    struct stray *stray = find_stray(j, id);

    if (!stray) {
        stray = xcalloc(1, sizeof(*stray));
        stray->resource_id = xstrdup(id);
        stray->is_foreign = is_foreign;
        stray->since_wall_ms = place->now_wall_ms;
        j->n_foreign += is_foreign;
        HASH_ADD_KEYPTR(hh, j->strays, stray->resource_id,
                        strlen(stray->resource_id), stray);
    } else if (resource_equal(stray->resource, resource) &&
               str_eq(stray->agent_id, place->agent_id)) {
        return;
    }
    show(stray, place, resource);
}

void janitor_inspect(struct janitor *j, const struct janitor_place *place,
                     const struct resources *resources)
{
    for (size_t i = 0; i < resources_count(resources); i++) {
        const Mesos__V1__Resource *r = resources_at(resources, i);
        enum janitor_class class = janitor_classify(j, r, NULL);

        if (class == JANITOR_UNKNOWN || class == JANITOR_FOREIGN)
            note(j, place, r, class == JANITOR_FOREIGN);
    }
}

static struct quarantined item_of(const struct stray *stray)
{
    return (struct quarantined){
        .resource_id = stray->resource_id,
        .agent_id = stray->agent_id,
        .hostname = stray->hostname,
        .text = stray->text,
        .resource = stray->resource,
        .is_foreign = stray->is_foreign,
        .since_wall_ms = stray->since_wall_ms,
    };
}

bool janitor_find(const struct janitor *j, const char *resource_id,
                  struct quarantined *out)
{
    const struct stray *stray = find_stray(j, resource_id);

    if (stray)
        *out = item_of(stray);
    return stray != NULL;
}

void janitor_each_quarantined(const struct janitor *j,
                              void (*fn)(void *self,
                                         const struct quarantined *item),
                              void *self)
{
    struct stray *stray, *next;

    HASH_ITER(hh, j->strays, stray, next)
    {
        struct quarantined item = item_of(stray);

        fn(self, &item);
    }
}

size_t janitor_verify(struct janitor *j, const char *agent_id,
                      bool (*exists)(const void *self, const char *resource_id),
                      const void *self)
{
    struct stray *stray, *next;
    size_t dropped = 0;

    HASH_ITER(hh, j->strays, stray, next)
    {
        if (!str_eq(stray->agent_id, agent_id) ||
            exists(self, stray->resource_id))
            continue;
        drop_stray(j, stray);
        dropped++;
    }
    return dropped;
}

size_t janitor_quarantined(const struct janitor *j)
{
    return HASH_COUNT(j->strays) - j->n_foreign;
}

bool janitor_knows_pods(const struct janitor *j)
{
    return j->n_of_pods > 0;
}

size_t janitor_strange(const struct janitor *j)
{
    return j->n_of_pods == 0 ? HASH_COUNT(j->strays) : 0;
}

char *janitor_report(const struct janitor *j, size_t max)
{
    struct buf out = {0};
    struct stray *stray, *next;
    size_t n = 0;

    HASH_ITER(hh, j->strays, stray, next)
    {
        if (n++ < max)
            buf_addf(&out, "%s on agent %s\n", stray->text, stray->agent_id);
    }
    return buf_take(&out, NULL);
}

/* ---- when to look for offers -------------------------------------- */
bool janitor_has_abandoned(const struct janitor *j)
{
    return j->n_abandoned > 0;
}

static bool is_known(const struct janitor *j, const char *resource_id,
                     bool is_abandoned, const char **pod)
{
    const struct known *known = find_known(j, resource_id);
    bool is_so = known && (known->wanted == 0) == is_abandoned;

    *pod = is_so ? pod_of(known) : NULL;
    return is_so;
}

bool janitor_is_abandoned(const struct janitor *j, const char *resource_id,
                          const char **pod)
{
    return is_known(j, resource_id, true, pod);
}

bool janitor_has_remainder(const struct janitor *j, const char *resource_id,
                           const char **pod)
{
    const struct known *known = find_known(j, resource_id);

    *pod = known && known->remainders > 0 ? pod_of(known) : NULL;
    return *pod != NULL;
}

bool janitor_is_wanted(const struct janitor *j, const char *resource_id,
                       const char **pod)
{
    return is_known(j, resource_id, false, pod);
}

bool janitor_seeks(struct janitor *j, int64_t now_ms, bool *is_new)
{
    bool is_due = j->seek_again_ms && now_ms >= j->seek_again_ms;

    *is_new = false;
    if (j->n_abandoned == 0) {
        j->must_seek = false;
        j->seek_until_ms = j->seek_again_ms = 0;
        return false;
    }
    if (j->must_seek || is_due) {
        j->seek_pause_ms = j->must_seek
                               ? SEEK_FIRST_MS
                               : MIN(j->seek_pause_ms * 2, SEEK_MOST_MS);
        j->must_seek = false;
        j->seek_until_ms = now_ms + SEEK_MS;
        j->seek_again_ms = now_ms + j->seek_pause_ms;
        *is_new = true;
    }
    return now_ms < j->seek_until_ms;
}

/* ---- sweeping ----------------------------------------------------- */
bool janitor_id_is_plain(const char *id)
{
    size_t len = strlen(str_or_empty(id));

    return len > 0 && len <= MAX_ID &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789-_.") == len;
}

static Mesos__V1__OperationID *
operation_id(const char *mark, const char *resource_id, struct id_source *ids)
{
    char uuid[UUID_TEXT_SIZE];
    AUTO_FREE char *id = NULL;

    ids->next(ids, uuid);
    id = xasprintf("%s%s__%s", mark, resource_id, uuid);
    return pb_operation_id(id);
}

char *janitor_resource_of(const char *id, enum janitor_step *step)
{
    static const char *const marks[] = {[JANITOR_DESTROY] = DESTROY_MARK,
                                        [JANITOR_UNRESERVE] = FREE_MARK,
                                        [JANITOR_UNRESERVE_REST] = REST_MARK};
    const char *rest = NULL, *end = NULL;

    for (size_t i = 0; i < ARRAY_LEN(marks) && !rest; i++) {
        *step = (enum janitor_step)i;
        if (str_starts(str_or_empty(id), marks[i]))
            rest = id + strlen(marks[i]);
    }
    for (const char *at = rest ? strstr(rest, "__") : NULL; at;
         at = strstr(at + 1, "__"))
        end = at;
    return end && end > rest ? xstrndup(rest, (size_t)(end - rest)) : NULL;
}

static void add_op(struct janitor_sweep *sweep, Mesos__V1__Offer__Operation *op)
{
    sweep->ops = xrealloc(sweep->ops, (sweep->n_ops + 1) * sizeof(*sweep->ops));
    sweep->ops[sweep->n_ops++] = op;
}

static void add_destroy(struct janitor_sweep *sweep,
                        const Mesos__V1__Resource *volume,
                        struct id_source *ids)
{
    Mesos__V1__Offer__Operation *op;

    op = PB_NEW(mesos__v1__offer__operation);
    PB_SET(op, type, MESOS__V1__OFFER__OPERATION__TYPE__DESTROY);
    op->id =
        operation_id(DESTROY_MARK, resource_label(volume, "resource_id"), ids);
    op->destroy = PB_NEW(mesos__v1__offer__operation__destroy);
    PB_ADD(op->destroy, volumes, resource_dup(volume));
    add_op(sweep, op);
}

static void add_unreserve(struct janitor_sweep *sweep, const char *mark,
                          const Mesos__V1__Resource *resource,
                          struct id_source *ids)
{
    Mesos__V1__Resource *bare = resource_dup(resource);
    Mesos__V1__Offer__Operation *op;

    if (resource_is_volume(bare))
        resource_strip_volume(bare);
    op = PB_NEW(mesos__v1__offer__operation);
    PB_SET(op, type, MESOS__V1__OFFER__OPERATION__TYPE__UNRESERVE);
    op->id = operation_id(mark, resource_label(resource, "resource_id"), ids);
    op->unreserve = PB_NEW(mesos__v1__offer__operation__unreserve);
    PB_ADD(op->unreserve, resources, bare);
    add_op(sweep, op);
}

static char *swept_key(const char *resource_id, bool is_remainder)
{
    return xasprintf("%s%s", is_remainder ? REST_MARK : "", resource_id);
}

static struct swept *find_swept(const struct janitor *j, const char *key)
{
    struct swept *swept = NULL;

    HASH_FIND_STR(j->swept, key, swept);
    return swept;
}

static bool is_due(const struct janitor *j, const char *key, int64_t now_ms)
{
    const struct swept *swept = find_swept(j, key);

    return !swept || swept->again_ms <= now_ms;
}

static struct swept *remember(struct janitor *j, const char *resource_id,
                              bool is_remainder, int64_t now_ms)
{
    AUTO_FREE char *key = swept_key(resource_id, is_remainder);
    struct swept *swept = find_swept(j, key);

    if (!swept) {
        swept = xcalloc(1, sizeof(*swept));
        swept->key = MOVE(key);
        swept->resource_id = xstrdup(resource_id);
        HASH_ADD_KEYPTR(hh, j->swept, swept->key, strlen(swept->key), swept);
    }
    swept->again_ms = now_ms + SWEEP_AGAIN_MS;
    return swept;
}

/* What no record names any more is free, or another's business. */
static void forget_swept(struct janitor *j)
{
    struct swept *swept, *next;

    HASH_ITER(hh, j->swept, swept, next)
    {
        if (!find_known(j, swept->resource_id))
            drop_swept(j, swept);
    }
}

struct sweep_at {
    int64_t now_ms;
    struct id_source *ids;
};

/* false: it is not to be freed, or not now. */
static bool sweep_one(struct janitor *j, const Mesos__V1__Resource *r,
                      struct janitor_sweep *sweep, const struct sweep_at *at)
{
    const char *id = resource_label(r, "resource_id");
    AUTO_FREE char *key = NULL;
    bool is_remainder;

    if (janitor_classify(j, r, NULL) != JANITOR_ABANDONED ||
        !janitor_id_is_plain(id))
        return false;
    is_remainder = is_rest(find_known(j, id), r);
    key = swept_key(id, is_remainder);
    if (!is_due(j, key, at->now_ms))
        return false;
    if (resource_is_volume(r))
        add_destroy(sweep, r, at->ids);
    add_unreserve(sweep, is_remainder ? REST_MARK : FREE_MARK, r, at->ids);
    remember(j, id, is_remainder, at->now_ms);
    return true;
}

struct janitor_sweep janitor_sweep(struct janitor *j, struct resources *pool,
                                   int64_t now_ms, struct id_source *ids)
{
    struct janitor_sweep sweep = {NULL, 0};
    const struct sweep_at at = {now_ms, ids};
    struct resources *all;

    if (j->n_abandoned == 0)
        return sweep;
    forget_swept(j);
    all = resources_dup(pool);
    for (size_t i = 0; i < resources_count(all); i++)
        if (sweep_one(j, resources_at(all, i), &sweep, &at))
            resources_subtract(pool, resources_at(all, i), NULL);
    resources_destroy(&all);
    return sweep;
}

void janitor_failed(struct janitor *j, const char *operation_id,
                    const char *why, int64_t now_ms)
{
    enum janitor_step step;
    AUTO_FREE char *id = janitor_resource_of(operation_id, &step);
    struct swept *swept;

    if (!id || !find_known(j, id))
        return;
    swept = remember(j, id, step == JANITOR_UNRESERVE_REST, now_ms);
    free(swept->problem);
    swept->problem = xstrdup(why);
    swept->again_ms =
        now_ms + MIN(REFUSED_MS << MIN(swept->refusals, 16u), REFUSED_MOST_MS);
    swept->refusals++;
    j->must_seek = true;
}

const char *janitor_problem(const struct janitor *j, const char *resource_id)
{
    const struct swept *swept = find_swept(j, resource_id);

    return swept ? swept->problem : NULL;
}
