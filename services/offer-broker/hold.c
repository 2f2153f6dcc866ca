/* SPDX-License-Identifier: Apache-2.0 */
/* hold - an old task goes on until what shall take its place is known to fit
 *
 * The planner orders a kill together with the demand for what comes after it.
 * When that asks for more than its pod has reserved, and nobody knows whether
 * the pod's agent has more, the kill waits: a change that fits nowhere must not
 * cost the instance that runs.  What asks for no more, a replacement, an
 * operator's kill, and a kill that was sent once are not held.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/mesos/states.h"
#include "lib/spec/spec.h"
#include "services/offer-broker/launch_internal.h"
#include "services/offer-broker/status.h"

struct looking {
    const struct session *session;
    const struct demand_view *view;
    bool is_awaited; /* an order for a running task that was not sent yet */
};

static void look_at_task(void *self, const struct fact_task *task)
{
    struct looking *l = self;
    const Reeve__KillOrder *order;

    if (!task->info || !task->status ||
        !str_eq(task->info->task_id, task->status->task_id) ||
        task->status->state != MESOS__V1__TASK_STATE__TASK_RUNNING)
        return;
    order = facts_kill(l->session->facts, task->info->task_id, NULL);
    l->is_awaited |= order && str_eq(order->demand_id, l->view->demand->id) &&
                     !kill_book_has(l->session->kills, task->info->task_id);
}

static bool is_awaited(const struct pass *p, const struct demand_view *view)
{
    struct looking l = {.session = p->session, .view = view};

    if (view->state < DEMAND_BLOCKED || !view->record ||
        !view->record->confirmed || view->record->n_resources == 0 ||
        view->demand->recovery != REEVE__DEMAND__RECOVERY__NONE)
        return false;
    facts_each_task_of(p->session->facts, view->instance, look_at_task, &l);
    return l.is_awaited;
}

/* What the pod's agent offers in the pod's role; NULL: nothing. */
static const struct resources *offered_to(const struct pass *p,
                                          const struct demand_view *view)
{
    AUTO_FREE char *role = spec_pod_role(session_spec(p->session), view->pod);
    const char *agent = str_or_empty(view->record->agent_id);
    struct pool_index *index = NULL;
    size_t at;

    HASH_FIND_STR(p->by_agent, agent, index);
    if (!index)
        return NULL;
    at = index->at;
    while (!str_eq(p->pools[at].role, role) && p->pools[at].next_of_agent)
        at = p->pools[at].next_of_agent;
    if (!str_eq(p->pools[at].role, role))
        return NULL;
    agent_pool_fill(&p->pools[at]);
    return p->pools[at].resources;
}

static void tell(struct demand_view *view, const char *why)
{
    view->holds_kill = true;
    snprintf(view->why, sizeof(view->why),
             "does not fit on %s: %s; what runs there goes on until it does",
             str_or_empty(view->record->hostname), why);
}

bool hold_judge(struct pass *p, struct demand_view *view)
{
    AUTO_BUF struct buf why = {0};
    const struct resources *offered;

    if (!is_awaited(p, view))
        return true;
    if (view->state == DEMAND_REFUSED || !view->pod) {
        view->holds_kill = true;
        return true;
    }
    offered = offered_to(p, view);
    if (!matching_would_fit(p, view, offered, &why))
        tell(view, buf_text(&why));
    return offered || !view->holds_kill ||
           !outcomes_keep(p->session->outcomes, view);
}
