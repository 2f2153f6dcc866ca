/* SPDX-License-Identifier: Apache-2.0 */
/* Real processes: starting, ending, killing, and being found again. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_world.h"
#include "devcluster/shim.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/loop/loop.h"

/* ---- tests ------------------------------------------------------------ */

Test(agent_processes, runs_and_ends)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, TASK("t1", "echo out; echo err >&2; exit 0", ""));
    world_wait_for(&w, "exited e1 0\n");
    cr_expect_str_eq(buf_text(&w.log),
                     "t1 TASK_STARTING\nt1 TASK_RUNNING\nt1 TASK_FINISHED\n"
                     "exited e1 0\n");
    cr_expect_str_eq(w.message, "Command exited with status 0");
    EXPECT_FILE(&w, "t1", "stdout", "out\n");
    EXPECT_FILE(&w, "t1", "stderr", "err\n");
    cr_expect_str_eq(agent_id(w.agent), "A1");
    world_finish(&w);
}

static const struct {
    const char *name, *task, *message;
} end_cases[] = {
    {"exit 3", TASK("t1", "exit 3", ""), "Command exited with status 3"},
    {"not found", TASK("t1", "no-such-command", ""),
     "Command exited with status 127"},
    {"kill -9", TASK("t1", "kill -9 $$", ""),
     "Command terminated with signal Killed"},
    {"no shell",
     "{'name':'t1','task_id':{'value':'t1'},'agent_id':{'value':'A1'},"
     "'command':{'shell':false,'value':'/no/such/file','arguments':['a']}}",
     "Command exited with status 233"},
    {"no shell, found in PATH",
     "{'name':'t1','task_id':{'value':'t1'},'agent_id':{'value':'A1'},"
     "'command':{'shell':false,'value':'sh','arguments':['sh','-c','exit 5']}}",
     "Command exited with status 5"},
    {"no command",
     "{'name':'t1','task_id':{'value':'t1'},'agent_id':{'value':'A1'}}",
     "Command exited with status 1"},
};

Test(agent_processes, ways_to_end)
{
    for (size_t i = 0; i < ARRAY_LEN(end_cases); i++) {
        struct world w;
        world_begin(&w);
        world_launch(&w, end_cases[i].task);
        world_wait_for(&w, "exited e1 0\n");
        cr_expect(world_has(&w, "t1 TASK_RUNNING\nt1 TASK_FAILED\n"),
                  "case %s: %s", end_cases[i].name, buf_text(&w.log));
        cr_expect_str_eq(w.message, end_cases[i].message, "case %s: %s",
                         end_cases[i].name, w.message);
        world_finish(&w);
    }
}

Test(agent_processes, unknown_user_never_runs)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, "{'name':'t1','task_id':{'value':'t1'},'agent_id':"
                     "{'value':'A1'},'command':{'value':'true','user':"
                     "'no-such-user-here'}}");
    world_wait_for(&w, "exited e1 0\n");
    cr_expect_str_eq(buf_text(&w.log),
                     "t1 TASK_STARTING\nt1 TASK_FAILED\nexited e1 0\n");
    cr_expect_str_eq(w.message, "Command terminated with signal Killed");
    world_finish(&w);
}

Test(agent_processes, becomes_the_user_only_when_told_to)
{
    for (int on = 0; on < 2; on++) {
        struct world w;
        if (geteuid() != 0)
            cr_skip_test("needs root");
        world_begin(&w);
        chmod(w.dir, 0755);
        w.config.switch_user = on;
        world_restart(&w);
        world_wait_registered(&w);
        world_launch(&w,
                     "{'name':'t1','task_id':{'value':'t1'},'agent_id':"
                     "{'value':'A1'},'command':{'value':'id -un > who','user':"
                     "'nobody'}}");
        world_wait_for(&w, "t1 TASK_FINISHED\n");
        EXPECT_FILE(&w, "t1", "who", on ? "nobody\n" : "root\n");
        world_finish(&w);
    }
}

Test(agent_processes, limits_apply)
{
    struct world w;
    world_begin(&w);
    world_launch(&w,
                 TASK("t1", "ulimit -Sn; ulimit -Hn",
                      ",'container':{'type':'MESOS','rlimit_info':{'rlimits':["
                      "{'type':'RLMT_NOFILE','soft':33,'hard':44}]}}"));
    world_wait_for(&w, "t1 TASK_FINISHED\n");
    EXPECT_FILE(&w, "t1", "stdout", "33\n44\n");
    world_finish(&w);
}

Test(agent_processes, sees_exactly_its_environment)
{
    struct world w;
    AUTO_FREE char *sandbox = NULL;
    setenv("LEAKED", "1", 1);
    world_begin(&w);
    world_launch(&w,
                 "{'name':'t1','task_id':{'value':'t1'},'agent_id':"
                 "{'value':'A1'},'resources':[{'name':'cpus','type':'SCALAR',"
                 "'scalar':{'value':0.1},'allocation_info':{'role':'r'}}],"
                 "'command':{'shell':false,'value':'env','arguments':['env'],"
                 "'environment':{'variables':[{'name':'MINE','value':'x'}]}}}");
    world_wait_for(&w, "TASK_FINISHED");
    agent_find_task(w.agent, "F1", "t1", world_keep_sandbox, &sandbox);
    AUTO_FREE char *want = xasprintf(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        "MESOS_SANDBOX=%s\nMESOS_ALLOCATION_ROLE=r\n"
        "MESOS_CONTAINER_IP=127.0.0.1\nMINE=x\n",
        sandbox);
    EXPECT_FILE(&w, "t1", "stdout", want);
    world_finish(&w);
}

Test(agent_processes, kill_asks_then_kills)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, TASK("t1",
                          "trap \\\"exit 0\\\" TERM; echo up; while :; do "
                          "sleep 0.05; done",
                          "") "," TASK("t2",
                                       "trap : TERM; echo up; while :; do "
                                       "sleep 0.05; done",
                                       ""));
    world_wait_for(&w, "t1 TASK_RUNNING");
    world_wait_for(&w, "t2 TASK_RUNNING");
    /* The shells have to have come to their traps. */
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    for (bool up = false; !up && clock_mono_ms() < until;) {
        AUTO_FREE char *one = world_read(&w, "t1", "stdout");
        AUTO_FREE char *two = world_read(&w, "t2", "stdout");
        up = str_eq(one, "up\n") && str_eq(two, "up\n");
        loop_run_once(w.loop, 10);
    }
    world_kill(&w, "t1");
    world_wait_for(&w, "t1 TASK_KILLED");
    cr_expect_str_eq(w.message, "Command exited with status 0");
    world_wait_for(&w, "t2 TASK_KILLED");
    cr_expect_str_eq(w.message, "Command terminated with signal Killed");
    cr_expect(world_has(&w, "t1 TASK_KILLING"));
    cr_expect(world_has(&w, "t2 TASK_KILLING"));
    world_wait_for(&w, "exited e1 0\n");
    world_finish(&w);
}

Test(agent_processes, kill_nine_of_the_command)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, TASK("t1", "exec sleep 1000", ""));
    world_wait_for(&w, "t1 TASK_RUNNING");
    cr_assert_gt(w.pid, 1);
    kill((pid_t)w.pid, SIGKILL);
    world_wait_for(&w, "exited e1 0\n");
    cr_expect(world_has(&w, "t1 TASK_FAILED"));
    cr_expect_str_eq(w.message, "Command terminated with signal Killed");
    world_finish(&w);
}

Test(agent_processes, what_a_command_leaves_behind_dies_with_it)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, TASK("t1",
                          "sleep 1000 & echo $!; setsid sleep 1000 & "
                          "echo $!; sleep 0.3",
                          ""));
    world_wait_for(&w, "t1 TASK_FINISHED");
    AUTO_FREE char *out = world_read(&w, "t1", "stdout");
    int a = 0, b = 0;
    cr_assert_eq(sscanf(out, "%d %d", &a, &b), 2, "%s", out);
    cr_expect_not(world_lives(a));
    cr_expect_not(world_lives(b));
    world_finish(&w);
}

static pid_t parent_of(int64_t pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    cr_assert(f);
    cr_assert_eq(fscanf(f, "%*d (%*[^)]) %*c %d", &parent), 1);
    fclose(f);
    return parent;
}

Test(agent_processes, death_of_a_shim_is_that_of_the_executor)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, TASK("t1", "exec sleep 1000",
                          "") "," TASK("t2", "exec sleep 1000", ""));
    world_wait_for(&w, "t1 TASK_RUNNING");
    world_wait_for(&w, "t2 TASK_RUNNING");
    int64_t one = w.t1_pid;
    kill(parent_of(w.pid), SIGKILL);
    world_wait_for(&w, "t1 TASK_FAILED");
    world_wait_for(&w, "t2 TASK_FAILED");
    cr_expect(world_has(&w, "exited e1 9\n"));
    cr_expect_str_eq(w.message, "Executor terminated");
    world_wait_dead(&w, one);
    world_wait_dead(&w, w.pid);
    world_finish(&w);
}

Test(agent_processes, tasks_outlive_the_agent)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, TASK("t1", "echo once >> ran; exec sleep 1000",
                          "") "," TASK("t2", "sleep 0.5; exit 0", ""));
    world_wait_for(&w, "t1 TASK_RUNNING");
    world_wait_for(&w, "t2 TASK_RUNNING");
    int64_t pid = w.t1_pid;
    world_restart(&w);
    /* t2 ends meanwhile or later: both are found out. */
    world_wait_registered(&w);
    cr_expect(strstr(buf_text(&w.registered), "t1 TASK_RUNNING\n"), "%s",
              buf_text(&w.registered));
    world_wait_for(&w, "t2 TASK_FINISHED\n");
    cr_expect(world_lives(pid));
    world_kill(&w, "t1");
    world_wait_for(&w, "t1 TASK_KILLED\n");
    world_wait_dead(&w, pid);
    EXPECT_FILE(&w, "t1", "ran", "once\n");
    world_finish(&w);
}

Test(agent_processes, end_unseen_by_any_agent_is_reported)
{
    struct world w;
    world_begin(&w);
    world_launch(&w, TASK("t1", "sleep 0.3; exit 7", ""));
    world_wait_for(&w, "t1 TASK_RUNNING");
    int64_t pid = w.pid;
    agent_stop(&w.agent);
    world_wait_dead(&w, pid);
    buf_clear(&w.log);
    world_start_agent(&w);
    world_wait_for(&w, "t1 TASK_FAILED\n");
    cr_expect_str_eq(w.message, "Command exited with status 7");
    world_finish(&w);
}

Test(agent_processes, restarted_at_every_turn_of_a_launch)
{
    /* Whatever turn of the loop the agent dies in, the task runs once, or it
     * has not run and that is told. */
    for (int turns = 0; turns < 12; turns++) {
        struct world w;
        world_begin(&w);
        world_launch(&w, TASK("t1", "echo once >> ran; exec sleep 1000", ""));
        for (int i = 0; i < turns; i++)
            loop_run_once(w.loop, 1);
        world_restart(&w);
        world_wait_registered(&w);
        loop_run_once(w.loop, 1);
        bool known = agent_find_task(w.agent, "F1", "t1", NULL, NULL);
        bool dropped =
            strstr(buf_text(&w.registered), "t1 TASK_DROPPED") != NULL;
        if (known && dropped) {
            /* No executor had seen it: nothing was started. */
            cr_expect_eq(w.pid, 0, "dropped after %d turns, but runs", turns);
        } else if (known) {
            /* It may have run, been told and acknowledged before. */
            if (!strstr(buf_text(&w.registered), "t1 TASK_RUNNING"))
                world_wait_for(&w, "t1 TASK_RUNNING\n");
            EXPECT_FILE(&w, "t1", "ran", "once\n");
        } else {
            cr_expect_eq(turns, 0, "forgotten after %d turns", turns);
        }
        world_finish(&w);
    }
}

static void keep_meta(void *self, const struct agent_task_view *view)
{
    struct world *w = self;
    free(w->message);
    w->message =
        xasprintf("%s/meta/slaves/A1/frameworks/F1/executors/e1/runs/"
                  "%s/containers/%s",
                  w->dir, view->executor_container_id, view->container_id);
}

Test(agent_processes, a_second_shim_gives_way)
{
    struct world w;
    int status = -1;
    world_begin(&w);
    world_launch(&w, TASK("t1", "echo once >> ran; exec sleep 1000", ""));
    world_wait_for(&w, "t1 TASK_RUNNING");
    agent_find_task(w.agent, "F1", "t1", keep_meta, &w);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "shim", SHIM_FLAG, w.message, NULL);
        _exit(127);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0);
    cr_expect(world_lives(w.pid));
    EXPECT_FILE(&w, "t1", "ran", "once\n");
    world_finish(&w);
}

Test(agent_processes, missing_shim_fails_the_task)
{
    struct world w;
    world_begin(&w);
    w.config.shim_program = "/no/such/program";
    world_restart(&w);
    world_wait_registered(&w);
    world_launch(&w, TASK("t1", "true", ""));
    world_wait_for(&w, "t1 TASK_FAILED\n");
    cr_expect(strstr(w.message, "/no/such/program"), "%s", w.message);
    world_finish(&w);
}

Test(agent_processes, updates_wait_for_their_acknowledgement)
{
    struct world w;
    world_begin(&w);
    w.hold_acks = true;
    world_launch(&w, TASK("t1", "exit 0", ""));
    world_wait_for(&w, "exited e1 0\n");
    world_restart(&w);
    w.hold_acks = false;
    world_wait_for(&w, "t1 TASK_FINISHED\n");
    cr_expect_str_eq(buf_text(&w.log), "t1 TASK_STARTING\nt1 TASK_RUNNING\n"
                                       "t1 TASK_FINISHED\n");
    cr_expect_str_eq(buf_text(&w.registered), "t1 TASK_FINISHED\n");
    world_finish(&w);
}

Test(agent_processes, second_agent_in_the_same_folder_is_refused)
{
    struct world w;
    struct err err;
    world_begin(&w);
    cr_expect_null(agent_new(w.loop, &w.config, NULL, NULL, &err));
    cr_expect_eq(err.code, ERR_EXISTS, "%s", err.text);
    world_finish(&w);
}

static const struct {
    const char *name, *resources, *attributes;
} bad_configs[] = {
    {"resources", "cpus:x", ""},
    {"attribute without value", "cpus:1", "rack"},
    {"ranges", "cpus:1", "a:[3-1]"},
};

Test(agent_processes, bad_config_is_refused)
{
    struct world w;
    world_begin(&w);
    AUTO_FREE char *other = fs_join(w.dir, "other");
    for (size_t i = 0; i < ARRAY_LEN(bad_configs); i++) {
        struct err err;
        struct agent_config config = w.config;
        config.work_dir = other;
        config.resources = bad_configs[i].resources;
        config.attributes = bad_configs[i].attributes;
        cr_expect_null(agent_new(w.loop, &config, NULL, NULL, &err), "case %s",
                       bad_configs[i].name);
        cr_expect_eq(err.code, ERR_INVALID, "case %s: %s", bad_configs[i].name,
                     err.text);
    }
    world_finish(&w);
}
