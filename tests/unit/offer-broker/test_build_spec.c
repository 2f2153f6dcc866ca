/* SPDX-License-Identifier: Apache-2.0 */
/* From svc.yml to what is launched: each key of a pod or task that becomes a
 * part of TaskInfo or ExecutorInfo, in the master's own JSON. */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "make.h"
#include "services/offer-broker/task_build.h"

#define OFFERED "cpus:4;mem:4096;disk:10240;ports:[8000-8010]"

struct bench {
    struct counting_ids ids;
    Reeve__ServiceSpec *spec;
    Reeve__Demand *demand;
    Mesos__V1__Offer *offer;
    struct match *match;
    struct built *built;
};

static Reeve__ServiceSpec *parse(const char *pod, const char *task)
{
    const char *const no_env[] = {NULL};
    AUTO_FREE char *text =
        xasprintf("name: /shop/kv\npods:\n  web:\n    count: 3\n%s"
                  "    tasks:\n      node:\n        goal: RUNNING\n"
                  "        cmd: run\n        cpus: 1\n        memory: 64\n%s",
                  pod, task);
    const struct spec_source source = {
        .path = "svc.yml", .text = text, .len = strlen(text), .env = no_env};
    struct err err = {0};
    Reeve__ServiceSpec *spec = spec_parse(&source, &err);

    cr_assert(spec, "%s\n%s", err.text, text);
    return spec;
}

static void set_domain(Mesos__V1__Offer *offer)
{
    Mesos__V1__DomainInfo__FaultDomain *fault =
        PB_NEW(mesos__v1__domain_info__fault_domain);

    offer->domain = PB_NEW(mesos__v1__domain_info);
    offer->domain->fault_domain = fault;
    fault->region = PB_NEW(mesos__v1__domain_info__fault_domain__region_info);
    fault->region->name = xstrdup("north");
    fault->zone = PB_NEW(mesos__v1__domain_info__fault_domain__zone_info);
    fault->zone->name = xstrdup("n1");
}

/* web-2 on agent S0. */
static void build(struct bench *b, const char *pod_text, const char *task)
{
    const struct build_config config = {"api", 80, "tld", "vip", "/shop/kv"};
    const char *sets[1];
    struct resources *pool;
    AUTO_BUF struct buf why = {0};
    struct err err = {0};

    *b = (struct bench){.spec = parse(pod_text, task)};
    const Reeve__PodSpec *pod = b->spec->pods[0];
    counting_ids(&b->ids);
    b->offer = make_offer("o1", "S0", OFFERED, "r1");
    set_domain(b->offer);
    b->demand = PB_NEW(reeve__demand);
    b->demand->pod_type = xstrdup("web");
    PB_SET(b->demand, pod_index, 2);
    b->demand->config_id = xstrdup("c1");
    PB_ADD(b->demand, tasks, xstrdup("node"));
    sets[0] = pod->tasks[0]->resource_set;
    pool = resources_from(b->offer->resources, b->offer->n_resources);
    struct eval_in eval = {.pod = pod,
                           .pod_instance = "web-2",
                           .sets = sets,
                           .n_sets = 1,
                           .overhead = {100, 32, 256},
                           .framework_id = "f-0000",
                           .role = "data-store-role",
                           .principal = "p",
                           .ids = &b->ids.source};
    struct build_in in = {.spec = b->spec,
                          .pod = pod,
                          .demand = b->demand,
                          .config = &config,
                          .framework_id = "f-0000",
                          .offer = b->offer,
                          .ids = &b->ids.source};

    cr_assert_eq(task_build_check(pod, b->demand, &config, &err), 0, "%s",
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

static const Mesos__V1__TaskInfo *task_of(const struct bench *b)
{
    return b->built->launches[0]->launch_group->task_group->tasks[0];
}

static const Mesos__V1__ExecutorInfo *executor_of(const struct bench *b)
{
    return b->built->launches[0]->launch_group->executor;
}

static void expect_json(const char *name, const ProtobufCMessage *message,
                        const char *want)
{
    AUTO_BUF struct buf text = {0};

    if (message)
        wire_to_json_text(message, WIRE_JSON_PROTO, &text);
    cr_expect_str_eq(buf_text(&text), want, "case %s:\n%s\n%s", name,
                     buf_text(&text), want);
}

static const struct {
    const char *name, *pod, *task;
    const char *task_container, *executor_container; /* JSON; "": none */
} cases[] = {
    {"nothing", "", "", "", ""},
    {"image", "    image: redis:7\n", "",
     "{\"type\":\"MESOS\",\"volumes\":[{\"container_path\":\"/tm"
     "p\",\"mode\":\"RW\",\"source\":{\"type\":\"SANDBOX_PATH\","
     "\"sandbox_path\":{\"type\":\"SELF\",\"path\":\"tmp\"}}}],"
     "\"mesos\":{\"image\":{\"type\":\"DOCKER\",\"docker\":{\"na"
     "me\":\"redis:7\"}}}}",
     ""},
    {"host volumes",
     "    host-volumes:\n"
     "      a: {host-path: /etc/a, container-path: conf}\n"
     "      b: {host-path: /etc/b, container-path: more, mode: RO}\n",
     "",
     "{\"type\":\"MESOS\",\"volumes\":[{\"container_path\":\"con"
     "f\",\"mode\":\"RW\",\"source\":{\"type\":\"HOST_PATH\",\"h"
     "ost_path\":{\"path\":\"/etc/a\"}}},{\"container_path\":\"m"
     "ore\",\"mode\":\"RO\",\"source\":{\"type\":\"HOST_PATH\","
     "\"host_path\":{\"path\":\"/etc/b\"}}}]}",
     ""},
    {"pod volume", "    volume: {path: shared, type: ROOT, size: 16}\n", "",
     "{\"type\":\"MESOS\",\"volumes\":[{\"container_path\":\"sha"
     "red\",\"mode\":\"RW\",\"source\":{\"type\":\"SANDBOX_PATH"
     "\",\"sandbox_path\":{\"type\":\"PARENT\",\"path\":\"shared"
     "\"}}}]}",
     ""},
    {"secret files",
     "    secrets:\n"
     "      a: {secret: shop/key}\n"
     "      b: {secret: shop/cert, file: tls/cert.pem}\n"
     "      c: {secret: shop/env, env-key: TOKEN}\n",
     "",
     "{\"type\":\"MESOS\",\"volumes\":[{\"container_path\":\"sho"
     "p/key\",\"mode\":\"RW\",\"source\":{\"type\":\"SECRET\",\""
     "secret\":{\"type\":\"REFERENCE\",\"reference\":{\"name\":"
     "\"shop/key\"}}}},{\"container_path\":\"tls/cert.pem\",\"mo"
     "de\":\"RW\",\"source\":{\"type\":\"SECRET\",\"secret\":{\""
     "type\":\"REFERENCE\",\"reference\":{\"name\":\"shop/cert\""
     "}}}}]}",
     ""},
    {"rlimits",
     "    rlimits:\n"
     "      RLIMIT_NOFILE: {soft: 100, hard: 200}\n"
     "      RLIMIT_CORE: {soft: -1, hard: -1}\n",
     "",
     "{\"type\":\"MESOS\",\"rlimit_info\":{\"rlimits\":[{\"type"
     "\":\"RLMT_NOFILE\",\"hard\":200,\"soft\":100},{\"type\":\""
     "RLMT_CORE\"}]}}",
     ""},
    {"seccomp off", "    seccomp-unconfined: true\n", "",
     "{\"type\":\"MESOS\",\"linux_info\":{\"seccomp\":{\"unconfi"
     "ned\":true}}}",
     ""},
    {"seccomp profile", "    seccomp-profile-name: strict.json\n", "",
     "{\"type\":\"MESOS\",\"linux_info\":{\"seccomp\":{\"profile"
     "_name\":\"strict.json\"}}}",
     ""},
    {"ipc and shm of the pod", "    ipc-mode: PRIVATE\n    shm-size: 128\n", "",
     "",
     "{\"type\":\"MESOS\",\"linux_info\":{\"ipc_mode\":\"PRIVATE"
     "\",\"shm_size\":128}}"},
    {"ipc and shm of the task", "",
     "        ipc-mode: PRIVATE\n        shm-size: 64\n",
     "{\"type\":\"MESOS\",\"linux_info\":{\"ipc_mode\":\"PRIVATE"
     "\",\"shm_size\":64}}",
     ""},
    {"ipc of the parent", "    ipc-mode: PRIVATE\n",
     "        ipc-mode: SHARE_PARENT\n",
     "{\"type\":\"MESOS\",\"linux_info\":{\"ipc_mode\":\"SHARE_P"
     "ARENT\"}}",
     "{\"type\":\"MESOS\",\"linux_info\":{\"ipc_mode\":\"PRIVATE"
     "\"}}"},
    {"pid namespace", "    share-pid-namespace: true\n", "",
     "{\"type\":\"MESOS\",\"linux_info\":{\"share_pid_namespace"
     "\":true}}",
     ""},
    {"limits", "", "        resource-limits: {cpus: unlimited, memory: 128}\n",
     "{\"type\":\"MESOS\",\"linux_info\":{\"share_cgroups\":fals"
     "e}}",
     ""},
    {"overlay", "    networks:\n      dcos: {labels: 'a:b,c:d'}\n", "", "",
     "{\"type\":\"MESOS\",\"network_infos\":[{\"labels\":{\"labe"
     "ls\":[{\"key\":\"a\",\"value\":\"b\"},{\"key\":\"c\",\"val"
     "ue\":\"d\"}]},\"name\":\"dcos\"}]}"},
    {"another network", "    networks:\n      calico:\n", "", "",
     "{\"type\":\"MESOS\",\"network_infos\":[{\"name\":\"calico"
     "\"}]}"},
    {"bridge",
     "    networks:\n"
     "      mesos-bridge: {host-ports: [8005], container-ports: [80]}\n",
     "        ports:\n          http: {port: 8005}\n"
     "          more: {port: 0}\n",
     "",
     "{\"type\":\"MESOS\",\"network_infos\":[{\"name\":\"mesos-b"
     "ridge\",\"port_mappings\":[{\"host_port\":8005,\"container"
     "_port\":80,\"protocol\":\"tcp\"},{\"host_port\":8000,\"con"
     "tainer_port\":8000,\"protocol\":\"tcp\"}]}]}"},
    {"external volume",
     "    external-volumes:\n"
     "      e: {type: DOCKER, driver-name: pxd, volume-mode: RW,\n"
     "          container-path: ext, driver-options: size=10}\n",
     "",
     "{\"type\":\"MESOS\",\"volumes\":[{\"container_path\":\"ext"
     "\",\"mode\":\"RW\",\"source\":{\"type\":\"DOCKER_VOLUME\","
     "\"docker_volume\":{\"driver\":\"pxd\",\"name\":\"shop__kv-"
     "web-2\",\"driver_options\":{\"parameter\":[{\"key\":\"size"
     "\",\"value\":\"10\"},{\"key\":\"nodes\",\"value\":\"LocalN"
     "ode\"}]}}}}]}",
     "{\"type\":\"MESOS\",\"volumes\":[{\"container_path\":\"ext"
     "\",\"mode\":\"RW\",\"source\":{\"type\":\"DOCKER_VOLUME\","
     "\"docker_volume\":{\"driver\":\"pxd\",\"name\":\"shop__kv-"
     "web-2\",\"driver_options\":{\"parameter\":[{\"key\":\"size"
     "\",\"value\":\"10\"},{\"key\":\"nodes\",\"value\":\"LocalN"
     "ode\"}]}}}}]}"},
};

Test(build_spec, containers)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        const Mesos__V1__ContainerInfo *task, *executor;

        build(&b, cases[i].pod, cases[i].task);
        task = task_of(&b)->container;
        executor = executor_of(&b)->container;
        expect_json(cases[i].name, task ? &task->base : NULL,
                    cases[i].task_container);
        expect_json(cases[i].name, executor ? &executor->base : NULL,
                    cases[i].executor_container);
        teardown(&b);
    }
}

/* ---- the rest of TaskInfo ------------------------------------------ */
static const Mesos__V1__Environment__Variable *
variable(const Mesos__V1__CommandInfo *command, const char *name)
{
    const Mesos__V1__Environment *env = command->environment;

    for (size_t i = 0; i < env->n_variables; i++)
        if (str_eq(env->variables[i]->name, name))
            return env->variables[i];
    return NULL;
}

static const char checks[] =
    "        env: {PORT: own, A: 'null'}\n"
    "        health-check: {cmd: h, interval: 5, grace-period: 30,\n"
    "          max-consecutive-failures: 3, delay: 1, timeout: 10}\n"
    "        readiness-check: {cmd: r, interval: 5, delay: 2, timeout: 9}\n"
    "        ports: {http: {port: 0, env-key: PORT}}\n"
    "        kill-grace-period: 60\n";

/* NULL: it is not there; "(secret)": of that type. */
static const struct {
    const char *name, *of_command, *of_checks;
} variables[] = {
    {"TASK_NAME", "web-2-node", "web-2-node"},
    {"web-2-node", "true", "true"},
    {"POD_INSTANCE_INDEX", "2", "2"},
    {"FRAMEWORK_NAME", "/shop/kv", "/shop/kv"},
    {"FRAMEWORK_HOST", "shopkv.tld", "shopkv.tld"},
    {"FRAMEWORK_VIP_HOST", "shopkv.vip", "shopkv.vip"},
    {"SCHEDULER_API_HOSTNAME", "api", "api"},
    {"SCHEDULER_API_PORT", "80", "80"},
    {"PLACEMENT_REFERENCED_REGION", "false", "false"},
    {"PLACEMENT_REFERENCED_ZONE", "true", "true"},
    {"REGION", "north", NULL},
    {"ZONE", "n1", NULL},
    {"PORT", "8000", "8000"},
    {"A", "null", "null"},
    {"TOKEN", "(secret)", "(secret)"},
    {"KEY_FILE", NULL, NULL},
};

static void expect_variable(const Mesos__V1__CommandInfo *command,
                            const char *name, const char *want)
{
    const Mesos__V1__Environment__Variable *var = variable(command, name);

    if (!want || !var) {
        cr_expect_eq(var == NULL, want == NULL, "%s", name);
    } else if (!str_eq(want, "(secret)")) {
        cr_expect_str_eq(var->value, want, "%s", name);
    } else {
        cr_expect_eq(var->type, MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__SECRET);
        cr_expect_null(var->value);
        cr_expect_str_eq(var->secret->reference->name, "shop/token");
    }
}

Test(build_spec, variables)
{
    struct bench b;
    const Mesos__V1__TaskInfo *task;

    build(&b,
          "    placement: '@zone:GROUP_BY:3'\n"
          "    secrets:\n"
          "      t: {secret: shop/token, env-key: TOKEN}\n"
          "      k: {secret: shop/key, file: key}\n",
          checks);
    task = task_of(&b);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        expect_variable(task->command, variables[i].name,
                        variables[i].of_command);
        expect_variable(task->health_check->command, variables[i].name,
                        variables[i].of_checks);
        expect_variable(task->check->command->command, variables[i].name,
                        variables[i].of_checks);
    }
    cr_expect_float_eq(task->health_check->grace_period_seconds, 30, 1e-9);
    cr_expect_float_eq(task->health_check->delay_seconds, 1, 1e-9);
    cr_expect_float_eq(task->check->timeout_seconds, 9, 1e-9);
    cr_expect_eq(task->kill_policy->grace_period->nanoseconds, 60000000000LL);
    teardown(&b);
}

static const struct {
    const char *name, *pod, *task, *want; /* DiscoveryInfo */
} discoveries[] = {
    {"as it is", "", "",
     "{\"visibility\":\"CLUSTER\",\"name\":\"web-2-node\"}"},
    {"prefix and visibility", "",
     "        discovery: {prefix: front, visibility: EXTERNAL}\n",
     "{\"visibility\":\"EXTERNAL\",\"name\":\"front-2\"}"},
    {"of the framework only", "",
     "        discovery: {visibility: FRAMEWORK}\n",
     "{\"visibility\":\"FRAMEWORK\",\"name\":\"web-2-node\"}"},
    {"advertised", "", "        ports: {http: {port: 8001, advertise: true}}\n",
     "{\"visibility\":\"CLUSTER\",\"name\":\"web-2-node\",\"port"
     "s\":{\"ports\":[{\"number\":8001,\"name\":\"http\",\"proto"
     "col\":\"tcp\",\"visibility\":\"EXTERNAL\"}]}}"},
    {"VIP of the port's name", "",
     "        ports: {http: {port: 8001, vip: {port: 80}}}\n",
     "{\"visibility\":\"CLUSTER\",\"name\":\"web-2-node\",\"port"
     "s\":{\"ports\":[{\"number\":8001,\"name\":\"http\",\"proto"
     "col\":\"tcp\",\"visibility\":\"CLUSTER\",\"labels\":{\"lab"
     "els\":[{\"key\":\"VIP_id-11\",\"value\":\"http:80\"}]}}]}}"},
    {"VIP on an overlay", "    networks:\n      dcos:\n",
     "        ports: {http: {port: 9000, vip: {prefix: w, port: 80}}}\n",
     "{\"visibility\":\"CLUSTER\",\"name\":\"web-2-node\",\"port"
     "s\":{\"ports\":[{\"number\":9000,\"name\":\"http\",\"proto"
     "col\":\"tcp\",\"visibility\":\"CLUSTER\",\"labels\":{\"lab"
     "els\":[{\"key\":\"VIP_id-10\",\"value\":\"w:80\"},{\"key\""
     ":\"network-scope\",\"value\":\"container\"}]}}]}}"},
};

Test(build_spec, discovery)
{
    for (size_t i = 0; i < ARRAY_LEN(discoveries); i++) {
        struct bench b;

        build(&b, discoveries[i].pod, discoveries[i].task);
        expect_json(discoveries[i].name, &task_of(&b)->discovery->base,
                    discoveries[i].want);
        teardown(&b);
    }
}

/* What Reeve itself goes by is not for the user's labels to say. */
Test(build_spec, labels_uris_and_user)
{
    struct bench b;
    const Mesos__V1__TaskInfo *task;

    build(&b, "    uris: ['http://x/a.tgz', 'http://x/b']\n",
          "        labels: 'a:b,c:d:e,index:9,task_type:x,"
          "target_configuration:y,offer_zone:z'\n");
    task = task_of(&b);
    expect_json("labels", &task->labels->base,
                "{\"labels\":[{\"key\":\"a\",\"value\":\"b\"},{\"key\":\"c"
                "\",\"value\":\"d:e\"},{\"key\":\"index\",\"value\":\"2\"},"
                "{\"key\":\"task_type\",\"value\":\"web\"},{\"key\":\"targe"
                "t_configuration\",\"value\":\"c1\"},{\"key\":\"offer_zone"
                "\",\"value\":\"n1\"},{\"key\":\"offer_hostname\",\"value\""
                ":\"S0.local\"},{\"key\":\"offer_attributes\",\"value\":\"r"
                "ack:r1\"},{\"key\":\"offer_region\",\"value\":\"north\"}]}");
    cr_assert_eq(task->command->n_uris, 2);
    cr_expect_str_eq(task->command->uris[1]->value, "http://x/b");
    cr_expect_null(task->command->uris[1]->output_file);
    expect_json(
        "executor's labels", &executor_of(&b)->labels->base,
        "{\"labels\":[{\"key\":\"DCOS_SPACE\",\"value\":\"/shop/kv\"}]}");
    cr_expect(
        str_starts(executor_of(&b)->executor_id->value, "shop.kv__web__"));
    cr_expect(str_starts(task->task_id->value, "shop.kv__web-2-node__"));
    teardown(&b);
}
