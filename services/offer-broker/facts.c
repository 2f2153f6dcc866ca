/* SPDX-License-Identifier: Apache-2.0 */
/* facts - see facts.h
 *
 * One table of entries for each kind, keyed by what names them in the key, plus
 * an index from task id to task name, and one from pod instance to its tasks.
 */
#include "services/offer-broker/facts.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/base.h"
#include "lib/base/heap.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/pack.h"
#include "lib/spec/spec.h"
#include "lib/wire/pool.h"
#include "lib/wire/wire.h"

enum kind {
    KIND_NONE,
    KIND_TARGET,
    KIND_CONFIG,
    KIND_DEMAND,
    KIND_KILL,
    KIND_FRAMEWORK,
    KIND_TASK_INFO,
    KIND_TASK_STATUS,
    KIND_POD,
    KIND_OUTCOME,
    KIND_RELEASE,
    KIND_AGENT,
    KIND_COUNT
};

struct entry {
    const char *id;            /* behind the entry */
    ProtobufCMessage *message; /* NULL: deleted; kept for its revision */
    struct packed *whole;      /* of KIND_TASK_INFO: the record as stored */
    uint64_t revision;
    UT_hash_handle hh;
};

/* pod instance -> its tasks; kept, maybe empty, once heard of. */
struct pod_entry {
    char *instance;
    struct entry **tasks; /* of KIND_TASK_INFO, with a message */
    size_t n_tasks;
    UT_hash_handle hh;
};

/* task id -> task, for the launches that are current. */
struct id_entry {
    struct entry *task; /* its message has the id */
    UT_hash_handle hh;
};

/* Of the tasks there may be ten thousands. */
static const char *const own_texts[] = {
    "id",        "name",        "task_id",        "executor_id", "message",
    "demand_id", "resource_id", "persistence_id", NULL,
};
static const char *const unread_bytes[] = {
    "task_info",
    "executor_info",
    "task_status",
    NULL,
};
static const struct wire_pool_rule rule = {own_texts, unread_bytes};

struct facts {
    struct wire_pool *pool; /* all messages */
    struct pack *pack;      /* of whole records */
    char *service;
    char *prefix; /* "service/<svc>/" */
    struct entry *tables[KIND_COUNT];
    struct id_entry *by_task_id;
    struct pod_entry *by_pod;
    size_t demands;
    void (*watch)(void *self, const char *instance,
                  const Reeve__PodRecord *before,
                  const Reeve__PodRecord *after);
    void *watch_self;
    void (*watch_release)(void *self, const char *resource_id, bool is_ordered);
    void *watch_release_self;
};

static const struct {
    enum kind kind;
    const char *prefix; /* after "service/<svc>/" */
    const char *suffix; /* NULL: the rest is the id */
    const ProtobufCMessageDescriptor *type;
} kinds[] = {
    {KIND_TARGET, "target", NULL, &reeve__target__descriptor},
    {KIND_CONFIG, "config/", NULL, &reeve__config__descriptor},
    {KIND_DEMAND, "demand/", NULL, &reeve__demand__descriptor},
    {KIND_KILL, "kill/", NULL, &reeve__kill_order__descriptor},
    {KIND_FRAMEWORK, "framework", NULL, &reeve__framework__descriptor},
    {KIND_TASK_INFO, "task/", "/info", &reeve__task_record__descriptor},
    {KIND_TASK_STATUS, "task/", "/status",
     &reeve__task_status_record__descriptor},
    {KIND_POD, "pod/", NULL, &reeve__pod_record__descriptor},
    {KIND_OUTCOME, "outcome/", NULL, &reeve__outcome__descriptor},
    {KIND_RELEASE, "release/", NULL, &reeve__release_order__descriptor},
    {KIND_AGENT, "agent/", NULL, &reeve__agent_note__descriptor},
};

struct facts *facts_new(const char *service)
{
    struct facts *facts = xcalloc(1, sizeof(*facts));

    facts->pool = wire_pool_new();
    facts->pack = pack_new();
    facts->service = xstrdup(service);
    facts->prefix = xasprintf("service/%s/", service);
    return facts;
}

static void drop_entry(struct facts *facts, enum kind kind, struct entry *entry)
{
    HASH_DEL(facts->tables[kind], entry);
    wire_pool_free(facts->pool, &entry->message);
    packed_free(entry->whole);
    heap_keep_free(entry);
}

void facts_destroy(struct facts **facts)
{
    struct facts *f = *facts;
    struct entry *entry, *next;
    struct id_entry *id, *next_id;
    struct pod_entry *pod, *next_pod;

    if (!f)
        return;
    HASH_ITER(hh, f->by_pod, pod, next_pod)
    {
        HASH_DEL(f->by_pod, pod);
        free(pod->instance);
        free(pod->tasks);
        free(pod);
    }
    HASH_ITER(hh, f->by_task_id, id, next_id)
    {
        HASH_DEL(f->by_task_id, id);
        free(id);
    }
    for (size_t k = 0; k < KIND_COUNT; k++) {
        HASH_ITER(hh, f->tables[k], entry, next)
        {
            drop_entry(f, (enum kind)k, entry);
        }
    }
    wire_pool_destroy(&f->pool);
    pack_destroy(&f->pack);
    free(f->service);
    free(f->prefix);
    free(f);
    *facts = NULL;
}

const char *facts_service(const struct facts *facts)
{
    return facts->service;
}

/* Which kind a key is, and the id in it (malloc'd); KIND_NONE for others. */
static size_t classify(const struct facts *facts, const char *key, char **id)
{
    const char *rest;

    *id = NULL;
    if (!str_starts(key, facts->prefix))
        return ARRAY_LEN(kinds);
    rest = key + strlen(facts->prefix);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t before = strlen(kinds[i].prefix);
        size_t after = kinds[i].suffix ? strlen(kinds[i].suffix) : 0;

        if (strncmp(rest, kinds[i].prefix, before) != 0)
            continue;
        if (kinds[i].prefix[before - 1] != '/' && rest[before] != '\0')
            continue;
        if (kinds[i].suffix && !str_ends(rest + before, kinds[i].suffix))
            continue;
        *id = xstrndup(rest + before, strlen(rest + before) - after);
        return i;
    }
    return ARRAY_LEN(kinds);
}

static struct entry *entry_new(const char *id)
{
    size_t len = strlen(id) + 1;
    struct entry *entry = heap_keep(sizeof(*entry) + len);

    entry->id = memcpy(entry + 1, id, len);
    return entry;
}

static struct entry *find_entry(const struct facts *facts, enum kind kind,
                                const char *id)
{
    struct entry *entry = NULL;

    HASH_FIND_STR(facts->tables[kind], id, entry);
    return entry;
}

/* task_id: of the message that the entry is about to have. */
static void index_task(struct facts *facts, const char *task_id,
                       struct entry *task)
{
    struct id_entry *index = NULL;

    if (!task_id)
        return;
    HASH_FIND_STR(facts->by_task_id, task_id, index);
    if (index)
        return;
    index = xcalloc(1, sizeof(*index));
    index->task = task;
    HASH_ADD_KEYPTR(hh, facts->by_task_id, task_id, strlen(task_id), index);
}

static void unindex_task(struct facts *facts, const char *task_id)
{
    struct id_entry *index = NULL;

    if (!task_id)
        return;
    HASH_FIND_STR(facts->by_task_id, task_id, index);
    if (!index)
        return;
    HASH_DEL(facts->by_task_id, index);
    free(index);
}

static struct pod_entry *find_pod(const struct facts *facts,
                                  const char *instance)
{
    struct pod_entry *pod = NULL;

    HASH_FIND_STR(facts->by_pod, instance, pod);
    return pod;
}

static struct pod_entry *pod_of(struct facts *facts,
                                const Reeve__TaskRecord *task)
{
    AUTO_FREE char *instance =
        spec_pod_instance(str_or_empty(task->pod_type), task->pod_index);
    struct pod_entry *pod = find_pod(facts, instance);

    if (pod)
        return pod;
    pod = xcalloc(1, sizeof(*pod));
    pod->instance = MOVE(instance);
    HASH_ADD_KEYPTR(hh, facts->by_pod, pod->instance, strlen(pod->instance),
                    pod);
    return pod;
}

static void join_pod(struct pod_entry *pod, struct entry *task)
{
    pod->tasks = xrealloc(pod->tasks, (pod->n_tasks + 1) * sizeof(*pod->tasks));
    pod->tasks[pod->n_tasks++] = task;
}

static void leave_pod(struct pod_entry *pod, const struct entry *task)
{
    size_t at = 0;

    while (pod->tasks[at] != task)
        at++;
    pod->n_tasks--;
    memmove(pod->tasks + at, pod->tasks + at + 1,
            (pod->n_tasks - at) * sizeof(*pod->tasks));
}

static void replace_task(struct facts *facts, struct entry *entry,
                         Reeve__TaskRecord *task)
{
    const Reeve__TaskRecord *former = (const Reeve__TaskRecord *)entry->message;

    if (former) {
        unindex_task(facts, former->task_id);
        leave_pod(pod_of(facts, former), entry);
    }
    if (task) {
        index_task(facts, task->task_id, entry);
        join_pod(pod_of(facts, task), entry);
    }
}

/* Puts the message in the place of the former one; takes it. */
static void replace(struct facts *facts, enum kind kind, struct entry *entry,
                    ProtobufCMessage *message)
{
    if (kind == KIND_TASK_INFO)
        replace_task(facts, entry, (Reeve__TaskRecord *)message);
    if (kind == KIND_POD && facts->watch)
        facts->watch(facts->watch_self, entry->id,
                     (const Reeve__PodRecord *)entry->message,
                     (const Reeve__PodRecord *)message);
    if (kind == KIND_RELEASE && facts->watch_release)
        facts->watch_release(facts->watch_release_self, entry->id,
                             message != NULL);
    if (kind == KIND_DEMAND)
        facts->demands +=
            (size_t)(message != NULL) - (size_t)(entry->message != NULL);
    wire_pool_free(facts->pool, &entry->message);
    packed_free(MOVE(entry->whole));
    entry->message = message;
}

int facts_apply(struct facts *facts, const char *key, const void *value,
                size_t len, uint64_t revision, struct err *err)
{
    AUTO_FREE char *id = NULL;
    size_t index = classify(facts, key, &id);
    ProtobufCMessage *message = NULL;
    struct entry *entry;
    int result = 0;

    if (index == ARRAY_LEN(kinds))
        return 0;
    entry = find_entry(facts, kinds[index].kind, id);
    /* The same: we wrote it ourselves and know it already. */
    if (entry && entry->revision >= revision)
        return 0;
    if (value && !(message = wire_pool_decode(facts->pool, kinds[index].type,
                                              value, len, &rule, err)))
        result = err_wrap(err, "%s", key);
    if (!entry) {
        entry = entry_new(id);
        HASH_ADD_KEYPTR(hh, facts->tables[kinds[index].kind], entry->id,
                        strlen(entry->id), entry);
    }
    replace(facts, kinds[index].kind, entry, message);
    entry->revision = revision;
    if (message && kinds[index].kind == KIND_TASK_INFO)
        entry->whole = pack_keep(facts->pack, "task", value, len);
    /* Demands, kills and outcomes come and go for ever; what their deleted
     * entries would protect from (an older put that arrives after our own
     * delete) is refused by the store's preconditions anyway. */
    if (!message &&
        (kinds[index].kind == KIND_DEMAND || kinds[index].kind == KIND_KILL ||
         kinds[index].kind == KIND_OUTCOME ||
         kinds[index].kind == KIND_RELEASE || kinds[index].kind == KIND_AGENT))
        drop_entry(facts, kinds[index].kind, entry);
    return result;
}

static const ProtobufCMessage *get(const struct facts *facts, enum kind kind,
                                   const char *id, uint64_t *revision)
{
    const struct entry *entry = id ? find_entry(facts, kind, id) : NULL;
    bool is_there = entry && entry->message;

    if (revision)
        *revision = is_there ? entry->revision : 0;
    return is_there ? entry->message : NULL;
}

const Reeve__Target *facts_target(const struct facts *facts)
{
    return (const Reeve__Target *)get(facts, KIND_TARGET, "", NULL);
}

const Reeve__Config *facts_config(const struct facts *facts, const char *id)
{
    return (const Reeve__Config *)get(facts, KIND_CONFIG, id, NULL);
}

const Reeve__Config *facts_target_config(const struct facts *facts)
{
    const Reeve__Target *target = facts_target(facts);

    return target ? facts_config(facts, target->config_id) : NULL;
}

const Reeve__Framework *facts_framework(const struct facts *facts,
                                        uint64_t *revision)
{
    return (const Reeve__Framework *)get(facts, KIND_FRAMEWORK, "", revision);
}

const Reeve__Demand *facts_demand(const struct facts *facts, const char *id,
                                  uint64_t *revision)
{
    return (const Reeve__Demand *)get(facts, KIND_DEMAND, id, revision);
}

const Reeve__KillOrder *facts_kill(const struct facts *facts,
                                   const char *task_id, uint64_t *revision)
{
    return (const Reeve__KillOrder *)get(facts, KIND_KILL, task_id, revision);
}

const Reeve__PodRecord *facts_pod(const struct facts *facts,
                                  const char *instance, uint64_t *revision)
{
    return (const Reeve__PodRecord *)get(facts, KIND_POD, instance, revision);
}

const Reeve__Outcome *facts_outcome(const struct facts *facts,
                                    const char *instance, uint64_t *revision)
{
    return (const Reeve__Outcome *)get(facts, KIND_OUTCOME, instance, revision);
}

const Reeve__ReleaseOrder *facts_release(const struct facts *facts,
                                         const char *resource_id,
                                         uint64_t *revision)
{
    return (const Reeve__ReleaseOrder *)get(facts, KIND_RELEASE, resource_id,
                                            revision);
}

const Reeve__AgentNote *facts_agent(const struct facts *facts,
                                    const char *agent_id, uint64_t *revision)
{
    return (const Reeve__AgentNote *)get(facts, KIND_AGENT, agent_id, revision);
}

bool facts_task(const struct facts *facts, const char *name,
                struct fact_task *out)
{
    const struct entry *info = find_entry(facts, KIND_TASK_INFO, name);
    const struct entry *status = find_entry(facts, KIND_TASK_STATUS, name);

    memset(out, 0, sizeof(*out));
    if (info && info->message) {
        out->name = info->id;
        out->info = (const Reeve__TaskRecord *)info->message;
        out->info_revision = info->revision;
    }
    if (status && status->message) {
        out->name = status->id;
        out->status = (const Reeve__TaskStatusRecord *)status->message;
        out->status_revision = status->revision;
    }
    return out->name != NULL;
}

Reeve__TaskRecord *facts_task_record(const struct facts *facts,
                                     const char *name)
{
    const struct entry *info = find_entry(facts, KIND_TASK_INFO, name);
    AUTO_BUF struct buf bytes = {0};

    if (!info || !info->whole)
        return NULL;
    packed_read(info->whole, &bytes);
    return WIRE_DECODE(reeve__task_record, bytes.data, bytes.len, NULL);
}

bool facts_task_by_id(const struct facts *facts, const char *task_id,
                      struct fact_task *out)
{
    struct id_entry *index = NULL;

    HASH_FIND_STR(facts->by_task_id, task_id, index);
    if (index)
        return facts_task(facts, index->task->id, out);
    memset(out, 0, sizeof(*out));
    return false;
}

size_t facts_demand_count(const struct facts *facts)
{
    return facts->demands;
}

static void each(const struct facts *facts, enum kind kind,
                 void (*fn)(void *self, const struct fact *fact), void *self)
{
    struct entry *entry, *next;

    HASH_ITER(hh, facts->tables[kind], entry, next)
    {
        struct fact fact = {entry->id, entry->message, entry->revision};

        if (entry->message)
            fn(self, &fact);
    }
}

void facts_each_demand(const struct facts *facts,
                       void (*fn)(void *self, const struct fact *fact),
                       void *self)
{
    each(facts, KIND_DEMAND, fn, self);
}

void facts_each_kill(const struct facts *facts,
                     void (*fn)(void *self, const struct fact *fact),
                     void *self)
{
    each(facts, KIND_KILL, fn, self);
}

void facts_each_pod(const struct facts *facts,
                    void (*fn)(void *self, const struct fact *fact), void *self)
{
    each(facts, KIND_POD, fn, self);
}

void facts_each_outcome(const struct facts *facts,
                        void (*fn)(void *self, const struct fact *fact),
                        void *self)
{
    each(facts, KIND_OUTCOME, fn, self);
}

void facts_each_release(const struct facts *facts,
                        void (*fn)(void *self, const struct fact *fact),
                        void *self)
{
    each(facts, KIND_RELEASE, fn, self);
}

void facts_each_agent(const struct facts *facts,
                      void (*fn)(void *self, const struct fact *fact),
                      void *self)
{
    each(facts, KIND_AGENT, fn, self);
}

void facts_each_task(const struct facts *facts,
                     void (*fn)(void *self, const struct fact_task *task),
                     void *self)
{
    struct entry *entry, *next;

    HASH_ITER(hh, facts->tables[KIND_TASK_INFO], entry, next)
    {
        struct fact_task task;

        if (entry->message && facts_task(facts, entry->id, &task))
            fn(self, &task);
    }
}

void facts_each_task_of(const struct facts *facts, const char *instance,
                        void (*fn)(void *self, const struct fact_task *task),
                        void *self)
{
    const struct pod_entry *pod = find_pod(facts, instance);

    for (size_t i = 0; pod && i < pod->n_tasks; i++) {
        struct fact_task task;

        if (facts_task(facts, pod->tasks[i]->id, &task))
            fn(self, &task);
    }
}

void facts_watch_pods(struct facts *facts,
                      void (*fn)(void *self, const char *instance,
                                 const Reeve__PodRecord *before,
                                 const Reeve__PodRecord *after),
                      void *self)
{
    facts->watch = fn;
    facts->watch_self = self;
}

void facts_watch_releases(struct facts *facts,
                          void (*fn)(void *self, const char *resource_id,
                                     bool is_ordered),
                          void *self)
{
    facts->watch_release = fn;
    facts->watch_release_self = self;
}

char *facts_key(const struct facts *facts, const char *rest)
{
    return xasprintf("%s%s", facts->prefix, rest);
}

char *facts_key_task_info(const struct facts *facts, const char *name)
{
    return xasprintf("%stask/%s/info", facts->prefix, name);
}

char *facts_key_task_status(const struct facts *facts, const char *name)
{
    return xasprintf("%stask/%s/status", facts->prefix, name);
}

char *facts_key_demand(const struct facts *facts, const char *id)
{
    return xasprintf("%sdemand/%s", facts->prefix, id);
}

char *facts_key_kill(const struct facts *facts, const char *task_id)
{
    return xasprintf("%skill/%s", facts->prefix, task_id);
}

char *facts_key_pod(const struct facts *facts, const char *instance)
{
    return xasprintf("%spod/%s", facts->prefix, instance);
}

char *facts_key_outcome(const struct facts *facts, const char *instance)
{
    return xasprintf("%soutcome/%s", facts->prefix, instance);
}

char *facts_key_release(const struct facts *facts, const char *resource_id)
{
    return xasprintf("%srelease/%s", facts->prefix, resource_id);
}

char *facts_key_agent(const struct facts *facts, const char *agent_id)
{
    return xasprintf("%sagent/%s", facts->prefix, agent_id);
}

char *facts_service_of_key(const char *key)
{
    static const char prefix[] = "service/";
    const char *name, *end;

    if (!str_starts(key, prefix))
        return NULL;
    name = key + strlen(prefix);
    end = strchr(name, '/');
    return end && end > name ? xstrndup(name, (size_t)(end - name)) : NULL;
}
