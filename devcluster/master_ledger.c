/* SPDX-License-Identifier: Apache-2.0 */
/* master_ledger - who holds which resources: free, offered, used; shares
 *
 * Resources of tasks, executors and offers carry the role they are allocated
 * to; an agent's free and total lists carry none.  A shared volume stays free
 * as long as it exists, however often it is used.
 */
#include "devcluster/master_state.h"

#include <string.h>

void agent_changed(struct magent *agent)
{
    agent->version++;
}

struct mrole *role_get(struct master *m, const char *name)
{
    struct mrole *role;

    HASH_FIND_STR(m->roles, name, role);
    if (!role) {
        role = xcalloc(1, sizeof *role);
        role->name = xstrdup(name);
        HASH_ADD_KEYPTR(hh, m->roles, role->name, strlen(role->name), role);
        m->nested_roles |= strchr(name, '/') != NULL;
    }
    return role;
}

void ledger_share(struct master *m, struct framework *fw,
                  const struct resources *pool, int sign)
{
    for (size_t i = 0; i < resources_count(pool); i++) {
        const Mesos__V1__Resource *r = resources_at(pool, i);
        const char *name = resource_allocated_role(r);
        int64_t milli = sign * resource_milli(r);

        for (int k = 0; k < SHARE_COUNT; k++) {
            if (!str_eq(r->name, share_names[k]))
                continue;
            fw->shares[k] += milli;
            if (name)
                role_get(m, name)->shares[k] += milli;
        }
    }
}

void agent_count_totals(struct master *m, const struct magent *agent, int sign)
{
    for (int k = 0; k < SHARE_COUNT; k++)
        m->totals[k] += sign * resources_sum(agent->total, share_names[k]);
}

void ledger_offer(struct master *m, struct magent *agent, struct framework *fw,
                  const struct resources *pool)
{
    struct resources *plain = resources_new();

    for (size_t i = 0; i < resources_count(pool); i++) {
        if (!resource_is_shared(resources_at(pool, i)))
            resources_add(plain, resources_at(pool, i));
    }
    resources_allocate(plain, NULL);
    ASSERT(resources_subtract_all(agent->free, plain, NULL) == 0);
    resources_destroy(&plain);
    ledger_share(m, fw, pool, 1);
    agent_changed(agent);
}

/* A task may have named another container_path or mode for its volume: the one
 * of its creation counts. */
static void restore_volume(const struct magent *agent,
                           Mesos__V1__Resource **volume)
{
    for (size_t i = 0; i < resources_count(agent->total); i++) {
        const Mesos__V1__Resource *made = resources_at(agent->total, i);

        if (!resource_is_volume(made) || !resource_equal(made, *volume))
            continue;
        resource_free(volume);
        *volume = resource_dup(made);
        return;
    }
}

static void add_free(struct magent *agent, const Mesos__V1__Resource *r)
{
    Mesos__V1__Resource *plain = resource_dup(r);

    resource_allocate(plain, NULL);
    if (resource_is_volume(plain))
        restore_volume(agent, &plain);
    if (!resource_is_shared(plain) ||
        (!resources_contains(agent->free, plain) &&
         resources_contains(agent->total, plain)))
        resources_add(agent->free, plain);
    resource_free(&plain);
}

void ledger_give_back(struct master *m, struct magent *agent,
                      struct framework *fw, const struct resources *pool)
{
    if (resources_is_empty(pool))
        return;
    for (size_t i = 0; i < resources_count(pool); i++)
        add_free(agent, resources_at(pool, i));
    ledger_share(m, fw, pool, -1);
    agent_changed(agent);
}

void ledger_forget(struct master *m, struct framework *fw,
                   const struct resources *pool)
{
    ledger_share(m, fw, pool, -1);
}

struct resources *agent_used(const struct magent *agent,
                             const struct framework *only)
{
    struct resources *sum = resources_new();
    const struct mtask *task;
    const struct mexecutor *executor;

    DL_FOREACH(agent->tasks, task)
    {
        if (task->used && (!only || task->framework == only))
            resources_add_all(sum, task->used);
    }
    DL_FOREACH(agent->executors, executor)
    {
        if (!only || executor->framework == only)
            resources_add_all(sum, executor->used);
    }
    return sum;
}

int64_t agent_used_milli(const struct magent *agent, int share)
{
    const struct mtask *task;
    const struct mexecutor *executor;
    int64_t sum = 0;

    DL_FOREACH(agent->tasks, task)
    {
        if (task->used)
            sum += task->used_milli[share];
    }
    DL_FOREACH(agent->executors, executor)
    {
        sum += executor->used_milli[share];
    }
    return sum;
}

struct resources *agent_offered(const struct magent *agent)
{
    struct resources *sum = resources_new();
    const struct moffer *offer;

    DL_FOREACH2(agent->offers, offer, ag_next)
    resources_add_all(sum, offer->pool);
    return sum;
}

/* What is used never changes until it is given back: counted once. */
static void count_used(int64_t out[SHARE_COUNT], const struct resources *used)
{
    for (int k = 0; k < SHARE_COUNT; k++)
        out[k] = resources_sum(used, share_names[k]);
}

/* ---- tasks -------------------------------------------------------------- */

Mesos__V1__Task *task_message(const Mesos__V1__TaskInfo *info,
                              const struct framework *fw,
                              const char *executor_id)
{
    Mesos__V1__Task *msg = PB_NEW(mesos__v1__task);

    msg->name = xstrdup(info->name);
    msg->task_id = pb_task_id(info->task_id->value);
    msg->framework_id = pb_framework_id(fw->id);
    msg->agent_id = pb_agent_id(info->agent_id->value);
    if (executor_id)
        msg->executor_id = pb_executor_id(executor_id);
    msg->state = TASK(STAGING);
    pb_copy_resources(info->resources, info->n_resources, &msg->resources,
                      &msg->n_resources);
    if (info->labels)
        msg->labels = PB_DUP(info->labels);
    if (info->discovery)
        msg->discovery = PB_DUP(info->discovery);
    if (info->container)
        msg->container = PB_DUP(info->container);
    if (info->health_check)
        msg->health_check = PB_DUP(info->health_check);
    if (info->kill_policy)
        msg->kill_policy = PB_DUP(info->kill_policy);
    if (info->command && info->command->user)
        msg->user = xstrdup(info->command->user);
    for (size_t i = 0; i < info->n_limits; i++) {
        Mesos__V1__Task__LimitsEntry *entry =
            PB_NEW(mesos__v1__task__limits_entry);

        entry->key = xstrdup(info->limits[i]->key);
        entry->value = PB_DUP(info->limits[i]->value);
        PB_ADD(msg, limits, entry);
    }
    return msg;
}

/* The resources must be out of the agent's free ones already. */
struct mtask *task_add(struct master *m, struct magent *agent,
                       struct framework *fw, Mesos__V1__Task *msg)
{
    struct mtask *task = xcalloc(1, sizeof *task);

    task->msg = msg;
    task->framework = fw;
    task->agent = agent;
    task->used = resources_from(msg->resources, msg->n_resources);
    count_used(task->used_milli, task->used);
    HASH_ADD_KEYPTR(hh, fw->tasks, msg->task_id->value,
                    strlen(msg->task_id->value), task);
    DL_APPEND(agent->tasks, task);
    watch_task_added(m, task);
    return task;
}

void task_release(struct master *m, struct mtask *task)
{
    if (!task->used)
        return;
    if (task->agent)
        ledger_give_back(m, task->agent, task->framework, task->used);
    else
        ledger_forget(m, task->framework, task->used);
    resources_destroy(&task->used);
}

void task_free(struct mtask *task)
{
    resources_destroy(&task->used);
    PB_FREE(task->msg);
    free(task);
}

void task_complete(struct master *m, struct mtask *task)
{
    struct framework *fw = task->framework;

    task_release(m, task);
    HASH_DEL(fw->tasks, task);
    if (task->agent)
        DL_DELETE(task->agent->tasks, task);
    task->agent = NULL;
    if ((unsigned)task->msg->state < ARRAY_LEN(m->states)) {
        m->states[task->msg->state]++;
        fw->states[task->msg->state]++;
    }
    DL_APPEND(fw->done, task);
    if (++fw->n_done > MAX_COMPLETED_TASKS) {
        struct mtask *oldest = fw->done;

        DL_DELETE(fw->done, oldest);
        task_free(oldest);
        fw->n_done--;
    }
}

/* ---- executors ---------------------------------------------------------- */

struct mexecutor *executor_add(struct master *m UNUSED, struct magent *agent,
                               struct framework *fw,
                               const Mesos__V1__ExecutorInfo *info)
{
    struct mexecutor *executor = xcalloc(1, sizeof *executor);

    executor->info = PB_DUP(info);
    executor->framework = fw;
    executor->agent = agent;
    executor->used = resources_from(info->resources, info->n_resources);
    count_used(executor->used_milli, executor->used);
    DL_APPEND(agent->executors, executor);
    return executor;
}

void executor_remove(struct master *m, struct mexecutor *executor)
{
    DL_DELETE(executor->agent->executors, executor);
    ledger_give_back(m, executor->agent, executor->framework, executor->used);
    resources_destroy(&executor->used);
    PB_FREE(executor->info);
    free(executor);
}
