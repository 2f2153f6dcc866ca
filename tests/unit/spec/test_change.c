/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of pods, and which spec may replace which. */
#include <criterion/criterion.h>

#include "tests/unit/spec/spec_test.h"

/* One service; the options replace one line each. */
struct options {
    const char *head, *pod, *task, *more;
};

static Reeve__ServiceSpec *make(const struct options *o)
{
    AUTO_FREE char *text = xasprintf(
        "%s\n"
        "pods:\n"
        "  p:\n"
        "%s\n"
        "    tasks:\n"
        "      t:\n"
        "        goal: RUNNING\n"
        "        cmd: x\n"
        "        cpus: 1\n"
        "%s\n"
        "%s\n",
        o->head ? o->head : "name: s", o->pod ? o->pod : "    count: 2",
        o->task ? o->task : "", o->more ? o->more : "");
    struct err err = {0};
    Reeve__ServiceSpec *spec = parse(text, &err);

    cr_assert(spec, "%s\n%s", err.text, text);
    return spec;
}

/* ---- digest ---- */

#define PORTS(a, b) "        ports: {" a ", " b "}"

static const struct {
    const char *name;
    struct options a, b;
    bool same;
} digests[] = {
    {"nothing", {0}, {0}, true},
    {"count", {0}, {.pod = "    count: 5"}, true},
    {"placement",
     {0},
     {.pod = "    count: 2\n    placement: 'hostname:UNIQUE'"},
     true},
    {"decommission",
     {0},
     {.pod = "    count: 2\n    allow-decommission: true"},
     true},
    {"web url", {0}, {.head = "name: s\nweb-url: http://x"}, true},
    {"plans", {0}, {.more = "plans: {deploy: {phases: {a: {pod: p}}}}"}, true},
    {"other pod", {0}, {.more = "  q: {count: 1, cmd: x, cpus: 1}"}, true},
    {"order of ports",
     {.task = PORTS("a: {port: 1}", "b: {port: 2}")},
     {.task = PORTS("b: {port: 2}", "a: {port: 1}")},
     true},
    {"order of tasks",
     {.task = "      u: {goal: ONCE, cmd: y, cpus: 1}"},
     {.pod = "    count: 2", .task = "      u: {cpus: 1, goal: ONCE, cmd: y}"},
     true},
    {"user", {0}, {.head = "name: s\nscheduler: {user: me}"}, false},
    {"env", {0}, {.task = "        env: {A: 1}"}, false},
    {"port", {0}, {.task = "        ports: {a: {port: 1}}"}, false},
    {"env-key",
     {.task = "        ports: {a: {port: 1}}"},
     {.task = "        ports: {a: {port: 1, env-key: P}}"},
     false},
    {"advertise",
     {.task = "        ports: {a: {port: 1}}"},
     {.task = "        ports: {a: {port: 1, advertise: true}}"},
     false},
    {"vip",
     {.task = "        ports: {a: {port: 1}}"},
     {.task = "        ports: {a: {port: 1, vip: {prefix: x}}}"},
     false},
    {"limit", {0}, {.task = "        resource-limits: {cpus: 2}"}, false},
    {"label", {0}, {.task = "        labels: a:b"}, false},
    {"readiness",
     {0},
     {.task = "        readiness-check: {cmd: x, interval: 1, timeout: 1}"},
     false},
    {"uris", {0}, {.pod = "    count: 2\n    uris: [http://x]"}, false},
    {"volume size",
     {.task = "        volume: {path: a, type: ROOT, size: 1}"},
     {.task = "        volume: {path: a, type: ROOT, size: 2}"},
     false},
    {"that a volume may shrink",
     {.pod = "    count: 2\n    volume: {path: v, type: ROOT, size: 1}",
      .task = "        volume: {path: a, type: ROOT, size: 1}"},
     {.pod = "    count: 2\n    volume: {path: v, type: ROOT, size: 1, "
             "allow-shrink: true}",
      .task = "        volume: {path: a, type: ROOT, size: 1, allow-shrink: "
              "true}"},
     true},
    {"task added",
     {0},
     {.task = "      u: {goal: ONCE, cmd: x, cpus: 1}"},
     false},
};

Test(digest, what_counts)
{
    for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
        AUTO_SPEC Reeve__ServiceSpec *a = make(&digests[i].a);
        AUTO_SPEC Reeve__ServiceSpec *b = make(&digests[i].b);
        char x[65], y[65];
        spec_pod_digest(a, a->pods[0], x);
        spec_pod_digest(b, b->pods[0], y);
        cr_expect_eq(strlen(x), 64);
        cr_expect_eq(strcmp(x, y) == 0, digests[i].same, "case: %s",
                     digests[i].name);
    }
}

/* ---- changes ---- */

#define ROOT(path, size)                                                       \
    "        volume: {path: " path ", type: ROOT, size: " size "}"
#define LONG "a12345678901234567890123456789012345678901234567890123456789xxxx"

static const struct {
    const char *name;
    bool first; /* no old one */
    struct options a, b;
    const char *want; /* NULL: allowed */
    bool is_fatal;
} changes[] = {
    {"same", false, {0}, {0}, NULL, false},
    {"first", true, {0}, {0}, NULL, false},
    {"grow", false, {0}, {.pod = "    count: 3"}, NULL, false},
    {"shrink",
     false,
     {0},
     {.pod = "    count: 1"},
     "New config's PodSpec named 'p' has 1 tasks, expected >=2 tasks",
     false},
    {"shrink allowed by the new one",
     false,
     {0},
     {.pod = "    count: 1\n    allow-decommission: true"},
     NULL,
     false},
    {"shrink allowed by the old one only",
     false,
     {.pod = "    count: 2\n    allow-decommission: true"},
     {.pod = "    count: 1"},
     "New config's PodSpec named 'p' has 1 tasks, expected >=2 tasks",
     false},
    {"pod removed",
     false,
     {.more = "  q: {count: 3, cmd: x, cpus: 1}"},
     {0},
     "New config is missing PodSpec named 'q' (expected present with >= 3 "
     "tasks)",
     false},
    {"pod removed, allowed",
     false,
     {.more = "  q: {count: 3, cmd: x, cpus: 1, allow-decommission: true}"},
     {0},
     NULL,
     false},
    {"pod added",
     false,
     {0},
     {.more = "  q: {count: 3, cmd: x, cpus: 1}"},
     NULL,
     false},
    {"to an overlay",
     false,
     {0},
     {.pod = "    count: 2\n    networks: {dcos: }"},
     "New config has pod p moving networks from [] to [dcos], changing "
     "its host ports requirements from true to false, not allowed.",
     false},
    {"pre-reserved",
     false,
     {0},
     {.pod = "    count: 2\n    pre-reserved-role: x"},
     "New config has changed the pre-reserved-role of PodSpec named 'p' "
     "(expected it to stay '*')",
     false},
    {"user",
     false,
     {0},
     {.head = "name: s\nscheduler: {user: me}"},
     "Cannot change user of deployed service from 'root' to 'me'. Revert to "
     "previous user 'root' to proceed.",
     true},
    {"principal",
     false,
     {0},
     {.head = "name: s\nscheduler: {principal: other}"},
     "Service principal cannot change from 's-principal' to 'other': the "
     "master takes no other principal for a framework it knows. Set "
     "scheduler.principal back to 's-principal'.",
     false},
    {"name",
     false,
     {0},
     {.head = "name: t\nscheduler: {principal: s-principal}"},
     "Service name cannot change from 's' to 't': a service of another name is "
     "another service",
     true},
    {"long name, first",
     true,
     {0},
     {.head = "name: " LONG},
     "Service name (without slashes) exceeds 63 characters: " LONG,
     false},
    {"long name, later",
     false,
     {.head = "name: " LONG},
     {.head = "name: " LONG},
     NULL,
     false},
    {"limit below the request",
     true,
     {0},
     {.task = "        resource-limits: {cpus: 0.5}"},
     "The cpus resource-limits for task 't', 0.5, is less than the requested "
     "amount, 1",
     false},
    {"limit unlimited",
     true,
     {0},
     {.task = "        resource-limits: {cpus: unlimited}"},
     NULL,
     false},
    {"volume grown",
     false,
     {.task = ROOT("a", "10")},
     {.task = ROOT("a", "11")},
     NULL,
     false},
    {"volume of another type",
     false,
     {.task = ROOT("a", "10")},
     {.task = "        volume: {path: a, type: MOUNT, size: 10}"},
     "Volumes must be equal but for their size: those of task 't' of pod 'p' "
     "have changed.",
     false},
    {"volume moved",
     false,
     {.task = ROOT("a", "10")},
     {.task = ROOT("b", "10")},
     "Volumes must be equal but for their size: those of task 't' of pod 'p' "
     "have changed.",
     false},
    {"volume gone",
     false,
     {.task = ROOT("a", "10")},
     {0},
     "Volumes must be equal but for their size: those of task 't' of pod 'p' "
     "have changed.",
     false},
    {"pod volume grown",
     false,
     {.pod = "    count: 2\n    volume: {path: v, type: ROOT, size: 1}"},
     {.pod = "    count: 2\n    volume: {path: v, type: ROOT, size: 2}"},
     NULL,
     false},
    {"pod volume moved",
     false,
     {.pod = "    count: 2\n    volume: {path: v, type: ROOT, size: 1}"},
     {.pod = "    count: 2\n    volume: {path: w, type: ROOT, size: 1}"},
     "Volumes must be equal but for their size: those of pod 'p' have changed.",
     false},
    {"cpus", false, {0}, {.task = "        memory: 32"}, NULL, false},
};

Test(change, validators)
{
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        AUTO_SPEC Reeve__ServiceSpec *a = make(&changes[i].a);
        AUTO_SPEC Reeve__ServiceSpec *b = make(&changes[i].b);
        char *texts[8] = {NULL};
        bool is_fatal = false;
        size_t n = spec_check_change(changes[i].first ? NULL : a, b, texts,
                                     ARRAY_LEN(texts), &is_fatal);
        cr_expect(str_eq(texts[0], changes[i].want), "case: %s: %s",
                  changes[i].name, str_or_empty(texts[0]));
        cr_expect_eq(is_fatal, changes[i].is_fatal, "case: %s",
                     changes[i].name);
        for (size_t j = 0; j < n; j++)
            free(texts[j]);
    }
}

Test(change, region_must_stay)
{
    const char *const env[] = {"SERVICE_REGION=eu", NULL};
    const char *text = "name: s\npods: {p: {count: 1, cmd: x, cpus: 1}}\n";
    AUTO_SPEC Reeve__ServiceSpec *a = parse(text, NULL);
    AUTO_SPEC Reeve__ServiceSpec *b = parse_env(text, env, NULL);
    char *texts[2];
    bool is_fatal;

    cr_assert_eq(spec_check_change(a, b, texts, 2, &is_fatal), 1);
    cr_expect(str_starts(texts[0], "Region for old service must remain"));
    free(texts[0]);
    cr_assert_eq(spec_check_change(a, b, texts, 0, &is_fatal), 0);
}
