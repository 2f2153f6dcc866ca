/* SPDX-License-Identifier: Apache-2.0 */
/* match_bench - matching alone: a broker's pass without a master and a store
 *
 *   match_bench [AGENTS[,AGENTS...]] [DEMANDS] [ROUNDS]
 *
 * For each number of agents and each kind of placement: DEMANDS pods and one
 * offer of each agent in the books of a session, then one pass: every demand
 * judged, agents found, tasks built, the transactions encoded (and never
 * answered: there is no store).  CPU time of its thread; the median of the
 * rounds.  Prints a table in Markdown.  What a pass costs when pods run
 * already, or when none of the demands fits anywhere, are kinds of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/resources.h"
#include "lib/spec/spec.h"
#include "lib/wire/pb.h"
#include "services/offer-broker/fresh.h"
#include "services/offer-broker/session.h"
#include "tests/bench/meter.h"

#define MAX_ROUNDS 99
#define SERVICE    "bench"
#define ROLE       "bench-role"
#define RACKS      20

/* One kind of demands. */
struct kind {
    const char *title;
    const char *pod;   /* lines of svc.yml of the pod */
    const char *task;  /* lines of svc.yml of its task */
    size_t running;    /* pods that have their place already */
    bool fits_nowhere; /* each demand is tried on every agent */
};

#define NO_VOLUME "cpus: 0.1, memory: 32"
static const struct kind kinds[] = {
    {"no constraint", "", NO_VOLUME, 0, false},
    {"a ROOT volume", "",
     NO_VOLUME ", volumes: {a: {path: a, type: ROOT, size: 64}}", 0, false},
    {"3 volumes, 2 ports", "",
     NO_VOLUME ", ports: {a: {port: 0}, b: {port: 0}}, volumes: "
               "{a: {path: a, type: ROOT, size: 64}, b: {path: b, type: ROOT, "
               "size: 64}, c: {path: c, type: ROOT, size: 64}}",
     0, false},
    {"hostname MAX_PER 20", "placement: 'hostname:MAX_PER:20'", NO_VOLUME, 0,
     false},
    {"hostname UNIQUE", "placement: 'hostname:UNIQUE'", NO_VOLUME, 0, false},
    {"rack GROUP_BY 20", "placement: 'rack:GROUP_BY:20'", NO_VOLUME, 0, false},
    {"rack LIKE r1.*", "placement: 'rack:LIKE:r1.*'", NO_VOLUME, 0, false},
    {"no constraint, 10,000 run", "", NO_VOLUME, 10000, false},
    {"none fits: cpus", "", "cpus: 99, memory: 32", 0, true},
    {"none fits: rack IS x", "placement: 'rack:IS:x'", NO_VOLUME, 0, true},
};

/* As in the broker. */
static void next_id(struct id_source *source UNUSED, char out[UUID_TEXT_SIZE])
{
    uuid_new(out);
}

/* ---- what is known ------------------------------------------------ */
static Reeve__ServiceSpec *spec_of(const struct kind *kind)
{
    AUTO_FREE char *text = xasprintf("name: " SERVICE "\n"
                                     "scheduler: {principal: p, user: root}\n"
                                     "pods:\n"
                                     "  node:\n"
                                     "    count: 100000\n"
                                     "    %s\n"
                                     "    tasks:\n"
                                     "      server: {goal: RUNNING, cmd: "
                                     "sleep 1, %s}\n",
                                     kind->pod, kind->task);
    const struct spec_source source = {
        .path = "svc.yml", .text = text, .len = strlen(text)};
    struct err err = {0};
    Reeve__ServiceSpec *spec = spec_parse(&source, &err);

    if (!spec) {
        fprintf(stderr, "match_bench: %s: %s\n", kind->title, err.text);
        exit(1);
    }
    return spec;
}

static void learn(struct session *s, const char *rest,
                  const ProtobufCMessage *message)
{
    AUTO_FREE char *key = facts_key(s->facts, rest);
    AUTO_BUF struct buf bytes = {0};
    struct err err = {0};

    wire_encode(message, &bytes);
    if (facts_apply(s->facts, key, bytes.data, bytes.len, 1, &err) < 0)
        exit(1);
}

static void learn_config(struct session *s, const struct kind *kind)
{
    Reeve__Config config = REEVE__CONFIG__INIT;
    Reeve__Target target = REEVE__TARGET__INIT;
    char id[] = "c1";

    config.id = target.config_id = id;
    config.spec = spec_of(kind);
    learn(s, "config/c1", &config.base);
    learn(s, "target", &target.base);
    PB_FREE(config.spec);
}

static void learn_demand(struct session *s, unsigned index)
{
    char *tasks[] = {(char[]){"server"}};
    Reeve__Demand demand = REEVE__DEMAND__INIT;
    char id[32], key[64], type[] = "node", config[] = "c1";

    snprintf(id, sizeof(id), "demand-%u", index);
    snprintf(key, sizeof(key), "demand/%s", id);
    demand.id = id;
    demand.pod_type = type;
    demand.config_id = config;
    PB_SET(&demand, pod_index, index);
    demand.tasks = tasks;
    demand.n_tasks = 1;
    learn(s, key, &demand.base);
}

/* A pod that has its place; its agent is one of those that offer. */
static void learn_running(struct session *s, unsigned index, size_t agents)
{
    Reeve__TaskRecord task = REEVE__TASK_RECORD__INIT;
    Reeve__PodRecord pod = REEVE__POD_RECORD__INIT;
    char name[32], host[32], key[64], type[] = "node", short_name[] = "server";

    snprintf(name, sizeof(name), "node-%u-server", index);
    snprintf(host, sizeof(host), "agent-%zu", index % agents);
    task.name = task.task_id = name;
    task.pod_type = type;
    PB_SET(&task, pod_index, index);
    task.short_name = short_name;
    task.agent_id = task.hostname = host;
    snprintf(key, sizeof(key), "task/%s/info", name);
    learn(s, key, &task.base);
    snprintf(key, sizeof(key), "pod/node-%u", index);
    learn(s, key, &pod.base);
}

static void add_offer(struct session *s, size_t index)
{
    struct resources *resources = resources_parse(
        "cpus:32;mem:65536;disk:1000000;ports:[10000-20000]", NULL);
    Mesos__V1__Offer *offer = PB_NEW(mesos__v1__offer);
    Mesos__V1__Attribute *rack = PB_NEW(mesos__v1__attribute);
    char name[32];
    struct err err = {0};

    resources_allocate(resources, ROLE);
    snprintf(name, sizeof(name), "offer-%zu", index);
    offer->id = pb_offer_id(name);
    snprintf(name, sizeof(name), "agent-%zu", index);
    offer->agent_id = pb_agent_id(name);
    offer->hostname = xstrdup(name);
    offer->framework_id = pb_framework_id("f");
    offer->allocation_info = PB_NEW(mesos__v1__resource__allocation_info);
    offer->allocation_info->role = xstrdup(ROLE);
    rack->name = xstrdup("rack");
    rack->type = MESOS__V1__VALUE__TYPE__TEXT;
    rack->text = PB_NEW(mesos__v1__value__text);
    rack->text->value = xasprintf("r%zu", index % RACKS);
    PB_ADD(offer, attributes, rack);
    resources_to(resources, &offer->resources, &offer->n_resources);
    resources_destroy(&resources);
    if (offer_book_add(s->offers, &offer, clock_mono_ms(), &err) < 0) {
        fprintf(stderr, "match_bench: %s\n", err.text);
        exit(1);
    }
}

static struct session *session_of(struct broker *b, const struct kind *kind,
                                  size_t agents, size_t demands)
{
    struct session *s = session_new(b, SERVICE);

    s->framework_id = xstrdup("f");
    fresh_begin(s->fresh, true);
    learn_config(s, kind);
    for (unsigned i = 0; i < kind->running; i++)
        learn_running(s, i, agents);
    for (unsigned i = 0; i < demands; i++)
        learn_demand(s, (unsigned)kind->running + i);
    for (size_t i = 0; i < agents; i++)
        add_offer(s, i);
    return s;
}

/* ---- measuring ---------------------------------------------------- */
struct result {
    double seconds;
    size_t launched;
};

/* Of this thread, so that others on the machine disturb little. */
static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct result one_pass(struct broker *b, const struct kind *kind,
                              size_t agents, size_t demands)
{
    struct result result = {0};
    struct session *s;
    struct demand_view *views;
    size_t count;
    double begin;

    b->store = store_client_new(b->loop, "match-bench", "ipc:///dev/null/no");
    s = session_of(b, kind, agents, demands);
    begin = cpu_seconds();
    views = demand_book_judge(s->facts, &b->build, clock_wall_ms(), &count);
    launches_try(s->launches, views, count);
    result.seconds = cpu_seconds() - begin;
    result.launched = s->counts.launches;
    free(views);
    session_destroy(&s);
    store_client_destroy(&b->store);
    return result;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void measure(struct broker *b, const struct kind *kind, size_t agents,
                    size_t demands, size_t rounds)
{
    double seconds[MAX_ROUNDS], median;
    struct result result;

    if (kind->fits_nowhere) /* or it would take minutes */
        demands = MIN(demands, MAX(10, 1000000 / agents));
    for (size_t i = 0; i < rounds; i++) {
        result = one_pass(b, kind, agents, demands);
        seconds[i] = result.seconds;
    }
    qsort(seconds, rounds, sizeof(*seconds), compare);
    median = seconds[rounds / 2];
    printf("| %s | %zu | %zu | %zu | %.1f | %.0f | %.0f |\n", kind->title,
           agents, demands, result.launched, median * 1000,
           (double)demands / median,
           kind->fits_nowhere ? (double)(demands * agents) / median : 0);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    AUTO_FREE char *agents = xstrdup(argc > 1 ? argv[1] : "100,1000,15000");
    size_t demands = argc > 2 ? meter_number(argv[2], 1, 100000) : 2000;
    size_t rounds = argc > 3 ? meter_number(argv[3], 1, MAX_ROUNDS) : 5;
    struct broker broker = {.ids.next = next_id,
                            .overhead = {100, 32, 256},
                            .masters = "http://127.0.0.1:1",
                            .webui_url = "",
                            .build = {.api_host = "api.example",
                                      .api_port = 8080,
                                      .service_tld = "mesos",
                                      .vip_tld = "vip"}};

    log_set_level(LOG_BAD);
    broker.loop = loop_new();
    printf("| pods | agents | demands | launched | ms | demands/s | "
           "demands x offers/s |\n|---|--:|--:|--:|--:|--:|--:|\n");
    for (char *at = strtok(agents, ","); at; at = strtok(NULL, ","))
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
            measure(&broker, &kinds[i], meter_number(at, 1, 100000), demands,
                    rounds);
    loop_destroy(&broker.loop);
    return 0;
}
