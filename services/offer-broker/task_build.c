/* SPDX-License-Identifier: Apache-2.0 */
/* task_build - see task_build.h */
#include "services/offer-broker/task_build.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mesos/labels.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/spec/placement.h"
#include "lib/spec/spec.h"
#include "services/offer-broker/container_build.h"

#define MAX_DEMAND_TASKS 256

void built_destroy(struct built **built)
{
    struct built *b = *built;
    ProtobufCMessage *message;

    if (!b)
        return;
    for (size_t i = 0; i < b->n_launches; i++) {
        message = &b->launches[i]->base;
        wire_free(&message);
    }
    free(b->launches);
    for (size_t i = 0; i < b->n_tasks; i++) {
        message = &b->tasks[i]->base;
        wire_free(&message);
    }
    free(b->tasks);
    free(b);
    *built = NULL;
}

/* ---- texts -------------------------------------------------------- */
static void ranges_text(struct buf *out, const Mesos__V1__Value__Ranges *ranges)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < ranges->n_range; i++)
        buf_addf(out, "%s%llu-%llu", i ? "," : "",
                 (unsigned long long)ranges->range[i]->begin,
                 (unsigned long long)ranges->range[i]->end);
    buf_add_char(out, ']');
}

static void set_text(struct buf *out, const Mesos__V1__Value__Set *set)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < set->n_item; i++)
        buf_addf(out, "%s%s", i ? "," : "", set->item[i]);
    buf_add_char(out, '}');
}

char *attribute_value(const Mesos__V1__Attribute *attribute)
{
    struct buf out = {0};

    if (attribute->scalar)
        buf_addf(&out, "%.3f", attribute->scalar->value);
    else if (attribute->ranges)
        ranges_text(&out, attribute->ranges);
    else if (attribute->set)
        set_text(&out, attribute->set);
    else if (attribute->text)
        buf_add_str(&out, attribute->text->value);
    return buf_take(&out, NULL);
}

char *attributes_text(Mesos__V1__Attribute *const *attributes, size_t count)
{
    struct buf out = {0};

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *value = attribute_value(attributes[i]);

        buf_addf(&out, "%s%s:%s", i ? ";" : "", attributes[i]->name,
                 str_or_empty(value));
    }
    return buf_take(&out, NULL);
}

char *host_label(const char *service_name)
{
    char *out = xstrdup(str_or_empty(service_name)), *to = out;

    for (const char *from = out; *from; from++)
        if (*from != '/')
            *to++ = (char)(*from == '.' ? '-' : *from);
    *to = '\0';
    return out;
}

static const char *region_of(const Mesos__V1__Offer *offer)
{
    return offer->domain && offer->domain->fault_domain
               ? offer->domain->fault_domain->region->name
               : NULL;
}

static const char *zone_of(const Mesos__V1__Offer *offer)
{
    return offer->domain && offer->domain->fault_domain
               ? offer->domain->fault_domain->zone->name
               : NULL;
}

/* ---- check -------------------------------------------------------- */
static int check_task(const Reeve__PodSpec *pod, const char *name,
                      const struct build_config *config, struct err *err)
{
    const Reeve__TaskSpec *task = spec_find_task(pod, name);

    if (!task)
        return err_set(err, ERR_NOT_FOUND, "pod %s has no task '%s'", pod->type,
                       name);
    if (!spec_find_resource_set(pod, task->resource_set))
        return err_set(err, ERR_NOT_FOUND, "task '%s' has no resource set '%s'",
                       name, str_or_empty(task->resource_set));
    if (task->n_transport_encryption > 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "transport encryption of task '%s' is not supported yet",
                       name);
    if (task->n_configs > 0 && !*str_or_empty(config->api_host))
        return err_set(err, ERR_UNSUPPORTED,
                       "task '%s' fetches config templates: start the broker "
                       "with --api-host and --api-port",
                       name);
    return 0;
}

/* A path with a slash is silently not mounted by Mesos: the data would lie in
 * the sandbox and be lost. */
static int check_volumes(Reeve__VolumeSpec *const *volumes, size_t count,
                         struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *path = str_or_empty(volumes[i]->path);

        if (!*path || strchr(path, '/') || str_eq(path, ".") ||
            str_eq(path, ".."))
            return err_set(err, ERR_INVALID,
                           "volume path '%s' is not a single name", path);
    }
    return 0;
}

static int check_pod_volumes(const Reeve__PodSpec *pod, struct err *err)
{
    for (size_t i = 0; i < pod->n_resource_sets; i++)
        if (check_volumes(pod->resource_sets[i]->volumes,
                          pod->resource_sets[i]->n_volumes, err) < 0)
            return -1;
    return check_volumes(pod->volumes, pod->n_volumes, err);
}

/* Tasks that share a resource set use it one after another. */
static int check_sets(const Reeve__PodSpec *pod, const Reeve__Demand *demand,
                      struct err *err)
{
    for (size_t i = 0; i < demand->n_tasks; i++)
        for (size_t k = i + 1; k < demand->n_tasks; k++) {
            const Reeve__TaskSpec *a = spec_find_task(pod, demand->tasks[i]);
            const Reeve__TaskSpec *b = spec_find_task(pod, demand->tasks[k]);

            if (a == b)
                return err_set(err, ERR_INVALID, "task '%s' is asked for twice",
                               demand->tasks[i]);
            if (str_eq(a->resource_set, b->resource_set))
                return err_set(err, ERR_UNSUPPORTED,
                               "tasks '%s' and '%s' share resource set %s: "
                               "they cannot run at once",
                               a->name, b->name, a->resource_set);
        }
    return 0;
}

int task_build_check(const Reeve__PodSpec *pod, const Reeve__Demand *demand,
                     const struct build_config *config, struct err *err)
{
    if (demand->n_tasks == 0)
        return err_set(err, ERR_INVALID, "no task is asked for");
    if (demand->n_tasks > MAX_DEMAND_TASKS)
        return err_set(err, ERR_INVALID, "%zu tasks in one step, %d at most",
                       demand->n_tasks, MAX_DEMAND_TASKS);
    for (size_t i = 0; i < demand->n_tasks; i++)
        if (check_task(pod, demand->tasks[i], config, err) < 0)
            return -1;
    if (check_sets(pod, demand, err) < 0 || check_pod_volumes(pod, err) < 0)
        return -1;
    return container_check(pod, err);
}

/* ---- environment -------------------------------------------------- */
struct one_task {
    const struct build_in *in;
    const Reeve__TaskSpec *spec;
    char *name; /* "data-0" */
    char *task_id;
};

static bool is_mentioned(const Reeve__PodSpec *pod, const char *field)
{
    struct placement_rules *rules =
        placement_parse(str_or_empty(pod->placement), NULL);
    bool is_found = rules && placement_mentions(rules, field);

    placement_free(&rules);
    return is_found;
}

static void add_places(Mesos__V1__Environment **env, const struct one_task *one)
{
    const struct build_config *config = one->in->config;
    AUTO_FREE char *label = host_label(one->in->spec->name);
    AUTO_FREE char *host = xasprintf("%s.%s", label, config->service_tld);
    AUTO_FREE char *vip = xasprintf("%s.%s", label, config->vip_tld);
    AUTO_FREE char *port = xasprintf("%lld", (long long)config->api_port);

    pb_env(env, "FRAMEWORK_HOST", host);
    pb_env(env, "FRAMEWORK_VIP_HOST", vip);
    if (*str_or_empty(config->api_host)) {
        pb_env(env, "SCHEDULER_API_HOSTNAME", config->api_host);
        pb_env(env, "SCHEDULER_API_PORT", port);
    }
    pb_env(env, "PLACEMENT_REFERENCED_REGION",
           is_mentioned(one->in->pod, "@region") ? "true" : "false");
    pb_env(env, "PLACEMENT_REFERENCED_ZONE",
           is_mentioned(one->in->pod, "@zone") ? "true" : "false");
}

static void add_ports_env(Mesos__V1__Environment **env,
                          const struct one_task *one)
{
    const struct match *match = one->in->match;

    for (size_t i = 0; i < match->n_grants; i++) {
        const struct grant *grant = &match->grants[i];
        AUTO_FREE char *number = xasprintf("%u", grant->port_number);

        if (grant->port && *str_or_empty(grant->port->env_key) &&
            str_eq(grant->owner, one->spec->resource_set))
            pb_env(env, grant->port->env_key, number);
    }
}

static void add_secret_env(Mesos__V1__Environment **env,
                           const Reeve__PodSpec *pod)
{
    for (size_t i = 0; i < pod->n_secrets; i++) {
        const Reeve__SecretSpec *spec = pod->secrets[i];
        Mesos__V1__Environment__Variable *var;

        if (!*str_or_empty(spec->env_key))
            continue;
        var = PB_NEW(mesos__v1__environment__variable);
        var->name = xstrdup(spec->env_key);
        PB_SET(var, type, MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__SECRET);
        var->secret = PB_NEW(mesos__v1__secret);
        PB_SET(var->secret, type, MESOS__V1__SECRET__TYPE__REFERENCE);
        var->secret->reference = PB_NEW(mesos__v1__secret__reference);
        var->secret->reference->name = xstrdup(str_or_empty(spec->secret));
        if (!*env)
            *env = PB_NEW(mesos__v1__environment);
        PB_ADD(*env, variables, var);
    }
}

/* What the command, the health and the readiness check all see. */
static Mesos__V1__Environment *common_env(const struct one_task *one)
{
    Mesos__V1__Environment *env = NULL;
    AUTO_FREE char *index = xasprintf("%u", one->in->demand->pod_index);

    for (size_t i = 0; i < one->spec->n_env; i++)
        pb_env(&env, one->spec->env[i]->name, one->spec->env[i]->value);
    pb_env(&env, "TASK_NAME", one->name);
    pb_env(&env, one->name, "true");
    pb_env(&env, "POD_INSTANCE_INDEX", index);
    pb_env(&env, "FRAMEWORK_NAME", one->in->spec->name);
    add_places(&env, one);
    add_ports_env(&env, one);
    add_secret_env(&env, one->in->pod);
    return env;
}

/* "CONFIG_TEMPLATE_<NAME>": upper case, other characters as '_'. */
static char *template_variable(const char *name)
{
    char *out = xasprintf("CONFIG_TEMPLATE_%s", name);

    for (char *c = out; *c; c++)
        *c = (char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c)
                                               : '_');
    return out;
}

static Mesos__V1__Environment *command_env(const struct one_task *one)
{
    Mesos__V1__Environment *env = common_env(one);
    const Reeve__Demand *demand = one->in->demand;

    for (size_t i = 0; i < one->spec->n_configs; i++) {
        const Reeve__ConfigTemplate *config = one->spec->configs[i];
        AUTO_FREE char *name = template_variable(config->name);
        AUTO_FREE char *value =
            xasprintf("config-templates/%s,%s", config->name, config->dest);

        pb_env(&env, name, value);
    }
    if (region_of(one->in->offer)) {
        pb_env(&env, "REGION", region_of(one->in->offer));
        pb_env(&env, "ZONE", zone_of(one->in->offer));
    }
    for (size_t i = 0; i < demand->n_extra_env; i++)
        pb_env(&env, demand->extra_env[i]->name, demand->extra_env[i]->value);
    return env;
}

/* ---- command and checks ------------------------------------------- */
static void add_uri(Mesos__V1__CommandInfo *command, const char *value,
                    const char *output_file)
{
    Mesos__V1__CommandInfo__URI *uri;

    uri = PB_NEW(mesos__v1__command_info__uri);
    uri->value = xstrdup(value);
    if (output_file) {
        uri->output_file = xstrdup(output_file);
        PB_SET(uri, extract, false);
    }
    PB_ADD(command, uris, uri);
}

/* A part of a URL's path. */
static void add_part(struct buf *url, const char *text)
{
    buf_add_char(url, '/');
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
            buf_add_char(url, *text);
        else
            buf_addf(url, "%%%02X", (unsigned char)*text);
    }
}

/* Named with the service: a gateway may serve several.  A pod's inline task has
 * no name of its own: the pod's stands there. */
static void add_template(Mesos__V1__CommandInfo *command,
                         const struct one_task *one, const char *name)
{
    const struct build_in *in = one->in;
    AUTO_FREE char *file = xasprintf("config-templates/%s", name);
    AUTO_FREE char *service = spec_service_key(str_or_empty(in->spec->name));
    AUTO_BUF struct buf url = {0};

    buf_addf(&url, "http://%s:%lld/v1/service", in->config->api_host,
             (long long)in->config->api_port);
    add_part(&url, service);
    buf_add_str(&url, "/artifacts/template");
    add_part(&url, str_or_empty(in->demand->config_id));
    add_part(&url, in->pod->type);
    add_part(&url, *one->spec->name ? one->spec->name : in->pod->type);
    add_part(&url, name);
    add_uri(command, buf_text(&url), file);
}

static void add_uris(Mesos__V1__CommandInfo *command,
                     const struct one_task *one)
{
    const struct build_in *in = one->in;

    for (size_t i = 0; i < in->pod->n_uris; i++)
        add_uri(command, in->pod->uris[i], NULL);
    for (size_t i = 0; i < one->spec->n_uris; i++)
        add_uri(command, one->spec->uris[i], NULL);
    for (size_t i = 0; i < one->spec->n_configs; i++)
        add_template(command, one, one->spec->configs[i]->name);
}

static Mesos__V1__CommandInfo *command_of(const struct one_task *one)
{
    Mesos__V1__CommandInfo *command;

    command = PB_NEW(mesos__v1__command_info);
    PB_SET(command, shell, true);
    command->value = xstrdup(str_or_empty(one->spec->cmd));
    command->environment = command_env(one);
    if (*str_or_empty(one->in->pod->user))
        command->user = xstrdup(one->in->pod->user);
    add_uris(command, one);
    return command;
}

static Mesos__V1__CommandInfo *check_command(const struct one_task *one,
                                             const char *cmd)
{
    Mesos__V1__CommandInfo *command;

    command = PB_NEW(mesos__v1__command_info);
    PB_SET(command, shell, true);
    command->value = xstrdup(str_or_empty(cmd));
    command->environment = common_env(one);
    return command;
}

static Mesos__V1__HealthCheck *health_of(const struct one_task *one)
{
    const Reeve__CheckSpec *spec = one->spec->health_check;
    Mesos__V1__HealthCheck *check;

    if (!spec)
        return NULL;
    check = PB_NEW(mesos__v1__health_check);
    PB_SET(check, type, MESOS__V1__HEALTH_CHECK__TYPE__COMMAND);
    check->command = check_command(one, spec->cmd);
    PB_SET(check, delay_seconds, spec->delay_s);
    PB_SET(check, interval_seconds, spec->interval_s);
    PB_SET(check, timeout_seconds, spec->timeout_s);
    PB_SET(check, grace_period_seconds, spec->grace_period_s);
    if (spec->max_consecutive_failures)
        PB_SET(check, consecutive_failures, spec->max_consecutive_failures);
    return check;
}

static Mesos__V1__CheckInfo *readiness_of(const struct one_task *one)
{
    const Reeve__CheckSpec *spec = one->spec->readiness_check;
    Mesos__V1__CheckInfo *check;

    if (!spec)
        return NULL;
    check = PB_NEW(mesos__v1__check_info);
    PB_SET(check, type, MESOS__V1__CHECK_INFO__TYPE__COMMAND);
    check->command = PB_NEW(mesos__v1__check_info__command);
    check->command->command = check_command(one, spec->cmd);
    PB_SET(check, delay_seconds, spec->delay_s);
    PB_SET(check, interval_seconds, spec->interval_s);
    PB_SET(check, timeout_seconds, spec->timeout_s);
    return check;
}

/* ---- labels and discovery ----------------------------------------- */
static Mesos__V1__Labels *labels_of(const struct one_task *one)
{
    const struct build_in *in = one->in;
    AUTO_FREE char *index = xasprintf("%u", in->demand->pod_index);
    AUTO_FREE char *attributes =
        attributes_text(in->offer->attributes, in->offer->n_attributes);
    Mesos__V1__Labels *labels = NULL;

    for (size_t i = 0; i < one->spec->n_labels; i++)
        labels_set(&labels, one->spec->labels[i]->key,
                   one->spec->labels[i]->value);
    labels_set(&labels, "target_configuration", in->demand->config_id);
    labels_set(&labels, "task_type", in->pod->type);
    labels_set(&labels, "index", index);
    labels_set(&labels, "offer_hostname", in->offer->hostname);
    labels_set(&labels, "offer_attributes", str_or_empty(attributes));
    if (region_of(in->offer)) {
        labels_set(&labels, "offer_region", region_of(in->offer));
        labels_set(&labels, "offer_zone", zone_of(in->offer));
    }
    return labels;
}

static Mesos__V1__DiscoveryInfo__Visibility visibility_of(const char *text)
{
    int value = MESOS__V1__DISCOVERY_INFO__VISIBILITY__CLUSTER;

    if (text)
        wire_enum_value(&mesos__v1__discovery_info__visibility__descriptor,
                        text, &value);
    return (Mesos__V1__DiscoveryInfo__Visibility)value;
}

static void add_vip(Mesos__V1__Port *port, const struct one_task *one,
                    const Reeve__PortSpec *spec)
{
    const Reeve__PodSpec *pod = one->in->pod;
    AUTO_FREE char *key = NULL, *value = NULL;
    char id[UUID_TEXT_SIZE];

    one->in->ids->next(one->in->ids, id);
    key = xasprintf("VIP_%s", id);
    value = xasprintf("%s:%u", spec->vip_prefix, spec->vip_port);
    labels_add(&port->labels, key, value);
    if (pod->n_networks > 0)
        labels_add(&port->labels, "network-scope",
                   spec_uses_host_ports(pod) ? "host" : "container");
}

static void add_port(Mesos__V1__DiscoveryInfo *discovery,
                     const struct grant *grant, const struct one_task *one)
{
    Mesos__V1__Port *port;

    port = PB_NEW(mesos__v1__port);
    port->number = grant->port_number;
    port->name = xstrdup(grant->port->name);
    port->protocol = xstrdup("tcp");
    PB_SET(port, visibility,
           grant->port->advertise
               ? MESOS__V1__DISCOVERY_INFO__VISIBILITY__EXTERNAL
               : MESOS__V1__DISCOVERY_INFO__VISIBILITY__CLUSTER);
    if (*str_or_empty(grant->port->vip_prefix))
        add_vip(port, one, grant->port);
    if (!discovery->ports)
        discovery->ports = PB_NEW(mesos__v1__ports);
    PB_ADD(discovery->ports, ports, port);
}

static Mesos__V1__DiscoveryInfo *discovery_of(const struct one_task *one)
{
    const Reeve__DiscoverySpec *spec = one->spec->discovery;
    const struct match *match = one->in->match;
    Mesos__V1__DiscoveryInfo *discovery;

    discovery = PB_NEW(mesos__v1__discovery_info);
    discovery->visibility = visibility_of(spec ? spec->visibility : NULL);
    if (spec && *str_or_empty(spec->prefix))
        discovery->name =
            xasprintf("%s-%u", spec->prefix, one->in->demand->pod_index);
    else
        discovery->name = xstrdup(one->name);
    for (size_t i = 0; i < match->n_grants; i++)
        if (match->grants[i].port &&
            str_eq(match->grants[i].owner, one->spec->resource_set))
            add_port(discovery, &match->grants[i], one);
    return discovery;
}

/* ---- task and executor -------------------------------------------- */
static void add_limit(Mesos__V1__TaskInfo *info, const char *name,
                      const char *text)
{
    Mesos__V1__TaskInfo__LimitsEntry *entry;
    double value;

    if (!*str_or_empty(text))
        return;
    if (str_eq(text, "unlimited"))
        value = INFINITY;
    else if (!parse_double(text, &value))
        return;
    entry = PB_NEW(mesos__v1__task_info__limits_entry);
    entry->key = xstrdup(name);
    entry->value = PB_NEW(mesos__v1__value__scalar);
    entry->value->value = value;
    PB_ADD(info, limits, entry);
}

/* The master does not compare where a volume is mounted: each use says it. */
static Mesos__V1__Resource *own_resource(const struct one_task *one,
                                         const Reeve__ResourceSet *set,
                                         const struct grant *grant)
{
    Mesos__V1__Resource *resource = resource_dup(grant->resource);
    Mesos__V1__Volume *volume;

    if (!grant->volume)
        return resource;
    if (!resource->disk->volume) {
        resource->disk->volume = PB_NEW(mesos__v1__volume);
        resource->disk->volume->mode = MESOS__V1__VOLUME__MODE__RW;
    }
    volume = resource->disk->volume;
    free(volume->container_path);
    volume->container_path =
        container_mount_path(one->in->pod, set, grant->volume->path);
    return resource;
}

static struct container_in container_in_of(const struct build_in *in)
{
    return (struct container_in){.service_name = in->spec->name,
                                 .pod = in->pod,
                                 .pod_index = in->demand->pod_index,
                                 .record = in->match->pod};
}

static Mesos__V1__TaskInfo *task_info_of(const struct one_task *one)
{
    const struct build_in *in = one->in;
    const Reeve__ResourceSet *set =
        spec_find_resource_set(in->pod, one->spec->resource_set);
    const struct container_in container = container_in_of(in);
    Mesos__V1__TaskInfo *info;

    info = PB_NEW(mesos__v1__task_info);
    info->name = xstrdup(one->name);
    info->task_id = pb_task_id(one->task_id);
    info->agent_id = pb_agent_id(in->offer->agent_id->value);
    for (size_t i = 0; i < in->match->n_grants; i++)
        if (in->match->grants[i].resource &&
            str_eq(in->match->grants[i].owner, one->spec->resource_set))
            PB_ADD(info, resources,
                   own_resource(one, set, &in->match->grants[i]));
    info->command = command_of(one);
    info->container = container_of_task(&container, one->spec);
    info->health_check = health_of(one);
    info->check = readiness_of(one);
    info->labels = labels_of(one);
    info->discovery = discovery_of(one);
    if (one->spec->kill_grace_period_s) {
        info->kill_policy = PB_NEW(mesos__v1__kill_policy);
        info->kill_policy->grace_period =
            pb_duration_s(one->spec->kill_grace_period_s);
    }
    add_limit(info, "cpus", set->limit_cpus);
    add_limit(info, "mem", set->limit_memory);
    return info;
}

static Mesos__V1__ExecutorInfo *executor_of(const struct build_in *in)
{
    const struct container_in container = container_in_of(in);
    Mesos__V1__ExecutorInfo *info;
    AUTO_FREE char *id = NULL;
    char uuid[UUID_TEXT_SIZE];

    if (in->executor)
        return WIRE_DUP(mesos__v1__executor_info, in->executor);
    in->ids->next(in->ids, uuid);
    id = spec_executor_id(in->spec->name, in->pod->type, uuid);
    info = PB_NEW(mesos__v1__executor_info);
    PB_SET(info, type, MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT);
    info->executor_id = pb_executor_id(id);
    info->framework_id = pb_framework_id(in->framework_id);
    info->name = xstrdup(in->pod->type);
    info->container = container_of_executor(&container);
    if (*str_or_empty(in->config->space))
        labels_set(&info->labels, "DCOS_SPACE", in->config->space);
    for (size_t i = 0; i < in->match->n_grants; i++) {
        const struct grant *grant = &in->match->grants[i];

        if (str_eq(grant->owner, OWNER_EXECUTOR) ||
            str_eq(grant->owner, OWNER_POD))
            PB_ADD(info, resources, resource_dup(grant->resource));
    }
    return info;
}

static void add_offer_facts(Reeve__TaskRecord *record,
                            const Mesos__V1__Offer *offer)
{
    for (size_t i = 0; i < offer->n_attributes; i++) {
        Reeve__LabelSpec *label;

        label = PB_NEW(reeve__label_spec);
        label->key = xstrdup(offer->attributes[i]->name);
        label->value = attribute_value(offer->attributes[i]);
        PB_ADD(record, offer_attributes, label);
    }
    record->region = xstrdup(region_of(offer));
    record->zone = xstrdup(zone_of(offer));
}

static Reeve__TaskRecord *record_of(const struct one_task *one,
                                    const Mesos__V1__TaskInfo *info,
                                    const Mesos__V1__ExecutorInfo *executor)
{
    const struct build_in *in = one->in;
    Reeve__TaskRecord *record;

    record = PB_NEW(reeve__task_record);
    record->name = xstrdup(one->name);
    record->task_id = xstrdup(one->task_id);
    record->pod_type = xstrdup(in->pod->type);
    PB_SET(record, pod_index, in->demand->pod_index);
    record->short_name = xstrdup(str_or_empty(one->spec->name));
    record->executor_id = xstrdup(executor->executor_id->value);
    record->agent_id = xstrdup(in->offer->agent_id->value);
    record->hostname = xstrdup(in->offer->hostname);
    record->config_id = xstrdup(in->demand->config_id);
    record->pod_digest = xstrdup(in->demand->pod_digest);
    record->demand_id = xstrdup(in->demand->id);
    PB_SET(record, goal, one->spec->goal);
    PB_SET(record, has_readiness_check, one->spec->readiness_check != NULL);
    PB_SET(record, launched_wall_ms, in->now_wall_ms);
    PB_ENCODED(record, task_info, info);
    PB_ENCODED(record, executor_info, executor);
    record->framework_id = xstrdup(in->framework_id);
    add_offer_facts(record, in->offer);
    return record;
}

/* Takes info. */
static Mesos__V1__Offer__Operation *
launch_of(Mesos__V1__TaskInfo *info, const Mesos__V1__ExecutorInfo *executor)
{
    Mesos__V1__Offer__Operation *launch;
    Mesos__V1__Offer__Operation__LaunchGroup *group;

    launch = PB_NEW(mesos__v1__offer__operation);
    PB_SET(launch, type, MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH_GROUP);
    launch->launch_group = PB_NEW(mesos__v1__offer__operation__launch_group);
    group = launch->launch_group;
    group->executor = WIRE_DUP(mesos__v1__executor_info, executor);
    group->task_group = PB_NEW(mesos__v1__task_group_info);
    PB_ADD(group->task_group, tasks, info);
    return launch;
}

static void add_task(struct built *built, const struct build_in *in,
                     const Mesos__V1__ExecutorInfo *executor,
                     const char *short_name)
{
    struct one_task one = {.in = in,
                           .spec = spec_find_task(in->pod, short_name)};
    Mesos__V1__TaskInfo *info;
    char uuid[UUID_TEXT_SIZE];

    in->ids->next(in->ids, uuid);
    one.name = spec_task_name(in->pod->type, in->demand->pod_index, short_name);
    one.task_id = spec_task_id(in->spec->name, one.name, uuid);
    info = task_info_of(&one);
    PB_ADD(built, tasks, record_of(&one, info, executor));
    PB_ADD(built, launches, launch_of(info, executor));
    free(one.name);
    free(one.task_id);
}

struct built *task_build(const struct build_in *in)
{
    struct built *built = xcalloc(1, sizeof(*built));
    AUTO_MESSAGE Mesos__V1__ExecutorInfo *executor = executor_of(in);

    for (size_t i = 0; i < in->demand->n_tasks; i++)
        add_task(built, in, executor, in->demand->tasks[i]);
    return built;
}
