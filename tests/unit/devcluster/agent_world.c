/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_world.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devcluster/container_files.h"
#include "devcluster/shim.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/states.h"

/* The test program is its own shim: as main() of the devcluster does, but
 * before Criterion's. */
__attribute__((constructor)) static void be_a_shim(int argc, char **argv)
{
    if (shim_wanted(argc, argv))
        exit(shim_main(argc, argv));
}

/* ---- the master ------------------------------------------------------- */

static void tell(struct world *w, Reeve__Devcluster__ToAgent *message)
{
    agent_receive(w->agent, message);
    PB_FREE(message);
}

void world_tell(struct world *w, const char *text)
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
    Reeve__Devcluster__ToAgent *message = PB_NEW(reeve__devcluster__to_agent);
    Reeve__Devcluster__ToAgent__Acknowledge *ack =
        PB_NEW(reeve__devcluster__to_agent__acknowledge);
    message->acknowledge = ack;
    ack->framework_id = pb_framework_id("F1");
    ack->task_id = pb_task_id(status->task_id->value);
    PB_BYTES(ack, uuid, status->uuid.data, status->uuid.len);
    tell(w, message);
}

/* The last task's that was told of, and t1's. */
static void note_pid(struct world *w, const Mesos__V1__TaskStatus *status)
{
    w->pid = status->container_status->executor_pid;
    if (strcmp(status->task_id->value, "t1") == 0)
        w->t1_pid = w->pid;
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
        note_pid(w, status);
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
    world_tell(w, "{'registered':{'agent_id':{'value':'A1'}}}");
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

void world_start_agent(struct world *w)
{
    struct err err;
    w->agent = agent_new(w->loop, &w->config, to_master, w, &err);
    cr_assert(w->agent, "%s", err.text);
    agent_connect(w->agent);
}

bool world_has(const struct world *w, const char *text)
{
    return strstr(buf_text(&w->log), text);
}

void world_wait_for(struct world *w, const char *text)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (!world_has(w, text) && clock_mono_ms() < until)
        loop_run_once(w->loop, 50);
    cr_assert(world_has(w, text), "waited for %s, got:\n%s", text,
              buf_text(&w->log));
}

void world_wait_registered(struct world *w)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (!agent_connected(w->agent) && clock_mono_ms() < until)
        loop_run_once(w->loop, 50);
    cr_assert(agent_connected(w->agent));
}

void world_begin(struct world *w)
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
    world_start_agent(w);
    world_wait_registered(w);
}

/* kill -9 of the agent's process, as far as its tasks can tell. */
void world_restart(struct world *w)
{
    agent_stop(&w->agent);
    buf_clear(&w->log);
    world_start_agent(w);
}

static void any_left(void *self, const struct agent_task_view *view)
{
    bool *left = self;
    *left = *left || !view->completed;
}

void world_finish(struct world *w)
{
    bool left = true;
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    w->hold_acks = false;
    world_wait_registered(w);
    world_tell(w, "{'shutdown_framework':{'framework_id':{'value':'F1'}}}");
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

void world_launch(struct world *w, const char *tasks)
{
    AUTO_FREE char *json = xasprintf(
        "{'run_group':{" FRAMEWORK "," EXECUTOR ",'tasks':[%s]}}", tasks);
    world_tell(w, json);
}

void world_kill(struct world *w, const char *id)
{
    AUTO_FREE char *json =
        xasprintf("{'kill':{'framework_id':{'value':'F1'},'task_id':"
                  "{'value':'%s'}}}",
                  id);
    world_tell(w, json);
}

void world_keep_sandbox(void *self, const struct agent_task_view *view)
{
    char **sandbox = self;
    *sandbox = xstrdup(view->sandbox);
}

/* A file of the task's sandbox; malloc'd. */
char *world_read(struct world *w, const char *task, const char *name)
{
    AUTO_FREE char *sandbox = NULL;
    struct buf text = {0};
    cr_assert(
        agent_find_task(w->agent, "F1", task, world_keep_sandbox, &sandbox));
    AUTO_FREE char *path = fs_join(sandbox, name);
    if (fs_read(path, 1 << 20, &text, NULL) < 0)
        buf_free(&text);
    return text.data ? buf_take(&text, NULL) : NULL;
}

char *world_read_until(struct world *w, const char *task, const char *name,
                       const char *want)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    for (;;) {
        AUTO_FREE char *text = world_read(w, task, name);
        if ((text && strcmp(text, want) == 0) || clock_mono_ms() > until)
            return MOVE(text);
        loop_run_once(w->loop, 10);
    }
}

bool world_lives(int64_t pid)
{
    return process_start_time((pid_t)pid) != 0;
}

void world_wait_dead(struct world *w, int64_t pid)
{
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (world_lives(pid) && clock_mono_ms() < until)
        loop_run_once(w->loop, 10);
    cr_expect_not(world_lives(pid), "%d lives", (int)pid);
}
