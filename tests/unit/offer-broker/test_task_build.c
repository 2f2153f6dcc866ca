/* SPDX-License-Identifier: Apache-2.0 */
#include "services/offer-broker/task_build.h"

#include <criterion/criterion.h>
#include <math.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/labels.h"
#include "lib/wire/pb.h"
#include "make.h"

static const struct build_config config = {"api.local", 8080, "tld", "vip", ""};

struct bench {
    struct counting_ids ids;
    Reeve__ServiceSpec *spec;
    Reeve__PodSpec *pod;
    Reeve__Demand *demand;
    Mesos__V1__Offer *offer;
    struct match *match;
    struct built *built;
};

static void setup(struct bench *b)
{
    *b = (struct bench){0};
    counting_ids(&b->ids);
    b->pod = make_pod_of_two();
    b->spec = make_service(b->pod);
    b->offer = make_offer("o1", "S0",
                          "cpus:4;mem:4096;disk:10240;ports:[8000-8010]", "r1");
    b->demand = PB_NEW(reeve__demand);
    b->demand->id = xstrdup("d1");
    b->demand->pod_type = xstrdup("hello");
    PB_SET(b->demand, pod_index, 0);
    b->demand->config_id = xstrdup("c1");
    b->demand->pod_digest = xstrdup("digest");
    PB_ADD(b->demand, tasks, xstrdup("server"));
}

static void run(struct bench *b)
{
    const char *const sets[] = {"server-set", "side-set"};
    struct resources *pool =
        resources_from(b->offer->resources, b->offer->n_resources);
    AUTO_BUF struct buf why = {0};
    struct eval_in eval = {.pod = b->pod,
                           .pod_instance = "hello-0",
                           .sets = sets,
                           .n_sets = b->demand->n_tasks,
                           .overhead = {100, 32, 256},
                           .framework_id = "f-0000",
                           .role = b->spec->role,
                           .principal = b->spec->principal,
                           .ids = &b->ids.source};
    struct build_in in = {.spec = b->spec,
                          .pod = b->pod,
                          .demand = b->demand,
                          .config = &config,
                          .framework_id = "f-0000",
                          .offer = b->offer,
                          .ids = &b->ids.source,
                          .now_wall_ms = 77};
    struct err err = {0};

    cr_assert_eq(task_build_check(b->pod, b->demand, &config, &err), 0, "%s",
                 err.text);
    b->match = evaluate(&eval, &pool, &why);
    cr_assert(b->match, "%s", buf_text(&why));
    in.match = b->match;
    b->built = task_build(&in);
    resources_destroy(&pool);
}

static void teardown(struct bench *b)
{
    built_destroy(&b->built);
    match_destroy(&b->match);
    free_message(b->offer);
    free_message(b->demand);
    free_message(b->spec);
}

static const char *env_of(const Mesos__V1__CommandInfo *command,
                          const char *name)
{
    const Mesos__V1__Environment *env = command->environment;

    for (size_t i = 0; i < env->n_variables; i++)
        if (str_eq(env->variables[i]->name, name))
            return env->variables[i]->value;
    return NULL;
}

static const Mesos__V1__TaskInfo *task_of(const struct bench *b)
{
    return b->built->launches[0]->launch_group->task_group->tasks[0];
}

Test(task_build, group_and_executor)
{
    struct bench b;
    const Mesos__V1__ExecutorInfo *executor;
    const Mesos__V1__TaskInfo *task;

    setup(&b);
    run(&b);
    executor = b.built->launches[0]->launch_group->executor;
    task = task_of(&b);
    cr_expect_null(b.built->launches[0]->id); /* the master refuses one here */
    cr_expect_eq(executor->type, MESOS__V1__EXECUTOR_INFO__TYPE__DEFAULT);
    cr_expect_str_eq(executor->framework_id->value, "f-0000");
    cr_expect(str_starts(executor->executor_id->value, "data-store__hello__"));
    cr_expect_eq(executor->n_resources, 3);
    cr_expect_str_eq(task->name, "hello-0-server");
    cr_expect(str_starts(task->task_id->value, "data-store__hello-0-server__"));
    cr_expect_str_eq(task->agent_id->value, "S0");
    cr_expect_eq(task->n_resources, 4);
    cr_expect_null(task->executor);
    cr_expect_null(task->container);
    cr_expect_null(task->kill_policy);
    teardown(&b);
}

/* Mesos mounts the volumes of all tasks into the executor's sandbox: two at one
 * path would be one and the same for both tasks. */
Test(task_build, volumes_of_two_tasks_at_one_path)
{
    struct bench b;
    Reeve__VolumeSpec *volume;

    setup(&b);
    PB_ADD(b.demand, tasks, xstrdup("side"));
    volume = PB_NEW(reeve__volume_spec);
    volume->path = xstrdup("server-data");
    PB_SET(volume, type, REEVE__VOLUME_SPEC__TYPE__ROOT);
    PB_SET(volume, size_mib, 64);
    PB_ADD(b.pod->resource_sets[1], volumes, volume);
    run(&b);
    for (size_t i = 0; i < 2; i++) {
        const Mesos__V1__TaskInfo *task =
            b.built->launches[i]->launch_group->task_group->tasks[0];
        const char *at = i ? "server-data.side-set" : "server-data.server-set";
        const Mesos__V1__Volume *mounted = NULL, *seen;

        for (size_t k = 0; k < task->n_resources; k++)
            if (task->resources[k]->disk && task->resources[k]->disk->volume)
                mounted = task->resources[k]->disk->volume;
        cr_assert(mounted);
        cr_expect_str_eq(mounted->container_path, at);
        cr_assert_eq(task->container->n_volumes, 1);
        seen = task->container->volumes[0];
        cr_expect_str_eq(seen->container_path, "server-data");
        cr_expect_str_eq(seen->source->sandbox_path->path, at);
    }
    teardown(&b);
}

/* One task's end must not be another's: Mesos ends a group as a whole. */
Test(task_build, one_group_per_task_one_executor)
{
    struct bench b;
    const Mesos__V1__Offer__Operation__LaunchGroup *first, *second;

    setup(&b);
    PB_ADD(b.demand, tasks, xstrdup("side"));
    run(&b);
    cr_assert_eq(b.built->n_launches, 2);
    cr_assert_eq(b.built->n_tasks, 2);
    first = b.built->launches[0]->launch_group;
    second = b.built->launches[1]->launch_group;
    cr_expect_eq(first->task_group->n_tasks, 1);
    cr_expect_eq(second->task_group->n_tasks, 1);
    cr_expect_str_eq(second->task_group->tasks[0]->name, "hello-0-side");
    cr_expect(wire_equal(&first->executor->base, &second->executor->base));
    cr_expect_str_eq(b.built->tasks[1]->executor_id,
                     first->executor->executor_id->value);
    teardown(&b);
}

static const struct {
    const char *name, *value;
} env_cases[] = {
    {"TASK_NAME", "hello-0-server"},
    {"hello-0-server", "true"},
    {"POD_INSTANCE_INDEX", "0"},
    {"FRAMEWORK_NAME", "data-store"},
    {"FRAMEWORK_HOST", "data-store.tld"},
    {"FRAMEWORK_VIP_HOST", "data-store.vip"},
    {"SCHEDULER_API_HOSTNAME", "api.local"},
    {"SCHEDULER_API_PORT", "8080"},
    {"PLACEMENT_REFERENCED_ZONE", "true"},
    {"PLACEMENT_REFERENCED_REGION", "false"},
    {"PORT_HTTP", "8000"},
    {"OWN", "spec"},
    {"OVER", "plan"},
    {"REGION", NULL},
};

static void add_env(Reeve__EnvVar ***list, size_t *n, const char *name,
                    const char *value)
{
    Reeve__EnvVar *var;

    var = PB_NEW(reeve__env_var);
    var->name = xstrdup(name);
    var->value = xstrdup(value);
    *list = xrealloc(*list, (*n + 1) * sizeof(**list));
    (*list)[(*n)++] = var;
}

Test(task_build, environment)
{
    struct bench b;
    Reeve__TaskSpec *task;

    setup(&b);
    task = b.pod->tasks[0];
    b.pod->placement = xstrdup("[[\"@zone\",\"GROUP_BY\"]]");
    add_env(&task->env, &task->n_env, "OWN", "spec");
    add_env(&task->env, &task->n_env, "OVER", "spec");
    add_env(&b.demand->extra_env, &b.demand->n_extra_env, "OVER", "plan");
    run(&b);
    for (size_t i = 0; i < ARRAY_LEN(env_cases); i++)
        cr_expect(
            str_eq(env_of(task_of(&b)->command, env_cases[i].name),
                   env_cases[i].value),
            "%s=%s", env_cases[i].name,
            str_or_empty(env_of(task_of(&b)->command, env_cases[i].name)));
    teardown(&b);
}

Test(task_build, labels_discovery_and_record)
{
    struct bench b;
    const Mesos__V1__TaskInfo *task;
    const Reeve__TaskRecord *record;

    setup(&b);
    run(&b);
    task = task_of(&b);
    record = b.built->tasks[0];
    cr_expect_str_eq(labels_find(task->labels, "target_configuration"), "c1");
    cr_expect_str_eq(labels_find(task->labels, "task_type"), "hello");
    cr_expect_str_eq(labels_find(task->labels, "index"), "0");
    cr_expect_str_eq(labels_find(task->labels, "offer_hostname"), "S0.local");
    cr_expect_str_eq(labels_find(task->labels, "offer_attributes"), "rack:r1");
    cr_expect_eq(task->discovery->visibility,
                 MESOS__V1__DISCOVERY_INFO__VISIBILITY__CLUSTER);
    cr_expect_str_eq(task->discovery->name, "hello-0-server");
    cr_assert_eq(task->discovery->ports->n_ports, 1);
    cr_expect_eq(task->discovery->ports->ports[0]->number, 8000);
    cr_expect_str_eq(record->name, "hello-0-server");
    cr_expect_str_eq(record->short_name, "server");
    cr_expect_str_eq(record->task_id, task->task_id->value);
    cr_expect_str_eq(record->pod_digest, "digest");
    cr_expect_eq(record->launched_wall_ms, 77);
    cr_expect_str_eq(record->offer_attributes[0]->value, "r1");
    cr_expect(record->has_task_info && record->has_executor_info);
    teardown(&b);
}

static Reeve__CheckSpec *make_check(const char *cmd)
{
    Reeve__CheckSpec *check;

    check = PB_NEW(reeve__check_spec);
    check->cmd = xstrdup(cmd);
    PB_SET(check, interval_s, 5);
    PB_SET(check, timeout_s, 10);
    PB_SET(check, delay_s, 2);
    PB_SET(check, max_consecutive_failures, 4);
    return check;
}

Test(task_build, checks_limits_and_kill)
{
    struct bench b;
    const Mesos__V1__TaskInfo *task;

    setup(&b);
    b.pod->tasks[0]->health_check = make_check("./health");
    b.pod->tasks[0]->readiness_check = make_check("./ready");
    PB_SET(b.pod->tasks[0], kill_grace_period_s, 30);
    b.pod->resource_sets[0]->limit_cpus = xstrdup("unlimited");
    b.pod->resource_sets[0]->limit_memory = xstrdup("512");
    run(&b);
    task = task_of(&b);
    cr_expect_eq(task->health_check->type,
                 MESOS__V1__HEALTH_CHECK__TYPE__COMMAND);
    cr_expect_eq(task->health_check->consecutive_failures, 4);
    cr_expect_str_eq(task->check->command->command->value, "./ready");
    cr_expect_float_eq(task->check->interval_seconds, 5, 1e-9);
    cr_expect_str_eq(env_of(task->check->command->command, "PORT_HTTP"),
                     "8000");
    cr_expect_eq(task->kill_policy->grace_period->nanoseconds, 30000000000LL);
    cr_assert_eq(task->n_limits, 2);
    cr_expect(isinf(task->limits[0]->value->value));
    cr_expect_not(task->container->linux_info->share_cgroups);
    cr_expect(b.built->tasks[0]->has_readiness_check);
    teardown(&b);
}

static void with_image(struct bench *b)
{
    b->pod->image = xstrdup("redis:7");
}
static void with_rlimit(struct bench *b)
{
    Reeve__RLimit *limit;

    limit = PB_NEW(reeve__rlimit);
    limit->name = xstrdup("RLIMIT_NOFILE");
    PB_SET(limit, soft, 100);
    PB_SET(limit, hard, 200);
    PB_ADD(b->pod, rlimits, limit);
}

Test(task_build, containers)
{
    struct bench b;
    const Mesos__V1__ContainerInfo *container;

    setup(&b);
    with_image(&b);
    with_rlimit(&b);
    run(&b);
    container = task_of(&b)->container;
    cr_assert(container);
    cr_expect_str_eq(container->mesos->image->docker->name, "redis:7");
    cr_expect_eq(container->rlimit_info->rlimits[0]->type,
                 MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__RLMT_NOFILE);
    cr_expect_null(b.built->launches[0]->launch_group->executor->container);
    teardown(&b);
}

static const struct {
    const char *driver, *name, *options, *mode;
    const char *want, *want_options;
} external_cases[] = {
    {"rexray", NULL, "size=10;repl=2", "RW", "data-store_hello_0",
     "size=10 repl=2 "},
    {"rexray", "/a/b", NULL, "RO", "a__b_0", ""},
    {NULL, "v", "x", "RW", "v_0", "x= "},
    {"pxd", NULL, "size=10", "RW", "data-store-hello-0",
     "size=10 nodes=LocalNode "},
    {"pxd", "v", "shared=true", "RW", "v", "shared=true nodes=LocalNode "},
    {"pxd", "v", "shared=false", "RW", "v-0", "shared=false nodes=LocalNode "},
};

static void with_external(struct bench *b, size_t i)
{
    Reeve__ExternalVolume *volume = PB_NEW(reeve__external_volume);

    volume->container_path = xstrdup("ext");
    volume->driver_name = xstrdup(external_cases[i].driver);
    volume->volume_name = xstrdup(external_cases[i].name);
    volume->driver_options = xstrdup(external_cases[i].options);
    volume->volume_mode = xstrdup(external_cases[i].mode);
    PB_ADD(b->pod, external_volumes, volume);
}

Test(task_build, external_volumes)
{
    for (size_t i = 0; i < ARRAY_LEN(external_cases); i++) {
        const Mesos__V1__Volume__Source__DockerVolume *docker;
        const Mesos__V1__Volume *volume;
        AUTO_BUF struct buf options = {0};
        struct bench b;

        setup(&b);
        with_external(&b, i);
        run(&b);
        volume = task_of(&b)->container->volumes[0];
        cr_expect(wire_equal(
            &volume->base, &b.built->launches[0]
                                ->launch_group->executor->container->volumes[0]
                                ->base));
        docker = volume->source->docker_volume;
        cr_expect_str_eq(volume->container_path, "ext");
        cr_expect_eq(volume->mode == MESOS__V1__VOLUME__MODE__RO,
                     str_eq(external_cases[i].mode, "RO"));
        cr_expect_str_eq(docker->name, external_cases[i].want);
        cr_expect(str_eq(docker->driver, external_cases[i].driver));
        for (size_t k = 0; k < docker->driver_options->n_parameter; k++)
            buf_addf(&options, "%s=%s ",
                     docker->driver_options->parameter[k]->key,
                     docker->driver_options->parameter[k]->value);
        cr_expect_str_eq(buf_text(&options), external_cases[i].want_options);
        teardown(&b);
    }
}

static void with_network(struct bench *b, const char *name)
{
    Reeve__NetworkSpec *network = PB_NEW(reeve__network_spec);

    network->name = xstrdup(name);
    PB_ADD(b->pod, networks, network);
    b->pod->resource_sets[0]->ports[0]->vip_prefix = xstrdup("web");
    PB_SET(b->pod->resource_sets[0]->ports[0], vip_port, 80);
}

static const char *scope_of(const struct bench *b)
{
    return labels_find(task_of(b)->discovery->ports->ports[0]->labels,
                       "network-scope");
}

static size_t count_ports(const Mesos__V1__TaskInfo *task)
{
    size_t count = 0;

    for (size_t i = 0; i < task->n_resources; i++)
        count += str_eq(task->resources[i]->name, "ports");
    return count;
}

/* On its own network a container has all ports: none of the host is taken. */
Test(task_build, ports_on_a_network_of_containers)
{
    struct bench b;

    setup(&b);
    with_network(&b, "dcos");
    run(&b);
    cr_expect_eq(count_ports(task_of(&b)), 0);
    cr_expect_eq(task_of(&b)->discovery->ports->ports[0]->number, 1025);
    cr_expect_str_eq(env_of(task_of(&b)->command, "PORT_HTTP"), "1025");
    cr_expect_str_eq(scope_of(&b), "container");
    cr_expect_str_eq(b.built->launches[0]
                         ->launch_group->executor->container->network_infos[0]
                         ->name,
                     "dcos");
    teardown(&b);
}

static const struct {
    uint32_t port, mapped, host, container; /* mapped 0: not said */
} bridge_cases[] = {
    {0, 0, 8000, 8000},
    {8003, 0, 8003, 8003},
    {8003, 80, 8003, 80},
};

Test(task_build, ports_of_the_host_on_a_bridge)
{
    for (size_t i = 0; i < ARRAY_LEN(bridge_cases); i++) {
        const Mesos__V1__NetworkInfo *network;
        struct bench b;

        setup(&b);
        with_network(&b, "mesos-bridge");
        b.pod->resource_sets[0]->ports[0]->port = bridge_cases[i].port;
        if (bridge_cases[i].mapped) {
            PB_ADD(b.pod->networks[0], host_ports, bridge_cases[i].port);
            PB_ADD(b.pod->networks[0], container_ports, bridge_cases[i].mapped);
        }
        run(&b);
        network = b.built->launches[0]
                      ->launch_group->executor->container->network_infos[0];
        cr_expect_eq(count_ports(task_of(&b)), 1);
        cr_expect_str_eq(scope_of(&b), "host");
        cr_assert_eq(network->n_port_mappings, 1);
        cr_expect_eq(network->port_mappings[0]->host_port,
                     bridge_cases[i].host);
        cr_expect_eq(network->port_mappings[0]->container_port,
                     bridge_cases[i].container);
        teardown(&b);
    }
}

/* A dynamic port leaves alone what another port of the pod must be. */
Test(task_build, fixed_ports_are_left_for_whom_they_are)
{
    Reeve__PortSpec *fixed = PB_NEW(reeve__port_spec);
    struct bench b;

    setup(&b);
    fixed->name = xstrdup("fixed");
    PB_SET(fixed, port, 8000);
    PB_ADD(b.pod->resource_sets[1], ports, fixed);
    run(&b);
    cr_expect_eq(task_of(&b)->discovery->ports->ports[0]->number, 8001);
    teardown(&b);
}

static void with_configs(struct bench *b)
{
    Reeve__ConfigTemplate *template;

    template = PB_NEW(reeve__config_template);
    template->name = xstrdup("my conf");
    template->dest = xstrdup("conf/x");
    PB_ADD(b->pod->tasks[0], configs, template);
}

Test(task_build, config_templates)
{
    struct bench b;
    const Mesos__V1__CommandInfo *command;

    setup(&b);
    with_configs(&b);
    run(&b);
    command = task_of(&b)->command;
    cr_expect_str_eq(env_of(command, "CONFIG_TEMPLATE_MY_CONF"),
                     "config-templates/my conf,conf/x");
    cr_assert_eq(command->n_uris, 1);
    cr_expect_str_eq(command->uris[0]->value,
                     "http://api.local:8080/v1/service/data-store/artifacts/"
                     "template/c1/hello/server/my%20conf");
    cr_expect_str_eq(command->uris[0]->output_file, "config-templates/my conf");
    teardown(&b);
}

static void with_tls(struct bench *b)
{
    Reeve__TransportEncryption *tls;

    tls = PB_NEW(reeve__transport_encryption);
    PB_ADD(b->pod->tasks[0], transport_encryption, tls);
}
static void with_shared_set(struct bench *b)
{
    pb_str(&b->pod->tasks[1]->resource_set, "server-set");
    PB_ADD(b->demand, tasks, xstrdup("side"));
}
static void with_bad_rlimit(struct bench *b)
{
    with_rlimit(b);
    pb_str(&b->pod->rlimits[0]->name, "RLIMIT_NONSENSE");
}

static void with_slash(struct bench *b)
{
    pb_str(&b->pod->resource_sets[0]->volumes[0]->path, "a/b");
}

static const struct {
    const char *name;
    void (*change)(struct bench *b);
    const char *why;
} refused_cases[] = {
    {"tls", with_tls, "transport encryption"},
    {"shared set", with_shared_set, "share resource set"},
    {"rlimit", with_bad_rlimit, "RLIMIT_NONSENSE"},
    {"volume path", with_slash, "'a/b' is not a single name"},
};

Test(task_build, what_cannot_be_built_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(refused_cases); i++) {
        struct bench b;
        struct err err = {0};

        setup(&b);
        refused_cases[i].change(&b);
        cr_expect_eq(task_build_check(b.pod, b.demand, &config, &err), -1,
                     "case %s", refused_cases[i].name);
        cr_expect(strstr(err.text, refused_cases[i].why), "case %s: %s",
                  refused_cases[i].name, err.text);
        teardown(&b);
    }
}

Test(task_build, config_templates_need_an_api)
{
    struct build_config no_api = {"", 0, "tld", "vip", ""};
    struct bench b;
    struct err err = {0};

    setup(&b);
    with_configs(&b);
    cr_expect_eq(task_build_check(b.pod, b.demand, &no_api, &err), -1);
    cr_expect_eq(err.code, ERR_UNSUPPORTED);
    teardown(&b);
}
