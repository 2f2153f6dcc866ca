/* SPDX-License-Identifier: Apache-2.0 */
/* agent - the shell: carries out what agent_core decides, feeds it what happens
 *
 * Every input only feeds the core; the actions are carried out from the loop,
 * one after the other, in order.  So no callback into us or into the master
 * ever comes from within a call, and what is saved is saved before what rests
 * on it.
 */
#include "devcluster/agent.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "devcluster/agent_core.h"
#include "devcluster/agent_store.h"
#include "devcluster/attributes.h"
#include "devcluster/launcher.h"
#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "lib/mesos/resources.h"
#include "lib/wire/pb.h"

struct agent {
    struct loop *loop;
    struct agent_store *store; /* NULL: all is in memory */
    char *dir;
    struct agent_core *core;
    const struct launcher_ops *launcher_ops;
    struct launcher *launcher;
    Mesos__V1__AgentInfo *info; /* configured; without id */
    void (*to_master)(void *self, struct agent *agent,
                      const Reeve__Devcluster__ToMaster *message);
    void *self;
    uint64_t timer; /* the core's next due thing */
    uint64_t soon;  /* actions wait to be carried out */
    bool stopping;  /* nothing more is sent */
    bool broken;    /* a checkpoint could not be written: stands still */
};

static struct agent_now now(void)
{
    return (struct agent_now){clock_mono_ms(), clock_wall_ms()};
}

static void new_uuid(void *self UNUSED, uint8_t out[16])
{
    uuid_new_bytes(out);
}

/* ---- carrying out ----------------------------------------------------- */

static int save_id(struct agent *agent, const char *id, struct err *err)
{
    Mesos__V1__AgentInfo info = *agent->info;
    Mesos__V1__AgentID message = MESOS__V1__AGENT_ID__INIT;
    message.value = (char *)(uintptr_t)id;
    info.id = &message;
    return agent_store_save_id(agent->store, id, &info, err);
}

static void send(struct agent *agent, const ProtobufCMessage *message)
{
    if (!agent->stopping)
        agent->to_master(agent->self, agent, (const void *)message);
}

static int perform_disk(struct agent *agent, const struct agent_action *action,
                        struct err *err)
{
    const void *message = action->message;
    switch (action->kind) {
    case AGENT_SAVE_RUN:
        return agent_store_save_run(agent->store, message, err);
    case AGENT_DROP_RUN:
        agent_store_drop_run(agent->store, message);
        return 0;
    case AGENT_SAVE_ID:
        return save_id(agent, action->text, err);
    case AGENT_FORGET_ID:
        agent_store_forget_id(agent->store);
        return 0;
    case AGENT_SAVE_RESOURCES:
        return agent_store_save_resources(agent->store, message, err);
    case AGENT_MAKE_VOLUME:
        return agent_store_make_volume(agent->store, action->text, err);
    case AGENT_REMOVE_VOLUME:
        return agent_store_remove_volume(agent->store, action->text,
                                         action->keep_dir, err);
    case AGENT_SEND:
    case AGENT_START:
    case AGENT_ADOPT:
    case AGENT_SIGNAL:
    case AGENT_CHECK:
    case AGENT_CHECK_STOP:
    case AGENT_ODD:
        break;
    }
    return 0;
}

static void perform_rest(struct agent *agent, const struct agent_action *action)
{
    const struct launcher_ops *ops = agent->launcher_ops;
    const void *message = action->message;
    switch (action->kind) {
    case AGENT_SEND:
        send(agent, action->message);
        return;
    case AGENT_START:
        ops->start(agent->launcher, message);
        return;
    case AGENT_ADOPT:
        ops->adopt(agent->launcher, action->container, action->text);
        return;
    case AGENT_SIGNAL:
        ops->signal(agent->launcher, action->container, action->signo,
                    action->whole);
        return;
    case AGENT_CHECK:
        ops->check(agent->launcher, message);
        return;
    case AGENT_CHECK_STOP:
        ops->check_stop(agent->launcher, action->container, action->health);
        return;
    case AGENT_ODD:
        log_odd("agent_message", "agent=%s %s",
                str_or_empty(agent_core_id(agent->core)), action->text);
        return;
    case AGENT_SAVE_RUN:
    case AGENT_DROP_RUN:
    case AGENT_SAVE_ID:
    case AGENT_FORGET_ID:
    case AGENT_SAVE_RESOURCES:
    case AGENT_MAKE_VOLUME:
    case AGENT_REMOVE_VOLUME:
        return;
    }
}

static void perform_all(struct agent *agent)
{
    struct agent_action action;
    struct err err;
    while (agent_core_take(agent->core, &action)) {
        if (!agent->broken && agent->store &&
            perform_disk(agent, &action, &err) < 0) {
            /* As a real agent, which ends here: nothing that rests on what is
             * not saved may happen. */
            agent->broken = true;
            log_bad("agent_cannot_save", "agent=%s why=%s",
                    str_or_empty(agent_core_id(agent->core)), log_q(err.text));
        }
        if (!agent->broken)
            perform_rest(agent, &action);
        agent_action_clear(&action);
    }
}

static void arm(struct agent *agent);

static void on_timer(void *self)
{
    struct agent *agent = self;
    agent->timer = 0;
    agent_core_tick(agent->core, now());
    perform_all(agent);
    arm(agent);
}

static void arm(struct agent *agent)
{
    int64_t due = agent_core_due_ms(agent->core);
    loop_timer_cancel(agent->loop, agent->timer);
    agent->timer = 0;
    if (due == INT64_MAX || agent->broken)
        return;
    agent->timer = loop_timer(agent->loop, MAX(due - clock_mono_ms(), 0), 0,
                              on_timer, agent);
}

static void on_soon(void *self)
{
    struct agent *agent = self;
    agent->soon = 0;
    perform_all(agent);
    arm(agent);
}

/* After every input. */
static void wake(struct agent *agent)
{
    if (!agent->soon)
        agent->soon = loop_soon(agent->loop, on_soon, agent);
}

/* ---- what the launcher tells ------------------------------------------ */

static void on_started(void *self, const char *container, int64_t pid)
{
    struct agent *agent = self;
    agent_core_started(agent->core, container, pid, now());
    wake(agent);
}

static void on_ended(void *self, const char *container,
                     const struct agent_end *end)
{
    struct agent *agent = self;
    agent_core_ended(agent->core, container, end, now());
    wake(agent);
}

static void on_absent(void *self, const char *container)
{
    struct agent *agent = self;
    agent_core_absent(agent->core, container, now());
    wake(agent);
}

static void on_checked(void *self, const struct agent_check_result *result)
{
    struct agent *agent = self;
    agent_core_checked(agent->core, result, now());
    wake(agent);
}

static const struct launcher_events launcher_events = {
    .started = on_started,
    .ended = on_ended,
    .absent = on_absent,
    .checked = on_checked,
};

/* ---- starting --------------------------------------------------------- */

static Mesos__V1__DomainInfo *domain(const struct agent_config *config)
{
    if (!config->region || !config->zone)
        return NULL;
    Mesos__V1__DomainInfo *info = PB_NEW(mesos__v1__domain_info);
    return attributes_fault_domain(info, config->region, config->zone);
}

static Mesos__V1__AgentInfo *make_info(const struct agent_config *config,
                                       struct err *err)
{
    AUTO(resources)
    struct resources *resources =
        resources_parse(str_or_empty(config->resources), err);
    if (!resources)
        return NULL;
    AUTO_MESSAGE Mesos__V1__AgentInfo *info = PB_NEW(mesos__v1__agent_info);
    info->hostname = xstrdup(str_or_empty(config->hostname));
    PB_SET(info, port, config->port);
    resources_to(resources, &info->resources, &info->n_resources);
    info->domain = domain(config);
    if (attributes_parse(str_or_empty(config->attributes), &info->attributes,
                         &info->n_attributes, err) < 0)
        return NULL;
    return MOVE(info);
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static struct agent_core *make_core(const struct agent *agent,
                                    const struct agent_config *config,
                                    struct err *err)
{
    struct agent_core_config core = {
        .work_dir = agent->dir,
        .ip = config->ip ? config->ip : "127.0.0.1",
        .port = config->port,
        .switch_user = config->switch_user,
        .in_memory = config->in_memory,
        .info = agent->info,
        .status_resend_ms = or_default(config->status_resend_ms, 10000),
        .status_resend_max_ms =
            or_default(config->status_resend_max_ms, 600000),
        .register_retry_ms = 2000,
        .recovery_wait_ms = or_default(config->recovery_wait_ms, 2000),
        .launch_delay_ms = config->launch_delay_ms,
        .executor_exit_ms = 50,
        .executor_shutdown_grace_ms =
            or_default(config->executor_shutdown_grace_ms, 5000),
        .kill_grace_ms = or_default(config->kill_grace_ms, 3000),
        .fetch_timeout_ms = or_default(config->fetch_timeout_ms, 600000),
        .new_uuid = new_uuid,
    };
    return agent_core_new(&core, err);
}

struct restore {
    struct agent *agent;
    bool failed;
};

static void restore_run(void *self, const Reeve__Devagent__ExecutorRun *run)
{
    struct restore *restore = self;
    if (!agent_core_restore_run(restore->agent->core, run, now()))
        restore->failed = true;
}

static int restore_resources(struct agent *agent, struct err *err)
{
    struct err why;
    AUTO_MESSAGE Reeve__Devagent__AgentResources *resources =
        agent_store_load_resources(agent->store, &why);
    if (resources)
        return agent_core_restore_resources(agent->core, resources, err);
    if (why.code == ERR_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

static int recover(struct agent *agent, struct err *err)
{
    struct restore restore = {agent, false};
    AUTO_FREE char *id = agent_store_load_id(agent->store);
    if (restore_resources(agent, err) < 0)
        return -1;
    if (!id)
        return 0;
    agent_core_restore_id(agent->core, id);
    if (agent_store_each_run(agent->store, restore_run, &restore) > 0 ||
        restore.failed)
        return err_set(err, ERR_CORRUPT,
                       "%s/meta/slaves: an executor's checkpoint cannot be "
                       "read; remove it (tasks it tells of may still run)",
                       agent->dir);
    agent_core_recovered(agent->core, now());
    return 0;
}

static int set_up(struct agent *agent, const struct agent_config *config,
                  struct err *err)
{
    struct launcher_config launcher = {
        .loop = agent->loop,
        .events = &launcher_events,
        .self = agent,
        .shim_program = config->shim_program,
        .no_files = config->in_memory,
        .schedule = config->schedule,
    };
    if (!config->in_memory) {
        agent->store = agent_store_open(config->work_dir, err);
        if (!agent->store)
            return -1;
    }
    agent->dir = xstrdup(agent->store ? agent_store_dir(agent->store)
                                      : config->work_dir);
    agent->info = make_info(config, err);
    if (!agent->info)
        return -1;
    agent->core = make_core(agent, config, err);
    if (!agent->core)
        return -1;
    agent->launcher = agent->launcher_ops->open(&launcher, err);
    if (!agent->launcher)
        return -1;
    return agent->store ? recover(agent, err) : 0;
}

static void agent_free(struct agent **agent)
{
    struct agent *a = *agent;
    loop_timer_cancel(a->loop, a->timer);
    loop_timer_cancel(a->loop, a->soon);
    if (a->launcher)
        a->launcher_ops->close(&a->launcher);
    agent_core_destroy(&a->core);
    agent_store_close(&a->store);
    free(a->dir);
    PB_FREE(a->info);
    free(a);
    *agent = NULL;
}

struct agent *agent_new(struct loop *loop, const struct agent_config *config,
                        void (*to_master)(void *self, struct agent *agent,
                                          const Reeve__Devcluster__ToMaster *),
                        void *self, struct err *err)
{
    struct agent *agent = xcalloc(1, sizeof(*agent));
    agent->loop = loop;
    agent->to_master = to_master;
    agent->self = self;
    agent->launcher_ops = config->launcher    ? config->launcher
                          : config->in_memory ? &launcher_simulated
                                              : &launcher_processes;
    if (set_up(agent, config, err) < 0) {
        agent_free(&agent);
        return NULL;
    }
    /* Tasks are found again, or seen to be over, before anybody asks. */
    wake(agent);
    return agent;
}

void agent_stop(struct agent **agent)
{
    if (!*agent)
        return;
    (*agent)->stopping = true;
    agent_core_stop((*agent)->core);
    perform_all(*agent);
    agent_free(agent);
}

/* ---- the link to the master ------------------------------------------- */

void agent_connect(struct agent *agent)
{
    agent_core_connect(agent->core, now());
    wake(agent);
}

void agent_disconnect(struct agent *agent)
{
    agent_core_disconnect(agent->core);
    wake(agent);
}

void agent_receive(struct agent *agent,
                   const Reeve__Devcluster__ToAgent *message)
{
    agent_core_receive(agent->core, message, now());
    wake(agent);
}

void agent_unregister(struct agent *agent)
{
    agent_core_unregister(agent->core, now());
    wake(agent);
}

/* ---- looking ---------------------------------------------------------- */

const char *agent_id(const struct agent *agent)
{
    return agent_core_id(agent->core);
}

const char *agent_work_dir(const struct agent *agent)
{
    return agent->dir;
}

bool agent_connected(const struct agent *agent)
{
    return agent_core_registered(agent->core);
}

void agent_each_task(const struct agent *agent,
                     void (*fn)(void *self, const struct agent_task_view *view),
                     void *self)
{
    agent_core_each_task(agent->core, fn, self);
}

struct search {
    const char *framework_id;
    const char *task_id;
    void (*fn)(void *self, const struct agent_task_view *view);
    void *self;
    bool found;
};

static void search_one(void *self, const struct agent_task_view *view)
{
    struct search *search = self;
    if (search->found || !str_eq(view->framework_id, search->framework_id) ||
        !str_eq(view->task->task_id->value, search->task_id))
        return;
    search->found = true;
    if (search->fn)
        search->fn(search->self, view);
}

bool agent_find_task(const struct agent *agent, const char *framework_id,
                     const char *task_id,
                     void (*fn)(void *self, const struct agent_task_view *view),
                     void *self)
{
    struct search search = {framework_id, task_id, fn, self, false};
    agent_core_each_task(agent->core, search_one, &search);
    return search.found;
}

bool agent_path_allowed(const struct agent *agent, const char *path,
                        char **real)
{
    static const char *const below[] = {"slaves", "volumes"};
    *real = path[0] == '/' ? realpath(path, NULL) : NULL;
    for (size_t i = 0; *real && i < ARRAY_LEN(below); i++) {
        AUTO_FREE char *prefix =
            xasprintf("%s/%s/", agent_work_dir(agent), below[i]);
        if (str_starts(*real, prefix))
            return true;
    }
    free(*real);
    *real = NULL;
    return false;
}

size_t agent_checkpointed(const struct agent *agent,
                          Mesos__V1__Resource ***resources)
{
    return agent_core_checkpointed(agent->core, resources);
}
