/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_harness.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/mesos/pb_mesos.h"
#include "lib/mesos/resources.h"
#include "lib/mesos/states.h"

static char shown[16384];

static void new_uuid(void *self, uint8_t out[16])
{
    struct harness *h = self;
    memset(out, 0, 16);
    out[15] = ++h->next_uuid;
}

/* ---- messages --------------------------------------------------------- */

static ProtobufCMessage *parse(const ProtobufCMessageDescriptor *type,
                               const char *text)
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
    ProtobufCMessage *message = wire_from_json(type, json, &err);
    cr_assert(message, "%s", err.text);
    json_decref(json);
    return message;
}

void harness_tell(struct harness *h, const char *json)
{
    ProtobufCMessage *message =
        parse(&reeve__devcluster__to_agent__descriptor, json);
    agent_core_receive(h->core, (const void *)message, h->now);
    wire_free(&message);
    harness_drain(h);
}

#define FRAMEWORK                                                              \
    "{'user':'root','name':'f','id':{'value':'F1'},'checkpoint':true,"         \
    "'capabilities':[{'type':'TASK_KILLING_STATE'},"                           \
    "{'type':'PARTITION_AWARE'}]}"

static char *tasks_json(const char *tasks)
{
    AUTO_FREE char *copy = xasprintf("[%s]", tasks);
    for (char *p = copy; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    json_error_t where;
    json_t *list = json_loads(copy, 0, &where);
    cr_assert(list, "%s: %s", where.text, copy);
    size_t i;
    json_t *task;
    json_array_foreach(list, i, task)
    {
        json_t *id = json_object_get(task, "task_id");
        json_object_set(task, "name", json_object_get(id, "value"));
        json_object_set_new(task, "agent_id",
                            json_pack("{s:s}", "value", "A1"));
        if (!json_object_get(task, "resources"))
            json_object_set_new(task, "resources",
                                json_pack("[{s:s,s:s,s:{s:f},s:{s:s}}]", "name",
                                          "cpus", "type", "SCALAR", "scalar",
                                          "value", 0.1, "allocation_info",
                                          "role", "r"));
    }
    char *text = json_dumps(list, 0);
    json_decref(list);
    return text;
}

void harness_pod(struct harness *h, const char *executor, const char *tasks)
{
    harness_pod_with(h, executor, "", tasks);
}

void harness_pod_with(struct harness *h, const char *executor,
                      const char *fields, const char *tasks)
{
    AUTO_FREE char *list = tasks_json(tasks);
    AUTO_FREE char *json =
        xasprintf("{'run_group':{'framework':" FRAMEWORK ",'executor':{"
                  "'executor_id':{'value':'%s'},'type':'DEFAULT',"
                  "'framework_id':{'value':'F1'}%s},'tasks':%s}}",
                  executor, fields, list);
    harness_tell(h, json);
}

void harness_command(struct harness *h, const char *task)
{
    AUTO_FREE char *list = tasks_json(task);
    AUTO_FREE char *json =
        xasprintf("{'run_group':{'framework':" FRAMEWORK ",'tasks':%s}}", list);
    harness_tell(h, json);
}

/* ---- actions as text -------------------------------------------------- */

static const char *task_of(struct harness *h, const char *container)
{
    for (size_t i = h->n_specs; i-- > 0;) {
        Reeve__Devagent__ContainerSpec *spec = h->specs[i];
        if (!str_eq(spec->container_id, container))
            continue;
        const char *path =
            spec->n_links > 1 ? strstr(spec->links[1]->path, "/tasks/") : NULL;
        const char *exec = strstr(spec->sandbox, "/executors/");
        snprintf(shown + 16000, 300, "%s",
                 path ? path + strlen("/tasks/")
                      : exec + strlen("/executors/"));
        shown[16000 + strcspn(shown + 16000, "/")] = '\0';
        return shown + 16000;
    }
    return container;
}

static void log_status(struct harness *h, const Mesos__V1__TaskStatus *status)
{
    buf_addf(&h->log, "update %s %s", status->task_id->value,
             task_state_name((int)status->state) + strlen("TASK_"));
    if (status->source == MESOS__V1__TASK_STATUS__SOURCE__SOURCE_AGENT)
        buf_add_str(&h->log, " AGENT");
    if (status->has_reason)
        buf_addf(&h->log, " %s",
                 task_reason_name((int)status->reason) + strlen("REASON_"));
    if (status->has_healthy)
        buf_addf(&h->log, " healthy=%d", status->healthy);
    if (status->check_status && status->check_status->command) {
        if (status->check_status->command->has_exit_code)
            buf_addf(&h->log, " check=%d",
                     status->check_status->command->exit_code);
        else
            buf_add_str(&h->log, " check=");
    }
    if (status->message)
        buf_addf(&h->log, " '%s'", status->message);
    buf_add_char(&h->log, '\n');
}

static void on_update(struct harness *h,
                      const Reeve__Devcluster__ToMaster__StatusUpdate *update)
{
    log_status(h, update->status);
    if (update->latest_state != update->status->state)
        buf_addf(&h->log, "  latest %s\n",
                 task_state_name((int)update->latest_state));
    cr_assert_lt(h->n_updates, ARRAY_LEN(h->updates));
    h->updates[h->n_updates++] = PB_DUP(update->status);
}

static void on_register(struct harness *h,
                        Reeve__Devcluster__ToMaster__Register *r)
{
    buf_addf(&h->log, "register %s", ID_OF(r->agent->id));
    for (size_t i = 0; i < r->n_tasks; i++)
        buf_addf(&h->log, " %s:%s%s", r->tasks[i]->task->task_id->value,
                 task_state_name((int)r->tasks[i]->task->state),
                 r->tasks[i]->has_pending_uuid ? "*" : "");
    for (size_t i = 0; i < r->n_executors; i++)
        buf_addf(&h->log, " exec=%s",
                 r->executors[i]->info->executor_id->value);
    buf_add_char(&h->log, '\n');
    if (h->registration)
        PB_FREE(h->registration);
    h->registration = PB_DUP(r);
}

static void on_operation(struct harness *h,
                         Reeve__Devcluster__ToMaster__OperationUpdate *u)
{
    struct resources *list = resources_from(u->checkpointed, u->n_checkpointed);
    AUTO_FREE char *text = resources_text(list);
    resources_destroy(&list);
    buf_addf(&h->log, "operation %s %s%s%s: %s\n",
             u->status->operation_id ? u->status->operation_id->value : "-",
             operation_state_name((int)u->status->state) + strlen("OPERATION_"),
             u->status->message ? " " : "", str_or_empty(u->status->message),
             text);
    if (h->operation)
        PB_FREE(h->operation);
    h->operation = PB_DUP(u);
}

static void on_send(struct harness *h, Reeve__Devcluster__ToMaster *message)
{
    if (message->status_update)
        on_update(h, message->status_update);
    if (message->register_)
        on_register(h, message->register_);
    if (message->exited_executor)
        buf_addf(&h->log, "exited %s %d\n",
                 message->exited_executor->executor_id->value,
                 message->exited_executor->wait_status);
    if (message->operation_update)
        on_operation(h, message->operation_update);
    if (message->pong)
        buf_add_str(&h->log, "pong\n");
    if (message->unregister)
        buf_add_str(&h->log, "unregister\n");
}

static void keep_run(struct harness *h, Reeve__Devagent__ExecutorRun *run,
                     bool drop)
{
    for (size_t i = 0; i < h->n_saved; i++) {
        if (!str_eq(h->saved[i]->container_id, run->container_id))
            continue;
        PB_FREE(h->saved[i]);
        h->saved[i] = h->saved[--h->n_saved];
        break;
    }
    cr_assert_lt(h->n_saved, ARRAY_LEN(h->saved));
    if (!drop)
        h->saved[h->n_saved++] = PB_DUP(run);
}

/* Every update sent is saved first. */
static void expect_saved(struct harness *h, Reeve__Devcluster__ToMaster *m)
{
    const Mesos__V1__TaskStatus *status =
        m->status_update ? m->status_update->status : NULL;
    for (size_t i = 0; status && i < h->n_saved; i++) {
        for (size_t t = 0; t < h->saved[i]->n_tasks; t++) {
            Reeve__Devagent__TaskRun *task = h->saved[i]->tasks[t];
            if (task->n_pending > 0 &&
                memcmp(task->pending[0]->uuid.data, status->uuid.data, 16) == 0)
                return;
        }
    }
    cr_assert(!status, "sent but not saved: %s", status->task_id->value);
}

static void perform(struct harness *h, struct agent_action *action)
{
    void *message = action->message;
    switch (action->kind) {
    case AGENT_SEND:
        expect_saved(h, message);
        on_send(h, message);
        return;
    case AGENT_SAVE_RUN:
    case AGENT_DROP_RUN:
        keep_run(h, message, action->kind == AGENT_DROP_RUN);
        if (action->kind == AGENT_DROP_RUN)
            buf_addf(&h->log, "drop %s\n",
                     ((Reeve__Devagent__ExecutorRun *)message)
                         ->executor->executor_id->value);
        return;
    case AGENT_SAVE_ID:
        buf_addf(&h->log, "save_id %s\n", action->text);
        return;
    case AGENT_FORGET_ID:
        buf_add_str(&h->log, "forget_id\n");
        return;
    case AGENT_SAVE_RESOURCES:
        if (h->resources)
            PB_FREE(h->resources);
        h->resources =
            PB_DUP(action->message ? (Reeve__Devagent__AgentResources *)message
                                   : NULL);
        buf_addf(&h->log, "save_resources removing=%zu\n",
                 h->resources->n_removing);
        return;
    case AGENT_MAKE_VOLUME:
        buf_addf(&h->log, "make %s\n", action->text);
        return;
    case AGENT_REMOVE_VOLUME:
        buf_addf(&h->log, "remove %s%s\n", action->text,
                 action->keep_dir ? " (keep)" : "");
        return;
    case AGENT_START:
        cr_assert_lt(h->n_specs, ARRAY_LEN(h->specs));
        h->specs[h->n_specs++] =
            PB_DUP((Reeve__Devagent__ContainerSpec *)message);
        buf_addf(&h->log, "start %s\n",
                 task_of(h, h->specs[h->n_specs - 1]->container_id));
        return;
    case AGENT_ADOPT:
        buf_addf(&h->log, "adopt %s\n", task_of(h, action->container));
        return;
    case AGENT_SIGNAL:
        buf_addf(&h->log, "signal %s %d%s\n", task_of(h, action->container),
                 action->signo, action->whole ? " all" : "");
        return;
    case AGENT_CHECK:
        if (h->check)
            PB_FREE(h->check);
        h->check = PB_DUP((Reeve__Devagent__CheckRun *)message);
        buf_addf(&h->log, "check %s%s\n", task_of(h, h->check->container_id),
                 h->check->health ? " health" : "");
        return;
    case AGENT_CHECK_STOP:
        buf_addf(&h->log, "check_stop %s%s\n", task_of(h, action->container),
                 action->health ? " health" : "");
        return;
    case AGENT_ODD:
        buf_addf(&h->log, "odd %s\n", action->text);
        return;
    }
}

void harness_drain(struct harness *h)
{
    struct agent_action action;
    while (agent_core_take(h->core, &action)) {
        perform(h, &action);
        agent_action_clear(&action);
    }
    while (h->auto_ack && h->n_updates > 0) {
        AUTO_FREE char *task =
            xstrdup(h->updates[h->n_updates - 1]->task_id->value);
        harness_ack(h, task);
    }
}

const char *harness_log(struct harness *h)
{
    snprintf(shown, 16000, "%s", buf_text(&h->log));
    buf_clear(&h->log);
    return shown;
}

/* ---- making ----------------------------------------------------------- */

static struct agent_core *make_core(struct harness *h)
{
    struct err err;
    struct resources *resources =
        resources_parse("cpus:4;mem:4096;disk:10240;ports:[31000-31009]", &err);
    AUTO_MESSAGE Mesos__V1__AgentInfo *info = PB_NEW(mesos__v1__agent_info);
    info->hostname = xstrdup("agent-0.local");
    resources_to(resources, &info->resources, &info->n_resources);
    resources_destroy(&resources);
    struct agent_core_config config = {
        .work_dir = "/w",
        .ip = "127.0.0.1",
        .port = 5051,
        .info = info,
        .status_resend_ms = 10000,
        .status_resend_max_ms = 600000,
        .register_retry_ms = 2000,
        .recovery_wait_ms = 2000,
        .launch_delay_ms = 0,
        .executor_exit_ms = 50,
        .executor_shutdown_grace_ms = 5000,
        .kill_grace_ms = 3000,
        .fetch_timeout_ms = 60000,
        .new_uuid = new_uuid,
        .self = h,
    };
    struct agent_core *core = agent_core_new(&config, &err);
    cr_assert(core, "%s", err.text);
    return core;
}

void harness_new(struct harness *h)
{
    memset(h, 0, sizeof(*h));
    h->now = (struct agent_now){1000, 1700000000000};
    h->core = make_core(h);
}

void harness_register(struct harness *h)
{
    agent_core_connect(h->core, h->now);
    harness_pass(h, 0);
    harness_tell(h, "{'registered':{'agent_id':{'value':'A1'}}}");
}

void harness_start(struct harness *h)
{
    harness_new(h);
    harness_register(h);
    harness_log(h);
}

static void free_kept(struct harness *h)
{
    for (size_t i = 0; i < h->n_updates; i++)
        PB_FREE(h->updates[i]);
    for (size_t i = 0; i < h->n_specs; i++)
        PB_FREE(h->specs[i]);
    for (size_t i = 0; i < h->n_saved; i++)
        PB_FREE(h->saved[i]);
    h->n_updates = h->n_specs = h->n_saved = 0;
}

void harness_stop(struct harness *h)
{
    agent_core_destroy(&h->core);
    free_kept(h);
    PB_FREE(h->registration);
    PB_FREE(h->resources);
    PB_FREE(h->operation);
    PB_FREE(h->check);
    buf_free(&h->log);
}

void harness_restart(struct harness *h)
{
    struct err err;
    h->now.mono_ms = 50; /* the host's clock began anew */
    agent_core_destroy(&h->core);
    h->core = make_core(h);
    agent_core_restore_id(h->core, "A1");
    if (h->resources)
        cr_assert_eq(agent_core_restore_resources(h->core, h->resources, &err),
                     0, "%s", err.text);
    for (size_t i = 0; i < h->n_saved; i++)
        cr_assert(agent_core_restore_run(h->core, h->saved[i], h->now));
    agent_core_recovered(h->core, h->now);
    harness_drain(h);
}

/* ---- happening -------------------------------------------------------- */

void harness_pass(struct harness *h, int64_t ms)
{
    int64_t until = h->now.mono_ms + ms;
    for (;;) {
        int64_t due = agent_core_due_ms(h->core);
        if (due > until)
            break;
        int64_t step = MAX(due - h->now.mono_ms, 0);
        h->now.mono_ms += step;
        h->now.wall_ms += step;
        agent_core_tick(h->core, h->now);
        harness_drain(h);
    }
    h->now.wall_ms += until - h->now.mono_ms;
    h->now.mono_ms = until;
}

const Reeve__Devagent__ContainerSpec *harness_spec(struct harness *h,
                                                   const char *task)
{
    for (size_t i = h->n_specs; i-- > 0;) {
        if (strcmp(task_of(h, h->specs[i]->container_id), task) == 0)
            return h->specs[i];
    }
    cr_assert(false, "never started: %s", task);
    return NULL;
}

void harness_started(struct harness *h, const char *task)
{
    agent_core_started(h->core, harness_spec(h, task)->container_id, 4242,
                       h->now);
    harness_drain(h);
}

void harness_ended(struct harness *h, const char *task,
                   const struct agent_end *end)
{
    agent_core_ended(h->core, harness_spec(h, task)->container_id, end, h->now);
    harness_drain(h);
}

void harness_exited(struct harness *h, const char *task, int wait_status)
{
    struct agent_end end = {AGENT_END_RUN, wait_status, NULL};
    harness_ended(h, task, &end);
}

void harness_checked(struct harness *h, const char *task,
                     struct agent_check_result result)
{
    result.container = harness_spec(h, task)->container_id;
    agent_core_checked(h->core, &result, h->now);
    harness_drain(h);
}

const Mesos__V1__TaskStatus *harness_update(struct harness *h, const char *task)
{
    for (size_t i = h->n_updates; i-- > 0;) {
        if (strcmp(h->updates[i]->task_id->value, task) == 0)
            return h->updates[i];
    }
    return NULL;
}

void harness_ack(struct harness *h, const char *task)
{
    const Mesos__V1__TaskStatus *status = harness_update(h, task);
    cr_assert(status, "no update of %s to acknowledge", task);
    Reeve__Devcluster__ToAgent message = REEVE__DEVCLUSTER__TO_AGENT__INIT;
    Reeve__Devcluster__ToAgent__Acknowledge ack =
        REEVE__DEVCLUSTER__TO_AGENT__ACKNOWLEDGE__INIT;
    Mesos__V1__FrameworkID framework = MESOS__V1__FRAMEWORK_ID__INIT;
    char f1[] = "F1";
    framework.value = f1;
    ack.framework_id = &framework;
    ack.task_id = status->task_id;
    ack.has_uuid = 1;
    ack.uuid = status->uuid;
    message.acknowledge = &ack;
    agent_core_receive(h->core, &message, h->now);
    for (size_t i = 0; i < h->n_updates; i++) {
        if (h->updates[i] != status)
            continue;
        PB_FREE(h->updates[i]);
        h->updates[i] = h->updates[--h->n_updates];
        break;
    }
    harness_drain(h);
}
