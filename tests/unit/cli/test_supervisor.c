/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor over programs that only sleep. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/child.h"
#include "cli/control.h"
#include "cli/preflight.h"
#include "cli/suite.h"
#include "cli/supervisor.h"
#include "cli/tasks.h"
#include "cli/teardown.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/service/service.h"

#define WAIT_MS 10000

struct place {
    char base[64];
    char *run_dir;
    pid_t supervisor;
};

static const char *const programs[] = {"state-store", "offer-broker", "planner",
                                       "api-gateway"};

static void write_file(const char *path, const char *text)
{
    struct err err = {0};

    cr_assert_eq(fs_write_atomic(path, text, strlen(text), 0755, &err), 0, "%s",
                 err.text);
}

static void make_place(struct place *p)
{
    struct err err = {0};

    snprintf(p->base, sizeof(p->base), "/tmp/reeve-cli-XXXXXX");
    cr_assert(mkdtemp(p->base));
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        AUTO_FREE char *path = xasprintf("%s/reeve-%s", p->base, programs[i]);
        write_file(path, "#!/bin/sh\necho \"started X=$X $*\"\n"
                         "trap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n");
    }
    AUTO_FREE char *run_dir = xasprintf("%s/run", p->base);
    cr_assert_eq(preflight_run_dir(run_dir, &p->run_dir, &err), EXIT_OK, "%s",
                 err.text);
    AUTO_FREE char *env = fs_join(p->run_dir, "planner.env");
    write_file(env, "[\"X=one\"]");
}

static void start_supervisor(struct place *p)
{
    struct err err = {0};
    int lock;

    cr_assert_eq(preflight_lock(p->run_dir, &lock, &err), EXIT_OK);
    cr_assert(lock >= 0);
    p->supervisor = fork();
    if (p->supervisor == 0) {
        struct suite *s = suite_new();
        int null_fd = open("/dev/null", O_WRONLY);
        dup2(null_fd, 2);
        s->run_dir = xstrdup(p->run_dir);
        s->bin_dir = xstrdup(p->base);
        s->spec = xstrdup("/svc.yml");
        s->service = xstrdup("s");
        s->master = xstrdup("http://127.0.0.1:1");
        s->redis = xstrdup("redis://127.0.0.1:1/0");
        suite_list_processes(s);
        int code = supervisor_run(s, NULL);
        suite_destroy(&s);
        _exit(code);
    }
    close(lock);
}

static struct suite *read_suite(const struct place *p)
{
    AUTO_FREE char *path = fs_join(p->run_dir, "suite.json");
    AUTO_BUF struct buf text = {0};

    if (fs_read(path, 1 << 20, &text, NULL) < 0)
        return NULL;
    return suite_decode(text.data, text.len, NULL);
}

/* The pid of a process once it is another one than `old`; 0: not in time. */
static int wait_for_pid(const struct place *p, const char *name, int old)
{
    int64_t end = clock_mono_ms() + WAIT_MS;

    while (clock_mono_ms() < end) {
        struct suite *s = read_suite(p);
        int pid = s ? suite_find(s, name)->pid : 0;
        suite_destroy(&s);
        if (pid && pid != old)
            return pid;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return 0;
}

/* Whether a log comes to hold the text. */
static bool log_says(const struct place *p, const char *name, const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/log/%s.log", p->run_dir, name);
    int64_t end = clock_mono_ms() + WAIT_MS;

    while (clock_mono_ms() < end) {
        AUTO_BUF struct buf log = {0};
        if (fs_read(path, 1 << 20, &log, NULL) == 0 &&
            strstr(buf_text(&log), text))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

static void remove_place(struct place *p)
{
    fs_remove_tree(p->base, NULL);
    free(p->run_dir);
}

Test(supervisor, starts_restarts_reloads_and_stops, .timeout = 60)
{
    struct place p;
    struct err err = {0};

    log_set_level(LOG_BAD);
    make_place(&p);
    start_supervisor(&p);
    int planner = wait_for_pid(&p, "planner", 0);
    int broker = wait_for_pid(&p, "offer-broker", 0);
    int gateway = wait_for_pid(&p, "api-gateway", 0);
    cr_assert(planner && broker && gateway);
    cr_expect(log_says(&p, "planner", "X=one --run-dir"));

    kill(broker, SIGKILL);
    int again = wait_for_pid(&p, "offer-broker", broker);
    cr_expect(again, "a killed process is started again");

    AUTO_FREE char *env = fs_join(p.run_dir, "planner.env");
    write_file(env, "[\"X=two\"]");
    json_t *answer =
        control_call(p.run_dir,
                     json_pack("{s:s, s:s, s:s}", "cmd", "reload", "spec",
                               "/other.yml", "service", "s"),
                     WAIT_MS, &err);
    cr_assert(answer, "%s", err.text);
    cr_expect_eq(json_integer_value(json_object_get(answer, "planner_pid")),
                 planner);
    json_decref(answer);
    cr_expect(wait_for_pid(&p, "planner", planner));
    cr_expect(log_says(&p, "planner", "X=two"));
    cr_expect(log_says(&p, "planner", "/other.yml"));

    cr_expect_eq(control_call(p.run_dir, json_pack("{s:s}", "cmd", "dance"),
                              WAIT_MS, &err),
                 NULL);
    cr_expect_str_eq(err.text, "supervisor: unknown command");
    int n = 0, status;
    cr_expect_eq(control_down(p.run_dir, &n, &err), 0, "%s", err.text);
    cr_expect_eq(n, 4);
    waitpid(p.supervisor, &status, 0);
    cr_expect_eq(WEXITSTATUS(status), EXIT_OK);
    cr_expect_not(child_start_time(gateway));
    cr_expect_not(child_start_time(again));
    remove_place(&p);
}

Test(supervisor, killed_it_leaves_children_that_teardown_finds, .timeout = 60)
{
    struct place p;
    int lock;

    log_set_level(LOG_BAD);
    make_place(&p);
    start_supervisor(&p);
    int planner = wait_for_pid(&p, "planner", 0);
    int gateway = wait_for_pid(&p, "api-gateway", 0);
    cr_assert(planner && gateway);
    cr_assert_eq(preflight_lock(p.run_dir, &lock, NULL), EXIT_OK);
    cr_expect(lock < 0, "the supervisor holds the lock");
    kill(p.supervisor, SIGKILL);
    waitpid(p.supervisor, NULL, 0);
    cr_expect(child_start_time(planner), "a dead supervisor ends nobody");
    cr_assert_eq(preflight_lock(p.run_dir, &lock, NULL), EXIT_OK);
    cr_expect(lock >= 0, "its lock died with it, and no child has it");
    close(lock);
    cr_expect_eq(teardown(p.run_dir, false), 4);
    cr_expect_not(child_start_time(planner));
    cr_expect_not(child_start_time(gateway));
    cr_expect_eq(teardown(p.run_dir, false), 0, "once is enough");
    remove_place(&p);
}

/* ---- tasks of a devcluster ---- */

static pid_t run_as(char *const *argv, char *const *env)
{
    pid_t pid = fork();

    if (pid == 0) {
        execve(argv[0], argv, env);
        _exit(127);
    }
    return pid;
}

/* Waits until a process has become the program it is to be. */
static void wait_for_exec(pid_t pid, const char *word)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/cmdline", (int)pid);

    for (int i = 0; i < 500; i++) {
        AUTO_BUF struct buf text = {0};
        if (fs_read(path, 1 << 16, &text, NULL) == 0 && text.len &&
            memmem(text.data, text.len, word, strlen(word)))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

/* Waits until a process has a child that has become this program. */
static void wait_for_child(pid_t pid, const char *program)
{
    AUTO_FREE char *path =
        xasprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);

    for (int i = 0; i < 500; i++) {
        AUTO_BUF struct buf children = {0}, text = {0};
        fs_read(path, 4096, &children, NULL);
        AUTO_FREE char *line =
            xasprintf("/proc/%d/cmdline", atoi(buf_text(&children)));
        if (fs_read(line, 1 << 16, &text, NULL) == 0 &&
            str_starts(buf_text(&text), program))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

Test(tasks, only_those_of_the_run_dir_end, .timeout = 60)
{
    char *argv[] = {"/bin/sleep", "1000", NULL};
    char *mine[] = {"MESOS_SANDBOX=/r/one/devcluster/agent-0/x", NULL};
    char *other[] = {"MESOS_SANDBOX=/r/two/devcluster/agent-0/x", NULL};
    int status;

    log_set_level(LOG_BAD);
    pid_t a = run_as(argv, mine), b = run_as(argv, other);
    wait_for_exec(a, "1000");
    wait_for_exec(b, "1000");
    tasks_end("/r/one");
    /* tasks_end collects children of its process, as the supervisor wants. */
    cr_expect(kill(a, 0) < 0 || !child_start_time(a));
    cr_expect(child_start_time(b), "another suite's task goes on");
    kill(b, SIGKILL);
    waitpid(b, &status, 0);
}

Test(tasks, a_task_without_environment_is_found_by_its_shim, .timeout = 60)
{
    char *argv[] = {"/bin/sh",
                    "-c",
                    "env -i setsid /bin/sleep 1234; exit 0",
                    "--task-shim",
                    "/r/three/devcluster/agent-0/meta",
                    NULL};
    char *env[] = {"PATH=/bin:/usr/bin", NULL};

    log_set_level(LOG_BAD);
    pid_t shim = run_as(argv, env);
    wait_for_exec(shim, "--task-shim");
    wait_for_child(shim, "/bin/sleep");
    int64_t began = clock_mono_ms();
    tasks_end("/r/three");
    cr_expect(kill(shim, 0) < 0 || !child_start_time(shim));
    cr_expect(clock_mono_ms() - began < 4900, "asking was enough");
}

/* ---- pid files ---- */

Test(child, a_pid_of_somebody_else_is_not_ours)
{
    char path[] = "/tmp/reeve-pid-XXXXXX";
    int fd = mkstemp(path);
    AUTO_FREE char *ours =
        xasprintf("%d %llu\n", (int)getpid(), child_start_time(getpid()));
    AUTO_FREE char *other =
        xasprintf("%d %llu\n", (int)getpid(), child_start_time(getpid()) + 1);

    cr_assert(fd >= 0);
    close(fd);
    write_file(path, ours);
    cr_expect_eq(child_alive(path), getpid());
    write_file(path, other);
    cr_expect_eq(child_alive(path), 0);
    write_file(path, "nonsense");
    cr_expect_eq(child_alive(path), 0);
    unlink(path);
    cr_expect_eq(child_alive(path), 0);
}

/* ---- run dirs ---- */

Test(preflight, run_dirs)
{
    char base[] = "/tmp/reeve-dirs-XXXXXX";
    struct err err = {0};
    char *absolute = NULL;

    cr_assert(mkdtemp(base));
    AUTO_FREE char *file = fs_join(base, "mine");
    write_file(file, "x");
    cr_expect_eq(preflight_run_dir(base, &absolute, &err), EXIT_IN_USE);
    cr_expect(strstr(err.text, "not empty"), "%s", err.text);
    free(absolute);
    unlink(file);
    cr_expect_eq(preflight_run_dir(base, &absolute, &err), EXIT_OK);
    cr_expect(preflight_is_run_dir(base));
    free(absolute);
    cr_expect_eq(preflight_run_dir("/proc/reeve", &absolute, &err),
                 EXIT_UNWRITABLE);
    cr_expect(strstr(err.text, "/proc/reeve"), "%s", err.text);
    fs_remove_tree(base, NULL);
}

Test(preflight, ports)
{
    struct err err = {0};
    int ports[200] = {0};
    int port = preflight_free_port(NULL, 0);

    cr_assert(port > 0);
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        ports[i] = preflight_free_port(ports, i);
        cr_assert(ports[i] > 0);
        for (size_t k = 0; k < i; k++)
            cr_expect_neq(ports[k], ports[i]);
    }
    cr_expect_eq(preflight_port(port, &err), EXIT_OK);
    AUTO_FREE char *url = xasprintf("redis://127.0.0.1:%d/0", port);
    cr_expect_eq(preflight_redis(url, &err), EXIT_FAILED);
    cr_expect(strstr(err.text, "no Redis answers"), "%s", err.text);
    cr_expect_eq(preflight_redis("unix:///no/such/socket", &err), EXIT_FAILED);
    cr_expect(strstr(err.text, "/no/such/socket"), "%s", err.text);
    cr_expect_eq(preflight_redis("rediss://h:6379/0", &err), EXIT_OK);
    static const char *const wrong[] = {
        "http://x", "redis://", "redis://u:s3cr%@h/0", "rediss://h:s3cr/0",
        "redis+sentinel://:s3cr@h"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cr_expect_eq(preflight_redis(wrong[i], &err), EXIT_USAGE, "%s",
                     wrong[i]);
        cr_expect_null(strstr(err.text, "s3cr"), "%s", err.text);
    }
    AUTO_FREE char *master = xasprintf("http://127.0.0.1:%d", port);
    cr_expect_eq(preflight_master(master, &err), EXIT_FAILED);
    cr_expect(strstr(err.text, master), "%s", err.text);
    cr_expect_eq(preflight_master("zk://127.0.0.1:1/mesos", &err), EXIT_FAILED);
}
