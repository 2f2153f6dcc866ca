/* SPDX-License-Identifier: Apache-2.0 */
#include "services/planner/target.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/planner/changes.h"

enum { MAX_TEXTS = 32 };

struct volume_list {
    Reeve__VolumeSpec *const *list;
    size_t n;
};

/* Why a spec is refused. */
struct objections {
    char *texts[MAX_TEXTS];
    size_t n;
    bool is_fatal;
};

static void objections_free(struct objections *o)
{
    for (size_t i = 0; i < o->n; i++)
        free(o->texts[i]);
}
#define AUTO_OBJECTIONS __attribute__((cleanup(objections_free)))

struct intent *intent_new(Reeve__ServiceSpec *spec, char *error)
{
    struct intent *intent = xcalloc(1, sizeof *intent);
    intent->spec = spec;
    intent->error = error;
    if (spec)
        facts_spec_digest(spec, intent->digest);
    return intent;
}

void intent_destroy(struct intent **intent)
{
    if (!*intent)
        return;
    ProtobufCMessage *spec = (*intent)->spec ? &(*intent)->spec->base : NULL;
    wire_free(&spec);
    free((*intent)->error);
    free(*intent);
    *intent = NULL;
}

/* ---- what speaks against it ---- */
static void object(struct objections *o, char *text)
{
    if (o->n < MAX_TEXTS)
        o->texts[o->n++] = text;
    else
        free(text);
}

/* Instances that would be left over and have something on the cluster.  What
 * was never placed may simply be withdrawn. */
static void check_leftovers(const struct facts *facts,
                            const Reeve__PodSpec *old, uint32_t next_count,
                            struct objections *o)
{
    uint32_t placed = 0;
    for (uint32_t i = next_count; i < old->count; i++) {
        const struct fact_pod *pod = facts_pod(facts, old->type, i);
        placed += pod && (pod->n_tasks > 0 || pod->has_record);
    }
    if (placed > 0)
        object(o, xasprintf("PodSpec named '%s' would lose %u deployed "
                            "instances: decommission is not supported yet",
                            old->type, placed));
}

/* Their wishes must all go in one transaction. */
static void check_waiting(const struct facts *facts, const Reeve__PodSpec *old,
                          uint32_t next_count, struct objections *o)
{
    size_t waiting = 0;
    for (uint32_t i = next_count; i < old->count; i++) {
        const struct fact_pod *pod = facts_pod(facts, old->type, i);
        waiting += pod ? pod->n_demands : 0;
    }
    if (waiting > CHANGES_FULL)
        object(o, xasprintf("PodSpec named '%s' would lose %zu instances that "
                            "are waiting for offers, more than %d at once",
                            old->type, waiting, CHANGES_FULL));
}

static void check_shrink(const struct target_source *source,
                         const Reeve__ServiceSpec *old, struct objections *o)
{
    for (size_t i = 0; i < old->n_pods; i++) {
        const Reeve__PodSpec *pod = old->pods[i];
        const Reeve__PodSpec *next =
            spec_find_pod(source->intent->spec, pod->type);
        uint32_t count = next ? next->count : 0;
        if (count >= pod->count)
            continue;
        check_leftovers(source->facts, pod, count, o);
        check_waiting(source->facts, pod, count, o);
    }
}

/* The volumes of a pod or of one of its sets, as they are to be and were. */
struct volume_check {
    const struct facts *facts;
    const Reeve__PodSpec *pod;
    const char *owner;
    struct volume_list next, old;
};

/* The largest that exists for it, and of which instance. */
static int64_t largest_volume(const struct volume_check *check,
                              const char *path, const char **instance)
{
    int64_t most = 0;
    for (uint32_t i = 0; i < check->pod->count; i++) {
        const struct fact_pod *fact =
            facts_pod(check->facts, check->pod->type, i);
        for (size_t j = 0; fact && j < fact->n_volumes; j++) {
            const struct fact_volume *volume = &fact->volumes[j];
            if (volume->milli <= most || !str_eq(volume->owner, check->owner) ||
                !str_eq(volume->path, path))
                continue;
            most = volume->milli;
            *instance = fact->instance;
        }
    }
    return most;
}

static bool is_smaller(const struct volume_check *check,
                       const Reeve__VolumeSpec *volume)
{
    for (size_t i = 0; i < check->old.n; i++)
        if (str_eq(check->old.list[i]->path, volume->path))
            return volume->size_mib < check->old.list[i]->size_mib;
    return false;
}

/* Mesos does not look whether the data fits into less.  A size that was never
 * reached may be taken back. */
static void check_volume_sizes(const struct volume_check *check,
                               struct objections *o)
{
    for (size_t i = 0; i < check->next.n; i++) {
        const Reeve__VolumeSpec *volume = check->next.list[i];
        const char *instance = NULL;
        int64_t most;
        if (volume->allow_shrink || !is_smaller(check, volume))
            continue;
        most = largest_volume(check, volume->path, &instance);
        if (most > volume->size_mib * 1000)
            object(o, xasprintf("Volume '%s' of %s has %lld MiB and would "
                                "shrink to %lld, whether its data fits or not. "
                                "Say 'allow-shrink: true' there if it does",
                                volume->path, instance, (long long)most / 1000,
                                (long long)volume->size_mib));
    }
}

static void check_pod_volumes(const struct target_source *source,
                              const Reeve__PodSpec *old,
                              const Reeve__PodSpec *next, struct objections *o)
{
    struct volume_check check = {source->facts,
                                 next,
                                 "pod",
                                 {next->volumes, next->n_volumes},
                                 {old->volumes, old->n_volumes}};
    check_volume_sizes(&check, o);
    for (size_t j = 0; j < next->n_resource_sets; j++) {
        const Reeve__ResourceSet *set = next->resource_sets[j];
        const Reeve__ResourceSet *was = spec_find_resource_set(old, set->id);
        if (!was)
            continue;
        check.owner = set->id;
        check.next = (struct volume_list){set->volumes, set->n_volumes};
        check.old = (struct volume_list){was->volumes, was->n_volumes};
        check_volume_sizes(&check, o);
    }
}

static void check_volumes(const struct target_source *source,
                          const Reeve__ServiceSpec *old, struct objections *o)
{
    const Reeve__ServiceSpec *next = source->intent->spec;
    for (size_t i = 0; i < next->n_pods; i++) {
        const Reeve__PodSpec *was = spec_find_pod(old, next->pods[i]->type);
        if (was)
            check_pod_volumes(source, was, next->pods[i], o);
    }
}

static void check(const struct target_source *source,
                  const struct fact_config *old, struct objections *o)
{
    const Reeve__ServiceSpec *next = source->intent->spec;
    const Reeve__Target *target = source->facts->target;
    if (target && target->service_name &&
        !str_eq(target->service_name, next->name))
        object(o, xasprintf("Service name '%s' has the same key as the stored "
                            "service '%s'",
                            next->name, target->service_name));
    const Reeve__ServiceSpec *old_spec = old ? old->config->spec : NULL;
    o->n += spec_check_change(old_spec, next, o->texts + o->n, MAX_TEXTS - o->n,
                              &o->is_fatal);
    if (o->n == 0 && old_spec)
        check_shrink(source, old_spec, o);
    if (o->n == 0 && old_spec)
        check_volumes(source, old_spec, o);
}

/* ---- what follows ---- */
static int fail_with(const struct objections *o, struct err *err)
{
    AUTO_BUF struct buf text = {0};
    for (size_t i = 0; i < o->n; i++)
        buf_addf(&text, "%s%s", i ? "; " : "", o->texts[i]);
    return err_set(err, ERR_INVALID, "%s", buf_text(&text));
}

static void put_target(const struct target_source *source,
                       const Reeve__Target *target, struct changes *changes)
{
    changes_replace(changes, facts_key(source->facts, "target", NULL),
                    source->facts->target ? source->facts->target_revision : 0,
                    &target->base);
}

static bool is_lost(const Reeve__ServiceSpec *next, const Reeve__Demand *demand)
{
    const Reeve__PodSpec *pod = spec_find_pod(next, demand->pod_type);
    return !pod || demand->pod_index >= pod->count;
}

/* Wishes of the old configuration go in the same transaction: none of them may
 * be placed once it is not the target any more. Those for lost instances go
 * first and all (check_waiting sees to the bound); the others as far as there
 * is room, as a later round would withdraw them too. */
static void withdraw_old(const struct target_source *source,
                         struct changes *changes)
{
    const struct facts *facts = source->facts;
    const Reeve__ServiceSpec *next = source->intent->spec;
    for (const struct fact_demand *d = facts->demands; d; d = d->hh.next)
        if (is_lost(next, d->demand))
            changes_remove(changes, facts_key(facts, "demand", d->id),
                           d->revision);
    for (const struct fact_demand *d = facts->demands; d; d = d->hh.next)
        if (!is_lost(next, d->demand) && !changes_is_full(changes) &&
            d->demand->recovery == REEVE__DEMAND__RECOVERY__NONE)
            changes_remove(changes, facts_key(facts, "demand", d->id),
                           d->revision);
}

static int install(const struct target_source *source, struct changes *changes)
{
    withdraw_old(source, changes);
    char id[37];
    source->ids.next(source->ids.self, id);

    Reeve__Config config = REEVE__CONFIG__INIT;
    config.id = id;
    config.spec = source->intent->spec;
    PB_SET(&config, created_wall_ms, source->now_ms);
    changes_put(changes, facts_key(source->facts, "config", id), &config.base);

    Reeve__Target target = REEVE__TARGET__INIT;
    target.config_id = id;
    target.service_name = source->intent->spec->name;
    PB_SET(&target, changed_wall_ms, source->now_ms);
    put_target(source, &target, changes);
    return 1;
}

static bool same_texts(const Reeve__Target *target, char *const *texts,
                       size_t n)
{
    if (target->n_errors != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_eq(target->errors[i], texts[i]))
            return false;
    return true;
}

/* The target stays; these are the reasons (none: all is well). */
static int set_errors(const struct target_source *source, char **texts,
                      size_t n, struct changes *changes)
{
    if (same_texts(source->facts->target, texts, n))
        return 0;
    Reeve__Target target = *source->facts->target; /* shallow: not freed */
    target.n_errors = n;
    target.errors = texts;
    put_target(source, &target, changes);
    return 1;
}

int target_decide(const struct target_source *source, struct changes *changes,
                  struct err *err)
{
    const struct intent *intent = source->intent;
    if (!intent)
        return 0;
    const struct fact_config *old = facts_target_config(source->facts);
    if (!intent->spec) {
        if (!source->facts->target)
            return err_set(err, ERR_INVALID, "%s", intent->error);
        return set_errors(source, (char *[]){intent->error}, 1, changes);
    }
    if (old && str_eq(old->spec_digest, intent->digest))
        return set_errors(source, NULL, 0, changes);

    AUTO_OBJECTIONS struct objections o = {0};
    check(source, old, &o);
    if (o.n == 0)
        return install(source, changes);
    if (o.is_fatal || !source->facts->target)
        return fail_with(&o, err);
    return set_errors(source, o.texts, o.n, changes);
}

/* ---- old configurations ---- */
struct used_config {
    const char *id;
    UT_hash_handle hh;
};

static void mark_used(struct used_config **used, const char *id)
{
    struct used_config *entry;
    const char *key = str_or_empty(id);
    HASH_FIND_STR(*used, key, entry);
    if (entry)
        return;
    entry = xcalloc(1, sizeof *entry);
    entry->id = key;
    HASH_ADD_KEYPTR(hh, *used, entry->id, strlen(entry->id), entry);
}

void target_clean_configs(const struct facts *facts, struct changes *changes)
{
    if (!facts->target || HASH_COUNT(facts->configs) < 2)
        return;
    struct used_config *used = NULL, *entry, *next;
    mark_used(&used, facts->target->config_id);
    for (const struct fact_task *t = facts->tasks; t; t = t->hh.next)
        if (t->info)
            mark_used(&used, t->info->config_id);
    for (const struct fact_demand *d = facts->demands; d; d = d->hh.next)
        mark_used(&used, d->demand->config_id);

    for (const struct fact_config *c = facts->configs;
         c && !changes_is_full(changes); c = c->hh.next) {
        HASH_FIND_STR(used, c->id, entry);
        if (!entry)
            changes_remove(changes, facts_key(facts, "config", c->id),
                           c->revision);
    }
    HASH_ITER(hh, used, entry, next)
    {
        HASH_DEL(used, entry);
        free(entry);
    }
}
