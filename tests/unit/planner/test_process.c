/* SPDX-License-Identifier: Apache-2.0 */
/* The planner as a process of its own, killed at any moment. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/planner/fake_store.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/loop/loop.h"
#include "lib/wire/pb.h"
#include "proto/bus.pb-c.h"
#include "services/planner/planner.h"

static const struct service_spec as_process = {
    .name = "planner",
    .summary = "under test",
    .options = planner_options,
    .routes = planner_routes,
    .start = planner_start,
    .tick = planner_tick,
    .tick_ms = 200,
    .hangup = planner_hangup,
    .stop = planner_stop,
};

/* "RUN_DIR SPEC": this program runs as the planner instead of as a test.  A
 * fork alone would do for that only without threads: the store's I/O threads
 * may hold a lock of the allocator, which the child would wait for for ever. */
#define AS_PLANNER "REEVE_TEST_AS_PLANNER"

__attribute__((constructor)) static void run_as_planner(void)
{
    char name[] = "reeve-planner", run[] = "--run-dir", spec[] = "--spec";
    char *dir = getenv(AS_PLANNER);
    char *path = dir ? strchr(dir, ' ') : NULL;
    if (!path)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    *path++ = '\0';
    char *argv[] = {name, run, dir, spec, path, NULL};
    _exit(service_main(&as_process, 5, argv));
}

/* A run dir, a fake store in it and a planner beside it. */
struct rig {
    char dir[64];
    char spec_path[128];
    char log_path[128];
    struct world world;
    struct loop *loop;
    struct fake_store *store;
    struct bus_client *client;
    pid_t pid;
    bool lives; /* the cluster places and moves */
    int answers;
    struct err answer_err;
    char answer_text[256];
    bool healthy;
    char unhealthy[64]; /* name of the first check that fails */
};

static const char data_store[] =
    "name: svc\n"
    "pods:\n"
    "  meta-data: {count: 2, cmd: x, cpus: 0.1, memory: 32}\n"
    "  data: {count: {{DATA_COUNT}}, cmd: x, cpus: 0.1, memory: 32}\n";

static void write_spec(struct rig *r, const char *text)
{
    cr_assert_eq(fs_write_atomic(r->spec_path, text, strlen(text), 0600, NULL),
                 0);
}

static void open_rig(struct rig *r, const char *name, uint64_t seed)
{
    *r = (struct rig){.lives = true};
    snprintf(r->dir, sizeof r->dir, "/tmp/reeve-planner-XXXXXX");
    cr_assert(mkdtemp(r->dir));
    snprintf(r->spec_path, sizeof r->spec_path, "%s/svc.yml", r->dir);
    snprintf(r->log_path, sizeof r->log_path, "%s/log", r->dir);
    write_spec(r, data_store);
    world_start(&r->world, name, seed);
    r->loop = loop_new();
    r->store = fake_store_new(r->loop, r->dir, &r->world);
    char endpoint[PATH_MAX];
    bus_endpoint(r->dir, "planner", endpoint, sizeof endpoint, NULL);
    r->client = bus_client_new(r->loop, "test", endpoint);
}

static void start_planner(struct rig *r, const char *count)
{
    char self[] = "/proc/self/exe";
    AUTO_FREE char *as_planner =
        xasprintf(AS_PLANNER "=%s %s", r->dir, r->spec_path);
    AUTO_FREE char *data_count = xasprintf("DATA_COUNT=%s", count);
    char *argv[] = {self, NULL}, *env[] = {as_planner, data_count, NULL};
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, r->log_path,
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    cr_assert_eq(posix_spawn(&r->pid, self, &actions, NULL, argv, env), 0);
    posix_spawn_file_actions_destroy(&actions);
}

/* Exit code, or 128 + the signal that ended it. */
static int reap(struct rig *r)
{
    int status;
    cr_assert_eq(waitpid(r->pid, &status, 0), r->pid);
    r->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int stop_planner(struct rig *r, int signo)
{
    kill(r->pid, signo);
    return reap(r);
}

static void close_rig(struct rig *r)
{
    if (r->pid > 0)
        stop_planner(r, SIGKILL);
    bus_client_destroy(&r->client);
    fake_store_destroy(&r->store);
    loop_destroy(&r->loop);
    world_stop(&r->world);
    fs_remove_tree(r->dir, NULL);
}

static void turn(struct rig *r, int ms)
{
    int64_t end = clock_mono_ms() + ms;
    do {
        loop_run_once(r->loop, 2);
        r->world.now_ms = clock_wall_ms();
        if (r->lives) {
            world_place(&r->world);
            world_move(&r->world);
        }
        fake_store_flush(r->store);
    } while (clock_mono_ms() < end);
}

static void until_status(struct rig *r, const char *status)
{
    int64_t end = clock_mono_ms() + 30000;
    while (strcmp(world_status(&r->world, "deploy"), status) != 0) {
        if (clock_mono_ms() >= end) {
            struct buf told = {0};
            fs_read(r->log_path, 1 << 20, &told, NULL);
            cr_assert_fail("%s: plan is %s\n%s", r->world.name,
                           world_status(&r->world, "deploy"), buf_text(&told));
        }
        turn(r, 5);
    }
}

static void until_launches(struct rig *r, unsigned launches)
{
    int64_t end = clock_mono_ms() + 30000;
    while ((unsigned)r->world.launches < launches) {
        cr_assert_lt(clock_mono_ms(), end, "%s: %d launches", r->world.name,
                     (int)r->world.launches);
        turn(r, 5);
    }
}

static void on_answer(void *self, const struct bus_answer *answer)
{
    struct rig *r = self;
    r->answers++;
    r->answer_err = answer->err;
    r->answer_text[0] = '\0';
    if (answer->err.code != ERR_NONE)
        return;
    AUTO_MESSAGE Reeve__PlanCommandReply *reply =
        WIRE_DECODE(reeve__plan_command_reply, answer->body, answer->len, NULL);
    snprintf(r->answer_text, sizeof r->answer_text, "%s",
             reply ? str_or_empty(reply->message) : "?");
}

static void send_verb(struct rig *r, const char *id,
                      Reeve__PlanCommand__Verb verb, const char *phase)
{
    char plan[] = "deploy";
    AUTO_FREE char *phase_copy = xstrdup(phase);
    Reeve__PlanCommand command = REEVE__PLAN_COMMAND__INIT;
    command.plan = plan;
    command.phase = phase_copy;
    PB_SET(&command, verb, verb);
    bus_client_call(r->client, "planner.command", id, &command.base, 20000,
                    on_answer, r);
}

static void until_answer(struct rig *r, int answers)
{
    int64_t end = clock_mono_ms() + 25000;
    while (r->answers < answers) {
        cr_assert_lt(clock_mono_ms(), end, "%s: no answer", r->world.name);
        turn(r, 5);
    }
}

static void on_health(void *self, const struct bus_answer *answer)
{
    struct rig *r = self;
    r->answers++;
    AUTO_MESSAGE Reeve__HealthReply *reply =
        WIRE_DECODE(reeve__health_reply, answer->body, answer->len, NULL);
    cr_assert(reply);
    r->healthy = reply->healthy;
    r->unhealthy[0] = '\0';
    for (size_t i = 0; i < reply->n_checks; i++)
        if (!reply->checks[i]->ok && !r->unhealthy[0])
            snprintf(r->unhealthy, sizeof r->unhealthy, "%s",
                     reply->checks[i]->name);
}

static void ask_health(struct rig *r)
{
    Reeve__HealthRequest request = REEVE__HEALTH_REQUEST__INIT;
    int before = r->answers;
    bus_client_call(r->client, "service.health", NULL, &request.base, 20000,
                    on_health, r);
    until_answer(r, before + 1);
}

static char *log_text(struct rig *r)
{
    struct buf text = {0};
    fs_read(r->log_path, 1 << 20, &text, NULL);
    if (!text.data)
        return xstrdup("");
    return buf_take(&text, NULL);
}

Test(process, deploys_and_scales, .timeout = 120)
{
    struct rig r;
    open_rig(&r, "deploy", 1);
    start_planner(&r, "3");
    until_status(&r, "COMPLETE");
    cr_assert_eq(r.world.launches, 5);
    ask_health(&r);
    cr_assert(r.healthy, "%s", r.unhealthy);
    cr_assert_eq(stop_planner(&r, SIGTERM), 0);

    start_planner(&r, "5");
    until_launches(&r, 7);
    until_status(&r, "COMPLETE");
    turn(&r, 200);
    cr_assert_str_eq(world_status(&r.world, "deploy"), "COMPLETE");
    cr_assert_eq(r.world.launches, 7);
    cr_assert_eq(r.world.kills, 0);
    unsigned txns = fake_store_txns(r.store);
    turn(&r, 500);
    cr_assert_eq(fake_store_txns(r.store), txns, "at rest it writes nothing");
    AUTO_FREE char *log = log_text(&r);
    cr_assert_null(strstr(log, "level=bad"), "%s", log);
    close_rig(&r);
}

Test(process, killed_at_any_moment, .timeout = 300)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct rig r;
        open_rig(&r, "kill -9", seed);
        srand((unsigned)seed);
        start_planner(&r, "3");
        for (int i = 0; i < 10; i++) {
            turn(&r, rand() % 60);
            stop_planner(&r, SIGKILL);
            turn(&r, rand() % 10);
            start_planner(&r, "3");
        }
        until_status(&r, "COMPLETE");
        cr_assert_eq(r.world.launches, 5, "seed %d", (int)seed);
        cr_assert_eq(r.world.kills, 0);
        close_rig(&r);
    }
}

static void refuses_first(const char *name, const char *spec, const char *word)
{
    struct rig r;
    open_rig(&r, name, 1);
    write_spec(&r, spec);
    start_planner(&r, "3");
    int64_t end = clock_mono_ms() + 30000;
    while (clock_mono_ms() < end) {
        int status;
        turn(&r, 20);
        if (waitpid(r.pid, &status, WNOHANG) == r.pid) {
            cr_assert(WIFEXITED(status));
            cr_assert_eq(WEXITSTATUS(status), EXIT_BAD_INPUT);
            r.pid = 0;
            break;
        }
    }
    cr_assert_eq(r.pid, 0, "it still runs");
    AUTO_FREE char *log = log_text(&r);
    cr_assert(strstr(log, "reeve-planner: ") && strstr(log, word), "%s", log);
    cr_assert_eq(r.world.revision, 0);
    close_rig(&r);
}

Test(process, first_spec_must_be_good, .timeout = 60)
{
    refuses_first("bad first",
                  "name: svc\npods: {data: {count: -1, cmd: x, cpus: 0.1, "
                  "memory: 32}}\n",
                  "count");
}

Test(process, first_spec_must_be_supported, .timeout = 60)
{
    refuses_first("unsupported first",
                  "name: svc\npods:\n  data:\n    count: 1\n    tasks:\n"
                  "      node:\n        goal: RUNNING\n        cmd: x\n"
                  "        cpus: 0.1\n        memory: 32\n"
                  "        transport-encryption: [{name: x, type: TLS}]\n",
                  "transport-encryption is not supported yet");
}

Test(process, a_later_bad_spec_is_a_fault_of_health, .timeout = 120)
{
    struct rig r;
    open_rig(&r, "bad later", 1);
    start_planner(&r, "3");
    until_status(&r, "COMPLETE");
    write_spec(&r, "name: [svc\n");
    kill(r.pid, SIGHUP);
    until_status(&r, "ERROR");
    ask_health(&r);
    cr_assert_str_eq(r.unhealthy, "spec");
    stop_planner(&r, SIGKILL);
    start_planner(&r, "3");
    ask_health(&r); /* from here on SIGHUP does not end it */
    cr_assert_str_eq(world_status(&r.world, "deploy"), "ERROR");
    cr_assert_eq(r.world.facts->target->n_errors, 1);

    write_spec(&r, data_store);
    kill(r.pid, SIGHUP);
    until_status(&r, "COMPLETE");
    ask_health(&r);
    cr_assert(r.healthy, "%s", r.unhealthy);
    cr_assert_eq(r.world.launches, 5);
    close_rig(&r);
}

/* The file of a running service gets another name: not a second service. */
static void rename_service(struct rig *r)
{
    AUTO_FREE char *renamed =
        xasprintf("name: other\n%s", strchr(data_store, '\n') + 1);
    write_spec(r, renamed);
}

static void expect_refused_rename(struct rig *r)
{
    until_status(r, "ERROR");
    turn(r, 200);
    ask_health(r);
    cr_assert_str_eq(r->unhealthy, "spec");
    const char *error = r->world.facts->target->errors[0];
    cr_assert(strstr(error, "declares the new service other, and nothing "
                            "declares svc any more"),
              "%s", error);
    cr_assert_eq(r->world.launches, 5);
}

Test(process, another_name_is_no_second_service, .timeout = 120)
{
    struct rig r;
    open_rig(&r, "rename", 1);
    start_planner(&r, "3");
    until_status(&r, "COMPLETE");
    rename_service(&r);
    kill(r.pid, SIGHUP);
    expect_refused_rename(&r);

    write_spec(&r, data_store);
    kill(r.pid, SIGHUP);
    until_status(&r, "COMPLETE");
    stop_planner(&r, SIGKILL);
    rename_service(&r);
    start_planner(&r, "3");
    expect_refused_rename(&r);
    close_rig(&r);
}

static const char canary[] =
    "name: svc\n"
    "pods: {data: {count: 4, cmd: x, cpus: 0.1, memory: 32}}\n"
    "plans: {deploy: {phases: {data: {pod: data, strategy: serial-canary}}}}\n";

Test(process, a_repeated_verb_is_done_once, .timeout = 120)
{
    static const char id[] = "22222222-2222-4222-8222-222222222222";
    struct rig r;
    open_rig(&r, "once", 1);
    write_spec(&r, canary);
    start_planner(&r, "3");
    until_status(&r, "WAITING");
    send_verb(&r, id, REEVE__PLAN_COMMAND__VERB__CONTINUE, "data");
    until_answer(&r, 1);
    cr_assert_str_eq(r.answer_text, "Received cmd: continue");
    until_launches(&r, 1);
    stop_planner(&r, SIGKILL);
    start_planner(&r, "3");
    send_verb(&r, id, REEVE__PLAN_COMMAND__VERB__CONTINUE, "data");
    until_answer(&r, 2);
    for (int n = 3; n < 100 && r.answer_err.code == ERR_UNAVAILABLE; n++) {
        turn(&r, 200); /* just started */
        send_verb(&r, id, REEVE__PLAN_COMMAND__VERB__CONTINUE, "data");
        until_answer(&r, n);
    }
    cr_assert_str_eq(r.answer_text, "Received cmd: continue", "%s",
                     r.answer_err.text);
    turn(&r, 500);
    cr_assert_eq(r.world.launches, 1, "the second canary still waits");
    close_rig(&r);
}

Test(process, lost_answers_change_nothing, .timeout = 120)
{
    struct rig r;
    open_rig(&r, "lost", 1);
    fake_store_lose_answers(r.store, 3);
    start_planner(&r, "3");
    until_status(&r, "COMPLETE");
    cr_assert_eq(r.world.launches, 5);
    close_rig(&r);
}

Test(process, a_store_that_comes_back, .timeout = 120)
{
    struct rig r;
    open_rig(&r, "store", 1);
    start_planner(&r, "3");
    turn(&r, 150);
    fake_store_destroy(&r.store);
    struct timespec second = {.tv_sec = 1};
    nanosleep(&second, NULL);
    r.store = fake_store_new(r.loop, r.dir, &r.world);
    until_status(&r, "COMPLETE");
    cr_assert_eq(r.world.launches, 5);
    AUTO_FREE char *log = log_text(&r);
    cr_assert_null(strstr(log, "level=bad"), "%s", log);
    close_rig(&r);
}
