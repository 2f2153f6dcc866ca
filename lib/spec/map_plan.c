/* SPDX-License-Identifier: Apache-2.0 */
/* map_plan - the plans section: phases and their steps
 *
 * Read after the pods (the table of service keys has that order), because steps
 * name pods and tasks.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/spec/loader.h"
#include "lib/spec/schema.h"
#include "lib/wire/pb.h"

#define DEFAULT_INDEX (-1)

/* ---- strategies ---- */

static int check_plan_strategy(struct loader *l, const struct yaml_node *node,
                               char **strategy)
{
    if (!*strategy)
        *strategy = xstrdup("serial");
    if (strcmp(*strategy, "serial") == 0 || strcmp(*strategy, "parallel") == 0)
        return 0;
    load_enter(l, "strategy");
    return load_fail(l, yaml_tree_get(node, "strategy"),
                     "Unsupported plan strategy '%.60s', expected one of: "
                     "[serial, parallel]",
                     *strategy);
}

static int check_phase_strategy(struct loader *l, const struct yaml_node *node,
                                char **strategy)
{
    static const char *const known[] = {"serial", "parallel", "serial-canary",
                                        "parallel-canary"};

    if (!*strategy)
        *strategy = xstrdup("serial");
    if (strcmp(*strategy, "canary") == 0) {
        free(*strategy);
        *strategy = xstrdup("serial-canary");
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(*strategy, known[i]) == 0)
            return 0;
    load_enter(l, "strategy");
    return load_fail(l, yaml_tree_get(node, "strategy"),
                     "Unsupported phase strategy '%.60s', expected one of: "
                     "[serial, parallel, serial-canary, canary, "
                     "parallel-canary]",
                     *strategy);
}

/* ---- steps ---- */

/* A phase while its steps are read. */
struct phase {
    struct loader *l;
    Reeve__PhaseSpec *spec;
    const Reeve__PodSpec *pod;
};

static int read_step_tasks(const struct phase *phase,
                           const struct yaml_node *node,
                           Reeve__StepGroup *group)
{
    Reeve__StepTasks *tasks = PB_NEW(reeve__step_tasks);

    PB_ADD(group, groups, tasks);
    if (node->kind != YAML_KIND_LIST || node->n_entries == 0)
        return load_fail(phase->l, node,
                         "Malformed step in phase '%.60s': expected a list of "
                         "task names, got %s",
                         phase->spec->name, yaml_tree_what(node));
    for (size_t i = 0; i < node->n_entries; i++) {
        const struct yaml_node *name = node->entries[i].value;
        const char *text = str_or_empty(name->text);
        if (name->kind != YAML_KIND_SCALAR ||
            !spec_find_task(phase->pod, text) || !*text)
            return load_fail(phase->l, name,
                             "Malformed step: step refers to a task that does "
                             "not exist: '%.60s' in pod '%.60s'",
                             text, phase->pod->type);
        PB_ADD(tasks, tasks, xstrdup(text));
    }
    return 0;
}

static int read_index(const struct phase *phase, const struct yaml_entry *entry,
                      int32_t *index)
{
    struct yaml_node at = {.line = entry->line};
    int64_t number;

    *index = DEFAULT_INDEX;
    if (strcmp(entry->key, "default") != 0) {
        if (!parse_i64(entry->key, &number) || number < 0 || number > INT32_MAX)
            return load_fail(phase->l, &at,
                             "Malformed step in phase '%.60s': '%.60s' is "
                             "neither an index nor 'default'",
                             phase->spec->name, entry->key);
        *index = (int32_t)number;
    }
    for (size_t i = 0; i < phase->spec->n_steps; i++)
        if (phase->spec->steps[i]->index == *index)
            return load_fail(phase->l, &at,
                             "Malformed steps in phase '%.60s': entry '%.60s' "
                             "is given twice",
                             phase->spec->name, entry->key);
    if (*index >= (int64_t)phase->pod->count)
        load_warn(phase->l, &at,
                  "instance %d does not exist (count is %u), "
                  "ignored",
                  *index, phase->pod->count);
    return 0;
}

static int read_step(const struct phase *phase, const struct yaml_node *node)
{
    int32_t index;

    if (node->kind != YAML_KIND_MAP || node->n_entries != 1)
        return load_fail(phase->l, node,
                         "Malformed step in phase '%.60s': Map should contain "
                         "a single entry, but has %zu",
                         phase->spec->name,
                         node->kind == YAML_KIND_MAP ? node->n_entries : 0);
    const struct yaml_entry *entry = &node->entries[0];
    if (read_index(phase, entry, &index) < 0)
        return -1;
    Reeve__StepGroup *group = PB_NEW(reeve__step_group);
    PB_ADD(phase->spec, steps, group);
    group->has_index = true;
    group->index = index;
    if (entry->value->kind != YAML_KIND_LIST)
        return load_fail(phase->l, entry->value,
                         "Malformed step in phase '%.60s': expected a list of "
                         "lists of task names, got %s",
                         phase->spec->name, yaml_tree_what(entry->value));
    for (size_t i = 0; i < entry->value->n_entries; i++)
        if (read_step_tasks(phase, entry->value->entries[i].value, group) < 0)
            return -1;
    return 0;
}

/* Each instance has its entry or the default. */
static int check_all_there(const struct phase *phase,
                           const struct yaml_node *node)
{
    const Reeve__PhaseSpec *spec = phase->spec;

    for (size_t i = 0; i < spec->n_steps; i++)
        if (spec->steps[i]->index == DEFAULT_INDEX)
            return 0;
    for (uint32_t index = 0; index < phase->pod->count; index++) {
        bool found = false;
        for (size_t i = 0; i < spec->n_steps; i++)
            found = found || spec->steps[i]->index == (int32_t)index;
        if (!found)
            return load_fail(phase->l, node,
                             "Malformed steps in phase '%.60s': Missing '%u' "
                             "step entry, and no 'default' defined",
                             spec->name, index);
    }
    return 0;
}

static int read_steps(const struct phase *phase, const struct yaml_node *node)
{
    if (yaml_tree_is_null(node))
        return 0;
    if (node->kind != YAML_KIND_LIST)
        return load_fail(phase->l, node, "must be a list, got %s",
                         yaml_tree_what(node));
    for (size_t i = 0; i < node->n_entries; i++)
        if (read_step(phase, node->entries[i].value) < 0)
            return -1;
    return node->n_entries ? check_all_there(phase, node) : 0;
}

/* ---- phases and plans ---- */

static const struct schema_key phase_keys[] = {
    {.key = "pod", .kind = SCHEMA_TEXT, .required = true},
    {.key = "strategy", .kind = SCHEMA_TEXT},
    {.key = "steps", .kind = SCHEMA_KNOWN},
    {0}};

static int read_phase(struct loader *l, const char *key,
                      const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__PlanSpec *plan = (Reeve__PlanSpec *)(void *)into;
    Reeve__PhaseSpec *spec = PB_NEW(reeve__phase_spec);

    PB_ADD(plan, phases, spec);
    spec->name = xstrdup(key);
    if (schema_object(l, node, phase_keys, &spec->base) < 0 ||
        check_phase_strategy(l, node, &spec->strategy) < 0)
        return -1;
    const struct phase phase = {
        .l = l, .spec = spec, .pod = spec_find_pod(l->spec, spec->pod)};
    if (!phase.pod)
        return load_fail(l, yaml_tree_get(node, "pod"),
                         "Unable to find pod '%.60s' referenced by phase "
                         "'%.60s'",
                         spec->pod, key);
    size_t mark = load_enter(l, "steps");
    if (read_steps(&phase, yaml_tree_get(node, "steps")) < 0)
        return -1;
    load_leave(l, mark);
    return 0;
}

static int read_phases(struct loader *l, const struct yaml_node *node,
                       ProtobufCMessage *into)
{
    if (node->kind == YAML_KIND_MAP && !node->n_entries)
        return load_fail(l, node, "required, at least one");
    return schema_each(l, node, read_phase, into);
}

static const struct schema_key plan_keys[] = {
    {.key = "strategy", .kind = SCHEMA_TEXT},
    {.key = "phases",
     .kind = SCHEMA_CUSTOM,
     .required = true,
     .read = read_phases},
    {0}};

static int read_plan(struct loader *l, const char *key,
                     const struct yaml_node *node, ProtobufCMessage *into)
{
    Reeve__ServiceSpec *spec = (Reeve__ServiceSpec *)(void *)into;
    Reeve__PlanSpec *plan = PB_NEW(reeve__plan_spec);

    PB_ADD(spec, plans, plan);
    plan->name = xstrdup(key);
    if (schema_object(l, node, plan_keys, &plan->base) < 0)
        return -1;
    return check_plan_strategy(l, node, &plan->strategy);
}

int load_plans(struct loader *l, const struct yaml_node *plans,
               ProtobufCMessage *service)
{
    if (schema_each(l, plans, read_plan, service) < 0)
        return -1;
    if (plans->n_entries && !yaml_tree_get(plans, "deploy"))
        return load_fail(l, plans, "No deploy plan provided");
    return 0;
}
