/* SPDX-License-Identifier: Apache-2.0 */
/* task_rules - see task_rules.h */
#include "devcluster/task_rules.h"

#include <string.h>

#include "devcluster/json_view.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mesos/resources.h"
#include "lib/mesos/states.h"
#include "lib/wire/pb.h"
#include "lib/wire/wire.h"

#define CHECK(name)  MESOS__V1__CHECK_INFO__TYPE__##name
#define HEALTH(name) MESOS__V1__HEALTH_CHECK__TYPE__##name

#define EXECUTOR_MIN_CPUS_MILLI 10
#define EXECUTOR_MIN_MEM_MILLI  32000

/* ---- commands and environment ------------------------------------------- */

static int environment_validate(const Mesos__V1__Environment *env,
                                struct err *err)
{
    for (size_t i = 0; env && i < env->n_variables; i++) {
        const Mesos__V1__Environment__Variable *v = env->variables[i];
        bool secret = v->has_type &&
                      v->type == MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__SECRET;

        if (v->has_type &&
            v->type == MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__UNKNOWN)
            return err_set(err, ERR_INVALID,
                           "Environment variable of type 'UNKNOWN' is not "
                           "allowed");
        if (secret && (!v->secret || v->value))
            return err_set(err, ERR_INVALID,
                           "Environment variable '%s' of type 'SECRET' must "
                           "have a secret set and no value",
                           v->name);
        if (!secret && (!v->value || v->secret))
            return err_set(err, ERR_INVALID,
                           "Environment variable '%s' of type 'VALUE' must "
                           "have a value set and no secret",
                           v->name);
    }
    return 0;
}

static int command_validate(const Mesos__V1__CommandInfo *command,
                            struct err *err)
{
    return command ? environment_validate(command->environment, err) : 0;
}

/* ---- checks ------------------------------------------------------------- */

static int not_negative(bool has, double value, const char *name,
                        struct err *err)
{
    if (has && !(value >= 0))
        return err_set(err, ERR_INVALID, "Expecting '%s' to be non-negative",
                       name);
    return 0;
}

static int check_kind_validate(const Mesos__V1__CheckInfo *check,
                               struct err *err)
{
    switch ((int)check->type) {
    case CHECK(COMMAND):
        if (!check->command)
            return err_set(err, ERR_INVALID,
                           "Expecting 'command' to be set for COMMAND check");
        return command_validate(check->command->command, err);
    case CHECK(HTTP):
        if (!check->http)
            return err_set(err, ERR_INVALID,
                           "Expecting 'http' to be set for HTTP check");
        if (check->http->path && check->http->path[0] != '/')
            return err_set(err, ERR_INVALID,
                           "The path '%s' of HTTP check must start with '/'",
                           check->http->path);
        return 0;
    case CHECK(TCP):
        if (!check->tcp)
            return err_set(err, ERR_INVALID,
                           "Expecting 'tcp' to be set for TCP check");
        return 0;
    default:
        return err_set(
            err, ERR_INVALID, "'%s' is not a valid check type",
            str_or_empty(wire_enum_name(
                &mesos__v1__check_info__type__descriptor, (int)check->type)));
    }
}

static int check_validate(const Mesos__V1__CheckInfo *check, struct err *err)
{
    if (!check->has_type)
        return err_set(err, ERR_INVALID, "CheckInfo must specify 'type'");
    if (check_kind_validate(check, err) < 0)
        return -1;
    if (not_negative(check->has_delay_seconds, check->delay_seconds,
                     "delay_seconds", err) < 0 ||
        not_negative(check->has_interval_seconds, check->interval_seconds,
                     "interval_seconds", err) < 0)
        return -1;
    return not_negative(check->has_timeout_seconds, check->timeout_seconds,
                        "timeout_seconds", err);
}

static int health_http_validate(const Mesos__V1__HealthCheck__HTTPCheckInfo *h,
                                struct err *err)
{
    if (!h)
        return err_set(err, ERR_INVALID,
                       "Expecting 'http' to be set for HTTP health check");
    if (h->scheme && !str_eq(h->scheme, "http") && !str_eq(h->scheme, "https"))
        return err_set(err, ERR_INVALID,
                       "Unsupported HTTP health check scheme: '%s'", h->scheme);
    if (h->path && h->path[0] != '/')
        return err_set(err, ERR_INVALID,
                       "The path '%s' of HTTP health check must start with "
                       "'/'",
                       h->path);
    return 0;
}

static int health_kind_validate(const Mesos__V1__HealthCheck *health,
                                struct err *err)
{
    switch ((int)health->type) {
    case HEALTH(COMMAND):
        if (!health->command)
            return err_set(
                err, ERR_INVALID,
                "Expecting 'command' to be set for COMMAND health check");
        if (!health->command->value)
            return err_set(err, ERR_INVALID,
                           "Command health check must contain %s",
                           health->command->shell ? "'shell command'"
                                                  : "'executable path'");
        return command_validate(health->command, err);
    case HEALTH(HTTP):
        return health_http_validate(health->http, err);
    case HEALTH(TCP):
        if (!health->tcp)
            return err_set(err, ERR_INVALID,
                           "Expecting 'tcp' to be set for TCP health check");
        return 0;
    default:
        return err_set(err, ERR_INVALID,
                       "'%s' is not a valid health check type",
                       str_or_empty(wire_enum_name(
                           &mesos__v1__health_check__type__descriptor,
                           (int)health->type)));
    }
}

static int health_validate(const Mesos__V1__HealthCheck *h, struct err *err)
{
    if (!h->has_type)
        return err_set(err, ERR_INVALID, "HealthCheck must specify 'type'");
    if (health_kind_validate(h, err) < 0)
        return -1;
    if (not_negative(h->has_delay_seconds, h->delay_seconds, "delay_seconds",
                     err) < 0 ||
        not_negative(h->has_grace_period_seconds, h->grace_period_seconds,
                     "grace_period_seconds", err) < 0 ||
        not_negative(h->has_interval_seconds, h->interval_seconds,
                     "interval_seconds", err) < 0)
        return -1;
    return not_negative(h->has_timeout_seconds, h->timeout_seconds,
                        "timeout_seconds", err);
}

/* ---- containers --------------------------------------------------------- */

static int volume_validate(const Mesos__V1__Volume *volume, struct err *err)
{
    int set = (volume->host_path != NULL) + (volume->image != NULL) +
              (volume->source != NULL);
    const Mesos__V1__Volume__Source *s = volume->source;
    bool part;

    if (set != 1)
        return err_set(err, ERR_INVALID,
                       "Only one of them should be set: 'host_path', 'image' "
                       "and 'source'");
    if (!s)
        return 0;
    part = (s->type == MESOS__V1__VOLUME__SOURCE__TYPE__SANDBOX_PATH &&
            s->sandbox_path) ||
           (s->type == MESOS__V1__VOLUME__SOURCE__TYPE__HOST_PATH &&
            s->host_path) ||
           (s->type == MESOS__V1__VOLUME__SOURCE__TYPE__DOCKER_VOLUME &&
            s->docker_volume) ||
           (s->type == MESOS__V1__VOLUME__SOURCE__TYPE__SECRET && s->secret) ||
           (s->type == MESOS__V1__VOLUME__SOURCE__TYPE__CSI_VOLUME &&
            s->csi_volume);
    if (!s->has_type || !part)
        return err_set(err, ERR_INVALID,
                       "The message of the volume's 'source.type' is not set");
    return 0;
}

static int container_validate(const Mesos__V1__ContainerInfo *container,
                              struct err *err)
{
    for (size_t i = 0; i < container->n_volumes; i++) {
        if (volume_validate(container->volumes[i], err) < 0)
            return err_wrap(err, "Invalid volume");
    }
    if (container->type == MESOS__V1__CONTAINER_INFO__TYPE__DOCKER &&
        !container->docker)
        return err_set(err, ERR_INVALID,
                       "DockerInfo 'docker' is not set for DOCKER typed "
                       "ContainerInfo");
    for (size_t i = 0; container->docker && i < container->docker->n_parameters;
         i++) {
        if (str_eq(container->docker->parameters[i]->key, "name"))
            return err_set(err, ERR_INVALID,
                           "Parameter in DockerInfo must not be 'name'");
    }
    return 0;
}

static bool shares_cgroups(const Mesos__V1__TaskInfo *task)
{
    const Mesos__V1__LinuxInfo *info =
        task->container ? task->container->linux_info : NULL;

    return !info || !info->has_share_cgroups || info->share_cgroups;
}

static int group_task_validate(const Mesos__V1__TaskInfo *task, struct err *err)
{
    if (task->container &&
        task->container->type == MESOS__V1__CONTAINER_INFO__TYPE__DOCKER)
        return err_set(err, ERR_INVALID,
                       "Docker ContainerInfo is not supported on the task");
    if (task->n_limits && shares_cgroups(task))
        return err_set(err, ERR_INVALID,
                       "Resource limits may only be set for tasks within a "
                       "task group when the 'share_cgroups' field is set to "
                       "'false'.");
    return 0;
}

static int single_task_validate(const Mesos__V1__TaskInfo *task,
                                struct err *err)
{
    if (!task->command == !task->executor)
        return err_set(err, ERR_INVALID,
                       "Task should have at least one (but not both) of "
                       "CommandInfo or ExecutorInfo present");
    if (task->container && task->container->linux_info &&
        task->container->linux_info->has_share_cgroups &&
        !task->container->linux_info->share_cgroups)
        return err_set(err, ERR_INVALID,
                       "Only tasks within a task group may have "
                       "'share_cgroups' set to 'false'");
    return 0;
}

/* ---- resources ---------------------------------------------------------- */

static int resources_rules(Mesos__V1__Resource *const *list, size_t count,
                           struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(resource_allocated_role(list[i]),
                    resource_allocated_role(list[0])))
            return err_set(err, ERR_INVALID,
                           "The resources have multiple allocation roles ('%s' "
                           "and '%s') but only one allocation role is "
                           "allowed",
                           str_or_empty(resource_allocated_role(list[0])),
                           str_or_empty(resource_allocated_role(list[i])));
        for (size_t k = 0; k < i; k++) {
            if (resource_is_volume(list[i]) && resource_is_volume(list[k]) &&
                str_eq(resource_volume_id(list[i]),
                       resource_volume_id(list[k])) &&
                str_eq(resource_role(list[i]), resource_role(list[k])))
                return err_set(err, ERR_INVALID,
                               "Persistence ID '%s' is not unique",
                               resource_volume_id(list[i]));
        }
    }
    return 0;
}

static int limits_validate(const Mesos__V1__TaskInfo *task, struct err *err)
{
    AUTO(resources)
    struct resources *asked =
        resources_from(task->resources, task->n_resources);

    for (size_t i = 0; i < task->n_limits; i++) {
        const char *name = str_or_empty(task->limits[i]->key);
        int64_t request = resources_sum(asked, name);

        if (!str_eq(name, "cpus") && !str_eq(name, "mem"))
            return err_set(err, ERR_INVALID,
                           "Resource limits are only supported for 'cpus' and "
                           "'mem', not '%s'",
                           name);
        if (!request)
            return err_set(err, ERR_INVALID,
                           "When a limit is specified, a '%s' request must "
                           "also be specified",
                           name);
        if (!task->limits[i]->value ||
            milli_of(task->limits[i]->value->value) < request)
            return err_set(err, ERR_INVALID,
                           "The '%s' limit must not be less than the request",
                           name);
    }
    return 0;
}

int task_validate(const Mesos__V1__TaskInfo *task, bool in_group,
                  struct err *err)
{
    if (task->kill_policy && task->kill_policy->grace_period &&
        task->kill_policy->grace_period->nanoseconds < 0)
        return err_set(err, ERR_INVALID,
                       "Task's 'kill_policy.grace_period' must be "
                       "non-negative");
    if (task->max_completion_time && task->max_completion_time->nanoseconds < 0)
        return err_set(err, ERR_INVALID,
                       "Task's 'max_completion_time' must be non-negative");
    if (task->check && check_validate(task->check, err) < 0)
        return err_wrap(err, "Task uses invalid check");
    if (task->health_check && health_validate(task->health_check, err) < 0)
        return err_wrap(err, "Task uses invalid health check");
    if (!task->n_resources)
        return err_set(err, ERR_INVALID, "Task uses no resources");
    if (resources_rules(task->resources, task->n_resources, err) < 0)
        return err_wrap(err, "Task uses invalid resources");
    if (command_validate(task->command, err) < 0)
        return err_wrap(err, "Task's `CommandInfo` is invalid");
    if (task->container && container_validate(task->container, err) < 0)
        return err_wrap(err, "Task's `ContainerInfo` is invalid");
    if (in_group && group_task_validate(task, err) < 0)
        return -1;
    if (!in_group && single_task_validate(task, err) < 0)
        return -1;
    return limits_validate(task, err);
}

/* ---- executors ---------------------------------------------------------- */

static int executor_resources_validate(const Mesos__V1__ExecutorInfo *executor,
                                       struct err *err)
{
    AUTO(resources)
    struct resources *r =
        resources_from(executor->resources, executor->n_resources);
    const char *id = executor->executor_id->value;
    int64_t cpus = resources_sum(r, "cpus"), mem = resources_sum(r, "mem");
    char text[64];

    if (resources_rules(executor->resources, executor->n_resources, err) < 0)
        return err_wrap(err, "Executor uses invalid resources");
    if (cpus < EXECUTOR_MIN_CPUS_MILLI) {
        snprintf(text, sizeof text, "%g", milli_to_double(cpus));
        return err_set(err, ERR_INVALID,
                       "Executor '%s' uses less CPUs (%s) than the minimum "
                       "required (0.01)",
                       id, cpus ? text : "None");
    }
    if (mem < EXECUTOR_MIN_MEM_MILLI) {
        snprintf(text, sizeof text, "%gMB", milli_to_double(mem));
        return err_set(err, ERR_INVALID,
                       "Executor '%s' uses less memory (%s) than the minimum "
                       "required (32MB)",
                       id, mem ? text : "None");
    }
    if (resources_sum(r, "disk") <= 0)
        return err_set(err, ERR_INVALID, "Executor '%s' uses no disk", id);
    return 0;
}

static int executor_kind_validate(const Mesos__V1__ExecutorInfo *executor,
                                  struct err *err)
{
    switch ((int)executor->type) {
    case MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT:
        if (executor->command)
            return err_set(err, ERR_INVALID,
                           "'ExecutorInfo.command' must not be set for "
                           "'DEFAULT' executor");
        if (executor->container &&
            executor->container->type != MESOS__V1__CONTAINER_INFO__TYPE__MESOS)
            return err_set(err, ERR_INVALID,
                           "'ExecutorInfo.container.type' must be 'MESOS' for "
                           "'DEFAULT' executor");
        if (executor->container && executor->container->mesos &&
            executor->container->mesos->image)
            return err_set(err, ERR_INVALID,
                           "'ExecutorInfo.container.mesos.image' must not be "
                           "set for 'DEFAULT' executor");
        return 0;
    case MESOS__V1__EXECUTOR_INFO__TYPE__CUSTOM:
        if (!executor->command)
            return err_set(err, ERR_INVALID,
                           "'ExecutorInfo.command' must be set for 'CUSTOM' "
                           "executor");
        return err_set(err, ERR_UNSUPPORTED,
                       "'CUSTOM' executors are not supported by this cluster");
    default:
        return err_set(err, ERR_INVALID, "Unknown executor type");
    }
}

int executor_validate(const Mesos__V1__ExecutorInfo *executor,
                      const char *framework_id, struct err *err)
{
    if (!executor->has_type)
        return err_set(err, ERR_INVALID, "'ExecutorInfo.type' must be set");
    if (mesos_id_validate(executor->executor_id->value, err) < 0)
        return -1;
    if (!executor->framework_id)
        return err_set(err, ERR_INVALID,
                       "'ExecutorInfo.framework_id' must be set");
    if (!str_eq(executor->framework_id->value, framework_id))
        return err_set(err, ERR_INVALID,
                       "ExecutorInfo has an invalid FrameworkID (Actual: %s vs "
                       "Expected: %s)",
                       executor->framework_id->value, framework_id);
    if (executor->shutdown_grace_period &&
        executor->shutdown_grace_period->nanoseconds < 0)
        return err_set(err, ERR_INVALID,
                       "ExecutorInfo's 'shutdown_grace_period' must be "
                       "non-negative");
    if (executor_kind_validate(executor, err) < 0)
        return -1;
    if (command_validate(executor->command, err) < 0)
        return err_wrap(err, "Executor's `CommandInfo` is invalid");
    if (executor->container && container_validate(executor->container, err) < 0)
        return err_wrap(err, "Executor's `ContainerInfo` is invalid");
    return executor_resources_validate(executor, err);
}

bool executor_same(const Mesos__V1__ExecutorInfo *a,
                   const Mesos__V1__ExecutorInfo *b)
{
    AUTO(resources)
    struct resources *x = resources_from(a->resources, a->n_resources);
    AUTO(resources)
    struct resources *y = resources_from(b->resources, b->n_resources);
    AUTO_MESSAGE Mesos__V1__ExecutorInfo *c = PB_DUP(a);
    AUTO_MESSAGE Mesos__V1__ExecutorInfo *d = PB_DUP(b);
    Mesos__V1__ExecutorInfo *both[] = {c, d};

    /* Resources are a set, labels and the grace period do not count. */
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < both[i]->n_resources; k++)
            resource_free(&both[i]->resources[k]);
        both[i]->n_resources = 0;
        wire_auto_free(&both[i]->labels);
        both[i]->labels = NULL;
        wire_auto_free(&both[i]->shutdown_grace_period);
        both[i]->shutdown_grace_period = NULL;
    }
    return resources_equal(x, y) && wire_equal(&c->base, &d->base);
}

/* ---- groups ------------------------------------------------------------- */

static bool is_countable(const Mesos__V1__Resource *r, const void *arg UNUSED)
{
    return r->type == MESOS__V1__VALUE__TYPE__SCALAR;
}

static bool ranges_meet(const Mesos__V1__Value__Ranges *a,
                        const Mesos__V1__Value__Ranges *b)
{
    for (size_t i = 0; i < a->n_range; i++) {
        for (size_t k = 0; k < b->n_range; k++) {
            if (a->range[i]->begin <= b->range[k]->end &&
                b->range[k]->begin <= a->range[i]->end)
                return true;
        }
    }
    return false;
}

static bool sets_meet(const Mesos__V1__Value__Set *a,
                      const Mesos__V1__Value__Set *b)
{
    for (size_t i = 0; i < a->n_item; i++) {
        for (size_t k = 0; k < b->n_item; k++) {
            if (str_eq(a->item[i], b->item[k]))
                return true;
        }
    }
    return false;
}

static bool lists_overlap(Mesos__V1__Resource *const *a, size_t n_a,
                          Mesos__V1__Resource *const *b, size_t n_b)
{
    for (size_t i = 0; i < n_a; i++) {
        for (size_t k = 0; k < n_b; k++) {
            if (is_countable(a[i], NULL) || !str_eq(a[i]->name, b[k]->name))
                continue;
            if (a[i]->ranges && b[k]->ranges &&
                ranges_meet(a[i]->ranges, b[k]->ranges))
                return true;
            if (a[i]->set && b[k]->set && sets_meet(a[i]->set, b[k]->set))
                return true;
        }
    }
    return false;
}

static bool group_overlaps(const Mesos__V1__ExecutorInfo *executor,
                           const Mesos__V1__TaskGroupInfo *group)
{
    for (size_t i = 0; i < group->n_tasks; i++) {
        const Mesos__V1__TaskInfo *task = group->tasks[i];

        if (lists_overlap(task->resources, task->n_resources,
                          executor->resources, executor->n_resources))
            return true;
        for (size_t k = 0; k < i; k++) {
            if (lists_overlap(task->resources, task->n_resources,
                              group->tasks[k]->resources,
                              group->tasks[k]->n_resources))
                return true;
        }
    }
    return false;
}

static char *executor_resources_json(const Mesos__V1__ExecutorInfo *executor)
{
    json_t *list = json_array();
    char *text;

    for (size_t i = 0; i < executor->n_resources; i++)
        json_array_append_new(
            list, wire_to_json(&executor->resources[i]->base, WIRE_JSON_PROTO));
    text = json_dumps(list, VIEW_JSON | JSON_SORT_KEYS);
    json_decref(list);
    return text;
}

static int overlap_error(const Mesos__V1__ExecutorInfo *executor,
                         const Mesos__V1__TaskGroupInfo *group, struct err *err)
{
    AUTO_BUF struct buf tasks = {0};
    AUTO_FREE char *json = executor_resources_json(executor);

    for (size_t i = 0; i < group->n_tasks; i++) {
        AUTO(resources)
        struct resources *r = resources_from(group->tasks[i]->resources,
                                             group->tasks[i]->n_resources);
        AUTO_FREE char *text = resources_text(r);

        buf_addf(&tasks, "%s%s", i ? ", " : "", text);
    }
    return err_set(err, ERR_INVALID,
                   "There are overlapping resources in the task group's task "
                   "resources [ %s ] and/or executor resources %s",
                   buf_text(&tasks), str_or_empty(json));
}

int group_validate(const Mesos__V1__ExecutorInfo *executor,
                   const Mesos__V1__TaskGroupInfo *group, struct err *err)
{
    Mesos__V1__Resource **all = NULL;
    size_t count = 0;
    int rc;

    if (group_overlaps(executor, group))
        return overlap_error(executor, group, err);
    for (size_t i = 0; i < group->n_tasks; i++) {
        if (group->n_tasks > 1 &&
            shares_cgroups(group->tasks[i]) != shares_cgroups(group->tasks[0]))
            return err_set(err, ERR_INVALID,
                           "All tasks of a task group must have the same "
                           "'share_cgroups' value");
    }
    for (size_t i = 0; i < group->n_tasks; i++) {
        for (size_t k = 0; k < group->tasks[i]->n_resources; k++) {
            if (resource_is_shared(group->tasks[i]->resources[k]))
                continue;
            all = xrealloc(all, (count + 1) * sizeof *all);
            all[count++] = group->tasks[i]->resources[k];
        }
    }
    rc = resources_rules(all, count, err);
    free(all);
    return rc;
}
