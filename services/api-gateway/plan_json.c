/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api-gateway/plan_json.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/spec/spec.h"
#include "lib/wire/wire.h"

const char *plan_status_name(Reeve__PlanStatus status)
{
    const char *name =
        wire_enum_name(&reeve__plan_status__descriptor, (int)status);
    if (!name || !str_starts(name, "STATUS_"))
        return "ERROR";
    name += strlen("STATUS_");
    return str_eq(name, "UNSET") ? "PENDING" : name;
}

const char *plan_status_seed_name(Reeve__PlanStatus status)
{
    switch ((int)status) {
    case REEVE__PLAN_STATUS__STATUS_PREPARED:
    case REEVE__PLAN_STATUS__STATUS_STARTING:
    case REEVE__PLAN_STATUS__STATUS_STARTED:
        return "IN_PROGRESS";
    case REEVE__PLAN_STATUS__STATUS_DELAYED:
        return "PENDING";
    default:
        return plan_status_name(status);
    }
}

static json_t *texts(char **items, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, wire_json_string(str_or_empty(items[i])));
    return list;
}

static bool is_canary(const Reeve__Phase *phase)
{
    return strstr(str_or_empty(phase->strategy), "canary") != NULL;
}

static json_t *step_json(const Reeve__Step *step)
{
    /* A message may carry an agent's words, and be cut anywhere. */
    return json_pack("{s:s, s:s, s:s, s:o}", "id", str_or_empty(step->id),
                     "status", plan_status_name(step->status), "name",
                     str_or_empty(step->name), "message",
                     wire_json_string(str_or_empty(step->message)));
}

static json_t *block_json(const Reeve__Phase *phase, const Reeve__Step *step)
{
    json_t *block = step_json(step);
    bool waits =
        is_canary(phase) && step->status == REEVE__PLAN_STATUS__STATUS_WAITING;
    json_object_set_new(block, "status",
                        json_string(plan_status_seed_name(step->status)));
    json_object_set_new(block, "has_decision_point", json_boolean(waits));
    return block;
}

static json_t *phase_json(const Reeve__Phase *phase, bool with_blocks)
{
    json_t *steps = json_array(), *blocks = json_array();
    for (size_t i = 0; i < phase->n_steps; i++) {
        json_array_append_new(steps, step_json(phase->steps[i]));
        json_array_append_new(blocks, block_json(phase, phase->steps[i]));
    }
    json_t *out = json_pack("{s:s, s:s, s:o}", "id", str_or_empty(phase->id),
                            "name", str_or_empty(phase->name), "steps", steps);
    if (with_blocks)
        json_object_set(out, "blocks", blocks);
    json_decref(blocks);
    json_object_set_new(out, "strategy",
                        json_string(str_or_empty(phase->strategy)));
    json_object_set_new(out, "status",
                        json_string(plan_status_name(phase->status)));
    return out;
}

json_t *plan_json(const Reeve__Plan *plan, bool with_blocks)
{
    json_t *phases = json_array();
    for (size_t i = 0; i < plan->n_phases; i++)
        json_array_append_new(phases, phase_json(plan->phases[i], with_blocks));
    return json_pack("{s:o, s:o, s:s, s:s}", "phases", phases, "errors",
                     texts(plan->errors, plan->n_errors), "strategy",
                     str_or_empty(plan->strategy), "status",
                     plan_status_name(plan->status));
}

int plan_http_status(const Reeve__Plan *plan)
{
    if (plan->n_errors > 0)
        return 417;
    return plan->status == REEVE__PLAN_STATUS__STATUS_COMPLETE ? 200 : 202;
}

static bool is_complete(Reeve__PlanStatus status)
{
    return status == REEVE__PLAN_STATUS__STATUS_COMPLETE;
}

static const Reeve__Phase *current_phase(const Reeve__Plan *plan)
{
    for (size_t i = 0; i < plan->n_phases; i++)
        if (!is_complete(plan->phases[i]->status))
            return plan->phases[i];
    return NULL;
}

static const Reeve__Step *current_step(const Reeve__Phase *phase)
{
    for (size_t i = 0; i < phase->n_steps; i++)
        if (!is_complete(phase->steps[i]->status))
            return phase->steps[i];
    return NULL;
}

json_t *plan_currently_active(const Reeve__Plan *plan)
{
    json_t *out = json_object();
    const Reeve__Phase *phase = current_phase(plan);
    const Reeve__Step *step = phase ? current_step(phase) : NULL;
    if (step)
        json_object_set_new(out, "block", block_json(phase, step));
    if (phase)
        json_object_set_new(out, "phase",
                            json_pack("{s:s, s:s, s:I, s:s}", "id",
                                      str_or_empty(phase->id), "name",
                                      str_or_empty(phase->name), "block_count",
                                      (json_int_t)phase->n_steps, "status",
                                      plan_status_seed_name(phase->status)));
    json_object_set_new(out, "plan",
                        json_pack("{s:I, s:o, s:s}", "phase_count",
                                  (json_int_t)plan->n_phases, "errors",
                                  texts(plan->errors, plan->n_errors), "status",
                                  plan_status_seed_name(plan->status)));
    return out;
}

json_t *plan_recovery(const Reeve__Plan *recovery,
                      bool (*permanent)(void *self, const char *task_name),
                      void *self)
{
    json_t *stopped = json_array(), *failed = json_array();
    for (size_t i = 0; recovery && i < recovery->n_phases; i++) {
        const Reeve__Phase *phase = recovery->phases[i];
        for (size_t k = 0; k < phase->n_steps; k++) {
            const Reeve__Step *step = phase->steps[k];
            if (is_complete(step->status))
                continue;
            for (size_t t = 0; t < step->n_tasks; t++) {
                AUTO_FREE char *name =
                    spec_task_name(str_or_empty(step->pod_type),
                                   step->pod_index, step->tasks[t]);
                json_array_append_new(permanent(self, name) ? failed : stopped,
                                      json_string(name));
            }
        }
    }
    return json_pack("{s:o, s:o}", "stopped", stopped, "failed", failed);
}
