/* SPDX-License-Identifier: Apache-2.0 */
/* master_calls - a framework's calls: who may call, and which handler
 *
 * The short calls are handled here: REVIVE, SUPPRESS, SHUTDOWN, TEARDOWN.
 */
#include "devcluster/master_state.h"

#include <string.h>

/* Empty list: all roles.  One unknown role voids the whole call. */
static bool roles_known(const struct framework *fw, char *const *roles,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!framework_role(fw, roles[i]))
            return false;
    }
    return true;
}

static void call_revive(struct master *m, struct framework *fw,
                        const Mesos__V1__Scheduler__Call *call)
{
    size_t count = call->revive ? call->revive->n_roles : 0;
    char *const *roles = call->revive ? call->revive->roles : NULL;

    if (!roles_known(fw, roles, count)) {
        note(m, "event=revive_dropped framework=%s", fw->id);
        return;
    }
    for (size_t i = 0; i < fw->n_roles; i++) {
        bool meant = count == 0;

        for (size_t k = 0; k < count; k++)
            meant |= str_eq(roles[k], fw->roles[i].name);
        if (!meant)
            continue;
        fw->roles[i].suppressed = false;
        filters_clear(m, fw, fw->roles[i].name);
    }
    allocate(m);
}

static void call_suppress(struct master *m, struct framework *fw,
                          const Mesos__V1__Scheduler__Call *call)
{
    size_t count = call->suppress ? call->suppress->n_roles : 0;
    char *const *roles = call->suppress ? call->suppress->roles : NULL;

    if (!roles_known(fw, roles, count)) {
        note(m, "event=suppress_dropped framework=%s", fw->id);
        return;
    }
    for (size_t i = 0; i < count; i++)
        framework_role(fw, roles[i])->suppressed = true;
    for (size_t i = 0; count == 0 && i < fw->n_roles; i++)
        fw->roles[i].suppressed = true;
}

static void call_shutdown(struct master *m, struct framework *fw,
                          const Mesos__V1__Scheduler__Call *call)
{
    struct magent *agent = find_agent(m, call->shutdown->agent_id->value);
    Reeve__Devcluster__ToAgent *msg;

    if (!agent) {
        note(m, "event=shutdown_dropped framework=%s agent=%s", fw->id,
             call->shutdown->agent_id->value);
        return;
    }
    msg = PB_NEW(reeve__devcluster__to_agent);
    msg->shutdown_executor =
        PB_NEW(reeve__devcluster__to_agent__shutdown_executor);
    msg->shutdown_executor->framework_id = pb_framework_id(fw->id);
    msg->shutdown_executor->executor_id =
        pb_executor_id(call->shutdown->executor_id->value);
    send_agent(m, agent, msg);
}

static void call_teardown(struct master *m, struct framework *fw,
                          const Mesos__V1__Scheduler__Call *call UNUSED)
{
    framework_remove(m, fw);
}

/* Advisory only, or of no meaning to this master's allocator and executors. */
static void call_ignored(struct master *m UNUSED, struct framework *fw UNUSED,
                         const Mesos__V1__Scheduler__Call *call UNUSED)
{
}

static const struct {
    int type;
    void (*handle)(struct master *m, struct framework *fw,
                   const Mesos__V1__Scheduler__Call *call);
} handlers[] = {
    {CALL(TEARDOWN), call_teardown},
    {CALL(ACCEPT), call_accept},
    {CALL(DECLINE), call_decline},
    {CALL(REVIVE), call_revive},
    {CALL(SUPPRESS), call_suppress},
    {CALL(KILL), call_kill},
    {CALL(SHUTDOWN), call_shutdown},
    {CALL(ACKNOWLEDGE), call_acknowledge},
    {CALL(ACKNOWLEDGE_OPERATION_STATUS), call_acknowledge_operation},
    {CALL(RECONCILE), call_reconcile},
    {CALL(RECONCILE_OPERATIONS), call_reconcile_operations},
    {CALL(ACCEPT_INVERSE_OFFERS), call_inverse_offers},
    {CALL(DECLINE_INVERSE_OFFERS), call_inverse_offers},
    {CALL(MESSAGE), call_ignored},
    {CALL(REQUEST), call_ignored},
};

/* On command: as if the master had died right after its answer. */
static bool is_lost(struct master *m, const struct framework *fw,
                    const Mesos__V1__Scheduler__Call *call)
{
    if (call->type != CALL(ACCEPT) || !m->drop_accepts)
        return false;
    m->drop_accepts--;
    note(m, "event=accept_dropped_on_command framework=%s", fw->id);
    return true;
}

/* Rows 12 to 15 of the order in which a master decides. */
static struct framework *caller(struct master *m, const char *stream_id,
                                const Mesos__V1__Scheduler__Call *call,
                                struct master_reply *reply)
{
    struct framework *fw = find_framework(m, ID_OF(call->framework_id));

    if (!fw)
        reply_set(reply, 400, "Framework cannot be found");
    else if (!fw->stream)
        reply_set(reply, 403, "Framework is not subscribed");
    else if (!stream_id)
        reply_set(reply, 400,
                  "All non-subscribe calls should include the "
                  "'Mesos-Stream-Id' header");
    else if (!str_eq(stream_id, fw->stream_id))
        reply_set(reply, 400,
                  "The stream ID '%.512s' included in this request didn't "
                  "match the stream ID currently associated with framework "
                  "ID %.256s",
                  stream_id, fw->id);
    else
        return fw;
    return NULL;
}

void master_call(struct master *m, const char *stream_id,
                 const Mesos__V1__Scheduler__Call *call,
                 struct master_reply *reply)
{
    struct framework *fw = caller(m, stream_id, call, reply);

    if (!fw)
        return;
    if ((unsigned)call->type < ARRAY_LEN(fw->calls))
        fw->calls[call->type]++;
    if (call->type == CALL(UPDATE_FRAMEWORK)) {
        framework_update(m, call, reply);
        return;
    }
    reply_set(reply, 202, "%s", "");
    if (is_lost(m, fw, call))
        return;
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (handlers[i].type == (int)call->type) {
            handlers[i].handle(m, fw, call);
            return;
        }
    }
    /* type UNKNOWN, set explicitly: a real master dies of it. */
    note(m, "event=would_abort_real_master why=call_type_unknown framework=%s",
         fw->id);
    reply_set(reply, 501, "Call type UNKNOWN is not implemented");
}
