/* SPDX-License-Identifier: Apache-2.0 */
/* What a svc.yml may not say, and what is answered. */
#include <criterion/criterion.h>

#include "tests/unit/spec/spec_test.h"

#define POD   "name: s\npods:\n  p:\n    count: 1\n"
#define TASKS POD "    tasks:\n"
#define TASK  TASKS "      t:\n        goal: RUNNING\n        cmd: x\n"
#define CPUS  TASK "        cpus: 1\n"
#define SET   CPUS "    resource-sets:\n      r:\n"
#define PLAN  CPUS "plans:\n  deploy:\n    phases:\n      a:\n        pod: p\n"
#define AT    "svc.yml:"

static const struct {
    const char *name, *text, *want;
} cases[] = {
    /* the file */
    {"empty", "", AT "1: a service must be a map of keys, got nothing"},
    {"a list", "- a\n", AT "1: a service must be a map of keys, got a list"},
    {"not YAML", "name: [\n", AT "1: this line is not YAML: "},
    {"no name", "pods: {}\n", AT "1: Missing required 'name' in Service Spec"},
    {"empty name", "name: \n", AT "1: Missing required 'name'"},
    {"double underscore", "name: a__b\n",
     AT "1: name: Service name may not contain double underscores: a__b"},
    {"name with blank", "name: a b\n", AT "1: name: must hold letters"},
    {"unknown key", "name: a\npodz: {}\n", AT "2: podz: unknown key"},
    {"unknown scheduler key", "name: a\nscheduler: {role: x}\npods: {}\n",
     AT "2: scheduler.role: unknown key"},
    {"no pods", "name: a\n", AT "1: pods: required"},
    {"empty pods", "name: a\npods: {}\n", AT "2: pods: required, at least one"},
    {"pods a list", "name: a\npods: [x]\n",
     AT "2: pods: must be a map, got a list"},
    {"missing variable", "name: a\npods:\n  p:\n    count: {{P_COUNT}}\n",
     AT "4: pods.p.count: required; P_COUNT is not set (line 4)"},
    {"missing variable elsewhere",
     "name: {{N}}\npods:\n  p: {count: x, cmd: y, cpus: 1}\n",
     AT "1: Missing required 'name' in Service Spec; N is not set (line 1)"},

    /* pods */
    {"duplicate pod", POD "  p:\n", AT "5: Duplicate key: p"},
    {"duplicate count", POD "    count: 2\n", AT "5: Duplicate key: count"},
    {"count missing", "name: s\npods:\n  p: {cmd: x, cpus: 1}\n",
     AT "3: pods.p.count: required"},
    {"count negative", "name: s\npods:\n  p: {count: -1}\n",
     AT "3: pods.p.count: must be between 0 and 100000, got -1"},
    {"count a word", "name: s\npods:\n  p: {count: two}\n",
     AT "3: pods.p.count: must be a whole number, got 'two'"},
    {"count a fraction", "name: s\npods:\n  p: {count: 1.5}\n",
     AT "3: pods.p.count: must be a whole number, got '1.5'"},
    {"count a list", "name: s\npods:\n  p: {count: [1]}\n",
     AT "3: pods.p.count: must be a single value, got a list"},
    {"pod name", "name: s\npods:\n  a__b: {count: 1}\n",
     AT "3: pods.a__b: Pod names may not contain double underscores"},
    {"pod name with slash", "name: s\npods:\n  a/b: {count: 1}\n",
     AT "3: pods.a/b: a pod's name must hold"},
    {"no tasks", POD, AT "4: pods.p.tasks: required, at least one"},
    {"empty tasks", POD "    tasks: {}\n",
     AT "5: pods.p.tasks: required, at least one"},
    {"tasks and cmd", CPUS "    cmd: y\n",
     AT "10: pods.p: a pod has either tasks or one task of its own: 'cmd' may "
        "not stand beside 'tasks'"},
    {"inline without cmd", POD "    cpus: 1\n", AT "4: pods.p.cmd: required"},
    {"image null", CPUS "    image: ''\n",
     AT "10: pods.p.image: must not be empty"},
    {"allow-decommission", CPUS "    allow-decommission: maybe\n",
     AT "10: pods.p.allow-decommission: must be true or false, got 'maybe'"},
    {"placement", CPUS "    placement: 'hostname:EQUALS:x'\n",
     AT "10: pods.p.placement: The PlacementRule for PodSpec 'p' had invalid "
        "constraints: Unsupported operator: 'EQUALS'"},
    {"seccomp both",
     CPUS "    seccomp-unconfined: true\n    seccomp-profile-name: x\n",
     AT "4: pods.p: cannot specify seccomp-unconfined and "
        "seccomp-profile-name at the same time"},
    {"share parent in pod", CPUS "    ipc-mode: SHARE_PARENT\n",
     AT "10: pods.p.ipc-mode: Cannot specify SHARE_PARENT at pod level"},
    {"ipc mode", CPUS "    ipc-mode: x\n",
     AT "10: pods.p.ipc-mode: Invalid IPC Mode"},
    {"rlimit name", CPUS "    rlimits: {RLIMIT_X: {soft: 1, hard: 1}}\n",
     AT "10: pods.p.rlimits.RLIMIT_X: is not the name of a limit"},
    {"rlimit half", CPUS "    rlimits: {RLIMIT_CPU: {soft: 1}}\n",
     AT "10: pods.p.rlimits.RLIMIT_CPU: needs both soft and hard"},
    {"rlimit order", CPUS "    rlimits: {RLIMIT_CPU: {soft: 2, hard: 1}}\n",
     AT "10: pods.p.rlimits.RLIMIT_CPU: soft must not be above hard"},
    {"rlimit half unlimited",
     CPUS "    rlimits: {RLIMIT_CPU: {soft: 2, hard: -1}}\n",
     AT "10: pods.p.rlimits.RLIMIT_CPU: soft and hard must both be"},
    {"rlimit negative", CPUS "    rlimits: {RLIMIT_CPU: {soft: -2}}\n",
     AT "10: pods.p.rlimits.RLIMIT_CPU.soft: must be 0 or more, or -1"},
    {"network ports",
     CPUS "    networks: {mesos-bridge: {host-ports: [1, 2]}}\n",
     AT "10: pods.p.networks.mesos-bridge: You need to specify the same number "
        "of host ports and container ports"},
    {"network without mapping",
     CPUS "    networks: {dcos: {host-ports: [1], container-ports: [1]}}\n",
     AT "10: pods.p.networks.dcos: Virtual Network dcos doesn't support "
        "container->host port mapping"},
    {"network labels blank", CPUS "    networks: {dcos: {labels: ''}}\n",
     AT "10: pods.p.networks.dcos.labels: Illegal label string, got ''"},
    {"network labels format", CPUS "    networks: {dcos: {labels: abc}}\n",
     AT "10: pods.p.networks.dcos.labels: Illegal label string, got 'abc'"},
    {"secret without path", CPUS "    secrets: {s: {file: a}}\n",
     AT "10: pods.p.secrets.s.secret: required"},
    {"secret file absolute", CPUS "    secrets: {s: {secret: a, file: /a}}\n",
     AT "10: pods.p.secrets.s: file must be a relative path"},
    {"host volume mode",
     CPUS
     "    host-volumes: {h: {host-path: /a, container-path: b, mode: X}}\n",
     AT "10: pods.p.host-volumes.h: Unsupported host volume mode."},
    {"host path",
     CPUS "    host-volumes: {h: {host-path: a, container-path: b}}\n",
     AT "10: pods.p.host-volumes.h: host-path must be absolute"},
    {"external twice named",
     CPUS
     "    external-volumes: {e: {type: DOCKER, volume-name: n, driver-name:"
     " d, driver-options: 'a=b;name=x', container-path: c}}\n",
     AT "10: pods.p.external-volumes.e: volume-name and the driver option"},
    {"pod volumes twice",
     CPUS "    volume: {path: a, type: ROOT, size: 1}\n    volumes: {x: {path: "
          "a, type: ROOT, size: 1}}\n",
     AT "4: pods.p: Cannot configure multiple volumes with the same "
        "containerPath 'a'"},

    {"volume of pod and task",
     "name: s\npods:\n  p:\n    count: 1\n    volume: {path: a, type: ROOT, "
     "size: 1}\n    tasks: {t: {goal: RUNNING, cmd: x, cpus: 1, volume: "
     "{path: a, type: ROOT, size: 1}}}\n",
     AT "4: pods.p: the pod and its resource set 't-resource-set' both have a "
        "volume at 'a'"},

    /* tasks */
    {"duplicate task", TASK "      t:\n", AT "9: Duplicate key: t"},
    {"task name", TASKS "      a__b: {}\n",
     AT "6: pods.p.tasks.a__b: Task names may not contain double"},
    {"unknown task key", CPUS "        gaol: x\n",
     AT "10: pods.p.tasks.t.gaol: unknown key"},
    {"no cmd", TASKS "      t: {goal: ONCE, cpus: 1}\n",
     AT "6: pods.p.tasks.t.cmd: required"},
    {"no goal", TASKS "      t: {cmd: x, cpus: 1}\n",
     AT "6: pods.p.tasks.t.goal: required"},
    {"old goal", TASKS "      t: {goal: FINISHED, cmd: x}\n",
     AT "6: pods.p.tasks.t.goal: Unsupported GoalState FINISHED in task t, "
        "expected one of: [UNKNOWN, RUNNING, FINISH, ONCE]"},
    {"goal a list", TASKS "      t: {goal: [x], cmd: x}\n",
     AT "6: pods.p.tasks.t.goal: Unsupported GoalState"},
    {"no resources", TASK,
     AT "7: pods.p.tasks.t: t-resource-set needs at "
        "least one resource"},
    {"cpus zero", TASK "        cpus: 0\n",
     AT "9: pods.p.tasks.t.cpus: Scalar resource value must be greater than "
        "zero, got 0"},
    {"cpus a word", TASK "        cpus: many\n",
     AT "9: pods.p.tasks.t.cpus: must be a number, got 'many'"},
    {"memory negative", TASK "        memory: -5\n",
     AT "9: pods.p.tasks.t.memory: Scalar resource value must be greater than "
        "zero, got -5"},
    {"gpus in parts", TASK "        gpus: 0.5\n",
     AT "7: pods.p.tasks.t: gpus must be a whole number"},
    {"disk zero", TASK "        volume: {path: a, type: ROOT, size: 0}\n",
     AT "9: pods.p.tasks.t.volume.size: Scalar resource value must be greater "
        "than zero, got 0"},
    {"disk without end",
     TASK "        volume: {path: a, type: ROOT, size: 1000000000001}\n",
     AT "9: pods.p.tasks.t.volume.size: must be 1e12 or less, got "
        "1000000000001"},
    {"memory without end", TASK "        memory: 4611686018427387903\n",
     AT "9: pods.p.tasks.t.memory: must be 1e12 or less, got "
        "4611686018427387903"},
    {"volume path", TASK "        volume: {path: a/b, type: ROOT, size: 1}\n",
     AT "9: pods.p.tasks.t.volume: path 'a/b' must be a single name"},
    {"volume type", TASK "        volume: {path: a, type: DISK, size: 1}\n",
     AT "9: pods.p.tasks.t.volume.type: Provided volume type 'DISK' for path "
        "'a' is invalid. Expected type to be one of: [ROOT, MOUNT]"},
    {"volume and volumes",
     TASK "        volume: {path: a, type: ROOT, size: 1}\n        volumes: "
          "{x: {path: b, type: ROOT, size: 1}}\n",
     AT "7: pods.p.tasks.t: Both 'volume' and 'volumes' may not be specified "
        "at the same time: t-resource-set"},
    {"volume twice",
     TASK "        volumes: {x: {path: b, type: ROOT, size: 1}, y: {path: b, "
          "type: ROOT, size: 2}}\n",
     AT "7: pods.p.tasks.t: Cannot configure multiple volumes with the same "
        "containerPath 'b'"},
    {"root profiles",
     TASK "        volume: {path: a, type: ROOT, size: 1, profiles: [x]}\n",
     AT "9: pods.p.tasks.t.volume: A ROOT volume cannot have profiles"},
    {"profile twice",
     TASK "        volume: {path: a, type: MOUNT, size: 1, profiles: [x, x]}\n",
     AT "9: pods.p.tasks.t.volume: profile 'x' is given twice"},
    {"profile name",
     TASK
     "        volume: {path: a, type: MOUNT, size: 1, profiles: ['x y']}\n",
     AT "9: pods.p.tasks.t.volume: 'x y' is not a volume profile"},
    {"env a map", CPUS "        env: {A: {b: c}}\n",
     AT "10: pods.p.tasks.t.env.A: must be a single value, got a map"},
    {"labels blank", CPUS "        labels: ''\n",
     AT "10: pods.p.tasks.t.labels: Illegal label string, got ''"},
    {"labels format", CPUS "        labels: a:b,c\n",
     AT "10: pods.p.tasks.t.labels: Illegal label string, got 'a:b,c'"},
    {"kill grace", CPUS "        kill-grace-period: 3601\n",
     AT "10: pods.p.tasks.t.kill-grace-period: must be between 0 and 3600, got "
        "3601"},
    {"kill grace negative", CPUS "        kill-grace-period: -1\n",
     AT "10: pods.p.tasks.t.kill-grace-period: must be between 0 and 3600"},
    {"visibility", CPUS "        discovery: {visibility: ALL}\n",
     AT "10: pods.p.tasks.t.discovery: Visibility must be one of: "},
    {"share parent with shm",
     CPUS "        ipc-mode: SHARE_PARENT\n        shm-size: 1\n",
     AT "7: pods.p.tasks.t: shm size does not apply when IPC Mode is "
        "SHARE_PARENT"},
    {"task ipc mode", CPUS "        ipc-mode: X\n",
     AT "10: pods.p.tasks.t.ipc-mode: Invalid IPC Mode"},
    {"tls type", CPUS "        transport-encryption: [{name: a, type: SSL}]\n",
     AT "10: pods.p.tasks.t.transport-encryption: type must be TLS or "
        "KEYSTORE, got 'SSL'"},
    {"health without interval",
     CPUS "        health-check: {cmd: x, grace-period: 1, timeout: 1}\n",
     AT "10: pods.p.tasks.t.health-check.interval: required"},
    {"health failures",
     CPUS "        health-check: {cmd: x, interval: 1, grace-period: 1, "
          "timeout: 1, max-consecutive-failures: 0}\n",
     AT "10: pods.p.tasks.t.health-check.max-consecutive-failures: must be 1 "
        "or more, got 0"},
    {"readiness grace",
     CPUS "        readiness-check: {cmd: x, interval: 1, timeout: 1, "
          "grace-period: 3}\n",
     AT "10: pods.p.tasks.t.readiness-check.grace-period: unknown key"},
    {"limit", CPUS "        resource-limits: {cpus: lots}\n",
     AT "10: pods.p.tasks.t.resource-limits: cpus must be a number above zero "
        "or 'unlimited', got 'lots'"},
    {"both limits", CPUS "        resource-limits: {mem: 1, memory: 1}\n",
     AT "10: pods.p.tasks.t.resource-limits.mem: already given"},
    {"template cannot be read",
     CPUS "        configs: {c: {template: a, dest: b}}\n",
     AT "10: pods.p.tasks.t.configs.c: no template can be read here"},

    /* resource sets and ports */
    {"no such set", TASKS "      t: {goal: ONCE, cmd: x, resource-set: nope}\n",
     AT "6: pods.p: task 't' names resource-set 'nope', which pod 'p' does not "
        "have"},
    {"empty set", SET "        resource-limits: {cpus: 1}\n",
     AT "12: pods.p.resource-sets.r: r needs at least one resource"},
    {"bad limit in set", SET "        cpus: 1\n        resource-limits: 3\n",
     AT "13: pods.p.resource-sets.r.resource-limits: must be a map"},
    {"port missing", CPUS "        ports: {a: }\n",
     AT "10: pods.p.tasks.t.ports.a.port: required"},
    {"port too high", CPUS "        ports: {a: {port: 65536}}\n",
     AT "10: pods.p.tasks.t.ports.a.port: must be between 0 and 65535"},
    {"ports twice", CPUS "        ports: {a: {port: 8}, b: {port: 8}}\n",
     AT "10: pods.p.tasks.t.ports.b: Cannot have duplicate port values: Task "
        "has multiple ports with value 8"},
    {"port names twice", CPUS "        ports: {a: {port: 8}, a: {port: 9}}\n",
     AT "10: Duplicate key: a"},
    {"range",
     CPUS "        ports: {a: {port: 0, ranges: [{begin: 9, end: 8}]}}\n",
     AT "10: pods.p.tasks.t.ports.a.ranges: invalid port constraint: begin 9"},
    {"vip collision",
     CPUS "        ports: {a: {port: 1, vip: {prefix: b}}, b: {port: 2}}\n",
     AT "10: pods.p.tasks.t.ports: Provided VIP prefix b of port a conflicts "
        "with other port b"},
    {"advertised twice",
     TASKS "      a: {goal: ONCE, cmd: x, ports: {q: {port: 0, advertise: true}"
           "}}\n      b: {goal: ONCE, cmd: x, ports: {q: {port: 0, advertise: "
           "true}}}\n",
     AT "4: Service has duplicate advertised ports across tasks: [q]"},
    {"shared prefix",
     "name: s\npods:\n"
     "  p: {count: 1, cmd: x, cpus: 1, discovery: {prefix: d}}\n"
     "  q: {count: 1, cmd: x, cpus: 1, discovery: {prefix: d}}\n",
     AT "4: pods.q: Tasks in different pods cannot share DNS names: [d]"},
    {"names collide",
     "name: s\npods:\n"
     "  a: {count: 1, tasks: {0-x: {goal: ONCE, cmd: x, cpus: 1}}}\n"
     "  a-0: {count: 1, tasks: {x: {goal: ONCE, cmd: x, cpus: 1}}}\n",
     AT "3: pods.a: task '0-x' of pod 'a' would be named like one of pod"},

    /* plans */
    {"no deploy", CPUS "plans: {x: {phases: {a: {pod: p}}}}\n",
     AT "10: plans: No deploy plan provided"},
    {"no phases", CPUS "plans: {deploy: {strategy: serial}}\n",
     AT "10: plans.deploy.phases: required"},
    {"plan strategy",
     CPUS "plans: {deploy: {strategy: canary, phases: {a: {pod: p}}}}\n",
     AT "10: plans.deploy.strategy: Unsupported plan strategy 'canary', "
        "expected one of: [serial, parallel]"},
    {"phase strategy", PLAN "        strategy: random\n",
     AT "15: plans.deploy.phases.a.strategy: Unsupported phase strategy "
        "'random'"},
    {"unknown pod", CPUS "plans: {deploy: {phases: {a: {pod: q}}}}\n",
     AT "10: plans.deploy.phases.a: Unable to find pod 'q' referenced by phase "
        "'a'"},
    {"two keys in a step", PLAN "        steps: [{0: [[t]], 1: [[t]]}]\n",
     AT "15: plans.deploy.phases.a.steps: Malformed step in phase 'a': Map "
        "should contain a single entry, but has 2"},
    {"index twice", PLAN "        steps: [{0: [[t]]}, {0: [[t]]}]\n",
     AT "15: plans.deploy.phases.a.steps: Malformed steps in phase 'a': entry "
        "'0' is given twice"},
    {"missing index", PLAN "        steps: [{3: [[t]]}]\n",
     AT "15: plans.deploy.phases.a.steps: Malformed steps in phase 'a': "
        "Missing '0' step entry, and no 'default' defined"},
    {"no such task", PLAN "        steps: [{default: [[u]]}]\n",
     AT "15: plans.deploy.phases.a.steps: Malformed step: step refers to a "
        "task that does not exist: 'u' in pod 'p'"},
    {"not a list of lists", PLAN "        steps: [{default: [t]}]\n",
     AT "15: plans.deploy.phases.a.steps: Malformed step in phase 'a': "
        "expected a list of task names, got a value"},
    {"index a word", PLAN "        steps: [{first: [[t]]}]\n",
     AT "15: plans.deploy.phases.a.steps: Malformed step in phase 'a': 'first' "
        "is neither an index nor 'default'"},
    {"unknown phase key", PLAN "        setps: []\n",
     AT "15: plans.deploy.phases.a.setps: unknown key"},
};

Test(negative, refused_with_path_and_line)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        AUTO_SPEC Reeve__ServiceSpec *spec = parse(cases[i].text, &err);
        cr_expect_eq(spec, NULL, "case: %s", cases[i].name);
        cr_expect(str_starts(err.text, cases[i].want),
                  "case: %s:\n got %s\nwant %s", cases[i].name, err.text,
                  cases[i].want);
        cr_expect_eq(err.code, ERR_INVALID, "case: %s", cases[i].name);
    }
}

Test(negative, bad_template)
{
    struct err err = {0};
    AUTO_SPEC Reeve__ServiceSpec *spec = parse("a\n{{#X}}\n", &err);

    cr_expect_eq(spec, NULL);
    cr_expect_str_eq(err.text, "svc.yml: line 2: section X is never closed");
}

Test(negative, no_such_file)
{
    struct err err = {0};
    AUTO_SPEC Reeve__ServiceSpec *spec = spec_load("/nope/svc.yml", NULL, &err);

    cr_expect_eq(spec, NULL);
    cr_expect_eq(err.code, ERR_NOT_FOUND);
    cr_expect(strstr(err.text, "/nope/svc.yml"), "%s", err.text);
}
