/* SPDX-License-Identifier: Apache-2.0 */
/* What a valid svc.yml becomes. */
#include <criterion/criterion.h>

#include "lib/base/buf.h"
#include "lib/spec/supported.h"
#include "tests/unit/spec/spec_test.h"

#define POD  "name: s\npods:\n  p:\n    count: 1\n"
#define TASK POD "    tasks:\n      t:\n        goal: RUNNING\n        cmd: x\n"

static const char inline_yml[] =
    "name: {{NAME}}\n"
    "pods:\n"
    "  meta-data:\n"
    "    count: 2\n"
    "    cmd: echo hello && sleep 10\n"
    "    cpus: 0.25\n"
    "    memory: 64\n"
    "    volume: {path: data, type: ROOT, size: 25}\n"
    "  data:\n"
    "    count: {{#N}}{{N}}{{/N}}{{^N}}3{{/N}}\n"
    "    goal: running\n"
    "    cmd: sleep 10\n"
    "    cpus: 1\n"
    "    memory: 32.0\n"
    "    env: {B: 2, A: null, C: true}\n"
    "    ports:\n"
    "      http: {port: 0, env-key: PORT_HTTP}\n";

Test(spec, inline_tasks)
{
    const char *const env[] = {"NAME=data-store", "OTHER=", NULL};
    struct err err = {0};
    AUTO_SPEC Reeve__ServiceSpec *s = parse_env(inline_yml, env, &err);

    cr_assert(s, "%s", err.text);
    cr_expect_str_eq(s->name, "data-store");
    cr_expect_str_eq(s->role, "data-store-role");
    cr_expect_str_eq(s->principal, "data-store-principal");
    cr_expect_str_eq(s->user, "root");
    cr_expect_eq(s->n_plans, 0);
    cr_assert_eq(s->n_pods, 2);
    const Reeve__PodSpec *meta = s->pods[0], *data = s->pods[1];
    cr_expect_str_eq(meta->type, "meta-data");
    cr_expect(meta->inline_task);
    cr_expect_eq(meta->n_volumes, 0);
    cr_assert_eq(meta->n_tasks, 1);
    cr_expect_str_eq(meta->tasks[0]->name, "");
    cr_expect_eq(meta->tasks[0]->goal, REEVE__GOAL__GOAL_RUNNING);
    const Reeve__ResourceSet *set =
        spec_find_resource_set(meta, meta->tasks[0]->resource_set);
    cr_assert(set);
    cr_expect_eq(set->cpu_milli, 250);
    cr_expect_eq(set->mem_mib, 64);
    cr_assert_eq(set->n_volumes, 1);
    cr_expect_eq(set->volumes[0]->size_mib, 25);
    cr_expect_eq(data->count, 3);
    cr_assert_eq(data->tasks[0]->n_env, 3);
    cr_expect_str_eq(data->tasks[0]->env[0]->name, "A");
    cr_expect_str_eq(data->tasks[0]->env[0]->value, "");
    cr_expect_str_eq(data->tasks[0]->env[1]->value, "2");
    cr_expect_str_eq(data->tasks[0]->env[2]->value, "true");
    cr_expect_eq(s->n_warnings, 0);
}

Test(spec, keeps_the_order_of_pods_and_tasks)
{
    AUTO_SPEC Reeve__ServiceSpec *s =
        parse("name: s\npods:\n"
              "  z:\n    count: 1\n    tasks:\n"
              "      b: {goal: ONCE, cmd: x, cpus: 1}\n"
              "      a: {goal: FINISH, cmd: x, cpus: 1, essential: false}\n"
              "  a:\n    count: 0\n    tasks: {t: {goal: RUNNING, cmd: x, "
              "cpus: 1}}\n",
              NULL);

    cr_assert(s);
    cr_expect_str_eq(s->pods[0]->type, "z");
    cr_expect_str_eq(s->pods[0]->tasks[0]->name, "b");
    cr_expect(s->pods[0]->tasks[0]->essential);
    cr_expect_not(s->pods[0]->tasks[1]->essential);
    cr_expect_str_eq(s->pods[0]->tasks[0]->resource_set, "b-resource-set");
    cr_expect_eq(s->pods[1]->count, 0);
}

static const char full_yml[] =
    "name: /test/full\n"
    "web-url: http://x\n"
    "scheduler: {principal: me, user: nobody, zookeeper: 'zk:2181'}\n"
    "pods:\n"
    "  p:\n"
    "    count: '2'\n"
    "    image: ubuntu\n"
    "    placement: '[[\"hostname\", \"UNIQUE\"]]'\n"
    "    uris: [http://a, http://b]\n"
    "    volume: {path: v1, type: MOUNT, size: 10, profiles: [fast]}\n"
    "    volumes:\n      x: {path: v2, type: ROOT, size: 5}\n"
    "    rlimits: {RLIMIT_NOFILE: {soft: 10, hard: 20}, RLIMIT_CPU: {soft: -1,"
    " hard: -1}}\n"
    "    networks: {mesos-bridge: {host-ports: [1], container-ports: [2],"
    " labels: 'a:b,c:d:e'}, dcos: }\n"
    "    secrets: {s: {secret: a/b}, t: {secret: c, env-key: T}}\n"
    "    host-volumes: {h: {host-path: /etc, container-path: e}}\n"
    "    external-volumes: {e: {type: DOCKER, volume-name: n, driver-name: d,"
    " driver-options: 'size=1', container-path: c}}\n"
    "    pre-reserved-role: public\n"
    "    share-pid-namespace: true\n"
    "    allow-decommission: TRUE\n"
    "    seccomp-unconfined: false\n"
    "    seccomp-profile-name: p\n"
    "    ipc-mode: PRIVATE\n"
    "    shm-size: 64\n"
    "    resource-sets:\n"
    "      shared:\n"
    "        cpus: 0.5\n        gpus: 1\n        memory: 100\n"
    "        resource-limits: {cpus: unlimited, memory: 200}\n"
    "        ports:\n"
    "          web: {port: 80, advertise: true, vip: {prefix: w, port: 81}}\n"
    "          dyn: {port: 0, ranges: [{begin: 100, end: 200}, {begin: 300,"
    " end: }], vip: {port: 9}}\n"
    "    tasks:\n"
    "      t:\n"
    "        goal: RUNNING\n"
    "        cmd: run\n"
    "        resource-set: shared\n"
    "        kill-grace-period: 30\n"
    "        labels: k:v\n"
    "        discovery: {prefix: d}\n"
    "        health-check: {cmd: h, interval: 1, grace-period: 2,"
    " max-consecutive-failures: 3, delay: 4, timeout: 5}\n"
    "        readiness-check: {cmd: r, interval: 1, timeout: 2}\n"
    "        transport-encryption: [{name: n, type: TLS}]\n"
    "        ipc-mode: SHARE_PARENT\n"
    "plans:\n"
    "  deploy:\n"
    "    phases:\n"
    "      one:\n        pod: p\n        strategy: canary\n"
    "        steps: [{0: [[t], [t]]}, {default: []}]\n"
    "      two: {pod: p, strategy: parallel}\n"
    "  side: {strategy: parallel, phases: {a: {pod: p}}}\n";

Test(spec, everything_of_a_pod)
{
    struct err err = {0};
    AUTO_SPEC Reeve__ServiceSpec *s = parse(full_yml, &err);

    cr_assert(s, "%s", err.text);
    cr_expect_str_eq(s->role, "test__full-role");
    cr_expect_str_eq(s->principal, "me");
    cr_expect_str_eq(s->user, "nobody");
    const Reeve__PodSpec *p = s->pods[0];
    cr_expect_eq(p->count, 2);
    cr_expect_str_eq(p->user, "nobody");
    cr_expect_eq(p->n_uris, 2);
    cr_assert_eq(p->n_volumes, 2);
    cr_expect_eq(p->volumes[0]->type, REEVE__VOLUME_SPEC__TYPE__MOUNT);
    cr_expect_eq(p->rlimits[1]->soft, -1);
    cr_assert_eq(p->n_networks, 2);
    cr_expect_str_eq(p->networks[0]->labels[1]->value, "d:e");
    cr_expect_eq(p->networks[0]->container_ports[0], 2);
    cr_expect_str_eq(p->secrets[0]->file, "a/b");
    cr_expect_eq(p->secrets[1]->file, NULL);
    cr_expect_str_eq(p->host_volumes[0]->mode, "RW");
    cr_expect_str_eq(p->external_volumes[0]->volume_mode, "RW");
    cr_expect(p->share_pid_namespace && p->allow_decommission);
    cr_expect_eq(p->shm_size_mib, 64);
    cr_expect_str_eq(p->placement, "[[\"hostname\", \"UNIQUE\"]]");
}

Test(spec, everything_of_a_task_and_its_resources)
{
    AUTO_SPEC Reeve__ServiceSpec *s = parse(full_yml, NULL);

    cr_assert(s);
    const Reeve__TaskSpec *t = spec_find_task(s->pods[0], "t");
    const Reeve__ResourceSet *set =
        spec_find_resource_set(s->pods[0], t->resource_set);
    cr_expect_str_eq(set->id, "shared");
    cr_expect_eq(set->gpu_milli, 1000);
    cr_expect_str_eq(set->limit_cpus, "unlimited");
    cr_expect_eq(set->ports[0]->vip_port, 81);
    cr_expect_str_eq(set->ports[1]->vip_prefix, "dyn");
    cr_expect_eq(set->ports[1]->ranges[1]->end, 65535);
    cr_expect_eq(t->kill_grace_period_s, 30);
    cr_expect_str_eq(t->labels[0]->value, "v");
    cr_expect_str_eq(t->discovery->visibility, "CLUSTER");
    cr_expect_eq(t->health_check->max_consecutive_failures, 3);
    cr_expect_eq(t->health_check->grace_period_s, 2);
    cr_expect_eq(t->readiness_check->delay_s, 0);
    cr_expect_str_eq(t->transport_encryption[0]->type, "TLS");
}

Test(spec, plans)
{
    AUTO_SPEC Reeve__ServiceSpec *s = parse(full_yml, NULL);

    cr_assert(s);
    cr_assert_eq(s->n_plans, 2);
    const Reeve__PlanSpec *deploy = s->plans[0];
    cr_expect_str_eq(deploy->strategy, "serial");
    cr_expect_str_eq(s->plans[1]->strategy, "parallel");
    const Reeve__PhaseSpec *one = deploy->phases[0];
    cr_expect_str_eq(one->strategy, "serial-canary");
    cr_assert_eq(one->n_steps, 2);
    cr_expect_eq(one->steps[0]->index, 0);
    cr_expect_eq(one->steps[0]->n_groups, 2);
    cr_expect_str_eq(one->steps[0]->groups[1]->tasks[0], "t");
    cr_expect_eq(one->steps[1]->index, -1);
    cr_expect_eq(one->steps[1]->n_groups, 0);
    cr_expect_eq(deploy->phases[1]->n_steps, 0);
}

Test(spec, region_and_user_from_the_environment)
{
    const char *const env[] = {"SERVICE_REGION=eu", "FRAMEWORK_USER=me", NULL};
    AUTO_SPEC Reeve__ServiceSpec *s =
        parse_env(TASK "        cpus: 1\n", env, NULL);

    cr_assert(s);
    cr_expect_str_eq(s->region, "eu");
    cr_expect_str_eq(s->user, "me");
}

static const struct {
    const char *name, *text, *part;
} warnings[] = {
    {"unknown pod key", TASK "        cpus: 1\n    user: x\n",
     "svc.yml:10: pods.p.user: unknown key, ignored"},
    {"unset variable", TASK "        cpus: 1\n        labels: {{L}}\n",
     "svc.yml:10: L is not set, taken as empty"},
    {"task uris", TASK "        cpus: 1\n        uris: [http://x]\n",
     "uris belong to a pod"},
    {"mem limit", TASK "        cpus: 1\n        resource-limits: {mem: 1}\n",
     "'mem' is taken as 'memory'"},
    {"ranges of a fixed port",
     TASK "        ports: {a: {port: 1, ranges: [{begin: 2}]}}\n",
     "ranges mean nothing"},
    {"ignored resources",
     POD "    resource-sets: {r: {cpus: 1}}\n    tasks:\n      t: {goal: ONCE,"
         " cmd: x, resource-set: r, memory: 3}\n",
     "'memory' is ignored"},
    {"strange network", TASK "        cpus: 1\n    networks: {calico: }\n",
     "not known"},
    {"index above the count",
     TASK "        cpus: 1\nplans: {deploy: {phases: {a: {pod: p, steps: [{0: "
          "[[t]]}, {7: []}]}}}}\n",
     "instance 7 does not exist"},
    {"same port in two sets",
     POD "    tasks:\n      a: {goal: ONCE, cmd: x, ports: {q: {port: 7}}}\n"
         "      b: {goal: ONCE, cmd: x, ports: {r: {port: 7}}}\n",
     "port 7 is asked for by two"},
};

Test(spec, warns)
{
    for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
        struct err err = {0};
        AUTO_SPEC Reeve__ServiceSpec *s = parse(warnings[i].text, &err);
        bool found = false;
        cr_assert(s, "case: %s: %s", warnings[i].name, err.text);
        for (size_t j = 0; j < s->n_warnings; j++)
            found = found || strstr(s->warnings[j], warnings[i].part);
        cr_expect(found, "case: %s: %zu warnings, first: %s", warnings[i].name,
                  s->n_warnings, s->n_warnings ? s->warnings[0] : "");
    }
}

/* ---- templates ---- */

static int read_template(void *self, const char *path, struct buf *out,
                         struct err *err)
{
    (void)self;
    if (strcmp(path, "dir/a.conf") == 0)
        buf_add_str(out, "port={{PORT}}\n");
    else if (strcmp(path, "dir/empty") != 0)
        return err_set(err, ERR_NOT_FOUND, "%s: open: No such file", path);
    return 0;
}

static Reeve__ServiceSpec *parse_template(const char *template, struct err *err)
{
    AUTO_FREE char *text =
        xasprintf(TASK "        cpus: 1\n        configs: {c: {template: %s, "
                       "dest: etc/a}}\n",
                  template);
    const struct spec_source source = {.path = "dir/svc.yml",
                                       .text = text,
                                       .len = strlen(text),
                                       .read_file = read_template};

    return spec_parse(&source, err);
}

Test(spec, config_templates_are_embedded)
{
    struct err err = {0};
    AUTO_SPEC Reeve__ServiceSpec *s = parse_template("a.conf", &err);

    cr_assert(s, "%s", err.text);
    const Reeve__ConfigTemplate *config = s->pods[0]->tasks[0]->configs[0];
    cr_expect_str_eq((const char *)config->content.data, "port={{PORT}}\n");
    cr_expect_str_eq(config->dest, "etc/a");
    AUTO_SPEC Reeve__ServiceSpec *none = parse_template("nope", &err);
    cr_expect_eq(none, NULL);
    cr_expect_str_eq(err.text,
                     "dir/svc.yml:10: pods.p.tasks.t.configs.c: dir/nope: "
                     "open: No such file");
    AUTO_SPEC Reeve__ServiceSpec *empty = parse_template("empty", &err);
    cr_expect_eq(empty, NULL);
    cr_expect(strstr(err.text, "dir/empty is empty"), "%s", err.text);
}

/* ---- unsupported ---- */

typedef size_t tell_fn(const Reeve__ServiceSpec *spec, char **out, size_t max);

static bool tells(tell_fn *tell, const Reeve__ServiceSpec *s, const char *key)
{
    char *texts[32];
    size_t n = tell(s, texts, ARRAY_LEN(texts));
    bool found = false;
    AUTO_FREE char *want = xasprintf("pods.p: %s ", key);

    for (size_t i = 0; i < n; i++) {
        found = found || str_starts(texts[i], want);
        free(texts[i]);
    }
    return found;
}

Test(spec, unsupported_features_are_told)
{
    static const char *const nowhere[] = {"transport-encryption"};
    static const char *const not_here[] = {
        "image",
        "networks",
        "external-volumes",
        "secrets",
        "ipc-mode",
        "share-pid-namespace",
        "shm-size",
        "seccomp-unconfined and seccomp-profile-name"};
    const char *const env[] = {"NAME=x", NULL};
    AUTO_SPEC Reeve__ServiceSpec *full = parse(full_yml, NULL);
    AUTO_SPEC Reeve__ServiceSpec *plain = parse_env(inline_yml, env, NULL);
    char *texts[2];

    cr_assert(full && plain);
    for (size_t i = 0; i < ARRAY_LEN(nowhere); i++) {
        cr_expect(tells(spec_unsupported, full, nowhere[i]), "case: %s",
                  nowhere[i]);
        cr_expect_not(tells(spec_unsupported_by_devcluster, full, nowhere[i]),
                      "case: %s", nowhere[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(not_here); i++) {
        cr_expect(tells(spec_unsupported_by_devcluster, full, not_here[i]),
                  "case: %s", not_here[i]);
        cr_expect_not(tells(spec_unsupported, full, not_here[i]), "case: %s",
                      not_here[i]);
    }
    cr_expect_eq(spec_unsupported_by_devcluster(full, texts, 2), 2,
                 "no more than asked");
    free(texts[0]);
    free(texts[1]);
    cr_expect_eq(spec_unsupported(plain, texts, 2), 0);
    cr_expect_eq(spec_unsupported_by_devcluster(plain, texts, 2), 0);
}

static const struct {
    const char *configured;
    size_t missing;
} hook_lists[] = {
    {NULL, 2},
    {"", 2},
    {"mine", 1},
    {"yours", 1},
    {"mine,yours", 0},
    {" mine=ipc:///x , yours=tcp://127.0.0.1:1 ", 0},
    {"min,mine2,=mine,x=yours", 2},
    {",,mine,", 1},
};

Test(spec, hooks_that_are_not_configured)
{
    AUTO_SPEC Reeve__ServiceSpec *spec =
        parse("name: s\npods:\n"
              "  p: {count: 1, cmd: x, cpus: 1,\n"
              "      placement: 'hostname:UNIQUE,@hook:IS:mine'}\n"
              "  q: {count: 1, cmd: x, cpus: 1, placement: "
              "'{\"@type\": \"NotRule\", \"rule\": {\"@type\": \"HookRule\", "
              "\"name\": \"yours\"}}'}\n"
              "  r: {count: 1, cmd: x, cpus: 1}\n",
              NULL);
    char *texts[4];

    cr_assert(spec);
    for (size_t i = 0; i < ARRAY_LEN(hook_lists); i++) {
        size_t n =
            spec_unconfigured_hooks(spec, hook_lists[i].configured, texts, 4);

        cr_expect_eq(n, hook_lists[i].missing, "case: %s",
                     str_or_empty(hook_lists[i].configured));
        for (size_t k = 0; k < n; k++) {
            cr_expect(str_starts(texts[k], "pods."), "%s", texts[k]);
            free(texts[k]);
        }
    }
    cr_expect_eq(spec_unconfigured_hooks(spec, NULL, texts, 1), 1);
    free(texts[0]);
    cr_expect_eq(spec_unsupported(spec, texts, 4), 0);
}

/* ---- names ---- */

static void expect_taken(char *text, const char *want)
{
    cr_expect_str_eq(text, want);
    free(text);
}

Test(spec, names)
{
    expect_taken(spec_service_key("/a/b"), "a__b");
    expect_taken(spec_service_key("data-store"), "data-store");
    expect_taken(spec_pod_instance("data", 0), "data-0");
    expect_taken(spec_task_name("hello", 0, "server"), "hello-0-server");
    expect_taken(spec_task_name("data", 2, ""), "data-2");
    expect_taken(spec_task_id("/a/b", "x-0", "u"), "a.b__x-0__u");
    expect_taken(spec_executor_id("s", "x", "u"), "s__x__u");
}
