/* SPDX-License-Identifier: Apache-2.0 */
/* agent_spec - what a shim is told: folders, links, environment, command
 *
 * Pure.  The rules are those of an agent with posix isolators: volumes are
 * symlinks, their container paths single names, and nothing is mounted.
 */
#include <string.h>
#include <sys/resource.h>

#include "devcluster/agent_state.h"
#include "devcluster/fetch.h"
#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/resource.h"
#include "lib/wire/pb.h"

#define SYSTEM_PATH                                                            \
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- paths ------------------------------------------------------------ */

char *agent_exec_dir(const struct agent_core *core,
                     const struct agent_exec *exec)
{
    return xasprintf("%s/slaves/%s/frameworks/%s/executors/%s/runs/%s",
                     core->config.work_dir, str_or_empty(core->id),
                     exec->framework_id, exec->id, exec->container);
}

char *agent_task_sandbox(const struct agent_core *core,
                         const struct agent_task *task)
{
    char *dir = agent_exec_dir(core, task->exec);
    if (task->exec->command_task)
        return dir;
    char *sandbox = xasprintf("%s/containers/%s", dir, task->container);
    free(dir);
    return sandbox;
}

char *agent_task_meta_dir(const struct agent_core *core,
                          const struct agent_task *task)
{
    const struct agent_exec *exec = task->exec;
    return xasprintf("%s/meta/slaves/%s/frameworks/%s/executors/%s/runs/%s"
                     "/containers/%s",
                     core->config.work_dir, str_or_empty(core->id),
                     exec->framework_id, exec->id, exec->container,
                     task->container);
}

static void add_string(char ***list, size_t *count, char *owned)
{
    PB_PUSH(*list, *count, owned);
}

static void add_dir(Reeve__Devagent__ContainerSpec *spec, char *owned)
{
    add_string(&spec->dirs, &spec->n_dirs, owned);
}

static void add_link(Reeve__Devagent__ContainerSpec *spec, char *path,
                     char *target)
{
    Reeve__Devagent__ContainerSpec__Link *link =
        PB_NEW(reeve__devagent__container_spec__link);
    link->path = path;
    link->target = target;
    PB_ADD(spec, links, link);
}

static void add_sandboxes(Reeve__Devagent__ContainerSpec *spec,
                          const struct agent_task *task, const char *exec_dir)
{
    add_dir(spec, xstrdup(exec_dir));
    add_link(spec,
             xasprintf("%.*s/latest", (int)(strrchr(exec_dir, '/') - exec_dir),
                       exec_dir),
             xstrdup(exec_dir));
    if (task->exec->command_task)
        return;
    add_string(&spec->files, &spec->n_files, xasprintf("%s/stdout", exec_dir));
    add_string(&spec->files, &spec->n_files, xasprintf("%s/stderr", exec_dir));
    add_dir(spec, xstrdup(spec->sandbox));
    add_dir(spec, xasprintf("%s/tasks", exec_dir));
    add_link(spec, xasprintf("%s/tasks/%s", exec_dir, task->id),
             xstrdup(spec->sandbox));
}

/* ---- volumes ---------------------------------------------------------- */

/* A link at container_path in the sandbox to a folder of the executor's. */
static int link_into_sandbox(Reeve__Devagent__ContainerSpec *spec,
                             const char *source, const char *container_path,
                             struct err *err)
{
    /* Real agents fail here with just this text: the folder above is not made.
     */
    if (strchr(container_path, '/'))
        return err_set(err, ERR_INVALID,
                       "Failed to symlink '%s' -> '%s/%s': No such file or "
                       "directory",
                       source, spec->sandbox, container_path);
    add_link(spec, xasprintf("%s/%s", spec->sandbox, container_path),
             xstrdup(source));
    return 0;
}

/* The folder behind a path in the executor's sandbox, when the path is, or lies
 * in, one of these volumes; else NULL.  malloc'd. */
static char *in_volume(const struct agent_core *core,
                       Mesos__V1__Resource *const *resources, size_t count,
                       const char *path)
{
    size_t first = strcspn(path, "/");

    for (size_t i = 0; i < count; i++) {
        const Mesos__V1__Resource *r = resources[i];
        if (!resource_is_volume(r) || !r->disk->volume)
            continue;
        const char *at = r->disk->volume->container_path;
        if (strlen(at) != first || strncmp(at, path, first) != 0)
            continue;
        AUTO_FREE char *folder = agent_volume_dir(core, r);
        return xasprintf("%s%s", folder, path + first);
    }
    return NULL;
}

/* Of two volumes at one place a real agent says this and gives up the pod. */
static int check_free(const struct agent_core *core,
                      const struct agent_task *task, const char *at,
                      const char *folder, struct err *err)
{
    AUTO_FREE char *exec_dir = agent_exec_dir(core, task->exec);

    for (const struct agent_task *t = task->exec->tasks; t; t = t->next) {
        if (t == task ||
            (t->phase != PHASE(STARTING) && t->phase != PHASE(RUNNING)))
            continue;
        AUTO_FREE char *other =
            in_volume(core, t->info->resources, t->info->n_resources, at);
        if (other && !str_eq(other, folder))
            return err_set(err, ERR_INVALID,
                           "Failed to update resources for container: Collect "
                           "failed: The existing symlink '%s/%s' points to "
                           "'%s' and the new target is '%s'",
                           exec_dir, at, other, folder);
    }
    return 0;
}

static int add_volume(Reeve__Devagent__ContainerSpec *spec,
                      const struct agent_core *core,
                      const struct agent_task *task,
                      const Mesos__V1__Resource *volume, struct err *err)
{
    AUTO_FREE char *exec_dir = agent_exec_dir(core, task->exec);
    const char *at = volume->disk->volume
                         ? str_or_empty(volume->disk->volume->container_path)
                         : "";
    AUTO_FREE char *inside = xasprintf("%s/%s", exec_dir, at);
    bool single = at[0] && !strchr(at, '/');
    if (task->exec->command_task && !single)
        return 0; /* not mounted; the task starts all the same */
    if (at[0] == '/')
        return err_set(err, ERR_INVALID,
                       "Path '%s' in SANDBOX_PATH volume is absolute", at);
    if (!at[0] || strcmp(at, ".") == 0 || strcmp(at, "..") == 0)
        return err_set(err, ERR_INVALID, "Volume '%s' has no container path",
                       resource_volume_id(volume));
    char *folder = agent_volume_dir(core, volume);
    add_string(&spec->volumes, &spec->n_volumes, folder);
    if (single && check_free(core, task, at, folder, err) < 0)
        return -1;
    if (single)
        add_link(spec, xstrdup(inside), xstrdup(folder));
    return task->exec->command_task ? 0
                                    : link_into_sandbox(spec, inside, at, err);
}

static bool has_dotdot(const char *path)
{
    return strcmp(path, "..") == 0 || str_starts(path, "../") ||
           str_ends(path, "/..") || strstr(path, "/../");
}

/* Makes the folder that is shared.  A volume itself is linked there, and never
 * made: if it is lost, the task must fail.  Folders are made before links, so
 * one below a volume is made in the volume. */
static void add_shared_dir(Reeve__Devagent__ContainerSpec *spec,
                           const struct agent_core *core,
                           const struct agent_task *task, const char *path,
                           const char *source)
{
    const Mesos__V1__ExecutorInfo *executor = task->exec->info;
    AUTO_FREE char *inside =
        in_volume(core, executor->resources, executor->n_resources, path);

    if (!inside)
        inside = in_volume(core, task->info->resources, task->info->n_resources,
                           path);
    if (!inside)
        add_dir(spec, xstrdup(source));
    else if (strchr(path, '/'))
        add_dir(spec, xstrdup(inside));
}

static int add_sandbox_path(Reeve__Devagent__ContainerSpec *spec,
                            const struct agent_core *core,
                            const struct agent_task *task,
                            const Mesos__V1__Volume *volume, struct err *err)
{
    const Mesos__V1__Volume__Source__SandboxPath *from =
        volume->source->sandbox_path;
    if (!from)
        return err_set(err, ERR_INVALID, "SANDBOX_PATH volume without a path");
    if (from->path[0] == '/')
        return err_set(err, ERR_INVALID,
                       "Path '%s' in SANDBOX_PATH volume is absolute",
                       from->path);
    if (has_dotdot(from->path) || has_dotdot(volume->container_path))
        return err_set(err, ERR_INVALID,
                       "Path '%s' in SANDBOX_PATH volume leaves the sandbox",
                       from->path);
    if (from->type != MESOS__V1__VOLUME__SOURCE__SANDBOX_PATH__TYPE__PARENT)
        return err_set(err, ERR_UNSUPPORTED,
                       "SANDBOX_PATH volume '%s' of type SELF needs a mount, "
                       "which this agent cannot make",
                       volume->container_path);
    if (task->exec->command_task)
        return err_set(err, ERR_INVALID,
                       "PARENT type for SANDBOX_PATH volume is only supported "
                       "for nested containers");
    if (volume->container_path[0] == '/')
        return err_set(err, ERR_UNSUPPORTED,
                       "SANDBOX_PATH volume at absolute path '%s' needs a "
                       "mount, which this agent cannot make",
                       volume->container_path);
    AUTO_FREE char *exec_dir = agent_exec_dir(core, task->exec);
    AUTO_FREE char *source = xasprintf("%s/%s", exec_dir, from->path);
    add_shared_dir(spec, core, task, from->path, source);
    return link_into_sandbox(spec, source, volume->container_path, err);
}

/* A link in place of a mount; NULL: it is none of the host's. */
static const char *host_path_of(const Mesos__V1__Volume *volume)
{
    if (volume->source &&
        volume->source->type == MESOS__V1__VOLUME__SOURCE__TYPE__HOST_PATH)
        return volume->source->host_path ? volume->source->host_path->path : "";
    return volume->host_path;
}

static int add_host_path(Reeve__Devagent__ContainerSpec *spec,
                         const Mesos__V1__Volume *volume, struct err *err)
{
    const char *path = host_path_of(volume), *at = volume->container_path;
    const char *slash = strrchr(at, '/');

    if (path[0] != '/')
        return err_set(err, ERR_INVALID,
                       "Path '%s' in HOST_PATH volume is not absolute", path);
    if (at[0] == '/')
        return err_set(err, ERR_UNSUPPORTED,
                       "HOST_PATH volume at absolute path '%s' needs a mount, "
                       "which this agent cannot make",
                       at);
    if (!at[0] || strcmp(at, ".") == 0 || has_dotdot(at))
        return err_set(err, ERR_INVALID,
                       "Container path '%s' of HOST_PATH volume leaves the "
                       "sandbox",
                       at);
    if (slash)
        add_dir(spec,
                xasprintf("%s/%.*s", spec->sandbox, (int)(slash - at), at));
    add_string(&spec->host_paths, &spec->n_host_paths, xstrdup(path));
    add_link(spec, xasprintf("%s/%s", spec->sandbox, at), xstrdup(path));
    return 0;
}

static int add_container(Reeve__Devagent__ContainerSpec *spec,
                         const struct agent_core *core,
                         const struct agent_task *task, struct err *err)
{
    const Mesos__V1__ContainerInfo *container = task->info->container;
    if (!container)
        return 0;
    if (container->type != MESOS__V1__CONTAINER_INFO__TYPE__MESOS)
        return err_set(err, ERR_UNSUPPORTED,
                       "No container engine for this container type");
    if (container->mesos && container->mesos->image)
        return err_set(err, ERR_UNSUPPORTED,
                       "Container images are not supported by this agent");
    for (size_t i = 0; i < container->n_volumes; i++) {
        const Mesos__V1__Volume *volume = container->volumes[i];
        if (host_path_of(volume)) {
            if (add_host_path(spec, volume, err) < 0)
                return -1;
            continue;
        }
        if (!volume->source ||
            volume->source->type !=
                MESOS__V1__VOLUME__SOURCE__TYPE__SANDBOX_PATH)
            return err_set(err, ERR_UNSUPPORTED,
                           "Volume at '%s' needs a mount, which this agent "
                           "cannot make",
                           volume->container_path);
        if (add_sandbox_path(spec, core, task, volume, err) < 0)
            return -1;
    }
    return 0;
}

static int add_volumes(Reeve__Devagent__ContainerSpec *spec,
                       const struct agent_core *core,
                       const struct agent_task *task, struct err *err)
{
    AUTO_FREE char *exec_dir = agent_exec_dir(core, task->exec);
    const Mesos__V1__ExecutorInfo *executor = task->exec->info;
    for (size_t i = 0; !task->exec->command_task && i < executor->n_resources;
         i++) {
        const Mesos__V1__Resource *volume = executor->resources[i];
        if (!resource_is_volume(volume) || !volume->disk->volume ||
            strchr(volume->disk->volume->container_path, '/'))
            continue;
        char *folder = agent_volume_dir(core, volume);
        add_string(&spec->volumes, &spec->n_volumes, folder);
        add_link(
            spec,
            xasprintf("%s/%s", exec_dir, volume->disk->volume->container_path),
            xstrdup(folder));
    }
    for (size_t i = 0; i < task->info->n_resources; i++) {
        if (resource_is_volume(task->info->resources[i]) &&
            add_volume(spec, core, task, task->info->resources[i], err) < 0)
            return -1;
    }
    /* A simulated task uses nothing of its container. */
    return core->config.in_memory ? 0 : add_container(spec, core, task, err);
}

/* ---- environment ------------------------------------------------------ */

/* A later one of the same name replaces the earlier. */
static void set_env(char ***list, size_t *count, const char *name,
                    const char *value)
{
    char *text = xasprintf("%s=%s", name, value);
    size_t len = strlen(name) + 1;
    for (size_t i = 0; i < *count; i++) {
        if (strncmp((*list)[i], text, len) == 0) {
            free((*list)[i]);
            (*list)[i] = text;
            return;
        }
    }
    PB_PUSH(*list, *count, text);
}

static void env(Reeve__Devagent__ContainerSpec *spec, const char *name,
                const char *value)
{
    set_env(&spec->environment, &spec->n_environment, name, value);
}

static bool is_reference(const Mesos__V1__Environment__Variable *v)
{
    return v->type == MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__SECRET &&
           (!v->secret || !v->secret->value);
}

/* Without secrets that are references. */
static void set_own_env(char ***list, size_t *count,
                        const Mesos__V1__Environment *own)
{
    for (size_t i = 0; own && i < own->n_variables; i++) {
        const Mesos__V1__Environment__Variable *v = own->variables[i];
        if (is_reference(v))
            continue;
        if (v->type != MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__SECRET) {
            set_env(list, count, v->name, str_or_empty(v->value));
            continue;
        }
        AUTO_FREE char *text = xstrndup((char *)v->secret->value->data.data,
                                        v->secret->value->data.len);
        set_env(list, count, v->name, text);
    }
}

/* A simulated task reads no secret. */
static int check_secrets(const struct agent_core *core,
                         const Mesos__V1__Environment *own, struct err *err)
{
    for (size_t i = 0; own && !core->config.in_memory && i < own->n_variables;
         i++)
        if (is_reference(own->variables[i]))
            return err_set(err, ERR_UNSUPPORTED,
                           "Secret of variable '%s' is a reference, which this "
                           "agent cannot resolve",
                           own->variables[i]->name);
    return 0;
}

static const char *allocated_role(const struct agent_task *task)
{
    const char *role = NULL;
    if (task->info->n_resources > 0)
        role = resource_allocated_role(task->info->resources[0]);
    if (!role && task->exec->info->n_resources > 0)
        role = resource_allocated_role(task->exec->info->resources[0]);
    return role;
}

static void command_task_env(Reeve__Devagent__ContainerSpec *spec,
                             const struct agent_core *core,
                             const struct agent_task *task)
{
    const struct agent_core_config *config = &core->config;
    AUTO_FREE char *endpoint = xasprintf("%s:%d", config->ip, config->port);
    AUTO_FREE char *pid = xasprintf("slave(1)@%s", endpoint);
    AUTO_FREE char *grace =
        xasprintf("%gsecs", (double)config->executor_shutdown_grace_ms / 1000);
    bool checkpoint = task->exec->framework->checkpoint;
    env(spec, "LIBPROCESS_IP", config->ip);
    env(spec, "LIBPROCESS_PORT", "0");
    env(spec, "MESOS_AGENT_ENDPOINT", endpoint);
    env(spec, "MESOS_CHECKPOINT", checkpoint ? "1" : "0");
    env(spec, "MESOS_DIRECTORY", spec->sandbox);
    env(spec, "MESOS_EXECUTOR_ID", task->exec->id);
    env(spec, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", grace);
    env(spec, "MESOS_FRAMEWORK_ID", task->exec->framework_id);
    env(spec, "MESOS_HTTP_COMMAND_EXECUTOR", "0");
    if (checkpoint) {
        env(spec, "MESOS_RECOVERY_TIMEOUT", "15mins");
        env(spec, "MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs");
    }
    env(spec, "MESOS_SLAVE_ID", str_or_empty(core->id));
    env(spec, "MESOS_SLAVE_PID", pid);
}

static int add_environment(Reeve__Devagent__ContainerSpec *spec,
                           const struct agent_core *core,
                           const struct agent_task *task, struct err *err)
{
    const Mesos__V1__Environment *own =
        task->info->command ? task->info->command->environment : NULL;
    const char *role = allocated_role(task);
    AUTO_FREE char *ip = agent_container_ip(core, task->exec);
    env(spec, "PATH", SYSTEM_PATH);
    env(spec, "MESOS_SANDBOX", spec->sandbox);
    if (role)
        env(spec, "MESOS_ALLOCATION_ROLE", role);
    if (task->exec->command_task)
        command_task_env(spec, core, task);
    else
        env(spec, "MESOS_CONTAINER_IP", ip);
    set_own_env(&spec->environment, &spec->n_environment, own);
    return check_secrets(core, own, err);
}

/* ---- command, limits, URIs -------------------------------------------- */

static void add_command(Reeve__Devagent__ContainerSpec *spec,
                        const struct agent_core *core,
                        const struct agent_task *task)
{
    const Mesos__V1__CommandInfo *command = task->info->command;
    PB_SET(spec, switch_user, core->config.switch_user);
    if (core->config.switch_user)
        spec->user = xstrdup(task->exec->framework->user);
    if (!command)
        return;
    if (command->user) {
        free(spec->user);
        spec->user = xstrdup(command->user);
    }
    PB_SET(spec, shell, command->shell);
    spec->value = xstrdup(command->value);
    for (size_t i = 0; i < command->n_arguments; i++)
        add_string(&spec->arguments, &spec->n_arguments,
                   xstrdup(command->arguments[i]));
}

static int add_uris(Reeve__Devagent__ContainerSpec *spec,
                    const struct agent_core *core,
                    const struct agent_task *task, struct err *err)
{
    const Mesos__V1__CommandInfo *command = task->info->command;
    PB_SET(spec, fetch_timeout_ms, core->config.fetch_timeout_ms);
    for (size_t i = 0; command && i < command->n_uris; i++) {
        const Mesos__V1__CommandInfo__URI *uri = command->uris[i];
        AUTO_FREE char *name =
            fetch_local_name(uri->value, uri->output_file, err);
        if (!name)
            return -1;
        Reeve__Devagent__ContainerSpec__Uri *out =
            PB_NEW(reeve__devagent__container_spec__uri);
        out->value = xstrdup(uri->value);
        out->path = xasprintf("%s/%s", spec->sandbox, name);
        PB_SET(out, executable, uri->executable);
        PB_SET(out, extract, uri->extract && !uri->executable);
        PB_ADD(spec, uris, out);
    }
    return 0;
}

/* RLMT_* to RLIMIT_*; -1: none. */
static int limit_number(int type)
{
    static const int numbers[] = {
        [1] = RLIMIT_AS,      [2] = RLIMIT_CORE,     [3] = RLIMIT_CPU,
        [4] = RLIMIT_DATA,    [5] = RLIMIT_FSIZE,    [6] = RLIMIT_LOCKS,
        [7] = RLIMIT_MEMLOCK, [8] = RLIMIT_MSGQUEUE, [9] = RLIMIT_NICE,
        [10] = RLIMIT_NOFILE, [11] = RLIMIT_NPROC,   [12] = RLIMIT_RSS,
        [13] = RLIMIT_RTPRIO, [14] = RLIMIT_RTTIME,  [15] = RLIMIT_SIGPENDING,
        [16] = RLIMIT_STACK,
    };
    return type > 0 && type < (int)ARRAY_LEN(numbers) ? numbers[type] : -1;
}

static int add_limits(Reeve__Devagent__ContainerSpec *spec,
                      const struct agent_task *task, struct err *err)
{
    const Mesos__V1__RLimitInfo *limits =
        task->info->container ? task->info->container->rlimit_info : NULL;
    for (size_t i = 0; limits && i < limits->n_rlimits; i++) {
        const Mesos__V1__RLimitInfo__RLimit *limit = limits->rlimits[i];
        int number = limit_number((int)limit->type);
        if (number < 0 || limit->has_hard != limit->has_soft)
            return err_set(err, ERR_INVALID,
                           "Resource limit %zu of the container is not valid",
                           i);
        Reeve__Devagent__ContainerSpec__Limit *out =
            PB_NEW(reeve__devagent__container_spec__limit);
        PB_SET(out, resource, number);
        if (limit->has_hard) {
            PB_SET(out, hard, limit->hard);
            PB_SET(out, soft, limit->soft);
        }
        PB_ADD(spec, limits, out);
    }
    return 0;
}

Reeve__Devagent__ContainerSpec *agent_spec_new(const struct agent_core *core,
                                               const struct agent_task *task,
                                               struct err *err)
{
    AUTO_FREE char *exec_dir = agent_exec_dir(core, task->exec);
    Reeve__Devagent__ContainerSpec *spec =
        PB_NEW(reeve__devagent__container_spec);
    spec->container_id = xstrdup(task->container);
    spec->meta_dir = agent_task_meta_dir(core, task);
    spec->sandbox = agent_task_sandbox(core, task);
    add_sandboxes(spec, task, exec_dir);
    add_command(spec, core, task);
    if (agent_network_check(core, task->exec, err) < 0 ||
        add_volumes(spec, core, task, err) < 0 ||
        add_environment(spec, core, task, err) < 0 ||
        add_uris(spec, core, task, err) < 0 ||
        add_limits(spec, task, err) < 0) {
        PB_FREE(spec);
        return NULL;
    }
    return spec;
}

void agent_spec_check(const struct agent_core *core,
                      const struct agent_task *task,
                      const Mesos__V1__CommandInfo *command,
                      Reeve__Devagent__CheckRun *run)
{
    /* The task's own environment was good enough to start it. */
    AUTO_MESSAGE Reeve__Devagent__ContainerSpec *spec =
        agent_spec_new(core, task, NULL);
    run->sandbox = agent_task_sandbox(core, task);
    if (spec) {
        run->environment = MOVE(spec->environment);
        run->n_environment = spec->n_environment;
        spec->n_environment = 0;
        run->user = xstrdup(core->config.switch_user ? spec->user : NULL);
    }
    set_own_env(&run->environment, &run->n_environment, command->environment);
    PB_SET(run, shell, command->shell);
    run->value = xstrdup(command->value);
    for (size_t i = 0; i < command->n_arguments; i++)
        add_string(&run->arguments, &run->n_arguments,
                   xstrdup(command->arguments[i]));
}
