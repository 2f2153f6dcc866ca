/* SPDX-License-Identifier: Apache-2.0 */
/* agent_drain - an agent being emptied by an operator
 *
 * The wish is saved: after a restart its tasks' ends still say why.  Each task
 * is killed with the shorter of its own grace period and the operator's.
 */
#include <utlist.h>

#include "devcluster/agent_state.h"
#include "lib/base/base.h"
#include "lib/wire/pb.h"

/* Does the operator's limit replace the task's own kill policy? */
static bool is_shorter(const Mesos__V1__DurationInfo *limit,
                       const Mesos__V1__KillPolicy *own)
{
    return limit && (!own || !own->grace_period ||
                     limit->nanoseconds < own->grace_period->nanoseconds);
}

static void kill_all(struct agent_core *core, struct agent_exec *exec,
                     struct agent_now now)
{
    Mesos__V1__KillPolicy policy = MESOS__V1__KILL_POLICY__INIT;
    struct agent_task *task;

    policy.grace_period = core->drain->max_grace_period;
    DL_FOREACH(exec->tasks, task)
    {
        if (task->phase != PHASE(ENDED))
            agent_task_kill_request(
                core, task,
                is_shorter(policy.grace_period, task->info->kill_policy)
                    ? &policy
                    : NULL,
                now);
    }
    agent_save_exec(core, exec, now);
}

void agent_drain_begin(struct agent_core *core,
                       const Mesos__V1__DrainConfig *config,
                       struct agent_now now)
{
    struct agent_exec *exec;

    if (!core->execs && !core->operations)
        return;
    PB_FREE(core->drain);
    core->drain = PB_DUP(config);
    agent_ops_save(core);
    DL_FOREACH(core->execs, exec)
    kill_all(core, exec, now);
}

void agent_drain_mark(const struct agent_core *core,
                      const struct agent_exec *exec,
                      Mesos__V1__TaskStatus *status)
{
    if (!core->drain ||
        (status->state != STATE(KILLING) && status->state != STATE(KILLED)))
        return;
    PB_SET(status, reason, REASON(AGENT_DRAINING));
    if (core->drain->mark_gone &&
        agent_exec_can(
            exec, MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE))
        status->state = STATE(GONE_BY_OPERATOR);
}

void agent_drain_check(struct agent_core *core)
{
    if (!core->drain || core->execs || core->operations)
        return;
    PB_FREE(core->drain);
    agent_ops_save(core);
}
