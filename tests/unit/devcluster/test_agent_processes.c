/* SPDX-License-Identifier: Apache-2.0 */
/* Real agents with real processes in a temporary folder: the test is the
 * master.
 *
 * Each test ends with nothing left running: agents are told to shut down, and
 * what they started is waited for.
 */
#include <criterion/criterion.h>
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devcluster/agent.h"
#include "devcluster/container_files.h"
#include "devcluster/launcher.h"
#include "devcluster/msg.h"
#include "devcluster/shim.h"
#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "lib/mesos/states.h"

/* The test program is its own shim: as main() of the devcluster does, but
 * before Criterion's. */
__attribute__((constructor)) static void be_a_shim(int argc, char **argv)
{
    if (shim_wanted(argc, argv))
        exit(shim_main(argc, argv));
}

#define PATIENCE_MS 20000

struct world {
    char dir[64];
    struct loop *loop;
    struct agent *agent;
    struct agent_config config;
    struct buf log; /* "t1 TASK_RUNNING\n" … */
    bool hold_acks;
    char *message; /* of the last terminal update */
    int64_t pid;   /* of the last RUNNING update */
    int operations;
    size_t n_checkpointed;
    struct buf registered; /* tasks of the last Register */
};

/* ---- the master ------------------------------------------------------- */

static void tell(struct world *w, Reeve__Devcluster__ToAgent *message)
{
    agent_receive(w->agent, message);
    MSG_FREE(message);
}

static void tell_json(struct world *w, const char *text)
{
    struct err err;
    json_error_t where;
    AUTO_FREE char *copy = xstrdup(text);
    for (char *p = copy; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    json_t *json = json_loads(copy, 0, &where);
    cr_assert(json, "%s: %s", where.text, copy);
    ProtobufCMessage *message =
        wire_from_json(&reeve__devcluster__to_agent__descriptor, json, &err);
    cr_assert(message, "%s", err.text);
    json_decref(json);
    tell(w, (void *)message);
}

static void acknowledge(struct world *w, const Mesos__V1__TaskStatus *status)
{
    Reeve__Devcluster__ToAgent *message = MSG_NEW(reeve__devcluster__to_agent);
    Reeve__Devcluster__ToAgent__Acknowledge *ack =
        MSG_NEW(reeve__devcluster__to_agent__acknowledge);
    message->acknowledge = ack;
    ack->framework_id = msg_framework_id("F1");
    ack->task_id = msg_task_id(status->task_id->value);
    MSG_SET_BYTES(ack, uuid, status->uuid.data, status->uuid.len);
    tell(w, message);
}

static void on_update(struct world *w, const Mesos__V1__TaskStatus *status)
{
    buf_addf(&w->log, "%s %s", status->task_id->value,
             task_state_name((int)status->state));
    if (status->has_healthy)
        buf_addf(&w->log, " healthy=%d", status->healthy);
    if (status->check_status && status->check_status->command &&
        status->check_status->command->has_exit_code)
        buf_addf(&w->log, " check=%d",
                 status->check_status->command->exit_code);
    if (status->check_status && status->check_status->tcp &&
        status->check_status->tcp->has_succeeded)
        buf_addf(&w->log, " tcp=%d", status->check_status->tcp->succeeded);
    if (status->check_status && status->check_status->http &&
        status->check_status->http->has_status_code)
        buf_addf(&w->log, " http=%u", status->check_status->http->status_code);
    buf_add_char(&w->log, '\n');
    if (status->state == MESOS__V1__TASK_STATE__TASK_RUNNING)
        w->pid = status->container_status->executor_pid;
    if (status->message) {
        free(w->message);
        w->message = xstrdup(status->message);
    }
    if (!w->hold_acks)
        acknowledge(w, status);
}

static void on_register(struct world *w,
                        const Reeve__Devcluster__ToMaster__Register *r)
{
    buf_clear(&w->registered);
    for (size_t i = 0; i < r->n_tasks; i++)
        buf_addf(&w->registered, "%s %s\n", r->tasks[i]->task->task_id->value,
                 task_state_name((int)r->tasks[i]->task->state));
    w->n_checkpointed = r->n_checkpointed;
    tell_json(w, "{'registered':{'agent_id':{'value':'A1'}}}");
}

static void to_master(void *self, struct agent *agent UNUSED,
                      const Reeve__Devcluster__ToMaster *message)
{
    struct world *w = self;
    if (message->register_)
        on_register(w, message->register_);
    if (message->status_update)
        on_update(w, message->status_update->status);
    if (message->exited_executor)
        buf_addf(&w->log, "exited %s %d\n",
                 message->exited_executor->executor_id->value,
                 message->exited_executor->wait_status);
    if (message->operation_update) {
        w->operations++;
        w->n_checkpointed = message->operation_update->n_checkpointed;
    }
}

/* ---- the world -------------------------------------------------------- */

static void start_agent(struct world *w)
{
    struct err err;
    w->agent = agent_new(w->loop, &w->config, to_master, w, &err);
    cr_assert(w->agent, "%s", err.text);
    agent_connect(w->agent);
}

static bool has(const struct world *w, const char *text)
{
    return strstr(buf_text(&w->log), text);
}

static void wait_for(struct world *w, const char *text)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (!has(w, text) && clock_mono_ms() < until)
        loop_run_once(w->loop, 50);
    cr_assert(has(w, text), "waited for %s, got:\n%s", text, buf_text(&w->log));
}

static void wait_registered(struct world *w)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (!agent_connected(w->agent) && clock_mono_ms() < until)
        loop_run_once(w->loop, 50);
    cr_assert(agent_connected(w->agent));
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof(*w));
    log_set_level(LOG_BAD);
    strcpy(w->dir, "/tmp/reeve-agent-XXXXXX"); /* allowed: fixed text */
    cr_assert(mkdtemp(w->dir));
    w->loop = loop_new();
    w->config = (struct agent_config){
        .work_dir = w->dir,
        .hostname = "agent-0.local",
        .ip = "127.0.0.1",
        .port = 5051,
        .resources = "cpus:4;mem:4096;disk:10240;ports:[31000-31009]",
        .attributes = "rack:r0;level:3",
        .recovery_wait_ms = 100,
        .kill_grace_ms = 300,
        .executor_shutdown_grace_ms = 1000,
    };
    start_agent(w);
    wait_registered(w);
}

/* kill -9 of the agent's process, as far as its tasks can tell. */
static void restart(struct world *w)
{
    agent_stop(&w->agent);
    buf_clear(&w->log);
    start_agent(w);
}

static void any_left(void *self, const struct agent_task_view *view)
{
    bool *left = self;
    *left = *left || !view->completed;
}

static void finish(struct world *w)
{
    bool left = true;
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    w->hold_acks = false;
    wait_registered(w);
    tell_json(w, "{'shutdown_framework':{'framework_id':{'value':'F1'}}}");
    while (left && clock_mono_ms() < until) {
        left = false;
        loop_run_once(w->loop, 20);
        agent_each_task(w->agent, any_left, &left);
    }
    cr_assert_not(left, "tasks are left");
    agent_stop(&w->agent);
    loop_destroy(&w->loop);
    fs_remove_tree(w->dir, NULL);
    buf_free(&w->log);
    buf_free(&w->registered);
    free(w->message);
}

#define FRAMEWORK                                                              \
    "'framework':{'user':'root','name':'f','id':{'value':'F1'},"               \
    "'checkpoint':true,'capabilities':[{'type':'TASK_KILLING_STATE'},"         \
    "{'type':'PARTITION_AWARE'}]}"
#define EXECUTOR "'executor':{'executor_id':{'value':'e1'},'type':'DEFAULT'}"
#define TASK(id, command, more)                                                \
    "{'name':'" id "','task_id':{'value':'" id                                 \
    "'},'agent_id':{'value':'A1'},'resources':[{'name':'cpus','type':"         \
    "'SCALAR','scalar':{'value':0.1},'allocation_info':{'role':'r'}}],"        \
    "'command':{'value':'" command "'}" more "}"

static void launch(struct world *w, const char *tasks)
{
    AUTO_FREE char *json = xasprintf(
        "{'run_group':{" FRAMEWORK "," EXECUTOR ",'tasks':[%s]}}", tasks);
    tell_json(w, json);
}

static void kill_task(struct world *w, const char *id)
{
    AUTO_FREE char *json =
        xasprintf("{'kill':{'framework_id':{'value':'F1'},'task_id':"
                  "{'value':'%s'}}}",
                  id);
    tell_json(w, json);
}

static void keep_sandbox(void *self, const struct agent_task_view *view)
{
    char **sandbox = self;
    *sandbox = xstrdup(view->sandbox);
}

/* A file of the task's sandbox; malloc'd. */
static char *read_out(struct world *w, const char *task, const char *name)
{
    AUTO_FREE char *sandbox = NULL;
    struct buf text = {0};
    cr_assert(agent_find_task(w->agent, "F1", task, keep_sandbox, &sandbox));
    AUTO_FREE char *path = fs_join(sandbox, name);
    if (fs_read(path, 1 << 20, &text, NULL) < 0)
        buf_free(&text);
    return text.data ? buf_take(&text, NULL) : NULL;
}

#define EXPECT_FILE(w, task, name, want)                                       \
    do {                                                                       \
        AUTO_FREE char *got_ = read_out(w, task, name);                        \
        cr_expect_str_eq(str_or_empty(got_), want, "%s of %s: %s", name, task, \
                         str_or_empty(got_));                                  \
    } while (0)

static bool lives(int64_t pid)
{
    return process_start_time((pid_t)pid) != 0;
}

static void wait_dead(struct world *w, int64_t pid)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (lives(pid) && clock_mono_ms() < until)
        loop_run_once(w->loop, 10);
    cr_expect_not(lives(pid), "%d lives", (int)pid);
}

/* ---- tests ------------------------------------------------------------ */

Test(agent_processes, runs_and_ends)
{
    struct world w;
    begin(&w);
    launch(&w, TASK("t1", "echo out; echo err >&2; exit 0", ""));
    wait_for(&w, "exited e1 0\n");
    cr_expect_str_eq(buf_text(&w.log),
                     "t1 TASK_STARTING\nt1 TASK_RUNNING\nt1 TASK_FINISHED\n"
                     "exited e1 0\n");
    cr_expect_str_eq(w.message, "Command exited with status 0");
    EXPECT_FILE(&w, "t1", "stdout", "out\n");
    EXPECT_FILE(&w, "t1", "stderr", "err\n");
    cr_expect_str_eq(agent_id(w.agent), "A1");
    finish(&w);
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
        begin(&w);
        launch(&w, end_cases[i].task);
        wait_for(&w, "exited e1 0\n");
        cr_expect(has(&w, "t1 TASK_RUNNING\nt1 TASK_FAILED\n"), "case %s: %s",
                  end_cases[i].name, buf_text(&w.log));
        cr_expect_str_eq(w.message, end_cases[i].message, "case %s: %s",
                         end_cases[i].name, w.message);
        finish(&w);
    }
}

Test(agent_processes, unknown_user_never_runs)
{
    struct world w;
    begin(&w);
    launch(&w, "{'name':'t1','task_id':{'value':'t1'},'agent_id':"
               "{'value':'A1'},'command':{'value':'true','user':"
               "'no-such-user-here'}}");
    wait_for(&w, "exited e1 0\n");
    cr_expect_str_eq(buf_text(&w.log),
                     "t1 TASK_STARTING\nt1 TASK_FAILED\nexited e1 0\n");
    cr_expect_str_eq(w.message, "Command terminated with signal Killed");
    finish(&w);
}

Test(agent_processes, becomes_the_user_only_when_told_to)
{
    for (int on = 0; on < 2; on++) {
        struct world w;
        if (geteuid() != 0)
            cr_skip_test("needs root");
        begin(&w);
        chmod(w.dir, 0755);
        w.config.switch_user = on;
        restart(&w);
        wait_registered(&w);
        launch(&w, "{'name':'t1','task_id':{'value':'t1'},'agent_id':"
                   "{'value':'A1'},'command':{'value':'id -un > who','user':"
                   "'nobody'}}");
        wait_for(&w, "t1 TASK_FINISHED\n");
        EXPECT_FILE(&w, "t1", "who", on ? "nobody\n" : "root\n");
        finish(&w);
    }
}

Test(agent_processes, limits_apply)
{
    struct world w;
    begin(&w);
    launch(&w, TASK("t1", "ulimit -Sn; ulimit -Hn",
                    ",'container':{'type':'MESOS','rlimit_info':{'rlimits':["
                    "{'type':'RLMT_NOFILE','soft':33,'hard':44}]}}"));
    wait_for(&w, "t1 TASK_FINISHED\n");
    EXPECT_FILE(&w, "t1", "stdout", "33\n44\n");
    finish(&w);
}

Test(agent_processes, sees_exactly_its_environment)
{
    struct world w;
    AUTO_FREE char *sandbox = NULL;
    setenv("LEAKED", "1", 1);
    begin(&w);
    launch(&w, "{'name':'t1','task_id':{'value':'t1'},'agent_id':"
               "{'value':'A1'},'resources':[{'name':'cpus','type':'SCALAR',"
               "'scalar':{'value':0.1},'allocation_info':{'role':'r'}}],"
               "'command':{'shell':false,'value':'env','arguments':['env'],"
               "'environment':{'variables':[{'name':'MINE','value':'x'}]}}}");
    wait_for(&w, "TASK_FINISHED");
    agent_find_task(w.agent, "F1", "t1", keep_sandbox, &sandbox);
    AUTO_FREE char *want = xasprintf(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        "MESOS_SANDBOX=%s\nMESOS_ALLOCATION_ROLE=r\n"
        "MESOS_CONTAINER_IP=127.0.0.1\nMINE=x\n",
        sandbox);
    EXPECT_FILE(&w, "t1", "stdout", want);
    finish(&w);
}

Test(agent_processes, kill_asks_then_kills)
{
    struct world w;
    begin(&w);
    launch(&w,
           TASK("t1",
                "trap \\\"exit 0\\\" TERM; echo up; while :; do "
                "sleep 0.05; done",
                "") "," TASK("t2", "trap : TERM; while :; do sleep 0.05; done",
                             ""));
    wait_for(&w, "t1 TASK_RUNNING");
    wait_for(&w, "t2 TASK_RUNNING");
    /* The shell has to have come to its trap. */
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    for (bool up = false; !up && clock_mono_ms() < until;) {
        AUTO_FREE char *out = read_out(&w, "t1", "stdout");
        up = str_eq(out, "up\n");
        loop_run_once(w.loop, 10);
    }
    kill_task(&w, "t1");
    wait_for(&w, "t1 TASK_KILLED");
    cr_expect_str_eq(w.message, "Command exited with status 0");
    wait_for(&w, "t2 TASK_KILLED");
    cr_expect_str_eq(w.message, "Command terminated with signal Killed");
    cr_expect(has(&w, "t1 TASK_KILLING"));
    cr_expect(has(&w, "t2 TASK_KILLING"));
    wait_for(&w, "exited e1 0\n");
    finish(&w);
}

Test(agent_processes, kill_nine_of_the_command)
{
    struct world w;
    begin(&w);
    launch(&w, TASK("t1", "exec sleep 1000", ""));
    wait_for(&w, "t1 TASK_RUNNING");
    cr_assert_gt(w.pid, 1);
    kill((pid_t)w.pid, SIGKILL);
    wait_for(&w, "exited e1 0\n");
    cr_expect(has(&w, "t1 TASK_FAILED"));
    cr_expect_str_eq(w.message, "Command terminated with signal Killed");
    finish(&w);
}

Test(agent_processes, what_a_command_leaves_behind_dies_with_it)
{
    struct world w;
    begin(&w);
    launch(&w, TASK("t1",
                    "sleep 1000 & echo $!; setsid sleep 1000 & "
                    "echo $!; sleep 0.3",
                    ""));
    wait_for(&w, "t1 TASK_FINISHED");
    AUTO_FREE char *out = read_out(&w, "t1", "stdout");
    int a = 0, b = 0;
    cr_assert_eq(sscanf(out, "%d %d", &a, &b), 2, "%s", out);
    cr_expect_not(lives(a));
    cr_expect_not(lives(b));
    finish(&w);
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
    begin(&w);
    launch(&w, TASK("t1", "exec sleep 1000",
                    "") "," TASK("t2", "exec sleep 1000", ""));
    wait_for(&w, "t1 TASK_RUNNING");
    int64_t one = w.pid;
    wait_for(&w, "t2 TASK_RUNNING");
    kill(parent_of(w.pid), SIGKILL);
    wait_for(&w, "t1 TASK_FAILED");
    wait_for(&w, "t2 TASK_FAILED");
    cr_expect(has(&w, "exited e1 9\n"));
    cr_expect_str_eq(w.message, "Executor terminated");
    wait_dead(&w, one);
    wait_dead(&w, w.pid);
    finish(&w);
}

Test(agent_processes, tasks_outlive_the_agent)
{
    struct world w;
    begin(&w);
    launch(&w, TASK("t1", "echo once >> ran; exec sleep 1000",
                    "") "," TASK("t2", "sleep 0.5; exit 0", ""));
    wait_for(&w, "t1 TASK_RUNNING");
    int64_t pid = w.pid;
    wait_for(&w, "t2 TASK_RUNNING");
    int64_t brief = w.pid == pid ? 0 : w.pid;
    restart(&w);
    /* t2 ends meanwhile or later: both are found out. */
    wait_registered(&w);
    cr_expect(strstr(buf_text(&w.registered), "t1 TASK_RUNNING\n"), "%s",
              buf_text(&w.registered));
    wait_for(&w, "t2 TASK_FINISHED\n");
    cr_expect(lives(pid));
    cr_expect_not(brief && lives(brief));
    kill_task(&w, "t1");
    wait_for(&w, "t1 TASK_KILLED\n");
    wait_dead(&w, pid);
    EXPECT_FILE(&w, "t1", "ran", "once\n");
    finish(&w);
}

Test(agent_processes, end_unseen_by_any_agent_is_reported)
{
    struct world w;
    begin(&w);
    launch(&w, TASK("t1", "sleep 0.3; exit 7", ""));
    wait_for(&w, "t1 TASK_RUNNING");
    int64_t pid = w.pid;
    agent_stop(&w.agent);
    wait_dead(&w, pid);
    buf_clear(&w.log);
    start_agent(&w);
    wait_for(&w, "t1 TASK_FAILED\n");
    cr_expect_str_eq(w.message, "Command exited with status 7");
    finish(&w);
}

Test(agent_processes, restarted_at_every_turn_of_a_launch)
{
    /* Whatever turn of the loop the agent dies in, the task runs once. */
    for (int turns = 0; turns < 12; turns++) {
        struct world w;
        begin(&w);
        launch(&w, TASK("t1", "echo once >> ran; exec sleep 1000", ""));
        for (int i = 0; i < turns; i++)
            loop_run_once(w.loop, 1);
        restart(&w);
        wait_registered(&w);
        loop_run_once(w.loop, 1);
        bool known = agent_find_task(w.agent, "F1", "t1", NULL, NULL);
        if (known) {
            wait_for(&w, "t1 TASK_RUNNING\n");
            int64_t until = clock_mono_ms() + PATIENCE_MS;
            for (bool ran = false; !ran && clock_mono_ms() < until;) {
                AUTO_FREE char *text = read_out(&w, "t1", "ran");
                ran = text != NULL;
                loop_run_once(w.loop, 10);
            }
            EXPECT_FILE(&w, "t1", "ran", "once\n");
        } else {
            cr_expect_eq(turns, 0, "forgotten after %d turns", turns);
        }
        finish(&w);
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
    begin(&w);
    launch(&w, TASK("t1", "echo once >> ran; exec sleep 1000", ""));
    wait_for(&w, "t1 TASK_RUNNING");
    agent_find_task(w.agent, "F1", "t1", keep_meta, &w);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "shim", SHIM_FLAG, w.message, NULL);
        _exit(127);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0);
    cr_expect(lives(w.pid));
    EXPECT_FILE(&w, "t1", "ran", "once\n");
    finish(&w);
}

Test(agent_processes, missing_shim_fails_the_task)
{
    struct world w;
    begin(&w);
    w.config.shim_program = "/no/such/program";
    restart(&w);
    wait_registered(&w);
    launch(&w, TASK("t1", "true", ""));
    wait_for(&w, "t1 TASK_FAILED\n");
    cr_expect(strstr(w.message, "/no/such/program"), "%s", w.message);
    finish(&w);
}

Test(agent_processes, updates_wait_for_their_acknowledgement)
{
    struct world w;
    begin(&w);
    w.hold_acks = true;
    launch(&w, TASK("t1", "exit 0", ""));
    wait_for(&w, "exited e1 0\n");
    restart(&w);
    w.hold_acks = false;
    wait_for(&w, "t1 TASK_FINISHED\n");
    cr_expect_str_eq(buf_text(&w.log), "t1 TASK_STARTING\nt1 TASK_RUNNING\n"
                                       "t1 TASK_FINISHED\n");
    cr_expect_str_eq(buf_text(&w.registered), "t1 TASK_FINISHED\n");
    finish(&w);
}

Test(agent_processes, second_agent_in_the_same_folder_is_refused)
{
    struct world w;
    struct err err;
    begin(&w);
    cr_expect_null(agent_new(w.loop, &w.config, to_master, &w, &err));
    cr_expect_eq(err.code, ERR_EXISTS, "%s", err.text);
    finish(&w);
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
    begin(&w);
    AUTO_FREE char *other = fs_join(w.dir, "other");
    for (size_t i = 0; i < ARRAY_LEN(bad_configs); i++) {
        struct err err;
        struct agent_config config = w.config;
        config.work_dir = other;
        config.resources = bad_configs[i].resources;
        config.attributes = bad_configs[i].attributes;
        cr_expect_null(agent_new(w.loop, &config, to_master, &w, &err),
                       "case %s", bad_configs[i].name);
        cr_expect_eq(err.code, ERR_INVALID, "case %s: %s", bad_configs[i].name,
                     err.text);
    }
    finish(&w);
}

/* ---- volumes ---------------------------------------------------------- */

#define RESERVATION                                                            \
    "'reservations':[{'type':'DYNAMIC','role':'r','principal':'p'}]"
#define VOLUME                                                                 \
    "{'name':'disk','type':'SCALAR','scalar':{'value':64},"                    \
    "'allocation_info':{'role':'r'}," RESERVATION                              \
    ",'disk':{'persistence':{'id':'v1','principal':'p'},"                      \
    "'volume':{'mode':'RW','container_path':'data'}}}"

static void wait_operations(struct world *w, int count)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (w->operations < count && clock_mono_ms() < until)
        loop_run_once(w->loop, 50);
    cr_assert_eq(w->operations, count);
}

static void make_volume(struct world *w)
{
    tell_json(w, "{'apply_operation':{'operation_uuid':'AAAA','info':{'type':"
                 "'RESERVE','reserve':{'resources':[{'name':'disk','type':"
                 "'SCALAR','scalar':{'value':64}," RESERVATION "}]}}}}");
    tell_json(w, "{'apply_operation':{'operation_uuid':'AAAB','info':{'type':"
                 "'CREATE','create':{'volumes':[" VOLUME "]}}}}");
    wait_operations(w, 2);
}

#define VOLUME_TASK(id, command)                                               \
    "{'name':'" id "','task_id':{'value':'" id                                 \
    "'},'agent_id':{'value':'A1'},'resources':[" VOLUME                        \
    "],'command':{'value':'" command "'}}"

Test(agent_processes, volume_outlives_tasks_and_agent)
{
    struct world w;
    begin(&w);
    make_volume(&w);
    launch(&w, VOLUME_TASK("t1", "echo first >> data/log"));
    wait_for(&w, "exited e1 0\n");
    restart(&w);
    wait_registered(&w);
    cr_expect_eq(w.n_checkpointed, 1);
    launch(&w, VOLUME_TASK("t2", "echo second >> data/log; cat data/log"));
    wait_for(&w, "exited e1 0\n");
    EXPECT_FILE(&w, "t2", "stdout", "first\nsecond\n");
    AUTO_FREE char *dir = xasprintf("%s/volumes/roles/r/v1", w.dir);
    cr_expect_eq(access(dir, F_OK), 0);
    w.operations = 0;
    tell_json(&w, "{'apply_operation':{'operation_uuid':'AAAC','info':{'type':"
                  "'DESTROY','destroy':{'volumes':[" VOLUME "]}}}}");
    wait_operations(&w, 1);
    cr_expect_eq(access(dir, F_OK), -1);
    finish(&w);
}

Test(agent_processes, lost_volume_is_not_replaced_by_an_empty_one)
{
    struct world w;
    begin(&w);
    make_volume(&w);
    AUTO_FREE char *dir = xasprintf("%s/volumes/roles/r/v1", w.dir);
    cr_assert_eq(fs_remove_tree(dir, NULL), 0);
    launch(&w, VOLUME_TASK("t1", "true"));
    wait_for(&w, "t1 TASK_FAILED\n");
    cr_expect(strstr(w.message, "is not there"), "%s", w.message);
    cr_expect_eq(access(dir, F_OK), -1);
    finish(&w);
}

Test(agent_processes, tasks_of_a_pod_share_a_folder)
{
    struct world w;
    begin(&w);
    launch(
        &w,
        TASK(
            "t1", "echo hello > here/x",
            ",'container':{'type':'MESOS','volumes':[{'mode':'RW',"
            "'container_path':'here','source':{'type':'SANDBOX_PATH',"
            "'sandbox_path':{'type':'PARENT','path':'shared'}}}]}") "," TASK("t"
                                                                             "2",
                                                                             "w"
                                                                             "h"
                                                                             "i"
                                                                             "l"
                                                                             "e"
                                                                             " "
                                                                             "!"
                                                                             " "
                                                                             "g"
                                                                             "r"
                                                                             "e"
                                                                             "p"
                                                                             " "
                                                                             "h"
                                                                             "e"
                                                                             "l"
                                                                             "l"
                                                                             "o"
                                                                             " "
                                                                             "t"
                                                                             "h"
                                                                             "e"
                                                                             "r"
                                                                             "e"
                                                                             "/"
                                                                             "x"
                                                                             ";"
                                                                             " "
                                                                             "d"
                                                                             "o"
                                                                             " "
                                                                             "s"
                                                                             "l"
                                                                             "e"
                                                                             "e"
                                                                             "p"
                                                                             " "
                                                                             "0"
                                                                             "."
                                                                             "0"
                                                                             "5"
                                                                             ";"
                                                                             " "
                                                                             "d"
                                                                             "o"
                                                                             "n"
                                                                             "e",
                                                                             ","
                                                                             "'"
                                                                             "c"
                                                                             "o"
                                                                             "n"
                                                                             "t"
                                                                             "a"
                                                                             "i"
                                                                             "n"
                                                                             "e"
                                                                             "r"
                                                                             "'"
                                                                             ":"
                                                                             "{"
                                                                             "'"
                                                                             "t"
                                                                             "y"
                                                                             "p"
                                                                             "e"
                                                                             "'"
                                                                             ":"
                                                                             "'"
                                                                             "M"
                                                                             "E"
                                                                             "S"
                                                                             "O"
                                                                             "S"
                                                                             "'"
                                                                             ","
                                                                             "'"
                                                                             "v"
                                                                             "o"
                                                                             "l"
                                                                             "u"
                                                                             "m"
                                                                             "e"
                                                                             "s"
                                                                             "'"
                                                                             ":"
                                                                             "["
                                                                             "{"
                                                                             "'"
                                                                             "m"
                                                                             "o"
                                                                             "d"
                                                                             "e"
                                                                             "'"
                                                                             ":"
                                                                             "'"
                                                                             "R"
                                                                             "W"
                                                                             "'"
                                                                             ","
                                                                             "'"
                                                                             "c"
                                                                             "o"
                                                                             "n"
                                                                             "t"
                                                                             "a"
                                                                             "i"
                                                                             "n"
                                                                             "e"
                                                                             "r"
                                                                             "_"
                                                                             "p"
                                                                             "a"
                                                                             "t"
                                                                             "h"
                                                                             "'"
                                                                             ":"
                                                                             "'"
                                                                             "t"
                                                                             "h"
                                                                             "e"
                                                                             "r"
                                                                             "e"
                                                                             "'"
                                                                             ","
                                                                             "'"
                                                                             "s"
                                                                             "o"
                                                                             "u"
                                                                             "r"
                                                                             "c"
                                                                             "e"
                                                                             "'"
                                                                             ":"
                                                                             "{"
                                                                             "'"
                                                                             "t"
                                                                             "y"
                                                                             "p"
                                                                             "e"
                                                                             "'"
                                                                             ":"
                                                                             "'"
                                                                             "S"
                                                                             "A"
                                                                             "N"
                                                                             "D"
                                                                             "B"
                                                                             "O"
                                                                             "X"
                                                                             "_"
                                                                             "P"
                                                                             "A"
                                                                             "T"
                                                                             "H"
                                                                             "'"
                                                                             ","
                                                                             "'"
                                                                             "s"
                                                                             "a"
                                                                             "n"
                                                                             "d"
                                                                             "b"
                                                                             "o"
                                                                             "x"
                                                                             "_"
                                                                             "p"
                                                                             "a"
                                                                             "t"
                                                                             "h"
                                                                             "'"
                                                                             ":"
                                                                             "{"
                                                                             "'"
                                                                             "t"
                                                                             "y"
                                                                             "p"
                                                                             "e"
                                                                             "'"
                                                                             ":"
                                                                             "'"
                                                                             "P"
                                                                             "A"
                                                                             "R"
                                                                             "E"
                                                                             "N"
                                                                             "T"
                                                                             "'"
                                                                             ","
                                                                             "'"
                                                                             "p"
                                                                             "a"
                                                                             "t"
                                                                             "h"
                                                                             "'"
                                                                             ":"
                                                                             "'"
                                                                             "s"
                                                                             "h"
                                                                             "a"
                                                                             "r"
                                                                             "e"
                                                                             "d"
                                                                             "'"
                                                                             "}"
                                                                             "}"
                                                                             "}"
                                                                             "]"
                                                                             "}"));
    wait_for(&w, "t1 TASK_FINISHED\n");
    wait_for(&w, "t2 TASK_FINISHED\n");
    EXPECT_FILE(&w, "t2", "stdout", "hello\n");
    finish(&w);
}

Test(agent_processes, only_sandboxes_and_volumes_may_be_read)
{
    struct world w;
    AUTO_FREE char *sandbox = NULL;
    char *real = NULL;
    begin(&w);
    launch(&w, TASK("t1", "ln -s /etc/passwd secret", ""));
    wait_for(&w, "t1 TASK_FINISHED\n");
    agent_find_task(w.agent, "F1", "t1", keep_sandbox, &sandbox);
    AUTO_FREE char *out = fs_join(sandbox, "stdout");
    AUTO_FREE char *secret = fs_join(sandbox, "secret");
    AUTO_FREE char *meta = fs_join(w.dir, "meta/lock");
    cr_expect(agent_path_allowed(w.agent, out, &real));
    free(real);
    cr_expect_not(agent_path_allowed(w.agent, secret, &real));
    cr_expect_not(agent_path_allowed(w.agent, meta, &real));
    cr_expect_not(agent_path_allowed(w.agent, "/etc/passwd", &real));
    cr_expect_not(agent_path_allowed(w.agent, "relative", &real));
    cr_expect_null(real);
    finish(&w);
}

/* ---- fetching --------------------------------------------------------- */

Test(agent_processes, files_are_fetched_and_unpacked)
{
    struct world w;
    begin(&w);
    AUTO_FREE char *make =
        xasprintf("cd %s && echo inside > in.txt && tar czf a.tgz in.txt && "
                  "echo plain > p && echo 'exit 9' > run.sh",
                  w.dir);
    cr_assert_eq(system(make), 0);
    AUTO_FREE char *task = xasprintf(
        "{'name':'t1','task_id':{'value':'t1'},'agent_id':{'value':'A1'},"
        "'command':{'value':'cat in.txt sub/q; ls a.tgz; ./run.sh; echo $?',"
        "'uris':[{'value':'%s/a.tgz'},{'value':'file://%s/p','output_file':"
        "'sub/q'},{'value':'%s/run.sh','executable':true}]}}",
        w.dir, w.dir, w.dir);
    launch(&w, task);
    wait_for(&w, "t1 TASK_FINISHED\n");
    EXPECT_FILE(&w, "t1", "stdout", "inside\nplain\na.tgz\n9\n");
    finish(&w);
}

/* A port that somebody listens on, and the listener. */
static int listen_somewhere(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    *port = ntohs(at.sin_port);
    return fd;
}

/* A server that knows one file and where it moved from. */
static void answer(void *self, int peer, int events UNUSED)
{
    char bytes[4096] = "";
    const char *text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                       "Connection: close\r\n\r\n";
    ssize_t n = read(peer, bytes, sizeof(bytes) - 1);
    if (n > 0 && str_starts(bytes, "GET /old/file "))
        text = "HTTP/1.1 302 Found\r\nLocation: /new/file\r\n"
               "Content-Length: 0\r\nConnection: close\r\n\r\n";
    if (n > 0 && str_starts(bytes, "GET /new/file "))
        text = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n"
               "Connection: close\r\n\r\nfetched\n";
    if (n > 0)
        cr_expect_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
    loop_fd_remove(self, peer);
    close(peer);
}

static void on_peer(void *self, int fd, int events UNUSED)
{
    int peer = accept(fd, NULL, NULL);
    if (peer >= 0)
        loop_fd(self, peer, LOOP_READ, answer, self);
}

Test(agent_processes, files_are_downloaded)
{
    struct world w;
    int port;
    begin(&w);
    int fd = listen_somewhere(&port);
    loop_fd(w.loop, fd, LOOP_READ, on_peer, w.loop);
    AUTO_FREE char *task = xasprintf(
        "{'name':'t1','task_id':{'value':'t1'},'agent_id':{'value':'A1'},"
        "'command':{'value':'cat file','uris':[{'value':"
        "'http://127.0.0.1:%d/old/file'}]}},"
        "{'name':'t2','task_id':{'value':'t2'},'agent_id':{'value':'A1'},"
        "'command':{'value':'sleep 1000'}}",
        port);
    launch(&w, task);
    wait_for(&w, "t1 TASK_FINISHED\n");
    EXPECT_FILE(&w, "t1", "stdout", "fetched\n");
    AUTO_FREE char *missing = xasprintf(
        "{'name':'t3','task_id':{'value':'t3'},'agent_id':{'value':'A1'},"
        "'command':{'value':'cat file','uris':[{'value':"
        "'http://127.0.0.1:%d/none'}]}}",
        port);
    launch(&w, missing);
    wait_for(&w, "t3 TASK_FAILED\n");
    loop_fd_remove(w.loop, fd);
    close(fd);
    finish(&w);
}

Test(agent_processes, failed_fetch_fails_the_task)
{
    struct world w;
    begin(&w);
    launch(&w, "{'name':'t1','task_id':{'value':'t1'},'agent_id':"
               "{'value':'A1'},'command':{'value':'true','uris':[{'value':"
               "'http://127.0.0.1:1/none.tgz'}]}}");
    wait_for(&w, "exited e1 0\n");
    cr_expect_str_eq(buf_text(&w.log),
                     "t1 TASK_STARTING\nt1 TASK_FAILED\nexited e1 0\n");
    cr_expect_str_eq(w.message, "Command exited with status 1");
    AUTO_FREE char *text = read_out(&w, "t1", "stderr");
    cr_expect(strstr(str_or_empty(text), "Failed to fetch"), "%s", text);
    finish(&w);
}

/* ---- checks ----------------------------------------------------------- */

Test(agent_processes, command_check)
{
    struct world w;
    begin(&w);
    launch(&w, TASK("t1", "sleep 1000",
                    ",'check':{'type':'COMMAND','command':{'command':{'value':"
                    "'test -e ready || exit 7'}},'delay_seconds':0,"
                    "'interval_seconds':0.1,'timeout_seconds':5}"));
    wait_for(&w, "check=7\n");
    AUTO_FREE char *sandbox = NULL;
    agent_find_task(w.agent, "F1", "t1", keep_sandbox, &sandbox);
    AUTO_FREE char *ready = fs_join(sandbox, "ready");
    cr_assert_eq(fs_write_atomic(ready, "", 0, 0644, NULL), 0);
    wait_for(&w, "check=0\n");
    finish(&w);
}

Test(agent_processes, health_check_that_hangs_kills)
{
    struct world w;
    begin(&w);
    launch(&w, TASK("t1", "sleep 1000",
                    ",'health_check':{'type':'COMMAND','command':{'value':"
                    "'sleep 1000'},'delay_seconds':0,'interval_seconds':0.1,"
                    "'timeout_seconds':0.2,'grace_period_seconds':0,"
                    "'consecutive_failures':2}"));
    wait_for(&w, "t1 TASK_KILLED healthy=0\n");
    cr_expect(has(&w, "t1 TASK_RUNNING healthy=0\nt1 TASK_RUNNING healthy=0\n"
                      "t1 TASK_KILLING\n"),
              "%s", buf_text(&w.log));
    finish(&w);
}

Test(agent_processes, tcp_check)
{
    struct world w;
    int port;
    begin(&w);
    int fd = listen_somewhere(&port);
    AUTO_FREE char *check =
        xasprintf("'check':{'type':'TCP','tcp':{'port':%d},'delay_seconds':0,"
                  "'interval_seconds':0.05,'timeout_seconds':5}",
                  port);
    AUTO_FREE char *task = xasprintf(TASK("t1", "sleep 1000", ",%s"), check);
    launch(&w, task);
    wait_for(&w, "tcp=1\n");
    close(fd);
    wait_for(&w, "tcp=0\n");
    finish(&w);
}

Test(agent_processes, http_check)
{
    struct world w;
    int port;
    begin(&w);
    int fd = listen_somewhere(&port);
    loop_fd(w.loop, fd, LOOP_READ, on_peer, w.loop);
    AUTO_FREE char *check = xasprintf(
        "'check':{'type':'HTTP','http':{'port':%d,'path':'/x'},"
        "'delay_seconds':0,'interval_seconds':0.05,'timeout_seconds':5}",
        port);
    AUTO_FREE char *task = xasprintf(TASK("t1", "sleep 1000", ",%s"), check);
    launch(&w, task);
    wait_for(&w, "http=404\n");
    loop_fd_remove(w.loop, fd);
    close(fd);
    finish(&w);
}

/* ---- without processes ----------------------------------------------------
 */

Test(agent_processes, simulated_tasks)
{
    struct world w;
    begin(&w);
    w.config.launcher = &launcher_simulated;
    restart(&w);
    wait_registered(&w);
    launch(&w, TASK("t1", "exit 3", ""));
    wait_for(&w, "t1 TASK_FAILED\n");
    cr_expect_str_eq(w.message, "Command exited with status 3");
    wait_for(&w, "exited e1 0\n");
    buf_clear(&w.log);
    launch(&w, TASK("t2", "sleep 0.1", ""));
    wait_for(&w, "t2 TASK_FINISHED\n");
    wait_for(&w, "exited e1 0\n");
    launch(&w, TASK("t3", "anything",
                    ",'check':{'type':'COMMAND','command':{'command':"
                    "{'value':'x'}},'delay_seconds':0}"));
    wait_for(&w, "t3 TASK_RUNNING check=0\n");
    restart(&w);
    wait_registered(&w);
    cr_expect_str_eq(buf_text(&w.registered), "t3 TASK_RUNNING\n");
    kill_task(&w, "t3");
    wait_for(&w, "t3 TASK_KILLED\n");
    cr_expect_str_eq(w.message, "Command terminated with signal Terminated");
    finish(&w);
}
